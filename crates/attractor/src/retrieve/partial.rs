//! What the tiled engine adds up from strips: the statistics of a row group, and how groups join wherever they were
//! computed.

use std::collections::HashMap;
use std::ops::Range;

use pulp::Simd;
use serde::{Deserialize, Serialize};

use super::builder::{self, NEGLIGIBLE};
use super::statistics::zhai_bound;
use super::strip::{Counted, RowState, Strip, bias_row};
use super::{HeadStatistics, Link, Mask, Problem, Request};
use crate::error::{Error, Result};
use crate::simd::{self, Columns, rows};

/// Before the first row.
const NOTHING: Range<usize> = Range { start: usize::MAX, end: 0 };

/// What all row groups of a problem read.
pub(crate) struct Shared<'a> {
    pub problem: &'a Problem<'a>,
    pub request: &'a Request,
    /// Keys of each token.
    positions: HashMap<u32, Vec<usize>>,
    classes: Vec<Members>,
    /// Hidden keys before j, per j in 0..=keys; empty if none is hidden.
    hidden_before: Vec<u32>,
    /// rising[x] = x and falling[x] = length - 1 - x: distances on either side of the query.
    rising: Vec<f32>,
    falling: Vec<f32>,
    /// First key of each pooled cell, and the end.
    cells: Vec<usize>,
}

/// A class of keys, in the form that is cheaper to sum over.
enum Members {
    Few(Vec<usize>),
    Many(Vec<f32>),
}

impl<'a> Shared<'a> {
    pub(crate) fn new(problem: &'a Problem<'a>, request: &'a Request) -> Self {
        let keys = problem.keys.rows;
        let classes = request.classes.iter().map(|class| {
            let few: Vec<usize> = (0..keys).filter(|&j| class.members[j]).collect();
            match few.len() * 8 < keys {
                true => Members::Few(few),
                false => Members::Many(class.members.iter().map(|&m| f32::from(u8::from(m))).collect()),
            }
        });
        let mut hidden_before = Vec::new();
        if !problem.modifiers.mask.hidden.is_empty() {
            hidden_before.push(0);
            for (j, &hidden) in problem.modifiers.mask.hidden.iter().enumerate() {
                hidden_before.push(hidden_before[j] + u32::from(hidden));
            }
        }
        let length = if request.extended { keys.max(problem.queries.rows + problem.modifiers.mask.offset) } else { 0 };
        let side = request.pooled.map_or(0, |side| side.min(problem.queries.rows).min(keys));
        Self {
            problem,
            request,
            positions: builder::positions_of(&request.tokens),
            classes: classes.collect(),
            hidden_before,
            rising: (0..length).map(|x| x as f32).collect(),
            falling: (0..length).rev().map(|x| x as f32).collect(),
            cells: (0..=side).map(|cell| if side == 0 { 0 } else { builder::cell_start(cell, side, keys) }).collect(),
        }
    }

    /// True if every key of a row's range is visible.
    fn plain(&self) -> bool {
        self.hidden_before.is_empty() && self.problem.modifiers.bias.is_none()
    }

    /// Number of keys of an interval that a row sees.
    fn visible(&self, head: usize, row: usize, keys: Range<usize>) -> usize {
        match bias_row(self.problem, head, row) {
            Some(_) => keys.filter(|&j| self.sees(head, row, j)).count(),
            None if self.hidden_before.is_empty() => keys.len(),
            None => keys.len() - (self.hidden_before[keys.end] - self.hidden_before[keys.start]) as usize,
        }
    }

    /// Does a row see a key of its range?
    fn sees(&self, head: usize, row: usize, key: usize) -> bool {
        super::strip::sees(self.problem, head, row, key)
    }
}

/// Sum of a row's weights over the keys of `keys` that lie in its range.
#[inline(always)]
fn sum_between<S: Simd>(s: S, e: &[f32], range: &Range<usize>, keys: Range<usize>) -> f64 {
    let (low, high) = (keys.start.max(range.start), keys.end.min(range.end));
    if low < high { simd::sum(s, &e[low - range.start..high - range.start]) } else { 0.0 }
}

