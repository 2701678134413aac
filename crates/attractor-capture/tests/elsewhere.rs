//! Maps as other programs leave them: axes, names, stacks, steps, padding, and masks that one layer breaks.

mod common;

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

/// `np.stack([a[0] for a in attentions])` is [layer, head, query, key] in NPY, NPZ, safetensors and JSON.
#[test]
fn stacked_layers_are_layers_in_every_format() {
    let all: Vec<f32> = (0..3).flat_map(|layer| maps(layer, 2, 5, Some(0))).collect();
    let shape = [3, 2, 5, 5];
    let bytes: Vec<u8> = all.iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &bytes).unwrap();
    let files = [
        floats(&shape, &all),
        npz(&[("attentions", floats(&shape, &all))]),
        npz(&[("arr_0", floats(&shape, &all))]),
        safetensors::serialize([("attentions", view)], None).unwrap(),
        nested(&all, &shape).to_string().into_bytes(),
        json!({ "attentions": nested(&all, &shape) }).to_string().into_bytes(),
        [b"\xef\xbb\xbf".to_vec(), json!({ "attention_maps": nested(&all, &shape) }).to_string().into_bytes()].concat(),
    ];
    for (at, file) in files.iter().enumerate() {
        let import = import(file);
        assert_eq!((numbers(&import), import.inputs()), (vec![0, 1, 2], 1), "file {at}");
        assert_eq!(weights(&import, 2, 1, 0), maps(2, 2, 5, Some(0))[25..], "file {at}");
        assert!(said(&import).contains("read as layer,head,q,k"), "{}", said(&import));
        assert!(said(&import).contains("give axes = batch,head,q,k"), "{}", said(&import));
        // As three inputs of one layer, if that is what it is.
        let batch = read(file, &stated("batch,head,q,k"));
        assert_eq!((numbers(&batch), batch.inputs()), (vec![0], 3), "file {at}");
        assert_eq!(weights(&batch, 0, 1, 2), maps(2, 2, 5, Some(0))[25..], "file {at}");
        assert!(!said(&batch).contains("read as"), "{}", said(&batch));
    }
}

/// A number in a name is a layer's, unless the axes say that the array holds several.
#[test]
fn a_number_in_a_name_gives_way_to_stated_axes() {
    let all: Vec<f32> = (0..3).flat_map(|layer| maps(layer, 2, 5, Some(0))).collect();
    let file = npz(&[("attn_weights_12", floats(&[3, 2, 5, 5], &all))]);
    let by_name = import(&file);
    assert_eq!((numbers(&by_name), by_name.inputs()), (vec![12], 3));
    assert!(said(&by_name).contains("give axes = layer,head,q,k"), "{}", said(&by_name));
    let by_axes = read(&file, &stated("layer,head,q,k"));
    assert_eq!((numbers(&by_axes), by_axes.inputs()), (vec![0, 1, 2], 1));
    let error = refusal(&file, &stated("layer,batch,head,q,k"));
    assert!(error.is_format() && error.to_string().contains("[3, 2, 5, 5] has 4 axes"), "{error}");
}

#[test]
fn two_numbers_in_a_name_are_layer_and_head() {
    let heads: Vec<(String, Vec<u8>)> =
        (0..4).map(|head| (format!("attn_0_{head}"), floats(&[5, 5], &map(head, 5, 5, Some(0))))).collect();
    let import = import(&common::npz(&heads));
    assert_eq!((numbers(&import), import.layers()[0].heads.clone()), (vec![0], vec![0, 1, 2, 3]));
    assert_eq!(weights(&import, 0, 3, 0), map(3, 5, 5, Some(0)));
    assert!(said(&import).contains("attn_0_0: read as layer 0, head 0"), "{}", said(&import));
    // Of arrays of several heads nobody can tell: step and layer, or layer and what?
    let error = refusal(&npz(&[("attn_0_3", floats(&[1, 2, 5, 5], &maps(1, 2, 5, None)))]), &ImportOptions::default());
    assert!(error.is_format() && error.to_string().contains("step2_layer5"), "{error}");
}

