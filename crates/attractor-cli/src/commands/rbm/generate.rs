//! `attractor generate rbm`: what a machine dreams, and how it completes what is missing.

use std::path::PathBuf;

use attractor::random::Philox;
use attractor::sample::rbm::{Rows, generate};
use attractor_capture::Samples;
use attractor_capture::training::{Checkpoint, Numbers};
use clap::{Args, Subcommand};
use serde_json::json;

use super::pictures;
use super::store::Stored;
use crate::args::{Common, MOST_BYTES};
use crate::console::{counted, print, write};
use crate::error::{Failure, Outcome};
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
    pub model: PathBuf,
    /// How many
    #[arg(long, default_value_t = 50)]
    pub samples: usize,
    /// Gibbs steps
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
    /// Plain Gibbs chains; else chains at eight temperatures that change places, which get out of modes
    #[arg(long, conflicts_with = "complete")]
    pub gibbs: bool,
    /// States as they were drawn; else the means of the visible units in the last step
    #[arg(long, conflicts_with = "complete")]
    pub drawn: bool,
    /// Complete these rows instead: a file, a folder of .png, or digits, glyphs-5, glyphs-8
    #[arg(long, value_name = "SOURCE")]
    pub complete: Option<String>,
    /// Share of the units that is unknown in rows to complete, the last ones
    #[arg(long, default_value_t = 0.5, requires = "complete")]
    pub mask: f64,
    /// Numbers above it are 1, in rows to complete
    #[arg(long, requires = "complete")]
    pub threshold: Option<f32>,
    /// One chain of contrastive divergence from the first of those rows, step by step: so many steps
    #[arg(long, value_name = "STEPS", requires = "complete")]
    pub chain: Option<usize>,
    /// Where it goes: a picture (.svg, .png, .pdf), .csv or .safetensors
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

/// What was made: rows of pictures, each named.
struct Made {
    title: String,
    notes: Vec<String>,
    rows: Vec<&'static str>,
    across: usize,
    /// All of the picture.
    shown: Vec<Vec<f32>>,
    /// The answer alone.
    values: Vec<Vec<f32>>,
}

