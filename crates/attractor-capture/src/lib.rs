//! Runs on disk, readers of foreign captures, and the capture certificate.

pub mod captured;
pub mod certificate;
pub mod error;
pub mod evidence;
pub mod export;
pub mod import;
mod kernel;
pub mod observations;
pub mod patterns;
pub mod record;
mod restricted;
pub mod run;
pub mod samples;
pub mod selection;
pub mod table;
pub mod training;

pub use captured::Captured;
pub use certificate::Certificate;
pub use error::{Error, Result};
pub use import::{Import, ImportOptions};
pub use kernel::default_request;
pub use patterns::{Patterns, strips};
pub use restricted::Restricted;
pub use run::{Run, RunOptions, RunWriter};
pub use samples::Samples;
pub use selection::Selection;
