//! A strip: the scores of a few rows against all the keys that they see. The tiled engine's unit of work.
//!
//! A strip is filled by register tiles from packed queries and keys, modified, then separated row by row while it is
//! in cache. It holds O(rows x keys) numbers for a fixed, small number of rows: never N x N.

use std::cell::RefCell;
use std::ops::Range;

use pulp::Simd;

use super::packed::{PackedKeys, all_finite, normalise, square};
use super::separation::separate;
use super::{InnerProduct, Moments, Problem, Separation};
use crate::simd;

/// Numbers that a strip may hold per thread before it is cut to fewer rows (1 MiB of f32).
const BUDGET: usize = 1 << 18;

/// Rows of a strip: a function of the problem's length, never of the workers.
pub(crate) fn strip_rows(keys: usize) -> usize {
    (BUDGET / keys.max(1)).clamp(16, 64) / 8 * 8
}

thread_local! {
    /// The last strip's numbers, for the next strip of this thread: fresh pages cost more than the arithmetic.
    static SPARE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Numbers of any value, at least `length` of them.
fn scratch(length: usize) -> Vec<f32> {
    let mut numbers = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if numbers.len() < length {
        numbers = vec![0.0; length];
    }
    numbers
}

impl Drop for Strip {
    fn drop(&mut self) {
        SPARE.with_borrow_mut(|spare| {
            if !self.weights.is_empty() && spare.len() < 2 {
                spare.push(std::mem::take(&mut self.weights));
            }
        });
    }
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RowState {
    /// Weights are e / z.
    Counts(Counted),
    /// Sees no key.
    Empty,
    /// A score is not a number.
    Invalid,
}

/// A row that counts, before normalisation: weight_j = e_j / z.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counted {
    /// Largest e: 1 for softmax, whose e are relative to the largest score.
    pub largest: f32,
    /// Of the keys alone, without the sink.
    pub moments: Moments,
    /// The normaliser: the keys' and the sink's share.
    pub z: f64,
    /// ln sum exp(s), the sink included; NaN where the separation has none.
    pub log_sum_exp: f64,
    /// Energy of the row.
    pub energy: f64,
    /// Norm of the centred scores; NaN if not asked for.
    pub spread: f64,
}

/// The scores, then weights, of consecutive rows of one head.
pub(crate) struct Strip {
    /// Scores, then e; row r of the strip at r * stride.
    pub weights: Vec<f32>,
    /// Numbers between rows.
    pub stride: usize,
    /// First row of the problem in the strip's first slot.
    pub first: usize,
    /// Keys that each row may see, before `hidden`.
    pub ranges: Vec<Range<usize>>,
    /// What became of each row.
    pub states: Vec<RowState>,
    /// Keys that are looked at; the others are as if they were not there.
    pub within: Range<usize>,
    /// Is the spread of the scores wanted?
    pub wants_spread: bool,
    packed_queries: Vec<f32>,
    slots: usize,
}

impl Strip {
    /// A strip of up to `slots` rows (rounded up to whole register tiles).
    pub(crate) fn new<S: Simd>(problem: &Problem<'_>, slots: usize) -> Self {
        let tile_rows = simd::tile_rows::<S>();
        let slots = slots.div_ceil(tile_rows) * tile_rows;
        // A stride that is no multiple of 4096 bytes, so that rows do not fall into the same cache sets.
        let stride = problem.keys.rows.div_ceil(simd::tile_keys::<S>()) * simd::tile_keys::<S>() + 16;
        Self {
            weights: scratch(slots * stride),
            stride,
            first: 0,
            ranges: vec![0..0; slots],
            states: vec![RowState::Empty; slots],
            within: 0..problem.keys.rows,
            wants_spread: false,
            packed_queries: vec![0.0; slots * problem.keys.width],
            slots,
        }
    }

    /// Weights of a slot over the keys it may see.
    #[inline(always)]
    pub(crate) fn row(&self, slot: usize) -> &[f32] {
        let range = &self.ranges[slot];
        &self.weights[slot * self.stride + range.start..slot * self.stride + range.end]
    }

    /// Zeroes the first `count` rows outside their ranges, within the interval that any of them sees; returns it.
    pub(crate) fn clear_outside(&mut self, count: usize) -> Range<usize> {
        self.clear_slots(0..count)
    }

    /// Likewise for some slots.
    pub(crate) fn clear_slots(&mut self, slots: Range<usize>) -> Range<usize> {
        let seen = || self.ranges[slots.clone()].iter().filter(|r| !r.is_empty());
        let low = seen().map(|r| r.start).min().unwrap_or(0);
        let high = seen().map(|r| r.end).max().unwrap_or(0);
        for slot in slots {
            let range = self.ranges[slot].clone();
            let row = &mut self.weights[slot * self.stride..][..self.stride];
            if range.is_empty() {
                row[low..high].fill(0.0);
            } else {
                row[low..range.start].fill(0.0);
                row[range.end..high].fill(0.0);
            }
        }
        low..high
    }

    /// Moves the last `count` of `filled` rows to the front.
    pub(crate) fn keep_last(&mut self, filled: usize, count: usize) {
        let from = filled - count;
        if from == 0 {
            return;
        }
        for slot in 0..count {
            let range = self.ranges[from + slot].clone();
            let source = (from + slot) * self.stride;
            let visible = source + range.start..source + range.end;
            self.weights.copy_within(visible, slot * self.stride + range.start);
            self.ranges[slot] = range;
            self.states[slot] = self.states[from + slot];
        }
        self.first += from;
    }

    /// Computes and separates rows `rows` of `head` into the slots from `slot` on.
    #[inline(always)]
    pub(crate) fn fill<S: Simd>(
        &mut self,
        s: S,
        problem: &Problem<'_>,
        keys: &PackedKeys,
        head: usize,
        rows: Range<usize>,
        slot: usize,
    ) {
        let count = rows.len();
        debug_assert!(slot + count <= self.slots);
        let mask = problem.modifiers.mask;
        for (at, row) in rows.clone().enumerate() {
            let range = mask.range(row, problem.keys.rows);
            let start = range.start.max(self.within.start);
            self.ranges[slot + at] = start..range.end.min(self.within.end).max(start);
        }
        let finite = match problem.similarity.inner_product() {
            Some(kind) => self.score_by_product(s, problem, keys, head, rows.clone(), slot, kind),
            None => self.score_by_definition(problem, head, rows.clone(), slot),
        };
        for (at, row) in rows.enumerate() {
            let broken = !finite[at] || keys.any_broken(&self.ranges[slot + at]);
            self.states[slot + at] = self.separate(s, problem, head, row, slot + at, broken);
        }
    }

    /// Raw scores x beta through register tiles. Returns which queries are finite.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn score_by_product<S: Simd>(
        &mut self,
        s: S,
        problem: &Problem<'_>,
        keys: &PackedKeys,
        head: usize,
        rows: Range<usize>,
        slot: usize,
        kind: InnerProduct,
    ) -> Vec<bool> {
        let (n, d) = (problem.queries.rows, problem.queries.width);
        let (tile_rows, tile_keys) = (simd::tile_rows::<S>(), simd::tile_keys::<S>());
        let beta = problem.separation.beta();
        let count = rows.len();
        let factor = if kind == InnerProduct::Distance { 2.0 * beta } else { beta };
        let mut finite = vec![true; count];
        let mut query_squares = vec![0.0f32; count];
        let mut query = vec![0.0; d];
        self.packed_queries.fill(0.0);
        for (at, row) in rows.clone().enumerate() {
            problem.queries.elements.read((head * n + row) * d, &mut query);
            finite[at] = all_finite(&query);
            if kind == InnerProduct::Normalised {
                normalise(&mut query);
            }
            if kind == InnerProduct::Distance {
                query_squares[at] = square(&query);
            }
            let tile = &mut self.packed_queries[at / tile_rows * tile_rows * d..];
            for (k, &x) in query.iter().enumerate() {
                tile[k * tile_rows + at % tile_rows] = if finite[at] { x * factor } else { 0.0 };
            }
        }
        let low = self.ranges[slot..slot + count].iter().map(|r| r.start).min().unwrap_or(0);
        let high = self.ranges[slot..slot + count].iter().map(|r| r.end).max().unwrap_or(0);
        let panel_length = tile_keys * d;
        let tiles = count.div_ceil(tile_rows);
        for panel in low / tile_keys..high.div_ceil(tile_keys) {
            let k = &keys.panels[panel * panel_length..(panel + 1) * panel_length];
            for tile in 0..tiles {
                let q = &self.packed_queries[tile * tile_rows * d..(tile + 1) * tile_rows * d];
                // A last tile may spill into slots beyond the strip's end, never into earlier rows.
                let start = (slot + tile * tile_rows) * self.stride + panel * tile_keys;
                let slots = self.slots - slot - tile * tile_rows;
                if slots >= tile_rows {
                    simd::score_tile(s, q, k, &mut self.weights[start..], self.stride);
                } else {
                    let mut spill = vec![0.0; tile_rows * tile_keys];
                    simd::score_tile(s, q, k, &mut spill, tile_keys);
                    for r in 0..slots {
                        let target = start + r * self.stride;
                        self.weights[target..target + tile_keys]
                            .copy_from_slice(&spill[r * tile_keys..(r + 1) * tile_keys]);
                    }
                }
            }
        }
        if kind == InnerProduct::Distance {
            for at in 0..count {
                let range = self.ranges[slot + at].clone();
                let base = (slot + at) * self.stride;
                let scores = &mut self.weights[base + range.start..base + range.end];
                for (score, &kk) in scores.iter_mut().zip(&keys.squares[range]) {
                    *score -= beta * (query_squares[at] + kk);
                }
            }
        }
        finite
    }

    /// Raw scores x beta by the similarity's own definition.
    fn score_by_definition(
        &mut self,
        problem: &Problem<'_>,
        head: usize,
        rows: Range<usize>,
        slot: usize,
    ) -> Vec<bool> {
        let key_head = problem.key_head(head);
        let beta = f64::from(problem.separation.beta());
        let mut finite = vec![true; rows.len()];
        for (at, row) in rows.enumerate() {
            let query = problem.queries.vector(head, row);
            finite[at] = all_finite(&query);
            for j in self.ranges[slot + at].clone() {
                let key = problem.keys.vector(key_head, j);
                let score = if all_finite(&key) { beta * problem.similarity.score(&query, &key) } else { 0.0 };
                self.weights[(slot + at) * self.stride + j] = score as f32;
            }
        }
        finite
    }

    /// Modifies the scores of one row and turns them into unnormalised weights.
    #[inline(always)]
    fn separate<S: Simd>(
        &mut self,
        s: S,
        problem: &Problem<'_>,
        head: usize,
        row: usize,
        slot: usize,
        broken: bool,
    ) -> RowState {
        let range = self.ranges[slot].clone();
        let base = slot * self.stride;
        let scores = &mut self.weights[base + range.start..base + range.end];
        modify(problem, head, row, &range, scores);
        let top = simd::max(s, scores);
        if top == f32::NEG_INFINITY {
            let invalid = !range.is_empty()
                && (scores.iter().any(|x| x.is_nan()) || (broken && sees_any(problem, head, row, &range)));
            scores.fill(0.0);
            return if invalid { RowState::Invalid } else { RowState::Empty };
        }
        if broken {
            scores.fill(0.0);
            return RowState::Invalid;
        }
        let spread = if self.wants_spread { spread(s, scores, top) } else { f64::NAN };
        let counted = match problem.separation {
            Separation::Softmax { beta } => {
                let moments = simd::exponentiate(s, scores, top);
                let sink = problem.modifiers.sinks.map_or(0.0, |x| f64::from(x[head] - top).exp());
                let z = moments.partition + sink;
                let log_sum_exp = f64::from(top) + z.ln();
                let energy = -log_sum_exp / f64::from(beta);
                Counted { largest: 1.0, moments, z, log_sum_exp, energy, spread }
            }
            other => Counted { spread, ..separate_by_definition(other, scores) },
        };
        // A NaN score, or one of +inf, makes the sum NaN.
        if !counted.z.is_finite() || counted.z.is_nan() {
            scores.fill(0.0);
            return RowState::Invalid;
        }
        RowState::Counts(counted)
    }
}

