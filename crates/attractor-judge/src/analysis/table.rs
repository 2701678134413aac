//! Columns of the table of heads that need more than the row statistics.
//!
//! Rows are layers and their kept heads, in order, as in [`attractor_record::table::Table::of`].

use std::collections::HashMap;
use std::sync::Arc;

use attractor_record::evidence::{AblationMode, Evidence};
use attractor_record::table::{Column, Table};
use attractor_record::{Patterns, Steps};
use rayon::prelude::*;

use super::distance::{self, PatchDistance, PatchGrid, Reach};
use super::importance::{importance, unit};
use super::metastable::{self, Metastable};
use super::pass::{Taker, pass};
use super::rank::{Baselines, Leading, MapRanks, Ranks};
use crate::config::Config;
use crate::detect::sink::{self, Seen};
use crate::groups::ablation::MODES;
use crate::measure::Geometry;
use crate::statistics::{Bootstrap, Interval, mean, mean_of};
use attractor::{Context, Result};

/// Resamples of an interval.
const RESAMPLES: usize = 1999;

/// What is wanted beside the row statistics.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras<'a> {
    /// Effective and stable rank: a singular value decomposition a head and input.
    pub rank: bool,
    /// Height and width of a patch in pixels; `None`: distances across an image are in patches.
    pub patch: Option<[f64; 2]>,
    /// Where importance comes from.
    pub evidence: Option<&'a Evidence>,
}

