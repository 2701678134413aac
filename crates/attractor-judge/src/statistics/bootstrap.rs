//! Bootstrap intervals over inputs, whatever number of steps each has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use attractor::random::Philox;
use attractor::random::stream::{JudgementStream, judged};
use attractor_record::Steps;
use statrs::distribution::{ContinuousCDF, Normal};

use super::block::{self, BlockBootstrap};
use super::interval::{Ends, Interval, IntervalMethod, NoBootstrap, quantile};
use super::mean;

/// Fewest inputs for which an interval is given.
pub const FEWEST_INPUTS: usize = 5;

/// Bootstrap intervals of a mean over inputs.
///
/// Inputs are drawn, and each comes with all its steps: steps of one input depend on each other, and a resample never takes
/// them apart. With fewer than [`FEWEST_INPUTS`] inputs whose steps are eight or more, runs of neighbouring steps are drawn
/// ([`BlockBootstrap`]), the same of every input that has as many; such an interval speaks of these inputs alone, and its
/// method says so.
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
    /// Entries of every input in the order of its steps; `None`: every entry is an input.
    series: Option<Vec<Vec<usize>>>,
}

impl Bootstrap {
    /// `resamples` resamples at confidence `level`.
    pub fn new(seed: u64, resamples: usize, level: f64) -> Self {
        Self { seed, resamples, level, draws: Mutex::new(BTreeMap::new()), series: None }
    }

    /// Of figures of entries, some of which may be steps of the same input.
    pub fn over(self, steps: &Steps) -> Self {
        Self { series: steps.are_several().then(|| steps.series().to_vec()), ..self }
    }

    /// The interval of the mean of `values`, which are figures of the entries `entries`.
    ///
    /// # Errors
    /// [`NoBootstrap::FewInputs`] for fewer than five inputs, if they have fewer than eight steps; as [`Bootstrap::interval`].
    pub fn interval_at(&self, entries: &[usize], values: &[f64]) -> Result<Interval, NoBootstrap> {
        let Some(series) = self.values_of(entries, values) else { return self.interval(values) };
        if !values.iter().all(|v| v.is_finite()) {
            return Err(NoBootstrap::StepNotFinite);
        }
        match (series.len() < FEWEST_INPUTS, series.iter().all(|s| s.len() >= block::FEWEST_STEPS)) {
            (true, true) if !series.is_empty() => {
                let length = series.iter().map(|s| block::block_length(s)).fold(1.0, f64::max);
                return BlockBootstrap::new(self.seed, self.resamples, self.level, length).interval_of_mean(&series);
            }
            (true, _) => return Err(NoBootstrap::FewInputs),
            (false, _) => {}
        }
        let named = |interval: Interval| Interval { method: interval.method.with_steps(), ..interval };
        if series.iter().all(|s| s.len() == series[0].len()) {
            // A mean of means: as many steps each weigh the same, and equal steps are exactly one.
            return self.interval(&series.iter().map(|s| mean(s)).collect::<Vec<_>>()).map(named);
        }
        if values.iter().all(|&v| v == values[0]) {
            return self.interval(values).map(named);
        }
        let sums: Vec<(f64, f64)> = series.iter().map(|s| (s.iter().sum(), s.len() as f64)).collect();
        let total = sums.iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let of = |(sum, count): (f64, f64)| sum / count;
        let n = sums.len();
        let draws = self.draws(n);
        let means = draws.chunks_exact(n).map(|sample| {
            of(sample.iter().map(|&i| sums[i as usize]).fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1)))
        });
        let without: Vec<f64> = sums.iter().map(|one| of((total.0 - one.0, total.1 - one.1))).collect();
        let centre = mean(&without);
        let deviations: Vec<f64> = without.iter().map(|value| centre - value).collect();
        Ok(named(corrected(of(total), &deviations, means.collect(), self.level)))
    }

    /// The mean over the steps of each input that has a figure; the figures themselves where inputs have one step.
    pub fn by_input(&self, entries: &[usize], values: &[f64]) -> Vec<f64> {
        self.values_of(entries, values).map_or_else(|| values.to_vec(), |all| all.iter().map(|s| mean(s)).collect())
    }

    /// The figures of every input that has some, in the order of its steps; `None` if every entry is an input.
    fn values_of(&self, entries: &[usize], values: &[f64]) -> Option<Vec<Vec<f64>>> {
        let of: BTreeMap<usize, f64> = entries.iter().copied().zip(values.iter().copied()).collect();
        let series = self.series.as_ref()?.iter();
        let there = series.map(|entries| entries.iter().filter_map(|entry| of.get(entry).copied()).collect());
        Some(there.filter(|values: &Vec<f64>| !values.is_empty()).collect())
    }

    fn draws(&self, n: usize) -> Arc<Vec<u32>> {
        // Drawn outside of the lock's guard elsewhere would be the same numbers: they are a function of (seed, n).
        let mut cache = self.draws.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let draw = || {
            let mut random = Philox::new(self.seed, judged(JudgementStream::Bootstrap, n as u64));
            Arc::new((0..self.resamples * n).map(|_| random.below(n) as u32).collect())
        };
        cache.entry(n).or_insert_with(draw).clone()
    }

    /// The interval of the mean of `values`, one value per input.
    ///
    /// # Errors
    /// [`NoBootstrap::FewInputs`] for fewer than five values, another reason for values that are not numbers.
    pub fn interval(&self, values: &[f64]) -> Result<Interval, NoBootstrap> {
        let n = values.len();
        if n < FEWEST_INPUTS {
            return Err(NoBootstrap::FewInputs);
        }
        if !values.iter().all(|v| v.is_finite()) {
            return Err(NoBootstrap::InputNotFinite);
        }
        if values.iter().all(|&v| v == values[0]) {
            let (low, high) = (values[0], values[0]);
            return Ok(Interval { low, high, level: self.level, method: IntervalMethod::Inputs(Ends::NoSpread) });
        }
        let draws = self.draws(n);
        let means = draws
            .chunks_exact(n)
            .map(|sample| sample.iter().map(|&i| values[i as usize]).sum::<f64>() / n as f64)
            .collect();
        let centre = mean(values);
        // Jackknife of a mean: the deviation of the mean without input i is -(v_i - mean) / (n - 1).
        let deviations: Vec<f64> = values.iter().map(|value| (value - centre) / (n - 1) as f64).collect();
        Ok(corrected(centre, &deviations, means, self.level))
    }
}

