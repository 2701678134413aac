//! Inputs through a model, attention out of it: in memory, or onto disk.

use std::path::PathBuf;

use attractor::retrieve::tiled;
use attractor::{Context, Error, Hint, Kind, Result};
use attractor_capture::run::RunOptions;
use attractor_capture::run::budget::{self, Extent};
pub use attractor_capture::run::{Keep, budget::human};
use attractor_capture::{Run, RunWriter};
use attractor_data::files::Durability;
use attractor_nn::model::{KeptParts, Observer, Tap, Want};
use attractor_nn::{Model, Overrides};
use attractor_record::kernel::problem_of;
use attractor_record::{
    Captured, InputRecord, LayerRecord, Origin, Patterns, Precision, Restricted, Role, Selection, Steps, Token,
    default_request, spaced_rows,
};
use serde::Serialize;

use crate::inputs::{self, Inputs, Item, Prepared};
use crate::target::{self, Live, Target};

/// Turns the taps of one forward pass into records and hands each on as it comes: of a long input a layer is large.
pub struct Recorder<'a> {
    model: &'a Model,
    selection: &'a Selection,
    keep: KeptParts,
    tokens: &'a [Token],
    input_rows: Option<usize>,
    sink: &'a mut dyn FnMut(LayerRecord) -> Result<()>,
}

impl<'a> Recorder<'a> {
    /// A recorder of the selected layers for an input of these tokens; `sink` gets them in the model's order.
    pub fn new(
        model: &'a Model,
        selection: &'a Selection,
        keep: KeptParts,
        tokens: &'a [Token],
        sink: &'a mut dyn FnMut(LayerRecord) -> Result<()>,
    ) -> Self {
        Self { model, selection, keep, tokens, input_rows: None, sink }
    }

    /// Keeps at most so many rows of a text's input to attention, those that judgement compares ([`spaced_rows`]). Images
    /// keep all: they are told apart by them.
    pub fn with_input_rows(self, count: usize) -> Self {
        let is_text = self.tokens.iter().all(|token| token.role != Role::Patch);
        Self { input_rows: is_text.then_some(count), ..self }
    }
}

impl Observer for Recorder<'_> {
    fn wants(&self, layer: usize) -> Want {
        if self.selection.layer(layer) { Want::all() } else { Want::default() }
    }

    fn tap(&mut self, tap: Tap) -> Result<()> {
        // What is not kept goes before the statistics are taken: of a long input it is large.
        let mut record = self.model.record(tap, self.keep)?;
        if let Some(count) = self.input_rows {
            record.thin_input(spaced_rows(&record.mask, record.queries, record.keys, count));
        }
        record.statistics = tiled::statistics(&problem_of(&record)?, &default_request(self.tokens, record.keys))?;
        (self.sink)(record)
    }
}

/// The record of a prepared input, without its layers.
fn described(item: &Item, index: usize) -> InputRecord {
    InputRecord {
        index,
        origin: Origin::of(index),
        tokens: item.tokens.clone(),
        prompt_length: None,
        grid: item.grid,
        layers: Vec::new(),
    }
}

/// Runs all prepared inputs and holds what judgement reads.
///
/// # Errors
/// `is_usage` for a layer or head that the model lacks; `is_interrupted`; what the model answers.
///
/// Besides it gives the last hidden state of the first inputs, as far as [`STATES`] reach.
pub fn in_memory(
    live: &Live,
    prepared: &Prepared,
    selection: &Selection,
    input_rows: usize,
    context: &Context<'_>,
) -> Result<(Captured, Vec<Option<Vec<f32>>>)> {
    selection.check(live.info.layers, live.info.heads)?;
    let keep = KeptParts { values: false, z: false, input: true };
    let (mut inputs, mut states, mut held) = (Vec::new(), Vec::new(), 0);
    for (index, item) in prepared.items.iter().enumerate() {
        context.check()?;
        capturing(context, live, (index, 0), prepared);
        let mut record = described(item, index);
        let mut push = |layer| {
            record.layers.push(layer);
            capturing(context, live, (index, record.layers.len()), prepared);
            Ok(())
        };
        let mut recorder =
            Recorder::new(&live.model, selection, keep, &item.tokens, &mut push).with_input_rows(input_rows);
        let state = live.model.hidden(&item.input, &mut recorder, &Overrides::none())?;
        inputs.push(record);
        held += state.len();
        states.push((held <= STATES).then_some(state));
    }
    Ok((Captured { info: live.info.clone(), inputs }, states))
}

