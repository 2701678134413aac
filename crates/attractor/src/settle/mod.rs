//! Settling: what a memory makes of a cue.

mod ending;
mod hopfield;
pub mod metastable;
pub mod modern;
pub mod retrieval;

pub use ending::{Ending, Explained, Likeness, explain};
pub use hopfield::{Ended, Frames, Order, Settled, asynchronous, clamped, energies, frames, synchronous};