#[test]
fn layers_and_heads_take_the_numbers_that_are_stated() {
    let blocks: Vec<(String, Vec<u8>)> =
        (1..4).map(|block| (format!("block{block}"), floats(&[2, 5, 5], &maps(block, 2, 5, Some(0))))).collect();
    let file = common::npz(&blocks);
    let import = import(&file);
    assert_eq!(numbers(&import), [1, 2, 3]);
    assert!(
        said(&import).contains("numbered 1 to 3") && said(&import).contains("give layers = 0-2"),
        "{}",
        said(&import)
    );
    let options = ImportOptions { layers: Some(vec![0, 1, 7]), heads: Some(vec![3, 5]), ..ImportOptions::default() };
    let renumbered = read(&file, &options);
    assert_eq!((numbers(&renumbered), renumbered.layers()[2].heads.clone()), (vec![0, 1, 7], vec![3, 5]));
    assert_eq!(weights(&renumbered, 7, 5, 0), maps(3, 2, 5, Some(0))[25..]);
    let few = ImportOptions { layers: Some(vec![0, 1]), ..ImportOptions::default() };
    let error = refusal(&file, &few);
    assert_eq!(error.at_fault(), Some(("layers", "0,1")));
    assert!(error.to_string().contains("2 numbers; the file has 3"), "{error}");
}

/// `nn.MultiheadAttention` gives [batch, query, key], averaged over heads.
#[test]
fn three_axes_are_heads_unless_stated_or_tokens_tell_inputs() {
    let file = |beside: &[(&str, Vec<u8>)]| {
        let map = ("attn_0", floats(&[2, 5, 5], &maps(1, 2, 5, None)));
        npz(&[&[map], beside].concat())
    };
    let heads = import(&file(&[]));
    assert_eq!((heads.layers()[0].heads.len(), heads.inputs()), (2, 1));
    assert!(said(&heads).contains("give axes = batch,q,k"), "{}", said(&heads));
    let batch = read(&file(&[]), &stated("batch,q,k"));
    assert_eq!((batch.layers()[0].heads.len(), batch.inputs()), (1, 2));
    assert_eq!(weights(&batch, 0, 0, 1), maps(1, 2, 5, None)[25..]);
    let told = import(&file(&[("input_ids", whole(&[2, 5], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))]));
    assert_eq!((told.layers()[0].heads.len(), told.inputs(), told.tokens(1)[4].id), (1, 2, 10));
    assert!(said(&told).contains("read as batch,q,k"), "{}", said(&told));
}

#[test]
fn three_stacks_of_one_file_stay_apart() {
    let layer = |seed, queries, keys, ahead| {
        let heads: Vec<f32> = (0..2).flat_map(|head| map(10 * seed + head, queries, keys, ahead)).collect();
        floats(&[1, 2, queries, keys], &heads)
    };
    let mut members = Vec::new();
    for at in 0..2u64 {
        members.push((format!("encoder_attentions_{at}"), layer(at, 7, 7, None)));
        members.push((format!("decoder_attentions_{at}"), layer(10 + at, 5, 5, Some(0))));
        members.push((format!("cross_attentions_{at}"), layer(20 + at, 5, 7, None)));
    }
    members.push(("input_ids".to_string(), whole(&[1, 7], &[1, 2, 3, 4, 5, 6, 7])));
    let file = import(&common::npz(&members));
    assert_eq!(file.stacks(), [Stack::Encoder, Stack::Decoder, Stack::Cross]);
    for (stack, shape, mask) in [
        (Stack::Encoder, (7, 7), Mask::full()),
        (Stack::Decoder, (5, 5), Mask::causal()),
        (Stack::Cross, (5, 7), Mask::full()),
    ] {
        let shown = file.of_stack(stack);
        assert_eq!((numbers(&shown), shown.shape(1, 0).unwrap()), (vec![0, 1], shape));
        assert_eq!(shown.mask(1, 0).unwrap(), mask);
        assert!(shown.certificate().unwrap().entries.iter().all(|entry| entry.stack == Some(stack)));
    }
    assert!(file.tokens(0).is_empty(), "tokens of the encoder are not those of the decoder");
    assert!(file.notes().iter().any(|note| note.to_string().contains("several stacks")), "{:?}", file.notes());
    // The decoder's mask may be stated; the other stacks have their own.
    let certain =
        read(&common::npz(&members), &ImportOptions { mask: Some(MaskRule::Causal), ..ImportOptions::default() });
    assert_eq!(certain.of_stack(Stack::Encoder).mask(0, 0).unwrap(), Mask::full());
    let support = certain.of_stack(Stack::Decoder).certificate().unwrap();
    assert_eq!(support.entry(0, CaptureCheck::Support).unwrap().verdict, Grade::Pass);
    // One stack by its name is the only one.
    let encoder: Vec<_> = members.iter().filter(|(name, _)| name.starts_with("encoder")).cloned().collect();
    assert_eq!(import(&common::npz(&encoder)).stacks(), [Stack::Only]);
    let as_decoder = ImportOptions { stack: Some(Stack::Decoder), ..ImportOptions::default() };
    assert_eq!(read(&common::npz(&encoder), &as_decoder).stacks(), [Stack::Decoder]);
}

