//! The model with gradients.

use burn::tensor::{Gradients, Tensor};

use super::block::Place;
use super::{Input, Model};
use crate::ops::{self, Matrix};
use attractor::Result;

/// A copy of a model whose parameters record what is done with them.
pub struct Traced {
    model: Model,
}

/// A recorded forward pass.
pub(crate) struct Recording {
    /// The last hidden state after the final norm, [batch x positions, width].
    pub hidden: Matrix,
    /// Maps of every layer, [batch, heads, n, n], without gradients; empty unless asked for.
    pub maps: Vec<Tensor<4>>,
    /// Zero tensors added to them, whose gradient is dL/dA.
    pub leaves: Vec<Tensor<4>>,
}

impl Traced {
    /// Starts recording.
    pub fn new(model: &Model) -> Self {
        let mut model = model.clone();
        for parameter in model.parameters() {
            *parameter.tensor = parameter.tensor.clone().inner().autodiff().require_grad();
        }
        Self { model }
    }

    /// The model; its tensors are recorded.
    pub(crate) fn model(&mut self) -> &mut Model {
        &mut self.model
    }

    /// One input, with a leaf on every map if `leaves`.
    pub(crate) fn forward(&self, input: &Input, leaves: bool) -> Result<Recording> {
        input.check(&self.model.spec)?;
        let x = self.model.embedding.of(&self.model.spec, input);
        let n = x.dims()[0];
        Ok(self.run(x, self.model.places(n, input.padding()), leaves))
    }

    /// Rows of equally many tokens.
    pub(crate) fn forward_batch(&self, rows: &[&[u32]]) -> Recording {
        let x = self.model.embedding.of_tokens(&self.model.spec, rows, &[]);
        let n = rows.first().map_or(0, |row| row.len());
        let mut places = self.model.places(n, &[]);
        places.iter_mut().for_each(|place| place.batch = rows.len());
        self.run(x, places, false)
    }

    fn run(&self, mut x: Matrix, places: Vec<Place>, leaves: bool) -> Recording {
        let mut recording = Recording { hidden: x.clone(), maps: Vec::new(), leaves: Vec::new() };
        for (block, place) in self.model.blocks.iter().zip(&places) {
            let (output, map, leaf) = block.attend_traced(block.attention_input(&x), place, leaves);
            if let Some(leaf) = leaf {
                recording.maps.push(map.inner());
                recording.leaves.push(leaf);
            }
            x = block.finish(x, output);
        }
        recording.hidden = match &self.model.final_norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        recording
    }

    /// Looks at the gradient of every parameter, in the order of `Model::parameters`; `None` where the loss does not
    /// depend on it.
    pub(crate) fn each_gradient(&mut self, gradients: &mut Gradients, mut look: impl FnMut(usize, Option<&[f32]>)) {
        for (at, parameter) in self.model.parameters().into_iter().enumerate() {
            match parameter.tensor.grad_remove(gradients) {
                Some(gradient) => ops::read(gradient, |gradient| look(at, Some(gradient))),
                None => look(at, None),
            }
        }
    }

    /// Copies of them.
    pub(crate) fn gradients(&mut self, gradients: &mut Gradients) -> Vec<Option<Vec<f32>>> {
        let mut all = Vec::new();
        self.each_gradient(gradients, |_, gradient| all.push(gradient.map(<[f32]>::to_vec)));
        all
    }
}
