//! Options that several commands share, and how values are read.

use std::ffi::OsString;
use std::path::PathBuf;

use attractor_session::judgement::{Ablate, Budget};
use attractor_session::{Choice, Error, Selection, Stack, inputs};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args};

use crate::error::Outcome;

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options", next_display_order = 900)]
pub struct Common {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Random seed; recorded in the output
    #[arg(long, global = true, default_value_t = 0)]
    pub seed: u64,
    /// Threads; results do not depend on their number [default: all cores]
    #[arg(long, global = true)]
    pub threads: Option<usize>,
    /// Show no progress and no hints
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Replace an output that is there already
    #[arg(long, global = true)]
    pub overwrite: bool,
    /// Print help; -h in short
    #[arg(long, short, global = true, action = ArgAction::Help)]
    help: Option<bool>,
    /// Print version
    #[arg(long, short = 'V', global = true, action = ArgAction::Version)]
    version: Option<bool>,
    /// Options of the command that stand on the command line, as fields are named.
    #[arg(skip)]
    pub given: Vec<String>,
    /// Files that the command line names, or its defaults, for what the command writes; true: a picture.
    #[arg(skip)]
    pub outputs: Vec<(PathBuf, bool)>,
}

impl Common {
    /// Refuses options that were given and would do nothing here.
    pub fn refuse_unused(&self, options: &[&str], here: &str) -> Outcome {
        self.refuse(here, |given| options.contains(&given))
    }

    /// Refuses options that were given, but those that do something here.
    pub fn refuse_all_but(&self, options: &[&str], here: &str) -> Outcome {
        self.refuse(here, |given| !options.contains(&given))
    }

    fn refuse(&self, here: &str, unused: impl Fn(&str) -> bool) -> Outcome {
        match self.given.iter().find(|given| unused(given)) {
            None => Ok(()),
            Some(option) => {
                Err(Error::usage(format!("--{} has no effect with {here}; omit it", option.replace('_', "-"))))
            }
        }
    }
}

/// Refuses every option of the command that was given but these fields of `$args`, which the compiler knows.
macro_rules! refuse_all_but {
    ($common:expr, $args:expr, [$($field:ident),+ $(,)?], $here:expr) => {{
        let _ = ($(&$args.$field,)+);
        $common.refuse_all_but(&[$(stringify!($field)),+, "seed", "threads", "quiet"], $here)
    }};
}
pub(crate) use refuse_all_but;

/// Refuses options that were given and would do nothing here: fields of `$args`, which the compiler knows.
macro_rules! refuse_unused {
    ($common:expr, $args:expr, [$($field:ident),+ $(,)?], $here:expr) => {{
        let _ = ($(&$args.$field,)+);
        $common.refuse_unused(&[$(stringify!($field)),+], $here)
    }};
}
pub(crate) use refuse_unused;

/// What goes through a checkpoint.
#[derive(Debug, Clone, Default, Args)]
pub struct Inputs {
    /// Text of an input; repeat it for several
    #[arg(long, conflicts_with_all = ["text_file", "input"], help_heading = "Inputs of a checkpoint")]
    pub text: Vec<String>,
    /// A text file, cut into inputs of --seq-len tokens
    #[arg(long, conflicts_with = "input", help_heading = "Inputs of a checkpoint")]
    pub text_file: Option<PathBuf>,
    /// Make each line of --text-file an input instead
    #[arg(long, requires = "text_file", help_heading = "Inputs of a checkpoint")]
    pub lines: bool,
    /// Inputs that need no tokenizer: token ids (JSON, .npy, .safetensors) or images (PNG, JPEG, .npy); repeat it for several images
    #[arg(long, help_heading = "Inputs of a checkpoint")]
    pub input: Vec<PathBuf>,
    /// Tokens per input [default: 128, or the model's context length if shorter]
    #[arg(long, help_heading = "Inputs of a checkpoint")]
    pub seq_len: Option<usize>,
    /// Use at most this many inputs, the first ones [default: 32]
    #[arg(long, help_heading = "Inputs of a checkpoint")]
    pub max_inputs: Option<usize>,
    #[command(flatten)]
    pub weights: Weights,
    /// Which stack of a run's layers, where it has several
    #[arg(long, value_parser = choice::<Stack>())]
    pub stack: Option<Stack>,
}

