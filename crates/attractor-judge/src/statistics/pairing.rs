//! Mismatched pairings: which scores would these patterns reach with the tokens of other inputs?
//!
//! A pattern that follows its own tokens scores higher with them than with anybody else's; one that follows positions
//! scores the same with all. Pairing pattern s with the tokens of input pi(s) keeps the sharpness, sinks and locality of
//! every pattern and breaks nothing but the pairing.
//!
//! All scores T(pattern s, tokens t) are computed once; a permutation is then a sum of one number per input.

use attractor::random::Philox;
use attractor::random::stream::{JudgementStream, judged};

use super::permuted::Permuted;

/// Orders of token sequences against patterns.
///
/// Inputs are exchanged within groups only: tokens fit a pattern of their own shape. An input that is alone in its group
/// keeps its own tokens and moves nothing.
#[derive(Debug, Clone)]
pub struct Pairings {
    /// Side of the matrix of scores.
    side: usize,
    /// The inputs that take part.
    inputs: Vec<u32>,
    /// [permutation x input]: whose tokens its pattern gets.
    orders: Vec<u32>,
    exact: bool,
    arrangements: f64,
}

impl Pairings {
    /// Pairings within `groups` of inputs: all of them where there are no more than `permutations`, else that many drawn
    /// at random, each equally likely.
    ///
    /// # Panics
    /// If a group names an input twice.
    pub fn new(groups: &[Vec<usize>], permutations: usize, seed: u64) -> Self {
        let inputs: Vec<u32> = groups.iter().flatten().map(|&input| input as u32).collect();
        let side = inputs.iter().max().map_or(0, |&last| last as usize + 1);
        let mut seen = vec![false; side];
        for &input in &inputs {
            assert!(!std::mem::replace(&mut seen[input as usize], true), "pairings: an input is in two places");
        }
        let arrangements: f64 = groups.iter().map(|g| (1..=g.len()).map(|k| k as f64).product::<f64>()).product();
        let exact = arrangements <= permutations as f64;
        let mut orders = Vec::new();
        if exact {
            orders = all_orders(groups);
        } else {
            let mut random = Philox::new(seed, judged(JudgementStream::DetectorPairings, inputs.len() as u64));
            orders.reserve(permutations * inputs.len());
            for _ in 0..permutations {
                for group in groups {
                    orders.extend(random.permutation(group.len()).into_iter().map(|slot| group[slot] as u32));
                }
            }
        }
        Self { side, inputs, orders, exact, arrangements }
    }

    /// True if every pairing is among them.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Number of pairings.
    pub fn len(&self) -> usize {
        if self.inputs.is_empty() { 0 } else { self.orders.len() / self.inputs.len() }
    }

    /// True without inputs.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The smallest p-value that these pairings can give.
    pub fn smallest_p(&self) -> f64 {
        if self.exact { 1.0 / self.arrangements } else { 1.0 / (self.len() as f64 + 1.0) }
    }

    /// Mean score along the diagonal, and along each pairing; `scores` is [pattern x tokens].
    ///
    /// # Panics
    /// If `scores` is no square over the inputs.
    pub fn test(&self, scores: &[f64]) -> Permuted {
        assert_eq!(scores.len(), self.side * self.side, "pairings: one score a pattern and token sequence");
        let n = self.inputs.len().max(1);
        let rows: Vec<&[f64]> = self.inputs.iter().map(|&s| &scores[s as usize * self.side..][..self.side]).collect();
        let along = |order: &[u32]| rows.iter().zip(order).map(|(row, &t)| row[t as usize]).sum::<f64>() / n as f64;
        let permuted = self.orders.chunks_exact(n).map(along).collect();
        Permuted::new(along(&self.inputs), permuted, self.exact)
    }
}

/// Every arrangement within the groups, the identity first.
fn all_orders(groups: &[Vec<usize>]) -> Vec<u32> {
    let mut all: Vec<Vec<u32>> = vec![Vec::new()];
    for group in groups {
        let mut arranged = Vec::new();
        arrange(group, &mut vec![false; group.len()], &mut Vec::new(), &mut arranged);
        all = all.iter().flat_map(|head| arranged.iter().map(move |tail| [head.as_slice(), tail].concat())).collect();
    }
    all.concat()
}

