//! The engine to use (interim: the definition, row by row).

pub use super::dense::{retrieve, statistics, weights};
