//! Multiplicity and normal tails.

use statrs::distribution::{ContinuousCDF, Normal};

/// Benjamini-Hochberg adjusted p-values, in the order given.
///
/// q_(i) = min over k >= i of p_(k) m / k.
/// # Source
/// Benjamini and Hochberg 1995.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let m = p.len();
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]).then(a.cmp(&b)));
    let mut adjusted = vec![0.0; m];
    let mut least = 1.0f64;
    for (position, &index) in order.iter().enumerate().rev() {
        least = least.min(p[index] * m as f64 / (position + 1) as f64);
        adjusted[index] = least;
    }
    adjusted
}

/// P(|Z| >= |z|) for standard normal Z.
pub fn two_sided_normal(z: f64) -> f64 {
    (2.0 * Normal::standard().sf(z.abs())).min(1.0)
}

/// P(Z >= z) for standard normal Z.
pub fn upper_normal(z: f64) -> f64 {
    Normal::standard().sf(z)
}

#[cfg(test)]
mod checks {
    use super::*;

    /// The worked example: p (0.01, 0.04, 0.03, 0.005) with m = 4: sorted .005 .01 .03 .04 -> .02 .02 .04 .04.
    #[test]
    fn benjamini_hochberg_by_hand() {
        let q = benjamini_hochberg(&[0.01, 0.04, 0.03, 0.005]);
        for (got, expected) in q.iter().zip([0.02, 0.04, 0.04, 0.02]) {
            assert!((got - expected).abs() < 1e-12, "{q:?}");
        }
        assert!(benjamini_hochberg(&[]).is_empty());
    }

    #[test]
    fn normal_tails() {
        assert!((two_sided_normal(1.959_963_985) - 0.05).abs() < 1e-9);
        assert!((upper_normal(-1.644_853_627) - 0.95).abs() < 1e-9);
    }
}
