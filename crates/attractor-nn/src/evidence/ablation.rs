//! Ablations: every head, layer, and the whole model with something else in place of attention.
//!
//! An ablation of layer l starts from the cached input of that layer, and all ablations of a layer go on together as
//! one batch, so that its own attention is computed once and the matrices are large.

use std::sync::Arc;

use attractor::retrieve::tiled;
use attractor_record::evidence::{Ablation, AblationMode, Scope};
use rayon::prelude::*;

use super::Ablate;
use crate::loss::Case;
use crate::model::{Maps, Model, Observer, Overrides, Replacement, Tap, Want};
use attractor::{Context, Error, Result};

/// All modes, in the order of the report.
pub(super) const MODES: [AblationMode; 7] = [
    AblationMode::Uniform,
    AblationMode::SelfOnly,
    AblationMode::Previous,
    AblationMode::Local,
    AblationMode::MeanMap,
    AblationMode::OtherInput,
    AblationMode::Zero,
];

/// Modes of single heads unless all are wanted.
const HEAD_MODES: [AblationMode; 3] = [AblationMode::Uniform, AblationMode::MeanMap, AblationMode::Zero];

/// Rows of hidden state that go through the model at once: large enough for fast matrix products.
const ROWS: usize = 4096;

/// Most that the sums of maps of one length may take; beyond it there are no mean maps.
const SUM_BYTES: usize = 1 << 30;

/// Everything that the standard says, over all inputs.
pub(super) fn ablations(model: &Model, cases: &[Case], ablate: Ablate, context: &Context<'_>) -> Result<Vec<Ablation>> {
    if ablate == Ablate::None || cases.is_empty() {
        return Ok(Vec::new());
    }
    let (layers, heads) = (model.spec().layers, model.spec().heads);
    let head_modes: &[AblationMode] = if ablate == Ablate::Full { &MODES } else { &HEAD_MODES };
    // Per layer: which (scope, mode) start there. The whole model starts at layer 0.
    let plan: Vec<Vec<(Scope, AblationMode)>> = (0..layers)
        .map(|layer| {
            let whole = MODES.iter().filter(|_| layer == 0).map(|&mode| (Scope::Whole, mode));
            let layers = MODES.iter().map(|&mode| (Scope::Layer { layer }, mode));
            let heads =
                (0..heads).flat_map(|head| head_modes.iter().map(move |&mode| (Scope::Head { layer, head }, mode)));
            whole.chain(layers).chain(heads).collect()
        })
        .collect();
    let mut results: Vec<Ablation> =
        plan.iter().flatten().map(|&(scope, mode)| Ablation { scope, mode, losses: vec![None; cases.len()] }).collect();
    let total = cases.len() * layers;
    let mut done = 0;
    for group in Group::of(model, cases)? {
        for (place, &index) in group.members.iter().enumerate() {
            let case = &cases[index];
            let seen = Seen::of(model, case)?;
            let maps = group.maps(model, cases, place, &seen)?;
            let chunk = (ROWS / seen.positions().max(1)).max(1);
            let mut start = 0;
            for (layer, scopes) in plan.iter().enumerate() {
                context.check()?;
                context.step("ablations", done, total);
                // Those that this input can serve, with their place among the results.
                let mut served = Vec::new();
                for (offset, &(scope, mode)) in scopes.iter().enumerate() {
                    let map = match mode {
                        AblationMode::MeanMap => maps.mean.clone(),
                        AblationMode::OtherInput => maps.other.clone(),
                        _ => None,
                    };
                    let needs_map = matches!(mode, AblationMode::MeanMap | AblationMode::OtherInput);
                    if !needs_map || map.is_some() {
                        served.push((start + offset, Overrides::one(scope, Replacement::of(mode, map)?)));
                    }
                }
                for piece in served.chunks(chunk) {
                    let variants: Vec<Overrides> = piece.iter().map(|(_, overrides)| overrides.clone()).collect();
                    let states = model.resume(&case.input, layer, &seen.inputs[layer], &variants)?;
                    let losses = case.losses(model, states, &seen.plain)?;
                    for (&(at, _), loss) in piece.iter().zip(losses) {
                        results[at].losses[index] = Some(loss);
                    }
                }
                start += scopes.len();
                done += 1;
            }
        }
    }
    context.step("ablations", done, total);
    Ok(results)
}

/// What a plain pass showed: the input of every block, queries and keys of every layer, the last hidden state.
struct Seen {
    inputs: Vec<Vec<f32>>,
    taps: Vec<Tap>,
    /// The last hidden state.
    plain: Vec<f32>,
}

impl Seen {
    fn of(model: &Model, case: &Case) -> Result<Self> {
        let mut seen = Self { inputs: Vec::new(), taps: Vec::new(), plain: Vec::new() };
        seen.plain = model.hidden(&case.input, &mut seen, &Overrides::none())?;
        // The last hidden state feeds no block.
        seen.inputs.truncate(model.spec().layers);
        Ok(seen)
    }

