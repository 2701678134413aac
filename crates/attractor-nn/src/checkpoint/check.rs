//! Configuration against weights: every tensor that a model needs, by name and shape, and none that speaks against it.

use super::opening::{Ignored, Remark};
use super::spec::{Family, OutputHead, Spec};
use super::{quantised, spec};
use attractor::{Error, Hint, Result};
use std::collections::BTreeSet;

/// A tensor that a model of this description has.
struct Expected {
    name: String,
    shape: Vec<usize>,
}

/// What to compare with: shapes by name, prefixes already resolved.
pub(super) trait Weights {
    fn shape(&self, name: &str) -> Option<&[usize]>;
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;
    /// The number format of a tensor that cannot be a weight as it is: integers, eight bits without a scale.
    fn not_weights(&self, name: &str) -> Option<&'static str>;
}

/// What stands before every tensor of the bare model when a head is on top.
pub(super) fn base(family: Family) -> &'static str {
    match family {
        Family::Bert => "bert.",
        Family::Roberta => "roberta.",
        Family::Gpt2 => "transformer.",
        Family::Vit => "vit.",
        Family::Deit => "deit.",
        _ => "model.",
    }
}

/// What stands before a layer's number.
fn blocks(family: Family) -> &'static str {
    match family {
        Family::Bert | Family::Roberta | Family::Vit | Family::Deit => "encoder.layer.",
        Family::Gpt2 => "h.",
        _ => "layers.",
    }
}

/// Refuses weights that are not those of `spec`.
///
/// # Errors
/// `is_shape`: a tensor is missing, has another shape, or exists although the configuration says it does not.
pub(super) fn check(spec: &Spec, weights: &dyn Weights, place: &str) -> Result<()> {
    let base = base(spec.family);
    let blocks = blocks(spec.family);
    // Depth first: a wrong number of layers would else be told as a missing tensor.
    let depth = weights.names().filter_map(|name| layer_number(name, base, blocks)).map(|n| n + 1).max().unwrap_or(0);
    if depth != spec.layers as u64 {
        return Err(Error::shape(format!(
            "{place}: the configuration says {} layers, the weights have {depth} (tensors `{base}{blocks}N...`); the \
             configuration belongs to another model, or these are the weights of another architecture",
            spec.layers
        )));
    }
    for expected in around(spec) {
        compare(&expected, weights, place)?;
    }
    for layer in 0..spec.layers {
        for mut expected in block(spec) {
            expected.name = format!("{base}{blocks}{layer}.{}", expected.name);
            compare(&expected, weights, place)?;
        }
        for absent in absences(spec) {
            let name = format!("{base}{blocks}{layer}.{absent}");
            if weights.shape(&name).is_some() {
                return Err(Error::shape(format!(
                    "{place}: tensor `{name}` is there, but by the configuration this model has none; the configuration \
                     belongs to another model"
                )));
            }
        }
    }
    Ok(())
}

/// What the weights hold beyond what the model reads: refused inside the model, named beside it.
///
/// # Errors
/// `is_unsupported`, naming tensors of the model that nothing here reads.
pub(super) fn leftovers(spec: &Spec, weights: &dyn Weights, ignored: &Ignored, place: &str) -> Result<Vec<Remark>> {
    let (base, blocks) = (base(spec.family), blocks(spec.family));
    let mut expected: BTreeSet<String> = around(spec).into_iter().map(|e| e.name).collect();
    for layer in 0..spec.layers {
        expected.extend(block(spec).into_iter().map(|e| format!("{base}{blocks}{layer}.{}", e.name)));
    }
    let (mut inside, mut left_out, mut unused) = (Vec::new(), Vec::new(), Vec::new());
    for name in weights.names() {
        let full = if name.starts_with(base) { name.to_owned() } else { format!("{base}{name}") };
        let rest = &full[base.len()..];
        if expected.contains(name)
            || expected.contains(&full)
            || harmless(spec, name, rest)
            || quantised::is_beside(name)
        {
            continue;
        }
        let foreign = spec.family == Family::Gemma3
            && ["vision_tower.", "multi_modal_projector."].iter().any(|part| rest.starts_with(part));
        let of_model =
            (name.starts_with(base) || roots(spec.family).iter().any(|root| rest.starts_with(root))) && !foreign;
        match (of_model, ignored.has(name)) {
            (true, true) => left_out.push(name.to_owned()),
            (true, false) => inside.push(name.to_owned()),
            (false, _) => unused.push(name.to_owned()),
        }
    }
    if let Some(first) = inside.first() {
        let lora = inside.iter().any(|name| name.contains("lora_"));
        let why = match lora {
            true => {
                "LoRA matrices beside their base weights, which change them: merge them (PEFT: model.merge_and_unload(), then save_pretrained)"
            }
            false => "no part of this architecture as it is built in; they may change what it computes",
        };
        let shown = inside.iter().take(4).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let more = if inside.len() > 4 { format!(" and {} more", inside.len() - 4) } else { String::new() };
        return Err(Error::unsupported(format!(
            "{place}: tensors inside the model that nothing reads: {shown}{more}: {why}"
        ))
        .hinted(Hint::give("ignore_tensors", first)));
    }
    let mut remarks = Vec::new();
    if !left_out.is_empty() {
        remarks.push(Remark::IgnoredTensors(left_out));
    }
    if !unused.is_empty() {
        remarks.push(Remark::UnusedTensors(unused));
    }
    Ok(remarks)
}

