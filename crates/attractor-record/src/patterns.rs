//! One door to attention patterns, wherever they are: in memory, in a run on disk, in a foreign file.

use std::ops::Range;

use attractor::retrieve::{HeadStatistics, Mask};

use crate::rows::Rows;
use crate::{Facts, MaskOrigin, ModelInfo, Origin, Stack, Token};
use attractor::{Error, Result};

/// A captured layer and which of its heads were kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerShape {
    /// The model's own layer number.
    pub layer: usize,
    /// Numbers of the kept query heads, ascending.
    pub heads: Vec<usize>,
    /// Query heads of the model's layer.
    pub model_heads: usize,
    /// Key heads of the model's layer.
    pub key_heads: usize,
}

/// A source of attention patterns of one stack of layers.
///
/// Layers and heads are addressed by the model's own numbers. `input` counts entries: inputs in the order in which they were
/// captured, and where inputs have several steps, every step of each; [`origin`](Self::origin) says which it is, and
/// [`Steps`](crate::Steps) sorts them. `Ok(None)` means "was not kept", which is no error: the caller says "not testable"
/// and why.
pub trait Patterns: Send + Sync {
    /// What was captured.
    fn info(&self) -> &ModelInfo;
    /// The stack whose layers these are; a source of several is read one at a time.
    fn stack(&self) -> Stack {
        Stack::default()
    }
    /// Number of entries: of inputs, where each has one step.
    fn inputs(&self) -> usize;
    /// Which input, and which step of it, an entry is.
    fn origin(&self, input: usize) -> Origin {
        Origin::of(input)
    }
    /// Tokens of an input, one per position; empty if unknown.
    fn tokens(&self, input: usize) -> &[Token];
    /// Number of leading positions that were given.
    fn prompt_length(&self, input: usize) -> Option<usize>;
    /// The kept layers, ascending.
    fn layers(&self) -> Vec<LayerShape>;
    /// The mask of a layer for an input.
    fn mask(&self, layer: usize, input: usize) -> Result<Mask>;
    /// Where the mask of a layer for an input comes from.
    fn mask_origin(&self, layer: usize, input: usize) -> Result<MaskOrigin> {
        let _ = (layer, input);
        Ok(MaskOrigin::Given)
    }
    /// Queries and keys of a layer for an input.
    fn shape(&self, layer: usize, input: usize) -> Result<(usize, usize)>;
    /// Row statistics of a head, from the model's own numbers.
    fn statistics(&self, layer: usize, head: usize, input: usize) -> Result<Option<HeadStatistics>>;
    /// The map of a head, opened for reading strip by strip; [`Walk`](crate::Walk) goes through it.
    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>>;
    /// Weights of some rows of a head, [rows, keys], exactly zero where the mask forbids.
    fn weights(&self, layer: usize, head: usize, input: usize, rows: Range<usize>) -> Result<Option<Vec<f32>>> {
        let Some(mut map) = self.open(layer, head, input)? else { return Ok(None) };
        check_rows(&rows, self.shape(layer, input)?.0)?;
        let mut weights = Vec::new();
        map.read(rows, &mut weights)?;
        Ok(Some(weights))
    }
    /// Some rows of the layer's normalised input to attention, [rows, model width].
    fn layer_input(&self, layer: usize, input: usize, rows: &[usize]) -> Result<Option<Vec<f32>>>;
    /// What was checked while the model ran.
    fn facts(&self, layer: usize, input: usize) -> Result<Facts>;
}

/// The refusal of an input that is not there.
pub fn no_input(input: usize, inputs: usize) -> Error {
    match inputs {
        0 => Error::usage(format!("there is no input {input}: nothing was captured")),
        n => Error::usage(format!("there is no input {input}; inputs are 0 to {}", n - 1)),
    }
}

/// The refusal of a layer that was not kept.
pub fn no_layer(layer: usize, input: usize, layers: &[LayerShape]) -> Error {
    let kept: Vec<String> = layers.iter().map(|shape| shape.layer.to_string()).collect();
    Error::usage(format!("layer {layer} was not kept for input {input}; kept layers: {}", kept.join(", ")))
}

/// Refuses rows that are not there.
///
/// # Errors
/// `is_usage`.
pub fn check_rows(rows: &Range<usize>, queries: usize) -> Result<()> {
    match rows.start <= rows.end && rows.end <= queries {
        true => Ok(()),
        false => Err(Error::usage(format!("rows {}..{} of {queries} queries do not exist", rows.start, rows.end))),
    }
}
