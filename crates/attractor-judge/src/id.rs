//! Which question a check puts: an enumeration with stable names.
//!
//! JSON, tables and thresholds know a check by its name; inside, nothing does. The table below is the one list of them, in
//! the order of the report; `docs/report.md` is held to it by a test.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The nine groups, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Is it attention at all, and the attention that the model used?
    Correctness,
    /// Where does it look?
    Position,
    /// At which tokens?
    Tokens,
    /// Is it more than an average?
    Uniform,
    /// Which head does what?
    Heads,
    /// Do different queries look differently?
    Query,
    /// Do different beliefs look differently?
    Diversity,
    /// Does learning reach it?
    Gradient,
    /// Does it matter?
    Ablation,
}

impl Group {
    /// All nine.
    pub const ALL: [Self; 9] = [
        Self::Correctness,
        Self::Position,
        Self::Tokens,
        Self::Uniform,
        Self::Heads,
        Self::Query,
        Self::Diversity,
        Self::Gradient,
        Self::Ablation,
    ];

    /// 1 to 9.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Its name in a thresholds file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Correctness => "correctness",
            Self::Position => "position",
            Self::Tokens => "tokens",
            Self::Uniform => "uniform",
            Self::Heads => "heads",
            Self::Query => "query",
            Self::Diversity => "diversity",
            Self::Gradient => "gradient",
            Self::Ablation => "ablation",
        }
    }

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Correctness => "Sanity checks (correctness)",
            Self::Position => "Positional patterns",
            Self::Tokens => "Token-level patterns",
            Self::Uniform => "Statistical tests (against uniform)",
            Self::Heads => "Per-head analysis",
            Self::Query => "Query-side variation (do different tokens attend differently?)",
            Self::Diversity => "Diversity correlation",
            Self::Gradient => "Gradient flow check",
            Self::Ablation => "Ablation study (does attention help?)",
        }
    }
}

