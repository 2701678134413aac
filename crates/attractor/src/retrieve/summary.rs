//! What is known of a row after some of its keys: the object that tiles, threads and machines merge.

use serde::{Deserialize, Serialize};

use crate::moments::Moments;

/// The softmax retrieval of one query over a set of keys, before normalisation: its weights and what they retrieved.
///
/// It merges as [`Moments`] do. O(e) in size however many keys it stands for.
///
/// | symbol | here        | meaning                                       |
/// |--------|-------------|-----------------------------------------------|
/// | o      | `output`    | sum_j exp(s_j - m) v_j, [e]; empty: no values |
///
/// # Example
/// ```
/// use attractor::retrieve::Summary;
/// let mut left = Summary::of(&[0.0, 1.0], &[&[1.0], &[2.0]]);
/// left.merge(&Summary::of(&[2.0], &[&[3.0]]));
/// let whole = Summary::of(&[0.0, 1.0, 2.0], &[&[1.0], &[2.0], &[3.0]]);
/// assert!((left.log_sum_exp() - whole.log_sum_exp()).abs() < 1e-12);
/// assert!((left.moments.entropy() - whole.moments.entropy()).abs() < 1e-12);
/// assert!((left.retrieved()[0] - whole.retrieved()[0]).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The weights.
    pub moments: Moments,
    /// o; empty while no value was seen.
    pub output: Vec<f64>,
}

impl Summary {
    /// The summary of no key.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Summarises keys by their scores and values (no values: an empty list).
    ///
    /// A score of -inf is a key of weight zero and is left out.
    pub fn of(scores: &[f64], values: &[&[f64]]) -> Self {
        let mut summary = Self::empty();
        for (index, &score) in scores.iter().enumerate() {
            if score == f64::NEG_INFINITY {
                continue;
            }
            let output = values.get(index).map(|v| v.to_vec()).unwrap_or_default();
            summary.merge(&Self { moments: Moments::of(score), output });
        }
        summary
    }

    /// True if no key was seen.
    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// Takes in the summary of other keys.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            self.clone_from(other);
            return;
        }
        let (mine, theirs) = (self.moments.max, other.moments.max);
        self.moments.merge(&other.moments);
        let [mine, theirs] = [mine, theirs].map(|max| (max - self.moments.max).exp());
        if self.output.is_empty() {
            self.output = vec![0.0; other.output.len()];
        }
        for (index, o) in self.output.iter_mut().enumerate() {
            *o = *o * mine + other.output.get(index).copied().unwrap_or(0.0) * theirs;
        }
    }

    /// ln sum_j exp(s_j), nats; -inf if empty.
    pub fn log_sum_exp(&self) -> f64 {
        self.moments.log_sum_exp(None)
    }

    /// -lse / beta, units of the raw score; +inf if empty.
    pub fn energy(&self, beta: f64) -> f64 {
        -self.log_sum_exp() / beta
    }

    /// The retrieved value sum_j p_j v_j, [e]; all zero if empty.
    pub fn retrieved(&self) -> Vec<f64> {
        self.retrieved_beside(None)
    }

    /// The same where a learned sink takes its share of the mass and gives nothing.
    pub fn retrieved_beside(&self, sink: Option<f64>) -> Vec<f64> {
        match self.is_empty() {
            true => vec![0.0; self.output.len()],
            false => {
                let kept = 1.0 - sink.map_or(0.0, |sink| self.moments.sink_mass(sink));
                self.output.iter().map(|o| o / self.moments.partition * kept).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    fn random(seed: u64, keys: usize, width: usize) -> Summary {
        let mut draw = Philox::new(seed, 0);
        let scores: Vec<f64> = (0..keys).map(|_| 7.0 * draw.normal()).collect();
        let values: Vec<Vec<f64>> = (0..keys).map(|_| (0..width).map(|_| draw.normal()).collect()).collect();
        Summary::of(&scores, &values.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    #[test]
    fn merging_an_empty_summary_changes_nothing() {
        let full = random(1, 5, 3);
        let mut left = full.clone();
        left.merge(&Summary::empty());
        assert_eq!(left, full);
        let mut right = Summary::empty();
        right.merge(&full);
        assert_eq!(right, full);
        let mut both = Summary::empty();
        both.merge(&Summary::empty());
        assert_eq!(both, Summary::empty());
        assert_eq!(both.log_sum_exp(), f64::NEG_INFINITY);
    }

    #[test]
    fn merging_is_associative_and_commutative_within_eps() {
        for seed in 0..50 {
            let (a, b, c) = (random(seed, 3, 2), random(seed + 100, 7, 2), random(seed + 200, 1, 2));
            let join = |x: &Summary, y: &Summary| {
                let mut joined = x.clone();
                joined.merge(y);
                joined
            };
            let orders = [join(&join(&a, &b), &c), join(&a, &join(&b, &c)), join(&c, &join(&b, &a))];
            for other in &orders[1..] {
                assert!((other.log_sum_exp() - orders[0].log_sum_exp()).abs() < 1e-12);
                for (x, y) in other.retrieved().iter().zip(orders[0].retrieved()) {
                    assert!((x - y).abs() < 1e-12, "{x} {y}");
                }
                assert_eq!(other.moments.keys, 11);
                for of in [Moments::entropy, Moments::participation] {
                    assert!((of(&other.moments) - of(&orders[0].moments)).abs() < 1e-10);
                }
            }
        }
    }

    #[test]
    fn scores_far_apart_neither_overflow_nor_vanish() {
        let mut low = Summary::of(&[-1e30], &[&[5.0]]);
        assert_eq!(low.retrieved(), [5.0]);
        low.merge(&Summary::of(&[800.0], &[&[1.0]]));
        assert_eq!(low.retrieved(), [1.0]);
        assert_eq!(low.log_sum_exp(), 800.0);
    }

    #[test]
    fn a_sink_takes_its_share_when_all_keys_are_in() {
        // By hand: weights e^0, e^1 and a sink of e^1/2.
        let z = 1.0 + 1f64.exp() + 0.5f64.exp();
        let mut summary = Summary::of(&[0.0], &[&[3.0]]);
        summary.merge(&Summary::of(&[1.0], &[&[5.0]]));
        assert!((summary.moments.log_sum_exp(Some(0.5)) - z.ln()).abs() < 1e-12);
        assert!((summary.moments.sink_mass(0.5) - 0.5f64.exp() / z).abs() < 1e-12);
        let expected = (3.0 + 5.0 * 1f64.exp()) / z;
        assert!((summary.retrieved_beside(Some(0.5))[0] - expected).abs() < 1e-12);
        assert_eq!((Moments::empty().sink_mass(0.5), Moments::empty().log_sum_exp(Some(0.5))), (1.0, 0.5));
        assert!(Moments::empty().entropy().is_nan());
    }

    #[test]
    fn a_summary_travels_as_text() {
        let summary = random(3, 4, 2);
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }
}