/// How a checkpoint is read.
#[derive(Debug, Clone, Default, Args)]
pub struct Weights {
    /// The config.json for a checkpoint that is a single weight file
    #[arg(long, help_heading = "Reading of a checkpoint")]
    pub model_config: Option<PathBuf>,
    /// Leave out tensors of the model that nothing reads (a pattern with * and ?); recorded in the output
    #[arg(long, value_name = "GLOB", help_heading = "Reading of a checkpoint")]
    pub ignore_tensors: Vec<String>,
    /// Pass over configuration keys that are not understood (a pattern with * and ?); recorded in the output
    #[arg(long, value_name = "GLOB", help_heading = "Reading of a checkpoint")]
    pub ignore_keys: Vec<String>,
}

impl Weights {
    /// As the jobs read them.
    pub fn given(&self) -> inputs::Inputs {
        same!(self => inputs::Inputs { model_config, ignore_tensors, ignore_keys }, ..inputs::Inputs::default())
    }
}

impl Inputs {
    /// As the jobs read them.
    pub fn given(&self) -> inputs::Inputs {
        same!(self => inputs::Inputs { text, text_file, lines, input, seq_len, max_inputs, stack }, ..self.weights.given())
    }
}

/// One of a library's named ways as the value of an option; the help lists them with what they are.
pub fn choice<T: Choice>() -> impl TypedValueParser<Value = T> {
    let named = T::ALL.iter().map(|way| PossibleValue::new(way.name()).help(way.about()));
    PossibleValuesParser::new(named).try_map(|name| T::named(&name).ok_or("no such name"))
}

/// A library's options, those of the same name from `$args`: `same!(args => Options { seed, steps }, ..rest)`.
macro_rules! same {
    ($args:expr => $($options:ident)::+ { $($field:ident),* $(,)? } $(, $($rest:tt)+)?) => {
        $($options)::+ { $($field: $args.$field.clone(),)* $($($rest)+)? }
    };
}
pub(crate) use same;

/// Which layers and heads.
#[derive(Debug, Clone, Default, Args)]
pub struct Chosen {
    /// Only these layers, for example 0,3-5
    #[arg(long)]
    pub layers: Option<String>,
    /// Only these heads, for example 0-3 or 5.5,L0H2
    #[arg(long)]
    pub heads: Option<String>,
}

impl Chosen {
    /// As layers and heads read it.
    pub fn selection(&self) -> Outcome<Selection> {
        Ok(Selection::parse(self.layers.as_deref(), self.heads.as_deref())?)
    }
}

/// What is ablated, and how far.
#[derive(Debug, Clone, Default, Args)]
pub struct Ablations {
    /// Which ablations to run [default: standard]
    #[arg(long, value_parser = choice::<Ablate>(), help_heading = "Ablations")]
    pub ablate: Option<Ablate>,
    /// What ablations may cost: passes (600), a time (3m, told as passes), or none for no limit [default: of the model]
    #[arg(long, value_name = "BUDGET", help_heading = "Ablations")]
    pub budget: Option<Budget>,
    /// Ablate the whole model alone: the same as --budget 0
    #[arg(long, conflicts_with_all = ["budget", "ablate"], help_heading = "Ablations")]
    pub quick: bool,
}

impl Ablations {
    /// What ablations may cost.
    pub fn budget(&self) -> Option<Budget> {
        self.budget.or(self.quick.then_some(Budget::Passes(0)))
    }
}

/// One input, and one step of it.
#[derive(Debug, Clone, Default, Args)]
pub struct OneInput {
    /// Which input, counted from 0
    #[arg(long, default_value_t = 0)]
    pub input_number: usize,
    /// Which step of it, by its number, in a run whose inputs have several
    #[arg(long)]
    pub step: Option<u64>,
}

/// `--seq_len` is `--seq-len`: both spellings are in use.
pub fn hyphenated(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut plain = false;
    arguments
        .map(|argument| {
            plain |= argument == "--";
            match argument.to_str() {
                Some(text) if !plain && text.starts_with("--") => match text.split_once('=') {
                    Some((name, value)) => format!("{}={value}", name.replace('_', "-")).into(),
                    None => text.replace('_', "-").into(),
                },
                _ => argument,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_values_are_left_alone() {
        let given = ["attractor", "--seq_len=a_b", "--text_file", "my_file", "--", "--x_y"].map(OsString::from);
        let read = hyphenated(given.into_iter());
        assert_eq!(read, ["attractor", "--seq-len=a_b", "--text-file", "my_file", "--", "--x_y"]);
    }
}