#[test]
fn queries_that_are_no_positions_among_the_keys_are_cross_attention() {
    let file =
        npz(&[("attn_0", floats(&[5, 7], &map(1, 5, 7, None))), ("attn_1", floats(&[5, 7], &map(2, 5, 7, None)))]);
    let cross = import(&file);
    assert_eq!(cross.stacks(), [Stack::Cross]);
    assert_eq!(cross.mask(0, 0).unwrap(), Mask::full());
    assert!(
        said(&cross).contains("5 queries x 7 keys") && said(&cross).contains("give stack = only"),
        "{}",
        said(&cross)
    );
    let only = read(&file, &ImportOptions { stack: Some(Stack::Only), ..ImportOptions::default() });
    assert_eq!((only.stacks(), only.mask(0, 0).unwrap()), (vec![Stack::Only], Mask { offset: 2, ..Mask::full() }));
}

/// The maps of `generate()`: the prompt's 5 x 5, then a row a step; in NPZ by name, in JSON as [step][layer].
#[test]
fn steps_of_generation_are_causal_each_at_its_own_offset() {
    let shapes = [(5, 5), (1, 6), (1, 7)];
    let layer = |step: usize, layer: usize| -> Vec<f32> {
        let (queries, keys) = shapes[step];
        (0..2u64).flat_map(|head| map(100 * step as u64 + 10 * layer as u64 + head, queries, keys, Some(0))).collect()
    };
    let mut members = vec![("tokens".to_string(), common::npy("|S1", false, &[7], b"abcdefg"))];
    let (mut with_batch, mut without) = (Vec::new(), Vec::new());
    for (step, &(queries, keys)) in shapes.iter().enumerate() {
        let each = |at| floats(&[1, 2, queries, keys], &layer(step, at));
        members.extend((0..2).map(|at| (format!("step{step}_layer{at}"), each(at))));
        let of = |shape: &[usize]| (0..2).map(|at| nested(&layer(step, at), shape)).collect::<Vec<Value>>();
        with_batch.push(json!(of(&[1, 2, queries, keys])));
        without.push(json!(of(&[2, queries, keys])));
    }
    for (file, tokens) in [
        (common::npz(&members), true),
        (json!(with_batch).to_string().into_bytes(), false),
        (json!({ "attentions": without }).to_string().into_bytes(), false),
    ] {
        let import = import(&file);
        assert_eq!((numbers(&import), import.inputs()), (vec![0, 1], 3));
        assert_eq!(import.origin(2), Origin::at(0, 2));
        for (step, &(queries, keys)) in shapes.iter().enumerate() {
            assert_eq!(import.shape(1, step).unwrap(), (queries, keys));
            assert_eq!(import.mask(1, step).unwrap(), Mask { offset: keys - queries, ..Mask::causal() });
            assert_eq!(weights(&import, 1, 1, step), layer(step, 1)[queries * keys..]);
            assert_eq!(import.tokens(step).len(), if tokens { keys } else { 0 });
            // Of the first row one key is visible, of later steps' rows all.
            let statistics = import.statistics(0, 0, step).unwrap().unwrap();
            assert_eq!(
                statistics.visible,
                (0..queries).map(|row| (row + 1 + keys - queries) as u32).collect::<Vec<_>>()
            );
        }
        assert!(said(&import).contains("taken for causal"), "{}", said(&import));
    }
    let import = import(&json!(without).to_string().into_bytes());
    assert!(said(&import).contains("3 steps of one input"), "{}", said(&import));
}

