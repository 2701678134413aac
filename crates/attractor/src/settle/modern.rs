//! Descent in a modern memory, to a residual; and how the end depends on beta.

use super::metastable::{Regime, members};
use crate::energy::Modern;
use crate::error::{Error, Result};
use crate::pattern::real::distance;

/// How to iterate z += damping (T(z) - z).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Iteration {
    /// Share of the way to T(z) that a step goes, in (0, 2); 1 is the concave-convex procedure.
    pub damping: f64,
    /// Residual |T(z) - z|, feature units, at which it has converged; >= 0.
    pub tolerance: f64,
    /// Most steps.
    pub steps: usize,
}

impl Default for Iteration {
    fn default() -> Self {
        Self { damping: 1.0, tolerance: 1e-9, steps: 1000 }
    }
}

/// How a descent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Termination {
    /// The residual is within the tolerance.
    Converged,
    /// The steps were used up before.
    OutOfSteps,
}

/// Where a descent ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// z, `[d]`.
    pub value: Vec<f64>,
    /// p(beta X z) there, `[N]`.
    pub weights: Vec<f64>,
    /// |T(z) - z| there, before any damping.
    pub residual: f64,
    /// Steps taken.
    pub steps: usize,
    /// How it ended.
    pub verdict: Termination,
    /// Energy at the start and after every step.
    pub energies: Vec<f64>,
}

impl Iteration {
    /// Refuses what may lead uphill or says nothing.
    ///
    /// # Errors
    /// `is_usage` for a damping that does not lie in (0, 2), or a tolerance below 0.
    pub fn check(&self) -> Result<()> {
        let Self { damping, tolerance, .. } = *self;
        if !(damping > 0.0 && damping < 2.0) {
            let why = "the energy is guaranteed to fall only for 0 < damping < 2";
            return Err(Error::option("damping", damping, why));
        }
        if !(tolerance >= 0.0) {
            return Err(Error::option("tolerance", tolerance, "give 0 or more"));
        }
        Ok(())
    }
}

fn check(memory: &Modern, start: &[f64], iteration: &Iteration) -> Result<()> {
    let width = memory.patterns().width();
    if start.len() != width {
        return Err(Error::shape(format!(
            "descend: stored patterns have {width} features, the query has {}; the two must be equal",
            start.len()
        )));
    }
    if let Some(at) = start.iter().position(|z| !z.is_finite()) {
        return Err(Error::usage(format!("descend: feature {at} of the query is {}; expected a number", start[at])));
    }
    iteration.check()
}

/// Goes downhill from a query until the residual is within the tolerance.
///
/// Not converging is no error but an answer.
///
/// # Cost
/// O(N d) per step.
/// # Errors
/// `is_shape` if the query has another width; `is_usage` for one that is not a number, a damping that does not lie in
/// (0, 2), or a tolerance below 0.
pub fn descend(memory: &Modern, start: &[f64], iteration: Iteration) -> Result<Outcome> {
    check(memory, start, &iteration)?;
    let mut value = start.to_vec();
    let mut energies = Vec::new();
    loop {
        let (energy, target) = memory.energy_and_step(&value);
        energies.push(energy);
        let residual = distance(&value, &target);
        let steps = energies.len() - 1;
        let converged = residual <= iteration.tolerance;
        if converged || steps == iteration.steps {
            let verdict = if converged { Termination::Converged } else { Termination::OutOfSteps };
            let weights = memory.weights(&value);
            return Ok(Outcome { value, weights, residual, steps, verdict, energies });
        }
        value.iter_mut().zip(&target).for_each(|(z, t)| *z += iteration.damping * (t - *z));
    }
}

/// What one query became at one beta.
#[derive(Debug, Clone, PartialEq)]
pub struct Swept {
    /// Inverse temperature.
    pub beta: f64,
    /// Which query.
    pub query: usize,
    /// Where it ended.
    pub outcome: Outcome,
    /// The pattern of largest weight, the first of equal ones.
    pub pattern: usize,
    /// Entropy of the weights, nats.
    pub entropy: f64,
    /// exp(entropy): the effective number of patterns.
    pub effective: f64,
    /// The fewest patterns with 0.90 of the weight.
    pub keys: usize,
    /// The size of the metastable state, by `keys` / N.
    pub regime: Regime,
}

