//! From named arrays to stacks, layers, heads, inputs and steps; masks, statistics and what is seen on the way.

use std::collections::{BTreeMap, BTreeSet};

use attractor::retrieve::{HeadStatistics, Mask, dense};
use rayon::prelude::*;

use super::axes::{Axes, Piece, cut};
use super::inferred::Inferred;
use super::names::Name;
use super::raw::{Contents, Raw, SHAPES};
use super::store::Store;
use super::{Import, ImportOptions, Layer, Map, Maps, masks, tokens};
use crate::aside::{Absent, Aside, Ignored, NotWeights};
use attractor::{Error, Hint, Result};
use attractor_record::kernel::default_request;
use attractor_record::{MaskOrigin, Observations};
use attractor_record::{ModelInfo, Origin, Stack, Step, Task, Token};

/// Numbers from here to zero are rounding.
const ROUNDING: f32 = -1e-6;

/// True for what should be zero and is just below.
pub(super) fn is_rounding(weight: f32) -> bool {
    (ROUNDING..0.0).contains(&weight)
}

/// No model has more layers: more numbers than that count something else.
const MOST_LAYERS: usize = 4096;

/// What an entry is called in the file: sorted by steps, then by inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub step: Option<u64>,
    /// The number in the name.
    pub input: Option<u64>,
    /// The place in the batch.
    pub item: usize,
}

/// A piece of an array, with what is said of it.
struct Placed {
    name: String,
    head: Option<usize>,
    piece: Piece,
    /// Numbers that are not finite.
    non_finite: usize,
}

/// Where maps lie: a layer of a stack, and an entry.
type Place = ((Stack, usize), Entry);

/// A step and an input, as names say them.
type Named = (Option<u64>, Option<u64>);

/// What the arrays of a file hold, before masks are known.
#[derive(Default)]
struct Sorted {
    placed: BTreeMap<Place, Vec<Placed>>,
    /// The number of batch items of every step of every named input.
    batches: BTreeMap<Named, (usize, Option<Step>)>,
    /// Layers that are null in the file, by name; and those that hold no weights.
    missing: BTreeMap<(Stack, usize), String>,
    refused: BTreeMap<(Stack, usize), NotWeights>,
}

/// Why an array cannot be attention weights; softmax gives no negative numbers, and dropout keeps the sign.
fn no_weights(placed: &Placed, weights: &[f32]) -> Option<NotWeights> {
    let is_negative = |w: f32| w < ROUNDING;
    let first = weights.iter().position(|&w| is_negative(w))?;
    let negative = weights.iter().filter(|&&w| is_negative(w)).count();
    let [heads, queries, keys] = placed.piece.block.shape;
    let head = placed.head.unwrap_or(first / (queries * keys));
    Some(NotWeights {
        name: placed.name.clone(),
        shape: [heads, queries, keys],
        negative,
        first: weights[first],
        at: [head, first / keys % queries, first % keys],
    })
}

/// The axes of an array: as stated, as its place in a nest has settled, or by the rule; what the rule said is noted.
fn axes_of(
    raw: &Raw,
    shape: &[usize],
    batch: usize,
    options: &ImportOptions,
    said: &mut Vec<Inferred>,
) -> Result<Axes> {
    if let Some(stated) = raw.axes.as_ref().filter(|_| options.axes.is_some()).or(options.axes.as_ref()) {
        return Ok(stated.clone());
    }
    let Some(axes) = raw.axes.clone().or_else(|| Axes::of(shape, &raw.said, batch)) else {
        let heads = match (raw.said.head, raw.said.layer) {
            (Some(_), _) => "; the name says one head, so [query, key] or [batch, query, key]",
            (None, Some(_)) => "",
            (None, None) => {
                ", and without a layer in the name [layer, head, query, key] or [layer, batch, head, query, key]"
            }
        };
        return Err(Error::format(format!("{}: shape {shape:?}; attention weights are {SHAPES}{heads}", raw.name)));
    };
    if shape.len() > 2 && !(shape.len() == 3 && raw.said.head.is_some()) {
        match said.iter_mut().find(|note| matches!(note, Inferred::Axes { axes: other, .. } if *other == axes)) {
            Some(Inferred::Axes { more, .. }) => *more += 1,
            _ => {
                said.push(Inferred::Axes { name: raw.name.clone(), shape: shape.to_vec(), more: 0, axes: axes.clone() })
            }
        }
    }
    Ok(axes)
}

/// The stack of every array: as stated; as the names say where they tell several apart, or name cross attention.
fn stacks_of(maps: &[Raw], options: &ImportOptions) -> impl Fn(&Name) -> Stack + use<> {
    let named: BTreeSet<Stack> = maps.iter().filter_map(|raw| raw.said.stack).collect();
    let tell = named.len() > 1 || named.contains(&Stack::Cross);
    let stated = options.stack;
    move |said| stated.or(said.stack.filter(|_| tell)).unwrap_or_default()
}

