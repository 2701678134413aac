//! Learning rules by their names alone, with the parameters that the literature uses.

use serde::Serialize;

use super::{Margin, Rule};

crate::choice! {
    /// A learning rule with the parameters that its source, or most of the literature, uses.
    ///
    /// The perceptron seeks a stability of 0.5 in at most 200 epochs; unlearning has 100 dreams of strength 0.01.
    #[derive(Default, Serialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Standard {
        /// Hebb's outer products.
        #[default]
        Hebb = "hebb",
        /// Hebbian rule on mean-centred patterns, with unit thresholds: for patterns that are mostly dark, or mostly light.
        Centred = "centred",
        /// Storkey's rule, one pattern at a time.
        Storkey = "storkey",
        /// Pseudo-inverse (projection) rule, with zero diagonal.
        PseudoInverse = "pseudo-inverse",
        /// Pseudo-inverse rule with its diagonal.
        PseudoInverseDiagonal = "pseudo-inverse-diagonal",
        /// Perceptron learning up to a margin (Gardner), symmetric weights.
        PerceptronSymmetric = "perceptron-symmetric",
        /// Perceptron learning, asymmetric weights: there is no energy function.
        Perceptron = "perceptron",
        /// Hebbian unlearning of spurious states (Hopfield, Feinstein and Palmer 1983).
        Unlearning = "unlearning",
    }
}

impl Standard {
    /// With its parameters; `seed` is that of the dreams.
    pub fn rule(self, seed: u64) -> Rule {
        let perceptron = |symmetric| Rule::Perceptron { margin: Margin::Stability(0.5), symmetric, epochs: 200 };
        match self {
            Self::Hebb => Rule::Hebb,
            Self::Centred => Rule::Centred,
            Self::Storkey => Rule::Storkey,
            Self::PseudoInverse => Rule::PseudoInverse { diagonal: false },
            Self::PseudoInverseDiagonal => Rule::PseudoInverse { diagonal: true },
            Self::PerceptronSymmetric => perceptron(true),
            Self::Perceptron => perceptron(false),
            Self::Unlearning => Rule::Unlearning { dreams: 100, strength: 0.01, seed },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Choice;

    #[test]
    fn a_rule_is_named_alike_alone_and_with_its_parameters() {
        for &rule in Standard::ALL {
            assert_eq!(rule.rule(0).name(), rule.name());
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.name());
        }
    }
}