/// Says how far a capture is: one long input takes its time too, so layers are counted.
fn capturing(context: &Context<'_>, live: &Live, (input, layers): (usize, usize), prepared: &Prepared) {
    let of_input = live.info.layers;
    context.step("capturing layers", input * of_input + layers.min(of_input), prepared.items.len() * of_input);
}

/// Numbers of last hidden states that are kept for who asks for losses (64 MiB); beyond them they are computed again.
const STATES: usize = 16 << 20;

/// A target that was opened: its patterns, and the model and inputs that they came from, if it is a checkpoint.
pub struct Opened {
    /// Of the selected layers and heads.
    pub patterns: Box<dyn Patterns>,
    /// `None`: a run.
    pub live: Option<(Box<Live>, Prepared)>,
    /// The last hidden state of each input of a checkpoint, where it was kept.
    pub states: Vec<Option<Vec<f32>>>,
}

/// Opens a target: a run is read, a checkpoint runs what `prepare` makes of what was given, and keeps so many rows of the
/// inputs to attention ([`Recorder::with_input_rows`]).
///
/// # Errors
/// `is_format` for a run without inputs, `is_usage` for inputs that a run has already; what reading and running answer.
pub fn open_with(
    path: &std::path::Path,
    given: &Inputs,
    selection: Selection,
    input_rows: usize,
    context: &Context<'_>,
    prepare: impl FnOnce(&Live) -> Result<Prepared>,
) -> Result<Opened> {
    match target::open(path, &given.opening(), given.stack, context)? {
        Target::Live(live) => {
            let prepared = prepare(&live)?;
            let (captured, states) = in_memory(&live, &prepared, &selection, input_rows, context)?;
            let patterns = Box::new(Restricted::new(captured, selection)?);
            Ok(Opened { patterns, live: Some((live, prepared)), states })
        }
        Target::Run(run) => {
            given.refuse_for_a_run(path)?;
            if run.inputs() == 0 {
                let why = "holds no input: its capture was cut short";
                return Err(Error::format(why).at(path.display()));
            }
            Ok(Opened { patterns: Box::new(Restricted::new(*run, selection)?), live: None, states: Vec::new() })
        }
    }
}

/// [`open_with`] the inputs as they are given.
///
/// # Errors
/// As [`open_with`], and what preparing the inputs answers.
pub fn open(path: &std::path::Path, given: &Inputs, selection: Selection, context: &Context<'_>) -> Result<Opened> {
    open_with(path, given, selection, 0, context, |live| inputs::prepare(live, given, context))
}

/// Opens a target of which one input, or one step of it, is asked for, and answers which entry that is; a checkpoint does
/// not run the inputs behind it.
///
/// # Errors
/// As [`open`]; `is_usage` if there is no such input or step, or none is named where there are several.
pub fn open_entry(
    path: &std::path::Path,
    given: &Inputs,
    (number, step): (usize, Option<u64>),
    selection: Selection,
    context: &Context<'_>,
) -> Result<(Opened, usize)> {
    let opened = open_with(path, given, selection, 0, context, |live| {
        let mut prepared = inputs::prepare(live, given, context)?;
        let origins = (0..prepared.items.len()).map(Origin::of).collect();
        entry(&Steps::new(origins), number, step)?;
        prepared.items.truncate(number + 1);
        Ok(prepared)
    })?;
    let entry = entry(&Steps::of(opened.patterns.as_ref()), number, step)?;
    Ok((opened, entry))
}

