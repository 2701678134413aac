//! What a restricted Boltzmann machine makes: samples, a chain step by step, rows completed or restored.

use std::path::{Path, PathBuf};

use attractor::learn::Standard;
use attractor::sample::rbm::completion::{Completed, Completion};
use attractor::sample::rbm::sampling::{Chained, Sampled, Sampling, chained};
use attractor::{Context, Error, Result};
use attractor_data::files::{Durability, write_whole};
use attractor_data::machine::write_states;
use attractor_data::patterns::Source;
use serde::Serialize;

pub use attractor::sample::rbm::completion::Cue;
pub use attractor_data::Machine;

/// Rows that a machine is shown.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Where they are; of data that name rows for tests, those.
    pub source: Source,
    /// The first so many rows, from 1.
    pub most: usize,
}

/// What is made.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Samples.
    Samples(Sampling),
    /// One chain of contrastive divergence from the first row, every step kept.
    Chain {
        /// Where it starts.
        rows: Rows,
        /// Its steps, from 1.
        steps: usize,
    },
    /// Rows completed or restored.
    Completion {
        /// Which rows.
        rows: Rows,
        /// What the machine is shown of them.
        cue: Cue,
        /// Gibbs steps of each chain, from 1.
        steps: usize,
        /// Compare with a Hopfield network that stores these rows by this rule.
        against: Option<Standard>,
    },
}

/// What is made, by which machine.
#[derive(Debug, Clone)]
pub struct Options {
    /// A folder of a training, its rbm.safetensors, or a `BernoulliRBM` of scikit-learn; `None`: the one that is built in.
    pub model: Option<PathBuf>,
    /// What is made.
    pub wanted: Wanted,
}

impl Options {
    /// Refuses what no machine can be asked for.
    ///
    /// # Errors
    /// `is_usage`.
    pub fn check(&self) -> Result<()> {
        let (rows, steps) = match &self.wanted {
            Wanted::Samples(sampling) => (sampling.samples, sampling.steps),
            Wanted::Chain { rows, steps } => (rows.most, *steps),
            Wanted::Completion { rows, steps, .. } => (rows.most, *steps),
        };
        match (rows, steps) {
            (0, _) => Err(Error::option("samples", 0, "give at least 1")),
            (_, 0) => Err(Error::option("steps", 0, "give at least 1")),
            _ => Ok(()),
        }
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Made {
    /// Samples.
    Samples(Sampled),
    /// A chain.
    Chain(Chained),
    /// Rows completed or restored.
    Completion(Completed),
}

/// What was made, and the machine that made it.
#[derive(Debug, Clone, Serialize)]
pub struct Generated {
    /// What was made.
    #[serde(flatten)]
    pub made: Made,
    /// The machine.
    #[serde(skip)]
    pub machine: Machine,
}

impl Generated {
    /// Visible states, or their means, one each.
    pub fn values(&self) -> &[Vec<f32>] {
        match &self.made {
            Made::Samples(found) => &found.values,
            Made::Chain(found) => &found.values,
            Made::Completion(found) => &found.values,
        }
    }

    /// Writes the states alone as numbers: a line each, or safetensors with seed and steps.
    ///
    /// # Errors
    /// `is_io`.
    pub fn write(&self, path: &Path, format: Format) -> Result<()> {
        let (seed, steps) = match &self.made {
            Made::Samples(found) => (found.seed, found.steps),
            Made::Chain(found) => (found.seed, found.chain),
            Made::Completion(found) => (found.seed, found.steps),
        };
        match format {
            Format::Csv => {
                let line = |row: &Vec<f32>| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",") + "\n";
                let lines: String = self.values().iter().map(line).collect();
                write_whole(path, lines.as_bytes(), Durability::Process)
            }
            Format::Safetensors => write_states(path, self.values(), &About { seed, steps }),
        }
    }
}

/// How states are written as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values, a line per state.
    Csv,
    /// An array of states x units.
    Safetensors,
}

/// What a file of states says of them.
#[derive(Serialize)]
struct About {
    seed: u64,
    steps: usize,
}

/// Makes it.
///
/// # Errors
/// `is_usage` for what this machine cannot be asked for; `is_budget`; `is_interrupted`; what reading answers.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Generated> {
    options.check()?;
    let machine = Machine::open(options.model.as_deref())?;
    let (rbm, base) = (&machine.rbm, &machine.base[..]);
    let read = |rows: &Rows| machine.held_out(&rows.source, rows.most, context);
    let mut made = match &options.wanted {
        Wanted::Samples(sampling) => Made::Samples(sampling.run(rbm, base, context)?),
        Wanted::Chain { rows, steps } => Made::Chain(chained(rbm, read(rows)?.row(0), *steps, context)?),
        &Wanted::Completion { ref rows, cue, steps, against } => {
            let against = against.map(|rule| rule.rule(context.seed()));
            let samples = read(rows)?;
            Made::Completion(Completion { cue, steps, against }.run(rbm, base, samples.rows()?, context)?)
        }
    };
    machine.in_data_units(match &mut made {
        Made::Samples(found) => &mut found.values,
        Made::Chain(found) => &mut found.values,
        Made::Completion(found) => {
            machine.in_data_units(&mut found.given);
            machine.in_data_units(&mut found.cues);
            &mut found.values
        }
    });
    Ok(Generated { made, machine })
}
