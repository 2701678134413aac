//! Many tests at once: which p-values still count.
//!
//! [`benjamini_hochberg`](super::benjamini_hochberg) is the default: of the heads that it names, at most the given share
//! is named wrongly, on average. [`benjamini_yekutieli`] keeps that under any dependence, at a price of about ln m.
//! [`MaxT`] bounds the chance of a single wrong name and, by permuting all heads alike, keeps their dependence.

use serde::{Deserialize, Serialize};

use super::benjamini_hochberg;

attractor::choice! {
    /// How p-values of many tests are corrected.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Correction {
        /// False discovery rate (Benjamini-Hochberg).
        #[default]
        Bh = "bh",
        /// False discovery rate under any dependence (Benjamini-Yekutieli).
        By = "by",
        /// Family-wise error rate (Westfall-Young step-down max-T).
        MaxT = "maxt",
    }
}

impl Correction {
    /// What the corrected number is.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Bh => "false discovery rate (Benjamini-Hochberg)",
            Self::By => "false discovery rate under any dependence (Benjamini-Yekutieli)",
            Self::MaxT => "family-wise error (Westfall-Young step-down max-T)",
        }
    }

    /// What the smallest p of `tests` tests is multiplied by at worst.
    pub fn price(self, tests: usize) -> f64 {
        match self {
            Self::Bh => tests as f64,
            Self::By => tests as f64 * harmonic(tests),
            Self::MaxT => 1.0,
        }
    }
}

/// 1 + 1/2 + ... + 1/m.
fn harmonic(m: usize) -> f64 {
    (1..=m).map(|k| 1.0 / k as f64).sum()
}

/// Benjamini-Yekutieli adjusted p-values, in the order given.
///
/// q_(i) = min over k >= i of p_(k) m c(m) / k, at most 1, with c(m) = 1 + 1/2 + ... + 1/m.
/// # Source
/// Benjamini and Yekutieli 2001, theorem 1.3.
pub fn benjamini_yekutieli(p: &[f64]) -> Vec<f64> {
    let c = harmonic(p.len());
    benjamini_hochberg(&p.iter().map(|p| p * c).collect::<Vec<_>>()).into_iter().map(|q| q.min(1.0)).collect()
}

/// Step-down max-T over permutations that are shared by all tests.
///
/// Every test is put on one scale, t = (x - mean) / sd over its permutations. With the tests in the order of their
/// observed t, largest first, and u_k the largest t of tests k, k+1, ... under a permutation,
/// p_k = (1 + #{u_k >= t_k}) / (1 + permutations), made monotone along the order.
///
/// A test whose permutations all agree has t = 0: it can be told from nothing.
/// # Source
/// Westfall and Young 1993, algorithm 4.1 (step-down max-T, 2.8 for minP); p-values as Phipson and Smyth 2010.
#[derive(Debug, Clone, Default)]
pub struct MaxT {
    observed: Vec<f64>,
    /// [test][permutation].
    permuted: Vec<Vec<f32>>,
}

impl MaxT {
    /// No test yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a test: its figure, and that figure under each of the shared permutations.
    ///
    /// # Panics
    /// If the number of permutations differs from that of earlier tests.
    pub fn push(&mut self, observed: f64, permuted: &[f64]) {
        if let Some(first) = self.permuted.first() {
            assert_eq!(first.len(), permuted.len(), "max-T: the permutations are shared by all tests");
        }
        let count = permuted.len() as f64;
        let mean = permuted.iter().sum::<f64>() / count;
        let sd = (permuted.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count).sqrt();
        let scale = if sd > 1e-6 * mean.abs().max(1e-6) { 1.0 / sd } else { 0.0 };
        self.observed.push((observed - mean) * scale);
        self.permuted.push(permuted.iter().map(|x| ((x - mean) * scale) as f32).collect());
    }

