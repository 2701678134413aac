//! How many stored patterns a query retrieves at once: the size of its metastable state.
//!
//! k_i = the fewest keys of row i with 0.90 of its mass. The median over rows puts a head into one of four regimes.
//! # Source
//! Ramsauer et al. 2021, *Hopfield networks is all you need*, arXiv 2008.02217: the mass of 0.90, the median over rows
//! and the four classes of heads of BERT (512 keys). The cut-offs N/2, N/8 and N/32 are recalled from its appendix and
//! were not checked against the text. Two things differ here: a row is compared with the keys that *it* sees, since
//! under a causal mask early rows see few; and a median of one key, a single pattern, is always of the last class, since
//! fewer than 32 keys leave no room for it below N/32.

use std::ops::Range;

use attractor::Result;
use attractor::retrieve::Mask;
use attractor::settle::metastable::{Regime, fewest_keys};
use attractor_record::Patterns;

use super::pass::{Taker, pass};

/// Most rows of a map that are counted; longer inputs give blocks at equal distances.
pub const MOST_ROWS: usize = 512;
/// Rows of such a block.
const BLOCK: usize = 32;

/// Sizes of a head's metastable states.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metastable {
    /// Rows that were counted: those that see two keys or more.
    pub rows: usize,
    /// Median of k_i, keys.
    pub keys: f64,
    /// Median of k_i / n_i.
    pub share: f64,
}

impl Metastable {
    /// The head's regime.
    pub fn regime(&self) -> Option<Regime> {
        Regime::of_median(self.keys, self.share)
    }
}

/// The rows of a map of `n` queries that are counted.
fn rows(n: usize) -> Vec<Range<usize>> {
    if n <= MOST_ROWS {
        return (0..n).step_by(BLOCK).map(|start| start..(start + BLOCK).min(n)).collect();
    }
    let blocks = MOST_ROWS / BLOCK;
    (0..blocks).map(|b| (b * (n - BLOCK) / (blocks - 1))..(b * (n - BLOCK) / (blocks - 1) + BLOCK)).collect()
}

/// Sizes of the states of a head, row by row of all its inputs.
#[derive(Default)]
pub(super) struct Sizes {
    keys: Vec<f64>,
    shares: Vec<f64>,
}

impl Sizes {
    /// Takes the rows of the map of an input of `n` queries that are counted.
    pub(super) fn of(&mut self, mask: Mask, n: usize) -> Counted<'_> {
        Counted { sizes: self, mask, rows: rows(n), row: Vec::new() }
    }

    /// Medians; `None` if no row sees two keys.
    pub(super) fn medians(mut self) -> Option<Metastable> {
        let rows = self.keys.len();
        (rows > 0).then(|| Metastable { rows, keys: median(&mut self.keys), share: median(&mut self.shares) })
    }
}

/// Counts the keys of rows of one map.
pub(super) struct Counted<'a> {
    sizes: &'a mut Sizes,
    mask: Mask,
    rows: Vec<Range<usize>>,
    /// A row that is put in order.
    row: Vec<f32>,
}

impl Taker for Counted<'_> {
    fn wants(&self, query: usize) -> bool {
        self.rows.iter().any(|rows| rows.contains(&query))
    }

    fn take(&mut self, query: usize, row: &[f32]) {
        let seen = self.mask.visible(query, row.len());
        if seen < 2 {
            return;
        }
        self.row.clear();
        self.row.extend_from_slice(row);
        if let Some(k) = fewest_keys(&mut self.row) {
            self.sizes.keys.push(k as f64);
            self.sizes.shares.push(k as f64 / seen as f64);
        }
    }
}

/// Sizes over the rows of all inputs together; `None` if no map was kept, or no row sees two keys.
///
/// # Errors
/// `is_format` if the patterns cannot be read.
pub fn of_head(patterns: &dyn Patterns, layer: usize, head: usize) -> Result<Option<Metastable>> {
    let mut sizes = Sizes::default();
    for input in 0..patterns.inputs() {
        let (n, _) = patterns.shape(layer, input)?;
        pass(patterns, (layer, head, input), &mut [&mut sizes.of(patterns.mask(layer, input)?, n)])?;
    }
    Ok(sizes.medians())
}

/// The median; of an even number the mean of the two in the middle.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Maps, previous, random_ids, uniform};

    #[test]
    fn regimes_at_their_cut_offs() {
        let of = |k: f64| Regime::of_median(k, k / 512.0).unwrap();
        assert_eq!((of(257.0), of(256.0)), (Regime::GlobalAverage, Regime::Large));
        assert_eq!((of(65.0), of(64.0)), (Regime::Large, Regime::Medium));
        assert_eq!((of(17.0), of(16.0)), (Regime::Medium, Regime::Small));
        assert_eq!(Regime::of_median(1.0, 0.25), Some(Regime::Small));
        assert_eq!(Regime::of_median(f64::NAN, f64::NAN), None);
    }

    /// Uniform causal rows keep nine tenths of what they see; rows of one key have no say.
    #[test]
    fn heads_by_hand() {
        let maps = Maps::causal(&[random_ids(40, 9, 1), random_ids(31, 9, 2)], 1).head(0, uniform).head(0, previous);
        let averaging = of_head(&maps, 0, 0).unwrap().unwrap();
        assert_eq!(averaging.rows, 39 + 30);
        assert!((0.9..0.97).contains(&averaging.share), "{averaging:?}");
        assert_eq!(averaging.regime(), Some(Regime::GlobalAverage));
        let sharp = of_head(&maps, 0, 1).unwrap().unwrap();
        assert_eq!((sharp.keys, sharp.regime()), (1.0, Some(Regime::Small)));
    }

    #[test]
    fn long_inputs_give_rows_from_begin_to_end() {
        let long = rows(16_384);
        assert_eq!(long.iter().map(|block| block.len()).sum::<usize>(), MOST_ROWS);
        assert_eq!((long[0].start, long.last().unwrap().end), (0, 16_384));
        assert!(long.windows(2).all(|w| w[0].end <= w[1].start));
        let near = rows(513);
        assert!(near.windows(2).all(|w| w[0].end <= w[1].start) && near.last().unwrap().end == 513, "{near:?}");
        assert_eq!(rows(512).iter().map(|block| block.len()).sum::<usize>(), 512);
    }
}