/// The columns that there are, each with its name.
///
/// | column                              | meaning                                                                  |
/// |-------------------------------------|--------------------------------------------------------------------------|
/// | `mean_distance_without_first`       | sum A \|p - j\| / sum A over the keys but the first, tokens                |
/// | `metastable_keys`                   | median over rows of the fewest keys with 0.90 of the mass                 |
/// | `metastable_share`                  | median of the same as a share of the visible keys                         |
/// | `regime`                            | Ramsauer's class by that share                                            |
/// | `sink`                              | mean attention to the position that receives most, as the detector's score |
/// | `sink_position`                     | that position                                                            |
/// | `patch_distance`                    | mean distance between patches, weights as they are; pixels or patches     |
/// | `patch_distance_renormalised`       | the same with rows renormalised over patches                              |
/// | `effective_rank`, `stable_rank`     | of the leading 512 tokens                                                 |
/// | `..._ratio`                         | the same over those of the uniform map of the mask                        |
/// | `rank_tokens`                       | tokens whose map was decomposed, most of any input                        |
/// | `importance_gradient`, `..._in_layer` | mean over inputs of \|sum A dL/dA\|, and over its layer's norm          |
/// | `importance_<mode>`                 | effect of the ablation of this head alone: mean over inputs               |
/// | `importance_<mode>_low`, `_high`    | 95 % interval of that mean (BCa over inputs); with five inputs and more   |
/// | `importance_unit`                   | what the effects are measured in                                          |
///
/// # Errors
/// `is_format` if the patterns cannot be read; `is_interrupted`, before the next head.
pub fn columns(patterns: &dyn Patterns, extras: &Extras<'_>, context: &Context<'_>) -> Result<Vec<(String, Column)>> {
    let layers = patterns.layers();
    let heads: Vec<(usize, usize)> =
        layers.iter().flat_map(|shape| shape.heads.iter().map(move |&head| (shape.layer, head))).collect();
    let grids: Vec<Option<PatchGrid>> =
        (0..patterns.inputs()).map(|input| PatchGrid::of(patterns.tokens(input))).collect();
    let walked = Walked::new(patterns, extras, &grids)?;
    let figures: Vec<Figures> = each(&heads, context, |layer, head| walked.of_head(layer, head))?;
    let all = |pick: &dyn Fn(&Figures) -> Option<f64>| -> Vec<f64> {
        figures.iter().map(|own| pick(own).unwrap_or(f64::NAN)).collect()
    };
    let mut columns = Vec::new();
    number(&mut columns, "metastable_keys", all(&|own| own.size.map(|size| size.keys)));
    number(&mut columns, "metastable_share", all(&|own| own.size.map(|size| size.share)));
    if figures.iter().any(|own| own.size.is_some()) {
        let name = |own: &Figures| own.size.and_then(|size| size.regime()).map_or("", |regime| regime.name());
        columns.push(("regime".into(), Column::Text(figures.iter().map(|own| name(own).to_string()).collect())));
    }
    if figures.iter().any(|own| own.sink.is_some()) {
        number(&mut columns, "sink", all(&|own| own.sink.map(|(score, _)| score)));
        let positions = figures.iter().map(|own| own.sink.map(|(_, position)| position as i64)).collect();
        columns.push(("sink_position".into(), Column::MaybeWhole(positions)));
    }
    if grids.iter().all(Option::is_none) {
        let values = each(&heads, context, |layer, head| without_first(patterns, layer, head))?;
        let values = values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect();
        number(&mut columns, "mean_distance_without_first", values);
    } else {
        number(&mut columns, "patch_distance", all(&|own| mean_of(own.reach.iter().map(|reach| reach.plain))));
        let renormalised =
            |own: &Figures| mean_of(own.reach.iter().map(|reach| reach.renormalised).filter(|x| !x.is_nan()));
        number(&mut columns, "patch_distance_renormalised", all(&renormalised));
    }
    if extras.rank {
        let mean = |pick: fn(&MapRanks) -> f64| all(&|own| mean_of(own.ranks.iter().map(pick)));
        number(&mut columns, "effective_rank", mean(|ranks| ranks.map.effective));
        number(&mut columns, "effective_rank_ratio", mean(MapRanks::effective_ratio));
        number(&mut columns, "stable_rank", mean(|ranks| ranks.map.stable));
        number(&mut columns, "stable_rank_ratio", mean(MapRanks::stable_ratio));
        let tokens = |own: &Figures| own.ranks.iter().map(|ranks| ranks.queries).max().unwrap_or(0) as i64;
        columns.push(("rank_tokens".into(), Column::Whole(figures.iter().map(tokens).collect())));
    }
    if let Some(evidence) = extras.evidence {
        let bootstrap = Bootstrap::new(context.seed(), RESAMPLES, 0.95);
        let found = importance(evidence, &bootstrap);
        let of = |pick: &dyn Fn(&super::HeadImportance) -> Option<f64>| -> Vec<f64> {
            let one = |key: &(usize, usize)| found.iter().find(|x| (x.layer, x.head) == *key).and_then(pick);
            heads.iter().map(|key| one(key).unwrap_or(f64::NAN)).collect()
        };
        number(&mut columns, "importance_gradient", of(&|x| x.gradient));
        number(&mut columns, "importance_gradient_in_layer", of(&|x| x.gradient_in_layer));
        let modes: std::collections::BTreeSet<AblationMode> =
            found.iter().flat_map(|x| x.ablation.keys().copied()).collect();
        for mode in modes {
            let name = format!("importance_{}", mode_name(mode));
            let bound = |pick: fn(&Interval) -> f64| {
                of(&|x: &super::HeadImportance| x.ablation.get(&mode)?.interval.as_ref().map(pick))
            };
            number(&mut columns, &name, of(&|x| Some(x.ablation.get(&mode)?.mean)));
            number(&mut columns, &format!("{name}_low"), bound(|interval| interval.low));
            number(&mut columns, &format!("{name}_high"), bound(|interval| interval.high));
        }
        if !found.iter().all(|x| x.ablation.is_empty()) {
            let unit = unit(evidence.ablation_loss).to_string();
            columns.push(("importance_unit".into(), Column::Text(vec![unit; heads.len()])));
        }
    }
    Ok(columns)
}

/// The columns of numbers that a table of heads may have, known before anything is measured; `rank` and `importance` as they
/// are asked for.
pub fn names(rank: bool, importance: bool) -> Vec<String> {
    const ALWAYS: [&str; 7] = [
        "metastable_keys",
        "metastable_share",
        "sink",
        "sink_position",
        "mean_distance_without_first",
        "patch_distance",
        "patch_distance_renormalised",
    ];
    const RANK: [&str; 5] =
        ["effective_rank", "effective_rank_ratio", "stable_rank", "stable_rank_ratio", "rank_tokens"];
    let mut all: Vec<String> = Table::names().into_iter().chain(ALWAYS).map(str::to_string).collect();
    if rank {
        all.extend(RANK.map(str::to_string));
    }
    if importance {
        all.extend(["importance_gradient", "importance_gradient_in_layer"].map(str::to_string));
        for mode in MODES {
            let name = format!("importance_{}", mode_name(mode));
            all.extend([name.clone(), format!("{name}_low"), format!("{name}_high")]);
        }
    }
    all
}

