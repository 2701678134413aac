//! Sums over a row at vector speed.
//!
//! Plain loops over [`LANES`] numbers, inlined into a kernel that [`dispatch`] compiles for the processor's widest
//! vectors. Their number never changes and nothing is fused, so every processor gives the same bits.

const LANES: usize = 16;
/// Numbers that stay in f32 lanes before they go to f64.
const CHUNK: usize = 16 * LANES;

/// Runs a kernel compiled for the processor at hand; what it calls must be `inline(always)`.
pub(crate) fn dispatch<R>(kernel: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(kernel)
}

/// What the weights of a row that the mask admits come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Visible {
    pub sum: f64,
    pub squares: f64,
    /// sum w ln w.
    pub log_sum: f64,
}

/// Sum, squares and w ln w of the kept weights. f64 but for the logarithm.
#[inline(always)]
pub(super) fn visible(weights: &[f32], keep: &[f32]) -> Visible {
    let (mut sum, mut squares, mut log_sum) = ([0.0f64; LANES], [0.0f64; LANES], [0.0f64; LANES]);
    let mut take = |lane: usize, w: f32, keep: f32| {
        let w = w * keep;
        let x = f64::from(w);
        sum[lane] += x;
        squares[lane] += x * x;
        log_sum[lane] += f64::from(w * ln(w.max(1e-37)));
    };
    let ((w, w_rest), (k, k_rest)) = (weights.as_chunks::<LANES>(), keep.as_chunks::<LANES>());
    for (w, k) in w.iter().zip(k) {
        for lane in 0..LANES {
            take(lane, w[lane], k[lane]);
        }
    }
    for (lane, (&w, &k)) in w_rest.iter().zip(k_rest).enumerate() {
        take(lane, w, k);
    }
    let total = |lanes: [f64; LANES]| lanes.iter().sum();
    Visible { sum: total(sum), squares: total(squares), log_sum: total(log_sum) }
}

/// Sum of |w|, not finite if any weight is not, and the lowest weight.
#[inline(always)]
pub(crate) fn mass(weights: &[f32]) -> (f64, f32) {
    let (mut sum, mut lowest) = ([0.0f64; LANES], [0.0f32; LANES]);
    let mut take = |lane: usize, w: f32| {
        sum[lane] += f64::from(w.abs());
        lowest[lane] = if w < lowest[lane] { w } else { lowest[lane] };
    };
    let (whole, rest) = weights.as_chunks::<LANES>();
    for w in whole {
        for lane in 0..LANES {
            take(lane, w[lane]);
        }
    }
    for (lane, &w) in rest.iter().enumerate() {
        take(lane, w);
    }
    (sum.iter().sum(), lowest.into_iter().fold(0.0, f32::min))
}

/// Sum of the kept weights, f64.
#[inline(always)]
pub(super) fn sum_kept(weights: &[f32], keep: &[f32]) -> f64 {
    let mut sum = [0.0f64; LANES];
    let ((w, w_rest), (k, k_rest)) = (weights.as_chunks::<LANES>(), keep.as_chunks::<LANES>());
    for (w, k) in w.iter().zip(k) {
        for lane in 0..LANES {
            sum[lane] += f64::from(w[lane] * k[lane]);
        }
    }
    for (lane, (&w, &k)) in w_rest.iter().zip(k_rest).enumerate() {
        sum[lane] += f64::from(w * k);
    }
    sum.iter().sum()
}

/// Puts zero in the place of hidden weights and of what is no weight: negative or not finite.
#[inline(always)]
pub(super) fn clean(weights: &mut [f32], keep: &[f32]) {
    for (w, &keep) in weights.iter_mut().zip(keep) {
        *w = if *w >= 0.0 && *w < f32::INFINITY { *w * keep } else { 0.0 };
    }
}

/// `sums` += `scale` x the kept weights.
#[inline(always)]
pub(crate) fn add_kept(sums: &mut [f64], weights: &[f32], keep: &[f32], scale: f64) {
    for ((sum, &w), &k) in sums.iter_mut().zip(weights).zip(keep) {
        *sum += scale * f64::from(w * k);
    }
}

/// Sum of `term(x, y)`.
#[inline(always)]
pub(super) fn sum2(x: &[f32], y: &[f32], term: impl Fn(f32, f32) -> f32) -> f64 {
    sum3(x, y, y, |x, y, _| term(x, y))
}

