//! Current-token heads: every query looks at its own position.

use super::Card;
use super::labels::Labels;
use crate::measure::Geometry;

pub(super) const CARD: Card = Card {
    name: "current",
    definition: "mean of A[i, i] over the rows that see at least one other key",
    threshold: 0.4,
    source: "teaching convention of ARENA",
    needs: "maps, or the self mass of every row",
    kept: "a query that sees itself and another key",
};

pub(super) fn labels(g: &Geometry) -> Option<Labels> {
    Labels::cells(g, |query| Some(g.position(query)))
}
