//! Whole files or none: temporary sibling, rename, lock and sweep.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use std::str::FromStr;

use attractor::{Error, Hint, Result};
use serde::{Deserialize, Serialize};

/// What a finished append survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The end of this process at any moment; the system writes back to the disk when it likes.
    #[default]
    Process,
    /// A power failure too: every file and folder is flushed before the commit (about twice the time).
    Power,
}

impl FromStr for Durability {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "process" => Ok(Self::Process),
            "power" => Ok(Self::Power),
            _ => Err(Error::usage(format!("durability: {text:?} is neither process nor power"))),
        }
    }
}

/// Extension of files that are not whole yet.
const TEMPORARY: &str = "tmp";

/// The system's refusal, with the file that it is about.
pub fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::io(format!("{what} {}: {error}", path.display())).because(error)
}

/// Checks, before any work is done for it, that a file can be written: the one rule for every output that is a file.
///
/// Folders above it are made when it is written. What is there is kept unless `overwrite` is said; a device or a pipe is
/// written to, never replaced.
///
/// # Errors
/// `is_usage` for what cannot be the name of a file, for a folder, and for a file that is there and may not be replaced;
/// `is_io` where the system would refuse.
pub fn check_output(path: &Path, overwrite: bool) -> Result<()> {
    let name = path.display();
    if path.as_os_str() == "-" {
        return Err(Error::usage("- does not mean standard output here; name a file to write"));
    }
    if path.is_dir() || path.file_name().is_none() || path.to_string_lossy().ends_with(std::path::is_separator) {
        return Err(Error::usage(format!("{name}: is a folder; name a file to write")));
    }
    if is_special(path) {
        return is_read(path);
    }
    if path.exists() && !overwrite {
        let why = format!(
            "{name}: is there already, and nothing is overwritten unasked; name another file, or let it be replaced"
        );
        return Err(Error::usage(why).hinted(Hint::GiveOne(vec!["overwrite"])));
    }
    let path = match path.exists() {
        true => &real(path)?,
        false => path,
    };
    try_beside(path).map_err(|error| failed("cannot write", path, error))
}

/// Checks, before any work is done for it, that a folder can be written to, or made.
///
/// # Errors
/// `is_usage` for a file; `is_io` where the system would refuse.
pub fn check_folder(path: &Path) -> Result<()> {
    let name = path.display();
    match path.exists() && !path.is_dir() {
        true => Err(Error::usage(format!("{name}: is a file; name a folder"))),
        false => try_beside(&path.join("x")).map_err(|error| failed("cannot write to the folder", path, error)),
    }
}

/// Makes a file, and removes it, in the folder of `path`, or in the nearest one above it that is there.
fn try_beside(path: &Path) -> std::io::Result<()> {
    let mut folder = path.parent().unwrap_or(path);
    while !folder.as_os_str().is_empty() && !folder.exists() {
        folder = folder.parent().unwrap_or(Path::new(""));
    }
    let probe = folder.join(temporary(path).file_name().unwrap_or_default());
    File::create(&probe).and_then(|_| fs::remove_file(&probe))
}

/// Writes a file so that a reader sees the old one or the new one and nothing in between; folders above it are made.
///
/// # Errors
/// `is_io`; then the old file, if there was one, is as it was.
pub fn write_whole(path: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
    let path = &real(path)?;
    if is_special(path) {
        is_read(path)?;
        let write = || File::options().write(true).open(path)?.write_all(bytes);
        return write().map_err(|error| failed("cannot write", path, error));
    }
    let temporary = temporary(path);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        if durability == Durability::Power {
            file.sync_all()?;
        }
        drop(file);
        fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed("cannot write", path, error)
    })?;
    sync_above(path, durability)
}

