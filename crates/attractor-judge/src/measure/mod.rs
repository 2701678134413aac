//! Figures of every head on every input, taken in one pass over the maps.
//!
//! One task a (layer, head), over all inputs; the tasks run in parallel and their results are kept in the order of the
//! heads, so nothing depends on the number of threads. A task reads each map once where all maps of the head fit into
//! [`CACHE`] numbers, and row block by row block otherwise.

mod across;
mod distinct;
mod divergence;
mod geometry;
mod head;
mod null;
mod repeats;
pub(crate) mod vector;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use attractor_record::{Patterns, Steps};
use rayon::prelude::*;

pub use distinct::{repeated_in_words, repeated_inputs};
pub(crate) use geometry::{ClassKind, Geometry, Pairs};
pub(crate) use head::{HeadInput, Unfit};
pub(crate) use null::{Null, NullKind, NullPlan};
pub(crate) use repeats::SHORTEST;
pub use repeats::block_read_twice;

use crate::config::{Config, Key};
use attractor::{Error, Result};

/// Most numbers (f32) of one head's maps held at once: 64 MiB a thread.
pub(crate) const CACHE: usize = 16 << 20;

/// All figures of one head.
pub(crate) struct HeadMeasure {
    /// Index among the kept layers.
    pub index: usize,
    /// The model's own number.
    pub layer: usize,
    pub head: usize,
    /// One per input.
    pub inputs: Vec<HeadInput>,
    /// Share of the pattern that the other inputs' positional baseline leaves unexplained, one per input.
    pub position_content: Vec<Option<f64>>,
    /// Share of the map's squared distance from uniform that the other inputs' maps do not share, one per input.
    pub query_content: Vec<Option<f64>>,
    /// Null of the repetition contrast.
    pub repeat_null: Option<Null>,
    /// Divergence between the chosen rows of the entries [`Measures::compared`], [entry][pair].
    pub row_divergence: Vec<Vec<f32>>,
    /// Total variation between the rows of two inputs, [pair of inputs x row]; for the token-shuffle null.
    pub pair_distance: Vec<f32>,
}

/// Everything measured.
pub(crate) struct Measures {
    /// In the order of layers, then heads.
    pub heads: Vec<HeadMeasure>,
    /// [layer index][input].
    pub geometry: Vec<Vec<Arc<Geometry>>>,
    /// Which entries are steps of the same input.
    pub steps: Steps,
    /// The first entries whose rows are compared with their beliefs: of different inputs.
    pub compared: Vec<usize>,
    /// Inputs of equal shape and mask whose maps are compared position by position; the largest such group.
    pub alike: Vec<usize>,
    /// Those of `alike` whose pairwise distances were kept.
    pub paired: Vec<usize>,
    /// How the nulls of the token figures were drawn.
    pub null_plan: NullPlan,
}

/// Rows of the map of a (layer, head), of the size that the source promised; `None`: the map was not kept.
pub(crate) fn fetch(
    patterns: &dyn Patterns,
    (layer, head): (usize, usize),
    input: usize,
    rows: Range<usize>,
    keys: usize,
) -> Result<Option<Vec<f32>>> {
    let expected = rows.len() * keys;
    match patterns.weights(layer, head, input, rows.clone())? {
        Some(w) if w.len() != expected => Err(Error::format(format!(
            "judge: rows {rows:?} of L{layer}H{head}, input {input}, came as {} numbers; expected {expected} \
             (rows x {keys} keys); the source contradicts its own shape",
            w.len(),
        ))),
        other => Ok(other),
    }
}

/// One head's maps.
pub(crate) struct Source<'a> {
    patterns: &'a dyn Patterns,
    layer: usize,
    head: usize,
    geometry: &'a [Arc<Geometry>],
    cache: Vec<Option<Vec<f32>>>,
    cached: bool,
}

impl<'a> Source<'a> {
    fn open(patterns: &'a dyn Patterns, layer: usize, head: usize, geometry: &'a [Arc<Geometry>]) -> Result<Self> {
        let total: usize = geometry.iter().map(|g| g.queries.saturating_mul(g.keys)).fold(0, usize::saturating_add);
        let mut source = Self { patterns, layer, head, geometry, cache: Vec::new(), cached: total <= CACHE };
        if source.cached {
            for (input, g) in geometry.iter().enumerate() {
                let map = source.fetch(input, 0..g.queries)?;
                source.cache.push(map);
            }
        }
        Ok(source)
    }

    fn fetch(&self, input: usize, rows: Range<usize>) -> Result<Option<Vec<f32>>> {
        fetch(self.patterns, (self.layer, self.head), input, rows, self.geometry[input].keys)
    }

