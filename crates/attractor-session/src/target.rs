//! TARGET: a checkpoint or a run.

use std::path::Path;

use attractor::{Error, Kind, Result};
use attractor_capture::Run;
use attractor_nn::Model;
use attractor_nn::checkpoint::Checkpoint;
use attractor_record::ModelInfo;

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
        false => Err(Error::io(format!("{}: there is nothing here; name {wanted}", path.display()))),
    }
}

/// Opens what lies at `path`; `model_config` is the configuration of a lone weight file.
///
/// # Errors
/// `is_io` if nothing is there; what reading a run or a checkpoint answers.
pub fn open(path: &Path, model_config: Option<&Path>) -> Result<Target> {
    exists(path, "a checkpoint (a folder with config.json and model.safetensors, or a .pt file) or a run")?;
    match is_run(path) {
        true => {
            let run = Run::open(path)?;
            if let stacks @ [_, _, ..] = run.stacks().as_slice() {
                let names: Vec<&str> = stacks.iter().map(|stack| stack.name()).collect();
                let why =
                    format!("the run holds several stacks ({}); the jobs do not take them apart yet", names.join(", "));
                return Err(Error::unsupported(why).at(path.display()));
            }
            Ok(Target::Run(Box::new(run)))
        }
        false => Ok(Target::Live(Box::new(live(path, model_config)?))),
    }
}

/// Opens a checkpoint and reads its weights.
///
/// # Errors
/// What reading answers.
pub fn live(path: &Path, model_config: Option<&Path>) -> Result<Live> {
    let checkpoint = checkpoint(path, model_config)?;
    let model = Model::load(&checkpoint)?;
    let info = info(&checkpoint)?;
    Ok(Live { checkpoint, model, info })
}

/// Opens a checkpoint. A folder that holds none is of no known format; a lone file without a configuration asks for one.
///
/// # Errors
/// What reading answers.
pub fn checkpoint(path: &Path, model_config: Option<&Path>) -> Result<Checkpoint> {
    let of_folder = |error: Error| if path.is_dir() && error.is_usage() { error.of_kind(Kind::Format) } else { error };
    Checkpoint::open(path, model_config).map_err(of_folder)
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
    })
}
