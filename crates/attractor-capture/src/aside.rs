//! What an import says of its file, typed, and the sentences for it.

use std::fmt;

use serde::{Serialize, Serializer};

/// Something in the file that is not read, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Aside {
    /// What it is called in the file.
    pub name: String,
    /// Why it is not read.
    pub why: Ignored,
}

/// Why something in a file is not read.
#[derive(Debug, Clone, PartialEq)]
pub enum Ignored {
    /// A member of an archive that is no NumPy array.
    NotNpy,
    /// Numbers of a type that weights are not stored in.
    Type(String),
    /// Neither weights nor tokens.
    Other,
    /// A length that is not an integer, but this.
    NotWhole(String),
    /// An entry beside the maps that is none.
    NoMaps,
    /// Tokens that are no texts, but this.
    NotTexts(String),
    /// A mask of padding that is not a list of 0 and 1 per input, but of this shape.
    NotPadding(Vec<usize>),
    /// Rows of padding that see no key: what stands in so many of them is not read.
    PaddingRows(usize),
    /// So many numbers a little below zero: rounding, which counts as zero.
    Rounding(usize),
    /// The first of so many arrays that hooks kept beside the patterns.
    NoPattern(usize),
    /// It stands beside the maps and cannot be read.
    Unread(String),
    /// Tokens of a file of several stacks.
    TokensOfStacks,
    /// Its name says no layer.
    NoLayer,
    /// A layer's entry without weights.
    NoWeights,
    /// Numbers that are no weights, in a layer that has others.
    NotWeights(NotWeights),
    /// Tokens of so many inputs: there is not one per key.
    Tokens(usize),
}

impl Aside {
    pub(crate) fn new(name: impl Into<String>, why: Ignored) -> Self {
        Self { name: name.into(), why }
    }
}

impl fmt::Display for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.why {
            Ignored::NotNpy => write!(f, "{name}: ignored: not a .npy array"),
            Ignored::Type(of) => write!(f, "{name}: ignored: {of} numbers are not attention weights"),
            Ignored::Other => write!(f, "{name}: ignored: neither floating-point weights nor tokens"),
            Ignored::NotWhole(kind) => write!(f, "{name}: ignored: {kind}, expected a whole number"),
            Ignored::NoMaps => write!(f, "{name}: ignored: no attention maps"),
            Ignored::NotTexts(kind) => write!(f, "{name}: ignored: {kind}; expected a list of texts"),
            Ignored::NotPadding(shape) => write!(
                f,
                "{name}: ignored: shape {shape:?}; expected 1 (kept) and 0 (padding), [key] or [batch, key]; padding is taken \
                 for keys"
            ),
            Ignored::PaddingRows(rows) => {
                write!(f, "{name}: {rows} rows of padding see no key; what stands in them is not read")
            }
            Ignored::Rounding(count) => {
                write!(f, "{name}: {count} numbers from -1e-6 to 0 are rounding and count as 0")
            }
            Ignored::NoPattern(1) => write!(f, "{name}: ignored: hook_pattern holds the weights"),
            Ignored::NoPattern(count) => {
                write!(f, "{name} and {} more arrays: ignored: hook_pattern holds the weights", count - 1)
            }
            Ignored::Unread(why) => write!(f, "{name}: ignored: {}", why.trim_start_matches(&format!("{name}: "))),
            Ignored::TokensOfStacks => {
                write!(f, "{name}: ignored: the file holds several stacks, whose tokens differ")
            }
            Ignored::NoLayer => write!(f, "{name}: ignored: the name has no layer number"),
            Ignored::NoWeights => write!(f, "{name}: ignored: it has no attention_weights"),
            Ignored::NotWeights(why) => write!(f, "{name}: ignored: {why}"),
            Ignored::Tokens(inputs) => {
                write!(f, "{name}: ignored for {inputs} inputs: their number differs from that of the keys")
            }
        }
    }
}

/// An array that holds no attention weights: some are negative.
#[derive(Debug, Clone, PartialEq)]
pub struct NotWeights {
    /// What it is called in the file.
    pub name: String,
    /// Heads, queries, keys.
    pub shape: [usize; 3],
    /// How many numbers are negative.
    pub negative: usize,
    /// The first of them.
    pub first: f32,
    /// Where it is: head, query, key.
    pub at: [usize; 3],
}

impl fmt::Display for NotWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, shape: [heads, queries, keys], negative, first, at: [head, query, key] } = self;
        write!(
            f,
            "{name}: [{heads}, {queries}, {keys}] with {negative} negative of {} numbers, the first {first:.3e} at head {head}, \
             query {query}, key {key}; these are not attention weights but scores before the softmax, or the output of \
             attention; save the weights after the softmax",
            heads * queries * keys
        )
    }
}

/// Why a layer that the file names is not there.
#[derive(Debug, Clone, PartialEq)]
pub enum Absent {
    /// The file holds null in its place, under this name.
    Null(String),
    /// What it holds is no weights.
    NotWeights(NotWeights),
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null(name) => write!(f, "{name}: null in the file"),
            Self::NotWeights(why) => why.fmt(f),
        }
    }
}

impl Serialize for Aside {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Absent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
