//! Products with states of 0 and 1: the rows whose bits are set are added up, nothing is multiplied.
//!
//! More than half of the multiply-adds of a dense product with sampled states are by zero. Here only the ones cost: each
//! adds a row of numbers, from a panel that stays in the first-level cache, to sums that stay in registers. Every sum is
//! taken in the order of its bits, so it is the same on every machine and for any number of threads. The loops are plain
//! and left to the compiler inside `pulp`'s run-time dispatch.

use super::place::Place;
use super::product::{Scaling, View};

/// Bits a word, and rows of numbers per panel: with the widest tile a panel has 28 KiB.
const PANEL: usize = 64;
const LANES: usize = 16;
/// Vectors of the widest tile.
const WIDEST: usize = 7;
/// Share of ones up to which additions take less time than a dense product.
const DENSEST: f64 = 0.75;
/// Multiply-adds of a dense product below which it is left dense.
const WORTH: usize = 1 << 16;
const ZERO: Lane = Lane([0.0; LANES]);
const ONE: u32 = 1.0f32.to_bits();

/// Sixteen numbers of one cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lane([f32; LANES]);

/// States as lists of bits.
pub(super) struct Bits {
    /// Word w of list l at `w * lists + l`.
    words: Vec<u64>,
    lists: usize,
}

impl Bits {
    /// A list of units for each row; `None` unless all are 0 or 1 and a product with `others` columns gains by it.
    pub fn of_rows((numbers, at): (&[f32], Place), units: usize, rows: usize, others: usize) -> Option<Self> {
        Self::new(View { numbers, offset: at.offset, row: 1, column: at.stride }, rows, units, others)
    }

    /// A list of rows for each unit; the same otherwise.
    pub fn of_units((numbers, at): (&[f32], Place), units: usize, rows: usize, others: usize) -> Option<Self> {
        Self::new(View { numbers, offset: at.offset, row: at.stride, column: 1 }, units, rows, others)
    }

    /// From states [list, bit].
    fn new(states: View<'_>, lists: usize, length: usize, others: usize) -> Option<Self> {
        if lists * length * others < WORTH {
            return None;
        }
        let mut words = vec![0; length.div_ceil(PANEL) * lists];
        let mut ones = 0;
        for (word, words) in words.chunks_mut(lists).enumerate() {
            let offset = states.offset + word * PANEL * states.column;
            let count = PANEL.min(length - word * PANEL);
            ones += pulp::Arch::new().dispatch(Pack { states: View { offset, ..states }, count, words })?;
        }
        (ones as f64 <= DENSEST * (lists * length) as f64).then_some(Self { words, lists })
    }

    /// (sums of the rows of `numbers` whose bits are set) of every list, as columns: number (c, l) of `count` columns goes
    /// to `c * stride + offset + l` of the slab.
    pub fn into_units(&self, slab: &mut [f32], to: Place, count: usize, numbers: View<'_>) {
        self.tiles(count, numbers, |tile, width, first| {
            let sums: Vec<&[f32]> = tile.chunks(width).collect();
            lay_out(&mut slab[first * to.stride..], to, &sums, 0, width.min(count - first));
        });
    }

    /// Rows (old x slab + new x sums) of every list, `columns` numbers per row.
    pub fn into_rows(&self, slab: &mut [f32], columns: usize, numbers: View<'_>, scaling: Scaling) {
        self.tiles(columns, numbers, |tile, width, first| {
            let here = width.min(columns - first);
            for (row, sums) in slab.chunks_mut(columns).zip(tile.chunks(width)) {
                pulp::Arch::new().dispatch(Scaled { row: &mut row[first..first + here], sums, scaling });
            }
        });
    }

    /// Sums tile by tile: `finish(tile [list, width], width, first column)`.
    fn tiles(&self, columns: usize, numbers: View<'_>, mut finish: impl FnMut(&[f32], usize, usize)) {
        let vectors = columns.div_ceil(LANES);
        let tiles = vectors.div_ceil(WIDEST);
        let mut sums = Vec::new();
        let mut first = 0;
        for index in 0..tiles {
            // As even as can be: a narrow tile waits for its own additions.
            let vectors = vectors / tiles + usize::from(index < vectors % tiles);
            let width = vectors * LANES;
            let count = width.min(columns - first);
            let tile = match vectors {
                1 => Self::tile::<1>,
                2 => Self::tile::<2>,
                3 => Self::tile::<3>,
                4 => Self::tile::<4>,
                5 => Self::tile::<5>,
                6 => Self::tile::<6>,
                _ => Self::tile::<WIDEST>,
            };
            tile(self, numbers, first, count, &mut sums);
            finish(flat(&sums), width, first);
            first += width;
        }
    }