#[test]
fn prefill_in_chunks_is_steps() {
    let chunks = [(4, 4), (4, 8), (3, 11)];
    let members: Vec<(String, Vec<u8>)> = chunks
        .iter()
        .enumerate()
        .map(|(step, &(queries, keys))| {
            (format!("layer0/step{step}"), floats(&[queries, keys], &map(step as u64, queries, keys, Some(0))))
        })
        .collect();
    let import = import(&common::npz(&members));
    for (step, offset) in [(0, 0), (1, 4), (2, 8)] {
        assert_eq!(import.mask(0, step).unwrap(), Mask { offset, ..Mask::causal() });
    }
    assert!(said(&import).contains("positions 0 to 8"), "{}", said(&import));
}

/// Eighteen layers, of which one has lost its mask, sees one key too many, or was zeroed.
#[test]
fn a_layer_that_breaks_the_mask_of_the_others_fails_by_its_number() {
    let n = 9;
    let file = |seventh: Vec<f32>| {
        let members: Vec<(String, Vec<u8>)> = (0..18)
            .map(|layer| {
                let own = if layer == 7 { seventh.clone() } else { maps(layer, 2, n, Some(0)) };
                (format!("layer_{layer}"), floats(&[2, n, n], &own))
            })
            .collect();
        common::npz(&members)
    };
    for broken in [maps(7, 2, n, None), maps(7, 2, n, Some(1))] {
        let import = import(&file(broken));
        assert_eq!(import.mask(7, 0).unwrap(), Mask::causal());
        assert!(import.info().causal && said(&import).contains("17 of 18 layers"), "{}", said(&import));
        let certificate = import.certificate().unwrap();
        assert_eq!(certificate.verdict(), Grade::Fail);
        for layer in 0..18 {
            let entry = certificate.entry(layer, CaptureCheck::Support).unwrap();
            let (verdict, says) = match layer {
                7 => (Grade::Fail, "dropped or shifted in this layer"),
                _ => (Grade::NotTestable, "causal"),
            };
            assert!(entry.verdict == verdict && entry.why.to_string().contains(says), "{entry:?}");
        }
    }
    // Stated, it is certain of every layer.
    let causal = ImportOptions { mask: Some(MaskRule::Causal), ..ImportOptions::default() };
    let certificate = read(&file(maps(7, 2, n, None)), &causal).certificate().unwrap();
    let support = |layer| certificate.entry(layer, CaptureCheck::Support).unwrap().verdict;
    assert!((0..18).all(|layer| support(layer) == if layer == 7 { Grade::Fail } else { Grade::Pass }));
    // Zeroed: the whole layer, one head, or one row.
    let mut head = maps(7, 2, n, Some(0));
    head[n * n..].fill(0.0);
    let mut row = maps(7, 2, n, Some(0));
    row[..n].fill(0.0);
    for zeroed in [vec![0.0; 2 * n * n], head, row] {
        let import = import(&file(zeroed));
        let certificate = import.certificate().unwrap();
        let sums = certificate.entry(7, CaptureCheck::RowSums).unwrap();
        assert!(sums.verdict == Grade::Fail && sums.value == Some(1.0), "{sums:?}");
        assert_eq!(certificate.entry(6, CaptureCheck::RowSums).unwrap().verdict, Grade::Pass);
    }
    // Where the causal layers are the few, nobody can tell which are wrong.
    let few: Vec<(String, Vec<u8>)> = (0..5)
        .map(|layer| {
            let ahead = if layer < 2 { Some(0) } else { None };
            (format!("layer_{layer}"), floats(&[2, n, n], &maps(layer, 2, n, ahead)))
        })
        .collect();
    let certificate = import(&common::npz(&few)).certificate().unwrap();
    assert!((0..5).all(|layer| certificate.entry(layer, CaptureCheck::Support).unwrap().verdict == Grade::Warn));
}

