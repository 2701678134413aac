//! The engine to use: strips of rows in cache, register tiles, SIMD by run-time dispatch, threads over row groups.
//!
//! Each strip computes its scores once: the maximum is found while they are in cache, one exp gives weights and the
//! partition sum, and everything that needs the normaliser follows in short passes over the row. Nothing of size
//! N x N ever exists. Work is cut into row groups by the problem alone and partial sums are joined in that order, so
//! the answer has the same bits for any number of threads.

use std::borrow::Cow;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::packed::PackedKeys;
use super::partial::{Partial, Shared};
use super::strip::{RowState, Strip, sees, strip_rows};
use super::{Elements, HeadStatistics, Heads, Problem, Request, Retrieved, Separation, Summary};
use crate::error::{Error, Result};

/// Row groups a head, at most: enough to balance threads, few enough that partial sums stay small.
const GROUPS: usize = 16;

/// Rows of a group, at least.
const GROUP_ROWS: usize = 64;

/// One row group of one head.
#[derive(Debug, Clone)]
struct Task {
    head: usize,
    rows: Range<usize>,
}

/// The row groups that a problem of so many queries is cut into: a function of the problem, never of the workers.
pub fn groups(queries: usize) -> Vec<Range<usize>> {
    let groups = (queries / GROUP_ROWS).clamp(1, GROUPS);
    (0..groups).map(|g| g * queries / groups..(g + 1) * queries / groups).collect()
}

/// Cuts a problem into row groups, head by head.
fn tasks(problem: &Problem<'_>) -> Vec<Task> {
    let groups = groups(problem.queries.rows);
    (0..problem.queries.heads)
        .flat_map(|head| groups.iter().map(move |rows| Task { head, rows: rows.clone() }))
        .collect()
}

/// Runs `work` on every task with what it is given, the largest first, and returns the answers in the order of the tasks.
fn run<G: Send, T: Send>(
    problem: &Problem<'_>,
    tasks: &[Task],
    given: Vec<G>,
    work: impl Fn(&Task, G) -> T + Sync,
) -> Vec<T> {
    let keys = problem.keys.rows;
    let cost = |task: &Task| task.rows.clone().map(|row| problem.modifiers.mask.range(row, keys).len()).sum::<usize>();
    let costs: Vec<usize> = tasks.iter().map(cost).collect();
    let mut order: Vec<(usize, G)> = given.into_iter().enumerate().collect();
    order.sort_by_key(|&(at, _)| std::cmp::Reverse(costs[at]));
    let each = order.into_par_iter().with_max_len(1).map(|(at, given)| (at, work(&tasks[at], given)));
    let mut done: Vec<(usize, T)> = each.collect();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, answer)| answer).collect()
}

struct Pack<'a, 'b> {
    problem: &'a Problem<'b>,
    key_head: usize,
}

impl WithSimd for Pack<'_, '_> {
    type Output = PackedKeys;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> PackedKeys {
        PackedKeys::pack::<S>(self.problem, self.key_head)
    }
}

fn pack(problem: &Problem<'_>, arch: Arch) -> Vec<PackedKeys> {
    (0..problem.keys.heads).into_par_iter().map(|key_head| arch.dispatch(Pack { problem, key_head })).collect()
}

/// Values of one head, widened, and where they are not finite.
struct Values<'a> {
    numbers: Cow<'a, [f32]>,
    broken: Vec<bool>,
}

fn values<'a>(problem: &Problem<'a>) -> Vec<Values<'a>> {
    let Some(v) = problem.values else { return Vec::new() };
    (0..v.heads).into_par_iter().map(|head| Values::of(&v, head)).collect()
}

