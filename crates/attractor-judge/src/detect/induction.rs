//! Induction heads: a query looks at what followed an earlier occurrence of its own token.
//!
//! Two forms. Random tokens that are read twice, [BOS] r1..rn r1..rn, have exactly one target a row, at offset -(n - 1),
//! and a head that finds it has nothing else to go by. In other texts the targets are the successors of all earlier
//! occurrences.

use attractor::random::Philox;
use attractor_capture::record::{Role, Token};

use super::Card;
use super::labels::Labels;
use crate::error::{Error, Result};
use crate::measure::Geometry;
use crate::statistics::stream;

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

/// Random words of which the first part is read twice, the form in which induction is tested: r1..rp r1..rp, then words that
/// occur nowhere else, `2 n` words in all.
///
/// The period p differs from sequence to sequence, from `n` down to `n / 2`: a head that always looks equally far back is
/// thereby told from one that looks for repetitions. No word occurs in more than one place of the block. Sequence s is a
/// function of (seed, s, n, words).
///
/// # Errors
/// `is_request` if `n` is below 8 or there are fewer than 3 n / 2 words.
pub fn read_twice(words: &[u32], n: usize, sequences: usize, seed: u64) -> Result<Vec<Vec<u32>>> {
    if n < 2 * SHORTEST || words.len() < n + n.div_ceil(2) {
        return Err(Error::request(format!(
            "induction: {} words for blocks of {n}; expected blocks of at least {} words and {} different words",
            words.len(),
            2 * SHORTEST,
            n + n.div_ceil(2)
        )));
    }
    let sequence = |s: usize| {
        let mut random = Philox::new(seed, stream::READ_TWICE | s as u64);
        let mut pool = words.to_vec();
        let period = n - s % (n - n / 2 + 1);
        let rest = 2 * (n - period);
        for slot in 0..period + rest {
            let other = slot + random.below(pool.len() - slot);
            pool.swap(slot, other);
        }
        [&pool[..period], &pool[..period], &pool[period..period + rest]].concat()
    };
    Ok((0..sequences).map(sequence).collect())
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

    /// Every sequence is recognised, with its own period, whatever the number of words.
    #[test]
    fn sequences_that_are_read_twice_have_their_form() {
        let words: Vec<u32> = (1..31).collect();
        let sequences = read_twice(&words, 20, 16, 3).unwrap();
        for (s, sequence) in sequences.iter().enumerate() {
            assert_eq!(sequence.len(), 40);
            let period = 20 - s % 11;
            let ids: Vec<u32> = std::iter::once(0).chain(sequence.iter().copied()).collect();
            assert_eq!(block_read_twice(&tokens(&ids)), Some((1, period)), "{sequence:?}");
            let mut rest = sequence[period..].to_vec();
            rest.sort_unstable();
            rest.dedup();
            assert_eq!(rest.len(), 40 - period, "words after the first reading are all different");
        }
        assert_eq!(sequences, read_twice(&words, 20, 16, 3).unwrap());
        assert_ne!(sequences, read_twice(&words, 20, 16, 4).unwrap());
        assert!(read_twice(&words, 21, 1, 0).unwrap_err().is_request());
        assert!(read_twice(&words, 7, 1, 0).is_err());
    }
}
