//! Files that are read: regular ones, and opened here alone.
//!
//! A pipe, a socket or a device may never end, or keep whoever opens it waiting without end, and much of what is read is read
//! in several places of the file or more than once. So each of them is refused by name, standard input and process
//! substitution that are pipes too; a redirected file (`< text.txt`) is a regular one.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::Path;

use attractor::{Error, Result};

/// Opens a regular file for reading, and says how many bytes it has; `what` is what is expected of it: "the text".
///
/// # Errors
/// `is_io` for what the system refuses to open, and for everything that is not a regular file.
pub fn open(path: &Path, what: &str) -> Result<(File, u64)> {
    let io = |error| unreadable(path, what, &error);
    let about = std::fs::metadata(path).map_err(io)?;
    if let Some(kind) = other(&about) {
        return Err(Error::io(format!(
            "{}: expected {what}, got {kind}, not a regular file; write it to a file and name that",
            path.display()
        )));
    }
    Ok((File::open(path).map_err(io)?, about.len()))
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// As [`open`]; `is_budget` for a larger file.
pub fn read(path: &Path, what: &str, most: u64) -> Result<Vec<u8>> {
    let (file, length) = open(path, what)?;
    if length > most {
        let why = format!("{}: expected {what} of at most {most} bytes, got {length} bytes", path.display());
        return Err(Error::budget(why));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(most).read_to_end(&mut bytes).map_err(|error| unreadable(path, what, &error))?;
    Ok(bytes)
}

/// Refuses to open for writing what would keep a writer waiting: what is there must be a regular file.
///
/// # Errors
/// `is_io`.
pub fn absent_or_regular(path: &Path, what: &str) -> Result<()> {
    match std::fs::metadata(path).ok().as_ref().and_then(other) {
        None => Ok(()),
        Some(kind) => {
            Err(Error::io(format!("{}: expected {what}, got {kind}, not a regular file; remove it", path.display())))
        }
    }
}

/// The system's refusal to read `path`, with a word about what it was wanted for.
pub fn unreadable(path: &Path, what: &str, error: &std::io::Error) -> Error {
    let advice = match error.kind() {
        std::io::ErrorKind::NotFound => "; check the path",
        std::io::ErrorKind::PermissionDenied => "; check the permissions",
        _ => "",
    };
    let error = std::io::Error::new(error.kind(), error.to_string());
    Error::io(format!("{}: {what} cannot be read: {error}{advice}", path.display())).because(error)
}

/// What it is, if not a regular file.
fn other(about: &Metadata) -> Option<&'static str> {
    if about.is_file() {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        let kind = about.file_type();
        if kind.is_fifo() {
            return Some("a pipe");
        } else if kind.is_socket() {
            return Some("a socket");
        } else if kind.is_char_device() || kind.is_block_device() {
            return Some("a device");
        }
    }
    Some(if about.is_dir() { "a folder" } else { "something else" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let here = std::env::temp_dir();
        let folder = open(&here, "the text").unwrap_err();
        assert!(folder.is_io() && folder.to_string().contains("expected the text, got a folder"), "{folder}");
        let absent = open(&here.join("not/there"), "the text").unwrap_err();
        assert!(absent.is_io() && std::error::Error::source(&absent).is_some(), "{absent}");
        let this = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/file.rs");
        assert_eq!(read(&this, "it", 1 << 20).unwrap(), std::fs::read(&this).unwrap());
        assert!(read(&this, "it", 9).unwrap_err().is_budget());
        assert!(absent_or_regular(&this, "a log").is_ok() && absent_or_regular(&here.join("not"), "a log").is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn pipes_sockets_and_devices_are_refused_and_never_waited_for() {
        let name = format!("attractor-{}", std::process::id());
        let (pipe, socket) =
            (std::env::temp_dir().join(format!("{name}.pipe")), std::env::temp_dir().join(format!("{name}.socket")));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, kind) in [(&*pipe, "a pipe"), (&*socket, "a socket"), (Path::new("/dev/zero"), "a device")] {
            for error in [read(path, "the text", 1).unwrap_err(), absent_or_regular(path, "the text").unwrap_err()] {
                assert!(error.is_io() && error.to_string().contains(&format!("the text, got {kind}")), "{error}");
            }
        }
        std::fs::remove_file(pipe).unwrap();
        std::fs::remove_file(socket).unwrap();
    }
}
