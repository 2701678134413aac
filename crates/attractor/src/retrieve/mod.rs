//! Retrieval: similarity -> separation -> projection, and what the weights were.

mod modifier;
pub mod statistics;

pub use modifier::{Mask, Modifiers};
pub use statistics::{Class, HeadStatistics, Link, Request};
