//! One position of an input, and what it is there for.

use serde::{Deserialize, Serialize};

/// What a token is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Ordinary text.
    #[default]
    Text,
    /// Nothing but punctuation.
    Punctuation,
    /// Beginning of sequence.
    Bos,
    /// End of sequence.
    Eos,
    /// Separator.
    Sep,
    /// Class token.
    Cls,
    /// Padding.
    Pad,
    /// Masked position.
    Mask,
    /// Register or distillation token.
    Register,
    /// Image patch.
    Patch,
    /// Another special token.
    Special,
}

impl Role {
    /// True for tokens that stand for no piece of the input.
    pub fn is_special(self) -> bool {
        !matches!(self, Role::Text | Role::Punctuation | Role::Patch)
    }
}

/// One position of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its text as the tokenizer shows it (an image patch: "row,col").
    pub text: String,
    /// Its number in the vocabulary; 0 for image patches.
    pub id: u32,
    /// What it is there for.
    pub role: Role,
}