/// A window and an offset may be stated, and are held against the weights.
#[test]
fn stated_windows_and_offsets_are_tested() {
    let file = npz(&[("L0", floats(&[6, 6], &map(1, 6, 6, Some(0))))]);
    let with =
        |mask: &str, offset| ImportOptions { mask: Some(mask.parse().unwrap()), offset, ..ImportOptions::default() };
    let support = |options: &ImportOptions| {
        read(&file, options).certificate().unwrap().entry(0, CaptureCheck::Support).unwrap().verdict
    };
    assert_eq!(support(&with("window:6", None)), Grade::Pass);
    assert_eq!(support(&with("window:3", None)), Grade::Fail);
    assert_eq!(support(&with("full", None)), Grade::Pass);
    let error = refusal(&file, &with("causal", Some(1)));
    assert!(error.is_usage() && error.at_fault() == Some(("offset", "1")), "{error}");
    let error = refusal(&npz(&[("L0", floats(&[7, 5], &map(1, 7, 5, None)))]), &with("causal", None));
    assert!(error.is_usage() && error.to_string().contains("7 queries and 5 keys"), "{error}");
    // Queries 2 and 3 of six positions: what they do not see are keys 4 and 5.
    let rows = map(2, 6, 6, Some(0))[12..24].to_vec();
    let middle =
        read(&npz(&[("L0", floats(&[2, 6], &rows))]), &ImportOptions { offset: Some(2), ..ImportOptions::default() });
    assert_eq!(middle.mask(0, 0).unwrap(), Mask { offset: 2, ..Mask::causal() });
    assert_eq!(middle.statistics(0, 0, 0).unwrap().unwrap().visible, [3, 4]);
}

/// A batch of two texts, the second two tokens shorter: padding is no visible key, and its rows need no mass.
#[test]
fn padding_that_the_file_states_is_no_key() {
    let (n, kept) = (6, 4);
    let padded = |seed: u64, zeroed: bool| -> Vec<f32> {
        let whole = map(seed, n, n, None);
        let mut rows = Vec::new();
        for (row, weights) in whole.chunks_exact(n).enumerate() {
            let sum: f32 = weights[..kept].iter().sum();
            let scale = if zeroed && row >= kept { 0.0 } else { 1.0 / sum };
            rows.extend(weights.iter().enumerate().map(|(key, w)| if key < kept { w * scale } else { 0.0 }));
        }
        rows
    };
    let ids: Vec<i64> = vec![11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 0, 0];
    let mask: Vec<i64> = vec![1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0];
    let text: Vec<u8> = b"abcdefghij\0\0".to_vec();
    let wide: Vec<u8> = text.iter().flat_map(|&c| u32::from(c).to_le_bytes()).collect();
    for zeroed in [false, true] {
        let maps: Vec<f32> = [map(1, n, n, None), map(2, n, n, None), padded(3, zeroed), padded(4, zeroed)].concat();
        let array = floats(&[2, 2, n, n], &maps);
        for tokens in [
            ("input_ids", whole(&[2, 6], &ids)),
            ("tokens", common::npy("|S1", false, &[2, 6], &text)),
            ("tokens", common::npy("<U1", false, &[2, 6], &wide)),
        ] {
            let file = npz(&[("attn_0", array.clone()), tokens, ("attention_mask", whole(&[2, 6], &mask))]);
            let import = import(&file);
            assert!(import.notes().is_empty(), "{:?}", import.notes());
            assert_eq!(import.mask(0, 1).unwrap().hidden, [false, false, false, false, true, true]);
            let statistics = import.statistics(0, 0, 1).unwrap().unwrap();
            assert_eq!(statistics.visible[..kept], [4, 4, 4, 4]);
            assert_eq!(statistics.empty_rows, if zeroed { 2 } else { 0 });
            assert_eq!(import.tokens(1)[5].role, Role::Pad);
            assert_eq!(import.tokens(0)[5].role, Role::Text);
            let certificate = import.certificate().unwrap();
            assert_eq!(certificate.entry(0, CaptureCheck::RowSums).unwrap().verdict, Grade::Pass);
            let finite = certificate.entry(0, CaptureCheck::Finite).unwrap();
            // No tick beside rows that see nothing.
            assert_eq!(finite.verdict, if zeroed { Grade::NotTestable } else { Grade::Pass }, "{finite:?}");
        }
    }
    // Without the mask, zeroed rows are not taken for padding.
    let maps: Vec<f32> = [map(1, n, n, None), padded(3, true)].concat();
    let import = import(&npz(&[("attn_0", floats(&[2, 1, n, n], &maps))]));
    assert_eq!(import.certificate().unwrap().entry(0, CaptureCheck::RowSums).unwrap().verdict, Grade::Fail);
}

