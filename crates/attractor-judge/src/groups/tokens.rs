//! 3. Tokens: do equal tokens attract each other, and what do special tokens, punctuation and the first token receive?

use super::{Case, filled, found};
use crate::config::Key;
use crate::detect::{Detection, Detector, Finding as Detected, Reason};
use crate::finding::{Finding, Measured, NoInterval, OfHeads, Place, Worded};
use crate::id::CheckId;
use crate::id::Group;
use crate::measure::{ClassKind, HeadMeasure, Null, NullKind};
use crate::statistics::benjamini_hochberg;
use crate::untestable::{Lack, Untestable};
use crate::verdict::Verdict;

const GROUP: Group = Group::Tokens;

/// What group 3 found.
pub(crate) struct Tokens {
    pub repeat: OfHeads<Attraction, HeadAttraction>,
    /// Special tokens, punctuation, the first position.
    pub classes: Vec<OfHeads<Received>>,
    pub sinks: OfHeads<Sinks, HeadSink>,
}

/// How much equal tokens attract each other in the model.
#[derive(Debug, Clone)]
pub(crate) struct Attraction {
    /// Uniform weights more than other pairs at the same distance.
    pub contrast: f64,
    /// Against what, where the null speaks.
    pub chance: Option<(f64, NullKind)>,
    /// Heads in which they do.
    pub attracting: Vec<Place>,
    /// Number of heads.
    pub heads: usize,
}

/// How much equal tokens attract each other in a head.
#[derive(Debug, Clone)]
pub(crate) struct HeadAttraction {
    pub contrast: f64,
    /// Permutation p, adjusted over heads.
    pub q: Option<f64>,
}

/// What keys of a class receive.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub class: ClassKind,
    /// Times uniform, over the queries that see them.
    pub times: f64,
}

/// Heads with a sink.
#[derive(Debug, Clone)]
pub(crate) struct Sinks {
    pub found: Vec<Place>,
    /// Heads judged.
    pub heads: usize,
    /// Sinks at the first position.
    pub at_first: usize,
    /// By the score alone.
    pub alone: usize,
}

/// The favourite position of a head.
#[derive(Debug, Clone)]
pub(crate) struct HeadSink {
    pub is_sink: bool,
    /// Share of the attention, in [0, 1].
    pub share: f64,
    pub at: Vec<Position>,
    /// What the detector says.
    pub said: Reason,
}

/// A position, with its token where all inputs agree on it.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    pub key: usize,
    pub token: Option<String>,
}

impl Tokens {
    pub(super) fn all(&self) -> Vec<&dyn Worded> {
        let classes = self.classes.iter().flat_map(OfHeads::all);
        self.repeat.all().into_iter().chain(classes).chain(self.sinks.all()).collect()
    }
}

pub(super) fn find(case: &Case<'_>) -> Tokens {
    let classes = [
        (ClassKind::Special, CheckId::TokSpecial),
        (ClassKind::Punctuation, CheckId::TokPunctuation),
        (ClassKind::First, CheckId::TokFirst),
    ];
    Tokens {
        repeat: repeat(case),
        classes: classes.into_iter().map(|(kind, id)| class(case, kind, id)).collect(),
        sinks: sinks(case),
    }
}

fn repeat(case: &Case<'_>) -> OfHeads<Attraction, HeadAttraction> {
    let threshold = case.config.sourced(Key::Repeat);
    let alpha = case.config.get(Key::Alpha);
    let missing = case.no_repetition();
    let pick = |h: &HeadMeasure| Case::of_head(h, |i| i.repeat);
    let q = adjusted(case, |h| h.repeat_null.as_ref());
    let mut heads = Vec::new();
    let mut attracting = Vec::new();
    for (head, q) in case.measures.heads.iter().zip(&q) {
        let figure = case.figure(&pick(head));
        let place = Case::place(head);
        let measured = Measured::new(CheckId::TokRepeat).at(place).threshold(threshold);
        let Some(contrast) = figure.value else {
            heads.push(measured.skipped(case.no_figure(head, missing)));
            continue;
        };
        let own = head.repeat_null.as_ref().filter(|n| !n.is_cramped());
        let null = own.map_or(0.0, Null::mean);
        let q = q.filter(|_| own.is_some());
        let good = figure.is_above(threshold.0, 0.0) && q.is_none_or(|q| q <= alpha);
        if good {
            attracting.push(place);
        }
        let measured = figure.fill(measured).null(null).effect(contrast - null);
        heads.push(measured.verdict(found(good), HeadAttraction { contrast, q }));
    }
    let measured = Measured::new(CheckId::TokRepeat).threshold(threshold);
    let figure = case.figure(&case.of_model(pick));
    let model = match figure.value {
        None => measured.skipped(case.no_figure_at_all(missing)),
        Some(contrast) => {
            let nulls = case.measures.heads.iter().filter_map(|h| h.repeat_null.as_ref());
            let null = Null::mean_over(nulls).filter(|n| !n.is_cramped());
            let p = null.as_ref().map(Null::p);
            let good = figure.is_above(threshold.0, 0.0) && p.is_none_or(|p| p <= alpha);
            let chance = p.map(|p| (p, case.measures.null_plan.kind()));
            let mean = null.as_ref().map_or(0.0, Null::mean);
            let account = Attraction { contrast, chance, attracting, heads: heads.len() };
            figure.fill(measured).null(mean).effect(contrast - mean).verdict(case.verdict(GROUP, good), account)
        }
    };
    OfHeads { model, heads }
}

