//! Numbers, tokens and containers that are odd, large or no maps at all.

use super::*;

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

/// Pieces as `convert_ids_to_tokens` gives them are shown as a reader reads them; other texts with such letters stay as they are.
#[test]
fn pieces_of_bytes_are_shown_as_text() {
    let texts = |tokens: [&str; 5]| {
        let file = json!({ "L0": nested(&maps(1, 1, 5, Some(0)), &[1, 5, 5]), "tokens": tokens });
        let import = import(&file.to_string().into_bytes());
        import.tokens(0).iter().map(|token| token.text.clone()).collect::<Vec<_>>()
    };
    let shown = texts(["<s>", "the", "\u{120}\u{e4}\u{bd}", "\u{142}", "\u{10a}"]);
    assert_eq!(shown, ["<s>", "the", " \u{4f60}[1/2]", "\u{4f60}[2/2]", "\n"]);
    let polish = ["\u{141}\u{f3}d", "\u{17a}", "i", "\u{142}a", "."];
    assert_eq!(texts(polish), polish);
    let name = ["\u{141}", "a", "b", "c", "d"];
    assert_eq!(texts(name), name, "a single byte that is no text");
}
