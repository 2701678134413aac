//! What the detectors see of one head while its maps are walked.

use std::collections::BTreeMap;
use std::ops::Range;

use attractor::retrieve::HeadStatistics;
use attractor::rows;
use attractor_record::Patterns;

use super::labels::Labels;
use super::reason::Unmet;
use super::stage::{Chance, Stage, Within};
use super::{Detector, Options, Permutations};
use crate::measure::{Eye, Geometry, Row};
use crate::statistics::LabelSums;
use attractor::Result;

/// Keys at a time when what they receive is added up: what stays in the nearest cache.
const BLOCK: usize = 1024;

/// One head on all inputs.
pub(super) struct Observed {
    /// Why an input cannot be used.
    pub unfit: Vec<Option<Unmet>>,
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
    /// From what was seen of each input's map; `None` where it was not kept.
    pub(super) fn of(
        patterns: &dyn Patterns,
        stage: &Stage,
        options: &Options,
        (layer, head): (usize, usize),
        sights: Vec<Option<Sight<'_>>>,
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
        for (input, sight) in sights.into_iter().enumerate() {
            match sight {
                Some(sight) => observed.take(stage, input, sight),
                None => {
                    let statistics = patterns.statistics(layer, head, input)?;
                    observed.from_statistics(stage, input, statistics.as_ref());
                }
            }
        }
        Ok(observed)
    }

    /// Takes in what was seen of a map.
    fn take(&mut self, stage: &Stage, input: usize, sight: Sight<'_>) {
        if let Some(why) = sight.check.unfit(stage.geometry[input].queries) {
            self.unfit[input] = Some(why);
            return;
        }
        let received = sight.received.as_deref().unwrap_or(&[]);
        for (detector, owner, labels, mass) in sight.meetings {
            let score = match labels {
                Labels::Keys { .. } => labels.of_columns(received),
                Labels::Cells { .. } => mass / labels.rows(),
            };
            self.enter(detector, input, owner, score);
        }
        for (detector, _, within) in sight.within {
            let (observed, permuted) = within.sums();
            let permuted = permuted.to_vec();
            self.within.entry(detector).or_default().insert(input, Permutations { observed, permuted });
        }
        self.within_keys(stage, input, received);
        self.received[input] = sight.received;
        self.strongest[input] = sight.strongest;
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
                let permuted = rotations.shifts().map(|shift| score(&mut rotations.by(shift))).collect();
                self.within.entry(detector).or_default().insert(input, Permutations { observed, permuted });
            }
        }
    }

    /// What the row statistics alone tell.
    fn from_statistics(&mut self, stage: &Stage, input: usize, statistics: Option<&HeadStatistics>) {
        let Some(s) = statistics else {
            self.unfit[input] = Some(Unmet::Map);
            return;
        };
        let g = &*stage.geometry[input];
        if s.invalid_rows > 0 {
            self.unfit[input] = Some(Unmet::FiniteRows { broken: s.invalid_rows, rows: g.queries });
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

/// What the detectors take from one map as its rows pass by.
pub(crate) struct Sight<'a> {
    /// Labels that meet this pattern, whose they are, and their mass so far.
    meetings: Vec<(Detector, usize, &'a Labels, f64)>,
    /// Attention that every key receives, where somebody asks.
    received: Option<Vec<f64>>,
    /// The strongest key of every row, where somebody asks.
    strongest: Option<Vec<u32>>,
    /// Sums of the labels permuted within this input, and a row's share in the mean.
    within: Vec<(Detector, f32, LabelSums<'a>)>,
    check: Check,
}

impl<'a> Sight<'a> {
    /// What is to be taken from an input's map.
    pub(super) fn new(stage: &'a Stage, input: usize) -> Self {
        let g = &*stage.geometry[input];
        let mut meetings = Vec::new();
        for (&detector, labels) in &stage.labels {
            let partners = match stage.chance.get(&detector) {
                Some(Chance::Pairing(groups)) => groups.iter().find(|group| group.contains(&input)),
                _ => None,
            };
            let owners = partners.map_or(vec![input], Clone::clone);
            meetings.extend(owners.into_iter().filter_map(|t| Some((detector, t, labels[t].as_ref()?, 0.0))));
        }
        let within = stage.chance.iter().filter_map(|(&detector, chance)| match chance {
            Chance::Within { inputs, .. } => match inputs.get(&input) {
                Some(Within::Cells { labels, share }) => Some((detector, *share, LabelSums::new(labels, g.keys))),
                _ => None,
            },
            _ => None,
        });
        Self {
            meetings,
            received: stage.seen.get(input).map(|_| vec![0.0; g.keys]),
            strongest: stage.offsets.get(input).map(|_| Vec::with_capacity(g.queries)),
            within: within.collect(),
            check: Check::default(),
        }
    }
}

impl Eye for Sight<'_> {
    fn strip(&mut self, g: &Geometry, rows: Range<usize>, block: &[f32], facts: &[Row]) {
        self.check.rows(facts);
        for (_, _, labels, mass) in &mut self.meetings {
            *mass += labels.mass(block, rows.clone(), g.keys);
        }
        if let Some(strongest) = &mut self.strongest {
            let of = |row| {
                rows::dispatch(
                    #[inline(always)]
                    || rows::strongest(row),
                )
            };
            strongest.extend(block.chunks_exact(g.keys).map(of));
        }
        if let Some(received) = &mut self.received {
            for from in (0..g.keys).step_by(BLOCK) {
                for (query, row) in rows.clone().zip(block.chunks_exact(g.keys)) {
                    let range = g.mask.range(query, g.keys);
                    let keys = range.start.max(from)..range.end.min(from + BLOCK);
                    if !keys.is_empty() {
                        rows::dispatch(
                            #[inline(always)]
                            || rows::add_kept(&mut received[keys.clone()], &row[keys.clone()], &g.keep[keys], 1.0),
                        );
                    }
                }
            }
        }
        for (_, share, within) in &mut self.within {
            within.strip(rows.clone(), block, |_, _, weight| f64::from(weight * *share));
        }
    }
}

/// Whether a map is one at all.
#[derive(Default)]
struct Check {
    invalid: usize,
    empty: usize,
    lowest: f32,
}

impl Check {
    fn rows(&mut self, facts: &[Row]) {
        for row in facts {
            self.invalid += usize::from(!row.mass.is_finite());
            self.empty += usize::from(row.mass == 0.0);
            self.lowest = self.lowest.min(row.lowest);
        }
    }

    fn unfit(&self, rows: usize) -> Option<Unmet> {
        if self.invalid > 0 {
            return Some(Unmet::FiniteRows { broken: self.invalid, rows });
        }
        if self.empty >= rows {
            return Some(Unmet::VisibleKey);
        }
        (self.lowest < -1e-6).then_some(Unmet::Weights { lowest: self.lowest })
    }
}
