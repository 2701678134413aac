//! A capture in memory.

use std::ops::Range;

use attractor::retrieve::tiled::{self, Packed};
use attractor::retrieve::{HeadStatistics, Mask, Problem};

use crate::kernel::{default_request, head_problem};
use crate::patterns::{LayerShape, Patterns, no_input, no_layer};
use crate::rows::Rows;
use crate::{Facts, InputRecord, LayerRecord, ModelInfo, Origin, Stack, Token};
use attractor::Result;

/// A capture in memory: what a model showed on some inputs.
///
/// Weights are recomputed from queries and keys when asked for; no map is held. Of several stacks it shows that of
/// its first layer; [`of_stack`](Self::of_stack) gives each.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// What was captured.
    pub info: ModelInfo,
    /// The inputs, in order.
    pub inputs: Vec<InputRecord>,
}

impl Captured {
    /// The stacks of which something was captured, in order.
    pub fn stacks(&self) -> Vec<Stack> {
        let mut stacks: Vec<Stack> =
            self.inputs.iter().flat_map(|input| &input.layers).map(|layer| layer.stack).collect();
        stacks.sort_unstable();
        stacks.dedup();
        stacks
    }

    /// What was captured of one stack.
    pub fn of_stack(mut self, stack: Stack) -> Self {
        self.inputs.iter_mut().for_each(|input| input.layers.retain(|layer| layer.stack == stack));
        self
    }

    /// The layers that are shown.
    fn shown<'a>(&self, input: &'a InputRecord) -> impl Iterator<Item = &'a LayerRecord> {
        let stack = self.stack();
        input.layers.iter().filter(move |layer| layer.stack == stack)
    }

    fn input(&self, input: usize) -> Result<&InputRecord> {
        self.inputs.get(input).ok_or_else(|| no_input(input, self.inputs.len()))
    }

    /// The record of a layer for an input; `None` if that layer was not captured.
    ///
    /// # Errors
    /// `is_usage` if there is no such input.
    pub fn layer(&self, layer: usize, input: usize) -> Result<Option<&LayerRecord>> {
        let input = self.input(input)?;
        Ok(self.shown(input).find(|record| record.layer == layer))
    }

    /// `None` if the layer was captured, but not for this input.
    fn kept(&self, layer: usize, input: usize) -> Result<Option<&LayerRecord>> {
        let record = self.layer(layer, input)?;
        match record.is_some() || self.layers().iter().any(|shape| shape.layer == layer) {
            true => Ok(record),
            false => Err(no_layer(layer, input, &self.layers())),
        }
    }
}

/// The weights of a head from its queries and keys.
pub struct Recomputed<'a> {
    problem: Problem<'a>,
    keys: Packed,
}

impl<'a> Recomputed<'a> {
    /// The map of a head of a captured layer.
    ///
    /// # Errors
    /// `is_shape` if the record contradicts itself.
    pub fn new(record: &'a LayerRecord, head: usize) -> Result<Self> {
        let problem = head_problem(record, head)?;
        let keys = Packed::new(&problem, 0)?;
        Ok(Self { problem, keys })
    }
}

impl Rows for Recomputed<'_> {
    fn read(&mut self, rows: Range<usize>, into: &mut Vec<f32>) -> Result<()> {
        self.keys.weights(&self.problem, rows, into)
    }

    fn are_masked(&self) -> bool {
        true
    }
}

impl Patterns for Captured {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn stack(&self) -> Stack {
        self.inputs.iter().flat_map(|input| &input.layers).next().map_or_else(Stack::default, |layer| layer.stack)
    }

    fn inputs(&self) -> usize {
        self.inputs.len()
    }

    fn origin(&self, input: usize) -> Origin {
        self.inputs.get(input).map_or(Origin::of(input), |record| record.origin)
    }

    fn tokens(&self, input: usize) -> &[Token] {
        // Those of an entry are of its queries' positions; of cross attention's keys none are known.
        match self.stack() {
            Stack::Cross => &[],
            _ => self.inputs.get(input).map_or(&[], |record| &record.tokens),
        }
    }

    fn prompt_length(&self, input: usize) -> Option<usize> {
        self.inputs.get(input).and_then(|record| record.prompt_length)
    }

    fn layers(&self) -> Vec<LayerShape> {
        let mut shapes: Vec<LayerShape> = Vec::new();
        for record in self.inputs.iter().flat_map(|input| self.shown(input)) {
            if let Err(place) = shapes.binary_search_by_key(&record.layer, |shape| shape.layer) {
                let heads = (0..record.heads).collect();
                let (model_heads, key_heads) = (record.heads, record.key_heads);
                shapes.insert(place, LayerShape { layer: record.layer, heads, model_heads, key_heads });
            }
        }
        shapes
    }

    fn mask(&self, layer: usize, input: usize) -> Result<Mask> {
        Ok(self.kept(layer, input)?.map_or_else(Mask::full, |record| record.mask.clone()))
    }

    fn shape(&self, layer: usize, input: usize) -> Result<(usize, usize)> {
        Ok(self.kept(layer, input)?.map_or((0, 0), |record| (record.queries, record.keys)))
    }

    fn statistics(&self, layer: usize, head: usize, input: usize) -> Result<Option<HeadStatistics>> {
        let Some(record) = self.kept(layer, input)? else { return Ok(None) };
        let problem = head_problem(record, head)?;
        let statistics = match record.statistics.get(head) {
            Some(statistics) => Some(statistics.clone()),
            None => tiled::statistics(&problem, &default_request(self.tokens(input), record.keys))?.pop(),
        };
        Ok(statistics.map(|s| if self.stack() == Stack::Cross { s.without_positions() } else { s }))
    }

    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        let Some(record) = self.kept(layer, input)? else { return Ok(None) };
        Ok(Some(Box::new(Recomputed::new(record, head)?)))
    }

    fn layer_input(&self, layer: usize, input: usize, rows: &[usize]) -> Result<Option<Vec<f32>>> {
        let record = self.kept(layer, input)?.filter(|record| !record.input.is_empty());
        Ok(record.and_then(|record| record.input_at(rows)))
    }

    fn facts(&self, layer: usize, input: usize) -> Result<Facts> {
        Ok(self.kept(layer, input)?.map_or_else(Facts::default, |record| record.facts.clone()))
    }
}
