//! `attractor generate rbm`: what a machine dreams, and how it completes what is missing.

use std::path::PathBuf;

use attractor::random::Philox;
use attractor::sample::rbm::{Rows, generate};
use attractor_capture::Samples;
use attractor_capture::training::{Checkpoint, Numbers};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::against::{self, Wrong};
use super::pictures;
use super::store::Stored;
use crate::args::{Common, MOST_BYTES};
use crate::commands::memory::hopfield::RuleName;
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
    /// Complete them by another memory too, and by nothing at all, from the same cues: how much of what was unknown is wrong
    #[arg(long, value_enum, requires = "complete", conflicts_with = "chain")]
    pub against: Option<Against>,
    /// How the Hopfield network of --against stores the rows
    #[arg(long, value_enum, default_value_t = RuleName::Hebb, requires = "against")]
    pub rule: RuleName,
    /// One chain of contrastive divergence from the first of those rows, step by step: so many steps
    #[arg(long, value_name = "STEPS", requires = "complete")]
    pub chain: Option<usize>,
    /// Draw the machine itself instead: its layers and the weights between them
    #[arg(long, value_enum, conflicts_with = "complete")]
    pub draw: Option<Draw>,
    /// Where it goes: a picture (.svg, .png, .pdf), .csv or .safetensors
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

/// What was made: rows of pictures, each named.
struct Made {
    title: String,
    notes: Vec<String>,
    rows: Vec<&'static str>,
    columns: Vec<String>,
    across: usize,
    /// All of the picture; hidden states are squares of their own.
    shown: Vec<Vec<f32>>,
    /// The answer alone.
    values: Vec<Vec<f32>>,
    /// How wrong it is, beside others.
    wrong: Vec<Wrong>,
}

fn rows_of(values: &[f32], width: usize) -> Vec<Vec<f32>> {
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

/// Rows of the machine's size: those that the data hold out from training, or all if they name none.
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
    let missing = |row: &Vec<f32>| row.iter().zip(&known).map(|(&x, &known)| if known { x } else { 0.5 }).collect();
    let data = rows_of(&samples.values, n);
    let mut shown = data[..across].to_vec();
    shown.extend(data[..across].iter().map(missing));
    shown.extend(values[..across].iter().cloned());
    let mut rows = vec!["given", "known", "completed"];
    let mut notes =
        vec![format!("the last {:.0} % of the units unknown, {} Gibbs steps", 100.0 * args.mask, args.steps)];
    let mut wrong = Vec::new();
    if args.against.is_some() {
        if stored.rbm.visible().variance().is_some() {
            return Err(Failure::usage("--against: bits are compared; this machine has real numbers as visible units"));
        }
        if known_units == n {
            return Err(Failure::usage(format!("--against: with --mask {} no unit is unknown; give more", args.mask)));
        }
        let recalled = against::recalled(&data, &rows_of(&cues, n), &known, args.rule, seed)?;
        let nothing: Vec<Vec<f32>> = data
            .iter()
            .map(|row| row.iter().zip(&known).map(|(&x, &known)| if known { x } else { 0.0 }).collect())
            .collect();
        let hopfield =
            format!("Hopfield, {}, which stores these {}", args.rule.rule(seed).name(), counted(data.len(), "row"));
        wrong.push(Wrong::new("machine", &values, &data, &known));
        wrong.push(Wrong::new(hopfield, &recalled, &data, &known));
        wrong.push(Wrong::new("all zeros", &nothing, &data, &known));
        notes.extend(wrong.iter().map(Wrong::words));
        shown.extend(recalled[..across].iter().chain(&nothing[..across]).cloned());
        rows = vec!["given", "known", "machine", "Hopfield", "zeros"];
    }
    if across < samples.count {
        notes.push(format!("drawn are the first {across} of {} rows", samples.count));
    }
    let title = match args.against {
        Some(Against::Hopfield) => "The same halves completed by a machine, a Hopfield network and zeros",
        None => "Completion of what is missing",
    };
    Ok(Made { title: title.to_string(), notes, rows, columns: Vec::new(), across, shown, values, wrong })
}

/// Every half-step of a chain: what it starts from, what the hidden units make of it, and what comes back.
fn chained(steps: usize, stored: &Stored, samples: &Samples, seed: u64) -> Outcome<Made> {
    /// Steps that have room beside each other.
    const ACROSS: usize = 8;
    let n = samples.features;
    let chain = generate::chain(&stored.rbm, Rows::new(samples.row(0), n)?, steps, seed)?;
    let states: Vec<Vec<f32>> =
        std::iter::once(samples.row(0).to_vec()).chain(chain.iter().map(|step| step.visible.clone())).collect();
    let across = chain.len().min(ACROSS);
    let parts: [Vec<Vec<f32>>; 5] = [
        states[..across].to_vec(),
        chain[..across].iter().map(|step| step.hidden_probability.clone()).collect(),
        chain[..across].iter().map(|step| step.hidden.clone()).collect(),
        chain[..across].iter().map(|step| step.visible_mean.clone()).collect(),
        chain[..across].iter().map(|step| step.visible.clone()).collect(),
    ];
    let mut notes = vec![format!(
        "from the data, {} down the columns; CD-k learns from the first v with its h, and the last",
        counted(steps, "step")
    )];
    if across < chain.len() {
        notes.push(format!("drawn are the first {across}"));
    }
    Ok(Made {
        title: "Contrastive divergence, step by step".to_string(),
        notes,
        rows: vec!["v", "p(h = 1 | v)", "h", "p(v = 1 | h)", "next v"],
        columns: (1..=across).map(|step| format!("step {step}")).collect(),
        across,
        shown: parts.concat(),
        values: states,
        wrong: Vec::new(),
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
    if args.draw == Some(Draw::Architecture) {
        let path = args.output.as_ref().filter(|path| picture::is_picture(&picture::ending(path)));
        let path =
            path.ok_or_else(|| Failure::usage("--draw architecture: a picture; name an --output .svg, .png or .pdf"))?;
        return picture::save_checked(path, |_| pictures::architecture(&stored.rbm));
    }
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
        let wrong = made.wrong.iter().map(Wrong::json).collect::<Vec<_>>();
        let mut document = json!({ "values": made.values, "seed": common.seed });
        if !wrong.is_empty() {
            document["against"] = json!(wrong);
        }
        print(&format!("{document}\n"));
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
            let Made { title, notes, rows, columns, .. } = &made;
            pictures::states(&made.shown, stored.picture, title, notes.clone(), (rows, columns), made.across)
        })?,
    }
    if common.json {
        let wrong = made.wrong.iter().map(Wrong::json).collect::<Vec<_>>();
        let mut document = json!({ "output": path, "count": made.values.len(), "seed": common.seed });
        if !wrong.is_empty() {
            document["against"] = json!(wrong);
        }
        print(&format!("{document}\n"));
    } else if !common.quiet {
        let wrong: String = made.wrong.iter().map(|wrong| wrong.words() + "\n").collect();
        print(&format!("{wrong}{}: {}\n", path.display(), counted(made.values.len(), "state")));
    }
    Ok(())
}
