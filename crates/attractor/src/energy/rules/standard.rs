//! Learning rules by their names alone, with the parameters that the literature uses.

use serde::Serialize;

use super::{Margin, Rule};

/// A learning rule with the parameters that its source, or most of the literature, uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standard {
    /// [`Rule::Hebb`].
    #[default]
    Hebb,
    /// [`Rule::Centred`].
    Centred,
    /// [`Rule::Storkey`].
    Storkey,
    /// [`Rule::PseudoInverse`] without its diagonal.
    PseudoInverse,
    /// [`Rule::PseudoInverse`] with its diagonal.
    PseudoInverseDiagonal,
    /// [`Rule::Perceptron`], symmetric, stability 0.5, at most 200 epochs.
    PerceptronSymmetric,
    /// The same without symmetry.
    Perceptron,
    /// [`Rule::Unlearning`]: 100 dreams of strength 0.01.
    Unlearning,
}

impl Standard {
    /// Every one of them.
    pub const ALL: [Self; 8] = [
        Self::Hebb,
        Self::Centred,
        Self::Storkey,
        Self::PseudoInverse,
        Self::PseudoInverseDiagonal,
        Self::PerceptronSymmetric,
        Self::Perceptron,
        Self::Unlearning,
    ];

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

    /// Its name in tables and options.
    pub fn name(self) -> &'static str {
        self.rule(0).name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = Standard::ALL.into_iter().map(Standard::name).collect();
        assert_eq!(names.len(), Standard::ALL.len());
        for rule in Standard::ALL {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.name());
        }
    }
}
