//! Text that is read twice.

use attractor_record::{Role, Token};

/// Shortest block of tokens read twice.
pub(crate) const SHORTEST: usize = 4;

/// A stretch of text that is read exactly twice in a row: where it begins, and how long it is.
///
/// The second reading ends with the stretch or breaks off before a third; nine in ten of its tokens are different; both
/// readings are at least half of the text. Text that goes round more often has several targets a row and is not of this
/// form.
pub fn block_read_twice(tokens: &[Token]) -> Option<(usize, usize)> {
    let text: Vec<Option<u32>> =
        tokens.iter().map(|t| (!t.role.is_special() && t.role != Role::Patch).then_some(t.id)).collect();
    let total = text.iter().flatten().count();
    let mut best: Option<(usize, usize)> = None;
    for length in SHORTEST..=text.len() / 2 {
        if 4 * length < total {
            continue;
        }
        // The longest run of tokens that equal the one `length` before.
        let (mut run, mut longest) = (0usize, (0usize, 0usize));
        for i in length..text.len() {
            run = if text[i].is_some() && text[i] == text[i - length] { run + 1 } else { 0 };
            if run > longest.0 {
                longest = (run, i + 1 - run);
            }
        }
        let (run, second) = longest;
        if run < length || run >= 2 * length {
            continue;
        }
        let start = second - length;
        let mut ids: Vec<u32> = text[start..second].iter().flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() * 10 >= length * 9 && best.is_none_or(|(_, most)| length > most) {
            best = Some((start, length));
        }
    }
    best
}

/// True if the text is a repetition as a whole, however often: from some period on, nine in ten of its tokens are those
/// of one period before, over half of the text at least.
pub fn is_repetition(tokens: &[Token]) -> bool {
    let ids: Vec<u32> =
        tokens.iter().filter(|t| !t.role.is_special() && t.role != Role::Patch).map(|token| token.id).collect();
    // A period that is none is left after a tenth of the text: long texts have many to try.
    let is_period = |period: usize| {
        let most = (ids.len() - period) / 10;
        (period..ids.len()).filter(|&i| ids[i] != ids[i - period]).take(most + 1).count() <= most
    };
    block_read_twice(tokens).is_some() || (SHORTEST..=ids.len() / 2).any(is_period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_is_told_from_a_text_that_repeats_a_phrase() {
        let is = |ids: &[u32]| {
            let tokens: Vec<Token> =
                ids.iter().map(|&id| Token { text: String::new(), id, role: Role::Text }).collect();
            is_repetition(&tokens)
        };
        assert!(is(&[5, 6, 7, 8, 5, 6, 7, 8]) && is(&[5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 7, 8, 5, 6]));
        assert!(is(&[5, 6, 7, 8, 9, 5, 6, 7, 8, 9, 1, 2]));
        // The cat sat on the mat and the cat sat on the rug.
        assert!(!is(&[1, 2, 3, 4, 1, 5, 6, 1, 2, 3, 4, 1, 7]));
        assert!(!is(&[1, 2, 3, 4, 5, 6, 7, 8]) && !is(&[]) && !is(&[1, 2]));
    }

    #[test]
    fn a_block_read_twice_is_recognised_and_a_cycle_is_not() {
        let block = |ids: &[u32]| {
            let role = |id| if id == 0 { Role::Bos } else { Role::Text };
            let tokens = ids.iter().map(|&id| Token { text: String::new(), id, role: role(id) });
            block_read_twice(&tokens.collect::<Vec<_>>())
        };
        assert_eq!(block(&[0, 5, 6, 7, 8, 5, 6, 7, 8]), Some((1, 4)));
        assert_eq!(block(&[0, 5, 6, 7, 8, 9, 5, 6, 7, 8, 9, 1, 2]), Some((1, 5)));
        // Begun a third time: still one block.
        assert_eq!(block(&[0, 5, 6, 7, 8, 5, 6, 7, 8, 5]), Some((1, 4)));
        // Three times round, too short, broken in the middle, of one word, too small a part.
        assert_eq!(block(&[0, 5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 7, 8]), None);
        assert_eq!(block(&[0, 5, 6, 7, 5, 6, 7]), None);
        assert_eq!(block(&[0, 5, 6, 7, 8, 5, 6, 4, 8]), None);
        assert_eq!(block(&[5; 12]), None);
        assert_eq!(block(&[0, 5, 6, 7, 8, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]), None);
    }
}
