//! A check as it is reported: its figures, its verdict, and everything needed to doubt it, in words.

use std::fmt;

use attractor_record::Stack;
use serde::{Deserialize, Serialize};

use crate::finding::{NoInterval, Worded};
use crate::id::CheckId;
use crate::statistics::Interval;
use crate::verdict::{Mark, Verdict, place};

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

    /// A finding in words; the stack is known to the report alone.
    pub(crate) fn of(finding: &dyn Worded, stack: Option<Stack>) -> Self {
        let m = finding.measured();
        Self {
            id: m.id,
            group: m.id.group().number(),
            stack,
            layer: m.place.layer,
            head: m.place.head,
            value: m.value,
            null: m.null,
            effect: m.effect,
            interval: m.interval.clone(),
            no_interval: m.no_interval.as_ref().map(NoInterval::to_string),
            threshold: m.threshold,
            threshold_source: m.threshold_source.clone(),
            judged: m.judged,
            verdict: finding.verdict(),
            why: finding.why(),
        }
    }
}

fn yes() -> bool {
    true
}

/// A check's answer in a line; in JSON "norm.rows: ...".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Said {
    /// Which check.
    pub id: CheckId,
    /// Its answer in words.
    pub why: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.why)
    }
}

impl From<Said> for String {
    fn from(said: Said) -> Self {
        said.to_string()
    }
}

impl TryFrom<String> for Said {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let of = |(id, why): (&str, &str)| {
            let id = CheckId::ALL.iter().copied().find(|known| known.as_str() == id)?;
            Some(Self { id, why: why.to_string() })
        };
        text.split_once(": ").and_then(of).ok_or_else(|| format!("{text:?} does not begin with the id of a check"))
    }
}
