//! Intervals along steps: training checkpoints, decoding steps, diffusion steps.
//!
//! Neighbouring steps are alike, so steps may not be drawn one by one. The stationary bootstrap draws runs of steps whose
//! lengths are geometric: the resampled series is stationary, as a series cut into blocks of one length is not.

use attractor::random::Philox;
use attractor::random::stream::{JudgementStream, judged};

use super::interval::{Interval, IntervalMethod, NoBootstrap, quantile};
use super::mean;

/// Fewest steps for which an interval is given.
pub const FEWEST_STEPS: usize = 8;

/// Stationary bootstrap of a series of steps.
///
/// A resample begins at a random step; after each step it goes on to the next (after the last comes the first) with
/// probability 1 - 1/b, else to a random one. b is the mean length of a block. The same steps are drawn for every series, so
/// that figures of different heads and inputs keep their pairing.
///
/// # Example
/// ```
/// use attractor_judge::statistics::BlockBootstrap;
/// let losses: Vec<f64> = (0..40).map(|step| 3.0 - 0.02 * f64::from(step)).collect();
/// let mean = |steps: &[u32]| steps.iter().map(|&s| losses[s as usize]).sum::<f64>() / steps.len() as f64;
/// let interval = BlockBootstrap::new(0, 999, 0.95, 5.0).interval(losses.len(), mean).unwrap();
/// assert!(interval.low < 2.61 && interval.high > 2.61);
/// ```
/// # Source
/// Politis and Romano 1994, *The stationary bootstrap*; percentile interval.
#[derive(Debug, Clone)]
pub struct BlockBootstrap {
    seed: u64,
    resamples: usize,
    level: f64,
    block: f64,
}

impl BlockBootstrap {
    /// `resamples` resamples at confidence `level`; blocks of mean length `block`, at least 1.
    pub fn new(seed: u64, resamples: usize, level: f64, block: f64) -> Self {
        Self { seed, resamples, level, block: block.max(1.0) }
    }

    /// The steps of every resample, [resample x step].
    pub fn draws(&self, steps: usize) -> Vec<u32> {
        let mut random = Philox::new(self.seed, judged(JudgementStream::Blocks, steps as u64));
        let mut draws = Vec::with_capacity(self.resamples * steps);
        for _ in 0..self.resamples {
            let mut at = 0;
            for step in 0..steps {
                at = match step == 0 || random.uniform() * self.block < 1.0 {
                    true => random.below(steps),
                    false => (at + 1) % steps,
                };
                draws.push(at as u32);
            }
        }
        draws
    }

    /// The interval of the mean over the steps of several inputs, which are taken as they are: inputs of as many steps are given
    /// the same steps in every resample.
    ///
    /// # Errors
    /// For an input of fewer than eight steps, or a figure that is not a number.
    pub fn interval_of_mean(&self, inputs: &[Vec<f64>]) -> Result<Interval, NoBootstrap> {
        if inputs.iter().any(|series| series.len() < FEWEST_STEPS) {
            return Err(NoBootstrap::FewSteps);
        }
        let count: usize = inputs.iter().map(Vec::len).sum();
        let mut means = vec![0.0f64; self.resamples];
        for series in inputs {
            for (mean, steps) in means.iter_mut().zip(self.draws(series.len()).chunks_exact(series.len())) {
                *mean += steps.iter().map(|&step| series[step as usize]).sum::<f64>() / count as f64;
            }
        }
        self.percentiles(means, IntervalMethod::StepsOf { inputs: inputs.len(), block: self.block })
    }

    /// The interval of a figure of the series; `figure` is given the steps of a resample, in order.
    ///
    /// # Errors
    /// For fewer than eight steps, or a figure that is not a number.
    pub fn interval(&self, steps: usize, figure: impl Fn(&[u32]) -> f64) -> Result<Interval, NoBootstrap> {
        if steps < FEWEST_STEPS {
            return Err(NoBootstrap::FewSteps);
        }
        let figures = self.draws(steps).chunks_exact(steps).map(figure).collect();
        self.percentiles(figures, IntervalMethod::Steps { block: self.block })
    }

