//! The path from the base-rate model to the machine, on which annealing and tempering run.
//!
//! At the inverse temperature beta in [0, 1]: weights beta W, hidden biases beta b, visible biases (1 - beta) a_A + beta a.
//! beta = 0 is the model of independent visible units with biases a_A, beta = 1 the machine. Up to a factor that does not
//! depend on beta, ln p*_beta(v) = ((1 - beta) a_A + beta a)'u + sum softplus(beta (b + u'W)) [- sum v_i^2 / 2 s_i^2 for
//! Gaussian units].

use super::model::{Rbm, Visible};
use super::place::Place;
use super::sums;

/// `count` inverse temperatures, evenly spaced from 0 (the base-rate model) to 1 (the machine): what tempered chains change
/// places between.
pub fn even_betas(count: usize) -> Vec<f32> {
    (0..count).map(|k| k as f32 / (count - 1).max(1) as f32).collect()
}

/// sum_i (a - a_A)_i u_i of every row: what the visible units alone contribute to d ln p*_beta / d beta.
pub(super) fn tilt(rbm: &Rbm, base: &[f32], (u, from): (&[f32], Place), sums: &mut [f64]) {
    let rows = sums.len();
    sums.fill(0.0);
    for (unit, (&a, &base)) in rbm.visible_bias.iter().zip(base).enumerate() {
        let slope = f64::from(a) - f64::from(base);
        let u = &u[unit * from.stride + from.offset..][..rows];
        sums.iter_mut().zip(u).for_each(|(sum, &u)| *sum += slope * f64::from(u));
    }
}

/// ln p*_t(v) - a_A'u of every row at its own beta, from x = u'W and the [`tilt`].
pub(super) fn log_weight(rbm: &Rbm, (x, place): (&[f32], Place), tilt: &[f64], betas: &[f64], sums: &mut [f64]) {
    sums::row_softplus(x, (place.stride, place.offset), &rbm.hidden_bias, betas, sums);
    for ((sum, tilt), beta) in sums.iter_mut().zip(tilt).zip(betas) {
        *sum += beta * tilt;
    }
}

/// ln Z of p*_0, in closed form. [`log_partition_shift`] leads from here to ln Z of exp(-F).
pub(super) fn base_log_partition(rbm: &Rbm, base: &[f32]) -> f64 {
    let hidden = rbm.hidden_units() as f64 * std::f64::consts::LN_2;
    let visible = match &rbm.visible {
        Visible::Binary => sums::softplus_sum(&mut base.iter().map(|&a| f64::from(a)).collect::<Vec<_>>()),
        Visible::Gaussian { variance } => {
            let each = base.iter().zip(variance).map(|(&a, &s)| {
                let (a, s) = (f64::from(a), f64::from(s));
                a * a / (2.0 * s) + 0.5 * (std::f64::consts::TAU * s).ln()
            });
            each.sum()
        }
    };
    hidden + visible
}

/// ln Z of exp(-F) minus ln Z of p*_1: Gaussian energies carry a_i^2 / 2 s_i^2, p* does not.
pub(super) fn log_partition_shift(rbm: &Rbm) -> f64 {
    match &rbm.visible {
        Visible::Binary => 0.0,
        Visible::Gaussian { variance } => {
            let each = rbm.visible_bias.iter().zip(variance);
            -each.map(|(&a, &s)| f64::from(a) * f64::from(a) / (2.0 * f64::from(s))).sum::<f64>()
        }
    }
}