/// Descends from every query at every beta, beta by beta.
///
/// # Cost
/// O(N d) per step of each.
/// # Errors
/// As [`descend`]; `is_usage` for a beta that is not a positive number.
pub fn sweep_beta(memory: &Modern, betas: &[f64], queries: &[Vec<f64>], iteration: Iteration) -> Result<Vec<Swept>> {
    let mut all = Vec::with_capacity(betas.len() * queries.len());
    for &beta in betas {
        let memory = memory.at(beta)?;
        for (query, start) in queries.iter().enumerate() {
            let outcome = descend(&memory, start, iteration)?;
            let weights = &outcome.weights;
            let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let pattern = weights.iter().position(|&w| w == most).unwrap_or(0);
            let entropy = -weights.iter().filter(|w| **w > 0.0).map(|w| w * w.ln()).sum::<f64>();
            let keys = members(weights).len();
            let regime = Regime::of(keys, weights.len());
            all.push(Swept { beta, query, pattern, entropy, effective: entropy.exp(), keys, regime, outcome });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::SimplexMap;
    use crate::pattern::RealPatterns;
    use crate::random::Philox;
    use proptest::prelude::*;

    fn memory(seed: u64, count: usize, width: usize, beta: f64, simplex_map: SimplexMap) -> Modern {
        let mut random = Philox::new(seed, 0);
        let numbers = (0..count * width).map(|_| random.normal()).collect();
        Modern::new(RealPatterns::new(count, width, numbers).unwrap(), beta, simplex_map).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// Over beta, damping, shapes and separators: downhill all the way, within rounding of the energy.
        #[test]
        fn no_descent_ever_rises(
            seed in 0u64..1000, count in 1usize..20, width in 1usize..9,
            log_beta in -3.0f64..4.0, damping in 0.01f64..1.99, which in 0usize..3,
        ) {
            let simplex_map = [SimplexMap::Softmax, SimplexMap::Sparsemax, SimplexMap::Entmax15][which];
            let memory = memory(seed, count, width, log_beta.exp(), simplex_map);
            let mut random = Philox::new(seed, 1);
            let start: Vec<f64> = (0..width).map(|_| 2.0 * random.normal()).collect();
            let iteration = Iteration { damping, tolerance: 1e-9, steps: 60 };
            let outcome = descend(&memory, &start, iteration).unwrap();
            for pair in outcome.energies.windows(2) {
                prop_assert!(pair[1] <= pair[0] + 1e-13 * (1.0 + outcome.energies[0]), "{pair:?}");
            }
            prop_assert_eq!(outcome.verdict == Termination::Converged, outcome.residual <= 1e-9);
            let residual = distance(&memory.step(&outcome.value), &outcome.value);
            prop_assert_eq!(residual, outcome.residual, "the residual is that of the value returned");
        }
    }

    /// A small damping does not make a small residual: it is taken before damping.
    #[test]
    fn damping_does_not_hide_the_residual() {
        let memory = memory(3, 5, 4, 1.0, SimplexMap::Softmax);
        let start = [3.0, -3.0, 3.0, 3.0];
        let one = Iteration { damping: 1e-6, tolerance: 1e-3, steps: 1 };
        let outcome = descend(&memory, &start, one).unwrap();
        assert!(outcome.verdict == Termination::OutOfSteps && outcome.residual > 1.0);
        let none = descend(&memory, &start, Iteration { steps: 0, ..one }).unwrap();
        assert_eq!((none.steps, none.value, none.energies.len()), (0, start.to_vec(), 1));
    }

    /// From far below to far above: the mean of all 64 patterns, then fewer and fewer, then the query's own pattern.
    #[test]
    fn beta_leads_from_the_average_to_the_pattern() {
        let memory = memory(4, 64, 32, 1.0, SimplexMap::Softmax);
        let query: Vec<f64> = memory.patterns().pattern(17).iter().map(|x| 0.9 * x).collect();
        let swept = sweep_beta(&memory, &[1e-4, 2.0], &[query], Iteration::default()).unwrap();
        assert!(swept.iter().all(|one| one.outcome.verdict == Termination::Converged));
        assert_eq!(swept[0].regime, Regime::GlobalAverage);
        assert!((swept[0].effective - 64.0).abs() < 0.1 && swept[0].keys == 58, "{}", swept[0].effective);
        assert_eq!((swept[1].regime, swept[1].pattern, swept[1].keys), (Regime::Small, 17, 1));
        assert!((swept[1].effective - 1.0).abs() < 1e-6);
    }

    #[test]
    fn what_cannot_be_descended_is_refused() {
        let memory = memory(5, 3, 2, 1.0, SimplexMap::Sparsemax);
        let iteration = Iteration::default();
        assert!(descend(&memory, &[0.0], iteration).unwrap_err().is_shape());
        assert!(descend(&memory, &[0.0, f64::NAN], iteration).unwrap_err().is_usage());
        for damping in [0.0, 2.0, f64::NAN] {
            assert!(descend(&memory, &[0.0; 2], Iteration { damping, ..iteration }).unwrap_err().is_usage());
        }
        assert!(descend(&memory, &[0.0; 2], Iteration { tolerance: f64::NAN, ..iteration }).unwrap_err().is_usage());
        assert!(sweep_beta(&memory, &[0.0], &[], iteration).unwrap_err().is_usage());
    }
}
