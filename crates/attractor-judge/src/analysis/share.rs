//! Shares of an attribution, by token or by word.

use std::ops::Range;

use attractor_record::{Role, Token};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::{Attribution, Partition};

attractor::choice! {
    /// What one line of an answer stands for.
    #[derive(Default)]
    pub enum By {
        /// A token.
        #[default]
        Token = "token",
        /// A word: its tokens merged.
        Word = "word",
    }
}

/// The share of a token, or of a word.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// The positions it stands for.
    pub positions: Range<usize>,
    /// Their text; "#3" where it is not known.
    pub token: String,
    /// Of its first token.
    pub role: Role,
    /// Share of the query's last state.
    pub share: f64,
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Share", 5)?;
        fields.serialize_field("position", &self.positions.start)?;
        fields.serialize_field("positions", &self.positions.len())?;
        fields.serialize_field("token", &self.token)?;
        fields.serialize_field("role", &self.role)?;
        fields.serialize_field("share", &self.share)?;
        fields.end()
    }
}

/// The shares of an attribution, in the order of the input.
pub fn shares(tokens: &[Token], found: &Attribution, by: By) -> Vec<Share> {
    let count = found.shares.len();
    let groups = match by {
        By::Word if tokens.len() == count => Partition::words(tokens),
        _ => Partition::identity(count),
    };
    let texts = groups.names(tokens).into_iter().zip(groups.add(&found.shares));
    let line = |(positions, (text, share)): (&Range<usize>, (String, f64))| {
        let first = tokens.get(positions.start);
        let token = if first.is_some() { text } else { format!("#{}", positions.start) };
        Share { positions: positions.clone(), token, role: first.map_or(Role::Text, |token| token.role), share }
    };
    groups.groups().iter().zip(texts).map(line).collect()
}
