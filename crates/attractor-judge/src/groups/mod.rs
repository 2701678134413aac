//! The nine groups of checks, one file each.
//!
//! Every group answers with its checks in a fixed order: of the whole model first, then of layers, then of heads. A
//! group that cannot be served answers with skipped checks that say why.

mod ablation;
mod correctness;
mod diversity;
mod gradient;
mod heads;
mod position;
mod query;
mod tokens;
mod uniform;

use attractor_record::Patterns;
use attractor_record::Role;
use attractor_record::evidence::Evidence;

pub use heads::Class;
pub(crate) use heads::class_of;

use crate::config::{Config, Key, Severity};
use crate::detect::{Detection, Detections, Detector, Options};
use crate::measure::{HeadInput, HeadMeasure, Measures};
use crate::statistics::{Bootstrap, Interval, mean_of};
use crate::verdict::{Check, Group, Verdict};

/// All that a group may look at.
pub(crate) struct Case<'a> {
    pub patterns: &'a dyn Patterns,
    pub evidence: Option<&'a Evidence>,
    pub config: &'a Config,
    pub measures: Measures,
    /// Previous-token, induction and sink heads, as the detectors find them.
    pub detections: Detections,
    pub bootstrap: Bootstrap,
}

/// The checks of a group.
pub(crate) fn checks(case: &Case<'_>, group: Group) -> crate::Result<Vec<Check>> {
    Ok(match group {
        Group::Correctness => correctness::checks(case)?,
        Group::Position => position::checks(case),
        Group::Tokens => tokens::checks(case),
        Group::Uniform => uniform::checks(case),
        Group::Heads => heads::checks(case),
        Group::Query => query::checks(case),
        Group::Diversity => diversity::checks(case)?,
        Group::Gradient => gradient::checks(case),
        Group::Ablation => ablation::checks(case),
    })
}

/// A figure over inputs: its mean, its interval, and why there is none.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub value: Option<f64>,
    pub interval: Option<Interval>,
    /// "; no interval: ..." or nothing.
    pub note: String,
    /// Why there is no interval.
    pub no_interval: Option<String>,
}

impl Figure {
    /// At least `threshold`, and above `null` by its interval where there is one.
    pub(crate) fn is_above(&self, threshold: f64, null: f64) -> bool {
        self.value.is_some_and(|v| v >= threshold) && self.interval.as_ref().is_none_or(|i| i.low > null)
    }

    /// Puts value and interval into a check.
    pub(crate) fn fill(&self, check: Check) -> Check {
        let mut check = check.value(self.value.unwrap_or(f64::NAN)).interval(self.interval.clone());
        check.no_interval.clone_from(&self.no_interval);
        check
    }
}

/// What the detectors are asked, with the thresholds in force.
pub(crate) fn options(config: &Config) -> Options {
    let keys =
        [(Detector::Previous, Key::Previous), (Detector::Induction, Key::Induction), (Detector::Sink, Key::Sink)];
    Options {
        detectors: keys.map(|k| k.0).to_vec(),
        thresholds: keys.map(|(detector, key)| (detector, config.get(key))).into(),
        fdr: config.get(Key::Alpha),
        permutations: config.count(Key::Permutations),
        resamples: config.count(Key::Resamples),
        confidence: config.get(Key::Confidence),
        seed: config.seed,
        ..Options::default()
    }
}

/// The score of a detection in a check: value, null, effect and interval.
fn filled(check: Check, d: &Detection) -> Check {
    let (score, null) = (d.score.unwrap_or(f64::NAN), d.null.unwrap_or(f64::NAN));
    let mut check = check.value(score).null(null).effect(score - null).interval(d.interval.clone());
    check.no_interval.clone_from(&d.no_interval);
    check
}

/// "; no interval: ..." or nothing.
fn note(d: &Detection) -> String {
    d.no_interval.as_ref().map_or(String::new(), |why| format!("; no interval: {why}"))
}

