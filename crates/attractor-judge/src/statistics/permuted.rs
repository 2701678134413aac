//! A figure beside its permutation distribution.

/// Differences below this share of the figure are rounding of f32 weights, and count as ties.
pub(crate) const ROUNDING: f64 = 1e-6;

/// (b + 1) / (m + 1): `exceeding` of `permutations` random permutations were at least as extreme as the observation.
///
/// Never zero: the observation itself is one of the arrangements.
/// # Source
/// Phipson and Smyth 2010, *Permutation p-values should never be zero*.
pub fn p_value(exceeding: usize, permutations: usize) -> f64 {
    (exceeding as f64 + 1.0) / (permutations as f64 + 1.0)
}

/// A figure and its permutation distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Permuted {
    /// The figure as observed.
    pub observed: f64,
    /// The figure under each permutation.
    pub permuted: Vec<f64>,
    /// Upper p-value.
    pub p: f64,
}

impl Permuted {
    /// Large values are extreme; `exact`: the permutations are all there are, the observed one among them.
    pub(crate) fn new(observed: f64, permuted: Vec<f64>, exact: bool) -> Self {
        let bar = observed - ROUNDING * observed.abs().max(ROUNDING);
        let hits = permuted.iter().filter(|&&x| x >= bar).count();
        let p = match exact {
            true => hits as f64 / permuted.len() as f64,
            false => p_value(hits, permuted.len()),
        };
        Self { observed, permuted, p }
    }

    /// Mean of the permutation distribution.
    pub fn mean(&self) -> f64 {
        super::mean(&self.permuted)
    }
}
