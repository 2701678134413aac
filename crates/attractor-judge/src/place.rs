//! Heads by the model's own numbers.

use std::fmt;

use attractor_record::{Patterns, Stack};
use serde::{Serialize, Serializer};

/// A head: "L5H1" where it is displayed, and in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// Layer, zero-based.
    pub layer: usize,
    /// Head, zero-based.
    pub head: usize,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("L{}H{}", self.layer, self.head))
    }
}

impl Serialize for Head {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The stack that a source shows, where its model has several.
pub(crate) fn named_stack(patterns: &dyn Patterns) -> Option<Stack> {
    Some(patterns.stack()).filter(|stack| !stack.is_only())
}

/// Serialises what has words as its words.
macro_rules! written_as_words {
    ($($reason:ty),+ $(,)?) => {
        $(impl serde::Serialize for $reason {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        })+
    };
}
pub(crate) use written_as_words;
