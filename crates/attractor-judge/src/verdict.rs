//! What a check came to, and of what it speaks.

use std::fmt;

use serde::{Deserialize, Serialize};

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

/// "L1H3", "L1" or "model".
pub fn place(layer: Option<usize>, head: Option<usize>) -> String {
    match (layer, head) {
        (Some(layer), Some(head)) => format!("L{layer}H{head}"),
        (Some(layer), None) => format!("L{layer}"),
        _ => "model".to_string(),
    }
}
