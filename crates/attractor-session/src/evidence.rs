//! What only a live model can show, for the selected heads.

use attractor::{Context, Error, Result};
use attractor_nn::evidence::{self, Ablate, Budget};
use attractor_record::Selection;
use attractor_record::evidence::{Evidence, Scope};

use crate::inputs::Prepared;
use crate::target::Live;

/// What is gathered.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// Layers and heads; what was measured of others is left out.
    pub selection: Selection,
    /// How much is ablated.
    pub ablate: Ablate,
    /// What ablations may cost.
    pub budget: Budget,
    /// What counts as an effect: as [`attractor_nn::evidence::Options::effect`].
    pub effect: f64,
    /// Label of each input, for a classifier.
    pub labels: Option<&'a [usize]>,
    /// Last hidden states of the inputs where they are known, so that they are not computed again.
    pub states: &'a [Option<Vec<f32>>],
}

impl Options<'_> {
    /// Refuses what does not fit the inputs.
    ///
    /// # Errors
    /// `is_usage` for another number of labels than inputs.
    pub fn check(&self, prepared: &Prepared) -> Result<()> {
        let inputs = prepared.items.len();
        match self.labels.map(<[usize]>::len).filter(|count| *count != inputs) {
            Some(count) => {
                Err(Error::option("labels", "", format!("{count} labels for {inputs} inputs; give one per input")))
            }
            None => Ok(()),
        }
    }
}

/// Gathers losses, gradients, ablations and the causality probe.
///
/// # Errors
/// As [`Options::check`]; `is_interrupted`; what the model answers.
pub fn run(live: &Live, prepared: &Prepared, options: &Options<'_>, context: &Context<'_>) -> Result<Evidence> {
    options.check(prepared)?;
    let how = evidence::Options {
        ablate: options.ablate,
        budget: options.budget,
        effect: options.effect,
        gradients: true,
        mask_token: prepared.mask_token,
        special: &prepared.special,
        labels: options.labels,
        states: options.states,
        ..evidence::Options::default()
    };
    let mut found = context.install(|| evidence::gather(&live.model, &prepared.inputs(), &how, context))?;
    restrict(&mut found, &options.selection, live.info.heads);
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
