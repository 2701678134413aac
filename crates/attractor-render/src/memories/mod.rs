//! Figures of memories and machines, each from the typed result of its experiment.

pub mod annealing;
pub mod attention;
pub mod boltzmann;
pub mod capacity;
pub mod hopfield;
pub mod landscape;
pub mod modern;
pub mod rbm;
pub mod recall;

use attractor::pattern::{Spins, StoredPatterns};

use crate::canvas::colour::ColourMap;
use crate::canvas::scale::Scale;
use crate::figures::heatmap::Style;

/// The patterns that a figure shows, as pictures.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    /// What is stored.
    pub patterns: &'a StoredPatterns,
    /// Rows and columns of a pattern.
    pub picture: (usize, usize),
    /// Where the patterns came from.
    pub source: String,
}

/// How states of +1 and -1 are drawn: +1 dark on white.
pub fn style() -> Style {
    let scale = Scale::linear(-1.0, 1.0).unwrap_or(Scale::unit());
    Style { colours: ColourMap::Greys, scale, unit: String::new(), ..Style::default() }
}

/// A state as grey values, +1 dark, as ink is.
pub fn ink(state: &Spins) -> Vec<f32> {
    state.to_signs().into_iter().map(f32::from).collect()
}
