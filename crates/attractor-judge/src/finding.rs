//! What a check found, before it is put into words: its figures, its verdict and a typed account of it.
//!
//! Groups answer with findings; [`crate::report`] words them last. Whoever wants a figure takes it from the finding,
//! never from a sentence or by a check's name.

use std::collections::BTreeMap;
use std::fmt;

use crate::detect::Detection;
use crate::id::CheckId;
use crate::statistics::{Interval, NoBootstrap};
use crate::untestable::Untestable;
use crate::verdict::{Verdict, place};

/// Whom a finding speaks of: the whole model, a layer or a head; the model's own numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub layer: Option<usize>,
    pub head: Option<usize>,
}

impl Place {
    pub(crate) const MODEL: Self = Self { layer: None, head: None };

    pub(crate) fn layer(layer: usize) -> Self {
        Self { layer: Some(layer), head: None }
    }

    pub(crate) fn head(layer: usize, head: usize) -> Self {
        Self { layer: Some(layer), head: Some(head) }
    }

    pub(crate) fn of(detection: &Detection) -> Self {
        Self::head(detection.layer, detection.head)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&place(self.layer, self.head))
    }
}

/// Why a figure has no interval.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NoInterval {
    /// The bootstrap's reason, and the inputs that have the figure.
    Inputs { why: NoBootstrap, inputs: usize },
    /// All rows of all inputs were looked at, or a thing was counted: there is nothing to estimate.
    Exact,
    /// The largest of all probes.
    AllProbes,
    /// A count of heads.
    CountOfHeads,
    /// A count of parameters.
    CountOfParameters,
    /// A single derivative.
    OneDerivative,
    /// A perplexity of inputs that weigh differently.
    UnequalPredictions,
    /// A perplexity without a baseline.
    NothingBeside,
}

/// The figures of a check.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub id: CheckId,
    pub place: Place,
    /// Finite where it is there, as are null and effect.
    pub value: Option<f64>,
    pub null: Option<f64>,
    pub effect: Option<f64>,
    /// Of the value, over inputs.
    pub interval: Option<Interval>,
    pub no_interval: Option<NoInterval>,
    pub threshold: Option<f64>,
    pub threshold_source: String,
    /// False for a figure that nothing hangs on.
    pub judged: bool,
}

impl Measured {
    /// No figure yet, of the whole model.
    pub(crate) fn new(id: CheckId) -> Self {
        Self {
            id,
            place: Place::MODEL,
            value: None,
            null: None,
            effect: None,
            interval: None,
            no_interval: None,
            threshold: None,
            threshold_source: String::new(),
            judged: true,
        }
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// JSON has no infinities and no NaN: what is not finite is not there.
    pub(crate) fn value(mut self, value: f64) -> Self {
        self.value = value.is_finite().then_some(value);
        self
    }

    pub(crate) fn null(mut self, null: f64) -> Self {
        self.null = null.is_finite().then_some(null);
        self
    }

    pub(crate) fn effect(mut self, effect: f64) -> Self {
        self.effect = effect.is_finite().then_some(effect);
        self
    }

    pub(crate) fn interval(mut self, interval: Option<Interval>) -> Self {
        self.interval = interval;
        self
    }

    pub(crate) fn no_interval(mut self, why: NoInterval) -> Self {
        self.interval = None;
        self.no_interval = Some(why);
        self
    }

    pub(crate) fn exact(self) -> Self {
        self.no_interval(NoInterval::Exact)
    }

    pub(crate) fn threshold(mut self, (threshold, source): (f64, &str)) -> Self {
        self.threshold = Some(threshold);
        self.threshold_source = source.to_string();
        self
    }

    /// Another threshold than the configured one, which it was made from.
    pub(crate) fn held_against(mut self, threshold: f64) -> Self {
        self.threshold = Some(threshold);
        self
    }

    pub(crate) fn reported(mut self) -> Self {
        if self.threshold_source.is_empty() {
            self.threshold_source = "reported, not judged".to_string();
        }
        self.judged = false;
        self
    }

    pub(crate) fn verdict<D>(self, verdict: Verdict, account: D) -> Finding<D> {
        Finding { measured: self, verdict, account: Ok(account) }
    }

    pub(crate) fn skipped<D>(self, why: Untestable) -> Finding<D> {
        Finding { measured: self, verdict: Verdict::Skipped, account: Err(why) }
    }
}

/// A finding's account, in a sentence; [`crate::report`] has the sentences.
pub(crate) trait Say {
    /// The sentence; `of` are the figures that it goes with.
    fn say(&self, of: &Measured) -> String;
}

/// A check that was put: figures, verdict, and what there is to say of it or why it could not be tested.
#[derive(Debug, Clone)]
pub(crate) struct Finding<D> {
    pub measured: Measured,
    pub verdict: Verdict,
    pub account: Result<D, Untestable>,
}

impl<D> Finding<D> {
    /// The finding, unless it could not be tested.
    pub(crate) fn tested(&self) -> Option<&Self> {
        (self.verdict != Verdict::Skipped).then_some(self)
    }

    /// True if the property is there; `None` if that could not be tested.
    pub(crate) fn passes(&self) -> Option<bool> {
        self.tested().map(|finding| finding.verdict == Verdict::Pass)
    }
}

/// A finding of the whole model and those of its heads.
#[derive(Debug, Clone)]
pub(crate) struct OfHeads<M, H = M> {
    pub model: Finding<M>,
    /// Empty where heads were not asked.
    pub heads: Vec<Finding<H>>,
}

impl<M, H> OfHeads<M, H> {
    /// Of the model alone.
    pub(crate) fn alone(model: Finding<M>) -> Self {
        Self { model, heads: Vec::new() }
    }

    /// The heads' findings by (layer, head).
    pub(crate) fn by_place(&self) -> BTreeMap<(usize, usize), &Finding<H>> {
        let place = |place: Place| Some((place.layer?, place.head?));
        self.heads.iter().filter_map(|finding| Some((place(finding.measured.place)?, finding))).collect()
    }
}

impl<M: Say, H: Say> OfHeads<M, H> {
    /// The model's, then the heads'.
    pub(crate) fn all(&self) -> Vec<&dyn Worded> {
        let heads = self.heads.iter().map(|finding| finding as &dyn Worded);
        std::iter::once(&self.model as &dyn Worded).chain(heads).collect()
    }
}

/// A finding of any check, for those who only word it.
pub(crate) trait Worded {
    fn measured(&self) -> &Measured;
    fn verdict(&self) -> Verdict;
    /// The answer in a sentence.
    fn why(&self) -> String;
}

impl<D: Say> Worded for Finding<D> {
    fn measured(&self) -> &Measured {
        &self.measured
    }

    fn verdict(&self) -> Verdict {
        self.verdict
    }

    fn why(&self) -> String {
        match &self.account {
            Ok(account) => account.say(&self.measured),
            Err(why) => why.to_string(),
        }
    }
}
