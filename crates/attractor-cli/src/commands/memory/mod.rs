//! `attractor memory ...`: what an associative memory stores and recalls.

pub mod anneal;
pub mod boltzmann;
pub mod capacity;
mod data;
pub mod dense;
mod document;
pub mod hopfield;
pub mod landscape;
pub mod modern;
mod recall;

pub use data::Data;
use document::document;

use clap::Subcommand;

use super::rbm::likelihood::{self, Likelihood};
use crate::args::Common;
use crate::console::{print, work};
use crate::error::Outcome;

#[derive(Debug, Subcommand)]
pub enum Memory {
    /// Patterns stored by a learning rule, and recalled from corrupted cues
    Hopfield(Box<hopfield::Hopfield>),
    /// Dense associative memory: steeper energies hold more patterns
    Dense(Box<dense::Dense>),
    /// Modern Hopfield memory of real patterns: attention as retrieval
    Modern(Box<modern::ModernArgs>),
    /// Simulated annealing: the lowest energy of a glass, the largest cut of a graph
    Anneal(Box<anneal::Anneal>),
    /// What a memory is at a temperature: Boltzmann's law, firing probabilities, samples
    Boltzmann(Box<boltzmann::Boltzmann>),
    /// Energy as a landscape: balls that roll in one dimension, the memories' valleys in two
    Landscape(Box<landscape::Landscape>),
    /// How much a memory of random patterns holds, beside what theory says
    Capacity(Box<capacity::Capacity>),
    /// How likely data are under a restricted Boltzmann machine: exact, and between two estimates
    Likelihood(Box<Likelihood>),
}

/// Runs the command.
pub fn run(memory: &Memory, common: &Common) -> Outcome {
    print(&work(common, |context| match memory {
        Memory::Hopfield(hopfield) => hopfield::run(hopfield, common, context),
        Memory::Dense(dense) => dense::run(dense, common, context),
        Memory::Modern(modern) => modern::run(modern, common, context),
        Memory::Anneal(anneal) => anneal::run(anneal, common, context),
        Memory::Boltzmann(boltzmann) => boltzmann::run(boltzmann, common, context),
        Memory::Landscape(landscape) => landscape::run(landscape, common, context),
        Memory::Capacity(capacity) => capacity::run(capacity, common, context),
        Memory::Likelihood(args) => likelihood::run(args, common, context),
    })?);
    Ok(())
}