    /// One tile: sums over the set bits of every list, for `count` columns from `first` on.
    fn tile<const K: usize>(&self, numbers: View<'_>, first: usize, count: usize, sums: &mut Vec<Lane>) {
        sums.clear();
        sums.resize(self.lists * K, ZERO);
        let mut panel = [[ZERO; K]; PANEL];
        for (word, words) in self.words.chunks(self.lists).enumerate() {
            let sums = sums.as_chunks_mut::<K>().0;
            pulp::Arch::new().dispatch(Panel {
                panel: &mut panel,
                numbers,
                row: word * PANEL,
                first,
                count,
                words,
                sums,
            });
        }
    }
}

/// Packs one word of each list.
struct Pack<'a> {
    /// States [list, bit].
    states: View<'a>,
    /// Bits.
    count: usize,
    words: &'a mut [u64],
}

impl pulp::NullaryFnOnce for Pack<'_> {
    /// Number of ones; `None` if another state than 0 or 1 is there.
    type Output = Option<usize>;

    #[inline(always)]
    fn call(self) -> Option<usize> {
        let View { numbers, offset, row, column } = self.states;
        let (mut strange, mut ones) = (0, 0);
        if row == 1 {
            for bit in 0..self.count {
                let states = &numbers[offset + bit * column..][..self.words.len()];
                for (word, state) in self.words.iter_mut().zip(states) {
                    let state = state.to_bits();
                    strange |= u32::from(state != ONE && state != 0);
                    *word |= u64::from(state == ONE) << bit;
                }
            }
            ones = self.words.iter().map(|word| word.count_ones() as usize).sum();
        } else {
            for (list, word) in self.words.iter_mut().enumerate() {
                let states = &numbers[offset + list * row..][..self.count];
                let mut all = [0; PANEL];
                match <&[f32; PANEL]>::try_from(states) {
                    Ok(states) => all = states.map(f32::to_bits),
                    Err(_) => all.iter_mut().zip(states).for_each(|(bits, state)| *bits = state.to_bits()),
                }
                for (bit, state) in all.iter().enumerate() {
                    strange |= u32::from(*state != ONE && *state != 0);
                    *word |= if *state == ONE { 1 << bit } else { 0 };
                }
                ones += word.count_ones() as usize;
            }
        }
        (strange == 0).then_some(ones)
    }
}

/// One panel: rows `row..` of `count` columns from `first` on, added to the sums of the lists whose bits are set.
struct Panel<'a, const K: usize> {
    panel: &'a mut [[Lane; K]; PANEL],
    numbers: View<'a>,
    row: usize,
    first: usize,
    count: usize,
    words: &'a [u64],
    sums: &'a mut [[Lane; K]],
}

impl<const K: usize> pulp::NullaryFnOnce for Panel<'_, K> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        self.fill();
        for (sums, &word) in self.sums.iter_mut().zip(self.words) {
            let (mut own, mut word) = (*sums, word);
            if word.count_ones() % 2 == 1 {
                own = plus(own, &self.panel[next(&mut word)]);
            }
            // In twos, so that a sum waits for half as many additions.
            while word != 0 {
                let row = self.panel[next(&mut word)];
                own = plus(own, &plus(row, &self.panel[next(&mut word)]));
            }
            *sums = own;
        }
    }
}

impl<const K: usize> Panel<'_, K> {
    /// What lies beyond the matrix keeps what was there and is not used.
    #[inline(always)]
    fn fill(&mut self) {
        let View { numbers, offset, row, column } = self.numbers;
        let start = offset + self.row * row + self.first * column;
        let rows = match numbers.len().checked_sub(start + (self.count - 1) * column + 1) {
            Some(rest) => (rest / row + 1).min(PANEL),
            None => 0,
        };
        if column == 1 {
            for (at, out) in self.panel[..rows].iter_mut().enumerate() {
                let (whole, rest) = numbers[start + at * row..][..self.count].as_chunks::<LANES>();
                out.iter_mut().zip(whole).for_each(|(out, from)| out.0 = *from);
                if let Some(out) = out.get_mut(whole.len()) {
                    out.0.iter_mut().zip(rest).for_each(|(out, from)| *out = *from);
                }
            }
            return;
        }
        for lane in 0..self.count.div_ceil(LANES) {
            for block in 0..PANEL / LANES {
                // Sixteen columns of sixteen rows, where all of them are there.
                let here = start + lane * LANES * column + block * LANES * row;
                let columns = LANES.min(self.count - lane * LANES);
                let mut square = [[0.0; LANES]; LANES];
                for (at, out) in square[..columns].iter_mut().enumerate() {
                    let from = here + at * column;
                    match numbers.get(from..from + LANES) {
                        Some(numbers) if row == 1 => *out = numbers.try_into().unwrap_or([0.0; LANES]),
                        _ => (out.iter_mut().zip(numbers[from.min(numbers.len())..].iter().step_by(row)))
                            .for_each(|(out, x)| *out = *x),
                    }
                }
                let square = turned(&square);
                for (out, from) in self.panel[block * LANES..].iter_mut().zip(&square) {
                    out[lane].0 = *from;
                }
            }
        }
    }
}

