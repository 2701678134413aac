//! Drawing from a machine: Gibbs samples, tempered samples, masked inputs completed, noisy ones restored, a chain step by step.

use rayon::prelude::*;

use super::chains::{self, Replicas};
use super::half::{self, How};
use super::kernel::{Draws, Keep};
use super::model::{Rbm, Visible};
use super::place::Place;
use super::rows::Rows;
use crate::error::{Error, Result};
use crate::random::{Philox, stream};
use serde::Serialize;

/// States of a chain of contrastive divergence, one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChainStep {
    /// p(h = 1 given v), [row, hidden].
    pub hidden_probability: Vec<f32>,
    /// h drawn from it.
    pub hidden: Vec<f32>,
    /// E(v given h), [row, visible].
    pub visible_mean: Vec<f32>,
    /// v drawn.
    pub visible: Vec<f32>,
}

/// Many chains side by side.
struct Walkers<'a> {
    rbm: &'a Rbm,
    rows: usize,
    seed: u64,
    u: Vec<f32>,
    h: Vec<f32>,
}

impl<'a> Walkers<'a> {
    fn from_rows(rbm: &'a Rbm, start: Rows<'_>, seed: u64) -> Result<Self> {
        rbm.accepts(start)?;
        let rows = start.count();
        let mut u = vec![0.0; rbm.visible_units() * rows];
        half::lay_out(rbm, &start.iter().collect::<Vec<_>>(), (&mut u, Place::tight(rows)));
        Ok(Self { rbm, rows, seed, u, h: vec![0.0; rbm.hidden_units() * rows] })
    }

    /// h given v, then v given h, both drawn.
    fn step(&mut self, update: usize) {
        let place = Place::tight(self.rows);
        let how = |phase| How {
            rows: self.rows,
            tempered: None,
            draws: Draws { seed: self.seed, update: update as u32, phase },
        };
        half::hidden(self.rbm, (&self.u, place), (&mut self.h, place), None, Some(Keep::Sample), how(0));
        half::visible(self.rbm, (&self.h, place), (&mut self.u, place), how(1));
    }

    fn visible(&self) -> Vec<f32> {
        half::rows_of(self.rbm, (&self.u, Place::tight(self.rows)), self.rows)
    }

    /// [row, hidden].
    fn hidden(&self) -> Vec<f32> {
        let m = self.rbm.hidden_units();
        (0..self.rows * m).map(|at| self.h[at % m * self.rows + at / m]).collect()
    }
}

pub(super) fn check_steps(steps: usize) -> Result<()> {
    if steps == 0 || steps > 1 << 31 {
        return Err(Error::usage(format!("rbm sampling: {steps} steps; expected 1 to 2^31")));
    }
    Ok(())
}

/// Draws v by `steps` Gibbs steps from each row; [row, visible].
///
/// Chains mix slowly where the machine has separate modes: many steps do not make samples independent of their start. Use
/// [`tempered`], or [`exact::sample`](super::exact::sample) on small machines.
///
/// # Errors
/// As [`Rbm::accepts`]; `is_usage` for no steps.
pub fn gibbs(rbm: &Rbm, start: Rows<'_>, steps: usize, seed: u64) -> Result<Vec<f32>> {
    check_steps(steps)?;
    let mut walkers = Walkers::from_rows(rbm, start, seed)?;
    (0..steps).for_each(|update| walkers.step(update));
    Ok(walkers.visible())
}

/// Samples by parallel tempering, with the rates at which neighbouring betas changed places.
#[derive(Debug, Clone, PartialEq)]
pub struct Tempered {
    /// v, [row, visible].
    pub samples: Vec<f32>,
    /// Accepted over tried swaps of each pair of neighbours; 0.2 to 0.5 is good.
    pub swap_rates: Vec<f64>,
}

