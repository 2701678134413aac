//! Pyramids: a map of any length at several sizes, by maximum and by mean, from one pass over its rows.

use crate::maps::map::{Map, Pool, Pooling, partition};
use attractor::Result;

/// A map at one size.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Cells along the longer side.
    pub side: usize,
    /// The largest weight of each cell: peaks and stripes keep their height.
    pub maximum: Map,
    /// The mean weight of each cell's allowed pairs: background and mass.
    pub mean: Map,
}

/// Levels from fine to coarse, each half the size of the one before.
///
/// A stripe of 0.9 at 4096 tokens is 0.9 in every maximum and about 0.01 in the mean at 64 cells: both are true, and
/// they answer different questions.
#[derive(Debug, Clone, PartialEq)]
pub struct Pyramid {
    /// Finest first.
    pub levels: Vec<Level>,
}

/// A pyramid as its rows come in.
#[derive(Debug)]
pub struct Builder {
    maximum: Pool,
    /// Sum and number of the allowed pairs of the finest cells.
    sums: Vec<(f64, u64)>,
    row_cell: Vec<u32>,
    column_cell: Vec<u32>,
    finest: (usize, usize),
    shape: (usize, usize),
    coarsest: usize,
}

impl Builder {
    /// For maps of `queries` x `keys`, from `finest` down to `coarsest` cells a side.
    ///
    /// # Errors
    /// `is_shape` if a number is zero.
    pub fn new(queries: usize, keys: usize, finest: usize, coarsest: usize) -> Result<Self> {
        // Refuses a side of zero, as does the pool of the finest.
        Pool::new(queries, keys, coarsest)?;
        let maximum = Pool::new(queries, keys, finest)?;
        let (rows, columns) = (queries.min(finest), keys.min(finest));
        Ok(Self {
            maximum,
            sums: vec![(0.0, 0); rows * columns],
            row_cell: partition(queries, rows),
            column_cell: partition(keys, columns),
            finest: (rows, columns),
            shape: (queries, keys),
            coarsest,
        })
    }

    /// Adds a row of weights; `admits` says which keys its query may see. Rows and keys beyond the shape are ignored.
    pub fn add(&mut self, row: usize, weights: &[f32], admits: impl Fn(usize) -> bool) {
        self.maximum.add(row, weights, &admits);
        let Some(&cell_row) = self.row_cell.get(row) else { return };
        let base = cell_row as usize * self.finest.1;
        for (key, (&weight, &column)) in weights.iter().zip(&self.column_cell).enumerate() {
            if weight != 0.0 || admits(key) {
                let (sum, number) = &mut self.sums[base + column as usize];
                *sum += f64::from(weight);
                *number += 1;
            }
        }
    }

    /// The pyramid: levels are halved until their longer side is at most the coarsest.
    pub fn finish(self) -> Result<Pyramid> {
        let mut levels = Vec::new();
        let (mut maximum, mut sums) = (self.maximum.finish(), self.sums);
        loop {
            let side = maximum.rows.max(maximum.columns);
            let mean = Map {
                cells: sums.iter().map(|&(s, n)| if n == 0 { 0.0 } else { (s / n as f64) as f32 }).collect(),
                forbidden: sums.iter().map(|&(_, n)| n == 0).collect(),
                pooling: Pooling::Mean,
                ..maximum.clone()
            };
            let coarser = (side > self.coarsest).then(|| maximum.pooled(side.div_ceil(2))).transpose()?;
            let shape = (maximum.rows, maximum.columns);
            levels.push(Level { side, maximum, mean });
            let Some(coarser) = coarser else { break };
            sums = halved(&sums, shape, (coarser.rows, coarser.columns));
            maximum = Map { queries: self.shape.0, keys: self.shape.1, ..coarser };
        }
        Ok(Pyramid { levels })
    }
}

/// Sums of the cells that fall into each coarser cell.
fn halved(sums: &[(f64, u64)], (rows, columns): (usize, usize), (down, across): (usize, usize)) -> Vec<(f64, u64)> {
    let (row_cell, column_cell) = (partition(rows, down), partition(columns, across));
    let mut all = vec![(0.0, 0); down * across];
    for (cell, &(sum, number)) in sums.iter().enumerate() {
        let (row, column) = (row_cell[cell / columns] as usize, column_cell[cell % columns] as usize);
        let held: &mut (f64, u64) = &mut all[row * across + column];
        held.0 += sum;
        held.1 += number;
    }
    all
}