/// The number of the lowest set bit, which is taken.
#[inline(always)]
fn next(word: &mut u64) -> usize {
    let bit = word.trailing_zeros() as usize % PANEL;
    *word &= *word - 1;
    bit
}

#[inline(always)]
fn plus<const K: usize>(mut row: [Lane; K], other: &[Lane; K]) -> [Lane; K] {
    for (row, other) in row.iter_mut().zip(other) {
        for lane in 0..LANES {
            row.0[lane] += other.0[lane];
        }
    }
    row
}

/// Turns rows into columns: number `first + c` of row r goes to `c * stride + offset + r`.
pub(super) fn lay_out(slab: &mut [f32], to: Place, rows: &[&[f32]], first: usize, count: usize) {
    for (group, rows) in rows.chunks(LANES).enumerate() {
        let to = Place { offset: to.offset + group * LANES, ..to };
        let mut own: [&[f32]; LANES] = [&[]; LANES];
        own.iter_mut().zip(rows).for_each(|(own, row)| *own = &row[first..first + count]);
        pulp::Arch::new().dispatch(Turn { rows: own, height: rows.len(), slab, to });
    }
}

/// Up to sixteen rows of as many numbers, to be laid out by columns.
struct Turn<'a> {
    rows: [&'a [f32]; LANES],
    height: usize,
    slab: &'a mut [f32],
    to: Place,
}

impl pulp::NullaryFnOnce for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { rows, height, slab, to } = self;
        let count = rows[0].len();
        for first in (0..count).step_by(LANES) {
            let columns = LANES.min(count - first);
            let mut square = [[0.0; LANES]; LANES];
            for (out, row) in square.iter_mut().zip(&rows[..height]) {
                match row[first..first + columns].try_into() {
                    Ok(whole) => *out = whole,
                    Err(_) => out[..columns].copy_from_slice(&row[first..first + columns]),
                }
            }
            for (column, from) in turned(&square)[..columns].iter().enumerate() {
                let out = &mut slab[(first + column) * to.stride + to.offset..][..height];
                match <&mut [f32; LANES]>::try_from(&mut *out) {
                    Ok(out) => *out = *from,
                    Err(_) => out.copy_from_slice(&from[..height]),
                }
            }
        }
    }
}

/// old x row + new x sums.
struct Scaled<'a> {
    row: &'a mut [f32],
    sums: &'a [f32],
    scaling: Scaling,
}

impl pulp::NullaryFnOnce for Scaled<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (out, sum) in self.row.iter_mut().zip(self.sums) {
            *out = self.scaling.old * *out + self.scaling.new * sum;
        }
    }
}

