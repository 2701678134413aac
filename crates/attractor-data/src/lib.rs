//! Samples from files (IDX, CSV, NPY, PNG), graphs (Gset), training runs on disk (checkpoints, metrics, TensorBoard), and the
//! files that all of them are: written whole or not at all, with one writer.

pub mod archive;
pub mod files;
pub mod graphs;
pub mod machine;
pub mod patterns;
pub mod samples;
pub mod training;

pub use attractor::{Error, Result};
pub use machine::Machine;
pub use samples::Samples;
