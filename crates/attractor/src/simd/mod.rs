//! Vector primitives, over `pulp`'s run-time dispatch: one source for AVX-512, AVX2, NEON and plain code.
//!
//! Here those of the tiled engine, register by register; in [`rows`] those of whole rows of weights. Every function is
//! inlined into a kernel that was dispatched once; sums run in f32 lanes over at most `CHUNK` numbers and then in f64.

pub mod rows;

use crate::moments::Moments;
use pulp::{Simd, cast};

/// Numbers summed in f32 lanes before they go to f64.
const CHUNK: usize = 4096;

/// Below this, exp is zero in f32 (a subnormal would follow).
const EXP_FLOOR: f32 = -87.0;

/// exp(x) for x <= 0, relative error below 2.4e-7; exactly 0 below -87; NaN for NaN.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding 1.5 x 2^23 rounds to an integer and leaves it in the low bits.
    let magic = simd.splat_f32s(12_582_912.0);
    let shifted = simd.mul_add_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), magic);
    let n = simd.sub_f32s(shifted, magic);
    // ln 2 in two parts, so that the reduction is exact.
    let r = simd.mul_add_f32s(n, simd.splat_f32s(-0.693_359_4), x);
    let r = simd.mul_add_f32s(n, simd.splat_f32s(2.121_944_4e-4), r);
    let mut p = simd.splat_f32s(1.987_569_2e-4);
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5, 1.0, 1.0] {
        p = simd.mul_add_f32s(p, r, simd.splat_f32s(c));
    }
    let bits: S::u32s = cast(shifted);
    let exponent = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
    let scale: S::f32s = cast(simd.add_u32s(exponent, simd.splat_u32s(0x3f80_0000)));
    let below = simd.less_than_f32s(x, simd.splat_f32s(EXP_FLOOR));
    simd.select_f32s(below, simd.splat_f32s(0.0), simd.mul_f32s(p, scale))
}

/// Largest number; -inf of nothing. A NaN may be missed: the caller finds it in the partition sum.
#[inline(always)]
pub(crate) fn max<S: Simd>(simd: S, x: &[f32]) -> f32 {
    let (body, tail) = S::as_simd_f32s(x);
    let low = simd.splat_f32s(f32::NEG_INFINITY);
    let mut best = [low; 4];
    let (quads, rest) = body.as_chunks::<4>();
    for quad in quads {
        for (b, &v) in best.iter_mut().zip(quad) {
            *b = simd.max_f32s(*b, v);
        }
    }
    for &v in rest {
        best[0] = simd.max_f32s(best[0], v);
    }
    let both = simd.max_f32s(simd.max_f32s(best[0], best[1]), simd.max_f32s(best[2], best[3]));
    tail.iter().fold(simd.reduce_max_f32s(both), |a, &b| if b > a { b } else { a })
}

/// First index of a number equal to `value`.
#[inline(always)]
pub(crate) fn find<S: Simd>(simd: S, x: &[f32], value: f32) -> Option<usize> {
    const BLOCK: usize = 256;
    let wanted = simd.splat_f32s(value);
    let none: S::f32s = simd.splat_f32s(0.0);
    let one: S::f32s = simd.splat_f32s(1.0);
    for (block, numbers) in x.chunks(BLOCK).enumerate() {
        let (body, tail) = S::as_simd_f32s(numbers);
        let mut seen = none;
        for &v in body {
            seen = simd.select_f32s(simd.equal_f32s(v, wanted), one, seen);
        }
        if simd.reduce_max_f32s(seen) > 0.0 || tail.contains(&value) {
            return numbers.iter().position(|&v| v == value).map(|at| block * BLOCK + at);
        }
    }
    None
}

