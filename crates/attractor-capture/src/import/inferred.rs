//! What an import took to be so because nothing said it, and which option says otherwise.

use std::fmt;

use attractor::Hint;
use attractor_record::Stack;
use serde::{Serialize, Serializer};

use super::axes::Axes;

/// Something that was inferred from the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Inferred {
    /// The axes of some arrays, by their number.
    Axes {
        /// The first of these arrays.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// How many more there are.
        more: usize,
        /// How they were read.
        axes: Axes,
    },
    /// Layer and head from two numbers side by side, in the name of the first of so many maps.
    LayerAndHead {
        /// The name.
        name: String,
        /// What its numbers were taken for.
        place: (usize, usize),
    },
    /// The lowest number of a layer is not 0: these are the lowest, the highest and how many there are.
    Numbers {
        /// The lowest number.
        first: usize,
        /// The highest number.
        last: usize,
        /// Number of layers.
        layers: usize,
    },
    /// The mask of a stack, from its weights.
    Mask {
        /// The stack.
        stack: Stack,
        /// True if causal, otherwise full.
        causal: bool,
        /// Layers with nothing beyond a causal mask.
        keep: usize,
        /// Layers that show a mask at all.
        of: usize,
        /// Position of the first query: the lowest and the highest of all maps.
        offset: (usize, usize),
    },
    /// Cross attention, since queries and keys differ in number and mass lies everywhere.
    Cross {
        /// Queries of the first such map.
        queries: usize,
        /// Its keys.
        keys: usize,
    },
    /// Steps, since keys grow from one to the next.
    Steps(usize),
}

impl Inferred {
    /// What would say otherwise.
    pub fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::Axes { axes, .. } => {
                let other = match axes.to_string().as_str() {
                    "head,q,k" => "batch,q,k",
                    "batch,q,k" => "head,q,k",
                    "batch,head,q,k" => "layer,head,q,k",
                    _ => "batch,head,q,k",
                };
                Hint::give("axes", other)
            }
            Self::LayerAndHead { .. } => return None,
            Self::Numbers { layers, .. } => Hint::give("layers", format!("0-{}", layers.saturating_sub(1))),
            Self::Mask { causal, .. } => Hint::give("mask", if *causal { "causal" } else { "full" }),
            Self::Cross { .. } => Hint::give("stack", Stack::Only),
            Self::Steps(_) => Hint::give("axes", "layer,batch,head,q,k"),
        })
    }
}

/// The sentence, without the hint.
impl fmt::Display for Inferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |stack: &Stack| if stack.is_only() { String::new() } else { format!("{stack}: ") };
        match self {
            Self::Axes { name, shape, more, axes } => {
                let more = if *more > 0 { format!(" and {more} more") } else { String::new() };
                write!(f, "{name}{more}, shape {shape:?}: read as {axes}; if they are otherwise")
            }
            Self::LayerAndHead { name, place: (layer, head) } => {
                write!(f, "{name}: read as layer {layer}, head {head}; a name such as L{layer}H{head} says it")
            }
            Self::Numbers { first, last, layers } => write!(
                f,
                "the {layers} layers are numbered {first} to {last}, as in the file; if the model counts from 0"
            ),
            Self::Mask { stack, causal: true, keep, of: all, offset: (low, high) } => {
                let at = match (low, high) {
                    (0, 0) => String::new(),
                    (low, high) if low == high => format!(", the first query at position {low}"),
                    (low, high) => format!(", the first queries at positions {low} to {high}"),
                };
                let breaks = if keep == all { String::new() } else { format!("; {} of {all} break it", all - keep) };
                let stack = of(stack);
                write!(
                    f,
                    "{stack}the mask was taken for causal, as {keep} of {all} layers show{at}{breaks}; to be certain"
                )
            }
            Self::Mask { stack, causal: false, keep: 0, of: all, .. } => {
                let layers =
                    if *all == 0 { "no layer shows one".into() } else { format!("{all} of {all} layers attend ahead") };
                write!(f, "{}the mask was taken for full: {layers}; to be certain", of(stack))
            }
            Self::Mask { stack, keep, of: all, .. } => write!(
                f,
                "{}the mask was taken for full, though {keep} of {all} layers have nothing ahead; to be certain",
                of(stack)
            ),
            Self::Cross { queries, keys } => write!(
                f,
                "{queries} queries x {keys} keys with mass everywhere: read as cross attention; if queries are positions among \
                 the keys"
            ),
            Self::Steps(steps) => {
                write!(
                    f,
                    "keys grow from one entry to the next: read as {steps} steps of one input; if they are layers"
                )
            }
        }
    }
}

impl Serialize for Inferred {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hint = self.hint().map_or(String::new(), |hint| format!(", {hint}"));
        serializer.serialize_str(&format!("{self}{hint}"))
    }
}