/// First parts of the names of everything in the bare model.
fn roots(family: Family) -> &'static [&'static str] {
    match family {
        Family::Bert | Family::Roberta => &["embeddings.", "encoder."],
        Family::Gpt2 => &["wte.", "wpe.", "h.", "ln_f."],
        Family::Vit | Family::Deit => &["embeddings.", "encoder.", "layernorm."],
        _ => &["embed_tokens.", "layers.", "norm."],
    }
}

/// Tensors that what is computed does not hang on: buffers that follow from the configuration, copies of what is tied (a
/// copy that differs is no longer tied), the pooler beside another head.
fn harmless(spec: &Spec, name: &str, rest: &str) -> bool {
    let ends = |endings: &[&str]| endings.iter().any(|end| rest.ends_with(end));
    match spec.family {
        Family::Bert | Family::Roberta => {
            matches!(rest, "embeddings.position_ids" | "embeddings.token_type_ids")
                || rest.starts_with("pooler.")
                || (spec.head == OutputHead::MaskedLm
                    && [
                        "cls.predictions.decoder.weight",
                        "cls.predictions.decoder.bias",
                        "lm_head.decoder.weight",
                        "lm_head.decoder.bias",
                    ]
                    .contains(&name))
        }
        Family::Gpt2 => ends(&[".attn.bias", ".attn.masked_bias"]) || (name == "lm_head.weight" && spec.tied),
        Family::Vit | Family::Deit => rest == "embeddings.mask_token" || rest.starts_with("pooler."),
        _ => {
            ends(&["rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached"])
                || (name == "lm_head.weight" && spec.tied)
        }
    }
}

fn compare(expected: &Expected, weights: &dyn Weights, place: &str) -> Result<()> {
    let Expected { name, shape } = expected;
    match weights.shape(name) {
        Some(got) if got == shape => match weights.not_weights(name) {
            None => Ok(()),
            Some(format) => Err(Error::unsupported(format!(
                "{place}: tensor `{name}` holds {format} numbers without a scale that says what they stand for; weights are \
                 floats, or integers with scales beside them"
            ))),
        },
        Some(got) => Err(Error::shape(format!(
            "{place}: tensor `{name}`: the configuration expects shape {shape:?}, the weights have {got:?}; the \
             configuration belongs to another model"
        ))),
        None => Err(Error::shape(format!(
            "{place}: tensor `{name}` of shape {shape:?} is missing; the configuration belongs to another model, or a \
             part of the weights is missing"
        ))),
    }
}

/// The layer that a tensor belongs to.
fn layer_number(name: &str, base: &str, blocks: &str) -> Option<u64> {
    let rest = name.strip_prefix(base).unwrap_or(name).strip_prefix(blocks)?;
    rest.split('.').next()?.parse().ok()
}

