//! 1. Correctness: are these attention weights, and the ones that the model used? All heads, all inputs.

use attractor_record::{Facts, MaskOrigin, Origin, Patterns};

use super::Case;
use crate::Result;
use crate::config::Key;
use crate::finding::{Finding, Measured, NoInterval, OfHeads, Place, Worded};
use crate::id::CheckId;
use crate::id::Group;
use crate::measure::{HeadInput, HeadMeasure, repeated_inputs};
use crate::untestable::{Lack, Need, Silence, Unasked, Untestable};
use crate::verdict::Verdict;

const GROUP: Group = Group::Correctness;

/// What group 1 found.
pub(crate) struct Correctness {
    pub finite: Finding<Finiteness>,
    pub range: Finding<Lowest>,
    pub rows: OfHeads<Worst, Largest>,
    pub causal: OfHeads<Worst, Largest>,
    pub support: OfHeads<Worst, Largest>,
    pub probe: Finding<Probe>,
    pub bounds: Finding<Excess>,
    pub output: OfLayers,
    pub projection: OfLayers,
    pub evaluation: Finding<Mode>,
    pub distinct: Finding<Distinct>,
    pub kl: Finding<Never>,
}

/// Rows that hold what is not a number.
#[derive(Debug, Clone)]
pub(crate) struct Finiteness {
    pub rows: usize,
    /// Rows that see no key.
    pub empty: usize,
    /// Heads that have such rows.
    pub heads: Vec<Place>,
    /// True if these are all heads.
    pub all: bool,
}

/// The lowest weight of all.
#[derive(Debug, Clone)]
pub(crate) struct Lowest {
    pub weight: f64,
    pub at: Place,
    pub negative: bool,
}

/// The largest figure of a head over its rows, relative to its limit.
#[derive(Debug, Clone)]
pub(crate) struct Largest {
    /// May be NaN.
    pub value: f64,
    pub input: Origin,
    pub row: usize,
    /// True if it is above its limit; a NaN is neither above nor within.
    pub above: bool,
}

/// The worst head of all.
#[derive(Debug, Clone)]
pub(crate) struct Worst {
    pub largest: Largest,
    pub at: Place,
    /// Heads that are not within their limit.
    pub bad: Vec<Place>,
    /// Number of heads.
    pub heads: usize,
}

/// What changed tokens moved.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    /// Nothing at all.
    Idle,
    /// Later outputs alone.
    Causal { probes: usize, past: f64, future: f64 },
    /// Earlier outputs.
    Leaks { past: f64, input: usize, position: usize },
}

/// The largest excess of an entropy over its bounds, nats.
#[derive(Debug, Clone)]
pub(crate) struct Excess {
    pub nats: f64,
    pub at: Place,
    pub good: bool,
}

/// An output check of the model and of its layers.
pub(crate) struct OfLayers {
    pub model: Finding<Differences>,
    pub layers: Vec<Finding<Difference>>,
}

/// Largest difference of a layer, of the largest output.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub error: f64,
}

/// Largest difference of all layers.
#[derive(Debug, Clone)]
pub(crate) struct Differences {
    pub error: f64,
    /// Layers that differ.
    pub bad: Vec<Place>,
    /// Layers that were not checked.
    pub unchecked: usize,
}

/// Whether dropout was off.
#[derive(Debug, Clone)]
pub(crate) struct Mode {
    pub evaluation: bool,
}

/// Inputs that repeat an earlier one, with that one.
#[derive(Debug, Clone)]
pub(crate) struct Distinct {
    pub inputs: usize,
    pub repeated: Vec<(usize, usize)>,
}

/// The account of a check that is never put.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Never {}

impl OfLayers {
    fn all(&self) -> impl Iterator<Item = &dyn Worded> {
        std::iter::once(&self.model as &dyn Worded).chain(self.layers.iter().map(|finding| finding as &dyn Worded))
    }
}

