//! Taps: what an attention layer shows while the model runs, and only what is asked for.

use attractor::retrieve::{Dot, Heads, Mask, Modifiers, Problem, Separation};

use attractor::Result;

/// What an observer wants of a layer. Nothing else is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Want {
    /// Queries and keys.
    pub query_key: bool,
    /// Values.
    pub values: bool,
    /// z = A.V per head.
    pub z: bool,
    /// What the attention module returned.
    pub output: bool,
    /// The normalised input to attention.
    pub input: bool,
}

impl Want {
    /// Everything.
    pub fn all() -> Self {
        Self { query_key: true, values: true, z: true, output: true, input: true }
    }

    /// True if nothing is wanted.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Watches a forward pass.
pub trait Observer {
    /// What is wanted of layer `layer`'s attention.
    fn wants(&self, _layer: usize) -> Want {
        Want::default()
    }

    /// Receives it.
    ///
    /// # Errors
    /// Ends the forward pass.
    fn tap(&mut self, _tap: Tap) -> Result<()> {
        Ok(())
    }

    /// True if hidden state `index` is wanted: 0 is the embedding output, l the output of block l - 1, except that
    /// the last one is taken after the final norm for GPT-2- and Llama-like models and before it for ViT.
    fn wants_hidden(&self, _index: usize) -> bool {
        false
    }

    /// Receives it, [positions, width].
    ///
    /// # Errors
    /// Ends the forward pass.
    fn hidden(&mut self, _index: usize, _state: Vec<f32>) -> Result<()> {
        Ok(())
    }
}

/// Watches nothing.
impl Observer for () {}

/// One attention layer of one input. What was not wanted is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Tap {
    /// The layer, from 0.
    pub layer: usize,
    /// Query heads h.
    pub heads: usize,
    /// Key heads g.
    pub key_heads: usize,
    /// Positions n: queries and keys.
    pub positions: usize,
    /// Width of a head: queries, keys and values.
    pub width: usize,
    /// Scores are beta q.k.
    pub beta: f32,
    /// Soft cap of the scores.
    pub soft_cap: Option<f32>,
    /// Learned sink logits, one per query head; empty: none.
    pub sinks: Vec<f32>,
    /// Which keys a query sees.
    pub mask: Mask,
    /// Queries after norm and rotation, [h, n, width].
    pub q: Vec<f32>,
    /// Keys likewise, [g, n, width].
    pub k: Vec<f32>,
    /// Values, [g, n, width].
    pub v: Vec<f32>,
    /// What went into the output projection, [h, n, width] (overrides included).
    pub z: Vec<f32>,
    /// What the attention module returned, [n, model width].
    pub output: Vec<f32>,
    /// What the attention module was given, [n, model width].
    pub input: Vec<f32>,
}

impl Tap {
    /// The retrieval that this layer computed. Needs queries and keys; values join if they were tapped.
    ///
    /// # Errors
    /// `is_shape` if queries and keys were not tapped.
    pub fn problem(&self) -> Result<Problem<'_>> {
        let (n, d) = (self.positions, self.width);
        Ok(Problem {
            queries: Heads::new(self.q.as_slice(), self.heads, n, d)?,
            keys: Heads::new(self.k.as_slice(), self.key_heads, n, d)?,
            values: match self.v.is_empty() {
                true => None,
                false => Some(Heads::new(self.v.as_slice(), self.key_heads, n, d)?),
            },
            similarity: &Dot,
            separation: Separation::Softmax { beta: self.beta },
            modifiers: Modifiers {
                soft_cap: self.soft_cap,
                sinks: (!self.sinks.is_empty()).then_some(self.sinks.as_slice()),
                ..Modifiers::masked(&self.mask)
            },
        })
    }
}
