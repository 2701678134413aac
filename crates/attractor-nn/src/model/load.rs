//! Which tensor of a checkpoint becomes which part, family by family.

use super::Model;
use super::block::Block;
use super::embed::{Embedding, Top};
use super::parts::{Linear, Mlp, Normalise};
use crate::checkpoint::spec::{Activation, Family, Norm, OutputHead, Placement, Position, Spec};
use crate::ops::{self, Matrix};
use crate::weights::{Reader, Tensors};
use attractor::{Error, Result};

impl Model {
    /// Builds the model that `spec` describes from named tensors.
    ///
    /// # Errors
    /// `is_format` for a missing tensor, `is_shape` for one of another shape than the configuration says,
    /// `is_non_finite` for one with a NaN or an infinity.
    pub fn build(spec: &Spec, tensors: &dyn Tensors) -> Result<Self> {
        let (embedding, blocks, final_norm, top) = match spec.family {
            Family::Gpt2 => gpt2(spec, tensors)?,
            Family::Bert | Family::Roberta => bert(spec, tensors)?,
            Family::Vit | Family::Deit => vit(spec, tensors)?,
            _ => llama(spec, tensors)?,
        };
        Ok(Self { spec: spec.clone(), embedding, blocks, final_norm, top })
    }
}

type Parts = (Embedding, Vec<Block>, Option<Normalise>, Top);

/// A linear map stored as PyTorch's Linear.
fn linear(r: &Reader<'_>, name: &str, from: usize, to: usize, bias: bool) -> Result<Linear> {
    Ok(Linear {
        weight: r.transposed(&format!("{name}.weight"), from, to)?,
        bias: if bias { Some(r.row(&format!("{name}.bias"), to)?) } else { None },
    })
}

/// A norm; layer norms have a bias, RMS norms none. Old BERT files call the pair gamma and beta.
fn norm(r: &Reader<'_>, name: &str, norm: Norm, width: usize) -> Result<Normalise> {
    let old = r.has(&format!("{name}.gamma"));
    let part = |new: &str, older: &str| r.row(&format!("{name}.{}", if old { older } else { new }), width);
    let bias = match norm {
        Norm::Layer { .. } => Some(part("bias", "beta")?),
        Norm::Rms { .. } => None,
    };
    Ok(Normalise { norm, weight: part("weight", "gamma")?, bias })
}

/// A block with what every family shares; the caller adds norms and MLP.
fn block(spec: &Spec, layer: usize, [query, key, value, output]: [Linear; 4]) -> Block {
    Block {
        layer,
        heads: spec.heads,
        key_heads: spec.key_heads,
        width: spec.head_dim,
        beta: spec.beta_of(layer),
        soft_cap: spec.attention_soft_cap,
        query,
        key,
        value,
        output,
        query_norm: None,
        key_norm: None,
        mlp: None,
        placement: spec.placement,
        before_attention: None,
        after_attention: None,
        before_mlp: None,
        after_mlp: None,
    }
}

/// The projection from token table or `lm_head`.
fn language(spec: &Spec, root: &Reader<'_>) -> Result<Top> {
    match spec.head {
        OutputHead::CausalLm => Ok(Top::Language {
            decoder: match spec.tied {
                true => None,
                false => Some(root.transposed("lm_head.weight", spec.hidden, spec.vocab)?),
            },
            bias: None,
        }),
        OutputHead::None => Ok(Top::None),
        head => Err(Error::unsupported(format!("a {} model with head {head:?} is not built in", spec.family.name()))),
    }
}

