//! A text file as its reader sees it: UTF-8, without a byte-order mark, lines ended by LF.
//!
//! Tokenizers take what they are given: a byte-order mark would be three tokens before the first word, and CR a token at each
//! line's end, which nobody meant and no model was trained on. What was changed is said. No more is read than the inputs that
//! are kept can need.

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use attractor::{Context, Error, Note, Result};
use attractor_record::file;

/// Bytes of text that are read for each token that is kept. Languages need 1 to 6 bytes a token; long runs of blanks and
/// words that no vocabulary knows need more.
const BYTES_PER_TOKEN: usize = 64;
/// Bytes that are always read.
const ALWAYS: usize = 1 << 16;
/// A text that is cut ends at a blank, if one lies among so many bytes.
const BACK: usize = 1 << 12;

/// What was changed in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The byte-order mark at its start was left out.
    ByteOrderMark,
    /// So many ends of lines, CR and LF, became LF.
    LineEnds(usize),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("without its byte-order mark"),
            Self::LineEnds(count) => {
                write!(f, "CR LF read as LF at {count} line end{}", if *count == 1 { "" } else { "s" })
            }
        }
    }
}

/// A text, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainText {
    /// What is read.
    pub text: String,
    /// What was changed.
    pub changes: Vec<Change>,
    /// Bytes that were read, of how many, if not all.
    pub bytes: Option<(u64, u64)>,
}

/// Bytes of text that are read for so many tokens.
pub fn enough(tokens: usize) -> usize {
    tokens.saturating_mul(BYTES_PER_TOKEN).saturating_add(ALWAYS)
}

impl PlainText {
    /// Reads the first `most` bytes of a file, up to a blank; all of a file that has no more.
    ///
    /// # Errors
    /// `is_io`; `is_format` for what is not UTF-8, with the first byte that is not, and what converts it.
    pub fn read(path: &Path, most: usize) -> Result<Self> {
        let (file, length) = file::open(path, "the text")?;
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes).map_err(|error| file::unreadable(path, "the text", &error))?;
        let is_cut = bytes.len() as u64 != length;
        let mut text = decoded(bytes, is_cut).map_err(|why| {
            let convert = |from: &str| {
                format!(
                    "iconv -f {from} -t utf-8 '{}' > '{}'",
                    path.display(),
                    path.with_extension("utf8.txt").display()
                )
            };
            let remedy = why
                .encoding
                .map_or_else(|| "give a text file".to_string(), |from| format!("convert it: {}", convert(from)));
            Error::format(format!("{}: {}; expected UTF-8 text: {remedy}", path.display(), why.what))
        })?;
        if is_cut {
            text.truncate(clipped(&text, text.len()));
        }
        let bytes = is_cut.then_some((text.len() as u64, length));
        let mut changes = Vec::new();
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
            changes.push(Change::ByteOrderMark);
        }
        let line_ends = text.matches("\r\n").count();
        if line_ends > 0 {
            text = text.replace("\r\n", "\n");
            changes.push(Change::LineEnds(line_ends));
        }
        Ok(Self { text, changes, bytes })
    }

    /// Says what was changed.
    pub fn tell(&self, path: &Path, context: &Context<'_>) {
        for change in &self.changes {
            context.note(&Note::ReadAs { remark: format!("{}: {change}", path.display()) });
        }
    }
}

/// The first `most` bytes of a text, up to a blank.
pub fn head(text: &str, most: usize) -> &str {
    match text.len() <= most {
        true => text,
        false => &text[..clipped(text, most)],
    }
}

/// Where a text of at most `most` bytes ends: behind the last blank, if there is one nearby.
fn clipped(text: &str, most: usize) -> usize {
    let most = text.floor_char_boundary(most);
    let near = text.floor_char_boundary(most.saturating_sub(BACK));
    text[near..most].rfind(char::is_whitespace).map_or(most, |at| near + at)
}

/// Why bytes are not a text, and the encoding that they may have.
struct NoText {
    what: String,
    encoding: Option<&'static str>,
}

