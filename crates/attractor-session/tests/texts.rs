//! Texts as inputs: several, the lines of a file, and a file that is cut.

use std::path::{Path, PathBuf};

use attractor_session::{Context, Error, Inputs, demo, inputs, target};

/// Tokens of each input, and where they came from, in words.
fn prepared(given: &Inputs) -> Result<(Vec<String>, String), Error> {
    let context = Context::new(0);
    let live = target::live(Path::new(demo::NAME), &given.opening(), &context)?;
    let prepared = inputs::prepare(&live, given, &context)?;
    let text = |item: &inputs::Item| item.tokens.iter().map(|token| token.text.as_str()).collect::<String>();
    Ok((prepared.items.iter().map(text).collect(), prepared.source.to_string()))
}

#[test]
fn every_line_of_a_file_is_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines.txt");
    std::fs::write(
        &file,
        "Bath is full of people.\n\nThe rain fell.\r\n   \nShe walked to the abbey and back again.\n",
    )
    .unwrap();
    let of = |more: Inputs| prepared(&Inputs { text_file: Some(file.clone()), ..more });
    let (texts, source) = of(Inputs { lines: true, ..Inputs::default() }).unwrap();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].starts_with("Bath") && texts[1].ends_with("fell.") && texts[2].starts_with("She"), "{texts:?}");
    assert!(source.ends_with("lines.txt, each line an input, CR LF read as LF at 1 line end"), "{source}");
    // A line that is too long is cut, and said to be.
    let (texts, source) = of(Inputs { lines: true, seq_len: Some(8), ..Inputs::default() }).unwrap();
    assert!(texts.len() == 3 && source.contains(", cut to ") && source.ends_with(" tokens"), "{source}");
    let (texts, source) = of(Inputs { lines: true, max_inputs: Some(2), ..Inputs::default() }).unwrap();
    assert!(texts.len() == 2 && source.ends_with("the first 2 of 3 inputs"), "{source}");
    assert_eq!(of(Inputs::default()).unwrap().0.len(), 1, "without it the file is one text");
    let alone = prepared(&Inputs { lines: true, ..Inputs::default() }).unwrap_err();
    assert!(alone.is_usage() && alone.to_string().contains("lines"), "{alone}");
}

#[test]
fn several_texts_are_several_inputs() {
    let texts =
        |texts: &[&str]| Inputs { text: texts.iter().map(|text| text.to_string()).collect(), ..Inputs::default() };
    let (found, source) = prepared(&texts(&["One abbey.", "Two carriages and a gig."])).unwrap();
    assert_eq!((found.len(), source.as_str()), (2, "2 given texts"), "{found:?}");
    let (found, source) = prepared(&texts(&["One abbey."])).unwrap();
    assert_eq!((found.len(), source.as_str()), (1, "given text"));
    let (_, source) = prepared(&Inputs { seq_len: Some(3), ..texts(&["One abbey and a carriage."]) }).unwrap();
    assert!(source.starts_with("given text, the first 3 of "), "{source}");
    let both = Inputs { text_file: Some(PathBuf::from("x.txt")), ..texts(&["One"]) };
    assert!(prepared(&both).unwrap_err().is_usage());
    assert!(prepared(&texts(&["One abbey.", ""])).unwrap_err().is_usage(), "a text without a token is none");
}
