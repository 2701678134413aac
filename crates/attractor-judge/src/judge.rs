//! From patterns to a report.

use std::collections::BTreeMap;

use attractor_record::Patterns;
use attractor_record::Steps;
use attractor_record::evidence::{Evidence, LossKind};

use crate::conclusion::conclude;
use crate::config::{Config, Key};
use crate::detect::{Detector, Finding, detect};
use crate::groups::{self, Case, class_of};
use crate::legacy;
use crate::measure::{self, HeadMeasure};
use crate::report::{self, HeadSummary, Provenance, Report, SCHEMA_VERSION};
use crate::statistics::Bootstrap;
use crate::verdict::{Check, Group, Verdict, place};
use attractor::Result;

/// Puts the nine groups of questions to attention patterns.
///
/// `evidence` is what a live model contributed; without it groups 8 and 9 and the causality probe are skipped with the
/// reason. The answer is the same for any number of threads.
///
/// # Cost
/// O(inputs x heads x N^2) time; memory 64 MiB a thread for maps, and what the figures need.
/// # Errors
/// `is_format` if the patterns cannot be read or contradict their own shape.
pub fn judge(patterns: &dyn Patterns, evidence: Option<&Evidence>, config: &Config) -> Result<Report> {
    let measures = measure::measure(patterns, config)?;
    let detections = detect(patterns, &groups::options(config))?;
    let bootstrap =
        Bootstrap::new(config.seed, config.count(Key::Resamples), config.get(Key::Confidence)).over(&measures.steps);
    let case = Case { patterns, evidence, config, measures, detections, bootstrap };
    let mut checks = Vec::new();
    for group in Group::ALL {
        checks.extend(groups::checks(&case, group)?);
    }
    let lengths =
        case.measures.geometry.first().map(|layer| layer.iter().map(|g| g.keys).collect()).unwrap_or_default();
    let steps = &case.measures.steps;
    let provenance = Provenance {
        tool: "attractor".to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        model: patterns.info().clone(),
        inputs: steps.inputs(),
        lengths,
        live_model: evidence.is_some(),
        extra: extra(patterns, steps),
    };
    let has_loss = evidence.is_none_or(|e| e.ablation_loss != LossKind::RelativeChange);
    let is_lost = |head: &&HeadMeasure| head.inputs.iter().any(|input| input.invalid_rows > 0);
    let lost: Vec<String> =
        case.measures.heads.iter().filter(is_lost).map(|head| place(Some(head.layer), Some(head.head))).collect();
    Ok(Report {
        schema_version: SCHEMA_VERSION,
        provenance,
        seed: config.seed,
        groups: report::groups(&checks),
        heads: heads(&case, &checks),
        summary: report::summary(&checks),
        conclusion: conclude(&checks, config, has_loss, &lost),
        legacy: config.legacy.then(|| legacy::of_patterns(patterns)).transpose()?,
        checks,
    })
}

/// What of the source is said where it has several steps or stacks.
pub(crate) fn extra(patterns: &dyn Patterns, steps: &Steps) -> BTreeMap<String, String> {
    let mut extra = BTreeMap::new();
    if steps.are_several() {
        extra.insert("steps".to_string(), steps.counted());
    }
    if !patterns.stack().is_only() {
        extra.insert("stack".to_string(), patterns.stack().to_string());
    }
    extra
}

fn heads(case: &Case<'_>, checks: &[Check]) -> Vec<HeadSummary> {
    // One walk over the checks; looking each head up would be quadratic.
    let mut figures: BTreeMap<(usize, usize), BTreeMap<&str, &Check>> = BTreeMap::new();
    for check in checks {
        if let (Some(layer), Some(head)) = (check.layer, check.head) {
            figures.entry((layer, head)).or_default().insert(&check.id, check);
        }
    }
    let none = BTreeMap::new();
    case.measures
        .heads
        .iter()
        .map(|head| {
            let own = figures.get(&(head.layer, head.head)).unwrap_or(&none);
            let value = |id: &str| own.get(id).and_then(|c| c.value);
            let is = |id: &str, verdict| own.get(id).is_some_and(|c| c.verdict == verdict);
            let sharpness = value("head.sharpness");
            let mut kinds = Vec::new();
            for (name, detector) in
                [("previous-token", Detector::Previous), ("induction", Detector::Induction), ("sink", Detector::Sink)]
            {
                match case.detections.of(detector, head.layer, head.head).map(|d| d.verdict) {
                    Some(Finding::Found) => kinds.push(name.to_string()),
                    // By its score; these inputs cannot tell it from chance.
                    Some(Finding::NotResolvable) => kinds.push(format!("{name}?")),
                    _ => {}
                }
            }
            if is("pos.local", Verdict::Pass) {
                kinds.push("local".to_string());
            }
            HeadSummary {
                layer: head.layer,
                head: head.head,
                class: sharpness.map(|s| class_of(s, case.config)),
                sharpness,
                effective_keys: own.get("head.sharpness").and_then(|c| c.effect),
                previous: value("head.previous"),
                induction: value("head.induction"),
                near: value("pos.local"),
                sink: value("sink.rate"),
                variation: value("query.variation"),
                kinds,
            }
        })
        .collect()
}
