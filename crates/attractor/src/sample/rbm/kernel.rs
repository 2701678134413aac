//! Number loops under the restricted Boltzmann machine: activation with sampling in one pass.
//!
//! States of a batch lie unit by unit (`[unit, row]`), so that a loop runs over rows of one bias and sixteen rows draw
//! their random numbers side by side. The loops are plain and left to the compiler inside `pulp`'s run-time dispatch; no
//! fused multiply-add is asked for, so that the numbers are the same on every machine.

use std::f32::consts::LOG2_E;

/// Rows worked on at once.
const LANES: usize = 16;

/// Where the random numbers of one half-step come from.
///
/// Row `r` draws from the Philox stream [`row(update, r)`](crate::random::stream::row) of the seed; unit `u` takes its
/// number `phase << 34 | u`.
/// Nothing else enters: neither threads nor how the work is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draws {
    pub seed: u64,
    pub update: u32,
    pub phase: u32,
}

/// Ten rounds of Philox4x32 on sixteen neighbouring rows: four numbers for each.
///
/// Each number lives in 64 bits whose upper half may hold anything: a product of lower halves is then one instruction, and
/// nothing is packed or unpacked between rounds.
#[inline(always)]
fn philox(draws: Draws, block: u32, row: u32) -> [[u32; LANES]; 4] {
    const LOW: u64 = 0xffff_ffff;
    let mut key = [draws.seed as u32, (draws.seed >> 32) as u32];
    let mut x =
        [[u64::from(block); LANES], [u64::from(draws.phase); LANES], [0; LANES], [u64::from(draws.update); LANES]];
    for (lane, x) in x[2].iter_mut().enumerate() {
        *x = u64::from(row.wrapping_add(lane as u32));
    }
    for _ in 0..10 {
        let (k0, k1) = (u64::from(key[0]), u64::from(key[1]));
        for lane in 0..LANES {
            let a = (x[0][lane] & LOW) * 0xD251_1F53;
            let b = (x[2][lane] & LOW) * 0xCD9E_8D57;
            x[0][lane] = (b >> 32) ^ x[1][lane] ^ k0;
            x[1][lane] = b;
            x[2][lane] = (a >> 32) ^ x[3][lane] ^ k1;
            x[3][lane] = a;
        }
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    let mut out = [[0; LANES]; 4];
    for (out, numbers) in out.iter_mut().zip(&x) {
        out.iter_mut().zip(numbers).for_each(|(out, number)| *out = *number as u32);
    }
    out
}

/// Uniform strictly inside (0, 1): the middle of one of 2^23 cells.
#[inline(always)]
fn uniform(bits: u32) -> f32 {
    ((bits >> 9) as i32 as f32 + 0.5) * (1.0 / 8_388_608.0)
}

/// exp(-x), relative error below 3e-7, for x kept within 87 of zero; NaN for NaN. sigma(x) = 1 / (1 + exp(-x)).
#[inline(always)]
fn exp_of_minus(x: f32) -> f32 {
    // Comparisons and not `clamp` by min and max, which would lose a NaN.
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 87.0 { 87.0 } else { x };
    let x = -x;
    // Adding 1.5 x 2^23 rounds to an integer and leaves it in the low bits.
    let shifted = x * LOG2_E + 12_582_912.0;
    let n = shifted - 12_582_912.0;
    let r = x - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let mut p = 1.987_569_2e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5, 1.0, 1.0] {
        p = p * r + c;
    }
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    p * scale
}

/// Inverse temperatures of a batch: row `r` sees z = t_r (x + bias) + (1 - t_r) base.
#[derive(Clone, Copy)]
pub(crate) struct Tempered<'a> {
    /// beta of every row.
    pub rows: &'a [f32],
    /// What each unit's input is at beta = 0; nothing is 0.
    pub base: Option<&'a [f32]>,
}

/// What a unit's place keeps after activation.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Keep {
    /// Its probability, times a factor.
    Probability(f32),
    /// A sample, 0 or 1.
    Sample,
}

/// A slab of units: `rows` numbers per unit, from `offset` on, `stride` apart.
pub(crate) struct Slab<'a> {
    pub numbers: &'a mut [f32],
    pub stride: usize,
    pub offset: usize,
}

