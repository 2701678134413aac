//! Offset-stratified permutation: labels move among pairs at the same distance.
//!
//! Within one input there are no other tokens to pair a pattern with. The labels ("same token", "target of induction") are
//! then permuted among all pairs at the same signed offset, which keeps locality: a local head stays as local as it is.
//! Keys are never permuted freely within a row: that would break sinks and make the null far too narrow.

use attractor::random::Philox;

/// Labelled cells of a map and where their labels fall under each permutation.
#[derive(Debug)]
pub struct Relabelling {
    room: f64,
    own: Vec<u32>,
    weight: Vec<f32>,
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
        let own: Vec<u32> = labels.iter().flat_map(|(cells, _)| cells.iter().copied()).collect();
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
        Some(Self { room, own, weight, drawn })
    }

    /// Share of the labels that a permutation can put elsewhere, in [0, 1].
    pub fn room(&self) -> f64 {
        self.room
    }

    /// Weighted sum of the labelled cells of `map`, and that sum under each permutation.
    ///
    /// # Panics
    /// If a cell lies beyond the map.
    pub fn sums(&self, map: &[f32]) -> (f64, Vec<f64>) {
        let drawn = self.drawn.chunks_exact(self.own.len()).map(|cells| self.sum(cells, map)).collect();
        (self.sum(&self.own, map), drawn)
    }

    fn sum(&self, cells: &[u32], map: &[f32]) -> f64 {
        cells.iter().zip(&self.weight).map(|(&cell, &w)| f64::from(map[cell as usize] * w)).sum()
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
        let mut map = [0.0f32; 9];
        (map[0], map[4], map[7], map[8]) = (1.0, 2.0, 3.0, 0.5);
        let (own, sums) = relabelled.sums(&map);
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