/// Statistics of consecutive rows of one head, before they are joined with those of the other rows.
///
/// Workers on any number of threads, processes or machines compute one per row group ([`tiled::groups`](super::tiled::groups))
/// and [`join`](Partial::join) them in the order of the rows; joined group by group they have the same bits whoever
/// computed them. Over keys rows merge as [`Moments`](super::Moments).
///
/// Rows beyond the group that its statistics look back at (divergences at a lag) are read again, never exchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    head: usize,
    rows: Range<usize>,
    stats: HeadStatistics,
    /// Sums behind `pooled_mean`.
    pooled_sum: Vec<f32>,
    /// Change of the number of rows that see key j, from j - 1 to j.
    column_steps: Vec<i32>,
    /// Mass and enrichment of the current strip by j - p; entry `center` is j = p.
    #[serde(skip)]
    offset_mass: Vec<f32>,
    #[serde(skip)]
    offset_enrichment: Vec<f32>,
    #[serde(skip)]
    center: usize,
    /// Entries of those two that are not zero.
    #[serde(skip)]
    touched: Range<usize>,
}

impl Partial {
    pub(crate) fn new(shared: &Shared<'_>, head: usize, rows: Range<usize>) -> Self {
        let problem = shared.problem;
        let (n, m) = (problem.queries.rows, problem.keys.rows);
        let modifiers = &problem.modifiers;
        let mut stats = builder::blank(shared.request, modifiers.mask, (n, m), rows.len(), modifiers.sinks.is_some());
        // Means are known when all groups have joined.
        stats.pooled_mean = Vec::new();
        let cells = stats.pooled_side * stats.pooled_side;
        // The last position of the group: no key lies further back than that.
        let center = rows.end + modifiers.mask.offset;
        let first = rows.start + modifiers.mask.offset;
        let entries = center + m.saturating_sub(first) + 1;
        Self {
            head,
            rows,
            stats,
            pooled_sum: vec![0.0; cells],
            column_steps: vec![0; m + 1],
            offset_mass: vec![0.0; entries],
            offset_enrichment: vec![0.0; entries],
            center,
            touched: NOTHING,
        }
    }

    /// The head that it is of.
    pub fn head(&self) -> usize {
        self.head
    }

    /// The rows that it stands for.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Takes in some slots of a strip, in order.
    #[inline(always)]
    pub(crate) fn take<S: Simd>(&mut self, s: S, shared: &Shared<'_>, strip: &mut Strip, slots: Range<usize>) {
        let keys = strip.clear_slots(slots.clone());
        for slot in slots.clone() {
            match strip.states[slot] {
                RowState::Empty => self.empty(strip.first + slot),
                RowState::Invalid => self.invalid(shared, strip.first + slot, strip.ranges[slot].clone()),
                RowState::Counts(counted) => self.row(s, shared, strip, slot, counted),
            }
        }
        self.bin_distances();
        // Rows of one pooled cell at a time: usually the whole strip.
        let side = self.stats.pooled_side;
        let cell_of = |row: usize| match side {
            0 => 0,
            _ => ((row + 1) * side).div_ceil(shared.problem.queries.rows) - 1,
        };
        let mut from = slots.start;
        while from < slots.end {
            let cell = cell_of(strip.first + from);
            let mut to = from + 1;
            while to < slots.end && cell_of(strip.first + to) == cell {
                to += 1;
            }
            let rows: Vec<(&[f32], f32, f32)> = (from..to)
                .filter_map(|slot| match strip.states[slot] {
                    RowState::Counts(counted) => {
                        let scale = (1.0 / counted.z) as f32;
                        let n = self.stats.visible[strip.first + slot - self.rows.start] as f32;
                        let row = &strip.weights[slot * strip.stride..][keys.clone()];
                        Some((row, scale, scale * n))
                    }
                    _ => None,
                })
                .collect();
            let columns = Columns {
                first_key: keys.start,
                mass: &mut self.stats.column_mass[keys.clone()],
                enrichment: &mut self.stats.column_enrichment[keys.clone()],
                cells: if side == 0 { &[] } else { &shared.cells },
                cell_max: &mut self.stats.pooled_max[cell * side..(cell + 1) * side],
                cell_sum: &mut self.pooled_sum[cell * side..(cell + 1) * side],
            };
            simd::add_columns(s, &rows, columns);
            from = to;
        }
    }

