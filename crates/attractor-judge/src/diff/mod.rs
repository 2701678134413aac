//! Two sources of attention on the same tokens: what changed, head by head, with intervals over inputs.
//!
//! Heads are matched by the model's own numbers of layer and head; what has no partner is said. Differences are B - A,
//! paired by input; the interval is a BCa bootstrap of their mean.

mod figures;
mod junit;
mod metric;
mod reason;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use attractor_record::{LayerShape, Patterns, Stack, Steps, Token, counted};
use rayon::prelude::*;
use serde::Serialize;

use figures::Place;
pub use junit::junit;
pub use metric::{Condition, Metric};
pub use reason::{Disparity, Fault, Side, Unfit, Whom};

use crate::config::Config;
use crate::measure::Geometry;
use crate::place::{Head, named_stack};
use crate::statistics::{Bootstrap, Interval, NoBootstrap, mean};
use attractor::{Context, Error, Hint, Result};

/// How two sources are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiffOptions {
    /// Resamples of an interval.
    pub resamples: usize,
    /// Its confidence level, in (0, 1).
    pub level: f64,
}

impl Default for DiffOptions {
    fn default() -> Self {
        Self { resamples: 9_999, level: 0.95 }
    }
}

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Mean over inputs of A; `None` for the divergence, which is between the two.
    pub a: Option<f64>,
    /// Mean over inputs of B.
    pub b: Option<f64>,
    /// Mean of B - A over the inputs where both have the figure; the divergence itself.
    pub difference: f64,
    /// Interval of that mean.
    pub interval: Option<Interval>,
    /// Why there is no interval.
    pub why: Option<NoBootstrap>,
    /// Inputs behind it.
    pub inputs: usize,
}

impl Change {
    /// True if the interval leaves out zero: what a reader looks at first.
    pub fn is_clear(&self) -> bool {
        self.interval.as_ref().is_some_and(|interval| interval.low > 0.0 || interval.high < 0.0)
    }
}

/// What changed in one head.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadDiff {
    /// Layer.
    pub layer: usize,
    /// Head.
    pub head: usize,
    /// By metric; one that no input could serve is absent.
    pub changes: BTreeMap<Metric, Change>,
    /// Why some or all inputs could not be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfit: Option<Unfit>,
}

impl HeadDiff {
    /// True if every metric was compared and none differs.
    pub fn is_same(&self) -> bool {
        self.unfit.is_none() && self.changes.values().all(|change| change.difference == 0.0)
    }

    /// Which head.
    pub fn place(&self) -> Head {
        Head { layer: self.layer, head: self.head }
    }
}

/// Two sources, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// The stack whose layers were compared, where the model has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<Stack>,
    /// Number of inputs.
    pub inputs: usize,
    /// Steps of them all, where inputs have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Queries of each input, in the first matched layer.
    pub lengths: Vec<usize>,
    /// The heads that both have, by layer and head.
    pub heads: Vec<HeadDiff>,
    /// Heads that only one of them has.
    pub unmatched: Vec<Head>,
    /// The models' losses, if both have one of the same kind.
    pub loss: Option<Change>,
    /// What has no partner or could not be compared.
    pub notes: Vec<Disparity>,
}

/// What a condition found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checked {
    /// The condition.
    pub condition: Condition,
    /// Number of heads (or of models) that it could be put to; none: it is not testable.
    pub tested: usize,
    /// Those that meet it, with their difference.
    pub met: Vec<(Whom, f64)>,
    /// Heads that it could not be put to although others could: a gate must not let them pass unseen.
    pub untested: Vec<Head>,
    /// Set if no B at all could meet it: whom of A comes nearest, and what that one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_reach: Option<(Whom, f64)>,
}

impl Checked {
    /// True if the condition was put to every head, could have been met and was by none.
    pub fn is_ok(&self) -> bool {
        self.tested > 0 && self.met.is_empty() && self.untested.is_empty() && self.out_of_reach.is_none()
    }