fn gpt2(spec: &Spec, tensors: &dyn Tensors) -> Result<Parts> {
    let r = Reader::find(tensors, &["", "transformer."], "wte.weight")?;
    let c = spec.hidden;
    // Conv1D keeps matrices as [in, out].
    let conv = |name: &str, from: usize, to: usize| -> Result<Linear> {
        Ok(Linear {
            weight: r.matrix(&format!("{name}.weight"), from, to)?,
            bias: Some(r.row(&format!("{name}.bias"), to)?),
        })
    };
    let inner = spec.heads * spec.head_dim;
    let mut blocks = Vec::with_capacity(spec.layers);
    for l in 0..spec.layers {
        let packed = conv(&format!("h.{l}.attn.c_attn"), c, 3 * inner)?;
        let third = |i: usize| Linear {
            weight: packed.weight.clone().slice([0..c, i * inner..(i + 1) * inner]),
            bias: packed.bias.clone().map(|b| b.slice([0..1, i * inner..(i + 1) * inner])),
        };
        let output = conv(&format!("h.{l}.attn.c_proj"), inner, c)?;
        let mut b = block(spec, l, [settled(third(0)), settled(third(1)), settled(third(2)), output]);
        b.before_attention = Some(norm(&r, &format!("h.{l}.ln_1"), spec.norm, c)?);
        if spec.intermediate > 0 {
            b.before_mlp = Some(norm(&r, &format!("h.{l}.ln_2"), spec.norm, c)?);
            b.mlp = Some(Mlp {
                activation: spec.activation,
                gate: None,
                up: conv(&format!("h.{l}.mlp.c_fc"), c, spec.intermediate)?,
                down: conv(&format!("h.{l}.mlp.c_proj"), spec.intermediate, c)?,
            });
        }
        blocks.push(b);
    }
    let embedding = Embedding {
        tokens: Some(r.matrix("wte.weight", spec.vocab, c)?),
        positions: Some(r.matrix("wpe.weight", position_rows(spec)?, c)?),
        types: None,
        patches: None,
        prefix: None,
        norm: None,
    };
    Ok((embedding, blocks, Some(norm(&r, "ln_f", spec.norm, c)?), language(spec, &r.root())?))
}

/// Copies a view into a tensor of its own.
fn settled(x: Linear) -> Linear {
    let own = |m: Matrix| {
        let shape = m.dims();
        ops::tensor(ops::values(m), shape)
    };
    Linear { weight: own(x.weight), bias: x.bias.map(own) }
}

/// Rows of the learned position table.
fn position_rows(spec: &Spec) -> Result<usize> {
    match (&spec.position, spec.max_positions) {
        (Position::Learned { offset, .. }, Some(n)) => Ok(n + offset),
        _ => Err(Error::format(format!(
            "a {} model needs a number of positions in its configuration",
            spec.family.name()
        ))),
    }
}