/// Padding on the left of a causal text: its rows see no key, whatever transformers writes there.
#[test]
fn rows_of_padding_that_see_no_key_are_not_read() {
    let n = 5;
    let mut weights = map(1, n, n, Some(0));
    for row in 0..n {
        let own = &mut weights[row * n..][..n];
        match row {
            0 | 1 => own.fill(0.2),
            _ => {
                own[..2].fill(0.0);
                let sum: f32 = own.iter().sum();
                own.iter_mut().for_each(|w| *w /= sum);
            }
        }
    }
    let file = npz(&[("L0", floats(&[1, n, n], &weights)), ("attention_mask", whole(&[1, 5], &[0, 0, 1, 1, 1]))]);
    let causal = ImportOptions { mask: Some(MaskRule::Causal), ..ImportOptions::default() };
    let import = read(&file, &causal);
    let statistics = import.statistics(0, 0, 0).unwrap().unwrap();
    assert_eq!((statistics.empty_rows, statistics.visible.clone()), (2, vec![0, 0, 1, 2, 3]));
    assert!(import.notes().iter().any(|note| note.to_string().contains("2 rows of padding")), "{:?}", import.notes());
    let certificate = import.certificate().unwrap();
    assert_eq!(certificate.entry(0, CaptureCheck::Support).unwrap().verdict, Grade::Pass, "{certificate}");
    assert_eq!(certificate.entry(0, CaptureCheck::RowSums).unwrap().verdict, Grade::Pass);
}

#[test]
fn a_cache_of_hooks_gives_its_patterns() {
    let other = floats(&[1, 5, 2, 3], &[0.5; 30]);
    let file = npz(&[
        ("hook_embed", floats(&[1, 5, 8], &[-0.5; 40])),
        ("blocks.0.attn.hook_q", other.clone()),
        ("blocks.0.attn.hook_pattern", floats(&[1, 2, 5, 5], &maps(1, 2, 5, Some(0)))),
        ("blocks.1.attn.hook_pattern", floats(&[1, 2, 5, 5], &maps(2, 2, 5, Some(0)))),
        ("blocks.1.hook_resid_post", floats(&[1, 5, 8], &[0.25; 40])),
    ]);
    let import = import(&file);
    assert_eq!((numbers(&import), import.inputs()), (vec![0, 1], 1));
    assert_eq!(weights(&import, 1, 1, 0), maps(2, 2, 5, Some(0))[25..]);
    assert_eq!(import.notes()[0].to_string(), "hook_embed and 2 more arrays: ignored: hook_pattern holds the weights");
}