/// The transpose.
#[inline(always)]
fn turned(square: &[[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V4::try_new() {
        return turned_by_shuffles(simd, square);
    }
    let mut out = [[0.0; LANES]; LANES];
    for (at, row) in square.iter().enumerate() {
        for (out, x) in out.iter_mut().zip(row) {
            out[at] = *x;
        }
    }
    out
}

/// The same in 64 instructions: the compiler makes gathers of the loops, which take three times as long.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn turned_by_shuffles(simd: pulp::x86::V4, square: &[[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
    use std::arch::x86_64::__m512;
    let f = simd.avx512f;
    let rows: [__m512; LANES] = pulp::cast(*square);
    // Fours of columns within fours of rows, then the fours among themselves.
    let mut fours = rows;
    for j in (0..LANES).step_by(4) {
        let (a, b) = (f._mm512_unpacklo_ps(rows[j], rows[j + 1]), f._mm512_unpacklo_ps(rows[j + 2], rows[j + 3]));
        let (c, d) = (f._mm512_unpackhi_ps(rows[j], rows[j + 1]), f._mm512_unpackhi_ps(rows[j + 2], rows[j + 3]));
        let [a, b, c, d] = [a, b, c, d].map(|x| f._mm512_castps_pd(x));
        fours[j] = f._mm512_castpd_ps(f._mm512_unpacklo_pd(a, b));
        fours[j + 1] = f._mm512_castpd_ps(f._mm512_unpackhi_pd(a, b));
        fours[j + 2] = f._mm512_castpd_ps(f._mm512_unpacklo_pd(c, d));
        fours[j + 3] = f._mm512_castpd_ps(f._mm512_unpackhi_pd(c, d));
    }
    let mut out = fours;
    for k in 0..4 {
        let a = f._mm512_shuffle_f32x4::<0x88>(fours[k], fours[4 + k]);
        let b = f._mm512_shuffle_f32x4::<0xdd>(fours[k], fours[4 + k]);
        let c = f._mm512_shuffle_f32x4::<0x88>(fours[8 + k], fours[12 + k]);
        let d = f._mm512_shuffle_f32x4::<0xdd>(fours[8 + k], fours[12 + k]);
        out[k] = f._mm512_shuffle_f32x4::<0x88>(a, c);
        out[4 + k] = f._mm512_shuffle_f32x4::<0x88>(b, d);
        out[8 + k] = f._mm512_shuffle_f32x4::<0xdd>(a, c);
        out[12 + k] = f._mm512_shuffle_f32x4::<0xdd>(b, d);
    }
    pulp::cast(out)
}

fn flat(lanes: &[Lane]) -> &[f32] {
    // SAFETY: a lane is sixteen numbers and nothing else: 64 bytes, as its alignment asks.
    unsafe { std::slice::from_raw_parts(lanes.as_ptr().cast(), lanes.len() * LANES) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;
    use crate::sample::rbm::product::{PLAIN, multiply};

    /// Both forms against the dense product, for shapes that fill no tile and no word.
    #[test]
    fn sums_over_ones_are_the_products_with_them() {
        for (units, rows, others, seed) in [(784, 128, 100, 1), (70, 37, 129, 2), (33, 65, 500, 3), (1000, 20, 17, 4)] {
            let mut random = Philox::new(5, seed);
            let (stride, offset) = (rows + 3, 2);
            let at = Place { stride, offset };
            let states: Vec<f32> = (0..units * stride).map(|_| f32::from(random.uniform() < 0.3)).collect();
            let mut weights: Vec<f32> = (0..units * others).map(|_| random.uniform() as f32 - 0.5).collect();
            let right = View { numbers: &states, offset, row: stride, column: 1 };
            // [others, rows], the weights either way round.
            for (row, column) in [(others, 1), (1, units)] {
                let numbers = View { numbers: &weights, offset: 0, row, column };
                let left = View { row: column, column: row, ..numbers };
                let (mut dense, mut sums) = (vec![7.0; others * stride], vec![7.0; others * stride]);
                multiply(&mut dense, (stride, offset), (others, rows, units), left, right, PLAIN);
                let bits = Bits::of_rows((&states, at), units, rows, others).unwrap();
                bits.into_units(&mut sums, at, others, numbers);
                close(&dense, &sums);
            }
            // [units, others] from [rows, others], which lie unit by unit too.
            weights.resize(others * stride, 0.25);
            let (mut dense, mut sums) = (vec![0.5; units * others], vec![0.5; units * others]);
            let scaling = Scaling { old: 0.5, new: -0.25 };
            let left = View { numbers: &states, offset, row: stride, column: 1 };
            let numbers = View { numbers: &weights, offset, row: 1, column: stride };
            multiply(&mut dense, (others, 0), (units, others, rows), left, numbers, scaling);
            let bits = Bits::of_units((&states, at), units, rows, others).unwrap();
            bits.into_rows(&mut sums, others, numbers, scaling);
            close(&dense, &sums);
        }
    }

    fn close(dense: &[f32], sums: &[f32]) {
        let worst = dense.iter().zip(sums).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 2e-5 && !worst.is_nan(), "{worst}");
    }

    #[test]
    fn other_states_are_left_to_the_dense_product() {
        let at = Place::tight(64);
        let few = vec![0.0f32; 64 * 64];
        assert!(Bits::of_rows((&few, at), 64, 64, 64).is_some());
        assert!(Bits::of_rows((&few, at), 64, 64, 2).is_none(), "little work");
        for strange in [0.5, -0.0, f32::NAN] {
            let mut states = few.clone();
            states[1000] = strange;
            assert!(Bits::of_rows((&states, at), 64, 64, 64).is_none(), "{strange}");
            assert!(Bits::of_units((&states, at), 64, 64, 64).is_none(), "{strange}");
        }
        let many = vec![1.0f32; 64 * 64];
        assert!(Bits::of_rows((&many, at), 64, 64, 64).is_none() && Bits::of_units((&many, at), 64, 64, 64).is_none());
    }
}
