//! What a check found, typed, and the sentences for it.

use std::fmt;

use attractor::numerals::significant;
use attractor_record::{MaskOrigin, Origin};
use serde::{Serialize, Serializer};

use crate::aside::Absent;

/// A check of a certificate; JSON and tables know it by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CaptureCheck {
    /// No NaN or infinity among queries, keys or weights.
    Finite,
    /// Every row sums to one (with the mass of a learned sink).
    RowSums,
    /// No mass where the mask forbids.
    Support,
    /// A.V is what went into the output projection.
    Output,
    /// W_O z + b is what the module returned.
    Projection,
    /// Dropout and the like were off.
    Evaluation,
    /// Mass that goes to no key is accounted for.
    Deficit,
    /// Entropy lies where its bounds, the visible keys and the participation allow.
    Entropy,
    /// The peak lies where the participation allows.
    Peak,
    /// Queries and keys as stored give the model's own log-sum-exp.
    Stored,
    /// The array is a map of weights.
    Weights,
}

impl fmt::Display for CaptureCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Finite => "finite",
            Self::RowSums => "row sums",
            Self::Support => "support",
            Self::Output => "A.V = z",
            Self::Projection => "W_O z + b = output",
            Self::Evaluation => "evaluation mode",
            Self::Deficit => "explained deficits",
            Self::Entropy => "entropy bounds",
            Self::Peak => "peak bounds",
            Self::Stored => "stored log-sum-exp",
            Self::Weights => "weights",
        })
    }
}

/// Where a value was found, of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The input, and its step where it has several.
    pub origin: Origin,
    /// The head and the row, where the value is of one row.
    pub row: Option<(usize, usize)>,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            Some((head, row)) => write!(f, "head {head}, {}, row {row}", self.origin),
            None => self.origin.fmt(f),
        }
    }
}

/// What a worst value beyond its tolerance means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// The module used other weights.
    OtherWeights,
    /// Dropout was on.
    Dropout,
    /// Weights that are of no softmax.
    NoSoftmax,
    /// Mass where the mask forbids.
    OtherMask,
    /// Mass where the mask of the other layers forbids.
    OtherLayers,
    /// Statistics that contradict each other.
    Contradiction,
    /// Rounding of what is stored.
    Rounding,
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherWeights => "; relative to the largest output: the captured weights are not what the module used",
            Self::Dropout => "; the map was captured with dropout on",
            Self::NoSoftmax => "; these are not the weights of a softmax",
            Self::OtherMask => " of mass where the mask forbids: the map is not what a model with this mask computes",
            Self::OtherLayers => {
                " of mass ahead of a query's own position, where the other layers of the file have none: the mask was dropped \
                 or shifted in this layer"
            }
            Self::Contradiction => {
                " outside what entropy, visible keys and sum of squares allow together: the statistics contradict each \
                 other"
            }
            Self::Rounding => "; recomputed weights are off by about that share: write the run with dtype f32",
        })
    }
}

