//! One pass over the rows of a map, for everybody who wants some of them.

use attractor::{Error, Result};
use attractor_record::Patterns;

/// Takes rows of one map, in order.
pub(super) trait Taker {
    /// True if it wants the row of a query.
    fn wants(&self, query: usize) -> bool;
    /// The row of a query that it wants, as it is stored.
    fn take(&mut self, query: usize, row: &[f32]);
}

/// Numbers of a strip, and its most rows.
const STRIP: (usize, usize) = (1 << 18, 64);

/// Shows every taker the rows that it wants of the map of a head on an input; false if the map was not kept.
///
/// Each row is read once, and none that nobody wants but for those between two that somebody does in the same strip.
///
/// # Errors
/// `is_format` if the patterns cannot be read, or contradict their own shape.
pub(super) fn pass(
    patterns: &dyn Patterns,
    (layer, head, input): (usize, usize, usize),
    takers: &mut [&mut dyn Taker],
) -> Result<bool> {
    let (n, m) = patterns.shape(layer, input)?;
    let Some(mut map) = patterns.open(layer, head, input)? else { return Ok(false) };
    let height = (STRIP.0 / m.max(1)).clamp(8, STRIP.1);
    let mut block = Vec::new();
    for start in (0..n).step_by(height) {
        let wanted = |query: &usize| takers.iter().any(|taker| taker.wants(*query));
        let strip = start..(start + height).min(n);
        let Some(first) = strip.clone().find(wanted) else { continue };
        let rows = first..strip.rev().find(wanted).map_or(first, |last| last + 1);
        map.read(rows.clone(), &mut block)?;
        if block.len() != rows.len() * m {
            return Err(Error::format(format!(
                "rows {rows:?} of L{layer}H{head}, input {input}, came as {} numbers, expected {m} per row; the source \
                 contradicts its own shape",
                block.len()
            )));
        }
        for (query, row) in rows.zip(block.chunks_exact(m.max(1))) {
            takers.iter_mut().filter(|taker| taker.wants(query)).for_each(|taker| taker.take(query, row));
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Bare, Maps, noise, random_ids};

    struct Chosen(Vec<usize>, Vec<(usize, Vec<f32>)>);

    impl Taker for Chosen {
        fn wants(&self, query: usize) -> bool {
            self.0.contains(&query)
        }

        fn take(&mut self, query: usize, row: &[f32]) {
            self.1.push((query, row.to_vec()));
        }
    }

    #[test]
    fn everybody_is_given_the_rows_that_they_want() {
        let n = 131;
        let maps = Maps::causal(&[random_ids(n, 5, 1)], 1).head(0, |ids, _| noise(ids.len(), 1.2, 5, |_, _| 0.0));
        let mut takers =
            [vec![], vec![0], vec![3, 60, 61, 64, 130], (0..n).collect()].map(|rows| Chosen(rows, Vec::new()));
        let mut each: Vec<&mut dyn Taker> = takers.iter_mut().map(|taker| taker as &mut dyn Taker).collect();
        assert!(pass(&maps, (0, 0, 0), &mut each).unwrap());
        for Chosen(wanted, taken) in takers {
            assert_eq!(taken.iter().map(|(query, _)| *query).collect::<Vec<_>>(), wanted);
            for (query, row) in taken {
                assert_eq!(row, maps.maps[0][0][0][query * n..(query + 1) * n]);
            }
        }
        let mut all = Chosen((0..n).collect(), Vec::new());
        assert!(!pass(&Bare(maps), (0, 0, 0), &mut [&mut all]).unwrap() && all.1.is_empty(), "not kept");
    }
}
