//! The tokenizer that a GGUF file describes, written as tokenizer.json.
//!
//! | `tokenizer.ggml.model` | what it is                                              | merges                                  |
//! |------------------------|---------------------------------------------------------|-----------------------------------------|
//! | `gpt2`                 | byte-level BPE; `tokenizer.ggml.pre` says how it splits | stated                                  |
//! | `llama`                | SentencePiece's BPE, bytes for what it does not know    | every pair of pieces that makes a piece |
//! | `t5`                   | unigrams                                                | none: scores                            |
//!
//! Source: llama.cpp's `llama-vocab.cpp` and `unicode.cpp`; transformers 5.24.0, `integrations/gguf`, for what a
//! vocabulary's pairs imply.

use super::files::Files;
use crate::checkpoint::{Gguf, Keys};
use attractor::{Error, Hint, Result};
use attractor_record::pieces;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

/// Kinds of tokens, `tokenizer.ggml.token_type`.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// GPT-2's words.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How a byte-level vocabulary splits a text, by `tokenizer.ggml.pre`.
struct Words {
    names: &'static [&'static str],
    pattern: &'static str,
    /// Digits are split off one by one first.
    digits: bool,
    /// Composed letters, as the family's own tokenizer makes them.
    composed: bool,
    /// A word that is a token is not merged from its parts, and a text begins with the first token unless said otherwise.
    llama3: bool,
}

const WORDS: [Words; 5] = [
    Words { names: &["gpt-2", "gpt2"], pattern: GPT2, digits: false, composed: false, llama3: false },
    Words { names: &["smollm"], pattern: GPT2, digits: true, composed: false, llama3: false },
    Words {
        names: &["llama-bpe", "llama3", "llama-v3"],
        pattern: LLAMA3,
        digits: false,
        composed: false,
        llama3: true,
    },
    Words { names: &["qwen2", "deepseek-r1-qwen"], pattern: QWEN2, digits: false, composed: true, llama3: false },
    Words { names: &["tekken"], pattern: TEKKEN, digits: false, composed: false, llama3: true },
];

/// Keys that are read here, or say nothing of how a text becomes tokens.
const KNOWN: [&str; 22] = [
    "model",
    "pre",
    "tokens",
    "scores",
    "token_type",
    "merges",
    "bos_token_id",
    "eos_token_id",
    "eot_token_id",
    "eom_token_id",
    "unknown_token_id",
    "padding_token_id",
    "seperator_token_id",
    "separator_token_id",
    "mask_token_id",
    "cls_token_id",
    "add_bos_token",
    "add_eos_token",
    "add_sep_token",
    "add_space_prefix",
    "token_type_count",
    "remove_extra_whitespaces",
];

/// Reads the tokenizer of a GGUF file.
///
/// # Errors
/// `is_usage` if the file has none; `is_unsupported` for a kind that is not read; `is_format` for metadata that contradict
/// themselves.
pub(super) fn read(path: &Path) -> Result<Files> {
    let file = Gguf::open(path)?;
    let place = path.display().to_string();
    let keys = Keys { metadata: file.metadata(), place: &place };
    let vocabulary = Vocabulary::of(keys)?;
    let mut files = Files::of(vocabulary.description()?, path.to_path_buf())?;
    files.settings.push(vocabulary.names()?);
    Ok(files)
}

/// What every kind has.
struct Vocabulary<'a> {
    keys: Keys<'a>,
    model: &'a str,
    tokens: &'a [String],
    kinds: &'a [i64],
}

impl<'a> Vocabulary<'a> {
    fn of(keys: Keys<'a>) -> Result<Self> {
        let place = keys.place;
        let Some(model) = keys.text("tokenizer.ggml.model")? else {
            return Err(Error::usage(format!("{place}: the file holds no tokenizer; give token ids"))
                .hinted(Hint::GiveOne(vec!["input"])));
        };
        let foreign = keys.metadata.keys().filter_map(|key| key.strip_prefix("tokenizer.ggml."));
        if let Some(key) = foreign.into_iter().find(|key| !KNOWN.contains(key) && !key.starts_with("fim_")) {
            return Err(refused(place, &format!("`tokenizer.ggml.{key}` is not understood")));
        }
        let tokens = keys.texts("tokenizer.ggml.tokens")?.ok_or_else(|| {
            Error::format(format!("{place}: `tokenizer.ggml.tokens` is missing; the file is damaged"))
        })?;
        let kinds = keys.ints("tokenizer.ggml.token_type")?.unwrap_or_default();
        if !kinds.is_empty() && kinds.len() != tokens.len() {
            return Err(Error::format(format!(
                "{place}: {} kinds of tokens (tokenizer.ggml.token_type) for {} tokens; the file is damaged",
                kinds.len(),
                tokens.len()
            )));
        }
        Ok(Self { keys, model, tokens, kinds })
    }

    fn kind(&self, id: usize) -> i64 {
        self.kinds.get(id).copied().unwrap_or(1)
    }

