//! What llama.cpp's conversion did to a checkpoint, undone: names, settings, the order of rows, the offset of norms.

use super::metadata::{Meta, Stored};
use super::unpack;
use crate::checkpoint::source::Source;
use attractor::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Architectures that are read, and `model_type` and `architectures` of the checkpoint they come from.
const FAMILIES: [(&str, &str, &str); 5] = [
    ("llama", "llama", "LlamaForCausalLM"),
    ("qwen2", "qwen2", "Qwen2ForCausalLM"),
    ("qwen3", "qwen3", "Qwen3ForCausalLM"),
    ("gemma2", "gemma2", "Gemma2ForCausalLM"),
    ("gemma3", "gemma3_text", "Gemma3ForCausalLM"),
];

/// Keys `ARCHITECTURE.*` that say a setting under another name; the first [`NEEDED`] must be there.
const SETTINGS: [(&str, &str); 13] = [
    ("context_length", "max_position_embeddings"),
    ("embedding_length", "hidden_size"),
    ("block_count", "num_hidden_layers"),
    ("feed_forward_length", "intermediate_size"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("attention.sliding_window", "sliding_window"),
    ("attention.causal", "is_causal"),
    ("rope.freq_base", "rope_theta"),
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
];

const NEEDED: usize = 6;

/// Keys that are read beside those, or say nothing of what is computed.
const OTHERS: [&str; 14] = [
    "vocab_size",
    "attention.value_length",
    "rope.dimension_count",
    "rope.freq_base_swa",
    "attention.sliding_window_pattern",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scale_linear",
    "expert_count",
    "expert_used_count",
];

/// How a file is read.
pub(super) struct Plan {
    /// As config.json would say it.
    pub(super) configuration: Value,
    pub(super) order: Order,
    gemma: bool,
}

/// What conversion did to the numbers.
#[derive(Debug)]
pub(super) struct Order {
    /// Llama: halves of a head's rows were interleaved; heads of queries and of keys.
    interleaved: Option<(usize, usize)>,
    /// Gemma: norms are stored as 1 + w.
    offset_norms: bool,
}

/// Finds out how the file is to be read.
pub(super) fn plan(
    metadata: &BTreeMap<String, Meta>,
    tensors: &BTreeMap<String, Stored>,
    source: &Source,
    place: &str,
) -> Result<Plan> {
    let keys = Keys { metadata, place };
    if let Some(kind) = keys.text("general.type")?.filter(|kind| *kind != "model") {
        return Err(Error::unsupported(format!(
            "{place}: the file holds a GGUF {kind}, not a model; merge it into its model, or give the model's own file"
        )));
    }
    if keys.int("split.count")?.is_some_and(|parts| parts > 1) {
        return Err(Error::unsupported(format!(
            "{place}: the model is split over several GGUF files; join them with `llama-gguf-split --merge FIRST OUT`"
        )));
    }
    let architecture = keys
        .text("general.architecture")?
        .ok_or_else(|| Error::format(format!("{place}: `general.architecture` is missing; it names the family")))?;
    let Some(&(_, model_type, class)) = FAMILIES.iter().find(|(name, ..)| *name == architecture) else {
        let known = FAMILIES.map(|(name, ..)| name).join(", ");
        return Err(Error::unsupported(format!(
            "{place}: the architecture `{architecture}` is not built in for GGUF files; {known} are"
        )));
    };
    let prefix = format!("{architecture}.");
    let mut configuration = Map::new();
    configuration.insert("model_type".into(), model_type.into());
    configuration.insert("architectures".into(), json!([class]));
    configuration.insert("tie_word_embeddings".into(), (!tensors.contains_key("output.weight")).into());
    for (key, value) in metadata.iter().filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?, value))) {
        match SETTINGS.iter().find(|(there, _)| *there == key) {
            Some((_, here)) => configuration.insert((*here).into(), keys.plain(&format!("{prefix}{key}"), value)?),
            None if OTHERS.contains(&key) => continue,
            // Left under its own name: it is refused, or passed over as asked, like any key of a config.json.
            None => configuration.insert(format!("{prefix}{key}"), shown(value)),
        };
    }
    for (there, here) in [("bos", "bos_token_id"), ("eos", "eos_token_id"), ("padding", "pad_token_id")] {
        if let Some(id) = keys.int(&format!("tokenizer.ggml.{there}_token_id"))? {
            configuration.insert(here.into(), id.into());
        }
    }
    let own = |key: &str| format!("{prefix}{key}");
    for (key, setting) in &SETTINGS[..NEEDED] {
        if !configuration.contains_key(*setting) {
            return Err(Error::format(format!("{place}: `{}` is missing; the file is damaged", own(key))));
        }
    }
    // What llama.cpp takes where nothing is said.
    let heads = configuration["num_attention_heads"].clone();
    configuration.entry("num_key_value_heads").or_insert(heads);
    configuration.entry("rope_theta").or_insert(10_000.0.into());
    let vocabulary = match keys.int(&own("vocab_size"))? {
        Some(rows) => Some(rows),
        None => tensors.get("token_embd.weight").map(|table| table.shape[0] as i64),
    };
    configuration.extend(vocabulary.map(|rows| ("vocab_size".to_owned(), rows.into())));
    if keys.int(&own("expert_count"))?.is_some_and(|experts| experts > 0) {
        return Err(Error::unsupported(format!(
            "{place}: `{}`: mixtures of experts are not built in",
            own("expert_count")
        )));
    }
    // Without this key transformers would take a width of its own for these families.
    let width = |configuration: &Map<String, Value>| {
        let size = |key: &str| configuration.get(key).and_then(Value::as_u64);
        size("head_dim").or_else(|| size("hidden_size")?.checked_div(size("num_attention_heads")?))
    };
    let head_dim = width(&configuration);
    if let Some(head_dim) = head_dim {
        configuration.insert("head_dim".into(), head_dim.into());
        for key in ["attention.value_length", "rope.dimension_count"] {
            if let Some(other) = keys.int(&own(key))?.filter(|&n| n as u64 != head_dim) {
                return Err(Error::unsupported(format!(
                    "{place}: `{}` is {other}, heads are {head_dim} wide; models whose values are wider or narrower, or \
                     that rotate a part of a head, are not built in",
                    own(key)
                )));
            }
        }
    }
    let rope = scaling(&keys, &prefix, tensors, source, &configuration)?;
    configuration.extend(rope.map(|settings| ("rope_scaling".to_owned(), settings)));
    let layers = configuration.get("num_hidden_layers").and_then(Value::as_u64);
    let hidden = configuration.get("hidden_size").and_then(Value::as_u64);
    let heads = configuration.get("num_attention_heads").and_then(Value::as_u64);
    if architecture == "llama" {
        for (bias, setting) in [("attn_q.bias", "attention_bias"), ("ffn_up.bias", "mlp_bias")] {
            if tensors.keys().any(|name| name.ends_with(bias)) {
                configuration.insert(setting.into(), true.into());
            }
        }
    }
    match architecture {
        // A window makes it a Mistral, which has the same tensors.
        "llama" if configuration.contains_key("sliding_window") => {
            configuration.insert("model_type".into(), "mistral".into());
            configuration.insert("architectures".into(), json!(["MistralForCausalLM"]));
        }
        "gemma2" | "gemma3" => {
            // llama.cpp knows the largest models, which scale by hidden / heads, by their number of layers.
            let largest = if architecture == "gemma2" { 46 } else { 62 };
            let scalar = match (layers == Some(largest), hidden, heads) {
                (true, Some(hidden), Some(heads)) => hidden.checked_div(heads),
                _ => head_dim,
            };
            configuration.extend(scalar.map(|scalar| ("query_pre_attn_scalar".to_owned(), scalar.into())));
        }
        _ => {}
    }
    if architecture == "gemma3" {
        if let Some(base) = keys.float(&own("rope.freq_base_swa"))? {
            configuration.insert("rope_local_base_freq".into(), base.into());
        }
        if let Some(period) = keys.int(&own("attention.sliding_window_pattern"))? {
            configuration.insert("sliding_window_pattern".into(), period.into());
        }
    }
    let interleaved = match architecture {
        "llama" => {
            let count = |key: &str| configuration.get(key).and_then(Value::as_u64).map(|n| n as usize);
            let heads = count("num_attention_heads").filter(|&n| n > 0);
            let keys = count("num_key_value_heads").or(heads).filter(|&n| n > 0);
            heads.zip(keys)
        }
        _ => None,
    };
    let gemma = architecture.starts_with("gemma");
    Ok(Plan { configuration: Value::Object(configuration), order: Order { interleaved, offset_norms: gemma }, gemma })
}

