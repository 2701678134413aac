//! config.json in both spellings, against what transformers 5.23.0 makes of it.

use crate::build::*;
use attractor_nn::checkpoint::config::read;
use attractor_nn::checkpoint::spec::*;
use attractor_nn::checkpoint::{Checkpoint, Opening};
use attractor_record::Task;
use serde_json::{Value, json};

fn spec(value: Value) -> Spec {
    read(&value, "config.json").unwrap()
}

/// `base` with the keys of `more`; a null there removes nothing, it is written.
fn with(base: &Value, more: Value) -> Value {
    let mut value = base.clone();
    for (key, setting) in more.as_object().unwrap() {
        value[key] = setting.clone();
    }
    value
}

fn llama() -> Value {
    json!({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 96, "hidden_size": 48,
        "intermediate_size": 80, "num_hidden_layers": 4, "num_attention_heads": 6, "num_key_value_heads": 2,
        "max_position_embeddings": 128})
}

#[test]
fn every_recorded_checkpoint_opens_and_agrees_with_its_weights() {
    let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors");
    let mut opened = 0;
    for entry in std::fs::read_dir(vectors).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("model.safetensors").exists() && !folder.ends_with("mamba_tiny") {
            let checkpoint = Checkpoint::open(&folder, &Opening::default()).unwrap_or_else(|e| panic!("{e}"));
            assert!(checkpoint.names().all(|name| checkpoint.tensor(name).is_ok()), "{}", folder.display());
            opened += 1;
        }
    }
    assert!(opened >= 4, "{opened} checkpoints were found");
}

