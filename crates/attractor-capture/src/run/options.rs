//! What a run keeps, how precisely, and what it may cost.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use attractor::{Error, Result};
use attractor_data::files::Durability;
use attractor_record::{Precision, Selection};

/// What is kept of every layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Keep {
    /// Row statistics only: O(N) per head.
    Stats,
    /// Statistics, queries and keys: any tile of any map can be recomputed.
    #[default]
    StatsQk,
    /// Statistics and the map itself: O(N^2) per head.
    Pattern,
    /// Statistics and the k strongest keys of every row.
    TopK(usize),
}

impl FromStr for Keep {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "stats" => Ok(Self::Stats),
            "stats+qk" | "qk" => Ok(Self::StatsQk),
            "pattern" => Ok(Self::Pattern),
            _ => match text.strip_prefix("topk:").map(str::parse) {
                Some(Ok(k)) if (1..=4096).contains(&k) => Ok(Self::TopK(k)),
                _ => Err(Error::option("keep", text, "expected stats, stats+qk, pattern or topk:K (K from 1 to 4096)")),
            },
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stats => f.write_str("stats"),
            Self::StatsQk => f.write_str("stats+qk"),
            Self::Pattern => f.write_str("pattern"),
            Self::TopK(k) => write!(f, "topk:{k}"),
        }
    }
}

impl TryFrom<String> for Keep {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Keep> for String {
    fn from(keep: Keep) -> Self {
        keep.to_string()
    }
}

/// How a run is written. Kept in `run.json`, so that a resumed run goes on as it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOptions {
    /// What is kept of every layer.
    pub keep: Keep,
    /// Precision of queries, keys, values, outputs and maps; statistics are always f32 and f64.
    pub dtype: Precision,
    /// Which layers and heads.
    pub selection: Selection,
    /// Keep V too (with stats+qk).
    pub values: bool,
    /// Keep z = A.V too (with stats+qk).
    pub outputs: bool,
    /// Keep the layer's normalised input to attention (with stats+qk).
    pub layer_input: bool,
    /// What a finished append survives.
    pub durability: Durability,
    /// Bytes that the run's files may take; `None`: no limit.
    pub disk_budget: Option<u64>,
    /// Bytes that an input may take in memory while it is written; `None`: no limit.
    pub memory_budget: Option<u64>,
    /// Seed of whatever was random in the capture.
    pub seed: u64,
    /// The program that captures, with its version.
    pub tool: String,
    /// Names of the classes of `class_mass`, where statistics come with the record; descriptive.
    pub classes: Vec<String>,
    /// Lags of `divergence`, where statistics come with the record; descriptive.
    pub lags: Vec<usize>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            keep: Keep::default(),
            dtype: Precision::default(),
            selection: Selection::all(),
            values: false,
            outputs: false,
            layer_input: false,
            durability: Durability::default(),
            disk_budget: None,
            memory_budget: None,
            seed: 0,
            tool: concat!("attractor ", env!("CARGO_PKG_VERSION")).to_string(),
            classes: vec!["special".to_string(), "punctuation".to_string()],
            lags: attractor::retrieve::Request::LAGS.to_vec(),
        }
    }
}

impl RunOptions {
    /// Checks the options against the model.
    ///
    /// # Errors
    /// `is_usage` for a layer or head that the model lacks, or a dtype that is never written.
    pub fn check(&self, layers: usize, heads: usize) -> Result<()> {
        if !matches!(self.dtype, Precision::F16 | Precision::F32) {
            return Err(Error::option("dtype", self.dtype, "runs are written in f16 or f32"));
        }
        self.selection.check(layers, heads)
    }
}
