//! A source of patterns, seen through a selection of layers and heads.

use attractor::retrieve::{HeadStatistics, Mask};

use crate::patterns::{LayerShape, Patterns};
use crate::rows::Rows;
use crate::selection::Selection;
use crate::{Facts, MaskOrigin, ModelInfo, Origin, Stack, Token};
use attractor::Result;

/// The selected layers and heads of another source; numbers stay the model's own.
pub struct Restricted<P> {
    inner: P,
    selection: Selection,
}

impl<P: Patterns> Restricted<P> {
    /// Restricts `inner` to what `selection` selects.
    ///
    /// # Errors
    /// `is_usage` if the selection names a layer or head that the model lacks.
    pub fn new(inner: P, selection: Selection) -> Result<Self> {
        selection.check(inner.info().layers, inner.info().heads)?;
        Ok(Self { inner, selection })
    }
}

impl<P: Patterns> Patterns for Restricted<P> {
    fn info(&self) -> &ModelInfo {
        self.inner.info()
    }

    fn stack(&self) -> Stack {
        self.inner.stack()
    }

    fn inputs(&self) -> usize {
        self.inner.inputs()
    }

    fn origin(&self, input: usize) -> Origin {
        self.inner.origin(input)
    }

    fn tokens(&self, input: usize) -> &[Token] {
        self.inner.tokens(input)
    }

    fn prompt_length(&self, input: usize) -> Option<usize> {
        self.inner.prompt_length(input)
    }

    fn layers(&self) -> Vec<LayerShape> {
        let keep = |shape: LayerShape| {
            let selected = self.selection.heads(shape.layer, shape.model_heads);
            let heads: Vec<usize> = shape.heads.iter().copied().filter(|head| selected.contains(head)).collect();
            (!heads.is_empty()).then_some(LayerShape { heads, ..shape })
        };
        self.inner.layers().into_iter().filter_map(keep).collect()
    }

    fn mask(&self, layer: usize, input: usize) -> Result<Mask> {
        self.inner.mask(layer, input)
    }

    fn mask_origin(&self, layer: usize, input: usize) -> Result<MaskOrigin> {
        self.inner.mask_origin(layer, input)
    }

    fn shape(&self, layer: usize, input: usize) -> Result<(usize, usize)> {
        self.inner.shape(layer, input)
    }

    fn statistics(&self, layer: usize, head: usize, input: usize) -> Result<Option<HeadStatistics>> {
        self.inner.statistics(layer, head, input)
    }

    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        self.inner.open(layer, head, input)
    }

    fn layer_input(&self, layer: usize, input: usize, rows: &[usize]) -> Result<Option<Vec<f32>>> {
        self.inner.layer_input(layer, input, rows)
    }

    fn facts(&self, layer: usize, input: usize) -> Result<Facts> {
        self.inner.facts(layer, input)
    }
}
