//! How scores become weights.

use crate::error::{Error, Result};

/// Turns the scores of a row into its weights.
///
/// Modified scores s = modifiers(beta x similarity) go in, over the visible keys only; a separation without a beta of
/// its own has beta = 1. The hidden keys weigh exactly zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Separation {
    /// w = s.
    Identity,
    /// w = s^degree (Krotov and Hopfield's dense associative memory).
    Polynomial {
        /// Its degree, >= 1.
        degree: u32,
    },
    /// w = exp(s - lse(s)).
    Softmax {
        /// Inverse temperature, 1 / score, > 0.
        beta: f32,
    },
    /// Softmax over the k best-scoring keys; of equal scores the lower key wins.
    TopK {
        /// How many, >= 1.
        k: usize,
        /// Inverse temperature, > 0.
        beta: f32,
    },
    /// All weight on the best-scoring key, the lowest on ties: the limit beta -> infinity.
    Max,
    /// The Euclidean projection of s onto the simplex (Martins and Astudillo 2016).
    Sparsemax {
        /// Inverse temperature, > 0.
        beta: f32,
    },
    /// w = max(0, s/2 - tau)^2 (Peters, Niculae and Martins 2019).
    Entmax15 {
        /// Inverse temperature, > 0.
        beta: f32,
    },
}

impl Separation {
    /// The factor between similarity and score.
    pub fn beta(self) -> f32 {
        match self {
            Self::Softmax { beta } | Self::TopK { beta, .. } | Self::Sparsemax { beta } | Self::Entmax15 { beta } => beta,
            Self::Identity | Self::Polynomial { .. } | Self::Max => 1.0,
        }
    }

    /// True if the weights of a row are >= 0 and sum to one, so that entropies and masses mean something.
    pub fn is_distribution(self) -> bool {
        !matches!(self, Self::Identity | Self::Polynomial { .. })
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// `is_value` for a beta that is not a positive number, a degree or k of zero.
    pub fn check(self) -> Result<()> {
        let beta = self.beta();
        if !(beta > 0.0 && beta.is_finite()) {
            return Err(Error::value(format!("separation: beta is {beta}; it must be a positive number")));
        }
        match self {
            Self::TopK { k: 0, .. } => Err(Error::value("separation: top-k with k = 0 keeps nothing; give k >= 1")),
            Self::Polynomial { degree: 0 } => {
                Err(Error::value("separation: a polynomial of degree 0 ignores the scores; give degree >= 1"))
            }
            _ => Ok(()),
        }
    }
}

/// Weights of alpha-entmax, the Tsallis separation, for alpha 2 (sparsemax) or 1.5; all scores finite.
pub(crate) fn tsallis_weights(scores: &[f64], alpha: f64) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let best = sorted[0];
    // Shifted so that the best score is zero: the threshold then lies in [-1, 0].
    let x = |s: f64| (alpha - 1.0) * (s - best);
    let (mut sum, mut squares, mut tau) = (0.0, 0.0, -1.0);
    for (count, &s) in sorted.iter().enumerate() {
        let k = (count + 1) as f64;
        sum += x(s);
        squares += x(s) * x(s);
        let candidate = if alpha == 2.0 {
            (sum - 1.0) / k
        } else {
            let mean = sum / k;
            let variance = squares / k - mean * mean;
            mean - ((1.0 / k - variance).max(0.0)).sqrt()
        };
        if candidate > x(s) {
            break;
        }
        tau = candidate;
    }
    let mut weights: Vec<f64> =
        scores.iter().map(|&s| (x(s) - tau).max(0.0).powf(1.0 / (alpha - 1.0))).collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    weights
}

/// max_p p.s + H_alpha(p): what log-sum-exp is to softmax, given the maximiser.
pub(crate) fn tsallis_conjugate(scores: &[f64], weights: &[f64], alpha: f64) -> f64 {
    let entropy: f64 = weights.iter().map(|&p| p - p.powf(alpha)).sum::<f64>() / (alpha * (alpha - 1.0));
    weights.iter().zip(scores).map(|(&p, &s)| if p > 0.0 { p * s } else { 0.0 }).sum::<f64>() + entropy
}
