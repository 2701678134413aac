//! How many random patterns a dense memory of degree n holds: as N^(n-1).

use rayon::prelude::*;

use crate::energy::{DenseMemory, Interaction, SpinMemory, SpinWalk};
use crate::error::{Error, Result};
use crate::pattern::StoredPatterns;
use crate::random::{Philox, stream};

/// z with erfc(z) = p, for p in (0, 2).
fn inverse_erfc(p: f64) -> f64 {
    let (mut low, mut high) = (-30.0, 30.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if libm::erfc(middle) > p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// Patterns K at which one update of a stored pattern gets the share `error` of units wrong, by theory:
/// error = 1/2 erfc(sqrt(N^(n-1) / (2 (2n-3)!! K))), so K = alpha_n N^(n-1).
///
/// # Errors
/// `is_usage` for a degree below 2 or an error that does not lie in (0, 1/2).
/// # Source
/// Krotov and Hopfield 2016, *Dense associative memory for pattern recognition*.
pub fn dense_theory(units: usize, degree: u32, error: f64) -> Result<f64> {
    if degree < 2 || !(error > 0.0 && error < 0.5) {
        return Err(Error::usage(format!(
            "capacity: degree {degree}, error {error}; expected a degree of 2 or more and an error in (0, 1/2)"
        )));
    }
    let odd: f64 = (1..=2 * degree - 3).step_by(2).map(f64::from).product();
    Ok((units as f64).powi(degree as i32 - 1) / (2.0 * odd * inverse_erfc(2.0 * error).powi(2)))
}

/// A measurement of a dense memory's capacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DensePlan {
    /// Degree n.
    pub degree: u32,
    /// The share of wrong units after one update that marks the capacity; 0.005 in the source's figures.
    pub error: f64,
    /// Pattern sets of each size, at least two.
    pub sets: usize,
    /// Patterns of each set that are tried.
    pub cues: usize,
    /// Seed of the patterns.
    pub seed: u64,
}

/// A measured capacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DenseCapacity {
    /// N.
    pub units: usize,
    /// K, between the whole numbers of patterns that were tried.
    pub patterns: f64,
    /// Standard error of ln K, by leaving out one pattern set at a time.
    pub log_error: f64,
    /// [`dense_theory`].
    pub theory: f64,
}

/// Units of stored patterns that one update from the pattern itself flips, and how many were tried.
fn wrong_units(plan: &DensePlan, units: usize, count: usize, set: u64) -> Result<(usize, usize)> {
    let mut random = Philox::new(plan.seed, stream::dense_set(set, units as u64, count as u64));
    let patterns = StoredPatterns::random(units, count, &mut random)?;
    let memory = DenseMemory::new(patterns, Interaction::Polynomial { degree: plan.degree })?;
    let cues = plan.cues.min(count);
    let mut wrong = 0;
    for cue in 0..cues {
        let walk = memory.walk(&memory.patterns().pattern(cue));
        wrong += (0..units).filter(|&i| walk.field(i) * f64::from(walk.state().sign(i)) < 0.0).count();
    }
    Ok((wrong, cues * units))
}