impl Case<'_> {
    /// The figure of one value an entry; entries without it are left out.
    pub(crate) fn figure(&self, values: &[Option<f64>]) -> Figure {
        let (entries, there): (Vec<usize>, Vec<f64>) =
            values.iter().enumerate().filter_map(|(entry, value)| Some((entry, (*value)?))).unzip();
        let (interval, no_interval) = match self.bootstrap.interval_at(&entries, &there) {
            Ok(interval) => (Some(interval), None),
            Err(why) => (None, Some(format!("{why} ({})", self.bootstrap.by_input(&entries, &there).len()))),
        };
        let note = no_interval.as_ref().map_or(String::new(), |why| format!("; no interval: {why}"));
        Figure { value: mean_of(there.iter().copied()), interval, note, no_interval }
    }

    /// A head's figure on each input; not on maps that cannot be judged.
    pub(crate) fn of_head(head: &HeadMeasure, pick: impl Fn(&HeadInput) -> Option<f64>) -> Vec<Option<f64>> {
        head.inputs.iter().map(|input| if input.unfit.is_some() { None } else { pick(input) }).collect()
    }

    /// The mean over heads of a figure, on each input.
    pub(crate) fn of_model(&self, pick: impl Fn(&HeadMeasure) -> Vec<Option<f64>>) -> Vec<Option<f64>> {
        let each: Vec<Vec<Option<f64>>> = self.measures.heads.iter().map(pick).collect();
        (0..self.patterns.inputs()).map(|input| mean_of(each.iter().filter_map(|head| head[input]))).collect()
    }

    /// The verdict of a check of the whole model: what does not pass is a warning or a failure, as configured.
    pub(crate) fn verdict(&self, group: Group, good: bool) -> Verdict {
        match (good, self.config.severity(group)) {
            (true, _) => Verdict::Pass,
            (false, Severity::Warn) => Verdict::Warn,
            (false, Severity::Fail) => Verdict::Fail,
        }
    }

    /// Why a head has no figure.
    pub(crate) fn no_figure(&self, head: &HeadMeasure, what: &str) -> String {
        match head.inputs.iter().find_map(|input| input.unfit.as_ref()) {
            Some(why) => format!("not testable: {why}"),
            None => what.to_string(),
        }
    }

    /// Why the model as a whole has no figure.
    pub(crate) fn no_figure_at_all(&self, what: &str) -> String {
        let mut reasons = self.measures.heads.iter().flat_map(|h| &h.inputs).filter_map(|i| i.unfit.as_ref());
        match (self.measures.heads.is_empty() || self.patterns.inputs() == 0, reasons.next()) {
            (true, _) => "nothing was captured: no head or no input".to_string(),
            (false, Some(why)) if reasons.count() + 1 == self.measures.heads.len() * self.patterns.inputs() => {
                format!("not testable: {why}")
            }
            _ => what.to_string(),
        }
    }

    /// Why nothing can be said of tokens that occur again: unknown tokens, image patches, no maps, or `otherwise`.
    pub(crate) fn no_repetition(&self, otherwise: &str) -> String {
        let mut tokens = (0..self.patterns.inputs()).flat_map(|input| self.patterns.tokens(input));
        let known = self.measures.geometry.iter().flatten().any(|g| g.has_tokens);
        let maps = self.measures.heads.iter().flat_map(|head| &head.inputs).any(|input| input.has_weights);
        match (known, tokens.any(|t| t.role == Role::Patch)) {
            (_, true) => "the positions are image patches: none occurs twice".to_string(),
            (false, false) => "the tokens are not known".to_string(),
            (true, false) if !maps => "the maps were not kept; capture queries and keys (stats+qk)".to_string(),
            (true, false) => otherwise.to_string(),
        }
    }

    /// (layer, head) of a head, for [`Check::at`].
    pub(crate) fn place(head: &HeadMeasure) -> Option<(usize, usize)> {
        Some((head.layer, head.head))
    }
}

/// pass where the property is there, warn where not: of layers and heads, which never fail alone.
pub(crate) fn found(good: bool) -> Verdict {
    if good { Verdict::Pass } else { Verdict::Warn }
}

/// "1 input", "3 inputs".
pub(crate) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The first few of many, joined.
pub(crate) fn listed(items: &[String]) -> String {
    const SHOWN: usize = 8;
    match items.len() {
        0 => "none".to_string(),
        n if n <= SHOWN => items.join(", "),
        n => format!("{} and {} more", items[..SHOWN].join(", "), n - SHOWN),
    }
}
