//! The definition: every score, weight and statistic of a retrieval in f64, one row at a time, no cleverness.
//!
//! Slow on purpose. `tiled` is the engine to use; this one says what the right answer is.

use std::ops::Range;

use super::builder::{Builder, Row};
use super::separation::separate;
use super::{HeadStatistics, Mask, Problem, Request, Retrieved, Separation, Summary};
use crate::error::{Error, Result};

/// One row of one head, by definition.
struct DenseRow {
    visible: Vec<bool>,
    scores: Vec<f64>,
    weights: Vec<f64>,
    sink: Option<f64>,
    log_sum_exp: f64,
    energy: f64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Counts,
    Empty,
    Invalid,
}

/// A head's vectors, widened.
struct Head {
    queries: Vec<f32>,
    keys: Vec<f32>,
    /// Is every number of a key finite?
    finite: Vec<bool>,
    values: Option<Vec<f32>>,
}

impl Head {
    fn of(problem: &Problem<'_>, head: usize) -> Self {
        let key_head = problem.key_head(head);
        let keys = problem.keys.head(key_head);
        let width = problem.keys.width;
        let is_finite = |key: usize| keys[key * width..(key + 1) * width].iter().all(|x| x.is_finite());
        Self {
            queries: problem.queries.head(head),
            finite: (0..problem.keys.rows).map(is_finite).collect(),
            keys,
            values: problem.values.as_ref().map(|v| v.head(key_head)),
        }
    }
}

fn row_of(problem: &Problem<'_>, vectors: &Head, head: usize, row: usize) -> DenseRow {
    let (m, d) = (problem.keys.rows, problem.keys.width);
    let modifiers = &problem.modifiers;
    let beta = f64::from(problem.separation.beta());
    let position = row + modifiers.mask.offset;
    let query = &vectors.queries[row * d..(row + 1) * d];
    let bias = |key: usize| {
        modifiers.bias.map_or(0.0, |bias| {
            let map = problem.queries.rows * m;
            let of_head = if bias.len() == map { 0 } else { head * map };
            f64::from(bias[of_head + row * m + key])
        })
    };

    let mut visible = vec![false; m];
    let mut scores = vec![f64::NEG_INFINITY; m];
    let mut invalid = false;
    let range = modifiers.mask.range(row, m);
    let mut alike = vec![0.0; range.len()];
    if !range.is_empty() {
        problem.similarity.scores(query, &vectors.keys[range.start * d..range.end * d], &mut alike);
    }
    for (j, alike) in range.zip(alike) {
        if modifiers.mask.hides(j) || bias(j) == f64::NEG_INFINITY {
            continue;
        }
        visible[j] = true;
        invalid |= !vectors.finite[j];
        let mut score = beta * alike;
        if let Some(cap) = modifiers.soft_cap {
            score = f64::from(cap) * (score / f64::from(cap)).tanh();
        }
        if let Some(slopes) = modifiers.alibi {
            score -= f64::from(slopes[head]) * position.abs_diff(j) as f64;
        }
        score += bias(j);
        // Scores are f32 quantities: one beyond f32 is an overflow in every engine.
        if score.abs() > f64::from(f32::MAX) {
            score = f64::INFINITY.copysign(score);
        }
        invalid |= score.is_nan() || score == f64::INFINITY;
        scores[j] = score;
    }
    let sees_any = visible.iter().any(|&v| v);
    invalid |= sees_any && !query.iter().all(|x| x.is_finite());
    let nothing = scores.iter().all(|&s| s == f64::NEG_INFINITY);
    let state = match (invalid, nothing) {
        (true, _) => State::Invalid,
        (false, true) => State::Empty,
        (false, false) => State::Counts,
    };
    let mut dense = DenseRow {
        visible,
        weights: vec![0.0; m],
        scores,
        sink: None,
        log_sum_exp: f64::NEG_INFINITY,
        energy: f64::INFINITY,
        state,
    };
    match state {
        State::Empty => {}
        State::Invalid => dense.weights.fill(f64::NAN),
        State::Counts => fill(problem, head, &mut dense),
    }
    dense
}

