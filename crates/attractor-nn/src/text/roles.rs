//! What a token is there for, and how its piece reads.

use attractor_record::Role;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Names of special tokens in settings files, with their roles; an earlier one wins where a token has several.
const NAMED: [(&str, Role); 7] = [
    ("mask_token", Role::Mask),
    ("pad_token", Role::Pad),
    ("cls_token", Role::Cls),
    ("sep_token", Role::Sep),
    ("bos_token", Role::Bos),
    ("eos_token", Role::Eos),
    ("unk_token", Role::Text),
];

/// Special tokens known by their spelling, where no settings name them.
const SPELLED: [(&str, Role); 20] = [
    ("[MASK]", Role::Mask),
    ("<mask>", Role::Mask),
    ("[PAD]", Role::Pad),
    ("<pad>", Role::Pad),
    ("<|padding|>", Role::Pad),
    ("[CLS]", Role::Cls),
    ("<cls>", Role::Cls),
    ("[SEP]", Role::Sep),
    ("<sep>", Role::Sep),
    ("<s>", Role::Bos),
    ("<bos>", Role::Bos),
    ("<|begin_of_text|>", Role::Bos),
    ("<|startoftext|>", Role::Bos),
    ("</s>", Role::Eos),
    ("<eos>", Role::Eos),
    ("<|endoftext|>", Role::Eos),
    ("<|end_of_text|>", Role::Eos),
    ("[UNK]", Role::Text),
    ("<unk>", Role::Text),
    ("<|im_end|>", Role::Eos),
];

/// The special tokens of a tokenizer.
pub(super) struct Roles {
    by_id: BTreeMap<u32, Role>,
    /// Tokens that begin as well as end a text (GPT-2): the place decides.
    both_ends: BTreeSet<u32>,
    /// Tokens outside the model's own vocabulary, whose text is taken as it is.
    added: BTreeSet<u32>,
}

impl Roles {
    /// `settings` name the special tokens, the first that names one wins.
    pub(super) fn new(tokenizer: &tokenizers::Tokenizer, settings: &[Value]) -> Self {
        let named = |key: &str| {
            let name = settings.iter().find_map(|value| content(value.get(key)?))?;
            tokenizer.token_to_id(name)
        };
        let (mut by_id, mut added) = (BTreeMap::new(), BTreeSet::new());
        // A token that also begins or ends a text, or stands for the unknown, is no padding where it occurs.
        let real = ["bos_token", "eos_token", "cls_token", "sep_token", "unk_token"].map(named);
        for (key, role) in NAMED {
            if let Some(id) = named(key).filter(|&id| role != Role::Pad || !real.contains(&Some(id))) {
                by_id.entry(id).or_insert(role);
            }
        }
        let both_ends = named("bos_token").filter(|&bos| named("eos_token") == Some(bos)).into_iter();
        let both_ends: BTreeSet<u32> = both_ends.filter(|id| by_id.get(id) == Some(&Role::Bos)).collect();
        for (id, token) in tokenizer.get_added_tokens_decoder() {
            added.insert(id);
            if token.special {
                let spelled = SPELLED.iter().find(|(text, _)| *text == token.content).map(|(_, role)| *role);
                by_id.entry(id).or_insert(spelled.unwrap_or(Role::Special));
            }
        }
        // A tokenizer without settings may keep its special tokens in the plain vocabulary.
        for (text, role) in SPELLED {
            if let Some(id) = tokenizer.token_to_id(text) {
                by_id.entry(id).or_insert(role);
            }
        }
        by_id.retain(|_, role| *role != Role::Text);
        Self { by_id, both_ends, added }
    }

    pub(super) fn of(&self, id: u32, position: usize, text: &str) -> Role {
        match self.by_id.get(&id) {
            Some(_) if self.both_ends.contains(&id) => {
                if position == 0 {
                    Role::Bos
                } else {
                    Role::Eos
                }
            }
            Some(role) => *role,
            None if is_punctuation(text) => Role::Punctuation,
            None => Role::Text,
        }
    }

    pub(super) fn mask(&self) -> Option<u32> {
        self.by_id.iter().find(|(_, role)| **role == Role::Mask).map(|(id, _)| *id)
    }

    pub(super) fn is_added(&self, id: u32) -> bool {
        self.added.contains(&id)
    }
}

/// A special token is written as a text or as an object with its content.
fn content(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

/// True if nothing but punctuation is in it: spaces around it and WordPiece's mark of continuation do not count.
fn is_punctuation(text: &str) -> bool {
    let text = text.trim();
    let text = match text.strip_prefix("##") {
        Some(rest) if !rest.is_empty() => rest,
        _ => text,
    };
    !text.is_empty() && text.chars().all(is_mark)
}

/// Punctuation of the common scripts; letters, digits, currency and emoji are none, ASCII's symbols are.
fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c,
            '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}' | '\u{37e}' | '\u{387}' | '\u{55a}'..='\u{55f}'
            | '\u{589}' | '\u{5be}' | '\u{5c0}' | '\u{5c3}' | '\u{5f3}' | '\u{5f4}' | '\u{60c}' | '\u{61b}' | '\u{61f}'
            | '\u{66a}'..='\u{66d}' | '\u{6d4}' | '\u{964}' | '\u{965}' | '\u{e4f}' | '\u{2010}'..='\u{2027}'
            | '\u{2030}'..='\u{205e}' | '\u{2e00}'..='\u{2e5d}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}'
            | '\u{3014}'..='\u{301f}' | '\u{30fb}' | '\u{fe10}'..='\u{fe19}' | '\u{fe30}'..='\u{fe6b}'
            | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}' | '\u{ff5b}'..='\u{ff65}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_marks_only() {
        for text in [".", " ,", "##!", "...", "\u{3002}", "\u{201c}", "#", "##"] {
            assert!(is_punctuation(text), "{text:?}");
        }
        for text in ["", " ", "a.", "3", "\u{e9}", "##s", "\u{4e2d}", "\u{20ac}"] {
            assert!(!is_punctuation(text), "{text:?}");
        }
    }
}
