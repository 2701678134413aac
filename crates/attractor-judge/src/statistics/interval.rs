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
    /// How it was found: "BCa bootstrap", "percentile bootstrap" or "no spread"; with steps, what was drawn together.
    pub method: String,
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
