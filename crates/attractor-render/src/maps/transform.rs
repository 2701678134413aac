//! What can be done to a map before it is drawn. Each says so in the figure.

use crate::maps::hidden::Hidden;
use crate::maps::map::{Map, Pooling};
use attractor::{Error, Result};

/// The map without some of its keys, each row scaled to sum to one again, as [`Hidden`] says.
///
/// The hidden columns are blank, as is a row that had given all its weight to them; that many rows are named too.
///
/// # Errors
/// `is_shape` for a pooled map, whose rows cannot be scaled ([`map::read_hiding`](crate::maps::map::read_hiding) hides before it
/// pools), for a key that the map does not have, and for no key at all.
pub fn without_keys(map: &Map, hidden: &[usize]) -> Result<Map> {
    if map.is_pooled() {
        return Err(Error::shape(format!(
            "hide keys: a pooled map of {} x {} cells for {} x {} weights; hide before pooling",
            map.rows, map.columns, map.queries, map.keys
        )));
    }
    let mut hidden = Hidden::new(hidden, map.columns)?;
    let mut shown = map.clone();
    shown.forbidden.resize(map.cells.len(), false);
    for row in 0..map.rows {
        let cells = row * map.columns..(row + 1) * map.columns;
        hidden.keys().iter().for_each(|key| shown.forbidden[cells.start + key] = true);
        if !hidden.row(&mut shown.cells[cells.clone()]) {
            shown.forbidden[cells].fill(true);
        }
    }
    shown.hides_keys = true;
    shown.notes.push(hidden.note());
    Ok(shown)
}

/// What changed: `after` minus `before`, cell by cell; pools by the largest change. A cell is blank where both are.
///
/// Differences of pooled maps are differences of their maxima, and the figure says so.
///
/// # Errors
/// `is_shape` if the maps differ in shape, `is_usage` if they are pooled differently.
pub fn difference(before: &Map, after: &Map) -> Result<Map> {
    let shape = |m: &Map| (m.rows, m.columns, m.queries, m.keys);
    if shape(before) != shape(after) {
        return Err(Error::shape(format!(
            "difference: {} x {} cells for {} x {} pairs before, {} x {} for {} x {} after; both must be alike",
            before.rows,
            before.columns,
            before.queries,
            before.keys,
            after.rows,
            after.columns,
            after.queries,
            after.keys
        )));
    }
    if before.pooling != after.pooling {
        return Err(Error::usage(format!(
            "difference: cells show the {:?} before and the {:?} after; both must be pooled alike",
            before.pooling, after.pooling
        )));
    }
    let cells = before.cells.iter().zip(&after.cells).map(|(b, a)| a - b).collect();
    let forbidden = (0..before.cells.len()).map(|c| before.is_forbidden(c) && after.is_forbidden(c)).collect();
    let mut notes = before.notes.clone();
    notes.extend(after.notes.iter().filter(|n| !before.notes.contains(n)).cloned());
    if before.is_pooled() {
        notes.push("differences are between pooled cells".to_string());
    }
    Ok(Map { cells, forbidden, notes, pooling: Pooling::Magnitude, ..after.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_sums_to_one_and_says_so() {
        let map = Map::exact(vec![1.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.6, 0.1, 0.3], 3, 3).unwrap().causal().unwrap();
        let shown = without_keys(&map, &[0]).unwrap();
        for (row, expected) in [(1, [0.0, 1.0, 0.0]), (2, [0.0, 0.25, 0.75])] {
            for (a, b) in shown.cells[row * 3..(row + 1) * 3].iter().zip(expected) {
                assert!((a - b).abs() < 1e-6, "{:?}", shown.cells);
            }
        }
        // Hidden, emptied and masked cells are blank; nothing else is.
        assert_eq!(shown.forbidden, [true, true, true, true, false, true, true, false, false]);
        assert_eq!(
            shown.notes,
            ["key 0 is hidden, rows renormalised to sum to one; 1 row had no other weight and is blank"]
        );
        let svg =
            crate::figures::heatmap::heatmap(&shown, "L0H0", &[], &crate::figures::heatmap::Style::default()).unwrap();
        assert!(svg.contains("key 0 is hidden"), "{svg}");
    }

    #[test]
    fn a_nan_is_not_repaired() {
        let map = Map::exact(vec![0.5, f32::NAN, 0.5, 0.5, 0.25, 0.25], 2, 3).unwrap();
        let shown = without_keys(&map, &[0]).unwrap();
        assert!(shown.cells[1].is_nan() && shown.cells[2].is_nan());
        assert_eq!(shown.cells[4..], [0.5, 0.5]);
    }

    #[test]
    fn keys_that_are_not_there_and_pooled_maps_are_refused() {
        let map = Map::exact(vec![0.25; 16], 4, 4).unwrap();
        assert!(without_keys(&map, &[4]).unwrap_err().is_usage());
        assert!(without_keys(&map, &[]).unwrap_err().is_shape());
        assert!(without_keys(&map.pooled(2).unwrap(), &[0]).unwrap_err().is_shape());
    }

    #[test]
    fn differences_are_after_minus_before_and_pool_by_size() {
        let before = Map::exact(vec![0.5, 0.5, 0.0, 1.0], 2, 2).unwrap();
        let after = Map::exact(vec![0.25, 0.75, 0.875, 0.125], 2, 2).unwrap();
        let map = difference(&before, &after).unwrap();
        assert_eq!(map.cells, [-0.25, 0.25, 0.875, -0.875]);
        // The first of the two largest: a maximum would have hidden the loss in favour of a smaller gain.
        assert_eq!(map.pooled(1).unwrap().cells, [0.875]);
        assert_eq!(difference(&after, &before).unwrap().pooled(1).unwrap().cells, [-0.875]);
        let other = Map::exact(vec![0.5; 6], 2, 3).unwrap();
        assert!(difference(&before, &other).unwrap_err().is_shape());
        let mean = Map { pooling: Pooling::Mean, ..after };
        assert!(difference(&before, &mean).unwrap_err().is_usage());
    }
}
