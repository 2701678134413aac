//! Ablations: every head, layer, and the whole model with something else in place of attention.
//!
//! An ablation of layer l starts from the cached input of that layer, and all ablations of a layer go on together as
//! one batch, so that its own attention is computed once and the matrices are large.

use std::sync::Arc;

use attractor::retrieve::tiled;
use attractor_record::evidence::{Ablation, AblationMode, Gradients, Scope, Spent};
use rayon::prelude::*;

use super::Ablate;
use super::budget::{Budget, Costs, start};
use crate::checkpoint::spec::Spec;
use crate::loss::Case;
use crate::model::{Maps, Model, Observer, Overrides, Replacement, Tap, Want};
use attractor::{Context, Error, Note, Result};

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

/// Predictions of an input that are looked at where not everything can be run.
pub(super) const SAMPLED: usize = 32;

/// A replacement of this share of the threshold or less is not looked at again.
const SMALL: f64 = 0.25;

/// What is ablated, and how far.
pub(super) struct Asked<'a> {
    pub(super) ablate: Ablate,
    pub(super) budget: Budget,
    /// The change of the loss, or of the state, that counts as an effect.
    pub(super) effect: f64,
    /// Orders the heads.
    pub(super) gradients: Option<&'a Gradients>,
}

/// What was ablated: `cases` are those that the losses are of.
pub(super) struct Ablated {
    pub(super) ablations: Vec<Ablation>,
    pub(super) spent: Option<Spent>,
    pub(super) cases: Vec<Case>,
}

/// Everything that the standard says, over all inputs; or what a budget allows of it.
///
/// Within a budget losses are those of [`SAMPLED`] predictions. The whole model is ablated on every input; then every
/// replacement on the first input, layers before heads, heads by their gradients, while half of the budget lasts; then those
/// whose effect may count on the other inputs, the largest first.
pub(super) fn ablations(model: &Model, cases: Vec<Case>, asked: &Asked<'_>, context: &Context<'_>) -> Result<Ablated> {
    if asked.ablate == Ablate::None || cases.is_empty() {
        return Ok(Ablated { ablations: Vec::new(), spent: None, cases });
    }
    let entries = entries(model.spec(), asked.ablate);
    let whole = Costs::of(model.spec(), &cases);
    let everything: f64 =
        cases.iter().map(|case| entries.iter().map(|&(scope, _)| whole.passes(case, scope)).sum::<f64>()).sum();
    let passes = asked.budget.passes(model, &cases, &whole)?;
    let Some(passes) = passes.filter(|&passes| everything > passes as f64) else {
        let spent = Spent { passes, spent: everything, everything, sampled: None, left_out: 0 };
        let mut bench = Bench::new(model, &cases, &entries, (everything, &whole))?;
        let all: Vec<usize> = (0..entries.len()).collect();
        (0..cases.len()).try_for_each(|input| bench.run(input, &all, context))?;
        return Ok(Ablated { ablations: bench.results, spent: Some(spent), cases });
    };
    context.note(&Note::Ablations { passes, everything: everything as u64 });
    let seed = context.seed();
    let sampled: Vec<Case> = cases.iter().enumerate().map(|(at, case)| case.sampled(SAMPLED, seed, at)).collect();
    // Counted in whole passes still: the number is the same, a pass of few predictions is a part of one.
    let limit = passes as f64;
    let mut bench = Bench::new(model, &sampled, &entries, (limit, &whole))?;
    let of_model: Vec<usize> = (0..entries.len()).filter(|&at| entries[at].0 == Scope::Whole).collect();
    (0..sampled.len()).try_for_each(|input| bench.run(input, &of_model, context))?;
    let scouted = bench.affordable(&by_gradient(&entries, asked.gradients), &[0], limit / 2.0);
    bench.run(0, &scouted, context)?;
    let others: Vec<usize> = (1..sampled.len()).collect();
    let bases = sampled[0].loss(model)?;
    let effect = |at: &usize| bench.results[*at].losses[0].map_or(asked.effect, |loss| (loss - bases).abs());
    let mut open: Vec<usize> = scouted.into_iter().filter(|at| effect(at) > SMALL * asked.effect).collect();
    open.sort_by(|a, b| effect(b).total_cmp(&effect(a)).then(a.cmp(b)));
    let again = bench.affordable(&open, &others, limit);
    others.iter().try_for_each(|&input| bench.run(input, &again, context))?;
    let spent = bench.spent;
    let mut ablations = bench.results;
    for (at, ablation) in ablations.iter_mut().enumerate() {
        ablation.unrun = bench.ran[at].iter().filter(|ran| !**ran).count();
    }
    let left_out = ablations.iter().filter(|ablation| ablation.unrun == sampled.len()).count();
    let spent = Spent { passes: Some(passes), spent, everything, sampled: Some(SAMPLED), left_out };
    Ok(Ablated { ablations, spent: Some(spent), cases: sampled })
}

