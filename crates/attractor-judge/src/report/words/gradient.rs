//! Sentences of group 8.

use attractor::numerals::significant;
use attractor_record::evidence::{LossKind, NoLoss};

use super::{listed, note, plural};
use crate::finding::{Measured, Say};
use crate::groups::gradient::{Derivatives, Flow, HeadFlow, LeftOut, Parameters};
use crate::untestable::Loss;

/// What is differentiated or compared.
pub(super) fn loss(of: Loss) -> String {
    let why = match of.none {
        None => "no loss",
        Some(NoLoss::BareEncoder) => "no loss: the model has no head that predicts",
        Some(NoLoss::MaskTokenUnknown) => {
            "no loss: its mask token is not known; put its tokenizer.json beside the weights"
        }
        Some(NoLoss::NoLabels) => "no loss: no labels were given; give one per input",
        Some(NoLoss::SeesTheNextToken) => "no loss: attention is bidirectional, so the next token is seen",
    };
    match of.kind {
        LossKind::NextToken => "next-token cross-entropy".to_string(),
        LossKind::MaskedToken => "masked-token cross-entropy".to_string(),
        LossKind::Label => "cross-entropy on the labels".to_string(),
        LossKind::RandomProjection => format!("a fixed seeded random projection of the last hidden state ({why})"),
        LossKind::RelativeChange => format!("the relative change of the last hidden state ({why})"),
    }
}

/// What was looked at where inputs were too long for gradients and ablations, as the end of a sentence.
pub(super) fn cut(tokens: Option<usize>) -> String {
    tokens.map_or(String::new(), |tokens| format!("; on the first {tokens} tokens of longer inputs"))
}

/// Inputs that held nothing to predict, as the end of a sentence.
pub(super) fn left_out(inputs: &LeftOut) -> String {
    match (inputs.count, &inputs.first) {
        (_, None) => String::new(),
        (1, Some((input, why))) => format!("; input {input} is left out: {why}"),
        (count, Some((input, why))) => {
            format!("; {} are left out: input {input}: {why}...", plural(count, "input"))
        }
    }
}

impl Say for Flow {
    fn say(&self, of: &Measured) -> String {
        let loss = loss(self.loss);
        let sample = cut(self.sample.cut) + &left_out(&self.sample.left_out);
        let why = match self.dead.is_empty() {
            true => format!(
                "the gradient of {loss} reaches all {} heads: mean |dL/dA| = {}{sample}",
                self.heads,
                significant(self.norm, 4)
            ),
            false => format!(
                "no gradient of {loss} in {} of {} heads: {}{sample}",
                self.dead.len(),
                self.heads,
                listed(&self.dead)
            ),
        };
        why + &note(of)
    }
}

impl Say for HeadFlow {
    fn say(&self, of: &Measured) -> String {
        let Self { norm, importance } = self;
        let (norm, importance) = (significant(*norm, 4), significant(*importance, 4));
        format!("|dL/dA| = {norm}, |sum A dL/dA| = {importance} (the effect){}", note(of))
    }
}

impl Say for Derivatives {
    fn say(&self, _: &Measured) -> String {
        match self {
            Self::Zero => "both derivatives are zero: the loss does not depend on the tested direction".to_string(),
            Self::Compared { analytic, numeric, step } => {
                let (analytic, numeric) = (significant(*analytic, 7), significant(*numeric, 7));
                format!("backpropagation {analytic}, central difference {numeric} (step {step:.0e})")
            }
        }
    }
}

impl Say for Parameters {
    fn say(&self, _: &Measured) -> String {
        let Self { count, share, groups, silent } = self;
        if !silent.is_empty() {
            return format!("{count} attention parameters; no gradient in {}", listed(silent));
        }
        let norms: Vec<String> =
            groups.iter().map(|(name, norm)| format!("{name} {}", significant(*norm, 3))).collect();
        format!(
            "{count} attention parameters in {} groups account for {:.0} % of the squared gradient norm (the effect): {}",
            groups.len(),
            100.0 * share,
            listed(&norms)
        )
    }
}
