//! A machine's completions beside those of a Hopfield network and of nothing at all, from the same cues.

use attractor::energy::rules::Rule;
use attractor::pattern::{Cue, Spins, StoredPatterns};
use attractor::settle::{Order, clamped};
use serde_json::{Value, json};

use crate::commands::memory::hopfield::RuleName;
use crate::error::Outcome;

/// Sweeps of a recall at most.
const SWEEPS: usize = 200;

/// How much of what was unknown came out wrong.
pub struct Wrong {
    /// Whose it is.
    pub name: String,
    /// Share of the unknown units that are wrong, row by row.
    shares: Vec<f64>,
    /// Which units these are, in words.
    units: &'static str,
}

impl Wrong {
    /// Compares bits above one half with those of the data, where they were unknown.
    pub fn new(name: impl Into<String>, answers: &[Vec<f32>], data: &[Vec<f32>], known: &[bool]) -> Self {
        let unknown = known.iter().filter(|&&known| !known).count().max(1) as f64;
        let share = |(answer, row): (&Vec<f32>, &Vec<f32>)| {
            let wrong = (0..known.len()).filter(|&unit| !known[unit] && (answer[unit] > 0.5) != (row[unit] > 0.5));
            wrong.count() as f64 / unknown
        };
        let units = if known.contains(&true) { "unknown units" } else { "units" };
        Self { name: name.into(), shares: answers.iter().zip(data).map(share).collect(), units }
    }

    fn mean(&self) -> f64 {
        self.shares.iter().sum::<f64>() / self.shares.len() as f64
    }

    /// Of the mean, over rows; `None` for a single one.
    fn standard_error(&self) -> Option<f64> {
        let (n, mean) = (self.shares.len() as f64, self.mean());
        let square: f64 = self.shares.iter().map(|share| (share - mean).powi(2)).sum();
        (n > 1.0).then(|| (square / (n - 1.0) / n).sqrt())
    }

    fn whole(&self) -> usize {
        self.shares.iter().filter(|share| **share == 0.0).count()
    }

    /// In a line.
    pub fn words(&self) -> String {
        let error = self.standard_error().map_or(String::new(), |e| format!(" ± {:.1}", 100.0 * e));
        format!("{}: {:.1}{error} % of the {} wrong", self.name, 100.0 * self.mean(), self.units)
    }

    /// For machines.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "wrong": self.mean(), "standard_error": self.standard_error(), "whole": self.whole(),
            "rows": self.shares.len(),
        })
    }
}

/// The cues, rows of bits, completed by a Hopfield network that stores the very rows, known units held fast.
///
/// # Errors
/// As the learning rule.
pub fn recalled(
    data: &[Vec<f32>],
    cues: &[Vec<f32>],
    known: &[bool],
    rule: RuleName,
    seed: u64,
) -> Outcome<Vec<Vec<f32>>> {
    let spins = |row: &Vec<f32>| -> Outcome<Spins> {
        Ok(Spins::from_signs(&row.iter().map(|&x| if x > 0.5 { 1 } else { -1 }).collect::<Vec<i8>>())?)
    };
    let patterns = StoredPatterns::new(&data.iter().map(spins).collect::<Outcome<Vec<_>>>()?)?;
    let rule: Rule = rule.rule(seed);
    let weights = rule.learn(&patterns)?.weights;
    cues.iter()
        .enumerate()
        .map(|(row, cue)| {
            let cue = Cue { state: spins(cue)?, known: known.to_vec() };
            let settled = clamped(&weights, &cue, Order::Random { seed, stream: row as u64 }, SWEEPS)?;
            Ok(settled.state.to_signs().into_iter().map(|x| if x > 0 { 1.0 } else { 0.0 }).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unknown_units_are_counted() {
        let data = vec![vec![1.0, 0.0, 1.0, 1.0], vec![0.0, 0.0, 1.0, 0.0]];
        let answers = vec![vec![0.0, 0.0, 0.4, 0.9], vec![1.0, 1.0, 0.8, 0.2]];
        let wrong = Wrong::new("machine", &answers, &data, &[true, true, false, false]);
        assert_eq!((wrong.mean(), wrong.standard_error(), wrong.whole()), (0.25, Some(0.25), 1));
        assert_eq!(wrong.words(), "machine: 25.0 ± 25.0 % of the unknown units wrong");
    }

    #[test]
    fn a_stored_row_comes_back_and_what_is_known_is_held() {
        let data = vec![vec![1.0, 1.0, 1.0, 0.0, 0.0, 0.0], vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0]];
        let known = [true, true, true, true, true, false];
        let cues = vec![vec![1.0, 1.0, 1.0, 0.0, 0.0, 1.0], vec![1.0, 0.0, 1.0, 0.0, 1.0, 1.0]];
        assert_eq!(recalled(&data, &cues, &known, RuleName::PseudoInverse, 0).unwrap(), data);
    }
}
