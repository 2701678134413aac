//! A Hopfield memory: its recalls, and what its weights say, each of them, each pair's part in the energy, each unit's field.

use attractor::energy::{Energy, Weights};
use attractor::experiment::hopfield::HopfieldRecall;
use attractor::experiment::recall::{Recalled, Trace};
use attractor::pattern::Spins;
use attractor::{Choice, Error, Result};

use super::recall::{self, cue};
use super::{Shown, ink};
use crate::canvas::colour::ColourMap;
use crate::canvas::scale::Scale;
use crate::figures::heatmap::{Style, heatmap};
use crate::figures::images::{Images, Picture};
use crate::figures::panels::beside;
use crate::maps::map::{Map, Pooling};

attractor::choice! {
    /// What is drawn of a Hopfield memory: of its recalls, or of its weights.
    #[derive(Default)]
    pub enum Draw {
        /// Stored, corrupted and recalled patterns.
        #[default]
        Recall = "recall",
        /// One recall unit by unit, animated as .svg.
        Frames = "frames",
        /// Energy after each flip.
        Energy = "energy",
        /// The weight matrix.
        Weights = "weights",
        /// What each pair adds to the energy of the first pattern, and of a cue of it.
        Contributions = "contributions",
        /// The local field at each unit of the first pattern and of a cue of it, and its sign.
        Fields = "fields",
    }
}

impl Draw {
    /// The same of recalls alone; `None` for what weights show.
    fn recalls(self) -> Option<recall::Draw> {
        recall::Draw::named(self.name())
    }

    /// What recalls must keep to be drawn.
    pub fn trace(self) -> Trace {
        self.recalls().map_or(Trace::Sweeps, recall::Draw::trace)
    }
}

/// The figure of a Hopfield memory; `moves` is that of [`recall::figure`].
///
/// # Errors
/// `is_usage` for more units than a matrix of weights has room for, and as [`recall::figure`]; `is_shape` for a picture of
/// another size than the patterns.
pub fn figure(draw: Draw, found: &HopfieldRecall, shown: &Shown<'_>, moves: bool) -> Result<String> {
    if let Some(draw) = draw.recalls() {
        return recall::figure(draw, &found.recalled, shown, &format!("rule {}", found.rule), moves);
    }
    /// N x N weights of more units make no picture.
    const MOST: usize = 4096;
    let units = shown.patterns.units();
    if units > MOST {
        let why = format!("{units} units have too many weights for a picture; at most {MOST}");
        return Err(Error::option("draw", "", why));
    }
    let weights = found.weights(shown.patterns)?;
    let first = &found.recalled.recalls[0];
    match draw {
        Draw::Contributions => contributions(&weights, first, shown, cue(&found.recalled.how)),
        Draw::Fields => fields(&weights, first, shown),
        _ => {
            let title = format!("Weights by the rule {}", found.rule);
            matrix(weights.values(), units, reach(weights.values()), &title, "weight")
        }
    }
}

/// The largest size.
fn reach<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().fold(0.0, |most, w| most.max(w.abs()))
}

/// Blue below zero and red above; `most` is at the ends of the scale.
fn signed(most: f64, unit: &str) -> Result<Style> {
    let scale = Scale::centred(if most > 0.0 { most } else { 1.0 })?;
    Ok(Style { colours: ColourMap::BlueRed, scale, unit: unit.to_string(), ..Style::default() })
}

/// A matrix between units.
fn matrix(values: &[f64], units: usize, most: f64, title: &str, unit: &str) -> Result<String> {
    const SIDE: usize = 256;
    let map = Map::exact(values.iter().map(|&w| w as f32).collect(), units, units)?;
    let map = Map { pooling: Pooling::Magnitude, ..map }.pooled(SIDE)?;
    let style = Style { rows: "unit i".to_string(), columns: "unit j".to_string(), ..signed(most, unit)? };
    heatmap(&map, title, &[], &style)
}

/// What each pair adds to the energy of the pattern, and of the cue.
fn contributions(weights: &Weights, recalled: &Recalled, shown: &Shown<'_>, cues: String) -> Result<String> {
    let (pattern, cue) = (shown.patterns.pattern(recalled.pattern), &recalled.cue.state);
    let parts = [&pattern, cue].map(|state| weights.contributions(state));
    let most = reach(parts.iter().flatten());
    let panel = |name: &str, state: &Spins, part: &[f64]| {
        let title = format!("{name}: {:.3} in total", weights.energy(state)).replace('-', "−");
        matrix(part, pattern.len(), most, &title, "energy")
    };
    let panels = [panel("pattern 0", &pattern, &parts[0])?, panel("its cue", cue, &parts[1])?];
    let notes = [cues, "blue pairs satisfy their coupling, red pairs are frustrated".to_string()];
    beside("Energy by pairs of units", &notes, &panels)
}

