//! One transformer for all families: text or image in, hidden states and logits out, a tap and an override on every
//! attention layer.
//!
//! Attention runs through `attractor`'s retrieval kernel; with gradients it is spelled out in Burn's operations
//! ([`Traced`]). Both compute the same thing, and a test holds them to it.

mod block;
mod embed;
mod facts;
mod input;
mod load;
mod overrides;
mod parameters;
mod parts;
mod rope;
mod tap;
mod traced;

use std::sync::Arc;

use attractor::retrieve::Mask;

pub use facts::KeptParts;
pub use input::{Input, TokenRow};
pub use overrides::{Maps, Overrides, Replacement};
pub use parameters::Parameter;
pub use tap::{Observer, Tap, Want};
pub use traced::Traced;

use crate::checkpoint::Checkpoint;
use crate::checkpoint::spec::{Family, Spec};
use crate::ops::{self, Matrix};
use attractor::{Error, Result};
use block::{Attended, Block, Place};
use embed::{Embedding, Top};
use parts::Normalise;

/// A transformer with its weights. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Model {
    spec: Spec,
    embedding: Embedding,
    blocks: Vec<Block>,
    final_norm: Option<Normalise>,
    top: Top,
}

/// What a forward pass gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The last hidden state, after the final norm, [positions, width].
    pub hidden: Vec<f32>,
    /// Positions.
    pub positions: usize,
    /// [positions, vocab] for language models, [1, labels] for classifiers; `None` for bare encoders.
    pub logits: Option<Vec<f32>>,
}

impl Model {
    /// Its layers, for tests that compute a layer by hand.
    #[cfg(test)]
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Reads a model's weights.
    ///
    /// # Errors
    /// As [`Model::build`], and if a file cannot be read.
    pub fn load(checkpoint: &Checkpoint) -> Result<Self> {
        Self::build(checkpoint.config(), checkpoint)
    }

    /// The model in words.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Runs one input.
    ///
    /// # Errors
    /// What [`Input::check`] refuses, overrides of layers or heads that are not there, and what the observer says;
    /// `is_non_finite` where weights are so large that a hidden state is NaN or infinite, and where every weight is zero.
    pub fn forward(&self, input: &Input, observer: &mut dyn Observer, overrides: &Overrides) -> Result<Output> {
        let hidden = self.encode(input, observer, overrides)?;
        let positions = hidden.dims()[0];
        let logits = self.top.of(&self.spec, &self.embedding, hidden.clone())?;
        Ok(Output { hidden: sound(ops::values(hidden), positions)?, positions, logits: logits.map(ops::values) })
    }