    /// Moves what the strip added up by j - p into the distance bins.
    fn bin_distances(&mut self) {
        let width = self.stats.distance_bin_width;
        for at in self.touched.clone() {
            let bin = at.abs_diff(self.center) / width;
            self.stats.distance_mass[bin] += f64::from(self.offset_mass[at]);
            self.stats.distance_enrichment[bin] += f64::from(self.offset_enrichment[at]);
            self.offset_mass[at] = 0.0;
            self.offset_enrichment[at] = 0.0;
        }
        self.touched = NOTHING;
    }

    fn empty(&mut self, row: usize) {
        let at = row - self.rows.start;
        self.stats.empty_rows += 1;
        self.stats.log_sum_exp[at] = f32::NEG_INFINITY;
        self.stats.energy[at] = f32::INFINITY;
    }

    fn invalid(&mut self, shared: &Shared<'_>, row: usize, range: Range<usize>) {
        self.stats.invalid_rows += 1;
        self.stats.visible[row - self.rows.start] = shared.visible(self.head, row, range) as u32;
    }

    #[inline(always)]
    fn row<S: Simd>(&mut self, s: S, shared: &Shared<'_>, strip: &Strip, slot: usize, c: Counted) {
        let request = shared.request;
        let row = strip.first + slot;
        let at = row - self.rows.start;
        let position = row + shared.problem.modifiers.mask.offset;
        let range = strip.ranges[slot].clone();
        let e = strip.row(slot);
        let scale = 1.0 / c.z;
        let n = shared.visible(self.head, row, range.clone());
        let weight =
            |key: usize| if range.contains(&key) { (f64::from(e[key - range.start]) * scale) as f32 } else { 0.0 };
        let out = &mut self.stats;
        out.visible[at] = n as u32;
        out.log_sum_exp[at] = c.log_sum_exp as f32;
        out.energy[at] = c.energy as f32;
        let sink = 1.0 - c.moments.partition * scale;
        if !out.sink_mass.is_empty() {
            out.sink_mass[at] = sink as f32;
        }
        // Over the keys alone: what a sink takes is not part of the distribution's shape.
        out.entropy[at] = c.moments.entropy() as f32;
        out.participation[at] = c.moments.participation() as f32;
        out.forbidden_mass[at] = 0.0;

        let top = c.largest;
        let best = simd::find(s, e, top);
        out.peak[at] = (f64::from(top) * scale) as f32;
        out.argmax[at] = best.map_or(u32::MAX, |j| (range.start + j) as u32);
        out.self_mass[at] = weight(position);
        out.previous_mass[at] = position.checked_sub(1).map_or(0.0, weight);
        out.first_mass[at] = weight(0);
        let window = request.window;
        let local = (position + 1).saturating_sub(window)..position + window;
        out.window_mass[at] = (sum_between(s, e, &range, local) * scale) as f32;

        for (members, masses) in shared.classes.iter().zip(&mut out.class_mass) {
            let sum = match members {
                Members::Few(keys) => {
                    let from = keys.partition_point(|&j| j < range.start);
                    let to = keys.partition_point(|&j| j < range.end);
                    keys[from..to].iter().map(|&j| f64::from(e[j - range.start])).sum::<f64>()
                }
                Members::Many(indicator) => simd::dot(s, e, &indicator[range.clone()]),
            };
            masses[at] = (sum * scale) as f32;
        }
        if let Some(token) = request.tokens.get(position) {
            let keys = &shared.positions[token];
            let from = keys.partition_point(|&j| j < range.start);
            let to = keys.partition_point(|&j| j < range.end);
            let (mut sum, mut count) = (0.0, 0);
            for &j in keys[from..to].iter().filter(|&&j| j != position) {
                if shared.plain() || shared.sees(self.head, row, j) {
                    sum += f64::from(e[j - range.start]);
                    count += 1;
                }
            }
            out.same_token_mass[at] = (sum * scale) as f32;
            out.same_token_keys[at] = count;
        }

        // Distances are added up by j - p over the rows of a strip, and binned once a strip.
        let center = self.center;
        let by_offset = center + range.start - position..center + range.end - position;
        self.touched = self.touched.start.min(by_offset.start)..self.touched.end.max(by_offset.end);
        let (a, b) = (scale as f32, (scale * n as f64) as f32);
        simd::add_scaled(s, e, a, b, &mut self.offset_mass[by_offset.clone()], &mut self.offset_enrichment[by_offset]);
        for (bin, pairs) in out.distance_pairs.iter_mut().enumerate() {
            let width = out.distance_bin_width;
            let past = (position + 1).saturating_sub((bin + 1) * width)..(position + 1).saturating_sub(bin * width);
            let future = (position + bin * width).max(position + 1)..position + (bin + 1) * width;
            if past.end <= range.start && future.start >= range.end {
                break;
            }
            for side in [past, future] {
                let (low, high) = (side.start.max(range.start), side.end.min(range.end));
                if low < high {
                    *pairs += shared.visible(self.head, row, low..high) as u64;
                }
            }
        }
        let total = simd::sum(s, e) * scale;
        out.row_sum_error[at] = (total + if out.sink_mass.is_empty() { 0.0 } else { sink } - 1.0) as f32;

        match shared.problem.modifiers.bias {
            None => {
                self.column_steps[range.start] += 1;
                self.column_steps[range.end] -= 1;
            }
            Some(_) => range.clone().filter(|&j| shared.sees(self.head, row, j)).for_each(|j| {
                self.column_steps[j] += 1;
                self.column_steps[j + 1] -= 1;
            }),
        }

        if request.extended {
            out.score_spread[at] = c.spread as f32;
            out.entropy_bound[at] = zhai_bound(c.spread, n) as f32;
            if n >= 2 {
                let split = best.unwrap_or(0);
                let (left, right) = (&e[..split], &e[split + 1..]);
                let second = simd::max(s, left).max(simd::max(s, right));
                out.runner_up[at] = (f64::from(second) * scale) as f32;
                if out.runner_up[at] >= NEGLIGIBLE {
                    let found =
                        simd::find(s, left, second).or_else(|| simd::find(s, right, second).map(|j| split + 1 + j));
                    out.runner_up_key[at] = found.map_or(u32::MAX, |j| (range.start + j) as u32);
                }
            }
            let past = range.start..range.end.min(position + 1).max(range.start);
            let future = range.start.max(position + 1)..range.end;
            let mut distance = 0.0;
            if !past.is_empty() {
                let last = shared.falling.len() - 1;
                let d = &shared.falling[last - position + past.start..last - position + past.end];
                distance += simd::dot(s, &e[..past.len()], d);
            }
            if !future.is_empty() {
                let d = &shared.rising[future.start - position..future.end - position];
                distance += simd::dot(s, &e[future.start - range.start..], d);
            }
            out.mean_distance[at] = (distance / c.moments.partition) as f32;
        }

        if request.row_top > 0 {
            let from = at * request.row_top;
            let mut best: Vec<(f32, u32)> = Vec::with_capacity(request.row_top + 1);
            for (offset, &x) in e.iter().enumerate() {
                if x > 0.0 && (best.len() < request.row_top || x > best[best.len() - 1].0) {
                    let place = best.partition_point(|&(kept, _)| kept >= x);
                    best.insert(place, (x, (range.start + offset) as u32));
                    best.truncate(request.row_top);
                }
            }
            for (rank, &(x, key)) in best.iter().enumerate() {
                out.row_top_keys[from + rank] = key;
                out.row_top_weights[from + rank] = (f64::from(x) * scale) as f32;
            }
        }
        if request.links > 0 {
            // Once full, only a stronger link gets in: an equal one of a later row would lose the tie.
            let full = out.links.len() >= request.links;
            let weakest = if full { out.links[request.links - 1].weight } else { 0.0 };
            if out.peak[at] > weakest {
                let mut found: Vec<Link> = Vec::new();
                for (block, part) in e.chunks(64).enumerate() {
                    // Most blocks hold nothing strong enough.
                    if (f64::from(simd::max(s, part)) * scale) as f32 > weakest {
                        for (offset, &x) in part.iter().enumerate() {
                            let weight = (f64::from(x) * scale) as f32;
                            if weight > weakest {
                                let key = (range.start + block * 64 + offset) as u32;
                                found.push(Link { query: row as u32, key, weight });
                            }
                        }
                    }
                }
                builder::keep_strongest(&mut found, request.links);
                out.links.extend(found);
                builder::keep_strongest(&mut out.links, request.links);
            }
        }

        for (lag, divergences) in request.lags.iter().zip(&mut out.divergence) {
            let Some(earlier) = slot.checked_sub(*lag) else { continue };
            if !matches!(strip.states[earlier], RowState::Counts(_)) {
                continue;
            }
            let other = strip.ranges[earlier].clone();
            let common = range.start.max(other.start)..range.end.min(other.end);
            if common.start >= common.end {
                continue;
            }
            let shared_keys = |slot: usize| &strip.weights[slot * strip.stride..][common.clone()];
            let divergence = if shared.problem.modifiers.bias.is_some() {
                let wide = |slot: usize| shared_keys(slot).iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
                let seen = |row: usize| common.clone().map(|j| shared.sees(self.head, row, j)).collect::<Vec<bool>>();
                let (a, b) = (wide(slot), wide(earlier));
                builder::jensen_shannon((&a, &seen(row)), (&b, &seen(row - lag)))
            } else if shared.visible(self.head, row, common.clone()) < 2 {
                f64::NAN
            } else {
                rows::divergence(shared_keys(slot), shared_keys(earlier))
            };
            divergences[at] = divergence as f32;
        }
    }