/// Embeddings, the last norm and the head.
fn around(spec: &Spec) -> Vec<Expected> {
    let base = base(spec.family);
    let d = spec.hidden;
    let positions = spec.max_positions.unwrap_or(0);
    let mut list = Vec::new();
    let mut want = |name: String, shape: &[usize]| list.push(Expected { name, shape: shape.to_vec() });
    match spec.family {
        Family::Bert | Family::Roberta => {
            let rows = match spec.position {
                spec::Position::Learned { offset, .. } => positions + offset,
                spec::Position::Rope { .. } => positions,
            };
            want(format!("{base}embeddings.word_embeddings.weight"), &[spec.vocab, d]);
            want(format!("{base}embeddings.position_embeddings.weight"), &[rows, d]);
            if spec.token_types > 0 {
                want(format!("{base}embeddings.token_type_embeddings.weight"), &[spec.token_types, d]);
            }
            want(format!("{base}embeddings.LayerNorm.weight"), &[d]);
            want(format!("{base}embeddings.LayerNorm.bias"), &[d]);
            match (spec.head, spec.family) {
                (OutputHead::MaskedLm, Family::Bert) => {
                    want("cls.predictions.transform.dense.weight".into(), &[d, d]);
                    want("cls.predictions.transform.dense.bias".into(), &[d]);
                    want("cls.predictions.transform.LayerNorm.weight".into(), &[d]);
                    want("cls.predictions.transform.LayerNorm.bias".into(), &[d]);
                    want("cls.predictions.bias".into(), &[spec.vocab]);
                }
                (OutputHead::MaskedLm, _) => {
                    want("lm_head.dense.weight".into(), &[d, d]);
                    want("lm_head.dense.bias".into(), &[d]);
                    want("lm_head.layer_norm.weight".into(), &[d]);
                    want("lm_head.layer_norm.bias".into(), &[d]);
                    want("lm_head.bias".into(), &[spec.vocab]);
                }
                (OutputHead::Classifier { labels }, Family::Bert) => {
                    want(format!("{base}pooler.dense.weight"), &[d, d]);
                    want(format!("{base}pooler.dense.bias"), &[d]);
                    want("classifier.weight".into(), &[labels, d]);
                    want("classifier.bias".into(), &[labels]);
                }
                (OutputHead::Classifier { labels }, _) => {
                    want("classifier.dense.weight".into(), &[d, d]);
                    want("classifier.dense.bias".into(), &[d]);
                    want("classifier.out_proj.weight".into(), &[labels, d]);
                    want("classifier.out_proj.bias".into(), &[labels]);
                }
                _ => {}
            }
        }
        Family::Gpt2 => {
            want(format!("{base}wte.weight"), &[spec.vocab, d]);
            want(format!("{base}wpe.weight"), &[positions, d]);
            want(format!("{base}ln_f.weight"), &[d]);
            want(format!("{base}ln_f.bias"), &[d]);
        }
        Family::Vit | Family::Deit => {
            if let Some(image) = &spec.image {
                want(format!("{base}embeddings.cls_token"), &[1, 1, d]);
                if spec.family == Family::Deit {
                    want(format!("{base}embeddings.distillation_token"), &[1, 1, d]);
                }
                want(format!("{base}embeddings.position_embeddings"), &[1, positions, d]);
                let patch = [d, image.channels, image.patch_height, image.patch_width];
                want(format!("{base}embeddings.patch_embeddings.projection.weight"), &patch);
                want(format!("{base}embeddings.patch_embeddings.projection.bias"), &[d]);
            }
            want(format!("{base}layernorm.weight"), &[d]);
            want(format!("{base}layernorm.bias"), &[d]);
            let heads: &[(&str, usize)] = match spec.head {
                OutputHead::Classifier { labels } => &[("classifier", labels)],
                OutputHead::DistilledClassifier { labels } => {
                    &[("cls_classifier", labels), ("distillation_classifier", labels)]
                }
                _ => &[],
            };
            for &(head, labels) in heads {
                want(format!("{head}.weight"), &[labels, d]);
                want(format!("{head}.bias"), &[labels]);
            }
        }
        _ => {
            want(format!("{base}embed_tokens.weight"), &[spec.vocab, d]);
            want(format!("{base}norm.weight"), &[d]);
        }
    }
    if spec.head == OutputHead::CausalLm && !spec.tied {
        want("lm_head.weight".into(), &[spec.vocab, d]);
    }
    list
}

