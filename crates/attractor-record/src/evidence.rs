//! What only a live model can show: its loss, gradients through attention, ablations and the causality probe.
//!
//! A model writes it, judgement reads it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What "loss" means for this model; natural-log units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Mean next-token cross-entropy, nats per token.
    NextToken,
    /// Mean cross-entropy at seeded masked positions, nats per token.
    MaskedToken,
    /// Cross-entropy on given labels, nats per input.
    Label,
    /// A fixed seeded random projection of the last hidden state: the gradient's target where there is no loss.
    RandomProjection,
    /// |h' - h| / |h| of the last hidden state: the ablation's effect where there is no loss.
    RelativeChange,
}

/// Why a model has no loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoLoss {
    /// It has no head that predicts anything.
    BareEncoder,
    /// It predicts masked tokens, and which token masks is not known.
    MaskTokenUnknown,
    /// It predicts labels, and none were given.
    NoLabels,
    /// It has a language model's head on attention that sees the next token.
    SeesTheNextToken,
}

/// What an override puts in place of a head's attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AblationMode {
    /// Uniform over the visible keys.
    Uniform,
    /// The query's own position only.
    SelfOnly,
    /// The previous position only (the first keeps itself).
    Previous,
    /// Uniform over the visible keys of the local window.
    Local,
    /// The mean map of the other inputs, by position.
    MeanMap,
    /// Another input's map.
    OtherInput,
    /// Nothing: z = 0.
    Zero,
}

/// Which heads an ablation touched; numbers are the model's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One head of one layer.
    Head {
        /// Layer.
        layer: usize,
        /// Head.
        head: usize,
    },
    /// All heads of a layer.
    Layer {
        /// Layer.
        layer: usize,
    },
    /// All heads of all layers.
    Whole,
}

/// One ablation over all inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ablation {
    /// Where.
    pub scope: Scope,
    /// What instead.
    pub mode: AblationMode,
    /// The loss (or relative change) of each input with the override; `None` where the mode cannot serve that input
    /// (no other input of its length), or it was not run.
    pub losses: Vec<Option<f64>>,
    /// Inputs that were not run because a budget did not allow it.
    #[serde(default)]
    pub unrun: usize,
}

impl Ablation {
    /// One that was run on every input.
    pub fn new(scope: Scope, mode: AblationMode, losses: Vec<Option<f64>>) -> Self {
        Self { scope, mode, losses, unrun: 0 }
    }
}

/// What ablations cost, in passes: one is the longest input through every layer, and its predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// The budget; `None`: no limit.
    pub passes: Option<u64>,
    /// What was run.
    pub spent: f64,
    /// What everything would have taken.
    pub everything: f64,
    /// So many predictions of each input were looked at, where not all were.
    pub sampled: Option<usize>,
    /// Replacements that were not run at all.
    pub left_out: usize,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} of {:.0} passes", self.spent, self.everything)?;
        if let (Some(passes), Some(sampled)) = (self.passes, self.sampled) {
            write!(f, " (budget {passes}), losses of {sampled} predictions an input")?;
            match self.left_out {
                0 => {}
                1 => f.write_str(", 1 replacement left out")?,
                many => write!(f, ", {many} replacements left out")?,
            }
        }
        Ok(())
    }
}

/// Norm of the loss gradient for a group of parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterGroup {
    /// Its name: "L0.attention.query", "embedding"...
    pub name: String,
    /// True for attention's own parameters.
    pub attention: bool,
    /// Number of parameters.
    pub parameters: u64,
    /// Euclidean norm of the gradient, mean over inputs.
    pub norm: f64,
}

/// Gradient of the loss with respect to one head's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadGradient {
    /// Layer.
    pub layer: usize,
    /// Head.
    pub head: usize,
    /// |dL/dA| (Frobenius) of each input.
    pub norms: Vec<f64>,
    /// |sum A . dL/dA| of each input: |dL/dxi| of a gate xi on the head's output (Michel, Levy and Neubig 2019).
    pub importance: Vec<f64>,
}

/// Directional derivative by backpropagation and by central difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FiniteDifference {
    /// <gradient, direction> by backpropagation.
    pub analytic: f64,
    /// (L(+step) - L(-step)) / (2 step).
    pub numeric: f64,
    /// The step.
    pub step: f64,
}

/// Gradients through attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gradients {
    /// What was differentiated.
    pub loss: LossKind,
    /// Per head.
    pub heads: Vec<HeadGradient>,
    /// Per parameter group.
    pub groups: Vec<ParameterGroup>,
    /// The check against finite differences.
    pub finite_difference: FiniteDifference,
}

/// One perturbed token and what it moved before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CausalityProbe {
    /// Input.
    pub input: usize,
    /// The position whose token was replaced.
    pub position: usize,
    /// Largest change of any number of the last hidden state at earlier positions.
    pub past_change: f64,
    /// Largest change at this and later positions: shows that the probe did something.
    pub future_change: f64,
}

/// Why an input holds nothing to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unpredictable {
    /// It has so few tokens that none follows another.
    Short {
        /// How many.
        tokens: usize,
    },
    /// All of its tokens are special, so that none can be masked.
    SpecialTokens,
    /// None of the masked tokens is among the first ones that were looked at.
    MaskedBeyond {
        /// How many were.
        tokens: usize,
    },
}

impl fmt::Display for Unpredictable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { tokens } => write!(f, "{tokens} token: there is no next one to predict"),
            Self::SpecialTokens => f.write_str("special tokens only: there is none to mask"),
            Self::MaskedBeyond { tokens } => write!(f, "no masked token among the first {tokens}"),
        }
    }
}

/// Version of [`Evidence`] as it is serialised; it grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// All that a live model contributed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What `losses` are.
    pub loss: LossKind,
    /// Why there is none, where `loss` is `RelativeChange`.
    pub no_loss: Option<NoLoss>,
    /// Inputs that hold nothing to predict, with the reason. Losses, gradients and ablations are those of the others,
    /// in their order.
    pub left_out: Vec<(usize, Unpredictable)>,
    /// Unablated loss of each input; empty for `RelativeChange`.
    pub losses: Vec<f64>,
    /// Predictions behind each loss.
    pub predictions: Vec<usize>,
    /// The causality probe; empty for bidirectional models.
    pub probes: Vec<CausalityProbe>,
    /// Gradients, if taken.
    pub gradients: Option<Gradients>,
    /// Ablations; `loss` says what their numbers are unless that is `RandomProjection`.
    pub ablations: Vec<Ablation>,
    /// What the ablations cost; `None`: none were made.
    #[serde(default)]
    pub spent: Option<Spent>,
    /// What the ablations' numbers are.
    pub ablation_loss: LossKind,
    /// What the ablations are compared with: the unablated loss over the same tokens; empty for `RelativeChange`.
    pub ablation_base: Vec<f64>,
    /// Gradients and ablations are of so many first tokens, where an input was longer.
    pub cut: Option<usize>,
}