/// Fills weights, log-sum-exp and energy from the scores.
fn fill(problem: &Problem<'_>, head: usize, row: &mut DenseRow) {
    let sink = problem.modifiers.sinks.map(|sinks| f64::from(sinks[head]));
    let seen: Vec<usize> = (0..row.scores.len()).filter(|&j| row.scores[j] > f64::NEG_INFINITY).collect();
    let scores: Vec<f64> = seen.iter().map(|&j| row.scores[j]).collect();
    let separated = separate(problem.separation, &scores, sink);
    seen.iter().zip(separated.weights).for_each(|(&j, w)| row.weights[j] = w);
    row.log_sum_exp = separated.log_sum_exp;
    row.energy = separated.energy;
    row.sink = separated.sink;
}

/// Retrieves: output, log-sum-exp and energy of every row.
///
/// # Errors
/// As [`Problem::check`].
pub fn retrieve(problem: &Problem<'_>) -> Result<Retrieved> {
    problem.check()?;
    let (h, n) = (problem.queries.heads, problem.queries.rows);
    let width = problem.values.map_or(0, |v| v.width);
    let mut answer = Retrieved::blank(h, n, width);
    for head in 0..h {
        let vectors = Head::of(problem, head);
        for row in 0..n {
            let dense = row_of(problem, &vectors, head, row);
            let at = head * n + row;
            answer.log_sum_exp[at] = match dense.state {
                State::Invalid => f32::NAN,
                _ => dense.log_sum_exp as f32,
            };
            answer.energy[at] = if dense.state == State::Invalid { f32::NAN } else { dense.energy as f32 };
            let Some(values) = &vectors.values else { continue };
            let output = &mut answer.output[at * width..(at + 1) * width];
            let poisoned = (0..problem.keys.rows)
                .any(|j| dense.visible[j] && !values[j * width..(j + 1) * width].iter().all(|x| x.is_finite()));
            if poisoned || dense.state == State::Invalid {
                output.fill(f32::NAN);
                continue;
            }
            for (e, o) in output.iter_mut().enumerate() {
                *o = (0..problem.keys.rows)
                    .filter(|&j| dense.weights[j] != 0.0)
                    .map(|j| dense.weights[j] * f64::from(values[j * width + e]))
                    .sum::<f64>() as f32;
            }
        }
    }
    Ok(answer)
}

