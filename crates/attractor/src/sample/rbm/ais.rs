//! Annealed importance sampling: estimates of ln Z from below and from above.
//!
//! Forward runs start in the base-rate model and are led to the machine; the mean of their weights is an unbiased estimate
//! of Z / Z_0, so its logarithm is too small in expectation. Reverse runs start in states of the machine and are led back;
//! they estimate Z_0 / Z, so ln Z comes out too large. Together they are a sandwich.
//!
//! # Source
//! Neal 2001; Salakhutdinov and Murray 2008, *On the quantitative analysis of deep belief networks*; reverse runs: Burda,
//! Grosse and Salakhutdinov 2015.

use std::fmt;
use std::ops::RangeInclusive;

use super::half::{self, How};
use super::kernel::{self, Draws, Keep, Slab, Tempered};
use super::model::{Rbm, Visible};
use super::path;
use super::place::Place;
use super::rows::Rows;
use super::sums;
use crate::error::{Error, Result};
use serde::Serialize;

/// How to anneal.
#[derive(Debug, Clone, PartialEq)]
pub struct Annealing {
    /// Inverse temperatures, rising from 0 to 1.
    pub betas: Vec<f64>,
    /// Independent runs.
    pub runs: usize,
    /// Seed.
    pub seed: u64,
}

impl Annealing {
    /// Evenly spaced: `betas` steps from 0 to 1.
    pub fn linear(betas: usize, runs: usize, seed: u64) -> Self {
        let betas = (0..=betas).map(|k| k as f64 / betas.max(1) as f64).collect();
        Self { betas, runs, seed }
    }

    fn check(&self) -> Result<()> {
        let betas = &self.betas;
        let rises = betas.windows(2).all(|pair| pair[0] < pair[1]);
        if betas.len() < 2 || betas.len() > 1 << 31 || betas[0] != 0.0 || betas[betas.len() - 1] != 1.0 || !rises {
            return Err(Error::usage(format!(
                "AIS: {} inverse temperatures that must rise from 0 to 1; give at least those two",
                betas.len()
            )));
        }
        if self.runs == 0 || self.runs > 1 << 24 {
            return Err(Error::usage(format!("AIS: {} runs; expected 1 to 2^24", self.runs)));
        }
        Ok(())
    }
}

/// Inverse temperatures that an estimate is asked for with.
pub const BETAS: RangeInclusive<usize> = 10..=10_000_000;

/// Refuses a number of inverse temperatures outside [`BETAS`].
///
/// # Errors
/// `is_usage`, naming the option `betas`.
pub fn check_betas(betas: usize) -> Result<()> {
    if BETAS.contains(&betas) {
        return Ok(());
    }
    let why = format!(
        "give {} to {} inverse temperatures; with few of them the estimate is of no use (1000 is usual)",
        BETAS.start(),
        BETAS.end()
    );
    Err(Error::option("betas", betas, why))
}

/// An estimate of ln Z.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// ln Z.
    pub log_partition: f64,
    /// Its standard error by the delta method: deviation of the weights over their mean and the root of their number. NaN of
    /// one run.
    pub standard_error: f64,
    /// Effective sample size, (sum w)^2 / sum w^2: from 1 to the number of runs.
    pub effective_runs: f64,
    /// The estimate if the weights were log-normal: mean of ln w plus (forward) or minus (reverse) half their variance.
    pub log_normal: f64,
    /// ln Z by each run alone.
    pub each: Vec<f64>,
    reverse: bool,
}

/// The variance of ln w beyond which the delta method is not to be believed.
const WIDE: f64 = 1.0;

