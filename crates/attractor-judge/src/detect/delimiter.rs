//! Delimiter heads: queries look at punctuation and separators, beyond the share of keys that these are.

use attractor_record::{Role, Token};

use super::Card;
use super::labels::Labels;
use crate::measure::Geometry;

pub(super) const CARD: Card = Card {
    name: "delimiter",
    definition: "mean, over the rows that see a delimiter, of the mass on punctuation, separators and ends of sequence; \
                 position 0 does not count",
    threshold: 0.5,
    source: "Clark et al. 2019: heads that put over half of their attention on [SEP] and punctuation",
    needs: "tokens, and maps or the attention that every key receives",
    kept: "punctuation, a separator or an end of sequence after position 0",
};

pub(super) fn labels(g: &Geometry, tokens: &[Token]) -> Option<Labels> {
    if !g.has_tokens {
        return None;
    }
    let is = |key: usize| matches!(tokens[key].role, Role::Punctuation | Role::Sep | Role::Eos);
    let members: Vec<usize> = (1..g.keys).filter(|&key| is(key) && !g.mask.hides(key)).collect();
    Labels::keys(g, members)
}