impl Correctness {
    pub(super) fn all(&self) -> Vec<&dyn Worded> {
        let mut all: Vec<&dyn Worded> = vec![&self.finite, &self.range];
        all.extend(self.rows.all());
        all.extend(self.causal.all());
        all.extend(self.support.all());
        all.extend([&self.probe as &dyn Worded, &self.bounds]);
        all.extend(self.output.all());
        all.extend(self.projection.all());
        all.extend([&self.evaluation as &dyn Worded, &self.distinct, &self.kl]);
        all
    }

    /// Findings of the whole model that prove a fault where they do not pass. A probe that moved nothing, heads that are
    /// not numbers and inputs given twice prove none, unless they fail.
    pub(crate) fn faults(&self) -> Vec<&dyn Worded> {
        let doubtful: [&dyn Worded; 3] = [&self.finite, &self.probe, &self.distinct];
        let proving: [&dyn Worded; 9] = [
            &self.range,
            &self.rows.model,
            &self.causal.model,
            &self.support.model,
            &self.bounds,
            &self.output.model,
            &self.projection.model,
            &self.evaluation,
            &self.kl,
        ];
        let failed = doubtful.into_iter().filter(|finding| finding.verdict() == Verdict::Fail);
        let bad = proving.into_iter().filter(|finding| matches!(finding.verdict(), Verdict::Fail | Verdict::Warn));
        let mut faults: Vec<&dyn Worded> = failed.chain(bad).collect();
        faults.sort_by_key(|finding| finding.measured().id);
        faults
    }
}

pub(super) fn find(case: &Case<'_>) -> Result<Correctness> {
    let facts = facts(case)?;
    Ok(Correctness {
        finite: finite(case),
        range: range(case),
        rows: rows(case),
        causal: causal(case),
        support: support(case)?,
        probe: probe(case),
        bounds: bounds(case),
        output: output(case, &facts, CheckId::OutAv, |f| f.output_error),
        projection: output(case, &facts, CheckId::OutProjection, |f| f.projection_error),
        evaluation: evaluation(case, &facts),
        distinct: distinct(case)?,
        kl: Measured::new(CheckId::KlIdentity).skipped(Untestable::Meaningless(Unasked::DotProduct)),
    })
}

/// A figure of every head, the worst first among equals.
fn per_head(
    case: &Case<'_>,
    id: CheckId,
    key: Key,
    lack: Lack,
    pick: impl Fn(&HeadInput) -> Option<(f64, usize)>,
    limit: impl Fn(f64, &HeadMeasure, usize) -> f64,
) -> OfHeads<Worst, Largest> {
    let base = case.config.get(key);
    let mut heads = Vec::new();
    let mut worst: Option<(Largest, f64, Place)> = None;
    let mut bad = Vec::new();
    for head in &case.measures.heads {
        let mut own: Option<(Largest, f64)> = None;
        for (input, figures) in head.inputs.iter().enumerate() {
            let Some((value, row)) = pick(figures) else { continue };
            let limit = limit(base, head, input);
            // Relative to its limit, since limits depend on length and precision; a NaN is the worst of all.
            let over = if value.is_nan() { f64::INFINITY } else { value / limit.max(f64::MIN_POSITIVE) };
            if own.as_ref().is_none_or(|(was, l)| over > was.value / l.max(f64::MIN_POSITIVE)) {
                own = Some((
                    Largest { value, input: case.measures.steps.origin(input), row, above: value > limit },
                    limit,
                ));
            }
        }
        let place = Case::place(head);
        let measured = Measured::new(id).at(place).threshold(case.config.sourced(key));
        heads.push(match &own {
            None => measured.skipped(case.no_figure(head, lack)),
            Some((largest, limit)) => {
                let good = largest.value <= *limit;
                if !good {
                    bad.push(place);
                }
                let measured = measured.value(largest.value).null(0.0).effect(largest.value).exact();
                // A single head that is wrong makes the whole wrong: group 1 alone marks heads as failed.
                measured.held_against(*limit).verdict(case.verdict(GROUP, good), largest.clone())
            }
        });
        if let Some((largest, limit)) = own
            && worst.as_ref().is_none_or(|(was, l, _)| {
                largest.value / limit.max(f64::MIN_POSITIVE) > was.value / l.max(f64::MIN_POSITIVE)
            })
        {
            worst = Some((largest, limit, place));
        }
    }
    let measured = Measured::new(id).threshold(case.config.sourced(key));
    let model = match worst {
        None => measured.skipped(case.no_figure_at_all(lack)),
        Some((largest, limit, at)) => {
            let measured = measured.value(largest.value).null(0.0).effect(largest.value).exact().held_against(limit);
            let verdict = case.verdict(GROUP, bad.is_empty());
            measured.verdict(verdict, Worst { largest, at, bad, heads: heads.len() })
        }
    };
    OfHeads { model, heads }
}