/// Measures K at N units: numbers of patterns from half to twice the theory's, and between the two that enclose the
/// error, ln K in proportion to the logarithm of the inverse error function, in which theory is a line.
///
/// The answer does not depend on the number of threads.
///
/// # Cost
/// About 9 sets x cues x N fields of O(K).
/// # Errors
/// `is_usage` for a plan out of range, or if the numbers tried do not enclose the error: more sets or units are needed.
pub fn measure_dense(plan: &DensePlan, units: usize) -> Result<DenseCapacity> {
    let theory = dense_theory(units, plan.degree, plan.error)?;
    if plan.sets < 2 || plan.cues == 0 || units == 0 {
        return Err(Error::usage(format!(
            "capacity: {} sets, {} cues, {units} units; expected two sets or more, and one cue and unit",
            plan.sets, plan.cues
        )));
    }
    let mut counts: Vec<usize> =
        (0..9).map(|step| (theory * 2f64.powf(f64::from(step) / 4.0 - 1.0)).round().max(2.0) as usize).collect();
    counts.dedup();
    let jobs: Vec<(usize, u64)> = counts.iter().flat_map(|&k| (0..plan.sets as u64).map(move |set| (k, set))).collect();
    let tried: Vec<(usize, usize)> =
        jobs.into_par_iter().map(|(count, set)| wrong_units(plan, units, count, set)).collect::<Result<_>>()?;
    // ln K where the error is met, all sets but one counted.
    let solve = |without: Option<usize>| -> Option<f64> {
        let rate = |at: usize| {
            let sets =
                tried[at * plan.sets..(at + 1) * plan.sets].iter().enumerate().filter(|(set, _)| Some(*set) != without);
            let (wrong, all) = sets.fold((0, 0), |sum, (_, one)| (sum.0 + one.0, sum.1 + one.1));
            wrong as f64 / all as f64
        };
        // From the side of many patterns: errors are frequent there and well known.
        let at = (0..counts.len() - 1).rev().find(|&at| rate(at) < plan.error && rate(at + 1) >= plan.error)?;
        let line = |rate: f64| inverse_erfc(2.0 * rate).ln();
        let (low, high, wanted) = (line(rate(at)), line(rate(at + 1)), line(plan.error));
        let share = if rate(at) > 0.0 { (low - wanted) / (low - high) } else { 1.0 };
        let [below, above] = [counts[at], counts[at + 1]].map(|count| (count as f64).ln());
        Some(below + share * (above - below))
    };
    let missing = || {
        Error::usage(format!(
            "capacity: an error of {} is not met between {} and {} patterns of {units} units; take more sets or units",
            plan.error,
            counts[0],
            counts[counts.len() - 1]
        ))
    };
    let log = solve(None).ok_or_else(missing)?;
    let n = plan.sets as f64;
    let each: Vec<f64> = (0..plan.sets).map(|set| solve(Some(set)).ok_or_else(missing)).collect::<Result<_>>()?;
    let mean = each.iter().sum::<f64>() / n;
    let variance = each.iter().map(|x| (x - mean).powi(2)).sum::<f64>() * (n - 1.0) / n;
    Ok(DenseCapacity { units, patterns: log.exp(), log_error: variance.sqrt(), theory })
}

/// Slope of ln K against ln N by least squares, and its standard error from those of the capacities; theory says n - 1.
///
/// # Errors
/// `is_usage` if there are not two sizes.
pub fn capacity_slope(measured: &[DenseCapacity]) -> Result<(f64, f64)> {
    let x: Vec<f64> = measured.iter().map(|one| (one.units as f64).ln()).collect();
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let spread: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
    // Negated, so that no size at all (a mean that is not a number) is refused too.
    if !(spread > 0.0) {
        return Err(Error::usage("capacity: a slope needs at least two sizes"));
    }
    let slope = measured.iter().zip(&x).map(|(one, x)| (x - mean) * one.patterns.ln()).sum::<f64>() / spread;
    let variance = measured.iter().zip(&x).map(|(one, x)| ((x - mean) * one.log_error).powi(2)).sum::<f64>();
    Ok((slope, variance.sqrt() / spread))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The coefficients of the source's capacity at 0.5 %, by another program.
    #[test]
    fn the_theory_has_its_known_coefficients() {
        for (degree, alpha) in [(2, 0.1507), (3, 0.0502), (4, 0.01005), (5, 0.00144)] {
            let found = dense_theory(100, degree, 0.005).unwrap() / 100f64.powi(degree as i32 - 1);
            assert!((found / alpha - 1.0).abs() < 4e-3, "{degree}: {found}");
        }
        assert!(dense_theory(10, 1, 0.005).unwrap_err().is_usage());
        assert!(dense_theory(10, 2, 0.6).unwrap_err().is_usage());
    }

    /// A small run of what the example runs at length.
    #[test]
    fn capacity_grows_as_the_power_less_one() {
        let plan = DensePlan { degree: 3, error: 0.005, sets: 8, cues: 20, seed: 1 };
        let measured = [40, 64].map(|units| measure_dense(&plan, units).unwrap());
        assert!(measured.iter().all(|one| (one.patterns / one.theory).ln().abs() < 0.25), "{measured:?}");
        let (slope, error) = capacity_slope(&measured).unwrap();
        assert!((slope - 2.0).abs() < 0.2 + 3.0 * error, "{slope} +- {error}");
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one.install(|| measure_dense(&plan, 40).unwrap()), measured[0]);
        assert!(capacity_slope(&measured[..1]).unwrap_err().is_usage());
        assert!(measure_dense(&DensePlan { sets: 1, ..plan }, 40).unwrap_err().is_usage());
    }
}
