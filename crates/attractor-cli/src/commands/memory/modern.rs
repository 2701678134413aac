//! `attractor memory modern`: modern Hopfield memory of real patterns.

use std::path::PathBuf;

use attractor::energy::{Modern, Separator};
use attractor::pattern::RealPatterns;
use attractor::random::Philox;
use attractor::settle::modern::{Iteration, Outcome as Descended, descend, sweep_beta};
use attractor::settle::retrieval::{Diagnosis, Reason, diagnose, storage_bound};
use attractor_render::canvas::axis::Side;
use attractor_render::canvas::colour::ColourMap;
use attractor_render::canvas::scale::{Scale, Spacing};
use attractor_render::figures::heatmap::Style;
use attractor_render::figures::images::{Images, Picture};
use attractor_render::figures::lines::{Lines, Series};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::attention::{attention_figure, run_soft_maximum, soft_maximum_figure, weights_figure};
use super::data::Data;
use crate::args::Common;
use crate::console::context;
use crate::console::{number, print, short};
use crate::error::Outcome;
use crate::picture;
use attractor::Error;
use attractor_data::patterns::twins;

/// How scores become weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SeparationName {
    /// All patterns have some weight: attention
    Softmax,
    /// Most patterns have none
    Sparsemax,
    /// Between the two
    Entmax15,
}

impl SeparationName {
    fn separator(self) -> Separator {
        match self {
            Self::Softmax => Separator::Softmax,
            Self::Sparsemax => Separator::Sparsemax,
            Self::Entmax15 => Separator::Entmax15,
        }
    }
}

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
    /// Inverse temperature: low gives averages, high single patterns
    #[arg(long, default_value_t = 8.0)]
    pub beta: f64,
    /// How scores become weights
    #[arg(long, value_enum, default_value_t = SeparationName::Softmax)]
    pub separation: SeparationName,
    /// Step size gamma: every one between 0 and 2 goes downhill; 1 is attention
    #[arg(long, default_value_t = 1.0)]
    pub damping: f64,
    /// Standard deviation of the normal noise that is added to a query
    #[arg(long, default_value_t = 0.3)]
    pub noise: f64,
    /// Steps at most
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
    /// Whose weights --draw weights shows: the query made from this pattern
    #[arg(long, default_value_t = 0)]
    pub query: usize,
    /// Patterns as they are, neither centred nor brought to one length
    #[arg(long)]
    pub raw: bool,
    /// Also draw it: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What --output shows
    #[arg(long, value_enum, default_value_t = Draw::Recall)]
    pub draw: Draw,
}

/// Inverse temperatures of a sweep.
pub const BETAS: [f64; 13] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// Patterns that have room beside each other in a picture.
const ACROSS: usize = 10;

/// A memory and its queries.
pub struct Case {
    pub memory: Modern,
    pub queries: Vec<Vec<f64>>,
    picture: (usize, usize),
    source: String,
    /// What was taken from the data, so that pictures show data.
    mean: Vec<f64>,
    length: f64,
}

/// Patterns less their mean, brought to the mean length one: scores are then cosines, and beta has a meaning of its own.
fn case(args: &ModernArgs, common: &Common) -> Outcome<Case> {
    if !(args.noise >= 0.0 && args.noise.is_finite()) {
        return Err(Error::usage(format!("--noise {}: give a deviation of 0 or more", args.noise)));
    }
    if args.steps == 0 {
        return Err(Error::usage("--steps 0: give at least 1"));
    }
    let (count, width, values, picture, source) = match &args.data.random {
        Some(_) => {
            let stored = args.data.source().stored("glyphs-8", &context(common))?;
            let of = |at| stored.patterns.pattern(at).to_signs().into_iter().map(f64::from).collect::<Vec<_>>();
            let values: Vec<f64> = (0..stored.patterns.count()).flat_map(of).collect();
            (stored.patterns.count(), stored.patterns.units(), values, stored.picture, stored.source)
        }
        None => {
            let samples = args.data.source().samples("glyphs-8")?;
            let values = samples.values.iter().map(|&x| f64::from(x)).collect();
            (samples.count, samples.features, values, samples.picture(), samples.source)
        }
    };
    let (mut mean, mut length) = (vec![0.0; width], 1.0);
    let mut values: Vec<f64> = values;
    if !args.raw {
        for row in values.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / count as f64);
        }
        for row in values.chunks_exact_mut(width) {
            row.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m);
        }
        let norm = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>().sqrt();
        let norms: f64 = values.chunks_exact(width).map(norm).sum();
        length = if norms > 0.0 { norms / count as f64 } else { 1.0 };
        values.iter_mut().for_each(|x| *x /= length);
    }
    let equal = twins(values.chunks_exact(width).map(|row| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>()));
    equal.iter().for_each(|note| context(common).note(note));
    let memory = Modern::new(RealPatterns::new(count, width, values)?, args.beta, args.separation.separator())?;
    // Of the data's own size, whatever the patterns were brought to.
    let deviation = args.noise / length;
    let queries = (0..count)
        .map(|at| {
            let mut random = Philox::new(common.seed, at as u64);
            memory.patterns().pattern(at).iter().map(|x| x + deviation * random.normal()).collect()
        })
        .collect();
    Ok(Case { memory, queries, picture, source, mean, length })
}

