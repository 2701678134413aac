//! What masks and tokens say before any weight is seen: the labels of every detector, and how chance is drawn.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use attractor::random::Philox;
use attractor::random::stream::detected;
use attractor_record::{Patterns, Steps};

use super::labels::Labels;
use super::reason::Unmet;
use super::sink::Seen;
use super::{Detector, Options, duplicate, induction, positional};
use crate::measure::{Geometry, LONGEST_MAP};
use crate::statistics::bootstrap::FEWEST_INPUTS;
use crate::statistics::{Pairings, Relabelling, SignFlips, mean_of};

/// Most inputs whose tokens are paired with one another's patterns; bounds the work, which grows as their square.
const PAIRED: usize = 64;
/// Most inputs within which labels are permuted, where pairings are not to be had.
const WITHIN: usize = 8;
/// Most drawn cells held per input and detector (64 MiB; twice as many at the least number of permutations).
const DRAWS: usize = 16 << 20;
/// Least share of the labels that must be able to move.
const LEAST_ROOM: f64 = 0.5;

/// Where the labels of one input fall under each permutation within it.
pub(super) enum Within {
    /// Cells of the map, at the same offset; every row has this share in the mean.
    Cells { labels: Relabelling, share: f32 },
    /// Keys, rotated along the sequence as a whole.
    Keys { rotations: Rotations, rows: f64 },
}

/// How chance is drawn for a detector of token content.
pub(super) enum Chance {
    /// Patterns against the tokens of other inputs of the same shape.
    Pairing(Vec<Vec<usize>>),
    /// Labels permuted within each input; exact: these are all there are.
    Within { inputs: BTreeMap<usize, Within>, permutations: usize, exact: bool },
    /// Why there is none.
    None(Unmet),
}

/// One layer's stage.
pub(super) struct Stage {
    pub geometry: Vec<Arc<Geometry>>,
    /// [labelled detector][input].
    pub labels: BTreeMap<Detector, Vec<Option<Labels>>>,
    /// Chance of the detectors of content.
    pub chance: BTreeMap<Detector, Chance>,
    /// Who sees each key, by input.
    pub seen: Vec<Seen>,
    /// Offsets that a positional head may have, with their expectation, by input.
    pub offsets: Vec<Vec<(i64, f64)>>,
}

impl Stage {
    /// One for each layer; layers whose masks are the same share theirs.
    pub(super) fn of_all(
        patterns: &dyn Patterns,
        options: &Options,
        geometry: &[Vec<Arc<Geometry>>],
    ) -> Vec<Arc<Self>> {
        let mut known: HashMap<Vec<usize>, Arc<Self>> = HashMap::new();
        let stage = |layer: Vec<Arc<Geometry>>| {
            let key = layer.iter().map(|g| g.id).collect();
            known.entry(key).or_insert_with(|| Arc::new(Self::new(patterns, options, layer))).clone()
        };
        geometry.iter().cloned().map(stage).collect()
    }

    fn new(patterns: &dyn Patterns, options: &Options, geometry: Vec<Arc<Geometry>>) -> Self {
        let abreast = Steps::of(patterns).abreast();
        let asked = |detector: Detector| options.detectors.contains(&detector);
        let mut labels = BTreeMap::new();
        for detector in Detector::ALL.into_iter().filter(|&d| asked(d)) {
            let of = |(input, g): (usize, &Arc<Geometry>)| detector.labels(g, patterns.tokens(input));
            if !matches!(detector, Detector::Positional | Detector::Sink) {
                labels.insert(detector, geometry.iter().enumerate().map(of).collect::<Vec<_>>());
            }
        }
        let columns = asked(Detector::Sink) || asked(Detector::Delimiter);
        let seen = if columns { geometry.iter().map(|g| Seen::of(g)).collect() } else { Vec::new() };
        let offsets = match asked(Detector::Positional) {
            true => geometry.iter().map(|g| positional::candidates(g)).collect(),
            false => Vec::new(),
        };
        let mut stage = Self { geometry, labels, chance: BTreeMap::new(), seen, offsets };
        for detector in Detector::ALL.into_iter().filter(|d| asked(*d) && d.is_of_content()) {
            let chance = stage.chance(detector, &abreast, options);
            stage.chance.insert(detector, chance);
        }
        stage
    }

