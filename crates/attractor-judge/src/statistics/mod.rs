//! The statistics that verdicts rest on.
//!
//! The unit of replication is the input (a sequence, an image), never a cell of a map: rows and heads of one input
//! depend on each other. Every draw is keyed by (seed, stream), so figures do not depend on the number of threads.

pub mod block;
pub mod bootstrap;
pub mod equivalence;
pub mod inference;
pub mod interval;
pub mod multiplicity;
pub mod pairing;
pub mod permutation;
pub mod permuted;
pub mod rank;
pub mod stratified;

pub use block::{BlockBootstrap, block_length};
pub use bootstrap::Bootstrap;
pub use equivalence::{Equivalence, equivalence};
pub use inference::{benjamini_hochberg, two_sided_normal, upper_normal};
pub use interval::{Ends, Interval, IntervalMethod, NoBootstrap};
pub use multiplicity::{Correction, MaxT, benjamini_yekutieli};
pub use pairing::Pairings;
pub use permutation::{Sides, SignFlip, SignFlips, sign_flip};
pub use permuted::{Permuted, p_value};
pub use rank::{Triangle, ranks, spearman};
pub use stratified::{LabelSums, Relabelling};

/// The mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean of what is there, `None` of nothing.
pub(crate) fn mean_of(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0usize);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
}