/// Draws `count` states by parallel tempering between the base-rate model and the machine, `steps` steps from the base rates.
///
/// # Errors
/// `is_usage` for no steps, no samples or betas that do not rise to 1; `is_shape` for base rates of another length.
pub fn tempered(rbm: &Rbm, base: &[f32], betas: &[f32], count: usize, steps: usize, seed: u64) -> Result<Tempered> {
    check_steps(steps)?;
    let plan = super::Plan {
        sampler: super::Sampler::Tempering { steps: 1, chains: count, betas: betas.to_vec() },
        ..super::Plan::new(seed)
    };
    plan.check()?;
    if base.len() != rbm.visible_units() || !base.iter().all(|a| a.is_finite()) {
        return Err(Error::shape(format!(
            "rbm sampling: {} base rates for {} visible units; give a finite bias for each",
            base.len(),
            rbm.visible_units()
        )));
    }
    let mut replicas = Replicas::new(rbm, base, betas.to_vec(), count, seed);
    for update in 0..steps {
        replicas.step(rbm, base, Draws { seed, update: update as u32, phase: 0 });
    }
    let (n, m) = (rbm.visible_units(), rbm.hidden_units());
    let (mut u, mut h) = (vec![0.0; n * count], vec![0.0; m * count]);
    replicas.target((&mut u, &mut h), Place::tight(count), 1.0);
    let pairs = replicas.accepted.iter().zip(&replicas.tried);
    let swap_rates = pairs.map(|(&accepted, &tried)| accepted as f64 / tried as f64).collect();
    Ok(Tempered { samples: half::rows_of(rbm, (&u, Place::tight(count)), count), swap_rates })
}

/// Completes inputs: units that are known stay, the others are drawn given them; the answer is the mean of their conditional
/// means over the steps after `burn_in`, [row, visible].
///
/// `known` has one entry per visible unit, the same for all rows. What the rows hold at unknown units is where chains start.
///
/// # Errors
/// As [`Rbm::accepts`]; `is_shape` if `known` has another length, `is_usage` if no step is left after `burn_in`.
pub fn complete(
    rbm: &Rbm,
    rows: Rows<'_>,
    known: &[bool],
    steps: usize,
    burn_in: usize,
    seed: u64,
) -> Result<Vec<f32>> {
    check_steps(steps)?;
    let n = rbm.visible_units();
    if known.len() != n {
        return Err(Error::shape(format!(
            "rbm completion: a mask of {} for {n} visible units; the two must be equal",
            known.len()
        )));
    }
    if burn_in >= steps {
        return Err(Error::usage(format!(
            "rbm completion: a burn-in of {burn_in} leaves none of {steps} steps; give more steps"
        )));
    }
    let mut walkers = Walkers::from_rows(rbm, rows, seed)?;
    let clamped = walkers.u.clone();
    let mut sums = vec![0.0f64; n * rows.count()];
    for update in 0..steps {
        walkers.step(update);
        for unit in (0..n).filter(|&unit| known[unit]) {
            let range = unit * walkers.rows..(unit + 1) * walkers.rows;
            walkers.u[range.clone()].copy_from_slice(&clamped[range]);
        }
        if update >= burn_in {
            let hidden = walkers.hidden();
            let means = rbm.visible_given(Rows::new(&hidden, rbm.hidden_units())?)?;
            sums.iter_mut().zip(&means).for_each(|(sum, &mean)| *sum += f64::from(mean));
        }
    }
    let kept = (steps - burn_in) as f64;
    let each = sums.iter().zip(rows.values()).enumerate();
    Ok(each.map(|(at, (&sum, &v))| if known[at % n] { v } else { (sum / kept) as f32 }).collect())
}

/// How noisy rows are restored.
#[derive(Debug, Clone, PartialEq)]
pub struct Denoising<'a> {
    /// Probability with which each bit was flipped, between 0 and 1/2.
    pub flipped: f64,
    /// Visible biases of the base-rate model, where chains start.
    pub base: &'a [f32],
    /// Inverse temperatures that chains change places between, from 0 to 1.
    pub betas: &'a [f32],
    /// Chains per row; the answer is the mean over them.
    pub chains: usize,
    /// Their steps.
    pub steps: usize,
    /// Seed.
    pub seed: u64,
}

