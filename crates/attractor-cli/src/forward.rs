//! Inputs through a model, attention out of it.

use std::path::Path;

use attractor::retrieve::tiled;
use attractor_nn::model::{Keep, Observer, Tap, Want};
use attractor_nn::{Model, Overrides};
use attractor_record::{Captured, Patterns, Restricted, Selection, default_request};
use attractor_record::{InputRecord, LayerRecord, Token};

use crate::args::{Common, Inputs};
use crate::console::{Progress, counted};
use crate::error::Outcome;
use crate::inputs::{self, Prepared};
use crate::target::{self, Live, Target};
use attractor::Error;

/// Turns the taps of one forward pass into records as they come.
struct Recorder<'a> {
    model: &'a Model,
    selection: &'a Selection,
    keep: Keep,
    tokens: &'a [Token],
    layers: Vec<LayerRecord>,
}

impl Observer for Recorder<'_> {
    fn wants(&self, layer: usize) -> Want {
        if self.selection.layer(layer) { Want::all() } else { Want::default() }
    }

    fn tap(&mut self, tap: Tap) -> attractor_nn::Result<()> {
        let request = default_request(self.tokens, tap.positions);
        let statistics = tiled::statistics(&tap.problem()?, &request)?;
        let record = self.model.record(tap, self.keep)?;
        self.layers.push(LayerRecord { statistics, ..record });
        Ok(())
    }
}

/// Runs one prepared input.
pub fn one(live: &Live, prepared: &Prepared, index: usize, selection: &Selection, keep: Keep) -> Outcome<InputRecord> {
    let item = &prepared.items[index];
    let mut recorder = Recorder { model: &live.model, selection, keep, tokens: &item.tokens, layers: Vec::new() };
    live.model.forward(&item.input, &mut recorder, &Overrides::none())?;
    Ok(InputRecord {
        index,
        tokens: item.tokens.clone(),
        prompt_length: None,
        grid: item.grid,
        layers: recorder.layers,
    })
}

/// Runs all prepared inputs and holds what judgement reads.
pub fn all(live: &Live, prepared: &Prepared, selection: &Selection, progress: &Progress) -> Outcome<Captured> {
    selection.check(live.info.layers, live.info.heads)?;
    let keep = Keep { values: false, z: false, input: true };
    let mut inputs = Vec::new();
    for index in 0..prepared.items.len() {
        progress.step("capturing", index, prepared.items.len());
        inputs.push(one(live, prepared, index, selection, keep)?);
    }
    Ok(Captured { info: live.info.clone(), inputs })
}

/// A target that was opened: its patterns, and the model and inputs that they came from, if it is a checkpoint.
pub struct Opened {
    /// Of the selected layers and heads.
    pub patterns: Box<dyn Patterns>,
    /// `None`: a run.
    pub live: Option<(Box<Live>, Prepared)>,
}

/// Opens a target: a run is read, a checkpoint runs the inputs that `prepare` makes of what was given.
pub fn open(
    path: &Path,
    given: &Inputs,
    selection: Selection,
    common: &Common,
    prepare: impl FnOnce(&Live) -> Outcome<Prepared>,
) -> Outcome<Opened> {
    match target::open(path, given.model_config.as_deref())? {
        Target::Live(live) => {
            let prepared = prepare(&live)?;
            let captured = all(&live, &prepared, &selection, &Progress::new(common.quiet))?;
            Ok(Opened { patterns: Box::new(Restricted::new(captured, selection)?), live: Some((live, prepared)) })
        }
        Target::Run(run) => {
            given.refuse_for_a_run(path)?;
            if run.inputs() == 0 {
                return Err(Error::io(format!(
                    "{}: holds no input: its capture was cut short; go on with attractor capture --resume",
                    path.display()
                )));
            }
            Ok(Opened { patterns: Box::new(Restricted::new(*run, selection)?), live: None })
        }
    }
}

/// Opens a target of which one input is asked for; a checkpoint does not run those behind it.
pub fn open_input(
    path: &Path,
    given: &Inputs,
    number: usize,
    selection: Selection,
    common: &Common,
) -> Outcome<Opened> {
    let within = |count: usize| match number < count {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "--input-number {number}: the target holds {}, numbered from 0",
            counted(count, "input")
        ))),
    };
    let opened = open(path, given, selection, common, |live| {
        let mut prepared = inputs::prepare(live, given, common)?;
        within(prepared.items.len())?;
        prepared.items.truncate(number + 1);
        Ok(prepared)
    })?;
    within(opened.patterns.inputs())?;
    Ok(opened)
}
