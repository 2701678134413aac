//! Vector primitives of the tiled engine, over `pulp`'s run-time dispatch: one source for AVX-512, AVX2, NEON and
//! plain code.
//!
//! Every function here is inlined into a kernel that was dispatched once; sums run in f32 lanes over at most
//! `CHUNK` numbers and then in f64.

use super::Moments;
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

/// ln(x) for positive normal x, absolute error below 1e-6 + 1e-7 |ln x|.
#[inline(always)]
pub(crate) fn ln<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let bits: S::u32s = cast(x);
    // Split so that the mantissa lies in [sqrt(1/2), sqrt 2): subtract the bits of sqrt(1/2) first.
    let offset = simd.splat_u32s(0x3f35_04f3);
    let shifted = simd.sub_u32s(bits, offset);
    // An exponent in -127..=127, biased by 128 so that the shift works on an unsigned number.
    let biased = simd.wrapping_dyn_shr_u32s(simd.add_u32s(shifted, simd.splat_u32s(0x4000_0000)), simd.splat_u32s(23));
    let as_float: S::f32s = cast(simd.or_u32s(biased, simd.splat_u32s(0x4b00_0000)));
    let exponent = simd.sub_f32s(as_float, simd.splat_f32s(8_388_608.0 + 128.0));
    let mantissa_bits = simd.add_u32s(simd.and_u32s(shifted, simd.splat_u32s(0x007f_ffff)), offset);
    let mantissa: S::f32s = cast(mantissa_bits);
    let f = simd.sub_f32s(mantissa, simd.splat_f32s(1.0));
    let mut p = simd.splat_f32s(7.037_683_6e-2);
    for c in [
        -0.115_146_1,
        0.116_769_984,
        -0.124_201_41,
        0.142_493_23,
        -0.166_680_57,
        0.200_007_15,
        -0.249_999_94,
        0.333_333_3,
    ] {
        p = simd.mul_add_f32s(p, f, simd.splat_f32s(c));
    }
    let square = simd.mul_f32s(f, f);
    let tail = simd.mul_add_f32s(simd.mul_f32s(p, f), square, simd.mul_f32s(square, simd.splat_f32s(-0.5)));
    let tail = simd.mul_add_f32s(exponent, simd.splat_f32s(-2.121_944_4e-4), tail);
    simd.mul_add_f32s(exponent, simd.splat_f32s(0.693_359_4), simd.add_f32s(f, tail))
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

/// exp(l) and max(l, -1e4) of one register; adds e, e l and e^2 to `sums`.
#[inline(always)]
fn exponentiate_lane<S: Simd>(simd: S, l: S::f32s, sums: &mut [S::f32s; 3]) -> (S::f32s, S::f32s) {
    // exp is 0 below, and 0 x -1e4 is 0, where 0 x -inf would be NaN.
    let floor = simd.splat_f32s(-1e4);
    let e = exp(simd, l);
    let l = simd.select_f32s(simd.less_than_f32s(l, floor), floor, l);
    sums[0] = simd.add_f32s(sums[0], e);
    sums[1] = simd.mul_add_f32s(e, l, sums[1]);
    sums[2] = simd.mul_add_f32s(e, e, sums[2]);
    (e, l)
}

