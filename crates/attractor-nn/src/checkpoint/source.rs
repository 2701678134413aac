//! A file that is read by ranges, every range checked against the file's real length before anything is allocated.

use attractor::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A weight file, opened once.
///
/// Ranges are read on demand and not mapped: a file that shrinks under a mapping kills the process, a short read is an
/// error.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: Mutex<File>,
    length: u64,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|e| unreadable(path, "the weight file", &e))?;
        if !about.is_file() {
            return Err(Error::format(format!(
                "{}: expected a weight file, got something that is not a regular file; give a file or a model folder",
                path.display()
            )));
        }
        let file = File::open(path).map_err(|e| unreadable(path, "the weight file", &e))?;
        let source = Self { path: path.to_path_buf(), file: Mutex::new(file), length: about.len() };
        let start = source.read(0, source.length.min(64), "the first bytes")?;
        if start.starts_with(b"version https://git-lfs") {
            return Err(Error::format(format!(
                "{}: expected weights, got a Git LFS pointer (a text of {} bytes that stands for them); fetch the real \
                 file with `git lfs pull`",
                path.display(),
                source.length
            )));
        }
        Ok(source)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes when the file was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// An error of the form "file: message".
    pub(crate) fn format(&self, message: impl std::fmt::Display) -> Error {
        Error::format(format!("{}: {message}", self.path.display()))
    }

    /// Reads `count` bytes at `offset`; `what` names them in an error.
    pub(crate) fn read(&self, offset: u64, count: u64, what: &str) -> Result<Vec<u8>> {
        let end = offset.checked_add(count).filter(|&end| end <= self.length);
        let size = usize::try_from(count).ok();
        let (Some(_), Some(size)) = (end, size) else {
            return Err(self.format(format_args!(
                "{what} should take {count} bytes at byte {offset}, but the file has {} bytes; it is truncated or \
                 damaged: fetch it again",
                self.length
            )));
        };
        let mut bytes = vec![0; size];
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|e| unreadable(&self.path, what, &e))?;
        Ok(bytes)
    }

    /// Feeds the whole file to `hash`, a piece at a time.
    pub(crate) fn hash_into(&self, hash: &mut Sha256) -> Result<()> {
        const PIECE: u64 = 1 << 20;
        let mut at = 0;
        while at < self.length {
            let count = PIECE.min(self.length - at);
            hash.update(self.read(at, count, "its bytes")?);
            at += count;
        }
        Ok(())
    }
}

/// Reads a small text file (a configuration, an index, a vocabulary) of at most `limit` bytes.
pub(crate) fn read_small(path: &Path, limit: u64, what: &str) -> Result<Vec<u8>> {
    let about = std::fs::metadata(path).map_err(|e| unreadable(path, what, &e))?;
    if !about.is_file() {
        return Err(Error::format(format!("{}: expected {what}, got something that is not a file", path.display())));
    }
    if about.len() > limit {
        return Err(Error::format(format!(
            "{}: expected {what} of at most {limit} bytes, got {} bytes; this is another kind of file",
            path.display(),
            about.len()
        )));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|e| unreadable(path, what, &e))?;
    Ok(bytes)
}

/// Reads a small JSON file.
pub(crate) fn read_json(path: &Path, what: &str) -> Result<serde_json::Value> {
    let bytes = read_small(path, 64 << 20, what)?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::format(format!("{}: {what} is not valid JSON: {e}; fetch or write it again", path.display())).because(e)
    })
}

/// The system's refusal to read `path`, with a word about what it was wanted for.
pub(crate) fn unreadable(path: &Path, wanted: &str, error: &std::io::Error) -> Error {
    let advice = match error.kind() {
        std::io::ErrorKind::NotFound => "; check the path",
        std::io::ErrorKind::PermissionDenied => "; check the permissions",
        _ => "",
    };
    let error = std::io::Error::new(error.kind(), error.to_string());
    Error::io(format!("{}: {wanted} cannot be read: {error}{advice}", path.display())).because(error)
}
