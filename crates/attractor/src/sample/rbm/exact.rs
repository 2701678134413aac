//! The partition function by enumeration of the smaller layer, in Gray code.
//!
//! Neighbouring states differ in one unit, so the inputs of the other layer follow by one row of weights. States are
//! taken in blocks of 4096; every block starts from fresh inputs (rounding does not pile up) and ends in one log-sum-exp.
//! Blocks are independent of each other and joined in their order: the answer does not depend on the number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::model::{Rbm, Visible};
use super::rows::Rows;
use super::sums;
use crate::error::{Error, Result};
use crate::random::{Philox, stream};

/// Most units of the layer that is enumerated: 4 194 304 states.
pub const LIMIT: usize = 22;

/// Units of the layer that is enumerated: the smaller one, or the hidden one under Gaussian units, which are integrated out.
/// What is here is exact up to [`LIMIT`] of them.
pub fn enumerated_units(rbm: &Rbm) -> usize {
    match rbm.visible {
        Visible::Binary => rbm.hidden_units().min(rbm.visible_units()),
        Visible::Gaussian { .. } => rbm.hidden_units(),
    }
}

/// States a block.
const BLOCK_BITS: usize = 12;

/// Told (blocks done, blocks in all), from any thread.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Ln of the sum over the other layer, state by state of this one.
struct Enumeration {
    of_hidden: bool,
    /// Of the enumerated layer.
    bias: Vec<f64>,
    /// [enumerated, other].
    weights: Vec<f64>,
    /// Of the other layer.
    other: Vec<f64>,
    /// Of Gaussian units that are integrated out.
    variance: Option<Vec<f64>>,
}

impl Enumeration {
    fn new(rbm: &Rbm) -> Result<Self> {
        let (n, m) = (rbm.visible_units(), rbm.hidden_units());
        let is_gaussian = rbm.visible != Visible::Binary;
        let of_hidden = is_gaussian || m <= n;
        let units = enumerated_units(rbm);
        if units > LIMIT {
            return Err(Error::usage(format!(
                "exact partition function: {units} {} units, 2^{units} states; at most {LIMIT} are enumerated: estimate by AIS",
                if of_hidden { "hidden" } else { "visible" },
            )));
        }
        let long = |numbers: &[f32]| numbers.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let (visible, hidden) = (long(&rbm.visible_bias), long(&rbm.hidden_bias));
        Ok(Self {
            of_hidden,
            weights: if of_hidden {
                (0..m * n).map(|at| f64::from(rbm.weights[at % n * m + at / n])).collect()
            } else {
                long(&rbm.weights)
            },
            bias: if of_hidden { hidden.clone() } else { visible.clone() },
            other: if of_hidden { visible } else { hidden },
            variance: rbm.visible.variance().map(long),
        })
    }

    fn blocks(&self) -> usize {
        1 << self.bias.len().saturating_sub(BLOCK_BITS)
    }

    fn states_a_block(&self) -> usize {
        1 << self.bias.len().min(BLOCK_BITS)
    }

    /// ln of the unnormalised probability of every state of a block, in the order of the Gray code.
    fn block(&self, block: usize) -> Vec<f64> {
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let count = self.states_a_block();
                let width = self.other.len();
                let first = block * count;
                let mut x = self.other.clone();
                let mut own = 0.0;
                for unit in (0..self.bias.len()).filter(|unit| gray(first) >> unit & 1 == 1) {
                    own += self.bias[unit];
                    let row = &self.weights[unit * width..(unit + 1) * width];
                    x.iter_mut().zip(row).for_each(|(x, w)| *x += w);
                }
                let still = vec![0.0; width];
                let mut logs = Vec::with_capacity(count);
                for state in first..first + count {
                    // From one state to the next the lowest set bit of the counter names the unit that turns.
                    let turned = if state == first { None } else { Some(state.trailing_zeros() as usize) };
                    let (step, sign) = match turned {
                        None => (&still[..], 0.0),
                        Some(unit) => {
                            let sign = if gray(state) >> unit & 1 == 1 { 1.0 } else { -1.0 };
                            own += sign * self.bias[unit];
                            (&self.weights[unit * width..(unit + 1) * width], sign)
                        }
                    };
                    let others = match &self.variance {
                        None => sums::step_and_softplus(&mut x, step, sign),
                        Some(variance) => {
                            x.iter_mut().zip(step).for_each(|(x, w)| *x += sign * w);
                            let each = x.iter().zip(&self.other).zip(variance);
                            each.map(|((x, a), s)| (x * x - a * a) / (2.0 * s)).sum()
                        }
                    };
                    logs.push(own + others);
                }
                logs
            },
        )
    }

    /// Log-sum-exp of every block.
    fn block_sums(&self, progress: Progress<'_>) -> Vec<f64> {
        let done = AtomicUsize::new(0);
        let blocks = self.blocks();
        (0..blocks)
            .into_par_iter()
            .map(|block| {
                let sum = sums::log_sum_exp(&self.block(block));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, blocks);
                sum
            })
            .collect()
    }

    /// What the Gaussian integrals add to ln Z.
    fn constant(&self) -> f64 {
        let each = self.variance.iter().flatten().map(|s| 0.5 * (std::f64::consts::TAU * s).ln());
        each.sum()
    }
}

