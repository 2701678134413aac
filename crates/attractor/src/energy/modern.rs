//! Modern Hopfield memory: continuous patterns, an energy whose downhill step is attention.

use serde::Serialize;

use super::{Descends, Energy, Rises};
use crate::error::{Error, Result};
use crate::pattern::RealPatterns;
use crate::pattern::real::dot;
use crate::retrieve::Separation;
use crate::retrieve::separation::separate;

crate::choice! {
    /// How scores become weights, each the gradient of its own log-partition function.
    #[derive(Default, Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum SimplexMap {
        /// All patterns get some weight: attention.
        #[default]
        Softmax = "softmax",
        /// Most patterns get no weight.
        Sparsemax = "sparsemax",
        /// Between the two.
        Entmax15 = "entmax15",
    }
}

impl SimplexMap {
    /// The same as attention's separation of scores by an inverse temperature.
    pub fn separation(self, beta: f32) -> Separation {
        match self {
            Self::Softmax => Separation::Softmax { beta },
            Self::Sparsemax => Separation::Sparsemax { beta },
            Self::Entmax15 => Separation::Entmax15 { beta },
        }
    }

    /// Weights, >= 0 with sum one, and Omega*(s) = max_p p.s + H(p), the function whose gradient they are (softmax:
    /// log-sum-exp; H is Tsallis' entropy of index alpha, 1, 2 or 1.5).
    ///
    /// # Panics
    /// If there are no scores.
    pub fn separate(self, scores: &[f64]) -> (Vec<f64>, f64) {
        assert!(!scores.is_empty(), "simplex map: no scores");
        // Scores come with their beta in them, in f64.
        let separated = separate(self.separation(1.0), scores, None);
        (separated.weights, -separated.energy)
    }

    /// The largest of the scores made soft, (1/beta) Omega*(beta s): for softmax log-sum-exp over beta.
    ///
    /// It lies above the maximum, by at most [`most_entropy`](Self::most_entropy) / beta, where all scores are equal.
    ///
    /// # Panics
    /// If there are no scores.
    pub fn soft_maximum(self, beta: f64, scores: &[f64]) -> f64 {
        let scores: Vec<f64> = scores.iter().map(|s| beta * s).collect();
        self.separate(&scores).1 / beta
    }

    /// Largest entropy over N weights, reached by equal ones: ln N; (1 - N^(1 - alpha)) / (alpha (alpha - 1)).
    pub fn most_entropy(self, count: usize) -> f64 {
        let n = count as f64;
        match self {
            Self::Softmax => n.ln(),
            Self::Sparsemax => (1.0 - 1.0 / n) / 2.0,
            Self::Entmax15 => (1.0 - 1.0 / n.sqrt()) / 0.75,
        }
    }

    /// By how much the best score (beta included) must lead so that it has all the weight: 1 / (alpha - 1); `None` for
    /// softmax, which never gives all.
    ///
    /// # Source
    /// Blondel, Martins and Niculae 2020, *Learning with Fenchel-Young losses*.
    pub fn margin(self) -> Option<f64> {
        match self {
            Self::Softmax => None,
            Self::Sparsemax => Some(1.0),
            Self::Entmax15 => Some(2.0),
        }
    }
}

/// # Errors
/// `is_usage` if beta is not a positive number.
pub(crate) fn check_beta(beta: f64) -> Result<()> {
    match beta > 0.0 && beta.is_finite() {
        true => Ok(()),
        false => Err(Error::option("beta", beta, "give a positive number")),
    }
}

/// The memory E(z) = -(1/beta) Omega*(beta X z) + 1/2 |z|^2 + (1/beta) H_max + 1/2 M^2.
///
/// With softmax, Omega* = lse and H_max = ln N. Without the 1/beta the update would not be the energy's. E >= 0, since
/// Omega*(s) <= max s + H_max and x.z <= M |z|. The gradient is z - T(z), T(z) = X^T p(beta X z): a step to T is one
/// query of attention over the patterns as keys and values.
///
/// | symbol | here                         | shape      |
/// |--------|------------------------------|------------|
/// | X      | `patterns()`                 | `[N, d]`   |
/// | beta   | `beta()`                     | scalar > 0 |
/// | M      | `patterns().largest_norm()`  | scalar     |
///
/// Limits: beta -> 0 gives the mean of all patterns; beta -> inf the best-scoring one.
/// # Cost
/// O(N d) an energy, gradient or step.
/// # Source
/// Ramsauer et al. 2021, *Hopfield networks is all you need*, eq. (2), (3); sparse forms: Santos et al. 2024, *Sparse and
/// structured Hopfield networks*.
#[derive(Debug, Clone)]
pub struct Modern {
    patterns: RealPatterns,
    beta: f64,
    simplex_map: SimplexMap,
    /// (1/beta) H_max + 1/2 M^2.
    offset: f64,
}

