//! A file that is read by ranges, every range checked against the file's real length before anything is allocated.

use attractor::{Error, Kind, Result};
use attractor_record::file::{self, unreadable};
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
        let (file, length) = file::open(path, "a weight file")?;
        let source = Self { path: path.to_path_buf(), file: Mutex::new(file), length };
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
        let mut bytes = vec![0; self.room(offset, count, what)?];
        self.fill(offset, &mut bytes, what)?;
        Ok(bytes)
    }

    /// Reads `count` bytes at `offset` as f32, little-endian, where they will stay: large tensors are in memory once.
    pub(crate) fn read_f32(&self, offset: u64, count: u64, what: &str) -> Result<Vec<f32>> {
        let mut numbers = vec![0.0f32; self.room(offset, count, what)? / 4];
        self.fill(offset, bytemuck::cast_slice_mut(&mut numbers), what)?;
        if cfg!(target_endian = "big") {
            numbers.iter_mut().for_each(|x| *x = f32::from_bits(x.to_bits().swap_bytes()));
        }
        Ok(numbers)
    }

    /// The size of what is to be read, if the file holds it.
    fn room(&self, offset: u64, count: u64, what: &str) -> Result<usize> {
        let end = offset.checked_add(count).filter(|&end| end <= self.length);
        match (end, usize::try_from(count)) {
            (Some(_), Ok(size)) => Ok(size),
            _ => Err(self.format(format_args!(
                "{what} should take {count} bytes at byte {offset}, but the file has {} bytes; it is truncated or \
                 damaged: fetch it again",
                self.length
            ))),
        }
    }

    fn fill(&self, offset: u64, bytes: &mut [u8], what: &str) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(bytes))
            .map_err(|e| unreadable(&self.path, what, &e))
    }

    /// Feeds the whole file to `hash`, a piece at a time.
    pub(crate) fn hash_into(&self, hash: &mut Sha256) -> Result<()> {
        const PIECE: u64 = 1 << 20;
        let mut piece = vec![0; PIECE.min(self.length) as usize];
        let mut at = 0;
        while at < self.length {
            let count = PIECE.min(self.length - at);
            let piece = &mut piece[..count as usize];
            self.fill(at, piece, "its bytes")?;
            hash.update(piece);
            at += count;
        }
        Ok(())
    }
}

/// Reads a small text file (a configuration, an index, a vocabulary) of at most `limit` bytes.
pub(crate) fn read_small(path: &Path, limit: u64, what: &str) -> Result<Vec<u8>> {
    // A larger one is another kind of file.
    file::read(path, what, limit).map_err(|error| if error.is_budget() { error.of_kind(Kind::Format) } else { error })
}

/// Reads a small JSON file.
pub(crate) fn read_json(path: &Path, what: &str) -> Result<serde_json::Value> {
    let bytes = read_small(path, 64 << 20, what)?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::format(format!("{}: {what} is not valid JSON: {e}; fetch or write it again", path.display())).because(e)
    })
}
