//! Text from outside: shown as what it is, never obeyed.
//!
//! Tokens come from anybody. Markup in them is escaped; characters that are invisible or that reorder what stands
//! around them are shown by number ("U+202E"); what is left stands isolated, so that a right-to-left token does not
//! turn its neighbours round.

use std::fmt::Write as _;

/// A piece of shown text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Characters that are safe to show as they are, once markup is escaped.
    Plain(String),
    /// A character that is shown by number.
    Code(char),
}

/// Longest run of combining marks that is shown; more of them climb over the neighbouring lines.
const MARKS: usize = 3;

/// Cuts `text` into what can be shown as it is and what is shown by number.
///
/// A space at either end is shown as "␣", since a token with one differs from a token without.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut all: Vec<Piece> = Vec::new();
    let mut marks = 0;
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        if is_mark(c) {
            marks += 1;
            // A mark needs something of its own to stand on.
            if !matches!(all.last(), Some(Piece::Plain(_))) || marks > MARKS {
                all.push(Piece::Code(c));
                continue;
            }
        } else {
            marks = 0;
            if is_hidden(c) {
                all.push(Piece::Code(c));
                continue;
            }
        }
        let c = if c == ' ' && (index == 0 || index == last) { '␣' } else { c };
        match all.last_mut() {
            Some(Piece::Plain(text)) => text.push(c),
            _ => all.push(Piece::Plain(c.to_string())),
        }
    }
    all
}

/// "U+202E".
pub fn code(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// Plain text for a label of at most `limit` characters; hidden characters by number in brackets, a cut as "…".
pub fn label(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for piece in pieces(text) {
        let part = match piece {
            Piece::Plain(text) => text,
            Piece::Code(c) => format!("[{}]", code(c)),
        };
        for c in part.chars() {
            if length + 1 >= limit.max(2) {
                // One more fits only if it is the last; to know that would need the rest: cut.
                out.push('…');
                return out;
            }
            out.push(c);
            length += 1;
        }
    }
    out
}

/// The token as HTML: isolated, escaped, hidden characters as boxes with their number.
///
/// At most `limit` characters are shown, then "…"; an empty token is shown as a box that says so.
pub fn html(text: &str, limit: usize) -> String {
    let mut out = String::from("<bdi class=\"token\">");
    let mut left = limit.max(1);
    if text.is_empty() {
        out.push_str("<span class=\"code\">empty</span>");
    }
    'all: for piece in pieces(text) {
        match piece {
            Piece::Plain(text) => {
                for c in text.chars() {
                    if left == 0 {
                        out.push('…');
                        break 'all;
                    }
                    push_escaped(&mut out, c);
                    left -= 1;
                }
            }
            Piece::Code(c) => {
                if left == 0 {
                    out.push('…');
                    break 'all;
                }
                let _ = write!(out, "<span class=\"code\">{}</span>", code(c));
                left -= 1;
            }
        }
    }
    out.push_str("</bdi>");
    out
}

/// Escapes for XML and HTML, in text and in quoted attributes.
///
/// Hidden characters are shown by number here too: no string of ours needs one.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(' '),
            c if is_hidden(c) => {
                let _ = write!(out, "[{}]", code(c));
            }
            c => push_escaped(&mut out, c),
        }
    }
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        c => out.push(c),
    }
}

/// Invisible, reordering, or not a character at all.
///
/// Unicode's control (Cc), format (Cf), line and paragraph separator, private-use and non-characters, spaces other than
/// U+0020, and the letters that are drawn as nothing.
pub fn is_hidden(c: char) -> bool {
    let n = u32::from(c);
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(n,
            0xAD | 0x34F | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x890..=0x891 | 0x8E2 | 0x115F..=0x1160
            | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x2800
            | 0x3164 | 0xE000..=0xF8FF | 0xFE00..=0xFE0D | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFC | 0x110BD | 0x110CD
            | 0x13430..=0x1345F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF | 0xF0000..=0x10FFFF
            | 0xFDD0..=0xFDEF)
        || n & 0xFFFE == 0xFFFE
}

/// Marks that are drawn on the character before them.
fn is_mark(c: char) -> bool {
    matches!(u32::from(c),
        0x300..=0x34E | 0x350..=0x36F | 0x483..=0x489 | 0x591..=0x5BD | 0x5BF | 0x5C1..=0x5C2 | 0x5C4..=0x5C5
        | 0x610..=0x61A | 0x64B..=0x65F | 0x670 | 0x6D6..=0x6DC | 0x6DF..=0x6E4 | 0x6E7..=0x6E8 | 0x6EA..=0x6ED
        | 0xE31 | 0xE34..=0xE3A | 0xE47..=0xE4E | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF
        | 0x3099..=0x309A | 0xFE0E..=0xFE0F | 0xFE20..=0xFE2F)
}

