//! `attractor capture`: inputs through a checkpoint, attention onto disk.

use std::path::PathBuf;

use attractor_capture::Run;
use attractor_capture::run::budget::{self, Extent};
use attractor_capture::run::{Keep as RunKeep, RunOptions, RunWriter};
use attractor_data::files::Durability;
use attractor_nn::model::Keep;
use attractor_record::Precision;
use attractor_record::{Patterns, Selection};
use clap::Args;
use serde_json::json;

use crate::args::{Chosen, Common, Inputs, bytes};
use crate::console::{Progress, print};
use crate::error::Outcome;
use crate::inputs::Prepared;
use crate::target::Live;
use crate::{forward, inputs, target};
use attractor::Error;

#[derive(Debug, Args)]
pub struct Capture {
    /// A checkpoint
    #[arg(required_unless_present = "model")]
    pub target: Option<PathBuf>,
    /// The same, as an option
    #[arg(long, conflicts_with = "target")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: Inputs,
    /// The run, a folder
    #[arg(long, short)]
    pub output: PathBuf,
    /// stats | stats+qk | pattern | topk:K
    #[arg(long, default_value = "stats+qk")]
    pub keep: String,
    /// Precision of what is stored: f16 or f32
    #[arg(long, default_value = "f16")]
    pub dtype: String,
    #[command(flatten)]
    pub chosen: Chosen,
    /// Disk that the run may take, for example 4GiB
    #[arg(long)]
    pub max_bytes: Option<String>,
    /// Memory that one input may take, for example 2GiB
    #[arg(long)]
    pub max_memory: Option<String>,
    /// Go on with a run that was interrupted
    #[arg(long)]
    pub resume: bool,
    /// Survive loss of power too (fsync every input)
    #[arg(long)]
    pub durable: bool,
}

fn limit(text: Option<&str>, option: &str) -> Outcome<Option<u64>> {
    text.map(|text| bytes(text).map_err(|e| Error::usage(format!("{option}: {e}")))).transpose()
}

/// Refuses inputs that would exceed a budget before the model runs and before anything is written.
fn within_budget(live: &Live, prepared: &Prepared, selection: &Selection, options: &RunOptions) -> Outcome {
    let spec = live.checkpoint.config();
    let mut used = 0;
    for item in &prepared.items {
        let positions = item.tokens.len();
        let extents: Vec<Extent> = (0..spec.layers)
            .filter_map(|layer| {
                let heads = selection.heads(layer, spec.heads);
                let mut key_heads: Vec<usize> = heads.iter().map(|head| head / (spec.heads / spec.key_heads)).collect();
                key_heads.dedup();
                (!heads.is_empty()).then_some(Extent {
                    heads: heads.len(),
                    key_heads: key_heads.len(),
                    queries: positions,
                    keys: positions,
                    width: spec.head_dim,
                    value_width: spec.head_dim,
                    model_width: spec.hidden,
                })
            })
            .collect();
        used += budget::check(options, &extents, positions, used)?.disk;
        if used > options.disk_budget.unwrap_or(u64::MAX) {
            break;
        }
    }
    Ok(())
}

/// Runs the command.
pub fn run(capture: &Capture, common: &Common) -> Outcome {
    let path = capture.target.clone().or(capture.model.clone()).unwrap_or_default();
    let selection = capture.chosen.selection()?;
    let keep: RunKeep = capture.keep.parse()?;
    let dtype: Precision = capture.dtype.parse()?;
    let options = RunOptions {
        keep,
        dtype,
        selection: selection.clone(),
        layer_input: keep == RunKeep::StatsQk,
        durability: if capture.durable { Durability::Power } else { Durability::Process },
        disk_budget: limit(capture.max_bytes.as_deref(), "--max-bytes")?,
        memory_budget: limit(capture.max_memory.as_deref(), "--max-memory")?,
        seed: common.seed,
        ..RunOptions::default()
    };
    if target::is_run(&path) {
        return Err(Error::usage(format!("{}: is a run already; capture reads a checkpoint", path.display())));
    }
    let live = target::live(&path, capture.inputs.model_config.as_deref())?;
    selection.check(live.info.layers, live.info.heads)?;
    let prepared = inputs::prepare(&live, &capture.inputs, common)?;
    within_budget(&live, &prepared, &selection, &options)?;
    let mut writer = match capture.resume {
        true => {
            if Run::open(&capture.output)?.info() != &live.info {
                return Err(Error::usage(format!(
                    "{}: was captured from another model; name a new folder, or the model that it began with",
                    capture.output.display()
                )));
            }
            RunWriter::resume(&capture.output)?
        }
        false => RunWriter::create(&capture.output, &options, &live.info)?,
    };
    let progress = Progress::new(common.quiet);
    let total = prepared.items.len();
    let first = writer.committed();
    let selection = writer.options().selection.clone();
    let keep =
        Keep { values: writer.options().values, z: writer.options().outputs, input: writer.options().layer_input };
    for index in first..total {
        progress.step("capturing", index, total);
        writer.append(&forward::one(&live, &prepared, index, &selection, keep)?)?;
    }
    let used = writer.used();
    writer.finish()?;
    drop(progress);
    if common.json {
        let summary = json!({
            "run": capture.output, "inputs": total, "resumed_at": first, "bytes": used,
            "seed": common.seed, "source": prepared.source,
        });
        print(&format!("{summary}\n"));
    } else if !common.quiet {
        let size = budget::human(used);
        print(&format!("{total} inputs ({}) in {}: {size}\n", prepared.source, capture.output.display()));
        print(&format!("next: attractor validate {0}   attractor metrics {0}\n", capture.output.display()));
    }
    Ok(())
}
