//! What only a live model can show: losses, the causality probe, gradients through attention, ablations.
//!
//! Everything is a function of the model, the inputs and the seed; threads change nothing.

mod ablation;
mod gradients;
#[cfg(test)]
mod own_output;
mod probe;
#[cfg(test)]
mod tests;

use attractor_record::evidence::{CausalityProbe, Evidence, LossKind, Unpredictable};

use crate::loss::{Case, Targets};
use crate::model::{Input, Model};
use attractor::{Context, Error, Result};

/// By default gradients and ablations are taken of the first so many tokens of an input: gradients hold the maps whole, O(heads x
/// tokens^2) a layer, and every ablation is a pass of its own.
pub const TOKENS: usize = 512;

attractor::choice! {
    /// How much is ablated.
    #[derive(Default)]
    pub enum Ablate {
        /// Nothing.
        None = "none",
        /// Each head: uniform, mean-map and zero ablation; each layer and the whole model: every mode.
        #[default]
        Standard = "standard",
        /// Every mode for each head as well.
        Full = "full",
    }
}

/// What evidence is wanted.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Ablations.
    pub ablate: Ablate,
    /// Gradients.
    pub gradients: bool,
    /// The mask token, where the tokenizer knows it.
    pub mask_token: Option<u32>,
    /// Special tokens: never masked, never used to perturb.
    pub special: &'a [u32],
    /// Labels of the inputs, for a classifier.
    pub labels: Option<&'a [usize]>,
    /// Gradients and ablations are of so many first tokens.
    pub tokens: usize,
    /// The last hidden state of an input ([`Model::hidden`]) where it is known, so that it is not computed again.
    pub states: &'a [Option<Vec<f32>>],
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            ablate: Ablate::Standard,
            gradients: true,
            mask_token: None,
            special: &[],
            labels: None,
            tokens: TOKENS,
            states: &[],
        }
    }
}

/// Gathers evidence on `inputs`; masked positions, probes and projections are drawn from the context's seed. An input that
/// holds nothing to predict is left out of all but the probe, and named.
///
/// # Errors
/// No inputs, inputs that the model cannot read, labels that do not fit; `is_interrupted`, before the next input or layer.
///
/// # Cost
/// About 1 forward pass per input for losses (none where the last hidden state is known), 1 for the probe, 4 for gradients;
/// for standard ablations of L layers of h heads 7 whole passes and L (2 h + 7) that each start at their layer.
pub fn gather(model: &Model, inputs: &[Input], options: &Options<'_>, context: &Context<'_>) -> Result<Evidence> {
    if inputs.is_empty() {
        return Err(Error::usage("evidence: there are no inputs; give at least one"));
    }
    let targets = Targets {
        seed: context.seed(),
        mask_token: options.mask_token,
        special: options.special,
        labels: options.labels,
    };
    let (kind, no_loss) = targets.loss(model);
    let (mut cases, mut left_out) = (Vec::new(), Vec::new());
    let (mut short, mut cut) = (Vec::new(), None);
    for (index, input) in inputs.iter().enumerate() {
        match Case::new(model, input, index, &targets)? {
            Ok(case) => match case.truncated(options.tokens) {
                Some(first) => {
                    if first.input.positions(model.spec()) < input.positions(model.spec()) {
                        cut = Some(options.tokens);
                    }
                    cases.push(case);
                    short.push(first);
                }
                None => left_out.push((index, Unpredictable::MaskedBeyond { tokens: options.tokens })),
            },
            Err(why) => left_out.push((index, why)),
        }
    }
    let mut losses = Vec::new();
    let mut probes = Vec::new();
    let mut next = cases.iter();
    for (index, input) in inputs.iter().enumerate() {
        context.check()?;
        context.step("losses", index, inputs.len());
        let case = match left_out.iter().any(|(left, _)| *left == index) {
            true => None,
            false => next.next(),
        };
        let mut plain = None;
        if let Some(case) = case.filter(|_| kind != LossKind::RelativeChange) {
            // A masked input is another than the one that was captured.
            let same = case.input == *input;
            let known = options.states.get(index).and_then(Option::as_deref).filter(|_| same);
            let (loss, state) = case.loss_and_state(model, known)?;
            losses.push(loss);
            plain = same.then_some(state);
        }
        if model.spec().causal {
            probes.extend(probe::probe(model, input, (index, inputs), options, context.seed(), plain)?);
        }
    }
    context.step("losses", inputs.len(), inputs.len());
    let gradients = match options.gradients && !cases.is_empty() {
        true => Some(gradients::gradients(model, &short, context)?),
        false => None,
    };
    let ablations = ablation::ablations(model, &short, options.ablate, context)?;
    let ablation_base = match cut {
        // The very same tokens.
        None => losses.clone(),
        Some(_) if losses.is_empty() => Vec::new(),
        Some(_) => short.iter().map(|case| case.loss(model)).collect::<Result<_>>()?,
    };
    Ok(Evidence {
        schema_version: attractor_record::evidence::SCHEMA_VERSION,
        loss: kind,
        no_loss,
        left_out,
        predictions: losses.iter().zip(&cases).map(|(_, case)| case.predictions()).collect(),
        losses,
        probes,
        gradients,
        ablations,
        ablation_loss: kind,
        ablation_base,
        cut,
    })
}

/// The causality probe of every input that has two tokens, whatever the model says of itself.
///
/// [`gather`] probes models that call themselves causal; a model that is called causal elsewhere (by a configuration,
/// by a run) is put to the proof here.
///
/// # Errors
/// Inputs that the model cannot read.
pub fn probes(model: &Model, inputs: &[Input], options: &Options<'_>, seed: u64) -> Result<Vec<CausalityProbe>> {
    let mut found = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        found.extend(probe::probe(model, input, (i, inputs), options, seed, None)?);
    }
    Ok(found)
}
