//! Weights of which nothing can be said: all zero, or so large that scores overflow.

use attractor_nn::Model;
use attractor_nn::checkpoint::{Checkpoint, Opening};
use attractor_nn::model::{Input, Overrides};
use std::path::Path;

/// The hidden state of a model all of whose numbers are `value`.
fn filled(kind: &str, value: f32) -> attractor::Result<Vec<f32>> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors").join(kind);
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(vectors.join("config.json"), folder.path().join("config.json")).unwrap();
    let mut bytes = std::fs::read(vectors.join("model.safetensors")).unwrap();
    let begin = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[begin..].chunks_exact_mut(4).for_each(|number| number.copy_from_slice(&value.to_le_bytes()));
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    let model = Model::load(&Checkpoint::open(folder.path(), &Opening::default())?)?;
    model.hidden(&Input::tokens(vec![3, 5, 4, 9]), &mut (), &Overrides::none())
}

#[test]
fn weights_of_zero_and_of_enormous_size_are_degenerate() {
    for kind in ["gpt2_tiny", "llama_gqa_tiny", "bert_tiny"] {
        for value in [0.0, 1e20] {
            let error = filled(kind, value).unwrap_err();
            assert!(error.is_non_finite() && error.to_string().contains("degenerate"), "{kind} {value}: {error}");
        }
    }
}
