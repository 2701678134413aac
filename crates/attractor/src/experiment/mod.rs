//! Experiments: what ties the rooms together to answer one question about a memory.
//!
//! Each has plain options with `check()`, a function that runs it with a [`Context`](crate::Context), and a typed,
//! serialisable answer whose first field names its schema. What an answer keeps for pictures alone is not serialised.

pub mod annealing;
pub mod boltzmann;
pub mod landscape;
pub mod modern;

/// Most memory that an experiment takes for what it was asked to make, bytes.
pub const MOST_BYTES: u64 = 16 << 30;
