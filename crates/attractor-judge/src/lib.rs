//! Checks, head detectors and honest statistics for attention.

pub mod error;
pub mod statistics;

pub use error::{Error, Result};