    /// Why nothing was tested, if that is so: a gate that cannot close must not look open.
    pub fn fault(&self) -> Option<String> {
        let Condition { metric, below, bound, .. } = &self.condition;
        if self.tested == 0 {
            return Some("no head has this figure".to_string());
        }
        let (whom, value) = self.out_of_reach?;
        let (what, way, limit) = match below {
            true => ("highest", "fall", metric.range().0 - value),
            false => ("lowest", "rise", metric.range().1 - value),
        };
        Some(match metric {
            Metric::Divergence => format!("a divergence lies between 0 and 1, so it cannot {way} beyond {bound}"),
            _ => format!("the {what} {metric} of A is {value:.4} ({whom}), so B - A cannot {way} beyond {limit:+.4}"),
        })
    }
}

impl Diff {
    /// What was compared, in words: the stack where it is named, inputs, steps.
    pub fn counted(&self) -> String {
        counted(self.stack, self.inputs, self.steps)
    }

    /// The head that changed most by a metric; the first of equals.
    pub fn most(&self, metric: Metric) -> Option<(&HeadDiff, &Change)> {
        let changes = self.heads.iter().filter_map(|head| Some((head, head.changes.get(&metric)?)));
        changes.reduce(|best, next| if next.1.difference.abs() > best.1.difference.abs() { next } else { best })
    }

    /// Heads by how much they changed, the most first: by divergence, or by entropy where there is none.
    pub fn ranked(&self) -> Vec<&HeadDiff> {
        let size = |head: &HeadDiff| {
            let change = head.changes.get(&Metric::Divergence).or(head.changes.get(&Metric::Entropy));
            change.map_or(0.0, |change| change.difference.abs())
        };
        let mut order: Vec<&HeadDiff> = self.heads.iter().collect();
        order.sort_by(|a, b| size(b).total_cmp(&size(a)).then((a.layer, a.head).cmp(&(b.layer, b.head))));
        order
    }

    /// The same, with these metrics as `other` found them: that of the same heads on inputs made for the metrics.
    #[must_use]
    pub fn with(mut self, metrics: &[Metric], mut other: Self) -> Self {
        for head in &mut self.heads {
            head.changes.retain(|metric, _| !metrics.contains(metric));
            let Some(there) = other.heads.iter_mut().find(|there| there.place() == head.place()) else { continue };
            head.changes.extend(metrics.iter().filter_map(|metric| there.changes.remove_entry(metric)));
            head.unfit = head.unfit.or(there.unfit);
        }
        let is_theirs = |note: &Disparity| matches!(note, Disparity::NotTestable(of) if metrics.contains(of));
        self.notes.retain(|note| !is_theirs(note));
        self.notes.extend(other.notes.into_iter().filter(is_theirs));
        self
    }

    /// The same without these metrics, for which there is no stimulus: they are not testable.
    #[must_use]
    pub fn without(mut self, metrics: &[Metric]) -> Self {
        self.heads.iter_mut().for_each(|head| head.changes.retain(|metric, _| !metrics.contains(metric)));
        self.notes.retain(|note| !matches!(note, Disparity::NotTestable(of) if metrics.contains(of)));
        self.notes.extend(metrics.iter().map(|&metric| Disparity::NotTestable(metric)));
        self
    }

