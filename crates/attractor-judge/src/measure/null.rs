//! Null of the repetition contrast: what would these patterns reach with tokens that are not theirs?
//!
//! Several inputs of one shape: patterns are paired with the other inputs' tokens, which keeps every pattern's
//! sharpness, sinks and locality. Otherwise the labels "same token" are permuted among the pairs at the same offset within each input, which keeps locality; keys are never permuted freely within a row, which
//! would break sinks and make the null far too narrow.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use attractor::random::Philox;
use attractor::random::stream::{JudgementStream, judged};

use super::head::contrast;
use super::{Geometry, HeadInput, LONGEST_MAP};
use crate::config::{Config, Key};
use crate::statistics::bootstrap::FEWEST_INPUTS;
use crate::statistics::{LabelSums, Relabelling, mean_of, permutation::upper_p};

/// Most drawn pairs held a geometry and figure (8 MiB).
const DRAWS: usize = 2 << 20;
/// Most numbers (f64) that a head holds to score its patterns with every input's tokens (64 MiB).
const SCORED: usize = 8 << 20;
/// Most inputs whose labels are permuted.
const INPUTS: usize = 8;

/// A null distribution of a figure, centred as the figure is.
#[derive(Debug, Clone)]
pub(crate) struct Null {
    /// The observed figure over the inputs that the null covers.
    pub observed: f64,
    /// The figure under each permutation.
    pub values: Vec<f64>,
    /// Share of the labels that a permutation can put elsewhere, in [0, 1]. In a text that is one sequence twice all
    /// induction targets lie at one offset and fill it: nothing can move, and the null says nothing.
    pub room: f64,
}

/// Least room that a null needs to speak.
const LEAST_ROOM: f64 = 0.5;

impl Null {
    pub(crate) fn mean(&self) -> f64 {
        crate::statistics::mean(&self.values)
    }

    pub(crate) fn p(&self) -> f64 {
        upper_p(self.observed, &self.values)
    }

    /// True if the labels lie where any tokens would put them: position cannot be told from content.
    pub(crate) fn is_cramped(&self) -> bool {
        self.room < LEAST_ROOM
    }

    /// The null of the mean over heads; the permutations are shared, so they add up one by one.
    pub(crate) fn mean_over<'a>(nulls: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut sum: Option<Self> = None;
        let mut count = 0.0;
        for null in nulls {
            count += 1.0;
            match &mut sum {
                None => sum = Some(null.clone()),
                Some(sum) => {
                    sum.observed += null.observed;
                    sum.room += null.room;
                    sum.values.iter_mut().zip(&null.values).for_each(|(s, v)| *s += v);
                }
            }
        }
        let mut mean = sum?;
        mean.observed /= count;
        mean.room /= count;
        mean.values.iter_mut().for_each(|v| *v /= count);
        Some(mean)
    }
}

/// How a null is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NullKind {
    /// Patterns are paired with the tokens of other inputs.
    Mismatched { inputs: usize, pairings: usize },
    /// Labels are permuted among pairs of equal offset within so many inputs.
    Stratified { inputs: usize },
    /// No token repeats.
    None,
}

/// How the nulls are drawn; the same for every head.
#[derive(Debug)]
pub(crate) enum NullPlan {
    /// Patterns against the tokens of other inputs of the same shape: the inputs, and the pairings.
    Mismatched { inputs: Vec<usize>, pairings: Vec<Vec<usize>>, room: f64 },
    /// Labels permuted among pairs of one offset, by input.
    Stratified { inputs: Vec<usize>, draws: HashMap<usize, RepeatDraws> },
    /// No tokens, or nothing repeats.
    None,
}

