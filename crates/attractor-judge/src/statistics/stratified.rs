//! Offset-stratified permutation: labels move among pairs at the same distance.
//!
//! Within one input there are no other tokens to pair a pattern with. The labels ("same token", "target of induction") are
//! then permuted among all pairs at the same signed offset, which keeps locality: a local head stays as local as it is.
//! Keys are never permuted freely within a row: that would break sinks and make the null far too narrow.

use std::ops::Range;

use attractor::random::Philox;

/// Which permutations put a label on each cell of a map.
///
/// The sums of a map are added up while its rows pass by ([`LabelSums`]): of the map nothing is kept.
#[derive(Debug)]
pub struct Relabelling {
    room: f64,
    /// Sums to be had: that of the labels themselves, then one per permutation.
    sums: usize,
    /// Cells that some label falls on, one bit each.
    cells: Vec<u64>,
    /// Sums that each of those cells belongs to, cell by cell; [`LAST`] marks the last of a cell.
    falls: Vec<u32>,
}

/// Marks the last sum of a cell.
const LAST: u32 = 1 << 31;

impl Relabelling {
    /// Permutes the labels among `strata[k]`, different cells of a map each; `labels[k]` are the labelled cells of that
    /// stratum, a part of it. `None` without a label.
    ///
    /// # Panics
    /// If a stratum has fewer cells than labels, or there are 2^31 permutations.
    pub fn new(
        labels: &[Vec<u32>],
        mut strata: Vec<Vec<u32>>,
        mut random: Philox,
        permutations: usize,
    ) -> Option<Self> {
        assert!(permutations < LAST as usize, "relabelling: permutations are counted in 31 bits");
        let slots: usize = labels.iter().map(Vec::len).sum();
        if slots == 0 {
            return None;
        }
        let stuck: f64 = labels.iter().zip(&strata).map(|(c, s)| (c.len() * c.len()) as f64 / s.len() as f64).sum();
        let mut drawn: Vec<u32> = Vec::with_capacity(slots * (permutations + 1));
        drawn.extend(labels.iter().flatten());
        for _ in 0..permutations {
            for (cells, stratum) in labels.iter().zip(&mut strata) {
                // The first few of a Fisher-Yates shuffle; the rest stays in any order, which does no harm.
                for slot in 0..cells.len() {
                    let other = slot + random.below(stratum.len() - slot);
                    stratum.swap(slot, other);
                    drawn.push(stratum[slot]);
                }
            }
        }
        drop(strata);
        let cells = bits(&drawn);
        let falls = by_cell(&cells, &drawn, slots);
        Some(Self { room: 1.0 - stuck / slots as f64, sums: permutations + 1, cells, falls })
    }

    /// Share of the labels that a permutation can put elsewhere, in [0, 1].
    pub fn room(&self) -> f64 {
        self.room
    }
}

/// Weighted sums of the labelled cells of one map, under each permutation, added up while its rows pass by.
pub struct LabelSums<'a> {
    relabelling: &'a Relabelling,
    keys: usize,
    /// Those of `relabelling.falls` that have been added.
    added: usize,
    sums: Vec<f64>,
}

impl<'a> LabelSums<'a> {
    /// Of a map whose cells are query x keys + key.
    pub fn new(relabelling: &'a Relabelling, keys: usize) -> Self {
        Self { relabelling, keys, added: 0, sums: vec![0.0; relabelling.sums] }
    }

    /// Adds some rows, in order; `worth` is what a cell of this query, key and weight adds.
    pub fn strip(&mut self, rows: Range<usize>, block: &[f32], worth: impl Fn(usize, usize, f32) -> f64) {
        let Relabelling { cells, falls, .. } = self.relabelling;
        let (from, to) = (rows.start * self.keys, rows.end * self.keys);
        for cell in listed(cells, from..to) {
            let (query, key) = (cell / self.keys, cell % self.keys);
            let worth = worth(query, key, block[cell - from]);
            loop {
                let fall = falls[self.added];
                self.added += 1;
                self.sums[(fall & !LAST) as usize] += worth;
                if fall & LAST != 0 {
                    break;
                }
            }
        }
    }

    /// The sum of the labels themselves, and that under each permutation; whole once the last row has passed.
    pub fn sums(&self) -> (f64, &[f64]) {
        (self.sums[0], &self.sums[1..])
    }
}

/// These cells as one bit each.
fn bits(cells: &[u32]) -> Vec<u64> {
    let last = cells.iter().copied().max().map_or(0, |last| last as usize / 64 + 1);
    let mut bits = vec![0u64; last];
    cells.iter().for_each(|&cell| bits[cell as usize / 64] |= 1 << (cell % 64));
    bits
}

/// The cells of a range whose bit is set, ascending.
fn listed(bits: &[u64], range: Range<usize>) -> impl Iterator<Item = usize> {
    let words = range.start / 64..range.end.div_ceil(64).min(bits.len());
    let of_word = move |word: usize| {
        let mut left = bits[word];
        std::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(word * 64 + bit)
        })
    };
    words.flat_map(of_word).filter(move |cell| range.contains(cell))
}