impl<'a> Values<'a> {
    /// Copied only where they must be widened, or hold what is no number.
    fn of(v: &Heads<'a>, head: usize) -> Self {
        let mut numbers = match v.elements {
            Elements::F32(all) => Cow::Borrowed(&all[head * v.rows * v.width..(head + 1) * v.rows * v.width]),
            _ => Cow::Owned(v.head(head)),
        };
        let mut broken = Vec::new();
        for j in 0..v.rows {
            let value = j * v.width..(j + 1) * v.width;
            if !numbers[value.clone()].iter().all(|x| x.is_finite()) {
                broken.resize(v.rows, false);
                broken[j] = true;
                numbers.to_mut()[value].fill(0.0);
            }
        }
        Self { numbers, broken }
    }
}

struct RetrieveTask<'a, 'b> {
    problem: &'a Problem<'b>,
    keys: &'a PackedKeys,
    values: Option<&'a Values<'b>>,
    task: &'a Task,
    answer: Answer<'a>,
}

/// The rows of an answer that a task writes.
struct Answer<'a> {
    output: &'a mut [f32],
    log_sum_exp: &'a mut [f32],
    energy: &'a mut [f32],
}

impl WithSimd for RetrieveTask<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { problem, keys, values, task, answer } = self;
        let width = problem.values.map_or(0, |v| v.width);
        let rows_a_strip = strip_rows(problem.keys.rows);
        let mut strip = Strip::new::<S>(problem, rows_a_strip);
        for start in task.rows.clone().step_by(rows_a_strip) {
            let rows = start..(start + rows_a_strip).min(task.rows.end);
            let first = start - task.rows.start;
            strip.fill(s, problem, keys, task.head, rows.clone(), 0);
            for slot in 0..rows.len() {
                let (lse, energy) = match strip.states[slot] {
                    RowState::Empty => (f64::NEG_INFINITY, f64::INFINITY),
                    RowState::Invalid => (f64::NAN, f64::NAN),
                    RowState::Counts(c) => (c.log_sum_exp, c.energy),
                };
                answer.log_sum_exp[first + slot] = lse as f32;
                answer.energy[first + slot] = energy as f32;
            }
            if let Some(values) = values {
                let output = &mut answer.output[first * width..(first + rows.len()) * width];
                project(problem, task.head, &mut strip, rows, values, width, output);
            }
        }
    }
}

/// output = weights x values for the rows of a strip; NaN where a row sees a value that is not a number.
fn project(
    problem: &Problem<'_>,
    head: usize,
    strip: &mut Strip,
    rows: Range<usize>,
    values: &Values<'_>,
    width: usize,
    output: &mut [f32],
) {
    sum_of_values(problem, head, strip, rows.clone(), values, width, output);
    for (slot, output) in output.chunks_exact_mut(width.max(1)).enumerate() {
        match strip.states[slot] {
            RowState::Invalid => output.fill(f32::NAN),
            RowState::Empty => {}
            RowState::Counts(c) => {
                let scale = (1.0 / c.z) as f32;
                output.iter_mut().for_each(|o| *o *= scale);
            }
        }
    }
}