fn gray(state: usize) -> usize {
    state ^ state >> 1
}

/// ln Z = ln sum over all states (or the integral over Gaussian ones) of exp(-E).
///
/// The smaller layer is enumerated; with Gaussian visible units always the hidden one. Accurate to about 1e-12 relative.
///
/// # Cost
/// O(2^units x other units), on all threads.
/// # Errors
/// `is_usage` if the layer to be enumerated has more than [`LIMIT`] units.
pub fn log_partition(rbm: &Rbm, progress: Progress<'_>) -> Result<f64> {
    let enumeration = Enumeration::new(rbm)?;
    Ok(sums::log_sum_exp(&enumeration.block_sums(progress)) + enumeration.constant())
}

/// Independent draws of v from the model itself, [row, visible].
///
/// # Cost
/// At most twice that of [`log_partition`].
/// # Errors
/// As [`log_partition`]; `is_usage` if the probabilities are not finite.
pub fn sample(rbm: &Rbm, count: usize, seed: u64) -> Result<Vec<f32>> {
    let enumeration = Enumeration::new(rbm)?;
    let (n, m) = (rbm.visible_units(), rbm.hidden_units());
    let sums = enumeration.block_sums(&|_, _| {});
    let total = sums::log_sum_exp(&sums);
    if !total.is_finite() {
        return Err(Error::usage(format!("exact sampling: ln Z is {total}; the parameters are too large")));
    }
    let choose = |logs: &[f64], total: f64, u: f64| {
        let mut left = u;
        let at = logs.iter().position(|log| {
            left -= (log - total).exp();
            left < 0.0
        });
        // Rounding may leave a crumb behind the last state.
        at.unwrap_or(logs.len() - 1)
    };
    let mut randoms: Vec<Philox> = (0..count as u64).map(|row| Philox::new(seed, stream::item(row))).collect();
    let mut of_block: Vec<(usize, usize)> =
        randoms.iter_mut().enumerate().map(|(row, random)| (choose(&sums, total, random.uniform()), row)).collect();
    of_block.sort_unstable();
    let mut rows = vec![0.0; count * n];
    for group in of_block.chunk_by(|a, b| a.0 == b.0) {
        let block = group[0].0;
        let logs = enumeration.block(block);
        for &(_, row) in group {
            let random = &mut randoms[row];
            let state = gray(block * logs.len() + choose(&logs, sums[block], random.uniform()));
            let bits = |units: usize| (0..units).map(|unit| (state >> unit & 1) as f32).collect::<Vec<_>>();
            let out = &mut rows[row * n..(row + 1) * n];
            if !enumeration.of_hidden {
                out.copy_from_slice(&bits(n));
                continue;
            }
            let means = rbm.visible_given(Rows::new(&bits(m), m)?)?;
            for (unit, (out, mean)) in out.iter_mut().zip(means).enumerate() {
                *out = match &rbm.visible {
                    Visible::Binary => f32::from(random.uniform() < f64::from(mean)),
                    Visible::Gaussian { variance } => mean + variance[unit].sqrt() * random.normal() as f32,
                };
            }
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    const QUIET: Progress<'static> = &|_, _| {};

    /// The sum over both layers by the definition, whichever layer is the smaller one.
    #[test]
    fn gray_code_counts_every_state_of_both_layers() {
        for (n, m) in [(1, 1), (5, 3), (3, 7), (6, 6)] {
            let rbm = toy::machine(n, m, 1.3, 4);
            let mut energies = Vec::new();
            for v in toy::states(n) {
                for h in toy::states(m) {
                    energies.push(-rbm.energy(&v, &h).unwrap());
                }
            }
            let expected = sums::log_sum_exp(&energies);
            let got = log_partition(&rbm, QUIET).unwrap();
            assert!((got - expected).abs() < 1e-12 * expected.abs().max(1.0), "{n} {m}: {got} {expected}");
        }
    }

    /// Several blocks, both ways round: enumerating hidden units is enumerating visible ones, and threads do not matter.
    #[test]
    fn both_layers_give_the_same_sum_on_any_number_of_threads() {
        let rbm = toy::machine(14, 13, 0.8, 7);
        let free: Vec<f64> =
            toy::states(14).iter().map(|v| -rbm.free_energy(Rows::new(v, 14).unwrap()).unwrap()[0]).collect();
        let expected = sums::log_sum_exp(&free);
        let calls = AtomicUsize::new(0);
        let got = log_partition(&rbm, &|done, all| {
            assert!((1..=2).contains(&done) && all == 2);
            calls.fetch_add(1, Ordering::Relaxed);
        });
        let got = got.unwrap();
        assert!((got - expected).abs() < 1e-11 * expected, "{got} {expected}");
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| log_partition(&rbm, QUIET).unwrap()).to_bits(), got.to_bits());
        }
        // The same weights with the layers exchanged.
        let turned: Vec<f32> = (0..14 * 13).map(|at| rbm.weights()[at % 14 * 13 + at / 14]).collect();
        let turned =
            Rbm::new(Visible::Binary, turned, rbm.hidden_bias().to_vec(), rbm.visible_bias().to_vec()).unwrap();
        assert!((log_partition(&turned, QUIET).unwrap() - got).abs() < 1e-11 * got);
    }

    /// One Gaussian unit, one hidden one: Z = sqrt(2 pi s^2) (1 + exp(b + ((a + w)^2 - a^2) / 2 s^2)); and with two against
    /// quadrature of exp(-F).
    #[test]
    fn gaussian_integrals_are_the_closed_form() {
        let rbm = Rbm::new(Visible::Gaussian { variance: vec![0.7] }, vec![1.3], vec![-0.4], vec![0.2]).unwrap();
        let (s, a, w, b) = (f64::from(0.7f32), f64::from(-0.4f32), f64::from(1.3f32), f64::from(0.2f32));
        let expected =
            0.5 * (std::f64::consts::TAU * s).ln() + (b + ((a + w) * (a + w) - a * a) / (2.0 * s)).exp().ln_1p();
        assert!((log_partition(&rbm, QUIET).unwrap() - expected).abs() < 1e-12);
        let rbm = toy::gaussian(2, 3, 5);
        let step = 0.05;
        let mut total = 0.0;
        for i in -240..240 {
            let grid: Vec<f32> =
                (-240..240).flat_map(|j| [(f64::from(i) * step) as f32, (f64::from(j) * step) as f32]).collect();
            let free = rbm.free_energy(Rows::new(&grid, 2).unwrap()).unwrap();
            total += free.iter().map(|f| (-f).exp()).sum::<f64>() * step * step;
        }
        let got = log_partition(&rbm, QUIET).unwrap();
        assert!((got - total.ln()).abs() < 1e-6, "{got} {}", total.ln());
    }

    /// Frequencies of the visible states against exp(-F) / Z: chi-squared below its mean plus five deviations.
    #[test]
    fn samples_have_the_model_s_distribution() {
        for (n, m) in [(3, 5), (5, 3)] {
            let rbm = toy::machine(n, m, 1.0, 9);
            let count = 20_000;
            let rows = sample(&rbm, count, 1).unwrap();
            let log_z = log_partition(&rbm, QUIET).unwrap();
            let chi: f64 = toy::states(n)
                .iter()
                .map(|v| {
                    let p = (-rbm.free_energy(Rows::new(v, n).unwrap()).unwrap()[0] - log_z).exp();
                    let seen = rows.chunks(n).filter(|row| row == v).count() as f64;
                    (seen - p * count as f64).powi(2) / (p * count as f64)
                })
                .sum();
            let free = f64::from(1 << n) - 1.0;
            assert!(chi < free + 5.0 * (2.0 * free).sqrt(), "{chi} of {free}");
        }
    }

    #[test]
    fn too_many_units_are_refused() {
        let wide = |n: usize, m: usize, visible| Rbm::new(visible, vec![0.0; n * m], vec![0.0; n], vec![0.0; m]);
        let error = log_partition(&wide(23, 24, Visible::Binary).unwrap(), QUIET).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("AIS"), "{error}");
        let gaussian = wide(2, 23, Visible::unit_gaussian(2)).unwrap();
        assert!(log_partition(&gaussian, QUIET).unwrap_err().is_usage());
        // Few hidden units suffice, however many visible ones there are: 2^(300 + 1) states of weight one.
        let got = log_partition(&wide(300, 1, Visible::Binary).unwrap(), QUIET).unwrap();
        assert!((got - 301.0 * std::f64::consts::LN_2).abs() < 1e-10);
    }
}