/// Restores rows of bits that were flipped with some probability: the mean of v given the row, under the machine as
/// the law of what was there, [row, visible].
///
/// By Bayes' rule a unit that reads c had odds (1 - q) : q of being c, so the law of v given the row is that of a machine
/// whose visible biases are a + (2 c - 1) ln((1 - q) / q). It is drawn from by parallel tempering, since a chain that starts
/// from the row stays in the mode it falls into; the answer is the mean of the conditional means over chains. A bit above
/// one half is the guess with the fewest wrong units.
///
/// # Errors
/// As [`tempered`]; `is_usage` unless units and rows are bits and 0 < `flipped` < 1/2.
pub fn denoise(rbm: &Rbm, rows: Rows<'_>, how: &Denoising<'_>) -> Result<Vec<f32>> {
    let &Denoising { flipped, base, betas, chains, steps, seed } = how;
    if !(flipped > 0.0 && flipped < 0.5) {
        return Err(Error::usage(format!(
            "rbm denoising: a share of {flipped} flipped; give one between 0 and 1/2: beyond it the rows are inverted"
        )));
    }
    rbm.accepts(rows)?;
    let bits = rows.values().iter().all(|&x| x == 0.0 || x == 1.0);
    if rbm.visible().variance().is_some() || !bits {
        return Err(Error::usage("rbm denoising: bits are flipped; units and rows must be bits"));
    }
    let odds = ((1.0 - flipped) / flipped).ln() as f32;
    let one = |at: usize| {
        let row = rows.row(at);
        let tilted = |bias: &[f32]| bias.iter().zip(row).map(|(a, c)| a + (2.0 * c - 1.0) * odds).collect::<Vec<f32>>();
        let bias = tilted(rbm.visible_bias());
        let given = Rbm::new(Visible::Binary, rbm.weights().to_vec(), bias, rbm.hidden_bias().to_vec())?;
        let seed = Philox::new(seed, stream::item(at as u64)).next_u64();
        let drawn = tempered(&given, &tilted(base), betas, chains, steps, seed)?.samples;
        // E(v given h) at drawn h: at their probabilities it would be another mean.
        let means = chain(&given, Rows::new(&drawn, row.len())?, 1, !seed)?.swap_remove(0).visible_mean;
        let means = Rows::new(&means, row.len())?.means();
        Ok(means.into_iter().map(|mean| mean as f32).collect())
    };
    let each: Vec<Vec<f32>> = (0..rows.count()).into_par_iter().map(one).collect::<Result<_>>()?;
    Ok(each.concat())
}

/// A chain of contrastive divergence from data, every half-step kept: for pictures.
///
/// # Errors
/// As [`gibbs`].
pub fn chain(rbm: &Rbm, start: Rows<'_>, steps: usize, seed: u64) -> Result<Vec<ChainStep>> {
    check_steps(steps)?;
    let mut walkers = Walkers::from_rows(rbm, start, seed)?;
    let mut all = Vec::new();
    let mut v = start.values().to_vec();
    for update in 0..steps {
        let hidden_probability = rbm.hidden_given(Rows::new(&v, rbm.visible_units())?)?;
        walkers.step(update);
        let hidden = walkers.hidden();
        let visible_mean = rbm.visible_given(Rows::new(&hidden, rbm.hidden_units())?)?;
        v = walkers.visible();
        all.push(ChainStep { hidden_probability, hidden, visible_mean, visible: v.clone() });
    }
    Ok(all)
}

/// Draws states of the base-rate model: where chains may start, [row, visible].
///
/// # Errors
/// `is_shape` for base rates of another length than there are visible units.
pub fn from_base_rates(rbm: &Rbm, base: &[f32], count: usize, seed: u64) -> Result<Vec<f32>> {
    let n = rbm.visible_units();
    if base.len() != n {
        return Err(Error::shape(format!(
            "rbm sampling: {} base rates for {n} visible units; give one for each",
            base.len()
        )));
    }
    let bare = Rbm { weights: vec![0.0; n], visible_bias: base.to_vec(), hidden_bias: vec![0.0], ..rbm.clone() };
    let h = chains::start(&bare, base, count, None, seed);
    let mut u = vec![0.0; n * count];
    let place = Place::tight(count);
    let how = How { rows: count, tempered: None, draws: Draws { seed, update: 0, phase: 0 } };
    half::visible(&bare, (&h, place), (&mut u, place), how);
    Ok(half::rows_of(&bare, (&u, place), count))
}

#[cfg(test)]
mod tests {
    use super::super::{even_betas, exact, toy};
    use super::*;

    /// Sum over states of (seen - expected)^2 / expected, and its mean plus five deviations.
    fn chi_squared(rbm: &Rbm, rows: &[f32]) -> (f64, f64) {
        let n = rbm.visible_units();
        let log_z = exact::log_partition(rbm, &|_, _| {}).unwrap();
        let count = (rows.len() / n) as f64;
        let chi = toy::states(n)
            .iter()
            .map(|v| {
                let p = (-rbm.free_energy(Rows::new(v, n).unwrap()).unwrap()[0] - log_z).exp();
                let seen = rows.chunks(n).filter(|row| row == v).count() as f64;
                (seen - p * count).powi(2) / (p * count)
            })
            .sum();
        let free = f64::from(1 << n) - 1.0;
        (chi, free + 5.0 * (2.0 * free).sqrt())
    }

