//! From named arrays to layers, heads and inputs; masks, statistics and what is seen on the way.

use std::collections::{BTreeMap, BTreeSet};

use attractor::retrieve::{HeadStatistics, Mask, dense};
use rayon::prelude::*;

use super::raw::{Contents, SHAPES};
use super::{Import, ImportOptions, Layer, Map};
use crate::aside::{Absent, Aside, Ignored, NotWeights};
use attractor::{Error, Result};
use attractor_data::archive::Array;
use attractor_record::Precision;
use attractor_record::kernel::default_request;
use attractor_record::{MaskOrigin, Observations};
use attractor_record::{ModelInfo, Origin, Role, Step, Task, Token};

/// An array with its axes settled.
struct Placed {
    name: String,
    head: Option<usize>,
    heads: usize,
    queries: usize,
    keys: usize,
    data: Vec<f32>,
    precision: Precision,
}

/// Settles the axes: a list of [heads, queries, keys], one per batch item.
fn place(name: &str, head: Option<usize>, array: Array) -> Result<Vec<Placed>> {
    let wrong = || {
        let heads =
            if head.is_some() { "; the name says one head, so [query, key] or [batch, query, key]" } else { "" };
        Error::format(format!("{name}: shape {:?}; attention weights are {SHAPES}{heads}", array.shape))
    };
    let (batch, heads, queries, keys) = match (array.shape.as_slice(), head) {
        (&[q, k], _) => (1, 1, q, k),
        (&[h, q, k], None) => (1, h, q, k),
        (&[b, h, q, k], None) => (b, h, q, k),
        (&[b, q, k], Some(_)) | (&[b, 1, q, k], Some(_)) => (b, 1, q, k),
        _ => return Err(wrong()),
    };
    if batch * heads * queries * keys == 0 {
        return Err(Error::format(format!("{name}: shape {:?} holds no weights", array.shape)));
    }
    let part = |data: &[f32]| Placed {
        name: name.to_string(),
        head,
        heads,
        queries,
        keys,
        data: data.to_vec(),
        precision: array.precision,
    };
    Ok(array.data.chunks_exact(heads * queries * keys).map(part).collect())
}

/// Why an array cannot be attention weights; softmax gives no negative numbers, and dropout keeps the sign.
fn no_weights(placed: &Placed) -> Option<NotWeights> {
    let is_negative = |w: f32| w < -1e-6;
    let first = placed.data.iter().position(|&w| is_negative(w))?;
    let negative = placed.data.iter().filter(|&&w| is_negative(w)).count();
    let (heads, queries, keys) = (placed.heads, placed.queries, placed.keys);
    let head = placed.head.unwrap_or(first / (queries * keys));
    Some(NotWeights {
        name: placed.name.clone(),
        shape: [heads, queries, keys],
        negative,
        first: placed.data[first],
        at: [head, first / keys % queries, first % keys],
    })
}

