//! Hebbian unlearning: attractors reached from random states ("dreams") are weakened.

use super::{add, hebb};
use crate::energy::Weights;
use crate::error::Result;
use crate::pattern::Spins;
use crate::random::{Philox, stream};
use crate::settle::{Order, asynchronous};

/// Sweeps within which a dream settles; Hebb's weights need far fewer, and an unsettled dream is unlearned all the same.
const SWEEPS: usize = 200;

/// Hebb's weights after `dreams` settlings from random states, each taken away by `strength` / N.
pub(super) fn learn(signs: &[Vec<f64>], dreams: usize, strength: f64, seed: u64) -> Result<Vec<f64>> {
    let n = signs[0].len();
    let mut values = hebb::learn(signs, 0.0);
    for dream in 0..dreams as u64 {
        let start = Spins::random(n, &mut Philox::new(seed, stream::dream(dream)));
        let memory = Weights::new(n, values)?;
        let order = Order::Random { seed, stream: stream::updates_of_dream(dream) };
        let state: Vec<f64> =
            asynchronous(&memory, &start, order, SWEEPS)?.state.to_signs().into_iter().map(f64::from).collect();
        values = memory.values().to_vec();
        for (i, row) in values.chunks_exact_mut(n).enumerate() {
            add(row, -strength / n as f64 * state[i], &state);
            row[i] = 0.0;
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use crate::learn::Rule;
    use crate::pattern::{Spins, StoredPatterns};
    use crate::random::Philox;
    use crate::settle::{Order, asynchronous};

    /// No dream is Hebb's memory; one dream is it less the outer product of where a random state settles.
    #[test]
    fn a_dream_takes_away_where_it_ended() {
        let patterns = StoredPatterns::random(20, 4, &mut Philox::new(12, 0)).unwrap();
        let hebb = Rule::Hebb.learn(&patterns).unwrap().weights;
        let after = |dreams| Rule::Unlearning { dreams, strength: 0.1, seed: 5 }.learn(&patterns).unwrap().weights;
        assert_eq!(after(0), hebb);
        let start = Spins::random(20, &mut Philox::new(5, 0));
        let dream = asynchronous(&hebb, &start, Order::Random { seed: 5, stream: 1 }, 200).unwrap().state;
        let one = after(1);
        for (i, j) in (0..20).flat_map(|i| (0..i).map(move |j| (i, j))) {
            let taken = 0.1 / 20.0 * f64::from(dream.sign(i) * dream.sign(j));
            assert!((one.weight(i, j) - hebb.weight(i, j) + taken).abs() < 1e-15);
        }
    }

    /// At a load of 0.2, far beyond Hebb's, dreams make patterns stable that were not.
    #[test]
    fn dreams_stabilise_the_patterns() {
        let patterns = StoredPatterns::random(100, 20, &mut Philox::new(13, 0)).unwrap();
        let stability =
            |dreams| Rule::Unlearning { dreams, strength: 0.01, seed: 1 }.learn(&patterns).unwrap().report.stability;
        assert!(stability(0) < 0.0 && stability(300) > 0.0, "{} {}", stability(0), stability(300));
    }
}
