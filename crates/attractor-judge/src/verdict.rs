//! A check, its verdict and everything needed to doubt it.

use std::fmt;

use attractor_record::Stack;
use serde::{Deserialize, Serialize};

use crate::id::CheckId;
use crate::statistics::Interval;

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The property that the check is named for is there.
    Pass,
    /// It is not, or it could not be told apart from the null; worth a look, not a failure.
    Warn,
    /// It is not, and that fails the whole.
    Fail,
    /// Not testable; `why` says why.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        })
    }
}

/// How a check shows: as its verdict, or as a figure that nothing hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It was judged, or could not be tested.
    Verdict(Verdict),
    /// It was measured and is only told.
    Reported,
}

impl From<Verdict> for Mark {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => verdict.fmt(f),
            Self::Reported => f.write_str("reported"),
        }
    }
}

/// One question put to the attention, and its answer.
///
/// Without `layer` the check speaks of the whole model, without `head` of a layer. `pass` means that the property that
/// `id` names is there: a head that fails to be an induction head is a `warn` of `head.induction`, not a fault. Only
/// judged checks of the whole model are counted in the summary; in groups 2 to 9 only they are raised to `fail` by a thresholds
/// file, while in group 1 every wrong head and layer fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Which question; in JSON its stable name: `norm.rows`, `pos.local`, `abl.uniform`...
    pub id: CheckId,
    /// 1 to 9.
    pub group: u8,
    /// The stack that is judged, where the model has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<Stack>,
    /// The model's own layer number.
    pub layer: Option<usize>,
    /// The model's own head number.
    pub head: Option<usize>,
    /// The figure.
    pub value: Option<f64>,
    /// What the figure would be if there were nothing.
    pub null: Option<f64>,
    /// How far it is from nothing; `why` says in which unit where it is not the difference of value and null.
    pub effect: Option<f64>,
    /// Interval of the value over inputs; null with fewer than five of them.
    pub interval: Option<Interval>,
    /// Why a check with a value has no interval.
    #[serde(default)]
    pub no_interval: Option<String>,
    /// What the value is compared with.
    pub threshold: Option<f64>,
    /// Where the threshold comes from.
    pub threshold_source: String,
    /// False for a figure that is there to be read: its verdict is `pass` whatever it is, and no summary counts it.
    #[serde(default = "yes")]
    pub judged: bool,
    /// The answer.
    pub verdict: Verdict,
    /// The answer in words.
    pub why: String,
}

impl Check {
    /// How it shows.
    pub fn mark(&self) -> Mark {
        match self.judged || self.verdict == Verdict::Skipped {
            true => Mark::Verdict(self.verdict),
            false => Mark::Reported,
        }
    }

    /// True if the check speaks of the whole model.
    pub fn is_of_model(&self) -> bool {
        self.layer.is_none() && self.head.is_none()
    }

    /// "L1H3", "L1" or "model".
    pub fn place(&self) -> String {
        place(self.layer, self.head)
    }
}

fn yes() -> bool {
    true
}

/// "L1H3", "L1" or "model".
pub fn place(layer: Option<usize>, head: Option<usize>) -> String {
    match (layer, head) {
        (Some(layer), Some(head)) => format!("L{layer}H{head}"),
        (Some(layer), None) => format!("L{layer}"),
        _ => "model".to_string(),
    }
}
