//! Masks that are stated, inferred, broken by one layer, and padding.

use super::*;

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

/// A mask shifted down by one looks causal by itself: only the other layers show that each query sees its own position.
#[test]
fn a_layer_whose_mask_is_shifted_down_fails_by_its_number() {
    let layers = |behind: &[usize]| {
        let mut file = serde_json::Map::new();
        for layer in 0..6usize {
            let mut data = maps(layer as u64, 2, 6, Some(0));
            if behind.contains(&layer) {
                // Every row but the first is the row before it, and the first sees itself, as where all is masked.
                for head in data.chunks_exact_mut(36) {
                    head.copy_within(0..30, 6);
                }
            }
            file.insert(format!("L{layer}"), nested(&data, &[2, 6, 6]));
        }
        import(&Value::Object(file).to_string().into_bytes()).certificate().unwrap()
    };
    let failed = |certificate: &attractor_capture::certificate::Certificate| -> Vec<usize> {
        certificate.entries.iter().filter(|entry| entry.verdict == Grade::Fail).map(|entry| entry.layer).collect()
    };
    let found = layers(&[3]);
    assert_eq!(failed(&found), [3], "{found}");
    assert!(found.to_string().contains("no query sees its own position"), "{found}");
    assert!(failed(&layers(&[])).is_empty());
    // Where every layer looks behind alone, nothing says that it should not.
    assert!(failed(&layers(&[0, 1, 2, 3, 4, 5])).is_empty());
}