    fn percentiles(&self, mut figures: Vec<f64>, method: IntervalMethod) -> Result<Interval, NoBootstrap> {
        if figures.is_empty() || !figures.iter().all(|f| f.is_finite()) {
            return Err(NoBootstrap::ResampleNotFinite);
        }
        figures.sort_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        Ok(Interval { low: quantile(&figures, tail), high: quantile(&figures, 1.0 - tail), level: self.level, method })
    }
}

/// The mean block length that suits a series: (2 G^2 / D)^(1/3) n^(1/3), at most 3 sqrt(n) and n / 3, at least 1.
///
/// G = sum lambda |k| R(k) and D = 2 (sum lambda R(k))^2 over lags up to 2 m, where m is the first lag from which
/// max(5, log10 n) autocorrelations in a row lie within 2 sqrt(log10 n / n) of zero, and lambda is the flat-top window.
/// A constant series needs no blocks.
///
/// # Source
/// Politis and White 2004, *Automatic block-length selection for the dependent bootstrap*, as corrected by Patton, Politis
/// and White 2009; m is found as the Python package arch 8.0.0 finds it.
pub fn block_length(series: &[f64]) -> f64 {
    let n = series.len();
    if n < FEWEST_STEPS {
        return 1.0;
    }
    let size = n as f64;
    let centre = mean(series);
    let x: Vec<f64> = series.iter().map(|v| v - centre).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let run = 5.max(size.log10() as usize);
    let most = (size.sqrt().ceil() as usize + run).min(n - 2);
    let bar = 2.0 * (size.log10() / size).sqrt();
    let covariance: Vec<f64> = (0..=most).map(|k| dot(&x[k..], &x[..n - k]) / size).collect();
    let correlation: Vec<f64> = (0..=most)
        .map(|k| {
            let (late, early) = (&x[k + 1..], &x[..n - k - 1]);
            (covariance[k] * size).abs() / (dot(late, late) * dot(early, early)).sqrt()
        })
        .collect();
    let quiet = (run..=most).find(|&k| correlation[k - run..k].iter().all(|&r| r < bar)).map(|k| k - run);
    let lags = quiet.map_or(most, |m| 2 * m.max(1)).min(most);
    let (mut weighted, mut spectrum) = (0.0, covariance[0]);
    for (k, &r) in covariance.iter().enumerate().take(lags + 1).skip(1) {
        let share = k as f64 / lags as f64;
        let lambda = if share <= 0.5 { 1.0 } else { 2.0 * (1.0 - share) };
        weighted += 2.0 * lambda * k as f64 * r;
        spectrum += 2.0 * lambda * r;
    }
    let length = (weighted * weighted / (spectrum * spectrum)).cbrt() * size.cbrt();
    let limit = (3.0 * size.sqrt()).min(size / 3.0).ceil();
    if length.is_nan() { 1.0 } else { length.clamp(1.0, limit) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Bootstrap;

    /// x_i = phi x_(i-1) + e_i with e from a linear congruential generator, as the recorded numbers were made.
    fn series(phi: f64, n: usize) -> Vec<f64> {
        let mut state = 1u64;
        let mut last = 0.0;
        (0..n)
            .map(|i| {
                state = (state * 1_103_515_245 + 12_345) % (1 << 31);
                if i > 0 {
                    last = phi * last + state as f64 / (1u64 << 31) as f64 - 0.5;
                }
                last
            })
            .collect()
    }

    /// phi, steps, and what arch 8.0.0 gives.
    const RECORDED: [(f64, usize, f64); 4] = [
        (0.0, 100, 0.450_670_184_407_329_4),
        (0.5, 200, 6.747_573_334_575_736),
        (0.8, 300, 14.284_443_166_631_595),
        (0.95, 64, 10.432_752_759_843_922),
    ];

    /// arch 8.0.0, `optimal_block_length(...)["stationary"]`; it has no lower limit, here blocks have one step at least.
    #[test]
    fn block_lengths_as_arch_has_them() {
        for (phi, n, expected) in RECORDED {
            let got = block_length(&series(phi, n));
            assert!((got - f64::max(expected, 1.0)).abs() < 1e-8, "phi {phi}, n {n}: {got}, expected {expected}");
        }
        assert_eq!(block_length(&[2.0; 30]), 1.0);
        assert_eq!(block_length(&[1.0, 2.0]), 1.0);
    }

    /// Runs are as long as asked and every step is as likely. 20 000 steps of mean run 4: the number of new beginnings has
    /// standard error sqrt(20 000 x 3/16) = 61; a run begun at the step that follows by chance counts as going on.
    #[test]
    fn runs_are_geometric_and_steps_are_equally_likely() {
        let steps = 20;
        let draws = BlockBootstrap::new(3, 1000, 0.95, 4.0).draws(steps);
        let mut counts = vec![0usize; steps];
        let mut broken = 0;
        for resample in draws.chunks_exact(steps) {
            resample.iter().for_each(|&s| counts[s as usize] += 1);
            broken += resample.windows(2).filter(|w| (w[0] as usize + 1) % steps != w[1] as usize).count();
        }
        let expected = 1000.0 * 19.0 * 0.25 * 0.95;
        assert!((broken as f64 - expected).abs() < 4.0 * 61.0, "{broken}, expected {expected}");
        // Steps of one run go together: a count's standard error is about sqrt(1000 x 4) = 63.
        assert!(counts.iter().all(|&c| (c as f64 - 1000.0).abs() < 4.0 * 63.0), "{counts:?}");
    }

    /// AR(1) with phi 0.6, 120 steps, mean zero, level 0.95, 300 trials: drawing steps one by one covers the mean in about
    /// two of three trials, blocks in about nine of ten; standard error at most 0.027, accepted +- 4 and apart by 4.
    #[test]
    fn blocks_cover_where_single_steps_do_not() {
        let trials = 300u64;
        let mut covered = [0usize; 2];
        for trial in 0..trials {
            let mut random = Philox::new(17, trial);
            let mut last = random.normal() / 0.8;
            let values: Vec<f64> = (0..120)
                .map(|_| {
                    last = 0.6 * last + random.normal();
                    last
                })
                .collect();
            let mean = |s: &[u32]| s.iter().map(|&i| values[i as usize]).sum::<f64>() / s.len() as f64;
            let blocks = BlockBootstrap::new(trial, 399, 0.95, block_length(&values)).interval(120, mean).unwrap();
            let single = Bootstrap::new(trial, 399, 0.95).interval(&values).unwrap();
            for (count, interval) in covered.iter_mut().zip([blocks, single]) {
                *count += usize::from(interval.low <= 0.0 && 0.0 <= interval.high);
            }
        }
        let [blocks, single] = covered.map(|c| c as f64 / trials as f64);
        assert!((blocks - 0.89).abs() < 4.0 * 0.018 && (single - 0.67).abs() < 4.0 * 0.027, "{blocks}, {single}");
    }

    /// A mean over one input is the figure that the definition takes, and two equal inputs say nothing more.
    #[test]
    fn the_mean_over_inputs_is_that_of_the_definition() {
        let (one, bootstrap) = (series(0.6, 40), BlockBootstrap::new(3, 499, 0.95, 4.0));
        let mean = |steps: &[u32]| steps.iter().map(|&s| one[s as usize]).sum::<f64>() / 40.0;
        let expected = bootstrap.interval(40, mean).unwrap();
        for inputs in [vec![one.clone()], vec![one.clone(), one.clone()]] {
            let got = bootstrap.interval_of_mean(&inputs).unwrap();
            assert!((got.low - expected.low).abs() < 1e-12 && (got.high - expected.high).abs() < 1e-12, "{got:?}");
        }
    }

    #[test]
    fn too_few_steps_and_no_numbers_have_no_interval() {
        let bootstrap = BlockBootstrap::new(0, 99, 0.95, 3.0);
        assert!(bootstrap.interval(7, |_| 1.0).is_err());
        assert!(bootstrap.interval(9, |_| f64::NAN).is_err());
        assert_eq!(bootstrap.interval(9, |_| 1.5).map(|i| (i.low, i.high)), Ok((1.5, 1.5)));
    }
}
