//! Which files make a tokenizer, and the older ones rewritten as tokenizer.json.

use crate::checkpoint::{read_json, read_small};
use attractor::{Error, Hint, Result};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Largest vocabulary file: the largest published ones have 40 MB.
const LARGEST: u64 = 256 << 20;

/// A tokenizer description in the one format.
pub(super) struct Files {
    pub(super) place: PathBuf,
    pub(super) json: Vec<u8>,
    pub(super) byte_level: bool,
}

impl Files {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let here = |name: &str| folder.join(name);
        if here("tokenizer.json").exists() {
            let place = here("tokenizer.json");
            let value = read_json(&place, "the tokenizer")?;
            return Self::of(value, place);
        }
        if here("vocab.json").exists() && here("merges.txt").exists() {
            let value = byte_pairs(&here("vocab.json"), &here("merges.txt"))?;
            return Self::of(value, here("vocab.json"));
        }
        if here("vocab.txt").exists() {
            let value = word_pieces(&here("vocab.txt"), &here("tokenizer_config.json"))?;
            return Self::of(value, here("vocab.txt"));
        }
        let place = folder.display();
        if here("tokenizer.model").exists() || here("spiece.model").exists() || here("sentencepiece.bpe.model").exists()
        {
            return Err(Error::unsupported(format!(
                "{place}: there is only a SentencePiece model; expected tokenizer.json: make one with transformers \
                 (AutoTokenizer.from_pretrained(folder).save_pretrained(folder)), or give token ids"
            ))
            .hinted(Hint::GiveOne(vec!["input"])));
        }
        Err(Error::usage(format!(
            "{place}: there is no tokenizer here; expected tokenizer.json, vocab.txt, or vocab.json with merges.txt: add \
             one, or give token ids"
        ))
        .hinted(Hint::GiveOne(vec!["input"])))
    }

    fn of(mut value: Value, place: PathBuf) -> Result<Self> {
        let Value::Object(object) = &mut value else {
            return Err(Error::format(format!("{}: expected an object, got something else", place.display())));
        };
        object.insert("truncation".into(), Value::Null);
        object.insert("padding".into(), Value::Null);
        let byte_level =
            ["decoder", "pre_tokenizer"].iter().any(|part| object.get(*part).is_some_and(names_byte_level));
        let json = value.to_string().into_bytes();
        Ok(Self { place, json, byte_level })
    }
}

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
fn word_pieces(vocabulary: &Path, settings: &Path) -> Result<Value> {
    let bytes = read_small(vocabulary, LARGEST, "the vocabulary")?;
    let text = String::from_utf8(bytes)
        .map_err(|e| Error::format(format!("{}: the vocabulary is not UTF-8 text", vocabulary.display())).because(e))?;
    let mut numbers = Map::new();
    for (number, piece) in text.lines().enumerate() {
        // A piece on two lines keeps the later number, as in the original reader.
        numbers.insert(piece.to_owned(), number.into());
    }
    let settings = if settings.exists() { read_json(settings, "the tokenizer's settings")? } else { Value::Null };
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
fn byte_pairs(vocabulary: &Path, merges: &Path) -> Result<Value> {
    let numbers = read_json(vocabulary, "the vocabulary")?;
    let Value::Object(pieces) = &numbers else {
        return Err(Error::format(format!("{}: expected an object from pieces to numbers", vocabulary.display())));
    };
    let bytes = read_small(merges, LARGEST, "the merges")?;
    let text = String::from_utf8(bytes)
        .map_err(|e| Error::format(format!("{}: no UTF-8 text", merges.display())).because(e))?;
    let merges: Vec<&str> = text.lines().filter(|line| !line.starts_with("#version") && !line.is_empty()).collect();
    let number = |piece: &str| pieces.get(piece).and_then(Value::as_u64);
    let known = ["<s>", "</s>", "<pad>", "<unk>", "<mask>", "<|endoftext|>"];
    let specials: Vec<_> = known.iter().filter_map(|piece| Some(added(piece, number(piece)?))).collect();
    let ends = match (number("<s>"), number("</s>"), number("<mask>")) {
        (Some(begin), Some(end), Some(_)) => json!({
            "type": "RobertaProcessing",
            "sep": ["</s>", end],
            "cls": ["<s>", begin],
            "trim_offsets": true,
            "add_prefix_space": false,
        }),
        _ => Value::Null,
    };
    let letters = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
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
