//! Duplicate-token heads: a query looks at other occurrences of its own token.

use super::Card;
use super::labels::Labels;
use crate::measure::Geometry;

pub(super) const CARD: Card = Card {
    name: "duplicate",
    definition: "mean, over the rows whose token occurs elsewhere among their visible keys, of the mass on those \
                 occurrences (the 32 nearest on either side)",
    threshold: 0.4,
    source: "teaching convention of ARENA",
    needs: "maps and tokens",
    kept: "a token that occurs twice",
};

pub(super) fn labels(g: &Geometry) -> Option<Labels> {
    if !g.has_tokens {
        return None;
    }
    Labels::cells(g, |query| g.same.row(query).iter().map(|&key| key as usize).collect::<Vec<_>>())
}

/// Where the label of a query at position `p` may stand under the null: on any other piece of text.
pub(super) fn may_stand(_: usize, _: usize) -> bool {
    true
}
