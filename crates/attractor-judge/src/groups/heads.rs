//! 5. Per head: how sharp, on a scale that does not depend on the length, and two heads known by name.

use serde::{Deserialize, Serialize};

use super::{Case, filled, found, listed, note};
use crate::config::{Config, Key};
use crate::detect::{Detection, Detector, Finding};
use crate::measure::{HeadMeasure, block_read_twice};
use crate::verdict::{Check, Group};

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

pub(super) fn checks(case: &Case<'_>) -> Vec<Check> {
    let mut all = sharpness(case);
    all.extend(named(case, Detector::Previous, "head.previous", Key::Previous, "previous-token head"));
    all.extend(named(case, Detector::Induction, "head.induction", Key::Induction, "induction head"));
    all
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

/// Found; or, where these inputs cannot tell it from chance, by its score. Where three keys are visible a uniform head
/// scores near the threshold: the score must then be twice the null's.
fn is_named(d: &Detection) -> bool {
    match (d.verdict, d.score, d.null) {
        (Finding::Found, ..) => true,
        (Finding::NotResolvable, Some(score), Some(null)) => score > 2.0 * null.min(0.5),
        _ => false,
    }
}

/// True if some input is a block that is read twice, the form in which induction is asked for.
fn is_read_twice(case: &Case<'_>) -> bool {
    (0..case.patterns.inputs()).any(|input| block_read_twice(case.patterns.tokens(input)).is_some())
}

/// The heads that a detector names; the best of them stands for the model.
fn named(case: &Case<'_>, detector: Detector, id: &str, key: Key, what: &str) -> Vec<Check> {
    let threshold = case.config.sourced(key);
    let own: Vec<&Detection> = case.detections.heads.iter().filter(|d| d.detector == detector).collect();
    let mut all: Vec<Check> = own
        .iter()
        .map(|d| {
            let check = Check::new(id, GROUP).at(Some((d.layer, d.head))).threshold(threshold);
            match d.verdict {
                Finding::NotTestable => check.skipped(format!("not testable: {}", d.why)),
                Finding::NotResolvable => {
                    let why = format!("by the score alone, as the convention has it: {}{}", d.why, note(d));
                    filled(check, d).verdict(found(is_named(d)), why)
                }
                _ => filled(check, d).verdict(found(is_named(d)), format!("{}{}", d.why, note(d))),
            }
        })
        .collect();
    let check = Check::new(id, GROUP).threshold(threshold);
    let summary = case.detections.summary(detector);
    // The first of equals.
    let score = |d: &Detection| d.score.unwrap_or(f64::MIN);
    let tested = own.iter().filter(|d| d.score.is_some());
    let top = tested.max_by(|a, b| score(a).total_cmp(&score(b)).then((b.layer, b.head).cmp(&(a.layer, a.head))));
    let model = match (top, summary) {
        (Some(top), Some(summary)) => {
            let mut parts = Vec::new();
            if !summary.found.is_empty() {
                parts.push(format!("{what} found: {}", listed(&summary.found)));
            }
            let alone = own.iter().filter(|d| d.verdict == Finding::NotResolvable && is_named(d));
            let alone: Vec<String> = alone.map(|d| d.place()).collect();
            if !alone.is_empty() {
                parts.push(format!("{what} by the score alone, not told from chance: {}", listed(&alone)));
            }
            let good = !parts.is_empty();
            if !good {
                parts.push(format!("no {what}; the best, {}, scores {:.2}", top.place(), score(top)));
                if detector == Detector::Induction && !is_read_twice(case) {
                    parts.push(
                        "a text need not ask for it: repeated random tokens do (the job heads, of induction alone)"
                            .to_string(),
                    );
                }
            }
            let why = format!(
                "{} (null: {}; {} over {} tests)",
                parts.join("; "),
                summary.null,
                case.detections.correction.describe(),
                case.detections.tests
            );
            filled(check, top).verdict(case.verdict(GROUP, good), why)
        }
        _ => {
            let why = summary.and_then(|s| s.not_testable.as_ref()).map(|why| format!("not testable: {why}"));
            check.skipped(why.unwrap_or_else(|| case.no_figure_at_all("no map was kept")))
        }
    };
    all.insert(0, model);
    all
}
