//! Sinks: one position receives a large part of all attention, whatever the query.

use super::Card;
use crate::measure::Geometry;
use crate::statistics::mean;
use attractor::{Error, Result};

/// Mean attention above which a position is a sink.
///
/// # Source
/// Gu et al. 2024, *When attention sink emerges in language models*, arXiv 2410.10781: epsilon = 0.3.
pub const EPSILON: f64 = 0.3;

/// True if enough of the rows see a key for its mean to count: half of them.
pub fn is_seen_enough(seeing: usize, rows: usize) -> bool {
    2 * seeing >= rows.max(1)
}

pub(super) const CARD: Card = Card {
    name: "sink",
    definition: "largest alpha_k over positions k that half of the rows see; alpha_k = mean of A[i, k] over the rows that see \
                 k (i >= k if causal), mean over inputs",
    threshold: EPSILON,
    source: "Gu et al. 2024 (arXiv 2410.10781), epsilon 0.3 on 64 tokens; here the whole input",
    needs: "maps, or the attention that every key receives",
    kept: "a position that half of the rows see beside another",
};

/// Who sees each key of an input.
pub(crate) struct Seen {
    /// Rows that see it.
    pub rows: Vec<u32>,
    /// The attention that it would receive in total if every row were uniform.
    pub uniform: Vec<f64>,
}

impl Seen {
    pub(crate) fn of(g: &Geometry) -> Self {
        let mut seen = Self { rows: vec![0; g.keys], uniform: vec![0.0; g.keys] };
        for query in 0..g.queries {
            for key in g.visible_keys(query) {
                seen.rows[key] += 1;
                seen.uniform[key] += 1.0 / f64::from(g.visible[query]);
            }
        }
        seen
    }
}

/// What the keys of one input receive.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    pub geometry: &'a Geometry,
    pub seen: &'a Seen,
    /// In total, by key.
    pub received: &'a [f64],
}

impl Column<'_> {
    /// Mean attention that a key receives from the rows that see it.
    pub(crate) fn alpha(&self, key: usize) -> f64 {
        self.received[key] / f64::from(self.seen.rows[key])
    }

    /// The same if every row were uniform.
    pub(crate) fn uniform(&self, key: usize) -> f64 {
        self.seen.uniform[key] / f64::from(self.seen.rows[key])
    }

    fn may_be_sink(&self, key: usize) -> bool {
        let g = self.geometry;
        !g.mask.hides(key) && is_seen_enough(self.seen.rows[key] as usize, g.queries)
    }
}

/// The position that receives most, over all inputs of a head.
pub(crate) struct Strongest {
    /// It: the first of the largest.
    pub position: usize,
    /// Its alpha in each input.
    pub scores: Vec<f64>,
    /// All positions that half of the rows of every input see.
    pub places: Vec<usize>,
}

