//! One reader a family.
//!
//! Where a family's configuration class has a default for a size we take it only for Gemma 3, whose published files
//! leave sizes out; elsewhere a missing size is an error.

use super::keys::Keys;
use super::rope::{self, Around};
use super::{Top, activation, head_width, labels, task_of, top};
use crate::checkpoint::spec::{Family, ImageSpec, Norm, OutputHead, Placement, Position, Spec};
use attractor::{Error, Result};

/// BERT and RoBERTa.
pub(super) fn bert(keys: Keys<'_>, family: Family) -> Result<Spec> {
    for (key, what) in [("is_decoder", "a decoder"), ("add_cross_attention", "cross-attention")] {
        if keys.flag_or(key, false)? {
            return Err(Error::unsupported(format!(
                "{}: `{key}` is true: a {} model with {what} is not built in; encoders are",
                keys.place(),
                family.name()
            )));
        }
    }
    if let Some(kind) = keys.text_if("position_embedding_type")?
        && kind != "absolute"
    {
        return Err(Error::unsupported(format!(
            "{}: `position_embedding_type` is `{kind}`; only `absolute` is built in",
            keys.place()
        )));
    }
    let hidden = keys.size("hidden_size")?;
    let heads = keys.size("num_attention_heads")?;
    let layers = keys.layers("num_hidden_layers")?;
    let head_dim = head_width(&keys, hidden, heads)?;
    let rows = keys.rows("max_position_embeddings")?;
    let roberta = family == Family::Roberta;
    let pad = if keys.has("pad_token_id") { keys.token("pad_token_id")? } else { Some(u32::from(roberta)) };
    let (position, max_positions) = if roberta {
        let pad = pad.ok_or_else(|| {
            keys.error("`pad_token_id` is missing; RoBERTa counts its positions from there (usually 1)")
        })?;
        let offset = pad as usize + 1;
        if rows <= offset {
            return Err(keys.error(format_args!(
                "`max_position_embeddings` is {rows}, but positions begin at pad_token_id + 1 = {offset}; it must be \
                 larger"
            )));
        }
        (Position::Learned { offset, skip: Some(pad) }, rows - offset)
    } else {
        (Position::Learned { offset: 0, skip: None }, rows)
    };
    let head = match top(&keys)? {
        Top::MaskedLm => OutputHead::MaskedLm,
        Top::Classifier => OutputHead::Classifier { labels: labels(&keys)? },
        Top::Unsaid | Top::Bare => OutputHead::None,
        Top::CausalLm | Top::Distilled => {
            return Err(keys.error(format_args!(
                "`architectures` names a head that {} encoders do not have; expected e.g. BertModel, BertForMaskedLM or \
                 BertForSequenceClassification",
                family.name()
            )));
        }
    };
    // RoBERTa's classifier has its own dense layer; BERT's stands on the pooler.
    let pooler = matches!(head, OutputHead::None) || (!roberta && matches!(head, OutputHead::Classifier { .. }));
    Ok(Spec {
        family,
        task: task_of(head),
        head,
        vocab: keys.rows("vocab_size")?,
        hidden,
        layers,
        heads,
        key_heads: heads,
        head_dim,
        intermediate: keys.size("intermediate_size")?,
        norm: Norm::Layer { eps: keys.positive_or("layer_norm_eps", 1e-12)? },
        placement: Placement::Post,
        position,
        max_positions: Some(max_positions),
        activation: activation(&keys, "hidden_act", "gelu")?,
        gated: false,
        qkv_bias: true,
        output_bias: true,
        mlp_bias: true,
        query_key_norm: false,
        tied: keys.flag_or("tie_word_embeddings", true)?,
        embedding_scale: 1.0,
        beta: root(head_dim),
        beta_by_layer: false,
        attention_soft_cap: None,
        final_soft_cap: None,
        windows: vec![None; layers],
        causal: false,
        token_types: keys.count_or("type_vocab_size", 2)?,
        pooler,
        image: None,
        pad_token: pad,
        mask_token: keys.token("mask_token_id")?,
        bos_token: keys.token("bos_token_id")?,
    })
}

