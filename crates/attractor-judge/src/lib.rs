//! Checks, head detectors and honest statistics for attention.
//!
//! [`judge`] reads attention patterns from anywhere, and what a live model contributed if there is one, puts nine
//! groups of questions to them and answers with a [`Report`]. It never runs a model.
//!
//! Every verdict rests on a value that does not depend on the length of the input, and comes with its null, its
//! effect, an interval over inputs, a threshold and the threshold's source. [`legacy`] holds the formulas that the
//! corrected figures replace.

pub mod analysis;
pub mod conclusion;
pub mod config;
pub mod detect;
pub mod diff;

mod finding;
mod groups;
mod id;
mod judge;
pub mod legacy;
mod measure;
mod place;
pub mod report;
pub mod statistics;
mod untestable;
pub mod verdict;

pub use attractor::{Error, Result};
pub use conclusion::Scenario;
pub use config::Config;
pub use groups::Class;
pub use id::{CheckId, Group};
pub use judge::{Given, judge, judge_watched};
pub use measure::{Repeated, repeated_inputs};
pub use place::Head;
pub use report::{Check, Conclusion, Report};
pub use statistics::Interval;
pub use verdict::{Mark, Verdict};

#[cfg(test)]
mod tests;
