//! Checkpoints, token files and images that are whole are read as they were written.

#[path = "readers/build.rs"]
mod build;
#[path = "readers/configurations.rs"]
mod configurations;
#[path = "readers/degenerate.rs"]
mod degenerate;
#[path = "readers/images.rs"]
mod images;
#[path = "readers/texts.rs"]
mod texts;

use attractor_nn::checkpoint::safetensors::Safetensors;
use attractor_nn::checkpoint::torch::Torch;
use attractor_nn::checkpoint::{Checkpoint, Dtype, Opening};
use build::*;

#[test]
fn every_number_format_comes_back() {
    let folder = Folder::new();
    let halves: Vec<u8> = [0x3c00u16, 0xc100, 0x0001].iter().flat_map(|v| v.to_le_bytes()).collect();
    let brains: Vec<u8> = [0x3f80u16, 0xc040, 0x4049].iter().flat_map(|v| v.to_le_bytes()).collect();
    let doubles: Vec<u8> = [0.1f64, -3.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    let longs: Vec<u8> = [-5i64, 1 << 40].iter().flat_map(|v| v.to_le_bytes()).collect();
    let path = folder.put(
        "x.safetensors",
        safetensors(&[
            f32s("plain", &[2, 3]),
            raw("half", "F16", &[3], halves),
            raw("brain", "BF16", &[3, 1], brains),
            raw("double", "F64", &[2], doubles),
            raw("long", "I64", &[2], longs),
            raw("flags", "BOOL", &[2], vec![0, 1]),
            raw("nothing", "F32", &[0, 4], vec![]),
            raw("scalar", "F32", &[], floats(&[-2.5])),
        ]),
    );
    let file = Safetensors::open(&path).unwrap();
    let values = |name: &str| file.tensor(name).unwrap().values;
    assert_eq!(values("plain"), ramp(6, 1.0 / 64.0));
    assert_eq!(file.tensor("plain").unwrap().shape, [2, 3]);
    // 1, -2.5, and the smallest subnormal of half precision.
    assert_eq!(values("half"), [1.0, -2.5, 2f32.powi(-24)]);
    assert_eq!(values("brain"), [1.0, -3.0, 3.140625]);
    assert_eq!(values("double"), [0.1f32, -3.5]);
    assert_eq!(file.integers("long").unwrap(), (vec![2], vec![-5, 1 << 40]));
    assert_eq!(values("flags"), [0.0, 1.0]);
    assert_eq!(file.tensor("nothing").unwrap().shape, [0, 4]);
    assert_eq!(values("scalar"), [-2.5]);
    assert_eq!(file.dtype("brain"), Some(Dtype::BF16));
    assert!(file.integers("plain").unwrap_err().is_format());
}

#[test]
fn files_written_by_the_safetensors_crate_are_read() {
    let folder = Folder::new();
    let (a, b) = (floats(&ramp(15, 0.25)), floats(&ramp(7, 0.5)));
    let view =
        |shape: Vec<usize>, data| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, data).unwrap();
    let bytes = safetensors::serialize([("a", view(vec![3, 5], &a)), ("b", view(vec![7], &b))], None).unwrap();
    let file = Safetensors::open(&folder.put("x.safetensors", bytes)).unwrap();
    assert_eq!(file.tensor("a").unwrap().values, ramp(15, 0.25));
    assert_eq!(file.tensor("b").unwrap().values, ramp(7, 0.5));
}

#[test]
fn a_folder_opens_with_and_without_the_base_prefix() {
    for prefix in ["transformer.", "", "module.transformer.", "_orig_mod.module.transformer."] {
        let folder = Folder::new();
        folder.put("config.json", GPT2);
        folder.put("model.safetensors", safetensors(&gpt2_tensors(prefix)));
        let checkpoint = Checkpoint::open(folder.path(), &Opening::default()).unwrap();
        for name in ["transformer.wte.weight", "wte.weight"] {
            assert!(checkpoint.has(name), "{prefix}: {name}");
            assert_eq!(checkpoint.shape(name), Some([11, 8].as_slice()));
            assert_eq!(checkpoint.tensor(name).unwrap().values, ramp(88, 1.0 / 64.0));
        }
        assert!(!checkpoint.has("wte"));
        assert!(checkpoint.tensor("wte").unwrap_err().is_usage());
        assert_eq!(checkpoint.parameters(), 88 + 128 + 16 + 192 + 24 + 64 + 8 + 16 + 256 + 32 + 256 + 8 + 16);
    }
}

#[test]
fn shards_are_one_checkpoint_and_its_hash_is_that_of_all_their_bytes() {
    use sha2::{Digest, Sha256};
    let folder = Folder::new();
    folder.put("config.json", GPT2);
    let mut first = gpt2_tensors("transformer.");
    let second = first.split_off(7);
    let (a, b) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let entries = first.iter().map(|t| (&t.name, a)).chain(second.iter().map(|t| (&t.name, b)));
    let map: Vec<_> = entries.map(|(name, file)| format!("{name:?}:{file:?}")).collect();
    folder.put("model.safetensors.index.json", format!("{{\"metadata\":{{}},\"weight_map\":{{{}}}}}", map.join(",")));
    let (one, two) = (safetensors(&first), safetensors(&second));
    folder.put(a, &one);
    folder.put(b, &two);
    let checkpoint = Checkpoint::open(folder.path(), &Opening::default()).unwrap();
    assert_eq!(checkpoint.names().count(), 16);
    assert_eq!(checkpoint.tensor("ln_f.bias").unwrap().values, ramp(8, 1.0 / 64.0));
    let expected: String = Sha256::digest([one, two].concat()).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(checkpoint.hash().unwrap(), expected);
}