/// GPT-2, whose sizes have names of their own (and the usual ones as aliases).
pub(super) fn gpt2(keys: Keys<'_>) -> Result<Spec> {
    if keys.flag_or("add_cross_attention", false)? {
        return Err(Error::unsupported(format!(
            "{}: `add_cross_attention` is true: a GPT-2 with cross-attention is not built in",
            keys.place()
        )));
    }
    let name = |own: &'static str, alias: &'static str| if keys.get(own).is_some() { own } else { alias };
    let either = |own: &'static str, alias: &'static str| {
        let key = name(own, alias);
        keys.size(if keys.get(key).is_some() { key } else { own })
    };
    let hidden = either("n_embd", "hidden_size")?;
    let heads = either("n_head", "num_attention_heads")?;
    let depth = name("n_layer", "num_hidden_layers");
    let layers = keys.layers(if keys.get(depth).is_some() { depth } else { "n_layer" })?;
    let reach = name("n_positions", "max_position_embeddings");
    let positions = keys.rows(if keys.get(reach).is_some() { reach } else { "n_positions" })?;
    let head_dim = head_width(&keys, hidden, heads)?;
    let head = match top(&keys)? {
        Top::CausalLm | Top::Unsaid => OutputHead::CausalLm,
        // Its classifier reads the last token, which no head of ours does: the hidden states are read.
        Top::Bare | Top::Classifier => OutputHead::None,
        Top::MaskedLm | Top::Distilled => {
            return Err(keys.error("`architectures` names a head that GPT-2 does not have; expected GPT2LMHeadModel"));
        }
    };
    Ok(Spec {
        family: Family::Gpt2,
        task: task_of(head),
        head,
        vocab: keys.rows("vocab_size")?,
        hidden,
        layers,
        heads,
        key_heads: heads,
        head_dim,
        intermediate: keys.count_or("n_inner", 4 * hidden)?,
        norm: Norm::Layer { eps: keys.positive_or("layer_norm_epsilon", 1e-5)? },
        placement: Placement::Pre,
        position: Position::Learned { offset: 0, skip: None },
        max_positions: Some(positions),
        activation: activation(&keys, "activation_function", "gelu_new")?,
        gated: false,
        qkv_bias: true,
        output_bias: true,
        mlp_bias: true,
        query_key_norm: false,
        tied: keys.flag_or("tie_word_embeddings", true)?,
        embedding_scale: 1.0,
        beta: if keys.flag_or("scale_attn_weights", true)? { root(head_dim) } else { 1.0 },
        beta_by_layer: keys.flag_or("scale_attn_by_inverse_layer_idx", false)?,
        attention_soft_cap: None,
        final_soft_cap: None,
        windows: vec![None; layers],
        causal: keys.flag_or("is_causal", true)?,
        token_types: 0,
        pooler: false,
        image: None,
        pad_token: keys.token("pad_token_id")?,
        mask_token: None,
        bos_token: keys.token("bos_token_id")?,
    })
}

/// What the decoders with rotary positions share, as Llama has it; `head_dim` is the family's default width.
fn decoder(keys: Keys<'_>, family: Family, head_dim: Option<usize>) -> Result<Spec> {
    let hidden = keys.size("hidden_size")?;
    let heads = keys.size("num_attention_heads")?;
    let layers = keys.layers("num_hidden_layers")?;
    let head_dim = match keys.size_if("head_dim")?.or(head_dim) {
        Some(given) => {
            // These families demand it even where a head's width is written; the others do not.
            if matches!(family, Family::Llama | Family::Gemma2 | Family::Gemma3) {
                head_width(&keys, hidden, heads)?;
            }
            given
        }
        None => head_width(&keys, hidden, heads)?,
    };
    let max_positions = keys.rows("max_position_embeddings")?;
    let head = match top(&keys)? {
        Top::CausalLm | Top::Unsaid => OutputHead::CausalLm,
        Top::Bare | Top::Classifier => OutputHead::None,
        Top::MaskedLm | Top::Distilled => {
            return Err(keys.error(format_args!(
                "`architectures` names a head that {} does not have; expected a name that ends in ForCausalLM",
                family.name()
            )));
        }
    };
    let around = Around { head_dim, max_positions };
    Ok(Spec {
        family,
        task: task_of(head),
        head,
        vocab: keys.rows("vocab_size")?,
        hidden,
        layers,
        heads,
        key_heads: keys.size_or("num_key_value_heads", heads)?,
        head_dim,
        intermediate: keys.count("intermediate_size")?,
        norm: Norm::Rms { eps: keys.positive_or("rms_norm_eps", 1e-6)?, offset: 0.0 },
        placement: Placement::Pre,
        position: if family == Family::Gemma3 {
            let (global, local) = rope::double(keys, around)?;
            Position::Rope { global, local: Some(local) }
        } else {
            Position::Rope { global: rope::single(keys, around)?, local: None }
        },
        max_positions: Some(max_positions),
        activation: activation(&keys, "hidden_act", "silu")?,
        gated: true,
        qkv_bias: false,
        output_bias: false,
        mlp_bias: false,
        query_key_norm: false,
        tied: keys.flag_or("tie_word_embeddings", false)?,
        embedding_scale: 1.0,
        beta: root(head_dim),
        beta_by_layer: false,
        attention_soft_cap: None,
        final_soft_cap: None,
        windows: vec![None; layers],
        causal: keys.flag_or("is_causal", true)?,
        token_types: 0,
        pooler: false,
        image: None,
        pad_token: keys.token("pad_token_id")?,
        mask_token: keys.token("mask_token_id")?,
        bos_token: keys.token("bos_token_id")?,
    })
}

