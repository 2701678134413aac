//! An attention map of any length in at most 128 x 128 cells, read in strips: never N x N.

use attractor::retrieve::Mask;
use attractor_record::{Patterns, Walk};

use crate::maps::hidden::Hidden;
use attractor::{Error, Result};

/// Largest side of a drawn map, cells.
pub const SIDE: usize = 128;

/// Links kept beside a map.
const LINKS: usize = 5;

/// What one cell shows of the pairs that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Pooling {
    /// The largest: a mean would hide a thin stripe. 0.9 along a diagonal of 4096 tokens is 0.9 here and 0.01 in a mean
    /// map of 64 cells.
    #[default]
    Maximum,
    /// The mean of the pairs that the mask allows: for background and mass, not for peaks.
    Mean,
    /// The one that is furthest from zero, with its sign: for differences.
    Magnitude,
}

/// A map of cells; row = query, column = key. A cell covers one pair or, in a pooled map, several.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Cells down.
    pub rows: usize,
    /// Cells across.
    pub columns: usize,
    /// [rows, columns]; NaN if any of the cell's pairs is NaN.
    pub cells: Vec<f32>,
    /// [rows, columns], or empty: cells of which the mask allows no pair, and that hold nothing.
    pub forbidden: Vec<bool>,
    /// Queries that the rows stand for.
    pub queries: usize,
    /// Keys that the columns stand for.
    pub keys: usize,
    /// What a cell shows of its pairs.
    pub pooling: Pooling,
    /// What was done to the weights: every figure of the map says it.
    pub notes: Vec<String>,
    /// True if keys were taken out of the picture.
    pub hides_keys: bool,
}

impl Map {
    /// A map of exact weights [queries, keys].
    ///
    /// # Errors
    /// `is_shape` if there are not queries x keys weights, or none.
    pub fn exact(weights: Vec<f32>, queries: usize, keys: usize) -> Result<Self> {
        check(weights.len(), queries, keys)?;
        Ok(Self { rows: queries, columns: keys, cells: weights, queries, keys, ..Self::empty() })
    }

    /// No cell at all; to be filled.
    pub(crate) fn empty() -> Self {
        Self {
            rows: 0,
            columns: 0,
            cells: Vec::new(),
            forbidden: Vec::new(),
            queries: 0,
            keys: 0,
            pooling: Pooling::Maximum,
            notes: Vec::new(),
            hides_keys: false,
        }
    }

    /// The same map with the cells above the diagonal blank: weights of causal attention, whose queries are the last of
    /// the keys. A weight there that is not zero stays: that is what the picture is for.
    ///
    /// # Errors
    /// `is_shape` for a pooled map.
    pub fn causal(mut self) -> Result<Self> {
        if self.is_pooled() {
            return Err(Error::shape("map: a causal mask needs one cell a pair; this map is pooled".to_string()));
        }
        let before = self.keys.saturating_sub(self.queries);
        self.forbidden = (0..self.cells.len())
            .map(|cell| cell % self.columns > before + cell / self.columns && self.cells[cell] == 0.0)
            .collect();
        Ok(self)
    }

    /// True if a cell is drawn as forbidden.
    pub fn is_forbidden(&self, cell: usize) -> bool {
        self.forbidden.get(cell).copied().unwrap_or(false)
    }

    /// True if a cell may cover several pairs.
    pub fn is_pooled(&self) -> bool {
        self.rows < self.queries || self.columns < self.keys
    }

    /// Number of cells that are not finite numbers.
    pub fn not_numbers(&self) -> usize {
        self.cells.iter().enumerate().filter(|(i, c)| !c.is_finite() && !self.is_forbidden(*i)).count()
    }

    /// The largest finite cell.
    pub fn peak(&self) -> Option<f32> {
        self.cells.iter().copied().filter(|c| c.is_finite()).reduce(f32::max)
    }

