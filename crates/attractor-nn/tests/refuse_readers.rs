//! One input per attack: each must be refused with a clear error, without a panic and without much memory.

#[path = "readers/build.rs"]
mod build;
#[path = "readers/fuzz.rs"]
mod fuzz;
#[path = "readers/gguf.rs"]
mod gguf;
#[path = "readers/memory.rs"]
mod memory;
#[path = "readers/refuse_torch.rs"]
mod refuse_torch;

use attractor_nn::Error;
use attractor_nn::checkpoint::safetensors::Safetensors;
use attractor_nn::checkpoint::spec::ImageSpec;
use attractor_nn::checkpoint::{Checkpoint, Opening, Remark, config};
use attractor_nn::image::Processor;
use attractor_nn::text::{Tokenizer, read_ids};
use attractor_record::Role;
use build::*;
use serde_json::{Value, json};

/// The error of opening `bytes` as safetensors.
fn header_error(bytes: &[u8]) -> Error {
    let folder = Folder::new();
    Safetensors::open(&folder.put("x.safetensors", bytes)).expect_err("a damaged file was read")
}

/// Asserts the kind and that the message says all of `words`.
#[track_caller]
fn says(error: &Error, kind: fn(&Error) -> bool, words: &[&str]) {
    let text = error.to_string();
    assert!(kind(error), "wrong kind: {text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn headers_that_lie_about_their_length() {
    let format = Error::is_format;
    says(&header_error(b""), format, &["x.safetensors", "truncated"]);
    says(&header_error(&[1, 2, 3]), format, &["3 bytes"]);
    let huge = (1u64 << 60).to_le_bytes();
    says(&header_error(&huge), format, &["1152921504606846976", "at most 0"]);
    says(&header_error(&[huge.as_slice(), &[b' '; 64]].concat()), format, &["1152921504606846976", "at most 64"]);
    says(&header_error(&u64::MAX.to_le_bytes()), format, &["truncated"]);
    let whole = safetensors(&[f32s("w", &[3, 5])]);
    for cut in 0..whole.len() {
        assert!(header_error(&whole[..cut]).is_format(), "cut at {cut}");
    }
}

#[test]
fn headers_that_are_not_the_expected_json() {
    for header in [
        "",
        "{",
        "[]",
        "null",
        "3",
        "{}}",
        "{\"w\":3}",
        "{\"w\":{}}",
        "\u{feff}{}",
        r#"{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
        r#"{"w":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#,
        r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#,
        r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}"#,
        r#"{"w":{"dtype":32,"shape":[1],"data_offsets":[0,4]}}"#,
        r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"code":"x"}}"#,
        r#"{"__metadata__":{"a":[1]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    ] {
        says(&header_error(&with_header(header, &[0; 4])), Error::is_format, &["header"]);
    }
    // Nested as deep as the file is long.
    assert!(header_error(&with_header(&"[".repeat(100_000), &[])).is_format());
    assert!(header_error(&with_header(&format!("{{\"w\":{}", "{\"a\":".repeat(100_000)), &[])).is_format());
}

#[test]
fn tensors_that_overlap_leave_holes_or_lie_outside() {
    let two = |a: (u64, u64), b: (u64, u64)| {
        let entry = |(from, to): (u64, u64)| {
            format!(r#"{{"dtype":"F32","shape":[{}],"data_offsets":[{from},{to}]}}"#, to.saturating_sub(from) / 4)
        };
        with_header(&format!("{{\"a\":{},\"b\":{}}}", entry(a), entry(b)), &[0; 32])
    };
    let format = Error::is_format;
    says(&header_error(&two((0, 20), (16, 32))), format, &["`a`", "`b`", "overlap"]);
    says(&header_error(&two((0, 32), (0, 32))), format, &["overlap"]);
    says(&header_error(&two((0, 12), (16, 32))), format, &["12..16", "no holes"]);
    says(&header_error(&two((0, 12), (12, 28))), format, &["28 bytes", "32"]);
    says(&header_error(&two((0, 16), (16, 36))), format, &["`b`", "16..36", "32 bytes"]);
    says(&header_error(&two((0, 16), (32, 16))), format, &["`b`", "32..16"]);
    says(&header_error(&two((0, 16), (16, u64::MAX))), format, &["`b`"]);
}

#[test]
fn shapes_that_do_not_fit_their_bytes() {
    let one = |dtype: &str, shape: &str| {
        with_header(&format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,16]}}}}"#), &[0; 16])
    };
    let format = Error::is_format;
    says(&header_error(&one("F32", "[5]")), format, &["`w`", "20 bytes", "16"]);
    says(&header_error(&one("F16", "[4]")), format, &["`w`", "8 bytes"]);
    says(&header_error(&one("F32", "[4294967296,4294967296]")), format, &["too large"]);
    // 2^62 elements of 4 bytes are 2^64: a product that wraps to zero must not pass.
    says(&header_error(&one("F32", "[4611686018427387908]")), format, &["`w`"]);
    says(&header_error(&one("F32", "[0]")), format, &["0 bytes"]);
}

