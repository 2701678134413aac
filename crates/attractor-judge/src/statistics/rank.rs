//! Ranks, Spearman's correlation and the Mantel permutation of distance matrices.

use attractor::random::Philox;
use attractor::rows;

/// Ranks from 1, ties share their average.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        // Ranks start+1 ..= end share their mean.
        let shared = (start + 1 + end) as f64 / 2.0;
        for &index in &order[start..end] {
            ranks[index] = shared;
        }
        start = end;
    }
    ranks
}

/// Values turned into ranks, centred and scaled to norm one; `None` if all are equal or one is not a number.
pub fn standard_ranks(values: &[f64]) -> Option<Vec<f64>> {
    if values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let mut r = ranks(values);
    let centre = (values.len() as f64 + 1.0) / 2.0;
    r.iter_mut().for_each(|x| *x -= centre);
    let norm = r.iter().map(|x| x * x).sum::<f64>().sqrt();
    if norm == 0.0 || values.len() < 2 {
        return None;
    }
    r.iter_mut().for_each(|x| *x /= norm);
    Some(r)
}

/// Spearman's rank correlation with average ranks; `None` if either side is constant or has a NaN.
///
/// # Panics
/// If the lengths differ.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "spearman: both sides need one value a case");
    let (a, b) = (standard_ranks(a)?, standard_ranks(b)?);
    Some(dot(&a, &b))
}

/// Inner product in eight lanes: one running sum is bound by the latency of its additions, and Mantel permutations
/// are little else. The lanes are a function of the length alone.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let ((xs, x_rest), (ys, y_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let lanes = rows::dispatch(
        #[inline(always)]
        || {
            let mut lanes = [0.0; LANES];
            for (x, y) in xs.iter().zip(ys) {
                for lane in 0..LANES {
                    lanes[lane] += x[lane] * y[lane];
                }
            }
            lanes
        },
    );
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f64>() + rest
}

/// The pairs i > k of `rows` things, in the order (1,0), (2,0), (2,1), ...
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triangle {
    /// How many things.
    pub rows: usize,
}

impl Triangle {
    /// Number of pairs.
    pub fn len(self) -> usize {
        self.rows * self.rows.saturating_sub(1) / 2
    }

    /// True for fewer than two things.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Index of the pair of two different things, in either order.
    pub fn index(self, a: usize, b: usize) -> usize {
        let (high, low) = (a.max(b), a.min(b));
        high * (high - 1) / 2 + low
    }

    /// For each pair, the index of the pair that a relabelling of the things puts in its place.
    pub fn permuted(self, order: &[usize]) -> Vec<u32> {
        let mut indices = Vec::with_capacity(self.len());
        for high in 1..self.rows {
            for low in 0..high {
                indices.push(self.index(order[high], order[low]) as u32);
            }
        }
        indices
    }
}

/// Mantel's null: correlations of `fixed` with `moved` after relabelling the things behind `moved`, for several fixed
/// sides at once (they share the permutations, so their dependence is kept).
///
/// All sides are [`standard_ranks`] over the pairs of a [`Triangle`] of `rows` things, or whatever of mean zero and
/// norm one. Returns `[permutation][fixed]`.
pub fn mantel_null(
    moved: &[f64],
    fixed: &[&[f64]],
    rows: usize,
    seed: u64,
    stream: u64,
    permutations: usize,
) -> Vec<Vec<f64>> {
    let triangle = Triangle { rows };
    let mut random = Philox::new(seed, stream);
    let mut shuffled = vec![0.0; moved.len()];
    (0..permutations)
        .map(|_| {
            let order = random.permutation(rows);
            for (target, index) in shuffled.iter_mut().zip(triangle.permuted(&order)) {
                *target = moved[index as usize];
            }
            fixed.iter().map(|side| dot(side, &shuffled)).collect()
        })
        .collect()
}