/// Advance widths of the shipped font from U+0020 to U+007E, thousandths of the font size.
const WIDTHS: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
    636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
    748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
    615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
    337, 636, 838,
];

/// Width of `text` at font size 1 in the shipped font: exact for ASCII and for the signs that figures write, near for
/// the rest. Fonts that a page puts in its place are narrower.
pub(crate) fn width(text: &str) -> f64 {
    let wide = |c: char| match c {
        ' '..='~' => WIDTHS[c as usize - 32],
        '·' => 318,
        '⁰'..='⁹' | '¹' | '²' | '³' => 401,
        '⁻' => 528,
        'ᵀ' => 430,
        '–' => 500,
        '…' | '—' => 1000,
        c if is_mark(c) => 0,
        '×' | '−' | '\u{2190}'..='\u{22FF}' => 838,
        c if u32::from(c) >= 0x2E80 => 1050,
        _ => 700,
    };
    text.chars().map(|c| f64::from(wide(c))).sum::<f64>() / 1000.0
}

/// The same in bold.
pub(crate) fn bold_width(text: &str) -> f64 {
    // The bold face is 9 to 13 percent wider, letter by letter.
    1.13 * width(text)
}

/// `text` in lines of at most `room` font sizes, broken at spaces, of about the same length; a longer word stands alone.
pub(crate) fn wrap(text: &str, room: f64) -> Vec<String> {
    let lines = broken(text, room);
    // No more lines, but the last one not a single word.
    let even = width(text) / lines.len().max(1) as f64;
    let tries = (0..8).map(|step| even + (room - even) * f64::from(step) / 8.0).map(|room| broken(text, room));
    tries
        .filter(|t| lines.len() > 1 && t.len() == lines.len())
        .find(|t| t.iter().all(|l| width(l) <= room))
        .unwrap_or(lines)
}

fn broken(text: &str, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + width(" ") + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_token_is_text() {
        assert_eq!(
            html("</script><b onload='x'>&", 80),
            "<bdi class=\"token\">&lt;/script&gt;&lt;b onload=&#39;x&#39;&gt;&amp;</bdi>"
        );
    }

    #[test]
    fn what_reorders_or_hides_is_shown_by_number() {
        assert_eq!(label("a\u{202E}b", 40), "a[U+202E]b");
        assert_eq!(label("\u{0}\u{7}\n\t", 60), "[U+0000][U+0007][U+000A][U+0009]");
        assert_eq!(html("\u{2067}x", 9), "<bdi class=\"token\"><span class=\"code\">U+2067</span>x</bdi>");
        for c in ['\u{200B}', '\u{FEFF}', '\u{AD}', '\u{2028}', '\u{85}', '\u{E0041}', '\u{FFFE}', '\u{3000}', '\u{A0}']
        {
            assert!(is_hidden(c), "{}", code(c));
        }
        for c in ['a', ' ', 'é', '語', 'ש', 'ع', '🙂', '\u{FFFD}', 'Ġ', '▁'] {
            assert!(!is_hidden(c), "{}", code(c));
        }
    }

    #[test]
    fn a_space_at_an_end_is_seen() {
        assert_eq!(label(" of the ", 20), "␣of the␣");
        assert_eq!(label(" ", 20), "␣");
    }

    #[test]
    fn marks_do_not_pile_up_and_do_not_stand_alone() {
        let pile: String = std::iter::once('e').chain(std::iter::repeat_n('\u{301}', 9)).collect();
        let shown = pieces(&pile);
        assert_eq!(shown.len(), 1 + 6);
        assert_eq!(shown[0], Piece::Plain("e\u{301}\u{301}\u{301}".into()));
        assert_eq!(pieces("\u{301}"), [Piece::Code('\u{301}')]);
    }

    #[test]
    fn lines_are_broken_where_the_room_ends() {
        assert_eq!(wrap("one two  three", 5.0), ["one two", "three"]);
        assert_eq!(wrap("aaa aaa aaa aaa aaa b", 10.0), ["aaa aaa aaa", "aaa aaa b"]);
        assert_eq!(wrap("unbreakable", 1.0), ["unbreakable"]);
        assert!(wrap("  ", 1.0).is_empty());
        // 974 + 278 thousandths; a mark stands on its letter.
        assert!((width("mi") - 1.252).abs() < 1e-12 && width("e\u{301}") == width("e"));
    }

    #[test]
    fn labels_are_cut() {
        assert_eq!(label("abcdefgh", 5), "abcd…");
        assert_eq!(label("abcd", 5), "abcd");
        assert_eq!(html("abcdefgh", 3), "<bdi class=\"token\">abc…</bdi>");
        assert_eq!(html("", 3), "<bdi class=\"token\"><span class=\"code\">empty</span></bdi>");
    }
}