fn arrange(group: &[usize], used: &mut [bool], prefix: &mut Vec<u32>, all: &mut Vec<Vec<u32>>) {
    if prefix.len() == group.len() {
        all.push(prefix.clone());
        return;
    }
    for slot in 0..group.len() {
        if !used[slot] {
            used[slot] = true;
            prefix.push(group[slot] as u32);
            arrange(group, used, prefix, all);
            prefix.pop();
            used[slot] = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three inputs, all six pairings by hand. Scores 5 1 0 / 0 4 2 / 1 0 3: the identity gives 12, the others
    /// 5 + 2 + 0, 1 + 0 + 3, 1 + 2 + 1, 0 + 0 + 0, 0 + 4 + 1.
    #[test]
    fn three_inputs_by_hand() {
        let pairings = Pairings::new(&[vec![0, 1, 2]], 100, 0);
        let test = pairings.test(&[5.0, 1.0, 0.0, 0.0, 4.0, 2.0, 1.0, 0.0, 3.0]);
        let mut sums: Vec<i64> = test.permuted.iter().map(|x| (x * 3.0).round() as i64).collect();
        sums.sort_unstable();
        assert_eq!(sums, [0, 4, 4, 5, 7, 12]);
        assert_eq!((test.p, pairings.smallest_p(), test.observed), (1.0 / 6.0, 1.0 / 6.0, 4.0));
    }

    /// Six inputs, all 720 pairings: scipy 1.17.1, `permutation_test(permutation_type="pairings")`, gives 92 / 720.
    #[test]
    fn six_inputs_as_scipy_has_them() {
        let score = |cell: usize| {
            let (i, j) = (cell / 6, cell % 6);
            ((7 * i + 3 * j + i * j) % 11) as f64 / 10.0 + if i == j { 0.35 } else { 0.0 }
        };
        let test = Pairings::new(&[(0..6).collect()], 720, 0).test(&(0..36).map(score).collect::<Vec<_>>());
        assert!((test.p - 92.0 / 720.0).abs() < 1e-12 && (test.observed - 0.65).abs() < 1e-12, "{}", test.p);
    }

    /// Groups of two, one and two: four arrangements, and the lone input stays with its tokens.
    #[test]
    fn tokens_stay_within_their_group() {
        let pairings = Pairings::new(&[vec![0, 3], vec![2], vec![1, 4]], 100, 0);
        assert_eq!((pairings.len(), pairings.is_exact()), (4, true));
        // A score that only the forbidden pairings would give away.
        let scores: Vec<f64> = (0..25)
            .map(|cell| {
                let group = |input: usize| [0, 1, 2, 0, 1][input];
                if group(cell / 5) == group(cell % 5) { 1.0 } else { f64::NAN }
            })
            .collect();
        let test = pairings.test(&scores);
        assert_eq!((test.p, test.observed), (1.0, 1.0));
    }

    /// Random pairings agree with all of them: seven inputs, 5040 pairings against 2000 of them drawn; the standard
    /// error of p is sqrt(p (1 - p) / 2000), accepted are four.
    #[test]
    fn random_pairings_agree_with_all_of_them() {
        let mut random = Philox::new(3, 0);
        let n = 7;
        let mut scores: Vec<f64> = (0..n * n).map(|_| random.normal()).collect();
        (0..n).for_each(|s| scores[s * n + s] += 0.3);
        let groups = [(0..n).collect::<Vec<_>>()];
        let all = Pairings::new(&groups, 5040, 1).test(&scores);
        let drawn = Pairings::new(&groups, 2000, 1);
        assert!(!drawn.is_exact());
        let p = drawn.test(&scores).p;
        assert!(all.p > 0.01 && all.p < 0.5, "{}", all.p);
        assert!((p - all.p).abs() < 4.0 * (all.p * (1.0 - all.p) / 2000.0).sqrt(), "{p} against {}", all.p);
    }

    /// The level: scores without a pairing effect, 400 trials of 8 inputs; standard error 0.0109, accepted +- 4.
    #[test]
    fn the_level_is_kept() {
        let trials = 400u64;
        let rejected = (0..trials)
            .filter(|&trial| {
                let mut random = Philox::new(21, trial);
                let scores: Vec<f64> = (0..64).map(|_| random.normal()).collect();
                Pairings::new(&[(0..8).collect()], 199, trial).test(&scores).p <= 0.05
            })
            .count();
        let rate = rejected as f64 / trials as f64;
        assert!((rate - 0.05).abs() < 4.0 * 0.0109, "{rate}");
    }
}
