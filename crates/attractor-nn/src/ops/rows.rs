//! Operations along the last axis: standardising, softmax under a mask, log-softmax, rotation.

use std::sync::Arc;

use attractor::retrieve::Mask;
use pulp::Arch;
use rayon::prelude::*;

use super::Unary;
use super::elementwise::exp;

/// (x - mean) / sqrt(var + eps) along rows of `width`, or x / sqrt(mean(x^2) + eps).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standardise {
    pub width: usize,
    pub eps: f64,
    pub centred: bool,
}

impl Standardise {
    /// Mean and 1 / sqrt(var + eps) of a row, in f64.
    #[inline(always)]
    fn moments(&self, x: &[f32]) -> (f32, f32) {
        let n = x.len() as f64;
        let mean = if self.centred { sum(x, |x| x) / n } else { 0.0 };
        let shift = mean as f32;
        let variance = sum(x, |x| (x - shift) * (x - shift)) / n;
        (shift, (1.0 / (variance + self.eps).sqrt()) as f32)
    }
}

/// sum f(x): eight f32 partial sums a block of 256, blocks in f64. Long rows lose nothing, short ones stay fast.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0f64;
    for block in x.chunks(256) {
        let (lanes, rest) = block.as_chunks::<8>();
        let mut part = [0.0f32; 8];
        for lane in lanes {
            for (p, &x) in part.iter_mut().zip(lane) {
                *p += f(x);
            }
        }
        total += part.iter().map(|&p| f64::from(p)).sum::<f64>();
        total += rest.iter().map(|&x| f64::from(f(x))).sum::<f64>();
    }
    total
}

/// Rows that a thread takes at once.
fn rows_at_once(width: usize) -> usize {
    ((1 << 13) / width.max(1)).max(1)
}

impl Unary for Standardise {
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let (arch, width) = (Arch::new(), self.width);
        let chunk = rows_at_once(width) * width;
        y.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).for_each(|(y, x)| {
            arch.dispatch(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_mut(width).zip(x.chunks(width)) {
                        let (mean, scale) = self.moments(x);
                        y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - mean) * scale);
                    }
                },
            );
        });
    }

    fn backward(&self, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]) {
        let width = self.width;
        let chunk = rows_at_once(width) * width;
        let inputs = x.par_chunks(chunk).zip(y.par_chunks(chunk)).zip(dy.par_chunks(chunk));
        dx.par_chunks_mut(chunk).zip(inputs).for_each(|(dx, ((x, y), dy))| {
            let rows = x.chunks(width).zip(y.chunks(width)).zip(dy.chunks(width));
            for (dx, ((x, y), dy)) in dx.chunks_mut(width).zip(rows) {
                let (_, scale) = self.moments(x);
                let n = width as f64;
                let mean = if self.centred { (sum(dy, |g| g) / n) as f32 } else { 0.0 };
                let along = (y.iter().zip(dy).map(|(&y, &g)| f64::from(y * g)).sum::<f64>() / n) as f32;
                for ((dx, &y), &g) in dx.iter_mut().zip(y).zip(dy) {
                    *dx = scale * (g - mean - y * along);
                }
            }
        });
    }
}

/// softmax(beta x) over the keys that a mask lets a query see; rows are [.., queries, keys].
#[derive(Debug, Clone)]
pub(crate) struct MaskedSoftmax {
    pub queries: usize,
    pub keys: usize,
    pub beta: f32,
    pub mask: Arc<Mask>,
}