/// Replication is by input: one that was given twice is no second observation.
fn distinct(case: &Case<'_>) -> Result<Finding<Distinct>> {
    let measured = Measured::new(CheckId::InputDistinct).threshold((0.0, "inputs are the observations"));
    let inputs = case.measures.steps.inputs();
    if inputs < 2 {
        return Ok(measured.skipped(Untestable::Lacks(Lack::SecondInput)));
    }
    let Some(repeated) = repeated_inputs(case.patterns)? else {
        return Ok(measured.skipped(Untestable::Lacks(Lack::Inputs)));
    };
    let count = repeated.len() as f64;
    let verdict = if repeated.is_empty() { Verdict::Pass } else { Verdict::Warn };
    Ok(measured.value(count).null(0.0).effect(count).exact().verdict(verdict, Distinct { inputs, repeated }))
}

/// A head whose map holds NaN is not testable and says so; where that is every head, nothing was tested, and that fails. Rows
/// that see no key (those of padding) were not tested, which is a warning.
fn finite(case: &Case<'_>) -> Finding<Finiteness> {
    let mut heads = Vec::new();
    let (mut rows, mut empty) = (0, 0);
    for head in &case.measures.heads {
        let own: usize = head.inputs.iter().map(|i| i.invalid_rows).sum();
        empty += head.inputs.iter().map(|i| i.empty_rows).sum::<usize>();
        if own > 0 {
            rows += own;
            heads.push(Case::place(head));
        }
    }
    let measured = Measured::new(CheckId::NormFinite).null(0.0).effect(rows as f64).exact();
    let measured = measured.threshold((0.0, "a weight is a number"));
    if case.measures.heads.is_empty() {
        return measured.skipped(case.no_figure_at_all(Lack::Head));
    }
    let all = heads.len() == case.measures.heads.len();
    let verdict = match heads.is_empty() {
        true if empty == 0 => Verdict::Pass,
        false if all => case.verdict(GROUP, false),
        _ => Verdict::Warn,
    };
    measured.value(rows as f64).verdict(verdict, Finiteness { rows, empty, heads, all })
}

fn range(case: &Case<'_>) -> Finding<Lowest> {
    // Rows that are not finite were left out: a map of nothing else has no lowest weight.
    let seen = |head: &HeadMeasure, input: usize, figures: &HeadInput| {
        let rows = case.measures.geometry[head.index][input].queries;
        figures.has_weights && figures.invalid_rows + figures.empty_rows + figures.massless_rows < rows
    };
    let worst = (case.measures.heads.iter())
        .flat_map(|head| head.inputs.iter().enumerate().map(move |(input, figures)| (head, input, figures)))
        .filter(|(head, input, figures)| seen(head, *input, figures))
        .map(|(head, _, figures)| (figures.lowest, head))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let measured = Measured::new(CheckId::NormRange).threshold((-1e-6, "a weight is not negative; f32 rounding"));
    match worst {
        None => measured.skipped(case.no_figure_at_all(Lack::Map)),
        Some((weight, head)) => {
            let account = Lowest { weight, at: Case::place(head), negative: weight < -1e-6 };
            measured
                .value(weight)
                .null(0.0)
                .effect(weight)
                .exact()
                .verdict(case.verdict(GROUP, weight >= -1e-6), account)
        }
    }
}

