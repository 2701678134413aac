//! What ablations may cost: a budget counted in passes, so that what is run is a function of the model and the inputs and
//! never of the machine.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use attractor_record::evidence::Scope;

use crate::checkpoint::spec::Spec;
use crate::loss::Case;
use crate::model::Model;
use attractor::{Error, Result};

/// Multiplications and additions of ablations by default: three to four minutes on two cores with AVX-512.
const WORK: f64 = 4e13;

/// How much the ablations may cost. A pass is the longest input through every layer, and its predictions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Budget {
    /// As many passes as make 4e13 operations.
    #[default]
    Default,
    /// So many passes. The whole model is ablated whatever they are.
    Passes(u64),
    /// As many passes as this time takes here, by one that is timed.
    Time(Duration),
    /// Everything.
    Unlimited,
}

impl FromStr for Budget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let why = "expected a number of passes, a time such as 90s, 3m or 1h, or none";
            Error::option("budget", text, why)
        };
        if text == "none" {
            return Ok(Self::Unlimited);
        }
        if let Ok(passes) = text.parse() {
            return Ok(Self::Passes(passes));
        }
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let seconds = match unit {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            _ => return Err(wrong()),
        };
        let count: f64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        Duration::try_from_secs_f64(count * seconds).map(Self::Time).map_err(|_| wrong())
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Passes(passes) => write!(f, "{passes}"),
            Self::Time(time) => write!(f, "{}s", time.as_secs_f64()),
            Self::Unlimited => f.write_str("none"),
        }
    }
}

impl Budget {
    /// The number of passes; `None`: no limit.
    ///
    /// # Errors
    /// What the timed pass answers.
    pub(super) fn passes(self, model: &Model, cases: &[Case], costs: &Costs) -> Result<Option<u64>> {
        Ok(match self {
            Self::Unlimited => None,
            Self::Passes(passes) => Some(passes),
            Self::Default => Some((WORK / costs.pass) as u64),
            Self::Time(time) => {
                let longest = cases.iter().max_by_key(|case| case.input.positions(model.spec()));
                let Some(case) = longest else { return Ok(None) };
                // The first pass warms caches and workers.
                case.loss(model)?;
                let start = Instant::now();
                case.loss(model)?;
                let pass = start.elapsed().as_secs_f64() * costs.pass / costs.of_case(case, 0);
                Some((time.as_secs_f64() / pass.max(1e-6)) as u64)
            }
        })
    }
}

/// Operations of what is run.
#[derive(Debug, Clone)]
pub(super) struct Costs {
    spec: Spec,
    /// Of the longest input through everything.
    pub(super) pass: f64,
}

impl Costs {
    pub(super) fn of(spec: &Spec, cases: &[Case]) -> Self {
        let mut costs = Self { spec: spec.clone(), pass: 1.0 };
        costs.pass = cases.iter().map(|case| costs.of_case(case, 0)).fold(1.0, f64::max);
        costs
    }

    /// Operations of an input from layer `layer` on.
    fn of_case(&self, case: &Case, layer: usize) -> f64 {
        let spec = &self.spec;
        let n = case.input.positions(spec) as f64;
        let (d, inner) = (spec.hidden as f64, spec.intermediate as f64);
        let (q, k) = ((spec.heads * spec.head_dim) as f64, (spec.key_heads * spec.head_dim) as f64);
        let matrices = 2.0 * d * q + 2.0 * d * k + if spec.gated { 3.0 } else { 2.0 } * d * inner;
        let of_layer = 2.0 * n * matrices + 4.0 * n * n * q;
        let of_logits = 2.0 * case.predictions() as f64 * d * spec.vocab as f64;
        (spec.layers - layer) as f64 * of_layer + of_logits
    }

    /// Passes that an ablation of one input takes.
    pub(super) fn passes(&self, case: &Case, scope: Scope) -> f64 {
        self.of_case(case, start(scope)) / self.pass
    }
}

/// The layer that an ablation starts from.
pub(super) fn start(scope: Scope) -> usize {
    match scope {
        Scope::Whole => 0,
        Scope::Layer { layer } | Scope::Head { layer, .. } => layer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_numbers_times_or_none() {
        let read = |text: &str| text.parse::<Budget>();
        assert_eq!(read("600").unwrap(), Budget::Passes(600));
        assert_eq!(read("0").unwrap(), Budget::Passes(0));
        assert_eq!(read("none").unwrap(), Budget::Unlimited);
        assert_eq!(read("90s").unwrap(), Budget::Time(Duration::from_secs(90)));
        assert_eq!(read("1.5m").unwrap(), Budget::Time(Duration::from_secs(90)));
        assert_eq!(read("1h").unwrap(), Budget::Time(Duration::from_secs(3600)));
        for wrong in ["", "m", "-3m", "3 minutes", "-5", "infm", "1e400s"] {
            let error = read(wrong).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains("90s, 3m or 1h"), "{wrong}: {error}");
        }
    }
}
