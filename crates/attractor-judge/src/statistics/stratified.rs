//! Offset-stratified permutation: labels move among pairs at the same distance.
//!
//! Within one input there are no other tokens to pair a pattern with. The labels ("same token", "target of induction") are
//! then permuted among all pairs at the same signed offset, which keeps locality: a local head stays as local as it is.
//! Keys are never permuted freely within a row: that would break sinks and make the null far too narrow.

use std::ops::Range;

use attractor::random::Philox;

/// Labelled cells of a map and where their labels fall under each permutation.
///
/// Of the map only [`cells`](Self::cells) are needed, a small part of it.
#[derive(Debug)]
pub struct Relabelling {
    room: f64,
    /// Cells that a label can fall on, ascending.
    cells: Vec<u32>,
    /// Places of the labels among the cells.
    own: Vec<u32>,
    weight: Vec<f32>,
    /// The same under each permutation.
    drawn: Vec<u32>,
}

impl Relabelling {
    /// Permutes the labels among `strata[k]`; `labels[k]` are the labelled cells of that stratum, a part of it, with
    /// the weight that each has in the figure. `None` without a label.
    ///
    /// # Panics
    /// If a stratum has fewer cells than labels.
    pub fn new(
        labels: Vec<(Vec<u32>, f32)>,
        mut strata: Vec<Vec<u32>>,
        mut random: Philox,
        permutations: usize,
    ) -> Option<Self> {
        let slots: usize = labels.iter().map(|(cells, _)| cells.len()).sum();
        if slots == 0 {
            return None;
        }
        let stuck: f64 =
            labels.iter().zip(&strata).map(|((c, _), s)| (c.len() * c.len()) as f64 / s.len() as f64).sum();
        let room = 1.0 - stuck / slots as f64;
        let weight = labels.iter().flat_map(|(cells, w)| cells.iter().map(move |_| *w)).collect();
        let mut own: Vec<u32> = labels.iter().flat_map(|(cells, _)| cells.iter().copied()).collect();
        let mut drawn = Vec::with_capacity(slots * permutations);
        for _ in 0..permutations {
            for ((cells, _), stratum) in labels.iter().zip(&mut strata) {
                // The first few of a Fisher-Yates shuffle; the rest stays in any order, which does no harm.
                for slot in 0..cells.len() {
                    let other = slot + random.below(stratum.len() - slot);
                    stratum.swap(slot, other);
                    drawn.push(stratum[slot]);
                }
            }
        }
        let cells = distinct(own.iter().chain(&drawn));
        let places = Places::of(&cells);
        own.iter_mut().chain(&mut drawn).for_each(|cell| *cell = places.of_cell(*cell));
        Some(Self { room, cells, own, weight, drawn })
    }

    /// The cells whose weights are needed, ascending.
    pub fn cells(&self) -> &[u32] {
        &self.cells
    }

    /// Share of the labels that a permutation can put elsewhere, in [0, 1].
    pub fn room(&self) -> f64 {
        self.room
    }

    /// Weighted sum of the labelled cells, and that sum under each permutation; `weights` are those of
    /// [`cells`](Self::cells).
    ///
    /// # Panics
    /// If there is not one weight per cell.
    pub fn sums(&self, weights: &[f32]) -> (f64, Vec<f64>) {
        assert_eq!(weights.len(), self.cells.len(), "relabelling: one weight per cell");
        let drawn = self.drawn.chunks_exact(self.own.len()).map(|places| self.sum(places, weights)).collect();
        (self.sum(&self.own, weights), drawn)
    }

    fn sum(&self, places: &[u32], weights: &[f32]) -> f64 {
        places.iter().zip(&self.weight).map(|(&place, &w)| f64::from(weights[place as usize] * w)).sum()
    }
}

/// Weights of some cells of a map, gathered while its rows pass by.
pub struct Gathered<'a> {
    cells: &'a [u32],
    keys: usize,
    weights: Vec<f32>,
}