/// The softmax summary of one row over a range of keys, in f64: what [`tiled::summarise`](super::tiled::summarise) is held to.
///
/// Keys outside `keys`, hidden keys and keys of score -inf are left out; a learned sink joins when all keys are in
/// ([`Moments::log_sum_exp`](super::Moments::log_sum_exp)).
///
/// # Errors
/// As [`Problem::check`]; `is_usage` for another separation than softmax, or an invalid row.
pub fn summarise(problem: &Problem<'_>, head: usize, row: usize, keys: Range<usize>) -> Result<Summary> {
    problem.check()?;
    if !matches!(problem.separation, Separation::Softmax { .. }) {
        return Err(Error::usage("summarise: only a softmax has mergeable summaries"));
    }
    let vectors = Head::of(problem, head);
    let dense = row_of(problem, &vectors, head, row);
    if dense.state == State::Invalid {
        return Err(invalid(head, row));
    }
    let width = problem.values.map_or(0, |v| v.width);
    let seen: Vec<usize> = keys.filter(|&j| j < problem.keys.rows && dense.visible[j]).collect();
    let scores: Vec<f64> = seen.iter().map(|&j| dense.scores[j]).collect();
    let values: Vec<Vec<f64>> = match &vectors.values {
        None => Vec::new(),
        Some(v) => seen.iter().map(|&j| v[j * width..(j + 1) * width].iter().map(|&x| x.into()).collect()).collect(),
    };
    Ok(Summary::of(&scores, &values.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

/// A row that has no summary.
pub(super) fn invalid(head: usize, row: usize) -> Error {
    Error::usage(format!("summarise: row {row} of head {head} has a score that is not a number"))
}

/// Weights of some rows of a head, [rows, keys]; zero where hidden, NaN in invalid rows.
///
/// # Errors
/// As [`Problem::check`]; `is_shape` if the head or the rows are not there.
pub fn weights(problem: &Problem<'_>, head: usize, rows: Range<usize>) -> Result<Vec<f32>> {
    problem.check()?;
    problem.check_tile(head, &rows)?;
    let vectors = Head::of(problem, head);
    let mut weights = Vec::with_capacity(rows.len() * problem.keys.rows);
    for row in rows {
        weights.extend(row_of(problem, &vectors, head, row).weights.into_iter().map(|w| w as f32));
    }
    Ok(weights)
}

/// Statistics of every head.
///
/// # Errors
/// As [`Problem::check`] and [`Request::check`]; `is_usage` if the weights of the separation form no distribution.
pub fn statistics(problem: &Problem<'_>, request: &Request) -> Result<Vec<HeadStatistics>> {
    problem.check()?;
    problem.check_statistics(request)?;
    Ok((0..problem.queries.heads)
        .map(|head| {
            let vectors = Head::of(problem, head);
            let mut builder = Builder::for_problem(problem, request);
            for row in 0..problem.queries.rows {
                let dense = row_of(problem, &vectors, head, row);
                match dense.state {
                    State::Empty => builder.empty_row(row),
                    State::Invalid => builder.invalid_row(row, dense.visible.iter().filter(|&&v| v).count()),
                    State::Counts => builder.row(
                        row,
                        &Row {
                            weights: &dense.weights,
                            visible: &dense.visible,
                            scores: Some(&dense.scores),
                            sink: dense.sink,
                            log_sum_exp: dense.log_sum_exp,
                            energy: dense.energy,
                        },
                    ),
                }
            }
            builder.finish()
        })
        .collect())
}

/// Statistics of an imported map, `[queries, keys]`, under a mask that says where mass is allowed.
///
/// Log-sum-exp, energy and what needs scores are NaN. A row that holds a number outside [0, inf) is invalid; a row
/// that sees no key is empty, and so is one of padding that has no mass; one that sees keys and has no mass is short of all of it.
/// Rows need not sum to one: `row_sum_error` says by how much.
///
/// # Errors
/// `is_shape` if the map is not queries x keys, and as [`Request::check`] and [`Mask::check`].
pub fn of_weights(
    weights: &[f32],
    queries: usize,
    keys: usize,
    mask: &Mask,
    request: &Request,
) -> Result<HeadStatistics> {
    if queries.checked_mul(keys) != Some(weights.len()) {
        return Err(Error::shape(format!(
            "statistics: {} numbers do not make a map of {queries} queries x {keys} keys",
            weights.len()
        )));
    }
    mask.check(keys)?;
    request.check(keys)?;
    let mut builder = Builder::new(request, mask, queries, keys, false);
    for row in 0..queries {
        let w: Vec<f64> = weights[row * keys..(row + 1) * keys].iter().map(|&x| f64::from(x)).collect();
        let visible: Vec<bool> = (0..keys).map(|j| mask.admits(row, j, keys)).collect();
        if !w.iter().all(|&x| (0.0..f64::INFINITY).contains(&x)) {
            builder.invalid_row(row, visible.iter().filter(|&&v| v).count());
        } else if !w.iter().any(|&x| x > 0.0) {
            match visible.iter().filter(|&&v| v).count() {
                0 => builder.empty_row(row),
                _ if mask.is_padding(row) => builder.empty_row(row),
                seen => builder.massless_row(row, seen),
            }
        } else {
            let (sink, nan) = (None, f64::NAN);
            let seen = Row { weights: &w, visible: &visible, scores: None, sink, log_sum_exp: nan, energy: nan };
            builder.row(row, &seen);
        }
    }
    Ok(builder.finish())
}
