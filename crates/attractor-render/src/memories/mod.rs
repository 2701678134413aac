//! Figures of memories and machines, each from the typed result of its experiment.

pub mod rbm;
