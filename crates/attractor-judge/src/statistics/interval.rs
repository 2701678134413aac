//! An interval, and why there is none.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A confidence interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence level, in (0, 1).
    pub level: f64,
    /// How it was found.
    pub method: IntervalMethod,
}

/// How the ends of an interval were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// All values are equal: the point itself.
    NoSpread,
    /// Quantiles of the resamples.
    Percentile,
    /// Quantiles corrected for bias and skew.
    Bca,
}

/// What was drawn again for an interval; JSON holds its words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum IntervalMethod {
    /// Inputs.
    Inputs(Ends),
    /// Inputs, each with all its steps.
    InputsWithSteps(Ends),
    /// Blocks of steps of so many inputs, which are taken as they are.
    StepsOf {
        /// Number of inputs.
        inputs: usize,
        /// Mean length of a block, steps.
        block: f64,
    },
    /// Blocks of steps of one series.
    Steps {
        /// Mean length of a block, steps.
        block: f64,
    },
}

impl Ends {
    const ALL: [Self; 3] = [Self::NoSpread, Self::Percentile, Self::Bca];

    fn words(self) -> &'static str {
        match self {
            Self::NoSpread => "no spread",
            Self::Percentile => "percentile bootstrap",
            Self::Bca => "BCa bootstrap",
        }
    }
}

impl IntervalMethod {
    /// The same, where inputs came with all their steps.
    pub(super) fn with_steps(self) -> Self {
        match self {
            Self::Inputs(ends) => Self::InputsWithSteps(ends),
            other => other,
        }
    }
}

const WITH_STEPS: &str = " of inputs with all their steps";
const BLOCKS: &str = "stationary block bootstrap";

impl fmt::Display for IntervalMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inputs(ends) => f.write_str(ends.words()),
            Self::InputsWithSteps(ends) => write!(f, "{}{WITH_STEPS}", ends.words()),
            Self::StepsOf { inputs, block } => {
                let plural = if *inputs == 1 { "" } else { "s" };
                write!(f, "{BLOCKS} over the steps of {inputs} input{plural}, mean block {block:.1}")
            }
            Self::Steps { block } => write!(f, "{BLOCKS}, mean block {block:.1}"),
        }
    }
}

impl From<IntervalMethod> for String {
    fn from(method: IntervalMethod) -> Self {
        method.to_string()
    }
}

/// Reads the words; a block's length comes back to the digits that they show.
impl TryFrom<String> for IntervalMethod {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let read = || {
            let ends = |words: &str| Ends::ALL.into_iter().find(|ends| ends.words() == words);
            if let Some(found) = ends(text.strip_suffix(WITH_STEPS).unwrap_or(&text)) {
                return Some(if text.ends_with(WITH_STEPS) {
                    Self::InputsWithSteps(found)
                } else {
                    Self::Inputs(found)
                });
            }
            let (what, block) = text.strip_prefix(BLOCKS)?.split_once(", mean block ")?;
            let block = block.parse().ok()?;
            match what.strip_prefix(" over the steps of ") {
                None => what.is_empty().then_some(Self::Steps { block }),
                Some(inputs) => {
                    let inputs = inputs.split(' ').next()?.parse().ok()?;
                    Some(Self::StepsOf { inputs, block })
                }
            }
        };
        read()
            .filter(|method: &Self| method.to_string() == text)
            .ok_or(format!("{text:?} is not a method of an interval"))
    }
}

/// Why the bootstrap gives no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBootstrap {
    /// There are fewer than [`FEWEST_INPUTS`] inputs.
    FewInputs,
    /// There are fewer than eight steps.
    FewSteps,
    /// A figure of an input is NaN or infinite.
    InputNotFinite,
    /// A figure of a step is.
    StepNotFinite,
    /// A figure of a resample is.
    ResampleNotFinite,
}

crate::place::written_as_words!(NoBootstrap);

impl fmt::Display for NoBootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FewInputs => "fewer than five inputs",
            Self::FewSteps => "fewer than eight steps",
            Self::InputNotFinite => "a figure of an input is not a finite number",
            Self::StepNotFinite => "a figure of a step is not a finite number",
            Self::ResampleNotFinite => "a figure of a resample is not a finite number",
        })
    }
}

/// Quantile `p` of sorted values, linear between order statistics.
pub(super) fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let low = position.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_as_they_are_written() {
        let blocks =
            [IntervalMethod::StepsOf { inputs: 1, block: 3.5 }, IntervalMethod::StepsOf { inputs: 4, block: 1.0 }];
        let all = Ends::ALL
            .into_iter()
            .flat_map(|ends| [IntervalMethod::Inputs(ends), IntervalMethod::InputsWithSteps(ends)]);
        for method in all.chain(blocks).chain([IntervalMethod::Steps { block: 12.0 }]) {
            assert_eq!(IntervalMethod::try_from(String::from(method)), Ok(method));
        }
        for odd in [
            "",
            "BCa",
            "BCa bootstrap of inputs",
            "stationary block bootstrap",
            "stationary block bootstrap, mean block x",
        ] {
            assert!(IntervalMethod::try_from(odd.to_string()).is_err(), "{odd}");
        }
    }
}
