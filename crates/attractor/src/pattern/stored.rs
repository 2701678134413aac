//! P patterns of N units, one bit a unit.

use rayon::prelude::*;

use super::Spins;
use super::spins::overlap;
use crate::error::{Error, Result};
use crate::random::Philox;

/// Most units: sums over 64 overlaps fit into 32 bits.
pub const MOST_UNITS: usize = 1 << 24;
/// Most words of all patterns: 1 TiB.
const MOST_WORDS: usize = 1 << 37;

/// P patterns of +1 and -1, packed [pattern, word]: P N / 8 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPatterns {
    units: usize,
    count: usize,
    words: Vec<u64>,
}

impl StoredPatterns {
    /// From patterns of one length.
    ///
    /// # Errors
    /// `is_shape` if there is none, if they are empty, or if their lengths differ.
    pub fn new(patterns: &[Spins]) -> Result<Self> {
        let Some(first) = patterns.first().filter(|first| !first.is_empty()) else {
            return Err(Error::shape("patterns: none was given, or one without units; needs at least one of each"));
        };
        let units = first.len();
        if let Some(odd) = patterns.iter().position(|pattern| pattern.len() != units) {
            return Err(Error::shape(format!(
                "patterns: pattern {odd} has {} units, pattern 0 has {units}; all must have the same number",
                patterns[odd].len()
            )));
        }
        check(units, patterns.len())?;
        let words = patterns.iter().flat_map(|pattern| pattern.words()).copied().collect();
        Ok(Self { units, count: patterns.len(), words })
    }

    /// Patterns whose units are +1 or -1 with probability one half.
    ///
    /// # Errors
    /// `is_shape` if there are no units or no patterns, or more than can be held.
    pub fn random(units: usize, count: usize, random: &mut Philox) -> Result<Self> {
        check(units, count)?;
        let mut words = Vec::new();
        for _ in 0..count {
            words.extend_from_slice(Spins::random(units, random).words());
        }
        Ok(Self { units, count, words })
    }

    /// Patterns of mean activity a: each unit +1 with probability (1 + a) / 2, so that two patterns overlap by a^2.
    ///
    /// # Errors
    /// `is_usage` if the activity lies outside [-1, 1]; else as [`random`](Self::random).
    pub fn biased(units: usize, count: usize, activity: f64, random: &mut Philox) -> Result<Self> {
        check(units, count)?;
        if !(-1.0..=1.0).contains(&activity) {
            return Err(Error::usage(format!("patterns: a mean activity of {activity}; expected one from -1 to 1")));
        }
        let mut words = Vec::new();
        for _ in 0..count {
            let mut pattern = Spins::new(units);
            for unit in 0..units {
                pattern.set(unit, random.uniform() < (1.0 + activity) / 2.0);
            }
            words.extend_from_slice(pattern.words());
        }
        Ok(Self { units, count, words })
    }

    /// Mean activity of all units of all patterns, in [-1, 1].
    pub fn activity(&self) -> f64 {
        let up: u64 = self.words.iter().map(|word| u64::from(word.count_ones())).sum();
        2.0 * up as f64 / (self.units as f64 * self.count as f64) - 1.0
    }

    /// N.
    pub fn units(&self) -> usize {
        self.units
    }

    /// P.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Load P / N.
    pub fn load(&self) -> f64 {
        self.count as f64 / self.units as f64
    }

