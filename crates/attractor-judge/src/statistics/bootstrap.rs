//! Bootstrap intervals over inputs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use attractor::random::Philox;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::{mean, stream};

/// A confidence interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence level, in (0, 1).
    pub level: f64,
    /// How it was found: "BCa bootstrap", "percentile bootstrap" or "no spread".
    pub method: String,
}

/// Fewest inputs for which an interval is given.
pub const FEWEST_INPUTS: usize = 5;

/// Why there is no interval for fewer than [`FEWEST_INPUTS`] inputs.
pub const TOO_FEW: &str = "fewer than five inputs";

/// Bootstrap intervals of a mean over inputs.
///
/// The resampled inputs are the same for every figure of the same number of inputs, so that figures of different
/// heads keep their dependence and the draws are made once.
///
/// BCa: with z0 = Phi^-1(share of resampled means below the mean, ties half) and the acceleration a from the
/// jackknife, the ends are the quantiles Phi(z0 + (z0 + z) / (1 - a (z0 + z))) of the resampled means, z = +-z_level.
///
/// Falls back to the percentile interval where the correction is undefined: every resampled mean on one side of the
/// mean, or a denominator that is not positive. Equal values give the point itself ("no spread").
/// # Source
/// Efron 1987, *Better bootstrap confidence intervals*; Efron and Tibshirani 1993, chapter 14.
#[derive(Debug)]
pub struct Bootstrap {
    seed: u64,
    resamples: usize,
    level: f64,
    draws: Mutex<BTreeMap<usize, Arc<Vec<u32>>>>,
}

impl Bootstrap {
    /// `resamples` resamples at confidence `level`.
    pub fn new(seed: u64, resamples: usize, level: f64) -> Self {
        Self { seed, resamples, level, draws: Mutex::new(BTreeMap::new()) }
    }

    fn draws(&self, n: usize) -> Arc<Vec<u32>> {
        // Drawn outside of the lock's guard elsewhere would be the same numbers: they are a function of (seed, n).
        let mut cache = self.draws.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let draw = || {
            let mut random = Philox::new(self.seed, stream::BOOTSTRAP | n as u64);
            Arc::new((0..self.resamples * n).map(|_| random.below(n) as u32).collect())
        };
        cache.entry(n).or_insert_with(draw).clone()
    }

    /// The interval of the mean of `values`, one value an input.
    ///
    /// # Errors
    /// [`TOO_FEW`] for fewer than five values, another reason for values that are not numbers.
    pub fn interval(&self, values: &[f64]) -> Result<Interval, &'static str> {
        let n = values.len();
        if n < FEWEST_INPUTS {
            return Err(TOO_FEW);
        }
        if !values.iter().all(|v| v.is_finite()) {
            return Err("a figure of an input is not a finite number");
        }
        if values.iter().all(|&v| v == values[0]) {
            let (low, high) = (values[0], values[0]);
            return Ok(Interval { low, high, level: self.level, method: "no spread".into() });
        }
        let draws = self.draws(n);
        let means = draws
            .chunks_exact(n)
            .map(|sample| sample.iter().map(|&i| values[i as usize]).sum::<f64>() / n as f64)
            .collect();
        Ok(corrected(values, means, self.level))
    }
}

/// The interval of the mean of `values` from the means of resamples.
fn corrected(values: &[f64], mut means: Vec<f64>, level: f64) -> Interval {
    let n = values.len();
    let interval = |low, high, method: &str| Interval { low, high, level, method: method.to_string() };
    let centre = mean(values);
    means.sort_by(f64::total_cmp);

    let normal = Normal::standard();
    let tail = (1.0 - level) / 2.0;
    let percentile = || interval(quantile(&means, tail), quantile(&means, 1.0 - tail), "percentile bootstrap");
    let below = means.iter().filter(|&&m| m < centre).count() as f64;
    let ties = means.iter().filter(|&&m| m == centre).count() as f64;
    let share = (below + ties / 2.0) / means.len() as f64;
    if share <= 0.0 || share >= 1.0 {
        return percentile();
    }
    let z0 = normal.inverse_cdf(share);
    // Jackknife of a mean: the deviation of the mean without input i is -(v_i - mean) / (n - 1).
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in values {
        let d = (value - centre) / (n - 1) as f64;
        squares += d * d;
        cubes += d * d * d;
    }
    let a = cubes / (6.0 * squares.powf(1.5));
    let end = |z: f64| {
        let denominator = 1.0 - a * (z0 + z);
        (denominator > 0.0).then(|| quantile(&means, normal.cdf(z0 + (z0 + z) / denominator)))
    };
    let z = normal.inverse_cdf(1.0 - tail);
    match (end(-z), end(z)) {
        (Some(low), Some(high)) => interval(low, high, "BCa bootstrap"),
        _ => percentile(),
    }
}

