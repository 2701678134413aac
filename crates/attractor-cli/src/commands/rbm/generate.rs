//! `attractor generate rbm`: what a machine dreams, and how it completes what is missing.

use std::path::PathBuf;

use attractor::sample::rbm::{Rows, generate};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::complete::{chained, completed, given, rows_of};
use super::made::{self, Made};
use super::pictures;
use crate::args::{Common, MOST_BYTES};
use crate::commands::memory::hopfield::RuleName;
use crate::console::{counted, print};
use crate::error::Outcome;
use crate::picture;
use attractor::Error;
use attractor_data::Machine as Stored;

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
    /// Plain Gibbs chains; else chains at eight temperatures that change places, which get out of modes
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
    /// Share of the units that is turned round instead, any of them: the rows are to be restored
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

fn dreamt(args: &GenerateRbm, stored: &Stored, seed: u64) -> Outcome<Made> {
    let (rbm, n) = (&stored.rbm, stored.rbm.visible_units());
    let drawn = match args.gibbs {
        true => {
            let start = generate::from_base_rates(rbm, &stored.base, args.samples, seed)?;
            generate::gibbs(rbm, Rows::new(&start, n)?, args.steps, seed)?
        }
        false => {
            let temperatures: Vec<f32> = (0..8).map(|i| i as f32 / 7.0).collect();
            generate::tempered(rbm, &stored.base, &temperatures, args.samples, args.steps, seed)?.samples
        }
    };
    let values = match args.drawn {
        true => drawn,
        false => {
            let hidden = rbm.hidden_given(Rows::new(&drawn, n)?)?;
            rbm.visible_given(Rows::new(&hidden, rbm.hidden_units())?)?
        }
    };
    /// States of a picture.
    const SHOWN: usize = 100;
    let values = rows_of(&values, n);
    let how = if args.gibbs { "Gibbs chains" } else { "chains at eight temperatures" };
    Ok(Made {
        title: "What the machine dreams".to_string(),
        notes: vec![
            format!("{how}, {} each", counted(args.steps, "step")),
            if values.len() > SHOWN {
                format!("drawn are the first {SHOWN} of {}", values.len())
            } else {
                String::new()
            },
        ],
        rows: Vec::new(),
        columns: Vec::new(),
        across: 10,
        shown: values.iter().take(SHOWN).cloned().collect(),
        values,
        wrong: Vec::new(),
    })
}

/// Runs the command.
pub fn run(args: &GenerateRbm, common: &Common) -> Outcome {
    if args.samples == 0 {
        return Err(Error::usage("--samples 0: give at least 1"));
    }
    let output = args.output.as_deref();
    made::check(output)?;
    let stored = match &args.model {
        Some(model) => Stored::read(model)?,
        None => Stored::demo()?,
    };
    if args.draw == Some(Draw::Architecture) {
        let path = output.filter(|path| picture::is_picture(&picture::ending(path)));
        let path =
            path.ok_or_else(|| Error::usage("--draw architecture: a picture; name an --output .svg, .png or .pdf"))?;
        picture::save_checked(path, |_| pictures::architecture(&stored.rbm))?;
        if common.json {
            let (visible, hidden) = (stored.rbm.visible_units(), stored.rbm.hidden_units());
            print(&format!("{}\n", json!({ "output": path, "visible": visible, "hidden": hidden })));
        }
        return Ok(());
    }
    // Chains at eight temperatures, visible and hidden, and what is kept of them.
    let width = (stored.rbm.visible_units() + stored.rbm.hidden_units()) as u64;
    let bytes = (args.samples as u64).max(args.chain.unwrap_or(0) as u64).saturating_mul(64 * width);
    if bytes > MOST_BYTES {
        return Err(Error::usage(format!(
            "--samples {}, --chain {}: the states take {:.1} GB; at most {:.0} GB",
            args.samples,
            args.chain.unwrap_or(0),
            bytes as f64 / 1e9,
            MOST_BYTES as f64 / 1e9
        )));
    }
    let made = match (&args.complete, args.chain) {
        (Some(source), Some(steps)) => chained(steps, &stored, &given(source, args, &stored)?, common.seed)?,
        (Some(source), None) => completed(args, &stored, &given(source, args, &stored)?, common.seed)?,
        (None, _) => dreamt(args, &stored, common.seed)?,
    };
    made.give(output, &stored, &json!({ "seed": common.seed, "steps": args.steps }), common)
}
