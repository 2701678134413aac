//! The figures of one head on one input, from one side's map, and the divergence between two.

use std::sync::Arc;

use attractor::retrieve::HeadStatistics;
use attractor::rows::jensen_shannon;
use attractor_record::{Patterns, Strip, Walk};
use attractor_record::{Stack, Token};

use super::metric::Metric;
use super::reason::Fault;
use crate::detect::sink::{Column, Seen, strongest};
use crate::detect::{Detector, Labels};
use crate::measure::Geometry;
use attractor::{Error, Result};

/// One number a metric; `None`: it could not be taken.
pub(super) type Figures = [Option<f64>; Metric::ALL.len()];

/// Metrics that are a detector's score.
const DETECTED: [(Metric, Detector); 4] = [
    (Metric::Previous, Detector::Previous),
    (Metric::Induction, Detector::Induction),
    (Metric::Duplicate, Detector::Duplicate),
    (Metric::First, Detector::First),
];

/// What mask and tokens of one input say before any weight is seen.
pub(super) struct Place {
    pub geometry: Arc<Geometry>,
    pub seen: Seen,
    /// As in [`DETECTED`].
    labels: [Option<Labels>; DETECTED.len()],
    /// True of cross attention: its queries are no positions among the keys, so there is no distance.
    cross: bool,
}

impl Place {
    pub(super) fn of(geometry: Arc<Geometry>, tokens: &[Token], stack: Stack) -> Self {
        let cross = stack == Stack::Cross;
        let asked = |detector: Detector| !(cross && detector.is_of_positions());
        let labels = DETECTED.map(|(_, d)| if asked(d) { d.labels(&geometry, tokens) } else { None });
        Self { seen: Seen::of(&geometry), geometry, labels, cross }
    }
}

/// Sums over the rows of one map.
struct Tally<'a> {
    place: &'a Place,
    detected: [f64; DETECTED.len()],
    received: Vec<f64>,
    /// Sum of H / ln n over the rows that see two keys, and their number.
    entropy: (f64, usize),
    /// Sum of exp(H) over the same rows.
    effective_keys: f64,
    distance: f64,
    rows: usize,
}

impl<'a> Tally<'a> {
    fn new(place: &'a Place) -> Self {
        Self {
            place,
            detected: [0.0; DETECTED.len()],
            received: vec![0.0; place.geometry.keys],
            entropy: (0.0, 0),
            effective_keys: 0.0,
            distance: 0.0,
            rows: 0,
        }
    }

    /// Takes a row that is a distribution over its visible keys.
    fn row(&mut self, query: usize, row: &[f64]) {
        let g = &self.place.geometry;
        let p = g.position(query);
        let mut entropy = 0.0;
        for key in g.visible_keys(query) {
            let w = row[key];
            self.received[key] += w;
            self.distance += w * p.abs_diff(key) as f64;
            if w > 0.0 {
                entropy -= w * w.ln();
            }
        }
        self.rows += 1;
        if g.visible[query] >= 2 {
            self.effective_keys += entropy.exp();
            self.entropy.0 += entropy / f64::from(g.visible[query]).ln();
            self.entropy.1 += 1;
        }
        for (sum, labels) in self.detected.iter_mut().zip(&self.place.labels) {
            *sum += labels.as_ref().map_or(0.0, |labels| labels.of_row(query, row));
        }
    }

