//! Patterns: what a memory stores and what it is cued with.

mod cue;
pub(crate) mod real;
mod spins;
mod stored;
mod twins;

pub use cue::Cue;
pub use real::{Frame, RealPatterns};
pub use spins::Spins;
pub use stored::{MOST_UNITS, StoredPatterns};
pub use twins::twins;