impl NullPlan {
    /// `abreast` are entries of different inputs, `alike` those of them that are of one shape.
    pub(crate) fn new(geometry: &[Vec<Arc<Geometry>>], abreast: &[usize], alike: &[usize], config: &Config) -> Self {
        let permutations = config.count(Key::Permutations);
        let Some(first) = geometry.first() else { return Self::None };
        let repeating = |input: usize| geometry.iter().any(|l| l[input].has_tokens && l[input].same.len() > 0);
        let mut inputs: Vec<usize> = alike.iter().copied().filter(|&input| repeating(input)).collect();
        // Every pattern is scored with every input's tokens: the square of their number bounds the memory of a head.
        let offsets = inputs.iter().map(|&input| first[input].same_offsets.len()).max().unwrap_or(0).max(1);
        inputs.truncate((SCORED / offsets).isqrt());
        if inputs.len() >= FEWEST_INPUTS {
            let mut random = Philox::new(config.seed, judged(JudgementStream::RepeatPairings, inputs.len() as u64));
            let pairings = (0..permutations).map(|_| random.permutation(inputs.len())).collect();
            let cells: Vec<HashSet<(usize, usize)>> =
                inputs.iter().map(|&input| first[input].same.iter().collect()).collect();
            let shares = cells.iter().enumerate().filter(|(_, own)| !own.is_empty()).flat_map(|(a, own)| {
                let others = cells.iter().enumerate().filter(move |&(b, _)| b != a);
                others.map(|(_, other)| own.intersection(other).count() as f64 / own.len() as f64)
            });
            let room = 1.0 - mean_of(shares).unwrap_or(0.0);
            return Self::Mismatched { inputs, pairings, room };
        }
        let inputs: Vec<usize> = abreast.iter().copied().filter(|&input| repeating(input)).take(INPUTS).collect();
        if inputs.is_empty() {
            return Self::None;
        }
        let mut distinct: HashMap<usize, &Geometry> = HashMap::new();
        for layer in geometry {
            for &input in &inputs {
                distinct.insert(layer[input].id, &layer[input]);
            }
        }
        // One number of permutations for all, so that they add up over inputs and heads.
        let slots = distinct.values().map(|g| g.same.len()).max().unwrap_or(1).max(1);
        let permutations = permutations.min(DRAWS / slots).max(99);
        let fits = |g: &Geometry| {
            g.same.len().saturating_mul(permutations) <= 2 * DRAWS && g.queries.saturating_mul(g.keys) <= LONGEST_MAP
        };
        let draws = distinct
            .iter()
            .filter(|(_, g)| fits(g))
            .filter_map(|(&id, g)| {
                let random = Philox::new(config.seed, judged(JudgementStream::RepeatLabels, id as u64));
                Some((id, repeat_draws(g, random, permutations)?))
            })
            .collect();
        Self::Stratified { inputs, draws }
    }

    /// How it is drawn.
    pub(crate) fn kind(&self) -> NullKind {
        match self {
            Self::Mismatched { inputs, pairings, .. } => {
                NullKind::Mismatched { inputs: inputs.len(), pairings: pairings.len() }
            }
            Self::Stratified { inputs, .. } => NullKind::Stratified { inputs: inputs.len() },
            Self::None => NullKind::None,
        }
    }

    /// What the null takes from an input's map while its rows pass by.
    pub(crate) fn gather<'a>(&'a self, geometry: &'a [Arc<Geometry>], input: usize) -> Gathering<'a> {
        match self {
            Self::Mismatched { inputs, .. } if inputs.contains(&input) => {
                let with = |&tokens: &usize| WithTokens::new(&geometry[tokens], &geometry[input]);
                Gathering::Mismatched(inputs.iter().map(with).collect())
            }
            Self::Stratified { inputs, draws } if inputs.contains(&input) => {
                let g = &*geometry[input];
                match draws.get(&g.id) {
                    Some(draws) => Gathering::Stratified(g, draws, LabelSums::new(&draws.labels, g.keys)),
                    None => Gathering::Nothing,
                }
            }
            _ => Gathering::Nothing,
        }
    }

