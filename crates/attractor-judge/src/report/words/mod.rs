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

use std::fmt::{self, Display, Formatter};

use crate::finding::{Measured, NoInterval};

impl Display for NoInterval {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoInterval::Inputs { why, inputs } => return write!(f, "{why} ({inputs})"),
            NoInterval::Exact => "exact: every row of every input, not an estimate",
            NoInterval::AllProbes => "exact: the largest change of all probes, not an estimate",
            NoInterval::CountOfHeads => "a count of heads; each head has its own",
            NoInterval::CountOfParameters => "a count of parameters",
            NoInterval::OneDerivative => "one derivative, of the first input",
            NoInterval::UnequalPredictions => "inputs differ in their number of predictions",
            NoInterval::NothingBeside => "no baseline to compare with",
        })
    }
}

/// "; no interval: ..." or nothing, as the end of a sentence.
fn note(of: &Measured) -> String {
    of.no_interval.as_ref().map_or(String::new(), |why| format!("; no interval: {why}"))
}

/// "1 input", "3 inputs".
pub(super) fn plural(count: usize, noun: &str) -> String {
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