/// The entry that shows this step of this input.
fn entry(steps: &Steps, number: usize, step: Option<u64>) -> Result<usize> {
    let is_it = |entries: &&Vec<usize>| entries.first().is_some_and(|&entry| steps.origin(entry).input == number);
    let Some(entries) = steps.series().iter().find(is_it) else {
        let inputs = if steps.inputs() == 1 { "1 input".to_string() } else { format!("{} inputs", steps.inputs()) };
        return Err(Error::option("input_number", number, format!("the target holds {inputs}, numbered from 0")));
    };
    let numbers: Vec<u64> = entries.iter().filter_map(|&entry| steps.origin(entry).number()).collect();
    match (step, entries[..].split_last()) {
        (None, Some((only, []))) => Ok(*only),
        (Some(step), Some((_, []))) if numbers.is_empty() => {
            let why = format!("input {number} has no numbered steps");
            Err(Error::option("step", step, why).hinted(Hint::Omit("step")))
        }
        (Some(step), _) => entries
            .iter()
            .copied()
            .find(|&entry| steps.origin(entry).number() == Some(step))
            .ok_or_else(|| Error::option("step", step, format!("the steps of input {number} are {numbers:?}"))),
        (None, _) => {
            let why = format!("input {number} has {} steps, {numbers:?}; choose one", entries.len());
            Err(Error::usage(why).hinted(Hint::give("step", numbers.last().copied().unwrap_or(0))))
        }
    }
}

/// What is captured onto disk, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// A checkpoint.
    pub target: PathBuf,
    /// What goes through it.
    pub inputs: Inputs,
    /// The run, a folder.
    pub output: PathBuf,
    /// What is kept of every layer.
    pub keep: Keep,
    /// Precision of what is stored: f16 or f32.
    pub dtype: Precision,
    /// Which layers and heads.
    pub selection: Selection,
    /// Bytes that the run may take on disk.
    pub max_bytes: Option<u64>,
    /// Bytes that one input may take in memory.
    pub max_memory: Option<u64>,
    /// Go on with a run that was interrupted.
    pub resume: bool,
    /// Replace a run that is in the folder.
    pub overwrite: bool,
    /// Survive loss of power too.
    pub durable: bool,
}

impl Options {
    /// A capture of the built-in text with every layer and head.
    pub fn new(target: impl Into<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            inputs: Inputs::default(),
            output: output.into(),
            keep: Keep::StatsQk,
            dtype: Precision::F16,
            selection: Selection::all(),
            max_bytes: None,
            max_memory: None,
            resume: false,
            overwrite: false,
            durable: false,
        }
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// `is_usage`.
    pub fn check(&self) -> Result<()> {
        if target::is_run(&self.target) {
            let why = "is a run already; capture reads a checkpoint";
            return Err(Error::usage(format!("{}: {why}", self.target.display())));
        }
        if self.resume && self.overwrite {
            return Err(Error::option("overwrite", "", "contradicts resume; give one of them"));
        }
        if !self.resume {
            let way = |error: Error| match error.hint() {
                Some(_) => error.hinted(Hint::GiveOne(vec!["resume", "overwrite"])),
                None => error,
            };
            RunWriter::check_output(&self.output, self.overwrite).map_err(way)?;
        }
        self.inputs.check()
    }
}

/// A finished capture.
#[derive(Debug, Clone, Serialize)]
pub struct Finished {
    /// "attractor.capture/1".
    pub schema: &'static str,
    /// The run.
    pub run: PathBuf,
    /// Inputs in it.
    pub inputs: usize,
    /// Inputs that were there before.
    pub resumed_at: usize,
    /// Bytes of its files.
    pub bytes: u64,
    /// Seed of whatever was random.
    pub seed: u64,
    /// Where the inputs came from.
    #[serde(serialize_with = "crate::as_words")]
    pub source: inputs::Source,
}

/// Shapes of what is kept of an input, layer by layer.
fn extents(live: &Live, item: &Item, options: &RunOptions) -> Vec<Extent> {
    let spec = live.checkpoint.config();
    let positions = item.tokens.len();
    let of_layer = |layer| {
        let heads = options.selection.heads(layer, spec.heads);
        let mut key_heads: Vec<usize> = heads.iter().map(|head| head / (spec.heads / spec.key_heads)).collect();
        key_heads.dedup();
        (!heads.is_empty()).then_some(Extent {
            heads: heads.len(),
            key_heads: key_heads.len(),
            queries: positions,
            keys: positions,
            width: spec.head_dim,
            value_width: spec.head_dim,
            model_width: spec.hidden,
        })
    };
    (0..spec.layers).filter_map(of_layer).collect()
}

