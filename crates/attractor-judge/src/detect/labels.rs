//! Which cells of a map a detector counts.

use std::collections::HashSet;
use std::ops::Range;

use crate::measure::{Geometry, Pairs};

/// The cells of a map that a detector counts, and over how many rows it averages.
///
/// score = (sum of the labelled cells) / rows: the mean, over the rows that have a label, of the mass on the labelled
/// keys. Under uniform attention over visible keys it is the mean of (labelled keys / n_i).
#[derive(Debug)]
pub(crate) enum Labels {
    /// Some keys of each row.
    Cells {
        /// Labelled keys by row.
        pairs: Pairs,
        /// Rows with a label.
        rows: usize,
    },
    /// The same keys for every row that sees them.
    Keys {
        /// Ascending.
        members: Vec<usize>,
        /// Rows that see one of them.
        rows: usize,
        /// The score of uniform attention.
        uniform: f64,
    },
}

impl Labels {
    /// The keys that `of` names for each row that has a choice; `None` if there are none.
    pub(super) fn cells<I: IntoIterator<Item = usize>>(g: &Geometry, of: impl Fn(usize) -> I) -> Option<Self> {
        let mut pairs = Pairs::new();
        for query in 0..g.queries {
            match g.visible[query] {
                // A row that sees one key has no choice and tells nothing.
                0 | 1 => pairs.push_row([]),
                _ => pairs.push_row(of(query).into_iter().filter(|&key| g.mask.admits(query, key, g.keys))),
            }
        }
        let rows = pairs.rows();
        (rows > 0).then_some(Self::Cells { pairs, rows })
    }

    /// These keys, ascending, for every row that sees them; `None` if no row does.
    pub(super) fn keys(g: &Geometry, members: Vec<usize>) -> Option<Self> {
        let (mut rows, mut uniform) = (0usize, 0.0);
        for query in 0..g.queries {
            let range = g.mask.range(query, g.keys);
            let below = |bound: usize| members.partition_point(|&key| key < bound);
            let seen = below(range.end) - below(range.start);
            if seen > 0 {
                rows += 1;
                uniform += seen as f64 / f64::from(g.visible[query]);
            }
        }
        (rows > 0).then(|| Self::Keys { members, rows, uniform: uniform / rows as f64 })
    }

    /// Labelled rows.
    pub(crate) fn rows(&self) -> f64 {
        match self {
            Self::Cells { rows, .. } | Self::Keys { rows, .. } => *rows as f64,
        }
    }

    /// The score of uniform attention.
    pub(super) fn uniform(&self, g: &Geometry) -> f64 {
        match self {
            Self::Cells { pairs, .. } => {
                let each = (0..g.queries).map(|row| pairs.row(row).len() as f64 / f64::from(g.visible[row].max(1)));
                each.sum::<f64>() / self.rows()
            }
            Self::Keys { uniform, .. } => *uniform,
        }
    }

    /// The labelled mass in `rows` of a map, whose block of distributions this is; the score is its mean over the
    /// labelled rows.
    pub(super) fn mass(&self, block: &[f32], rows: Range<usize>, keys: usize) -> f64 {
        let Self::Cells { pairs, .. } = self else { return 0.0 };
        let each = rows.zip(block.chunks_exact(keys.max(1)));
        each.map(|(row, weights)| pairs.row(row).iter().map(|&key| f64::from(weights[key as usize])).sum::<f64>()).sum()
    }

    /// The labelled mass of one row, a distribution over the keys; the score is its sum over the labelled rows.
    pub(crate) fn of_row(&self, query: usize, row: &[f64]) -> f64 {
        let Self::Cells { pairs, .. } = self else { return 0.0 };
        pairs.row(query).iter().map(|&key| row[key as usize]).sum()
    }

    /// The score of labels that are keys, from the attention that every key receives in total.
    pub(super) fn of_columns(&self, received: &[f64]) -> f64 {
        let Self::Keys { members, .. } = self else { return 0.0 };
        members.iter().map(|&key| received[key]).sum::<f64>() / self.rows()
    }

    /// The mean, over labelled rows, of a mass that was kept by row; `None` if such a row was not counted.
    pub(crate) fn of_rows(&self, mass: &[f32]) -> Option<f64> {
        let Self::Cells { pairs, .. } = self else { return None };
        let labelled = (0..mass.len()).filter(|&row| !pairs.row(row).is_empty());
        let (mut sum, mut rows) = (0.0, 0usize);
        for row in labelled.filter(|&row| !mass[row].is_nan()) {
            sum += f64::from(mass[row]);
            rows += 1;
        }
        (rows > 0).then(|| sum / rows as f64)
    }

    /// The labelled (row, key) by signed offset; keys as labels have none.
    pub(super) fn by_offset(&self, g: &Geometry) -> Vec<Vec<u32>> {
        let mut cells = vec![Vec::new(); g.offsets()];
        if let Self::Cells { pairs, .. } = self {
            for (query, key) in pairs.iter() {
                cells[g.offset_index(query, key)].push((query * g.keys + key) as u32);
            }
        }
        cells
    }

    /// What is labelled, to be compared with the labels of another input.
    pub(super) fn places(&self) -> HashSet<(usize, usize)> {
        match self {
            Self::Cells { pairs, .. } => pairs.iter().collect(),
            Self::Keys { members, .. } => members.iter().map(|&key| (0, key)).collect(),
        }
    }
}
