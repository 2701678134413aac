//! A trained model as the files of a Hugging Face folder, and a training as a state that can be taken up again.

use std::collections::HashMap;

use attractor::State;
use half::f16;
use safetensors::tensor::{Dtype, TensorView};

use super::adamw::AdamW;
use super::{Plan, Shape, Training};
use crate::model::Model;
use crate::ops;
use crate::weights::transpose;
use attractor::{Error, Result};

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredPrecision {
    /// 32 bits.
    F32,
    /// 16 bits.
    F16,
}

/// config.json of a model of this shape, as GPT-2's is written; `special` are beginning, end and padding token.
pub fn config_json(shape: &Shape, special: [Option<u32>; 3]) -> String {
    let config = serde_json::json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "vocab_size": shape.vocab,
        "n_positions": shape.positions,
        "n_embd": shape.hidden,
        "n_layer": shape.layers,
        "n_head": shape.heads,
        "n_inner": shape.inner,
        "layer_norm_epsilon": 1e-5,
        "scale_attn_weights": true,
        "scale_attn_by_inverse_layer_idx": false,
        "tie_word_embeddings": shape.tied,
        "bos_token_id": special[0],
        "eos_token_id": special[1],
        "pad_token_id": special[2],
    });
    // Two-space indentation, keys in alphabetical order: the same bytes every time.
    serde_json::to_string_pretty(&config).unwrap_or_default() + "\n"
}

