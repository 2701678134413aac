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
            Self::Softmax { beta } | Self::TopK { beta, .. } | Self::Sparsemax { beta } | Self::Entmax15 { beta } => {
                beta
            }
            Self::Identity | Self::Polynomial { .. } | Self::Max => 1.0,
        }
    }

    /// True if the weights of a row are >= 0 and sum to one, so that entropies and masses mean something.
    pub fn is_distribution(self) -> bool {
        !matches!(self, Self::Identity | Self::Polynomial { .. })
    }

    /// The weights of a row of scores (after beta), by definition, in f64: what every engine is held to.
    ///
    /// A score of -inf weighs zero; a row without any other score weighs nothing at all, and one with a score that is
    /// no number is all NaN.
    ///
    /// # Example
    /// ```
    /// use attractor::retrieve::Separation;
    /// let weights = Separation::Sparsemax { beta: 1.0 }.weights(&[1.0, 0.5, -3.0]);
    /// assert_eq!(weights, [0.75, 0.25, 0.0]);
    /// ```
    /// # Source
    /// Softmax: Boltzmann. Sparsemax: Martins and Astudillo 2016. 1.5-entmax: Peters, Niculae and Martins 2019.
    pub fn weights(self, scores: &[f64]) -> Vec<f64> {
        let seen: Vec<usize> = (0..scores.len()).filter(|&j| scores[j] != f64::NEG_INFINITY).collect();
        let values: Vec<f64> = seen.iter().map(|&j| scores[j]).collect();
        if !values.iter().all(|s| s.is_finite()) {
            return vec![f64::NAN; scores.len()];
        }
        let mut weights = vec![0.0; scores.len()];
        if !values.is_empty() {
            seen.iter().zip(separate(self, &values, None).weights).for_each(|(&j, w)| weights[j] = w);
        }
        weights
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// `is_usage` for a beta that is not a positive number, a degree or k of zero.
    pub fn check(self) -> Result<()> {
        let beta = self.beta();
        if !(beta > 0.0 && beta.is_finite()) {
            return Err(Error::usage(format!("separation: beta is {beta}; it must be a positive number")));
        }
        match self {
            Self::TopK { k: 0, .. } => Err(Error::usage("separation: top-k with k = 0 keeps nothing; give k >= 1")),
            Self::Polynomial { degree: 0 } => {
                Err(Error::usage("separation: a polynomial of degree 0 ignores the scores; give degree >= 1"))
            }
            _ => Ok(()),
        }
    }
}

/// A row of scores, separated.
pub(crate) struct Separated {
    /// One weight a score.
    pub weights: Vec<f64>,
    /// ln sum exp(s), the sink included; NaN for separations without one.
    pub log_sum_exp: f64,
    /// Minus the function of the scores whose gradient is the weights, over beta.
    pub energy: f64,
    /// Share of the learned sink.
    pub sink: Option<f64>,
}

/// The definition of every separation, in f64, over the finite scores of one row (at least one).
pub(crate) fn separate(kind: Separation, scores: &[f64], sink: Option<f64>) -> Separated {
    let beta = f64::from(kind.beta());
    let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut log_sum_exp, mut share) = (f64::NAN, None);
    let (weights, energy): (Vec<f64>, f64) = match kind {
        Separation::Identity => (scores.to_vec(), -0.5 * scores.iter().map(|s| s * s).sum::<f64>()),
        Separation::Polynomial { degree } => {
            let power = degree as i32;
            let raised = scores.iter().map(|s| s.powi(power + 1)).sum::<f64>();
            (scores.iter().map(|s| s.powi(power)).collect(), -raised / f64::from(power + 1))
        }
        Separation::Softmax { .. } | Separation::TopK { .. } => {
            let kept = match kind {
                Separation::TopK { k, .. } => strongest(scores, k),
                _ => vec![true; scores.len()],
            };
            let top = sink.map_or(best, |x| x.max(best));
            let power = |(&s, kept): (&f64, bool)| if kept { (s - top).exp() } else { 0.0 };
            let mut weights: Vec<f64> = scores.iter().zip(kept).map(power).collect();
            let z = weights.iter().sum::<f64>() + sink.map_or(0.0, |x| (x - top).exp());
            log_sum_exp = top + z.ln();
            share = sink.map(|x| (x - log_sum_exp).exp());
            weights.iter_mut().for_each(|weight| *weight /= z);
            (weights, -log_sum_exp / beta)
        }
        Separation::Max => {
            let winner = scores.iter().position(|&s| s == best);
            ((0..scores.len()).map(|j| if Some(j) == winner { 1.0 } else { 0.0 }).collect(), -best)
        }
        Separation::Sparsemax { .. } | Separation::Entmax15 { .. } => {
            let alpha = if matches!(kind, Separation::Sparsemax { .. }) { 2.0 } else { 1.5 };
            let weights = tsallis_weights(scores, alpha);
            let energy = -tsallis_conjugate(scores, &weights, alpha) / beta;
            (weights, energy)
        }
    };
    Separated { weights, log_sum_exp, energy, sink: share }
}

/// Which scores are among the k best; of equal ones the lower index.
fn strongest(scores: &[f64], k: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let mut kept = vec![false; scores.len()];
    order.iter().take(k).for_each(|&j| kept[j] = true);
    kept
}

/// Weights of alpha-entmax, the Tsallis separation, for alpha 2 (sparsemax) or 1.5; all scores finite.
fn tsallis_weights(scores: &[f64], alpha: f64) -> Vec<f64> {
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
    let mut weights: Vec<f64> = scores.iter().map(|&s| (x(s) - tau).max(0.0).powf(1.0 / (alpha - 1.0))).collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    weights
}

/// max_p p.s + H_alpha(p): what log-sum-exp is to softmax, given the maximiser.
fn tsallis_conjugate(scores: &[f64], weights: &[f64], alpha: f64) -> f64 {
    let entropy: f64 = weights.iter().map(|&p| p - p.powf(alpha)).sum::<f64>() / (alpha * (alpha - 1.0));
    weights.iter().zip(scores).map(|(&p, &s)| if p > 0.0 { p * s } else { 0.0 }).sum::<f64>() + entropy
}
