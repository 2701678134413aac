//! States of +1 and -1 as pictures.

use attractor::pattern::Spins;

use crate::canvas::colour::ColourMap;
use crate::canvas::scale::Scale;
use crate::figures::heatmap::Style;

/// A state as grey values: +1 dark, as ink is.
pub fn ink(state: &Spins) -> Vec<f32> {
    state.to_signs().into_iter().map(f32::from).collect()
}

/// +1 dark on white.
pub fn style() -> Style {
    let scale = Scale::linear(-1.0, 1.0).unwrap_or(Scale::unit());
    Style { colours: ColourMap::Greys, scale, unit: String::new(), ..Style::default() }
}