fn rows(case: &Case<'_>) -> OfHeads<Worst, Largest> {
    per_head(
        case,
        CheckId::NormRows,
        Key::RowSum,
        Lack::RowSums,
        |figures| Some((figures.row_sum_error?, figures.row_sum_row)),
        |_, head, input| {
            let figures = &head.inputs[input];
            let key = [Key::RowSum, Key::RowSumF16, Key::RowSumBf16][usize::from(figures.precision)];
            let keys = case.measures.geometry[head.index][input].keys as f64;
            // Rounding of a sum grows with its length.
            case.config.get(key) * (keys / 1024.0).sqrt().max(1.0)
        },
    )
}

fn causal(case: &Case<'_>) -> OfHeads<Worst, Largest> {
    let id = CheckId::MaskCausal;
    if case.is_cross() {
        return OfHeads::alone(Measured::new(id).skipped(Untestable::Meaningless(Unasked::CrossAttention)));
    }
    if !case.patterns.info().causal {
        return OfHeads::alone(Measured::new(id).skipped(Untestable::Meaningless(Unasked::BidirectionalMask)));
    }
    let pick = |figures: &HeadInput| figures.future.or(figures.forbidden);
    per_head(case, id, Key::ForbiddenMass, Lack::ForbiddenMass, pick, |base, _, _| base)
}

fn support(case: &Case<'_>) -> Result<OfHeads<Worst, Largest>> {
    let id = CheckId::MaskSupport;
    let pick = |figures: &HeadInput| figures.forbidden;
    let found = per_head(case, id, Key::ForbiddenMass, Lack::ForbiddenMass, pick, |base, _, _| base);
    // A layer that breaks the mask of the others has been compared with something.
    match found.model.verdict == Verdict::Pass && is_inferred(case.patterns)? {
        true => Ok(OfHeads::alone(Measured::new(id).skipped(Untestable::Meaningless(Unasked::InferredMask)))),
        false => Ok(found),
    }
}

/// True where no layer's mask was stated: all were inferred from the weights.
fn is_inferred(patterns: &dyn Patterns) -> Result<bool> {
    use MaskOrigin::{InferredBehind, InferredCausal, InferredFull, InferredMixed};
    let mut layers = 0;
    for shape in patterns.layers() {
        for input in 0..patterns.inputs() {
            layers += 1;
            let origin = patterns.mask_origin(shape.layer, input)?;
            if !matches!(origin, InferredBehind | InferredCausal | InferredFull | InferredMixed) {
                return Ok(false);
            }
        }
    }
    Ok(layers > 0)
}

fn probe(case: &Case<'_>) -> Finding<Probe> {
    let measured = Measured::new(CheckId::MaskProbe).threshold(case.config.sourced(Key::ProbeChange));
    if !case.patterns.info().causal {
        return measured.skipped(Untestable::Meaningless(Unasked::BidirectionalProbe));
    }
    let Some(evidence) = case.evidence else {
        return measured.skipped(Untestable::NeedsModel(Need::Probe));
    };
    let Some(worst) = evidence.probes.iter().max_by(|a, b| a.past_change.total_cmp(&b.past_change)) else {
        return measured.skipped(Untestable::Evidence(Silence::NoProbe));
    };
    let scale = worst.future_change.max(1.0);
    let relative = worst.past_change / scale;
    let measured = measured.value(relative).null(0.0).effect(worst.past_change).no_interval(NoInterval::AllProbes);
    let (past, future) = (worst.past_change, worst.future_change);
    if relative > case.config.get(Key::ProbeChange) || relative.is_nan() {
        let account = Probe::Leaks { past, input: worst.input, position: worst.position };
        return measured.verdict(case.verdict(GROUP, false), account);
    }
    match evidence.probes.iter().all(|p| p.future_change == 0.0) {
        true => measured.verdict(Verdict::Warn, Probe::Idle),
        false => measured.verdict(Verdict::Pass, Probe::Causal { probes: evidence.probes.len(), past, future }),
    }
}

