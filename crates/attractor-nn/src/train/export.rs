//! A trained model as a Hugging Face folder, and a training run as one file that can be taken up again.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::adamw::AdamW;
use super::{Plan, Shape, Training};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::ops;
use crate::weights::transpose;

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
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

/// Writes config.json, model.safetensors and tokenizer.json into `folder`, each whole or not at all.
///
/// # Errors
/// `is_io`.
pub fn write_model(
    folder: &Path,
    model: &Model,
    shape: &Shape,
    special: [Option<u32>; 3],
    tokenizer_json: &[u8],
    precision: Precision,
) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
    let tensors = named(model, shape)?;
    let bytes = match precision {
        Precision::F32 => serialise(&tensors, Dtype::F32, |x| x.to_le_bytes().to_vec(), None)?,
        Precision::F16 => serialise(&tensors, Dtype::F16, |x| f16::from_f32(x).to_le_bytes().to_vec(), None)?,
    };
    write_whole(&folder.join("tokenizer.json"), tokenizer_json)?;
    write_whole(&folder.join("config.json"), config_json(shape, special).as_bytes())?;
    write_whole(&folder.join("model.safetensors"), &bytes)
}

impl Training {
    /// Writes all that is needed to go on, in one file that is replaced whole.
    ///
    /// # Errors
    /// `is_io`.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut model = self.model.clone();
        let mut tensors = Vec::new();
        let moments = self.optimiser.first.iter().zip(&self.optimiser.second);
        for (parameter, (first, second)) in model.parameters().into_iter().zip(moments) {
            let name = parameter.name;
            let shape = parameter.tensor.dims().to_vec();
            tensors.push((format!("{name}/first"), shape.clone(), first.clone()));
            tensors.push((format!("{name}/second"), shape.clone(), second.clone()));
            tensors.push((name, shape, ops::values(parameter.tensor.clone())));
        }
        let about = HashMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("step".to_string(), self.step.to_string()),
            ("shape".to_string(), serde_json::to_string(&self.shape).unwrap_or_default()),
            ("plan".to_string(), serde_json::to_string(&self.plan).unwrap_or_default()),
        ]);
        write_whole(path, &serialise(&tensors, Dtype::F32, |x| x.to_le_bytes().to_vec(), Some(about))?)
    }

    /// Takes up a run that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// `is_io`, `is_format` for a file of another kind or a torn one, and what [`Training::new`] refuses.
    pub fn resume(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|e| failed(path, &e))?;
        let foreign = |why: &str| {
            Error::format(format!("{}: no training state ({why}); start anew or give the right file", path.display()))
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| foreign(&e.to_string()))?;
        let about = header.metadata().clone().unwrap_or_default();
        let field = |name: &str| about.get(name).ok_or_else(|| foreign(&format!("its header has no {name:?}")));
        if field("format")? != FORMAT {
            return Err(foreign("another format"));
        }
        let shape: Shape = serde_json::from_str(field("shape")?).map_err(|e| foreign(&e.to_string()))?;
        let plan: Plan = serde_json::from_str(field("plan")?).map_err(|e| foreign(&e.to_string()))?;
        let step = field("step")?.parse().map_err(|_| foreign("its step is no number"))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| foreign(&e.to_string()))?;
        let read = |name: &str, size: usize| -> Result<Vec<f32>> {
            let view = file.tensor(name).map_err(|_| foreign(&format!("there is no tensor {name:?}")))?;
            if view.dtype() != Dtype::F32 || view.data().len() != 4 * size {
                return Err(foreign(&format!("tensor {name:?} has another size")));
            }
            Ok(view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
        };
        let mut training = Self::new(shape, plan)?;
        let mut optimiser = AdamW::new(&mut training.model, plan.weight_decay);
        for (at, parameter) in training.model.parameters().into_iter().enumerate() {
            let size = parameter.len();
            optimiser.first[at] = read(&format!("{}/first", parameter.name), size)?;
            optimiser.second[at] = read(&format!("{}/second", parameter.name), size)?;
            *parameter.tensor = ops::tensor(read(&parameter.name, size)?, parameter.tensor.dims());
        }
        training.optimiser = optimiser;
        training.step = step;
        Ok(training)
    }
}

const FORMAT: &str = "attractor training 1";

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
        parts
            .get(&name)
            .ok_or_else(|| Error::request(format!("export: the model has no {name}; it is of another kind")))
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

fn serialise(
    tensors: &[Named],
    dtype: Dtype,
    write: impl Fn(f32) -> Vec<u8>,
    about: Option<HashMap<String, String>>,
) -> Result<Vec<u8>> {
    let data: Vec<Vec<u8>> = tensors.iter().map(|(_, _, x)| x.iter().flat_map(|&x| write(x)).collect()).collect();
    let wrong = |e: safetensors::SafeTensorError| Error::format(format!("export: {e}"));
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((name, shape, _), data)| {
            Ok((name.as_str(), TensorView::new(dtype, shape.clone(), data).map_err(wrong)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let about = about.or_else(|| Some(HashMap::from([("format".to_string(), "pt".to_string())])));
    safetensors::serialize(views, about).map_err(wrong)
}

/// Writes beside the target, flushes to the disk, renames: the target is the old file or the new one, never a part.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = Path::new(&beside);
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(beside, path)
    };
    write().map_err(|e| {
        let _ = fs::remove_file(beside);
        failed(path, &e)
    })
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::io(format!("{}: {error}; check the path, its permissions and the space on the disk", path.display()))
}
