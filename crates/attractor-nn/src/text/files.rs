//! Which files make a tokenizer, and the older ones rewritten as tokenizer.json.

use crate::checkpoint::{is_gguf, read_json, read_small};
use attractor::{Error, Hint, Result};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Largest vocabulary file: the largest published ones have 40 MB.
const LARGEST: u64 = 256 << 20;

/// A tokenizer description in the one format.
pub(super) struct Files {
    pub(super) place: PathBuf,
    pub(super) json: Value,
    pub(super) byte_level: bool,
    /// What names the special tokens, the first source first.
    pub(super) settings: Vec<Value>,
}

impl Files {
    pub(super) fn read(path: &Path) -> Result<Self> {
        if is_gguf(path) {
            return super::gguf::read(path);
        }
        let mut files = Self::in_folder(path)?;
        for (name, what) in
            [("special_tokens_map.json", "the special tokens"), ("tokenizer_config.json", "the tokenizer's settings")]
        {
            let file = path.join(name);
            if file.exists() {
                files.settings.push(read_json(&file, what)?);
            }
        }
        Ok(files)
    }

    fn in_folder(folder: &Path) -> Result<Self> {
        let here = |name: &str| folder.join(name);
        if here("tokenizer.json").exists() {
            let place = here("tokenizer.json");
            let value = read_json(&place, "the tokenizer")?;
            return Self::of(value, place);
        }
        if here("vocab.json").exists() && here("merges.txt").exists() {
            let settings = older(folder, &["GPT2", "Roberta", "XLMRoberta"])?;
            let value = byte_pairs(&here("vocab.json"), &here("merges.txt"), &settings)?;
            return Self::of(value, here("vocab.json"));
        }
        if here("vocab.txt").exists() {
            let value = word_pieces(&here("vocab.txt"), &older(folder, &["Bert"])?)?;
            return Self::of(value, here("vocab.txt"));
        }
        let place = folder.display();
        if here("tokenizer.model").exists() || here("spiece.model").exists() || here("sentencepiece.bpe.model").exists()
        {
            return Err(only_with_transformers(folder, "there is only a SentencePiece model"));
        }
        Err(Error::usage(format!(
            "{place}: there is no tokenizer here; expected tokenizer.json, vocab.txt, or vocab.json with merges.txt: add \
             one, or give token ids"
        ))
        .hinted(Hint::GiveOne(vec!["input"])))
    }

    pub(super) fn of(mut value: Value, place: PathBuf) -> Result<Self> {
        let Value::Object(object) = &mut value else {
            return Err(Error::format(format!("{}: expected an object, got something else", place.display())));
        };
        object.insert("truncation".into(), Value::Null);
        object.insert("padding".into(), Value::Null);
        let byte_level =
            ["decoder", "pre_tokenizer"].iter().any(|part| object.get(*part).is_some_and(names_byte_level));
        Ok(Self { place, json: value, byte_level, settings: Vec::new() })
    }
}

/// A tokenizer that older files describe in more words than are understood here.
fn only_with_transformers(folder: &Path, why: &str) -> Error {
    Error::unsupported(format!(
        "{}: {why}; expected tokenizer.json: make one with transformers \
         (AutoTokenizer.from_pretrained(folder).save_pretrained(folder)), or give token ids",
        folder.display()
    ))
    .hinted(Hint::GiveOne(vec!["input"]))
}

/// The settings beside an older vocabulary, if they say nothing that its rewriting would lose: other added tokens than the
/// known special ones, another class than those of `classes`.
fn older(folder: &Path, classes: &[&str]) -> Result<Value> {
    if folder.join("added_tokens.json").exists() {
        return Err(only_with_transformers(folder, "added_tokens.json adds tokens to an older vocabulary"));
    }
    let place = folder.join("tokenizer_config.json");
    let settings = if place.exists() { read_json(&place, "the tokenizer's settings")? } else { Value::Null };
    let added = settings.get("added_tokens_decoder").and_then(Value::as_object).into_iter().flatten();
    let foreign = added.filter_map(|(_, token)| token.get("content")?.as_str()).find(|text| !SPECIAL.contains(text));
    if let Some(token) = foreign {
        let why = format!("tokenizer_config.json adds the token {token:?} to an older vocabulary");
        return Err(only_with_transformers(folder, &why));
    }
    let class = settings.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
    let known = class.is_empty()
        || classes.iter().any(|own| class.strip_prefix(own).is_some_and(|rest| rest.starts_with("Tokenizer")));
    if !known {
        return Err(only_with_transformers(
            folder,
            &format!("the tokenizer is a {class}, given by its older files alone"),
        ));
    }
    let says = |key: &str, value: bool| settings.get(key).and_then(Value::as_bool) == Some(value);
    if says("do_basic_tokenize", false) || settings.get("never_split").is_some_and(|list| !list.is_null()) {
        return Err(only_with_transformers(
            folder,
            "words are split in a way of their own (do_basic_tokenize, never_split)",
        ));
    }
    Ok(settings)
}