#[test]
fn the_rotation_reads_alike_in_both_spellings() {
    let old = json!({"rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 64}, "torch_dtype": "bfloat16"});
    let new = json!({"rope_parameters": {"rope_theta": 500000.0, "rope_type": "llama3", "factor": 8.0,
        "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}, "dtype": "bfloat16"});
    let (old, new) = (spec(with(&llama(), old)), spec(with(&llama(), new)));
    assert_eq!(old, new);
    let rope = old.rope_of(0).unwrap();
    assert_eq!((rope.theta, rope.dims), (500000.0, 8));
    assert_eq!(rope.scaling, Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 64 });
    // The oldest spelling, `type`.
    let linear = spec(with(&llama(), json!({"rope_scaling": {"type": "linear", "factor": 2.5}})));
    assert_eq!(linear.rope_of(3).unwrap(), Rope { theta: 10000.0, dims: 8, scaling: Scaling::Linear { factor: 2.5 } });
}

#[test]
fn yarn_works_out_its_attention_factor() {
    let scaling = |more: Value| {
        let mut yarn = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32});
        yarn = with(&yarn, more);
        match spec(with(&llama(), json!({"rope_parameters": yarn}))).rope_of(0).unwrap().scaling {
            Scaling::Yarn { attention_factor, beta_fast, beta_slow, truncate, original, .. } => {
                assert_eq!((beta_fast, beta_slow, truncate, original), (32.0, 1.0, true, 32));
                attention_factor
            }
            other => panic!("{other:?}"),
        }
    };
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(close(scaling(json!({})), 0.1 * 4f64.ln() + 1.0));
    assert!(close(scaling(json!({"attention_factor": 1.25})), 1.25));
    let both = scaling(json!({"mscale": 0.7, "mscale_all_dim": 1.3}));
    assert!(close(both, (0.07 * 4f64.ln() + 1.0) / (0.13 * 4f64.ln() + 1.0)));
}

#[test]
fn llama_defaults_are_its_configuration_class_defaults() {
    let mut value = llama();
    value.as_object_mut().unwrap().remove("num_key_value_heads");
    let spec = spec(value);
    assert_eq!((spec.key_heads, spec.head_dim), (6, 8));
    assert_eq!(spec.norm, Norm::Rms { eps: 1e-6, offset: 0.0 });
    assert_eq!((spec.tied, spec.qkv_bias, spec.output_bias, spec.mlp_bias), (false, false, false, false));
    assert_eq!(spec.activation, Activation::Silu);
    assert!(spec.causal && spec.gated && spec.windows == vec![None; 4]);
    assert_eq!(spec.task, Task::CausalLm);
}

#[test]
fn windows_stand_where_each_family_puts_them() {
    let of = |family: &str, more: Value| spec(with(&with(&llama(), json!({"model_type": family})), more)).windows;
    let w = Some(32);
    assert_eq!(of("mistral", json!({"sliding_window": 32})), [w; 4]);
    assert_eq!(of("mistral", json!({"sliding_window": null})), [None; 4]);
    assert_eq!(of("mistral", json!({})), [Some(4096); 4]);
    let qwen = json!({"sliding_window": 32, "max_window_layers": 2});
    assert_eq!(of("qwen2", qwen.clone()), [None; 4]);
    assert_eq!(of("qwen2", with(&qwen, json!({"use_sliding_window": true}))), [None, None, w, w]);
    let types = json!({"use_sliding_window": true, "layer_types":
        ["sliding_attention", "full_attention", "full_attention", "sliding_attention"]});
    assert_eq!(of("qwen3", with(&qwen, types)), [w, None, None, w]);
    assert_eq!(of("gemma2", json!({"sliding_window": 32})), [w, None, w, None]);
    assert_eq!(of("gemma3_text", json!({"sliding_window": 32, "sliding_window_pattern": 3})), [w, w, None, w]);
    // A Llama configuration may carry a window, which the model does not use.
    assert_eq!(of("llama", json!({"sliding_window": 32})), [None; 4]);
}

#[test]
fn gemma_differs_from_llama_where_it_does() {
    let gemma2 = spec(with(&llama(), json!({"model_type": "gemma2", "hidden_act": "silu"})));
    assert_eq!((gemma2.head_dim, gemma2.beta), (256, 1.0 / 16.0));
    assert_eq!((gemma2.attention_soft_cap, gemma2.final_soft_cap), (Some(50.0), Some(30.0)));
    assert_eq!((gemma2.placement, gemma2.norm), (Placement::Sandwich, Norm::Rms { eps: 1e-6, offset: 1.0 }));
    assert_eq!((gemma2.activation, gemma2.tied), (Activation::GeluTanh, true));
    assert_eq!(gemma2.embedding_scale, 48f32.sqrt());
    let uncapped = json!({"model_type": "gemma2", "attn_logit_softcapping": null, "query_pre_attn_scalar": 144});
    let uncapped = spec(with(&llama(), uncapped));
    assert_eq!((uncapped.attention_soft_cap, uncapped.beta), (None, 1.0 / 12.0));
    let old = json!({"model_type": "gemma3_text", "rope_theta": 2e6, "rope_local_base_freq": 5000.0,
        "rope_scaling": {"rope_type": "linear", "factor": 8.0}});
    let new = json!({"model_type": "gemma3_text", "rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0}}});
    let (old, new) = (spec(with(&llama(), old)), spec(with(&llama(), new)));
    assert_eq!(old, new);
    assert_eq!(old.rope_of(0).unwrap().theta, 5000.0);
    let wide = spec(with(&llama(), json!({"model_type": "gemma3_text", "sliding_window_pattern": 2})));
    assert_eq!((wide.rope_of(0).unwrap().theta, wide.rope_of(1).unwrap().theta), (10000.0, 1e6));
    // A multimodal file keeps its language model inside and leaves out what equals the class's defaults.
    let inside = json!({"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "text_config":
        {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024}});
    let inside = spec(inside);
    assert_eq!((inside.heads, inside.key_heads, inside.head_dim, inside.vocab), (8, 4, 256, 262_208));
    assert_eq!((inside.head, inside.windows[5], inside.windows[6]), (OutputHead::CausalLm, None, Some(1024)));
}

#[test]
fn qwen_has_its_biases_and_norms() {
    let qwen2 = spec(with(&llama(), json!({"model_type": "qwen2"})));
    assert_eq!((qwen2.qkv_bias, qwen2.output_bias, qwen2.query_key_norm, qwen2.head_dim), (true, false, false, 8));
    let qwen3 = spec(with(&llama(), json!({"model_type": "qwen3", "attention_bias": true})));
    assert_eq!((qwen3.qkv_bias, qwen3.output_bias, qwen3.query_key_norm, qwen3.head_dim), (true, true, true, 128));
}

#[test]
fn the_architecture_decides_what_stands_on_top() {
    let bert = json!({"vocab_size": 96, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 96, "max_position_embeddings": 66, "pad_token_id": 1});
    let of = |family: &str, architecture: &str| {
        spec(with(
            &bert,
            json!({"model_type": family, "architectures": [architecture], "id2label": {"0": "a", "1": "b", "2": "c"}}),
        ))
    };
    assert_eq!(of("bert", "BertModel").head, OutputHead::None);
    assert_eq!(
        (of("bert", "BertForMaskedLM").head, of("bert", "BertForMaskedLM").task),
        (OutputHead::MaskedLm, Task::MaskedLm)
    );
    assert_eq!(of("bert", "BertForPreTraining").head, OutputHead::MaskedLm);
    assert_eq!(of("bert", "BertForSequenceClassification").head, OutputHead::Classifier { labels: 3 });
    assert!(of("bert", "BertForSequenceClassification").pooler);
    assert_eq!(of("bert", "BertForQuestionAnswering").task, Task::Encoder);
    let roberta = of("xlm-roberta", "XLMRobertaForSequenceClassification");
    assert_eq!((roberta.family, roberta.pooler, roberta.max_positions), (Family::Roberta, false, Some(64)));
    assert_eq!(roberta.position, Position::Learned { offset: 2, skip: Some(1) });
}

#[test]
fn weights_decide_what_stands_on_top_where_nothing_is_written() {
    let folder = Folder::new();
    folder.put("config.json", GPT2.replace("\"architectures\":[\"GPT2LMHeadModel\"],", ""));
    folder.put("model.safetensors", safetensors(&gpt2_tensors("")));
    assert_eq!(Checkpoint::open(folder.path(), &Opening::default()).unwrap().config().head, OutputHead::CausalLm);
}

#[test]
fn gpt2_scales_as_its_configuration_says() {
    let base: Value = serde_json::from_str(GPT2).unwrap();
    assert_eq!(spec(base.clone()).beta, 0.5);
    assert_eq!(spec(base.clone()).intermediate, 32);
    assert_eq!(spec(with(&base, json!({"scale_attn_weights": false}))).beta, 1.0);
    let by_layer = spec(with(&base, json!({"scale_attn_by_inverse_layer_idx": true, "n_layer": 3})));
    assert_eq!(by_layer.beta_of(2), 0.5 / 3.0);
    assert_eq!(spec(with(&base, json!({"n_inner": 24}))).intermediate, 24);
}

#[test]
fn images_have_a_grid_and_their_first_tokens() {
    let vit = json!({"model_type": "vit", "architectures": ["ViTForImageClassification"], "hidden_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96, "image_size": [28, 20],
        "patch_size": 4, "num_channels": 3, "num_labels": 7});
    let deit = with(&vit, json!({"model_type": "deit", "architectures": ["DeiTForImageClassificationWithTeacher"]}));
    let (vit, deit) = (spec(vit), spec(deit));
    assert_eq!(vit.image.as_ref().unwrap().grid(), (7, 5));
    assert_eq!((vit.max_positions, deit.max_positions), (Some(36), Some(37)));
    assert_eq!(
        (vit.head, deit.head),
        (OutputHead::Classifier { labels: 7 }, OutputHead::DistilledClassifier { labels: 7 })
    );
}
