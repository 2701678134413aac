//! The path from the base-rate model to the machine, on which annealing and tempering run.
//!
//! At t in [0, 1]: weights tW, hidden biases tb, visible biases (1 - t) a_A + t a. t = 0 is the model of independent visible
//! units with biases a_A, t = 1 the machine. Up to a factor that does not depend on t,
//! ln p*_t(v) = ((1 - t) a_A + t a)'u + sum softplus(t (b + u'W)) [- sum v_i^2 / 2 s_i^2 for Gaussian units].

use super::half::Place;
use super::model::{Rbm, Visible};
use super::sums;

/// sum_i (a - a_A)_i u_i of every row: what the visible units alone contribute to d ln p*_t / dt.
pub(super) fn tilt(rbm: &Rbm, base: &[f32], (u, from): (&[f32], Place), sums: &mut [f64]) {
    let rows = sums.len();
    sums.fill(0.0);
    for (unit, (&a, &base)) in rbm.visible_bias.iter().zip(base).enumerate() {
        let slope = f64::from(a) - f64::from(base);
        let u = &u[unit * from.stride + from.offset..][..rows];
        sums.iter_mut().zip(u).for_each(|(sum, &u)| *sum += slope * f64::from(u));
    }
}

/// ln p*_t(v) - a_A'u of every row at its own t, from x = u'W and the [`tilt`].
pub(super) fn log_weight(rbm: &Rbm, (x, place): (&[f32], Place), tilt: &[f64], t: &[f64], sums: &mut [f64]) {
    sums::row_softplus(x, (place.stride, place.offset), &rbm.hidden_bias, t, sums);
    for ((sum, tilt), t) in sums.iter_mut().zip(tilt).zip(t) {
        *sum += t * tilt;
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
