//! What only a live model can show, for the selected heads.

use attractor::{Context, Result};
use attractor_nn::evidence::{self, Ablate, Options, Progress};
use attractor_record::Selection;
use attractor_record::evidence::{Evidence, Scope};

use crate::inputs::Prepared;
use crate::target::Live;

/// Gathers losses, gradients, ablations and the causality probe; leaves out what was measured of layers and heads that are
/// not selected. `states` are last hidden states of the inputs where they are known.
///
/// # Errors
/// `is_interrupted`; what the model answers.
pub fn gather(
    live: &Live,
    prepared: &Prepared,
    states: &[Option<Vec<f32>>],
    selection: &Selection,
    ablate: Ablate,
    labels: Option<&[usize]>,
    context: &Context<'_>,
) -> Result<Evidence> {
    let options = Options {
        seed: context.seed(),
        ablate,
        gradients: true,
        mask_token: prepared.mask_token,
        special: &prepared.special,
        labels,
        states,
        ..Options::default()
    };
    let mut step = |p: Progress| context.step(p.stage, p.done, p.total);
    let mut found = evidence::gather(&live.model, &prepared.inputs(), &options, &mut step)?;
    restrict(&mut found, selection, live.info.heads);
    Ok(found)
}

fn restrict(evidence: &mut Evidence, selection: &Selection, heads: usize) {
    let selected = |layer: usize, head: usize| selection.heads(layer, heads).contains(&head);
    if let Some(gradients) = &mut evidence.gradients {
        gradients.heads.retain(|gradient| selected(gradient.layer, gradient.head));
    }
    evidence.ablations.retain(|ablation| match ablation.scope {
        Scope::Head { layer, head } => selected(layer, head),
        Scope::Layer { layer } => selection.layer(layer),
        Scope::Whole => true,
    });
}
