//! Positional heads: the strongest key stands at one fixed offset.

use super::Card;
use crate::measure::Geometry;

pub(super) const CARD: Card = Card {
    name: "positional",
    definition: "largest share of rows whose strongest key is at one fixed offset j - i, over the rows that see two keys \
                 or more, mean over inputs",
    threshold: 0.9,
    source: "Voita et al. 2019 (arXiv 1905.09418): at least 90 % of the time",
    needs: "maps, or the strongest key of every row",
    kept: "an offset that 90 % of the rows can see",
};

/// The signed offsets p - j that at least the usual threshold's share of rows can see, and the share of each that is expected
/// where every visible key is as likely to be the strongest. Others cannot reach the threshold.
pub(super) fn candidates(g: &Geometry) -> Vec<(i64, f64)> {
    let rows: Vec<usize> = (0..g.queries).filter(|&query| g.visible[query] >= 2).collect();
    let least = (CARD.threshold * rows.len() as f64).ceil() as u32;
    let mut found = Vec::new();
    for index in 0..g.offsets() {
        if rows.is_empty() || g.offset_pairs[index] < least {
            continue;
        }
        let offset = index as i64 + 1 - g.keys as i64;
        let expected: f64 = rows
            .iter()
            .filter(|&&query| {
                let key = g.position(query) as i64 - offset;
                key >= 0 && g.mask.admits(query, key as usize, g.keys)
            })
            .map(|&query| 1.0 / f64::from(g.visible[query]))
            .sum();
        found.push((offset, expected / rows.len() as f64));
    }
    found
}

/// Share of rows whose strongest key is at each of `offsets`; `strongest[row]` is `u32::MAX` where there is none.
pub(super) fn shares(g: &Geometry, strongest: &[u32], offsets: &[i64]) -> Vec<f64> {
    let (mut counts, mut rows) = (vec![0usize; offsets.len()], 0usize);
    for (query, &key) in strongest.iter().enumerate() {
        if g.visible[query] < 2 || key == u32::MAX {
            continue;
        }
        rows += 1;
        let offset = g.position(query) as i64 - i64::from(key);
        if let Some(slot) = offsets.iter().position(|&o| o == offset) {
            counts[slot] += 1;
        }
    }
    counts.into_iter().map(|count| count as f64 / rows.max(1) as f64).collect()
}
