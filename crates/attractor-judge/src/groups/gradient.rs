//! 8. Gradient flow: does the loss reach attention, head by head, and is the gradient right?

use attractor_record::evidence::{Evidence, LossKind, NoLoss};

use super::{Case, found, listed, plural};
use crate::config::Key;
use crate::statistics::mean_of;
use crate::verdict::{Check, Group, Verdict, place};

const GROUP: Group = Group::Gradient;

/// What is differentiated or compared, in words.
pub(super) fn loss_words(loss: LossKind, none: Option<NoLoss>) -> String {
    let why = match none {
        None => "no loss",
        Some(NoLoss::BareEncoder) => "no loss: the model has no head that predicts",
        Some(NoLoss::MaskTokenUnknown) => {
            "no loss: its mask token is not known; put its tokenizer.json beside the weights"
        }
        Some(NoLoss::NoLabels) => "no loss: no labels were given; give one per input",
    };
    match loss {
        LossKind::NextToken => "next-token cross-entropy".to_string(),
        LossKind::MaskedToken => "masked-token cross-entropy".to_string(),
        LossKind::Label => "cross-entropy on the labels".to_string(),
        LossKind::RandomProjection => format!("a fixed seeded random projection of the last hidden state ({why})"),
        LossKind::RelativeChange => format!("the relative change of the last hidden state ({why})"),
    }
}

/// What was looked at where inputs were too long for gradients and ablations, as the end of a sentence.
pub(super) fn cut(evidence: &Evidence) -> String {
    evidence.cut.map_or(String::new(), |tokens| format!("; on the first {tokens} tokens of longer inputs"))
}

/// Inputs that held nothing to predict, as the end of a sentence.
pub(super) fn left_out(evidence: &Evidence) -> String {
    match evidence.left_out.as_slice() {
        [] => String::new(),
        [(input, why)] => format!("; input {input} is left out: {why}"),
        [(input, why), ..] => {
            format!("; {} are left out: input {input}: {why}...", plural(evidence.left_out.len(), "input"))
        }
    }
}

/// Why a live model has nothing to say: no input held anything to predict, or it was not asked.
pub(super) fn nothing(evidence: &Evidence, otherwise: &str) -> String {
    match evidence.left_out.first() {
        Some((input, why)) if evidence.losses.is_empty() => {
            format!("not testable: nothing to predict (input {input}: {why}); give a longer text")
        }
        _ => otherwise.to_string(),
    }
}

pub(super) fn checks(case: &Case<'_>) -> Vec<Check> {
    let flow = Check::new("grad.flow", GROUP).threshold(case.config.sourced(Key::RelativeNorm));
    let Some(gradients) = case.evidence.and_then(|e| e.gradients.as_ref()) else {
        let why = match case.evidence {
            None => "needs the model: a run holds no gradients; validate the checkpoint itself".to_string(),
            Some(evidence) => nothing(evidence, "gradients were not taken"),
        };
        return ["grad.flow", "grad.finite", "grad.parameters"]
            .map(|id| Check::new(id, GROUP).skipped(why.as_str()))
            .into();
    };
    let (no_loss, left_out) = case.evidence.map_or((None, String::new()), |e| (e.no_loss, cut(e) + &left_out(e)));
    let loss = loss_words(gradients.loss, no_loss);
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
        if !good {
            dead.push(place(Some(head.layer), Some(head.head)));
        }
        let check = Check::new("grad.flow", GROUP)
            .at(Some((head.layer, head.head)))
            .threshold(case.config.sourced(Key::RelativeNorm));
        let mut check = figure.fill(check).null(0.0).effect(importance);
        check.threshold = Some(least);
        heads.push(check.verdict(
            found(good),
            format!(
                "|dL/dA| = {:.3e}, |sum A dL/dA| = {importance:.3e} (the effect){}",
                figure.value.unwrap_or(f64::NAN),
                figure.note
            ),
        ));
    }
    let inputs = gradients.heads.iter().map(|h| h.norms.len()).max().unwrap_or(0);
    let each: Vec<Option<f64>> =
        (0..inputs).map(|input| mean_of(gradients.heads.iter().filter_map(|h| h.norms.get(input).copied()))).collect();
    let figure = case.figure(&each);
    let mut all = Vec::new();
    all.push(match figure.value {
        None => flow.skipped("no head has a gradient on record"),
        Some(value) => {
            let why = match dead.is_empty() {
                true => format!(
                    "the gradient of {loss} reaches all {} heads: mean |dL/dA| = {value:.3e}{left_out}",
                    heads.len()
                ),
                false => format!(
                    "no gradient of {loss} in {} of {} heads: {}{left_out}",
                    dead.len(),
                    heads.len(),
                    listed(&dead)
                ),
            };
            let mut check = figure.fill(flow).null(0.0).effect(value);
            check.threshold = Some(least);
            check.verdict(case.verdict(GROUP, dead.is_empty()), why + &figure.note)
        }
    });

    let f = gradients.finite_difference;
    let scale = f.analytic.abs().max(f.numeric.abs());
    let difference = if scale > 0.0 { (f.analytic - f.numeric).abs() / scale } else { 0.0 };
    let check = Check::new("grad.finite", GROUP).threshold(case.config.sourced(Key::FiniteDifference));
    all.push(match scale == 0.0 {
        true => check.verdict(
            case.verdict(GROUP, false),
            "both derivatives are zero: the direction that was tried does not reach the loss",
        ),
        false => check
            .value(difference)
            .null(0.0)
            .effect(f.analytic - f.numeric)
            .no_interval("one derivative, of the first input")
            .verdict(
                case.verdict(GROUP, difference <= case.config.get(Key::FiniteDifference)),
                format!(
                    "backpropagation {:.6e}, central difference {:.6e} (step {:.0e})",
                    f.analytic, f.numeric, f.step
                ),
            ),
    });

    let attention: Vec<_> = gradients.groups.iter().filter(|g| g.attention).collect();
    let count: u64 = attention.iter().map(|g| g.parameters).sum();
    let squares = |groups: &mut dyn Iterator<Item = f64>| groups.map(|n| n * n).sum::<f64>();
    let share = squares(&mut attention.iter().map(|g| g.norm)) / squares(&mut gradients.groups.iter().map(|g| g.norm));
    let silent: Vec<String> =
        attention.iter().filter(|g| !(g.norm > 0.0 && g.norm.is_finite())).map(|g| g.name.clone()).collect();
    let norms: Vec<String> = attention.iter().map(|g| format!("{} {:.2e}", g.name, g.norm)).collect();
    let check = Check::new("grad.parameters", GROUP).threshold((0.0, "a parameter group that learns has a gradient"));
    all.push(match attention.is_empty() {
        true => check.verdict(Verdict::Skipped, "the model names no attention parameters"),
        false => check.value(count as f64).null(0.0).effect(share).no_interval("a count of parameters").verdict(
            case.verdict(GROUP, silent.is_empty()),
            match silent.is_empty() {
                true => format!(
                    "{count} attention parameters in {} groups hold {:.0} % of the squared gradient (effect: that share): {}",
                    attention.len(),
                    100.0 * share,
                    listed(&norms)
                ),
                false => format!("{count} attention parameters; no gradient in {}", listed(&silent)),
            },
        ),
    });
    all.extend(heads);
    all
}