fn bert(spec: &Spec, tensors: &dyn Tensors) -> Result<Parts> {
    let r = Reader::find(
        tensors,
        &["", "bert.", "roberta.", "model.", "0.auto_model."],
        "embeddings.word_embeddings.weight",
    )?;
    let (c, i, n) = (spec.hidden, spec.intermediate, spec.norm);
    let inner = spec.heads * spec.head_dim;
    let mut blocks = Vec::with_capacity(spec.layers);
    for l in 0..spec.layers {
        let at = |name: &str| format!("encoder.layer.{l}.{name}");
        let map = |name: &str, from: usize, to: usize| linear(&r, &at(name), from, to, true);
        let parts = [
            map("attention.self.query", c, inner)?,
            map("attention.self.key", c, inner)?,
            map("attention.self.value", c, inner)?,
            map("attention.output.dense", inner, c)?,
        ];
        let mut b = block(spec, l, parts);
        b.after_attention = Some(norm(&r, &at("attention.output.LayerNorm"), n, c)?);
        b.after_mlp = Some(norm(&r, &at("output.LayerNorm"), n, c)?);
        b.mlp = Some(Mlp {
            activation: spec.activation,
            gate: None,
            up: map("intermediate.dense", c, i)?,
            down: map("output.dense", i, c)?,
        });
        blocks.push(b);
    }
    let embedding = Embedding {
        tokens: Some(r.matrix("embeddings.word_embeddings.weight", spec.vocab, c)?),
        positions: Some(r.matrix("embeddings.position_embeddings.weight", position_rows(spec)?, c)?),
        types: match spec.token_types {
            0 => None,
            types => Some(r.matrix("embeddings.token_type_embeddings.weight", types, c)?),
        },
        patches: None,
        prefix: None,
        norm: Some(norm(&r, "embeddings.LayerNorm", n, c)?),
    };
    let root = r.root();
    let roberta = spec.family == Family::Roberta;
    let top = match spec.head {
        OutputHead::None => Top::None,
        OutputHead::MaskedLm => {
            let (dense, layer_norm, base) = match roberta {
                true => ("lm_head.dense", "lm_head.layer_norm", "lm_head"),
                false => ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions"),
            };
            let own = format!("{base}.decoder.weight");
            let bias = match root.has(&format!("{base}.bias")) {
                true => format!("{base}.bias"),
                false => format!("{base}.decoder.bias"),
            };
            Top::Masked {
                dense: linear(&root, dense, c, c, true)?,
                // RoBERTa's head says gelu whatever the configuration says.
                activation: if roberta { Activation::Gelu } else { spec.activation },
                norm: norm(&root, layer_norm, n, c)?,
                decoder: match spec.tied {
                    true => None,
                    false => Some(root.transposed(&own, c, spec.vocab)?),
                },
                bias: root.row(&bias, spec.vocab)?,
            }
        }
        OutputHead::Classifier { labels } if roberta => Top::Classifier {
            dense: Some(linear(&root, "classifier.dense", c, c, true)?),
            output: linear(&root, "classifier.out_proj", c, labels, true)?,
        },
        OutputHead::Classifier { labels } => Top::Classifier {
            dense: Some(linear(&r, "pooler.dense", c, c, true)?),
            output: linear(&root, "classifier", c, labels, true)?,
        },
        head => return Err(Error::unsupported(format!("a BERT model with head {head:?} is not built in"))),
    };
    Ok((embedding, blocks, None, top))
}

fn llama(spec: &Spec, tensors: &dyn Tensors) -> Result<Parts> {
    let prefixes = ["", "model.", "language_model.model.", "model.language_model."];
    let r = Reader::find(tensors, &prefixes, "embed_tokens.weight")?;
    let (c, i, n) = (spec.hidden, spec.intermediate, spec.norm);
    let (wide, narrow) = (spec.heads * spec.head_dim, spec.key_heads * spec.head_dim);
    let mut blocks = Vec::with_capacity(spec.layers);
    for l in 0..spec.layers {
        let at = |name: &str| format!("layers.{l}.{name}");
        let parts = [
            linear(&r, &at("self_attn.q_proj"), c, wide, spec.qkv_bias)?,
            linear(&r, &at("self_attn.k_proj"), c, narrow, spec.qkv_bias)?,
            linear(&r, &at("self_attn.v_proj"), c, narrow, spec.qkv_bias)?,
            linear(&r, &at("self_attn.o_proj"), wide, c, spec.output_bias)?,
        ];
        let mut b = block(spec, l, parts);
        if spec.query_key_norm {
            b.query_norm = Some(norm(&r, &at("self_attn.q_norm"), n, spec.head_dim)?);
            b.key_norm = Some(norm(&r, &at("self_attn.k_norm"), n, spec.head_dim)?);
        }
        b.before_attention = Some(norm(&r, &at("input_layernorm"), n, c)?);
        if spec.placement == Placement::Sandwich {
            b.after_attention = Some(norm(&r, &at("post_attention_layernorm"), n, c)?);
            b.before_mlp = Some(norm(&r, &at("pre_feedforward_layernorm"), n, c)?);
            b.after_mlp = Some(norm(&r, &at("post_feedforward_layernorm"), n, c)?);
        } else {
            b.before_mlp = Some(norm(&r, &at("post_attention_layernorm"), n, c)?);
        }
        b.mlp = Some(Mlp {
            activation: spec.activation,
            gate: match spec.gated {
                true => Some(linear(&r, &at("mlp.gate_proj"), c, i, spec.mlp_bias)?),
                false => None,
            },
            up: linear(&r, &at("mlp.up_proj"), c, i, spec.mlp_bias)?,
            down: linear(&r, &at("mlp.down_proj"), i, c, spec.mlp_bias)?,
        });
        blocks.push(b);
    }
    let embedding = Embedding {
        tokens: Some(r.matrix("embed_tokens.weight", spec.vocab, c)?),
        positions: None,
        types: None,
        patches: None,
        prefix: None,
        norm: None,
    };
    Ok((embedding, blocks, Some(norm(&r, "norm", n, c)?), language(spec, &r.root())?))
}

