//! From text to tokens and their roles, through the tokenizer of a model's folder.
//!
//! What a tokenizer file says about truncation and padding is removed: how long an input is, the caller decides.

mod bpe;
mod files;
mod gguf;
mod growth;
mod guard;
mod ids;
mod roles;

pub use bpe::train_byte_pairs;
pub use ids::{Fields, describe, read_ids, rows_of};

use attractor::{Error, Result};
use attractor_record::{Token, pieces};
use growth::Rules;
use guard::guarded;
use roles::Roles;
use std::path::{Path, PathBuf};

/// Content tokens that a last, shorter piece of a text must have to be an input.
const SHORTEST_REST: usize = 16;

/// A tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The file it came from, for messages.
    place: PathBuf,
    roles: Roles,
    /// What lengthens a text before it is cut.
    rules: Rules,
    /// Pieces are bytes written as letters (GPT-2), to be written back.
    byte_level: bool,
    /// Rows of the model's table, if known.
    vocabulary: Option<usize>,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("place", &self.place)
            .field("vocabulary", &self.vocabulary)
            .finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// Opens `tokenizer.json` of a model folder, or the older `vocab.txt` (BERT), or `vocab.json` with `merges.txt`
    /// (GPT-2, RoBERTa); or what a GGUF file says of its tokenizer.
    ///
    /// # Errors
    /// `is_usage` if the folder holds none of them; `is_format` if a file is damaged; `is_unsupported` for a
    /// SentencePiece model alone.
    pub fn open(path: &Path) -> Result<Self> {
        let files = files::Files::read(path)?;
        let rules = Rules::of(&files.json, &files.place)?;
        let json = files.json.to_string();
        let inner = guarded(&files.place, "read", || tokenizers::Tokenizer::from_bytes(&json))?;
        let byte_level = files.byte_level;
        let roles = Roles::new(&inner, &files.settings);
        Ok(Self { inner, place: files.place, roles, rules, byte_level, vocabulary: None })
    }

    /// The same, refusing tokens that a table of `rows` rows does not have.
    pub fn for_vocabulary(mut self, rows: usize) -> Self {
        self.vocabulary = Some(rows);
        self
    }

    /// Tokens of a text, with the special tokens that the model expects around it if `add_special`.
    ///
    /// # Errors
    /// `is_usage` for a text without any token; `is_format` if the tokenizer yields a token that the model's table
    /// does not have, breaks on the text, or has rules that make it many times longer.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<Token>> {
        let content = self.numbers(text, false)?;
        if content.is_empty() {
            return Err(Error::usage(
                "the text is empty, or the tokenizer makes no token of it; expected at least one token: give a longer text",
            ));
        }
        match add_special {
            true => self.tokens(&self.numbers(text, true)?),
            false => self.tokens(&content),
        }
    }

    /// Cuts a text into inputs of at most `length` tokens, each with its own special tokens.
    ///
    /// A last piece of 16 tokens of text or more is an input too; a shorter one is dropped unless it is the only one.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`]; `is_usage` if `length` leaves no room beside the special tokens.
    pub fn sequences(&self, text: &str, length: usize) -> Result<Vec<Vec<Token>>> {
        let content = self.numbers(text, false)?;
        if content.is_empty() {
            return Err(Error::usage(
                "the text is empty, or the tokenizer makes no token of it; expected at least one token: give a longer text",
            ));
        }
        let whole = self.numbers(text, true)?;
        // What the tokenizer put around the text, found by where the text lies inside.
        let before = (0..=whole.len().saturating_sub(content.len()))
            .find(|&at| whole[at..].starts_with(&content))
            .ok_or_else(|| {
                Error::unsupported(format!(
                    "{}: this tokenizer changes the text when it adds special tokens, so a long text cannot be cut into \
                     inputs; give shorter texts, one at a time",
                    self.place.display()
                ))
            })?;
        let (head, tail) = (&whole[..before], &whole[before + content.len()..]);
        let room = length.checked_sub(head.len() + tail.len()).filter(|&room| room > 0).ok_or_else(|| {
            Error::usage(format!(
                "a sequence length of {length} leaves no room for text beside {} special tokens; expected at least {}",
                head.len() + tail.len(),
                head.len() + tail.len() + 1
            ))
        })?;
        content
            .chunks(room)
            .enumerate()
            .filter(|(number, piece)| *number == 0 || piece.len() == room || piece.len() >= SHORTEST_REST)
            .map(|(_, piece)| self.tokens(&[head, piece, tail].concat()))
            .collect()
    }

    /// Tokens of given numbers.
    ///
    /// # Errors
    /// `is_format` if a number is beyond the model's table.
    pub fn tokens(&self, ids: &[u32]) -> Result<Vec<Token>> {
        let pieces = ids.iter().map(|&id| self.piece(id)).collect::<Result<Vec<_>>>()?;
        let token = |(position, (text, &id)): (usize, (String, &u32))| {
            let role = self.roles.of(id, position, &text);
            Token { text, id, role }
        };
        Ok(pieces::texts(&pieces).into_iter().zip(ids).enumerate().map(token).collect())
    }

    /// The mask token's number, if the tokenizer has one.
    pub fn mask_token(&self) -> Option<u32> {
        self.roles.mask()
    }

    /// The bytes that a token stands for.
    fn piece(&self, id: u32) -> Result<Vec<u8>> {
        let piece = self.inner.id_to_token(id);
        if let Some(rows) = self.vocabulary
            && id as usize >= rows
        {
            return Err(Error::format(format!(
                "{}: token {:?} has number {id}, but the model's table has {rows} rows; the tokenizer belongs to another \
                 model",
                self.place.display(),
                piece.unwrap_or_default()
            )));
        }
        // A row of the table beyond the tokenizer's vocabulary: tables are often rounded up.
        let Some(piece) = piece else { return Ok(format!("<{id}>").into_bytes()) };
        let bytes = match (self.roles.is_added(id), self.byte_level) {
            (true, _) => None,
            (false, true) => pieces::from_byte_letters(&piece),
            (false, false) => pieces::from_byte_name(&piece).map(|byte| vec![byte]),
        };
        Ok(bytes.unwrap_or_else(|| match self.byte_level {
            true => piece.into_bytes(),
            false => piece.replace('\u{2581}', " ").into_bytes(),
        }))
    }

    fn numbers(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        self.rules.check(text, &self.place)?;
        let encoding = guarded(&self.place, "used", || self.inner.encode(text, add_special))?;
        Ok(encoding.get_ids().to_vec())
    }
}
