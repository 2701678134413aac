//! Rows of data completed or restored by a machine, and a chain of contrastive divergence from one of them.

use attractor::random::Philox;
use attractor::sample::rbm::{Rows, generate};
use attractor_data::Samples;

use super::against::{self, Wrong};
use super::generate::{Against, GenerateRbm};
use super::made::Made;
use crate::console::{counted, percent};
use crate::error::Outcome;
use attractor::Error;
use attractor_data::Machine as Stored;

/// Rows as rows.
pub fn rows_of(values: &[f32], width: usize) -> Vec<Vec<f32>> {
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

/// Rows of the machine's size: those that the data hold out from training, or all if they name none.
pub fn given(source: &str, args: &GenerateRbm, stored: &Stored) -> Outcome<Samples> {
    let samples = stored.fitting(Samples::read(source)?, args.threshold)?;
    let few: Vec<usize> = if samples.test.is_empty() { (0..samples.count).collect() } else { samples.test.clone() };
    Ok(samples.chosen(&few[..few.len().min(args.samples)]))
}

/// Chains at each of eight temperatures that restore a noisy row.
const CHAINS: usize = 16;

/// What the machine is shown of rows.
struct Cues {
    /// Every row as chains start from it.
    rows: Vec<Vec<f32>>,
    /// Units that are as they were; none where any may be wrong.
    known: Vec<bool>,
    /// In words.
    name: &'static str,
    note: String,
    /// Share of the units that were turned round.
    flipped: Option<f64>,
}

impl Cues {
    /// The last units unknown.
    fn masked(samples: &Samples, mask: f64, seed: u64) -> Outcome<Self> {
        if !(0.0..=1.0).contains(&mask) {
            return Err(Error::usage(format!("--mask {mask}: give a share from 0 to 1")));
        }
        let n = samples.features;
        let known_units = n - (mask * n as f64).round() as usize;
        if known_units == n {
            return Err(Error::usage(format!("--mask {mask}: of {n} units it frees none; give more")));
        }
        let known: Vec<bool> = (0..n).map(|unit| unit < known_units).collect();
        let cue = |row: usize| {
            let mut random = Philox::new(seed, row as u64);
            let start = samples.row(row).iter().zip(&known);
            start.map(|(&x, &known)| if known { x } else { (random.next_u32() & 1) as f32 }).collect()
        };
        let note = format!("the last {} of the units unknown", percent(mask));
        Ok(Self { rows: (0..samples.count).map(cue).collect(), known, name: "known", note, flipped: None })
    }

    /// A share of the units, chosen at random in each row, turned round.
    fn noisy(samples: &Samples, noise: f64, seed: u64) -> Outcome<Self> {
        if !(noise > 0.0 && noise < 0.5) {
            return Err(Error::usage(format!(
                "--noise {noise}: give a share between 0 and 0.5; from one half on rows say nothing, or the opposite"
            )));
        }
        let n = samples.features;
        let wrong = ((noise * n as f64).round() as usize).max(1);
        let cue = |row: usize| {
            let mut cue = samples.row(row).to_vec();
            let order = Philox::new(seed, row as u64).permutation(n);
            order[..wrong].iter().for_each(|&unit| cue[unit] = 1.0 - cue[unit]);
            cue
        };
        let note = format!("{} of {n} units turned round", wrong);
        let (rows, flipped) = ((0..samples.count).map(cue).collect(), Some(wrong as f64 / n as f64));
        Ok(Self { rows, known: vec![false; n], name: "noisy", note, flipped })
    }

    /// As they are drawn: what is not known is grey.
    fn drawn(&self) -> Vec<Vec<f32>> {
        let seen = |row: &Vec<f32>| match self.flipped.is_none() {
            true => row.iter().zip(&self.known).map(|(&x, &known)| if known { x } else { 0.5 }).collect(),
            false => row.clone(),
        };
        self.rows.iter().map(seen).collect()
    }
}

/// Bits, whose errors can be counted.
fn check_bits(stored: &Stored, samples: &Samples, option: &str) -> Outcome {
    if stored.rbm.visible().variance().is_some() {
        return Err(Error::usage(format!(
            "{option}: bits are compared; this machine has real numbers as visible units"
        )));
    }
    match samples.values.iter().position(|&x| x != 0.0 && x != 1.0) {
        None => Ok(()),
        Some(at) => Err(Error::usage(format!(
            "{option}: row {}, unit {} is {}; only bits can be right or wrong: cut the rows with --threshold",
            at / samples.features,
            at % samples.features,
            samples.values[at]
        ))),
    }
}

/// Rows completed, or restored from noise.
pub fn completed(args: &GenerateRbm, stored: &Stored, samples: &Samples, seed: u64) -> Outcome<Made> {
    let n = samples.features;
    if args.noise.is_some() {
        check_bits(stored, samples, "--noise")?;
    }
    if args.against.is_some() {
        check_bits(stored, samples, "--against")?;
    }
    let cues = match args.noise {
        Some(noise) => Cues::noisy(samples, noise, seed)?,
        None => Cues::masked(samples, args.mask, seed)?,
    };
    let flat = cues.rows.concat();
    let rows = Rows::new(&flat, n)?;
    let answer = match cues.flipped {
        Some(flipped) => {
            let temperatures: Vec<f32> = (0..8).map(|i| i as f32 / 7.0).collect();
            let (base, temperatures) = (&stored.base[..], &temperatures[..]);
            let how = generate::Denoising { flipped, base, temperatures, chains: CHAINS, steps: args.steps, seed };
            generate::denoise(&stored.rbm, rows, &how)?
        }
        None => generate::complete(&stored.rbm, rows, &cues.known, args.steps, args.steps / 2, seed)?,
    };
    let (values, across) = (rows_of(&answer, n), samples.count.min(10));
    let data = rows_of(&samples.values, n);
    let made = if args.noise.is_some() { "restored" } else { "completed" };
    let mut shown = [&data[..across], &cues.drawn()[..across], &values[..across]].concat();
    let mut names = vec!["given", cues.name, made];
    let how = if args.noise.is_some() { "steps of chains at eight temperatures" } else { "Gibbs steps" };
    let mut notes = vec![format!("{}, {} {how}", cues.note, args.steps)];
    let mut wrong = Vec::new();
    if let Some(Against::Hopfield) = args.against {
        let recalled = against::recalled(&data, &cues.rows, &cues.known, args.rule, seed)?;
        let held = |row: &Vec<f32>| row.iter().zip(&cues.known).map(|(&x, &k)| if k { x } else { 0.0 }).collect();
        let nothing: Vec<Vec<f32>> = data.iter().map(held).collect();
        let stores = counted(data.len(), "row");
        let hopfield = format!("Hopfield, {}, which stores these {stores}", args.rule.rule(seed).name());
        wrong.push(Wrong::new("machine", &values, &data, &cues.known));
        wrong.push(Wrong::new(hopfield, &recalled, &data, &cues.known));
        wrong.push(Wrong::new("all zeros", &nothing, &data, &cues.known));
        if args.noise.is_some() {
            wrong.push(Wrong::new("the noisy rows themselves", &cues.rows, &data, &cues.known));
        }
        notes.extend(wrong.iter().map(Wrong::words));
        shown.extend(recalled[..across].iter().chain(&nothing[..across]).cloned());
        names = vec!["given", cues.name, "machine", "Hopfield", "zeros"];
    }
    if across < samples.count {
        notes.push(format!("drawn are the first {across} of {} rows", samples.count));
    }
    let title = match (args.against, args.noise) {
        (Some(Against::Hopfield), None) => "The same rows completed by a machine, a Hopfield network and zeros",
        (Some(Against::Hopfield), Some(_)) => "The same noisy rows restored by a machine, a Hopfield network and zeros",
        (None, None) => "Completion of what is missing",
        (None, Some(_)) => "Noisy rows restored",
    };
    Ok(Made { title: title.to_string(), notes, rows: names, columns: Vec::new(), across, shown, values, wrong })
}

/// Every half-step of a chain: what it starts from, what the hidden units make of it, and what comes back.
pub fn chained(steps: usize, stored: &Stored, samples: &Samples, seed: u64) -> Outcome<Made> {
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
