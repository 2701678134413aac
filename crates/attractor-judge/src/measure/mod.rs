//! Figures of every head on every input, taken in one walk over the maps.
//!
//! One task per (layer, head), over all inputs; the tasks run in parallel and their results are kept in the order of the
//! heads, so nothing depends on the number of threads. A task walks the maps of inputs of one shape side by side, in
//! strips of a few rows; whoever wants to know something of a map takes it from the strip as it passes.

mod across;
mod distinct;
mod divergence;
mod geometry;
mod head;
mod null;
mod repeats;
mod row;
mod walk;

use std::sync::Arc;

use attractor_record::{Patterns, Steps};

pub use distinct::{Repeated, repeated_inputs};
pub(crate) use geometry::{ClassKind, Geometry, Pairs};
pub(crate) use head::{HeadInput, Unfit};
pub(crate) use null::{Null, NullKind, NullPlan};
pub(crate) use repeats::SHORTEST;
pub use repeats::{block_read_twice, is_repetition};
pub(crate) use row::Row;
pub(crate) use walk::{Eye, Task, seen, tasks, watched};

use crate::config::{Config, Key};
use attractor::Result;

/// Most cells of a map within which labels are permuted: the places that they may fall on are listed.
pub(crate) const LONGEST_MAP: usize = 16 << 20;

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

/// What is measured, known before any map is seen.
pub(crate) struct Plan {
    /// [layer index][input].
    pub geometry: Vec<Vec<Arc<Geometry>>>,
    steps: Steps,
    compared: Vec<usize>,
    alike: Vec<usize>,
    paired: Vec<usize>,
    null_plan: NullPlan,
}

impl Plan {
    pub(crate) fn new(patterns: &dyn Patterns, config: &Config) -> Result<Self> {
        let geometry = Geometry::of_all(patterns, config)?;
        let steps = Steps::of(patterns);
        let abreast = steps.abreast();
        let alike = geometry.first().map_or_else(Vec::new, |first| largest_alike(first, &abreast));
        let null_plan = NullPlan::new(&geometry, &abreast, &alike, config);
        let paired = paired_inputs(&alike, geometry.first(), tasks(patterns).len());
        let compared = abreast.into_iter().take(config.count(Key::DiversityInputs)).collect();
        Ok(Self { geometry, steps, compared, alike, paired, null_plan })
    }

    /// With the heads, in the order of [`tasks`], that were measured by it.
    pub(crate) fn with(self, heads: Vec<HeadMeasure>) -> Measures {
        let Self { geometry, steps, compared, alike, paired, null_plan } = self;
        Measures { heads, geometry, steps, compared, alike, paired, null_plan }
    }
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