    /// The largest finite size of a cell.
    pub fn reach(&self) -> Option<f32> {
        self.cells.iter().map(|c| c.abs()).filter(|c| c.is_finite()).reduce(f32::max)
    }

    /// The finite cells that are drawn.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        let drawn = |(i, _): &(usize, &f32)| !self.is_forbidden(*i);
        self.cells.iter().enumerate().filter(drawn).map(|(_, &c)| f64::from(c)).filter(|c| c.is_finite())
    }

    /// The same map in at most `side` x `side` cells, each what [`Pooling`] says of those that it covers.
    ///
    /// A mean of means counts each cell alike: pool once, or build a [`Pyramid`](crate::maps::pyramid::Pyramid).
    ///
    /// # Errors
    /// `is_shape` for a side of zero.
    pub fn pooled(&self, side: usize) -> Result<Self> {
        if self.rows <= side && self.columns <= side {
            return Ok(self.clone());
        }
        let mut pool = Pool::by(self.pooling, self.rows, self.columns, side)?;
        for row in 0..self.rows {
            let cells = row * self.columns..(row + 1) * self.columns;
            pool.add(row, &self.cells[cells.clone()], |column| !self.is_forbidden(cells.start + column));
        }
        Ok(Self {
            queries: self.queries,
            keys: self.keys,
            notes: self.notes.clone(),
            hides_keys: self.hides_keys,
            ..pool.finish()
        })
    }
}

fn check(weights: usize, queries: usize, keys: usize) -> Result<()> {
    match queries.checked_mul(keys) {
        Some(n) if n == weights && n > 0 => Ok(()),
        _ => Err(Error::shape(format!(
            "map: {weights} weights for {queries} queries and {keys} keys; needs queries x keys of them, at least one"
        ))),
    }
}

/// Pools a row at a time.
#[derive(Debug)]
pub struct Pool {
    map: Map,
    row_cell: Vec<u32>,
    column_cell: Vec<u32>,
    /// Of a mean: the sum and the number of a cell's allowed pairs.
    sums: Vec<(f64, u64)>,
}

impl Pool {
    /// For maps of `queries` x `keys` weights, in at most `side` x `side` cells, by the maximum.
    ///
    /// # Errors
    /// `is_shape` if a number is zero.
    pub fn new(queries: usize, keys: usize, side: usize) -> Result<Self> {
        Self::by(Pooling::Maximum, queries, keys, side)
    }

    /// The same, by what a cell is to show.
    ///
    /// # Errors
    /// `is_shape` if a number is zero.
    pub fn by(pooling: Pooling, queries: usize, keys: usize, side: usize) -> Result<Self> {
        if queries == 0 || keys == 0 || side == 0 {
            return Err(Error::shape(format!(
                "map: {queries} queries, {keys} keys, {side} cells a side; needs one or more"
            )));
        }
        let (rows, columns) = (queries.min(side), keys.min(side));
        let (count, none) = (rows * columns, f32::NEG_INFINITY);
        Ok(Self {
            row_cell: partition(queries, rows),
            column_cell: partition(keys, columns),
            sums: vec![(0.0, 0); if pooling == Pooling::Mean { count } else { 0 }],
            map: Map {
                rows,
                columns,
                cells: vec![none; count],
                forbidden: vec![true; count],
                queries,
                keys,
                pooling,
                notes: Vec::new(),
                hides_keys: false,
            },
        })
    }