/// One block, names after "layer N.".
fn block(spec: &Spec) -> Vec<Expected> {
    let (d, m) = (spec.hidden, spec.intermediate);
    let (q, k) = (spec.heads * spec.head_dim, spec.key_heads * spec.head_dim);
    let mut list = Vec::new();
    let mut linear = |name: &str, shape: [usize; 2], out: usize, bias: bool| {
        list.push(Expected { name: format!("{name}.weight"), shape: shape.to_vec() });
        if bias {
            list.push(Expected { name: format!("{name}.bias"), shape: vec![out] });
        }
    };
    let norms: &[&str] = match spec.family {
        Family::Gpt2 => {
            linear("attn.c_attn", [d, 3 * d], 3 * d, true);
            linear("attn.c_proj", [d, d], d, true);
            if m > 0 {
                linear("mlp.c_fc", [d, m], m, true);
                linear("mlp.c_proj", [m, d], d, true);
            }
            if m > 0 { &["ln_1", "ln_2"] } else { &["ln_1"] }
        }
        Family::Bert | Family::Roberta => {
            for name in ["query", "key", "value"] {
                linear(&format!("attention.self.{name}"), [d, d], d, true);
            }
            linear("attention.output.dense", [d, d], d, true);
            linear("intermediate.dense", [m, d], m, true);
            linear("output.dense", [d, m], d, true);
            &["attention.output.LayerNorm", "output.LayerNorm"]
        }
        Family::Vit | Family::Deit => {
            for name in ["query", "key", "value"] {
                linear(&format!("attention.attention.{name}"), [d, d], d, spec.qkv_bias);
            }
            linear("attention.output.dense", [d, d], d, true);
            linear("intermediate.dense", [m, d], m, true);
            linear("output.dense", [d, m], d, true);
            &["layernorm_before", "layernorm_after"]
        }
        _ => {
            linear("self_attn.q_proj", [q, d], q, spec.qkv_bias);
            linear("self_attn.k_proj", [k, d], k, spec.qkv_bias);
            linear("self_attn.v_proj", [k, d], k, spec.qkv_bias);
            linear("self_attn.o_proj", [d, q], d, spec.output_bias);
            if m > 0 {
                linear("mlp.gate_proj", [m, d], m, spec.mlp_bias);
                linear("mlp.up_proj", [m, d], m, spec.mlp_bias);
                linear("mlp.down_proj", [d, m], d, spec.mlp_bias);
            }
            match (spec.family, m) {
                (Family::Gemma2 | Family::Gemma3, _) => &[
                    "input_layernorm",
                    "post_attention_layernorm",
                    "pre_feedforward_layernorm",
                    "post_feedforward_layernorm",
                ],
                (_, 0) => &["input_layernorm"],
                _ => &["input_layernorm", "post_attention_layernorm"],
            }
        }
    };
    let with_bias = matches!(spec.norm, spec::Norm::Layer { .. });
    for norm in norms {
        list.push(Expected { name: format!("{norm}.weight"), shape: vec![d] });
        if with_bias {
            list.push(Expected { name: format!("{norm}.bias"), shape: vec![d] });
        }
    }
    if spec.query_key_norm {
        for norm in ["self_attn.q_norm", "self_attn.k_norm"] {
            list.push(Expected { name: format!("{norm}.weight"), shape: vec![spec.head_dim] });
        }
    }
    list
}

/// Tensors of a block that would change the result if they were there and ignored.
fn absences(spec: &Spec) -> Vec<&'static str> {
    let mut names = Vec::new();
    match spec.family {
        Family::Bert | Family::Roberta => names.push("crossattention.self.query.weight"),
        Family::Gpt2 => {
            names.push("crossattention.c_attn.weight");
            if spec.intermediate == 0 {
                names.push("mlp.c_fc.weight");
            }
        }
        Family::Vit | Family::Deit => {
            if !spec.qkv_bias {
                names.push("attention.attention.query.bias");
            }
        }
        _ => {
            if !spec.qkv_bias {
                names.extend(["self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"]);
            }
            if !spec.output_bias {
                names.push("self_attn.o_proj.bias");
            }
            if !spec.mlp_bias {
                names.extend(["mlp.gate_proj.bias", "mlp.up_proj.bias", "mlp.down_proj.bias"]);
            }
            if spec.intermediate == 0 {
                names.push("mlp.up_proj.weight");
            }
            if !spec.query_key_norm {
                names.extend(["self_attn.q_norm.weight", "self_attn.k_norm.weight"]);
            }
            if !matches!(spec.family, Family::Gemma2 | Family::Gemma3) {
                names.push("pre_feedforward_layernorm.weight");
            }
        }
    }
    names
}
