//! What heads were found to be.

use std::collections::BTreeSet;

use attractor::{Error, Hint, Result};
use attractor_judge::detect::{Detections, DetectorSummary, Finding};

use super::capital;
use crate::canvas::axis::Side;
use crate::canvas::numbers::number;
use crate::figures::classes::{Classes, Member};
use crate::figures::histogram::Histogram;
use crate::figures::intervals::{Estimate, Intervals};

/// The refusal of a histogram of several detectors.
pub fn one_detector() -> Error {
    Error::option("histogram", "", "draws one detector").hinted(Hint::give("detect", "sink"))
}

/// Scores by layer and head of one detector, or their histogram; of several, what each head was found to be.
///
/// # Errors
/// `is_usage` for a histogram of several detectors.
pub fn figure(detections: &Detections, target: &str, histogram: bool) -> Result<String> {
    if let [summary] = &detections.detectors[..] {
        let heads: Vec<Estimate> = detections
            .heads
            .iter()
            .map(|d| {
                let interval = d.interval.as_ref().map(|i| (i.low, i.high));
                Estimate { layer: d.layer, head: d.head, value: d.score, interval }
            })
            .collect();
        let found = match summary.found.len() {
            0 => "none found".to_string(),
            n => format!("{n} of {} found", detections.heads.len()),
        };
        let chance = detections.heads.iter().filter_map(|d| d.null).collect::<Vec<_>>();
        let mut references = vec![(summary.threshold, "threshold")];
        if !chance.is_empty() {
            references.push((chance.iter().sum::<f64>() / chance.len() as f64, "chance, mean over heads"));
        }
        let title = capital(&format!("{} heads of {target}", summary.detector.kind()));
        // What the score is stands in the table and in the JSON: five lines under a title say nothing at a glance.
        let mut notes = vec![format!("{found}, at a score of {} or more", number(summary.threshold))];
        if histogram {
            let scores: Vec<f64> = detections.heads.iter().filter_map(|d| d.score).collect();
            let values = [("heads", &scores[..])];
            let (x, thresholds) = (Side::new("score"), &references[..]);
            return Histogram { title: &title, notes, x, values: &values, bins: 0, thresholds }.svg();
        }
        notes.push("bars: intervals over inputs".to_string());
        return Intervals { title: &title, notes, y: Side::new("score"), heads: &heads, references: &references }.svg();
    }
    if histogram {
        return Err(one_detector());
    }
    let kinds: Vec<&DetectorSummary> = detections.detectors.iter().filter(|s| !s.found.is_empty()).collect();
    let kinds_in_words: Vec<String> = kinds.iter().map(|summary| summary.detector.kind()).collect();
    let names: Vec<&str> = kinds_in_words.iter().map(String::as_str).collect();
    let places: BTreeSet<(usize, usize)> = detections.heads.iter().map(|d| (d.layer, d.head)).collect();
    let heads: Vec<Member> = places
        .into_iter()
        .map(|(layer, head)| {
            let is = |summary: &&DetectorSummary| {
                detections.of(summary.detector, layer, head).is_some_and(|d| d.verdict == Finding::Found)
            };
            let classes = kinds.iter().enumerate().filter(|(_, kind)| is(kind)).map(|(at, _)| at).collect();
            Member { layer, head, classes }
        })
        .collect();
    let notes = vec![format!(
        "{}: at most {} over {} tests, {} inputs; a head of several kinds has a stripe of each",
        detections.correction.describe(),
        detections.fdr,
        detections.tests,
        detections.provenance.inputs
    )];
    Classes { title: &format!("Heads of {target}"), notes, names: &names, heads: &heads }.svg()
}