/// Llama.
pub(super) fn llama(keys: Keys<'_>) -> Result<Spec> {
    let mut spec = decoder(keys, Family::Llama, None)?;
    (spec.qkv_bias, spec.output_bias) = both(keys.flag_or("attention_bias", false)?);
    spec.mlp_bias = keys.flag_or("mlp_bias", false)?;
    Ok(spec)
}

/// Mistral: one window for every layer, unless it is null.
pub(super) fn mistral(keys: Keys<'_>) -> Result<Spec> {
    let mut spec = decoder(keys, Family::Mistral, None)?;
    let window = if keys.has("sliding_window") { keys.rows_if("sliding_window")? } else { Some(4096) };
    spec.windows = vec![window; spec.layers];
    Ok(spec)
}

/// Qwen 2: biases on q, k and v.
pub(super) fn qwen2(keys: Keys<'_>) -> Result<Spec> {
    let mut spec = decoder(keys, Family::Qwen2, None)?;
    spec.qkv_bias = true;
    spec.windows = qwen_windows(keys, spec.layers)?;
    Ok(spec)
}

/// Qwen 3: normalised queries and keys.
pub(super) fn qwen3(keys: Keys<'_>) -> Result<Spec> {
    let mut spec = decoder(keys, Family::Qwen3, Some(128))?;
    (spec.qkv_bias, spec.output_bias) = both(keys.flag_or("attention_bias", false)?);
    spec.query_key_norm = true;
    spec.windows = qwen_windows(keys, spec.layers)?;
    Ok(spec)
}

/// The window counts only if `use_sliding_window` says so, from layer `max_window_layers` on.
fn qwen_windows(keys: Keys<'_>, layers: usize) -> Result<Vec<Option<usize>>> {
    let window = match (keys.flag_or("use_sliding_window", false)?, keys.has("sliding_window")) {
        (false, _) => None,
        (true, true) => keys.rows_if("sliding_window")?,
        (true, false) => Some(4096),
    };
    let from = keys.count_or("max_window_layers", 28)?;
    windows(keys, layers, window, |layer| window.is_some() && layer >= from)
}

/// Gemma 2: every second layer has a window; scores and logits are capped.
pub(super) fn gemma2(keys: Keys<'_>) -> Result<Spec> {
    refuse_bidirectional(keys)?;
    let mut spec = decoder(keys, Family::Gemma2, Some(256))?;
    gemma(keys, &mut spec)?;
    spec.attention_soft_cap = cap(keys, "attn_logit_softcapping", Some(50.0))?;
    spec.final_soft_cap = cap(keys, "final_logit_softcapping", Some(30.0))?;
    let window = if keys.has("sliding_window") { keys.rows_if("sliding_window")? } else { Some(4096) };
    spec.windows = windows(keys, spec.layers, window, |layer| layer % 2 == 0)?;
    Ok(spec)
}

/// Gemma 3: `keys` of the language model, `outer` of the whole file (the same for text-only models).
pub(super) fn gemma3(keys: Keys<'_>, outer: Keys<'_>) -> Result<Spec> {
    refuse_bidirectional(keys)?;
    // The published multimodal files leave out what equals the class's defaults.
    let filled = keys.filled(&[
        ("vocab_size", 262_208),
        ("num_attention_heads", 8),
        ("num_key_value_heads", 4),
        ("max_position_embeddings", 131_072),
    ]);
    let keys = Keys::of(outer.place(), &filled)?;
    let mut spec = decoder(keys, Family::Gemma3, Some(256))?;
    if let (OutputHead::None, Top::CausalLm) = (spec.head, top(&outer)?) {
        spec.head = OutputHead::CausalLm;
        spec.task = task_of(spec.head);
    }
    gemma(keys, &mut spec)?;
    spec.query_key_norm = true;
    spec.attention_soft_cap = cap(keys, "attn_logit_softcapping", None)?;
    spec.final_soft_cap = cap(keys, "final_logit_softcapping", None)?;
    let window = if keys.has("sliding_window") { keys.rows_if("sliding_window")? } else { Some(4096) };
    let pattern = keys.size_or("sliding_window_pattern", 6)?;
    spec.windows = windows(keys, spec.layers, window, |layer| (layer + 1) % pattern != 0)?;
    Ok(spec)
}