/// Scopes and modes, by the layer that they start from; the whole model starts at layer 0.
fn entries(spec: &Spec, ablate: Ablate) -> Vec<(Scope, AblationMode)> {
    let head_modes: &[AblationMode] = if ablate == Ablate::Full { &MODES } else { &HEAD_MODES };
    let of_layer = |layer: usize| {
        let whole = MODES.iter().filter(move |_| layer == 0).map(|&mode| (Scope::Whole, mode));
        let layers = MODES.iter().map(move |&mode| (Scope::Layer { layer }, mode));
        let heads = (0..spec.heads)
            .flat_map(move |head| head_modes.iter().map(move |&mode| (Scope::Head { layer, head }, mode)));
        whole.chain(layers).chain(heads)
    };
    (0..spec.layers).flat_map(of_layer).collect()
}

/// Layers in their order, then heads: the one whose gate the loss hangs on most comes first.
fn by_gradient(entries: &[(Scope, AblationMode)], gradients: Option<&Gradients>) -> Vec<usize> {
    let importance = |scope: Scope| match scope {
        Scope::Head { layer, head } => gradients
            .and_then(|g| g.heads.iter().find(|h| (h.layer, h.head) == (layer, head)))
            .map_or(0.0, |h| h.importance.iter().sum::<f64>()),
        _ => f64::INFINITY,
    };
    let parts = (0..entries.len()).filter(|&at| entries[at].0 != Scope::Whole);
    let mut ranked: Vec<(f64, usize)> = parts.map(|at| (importance(entries[at].0), at)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked.into_iter().map(|(_, at)| at).collect()
}

/// Runs ablations of the inputs and keeps what they gave.
struct Bench<'a> {
    model: &'a Model,
    cases: &'a [Case],
    entries: &'a [(Scope, AblationMode)],
    groups: Vec<Group>,
    costs: &'a Costs,
    results: Vec<Ablation>,
    /// Which inputs were run, entry by entry.
    ran: Vec<Vec<bool>>,
    /// Passes so far, and how many there will be at most.
    spent: f64,
    total: f64,
}

impl<'a> Bench<'a> {
    fn new(
        model: &'a Model,
        cases: &'a [Case],
        entries: &'a [(Scope, AblationMode)],
        (total, costs): (f64, &'a Costs),
    ) -> Result<Self> {
        let empty = |&(scope, mode): &(Scope, AblationMode)| Ablation::new(scope, mode, vec![None; cases.len()]);
        Ok(Self {
            model,
            cases,
            entries,
            groups: Group::of(model, cases)?,
            costs,
            results: entries.iter().map(empty).collect(),
            ran: vec![vec![false; cases.len()]; entries.len()],
            spent: 0.0,
            total,
        })
    }

    /// The first of `wanted` that these inputs can be run with until `limit` passes are spent.
    fn affordable(&self, wanted: &[usize], inputs: &[usize], limit: f64) -> Vec<usize> {
        let mut spent = self.spent;
        let cost = |&at: &usize| -> f64 {
            inputs.iter().map(|&input| self.costs.passes(&self.cases[input], self.entries[at].0)).sum()
        };
        wanted
            .iter()
            .copied()
            .take_while(|at| {
                spent += cost(at);
                spent <= limit
            })
            .collect()
    }

    /// Runs these entries on one input.
    fn run(&mut self, input: usize, wanted: &[usize], context: &Context<'_>) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let (model, case) = (self.model, &self.cases[input]);
        let group = self.groups.iter().find(|group| group.members.contains(&input));
        let group = group.ok_or_else(|| Error::usage(format!("ablation: there is no input {input}")))?;
        let place = group.members.iter().position(|&member| member == input).unwrap_or(0);
        let seen = Seen::of(model, case)?;
        let maps = group.maps(model, self.cases, place, &seen)?;
        let chunk = (ROWS / seen.positions().max(1)).max(1);
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        for of_layer in wanted.chunk_by(|&a, &b| start(self.entries[a].0) == start(self.entries[b].0)) {
            context.check()?;
            context.step("ablations", self.spent as usize, (self.total as usize).max(self.spent as usize + 1));
            let layer = start(self.entries[of_layer[0]].0);
            // Those that this input can serve.
            let mut served = Vec::new();
            for &at in of_layer {
                let (scope, mode) = self.entries[at];
                let map = match mode {
                    AblationMode::MeanMap => maps.mean.clone(),
                    AblationMode::OtherInput => maps.other.clone(),
                    _ => None,
                };
                self.ran[at][input] = true;
                let needs_map = matches!(mode, AblationMode::MeanMap | AblationMode::OtherInput);
                if !needs_map || map.is_some() {
                    self.spent += self.costs.passes(case, scope);
                    served.push((at, Overrides::one(scope, Replacement::of(mode, map)?)));
                }
            }
            for piece in served.chunks(chunk) {
                let variants: Vec<Overrides> = piece.iter().map(|(_, overrides)| overrides.clone()).collect();
                let states = model.resume(&case.input, layer, &seen.inputs[layer], &variants)?;
                let losses = case.losses(model, states, &seen.plain)?;
                for (&(at, _), loss) in piece.iter().zip(losses) {
                    self.results[at].losses[input] = Some(loss);
                }
            }
        }
        Ok(())
    }
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
