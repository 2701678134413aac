//! `attractor memory ...`: what an associative memory stores and recalls.

pub mod capacity;

use clap::Subcommand;

use crate::args::Common;
use crate::error::Outcome;

#[derive(Debug, Subcommand)]
pub enum Memory {
    /// How much a memory of random patterns holds, beside what theory says
    Capacity(capacity::Capacity),
}

/// Runs the command.
pub fn run(memory: &Memory, common: &Common) -> Outcome {
    match memory {
        Memory::Capacity(capacity) => capacity::run(capacity, common),
    }
}