fn rows_of(values: &[f32], width: usize) -> Vec<Vec<f32>> {
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

fn given(source: &str, args: &GenerateRbm, stored: &Stored) -> Outcome<Samples> {
    let samples = Samples::read(source)?;
    let threshold = args.threshold.or((samples.source == "digits").then_some(7.5 / 16.0));
    let samples = match threshold {
        Some(threshold) if stored.rbm.visible().variance().is_none() => samples.binary(threshold),
        _ => samples,
    };
    if samples.features != stored.rbm.visible_units() {
        return Err(Failure::usage(format!(
            "{source}: rows of {} numbers for a machine of {} visible units; give rows of its size",
            samples.features,
            stored.rbm.visible_units()
        )));
    }
    let few: Vec<usize> = if samples.test.is_empty() { (0..samples.count).collect() } else { samples.test.clone() };
    Ok(samples.chosen(&few[..few.len().min(args.samples)]))
}

fn completed(args: &GenerateRbm, stored: &Stored, samples: &Samples, seed: u64) -> Outcome<Made> {
    if !(0.0..=1.0).contains(&args.mask) {
        return Err(Failure::usage(format!("--mask {}: give a share from 0 to 1", args.mask)));
    }
    let n = samples.features;
    let known_units = n - (args.mask * n as f64).round() as usize;
    let known: Vec<bool> = (0..n).map(|unit| unit < known_units).collect();
    let cues: Vec<f32> = (0..samples.count)
        .flat_map(|row| {
            let mut random = Philox::new(seed, row as u64);
            let start = samples.row(row).iter().zip(&known);
            start.map(|(&x, &known)| if known { x } else { (random.next_u32() & 1) as f32 }).collect::<Vec<_>>()
        })
        .collect();
    let answer = generate::complete(&stored.rbm, Rows::new(&cues, n)?, &known, args.steps, args.steps / 2, seed)?;
    let (values, across) = (rows_of(&answer, n), samples.count.min(10));
    let missing =
        |row: usize| samples.row(row).iter().zip(&known).map(|(&x, &known)| if known { x } else { 0.5 }).collect();
    let mut shown: Vec<Vec<f32>> = (0..across).map(|row| samples.row(row).to_vec()).collect();
    shown.extend((0..across).map(missing));
    shown.extend(values[..across].iter().cloned());
    Ok(Made {
        title: "Completion of what is missing".to_string(),
        notes: vec![format!("the last {:.0} % of the units unknown, {} Gibbs steps", 100.0 * args.mask, args.steps)],
        rows: vec!["given", "known", "completed"],
        across,
        shown,
        values,
    })
}

fn chained(steps: usize, stored: &Stored, samples: &Samples, seed: u64) -> Outcome<Made> {
    let n = samples.features;
    let chain = generate::chain(&stored.rbm, Rows::new(samples.row(0), n)?, steps, seed)?;
    let means: Vec<Vec<f32>> =
        std::iter::once(samples.row(0).to_vec()).chain(chain.iter().map(|step| step.visible_mean.clone())).collect();
    let states: Vec<Vec<f32>> =
        std::iter::once(samples.row(0).to_vec()).chain(chain.iter().map(|step| step.visible.clone())).collect();
    Ok(Made {
        title: "A chain of contrastive divergence".to_string(),
        notes: vec![format!("from the data (left), {}", counted(steps, "step"))],
        rows: vec!["means", "drawn"],
        across: means.len(),
        shown: means.iter().chain(&states).cloned().collect(),
        values: states,
    })
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
    let values = rows_of(&values, n);
    let how = if args.gibbs { "Gibbs chains" } else { "chains at eight temperatures" };
    Ok(Made {
        title: "What the machine dreams".to_string(),
        notes: vec![format!("{how}, {} each", counted(args.steps, "step"))],
        rows: Vec::new(),
        across: 10,
        shown: values.iter().take(100).cloned().collect(),
        values,
    })
}

/// Runs the command.
pub fn run(args: &GenerateRbm, common: &Common) -> Outcome {
    if args.samples == 0 {
        return Err(Failure::usage("--samples 0: give at least 1"));
    }
    match &args.output {
        Some(path) if !["csv", "safetensors"].contains(&picture::ending(path).as_str()) => {
            picture::checked(path)
                .map_err(|e| Failure::usage(format!("{e}; or .csv or .safetensors for numbers", e = e.message)))?;
        }
        None if !common.json => {
            return Err(Failure::usage(
                "there is no --output: name a picture (.svg, .png, .pdf), .csv or .safetensors, or print --json",
            ));
        }
        _ => {}
    }
    let stored = Stored::read(&args.model)?;
    // Chains at eight temperatures, visible and hidden, and what is kept of them.
    let width = (stored.rbm.visible_units() + stored.rbm.hidden_units()) as u64;
    let bytes = (args.samples as u64).max(args.chain.unwrap_or(0) as u64).saturating_mul(64 * width);
    if bytes > MOST_BYTES {
        return Err(Failure::usage(format!(
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
    let Some(path) = &args.output else {
        print(&format!("{}\n", json!({ "values": made.values, "seed": common.seed })));
        return Ok(());
    };
    let ending = picture::ending(path);
    match ending.as_str() {
        "csv" => {
            let line = |row: &Vec<f32>| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",") + "\n";
            write(path, made.values.iter().map(line).collect::<String>().as_bytes())?;
        }
        "safetensors" => {
            let mut file =
                Checkpoint { about: json!({ "seed": common.seed, "steps": args.steps }), ..Checkpoint::default() };
            let shape = [made.values.len(), stored.rbm.visible_units()];
            file.put("samples", &shape, Numbers::F32(made.values.concat()));
            file.write(path)?;
        }
        _ => picture::save_checked(path, |_| {
            pictures::states(&made.shown, stored.picture, &made.title, made.notes.clone(), &made.rows, made.across)
        })?,
    }
    if common.json {
        print(&format!("{}\n", json!({ "output": path, "count": made.values.len(), "seed": common.seed })));
    } else if !common.quiet {
        print(&format!("{}: {}\n", path.display(), counted(made.values.len(), "state")));
    }
    Ok(())
}
