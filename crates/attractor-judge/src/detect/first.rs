//! First-token heads: every query looks at position 0.

use super::Card;
use super::labels::Labels;
use crate::measure::Geometry;

pub(super) const CARD: Card = Card {
    name: "first",
    definition: "mean of A[i, 0] over the rows i > 0 that see position 0",
    threshold: 0.4,
    source: "teaching convention of ARENA",
    needs: "maps, or the first mass of every row",
    kept: "a query that sees position 0 beside its own",
};

pub(super) fn labels(g: &Geometry) -> Option<Labels> {
    // Position 0 looking at itself is a current-token head's row.
    Labels::cells(g, |query| (g.position(query) > 0).then_some(0))
}
