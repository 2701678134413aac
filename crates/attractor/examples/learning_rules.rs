//! Learning rules side by side: N = 200, random patterns, 40 cues with exactly 10 % wrong units, over many draws.
//!
//! `cargo run --release -p attractor --example learning_rules -- [DRAWS] [UNITS] [RULE] [LOAD]`, all rules whose name begins
//! so, all loads or one. One JSON line a cell: the fraction of patterns that are fixed points, the mean overlap after recall,
//! and the share recalled exactly, each as mean, standard deviation, smallest and largest over the draws.

use attractor::energy::{SpinMemory, SpinWalk};
use attractor::learn::{Margin, Rule};
use attractor::pattern::StoredPatterns;
use attractor::random::Philox;
use attractor::settle::{Order, asynchronous};
use rayon::prelude::*;

const CUES: usize = 40;

/// Fixed points, overlap, exact recall, and whether learning converged, of one draw.
fn cell(rule: Rule, units: usize, count: usize, draw: u64) -> [f64; 4] {
    let mut random = Philox::new(1, draw << 32 | count as u64);
    let patterns = StoredPatterns::random(units, count, &mut random).expect("sizes are checked");
    let learned = rule.learn(&patterns).expect("parameters are checked");
    let holds = |mu: &usize| {
        let walk = learned.weights.walk(&patterns.pattern(*mu));
        (0..units).all(|unit| walk.field(unit) * f64::from(walk.state().sign(unit)) >= 0.0)
    };
    let fixed = (0..count).filter(holds).count() as f64 / count as f64;
    let (mut overlap, mut exact) = (0.0, 0.0);
    for cue in 0..CUES {
        let stored = patterns.pattern(cue % count);
        let start = stored.with_flips(units / 10, &mut random).expect("a tenth is no more than all");
        let order = Order::Random { seed: 2, stream: draw << 32 | cue as u64 };
        let settled = asynchronous(&learned.weights, &start, order, 100).expect("lengths agree");
        overlap += f64::from(settled.state.overlap(&stored)) / units as f64 / CUES as f64;
        exact += f64::from(u8::from(settled.state == stored)) / CUES as f64;
    }
    [fixed, overlap, exact, f64::from(u8::from(learned.report.converged))]
}

fn main() {
    let argument = |at: usize, default: usize| {
        std::env::args().nth(at).map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{text}: {e}")))
    };
    let (draws, units) = (argument(1, 20) as u64, argument(2, 200));
    let perceptron = |margin, symmetric| Rule::Perceptron { margin, symmetric, epochs: 200 };
    let rules = [
        ("hebb", Rule::Hebb),
        ("storkey", Rule::Storkey),
        ("pseudo-inverse", Rule::PseudoInverse { diagonal: false }),
        ("pseudo-inverse-diagonal", Rule::PseudoInverse { diagonal: true }),
        ("perceptron-symmetric stability 0.5", perceptron(Margin::Stability(0.5), true)),
        ("perceptron-symmetric field 0.5", perceptron(Margin::Field(0.5), true)),
        ("perceptron stability 0.5", perceptron(Margin::Stability(0.5), false)),
        ("perceptron field 0.5", perceptron(Margin::Field(0.5), false)),
        ("unlearning 0.01", Rule::Unlearning { dreams: 2 * units, strength: 0.01, seed: 5 }),
    ];
    let wanted = std::env::args().nth(3).unwrap_or_default();
    let all = vec![0.1, 0.138, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0];
    let loads =
        std::env::args().nth(4).map_or(all, |text| vec![text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))]);
    for (name, rule) in rules.into_iter().filter(|(name, _)| name.starts_with(&wanted)) {
        for load in loads.clone() {
            let count = (load * units as f64).round() as usize;
            let cells: Vec<[f64; 4]> = (0..draws).into_par_iter().map(|draw| cell(rule, units, count, draw)).collect();
            let spread = |which: usize| {
                let values: Vec<f64> = cells.iter().map(|cell| cell[which]).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
                let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
                let deviation = (square / (values.len() as f64 - 1.0)).sqrt();
                format!("{{\"mean\": {mean:.4}, \"deviation\": {deviation:.4}, \"min\": {low:.4}, \"max\": {high:.4}}}")
            };
            let converged = cells.iter().map(|cell| cell[3]).sum::<f64>() / cells.len() as f64;
            println!(
                "{{\"rule\": \"{name}\", \"units\": {units}, \"load\": {load}, \"patterns\": {count}, \"draws\": {draws}, \
                 \"fixed\": {}, \"overlap\": {}, \"exact\": {}, \"converged\": {converged:.2}}}",
                spread(0),
                spread(1),
                spread(2)
            );
        }
    }
}
