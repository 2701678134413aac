//! Patterns stored by a learning rule, and recalled.

use std::borrow::Cow;

use serde::Serialize;

use super::capacity::most_patterns;
use super::recall::{Recall, Recalls};
use crate::choice::Choice;
use crate::context::Context;
use crate::energy::{Hebb, Weights};
use crate::error::Result;
use crate::learn::{Report, Rule, Standard};
use crate::pattern::StoredPatterns;

/// A Hopfield memory and what is asked of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hopfield {
    /// How patterns are stored.
    pub rule: Standard,
    /// How cues are made and recalled.
    pub recall: Recall,
}

/// What a Hopfield memory recalled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HopfieldRecall {
    /// "attractor.memory.hopfield/1".
    pub schema: &'static str,
    /// "hopfield".
    pub memory: &'static str,
    /// Name of the rule.
    pub rule: &'static str,
    /// N.
    pub units: usize,
    /// P.
    pub patterns: usize,
    /// P / N.
    pub load: f64,
    /// How many random patterns the rule holds, [`most_patterns`].
    pub most_patterns: Option<usize>,
    /// Of those patterns that did not come back, the largest overlap per unit with another one, in [-1, 1] by size; the
    /// first [`COMPARED`] of them are compared. `None` where all came back.
    pub correlation: Option<f64>,
    /// Seed of cues, updates and dreams.
    pub seed: u64,
    /// How learning went; nothing is learned for Hebb's rule, which does without weights.
    pub learned: Option<Report>,
    /// The recalls.
    #[serde(flatten)]
    pub recalled: Recalls,
    /// The weights, where the rule makes them.
    #[serde(skip)]
    weights: Option<Weights>,
}

/// Most patterns that are compared with all others.
pub const COMPARED: usize = 100;

/// Random patterns of N units have overlaps of about N^(-1/2) per unit: this many times as much is correlation.
const CORRELATED: f64 = 5.0;

/// The largest overlap, by size, of a pattern that did not come back with one that is not itself.
fn correlation(patterns: &StoredPatterns, recalled: &Recalls) -> Option<f64> {
    let mut lost: Vec<usize> = recalled.recalls.iter().filter(|one| !one.exact).map(|one| one.pattern).collect();
    lost.dedup();
    let with_others = |&mu: &usize| {
        let overlaps = patterns.overlaps(&patterns.pattern(mu)).into_iter().enumerate();
        overlaps.filter(move |(nu, _)| *nu != mu).map(|(_, overlap)| overlap)
    };
    let largest = lost.iter().take(COMPARED).flat_map(with_others).max_by_key(|overlap| overlap.abs());
    largest.map(|overlap| f64::from(overlap) / patterns.units() as f64)
}

impl Hopfield {
    /// Checks that it can be carried out.
    ///
    /// # Errors
    /// As [`Recall::check`].
    pub fn check(&self) -> Result<()> {
        self.recall.check()
    }

    /// Stores the patterns and recalls them. Hebb's rule is exact and of any size: it keeps no weights.
    ///
    /// # Errors
    /// As [`Recall::run`] and [`Rule::learn`].
    pub fn run(&self, patterns: &StoredPatterns, context: &Context<'_>) -> Result<HopfieldRecall> {
        self.check()?;
        let rule = self.rule.rule(context.seed());
        let (recalled, learned) = match rule {
            Rule::Hebb => (self.recall.run(&Hebb::new(patterns.clone()), patterns, context)?, None),
            rule => {
                let learned = context.install(|| rule.learn(patterns))?;
                (self.recall.run(&learned.weights, patterns, context)?, Some(learned))
            }
        };
        let (report, weights) = learned.map(|learned| (learned.report, learned.weights)).unzip();
        Ok(HopfieldRecall {
            schema: "attractor.memory.hopfield/1",
            memory: "hopfield",
            rule: rule.name(),
            units: patterns.units(),
            patterns: patterns.count(),
            load: patterns.load(),
            most_patterns: most_patterns(rule, patterns.units()),
            correlation: correlation(patterns, &recalled),
            seed: context.seed(),
            learned: report,
            recalled,
            weights,
        })
    }
}

impl HopfieldRecall {
    /// True if patterns did not come back that are far more alike than random ones, by a rule that stores them as if they
    /// were not: the number of patterns is not the cause then, and a rule that tells them apart holds them.
    pub fn is_confused(&self) -> bool {
        let takes_apart = [
            Standard::PseudoInverse,
            Standard::PseudoInverseDiagonal,
            Standard::Perceptron,
            Standard::PerceptronSymmetric,
        ];
        let alike = self.correlation.is_some_and(|m| m.abs() > CORRELATED / (self.units as f64).sqrt());
        alike && !takes_apart.iter().any(|rule| rule.name() == self.rule)
    }