    /// The last hidden state of one input, after the final norm, [positions, width]: [`forward`](Self::forward) without
    /// logits.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn hidden(&self, input: &Input, observer: &mut dyn Observer, overrides: &Overrides) -> Result<Vec<f32>> {
        let hidden = self.encode(input, observer, overrides)?;
        let positions = hidden.dims()[0];
        sound(ops::values(hidden), positions)
    }

    /// The last hidden state of one input, after the final norm.
    pub(crate) fn encode(&self, input: &Input, observer: &mut dyn Observer, overrides: &Overrides) -> Result<Matrix> {
        input.check(&self.spec)?;
        overrides.check(self.spec.layers, self.spec.heads)?;
        let x = self.embedding.of(&self.spec, input);
        let n = x.dims()[0];
        self.run(x, n, input.padding(), 0, std::slice::from_ref(overrides), observer)
    }

    /// Goes on from the input of layer `layer`, once for each of several overrides: the last hidden states, after the
    /// final norm, [variants x positions, width].
    ///
    /// What lies before that layer is not computed again, so the overrides must not touch it. The layer's own
    /// attention is computed once for all variants.
    pub(crate) fn resume(&self, input: &Input, layer: usize, hidden: &[f32], variants: &[Overrides]) -> Result<Matrix> {
        for overrides in variants {
            overrides.check(self.spec.layers, self.spec.heads)?;
        }
        let n = input.positions(&self.spec);
        if layer >= self.spec.layers || hidden.len() != n * self.spec.hidden {
            return Err(Error::usage(format!(
                "resume: layer {layer} with {} hidden values; the model has {} layers, the input {n} positions of {}",
                hidden.len(),
                self.spec.layers,
                self.spec.hidden
            )));
        }
        let x = ops::tensor(hidden.to_vec(), [n, self.spec.hidden]);
        self.run(x, n, input.padding(), layer, variants, &mut ())
    }

    /// Layers `start`.. on `x`, [n, width]; the first of them fans out into the variants.
    fn run(
        &self,
        mut x: Matrix,
        n: usize,
        padding: &[bool],
        start: usize,
        variants: &[Overrides],
        observer: &mut dyn Observer,
    ) -> Result<Matrix> {
        let mut places = self.places(n, padding);
        for block in &self.blocks[start..] {
            let l = block.layer;
            if observer.wants_hidden(l) {
                observer.hidden(l, ops::values(x.clone()))?;
            }
            let want = observer.wants(l);
            let place = &places[l];
            let input = block.attention_input(&x);
            let tapped_input = if want.input { ops::values(input.clone()) } else { Vec::new() };
            let mut attended = block.attend(input, place)?;
            let z = block.override_heads(&mut attended, variants, place)?;
            // Of a long input each of these is large: what nobody wants goes before the next is made.
            let Attended { q, k, v, .. } = attended;
            let (q, k) = if want.query_key { (q, k) } else { Default::default() };
            let v = if want.values { v } else { Vec::new() };
            let output = block.project(&z, variants.len(), n);
            let z = if want.z { z } else { Vec::new() };
            if !want.is_nothing() {
                observer.tap(Tap {
                    layer: l,
                    heads: block.heads,
                    key_heads: block.key_heads,
                    positions: n,
                    width: block.width,
                    beta: block.beta,
                    soft_cap: block.soft_cap,
                    sinks: Vec::new(),
                    mask: (*place.mask).clone(),
                    q,
                    k,
                    v,
                    z,
                    output: if want.output { ops::values(output.clone()) } else { Vec::new() },
                    input: tapped_input,
                })?;
            }
            if place.batch < variants.len() {
                x = x.repeat(&[variants.len(), 1]);
                places.iter_mut().for_each(|place| place.batch = variants.len());
            }
            x = block.finish(x, output);
        }
        let last = self.spec.layers;
        let after = match &self.final_norm {
            Some(norm) => norm.forward(x.clone()),
            None => x.clone(),
        };
        if observer.wants_hidden(last) {
            let before = matches!(self.spec.family, Family::Vit | Family::Deit);
            observer.hidden(last, ops::values(if before { x } else { after.clone() }))?;
        }
        Ok(after)
    }

    /// Mask and rotation of every layer for one item of `n` positions.
    fn places(&self, n: usize, padding: &[bool]) -> Vec<Place> {
        let mut tables = Vec::new();
        (0..self.spec.layers)
            .map(|l| {
                let window = self.spec.windows[l];
                let hidden = if padding.contains(&true) { padding.to_vec() } else { Vec::new() };
                let rotation = self.spec.rope_of(l).map(|rope| match tables.iter().find(|(r, _)| *r == rope) {
                    Some((_, table)) => Arc::clone(table),
                    None => {
                        let table = rope::table(&rope, n);
                        tables.push((rope, Arc::clone(&table)));
                        table
                    }
                });
                let mask = Mask { causal: self.spec.causal, window, hidden, ..Mask::full() };
                Place { batch: 1, positions: n, mask: Arc::new(mask), rotation }
            })
            .collect()
    }

    /// Logits of rows of the last hidden state, for language models.
    pub(crate) fn row_logits(&self, hidden: Matrix) -> Option<Matrix> {
        self.top.of_rows(&self.spec, &self.embedding, hidden)
    }

    /// Logits of an input's last hidden state, for classifiers.
    pub(crate) fn input_logits(&self, hidden: Matrix) -> Option<Matrix> {
        self.top.of_input(hidden)
    }
}

/// The last hidden state, [positions, width], unless it is none: of degenerate weights nothing can be said.
fn sound(hidden: Vec<f32>, positions: usize) -> Result<Vec<f32>> {
    let degenerate = |why: String| {
        Error::non_finite(format!(
            "the weights are degenerate: {why}; the checkpoint is damaged, was never trained, or its training diverged"
        ))
    };
    if let Some(at) = hidden.iter().position(|x| !x.is_finite()) {
        let position = at / (hidden.len() / positions.max(1)).max(1);
        return Err(degenerate(format!("the last hidden state is {} at position {position}", hidden[at])));
    }
    match hidden.iter().all(|&x| x == 0.0) {
        true => Err(degenerate("the last hidden state is zero everywhere".to_string())),
        false => Ok(hidden),
    }
}
