//! How much a model leans on each head: by ablation, and by gradient.
//!
//! ablation: mean over inputs of (loss with the head replaced - loss); or the relative change where there is no loss. With
//! nothing in the head's place (`Zero`: its output gated off) it is the ablation of Michel et al.; the other modes keep what a
//! head gives whatever it looks at.
//! gradient: mean over inputs of |sum A dL/dA|; and divided, layer by layer, by the Euclidean norm over its heads.
//! # Source
//! Michel, Levy and Neubig 2019, *Are sixteen heads really better than one?*, arXiv 1905.10650: the proxy
//! I_h = E |dL/dxi_h| and its normalisation by layer. The gate xi multiplies the
//! head's output A.V, which is linear in the map, so dL/dxi = sum A dL/dA.

use std::collections::BTreeMap;

use attractor_record::evidence::{AblationMode, Evidence, LossKind, Scope};
use serde::Serialize;

use crate::statistics::{Bootstrap, Interval, mean_of};

/// Importance of a head. `None`: not measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadImportance {
    /// Layer.
    pub layer: usize,
    /// Head.
    pub head: usize,
    /// Effect of each ablation of this head alone.
    pub ablation: BTreeMap<AblationMode, Effect>,
    /// Gradient proxy, mean over inputs.
    pub gradient: Option<f64>,
    /// The same over the Euclidean norm of its layer's.
    pub gradient_in_layer: Option<f64>,
}

/// What an ablation did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// Mean over inputs, in [`unit`].
    pub mean: f64,
    /// Of the mean, over inputs; `None` with fewer than five of them.
    pub interval: Option<Interval>,
}

/// What effects are measured in.
pub fn unit(kind: LossKind) -> &'static str {
    match kind {
        LossKind::NextToken | LossKind::MaskedToken => "nats per token",
        LossKind::Label => "nats per input",
        LossKind::RelativeChange => "relative change of the output",
        LossKind::RandomProjection => "change of a random projection",
    }
}

/// Importance of every head of which something was measured, by layer and head.
pub fn importance(evidence: &Evidence, bootstrap: &Bootstrap) -> Vec<HeadImportance> {
    let mut heads: BTreeMap<(usize, usize), HeadImportance> = BTreeMap::new();
    let blank = |layer, head| HeadImportance {
        layer,
        head,
        ablation: BTreeMap::new(),
        gradient: None,
        gradient_in_layer: None,
    };
    for ablation in &evidence.ablations {
        let Scope::Head { layer, head } = ablation.scope else { continue };
        let effects = ablation.losses.iter().enumerate().filter_map(|(input, loss)| match evidence.ablation_loss {
            LossKind::RelativeChange => *loss,
            _ => Some((*loss)? - evidence.ablation_base.get(input)?),
        });
        let effects: Vec<f64> = effects.collect();
        if let Some(mean) = mean_of(effects.iter().copied()) {
            let effect = Effect { mean, interval: bootstrap.interval(&effects).ok() };
            let entry = heads.entry((layer, head)).or_insert_with(|| blank(layer, head));
            entry.ablation.insert(ablation.mode, effect);
        }
    }
    let mut squares: BTreeMap<usize, f64> = BTreeMap::new();
    for gradient in evidence.gradients.iter().flat_map(|gradients| &gradients.heads) {
        let (layer, head) = (gradient.layer, gradient.head);
        if let Some(value) = mean_of(gradient.importance.iter().copied()) {
            heads.entry((layer, head)).or_insert_with(|| blank(layer, head)).gradient = Some(value);
            *squares.entry(layer).or_default() += value * value;
        }
    }
    for head in heads.values_mut() {
        let norm = squares.get(&head.layer).copied().unwrap_or(0.0).sqrt();
        head.gradient_in_layer = head.gradient.filter(|_| norm > 0.0).map(|value| value / norm);
    }
    heads.into_values().collect()
}

#[cfg(test)]
mod tests {
    use attractor_record::evidence::{Ablation, FiniteDifference, Gradients, HeadGradient};

    use super::*;

    fn evidence(ablation_loss: LossKind) -> Evidence {
        let gradient = |layer, head, importance: [f64; 2]| HeadGradient {
            layer,
            head,
            norms: vec![9.0; 2],
            importance: importance.to_vec(),
        };
        let ablation = |scope, mode, losses: [Option<f64>; 2]| Ablation::new(scope, mode, losses.to_vec());
        Evidence {
            schema_version: attractor_record::evidence::SCHEMA_VERSION,
            loss: LossKind::NextToken,
            no_loss: None,
            left_out: Vec::new(),
            losses: vec![2.0, 3.0],
            ablation_base: vec![2.0, 3.0],
            spent: None,
            cut: None,
            predictions: vec![5, 5],
            probes: Vec::new(),
            gradients: Some(Gradients {
                loss: LossKind::NextToken,
                heads: vec![gradient(0, 0, [1.0, 5.0]), gradient(0, 1, [4.0, 4.0]), gradient(1, 0, [0.0, 0.0])],
                groups: Vec::new(),
                finite_difference: FiniteDifference { analytic: 0.0, numeric: 0.0, step: 1e-3 },
            }),
            ablations: vec![
                ablation(Scope::Head { layer: 0, head: 1 }, AblationMode::Zero, [Some(2.5), Some(4.0)]),
                ablation(Scope::Head { layer: 0, head: 1 }, AblationMode::OtherInput, [None, Some(3.25)]),
                ablation(Scope::Layer { layer: 0 }, AblationMode::Zero, [Some(99.0); 2]),
            ],
            ablation_loss,
        }
    }

    #[test]
    fn importance_by_hand() {
        let found = importance(&evidence(LossKind::NextToken), &Bootstrap::new(0, 99, 0.95));
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].gradient, found[0].gradient_in_layer), (Some(3.0), Some(0.6)));
        assert_eq!((found[1].gradient, found[1].gradient_in_layer), (Some(4.0), Some(0.8)));
        assert_eq!(found[1].ablation[&AblationMode::Zero].mean, 0.75, "(0.5 + 1.0) / 2");
        assert_eq!(
            found[1].ablation[&AblationMode::OtherInput].mean,
            0.25,
            "of the second input, against its own loss"
        );
        assert_eq!((found[2].gradient, found[2].gradient_in_layer), (Some(0.0), None), "a layer without any gradient");
    }

    #[test]
    fn a_relative_change_is_an_effect_already() {
        let found = importance(&evidence(LossKind::RelativeChange), &Bootstrap::new(0, 99, 0.95));
        assert_eq!(found[1].ablation[&AblationMode::Zero].mean, 3.25);
    }
}