    /// The weights [N, N] of the memory of these patterns, made now for Hebb's rule.
    ///
    /// # Errors
    /// `is_budget` for more units than weights can be held for.
    pub fn weights(&self, patterns: &StoredPatterns) -> Result<Cow<'_, Weights>> {
        match &self.weights {
            Some(weights) => Ok(Cow::Borrowed(weights)),
            None => Ok(Cow::Owned(Rule::Hebb.learn(patterns)?.weights)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::{Descends, SpinMemory};
    use crate::experiment::recall::Corruption;
    use crate::pattern::Spins;
    use crate::random::Philox;

    fn patterns() -> StoredPatterns {
        StoredPatterns::random(50, 12, &mut Philox::new(3, 0)).unwrap()
    }

    /// Twelve patterns in 50 units are beyond Hebb's rule and not beyond the projection; the answers say so.
    #[test]
    fn rules_recall_what_they_hold() {
        let recall = Recall { corruption: Corruption::Noise(0.04), ..Recall::default() };
        let run = |rule| Hopfield { rule, recall: recall.clone() }.run(&patterns(), &Context::new(1)).unwrap();
        let (hebb, projection) = (run(Standard::Hebb), run(Standard::PseudoInverse));
        let exact = [&hebb, &projection].map(|found| found.recalled.exact());
        assert!(exact[0] <= 8 && exact[1] == 12, "{exact:?}");
        assert_eq!((hebb.most_patterns, projection.most_patterns), (Some(6), Some(50)));
        assert_eq!((hebb.learned, projection.learned.unwrap().rank), (None, Some(12)));
        let asymmetric = run(Standard::Perceptron);
        assert!(matches!(asymmetric.recalled.descent, Descends::None(_)) && asymmetric.learned.unwrap().converged);
        assert_eq!(projection.weights(&patterns()).unwrap().units(), 50);
        assert_eq!(*hebb.weights(&patterns()).unwrap(), Rule::Hebb.learn(&patterns()).unwrap().weights);
    }

    /// Three patterns of 256 units that agree in nine tenths of them, as letters on white paper do: Hebb's rule ends in one
    /// state far below its capacity, and that is said to be correlation; the projection holds all three. Random patterns
    /// beyond capacity are not called correlated.
    #[test]
    fn likeness_and_number_are_told_apart() {
        let mut random = Philox::new(6, 0);
        let paper = Spins::random(256, &mut random);
        let letters = [0; 3].map(|_| paper.with_flips(26, &mut random).unwrap());
        let letters = StoredPatterns::new(&letters).unwrap();
        let recall = Recall { corruption: Corruption::Noise(0.05), ..Recall::default() };
        let run = |rule, patterns: &StoredPatterns| {
            Hopfield { rule, recall: recall.clone() }.run(patterns, &Context::new(1)).unwrap()
        };
        let hebb = run(Standard::Hebb, &letters);
        assert!(hebb.recalled.exact() == 0 && hebb.is_confused() && hebb.correlation.unwrap() > 0.5);
        assert!(hebb.recalled.recalls.windows(2).all(|two| two[0].state == two[1].state));
        let projection = run(Standard::PseudoInverse, &letters);
        assert_eq!((projection.recalled.exact(), projection.correlation, projection.is_confused()), (3, None, false));
        let many = run(Standard::Hebb, &patterns());
        assert!(many.correlation.is_some() && !many.is_confused());
    }

    #[test]
    fn an_answer_is_read_by_programs() {
        let found =
            Hopfield { rule: Standard::Storkey, ..Hopfield::default() }.run(&patterns(), &Context::new(1)).unwrap();
        let value = serde_json::to_value(&found).unwrap();
        assert_eq!((&value["schema"], &value["rule"]), (&"attractor.memory.hopfield/1".into(), &"storkey".into()));
        assert_eq!(value["learned"]["epochs"], 1);
        let first = &value["recalls"][0];
        assert_eq!(first["state"].as_array().unwrap().len(), 50);
        assert!(first["ending"]["kind"].is_string() && first["energies"][0].is_f64(), "{first}");
        assert_eq!(value["descent"], serde_json::json!({ "kind": "exact" }));
    }
}
