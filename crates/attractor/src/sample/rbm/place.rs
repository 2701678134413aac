//! Where states of a layer lie.

/// States of one layer, unit by unit: `rows` numbers per unit from `offset` on, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub stride: usize,
    pub offset: usize,
}

impl Place {
    /// Nothing but the rows.
    pub fn tight(rows: usize) -> Self {
        Self { stride: rows, offset: 0 }
    }
}
