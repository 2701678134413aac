//! Patterns: what a memory stores and what it is cued with.

mod cue;
pub(crate) mod real;
mod spins;
mod stored;

pub use cue::Cue;
pub use real::RealPatterns;
pub use spins::Spins;
pub use stored::{MOST_UNITS, StoredPatterns};
