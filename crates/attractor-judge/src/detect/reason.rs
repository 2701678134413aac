//! Why a detector says what it says of a head, typed, and the sentences for it.

use std::fmt;

use super::Detector;
use crate::place::written_as_words;
use crate::statistics::NoBootstrap;
use crate::statistics::bootstrap::FEWEST_INPUTS;

/// What a detector lacks: to score a head, or to draw chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unmet {
    /// No head was captured.
    Head,
    /// There is no input.
    Input,
    /// Neither the map nor its statistics were kept.
    Map,
    /// Rows that hold NaN or infinity.
    FiniteRows {
        /// How many do.
        broken: usize,
        /// Of how many.
        rows: usize,
    },
    /// A row that sees a key.
    VisibleKey,
    /// Weights: this one is negative.
    Weights {
        /// The lowest.
        lowest: f32,
    },
    /// A score that is a number.
    Score,
    /// Queries that are positions among the keys: in cross attention they are of another sequence.
    Positions,
    /// Random tokens that are repeated: positions or vocabulary do not suffice.
    Stimulus,
    /// Tokens.
    Tokens,
    /// Inputs that hold what the detector looks at.
    Labels(Detector),
    /// The statistics that the detector reads; only others were kept.
    Statistics(Detector),
    /// Positions or offsets to choose among.
    Candidates(Detector),
    /// What keys receive.
    Received,
    /// The strongest key of every row.
    Strongest,
    /// Five inputs to test across.
    Inputs,
    /// Five inputs with a usable map, to be paired.
    PairedInputs,
    /// Labels that differ between inputs.
    Places,
    /// Pairs without a label at the distances of those with one.
    UnlabelledPairs,
    /// Inputs of one shape, or short ones.
    ShortInputs,
    /// Maps whose labels can be permuted.
    Permutations,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("no head was captured"),
            Self::Input => f.write_str("there is no input"),
            Self::Map => f.write_str("neither its map nor its statistics were kept"),
            Self::FiniteRows { broken, rows } => write!(f, "{broken} of {rows} rows are not finite numbers"),
            Self::VisibleKey => f.write_str("no row sees a key"),
            Self::Weights { lowest } => {
                write!(f, "a weight is negative ({lowest:.3e}): these are not attention weights")
            }
            Self::Score => f.write_str("its score is not a number"),
            Self::Positions => f.write_str("cross attention: its queries are no positions among the keys"),
            Self::Stimulus => f.write_str(
                "it is looked for in repeated random tokens, for which these positions or this vocabulary do not suffice",
            ),
            Self::Tokens => f.write_str("the tokens are not known"),
            Self::Labels(of) => write!(f, "not applicable to these inputs: it needs {}", of.card().kept),
            Self::Statistics(of) => write!(f, "it needs {}; only other statistics were kept", of.card().needs),
            Self::Candidates(of) => write!(f, "it needs {}", of.card().kept),
            Self::Received => f.write_str("what keys receive was not kept"),
            Self::Strongest => f.write_str("the strongest key of every row was not kept"),
            Self::Inputs => write!(f, "{}: nothing to test across", NoBootstrap::FewInputs),
            Self::PairedInputs => write!(f, "{} with a usable map: nothing to pair", NoBootstrap::FewInputs),
            Self::Places => f.write_str(
                "the labels are at the same positions in all inputs, so content cannot be distinguished from position",
            ),
            Self::UnlabelledPairs => write!(
                f,
                "every pair at these distances is labelled, so content cannot be distinguished from position within an \
                 input; give at least {FEWEST_INPUTS} inputs of one length, which are paired with each other's tokens"
            ),
            Self::ShortInputs => write!(
                f,
                "fewer than {FEWEST_INPUTS} inputs of one shape, and these are too long for their labels to be permuted"
            ),
            Self::Permutations => {
                f.write_str("the labels could not be permuted: the maps were not kept, or are too long")
            }
        }
    }
}

