//! The statistics by their definitions: one row of weights at a time, in f64.
//!
//! The reference engine and foreign maps go through here; the fast engine is held to it.

use super::statistics::{HeadStatistics, Link, Over, Request, When, zhai_bound};
use super::{Mask, Problem};
use std::collections::HashMap;

/// A row as the reference sees it.
pub(crate) struct Row<'a> {
    /// Weights over all keys, zero where hidden.
    pub weights: &'a [f64],
    /// May the row see the key?
    pub visible: &'a [bool],
    /// Modified scores over all keys, -inf where hidden; none for foreign maps.
    pub scores: Option<&'a [f64]>,
    /// Mass of a learned sink, if there is one.
    pub sink: Option<f64>,
    /// Log-sum-exp, sink included; NaN if unknown.
    pub log_sum_exp: f64,
    /// Energy; NaN if unknown.
    pub energy: f64,
}

/// Gathers rows, in order, into [`HeadStatistics`].
pub(crate) struct Builder<'a> {
    request: &'a Request,
    mask: &'a Mask,
    stats: HeadStatistics,
    positions: HashMap<u32, Vec<usize>>,
    /// Weights and visibility of earlier rows that a lag still needs; `None` for rows that do not count.
    history: Vec<Option<(Vec<f64>, Vec<bool>)>>,
}

/// A second weight below this names no key: which of many zeros comes first says nothing.
pub(crate) const NEGLIGIBLE: f32 = 1e-30;

/// First row or key of pooled cell `cell`.
pub(crate) fn cell_start(cell: usize, side: usize, length: usize) -> usize {
    cell * length / side
}

/// Width and number of distance bins.
pub(crate) fn distance_bins(bins: usize, queries: usize, keys: usize, offset: usize) -> (usize, usize) {
    let distances = keys.max(queries + offset).max(1);
    let width = distances.div_ceil(bins);
    (width, distances.div_ceil(width))
}

/// An answer with every per-row vector at its "no such row" value.
///
/// `rows` is the number of rows that the answer will hold: all the queries, or a group of them.
pub(crate) fn blank(
    request: &Request,
    mask: &Mask,
    (queries, keys): (usize, usize),
    rows: usize,
    sinks: bool,
) -> HeadStatistics {
    let (width, bins) = distance_bins(request.bins, queries, keys, mask.offset);
    let side = request.pooled.map_or(0, |side| side.min(queries).min(keys));
    let wanted = |when| match when {
        When::Always => true,
        When::Sinks => sinks,
        When::Extended => request.extended,
        When::Tokens => !request.tokens.is_empty(),
    };
    let members = |over| match over {
        Over::Class => request.classes.len(),
        Over::Lag => request.lags.len(),
    };
    let blank = HeadStatistics::blank_rows(rows, wanted, members);
    HeadStatistics {
        queries,
        keys,
        distance_bin_width: width,
        distance_mass: vec![0.0; bins],
        distance_enrichment: vec![0.0; bins],
        distance_pairs: vec![0; bins],
        column_mass: vec![0.0; keys],
        column_enrichment: vec![0.0; keys],
        column_rows: vec![0; keys],
        row_top_keys: vec![u32::MAX; rows * request.row_top],
        row_top_weights: vec![0.0; rows * request.row_top],
        pooled_side: side,
        pooled_max: vec![0.0; side * side],
        pooled_mean: vec![0.0; side * side],
        ..blank
    }
}

/// Keys of each token, ascending.
pub(crate) fn positions_of(tokens: &[u32]) -> HashMap<u32, Vec<usize>> {
    let mut positions: HashMap<u32, Vec<usize>> = HashMap::new();
    for (key, &token) in tokens.iter().enumerate() {
        positions.entry(token).or_default().push(key);
    }
    positions
}

/// Jensen-Shannon divergence of two rows of weights on the keys that both see, renormalised there, nats.
///
/// NaN if they share fewer than two keys or either has no mass there.
pub(crate) fn jensen_shannon(a: (&[f64], &[bool]), b: (&[f64], &[bool])) -> f64 {
    let common: Vec<usize> = (0..a.0.len()).filter(|&j| a.1[j] && b.1[j]).collect();
    let mass = |w: &[f64]| common.iter().map(|&j| w[j]).sum::<f64>();
    let (za, zb) = (mass(a.0), mass(b.0));
    if common.len() < 2 || !(za > 0.0 && zb > 0.0) {
        return f64::NAN;
    }
    let plogp = |p: f64| if p > 0.0 { p * p.ln() } else { 0.0 };
    let sum: f64 = common
        .iter()
        .map(|&j| {
            let (p, q) = (a.0[j] / za, b.0[j] / zb);
            0.5 * (plogp(p) + plogp(q)) - plogp(0.5 * (p + q))
        })
        .sum();
    sum.max(0.0)
}

