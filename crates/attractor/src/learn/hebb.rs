//! Hebb's rule and its centred form, as weights.

use super::add;

/// Mean activity of all units of all patterns, in [-1, 1].
pub(super) fn activity(signs: &[Vec<f64>]) -> f64 {
    let units = signs[0].len() * signs.len();
    signs.iter().flatten().sum::<f64>() / units as f64
}

/// (1/N) sum_mu (xi_i - a)(xi_j - a), zero diagonal.
pub(super) fn learn(signs: &[Vec<f64>], activity: f64) -> Vec<f64> {
    let n = signs[0].len();
    let mut values = vec![0.0; n * n];
    let centred: Vec<Vec<f64>> = signs.iter().map(|xi| xi.iter().map(|x| x - activity).collect()).collect();
    for (i, row) in values.chunks_exact_mut(n).enumerate() {
        for xi in &centred {
            add(row, xi[i], xi);
        }
        row[i] = 0.0;
        // Last, so that without an activity the sums are whole numbers: no rounding, whatever the order.
        row.iter_mut().for_each(|w| *w /= n as f64);
    }
    values
}

#[cfg(test)]
mod tests {
    use crate::energy::{Hebb, SpinMemory, SpinWalk};
    use crate::learn::Rule;
    use crate::pattern::{Spins, StoredPatterns};
    use crate::random::Philox;
    use crate::settle::{Order, asynchronous};

    /// The same weights, fields and energies as from overlaps, and the same path downhill.
    #[test]
    fn weights_and_overlaps_are_one_memory() {
        let mut random = Philox::new(3, 0);
        for (units, count) in [(1, 1), (12, 4), (65, 9)] {
            let patterns = StoredPatterns::random(units, count, &mut random).unwrap();
            let learned = Rule::Hebb.learn(&patterns).unwrap().weights;
            let memory = Hebb::new(patterns);
            for (i, j) in (0..units).flat_map(|i| (0..units).map(move |j| (i, j))) {
                assert_eq!(learned.weight(i, j), memory.weight(i, j));
            }
            for stream in 0..10 {
                let start = Spins::random(units, &mut random);
                let (a, b) = (learned.walk(&start), memory.walk(&start));
                assert!((a.energy() - b.energy()).abs() < 1e-12);
                for unit in 0..units {
                    assert!((a.field(unit) - b.field(unit)).abs() < 1e-12);
                    assert_eq!(a.field(unit) == 0.0, b.field(unit) == 0.0, "a tie is a tie");
                }
                let order = Order::Random { seed: 5, stream };
                let settled = asynchronous(&learned, &start, order, 100).unwrap();
                assert_eq!(settled.state, asynchronous(&memory, &start, order, 100).unwrap().state);
            }
        }
    }

    /// Six patterns of activity 0.6 in 200 units: the common part holds Hebb's memory captive, the centred one keeps them.
    #[test]
    fn biased_patterns_need_centring() {
        let mut random = Philox::new(4, 0);
        let patterns = StoredPatterns::biased(200, 6, 0.6, &mut random).unwrap();
        let fixed = |rule: Rule| {
            let weights = rule.learn(&patterns).unwrap().weights;
            let holds = |mu: &usize| {
                let walk = weights.walk(&patterns.pattern(*mu));
                (0..200).all(|unit| walk.field(unit) * f64::from(walk.state().sign(unit)) >= 0.0)
            };
            (0..6).filter(holds).count()
        };
        assert_eq!((fixed(Rule::Hebb), fixed(Rule::Centred)), (0, 6));
        assert_eq!(fixed(Rule::PseudoInverse { diagonal: false }), 6);
    }
}
