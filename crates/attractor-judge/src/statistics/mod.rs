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
pub use interval::{Interval, NoBootstrap};
pub use multiplicity::{Correction, MaxT, benjamini_yekutieli};
pub use pairing::Pairings;
pub use permutation::{Sides, SignFlip, SignFlips, sign_flip};
pub use permuted::{Permuted, p_value};
pub use rank::{Triangle, ranks, spearman};
pub use stratified::{Gathered, Relabelling};

/// Streams of random numbers, one purpose each; the low 32 bits are free for the purpose's own counter.
pub(crate) mod stream {
    /// Resampled inputs; low bits: their number.
    pub(crate) const BOOTSTRAP: u64 = 1 << 32;
    /// Offset-stratified draws of repeated tokens; low bits: the geometry.
    pub(crate) const REPEAT: u64 = 2 << 32;
    /// Mismatched pairings of patterns and tokens; low bits: number of inputs.
    pub(crate) const PAIRING: u64 = 4 << 32;
    /// Mantel permutations; low bits: the input.
    pub(crate) const MANTEL: u64 = 5 << 32;
    /// Sign flips; low bits: number of inputs.
    pub(crate) const SIGNS: u64 = 6 << 32;
    /// Shuffled token sequences; low bits: number of inputs.
    pub(crate) const SHUFFLE: u64 = 7 << 32;
    /// Mismatched pairings of the detectors; low bits: number of inputs.
    pub(crate) const PAIRINGS: u64 = 8 << 32;
    /// Sign flips shared by all heads; low bits: number of inputs.
    pub(crate) const SHARED_SIGNS: u64 = 9 << 32;
    /// Offset-stratified draws of the detectors; low bits: detector and input.
    pub(crate) const DETECT: u64 = 10 << 32;
    /// Repeated random words; low bits: the sequence.
    pub(crate) const READ_TWICE: u64 = 12 << 32;
    /// Blocks along steps; low bits: number of steps.
    pub(crate) const BLOCKS: u64 = 11 << 32;
}

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
