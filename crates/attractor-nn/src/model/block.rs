//! A block: attention and MLP, with norms where the family puts them.

use std::sync::Arc;

use attractor::retrieve::{Dot, Heads, Mask, Modifiers, Problem, Separation, tiled};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::overrides::Overrides;
use super::parts::{Linear, Mlp, Normalise};
use crate::checkpoint::spec::Placement;
use crate::ops::elementwise::SoftCap;
use crate::ops::rows::{MaskedSoftmax, Rotate, Rotation};
use crate::ops::{self, Matrix, unary};
use attractor::Result;

/// One layer of the model. Activations are [batch x positions, features].
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub layer: usize,
    pub heads: usize,
    pub key_heads: usize,
    /// Width of a head.
    pub width: usize,
    pub beta: f32,
    pub soft_cap: Option<f32>,
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
    pub query_norm: Option<Normalise>,
    pub key_norm: Option<Normalise>,
    pub mlp: Option<Mlp>,
    pub placement: Placement,
    pub before_attention: Option<Normalise>,
    pub after_attention: Option<Normalise>,
    pub before_mlp: Option<Normalise>,
    pub after_mlp: Option<Normalise>,
}

/// What a layer needs to know of the input.
#[derive(Clone)]
pub(crate) struct Place {
    pub batch: usize,
    pub positions: usize,
    pub mask: Arc<Mask>,
    pub rotation: Option<Arc<Rotation>>,
}

/// Queries, keys, values as slices, [batch x heads, positions, width], and what attention made of them.
pub(crate) struct Attended {
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
    pub z: Vec<f32>,
}

/// Queries, keys or values of the autodiff path, [batch, heads, positions, width].
type PerHead = Tensor<4>;

impl Block {
    /// The normalised input to attention.
    pub(crate) fn attention_input(&self, x: &Matrix) -> Matrix {
        match (self.placement, &self.before_attention) {
            (Placement::Pre | Placement::Sandwich, Some(norm)) => norm.forward(x.clone()),
            _ => x.clone(),
        }
    }

    /// Residuals, norms and MLP after attention gave `output` for the block's input `x`.
    pub(crate) fn finish(&self, x: Matrix, output: Matrix) -> Matrix {
        let x = self.join(x, output, &self.after_attention);
        let Some(mlp) = &self.mlp else { return x };
        let inner = match (self.placement, &self.before_mlp) {
            (Placement::Pre | Placement::Sandwich, Some(norm)) => norm.forward(x.clone()),
            _ => x.clone(),
        };
        self.join(x, mlp.forward(inner), &self.after_mlp)
    }

    fn join(&self, x: Matrix, y: Matrix, norm: &Option<Normalise>) -> Matrix {
        match (self.placement, norm) {
            (Placement::Pre, _) | (_, None) => x.add(y),
            (Placement::Post, Some(norm)) => norm.forward(x.add(y)),
            (Placement::Sandwich, Some(norm)) => x.add(norm.forward(y)),
        }
    }

    /// Norms of queries and keys, per head.
    fn normed(&self, x: Matrix, norm: &Option<Normalise>) -> Matrix {
        match norm {
            None => x,
            Some(norm) => {
                let [rows, features] = x.dims();
                let heads = features / self.width;
                norm.forward(x.reshape([rows * heads, self.width])).reshape([rows, features])
            }
        }
    }

    /// Attention by the retrieval kernel: `input` is what [`attention_input`](Self::attention_input) gave.
    pub(crate) fn attend(&self, input: Matrix, place: &Place) -> Result<Attended> {
        let (b, n, d) = (place.batch, place.positions, self.width);
        let rotate = |mut x: Vec<f32>| {
            if let Some(table) = &place.rotation {
                Rotate { width: d, table: table.clone() }.turn(&mut x, 1.0);
            }
            x
        };
        // One after the other: of a long input each is large, and is laid out by heads at once.
        let q = self.normed(self.query.forward(input.clone()), &self.query_norm);
        let q = rotate(split_heads(q, b, n, self.heads));
        let k = self.normed(self.key.forward(input.clone()), &self.key_norm);
        let k = rotate(split_heads(k, b, n, self.key_heads));
        let v = split_heads(self.value.forward(input), b, n, self.key_heads);
        // The batch lies along the head axis: query head a of item i reads key head (i h + a) / (h / g) = i g + a / (h / g).
        let problem = Problem {
            queries: Heads::new(q.as_slice(), b * self.heads, n, d)?,
            keys: Heads::new(k.as_slice(), b * self.key_heads, n, d)?,
            values: Some(Heads::new(v.as_slice(), b * self.key_heads, n, d)?),
            similarity: &Dot,
            separation: Separation::Softmax { beta: self.beta },
            modifiers: Modifiers { soft_cap: self.soft_cap, ..Modifiers::masked(&place.mask) },
        };
        let z = tiled::retrieve(&problem)?.output;
        Ok(Attended { q, k, v, z })
    }