/// Norm of the centred visible scores.
#[inline(always)]
fn spread<S: Simd>(s: S, scores: &[f32], top: f32) -> f64 {
    let (sum, _) = simd::moments(s, scores, top);
    if sum.is_finite() {
        let mean = f64::from(top) + sum / scores.len() as f64;
        // The mean is rounded to f32; what that leaves is put right in f64.
        let (first, second) = simd::moments(s, scores, mean as f32);
        if second.is_finite() {
            return (second - first * first / scores.len() as f64).max(0.0).sqrt();
        }
    }
    let seen = || scores.iter().filter(|&&x| x > f32::NEG_INFINITY).map(|&x| f64::from(x));
    let mean = seen().sum::<f64>() / seen().count() as f64;
    seen().map(|x| (x - mean).powi(2)).sum::<f64>().sqrt()
}

/// True if the row sees any key at all: what tells a broken query from an empty row.
fn sees_any(problem: &Problem<'_>, head: usize, row: usize, range: &Range<usize>) -> bool {
    range.clone().any(|j| sees(problem, head, row, j))
}

/// Does a row see a key of its range?
pub(crate) fn sees(problem: &Problem<'_>, head: usize, row: usize, key: usize) -> bool {
    !problem.modifiers.mask.hides(key) && bias_row(problem, head, row).is_none_or(|b| b[key] != f32::NEG_INFINITY)
}

