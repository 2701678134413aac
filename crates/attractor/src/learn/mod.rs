//! Learning rules: how patterns become weights.
//!
//! | rule                                   | local | incremental | random patterns held as fixed points            |
//! |----------------------------------------|-------|-------------|-------------------------------------------------|
//! | [`Hebb`](Rule::Hebb)                   | yes   | yes         | 0.138 N with 1.6 % wrong; N / (2 ln N) exactly  |
//! | [`Centred`](Rule::Centred)             | yes   | no          | as Hebb, for patterns of one mean activity      |
//! | [`Storkey`](Rule::Storkey)             | yes   | yes         | about N / sqrt(2 ln N) exactly                  |
//! | [`PseudoInverse`](Rule::PseudoInverse) | no    | no          | N, if they are independent                      |
//! | [`Perceptron`](Rule::Perceptron)       | yes   | no          | 2 N; symmetric 1.28 N (at zero margin)          |
//! | [`Unlearning`](Rule::Unlearning)       | yes   | no          | more than Hebb, up to a number of dreams        |
//!
//! Local: w_ij changes by what units i and j know. Incremental: a pattern is added without the others.

mod hebb;
mod perceptron;
mod projection;
mod standard;
mod storkey;
mod unlearning;

pub use perceptron::Margin;
pub use standard::Standard;

use serde::Serialize;

use crate::energy::{SpinMemory, Weights, weights};
use crate::error::{Error, Result};
use crate::pattern::StoredPatterns;

/// A learning rule and its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// w_ij = (1/N) sum_mu xi_i xi_j, zero diagonal: the weights that [`Hebb`](crate::energy::Hebb) does without.
    ///
    /// Source: Hopfield 1982.
    Hebb,
    /// w_ij = (1/N) sum_mu (xi_i - a)(xi_j - a), a the mean activity of all patterns, and the bias a (1 - a^2) at every unit
    /// (a threshold of minus that): for biased patterns, whose common part would drown what tells them apart.
    ///
    /// Source: Amit, Gutfreund and Sompolinsky 1987, *Information storage in neural networks with low levels of activity*.
    Centred,
    /// Pattern by pattern, w_ij += (xi_i xi_j - xi_i h_ji - h_ij xi_j) / N, where h_ij = sum_(k != i, j) w_ik xi_k is the
    /// field at i without i and j, all by the weights before the pattern.
    ///
    /// Source: Storkey 1997, *Increasing the capacity of a Hopfield network without sacrificing functionality*.
    Storkey,
    /// The projection onto the span of the patterns, w = (1/N) sum_mu,nu xi_mu (C^-1)_mu,nu xi_nu, C_mu,nu = xi_mu.xi_nu / N;
    /// patterns that depend on others add nothing.
    ///
    /// Source: Personnaz, Guyon and Dreyfus 1986; Kanter and Sompolinsky 1987.
    PseudoInverse {
        /// Keep the projection's own diagonal. Every pattern has field x_i then, but near P = N so has every state:
        /// the basins are gone at half the load.
        diagonal: bool,
    },
    /// Gardner's stabilities by perceptron learning: as long as a pattern's margin at a unit falls short, the unit's
    /// weights learn it, w_ij += xi_i xi_j / N.
    ///
    /// Source: Gardner 1988, *The space of interactions in neural network models*; Krauth and Mezard 1987.
    Perceptron {
        /// What every pattern must have at every unit.
        margin: Margin,
        /// Both directions of a pair learn alike, so that there is an energy.
        symmetric: bool,
        /// Most passes through the patterns, >= 1.
        epochs: usize,
    },
    /// Hebbian unlearning: a random state settles at s, and w_ij -= (strength / N) s_i s_j.
    ///
    /// Source: Hopfield, Feinstein and Palmer 1983, *"Unlearning" has a stabilizing effect in collective memories*.
    Unlearning {
        /// How many dreams.
        dreams: usize,
        /// Share of a Hebbian pattern that a dream takes away, > 0; 0.01 in the source.
        strength: f64,
        /// Seed of the dreams.
        seed: u64,
    },
}

/// Weights, and how learning went.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// The weights.
    pub weights: Weights,
    /// How it went.
    pub report: Report,
}