    /// Adds a row of weights; `admits` says which keys its query may see. Rows and keys beyond the shape are ignored.
    ///
    /// A weight where the mask forbids is shown, not hidden: that is what the picture is for.
    pub fn add(&mut self, row: usize, weights: &[f32], admits: impl Fn(usize) -> bool) {
        let Some(&cell_row) = self.row_cell.get(row) else { return };
        let base = cell_row as usize * self.map.columns;
        for (key, (&weight, &column)) in weights.iter().zip(&self.column_cell).enumerate() {
            let cell = base + column as usize;
            let counts = weight != 0.0 || admits(key);
            if counts {
                self.map.forbidden[cell] = false;
            }
            let held = &mut self.map.cells[cell];
            match self.map.pooling {
                Pooling::Maximum => {
                    if weight.is_nan() || weight > *held {
                        // NaN stays: nothing is larger than NaN.
                        *held = weight;
                    }
                }
                Pooling::Magnitude => {
                    // The first of two equal sizes stays.
                    if weight.is_nan() || *held == f32::NEG_INFINITY || weight.abs() > held.abs() {
                        *held = weight;
                    }
                }
                Pooling::Mean if counts => {
                    let (sum, number) = &mut self.sums[cell];
                    *sum += f64::from(weight);
                    *number += 1;
                }
                Pooling::Mean => {}
            }
        }
    }

    /// The map.
    pub fn finish(mut self) -> Map {
        for (cell, &(sum, number)) in self.map.cells.iter_mut().zip(&self.sums) {
            // A cell without an allowed pair is blank; nothing is its mean.
            *cell = if number == 0 { 0.0 } else { (sum / number as f64) as f32 };
        }
        for cell in &mut self.map.cells {
            if *cell == f32::NEG_INFINITY {
                *cell = f32::NAN;
            }
        }
        self.map
    }
}

/// Which of `side` cells each of `n` positions falls into: cell c holds c n / side to (c + 1) n / side.
pub(crate) fn partition(n: usize, side: usize) -> Vec<u32> {
    let mut all = Vec::with_capacity(n);
    for cell in 0..side {
        all.resize((cell + 1) * n / side, cell as u32);
    }
    all
}

/// A query, a key and the exact weight between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Query position.
    pub query: usize,
    /// Key position.
    pub key: usize,
    /// Weight.
    pub weight: f32,
}

/// Where a picture's cells come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellSource {
    /// Every weight was read.
    Weights,
    /// The weights were not kept; the pooled map of the statistics was.
    Pooled,
}

/// A head of an input, ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadMap {
    /// Layer, the model's own number.
    pub layer: usize,
    /// Head, the model's own number.
    pub head: usize,
    /// Which input.
    pub input: usize,
    /// The cells.
    pub map: Map,
    /// The links that stand out most from a uniform row, strongest first; exact whatever the pooling.
    pub links: Vec<Link>,
    /// Where the cells come from.
    pub origin: CellSource,
}

/// Reads a head's map in strips; `None` if neither weights nor a pooled map were kept.
///
/// # Cost
/// O(queries x keys) time; memory one strip of 1 MiB (or a single row) and the cells.
/// # Errors
/// `is_format` if the patterns cannot be read, `is_shape` if they contradict their own shape.
pub fn read(patterns: &dyn Patterns, layer: usize, head: usize, input: usize, side: usize) -> Result<Option<HeadMap>> {
    pooled(patterns, (layer, head, input), side, None)
}

/// Reads a head's map without some of its keys, each row scaled to sum to one again before cells are pooled; `None` if the
/// weights were not kept.
///
/// # Cost
/// As [`read`].
/// # Errors
/// As [`read`] and [`Hidden::new`].
pub fn read_hiding(
    patterns: &dyn Patterns,
    (layer, head, input): (usize, usize, usize),
    side: usize,
    hide: &[usize],
) -> Result<Option<HeadMap>> {
    let hidden = Hidden::new(hide, patterns.shape(layer, input)?.1)?;
    pooled(patterns, (layer, head, input), side, Some(hidden))
}