impl Unary for MaskedSoftmax {
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let (arch, keys, beta) = (Arch::new(), self.keys, self.beta);
        let rows = y.par_chunks_mut(keys).zip(x.par_chunks(keys)).enumerate();
        rows.for_each(|(row, (y, x))| {
            let range = self.mask.range(row % self.queries, keys);
            let start = range.start;
            let (x, y) = (&x[range.clone()], &mut y[range]);
            let seen = |j: usize| !self.mask.hides(start + j);
            let peak = (0..x.len()).filter(|&j| seen(j)).map(|j| x[j]).fold(f32::NEG_INFINITY, f32::max);
            if peak == f32::NEG_INFINITY {
                // No key is seen, or a NaN is: `max` passes over it.
                (0..x.len()).filter(|&j| seen(j) && x[j].is_nan()).for_each(|j| y[j] = f32::NAN);
                return;
            }
            arch.dispatch(
                #[inline(always)]
                || y.iter_mut().zip(x).for_each(|(y, &x)| *y = exp(beta * (x - peak))),
            );
            if !self.mask.hidden.is_empty() {
                (0..y.len()).filter(|&j| !seen(j)).for_each(|j| y[j] = 0.0);
            }
            let scale = (1.0 / sum(y, |y| y)) as f32;
            y.iter_mut().for_each(|y| *y *= scale);
        });
    }

    fn backward(&self, _: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]) {
        let keys = self.keys;
        let rows = dx.par_chunks_mut(keys).zip(y.par_chunks(keys)).zip(dy.par_chunks(keys)).enumerate();
        rows.for_each(|(row, ((dx, y), dy))| {
            let range = self.mask.range(row % self.queries, keys);
            let (y, dy, dx) = (&y[range.clone()], &dy[range.clone()], &mut dx[range]);
            let along = y.iter().zip(dy).map(|(&y, &g)| f64::from(y * g)).sum::<f64>() as f32;
            for ((dx, &y), &g) in dx.iter_mut().zip(y).zip(dy) {
                *dx = self.beta * y * (g - along);
            }
        });
    }
}

/// x - lse(x) along rows of `width`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogSoftmax {
    pub width: usize,
}

/// ln sum exp(x) of a row.
pub(crate) fn log_sum_exp(x: &[f32]) -> f32 {
    let peak = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !peak.is_finite() {
        return if x.iter().any(|x| x.is_nan()) { f32::NAN } else { peak };
    }
    let total = Arch::new().dispatch(
        #[inline(always)]
        || sum(x, |x| exp(x - peak)),
    );
    (f64::from(peak) + total.ln()) as f32
}

impl Unary for LogSoftmax {
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        y.par_chunks_mut(self.width).zip(x.par_chunks(self.width)).for_each(|(y, x)| {
            let lse = log_sum_exp(x);
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = x - lse);
        });
    }

    fn backward(&self, _: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32]) {
        let arch = Arch::new();
        let rows = dx.par_chunks_mut(self.width).zip(y.par_chunks(self.width)).zip(dy.par_chunks(self.width));
        rows.for_each(|((dx, y), dy)| {
            let total = sum(dy, |g| g) as f32;
            arch.dispatch(
                #[inline(always)]
                || dx.iter_mut().zip(y).zip(dy).for_each(|((dx, &y), &g)| *dx = g - exp(y) * total),
            );
        });
    }
}

/// Turns the pairs (i, i + dims/2) of rows [.., positions, width] by the angles of a table.
#[derive(Debug, Clone)]
pub(crate) struct Rotate {
    pub width: usize,
    pub table: Arc<Rotation>,
}

/// Cosine and sine of every position and pair.
#[derive(Debug)]
pub(crate) struct Rotation {
    /// Positions of the table.
    pub positions: usize,
    /// Features that turn, even.
    pub dims: usize,
    /// [positions, dims / 2]
    pub cos: Vec<f32>,
    /// [positions, dims / 2]
    pub sin: Vec<f32>,
}

impl Rotate {
    /// Turns rows where they lie.
    pub(crate) fn turn(&self, x: &mut [f32], direction: f32) {
        let (width, half) = (self.width, self.table.dims / 2);
        x.par_chunks_mut(width).enumerate().with_min_len(64).for_each(|(row, x)| {
            let at = row % self.table.positions * half;
            let (cos, sin) = (&self.table.cos[at..at + half], &self.table.sin[at..at + half]);
            for i in 0..half {
                let (a, b) = (x[i], x[i + half]);
                let s = direction * sin[i];
                x[i] = a * cos[i] - b * s;
                x[i + half] = b * cos[i] + a * s;
            }
        });
    }
}