    /// Rows as they are stored.
    fn rows(&self, input: usize, rows: Range<usize>) -> Result<Option<Cow<'_, [f32]>>> {
        if self.cached {
            let keys = self.geometry[input].keys;
            return Ok(self.cache[input].as_deref().map(|map| Cow::Borrowed(&map[rows.start * keys..rows.end * keys])));
        }
        Ok(self.fetch(input, rows)?.map(Cow::Owned))
    }

    /// From here on, cached maps are distributions: zero outside the visible keys, rows of sum one.
    fn normalise(&mut self) {
        for (map, g) in self.cache.iter_mut().zip(self.geometry) {
            if let Some(map) = map {
                g.normalise(map, 0..g.queries);
            }
        }
    }

    /// Rows as distributions; after [`normalise`](Self::normalise).
    fn distributions(&self, input: usize, rows: Range<usize>) -> Result<Option<Cow<'_, [f32]>>> {
        let block = self.rows(input, rows.clone())?;
        Ok(match block {
            Some(Cow::Owned(mut block)) => {
                self.geometry[input].normalise(&mut block, rows);
                Some(Cow::Owned(block))
            }
            other => other,
        })
    }

    /// A whole map as distributions, if it is held.
    fn whole(&self, input: usize) -> Option<&[f32]> {
        self.cache.get(input)?.as_deref()
    }
}

/// Measures everything once.
pub(crate) fn measure(patterns: &dyn Patterns, config: &Config) -> Result<Measures> {
    let layers = patterns.layers();
    let inputs = patterns.inputs();
    let geometry = Geometry::of_all(patterns, config)?;
    let tasks: Vec<(usize, usize, usize)> = layers
        .iter()
        .enumerate()
        .flat_map(|(index, shape)| shape.heads.iter().map(move |&head| (index, shape.layer, head)))
        .collect();
    let steps = Steps::of(patterns);
    let abreast = steps.abreast();
    let alike = geometry.first().map_or_else(Vec::new, |first| largest_alike(first, &abreast));
    let null_plan = NullPlan::new(&geometry, &abreast, &alike, config);
    let paired = paired_inputs(&alike, geometry.first(), tasks.len());
    let compared: Vec<usize> = abreast.iter().copied().take(config.count(Key::DiversityInputs)).collect();

    let heads = tasks
        .par_iter()
        .map(|&(index, layer, head)| {
            let geometry = &geometry[index];
            let mut source = Source::open(patterns, layer, head, geometry)?;
            let mut figures = (0..inputs)
                .map(|input| HeadInput::measure(patterns, &source, layer, head, input))
                .collect::<Result<Vec<_>>>()?;
            source.normalise();
            let testable: Vec<bool> = figures.iter().map(|f| f.unfit.is_none() && f.has_weights).collect();
            let across = across::measure(&source, &steps, &testable, &figures, &paired)?;
            let repeat_null = null_plan.apply(&source, geometry, &testable, &figures);
            let mut row_divergence = Vec::with_capacity(compared.len());
            for &input in &compared {
                row_divergence.push(match testable[input] {
                    true => divergence::of_rows(&source, &geometry[input], input)?,
                    false => Vec::new(),
                });
            }
            // The profiles have done their work; kept for every head they would be most of the memory.
            for figure in &mut figures {
                figure.profile = Vec::new();
                figure.text_profile = Vec::new();
            }
            Ok(HeadMeasure {
                index,
                layer,
                head,
                inputs: figures,
                position_content: across.position_content,
                query_content: across.query_content,
                repeat_null,
                row_divergence,
                pair_distance: across.pair_distance,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Measures { heads, geometry, steps, compared, alike, paired, null_plan })
}

/// The largest set of entries of `among` of one shape and mask; of equal sets the one with the lowest entry.
fn largest_alike(geometry: &[Arc<Geometry>], among: &[usize]) -> Vec<usize> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &input in among {
        let g = &geometry[input];
        match groups.iter_mut().find(|group| geometry[group[0]].is_alike(g)) {
            Some(group) => group.push(input),
            None => groups.push(vec![input]),
        }
    }
    // `max_by_key` keeps the last of equals; the reverse makes it the first.
    groups.into_iter().rev().max_by_key(Vec::len).unwrap_or_default()
}

/// The first inputs of `alike` whose pairwise row distances stay within 64 MiB over all heads.
fn paired_inputs(alike: &[usize], geometry: Option<&Vec<Arc<Geometry>>>, heads: usize) -> Vec<usize> {
    const MOST: usize = 16;
    const BUDGET: usize = 16 << 20;
    let Some(rows) = geometry.and_then(|g| alike.first().map(|&first| g[first].queries)) else { return Vec::new() };
    let mut count = alike.len().min(MOST);
    while count > 0 && (count * (count - 1) / 2).saturating_mul(rows).saturating_mul(heads) > BUDGET {
        count -= 1;
    }
    alike[..count].to_vec()
}