    /// The null of a head's repetition contrast, from what was gathered of every input.
    pub(crate) fn apply(
        &self,
        gathered: &[Gathering<'_>],
        geometry: &[Arc<Geometry>],
        testable: &[bool],
        figures: &[HeadInput],
    ) -> Option<Null> {
        match self {
            Self::None => None,
            Self::Mismatched { inputs, pairings, room } => {
                match inputs.iter().all(|&input| testable[input] && figures[input].has_weights) {
                    true => mismatched(gathered, geometry, inputs, pairings, figures, *room),
                    false => None,
                }
            }
            Self::Stratified { inputs, .. } => {
                let each = inputs.iter().filter(|&&input| testable[input]).filter_map(|&input| {
                    let observed = figures[input].repeat?;
                    let Gathering::Stratified(_, draws, sums) = &gathered[input] else { return None };
                    // The figure is a weighted sum of enrichment n p over labelled pairs plus a constant; it cancels.
                    let (own, sums) = sums.sums();
                    let values = sums.iter().map(|sum| observed + sum - own).collect();
                    Some(Null { observed, values, room: draws.labels.room() })
                });
                Null::mean_over(&each.collect::<Vec<_>>())
            }
        }
    }
}

/// What a null needs of one map.
pub(crate) enum Gathering<'a> {
    /// Its enrichment on every input's pairs of one token.
    Mismatched(Vec<WithTokens<'a>>),
    /// Its enrichment on the cells that labels fall on, summed.
    Stratified(&'a Geometry, &'a RepeatDraws, LabelSums<'a>),
    /// Nothing.
    Nothing,
}

impl Gathering<'_> {
    /// Takes in rows that are distributions.
    pub(crate) fn strip(&mut self, rows: Range<usize>, block: &[f32]) {
        match self {
            Self::Mismatched(each) => each.iter_mut().for_each(|with| with.strip(rows.clone(), block)),
            Self::Stratified(g, draws, sums) => sums.strip(rows, block, |query, key, weight| {
                f64::from(weight * g.visible[query] as f32 * draws.slope[g.offset_index(query, key)])
            }),
            Self::Nothing => {}
        }
    }
}

/// A pattern's enrichment on the pairs of one token of some input's tokens.
pub(crate) struct WithTokens<'a> {
    g: &'a Geometry,
    /// By [`Geometry::same_offsets`].
    same: Vec<f64>,
    /// Over all text pairs by offset; empty where the pattern's own profile is the same.
    profile: Vec<f64>,
}

impl<'a> WithTokens<'a> {
    fn new(g: &'a Geometry, pattern: &Geometry) -> Self {
        let own = g.text == pattern.text && !pattern.text_pairs.is_empty();
        let profile = vec![0.0; if own || g.text_pairs.is_empty() { 0 } else { g.offsets() }];
        Self { g, same: vec![0.0; g.same_offsets.len()], profile }
    }

    fn strip(&mut self, rows: Range<usize>, block: &[f32]) {
        let g = self.g;
        for (query, row) in rows.zip(block.chunks_exact(g.keys.max(1))) {
            let n = f64::from(g.visible[query]);
            for (&key, &slot) in g.same.row(query).iter().zip(g.same_slots(query)) {
                self.same[slot as usize] += n * f64::from(row[key as usize]);
            }
            let p = g.position(query);
            if !self.profile.is_empty() && g.text.get(p).copied().unwrap_or(false) {
                for key in g.visible_keys(query).filter(|&key| key != p && g.text[key]) {
                    self.profile[g.offset_index(query, key)] += n * f64::from(row[key]);
                }
            }
        }
    }
}

/// Cells of text pairs by signed offset, at the offsets that are needed.
fn strata(g: &Geometry, needed: &[bool]) -> Vec<Vec<u32>> {
    let mut strata = vec![Vec::new(); g.offsets()];
    for query in 0..g.queries {
        let p = g.position(query);
        if g.text.get(p).copied().unwrap_or(false) {
            for key in g.visible_keys(query).filter(|&key| key != p && g.text[key]) {
                let offset = g.offset_index(query, key);
                if needed[offset] {
                    strata[offset].push((query * g.keys + key) as u32);
                }
            }
        }
    }
    strata
}

