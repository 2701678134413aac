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

use attractor::settle::Frames;
use attractor_render::figures::images::{Images, Picture};
use attractor_render::figures::moving::Moving;
use clap::Subcommand;

use super::rbm::likelihood::{self, Likelihood};
use crate::args::Common;
use crate::console::percent;
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
    match memory {
        Memory::Hopfield(hopfield) => hopfield::run(hopfield, common),
        Memory::Dense(dense) => dense::run(dense, common),
        Memory::Modern(modern) => modern::run(modern, common),
        Memory::Anneal(anneal) => anneal::run(anneal, common),
        Memory::Boltzmann(boltzmann) => boltzmann::run(boltzmann, common),
        Memory::Landscape(landscape) => landscape::run(landscape, common),
        Memory::Capacity(capacity) => capacity::run(capacity, common),
        Memory::Likelihood(args) => likelihood::run(args, common),
    }
}

pub use attractor_render::memories::spins::ink;

/// States of a recall that are shown at most.
const FRAMES: usize = 120;

/// What a cue is, in words.
fn cue(recall: &recall::Recall) -> String {
    match recall.mask > 0.0 {
        true => format!("cues with the last {} of the units unknown", percent(recall.mask)),
        false => format!("cues with {} of the units turned round", percent(recall.noise)),
    }
}

/// A recall that moves, or, where pictures do not, its states side by side.
fn moving(
    frames: &Frames,
    stored: &attractor_data::patterns::Stored,
    title: &str,
    mut notes: Vec<String>,
    ending: &str,
) -> Outcome<String> {
    /// States side by side.
    const STILLS: usize = 12;
    let (height, width) = stored.picture;
    let count = frames.states.len();
    if frames.left_out > 0 {
        notes.push(format!("{} states before the last are left out", frames.left_out));
    }
    if ending == "svg" {
        let states: Vec<Vec<f32>> = frames.states.iter().map(ink).collect();
        let (size, numbers) = ((width, height), &frames.energies);
        return Ok(Moving { title, notes, size, frames: &states, numbers, unit: "energy" }.svg(&recall::style())?);
    }
    // As evenly spread as whole numbers are, the first and the last among them.
    let shown = count.min(STILLS);
    let chosen: Vec<usize> = (0..shown).map(|i| i * (count - 1) / (shown - 1).max(1)).collect();
    let values: Vec<Vec<f32>> = chosen.iter().map(|&at| ink(&frames.states[at])).collect();
    let names: Vec<String> = chosen.iter().map(|&at| format!("E {:.2}", frames.energies[at])).collect();
    let pictures: Vec<Picture<'_>> =
        values.iter().zip(&names).map(|(values, name)| Picture { width, height, values, name }).collect();
    let across = shown.min(6);
    Ok(Images { title, notes, pictures: &pictures, across, rows: &[], columns: &[], shared: false }
        .svg(&recall::style())?)
}
