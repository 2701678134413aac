//! Figures of restricted Boltzmann machines: what they have learnt, draw, complete and went through.

use std::collections::BTreeMap;

use attractor::Result;
use attractor::sample::rbm::Rbm;
use attractor::sample::rbm::completion::{By, Completed, Cue, Wrong};
use attractor::sample::rbm::monitor::{Activations, DEAD, SATURATED};
use attractor::sample::rbm::sampling::{Chained, Sampled};

use crate::canvas::axis::Side;
use crate::canvas::colour::ColourMap;
use crate::canvas::numbers::{counted, percent};
use crate::canvas::scale::{Scale, Spacing};
use crate::figures::heatmap::Style;
use crate::figures::histogram::Histogram;
use crate::figures::images::{Images, Picture};
use crate::figures::lines::{Lines, Series};
use crate::figures::network::Network;
use crate::figures::stacked::stacked;

/// Pictures of a grid.
const MOST: usize = 100;
/// In a row.
const ACROSS: usize = 10;
/// Steps of a chain that have room beside each other.
const STEPS_ACROSS: usize = 8;

/// Metrics by name at each epoch.
pub type History = [(u64, BTreeMap<String, f64>)];

/// Rows of states as pictures: the words of a figure and what it shows, whether it is drawn or printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// What is seen.
    pub title: String,
    /// How it was made.
    pub notes: Vec<String>,
    /// Names of the rows; none where all are alike.
    pub rows: Vec<&'static str>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Pictures in a row.
    pub across: usize,
    /// States from left to right and from top to bottom; those of hidden units are pictures of their own.
    pub states: Vec<Vec<f32>>,
}

/// An answer's share of wrong units in a line; `units` are those of a whole state.
pub fn wrong(found: &Wrong, units: usize) -> String {
    let error = found.standard_error.map_or(String::new(), |e| format!(" ± {:.1}", 100.0 * e));
    let which = if found.units < units { "unknown units" } else { "units" };
    format!("{}: {:.1}{error} % of the {which} wrong", answer(found), 100.0 * found.wrong)
}

/// Whose answer it is.
pub fn answer(found: &Wrong) -> String {
    match found.by {
        By::Rbm => "RBM".to_string(),
        By::Hopfield { rule } => format!("Hopfield, {rule}, which stores these {}", counted(found.rows, "row")),
        By::Zeros => "all zeros".to_string(),
        By::Cue => "the noisy rows themselves".to_string(),
    }
}

impl Sheet {
    /// Samples, ten in a row.
    pub fn of_samples(found: &Sampled) -> Self {
        let how = if found.gibbs { "Gibbs chains" } else { "chains at eight inverse temperatures" };
        let mut notes = vec![format!("{how}, {} each", counted(found.steps, "step")), String::new()];
        if found.values.len() > MOST {
            notes[1] = format!("drawn are the first {MOST} of {}", found.values.len());
        }
        Self {
            title: "Model samples".to_string(),
            notes,
            rows: Vec::new(),
            columns: Vec::new(),
            across: ACROSS,
            states: found.values.iter().take(MOST).cloned().collect(),
        }
    }