/// The additive bias of a row, [keys].
pub(crate) fn bias_row<'a>(problem: &Problem<'a>, head: usize, row: usize) -> Option<&'a [f32]> {
    let keys = problem.keys.rows;
    let map = problem.queries.rows * keys;
    problem.modifiers.bias.map(|bias| {
        let of_head = if bias.len() == map { 0 } else { head * map };
        &bias[of_head + row * keys..of_head + (row + 1) * keys]
    })
}

/// Soft cap, ALiBi, bias and hidden keys, in place over the row's range.
fn modify(problem: &Problem<'_>, head: usize, row: usize, range: &Range<usize>, scores: &mut [f32]) {
    let modifiers = &problem.modifiers;
    if let Some(cap) = modifiers.soft_cap {
        let inverse = 1.0 / cap;
        scores.iter_mut().for_each(|x| *x = cap * (*x * inverse).tanh());
    }
    if let Some(slopes) = modifiers.alibi {
        let position = row + modifiers.mask.offset;
        for (x, j) in scores.iter_mut().zip(range.clone()) {
            *x -= slopes[head] * position.abs_diff(j) as f32;
        }
    }
    if let Some(bias) = bias_row(problem, head, row) {
        for (x, &b) in scores.iter_mut().zip(&bias[range.clone()]) {
            // A hidden key stays hidden even where the score itself is not a number.
            *x = if b == f32::NEG_INFINITY { b } else { *x + b };
        }
    }
    if !modifiers.mask.hidden.is_empty() {
        for (x, &hidden) in scores.iter_mut().zip(&modifiers.mask.hidden[range.clone()]) {
            if hidden {
                *x = f32::NEG_INFINITY;
            }
        }
    }
}