    /// Puts a condition to every head.
    pub fn check(&self, condition: &Condition) -> Checked {
        let of = |head: &HeadDiff| Some((Whom::Head(head.place()), head.changes.get(&condition.metric)?.difference));
        let loss = self.loss.iter().filter(|_| condition.metric == Metric::Loss);
        let loss = loss.map(|loss| (Whom::Model, loss.difference));
        let all: Vec<(Whom, f64)> = self.heads.iter().filter_map(of).chain(loss).collect();
        let tested = all.len();
        // Of B nothing is known but the metric's range: the head of A that leaves it most room.
        let start =
            |head: &HeadDiff| Some((Whom::Head(head.place()), head.changes.get(&condition.metric)?.a.unwrap_or(0.0)));
        let of_model = self.loss.iter().filter(|_| condition.metric == Metric::Loss);
        let starts = self.heads.iter().filter_map(start);
        let starts = starts.chain(of_model.filter_map(|loss| Some((Whom::Model, loss.a?))));
        let sign = if condition.below { 1.0 } else { -1.0 };
        let nearest = starts.reduce(|best, next| if sign * next.1 > sign * best.1 { next } else { best });
        let out_of_reach = nearest.filter(|&(_, a)| !condition.is_reachable(a));
        let met = all.into_iter().filter(|(_, difference)| condition.is_met(*difference)).collect();
        let mut untested = Vec::new();
        if tested > 0 && condition.metric != Metric::Loss {
            let lacks = |head: &&HeadDiff| !head.changes.contains_key(&condition.metric) || head.unfit.is_some();
            untested.extend(self.heads.iter().filter(lacks).map(HeadDiff::place));
            untested.extend(&self.unmatched);
        }
        Checked { condition: condition.clone(), tested, met, untested, out_of_reach }
    }
}

/// Compares two sources that read the same tokens.
///
/// Inputs are resampled by the context's seed. `losses` are those of each input, of A and of B, where both models have a loss of the same kind.
/// # Cost
/// One pass over the maps of both; strips of 1 Mi numbers per thread. The answer is the same for any number of threads.
/// # Errors
/// `is_usage` if the two read other tokens, or share no head; `is_format` if one cannot be read; `is_interrupted`.
pub fn diff(
    a: &dyn Patterns,
    b: &dyn Patterns,
    losses: Option<(&[Option<f64>], &[Option<f64>])>,
    options: &DiffOptions,
    context: &Context<'_>,
) -> Result<Diff> {
    let mut notes = Vec::new();
    same_inputs(a, b, &mut notes)?;
    notes.extend(reason::repeated(a)?);
    let (steps, inputs) = (Steps::of(a), a.inputs());
    let all = a.layers();
    let others = b.layers();
    let mut matched = matched(&all, &others, &mut notes);
    let geometry = Geometry::of_all(a, &Config::default())?;
    let index = |layer: usize| all.iter().position(|shape| shape.layer == layer).unwrap_or(0);
    let mut other_shape = Vec::new();
    for (layer, _) in &matched {
        for input in 0..inputs {
            let (a, b) = (a.shape(*layer, input)?, b.shape(*layer, input)?);
            if a != b {
                notes.push(Disparity::OtherShape { layer: *layer, origin: steps.origin(input), shapes: [a, b] });
                other_shape.push(*layer);
                break;
            }
        }
    }
    matched.retain(|(layer, _)| !other_shape.contains(layer));
    let tasks: Vec<(usize, usize)> =
        matched.iter().flat_map(|(layer, heads)| heads.iter().map(move |&head| (*layer, head))).collect();
    if tasks.is_empty() {
        return Err(Error::usage(format!(
            "diff: A and B have no head in common; {}",
            if notes.is_empty() { "one of them holds no head".to_string() } else { joined(&notes, "; ") }
        )));
    }
    let bootstrap = Bootstrap::new(context.seed(), options.resamples, options.level).over(&steps);
    // Layers whose masks are the same share theirs.
    let mut places: HashMap<Vec<usize>, Vec<Place>> = HashMap::new();
    let key = |layer: usize| geometry[index(layer)].iter().map(|g| g.id).collect::<Vec<_>>();
    for &(layer, _) in &matched {
        places.entry(key(layer)).or_insert_with(|| {
            geometry[index(layer)]
                .iter()
                .enumerate()
                .map(|(i, g)| Place::of(g.clone(), a.tokens(i), a.stack()))
                .collect()
        });
    }
    let done = AtomicUsize::new(0);
    let heads = tasks
        .par_iter()
        .map(|&(layer, head)| {
            context.check()?;
            context.step("heads", done.fetch_add(1, Ordering::Relaxed), tasks.len());
            let places = &places[&key(layer)];
            let mut pairs = (0..inputs)
                .map(|input| figures::pair([a, b], &places[input], layer, head, input))
                .collect::<Result<Vec<_>>>()?;
            (0..2).for_each(|side| figures::set_sink(&mut pairs, places, side));
            let unfit = unfit(&pairs, &steps);
            let figures: Vec<_> = pairs.into_iter().map(|pair| pair.figures).collect();
            let mut changes = BTreeMap::new();
            for metric in Metric::ALL {
                let side = |side: usize| figures.iter().map(move |f| f[side][metric as usize]).collect::<Vec<_>>();
                if let Some(change) = change(&side(0), &side(1), metric == Metric::Divergence, &bootstrap) {
                    changes.insert(metric, change);
                }
            }
            Ok(HeadDiff { layer, head, changes, unfit })
        })
        .collect::<Result<Vec<_>>>()?;
    for metric in Metric::ALL.into_iter().filter(|&metric| metric != Metric::Loss) {
        if heads.iter().all(|head| !head.changes.contains_key(&metric)) {
            notes.push(Disparity::NotTestable(metric));
        }
    }
    let loss = losses.and_then(|(a, b)| change(a, b, false, &bootstrap));
    let lengths = geometry[index(tasks[0].0)].iter().map(|g| g.queries).collect();
    let names = |shapes: &[LayerShape]| -> Vec<(usize, usize)> {
        shapes.iter().flat_map(|shape| shape.heads.iter().map(|&head| (shape.layer, head))).collect()
    };
    let mut unmatched: Vec<(usize, usize)> = [names(&all), names(&others)].concat();
    unmatched.retain(|place| !tasks.contains(place));
    unmatched.sort_unstable();
    unmatched.dedup();
    let unmatched = unmatched.into_iter().map(|(layer, head)| Head { layer, head }).collect();
    let stack = named_stack(a);
    Ok(Diff { stack, inputs: steps.inputs(), steps: steps.several(), lengths, heads, unmatched, loss, notes })
}

