//! Rows of units: a view of data.

use rayon::prelude::*;
use serde::Serialize;

use crate::error::{Error, Result};

/// Rows of as many numbers each, finite, one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rows<'a> {
    values: &'a [f32],
    units: usize,
}

impl<'a> Rows<'a> {
    /// Rows of `units` numbers.
    ///
    /// # Errors
    /// `is_shape` if the numbers do not fill whole rows, `is_usage` if one is not finite.
    pub fn new(values: &'a [f32], units: usize) -> Result<Self> {
        if units == 0 || !values.len().is_multiple_of(units) {
            return Err(Error::shape(format!(
                "rows: {} numbers do not make whole rows of {units}; give rows of equal length",
                values.len()
            )));
        }
        if let Some(at) = values.iter().position(|x| !x.is_finite()) {
            return Err(Error::usage(format!(
                "rows: row {}, unit {} is {}; expected finite numbers",
                at / units,
                at % units,
                values[at]
            )));
        }
        Ok(Self { values, units })
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.values.len() / self.units
    }

    /// Numbers per row.
    pub fn units(&self) -> usize {
        self.units
    }

    /// All numbers, row by row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// One row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.units..(row + 1) * self.units]
    }

    /// The rows, one after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [f32]> + use<'a> {
        self.values.chunks(self.units)
    }

    pub(super) fn par_iter(&self) -> impl IndexedParallelIterator<Item = &'a [f32]> + use<'a> {
        self.values.par_chunks(self.units)
    }

    /// Mean of every unit over the rows, in f64; NaN of no rows.
    pub fn means(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.units];
        for row in self.iter() {
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let count = self.count() as f64;
        sums.into_iter().map(|sum| sum / count).collect()
    }
}

/// A mean with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    #[serde(rename = "mean")]
    pub value: f64,
    /// Standard error: deviation over the square root of the count; NaN of fewer than two numbers.
    pub standard_error: f64,
}

impl Mean {
    /// Mean of numbers; NaN of nothing.
    pub fn of(numbers: &[f64]) -> Self {
        let count = numbers.len() as f64;
        let value = numbers.iter().sum::<f64>() / count;
        let squares: f64 = numbers.iter().map(|x| (x - value).powi(2)).sum();
        Self { value, standard_error: (squares / (count - 1.0) / count).sqrt() }
    }
}