/// The text that bytes are; of one that was cut, an unfinished last character is left out.
fn decoded(bytes: Vec<u8>, is_cut: bool) -> std::result::Result<String, NoText> {
    let marked = [
        (&b"\xff\xfe\0\0"[..], "utf-32"),
        (&b"\0\0\xfe\xff"[..], "utf-32"),
        (&b"\xff\xfe"[..], "utf-16"),
        (&b"\xfe\xff"[..], "utf-16"),
    ];
    if let Some((mark, encoding)) = marked.into_iter().find(|(mark, _)| bytes.starts_with(mark)) {
        let shown: Vec<String> = mark.iter().map(|byte| format!("{byte:02X}")).collect();
        let what = format!("byte 0: {} is the mark of {}", shown.join(" "), encoding.to_uppercase());
        return Err(NoText { what, encoding: Some(encoding) });
    }
    if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
        // Letters of Latin script in UTF-16 have a zero beside each, and none in their own place.
        let zeros = |odd: usize| bytes.iter().skip(odd).step_by(2).filter(|&&byte| byte == 0).count();
        let beside = |own: usize, other: usize| other * 4 > bytes.len() && own * 8 < other;
        let (even, odd) = (zeros(0), zeros(1));
        let encoding = match (beside(even, odd), beside(odd, even)) {
            (true, _) => Some("utf-16le"),
            (_, true) => Some("utf-16be"),
            _ => None,
        };
        let as_what =
            encoding.map_or_else(|| "no text has".to_string(), |name| format!("as in {}", name.to_uppercase()));
        return Err(NoText { what: format!("byte {at} is zero, {as_what}"), encoding });
    }
    String::from_utf8(bytes).or_else(|error| {
        let found = error.utf8_error();
        let at = found.valid_up_to();
        let mut bytes = error.into_bytes();
        if is_cut && found.error_len().is_none() {
            bytes.truncate(at);
            return Ok(String::from_utf8(bytes).unwrap_or_default());
        }
        let byte = bytes[at];
        let ends = if found.error_len().is_none() { ": the text ends within a character" } else { "" };
        Err(NoText { what: format!("byte {at} (0x{byte:02X}) is not UTF-8{ends}"), encoding: Some("latin1") })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], most: usize) -> Result<PlainText> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.txt");
        std::fs::write(&path, bytes).unwrap();
        PlainText::read(&path, most)
    }

    #[test]
    fn marks_and_carriage_returns_are_left_out_and_said() {
        let found = read(b"\xef\xbb\xbfone\r\ntwo\r\n\rthree\n", 100).unwrap();
        assert_eq!(found.text, "one\ntwo\n\rthree\n");
        assert_eq!((&found.changes[..], found.bytes), (&[Change::ByteOrderMark, Change::LineEnds(2)][..], None));
        let said: Vec<String> = found.changes.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["without its byte-order mark", "CR LF read as LF at 2 line ends"]);
        // Within the text the mark is a character like others.
        let plain = read("a\u{feff}b\n".as_bytes(), 100).unwrap();
        assert!(plain.changes.is_empty() && plain.text == "a\u{feff}b\n");
    }

    #[test]
    fn other_encodings_are_one_error_with_byte_and_remedy() {
        let wide = |text: &str, big: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let marked = [vec![0xff, 0xfe], wide("the valley", false)].concat();
        let cases = [
            (marked, "byte 0: FF FE", "iconv -f utf-16 -t utf-8"),
            ([vec![0xfe, 0xff], wide("the", true)].concat(), "byte 0: FE FF", "iconv -f utf-16 -t utf-8"),
            (wide("the valley", false), "byte 1 is zero", "iconv -f utf-16le -t utf-8"),
            (wide("the valley", true), "byte 0 is zero", "iconv -f utf-16be -t utf-8"),
            (b"a caf\xe9 there".to_vec(), "byte 5 (0xE9)", "iconv -f latin1 -t utf-8"),
            (b"caf\xc3".to_vec(), "byte 3 (0xC3) is not UTF-8: the text ends within", "iconv -f latin1"),
            (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03".to_vec(), "byte 7 is zero, no text has", "give a text file"),
        ];
        for (bytes, place, remedy) in cases {
            let error = read(&bytes, 1000).unwrap_err();
            let said = error.to_string();
            assert!(error.is_format() && said.contains("text.txt"), "{said}");
            assert!(said.contains(place) && said.contains(remedy), "{said}: {place}, {remedy}");
        }
    }

    #[test]
    fn no_more_is_read_than_is_needed_and_it_ends_at_a_blank() {
        let found = read(&"valley of energy ".repeat(1000).into_bytes(), 100).unwrap();
        assert_eq!(found.bytes, Some((94, 17000)));
        assert!(found.text.ends_with("valley of"), "{}", found.text);
        // Characters of three bytes without a blank: 100 bytes hold 33 of them.
        let found = read("\u{4f60}".repeat(1000).as_bytes(), 100).unwrap();
        assert_eq!((found.bytes, found.text.chars().count()), (Some((99, 3000)), 33));
        assert_eq!(head("one two three", 9), "one two");
        assert_eq!(head("one two", 7), "one two");
        assert_eq!(enough(0), 1 << 16);
        assert_eq!(enough(usize::MAX), usize::MAX);
    }
}
