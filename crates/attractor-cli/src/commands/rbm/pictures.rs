//! What a machine learnt, dreams and went through, as figures.

use attractor::sample::rbm::Rbm;
use attractor_render::canvas::axis::Side;
use attractor_render::canvas::colour::ColourMap;
use attractor_render::canvas::scale::Scale;
use attractor_render::figures::heatmap::Style;
use attractor_render::figures::histogram::Histogram;
use attractor_render::figures::images::{Images, Picture};
use attractor_render::figures::lines::{Lines, Series};
use attractor_render::figures::network::Network;
use attractor_render::figures::stacked::stacked;
use serde_json::Value;

use crate::error::Outcome;

/// Pictures of a grid.
const MOST: usize = 100;
/// In a row.
const ACROSS: usize = 10;

/// The weights of each hidden unit, as a picture: blue below zero, red above.
pub fn features(rbm: &Rbm, (height, width): (usize, usize), notes: Vec<String>) -> Outcome<String> {
    let (n, m) = (rbm.visible_units(), rbm.hidden_units());
    let shown = m.min(MOST);
    let column = |unit: usize| (0..n).map(|i| rbm.weights()[i * m + unit]).collect::<Vec<f32>>();
    let values: Vec<Vec<f32>> = (0..shown).map(column).collect();
    let reach = values.iter().flatten().fold(0.0f32, |most, w| most.max(w.abs()));
    let pictures: Vec<Picture<'_>> = values.iter().map(|values| Picture { width, height, values, name: "" }).collect();
    let mut notes = notes;
    if m > shown {
        notes.push(format!("the first {shown} of {m} hidden units"));
    }
    let style = Style {
        colours: ColourMap::BlueRed,
        scale: Scale::centred(if reach > 0.0 { f64::from(reach) } else { 1.0 })?,
        unit: "weight".to_string(),
        ..Style::default()
    };
    let title = "What each hidden unit has learnt";
    let across = shown.min(ACROSS);
    Ok(Images { title, notes, pictures: &pictures, across, rows: &[], columns: &[], shared: true }.svg(&style)?)
}

/// Visible states as pictures, rows and columns named; a state of another length is one of the hidden units, as near to a
/// square as its length allows.
pub fn states(
    values: &[Vec<f32>],
    (height, width): (usize, usize),
    title: &str,
    notes: Vec<String>,
    (rows, columns): (&[&str], &[String]),
    across: usize,
) -> Outcome<String> {
    let size = |units: usize| match units == height * width {
        true => (height, width),
        false => {
            (1..=units.isqrt()).rev().find(|side| units % side == 0).map_or((1, units), |side| (side, units / side))
        }
    };
    let picture = |values| {
        let (height, width) = size(<[f32]>::len(values));
        Picture { width, height, values, name: "" }
    };
    let pictures: Vec<Picture<'_>> = values.iter().map(|values| picture(values.as_slice())).collect();
    let unit = values.iter().flatten().all(|x| (0.0..=1.0).contains(x));
    let scale = match unit {
        true => Scale::unit(),
        false => {
            Scale::fit(attractor_render::canvas::scale::Spacing::Linear, values.iter().flatten().map(|&x| f64::from(x)))
        }
    };
    let style = Style { colours: ColourMap::Greys, scale, unit: String::new(), ..Style::default() };
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    Ok(Images { title, notes, pictures: &pictures, across: across.max(1), rows, columns: &columns, shared: true }
        .svg(&style)?)
}

/// The machine itself: its layers and the weights between them.
pub fn architecture(rbm: &Rbm) -> Outcome<String> {
    let (n, m) = (rbm.visible_units(), rbm.hidden_units());
    let notes = vec![format!("{n} visible, {m} hidden units; no weight within a layer, which makes it restricted")];
    let (title, layers) = ("A restricted Boltzmann machine", ("visible", "hidden"));
    Ok(Network { title, notes, layers, units: (n, m), weights: rbm.weights() }.svg()?)
}

/// Free energy of held-out rows above that of the rows learnt from, and below it the gap to random states.
pub fn free_energy_gaps(entries: &[(u64, Value)]) -> Outcome<Option<String>> {
    let curve = |key: &str, name: &str| -> Vec<Series> {
        let points: Vec<(f64, f64)> =
            entries.iter().filter_map(|(epoch, entry)| Some((*epoch as f64, entry[key].as_f64()?))).collect();
        if points.is_empty() { Vec::new() } else { vec![Series::new(name, points)] }
    };
    let held_out = curve("free_energy_gap", "held out less training");
    let random = curve("free_energy_gap_random_weak", "random states less training: weak");
    let panel =
        |y: &str, series| Lines { title: "", notes: Vec::new(), x: Side::new("epoch"), y: Side::new(y), series };
    let panels: Vec<Lines<'_>> = [("held out (nats)", &held_out), ("random, weak (nats)", &random)]
        .into_iter()
        .filter(|(_, series)| !series.is_empty())
        .map(|(y, series)| panel(y, series.as_slice()))
        .collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let notes = [
        "held out less training: rises where the machine learns its rows by heart".to_string(),
        "random states less training: a weak comparison, any machine that learnt anything passes it".to_string(),
    ];
    Ok(Some(stacked("Free energy gap", &notes, &panels)?))
}

/// Metrics against epochs, one curve a name; none where nothing was measured.
pub fn curves(entries: &[(u64, Value)], names: &[(&str, &str)], title: &str, axis: &str) -> Outcome<Option<String>> {
    let curve = |(key, name): &(&str, &str)| {
        let points: Vec<(f64, f64)> =
            entries.iter().filter_map(|(epoch, entry)| Some((*epoch as f64, entry[*key].as_f64()?))).collect();
        (!points.is_empty()).then(|| Series::new(*name, points))
    };
    let series: Vec<Series> = names.iter().filter_map(curve).collect();
    if series.is_empty() {
        return Ok(None);
    }
    let (x, y) = (Side::new("epoch"), Side::new(axis));
    Ok(Some(Lines { title, notes: Vec::new(), x, y, series: &series }.svg()?))
}

/// How active each hidden unit is over the data, with the lines beyond which it is dead or saturated.
pub fn activations(means: &[f64], notes: Vec<String>) -> Outcome<String> {
    let x = Side::new("mean activation of a hidden unit").between(0.0, 1.0);
    let values = [("hidden units", means)];
    let thresholds = [(0.01, "not dead"), (0.99, "saturated")];
    let title = "Activity of the hidden units";
    Ok(Histogram { title, notes, x, values: &values, bins: 50, thresholds: &thresholds }.svg()?)
}

/// How the weights are spread.
pub fn weights(rbm: &Rbm, notes: Vec<String>) -> Outcome<String> {
    let all: Vec<f64> = rbm.weights().iter().map(|&w| f64::from(w)).collect();
    let values = [("weights", all.as_slice())];
    let title = "Weights";
    Ok(Histogram { title, notes, x: Side::new("weight"), values: &values, bins: 0, thresholds: &[(0.0, "zero")] }
        .svg()?)
}
