//! Dense associative memory, polynomial or exponential, and recalls by it.

use std::fmt;

use serde::{Serialize, Serializer};

use super::recall::{Recall, Recalls};
use crate::context::Context;
use crate::energy::{DenseMemory, ExponentialMemory, Interaction, MOST_BETA};
use crate::error::{Error, Result};
use crate::pattern::StoredPatterns;

/// How fast the energy grows with the overlaps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Steepness {
    /// As a power of them.
    Power(Interaction),
    /// As their exponential.
    Exponential {
        /// Inverse temperature, in (0, 300].
        beta: f64,
    },
}

/// Degree six.
impl Default for Steepness {
    fn default() -> Self {
        Self::Power(Interaction::Polynomial { degree: 6 })
    }
}

/// Its name in tables: "energy of degree 6, rectified", "exponential energy, beta 0.5".
impl fmt::Display for Steepness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Power(Interaction::Polynomial { degree }) => write!(f, "energy of degree {degree}"),
            Self::Power(Interaction::Rectified { degree }) => write!(f, "energy of degree {degree}, rectified"),
            Self::Exponential { beta } if *beta < 1e-5 => write!(f, "exponential energy, beta {beta:e}"),
            Self::Exponential { beta } => write!(f, "exponential energy, beta {beta}"),
        }
    }
}

impl Serialize for Steepness {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A dense memory and what is asked of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dense {
    /// Its energy.
    pub energy: Steepness,
    /// How cues are made and recalled.
    pub recall: Recall,
}

/// What a dense memory recalled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DenseRecall {
    /// "attractor.memory.dense/1".
    pub schema: &'static str,
    /// "dense".
    pub memory: &'static str,
    /// Its energy; serialised as its name.
    pub energy: Steepness,
    /// N.
    pub units: usize,
    /// P.
    pub patterns: usize,
    /// P / N.
    pub load: f64,
    /// Seed of cues and updates.
    pub seed: u64,
    /// The recalls.
    #[serde(flatten)]
    pub recalled: Recalls,
}

impl Dense {
    /// Checks that it can be carried out, as far as that can be known without the patterns.
    ///
    /// # Errors
    /// As [`Recall::check`]; `is_usage`, naming `exponential`, for a beta that does not lie in (0, 300].
    pub fn check(&self) -> Result<()> {
        match self.energy {
            Steepness::Exponential { beta } if !(beta > 0.0 && beta <= MOST_BETA) => {
                Err(Error::option("exponential", beta, format!("give a beta above 0, up to {MOST_BETA}")))
            }
            _ => self.recall.check(),
        }
    }

    /// Stores the patterns and recalls them.
    ///
    /// # Errors
    /// As [`Recall::run`], [`DenseMemory::new`] and [`ExponentialMemory::new`].
    pub fn run(&self, patterns: &StoredPatterns, context: &Context<'_>) -> Result<DenseRecall> {
        self.check()?;
        let stored = patterns.clone();
        let recalled = match self.energy {
            Steepness::Power(interaction) => {
                self.recall.run(&DenseMemory::new(stored, interaction)?, patterns, context)?
            }
            Steepness::Exponential { beta } => {
                self.recall.run(&ExponentialMemory::new(stored, beta)?, patterns, context)?
            }
        };
        Ok(DenseRecall {
            schema: "attractor.memory.dense/1",
            memory: "dense",
            energy: self.energy,
            units: patterns.units(),
            patterns: patterns.count(),
            load: patterns.load(),
            seed: context.seed(),
            recalled,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::recall::Corruption;
    use crate::random::Philox;

    /// Of 100 patterns in 50 units a steep memory recalls all and a quadratic one none.
    #[test]
    fn steeper_energies_hold_more() {
        let patterns = StoredPatterns::random(50, 100, &mut Philox::new(4, 0)).unwrap();
        let recall = Recall { corruption: Corruption::Noise(0.06), ..Recall::default() };
        let run = |energy| Dense { energy, recall: recall.clone() }.run(&patterns, &Context::new(1)).unwrap();
        let of_degree = |degree| run(Steepness::Power(Interaction::Polynomial { degree })).recalled.exact();
        assert!(of_degree(2) == 0 && of_degree(6) >= 98, "{} {}", of_degree(2), of_degree(6));
        let exponential = run(Steepness::Exponential { beta: 0.5 });
        assert!(exponential.recalled.exact() >= 98);
        assert_eq!(serde_json::to_value(&exponential).unwrap()["energy"], "exponential energy, beta 0.5");
    }

    #[test]
    fn betas_out_of_range_are_refused_by_the_option() {
        for beta in [0.0, -1.0, f64::NAN, 301.0] {
            let error = Dense { energy: Steepness::Exponential { beta }, ..Dense::default() }.check().unwrap_err();
            assert!(error.is_usage() && error.at_fault().unwrap().0 == "exponential", "{error}");
        }
    }

    #[test]
    fn names_are_short() {
        let names = [8.0, 0.3, 2e-6].map(|beta| Steepness::Exponential { beta }.to_string());
        assert_eq!(names, ["8", "0.3", "2e-6"].map(|beta| format!("exponential energy, beta {beta}")));
        let rectified = Steepness::Power(Interaction::Rectified { degree: 3 });
        assert_eq!(rectified.to_string(), "energy of degree 3, rectified");
    }
}