/// How positions are stretched, as `rope_scaling` says it.
fn scaling(
    keys: &Keys<'_>,
    prefix: &str,
    tensors: &BTreeMap<String, Stored>,
    source: &Source,
    configuration: &Map<String, Value>,
) -> Result<Option<Value>> {
    let own = |key: &str| format!("{prefix}rope.{key}");
    if let Some(stored) = tensors.get("rope_freqs.weight") {
        let factors = unpack(source, "rope_freqs.weight", stored)?;
        return llama3(&factors, configuration, keys.place);
    }
    let factor = match keys.float(&own("scaling.factor"))? {
        Some(factor) => Some(factor),
        None => keys.float(&own("scale_linear"))?,
    };
    let kind = keys.text(&own("scaling.type"))?;
    let kind = kind.unwrap_or(if factor.is_some_and(|factor| factor != 1.0) { "linear" } else { "none" });
    match kind {
        "none" => Ok(None),
        "linear" => Ok(Some(json!({"rope_type": "linear", "factor": factor}))),
        "yarn" => {
            let mut settings = Map::new();
            settings.insert("rope_type".into(), "yarn".into());
            settings.extend(factor.map(|factor| ("factor".to_owned(), factor.into())));
            if let Some(length) = keys.int(&own("scaling.original_context_length"))? {
                settings.insert("original_max_position_embeddings".into(), length.into());
            }
            for beta in ["beta_fast", "beta_slow"] {
                let value = keys.float(&own(&format!("scaling.yarn_{beta}")))?;
                settings.extend(value.map(|value| (beta.to_owned(), value.into())));
            }
            Ok(Some(Value::Object(settings)))
        }
        other => Err(Error::unsupported(format!(
            "{}: `{}`: the rotary scaling `{other}` is not read from GGUF files; none, linear and yarn are",
            keys.place,
            own("scaling.type")
        ))),
    }
}