/// Refuses inputs that would exceed a budget before the model runs and before anything is written.
fn within_budget(live: &Live, prepared: &Prepared, options: &RunOptions) -> Result<()> {
    let mut used = 0;
    for item in &prepared.items {
        used += budget::check(options, &extents(live, item, options), item.tokens.len(), used)?.disk;
        if used > options.disk_budget.unwrap_or(u64::MAX) {
            break;
        }
    }
    Ok(())
}

/// Runs inputs through a checkpoint and keeps what attention did.
///
/// # Errors
/// `is_usage`, `is_budget` before anything is written; `is_interrupted` with what was whole kept; what reading, running
/// and writing answer.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Finished> {
    context.install(|| captured(options, context))
}

fn captured(options: &Options, context: &Context<'_>) -> Result<Finished> {
    options.check()?;
    let kept = RunOptions {
        keep: options.keep,
        dtype: options.dtype,
        selection: options.selection.clone(),
        layer_input: options.keep == Keep::StatsQk,
        durability: if options.durable { Durability::Power } else { Durability::Process },
        disk_budget: options.max_bytes,
        memory_budget: options.max_memory,
        seed: context.seed(),
        ..RunOptions::default()
    };
    target::one_stack(options.inputs.stack)?;
    let live = target::live(&options.target, &options.inputs.opening(), context)?;
    options.selection.check(live.info.layers, live.info.heads)?;
    let prepared = inputs::prepare(&live, &options.inputs, context)?;
    within_budget(&live, &prepared, &kept)?;
    let mut writer = match options.resume {
        true => {
            let run = Run::open(&options.output)?;
            if run.info() != &live.info {
                return Err(Error::usage(format!(
                    "{}: was captured from another model; name a new folder, or the model that it began with",
                    options.output.display()
                )));
            }
            let is_another = |&index: &usize| prepared.items.get(index).is_none_or(|i| i.tokens != run.tokens(index));
            if let Some(index) = (0..run.inputs()).find(is_another) {
                return Err(Error::usage(format!(
                    "{}: holds {} inputs, of which number {index} is not the one given here; name a new folder, or give the \
                     inputs that it began with",
                    options.output.display(),
                    run.inputs()
                )));
            }
            RunWriter::resume(&options.output)?
        }
        false => {
            if options.overwrite {
                RunWriter::clear(&options.output)?;
            }
            RunWriter::create(&options.output, &kept, &live.info)?
        }
    };
    let (total, first) = (prepared.items.len(), writer.committed());
    let selection = writer.options().selection.clone();
    let keep =
        KeptParts { values: writer.options().values, z: writer.options().outputs, input: writer.options().layer_input };
    for (index, item) in prepared.items.iter().enumerate().skip(first) {
        if context.is_interrupted() {
            let why = format!("stopped: {index} of {total} inputs are kept in {}", options.output.display());
            return Err(Error::new(Kind::Interrupted, why));
        }
        capturing(context, &live, (index, 0), &prepared);
        let extents = extents(&live, item, writer.options());
        let mut entry = writer.begin(&described(item, index), &extents)?;
        let mut written = 0;
        let mut write = |layer| {
            written += 1;
            capturing(context, &live, (index, written), &prepared);
            entry.layer(&layer)
        };
        let mut recorder = Recorder::new(&live.model, &selection, keep, &item.tokens, &mut write);
        live.model.hidden(&item.input, &mut recorder, &Overrides::none())?;
        entry.commit()?;
    }
    let bytes = writer.used();
    writer.finish()?;
    Ok(Finished {
        schema: "attractor.capture/1",
        run: options.output.clone(),
        inputs: total,
        resumed_at: first,
        bytes,
        seed: context.seed(),
        source: prepared.source,
    })
}
