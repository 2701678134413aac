//! What a machine learnt, dreams and went through, as figures.

use attractor::sample::rbm::Rbm;
use attractor_render::axis::Side;
use attractor_render::colour::ColourMap;
use attractor_render::heatmap::Style;
use attractor_render::histogram::Histogram;
use attractor_render::images::{Images, Picture};
use attractor_render::lines::{Lines, Series};
use attractor_render::scale::Scale;
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

/// Visible states as pictures, `rows` named.
pub fn states(
    values: &[Vec<f32>],
    (height, width): (usize, usize),
    title: &str,
    notes: Vec<String>,
    rows: &[&str],
    across: usize,
) -> Outcome<String> {
    let pictures: Vec<Picture<'_>> = values.iter().map(|values| Picture { width, height, values, name: "" }).collect();
    let unit = values.iter().flatten().all(|x| (0.0..=1.0).contains(x));
    let scale = match unit {
        true => Scale::unit(),
        false => Scale::fit(attractor_render::scale::Spacing::Linear, values.iter().flatten().map(|&x| f64::from(x))),
    };
    let style = Style { colours: ColourMap::Greys, scale, unit: String::new(), ..Style::default() };
    Ok(Images { title, notes, pictures: &pictures, across: across.max(1), rows, columns: &[], shared: true }
        .svg(&style)?)
}

/// Likelihood against epochs, of training and held-out data, with the epochs at which the alarm fired.
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
