//! Where a map lies: (input, step, stack, layer, head).
//!
//! A source of patterns shows one [`Stack`] and numbers its entries; [`Origin`] says which input and step an entry is. Layer and
//! head are the model's own numbers within the stack.

use std::fmt;

use serde::{Deserialize, Serialize};

attractor::choice! {
    /// Which stack of layers a layer belongs to; layers are numbered within their stack.
    #[derive(PartialOrd, Ord, Default, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Stack {
        /// The model has one stack.
        #[default]
        Only = "only",
        /// The encoder's attention to its own positions.
        Encoder = "encoder",
        /// The decoder's attention to its own positions.
        Decoder = "decoder",
        /// The decoder's attention to the encoder's positions.
        Cross = "cross",
    }
}

impl Stack {
    /// True if the model has one stack, which is then never named.
    pub fn is_only(&self) -> bool {
        *self == Self::Only
    }
}

/// A step of an input: of decoding, of diffusion, of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Step {
    /// The number that the capture gave it. Neighbouring numbers are neighbouring steps; there may be gaps.
    pub number: u64,
    /// The block of positions that was worked on, where decoding goes block by block; counted from 0.
    pub block: Option<u64>,
}

impl From<u64> for Step {
    fn from(number: u64) -> Self {
        Self { number, block: None }
    }
}

/// What an entry of a capture shows: an input, or one step of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Which input, counted from 0; entries of the same input are its steps.
    pub input: usize,
    /// Which of its steps; `None`: it has one, which needs no number.
    pub step: Option<Step>,
}

impl Origin {
    /// An input that has one step.
    pub fn of(input: usize) -> Self {
        Self { input, step: None }
    }

    /// A step of an input.
    pub fn at(input: usize, step: impl Into<Step>) -> Self {
        Self { input, step: Some(step.into()) }
    }

    /// The step's number, where it has one.
    pub fn number(&self) -> Option<u64> {
        self.step.map(|step| step.number)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            None => write!(f, "input {}", self.input),
            Some(step) => write!(f, "input {}, step {}", self.input, step.number),
        }
    }
}
