//! `attractor info`: what a checkpoint or a run is.

use std::path::PathBuf;

use attractor_render::terminal;
use attractor_session::info::{self, Options};
use clap::Args;

use crate::args::Common;
use crate::console::{json, print, work};
use crate::error::Outcome;

#[derive(Debug, Args)]
pub struct Info {
    /// A checkpoint or a run
    pub target: PathBuf,
    /// The config.json for a checkpoint that is a single weight file
    #[arg(long)]
    pub model_config: Option<PathBuf>,
    /// Also read and check every array of a run
    #[arg(long)]
    pub verify: bool,
}

/// Runs the command.
pub fn run(args: &Info, common: &Common) -> Outcome {
    let Info { target, model_config, verify } = args;
    let options = Options { model_config: model_config.clone(), verify: *verify, ..Options::new(target) };
    let found = work(common, |context| info::run(&options, context))?;
    print(&match common.json {
        true => format!("{}\n", json(&found)),
        false => terminal::tree(&found),
    });
    Ok(())
}
