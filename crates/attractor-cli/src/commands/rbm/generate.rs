//! `attractor generate rbm`: samples of a machine, and how it completes what is missing.

use std::path::{Path, PathBuf};

use attractor_render::memories::rbm as figures;
use attractor_session::Machine;
use attractor_session::sample::rbm::completion::{Completion, Cue};
use attractor_session::sample::rbm::sampling;
use attractor_session::{Context, Error};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::made::{self, Made};
use crate::args::Common;
use crate::commands::memory::hopfield::RuleName;
use crate::console::{print, work};
use crate::error::Outcome;
use crate::picture;

#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Samples of a restricted Boltzmann machine, or the completion of masked inputs
    Rbm(Box<GenerateRbm>),
}

#[derive(Debug, Args)]
pub struct GenerateRbm {
    /// A folder of attractor train rbm, its rbm.safetensors, or a BernoulliRBM of scikit-learn as .npz (components_,
    /// intercept_hidden_, intercept_visible_)
    #[arg(required_unless_present = "demo")]
    pub model: Option<PathBuf>,
    /// The machine that the program brings along: 16 hidden units that learnt the digits
    #[arg(long, conflicts_with = "model")]
    pub demo: bool,
    /// How many
    #[arg(long, default_value_t = 50)]
    pub samples: usize,
    /// Gibbs steps
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
    /// Plain Gibbs chains; else chains at eight inverse temperatures that change places, which get out of modes
    #[arg(long, conflicts_with_all = ["complete", "mask", "noise", "threshold", "against", "chain"])]
    pub gibbs: bool,
    /// States as they were drawn; else the means of the visible units in the last step
    #[arg(long, conflicts_with_all = ["complete", "mask", "noise", "threshold", "against", "chain"])]
    pub drawn: bool,
    /// Complete these rows instead: a file, a folder of .png, or digits, glyphs-5, glyphs-8
    #[arg(long, value_name = "SOURCE")]
    pub complete: Option<String>,
    /// Share of the units that is unknown in rows to complete, the last ones
    #[arg(long, default_value_t = 0.5, requires = "complete")]
    pub mask: f64,
    /// Share of the units that is flipped instead, any of them: the rows are to be restored
    #[arg(long, requires = "complete", conflicts_with_all = ["mask", "chain"])]
    pub noise: Option<f64>,
    /// Numbers above it are 1, in rows to complete
    #[arg(long, requires = "complete")]
    pub threshold: Option<f32>,
    /// Complete them by another memory too, and by nothing at all, from the same cues: how much of what was unknown is wrong
    #[arg(long, value_enum, requires = "complete", conflicts_with = "chain")]
    pub against: Option<Against>,
    /// How the Hopfield network of --against stores the rows
    #[arg(long, value_enum, default_value_t = RuleName::Hebb, requires = "against")]
    pub rule: RuleName,
    /// One chain of contrastive divergence from the first of those rows, step by step: so many steps
    #[arg(long, value_name = "STEPS", requires = "complete", conflicts_with_all = ["steps", "samples", "mask"])]
    pub chain: Option<usize>,
    /// Draw the machine itself instead: its layers and the weights between them
    #[arg(long, value_enum, conflicts_with_all = ["complete", "mask", "noise", "threshold", "against", "chain", "samples", "steps", "gibbs", "drawn"])]
    pub draw: Option<Draw>,
    /// Where it goes: a picture (.svg, .png, .pdf), .csv or .safetensors; else the terminal
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

/// What of the machine is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// Visible and hidden units, and a line for every weight; of large machines the strongest
    Architecture,
}

/// What a machine is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// A Hopfield network that stores the very rows that are to be completed
    Hopfield,
}

impl GenerateRbm {
    /// What is shown of rows to complete.
    fn cue(&self) -> Cue {
        self.noise.map_or(Cue::Mask(self.mask), Cue::Noise)
    }
}

/// Draws the machine itself.
fn drawn(stored: &Machine, output: Option<&Path>, common: &Common) -> Outcome {
    let path = output.filter(|path| picture::is_picture(&picture::ending(path)));
    let path =
        path.ok_or_else(|| Error::usage("--draw architecture: a picture; name an --output .svg, .png or .pdf"))?;
    picture::save_checked(path, |_| figures::architecture(&stored.rbm))?;
    if common.json {
        let (visible, hidden) = (stored.rbm.visible_units(), stored.rbm.hidden_units());
        print(&format!("{}\n", json!({ "output": path, "visible": visible, "hidden": hidden })));
    }
    Ok(())
}

/// What was asked for, made.
fn made(args: &GenerateRbm, stored: &Machine, context: &Context<'_>) -> Outcome<Made> {
    let (rbm, base) = (&stored.rbm, &stored.base[..]);
    let given = |source: &str| stored.held_out(source, args.threshold, args.samples);
    match (&args.complete, args.chain) {
        (None, _) => {
            let &GenerateRbm { samples, steps, gibbs, drawn, .. } = args;
            Ok(Made::of_samples(sampling::Sampling { samples, steps, gibbs, drawn }.run(rbm, base, context)?))
        }
        (Some(source), Some(steps)) => {
            let found = sampling::chained(rbm, given(source)?.row(0), steps, context)?;
            Ok(Made::of_chain(found, args.steps))
        }
        (Some(source), None) => {
            let against = args.against.map(|Against::Hopfield| args.rule.rule(context.seed()));
            let completion = Completion { cue: args.cue(), steps: args.steps, against };
            let samples = given(source)?;
            Ok(Made::of_completion(completion.run(rbm, base, samples.rows()?, context)?))
        }
    }
}

/// Runs the command.
pub fn run(args: &GenerateRbm, common: &Common) -> Outcome {
    let output = args.output.as_deref();
    made::check(output)?;
    let stored = Machine::open(args.model.as_deref())?;
    if args.draw == Some(Draw::Architecture) {
        return drawn(&stored, output, common);
    }
    work(common, |context| made(args, &stored, context))?.give(output, &stored, common)
}
