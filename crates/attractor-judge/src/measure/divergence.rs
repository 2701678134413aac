//! Jensen-Shannon divergence between rows, on the keys that both may see.

use std::ops::Range;

use super::{Geometry, Source, vector};
use crate::statistics::Triangle;
use attractor::Result;

/// Least mass on the common support for which a row has a distribution there.
const LEAST_MASS: f64 = 1e-9;

/// JS divergence of two rows renormalised on the keys with `keep` 1 (0: hidden), nats, in [0, ln 2]; `None` where one
/// has no mass there.
///
/// With m = (a + b) / 2 and t = (a - b) / (a + b): sum_j m ((1 + t) ln(1 + t) + (1 - t) ln(1 - t)) / 2. Exactly zero for
/// equal rows, no cancellation for close ones, one division a key.
///
/// # Precision
/// 3e-7 JS + 5e-8 sqrt(JS): f32 rounds each weight by 6e-8.
/// # Source
/// Lin 1991, *Divergence measures based on the Shannon entropy*.
pub(crate) fn jensen_shannon(a: &[f32], b: &[f32], keep: &[f32]) -> Option<f64> {
    vector::dispatch(
        #[inline(always)]
        || {
            let (pa, pb) = (vector::sum_kept(a, keep), vector::sum_kept(b, keep));
            let is_mass = |p: f64| p > LEAST_MASS && p.is_finite();
            (is_mass(pa) && is_mass(pb)).then(|| {
                let (scale_a, scale_b) = ((1.0 / pa) as f32, (1.0 / pb) as f32);
                let twice = vector::sum3(a, b, keep, |x, y, keep| {
                    let (x, y) = (x * keep * scale_a, y * keep * scale_b);
                    let both = (x + y).max(1e-37);
                    both * two_sided_log((x - y) / both)
                });
                (0.25 * twice).max(0.0)
            })
        },
    )
}

/// (1 + t) ln(1 + t) + (1 - t) ln(1 - t) for t in [-1, 1]; an even function, t^2 + t^4 / 6 + t^6 / 15 + ... near zero.
#[inline(always)]
fn two_sided_log(t: f32) -> f32 {
    let u = t * t;
    let near = u * (1.0 + u * (1.0 / 6.0 + u * (1.0 / 15.0 + u * (1.0 / 28.0 + u * (1.0 / 45.0)))));
    let (up, down) = (1.0 + t, 1.0 - t);
    let far = up * vector::ln(up.max(1e-37)) + down * vector::ln(down.max(1e-37));
    if u < 0.04 { near } else { far }
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
        vector::dispatch(
            #[inline(always)]
            || {
                for high in 1..self.rows.len() {
                    for low in 0..high {
                        out.push(self.divergence(high, low));
                    }
                }
                out
            },
        )
    }

    #[inline(always)]
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
        let (scale_a, scale_b) = ((0.5 / pa) as f32, (0.5 / pb) as f32);
        // sum_j m ln m of the middle m.
        let middle = vector::sum2(&self.rows[a][start..end], &self.rows[b][start..end], |x, y| {
            let m = (scale_a * x + scale_b * y).max(1e-37);
            m * vector::ln(m)
        });
        let js = (negative_entropy(a, pa) + negative_entropy(b, pb)) / 2.0 - middle;
        if js < 4e-6 { 0.0 } else { js as f32 }
    }
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
    use attractor::retrieve::Mask;

    use super::*;

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
                let slow = by_definition(&rows[a][ranges[b].clone()], &rows[b][ranges[b].clone()]);
                let got = f64::from(fast[triangle.index(a, b)]);
                assert!((got - slow).abs() < 6e-6, "{a} {b}: {got} {slow}");
            }
        }
    }
}
