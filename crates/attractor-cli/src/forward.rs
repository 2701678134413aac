//! Inputs through a model, attention out of it.

use attractor::retrieve::tiled;
use attractor_capture::record::{InputRecord, LayerRecord, Token};
use attractor_capture::{Captured, Selection, default_request};
use attractor_nn::model::{Keep, Observer, Tap, Want};
use attractor_nn::{Model, Overrides};

use crate::console::Progress;
use crate::error::Outcome;
use crate::inputs::Prepared;
use crate::target::Live;

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