impl Modern {
    /// Stores patterns.
    ///
    /// # Errors
    /// `is_usage` if beta is not a positive number.
    pub fn new(patterns: RealPatterns, beta: f64, simplex_map: SimplexMap) -> Result<Self> {
        check_beta(beta)?;
        let offset = simplex_map.most_entropy(patterns.count()) / beta + patterns.largest_norm().powi(2) / 2.0;
        Ok(Self { patterns, beta, simplex_map, offset })
    }

    /// What is stored.
    pub fn patterns(&self) -> &RealPatterns {
        &self.patterns
    }

    /// Inverse temperature.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// How scores become weights.
    pub fn simplex_map(&self) -> SimplexMap {
        self.simplex_map
    }

    /// The same patterns at another beta.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn at(&self, beta: f64) -> Result<Self> {
        Self::new(self.patterns.clone(), beta, self.simplex_map)
    }

    /// p and Omega* at a state.
    fn separated(&self, state: &[f64]) -> (Vec<f64>, f64) {
        let mut scores = self.patterns.scores(state);
        scores.iter_mut().for_each(|s| *s *= self.beta);
        self.simplex_map.separate(&scores)
    }

    /// p(beta X z): how much of each pattern a state retrieves.
    ///
    /// # Panics
    /// If the state has another number of features.
    pub fn weights(&self, state: &[f64]) -> Vec<f64> {
        self.separated(state).0
    }

    /// T(z) = X^T p(beta X z).
    ///
    /// # Panics
    /// As [`weights`](Self::weights).
    pub fn step(&self, state: &[f64]) -> Vec<f64> {
        self.patterns.weighted(&self.weights(state))
    }

    /// E(z) and T(z) by one pass over the patterns.
    pub(crate) fn energy_and_step(&self, state: &[f64]) -> (f64, Vec<f64>) {
        let (weights, partition) = self.separated(state);
        (dot(state, state) / 2.0 - partition / self.beta + self.offset, self.patterns.weighted(&weights))
    }

    /// dE/dz = z - T(z).
    ///
    /// # Panics
    /// As [`weights`](Self::weights).
    pub fn gradient(&self, state: &[f64]) -> Vec<f64> {
        state.iter().zip(self.step(state)).map(|(z, t)| z - t).collect()
    }
}

impl Energy for Modern {
    type State = [f64];
    /// The share gamma of the way that a step goes, z += gamma (T(z) - z).
    type Updating = f64;

    /// E(z), >= 0.
    fn energy(&self, state: &[f64]) -> f64 {
        dot(state, state) / 2.0 - self.separated(state).1 / self.beta + self.offset
    }

