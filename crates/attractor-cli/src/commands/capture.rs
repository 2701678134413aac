//! `attractor capture`: inputs through a checkpoint, attention onto disk.

use std::path::PathBuf;

use attractor_session::capture::{self, Options, human};
use attractor_session::numerals::bytes;
use clap::Args;

use crate::args::{Chosen, Common, Inputs, same};
use crate::console::{answer, counted, work};
use crate::error::Outcome;

#[derive(Debug, Args)]
pub struct Capture {
    /// A checkpoint
    #[arg(required_unless_present = "model")]
    pub target: Option<PathBuf>,
    /// Alias for TARGET
    #[arg(long, conflicts_with = "target", hide = true)]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub inputs: Inputs,
    /// The run, a folder
    #[arg(long, short, value_name = "FOLDER")]
    pub output: PathBuf,
    /// What to keep: stats, stats+qk (queries and keys), pattern (maps) or topk:K
    #[arg(long, default_value = "stats+qk")]
    pub keep: String,
    /// Precision of what is stored: f16 or f32
    #[arg(long, default_value = "f16")]
    pub dtype: String,
    #[command(flatten)]
    pub chosen: Chosen,
    /// Limit on the disk space of the run, for example 4GiB
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub max_bytes: Option<u64>,
    /// Limit on the memory per input, for example 2GiB
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub max_memory: Option<u64>,
    /// Resume an interrupted run
    #[arg(long)]
    pub resume: bool,
    /// Survive a power failure too (fsync after every input)
    #[arg(long)]
    pub durable: bool,
}

/// Runs the command.
pub fn run(args: &Capture, common: &Common) -> Outcome {
    let options = same!(args => Options { output, max_bytes, max_memory, resume, durable },
        target: args.target.clone().or(args.model.clone()).unwrap_or_default(),
        inputs: args.inputs.given(),
        keep: args.keep.parse()?,
        dtype: args.dtype.parse()?,
        selection: args.chosen.selection()?,
        overwrite: common.overwrite
    );
    let done = work(common, |context| capture::run(&options, context))?;
    answer(common, &done, || {
        let (size, run) = (human(done.bytes), done.run.display());
        let inputs = counted(done.inputs, "input");
        let next = format!("next: attractor validate {run}   attractor metrics {run}");
        format!("{inputs} ({}) in {run}: {size}\n{next}\n", done.source)
    });
    Ok(())
}
