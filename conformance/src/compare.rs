//! One line a tensor: its name, the largest error, the tolerance, the verdict.

use crate::golden::Tensor;

/// What became of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The tensor.
    pub name: String,
    /// Largest absolute difference; NaN if a number is none.
    pub error: f64,
    /// Largest that passes.
    pub tolerance: f64,
}

impl Line {
    /// True if the error is within the tolerance; a NaN is not.
    pub fn passes(&self) -> bool {
        self.error <= self.tolerance
    }
}

/// Compares numbers with a golden tensor. A different count is an error.
///
/// # Errors
/// Says both counts.
pub fn compare(name: &str, ours: &[f32], golden: &Tensor, tolerance: f64) -> Result<Line, String> {
    compare_wide(name, &ours.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), golden, tolerance)
}

/// The same, in f64.
///
/// # Errors
/// Says both counts.
pub fn compare_wide(name: &str, ours: &[f64], golden: &Tensor, tolerance: f64) -> Result<Line, String> {
    if ours.len() != golden.values.len() {
        return Err(format!(
            "{name}: {} numbers, the vector has {} ({:?})",
            ours.len(),
            golden.values.len(),
            golden.shape
        ));
    }
    let error = ours.iter().zip(&golden.values).map(|(&a, &b)| (a - b).abs()).fold(0.0f64, |worst, x| {
        // Keeps a NaN once it came.
        if worst.is_nan() || worst > x { worst } else { x }
    });
    Ok(Line { name: name.to_string(), error, tolerance })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_does_not_pass() {
        let golden = Tensor { shape: vec![3], values: vec![1.0, 2.0, 3.0] };
        assert!(compare("x", &[1.0, 2.0, 3.0], &golden, 0.0).unwrap().passes());
        assert!(!compare("x", &[1.0, f32::NAN, 3.0], &golden, 1e9).unwrap().passes());
        assert!(!compare("x", &[1.0, 2.5, 3.0], &golden, 0.4).unwrap().passes());
        assert!(compare("x", &[1.0], &golden, 1e9).is_err());
    }
}
