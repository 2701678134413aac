//! Graphs from files, in the Gset format.

use std::path::Path;

use attractor::energy::MaxCut;
use attractor::{Error, Kind, Result};
use attractor_record::file;

/// Most bytes of a file.
const MOST_BYTES: u64 = 1 << 30;

/// Reads a graph: a line `nodes edges`, then a line `i j weight` for each edge ([`MaxCut::parse`]).
///
/// # Errors
/// `is_io` for what cannot be read, `is_budget` for more than 1 GiB, `is_format` for what is no text and no graph; all name the file.
pub fn read(path: &Path) -> Result<MaxCut> {
    MaxCut::parse(&text(path)?).map_err(|e| e.of_kind(Kind::Format).at(path.display()))
}

fn text(path: &Path) -> Result<String> {
    let bytes = file::read(path, "a graph in the Gset format", MOST_BYTES)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[at];
        let why = format!("is not text: byte {at} is 0x{byte:02x}; expected a graph in the Gset format");
        Error::format(why).at(path.display()).because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_read_and_other_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = |bytes: &[u8]| {
            let path = folder.path().join("graph.txt");
            std::fs::write(&path, bytes).unwrap();
            path
        };
        assert_eq!(read(&file(b"3 2\n1 2 1\n2 3 5\n")).unwrap().total(), 6.0);
        let torn = read(&file(b"3 2\n1 2 1\n2 4 1\n")).unwrap_err();
        assert!(torn.is_format() && torn.message().contains("graph.txt: gset: line 3"), "{torn}");
        let binary = read(&file(b"3 1\n\xff2 1\n")).unwrap_err();
        assert!(binary.is_format() && binary.message().contains("graph.txt: is not text: byte 4 is 0xff"), "{binary}");
        let folder_itself = read(folder.path()).unwrap_err();
        assert!(folder_itself.is_io() && folder_itself.message().contains("got a folder"), "{folder_itself}");
        let nothing = read(&folder.path().join("nothing.txt")).unwrap_err();
        assert!(nothing.is_io() && std::error::Error::source(&nothing).is_some(), "{nothing}");
    }
}
