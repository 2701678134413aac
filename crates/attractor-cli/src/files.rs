//! Files by name: which are refused, what their ending is, and how they are written.

use std::path::Path;

use attractor_session::{Durability, Error, write_whole};

use crate::error::Outcome;

/// Refuses a name that no file can have, before any work is done for it.
pub fn check_name(path: &Path) -> Outcome {
    match path.to_str() {
        Some("-") => Err(Error::usage("- does not mean standard output here; name a file to write")),
        _ if path.is_dir() => Err(Error::usage(format!("{}: is a folder; name a file to write", path.display()))),
        _ => Ok(()),
    }
}

/// The ending of a file's name, lower case; empty without one.
pub fn ending(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase()
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome {
    check_name(path)?;
    write_whole(path, bytes, Durability::Process)
}