/// What `conformance/record_pt.py` wrote.
fn check_recorded(file: &Torch) {
    let read = |name: &str| {
        let array = file.tensor(name).unwrap();
        (array.shape, array.values)
    };
    let base = ramp(24, 0.125);
    let at = |row: usize, column: usize| base[row * 6 + column];
    assert_eq!(read("plain"), (vec![4, 6], base.clone()));
    assert_eq!(read("shared"), (vec![4, 6], base.clone()));
    assert_eq!(read("double"), (vec![3], vec![-1.0, -0.5, 0.0]));
    assert_eq!(read("half"), (vec![2, 3], ramp(6, 0.25)));
    assert_eq!(read("brain"), (vec![2, 3], ramp(6, 0.25)));
    let transposed: Vec<f32> = (0..6).flat_map(|c| (0..4).map(move |r| (r, c))).map(|(r, c)| at(r, c)).collect();
    assert_eq!(read("transposed"), (vec![6, 4], transposed));
    let slice: Vec<f32> = [(1, 2), (1, 3), (1, 4), (2, 2), (2, 3), (2, 4)].map(|(r, c)| at(r, c)).to_vec();
    assert_eq!(read("slice"), (vec![2, 3], slice));
    assert_eq!(read("strided"), (vec![2, 2], vec![at(0, 0), at(0, 3), at(2, 0), at(2, 3)]));
    assert_eq!(read("expanded"), (vec![4, 3], [-1.0, -0.5, 0.0].repeat(4)));
    assert_eq!(read("scalar"), (vec![], vec![-2.5]));
    assert_eq!(read("empty"), (vec![0, 5], vec![]));
    assert_eq!(read("parameter"), (vec![2, 2], ramp(4, 1.0)));
    assert_eq!(read("counter"), (vec![2], vec![3.0, -7.0]));
    assert_eq!(file.names().count(), 13);
}

#[test]
fn torch_files_come_back_with_strides_and_offsets() {
    check_recorded(&Torch::open(&data("tensors.pt")).unwrap());
}

#[test]
fn the_older_torch_format_comes_back_too() {
    check_recorded(&Torch::open(&data("tensors_legacy.pt")).unwrap());
}

#[test]
fn a_training_checkpoint_opens_alone_by_the_configuration_inside() {
    let folder = Folder::new();
    let path = folder.put("training.pt", std::fs::read(data("training.pt")).unwrap());
    let checkpoint = Checkpoint::open(&path, &Opening::default()).unwrap();
    assert_eq!((checkpoint.config().layers, checkpoint.config().heads, checkpoint.config().vocab), (1, 2, 11));
    assert_eq!(checkpoint.tensor("transformer.h.0.mlp.c_fc.bias").unwrap().values, ramp(32, 1.0 / 64.0));
    // Neither the optimizer's state nor the inert namespace is taken for weights.
    assert_eq!(checkpoint.names().count(), 16);
}

#[test]
fn a_lone_state_dict_opens_with_a_given_configuration() {
    let folder = Folder::new();
    let path = folder.put("bare.pt", std::fs::read(data("bare.pt")).unwrap());
    let error = Checkpoint::open(&path, &Opening::default()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("give a config.json"), "{error}");
    let elsewhere = Folder::new();
    let config = elsewhere.put("config.json", GPT2);
    for given in [config.as_path(), elsewhere.path()] {
        let checkpoint = Checkpoint::open(&path, &Opening::configured(given)).unwrap();
        assert_eq!(checkpoint.tensor("wpe.weight").unwrap().values, ramp(128, 1.0 / 64.0));
    }
    // And with one that lies beside it.
    folder.put("config.json", GPT2);
    assert!(Checkpoint::open(&path, &Opening::default()).is_ok());
}

#[test]
fn old_layer_norm_names_are_found_by_their_new_ones() {
    let spec = include_str!("../../../conformance/vectors/bert_tiny/config.json");
    let model =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors/bert_tiny/model.safetensors");
    let file = Safetensors::open(&model).unwrap();
    let tensors: Vec<_> = file
        .names()
        .map(|name| {
            let array = file.tensor(name).unwrap();
            let old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
            raw(&format!("bert.{old}"), "F32", &array.shape, floats(&array.values))
        })
        .collect();
    let folder = Folder::new();
    folder.put("config.json", spec);
    folder.put("model.safetensors", safetensors(&tensors));
    let checkpoint = Checkpoint::open(folder.path(), &Opening::default()).unwrap();
    let name = "encoder.layer.2.output.LayerNorm.bias";
    assert_eq!(checkpoint.tensor(name).unwrap(), file.tensor(name).unwrap());
}

#[test]
fn the_real_sentence_model_opens_with_its_configuration() {
    let Some(folder) = std::env::var_os("ATTRACTOR_MINILM") else {
        println!("skipped: ATTRACTOR_MINILM does not name the folder of all-MiniLM-L6-v2");
        return;
    };
    let checkpoint = Checkpoint::open(std::path::Path::new(&folder), &Opening::default()).unwrap();
    let spec = checkpoint.config();
    assert_eq!((spec.layers, spec.heads, spec.hidden, spec.vocab), (6, 12, 384, 30522));
    assert_eq!(checkpoint.hash().unwrap(), "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db");
    assert_eq!(checkpoint.tensor("embeddings.word_embeddings.weight").unwrap().shape, [30522, 384]);
    assert_eq!(checkpoint.parameters(), 22_713_216);
}