/// A file of a model's folder: its name, and what is in it.
pub type ModelFile = (&'static str, Vec<u8>);

/// The files of a Hugging Face folder: tokenizer.json, config.json and model.safetensors, in the order in which they are
/// best written, the weights last.
///
/// # Errors
/// `is_usage` for a model of another kind.
pub fn model_files(
    model: &Model,
    shape: &Shape,
    special: [Option<u32>; 3],
    tokenizer_json: &[u8],
    precision: StoredPrecision,
) -> Result<[ModelFile; 3]> {
    let tensors = named(model, shape)?;
    let weights = match precision {
        StoredPrecision::F32 => serialise(&tensors, Dtype::F32, |x| x.to_le_bytes().to_vec())?,
        StoredPrecision::F16 => serialise(&tensors, Dtype::F16, |x| f16::from_f32(x).to_le_bytes().to_vec())?,
    };
    Ok([
        ("tokenizer.json", tokenizer_json.to_vec()),
        ("config.json", config_json(shape, special).into_bytes()),
        ("model.safetensors", weights),
    ])
}

impl Training {
    /// Takes out all that is needed to go on, beside shape and plan.
    pub fn state(&self) -> State {
        let mut state = State::default();
        let mut model = self.model.clone();
        let moments = self.optimiser.first.iter().zip(&self.optimiser.second);
        for (parameter, (first, second)) in model.parameters().into_iter().zip(moments) {
            let (name, shape) = (parameter.name, parameter.tensor.dims().to_vec());
            let values = ops::values(parameter.tensor.clone());
            state.floats.insert(format!("{name}/first"), (shape.clone(), first.clone()));
            state.floats.insert(format!("{name}/second"), (shape.clone(), second.clone()));
            state.floats.insert(name, (shape, values));
        }
        state.integers.insert("step".to_string(), vec![self.step as u64]);
        state
    }

    /// Takes up a training whose [`state`](Self::state) was kept.
    ///
    /// # Errors
    /// `is_format` for the state of another training, and what [`Training::new`] refuses.
    pub fn restored(shape: Shape, plan: Plan, state: &State) -> Result<Self> {
        let read = |name: &str, shape: &[usize]| match state.floats.get(name) {
            Some((found, numbers)) if found == shape => Ok(numbers.clone()),
            Some((found, _)) => Err(Error::format(format!("{name} has the shape {found:?}, expected {shape:?}"))),
            None => Err(Error::format(format!("there is no array {name}"))),
        };
        let [step] = state.integers.get("step").map_or(&[][..], Vec::as_slice) else {
            return Err(Error::format("its step is not a number"));
        };
        let mut training = Self::new(shape, plan)?;
        let mut optimiser = AdamW::new(&mut training.model, plan.weight_decay);
        for (at, parameter) in training.model.parameters().into_iter().enumerate() {
            let shape = parameter.tensor.dims();
            optimiser.first[at] = read(&format!("{}/first", parameter.name), &shape)?;
            optimiser.second[at] = read(&format!("{}/second", parameter.name), &shape)?;
            *parameter.tensor = ops::tensor(read(&parameter.name, &shape)?, shape);
        }
        training.optimiser = optimiser;
        training.step = *step as usize;
        Ok(training)
    }
}

type Named = (String, Vec<usize>, Vec<f32>);

/// The model's tensors under GPT-2's names: q, k and v packed, the head as [vocab, width].
fn named(model: &Model, shape: &Shape) -> Result<Vec<Named>> {
    let mut model = model.clone();
    let parts: HashMap<String, (Vec<f32>, [usize; 2])> = model
        .parameters()
        .into_iter()
        .map(|p| (p.name.clone(), (ops::values(p.tensor.clone()), p.tensor.dims())))
        .collect();
    let part = |name: String| {
        parts.get(&name).ok_or_else(|| Error::usage(format!("export: the model has no {name}; it is of another kind")))
    };
    let ours = |layer: &str, rest: &str| {
        let rest = rest
            .replace("ln_1", "norm.before_attention")
            .replace("ln_2", "norm.before_mlp")
            .replace("attn.c_proj", "attention.output")
            .replace("mlp.c_fc", "mlp.up")
            .replace("mlp.c_proj", "mlp.down");
        format!("L{layer}.{rest}")
    };
    let mut list = Vec::new();
    for (name, dims) in shape.tensors() {
        let values = match name.as_str() {
            "wte.weight" => part("embedding.tokens".into())?.0.clone(),
            "wpe.weight" => part("embedding.positions".into())?.0.clone(),
            "ln_f.weight" => part("norm.weight".into())?.0.clone(),
            "ln_f.bias" => part("norm.bias".into())?.0.clone(),
            "lm_head.weight" => {
                let (values, [rows, columns]) = part("head.decoder".into())?;
                transpose(values, *rows, *columns)
            }
            name => {
                let (layer, rest) = name.trim_start_matches("h.").split_once('.').unwrap_or(("", name));
                match rest.strip_prefix("attn.c_attn.") {
                    None => part(ours(layer, rest))?.0.clone(),
                    Some(kind) => {
                        let [q, k, v] =
                            ["query", "key", "value"].map(|p| part(format!("L{layer}.attention.{p}.{kind}")));
                        let (q, k, v) = (q?, k?, v?);
                        let width = q.1[1];
                        let rows = q.0.chunks(width).zip(k.0.chunks(width)).zip(v.0.chunks(width));
                        rows.flat_map(|((q, k), v)| q.iter().chain(k).chain(v).copied()).collect()
                    }
                }
            }
        };
        let name = if name == "lm_head.weight" { name } else { format!("transformer.{name}") };
        list.push((name, dims, values));
    }
    Ok(list)
}

fn serialise(tensors: &[Named], dtype: Dtype, write: impl Fn(f32) -> Vec<u8>) -> Result<Vec<u8>> {
    let data: Vec<Vec<u8>> = tensors.iter().map(|(_, _, x)| x.iter().flat_map(|&x| write(x)).collect()).collect();
    let wrong = |e: safetensors::SafeTensorError| Error::format(format!("export: {e}")).because(e);
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((name, shape, _), data)| {
            Ok((name.as_str(), TensorView::new(dtype, shape.clone(), data).map_err(wrong)?))
        })
        .collect::<Result<Vec<_>>>()?;
    safetensors::serialize(views, Some(HashMap::from([("format".to_string(), "pt".to_string())]))).map_err(wrong)
}
