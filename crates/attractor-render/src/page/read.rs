//! One pass over a head: every weight is seen once, for the pooled map, the strongest links and the sinks together; while
//! judgement walks the maps, if it lets the page look on.
//!
//! The same cells as [`map::Pool`](crate::maps::map::Pool) makes, a piece of a row at a time instead of a weight at a time:
//! at 16 384 tokens a head has 268 million weights.

use std::ops::Range;

use attractor::retrieve::Mask;
use attractor_judge::detect::sink;
use attractor_record::{Patterns, Walk};

use crate::maps::map::{self, CellSource, HeadMap, Link, Map};
use attractor::{Error, Result};

/// A head as it is read from its weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Read {
    /// Map and links.
    pub head: HeadMap,
    /// (key, mean weight) of the sinks, strongest first.
    pub sinks: Vec<(usize, f32)>,
    /// Mean weight that the queries of each row of cells give to the sinks, 65535ths; empty without sinks.
    pub sunk: Vec<u16>,
}

/// Reads a head in strips; `None` if neither weights nor a pooled map were kept.
///
/// # Cost
/// O(queries x keys) time; memory one strip of 1 MiB, the cells, and `side` x keys sums.
/// # Errors
/// `is_format` if the patterns cannot be read, `is_shape` if they contradict their own shape.
pub(super) fn read(
    patterns: &dyn Patterns,
    (layer, head, input): (usize, usize, usize),
    side: usize,
    links: usize,
) -> Result<Option<Read>> {
    let mut pass = Pass::new(patterns, layer, input, side, links)?;
    let Some(mut walk) = Walk::of(patterns, (layer, head), input)? else {
        let kept = map::read(patterns, layer, head, input, side)?;
        return Ok(kept.map(|head| Read { head, sinks: Vec::new(), sunk: Vec::new() }));
    };
    while let Some(strip) = walk.next()? {
        pass.strip(strip.rows, &strip.blocks[0]);
    }
    Ok(Some(pass.finish((layer, head, input))))
}

/// A map while its rows pass by.
pub(super) struct Pass {
    mask: Mask,
    map: Map,
    /// First key of each column of cells, and the end.
    edges: Vec<usize>,
    /// Sum of the weights of each row of cells on each key, [map.rows x keys].
    sums: Vec<f32>,
    best: Best,
}

impl Pass {
    /// Before the first row of a head's map.
    ///
    /// # Errors
    /// `is_shape` for a map without a cell.
    pub(super) fn new(patterns: &dyn Patterns, layer: usize, input: usize, side: usize, links: usize) -> Result<Self> {
        let (queries, keys) = patterns.shape(layer, input)?;
        if queries == 0 || keys == 0 || side == 0 {
            return Err(Error::shape(format!(
                "map: {queries} queries, {keys} keys, {side} cells a side; needs one or more"
            )));
        }
        Self::over((queries, keys), patterns.mask(layer, input)?, side, links)
    }

    fn over((queries, keys): (usize, usize), mask: Mask, side: usize, links: usize) -> Result<Self> {
        let (rows, columns) = (queries.min(side), keys.min(side));
        let mut map = Map::exact(vec![f32::NEG_INFINITY; rows * columns], rows, columns)?;
        map.forbidden = vec![true; rows * columns];
        (map.queries, map.keys) = (queries, keys);
        Ok(Self {
            mask,
            edges: (0..=columns).map(|c| c * keys / columns).collect(),
            sums: vec![0.0; rows * keys],
            best: Best { most: links, held: Vec::new() },
            map,
        })
    }

    /// Takes in some rows, in order.
    pub(super) fn strip(&mut self, rows: Range<usize>, weights: &[f32]) {
        for (query, row) in rows.zip(weights.chunks_exact(self.map.keys)) {
            self.add(query, row);
        }
    }

    /// The map of this (layer, head, input), once the last row has passed.
    pub(super) fn finish(self, (layer, head, input): (usize, usize, usize)) -> Read {
        let (sinks, sunk) = self.sinks();
        let head = HeadMap { layer, head, input, map: self.map, links: self.best.links(), origin: CellSource::Weights };
        Read { head, sinks, sunk }
    }

    /// The row of cells that holds a query: the last whose first query is not behind it.
    fn cell_row(&self, query: usize) -> usize {
        ((query + 1) * self.map.rows - 1) / self.map.queries
    }