    /// True for a file of Gemma's, whose pieces are spelled in a way of their own.
    fn is_gemma(&self) -> bool {
        let architecture = self.keys.text("general.architecture").ok().flatten();
        self.model == "llama" && architecture.is_some_and(|name| name.starts_with("gemma"))
    }

    /// A token by the key of its number.
    fn special(&self, key: &str) -> Result<Option<(usize, &'a str)>> {
        let key = format!("tokenizer.ggml.{key}");
        let Some(id) = self.keys.int(&key)? else { return Ok(None) };
        match self.tokens.get(id as usize) {
            Some(token) => Ok(Some((id as usize, token))),
            None => Err(Error::format(format!(
                "{}: `{key}` is {id}, but there are {} tokens; the file is damaged",
                self.keys.place,
                self.tokens.len()
            ))),
        }
    }

    /// The special tokens' names, as tokenizer_config.json writes them.
    fn names(&self) -> Result<Value> {
        let mut names = serde_json::Map::new();
        for (key, name) in [
            ("bos_token_id", "bos_token"),
            ("eos_token_id", "eos_token"),
            ("unknown_token_id", "unk_token"),
            ("padding_token_id", "pad_token"),
            ("mask_token_id", "mask_token"),
            ("cls_token_id", "cls_token"),
        ] {
            if let Some((_, token)) = self.special(key)? {
                names.insert(name.into(), token.into());
            }
        }
        Ok(Value::Object(names))
    }

    /// tokenizer.json.
    fn description(&self) -> Result<Value> {
        let (begins, mut description) = match self.model {
            "gpt2" => self.byte_level()?,
            "llama" => self.sentence_piece()?,
            "t5" => self.unigrams()?,
            other => return Err(refused(self.keys.place, &format!("the tokenizer is of kind `{other}`"))),
        };
        description["version"] = "1.0".into();
        description["added_tokens"] = self.added().into();
        if self.keys.flag("tokenizer.ggml.add_sep_token")? == Some(true) {
            return Err(refused(
                self.keys.place,
                "separators around a text (tokenizer.ggml.add_sep_token) are not read",
            ));
        }
        let begins = self.keys.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(begins);
        let ends = self.keys.flag("tokenizer.ggml.add_eos_token")?.unwrap_or(self.model == "t5");
        description["post_processor"] = self.around(begins, ends)?;
        Ok(description)
    }

    /// Tokens that are found in a text before it is split.
    fn added(&self) -> Vec<Value> {
        let wanted = |(id, text): (usize, &String)| {
            let kind = self.kind(id);
            let special = kind == CONTROL || kind == UNKNOWN;
            // Gemma's runs of spaces are pieces like any other, under another spelling.
            let respelled = self.is_gemma() && marked(text) != *text;
            ((special || kind == USER_DEFINED) && !respelled).then(|| {
                json!({"id": id, "content": text, "special": special, "single_word": false, "lstrip": false,
                       "rstrip": false, "normalized": false})
            })
        };
        self.tokens.iter().enumerate().filter_map(wanted).collect()
    }

    /// The tokens put before and behind a text.
    fn around(&self, begins: bool, ends: bool) -> Result<Value> {
        let mut steps = vec![json!({"Sequence": {"id": "A", "type_id": 0}})];
        let mut specials = serde_json::Map::new();
        for (wanted, key, at_end) in [(begins, "bos_token_id", false), (ends, "eos_token_id", true)] {
            // llama.cpp leaves out a token that the file does not have.
            let Some((id, token)) = self.special(key)?.filter(|_| wanted) else { continue };
            specials.insert(token.into(), json!({"id": token, "ids": [id], "tokens": [token]}));
            let step = json!({"SpecialToken": {"id": token, "type_id": 0}});
            let place = if at_end { steps.len() } else { 0 };
            steps.insert(place, step);
        }
        if specials.is_empty() {
            return Ok(Value::Null);
        }
        let mut pair = steps.clone();
        pair.push(json!({"Sequence": {"id": "B", "type_id": 0}}));
        Ok(json!({"type": "TemplateProcessing", "single": steps, "pair": pair, "special_tokens": specials}))
    }

