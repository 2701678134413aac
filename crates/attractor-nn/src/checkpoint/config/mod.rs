//! config.json in every spelling of transformers 4 and 5, read into a [`Spec`].
//!
//! A key that is not understood is refused by name, family by family (`keys.toml`). A key that is missing is an error where the model's size hangs on it; otherwise the default is that of the family's
//! configuration class in transformers 5.23.0. A configuration that contradicts itself is refused here, one that
//! contradicts the weights in [`check`](super::check).

mod families;
mod keys;
mod known;
mod rope;

use super::opening::{Ignored, Opening};
use super::spec::{Activation, Family, OutputHead, Spec};
use attractor::{Error, Result};
use attractor_record::Task;
use keys::Keys;
use serde_json::Value;

/// What `model_type` may say, and what reads it.
const SUPPORTED: &str = "bert, roberta, xlm-roberta, gpt2, llama, mistral, qwen2, qwen3, gemma2, gemma3, gemma3_text, \
                         vit, deit";

/// Reads a configuration; `place` is the file it came from, for messages.
///
/// # Errors
/// `is_unsupported` for an architecture or a variant that is not built in; `is_format` for a missing key, a wrong type,
/// a zero or a contradiction.
///
/// # Source
/// transformers 5.23.0, `configuration_*.py` of each family.
pub fn read(value: &Value, place: &str) -> Result<Spec> {
    Ok(read_as(value, place, &Opening::default())?.0)
}

/// The same, passing over the keys that `reading` ignores; with those that were.
pub(super) fn read_as(value: &Value, place: &str, opening: &Opening) -> Result<(Spec, Vec<String>)> {
    let ignored = opening.ignored_keys()?;
    let mut passed = Vec::new();
    let keys = Keys::of(place, value)?;
    let model_type = keys.text_if("model_type")?.ok_or_else(|| {
        keys.error(format_args!("`model_type` is missing; expected one of {SUPPORTED}: add it to the configuration"))
    })?;
    understood(&keys, model_type, &ignored, &mut passed)?;
    let mut spec = match model_type {
        "bert" => families::bert(keys, Family::Bert),
        "roberta" | "xlm-roberta" => families::bert(keys, Family::Roberta),
        "gpt2" => families::gpt2(keys),
        "llama" => families::llama(keys),
        "mistral" => families::mistral(keys),
        "qwen2" => families::qwen2(keys),
        "qwen3" => families::qwen3(keys),
        "gemma2" => families::gemma2(keys),
        "gemma3_text" => families::gemma3(keys, keys),
        "gemma3" => {
            let text = keys.object_if("text_config")?.ok_or_else(|| {
                keys.error("`text_config` is missing; a `gemma3` configuration keeps its language model there")
            })?;
            families::gemma3(text, keys)
        }
        "vit" => families::vit(keys, Family::Vit),
        "deit" => families::vit(keys, Family::Deit),
        other => Err(Error::unsupported(format!(
            "{place}: the architecture `{other}` is not built in; expected `model_type` to be one of {SUPPORTED}"
        ))),
    }?;
    // Small models often keep the numbers that large ones of their family have; nothing hangs on these two.
    if !spec.causal {
        // transformers counts a window without direction inclusively: |p - j| <= window.
        spec.windows.iter_mut().flatten().for_each(|window| *window += 1);
        // Whoever sees the next token does not predict it.
        if spec.head == OutputHead::CausalLm {
            spec.task = Task::Encoder;
        }
    }
    let inside = |id: &u32| (*id as usize) < spec.vocab;
    spec.bos_token = spec.bos_token.filter(inside);
    // A token that also begins or ends texts is no padding where it occurs.
    let ends: Vec<u32> = match keys.get("eos_token_id") {
        Some(Value::Array(list)) => list.iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect(),
        Some(id) => id.as_u64().and_then(|id| u32::try_from(id).ok()).into_iter().collect(),
        None => Vec::new(),
    };
    spec.pad_token = spec.pad_token.filter(|pad| Some(*pad) != spec.bos_token && !ends.contains(pad));
    if spec.family == Family::Gpt2 {
        spec.pad_token = spec.pad_token.filter(inside);
    }
    consistent(&keys, &spec)?;
    Ok((spec, passed))
}

/// Refuses keys that nothing here understands, nested ones too.
fn understood(keys: &Keys<'_>, model_type: &str, ignored: &Ignored, passed: &mut Vec<String>) -> Result<()> {
    let lists: &[&str] = match model_type {
        "bert" | "roberta" | "xlm-roberta" => &["bert"],
        "gpt2" => &["gpt2"],
        "llama" => &["rotary", "llama"],
        "mistral" => &["rotary", "mistral"],
        "qwen2" => &["rotary", "qwen2"],
        "qwen3" => &["rotary", "qwen3"],
        "gemma2" => &["rotary", "gemma2"],
        "gemma3_text" => &["rotary", "gemma3"],
        "gemma3" => &["gemma3_outer"],
        "vit" | "deit" => &["vit"],
        _ => return Ok(()),
    };
    known::check(keys, lists, "", ignored, passed)?;
    let text = keys.object_if("text_config")?.filter(|_| model_type == "gemma3");
    if let Some(text) = text {
        known::check(&text, &["rotary", "gemma3"], "text_config", ignored, passed)?;
    }
    for (object, inside) in [(Some(*keys), ""), (text, "text_config.")] {
        let Some(object) = object else { continue };
        for key in ["rope_scaling", "rope_parameters"] {
            let Some(rope) = object.object_if(key)? else { continue };
            let kinds = ["full_attention", "sliding_attention"];
            let nested: Vec<_> = kinds.into_iter().filter(|kind| rope.has(kind)).collect();
            if nested.is_empty() {
                known::check_rope(&rope, &format!("{inside}{key}"), ignored, passed)?;
            }
            for kind in nested {
                if let Some(rope) = rope.object_if(kind)? {
                    known::check_rope(&rope, &format!("{inside}{key}.{kind}"), ignored, passed)?;
                }
            }
        }
    }
    Ok(())
}

