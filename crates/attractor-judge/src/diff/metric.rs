//! What two sources are compared by, and conditions on the differences: "induction<-0.1".

use std::fmt;

use serde::Serialize;

use attractor::{Error, Result};

/// A figure of a head that is compared; [`Metric::Loss`] is one of the whole model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The score of the detector of this name, as of the four that follow: mean mass on the previous position.
    Previous,
    /// Mean mass on the successors of earlier occurrences of the token, over the rows that have one.
    Induction,
    /// Mean mass on other occurrences of the token, over the rows that have one.
    Duplicate,
    /// Mean mass on position 0, over the rows behind it.
    First,
    /// Mean attention to the position that receives most over all inputs, each side its own.
    Sink,
    /// Mean of H / ln n over the rows that see two keys.
    Entropy,
    /// Mean of exp(H) over the rows that see two keys, keys.
    EffectiveKeys,
    /// sum A |p - j| / sum A, tokens.
    Distance,
    /// Mean Jensen-Shannon divergence between the rows of the two maps, in units of ln 2: 0 equal, 1 disjoint.
    Divergence,
    /// Mean loss of the model, nats.
    Loss,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Previous,
        Self::Induction,
        Self::Duplicate,
        Self::First,
        Self::Sink,
        Self::Entropy,
        Self::EffectiveKeys,
        Self::Distance,
        Self::Divergence,
        Self::Loss,
    ];

    /// Its name in conditions, tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Induction => "induction",
            Self::Duplicate => "duplicate",
            Self::First => "first",
            Self::Sink => "sink",
            Self::Entropy => "entropy",
            Self::EffectiveKeys => "effective_keys",
            Self::Distance => "distance",
            Self::Divergence => "divergence",
            Self::Loss => "loss",
        }
    }

    /// The least and the largest that it can be.
    pub fn range(self) -> (f64, f64) {
        match self {
            Self::EffectiveKeys => (1.0, f64::INFINITY),
            Self::Distance | Self::Loss => (0.0, f64::INFINITY),
            _ => (0.0, 1.0),
        }
    }

    /// Its unit.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Previous | Self::Induction | Self::Duplicate | Self::First | Self::Sink => "mass",
            Self::Entropy => "of ln n",
            Self::EffectiveKeys => "keys",
            Self::Distance => "tokens",
            Self::Divergence => "of ln 2",
            Self::Loss => "nats",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A bound that no head's B - A may cross: `METRIC<NUMBER` or `METRIC>NUMBER`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Condition {
    /// As it was written.
    pub text: String,
    /// What is looked at.
    pub metric: Metric,
    /// True: differences below the bound count; false: above.
    pub below: bool,
    /// The bound.
    pub bound: f64,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// `is_usage`, with the grammar and the known metrics.
    pub fn parse(text: &str) -> Result<Self> {
        let known = || Metric::ALL.map(Metric::name).join(", ");
        let wrong = |what: String| {
            let why = format!(
                "{what}; write METRIC<NUMBER or METRIC>NUMBER, for example \"induction<-0.1\"; the metrics are {}",
                known()
            );
            Err(Error::option("fail_on", format!("{text:?}"), why))
        };
        let Some(at) = text.find(['<', '>']) else { return wrong("there is no < or >".into()) };
        let (name, rest) = (text[..at].trim(), text[at + 1..].trim());
        let name = name.replace('-', "_");
        let Some(metric) = Metric::ALL.into_iter().find(|metric| metric.name() == name) else {
            return wrong(format!("{name:?} is not a metric"));
        };
        match rest.parse::<f64>() {
            Ok(bound) if bound.is_finite() => {
                Ok(Self { text: text.to_string(), metric, below: text[at..].starts_with('<'), bound })
            }
            _ => wrong(format!("{rest:?} is not a number")),
        }
    }

    /// True if some B could cross the bound where A has `a`.
    pub fn is_reachable(&self, a: f64) -> bool {
        let (least, most) = self.metric.range();
        self.is_met(if self.below { least - a } else { most - a })
    }

    /// True if a difference crosses the bound.
    pub fn is_met(&self, difference: f64) -> bool {
        if self.below { difference < self.bound } else { difference > self.bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let condition = Condition::parse(" induction < -0.1 ").unwrap();
        assert_eq!((condition.metric, condition.below, condition.bound), (Metric::Induction, true, -0.1));
        assert!(condition.is_met(-0.11) && !condition.is_met(-0.1) && !condition.is_met(f64::NAN));
        let condition = Condition::parse("effective-keys>1e1").unwrap();
        assert_eq!((condition.metric, condition.below, condition.bound), (Metric::EffectiveKeys, false, 10.0));
        assert!(condition.is_met(10.5) && !condition.is_met(10.0));
    }

    #[test]
    fn invalid_conditions_are_refused_with_the_grammar() {
        for (text, why) in [
            ("induction", "no < or >"),
            ("induction=1", "no < or >"),
            ("inducton<1", "\"inducton\" is not a metric"),
            ("<1", "\"\" is not a metric"),
            ("induction<=1", "\"=1\" is not a number"),
            ("induction<", "\"\" is not a number"),
            ("induction<nan", "\"nan\" is not a number"),
            ("induction<inf", "\"inf\" is not a number"),
            ("induction<0.1<0.2", "is not a number"),
            ("", "no < or >"),
        ] {
            let error = Condition::parse(text).unwrap_err();
            let message = error.to_string();
            assert!(error.is_usage() && message.contains(why), "{text}: {message}");
            assert!(message.contains("METRIC<NUMBER") && message.contains("effective_keys"), "{message}");
        }
    }
}
