//! Permutation p-values and the paired sign-flip test.

use attractor::random::Philox;
use attractor::random::stream::{JudgementStream, judged};

use super::mean;
use super::permuted::{Permuted, ROUNDING, p_value};

/// The p-value of `observed` against a sample of its null distribution; large values are extreme.
///
/// Values within 1e-9 (relative) of the observation count as ties, that is as extreme: sums in another order must not
/// decide.
pub fn upper_p(observed: f64, null: &[f64]) -> f64 {
    let bar = observed - 1e-9 * observed.abs().max(1e-12);
    p_value(null.iter().filter(|&&v| v >= bar).count(), null.len())
}

/// Which differences are extreme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// Large ones.
    Greater,
    /// Large and small ones.
    Both,
}

/// Result of a sign-flip test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlip {
    /// The p-value.
    pub p: f64,
    /// True if all 2^n signs were tried.
    pub exact: bool,
}

/// Paired test of "the differences are symmetric about zero": flips signs, compares the mean.
///
/// All 2^n sign patterns for n <= 14, else `permutations` random ones with (b + 1) / (m + 1). The smallest p that n
/// inputs can give is 2^-n one-sided.
/// `None` without differences or with one that is not a number.
pub fn sign_flip(differences: &[f64], sides: Sides, seed: u64, permutations: usize) -> Option<SignFlip> {
    let n = differences.len();
    if n == 0 || !differences.iter().all(|d| d.is_finite()) {
        return None;
    }
    let extreme = |value: f64| match sides {
        Sides::Greater => value,
        Sides::Both => value.abs(),
    };
    let observed = extreme(mean(differences));
    let bar = observed - 1e-9 * observed.abs().max(1e-12);
    if n <= 14 {
        let patterns = 1usize << n;
        let hits = (0..patterns)
            .filter(|signs| {
                let sum: f64 =
                    differences.iter().enumerate().map(|(i, d)| if signs >> i & 1 == 1 { -d } else { *d }).sum();
                extreme(sum / n as f64) >= bar
            })
            .count();
        return Some(SignFlip { p: hits as f64 / patterns as f64, exact: true });
    }
    let mut random = Philox::new(seed, judged(JudgementStream::Signs, n as u64));
    let hits = (0..permutations)
        .filter(|_| {
            let mut bits = 0u32;
            let mut sum = 0.0;
            for (i, d) in differences.iter().enumerate() {
                if i % 32 == 0 {
                    bits = random.next_u32();
                }
                sum += if bits >> (i % 32) & 1 == 1 { -d } else { *d };
            }
            extreme(sum / n as f64) >= bar
        })
        .count();
    Some(SignFlip { p: p_value(hits, permutations), exact: false })
}

/// Sign patterns shared by many tests over the same inputs.
///
/// A row of numbers, one per input, is flipped as a whole; figures of several candidates (positions, offsets) of one input
/// are flipped together, and the largest mean over candidates is compared, which pays for having chosen the best.
#[derive(Debug, Clone)]
pub struct SignFlips {
    inputs: usize,
    /// [pattern x words of 32 inputs]; a set bit flips.
    bits: Vec<u32>,
    words: usize,
    exact: bool,
}

impl SignFlips {
    /// All 2^n sign patterns where there are no more than `permutations`, else that many random ones.
    pub fn new(inputs: usize, permutations: usize, seed: u64) -> Self {
        let words = inputs.div_ceil(32).max(1);
        let exact = inputs < 32 && (1usize << inputs) <= permutations;
        let bits = match exact {
            true => (0..1u32 << inputs).collect(),
            false => {
                let mut random = Philox::new(seed, judged(JudgementStream::SharedSigns, inputs as u64));
                (0..permutations * words).map(|_| random.next_u32()).collect()
            }
        };
        Self { inputs, bits, words, exact }
    }

    /// True if every sign pattern is among them.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Number of sign patterns.
    pub fn len(&self) -> usize {
        self.bits.len() / self.words
    }

    /// True without sign patterns.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// The smallest p-value that these inputs can give.
    pub fn smallest_p(&self) -> f64 {
        if self.exact { 0.5f64.powi(self.inputs as i32) } else { 1.0 / (self.len() as f64 + 1.0) }
    }