/// Why inputs of a head could not be compared: on how many, and the first reason.
fn unfit(pairs: &[figures::Pair], steps: &Steps) -> Option<Unfit> {
    let fault = |pair: &figures::Pair| {
        let of = |side: Side| Some((side, pair.unfit[side as usize]?));
        Side::BOTH.into_iter().find_map(of)
    };
    let (side, fault) = {
        let first = pairs.iter().find_map(fault);
        first?
    };
    let has = |entries: &&Vec<usize>| entries.iter().any(|&entry| pairs[entry].unfit.iter().any(Option::is_some));
    Some(Unfit { side, fault, on: steps.series().iter().filter(has).count(), inputs: steps.inputs() })
}

/// Some of what has words, joined.
fn joined<T: std::fmt::Display>(all: &[T], by: &str) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(by)
}

/// The paired change over inputs; `None` if no input has the figure on both sides.
fn change(a: &[Option<f64>], b: &[Option<f64>], between: bool, bootstrap: &Bootstrap) -> Option<Change> {
    let both = a.iter().zip(b).enumerate();
    let (entries, pairs): (Vec<usize>, Vec<(f64, f64)>) = match between {
        true => b.iter().enumerate().filter_map(|(entry, b)| Some((entry, (0.0, (*b)?)))).unzip(),
        false => both.filter_map(|(entry, (a, b))| Some((entry, ((*a)?, (*b)?)))).unzip(),
    };
    if pairs.is_empty() {
        return None;
    }
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
    let (interval, why) = match bootstrap.interval_at(&entries, &differences) {
        Ok(interval) => (Some(interval), None),
        Err(why) => (None, Some(why)),
    };
    let side = |pick: fn(&(f64, f64)) -> f64| mean(&pairs.iter().map(pick).collect::<Vec<_>>());
    Some(Change {
        a: (!between).then(|| side(|pair| pair.0)),
        b: (!between).then(|| side(|pair| pair.1)),
        difference: mean(&differences),
        interval,
        why,
        inputs: bootstrap.by_input(&entries, &differences).len(),
    })
}

