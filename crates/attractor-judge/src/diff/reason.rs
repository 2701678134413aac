//! What two sources do not share, typed, and the sentences for it.

use std::fmt;

use attractor_record::{Origin, Patterns};

use super::Metric;
use crate::measure::Repeated;
use crate::place::{Head, written_as_words};

/// One of the two sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before.
    A,
    /// After.
    B,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::A, Self::B];
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::A { "A" } else { "B" })
    }
}

/// What has no partner or could not be compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Disparity {
    /// Inputs that were given twice.
    Repeated(Repeated),
    /// Inputs without tokens on one side.
    UnknownTokens {
        /// How many.
        unknown: usize,
        /// Of how many.
        inputs: usize,
    },
    /// Layers that one side alone has.
    OnlyLayers(Side, Vec<usize>),
    /// Heads that one side alone has.
    OnlyHeads {
        /// The layer.
        layer: usize,
        /// The side.
        side: Side,
        /// The heads.
        heads: Vec<usize>,
    },
    /// A layer whose maps have another shape on the other side.
    OtherShape {
        /// The layer.
        layer: usize,
        /// The first such input, and its step where it has several.
        origin: Origin,
        /// Queries and keys of A and of B.
        shapes: [(usize, usize); 2],
    },
    /// A metric that no head has on both sides.
    NotTestable(Metric),
}

impl fmt::Display for Disparity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Repeated(repeated) => repeated.fmt(f),
            Self::UnknownTokens { unknown, inputs } => {
                write!(f, "{unknown} of {inputs} inputs have no tokens on one side: they are assumed to be the same")
            }
            Self::OnlyLayers(side, layers) => write!(f, "layers only in {side}: {}", list(layers)),
            Self::OnlyHeads { layer, side, heads } => write!(f, "layer {layer}: heads only in {side}: {}", list(heads)),
            Self::OtherShape { layer, origin, shapes: [a, b] } => write!(
                f,
                "layer {layer}, {origin}: A has {} x {} queries and keys, B {} x {}; the layer is left out",
                a.0, a.1, b.0, b.1
            ),
            Self::NotTestable(Metric::Loss) => {
                f.write_str("loss: not compared, it needs two models with a loss of the same kind")
            }
            Self::NotTestable(metric) => write!(f, "{metric}: not testable, {}", lacking(*metric)),
        }
    }
}

fn lacking(metric: Metric) -> &'static str {
    match metric {
        Metric::Induction | Metric::Duplicate => {
            "there are no repeated random tokens for it, no token of the inputs occurs again, or the maps were not kept"
        }
        Metric::Divergence => "one of the two kept no maps",
        Metric::Sink => "one of the two kept neither maps nor what every key receives",
        _ => "one of the two kept neither maps nor statistics",
    }
}

/// What is wrong with a head's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Rows that hold NaN or infinity.
    Rows {
        /// How many.
        broken: usize,
        /// Of how many.
        rows: usize,
    },
    /// No row has any weight.
    NoWeight,
    /// Neither the map nor its statistics were kept.
    NothingKept,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows { broken, rows } => write!(f, "{broken} of {rows} rows contain NaN or infinity"),
            Self::NoWeight => f.write_str("no row has any weight"),
            Self::NothingKept => f.write_str("neither its map nor its statistics were kept"),
        }
    }
}

/// Why a head could not be compared, or not on all inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit {
    /// The side of the first such input.
    pub side: Side,
    /// What is wrong there.
    pub fault: Fault,
    /// On how many inputs something is.
    pub on: usize,
    /// Of how many.
    pub inputs: usize,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side, fault, on, inputs } = self;
        if on < inputs {
            write!(f, "on {on} of {inputs} inputs; ")?;
        }
        write!(f, "{side}: {fault}")
    }
}

/// Whom a condition speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// A head.
    Head(Head),
    /// The whole model: its loss.
    Model,
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(head) => head.fmt(f),
            Self::Model => f.pad("model"),
        }
    }
}

/// Inputs that a source was given twice, as a note.
pub(super) fn repeated(patterns: &dyn Patterns) -> attractor::Result<Option<Disparity>> {
    Ok(crate::measure::repeated_inputs(patterns)?.as_deref().and_then(Repeated::of).map(Disparity::Repeated))
}

written_as_words!(Disparity, Unfit, Whom);