impl<'a> Builder<'a> {
    pub(crate) fn new(request: &'a Request, mask: &'a Mask, queries: usize, keys: usize, sinks: bool) -> Self {
        let stats = blank(request, mask, (queries, keys), queries, sinks);
        Self { request, mask, stats, positions: positions_of(&request.tokens), history: Vec::new() }
    }

    pub(crate) fn for_problem(problem: &Problem<'a>, request: &'a Request) -> Self {
        let sinks = problem.modifiers.sinks.is_some();
        Self::new(request, problem.modifiers.mask, problem.queries.rows, problem.keys.rows, sinks)
    }

    /// A row that sees no key.
    pub(crate) fn empty_row(&mut self, row: usize) {
        self.stats.empty_rows += 1;
        self.stats.log_sum_exp[row] = f32::NEG_INFINITY;
        self.stats.energy[row] = f32::INFINITY;
        self.remember(row, None);
    }

    /// A row that sees `visible` keys and puts no mass on any: all of it is missing. It takes no part in any sum.
    pub(crate) fn massless_row(&mut self, row: usize, visible: usize) {
        self.stats.visible[row] = visible as u32;
        self.stats.row_sum_error[row] = -1.0;
        self.stats.forbidden_mass[row] = 0.0;
        self.remember(row, None);
    }

    /// A row whose scores are not all numbers.
    pub(crate) fn invalid_row(&mut self, row: usize, visible: usize) {
        self.stats.invalid_rows += 1;
        self.stats.visible[row] = visible as u32;
        self.remember(row, None);
    }