/// Adds a column of numbers, unless it is empty.
fn number(columns: &mut Vec<(String, Column)>, name: &str, values: Vec<f64>) {
    if values.iter().any(|value| !value.is_nan()) {
        columns.push((name.to_string(), Column::Number(values)));
    }
}

fn mode_name(mode: AblationMode) -> &'static str {
    match mode {
        AblationMode::Uniform => "uniform",
        AblationMode::SelfOnly => "self_only",
        AblationMode::Previous => "previous",
        AblationMode::Local => "local",
        AblationMode::MeanMap => "mean_map",
        AblationMode::OtherInput => "other_input",
        AblationMode::Zero => "zero",
    }
}

/// The same of every head, in parallel.
fn each<T: Send>(
    heads: &[(usize, usize)],
    context: &Context<'_>,
    one: impl Fn(usize, usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let of = |&(layer, head): &(usize, usize)| {
        context.check()?;
        one(layer, head)
    };
    heads.par_iter().map(of).collect()
}

/// What of a head needs its maps.
struct Figures {
    size: Option<Metastable>,
    /// Score and position of the strongest sink, over the inputs of which it is known what every key receives.
    sink: Option<(f64, usize)>,
    /// Of every input that is an image.
    reach: Vec<PatchDistance>,
    /// Of every input whose ranks are wanted and known.
    ranks: Vec<MapRanks>,
}

/// Figures of heads from one pass over each of their maps, of which no more rows are read than somebody wants.
struct Walked<'a> {
    patterns: &'a dyn Patterns,
    grids: &'a [Option<PatchGrid>],
    patch: [f64; 2],
    layers: Vec<usize>,
    /// [layer][input].
    geometry: Vec<Vec<Arc<Geometry>>>,
    /// By [`Geometry::id`].
    seen: HashMap<usize, Seen>,
    /// Ranks of the uniform maps of the masks, [layer][input]; `None`: no ranks are wanted.
    uniform: Option<Vec<Vec<Option<Ranks>>>>,
}

impl<'a> Walked<'a> {
    fn new(patterns: &'a dyn Patterns, extras: &Extras<'_>, grids: &'a [Option<PatchGrid>]) -> Result<Self> {
        let geometry = Geometry::of_all(patterns, &Config::default())?;
        let mut seen: HashMap<usize, Seen> = HashMap::new();
        for g in geometry.iter().flatten() {
            seen.entry(g.id).or_insert_with(|| Seen::of(g));
        }
        let layers: Vec<usize> = patterns.layers().iter().map(|shape| shape.layer).collect();
        let mut baselines = Baselines::default();
        let mut of_input = |layer, input| {
            let (n, m) = patterns.shape(layer, input)?;
            Ok(baselines.of(&patterns.mask(layer, input)?, n, m))
        };
        let mut of_layer = |&layer: &usize| (0..patterns.inputs()).map(|input| of_input(layer, input)).collect();
        let uniform = extras.rank.then(|| layers.iter().map(&mut of_layer).collect::<Result<_>>()).transpose()?;
        let patch = extras.patch.unwrap_or([1.0; 2]);
        Ok(Self { patterns, grids, patch, layers, geometry, seen, uniform })
    }

