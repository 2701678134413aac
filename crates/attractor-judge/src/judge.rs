//! From patterns to a report.

use std::collections::BTreeMap;

use attractor_record::evidence::{Evidence, LossKind};
use attractor_record::{Patterns, Watcher};

use crate::conclusion::{Signs, decide};
use crate::config::{Config, Key};
use crate::detect::{self, Detecting, Detector, Finding, Part, Stimulus};
use crate::finding::{Measured, Place};
use crate::groups::{self, Case, Findings, class_of};
use crate::legacy;
use crate::measure::{HeadMeasure, Plan, watched};
use crate::place::named_stack;
use crate::report::words;
use crate::report::{
    self, Check, HeadEstimate, HeadEstimates, HeadKind, HeadSummary, Provenance, Report, SCHEMA_VERSION,
};
use crate::statistics::Bootstrap;
use crate::verdict::Verdict;
use attractor::{Context, Result};

/// Puts the nine groups of questions to attention patterns.
///
/// `evidence` is what a live model contributed; without it groups 8 and 9 and the causality probe are skipped with the
/// reason. The answer is the same for any number of threads.
///
/// # Cost
/// O(inputs x heads x N^2) time, every map walked once; memory of the figures, and for each thread the keys of the inputs
/// that are compared with each other and 1 MiB of rows.
/// # Errors
/// `is_format` if the patterns cannot be read or contradict their own shape.
pub fn judge(patterns: &dyn Patterns, evidence: Option<&Evidence>, config: &Config) -> Result<Report> {
    judge_watched(patterns, &Given { evidence, ..Given::default() }, config, &Context::default())
}

/// What stands beside the patterns that are judged.
#[derive(Clone, Copy, Default)]
pub struct Given<'a> {
    /// What a live model contributed.
    pub evidence: Option<&'a Evidence>,
    /// Inputs made for some detectors, and what the same heads did on them.
    pub stimuli: &'a [Stimulus<'a>],
    /// Detectors whose stimulus could not be made.
    pub without_stimulus: &'a [Detector],
    /// Each sees the rows of every map as they pass.
    pub watchers: &'a [&'a dyn Watcher],
}

/// [`judge`] with stimuli of the detectors' own, while others look on.
///
/// # Errors
/// As [`judge`]; `is_usage` if a stimulus is of other heads than `patterns`; `is_interrupted`.
pub fn judge_watched(
    patterns: &dyn Patterns,
    given: &Given<'_>,
    config: &Config,
    context: &Context<'_>,
) -> Result<Report> {
    let &Given { evidence, stimuli, without_stimulus, watchers } = given;
    let plan = Plan::new(patterns, config)?;
    let options = detect::Options { without_stimulus: without_stimulus.to_vec(), ..groups::options(config) };
    let detecting = Detecting::new(patterns, detect::own(stimuli, &options), &plan.geometry)?;
    let (heads, figures): (Vec<HeadMeasure>, Vec<_>) = watched(patterns, "judging", context, |task| {
        let (measure, sights) = plan.head(patterns, task, detecting.sights(task), watchers)?;
        Ok((measure, detecting.head(task, sights)?))
    })?
    .into_iter()
    .unzip();
    let mut parts = vec![Part { detecting, figures, stimulus: None }];
    parts.extend(detect::on_stimuli(stimuli, &options, context)?);
    let detections = detect::summed_up(parts, &options)?;
    let measures = plan.with(heads);
    let bootstrap =
        Bootstrap::new(config.seed, config.count(Key::Resamples), config.get(Key::Confidence)).over(&measures.steps);
    let case = Case { patterns, evidence, config, measures, detections, bootstrap };
    let findings = Findings::of(&case)?;
    let lengths =
        case.measures.geometry.first().map(|layer| layer.iter().map(|g| g.keys).collect()).unwrap_or_default();
    let steps = &case.measures.steps;
    let stack = named_stack(patterns);
    let provenance = Provenance {
        tool: "attractor".to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        name: None,
        model: patterns.info().clone(),
        stack,
        inputs: steps.inputs(),
        steps: steps.several(),
        lengths,
        live_model: evidence.is_some(),
        extra: BTreeMap::new(),
    };
    let has_loss = evidence.is_none_or(|e| e.ablation_loss != LossKind::RelativeChange);
    let is_lost = |head: &&HeadMeasure| head.inputs.iter().any(|input| input.invalid_rows > 0);
    let lost: Vec<Place> = case.measures.heads.iter().filter(is_lost).map(Case::place).collect();
    let signs = Signs::of(&findings, config, has_loss);
    // Sentences are made here, and last.
    let checks: Vec<Check> = findings.all().into_iter().map(|finding| Check::of(finding, stack)).collect();
    Ok(Report {
        schema_version: SCHEMA_VERSION,
        provenance,
        seed: config.seed,
        groups: report::groups(&checks),
        heads: summaries(&case, &findings),
        summary: report::summary(&checks),
        conclusion: words::conclusion::say(decide(&signs), &signs, &findings, &lost),
        legacy: config.legacy.then(|| legacy::of_patterns(patterns)).transpose()?,
        checks,
    })
}

