//! Tokenizers of every layout, and inputs given as numbers.

use crate::build::*;
use attractor_nn::text::{Tokenizer, describe, read_ids};
use attractor_record::{Role, Token};
use std::path::Path;

const PIECES: [&str; 14] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "valley", "of", "energy", "##s", ".", ",", "a", "!"];

fn word_pieces() -> Folder {
    let folder = Folder::new();
    folder.put("vocab.txt", PIECES.join("\n"));
    folder
}

/// tokenizer.json with everything that must be ignored: truncation to 5 tokens and padding to 12.
fn with_truncation_and_padding() -> Folder {
    let folder = Folder::new();
    let vocabulary: Vec<_> = PIECES.iter().enumerate().map(|(i, p)| format!("{p:?}:{i}")).collect();
    let added: Vec<_> = PIECES[..5]
        .iter()
        .enumerate()
        .map(|(i, p)| {
            format!(
                r#"{{"id":{i},"content":{p:?},"special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false}}"#
            )
        })
        .collect();
    folder.put(
        "tokenizer.json",
        format!(
            r###"{{"version":"1.0",
            "truncation":{{"max_length":5,"strategy":"LongestFirst","stride":0,"direction":"Right"}},
            "padding":{{"strategy":{{"Fixed":12}},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":"[PAD]"}},
            "added_tokens":[{}],
            "normalizer":{{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}},
            "pre_tokenizer":{{"type":"BertPreTokenizer"}},
            "post_processor":{{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}},
            "decoder":{{"type":"WordPiece","prefix":"##","cleanup":true}},
            "model":{{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{{{}}}}}}}"###,
            added.join(","),
            vocabulary.join(",")
        ),
    );
    folder
}

/// GPT-2's layout over a handful of merges; byte letters for all that the tests write.
fn byte_pairs(specials: &[&str]) -> Folder {
    let folder = Folder::new();
    let mut pieces: Vec<String> =
        "abcdehlnorstvwy.,!\u{120}\u{10a}\u{c3}\u{a9}\u{e2}\u{124}\u{ac}".chars().map(String::from).collect();
    let merges = ["t h", "th e", "\u{120} the", "e n"];
    pieces.extend(merges.iter().map(|m| m.replace(' ', "")));
    pieces.extend(specials.iter().map(|s| s.to_string()));
    let entries: Vec<_> = pieces.iter().enumerate().map(|(i, p)| format!("{:?}:{i}", p)).collect();
    folder.put("vocab.json", format!("{{{}}}", entries.join(",").replace("\\u{", "\\u{")));
    folder.put("merges.txt", format!("#version: 0.2\n{}\n", merges.join("\n")));
    folder
}

fn texts(tokens: &[Token]) -> Vec<&str> {
    tokens.iter().map(|t| t.text.as_str()).collect()
}

fn ids(tokens: &[Token]) -> Vec<u32> {
    tokens.iter().map(|t| t.id).collect()
}

#[test]
fn pieces_have_their_roles() {
    let tokenizer = Tokenizer::open(word_pieces().path()).unwrap();
    let tokens = tokenizer.encode("The valleys of [MASK], Zorn.", true).unwrap();
    let expected = ["[CLS]", "the", "valley", "##s", "of", "[MASK]", ",", "[UNK]", ".", "[SEP]"];
    assert_eq!(texts(&tokens), expected);
    assert_eq!(ids(&tokens), [2, 5, 6, 9, 7, 4, 11, 1, 10, 3]);
    use Role::*;
    let roles: Vec<_> = tokens.iter().map(|t| t.role).collect();
    assert_eq!(roles, [Cls, Text, Text, Text, Text, Mask, Punctuation, Text, Punctuation, Sep]);
    assert_eq!(tokenizer.mask_token(), Some(4));
    let bare = tokenizer.encode("the valley", false).unwrap();
    assert_eq!(ids(&bare), [5, 6]);
}

