//! The main job on the embedded model and text; no network.

use std::path::Path;

use attractor::{Context, Error, Result};
use attractor_judge::config::Key;
use attractor_nn::text::Tokenizer;
use attractor_record::Watcher;

use crate::inputs::{self, Inputs};
use crate::judgement::{self, Judged, Options};
use crate::{capture, stimuli};

/// A two-layer causal language model that was trained by `train causal-lm` (docs/demo-model.md).
const FILES: [(&str, &[u8]); 3] = [
    ("config.json", include_bytes!("../demo/config.json")),
    ("model.safetensors", include_bytes!("../demo/model.safetensors")),
    ("tokenizer.json", include_bytes!("../demo/tokenizer.json")),
];

/// Inputs of the demo, and their length.
const INPUTS: usize = 8;
const LENGTH: usize = 64;

/// Lays the embedded model out where it can be opened like any other.
///
/// # Errors
/// `is_io`.
pub fn unpack(folder: &Path) -> Result<()> {
    for (name, bytes) in FILES {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|e| {
            Error::io(format!("{}: the embedded model cannot be unpacked: {e}", path.display())).because(e)
        })?;
    }
    Ok(())
}

/// Judges the embedded model on text that begins with repeated random tokens.
///
/// # Errors
/// `is_io` without a temporary folder; `is_interrupted`.
pub fn run(context: &Context<'_>) -> Result<Judged> {
    run_watched(&[], context)
}

/// The same while others look on, as [`judgement::run_watched`].
///
/// # Errors
/// As [`run`].
pub fn run_watched(watchers: &[&dyn Watcher], context: &Context<'_>) -> Result<Judged> {
    context.install(|| {
        let folder = tempfile::tempdir()
            .map_err(|e| Error::io(format!("no temporary folder for the embedded model: {e}")).because(e))?;
        unpack(folder.path())?;
        let given = Inputs { max_inputs: Some(INPUTS), seq_len: Some(LENGTH), ..Inputs::default() };
        let mut options = Options::new("demo model");
        options.config.seed = context.seed();
        let rows = options.config.count(Key::DiversityRows);
        let opened = capture::open_with(folder.path(), &given, options.selection.clone(), rows, context, |live| {
            let mut prepared = inputs::prepare(live, &given, &context.quiet())?;
            let tokenizer = Tokenizer::open(folder.path())?;
            let vocab = live.checkpoint.config().vocab;
            stimuli::begin_with_repeats(&mut prepared, &tokenizer, vocab, context.seed())?;
            Ok(prepared)
        })?;
        judgement::of_opened(opened, &options, watchers, context)
    })
}