fn summaries(case: &Case<'_>, findings: &Findings) -> Vec<HeadSummary> {
    // One walk over each check's heads; looking each head up would be quadratic.
    let sharpness = findings.heads.sharpness.by_place();
    let previous = findings.heads.previous.by_place();
    let induction = findings.heads.induction.by_place();
    let local = findings.position.local.by_place();
    let sink = findings.tokens.sinks.by_place();
    let variation = findings.query.variation.by_place();
    case.measures
        .heads
        .iter()
        .map(|head| {
            let place = (head.layer, head.head);
            let sharp = sharpness.get(&place).map(|finding| &finding.measured);
            let near = local.get(&place);
            let mut kinds = Vec::new();
            for (detector, told, by_score) in [
                (Detector::Previous, HeadKind::PreviousToken, HeadKind::PreviousTokenByScore),
                (Detector::Induction, HeadKind::Induction, HeadKind::InductionByScore),
                (Detector::Sink, HeadKind::Sink, HeadKind::SinkByScore),
            ] {
                match case.detections.of(detector, head.layer, head.head) {
                    Some(d) if d.verdict == Finding::Found => kinds.push(told),
                    Some(d) if d.is_by_score() => kinds.push(by_score),
                    _ => {}
                }
            }
            if near.is_some_and(|finding| finding.verdict == Verdict::Pass) {
                kinds.push(HeadKind::Local);
            }
            let estimate = |measured: Option<&Measured>| {
                measured.map(|m| HeadEstimate { null: m.null, interval: m.interval.clone(), threshold: m.threshold })
            };
            let previous = previous.get(&place).map(|finding| &finding.measured);
            let induction = induction.get(&place).map(|finding| &finding.measured);
            let near = near.map(|finding| &finding.measured);
            let sink = sink.get(&place).map(|finding| &finding.measured);
            let variation = variation.get(&place).map(|finding| &finding.measured);
            HeadSummary {
                layer: head.layer,
                head: head.head,
                class: sharp.and_then(|m| m.value).map(|s| class_of(s, case.config)),
                sharpness: sharp.and_then(|m| m.value),
                effective_keys: sharp.and_then(|m| m.effect),
                previous: previous.and_then(|m| m.value),
                induction: induction.and_then(|m| m.value),
                near: near.and_then(|m| m.value),
                sink: sink.and_then(|m| m.value),
                variation: variation.and_then(|m| m.value),
                kinds,
                estimates: HeadEstimates {
                    sharpness: estimate(sharp),
                    previous: estimate(previous),
                    induction: estimate(induction),
                    near: estimate(near),
                    sink: estimate(sink),
                    variation: estimate(variation),
                },
            }
        })
        .collect()
}