/// The position with the largest mean attention; `None` without inputs, or where no position is seen by half of the rows.
pub(crate) fn strongest(columns: &[Column<'_>]) -> Option<Strongest> {
    let keys = columns.iter().map(|column| column.geometry.keys).min()?;
    let places: Vec<usize> = (0..keys).filter(|&key| columns.iter().all(|column| column.may_be_sink(key))).collect();
    let scores = |key: usize| columns.iter().map(|column| column.alpha(key)).collect::<Vec<_>>();
    let mut best: Option<(usize, f64)> = None;
    for &key in &places {
        let alpha = mean(&scores(key));
        if best.is_none_or(|(_, most)| alpha > most) {
            best = Some((key, alpha));
        }
    }
    best.map(|(position, _)| Strongest { position, scores: scores(position), places })
}

/// alpha_k: the mean attention that each key of a causal map receives from the rows i >= k.
///
/// `map` is [tokens, tokens], row-major, rows are queries; it is only read.
/// # Errors
/// `is_usage` if the map is no square of that size.
/// # Source
/// Gu et al. 2024, *When attention sink emerges in language models*, arXiv 2410.10781, `compute_attention_sink`.
pub fn received(map: &[f32], tokens: usize) -> Result<Vec<f64>> {
    if tokens.checked_mul(tokens) != Some(map.len()) {
        return Err(Error::usage(format!(
            "sink: {} numbers do not make a map of {tokens} x {tokens}; give one square map per head",
            map.len()
        )));
    }
    let mut alpha = vec![0.0f64; tokens];
    for row in map.chunks_exact(tokens.max(1)) {
        alpha.iter_mut().zip(row).for_each(|(a, &w)| *a += f64::from(w));
    }
    alpha.iter_mut().enumerate().for_each(|(k, a)| *a /= (tokens - k) as f64);
    Ok(alpha)
}

/// Sink rate by position: the share of maps (samples, layers and heads alike) with alpha_k > `epsilon`.
///
/// # Errors
/// As [`received`]; `is_usage` without maps.
/// # Source
/// As [`received`], which gives the same in percent.
pub fn rate_by_position(maps: &[&[f32]], tokens: usize, epsilon: f64) -> Result<Vec<f64>> {
    if maps.is_empty() {
        return Err(Error::usage("sink: there is no map to count sinks in; give at least one"));
    }
    let mut counts = vec![0usize; tokens];
    for map in maps {
        for (count, alpha) in counts.iter_mut().zip(received(map, tokens)?) {
            *count += usize::from(alpha > epsilon);
        }
    }
    Ok(counts.into_iter().map(|count| count as f64 / maps.len() as f64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three tokens, by hand: rows (1), (0.6, 0.4), (0.2, 0.5, 0.3): alpha = 1.8 / 3, 0.9 / 2, 0.3 / 1.
    #[test]
    fn alpha_by_hand() {
        let alpha = received(&[1.0, 0.0, 0.0, 0.6, 0.4, 0.0, 0.2, 0.5, 0.3], 3).unwrap();
        for (got, expected) in alpha.iter().zip([0.6, 0.45, 0.3]) {
            assert!((got - expected).abs() < 1e-7, "{alpha:?}");
        }
        assert!(received(&[1.0; 8], 3).unwrap_err().is_usage());
        assert!(rate_by_position(&[], 3, 0.3).unwrap_err().is_usage());
    }

    /// Twelve maps of nine tokens, drawn as the recorded ones were: rows of softmax(4 u), every third map with more on
    /// position 0; u from a linear congruential generator, nine draws per row.
    fn drawn() -> Vec<Vec<f32>> {
        let mut state = 1u64;
        let mut draw = || {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            state as f64 / (1u64 << 31) as f64 - 0.5
        };
        (0..12)
            .map(|map| {
                let mut weights = vec![0.0f32; 81];
                for i in 0..9 {
                    let mut row: Vec<f64> = (0..9).map(|_| (4.0 * draw()).exp()).collect();
                    row.truncate(i + 1);
                    if map % 3 == 0 {
                        row[0] *= 6.0;
                    }
                    let sum: f64 = row.iter().sum();
                    row.iter().enumerate().for_each(|(j, w)| weights[i * 9 + j] = (w / sum) as f32);
                }
                weights
            })
            .collect()
    }

    /// The formula of `compute_attention_sink` (Gu et al., eval_sink_open_source.py) in numpy 2.4.6 on the same maps as 2
    /// samples x 3 layers x 2 heads, in twelfths; no alpha lies within 0.003 of an epsilon.
    #[test]
    fn sink_rates_as_their_authors_compute_them() {
        let maps = drawn();
        let maps: Vec<&[f32]> = maps.iter().map(Vec::as_slice).collect();
        for (epsilon, expected) in [(0.2, [12, 4, 2, 6, 1, 0, 2, 1, 3]), (0.3, [11, 0, 1, 1, 0, 0, 0, 0, 1])] {
            let rates = rate_by_position(&maps, 9, epsilon).unwrap();
            let counts: Vec<usize> = rates.iter().map(|r| (r * 12.0).round() as usize).collect();
            assert_eq!(counts, expected, "epsilon {epsilon}");
        }
        let alpha = received(maps[0], 9).unwrap();
        let expected = [
            0.513_362_007,
            0.096_893_633,
            0.068_446_056,
            0.252_778_384,
            0.060_370_829,
            0.102_464_416,
            0.051_010_036,
            0.243_250_459,
            0.257_557_333,
        ];
        assert!(alpha.iter().zip(expected).all(|(a, e)| (a - e).abs() < 1e-6), "{alpha:?}");
    }
}
