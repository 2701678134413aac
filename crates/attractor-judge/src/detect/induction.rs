//! Induction heads: a query looks at what followed an earlier occurrence of its own token.
//!
//! Two forms. Repeated random tokens, [BOS] r1..rn r1..rn, have exactly one target per row, at offset -(n - 1),
//! and a head that finds it has nothing else to go by. In other texts the targets are the successors of all earlier
//! occurrences.

use attractor::random::Philox;
use attractor::random::stream::{JudgementStream, judged};

use super::Card;
use super::labels::Labels;
use crate::measure::{Geometry, SHORTEST};
pub use crate::measure::{block_read_twice, is_repetition};
use attractor::{Error, Result};

pub(super) const CARD: Card = Card {
    name: "induction",
    definition: "repeated random tokens: mean of A[i, i-(n-1)] over the second copy; other texts: mean, over the rows \
                 whose token occurred before, of the mass on the successors of those occurrences (the 32 nearest)",
    threshold: 0.4,
    source: "definition: Olsson et al. 2022 and TransformerLens; threshold: teaching convention of ARENA",
    needs: "maps, and tokens of which some occur again with another in between",
    kept: "a token that occurs again with another in between; a checkpoint is asked on repeated random tokens",
};

/// Random words of which the first part is read twice, the form in which induction is tested: r1..rp r1..rp, then words that
/// occur nowhere else, `2 n` words in all.
///
/// The period p differs from sequence to sequence, from `n` down to `n / 2`: a head that always looks equally far back is
/// thereby told from one that looks for repetitions. No word occurs in more than one place of the block. Sequence s is a
/// function of (seed, s, n, words).
///
/// # Errors
/// `is_usage` if `n` is below 8 or there are fewer than 3 n / 2 words.
pub fn read_twice(words: &[u32], n: usize, sequences: usize, seed: u64) -> Result<Vec<Vec<u32>>> {
    if n < 2 * SHORTEST || words.len() < n + n.div_ceil(2) {
        return Err(Error::usage(format!(
            "induction: {} words for blocks of {n}; expected blocks of at least {} words and {} different words",
            words.len(),
            2 * SHORTEST,
            n + n.div_ceil(2)
        )));
    }
    let sequence = |s: usize| {
        let mut random = Philox::new(seed, judged(JudgementStream::RepeatedWords, s as u64));
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

pub(super) fn labels(g: &Geometry) -> Option<Labels> {
    Labels::cells(g, |query| g.induction.row(query).iter().map(|&key| key as usize).collect::<Vec<_>>())
}

/// Where the label of a query at position `p` may stand under the null: a target is a successor, so it lies before the
/// query and never at position 0, and a sink there is no rival.
pub(super) fn may_stand(p: usize, key: usize) -> bool {
    key >= 1 && key < p
}

#[cfg(test)]
mod tests {
    use attractor_record::{Role, Token};

    use super::*;

    fn tokens(ids: &[u32]) -> Vec<Token> {
        ids.iter()
            .map(|&id| Token { text: String::new(), id, role: if id == 0 { Role::Bos } else { Role::Text } })
            .collect()
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
        assert!(read_twice(&words, 21, 1, 0).unwrap_err().is_usage());
        assert!(read_twice(&words, 7, 1, 0).is_err());
    }
}
