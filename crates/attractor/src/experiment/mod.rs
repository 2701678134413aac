//! Experiments: what ties several rooms together, from plain options to one typed, serialisable result.
//!
//! Each has options with a `check()` and a `run` that takes a [`Context`](crate::Context). Results are numbers, names and
//! enumerations; whoever shows them words them.

pub mod dense;
pub mod hopfield;
pub mod recall;