/// Turns inputs x of a slab into probabilities or samples, in place; `samples`, if there, receives samples too.
///
/// `bias` is that of the slab's units, `first` the number of its first unit (a multiple of 4).
#[allow(clippy::too_many_arguments)]
pub(crate) fn activate(
    slab: Slab<'_>,
    rows: usize,
    first: usize,
    bias: &[f32],
    tempered: Option<Tempered<'_>>,
    keep: Keep,
    samples: Option<Slab<'_>>,
    draws: Draws,
) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || activate_with(slab, rows, first, bias, tempered, keep, samples, draws),
    );
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn activate_with(
    slab: Slab<'_>,
    rows: usize,
    first: usize,
    bias: &[f32],
    tempered: Option<Tempered<'_>>,
    keep: Keep,
    mut samples: Option<Slab<'_>>,
    draws: Draws,
) {
    debug_assert!(first.is_multiple_of(4));
    let drawing = keep == Keep::Sample || samples.is_some();
    for (group, bias) in bias.chunks(4).enumerate() {
        let unit = first + 4 * group;
        for row in (0..rows).step_by(LANES) {
            let count = LANES.min(rows - row);
            let bits = if drawing { philox(draws, unit as u32 / 4, row as u32) } else { [[0; LANES]; 4] };
            for (lane, &bias) in bias.iter().enumerate() {
                let at = (4 * group + lane) * slab.stride + slab.offset + row;
                let numbers = &mut slab.numbers[at..at + count];
                let mut z = load(numbers);
                match tempered {
                    None => z.iter_mut().for_each(|z| *z += bias),
                    Some(tempered) => {
                        let base = tempered.base.map_or(0.0, |base| base[unit + lane]);
                        let betas = load(&tempered.rows[row..row + count]);
                        for (z, beta) in z.iter_mut().zip(betas) {
                            *z = beta * (*z + bias) + (1.0 - beta) * base;
                        }
                    }
                }
                // u < sigma(z) is u (1 + exp(-z)) < 1: a sample needs no division.
                let mut odds = z;
                odds.iter_mut().for_each(|z| *z = 1.0 + exp_of_minus(*z));
                let mut drawn = [0.0; LANES];
                if drawing {
                    for ((s, odds), bits) in drawn.iter_mut().zip(odds).zip(bits[lane]) {
                        *s = if uniform(bits) * odds < 1.0 { 1.0 } else { 0.0 };
                    }
                }
                match keep {
                    Keep::Sample => store(numbers, &drawn),
                    Keep::Probability(factor) => {
                        odds.iter_mut().for_each(|odds| *odds = factor / *odds);
                        store(numbers, &odds);
                    }
                }
                if let Some(samples) = &mut samples {
                    let at = (4 * group + lane) * samples.stride + samples.offset + row;
                    store(&mut samples.numbers[at..at + count], &drawn);
                }
            }
        }
    }
}

#[inline(always)]
fn load(from: &[f32]) -> [f32; LANES] {
    // A copy of known length is two instructions; one of unknown length is a call.
    match from.try_into() {
        Ok(whole) => whole,
        Err(_) => {
            let mut numbers = [0.0; LANES];
            numbers[..from.len()].copy_from_slice(from);
            numbers
        }
    }
}

#[inline(always)]
fn store(to: &mut [f32], numbers: &[f32; LANES]) {
    let count = to.len();
    match <&mut [f32; LANES]>::try_from(&mut *to) {
        Ok(whole) => *whole = *numbers,
        Err(_) => to.copy_from_slice(&numbers[..count]),
    }
}