/// Llama 3's stretching, which the file keeps as what each frequency was divided by.
///
/// Its three other numbers are those of every Llama 3 that was published; factors that they do not give are refused.
fn llama3(factors: &[f32], configuration: &Map<String, Value>, place: &str) -> Result<Option<Value>> {
    const LOW: f64 = 1.0;
    const HIGH: f64 = 4.0;
    const ORIGINAL: f64 = 8192.0;
    if factors.iter().all(|&factor| factor == 1.0) {
        return Ok(None);
    }
    let theta = configuration.get("rope_theta").and_then(Value::as_f64).unwrap_or(10_000.0);
    let factor = factors.last().copied().map_or(1.0, f64::from);
    let expected = |i: usize| {
        let wavelength = 2.0 * std::f64::consts::PI * theta.powf(i as f64 / factors.len() as f64);
        if wavelength < ORIGINAL / HIGH {
            1.0
        } else if wavelength > ORIGINAL / LOW {
            factor
        } else {
            let smooth = (ORIGINAL / wavelength - LOW) / (HIGH - LOW);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    let close = |(i, &got): (usize, &f32)| (f64::from(got) / expected(i) - 1.0).abs() < 1e-4;
    if !factors.iter().enumerate().all(close) {
        return Err(Error::unsupported(format!(
            "{place}: `rope_freqs.weight` stretches positions in a way that is not Llama 3's (low_freq_factor 1, \
             high_freq_factor 4, 8192 original positions), which is the only one that is read"
        )));
    }
    Ok(Some(json!({
        "rope_type": "llama3", "factor": factor, "low_freq_factor": LOW, "high_freq_factor": HIGH,
        "original_max_position_embeddings": ORIGINAL as u64,
    })))
}

impl Plan {
    /// The name of transformers for a tensor of the file; `None` for one whose contents the configuration says.
    ///
    /// A name that is not known stays inside the model, where an unknown tensor is refused.
    pub(super) fn name(&self, there: &str) -> Option<String> {
        match there {
            "rope_freqs.weight" => return None,
            "token_embd.weight" => return Some("model.embed_tokens.weight".into()),
            "output_norm.weight" => return Some("model.norm.weight".into()),
            "output.weight" => return Some("lm_head.weight".into()),
            _ => {}
        }
        let Some((layer, rest)) = there.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else {
            return Some(format!("model.{there}"));
        };
        let (part, end) = rest.rsplit_once('.').unwrap_or((rest, ""));
        let part = match part {
            "attn_q" => "self_attn.q_proj",
            "attn_k" => "self_attn.k_proj",
            "attn_v" => "self_attn.v_proj",
            "attn_output" => "self_attn.o_proj",
            "attn_q_norm" => "self_attn.q_norm",
            "attn_k_norm" => "self_attn.k_norm",
            "ffn_gate" => "mlp.gate_proj",
            "ffn_up" => "mlp.up_proj",
            "ffn_down" => "mlp.down_proj",
            "attn_norm" => "input_layernorm",
            "ffn_norm" if self.gemma => "pre_feedforward_layernorm",
            "ffn_norm" => "post_attention_layernorm",
            "post_attention_norm" if self.gemma => "post_attention_layernorm",
            "post_ffw_norm" if self.gemma => "post_feedforward_layernorm",
            other => other,
        };
        Some(format!("model.layers.{layer}.{part}.{end}"))
    }
}

impl Order {
    /// Gives rows and offsets back; `name` is that of transformers.
    pub(super) fn restore(&self, name: &str, shape: &[usize], values: &mut Vec<f32>) {
        if self.offset_norms && name.ends_with("norm.weight") {
            values.iter_mut().for_each(|w| *w -= 1.0);
        }
        let Some((queries, keys)) = self.interleaved else { return };
        let heads = match name {
            _ if name.contains(".q_proj.") => queries,
            _ if name.contains(".k_proj.") => keys,
            _ => return,
        };
        let rows = shape[0];
        let half = rows / heads / 2;
        // A shape that does not fit is found when it is held against the configuration.
        if half * heads * 2 != rows {
            return;
        }
        // Row 2i of a head was row i, row 2i + 1 was row i + half.
        let width = values.len() / rows;
        let stored = std::mem::take(values);
        for row in 0..rows {
            let (head, inside) = (row / (2 * half), row % (2 * half));
            let from = 2 * half * head + 2 * (inside % half) + inside / half;
            values.extend_from_slice(&stored[from * width..][..width]);
        }
    }
}

/// Typed access to the metadata.
pub(crate) struct Keys<'a> {
    pub(crate) metadata: &'a BTreeMap<String, Meta>,
    pub(crate) place: &'a str,
}

impl<'a> Keys<'a> {
    fn wrong(&self, key: &str, expected: &str, got: &Meta) -> Error {
        let mut shown = format!("{got:?}");
        if shown.len() > 60 {
            shown = shown.chars().take(60).chain("...".chars()).collect();
        }
        Error::format(format!("{}: `{key}`: expected {expected}, got {shown}", self.place))
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Meta::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "a text", other)),
        }
    }

    /// A number that is not negative.
    pub(crate) fn int(&self, key: &str) -> Result<Option<i64>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Meta::Int(n)) if *n >= 0 => Ok(Some(*n)),
            Some(other) => Err(self.wrong(key, "one whole number that is not negative", other)),
        }
    }

    pub(crate) fn float(&self, key: &str) -> Result<Option<f64>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Meta::Float(x)) if x.is_finite() => Ok(Some(*x)),
            Some(Meta::Int(n)) => Ok(Some(*n as f64)),
            Some(other) => Err(self.wrong(key, "one finite number", other)),
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Meta::Flag(x)) => Ok(Some(*x)),
            Some(other) => Err(self.wrong(key, "true or false", other)),
        }
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Option<&'a [String]>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Meta::Texts(list)) => Ok(Some(list)),
            Some(other) => Err(self.wrong(key, "a list of texts", other)),
        }
    }

    pub(crate) fn ints(&self, key: &str) -> Result<Option<&'a [i64]>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Meta::Ints(list)) => Ok(Some(list)),
            Some(other) => Err(self.wrong(key, "a list of whole numbers", other)),
        }
    }

    pub(crate) fn floats(&self, key: &str) -> Result<Option<&'a [f64]>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Meta::Floats(list)) => Ok(Some(list)),
            Some(other) => Err(self.wrong(key, "a list of numbers", other)),
        }
    }

    /// A single value as config.json writes it.
    fn plain(&self, key: &str, value: &Meta) -> Result<Value> {
        match value {
            Meta::Int(n) => Ok((*n).into()),
            Meta::Float(x) if x.is_finite() => Ok((*x).into()),
            Meta::Flag(x) => Ok((*x).into()),
            // The same number for every layer.
            Meta::Ints(list) if list.windows(2).all(|pair| pair[0] == pair[1]) && !list.is_empty() => {
                Ok(list[0].into())
            }
            Meta::Ints(_) | Meta::Floats(_) | Meta::Flags(_) | Meta::Texts(_) => Err(Error::unsupported(format!(
                "{}: `{key}` differs from layer to layer; layers of different shapes are not built in",
                self.place
            ))),
            other => Err(self.wrong(key, "one finite number", other)),
        }
    }
}

/// A value that is only named.
fn shown(value: &Meta) -> Value {
    match value {
        Meta::Int(n) => (*n).into(),
        Meta::Float(x) => json!(x),
        Meta::Flag(x) => (*x).into(),
        Meta::Text(text) => text.as_str().into(),
        Meta::Ints(list) => format!("{} numbers", list.len()).into(),
        Meta::Floats(list) => format!("{} numbers", list.len()).into(),
        Meta::Flags(list) => format!("{} truth values", list.len()).into(),
        Meta::Texts(list) => format!("{} texts", list.len()).into(),
    }
}
