//! Induction heads: a query looks at what followed an earlier occurrence of its own token.
//!
//! Two forms. Random tokens that are read twice, [BOS] r1..rn r1..rn, have exactly one target a row, at offset -(n - 1),
//! and a head that finds it has nothing else to go by. In other texts the targets are the successors of all earlier
//! occurrences.

use attractor_capture::record::{Role, Token};

use super::Card;
use super::labels::Labels;
use crate::measure::Geometry;

pub(super) const CARD: Card = Card {
    name: "induction",
    definition: "random tokens read twice: mean of A[i, i-(n-1)] over the second reading; other texts: mean, over the rows \
                 whose token occurred before, of the mass on the successors of those occurrences (the 32 nearest)",
    threshold: 0.4,
    source: "definition: Olsson et al. 2022 and TransformerLens; threshold: teaching convention of ARENA",
    needs: "maps, and tokens of which some occur again with another in between",
    kept: "a token that occurs again with another in between; give a text with repetitions, or leave the text out to have \
           random tokens read twice",
};

/// Shortest block of tokens read twice.
const SHORTEST: usize = 4;

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

pub(super) fn labels(g: &Geometry, tokens: &[Token]) -> Option<Labels> {
    if !g.has_tokens {
        return None;
    }
    if let Some((start, length)) = block_read_twice(tokens) {
        let second = start + length..start + 2 * length;
        return Labels::cells(g, |query| {
            let p = g.position(query);
            second.contains(&p).then(|| p + 1 - length)
        });
    }
    Labels::cells(g, |query| g.induction.row(query).iter().map(|&key| key as usize).collect::<Vec<_>>())
}

/// Where the label of a query at position `p` may stand under the null: a target is a successor, so it lies before the
/// query and never at position 0, and a sink there is no rival.
pub(super) fn may_stand(p: usize, key: usize) -> bool {
    key >= 1 && key < p
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(ids: &[u32]) -> Vec<Token> {
        ids.iter()
            .map(|&id| Token { text: String::new(), id, role: if id == 0 { Role::Bos } else { Role::Text } })
            .collect()
    }

    #[test]
    fn a_block_read_twice_is_recognised_and_a_cycle_is_not() {
        let block = |ids: &[u32]| block_read_twice(&tokens(ids));
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