impl Estimate {
    fn new(log_weights: Vec<f64>, base: f64, reverse: bool) -> Self {
        let count = log_weights.len() as f64;
        let sign = if reverse { -1.0 } else { 1.0 };
        let sum = sums::log_sum_exp(&log_weights);
        let squares = sums::log_sum_exp(&log_weights.iter().map(|w| 2.0 * w).collect::<Vec<_>>());
        let log_mean = sum - count.ln();
        // Deviation over mean, of weights scaled by their mean so that nothing overflows.
        let spread: f64 = log_weights.iter().map(|w| ((w - log_mean).exp() - 1.0).powi(2)).sum();
        let mean = log_weights.iter().sum::<f64>() / count;
        let variance = log_weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self {
            log_partition: base + sign * log_mean,
            standard_error: (spread / (count - 1.0) / count).sqrt(),
            effective_runs: (2.0 * sum - squares).exp(),
            log_normal: base + sign * (mean + variance / 2.0),
            each: log_weights.iter().map(|w| base + sign * w).collect(),
            reverse,
        }
    }

    /// Bounds at `deviations` standard errors of the mean weight, through the logarithm: not symmetric, and without a finite
    /// bound on one side when the weights' spread is as large as their mean.
    pub fn interval(&self, deviations: f64) -> (f64, f64) {
        let off = deviations * self.standard_error;
        // A negative mean weight is none: the bound is minus infinity, and NaN stays NaN.
        let down = if off >= 1.0 { f64::NEG_INFINITY } else { (-off).ln_1p() };
        let up = off.ln_1p();
        if self.reverse {
            (self.log_partition - up, self.log_partition - down)
        } else {
            (self.log_partition + down, self.log_partition + up)
        }
    }

    /// Why the interval should not be believed, if so.
    ///
    /// With a variance of ln w above one, few runs carry the mean: the delta method sees the spread of those that were
    /// drawn, not of those that were missed. More betas help, more runs hardly do.
    pub fn caution(&self) -> Option<Caution> {
        let count = self.each.len() as f64;
        let mean = self.each.iter().sum::<f64>() / count;
        let variance = self.each.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (count - 1.0);
        // The comparison is turned so that a NaN is a caution too.
        if variance <= WIDE && self.effective_runs >= 0.1 * count {
            return None;
        }
        Some(Caution { variance, effective_runs: self.effective_runs, runs: self.each.len() })
    }
}

/// An estimate whose interval is too narrow: its weights are too far apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Caution {
    /// Variance of ln w over the runs; at most 1 is sound.
    pub variance: f64,
    /// Effective sample size, from 1 to `runs`; at least a tenth of them is sound.
    pub effective_runs: f64,
    /// Runs.
    pub runs: usize,
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variance, effective_runs, runs } = self;
        write!(
            f,
            "the variance of ln w is {variance:.2} and the effective sample size {effective_runs:.1} of {runs} runs: the standard \
             error is underestimated; use more inverse temperatures"
        )
    }
}

/// ln Z from both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Sandwich {
    /// Too small in expectation.
    pub forward: Estimate,
    /// Too large in expectation, if the samples it starts from are the model's.
    pub reverse: Estimate,
}

impl Sandwich {
    /// Mean ln p(v) of data from above and from below: (with the forward ln Z, with the reverse one).
    ///
    /// # Errors
    /// As [`Rbm::accepts`].
    pub fn log_likelihood(&self, rbm: &Rbm, rows: Rows<'_>) -> Result<(f64, f64)> {
        let mean = |log_z| super::likelihood::mean_log_likelihood(rbm, rows, log_z).map(|mean| mean.value);
        Ok((mean(self.forward.log_partition)?, mean(self.reverse.log_partition)?))
    }
}

/// One row of runs on the path.
struct Runs<'a> {
    rbm: &'a Rbm,
    base: &'a [f32],
    seed: u64,
    rows: usize,
    u: Vec<f32>,
    x: Vec<f32>,
    tilt: Vec<f64>,
    log_weights: Vec<f64>,
}