/// output = e x values: the values before normalisation, of width at least one.
fn sum_of_values(
    problem: &Problem<'_>,
    head: usize,
    strip: &mut Strip,
    rows: Range<usize>,
    values: &Values<'_>,
    width: usize,
    output: &mut [f32],
) {
    let count = rows.len();
    let keys = strip.clear_outside(count);
    if !keys.is_empty() && width > 0 {
        // SAFETY: the three matrices lie within their slices: rows x keys of the strip from column `keys.start` on,
        // keys x width of the values, rows x width of the output; strides are in elements.
        unsafe {
            gemm::gemm(
                count,
                width,
                keys.len(),
                output.as_mut_ptr(),
                1,
                width as isize,
                false,
                strip.weights.as_ptr().add(keys.start),
                1,
                strip.stride as isize,
                values.numbers.as_ptr().add(keys.start * width),
                1,
                width as isize,
                0.0f32,
                1.0f32,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
    for (slot, row) in rows.enumerate() {
        let output = &mut output[slot * width..(slot + 1) * width];
        let mut range = strip.ranges[slot].clone();
        if !values.broken.is_empty() && range.any(|j| values.broken[j] && sees(problem, head, row, j)) {
            output.fill(f32::NAN);
        } else if strip.states[slot] == RowState::Empty {
            output.fill(0.0);
        }
    }
}

/// Retrieves: output, log-sum-exp and energy of every row.
///
/// # Accuracy
/// Weights carry the f32 rounding of their scores: about 6e-8 x |score| relative.
/// # Cost
/// O(n m d) time; keys and values once more, packed, and 1 MiB per thread in memory.
/// # Errors
/// As [`Problem::check`].
pub fn retrieve(problem: &Problem<'_>) -> Result<Retrieved> {
    problem.check()?;
    let arch = Arch::new();
    let keys = pack(problem, arch);
    let values = values(problem);
    let tasks = tasks(problem);
    let width = problem.values.map_or(0, |v| v.width);
    let mut answer = Retrieved::blank(problem.queries.heads, problem.queries.rows, width);
    let (mut output, mut log_sum_exp, mut energy) =
        (&mut answer.output[..], &mut answer.log_sum_exp[..], &mut answer.energy[..]);
    let mut parts = Vec::with_capacity(tasks.len());
    // Tasks are in the order of the answer's rows.
    for task in &tasks {
        let rows = task.rows.len();
        parts.push(Answer {
            output: output.split_off_mut(..rows * width).unwrap_or_default(),
            log_sum_exp: log_sum_exp.split_off_mut(..rows).unwrap_or_default(),
            energy: energy.split_off_mut(..rows).unwrap_or_default(),
        });
    }
    run(problem, &tasks, parts, |task, answer| {
        let key_head = problem.key_head(task.head);
        let (keys, values) = (&keys[key_head], values.get(key_head));
        arch.dispatch(RetrieveTask { problem, keys, values, task, answer });
    });
    Ok(answer)
}

struct SummariesTask<'a, 'b> {
    problem: &'a Problem<'b>,
    packed: &'a PackedKeys,
    values: Option<&'a Values<'b>>,
    head: usize,
    rows: Range<usize>,
    keys: Range<usize>,
}

impl WithSimd for SummariesTask<'_, '_> {
    type Output = Result<Vec<Summary>>;
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) -> Self::Output {
        let Self { problem, packed, values, head, rows, keys } = self;
        let width = problem.values.map_or(0, |v| v.width);
        let rows_a_strip = strip_rows(problem.keys.rows);
        let mut strip = Strip::new::<S>(problem, rows_a_strip.min(rows.len().max(1)));
        strip.within = keys;
        let mut summaries = Vec::with_capacity(rows.len());
        let mut output = vec![0.0f32; rows_a_strip * width];
        for start in rows.clone().step_by(rows_a_strip) {
            let part = start..(start + rows_a_strip).min(rows.end);
            strip.fill(s, problem, packed, head, part.clone(), 0);
            if let Some(values) = values.filter(|_| width > 0) {
                let output = &mut output[..part.len() * width];
                sum_of_values(problem, head, &mut strip, part.clone(), values, width, output);
            }
            for (slot, row) in part.enumerate() {
                summaries.push(match strip.states[slot] {
                    RowState::Empty => Summary::empty(),
                    RowState::Invalid => return Err(super::dense::invalid(head, row)),
                    RowState::Counts(c) => {
                        let mut moments = c.moments;
                        let seen = strip.ranges[slot].clone().filter(|&key| sees(problem, head, row, key));
                        moments.keys = seen.count() as u64;
                        let output = &output[slot * width..(slot + 1) * width];
                        Summary { moments, output: output.iter().map(|&o| o.into()).collect() }
                    }
                });
            }
        }
        Ok(summaries)
    }
}

/// The softmax summaries of some rows of a head over a range of keys: what workers with other keys merge with theirs.
///
/// Hidden keys and keys of score -inf are left out; a learned sink joins when all keys are in
/// ([`Moments::log_sum_exp`](super::Moments::log_sum_exp)).
///
/// # Cost
/// O(rows x keys x d) time; the keys of the head once more, packed.
/// # Errors
/// As [`Problem::check`]; `is_shape` if the head or the rows are not there; `is_usage` for another separation than softmax,
/// or an invalid row.
pub fn summarise(problem: &Problem<'_>, head: usize, rows: Range<usize>, keys: Range<usize>) -> Result<Vec<Summary>> {
    problem.check()?;
    problem.check_tile(head, &rows)?;
    if !matches!(problem.separation, Separation::Softmax { .. }) {
        return Err(Error::usage("summarise: only a softmax has mergeable summaries"));
    }
    let (arch, key_head) = (Arch::new(), problem.key_head(head));
    let packed = &arch.dispatch(Pack { problem, key_head });
    let values = problem.values.map(|values| Values::of(&values, key_head));
    arch.dispatch(SummariesTask { problem, packed, values: values.as_ref(), head, rows, keys })
}

struct WeightsTask<'a, 'b> {
    problem: &'a Problem<'b>,
    keys: &'a PackedKeys,
    head: usize,
    rows: Range<usize>,
    map: &'a mut Vec<f32>,
}

impl WithSimd for WeightsTask<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { problem, keys, head, rows, map } = self;
        let m = problem.keys.rows;
        // Every number is written once: zeroing the map first costs as much as filling it.
        map.clear();
        map.reserve(rows.len() * m);
        let rows_a_strip = strip_rows(m);
        let mut strip = Strip::new::<S>(problem, rows_a_strip.min(rows.len().max(1)));
        for start in rows.clone().step_by(rows_a_strip) {
            let part = start..(start + rows_a_strip).min(rows.end);
            strip.fill(s, problem, keys, head, part.clone(), 0);
            for slot in 0..part.len() {
                let end = map.len() + m;
                match strip.states[slot] {
                    RowState::Empty => {}
                    RowState::Invalid => map.resize(end, f32::NAN),
                    RowState::Counts(c) => {
                        let scale = (1.0 / c.z) as f32;
                        map.resize(map.len() + strip.ranges[slot].start, 0.0);
                        map.extend(strip.row(slot).iter().map(|e| e * scale));
                    }
                }
                map.resize(end, 0.0);
            }
        }
    }
}