fn pooled(
    patterns: &dyn Patterns,
    (layer, head, input): (usize, usize, usize),
    side: usize,
    mut hidden: Option<Hidden>,
) -> Result<Option<HeadMap>> {
    let (queries, keys) = patterns.shape(layer, input)?;
    let mask = patterns.mask(layer, input)?;
    let Some(mut walk) = Walk::of(patterns, (layer, head), input)? else {
        // What was pooled already cannot be scaled.
        return match hidden {
            Some(_) => Ok(None),
            None => from_statistics(patterns, layer, head, input, side, &mask),
        };
    };
    let mut pool = Pool::new(queries, keys, side)?;
    let mut best = Best::default();
    while let Some(strip) = walk.next()? {
        for (query, row) in strip.rows.zip(strip.blocks[0].chunks_exact_mut(keys)) {
            let range = mask.range(query, keys);
            let shown = hidden.as_mut().is_none_or(|hidden| hidden.row(row));
            let gone = |key| hidden.as_ref().is_some_and(|hidden| hidden.keys().binary_search(&key).is_ok());
            pool.add(query, row, |key| shown && range.contains(&key) && !mask.hides(key) && !gone(key));
            best.offer(query, row, mask.visible(query, keys));
        }
    }
    let mut map = pool.finish();
    map.hides_keys = hidden.is_some();
    map.notes.extend(hidden.map(|hidden| hidden.note()));
    Ok(Some(HeadMap { layer, head, input, map, links: best.links(), origin: CellSource::Weights }))
}

fn from_statistics(
    patterns: &dyn Patterns,
    layer: usize,
    head: usize,
    input: usize,
    side: usize,
    mask: &Mask,
) -> Result<Option<HeadMap>> {
    let Some(statistics) = patterns.statistics(layer, head, input)? else { return Ok(None) };
    let (queries, keys, cells) = (statistics.queries, statistics.keys, statistics.pooled_side);
    if cells == 0 || statistics.pooled_max.is_empty() {
        return Ok(None);
    }
    check(statistics.pooled_max.len(), cells, cells)?;
    let first = |cell: usize, n: usize| cell * n / cells;
    // A cell is forbidden if none of its pairs is allowed.
    let forbidden = (0..cells * cells)
        .map(|cell| {
            let (a, b) = (cell / cells, cell % cells);
            let (low, high) = (first(b, keys), first(b + 1, keys));
            statistics.pooled_max[cell] == 0.0
                && (first(a, queries)..first(a + 1, queries)).all(|query| {
                    let range = mask.range(query, keys);
                    !(range.start.max(low)..range.end.min(high)).any(|key| !mask.hides(key))
                })
        })
        .collect();
    let map =
        Map { rows: cells, columns: cells, cells: statistics.pooled_max, forbidden, queries, keys, ..Map::empty() };
    let mut best = Best::default();
    for link in &statistics.links {
        let (query, key) = (link.query as usize, link.key as usize);
        best.consider(Link { query, key, weight: link.weight }, mask.visible(query, keys));
    }
    Ok(Some(HeadMap { layer, head, input, map: map.pooled(side)?, links: best.links(), origin: CellSource::Pooled }))
}

/// The links that stand out most: by how far the weight is above that of a uniform row, so that a row that sees two
/// keys does not win by having no choice.
#[derive(Debug, Default)]
struct Best {
    held: Vec<(f64, Link)>,
}

impl Best {
    fn offer(&mut self, query: usize, row: &[f32], visible: usize) {
        if visible == 0 {
            return;
        }
        let uniform = 1.0 / visible as f32;
        let least = self.least();
        for (key, &weight) in row.iter().enumerate() {
            if f64::from(weight - uniform) > least {
                self.consider(Link { query, key, weight }, visible);
            }
        }
    }

    fn least(&self) -> f64 {
        match self.held.len() < LINKS {
            true => 0.0,
            false => self.held.last().map_or(0.0, |(excess, _)| *excess),
        }
    }

    fn consider(&mut self, link: Link, visible: usize) {
        let excess = f64::from(link.weight) - 1.0 / visible.max(1) as f64;
        // Below a hundredth nothing stands out; NaN never does.
        if excess > self.least().max(0.01) {
            // Behind its equals: the earlier row wins a tie.
            let place = self.held.partition_point(|(held, _)| *held >= excess);
            self.held.insert(place, (excess, link));
            self.held.truncate(LINKS);
        }
    }