/// Sum.
#[inline(always)]
pub(crate) fn sum<S: Simd>(simd: S, x: &[f32]) -> f64 {
    let mut total = 0.0;
    for chunk in x.chunks(CHUNK) {
        let (body, tail) = S::as_simd_f32s(chunk);
        let zero = simd.splat_f32s(0.0);
        let mut lanes = [zero; 4];
        let (quads, rest) = body.as_chunks::<4>();
        for quad in quads {
            for (s, &v) in lanes.iter_mut().zip(quad) {
                *s = simd.add_f32s(*s, v);
            }
        }
        for &v in rest {
            lanes[0] = simd.add_f32s(lanes[0], v);
        }
        let all = simd.add_f32s(simd.add_f32s(lanes[0], lanes[1]), simd.add_f32s(lanes[2], lanes[3]));
        total += f64::from(simd.reduce_sum_f32s(all)) + tail.iter().map(|&v| f64::from(v)).sum::<f64>();
    }
    total
}

/// Sum of products.
#[inline(always)]
pub(crate) fn dot<S: Simd>(simd: S, x: &[f32], y: &[f32]) -> f64 {
    let mut total = 0.0;
    for (x, y) in x.chunks(CHUNK).zip(y.chunks(CHUNK)) {
        let (xs, x_tail) = S::as_simd_f32s(x);
        let (ys, y_tail) = S::as_simd_f32s(y);
        let zero = simd.splat_f32s(0.0);
        let mut lanes = [zero; 2];
        let (pairs, rest) = xs.as_chunks::<2>();
        for (pair, y) in pairs.iter().zip(ys.chunks_exact(2)) {
            lanes[0] = simd.mul_add_f32s(pair[0], y[0], lanes[0]);
            lanes[1] = simd.mul_add_f32s(pair[1], y[1], lanes[1]);
        }
        for (&a, &b) in rest.iter().zip(&ys[pairs.len() * 2..]) {
            lanes[0] = simd.mul_add_f32s(a, b, lanes[0]);
        }
        total += f64::from(simd.reduce_sum_f32s(simd.add_f32s(lanes[0], lanes[1])));
        total += x_tail.iter().zip(y_tail).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    }
    total
}

/// exp(l) of one register; adds e, e l and e^2 to `sums`.
#[inline(always)]
fn exponentiate_lane<S: Simd>(simd: S, l: S::f32s, sums: &mut [S::f32s; 3]) -> S::f32s {
    // exp is 0 below, and 0 x -1e4 is 0, where 0 x -inf would be NaN.
    let floor = simd.splat_f32s(-1e4);
    let e = exp(simd, l);
    let l = simd.select_f32s(simd.less_than_f32s(l, floor), floor, l);
    sums[0] = simd.add_f32s(sums[0], e);
    sums[1] = simd.mul_add_f32s(e, l, sums[1]);
    sums[2] = simd.mul_add_f32s(e, e, sums[2]);
    e
}

/// Replaces scores by exp(score - m) and says what they add up to.
#[inline(always)]
pub(crate) fn exponentiate<S: Simd>(simd: S, scores: &mut [f32], m: f32) -> Moments {
    let mut sums = Moments { keys: scores.len() as u64, max: f64::from(m), ..Moments::empty() };
    let shift = simd.splat_f32s(m);
    let zero = simd.splat_f32s(0.0);
    for chunk in scores.chunks_mut(CHUNK) {
        let mut lanes = [[zero; 3]; 2];
        let lane = S::F32_LANES;
        let (body, tail) = S::as_mut_simd_f32s(chunk);
        // Pairs by hand: a lane chosen by a running index would live in memory.
        let (pairs, rest) = body.as_chunks_mut::<2>();
        for x in pairs {
            for (side, sums) in lanes.iter_mut().enumerate() {
                x[side] = exponentiate_lane(simd, simd.sub_f32s(x[side], shift), sums);
            }
        }
        for x in rest {
            *x = exponentiate_lane(simd, simd.sub_f32s(*x, shift), &mut lanes[0]);
        }
        if !tail.is_empty() {
            // The missing lanes weigh nothing: exp(-inf) = 0.
            let mut buffer = [f32::NEG_INFINITY; 64];
            buffer[..tail.len()].copy_from_slice(tail);
            let x = simd.partial_load_f32s(&buffer[..lane]);
            let e = exponentiate_lane(simd, simd.sub_f32s(x, shift), &mut lanes[0]);
            simd.partial_store_f32s(&mut buffer[..lane], e);
            tail.copy_from_slice(&buffer[..tail.len()]);
        }
        sums.partition += f64::from(simd.reduce_sum_f32s(simd.add_f32s(lanes[0][0], lanes[1][0])));
        sums.log += f64::from(simd.reduce_sum_f32s(simd.add_f32s(lanes[0][1], lanes[1][1])));
        sums.square += f64::from(simd.reduce_sum_f32s(simd.add_f32s(lanes[0][2], lanes[1][2])));
    }
    sums
}