/// Flushes the names in the folder of `path`, if files are to survive a loss of power.
fn sync_above(path: &Path, durability: Durability) -> Result<()> {
    match path.parent() {
        // The parent of a bare name is the empty path.
        Some(folder) if durability == Durability::Power => {
            sync_folder(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        }
        _ => Ok(()),
    }
}

/// Where a link leads, so that its target is written and the link stays; folders above what is new are made, and a file
/// that may not be written is refused.
fn real(path: &Path) -> Result<PathBuf> {
    let Ok(metadata) = fs::metadata(path) else {
        // Nothing is there, or a link leads nowhere: then it is replaced.
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_folder(folder)?;
        }
        return Ok(path.to_path_buf());
    };
    if metadata.is_file() && metadata.permissions().readonly() {
        return Err(Error::io(format!("cannot write {}: it is there and may not be written", path.display())));
    }
    fs::canonicalize(path).map_err(|error| failed("cannot write", path, error))
}

/// A device or a pipe: it is written to, never replaced.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Refuses a pipe that nobody reads: opening it would wait without end.
#[cfg(unix)]
fn is_read(path: &Path) -> Result<()> {
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
    /// O_NONBLOCK of Linux and of BSD: open at once or not at all.
    const AT_ONCE: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 4 };
    if !fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        return Ok(());
    }
    File::options().write(true).custom_flags(AT_ONCE).open(path).map(drop).map_err(|error| {
        Error::io(format!("cannot write {}: it is a pipe that nobody reads; name a file", path.display()))
            .because(error)
    })
}

#[cfg(not(unix))]
fn is_read(_: &Path) -> Result<()> {
    Ok(())
}

/// The sibling that becomes `path` when it is whole.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.{TEMPORARY}", std::process::id()));
    path.with_file_name(name)
}

/// Writes a file piece by piece, whole or not at all; returns its size in bytes.
///
/// # Errors
/// `is_io`, or what `write` answers; then the old file, if there was one, is as it was.
pub fn write_by(path: &Path, durability: Durability, write: impl FnOnce(&mut File) -> Result<()>) -> Result<u64> {
    let path = &real(path)?;
    if is_special(path) {
        return Err(Error::io(format!(
            "cannot write {}: it is not a regular file, which this format needs",
            path.display()
        )));
    }
    let temporary = temporary(path);
    let io = |error: std::io::Error| failed("cannot write", path, error);
    let all = || {
        let mut file = File::create(&temporary).map_err(io)?;
        write(&mut file)?;
        let bytes = file.metadata().map_err(io)?.len();
        if durability == Durability::Power {
            file.sync_all().map_err(io)?;
        }
        drop(file);
        fs::rename(&temporary, path).map_err(io)?;
        Ok(bytes)
    };
    let bytes = all().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })?;
    sync_above(path, durability)?;
    Ok(bytes)
}

/// Flushes a folder's list of names.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("cannot flush", folder, error))
}

/// What lies directly in a folder.
///
/// # Errors
/// `is_io`.
pub fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>();
    list().map_err(|error| failed("cannot list", folder, error))
}

/// Makes a folder with all those above it.
///
/// # Errors
/// `is_io`.
pub fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| failed("cannot make the folder", folder, error))
}