/// The sums that each cell belongs to, cell by cell; `drawn` holds `slots` cells per sum.
fn by_cell(cells: &[u64], drawn: &[u32], slots: usize) -> Vec<u32> {
    let places = Places::of(cells);
    let mut ends = vec![0u32; places.len()];
    drawn.iter().for_each(|&cell| ends[places.of_cell(cell)] += 1);
    let mut total = 0;
    for end in &mut ends {
        total += *end;
        *end = total;
    }
    let mut falls = vec![0u32; drawn.len()];
    // From the last sum to the first, so that `ends` go down to where each cell begins; who comes first is the last.
    let mut begun = vec![0u64; places.len().div_ceil(64)];
    for (at, &cell) in drawn.iter().enumerate().rev() {
        let place = places.of_cell(cell);
        let mark = if begun[place / 64] >> (place % 64) & 1 == 0 { LAST } else { 0 };
        begun[place / 64] |= 1 << (place % 64);
        ends[place] -= 1;
        falls[ends[place] as usize] = (at / slots) as u32 | mark;
    }
    falls
}

/// Where a cell stands among those whose bit is set.
struct Places<'a> {
    bits: &'a [u64],
    /// Number of set bits before each word.
    before: Vec<u32>,
    count: u32,
}

impl<'a> Places<'a> {
    fn of(bits: &'a [u64]) -> Self {
        let mut count = 0;
        let of_word = |word: &u64| {
            let before = count;
            count += word.count_ones();
            before
        };
        let before = bits.iter().map(of_word).collect();
        Self { bits, before, count }
    }

    fn len(&self) -> usize {
        self.count as usize
    }

    fn of_cell(&self, cell: u32) -> usize {
        let word = cell as usize / 64;
        (self.before[word] + (self.bits[word] & ((1 << (cell % 64)) - 1)).count_ones()) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One stratum of three cells with one label: a third of the draws each; another of one cell, where nothing moves.
    #[test]
    fn labels_move_within_their_stratum_and_all_places_are_as_likely() {
        let strata = vec![vec![0, 4, 7], vec![8]];
        let relabelled = Relabelling::new(&[vec![4], vec![8]], strata, Philox::new(1, 0), 3000).unwrap();
        assert!((relabelled.room() - (1.0 - (1.0 / 3.0 + 1.0) / 2.0)).abs() < 1e-12);
        assert_eq!(listed(&relabelled.cells, 0..9).collect::<Vec<_>>(), [0, 4, 7, 8]);
        // Three rows of three keys, in two strips; the last row counts double, its last key ten times that.
        let mut passing = LabelSums::new(&relabelled, 3);
        passing.strip(0..2, &[1.0, 0.0, 0.0, 0.0, 2.0, 0.0], |_, _, weight| f64::from(weight));
        passing.strip(2..3, &[0.0, 1.5, 0.25], |_, key, weight| {
            2.0 * f64::from(weight) * if key == 2 { 10.0 } else { 1.0 }
        });
        let (own, sums) = passing.sums();
        assert_eq!(own, 7.0);
        let mut counts = [0usize; 3];
        for sum in sums {
            counts[(sum - 6.0).round() as usize] += 1;
        }
        // Standard error of a count: sqrt(3000 x 1/3 x 2/3) = 25.8; accepted are four.
        assert!(counts.iter().all(|&c| (c as f64 - 1000.0).abs() < 4.0 * 25.8), "{counts:?}");
        assert!(Relabelling::new(&[], vec![], Philox::new(1, 0), 9).is_none());
    }

    /// However the rows are cut into strips, every permutation's sum is that of its own cells.
    #[test]
    fn sums_do_not_depend_on_the_strips() {
        let keys = 70;
        let strata: Vec<Vec<u32>> =
            (0..5).map(|k| (0..keys as u32 * 9).filter(|cell| cell % 5 == k).collect()).collect();
        let labels: Vec<Vec<u32>> = strata.iter().map(|s| s.iter().copied().step_by(7).collect()).collect();
        let relabelled = Relabelling::new(&labels, strata, Philox::new(3, 1), 99).unwrap();
        let map: Vec<f32> = (0..keys * 9).map(|cell| (cell % 13) as f32).collect();
        let sums = |height: usize| {
            let mut passing = LabelSums::new(&relabelled, keys);
            for from in (0..9).step_by(height) {
                let rows = from..(from + height).min(9);
                passing.strip(rows.clone(), &map[rows.start * keys..rows.end * keys], |_, _, w| f64::from(w));
            }
            (passing.sums().0, passing.sums().1.to_vec())
        };
        let own: f64 = labels.iter().flatten().map(|&cell| f64::from(map[cell as usize])).sum();
        assert_eq!(sums(9).0, own);
        assert_eq!(sums(1), sums(9));
        assert_eq!(sums(4), sums(9));
        // Every permutation places every label once.
        assert_eq!(relabelled.falls.len(), 100 * labels.iter().map(Vec::len).sum::<usize>());
    }
}
