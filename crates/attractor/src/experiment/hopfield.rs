//! Patterns stored by a learning rule, and recalled.

use std::borrow::Cow;

use serde::Serialize;

use super::capacity::most_patterns;
use super::recall::{Recall, Recalls};
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
            seed: context.seed(),
            learned: report,
            recalled,
            weights,
        })
    }
}

impl HopfieldRecall {
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