    /// Rows as they were, what was shown of them, and what was made of it; below, if compared, what others made.
    pub fn of_completion(found: &Completed) -> Self {
        let (units, across) = (found.known.len(), found.values.len().min(ACROSS));
        // What is not known is grey.
        let seen = |row: &Vec<f32>| match found.flipped {
            None => row.iter().zip(&found.known).map(|(&x, &known)| if known { x } else { 0.5 }).collect(),
            Some(_) => row.clone(),
        };
        let cues: Vec<Vec<f32>> = found.cues[..across].iter().map(seen).collect();
        let mut states = [&found.given[..across], &cues, &found.values[..across]].concat();
        let (cue, how) = match (found.cue, found.flipped) {
            (Cue::Mask(mask), _) => (format!("the last {} of the units unknown", percent(mask)), "Gibbs steps"),
            (Cue::Noise(_), flipped) => {
                let flipped = flipped.unwrap_or(0);
                (format!("{flipped} of {units} units flipped"), "steps of chains at eight inverse temperatures")
            }
        };
        let is_noisy = found.flipped.is_some();
        let mut notes = vec![format!("{cue}, {} {how}", found.steps)];
        notes.extend(found.against.iter().map(|found| wrong(found, units)));
        let shown = if is_noisy { "noisy" } else { "known" };
        let mut rows = vec!["given", shown, if is_noisy { "restored" } else { "completed" }];
        if !found.against.is_empty() {
            states.extend(found.recalled[..across].iter().chain(&found.zeros[..across]).cloned());
            rows = vec!["given", shown, "RBM", "Hopfield", "zeros"];
        }
        if across < found.values.len() {
            notes.push(format!("drawn are the first {across} of {} rows", found.values.len()));
        }
        let title = match (found.against.is_empty(), is_noisy) {
            (false, false) => "The same rows completed by an RBM, a Hopfield network and zeros",
            (false, true) => "The same noisy rows restored by an RBM, a Hopfield network and zeros",
            (true, false) => "Completion of what is missing",
            (true, true) => "Noisy rows restored",
        };
        Self { title: title.to_string(), notes, rows, columns: Vec::new(), across, states }
    }

    /// Every half-step of a chain: what it starts from, what the hidden units make of it, and what comes back.
    pub fn of_chain(found: &Chained) -> Self {
        let across = found.frames.len().min(STEPS_ACROSS);
        let frames = &found.frames[..across];
        let part = |of: fn(&attractor::sample::rbm::generate::ChainStep) -> &Vec<f32>| -> Vec<Vec<f32>> {
            frames.iter().map(|frame| of(frame).clone()).collect()
        };
        let states = [
            found.values[..across].to_vec(),
            part(|frame| &frame.hidden_probability),
            part(|frame| &frame.hidden),
            part(|frame| &frame.visible_mean),
            part(|frame| &frame.visible),
        ];
        let mut notes = vec![format!(
            "from the data, {} down the columns; CD-k uses the first v and h and the last ones",
            counted(found.chain, "step")
        )];
        if across < found.frames.len() {
            notes.push(format!("drawn are the first {across}"));
        }
        Self {
            title: "Contrastive divergence, step by step".to_string(),
            notes,
            rows: vec!["v", "p(h = 1 | v)", "h", "p(v = 1 | h)", "next v"],
            columns: (1..=across).map(|step| format!("step {step}")).collect(),
            across,
            states: states.concat(),
        }
    }

    /// Draws it. A visible state is `(height, width)`; one of another length is of the hidden units, as near to a square as
    /// its length allows.
    ///
    /// # Errors
    /// `is_shape` if there is nothing to draw.
    pub fn svg(&self, (height, width): (usize, usize)) -> Result<String> {
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
        let pictures: Vec<Picture<'_>> = self.states.iter().map(|values| picture(values.as_slice())).collect();
        let unit = self.states.iter().flatten().all(|x| (0.0..=1.0).contains(x));
        let scale = match unit {
            true => Scale::unit(),
            false => Scale::fit(Spacing::Linear, self.states.iter().flatten().map(|&x| f64::from(x))),
        };
        let style = Style { colours: ColourMap::Greys, scale, unit: String::new(), ..Style::default() };
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        Images {
            title: &self.title,
            notes: self.notes.clone(),
            pictures: &pictures,
            across: self.across.max(1),
            rows: &self.rows,
            columns: &columns,
            shared: true,
        }
        .svg(&style)
    }
}

/// The machine itself: its layers and the weights between them.
///
/// # Errors
/// As [`Network::svg`].
pub fn architecture(rbm: &Rbm) -> Result<String> {
    let (n, m) = (rbm.visible_units(), rbm.hidden_units());
    let notes = vec![format!("{n} visible, {m} hidden units; no weights within a layer, which makes it restricted")];
    let (title, layers) = ("A restricted Boltzmann machine", ("visible", "hidden"));
    Network { title, notes, layers, units: (n, m), weights: rbm.weights() }.svg()
}

