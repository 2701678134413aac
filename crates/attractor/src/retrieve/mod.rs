//! Retrieval: similarity -> separation -> projection, and what the weights were.
//!
//! A [`Problem`] states one retrieval; an engine answers it:
//!
//! - [`dense`]: the definition, in f64, row by row;
//! - [`tiled`]: the one to use: threads, SIMD, memory O(queries + keys), the same answers.
//!
//! # Empty and non-finite, in every engine
//!
//! | what                                             | what it means                                             |
//! |--------------------------------------------------|-----------------------------------------------------------|
//! | a row that sees no key, or only scores of -inf    | *empty*: weights and output 0, lse -inf, energy +inf        |
//! | a score of -inf (from a bias)                     | the key is hidden from that row                             |
//! | a score of -1e30                                  | a score like any other: alone in its row it weighs 1        |
//! | NaN or Inf in a query                             | its row is *invalid*: weights, output, lse, energy NaN      |
//! | NaN or Inf in a key that the row sees             | likewise                                                  |
//! | a score that overflows f32 to +inf                | likewise                                                  |
//! | NaN or Inf in a value that the row sees           | the row's output is NaN; its weights and statistics stand   |
//! | NaN or Inf in a hidden key or value               | nothing                                                   |

mod bits;
mod builder;
pub mod dense;
mod modifier;
mod packed;
mod partial;
mod problem;
pub mod separation;
pub mod similarity;
pub mod statistics;
mod strip;
mod summary;
pub mod tiled;

pub use crate::moments::Moments;
pub use modifier::{Mask, Modifiers};
pub use partial::Partial;
pub use problem::{Elements, Heads, Problem, Retrieved};
pub use separation::Separation;
pub use similarity::{Cosine, Dot, InnerProduct, NegativeSquaredEuclid, Similarity};
pub use statistics::{
    Class, FamilyStatistic, HeadStatistics, Link, Over, Request, RowNumbers, RowStatistic, SummedStatistic, When,
};
pub use summary::Summary;
