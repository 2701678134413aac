//! What to know of a rollout or a flow before it is believed, typed, and the sentences for it.

use std::fmt;

use crate::place::written_as_words;

/// What was left out, or is no part of the definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caveat {
    /// Layers without a map, taken as the identity.
    WithoutMap(Vec<usize>),
    /// Layers below this one are taken as the identity.
    Below(usize),
    /// Of a layer's heads some alone were kept, and fused.
    SomeHeads {
        /// The layer.
        layer: usize,
        /// Heads that were kept.
        kept: usize,
        /// Heads that it has.
        heads: usize,
    },
    /// A fusion other than the mean, or discarded cells.
    NotTheDefinition,
    /// Rows that do not sum to one and were scaled to.
    Scaled(usize),
    /// Rows without any weight, taken as the identity.
    Blind(usize),
    /// Shares are flow values of single tokens, divided by their sum.
    FlowValues,
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithoutMap(layers) => {
                let names = layers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
                write!(f, "layers without a map, taken as the identity: {names}")
            }
            Self::Below(start) => write!(f, "layers below {start} are taken as the identity"),
            Self::SomeHeads { layer, kept, heads } => {
                write!(f, "layer {layer}: {kept} of {heads} heads were kept and fused")
            }
            Self::NotTheDefinition => {
                f.write_str("fusion other than the mean and discarded cells are not part of the definition of rollout")
            }
            Self::Scaled(rows) => write!(
                f,
                "{rows} rows of the layers' maps do not sum to one and were scaled to: these may not be attention weights; \
                 judge them first"
            ),
            Self::Blind(rows) => write!(f, "{rows} rows have no weight at all and were taken as the identity"),
            Self::FlowValues => f.write_str("flow values of single tokens, divided by their sum"),
        }
    }
}

written_as_words!(Caveat);