#[test]
fn what_is_a_little_below_zero_is_rounding() {
    let mut weights = maps(1, 1, 5, Some(0));
    weights[1] = -1e-8;
    let import = import(&npz(&[("L0", floats(&[1, 5, 5], &weights))]));
    assert_eq!(import.statistics(0, 0, 0).unwrap().unwrap().invalid_rows, 0);
    assert_eq!(import.mask(0, 0).unwrap(), Mask::causal());
    assert!(import.notes()[0].to_string().contains("1 numbers from -1e-6 to 0"), "{:?}", import.notes());
}

#[test]
fn numbers_in_quotation_marks_are_named() {
    for file in [r#"[[["0.5", "0.5"]]]"#, r#"{"L0": [["0.5", "0.5"]]}"#, r#"{"attentions": [[[["0.5"]]]]}"#] {
        let error = refusal(file.as_bytes(), &ImportOptions::default());
        assert!(error.is_format() && error.to_string().contains("\"0.5\" is a text where a number"), "{error}");
    }
}

#[test]
fn tokens_that_cannot_be_read_make_no_map_wrong() {
    let objects = common::npy("|O", false, &[5], b"\x80\x04pickle");
    let import = import(&npz(&[("L0", floats(&[1, 5, 5], &maps(1, 1, 5, Some(0)))), ("tokens", objects.clone())]));
    assert!(import.notes()[0].to_string().contains("np.array(tokens, dtype=str)"), "{:?}", import.notes());
    let error = refusal(&npz(&[("L0", objects)]), &ImportOptions::default());
    assert!(error.is_format() && error.to_string().contains("np.savez(path, **"), "{error}");
}

/// What would not fit is refused from its header, before it is unpacked; what is no map is not unpacked at all.
#[test]
fn memory_is_bounded_by_what_headers_promise() {
    let zeros = common::npy("<f4", false, &[1, 1, 2000, 2000], &vec![0; 16_000_000]);
    let bytes = common::npy("|u1", false, &[4000, 4000], &vec![0; 16_000_000]);
    let file = npz(&[("pixels", bytes), ("attn_0", zeros)]);
    let least = ImportOptions { memory_budget: 15_900_000, ..ImportOptions::default() };
    let error = refusal(&file, &least);
    assert!(error.is_budget() && error.to_string().contains("attn_0: its numbers take 16000000 bytes"), "{error}");
    assert_eq!(error.hint().unwrap().to_string(), "raise max_bytes");
    // Enough for the map and its statistics, and not for the pixels, which are left out by their header.
    let enough = ImportOptions { memory_budget: 17_000_000, ..ImportOptions::default() };
    assert!(read(&file, &enough).notes()[0].to_string().contains("pixels: ignored"));
}

#[test]
fn more_layers_than_any_model_has_are_no_layers() {
    let many: serde_json::Map<String, Value> = (0..5000).map(|at| (at.to_string(), json!([[1.0]]))).collect();
    let error = refusal(&Value::Object(many).to_string().into_bytes(), &ImportOptions::default());
    assert!(error.is_format() && error.to_string().contains("5000 layers"), "{error}");
}

/// A long list that stops being one of numbers is refused there, and never held entry by entry.
#[test]
fn a_text_in_a_long_list_of_numbers_is_refused_where_it_stands() {
    let file = format!("[{}\"x\"]", "0.5,".repeat(70_000));
    let error = refusal(file.as_bytes(), &ImportOptions::default());
    assert!(error.is_format() && error.to_string().contains("\"x\" in a long list"), "{error}");
}

#[test]
fn what_torch_saved_is_named_with_the_line_that_saves_it_well() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("archive/data.pkl", zip::write::SimpleFileOptions::default()).unwrap();
    let error = refusal(&archive.finish().unwrap().into_inner(), &ImportOptions::default());
    assert!(error.is_unsupported() && error.to_string().contains("np.savez(path, **"), "{error}");
}
