//! What a forward pass showed, in memory: the object that flows from models to runs, judgement and pictures.

use attractor::retrieve::{HeadStatistics, Mask};
use serde::{Deserialize, Serialize};

use crate::{Origin, Stack, Token};

/// What attention did in one layer for one input, as the model computed it.
///
/// Row-major f32; `n` queries, `m` keys, `h` query heads, `g` key heads (h a multiple of g: query head a reads key
/// head a / (h / g)), `d` head width, `e` value width.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerRecord {
    /// The stack that the layer belongs to.
    pub stack: Stack,
    /// The model's own layer number within its stack, zero-based.
    pub layer: usize,
    /// Query heads h.
    pub heads: usize,
    /// Key and value heads g.
    pub key_heads: usize,
    /// Queries n.
    pub queries: usize,
    /// Keys m.
    pub keys: usize,
    /// Head width d of queries and keys.
    pub width: usize,
    /// Head width e of values.
    pub value_width: usize,
    /// Inverse temperature: scores are beta q.k (usually 1/sqrt(d)).
    pub beta: f32,
    /// Which keys a query may see; its offset is the position of the first query among the keys.
    pub mask: Mask,
    /// Soft cap of the scores.
    pub soft_cap: Option<f32>,
    /// ALiBi slopes, one per query head; empty: none.
    pub alibi: Vec<f32>,
    /// Learned sink logits, one per query head; empty: none.
    pub sinks: Vec<f32>,
    /// Queries after every position rule (RoPE, norms), [h, n, d].
    pub q: Vec<f32>,
    /// Keys likewise, [g, m, d].
    pub k: Vec<f32>,
    /// Values, [g, m, e]; empty if not kept.
    pub v: Vec<f32>,
    /// z = A.V per head, as the model's own attention computed it, [h, n, e]; empty if not kept.
    pub z: Vec<f32>,
    /// The layer's normalised input to attention, [n, model width], or [its rows, model width]; empty if not kept.
    pub input: Vec<f32>,
    /// The rows of `input` that were kept, ascending; empty: all.
    pub input_rows: Vec<usize>,
    /// Row statistics from the model's own f32 queries and keys, one per head; empty if not computed.
    pub statistics: Vec<HeadStatistics>,
    /// What was checked while the model ran.
    pub facts: Facts,
}

impl LayerRecord {
    /// Keeps only some rows of the input to attention.
    pub fn thin_input(&mut self, rows: Vec<usize>) {
        let width = self.input.len() / self.queries.max(1);
        if width > 0 && rows.len() < self.queries && self.input_rows.is_empty() {
            self.input =
                rows.iter().flat_map(|row| self.input[row * width..(row + 1) * width].iter().copied()).collect();
            self.input_rows = rows;
        }
    }

    /// Some rows of the input to attention, [rows, model width]; `None` if one of them was not kept.
    pub fn input_at(&self, rows: &[usize]) -> Option<Vec<f32>> {
        let kept = if self.input_rows.is_empty() { self.queries } else { self.input_rows.len() };
        let width = self.input.len() / kept.max(1);
        let mut found = Vec::with_capacity(rows.len() * width);
        for &row in rows {
            let at = if self.input_rows.is_empty() { row } else { self.input_rows.binary_search(&row).ok()? };
            found.extend_from_slice(self.input.get(at * width..(at + 1) * width).filter(|row| !row.is_empty())?);
        }
        Some(found)
    }
}

/// The rows of a map that are compared with each other: at most `count`, evenly spaced over the queries that see two keys or
/// more.
pub fn spaced_rows(mask: &Mask, queries: usize, keys: usize, count: usize) -> Vec<usize> {
    let candidates: Vec<usize> = (0..queries).filter(|&row| mask.visible(row, keys) >= 2).collect();
    let count = candidates.len().min(count);
    (0..count).map(|at| candidates[at * candidates.len() / count]).collect()
}

/// What can only be checked while the model runs; part of the certificate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Largest |A.V - z| over heads, rows and features, where z is what went into the output projection.
    pub output_error: Option<f64>,
    /// Largest |W_O z + b - output| over rows and features, where output is what the module returned.
    pub projection_error: Option<f64>,
    /// Largest |output|: the scale for the two errors above.
    pub output_scale: Option<f64>,
    /// True if dropout and the like were off.
    pub evaluation_mode: Option<bool>,
}

/// One input, or one step of it, and what every captured layer did with it.
#[derive(Debug, Clone, PartialEq)]
pub struct InputRecord {
    /// Position among the entries of the capture.
    pub index: usize,
    /// Which input it is, and at which step.
    pub origin: Origin,
    /// Its tokens, one per position.
    pub tokens: Vec<Token>,
    /// Number of leading positions that were given (the prompt); `None` if the notion does not apply.
    pub prompt_length: Option<usize>,
    /// Height and width in patches, for images.
    pub grid: Option<(usize, usize)>,
    /// The captured layers, in the model's order.
    pub layers: Vec<LayerRecord>,
}