/// Replaces scores by exp(score - m) and says what they add up to; `logs`, if not empty, receives max(score - m, -1e4).
#[inline(always)]
pub(crate) fn exponentiate<S: Simd>(simd: S, scores: &mut [f32], logs: &mut [f32], m: f32) -> Moments {
    let mut sums = Moments { keys: scores.len() as u64, max: f64::from(m), ..Moments::empty() };
    let keep_logs = !logs.is_empty();
    let shift = simd.splat_f32s(m);
    let zero = simd.splat_f32s(0.0);
    for (index, chunk) in scores.chunks_mut(CHUNK).enumerate() {
        let start = index * CHUNK;
        let length = chunk.len();
        let mut lanes = [[zero; 3]; 2];
        let lane = S::F32_LANES;
        let whole = length / lane * lane;
        {
            let (body, tail) = S::as_mut_simd_f32s(chunk);
            // Pairs by hand: a lane chosen by a running index would live in memory.
            let (pairs, rest) = body.as_chunks_mut::<2>();
            if keep_logs {
                let (kept, _) = S::as_mut_simd_f32s(&mut logs[start..start + whole]);
                let (kept_pairs, kept_rest) = kept.as_chunks_mut::<2>();
                for (x, kept) in pairs.iter_mut().zip(kept_pairs) {
                    for (side, sums) in lanes.iter_mut().enumerate() {
                        (x[side], kept[side]) = exponentiate_lane(simd, simd.sub_f32s(x[side], shift), sums);
                    }
                }
                for (x, kept) in rest.iter_mut().zip(kept_rest) {
                    (*x, *kept) = exponentiate_lane(simd, simd.sub_f32s(*x, shift), &mut lanes[0]);
                }
            } else {
                for x in pairs {
                    for (side, sums) in lanes.iter_mut().enumerate() {
                        (x[side], _) = exponentiate_lane(simd, simd.sub_f32s(x[side], shift), sums);
                    }
                }
                for x in rest {
                    (*x, _) = exponentiate_lane(simd, simd.sub_f32s(*x, shift), &mut lanes[0]);
                }
            }
            if !tail.is_empty() {
                // The missing lanes weigh nothing: exp(-inf) = 0.
                let mut buffer = [f32::NEG_INFINITY; 64];
                buffer[..tail.len()].copy_from_slice(tail);
                let x = simd.partial_load_f32s(&buffer[..lane]);
                let (e, l) = exponentiate_lane(simd, simd.sub_f32s(x, shift), &mut lanes[0]);
                simd.partial_store_f32s(&mut buffer[..lane], e);
                tail.copy_from_slice(&buffer[..tail.len()]);
                if keep_logs {
                    simd.partial_store_f32s(&mut buffer[..lane], l);
                    logs[start + whole..start + length].copy_from_slice(&buffer[..length - whole]);
                }
            }
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

/// One row of a Jensen-Shannon comparison: weights before normalisation and their logarithms.
#[derive(Clone, Copy)]
pub(crate) struct LogWeights<'a> {
    pub e: &'a [f32],
    pub l: &'a [f32],
}

/// Adds p ln e_a + q ln e_b - 2 m ln m of one register, m = (p + q) / 2: `[e, ln e]` of both rows, `[1 / z]` of both.
///
/// `ln` of zero is some finite number, and 0 times it is 0.
#[inline(always)]
fn divergence_lane<S: Simd>(simd: S, rows: [S::f32s; 4], inverse: [S::f32s; 2], acc: S::f32s) -> S::f32s {
    let p = simd.mul_f32s(rows[0], inverse[0]);
    let q = simd.mul_f32s(rows[2], inverse[1]);
    let both = simd.add_f32s(p, q);
    let log_mid = ln(simd, simd.mul_f32s(simd.splat_f32s(0.5), both));
    let acc = simd.mul_add_f32s(p, rows[1], acc);
    let acc = simd.mul_add_f32s(q, rows[3], acc);
    simd.negate_mul_add_f32s(both, log_mid, acc)
}

/// Jensen-Shannon divergence of two rows over the same keys, each renormalised there; NaN if one has no mass.
#[inline(always)]
pub(crate) fn jensen_shannon<S: Simd>(simd: S, a: LogWeights<'_>, b: LogWeights<'_>) -> f64 {
    let (za, zb) = (sum(simd, a.e), sum(simd, b.e));
    if !(za > 0.0 && zb > 0.0) {
        return f64::NAN;
    }
    let (ia, ib) = (simd.splat_f32s((1.0 / za) as f32), simd.splat_f32s((1.0 / zb) as f32));
    let inverse = [ia, ib];
    let mut total = 0.0;
    let lane = S::F32_LANES;
    for start in (0..a.e.len()).step_by(CHUNK) {
        let end = (start + CHUNK).min(a.e.len());
        let zero = simd.splat_f32s(0.0);
        let mut lanes = [zero; 2];
        let (ea, _) = S::as_simd_f32s(&a.e[start..end]);
        let (l_a, _) = S::as_simd_f32s(&a.l[start..end]);
        let (eb, _) = S::as_simd_f32s(&b.e[start..end]);
        let (l_b, _) = S::as_simd_f32s(&b.l[start..end]);
        let count = ea.len().min(l_a.len()).min(eb.len()).min(l_b.len());
        let (ea, l_a, eb, l_b) = (&ea[..count], &l_a[..count], &eb[..count], &l_b[..count]);
        for at in 0..count / 2 {
            let (x, y) = (2 * at, 2 * at + 1);
            lanes[0] = divergence_lane(simd, [ea[x], l_a[x], eb[x], l_b[x]], inverse, lanes[0]);
            lanes[1] = divergence_lane(simd, [ea[y], l_a[y], eb[y], l_b[y]], inverse, lanes[1]);
        }
        if count % 2 == 1 {
            let x = count - 1;
            lanes[0] = divergence_lane(simd, [ea[x], l_a[x], eb[x], l_b[x]], inverse, lanes[0]);
        }
        let done = start + ea.len() * lane;
        if done < end {
            // Missing lanes load as e = 0: no mass, no term.
            let (x, y) = (simd.partial_load_f32s(&a.e[done..end]), simd.partial_load_f32s(&a.l[done..end]));
            let (u, v) = (simd.partial_load_f32s(&b.e[done..end]), simd.partial_load_f32s(&b.l[done..end]));
            lanes[0] = divergence_lane(simd, [x, y, u, v], inverse, lanes[0]);
        }
        total += f64::from(simd.reduce_sum_f32s(simd.add_f32s(lanes[0], lanes[1])));
    }
    // ln p = ln e - ln z, and p sums to one.
    (0.5 * (total - za.ln() - zb.ln())).max(0.0)
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

/// sum m ln m with m = a x + b y.
#[inline(always)]
pub(crate) fn mixture<S: Simd>(simd: S, x: &[f32], a: f32, y: &[f32], b: f32) -> f64 {
    let (a, b) = (simd.splat_f32s(a), simd.splat_f32s(b));
    let mut total = 0.0;
    for (x, y) in x.chunks(CHUNK).zip(y.chunks(CHUNK)) {
        let (xs, x_tail) = S::as_simd_f32s(x);
        let (ys, y_tail) = S::as_simd_f32s(y);
        let zero = simd.splat_f32s(0.0);
        let mut lanes = [zero; 2];
        let (x_pairs, x_rest) = xs.as_chunks::<2>();
        let (y_pairs, y_rest) = ys.as_chunks::<2>();
        for (x, y) in x_pairs.iter().zip(y_pairs) {
            for side in 0..2 {
                let m = simd.mul_add_f32s(x[side], a, simd.mul_f32s(y[side], b));
                lanes[side] = simd.mul_add_f32s(m, ln(simd, m), lanes[side]);
            }
        }
        for (&x, &y) in x_rest.iter().zip(y_rest) {
            let m = simd.mul_add_f32s(x, a, simd.mul_f32s(y, b));
            lanes[0] = simd.mul_add_f32s(m, ln(simd, m), lanes[0]);
        }
        if !x_tail.is_empty() {
            // Missing lanes load as 0, and 0 times the finite logarithm of 0 is 0.
            let (x, y) = (simd.partial_load_f32s(x_tail), simd.partial_load_f32s(y_tail));
            let m = simd.mul_add_f32s(x, a, simd.mul_f32s(y, b));
            lanes[1] = simd.mul_add_f32s(m, ln(simd, m), lanes[1]);
        }
        total += f64::from(simd.reduce_sum_f32s(simd.add_f32s(lanes[0], lanes[1])));
    }
    total
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
