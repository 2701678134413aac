//! GGUF files, whole and damaged: what conversion changed is given back, what is not understood is refused by name.

use crate::build::*;
use crate::memory::peak;
use crate::says;
use attractor_nn::Error;
use attractor_nn::checkpoint::spec::{Family, Position, Scaling};
use attractor_nn::checkpoint::{Checkpoint, Opening, Remark};
use attractor_nn::text::Tokenizer;
use attractor_record::Role;
use proptest::prelude::*;
use std::path::PathBuf;

/// A value of the metadata: its kind and its bytes.
type Value = (u32, Vec<u8>);

fn number(x: u32) -> Value {
    (4, x.to_le_bytes().to_vec())
}

fn real(x: f32) -> Value {
    (6, x.to_le_bytes().to_vec())
}

fn flag(x: bool) -> Value {
    (7, vec![u8::from(x)])
}

fn bytes_of(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn text(x: &str) -> Value {
    (8, bytes_of(x))
}

fn list(kind: u32, entries: Vec<Vec<u8>>) -> Value {
    let head = [&kind.to_le_bytes()[..], &(entries.len() as u64).to_le_bytes()[..]].concat();
    (9, [head, entries.concat()].concat())
}

fn texts(all: &[&str]) -> Value {
    list(8, all.iter().map(|t| bytes_of(t)).collect())
}

/// A file to be written.
#[derive(Clone)]
struct File {
    keys: Vec<(String, Value)>,
    /// Name, sizes as GGUF has them (columns first), format, bytes.
    tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

impl File {
    fn set(mut self, key: &str, value: Value) -> Self {
        self.keys.retain(|(known, _)| known != key);
        self.keys.push((key.into(), value));
        self
    }

    fn without(mut self, key: &str) -> Self {
        self.keys.retain(|(known, _)| known != key);
        self
    }

    fn tensor(mut self, name: &str, sizes: &[u64], values: &[f32]) -> Self {
        self.tensors.retain(|(known, ..)| known != name);
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensors.push((name.into(), sizes.to_vec(), 0, bytes));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, (kind, value)) in &self.keys {
            out.extend(bytes_of(key));
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        let mut offset = 0u64;
        for (name, sizes, format, bytes) in &self.tensors {
            out.extend(bytes_of(name));
            out.extend((sizes.len() as u32).to_le_bytes());
            sizes.iter().for_each(|n| out.extend(n.to_le_bytes()));
            out.extend(format.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (bytes.len() as u64).next_multiple_of(32);
        }
        for (.., bytes) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(bytes);
        }
        out
    }

    fn put(&self) -> (Folder, PathBuf) {
        let folder = Folder::new();
        let path = folder.put("model.gguf", &self.bytes());
        (folder, path)
    }

    fn open(&self) -> attractor_nn::Result<Checkpoint> {
        let (_folder, path) = self.put();
        Checkpoint::open(&path, &Opening::default())
    }

    fn refused(&self) -> Error {
        self.open().expect_err("a file that must be refused was read")
    }

    fn tokens(&self, of: &str) -> Vec<u32> {
        let (_folder, path) = self.put();
        Tokenizer::open(&path).unwrap().encode(of, true).unwrap().iter().map(|token| token.id).collect()
    }
}

/// A model of one layer, width 8, two heads of four, one key head, twelve tokens.
fn model(architecture: &str) -> File {
    let own = |key: &str| format!("{architecture}.{key}");
    let mut file = File { keys: Vec::new(), tensors: Vec::new() }
        .set("general.architecture", text(architecture))
        .set("general.name", text("a small one"))
        .set(&own("context_length"), number(32))
        .set(&own("embedding_length"), number(8))
        .set(&own("block_count"), number(1))
        .set(&own("feed_forward_length"), number(6))
        .set(&own("attention.head_count"), number(2))
        .set(&own("attention.head_count_kv"), number(1))
        .set(&own("attention.key_length"), number(4))
        .set(&own("attention.layer_norm_rms_epsilon"), real(1e-5));
    let count = |n: usize| (0..n).map(|i| i as f32).collect::<Vec<_>>();
    for (name, sizes) in [
        ("token_embd.weight", [8, 12]),
        ("blk.0.attn_q.weight", [8, 8]),
        ("blk.0.attn_k.weight", [8, 4]),
        ("blk.0.attn_v.weight", [8, 4]),
        ("blk.0.attn_output.weight", [8, 8]),
        ("blk.0.ffn_gate.weight", [8, 6]),
        ("blk.0.ffn_up.weight", [8, 6]),
        ("blk.0.ffn_down.weight", [6, 8]),
    ] {
        file = file.tensor(name, &sizes, &count((sizes[0] * sizes[1]) as usize));
    }
    for name in ["output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"] {
        file = file.tensor(name, &[8], &[1.5; 8]);
    }
    if architecture.starts_with("gemma") {
        file = file.tensor("blk.0.post_attention_norm.weight", &[8], &[1.5; 8]);
        file = file.tensor("blk.0.post_ffw_norm.weight", &[8], &[1.5; 8]);
    }
    if ["qwen3", "gemma3"].contains(&architecture) {
        file = file.tensor("blk.0.attn_q_norm.weight", &[4], &[1.5; 4]);
        file = file.tensor("blk.0.attn_k_norm.weight", &[4], &[1.5; 4]);
    }
    if architecture == "qwen2" {
        for (name, n) in [("attn_q", 8), ("attn_k", 4), ("attn_v", 4)] {
            file = file.tensor(&format!("blk.0.{name}.bias"), &[n], &vec![0.5; n as usize]);
        }
    }
    file
}

#[test]
fn every_family_is_read_with_its_settings() {
    for (architecture, family) in [
        ("llama", Family::Llama),
        ("qwen2", Family::Qwen2),
        ("qwen3", Family::Qwen3),
        ("gemma2", Family::Gemma2),
        ("gemma3", Family::Gemma3),
    ] {
        let checkpoint = model(architecture).open().unwrap();
        let spec = checkpoint.config();
        assert_eq!((spec.family, spec.layers, spec.heads, spec.key_heads, spec.head_dim), (family, 1, 2, 1, 4));
        assert_eq!((spec.vocab, spec.tied, spec.max_positions, spec.causal), (12, true, Some(32), true));
        // Nothing packed, nothing left over: nothing to say.
        assert!(checkpoint.remarks().is_empty(), "{:?}", checkpoint.remarks());
        let gemma = architecture.starts_with("gemma");
        let norm = checkpoint.tensor("norm.weight").unwrap();
        assert_eq!(norm.values[0], if gemma { 0.5 } else { 1.5 }, "{architecture}: Gemma keeps 1 + w");
        if gemma {
            assert!((spec.beta - 0.5).abs() < 1e-6, "1 / sqrt(head width)");
        }
    }
    // A head of its own; a window, which Llama does not have.
    let own = model("llama").tensor("output.weight", &[8, 12], &[0.25; 96]);
    assert!(!own.open().unwrap().config().tied);
    let window = model("llama").set("llama.attention.sliding_window", number(7)).open().unwrap();
    assert_eq!((window.config().family, window.config().windows.as_slice()), (Family::Mistral, &[Some(7)][..]));
}

/// Llama's rows are interleaved by conversion: rows 0, 1, 2, 3 of a head of four are kept as 0, 2, 1, 3.
#[test]
fn rows_of_llama_lie_as_they_did() {
    let first = |file: &File, name: &str| {
        let array = file.open().unwrap().tensor(name).unwrap();
        array.values.chunks(8).map(|row| row[0] as usize / 8).collect::<Vec<_>>()
    };
    assert_eq!(first(&model("llama"), "layers.0.self_attn.q_proj.weight"), [0, 2, 1, 3, 4, 6, 5, 7]);
    assert_eq!(first(&model("llama"), "layers.0.self_attn.k_proj.weight"), [0, 2, 1, 3]);
    assert_eq!(first(&model("llama"), "layers.0.self_attn.v_proj.weight"), [0, 1, 2, 3]);
    assert_eq!(first(&model("qwen2"), "layers.0.self_attn.q_proj.weight"), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn positions_are_stretched_as_stated() {
    let scaling = |file: &File| match &file.open().unwrap().config().position {
        Position::Rope { global, .. } => global.scaling,
        Position::Learned { .. } => panic!("a rotary model"),
    };
    let linear =
        model("llama").set("llama.rope.scaling.type", text("linear")).set("llama.rope.scaling.factor", real(4.0));
    assert_eq!(scaling(&linear), Scaling::Linear { factor: 4.0 });
    let none = model("llama").set("llama.rope.scaling.type", text("none")).set("llama.rope.scaling.factor", real(1.0));
    assert_eq!(scaling(&none), Scaling::Default);
    // What llama.cpp writes for Llama 3.2 at theta 500 000, heads of four: the second frequency is slow.
    let wavelength = std::f64::consts::TAU * 500_000f64.sqrt();
    let smooth = (8192.0 / wavelength - 1.0) / 3.0;
    let second = (1.0 / ((1.0 - smooth) / 32.0 + smooth)) as f32;
    let llama3 = |factors: &[f32]| {
        model("llama").set("llama.rope.freq_base", real(500_000.0)).tensor(
            "rope_freqs.weight",
            &[factors.len() as u64],
            factors,
        )
    };
    assert_eq!(scaling(&llama3(&[1.0, 1.0])), Scaling::Default);
    assert!(second > 1.0 && second < 32.0);
    says(&llama3(&[1.0, second * 1.1]).refused(), Error::is_unsupported, &["rope_freqs.weight", "Llama 3"]);
    // Wide enough heads show the factor itself.
    let wide = llama3(&[1.0, 32.0]).set("llama.rope.freq_base", real(1e9));
    let expected = Scaling::Llama3 { factor: 32.0, low: 1.0, high: 4.0, original: 8192 };
    assert_eq!(scaling(&wide), expected);
    let foreign = model("llama").set("llama.rope.scaling.type", text("longrope"));
    says(&foreign.refused(), Error::is_unsupported, &["longrope", "linear and yarn"]);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let unsupported = Error::is_unsupported;
    says(&model("phi3").refused(), unsupported, &["`phi3`", "llama, qwen2"]);
    let scale = model("llama").set("llama.logit_scale", real(0.5));
    says(&scale.refused(), unsupported, &["llama.logit_scale", "0.5"]);
    let (_folder, path) = scale.put();
    let opening = Opening { ignore_keys: vec!["llama.logit_scale".into()], ..Opening::default() };
    let remarks = Checkpoint::open(&path, &opening).unwrap().remarks().to_vec();
    assert_eq!(remarks, [Remark::IgnoredKeys(vec!["llama.logit_scale".into()])]);
    says(&model("llama").set("general.type", text("adapter")).refused(), unsupported, &["adapter"]);
    says(&model("llama").set("split.count", number(3)).refused(), unsupported, &["llama-gguf-split --merge"]);
    says(&model("llama").set("llama.expert_count", number(8)).refused(), unsupported, &["mixtures of experts"]);
    says(
        &model("llama").set("llama.rope.dimension_count", number(2)).refused(),
        unsupported,
        &["rope.dimension_count", "2"],
    );
    let layers = list(4, vec![vec![2, 0, 0, 0], vec![1, 0, 0, 0]]);
    says(&model("llama").set("llama.attention.head_count", layers).refused(), unsupported, &["layer to layer"]);
    let extra = model("llama").tensor("blk.0.attn_sinks.weight", &[2], &[0.0; 2]);
    says(&extra.refused(), unsupported, &["attn_sinks", "nothing reads"]);
    let bias = model("llama").tensor("output.bias", &[12], &[0.0; 12]);
    says(&bias.refused(), unsupported, &["output.bias"]);
    let mut packed = model("llama");
    packed.tensors[1].2 = 18;
    says(&packed.refused(), unsupported, &["attn_q", "IQ3_XXS", "Q4_K"]);
    says(&model("llama").without("llama.block_count").refused(), Error::is_format, &["llama.block_count"]);
    says(&model("llama").without("general.architecture").refused(), Error::is_format, &["general.architecture"]);
    says(&model("llama").set("llama.block_count", text("one")).refused(), Error::is_format, &["llama.block_count"]);
    says(&model("llama").set("llama.block_count", number(2)).refused(), Error::is_shape, &["2 layers"]);
}

#[test]
fn damage_is_told() {
    let whole = model("llama").bytes();
    let read = |bytes: &[u8]| {
        let folder = Folder::new();
        Checkpoint::open(&folder.put("x.gguf", bytes), &Opening::default())
    };
    assert!(read(&whole).is_ok());
    // Every length up to the weights, then some.
    for cut in (0..1600).chain((1600..whole.len()).step_by(97)) {
        let error = read(&whole[..cut]).expect_err("a truncated file was read");
        assert!(error.is_format(), "cut at {cut}: {error}");
    }
    let with = |at: usize, bytes: &[u8]| {
        let mut damaged = whole.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        read(&damaged).expect_err("a damaged file was read")
    };
    says(&with(0, b"PK\x03\x04"), Error::is_format, &["GGUF"]);
    says(&with(4, &1u32.to_le_bytes()), Error::is_unsupported, &["version 1"]);
    says(&with(4, &3u32.to_be_bytes()), Error::is_unsupported, &["big-endian"]);
    // Counts that no file could hold are found before anything is allocated for them.
    for at in [8, 16, 24] {
        let (error, most) = peak(|| with(at, &u64::MAX.to_le_bytes()));
        assert!(error.is_format() && most < 1 << 21, "{most} bytes: {error}");
    }
    let twice = File { keys: [model("llama").keys, model("llama").keys].concat(), ..model("llama") };
    says(&twice.refused(), Error::is_format, &["appears twice"]);
    let lists = model("llama").set("x", list(9, Vec::new()));
    says(&lists.refused(), Error::is_format, &["list of lists"]);
    says(&model("llama").set("x", (7, vec![2])).refused(), Error::is_format, &["truth value"]);
    says(&model("llama").set("x", (77, vec![])).refused(), Error::is_format, &["kind 77"]);
    let endless = [&8u32.to_le_bytes()[..], &(1u64 << 40).to_le_bytes()[..]].concat();
    says(&model("llama").set("x", (9, endless)).refused(), Error::is_format, &["1099511627776 entries"]);
    says(&model("llama").set("general.alignment", number(3)).refused(), Error::is_format, &["power of two"]);
}

proptest! {
    /// Any byte may be wrong.
    #[test]
    fn damaged_files_are_read_or_refused(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = byte_level().bytes();
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let folder = Folder::new();
        let path = folder.put("x.gguf", &bytes);
        let ((), most) = peak(|| {
            if let Ok(checkpoint) = Checkpoint::open(&path, &Opening::default()) {
                let names: Vec<_> = checkpoint.names().map(String::from).collect();
                names.iter().for_each(|name| drop(checkpoint.tensor(name)));
            }
            if let Ok(tokenizer) = Tokenizer::open(&path) {
                drop(tokenizer.encode("ab a 12", true));
            }
        });
        prop_assert!(most <= 128 * bytes.len() + (1 << 22), "{most} bytes for a file of {}", bytes.len());
    }
}

/// Bytes as GPT-2's letters, two merges.
fn byte_level() -> File {
    model("llama")
        .set("tokenizer.ggml.model", text("gpt2"))
        .set("tokenizer.ggml.pre", text("smollm"))
        .set(
            "tokenizer.ggml.tokens",
            texts(&["<s>", "a", "b", "\u{120}", "1", "2", "ab", "\u{120}ab", "12", "  ", "</s>", "c"]),
        )
        .set(
            "tokenizer.ggml.token_type",
            list(5, [3, 1, 1, 1, 1, 1, 1, 1, 1, 4, 3, 1].map(|k: i32| k.to_le_bytes().to_vec()).to_vec()),
        )
        .set("tokenizer.ggml.merges", texts(&["a b", "\u{120} ab", "1 2"]))
        .set("tokenizer.ggml.bos_token_id", number(0))
        .set("tokenizer.ggml.eos_token_id", number(10))
}

#[test]
fn byte_level_tokens_are_those_of_the_family() {
    let file = byte_level();
    assert_eq!(file.tokens("ab ab"), [6, 7]);
    // Its digits stand alone; its runs of spaces and special tokens are found whole.
    assert_eq!(file.tokens("12"), [4, 5]);
    assert_eq!(file.tokens("a  b<s>c"), [1, 9, 2, 0, 11]);
    let whole = file.clone().set("tokenizer.ggml.pre", text("gpt-2"));
    assert_eq!(whole.tokens("12"), [8]);
    // Said, or as the family has it: Llama 3 begins a text with its first token.
    assert_eq!(file.clone().set("tokenizer.ggml.add_bos_token", flag(true)).tokens("c"), [0, 11]);
    let llama3 = file.clone().set("tokenizer.ggml.pre", text("llama-bpe"));
    assert_eq!(llama3.tokens("c"), [0, 11]);
    let ended = llama3.set("tokenizer.ggml.add_bos_token", flag(false)).set("tokenizer.ggml.add_eos_token", flag(true));
    assert_eq!(ended.tokens("c"), [11, 10]);
    let (_folder, path) = file.put();
    let tokens = Tokenizer::open(&path).unwrap().tokens(&[0, 10, 7, 9]).unwrap();
    assert_eq!(tokens.iter().map(|t| t.role).collect::<Vec<_>>(), [Role::Bos, Role::Eos, Role::Text, Role::Text]);
    assert_eq!(tokens[2].text, " ab");
}

/// SentencePiece's pieces: the best pair first, bytes for what is not there.
#[test]
fn pieces_are_merged_by_their_scores() {
    let pieces = ["<unk>", "<s>", "</s>", "<0x63>", "\u{2581}", "a", "b", "ab", "\u{2581}a", "\u{2581}ab", "ba", "x"];
    let scores = [0.0, 0.0, 0.0, 0.0, -9.0, -8.0, -7.0, -2.0, -1.0, -3.0, -0.5, -6.0];
    let kinds = [2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 1, 1];
    let file = model("llama")
        .set("tokenizer.ggml.model", text("llama"))
        .set("tokenizer.ggml.tokens", texts(&pieces))
        .set("tokenizer.ggml.scores", list(6, scores.map(|x: f32| x.to_le_bytes().to_vec()).to_vec()))
        .set("tokenizer.ggml.token_type", list(5, kinds.map(|k: i32| k.to_le_bytes().to_vec()).to_vec()))
        .set("tokenizer.ggml.unknown_token_id", number(0))
        .set("tokenizer.ggml.bos_token_id", number(1));
    // "_ab": "_a" (-1) before "ab" (-2), then "_ab".
    assert_eq!(file.tokens("ab"), [1, 9]);
    // "_aba": "ba" (-0.5) first, which leaves "_a".
    assert_eq!(file.tokens("aba"), [1, 8, 10]);
    assert_eq!(file.tokens("cx"), [1, 4, 3, 11]);
    let bare = file
        .clone()
        .set("tokenizer.ggml.add_space_prefix", flag(false))
        .set("tokenizer.ggml.add_bos_token", flag(false));
    assert_eq!(bare.tokens("ab"), [7]);
    let unigrams = bare.clone().set("tokenizer.ggml.model", text("t5"));
    // The best sum: "ab" (-2) and "a" (-8) against "a" and "ba" (-8.5).
    assert_eq!(unigrams.tokens("aba"), [5, 10]);
    let short = file.set("tokenizer.ggml.scores", list(6, vec![vec![0; 4]]));
    let (_folder, path) = short.put();
    says(&Tokenizer::open(&path).unwrap_err(), Error::is_format, &["1 scores", "12 tokens"]);
}

#[test]
fn tokenizers_that_are_not_read_are_refused_by_name() {
    let refused = |file: File| {
        let (_folder, path) = file.put();
        Tokenizer::open(&path).expect_err("a tokenizer that must be refused was read")
    };
    says(&refused(model("llama")), Error::is_usage, &["no tokenizer", "token ids"]);
    let bare = model("llama");
    let (_folder, path) = bare.put();
    assert_eq!(Checkpoint::open(&path, &Opening::default()).unwrap().tokenizer_path(), None);
    let unsupported = Error::is_unsupported;
    says(&refused(byte_level().set("tokenizer.ggml.model", text("rwkv"))), unsupported, &["`rwkv`"]);
    says(
        &refused(byte_level().set("tokenizer.ggml.pre", text("chatglm-bpe"))),
        unsupported,
        &["chatglm-bpe", "llama-bpe"],
    );
    says(&refused(byte_level().without("tokenizer.ggml.pre")), unsupported, &["tokenizer.ggml.pre"]);
    let charsmap = byte_level().set("tokenizer.ggml.precompiled_charsmap", list(0, vec![vec![1]]));
    says(&refused(charsmap), unsupported, &["precompiled_charsmap"]);
    says(&refused(byte_level().without("tokenizer.ggml.merges")), Error::is_format, &["merges"]);
    says(&refused(byte_level().set("tokenizer.ggml.bos_token_id", number(99))), Error::is_format, &["99", "12 tokens"]);
    let kinds = byte_level().set("tokenizer.ggml.token_type", list(5, vec![vec![1, 0, 0, 0]]));
    says(&refused(kinds), Error::is_format, &["token_type"]);
}
