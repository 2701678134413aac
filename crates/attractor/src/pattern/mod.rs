//! Patterns: what a memory stores and what it is cued with.

mod spins;
mod stored;

pub use spins::Spins;
pub use stored::StoredPatterns;
