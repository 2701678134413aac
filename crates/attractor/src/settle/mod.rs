//! Settling: what a memory makes of a cue.

pub mod capacity;
mod hopfield;

pub use hopfield::{Ended, Order, Settled, asynchronous, synchronous};