#[test]
fn truncation_and_padding_of_the_file_are_ignored() {
    let text = "the valley of the energy of a valley.";
    let (json, txt) = (with_truncation_and_padding(), word_pieces());
    let one = Tokenizer::open(json.path()).unwrap().encode(text, true).unwrap();
    assert_eq!(one.len(), 11);
    assert_eq!(one, Tokenizer::open(txt.path()).unwrap().encode(text, true).unwrap());
}

#[test]
fn a_cased_vocabulary_keeps_its_case() {
    let folder = word_pieces();
    folder.put("tokenizer_config.json", r#"{"do_lower_case": false}"#);
    assert_eq!(ids(&Tokenizer::open(folder.path()).unwrap().encode("The the", false).unwrap()), [1, 5]);
}

#[test]
fn byte_pieces_read_as_text_and_special_ends_by_place() {
    let folder = byte_pairs(&["<|endoftext|>"]);
    folder.put("tokenizer_config.json", r#"{"bos_token":"<|endoftext|>","eos_token":{"content":"<|endoftext|>"}}"#);
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    let tokens = tokenizer.encode("<|endoftext|>then the \u{e9}!\n<|endoftext|>", true).unwrap();
    let expected = ["<|endoftext|>", "the", "n", " the", " ", "\u{e9}[1/2]", "\u{e9}[2/2]", "!", "\n", "<|endoftext|>"];
    assert_eq!(texts(&tokens), expected);
    let roles: Vec<_> = tokens.iter().map(|t| t.role).collect();
    assert_eq!((roles[0], roles[7], roles[9]), (Role::Bos, Role::Punctuation, Role::Eos));
    assert!(roles[1..7].iter().all(|r| *r == Role::Text));
}

/// SentencePiece writes what its vocabulary lacks byte by byte.
#[test]
fn bytes_of_a_sentence_piece_vocabulary_read_as_their_character() {
    let folder = Folder::new();
    let mut vocabulary =
        serde_json::Map::from_iter([("<unk>".to_string(), 0.into()), ("\u{2581}a".to_string(), 1.into())]);
    for byte in 0..=255u8 {
        vocabulary.insert(format!("<0x{byte:02X}>"), (2 + u32::from(byte)).into());
    }
    let tokenizer = serde_json::json!({
        "version": "1.0", "added_tokens": [], "post_processor": null, "pre_tokenizer": null,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"},
        "decoder": null,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "<unk>", "byte_fallback": true},
    });
    folder.put("tokenizer.json", tokenizer.to_string());
    let tokens = Tokenizer::open(folder.path()).unwrap().encode("\u{4f60}\u{1f600}", false).unwrap();
    let parts = |letter: char, count: usize| (1..=count).map(move |part| format!("{letter}[{part}/{count}]"));
    let expected: Vec<String> = parts('\u{4f60}', 3).chain(parts('\u{1f600}', 4)).collect();
    assert_eq!(texts(&tokens), expected);
    assert_eq!(ids(&tokens)[0], 2 + 0xe4);
}

/// tokenizer.json of one letter, with the normalizer that is to be tried.
fn normalized_by(normalizer: serde_json::Value) -> Folder {
    let folder = Folder::new();
    let tokenizer = serde_json::json!({
        "version": "1.0", "added_tokens": [], "normalizer": normalizer, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"a": 0, "<unk>": 1}, "unk_token": "<unk>"},
    });
    folder.put("tokenizer.json", tokenizer.to_string());
    folder
}

/// The answer to one letter: fine, or one error of the file's kind within a bound of time.
fn refused(normalizer: serde_json::Value) -> Option<String> {
    let folder = normalized_by(normalizer);
    let start = std::time::Instant::now();
    let answer = Tokenizer::open(folder.path()).and_then(|tokenizer| tokenizer.encode("a", true));
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    let error = answer.err()?;
    assert!(error.is_format() && error.to_string().contains("tokenizer.json"), "{error:?}");
    Some(error.to_string())
}

