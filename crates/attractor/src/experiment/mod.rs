//! Experiments: what ties several rooms together, from plain options to one typed, serialisable result.
//!
//! Each has options with a `check()` and a `run` that takes a [`Context`](crate::Context); the first field of its result names its
//! schema. Results are numbers, names and enumerations; whoever shows them words them. What a result keeps for pictures alone
//! is not serialised.

pub mod annealing;
pub mod boltzmann;
pub mod capacity;
pub mod dense;
pub mod dense_capacity;
pub mod hopfield;
pub mod landscape;
pub mod modern;
pub mod recall;

/// Most memory that an experiment takes for what it was asked to make, bytes.
pub const MOST_BYTES: u64 = 16 << 30;
