//! Half-steps of Gibbs sampling on many states at once: one layer given the other.

use rayon::prelude::*;

use super::binary::{self, Bits};
use super::kernel::{self, Draws, Keep, Slab, Tempered};
use super::model::{Rbm, Visible};
use super::place::Place;
use super::product::{self, PLAIN, View, multiply};

/// How a layer is drawn.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    pub rows: usize,
    pub tempered: Option<Tempered<'a>>,
    pub draws: Draws,
}

/// (W'u) of every row, without the bias, into `out`; then activated, unless `keep` is `None`. `samples` receives samples.
pub(super) fn hidden(
    rbm: &Rbm,
    (u, from): (&[f32], Place),
    (out, to): (&mut [f32], Place),
    samples: Option<(&mut [f32], Place)>,
    keep: Option<Keep>,
    how: How<'_>,
) {
    let (n, m) = (rbm.visible_units(), rbm.hidden_units());
    let length = product::block(m, how.rows, n);
    let each = |index: usize, out: &mut [f32], samples: Option<(&mut [f32], Place)>| {
        let first = index * length;
        let count = length.min(m - first);
        match Bits::of_rows((u, from), n, how.rows, count) {
            Some(bits) => {
                bits.into_units(out, to, count, View { numbers: &rbm.weights, offset: first, row: m, column: 1 });
            }
            None => {
                let left = View { numbers: &rbm.weights, offset: first, row: 1, column: m };
                let right = View { numbers: u, offset: from.offset, row: from.stride, column: 1 };
                multiply(out, (to.stride, to.offset), (count, how.rows, n), left, right, PLAIN);
            }
        }
        if let Some(keep) = keep {
            let slab = Slab { numbers: out, stride: to.stride, offset: to.offset };
            let samples = samples.map(|(numbers, at)| Slab { numbers, stride: at.stride, offset: at.offset });
            let bias = &rbm.hidden_bias[first..first + count];
            kernel::activate(slab, how.rows, first, bias, how.tempered, keep, samples, how.draws);
        }
    };
    match samples {
        Some((samples, at)) if m > length => {
            let pieces = out.par_chunks_mut(length * to.stride).zip(samples.par_chunks_mut(length * at.stride));
            pieces
                .with_max_len(1)
                .enumerate()
                .for_each(|(index, (out, samples))| each(index, out, Some((samples, at))));
        }
        Some(samples) => each(0, out, Some(samples)),
        None => product::over_pieces(out, length * to.stride, |index, out| each(index, out, None)),
    }
}

/// Draws u of every row given its hidden units.
pub(super) fn visible(rbm: &Rbm, (h, from): (&[f32], Place), (out, to): (&mut [f32], Place), how: How<'_>) {
    let (n, m) = (rbm.visible_units(), rbm.hidden_units());
    let length = product::block(n, how.rows, m);
    product::over_pieces(out, length * to.stride, |index, out| {
        let first = index * length;
        let count = length.min(n - first);
        match Bits::of_rows((h, from), m, how.rows, count) {
            Some(bits) => {
                bits.into_units(out, to, count, View { numbers: &rbm.weights, offset: first * m, row: 1, column: m });
            }
            None => {
                let left = View { numbers: &rbm.weights, offset: first * m, row: m, column: 1 };
                let right = View { numbers: h, offset: from.offset, row: from.stride, column: 1 };
                multiply(out, (to.stride, to.offset), (count, how.rows, m), left, right, PLAIN);
            }
        }
        let slab = Slab { numbers: out, stride: to.stride, offset: to.offset };
        let bias = &rbm.visible_bias[first..first + count];
        match &rbm.visible {
            Visible::Binary => {
                kernel::activate(slab, how.rows, first, bias, how.tempered, Keep::Sample, None, how.draws);
            }
            Visible::Gaussian { variance } => {
                kernel::activate_gaussian(slab, how.rows, first, bias, variance, how.tempered, Some(how.draws));
            }
        }
    });
}

/// Lays rows of data out unit by unit, as u: `rows[r]` becomes column r.
pub(super) fn lay_out(rbm: &Rbm, rows: &[&[f32]], (out, to): (&mut [f32], Place)) {
    let n = rbm.visible_units();
    let length = product::block(n, rows.len(), 512);
    product::over_pieces(out, length * to.stride, |index, out| {
        let first = index * length;
        binary::lay_out(out, to, rows, first, length.min(n - first));
        if let Visible::Gaussian { variance } = &rbm.visible {
            for unit in 0..length.min(n - first) {
                let out = &mut out[unit * to.stride + to.offset..][..rows.len()];
                out.iter_mut().for_each(|x| *x /= variance[first + unit]);
            }
        }
    });
}

/// The reverse of [`lay_out`]: columns become rows of v.
pub(super) fn rows_of(rbm: &Rbm, (u, from): (&[f32], Place), rows: usize) -> Vec<f32> {
    let n = rbm.visible_units();
    let variance = rbm.visible.variance();
    let mut out = vec![0.0; n * rows];
    for unit in 0..n {
        let scale = variance.map_or(1.0, |variance| variance[unit]);
        for row in 0..rows {
            out[row * n + unit] = scale * u[unit * from.stride + from.offset + row];
        }
    }
    out
}