fn why(diagnosis: &Diagnosis) -> String {
    let some = |set: &[usize]| {
        let names: Vec<String> = set.iter().take(6).map(usize::to_string).collect();
        let more = if set.len() > 6 { ", ..." } else { "" };
        format!("{}{more}", names.join(", "))
    };
    match &diagnosis.reason {
        Reason::Retrieved => "retrieved".to_string(),
        Reason::AnotherPattern(other) => format!("pattern {other} instead: the query lay in its basin"),
        // No beta tells equal patterns apart.
        _ if diagnosis.separation <= 0.0 && diagnosis.distance < 1e-6 => {
            "retrieved, with patterns that equal it".to_string()
        }
        Reason::Metastable(set) => format!("average of {} patterns ({}): beta too low", set.len(), some(set)),
        Reason::GlobalAverage => "average of more than half of all patterns: beta too low".to_string(),
        Reason::NotSettled => "not settled: raise --steps".to_string(),
    }
}

fn table(found: &[(Descended, Diagnosis)], queries: &[Vec<f64>], memory: &Modern) -> String {
    const SHOWN: usize = 40;
    let mut out = format!(
        "{:>7}  {:>9}  {:>9}  {:>10}  {:>9}  {:>5}  result\n",
        "pattern", "query off", "end off", "separation", "wanted", "steps"
    );
    for (at, (outcome, diagnosis)) in found.iter().enumerate().take(SHOWN) {
        let gap = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
        out += &format!(
            "{at:>7}  {:>9}  {:>9.2e}  {:>10}  {:>9}  {:>5}  {}\n",
            number(gap(&queries[at], memory.patterns().pattern(at)), 3),
            diagnosis.distance,
            number(diagnosis.separation, 3),
            number(diagnosis.wanted, 3),
            outcome.steps,
            why(diagnosis)
        );
    }
    if found.len() > SHOWN {
        out += &format!("and {} more; --json has them all\n", found.len() - SHOWN);
    }
    let good = found.iter().filter(|(_, d)| d.reason == Reason::Retrieved).count();
    out += &format!("\n{good} of {} patterns retrieved\n", found.len());
    let failed = found.iter().filter(|(_, d)| d.reason != Reason::Retrieved);
    let wanted = failed.filter_map(|(_, d)| d.beta).fold(0.0, f64::max);
    if good < found.len() && wanted > memory.beta() {
        out += &format!("a beta of {} would separate those that stand out at all\n", number(wanted, 3));
    }
    out
}

/// Random patterns of the mean length of those stored that are stored with probability 0.99, at least; none where the theorem says nothing.
fn sure(memory: &Modern) -> Option<f64> {
    const FAILURE: f64 = 0.01;
    let width = memory.patterns().width();
    let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mean = memory.patterns().patterns().map(length).sum::<f64>() / memory.patterns().count() as f64;
    let radius = mean / (width as f64 - 1.0).sqrt();
    let bound = storage_bound(width, memory.beta(), radius, FAILURE).ok()?;
    let says = bound.patterns.is_finite() && bound.patterns >= 2.0;
    (memory.separator() == Separator::Softmax && says).then_some(bound.patterns.floor())
}

fn theorem(memory: &Modern) -> String {
    match sure(memory) {
        Some(count) => format!(
            "of random patterns of their mean length and width {} are sure to be stored (probability 0.99; Ramsauer et al. 2021, \
             theorem 3)\n",
            number(count, 0)
        ),
        None => String::new(),
    }
}

