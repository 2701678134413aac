//! Sources of patterns for tests.

use std::ops::Range;

use attractor::retrieve::{HeadStatistics, Mask};

use crate::{Facts, LayerShape, Made, ModelInfo, Patterns, Result, Rows, Token};

/// Maps whose weights number their cells; head 1 was not kept.
pub(crate) struct Numbered {
    pub queries: usize,
    pub keys: usize,
    pub inputs: usize,
    /// Rows come without their last number.
    pub short: bool,
}

impl Patterns for Numbered {
    fn info(&self) -> &ModelInfo {
        unimplemented!("no test asks")
    }
    fn inputs(&self) -> usize {
        self.inputs
    }
    fn tokens(&self, _: usize) -> &[Token] {
        &[]
    }
    fn prompt_length(&self, _: usize) -> Option<usize> {
        None
    }
    fn layers(&self) -> Vec<LayerShape> {
        vec![LayerShape { layer: 0, heads: vec![0, 1], model_heads: 2, key_heads: 2 }]
    }
    fn mask(&self, _: usize, _: usize) -> Result<Mask> {
        Ok(Mask::full())
    }
    fn shape(&self, _: usize, _: usize) -> Result<(usize, usize)> {
        Ok((self.queries, self.keys))
    }
    fn statistics(&self, _: usize, _: usize, _: usize) -> Result<Option<HeadStatistics>> {
        Ok(None)
    }
    fn open(&self, _: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        let (first, keys, left_out) = (input * 1000, self.keys, usize::from(self.short));
        let rows = move |rows: Range<usize>| {
            (rows.start * keys..rows.end * keys - left_out).map(|cell| (first + cell) as f32).collect::<Vec<f32>>()
        };
        Ok((head == 0).then(|| Box::new(Made(rows)) as Box<dyn Rows>))
    }
    fn layer_input(&self, _: usize, _: usize, _: &[usize]) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
    fn facts(&self, _: usize, _: usize) -> Result<Facts> {
        Ok(Facts::default())
    }
}