impl<'a> Runs<'a> {
    fn new(rbm: &'a Rbm, base: &'a [f32], rows: usize, seed: u64) -> Result<Self> {
        let n = rbm.visible_units();
        if base.len() != n || !base.iter().all(|a| a.is_finite()) {
            return Err(Error::shape(format!(
                "AIS: {} base rates for {n} visible units; give a finite bias for each (Rbm::base_rates of the data)",
                base.len()
            )));
        }
        let (u, x) = (vec![0.0; n * rows], vec![0.0; rbm.hidden_units() * rows]);
        Ok(Self { rbm, base, seed, rows, u, x, tilt: vec![0.0; rows], log_weights: vec![0.0; rows] })
    }

    /// Weighs the step from one beta to another, at the states as they are.
    fn weigh(&mut self, from: f64, to: f64, step: usize) {
        let place = Place::tight(self.rows);
        let draws = Draws { seed: self.seed, update: step as u32, phase: 0 };
        let how = How { rows: self.rows, tempered: None, draws };
        half::hidden(self.rbm, (&self.u, place), (&mut self.x, place), None, None, how);
        path::tilt(self.rbm, self.base, (&self.u, place), &mut self.tilt);
        let mut sums = vec![0.0; self.rows];
        for (beta, sign) in [(to, 1.0), (from, -1.0)] {
            path::log_weight(self.rbm, (&self.x, place), &self.tilt, &vec![beta; self.rows], &mut sums);
            self.log_weights.iter_mut().zip(&sums).for_each(|(w, s)| *w += sign * s);
        }
    }

    /// One Gibbs step at beta, from the inputs that weighing left.
    fn walk(&mut self, beta: f64, step: usize) {
        let (rows, place) = (self.rows, Place::tight(self.rows));
        let betas = vec![beta as f32; rows];
        let draws = Draws { seed: self.seed, update: step as u32, phase: 0 };
        let tempered = Some(Tempered { rows: &betas, base: None });
        let slab = Slab { numbers: &mut self.x, stride: rows, offset: 0 };
        kernel::activate(slab, rows, 0, &self.rbm.hidden_bias, tempered, Keep::Sample, None, draws);
        let tempered = Some(Tempered { rows: &betas, base: Some(self.base) });
        let how = How { rows, tempered, draws: Draws { phase: 1, ..draws } };
        half::visible(self.rbm, (&self.x, place), (&mut self.u, place), how);
    }

    fn estimate(self, reverse: bool) -> Result<Estimate> {
        let base = path::base_log_partition(self.rbm, self.base) + path::log_partition_shift(self.rbm);
        let estimate = Estimate::new(self.log_weights, base, reverse);
        if !estimate.log_partition.is_finite() {
            return Err(Error::usage(format!(
                "AIS: ln Z came out as {}; the parameters are too large for f32",
                estimate.log_partition
            )));
        }
        Ok(estimate)
    }
}

/// Forward runs from the base-rate model: ln Z from below. `base` are its visible biases ([`Rbm::base_rates`] of the
/// training data; zeros for a uniform start).
///
/// # Cost
/// Two products of runs x visible x hidden per beta.
/// # Errors
/// `is_usage` for betas or a number of runs out of range, `is_shape` for base rates of another length.
pub fn forward(
    rbm: &Rbm,
    base: &[f32],
    annealing: &Annealing,
    progress: super::exact::Progress<'_>,
) -> Result<Estimate> {
    annealing.check()?;
    let mut runs = Runs::new(rbm, base, annealing.runs, annealing.seed)?;
    let slab = Slab { numbers: &mut runs.u, stride: annealing.runs, offset: 0 };
    let draws = Draws { seed: annealing.seed, update: 0, phase: 2 };
    match &rbm.visible {
        Visible::Binary => kernel::activate(slab, annealing.runs, 0, base, None, Keep::Sample, None, draws),
        Visible::Gaussian { variance } => {
            kernel::activate_gaussian(slab, annealing.runs, 0, base, variance, None, Some(draws));
        }
    }
    let betas = &annealing.betas;
    for step in 1..betas.len() {
        runs.weigh(betas[step - 1], betas[step], step);
        if step + 1 < betas.len() {
            runs.walk(betas[step], step);
        }
        progress(step, betas.len() - 1);
    }
    runs.estimate(false)
}

