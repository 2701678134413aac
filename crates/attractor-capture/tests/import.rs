//! Imported maps, read, certified and converted.

mod common;

use attractor::random::Philox;
use attractor::retrieve::{Mask, Request, dense};
use attractor_capture::certificate::{CaptureCheck, Grade};
use attractor_capture::import::MaskRule;
use attractor_capture::{Import, ImportOptions, Run, RunOptions};
use attractor_record::Task;
use attractor_record::{Origin, Patterns, Step};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// A random map whose rows sum to one over the keys that they see.
fn map(seed: u64, n: usize, m: usize, causal: bool) -> Vec<f32> {
    let mut random = Philox::new(seed, 1);
    let mut map = Vec::new();
    for row in 0..n {
        let seen = if causal { row + 1 + m - n } else { m };
        let weights: Vec<f64> =
            (0..m).map(|key| if key < seen { (1.3 * random.normal()).exp() } else { 0.0 }).collect();
        let sum: f64 = weights.iter().sum();
        map.extend(weights.iter().map(|w| (w / sum) as f32));
    }
    map
}

fn maps(seed: u64, heads: usize, n: usize, causal: bool) -> Vec<f32> {
    (0..heads as u64).flat_map(|head| map(seed * 100 + head, n, n, causal)).collect()
}

fn nested(data: &[f32], shape: &[usize]) -> Value {
    match shape {
        [_] => json!(data),
        _ => {
            let size = shape[1..].iter().product();
            data.chunks_exact(size).map(|part| nested(part, &shape[1..])).collect()
        }
    }
}

