//! What the detectors see of one head: one pass over its maps, row block by row block.

use std::collections::BTreeMap;

use attractor::retrieve::HeadStatistics;
use attractor_record::{Patterns, strips};

use super::labels::Labels;
use super::stage::{Chance, Stage, Within};
use super::{Detector, Options, Permutations};
use crate::measure::{CACHE, Geometry, fetch, vector};
use attractor::Result;

/// One head on all inputs.
pub(super) struct Observed {
    /// Why an input cannot be used.
    pub unfit: Vec<Option<String>>,
    /// Score with the input's own labels, [detector][input].
    pub own: BTreeMap<Detector, Vec<Option<f64>>>,
    /// Score of pattern s with the labels of input t, [s x inputs + t]; NaN where they are not paired.
    pub crossed: BTreeMap<Detector, Vec<f64>>,
    /// Score under the permutations within an input, and as observed.
    pub within: BTreeMap<Detector, BTreeMap<usize, Permutations>>,
    /// Attention that every key receives, by input.
    pub received: Vec<Option<Vec<f64>>>,
    /// The strongest key of every row, by input.
    pub strongest: Vec<Option<Vec<u32>>>,
}

impl Observed {
    pub(super) fn of(
        patterns: &dyn Patterns,
        stage: &Stage,
        options: &Options,
        (layer, head): (usize, usize),
    ) -> Result<Self> {
        let inputs = stage.geometry.len();
        let labelled = |d: &Detector| stage.labels.contains_key(d);
        let mut observed = Self {
            unfit: vec![None; inputs],
            own: options.detectors.iter().filter(|d| labelled(d)).map(|&d| (d, vec![None; inputs])).collect(),
            crossed: stage
                .chance
                .iter()
                .filter(|(_, chance)| matches!(chance, Chance::Pairing(_)))
                .map(|(&d, _)| (d, vec![f64::NAN; inputs * inputs]))
                .collect(),
            within: BTreeMap::new(),
            received: vec![None; inputs],
            strongest: vec![None; inputs],
        };
        for input in 0..inputs {
            if !observed.from_map(patterns, stage, (layer, head), input)? {
                let statistics = patterns.statistics(layer, head, input)?;
                observed.from_statistics(stage, input, statistics.as_ref());
            }
        }
        Ok(observed)
    }

    /// Reads a map; `false` if it was not kept.
    fn from_map(
        &mut self,
        patterns: &dyn Patterns,
        stage: &Stage,
        place: (usize, usize),
        input: usize,
    ) -> Result<bool> {
        let g = &*stage.geometry[input];
        let whole = g.queries.saturating_mul(g.keys) <= CACHE;
        // Which labels meet this pattern: [detector][owner of the labels].
        let mut meets: Vec<(Detector, usize, &Labels, f64)> = Vec::new();
        for (&detector, labels) in &stage.labels {
            let partners = match stage.chance.get(&detector) {
                Some(Chance::Pairing(groups)) => groups.iter().find(|group| group.contains(&input)),
                _ => None,
            };
            let owners = partners.map_or(vec![input], Clone::clone);
            meets.extend(owners.into_iter().filter_map(|t| Some((detector, t, labels[t].as_ref()?, 0.0))));
        }
        let columns = stage.seen.get(input).is_some();
        let positional = stage.offsets.get(input).is_some();
        let mut received = vec![0.0f64; if columns { g.keys } else { 0 }];
        let mut strongest = Vec::with_capacity(g.queries);
        let mut check = Check::default();
        let parts = if whole { vec![0..g.queries] } else { strips(0..g.queries, g.keys).collect() };
        for rows in parts {
            let Some(mut block) = fetch(patterns, place, input, rows.clone(), g.keys)? else { return Ok(false) };
            check.rows(&block, g);
            g.normalise(&mut block, rows.clone());
            for (_, _, labels, score) in &mut meets {
                *score += labels.part(&block, rows.clone(), g.keys);
            }
            if positional {
                strongest.extend(block.chunks_exact(g.keys.max(1)).map(strongest_of));
            }
            if columns {
                for row in block.chunks_exact(g.keys.max(1)) {
                    vector::dispatch(
                        #[inline(always)]
                        || vector::add_kept(&mut received, row, &g.keep, 1.0),
                    );
                }
            }
            if whole {
                self.within_cells(stage, input, &block);
            }
        }
        if let Some(why) = check.unfit(g.queries) {
            self.unfit[input] = Some(why);
            return Ok(true);
        }
        for (detector, owner, labels, score) in meets {
            let score = if matches!(labels, Labels::Keys { .. }) { labels.of_columns(&received) } else { score };
            self.enter(detector, input, owner, score);
        }
        self.within_keys(stage, input, &received);
        self.received[input] = columns.then_some(received);
        self.strongest[input] = positional.then_some(strongest);
        Ok(true)
    }

    fn enter(&mut self, detector: Detector, input: usize, owner: usize, score: f64) {
        let inputs = self.unfit.len();
        if let Some(crossed) = self.crossed.get_mut(&detector) {
            crossed[input * inputs + owner] = score;
        }
        if owner == input
            && let Some(own) = self.own.get_mut(&detector)
        {
            own[input] = Some(score);
        }
    }

