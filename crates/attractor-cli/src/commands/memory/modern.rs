//! `attractor memory modern`: modern Hopfield memory of real patterns.

use attractor_render::memories::{self, modern as figures};
use attractor_session::Context;
use attractor_session::energy::SimplexMap;
use attractor_session::experiment::modern::{self, Options, Retrievals};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Answer, Data, document};
use crate::args::{Common, choice, refuse_unused, same};
use crate::error::Outcome;
use crate::picture::Figure;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// Stored, corrupted and retrieved patterns
    Recall,
    /// Energy after each step
    Energy,
    /// Effective number of patterns in what is retrieved, against beta
    Beta,
    /// Weights of a query over the patterns, against beta
    Weights,
    /// Log-sum-exp over beta as a soft maximum of two numbers; needs no data
    SoftMaximum,
    /// Attention over the patterns as keys and values, against one step of retrieval
    Attention,
}

#[derive(Debug, Args)]
pub struct ModernArgs {
    #[command(flatten)]
    pub data: Data,
    /// Inverse temperature: low values retrieve averages, high values single patterns
    #[arg(long, default_value_t = 8.0)]
    pub beta: f64,
    /// How scores become weights
    #[arg(long, value_parser = choice::<SimplexMap>(), default_value = "softmax")]
    pub separation: SimplexMap,
    /// Step size gamma: any value between 0 and 2 lowers the energy; 1 is the attention update
    #[arg(long, default_value_t = 1.0)]
    pub damping: f64,
    /// Standard deviation of the Gaussian noise added to each query
    #[arg(long, default_value_t = 0.3)]
    pub noise: f64,
    /// Maximum number of steps
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
    /// Index of the query whose weights --draw weights shows
    #[arg(long, default_value_t = 0)]
    pub query: usize,
    /// Use the patterns as they are, neither centred nor scaled to mean length one
    #[arg(long)]
    pub raw: bool,
    #[command(flatten)]
    pub figure: Figure,
    /// What --output shows
    #[arg(long, value_enum, default_value_t = Draw::Recall)]
    pub draw: Draw,
}

impl ModernArgs {
    fn options(&self) -> Options {
        same!(self => Options { beta, separation, damping, noise, steps }, centred: !self.raw)
    }
}

fn json(found: &Retrievals, source: &str) -> Outcome<Value> {
    let mut document = document(found, &[("memory", "modern"), ("source", source)])?;
    for (one, retrieval) in found.retrievals.iter().enumerate() {
        document["retrievals"][one]["why"] = figures::why(retrieval).into();
    }
    Ok(document)
}

fn soft_maximum(args: &ModernArgs, common: &Common) -> Outcome<Answer> {
    let here = "--draw soft-maximum, which needs no memory";
    refuse_unused!(common, args.data, [data, random, patterns, scale, threshold, skip, label_column], here)?;
    refuse_unused!(common, args, [beta, damping, noise, steps, query, raw], here)?;
    args.figure.draw(|_| memories::attention::soft_maximum(args.separation))?;
    let found = modern::soft_maximum(args.separation);
    Ok((document(&found, &[("draw", "soft-maximum")])?, figures::soft_maximum_words(&found)))
}

/// Runs the command: what it prints.
pub fn run(args: &ModernArgs, common: &Common, context: &Context<'_>) -> Outcome<Answer> {
    if args.draw == Draw::SoftMaximum {
        return soft_maximum(args, common);
    }
    if args.figure.output.is_none() {
        refuse_unused!(common, args, [draw], "no --output")?;
    }
    if args.draw != Draw::Weights {
        refuse_unused!(common, args, [query], "anything but --draw weights")?;
    }
    let options = args.options();
    options.check()?;
    let rows = args.data.source().real("glyphs-8", context)?;
    let source = &rows.source.to_string();
    let found = modern::run(rows.patterns, &options, context)?;
    let case = &found.case;
    args.figure.draw(|_| match args.draw {
        Draw::Recall => figures::recall(&found, source, rows.picture),
        Draw::Energy => figures::energy(&found, source),
        Draw::Beta => {
            let swept = modern::effective_patterns(case, found.iteration, context)?;
            figures::effective(&found, &swept, source)
        }
        Draw::Weights => memories::attention::weights(&found, &modern::weights_against_beta(case, args.query)?, source),
        Draw::Attention => memories::attention::one_step(&found, &modern::attention_against_step(case)?, source),
        Draw::SoftMaximum => memories::attention::soft_maximum(found.separation),
    })?;
    Ok((json(&found, source)?, figures::words(&found, source)))
}