/// Quantile `p` of sorted values, linear between order statistics.
pub(super) fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let low = position.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_inputs_have_no_interval_and_five_have_one() {
        let bootstrap = Bootstrap::new(1, 999, 0.95);
        assert_eq!(bootstrap.interval(&[1.0, 2.0, 3.0, 4.0]), Err("fewer than five inputs"));
        let five = bootstrap.interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!(five.low < 3.0 && five.high > 3.0 && five.low >= 1.0 && five.high <= 5.0, "{five:?}");
    }

    #[test]
    fn equal_values_give_the_point_and_nan_gives_none() {
        let bootstrap = Bootstrap::new(1, 999, 0.95);
        let point = bootstrap.interval(&[2.5; 6]).unwrap();
        assert_eq!((point.low, point.high, point.method.as_str()), (2.5, 2.5, "no spread"));
        assert!(bootstrap.interval(&[1.0, 2.0, f64::NAN, 4.0, 5.0]).is_err());
    }

    /// Skew moves the interval the right way: for exponential-like values BCa lies to the right of the percentiles.
    #[test]
    fn skewed_values_move_the_interval_towards_the_long_tail() {
        let values: Vec<f64> = (1..=20).map(|i| -(1.0 - i as f64 / 21.0f64).ln()).collect();
        let bootstrap = Bootstrap::new(3, 9999, 0.95);
        let bca = bootstrap.interval(&values).unwrap();
        let mut means: Vec<f64> = bootstrap
            .draws(20)
            .chunks_exact(20)
            .map(|s| s.iter().map(|&i| values[i as usize]).sum::<f64>() / 20.0)
            .collect();
        means.sort_by(f64::total_cmp);
        assert_eq!(bca.method, "BCa bootstrap");
        assert!(bca.low > quantile(&means, 0.025) && bca.high > quantile(&means, 0.975), "{bca:?}");
    }

    /// Coverage of the mean of 20 normal values at level 0.95. The bootstrap ignores the t quantile, so theory says
    /// about 2 Phi(1.96 sqrt(19/20)...) ~ 0.93; over 600 trials the standard error is sqrt(.93 x .07 / 600) = 0.0104.
    /// Accepted: 0.93 +- 4 standard errors. A wrong tail (0.05 a side) would give about 0.88.
    #[test]
    fn the_interval_covers_the_mean_as_often_as_it_says() {
        let trials = 600;
        let mut covered = 0;
        for trial in 0..trials {
            let mut random = Philox::new(11, trial);
            let values: Vec<f64> = (0..20).map(|_| random.normal()).collect();
            let interval = Bootstrap::new(trial, 499, 0.95).interval(&values).unwrap();
            covered += usize::from(interval.low <= 0.0 && 0.0 <= interval.high);
        }
        let coverage = covered as f64 / trials as f64;
        assert!((coverage - 0.93).abs() < 4.0 * 0.0104, "coverage {coverage}");
    }

    /// All 5^5 resamples of five values, so that no draw is random. scipy 1.17.1, `_bca_interval` on the same means: ends at
    /// the quantiles 0.05116577 and 0.99171681, 0.259375 and 0.740625. Percentiles would be 0.225 and 0.6625.
    #[test]
    fn the_interval_of_all_resamples_is_that_of_scipy() {
        let values = [20.0 / 64.0, 27.0 / 64.0, 24.0 / 64.0, 61.0 / 64.0, 8.0 / 64.0];
        let sum = |mut code: usize| {
            (0..5).fold(0.0, |sum, _| {
                let value = values[code % 5];
                code /= 5;
                sum + value
            })
        };
        let interval = corrected(&values, (0..3125).map(|code| sum(code) / 5.0).collect(), 0.95);
        assert_eq!(interval.method, "BCa bootstrap");
        assert!((interval.low - 0.259_375).abs() < 1e-12 && (interval.high - 0.740_625).abs() < 1e-12, "{interval:?}");
    }

    #[test]
    fn quantiles_by_hand() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 1.0), 4.0);
    }
}