    /// Adjusted p-values in the order of the tests. `exact`: the permutations are all there are, the observed one among
    /// them, so that p is the plain share.
    pub fn adjusted(&self, exact: bool) -> Vec<f64> {
        let tests = self.observed.len();
        let mut order: Vec<usize> = (0..tests).collect();
        order.sort_by(|&a, &b| self.observed[b].total_cmp(&self.observed[a]).then(a.cmp(&b)));
        let count = self.permuted.first().map_or(0, Vec::len);
        let mut largest = vec![f32::NEG_INFINITY; count];
        let mut adjusted = vec![1.0; tests];
        for &test in order.iter().rev() {
            largest.iter_mut().zip(&self.permuted[test]).for_each(|(u, &t)| *u = u.max(t));
            // f32 and sums in another order must not decide a tie.
            let bar = self.observed[test] - 1e-5 * self.observed[test].abs().max(1.0);
            let hits = largest.iter().filter(|&&u| f64::from(u) >= bar).count();
            adjusted[test] = match exact {
                true => hits as f64 / count as f64,
                false => super::p_value(hits, count),
            };
        }
        let mut least = 0.0f64;
        for test in order {
            least = least.max(adjusted[test]);
            adjusted[test] = least;
        }
        adjusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::pairing::Pairings;

    /// Twelve p-values: statsmodels 0.15.0, `multipletests`, "fdr_bh" and "fdr_by".
    #[test]
    fn twelve_tests_as_statsmodels_has_them() {
        let p = [0.0008, 0.009, 0.165, 0.205, 0.396, 0.450, 0.641, 0.781, 0.9, 0.993, 0.03, 0.0451];
        let bh = [
            0.0096,
            0.054,
            0.396,
            0.41,
            0.675,
            0.675,
            0.854_666_666_666_666_7,
            0.9372,
            0.981_818_181_818_181_9,
            0.993,
            0.12,
            0.1353,
        ];
        let by = [0.029_790_822_510_822_5, 0.167_573_376_623_376_6, 0.372_385_281_385_281_4, 0.419_864_404_761_904_7];
        let (got_bh, got_by) = (benjamini_hochberg(&p), benjamini_yekutieli(&p));
        assert!(got_bh.iter().zip(bh).all(|(a, b)| (a - b).abs() < 1e-12), "{got_bh:?}");
        for (index, expected) in [0, 1, 10, 11].into_iter().zip(by) {
            assert!((got_by[index] - expected).abs() < 1e-12, "{got_by:?}");
        }
        assert!((2..10).all(|index| got_by[index] == 1.0), "{got_by:?}");
    }

    /// p (0.01, 0.04, 0.03, 0.005): c(4) = 25/12, times BH (0.02, 0.04, 0.04, 0.02).
    #[test]
    fn benjamini_yekutieli_by_hand() {
        let q = benjamini_yekutieli(&[0.01, 0.04, 0.03, 0.005]);
        for (got, expected) in q.iter().zip([0.02, 0.04, 0.04, 0.02]) {
            assert!((got - expected * 25.0 / 12.0).abs() < 1e-12, "{q:?}");
        }
        assert_eq!(benjamini_yekutieli(&[0.9, 0.8]), [1.0, 1.0]);
    }

    /// One test: max-T is the plain permutation test.
    #[test]
    fn one_test_is_the_plain_permutation_test() {
        let mut max_t = MaxT::new();
        max_t.push(5.0, &[1.0, 5.0, 2.0, 3.0]);
        assert_eq!(max_t.adjusted(true), [0.25]);
        assert_eq!(max_t.adjusted(false), [0.4]);
    }

    /// Two tests by hand, four arrangements, the first the observed one. t of a: (3, -1, -1, -1) / sqrt(3), of b:
    /// (1, 1, -1, -1). Order a, b. u_b = b: 2 of 4 reach 1. u_a = max: (1.73, 1, -0.58, -0.58): 1 of 4.
    #[test]
    fn two_tests_by_hand_step_down() {
        let mut max_t = MaxT::new();
        max_t.push(1.0, &[1.0, 1.0, 0.0, 0.0]);
        max_t.push(4.0, &[4.0, 0.0, 0.0, 0.0]);
        assert_eq!(max_t.adjusted(true), [0.5, 0.25]);
        // Two equal tests depend on each other wholly: nothing is paid for the second.
        let mut twice = MaxT::new();
        twice.push(4.0, &[4.0, 0.0, 1.0, 2.0]);
        twice.push(4.0, &[4.0, 0.0, 1.0, 2.0]);
        assert_eq!(twice.adjusted(true), [0.25, 0.25]);
        // A test that nothing moves is told from nothing, and costs the other nothing.
        twice.push(7.0, &[7.0; 4]);
        assert_eq!(twice.adjusted(true), [0.25, 0.25, 1.0]);
    }

    /// Step-down is never below the single test and never above Bonferroni, on correlated tests.
    #[test]
    fn between_the_single_test_and_bonferroni() {
        let mut random = attractor::random::Philox::new(4, 0);
        let n = 9;
        let pairings = Pairings::new(&[(0..n).collect()], 999, 8);
        let common: Vec<f64> = (0..n * n).map(|_| random.normal()).collect();
        let (mut max_t, mut single) = (MaxT::new(), Vec::new());
        for test in 0..6 {
            let mut scores: Vec<f64> = common.iter().map(|c| c + 0.5 * random.normal()).collect();
            (0..n).for_each(|s| scores[s * n + s] += 0.4 * test as f64);
            let test = pairings.test(&scores);
            single.push(test.p);
            max_t.push(test.observed, &test.permuted);
        }
        for (adjusted, p) in max_t.adjusted(pairings.is_exact()).iter().zip(&single) {
            assert!(*adjusted >= *p && *adjusted <= 6.0 * p + 0.02, "{adjusted} of {p}");
        }
    }
}
