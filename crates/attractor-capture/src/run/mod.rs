//! A run on disk.
//!
//! ```text
//! run/
//!   run.json                  what was captured and how
//!   .lock                     held by the writer
//!   capture.zarr/             Zarr v3; the root's attribute `committed_inputs` is the single commit point
//!     inputs/00003/           attributes: which input and step, tokens with roles, every layer's mask, scale, facts, arrays
//!       L5/                   the model's own layer number; encoder_L5/ where the model has several stacks
//!         q k [v z layer_input pattern]                 at the run's precision
//!         log_sum_exp                                    the model's own, f32
//!         stored_log_sum_exp                             of the stored q and k
//!         row_statistics row_keys key_statistics distance_statistics pooled link_ends link_weight row_top_*
//!   tables/heads.parquet      written when the run is finished
//! ```
//!
//! One shard is one entry (an input, or one step of it) x one layer x one array and is written exactly once, so no file is
//! ever changed, only added; the rewritten root makes an entry part of the run. Inputs may differ in length, and so may their
//! steps. [`schema`] says what the versions of this layout hold.

mod array;
pub mod budget;
mod migrate;
mod options;
mod parts;
mod reader;
pub mod schema;
mod shard;
mod statistics;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;

use attractor::retrieve::Mask;
use attractor_data::files;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use migrate::migrate;
pub use options::{Keep, RunOptions};
pub use reader::Run;
pub use schema::SCHEMA_VERSION;
pub use writer::{Appending, RunWriter};

use attractor::{Error, Result};
use attractor_record::Observations;
use attractor_record::file;
use attractor_record::{Facts, ModelInfo, Origin, Stack, Step, Token};
use schema::{EARLIEST, Refusal};

const FORMAT: &str = "attractor-run";
const MANIFEST: &str = "run.json";
const STORE: &str = "capture.zarr";

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// "attractor-run".
    pub format: String,
    /// Version of the layout: [`SCHEMA_VERSION`] of the writer.
    pub version: u32,
    /// When the run was begun, UTC, RFC 3339.
    pub created: String,
    /// What was captured; its `weights_hash` is the provenance of the weights.
    pub model: ModelInfo,
    /// How: precision, keep, layers and heads, seed, tool and version.
    pub options: RunOptions,
    /// SHA-256 over the tokens of all inputs; set when the run is finished.
    pub tokens_hash: Option<String>,
    /// Number of inputs; set when the run is finished.
    pub inputs: Option<usize>,
}

/// The attributes of the root group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Commit {
    committed_inputs: usize,
    tokens_hash: String,
}

/// The attributes of an input's group, or of a step's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct InputEntry {
    index: usize,
    /// Which input it is; entries of the same input are its steps. Version 1 does not say, and the reader finds it out.
    input: Option<usize>,
    /// The number that a step-by-step capture gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<u64>,
    /// The block that the step worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block: Option<u64>,
    tokens: Vec<Token>,
    prompt_length: Option<usize>,
    grid: Option<(usize, usize)>,
    layers: Vec<LayerEntry>,
}

impl InputEntry {
    fn origin(&self) -> Origin {
        let step = self.step.map(|number| Step { number, block: self.block });
        Origin { input: self.input.unwrap_or(self.index), step }
    }
}

/// What is not an array of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LayerEntry {
    #[serde(default, skip_serializing_if = "Stack::is_only")]
    stack: Stack,
    layer: usize,
    /// The kept query heads, by the model's numbers: the order of every `head` axis.
    heads: Vec<usize>,
    model_heads: usize,
    key_heads: usize,
    /// The kept key heads: the order of every `key_head` axis.
    kept_key_heads: Vec<usize>,
    queries: usize,
    keys: usize,
    /// `None` for imports.
    beta: Option<f32>,
    mask: Mask,
    soft_cap: Option<f32>,
    /// One a kept head.
    alibi: Vec<f32>,
    /// One a kept head.
    sinks: Vec<f32>,
    facts: StoredFacts,
    /// Arrays kept at f32 although f16 was asked, and why.
    promoted: BTreeMap<String, String>,
    statistics: statistics::StatisticsEntry,
    arrays: BTreeMap<String, array::ArrayEntry>,
    observations: Option<Observations>,
}

