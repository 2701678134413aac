//! Encoder, decoder and cross attention in one file; steps of generation and of prefill.

use super::*;

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