/// How learning went.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Report {
    /// Passes through the patterns, the last without a change included; dreams, for unlearning.
    pub epochs: usize,
    /// What was asked for was reached: every margin (perceptron); true where a rule has nothing to reach.
    pub converged: bool,
    /// Dimensions of the patterns' span, for the pseudo-inverse.
    pub rank: Option<usize>,
    /// Smallest stability, min_(i, mu) xi_i h_i / |w_i|, biases in the fields: above 0 if every pattern is a fixed point. A unit without
    /// weights has stability 0.
    pub stability: f64,
}

impl Rule {
    /// Its name in tables and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hebb => "hebb",
            Self::Centred => "centred",
            Self::Storkey => "storkey",
            Self::PseudoInverse { diagonal: false } => "pseudo-inverse",
            Self::PseudoInverse { diagonal: true } => "pseudo-inverse-diagonal",
            Self::Perceptron { symmetric: true, .. } => "perceptron-symmetric",
            Self::Perceptron { symmetric: false, .. } => "perceptron",
            Self::Unlearning { .. } => "unlearning",
        }
    }

    /// Learns the patterns.
    ///
    /// # Cost
    /// 8 N^2 bytes; O(N^2 P) time, for perceptrons each epoch, O(N^2) a dream for unlearning.
    /// # Errors
    /// `is_usage` for a parameter outside its range, `is_budget` for more units than weights can be held for.
    pub fn learn(self, patterns: &StoredPatterns) -> Result<Learned> {
        let units = patterns.units();
        if units > weights::MOST_UNITS {
            return Err(Error::budget(format!(
                "learn: {units} units need {units} x {units} weights; at most {} (the weightless Hebb memory holds more)",
                weights::MOST_UNITS
            )));
        }
        let signs: Vec<Vec<f64>> = (0..patterns.count())
            .map(|mu| patterns.pattern(mu).to_signs().into_iter().map(f64::from).collect())
            .collect();
        let once = Report { epochs: 1, converged: true, rank: None, stability: f64::NAN };
        let (weights, report) = match self {
            Self::Hebb => (Weights::new(units, hebb::learn(&signs, 0.0))?, once),
            Self::Centred => {
                let activity = hebb::activity(&signs);
                let weights = Weights::new(units, hebb::learn(&signs, activity))?;
                (weights.with_biases(vec![hebb::bias(activity); units])?, once)
            }
            Self::Storkey => (Weights::new(units, storkey::learn(&signs))?, once),
            Self::PseudoInverse { diagonal } => {
                let (values, rank) = projection::learn(&signs);
                let weights = Weights::with_diagonal(units, values)?;
                let weights = if diagonal { weights } else { weights.without_diagonal() };
                (weights, Report { rank: Some(rank), ..once })
            }
            Self::Perceptron { margin, symmetric, epochs } => {
                margin.check()?;
                if epochs == 0 {
                    return Err(Error::usage("learn: a perceptron of no epochs; give at least one"));
                }
                let (values, epochs, converged) = perceptron::learn(&signs, margin, symmetric, epochs);
                (Weights::new(units, values)?, Report { epochs, converged, ..once })
            }
            Self::Unlearning { dreams, strength, seed } => {
                if !(strength > 0.0 && strength.is_finite()) {
                    return Err(Error::usage(format!("learn: an unlearning strength of {strength}; give one above 0")));
                }
                let values = unlearning::learn(&signs, dreams, strength, seed)?;
                (Weights::new(units, values)?, Report { epochs: dreams, ..once })
            }
        };
        let stability = smallest_stability(&weights, &signs);
        Ok(Learned { weights, report: Report { stability, ..report } })
    }
}

/// min_(i, mu) xi_i h_i / |w_i|, summed as the perceptron sums what it stops at.
fn smallest_stability(weights: &Weights, signs: &[Vec<f64>]) -> f64 {
    /// Patterns that stay in cache while the weights pass.
    const TOGETHER: usize = 16;
    let norms: Vec<f64> = (0..weights.units()).map(|i| length(weights.row(i))).collect();
    let mut smallest = f64::INFINITY;
    for some in signs.chunks(TOGETHER) {
        for (i, &norm) in norms.iter().enumerate() {
            for xi in some {
                let field = sum_of_products(weights.row(i), xi) + weights.biases()[i];
                smallest = smallest.min(if norm > 0.0 { xi[i] * field / norm } else { 0.0 });
            }
        }
    }
    smallest
}

