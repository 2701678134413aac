//! Which head does what.

use std::path::PathBuf;

use attractor::{Context, Error, Hint, Result};
use attractor_judge::detect::{self, Stimulus};
pub use attractor_judge::detect::{Detection, Detections, Detector, DetectorSummary, Finding, Options as Detect};
pub use attractor_judge::statistics::Correction;
use attractor_record::Selection;
use serde::Serialize;

use crate::capture;
use crate::inputs::{self, InputSource, Inputs, Prepared, Source};
use crate::stimuli::{self, Repetition};
use crate::target::Live;

/// Where heads are looked for, and which.
#[derive(Debug, Clone)]
pub struct Options {
    /// A checkpoint or a run.
    pub target: PathBuf,
    /// What goes through a checkpoint. Induction and duplicate heads are looked for in repeated random tokens whatever it
    /// is, unless it is a repetition itself.
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

    /// True if nothing but detectors of repetition is asked for.
    fn is_of_repetition(&self) -> bool {
        self.detect.detectors.iter().all(|detector| detector.is_of_repetition())
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

/// What goes through the model: what was given, or the built-in text; repeated random tokens where nothing else is asked
/// for, or where the model has no tokenizer for a text.
fn prepare(live: &Live, options: &Options, context: &Context<'_>) -> Result<Prepared> {
    let bare = live.checkpoint.tokenizer_path().is_none();
    if live.checkpoint.config().image.is_some() || !(options.is_of_repetition() || bare) {
        return inputs::prepare(live, &options.inputs, context);
    }
    let Some(name) = options.inputs.named() else {
        return stimuli::repeated_tokens(live, &options.inputs, context);
    };
    let prepared = inputs::prepare(live, &options.inputs, context)?;
    if options.is_of_repetition() && !prepared.items.iter().any(|item| detect::induction::is_repetition(&item.tokens)) {
        let why = "induction and duplicate heads are looked for in repeated random tokens, so it would not be used: it \
                   hardly repeats itself, and finds none. What they do on it, a capture of it shows";
        return Err(Error::option(name, "", why).hinted(Hint::Omit(name)));
    }
    Ok(prepared)
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
        let mut detecting = detect::Options { seed, ..options.detect.clone() };
        let selection = &options.selection;
        let opened = capture::open_with(&options.target, &options.inputs, selection.clone(), 0, context, |live| {
            prepare(live, options, context)
        })?;
        context.check()?;
        let asked = detecting.detectors.iter().any(|detector| detector.is_of_repetition());
        let repetition = match &opened.live {
            Some((live, prepared)) if asked => Repetition::beside(prepared, live, &options.inputs, selection, context)?,
            _ => Repetition::Inputs,
        };
        detecting.without_stimulus = repetition.without().to_vec();
        let source = opened.live.as_ref().map(|(_, prepared)| prepared.source.clone());
        let made = source.as_ref().filter(|source| matches!(source.origin, InputSource::RepeatedTokens { .. }));
        let name = made.map(Source::to_string);
        // Made for nothing else, they are the inputs; what was measured on what is said all the same.
        let alone = |name| Stimulus { detectors: &Detector::OF_REPETITION, patterns: opened.patterns.as_ref(), name };
        let stimuli: Vec<_> = repetition.stimulus().or(name.as_deref().map(alone)).into_iter().collect();
        let mut detections = detect::detect_on(opened.patterns.as_ref(), &stimuli, &detecting, context)?;
        let target = options.target.clone();
        let extra = &mut detections.provenance.extra;
        extra.insert("target".into(), target.display().to_string());
        extra.extend(source.as_ref().map(|source| ("inputs".into(), source.to_string())));
        Ok(Found { detections, target, source })
    })
}