/// Refuses sources that read other tokens.
fn same_inputs(a: &dyn Patterns, b: &dyn Patterns, notes: &mut Vec<Disparity>) -> Result<()> {
    if a.inputs() != b.inputs() || a.inputs() == 0 {
        return Err(Error::usage(format!(
            "diff: A has {}, B has {}; both must have read the same: capture them with the same input options",
            Steps::of(a).counted(),
            Steps::of(b).counted()
        )));
    }
    let place = |patterns: &dyn Patterns, entry: usize| {
        let origin = patterns.origin(entry);
        (origin.input, origin.number())
    };
    let several = Steps::of(a).are_several() || Steps::of(b).are_several();
    if let Some(entry) = (0..a.inputs()).find(|&entry| several && place(a, entry) != place(b, entry)) {
        return Err(Error::usage(format!(
            "diff: where A has {}, B has {}; both must have read the same inputs at the same steps",
            a.origin(entry),
            b.origin(entry)
        )));
    }
    let steps = Steps::of(a);
    let unknown = |entry: &usize| a.tokens(*entry).is_empty() || b.tokens(*entry).is_empty();
    for input in (0..a.inputs()).filter(|entry| !unknown(entry)) {
        let (left, right) = (a.tokens(input), b.tokens(input));
        let read = |tokens: &[Token], at: usize| tokens.get(at).map(|token| (token.id, token.text.clone()));
        if let Some(at) = (0..left.len().max(right.len())).find(|&at| read(left, at) != read(right, at)) {
            let say = |tokens: &[Token]| match tokens.get(at) {
                Some(token) => format!("{:?} (number {})", token.text, token.id),
                None => format!("nothing, it has {} tokens", tokens.len()),
            };
            return Err(Error::usage(format!(
                "diff: {}, position {at}: A read {}, B read {}; both must have read the same tokens: capture \
                 them with the same input options, or give token ids",
                a.origin(input),
                say(left),
                say(right)
            ))
            .hinted(Hint::GiveOne(vec!["input"])));
        }
    }
    let unknown = steps.series().iter().filter(|entries| entries.iter().any(unknown)).count();
    if unknown > 0 {
        notes.push(Disparity::UnknownTokens { unknown, inputs: steps.inputs() });
    }
    Ok(())
}

/// Layers with the heads that both have; the rest is said.
fn matched(a: &[LayerShape], b: &[LayerShape], notes: &mut Vec<Disparity>) -> Vec<(usize, Vec<usize>)> {
    let only = |one: &[LayerShape], other: &[LayerShape]| -> Vec<usize> {
        let lacks = |shape: &&LayerShape| !other.iter().any(|x| x.layer == shape.layer);
        one.iter().filter(lacks).map(|shape| shape.layer).collect()
    };
    for (side, layers) in [(Side::A, only(a, b)), (Side::B, only(b, a))] {
        if !layers.is_empty() {
            notes.push(Disparity::OnlyLayers(side, layers));
        }
    }
    let mut matched = Vec::new();
    for (left, right) in a.iter().filter_map(|x| Some((x, b.iter().find(|y| y.layer == x.layer)?))) {
        for (side, one, other) in [(Side::A, left, right), (Side::B, right, left)] {
            let heads: Vec<usize> = one.heads.iter().copied().filter(|head| !other.heads.contains(head)).collect();
            if !heads.is_empty() {
                notes.push(Disparity::OnlyHeads { layer: left.layer, side, heads });
            }
        }
        let heads: Vec<usize> = left.heads.iter().copied().filter(|head| right.heads.contains(head)).collect();
        if !heads.is_empty() {
            matched.push((left.layer, heads));
        }
    }
    matched
}

#[cfg(test)]
mod tests;