fn sort(contents: &mut Contents, options: &ImportOptions, store: &Store, said: &mut Vec<Inferred>) -> Result<Sorted> {
    let batch = contents.tokens.len().max(contents.attention_mask.len());
    let maps = std::mem::take(&mut contents.maps);
    let stack_of = stacks_of(&maps, options);
    let mut sorted = Sorted::default();
    let mut rounding: Option<(String, usize)> = None;
    for raw in maps {
        let stack = stack_of(&raw.said);
        let Raw { name, said: own, step, array, .. } = &raw;
        let Some(array) = array else {
            sorted.missing.insert((stack, own.layer.unwrap_or(0)), name.clone());
            continue;
        };
        let axes = axes_of(&raw, &array.shape, batch, options, said)?;
        if own.bare
            && let (Some(layer), Some(head)) = (own.layer, own.head)
            && !said.iter().any(|note| matches!(note, Inferred::LayerAndHead { .. }))
        {
            said.push(Inferred::LayerAndHead { name: name.clone(), place: (layer, head) });
        }
        let (own, step) = (*own, *step);
        for piece in cut(name, array, &axes)? {
            // The number in a name is no layer where the array itself has several.
            let layer = (stack, piece.layer.or(own.layer).unwrap_or(0));
            let [heads, ..] = piece.block.shape;
            if own.head.is_some() && heads > 1 {
                return Err(Error::format(format!(
                    "{name}: the name says one head, the array holds {heads}; name arrays of several heads by layer alone, such \
                     as L5"
                )));
            }
            let weights = piece.block.read(store)?;
            let small = weights.iter().filter(|&&w| is_rounding(w)).count();
            if small > 0 {
                rounding.get_or_insert_with(|| (name.clone(), 0)).1 += small;
            }
            let step = step.or_else(|| piece.step.map(|step| Step::from(step as u64)));
            let entry = Entry { step: step.map(|step| step.number), input: own.input, item: piece.item.unwrap_or(0) };
            let non_finite = weights.iter().filter(|w| !w.is_finite()).count();
            let placed = Placed { name: name.clone(), head: own.head, piece, non_finite };
            if let Some(why) = no_weights(&placed, &weights) {
                sorted.refused.entry(layer).or_insert(why);
                continue;
            }
            let batch = sorted.batches.entry((entry.step, entry.input)).or_default();
            *batch = (batch.0.max(entry.item + 1), batch.1.or(step));
            sorted.placed.entry((layer, entry)).or_default().push(placed);
        }
    }
    if let Some((name, count)) = rounding {
        contents.notes.push(Aside::new(name, Ignored::Rounding(count)));
    }
    Ok(sorted)
}

/// Layers by their numbers, each with the maps of its entries.
fn layers_of(
    placed: BTreeMap<Place, Vec<Placed>>,
    entries: &BTreeMap<Entry, usize>,
    options: &ImportOptions,
) -> Result<BTreeMap<(Stack, usize), Layer>> {
    let mut layers: BTreeMap<(Stack, usize), Layer> = BTreeMap::new();
    for (((stack, number), entry), parts) in placed {
        let Some(&at) = entries.get(&entry) else { continue };
        let (heads, map) = joined(number, parts)?;
        let found =
            layers.entry((stack, number)).or_insert_with(|| Layer { heads: heads.clone(), maps: BTreeMap::new() });
        if found.heads != heads {
            return Err(Error::format(format!(
                "layer {number}: heads {heads:?} here, {:?} in another input",
                found.heads
            )));
        }
        found.maps.insert(at, map);
    }
    if layers.len() > MOST_LAYERS {
        return Err(Error::format(format!(
            "{} layers by the names and axes of its arrays; no model has more than {MOST_LAYERS}: name steps and inputs as \
             such (step7_layer0, input3_layer0)",
            layers.len()
        )));
    }
    if let Some(heads) = &options.heads {
        for ((_, number), layer) in &mut layers {
            layer.heads = renumbered("heads", heads, layer.heads.len(), &format!("layer {number} has"))?;
        }
    }
    Ok(layers)
}

/// The stated numbers, if they are as many as were found.
fn renumbered(option: &'static str, stated: &[usize], found: usize, whose: &str) -> Result<Vec<usize>> {
    match stated.len() == found {
        true => Ok(stated.to_vec()),
        false => {
            let shown = stated.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
            Err(Error::option(option, shown, format!("{} numbers; {whose} {found}", stated.len())))
        }
    }
}

