//! Random bytes and damaged files: every reader answers with a value or an error, and takes no more memory than the file
//! is worth.
//!
//! Briefly with every test run (256 cases a property); long by hand: `PROPTEST_CASES=100000`.

use crate::build::*;
use crate::memory::peak;
use attractor_nn::checkpoint::npy::Npy;
use attractor_nn::checkpoint::safetensors::Safetensors;
use attractor_nn::checkpoint::spec::ImageSpec;
use attractor_nn::checkpoint::torch::Torch;
use attractor_nn::checkpoint::{Checkpoint, Opening, config};
use attractor_nn::image::Processor;
use attractor_nn::text::{Tokenizer, read_ids};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

/// Bytes a reader may hold for each of the file's, and beside them.
const FACTOR: usize = 128;
const CONSTANT: usize = 1 << 20;

/// Writes the bytes, runs the reader on them, holds its memory against the file's size.
fn bounded(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = Folder::new();
    let path = folder.put(name, bytes);
    let ((), most) = peak(|| read(&path));
    assert!(most <= FACTOR * bytes.len() + CONSTANT, "{most} bytes for a file of {}", bytes.len());
}

fn read_safetensors(path: &Path) {
    if let Ok(file) = Safetensors::open(path) {
        for name in file.names() {
            let _ = (file.tensor(name).map(drop), file.integers(name).map(drop));
        }
    }
}

fn read_torch(path: &Path) {
    if let Ok(file) = Torch::open(path) {
        for name in file.names() {
            let _ = file.tensor(name);
        }
    }
}

/// A few places with other bytes, perhaps a piece cut out, doubled or cut off.
#[derive(Debug, Clone)]
struct Damage {
    bytes: Vec<(prop::sample::Index, u8)>,
    cut: Option<(prop::sample::Index, usize)>,
    double: Option<(prop::sample::Index, usize)>,
    end: Option<prop::sample::Index>,
}

fn damage() -> impl Strategy<Value = Damage> {
    use prop::option::weighted;
    let interesting =
        prop_oneof![any::<u8>(), Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff), Just(b'9'), Just(b'"')];
    let at = || any::<prop::sample::Index>();
    (
        prop::collection::vec((at(), interesting), 0..6),
        weighted(0.2, (at(), 1usize..40)),
        weighted(0.2, (at(), 1usize..40)),
        weighted(0.1, at()),
    )
        .prop_map(|(bytes, cut, double, end)| Damage { bytes, cut, double, end })
}

impl Damage {
    fn done_to(&self, whole: &[u8]) -> Vec<u8> {
        let mut file = whole.to_vec();
        for (at, byte) in &self.bytes {
            let at = at.index(file.len());
            file[at] = *byte;
        }
        if let Some((at, count)) = &self.cut {
            let at = at.index(file.len());
            file.drain(at..(at + count).min(file.len()));
        }
        if let Some((at, count)) = &self.double
            && !file.is_empty()
        {
            let at = at.index(file.len());
            let piece = file[at..(at + count).min(file.len())].to_vec();
            file.splice(at..at, piece);
        }
        if let Some(end) = &self.end
            && !file.is_empty()
        {
            file.truncate(end.index(file.len()));
        }
        file
    }
}

static SAFETENSORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    safetensors(&[f32s("a", &[3, 5]), raw("b", "F16", &[4], vec![0; 8]), raw("c", "I64", &[2], vec![1; 16])])
});
static TORCH: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    ["tensors.pt", "tensors_legacy.pt", "training.pt", "bare.pt"]
        .map(|name| std::fs::read(data(name)).unwrap())
        .to_vec()
});

/// The description of a tokenizer with the steps that are most used.
const TOKENIZER: &str = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":0,"content":"<s>",
"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":{"type":"Sequence",
"normalizers":[{"type":"NFC"},{"type":"Lowercase"},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]},
"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{L}+|\\s+|[^\\s\\p{L}]"},
"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},
"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A",
"type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"<s>":
{"id":"<s>","ids":[0],"tokens":["<s>"]}}},"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,
"use_regex":true},"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"vocab":{"<s>":0,"t":1,"h":2,"e":3,"Ġ":4,"th":5,"the":6},
"merges":["t h","th e"]}}"###;

