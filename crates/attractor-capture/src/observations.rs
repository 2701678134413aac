//! What can be seen of foreign maps only while they are read.

use serde::{Deserialize, Serialize};

use crate::run::Precision;

/// Where a mask comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskOrigin {
    /// The caller said so.
    Given,
    /// Every weight above the diagonal is exactly zero, in every head and input of the layer.
    InferredCausal,
    /// Some weight above the diagonal is not zero.
    InferredFull,
}

/// What was seen of one layer of one input when it was imported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observations {
    /// Precision in the file.
    pub source: Precision,
    /// Where the mask comes from.
    pub mask: MaskOrigin,
    /// Share of exact zeros among the weights that the mask allows; high where dropout struck.
    pub zeros: f64,
    /// Smallest row sum; NaN (absent) if no row is finite.
    pub lowest_sum: Option<f64>,
    /// Largest row sum.
    pub highest_sum: Option<f64>,
    /// Number of weights that are NaN or infinite.
    pub non_finite: u64,
}