#[test]
fn a_name_that_appears_twice() {
    let entry = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    let other = r#"{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#;
    let error = header_error(&with_header(&format!("{{\"w\":{entry},\"w\":{other}}}"), &[0; 8]));
    says(&error, Error::is_format, &["`w`", "twice"]);
}

#[test]
fn a_number_format_that_is_not_read_is_named_when_it_is_wanted() {
    let folder = Folder::new();
    let path = folder.put("x.safetensors", safetensors(&[raw("w", "F8_E8M0", &[4], vec![0; 4]), f32s("b", &[2])]));
    let file = Safetensors::open(&path).unwrap();
    says(&file.tensor("w").unwrap_err(), Error::is_unsupported, &["`w`", "F8_E8M0", "F32"]);
    assert!(file.tensor("b").is_ok());
    says(&file.tensor("c").unwrap_err(), Error::is_usage, &["`c`", "b, w"]);
}

#[test]
fn nan_and_infinite_weights_are_named_with_their_place() {
    let folder = gpt2_folder();
    let mut tensors = gpt2_tensors("transformer.");
    tensors[4].bytes[4 * (24 * 2 + 7)..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    tensors[0].bytes[..4].copy_from_slice(&f32::NEG_INFINITY.to_le_bytes());
    folder.put("model.safetensors", safetensors(&tensors));
    let checkpoint = Checkpoint::open(folder.path(), &Opening::default()).unwrap();
    let error = checkpoint.tensor("h.0.attn.c_attn.weight").unwrap_err();
    says(&error, Error::is_non_finite, &["h.0.attn.c_attn.weight", "NaN", "[2, 7]", "1 of 192"]);
    says(&checkpoint.tensor("wte.weight").unwrap_err(), Error::is_non_finite, &["-inf", "[0, 0]"]);
    // A double beyond the range of f32 is no finite weight either.
    let path = folder.put("d.safetensors", safetensors(&[raw("w", "F64", &[1], 1e300f64.to_le_bytes().to_vec())]));
    assert!(Safetensors::open(&path).unwrap().tensor("w").unwrap_err().is_non_finite());
    let half = safetensors(&[raw("w", "F16", &[1], 0x7c00u16.to_le_bytes().to_vec())]);
    assert!(Safetensors::open(&folder.put("h.safetensors", half)).unwrap().tensor("w").unwrap_err().is_non_finite());
}

#[test]
fn files_that_are_not_weights() {
    let folder = Folder::new();
    let missing = folder.path().join("nowhere");
    says(&Checkpoint::open(&missing, &Opening::default()).unwrap_err(), Error::is_io, &["nowhere", "check the path"]);
    says(
        &Checkpoint::open(folder.path(), &Opening::default()).unwrap_err(),
        Error::is_usage,
        &["no weights", "model.safetensors"],
    );
    let config = folder.put("config.json", GPT2);
    says(&Checkpoint::open(&config, &Opening::default()).unwrap_err(), Error::is_usage, &["give the folder"]);
    folder.put("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n");
    says(&Checkpoint::open(folder.path(), &Opening::default()).unwrap_err(), Error::is_format, &["git lfs pull"]);
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    std::fs::create_dir(folder.path().join("model.safetensors")).unwrap();
    says(&Checkpoint::open(folder.path(), &Opening::default()).unwrap_err(), Error::is_io, &["not a regular file"]);
    let several = Folder::new();
    several.put("config.json", GPT2);
    several.put("a.safetensors", safetensors(&gpt2_tensors("")));
    assert!(Checkpoint::open(several.path(), &Opening::default()).is_ok());
    several.put("b.safetensors", safetensors(&gpt2_tensors("")));
    says(
        &Checkpoint::open(several.path(), &Opening::default()).unwrap_err(),
        Error::is_usage,
        &["2 weight files", "b.safetensors"],
    );
}

#[test]
fn indices_that_lead_astray() {
    let open = |index: &str, with_shard: bool| {
        let folder = Folder::new();
        folder.put("config.json", GPT2);
        folder.put("model.safetensors.index.json", index);
        if with_shard {
            folder.put("a.safetensors", safetensors(&gpt2_tensors("")));
            folder.put("b.safetensors", safetensors(&gpt2_tensors("")));
        }
        Checkpoint::open(folder.path(), &Opening::default()).unwrap_err()
    };
    let format = Error::is_format;
    says(
        &open(r#"{"weight_map":{"wte.weight":"gone.safetensors"}}"#, true),
        Error::is_io,
        &["gone.safetensors", "fetch it"],
    );
    says(
        &open(r#"{"weight_map":{"wte.weight":"../a.safetensors"}}"#, true),
        format,
        &["../a.safetensors", "in this folder"],
    );
    says(&open(r#"{"weight_map":{"wte.weight":"/etc/passwd"}}"#, true), format, &["in this folder"]);
    says(&open(r#"{"weight_map":{"other":"a.safetensors"}}"#, true), format, &["`other`", "a.safetensors"]);
    says(
        &open(r#"{"weight_map":{"wte.weight":"a.safetensors","wpe.weight":"b.safetensors"}}"#, true),
        format,
        &["two shards", "a.safetensors"],
    );
    says(&open(r#"{"weight_map":{}}"#, false), format, &["empty"]);
    says(&open(r#"{"weight_map":[1]}"#, false), format, &["weight_map"]);
    says(&open(r#"{"weight_map":{"w":7}}"#, false), format, &["`w`"]);
    says(&open("{", false), format, &["not valid JSON"]);
}

fn llama(more: Value) -> Value {
    let mut value = json!({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 96, "hidden_size": 48,
        "intermediate_size": 80, "num_hidden_layers": 4, "num_attention_heads": 6, "num_key_value_heads": 2,
        "max_position_embeddings": 128});
    for (key, setting) in more.as_object().unwrap() {
        match setting {
            Value::String(text) if text == "REMOVED" => drop(value.as_object_mut().unwrap().remove(key)),
            setting => value[key] = setting.clone(),
        }
    }
    value
}

#[test]
fn configurations_that_contradict_themselves() {
    let error = |more: Value| config::read(&llama(more), "config.json").unwrap_err();
    let bare = |value: Value| config::read(&value, "config.json").unwrap_err();
    let format = Error::is_format;
    for key in [
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "max_position_embeddings",
    ] {
        says(&error(json!({key: "REMOVED"})), format, &["config.json", key, "missing"]);
        for wrong in [json!(-1), json!(1.5), json!("12"), json!([3]), json!(true), json!(1u64 << 60)] {
            says(&error(json!({key: wrong})), format, &[key, "whole number", &wrong.to_string()]);
        }
        if key != "intermediate_size" {
            says(&error(json!({key: 0})), format, &[key, "got 0"]);
        }
    }
    says(&error(json!({"hidden_size": 50})), format, &["50", "6 attention heads"]);
    says(&error(json!({"num_key_value_heads": 4})), format, &["6 query heads", "4 key heads"]);
    says(&error(json!({"num_key_value_heads": 0})), format, &["num_key_value_heads", "got 0"]);
    says(&error(json!({"rms_norm_eps": -1e-6})), format, &["rms_norm_eps", "above 0"]);
    // A number that is above zero, but whose inverse root is not finite in f32.
    let tiny = json!({"model_type": "gemma2", "query_pre_attn_scalar": 1.6e-253});
    says(&error(tiny), format, &["query_pre_attn_scalar", "1e-30"]);
    says(&error(json!({"attention_bias": "yes"})), format, &["attention_bias", "true or false"]);
    says(&error(json!({"pad_token_id": 96})), format, &["pad_token_id", "96"]);
    says(&error(json!({"head_dim": 7})), format, &["even", "7"]);
    says(&error(json!({"rope_theta": 0})), format, &["rope_theta"]);
    says(&error(json!({"rope_scaling": {"rope_type": "linear"}})), format, &["factor", "missing"]);
    says(
        &error(json!({"rope_scaling": {"rope_type": "longrope", "factor": 2}})),
        Error::is_unsupported,
        &["longrope", "yarn"],
    );
    says(
        &error(
            json!({"rope_scaling": {"rope_type": "llama3", "factor": 2, "low_freq_factor": 4, "high_freq_factor": 1}}),
        ),
        format,
        &["high_freq_factor above"],
    );
    says(&error(json!({"hidden_act": "swiglu"})), Error::is_unsupported, &["swiglu", "silu"]);
    says(&error(json!({"architectures": ["LlamaForMaskedLM"]})), format, &["architectures"]);
    says(&error(json!({"architectures": "LlamaForCausalLM"})), format, &["architectures", "list of texts"]);
    says(
        &error(json!({"model_type": "qwen2", "layer_types": ["full_attention"]})),
        format,
        &["layer_types", "1 entries", "4"],
    );
    says(
        &error(
            json!({"model_type": "qwen2", "layer_types": ["full_attention", "linear_attention", "full_attention", "x"]}),
        ),
        Error::is_unsupported,
        &["linear_attention"],
    );
    says(
        &error(json!({"model_type": "gemma3_text", "rope_parameters": {"rope_type": "default"}})),
        format,
        &["sliding_attention"],
    );
    says(&bare(json!({"model_type": "gemma3"})), format, &["text_config"]);
    says(&bare(json!({"model_type": "bert", "is_decoder": true})), Error::is_unsupported, &["is_decoder"]);
    says(
        &bare(json!({"model_type": "bert", "position_embedding_type": "relative_key"})),
        Error::is_unsupported,
        &["relative_key"],
    );
    let encoder = |more: Value| {
        let mut value =
            json!({"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 6, "intermediate_size": 80});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bare(value)
    };
    let roberta =
        json!({"model_type": "roberta", "pad_token_id": 127, "vocab_size": 96, "max_position_embeddings": 128});
    says(&encoder(roberta), format, &["max_position_embeddings", "128"]);
    let vit = json!({"model_type": "vit", "image_size": 30, "patch_size": 4, "num_channels": 3, "architectures": ["ViTModel"]});
    says(&encoder(vit), format, &["30 x 30", "4 x 4"]);
    says(&encoder(json!({"model_type": "vit", "image_size": [28, 28, 3], "patch_size": 4})), format, &["image_size"]);
    let labels = json!({"model_type": "bert", "architectures": ["BertForSequenceClassification"], "num_labels": 3,
        "id2label": {"0": "a"}, "max_position_embeddings": 128});
    says(&encoder(labels), format, &["num_labels", "id2label"]);
}

#[test]
fn an_unknown_architecture_lists_the_known_ones() {
    let error = |model_type: Value| config::read(&llama(json!({"model_type": model_type})), "config.json").unwrap_err();
    says(&error(json!("mamba2")), Error::is_unsupported, &["mamba2", "bert", "gpt2", "qwen3", "vit"]);
    says(&error(json!("REMOVED")), Error::is_format, &["model_type", "missing"]);
    says(&error(json!(3)), Error::is_format, &["model_type", "a text"]);
    for value in [json!([]), json!(null), json!("gpt2")] {
        assert!(config::read(&value, "config.json").unwrap_err().is_format());
    }
}

/// Every way in which a key can be passed over, and the way out.
#[test]
fn a_key_that_is_not_understood_is_refused_by_name() {
    let open = |more: Value| config::read(&llama(more), "config.json");
    let refused = Error::is_unsupported;
    says(
        &open(json!({"attention_multiplier": 0.5})).unwrap_err(),
        refused,
        &["`attention_multiplier` (0.5)", "not understood"],
    );
    says(&open(json!({"rope_interleaved": true})).unwrap_err(), refused, &["`rope_interleaved`", "only false"]);
    says(&open(json!({"auto_map": {"AutoModel": "m.M"}})).unwrap_err(), refused, &["`auto_map`", "code of its own"]);
    let half = json!({"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}});
    says(&open(half).unwrap_err(), refused, &["partial_rotary_factor", "whole heads"]);
    let sections = json!({"rope_scaling": {"rope_type": "default", "mrope_section": [2, 1, 1]}});
    says(&open(sections).unwrap_err(), refused, &["`rope_scaling.mrope_section`"]);
    let several = open(json!({"one": 1, "two": 2})).unwrap_err();
    says(&several, refused, &["`one` (1)", "`two` (2)"]);
    // Nothing is said by null, and what transformers does not read is passed over.
    let quiet =
        json!({"new_key": null, "use_cache": false, "attention_dropout": 0.5, "top_p": 0.3, "dtype": "bfloat16"});
    assert_eq!(open(quiet).unwrap(), open(json!({})).unwrap());
}

#[test]
fn tensors_that_nothing_reads_are_refused_inside_the_model_and_named_beside_it() {
    let of = |extra: &str, opening: &Opening| {
        let folder = Folder::new();
        folder.put("config.json", GPT2);
        let mut tensors = gpt2_tensors("transformer.");
        tensors.push(f32s(extra, &[2, 2]));
        folder.put("model.safetensors", safetensors(&tensors));
        Checkpoint::open(folder.path(), opening)
    };
    let plain = Opening::default();
    let refused = Error::is_unsupported;
    for name in ["transformer.h.0.attn.sinks", "h.0.layer_scale1.lambda1", "transformer.register_tokens"] {
        says(&of(name, &plain).unwrap_err(), refused, &[name, "nothing reads"]);
    }
    says(&of("transformer.h.0.attn.c_attn.lora_A", &plain).unwrap_err(), refused, &["lora_A", "merge_and_unload"]);
    let ignoring = Opening { ignore_tensors: vec!["*.sinks".into()], ..Opening::default() };
    let checkpoint = of("transformer.h.0.attn.sinks", &ignoring).unwrap();
    assert_eq!(checkpoint.remarks(), [Remark::IgnoredTensors(vec!["transformer.h.0.attn.sinks".into()])]);
    assert!(of("transformer.h.0.ln_9.weight", &ignoring).is_err());
    assert_eq!(of("transformer.h.0.attn.bias", &plain).unwrap().remarks(), []);
    assert_eq!(of("score.weight", &plain).unwrap().remarks(), [Remark::UnusedTensors(vec!["score.weight".into()])]);
    let broken = Opening { ignore_tensors: vec!["[".into()], ..Opening::default() };
    says(&of("score.weight", &broken).unwrap_err(), Error::is_usage, &["attern"]);
    // A key that is ignored is told.
    let folder = Folder::new();
    folder.put("config.json", GPT2.replacen('{', "{\"odd\":1,", 1));
    folder.put("model.safetensors", safetensors(&gpt2_tensors("transformer.")));
    says(&Checkpoint::open(folder.path(), &plain).unwrap_err(), refused, &["`odd` (1)"]);
    let ignoring = Opening { ignore_keys: vec!["od?".into()], ..Opening::default() };
    let checkpoint = Checkpoint::open(folder.path(), &ignoring).unwrap();
    assert_eq!(checkpoint.remarks(), [Remark::IgnoredKeys(vec!["odd".into()])]);
}

/// Integers are no weights: dequantised by a stated recipe, refused by the format's name otherwise.
#[test]
fn integer_weights_are_dequantised_or_refused() {
    let of = |weight: Raw, beside: Vec<Raw>, stated: Value| -> attractor_nn::Result<(Vec<f32>, Vec<Remark>)> {
        let folder = Folder::new();
        folder.put("config.json", llama(json!({"num_hidden_layers": 1, "quantization_config": stated})).to_string());
        let mut tensors = vec![
            f32s("lm_head.weight", &[96, 48]),
            f32s("model.embed_tokens.weight", &[96, 48]),
            f32s("model.norm.weight", &[48]),
            f32s("model.layers.0.input_layernorm.weight", &[48]),
            f32s("model.layers.0.post_attention_layernorm.weight", &[48]),
            weight,
        ];
        for (name, rows, columns) in [
            ("self_attn.k_proj", 16, 48),
            ("self_attn.v_proj", 16, 48),
            ("self_attn.o_proj", 48, 48),
            ("mlp.gate_proj", 80, 48),
            ("mlp.up_proj", 80, 48),
            ("mlp.down_proj", 48, 80),
        ] {
            tensors.push(f32s(&format!("model.layers.0.{name}.weight"), &[rows, columns]));
        }
        tensors.extend(beside);
        folder.put("model.safetensors", safetensors(&tensors));
        let checkpoint = Checkpoint::open(folder.path(), &Opening::default())?;
        let values = checkpoint.tensor("model.layers.0.self_attn.q_proj.weight")?.values;
        Ok((values, checkpoint.remarks().to_vec()))
    };
    const Q: &str = "model.layers.0.self_attn.q_proj";
    // Row r, column c holds r - c, whatever the format.
    let bytes = |of: &dyn Fn(i32) -> u8| (0..48 * 48).map(|at| of(at / 48 - at % 48)).collect::<Vec<u8>>();
    let int8 = || raw(&format!("{Q}.weight"), "I8", &[48, 48], bytes(&|v| v as i8 as u8));
    let row_scale = |row: usize| 0.5 + row as f32 / 64.0;
    let floats = |values: Vec<f32>| values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    let rows = || floats((0..48).map(row_scale).collect());
    let expected = |scale: &dyn Fn(usize, usize) -> f32| {
        (0..48 * 48).map(|at| (at as i32 / 48 - at as i32 % 48) as f32 * scale(at / 48, at % 48)).collect::<Vec<f32>>()
    };
    let w8a8 = json!({"quant_method": "compressed-tensors", "format": "int-quantized"});
    for shape in [vec![48, 1], vec![48]] {
        let beside = vec![raw(&format!("{Q}.weight_scale"), "F32", &shape, rows())];
        let (values, remarks) = of(int8(), beside, w8a8.clone()).unwrap();
        assert_eq!(values, expected(&|row, _| row_scale(row)));
        let told = Remark::Dequantised { recipe: "int8 with scales".into(), tensors: 1 };
        assert_eq!(remarks, [told, Remark::FullActivations]);
    }
    let beside =
        vec![raw(&format!("{Q}.SCB"), "F32", &[48], rows()), raw(&format!("{Q}.weight_format"), "U8", &[], vec![0])];
    let (values, remarks) = of(int8(), beside, json!({"load_in_8bit": true})).unwrap();
    assert_eq!(values, expected(&|row, _| row_scale(row) / 127.0));
    assert_eq!(remarks, [Remark::Dequantised { recipe: "bitsandbytes int8".into(), tensors: 1 }]);
    // Blocks of 32 x 32, the last ones cut short. 0x38 is 1 and 0xc4 is -3 in E4M3.
    let eight = || raw(&format!("{Q}.weight"), "F8_E4M3", &[48, 48], bytes(&|v| if v == 0 { 0xc4 } else { 0x38 }));
    let blocks = raw(&format!("{Q}.weight_scale_inv"), "F32", &[2, 2], floats(vec![1.0, 2.0, 4.0, 8.0]));
    let (values, _) = of(eight(), vec![blocks], json!({"quant_method": "fp8", "weight_block_size": [32, 32]})).unwrap();
    assert_eq!((values[0], values[1], values[33], values[32 * 48], values[47 * 48 + 47]), (-3.0, 1.0, 2.0, 4.0, -24.0));
    let refused = Error::is_unsupported;
    says(&of(int8(), vec![], Value::Null).unwrap_err(), refused, &["q_proj.weight", "I8", "scale"]);
    says(&of(eight(), vec![], Value::Null).unwrap_err(), refused, &["q_proj.weight", "F8_E4M3"]);
    let ints = raw(&format!("{Q}.weight"), "I32", &[48, 48], vec![0; 48 * 48 * 4]);
    says(&of(ints, vec![], Value::Null).unwrap_err(), refused, &["q_proj.weight", "I32"]);
    let float = || f32s(&format!("{Q}.weight"), &[48, 48]);
    for (stated, name) in [
        (json!({"quant_method": "gptq", "bits": 4}), "gptq"),
        (json!({"quant_method": "awq"}), "awq"),
        (json!({"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}), "bitsandbytes NF4"),
        (json!({"quant_method": "compressed-tensors", "format": "pack-quantized"}), "pack-quantized"),
        (json!({"bits": 4}), "does not name"),
    ] {
        says(&of(float(), vec![], stated).unwrap_err(), refused, &[name, "save_pretrained"]);
    }
    for (name, format) in
        [("qweight", "GPTQ or AWQ"), ("weight.quant_state.bitsandbytes__nf4", "NF4"), ("weight_packed", "packed")]
    {
        let packed = raw(&format!("{Q}.{name}"), "U8", &[4], vec![0; 4]);
        says(&of(float(), vec![packed], Value::Null).unwrap_err(), refused, &[format]);
    }
    let wrong = vec![raw(&format!("{Q}.weight_scale"), "F32", &[7], floats(vec![1.0; 7]))];
    says(&of(int8(), wrong, Value::Null).unwrap_err(), Error::is_shape, &["q_proj.weight_scale", "[7]", "48 x 48"]);
}

#[test]
fn a_configuration_of_another_model_names_the_tensor() {
    let error = |change: &dyn Fn(&mut Vec<Raw>), config: &str| {
        let folder = Folder::new();
        folder.put("config.json", config);
        let mut tensors = gpt2_tensors("transformer.");
        change(&mut tensors);
        folder.put("model.safetensors", safetensors(&tensors));
        Checkpoint::open(folder.path(), &Opening::default()).unwrap_err()
    };
    let same = |_: &mut Vec<Raw>| ();
    let shape = Error::is_shape;
    says(&error(&same, &GPT2.replace("\"n_layer\":1", "\"n_layer\":2")), shape, &["2 layers", "have 1"]);
    says(
        &error(&same, &GPT2.replace("\"vocab_size\":11", "\"vocab_size\":12")),
        shape,
        &["wte.weight", "[12, 8]", "[11, 8]"],
    );
    says(
        &error(&same, &GPT2.replace("\"n_positions\":16", "\"n_positions\":8")),
        shape,
        &["wpe.weight", "[8, 8]", "[16, 8]"],
    );
    says(&error(&same, &GPT2.replace("\"n_embd\":8", "\"n_embd\":10")), shape, &["[11, 10]", "[11, 8]"]);
    says(&error(&|t| drop(t.remove(7)), GPT2), shape, &["h.0.attn.c_proj.bias", "missing"]);
    let turn = |t: &mut Vec<Raw>| t[4].shape.reverse();
    says(&error(&turn, GPT2), shape, &["h.0.attn.c_attn.weight", "[8, 24]", "[24, 8]"]);
    says(
        &error(&same, &GPT2.replace("gpt2", "bert").replace("n_", "x_")),
        Error::is_unsupported,
        &["`x_positions` (16)", "not understood"],
    );
    // Biases that the configuration denies.
    let folder = Folder::new();
    folder.put("config.json", llama(json!({"num_hidden_layers": 1})).to_string());
    let mut tensors = vec![
        f32s("lm_head.weight", &[96, 48]),
        f32s("model.embed_tokens.weight", &[96, 48]),
        f32s("model.norm.weight", &[48]),
    ];
    for (name, rows, columns) in [
        ("self_attn.q_proj", 48, 48),
        ("self_attn.k_proj", 16, 48),
        ("self_attn.v_proj", 16, 48),
        ("self_attn.o_proj", 48, 48),
        ("mlp.gate_proj", 80, 48),
        ("mlp.up_proj", 80, 48),
        ("mlp.down_proj", 48, 80),
    ] {
        tensors.push(f32s(&format!("model.layers.0.{name}.weight"), &[rows, columns]));
    }
    for norm in ["input_layernorm", "post_attention_layernorm"] {
        tensors.push(f32s(&format!("model.layers.0.{norm}.weight"), &[48]));
    }
    folder.put("model.safetensors", safetensors(&tensors));
    Checkpoint::open(folder.path(), &Opening::default()).unwrap();
    tensors.push(f32s("model.layers.0.self_attn.k_proj.bias", &[16]));
    folder.put("model.safetensors", safetensors(&tensors));
    says(&Checkpoint::open(folder.path(), &Opening::default()).unwrap_err(), shape, &["k_proj.bias", "has none"]);
}

#[test]
fn tokenizers_that_are_missing_damaged_or_of_another_model() {
    let folder = Folder::new();
    says(&Tokenizer::open(folder.path()).unwrap_err(), Error::is_usage, &["no tokenizer", "give token ids"]);
    folder.put("tokenizer.model", "x");
    says(&Tokenizer::open(folder.path()).unwrap_err(), Error::is_unsupported, &["SentencePiece", "save_pretrained"]);
    folder.put("vocab.txt", "the\nvalley\n");
    says(&Tokenizer::open(folder.path()).unwrap_err(), Error::is_format, &["[UNK]"]);
    folder.put("vocab.txt", [0xff, 0xfe]);
    says(&Tokenizer::open(folder.path()).unwrap_err(), Error::is_format, &["UTF-8"]);
    folder.put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\nvalley");
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    for text in ["", " \n\t "] {
        says(&tokenizer.encode(text, true).unwrap_err(), Error::is_usage, &["empty"]);
        says(&tokenizer.sequences(text, 8).unwrap_err(), Error::is_usage, &["empty"]);
    }
    let tokenizer = tokenizer.for_vocabulary(5);
    assert_eq!(tokenizer.encode("the", true).unwrap()[0].role, Role::Cls);
    says(&tokenizer.encode("the valley", true).unwrap_err(), Error::is_format, &["valley", "number 5", "5 rows"]);
    for (json, word) in [
        ("{", "JSON"),
        ("[]", "object"),
        ("{}", "tokenizer"),
        (r#"{"version":"1.0","model":{"type":"None"}}"#, "tokenizer"),
    ] {
        folder.put("tokenizer.json", json);
        says(&Tokenizer::open(folder.path()).unwrap_err(), Error::is_format, &["tokenizer.json", word]);
    }
}

#[test]
fn invalid_token_ids() {
    let folder = Folder::new();
    let error = |content: &str| read_ids(&folder.put("x.json", content), &vocabulary(11, &[])).unwrap_err();
    says(&error("[1, 2"), Error::is_format, &["not valid JSON"]);
    says(&error("{\"a\": 1}"), Error::is_format, &["list of token ids"]);
    says(&error("{\"a\": [1]}"), Error::is_format, &["`a`", "not understood"]);
    says(&error("{\"attention_mask\": [1]}"), Error::is_format, &["input_ids"]);
    says(&error("{\"input_ids\": [1], \"position_ids\": [4]}"), Error::is_format, &["`position_ids`"]);
    says(&error("{\"input_ids\": [1, 2], \"attention_mask\": [1]}"), Error::is_shape, &["attention_mask", "1", "2"]);
    says(&error("{\"input_ids\": [1, 2], \"attention_mask\": [1, 2]}"), Error::is_usage, &["attention_mask", "0 to 1"]);
    says(&error("{\"input_ids\": [1], \"token_type_ids\": [1]}"), Error::is_usage, &["token type", "0 to 0"]);
    says(&error("[1, \"two\"]"), Error::is_format, &["two"]);
    says(&error("[[1], 2]"), Error::is_format, &["list of token ids"]);
    says(&error("[1.5]"), Error::is_format, &["1.5"]);
    says(&error("[]"), Error::is_usage, &["without tokens"]);
    says(&error("[[1], []]"), Error::is_usage, &["without tokens"]);
    says(&error("[3, 11]"), Error::is_usage, &["position 1", "0 to 10", "11"]);
    says(&error("[-1]"), Error::is_usage, &["got -1"]);
    let npy = |header: &str, data: &[u8]| {
        let file =
            [b"\x93NUMPY\x01\0".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat();
        read_ids(&folder.put("x.npy", file), &vocabulary(11, &[])).unwrap_err()
    };
    let good = "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }";
    says(&npy(good, &[0; 7]), Error::is_format, &["7 bytes"]);
    says(&npy(&good.replace("(1,)", "(4611686018427387905,)"), &[0; 8]), Error::is_format, &["does not fit"]);
    says(&npy(&good.replace("<i8", ">i8"), &[0; 8]), Error::is_unsupported, &[">i8"]);
    says(&npy(&good.replace("<i8", "|O"), &[0; 8]), Error::is_unsupported, &["|O"]);
    says(&npy(&good.replace("<i8", "<f8"), &[0; 8]), Error::is_format, &["integers", "F64"]);
    says(&npy(&good.replace("False", "True"), &[0; 8]), Error::is_unsupported, &["ascontiguousarray"]);
    says(&npy("", &[0; 8]), Error::is_format, &["header"]);
}

#[test]
fn files_that_are_not_images_or_of_another_size() {
    let spec = ImageSpec { height: 4, width: 4, patch_height: 2, patch_width: 2, channels: 3 };
    let folder = Folder::new();
    let open = || Processor::open(folder.path(), &spec);
    let read = |name: &str, bytes: &[u8]| open().unwrap().read_file(&folder.put(name, bytes)).unwrap_err();
    says(&read("x.png", b""), Error::is_format, &["x.png", "PNG"]);
    says(&read("x.png", b"\x89PNG\r\n\x1a\n"), Error::is_format, &["cannot be decoded"]);
    says(&open().unwrap().read_file(&folder.path().join("gone.png")).unwrap_err(), Error::is_io, &["gone.png"]);
    // A header that promises 2^31 x 2^31 pixels.
    let bomb = [
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".as_slice(),
        &[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 8, 2, 0, 0, 0],
        &[0; 4],
    ];
    assert!(read("bomb.png", &bomb.concat()).is_format());
    let nan = safetensors(&[raw("pixel_values", "F32", &[3, 4, 4], floats(&[f32::NAN; 48]))]);
    says(&read("x.safetensors", &nan), Error::is_non_finite, &["pixel_values"]);
    says(&read("y.safetensors", &safetensors(&[f32s("pixels", &[3, 4, 4])])), Error::is_usage, &["pixel_values"]);
    says(&read("z.safetensors", &safetensors(&[f32s("pixel_values", &[0, 3, 4, 4])])), Error::is_usage, &["no images"]);
    for (settings, words) in [
        (r#"{"image_mean":[0.5]}"#, ["image_mean", "3 channels"]),
        (r#"{"image_std":[0.5,0,0.5]}"#, ["image_std", "3 channels"]),
        (r#"{"do_resize":true,"size":{"height":0,"width":4}}"#, ["size", "height and width"]),
        (r#"{"do_resize":true,"size":1000000000}"#, ["size", "above 0"]),
        (r#"{"do_resize":1}"#, ["do_resize", "true or false"]),
        (r#"{"resample":9}"#, ["resample", "bicubic"]),
        (r#"{"rescale_factor":0}"#, ["rescale_factor", "above 0"]),
        ("[]", ["preprocessor_config.json", "object"]),
    ] {
        folder.put("preprocessor_config.json", settings);
        says(&open().unwrap_err(), Error::is_format, &words);
    }
}
