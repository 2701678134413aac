//! Learning rates, how they fall, and what may change of them while a training goes on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Learning rates of the three groups of parameters, a mean gradient over the batch each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Of W.
    pub weights: f32,
    /// Of a.
    pub visible: f32,
    /// Of b.
    pub hidden: f32,
}

impl Rates {
    /// One rate for all.
    pub fn all(rate: f32) -> Self {
        Self { weights: rate, visible: rate, hidden: rate }
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { weights, visible, hidden } = self;
        match weights == visible && weights == hidden {
            true => write!(f, "{weights}"),
            false => write!(f, "{weights} (visible biases {visible}, hidden biases {hidden})"),
        }
    }
}

/// How the rates fall after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// They do not.
    None,
    /// 1 / (1 + updates / half).
    Inverse {
        /// Updates after which the rate is halved.
        half: u64,
    },
    /// On a straight line to `end` times the rate.
    Linear {
        /// Updates until then.
        updates: u64,
        /// What is left, from 0 to 1.
        end: f32,
    },
}

impl fmt::Display for Decay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Inverse { half } => write!(f, "1 / (1 + updates / {half})"),
            Self::Linear { updates, end } => write!(f, "linear to {end} over {updates} updates"),
        }
    }
}

/// A setting that was changed when a training went on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "option", rename_all = "snake_case")]
pub enum Changed {
    /// The learning rates.
    Rates {
        /// Until then.
        was: Rates,
        /// From then on.
        is: Rates,
    },
    /// How they fall.
    Decay {
        /// Until then.
        was: Decay,
        /// From then on.
        is: Decay,
    },
    /// Gradient clipping.
    Clip {
        /// Until then; none: not at all.
        was: Option<f32>,
        /// From then on.
        is: Option<f32>,
    },
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let norm = |clip: &Option<f32>| clip.map_or("none".to_string(), |norm| norm.to_string());
        match self {
            Self::Rates { was, is } => write!(f, "rates: was {was}, {is}"),
            Self::Decay { was, is } => write!(f, "decay: was {was}, {is}"),
            Self::Clip { was, is } => write!(f, "clip: was {}, {}", norm(was), norm(is)),
        }
    }
}