fn figure(args: &ModernArgs, case: &Case, found: &[(Descended, Diagnosis)]) -> Outcome<String> {
    let memory = &case.memory;
    let count = memory.patterns().count();
    let beta = match args.draw {
        Draw::Beta => "descended to rest from every query".to_string(),
        Draw::Weights => "one look, nothing descended".to_string(),
        Draw::Attention => format!("beta {}, one step", short(memory.beta())),
        _ => format!("beta {}", short(memory.beta())),
    };
    let mut notes = vec![format!(
        "{}, {count} patterns, {}, {beta}, noise {}",
        case.source,
        memory.separator().name(),
        short(args.noise)
    )];
    match args.draw {
        Draw::Recall => {
            let shown = count.min(ACROSS);
            let data = |state: &[f64]| -> Vec<f32> {
                state.iter().zip(&case.mean).map(|(x, m)| (x * case.length + m) as f32).collect()
            };
            let values: Vec<Vec<f32>> = (0..shown)
                .map(|at| data(memory.patterns().pattern(at)))
                .chain(case.queries[..shown].iter().map(|query| data(query)))
                .chain(found[..shown].iter().map(|(outcome, _)| data(&outcome.value)))
                .collect();
            let (height, width) = case.picture;
            let said = found[..shown].iter().map(|(_, diagnosis)| verdict(diagnosis));
            let names: Vec<String> = vec![String::new(); 2 * shown].into_iter().chain(said).collect();
            let pictures: Vec<Picture<'_>> =
                values.iter().zip(&names).map(|(values, name)| Picture { width, height, values, name }).collect();
            notes.push(verdicts(found));
            if count > shown {
                notes.push(format!("the first {shown} of {count} patterns"));
            }
            let reach = Scale::fit(Spacing::Linear, values[..shown].iter().flatten().map(|&x| f64::from(x)));
            let style = Style { colours: ColourMap::Greys, scale: reach, unit: String::new(), ..Style::default() };
            let rows = ["stored", "query", "retrieved"];
            let title = "Retrieval from noisy queries";
            Ok(Images { title, notes, pictures: &pictures, across: shown, rows: &rows, columns: &[], shared: true }
                .svg(&style)?)
        }
        Draw::Energy => {
            const CURVES: usize = 8;
            if found.len() > CURVES {
                notes.push(format!("the first {CURVES} of {} queries", found.len()));
            }
            let series: Vec<Series> = found
                .iter()
                .take(CURVES)
                .enumerate()
                .map(|(at, (outcome, _))| {
                    let points = outcome.energies.iter().enumerate().map(|(step, &e)| (step as f64, e)).collect();
                    Series::new(format!("query {at}"), points)
                })
                .collect();
            let (x, y) = (Side::new("step"), Side::new("energy"));
            Ok(Lines { title: "Energy during retrieval", notes, x, y, series: &series }.svg()?)
        }
        Draw::Beta => {
            let iteration = Iteration { damping: args.damping, steps: args.steps, ..Iteration::default() };
            let swept = sweep_beta(memory, &BETAS, &case.queries, iteration)?;
            let points = |pick: &dyn Fn(&[f64]) -> f64| -> Vec<(f64, f64)> {
                BETAS
                    .iter()
                    .map(|&beta| {
                        let own: Vec<f64> = swept.iter().filter(|s| s.beta == beta).map(|s| s.effective).collect();
                        (beta, pick(&own))
                    })
                    .collect()
            };
            let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
            let series = [
                Series::new("mean over queries", points(&mean)),
                Series::new("largest", points(&|x| x.iter().copied().fold(0.0, f64::max))),
                Series::new("all patterns", BETAS.iter().map(|&b| (b, count as f64)).collect()).null(),
            ];
            let (x, y) = (Side::new("beta").log(), Side::new("effective patterns, exp(entropy)").log());
            Ok(Lines { title: "What is retrieved: averages, then single patterns", notes, x, y, series: &series }
                .svg()?)
        }
        Draw::Weights => weights_figure(case, args.query, notes),
        Draw::Attention => attention_figure(case, notes),
        Draw::SoftMaximum => soft_maximum_figure(memory.separator()),
    }
}