/// Sum of (x - m) and of (x - m)^2.
#[inline(always)]
pub(crate) fn moments<S: Simd>(simd: S, x: &[f32], m: f32) -> (f64, f64) {
    let (mut first, mut second) = (0.0, 0.0);
    for chunk in x.chunks(CHUNK) {
        let (body, tail) = S::as_simd_f32s(chunk);
        let shift = simd.splat_f32s(m);
        let zero = simd.splat_f32s(0.0);
        let mut lanes = [[zero; 2]; 2];
        let (pairs, rest) = body.as_chunks::<2>();
        for pair in pairs {
            for (&v, [a, b]) in pair.iter().zip(&mut lanes) {
                let d = simd.sub_f32s(v, shift);
                *a = simd.add_f32s(*a, d);
                *b = simd.mul_add_f32s(d, d, *b);
            }
        }
        for &v in rest {
            let d = simd.sub_f32s(v, shift);
            lanes[0][0] = simd.add_f32s(lanes[0][0], d);
            lanes[0][1] = simd.mul_add_f32s(d, d, lanes[0][1]);
        }
        first += f64::from(simd.reduce_sum_f32s(simd.add_f32s(lanes[0][0], lanes[1][0])));
        second += f64::from(simd.reduce_sum_f32s(simd.add_f32s(lanes[0][1], lanes[1][1])));
        for &v in tail {
            let d = f64::from(v - m);
            first += d;
            second += d * d;
        }
    }
    (first, second)
}

/// Adds a x to `first` and b x to `second`.
#[inline(always)]
pub(crate) fn add_scaled<S: Simd>(simd: S, x: &[f32], a: f32, b: f32, first: &mut [f32], second: &mut [f32]) {
    let (xs, x_tail) = S::as_simd_f32s(x);
    let (firsts, first_tail) = S::as_mut_simd_f32s(first);
    let (seconds, second_tail) = S::as_mut_simd_f32s(second);
    let (wide_a, wide_b) = (simd.splat_f32s(a), simd.splat_f32s(b));
    for ((&x, f), g) in xs.iter().zip(firsts).zip(seconds) {
        *f = simd.mul_add_f32s(x, wide_a, *f);
        *g = simd.mul_add_f32s(x, wide_b, *g);
    }
    for ((&x, f), g) in x_tail.iter().zip(first_tail).zip(second_tail) {
        *f += x * a;
        *g += x * b;
    }
}

/// Where the columns of some rows go: sums, and if `pooled` one row of pooled cells.
pub(crate) struct Columns<'a> {
    /// First key of the slices below.
    pub first_key: usize,
    /// Receives sum_r a_r x_r[j].
    pub mass: &'a mut [f64],
    /// Receives sum_r b_r x_r[j].
    pub enrichment: &'a mut [f64],
    /// First key of each cell and the end, and the cells' largest weights and sums; empty: not asked.
    pub cells: &'a [usize],
    pub cell_max: &'a mut [f32],
    pub cell_sum: &'a mut [f32],
}