fn vit(spec: &Spec, tensors: &dyn Tensors) -> Result<Parts> {
    let r = Reader::find(tensors, &["", "vit.", "deit.", "model."], "embeddings.cls_token")?;
    let (c, i, n) = (spec.hidden, spec.intermediate, spec.norm);
    let inner = spec.heads * spec.head_dim;
    let (Some(image), Some(positions)) = (&spec.image, spec.image_positions()) else {
        return Err(Error::format(format!("a {} model needs an image size in its configuration", spec.family.name())));
    };
    let mut blocks = Vec::with_capacity(spec.layers);
    for l in 0..spec.layers {
        let at = |name: &str| format!("encoder.layer.{l}.{name}");
        let parts = [
            linear(&r, &at("attention.attention.query"), c, inner, spec.qkv_bias)?,
            linear(&r, &at("attention.attention.key"), c, inner, spec.qkv_bias)?,
            linear(&r, &at("attention.attention.value"), c, inner, spec.qkv_bias)?,
            linear(&r, &at("attention.output.dense"), inner, c, true)?,
        ];
        let mut b = block(spec, l, parts);
        b.before_attention = Some(norm(&r, &at("layernorm_before"), n, c)?);
        b.before_mlp = Some(norm(&r, &at("layernorm_after"), n, c)?);
        b.mlp = Some(Mlp {
            activation: spec.activation,
            gate: None,
            up: linear(&r, &at("intermediate.dense"), c, i, true)?,
            down: linear(&r, &at("output.dense"), i, c, true)?,
        });
        blocks.push(b);
    }
    let mut prefix = r.array("embeddings.cls_token", &[1, 1, c])?;
    if spec.prefix_tokens() == 2 {
        prefix.extend(r.array("embeddings.distillation_token", &[1, 1, c])?);
    }
    let (ph, pw) = (image.patch_height, image.patch_width);
    let pixels = image.channels * ph * pw;
    let kernel = r.array("embeddings.patch_embeddings.projection.weight", &[c, image.channels, ph, pw])?;
    let embedding = Embedding {
        tokens: None,
        positions: Some(ops::tensor(r.array("embeddings.position_embeddings", &[1, positions, c])?, [positions, c])),
        types: None,
        patches: Some(Linear {
            weight: ops::tensor(crate::weights::transpose(&kernel, c, pixels), [pixels, c]),
            bias: Some(r.row("embeddings.patch_embeddings.projection.bias", c)?),
        }),
        prefix: Some(ops::tensor(prefix, [spec.prefix_tokens(), c])),
        norm: None,
    };
    let root = r.root();
    let top = match spec.head {
        OutputHead::None => Top::None,
        OutputHead::Classifier { labels } => {
            Top::Classifier { dense: None, output: linear(&root, "classifier", c, labels, true)? }
        }
        OutputHead::DistilledClassifier { labels } => Top::Distilled {
            class: linear(&root, "cls_classifier", c, labels, true)?,
            distillation: linear(&root, "distillation_classifier", c, labels, true)?,
        },
        head => return Err(Error::unsupported(format!("a ViT model with head {head:?} is not built in"))),
    };
    Ok((embedding, blocks, Some(norm(&r, "layernorm", n, c)?), top))
}