/// What the field says to every unit of a pattern, and of a cue of it: the state, the field, what it asks for, and where
/// that would be a flip.
fn fields(weights: &Weights, recalled: &Recalled, shown: &Shown<'_>) -> Result<String> {
    let (height, width) = shown.picture;
    let states = [shown.patterns.pattern(recalled.pattern), recalled.cue.state.clone()];
    let fields = states.each_ref().map(|state| weights.fields(state).into_iter().map(|h| h as f32).collect::<Vec<_>>());
    let reach = fields.iter().flatten().fold(0.0f32, |most, h| most.max(h.abs()));
    let mut values = Vec::new();
    let mut notes = Vec::new();
    for ((state, field), name) in states.iter().zip(&fields).zip(["pattern", "cue"]) {
        let x = ink(state);
        let asked = |(x, h): (&f32, &f32)| if *h == 0.0 { *x } else { h.signum() };
        let flips: Vec<f32> = x.iter().zip(field).map(|(x, h)| if x * h < 0.0 { h.signum() } else { 0.0 }).collect();
        notes.push(match flips.iter().filter(|flip| **flip != 0.0).count() {
            0 => format!("{name}: every unit agrees with its field: a fixed point"),
            1 => format!("{name}: 1 unit disagrees with its field"),
            n => format!("{name}: {n} units disagree with their field; each flip changes the fields of the others"),
        });
        let asks = x.iter().zip(field).map(asked).collect::<Vec<f32>>();
        let shades = [x, asks, flips].map(|signs| signs.iter().map(|sign| sign * reach).collect::<Vec<f32>>());
        let [x, asks, flips] = shades;
        values.extend([x, field.clone(), asks, flips]);
    }
    let pictures: Vec<Picture<'_>> = values.iter().map(|values| Picture { width, height, values, name: "" }).collect();
    let title = "Local field at each unit";
    let (rows, columns) = (["pattern", "cue"], ["state", "field h", "sign of h", "would flip"]);
    Images { title, notes, pictures: &pictures, across: 4, rows: &rows, columns: &columns, shared: true }
        .svg(&signed(f64::from(reach), "field h")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use attractor::Context;
    use attractor::experiment::hopfield::Hopfield;
    use attractor::experiment::recall::{Corruption, Recall};
    use attractor::learn::Standard;
    use attractor::pattern::StoredPatterns;
    use attractor::random::Philox;

    /// A stored pattern of the projection is a fixed point, its cue is not; weights are shown of Hebb's rule too.
    #[test]
    fn fields_say_where_a_flip_would_be() {
        let patterns = StoredPatterns::random(36, 3, &mut Philox::new(1, 0)).unwrap();
        let shown = Shown { patterns: &patterns, picture: (6, 6), source: "three patterns".to_string() };
        let recall = Recall { corruption: Corruption::Noise(0.1), ..Recall::default() };
        for rule in [Standard::PseudoInverse, Standard::Hebb] {
            let found = Hopfield { rule, recall: recall.clone() }.run(&patterns, &Context::new(2)).unwrap();
            let drawn = |draw| figure(draw, &found, &shown, false).unwrap();
            assert!(drawn(Draw::Weights).contains(&format!("Weights by the rule {}", rule.name())));
            let pairs = drawn(Draw::Contributions);
            assert!(pairs.contains("pattern 0: −") && pairs.contains("cues with 10 % of the units flipped"), "{pairs}");
            let fields = drawn(Draw::Fields);
            assert!(fields.contains("cue: 4 units disagree with their field; each flip changes"), "{fields}");
            if rule == Standard::PseudoInverse {
                assert!(fields.contains("pattern: every unit agrees with its field"));
            }
        }
    }

    #[test]
    fn too_many_weights_are_refused() {
        let patterns = StoredPatterns::random(5000, 1, &mut Philox::new(1, 0)).unwrap();
        let found = Hopfield::default().run(&patterns, &Context::new(2)).unwrap();
        let shown = Shown { patterns: &patterns, picture: (1, 5000), source: String::new() };
        assert!(figure(Draw::Weights, &found, &shown, false).unwrap_err().is_usage());
    }
}