/// The keys of one head, packed once for as many reads of its weights as one likes.
pub struct Packed {
    keys: PackedKeys,
    head: usize,
    /// Numbers of keys and their width.
    shape: (usize, usize),
}

impl Packed {
    /// Packs the keys that query head `head` sees.
    ///
    /// # Errors
    /// As [`Problem::check`]; `is_shape` if there is no such head.
    pub fn new(problem: &Problem<'_>, head: usize) -> Result<Self> {
        problem.check()?;
        problem.check_tile(head, &(0..0))?;
        let keys = Arch::new().dispatch(Pack { problem, key_head: problem.key_head(head) });
        Ok(Self { keys, head, shape: (problem.keys.rows, problem.keys.width) })
    }

    /// Puts the weights of some rows, [rows, keys], into `map`: zero where hidden, NaN in invalid rows.
    ///
    /// `problem` is the one whose keys were packed.
    /// # Errors
    /// `is_shape` if the rows are not there, or the problem is another.
    pub fn weights(&self, problem: &Problem<'_>, rows: Range<usize>, map: &mut Vec<f32>) -> Result<()> {
        problem.check_tile(self.head, &rows)?;
        if self.shape != (problem.keys.rows, problem.keys.width) {
            return Err(Error::shape("weights: these keys were packed for another problem"));
        }
        Arch::new().dispatch(WeightsTask { problem, keys: &self.keys, head: self.head, rows, map });
        Ok(())
    }
}