    fn within_cells(&mut self, stage: &Stage, input: usize, map: &[f32]) {
        for (&detector, chance) in &stage.chance {
            if let Chance::Within { inputs, .. } = chance
                && let Some(Within::Cells(relabelling)) = inputs.get(&input)
            {
                let (observed, permuted) = relabelling.sums(map);
                self.within.entry(detector).or_default().insert(input, Permutations { observed, permuted });
            }
        }
    }

    /// Rotations compare what keys receive beyond uniform: early keys of a causal map are seen by more rows.
    fn within_keys(&mut self, stage: &Stage, input: usize, received: &[f64]) {
        for (&detector, chance) in &stage.chance {
            if let Chance::Within { inputs, .. } = chance
                && let Some(Within::Keys { rotations, rows }) = inputs.get(&input)
                && let Some(Some(Labels::Keys { members, .. })) = stage.labels.get(&detector).map(|l| &l[input])
            {
                let beyond: Vec<f64> = received.iter().zip(&stage.seen[input].uniform).map(|(r, u)| r - u).collect();
                let uniform = members.iter().map(|&key| stage.seen[input].uniform[key]).sum::<f64>();
                let score =
                    |keys: &mut dyn Iterator<Item = usize>| (uniform + keys.map(|key| beyond[key]).sum::<f64>()) / rows;
                let observed = score(&mut members.iter().copied());
                let permuted = rotations.iter().map(|r| score(&mut r.iter().map(|&key| key as usize))).collect();
                self.within.entry(detector).or_default().insert(input, Permutations { observed, permuted });
            }
        }
    }

    /// What the row statistics alone tell.
    fn from_statistics(&mut self, stage: &Stage, input: usize, statistics: Option<&HeadStatistics>) {
        let Some(s) = statistics else {
            self.unfit[input] = Some("neither its map nor its statistics were kept".into());
            return;
        };
        let g = &*stage.geometry[input];
        if s.invalid_rows > 0 {
            self.unfit[input] = Some(format!("{} of {} rows are not finite numbers", s.invalid_rows, g.queries));
            return;
        }
        // Shares of what falls on keys: a learned sink's part is nobody's.
        let of_keys = |row: usize| 1.0 - s.sink_mass.get(row).copied().filter(|m| !m.is_nan()).unwrap_or(0.0);
        for (detector, mass) in [
            (Detector::Previous, &s.previous_mass),
            (Detector::Current, &s.self_mass),
            (Detector::First, &s.first_mass),
        ] {
            let labels = stage.labels.get(&detector).and_then(|labels| labels[input].as_ref());
            if let Some(labels) = labels.filter(|_| mass.len() == g.queries) {
                let mass: Vec<f32> = mass.iter().enumerate().map(|(row, m)| m / of_keys(row)).collect();
                if let Some(score) = labels.of_rows(&mass) {
                    self.enter(detector, input, input, score);
                }
            }
        }
        if stage.seen.get(input).is_some() && s.column_mass.len() == g.keys && s.sink_mass.is_empty() {
            if let Some(Some(labels)) = stage.labels.get(&Detector::Delimiter).map(|labels| &labels[input]) {
                self.enter(Detector::Delimiter, input, input, labels.of_columns(&s.column_mass));
            }
            self.within_keys(stage, input, &s.column_mass);
            self.received[input] = Some(s.column_mass.clone());
            if let (Some(Chance::Pairing(groups)), Some(labels)) =
                (stage.chance.get(&Detector::Delimiter), stage.labels.get(&Detector::Delimiter))
                && let Some(group) = groups.iter().find(|group| group.contains(&input))
            {
                for &owner in group {
                    if let Some(labels) = &labels[owner] {
                        self.enter(Detector::Delimiter, input, owner, labels.of_columns(&s.column_mass));
                    }
                }
            }
        }
        if s.argmax.len() == g.queries {
            self.strongest[input] = Some(s.argmax.clone());
        }
    }
}

/// The lowest key of the largest weight; `u32::MAX` for a row without mass.
fn strongest_of(row: &[f32]) -> u32 {
    let mut best = (0.0f32, u32::MAX);
    for (key, &w) in row.iter().enumerate() {
        if w > best.0 {
            best = (w, key as u32);
        }
    }
    best.1
}

/// Whether a map is one at all.
#[derive(Default)]
struct Check {
    invalid: usize,
    empty: usize,
    lowest: f32,
}

impl Check {
    fn rows(&mut self, block: &[f32], g: &Geometry) {
        for row in block.chunks_exact(g.keys.max(1)) {
            let (mass, lowest) = vector::dispatch(
                #[inline(always)]
                || vector::mass(row),
            );
            self.invalid += usize::from(!mass.is_finite());
            self.empty += usize::from(mass == 0.0);
            self.lowest = self.lowest.min(lowest);
        }
    }

    fn unfit(&self, rows: usize) -> Option<String> {
        if self.invalid > 0 {
            return Some(format!("{} of {rows} rows are not finite numbers", self.invalid));
        }
        if self.empty >= rows {
            return Some("no row sees a key".into());
        }
        (self.lowest < -1e-6)
            .then(|| format!("a weight is negative ({:.3e}): these are no attention weights", self.lowest))
    }
}
