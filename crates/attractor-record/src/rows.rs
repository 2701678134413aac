//! A map that is open: its rows, wherever they come from.

use std::ops::Range;

use crate::Result;

/// A map opened for reading. What is paid once, such as unpacking the keys of a head, has been paid.
pub trait Rows: Send {
    /// Puts the weights of some rows, [rows, keys], into `into` in the place of what it holds.
    ///
    /// # Errors
    /// `is_format` if the source cannot be read.
    fn read(&mut self, rows: Range<usize>, into: &mut Vec<f32>) -> Result<()>;

    /// True if weights are exactly zero wherever the mask forbids, by the way they are made.
    fn are_masked(&self) -> bool {
        false
    }
}

/// A map in memory, [queries, keys].
pub struct Held<'a> {
    /// Its weights.
    pub weights: &'a [f32],
    /// Numbers of a row.
    pub keys: usize,
}

impl Rows for Held<'_> {
    fn read(&mut self, rows: Range<usize>, into: &mut Vec<f32>) -> Result<()> {
        into.clear();
        into.extend_from_slice(&self.weights[rows.start * self.keys..rows.end * self.keys]);
        Ok(())
    }
}

/// A map whose rows are made when they are asked for.
pub struct Made<F>(
    /// Gives some rows, [rows, keys].
    pub F,
);

impl<F: FnMut(Range<usize>) -> Vec<f32> + Send> Rows for Made<F> {
    fn read(&mut self, rows: Range<usize>, into: &mut Vec<f32>) -> Result<()> {
        *into = (self.0)(rows);
        Ok(())
    }
}