fn by_offset(g: &Geometry, pairs: impl Iterator<Item = (usize, usize)>) -> Vec<Vec<u32>> {
    let mut labels = vec![Vec::new(); g.offsets()];
    for (query, key) in pairs {
        labels[g.offset_index(query, key)].push((query * g.keys + key) as u32);
    }
    labels
}

/// Where the labels "same token" of an input fall under each permutation.
#[derive(Debug)]
pub(crate) struct RepeatDraws {
    labels: Relabelling,
    /// d contrast / d (sum of same-token enrichment), by offset.
    slope: Vec<f32>,
}

fn repeat_draws(g: &Geometry, random: Philox, permutations: usize) -> Option<RepeatDraws> {
    let labels = by_offset(g, g.same.iter());
    let needed: Vec<bool> = labels.iter().map(|cells| !cells.is_empty()).collect();
    let strata = strata(g, &needed);
    // Offsets without a different-token pair are not in the contrast.
    let used = |offset: usize| !labels[offset].is_empty() && strata[offset].len() > labels[offset].len();
    let total: usize = (0..labels.len()).filter(|&o| used(o)).map(|o| labels[o].len()).sum();
    let (mut kept, mut pools, mut slope) = (Vec::new(), Vec::new(), vec![0.0; labels.len()]);
    for offset in (0..labels.len()).filter(|&offset| used(offset)) {
        let (n, all) = (labels[offset].len() as f32, strata[offset].len() as f32);
        slope[offset] = (1.0 + n / (all - n)) / total as f32;
        kept.push(labels[offset].clone());
        pools.push(strata[offset].clone());
    }
    Some(RepeatDraws { labels: Relabelling::new(&kept, pools, random, permutations)?, slope })
}

/// Scores of every pattern with every input's tokens, then means along random pairings.
fn mismatched(
    gathered: &[Gathering<'_>],
    geometry: &[Arc<Geometry>],
    inputs: &[usize],
    pairings: &[Vec<usize>],
    figures: &[HeadInput],
    room: f64,
) -> Option<Null> {
    let count = inputs.len();
    let mut scores = vec![f64::NAN; count * count];
    for (a, &pattern) in inputs.iter().enumerate() {
        let Gathering::Mismatched(each) = &gathered[pattern] else { return None };
        for (b, (&tokens, with)) in inputs.iter().zip(each).enumerate() {
            // The same positions are text: the profile is the pattern's own.
            let profile = if with.profile.is_empty() { &figures[pattern].text_profile } else { &with.profile };
            if let Some(value) = contrast(&geometry[tokens], &with.same, profile) {
                scores[a * count + b] = value;
            }
        }
    }
    // An input whose tokens do not serve (no repeats) serves no pattern.
    let fit: Vec<usize> = (0..count).filter(|&b| (0..count).all(|a| !scores[a * count + b].is_nan())).collect();
    if fit.len() < FEWEST_INPUTS {
        return None;
    }
    let along = |pairing: &dyn Fn(usize) -> usize| {
        mean_of(fit.iter().enumerate().map(|(slot, &a)| scores[a * count + fit[pairing(slot)]]))
    };
    let observed = along(&|slot| slot)?;
    let values = pairings
        .iter()
        .filter_map(|pairing| {
            if fit.len() == count {
                return along(&|slot| pairing[slot]);
            }
            // A pairing of all inputs, read as an order of those that fit.
            let order: Vec<usize> = pairing.iter().copied().filter(|p| fit.contains(p)).collect();
            let position: Vec<usize> = order.iter().filter_map(|p| fit.iter().position(|f| f == p)).collect();
            along(&|slot| position[slot])
        })
        .collect();
    Some(Null { observed, values, room })
}
