//! The figures of one head on one input, from one side's map, and the divergence between two.

use attractor::retrieve::HeadStatistics;
use attractor_capture::{Patterns, strips};

use super::metric::Metric;
use crate::error::{Error, Result};
use crate::measure::Geometry;

/// One number a metric; `None`: it could not be taken.
pub(super) type Figures = [Option<f64>; Metric::ALL.len()];

/// Sums over the rows of one map.
struct Tally<'a> {
    g: &'a Geometry,
    previous: (f64, usize),
    induction: f64,
    duplicate: (f64, usize),
    columns: Vec<f64>,
    column_rows: Vec<u32>,
    entropy: (f64, f64, usize),
    distance: (f64, f64),
}

impl<'a> Tally<'a> {
    fn new(g: &'a Geometry) -> Self {
        Self {
            g,
            previous: (0.0, 0),
            induction: 0.0,
            duplicate: (0.0, 0),
            columns: vec![0.0; g.keys],
            column_rows: vec![0; g.keys],
            entropy: (0.0, 0.0, 0),
            distance: (0.0, 0.0),
        }
    }

    /// Takes a row that is a distribution over its visible keys.
    fn row(&mut self, query: usize, row: &[f64]) {
        let (g, p) = (self.g, self.g.position(query));
        let mut log_sum = 0.0;
        for key in g.visible_keys(query) {
            let w = row[key];
            self.columns[key] += w;
            self.column_rows[key] += 1;
            self.distance.0 += w * p.abs_diff(key) as f64;
            if w > 0.0 {
                log_sum -= w * w.ln();
            }
        }
        self.distance.1 += 1.0;
        if g.visible[query] >= 2 {
            self.entropy.0 += log_sum / f64::from(g.visible[query]).ln();
            self.entropy.1 += log_sum.exp();
            self.entropy.2 += 1;
        }
        if p > 0 && g.mask.admits(query, p - 1, g.keys) {
            self.previous.0 += row[p - 1];
            self.previous.1 += 1;
        }
        self.induction += g.induction.row(query).iter().map(|&key| row[key as usize]).sum::<f64>();
        let earlier: Vec<usize> = g.same.row(query).iter().map(|&key| key as usize).filter(|&key| key < p).collect();
        if !earlier.is_empty() {
            self.duplicate.0 += earlier.iter().map(|&key| row[key]).sum::<f64>();
            self.duplicate.1 += 1;
        }
    }

    fn finish(&self) -> Figures {
        let share = |sum: f64, count: usize| (count > 0).then(|| sum / count as f64);
        let column = |key: usize| self.columns[key] / f64::from(self.column_rows[key]);
        let half = self.g.queries.div_ceil(2).max(1);
        let seen = (0..self.g.keys).filter(|&key| self.column_rows[key] as usize >= half);
        let mut figures = [None; Metric::ALL.len()];
        let mut set = |metric: Metric, value: Option<f64>| figures[metric as usize] = value;
        set(Metric::Previous, share(self.previous.0, self.previous.1));
        set(Metric::Induction, share(self.induction, self.g.induction.rows()));
        set(Metric::Duplicate, share(self.duplicate.0, self.duplicate.1));
        set(Metric::First, (self.column_rows.first().is_some_and(|&rows| rows > 0)).then(|| column(0)));
        set(Metric::Sink, seen.map(column).reduce(f64::max));
        set(Metric::Entropy, share(self.entropy.0, self.entropy.2));
        set(Metric::EffectiveKeys, share(self.entropy.1, self.entropy.2));
        set(Metric::Distance, (self.distance.1 > 0.0).then(|| self.distance.0 / self.distance.1));
        figures
    }
}

/// A row as a distribution over the visible keys; false where it is none.
fn distribution(g: &Geometry, query: usize, weights: &[f32], row: &mut [f64]) -> bool {
    row.fill(0.0);
    let mut sum = 0.0;
    for key in g.visible_keys(query) {
        row[key] = f64::from(weights[key]);
        sum += row[key];
    }
    // Negated, so that a NaN is no sum.
    if !(sum > 0.0 && sum.is_finite()) {
        return false;
    }
    row.iter_mut().for_each(|w| *w /= sum);
    true
}

/// JS divergence of two distributions over the same keys, nats; exactly zero for equal ones.
fn jensen_shannon(a: &[f64], b: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (&x, &y) in a.iter().zip(b).filter(|(x, y)| x != y) {
        let middle = (x + y) / 2.0;
        sum += if x > 0.0 { x * (x / middle).ln() } else { 0.0 };
        sum += if y > 0.0 { y * (y / middle).ln() } else { 0.0 };
    }
    (sum / 2.0).max(0.0)
}