/// Adds up columns over rows `(x, a, b)`, weights a x.
///
/// Across rows first, lane by lane, so that pooled cells need one reduction a block of rows and not one per row.
#[inline(always)]
pub(crate) fn add_columns<S: Simd>(simd: S, rows: &[(&[f32], f32, f32)], columns: Columns<'_>) {
    let Columns { first_key, mass, enrichment, cells, cell_max, cell_sum } = columns;
    let lane = S::F32_LANES;
    let keys = mass.len();
    let zero = simd.splat_f32s(0.0);
    let pooled = !cells.is_empty();
    let mut cell = cells.partition_point(|&start| start <= first_key).saturating_sub(1);
    let block = 4 * lane;
    let mut sums = [0.0f32; 256];
    let mut weighted = [0.0f32; 256];
    let mut largest = [0.0f32; 256];
    let mut start = 0;
    while start < keys {
        let end = (start + block).min(keys);
        let length = end - start;
        if length == block {
            let mut lanes = [[zero; 4]; 3];
            for (x, a, b) in rows {
                let (a, b) = (simd.splat_f32s(*a), simd.splat_f32s(*b));
                let (vectors, _) = S::as_simd_f32s(&x[start..end]);
                let (vectors, _) = vectors.as_chunks::<4>();
                for vectors in vectors {
                    for k in 0..4 {
                        lanes[0][k] = simd.mul_add_f32s(vectors[k], a, lanes[0][k]);
                        lanes[1][k] = simd.mul_add_f32s(vectors[k], b, lanes[1][k]);
                        if pooled {
                            lanes[2][k] = simd.max_f32s(lanes[2][k], simd.mul_f32s(vectors[k], a));
                        }
                    }
                }
            }
            for (buffer, lanes) in [&mut sums, &mut weighted, &mut largest].into_iter().zip(&lanes) {
                let (target, _) = S::as_mut_simd_f32s(&mut buffer[..block]);
                target.copy_from_slice(lanes);
            }
        } else {
            for buffer in [&mut sums, &mut weighted, &mut largest] {
                buffer[..length].fill(0.0);
            }
            for (x, a, b) in rows {
                for (at, &v) in x[start..end].iter().enumerate() {
                    sums[at] += v * a;
                    weighted[at] += v * b;
                    largest[at] = largest[at].max(v * a);
                }
            }
        }
        for at in 0..length {
            mass[start + at] += f64::from(sums[at]);
            enrichment[start + at] += f64::from(weighted[at]);
        }
        if pooled {
            for at in 0..length {
                while first_key + start + at >= cells[cell + 1] {
                    cell += 1;
                }
                cell_max[cell] = cell_max[cell].max(largest[at]);
                cell_sum[cell] += sums[at];
            }
        }
        start = end;
    }
}

/// Rows a register tile of scores holds, for this instruction set.
#[inline(always)]
pub(crate) fn tile_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 8 } else { 4 }
}

/// Keys a register tile of scores holds.
#[inline(always)]
pub(crate) fn tile_keys<S: Simd>() -> usize {
    3 * S::F32_LANES
}

/// Scores of one register tile: `out[r * stride + c] = sum_k q[k][r] panel[k][c]`.
///
/// `q` is [d][tile_rows], `panel` is [d][tile_keys].
#[inline(always)]
pub(crate) fn score_tile<S: Simd>(simd: S, q: &[f32], panel: &[f32], out: &mut [f32], stride: usize) {
    if S::REGISTER_COUNT >= 32 {
        score_tile_of::<S, 8>(simd, q, panel, out, stride);
    } else {
        score_tile_of::<S, 4>(simd, q, panel, out, stride);
    }
}

#[inline(always)]
fn score_tile_of<S: Simd, const ROWS: usize>(simd: S, q: &[f32], panel: &[f32], out: &mut [f32], stride: usize) {
    let lane = S::F32_LANES;
    let zero = simd.splat_f32s(0.0);
    let mut sums = [[zero; 3]; ROWS];
    let (queries, _) = q.as_chunks::<ROWS>();
    let (keys, _) = S::as_simd_f32s(panel);
    let (keys, _) = keys.as_chunks::<3>();
    for (q, k) in queries.iter().zip(keys) {
        for r in 0..ROWS {
            let broadcast = simd.splat_f32s(q[r]);
            for c in 0..3 {
                sums[r][c] = simd.mul_add_f32s(broadcast, k[c], sums[r][c]);
            }
        }
    }
    for (r, row) in sums.iter().enumerate() {
        let target = &mut out[r * stride..r * stride + 3 * lane];
        let (target, _) = S::as_mut_simd_f32s(target);
        target.copy_from_slice(row);
    }
}
