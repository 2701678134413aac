//! Previous-token heads: every query looks at the position before its own.

use super::Card;
use super::labels::Labels;
use crate::measure::Geometry;

pub(super) const CARD: Card = Card {
    name: "previous",
    definition: "mean of A[i, i-1] over the rows that see their previous position",
    threshold: 0.4,
    source: "teaching convention of ARENA",
    needs: "maps, or the previous mass of every row",
    kept: "a position before the query that the mask admits",
};

pub(super) fn labels(g: &Geometry) -> Option<Labels> {
    Labels::cells(g, |query| g.position(query).checked_sub(1))
}