    #[inline(always)]
    fn row(&self, pattern: usize) -> &[u64] {
        let width = self.units.div_ceil(64);
        &self.words[pattern * width..(pattern + 1) * width]
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is no such pattern.
    pub fn pattern(&self, pattern: usize) -> Spins {
        Spins::from_words(self.units, self.row(pattern))
    }

    /// Overlap of a state with one pattern, in -N..=N.
    ///
    /// # Panics
    /// If there is no such pattern, or the state has another length.
    pub fn overlap(&self, pattern: usize, state: &Spins) -> i32 {
        assert_eq!(self.units, state.len(), "patterns: a state of another length");
        overlap(self.units, self.row(pattern), state.words())
    }

    /// Overlaps of a state with every pattern.
    ///
    /// # Panics
    /// If the state has another length.
    pub fn overlaps(&self, state: &Spins) -> Vec<i32> {
        assert_eq!(self.units, state.len(), "patterns: a state of another length");
        /// Words of a part of parallel work: some hundredths of a millisecond, less would not be worth a thread.
        const PART: usize = 1 << 15;
        let width = self.units.div_ceil(64);
        let mut overlaps = vec![0; self.count];
        // Threads are not woken for it: only work that is on them already is divided.
        let rows = if rayon::current_thread_index().is_some() { PART.div_ceil(width) } else { self.count };
        let part = |(found, words)| {
            pulp::Arch::new().dispatch(Overlaps { units: self.units, state: state.words(), words, found });
        };
        match rows < self.count {
            true => overlaps.par_chunks_mut(rows).zip(self.words.par_chunks(rows * width)).for_each(part),
            false => part((&mut overlaps[..], &self.words[..])),
        }
        overlaps
    }

    /// The patterns unit by unit, [unit, word of patterns]: what a unit stores of all of them.
    pub(crate) fn by_unit(&self) -> Vec<u64> {
        let width = self.count.div_ceil(64);
        let mut turned = vec![0u64; self.units * width];
        for pattern in 0..self.count {
            let (word, bit) = (pattern / 64, 1u64 << (pattern % 64));
            for (index, &packed) in self.row(pattern).iter().enumerate() {
                let mut rest = packed;
                while rest != 0 {
                    let unit = index * 64 + rest.trailing_zeros() as usize;
                    turned[unit * width + word] |= bit;
                    rest &= rest - 1;
                }
            }
        }
        turned
    }
}

/// Popcounts by the widest registers there are.
struct Overlaps<'a> {
    units: usize,
    state: &'a [u64],
    /// Rows of as many words as the state.
    words: &'a [u64],
    found: &'a mut [i32],
}

impl pulp::WithSimd for Overlaps<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (row, found) in self.words.chunks_exact(self.state.len()).zip(self.found) {
            *found = overlap(self.units, row, self.state);
        }
    }
}

fn check(units: usize, count: usize) -> Result<()> {
    let words = units.div_ceil(64).checked_mul(count);
    if units == 0 || count == 0 || units > MOST_UNITS || words.is_none_or(|words| words > MOST_WORDS) {
        return Err(Error::shape(format!(
            "patterns: {count} of {units} units; needs at least one of each, at most 2^24 units and 2^40 bytes in all"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_unit_is_the_transpose() {
        let patterns = StoredPatterns::random(70, 67, &mut Philox::new(3, 0)).unwrap();
        let turned = patterns.by_unit();
        for unit in 0..70 {
            for pattern in 0..67 {
                let bit = turned[unit * 2 + pattern / 64] >> (pattern % 64) & 1 == 1;
                assert_eq!(bit, patterns.pattern(pattern).is_up(unit));
            }
        }
        let state = Spins::random(70, &mut Philox::new(4, 0));
        for (pattern, overlap) in patterns.overlaps(&state).into_iter().enumerate() {
            assert_eq!(overlap, patterns.pattern(pattern).overlap(&state));
        }
    }

    /// Mean activity and overlaps of pairs, within five standard errors.
    #[test]
    fn biased_patterns_have_their_activity_and_overlap() {
        let (units, count, a) = (500, 40, 0.4);
        let patterns = StoredPatterns::biased(units, count, a, &mut Philox::new(5, 0)).unwrap();
        let error = ((1.0 - a * a) / (units * count) as f64).sqrt();
        assert!((patterns.activity() - a).abs() < 5.0 * error, "{}", patterns.activity());
        let pairs: Vec<f64> = (0..count / 2)
            .map(|k| f64::from(patterns.overlap(2 * k, &patterns.pattern(2 * k + 1))) / units as f64)
            .collect();
        let mean = pairs.iter().sum::<f64>() / pairs.len() as f64;
        assert!((mean - a * a).abs() < 5.0 * ((1.0 - a.powi(4)) / (units * pairs.len()) as f64).sqrt(), "{mean}");
        for sure in [-1.0, 1.0] {
            let all = StoredPatterns::biased(9, 2, sure, &mut Philox::new(0, 0)).unwrap();
            assert_eq!(all.activity(), sure);
        }
        for bad in [1.5, f64::NAN] {
            assert!(StoredPatterns::biased(9, 2, bad, &mut Philox::new(0, 0)).unwrap_err().is_usage());
        }
    }

    #[test]
    fn invalid_sets_of_patterns_are_refused() {
        assert!(StoredPatterns::new(&[]).unwrap_err().is_shape());
        let error = StoredPatterns::new(&[Spins::new(5), Spins::new(6)]).unwrap_err();
        assert!(error.to_string().contains("pattern 1 has 6 units"), "{error}");
        for (units, count) in [(0, 3), (3, 0), (usize::MAX, 2), (64, usize::MAX)] {
            assert!(StoredPatterns::random(units, count, &mut Philox::new(0, 0)).unwrap_err().is_shape());
        }
    }
}
