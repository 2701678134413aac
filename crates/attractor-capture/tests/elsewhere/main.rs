//! Maps as other programs leave them: axes, names, stacks, steps, padding, and masks that one layer breaks.

mod axes;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod masks;
mod stacks;

use attractor::random::Philox;
use attractor::retrieve::Mask;
use attractor_capture::certificate::{CaptureCheck, Grade};
use attractor_capture::import::{Inferred, MaskRule};
use attractor_capture::{Import, ImportOptions};
use attractor_record::{Origin, Patterns, Role, Stack};
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// A random map, [queries, keys]; `ahead`: how many keys beyond its own position a query sees; `None`: all.
fn map(seed: u64, queries: usize, keys: usize, ahead: Option<usize>) -> Vec<f32> {
    let mut random = Philox::new(seed, 1);
    let mut map = Vec::new();
    for row in 0..queries {
        let seen = ahead.map_or(keys, |ahead| (row + 1 + keys - queries + ahead).min(keys));
        let mut weights: Vec<f64> = (0..seen).map(|_| (1.3 * random.normal()).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= sum);
        weights.resize(keys, 0.0);
        map.extend(weights.iter().map(|&w| w as f32));
    }
    map
}

fn maps(seed: u64, heads: u64, n: usize, ahead: Option<usize>) -> Vec<f32> {
    (0..heads).flat_map(|head| map(100 * seed + head, n, n, ahead)).collect()
}

fn nested(data: &[f32], shape: &[usize]) -> Value {
    match shape {
        [_] => json!(data),
        _ => data.chunks_exact(shape[1..].iter().product()).map(|part| nested(part, &shape[1..])).collect(),
    }
}

fn floats(shape: &[usize], data: &[f32]) -> Vec<u8> {
    let axes: Vec<u64> = shape.iter().map(|&x| x as u64).collect();
    common::npy("<f4", false, &axes, &data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
}

fn whole(shape: &[u64], data: &[i64]) -> Vec<u8> {
    common::npy("<i8", false, shape, &data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
}

fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    common::npz(&members.iter().map(|(name, bytes)| (name.to_string(), bytes.clone())).collect::<Vec<_>>())
}

fn read(bytes: &[u8], options: &ImportOptions) -> Import {
    Import::from_bytes(bytes, options).unwrap()
}

fn import(bytes: &[u8]) -> Import {
    read(bytes, &ImportOptions::default())
}

fn stated(axes: &str) -> ImportOptions {
    ImportOptions { axes: Some(axes.parse().unwrap()), ..ImportOptions::default() }
}

fn weights(import: &Import, layer: usize, head: usize, input: usize) -> Vec<f32> {
    let rows = import.shape(layer, input).unwrap().0;
    import.weights(layer, head, input, 0..rows).unwrap().unwrap()
}

fn numbers(import: &Import) -> Vec<usize> {
    import.layers().iter().map(|shape| shape.layer).collect()
}

fn said(import: &Import) -> String {
    let each = |note: &Inferred| format!("{note}, {}\n", note.hint().map_or(String::new(), |hint| hint.to_string()));
    import.inferred().iter().map(each).collect()
}

fn refusal(bytes: &[u8], options: &ImportOptions) -> attractor::Error {
    Import::from_bytes(bytes, options).unwrap_err()
}
