//! Patterns: what a memory stores and what it is cued with.

pub(crate) mod real;
mod spins;
mod stored;

pub use real::RealPatterns;
pub use spins::Spins;
pub use stored::StoredPatterns;
