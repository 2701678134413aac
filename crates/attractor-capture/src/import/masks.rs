//! Which keys the queries of imported maps may see: as stated, or as the layers of a stack agree.
//!
//! A softmax over masked scores leaves exact zeros, so a causal mask shows: nothing stands after any query's own position. Where
//! at least half of the layers that show a mask show this one, it is the stack's mask, and a layer that breaks it is wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use attractor::retrieve::Mask;
use attractor::{Error, Result};
use attractor_record::{MaskOrigin, Stack};

use super::inferred::Inferred;
use super::store::Store;
use super::{ImportOptions, Layer, Map};

/// Which keys a query may see, as it is stated for a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskRule {
    /// All up to its own position.
    Causal,
    /// All.
    Full,
    /// The last N up to its own position.
    Window(usize),
}

impl FromStr for MaskRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text, text.strip_prefix("window:").and_then(|width| width.parse().ok())) {
            ("causal", _) => Ok(Self::Causal),
            ("full", _) => Ok(Self::Full),
            (_, Some(width)) if width > 0 => Ok(Self::Window(width)),
            _ => Err(Error::option("mask", text, "expected causal, full or window:N (the last N keys, N at least 1)")),
        }
    }
}

impl fmt::Display for MaskRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Causal => f.write_str("causal"),
            Self::Full => f.write_str("full"),
            Self::Window(width) => write!(f, "window:{width}"),
        }
    }
}

/// The stack whose mask an option states: the only one; of an encoder and a decoder, the decoder.
fn is_stated(stack: Stack, stacks: &[Stack]) -> bool {
    match stack {
        Stack::Only | Stack::Decoder => true,
        Stack::Encoder | Stack::Cross => stacks.len() == 1,
    }
}

/// The rule for one map; `offset`: where its first query stands, if that is stated.
fn ruled(rule: MaskRule, map: &Map, offset: Option<usize>, name: &str) -> Result<Mask> {
    let (queries, keys) = (map.queries, map.keys);
    let refused = |why: String| Err(Error::option("mask", rule, format!("{name}: {why}")));
    if let Some(offset) = offset.filter(|offset| offset + queries > keys) {
        return Err(Error::option("offset", offset, format!("{name}: {queries} queries from there on, {keys} keys")));
    }
    match (rule, offset.or_else(|| keys.checked_sub(queries))) {
        (MaskRule::Full, offset) => Ok(Mask { offset: offset.unwrap_or(0), ..Mask::full() }),
        (_, None) => {
            refused(format!("{queries} queries and {keys} keys; not every query has a position among the keys"))
        }
        (MaskRule::Causal, Some(offset)) => Ok(Mask { offset, ..Mask::causal() }),
        (MaskRule::Window(width), Some(offset)) => Ok(Mask { offset, window: Some(width), ..Mask::causal() }),
    }
}

/// What a map shows of a causal mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// It has one query, or no mass: any mask would do.
    Nothing,
    Causal,
    Ahead,
}

fn shows(map: &Map, offset: Option<usize>, store: &Store) -> Result<Shows> {
    if map.queries < 2 {
        return Ok(Shows::Nothing);
    }
    let weights = map.weights(store)?;
    if weights.iter().all(|&w| w == 0.0) {
        return Ok(Shows::Nothing);
    }
    let Ok(mask) = ruled(MaskRule::Causal, map, offset, "") else { return Ok(Shows::Ahead) };
    let nothing_ahead = weights.chunks_exact(map.keys).enumerate().all(|(row, weights)| {
        let range = mask.range(row % map.queries, map.keys);
        weights[range.end..].iter().all(|w| *w == 0.0 || !w.is_finite())
    });
    Ok(if nothing_ahead { Shows::Causal } else { Shows::Ahead })
}