/// Permutation p-values over heads, adjusted; `None` where a head has none or the permutations are too few to tell.
fn adjusted<'a>(case: &'a Case<'_>, pick: impl Fn(&'a HeadMeasure) -> Option<&'a Null>) -> Vec<Option<f64>> {
    let nulls: Vec<Option<&Null>> = case.measures.heads.iter().map(pick).collect();
    let p: Vec<f64> = nulls.iter().flatten().map(|n| n.p()).collect();
    let mut q = benjamini_hochberg(&p).into_iter();
    nulls.iter().map(|null| null.and_then(|_| q.next())).collect()
}

fn class(case: &Case<'_>, class: ClassKind, id: CheckId) -> OfHeads<Received> {
    let slot = class as usize;
    let tokens = case.measures.geometry.iter().flatten().any(|g| g.has_tokens);
    let missing = match (class, tokens) {
        (ClassKind::First, _) | (_, true) => Lack::Class(class),
        (_, false) => Lack::Tokens,
    };
    let pick = |h: &HeadMeasure| Case::of_head(h, move |i| i.classes[slot]);
    let of = |measured: Measured, values: &[Option<f64>], why: &dyn Fn() -> Untestable| -> Finding<Received> {
        let figure = case.figure(values);
        match figure.value {
            None => measured.skipped(why()),
            Some(times) => {
                let measured = figure.fill(measured).null(1.0).effect(times - 1.0);
                measured.verdict(Verdict::Pass, Received { class, times })
            }
        }
    };
    let why = || case.no_figure_at_all(missing);
    let model = of(Measured::new(id).reported(), &case.of_model(pick), &why);
    if model.verdict == Verdict::Skipped {
        return OfHeads::alone(model);
    }
    let of_head = |head: &HeadMeasure| {
        let why = || case.no_figure(head, missing);
        of(Measured::new(id).at(Case::place(head)).reported(), &pick(head), &why)
    };
    OfHeads { model, heads: case.measures.heads.iter().map(of_head).collect() }
}

/// Sinks: one position takes more than epsilon of a head's attention. A figure that nothing hangs on: many good models have
/// sinks, and the head's other figures describe what is left beside them.
fn sinks(case: &Case<'_>) -> OfHeads<Sinks, HeadSink> {
    let threshold = case.config.sourced(Key::Sink);
    let own: Vec<&Detection> = case.detections.heads.iter().filter(|d| d.detector == Detector::Sink).collect();
    let is_sink = |d: &Detection| matches!(d.verdict, Detected::Found | Detected::NotResolvable);
    let heads: Vec<Finding<HeadSink>> = own
        .iter()
        .map(|d| {
            let measured = Measured::new(CheckId::SinkRate).at(Place::of(d)).threshold(threshold).reported();
            let share = match d.why {
                Reason::Lacks(unmet) => return measured.skipped(Untestable::Detector(unmet)),
                Reason::Scored { score, .. } => score,
            };
            let at = d.at.iter().map(|&key| position(case, key as usize)).collect();
            let account = HeadSink { is_sink: is_sink(d), share, at, said: d.why };
            filled(measured, d).verdict(found(!account.is_sink), account)
        })
        .collect();
    let measured = Measured::new(CheckId::SinkRate).threshold(threshold).reported();
    let judged = own.iter().filter(|d| d.score.is_some()).count();
    let model = match judged {
        0 => measured.skipped(case.no_figure_at_all(Lack::ColumnSums)),
        heads => {
            let sinks: Vec<&&Detection> = own.iter().filter(|d| is_sink(d)).collect();
            let rate = sinks.len() as f64 / heads as f64;
            let account = Sinks {
                found: sinks.iter().map(|d| Place::of(d)).collect(),
                heads,
                at_first: sinks.iter().filter(|d| d.at.contains(&0)).count(),
                alone: sinks.iter().filter(|d| d.verdict == Detected::NotResolvable).count(),
            };
            let measured = measured.no_interval(NoInterval::CountOfHeads);
            measured.value(rate).null(0.0).effect(rate).verdict(Verdict::Pass, account)
        }
    };
    OfHeads { model, heads }
}

/// The token's text is told if all inputs agree on it.
fn position(case: &Case<'_>, key: usize) -> Position {
    let mut texts: Vec<&str> = (0..case.patterns.inputs())
        .filter_map(|input| case.patterns.tokens(input).get(key).map(|t| t.text.as_str()))
        .collect();
    texts.dedup();
    Position { key, token: if let [text] = texts[..] { Some(text.to_string()) } else { None } }
}
