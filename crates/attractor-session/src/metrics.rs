//! A table of metrics, one row per head.

use std::path::PathBuf;

use attractor::{Context, Error, Result};
pub use attractor_judge::analysis::table::names;
use attractor_judge::analysis::table::{Extras, columns};
use attractor_record::evidence::Scope;
use attractor_record::{Patterns, Selection, Steps, Table, by_step};
use serde::Serialize;

use crate::capture::{self, Opened};
use crate::evidence;
use crate::inputs::Inputs;
use crate::target;

/// What is measured, and of what.
#[derive(Debug, Clone)]
pub struct Options {
    /// A checkpoint or a run.
    pub target: PathBuf,
    /// What goes through a checkpoint.
    pub inputs: Inputs,
    /// Which layers and heads.
    pub selection: Selection,
    /// Also effective and stable rank of each map.
    pub rank: bool,
    /// Also the importance of each head; needs a checkpoint.
    pub importance: bool,
    /// Label of each input, for the importance of a classifier's heads.
    pub labels: Option<Vec<usize>>,
}

impl Options {
    /// Row statistics of every head on the built-in text.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            inputs: Inputs::default(),
            selection: Selection::all(),
            rank: false,
            importance: false,
            labels: None,
        }
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// `is_usage`.
    pub fn check(&self) -> Result<()> {
        self.inputs.check()?;
        if self.importance && target::is_run(&self.target) {
            let why = format!("{} is a run, and this needs the model; name the checkpoint", self.target.display());
            return Err(Error::option("importance", "", why));
        }
        match self.labels.is_some() && !self.importance {
            true => Err(Error::option("labels", "", "are only used for the importance of heads; ask for it too")),
            false => Ok(()),
        }
    }
}

/// The table, with what was measured.
#[derive(Serialize)]
pub struct Measured {
    /// "attractor.metrics/1".
    pub schema: &'static str,
    /// One row per head; where inputs have steps, per step and head.
    pub table: Table,
    /// One row per head, over all steps; the same table where inputs have one step.
    pub heads: Table,
    /// Where it comes from.
    #[serde(skip)]
    pub patterns: Box<dyn Patterns>,
}

/// Measures.
///
/// # Errors
/// `is_usage` for options that do not fit, or ranks without maps; `is_interrupted`; what reading and running answer.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Measured> {
    context.install(|| {
        options.check()?;
        let selection = &options.selection;
        let opened = capture::open(&options.target, &options.inputs, selection.clone(), context)?;
        let Opened { patterns, live, states } = opened;
        let mut found = None;
        if let (Some((live, prepared)), true) = (&live, options.importance) {
            let (selection, labels) = (selection.clone(), options.labels.as_deref());
            let effect = attractor_nn::evidence::Options::default().effect;
            let asked = evidence::Options { selection, labels, effect, states: &states, ..Default::default() };
            let mut all = evidence::run(live, prepared, &asked, context)?;
            all.ablations.retain(|ablation| matches!(ablation.scope, Scope::Head { .. }));
            found = Some(all);
        }
        context.check()?;
        let image = live.as_ref().and_then(|(live, _)| live.checkpoint.config().image.as_ref());
        let patch = image.map(|image| [image.patch_height as f64, image.patch_width as f64]);
        let extras = Extras { rank: options.rank, patch, evidence: found.as_ref() };
        let of = |patterns: &dyn Patterns| Table::of(patterns)?.with(columns(patterns, &extras, context)?);
        let heads = of(patterns.as_ref())?;
        if options.rank && !heads.columns().iter().any(|(name, _)| name == "effective_rank") {
            let why = "ranks need maps, and there is none with finite weights";
            return Err(Error::usage(format!("{}: {why}", options.target.display()))
                .hinted(attractor::Hint::Capture { keep: "stats+qk" }));
        }
        let table = match Steps::of(patterns.as_ref()).are_several() {
            true => by_step(patterns.as_ref(), of)?,
            false => heads.clone().of_stack(patterns.stack())?,
        };
        Ok(Measured { schema: "attractor.metrics/1", table, heads, patterns })
    })
}