impl Unary for Rotate {
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        y.copy_from_slice(x);
        self.turn(y, 1.0);
    }

    fn backward(&self, _: &[f32], _: &[f32], dy: &[f32], dx: &mut [f32]) {
        dx.copy_from_slice(dy);
        self.turn(dx, -1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attractor::random::Philox;

    fn noise(n: usize, stream: u64) -> Vec<f32> {
        let mut random = Philox::new(11, stream);
        (0..n).map(|_| random.normal() as f32).collect()
    }

    /// The backward of `f` against central differences of <w, f(x)> in every coordinate.
    fn check_gradient(f: &impl Unary, n: usize, tolerance: f64) {
        let (x, w) = (noise(n, 0), noise(n, 1));
        let mut y = vec![0.0; n];
        f.forward(&x, &mut y);
        let mut dx = vec![0.0; n];
        f.backward(&x, &y, &w, &mut dx);
        let value = |x: &[f32]| {
            let mut y = vec![0.0; n];
            f.forward(x, &mut y);
            y.iter().zip(&w).map(|(&y, &w)| f64::from(y) * f64::from(w)).sum::<f64>()
        };
        for i in 0..n {
            let (mut up, mut down) = (x.clone(), x.clone());
            up[i] += 1e-2;
            down[i] -= 1e-2;
            let numeric = (value(&up) - value(&down)) / 2e-2;
            assert!((numeric - f64::from(dx[i])).abs() < tolerance, "{f:?} [{i}]: {numeric} {}", dx[i]);
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        check_gradient(&Standardise { width: 7, eps: 1e-5, centred: true }, 35, 2e-3);
        check_gradient(&Standardise { width: 7, eps: 0.3, centred: false }, 35, 2e-3);
        let mut hidden = vec![false; 7];
        hidden[2] = true;
        for mask in [Mask::causal(), Mask { window: Some(3), ..Mask::causal() }, Mask { hidden, ..Mask::full() }] {
            check_gradient(&MaskedSoftmax { queries: 7, keys: 7, beta: 1.3, mask: Arc::new(mask) }, 98, 2e-3);
        }
        check_gradient(&LogSoftmax { width: 11 }, 55, 2e-3);
        let angles: Vec<f32> = (0..10).map(|i| i as f32 * 0.7).collect();
        let table = Rotation {
            positions: 5,
            dims: 4,
            cos: angles.iter().map(|a| a.cos()).collect(),
            sin: angles.iter().map(|a| a.sin()).collect(),
        };
        check_gradient(&Rotate { width: 7, table: Arc::new(table) }, 70, 2e-3);
    }

    #[test]
    fn rows_are_standardised_and_sum_to_one() {
        let x: Vec<f32> = noise(2 * 301, 3).iter().map(|x| 5.0 + 2.0 * x).collect();
        let mut y = vec![0.0; x.len()];
        Standardise { width: 301, eps: 0.0, centred: true }.forward(&x, &mut y);
        for row in y.chunks(301) {
            let mean = row.iter().map(|&y| f64::from(y)).sum::<f64>() / 301.0;
            let square = row.iter().map(|&y| f64::from(y).powi(2)).sum::<f64>() / 301.0;
            assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-5, "{mean} {square}");
        }
        LogSoftmax { width: 301 }.forward(&x, &mut y);
        for row in y.chunks(301) {
            assert!((row.iter().map(|&y| f64::from(y).exp()).sum::<f64>() - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn a_row_that_sees_no_key_weighs_nothing_and_nan_stays_nan() {
        let mask = Arc::new(Mask { hidden: vec![true, false, true], ..Mask::causal() });
        let softmax = MaskedSoftmax { queries: 3, keys: 3, beta: 1.0, mask };
        let mut y = vec![0.0; 9];
        softmax.forward(&[f32::NAN, 1.0, 2.0, 0.5, 1.0, 2.0, 0.0, f32::NAN, 1.0], &mut y);
        assert_eq!(y[..6], [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert!(y[7].is_nan(), "{y:?}");
        assert!(log_sum_exp(&[0.0, f32::NAN]).is_nan());
    }
}
