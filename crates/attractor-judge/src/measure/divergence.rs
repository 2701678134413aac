//! Jensen-Shannon divergence between rows, on the keys that both may see.

use std::ops::Range;

use attractor::retrieve::Mask;

use super::{Geometry, Source};
use crate::error::Result;
use crate::statistics::Triangle;

/// Least mass on the common support for which a row has a distribution there.
const LEAST_MASS: f64 = 1e-9;

/// JS divergence of two rows renormalised on `common`, nats, in [0, ln 2]; `None` where one has no mass there.
///
/// sum_j a/2 ln(2a / (a + b)) + b/2 ln(2b / (a + b)): exactly zero for equal rows, no cancellation for close ones.
pub(crate) fn jensen_shannon(a: &[f32], b: &[f32], common: Range<usize>, mask: &Mask) -> Option<f64> {
    let visible = |key: &usize| !mask.hides(*key);
    let sum = |row: &[f32]| common.clone().filter(visible).map(|j| f64::from(row[j])).sum::<f64>();
    let (pa, pb) = (sum(a), sum(b));
    // Negated, so that a NaN is no mass.
    if !(pa > LEAST_MASS && pb > LEAST_MASS) {
        return None;
    }
    let mut js = 0.0;
    for j in common.filter(visible) {
        let (x, y) = (f64::from(a[j]) / pa, f64::from(b[j]) / pb);
        if x == y {
            continue;
        }
        let middle = (x + y) / 2.0;
        if x > 0.0 {
            js += x * (x / middle).ln();
        }
        if y > 0.0 {
            js += y * (y / middle).ln();
        }
    }
    Some((js / 2.0).max(0.0))
}

/// The rows of the diversity check, with running sums that give any common support's entropy at once.
struct MantelRows {
    rows: Vec<Vec<f32>>,
    ranges: Vec<Range<usize>>,
    mass: Vec<Vec<f64>>,
    log_mass: Vec<Vec<f64>>,
}

impl MantelRows {
    /// Takes rows that are distributions already, with the keys each may see.
    fn new(rows: Vec<Vec<f32>>, ranges: Vec<Range<usize>>) -> Self {
        let running = |row: &[f32], term: fn(f64) -> f64| {
            let mut sums = Vec::with_capacity(row.len() + 1);
            let mut sum = 0.0;
            sums.push(0.0);
            for &w in row {
                sum += term(f64::from(w));
                sums.push(sum);
            }
            sums
        };
        let mass = rows.iter().map(|row| running(row, |w| w)).collect();
        let log_mass = rows.iter().map(|row| running(row, |w| if w > 0.0 { w * w.ln() } else { 0.0 })).collect();
        Self { rows, ranges, mass, log_mass }
    }

    /// JS of every pair in the order of [`Triangle`], nats; NaN where a row has no mass on the common support.
    ///
    /// JS = H(middle) - (H(a) + H(b)) / 2; only H(middle) needs a logarithm a key. f32 with an absolute error of
    /// about 1e-6; what is below 4e-6 is rounded to zero, so that equal rows tie.
    fn divergences(&self) -> Vec<f32> {
        let triangle = Triangle { rows: self.rows.len() };
        let mut out = Vec::with_capacity(triangle.len());
        for high in 1..self.rows.len() {
            for low in 0..high {
                out.push(self.divergence(high, low));
            }
        }
        out
    }

    fn divergence(&self, a: usize, b: usize) -> f32 {
        let start = self.ranges[a].start.max(self.ranges[b].start);
        let end = self.ranges[a].end.min(self.ranges[b].end);
        if start >= end {
            return f32::NAN;
        }
        let mass = |row: usize| self.mass[row][end] - self.mass[row][start];
        let (pa, pb) = (mass(a), mass(b));
        if !(pa > LEAST_MASS && pb > LEAST_MASS) {
            return f32::NAN;
        }
        let negative_entropy = |row: usize, p: f64| (self.log_mass[row][end] - self.log_mass[row][start]) / p - p.ln();
        let middle =
            middle_log_sum(&self.rows[a][start..end], &self.rows[b][start..end], (0.5 / pa) as f32, (0.5 / pb) as f32);
        let js = (negative_entropy(a, pa) + negative_entropy(b, pb)) / 2.0 - middle;
        if js < 4e-6 { 0.0 } else { js as f32 }
    }
}