    /// `abreast` are entries of different inputs: what is permuted must not depend on each other.
    fn chance(&self, detector: Detector, abreast: &[usize], options: &Options) -> Chance {
        let labels = &self.labels[&detector];
        let fit: Vec<usize> = abreast.iter().copied().filter(|&input| labels[input].is_some()).collect();
        if fit.is_empty() {
            return Chance::None(Unmet::Labels(detector));
        }
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for &input in &fit {
            let g = &self.geometry[input];
            match groups.iter_mut().find(|group| self.geometry[group[0]].is_alike(g)) {
                Some(group) => group.push(input),
                None => groups.push(vec![input]),
            }
        }
        groups.retain(|group| group.len() >= 2);
        let mut room = PAIRED;
        for group in &mut groups {
            group.truncate(room);
            room -= group.len();
        }
        groups.retain(|group| group.len() >= 2);
        if groups.iter().map(Vec::len).sum::<usize>() >= FEWEST_INPUTS {
            return match self.room(labels, &groups) {
                room if room >= LEAST_ROOM => Chance::Pairing(groups),
                _ => Chance::None(Unmet::Places),
            };
        }
        self.within(detector, &fit[..fit.len().min(WITHIN)], options)
    }

    /// Share of the labels that another input's tokens put elsewhere, mean over pairs of inputs.
    fn room(&self, labels: &[Option<Labels>], groups: &[Vec<usize>]) -> f64 {
        let mut shares = Vec::new();
        for group in groups {
            let places: Vec<_> = group.iter().filter_map(|&input| labels[input].as_ref().map(Labels::places)).collect();
            for (a, own) in places.iter().enumerate() {
                for (_, other) in places.iter().enumerate().filter(|&(b, _)| b != a) {
                    shares.push(own.intersection(other).count() as f64 / own.len().max(1) as f64);
                }
            }
        }
        1.0 - mean_of(shares).unwrap_or(0.0)
    }

    fn within(&self, detector: Detector, fit: &[usize], options: &Options) -> Chance {
        let labels = &self.labels[&detector];
        let slots = |input: usize| match &labels[input] {
            Some(Labels::Cells { pairs, .. }) => pairs.len(),
            Some(Labels::Keys { members, .. }) => members.len(),
            None => 0,
        };
        let most = fit.iter().map(|&input| slots(input)).max().unwrap_or(1).max(1);
        let permutations = options.permutations.min(DRAWS / most).max(99);
        let mut inputs = BTreeMap::new();
        let mut rooms = Vec::new();
        let (mut all, mut full) = (false, false);
        for &input in fit {
            let g = &self.geometry[input];
            let random = Philox::new(options.seed, detected(detector as u64, input as u64));
            match &labels[input] {
                Some(Labels::Keys { members, rows, .. }) => {
                    let rotations = Rotations::new(g, members, random, permutations, fit.len() == 1);
                    all = fit.len() == 1;
                    rooms.push(if rotations.shifts.len() > 1 { 1.0 } else { 0.0 });
                    inputs.insert(input, Within::Keys { rotations, rows: *rows as f64 });
                }
                Some(own @ Labels::Cells { rows, .. })
                    if g.queries.saturating_mul(g.keys) <= LONGEST_MAP && most * permutations <= 2 * DRAWS =>
                {
                    match relabelling(detector, g, own, random, permutations) {
                        Some(labels) => {
                            rooms.push(labels.room());
                            inputs.insert(input, Within::Cells { labels, share: 1.0 / *rows as f32 });
                        }
                        None => full = true,
                    }
                }
                _ => {}
            }
        }
        let room = mean_of(rooms).or(full.then_some(0.0));
        match room {
            None => Chance::None(Unmet::ShortInputs),
            Some(room) if room < LEAST_ROOM => Chance::None(Unmet::UnlabelledPairs),
            Some(_) => {
                let count = inputs.values().map(|w| {
                    if let Within::Keys { rotations, .. } = w { rotations.shifts.len() } else { permutations }
                });
                Chance::Within { permutations: count.min().unwrap_or(permutations), inputs, exact: all }
            }
        }
    }
}