/// Gives every map its mask; says what was inferred. A stack without a name whose maps cannot be of its own positions becomes that
/// of cross attention.
pub(super) fn settle(
    layers: &mut BTreeMap<(Stack, usize), Layer>,
    options: &ImportOptions,
    store: &Store,
    said: &mut Vec<Inferred>,
) -> Result<()> {
    if options.stack.is_none() && options.mask.is_none() && options.offset.is_none() {
        become_cross(layers, store, said)?;
    }
    let stacks: Vec<Stack> = {
        let mut stacks: Vec<Stack> = layers.keys().map(|(stack, _)| *stack).collect();
        stacks.dedup();
        stacks
    };
    for &stack in &stacks {
        let of_stack = || layers.iter().filter(move |((of, _), _)| *of == stack);
        let stated = is_stated(stack, &stacks);
        let offset = options.offset.filter(|_| stated);
        let (rule, origin): (MaskRule, MaskOrigin);
        let (mut breaking, mut behind) = (Vec::new(), Vec::new());
        match options.mask.filter(|_| stated) {
            Some(stated) => (rule, origin) = (stated, MaskOrigin::Given),
            None if stack == Stack::Cross => (rule, origin) = (MaskRule::Full, MaskOrigin::CrossAttention),
            None => {
                let seen = of_stack()
                    .map(|((_, number), layer)| Ok((*number, layer.shows(offset, store)?)))
                    .collect::<Result<Vec<(usize, Shows)>>>()?;
                let count = |wanted| seen.iter().filter(|(_, shows)| *shows == wanted).count();
                let (keep, ahead) = (count(Shows::Causal), count(Shows::Ahead));
                let steps = keep == 0 && ahead == 0 && of_stack().all(|(_, layer)| layer.is_decoded());
                let causal = (keep > 0 && keep >= ahead) || steps;
                (rule, origin) = match (causal, keep) {
                    (true, _) => (MaskRule::Causal, MaskOrigin::InferredCausal),
                    (false, 0) => (MaskRule::Full, MaskOrigin::InferredFull),
                    (false, _) => (MaskRule::Full, MaskOrigin::InferredMixed),
                };
                if causal {
                    breaking =
                        seen.iter().filter(|(_, shows)| *shows == Shows::Ahead).map(|(layer, _)| *layer).collect();
                    for ((_, number), layer) in of_stack().filter(|((_, number), _)| !breaking.contains(number)) {
                        if !layer.sees_itself(offset, store)? {
                            behind.push(*number);
                        }
                    }
                    // Where most layers look behind alone, it is the model's way.
                    if 2 * behind.len() > keep {
                        behind.clear();
                    }
                }
                let offsets = || {
                    let maps = of_stack().flat_map(|(_, layer)| layer.maps.values());
                    maps.map(|map| offset.unwrap_or(map.keys.saturating_sub(map.queries)))
                };
                let offset = (offsets().min().unwrap_or(0), offsets().max().unwrap_or(0));
                said.push(Inferred::Mask { stack, causal, keep, of: keep + ahead, offset });
            }
        }
        for ((_, number), layer) in layers.iter_mut().filter(|((of, _), _)| *of == stack) {
            for map in layer.maps.values_mut() {
                let is_breaking = breaking.contains(number);
                if stack == Stack::Cross && rule == MaskRule::Full {
                    // Its queries are no positions among its keys.
                    map.mask = Mask::full();
                    map.observations.mask = origin;
                    continue;
                }
                map.mask = match ruled(rule, map, offset, &format!("layer {number}")) {
                    // Of a map that cannot be causal at all, nothing can be said but that its layer breaks the mask.
                    Err(_) if is_breaking => Mask::full(),
                    mask => mask?,
                };
                map.observations.mask = match (is_breaking, behind.contains(number)) {
                    (true, _) => MaskOrigin::InferredFromLayers,
                    (false, true) => MaskOrigin::InferredBehind,
                    (false, false) => origin,
                };
            }
        }
    }
    Ok(())
}

impl Layer {
    /// What all maps of the layer show together: one that looks ahead is enough.
    fn shows(&self, offset: Option<usize>, store: &Store) -> Result<Shows> {
        let mut all = Shows::Nothing;
        for map in self.maps.values() {
            match shows(map, offset, store)? {
                Shows::Ahead => return Ok(Shows::Ahead),
                Shows::Causal => all = Shows::Causal,
                Shows::Nothing => {}
            }
        }
        Ok(all)
    }

    /// True if any query but the first of a map has weight on its own position, or the layer shows nothing of it.
    fn sees_itself(&self, offset: Option<usize>, store: &Store) -> Result<bool> {
        let mut shown = false;
        for map in self.maps.values().filter(|map| map.queries > 1 && map.queries <= map.keys) {
            let weights = map.weights(store)?;
            shown |= weights.iter().any(|&w| w != 0.0);
            let first = offset.unwrap_or(map.keys - map.queries);
            let own = |row: usize| (!row.is_multiple_of(map.queries)).then_some(first + row % map.queries);
            let mut rows = weights.chunks_exact(map.keys).enumerate();
            if rows.any(|(row, weights)| own(row).and_then(|key| weights.get(key)).is_some_and(|&w| w != 0.0)) {
                return Ok(true);
            }
        }
        Ok(!shown)
    }

    /// True if maps of one query each see one key more from entry to entry, as decoding with a cache makes them.
    fn is_decoded(&self) -> bool {
        let keys: Vec<usize> = self.maps.values().filter(|map| map.queries == 1).map(|map| map.keys).collect();
        keys.len() == self.maps.len() && keys.len() > 1 && keys.windows(2).all(|pair| pair[1] == pair[0] + 1)
    }
}

/// Maps whose queries are no positions among their keys are of cross attention.
fn become_cross(layers: &mut BTreeMap<(Stack, usize), Layer>, store: &Store, said: &mut Vec<Inferred>) -> Result<()> {
    let only = layers.iter().filter(|((stack, _), _)| stack.is_only()).map(|(_, layer)| layer);
    let (mut all, mut maps) = (0, Vec::new());
    for map in only.flat_map(|layer| layer.maps.values()) {
        all += 1;
        if map.queries > 1 && map.queries != map.keys && shows(map, None, store)? == Shows::Ahead {
            maps.push([map.queries, map.keys]);
        }
    }
    let Some(&[queries, keys]) = maps.first() else { return Ok(()) };
    // One layer of many that looks ahead is a broken mask.
    if 2 * maps.len() <= all {
        return Ok(());
    }
    let moved: BTreeMap<(Stack, usize), Layer> = std::mem::take(layers)
        .into_iter()
        .map(|((stack, number), layer)| ((if stack.is_only() { Stack::Cross } else { stack }, number), layer))
        .collect();
    *layers = moved;
    said.push(Inferred::Cross { queries, keys });
    Ok(())
}
