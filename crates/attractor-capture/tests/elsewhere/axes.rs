//! What an array's axes, and the numbers in its name, count.

use super::*;

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
fn more_layers_than_any_model_has_are_no_layers() {
    let many: serde_json::Map<String, Value> = (0..5000).map(|at| (at.to_string(), json!([[1.0]]))).collect();
    let error = refusal(&Value::Object(many).to_string().into_bytes(), &ImportOptions::default());
    assert!(error.is_format() && error.to_string().contains("5000 layers"), "{error}");
}
