//! `attractor info`: what a checkpoint or a run is.

use std::path::PathBuf;

use attractor_render::terminal;
use attractor_session::info::{self, Options};
use clap::Args;

use crate::args::{Common, Weights};
use crate::console::{json, print, work};
use crate::error::Outcome;

#[derive(Debug, Args)]
pub struct Info {
    /// A checkpoint, a run, or demo for the embedded model
    pub target: PathBuf,
    #[command(flatten)]
    pub weights: Weights,
    /// Also read and check every array of a run
    #[arg(long)]
    pub verify: bool,
}

/// Runs the command.
pub fn run(args: &Info, common: &Common) -> Outcome {
    let options = Options { inputs: args.weights.given(), verify: args.verify, ..Options::new(&args.target) };
    let found = work(common, |context| info::run(&options, context))?;
    print(&match common.json {
        true => format!("{}\n", json(&found)),
        false => terminal::tree(&found),
    });
    Ok(())
}
