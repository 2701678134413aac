//! The model that the library carries, so that there is a checkpoint where nobody has one.

use std::path::Path;

use attractor::{Error, Result};

/// A small causal language model that was trained by `train causal-lm` (docs/demo-model.md).
const FILES: [(&str, &[u8]); 3] = [
    ("config.json", include_bytes!("../demo/config.json")),
    ("model.safetensors", include_bytes!("../demo/model.safetensors")),
    ("tokenizer.json", include_bytes!("../demo/tokenizer.json")),
];

/// The name by which the embedded model is a checkpoint, wherever one is asked for.
pub const NAME: &str = "demo";

/// Lays the embedded model out where it can be opened like any other.
///
/// # Errors
/// `is_io`.
pub fn unpack(folder: &Path) -> Result<()> {
    for (name, bytes) in FILES {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|e| {
            Error::io(format!("{}: the embedded model cannot be unpacked: {e}", path.display())).because(e)
        })?;
    }
    Ok(())
}
