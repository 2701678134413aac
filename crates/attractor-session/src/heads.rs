//! Which head does what.

use std::path::PathBuf;

use attractor::{Context, Result};
use attractor_judge::detect;
pub use attractor_judge::detect::{Detection, Detections, Detector, DetectorSummary, Finding, Options as Detect};
pub use attractor_judge::statistics::Correction;
use attractor_record::Selection;
use serde::Serialize;

use crate::capture;
use crate::inputs::{self, Inputs, Prepared, Source};
use crate::stimuli;
use crate::target::Live;

/// Where heads are looked for, and which.
#[derive(Debug, Clone)]
pub struct Options {
    /// A checkpoint or a run.
    pub target: PathBuf,
    /// What goes through a checkpoint; without a text, induction and duplicate alone are looked for in random tokens,
    /// each sequence repeated.
    pub inputs: Inputs,
    /// Which layers and heads.
    pub selection: Selection,
    /// Detectors, level, correction, permutations; the seed is the context's.
    pub detect: detect::Options,
}

impl Options {
    /// Every detector, the built-in text, every head.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            inputs: Inputs::default(),
            selection: Selection::all(),
            detect: detect::Options::default(),
        }
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// `is_usage`.
    pub fn check(&self) -> Result<()> {
        self.inputs.check()?;
        self.detect.check()
    }
}

/// What was found, and in what; serialised it is what was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Found {
    /// What was found.
    pub detections: Detections,
    /// What was opened.
    #[serde(skip)]
    pub target: PathBuf,
    /// Where a checkpoint's inputs came from.
    #[serde(skip)]
    pub source: Option<Source>,
}

/// What goes through the model: what was given, or repeated random tokens where repetitions are all that is asked for and
/// nothing is given, or where the model has no tokenizer for a text.
fn prepare(live: &Live, options: &Options, context: &Context<'_>) -> Result<Prepared> {
    let repeats = options.detect.detectors.iter().all(|d| matches!(d, Detector::Induction | Detector::Duplicate));
    let bare = live.checkpoint.tokenizer_path().is_none();
    match options.inputs.is_empty() && live.checkpoint.config().image.is_none() && (repeats || bare) {
        true => stimuli::repeated_tokens(live, &options.inputs, context),
        false => inputs::prepare(live, &options.inputs, context),
    }
}

/// Looks for heads.
///
/// # Errors
/// `is_usage` for options that do not fit; `is_interrupted`; what reading, running and judging answer.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Found> {
    context.install(|| {
        options.check()?;
        // A seed that the caller gave stands above that of the options.
        let seed = if context.seed() != 0 { context.seed() } else { options.detect.seed };
        let detecting = detect::Options { seed, ..options.detect.clone() };
        let selection = options.selection.clone();
        let opened = capture::open_with(&options.target, &options.inputs, selection, 0, context, |live| {
            prepare(live, options, context)
        })?;
        context.check()?;
        let mut detections = detect::detect_with(opened.patterns.as_ref(), &detecting, context)?;
        let (target, source) = (options.target.clone(), opened.live.map(|(_, prepared)| prepared.source));
        let extra = &mut detections.provenance.extra;
        extra.insert("target".into(), target.display().to_string());
        extra.extend(source.as_ref().map(|source| ("inputs".into(), source.to_string())));
        Ok(Found { detections, target, source })
    })
}