impl Pyramid {
    /// The pyramid of a map that is held in memory.
    ///
    /// # Errors
    /// `is_shape` for a pooled map, whose means are lost, and if a number is zero.
    pub fn of(map: &Map, finest: usize, coarsest: usize) -> Result<Self> {
        if map.is_pooled() {
            return Err(crate::Error::shape(format!(
                "pyramid: a map of {} x {} cells for {} x {} pairs; needs a cell a pair",
                map.rows, map.columns, map.queries, map.keys
            )));
        }
        let mut builder = Builder::new(map.rows, map.columns, finest, coarsest)?;
        for (row, cells) in map.cells.chunks(map.columns.max(1)).enumerate() {
            builder.add(row, cells, |column| !map.is_forbidden(row * map.columns + column));
        }
        builder.finish()
    }

    /// The coarsest level of at least `side` cells, or the finest there is.
    pub fn at_least(&self, side: usize) -> Option<&Level> {
        self.levels.iter().rev().find(|l| l.side >= side).or(self.levels.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0.9 at a fixed offset, the rest evenly on what is visible.
    fn stripe(n: usize, finest: usize, coarsest: usize) -> Pyramid {
        let mut builder = Builder::new(n, n, finest, coarsest).unwrap();
        let mut row = vec![0.0f32; n];
        for query in 0..n {
            row[..=query].fill(0.1 / (query + 1) as f32);
            row[query.saturating_sub(700)] = 0.9;
            builder.add(query, &row, |key| key <= query);
        }
        builder.finish().unwrap()
    }

    #[test]
    fn a_thin_stripe_of_a_long_map_is_kept_by_the_maximum_and_lost_by_the_mean() {
        let pyramid = stripe(4096, 256, 64);
        assert_eq!(pyramid.levels.iter().map(|l| l.side).collect::<Vec<_>>(), [256, 128, 64]);
        let coarsest = pyramid.levels.last().unwrap();
        for row in 0..64 {
            let peak = |map: &Map| map.cells[row * 64..(row + 1) * 64].iter().copied().fold(0.0, f32::max);
            assert_eq!(peak(&coarsest.maximum), 0.9, "row {row}");
            if row >= 12 {
                // A cell is 64 x 64 pairs, the stripe crosses two: 0.9 x (4 to 60) / 4096.
                let mean = peak(&coarsest.mean);
                assert!((0.005..0.015).contains(&mean), "row {row}: {mean}");
            }
        }
    }

    #[test]
    fn every_level_is_what_the_whole_map_pools_to() {
        // Sides that do not divide each other.
        let n = 107;
        let map = Map::exact((0..n * n).map(|i| ((i * 7919) % 1013) as f32 / 1013.0).collect(), n, n).unwrap();
        let map = Map { forbidden: (0..n * n).map(|i| i % n > i / n && i % 3 == 0).collect(), ..map };
        let pyramid = Pyramid::of(&map, 64, 16).unwrap();
        assert_eq!(pyramid.levels.iter().map(|l| l.side).collect::<Vec<_>>(), [64, 32, 16]);
        for level in &pyramid.levels {
            assert_eq!(level.maximum.cells, map.pooled(level.side).unwrap().cells);
            let mean = Map { pooling: Pooling::Mean, ..map.clone() }.pooled(level.side).unwrap();
            assert_eq!(level.mean.forbidden, mean.forbidden);
            for (a, b) in level.mean.cells.iter().zip(&mean.cells) {
                assert!((a - b).abs() <= 1e-6, "{a} {b}");
            }
        }
        assert_eq!(pyramid.at_least(20).map(|l| l.side), Some(32));
        assert_eq!(pyramid.at_least(999).map(|l| l.side), Some(64));
    }

    #[test]
    fn short_maps_have_one_level_and_empty_ones_none() {
        let pyramid = stripe(5, 128, 64);
        assert_eq!((pyramid.levels.len(), pyramid.levels[0].maximum.rows), (1, 5));
        assert!(Builder::new(0, 3, 4, 2).unwrap_err().is_shape());
        assert!(Builder::new(3, 3, 4, 0).unwrap_err().is_shape());
    }

    #[test]
    fn nan_and_masked_cells_are_told_apart_at_every_level() {
        let mut weights: Vec<f32> = (0..64).map(|i| if i % 8 > i / 8 { 0.0 } else { 0.25 }).collect();
        weights[7] = f32::NAN;
        let map = Map::exact(weights, 8, 8).unwrap().causal().unwrap();
        let pyramid = Pyramid::of(&map, 8, 2).unwrap();
        let coarsest = &pyramid.levels[2];
        assert!(coarsest.mean.cells[1].is_nan() && coarsest.maximum.cells[1].is_nan());
        assert!(pyramid.levels[0].mean.is_forbidden(6) && !coarsest.mean.is_forbidden(0));
    }
}