/// What row statistics alone give, over the rows that have a value.
fn of_statistics(g: &Geometry, s: &HeadStatistics) -> Figures {
    let mean = |rows: &mut dyn Iterator<Item = f64>| crate::statistics::mean_of(rows.filter(|x| !x.is_nan()));
    let each = |x: &'_ [f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let sees_two = |row: &usize| g.visible.get(*row).is_some_and(|&n| n >= 2);
    let entropy = || (0..s.entropy.len()).filter(sees_two).map(|row| (row, f64::from(s.entropy[row])));
    let previous = (0..s.previous_mass.len())
        .filter(|&i| g.position(i) > 0 && g.mask.admits(i, g.position(i) - 1, g.keys))
        .map(|i| f64::from(s.previous_mass[i]));
    let mut figures = [None; Metric::ALL.len()];
    let mut set = |metric: Metric, value: Option<f64>| figures[metric as usize] = value;
    set(Metric::Previous, mean(&mut { previous }));
    set(Metric::First, mean(&mut each(&s.first_mass).into_iter()));
    set(Metric::Entropy, mean(&mut entropy().map(|(row, h)| h / f64::from(g.visible[row]).ln())));
    set(Metric::EffectiveKeys, mean(&mut entropy().map(|(_, h)| h.exp())));
    set(Metric::Distance, mean(&mut each(&s.mean_distance).into_iter()));
    figures
}

/// A head on an input, on both sides.
pub(super) struct Pair {
    /// The divergence stands in B's.
    pub figures: [Figures; 2],
    /// Why a side has none.
    pub unfit: [Option<String>; 2],
}

/// Figures of a head on an input, of both sides; the divergence stands in B's.
pub(super) fn pair(sides: [&dyn Patterns; 2], g: &Geometry, layer: usize, head: usize, input: usize) -> Result<Pair> {
    let mut tallies = [Tally::new(g), Tally::new(g)];
    let mut kept = [true; 2];
    // Rows that hold what is no number.
    let mut broken = [0usize; 2];
    let mut divergence = (0.0, 0usize);
    let (mut a, mut b) = (vec![0.0; g.keys], vec![0.0; g.keys]);
    for rows in strips(0..g.queries, g.keys) {
        let mut maps = [None, None];
        for (side, map) in maps.iter_mut().enumerate() {
            if !kept[side] {
                continue;
            }
            *map = sides[side].weights(layer, head, input, rows.clone())?;
            match map {
                Some(weights) if weights.len() != rows.len() * g.keys => {
                    return Err(Error::source(format!(
                        "diff: L{layer}H{head} of {}, input {input}: {} weights for {} rows of {} keys; the source \
                         contradicts its own shape",
                        ["A", "B"][side],
                        weights.len(),
                        rows.len(),
                        g.keys
                    )));
                }
                map => kept[side] = map.is_some(),
            }
        }
        for query in rows.clone() {
            let line = (query - rows.start) * g.keys..(query - rows.start + 1) * g.keys;
            let mut is = [false; 2];
            for (side, row) in [&mut a, &mut b].into_iter().enumerate() {
                is[side] = maps[side].as_ref().is_some_and(|map| distribution(g, query, &map[line.clone()], row));
                if is[side] {
                    tallies[side].row(query, row);
                } else if maps[side].as_ref().is_some_and(|map| !map[line.clone()].iter().all(|w| w.is_finite())) {
                    broken[side] += 1;
                }
            }
            if is == [true; 2] {
                divergence.0 += jensen_shannon(&a, &b) / std::f64::consts::LN_2;
                divergence.1 += 1;
            }
        }
    }
    let mut pair = Pair { figures: [[None; Metric::ALL.len()]; 2], unfit: [None, None] };
    for side in 0..2 {
        pair.figures[side] = match kept[side] {
            true => tallies[side].finish(),
            false => {
                sides[side].statistics(layer, head, input)?.map_or([None; Metric::ALL.len()], |s| of_statistics(g, &s))
            }
        };
        if broken[side] > 0 {
            // The other rows alone are another head's figures.
            pair.figures[side] = [None; Metric::ALL.len()];
            pair.unfit[side] = Some(format!("{} of {} rows hold what is no number", broken[side], g.queries));
        } else if pair.figures[side].iter().all(Option::is_none) {
            pair.unfit[side] = Some(match kept[side] {
                true => "no row has any weight on two keys or more".to_string(),
                false => "neither its map nor its statistics were kept".to_string(),
            });
        }
    }
    if kept == [true; 2] && broken == [0; 2] && divergence.1 > 0 {
        pair.figures[1][Metric::Divergence as usize] = Some(divergence.0 / divergence.1 as f64);
    }
    Ok(pair)
}