/// Turns inputs x of Gaussian units into samples of u = v / s^2, with v from N(mean, s^2) and mean = t_r (x + bias) +
/// (1 - t_r) base; without draws into their means.
pub(crate) fn activate_gaussian(
    slab: Slab<'_>,
    rows: usize,
    first: usize,
    bias: &[f32],
    variance: &[f32],
    tempered: Option<Tempered<'_>>,
    draws: Option<Draws>,
) {
    for (group, bias) in bias.chunks(4).enumerate() {
        let unit = first + 4 * group;
        for row in (0..rows).step_by(LANES) {
            let count = LANES.min(rows - row);
            let bits = draws.map(|draws| philox(draws, unit as u32 / 4, row as u32));
            for (lane, &bias) in bias.iter().enumerate() {
                let at = (4 * group + lane) * slab.stride + slab.offset + row;
                let variance = variance[unit + lane];
                for (r, x) in slab.numbers[at..at + count].iter_mut().enumerate() {
                    let mut mean = *x + bias;
                    if let Some(tempered) = tempered {
                        let beta = tempered.rows[row + r];
                        mean = beta * mean + (1.0 - beta) * tempered.base.map_or(0.0, |base| base[unit + lane]);
                    }
                    // Box-Muller: the units of a pair share two numbers, one takes the cosine, the other the sine.
                    let noise = bits.map_or(0.0, |bits| {
                        let radius = (-2.0 * uniform(bits[lane & 2][r]).ln()).sqrt();
                        let angle = std::f32::consts::TAU * uniform(bits[lane | 1][r]);
                        radius * if lane & 1 == 0 { angle.cos() } else { angle.sin() }
                    });
                    *x = (mean + variance.sqrt() * noise) / variance;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Philox, stream};

    fn sigmoid(x: f32) -> f32 {
        activated_by(1, 1, x, 0.0, Keep::Probability(1.0), Draws { seed: 0, update: 0, phase: 0 })[0]
    }

    fn activated(rows: usize, units: usize, x: f32, keep: Keep, draws: Draws) -> Vec<f32> {
        activated_by(rows, units, x, 0.25, keep, draws)
    }

    fn activated_by(rows: usize, units: usize, x: f32, bias: f32, keep: Keep, draws: Draws) -> Vec<f32> {
        let mut numbers = vec![x; rows * units];
        let slab = Slab { numbers: &mut numbers, stride: rows, offset: 0 };
        activate(slab, rows, 0, &vec![bias; units], None, keep, None, draws);
        numbers
    }

    /// Row r draws what its own stream says, whatever rows stand beside it.
    #[test]
    fn a_row_draws_from_its_own_stream() {
        let draws = Draws { seed: 0x1234_5678_9abc_def1, update: 77, phase: 0 };
        let (rows, units) = (21, 7);
        let drawn = activated(rows, units, 0.1, Keep::Sample, draws);
        let p = 1.0 / (1.0 + (-0.35f64).exp());
        let mut ones = 0;
        for row in 0..rows {
            let mut stream = Philox::new(draws.seed, stream::row(77, row as u32));
            for unit in 0..units {
                let u = (f64::from(stream.next_u32() >> 9) + 0.5) / 8_388_608.0;
                let expected = f64::from(u8::from(u < p));
                assert_eq!(f64::from(drawn[unit * rows + row]), expected, "row {row} unit {unit}");
                ones += usize::from(expected == 1.0);
            }
        }
        assert!(ones > 0 && ones < rows * units);
        let later = activated(rows, units, 0.1, Keep::Sample, Draws { phase: 1, ..draws });
        assert_ne!(drawn, later);
    }

    #[test]
    fn probabilities_are_the_logistic_functions() {
        let draws = Draws { seed: 0, update: 0, phase: 0 };
        let mut worst = 0.0f64;
        for step in -2000..2000 {
            let x = step as f32 * 0.04;
            let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
            worst = worst.max((f64::from(sigmoid(x)) / expected - 1.0).abs());
        }
        // exp in f32 loses |x| / 2 ulp to the rounding of x itself only where the reduction is not exact: it is.
        assert!(worst < 4e-7, "{worst}");
        assert_eq!((sigmoid(f32::INFINITY), sigmoid(200.0)), (1.0, 1.0));
        assert!(sigmoid(f32::NEG_INFINITY) > 0.0 && sigmoid(f32::NEG_INFINITY) < 1e-37);
        assert!(sigmoid(f32::NAN).is_nan());
        let halves = activated(3, 5, -0.25, Keep::Probability(-2.0), draws);
        assert!(halves.iter().all(|&p| p == -1.0), "{halves:?}");
    }

    /// A mean over draws is the probability within five standard errors, for small and large probabilities.
    #[test]
    fn samples_have_their_probability() {
        for x in [-6.0f32, -0.25, 3.0] {
            let drawn = activated(500, 100, x, Keep::Sample, Draws { seed: 3, update: 1, phase: 2 });
            let p = 1.0 / (1.0 + (-f64::from(x) - 0.25).exp());
            let mean = drawn.iter().map(|&s| f64::from(s)).sum::<f64>() / 50_000.0;
            assert!((mean - p).abs() < 5.0 * (p * (1.0 - p) / 50_000.0).sqrt(), "{x}: {mean} for {p}");
        }
    }

    /// z = beta (x + bias) + (1 - beta) base.
    #[test]
    fn rows_have_their_beta() {
        let mut numbers = vec![0.7f32; 3];
        let slab = Slab { numbers: &mut numbers, stride: 3, offset: 0 };
        let tempered = Tempered { rows: &[0.0, 0.5, 1.0], base: Some(&[-2.0]) };
        let draws = Draws { seed: 0, update: 0, phase: 0 };
        activate(slab, 3, 0, &[0.3], Some(tempered), Keep::Probability(1.0), None, draws);
        for (p, z) in numbers.iter().zip([-2.0f64, -0.5, 1.0]) {
            assert!((f64::from(*p) - 1.0 / (1.0 + (-z).exp())).abs() < 1e-6);
        }
    }

    /// Mean and variance of v, u = v / s^2, within five standard errors; neighbours do not go together.
    #[test]
    fn gaussian_units_have_their_moments() {
        let (rows, variance) = (40_000, [0.5f32, 2.0]);
        let mut numbers = vec![0.75f32; 2 * rows];
        let slab = Slab { numbers: &mut numbers, stride: rows, offset: 0 };
        let draws = Draws { seed: 9, update: 4, phase: 1 };
        activate_gaussian(slab, rows, 0, &[0.25, -1.75], &variance, None, Some(draws));
        let v = |unit: usize, row: usize| f64::from(numbers[unit * rows + row] * variance[unit]);
        let mut product = 0.0;
        for (unit, mean) in [(0, 1.0), (1, -1.0)] {
            let s2 = f64::from(variance[unit]);
            let n = rows as f64;
            let m = (0..rows).map(|r| v(unit, r)).sum::<f64>() / n;
            let q = (0..rows).map(|r| (v(unit, r) - mean).powi(2)).sum::<f64>() / n;
            assert!((m - mean).abs() < 5.0 * (s2 / n).sqrt(), "{m}");
            assert!((q - s2).abs() < 5.0 * s2 * (2.0 / n).sqrt(), "{q}");
        }
        for row in 0..rows {
            product += (v(0, row) - 1.0) * (v(1, row) + 1.0);
        }
        assert!((product / rows as f64).abs() < 5.0 / (rows as f64).sqrt());
    }
}