/// Why a head that scores enough cannot be told from chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unresolved {
    /// There is no p-value, and why.
    NoChance(Unmet),
    /// The permutations are too few for so many tests.
    TooCoarse {
        /// Number of permutations.
        permutations: usize,
        /// True if these are all there are.
        exact: bool,
        /// The smallest p that they can give.
        smallest: f64,
        /// The corrected p.
        q: f64,
    },
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoChance(lack) => write!(f, "no p-value: {lack}"),
            Self::TooCoarse { permutations, exact, smallest, q } => write!(
                f,
                "{} cannot give a p-value below {}, too coarse for this many tests (q = {})",
                match exact {
                    true => format!("all {permutations} permutations"),
                    false => format!("{permutations} random permutations"),
                },
                short(*smallest),
                short(*q)
            ),
        }
    }
}

/// What decided over a head that has a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Because {
    /// The score is below this threshold.
    BelowThreshold(f64),
    /// The interval reaches down to chance.
    NoClearer,
    /// The corrected p is small enough.
    Significant(f64),
    /// The corrected p is not.
    NotSignificant(f64),
    /// Chance cannot be told; with p, where there is one.
    Unresolved(Option<f64>, Unresolved),
    /// There is a p and no corrected one.
    Uncorrected,
}

/// Why a detector says what it says of a head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// The head could not be scored.
    Lacks(Unmet),
    /// It was.
    Scored {
        /// Its score.
        score: f64,
        /// The score of chance.
        null: f64,
        /// What decided.
        because: Because,
    },
}

impl Reason {
    /// Why chance cannot be told, if that is so.
    pub fn unresolved(&self) -> Option<&Unresolved> {
        match self {
            Self::Scored { because: Because::Unresolved(_, why), .. } => Some(why),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (score, null, because) = match self {
            Self::Lacks(lack) => return lack.fmt(f),
            Self::Scored { score, null, because } => (score, null, because),
        };
        write!(f, "score {score:.3}, {null:.3} by chance")?;
        match because {
            Because::BelowThreshold(threshold) => write!(f, ": below the threshold of {threshold}"),
            Because::NoClearer => f.write_str(": no clearer than chance"),
            Because::Significant(q) => write!(f, ", q = {}", short(*q)),
            Because::NotSignificant(q) => write!(f, ", q = {}: not significant", short(*q)),
            Because::Unresolved(Some(p), why) => write!(f, ", p = {}; {why}", short(*p)),
            Because::Unresolved(None, why) => write!(f, "; {why}"),
            Because::Uncorrected => Ok(()),
        }
    }
}

/// Why it says little that a detector of repetition finds nothing.
pub(crate) const UNASKED: &str = "these inputs hardly repeat anything, so they cannot show one; in a checkpoint it is looked \
                                  for with repeated random tokens";

/// Why a score has no interval, and the inputs that have it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoInterval {
    /// The bootstrap's reason.
    pub why: NoBootstrap,
    /// Inputs that count.
    pub inputs: usize,
}

impl fmt::Display for NoInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.why, self.inputs)
    }
}

/// How chance was drawn for a detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Null {
    /// It was not: what the first head lacks, if there is one.
    None(Option<Unmet>),
    /// Patterns paired with the tokens of other inputs.
    Pairings(Draws),
    /// Delimiters moved along the sequence.
    Rotations(Draws),
    /// Labels permuted among pairs of equal offset.
    Relabellings(Draws),
    /// Sign flips over inputs, of the difference to uniform attention.
    SignFlips(Draws),
}

/// How many were drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draws {
    /// Their number.
    pub count: usize,
    /// True if these are all there are.
    pub exact: bool,
}

impl fmt::Display for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exact {
            true => write!(f, "all {}", self.count),
            false => write!(f, "{} random", self.count),
        }
    }
}

impl fmt::Display for Null {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None(None) => f.write_str("none"),
            Self::None(Some(lack)) => write!(f, "none: {lack}"),
            Self::Pairings(n) => write!(f, "patterns paired with the tokens of other inputs, {n} pairings"),
            Self::Rotations(n) => write!(f, "delimiters moved along the sequence, {n} rotations"),
            Self::Relabellings(n) => write!(f, "labels permuted among pairs of equal offset, {n} permutations"),
            Self::SignFlips(n) => write!(f, "uniform over visible keys, {n} sign flips over inputs"),
        }
    }
}

/// A probability to be read.
fn short(p: f64) -> String {
    if p < 0.001 { format!("{p:.1e}") } else { format!("{p:.3}") }
}

// In JSON, reasons are the sentences that they stand for.
written_as_words!(Unmet, Reason, NoInterval, Null);
