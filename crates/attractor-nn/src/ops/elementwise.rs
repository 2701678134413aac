//! Nonlinearities on slices: branch-free, so that the compiler turns them into vector code for the machine at hand.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

use pulp::Arch;
use rayon::prelude::*;

use super::Unary;
use crate::checkpoint::spec::Activation;

/// Elements a thread takes at once; fixed, though the result does not depend on it.
const CHUNK: usize = 1 << 14;

impl Unary for Activation {
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        match self {
            Self::Gelu => map(x, y, |x| x * normal_cdf(x)),
            Self::GeluTanh => map(x, y, |x| x * sigmoid(2.0 * tanh_argument(x))),
            Self::QuickGelu => map(x, y, |x| x * sigmoid(1.702 * x)),
            Self::Relu => map(x, y, |x| if x < 0.0 { 0.0 } else { x }),
            Self::Silu => map(x, y, |x| x * sigmoid(x)),
            Self::Tanh => map(x, y, f32::tanh),
        }
    }

    fn backward(&self, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]) {
        match self {
            Self::Gelu => map2(x, dy, dx, |x, g| g * (normal_cdf(x) + x * normal_density(x))),
            Self::GeluTanh => map2(x, dy, dx, |x, g| {
                // sigmoid(2u) = (1 + tanh u) / 2, u' = sqrt(2/pi) (1 + 3 * 0.044715 x^2)
                let s = sigmoid(2.0 * tanh_argument(x));
                g * (s + x * 2.0 * s * (1.0 - s) * SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044_715 * x * x))
            }),
            Self::QuickGelu => map2(x, dy, dx, |x, g| {
                let s = sigmoid(1.702 * x);
                g * (s + 1.702 * x * s * (1.0 - s))
            }),
            Self::Relu => map2(x, dy, dx, |x, g| if x > 0.0 { g } else { 0.0 }),
            Self::Silu => map2(x, dy, dx, |x, g| {
                let s = sigmoid(x);
                g * (s + x * s * (1.0 - s))
            }),
            Self::Tanh => map2(y, dy, dx, |y, g| g * (1.0 - y * y)),
        }
    }
}

/// cap tanh(x / cap).
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoftCap(pub f32);

impl Unary for SoftCap {
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let cap = self.0;
        map(x, y, move |x| cap * (x / cap).tanh());
    }

    fn backward(&self, _: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]) {
        let cap = self.0;
        map2(y, dy, dx, move |y, g| g * (1.0 - (y / cap) * (y / cap)));
    }
}

const SQRT_2_OVER_PI: f32 = 0.797_884_6;

#[inline(always)]
fn tanh_argument(x: f32) -> f32 {
    SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x)
}

/// y = f(x), in vector code, over threads.
fn map(x: &[f32], y: &mut [f32], f: impl Fn(f32) -> f32 + Copy + Sync) {
    let arch = Arch::new();
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
        arch.dispatch(
            #[inline(always)]
            || y.iter_mut().zip(x).for_each(|(y, &x)| *y = f(x)),
        );
    });
}

/// z = f(x, y), likewise.
fn map2(x: &[f32], y: &[f32], z: &mut [f32], f: impl Fn(f32, f32) -> f32 + Copy + Sync) {
    let arch = Arch::new();
    z.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).zip(y.par_chunks(CHUNK)).for_each(|((z, x), y)| {
        arch.dispatch(
            #[inline(always)]
            || z.iter_mut().zip(x).zip(y).for_each(|((z, &x), &y)| *z = f(x, y)),
        );
    });
}

/// e^x within 2 units in the last place for x in [-87, 88]; saturates beyond, NaN stays NaN.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Written as comparisons, not as min and max, which would turn a NaN into a number.
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    // Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * LOG2_E + ROUND;
    let k = shifted - ROUND;
    // ln 2 in two parts, the first exact in the product with k; then Cephes' polynomial for e^r - 1 - r.
    let r = x - k * 0.693_359_4 - k * -2.121_944_4e-4;
    let p =
        0.5 + r * (0.166_666_65 + r * (0.041_665_796 + r * (0.008_333_452 + r * (1.398_2e-3 + r * 1.987_569_1e-4))));
    let p = 1.0 + (r + r * r * p);
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    p * scale
}

/// 1 / (1 + e^-x)
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Phi(x): the rational-exponential fit of erfc by W. Press et al., *Numerical Recipes*, 6.2 (relative error 1.2e-7).
#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let poly = -1.265_512_2
        + t * (1.000_023_7
            + t * (0.374_091_96
                + t * (0.096_784_18
                    + t * (-0.186_288_06
                        + t * (0.278_868_07
                            + t * (-1.135_203_98 + t * (1.488_515_87 + t * (-0.822_152_23 + t * 0.170_872_77))))))));
    let half = 0.5 * t * exp(poly - z * z);
    if x > 0.0 { 1.0 - half } else { half }
}

#[inline(always)]
fn normal_density(x: f32) -> f32 {
    0.398_942_3 * exp(-0.5 * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_within_two_units_in_the_last_place() {
        let mut worst = 0.0f64;
        for i in -86_999..88_000 {
            let x = i as f32 * 1e-3;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - exact).abs() / exact);
        }
        assert!(worst < 2.4e-7, "relative error {worst:e}");
        assert!(exp(f32::NAN).is_nan() && exp(f32::INFINITY) > 1e38 && exp(f32::NEG_INFINITY) < 1e-37);
    }

    /// Phi by its power series, in f64: exact enough below 6.
    fn cdf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for k in 1..200 {
            term *= x * x / (2 * k + 1) as f64;
            sum += term;
        }
        0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
    }

    #[test]
    fn every_nonlinearity_agrees_with_its_definition() {
        let xs: Vec<f32> = (-500..=500).map(|i| i as f32 * 0.01).collect();
        let define = |kind: Activation, x: f64| match kind {
            Activation::Gelu => x * cdf(x),
            Activation::GeluTanh => {
                0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
            }
            Activation::QuickGelu => x / (1.0 + (-1.702 * x).exp()),
            Activation::Relu => x.max(0.0),
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::Tanh => x.tanh(),
        };
        for kind in [
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::QuickGelu,
            Activation::Relu,
            Activation::Silu,
            Activation::Tanh,
        ] {
            let mut y = vec![0.0; xs.len()];
            kind.forward(&xs, &mut y);
            let mut dx = vec![0.0; xs.len()];
            kind.backward(&xs, &y, &vec![0.7; xs.len()], &mut dx);
            for ((&x, &y), &dx) in xs.iter().zip(&y).zip(&dx) {
                let x = f64::from(x);
                assert!((f64::from(y) - define(kind, x)).abs() < 1e-6, "{kind:?}({x}) = {y}");
                let slope = (define(kind, x + 1e-5) - define(kind, x - 1e-5)) / 2e-5;
                // At its corner the rectifier's difference quotient is neither slope.
                let corner = kind == Activation::Relu && x.abs() < 1e-4;
                assert!(corner || (f64::from(dx) - 0.7 * slope).abs() < 2e-6, "{kind:?}'({x}) = {dx}");
            }
            let mut nan = [0.0];
            kind.forward(&[f32::NAN], &mut nan);
            assert!(nan[0].is_nan(), "{kind:?} hides a NaN");
        }
    }
}
