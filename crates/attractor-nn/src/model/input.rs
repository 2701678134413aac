//! What a model reads, checked before anything is computed.

use crate::checkpoint::spec::Spec;
use attractor::{Error, Hint, Result};

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A text.
    Text(TokenRow),
    /// Normalised pixels.
    Image {
        /// [channels, height, width]
        values: Vec<f32>,
    },
}

/// A text, token by token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenRow {
    /// Token numbers, padding included.
    pub ids: Vec<u32>,
    /// True where a token is padding: a key that nobody sees; empty: none is.
    pub padding: Vec<bool>,
    /// Type of each token (BERT's segments); empty: all of type 0.
    pub types: Vec<u32>,
}

impl TokenRow {
    /// The same text with other tokens at the same places.
    pub(crate) fn with_ids(&self, ids: Vec<u32>) -> Self {
        Self { ids, ..self.clone() }
    }
}

impl Input {
    /// A text of one type without padding.
    pub fn tokens(ids: Vec<u32>) -> Self {
        Self::Text(TokenRow { ids, ..TokenRow::default() })
    }

    /// Token numbers, if it is a text.
    pub fn ids(&self) -> Option<&[u32]> {
        match self {
            Self::Text(text) => Some(&text.ids),
            Self::Image { .. } => None,
        }
    }

    /// Keys that nobody sees; empty: none.
    pub(crate) fn padding(&self) -> &[bool] {
        match self {
            Self::Text(text) => &text.padding,
            Self::Image { .. } => &[],
        }
    }

    /// The number of positions that the model makes of it.
    pub(crate) fn positions(&self, spec: &Spec) -> usize {
        self.ids().map_or_else(|| spec.image_positions().unwrap_or(0), <[u32]>::len)
    }

    /// Refuses what the model cannot read.
    ///
    /// # Errors
    /// `is_usage` for the wrong kind, an empty or too long text, `is_usage` for tokens outside the table, `is_shape`
    /// for an image of another size, `is_non_finite` for pixels that are not numbers.
    pub fn check(&self, spec: &Spec) -> Result<()> {
        match (self, &spec.image) {
            (Self::Image { values }, Some(image)) => {
                if values.len() != image.channels * image.height * image.width {
                    return Err(Error::shape(format!(
                        "image: {} pixel values, the model reads {} channels x {} x {}; resize the image",
                        values.len(),
                        image.channels,
                        image.height,
                        image.width
                    )));
                }
                match values.iter().position(|x| !x.is_finite()) {
                    Some(at) => Err(Error::non_finite(format!("image: pixel value {at} is {}", values[at]))),
                    None => Ok(()),
                }
            }
            (Self::Image { .. }, None) => {
                Err(Error::usage(format!("input: a {} model reads text, got an image", spec.family.name())))
            }
            (_, Some(_)) => Err(Error::usage(format!("input: a {} model reads images, got text", spec.family.name()))),
            (Self::Text(TokenRow { ids, padding, types }), None) => {
                if ids.is_empty() {
                    return Err(Error::usage("input: the text has no tokens; give at least one"));
                }
                if let Some(limit) = spec.position_limit()
                    && ids.len() > limit
                {
                    let why = format!("input: {} tokens, the model has {limit} positions; cut the text", ids.len());
                    return Err(Error::usage(why).hinted(Hint::give("seq_len", limit)));
                }
                if let Some(at) = ids.iter().position(|&id| id as usize >= spec.vocab) {
                    return Err(Error::usage(format!(
                        "input: token {at} has number {}, the model's table has {} rows; the tokenizer belongs to \
                         another model",
                        ids[at], spec.vocab
                    )));
                }
                for (what, many) in [("padding flags", padding.len()), ("token types", types.len())] {
                    if many != 0 && many != ids.len() {
                        let n = ids.len();
                        return Err(Error::shape(format!("input: {many} {what} for {n} tokens; give one per token")));
                    }
                }
                if padding.iter().all(|&hidden| hidden) && !padding.is_empty() {
                    return Err(Error::usage("input: every token is padding; give at least one that is seen"));
                }
                if let Some(at) = types.iter().position(|&kind| kind as usize >= spec.token_types.max(1)) {
                    return Err(Error::usage(format!(
                        "input: token {at} is of type {}, the model has {} token types (type_vocab_size)",
                        types[at], spec.token_types
                    )));
                }
                Ok(())
            }
        }
    }
}
