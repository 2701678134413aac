//! Permutation p-values and the paired sign-flip test.

use attractor::random::Philox;

use super::{mean, stream};

/// (b + 1) / (m + 1): `exceeding` of `permutations` random permutations were at least as extreme as the observation.
///
/// Never zero: the observation itself is one of the arrangements.
/// # Source
/// Phipson and Smyth 2010, *Permutation p-values should never be zero*.
pub fn p_value(exceeding: usize, permutations: usize) -> f64 {
    (exceeding as f64 + 1.0) / (permutations as f64 + 1.0)
}

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
    let mut random = Philox::new(seed, stream::SIGNS | n as u64);
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
}