fn bounds(case: &Case<'_>) -> Finding<Excess> {
    let measured = Measured::new(CheckId::NormBounds).threshold(case.config.sourced(Key::BoundError));
    let worst = case
        .measures
        .heads
        .iter()
        .flat_map(|head| head.inputs.iter().filter_map(move |i| Some((i.bound_excess?, head))))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match worst {
        None => measured.skipped(Untestable::Lacks(Lack::Bounds)),
        Some((nats, head)) => {
            let good = nats <= case.config.get(Key::BoundError);
            let measured = measured.value(nats).null(0.0).effect(nats).exact();
            measured.verdict(case.verdict(GROUP, good), Excess { nats, at: Case::place(head), good })
        }
    }
}

/// What was checked while the model ran, of each layer and input: A.V = z, W_O z + b = output, evaluation mode.
fn facts(case: &Case<'_>) -> Result<Vec<(usize, Vec<Facts>)>> {
    let of_layer = |layer: usize| {
        (0..case.patterns.inputs()).map(|input| case.patterns.facts(layer, input)).collect::<Result<Vec<_>>>()
    };
    case.patterns.layers().iter().map(|shape| Ok((shape.layer, of_layer(shape.layer)?))).collect()
}

fn output(
    case: &Case<'_>,
    of_layers: &[(usize, Vec<Facts>)],
    id: CheckId,
    pick: fn(&Facts) -> Option<f64>,
) -> OfLayers {
    let relative = |facts: &[Facts]| {
        facts
            .iter()
            .filter_map(|f| {
                let scale = f.output_scale.filter(|s| *s > 0.0).unwrap_or(1.0);
                pick(f).map(|e| if e.is_nan() { f64::INFINITY } else { e / scale })
            })
            .reduce(f64::max)
    };
    let limit = case.config.get(Key::OutputError);
    let (mut bad, mut unchecked) = (Vec::new(), 0);
    let mut layers = Vec::new();
    for (layer, facts) in of_layers {
        let place = Place::layer(*layer);
        let measured = Measured::new(id).at(place).threshold(case.config.sourced(Key::OutputError));
        layers.push(match relative(facts) {
            None => {
                unchecked += 1;
                measured.skipped(Untestable::Lacks(Lack::OutputOfLayer))
            }
            Some(error) => {
                if error > limit {
                    bad.push(place);
                }
                let measured = measured.value(error).null(0.0).effect(error).exact();
                measured.verdict(case.verdict(GROUP, error <= limit), Difference { error })
            }
        });
    }
    let measured = Measured::new(id).threshold(case.config.sourced(Key::OutputError));
    let model = match of_layers.iter().filter_map(|(_, facts)| relative(facts)).reduce(f64::max) {
        None => measured.skipped(Untestable::Lacks(Lack::Output)),
        Some(error) => {
            let measured = measured.value(error).null(0.0).effect(error).exact();
            let verdict = case.verdict(GROUP, bad.is_empty());
            measured.verdict(verdict, Differences { error, bad, unchecked })
        }
    };
    OfLayers { model, layers }
}

fn evaluation(case: &Case<'_>, of_layers: &[(usize, Vec<Facts>)]) -> Finding<Mode> {
    let modes: Vec<bool> = of_layers.iter().flat_map(|(_, f)| f).filter_map(|f| f.evaluation_mode).collect();
    let measured = Measured::new(CheckId::OutEvaluation).threshold((1.0, "dropout must be off"));
    if modes.is_empty() {
        return measured.skipped(Untestable::Lacks(Lack::EvaluationMode));
    }
    let evaluation = modes.iter().all(|&m| m);
    let share = modes.iter().filter(|&&m| m).count() as f64 / modes.len() as f64;
    let measured = measured.value(share).null(1.0).effect(share - 1.0).exact();
    measured.verdict(case.verdict(GROUP, evaluation), Mode { evaluation })
}
