//! Every hidden state, every attention map and the logits of small checkpoints, against what other implementations
//! recorded (`conformance/vectors`; index.json has source, version and tolerance).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use attractor::retrieve::{dense, tiled};
use attractor_nn::checkpoint::{Checkpoint, Opening};
use attractor_nn::model::{Input, KeptParts, Model, Observer, Overrides, Tap, TokenRow, Want};
use safetensors::SafeTensors;

/// Tensors of golden.safetensors, numbers as f64.
struct Golden(BTreeMap<String, (Vec<usize>, Vec<f64>)>);

impl Golden {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter().map(|(name, view)| {
            let data = view.data();
            let values = match view.dtype() {
                safetensors::Dtype::F32 => {
                    data.chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
                }
                safetensors::Dtype::I64 => {
                    data.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect()
                }
                other => panic!("{name}: {other:?}"),
            };
            (name, (view.shape().to_vec(), values))
        });
        Self(tensors.collect())
    }

    /// Item `index` of the batch.
    fn item(&self, name: &str, index: usize) -> Option<Vec<f64>> {
        let (shape, values) = self.0.get(name)?;
        let size = values.len() / shape[0];
        Some(values[index * size..(index + 1) * size].to_vec())
    }

    fn batch(&self) -> usize {
        self.0.iter().find(|(name, _)| name.starts_with("input.")).map(|(_, (shape, _))| shape[0]).unwrap()
    }

    fn input(&self, index: usize) -> Input {
        if let Some(pixels) = self.item("input.pixel_values", index) {
            return Input::Image { values: pixels.iter().map(|&x| x as f32).collect() };
        }
        let ids: Vec<u32> = self.item("input.input_ids", index).unwrap().iter().map(|&x| x as u32).collect();
        let of = |name| self.item(name, index).unwrap_or_default();
        let padding = of("input.attention_mask").iter().map(|&x| x == 0.0).collect();
        let types = of("input.token_type_ids").iter().map(|&x| x as u32).collect();
        Input::Text(TokenRow { ids, padding, types })
    }
}

#[derive(Default)]
struct Everything {
    taps: Vec<Tap>,
    hidden: Vec<Vec<f32>>,
}

impl Observer for Everything {
    fn wants(&self, _: usize) -> Want {
        Want::all()
    }

    fn tap(&mut self, tap: Tap) -> attractor_nn::Result<()> {
        self.taps.push(tap);
        Ok(())
    }

    fn wants_hidden(&self, _: usize) -> bool {
        true
    }

    fn hidden(&mut self, index: usize, state: Vec<f32>) -> attractor_nn::Result<()> {
        assert_eq!(index, self.hidden.len());
        self.hidden.push(state);
        Ok(())
    }
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors")
}

/// Panics with the name of the first tensor that is further off than the tolerance; a NaN is.
fn compare(name: &str, ours: &[f32], golden: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), golden.len(), "{name}");
    let worst = ours
        .iter()
        .zip(golden)
        .map(|(&a, &b)| (f64::from(a) - b).abs())
        .fold(0.0f64, |a, b| if a.is_nan() || a > b { a } else { b });
    assert!(worst <= tolerance, "{name}: off by {worst:e}, tolerance {tolerance:e}");
}

fn check(kind: &str) {
    let folder = vectors().join(kind);
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(vectors().join("index.json")).unwrap()).unwrap();
    let tolerance = index[kind]["tolerance"].as_f64().unwrap_or_else(|| panic!("{kind} has no tolerance"));
    let golden = Golden::read(&folder.join("golden.safetensors"));
    let model = Model::load(&Checkpoint::open(&folder, &Opening::default()).unwrap()).unwrap();
    let spec = model.spec().clone();
    for item in 0..golden.batch() {
        let mut seen = Everything::default();
        let output = model.forward(&golden.input(item), &mut seen, &Overrides::none()).unwrap();
        assert_eq!(seen.hidden.len(), spec.layers + 1);
        for (l, state) in seen.hidden.iter().enumerate() {
            compare(
                &format!("{kind} hidden.{l}[{item}]"),
                state,
                &golden.item(&format!("hidden.{l}"), item).unwrap(),
                tolerance,
            );
        }
        if let Some(logits) = golden.item("logits", item) {
            compare(&format!("{kind} logits[{item}]"), &output.logits.unwrap(), &logits, tolerance);
        }
        for tap in seen.taps {
            let golden = golden.item(&format!("attn.{}", tap.layer), item).unwrap();
            let n = tap.positions;
            for head in 0..tap.heads {
                let name = format!("{kind} attn.{}[{item}, {head}]", tap.layer);
                let map = tiled::weights(&tap.problem().unwrap(), head, 0..n).unwrap();
                compare(&name, &map, &golden[head * n * n..(head + 1) * n * n], tolerance);
                let map = dense::weights(&tap.problem().unwrap(), head, 0..n).unwrap();
                compare(&name, &map, &golden[head * n * n..(head + 1) * n * n], tolerance);
            }
            let facts = model.record(tap, KeptParts::default()).unwrap().facts;
            let scale = facts.output_scale.unwrap().max(1.0);
            assert!(facts.output_error.unwrap() < 1e-5 * scale, "{kind}: {facts:?}");
            assert!(facts.projection_error.unwrap() < 1e-5 * scale, "{kind}: {facts:?}");
        }
    }
}

#[test]
fn gpt2_shows_what_was_recorded() {
    check("gpt2_tiny");
}

#[test]
fn bert_shows_what_was_recorded() {
    check("bert_tiny");
}

#[test]
fn llama_with_grouped_queries_shows_what_was_recorded() {
    check("llama_gqa_tiny");
}

#[test]
fn vit_shows_what_was_recorded() {
    check("vit_tiny");
}

/// Positions stretched, biases, windows, caps, norms of queries and keys, padding, other heads: one small checkpoint each.
#[test]
fn every_variant_shows_what_was_recorded() {
    let variants = [
        "bert_classifier_tiny",
        "bert_mlm_tiny",
        "deit_tiny",
        "gemma2_tiny",
        "gemma3_tiny",
        "gpt2_scaled_tiny",
        "llama3_tiny",
        "llama_bias_tiny",
        "llama_dynamic_tiny",
        "llama_linear_tiny",
        "llama_yarn_tiny",
        "mistral_tiny",
        "qwen2_tiny",
        "qwen3_tiny",
        "roberta_classifier_tiny",
        "roberta_tiny",
    ];
    let failed: Vec<_> =
        variants.into_iter().filter(|kind| std::panic::catch_unwind(|| check(kind)).is_err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