/// Sum of `term(x, y, z)`.
#[inline(always)]
pub(super) fn sum3(x: &[f32], y: &[f32], z: &[f32], term: impl Fn(f32, f32, f32) -> f32) -> f64 {
    let mut total = 0.0f64;
    for ((x, y), z) in x.chunks(CHUNK).zip(y.chunks(CHUNK)).zip(z.chunks(CHUNK)) {
        let mut lanes = [0.0f32; LANES];
        let ((xs, x_rest), (ys, y_rest), (zs, z_rest)) =
            (x.as_chunks::<LANES>(), y.as_chunks::<LANES>(), z.as_chunks::<LANES>());
        for ((x, y), z) in xs.iter().zip(ys).zip(zs) {
            for lane in 0..LANES {
                lanes[lane] += term(x[lane], y[lane], z[lane]);
            }
        }
        total += lanes.iter().map(|&l| f64::from(l)).sum::<f64>();
        for ((&x, &y), &z) in x_rest.iter().zip(y_rest).zip(z_rest) {
            total += f64::from(term(x, y, z));
        }
    }
    total
}

/// ln of a positive normal f32, within 2 ulp, without branches so that it vectorises.
///
/// x = 2^e m with m in [sqrt(1/2), sqrt(2)); a degree-8 minimax polynomial in m - 1.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    // Shift the exponent's boundary to sqrt(1/2).
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let exponent = (shifted as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32)) - 1.0;
    let e = exponent as f32;
    let z = m * m;
    let mut p = 7.037_683_6e-2;
    for c in [
        -1.151_461_03e-1,
        1.167_699_87e-1,
        -1.242_014_08e-1,
        1.424_932_28e-1,
        -1.666_805_77e-1,
        2.000_071_48e-1,
        -2.499_999_40e-1,
        3.333_333_12e-1,
    ] {
        p = p * m + c;
    }
    // ln 2 in two parts, the first exact in few bits.
    let low = p * m * z - 2.121_944_4e-4 * e - 0.5 * z;
    m + low + 0.693_359_375 * e
}

#[cfg(test)]
mod tests {
    use attractor::random::Philox;

    use super::*;

    #[test]
    fn the_short_logarithm_is_the_logarithm() {
        let mut random = Philox::new(1, 1);
        for _ in 0..20_000 {
            let x = f32::from_bits(0x0080_0000 + (random.next_u32() % 0x7000_0000));
            let (got, expected) = (f64::from(ln(x)), f64::from(x).ln());
            assert!((got - expected).abs() <= 3e-7 * expected.abs().max(1.0), "ln {x} = {got}, not {expected}");
        }
        assert_eq!(ln(1.0), 0.0);
    }

    /// Every length from none to beyond two lanes, with hidden keys, against plain sums.
    #[test]
    fn lanes_sum_what_loops_sum() {
        let mut random = Philox::new(2, 0);
        for n in 0..40 {
            let weights: Vec<f32> = (0..n).map(|i| if i == 5 { 0.0 } else { random.uniform() as f32 }).collect();
            let keep: Vec<f32> = (0..n).map(|i| if i % 7 == 3 { 0.0 } else { 1.0 }).collect();
            let kept = || weights.iter().zip(&keep).map(|(w, k)| f64::from(w * k));
            let got = dispatch(|| visible(&weights, &keep));
            assert!((got.sum - kept().sum::<f64>()).abs() < 1e-12);
            assert!((got.squares - kept().map(|x| x * x).sum::<f64>()).abs() < 1e-12);
            let logs: f64 = kept().filter(|&x| x > 0.0).map(|x| x * x.ln()).sum();
            assert!((got.log_sum - logs).abs() < 1e-6, "{n}: {} for {logs}", got.log_sum);
            assert!((sum_kept(&weights, &keep) - got.sum).abs() < 1e-12);
            let mut sums = vec![1.0; n];
            add_kept(&mut sums, &weights, &keep, 2.0);
            assert!(sums.iter().zip(kept()).all(|(s, x)| (s - 1.0 - 2.0 * x).abs() < 1e-12));
            let (plain, lowest) = mass(&weights);
            assert!((plain - weights.iter().map(|&w| f64::from(w)).sum::<f64>()).abs() < 1e-12 && lowest == 0.0);
        }
        assert_eq!(mass(&[0.5, -0.25, 0.0]), (0.75, -0.25));
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut weights = vec![0.1; 37];
            weights[20] = odd;
            assert!(!mass(&weights).0.is_finite());
        }
    }
}