/// The separations that are not softmax, by their definition; e are then the weights themselves.
#[inline(never)]
fn separate_by_definition(kind: Separation, scores: &mut [f32]) -> Counted {
    let seen: Vec<usize> = (0..scores.len()).filter(|&j| scores[j] != f32::NEG_INFINITY).collect();
    let values: Vec<f64> = seen.iter().map(|&j| f64::from(scores[j])).collect();
    scores.fill(0.0);
    if !values.iter().all(|x| x.is_finite()) {
        return Counted {
            largest: f32::NAN,
            moments: Moments::empty(),
            z: f64::NAN,
            log_sum_exp: f64::NAN,
            energy: f64::NAN,
            spread: f64::NAN,
        };
    }
    let separated = separate(kind, &values, None);
    let mut moments = Moments { keys: seen.len() as u64, ..Moments::empty() };
    for (&j, &w) in seen.iter().zip(&separated.weights) {
        scores[j] = w as f32;
        if w > 0.0 {
            moments.partition += w;
            moments.log += w * w.ln();
            moments.square += w * w;
        }
    }
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // Weights are final: z = 1 even where they form no distribution.
    Counted { largest, moments, z: 1.0, log_sum_exp: separated.log_sum_exp, energy: separated.energy, spread: f64::NAN }
}