    fn add(&mut self, query: usize, row: &[f32]) {
        let (group, keys, columns) = (self.cell_row(query), self.map.keys, self.map.columns);
        for (sum, weight) in self.sums[group * keys..(group + 1) * keys].iter_mut().zip(row) {
            *sum += weight;
        }
        let range = self.mask.range(query, keys);
        let visible = self.mask.visible(query, keys);
        let uniform = 1.0 / visible.max(1) as f32;
        for column in 0..columns {
            let (from, to) = (self.edges[column], self.edges[column + 1]);
            let piece = Piece::of(&row[from..to]);
            let cell = group * columns + column;
            let held = &mut self.map.cells[cell];
            if piece.is_nan {
                *held = f32::NAN;
            } else if piece.top > *held {
                // NaN stays: nothing is larger than NaN.
                *held = piece.top;
            }
            if self.map.forbidden[cell] {
                // A weight where the mask forbids is shown, not hidden: that is what the picture is for.
                let (low, high) = (range.start.max(from), range.end.min(to));
                let admitted = low < high && (low..high).any(|key| !self.mask.hides(key));
                self.map.forbidden[cell] = !(admitted || piece.is_any);
            }
            if visible > 0 && f64::from(piece.top - uniform) > self.best.least() {
                for (key, &weight) in row.iter().enumerate().take(to).skip(from) {
                    self.best.consider(Link { query, key, weight }, uniform);
                }
            }
        }
    }

    /// The sinks of this input by the detector's rule, the four largest, and what they take.
    fn sinks(&self) -> (Vec<(usize, f32)>, Vec<u16>) {
        let (rows, keys, queries) = (self.map.rows, self.map.keys, self.map.queries);
        let mut steps = vec![0i64; keys + 1];
        for query in 0..queries {
            let range = self.mask.range(query, keys);
            if !range.is_empty() {
                steps[range.start] += 1;
                steps[range.end] -= 1;
            }
        }
        let mut seen = 0i64;
        let mut all: Vec<(usize, f64)> = Vec::new();
        for key in 0..keys {
            seen += steps[key];
            let sum: f64 = (0..rows).map(|row| f64::from(self.sums[row * keys + key])).sum();
            let mean = sum / seen.max(1) as f64;
            if mean > sink::EPSILON && sink::is_seen_enough(seen as usize, queries) && !self.mask.hides(key) {
                all.push((key, mean));
            }
        }
        if all.is_empty() {
            return (Vec::new(), Vec::new());
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.truncate(4);
        let sunk = (0..rows)
            .map(|row| {
                let count = (row + 1) * queries / rows - row * queries / rows;
                let mass: f64 = all.iter().map(|(key, _)| f64::from(self.sums[row * keys + key])).sum();
                (65535.0 * (mass / count as f64).clamp(0.0, 1.0)).round() as u16
            })
            .collect();
        (all.into_iter().map(|(key, mean)| (key, mean as f32)).collect(), sunk)
    }
}

/// What a piece of a row comes to.
struct Piece {
    top: f32,
    is_nan: bool,
    /// Something other than zero is there.
    is_any: bool,
}

impl Piece {
    fn of(weights: &[f32]) -> Self {
        const LANES: usize = 8;
        let (mut top, mut nan, mut any) = ([f32::NEG_INFINITY; LANES], [false; LANES], [false; LANES]);
        let (whole, rest) = weights.as_chunks::<LANES>();
        for chunk in whole {
            for lane in 0..LANES {
                let weight = chunk[lane];
                top[lane] = if weight > top[lane] { weight } else { top[lane] };
                nan[lane] |= weight.is_nan();
                any[lane] |= weight != 0.0;
            }
        }
        for (lane, &weight) in rest.iter().enumerate() {
            top[lane] = if weight > top[lane] { weight } else { top[lane] };
            nan[lane] |= weight.is_nan();
            any[lane] |= weight != 0.0;
        }
        Self {
            top: top.into_iter().fold(f32::NEG_INFINITY, f32::max),
            is_nan: nan.contains(&true),
            is_any: any.contains(&true),
        }
    }
}

/// The links that stand out most: by how far the weight is above that of a uniform row, so that a row that sees two
/// keys does not win by having no choice.
struct Best {
    most: usize,
    held: Vec<(f64, Link)>,
}

impl Best {
    /// What a link must stand out by; below a hundredth nothing does.
    fn least(&self) -> f64 {
        match self.held.len() < self.most {
            true => 0.01,
            false => self.held.last().map_or(f64::INFINITY, |(excess, _)| *excess),
        }
    }

