//! The nine groups of questions, one file each.
//!
//! Every group answers with findings: figures, verdicts and typed accounts, of the whole model first, then of layers,
//! then of heads. What cannot be tested says why. No file here makes a sentence: `report/words` does, at the end.

pub(crate) mod ablation;
pub(crate) mod correctness;
pub(crate) mod diversity;
pub(crate) mod gradient;
pub(crate) mod heads;
pub(crate) mod position;
pub(crate) mod query;
pub(crate) mod tokens;
pub(crate) mod uniform;

use attractor_record::Patterns;
use attractor_record::evidence::Evidence;
use attractor_record::{Role, Stack};

pub use heads::Class;
pub(crate) use heads::class_of;

use crate::config::{Config, Key, Severity};
use crate::detect::{Detection, Detections, Detector, Options};
use crate::finding::{Measured, NoInterval, Place, Worded};
use crate::id::Group;
use crate::measure::{HeadInput, HeadMeasure, Measures};
use crate::statistics::{Bootstrap, Interval, mean_of};
use crate::untestable::{Lack, Untestable};
use crate::verdict::Verdict;

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

/// What the nine groups found.
pub(crate) struct Findings {
    pub correctness: correctness::Correctness,
    pub position: position::Position,
    pub tokens: tokens::Tokens,
    pub uniform: uniform::Uniformity,
    pub heads: heads::Heads,
    pub query: query::Query,
    pub diversity: diversity::Diversity,
    pub gradient: gradient::Gradient,
    pub ablation: ablation::Ablations,
}

impl Findings {
    /// Puts the questions of every group.
    ///
    /// # Errors
    /// `is_format` if the patterns cannot be read.
    pub(crate) fn of(case: &Case<'_>) -> crate::Result<Self> {
        Ok(Self {
            correctness: correctness::find(case)?,
            position: position::find(case),
            tokens: tokens::find(case),
            uniform: uniform::find(case),
            heads: heads::find(case),
            query: query::find(case),
            diversity: diversity::find(case)?,
            gradient: gradient::find(case),
            ablation: ablation::find(case),
        })
    }

    /// All of them, in the order of the report.
    pub(crate) fn all(&self) -> Vec<&dyn Worded> {
        [
            self.correctness.all(),
            self.position.all(),
            self.tokens.all(),
            self.uniform.all(),
            self.heads.all(),
            self.query.all(),
            self.diversity.all(),
            self.gradient.all(),
            self.ablation.all(),
        ]
        .concat()
    }
}

/// A figure over inputs: its mean, its interval, and why there is none.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub value: Option<f64>,
    pub interval: Option<Interval>,
    /// Why there is no interval.
    pub no_interval: Option<NoInterval>,
}

impl Figure {
    /// At least `threshold`, and above `null` by its interval where there is one.
    pub(crate) fn is_above(&self, threshold: f64, null: f64) -> bool {
        self.value.is_some_and(|v| v >= threshold) && self.interval.as_ref().is_none_or(|i| i.low > null)
    }

    /// Puts value and interval into a check's figures.
    pub(crate) fn fill(&self, measured: Measured) -> Measured {
        let mut measured = measured.value(self.value.unwrap_or(f64::NAN)).interval(self.interval.clone());
        measured.no_interval.clone_from(&self.no_interval);
        measured
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
fn filled(measured: Measured, d: &Detection) -> Measured {
    let (score, null) = (d.score.unwrap_or(f64::NAN), d.null.unwrap_or(f64::NAN));
    let mut measured = measured.value(score).null(null).effect(score - null).interval(d.interval.clone());
    measured.no_interval = d.no_interval.map(|none| NoInterval::Inputs { why: none.why, inputs: none.inputs });
    measured
}

impl Case<'_> {
    /// The figure of one value an entry; entries without it are left out.
    pub(crate) fn figure(&self, values: &[Option<f64>]) -> Figure {
        let (entries, there): (Vec<usize>, Vec<f64>) =
            values.iter().enumerate().filter_map(|(entry, value)| Some((entry, (*value)?))).unzip();
        let (interval, no_interval) = match self.bootstrap.interval_at(&entries, &there) {
            Ok(interval) => (Some(interval), None),
            Err(why) => {
                (None, Some(NoInterval::Inputs { why, inputs: self.bootstrap.by_input(&entries, &there).len() }))
            }
        };
        Figure { value: mean_of(there.iter().copied()), interval, no_interval }
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

    /// True if the maps are of cross attention, whose queries are no positions among the keys.
    pub(crate) fn is_cross(&self) -> bool {
        self.patterns.stack() == Stack::Cross
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
    pub(crate) fn no_figure(&self, head: &HeadMeasure, lack: Lack) -> Untestable {
        match head.inputs.iter().find_map(|input| input.unfit) {
            Some(why) => Untestable::Unfit(why),
            None => Untestable::Lacks(lack),
        }
    }

    /// Why the model as a whole has no figure.
    pub(crate) fn no_figure_at_all(&self, lack: Lack) -> Untestable {
        let mut reasons = self.measures.heads.iter().flat_map(|h| &h.inputs).filter_map(|i| i.unfit);
        match (self.measures.heads.is_empty() || self.patterns.inputs() == 0, reasons.next()) {
            (true, _) => Untestable::NothingCaptured,
            (false, Some(why)) if reasons.count() + 1 == self.measures.heads.len() * self.patterns.inputs() => {
                Untestable::Unfit(why)
            }
            _ => Untestable::Lacks(lack),
        }
    }

    /// Why nothing can be said of tokens that occur again: unknown tokens, image patches, no maps, or none does.
    pub(crate) fn no_repetition(&self) -> Lack {
        let mut tokens = (0..self.patterns.inputs()).flat_map(|input| self.patterns.tokens(input));
        let known = self.measures.geometry.iter().flatten().any(|g| g.has_tokens);
        let maps = self.measures.heads.iter().flat_map(|head| &head.inputs).any(|input| input.has_weights);
        match (known, tokens.any(|t| t.role == Role::Patch)) {
            (_, true) => Lack::Repetition,
            (false, false) => Lack::Tokens,
            (true, false) if !maps => Lack::MapsForTokens,
            (true, false) => Lack::RepeatedToken,
        }
    }

    /// The place of a head.
    pub(crate) fn place(head: &HeadMeasure) -> Place {
        Place::head(head.layer, head.head)
    }
}

/// pass where the property is there, warn where not: of layers and heads, which never fail alone.
pub(crate) fn found(good: bool) -> Verdict {
    if good { Verdict::Pass } else { Verdict::Warn }
}
