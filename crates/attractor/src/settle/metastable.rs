//! How many patterns a state is made of: the size of its metastable state.

use serde::{Deserialize, Serialize};

/// Weight that a state's patterns hold together.
pub const MASS: f64 = 0.90;
/// What single-precision weights are known to: 0.9 of ten equal patterns is nine of them.
const SLACK: f64 = 1e-6;

/// What a retrieval is, by the share k / N of the patterns (for a head: of the visible keys) that it is made of.
///
/// # Source
/// Ramsauer et al. 2021, *Hopfield networks is all you need*: classes of attention heads, from the median over queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regime {
    /// Class I, above 1/2: a very large metastable state, averaging over all.
    GlobalAverage,
    /// Class II, above 1/8: a large metastable state.
    Large,
    /// Class III, above 1/32: a medium metastable state.
    Medium,
    /// Class IV, up to 1/32, or a single pattern: a small metastable state.
    Small,
}

impl Regime {
    /// The regime of `keys` patterns of `count`.
    pub fn of(keys: usize, count: usize) -> Self {
        Self::of_median(keys as f64, keys as f64 / count as f64).unwrap_or(Self::Small)
    }

    /// The regime of a median of `keys` keys that are the share `share` of those seen; `None` for what is not a number.
    pub fn of_median(keys: f64, share: f64) -> Option<Self> {
        match (keys, share) {
            (keys, share) if keys.is_nan() || share.is_nan() => None,
            (keys, _) if keys <= 1.0 => Some(Self::Small),
            (_, share) if share > 0.5 => Some(Self::GlobalAverage),
            (_, share) if share > 0.125 => Some(Self::Large),
            (_, share) if share > 1.0 / 32.0 => Some(Self::Medium),
            _ => Some(Self::Small),
        }
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::GlobalAverage => "global_average",
            Self::Large => "large",
            Self::Medium => "medium",
            Self::Small => "small",
        }
    }
}

/// The patterns that hold 0.90 of the weight, as few as that takes, largest weight first; of equal ones the first.
pub fn members(weights: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
    let wanted = (MASS - SLACK) * weights.iter().sum::<f64>();
    let mut sum = 0.0;
    let count = order.iter().take_while(|&&at| (sum < wanted, sum += weights[at]).0).count();
    order.truncate(count);
    order
}

/// The fewest keys that hold 0.90 of a row's mass; `None` for a row without mass, or with a weight that is not a number.
///
/// The order of `row` is lost.
/// # Cost
/// O(keys): halves of the row are put in order only as far as the mass goes.
pub fn fewest_keys<T: Copy + Into<f64>>(row: &mut [T]) -> Option<usize> {
    let mass = |part: &[T]| part.iter().map(|&w| w.into()).sum::<f64>();
    let sum = mass(row);
    // Negated, so that a NaN is no mass.
    if !(sum > 0.0 && sum.is_finite()) {
        return None;
    }
    let mut wanted = (MASS - SLACK) * sum;
    let (mut rest, mut count) = (row, 0);
    while rest.len() > 1 {
        let half = rest.len() / 2;
        rest.select_nth_unstable_by(half - 1, |&a, &b| b.into().total_cmp(&a.into()));
        let (large, small) = rest.split_at_mut(half);
        let here = mass(large);
        if here >= wanted {
            rest = large;
        } else {
            wanted -= here;
            count += half;
            rest = small;
        }
    }
    Some(count + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    #[test]
    fn sizes_by_hand() {
        assert_eq!(members(&[0.1, 0.5, 0.05, 0.35]), [1, 3, 0]);
        assert_eq!(members(&[0.0, 1.0, 0.0]), [1]);
        assert_eq!(members(&[0.45, 0.1, 0.45]), [0, 2]);
    }

    #[test]
    fn keys_by_hand() {
        assert_eq!(fewest_keys(&mut [0.1, 0.5, 0.05, 0.35]), Some(3));
        assert_eq!(fewest_keys(&mut [0.1f32; 10]), Some(9), "nine of ten equal keys hold 0.9");
        assert_eq!(fewest_keys(&mut [0.0, 1.0, 0.0]), Some(1));
        assert_eq!(fewest_keys(&mut [0.45, 0.45, 0.1]), Some(2));
        // Half of the mass went elsewhere (a learned sink): the rest counts as a whole.
        assert_eq!(fewest_keys(&mut [0.23, 0.22, 0.05]), Some(2));
        assert_eq!(fewest_keys(&mut [0.0; 3]), None);
        assert_eq!(fewest_keys(&mut [0.5, f32::NAN]), None);
        assert_eq!(fewest_keys::<f64>(&mut []), None);
    }

    #[test]
    fn halving_agrees_with_sorting() {
        let mut random = Philox::new(4, 0);
        for _ in 0..100 {
            let row: Vec<f64> = (0..97).map(|_| (1.7 * random.normal()).exp()).collect();
            assert_eq!(fewest_keys(&mut row.clone()), Some(members(&row).len()));
        }
    }

    #[test]
    fn regimes_at_their_cut_offs() {
        let of = |keys| Regime::of(keys, 512);
        assert_eq!((of(257), of(256)), (Regime::GlobalAverage, Regime::Large));
        assert_eq!((of(65), of(64)), (Regime::Large, Regime::Medium));
        assert_eq!((of(17), of(16)), (Regime::Medium, Regime::Small));
        assert_eq!(Regime::of(1, 1), Regime::Small);
    }
}