    /// Chains that start in the machine's distribution stay in it, step after step: stationarity of the Gibbs step.
    #[test]
    fn gibbs_steps_leave_the_distribution_as_it_is() {
        let rbm = toy::machine(4, 5, 1.2, 3);
        let start = exact::sample(&rbm, 20_000, 8).unwrap();
        let (chi, limit) = chi_squared(&rbm, &gibbs(&rbm, Rows::new(&start, 4).unwrap(), 3, 2).unwrap());
        assert!(chi < limit, "{chi} {limit}");
    }

    /// Replicas reach the distribution of a machine whose modes a Gibbs chain does not leave, swaps included.
    #[test]
    fn tempered_chains_reach_the_distribution() {
        // Two units that both want to be alike, and a hidden unit that ties them: modes 00 and 11, deep.
        let rbm =
            Rbm::new(Visible::Binary, vec![9.0, 9.0, -9.0, 4.0, 4.0, -4.0], vec![-4.0, -4.2], vec![-9.0, -9.1, 8.0])
                .unwrap();
        let betas = even_betas(6);
        let drawn = tempered(&rbm, &[0.3, -0.2], &betas, 4000, 60, 5).unwrap();
        let (chi, limit) = chi_squared(&rbm, &drawn.samples);
        assert!(chi < limit, "{chi} {limit}");
        assert!(drawn.swap_rates.iter().all(|&rate| rate > 0.1 && rate < 1.0), "{:?}", drawn.swap_rates);
        let gaussian = toy::gaussian(2, 3, 5);
        let drawn = tempered(&gaussian, &[0.0, 0.5], &betas, 4000, 40, 5).unwrap();
        let exact = exact::sample(&gaussian, 4000, 5).unwrap();
        for unit in 0..2 {
            let of = |rows: &[f32]| {
                super::super::Mean::of(&rows.chunks(2).map(|row| f64::from(row[unit])).collect::<Vec<_>>())
            };
            let (a, b) = (of(&drawn.samples), of(&exact));
            assert!((a.value - b.value).abs() < 5.0 * a.standard_error.hypot(b.standard_error), "{a:?} {b:?}");
        }
    }

    /// E(v_i given a noisy row) by Bayes' rule over all states, for two rows at once and two shares of noise; the machine
    /// ties its units so strongly that a chain without tempering would not leave its mode.
    #[test]
    fn denoising_is_the_posterior_mean() {
        let n = 4;
        let weights = vec![5.0, 4.0, 5.0, -4.0, 5.0, 4.0, 5.0, -4.0];
        let rbm = Rbm::new(Visible::Binary, weights, vec![-4.0, -1.5, -4.0, -1.0], vec![-7.0, 0.5]).unwrap();
        let rows = [1.0f32, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0];
        let betas = even_betas(6);
        let base = [0.1, -0.2, 0.0, 0.3];
        let how = |flipped| Denoising { flipped, base: &base, betas: &betas, chains: 4000, steps: 60, seed: 5 };
        for flipped in [0.1, 0.3] {
            let got = denoise(&rbm, Rows::new(&rows, n).unwrap(), &how(flipped)).unwrap();
            for (row, got) in rows.chunks(n).zip(got.chunks(n)) {
                let (mut sum, mut mean) = (0.0, vec![0.0; n]);
                for v in toy::states(n) {
                    let wrong = v.iter().zip(row).filter(|(a, b)| a != b).count() as i32;
                    let read = f64::powi(flipped, wrong) * f64::powi(1.0 - flipped, n as i32 - wrong);
                    let p = (-rbm.free_energy(Rows::new(&v, n).unwrap()).unwrap()[0]).exp() * read;
                    sum += p;
                    mean.iter_mut().zip(&v).for_each(|(mean, &x)| *mean += p * f64::from(x));
                }
                for (unit, (got, mean)) in got.iter().zip(&mean).enumerate() {
                    let expected = mean / sum;
                    let error = (expected * (1.0 - expected) / 4000.0).sqrt();
                    assert!((f64::from(*got) - expected).abs() < 5.0 * error, "{flipped}, {unit}: {got} {expected}");
                }
            }
        }
        let ask = |flipped, rows: &[f32]| denoise(&rbm, Rows::new(rows, n).unwrap(), &how(flipped)).unwrap_err();
        for flipped in [0.0, 0.5, f64::NAN] {
            assert!(ask(flipped, &rows).is_usage());
        }
        assert!(ask(0.1, &[0.5, 0.0, 1.0, 1.0]).is_usage());
        let grey = toy::gaussian(n, 3, 0);
        assert!(denoise(&grey, Rows::new(&rows, n).unwrap(), &how(0.1)).unwrap_err().is_usage());
    }