/// What is drawn of a training when it has ended.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// The machine.
    pub rbm: &'a Rbm,
    /// Rows and columns of a visible state.
    pub picture: (usize, usize),
    /// Means of the visible units of samples.
    pub samples: &'a [Vec<f32>],
    /// What the hidden units do on the data.
    pub activations: &'a Activations,
    /// Metrics of every epoch.
    pub history: &'a History,
}

impl Training<'_> {
    /// Features, samples, activations, weights and the curves of what was measured, each as the name of a file and its SVG.
    ///
    /// # Errors
    /// What the figures answer for numbers that cannot be drawn.
    pub fn figures(&self) -> Result<Vec<(&'static str, String)>> {
        let (rbm, active) = (self.rbm, self.activations);
        let notes = || vec![format!("{} visible, {} hidden units", rbm.visible_units(), rbm.hidden_units())];
        let samples = Sheet {
            title: "Model samples".to_string(),
            notes: vec!["by parallel tempering; shown are the means of the visible units".to_string()],
            rows: Vec::new(),
            columns: Vec::new(),
            across: ACROSS,
            states: self.samples.to_vec(),
        };
        let units =
            vec![format!("{} dead, {} saturated of {}", active.dead.len(), active.saturated.len(), active.mean.len())];
        let mut all = vec![
            ("features.svg", features(rbm, self.picture, notes())?),
            ("samples.svg", samples.svg(self.picture)?),
            ("activations.svg", activations(&active.mean, units)?),
            ("weights.svg", weights(rbm, notes())?),
        ];
        let likelihood = [
            ("log_likelihood", "training"),
            ("log_likelihood_held_out", "held out"),
            ("log_likelihood_base_rates", "base rates"),
        ];
        let reconstruction = [("recon_error", "training")];
        let free_energy = [("free_energy", "training"), ("free_energy_held_out", "held out")];
        for (name, keys, title, axis) in [
            ("likelihood.svg", &likelihood[..], "Likelihood", "nats per row"),
            ("reconstruction.svg", &reconstruction, "Reconstruction error: not a measure of the model", "mean square"),
            ("free_energy.svg", &free_energy, "Free energy", "nats"),
        ] {
            all.extend(curves(self.history, keys, title, axis)?.map(|svg| (name, svg)));
        }
        all.extend(free_energy_gaps(self.history)?.map(|svg| ("free_energy_gap.svg", svg)));
        Ok(all)
    }
}

/// The weights of each hidden unit, as a picture: blue below zero, red above.
fn features(rbm: &Rbm, (height, width): (usize, usize), mut notes: Vec<String>) -> Result<String> {
    let (n, m) = (rbm.visible_units(), rbm.hidden_units());
    let shown = m.min(MOST);
    let column = |unit: usize| (0..n).map(|i| rbm.weights()[i * m + unit]).collect::<Vec<f32>>();
    let values: Vec<Vec<f32>> = (0..shown).map(column).collect();
    let reach = values.iter().flatten().fold(0.0f32, |most, w| most.max(w.abs()));
    let pictures: Vec<Picture<'_>> = values.iter().map(|values| Picture { width, height, values, name: "" }).collect();
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
    Images { title, notes, pictures: &pictures, across, rows: &[], columns: &[], shared: true }.svg(&style)
}

/// A metric against epochs; none where it was not measured.
fn curve(history: &History, key: &str, name: &str) -> Option<Series> {
    let points: Vec<(f64, f64)> =
        history.iter().filter_map(|(epoch, entry)| Some((*epoch as f64, *entry.get(key)?))).collect();
    (!points.is_empty()).then(|| Series::new(name, points))
}