    /// For every 0 < gamma < 2 a step lowers the energy by at least gamma (1 - gamma / 2) |z - T(z)|^2: -Omega* lies under
    /// its tangents and 1/2 |z|^2 is its own quadratic bound.
    fn descends(&self, damping: f64) -> Descends {
        if damping > 0.0 && damping < 2.0 { Descends::Exact } else { Descends::None(Rises::Damping) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    pub(crate) const ALL: [SimplexMap; 3] = [SimplexMap::Softmax, SimplexMap::Sparsemax, SimplexMap::Entmax15];

    fn memory(count: usize, width: usize, beta: f64, simplex_map: SimplexMap) -> (Modern, Philox) {
        let mut random = Philox::new(1, count as u64);
        let numbers = (0..count * width).map(|_| random.normal()).collect();
        (Modern::new(RealPatterns::new(count, width, numbers).unwrap(), beta, simplex_map).unwrap(), random)
    }

    /// Softmax against the formula written out, beta 0.7 and 1.3.
    #[test]
    fn energy_and_step_are_the_formula() {
        for beta in [0.7, 1.3] {
            let (memory, mut random) = memory(5, 3, beta, SimplexMap::Softmax);
            let z: Vec<f64> = (0..3).map(|_| random.normal()).collect();
            let e: Vec<f64> = memory.patterns().patterns().map(|x| (beta * dot(x, &z)).exp()).collect();
            let sum: f64 = e.iter().sum();
            let m = memory.patterns().largest_norm();
            let expected = -sum.ln() / beta + dot(&z, &z) / 2.0 + 5f64.ln() / beta + m * m / 2.0;
            assert!((memory.energy(&z) - expected).abs() < 1e-13);
            for (k, t) in memory.step(&z).into_iter().enumerate() {
                let expected = (0..5).map(|i| e[i] / sum * memory.patterns().pattern(i)[k]).sum::<f64>();
                assert!((t - expected).abs() < 1e-14);
            }
        }
    }

    /// Central differences of the energy at beta 0.3 to 4, for every simplex map.
    #[test]
    fn the_gradient_is_the_energys() {
        for simplex_map in ALL {
            for beta in [0.3, 1.3, 4.0] {
                let (memory, mut random) = memory(7, 5, beta, simplex_map);
                for _ in 0..20 {
                    let z: Vec<f64> = (0..5).map(|_| random.normal()).collect();
                    let gradient = memory.gradient(&z);
                    for k in 0..5 {
                        let moved = |h: f64| {
                            let mut z = z.clone();
                            z[k] += h;
                            memory.energy(&z)
                        };
                        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                        // Second derivatives of the sparse ones jump where a weight becomes zero: 1e-5 of beta times their size.
                        assert!((slope - gradient[k]).abs() < 3e-4, "{simplex_map:?} {beta}: {slope} {}", gradient[k]);
                    }
                }
            }
        }
    }

    /// Each damped step from each state lowers the energy by what is promised, and E >= 0.
    #[test]
    fn every_damping_below_two_descends() {
        for simplex_map in ALL {
            for beta in [0.1, 0.7, 1.3, 8.0, 100.0] {
                let (memory, mut random) = memory(11, 4, beta, simplex_map);
                for gamma in [0.05, 0.5, 1.0, 1.5, 1.95] {
                    assert_eq!(memory.descends(gamma), Descends::Exact);
                    for _ in 0..20 {
                        let mut z: Vec<f64> = (0..4).map(|_| 2.0 * random.normal()).collect();
                        for _ in 0..5 {
                            let before = memory.energy(&z);
                            assert!(before >= 0.0);
                            let gradient = memory.gradient(&z);
                            z.iter_mut().zip(&gradient).for_each(|(z, g)| *z -= gamma * g);
                            let promised = gamma * (1.0 - gamma / 2.0) * dot(&gradient, &gradient);
                            assert!(
                                memory.energy(&z) <= before - promised + 1e-12 * (1.0 + before),
                                "{simplex_map:?} {beta} {gamma}"
                            );
                        }
                    }
                }
            }
        }
    }

    /// The limit is sharp: beyond 2 the single pattern (T constant, E quadratic) is left behind, further at every step.
    #[test]
    fn a_damping_of_two_or_more_promises_nothing() {
        let one = RealPatterns::new(1, 2, vec![1.0, 2.0]).unwrap();
        let memory = Modern::new(one, 1.0, SimplexMap::Softmax).unwrap();
        for (gamma, rises) in [(1.9, false), (2.1, true)] {
            let z = [3.0, -1.0];
            let moved: Vec<f64> = z.iter().zip(memory.gradient(&z)).map(|(z, g)| z - gamma * g).collect();
            assert_eq!(memory.energy(&moved) > memory.energy(&z), rises);
        }
        for gamma in [0.0, -0.5, 2.0, 2.1, f64::NAN] {
            assert!(matches!(memory.descends(gamma), Descends::None(_)));
        }
    }

    /// beta -> 0 is the mean; a lead of the margin makes a sparse pattern its own fixed point, exactly.
    #[test]
    fn limits_of_beta() {
        for simplex_map in ALL {
            let (memory, _) = memory(6, 3, 1e-9, simplex_map);
            let mean = memory.patterns().weighted(&[1.0 / 6.0; 6]);
            assert!(memory.step(&[0.3, 0.2, 0.1]).iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-7));
            let separations = memory.patterns().separations();
            let best = (0..6).max_by(|&a, &b| separations[a].total_cmp(&separations[b])).unwrap();
            let Some(margin) = simplex_map.margin() else { continue };
            let x = memory.patterns().pattern(best).to_vec();
            for (factor, exact) in [(1.0 + 1e-9, true), (0.99, false)] {
                let at = memory.at(factor * margin / separations[best]).unwrap();
                assert_eq!(at.step(&x) == x, exact, "{simplex_map:?} {factor}");
            }
        }
    }

    /// At most the largest entropy over beta above the maximum, reached by equal scores.
    #[test]
    fn a_soft_maximum_lies_above_the_maximum_by_at_most_its_bound() {
        for simplex_map in ALL {
            for beta in [0.7, 1.3, 16.0] {
                let bound = simplex_map.most_entropy(2) / beta;
                for (s, equal) in [(0.0, true), (0.4, false), (-1.5, false)] {
                    let gap = simplex_map.soft_maximum(beta, &[s, 0.0]) - f64::max(s, 0.0);
                    assert!((-1e-12..=bound + 1e-12).contains(&gap), "{simplex_map:?} {beta} {s}: {gap}");
                    assert_eq!((gap - bound).abs() < 1e-12, equal, "{simplex_map:?} {beta} {s}: {gap}");
                }
            }
        }
    }

    #[test]
    fn betas_out_of_range_are_refused() {
        for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let one = RealPatterns::new(1, 1, vec![1.0]).unwrap();
            assert!(Modern::new(one, beta, SimplexMap::Softmax).unwrap_err().is_usage());
        }
    }
}