    fn byte_level(&self) -> Result<(bool, Value)> {
        let place = self.keys.place;
        let Some(pre) = self.keys.text("tokenizer.ggml.pre")? else {
            return Err(refused(place, "the file does not say how its tokenizer splits words (tokenizer.ggml.pre)"));
        };
        let Some(words) = WORDS.iter().find(|words| words.names.contains(&pre)) else {
            let known: Vec<&str> = WORDS.iter().flat_map(|words| words.names).copied().collect();
            return Err(refused(
                place,
                &format!(
                    "the tokenizer splits words as `{pre}` does (tokenizer.ggml.pre); {} are read",
                    known.join(", ")
                ),
            ));
        };
        let merges = self.keys.texts("tokenizer.ggml.merges")?.ok_or_else(|| {
            Error::format(format!("{place}: `tokenizer.ggml.merges` is missing; the file is damaged"))
        })?;
        let spelled = |(id, token): (usize, &String)| {
            let plain =
                matches!(self.kind(id), CONTROL | USER_DEFINED | UNKNOWN) || pieces::from_byte_letters(token).is_some();
            let token = if plain { token.clone() } else { pieces::to_byte_letters(token.as_bytes()) };
            (token, Value::from(id))
        };
        let vocab: serde_json::Map<String, Value> = self.tokens.iter().enumerate().map(spelled).collect();
        let digits = words.digits.then(|| json!({"type": "Digits", "individual_digits": true}));
        let split =
            json!({"type": "Split", "pattern": {"Regex": words.pattern}, "behavior": "Isolated", "invert": false});
        let letters = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
        let steps: Vec<Value> = digits.into_iter().chain([split, letters.clone()]).collect();
        let description = json!({
            "normalizer": if words.composed { json!({"type": "NFC"}) } else { Value::Null },
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
            "decoder": letters,
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": words.llama3,
                "vocab": vocab, "merges": merges,
            },
        });
        Ok((words.llama3, description))
    }

    fn sentence_piece(&self) -> Result<(bool, Value)> {
        let space_first = self.keys.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
        let unknown = self.special("unknown_token_id")?.map(|(_, token)| token);
        let gemma = self.is_gemma();
        // Gemma's runs of spaces are written as such, where its own tokenizer has SentencePiece's mark.
        let tokens: Vec<String> = match gemma {
            true => self.tokens.iter().map(|token| marked(token)).collect(),
            false => self.tokens.to_vec(),
        };
        let merges = match self.keys.texts("tokenizer.ggml.merges")? {
            Some(merges) => json!(merges),
            None => json!(self.implied_merges(&tokens, gemma)?),
        };
        let vocab: serde_json::Map<String, Value> =
            tokens.into_iter().enumerate().map(|(id, token)| (token, id.into())).collect();
        let spaces = json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"});
        let normalizer = match space_first {
            true => json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u{2581}"}, spaces]}),
            false => spaces,
        };
        let description = json!({
            "normalizer": normalizer,
            "pre_tokenizer": null,
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "},
                {"type": "ByteFallback"}, {"type": "Fuse"},
            ]},
            "model": {
                "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
                "vocab": vocab, "merges": merges,
            },
        });
        Ok((true, description))
    }

    /// Every pair of pieces that together are a piece; the best piece first, by its score or, for Gemma, whose scores do not
    /// follow its merges, by its number.
    fn implied_merges(&self, tokens: &[String], by_number: bool) -> Result<Vec<[String; 2]>> {
        let numbers: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
        let scores = match by_number {
            true => Vec::new(),
            false => self.scores()?.to_vec(),
        };
        let rank = |id: usize| if by_number { -(id as f64) } else { scores[id] };
        let mut pairs = Vec::new();
        for (id, token) in tokens.iter().enumerate() {
            for (cut, _) in token.char_indices().skip(1) {
                let (left, right) = token.split_at(cut);
                if let (Some(&l), Some(&r)) = (numbers.get(left), numbers.get(right)) {
                    pairs.push((rank(id), left.chars().count(), right.chars().count(), id, l, r));
                }
            }
        }
        // Longer left parts first among the pairs of one piece.
        pairs.sort_by(|a, b| {
            let better = b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(b.2.cmp(&a.2));
            better.then(a.3.cmp(&b.3)).then(a.4.cmp(&b.4)).then(a.5.cmp(&b.5))
        });
        Ok(pairs.into_iter().map(|(.., l, r)| [tokens[l].clone(), tokens[r].clone()]).collect())
    }

    fn unigrams(&self) -> Result<(bool, Value)> {
        let space_first = self.keys.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
        let scores = self.scores()?;
        let vocab: Vec<Value> = self.tokens.iter().zip(scores).map(|(token, score)| json!([token, score])).collect();
        let unknown = self.special("unknown_token_id")?.map(|(id, _)| id);
        let first = if space_first { "always" } else { "never" };
        let description = json!({
            "normalizer": null,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "WhitespaceSplit"},
                {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": first, "split": true},
            ]},
            "decoder": {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": first, "split": true},
            "model": {"type": "Unigram", "unk_id": unknown, "vocab": vocab, "byte_fallback": false},
        });
        Ok((false, description))
    }

    fn scores(&self) -> Result<&'a [f64]> {
        let scores = self.keys.floats("tokenizer.ggml.scores")?.unwrap_or_default();
        if scores.len() != self.tokens.len() {
            return Err(Error::format(format!(
                "{}: {} scores (tokenizer.ggml.scores) for {} tokens; the file is damaged",
                self.keys.place,
                scores.len(),
                self.tokens.len()
            )));
        }
        Ok(scores)
    }
}

/// A run of spaces in SentencePiece's spelling.
fn marked(token: &str) -> String {
    match token.len() > 1 && token.bytes().all(|byte| byte == b' ') {
        true => "\u{2581}".repeat(token.len()),
        false => token.to_owned(),
    }
}

fn refused(place: &str, why: &str) -> Error {
    Error::unsupported(format!("{place}: {why}; give token ids")).hinted(Hint::GiveOne(vec!["input"]))
}