impl<'a> Gathered<'a> {
    /// Of the cells query x keys + key that a relabelling needs.
    pub fn new(relabelling: &'a Relabelling, keys: usize) -> Self {
        Self { cells: &relabelling.cells, keys, weights: Vec::with_capacity(relabelling.cells.len()) }
    }

    /// Takes in some rows, in order; `worth` scales the weights of each.
    pub fn strip(&mut self, rows: Range<usize>, block: &[f32], worth: impl Fn(usize) -> f32) {
        let (from, to) = (rows.start * self.keys, rows.end * self.keys);
        while let Some(&cell) = self.cells.get(self.weights.len()).filter(|&&cell| (cell as usize) < to) {
            let cell = cell as usize;
            self.weights.push(block[cell - from] * worth(cell / self.keys));
        }
    }

    /// The weights, in the order of the cells; all are there once the last row has passed.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }
}

/// The different ones of these cells, ascending.
fn distinct<'a>(cells: impl Iterator<Item = &'a u32>) -> Vec<u32> {
    let mut bits: Vec<u64> = Vec::new();
    for &cell in cells {
        let word = cell as usize / 64;
        if word >= bits.len() {
            bits.resize(word + 1, 0);
        }
        bits[word] |= 1 << (cell % 64);
    }
    let of_word = |(word, &bits): (usize, &u64)| {
        (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| (word * 64 + bit) as u32)
    };
    bits.iter().enumerate().flat_map(of_word).collect()
}

/// Where cells stand in an ascending list: the number of listed cells before each word of 64, and the words.
struct Places {
    bits: Vec<u64>,
    before: Vec<u32>,
}

impl Places {
    fn of(cells: &[u32]) -> Self {
        let mut bits = vec![0u64; cells.last().map_or(0, |&last| last as usize / 64 + 1)];
        cells.iter().for_each(|&cell| bits[cell as usize / 64] |= 1 << (cell % 64));
        let mut count = 0;
        let before = bits
            .iter()
            .map(|word| {
                let before = count;
                count += word.count_ones();
                before
            })
            .collect();
        Self { bits, before }
    }

    /// The place of a listed cell.
    fn of_cell(&self, cell: u32) -> u32 {
        let word = cell as usize / 64;
        self.before[word] + (self.bits[word] & ((1 << (cell % 64)) - 1)).count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One stratum of three cells with one label: a third of the draws each; another of one cell, where nothing moves.
    #[test]
    fn labels_move_within_their_stratum_and_all_places_are_as_likely() {
        let labels = vec![(vec![4], 1.0), (vec![8], 10.0)];
        let strata = vec![vec![0, 4, 7], vec![8]];
        let relabelled = Relabelling::new(labels, strata, Philox::new(1, 0), 3000).unwrap();
        assert!((relabelled.room() - (1.0 - (1.0 / 3.0 + 1.0) / 2.0)).abs() < 1e-12);
        assert_eq!(relabelled.cells(), [0, 4, 7, 8]);
        // Three rows of three keys, in two strips; the last row counts double.
        let mut gathered = Gathered::new(&relabelled, 3);
        gathered.strip(0..2, &[1.0, 0.0, 0.0, 0.0, 2.0, 0.0], |_| 1.0);
        gathered.strip(2..3, &[0.0, 1.5, 0.25], |_| 2.0);
        let (own, sums) = relabelled.sums(gathered.weights());
        assert_eq!(own, 7.0);
        let mut counts = [0usize; 3];
        for sum in sums {
            counts[(sum - 6.0).round() as usize] += 1;
        }
        // Standard error of a count: sqrt(3000 x 1/3 x 2/3) = 25.8; accepted are four.
        assert!(counts.iter().all(|&c| (c as f64 - 1000.0).abs() < 4.0 * 25.8), "{counts:?}");
        assert!(Relabelling::new(vec![], vec![], Philox::new(1, 0), 9).is_none());
    }
}
