//! How far the rows of one map are apart: the chosen rows of the diversity check, pair by pair.

use std::ops::Range;

use attractor::rows::jensen_shannon;

use super::Geometry;
use crate::statistics::Triangle;

/// Below this a divergence is rounding, nats: rows so close are equal, and tie.
const ROUNDING: f64 = 4e-6;

/// The chosen rows of a map, kept as they pass by.
pub(crate) struct Chosen<'a> {
    g: &'a Geometry,
    rows: Vec<Vec<f32>>,
}

impl<'a> Chosen<'a> {
    pub(crate) fn new(g: &'a Geometry) -> Self {
        Self { g, rows: Vec::with_capacity(g.chosen.len()) }
    }

    /// Takes in rows that are distributions.
    pub(crate) fn strip(&mut self, rows: Range<usize>, block: &[f32]) {
        while let Some(&row) = self.g.chosen.get(self.rows.len()).filter(|row| rows.contains(row)) {
            let start = (row - rows.start) * self.g.keys;
            self.rows.push(block[start..start + self.g.keys].to_vec());
        }
    }

    /// Jensen-Shannon divergence of every pair in the order of [`Triangle`], nats; NaN where a row has no mass on the keys
    /// that both see.
    pub(crate) fn divergences(&self) -> Vec<f32> {
        let g = self.g;
        let ranges: Vec<Range<usize>> = g.chosen.iter().map(|&row| g.mask.range(row, g.keys)).collect();
        let mut out = Vec::with_capacity(Triangle { rows: self.rows.len() }.len());
        for high in 1..self.rows.len() {
            for low in 0..high {
                let common = ranges[high].start.max(ranges[low].start)..ranges[high].end.min(ranges[low].end);
                let js = match common.is_empty() {
                    true => None,
                    false => {
                        let (a, b) = (&self.rows[high][common.clone()], &self.rows[low][common.clone()]);
                        jensen_shannon(a, b, &g.keep[common])
                    }
                };
                out.push(js.map_or(f32::NAN, |js| if js < ROUNDING { 0.0 } else { js as f32 }));
            }
        }
        out
    }
}