    /// A row that counts.
    pub(crate) fn row(&mut self, row: usize, seen: &Row<'_>) {
        let s = &mut self.stats;
        let keys = seen.weights.len();
        let position = row + self.mask.offset;
        let n = seen.visible.iter().filter(|&&v| v).count();
        let w = seen.weights;
        let total: f64 = w.iter().sum();
        let mass = |keep: &dyn Fn(usize) -> bool| (0..keys).filter(|&j| keep(j)).map(|j| w[j]).sum::<f64>();
        let at = |key: Option<usize>| key.filter(|&j| j < keys).map_or(0.0, |j| w[j]);

        s.visible[row] = n as u32;
        s.log_sum_exp[row] = seen.log_sum_exp as f32;
        s.energy[row] = seen.energy as f32;
        s.row_sum_error[row] = (total + seen.sink.unwrap_or(0.0) - 1.0) as f32;
        s.forbidden_mass[row] = mass(&|j| !seen.visible[j]) as f32;
        if let Some(sink) = seen.sink {
            s.sink_mass[row] = sink as f32;
        }
        let share = |j: usize| w[j] / total;
        s.entropy[row] = (0..keys).map(share).filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum::<f64>() as f32;
        s.participation[row] = (1.0 / (0..keys).map(share).map(|p| p * p).sum::<f64>()) as f32;

        let mut order: Vec<usize> = (0..keys).filter(|&j| seen.visible[j] || w[j] > 0.0).collect();
        let score = |j: usize| seen.scores.map_or(w[j], |scores| scores[j]);
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
        if let Some(&best) = order.first() {
            s.peak[row] = w[best] as f32;
            s.argmax[row] = best as u32;
        }
        if self.request.extended {
            if let Some(&second) = order.get(1) {
                s.runner_up[row] = w[second] as f32;
                if s.runner_up[row] >= NEGLIGIBLE {
                    s.runner_up_key[row] = second as u32;
                }
            }
            let distance = (0..keys).map(|j| w[j] * position.abs_diff(j) as f64).sum::<f64>() / total;
            s.mean_distance[row] = distance as f32;
            if let Some(scores) = seen.scores {
                let visible: Vec<f64> = (0..keys).filter(|&j| seen.visible[j]).map(|j| scores[j]).collect();
                let mean = visible.iter().sum::<f64>() / n as f64;
                let spread = visible.iter().map(|x| (x - mean).powi(2)).sum::<f64>().sqrt();
                s.score_spread[row] = spread as f32;
                s.entropy_bound[row] = zhai_bound(spread, n) as f32;
            }
        }

        s.self_mass[row] = at(Some(position)) as f32;
        s.previous_mass[row] = at(position.checked_sub(1)) as f32;
        s.first_mass[row] = at(Some(0)) as f32;
        s.window_mass[row] = mass(&|j| position.abs_diff(j) < self.request.window) as f32;
        if let Some(&token) = self.request.tokens.get(position) {
            let same = self.positions[&token].iter().filter(|&&j| j != position && seen.visible[j]);
            s.same_token_keys[row] = same.clone().count() as u32;
            s.same_token_mass[row] = same.map(|&j| w[j]).sum::<f64>() as f32;
        }
        for (class, masses) in self.request.classes.iter().zip(&mut s.class_mass) {
            masses[row] = mass(&|j| class.members[j]) as f32;
        }

        let side = s.pooled_side;
        let cell = |i: usize, length: usize| ((i + 1) * side).div_ceil(length).saturating_sub(1);
        for j in 0..keys {
            let bin = position.abs_diff(j) / s.distance_bin_width;
            s.distance_mass[bin] += w[j];
            s.distance_enrichment[bin] += n as f64 * w[j];
            s.distance_pairs[bin] += u64::from(seen.visible[j]);
            s.column_mass[j] += w[j];
            s.column_enrichment[j] += n as f64 * w[j];
            s.column_rows[j] += u32::from(seen.visible[j]);
            if side > 0 {
                let at = cell(row, s.queries) * side + cell(j, keys);
                s.pooled_max[at] = s.pooled_max[at].max(w[j] as f32);
                s.pooled_mean[at] += w[j] as f32;
            }
        }

        order.sort_by(|&a, &b| w[b].total_cmp(&w[a]).then(a.cmp(&b)));
        for (rank, &j) in order.iter().take(self.request.row_top).enumerate().filter(|&(_, &j)| w[j] > 0.0) {
            s.row_top_keys[row * self.request.row_top + rank] = j as u32;
            s.row_top_weights[row * self.request.row_top + rank] = w[j] as f32;
        }
        if self.request.links > 0 {
            let strongest = order.iter().take(self.request.links).filter(|&&j| w[j] > 0.0);
            s.links.extend(strongest.map(|&j| Link { query: row as u32, key: j as u32, weight: w[j] as f32 }));
            keep_strongest(&mut s.links, self.request.links);
        }

        for (lag, divergences) in self.request.lags.iter().zip(&mut s.divergence) {
            let earlier = row.checked_sub(*lag).and_then(|i| self.history[i].as_ref());
            if let Some((weights, visible)) = earlier {
                divergences[row] = jensen_shannon((w, seen.visible), (weights, visible)) as f32;
            }
        }
        self.remember(row, Some((w.to_vec(), seen.visible.to_vec())));
    }

    fn remember(&mut self, row: usize, kept: Option<(Vec<f64>, Vec<bool>)>) {
        debug_assert_eq!(row, self.history.len(), "rows come in order");
        self.history.push(if self.request.lags.is_empty() { None } else { kept });
        let longest = self.request.lags.iter().copied().max().unwrap_or(0);
        if let Some(old) = row.checked_sub(longest) {
            self.history[old] = None;
        }
    }

    pub(crate) fn finish(mut self) -> HeadStatistics {
        let s = &mut self.stats;
        let side = s.pooled_side;
        for a in 0..side {
            let rows = cell_start(a + 1, side, s.queries) - cell_start(a, side, s.queries);
            for b in 0..side {
                let keys = cell_start(b + 1, side, s.keys) - cell_start(b, side, s.keys);
                s.pooled_mean[a * side + b] /= (rows * keys) as f32;
            }
        }
        self.stats
    }
}

/// Sorts links, strongest first (ties: lower query, then key), and keeps the first `count`.
pub(crate) fn keep_strongest(links: &mut Vec<Link>, count: usize) {
    let order = |a: &Link, b: &Link| b.weight.total_cmp(&a.weight).then(a.query.cmp(&b.query)).then(a.key.cmp(&b.key));
    if links.len() > count {
        // A whole row may come at once: only what stays is sorted.
        if count > 0 {
            links.select_nth_unstable_by(count - 1, order);
        }
        links.truncate(count);
    }
    links.sort_unstable_by(order);
}
