//! What can be seen of foreign maps only while they are read, and at which precision numbers lie in files.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use attractor::{Error, Result};

/// Precision at which numbers lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// IEEE half precision; arrays that exceed 65504 are kept as f32, and the run says so.
    #[default]
    F16,
    /// bfloat16; found in imports, never written.
    Bf16,
    /// 32 bits.
    F32,
    /// 64 bits; found in imports, never written.
    F64,
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "f16" => Ok(Self::F16),
            "f32" => Ok(Self::F32),
            _ => Err(Error::option("dtype", text, "expected f16 or f32")),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

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
    /// Full, as cross attention is.
    CrossAttention,
    /// Full, though some layers of the stack, fewer than half, have nothing above the diagonal.
    InferredMixed,
    /// Causal, as other layers of the stack show, though this one breaks it.
    InferredFromLayers,
    /// Causal, as inferred, though no query of this layer sees its own position, as those of the other layers do.
    InferredBehind,
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
