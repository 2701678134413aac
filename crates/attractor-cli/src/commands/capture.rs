//! `attractor capture`: inputs through a checkpoint, attention onto disk.

use std::path::PathBuf;

use attractor_session::Error;
use attractor_session::capture::{self, Options, human};
use clap::Args;

use crate::args::{Chosen, Common, Inputs, bytes};
use crate::console::{json, print, work};
use crate::error::Outcome;

#[derive(Debug, Args)]
pub struct Capture {
    /// A checkpoint
    #[arg(required_unless_present = "model")]
    pub target: Option<PathBuf>,
    /// Alias for TARGET
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

/// Runs the command.
pub fn run(args: &Capture, common: &Common) -> Outcome {
    let options = Options {
        target: args.target.clone().or(args.model.clone()).unwrap_or_default(),
        inputs: args.inputs.given(),
        output: args.output.clone(),
        keep: args.keep.parse()?,
        dtype: args.dtype.parse()?,
        selection: args.chosen.selection()?,
        max_bytes: limit(args.max_bytes.as_deref(), "--max-bytes")?,
        max_memory: limit(args.max_memory.as_deref(), "--max-memory")?,
        resume: args.resume,
        durable: args.durable,
    };
    let done = work(common, |context| capture::run(&options, context))?;
    if common.json {
        print(&format!("{}\n", json(&done)));
    } else if !common.quiet {
        let (size, run) = (human(done.bytes), done.run.display());
        print(&format!("{} inputs ({}) in {run}: {size}\n", done.inputs, done.source));
        print(&format!("next: attractor validate {run}   attractor metrics {run}\n"));
    }
    Ok(())
}
