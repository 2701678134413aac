//! 8. Gradient flow: does the loss reach attention, head by head, and is the gradient right?

use attractor_record::evidence::{Evidence, Gradients, Unpredictable};

use super::{Case, found};
use crate::config::Key;
use crate::finding::{Finding, Measured, NoInterval, OfHeads, Place, Worded};
use crate::id::CheckId;
use crate::id::Group;
use crate::statistics::mean_of;
use crate::untestable::{Loss, Need, Silence, Untestable};

const GROUP: Group = Group::Gradient;

/// What group 8 found.
pub(crate) struct Gradient {
    pub flow: OfHeads<Flow, HeadFlow>,
    pub difference: Finding<Derivatives>,
    pub parameters: Finding<Parameters>,
}

/// Where the gradient of the loss arrives.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub loss: Loss,
    /// Mean |dL/dA|.
    pub norm: f64,
    /// Heads without a gradient.
    pub dead: Vec<Place>,
    /// Number of heads.
    pub heads: usize,
    pub sample: Sample,
}

/// What of the inputs the live model looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// So many first tokens of longer inputs.
    pub cut: Option<usize>,
    pub left_out: LeftOut,
}

/// Inputs that held nothing to predict.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeftOut {
    pub count: usize,
    /// The first of them, and why.
    pub first: Option<(usize, Unpredictable)>,
}

impl LeftOut {
    pub(super) fn of(evidence: &Evidence) -> Self {
        Self { count: evidence.left_out.len(), first: evidence.left_out.first().copied() }
    }
}

/// Of a head.
#[derive(Debug, Clone)]
pub(crate) struct HeadFlow {
    /// Mean |dL/dA|; NaN if there is none.
    pub norm: f64,
    /// Mean |sum A dL/dA|.
    pub importance: f64,
}

/// One derivative by two ways.
#[derive(Debug, Clone)]
pub(crate) enum Derivatives {
    /// Both are zero.
    Zero,
    Compared {
        analytic: f64,
        numeric: f64,
        step: f64,
    },
}

/// The gradient of attention's parameters.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub count: u64,
    /// Their share of the squared gradient.
    pub share: f64,
    /// Name and norm of each group.
    pub groups: Vec<(String, f64)>,
    /// Names of those without a gradient.
    pub silent: Vec<String>,
}

impl Gradient {
    pub(super) fn all(&self) -> Vec<&dyn Worded> {
        let mut all: Vec<&dyn Worded> = vec![&self.flow.model, &self.difference, &self.parameters];
        all.extend(self.flow.heads.iter().map(|finding| finding as &dyn Worded));
        all
    }
}

/// Why a live model has nothing to say: no input held anything to predict, or it was not asked.
pub(super) fn nothing(evidence: &Evidence, otherwise: Silence) -> Untestable {
    Untestable::Evidence(match evidence.left_out.first() {
        Some((input, why)) if evidence.losses.is_empty() => Silence::NothingToPredict { input: *input, why: *why },
        _ => otherwise,
    })
}

pub(super) fn find(case: &Case<'_>) -> Gradient {
    let lacking = |why: Untestable| Gradient {
        flow: OfHeads::alone(Measured::new(CheckId::GradFlow).skipped(why.clone())),
        difference: Measured::new(CheckId::GradFinite).skipped(why.clone()),
        parameters: Measured::new(CheckId::GradParameters).skipped(why),
    };
    let Some(evidence) = case.evidence else { return lacking(Untestable::NeedsModel(Need::Gradients)) };
    let Some(gradients) = &evidence.gradients else { return lacking(nothing(evidence, Silence::NoGradients)) };
    Gradient {
        flow: flow(case, evidence, gradients),
        difference: difference(case, gradients),
        parameters: parameters(case, gradients),
    }
}

fn flow_of(case: &Case<'_>) -> Measured {
    Measured::new(CheckId::GradFlow).threshold(case.config.sourced(Key::RelativeNorm))
}