pub(super) fn assemble(contents: Contents, options: &ImportOptions, hash: String) -> Result<Import> {
    let Contents { maps, tokens: texts, prompt_length, mut notes } = contents;
    if maps.is_empty() {
        let aside: Vec<String> = notes.iter().map(Aside::to_string).collect();
        let aside = if notes.is_empty() { String::new() } else { format!(" ({})", aside.join("; ")) };
        return Err(Error::format(format!(
            "no attention maps found{aside}; name arrays such as L5, layer5/step3 or L5H5"
        )));
    }
    // (layer, entry) -> parts; and the number of batch items of every step of every named input.
    let mut placed: BTreeMap<(usize, Entry), Vec<Placed>> = BTreeMap::new();
    let mut batches: BTreeMap<(Option<u64>, Option<u64>), (usize, Option<Step>)> = BTreeMap::new();
    // Layers that are null in the file, by name; and those that hold no weights.
    let mut missing: BTreeMap<usize, String> = BTreeMap::new();
    let mut refused: BTreeMap<usize, NotWeights> = BTreeMap::new();
    let mut numbers = BTreeSet::new();
    for raw in maps {
        numbers.insert(raw.layer);
        match raw.array {
            None => drop(missing.insert(raw.layer, raw.name)),
            Some(array) => {
                let parts = place(&raw.name, raw.head, array)?;
                if let Some(why) = parts.iter().find_map(no_weights) {
                    refused.entry(raw.layer).or_insert(why);
                    continue;
                }
                let step = raw.step.map(|step| step.number);
                let batch = batches.entry((step, raw.input)).or_default();
                *batch = (batch.0.max(parts.len()), batch.1.or(raw.step));
                for (item, part) in parts.into_iter().enumerate() {
                    placed.entry((raw.layer, Entry { step, input: raw.input, item })).or_default().push(part);
                }
            }
        }
    }
    let entries: Vec<Entry> = batches
        .iter()
        .flat_map(|(&(step, input), &(count, _))| (0..count).map(move |item| Entry { step, input, item }))
        .collect();
    let named: BTreeSet<(Option<u64>, usize)> = entries.iter().map(|entry| (entry.input, entry.item)).collect();
    let origins: Vec<Origin> = entries
        .iter()
        .map(|entry| {
            let input = named.iter().position(|&input| input == (entry.input, entry.item)).unwrap_or(0);
            Origin { input, step: batches[&(entry.step, entry.input)].1 }
        })
        .collect();

    let mut layers: BTreeMap<usize, Layer> = BTreeMap::new();
    for ((layer, entry), parts) in placed {
        let Some(input) = entries.iter().position(|&other| other == entry) else { continue };
        let (heads, map) = joined(layer, parts)?;
        let found = layers.entry(layer).or_insert_with(|| Layer {
            heads: heads.clone(),
            mask: Mask::full(),
            maps: entries.iter().map(|_| None).collect(),
        });
        if found.heads != heads {
            return Err(Error::format(format!(
                "layer {layer}: heads {heads:?} here, {:?} in another input",
                found.heads
            )));
        }
        found.maps[input] = Some(map);
    }
    // A layer of which something is there is not missing; one that is nothing but refused is no layer.
    missing.retain(|layer, _| !layers.contains_key(layer));
    for (layer, why) in refused.iter().filter(|(layer, _)| layers.contains_key(layer)) {
        notes.push(Aside::new(format!("layer {layer}"), Ignored::NotWeights(why.clone())));
    }
    refused.retain(|layer, _| !layers.contains_key(layer));
    let refused = refused.into_iter().map(|(layer, why)| (layer, Absent::NotWeights(why)));
    let mut lost: Vec<(usize, Absent)> =
        refused.chain(missing.into_iter().map(|(layer, name)| (layer, Absent::Null(name)))).collect();
    if layers.is_empty() {
        let why = lost.first().map(|(_, why)| why.to_string()).unwrap_or_default();
        return Err(Error::format(format!("no attention weights in the file: {why}")));
    }
    lost.sort_by_key(|(layer, _)| *layer);

    let tokens = tokens_of(&texts, (&entries, &origins), &layers, &mut notes);
    settle_masks(&mut layers, options)?;
    summarise(&mut layers, &tokens)?;
    let causal = layers.values().all(|layer| layer.mask.causal);
    let info = ModelInfo {
        family: "import".into(),
        task: if causal { Task::CausalLm } else { Task::Encoder },
        causal,
        layers: numbers.last().map_or(0, |&last| last + 1),
        heads: layers.values().filter_map(|layer| layer.heads.last()).max().map_or(0, |&last| last + 1),
        parameters: None,
        max_positions: None,
        weights_hash: hash,
        remarks: Vec::new(),
    };
    Ok(Import { info, layers, lost, origins, tokens, prompt_length, notes })
}

/// One map of a layer and input from one array, or from one per head.
fn joined(layer: usize, mut parts: Vec<Placed>) -> Result<(Vec<usize>, Map)> {
    parts.sort_by_key(|part| part.head);
    let first = &parts[0];
    let (queries, keys, precision) = (first.queries, first.keys, first.precision);
    let twice = parts.windows(2).find(|w| w[0].head == w[1].head || w[0].head.is_none());
    if let Some(w) = twice {
        return Err(Error::format(format!("layer {layer} appears twice: {} and {}", w[0].name, w[1].name)));
    }
    if let Some(other) = parts.iter().find(|part| (part.queries, part.keys) != (queries, keys)) {
        return Err(Error::format(format!(
            "layer {layer}: {} is [{}, {}], {} is [{queries}, {keys}]; heads of a layer must agree",
            other.name, other.queries, other.keys, first.name
        )));
    }
    let heads = match first.head {
        None => (0..first.heads).collect(),
        Some(_) => parts.iter().filter_map(|part| part.head).collect(),
    };
    let weights = match parts.len() {
        1 => std::mem::take(&mut parts[0].data),
        _ => parts.iter().flat_map(|part| &part.data).copied().collect(),
    };
    let observations = Observations {
        source: precision,
        mask: MaskOrigin::Given,
        zeros: 0.0,
        lowest_sum: None,
        highest_sum: None,
        non_finite: weights.iter().filter(|w| !w.is_finite()).count() as u64,
    };
    Ok((heads, Map { queries, keys, weights, precision, statistics: Vec::new(), observations }))
}

/// What an entry is called in the file: sorted by steps, then by inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    step: Option<u64>,
    /// The number in the name.
    input: Option<u64>,
    /// The place in the batch.
    item: usize,
}

