//! From a target to verdicts.

use std::path::{Path, PathBuf};

use attractor::{Context, Error, Hint, Result};
use attractor_judge::config::Key;
pub use attractor_judge::report::{HeadKind, Line, LineKind};
pub use attractor_judge::{Config, Report, Verdict};
use attractor_judge::{Given, judge_watched};
pub use attractor_nn::evidence::{Ablate, Budget};
use attractor_record::{Patterns, Selection, Task, Watcher, file};
use serde::Serialize;

use crate::capture::{self, Opened};
use crate::evidence;
use crate::given::given;
use crate::inputs::{self, Inputs, Source};
use crate::stimuli::Repetition;
use crate::target;

/// What is judged, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// A checkpoint or a run.
    pub target: PathBuf,
    /// What goes through a checkpoint.
    pub inputs: Inputs,
    /// Which layers and heads of a checkpoint.
    pub selection: Selection,
    /// Thresholds and seed.
    pub config: Config,
    /// How much is ablated; `None`: the standard ablations. A run holds no model to ablate.
    pub ablate: Option<Ablate>,
    /// What ablations may cost; `None`: the default of the model and the inputs.
    pub budget: Option<Budget>,
    /// Label of each input, for a classifier.
    pub labels: Option<Vec<usize>>,
}

impl Options {
    /// The defaults: every head, the built-in text, standard ablations.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            inputs: Inputs::default(),
            selection: Selection::all(),
            config: Config::default(),
            ablate: None,
            budget: None,
            labels: None,
        }
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// `is_usage`.
    pub fn check(&self) -> Result<()> {
        self.inputs.check()?;
        if target::is_run(&self.target) {
            let path = self.target.display();
            if let Some(option) = given!(self, [labels, ablate, budget]).next() {
                let why = format!("{path} is a run, and this needs the model; name the checkpoint");
                return Err(Error::option(option, "", why));
            }
            if !self.selection.is_all() {
                return Err(Error::usage(format!(
                    "{path}: a run is judged as it was captured; choose layers and heads when capturing"
                ))
                .hinted(Hint::Omit(if self.selection.names_layers() { "layers" } else { "heads" })));
            }
        }
        Ok(())
    }
}

/// A judged target, with what was judged; serialised it is the report.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Judged {
    /// The verdicts.
    pub report: Report,
    /// Where a checkpoint's inputs came from.
    #[serde(skip)]
    pub source: Option<Source>,
    /// Where figures come from.
    #[serde(skip)]
    pub patterns: Box<dyn Patterns>,
}

/// Reads thresholds; `None`: the defaults.
///
/// # Errors
/// `is_io`; `is_usage` for a file that is no thresholds file.
pub fn thresholds(path: Option<&Path>) -> Result<Config> {
    let Some(path) = path else { return Ok(Config::default()) };
    Config::check_name(path)?;
    let text = String::from_utf8(file::read(path, "the thresholds file", 1 << 20)?)
        .map_err(|e| Error::format(format!("{}: the thresholds file is not UTF-8: {e}", path.display())).because(e))?;
    Config::from_toml(&text, &path.display().to_string())
}

/// Judges whatever a target is.
///
/// # Errors
/// `is_usage` for options that do not fit; `is_interrupted`; what reading, running and judging answer.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Judged> {
    run_watched(options, &[], context)
}

/// Judges whatever a target is, while others look on: each map is walked once, for the verdicts and for them.
///
/// # Errors
/// As [`run`].
pub fn run_watched(options: &Options, watchers: &[&dyn Watcher], context: &Context<'_>) -> Result<Judged> {
    context.install(|| {
        options.check()?;
        let path = &options.target;
        let rows = options.config.count(Key::DiversityRows);
        let opened = capture::open_with(path, &options.inputs, options.selection.clone(), rows, context, |live| {
            if options.labels.is_some() && live.info.task != Task::Classifier {
                let why = format!("{} is not a classifier", path.display());
                return Err(Error::option("labels", "", why).hinted(Hint::Omit("labels")));
            }
            inputs::prepare(live, &options.inputs, context)
        })?;
        of_opened(opened, options, watchers, context)
    })
}

/// Judges a target that was opened.
///
/// # Errors
/// As [`run`].
pub fn of_opened(
    opened: Opened,
    options: &Options,
    watchers: &[&dyn Watcher],
    context: &Context<'_>,
) -> Result<Judged> {
    let Opened { patterns, live, states } = opened;
    // A seed that the caller gave stands above that of the thresholds.
    let mut config = options.config.clone();
    if context.seed() != 0 {
        config.seed = context.seed();
    }
    let context = context.with_seed(config.seed);
    let mut found = None;
    let mut repetition = Repetition::Inputs;
    if let Some((live, prepared)) = &live {
        repetition = Repetition::beside(prepared, live, &options.inputs, &options.selection, &context)?;
        let asked = evidence::Options {
            selection: options.selection.clone(),
            ablate: options.ablate.unwrap_or_default(),
            budget: options.budget.unwrap_or_default(),
            // A rise of perplexity by a share is a rise of the loss by its logarithm.
            effect: match live.info.task {
                Task::CausalLm | Task::MaskedLm => config.get(Key::PerplexityChange).ln_1p(),
                _ => config.get(Key::RelativeChange),
            },
            labels: options.labels.as_deref(),
            states: &states,
        };
        found = Some(evidence::run(live, prepared, &asked, &context)?);
    }
    drop(states);
    context.check()?;
    let stimuli: Vec<_> = repetition.stimulus().into_iter().collect();
    let given = Given { evidence: found.as_ref(), stimuli: &stimuli, without_stimulus: repetition.without(), watchers };
    let mut report = judge_watched(patterns.as_ref(), &given, &config, &context)?;
    if let Some(spent) = found.as_ref().and_then(|evidence| evidence.spent.as_ref()) {
        report.provenance.extra.insert("ablations".into(), spent.to_string());
    }
    report.provenance.name = target::name(&options.target);
    report.provenance.extra.insert("target".into(), options.target.display().to_string());
    let source = live.map(|(_, prepared)| prepared.source);
    if let Some(source) = &source {
        report.provenance.extra.insert("inputs".into(), source.to_string());
    }
    if let Some(stimulus) = stimuli.first() {
        report.provenance.extra.insert("repeated".into(), stimulus.name.to_string());
    }
    Ok(Judged { report, source, patterns })
}