/// [`Facts`] in JSON, which has no NaN.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct StoredFacts {
    output_error: Option<Value>,
    projection_error: Option<Value>,
    output_scale: Option<Value>,
    evaluation_mode: Option<bool>,
}

impl From<&Facts> for StoredFacts {
    fn from(facts: &Facts) -> Self {
        let number = |x: Option<f64>| x.map(|x| if x.is_finite() { json!(x) } else { json!(x.to_string()) });
        Self {
            output_error: number(facts.output_error),
            projection_error: number(facts.projection_error),
            output_scale: number(facts.output_scale),
            evaluation_mode: facts.evaluation_mode,
        }
    }
}

impl From<&StoredFacts> for Facts {
    fn from(stored: &StoredFacts) -> Self {
        let number = |x: &Option<Value>| {
            let x = x.as_ref()?;
            Some(x.as_f64().or_else(|| x.as_str()?.parse().ok()).unwrap_or(f64::NAN))
        };
        Self {
            output_error: number(&stored.output_error),
            projection_error: number(&stored.projection_error),
            output_scale: number(&stored.output_scale),
            evaluation_mode: stored.evaluation_mode,
        }
    }
}

fn input_group(input: usize) -> String {
    format!("inputs/{input:05}")
}

fn layer_group(input: usize, stack: Stack, layer: usize) -> String {
    match stack {
        Stack::Only => format!("inputs/{input:05}/L{layer}"),
        stack => format!("inputs/{input:05}/{stack}_L{layer}"),
    }
}

/// A group's `zarr.json`.
fn group(attributes: &impl Serialize) -> Result<Vec<u8>> {
    let attributes =
        serde_json::to_value(attributes).map_err(|error| Error::usage(error.to_string()).because(error))?;
    let group = json!({ "zarr_format": 3, "node_type": "group", "attributes": attributes });
    serde_json::to_vec(&group).map_err(|error| Error::usage(error.to_string()).because(error))
}

/// The attributes of the group whose `zarr.json` is at `path`, in a run of `version`.
fn read_group<T: Serialize + DeserializeOwned>(path: &Path, version: u32) -> Result<T> {
    let bytes = read_file(path)?;
    let damaged =
        |error: &dyn std::fmt::Display| Error::format(format!("{}: {error}; the run is damaged here", path.display()));
    let mut group: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| damaged(&error).because(error))?;
    let attributes = group.remove("attributes").ok_or_else(|| damaged(&"no attributes"))?;
    schema::read(attributes, version).map_err(|refusal| match refusal {
        Refusal::Damaged(error) => damaged(&error).because(error),
        Refusal::Unknown(what) => Error::unsupported(format!("{}: {what}", path.display())),
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    match path.exists() {
        true => file::read(path, "a part of the run", u64::MAX),
        false => Err(Error::format(format!("{}: the file is missing; the run is damaged", path.display()))),
    }
}

/// Reads `run.json` of the folder `root`.
fn read_manifest(root: &Path) -> Result<Manifest> {
    let path = root.join(MANIFEST);
    if !path.is_file() {
        let what = if root.is_dir() { "it holds no run.json" } else { "there is no such folder" };
        return Err(Error::format(format!("{}: not a run: {what}; a run is what a capture writes", root.display())));
    }
    let broken = |error: &dyn std::fmt::Display| Error::format(format!("{}: {error}", path.display()));
    let value: Value = serde_json::from_slice(&read_file(&path)?).map_err(|error| broken(&error).because(error))?;
    if value["format"] != FORMAT {
        return Err(broken(&format!("format is {}, expected {FORMAT:?}: another program's file", value["format"])));
    }
    let readable = |version: u64| (u64::from(EARLIEST)..=u64::from(SCHEMA_VERSION)).contains(&version);
    let Some(version) = value["version"].as_u64().filter(|&version| readable(version)) else {
        return Err(broken(&format!(
            "schema version {}, this program reads versions {EARLIEST} to {SCHEMA_VERSION}; use the program that wrote it",
            value["version"]
        )));
    };
    schema::read(value, version as u32).map_err(|refusal| match refusal {
        Refusal::Damaged(error) => broken(&error).because(error),
        Refusal::Unknown(what) => Error::unsupported(format!("{}: {what}", path.display())),
    })
}

/// Now, UTC, RFC 3339, by the civil calendar (Howard Hinnant's days_from_civil, inverted).
fn now() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}