/// Reverse runs from states of the machine, one run per row: ln Z from above, as far as the states are the machine's.
/// `annealing.runs` is not used.
///
/// # Errors
/// As [`forward`] and [`Rbm::accepts`]; `is_shape` for no rows.
pub fn reverse(
    rbm: &Rbm,
    base: &[f32],
    annealing: &Annealing,
    samples: Rows<'_>,
    progress: super::exact::Progress<'_>,
) -> Result<Estimate> {
    rbm.accepts(samples)?;
    let annealing = Annealing { runs: samples.count(), ..annealing.clone() };
    annealing.check()?;
    // Another key than the forward runs of the same seed.
    let mut runs = Runs::new(rbm, base, annealing.runs, !annealing.seed)?;
    let rows: Vec<&[f32]> = samples.iter().collect();
    half::lay_out(rbm, &rows, (&mut runs.u, Place::tight(annealing.runs)));
    let betas = &annealing.betas;
    for step in (1..betas.len()).rev() {
        runs.weigh(betas[step], betas[step - 1], step);
        if step > 1 {
            runs.walk(betas[step - 1], step);
        }
        progress(betas.len() - step, betas.len() - 1);
    }
    runs.estimate(true)
}

#[cfg(test)]
mod tests {
    use super::super::{exact, toy};
    use super::*;

    fn base_of(rbm: &Rbm, seed: u64) -> Vec<f32> {
        let rows = exact::sample(rbm, 100, seed).unwrap();
        rbm.base_rates(Rows::new(&rows, rbm.visible_units()).unwrap()).unwrap()
    }

    /// Within three standard errors of the truth, twenty machines. With normal errors 0.27 % would fail, so that all twenty
    /// pass in 95 % of seeds; seeds are fixed. Both sides are also unbiased together: the mean of (estimate - truth) / error
    /// over the machines is below three of its own errors.
    #[test]
    fn both_directions_find_the_exact_partition_function() {
        let (mut forward_z, mut reverse_z) = (0.0, 0.0);
        for seed in 0..20 {
            let rbm = if seed % 4 == 3 { toy::gaussian(4, 5, seed) } else { toy::machine(8, 6, 0.7, seed) };
            let truth = exact::log_partition(&rbm, &|_, _| {}).unwrap();
            let base = base_of(&rbm, seed);
            let annealing = Annealing::linear(200, 60, seed);
            let f = forward(&rbm, &base, &annealing, &|_, _| {}).unwrap();
            let samples = exact::sample(&rbm, 60, seed + 100).unwrap();
            let samples = Rows::new(&samples, rbm.visible_units()).unwrap();
            let r = reverse(&rbm, &base, &annealing, samples, &|_, _| {}).unwrap();
            for (estimate, z) in [(&f, &mut forward_z), (&r, &mut reverse_z)] {
                let off = (estimate.log_partition - truth) / estimate.standard_error;
                assert!(off.abs() <= 3.0, "seed {seed}: {off} errors, {estimate:?} for {truth}");
                assert!(estimate.standard_error < 0.1 && estimate.caution().is_none(), "{estimate:?}");
                assert!(estimate.effective_runs > 30.0 && estimate.effective_runs <= 60.0);
                *z += off;
            }
        }
        assert!(forward_z.abs() / 20.0 < 3.0 / 20f64.sqrt() && reverse_z.abs() / 20.0 < 3.0 / 20f64.sqrt());
    }