proptest! {
    #[test]
    fn random_bytes_are_no_file_of_any_kind(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        bounded("x.safetensors", &bytes, read_safetensors);
        bounded("x.pt", &bytes, read_torch);
        bounded("x.npy", &bytes, |path| drop(Npy::open(path)));
        bounded("x.json", &bytes, |path| drop(read_ids(path, &vocabulary(11, &[]))));
    }

    #[test]
    fn random_headers_are_read_or_refused(header in "[\\{\\}\\[\\]\",:a-c0-9F]{0,80}", rest in prop::collection::vec(any::<u8>(), 0..40)) {
        bounded("x.safetensors", &with_header(&header, &rest), read_safetensors);
        let npy = [b"\x93NUMPY\x01\0".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), &rest].concat();
        bounded("x.npy", &npy, |path| drop(Npy::open(path)));
    }

    #[test]
    fn damaged_safetensors_are_read_or_refused(damage in damage()) {
        bounded("x.safetensors", &damage.done_to(&SAFETENSORS), read_safetensors);
    }

    #[test]
    fn damaged_torch_files_are_read_or_refused(which in 0..4usize, damage in damage()) {
        bounded("x.pt", &damage.done_to(&TORCH[which]), read_torch);
    }

    #[test]
    fn random_pickles_are_read_or_refused(
        code in prop::collection::vec(
            prop::sample::select(b"(.012NIJKMGRbcdhjlopqrstu)]}aeQ\x80\x81\x85\x86\x87\x88\x8a\x8c\x93\x94\0\x01\x02\nX".to_vec()), 0..120),
    ) {
        bounded("x.pt", &torch(&code, &[0; 16]), read_torch);
        let program = Pickle::new().op(b"}").text("w").tensor(4, 0, &[2, 2], &[2, 1]).op(&code).op(b"s.").0;
        bounded("x.pt", &torch(&program, &[0; 16]), read_torch);
    }

    #[test]
    fn views_are_inside_or_refused(
        count in -2i64..20, offset in -2i64..20, shape in prop::collection::vec(-1i64..9, 0..4),
        stride in prop::collection::vec(-1i64..9, 0..4), stored in 0usize..20,
    ) {
        bounded("x.pt", &one_tensor(count, offset, &shape, &stride, stored), read_torch);
    }

    #[test]
    fn damaged_configurations_are_read_or_refused(which in 0..3usize, damage in damage()) {
        let whole = [
            GPT2,
            include_str!("../../../../conformance/vectors/llama_gqa_tiny/config.json"),
            include_str!("../../../../conformance/vectors/vit_tiny/config.json"),
        ][which];
        let bytes = damage.done_to(whole.as_bytes());
        if let Ok(value) = serde_json::from_slice(&bytes) {
            let _ = config::read(&value, "config.json");
        }
        if which == 0 {
            let folder = gpt2_folder();
            folder.put("config.json", &bytes);
            let _ = Checkpoint::open(folder.path(), &Opening::default());
        }
    }

    #[test]
    fn settings_of_any_value_are_read_or_refused(
        key in prop::sample::select(vec!["vocab_size", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim",
            "num_hidden_layers", "rope_theta", "partial_rotary_factor", "sliding_window", "max_window_layers", "pad_token_id",
            "max_position_embeddings", "rms_norm_eps", "sliding_window_pattern", "query_pre_attn_scalar", "layer_types"]),
        family in prop::sample::select(vec!["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "bert", "roberta"]),
        number in prop_oneof![any::<i64>().prop_map(serde_json::Value::from), any::<f64>().prop_map(serde_json::Value::from),
            (0i64..9).prop_map(serde_json::Value::from), Just(serde_json::Value::Null), Just(serde_json::json!([])), Just(serde_json::json!({}))],
    ) {
        let mut value: serde_json::Value =
            serde_json::from_str(include_str!("../../../../conformance/vectors/llama_gqa_tiny/config.json")).unwrap();
        value["model_type"] = family.into();
        value["use_sliding_window"] = true.into();
        value.as_object_mut().unwrap().remove("rope_parameters");
        value[key] = number;
        let (result, most) = peak(|| config::read(&value, "config.json"));
        prop_assert!(most < CONSTANT);
        if let Ok(spec) = result {
            prop_assert_eq!(spec.windows.len(), spec.layers);
            prop_assert!(spec.heads % spec.key_heads == 0 && spec.head_dim > 0 && spec.beta > 0.0 && spec.beta.is_finite());
        }
    }

    #[test]
    fn damaged_tokenizers_are_read_or_refused(damage in damage()) {
        let folder = Folder::new();
        folder.put("tokenizer.json", damage.done_to(TOKENIZER.as_bytes()));
        if let Ok(tokenizer) = Tokenizer::open(folder.path()) {
            let _ = (tokenizer.encode("the <s> the", true), tokenizer.sequences("the the the", 4));
        }
    }

    #[test]
    fn any_text_becomes_tokens_or_an_error(text in any::<String>()) {
        let folder = Folder::new();
        folder.put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##a\n.");
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        if let Ok(inputs) = tokenizer.sequences(&text, 7) {
            prop_assert!(inputs.iter().all(|input| (3..=7).contains(&input.len())));
        }
    }

    #[test]
    fn damaged_pictures_are_read_or_refused(damage in damage(), jpeg in any::<bool>()) {
        let format = if jpeg { image::ImageFormat::Jpeg } else { image::ImageFormat::Png };
        let mut whole = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8, y as u8, 7])).write_to(&mut whole, format).unwrap();
        let folder = Folder::new();
        let spec = ImageSpec { height: 3, width: 5, patch_height: 1, patch_width: 1, channels: 3 };
        let processor = Processor::open(folder.path(), &spec).unwrap();
        let _ = processor.read_file(&folder.put("x.png", damage.done_to(whole.get_ref())));
    }
}
