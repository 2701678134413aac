//! Pieces of vocabularies of bytes, as a reader reads them.
//!
//! GPT-2 and its kin write every byte as a printable letter, so that the three bytes of a Chinese character may lie in two
//! tokens. Each token that holds a part of a character shows the character, and which part it is: `你[1/2]`, `你[2/2]`.

/// Texts of pieces in a row, each given by its bytes. Bytes that are part of no character are shown as `<E2>`.
///
/// # Example
/// ```
/// use attractor_record::pieces;
/// let pieces: [&[u8]; 3] = [b" \xe4\xbd", b"\xa0", b"!\xe2"];
/// assert_eq!(pieces::texts(&pieces), [" 你[1/2]", "你[2/2]", "!<E2>"]);
/// ```
pub fn texts<P: AsRef<[u8]>>(pieces: &[P]) -> Vec<String> {
    let owners: Vec<usize> =
        pieces.iter().enumerate().flat_map(|(at, piece)| std::iter::repeat_n(at, piece.as_ref().len())).collect();
    let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.as_ref().iter().copied()).collect();
    let mut texts = vec![String::new(); pieces.len()];
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let mut parts = owners[at..at + letter.len_utf8()].to_vec();
            parts.dedup();
            let count = parts.len();
            for (number, owner) in parts.into_iter().enumerate() {
                texts[owner].push(letter);
                if count > 1 {
                    texts[owner] += &format!("[{}/{count}]", number + 1);
                }
            }
            at += letter.len_utf8();
        }
        for byte in chunk.invalid() {
            texts[owners[at]] += &format!("<{byte:02X}>");
            at += 1;
        }
    }
    texts
}

/// A character of a text, and the tokens that hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    /// The character.
    pub letter: char,
    /// The first token that holds a part of it.
    pub first: usize,
    /// The last one.
    pub last: usize,
}

/// The characters that texts of tokens in a row read together; one that several of them hold a part of is read once.
pub fn letters<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Letter> {
    let mut read: Vec<Letter> = Vec::new();
    for (at, text) in texts.into_iter().enumerate() {
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            match part(rest) {
                Some((number, after)) if number > 1 && rest.len() == text.len() => {
                    // The first part may lie before these tokens.
                    match read.last_mut().filter(|before| before.letter == letter && before.last + 1 == at) {
                        Some(begun) => begun.last = at,
                        None => read.push(Letter { letter, first: at, last: at }),
                    }
                    rest = after;
                }
                Some((1, "")) => {
                    read.push(Letter { letter, first: at, last: at });
                    rest = "";
                }
                _ => {
                    read.push(Letter { letter, first: at, last: at });
                    rest = &rest[letter.len_utf8()..];
                }
            }
        }
    }
    read
}

/// The same as a text.
pub fn joined<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    letters(texts).iter().map(|letter| letter.letter).collect()
}

/// The number of a character's part, and what follows, if a text begins with `你[1/2]`.
fn part(text: &str) -> Option<(u32, &str)> {
    let letter = text.chars().next().filter(|letter| !letter.is_ascii())?;
    let mut rest = text[letter.len_utf8()..].strip_prefix('[')?.chars();
    let number = rest.next()?.to_digit(10)?;
    let count = (rest.next()? == '/').then(|| rest.next()?.to_digit(10)).flatten()?;
    (rest.next()? == ']' && (1..=count).contains(&number) && count > 1).then_some((number, rest.as_str()))
}

/// The bytes of a piece whose letters stand for bytes, a space as U+0120; `None` for one that has other letters.
pub fn from_byte_letters(piece: &str) -> Option<Vec<u8>> {
    piece.chars().map(byte_of).collect()
}

/// The same the other way: a letter for each byte.
pub fn to_byte_letters(bytes: &[u8]) -> String {
    // All 256 letters lie below U+0144.
    let letter = |&byte: &u8| (0x21..0x144).filter_map(char::from_u32).find(|&letter| byte_of(letter) == Some(byte));
    bytes.iter().filter_map(letter).collect()
}

/// The byte of a piece such as `<0xE4>`, by which SentencePiece writes what its vocabulary lacks.
pub fn from_byte_name(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>').filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok()
}

/// The byte that a letter stands for: printable Latin-1 is itself, the other 68 bytes are U+0100 onwards in order.
fn byte_of(letter: char) -> Option<u8> {
    let itself = |b: u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    match u32::from(letter) {
        code @ 0..=0xff => Some(code as u8).filter(|&b| itself(b)),
        code @ 0x100..=0x143 => (0..=255u8).filter(|&b| !itself(b)).nth(code as usize - 0x100),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_letters_are_a_bijection() {
        let mut seen = [false; 256];
        for code in 0x21..=0x143u32 {
            if let Some(byte) = char::from_u32(code).and_then(byte_of) {
                assert!(!std::mem::replace(&mut seen[usize::from(byte)], true), "byte {byte} twice");
            }
        }
        assert!(seen.iter().all(|&s| s));
    }

    fn read(pieces: &[&str]) -> Vec<String> {
        let bytes: Vec<Vec<u8>> = pieces.iter().map(|piece| from_byte_letters(piece).unwrap()).collect();
        texts(&bytes)
    }

    #[test]
    fn byte_pieces_read_as_text() {
        assert_eq!(to_byte_letters(" the\n".as_bytes()), "\u{120}the\u{10a}");
        assert_eq!(read(&["\u{120}the", "\u{10a}", "\u{c3}\u{a9}"]), [" the", "\n", "\u{e9}"]);
        // The first two of three bytes of a euro sign.
        assert_eq!(read(&["\u{e2}\u{124}", "a"]), ["<E2><82>", "a"]);
        assert_eq!(read(&["\u{e4}\u{bd}\u{142}"]), ["\u{4f60}"]);
        assert_eq!(from_byte_letters("a b"), None);
        assert_eq!(
            ["<0xE4>", "<0xe4>", "<0x>", "<0x123>", "E4"].map(from_byte_name),
            [Some(0xe4), Some(0xe4), None, None, None]
        );
    }

    #[test]
    fn characters_that_tokens_share_are_shown_by_each_and_read_once() {
        // "a" + two characters of three bytes and one of four, cut where characters do not end.
        let text = "a\u{4f60}\u{597d}\u{1f600}";
        let cuts = [0, 3, 5, 8, 9, 10, text.len()];
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
        let shown = texts(&pieces);
        let expected = [
            "a\u{4f60}[1/2]",
            "\u{4f60}[2/2]\u{597d}[1/2]",
            "\u{597d}[2/2]\u{1f600}[1/4]",
            "\u{1f600}[2/4]",
            "\u{1f600}[3/4]",
            "\u{1f600}[4/4]",
        ];
        assert_eq!(shown, expected);
        assert_eq!(joined(shown.iter().map(String::as_str)), text);
        assert_eq!(joined(["\u{4f60}[2/2]", "b"]), "\u{4f60}b", "the first part lies before");
        assert_eq!(joined(["x[1/2]", "\u{e9}[3/2]", "\u{e9}"]), "x[1/2]\u{e9}[3/2]\u{e9}", "no such marks");
    }
}