/// What is left of `values` after the straight line on `control`; `None` if nothing is left.
///
/// Both of mean zero and norm one; the result is again.
pub fn residual(values: &[f64], control: &[f64]) -> Option<Vec<f64>> {
    let slope = dot(values, control);
    let mut rest: Vec<f64> = values.iter().zip(control).map(|(v, c)| v - slope * c).collect();
    let norm = dot(&rest, &rest).sqrt();
    if norm < 1e-9 {
        return None;
    }
    rest.iter_mut().for_each(|r| *r /= norm);
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::permutation::upper_p;

    #[test]
    fn ties_share_their_average_rank() {
        assert_eq!(ranks(&[10.0, 20.0, 10.0, 5.0]), vec![2.5, 4.0, 2.5, 1.0]);
    }

    /// Without ties rho = 1 - 6 sum d^2 / (n (n^2 - 1)): d^2 = 1 + 1 + 1 + 1 + 0 -> 1 - 24 / 120 = 0.8.
    #[test]
    fn spearman_by_hand() {
        let rho = spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 1.0, 4.0, 3.0, 5.0]).unwrap();
        assert!((rho - 0.8).abs() < 1e-12, "{rho}");
        // With ties, Pearson on the ranks (1.5, 1.5, 3) and (1, 2, 3): 1.5 / sqrt(1.5 x 2) = 0.8660254.
        let tied = spearman(&[1.0, 1.0, 2.0], &[5.0, 6.0, 7.0]).unwrap();
        assert!((tied - 0.75f64.sqrt()).abs() < 1e-12, "{tied}");
        assert_eq!(spearman(&[1.0, 1.0, 1.0], &[5.0, 6.0, 7.0]), None);
        assert_eq!(spearman(&[1.0, f64::NAN, 1.0], &[5.0, 6.0, 7.0]), None);
    }

    #[test]
    fn the_triangle_lists_every_pair_once() {
        let triangle = Triangle { rows: 5 };
        let mut seen = vec![false; triangle.len()];
        for high in 1..5 {
            for low in 0..high {
                let index = triangle.index(low, high);
                assert!(!seen[index]);
                seen[index] = true;
            }
        }
        assert_eq!(triangle.permuted(&[0, 1, 2, 3, 4]), (0..10).collect::<Vec<u32>>());
    }

    /// Points on a line against their own squared distances: rho = 1 and no relabelling but the line's own two orders
    /// reaches it. Independent points keep the level: 5 % of 300 trials, standard error 0.0126, accepted +- 4.
    #[test]
    fn mantel_finds_the_same_distances_and_keeps_its_level() {
        let rows = 9;
        let distances = |points: &[f64]| -> Vec<f64> {
            (1..rows).flat_map(|i| (0..i).map(move |k| (i, k))).map(|(i, k)| (points[i] - points[k]).abs()).collect()
        };
        let points: Vec<f64> = (0..rows).map(|i| (i * i) as f64).collect();
        let side = standard_ranks(&distances(&points)).unwrap();
        let null: Vec<f64> = mantel_null(&side, &[&side], rows, 1, 2, 199).into_iter().map(|v| v[0]).collect();
        assert!(upper_p(dot(&side, &side), &null) <= 2.0 / 200.0);

        let trials = 300;
        let rejected = (0..trials)
            .filter(|&trial| {
                let mut random = Philox::new(9, trial);
                let mut draw = || standard_ranks(&distances(&(0..rows).map(|_| random.normal()).collect::<Vec<_>>()));
                let (a, b) = (draw().unwrap(), draw().unwrap());
                let null: Vec<f64> = mantel_null(&a, &[&b], rows, trial, 0, 99).into_iter().map(|v| v[0]).collect();
                upper_p(dot(&a, &b), &null) <= 0.05
            })
            .count();
        let rate = rejected as f64 / trials as f64;
        assert!((rate - 0.05).abs() < 4.0 * 0.0126, "{rate}");
    }

    #[test]
    fn the_residual_is_orthogonal_to_its_control() {
        let control = standard_ranks(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        let values = standard_ranks(&[2.0, 1.0, 4.0, 3.0]).unwrap();
        let rest = residual(&values, &control).unwrap();
        assert!(dot(&rest, &control).abs() < 1e-12 && (dot(&rest, &rest) - 1.0).abs() < 1e-12);
        assert_eq!(residual(&control, &control), None);
    }
}