/// The interval of a mean `centre` from the means of resamples and the jackknife: what each input adds to its mean.
fn corrected(centre: f64, deviations: &[f64], mut means: Vec<f64>, level: f64) -> Interval {
    let interval = |low, high, ends| Interval { low, high, level, method: IntervalMethod::Inputs(ends) };
    means.sort_by(f64::total_cmp);

    let normal = Normal::standard();
    let tail = (1.0 - level) / 2.0;
    let percentile = || interval(quantile(&means, tail), quantile(&means, 1.0 - tail), Ends::Percentile);
    let below = means.iter().filter(|&&m| m < centre).count() as f64;
    let ties = means.iter().filter(|&&m| m == centre).count() as f64;
    let share = (below + ties / 2.0) / means.len() as f64;
    if share <= 0.0 || share >= 1.0 {
        return percentile();
    }
    let z0 = normal.inverse_cdf(share);
    let (mut squares, mut cubes) = (0.0, 0.0);
    for d in deviations {
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
        (Some(low), Some(high)) => interval(low, high, Ends::Bca),
        _ => percentile(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_inputs_have_no_interval_and_five_have_one() {
        let bootstrap = Bootstrap::new(1, 999, 0.95);
        assert_eq!(bootstrap.interval(&[1.0, 2.0, 3.0, 4.0]), Err(NoBootstrap::FewInputs));
        let five = bootstrap.interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!(five.low < 3.0 && five.high > 3.0 && five.low >= 1.0 && five.high <= 5.0, "{five:?}");
    }

    #[test]
    fn equal_values_give_the_point_and_nan_gives_none() {
        let bootstrap = Bootstrap::new(1, 999, 0.95);
        let point = bootstrap.interval(&[2.5; 6]).unwrap();
        assert_eq!((point.low, point.high, point.method), (2.5, 2.5, IntervalMethod::Inputs(Ends::NoSpread)));
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
        assert_eq!(bca.method, IntervalMethod::Inputs(Ends::Bca));
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
        let centre = mean(&values);
        let deviations = values.map(|value| (value - centre) / 4.0);
        let interval = corrected(centre, &deviations, (0..3125).map(|code| sum(code) / 5.0).collect(), 0.95);
        assert_eq!(interval.method, IntervalMethod::Inputs(Ends::Bca));
        assert!((interval.low - 0.259_375).abs() < 1e-12 && (interval.high - 0.740_625).abs() < 1e-12, "{interval:?}");
    }

    fn steps(inputs: usize, steps: u64) -> Steps {
        Steps::new((0..inputs).flat_map(|i| (0..steps).map(move |s| attractor_record::Origin::at(i, s))).collect())
    }

    /// Equal steps within inputs tell nothing more than one step would: the interval is that of the inputs, bit for bit.
    #[test]
    fn repeated_steps_do_not_narrow_an_interval() {
        let inputs = [0.5, 0.25, 1.0, 0.125, 2.0, 0.75];
        let values: Vec<f64> = inputs.iter().flat_map(|&v| [v; 4]).collect();
        let entries: Vec<usize> = (0..values.len()).collect();
        let bootstrap = Bootstrap::new(4, 999, 0.95).over(&steps(6, 4));
        let whole = bootstrap.interval_at(&entries, &values).unwrap();
        let alone = Bootstrap::new(4, 999, 0.95).interval(&inputs).unwrap();
        assert!(
            (whole.low - alone.low).abs() < 1e-12 && (whole.high - alone.high).abs() < 1e-12,
            "{whole:?} {alone:?}"
        );
        assert_eq!(whole.method, IntervalMethod::InputsWithSteps(Ends::Bca));
        assert_eq!(bootstrap.by_input(&entries, &values), inputs);
        let apart = Bootstrap::new(4, 999, 0.95).interval(&values).unwrap();
        assert!(apart.high - apart.low < 0.7 * (whole.high - whole.low), "drawn apart they would: {apart:?}");
    }

    /// Steps that go up and down within every input cancel only if an input comes whole: taken apart, they would spread.
    #[test]
    fn steps_of_an_input_are_never_drawn_apart() {
        let values: Vec<f64> = (0..6).flat_map(|i| [10.0 + f64::from(i), -10.0, f64::from(i)]).collect();
        let entries: Vec<usize> = (0..18).collect();
        let interval = Bootstrap::new(2, 1999, 0.95).over(&steps(6, 3)).interval_at(&entries, &values).unwrap();
        // The mean of input i is 2 i / 3.
        assert!(interval.low >= 0.0 && interval.high <= 10.0 / 3.0, "{interval:?}");
    }

    /// Inputs with other numbers of steps weigh by them: resamples and jackknife by the definition, all steps put together.
    #[test]
    fn inputs_weigh_by_their_steps() {
        let series = [vec![1.0, 2.0], vec![4.0], vec![0.5, 0.25, 0.125], vec![8.0], vec![3.0, 1.0]];
        let origins = series.iter().enumerate().flat_map(|(i, s)| (0..s.len()).map(move |step| (i, step as u64)));
        let steps = Steps::new(origins.map(|(i, step)| attractor_record::Origin::at(i, step)).collect());
        let values = series.concat();
        let entries: Vec<usize> = (0..values.len()).collect();
        let bootstrap = Bootstrap::new(9, 1999, 0.95).over(&steps);
        let interval = bootstrap.interval_at(&entries, &values).unwrap();
        let means: Vec<f64> = bootstrap
            .draws(5)
            .chunks_exact(5)
            .map(|drawn| drawn.iter().flat_map(|&i| series[i as usize].clone()).collect::<Vec<_>>())
            .map(|all| mean(&all))
            .collect();
        let without = |left: usize| {
            let others = series.iter().enumerate().filter(|(i, _)| *i != left).flat_map(|(_, s)| s.clone());
            mean(&others.collect::<Vec<_>>())
        };
        let jackknife: Vec<f64> = (0..5).map(without).collect();
        let deviations: Vec<f64> = jackknife.iter().map(|one| mean(&jackknife) - one).collect();
        let expected = corrected(mean(&values), &deviations, means, 0.95);
        assert_eq!(interval.method, IntervalMethod::InputsWithSteps(Ends::Bca));
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(interval.low, expected.low) && near(interval.high, expected.high), "{interval:?} {expected:?}");
    }

    #[test]
    fn one_step_per_input_gives_the_plain_interval() {
        let values = [0.3, 0.1, 0.7, 0.2, 0.9, 0.4];
        let entries: Vec<usize> = (0..6).collect();
        let with = Bootstrap::new(1, 999, 0.95).over(&steps(6, 1)).interval_at(&entries, &values);
        assert_eq!(with, Bootstrap::new(1, 999, 0.95).interval(&values));
    }

    #[test]
    fn few_inputs_need_many_steps() {
        let few = Bootstrap::new(1, 999, 0.95).over(&steps(2, 7));
        let entries: Vec<usize> = (0..14).collect();
        let values: Vec<f64> = (0..14).map(f64::from).collect();
        assert_eq!(few.interval_at(&entries, &values), Err(NoBootstrap::FewInputs));
        let many = Bootstrap::new(1, 999, 0.95).over(&steps(1, 12));
        let interval = many.interval_at(&entries[..12], &values[..12]).unwrap();
        assert!(interval.low < 5.5 && interval.high > 5.5, "{interval:?}");
        assert!(matches!(interval.method, IntervalMethod::StepsOf { inputs: 1, .. }), "{interval:?}");
    }

    #[test]
    fn quantiles_by_hand() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 1.0), 4.0);
    }
}
