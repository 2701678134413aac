//! The command line: its commands, and the way to each.

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use attractor_session::{Error, check_output};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command as Built, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::args::Common;
use crate::commands;
use crate::commands::capture::Capture;
use crate::commands::convert::Convert;
use crate::commands::demo::Demo;
use crate::commands::diff::DiffArgs;
use crate::commands::export::Export;
use crate::commands::heads::Heads;
use crate::commands::info::Info;
use crate::commands::memory::{self, Memory, anneal::MaxCut};
use crate::commands::metrics::Metrics;
use crate::commands::rbm::generate::Generate;
use crate::commands::report::ReportArgs;
use crate::commands::rollout::Rollout;
use crate::commands::train::Train;
use crate::commands::validate::Validate;
use crate::console::print;
use crate::error::Outcome;
use crate::files::{Output, OutputFile, PictureFile, ending};
use crate::{output, picture};

/// Shows, tests and trains the memory inside neural networks.
#[derive(Debug, Parser)]
#[command(name = "attractor", version, max_term_width = 80, propagate_version = true)]
#[command(disable_help_flag = true, disable_version_flag = true)]
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
    /// The maximum cut of a graph and its two sides, by simulated annealing
    Maxcut(Box<MaxCut>),
    /// Train a model
    #[command(subcommand)]
    Train(Train),
    /// Sample from a trained model
    #[command(subcommand)]
    Generate(Generate),
    /// Completions of commands and options for a shell: source them, or put them where it looks
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The manual page of a command: attractor man train rbm | man -l -
    Man {
        /// The command; none: the whole program
        command: Vec<String>,
    },
}

/// Every option takes numbers below zero: where they make no sense, what reads them says so. Values are named by what they
/// are unless an option names its own. Every command names the program as its version's.
fn numbered(command: Built) -> Built {
    let number = |option: clap::Arg| {
        let (kind, own) = (option.get_value_parser().type_id(), option.get_id().as_str().to_uppercase());
        let is = |of: &[TypeId]| of.iter().any(|of| kind == *of);
        let name = match () {
            () if is(&[TypeId::of::<usize>(), TypeId::of::<u64>(), TypeId::of::<u32>()]) => "N",
            () if is(&[TypeId::of::<f64>(), TypeId::of::<f32>()]) => "X",
            () if is(&[TypeId::of::<PathBuf>(), TypeId::of::<OutputFile>(), TypeId::of::<PictureFile>()]) => "FILE",
            () => "",
        };
        let unnamed =
            option.get_long().is_some() && option.get_value_names().is_some_and(|names| names[..] == [&own[..]]);
        match option.get_action().takes_values() {
            true if unnamed && !name.is_empty() => option.allow_negative_numbers(true).value_name(name),
            true => option.allow_negative_numbers(true),
            false => option,
        }
    };
    command.display_name("attractor").mut_args(number).mut_subcommands(numbered)
}

/// The output that an option of this type names, and whether it is a picture.
fn named<const PICTURE: bool>(found: &ArgMatches, id: &clap::Id) -> Option<(PathBuf, bool)> {
    let file = found.try_get_one::<Output<PICTURE>>(id.as_str()).ok().flatten()?;
    Some((file.to_path_buf(), PICTURE))
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
        let is_output = |id: &clap::Id| named::<false>(innermost, id).or_else(|| named::<true>(innermost, id));
        let outputs = innermost.ids().filter_map(is_output).collect();
        let on_line = |id: &&clap::Id| innermost.value_source(id.as_str()) == Some(ValueSource::CommandLine);
        let given = innermost.ids().filter(on_line).map(ToString::to_string).collect();
        let mut cli = Self::from_arg_matches_mut(&mut found).map_err(|error| error.format(&mut command))?;
        (cli.common.given, cli.common.outputs) = (given, outputs);
        Ok(cli)
    }

    /// Refuses, before any work is done, outputs that cannot be written, and what is said of outputs where there are none.
    fn check_outputs(&self) -> Outcome {
        let Common { outputs, given, overwrite, .. } = &self.common;
        // Those have an output of their own, which they check themselves; a training draws into its folder.
        let replaces = matches!(self.command, Command::Capture(_) | Command::Convert(_) | Command::Report(_));
        let draws = matches!(self.command, Command::Train(_));
        if *overwrite && outputs.is_empty() && !replaces {
            let why = "replaces a file or a run, and this command line names neither; omit it";
            return Err(Error::option("overwrite", "", why));
        }
        for (at, (path, is_picture)) in outputs.iter().enumerate() {
            check_output(path, *overwrite)?;
            if outputs[..at].iter().any(|(other, _)| other == path) {
                return Err(Error::usage(format!("{}: is named for two outputs; name another file", path.display())));
            }
            if *is_picture {
                output::ending(path, &picture::PICTURES)?;
            }
        }
        for (option, endings) in picture::OPTIONS {
            let drawn = draws || given.iter().any(|given| given == "format");
            let drawn = drawn || outputs.iter().any(|(path, _)| endings.contains(&ending(path).as_str()));
            if given.iter().any(|given| given == option) && !drawn {
                let why = format!("is for pictures; name an --output .{}", endings.join(", ."));
                return Err(Error::option(option, "", why));
            }
        }
        Ok(())
    }

    /// Runs the command. `Ok(false)`: it ran, and checks failed.
    pub fn run(&self) -> Outcome<bool> {
        let common = &self.common;
        self.check_outputs()?;
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
                memory::answer(common, |context| memory::anneal::max_cut(args, common, context)).map(|()| true)
            }
            Command::Train(Train::CausalLm(train)) => commands::train::run(train, common).map(|()| true),
            Command::Train(Train::Rbm(train)) => commands::rbm::train::run(train, common).map(|()| true),
            Command::Completions { shell } => {
                common.refuse_unused(&["json", "overwrite"], "a script")?;
                let mut script = Vec::new();
                generate(*shell, &mut numbered(Self::command()), "attractor", &mut script);
                print(&String::from_utf8_lossy(&script));
                Ok(true)
            }
            Command::Man { command } => {
                common.refuse_unused(&["json", "overwrite"], "a manual page")?;
                manual(command).map(|()| true)
            }
            Command::Generate(Generate::Rbm(generate)) => commands::rbm::generate::run(generate, common).map(|()| true),
        }
    }
}

/// Prints the manual page of a command, in troff.
fn manual(words: &[String]) -> Outcome {
    let mut program = numbered(Cli::command());
    program.build();
    let mut command = &program;
    for (at, word) in words.iter().enumerate() {
        command = command.find_subcommand(word).ok_or_else(|| {
            let known: Vec<&str> = command.get_subcommands().map(Built::get_name).collect();
            let said = words[..=at].join(" ");
            Error::usage(format!("man: there is no command {said}; there are {}", known.join(", ")))
        })?;
    }
    let name = command.get_bin_name().unwrap_or("attractor").replace(' ', "-");
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = Man::new(command.clone().display_name(name)).render(&mut page);
    print(&String::from_utf8_lossy(&page));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
