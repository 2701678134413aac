//! Sums over rows of weights at vector speed, for whoever looks at maps row by row.
//!
//! Plain loops over `LANES` numbers, inlined into a kernel that [`dispatch`] compiles for the processor's widest
//! vectors. Their number never changes and what is fused is written so, so every processor gives the same bits.
//!
//! Rows come as f32 weights; `keep` is 1 for a key that counts and 0 for a hidden one.

const LANES: usize = 16;
/// Numbers that stay in f32 lanes before they go to f64.
const CHUNK: usize = 16 * LANES;

/// Runs a kernel compiled for the processor at hand; what it calls must be `inline(always)`, closures too: what is not
/// inlined is compiled for the oldest processor.
pub fn dispatch<R>(kernel: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(kernel)
}

/// What the weights of a row that the mask admits come to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Visible {
    /// sum w.
    pub sum: f64,
    /// sum w^2.
    pub squares: f64,
    /// sum w ln w.
    pub log_sum: f64,
}

/// Sum, squares and w ln w of the kept weights. f64 but for the logarithm.
#[inline(always)]
pub fn visible(weights: &[f32], keep: &[f32]) -> Visible {
    let mut sums = [[0.0f64; LANES]; 3];
    each_kept(
        weights,
        keep,
        #[inline(always)]
        |lane, w| {
            let x = f64::from(w);
            sums[0][lane] += x;
            sums[1][lane] += x * x;
            sums[2][lane] += f64::from(w * ln(w.max(1e-37)));
        },
    );
    let [sum, squares, log_sum] = sums.map(|lanes| lanes.iter().sum());
    Visible { sum, squares, log_sum }
}

/// The same without the logarithms: `log_sum` is NaN.
#[inline(always)]
pub fn visible_without_logs(weights: &[f32], keep: &[f32]) -> Visible {
    let mut sums = [[0.0f64; LANES]; 2];
    each_kept(
        weights,
        keep,
        #[inline(always)]
        |lane, w| {
            let x = f64::from(w);
            sums[0][lane] += x;
            sums[1][lane] += x * x;
        },
    );
    let [sum, squares] = sums.map(|lanes| lanes.iter().sum());
    Visible { sum, squares, log_sum: f64::NAN }
}

/// Shows every weight, zero where it is hidden, with its lane.
#[inline(always)]
fn each_kept(weights: &[f32], keep: &[f32], mut take: impl FnMut(usize, f32)) {
    let ((w, w_rest), (k, k_rest)) = (weights.as_chunks::<LANES>(), keep.as_chunks::<LANES>());
    for (w, k) in w.iter().zip(k) {
        for lane in 0..LANES {
            take(lane, w[lane] * k[lane]);
        }
    }
    for (lane, (&w, &k)) in w_rest.iter().zip(k_rest).enumerate() {
        take(lane, w * k);
    }
}

/// Sum of |w|, not finite if any weight is not, and the lowest weight.
#[inline(always)]
pub fn mass(weights: &[f32]) -> (f64, f32) {
    let (mut sum, mut lowest) = ([0.0f64; LANES], [0.0f32; LANES]);
    let (whole, rest) = weights.as_chunks::<LANES>();
    for w in whole {
        for lane in 0..LANES {
            sum[lane] += f64::from(w[lane].abs());
            lowest[lane] = if w[lane] < lowest[lane] { w[lane] } else { lowest[lane] };
        }
    }
    for (lane, &w) in rest.iter().enumerate() {
        sum[lane] += f64::from(w.abs());
        lowest[lane] = if w < lowest[lane] { w } else { lowest[lane] };
    }
    (sum.iter().sum(), lowest.into_iter().fold(0.0, f32::min))
}

