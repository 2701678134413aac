//! What a checkpoint or a run is.

use std::path::{Path, PathBuf};

use attractor::{Context, Error, Hint, Result};
use attractor_capture::run::Manifest;
use attractor_capture::{Certificate, Run};
use attractor_nn::checkpoint::Opening;
use attractor_record::{LayerShape, ModelInfo, Origin, Patterns, Stack, Steps};
use serde::Serialize;
use tempfile::TempDir;

use crate::inputs::Inputs;
use crate::target;

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Options {
    /// A checkpoint or a run.
    pub target: PathBuf,
    /// How a checkpoint is read.
    pub inputs: Inputs,
    /// Also read every array of a run.
    pub verify: bool,
}

impl Options {
    /// A look from outside.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self { target: target.into(), inputs: Inputs::default(), verify: false }
    }

    /// Refuses a target that is not there, and what says nothing about one of its kind.
    ///
    /// # Errors
    /// `is_io`; `is_usage`, naming the option to leave out.
    pub fn check(&self) -> Result<()> {
        target::exists(&self.target, "a checkpoint or a run")?;
        let path = self.target.display();
        match (target::is_run(&self.target), self.verify) {
            (true, _) => self.inputs.refuse_for_a_run(&self.target),
            (false, true) => Err(Error::usage(format!("{path}: is a checkpoint; only a run's arrays are verified"))
                .hinted(Hint::Omit("verify"))),
            _ => Ok(()),
        }
    }
}

/// The heads of a layer that a run kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// Its stack, where the model has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<Stack>,
    /// The model's own layer number.
    pub layer: usize,
    /// Its kept heads.
    pub heads: Vec<usize>,
}

/// What a target is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Info {
    /// A run on disk.
    Run(Box<RunInfo>),
    /// A model's weights and configuration.
    Checkpoint(Box<CheckpointInfo>),
}

/// What a run is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunInfo {
    /// "attractor.info/1".
    pub schema: &'static str,
    /// The folder.
    pub path: PathBuf,
    /// What was captured.
    pub model: ModelInfo,
    /// What was captured and how.
    pub manifest: Manifest,
    /// Inputs in it.
    pub inputs: usize,
    /// Which input and step each entry is, where inputs have several steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Origin>,
    /// Lengths of the inputs, or of every step, tokens.
    pub lengths: Vec<usize>,
    /// What was kept.
    pub layers: Vec<Kept>,
    /// Bytes of its files.
    pub bytes: u64,
    /// True if every array was read.
    pub verified: bool,
    /// Is what was captured what attention computed?
    pub certificate: Certificate,
}

/// What a checkpoint is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointInfo {
    /// "attractor.info/1".
    pub schema: &'static str,
    /// The folder or file.
    pub path: PathBuf,
    /// In the words of a run.
    pub model: ModelInfo,
    /// Model width.
    pub hidden: usize,
    /// Key heads per layer.
    pub key_heads: usize,
    /// Head width.
    pub head_dim: usize,
    /// Rows of the embedding.
    pub vocab: usize,
    /// Width of the MLP.
    pub mlp: usize,
    /// Sliding window of each layer, tokens.
    pub windows: Vec<Option<usize>>,
    /// Soft cap of attention's scores.
    pub attention_soft_cap: Option<f32>,
    /// The folder of the tokenizer.
    pub tokenizer: Option<PathBuf>,
    /// Tensors in the weight files.
    pub tensors: usize,
}

/// Looks.
///
/// # Errors
/// `is_io` if nothing is there; what reading answers.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Info> {
    context.install(|| {
        options.check()?;
        match target::is_run(&options.target) {
            true => of_run(&options.target, options.verify).map(|info| Info::Run(Box::new(info))),
            false => {
                of_checkpoint(&options.target, &options.inputs.opening()).map(|info| Info::Checkpoint(Box::new(info)))
            }
        }
    })
}

/// Positions of an input: its tokens, or where none are known, the most keys that a layer shows.
fn positions(run: &Run, input: usize) -> Result<usize> {
    match run.tokens(input).len() {
        0 => run.layers().iter().try_fold(0, |most, shape| Ok(most.max(run.shape(shape.layer, input)?.1))),
        tokens => Ok(tokens),
    }
}

fn of_run(path: &Path, verify: bool) -> Result<RunInfo> {
    let run = Run::open(path)?;
    if verify {
        run.verify()?;
    }
    let (mut layers, mut certificate) = (Vec::new(), Certificate::default());
    for stack in run.stacks() {
        let run = Run::open(path)?.of_stack(stack)?;
        let named = Some(stack).filter(|stack| !stack.is_only());
        let kept = |shape: LayerShape| Kept { stack: named, layer: shape.layer, heads: shape.heads };
        layers.extend(run.layers().into_iter().map(kept));
        certificate.entries.extend(run.certificate()?.entries);
    }
    let steps = Steps::of(&run);
    Ok(RunInfo {
        schema: "attractor.info/1",
        path: path.to_path_buf(),
        model: run.info().clone(),
        manifest: run.manifest().clone(),
        inputs: steps.inputs(),
        steps: if steps.are_several() {
            (0..run.inputs()).map(|entry| run.origin(entry)).collect()
        } else {
            Vec::new()
        },
        lengths: (0..run.inputs()).map(|input| positions(&run, input)).collect::<Result<_>>()?,
        layers,
        bytes: run.bytes()?,
        verified: verify,
        certificate,
    })
}

fn of_checkpoint(path: &Path, opening: &Opening) -> Result<CheckpointInfo> {
    let unpacked = target::unpacked(path)?;
    let checkpoint = target::checkpoint(unpacked.as_ref().map_or(path, TempDir::path), opening)?;
    // Not where the embedded model lies for a moment.
    let named = |folder: &Path| if unpacked.is_some() { path.to_path_buf() } else { folder.to_path_buf() };
    let model = target::info(&checkpoint)?;
    let spec = checkpoint.config();
    Ok(CheckpointInfo {
        schema: "attractor.info/1",
        path: path.to_path_buf(),
        model,
        hidden: spec.hidden,
        key_heads: spec.key_heads,
        head_dim: spec.head_dim,
        vocab: spec.vocab,
        mlp: spec.intermediate,
        windows: spec.windows.clone(),
        attention_soft_cap: spec.attention_soft_cap,
        tokenizer: checkpoint.tokenizer_path().map(named),
        tensors: checkpoint.names().count(),
    })
}
