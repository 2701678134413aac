//! Files that commands write: one type, one rule, checked before any work.

use std::ffi::OsString;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use attractor_session::{Durability, write_whole};

use crate::error::Outcome;

/// A file that a command writes. Those on a command line are found by their type and checked together: none is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output<const PICTURE: bool>(PathBuf);

/// A file whose endings its command knows.
pub type OutputFile = Output<false>;
/// A picture: .svg, .png or .pdf.
pub type PictureFile = Output<true>;

impl<const PICTURE: bool> From<OsString> for Output<PICTURE> {
    fn from(name: OsString) -> Self {
        Self(name.into())
    }
}

impl<const PICTURE: bool> Deref for Output<PICTURE> {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

/// The ending of a file's name, lower case; empty without one.
pub fn ending(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase()
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome {
    write_whole(path, bytes, Durability::Process)
}
