//! Why a check could not be put.

use attractor::numerals::significant;
use attractor_record::evidence::AblationMode;

use std::fmt;

use super::ablation::replacement;
use super::gradient::loss;
use super::tokens::class;
use crate::measure::{ClassKind, Unfit};
use crate::untestable::{Lack, Need, Silence, Unasked, Untestable};

impl fmt::Display for Untestable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&said(self))
    }
}

fn said(why: &Untestable) -> String {
    match why {
        Untestable::NothingCaptured => "nothing was captured: no head or no input".into(),
        Untestable::Unfit(why) => format!("not testable: {}", unfit(*why)),
        Untestable::Detector(why) => format!("not testable: {why}"),
        Untestable::Lacks(what) => lack(*what),
        Untestable::Meaningless(check) => unasked(*check).into(),
        Untestable::NeedsModel(what) => need(*what).into(),
        Untestable::Evidence(what) => silence(what),
    }
}

fn unfit(why: Unfit) -> String {
    match why {
        Unfit::NotKept => "neither its map nor its statistics were kept".into(),
        Unfit::NotFinite { rows, of } => format!("{rows} of {of} rows are not finite numbers"),
        Unfit::NoKey => "no row sees a key".into(),
        Unfit::NoMass => "no row has any mass".into(),
        Unfit::Negative { lowest } => {
            format!("a weight is negative ({}): these are not attention weights", significant(lowest, 4))
        }
    }
}

fn lack(what: Lack) -> String {
    let words = match what {
        Lack::RowSums => "no row sums were kept",
        Lack::ForbiddenMass => "neither maps nor forbidden masses were kept",
        Lack::Head => "no head was captured",
        Lack::Map => "no map was kept",
        Lack::ColumnSums => "no column sums were kept",
        Lack::Bounds => "needs entropies and sums of squares that were recorded apart from the map",
        Lack::OutputOfLayer => "was not checked while the model ran",
        Lack::Output => "was not checked while the model ran; capture from the model to have it",
        Lack::EvaluationMode => "whether dropout was off was not recorded",
        Lack::SecondInput => "there is one input",
        Lack::Inputs => "neither tokens nor what entered the first layer is known",
        Lack::PairOfPositions => "no pair of different positions, or no map was kept",
        Lack::InputsForPosition => {
            "one input: position cannot be distinguished from content; give two or more, five for an interval"
        }
        Lack::Pattern => "the head is uniform, or its maps were not kept: nothing to explain",
        Lack::AnyPattern => "no head has a pattern to explain, or the maps were not kept",
        Lack::Repetition => "the positions are image patches: none occurs twice",
        Lack::Tokens => "the tokens are not known",
        Lack::MapsForTokens => "the maps were not kept; capture queries and keys (stats+qk)",
        Lack::RepeatedToken => "no repeated token has a different token at the same distance to compare with",
        Lack::Class(ClassKind::First) => "no row sees the first position beside others, or the maps were not kept",
        Lack::Class(kind) => return format!("no {} among the tokens, or the maps were not kept", class(kind)),
        Lack::TwoKeys => "no row sees two keys, or no entropy was kept",
        Lack::CommonSupport => "no two rows share two visible keys on which both have mass, or the maps were not kept",
        Lack::InputsForContent => "one input: content needs two or more of the same length, five for an interval",
        Lack::InputsAlike => "no two inputs have the same length and mask: maps cannot be compared cell by cell",
        Lack::Variance => "the maps are uniform or were not kept: there is no variance",
        Lack::Layer => "no layer was captured",
        Lack::LayerInputs => "the layer's inputs were not kept",
        Lack::ComparableInputs => "the layers' inputs were not kept or cannot be compared",
        Lack::Rows { input, rows } => {
            return format!("{input} has {rows} rows that see two keys; five are needed");
        }
        Lack::FiniteInputs { layer } => {
            return format!("the inputs of L{layer} are not finite numbers in [queries, width]");
        }
        Lack::Divergences => "the maps were not kept or cannot be judged",
        Lack::Diversity { layer } => {
            return format!("all hidden states entering L{layer} are alike: there is no diversity to follow");
        }
        Lack::DifferentRows => "all rows are alike on their common support: there is nothing to correlate",
    };
    words.into()
}

fn unasked(check: Unasked) -> &'static str {
    match check {
        Unasked::DotProduct => {
            "the similarity is a dot product: KL(q|q) = 0 and KL >= 0 are laws of KL attention and have no meaning here"
        }
        Unasked::BidirectionalMask => "the model is bidirectional: no key lies in a forbidden future",
        Unasked::CrossAttention => "cross attention: queries are no positions among the keys, so none is near or ahead",
        Unasked::InferredMask => {
            "the mask was inferred from these weights, so that none can lie where it forbids; state the mask when the maps are \
             imported"
        }
        Unasked::BidirectionalProbe => "the model is bidirectional: every output may depend on every token",
    }
}

fn need(what: Need) -> &'static str {
    match what {
        Need::Probe => "needs the model: a run cannot tell what changing a token would change",
        Need::Gradients => "needs the model: a run holds no gradients; validate the checkpoint itself",
        Need::Ablations => "needs the model: a run cannot be run again; validate the checkpoint itself",
        Need::Loss => "needs the model: a run holds no loss; validate the checkpoint itself",
    }
}

fn silence(what: &Silence) -> String {
    match what {
        Silence::NoProbe => "no probe was made: an input of two tokens or more is needed".into(),
        Silence::NoGradients => "gradients were not taken".into(),
        Silence::NoGradientOfAHead => "no head has a gradient on record".into(),
        Silence::NoAttentionParameters => "the model names no attention parameters".into(),
        Silence::NoAblations => "no ablation was made".into(),
        Silence::NoPrediction => "no prediction was made: give a text of two tokens or more".into(),
        Silence::NothingToPredict { input, why } => {
            format!("not testable: nothing to predict (input {input}: {why}); give a longer text")
        }
        Silence::NoPerplexity(of) => format!("perplexity belongs to language models; here it is {}", loss(*of)),
        Silence::Unpaired { ablated, unablated } => {
            format!("{ablated} ablated losses for {unablated} unablated ones: they cannot be paired")
        }
        Silence::Unserved { mode } => unserved(*mode),
    }
}

fn unserved(mode: AblationMode) -> String {
    format!("not testable: no input could be ablated by {} (no other input of the same length?)", replacement(mode))
}