/// a.b by the widest registers there are.
fn sum_of_products(a: &[f64], b: &[f64]) -> f64 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || weights::dot(a, b),
    )
}

/// to += factor x from, likewise.
fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || weights::add_scaled(to, factor, from),
    );
}

fn length(a: &[f64]) -> f64 {
    sum_of_products(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::{Descends, Energy, Updating};
    use crate::random::Philox;

    fn rules() -> Vec<Rule> {
        let perceptron = |symmetric| Rule::Perceptron { margin: Margin::Stability(0.5), symmetric, epochs: 500 };
        vec![
            Rule::Hebb,
            Rule::Centred,
            Rule::Storkey,
            Rule::PseudoInverse { diagonal: false },
            Rule::PseudoInverse { diagonal: true },
            perceptron(true),
            perceptron(false),
            Rule::Unlearning { dreams: 20, strength: 0.01, seed: 3 },
        ]
    }

    /// Every rule that promises an energy has one, and only the asymmetric perceptron does without.
    #[test]
    fn symmetric_rules_make_symmetric_weights_without_diagonal() {
        let patterns = StoredPatterns::random(31, 5, &mut Philox::new(1, 0)).unwrap();
        for rule in rules() {
            let weights = rule.learn(&patterns).unwrap().weights;
            let kept = rule == Rule::PseudoInverse { diagonal: true };
            assert_eq!((0..31).all(|i| weights.weight(i, i) == 0.0), !kept, "{}", rule.name());
            let free = matches!(rule, Rule::Perceptron { symmetric: false, .. });
            assert_eq!(weights.descends(Updating::Asynchronous) == Descends::Exact, !free, "{}", rule.name());
        }
    }

    /// Flipping one unit in every pattern flips its weights and nothing else (gauge invariance); the mean
    /// activity is not invariant, so the centred rule is left out, and so is unlearning, whose dreams are fixed states.
    #[test]
    fn rules_do_not_care_which_sign_is_called_plus() {
        let patterns = StoredPatterns::random(23, 7, &mut Philox::new(2, 0)).unwrap();
        let turned: Vec<_> = (0..7)
            .map(|mu| {
                let mut pattern = patterns.pattern(mu);
                [3, 11].into_iter().for_each(|unit| pattern.flip(unit));
                pattern
            })
            .collect();
        let turned = StoredPatterns::new(&turned).unwrap();
        let sign = |i: usize| if [3, 11].contains(&i) { -1.0 } else { 1.0 };
        for rule in rules() {
            if matches!(rule, Rule::Centred | Rule::Unlearning { .. }) {
                continue;
            }
            let (a, b) = (rule.learn(&patterns).unwrap().weights, rule.learn(&turned).unwrap().weights);
            for (i, j) in (0..23).flat_map(|i| (0..23).map(move |j| (i, j))) {
                assert!((a.weight(i, j) * sign(i) * sign(j) - b.weight(i, j)).abs() < 1e-12, "{}", rule.name());
            }
        }
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        let patterns = StoredPatterns::random(5, 2, &mut Philox::new(1, 0)).unwrap();
        for bad in [
            Rule::Perceptron { margin: Margin::Stability(f64::NAN), symmetric: true, epochs: 3 },
            Rule::Perceptron { margin: Margin::Field(-1.0), symmetric: true, epochs: 3 },
            Rule::Perceptron { margin: Margin::Field(1.0), symmetric: true, epochs: 0 },
            Rule::Unlearning { dreams: 1, strength: 0.0, seed: 0 },
        ] {
            assert!(bad.learn(&patterns).unwrap_err().is_usage(), "{bad:?}");
        }
        let wide = StoredPatterns::random(40_000, 1, &mut Philox::new(1, 0)).unwrap();
        assert!(Rule::Hebb.learn(&wide).unwrap_err().is_budget());
    }
}
