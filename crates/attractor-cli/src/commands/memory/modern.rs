//! `attractor memory modern`: modern Hopfield memory of real patterns.

use std::path::PathBuf;

use attractor_render::memories;
use attractor_session::Context;
use attractor_session::energy::SimplexMap;
use attractor_session::experiment::modern::{self, Options, Retrieval, Retrievals, SoftMaximum};
use attractor_session::settle::retrieval::Reason;
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Answer, Data, document};
use crate::args::{Common, choice, refuse_unused, same};
use crate::console::{number, short};
use crate::error::Outcome;
use crate::picture;

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
    /// Also save a figure: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What --output shows
    #[arg(long, value_enum, default_value_t = Draw::Recall)]
    pub draw: Draw,
}

impl ModernArgs {
    fn options(&self) -> Options {
        same!(self => Options { beta, separation, damping, noise, steps }, centred: !self.raw)
    }
}

fn why(retrieval: &Retrieval) -> String {
    let some = |set: &[usize]| {
        let names: Vec<String> = set.iter().take(6).map(usize::to_string).collect();
        let more = if set.len() > 6 { ", ..." } else { "" };
        format!("{}{more}", names.join(", "))
    };
    match &retrieval.reason {
        _ if retrieval.has_twins() => "retrieved, along with identical patterns".to_string(),
        Reason::Retrieved => "retrieved".to_string(),
        Reason::AnotherPattern(other) => format!("pattern {other} instead: the query lay in its basin"),
        Reason::Outscored(other) => format!(
            "pattern {other} instead: no beta retrieves this one as it is, since a longer pattern scores as high; scale the patterns to one length"
        ),
        Reason::Metastable(set) => format!("average of {} patterns ({}): beta too low", set.len(), some(set)),
        Reason::GlobalAverage => "average of more than half of all patterns: beta too low".to_string(),
        Reason::NotSettled => "not settled: raise --steps".to_string(),
    }
}

fn table(found: &Retrievals) -> String {
    const SHOWN: usize = 40;
    let mut out = format!(
        "{:>7}  {:>9}  {:>9}  {:>10}  {:>9}  {:>5}  result\n",
        "pattern", "d(query)", "d(end)", "separation", "required", "steps"
    );
    for one in found.retrievals.iter().take(SHOWN) {
        out += &format!(
            "{:>7}  {:>9}  {:>9}  {:>10}  {:>9}  {:>5}  {}\n",
            one.pattern,
            number(one.query_distance, 3),
            number(one.distance, 3),
            number(one.separation, 3),
            number(one.wanted_separation, 3),
            one.steps,
            why(one)
        );
    }
    let all = found.retrievals.len();
    if all > SHOWN {
        out += &format!("and {} more; --json has them all\n", all - SHOWN);
    }
    out += &format!("\n{} of {all} patterns retrieved\n", found.count(|reason| *reason == Reason::Retrieved));
    if let Some(beta) = found.wanted_beta() {
        out += &format!("a beta of {} would separate all patterns that can be separated\n", number(beta, 3));
    }
    out
}

fn text(found: &Retrievals, source: &str) -> String {
    let kind = if found.centred { "centred, of mean length 1" } else { "as they are" };
    let theorem = found.sure_patterns.map_or(String::new(), |count| {
        format!(
            "theory guarantees storage of {} random patterns of this mean length and dimension (probability 0.99; Ramsauer et al. 2021, \
             theorem 3)\n",
            number(count, 0)
        )
    });
    format!(
        "Modern Hopfield memory of {} patterns of {} features ({kind}), {}, beta {}: {source}\n\
         noise of standard deviation {} in every feature; the energy falls with every step\n\n{}{theorem}",
        found.patterns,
        found.features,
        found.separation,
        short(found.beta),
        short(found.noise),
        table(found)
    )
}

fn json(found: &Retrievals, source: &str) -> Outcome<Value> {
    let mut document = document(found, &[("memory", "modern"), ("source", source)])?;
    for (one, retrieval) in found.retrievals.iter().enumerate() {
        document["retrievals"][one]["why"] = why(retrieval).into();
    }
    Ok(document)
}

fn soft_maximum_text(found: &SoftMaximum) -> String {
    let mut out = format!(
        "{}: how far the soft maximum of two scores lies above the larger one\n\n{:>6}  {:>12}  {:>9}\n",
        found.separation, "beta", "equal scores", "1 apart"
    );
    for gap in &found.gaps {
        out += &format!("{:>6}  {:>12.6}  {:>9.6}\n", gap.beta, gap.above_equal, gap.above_one_apart);
    }
    out
}

fn soft_maximum(args: &ModernArgs, common: &Common) -> Outcome<Answer> {
    let here = "--draw soft-maximum, which needs no memory";
    refuse_unused!(common, args.data, [data, random, patterns, scale, threshold, skip, label_column], here)?;
    refuse_unused!(common, args, [beta, damping, noise, steps, query, raw], here)?;
    picture::draw(args.output.as_deref(), |_| memories::attention::soft_maximum(args.separation))?;
    let found = modern::soft_maximum(args.separation);
    Ok((document(&found, &[("draw", "soft-maximum")])?, soft_maximum_text(&found)))
}

/// Runs the command: what it prints.
pub fn run(args: &ModernArgs, common: &Common, context: &Context<'_>) -> Outcome<Answer> {
    if args.draw == Draw::SoftMaximum {
        return soft_maximum(args, common);
    }
    if args.output.is_none() {
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
    picture::draw(args.output.as_deref(), |_| match args.draw {
        Draw::Recall => memories::modern::recall(&found, source, rows.picture),
        Draw::Energy => memories::modern::energy(&found, source),
        Draw::Beta => {
            let swept = modern::effective_patterns(case, found.iteration, context)?;
            memories::modern::effective(&found, &swept, source)
        }
        Draw::Weights => memories::attention::weights(&found, &modern::weights_against_beta(case, args.query)?, source),
        Draw::Attention => memories::attention::one_step(&found, &modern::attention_against_step(case)?, source),
        Draw::SoftMaximum => memories::attention::soft_maximum(found.separation),
    })?;
    Ok((json(&found, source)?, text(&found, source)))
}
