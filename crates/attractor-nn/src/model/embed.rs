//! From tokens or pixels to the first hidden state, and from the last one to logits.

use super::input::Input;
use super::parts::{Linear, Normalise};
use crate::checkpoint::spec::{Activation, OutputHead, Position, Spec};
use crate::ops::elementwise::SoftCap;
use crate::ops::{self, Matrix, unary};
use attractor::Result;

/// What makes the first hidden state.
#[derive(Debug, Clone)]
pub(crate) struct Embedding {
    /// [vocab, hidden]
    pub tokens: Option<Matrix>,
    /// [rows, hidden]
    pub positions: Option<Matrix>,
    /// [types, hidden]
    pub types: Option<Matrix>,
    /// Patches of channels x height x width pixels.
    pub patches: Option<Linear>,
    /// Class token and, for DeiT, distillation token: [1 or 2, hidden].
    pub prefix: Option<Matrix>,
    /// BERT's.
    pub norm: Option<Normalise>,
}

impl Embedding {
    /// The first hidden state of equally long token rows, [batch x positions, hidden]; `kinds`: their types, empty: all 0.
    pub(crate) fn of_tokens(&self, spec: &Spec, batch: &[&[u32]], kinds: &[u32]) -> Matrix {
        let ids: Vec<usize> = batch.iter().flat_map(|ids| ids.iter().map(|&id| id as usize)).collect();
        let table = self.tokens.as_ref().expect("a model of tokens has a token table");
        let mut x = ops::select(table.clone(), &ids);
        if spec.embedding_scale != 1.0 {
            x = x.mul_scalar(spec.embedding_scale);
        }
        if let (Some(positions), Position::Learned { offset, skip }) = (&self.positions, &spec.position) {
            let rows: Vec<usize> = batch.iter().flat_map(|ids| learned_rows(ids, *offset, *skip)).collect();
            x = x.add(ops::select(positions.clone(), &rows));
        }
        if let Some(types) = &self.types {
            let rows: Vec<usize> = match kinds {
                [] => vec![0],
                kinds => kinds.iter().map(|&kind| kind as usize).collect(),
            };
            x = x.add(ops::select(types.clone(), &rows));
        }
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    /// The first hidden state of an image, [prefix + patches, hidden]; `pixels` are [channels, height, width].
    pub(crate) fn of_image(&self, spec: &Spec, pixels: &[f32]) -> Matrix {
        let image = spec.image.as_ref().expect("an image model knows its image");
        let (patches, prefix, positions) = match (&self.patches, &self.prefix, &self.positions) {
            (Some(patches), Some(prefix), Some(positions)) => (patches, prefix, positions),
            _ => unreachable!("an image model has patches, a class token and positions"),
        };
        let (rows, columns) = image.grid();
        let (ph, pw) = (image.patch_height, image.patch_width);
        let mut cut = Vec::with_capacity(pixels.len());
        for (row, column) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
            for (channel, y) in (0..image.channels).flat_map(|c| (0..ph).map(move |y| (c, y))) {
                let start = (channel * image.height + row * ph + y) * image.width + column * pw;
                cut.extend_from_slice(&pixels[start..start + pw]);
            }
        }
        let patches = patches.forward(ops::tensor(cut, [rows * columns, image.channels * ph * pw]));
        Matrix::cat(vec![prefix.clone(), patches], 0).add(positions.clone())
    }

    pub(crate) fn of(&self, spec: &Spec, input: &Input) -> Matrix {
        match input {
            Input::Text(text) => self.of_tokens(spec, &[&text.ids], &text.types),
            Input::Image { values } => self.of_image(spec, values),
        }
    }
}

/// Rows of the position table: counted from `offset`; `skip` tokens do not count and take the row before.
fn learned_rows(ids: &[u32], offset: usize, skip: Option<u32>) -> Vec<usize> {
    let mut next = offset;
    ids.iter()
        .map(|&id| {
            if skip == Some(id) {
                return offset - 1;
            }
            next += 1;
            next - 1
        })
        .collect()
}

/// What makes logits of the last hidden state.
#[derive(Debug, Clone)]
pub(crate) enum Top {
    None,
    /// logits = x W + b; W is the token table where `None`.
    Language {
        decoder: Option<Matrix>,
        bias: Option<Matrix>,
    },
    /// A dense layer and a norm before that.
    Masked {
        dense: Linear,
        activation: Activation,
        norm: Normalise,
        decoder: Option<Matrix>,
        bias: Matrix,
    },
    /// Of the first token, through a tanh layer where there is one.
    Classifier {
        dense: Option<Linear>,
        output: Linear,
    },
    /// The mean of two, on the first and the second token.
    Distilled {
        class: Linear,
        distillation: Linear,
    },
}

impl Top {
    /// Logits of rows of the last hidden state ([rows, hidden] -> [rows, vocab]), for language models.
    pub(crate) fn of_rows(&self, spec: &Spec, embedding: &Embedding, x: Matrix) -> Option<Matrix> {
        let table = || embedding.tokens.clone().expect("a model of tokens has a token table").transpose();
        let logits = match self {
            Self::Language { decoder, bias } => {
                let logits = x.matmul(decoder.clone().unwrap_or_else(table));
                match bias {
                    Some(bias) => logits.add(bias.clone()),
                    None => logits,
                }
            }
            Self::Masked { dense, activation, norm, decoder, bias } => {
                let x = norm.forward(unary(*activation, dense.forward(x)));
                x.matmul(decoder.clone().unwrap_or_else(table)).add(bias.clone())
            }
            _ => return None,
        };
        Some(match spec.final_soft_cap {
            Some(cap) => unary(SoftCap(cap), logits),
            None => logits,
        })
    }

    /// Logits of a whole input ([positions, hidden] -> [1, labels]), for classifiers.
    pub(crate) fn of_input(&self, x: Matrix) -> Option<Matrix> {
        let row = |i: usize| x.clone().slice([i..i + 1]);
        match self {
            Self::Classifier { dense, output } => {
                let first = row(0);
                Some(output.forward(match dense {
                    Some(dense) => unary(Activation::Tanh, dense.forward(first)),
                    None => first,
                }))
            }
            Self::Distilled { class, distillation } => {
                Some(class.forward(row(0)).add(distillation.forward(row(1))).mul_scalar(0.5))
            }
            _ => None,
        }
    }

    /// Logits for the whole input, whichever kind.
    pub(crate) fn of(&self, spec: &Spec, embedding: &Embedding, x: Matrix) -> Result<Option<Matrix>> {
        Ok(match spec.head {
            OutputHead::None => None,
            OutputHead::CausalLm | OutputHead::MaskedLm => self.of_rows(spec, embedding, x),
            OutputHead::Classifier { .. } | OutputHead::DistilledClassifier { .. } => self.of_input(x),
        })
    }
}
