//! Hebb's rule and its centred form, as weights.

use super::add;

/// Mean activity of all units of all patterns, in [-1, 1].
pub(super) fn activity(signs: &[Vec<f64>]) -> f64 {
    let units = signs[0].len() * signs.len();
    signs.iter().flatten().sum::<f64>() / units as f64
}

/// The bias at every unit that goes with weights of patterns centred by activity a: a (1 - a^2).
///
/// At a pattern the weights alone make the field (xi_i - a)(1 - a^2) and noise: of units of +1 and of -1 it is far from even
/// where a is not 0, and the noise flips those of the commoner sign. With the bias it is xi_i (1 - a^2).
pub(super) fn bias(activity: f64) -> f64 {
    activity * (1.0 - activity * activity)
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

    /// Units of +1 of five patterns of 400 units, `numpy.random.default_rng(0).random((5, 400)) < 0.1` (numpy 2.4).
    #[rustfmt::skip]
    const SPARSE: [&[usize]; 5] = [
        &[2, 3, 11, 13, 20, 48, 53, 59, 62, 92, 108, 111, 113, 117, 119, 146, 150, 152, 159, 193, 196, 207, 212, 214, 222, 223, 234, 248, 257, 269, 289, 291, 302, 323, 333, 340, 345, 364, 365, 376, 380, 397],
        &[2, 3, 61, 71, 74, 100, 104, 123, 165, 169, 182, 188, 200, 208, 232, 256, 257, 261, 273, 274, 275, 285, 301, 344, 366, 377, 381, 392],
        &[5, 13, 33, 36, 44, 50, 55, 73, 91, 119, 121, 124, 135, 142, 149, 157, 187, 193, 196, 200, 208, 210, 211, 214, 217, 222, 240, 242, 260, 294, 302, 306, 309, 315, 335, 337, 340, 348, 355, 359, 381, 385, 390],
        &[8, 14, 20, 31, 39, 46, 48, 49, 55, 71, 73, 91, 94, 105, 108, 119, 120, 122, 127, 128, 131, 144, 149, 151, 168, 172, 179, 196, 231, 234, 237, 241, 246, 253, 260, 263, 277, 283, 287, 300, 302, 303, 304, 307, 322, 326, 327, 343, 355, 362, 380],
        &[7, 16, 21, 62, 65, 76, 78, 83, 86, 106, 113, 126, 172, 176, 188, 200, 202, 205, 206, 208, 213, 215, 218, 221, 225, 232, 234, 239, 242, 270, 271, 280, 295, 301, 315, 320, 327, 335, 345, 346, 364, 366, 377, 391, 395, 398],
    ];

    /// A tenth of the units on: weights alone hold none of the patterns, with their biases all, by the margin that numpy
    /// computes, min xi_i h_i = 0.141757750; so the mirrored patterns, nine tenths on.
    #[test]
    fn sparse_patterns_need_biases() {
        let sparse = SPARSE.map(|on| {
            let mut pattern = Spins::new(400);
            on.iter().for_each(|&unit| pattern.set(unit, true));
            pattern
        });
        for patterns in [sparse.clone(), sparse.map(|pattern| pattern.mirrored())] {
            let stored = StoredPatterns::new(&patterns).unwrap();
            let learned = Rule::Centred.learn(&stored).unwrap();
            let margin = |weights: &crate::energy::Weights, pattern: &Spins| {
                let fields = weights.fields(pattern).into_iter().enumerate();
                fields.map(|(unit, h)| h * f64::from(pattern.sign(unit))).fold(f64::INFINITY, f64::min)
            };
            let bare = learned.weights.clone().with_biases(vec![0.0; 400]).unwrap();
            assert!(patterns.iter().all(|pattern| margin(&bare, pattern) < 0.0));
            let least = patterns.iter().map(|pattern| margin(&learned.weights, pattern)).fold(f64::INFINITY, f64::min);
            assert!((least - 0.141_757_75).abs() < 1e-9, "{least}");
            assert!(learned.report.stability > 0.0);
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