/// Metrics against epochs, one curve each; none where nothing was measured.
fn curves(history: &History, names: &[(&str, &str)], title: &str, axis: &str) -> Result<Option<String>> {
    let series: Vec<Series> = names.iter().filter_map(|(key, name)| curve(history, key, name)).collect();
    if series.is_empty() {
        return Ok(None);
    }
    let (x, y) = (Side::new("epoch"), Side::new(axis));
    Ok(Some(Lines { title, notes: Vec::new(), x, y, series: &series }.svg()?))
}

/// Free energy of held-out rows above that of the rows learnt from, and below it the gap to random states.
fn free_energy_gaps(history: &History) -> Result<Option<String>> {
    let held_out = curve(history, "free_energy_gap", "held out minus training");
    let random = curve(history, "free_energy_gap_random_weak", "random states minus training: weak");
    let panels: Vec<Lines<'_>> = [("held out (nats)", &held_out), ("random, weak (nats)", &random)]
        .into_iter()
        .filter_map(|(axis, series)| {
            let series = series.as_slice();
            let y = Side::new(axis);
            (!series.is_empty()).then(|| Lines { title: "", notes: Vec::new(), x: Side::new("epoch"), y, series })
        })
        .collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let notes = [
        "held out minus training: rises when the machine overfits".to_string(),
        "random states minus training: a weak test that any machine that has learnt anything passes".to_string(),
    ];
    Ok(Some(stacked("Free energy gap", &notes, &panels)?))
}

/// How active each hidden unit is over the data, with the lines beyond which it is dead or saturated.
fn activations(means: &[f64], notes: Vec<String>) -> Result<String> {
    let x = Side::new("mean activation of a hidden unit").between(0.0, 1.0);
    let values = [("hidden units", means)];
    let thresholds = [(DEAD, "not dead"), (SATURATED, "saturated")];
    let title = "Activity of the hidden units";
    Histogram { title, notes, x, values: &values, bins: 50, thresholds: &thresholds }.svg()
}

/// How the weights are spread.
fn weights(rbm: &Rbm, notes: Vec<String>) -> Result<String> {
    let all: Vec<f64> = rbm.weights().iter().map(|&w| f64::from(w)).collect();
    let values = [("weights", all.as_slice())];
    let title = "Weights";
    Histogram { title, notes, x: Side::new("weight"), values: &values, bins: 0, thresholds: &[(0.0, "zero")] }.svg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whose_it_is_and_of_which_units() {
        let found = |by, units| Wrong { by, wrong: 0.25, standard_error: Some(0.25), whole: 1, rows: 2, units };
        assert_eq!(wrong(&found(By::Rbm, 2), 4), "RBM: 25.0 ± 25.0 % of the unknown units wrong");
        let hopfield = wrong(&found(By::Hopfield { rule: "hebb" }, 4), 4);
        assert_eq!(hopfield, "Hopfield, hebb, which stores these 2 rows: 25.0 ± 25.0 % of the units wrong");
    }

    #[test]
    fn hidden_states_have_pictures_of_their_own() {
        let sheet = Sheet {
            title: "Both layers".to_string(),
            notes: Vec::new(),
            rows: vec!["v", "h"],
            columns: vec!["step 1".to_string()],
            across: 1,
            states: vec![vec![0.0; 12], vec![1.0; 7]],
        };
        let svg = sheet.svg((3, 4)).unwrap();
        assert!(svg.contains(">v<") && svg.contains(">h<") && svg.contains(">step 1<"), "{svg}");
    }

    #[test]
    fn what_was_not_measured_is_not_drawn() {
        let history = vec![(1, BTreeMap::from([("recon_error".to_string(), 0.5)])), (2, BTreeMap::new())];
        assert!(curves(&history, &[("log_likelihood", "training")], "Likelihood", "nats").unwrap().is_none());
        assert!(curves(&history, &[("recon_error", "training")], "Error", "mean square").unwrap().is_some());
        assert!(free_energy_gaps(&history).unwrap().is_none());
    }
}