/// True if `architectures` says what stands on top; otherwise the weights decide.
pub(super) fn names_its_head(value: &Value) -> bool {
    value.get("architectures").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

/// The contradictions that every family shares.
fn consistent(keys: &Keys<'_>, spec: &Spec) -> Result<()> {
    if spec.heads % spec.key_heads != 0 {
        return Err(keys.error(format_args!(
            "{} query heads do not divide among {} key heads; the number of heads must be a multiple of \
             num_key_value_heads",
            spec.heads, spec.key_heads
        )));
    }
    if let Some(id) = spec.pad_token
        && id as usize >= spec.vocab
        && spec.vocab > 0
    {
        return Err(keys.error(format_args!(
            "`pad_token_id` is {id}, but the vocabulary has {} entries (vocab_size)",
            spec.vocab
        )));
    }
    debug_assert_eq!(spec.windows.len(), spec.layers);
    Ok(())
}

/// hidden / heads, or an error if that is not an integer.
fn head_width(keys: &Keys<'_>, hidden: usize, heads: usize) -> Result<usize> {
    if hidden % heads != 0 {
        return Err(keys.error(format_args!(
            "the model width {hidden} is not a multiple of its {heads} attention heads; one of the two is wrong"
        )));
    }
    Ok(hidden / heads)
}

fn activation(keys: &Keys<'_>, key: &str, default: &str) -> Result<Activation> {
    Ok(match keys.text_if(key)?.unwrap_or(default) {
        "gelu" | "gelu_python" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" | "gelu_python_tanh" | "gelu_fast" | "gelu_accurate" => Activation::GeluTanh,
        "quick_gelu" => Activation::QuickGelu,
        "relu" => Activation::Relu,
        "silu" | "swish" => Activation::Silu,
        "tanh" => Activation::Tanh,
        other => {
            return Err(Error::unsupported(format!(
                "{}: `{key}`: the activation `{other}` is not built in; gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, \
                 quick_gelu, relu, silu and tanh are",
                keys.place()
            )));
        }
    })
}

/// What `architectures` says stands on top.
enum Top {
    /// Nothing is written.
    Unsaid,
    /// The bare model, or a head that is not read (question answering, token labels...).
    Bare,
    CausalLm,
    MaskedLm,
    Classifier,
    Distilled,
}

fn top(keys: &Keys<'_>) -> Result<Top> {
    let Some(names) = keys.texts_if("architectures")? else { return Ok(Top::Unsaid) };
    let Some(name) = names.first() else { return Ok(Top::Unsaid) };
    let top = [
        ("ForImageClassificationWithTeacher", Top::Distilled),
        ("ForImageClassification", Top::Classifier),
        ("ForSequenceClassification", Top::Classifier),
        ("ForMaskedLM", Top::MaskedLm),
        ("ForPreTraining", Top::MaskedLm),
        ("ForCausalLM", Top::CausalLm),
        ("LMHeadModel", Top::CausalLm),
        ("DoubleHeadsModel", Top::CausalLm),
        ("ForConditionalGeneration", Top::CausalLm),
        ("Model", Top::Bare),
    ]
    .into_iter()
    .find(|(end, _)| name.ends_with(end))
    .map(|(_, top)| top);
    match top {
        Some(top) => Ok(top),
        None if name.contains("For") => Ok(Top::Bare),
        None => Err(Error::unsupported(format!(
            "{}: `architectures` names `{name}`, which is not a model class of transformers; expected a name such as \
             GPT2LMHeadModel, BertForMaskedLM or BertModel",
            keys.place()
        ))),
    }
}

/// Number of labels of a classifier: `num_labels`, or as many as `id2label` names; two otherwise.
fn labels(keys: &Keys<'_>) -> Result<usize> {
    let named = match keys.get("id2label") {
        None => None,
        Some(Value::Object(names)) if !names.is_empty() => Some(names.len()),
        Some(other) => {
            return Err(
                keys.error(format_args!("`id2label`: expected an object of label names, got {}", keys::short(other)))
            );
        }
    };
    match (keys.size_if("num_labels")?, named) {
        (Some(n), Some(named)) if n != named => {
            Err(keys.error(format_args!("`num_labels` is {n}, but `id2label` names {named} labels; make them agree")))
        }
        (n, named) => Ok(n.or(named).unwrap_or(2)),
    }
}

/// The task that goes with a head.
pub(super) fn task_of(head: OutputHead) -> Task {
    match head {
        OutputHead::None => Task::Encoder,
        OutputHead::CausalLm => Task::CausalLm,
        OutputHead::MaskedLm => Task::MaskedLm,
        OutputHead::Classifier { .. } | OutputHead::DistilledClassifier { .. } => Task::Classifier,
    }
}