fn relabelling(
    detector: Detector,
    g: &Geometry,
    labels: &Labels,
    random: Philox,
    permutations: usize,
) -> Option<Relabelling> {
    let may_stand = if detector == Detector::Induction { induction::may_stand } else { duplicate::may_stand };
    let own = labels.by_offset(g);
    let mut strata = vec![Vec::new(); g.offsets()];
    for query in (0..g.queries).filter(|&query| g.visible[query] >= 2) {
        let p = g.position(query);
        if !g.text.get(p).copied().unwrap_or(false) {
            continue;
        }
        for key in g.visible_keys(query).filter(|&key| key != p && g.text[key] && may_stand(p, key)) {
            let offset = g.offset_index(query, key);
            if !own[offset].is_empty() {
                strata[offset].push((query * g.keys + key) as u32);
            }
        }
    }
    let (labels, strata): (Vec<_>, Vec<_>) = own.into_iter().zip(strata).filter(|(cells, _)| !cells.is_empty()).unzip();
    Relabelling::new(&labels, strata, random, permutations)
}

/// The members moved along the visible keys after position 0, round the end.
pub(super) struct Rotations {
    /// Visible keys after position 0, ascending.
    keys: Vec<u32>,
    /// Places of the members among them.
    slots: Vec<u32>,
    shifts: Vec<u32>,
}

impl Rotations {
    /// Every rotation, or random ones.
    fn new(g: &Geometry, members: &[usize], mut random: Philox, permutations: usize, all: bool) -> Self {
        let keys: Vec<u32> = (1..g.keys).filter(|&key| !g.mask.hides(key)).map(|key| key as u32).collect();
        let slot = |key: &usize| keys.binary_search(&(*key as u32)).ok().map(|slot| slot as u32);
        let slots = members.iter().filter_map(slot).collect();
        let shifts = match all {
            true => (0..keys.len() as u32).collect(),
            false => (0..permutations).map(|_| random.below(keys.len()) as u32).collect(),
        };
        Self { keys, slots, shifts }
    }

    pub(super) fn shifts(&self) -> impl Iterator<Item = usize> {
        self.shifts.iter().map(|&shift| shift as usize)
    }

    /// The members' keys, moved by `shift` keys.
    pub(super) fn by(&self, shift: usize) -> impl Iterator<Item = usize> {
        self.slots.iter().map(move |&slot| self.keys[(slot as usize + shift) % self.keys.len()] as usize)
    }
}

/// Permutations that heads share; drawn once, a function of the seed and of what is permuted.
pub(super) struct Shared {
    permutations: usize,
    seed: u64,
    flips: Mutex<BTreeMap<usize, Arc<SignFlips>>>,
    pairings: Mutex<BTreeMap<Vec<Vec<usize>>, Arc<Pairings>>>,
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        let (permutations, seed) = (options.permutations, options.seed);
        Self { permutations, seed, flips: Mutex::default(), pairings: Mutex::default() }
    }

    pub(super) fn flips(&self, inputs: usize) -> Arc<SignFlips> {
        let mut known = self.flips.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(SignFlips::new(inputs, self.permutations, self.seed));
        known.entry(inputs).or_insert_with(new).clone()
    }

    pub(super) fn pairings(&self, groups: &[Vec<usize>]) -> Arc<Pairings> {
        let mut known = self.pairings.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Pairings::new(groups, self.permutations, self.seed));
        known.entry(groups.to_vec()).or_insert_with(new).clone()
    }
}