/// What Gemma 2 and 3 share.
fn gemma(keys: Keys<'_>, spec: &mut Spec) -> Result<()> {
    spec.norm = Norm::Rms { eps: keys.positive_or("rms_norm_eps", 1e-6)?, offset: 1.0 };
    spec.placement = Placement::Sandwich;
    spec.activation = activation(&keys, "hidden_activation", "gelu_pytorch_tanh")?;
    (spec.qkv_bias, spec.output_bias) = both(keys.flag_or("attention_bias", false)?);
    spec.tied = keys.flag_or("tie_word_embeddings", true)?;
    spec.embedding_scale = (spec.hidden as f64).sqrt() as f32;
    spec.beta = keys.positive_or("query_pre_attn_scalar", 256.0)?.powf(-0.5) as f32;
    Ok(())
}

fn refuse_bidirectional(keys: Keys<'_>) -> Result<()> {
    if keys.flag_or("use_bidirectional_attention", false)? {
        return Err(Error::unsupported(format!(
            "{}: `use_bidirectional_attention` is true: Gemma as an encoder is not built in",
            keys.place()
        )));
    }
    Ok(())
}

/// A soft cap; written as null it is off, left out it has the class's default.
fn cap(keys: Keys<'_>, key: &str, default: Option<f32>) -> Result<Option<f32>> {
    if !keys.has(key) {
        return Ok(default);
    }
    Ok(keys.positive_if(key)?.map(|cap| cap as f32))
}

/// The window of each layer: as `layer_types` says, otherwise where `sliding` says.
fn windows(
    keys: Keys<'_>,
    layers: usize,
    window: Option<usize>,
    sliding: impl Fn(usize) -> bool,
) -> Result<Vec<Option<usize>>> {
    let Some(types) = keys.texts_if("layer_types")? else {
        return Ok((0..layers).map(|layer| window.filter(|_| sliding(layer))).collect());
    };
    if types.len() != layers {
        return Err(keys.error(format_args!(
            "`layer_types` has {} entries, `num_hidden_layers` is {layers}; make them agree",
            types.len()
        )));
    }
    types
        .into_iter()
        .map(|kind| match kind {
            "full_attention" => Ok(None),
            "sliding_attention" => Ok(window),
            other => Err(Error::unsupported(format!(
                "{}: `layer_types`: `{other}` is not built in; full_attention and sliding_attention are",
                keys.place()
            ))),
        })
        .collect()
}

/// ViT and DeiT.
pub(super) fn vit(keys: Keys<'_>, family: Family) -> Result<Spec> {
    let hidden = keys.size("hidden_size")?;
    let heads = keys.size("num_attention_heads")?;
    let layers = keys.layers("num_hidden_layers")?;
    let head_dim = head_width(&keys, hidden, heads)?;
    let (height, width) = keys.pair("image_size")?;
    let (patch_height, patch_width) = keys.pair("patch_size")?;
    if height % patch_height != 0 || width % patch_width != 0 {
        return Err(keys.error(format_args!(
            "`image_size` {height} x {width} is not a multiple of `patch_size` {patch_height} x {patch_width}; one of the \
             two is wrong"
        )));
    }
    let head = match top(&keys)? {
        Top::Classifier => OutputHead::Classifier { labels: labels(&keys)? },
        Top::Distilled if family == Family::Deit => OutputHead::DistilledClassifier { labels: labels(&keys)? },
        Top::Unsaid | Top::Bare => OutputHead::None,
        Top::CausalLm | Top::MaskedLm | Top::Distilled => {
            return Err(keys.error(format_args!(
                "`architectures` names a head that {} does not have; expected e.g. ViTModel or \
                 ViTForImageClassification",
                family.name()
            )));
        }
    };
    let image = ImageSpec { height, width, patch_height, patch_width, channels: keys.size("num_channels")? };
    let mut spec = Spec {
        family,
        task: task_of(head),
        head,
        vocab: 0,
        hidden,
        layers,
        heads,
        key_heads: heads,
        head_dim,
        intermediate: keys.size("intermediate_size")?,
        norm: Norm::Layer { eps: keys.positive_or("layer_norm_eps", 1e-12)? },
        placement: Placement::Pre,
        position: Position::Learned { offset: 0, skip: None },
        max_positions: None,
        activation: activation(&keys, "hidden_act", "gelu")?,
        gated: false,
        qkv_bias: keys.flag_or("qkv_bias", true)?,
        output_bias: true,
        mlp_bias: true,
        query_key_norm: false,
        tied: false,
        embedding_scale: 1.0,
        beta: root(head_dim),
        beta_by_layer: false,
        attention_soft_cap: None,
        final_soft_cap: None,
        windows: vec![None; layers],
        causal: false,
        token_types: 0,
        pooler: matches!(head, OutputHead::None),
        image: Some(image),
        pad_token: None,
        mask_token: None,
        bos_token: None,
    };
    spec.max_positions = spec.image_positions();
    Ok(spec)
}

/// 1 / sqrt(width).
fn root(width: usize) -> f32 {
    (width as f64).powf(-0.5) as f32
}

fn both(flag: bool) -> (bool, bool) {
    (flag, flag)
}
