//! 5. Per head: how sharp, on a scale that does not depend on the length, and two heads known by name.

use serde::{Deserialize, Serialize};

use super::{Case, found, listed};
use crate::config::{Config, Key};
use crate::detect::{Detection, Detections, Detector, Finding, Options, detect};
use crate::error::Result;
use crate::measure::HeadMeasure;
use crate::verdict::{Check, Group, Verdict};

const GROUP: Group = Group::Heads;

/// How sharp a head is: 1 - H / ln n against fixed cuts, so the class does not change with the length of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Below `uniform.margin`.
    Uniform,
    /// Neither uniform nor medium.
    Broad,
    /// At least `heads.medium`.
    Medium,
    /// At least `heads.sharp`.
    Sharp,
}

impl Class {
    /// "sharp", ...
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Broad => "broad",
            Self::Medium => "medium",
            Self::Sharp => "sharp",
        }
    }
}

/// The class of a sharpness.
pub(crate) fn class_of(sharpness: f64, config: &Config) -> Class {
    match sharpness {
        s if s >= config.get(Key::Sharp) => Class::Sharp,
        s if s >= config.get(Key::Medium) => Class::Medium,
        s if s >= config.get(Key::UniformMargin) => Class::Broad,
        _ => Class::Uniform,
    }
}

pub(super) fn checks(case: &Case<'_>) -> Result<Vec<Check>> {
    let config = case.config;
    let mut all = sharpness(case);
    let detectors = [
        (Detector::Previous, "head.previous", Key::Previous, "previous-token head"),
        (Detector::Induction, "head.induction", Key::Induction, "induction head"),
    ];
    let options = Options {
        detectors: detectors.iter().map(|d| d.0).collect(),
        thresholds: detectors.iter().map(|d| (d.0, config.get(d.2))).collect(),
        fdr: config.get(Key::Alpha),
        permutations: config.count(Key::Permutations),
        resamples: config.count(Key::Resamples),
        confidence: config.get(Key::Confidence),
        seed: config.seed,
        ..Options::default()
    };
    let detections = detect(case.patterns, &options)?;
    for (detector, id, key, what) in detectors {
        all.extend(named(case, &detections, detector, id, key, what));
    }
    Ok(all)
}

fn sharpness(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.sourced(Key::Medium);
    let missing = "no row sees two keys, or no entropy was kept";
    let pick = |h: &HeadMeasure| Case::of_head(h, |i| i.sharpness);
    let mut counts = [0usize; 4];
    let mut heads = Vec::new();
    for head in &case.measures.heads {
        let figure = case.figure(&pick(head));
        let check = Check::new("head.sharpness", GROUP).at(Case::place(head)).threshold(threshold);
        let Some(value) = figure.value else {
            heads.push(check.skipped(case.no_figure(head, missing)));
            continue;
        };
        let class = class_of(value, case.config);
        counts[class as usize] += 1;
        let keys = case.figure(&Case::of_head(head, |i| i.effective_keys)).value.unwrap_or(f64::NAN);
        heads.push(figure.fill(check).null(0.0).effect(keys).verdict(
            found(class >= Class::Medium),
            format!("{}: 1 - H/ln n = {value:.3}, {keys:.1} effective keys (the effect){}", class.name(), figure.note),
        ));
    }
    let check = Check::new("head.sharpness", GROUP).threshold(threshold);
    let figure = case.figure(&case.of_model(pick));
    let judged: usize = counts.iter().sum();
    let model = match figure.value {
        None => check.skipped(case.no_figure_at_all(missing)),
        Some(value) => {
            let share = |class: Class| {
                let n = counts[class as usize];
                format!("{n}/{judged} {} ({:.0}%)", class.name(), 100.0 * n as f64 / judged as f64)
            };
            // The original guide's rule: one sharp head, or half of the heads medium.
            let good = counts[Class::Sharp as usize] > 0 || 2 * counts[Class::Medium as usize] > judged;
            figure.fill(check).null(0.0).effect(value).verdict(
                case.verdict(GROUP, good),
                format!(
                    "{}, {}, {}, {}; mean 1 - H/ln n = {value:.3}{}",
                    share(Class::Sharp),
                    share(Class::Medium),
                    share(Class::Broad),
                    share(Class::Uniform),
                    figure.note
                ),
            )
        }
    };
    heads.insert(0, model);
    heads
}

/// The heads that a detector names; the best of them stands for the model.
fn named(case: &Case<'_>, detections: &Detections, detector: Detector, id: &str, key: Key, what: &str) -> Vec<Check> {
    let threshold = case.config.sourced(key);
    let heads: Vec<Check> =
        detections.heads.iter().filter(|d| d.detector == detector).map(|d| named_head(d, id, threshold)).collect();
    let names: Vec<String> = heads.iter().filter(|c| c.verdict == Verdict::Pass).map(Check::place).collect();
    let top = heads.iter().filter(|c| c.value.is_some()).max_by(|a, b| {
        // The first of equals.
        a.value
            .unwrap_or(f64::MIN)
            .total_cmp(&b.value.unwrap_or(f64::MIN))
            .then((b.layer, b.head).cmp(&(a.layer, a.head)))
    });
    let check = Check::new(id, GROUP).threshold(threshold);
    let summary = detections.summary(detector);
    let model = match top {
        None => {
            let why = summary.and_then(|s| s.not_testable.clone());
            check.skipped(why.map_or_else(|| case.no_figure_at_all("no map was kept"), not_testable))
        }
        Some(top) => {
            let mut check = check.interval(top.interval.clone());
            check.no_interval.clone_from(&top.no_interval);
            (check.value, check.null, check.effect) = (top.value, top.null, top.effect);
            let null = summary.map_or(String::new(), |s| format!(" (null: {})", s.null));
            let why = match names.is_empty() {
                false => format!("{what} found: {}{null}", listed(&names)),
                true => {
                    format!("no {what}; the best, {}, scores {:.2}{null}", top.place(), top.value.unwrap_or(f64::NAN))
                }
            };
            check.verdict(case.verdict(GROUP, !names.is_empty()), why)
        }
    };
    let mut all = vec![model];
    all.extend(heads);
    all
}

fn named_head(d: &Detection, id: &str, threshold: (f64, &str)) -> Check {
    let check = Check::new(id, GROUP).at(Some((d.layer, d.head))).threshold(threshold);
    let (Some(score), Some(null)) = (d.score, d.null) else { return check.skipped(not_testable(d.why.clone())) };
    let good = match d.verdict {
        Finding::Found => true,
        // Where chance cannot be told the score stands alone, as the convention has it; but where three keys are visible
        // a uniform head scores near the threshold.
        Finding::NotResolvable => score > 2.0 * null.min(0.5),
        Finding::Absent | Finding::NotTestable => false,
    };
    let note = d.no_interval.as_ref().map_or(String::new(), |why| format!("; no interval: {why}"));
    let mut check = check.value(score).null(null).effect(score - null).interval(d.interval.clone());
    check.no_interval.clone_from(&d.no_interval);
    check.verdict(found(good), format!("{}{note}", d.why))
}

fn not_testable(why: String) -> String {
    format!("not testable: {why}")
}
