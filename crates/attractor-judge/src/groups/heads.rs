//! 5. Per head: how sharp, on a scale that does not depend on the length, and two heads known by name.

use serde::{Deserialize, Serialize};

use super::{Case, filled, found};
use crate::config::{Config, Key};
use crate::detect::{Detection, Detector, Finding as Detected, Null, Reason};
use crate::finding::{Finding, Measured, OfHeads, Place, Worded};
use crate::id::CheckId;
use crate::id::Group;
use crate::measure::HeadMeasure;
use crate::place::Head;
use crate::statistics::Correction;
use crate::untestable::{Lack, Untestable};

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

/// What group 5 found.
pub(crate) struct Heads {
    pub sharpness: OfHeads<Classes, Sharpness>,
    pub previous: OfHeads<Named, HeadNamed>,
    pub induction: OfHeads<Named, HeadNamed>,
}

/// How many heads are how sharp.
#[derive(Debug, Clone)]
pub(crate) struct Classes {
    /// Heads of each [`Class`], in its order.
    pub counts: [usize; 4],
    /// Mean of 1 - H / ln n.
    pub mean: f64,
}

impl Classes {
    /// Heads that have a class.
    pub(crate) fn judged(&self) -> usize {
        self.counts.iter().sum()
    }
}

/// How sharp a head is.
#[derive(Debug, Clone)]
pub(crate) struct Sharpness {
    pub class: Class,
    /// 1 - H / ln n.
    pub sharpness: f64,
    /// exp(H), keys.
    pub keys: f64,
}

/// The heads that a detector names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub detector: Detector,
    /// As the detector finds them.
    pub found: Vec<Head>,
    /// By the score alone, not told from chance.
    pub alone: Vec<Head>,
    /// The head of the largest score.
    pub best: (Place, f64),
    /// No input repeats itself as a whole, the form in which induction is asked for.
    pub unasked: bool,
    /// The inputs that were made to ask for it, if there are any.
    pub stimulus: Option<String>,
    /// How chance was drawn.
    pub null: Null,
    pub correction: Correction,
    pub tests: usize,
}

/// What a detector says of a head.
#[derive(Debug, Clone)]
pub(crate) struct HeadNamed {
    /// True if the score decided alone: these inputs cannot tell it from chance.
    pub by_score: bool,
    pub said: Reason,
}

impl Heads {
    pub(super) fn all(&self) -> Vec<&dyn Worded> {
        [self.sharpness.all(), self.previous.all(), self.induction.all()].concat()
    }
}

pub(super) fn find(case: &Case<'_>) -> Heads {
    Heads {
        sharpness: sharpness(case),
        previous: named(case, Detector::Previous, CheckId::HeadPrevious, Key::Previous),
        induction: named(case, Detector::Induction, CheckId::HeadInduction, Key::Induction),
    }
}

fn sharpness(case: &Case<'_>) -> OfHeads<Classes, Sharpness> {
    let threshold = case.config.sourced(Key::Medium);
    let pick = |h: &HeadMeasure| Case::of_head(h, |i| i.sharpness);
    let mut counts = [0usize; 4];
    let mut heads = Vec::new();
    for head in &case.measures.heads {
        let figure = case.figure(&pick(head));
        let measured = Measured::new(CheckId::HeadSharpness).at(Case::place(head)).threshold(threshold);
        let Some(sharpness) = figure.value else {
            heads.push(measured.skipped(case.no_figure(head, Lack::TwoKeys)));
            continue;
        };
        let class = class_of(sharpness, case.config);
        counts[class as usize] += 1;
        let keys = case.figure(&Case::of_head(head, |i| i.effective_keys)).value.unwrap_or(f64::NAN);
        let measured = figure.fill(measured).null(0.0).effect(keys);
        heads.push(measured.verdict(found(class >= Class::Medium), Sharpness { class, sharpness, keys }));
    }
    let measured = Measured::new(CheckId::HeadSharpness).threshold(threshold);
    let figure = case.figure(&case.of_model(pick));
    let model = match figure.value {
        None => measured.skipped(case.no_figure_at_all(Lack::TwoKeys)),
        Some(mean) => {
            let account = Classes { counts, mean };
            // The original guide's rule: one sharp head, or half of the heads medium.
            let good = counts[Class::Sharp as usize] > 0 || 2 * counts[Class::Medium as usize] > account.judged();
            figure.fill(measured).null(0.0).effect(mean).verdict(case.verdict(GROUP, good), account)
        }
    };
    OfHeads { model, heads }
}

/// The heads that a detector names; the best of them stands for the model.
fn named(case: &Case<'_>, detector: Detector, id: CheckId, key: Key) -> OfHeads<Named, HeadNamed> {
    let threshold = case.config.sourced(key);
    let own: Vec<&Detection> = case.detections.heads.iter().filter(|d| d.detector == detector).collect();
    let heads: Vec<Finding<HeadNamed>> = own
        .iter()
        .map(|d| {
            let measured = Measured::new(id).at(Place::of(d)).threshold(threshold);
            if let Reason::Lacks(unmet) = d.why {
                return measured.skipped(Untestable::Detector(unmet));
            }
            let account = HeadNamed { by_score: d.verdict == Detected::NotResolvable, said: d.why };
            filled(measured, d).verdict(found(d.verdict == Detected::Found || d.is_by_score()), account)
        })
        .collect();
    let measured = Measured::new(id).threshold(threshold);
    let summary = case.detections.summary(detector);
    // The first of equals.
    let score = |d: &Detection| d.score.unwrap_or(f64::MIN);
    let tested = own.iter().filter(|d| d.score.is_some());
    let top = tested.max_by(|a, b| score(a).total_cmp(&score(b)).then((b.layer, b.head).cmp(&(a.layer, a.head))));
    let model = match (top, summary) {
        (Some(top), Some(summary)) => {
            let account = Named {
                detector,
                found: summary.found.clone(),
                alone: summary.by_score.clone(),
                best: (Place::of(top), score(top)),
                unasked: summary.unasked,
                stimulus: summary.stimulus.clone(),
                null: summary.null.clone(),
                correction: case.detections.correction,
                tests: case.detections.tests,
            };
            let good = !account.found.is_empty() || !account.alone.is_empty();
            filled(measured, top).verdict(case.verdict(GROUP, good), account)
        }
        _ => {
            let why = summary.and_then(|s| s.not_testable).map(Untestable::Detector);
            measured.skipped(why.unwrap_or_else(|| case.no_figure_at_all(Lack::Map)))
        }
    };
    OfHeads { model, heads }
}