/// What a check found, or why it found nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Account {
    /// The worst value.
    Worst {
        /// It; NaN is worse than any number.
        value: f64,
        /// Where it is.
        spot: Spot,
        /// True if it is in nats.
        nats: bool,
        /// What it means, beyond tolerance.
        means: Option<Means>,
    },
    /// So many rows, all of numbers.
    Finite(usize),
    /// Rows that hold NaN, infinity or negative weights, of how many.
    Invalid(usize, usize),
    /// Rows that see no key, of how many.
    Blind(usize, usize),
    /// No row holds numbers only.
    NoRow,
    /// The mask was not given but inferred.
    InferredMask(MaskOrigin),
    /// The scale of the output was not recorded.
    NoScale,
    /// An import holds weights alone.
    WeightsAlone,
    /// It was not recorded while the model ran.
    NotRecorded,
    /// Nor was dropout; the weights show none.
    NoDropoutSeen,
    /// Dropout was off.
    DropoutOff,
    /// Dropout was on.
    DropoutOn,
    /// Weights look as dropout leaves them.
    Dropped {
        /// Share of exact zeros inside the mask.
        zeros: f64,
        /// Lowest sum of a row.
        low: f64,
        /// Highest sum of a row.
        high: f64,
    },
    /// A learned sink takes this share of the mass on average.
    Sink(f64),
    /// Rows sum to one.
    NothingMissing,
    /// Rows never sum to more than one, as with a learned sink: lowest and highest sum.
    PerhapsSink(f64, f64),
    /// Rows do not sum to one.
    Unexplained,
    /// The run keeps no queries and keys.
    NoQueriesAndKeys,
    /// The layer is not there.
    Absent(Absent),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worst { value, spot, nats, means } => {
                write!(f, "largest at {spot}: {}{}", significant(*value, 4), if *nats { " nats" } else { "" })?;
                means.map_or(Ok(()), |means| means.fmt(f))
            }
            Self::Finite(rows) => write!(f, "all {rows} rows are numbers"),
            Self::Invalid(bad, rows) => write!(
                f,
                "{bad} of {rows} rows hold NaN, Inf or negative weights; they take no part in anything below"
            ),
            Self::Blind(blind, rows) => write!(
                f,
                "{blind} of {rows} rows see no key (padding) and take no part in anything below; the others are numbers"
            ),
            Self::NoRow => f.write_str("no row holds numbers only"),
            Self::InferredMask(MaskOrigin::InferredFull) => f.write_str(
                "the mask was inferred from the weights: full, since there is mass above the diagonal; state the mask to \
                 test it",
            ),
            Self::InferredMask(MaskOrigin::CrossAttention) => {
                f.write_str("every query may see every key in cross attention: no mask shows; state a mask to test it")
            }
            Self::InferredMask(MaskOrigin::InferredMixed) => f.write_str(
                "some layers of the file have nothing above the diagonal and most have: a mask was dropped there or added here; \
                 state the mask to test it",
            ),
            Self::InferredMask(MaskOrigin::InferredBehind) => f.write_str(
                "no query sees its own position in any head, as those of the other layers do: the mask was shifted in this layer",
            ),
            Self::InferredMask(_) => f.write_str(
                "the mask was inferred from the weights: causal, since all above the diagonal is exactly zero; state the \
                 mask to test it",
            ),
            Self::NoScale => f.write_str("the scale of the output was not recorded"),
            Self::WeightsAlone => {
                f.write_str("the import holds weights only; capture from the model itself to test it")
            }
            Self::NotRecorded => f.write_str("it was not recorded while the model ran"),
            Self::NoDropoutSeen => f.write_str("it was not recorded; the weights show no dropout"),
            Self::DropoutOff => f.write_str("dropout was off"),
            Self::DropoutOn => f.write_str("dropout was on; switch the model to evaluation mode"),
            Self::Dropped { zeros, low, high } => write!(
                f,
                "captured in training mode: {:.1}% of the weights inside the mask are exactly zero and rows sum to \
                 {low:.3}..{high:.3}, as dropout does; switch the model to evaluation mode and capture again",
                100.0 * zeros
            ),
            Self::Sink(mean) => write!(f, "a learned sink takes {:.1}% of the mass on average", 100.0 * mean),
            Self::NothingMissing => f.write_str("rows sum to one: there is nothing to explain"),
            Self::PerhapsSink(low, high) => write!(
                f,
                "rows sum to {low:.3}..{high:.3} and never above one, as with a learned sink; nothing in the file says so"
            ),
            Self::Unexplained => f.write_str("rows do not sum to one, and no learned sink explains it"),
            Self::NoQueriesAndKeys => f.write_str("the run keeps no queries and keys"),
            Self::Absent(why) => why.fmt(f),
        }
    }
}

impl Serialize for CaptureCheck {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