/// Charsmaps that the library breaks on: no bytes, bytes that are none, a trie that leads out of its table or back to itself.
#[test]
fn broken_charsmaps_are_one_error() {
    let charsmap = |text: &str| serde_json::json!({"type": "Precompiled", "precompiled_charsmap": text});
    for broken in ["", "AAAA", "not base64!", "////////////////", "CAAAAAAAAAAAAAAA", "BAAAAP////8="] {
        let error = refused(charsmap(broken)).unwrap_or_else(|| panic!("{broken:?} was read"));
        assert!(error.contains("tokenizer cannot be"), "{broken:?}: {error}");
    }
}

/// What lengthens a text is bounded before it is done.
#[test]
fn normalizers_that_fill_memory_are_refused_by_their_rule() {
    let replace = |pattern: serde_json::Value, content: String| serde_json::json!({"type": "Replace", "pattern": pattern, "content": content});
    let many = |steps: Vec<serde_json::Value>| serde_json::json!({"type": "Sequence", "normalizers": steps});
    let doubling = replace(serde_json::json!({"String": "a"}), "aa".into());
    let error = refused(many(vec![doubling.clone(); 40])).unwrap();
    assert!(error.contains("rule 23 (Replace)"), "2^23 bytes are the most that one letter may become: {error}");
    assert_eq!(refused(many(vec![doubling.clone(); 20])), None);
    let nested = many(vec![many(vec![doubling; 40])]);
    assert!(refused(nested).unwrap().contains("Replace"));
    let pattern = replace(serde_json::json!({"Regex": "a"}), "aa".into());
    assert!(refused(many(vec![pattern; 40])).unwrap().contains("Replace"));
    let letters = serde_json::json!({"type": "ByteLevel"});
    let accents =
        many([vec![replace(serde_json::json!({"String": "a"}), "\u{e9}".into())], vec![letters; 40]].concat());
    assert!(refused(accents).unwrap().contains("ByteLevel"));
    let once = |content: usize| replace(serde_json::json!({"String": "a"}), "b".repeat(content));
    assert_eq!(refused(once(1 << 20)), None);
    assert!(
        refused(many(vec![
            replace(serde_json::json!({"String": "a"}), "b".repeat(1 << 16)),
            replace(serde_json::json!({"String": "b"}), "c".repeat(1 << 16))
        ]))
        .unwrap()
        .contains("rule 1 (Replace)")
    );
}

#[test]
fn the_roberta_layout_puts_its_own_ends() {
    let tokenizer = Tokenizer::open(byte_pairs(&["<s>", "</s>", "<pad>", "<mask>"]).path()).unwrap();
    let tokens = tokenizer.encode("the", true).unwrap();
    assert_eq!(texts(&tokens), ["<s>", "the", "</s>"]);
    assert_eq!((tokens[0].role, tokens[2].role), (Role::Bos, Role::Eos));
}

#[test]
fn a_long_text_is_cut_and_a_short_rest_is_dropped() {
    let folder = word_pieces();
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    let text = |words: usize| vec!["valley"; words].join(" ");
    let lengths = |words: usize, length: usize| {
        let inputs = tokenizer.sequences(&text(words), length).unwrap();
        for input in &inputs {
            assert_eq!((input[0].role, input[input.len() - 1].role), (Role::Cls, Role::Sep));
        }
        inputs.iter().map(Vec::len).collect::<Vec<_>>()
    };
    // 38 words fit beside two special tokens.
    assert_eq!(lengths(76, 40), [40, 40]);
    assert_eq!(lengths(76 + 16, 40), [40, 40, 18]);
    assert_eq!(lengths(76 + 15, 40), [40, 40]);
    assert_eq!(lengths(3, 40), [5]);
    // A short length cuts pieces that are all shorter than 16: whole ones are kept.
    assert_eq!(lengths(9, 6), [6, 6]);
    let error = tokenizer.sequences(&text(9), 2).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("at least 3"), "{error}");
}

