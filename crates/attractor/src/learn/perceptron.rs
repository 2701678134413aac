//! Perceptron learning of Gardner's stabilities.

use super::{add, length, sum_of_products};
use crate::error::{Error, Result};

/// What a pattern must have at a unit: xi_i h_i at least so large, and above zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// Gardner's kappa: xi_i h_i >= kappa |w_i|, which no scale of the weights can buy.
    Stability(f64),
    /// xi_i h_i >= the number itself, in units of Hebb's signal (an update adds (N - 1) / N to it).
    Field(f64),
}

impl Margin {
    pub(super) fn check(self) -> Result<()> {
        let (Self::Stability(size) | Self::Field(size)) = self;
        if size >= 0.0 && size.is_finite() {
            return Ok(());
        }
        Err(Error::usage(format!("learn: a margin of {size}; expected 0 or more")))
    }

    fn is_missed(self, aligned: f64, row: &[f64]) -> bool {
        let wanted = match self {
            Self::Stability(kappa) if kappa > 0.0 => kappa * length(row),
            Self::Stability(_) => 0.0,
            Self::Field(size) => size,
        };
        !(aligned > 0.0 && aligned >= wanted)
    }
}

/// Weights, epochs used, and whether the last found nothing to learn. Learning starts from no weights at all.
///
/// All units of a pattern are judged before any learns it, so the result does not depend on the order of units.
pub(super) fn learn(signs: &[Vec<f64>], margin: Margin, symmetric: bool, epochs: usize) -> (Vec<f64>, usize, bool) {
    let n = signs[0].len();
    let share = 1.0 / n as f64;
    let mut values = vec![0.0; n * n];
    for epoch in 1..=epochs {
        let mut learned = false;
        for xi in signs {
            let missed: Vec<bool> = values
                .chunks_exact(n)
                .zip(xi)
                .map(|(row, x)| margin.is_missed(x * sum_of_products(row, xi), row))
                .collect();
            if !missed.contains(&true) {
                continue;
            }
            learned = true;
            // The pattern where its unit missed, and nothing elsewhere: what the other direction of a pair learns.
            let theirs: Vec<f64> = xi.iter().zip(&missed).map(|(x, &m)| if m { *x } else { 0.0 }).collect();
            for (i, row) in values.chunks_exact_mut(n).enumerate() {
                if missed[i] {
                    add(row, share * xi[i], xi);
                }
                if symmetric {
                    add(row, share * xi[i], &theirs);
                }
                row[i] = 0.0;
            }
        }
        if !learned {
            return (values, epoch, true);
        }
    }
    (values, epochs, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Rule;
    use crate::pattern::{Spins, StoredPatterns};
    use crate::random::Philox;

    fn rule(kappa: f64, symmetric: bool, epochs: usize) -> Rule {
        Rule::Perceptron { margin: Margin::Stability(kappa), symmetric, epochs }
    }

    /// What has converged has its stability, and says the epochs; P = 0.8 N is far beyond Hebb's rule.
    #[test]
    fn converged_means_that_every_stability_is_reached() {
        let patterns = StoredPatterns::random(60, 48, &mut Philox::new(10, 0)).unwrap();
        for (kappa, symmetric) in [(0.0, true), (0.0, false), (0.2, true), (0.3, false)] {
            let learned = rule(kappa, symmetric, 3000).learn(&patterns).unwrap();
            assert!(learned.report.converged, "{kappa} {symmetric}: {:?}", learned.report);
            // The stopping test and the report sum alike, up to rounding.
            assert!(learned.report.stability > 0.0 && learned.report.stability >= kappa - 1e-12);
            assert_eq!(learned.weights.asymmetry() == 0.0, symmetric);
            let short = rule(kappa, symmetric, learned.report.epochs - 1).learn(&patterns).unwrap();
            assert!(!short.report.converged && short.report.epochs == learned.report.epochs - 1);
        }
    }

    /// A field margin is met as it stands.
    #[test]
    fn a_field_margin_is_a_field() {
        let patterns = StoredPatterns::random(50, 20, &mut Philox::new(11, 0)).unwrap();
        let rule = Rule::Perceptron { margin: Margin::Field(0.5), symmetric: false, epochs: 1000 };
        let learned = rule.learn(&patterns).unwrap();
        assert!(learned.report.converged);
        for mu in 0..20 {
            let pattern = patterns.pattern(mu);
            let fields = learned.weights.fields(&pattern);
            assert!(fields.iter().enumerate().all(|(i, h)| h * f64::from(pattern.sign(i)) >= 0.5 - 1e-12));
        }
    }

    /// Three patterns of two units: (1, 1) and (1, -1) want w_01 and -w_01. No weights hold both, and it says so.
    #[test]
    fn what_cannot_be_learned_is_not_claimed() {
        let patterns = [[1, 1], [1, -1]].map(|p| Spins::from_signs(&p).unwrap());
        let learned = rule(0.0, true, 100).learn(&StoredPatterns::new(&patterns).unwrap()).unwrap();
        assert_eq!((learned.report.converged, learned.report.epochs), (false, 100));
        assert!(learned.report.stability <= 0.0);
    }
}
