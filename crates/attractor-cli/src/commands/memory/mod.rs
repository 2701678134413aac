//! `attractor memory ...`: what an associative memory stores and recalls.

pub mod anneal;
pub mod boltzmann;
pub mod capacity;
mod data;
pub mod dense;
pub mod hopfield;
pub mod landscape;
pub mod likelihood;
pub mod modern;
mod recall;

pub use data::Data;

use attractor_session::{Context, Error};
use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use crate::args::Common;
use crate::console::{print, work};
use crate::error::Outcome;

#[derive(Debug, Subcommand)]
pub enum Memory {
    /// Patterns stored by a learning rule, and recalled from corrupted cues
    Hopfield(Box<hopfield::Hopfield>),
    /// Dense associative memory: a steeper energy stores more patterns
    Dense(Box<dense::Dense>),
    /// Modern (continuous) Hopfield network: attention as retrieval
    Modern(Box<modern::ModernArgs>),
    /// Simulated annealing: the ground state of a spin glass, the maximum cut of a graph
    Anneal(Box<anneal::Anneal>),
    /// A memory at finite temperature: Boltzmann distribution, firing probabilities, samples
    Boltzmann(Box<boltzmann::Boltzmann>),
    /// Energy landscapes: a ball rolling downhill in one dimension, basins of attraction in two
    Landscape(Box<landscape::Landscape>),
    /// Storage capacity for random patterns, compared with theory
    Capacity(Box<capacity::Capacity>),
    /// Log-likelihood of data under a restricted Boltzmann machine: exact, and bracketed by forward and reverse AIS
    Likelihood(Box<likelihood::LikelihoodArgs>),
}

/// What a command answers: for machines, and for readers.
pub type Answer = (Value, String);

/// What the library answered, and what only the command knows: which command it is, where the data came from.
fn document(answer: &impl Serialize, about: &[(&str, &str)]) -> Outcome<Value> {
    let mut document = serde_json::to_value(answer)
        .map_err(|error| Error::format(format!("the answer is not JSON: {error}")).because(error))?;
    about.iter().for_each(|&(key, value)| document[key] = value.into());
    Ok(document)
}

/// Runs a job and prints one of its two answers.
pub fn answer(common: &Common, job: impl FnOnce(&Context<'_>) -> Outcome<Answer> + Send) -> Outcome {
    let (document, text) = work(common, job)?;
    print(&if common.json { format!("{document}\n") } else { text });
    Ok(())
}

/// Runs the command.
pub fn run(memory: &Memory, common: &Common) -> Outcome {
    answer(common, |context| match memory {
        Memory::Hopfield(args) => hopfield::run(args, common, context),
        Memory::Dense(args) => dense::run(args, context),
        Memory::Modern(args) => modern::run(args, common, context),
        Memory::Anneal(args) => anneal::run(args, common, context),
        Memory::Boltzmann(args) => boltzmann::run(args, common, context),
        Memory::Landscape(args) => landscape::run(args, common, context),
        Memory::Capacity(args) => capacity::run(args, context),
        Memory::Likelihood(args) => likelihood::run(args, common, context),
    })
}
