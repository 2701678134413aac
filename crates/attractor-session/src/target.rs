//! TARGET: a checkpoint or a run.

use std::path::Path;

use attractor::{Choice as _, Context, Error, Hint, Kind, Note, Result};
use attractor_capture::Run;
use attractor_data::machine::{MODEL, TRAINING};
use attractor_nn::Model;
use attractor_nn::checkpoint::safetensors::Safetensors;
use attractor_nn::checkpoint::torch::Torch;
use attractor_nn::checkpoint::{Checkpoint, Opening};
use attractor_record::{ModelInfo, Stack};

/// A model that can run.
pub struct Live {
    /// Its checkpoint.
    pub checkpoint: Checkpoint,
    /// The model itself.
    pub model: Model,
    /// What it is.
    pub info: ModelInfo,
}

/// What a TARGET turned out to be.
pub enum Target {
    /// A checkpoint.
    Live(Box<Live>),
    /// A run on disk.
    Run(Box<Run>),
}

/// True if the folder is a run.
pub fn is_run(path: &Path) -> bool {
    path.join("run.json").exists()
}

/// Refuses a path at which nothing lies.
///
/// # Errors
/// `is_io`, with what was wanted there.
pub fn exists(path: &Path, wanted: &str) -> Result<()> {
    match path.exists() {
        true => Ok(()),
        false => Err(Error::io(format!("{}: no such file or folder; name {wanted}", path.display()))),
    }
}

/// Opens what lies at `path`; `opening` says how a checkpoint is read, `stack` which of a run's stacks is meant.
///
/// # Errors
/// `is_io` if nothing is there; `is_usage` for several stacks of which none is chosen and for a stack that is not there; what
/// reading a run or a checkpoint answers.
pub fn open(path: &Path, opening: &Opening, stack: Option<Stack>, context: &Context<'_>) -> Result<Target> {
    exists(path, "a checkpoint (a folder with config.json and model.safetensors, or a .pt file) or a run")?;
    match is_run(path) {
        true => Ok(Target::Run(Box::new(of_stack(Run::open(path)?, stack).map_err(|error| error.at(path.display()))?))),
        false => {
            one_stack(stack)?;
            Ok(Target::Live(Box::new(live(path, opening, context)?)))
        }
    }
}

/// What a target is called: the last part of its path.
pub fn name(path: &Path) -> Option<String> {
    let last = |path: &Path| path.file_name()?.to_str().map(str::to_string);
    last(path).or_else(|| last(&path.canonicalize().ok()?))
}

/// A checkpoint's layers are one stack.
///
/// # Errors
/// `is_usage` for any other.
pub fn one_stack(stack: Option<Stack>) -> Result<()> {
    match stack {
        None | Some(Stack::Only) => Ok(()),
        Some(stack) => {
            Err(Error::option("stack", stack, "a checkpoint has one stack of layers; runs may have several")
                .hinted(Hint::Omit("stack")))
        }
    }
}

/// The run, showing the chosen stack.
fn of_stack(run: Run, stack: Option<Stack>) -> Result<Run> {
    let stacks = run.stacks();
    match (stack, stacks.as_slice()) {
        (None, [first, _, ..]) => {
            let names: Vec<&str> = stacks.iter().map(|stack| stack.name()).collect();
            let why = format!("the run holds several stacks ({}); choose one", names.join(", "));
            Err(Error::usage(why).hinted(Hint::give("stack", first)))
        }
        (Some(stack), _) => run.of_stack(stack),
        (None, _) => Ok(run),
    }
}

/// Opens a checkpoint and reads its weights; what should be known of how they were read is said.
///
/// # Errors
/// What reading answers.
pub fn live(path: &Path, opening: &Opening, context: &Context<'_>) -> Result<Live> {
    let checkpoint = checkpoint(path, opening)?;
    for remark in checkpoint.remarks() {
        context.note(&Note::ReadAs { remark: remark.to_string() });
    }
    let model = Model::load(&checkpoint)?;
    let info = info(&checkpoint)?;
    Ok(Live { checkpoint, model, info })
}

/// Opens a checkpoint. A folder that holds none is of no known format; a lone file without a configuration asks for one.
///
/// # Errors
/// What reading answers.
pub fn checkpoint(path: &Path, opening: &Opening) -> Result<Checkpoint> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    let are_maps = |what: &str| {
        let why =
            format!("{}: {what}, neither a checkpoint nor a run; attention maps are imported first", path.display());
        Error::format(why).hinted(Hint::Job("convert MAPS RUN"))
    };
    if path.is_file() && ["npz", "npy", "json"].contains(&ending) {
        return Err(are_maps("arrays or nested lists"));
    }
    if [MODEL, TRAINING].iter().any(|name| path.join(name).exists()) && !path.join("config.json").exists() {
        return Err(Error::unsupported(format!(
            "{}: the training of a restricted Boltzmann machine, which has no attention; draw samples of it, or measure its \
             likelihood",
            path.display()
        ))
        .hinted(Hint::Job("generate rbm")));
    }
    Checkpoint::open(path, opening).map_err(|error| match path.is_dir() {
        true if error.is_usage() => error.of_kind(Kind::Format),
        false if holds_maps(path) => are_maps("arrays over queries and keys, as attention maps are"),
        _ => error,
    })
}

/// True of a file whose arrays may all be attention maps: each is over several queries and keys, and none is a vector, as every
/// checkpoint has.
fn holds_maps(path: &Path) -> bool {
    let shapes: Vec<Vec<usize>> = match (Safetensors::open(path), Torch::nested(path)) {
        (Ok(file), _) => file.names().filter_map(|name| Some(file.shape(name)?.to_vec())).collect(),
        (_, Ok(file)) => file.names().filter_map(|name| Some(file.shape(name)?.to_vec())).collect(),
        _ => return false,
    };
    let is_map = |shape: &Vec<usize>| shape.len() > 2 || matches!(shape[..], [queries, keys] if queries == keys);
    !shapes.is_empty() && shapes.iter().all(is_map)
}

/// What a checkpoint is, in the words of a run.
///
/// # Errors
/// `is_io` if its weights cannot be hashed.
pub fn info(checkpoint: &Checkpoint) -> Result<ModelInfo> {
    let spec = checkpoint.config();
    Ok(ModelInfo {
        family: spec.family.name().to_string(),
        task: spec.task,
        causal: spec.causal,
        layers: spec.layers,
        heads: spec.heads,
        parameters: Some(checkpoint.parameters()),
        max_positions: spec.position_limit(),
        weights_hash: checkpoint.hash()?,
        remarks: checkpoint.remarks().iter().map(ToString::to_string).collect(),
    })
}