    fn of_head(&self, layer: usize, head: usize) -> Result<Figures> {
        let mut sizes = metastable::Sizes::default();
        let (mut received, mut all_reach, mut ranks) = (Vec::new(), Vec::new(), Vec::new());
        let at = self.layers.iter().position(|&known| known == layer).unwrap_or(0);
        for (input, g) in self.geometry[at].iter().enumerate() {
            let shape = self.patterns.shape(layer, input)?;
            let mut counted = sizes.of(self.patterns.mask(layer, input)?, shape.0);
            let known = self.known_mass(layer, head, input, g)?;
            let mut mass = matches!(known, Mass::InMap).then(|| Received::new(g));
            let mut reach = self.grids[input].as_ref().and_then(|grid| Reach::new(grid, self.patch, shape));
            let mut leading = self.uniform.as_ref().map(|_| Leading::new(shape));
            let mut takers: Vec<&mut dyn Taker> = vec![&mut counted];
            takers.extend(mass.as_mut().map(|taker| taker as &mut dyn Taker));
            takers.extend(reach.as_mut().map(|taker| taker as &mut dyn Taker));
            takers.extend(leading.as_mut().map(|taker| taker as &mut dyn Taker));
            let was_kept = pass(self.patterns, (layer, head, input), &mut takers)?;
            received.push(match (known, mass) {
                (Mass::Known(mass), _) => Some(mass),
                (Mass::InMap, Some(mass)) if was_kept => mass.finish(),
                _ => None,
            });
            if was_kept {
                all_reach.extend(reach.map(Reach::finish));
                let uniform = self.uniform.as_ref().and_then(|uniform| uniform[at][input]);
                ranks.extend(leading.and_then(|leading| leading.ranks(uniform)));
            }
        }
        let columns: Vec<sink::Column<'_>> = self.geometry[at]
            .iter()
            .zip(&received)
            .filter_map(|(g, received)| {
                Some(sink::Column { geometry: g, seen: &self.seen[&g.id], received: received.as_deref()? })
            })
            .collect();
        let sink = sink::strongest(&columns).map(|found| (mean(&found.scores), found.position));
        Ok(Figures { size: sizes.medians(), sink, reach: all_reach, ranks })
    }

    /// What every key receives, as far as the statistics tell.
    fn known_mass(&self, layer: usize, head: usize, input: usize, g: &Geometry) -> Result<Mass> {
        let Some(s) = self.patterns.statistics(layer, head, input)? else { return Ok(Mass::InMap) };
        Ok(match () {
            () if s.invalid_rows > 0 => Mass::Invalid,
            // Beside a learned sink the rows are shares of what falls on keys, which the maps alone tell.
            () if s.sink_mass.is_empty() && s.column_mass.len() == g.keys => Mass::Known(s.column_mass),
            () => Mass::InMap,
        })
    }
}

/// Where it stands what every key of an input receives.
enum Mass {
    Known(Vec<f64>),
    InMap,
    /// Rows hold what is not a number.
    Invalid,
}

/// Adds up what every key receives; nothing once a row holds what is not a number.
struct Received<'a> {
    g: &'a Geometry,
    mass: Option<Vec<f64>>,
    row: Vec<f32>,
}

impl<'a> Received<'a> {
    fn new(g: &'a Geometry) -> Self {
        Self { g, mass: Some(vec![0.0; g.keys]), row: Vec::new() }
    }

    fn finish(self) -> Option<Vec<f64>> {
        self.mass
    }
}

impl Taker for Received<'_> {
    fn wants(&self, _: usize) -> bool {
        self.mass.is_some()
    }

    fn take(&mut self, query: usize, row: &[f32]) {
        if !row.iter().all(|w| w.is_finite()) {
            self.mass = None;
        }
        let Some(mass) = &mut self.mass else { return };
        self.row.clear();
        self.row.extend_from_slice(row);
        self.g.normalise(&mut self.row, query..query + 1);
        mass.iter_mut().zip(&self.row).for_each(|(sum, &w)| *sum += f64::from(w));
    }
}

/// Mean over inputs of the distance without the first token.
fn without_first(patterns: &dyn Patterns, layer: usize, head: usize) -> Result<Option<f64>> {
    let mut values = Vec::new();
    for input in 0..patterns.inputs() {
        if let Some(s) = patterns.statistics(layer, head, input)? {
            values.extend(distance::of_statistics(&s, patterns.mask(layer, input)?.offset, true));
        }
    }
    Ok(mean_of(values))
}

/// A column of numbers, NaN where a head has none; `None` if there is no such column.
pub fn numbers(table: &Table, name: &str) -> Option<Vec<f64>> {
    table.columns().iter().find(|(known, _)| known == name).and_then(|(_, column)| match column {
        Column::Whole(x) => Some(x.iter().map(|&x| x as f64).collect()),
        Column::Number(x) => Some(x.clone()),
        Column::MaybeWhole(x) => Some(x.iter().map(|x| x.map_or(f64::NAN, |x| x as f64)).collect()),
        Column::Text(_) => None,
    })
}