#[test]
fn given_numbers_are_read_from_every_layout() {
    let folder = Folder::new();
    let longs: Vec<u8> = [1i64, 2, 3, 4, 5, 6].iter().flat_map(|v| v.to_le_bytes()).collect();
    let npy = |header: &str, data: &[u8]| {
        let mut file = b"\x93NUMPY\x01\0".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(data);
        file
    };
    let ids = |path: &std::path::Path, rows: usize| -> Vec<Vec<u32>> {
        read_ids(path, &vocabulary(rows, &[])).unwrap().into_iter().map(|row| row.ids).collect()
    };
    let two = vec![vec![1, 2, 3], vec![4, 5, 6]];
    let path = folder.put("a.json", "[[1,2,3],[4,5,6]]");
    assert_eq!(ids(&path, 7), two);
    let path = folder.put("b.json", "[3, 0, 2]");
    assert_eq!(ids(&path, 7), [[3, 0, 2]]);
    let path = folder.put("c.json", "[[3], [0, 2]]");
    assert_eq!(ids(&path, 7), [vec![3], vec![0, 2]]);
    let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3), }\n";
    let path = folder.put("d.npy", npy(header, &longs));
    assert_eq!(ids(&path, 7), two);
    let path = folder.put(
        "e.safetensors",
        safetensors(&[raw("input_ids", "I64", &[2, 3], longs.clone()), raw("labels", "I64", &[2, 3], longs.clone())]),
    );
    assert_eq!(ids(&path, 7), two);
    let error = read_ids(&path, &vocabulary(6, &[])).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("input 1, position 2"), "{error}");
}

/// A padding token that also ends texts is an end where it occurs.
#[test]
fn a_token_that_ends_texts_is_no_padding() {
    let folder = Folder::new();
    let tokenizer = serde_json::json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "</s>": 2, "<unk>": 3, "<pad>": 4}, "unk_token": "<unk>"},
    });
    folder.put("tokenizer.json", tokenizer.to_string());
    let roles = |pad: &str| {
        folder.put("special_tokens_map.json", serde_json::json!({"pad_token": pad, "eos_token": "</s>"}).to_string());
        let tokens = Tokenizer::open(folder.path()).unwrap().encode("a </s> b </s>", true).unwrap();
        tokens.iter().map(|token| token.role).collect::<Vec<_>>()
    };
    for pad in ["</s>", "<pad>"] {
        assert_eq!(roles(pad), [Role::Text, Role::Eos, Role::Text, Role::Eos], "{pad}");
    }
}

