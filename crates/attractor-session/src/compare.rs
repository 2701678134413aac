//! Two checkpoints, or two runs, on the same tokens: what changed, head by head.

use std::path::{Path, PathBuf};

use attractor::{Context, Error, Hint, Result};
pub use attractor_judge::Head;
pub use attractor_judge::diff::{Change, Checked, Condition, Diff, Disparity, HeadDiff, Metric, Unfit, Whom, junit};
use attractor_judge::diff::{DiffOptions, diff};
use attractor_nn::loss::{Case, Targets};
use attractor_record::evidence::LossKind;
use attractor_record::{ModelInfo, Patterns, Selection};
use serde::Serialize;

use crate::capture::{self, Opened};
use crate::inputs::{Inputs, Prepared, SEQUENCE, Source};
use crate::stimuli::Repetition;
use crate::target::{self, Live};

/// What is compared, and what must not happen.
#[derive(Debug, Clone)]
pub struct Options {
    /// A checkpoint or a run: before.
    pub a: PathBuf,
    /// One of the same kind: after.
    pub b: PathBuf,
    /// What goes through checkpoints.
    pub inputs: Inputs,
    /// Which layers and heads.
    pub selection: Selection,
    /// Conditions on B - A of any head.
    pub fail_on: Vec<Condition>,
}

impl Options {
    /// Every head, the built-in text, no condition.
    pub fn new(a: impl Into<PathBuf>, b: impl Into<PathBuf>) -> Self {
        let inputs = Inputs::default();
        Self { a: a.into(), b: b.into(), inputs, selection: Selection::all(), fail_on: Vec::new() }
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// `is_usage` for a checkpoint beside a run; `is_io` if nothing lies at a path.
    pub fn check(&self) -> Result<()> {
        self.inputs.check()?;
        for path in [&self.a, &self.b] {
            target::exists(path, "two checkpoints or two runs")?;
        }
        let (run, checkpoint) = match [&self.a, &self.b].map(|path| target::is_run(path)) {
            [true, false] => (&self.a, &self.b),
            [false, true] => (&self.b, &self.a),
            _ => return Ok(()),
        };
        Err(Error::usage(format!(
            "{} is a run and {} a checkpoint; name two runs or two checkpoints (capture turns a checkpoint into a run)",
            run.display(),
            checkpoint.display()
        ))
        .hinted(Hint::Job("capture")))
    }
}

/// What changed.
#[derive(Serialize)]
pub struct Compared {
    /// "attractor.diff/1".
    pub schema: &'static str,
    /// Before.
    pub a: PathBuf,
    /// After.
    pub b: PathBuf,
    /// What was captured before.
    pub model_a: ModelInfo,
    /// What was captured after.
    pub model_b: ModelInfo,
    /// Where the inputs came from; `None`: runs.
    pub source: Option<Source>,
    /// What induction and duplicate were measured on, where that is not the inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeated: Option<String>,
    /// Seed of the intervals.
    pub seed: u64,
    /// Head by head.
    pub diff: Diff,
    /// What the losses are, where they were compared.
    pub loss_kind: Option<LossKind>,
    /// What each condition found.
    pub fail_on: Vec<Checked>,
    /// The maps of both sides.
    #[serde(skip)]
    pub patterns: [Box<dyn Patterns>; 2],
}

impl Compared {
    /// True if no condition is met.
    pub fn is_ok(&self) -> bool {
        self.fail_on.iter().all(Checked::is_ok)
    }

