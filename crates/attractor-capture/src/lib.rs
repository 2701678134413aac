//! Runs on disk, readers of imported attention maps, and the capture certificate.

mod aside;
pub mod certificate;
pub mod export;
pub mod import;
mod parquet;
pub mod run;

pub use attractor::{Error, Result};
pub use certificate::Certificate;
pub use import::{Import, ImportOptions};
pub use parquet::parquet;
pub use run::{Run, RunOptions, RunWriter};