/// Tokens of every entry, where the file gives as many as there are keys.
fn tokens_of(
    texts: &[Vec<String>],
    (entries, origins): (&[Entry], &[Origin]),
    layers: &BTreeMap<usize, Layer>,
    notes: &mut Vec<Aside>,
) -> Vec<Vec<Token>> {
    let mut odd = 0;
    let distinct = origins.iter().map(|origin| origin.input + 1).max().unwrap_or(0);
    let tokens = (0..entries.len()).map(|input| {
        let Entry { step, input: number, item } = entries[input];
        // One list for all; or one per entry; or one per input; or at least one per batch item.
        let given = match texts.len() {
            0 => return Vec::new(),
            1 => &texts[0],
            n if n == entries.len() => &texts[input],
            n if n == distinct => &texts[origins[input].input],
            _ if step.is_none() && number.is_none() && item < texts.len() => &texts[item],
            _ => {
                odd += 1;
                return Vec::new();
            }
        };
        let keys = layers.values().filter_map(|layer| layer.maps[input].as_ref()).map(|map| map.keys).max();
        if Some(given.len()) != keys {
            odd += 1;
            return Vec::new();
        }
        // Equal texts are equal tokens; numbers in the file are not always there.
        let number = |at: usize| given.iter().position(|text| *text == given[at]).unwrap_or(at);
        let id = |at: usize| given[at].parse().unwrap_or(number(at) as u32);
        let token = |at: usize| Token { text: given[at].clone(), id: id(at), role: Role::Text };
        (0..given.len()).map(token).collect()
    });
    let tokens = tokens.collect();
    if odd > 0 {
        notes.push(Aside::new("tokens", Ignored::Tokens(odd)));
    }
    tokens
}

/// The mask of every layer: as given, or causal where nothing stands above the diagonal.
fn settle_masks(layers: &mut BTreeMap<usize, Layer>, options: &ImportOptions) -> Result<()> {
    for (number, layer) in layers {
        let maps = || layer.maps.iter().flatten();
        let (mask, origin) = match &options.mask {
            Some(mask) => {
                for map in maps() {
                    mask.check(map.keys)
                        .map_err(|error| Error::usage(format!("layer {number}: {error}")).because(error))?;
                }
                (mask.clone(), MaskOrigin::Given)
            }
            None => {
                // With fewer queries than keys, the queries are the last positions.
                let offset = maps().next().map_or(0, |map| map.keys.saturating_sub(map.queries));
                let mask = Mask { offset, ..Mask::causal() };
                let fits = maps().all(|map| map.keys == map.queries + offset) && maps().any(|map| map.queries > 1);
                let nothing_above = || {
                    maps().all(|map| {
                        map.weights.chunks_exact(map.keys).enumerate().all(|(row, weights)| {
                            let range = mask.range(row % map.queries, map.keys);
                            weights[range.end..].iter().all(|w| *w == 0.0 || !w.is_finite())
                        })
                    })
                };
                match fits && nothing_above() {
                    true => (mask, MaskOrigin::InferredCausal),
                    false => (Mask::full(), MaskOrigin::InferredFull),
                }
            }
        };
        layer.mask = mask;
        for map in layer.maps.iter_mut().flatten() {
            map.observations.mask = origin;
        }
    }
    Ok(())
}

/// Statistics and observations of every map.
fn summarise(layers: &mut BTreeMap<usize, Layer>, tokens: &[Vec<Token>]) -> Result<()> {
    for layer in layers.values_mut() {
        let mask = &layer.mask;
        for (input, map) in layer.maps.iter_mut().enumerate() {
            let Some(map) = map else { continue };
            let (n, m) = (map.queries, map.keys);
            let request = default_request(&tokens[input], m);
            let statistics: Vec<HeadStatistics> = map
                .weights
                .par_chunks_exact(n * m)
                .map(|weights| dense::of_weights(weights, n, m, mask, &request))
                .collect::<std::result::Result<_, _>>()?;
            map.statistics = statistics;
            let (mut zeros, mut allowed) = (0u64, 0u64);
            let seen = &mut map.observations;
            for (row, weights) in map.weights.chunks_exact(m).enumerate() {
                let range = mask.range(row % n, m);
                allowed += range.len() as u64;
                zeros += weights[range].iter().filter(|&&w| w == 0.0).count() as u64;
                let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
                if sum.is_finite() {
                    seen.lowest_sum = Some(seen.lowest_sum.map_or(sum, |low| low.min(sum)));
                    seen.highest_sum = Some(seen.highest_sum.map_or(sum, |high| high.max(sum)));
                }
            }
            seen.zeros = zeros as f64 / allowed.max(1) as f64;
        }
    }
    Ok(())
}