    /// Refuses an answer in which a condition could not be tested at all, or could not have been met whatever B is.
    ///
    /// # Errors
    /// `is_usage`, with the reason.
    pub fn check_tested(&self) -> Result<()> {
        let faulty = self.fail_on.iter().find_map(|checked| Some((checked, checked.fault()?)));
        let Some((checked, fault)) = faulty else { return Ok(()) };
        let metric = checked.condition.metric;
        let text = format!("{:?}", checked.condition.text);
        if checked.tested > 0 {
            let why = format!("{fault}: nothing was tested; give a bound that can be reached, or inputs that show it");
            return Err(Error::option("fail_on", text, why));
        }
        let why = self.diff.notes.iter().find(|note| **note == Disparity::NotTestable(metric));
        let why = why.map_or("it could not be taken".to_string(), Disparity::to_string);
        let message = format!("{fault} ({why}), so nothing was tested; give inputs that can serve it");
        Err(Error::option("fail_on", text, message))
    }
}

/// One side: what attention did, and the loss of each input.
struct Side {
    patterns: Box<dyn Patterns>,
    losses: Option<(LossKind, Vec<Option<f64>>)>,
    source: Option<Source>,
    repetition: Repetition,
}

/// What is measured on repeated random tokens.
const OF_REPETITION: [Metric; 2] = [Metric::Duplicate, Metric::Induction];

/// Opens a side; `before` is the other one, whose repeated random tokens it reads too.
fn side(path: &Path, options: &Options, given: &Inputs, before: Option<&Side>, context: &Context<'_>) -> Result<Side> {
    let selection = &options.selection;
    let opened = capture::open(path, given, selection.clone(), context).map_err(|e| e.at(path.display()))?;
    let Opened { patterns, live, .. } = opened;
    let Some((live, prepared)) = live else {
        return Ok(Side { patterns, losses: None, source: None, repetition: Repetition::Inputs });
    };
    let losses = losses(&live, &prepared, context)?;
    let repetition = match before.map(|side| &side.repetition) {
        None => Repetition::beside(&prepared, &live, given, selection, context)?,
        Some(Repetition::Made(made)) => Repetition::again(made, &live, selection, context)?,
        Some(Repetition::Inputs) => Repetition::Inputs,
        Some(Repetition::Impossible) => Repetition::Impossible,
    };
    Ok(Side { patterns, losses, source: Some(prepared.source), repetition })
}

/// The loss of each input, where the model has one without labels.
fn losses(live: &Live, prepared: &Prepared, context: &Context<'_>) -> Result<Option<(LossKind, Vec<Option<f64>>)>> {
    let targets =
        Targets { seed: context.seed(), mask_token: prepared.mask_token, special: &prepared.special, labels: None };
    let (kind, _) = targets.loss(&live.model);
    if kind == LossKind::RelativeChange {
        return Ok(None);
    }
    let mut losses = Vec::new();
    for (index, item) in prepared.items.iter().enumerate() {
        context.check()?;
        context.step("losses", index, prepared.items.len());
        losses.push(match Case::new(&live.model, &item.input, index, &targets)? {
            Ok(case) => Some(case.loss(&live.model)?),
            Err(_) => None,
        });
    }
    Ok(Some((kind, losses)))
}

/// The two sides, read one after the other so that one model is in memory at a time.
fn sides(options: &Options, context: &Context<'_>) -> Result<[Side; 2]> {
    let mut given = options.inputs.clone();
    let live = !target::is_run(&options.a);
    if live && given.seq_len.is_none() && given.input.is_empty() && given.text.is_empty() {
        // A length that both have positions for; images have none to cut.
        let mut limit = SEQUENCE;
        let mut image = false;
        for path in [&options.a, &options.b] {
            let unpacked = target::unpacked(path)?;
            let checkpoint =
                target::checkpoint(unpacked.as_ref().map_or(path, |folder| folder.path()), &given.opening())?;
            limit = limit.min(checkpoint.config().position_limit().unwrap_or(limit));
            image |= checkpoint.config().image.is_some();
        }
        given.seq_len = (!image).then_some(limit);
    }
    // What is said of the inputs is said once.
    let a = side(&options.a, options, &given, None, context)?;
    let b = side(&options.b, options, &given, Some(&a), &context.without_notes())?;
    Ok([a, b])
}

/// Compares.
///
/// # Errors
/// `is_usage` for two that cannot be compared; `is_interrupted`; what reading and running answer.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Compared> {
    context.install(|| {
        options.check()?;
        let [a, b] = sides(options, context)?;
        let losses = match (&a.losses, &b.losses) {
            (Some((kind, a)), Some((other, b))) if kind == other => Some((a.as_slice(), b.as_slice())),
            _ => None,
        };
        let loss_kind = a.losses.as_ref().filter(|_| losses.is_some()).map(|(kind, _)| *kind);
        let how = DiffOptions::default();
        let mut found = diff(a.patterns.as_ref(), b.patterns.as_ref(), losses, &how, context)?;
        let mut repeated = None;
        match (&a.repetition, &b.repetition) {
            (Repetition::Made(a), Repetition::Made(b)) => {
                let theirs = diff(&a.patterns, &b.patterns, None, &how, context)?;
                found = found.with(&OF_REPETITION, theirs);
                repeated = Some(a.name.clone());
            }
            (Repetition::Impossible, _) | (_, Repetition::Impossible) => found = found.without(&OF_REPETITION),
            _ => {}
        }
        if losses.is_none() {
            found.notes.push(Disparity::NotTestable(Metric::Loss));
        }
        let fail_on = options.fail_on.iter().map(|condition| found.check(condition)).collect();
        Ok(Compared {
            schema: "attractor.diff/1",
            a: options.a.clone(),
            b: options.b.clone(),
            model_a: a.patterns.info().clone(),
            model_b: b.patterns.info().clone(),
            source: a.source,
            repeated,
            seed: context.seed(),
            diff: found,
            loss_kind,
            fail_on,
            patterns: [a.patterns, b.patterns],
        })
    })
}