/// Sum of the kept weights, f64.
#[inline(always)]
pub fn sum_kept(weights: &[f32], keep: &[f32]) -> f64 {
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
pub fn clean(weights: &mut [f32], keep: &[f32]) {
    for (w, &keep) in weights.iter_mut().zip(keep) {
        *w = if *w >= 0.0 && *w < f32::INFINITY { *w * keep } else { 0.0 };
    }
}

/// Sum of the weights, f64.
#[inline(always)]
pub fn sum(weights: &[f32]) -> f64 {
    let mut sum = [0.0f64; LANES];
    let (whole, rest) = weights.as_chunks::<LANES>();
    for w in whole {
        for lane in 0..LANES {
            sum[lane] += f64::from(w[lane]);
        }
    }
    for (lane, &w) in rest.iter().enumerate() {
        sum[lane] += f64::from(w);
    }
    sum.iter().sum()
}

/// The lowest key of the largest weight; `u32::MAX` where none is positive.
#[inline(always)]
pub fn strongest(weights: &[f32]) -> u32 {
    let mut top = [0.0f32; LANES];
    let (whole, rest) = weights.as_chunks::<LANES>();
    for w in whole {
        for lane in 0..LANES {
            top[lane] = if w[lane] > top[lane] { w[lane] } else { top[lane] };
        }
    }
    let most = top.iter().chain(rest).fold(0.0f32, |most, &w| if w > most { w } else { most });
    match most > 0.0 {
        true => weights.iter().position(|&w| w == most).map_or(u32::MAX, |key| key as u32),
        false => u32::MAX,
    }
}

/// `sums` += `scale` x the kept weights.
#[inline(always)]
pub fn add_kept(sums: &mut [f64], weights: &[f32], keep: &[f32], scale: f64) {
    for ((sum, &w), &k) in sums.iter_mut().zip(weights).zip(keep) {
        *sum += scale * f64::from(w * k);
    }
}

/// Sum of `term(x, y)`.
#[inline(always)]
pub fn sum2(x: &[f32], y: &[f32], term: impl Fn(f32, f32) -> f32) -> f64 {
    sum3(
        x,
        y,
        y,
        #[inline(always)]
        |x, y, _| term(x, y),
    )
}

/// Sum of `term(x, y, z)`.
#[inline(always)]
pub fn sum3(x: &[f32], y: &[f32], z: &[f32], term: impl Fn(f32, f32, f32) -> f32) -> f64 {
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
pub fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    // Shift the exponent's boundary to sqrt(1/2).
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let exponent = (shifted as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32)) - 1.0;
    let e = exponent as f32;
    let z = m * m;
    let mut p = 7.037_683_6e-2f32;
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
        p = p.mul_add(m, c);
    }
    // ln 2 in two parts, the first exact in few bits.
    let low = (-2.121_944_4e-4f32).mul_add(e, (p * m - 0.5) * z);
    0.693_359_375f32.mul_add(e, m + low)
}

/// Least mass on the common support for which a row has a distribution there.
const LEAST_MASS: f64 = 1e-9;

/// Jensen-Shannon divergence of two rows renormalised on the keys with `keep` 1 (0: hidden), nats, in [0, ln 2]; `None`
/// where one has no mass there.
///
/// With m = (a + b) / 2 and t = (a - b) / (a + b): sum_j m ((1 + t) ln(1 + t) + (1 - t) ln(1 - t)) / 2. Exactly zero for
/// equal rows, no cancellation for close ones, one division per key.
///
/// # Precision
/// 3e-7 JS + 5e-8 sqrt(JS): f32 rounds each weight by 6e-8.
/// # Source
/// Lin 1991, *Divergence measures based on the Shannon entropy*.
pub fn jensen_shannon(a: &[f32], b: &[f32], keep: &[f32]) -> Option<f64> {
    dispatch(
        #[inline(always)]
        || {
            let (mass_a, mass_b) = (sum_kept(a, keep), sum_kept(b, keep));
            if !(mass_a > LEAST_MASS && mass_b > LEAST_MASS && mass_a.is_finite() && mass_b.is_finite()) {
                return None;
            }
            let (scale_a, scale_b) = ((1.0 / mass_a) as f32, (1.0 / mass_b) as f32);
            let four = sum3(
                a,
                b,
                keep,
                #[inline(always)]
                |x, y, keep| apart(x * keep * scale_a, y * keep * scale_b),
            );
            Some((0.25 * four).clamp(0.0, std::f64::consts::LN_2))
        },
    )
}

/// The same for weights of any scale over keys that both rows see, within a kernel; NaN where one has no mass.
#[inline(always)]
pub(crate) fn divergence(a: &[f32], b: &[f32]) -> f64 {
    let (mass_a, mass_b) = (sum(a), sum(b));
    let (scale_a, scale_b) = ((1.0 / mass_a) as f32, (1.0 / mass_b) as f32);
    if !(mass_a > 0.0 && mass_b > 0.0 && scale_a.is_finite() && scale_b.is_finite()) {
        return f64::NAN;
    }
    let four = sum2(
        a,
        b,
        #[inline(always)]
        |x, y| apart(x * scale_a, y * scale_b),
    );
    (0.25 * four).clamp(0.0, std::f64::consts::LN_2)
}

/// Four times what a key adds to the divergence of two distributions.
#[inline(always)]
fn apart(x: f32, y: f32) -> f32 {
    let both = (x + y).max(1e-37);
    both * two_sided_log((x - y) / both)
}

/// (1 + t) ln(1 + t) + (1 - t) ln(1 - t) for t in [-1, 1]; an even function, t^2 + t^4 / 6 + t^6 / 15 + ... near zero.
#[inline(always)]
fn two_sided_log(t: f32) -> f32 {
    let u = t * t;
    let mut near = 1.0 / 45.0;
    for c in [1.0 / 28.0, 1.0 / 15.0, 1.0 / 6.0, 1.0] {
        near = u.mul_add(near, c);
    }
    let near = u * near;
    let (up, down) = (1.0 + t, 1.0 - t);
    let far = up.mul_add(ln(up.max(1e-37)), down * ln(down.max(1e-37)));
    if u < 0.04 { near } else { far }
}

