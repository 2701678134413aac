//! Patterns of real numbers: what a modern memory stores.

use crate::error::{Error, Result};

/// What was taken from patterns: a pattern of the data is `length` times the stored one, plus `mean`.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Mean of all patterns of the data, `[d]`, feature units; zeros where nothing was taken.
    pub mean: Vec<f64>,
    /// Mean length of the patterns less their mean, feature units, > 0; one where nothing was taken.
    pub length: f64,
}

impl Frame {
    /// Of patterns of `width` features that are stored as they are.
    pub fn identity(width: usize) -> Self {
        Self { mean: vec![0.0; width], length: 1.0 }
    }

    /// A stored state in the units of the data.
    pub fn restored(&self, state: &[f64]) -> Vec<f64> {
        state.iter().zip(&self.mean).map(|(x, m)| x * self.length + m).collect()
    }
}

/// N patterns of d features, rows of a matrix X [N, d].
#[derive(Debug, Clone, PartialEq)]
pub struct RealPatterns {
    count: usize,
    width: usize,
    numbers: Vec<f64>,
}

impl RealPatterns {
    /// From numbers, pattern after pattern.
    ///
    /// # Errors
    /// `is_shape` if there is no pattern or feature, or not `count` x `width` numbers; `is_usage` for one that is no
    /// number, with its place.
    pub fn new(count: usize, width: usize, numbers: Vec<f64>) -> Result<Self> {
        if count == 0 || width == 0 || count.checked_mul(width) != Some(numbers.len()) {
            return Err(Error::shape(format!(
                "patterns: {} numbers cannot be {count} patterns x {width} features; check the shape",
                numbers.len()
            )));
        }
        if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
            return Err(Error::usage(format!(
                "patterns: feature {} of pattern {} is {}; expected a number",
                at % width,
                at / width,
                numbers[at]
            )));
        }
        Ok(Self { count, width, numbers })
    }

    /// The same from f32, widened.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_f32(count: usize, width: usize, numbers: &[f32]) -> Result<Self> {
        Self::new(count, width, numbers.iter().map(|&x| f64::from(x)).collect())
    }

    /// Patterns less their mean, brought to the mean length one: scores are then cosines but for the spread of the lengths,
    /// and beta has a meaning of its own. Patterns that all equal their mean keep the length 0.
    ///
    /// # Errors
    /// `is_usage` where the mean or the lengths are beyond numbers.
    pub fn centred(self) -> Result<(Self, Frame)> {
        let Self { count, width, mut numbers } = self;
        let mut mean = vec![0.0; width];
        for row in numbers.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / count as f64);
        }
        for row in numbers.chunks_exact_mut(width) {
            row.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m);
        }
        let norms: f64 = numbers.chunks_exact(width).map(norm).sum();
        let length = if norms > 0.0 { norms / count as f64 } else { 1.0 };
        numbers.iter_mut().for_each(|x| *x /= length);
        Ok((Self::new(count, width, numbers)?, Frame { mean, length }))
    }

    /// N.
    pub fn count(&self) -> usize {
        self.count
    }

    /// d.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One pattern.
    ///
    /// # Panics
    /// If there is no such pattern.
    pub fn pattern(&self, pattern: usize) -> &[f64] {
        &self.numbers[pattern * self.width..(pattern + 1) * self.width]
    }

    /// All patterns, in order.
    pub fn patterns(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.numbers.chunks_exact(self.width)
    }

    /// M, the largest norm of a pattern.
    pub fn largest_norm(&self) -> f64 {
        self.patterns().map(norm).fold(0.0, f64::max)
    }

    /// X z: the dot product of every pattern with a state.
    ///
    /// # Panics
    /// If the state has another number of features.
    pub fn scores(&self, state: &[f64]) -> Vec<f64> {
        assert_eq!(state.len(), self.width, "patterns: a state of another width");
        self.patterns().map(|x| dot(x, state)).collect()
    }

    /// X^T w: the sum of the patterns, weighted. A weight of zero leaves its pattern out.
    ///
    /// # Panics
    /// If there is not one weight a pattern.
    pub fn weighted(&self, weights: &[f64]) -> Vec<f64> {
        assert_eq!(weights.len(), self.count, "patterns: one weight a pattern");
        let mut sum = vec![0.0; self.width];
        for (x, &w) in self.patterns().zip(weights).filter(|(_, w)| **w != 0.0) {
            sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += w * x);
        }
        sum
    }

    /// Delta_i = x_i.x_i - max_(j != i) x_i.x_j, how far each pattern's score of itself stands out; infinite for a
    /// single pattern.
    ///
    /// # Cost
    /// O(N^2 d).
    /// # Source
    /// Ramsauer et al. 2021, *Hopfield networks is all you need*, definition 2.
    pub fn separations(&self) -> Vec<f64> {
        (0..self.count)
            .map(|i| {
                let scores = self.scores(self.pattern(i));
                let other = (0..self.count).filter(|&j| j != i).map(|j| scores[j]).fold(f64::NEG_INFINITY, f64::max);
                scores[i] - other
            })
            .collect()
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// |a - b|.
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_sums_and_separations_by_hand() {
        let x = RealPatterns::new(3, 2, vec![1.0, 0.0, 0.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((x.count(), x.width(), x.largest_norm()), (3, 2, 5.0));
        assert_eq!(x.scores(&[1.0, 2.0]), [1.0, 4.0, 11.0]);
        assert_eq!(x.weighted(&[1.0, 0.5, 2.0]), [7.0, 9.0]);
        // Gram matrix [[1, 0, 3], [0, 4, 8], [3, 8, 25]].
        assert_eq!(x.separations(), [-2.0, -4.0, 17.0]);
        assert_eq!(RealPatterns::from_f32(1, 2, &[1.0, 2.0]).unwrap().separations(), [f64::INFINITY]);
    }

    #[test]
    fn invalid_patterns_are_refused() {
        for (count, width, numbers) in [(0, 2, 0), (2, 0, 0), (2, 2, 3), (usize::MAX, 2, 3)] {
            assert!(RealPatterns::new(count, width, vec![0.0; numbers]).unwrap_err().is_shape());
        }
        let error = RealPatterns::new(2, 2, vec![0.0, 1.0, 2.0, f64::NAN]).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("feature 1 of pattern 1 is NaN"), "{error}");
    }
}
