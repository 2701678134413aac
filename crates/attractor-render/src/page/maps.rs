//! The maps of the page, seen while judgement walks them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use attractor_judge::Report;
use attractor_record::{Patterns, Watch, Watcher};

use super::places::{self, LINKS, Place};
use super::read::{Pass, Read};
use super::{Options, page};

/// The maps that a page shows.
///
/// Given to [`judge_watched`](attractor_judge::judge_watched) it sees every map as it passes, and the page needs no walk of
/// its own.
pub struct Maps {
    pub(super) options: Options,
    seen: Mutex<BTreeMap<Place, Read>>,
}

impl Maps {
    /// Nothing seen yet.
    pub fn new(options: Options) -> Self {
        Self { options, seen: Mutex::default() }
    }

    /// The page of a report; maps that were not seen, or are too large for the page, are read.
    ///
    /// `patterns` are what was judged; without them (a report read back from JSON) the page has no maps and says so. What
    /// cannot be read or drawn is named in the page: it is no reason to have no page.
    ///
    /// # Cost
    /// For maps that were not seen O(inputs drawn x heads x N^2) time, heads in parallel; memory of the page, and for each
    /// thread one strip of a map and `side` x N sums.
    pub fn page(&self, report: &Report, patterns: Option<&dyn Patterns>) -> String {
        page(report, patterns, self)
    }

    /// A map that was seen, if at this size.
    pub(super) fn taken(&self, place: Place, side: usize) -> Option<Read> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A map of fewer positions than cells is the same at every size that holds it.
        let fits = |read: &Read| {
            let map = &read.head.map;
            (map.rows, map.columns) == (map.queries.min(side), map.keys.min(side))
        };
        seen.get(&place).is_some_and(fits).then(|| seen.remove(&place)).flatten()
    }

    /// The largest size that so many maps can have in the page.
    fn side(&self, patterns: &dyn Patterns) -> usize {
        let heads: usize = patterns.layers().iter().map(|layer| layer.heads.len()).sum();
        let places = heads * places::inputs(patterns, &self.options).len();
        places::side(self.options.side, self.options.max_bytes / 5 * 4 / places.max(1))
    }
}

impl Watcher for Maps {
    fn begin<'a>(&'a self, patterns: &'a dyn Patterns, place: Place) -> Option<Box<dyn Watch + 'a>> {
        if !self.options.inputs.contains(&place.2) {
            return None;
        }
        // A map that has no cell is refused where it is drawn.
        let pass = Pass::new(patterns, place.0, place.2, self.side(patterns), LINKS).ok()?;
        Some(Box::new(Passing { maps: self, place, pass }))
    }
}

struct Passing<'a> {
    maps: &'a Maps,
    place: Place,
    pass: Pass,
}

impl Watch for Passing<'_> {
    fn rows(&mut self, rows: Range<usize>, weights: &[f32]) {
        self.pass.strip(rows, weights);
    }

    fn end(self: Box<Self>) {
        let read = self.pass.finish(self.place);
        self.maps.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(self.place, read);
    }
}