/// Special tokens that the rewriting of older files knows.
const SPECIAL: [&str; 11] =
    ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>", "<|endoftext|>"];

/// True if this step, or one inside it, writes bytes as letters.
fn names_byte_level(step: &Value) -> bool {
    match step {
        Value::Object(object) => {
            object.get("type").and_then(Value::as_str) == Some("ByteLevel") || object.values().any(names_byte_level)
        }
        Value::Array(list) => list.iter().any(names_byte_level),
        _ => false,
    }
}

fn added(content: &str, id: u64) -> Value {
    json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false})
}

/// BERT's vocab.txt: one piece a line, its number the line's.
fn word_pieces(vocabulary: &Path, settings: &Value) -> Result<Value> {
    let bytes = read_small(vocabulary, LARGEST, "the vocabulary")?;
    let text = String::from_utf8(bytes)
        .map_err(|e| Error::format(format!("{}: the vocabulary is not UTF-8 text", vocabulary.display())).because(e))?;
    let mut numbers = Map::new();
    for (number, piece) in text.lines().enumerate() {
        // A piece on two lines keeps the later number, as in the original reader.
        numbers.insert(piece.to_owned(), number.into());
    }
    let flag = |key: &str, default: bool| settings.get(key).and_then(Value::as_bool).unwrap_or(default);
    let number = |piece: &str| {
        numbers.get(piece).and_then(Value::as_u64).ok_or_else(|| {
            Error::format(format!(
                "{}: the vocabulary has no {piece}; expected a BERT vocabulary with [UNK], [CLS] and [SEP]",
                vocabulary.display()
            ))
        })
    };
    let (unknown, class, separator) = (number("[UNK]")?, number("[CLS]")?, number("[SEP]")?);
    let mut specials = vec![added("[UNK]", unknown), added("[CLS]", class), added("[SEP]", separator)];
    specials.extend(["[PAD]", "[MASK]"].iter().filter_map(|piece| Some(added(piece, numbers.get(*piece)?.as_u64()?))));
    let special = |piece: &str, id: u64| json!({"id": piece, "ids": [id], "tokens": [piece]});
    Ok(json!({
        "version": "1.0",
        "added_tokens": specials,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": flag("tokenize_chinese_chars", true),
            "strip_accents": settings.get("strip_accents").cloned().unwrap_or(Value::Null),
            "lowercase": flag("do_lower_case", true),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
            ],
            "pair": [
                {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
            ],
            "special_tokens": {"[CLS]": special("[CLS]", class), "[SEP]": special("[SEP]", separator)},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": numbers,
        },
    }))
}

/// GPT-2's vocab.json and merges.txt; RoBERTa's are the same with its own special tokens.
fn byte_pairs(vocabulary: &Path, merges: &Path, settings: &Value) -> Result<Value> {
    let prefix = settings.get("add_prefix_space").and_then(Value::as_bool).unwrap_or(false);
    let numbers = read_json(vocabulary, "the vocabulary")?;
    let Value::Object(pieces) = &numbers else {
        return Err(Error::format(format!("{}: expected an object from pieces to numbers", vocabulary.display())));
    };
    let bytes = read_small(merges, LARGEST, "the merges")?;
    let text = String::from_utf8(bytes)
        .map_err(|e| Error::format(format!("{}: no UTF-8 text", merges.display())).because(e))?;
    let merges: Vec<&str> = text.lines().filter(|line| !line.starts_with("#version") && !line.is_empty()).collect();
    let number = |piece: &str| pieces.get(piece).and_then(Value::as_u64);
    let specials: Vec<_> = SPECIAL
        .iter()
        .filter(|piece| piece.starts_with('<'))
        .filter_map(|piece| Some(added(piece, number(piece)?)))
        .collect();
    let ends = match (number("<s>"), number("</s>"), number("<mask>")) {
        (Some(begin), Some(end), Some(_)) => json!({
            "type": "RobertaProcessing",
            "sep": ["</s>", end],
            "cls": ["<s>", begin],
            "trim_offsets": true,
            "add_prefix_space": prefix,
        }),
        _ => Value::Null,
    };
    let letters = json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": true});
    Ok(json!({
        "version": "1.0",
        "added_tokens": specials,
        "normalizer": null,
        "pre_tokenizer": letters,
        "post_processor": ends,
        "decoder": letters,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": false,
            "byte_fallback": false,
            "vocab": numbers,
            "merges": merges,
        },
    }))
}
