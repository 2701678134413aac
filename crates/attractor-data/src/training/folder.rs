//! The folder of a training: one writer at a time.

use std::path::Path;

use attractor::Result;

use crate::files::{Lock, create_folder, sweep};

/// All that is needed to go on with a training, in its folder.
pub const TRAINING: &str = "training.safetensors";

/// The right to write into the folder of a training. It ends with this value, or with the process: the operating system
/// takes the lock back, so that a killed training keeps nobody out.
#[derive(Debug)]
pub struct Claim {
    _lock: Lock,
}

impl Claim {
    /// Makes the folder if it is not there, takes it, and removes what a killed training left half-written.
    ///
    /// # Errors
    /// `is_usage` while another process holds it; `is_io` if folder or lock cannot be made.
    pub fn take(folder: &Path) -> Result<Self> {
        create_folder(folder)?;
        let lock = Lock::take(folder)?;
        sweep(folder)?;
        Ok(Self { _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_writer_and_forgets_the_dead() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rbm");
        let claim = Claim::take(&path).unwrap();
        let half = path.join("training.safetensors.4194303.tmp");
        std::fs::write(&half, b"half").unwrap();
        let error = Claim::take(&path).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("another process is writing"), "{error}");
        assert!(half.exists(), "it may be the other's");
        drop(claim);
        // The lock file of a process that is gone stands there still.
        assert!(path.join(".lock").exists());
        Claim::take(&path).unwrap();
        assert!(!half.exists());
    }
}