/// Weights of some rows of a head, [rows, keys]; zero where hidden, NaN in invalid rows.
///
/// # Errors
/// As [`Problem::check`]; `is_shape` if the head or the rows are not there.
pub fn weights(problem: &Problem<'_>, head: usize, rows: Range<usize>) -> Result<Vec<f32>> {
    let mut map = Vec::new();
    Packed::new(problem, head)?.weights(problem, rows, &mut map)?;
    Ok(map)
}

struct StatisticsTask<'a, 'b> {
    problem: &'a Problem<'b>,
    keys: &'a PackedKeys,
    shared: &'a Shared<'b>,
    task: &'a Task,
}

impl WithSimd for StatisticsTask<'_, '_> {
    type Output = Partial;
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) -> Partial {
        let Self { problem, keys, shared, task } = self;
        let request = shared.request;
        let rows_a_strip = strip_rows(problem.keys.rows);
        // Rows before the group that its first rows are compared with.
        let halo = request.lags.iter().copied().max().unwrap_or(0);
        let mut partial = Partial::new(shared, task.head, task.rows.clone());
        let mut strip = Strip::new::<S>(problem, halo + rows_a_strip);
        strip.wants_spread = request.extended;
        let mut filled = 0;
        let early = task.rows.start - halo.min(task.rows.start)..task.rows.start;
        strip.first = early.start;
        for start in early.clone().step_by(rows_a_strip) {
            let rows = start..(start + rows_a_strip).min(early.end);
            strip.fill(s, problem, keys, task.head, rows.clone(), filled);
            filled += rows.len();
        }
        for start in task.rows.clone().step_by(rows_a_strip) {
            let rows = start..(start + rows_a_strip).min(task.rows.end);
            let kept = filled.min(halo);
            strip.keep_last(filled, kept);
            strip.fill(s, problem, keys, task.head, rows.clone(), kept);
            filled = kept + rows.len();
            partial.take(s, shared, &mut strip, kept..filled);
        }
        partial.close()
    }
}

/// Statistics of every head.
///
/// # Cost
/// O(n m d) time, the scores computed once; O(n + m) memory per head and 1 to 3 MiB per thread.
/// # Errors
/// As [`Problem::check`] and [`Request::check`]; `is_usage` if the weights of the separation form no distribution.
pub fn statistics(problem: &Problem<'_>, request: &Request) -> Result<Vec<HeadStatistics>> {
    problem.check()?;
    problem.check_statistics(request)?;
    let arch = Arch::new();
    let keys = pack(problem, arch);
    let tasks = tasks(problem);
    let shared = Shared::new(problem, request);
    let parts = run(problem, &tasks, vec![(); tasks.len()], |task, ()| {
        let keys = &keys[problem.key_head(task.head)];
        arch.dispatch(StatisticsTask { problem, keys, shared: &shared, task })
    });
    let mut heads: Vec<Option<Partial>> = (0..problem.queries.heads).map(|_| None).collect();
    for (task, part) in tasks.iter().zip(parts) {
        match &mut heads[task.head] {
            Some(head) => head.join(part)?,
            empty => *empty = Some(part),
        }
    }
    let mask = problem.modifiers.mask;
    heads.into_iter().flatten().map(|head| head.finish(mask, request)).collect()
}

/// Statistics of one row group of one head: a worker's part of [`statistics`].
///
/// # Cost
/// As its share of [`statistics`], and the keys of the head once, packed.
/// # Errors
/// As [`statistics`]; `is_shape` if the head or the rows are not there.
pub fn partial(problem: &Problem<'_>, request: &Request, head: usize, rows: Range<usize>) -> Result<Partial> {
    problem.check()?;
    problem.check_statistics(request)?;
    problem.check_tile(head, &rows)?;
    let arch = Arch::new();
    let keys = arch.dispatch(Pack { problem, key_head: problem.key_head(head) });
    let shared = Shared::new(problem, request);
    Ok(arch.dispatch(StatisticsTask { problem, keys: &keys, shared: &shared, task: &Task { head, rows } }))
}
