//! Matrix products, cut over threads by us: one sequential product a block.
//!
//! The cut is a function of the shapes and never of the number of threads, so results are bit-equal over workers. `gemm`'s
//! own threading gained nothing on two threads at 128 x 784 x 500; cut by us the products scale.

use rayon::prelude::*;

/// A matrix inside a slice: element (i, j) at `offset + i * row + j * column`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub numbers: &'a [f32],
    pub offset: usize,
    pub row: usize,
    pub column: usize,
}

impl View<'_> {
    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || self.offset + (rows - 1) * self.row + (columns - 1) * self.column < self.numbers.len()
    }
}

/// Work below which a second block costs more than it saves, and work a block, in multiply-adds.
const WORTH: usize = 1 << 20;
const A_BLOCK: usize = 50_000_000;

/// Rows a block, for a product of `rows` x `columns` x `depth`: a multiple of four, so that blocks start with a new block
/// of random numbers.
pub(crate) fn block(rows: usize, columns: usize, depth: usize) -> usize {
    let work = rows * columns * depth;
    let blocks = if work < WORTH { 1 } else { 2 * (work / (2 * A_BLOCK)).max(1) };
    rows.div_ceil(blocks).next_multiple_of(16).max(16)
}

/// What is done to the destination.
#[derive(Clone, Copy)]
pub(crate) struct Scaling {
    /// Factor of what is there; 0 overwrites.
    pub old: f32,
    /// Factor of the product.
    pub new: f32,
}

/// The product alone.
pub(crate) const PLAIN: Scaling = Scaling { old: 0.0, new: 1.0 };

/// Rows `first..` of (old x destination + new x left x right), into a slab of rows `stride` apart that starts at `offset`.
///
/// # Panics
/// If a matrix does not lie within its slice.
pub(crate) fn multiply(
    slab: &mut [f32],
    (stride, offset): (usize, usize),
    (rows, columns, depth): (usize, usize, usize),
    left: View<'_>,
    right: View<'_>,
    scaling: Scaling,
) {
    assert!(View { numbers: slab, offset, row: stride, column: 1 }.holds(rows, columns), "destination");
    assert!(left.holds(rows, depth) && right.holds(depth, columns), "operands");
    if rows == 0 || columns == 0 {
        return;
    }
    // SAFETY: the three matrices lie within their slices, asserted above, and the destination is borrowed mutably, so
    // it overlaps neither operand.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            slab.as_mut_ptr().add(offset),
            1,
            stride as isize,
            scaling.old != 0.0,
            left.numbers.as_ptr().add(left.offset),
            left.column as isize,
            left.row as isize,
            right.numbers.as_ptr().add(right.offset),
            right.column as isize,
            right.row as isize,
            scaling.old,
            scaling.new,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Runs `each(index, piece)` over pieces of `length` numbers, in parallel if there are several.
pub(crate) fn over_pieces(numbers: &mut [f32], length: usize, each: impl Fn(usize, &mut [f32]) + Sync) {
    if numbers.len() <= length {
        return each(0, numbers);
    }
    numbers.par_chunks_mut(length).with_max_len(1).enumerate().for_each(|(index, piece)| each(index, piece));
}