fn flow(case: &Case<'_>, evidence: &Evidence, gradients: &Gradients) -> OfHeads<Flow, HeadFlow> {
    let mut heads = Vec::new();
    let largest = gradients.heads.iter().flat_map(|h| &h.norms).copied().fold(0.0, f64::max);
    let least = case.config.get(Key::RelativeNorm) * largest;
    let mut dead = Vec::new();
    for head in &gradients.heads {
        let each: Vec<Option<f64>> = head.norms.iter().map(|&n| Some(n)).collect();
        let figure = case.figure(&each);
        let importance = mean_of(head.importance.iter().copied()).unwrap_or(f64::NAN);
        // Written so that a NaN does not pass.
        let good = !head.norms.is_empty() && head.norms.iter().all(|&n| n > least && n.is_finite());
        let place = Place::head(head.layer, head.head);
        if !good {
            dead.push(place);
        }
        let measured = figure.fill(flow_of(case).at(place)).null(0.0).effect(importance).held_against(least);
        let norm = figure.value.unwrap_or(f64::NAN);
        heads.push(measured.verdict(found(good), HeadFlow { norm, importance }));
    }
    let inputs = gradients.heads.iter().map(|h| h.norms.len()).max().unwrap_or(0);
    let each: Vec<Option<f64>> =
        (0..inputs).map(|input| mean_of(gradients.heads.iter().filter_map(|h| h.norms.get(input).copied()))).collect();
    let figure = case.figure(&each);
    let model = match figure.value {
        None => flow_of(case).skipped(Untestable::Evidence(Silence::NoGradientOfAHead)),
        Some(norm) => {
            let measured = figure.fill(flow_of(case)).null(0.0).effect(norm).held_against(least);
            let account = Flow {
                loss: Loss { kind: gradients.loss, none: evidence.no_loss },
                norm,
                heads: heads.len(),
                sample: Sample { cut: evidence.cut, left_out: LeftOut::of(evidence) },
                dead,
            };
            measured.verdict(case.verdict(GROUP, account.dead.is_empty()), account)
        }
    };
    OfHeads { model, heads }
}

fn difference(case: &Case<'_>, gradients: &Gradients) -> Finding<Derivatives> {
    let f = gradients.finite_difference;
    let scale = f.analytic.abs().max(f.numeric.abs());
    let difference = if scale > 0.0 { (f.analytic - f.numeric).abs() / scale } else { 0.0 };
    let measured = Measured::new(CheckId::GradFinite).threshold(case.config.sourced(Key::FiniteDifference));
    if scale == 0.0 {
        return measured.verdict(case.verdict(GROUP, false), Derivatives::Zero);
    }
    let measured = measured.value(difference).null(0.0).effect(f.analytic - f.numeric);
    measured.no_interval(NoInterval::OneDerivative).verdict(
        case.verdict(GROUP, difference <= case.config.get(Key::FiniteDifference)),
        Derivatives::Compared { analytic: f.analytic, numeric: f.numeric, step: f.step },
    )
}

fn parameters(case: &Case<'_>, gradients: &Gradients) -> Finding<Parameters> {
    let attention: Vec<_> = gradients.groups.iter().filter(|g| g.attention).collect();
    let measured =
        Measured::new(CheckId::GradParameters).threshold((0.0, "a parameter group that learns has a gradient"));
    if attention.is_empty() {
        return measured.skipped(Untestable::Evidence(Silence::NoAttentionParameters));
    }
    let count: u64 = attention.iter().map(|g| g.parameters).sum();
    let squares = |groups: &mut dyn Iterator<Item = f64>| groups.map(|n| n * n).sum::<f64>();
    let share = squares(&mut attention.iter().map(|g| g.norm)) / squares(&mut gradients.groups.iter().map(|g| g.norm));
    let silent = attention.iter().filter(|g| !(g.norm > 0.0 && g.norm.is_finite()));
    let account = Parameters {
        count,
        share,
        groups: attention.iter().map(|g| (g.name.clone(), g.norm)).collect(),
        silent: silent.map(|g| g.name.clone()).collect(),
    };
    let measured = measured.value(count as f64).null(0.0).effect(share).no_interval(NoInterval::CountOfParameters);
    measured.verdict(case.verdict(GROUP, account.silent.is_empty()), account)
}
