//! How long judgement takes. Not run by default: a time says something about one machine at one moment only.

use std::time::Instant;

use super::*;
use crate::config::Config;
use crate::judge;

fn time(layers: usize, heads: usize, inputs: u64, n: usize) -> f64 {
    let ids: Vec<Vec<u32>> = (0..inputs).map(|s| random_ids(n, 60, s)).collect();
    let mut maps = Maps::causal(&ids, layers);
    for head in 0..layers * heads {
        maps = maps.head(head % layers, move |ids, input| {
            noise(ids.len(), 1.0, (head * 1000 + input) as u64, |i, j| -0.05 * (i - j) as f64)
        });
    }
    let width = 384;
    let beliefs = |seed: u64| {
        let mut random = Philox::new(seed, 12);
        (0..n * width).map(|_| random.normal() as f32).collect::<Vec<f32>>()
    };
    maps.beliefs = (0..layers).map(|l| (0..inputs).map(|i| beliefs(l as u64 * 100 + i)).collect()).collect();
    let start = Instant::now();
    let report = judge(&maps, None, &Config::default()).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(report.is_ok() && report.heads.len() == layers * heads);
    seconds
}

#[test]
#[ignore = "a timing, to be run by hand: cargo test --release -p attractor-judge -- --ignored --nocapture timing"]
fn timing() {
    println!("6 layers x 12 heads, 1 input of 100 tokens: {:.3} s", time(6, 12, 1, 100));
    println!("6 layers x 12 heads, 32 inputs of 128 tokens: {:.3} s", time(6, 12, 32, 128));
}