/// Builds the enumeration from rows of name, id, group and meaning.
macro_rules! ids {
    ($($name:ident $id:literal $group:ident $meaning:literal;)*) => {
        /// The question that a check puts; what it is called in JSON is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum CheckId {
            $(#[doc = $meaning] #[serde(rename = $id)] $name,)*
        }

        impl CheckId {
            /// Every check there is, in the order of the report.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name: `norm.rows`, `pos.local`, `abl.uniform`...
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// The group that it belongs to.
            pub const fn group(self) -> Group {
                match self { $(Self::$name => Group::$group,)* }
            }

            /// What `pass` means, in a line.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

ids! {
    NormFinite "norm.finite" Correctness "Every weight is a finite number.";
    NormRange "norm.range" Correctness "No weight is negative.";
    NormRows "norm.rows" Correctness "The weights of a row sum to one.";
    MaskCausal "mask.causal" Correctness "A causal model gives no weight to later positions.";
    MaskSupport "mask.support" Correctness "No weight lies on keys that the mask forbids.";
    MaskProbe "mask.probe" Correctness "Changing a token changes no earlier output.";
    NormBounds "norm.bounds" Correctness "Entropies lie between their bounds.";
    OutAv "out.av" Correctness "A.V is the z that the model used.";
    OutProjection "out.projection" Correctness "W_O z + b is the module's output.";
    OutEvaluation "out.evaluation" Correctness "The model ran in evaluation mode.";
    InputDistinct "input.distinct" Correctness "No two inputs are the same.";
    KlIdentity "kl.identity" Correctness "Laws of KL attention; not testable for dot products.";
    PosLocal "pos.local" Position "Near keys receive more than uniform attention gives them.";
    PosContent "pos.content" Position "Position alone does not explain the pattern.";
    TokRepeat "tok.repeat" Tokens "Tokens attend to other occurrences of the same token.";
    TokSpecial "tok.special" Tokens "What special tokens receive; reported.";
    TokPunctuation "tok.punctuation" Tokens "What punctuation receives; reported.";
    TokFirst "tok.first" Tokens "What the first position receives; reported.";
    SinkRate "sink.rate" Tokens "How much attention the most-attended position receives; reported.";
    BaseUniform "base.uniform" Uniform "Rows are further from uniform than a margin.";
    BaseEntropy "base.entropy" Uniform "The entropy is below that of uniform rows by a margin.";
    HeadSharpness "head.sharpness" Heads "Heads are at least medium sharp.";
    HeadPrevious "head.previous" Heads "There is a previous-token head.";
    HeadInduction "head.induction" Heads "There is an induction head.";
    QueryVariation "query.variation" Query "Different queries attend differently.";
    QueryContent "query.content" Query "What queries attend to differs between inputs.";
    DivMantel "div.mantel" Diversity "Positions whose hidden states differ attend differently.";
    DivBeliefs "div.beliefs" Diversity "Hidden states differ between positions before attention.";
    GradFlow "grad.flow" Gradient "The gradient of the loss reaches every head.";
    GradFinite "grad.finite" Gradient "Backpropagation agrees with a central difference.";
    GradParameters "grad.parameters" Gradient "The parameters of attention have a gradient.";
    LossPerplexity "loss.perplexity" Ablation "The perplexity is below that of a unigram model.";
    AblUniform "abl.uniform" Ablation "Replacing attention by a uniform average matters.";
    AblSelf "abl.self" Ablation "Restricting attention to the token itself matters.";
    AblPrevious "abl.previous" Ablation "Restricting attention to the previous token matters.";
    AblLocal "abl.local" Ablation "Replacing attention by a local average matters.";
    AblMeanMap "abl.mean-map" Ablation "Replacing each map by the mean map of the other inputs matters.";
    AblOtherInput "abl.other-input" Ablation "Replacing each map by another input's map matters.";
    AblZero "abl.zero" Ablation "Zero-ablating attention matters.";
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for CheckId {
    type Err = Error;

    /// # Errors
    /// `is_usage` for a name that no check has.
    fn from_str(name: &str) -> Result<Self, Error> {
        let own = Self::ALL.iter().copied().find(|id| id.as_str() == name);
        own.ok_or_else(|| Error::usage(format!("no check is called {name:?}; docs/report.md lists them")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_is_one_check_in_every_form() {
        for &id in CheckId::ALL {
            assert_eq!(id.as_str().parse::<CheckId>().unwrap(), id);
            assert_eq!(serde_json::to_value(id).unwrap(), id.as_str());
            assert_eq!(serde_json::from_value::<CheckId>(id.as_str().into()).unwrap(), id);
            assert_eq!(format!("{id:20}|"), format!("{:20}|", id.as_str()));
        }
        let names: BTreeSet<&str> = CheckId::ALL.iter().map(|id| id.as_str()).collect();
        assert_eq!(names.len(), CheckId::ALL.len());
        assert!("norm.row".parse::<CheckId>().unwrap_err().is_usage());
        assert!(CheckId::ALL.windows(2).all(|w| w[0].group() <= w[1].group() && w[0] < w[1]));
    }

    /// The table in docs/report.md: | `id` | group | meaning |.
    #[test]
    fn the_documentation_lists_every_check_and_no_other() {
        let documentation = include_str!("../../../docs/report.md");
        let told: Vec<(&str, &str, &str)> = documentation
            .split_once("## The checks")
            .unwrap()
            .1
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ");
                Some((cells.next()?.strip_suffix('`')?, cells.next()?, cells.next()?))
            })
            .collect();
        let groups: Vec<String> = CheckId::ALL.iter().map(|id| id.group().number().to_string()).collect();
        let ours: Vec<(&str, &str, &str)> =
            CheckId::ALL.iter().zip(&groups).map(|(id, group)| (id.as_str(), group.as_str(), id.meaning())).collect();
        assert_eq!(told, ours);
    }
}