fn import(bytes: &[u8]) -> Import {
    Import::from_bytes(bytes, &ImportOptions::default()).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    let error = Import::from_bytes(bytes, &ImportOptions::default()).unwrap_err();
    assert!(error.is_format(), "{error}");
    error.to_string()
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn weights(import: &dyn Patterns, layer: usize, head: usize, input: usize) -> Vec<f32> {
    let rows = import.shape(layer, input).unwrap().0;
    import.weights(layer, head, input, 0..rows).unwrap().unwrap()
}

#[test]
fn json_of_steps_keeps_layer_and_step_numbers() {
    let step = |seed, step: u64| json!({ "step": step, "block": 0, "attention_weights": nested(&maps(seed, 2, 6, false), &[1, 2, 6, 6]) });
    let import = import(&text(&json!({
        "attention_maps": {
            "model.transformer.blocks.5": [step(1, 8), step(2, 4)],
            "model.transformer.blocks.2": [step(3, 4), { "step": 8, "attention_weights": null }],
            "model.transformer.blocks.2.attn_out_projections": [{ "step": 4, "mean": 0.5 }],
        },
        "tokens": ["a", "b", "a", "c", "d", "e"],
        "prompt_length": 2,
        "timestamp": "now",
    })));
    let layers: Vec<usize> = import.layers().iter().map(|shape| shape.layer).collect();
    assert_eq!((layers, import.inputs()), (vec![2, 5], 2));
    let step = |number| Origin::at(0, Step { number, block: Some(0) });
    assert_eq!((import.origin(0), import.origin(1)), (step(4), step(8)), "two steps of one input");
    assert_eq!(weights(&import, 5, 1, 0), maps(2, 2, 6, false)[36..]);
    assert_eq!(weights(&import, 5, 0, 1), maps(1, 2, 6, false)[..36]);
    assert_eq!(weights(&import, 2, 1, 0), maps(3, 2, 6, false)[36..]);
    assert!(import.weights(2, 0, 1, 0..0).unwrap().is_none() && import.shape(2, 1).unwrap() == (0, 0));
    assert_eq!(import.prompt_length(0), Some(2));
    let tokens = import.tokens(1);
    assert!(tokens[0].id == tokens[2].id && tokens[0].id != tokens[1].id && tokens[3].text == "c");
    let same = import.statistics(5, 0, 0).unwrap().unwrap();
    assert_eq!(same.same_token_keys, [1, 0, 1, 0, 0, 0]);
    assert!((same.same_token_mass[0] - weights(&import, 5, 0, 0)[2]).abs() < 1e-7);
    assert!(import.notes().iter().any(|note| note.name == "timestamp"), "{:?}", import.notes());
    assert_eq!((import.info().layers, import.info().heads, import.info().task), (6, 2, Task::Encoder));
}

#[test]
fn bare_maps_and_nested_lists_mean_the_same() {
    let (a, b) = (maps(1, 2, 5, true), maps(2, 2, 5, true));
    let (a_nested, b_nested) = (nested(&a, &[2, 5, 5]), nested(&b, &[2, 5, 5]));
    for file in [
        json!({ "layer_0": a_nested, "layer_2": b_nested, "layer_1": null }),
        json!({ "0": [{ "step": 0, "attention_weights": a_nested }], "1": null, "2": [{ "attention_weights": b_nested }] }),
        json!([a_nested, null, b_nested]),
        json!([[a_nested], null, [b_nested]]),
        json!({ "attention_maps": [a_nested, null, b_nested] }),
    ] {
        let import = import(&text(&file));
        assert_eq!(import.layers().iter().map(|shape| shape.layer).collect::<Vec<_>>(), [0, 2], "{file}");
        assert_eq!((import.inputs(), import.info().layers), (1, 3));
        assert_eq!(import.missing().len(), 1);
        assert!(import.missing()[0].0 == 1 && import.missing()[0].1.to_string().contains("null"));
        assert_eq!(weights(&import, 2, 1, 0), b[25..]);
        assert!(import.info().causal && import.mask(0, 0).unwrap() == Mask::causal());
        let certificate = import.certificate().unwrap();
        assert_eq!(certificate.entry(1, CaptureCheck::Weights).unwrap().verdict, Grade::NotTestable);
    }
    // Regular nests: [layer][head][q][k] and [layer][batch][head][q][k], and a single layer.
    let both = [a.clone(), b.clone()].concat();
    assert_eq!(weights(&import(&text(&nested(&both, &[2, 2, 5, 5]))), 1, 0, 0), b[..25]);
    assert_eq!(weights(&import(&text(&nested(&both, &[1, 2, 2, 5, 5]))), 0, 0, 1), b[..25]);
    assert_eq!(weights(&import(&text(&a_nested)), 0, 1, 0), a[25..]);
    assert_eq!(weights(&import(&text(&nested(&a[..25], &[5, 5]))), 0, 0, 0), a[..25]);
}

fn npz(arrays: &[(&str, &[usize], &[f32], &str)]) -> Vec<u8> {
    let member = |&(name, shape, data, kind): &(&str, &[usize], &[f32], &str)| {
        let axes: Vec<u64> = shape.iter().map(|&x| x as u64).collect();
        let (descr, fortran, bytes): (&str, bool, Vec<u8>) = match kind {
            "f2" => ("<f2", false, data.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()),
            "f8" => ("<f8", false, data.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect()),
            "fortran" => {
                // Column-major order of a 2-D map.
                let (n, m) = (shape[0], shape[1]);
                ("<f4", true, (0..n * m).flat_map(|i| data[i % n * m + i / n].to_le_bytes()).collect())
            }
            "i8" => ("<i8", false, data.iter().flat_map(|&x| (x as i64).to_le_bytes()).collect()),
            _ => ("<f4", false, data.iter().flat_map(|x| x.to_le_bytes()).collect()),
        };
        (name.to_string(), common::npy(descr, fortran, &axes, &bytes))
    };
    common::npz(&arrays.iter().map(member).collect::<Vec<_>>())
}

#[test]
fn npz_arrays_are_found_by_their_names() {
    let (a, b, c) = (maps(1, 6, 7, true), map(2, 7, 7, true), map(3, 7, 7, true));
    let bytes = npz(&[
        ("attentions_L000", &[2, 3, 7, 7], &a, "f4"),
        ("L5H5", &[7, 7], &b, "f8"),
        ("L5H2", &[7, 7], &c, "fortran"),
        ("attn_7", &[3, 7, 7], &a[..147], "f2"),
        ("input_ids", &[7], &[5.0, 6.0, 5.0, 7.0, 8.0, 9.0, 1.0], "i8"),
    ]);
    let import = import(&bytes);
    let shapes: Vec<_> = import.layers().into_iter().map(|shape| (shape.layer, shape.heads)).collect();
    assert_eq!(shapes, [(0, vec![0, 1, 2]), (5, vec![2, 5]), (7, vec![0, 1, 2])]);
    assert_eq!(import.inputs(), 2);
    assert_eq!(weights(&import, 0, 1, 1), a[4 * 49..5 * 49]);
    assert_eq!(weights(&import, 5, 5, 0), b);
    assert_eq!(weights(&import, 5, 2, 0), c);
    assert!(weights(&import, 7, 2, 0).iter().zip(&a[98..]).all(|(x, y)| (x - y).abs() <= y / 2000.0 + 1e-7));
    assert_eq!(import.tokens(0)[3].id, 7);
    let certificate = import.certificate().unwrap();
    // f16 rows are off by what f16 loses, and pass at its tolerance.
    let sums = certificate.entry(7, CaptureCheck::RowSums).unwrap();
    assert!(sums.verdict == Grade::Pass && sums.value.unwrap() > 1e-6 && sums.tolerance == Some(2e-3), "{sums:?}");
    assert_eq!(certificate.entry(0, CaptureCheck::RowSums).unwrap().tolerance, Some(1e-5));
    assert!(!certificate.entries.iter().any(|entry| entry.verdict >= Grade::Warn), "{certificate:#?}");
}

#[test]
fn safetensors_in_every_precision() {
    let a = maps(1, 2, 7, true);
    let half: Vec<u8> = a.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
    let brain: Vec<u8> = a.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
    let double: Vec<u8> = a.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
    let view = |dtype, data| TensorView::new(dtype, vec![2, 7, 7], data).unwrap();
    let tensors = [
        ("layer0/step3", view(safetensors::Dtype::F16, &half)),
        ("layer1/step3", view(safetensors::Dtype::BF16, &brain)),
        ("layer2/step3", view(safetensors::Dtype::F64, &double)),
    ];
    let import = import(&safetensors::serialize(tensors, None).unwrap());
    assert_eq!(import.origin(0).number(), Some(3));
    let certificate = import.certificate().unwrap();
    for (layer, tolerance) in [(0, 2e-3), (1, 1e-2), (2, 1e-5)] {
        let sums = certificate.entry(layer, CaptureCheck::RowSums).unwrap();
        assert!(sums.verdict == Grade::Pass && sums.tolerance == Some(tolerance), "{sums:?}");
        assert!(weights(&import, layer, 1, 0).iter().zip(&a[49..]).all(|(x, y)| (x - y).abs() <= y / 200.0));
    }
}

#[test]
fn outputs_and_scores_are_no_weights() {
    let mut random = Philox::new(1, 1);
    let output: Vec<f32> = (0..12 * 64).map(|_| random.normal() as f32).collect();
    let good = maps(1, 2, 7, true);
    let says = refused(&npz(&[("attn_0", &[1, 12, 64], &output, "f4")]));
    assert!(
        says.contains("no attention weights") && says.contains("output of attention") && says.contains("12, 64"),
        "{says}"
    );
    let import = import(&npz(&[("attn_0", &[1, 12, 64], &output, "f4"), ("attn_1", &[2, 7, 7], &good, "f4")]));
    assert_eq!(import.layers().len(), 1);
    let entry = import.certificate().unwrap().entry(0, CaptureCheck::Weights).unwrap().clone();
    assert!(entry.verdict == Grade::Fail && entry.why.to_string().contains("negative"), "{entry:?}");
    // One wrong number is found at its place, and shown.
    let mut one = maps(1, 2, 7, true);
    one[49 + 3 * 7 + 2] = -0.25;
    let says = refused(&npz(&[("attn_0", &[2, 7, 7], &one, "f4")]));
    assert!(says.contains("1 negative of 98") && says.contains("-2.500e-1 at head 1, query 3, key 2"), "{says}");
}

#[test]
fn nan_is_not_testable_and_takes_nothing_with_it() {
    let mut a = maps(1, 2, 6, true);
    a[14] = f32::NAN;
    let mut file = nested(&a, &[2, 6, 6]).to_string();
    assert!(file.contains("null"));
    for constant in ["null", "NaN", "Infinity"] {
        file = file.replace("null", constant);
        let import = import(file.as_bytes());
        let statistics = import.statistics(0, 0, 0).unwrap().unwrap();
        assert!(statistics.invalid_rows == 1 && statistics.entropy[2].is_nan() && !statistics.entropy[3].is_nan());
        assert!(!weights(&import, 0, 0, 0)[14].is_finite());
        assert_eq!(import.observed(0, 0).unwrap().non_finite, 1);
        let certificate = import.certificate().unwrap();
        let entry = certificate.entry(0, CaptureCheck::Finite).unwrap();
        assert!(entry.verdict == Grade::NotTestable && entry.why.to_string().contains("1 of 12 rows"), "{entry:?}");
        assert_eq!(certificate.entry(0, CaptureCheck::RowSums).unwrap().verdict, Grade::Pass);
        file = file.replace(constant, "null");
    }
    // Nothing but NaN.
    let all = import(text(&json!({ "L0": nested(&[0.5; 16], &[4, 4]) })).as_slice());
    assert_eq!(all.inputs(), 1);
    let all = import(b"{\"L0\": [[NaN, NaN], [NaN, NaN]]}");
    let certificate = all.certificate().unwrap();
    assert_eq!(certificate.entry(0, CaptureCheck::RowSums).unwrap().verdict, Grade::NotTestable);
    assert_eq!(certificate.entry(0, CaptureCheck::Entropy).unwrap().verdict, Grade::NotTestable);
}

#[test]
fn dropout_sinks_and_leaks_are_told_apart() {
    let exact = maps(1, 2, 40, true);
    let certify = |data: &[f32], mask: Option<MaskRule>| {
        let bytes = npz(&[("L0", &[2, 40, 40], data, "f4")]);
        let options = ImportOptions { mask, ..ImportOptions::default() };
        Import::from_bytes(&bytes, &options).unwrap().certificate().unwrap()
    };
    let mut random = Philox::new(9, 9);
    let dropped: Vec<f32> = exact.iter().map(|&w| if random.uniform() < 0.1 { 0.0 } else { w / 0.9 }).collect();
    let certificate = certify(&dropped, None);
    let entry = certificate.entry(0, CaptureCheck::Evaluation).unwrap();
    assert!(entry.verdict == Grade::Fail && entry.why.to_string().contains("training mode"), "{entry:?}");
    assert!(certificate.entry(0, CaptureCheck::RowSums).unwrap().why.to_string().contains("dropout"));
    let sunk: Vec<f32> =
        exact.iter().enumerate().map(|(i, &w)| w * (0.6 + 0.3 * (i / 40 % 40) as f32 / 40.0)).collect();
    let certificate = certify(&sunk, None);
    let entry = certificate.entry(0, CaptureCheck::Deficit).unwrap();
    assert!(entry.verdict == Grade::Warn && entry.why.to_string().contains("0.600"), "{entry:?}");
    assert_eq!(certificate.entry(0, CaptureCheck::Evaluation).unwrap().verdict, Grade::NotTestable);
    // A leak: one weight above the diagonal.
    let mut leaking = exact.clone();
    leaking[5 * 40 + 9] = 0.01;
    leaking[5 * 40] -= 0.01;
    let support =
        |certificate: attractor_capture::Certificate| certificate.entry(0, CaptureCheck::Support).unwrap().clone();
    let entry = support(certify(&leaking, Some(MaskRule::Causal)));
    assert!(entry.verdict == Grade::Fail && entry.why.to_string().contains("head 0, input 0, row 5"), "{entry:?}");
    assert!((entry.value.unwrap() - 0.01).abs() < 1e-6);
    assert_eq!(support(certify(&exact, Some(MaskRule::Causal))).verdict, Grade::Pass);
    let inferred = [support(certify(&leaking, None)), support(certify(&exact, None))];
    assert!(inferred.iter().all(|entry| entry.verdict == Grade::NotTestable));
    assert!(
        inferred[0].why.to_string().contains("full") && inferred[1].why.to_string().contains("causal"),
        "{inferred:?}"
    );
}

#[test]
fn queries_of_a_cache_are_the_last_positions() {
    let import = import(&npz(&[("L0", &[3, 8], &map(4, 3, 8, true), "f4")]));
    assert_eq!(import.mask(0, 0).unwrap(), Mask { offset: 5, ..Mask::causal() });
    // One query alone shows no mask, and is the last position all the same.
    assert_eq!(
        self::import(&npz(&[("L0", &[1, 8], &map(4, 1, 8, false), "f4")])).mask(0, 0).unwrap(),
        Mask { offset: 7, ..Mask::full() }
    );
}

#[test]
fn a_converted_run_holds_what_the_import_holds() {
    let step =
        |seed, step: u64| json!({ "step": step, "attention_weights": nested(&maps(seed, 2, 30, true), &[2, 30, 30]) });
    let import = import(&text(&json!({ "attention_maps": {
        "blocks.4": [step(1, 0), step(2, 64)],
        "blocks.9": [{ "step": 0, "attention_weights": null }, step(3, 64)],
    }})));
    let folder = tempfile::tempdir().unwrap();
    for (dtype, tolerance) in [("f32", 0.0), ("f16", 6e-4)] {
        let path = folder.path().join(dtype);
        let options =
            RunOptions { keep: "pattern".parse().unwrap(), dtype: dtype.parse().unwrap(), ..RunOptions::default() };
        import.write(&path, &options).unwrap();
        let run = Run::open(&path).unwrap();
        assert_eq!((run.inputs(), run.origin(0).number(), run.origin(1).number()), (2, Some(0), Some(64)));
        assert_eq!(run.layers(), import.layers());
        assert!(run.weights(9, 0, 0, 0..0).unwrap().is_none());
        for (layer, input) in [(4, 0), (4, 1), (9, 1)] {
            let (a, b) = (weights(&run, layer, 1, input), weights(&import, layer, 1, input));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= tolerance * b));
            let (a, b) = (run.statistics(layer, 1, input), import.statistics(layer, 1, input));
            assert_eq!(format!("{:?}", a.unwrap()), format!("{:?}", b.unwrap()));
            assert_eq!(run.mask(layer, input).unwrap(), Mask::causal());
        }
        let mut certificate = run.certificate().unwrap();
        certificate.entries.retain(|entry| entry.name != CaptureCheck::Stored);
        assert_eq!(certificate, import.certificate().unwrap());
    }
    let error = import.write(folder.path().join("qk"), &RunOptions::default()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("no queries and keys"), "{error}");
    let top = RunOptions { keep: "topk:2".parse().unwrap(), ..RunOptions::default() };
    import.write(folder.path().join("top"), &top).unwrap();
    let statistics = Run::open(folder.path().join("top")).unwrap().statistics(4, 0, 0).unwrap().unwrap();
    assert_eq!(statistics.row_top_keys.len(), 60);
}