/// What became of a query, in the room under its picture.
fn verdict(diagnosis: &Diagnosis) -> String {
    match &diagnosis.reason {
        Reason::Retrieved => "retrieved".to_string(),
        Reason::AnotherPattern(other) => format!("failed: {other}"),
        Reason::Metastable(set) => format!("mix of {}", set.len()),
        Reason::GlobalAverage => "mix of all".to_string(),
        Reason::NotSettled => "unsettled".to_string(),
    }
}

/// The verdicts counted, in words.
fn verdicts(found: &[(Descended, Diagnosis)]) -> String {
    let count = |of: &dyn Fn(&Reason) -> bool| found.iter().filter(|(_, d)| of(&d.reason)).count();
    let kinds = [
        (count(&|r| *r == Reason::Retrieved), "retrieved"),
        (
            count(&|r| matches!(r, Reason::Metastable(_) | Reason::GlobalAverage)),
            "metastable: a mix of several patterns",
        ),
        (count(&|r| matches!(r, Reason::AnotherPattern(_))), "failed: another pattern"),
        (count(&|r| *r == Reason::NotSettled), "unsettled"),
    ];
    let said: Vec<String> =
        kinds.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} of {} {what}", found.len())).collect();
    said.join("; ")
}

/// Runs the command.
pub fn run(args: &ModernArgs, common: &Common) -> Outcome {
    if args.draw == Draw::SoftMaximum {
        let unused =
            ["data", "random", "patterns", "scale", "threshold", "beta", "damping", "noise", "steps", "query", "raw"];
        common.refuse_unused(&unused, "--draw soft-maximum, which needs no memory")?;
        return run_soft_maximum(args.separation.separator(), args.output.as_deref(), common.json);
    }
    if args.output.is_none() {
        common.refuse_unused(&["draw"], "nothing to draw into: there is no --output")?;
    }
    if args.draw != Draw::Weights {
        common.refuse_unused(&["query"], "anything but --draw weights")?;
    }
    let case = case(args, common)?;
    let memory = &case.memory;
    if args.query >= case.queries.len() {
        return Err(Error::usage(format!(
            "--query {}: there are {} queries, counted from 0",
            args.query,
            case.queries.len()
        )));
    }
    let iteration = Iteration { damping: args.damping, steps: args.steps, ..Iteration::default() };
    let found = case
        .queries
        .iter()
        .enumerate()
        .map(|(at, query)| {
            let outcome = descend(memory, query, iteration)?;
            let diagnosis = diagnose(memory, at, &outcome)?;
            Ok((outcome, diagnosis))
        })
        .collect::<Outcome<Vec<_>>>()?;
    if let Some(path) = &args.output {
        picture::save_checked(path, |_| figure(args, &case, &found))?;
    }
    if common.json {
        let one = |(at, (outcome, diagnosis)): (usize, &(Descended, Diagnosis))| {
            json!({
                "pattern": at, "retrieved": diagnosis.reason == Reason::Retrieved, "why": why(diagnosis),
                "distance": diagnosis.distance, "nearest": diagnosis.nearest, "separation": diagnosis.separation,
                "wanted_separation": diagnosis.wanted, "wanted_beta": diagnosis.beta, "steps": outcome.steps,
                "residual": outcome.residual, "energies": outcome.energies, "weights": outcome.weights,
            })
        };
        let document = json!({
            "memory": "modern", "source": case.source, "patterns": memory.patterns().count(),
            "features": memory.patterns().width(), "beta": memory.beta(), "separation": memory.separator().name(),
            "damping": args.damping, "noise": args.noise, "seed": common.seed, "sure_patterns": sure(memory),
            "retrievals": found.iter().enumerate().map(one).collect::<Vec<_>>(),
        });
        print(&format!("{document}\n"));
        return Ok(());
    }
    let kind = if args.raw { "as they are" } else { "centred, of mean length 1" };
    print(&format!(
        "Modern Hopfield memory of {} patterns of {} features ({kind}), {}, beta {}: {}\n\
         noise {} in every feature; the energy falls with every step\n\n{}",
        memory.patterns().count(),
        memory.patterns().width(),
        memory.separator().name(),
        short(memory.beta()),
        case.source,
        short(args.noise),
        table(&found, &case.queries, memory) + &theorem(memory)
    ));
    Ok(())
}
