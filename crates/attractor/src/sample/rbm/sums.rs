//! Sums under the likelihood of the restricted Boltzmann machine: softplus and log-sum-exp, in f64.
//!
//! The loops are plain and left to the compiler inside `pulp`'s run-time dispatch; no fused multiply-add is asked for, so
//! that the numbers are the same on every machine.

/// exp(x) for x <= 0 in f64, relative error below 1e-15 where the result is normal; 0 below -708.
#[inline(always)]
fn exp(x: f64) -> f64 {
    let under = x < -708.0;
    let x = if under { -708.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + 6_755_399_441_055_744.0;
    let n = shifted - 6_755_399_441_055_744.0;
    // ln 2 in two parts: the first has its last 21 bits zero, so n times it is exact.
    let r = x - n * 0.693_147_180_369_123_8;
    let r = r - n * 1.908_214_929_270_587_7e-10;
    // Taylor's series to the 13th power: |r| < 0.347, the rest is below 5e-18.
    let mut p = 1.0 / 6_227_020_800.0;
    for c in [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = p * r + c;
    }
    let scale = f64::from_bits((shifted.to_bits() << 52).wrapping_add(0x3ff0_0000_0000_0000));
    if under { 0.0 } else { p * scale }
}

/// Lanes of the f64 sums, and how many numbers a lane may multiply before its logarithm is taken: factors lie in [1, 2].
const SUM_LANES: usize = 8;
const FACTORS: usize = 512;

/// sum_j ln(1 + exp(x_j)).
///
/// softplus(x) = max(x, 0) + ln(1 + exp(-|x|)): nothing overflows, and the second parts are multiplied, so that one
/// logarithm serves 512 of them. A NaN gives NaN.
pub(crate) fn softplus_sum(x: &mut [f64]) -> f64 {
    // A step of nothing times zero: one loop for both.
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            x.chunks_mut(ZEROS.len())
                .map(|x| {
                    let n = x.len();
                    step_and_softplus(x, &ZEROS[..n], 0.0)
                })
                .sum()
        },
    )
}

static ZEROS: [f64; SUM_LANES * FACTORS] = [0.0; SUM_LANES * FACTORS];

/// For every row r, sum_j softplus(beta_r (x_jr + b_j)) into `sums`; x lies unit by unit, rows from `offset` on.
pub(crate) fn row_softplus(x: &[f32], (stride, offset): (usize, usize), bias: &[f32], betas: &[f64], sums: &mut [f64]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let rows = sums.len();
            sums.fill(0.0);
            let mut product = vec![1.0f64; rows];
            for (unit, &bias) in bias.iter().enumerate() {
                let x = &x[unit * stride + offset..][..rows];
                for (((&x, &beta), sum), product) in x.iter().zip(betas).zip(sums.iter_mut()).zip(product.iter_mut()) {
                    let z = beta * (f64::from(x) + f64::from(bias));
                    *sum += if z < 0.0 { 0.0 } else { z };
                    *product *= 1.0 + exp(-z.abs());
                }
                if unit % FACTORS == FACTORS - 1 {
                    for (sum, product) in sums.iter_mut().zip(product.iter_mut()) {
                        *sum += product.ln();
                        *product = 1.0;
                    }
                }
            }
            for (sum, product) in sums.iter_mut().zip(&product) {
                *sum += product.ln();
            }
        },
    );
}

/// Adds `sign` x `step` to x, and answers sum_j softplus(x_j) of the new x.
#[inline(always)]
pub(crate) fn step_and_softplus(x: &mut [f64], step: &[f64], sign: f64) -> f64 {
    let mut total = 0.0;
    let mut linear = [0.0; SUM_LANES];
    for (x, step) in x.chunks_mut(SUM_LANES * FACTORS).zip(step.chunks(SUM_LANES * FACTORS)) {
        let mut product = [1.0; SUM_LANES];
        let (body, tail) = x.as_chunks_mut::<SUM_LANES>();
        let (steps, step_tail) = step.as_chunks::<SUM_LANES>();
        for (x, step) in body.iter_mut().zip(steps) {
            for lane in 0..SUM_LANES {
                x[lane] += sign * step[lane];
                let z = x[lane];
                linear[lane] += if z < 0.0 { 0.0 } else { z };
                product[lane] *= 1.0 + exp(-z.abs());
            }
        }
        for (lane, (x, step)) in tail.iter_mut().zip(step_tail).enumerate() {
            *x += sign * step;
            linear[lane] += if *x < 0.0 { 0.0 } else { *x };
            product[lane] *= 1.0 + exp(-x.abs());
        }
        total += product.iter().map(|p| p.ln()).sum::<f64>();
    }
    total + linear.iter().sum::<f64>()
}

/// ln sum exp of numbers, in f64; -inf of nothing.
pub(crate) fn log_sum_exp(numbers: &[f64]) -> f64 {
    // `f64::max` would pass over a NaN; the sum below finds it.
    let top = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return if numbers.iter().any(|x| x.is_nan()) { f64::NAN } else { top };
    }
    top + numbers.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    /// Row by row, across the flush of 512 factors, from a slab with an offset.
    #[test]
    fn sums_over_the_units_of_a_row_are_the_definition() {
        let mut random = Philox::new(1, 2);
        let (units, rows, stride, offset) = (1030, 3, 5, 1);
        let x: Vec<f32> = (0..units * stride).map(|_| 9.0 * random.normal() as f32).collect();
        let bias: Vec<f32> = (0..units).map(|_| random.normal() as f32).collect();
        let betas = [0.0, 0.3, 1.0];
        let mut sums = vec![f64::NAN; rows];
        row_softplus(&x, (stride, offset), &bias, &betas, &mut sums);
        for row in 0..rows {
            let z = |unit: usize| betas[row] * (f64::from(x[unit * stride + offset + row]) + f64::from(bias[unit]));
            let expected: f64 = (0..units).map(|unit| z(unit).max(0.0) + (-z(unit).abs()).exp().ln_1p()).sum();
            assert!((sums[row] - expected).abs() < 1e-12 * expected, "{row}");
        }
    }

    #[test]
    fn sums_of_softplus_are_the_definition() {
        let mut random = Philox::new(1, 1);
        for (count, spread) in [(0, 1.0), (1, 3.0), (13, 50.0), (9000, 8.0)] {
            let x: Vec<f64> = (0..count).map(|_| spread * random.normal()).collect();
            let expected: f64 = x.iter().map(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()).sum();
            let got = softplus_sum(&mut x.clone());
            assert!((got - expected).abs() <= 1e-13 * (1.0 + expected), "{count}: {got} {expected}");
            let mut from = x.iter().map(|x| x + 2.0).collect::<Vec<_>>();
            let stepped = step_and_softplus(&mut from, &vec![4.0; count], -0.5);
            assert!((stepped - expected).abs() <= 1e-13 * (1.0 + expected));
        }
        assert_eq!(softplus_sum(&mut [1000.0, -1000.0]), 1000.0);
        assert!(softplus_sum(&mut [f64::NAN]).is_nan());
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
        assert!(log_sum_exp(&[0.0, f64::NAN]).is_nan());
        assert!((log_sum_exp(&[1000.0, 1000.0]) - 1000.0 - 2f64.ln()).abs() < 1e-12);
    }
}
