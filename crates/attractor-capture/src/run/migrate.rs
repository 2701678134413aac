//! A run of an earlier version becomes one of this version.

use std::path::Path;

use super::{Run, RunWriter, SCHEMA_VERSION};
use attractor::{Error, Result};

/// Writes a run of an earlier version of the layout as a run of this version, in a new or empty folder.
///
/// Arrays are copied byte for byte, after each was read whole; entries are told which input and step they are. A run that was
/// not finished stays unfinished, and the new one can be resumed. The old run stays as it is.
///
/// # Errors
/// `is_usage` if the run is of this version already, or the folder is not free; `is_format` if the run is damaged; `is_io`.
pub fn migrate(from: &Run, path: impl AsRef<Path>) -> Result<Run> {
    let manifest = from.manifest();
    if manifest.version == SCHEMA_VERSION {
        return Err(Error::usage(format!(
            "{}: the run is of schema version {SCHEMA_VERSION} already, the latest; there is nothing to convert",
            from.path().display()
        )));
    }
    from.verify()?;
    let mut writer = RunWriter::create(&path, from.options(), &manifest.model)?;
    writer.made(&manifest.created)?;
    for entry in from.entries() {
        writer.adopt(from, entry)?;
    }
    match manifest.inputs {
        Some(_) => writer.finish()?,
        None => drop(writer),
    }
    Run::open(path)
}