/// What older files say that their rewriting would lose is refused with the line that makes tokenizer.json.
#[test]
fn older_tokenizers_with_more_than_a_vocabulary_are_refused() {
    let refused = |name: &str, content: &str| {
        let folder = word_pieces();
        folder.put(name, content);
        let error = Tokenizer::open(folder.path()).unwrap_err();
        assert!(error.is_unsupported() && error.to_string().contains("save_pretrained"), "{error}");
    };
    refused("added_tokens.json", r#"{"[E1]": 9}"#);
    refused("tokenizer_config.json", r#"{"added_tokens_decoder": {"9": {"content": "[E1]"}}}"#);
    refused("tokenizer_config.json", r#"{"tokenizer_class": "BertJapaneseTokenizer"}"#);
    refused("tokenizer_config.json", r#"{"do_basic_tokenize": false}"#);
    let folder = word_pieces();
    folder.put(
        "tokenizer_config.json",
        r#"{"tokenizer_class": "BertTokenizerFast", "added_tokens_decoder": {"0": {"content": "[PAD]"}}}"#,
    );
    assert!(Tokenizer::open(folder.path()).is_ok());
}

/// What a file states is used; without it, only trailing tokens that no text begins or ends with are padding.
#[test]
fn padding_and_types_are_what_is_stated() {
    let folder = Folder::new();
    let read = |text: &str, more: &[(&str, serde_json::Value)]| {
        let rows = read_ids(&folder.put("x.json", text), &vocabulary(11, more)).unwrap();
        rows.into_iter().map(|row| (row.padding, row.types)).collect::<Vec<_>>()
    };
    let none = || (vec![], vec![]);
    let stated =
        r#"{"input_ids": [[4, 2, 0], [0, 0, 5]], "attention_mask": [[1, 0, 1], [0, 1, 1]], "labels": [[1, 1, 1]]}"#;
    assert_eq!(read(stated, &[]), [(vec![false, true, false], vec![]), (vec![true, false, false], vec![])]);
    let pad = [("pad_token_id", serde_json::json!(0))];
    assert_eq!(read("[[0, 4, 0, 5], [4, 0, 0]]", &pad), [none(), (vec![false, true, true], vec![])]);
    // A stated mask has the last word, and a row of nothing but that token is a text of it.
    assert_eq!(read(r#"{"input_ids": [4, 0], "attention_mask": [1, 1]}"#, &pad), [(vec![false, false], vec![])]);
    assert_eq!(read("[0, 0]", &pad), [none()]);
    for end in ["bos_token_id", "eos_token_id"] {
        let both = [("pad_token_id", serde_json::json!(0)), (end, serde_json::json!(0))];
        assert_eq!(read("[[0, 4, 0, 0]]", &both), [none()]);
    }
    assert_eq!(read(r#"{"input_ids": [4, 0], "token_type_ids": [0, 0]}"#, &[]), [(vec![], vec![0, 0])]);
}

#[test]
fn numbers_without_a_tokenizer_have_the_configured_roles() {
    let value = serde_json::from_str(&GPT2.replace("\"n_layer\"", "\"bos_token_id\":7,\"n_layer\"")).unwrap();
    let spec = attractor_nn::checkpoint::config::read(&value, "config.json").unwrap();
    let tokens = describe(&[7, 3], None, &spec).unwrap();
    assert_eq!((texts(&tokens), tokens[0].role, tokens[1].role), (vec!["7", "3"], Role::Bos, Role::Text));
    let folder = word_pieces();
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    assert_eq!(texts(&describe(&[2, 6, 999], Some(&tokenizer), &spec).unwrap()), ["[CLS]", "valley", "<999>"]);
}

#[test]
fn the_real_sentence_model_tokenizes_as_recorded() {
    let Some(folder) = std::env::var_os("ATTRACTOR_MINILM") else {
        println!("skipped: ATTRACTOR_MINILM does not name the folder of all-MiniLM-L6-v2");
        return;
    };
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors");
    let about: serde_json::Value =
        serde_json::from_slice(&std::fs::read(vectors.join("minilm_valley.json")).unwrap()).unwrap();
    let golden =
        attractor_nn::checkpoint::safetensors::Safetensors::open(&vectors.join("minilm_valley.safetensors")).unwrap();
    let expected = golden.integers("input_ids").unwrap().1;
    let text = about["text"].as_str().unwrap();
    let tokenizer = Tokenizer::open(Path::new(&folder)).unwrap().for_vocabulary(30522);
    let tokens = tokenizer.encode(text, true).unwrap();
    assert_eq!(tokens.iter().map(|t| i64::from(t.id)).collect::<Vec<_>>(), expected);
    assert_eq!((tokens[0].role, tokens[27].role, tokens[26].role), (Role::Cls, Role::Sep, Role::Punctuation));
    // The same words from vocab.txt alone.
    let bare = Folder::new();
    for name in ["vocab.txt", "tokenizer_config.json"] {
        std::fs::copy(Path::new(&folder).join(name), bare.path().join(name)).unwrap();
    }
    assert_eq!(Tokenizer::open(bare.path()).unwrap().encode(text, true).unwrap(), tokens);
    let long = text.repeat(20);
    let inputs = tokenizer.sequences(&long, 128).unwrap();
    assert_eq!(inputs.iter().map(Vec::len).collect::<Vec<_>>(), [128, 128, 128, 128, 18]);
}
