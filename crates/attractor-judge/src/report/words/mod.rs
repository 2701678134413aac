//! Sentences, made last: what findings, reasons and the conclusion say, one file a group.
//!
//! Nothing is decided here and nothing is read back from here: a figure that is wanted is taken from its finding.

mod ablation;
pub(crate) mod conclusion;
mod correctness;
mod diversity;
mod gradient;
mod heads;
mod position;
mod query;
mod tokens;
mod uniform;
pub(crate) mod untestable;

use std::fmt::Display;

use crate::finding::{Measured, NoInterval};

/// A finding's account, in a sentence.
pub(crate) trait Say {
    /// The sentence; `of` are the figures that it goes with.
    fn say(&self, of: &Measured) -> String;
}

/// Why there is no interval.
pub(crate) fn no_interval(why: &NoInterval) -> String {
    match why {
        NoInterval::Inputs { why, inputs } => format!("{why} ({inputs})"),
        NoInterval::Exact => "exact: every row of every input, not an estimate".into(),
        NoInterval::AllProbes => "exact: the largest change of all probes, not an estimate".into(),
        NoInterval::CountOfHeads => "a count of heads; each head has its own".into(),
        NoInterval::CountOfParameters => "a count of parameters".into(),
        NoInterval::OneDerivative => "one derivative, of the first input".into(),
        NoInterval::UnequalPredictions => "inputs differ in their number of predictions".into(),
        NoInterval::NothingBeside => "no baseline to compare with".into(),
    }
}

/// "; no interval: ..." or nothing, as the end of a sentence.
fn note(of: &Measured) -> String {
    of.no_interval.as_ref().map_or(String::new(), |why| format!("; no interval: {}", no_interval(why)))
}

/// "1 input", "3 inputs".
fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// "in 2 of 16 heads: L0H1, L1H3"; "in none of the 16 heads".
fn in_heads<T: Display>(found: &[T], heads: usize) -> String {
    match found.len() {
        0 => format!("in none of the {heads} heads"),
        count => format!("in {count} of {heads} heads: {}", listed(found)),
    }
}

/// The first few of many, joined.
fn listed<T: Display>(items: &[T]) -> String {
    const SHOWN: usize = 8;
    let joined = |items: &[T]| items.iter().map(T::to_string).collect::<Vec<_>>().join(", ");
    match items.len() {
        0 => "none".to_string(),
        n if n <= SHOWN => joined(items),
        n => format!("{} and {} more", joined(&items[..SHOWN]), n - SHOWN),
    }
}
