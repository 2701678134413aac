//! How many dimensions a map has: effective and stable rank, beside what its mask alone gives.
//!
//! effective rank = exp(-sum p ln p), p = sigma / sum sigma; stable rank = |A|_F^2 / |A|_2^2.
//!
//! A causal map with a positive diagonal is of full rank by construction, whatever it does: only the ratio to the
//! uniform map of the same mask says something about the head.
//! # Source
//! Roy and Vetterli 2007, *The effective rank*. Rank collapse: Dong et al. 2021 (recalled, not read again).

use attractor::retrieve::Mask;
use attractor_record::Patterns;

use super::pass::{Taker, pass};
use super::singular::singular_values;
use attractor::Result;

/// Most queries and keys whose map is decomposed: the leading block of longer inputs.
pub const MOST_TOKENS: usize = 512;

/// Ranks of a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranks {
    /// exp of the entropy of the normalised singular values, in [1, min(n, m)].
    pub effective: f64,
    /// Squared Frobenius norm over squared spectral norm, in [1, min(n, m)].
    pub stable: f64,
}

/// Ranks of a head's map and of the uniform map of its mask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapRanks {
    /// Leading queries that were taken.
    pub queries: usize,
    /// Leading keys that were taken.
    pub keys: usize,
    /// The map's.
    pub map: Ranks,
    /// The uniform map's: each row 1 / n_i on its visible keys.
    pub uniform: Ranks,
}

impl MapRanks {
    /// Effective rank relative to the uniform map's: 1 for a uniform head.
    pub fn effective_ratio(&self) -> f64 {
        self.map.effective / self.uniform.effective
    }

    /// Stable rank relative to the uniform map's.
    pub fn stable_ratio(&self) -> f64 {
        self.map.stable / self.uniform.stable
    }
}

/// Ranks of a [rows, columns] matrix; `None` for one without a positive singular value, or with a NaN.
pub fn ranks(matrix: &[f64], rows: usize, columns: usize) -> Option<Ranks> {
    let values = singular_values(matrix, rows, columns)?;
    let (sum, most) = (values.iter().sum::<f64>(), *values.first()?);
    // Negated, so that a NaN is no rank.
    if !(most > 0.0) {
        return None;
    }
    let terms = values.iter().map(|v| v / sum).filter(|p| *p > 0.0).map(|p| -p * p.ln());
    let squares: f64 = values.iter().map(|v| (v / most) * (v / most)).sum();
    Some(Ranks { effective: terms.sum::<f64>().exp(), stable: squares })
}

/// Uniform maps that were decomposed already: layers and inputs share their masks.
#[derive(Debug, Default)]
pub struct Baselines {
    known: Vec<(Mask, usize, usize, usize, Option<Ranks>)>,
}

impl Baselines {
    /// Ranks of the leading block of the uniform map of `mask` over n queries and m keys.
    pub fn of(&mut self, mask: &Mask, n: usize, m: usize) -> Option<Ranks> {
        let (rows, columns) = (n.min(MOST_TOKENS), m.min(MOST_TOKENS));
        if let Some(found) = self.known.iter().find(|k| k.1 == rows && k.2 == columns && k.3 == m && k.0 == *mask) {
            return found.4;
        }
        let mut map = vec![0.0; rows * columns];
        for (query, row) in map.chunks_exact_mut(columns.max(1)).enumerate() {
            let range = mask.range(query, m);
            let visible = range.clone().filter(|&key| !mask.hides(key)).count();
            for key in range.filter(|&key| key < columns && !mask.hides(key)) {
                row[key] = 1.0 / visible as f64;
            }
        }
        let found = ranks(&map, rows, columns);
        self.known.push((mask.clone(), rows, columns, m, found));
        found
    }
}

/// Takes the leading square of a map, [queries, keys] of at most [`MOST_TOKENS`] each.
pub(super) struct Leading {
    queries: usize,
    keys: usize,
    square: Vec<f64>,
}

impl Leading {
    /// Of a map of n queries and m keys.
    pub(super) fn new((n, m): (usize, usize)) -> Self {
        Self { queries: n.min(MOST_TOKENS), keys: m.min(MOST_TOKENS), square: Vec::new() }
    }