/// 95 % BCa intervals over inputs of a column of [`Table::of`], head by head; `None` for a column that is taken over all
/// inputs together.
///
/// # Errors
/// What reading the statistics answers.
pub fn intervals(patterns: &dyn Patterns, name: &str, seed: u64) -> Result<Option<Vec<Option<(f64, f64)>>>> {
    let mut each = Vec::new();
    for input in 0..patterns.inputs() {
        each.extend(numbers(&Table::of_inputs(patterns, input..input + 1)?, name).map(|values| (input, values)));
    }
    let Some(rows) = each.first().map(|(_, values)| values.len()) else { return Ok(None) };
    let bootstrap = Bootstrap::new(seed, 1999, 0.95).over(&Steps::of(patterns));
    let interval = |row: usize| {
        let there = each.iter().filter_map(|(entry, inputs)| Some((*entry, *inputs.get(row)?)));
        let (entries, own): (Vec<usize>, Vec<f64>) = there.filter(|(_, x)| !x.is_nan()).unzip();
        bootstrap.interval_at(&entries, &own).ok().map(|interval| (interval.low, interval.high))
    };
    Ok(Some((0..rows).map(interval).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Detector, Options, detect};
    use crate::tests::{Bare, Maps, noise, previous, random_ids, uniform};

    /// The sink is the one that the detector finds; from maps and from statistics alike.
    #[test]
    fn the_sink_is_that_of_the_detector() {
        let maps = Maps::causal(&[random_ids(20, 9, 1), random_ids(14, 9, 2)], 1)
            .head(0, |ids, i| noise(ids.len(), 1.0, i as u64, |_, j| if j == 2 { 2.0 } else { 0.0 }))
            .head(0, |ids, _| crate::tests::sink(ids, 0.7));
        let options =
            Options { detectors: vec![Detector::Sink], permutations: 99, resamples: 99, ..Options::default() };
        let found = detect(&maps, &options).unwrap();
        let from_maps = columns(&maps, &Extras::default(), &Context::new(0)).unwrap();
        let from_statistics = columns(&Bare(maps), &Extras::default(), &Context::new(0)).unwrap();
        for columns in [from_maps, from_statistics] {
            let of = |name: &str| columns.iter().find(|(known, _)| known == name).map(|(_, column)| column);
            let (Some(Column::Number(scores)), Some(Column::MaybeWhole(positions))) = (of("sink"), of("sink_position"))
            else {
                panic!("{columns:?}")
            };
            for (head, detection) in found.heads.iter().enumerate() {
                assert!((scores[head] - detection.score.unwrap()).abs() < 1e-6, "{scores:?}");
            }
            assert_eq!(positions, &[Some(2), Some(0)]);
        }
    }

    #[test]
    fn columns_have_one_entry_per_head_in_the_order_of_the_table() {
        let maps = Maps::causal(&[random_ids(20, 9, 1)], 2).head(0, uniform).head(0, previous).head(1, previous);
        let found = columns(&maps, &Extras { rank: true, ..Extras::default() }, &Context::new(0)).unwrap();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "metastable_keys",
                "metastable_share",
                "regime",
                "sink",
                "sink_position",
                "effective_rank",
                "effective_rank_ratio",
                "stable_rank",
                "stable_rank_ratio",
                "rank_tokens",
            ]
        );
        let Column::Text(regimes) = &found[2].1 else { panic!("{:?}", found[2]) };
        assert_eq!(regimes, &["global_average", "small", "small"]);
        let Column::Number(ratios) = &found[8].1 else { panic!("{:?}", found[6]) };
        assert!((ratios[0] - 1.0).abs() < 1e-6 && ratios[1] > 2.0 && ratios[1] == ratios[2], "{ratios:?}");
        let known = super::names(true, false);
        let whole = Table::of(&maps).unwrap().with(found.clone()).unwrap();
        for (name, column) in whole.columns() {
            let is_number = !matches!(column, Column::Text(_)) && !["layer", "head"].contains(&name.as_str());
            assert_eq!(known.contains(name), is_number, "{name}");
        }
        let without = columns(&maps, &Extras::default(), &Context::new(0)).unwrap();
        assert!(!without.iter().any(|(name, _)| name.contains("rank")));
    }
}
