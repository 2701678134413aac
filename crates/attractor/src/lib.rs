//! Associative retrieval for people who want to see whether it works.
//!
//! Attention heads, Hopfield layers and memory banks all do the same three things: score every stored pattern
//! against a query (*similarity*), separate the scores into weights (*separation*), and project the weights onto
//! values. [`retrieve`] is that operation, with everything one may ask about the weights, and never an N x N matrix.
//!
//! This crate knows no framework and no file. Conventions of all crates: axes are `[head, query, key]`;
//! a row is a query (destination), a column a key (source); beta is the inverse temperature; energies go down; logs
//! are natural and entropies in nats.

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

/// The exercises of the walk through memories, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/memories.md")]
pub struct Memories;

mod choice;
mod context;
mod data_note;
pub mod energy;
pub mod error;
pub mod experiment;
pub mod learn;
mod moments;
pub mod numerals;
pub mod pattern;
mod product;
pub mod random;
mod rates;
pub mod retrieve;
pub mod sample;
pub mod settle;
mod simd;
mod state;

pub use choice::Choice;
pub use context::{Advance, Context, Note};
pub use data_note::DataNote;
pub use error::{Error, Hint, Kind, Result};
pub use product::product;
pub use simd::rows;
pub use state::State;