    /// E(v_i given the known units), by enumeration, within what 500 steps of 60 chains allow.
    #[test]
    fn completion_is_the_conditional_mean() {
        let (n, m) = (4, 3);
        let rbm = toy::machine(n, m, 1.0, 12);
        let known = [true, false, true, false];
        let row = [1.0f32, 0.0, 0.0, 1.0];
        let rows = row.repeat(60);
        let got = complete(&rbm, Rows::new(&rows, n).unwrap(), &known, 520, 20, 4).unwrap();
        let fits: Vec<Vec<f32>> = toy::states(n).into_iter().filter(|v| v[0] == 1.0 && v[2] == 0.0).collect();
        let weights: Vec<f64> =
            fits.iter().map(|v| (-rbm.free_energy(Rows::new(v, n).unwrap()).unwrap()[0]).exp()).collect();
        for unit in 0..n {
            let each: Vec<f64> = got.chunks(n).map(|row| f64::from(row[unit])).collect();
            let seen = super::super::Mean::of(&each);
            let total: f64 = weights.iter().sum();
            let expected = fits.iter().zip(&weights).map(|(v, w)| f64::from(v[unit]) * w).sum::<f64>() / total;
            if known[unit] {
                assert!(each.iter().all(|&v| v == f64::from(row[unit])));
            } else {
                assert!((seen.value - expected).abs() < 4.0 * seen.standard_error, "{unit}: {seen:?} {expected}");
            }
        }
    }

    /// The kept half-steps are those of the chain that `gibbs` runs.
    #[test]
    fn a_chain_shows_what_gibbs_does() {
        let rbm = toy::machine(5, 4, 1.0, 1);
        let start = [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let start = Rows::new(&start, 5).unwrap();
        let steps = chain(&rbm, start, 3, 6).unwrap();
        assert_eq!(steps[2].visible, gibbs(&rbm, start, 3, 6).unwrap());
        assert_eq!(steps[0].hidden_probability, rbm.hidden_given(start).unwrap());
        assert!(steps.iter().all(|step| step.hidden.iter().all(|&h| h == 0.0 || h == 1.0)));
    }

    #[test]
    fn base_rates_are_drawn() {
        let rbm = toy::machine(2, 3, 1.0, 0);
        let rows = from_base_rates(&rbm, &[-1.0, 2.0], 20_000, 3).unwrap();
        for (unit, a) in [(0, -1.0f64), (1, 2.0)] {
            let p = 1.0 / (1.0 + (-a).exp());
            let mean = rows.chunks(2).map(|row| f64::from(row[unit])).sum::<f64>() / 20_000.0;
            assert!((mean - p).abs() < 5.0 * (p * (1.0 - p) / 20_000.0).sqrt(), "{mean} {p}");
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let rbm = toy::machine(3, 2, 1.0, 0);
        let rows = Rows::new(&[0.0, 1.0, 0.0], 3).unwrap();
        assert!(gibbs(&rbm, rows, 0, 0).unwrap_err().is_usage());
        assert!(complete(&rbm, rows, &[true; 2], 5, 1, 0).unwrap_err().is_shape());
        assert!(complete(&rbm, rows, &[true; 3], 5, 5, 0).unwrap_err().is_usage());
        assert!(tempered(&rbm, &[0.0; 3], &[0.5], 2, 3, 0).unwrap_err().is_usage());
        assert!(tempered(&rbm, &[0.0; 2], &[1.0], 2, 3, 0).unwrap_err().is_shape());
        assert!(from_base_rates(&rbm, &[0.0], 2, 0).unwrap_err().is_shape());
    }
}
