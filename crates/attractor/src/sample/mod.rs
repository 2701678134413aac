//! Sampling: models whose states are drawn, and trained by drawing.

pub mod rbm;