    fn positions(&self) -> usize {
        self.taps.first().map_or(0, |tap| tap.positions)
    }
}

impl Observer for Seen {
    fn wants(&self, _: usize) -> Want {
        Want { query_key: true, ..Want::default() }
    }

    fn tap(&mut self, tap: Tap) -> Result<()> {
        self.taps.push(tap);
        Ok(())
    }

    fn wants_hidden(&self, _: usize) -> bool {
        true
    }

    fn hidden(&mut self, _: usize, state: Vec<f32>) -> Result<()> {
        self.inputs.push(state);
        Ok(())
    }
}

/// The map of a head from its tapped queries and keys.
fn map_of(taps: &[Tap], layer: usize, head: usize) -> Result<Vec<f32>> {
    let tap = &taps[layer];
    Ok(tiled::weights(&tap.problem()?, head, 0..tap.positions)?)
}

/// The inputs of one length and the same padding, which can lend each other their maps: a map over positions of which some are
/// padding says nothing of an input where they are text.
struct Group {
    members: Vec<usize>,
    /// Sum of the members' maps, [layer][head x n x n]; `None` for a lone member, or if it would take too much memory.
    sums: Option<Arc<Vec<Vec<f32>>>>,
}

/// Positions of an input that are padding.
fn hidden(case: &Case) -> impl Iterator<Item = usize> {
    case.input.padding().iter().enumerate().filter(|(_, hidden)| **hidden).map(|(position, _)| position)
}

impl Group {
    /// Groups the inputs by length and padding, and adds up their maps.
    fn of(model: &Model, cases: &[Case]) -> Result<Vec<Self>> {
        let spec = model.spec();
        let mut alike: Vec<(usize, Vec<usize>)> = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            let n = case.input.positions(spec);
            let is_alike = |(length, members): &&mut (usize, Vec<usize>)| {
                *length == n && hidden(&cases[members[0]]).eq(hidden(case))
            };
            match alike.iter_mut().find(is_alike) {
                Some((_, members)) => members.push(index),
                None => alike.push((n, vec![index])),
            }
        }
        let mut groups = Vec::new();
        for (n, members) in alike {
            let bytes = (spec.layers * spec.heads * 4).saturating_mul(n * n);
            let sums = if members.len() < 2 || bytes > SUM_BYTES {
                None
            } else {
                let mut sums = vec![vec![0.0f32; spec.heads * n * n]; spec.layers];
                for &index in &members {
                    let seen = Seen::of(model, &cases[index])?;
                    for (layer, sums) in sums.iter_mut().enumerate() {
                        sums.par_chunks_mut(n * n).enumerate().try_for_each(|(head, sum)| -> Result<()> {
                            let map = map_of(&seen.taps, layer, head)?;
                            sum.iter_mut().zip(map).for_each(|(s, w)| *s += w);
                            Ok(())
                        })?;
                    }
                }
                Some(Arc::new(sums))
            };
            groups.push(Self { members, sums });
        }
        Ok(groups)
    }

    /// The maps that the other members lend to member number `place`.
    fn maps(&self, model: &Model, cases: &[Case], place: usize, seen: &Seen) -> Result<Lent> {
        if self.members.len() < 2 {
            return Ok(Lent { mean: None, other: None });
        }
        let next = self.members[(place + 1) % self.members.len()];
        let other: Arc<dyn Maps> = Arc::new(Other { taps: Seen::of(model, &cases[next])?.taps });
        let mean = self.sums.clone().map(|sums| -> Arc<dyn Maps> {
            Arc::new(Mean { sums, own: seen.taps.clone(), others: (self.members.len() - 1) as f32 })
        });
        Ok(Lent { mean, other: Some(other) })
    }
}

/// Maps for the modes that need them.
struct Lent {
    mean: Option<Arc<dyn Maps>>,
    other: Option<Arc<dyn Maps>>,
}

/// The mean of the others: their sum with its own taken away.
struct Mean {
    sums: Arc<Vec<Vec<f32>>>,
    own: Vec<Tap>,
    others: f32,
}

impl Maps for Mean {
    fn map(&self, layer: usize, head: usize) -> Result<Vec<f32>> {
        let mut map = map_of(&self.own, layer, head)?;
        let size = map.len();
        let sum = self.sums[layer]
            .get(head * size..(head + 1) * size)
            .ok_or_else(|| Error::shape(format!("mean map: none for layer {layer}, head {head} of {size} weights")))?;
        // What rounding leaves below zero is none.
        map.iter_mut().zip(sum).for_each(|(w, &s)| *w = ((s - *w) / self.others).max(0.0));
        Ok(map)
    }
}

/// Another input's.
struct Other {
    taps: Vec<Tap>,
}

impl Maps for Other {
    fn map(&self, layer: usize, head: usize) -> Result<Vec<f32>> {
        map_of(&self.taps, layer, head)
    }
}
