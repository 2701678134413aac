//! The command line: its commands, and the way to each.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Command as Built, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::args::Common;
use crate::commands;
use crate::commands::capture::Capture;
use crate::commands::convert::Convert;
use crate::commands::demo::Demo;
use crate::commands::diff::DiffArgs;
use crate::commands::export::Export;
use crate::commands::heads::Heads;
use crate::commands::info::Info;
use crate::commands::memory::{self, Memory, anneal::Anneal};
use crate::commands::metrics::Metrics;
use crate::commands::rbm::generate::Generate;
use crate::commands::report::ReportArgs;
use crate::commands::rollout::Rollout;
use crate::commands::train::Train;
use crate::commands::validate::Validate;
use crate::error::Outcome;

/// Shows, tests and trains the memory inside neural networks.
#[derive(Debug, Parser)]
#[command(name = "attractor", version, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// `validate` and `report` on a bundled model and text: verdicts, and report.html; works offline
    Demo(Demo),
    /// Nine groups of checks on the attention of a checkpoint or a run
    Validate(Validate),
    /// Run inputs through a checkpoint and store its attention as a run
    Capture(Capture),
    /// Describe a checkpoint or a run
    Info(Info),
    /// A table of metrics, one line per head
    Metrics(Metrics),
    /// Classify heads (previous-token, first-token, duplicate-token, induction...), each with its null, confidence interval and p-value
    Heads(Heads),
    /// Attention rollout or flow: how much each input token contributes to a position's final state
    Rollout(Rollout),
    /// Two checkpoints or two runs on the same tokens: what changed, head by head
    Diff(DiffArgs),
    /// Import attention maps (NPZ, NPY, safetensors, JSON; docs/maps.md) as a run with its certificate, or migrate an older run
    Convert(Convert),
    /// The verdicts as one self-contained HTML page, or in a machine-readable format
    Report(ReportArgs),
    /// Maps for other programs: pictures (SVG, PNG, PDF) and numbers (NPZ, safetensors, CSV)
    Export(Export),
    /// Associative memories: what they store and recall
    #[command(subcommand)]
    Memory(Memory),
    /// The maximum cut of a graph, by simulated annealing: `memory anneal` by the name of its problem
    Maxcut(Box<Anneal>),
    /// Train a model
    #[command(subcommand)]
    Train(Train),
    /// Sample from a trained model
    #[command(subcommand)]
    Generate(Generate),
}

/// Every option takes numbers below zero: where they make no sense, what reads them says so. Every command names the program
/// as its version's.
fn numbered(command: Built) -> Built {
    let number = |option: clap::Arg| match option.get_action().takes_values() {
        true => option.allow_negative_numbers(true),
        false => option,
    };
    command.display_name("attractor").mut_args(number).mut_subcommands(numbered)
}

impl Cli {
    /// Reads the words of a command line.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = numbered(Self::command());
        let mut found = command.try_get_matches_from_mut(words)?;
        let mut innermost = &found;
        while let Some((_, inner)) = innermost.subcommand() {
            innermost = inner;
        }
        let on_line = |id: &&clap::Id| innermost.value_source(id.as_str()) == Some(ValueSource::CommandLine);
        let given = innermost.ids().filter(on_line).map(ToString::to_string).collect();
        let mut cli = Self::from_arg_matches_mut(&mut found).map_err(|error| error.format(&mut command))?;
        cli.common.given = given;
        Ok(cli)
    }

    /// Runs the command. `Ok(false)`: it ran, and checks failed.
    pub fn run(&self) -> Outcome<bool> {
        let common = &self.common;
        match &self.command {
            Command::Demo(demo) => commands::demo::run(demo, common),
            Command::Validate(validate) => commands::validate::run(validate, common),
            Command::Capture(capture) => commands::capture::run(capture, common).map(|()| true),
            Command::Info(info) => commands::info::run(info, common).map(|()| true),
            Command::Metrics(metrics) => commands::metrics::run(metrics, common).map(|()| true),
            Command::Heads(heads) => commands::heads::run(heads, common).map(|()| true),
            Command::Rollout(rollout) => commands::rollout::run(rollout, common).map(|()| true),
            Command::Diff(diff) => commands::diff::run(diff, common),
            Command::Convert(convert) => commands::convert::run(convert, common),
            Command::Export(export) => commands::export::run(export, common).map(|()| true),
            Command::Report(report) => commands::report::run(report, common).map(|()| true),
            Command::Memory(memory) => commands::memory::run(memory, common).map(|()| true),
            Command::Maxcut(args) => {
                memory::answer(common, |context| memory::anneal::run(args, common, context)).map(|()| true)
            }
            Command::Train(Train::CausalLm(train)) => commands::train::run(train, common).map(|()| true),
            Command::Train(Train::Rbm(train)) => commands::rbm::train::run(train, common).map(|()| true),
            Command::Generate(Generate::Rbm(generate)) => commands::rbm::generate::run(generate, common).map(|()| true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
