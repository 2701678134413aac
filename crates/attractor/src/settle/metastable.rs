//! How many patterns a state is made of: the size of its metastable state.

/// Weight that a state's patterns hold together.
pub const MASS: f64 = 0.90;
/// What single-precision weights are known to: 0.9 of ten equal patterns is nine of them.
const SLACK: f64 = 1e-6;

/// What a retrieval is, by the share k / N of the patterns that it is made of.
///
/// # Source
/// Ramsauer et al. 2021, *Hopfield networks is all you need*: classes of attention heads, from the median over queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Regime {
    /// Above N / 2: averaging over all.
    GlobalAverage,
    /// Above N / 8: a large metastable state.
    Large,
    /// Above N / 32: a medium one.
    Medium,
    /// Up to N / 32: a small one, or a single pattern.
    Small,
}

impl Regime {
    /// The regime of `keys` patterns of `count`.
    pub fn of(keys: usize, count: usize) -> Self {
        if keys <= 1 {
            Self::Small
        } else if keys * 2 > count {
            Self::GlobalAverage
        } else if keys * 8 > count {
            Self::Large
        } else if keys * 32 > count {
            Self::Medium
        } else {
            Self::Small
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

/// How many patterns that is.
pub fn fewest_keys(weights: &[f64]) -> usize {
    members(weights).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_by_hand() {
        assert_eq!(members(&[0.1, 0.5, 0.05, 0.35]), [1, 3, 0]);
        assert_eq!(fewest_keys(&[0.1; 10]), 9);
        assert_eq!(members(&[0.0, 1.0, 0.0]), [1]);
        assert_eq!(members(&[0.45, 0.1, 0.45]), [0, 2]);
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