    /// Few betas and strong weights: forward falls below the truth, reverse above it, in the mean over seeds by more
    /// than three standard errors each.
    #[test]
    fn forward_and_reverse_bracket_the_truth() {
        let rbm = toy::machine(8, 8, 2.0, 3);
        let truth = exact::log_partition(&rbm, &|_, _| {}).unwrap();
        let base = vec![0.0; 8];
        let (mut below, mut above) = (Vec::new(), Vec::new());
        for seed in 0..200 {
            let annealing = Annealing::linear(3, 4, seed);
            below.push(forward(&rbm, &base, &annealing, &|_, _| {}).unwrap().log_partition - truth);
            let samples = exact::sample(&rbm, 4, seed).unwrap();
            let rows = Rows::new(&samples, 8).unwrap();
            above.push(reverse(&rbm, &base, &annealing, rows, &|_, _| {}).unwrap().log_partition - truth);
        }
        let (below, above) = (super::super::Mean::of(&below), super::super::Mean::of(&above));
        assert!(below.value < -3.0 * below.standard_error, "{below:?}");
        assert!(above.value > 3.0 * above.standard_error, "{above:?}");
    }

    /// Without weights the base-rate model is the machine, whatever its biases: no run has any error.
    #[test]
    fn a_machine_without_weights_is_estimated_without_error() {
        let rbm = Rbm::new(Visible::Binary, vec![0.0; 6], vec![0.5, -1.0], vec![0.0; 3]).unwrap();
        let estimate = forward(&rbm, &[0.5, -1.0], &Annealing::linear(7, 3, 0), &|_, _| {}).unwrap();
        let truth = exact::log_partition(&rbm, &|_, _| {}).unwrap();
        assert!((estimate.log_partition - truth).abs() < 1e-12 && estimate.standard_error < 1e-12);
        assert!((estimate.effective_runs - 3.0).abs() < 1e-9);
    }

    /// ln of the mean of e^0 and e^ln 3 is ln 2; deviation sqrt 2, so an error of sqrt 2 / 2 / sqrt 2 = 1/2; ESS 16 / 10.
    #[test]
    fn an_estimate_is_that_of_its_weights() {
        let estimate = Estimate::new(vec![0.0, 3f64.ln()], 10.0, false);
        assert!((estimate.log_partition - 10.0 - 2f64.ln()).abs() < 1e-12);
        assert!((estimate.standard_error - 0.5).abs() < 1e-12, "{estimate:?}");
        assert!((estimate.effective_runs - 1.6).abs() < 1e-12);
        let (low, high) = estimate.interval(1.0);
        assert!((low - 10.0).abs() < 1e-12 && (high - 10.0 - 3f64.ln()).abs() < 1e-12);
        assert_eq!(estimate.interval(2.0).0, f64::NEG_INFINITY);
        let reverse = Estimate::new(vec![0.0, 3f64.ln()], 10.0, true);
        let (low, high) = reverse.interval(1.0);
        assert!((low - 10.0 + 3f64.ln()).abs() < 1e-12 && (high - 10.0).abs() < 1e-12);
        let wild = Estimate::new(vec![0.0, 50.0, 1.0], 0.0, false);
        let caution = wild.caution().unwrap();
        assert!(caution.variance > WIDE && caution.runs == 3 && caution.effective_runs < 1.1, "{caution:?}");
    }

    #[test]
    fn what_cannot_be_annealed_is_refused() {
        let rbm = toy::machine(2, 2, 1.0, 0);
        let ask = |base: &[f32], annealing: &Annealing| forward(&rbm, base, annealing, &|_, _| {}).unwrap_err();
        assert!(ask(&[0.0], &Annealing::linear(5, 2, 0)).is_shape());
        assert!(ask(&[0.0, f32::NAN], &Annealing::linear(5, 2, 0)).is_shape());
        assert!(ask(&[0.0; 2], &Annealing::linear(5, 0, 0)).is_usage());
        assert!(ask(&[0.0; 2], &Annealing::linear(0, 1, 0)).is_usage());
        for betas in [vec![], vec![0.0, 0.5], vec![0.0, 0.6, 0.5, 1.0], vec![0.0, f64::NAN, 1.0]] {
            assert!(ask(&[0.0; 2], &Annealing { betas, runs: 1, seed: 0 }).is_usage());
        }
    }
}