pub(super) fn assemble(mut contents: Contents, store: Store, options: &ImportOptions, hash: String) -> Result<Import> {
    contents.all_read();
    if contents.maps.is_empty() {
        let notes = &contents.notes;
        let aside: Vec<String> = notes.iter().map(Aside::to_string).collect();
        let aside = if notes.is_empty() { String::new() } else { format!(" ({})", aside.join("; ")) };
        return Err(Error::format(format!(
            "no attention maps found{aside}; name arrays such as L5, layer5/step3 or L5H5"
        )));
    }
    let mut said = Vec::new();
    if let Some(steps) = contents.steps {
        said.push(Inferred::Steps(steps));
    }
    let Sorted { placed, batches, mut missing, mut refused } = sort(&mut contents, options, &store, &mut said)?;
    let entries: Vec<Entry> = batches
        .iter()
        .flat_map(|(&(step, input), &(count, _))| (0..count).map(move |item| Entry { step, input, item }))
        .collect();
    let named: BTreeSet<(Option<u64>, usize)> = entries.iter().map(|entry| (entry.input, entry.item)).collect();
    let named: BTreeMap<(Option<u64>, usize), usize> =
        named.into_iter().enumerate().map(|(at, name)| (name, at)).collect();
    let origin = |entry: &Entry| {
        let input = named.get(&(entry.input, entry.item)).copied().unwrap_or(0);
        Origin { input, step: batches[&(entry.step, entry.input)].1 }
    };
    let origins: Vec<Origin> = entries.iter().map(origin).collect();
    let at: BTreeMap<Entry, usize> = entries.iter().enumerate().map(|(at, &entry)| (entry, at)).collect();
    let mut layers = layers_of(placed, &at, options)?;

    if let Some(stated) = &options.layers {
        let all: BTreeSet<usize> =
            layers.keys().chain(missing.keys()).chain(refused.keys()).map(|(_, number)| *number).collect();
        let numbers = renumbered("layers", stated, all.len(), "the file has")?;
        let to: BTreeMap<usize, usize> = all.into_iter().zip(numbers).collect();
        layers = layers.into_iter().map(|((stack, from), layer)| ((stack, to[&from]), layer)).collect();
        missing = missing.into_iter().map(|((stack, from), why)| ((stack, to[&from]), why)).collect();
        refused = refused.into_iter().map(|((stack, from), why)| ((stack, to[&from]), why)).collect();
    }
    // A layer of which something is there is not missing; one that is nothing but refused is no layer.
    missing.retain(|place, _| !layers.contains_key(place));
    for ((_, number), why) in refused.iter().filter(|(place, _)| layers.contains_key(place)) {
        contents.notes.push(Aside::new(format!("layer {number}"), Ignored::NotWeights(why.clone())));
    }
    refused.retain(|place, _| !layers.contains_key(place));
    let refused = refused.into_iter().map(|(place, why)| (place, Absent::NotWeights(why)));
    let mut lost: Vec<((Stack, usize), Absent)> =
        refused.chain(missing.into_iter().map(|(place, name)| (place, Absent::Null(name)))).collect();
    if layers.is_empty() {
        let why = lost.first().map(|(_, why)| why.to_string()).unwrap_or_default();
        return Err(Error::format(format!("no attention weights in the file: {why}")));
    }
    lost.sort_by_key(|(place, _)| *place);
    if options.layers.is_none()
        && let Some(first) = layers.keys().chain(lost.iter().map(|(place, _)| place)).map(|(_, number)| *number).min()
        && first > 0
    {
        let numbers: BTreeSet<usize> = layers.keys().map(|(_, number)| *number).collect();
        let last = numbers.last().copied().unwrap_or(first);
        said.push(Inferred::Numbers { first, last, layers: numbers.len() });
    }

    masks::settle(&mut layers, options, &store, &mut said)?;
    if said.iter().any(|note| matches!(note, Inferred::Cross { .. })) {
        lost.iter_mut().filter(|((stack, _), _)| stack.is_only()).for_each(|((stack, _), _)| *stack = Stack::Cross);
    }
    let of = (entries.as_slice(), origins.as_slice());
    tokens::pad(&mut contents, of, &mut layers);
    let tokens = tokens::tokens(&mut contents, of, &layers);
    check_statistics(&layers, options)?;
    summarise(&mut layers, &tokens, &store, &mut contents.notes)?;
    let causal = layers.values().flat_map(|layer| layer.maps.values()).all(|map| map.mask.causal);
    let numbers = layers.keys().chain(lost.iter().map(|(place, _)| place)).map(|(_, number)| *number);
    let info = ModelInfo {
        family: "import".into(),
        task: if causal { Task::CausalLm } else { Task::Encoder },
        causal,
        layers: numbers.max().map_or(0, |last| last + 1),
        heads: layers.values().filter_map(|layer| layer.heads.last()).max().map_or(0, |&last| last + 1),
        parameters: None,
        max_positions: None,
        weights_hash: hash,
        remarks: Vec::new(),
    };
    let Contents { prompt_length, notes, .. } = contents;
    Ok(Import::of(Maps { info, store, layers, lost, origins, tokens, prompt_length, notes, said }))
}