/// sum_j m ln m for m = a x + b y, in eight lanes that are summed in f64.
fn middle_log_sum(x: &[f32], y: &[f32], a: f32, b: f32) -> f64 {
    const LANES: usize = 8;
    let term = |x: f32, y: f32| {
        let m = (a * x + b * y).max(1e-37);
        m * ln(m)
    };
    let mut total = 0.0f64;
    // Blocks of 128 keys keep the f32 lanes short.
    for (x, y) in x.chunks(16 * LANES).zip(y.chunks(16 * LANES)) {
        let mut lanes = [0.0f32; LANES];
        let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
        for (x, y) in xs.remainder().iter().zip(ys.remainder()) {
            total += f64::from(term(*x, *y));
        }
        for (x, y) in xs.zip(ys) {
            for lane in 0..LANES {
                lanes[lane] += term(x[lane], y[lane]);
            }
        }
        total += lanes.iter().map(|&l| f64::from(l)).sum::<f64>();
    }
    total
}

/// ln of a positive normal f32, within 2 ulp, without branches so that it vectorises.
///
/// x = 2^e m with m in [sqrt(1/2), sqrt(2)); a degree-8 minimax polynomial in m - 1.
#[inline(always)]
fn ln(x: f32) -> f32 {
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

/// JS between the chosen rows of one map, in the order of [`Triangle`]; empty without the map.
pub(crate) fn of_rows(source: &Source<'_>, g: &Geometry, input: usize) -> Result<Vec<f32>> {
    let mut rows = Vec::with_capacity(g.chosen.len());
    let mut ranges = Vec::with_capacity(g.chosen.len());
    for &row in &g.chosen {
        let Some(block) = source.distributions(input, row..row + 1)? else { return Ok(Vec::new()) };
        rows.push(block.into_owned());
        ranges.push(g.mask.range(row, g.keys));
    }
    Ok(MantelRows::new(rows, ranges).divergences())
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

    /// (1, 0) and (0, 1) are ln 2 apart; (1, 0) and (1/2, 1/2): 3/4 ln(4/3) ... = 0.2157616.
    #[test]
    fn divergences_by_hand() {
        let full = Mask::full();
        let js = |a: &[f32], b: &[f32]| jensen_shannon(a, b, 0..a.len(), &full);
        assert!((js(&[1.0, 0.0], &[0.0, 1.0]).unwrap() - std::f64::consts::LN_2).abs() < 1e-12);
        assert!((js(&[1.0, 0.0], &[0.5, 0.5]).unwrap() - 0.215_761_6).abs() < 1e-6);
        assert_eq!(js(&[0.3, 0.7], &[0.3, 0.7]), Some(0.0));
        assert_eq!(js(&[0.0, 0.0], &[0.3, 0.7]), None);
        // On the first key alone, both rows are certain.
        assert_eq!(jensen_shannon(&[0.2, 0.8], &[0.9, 0.1], 0..1, &full), Some(0.0));
        let hidden = Mask { hidden: vec![false, true], ..Mask::full() };
        assert_eq!(jensen_shannon(&[0.2, 0.8], &[0.9, 0.1], 0..2, &hidden), Some(0.0));
    }

    #[test]
    fn the_fast_triangle_agrees_with_the_definition() {
        let (n, mask) = (23, Mask::causal());
        let mut random = Philox::new(4, 0);
        let rows: Vec<Vec<f32>> = (0..n)
            .map(|i| {
                let raw: Vec<f32> =
                    (0..n).map(|j| if j <= i { (3.0 * random.normal()).exp() as f32 } else { 0.0 }).collect();
                let sum: f32 = raw.iter().sum();
                raw.iter().map(|w| w / sum).collect()
            })
            .collect();
        let ranges: Vec<_> = (0..n).map(|i| mask.range(i, n)).collect();
        let fast = MantelRows::new(rows.clone(), ranges.clone()).divergences();
        let triangle = Triangle { rows: n };
        for a in 1..n {
            for b in 0..a {
                let slow = jensen_shannon(&rows[a], &rows[b], ranges[b].clone(), &mask).unwrap();
                let got = f64::from(fast[triangle.index(a, b)]);
                assert!((got - slow).abs() < 6e-6, "{a} {b}: {got} {slow}");
            }
        }
    }
}
