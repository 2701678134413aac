//! Which position a user means: `cls`, `last`, a number, a token.

use attractor_record::pieces::{self, Letter};
use attractor_record::{Role, Token};

use super::aggregate::{Partition, bare};
use attractor::{Error, Result};

/// Occurrences of a token that are named in an error.
const NAMED: usize = 8;

/// Finds a query's position among `count` positions.
///
/// `None`: the class token if there is one, else the last position that is no padding. `cls`: the class token. `last`:
/// the last position that is no padding. Digits: that position. Anything else, and whatever follows `token:`, is a
/// token's text, with or without the space or mark that begins a word, or a word of several tokens, whose last one is
/// meant; it must occur once.
///
/// # Errors
/// `is_usage` if there is no such position, or several.
pub fn find_query(tokens: &[Token], count: usize, text: Option<&str>) -> Result<usize> {
    let class = || tokens.iter().position(|token| token.role == Role::Cls);
    let last = (0..count).rev().find(|&i| tokens.get(i).is_none_or(|token| token.role != Role::Pad));
    let refused = |why: String| Error::option("query", text.unwrap_or_default(), why);
    let none = || refused("the input has no position; nothing was captured".to_string());
    let Some(text) = text else { return class().or(last).ok_or_else(none) };
    if text.eq_ignore_ascii_case("cls") {
        let why = "no token of this input is a class token; ask for last, a position or a token";
        return class().ok_or_else(|| refused(why.to_string()));
    }
    if text.eq_ignore_ascii_case("last") {
        return last.ok_or_else(none);
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().filter(|&position: &usize| position < count).ok_or_else(|| {
            refused(format!("there is no such position; positions are 0 to {}", count.saturating_sub(1)))
        });
    }
    let wanted = text.strip_prefix("token:").unwrap_or(text);
    let found = |same: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (0..tokens.len().min(count)).filter(|&i| same(&tokens[i].text)).collect()
    };
    // As it stands in the vocabulary first; then as a word.
    let mut places = found(&|text| text == wanted);
    if places.is_empty() {
        places = found(&|text| bare(text) == bare(wanted));
    }
    if places.is_empty() {
        let words = Partition::words(tokens);
        let names = words.names(tokens).into_iter().zip(words.groups());
        places = names.filter(|(name, _)| bare(name) == bare(wanted)).map(|(_, group)| group.end - 1).collect();
        places.retain(|&place| place < count);
    }
    if places.is_empty() {
        places = runs(&tokens[..tokens.len().min(count)], bare(wanted));
    }
    match places[..] {
        [place] => Ok(place),
        [] if tokens.is_empty() => {
            Err(refused("the tokens of this input are not known; ask for last or a position".to_string()))
        }
        [] => Err(refused(format!(
            "no token of this input reads {wanted:?}; ask for cls, last, a position (0 to {}), a token's text or a word",
            count.saturating_sub(1)
        ))),
        _ => {
            let mut named: Vec<String> = places.iter().take(NAMED).map(usize::to_string).collect();
            if places.len() > NAMED {
                named.push("...".to_string());
            }
            Err(refused(format!(
                "{wanted:?} occurs at {} positions ({}); name one of them",
                places.len(),
                named.join(", ")
            )))
        }
    }
}