#[cfg(test)]
mod tests {
    use crate::random::Philox;

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
            let short = dispatch(|| visible_without_logs(&weights, &keep));
            assert_eq!((short.sum, short.squares), (got.sum, got.squares));
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

    /// (1, 0) and (0, 1) are ln 2 apart; (1, 0) and (1/2, 1/2): 3/4 ln(4/3) ... = 0.2157616.
    #[test]
    fn divergences_by_hand() {
        let js = |a: &[f32], b: &[f32]| jensen_shannon(a, b, &vec![1.0; a.len()]);
        assert!((js(&[1.0, 0.0], &[0.0, 1.0]).unwrap() - std::f64::consts::LN_2).abs() < 1e-7);
        assert!((js(&[1.0, 0.0], &[0.5, 0.5]).unwrap() - 0.215_761_6).abs() < 1e-6);
        assert_eq!(js(&[0.3, 0.7], &[0.3, 0.7]), Some(0.0));
        assert_eq!(js(&[0.0, 0.0], &[0.3, 0.7]), None);
        // On the first key alone, both rows are certain.
        assert_eq!(js(&[0.2], &[0.9]), Some(0.0));
        assert_eq!(jensen_shannon(&[0.2, 0.8], &[0.9, 0.1], &[1.0, 0.0]), Some(0.0));
        assert_eq!(js(&[f32::NAN, 0.5], &[0.5, 0.5]), None);
    }

    /// sum_j a/2 ln(2a / (a + b)) + b/2 ln(2b / (a + b)), in f64.
    fn by_definition(a: &[f32], b: &[f32]) -> f64 {
        let sum = |row: &[f32]| row.iter().map(|&w| f64::from(w)).sum::<f64>();
        let (pa, pb) = (sum(a), sum(b));
        let term = |x: f64, m: f64| if x > 0.0 { x * (x / m).ln() / 2.0 } else { 0.0 };
        let pair = |(&x, &y): (&f32, &f32)| {
            let (x, y) = (f64::from(x) / pa, f64::from(y) / pb);
            term(x, (x + y) / 2.0) + term(y, (x + y) / 2.0)
        };
        a.iter().zip(b).map(pair).sum()
    }

    /// From rows that hardly differ to rows that share no key, the error stays relative to the divergence.
    #[test]
    fn close_rows_do_not_cancel() {
        let mut random = Philox::new(6, 0);
        for n in [1, 7, 64, 300] {
            for spread in [1e-4, 1e-2, 0.3, 5.0, 20.0] {
                let a: Vec<f32> = (0..n).map(|_| random.normal().exp() as f32).collect();
                let b: Vec<f32> = a.iter().map(|&w| w * (spread * random.normal()).exp() as f32).collect();
                let (got, expected) = (jensen_shannon(&a, &b, &vec![1.0; n]).unwrap(), by_definition(&a, &b));
                let bound = 3e-7 * expected + 5e-8 * expected.sqrt() + 1e-13;
                assert!((got - expected).abs() <= bound, "{n} {spread}: {got} {expected}");
            }
        }
    }

    /// Without hidden keys and at any scale, the divergence within a kernel is the same.
    #[test]
    fn scale_changes_no_divergence() {
        let mut random = Philox::new(8, 0);
        for n in [1, 2, 31, 5000] {
            let a: Vec<f32> = (0..n).map(|_| random.normal().exp() as f32).collect();
            let b: Vec<f32> = (0..n).map(|_| random.normal().exp() as f32).collect();
            let expected = jensen_shannon(&a, &b, &vec![1.0; n]).unwrap();
            for scale in [1.0f32, 1e-12, 1e9] {
                let scaled: Vec<f32> = b.iter().map(|w| w * scale).collect();
                assert!((divergence(&a, &scaled) - expected).abs() <= 1e-6 * expected, "{n} {scale}");
            }
        }
        assert!(divergence(&[0.0, 0.0], &[0.5, 0.5]).is_nan() && divergence(&[], &[]).is_nan());
    }

    #[test]
    fn the_strongest_key_is_the_first_of_equals() {
        let row: Vec<f32> = (0..70).map(|key| if key == 33 || key == 69 { 0.5 } else { 0.25 }).collect();
        assert_eq!(
            (strongest(&row), strongest(&row[34..]), strongest(&[0.0; 5]), strongest(&[])),
            (33, 35, u32::MAX, u32::MAX)
        );
        assert_eq!(strongest(&[f32::NAN, -1.0, 0.1]), 2);
    }
}