    /// z of every variant, [variants x heads, positions, width]: what was attended, less what each variant replaces.
    ///
    /// `attended` is of one item (shared by all variants) or of as many as there are variants.
    pub(crate) fn override_heads(
        &self,
        attended: &mut Attended,
        variants: &[Overrides],
        place: &Place,
    ) -> Result<Vec<f32>> {
        if variants.len() == place.batch
            && variants.iter().all(|variant| (0..self.heads).all(|head| variant.of(self.layer, head).is_none()))
        {
            return Ok(std::mem::take(&mut attended.z));
        }
        let attended = &*attended;
        let (h, size) = (self.heads, place.positions * self.width);
        let mut z = vec![0.0; variants.len() * h * size];
        z.par_chunks_mut(size)
            .enumerate()
            .try_for_each(|(at, z)| {
                let (variant, head) = (at / h, at % h);
                let item = if place.batch == 1 { 0 } else { variant };
                let own = item * h + head;
                match variants[variant].of(self.layer, head) {
                    None => z.copy_from_slice(&attended.z[own * size..(own + 1) * size]),
                    Some(replacement) => {
                        let group = own / (h / self.key_heads);
                        let values = &attended.v[group * size..(group + 1) * size];
                        replacement.apply(self.layer, head, &place.mask, values, self.width, z)?;
                    }
                }
                Ok(())
            })
            .map(|()| z)
    }

    /// W_O z + b, z of shape [batch x heads, positions, width].
    pub(crate) fn project(&self, z: &[f32], batch: usize, positions: usize) -> Matrix {
        self.output.forward(join_heads(z, batch, positions, self.heads))
    }

    /// Attention in Burn's own operations, for gradients: the module's output, the maps [batch, heads, n, n] and, if
    /// `leaf`, a zero tensor added to them whose gradient is dL/dA.
    pub(crate) fn attend_traced(&self, input: Matrix, place: &Place, leaf: bool) -> (Matrix, PerHead, Option<PerHead>) {
        let (b, n, d) = (place.batch, place.positions, self.width);
        let per_head = |x: Matrix, heads: usize| x.reshape([b, n, heads, d]).swap_dims(1, 2);
        let rotate = |x: PerHead| match &place.rotation {
            None => x,
            Some(table) => unary(Rotate { width: d, table: table.clone() }, x),
        };
        let q = rotate(per_head(self.normed(self.query.forward(input.clone()), &self.query_norm), self.heads));
        let k = rotate(per_head(self.normed(self.key.forward(input.clone()), &self.key_norm), self.key_heads));
        let v = per_head(self.value.forward(input), self.key_heads);
        let (k, v) = (self.share(k), self.share(v));
        let mut scores = q.matmul(k.swap_dims(2, 3));
        let mut softmax = MaskedSoftmax { queries: n, keys: n, beta: self.beta, mask: place.mask.clone() };
        if let Some(cap) = self.soft_cap {
            // The cap acts on beta q.k.
            scores = unary(SoftCap(cap), scores.mul_scalar(self.beta));
            softmax.beta = 1.0;
        }
        let mut map = unary(softmax, scores);
        let leaf = leaf.then(|| Tensor::<4>::zeros(map.shape(), &ops::device()).autodiff().require_grad());
        if let Some(leaf) = &leaf {
            map = map.add(leaf.clone());
        }
        let z = map.clone().matmul(v).swap_dims(1, 2).reshape([b * n, self.heads * d]);
        (self.output.forward(z), map, leaf)
    }

    /// Repeats key heads so that every query head has its own.
    fn share(&self, x: PerHead) -> PerHead {
        let times = self.heads / self.key_heads;
        if times == 1 {
            return x;
        }
        let [b, g, n, d] = x.dims();
        x.reshape([b, g, 1, n * d]).repeat_dim(2, times).reshape([b, g * times, n, d])
    }
}

/// [batch x positions, heads x width] -> [batch x heads, positions, width]
fn split_heads(x: Matrix, batch: usize, positions: usize, heads: usize) -> Vec<f32> {
    let [_, features] = x.dims();
    let width = features / heads;
    ops::read(x, |x| {
        let mut y = vec![0.0; batch * positions * features];
        y.par_chunks_mut((positions * width).max(1)).enumerate().for_each(|(at, y)| {
            let (item, head) = (at / heads, at % heads);
            for (i, y) in y.chunks_mut(width).enumerate() {
                let start = (item * positions + i) * features + head * width;
                y.copy_from_slice(&x[start..start + width]);
            }
        });
        y
    })
}

/// [batch x heads, positions, width] -> [batch x positions, heads x width]
fn join_heads(z: &[f32], batch: usize, positions: usize, heads: usize) -> Matrix {
    let rows = batch * positions;
    let features = z.len() / rows.max(1);
    let width = features / heads;
    let mut y = vec![0.0; z.len()];
    y.par_chunks_mut(features.max(1)).enumerate().for_each(|(row, y)| {
        let (item, i) = (row / positions, row % positions);
        for (head, y) in y.chunks_mut(width).enumerate() {
            let start = ((item * heads + head) * positions + i) * width;
            y.copy_from_slice(&z[start..start + width]);
        }
    });
    ops::tensor(y, [rows, features])
}
