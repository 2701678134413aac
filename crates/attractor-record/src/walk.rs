//! One walk over maps: rows in strips, in order, for everybody who wants to see them.
//!
//! A map of N queries and N keys is never held: a [`Walk`] goes through it in strips of at most 64 rows that stay in cache,
//! through the maps of several inputs side by side where they are compared row by row.

use std::ops::Range;

use crate::rows::Rows;
use crate::{Error, Patterns, Result};

/// Numbers of the strips of a walk: 1 MiB, what a core keeps near.
const STRIP: usize = 1 << 18;
/// Most rows of a strip.
const MOST_ROWS: usize = 64;
/// Rows of a strip at least, where rows are very long.
const LEAST_ROWS: usize = 8;

/// The rows of one strip, of every map of a walk.
pub struct Strip<'a> {
    /// Which rows.
    pub rows: Range<usize>,
    /// Weights of each map, [rows, keys]; they are the caller's until the next strip.
    pub blocks: &'a mut [Vec<f32>],
}

/// The maps of one head on some inputs, from the first row to the last.
pub struct Walk<'a> {
    place: (usize, usize),
    inputs: Vec<usize>,
    maps: Vec<Box<dyn Rows + 'a>>,
    blocks: Vec<Vec<f32>>,
    queries: usize,
    keys: usize,
    next: usize,
}

impl<'a> Walk<'a> {
    /// The map of a head on one input; `None` if it was not kept.
    ///
    /// # Errors
    /// `is_format` if the source cannot be read, `is_usage` for a place that is not there.
    pub fn of(patterns: &'a dyn Patterns, place: (usize, usize), input: usize) -> Result<Option<Self>> {
        let walk = Self::abreast(patterns, place, &[input])?;
        Ok((!walk.inputs.is_empty()).then_some(walk))
    }

    /// The maps of a head on several inputs of one shape, row by row beside each other; inputs whose map was not kept are
    /// left out.
    ///
    /// # Errors
    /// As [`of`](Self::of); `is_shape` if the shapes differ.
    pub fn abreast(patterns: &'a dyn Patterns, (layer, head): (usize, usize), inputs: &[usize]) -> Result<Self> {
        let mut walk = Self::empty((layer, head));
        for &input in inputs {
            let shape = patterns.shape(layer, input)?;
            let Some(map) = patterns.open(layer, head, input)? else { continue };
            if !walk.inputs.is_empty() && shape != (walk.queries, walk.keys) {
                return Err(Error::shape(format!(
                    "L{layer}H{head}: inputs {} and {input} are not of one shape: {} x {} and {} x {}",
                    walk.inputs[0], walk.queries, walk.keys, shape.0, shape.1
                )));
            }
            (walk.queries, walk.keys) = shape;
            walk.inputs.push(input);
            walk.maps.push(map);
            walk.blocks.push(Vec::new());
        }
        Ok(walk)
    }

    /// A map that is open already, of so many queries and keys; `place` and `input` name it.
    pub fn over(map: Box<dyn Rows + 'a>, place: (usize, usize), input: usize, (queries, keys): (usize, usize)) -> Self {
        Self { inputs: vec![input], maps: vec![map], blocks: vec![Vec::new()], queries, keys, ..Self::empty(place) }
    }

    fn empty(place: (usize, usize)) -> Self {
        Self { place, inputs: Vec::new(), maps: Vec::new(), blocks: Vec::new(), queries: 0, keys: 0, next: 0 }
    }

    /// Rows of a strip: a function of the shape and the number of maps.
    fn height(&self) -> usize {
        let numbers = self.keys.max(1) * self.maps.len().max(1);
        (STRIP / numbers).clamp(LEAST_ROWS, MOST_ROWS) / LEAST_ROWS * LEAST_ROWS
    }

    /// The inputs whose maps these are.
    pub fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    /// Queries and keys of each map.
    pub fn shape(&self) -> (usize, usize) {
        (self.queries, self.keys)
    }

    /// For each map: are its weights exactly zero wherever the mask forbids?
    pub fn are_masked(&self) -> Vec<bool> {
        self.maps.iter().map(|map| map.are_masked()).collect()
    }

    /// The next rows; `None` behind the last.
    ///
    /// # Errors
    /// `is_format` if a source cannot be read, or contradicts its own shape.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Strip<'_>>> {
        let rows = self.next..(self.next + self.height()).min(self.queries);
        if rows.is_empty() || self.maps.is_empty() {
            return Ok(None);
        }
        for ((map, block), input) in self.maps.iter_mut().zip(&mut self.blocks).zip(&self.inputs) {
            map.read(rows.clone(), block)?;
            if block.len() != rows.len() * self.keys {
                let (layer, head) = self.place;
                return Err(Error::format(format!(
                    "rows {rows:?} of L{layer}H{head}, input {input}, came as {} numbers; expected {} (rows x {} keys); the \
                     source contradicts its own shape",
                    block.len(),
                    rows.len() * self.keys,
                    self.keys
                )));
            }
        }
        self.next = rows.end;
        Ok(Some(Strip { rows, blocks: &mut self.blocks }))
    }
}

/// Somebody who looks on while maps are walked for another purpose: a page, an export.
pub trait Watcher: Sync {
    /// Who takes the rows of the map at (layer, head, input), which was kept; `None` if nobody does.
    fn begin<'a>(&'a self, patterns: &'a dyn Patterns, place: (usize, usize, usize)) -> Option<Box<dyn Watch + 'a>>;
}

/// Takes the rows of one map.
pub trait Watch: Send {
    /// Takes in some rows, [rows, keys], in order and as they are stored.
    fn rows(&mut self, rows: Range<usize>, weights: &[f32]);
    /// The last row has passed.
    fn end(self: Box<Self>);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Numbered;

    /// Every row comes once and in order, whole strips and a rest, with the numbers that `weights` gives.
    #[test]
    fn a_walk_passes_every_row_once() {
        for keys in [1, 7, 64, 5000, 70_000] {
            let source = Numbered { queries: 131, keys, inputs: 3, short: false };
            let mut walk = Walk::abreast(&source, (0, 0), &[0, 2]).unwrap();
            assert_eq!((walk.inputs(), walk.shape()), (&[0, 2][..], (131, keys)));
            let mut next = 0;
            while let Some(strip) = walk.next().unwrap() {
                assert_eq!(strip.rows.start, next);
                assert!(strip.rows.len() <= MOST_ROWS);
                next = strip.rows.end;
                for (block, input) in strip.blocks.iter().zip([0, 2]) {
                    assert_eq!(*block, source.weights(0, 0, input, strip.rows.clone()).unwrap().unwrap());
                }
            }
            assert_eq!(next, 131);
        }
    }

    #[test]
    fn what_was_not_kept_is_left_out_and_short_rows_are_refused() {
        let source = Numbered { queries: 5, keys: 4, inputs: 2, short: true };
        assert!(Walk::of(&source, (0, 1), 0).unwrap().is_none());
        assert!(Walk::abreast(&source, (0, 1), &[0, 1]).unwrap().next().unwrap().is_none());
        let error = Walk::of(&source, (0, 0), 1).unwrap().unwrap().next().err().unwrap();
        assert!(error.is_format() && error.to_string().contains("contradicts its own shape"), "{error}");
    }
}