/// Is it the name of a file that is not whole yet, as [`temporary`] gives them: a file of somebody else's is never swept.
fn is_temporary(path: &Path) -> bool {
    let process = path.file_stem().map(Path::new).and_then(Path::extension).and_then(|process| process.to_str());
    path.extension().is_some_and(|extension| extension == TEMPORARY)
        && process.is_some_and(|process| !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Removes what a killed writer left half-written directly in `folder`; returns how many files that were.
pub fn sweep(folder: &Path) -> Result<usize> {
    let mut swept = 0;
    for path in children(folder)? {
        if is_temporary(&path) && path.is_file() {
            fs::remove_file(&path).map_err(|error| failed("cannot remove", &path, error))?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// Bytes of all files below a folder.
pub fn size_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for path in children(folder)? {
        let metadata = fs::symlink_metadata(&path).map_err(|error| failed("cannot look at", &path, error))?;
        bytes += match metadata.is_dir() {
            true => size_below(&path)?,
            false => metadata.len(),
        };
    }
    Ok(bytes)
}

/// The right to write to a run, held while it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the run at `root`.
    ///
    /// # Errors
    /// `is_usage` if another writer holds it, `is_io` if the lock file cannot be made.
    pub fn take(root: &Path) -> Result<Self> {
        let path = root.join(".lock");
        let open = || File::options().create(true).truncate(false).write(true).open(&path);
        let file = open().map_err(|error| failed("cannot open the lock", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::usage(format!(
                "{}: another process is writing to this run; wait for it, or write to another folder",
                root.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed("cannot lock", &path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write_whole(&path, b"old", Durability::Power).unwrap();
        // A folder in the way of the temporary file makes the write fail before the rename.
        let blocked = folder.path().join(format!("x.{}.tmp", std::process::id()));
        fs::create_dir(&blocked).unwrap();
        assert!(write_whole(&path, b"new", Durability::Process).unwrap_err().is_io());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        fs::remove_dir(&blocked).unwrap();
        write_whole(&path, b"new", Durability::Process).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(children(folder.path()).unwrap(), [path]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_read_only_files_are_kept() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, b"old").unwrap();
        symlink("target", &link).unwrap();
        write_whole(&link, b"new", Durability::Process).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && fs::read(&target).unwrap() == b"new");
        let mut permissions = fs::metadata(&target).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&target, permissions).unwrap();
        let error = write_whole(&link, b"more", Durability::Process).unwrap_err().to_string();
        assert!(error.contains("may not be written") && fs::read(&target).unwrap() == b"new", "{error}");
        write_whole(Path::new("/dev/null"), b"gone", Durability::Process).unwrap();
        assert!(is_special(Path::new("/dev/null")));
    }

    #[test]
    fn an_output_is_checked_before_work_and_kept_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let refused = |path: &Path, overwrite| check_output(path, overwrite).unwrap_err();
        check_output(&at("new/below/x"), false).unwrap();
        assert!(!at("new").exists(), "a check makes nothing");
        write_whole(&at("new/below/x"), b"old", Durability::Process).unwrap();
        assert_eq!(fs::read(at("new/below/x")).unwrap(), b"old");
        let error = refused(&at("new/below/x"), false);
        assert!(error.is_usage() && error.to_string().ends_with("or let it be replaced; give overwrite"), "{error}");
        check_output(&at("new/below/x"), true).unwrap();
        assert_eq!(fs::read(at("new/below/x")).unwrap(), b"old");
        for (path, says) in [
            (at("new"), "is a folder"),
            (at("y/"), "is a folder"),
            ("-".into(), "standard output"),
            ("".into(), "folder"),
        ] {
            let error = refused(&path, true);
            assert!(error.is_usage() && error.to_string().contains(says), "{error}");
        }
        check_folder(&at("runs/mine")).unwrap();
        assert!(check_folder(&at("new/below/x")).unwrap_err().is_usage());
        assert!(check_folder(&at("new/below/x/y")).unwrap_err().is_io());
        // A file where a folder would have to be; a name that the system cannot hold.
        for path in [at("new/below/x/y"), at(&"long".repeat(80))] {
            assert!(refused(&path, true).is_io());
        }
        assert_eq!(children(folder.path()).unwrap(), [at("new")]);
        assert_eq!(children(&at("new/below")).unwrap(), [at("new/below/x")]);
        #[cfg(unix)]
        check_output(Path::new("/dev/null"), false).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_written_to_its_reader_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = write_whole(&pipe, b"x", Durability::Process).unwrap_err();
        assert!(error.is_io() && error.to_string().contains("a pipe that nobody reads"), "{error}");
        // Opened for both, a pipe has a reader at once.
        let mut reader = File::options().read(true).write(true).open(&pipe).unwrap();
        write_whole(&pipe, b"x", Durability::Process).unwrap();
        let mut byte = [0];
        std::io::Read::read_exact(&mut reader, &mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn only_what_a_writer_left_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["x.safetensors.77.tmp", "notes.tmp", "7.tmp", "x.7a.tmp", "x.77"] {
            fs::write(at(name), b"").unwrap();
        }
        assert_eq!(sweep(folder.path()).unwrap(), 1);
        assert!(!at("x.safetensors.77.tmp").exists() && at("notes.tmp").exists() && at("7.tmp").exists());
        assert_eq!(children(folder.path()).unwrap().len(), 4);
    }

    #[test]
    fn the_lock_is_exclusive_and_ends_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let error = Lock::take(folder.path()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("another process is writing"), "{error}");
        drop(lock);
        Lock::take(folder.path()).unwrap();
    }
}