    /// Gives back what only a running group needs.
    pub(crate) fn close(mut self) -> Self {
        (self.offset_mass, self.offset_enrichment) = (Vec::new(), Vec::new());
        (self.center, self.touched) = (0, 0..0);
        self
    }

    /// Takes in the rows that follow.
    ///
    /// # Errors
    /// `is_usage` for rows that do not follow, or of another head; `is_shape` for another problem or request.
    pub fn join(&mut self, other: Self) -> Result<()> {
        if self.head != other.head || self.rows.end != other.rows.start {
            return Err(Error::usage(format!(
                "partial: rows {:?} of head {} were given, but those after row {} of head {} are next; join groups in order",
                other.rows, other.head, self.rows.end, self.head
            )));
        }
        let shape = |p: &Self| {
            let s = &p.stats;
            (s.queries, s.keys, s.distance_mass.len(), s.pooled_side, s.class_mass.len(), s.divergence.len())
        };
        if shape(self) != shape(&other) || self.column_steps.len() != other.column_steps.len() {
            return Err(Error::shape("partial: the two are of different problems or requests"));
        }
        self.rows.end = other.rows.end;
        self.pooled_sum.iter_mut().zip(other.pooled_sum).for_each(|(x, y)| *x += y);
        self.column_steps.iter_mut().zip(other.column_steps).for_each(|(x, y)| *x += y);
        self.stats.join(other.stats);
        Ok(())
    }

    /// The statistics of the whole head, under the mask and request that they were computed with.
    ///
    /// # Errors
    /// `is_usage` if rows are missing.
    pub fn finish(mut self, mask: &Mask, request: &Request) -> Result<HeadStatistics> {
        let s = &mut self.stats;
        if self.rows != (0..s.queries) {
            return Err(Error::usage(format!(
                "partial: rows {:?} of {} queries; join the others first",
                self.rows, s.queries
            )));
        }
        builder::keep_strongest(&mut s.links, request.links);
        let mut rows = 0i64;
        for (j, count) in s.column_rows.iter_mut().enumerate() {
            rows += i64::from(self.column_steps[j]);
            *count = if mask.hides(j) { 0 } else { rows as u32 };
        }
        let side = s.pooled_side;
        s.pooled_mean = vec![0.0; side * side];
        for a in 0..side {
            let rows = builder::cell_start(a + 1, side, s.queries) - builder::cell_start(a, side, s.queries);
            for b in 0..side {
                let keys = builder::cell_start(b + 1, side, s.keys) - builder::cell_start(b, side, s.keys);
                s.pooled_mean[a * side + b] = self.pooled_sum[a * side + b] / (rows * keys) as f32;
            }
        }
        Ok(self.stats)
    }
}