    fn finish(&self) -> Figures {
        let share = |sum: f64, count: usize| (count > 0).then(|| sum / count as f64);
        let mut figures = [None; Metric::ALL.len()];
        for (at, (metric, _)) in DETECTED.into_iter().enumerate() {
            let labels = self.place.labels[at].as_ref().filter(|_| self.rows > 0);
            figures[metric as usize] = labels.map(|labels| self.detected[at] / labels.rows());
        }
        figures[Metric::Entropy as usize] = share(self.entropy.0, self.entropy.1);
        figures[Metric::EffectiveKeys as usize] = share(self.effective_keys, self.entropy.1);
        figures[Metric::Distance as usize] = share(self.distance, self.rows).filter(|_| !self.place.cross);
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

/// What row statistics alone give, over the rows that have a value.
fn of_statistics(place: &Place, s: &HeadStatistics) -> Figures {
    let g = &place.geometry;
    let each = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let mean = |rows: Vec<f64>| crate::statistics::mean_of(rows.into_iter().filter(|x| !x.is_nan()));
    let normalised = |(row, h): (usize, f64)| match g.visible.get(row) {
        Some(&n) if n >= 2 => h / f64::from(n).ln(),
        _ => f64::NAN,
    };
    let mut figures = [None; Metric::ALL.len()];
    for (at, (metric, detector)) in DETECTED.into_iter().enumerate() {
        let mass = match detector {
            Detector::Previous => &s.previous_mass,
            Detector::First => &s.first_mass,
            _ => continue,
        };
        let labels = place.labels[at].as_ref().filter(|_| mass.len() == g.queries);
        figures[metric as usize] = labels.and_then(|labels| labels.of_rows(mass));
    }
    figures[Metric::Entropy as usize] = mean(each(&s.entropy).into_iter().enumerate().map(normalised).collect());
    let spread = |(row, h): (usize, f64)| if g.visible.get(row).is_some_and(|&n| n >= 2) { h.exp() } else { f64::NAN };
    figures[Metric::EffectiveKeys as usize] = mean(each(&s.entropy).into_iter().enumerate().map(spread).collect());
    figures[Metric::Distance as usize] = mean(each(&s.mean_distance));
    figures
}

fn next<'a>(walk: &'a mut Option<Walk<'_>>) -> Result<Option<Strip<'a>>> {
    walk.as_mut().map_or(Ok(None), Walk::next)
}

/// A head on an input, on both sides.
pub(super) struct Pair {
    /// The divergence stands in B's.
    pub figures: [Figures; 2],
    /// What every key receives; the sink is one position of all inputs.
    pub received: [Option<Vec<f64>>; 2],
    /// Why a side has none.
    pub unfit: [Option<Fault>; 2],
}

/// Figures of a head on an input, of both sides; the divergence stands in B's.
pub(super) fn pair(sides: [&dyn Patterns; 2], place: &Place, layer: usize, head: usize, input: usize) -> Result<Pair> {
    let g = &*place.geometry;
    let mut tallies = [Tally::new(place), Tally::new(place)];
    let mut walks = [Walk::of(sides[0], (layer, head), input)?, Walk::of(sides[1], (layer, head), input)?];
    let kept = walks.each_ref().map(Option::is_some);
    for (walk, name) in walks.iter().zip(["A", "B"]) {
        if let Some((queries, keys)) = walk.as_ref().map(Walk::shape).filter(|&shape| shape != (g.queries, g.keys)) {
            return Err(Error::format(format!(
                "diff: L{layer}H{head} of {name}, input {input}: {queries} x {keys} weights for {} rows of {} keys; the \
                 source contradicts its own shape",
                g.queries, g.keys
            )));
        }
    }
    // Rows that hold what is not a number.
    let mut broken = [0usize; 2];
    let mut divergence = (0.0, 0usize);
    let (mut a, mut b) = (vec![0.0; g.keys], vec![0.0; g.keys]);
    let [first, second] = &mut walks;
    loop {
        let strips = [next(first)?, next(second)?];
        let Some(rows) = strips.iter().flatten().map(|strip| strip.rows.clone()).next() else { break };
        let maps = strips.map(|strip| strip.map(|strip| &*strip.blocks[0]));
        for query in rows.clone() {
            let line = (query - rows.start) * g.keys..(query - rows.start + 1) * g.keys;
            let mut is = [false; 2];
            for (side, row) in [&mut a, &mut b].into_iter().enumerate() {
                let Some(weights) = maps[side].map(|map| &map[line.clone()]) else { continue };
                is[side] = distribution(g, query, weights, row);
                if is[side] {
                    tallies[side].row(query, row);
                } else if !weights.iter().all(|w| w.is_finite()) {
                    broken[side] += 1;
                }
            }
            if is == [true; 2]
                && let [Some(a), Some(b)] = maps
            {
                let seen = g.mask.range(query, g.keys);
                let cells = line.start + seen.start..line.start + seen.end;
                if let Some(js) = jensen_shannon(&a[cells.clone()], &b[cells], &g.keep[seen]) {
                    divergence.0 += js / std::f64::consts::LN_2;
                    divergence.1 += 1;
                }
            }
        }
    }
    let mut pair = Pair { figures: [[None; Metric::ALL.len()]; 2], received: [None, None], unfit: [None, None] };
    for (side, tally) in tallies.into_iter().enumerate() {
        if broken[side] > 0 {
            // The other rows alone are another head's figures.
            pair.unfit[side] = Some(Fault::Rows { broken: broken[side], rows: g.queries });
            continue;
        }
        if kept[side] {
            pair.figures[side] = tally.finish();
            pair.received[side] = (tally.rows > 0).then_some(tally.received);
        } else if let Some(s) = sides[side].statistics(layer, head, input)? {
            pair.figures[side] = of_statistics(place, &s);
            pair.received[side] = (s.column_mass.len() == g.keys && s.sink_mass.is_empty()).then_some(s.column_mass);
        }
        if pair.figures[side].iter().all(Option::is_none) {
            pair.unfit[side] = Some(match kept[side] {
                true => Fault::NoWeight,
                false => Fault::NothingKept,
            });
        }
    }
    if kept == [true; 2] && broken == [0; 2] && divergence.1 > 0 {
        pair.figures[1][Metric::Divergence as usize] = Some(divergence.0 / divergence.1 as f64);
    }
    Ok(pair)
}

/// The sink of one side: in every input, the mean attention to the position that receives most over all of them.
pub(super) fn set_sink(pairs: &mut [Pair], places: &[Place], side: usize) {
    // The same inputs for both, or the difference is one of inputs.
    let both: Vec<usize> =
        (0..pairs.len()).filter(|&input| pairs[input].received.iter().all(Option::is_some)).collect();
    let columns: Vec<Column<'_>> = both
        .iter()
        .map(|&input| Column {
            geometry: &places[input].geometry,
            seen: &places[input].seen,
            received: pairs[input].received[side].as_deref().unwrap_or_default(),
        })
        .collect();
    let Some(found) = strongest(&columns) else { return };
    for (input, score) in both.into_iter().zip(found.scores) {
        pairs[input].figures[side][Metric::Sink as usize] = Some(score);
    }
}