    /// Its ranks, given the uniform map's; `None` if it holds what is not a number.
    pub(super) fn ranks(&self, uniform: Option<Ranks>) -> Option<MapRanks> {
        let Self { queries, keys, ref square } = *self;
        let map = if square.len() == queries * keys { ranks(square, queries, keys) } else { None };
        map.zip(uniform).map(|(map, uniform)| MapRanks { queries, keys, map, uniform })
    }
}

impl Taker for Leading {
    fn wants(&self, query: usize) -> bool {
        query < self.queries
    }

    fn take(&mut self, _: usize, row: &[f32]) {
        self.square.extend(row[..self.keys].iter().map(|&w| f64::from(w)));
    }
}

/// Ranks of a head's map on the leading [`MOST_TOKENS`] tokens, given the uniform map's.
///
/// `None` if the map was not kept, or holds what is not a number.
/// # Errors
/// `is_format` if the patterns cannot be read.
pub fn of_head(
    patterns: &dyn Patterns,
    layer: usize,
    head: usize,
    input: usize,
    uniform: Option<Ranks>,
) -> Result<Option<MapRanks>> {
    let mut leading = Leading::new(patterns.shape(layer, input)?);
    let was_kept = pass(patterns, (layer, head, input), &mut [&mut leading])?;
    Ok(if was_kept { leading.ranks(uniform) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Maps, previous, random_ids, uniform};

    #[test]
    fn known_ranks() {
        let identity: Vec<f64> = (0..25).map(|at| f64::from(u8::from(at % 6 == 0))).collect();
        let found = ranks(&identity, 5, 5).unwrap();
        assert!((found.effective - 5.0).abs() < 1e-12 && (found.stable - 5.0).abs() < 1e-12, "{found:?}");
        let found = ranks(&[0.2; 25], 5, 5).unwrap();
        assert!((found.effective - 1.0).abs() < 1e-9 && (found.stable - 1.0).abs() < 1e-12, "{found:?}");
        // diag(2, 1): p = 2/3, 1/3; stable 5 / 4.
        let found = ranks(&[2.0, 0.0, 0.0, 1.0], 2, 2).unwrap();
        let entropy = -(2.0f64 / 3.0 * (2.0f64 / 3.0).ln() + 1.0 / 3.0 * (1.0f64 / 3.0).ln());
        assert!((found.effective - entropy.exp()).abs() < 1e-12 && (found.stable - 1.25).abs() < 1e-12);
        assert_eq!(ranks(&[0.0; 4], 2, 2), None);
    }

    /// numpy 2.4.6, numpy.linalg.svd of the uniform causal map of 24 tokens.
    #[test]
    fn the_uniform_causal_map_has_the_recorded_ranks() {
        let found = Baselines::default().of(&Mask::causal(), 24, 24).unwrap();
        assert!(
            (found.effective - UNIFORM_24.0).abs() < 1e-9 && (found.stable - UNIFORM_24.1).abs() < 1e-9,
            "{found:?}"
        );
    }
    const UNIFORM_24: (f64, f64) = (11.270291628178748, 1.6531018221003706);

    #[test]
    fn a_uniform_head_has_the_ranks_of_its_mask_and_a_sharp_one_more() {
        let maps = Maps::causal(&[random_ids(40, 9, 1)], 1).head(0, uniform).head(0, previous);
        let baseline = Baselines::default().of(&Mask::causal(), 40, 40);
        let ratio = |head| of_head(&maps, 0, head, 0, baseline).unwrap().unwrap();
        assert!((ratio(0).effective_ratio() - 1.0).abs() < 1e-5 && (ratio(0).stable_ratio() - 1.0).abs() < 1e-6);
        // The previous-token map: rows 0 and 1 share key 0, so 38 values of 1, one of sqrt 2, one of 0.
        let previous = ratio(1);
        assert!((previous.map.stable - 40.0 / 2.0).abs() < 1e-9, "{previous:?}");
        assert!(previous.effective_ratio() > 2.0, "{previous:?}");
    }

    /// Beyond 512 tokens the leading block is taken; for a causal mask it is the map of the shorter input.
    #[test]
    fn long_inputs_are_cut() {
        let mut baselines = Baselines::default();
        let long = baselines.of(&Mask::causal(), 700, 700).unwrap();
        let short = baselines.of(&Mask::causal(), 512, 512).unwrap();
        assert_eq!(long, short);
        assert_eq!(baselines.known.len(), 2);
    }
}
