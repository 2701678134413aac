//! Small machines and all their states, for tests.

use super::model::{Rbm, Visible};
use crate::random::Philox;

/// Weights and biases from N(0, scale^2).
pub fn machine(n: usize, m: usize, scale: f64, seed: u64) -> Rbm {
    let mut random = Philox::new(seed, 0);
    let mut draw = |count: usize| (0..count).map(|_| (scale * random.normal()) as f32).collect::<Vec<_>>();
    Rbm::new(Visible::Binary, draw(n * m), draw(n), draw(m)).unwrap()
}

/// Gaussian units of different variances.
pub fn gaussian(n: usize, m: usize, seed: u64) -> Rbm {
    let binary = machine(n, m, 0.6, seed);
    let variance = (0..n).map(|i| 0.5 + 0.3 * i as f32).collect();
    Rbm::new(
        Visible::Gaussian { variance },
        binary.weights().to_vec(),
        binary.visible_bias().to_vec(),
        binary.hidden_bias().to_vec(),
    )
    .unwrap()
}

/// All states of n bits.
pub fn states(n: usize) -> Vec<Vec<f32>> {
    (0..1usize << n).map(|state| (0..n).map(|unit| (state >> unit & 1) as f32).collect()).collect()
}

/// Horizontal and vertical bars of a square: 2 x 2^side - 2 patterns.
pub fn bars_and_stripes(side: usize) -> Vec<f32> {
    let mut rows = Vec::new();
    for lines in 0..1usize << side {
        let on = |line: usize| (lines >> line & 1) as f32;
        rows.extend((0..side * side).map(|at| on(at / side)));
        // All off and all on are both: once is enough.
        if lines != 0 && lines != (1 << side) - 1 {
            rows.extend((0..side * side).map(|at| on(at % side)));
        }
    }
    rows
}
