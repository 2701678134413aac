//! TARGET: a checkpoint or a run.

use std::path::Path;

use attractor_capture::Run;
use attractor_nn::Model;
use attractor_nn::checkpoint::Checkpoint;
use attractor_record::ModelInfo;

use crate::error::Outcome;
use attractor::Error;

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

/// Opens what lies at `path`.
pub fn open(path: &Path, model_config: Option<&Path>) -> Outcome<Target> {
    if !path.exists() {
        return Err(Error::io(format!(
            "{}: there is nothing here; name a checkpoint (a folder with config.json and model.safetensors, or a .pt \
             file) or a run",
            path.display()
        )));
    }
    match is_run(path) {
        true => Ok(Target::Run(Box::new(Run::open(path)?))),
        false => Ok(Target::Live(Box::new(live(path, model_config)?))),
    }
}

/// Opens a checkpoint and reads its weights.
pub fn live(path: &Path, model_config: Option<&Path>) -> Outcome<Live> {
    let checkpoint = checkpoint(path, model_config)?;
    let model = Model::load(&checkpoint)?;
    let info = info(&checkpoint)?;
    Ok(Live { checkpoint, model, info })
}

/// Opens a checkpoint. A folder that is none is unreadable; a lone file without a configuration asks for an option.
pub fn checkpoint(path: &Path, model_config: Option<&Path>) -> Outcome<Checkpoint> {
    Checkpoint::open(path, model_config)
        .map_err(|error| if path.is_dir() { error.of_kind(attractor::Kind::Format) } else { error })
}

/// What a checkpoint is, in the words of a run.
pub fn info(checkpoint: &Checkpoint) -> Outcome<ModelInfo> {
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