/// One map of a layer and input from one array, or from one per head.
fn joined(layer: usize, mut parts: Vec<Placed>) -> Result<(Vec<usize>, Map)> {
    parts.sort_by_key(|part| part.head);
    let first = &parts[0];
    let ([heads, queries, keys], precision) = (first.piece.block.shape, first.piece.precision);
    let twice = parts.windows(2).find(|w| w[0].head == w[1].head || w[0].head.is_none());
    if let Some(w) = twice {
        return Err(Error::format(format!(
            "layer {layer} appears twice: {} and {}; name arrays such as L5, layer5/step3 or L5H5",
            w[0].name, w[1].name
        )));
    }
    if let Some(other) = parts.iter().find(|part| part.piece.block.shape[1..] != [queries, keys]) {
        return Err(Error::format(format!(
            "layer {layer}: {} is [{}, {}], {} is [{queries}, {keys}]; heads of a layer must agree",
            other.name, other.piece.block.shape[1], other.piece.block.shape[2], first.name
        )));
    }
    let heads = match first.head {
        None => (0..heads).collect(),
        Some(_) => parts.iter().filter_map(|part| part.head).collect(),
    };
    let observations = Observations {
        source: precision,
        mask: MaskOrigin::Given,
        zeros: 0.0,
        lowest_sum: None,
        highest_sum: None,
        non_finite: parts.iter().map(|part| part.non_finite).sum::<usize>() as u64,
    };
    let mask = Mask::full();
    let blocks = parts.into_iter().map(|part| part.piece.block).collect();
    Ok((heads, Map { queries, keys, blocks, precision, mask, statistics: Vec::new(), observations }))
}

/// Many small maps take less than their statistics do.
fn check_statistics(layers: &BTreeMap<(Stack, usize), Layer>, options: &ImportOptions) -> Result<()> {
    // Of a row about thirty numbers, of a key three sums, and a pooled map of at most 64 x 64 cells, twice; and 2 KiB of fields.
    let of = |layer: &Layer, map: &Map| {
        let side = map.queries.min(map.keys).min(64);
        layer.heads.len() * (2048 + 128 * map.queries + 24 * map.keys + 8 * side * side)
    };
    let needed: usize = layers.values().map(|layer| layer.maps.values().map(|map| of(layer, map)).sum::<usize>()).sum();
    match needed as u64 <= options.memory_budget {
        true => Ok(()),
        false => Err(Error::budget(format!(
            "statistics of its maps take {needed} bytes in memory, an import may take {}",
            options.memory_budget
        ))
        .hinted(Hint::Raise("max_bytes"))),
    }
}

/// Statistics and observations of every map. Rows of padding that see no key show nothing, whatever stands in them.
fn summarise(
    layers: &mut BTreeMap<(Stack, usize), Layer>,
    tokens: &[Vec<Token>],
    store: &Store,
    notes: &mut Vec<Aside>,
) -> Result<()> {
    let mut unread = 0;
    for layer in layers.values_mut() {
        for (&entry, map) in &mut layer.maps {
            let (n, m) = (map.queries, map.keys);
            let mask = &map.mask;
            let mut weights = map.stored(store)?;
            unread += map.blind(&mut weights);
            let request = default_request(&tokens[entry], m);
            let statistics: Vec<HeadStatistics> = weights
                .par_chunks_exact(n * m)
                .map(|weights| dense::of_weights(weights, n, m, mask, &request))
                .collect::<std::result::Result<_, _>>()?;
            map.statistics = statistics;
            let (mut zeros, mut allowed) = (0u64, 0u64);
            let seen = &mut map.observations;
            for (row, weights) in weights.chunks_exact(m).enumerate() {
                let query = row % n;
                if mask.visible(query, m) == 0 || mask.is_padding(query) {
                    continue;
                }
                let range = mask.range(query, m);
                let visible = || weights[range.clone()].iter().zip(range.clone()).filter(|&(_, key)| !mask.hides(key));
                allowed += visible().count() as u64;
                zeros += visible().filter(|&(&w, _)| w == 0.0).count() as u64;
                let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
                if sum.is_finite() {
                    seen.lowest_sum = Some(seen.lowest_sum.map_or(sum, |low| low.min(sum)));
                    seen.highest_sum = Some(seen.highest_sum.map_or(sum, |high| high.max(sum)));
                }
            }
            seen.zeros = zeros as f64 / allowed.max(1) as f64;
        }
    }
    if unread > 0 {
        notes.push(Aside::new("attention_mask", Ignored::PaddingRows(unread)));
    }
    Ok(())
}