/// Maps are written a strip at a time: what is kept does not depend on where strips end.
#[test]
fn a_long_map_is_converted_in_strips() {
    let n = 150;
    let import = import(&npz(&[("L0", &[2, n, n], &maps(5, 2, n, true), "f4")]));
    let folder = tempfile::tempdir().unwrap();
    let keeping = |keep: &str| {
        let path = folder.path().join(keep);
        let options =
            RunOptions { keep: keep.parse().unwrap(), dtype: "f32".parse().unwrap(), ..RunOptions::default() };
        import.write(&path, &options).unwrap();
        Run::open(&path).unwrap()
    };
    let run = keeping("pattern");
    run.verify().unwrap();
    let top = keeping("topk:3");
    for head in 0..2 {
        let whole = weights(&import, 0, head, 0);
        assert_eq!(weights(&run, 0, head, 0), whole);
        let request = Request { row_top: 3, ..Request::core() };
        let expected = dense::of_weights(&whole, n, n, &Mask::causal(), &request).unwrap();
        let found = top.statistics(0, head, 0).unwrap().unwrap();
        assert_eq!((found.row_top_keys, found.row_top_weights), (expected.row_top_keys, expected.row_top_weights));
    }
}

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn malformed_files_are_refused_with_what_is_wrong() {
    let good = npz(&[("L0", &[2, 7, 7], &maps(1, 2, 7, true), "f4")]);
    let descr =
        |descr: &str, shape: &str| format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "empty"),
        (b"\x80\x04\x95".to_vec(), "pickle"),
        (b"hello".to_vec(), "unknown format"),
        (good[..good.len() / 2].to_vec(), "directory is damaged"),
        (npy(&descr("<f4", "(1152921504606846976, 1152921504606846976)"), &[0; 8]), "more than 2^64"),
        (npy(&descr("<f4", "(1000000, 1000000)"), &[0; 8]), "4000000000000 bytes; 8 follow"),
        (npy(&descr("|O", "(1,)"), b"\x80"), "Python objects"),
        (npy(&descr("<c8", "(1, 1)"), &[0; 8]), "\"<c8\""),
        (npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", &[0; 4]), "describes a structure"),
        (npy(&descr("<f4", "(2,)"), &[0; 8]), "shape [2]"),
        (npy(&descr("<f4", "(0, 4)"), &[]), "holds no weights"),
        ([b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..]].concat(), "header of 4294967295 bytes"),
        ([&(1u64 << 60).to_le_bytes()[..], b"{}"].concat(), "unknown format"),
        ([&8u64.to_le_bytes()[..], b"{\"a\": 1}"].concat(), "no valid safetensors"),
        (b"{\"attention_maps\": {}}".to_vec(), "no attention maps found"),
        (b"{\"attention_maps\": {\"blocks.0\": \"[[1.]]\"}}".to_vec(), "the weights are text"),
        (
            b"{\"attention_maps\": {\"blocks.0\": [{\"step\": 1, \"attention_weights\": \"[[1.]]\"}]}}".to_vec(),
            "are text",
        ),
        (b"[[[1, 0], [0.5]]]".to_vec(), "irregular list"),
        (b"[[1, 0], [0.5, 0.5]".to_vec(), "no valid JSON"),
        (b"{\"L0\": [[1]], \"L0\": [[1]]}".to_vec(), "occurs twice"),
        (b"{\"L0\": [[1]], \"layer_0\": [[1]]}".to_vec(), "appears twice"),
        (b"{\"L0H0\": [[1]], \"L0H1\": [[1, 0], [0.5, 0.5]]}".to_vec(), "must agree"),
        (b"7".to_vec(), "unknown format"),
        ([b"[".repeat(100_000), b"]".repeat(100_000)].concat(), "recursion limit"),
    ];
    for (bytes, says) in cases {
        let error = refused(&bytes);
        assert!(error.contains(says), "{says:?} is not in {error:?}");
    }
    let error = Import::from_bytes(
        &good,
        &ImportOptions { memory_budget: good.len() as u64 + 100, ..ImportOptions::default() },
    )
    .unwrap_err();
    assert!(error.is_budget() && error.to_string().contains("raise max_bytes"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = Import::open(folder.path(), &ImportOptions::default()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("this is a folder"), "{error}");
    assert!(Import::open(folder.path().join("none"), &ImportOptions::default()).unwrap_err().is_io());
    let torn = folder.path().join("torn.npz");
    std::fs::write(&torn, &good[..40]).unwrap();
    assert!(Import::open(&torn, &ImportOptions::default()).unwrap_err().to_string().contains("torn.npz"));
}