/// Last tokens of the places that read `wanted` from a token's start to a token's end. A character whose bytes lie in several
/// tokens is a start and an end of its own.
fn runs(tokens: &[Token], wanted: &str) -> Vec<usize> {
    let letters = pieces::letters(tokens.iter().map(|token| token.text.as_str()));
    let wanted: Vec<char> = wanted.chars().collect();
    // Before which letters a run may begin, and behind which it may end.
    let is_edge = |at: usize| match (at.checked_sub(1).map(|before| letters[before]), letters.get(at)) {
        (Some(before), Some(after)) => {
            let is_shared = |letter: &Letter| letter.first < letter.last;
            before.last != after.first
                || is_shared(&before)
                || is_shared(after)
                || bare(&before.letter.to_string()).is_empty()
        }
        _ => true,
    };
    let reads = |at: usize| {
        let run = letters.get(at..at + wanted.len())?;
        let is_wanted = run.iter().zip(&wanted).all(|(letter, wanted)| letter.letter == *wanted);
        (is_wanted && is_edge(at) && is_edge(at + wanted.len())).then(|| run.last().map(|letter| letter.last))?
    };
    (0..letters.len()).filter_map(reads).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(texts: &[(&str, Role)]) -> Vec<Token> {
        texts.iter().map(|&(text, role)| Token { text: text.into(), id: 0, role }).collect()
    }

    #[test]
    fn positions_are_found_by_role_number_and_text() {
        let t = tokens(&[
            ("[CLS]", Role::Cls),
            (" the", Role::Text),
            ("##ing", Role::Text),
            ("7", Role::Text),
            ("[PAD]", Role::Pad),
        ]);
        let find = |text| find_query(&t, 5, text);
        assert_eq!(find(None), Ok(0));
        assert_eq!(find(Some("CLS")), Ok(0));
        assert_eq!(find(Some("last")), Ok(3));
        assert_eq!(find(Some("2")), Ok(2));
        assert_eq!(find(Some("the")), Ok(1));
        assert_eq!(find(Some("ing")), Ok(2));
        assert_eq!(find(Some("token:7")), Ok(3));
        assert_eq!(find_query(&t[1..], 4, None), Ok(2));
        assert!(find(Some("5")).unwrap_err().is_usage());
        assert!(find_query(&t[1..], 4, Some("cls")).unwrap_err().to_string().contains("class token"));
        assert!(find_query(&[], 4, Some("the")).unwrap_err().to_string().contains("not known"));
        assert_eq!(find_query(&[], 4, None), Ok(3));
    }

    #[test]
    fn a_word_of_several_tokens_is_its_last() {
        let t = tokens(&[("The", Role::Text), (" val", Role::Text), ("ley", Role::Text), (" of", Role::Text)]);
        assert_eq!(find_query(&t, 4, Some("valley")), Ok(2));
        assert_eq!(find_query(&t, 4, Some("ley")), Ok(2));
    }

    #[test]
    fn a_character_in_several_tokens_is_its_last() {
        // "hi", a character in two tokens, one in two of which the first holds the end of another: none begins a word.
        let t = tokens(&[
            ("hi", Role::Text),
            (" \u{4f60}[1/2]", Role::Text),
            ("\u{4f60}[2/2]\u{597d}[1/2]", Role::Text),
            ("\u{597d}[2/2]", Role::Text),
            ("\u{55ce}", Role::Text),
        ]);
        let find = |text| find_query(&t, 5, Some(text));
        assert_eq!(find("\u{4f60}\u{597d}"), Ok(3));
        assert_eq!(find("\u{4f60}\u{597d}\u{55ce}"), Ok(4));
        assert_eq!(find("\u{4f60}"), Ok(2));
        assert_eq!(find("\u{597d}"), Ok(3));
        assert_eq!(find("\u{55ce}"), Ok(4));
        assert_eq!(find("hi \u{4f60}"), Ok(2));
        assert!(find("i \u{4f60}").is_err() && find("\u{4e2d}").is_err() && find("\u{597d}\u{55ce}\u{55ce}").is_err());
    }

    #[test]
    fn a_token_that_stands_twice_is_asked_about() {
        let t = tokens(&[(" the", Role::Text), ("the", Role::Text), (" the", Role::Text)]);
        assert_eq!(find_query(&t, 3, Some("the")), Ok(1), "as it stands in the vocabulary");
        let error = find_query(&t, 3, Some(" the")).unwrap_err().to_string();
        assert!(error.contains("2 positions (0, 2)"), "{error}");
    }
}
