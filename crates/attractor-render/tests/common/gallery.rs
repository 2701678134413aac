//! One figure of every kind, of made-up data with the structure that such data has.
//!
//! Drawn by the example `gallery` and held to the pictures in `tests/golden`.

use attractor::random::Philox;
use attractor_render::heatmap::{Style, heatmap};
use attractor_render::map::Map;

/// Names, in the order in which they are shown, and figures.
pub fn all() -> Vec<(&'static str, String)> {
    vec![("heatmap", head())]
}

/// A sentence that is read twice, as an induction head needs it.
pub const TOKENS: [&str; 17] = [
    "<s>", "The", " cat", " sat", " on", " the", " mat", ".", " Then", " the", " cat", " sat", " on", " my", " hat",
    "!", "</s>",
];

/// Causal weights of a head that is drawn to `favour` of (query, key), with noise.
pub fn causal(n: usize, seed: u64, favour: impl Fn(usize, usize) -> f64) -> Map {
    let mut random = Philox::new(seed, 3);
    let mut weights = vec![0.0f32; n * n];
    for query in 0..n {
        let scores: Vec<f64> = (0..=query).map(|key| (favour(query, key) + 0.6 * random.normal()).exp()).collect();
        let sum: f64 = scores.iter().sum();
        for (key, score) in scores.iter().enumerate() {
            weights[query * n + key] = (score / sum) as f32;
        }
    }
    Map::exact(weights, n, n).unwrap().causal().unwrap()
}

fn head() -> String {
    let previous = causal(17, 1, |q, k| if k + 1 == q { 4.0 } else { 0.0 });
    heatmap(&previous, "L4H11: previous token", &TOKENS, &Style::default()).unwrap()
}