    /// Largest mean over candidates, as observed and under each sign pattern; `differences` is [input x candidates],
    /// each with mean zero under the null. Differences within 1e-6 of zero are rounding and count as zero.
    ///
    /// # Panics
    /// If there is not one row of differences per input.
    pub fn test(&self, differences: &[f64], candidates: usize) -> Permuted {
        assert_eq!(differences.len(), self.inputs * candidates, "sign flips: one row of differences per input");
        let wide = candidates.max(1);
        let rows: Vec<f64> = differences.iter().map(|&d| if d.abs() < ROUNDING { 0.0 } else { d }).collect();
        // Sums of eight inputs under each of their 256 sign patterns, so that a pattern is a sum of one row a byte.
        let tables: Vec<Vec<f64>> = rows
            .chunks(8 * wide)
            .map(|block| {
                let mut table = vec![0.0f64; 256 * wide];
                for (signs, sums) in table.chunks_exact_mut(wide).enumerate() {
                    for (slot, row) in block.chunks_exact(wide).enumerate() {
                        let sign = if signs >> slot & 1 == 1 { -1.0 } else { 1.0 };
                        sums.iter_mut().zip(row).for_each(|(s, d)| *s += sign * d);
                    }
                }
                table
            })
            .collect();
        let mut sums = vec![0.0f64; wide];
        let mut largest = |bits: &[u32]| {
            sums.fill(0.0);
            for (block, table) in tables.iter().enumerate() {
                let signs = (bits[block / 4] >> (8 * (block % 4)) & 255) as usize;
                sums.iter_mut().zip(&table[signs * wide..(signs + 1) * wide]).for_each(|(s, t)| *s += t);
            }
            sums.iter().fold(f64::NEG_INFINITY, |most, &s| most.max(s)) / self.inputs as f64
        };
        let observed = largest(&vec![0; self.words]);
        let permuted = self.bits.chunks_exact(self.words).map(largest).collect();
        Permuted::new(observed, permuted, self.exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_never_zero() {
        assert_eq!(p_value(0, 999), 0.001);
        assert_eq!(p_value(999, 999), 1.0);
        assert_eq!(upper_p(3.0, &[1.0, 2.0, 3.0, 4.0]), 3.0 / 5.0);
    }

    /// Three differences 1, 2, 3: only +++ reaches the mean 2 (1 of 8); two-sided --- too (2 of 8).
    #[test]
    fn sign_flips_by_hand() {
        let one = sign_flip(&[1.0, 2.0, 3.0], Sides::Greater, 0, 99).unwrap();
        assert_eq!((one.p, one.exact), (0.125, true));
        assert_eq!(sign_flip(&[1.0, 2.0, 3.0], Sides::Both, 0, 99).unwrap().p, 0.25);
        // 3, -1, 1: sums 3 (twice: +-+ and ++-), 5, 1, and their negatives; observed 3 -> {5, 3, 3} of 8.
        assert_eq!(sign_flip(&[3.0, -1.0, 1.0], Sides::Greater, 0, 99).unwrap().p, 0.375);
        assert_eq!(sign_flip(&[1.0, f64::NAN], Sides::Both, 0, 99), None);
    }

    /// Under the null the random test rejects at 0.05 in 5 % of 400 trials; standard error 0.0109, accepted +- 4.
    #[test]
    fn the_random_sign_flip_keeps_its_level() {
        let trials = 400;
        let rejected = (0..trials)
            .filter(|&trial| {
                let mut random = Philox::new(5, trial);
                let differences: Vec<f64> = (0..20).map(|_| random.normal()).collect();
                let test = sign_flip(&differences, Sides::Both, trial, 199).unwrap();
                assert!(!test.exact);
                test.p <= 0.05
            })
            .count();
        let rate = rejected as f64 / trials as f64;
        assert!((rate - 0.05).abs() < 4.0 * 0.0109, "{rate}");
    }

    /// The shared patterns give what the single test gives, and two candidates cost what having chosen costs.
    #[test]
    fn shared_signs_by_hand() {
        let flips = SignFlips::new(3, 99, 0);
        assert_eq!((flips.len(), flips.is_exact(), flips.smallest_p()), (8, true, 0.125));
        assert_eq!(flips.test(&[1.0, 2.0, 3.0], 1).p, 0.125);
        assert_eq!(flips.test(&[3.0, -1.0, 1.0], 1).p, 0.375);
        // The second candidate is the first negated: --- reaches the maximum too.
        assert_eq!(flips.test(&[1.0, -1.0, 2.0, -2.0, 3.0, -3.0], 2).p, 0.25);
        // Rounding is no effect.
        assert_eq!(flips.test(&[1e-9, 2e-9, 3e-9], 1).p, 1.0);
        let many = SignFlips::new(40, 500, 7);
        assert!(!many.is_exact() && many.len() == 500);
        let differences: Vec<f64> = (0..40).map(|i| f64::from(i % 7) - 1.5).collect();
        assert!((many.test(&differences, 1).p - 1.0 / 501.0).abs() < 0.01);
    }

    /// Eight differences, all 256 signs: scipy 1.17.1, `permutation_test(permutation_type="samples")`, gives 0.03125
    /// one-sided and 0.0625 two-sided.
    #[test]
    fn sign_flips_as_scipy_has_them() {
        let differences = [0.5, -0.2, 0.7, 0.1, 0.4, -0.1, 0.3, 0.6];
        assert_eq!(sign_flip(&differences, Sides::Greater, 0, 99).unwrap().p, 0.03125);
        assert_eq!(sign_flip(&differences, Sides::Both, 0, 99).unwrap().p, 0.0625);
        let flips = SignFlips::new(8, 256, 0);
        assert!(flips.is_exact());
        assert_eq!(flips.test(&differences, 1).p, 0.03125);
    }

    /// Forty inputs in five bytes and two words: the table's sums are those of the definition, sign by sign.
    #[test]
    fn sums_by_table_are_sums_by_sign() {
        let mut random = Philox::new(2, 9);
        let (inputs, candidates) = (40, 3);
        let differences: Vec<f64> = (0..inputs * candidates).map(|_| random.normal()).collect();
        let flips = SignFlips::new(inputs, 300, 5);
        let test = flips.test(&differences, candidates);
        for (pattern, &got) in test.permuted.iter().enumerate() {
            let sign = |i: usize| if flips.bits[2 * pattern + i / 32] >> (i % 32) & 1 == 1 { -1.0 } else { 1.0 };
            let of = |c: usize| (0..inputs).map(|i| sign(i) * differences[i * candidates + c]).sum::<f64>();
            let expected = (0..candidates).map(of).fold(f64::NEG_INFINITY, f64::max) / inputs as f64;
            assert!((got - expected).abs() < 1e-12, "{got}, expected {expected}");
        }
    }
}
