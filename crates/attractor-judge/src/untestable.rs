//! Why a check could not be put.

use attractor_record::Origin;
use attractor_record::evidence::{AblationMode, LossKind, NoLoss, Unpredictable};

use crate::detect::Unmet;
use crate::measure::{ClassKind, Unfit};

/// The reasons; [`crate::report`] words them.
#[derive(Debug, Clone)]
pub(crate) enum Untestable {
    /// No head or no input.
    NothingCaptured,
    /// A map that cannot be judged.
    Unfit(Unfit),
    /// A detector's reason.
    Detector(Unmet),
    /// Something that the check needs is not there, or there is nothing to be seen.
    Lacks(Lack),
    /// The check is not for such a model.
    Meaningless(Unasked),
    /// The check needs a live model, not a run.
    NeedsModel(Need),
    /// The model ran and has nothing to say.
    Evidence(Silence),
}

/// What a check lacks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lack {
    RowSums,
    ForbiddenMass,
    Head,
    Map,
    ColumnSums,
    /// Entropies beside sums of squares.
    Bounds,
    /// Output checks of a layer.
    OutputOfLayer,
    /// Output checks of any layer.
    Output,
    EvaluationMode,
    /// A second input, to tell inputs apart.
    SecondInput,
    /// What the inputs are.
    Inputs,
    /// Two different positions.
    PairOfPositions,
    /// A second input, to tell position from content.
    InputsForPosition,
    /// A pattern of one head.
    Pattern,
    /// A pattern of any head.
    AnyPattern,
    /// The positions are image patches.
    Repetition,
    /// Tokens are not known.
    Tokens,
    /// Maps for tokens that repeat.
    MapsForTokens,
    /// A token that occurs twice.
    RepeatedToken,
    /// Keys of a class.
    Class(ClassKind),
    /// A row of two keys.
    TwoKeys,
    /// Two rows on one support.
    CommonSupport,
    /// A second input, for content.
    InputsForContent,
    /// Two inputs of one form.
    InputsAlike,
    /// Maps that vary.
    Variance,
    /// A layer.
    Layer,
    /// The layers' inputs.
    LayerInputs,
    /// The layers' inputs, or comparable ones.
    ComparableInputs,
    /// Enough rows of two keys.
    Rows {
        input: Origin,
        rows: usize,
    },
    /// A layer's inputs as finite numbers.
    FiniteInputs {
        layer: usize,
    },
    /// Maps for the correlation.
    Divergences,
    /// A layer's inputs that differ.
    Diversity {
        layer: usize,
    },
    /// Rows that differ.
    DifferentRows,
}

/// For whom a check is not.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unasked {
    /// KL attention.
    DotProduct,
    /// Masses on the future.
    BidirectionalMask,
    /// The causality probe.
    BidirectionalProbe,
    /// Where queries stand among the keys.
    CrossAttention,
    /// Weights held against the mask that they themselves showed.
    InferredMask,
}

/// What a run cannot tell.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    Probe,
    Gradients,
    Ablations,
    Loss,
}

/// What a live model did not contribute.
#[derive(Debug, Clone)]
pub(crate) enum Silence {
    NoProbe,
    NoGradients,
    /// Gradients without one of a head.
    NoGradientOfAHead,
    NoAttentionParameters,
    NoAblations,
    NoPrediction,
    /// No input held anything to predict; one of them, and why.
    NothingToPredict {
        input: usize,
        why: Unpredictable,
    },
    /// Perplexity is not this loss.
    NoPerplexity(Loss),
    /// Ablated and unablated losses of different numbers.
    Unpaired {
        ablated: usize,
        unablated: usize,
    },
    /// No input that the replacement serves.
    Unserved {
        mode: AblationMode,
    },
}

/// What is differentiated, and why it is no loss of the task where it is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    pub kind: LossKind,
    pub none: Option<NoLoss>,
}