    fn consider(&mut self, link: Link, uniform: f32) {
        let excess = f64::from(link.weight - uniform);
        if excess > self.least() {
            // Behind its equals: the earlier row wins a tie.
            let place = self.held.partition_point(|(held, _)| *held >= excess);
            self.held.insert(place, (excess, link));
            self.held.truncate(self.most);
        }
    }

    fn links(self) -> Vec<Link> {
        self.held.into_iter().map(|(_, link)| link).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::map::Pool;
    use attractor::random::Philox;

    /// Rows of a causal head with a sink, a leak and a NaN, and what a plain loop makes of them.
    #[test]
    fn one_pass_finds_what_plain_loops_find() {
        for (queries, keys, side, causal, hidden) in
            [(131, 131, 32, true, 0), (37, 53, 64, false, 5), (64, 64, 64, true, 0), (257, 97, 48, false, 3)]
        {
            let mut mask = if causal { Mask::causal() } else { Mask::full() };
            if hidden > 0 {
                mask.hidden = (0..keys).map(|key| key >= keys - hidden).collect();
            }
            let mut random = Philox::new(3, queries as u64);
            let mut pass = Pass::over((queries, keys), mask.clone(), side, 7).unwrap();
            let mut pool = Pool::new(queries, keys, side).unwrap();
            let mut all: Vec<(f64, Link)> = Vec::new();
            let mut sink = vec![0.0f64; queries];
            for query in 0..queries {
                let mut row: Vec<f32> = (0..keys)
                    .map(|k| if mask.admits(query, k, keys) { random.uniform() as f32 } else { 0.0 })
                    .collect();
                let sum: f32 = row[1..].iter().sum();
                if sum > 0.0 {
                    row[1..].iter_mut().for_each(|w| *w *= 0.6 / sum);
                    row[0] = 0.4;
                }
                if query == 20 {
                    row[30] = 0.75;
                }
                if query == 11 {
                    row[5] = f32::NAN;
                }
                sink[query] = f64::from(row[0]);
                pool.add(query, &row, |key| mask.admits(query, key, keys));
                pass.add(query, &row);
                let uniform = 1.0 / mask.visible(query, keys).max(1) as f32;
                let own = row.iter().enumerate().filter(|_| mask.visible(query, keys) > 0);
                all.extend(own.map(|(key, &weight)| (f64::from(weight - uniform), Link { query, key, weight })));
            }
            let there = pool.finish();
            assert_eq!((pass.map.rows, pass.map.columns), (there.rows, there.columns));
            assert_eq!(pass.map.forbidden, there.forbidden, "{queries} x {keys}");
            for (cell, (a, b)) in pass.map.cells.iter().zip(&there.cells).enumerate() {
                assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "cell {cell}: {a} for {b}");
            }
            let (sinks, sunk) = pass.sinks();
            assert_eq!(sinks.len(), 1);
            let mean = sink.iter().sum::<f64>() / queries as f64;
            assert!(sinks[0].0 == 0 && (f64::from(sinks[0].1) - mean).abs() < 1e-6, "{sinks:?} for {mean}");
            for (row, sunk) in sunk.iter().enumerate() {
                let own = row * queries / there.rows..(row + 1) * queries / there.rows;
                let mean = own.clone().map(|q| sink[q]).sum::<f64>() / own.len() as f64;
                assert!((f64::from(*sunk) / 65535.0 - mean).abs() < 1e-5, "row {row}");
            }
            all.retain(|(excess, _)| *excess > 0.01);
            all.sort_by(|a, b| b.0.total_cmp(&a.0));
            all.truncate(7);
            let links: Vec<Link> = all.into_iter().map(|(_, link)| link).collect();
            assert_eq!(pass.best.links(), links);
        }
    }

    #[test]
    fn a_key_that_few_queries_see_is_no_sink() {
        let mask = Mask::causal();
        let mut pass = Pass::over((64, 64), mask.clone(), 16, 4).unwrap();
        for query in 0..64usize {
            // Every query keeps its own token.
            let row: Vec<f32> = (0..64).map(|key| f32::from(u8::from(key == query))).collect();
            pass.add(query, &row);
        }
        assert_eq!(pass.sinks(), (vec![], vec![]));
    }
}