    fn links(self) -> Vec<Link> {
        self.held.into_iter().map(|(_, link)| link).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thin_stripe_of_a_long_map_keeps_its_height() {
        let n = 4096;
        let mut pool = Pool::new(n, n, 64).unwrap();
        for query in 0..n {
            let mut row = vec![0.1 / n as f32; n];
            row[query.saturating_sub(700)] = 0.9;
            pool.add(query, &row, |key| key <= query);
        }
        let map = pool.finish();
        assert_eq!((map.rows, map.columns), (64, 64));
        for row in 0..64 {
            let peak = map.cells[row * 64..(row + 1) * 64].iter().copied().fold(0.0, f32::max);
            assert_eq!(peak, 0.9, "row {row}");
        }
    }

    #[test]
    fn every_weight_falls_into_one_cell_when_sides_do_not_divide() {
        let (n, m) = (131, 7);
        for spot in [(0, 0), (67, 3), (130, 6)] {
            let mut pool = Pool::new(n, m, 32).unwrap();
            for query in 0..n {
                let row: Vec<f32> = (0..m).map(|key| f32::from(u8::from((query, key) == spot))).collect();
                pool.add(query, &row, |_| true);
            }
            let map = pool.finish();
            assert_eq!((map.rows, map.columns), (32, 7));
            let lit: Vec<usize> = (0..map.cells.len()).filter(|&c| map.cells[c] == 1.0).collect();
            assert_eq!(lit.len(), 1);
            let (row, column) = (lit[0] / 7, lit[0] % 7);
            assert!((row * n / 32..(row + 1) * n / 32).contains(&spot.0) && column == spot.1);
        }
    }

    #[test]
    fn nan_poisons_its_cell_and_no_other() {
        let mut map = Map::exact(vec![0.25; 64], 8, 8).unwrap();
        map.cells[9] = f32::NAN;
        map.cells[10] = 0.75;
        let pooled = map.pooled(4).unwrap();
        assert!(pooled.cells[0].is_nan());
        assert_eq!(pooled.cells[1], 0.75);
        assert_eq!(pooled.not_numbers(), 1);
        assert_eq!((pooled.queries, pooled.keys), (8, 8));
    }

    #[test]
    fn what_the_mask_forbids_is_blank_unless_something_leaks() {
        let mut pool = Pool::new(4, 4, 2).unwrap();
        for query in 0..4usize {
            let mut row = [0.0; 4];
            row[query] = 1.0;
            if query == 1 {
                row[3] = 1e-9;
            }
            pool.add(query, &row, |key| key <= query);
        }
        // Top right: queries 0 and 1, keys 2 and 3, all forbidden; the leak brings it back.
        assert_eq!(pool.finish().forbidden, [false, false, false, false]);
        let mut pool = Pool::new(4, 4, 2).unwrap();
        for query in 0..4usize {
            pool.add(query, &[0.0; 4], |key| key <= query);
        }
        assert_eq!(pool.finish().forbidden, [false, true, false, false]);
    }

    #[test]
    fn links_are_those_that_stand_out_from_a_uniform_row() {
        let mut best = Best::default();
        best.offer(0, &[1.0, 0.0, 0.0], 1);
        best.offer(1, &[0.5, 0.5, 0.0], 2);
        best.offer(2, &[0.1, 0.7, 0.2], 3);
        best.offer(3, &[f32::NAN; 3], 3);
        assert_eq!(best.links(), [Link { query: 2, key: 1, weight: 0.7 }]);
    }

    #[test]
    fn shapes_that_contradict_are_refused() {
        assert!(Map::exact(vec![0.0; 5], 2, 3).unwrap_err().is_shape());
        assert!(Map::exact(vec![], 0, 3).unwrap_err().is_shape());
        assert!(Map::exact(vec![0.0], usize::MAX, 2).unwrap_err().is_shape());
        assert!(Pool::new(0, 1, 1).unwrap_err().is_shape());
    }
}
