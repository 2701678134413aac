//! Shown to be as good as nothing: equivalence, not the absence of significance.
//!
//! With enough inputs every head is significantly not uniform, and with few none is. What may be said of a head is that
//! its distance from uniform is below a margin that does not matter: the null hypothesis is "the mean is at least the
//! margin", and it must be rejected.

use super::{Interval, Sides, sign_flip};

/// What an equivalence test came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Equivalence {
    /// p-value of "the mean is at least the margin", by paired sign flips of (margin - figure).
    pub p: f64,
    /// True if the interval's upper end lies below the margin.
    pub equivalent: bool,
}

/// Tests whether the mean of `values`, one per input and none below zero, is smaller than `margin`; `interval` is theirs.
///
/// The decision is the interval's: its upper end must lie below the margin. A figure that cannot be negative has one side
/// only, so this is one of the two one-sided tests, and a 95 % interval makes it one of level 2.5 %. The p-value says
/// the same by another way; it assumes differences that are symmetric about the margin under the null.
///
/// # Source
/// Schuirmann 1987, *A comparison of the two one-sided tests procedure*; the interval's form is Westlake's 1972.
pub fn equivalence(values: &[f64], interval: &Interval, margin: f64, seed: u64, permutations: usize) -> Equivalence {
    let room: Vec<f64> = values.iter().map(|v| margin - v).collect();
    let p = sign_flip(&room, Sides::Greater, seed, permutations).map_or(1.0, |test| test.p);
    Equivalence { p, equivalent: interval.high < margin }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Bootstrap;

    fn test(values: &[f64]) -> Equivalence {
        equivalence(values, &Bootstrap::new(1, 1999, 0.95).interval(values).unwrap(), 0.02, 0, 999)
    }

    /// Five figures well below the margin: only +++++ of 32 signs is as extreme. Around the margin nothing is shown.
    #[test]
    fn below_around_and_above_the_margin() {
        let below = test(&[0.010, 0.012, 0.008, 0.011, 0.009]);
        assert!(below.equivalent && below.p == 1.0 / 32.0, "{below:?}");
        let around = test(&[0.010, 0.030, 0.012, 0.028, 0.019]);
        assert!(!around.equivalent && around.p > 0.4, "{around:?}");
        let above = test(&[0.030, 0.032, 0.028, 0.031, 0.029]);
        assert!(!above.equivalent && above.p == 1.0, "{above:?}");
    }

    /// At the margin itself a head is called uniform as often as the level says: 400 trials of 20 normal figures; theory
    /// for this interval about 0.035 (the bootstrap ignores the t quantile), standard error 0.0092, accepted +- 4.
    #[test]
    fn at_the_margin_the_level_is_kept() {
        let trials = 400;
        let hits = (0..trials)
            .filter(|&trial| {
                let mut random = attractor::random::Philox::new(8, trial);
                let values: Vec<f64> = (0..20).map(|_| 1.0 + 0.3 * random.normal()).collect();
                let interval = Bootstrap::new(trial, 499, 0.95).interval(&values).unwrap();
                equivalence(&values, &interval, 1.0, trial, 199).equivalent
            })
            .count();
        let rate = hits as f64 / trials as f64;
        assert!((rate - 0.035).abs() < 4.0 * 0.0092, "{rate}");
    }
}
