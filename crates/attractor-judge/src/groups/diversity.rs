//! 7. Diversity correlation: do positions whose beliefs differ attend differently?
//!
//! Belief distance is the cosine distance between two positions of the layer's normalised input, attention distance
//! the Jensen-Shannon divergence of their rows on the keys that both see. Spearman's correlation between the two over
//! pairs of positions, with the Mantel permutation: positions of one side are relabelled as a whole, since pairs that
//! share a position depend on each other.

use attractor::random::stream::{JudgementStream, judged};
use rayon::prelude::*;

use super::{Case, found};
use crate::Result;
use crate::config::Key;
use crate::finding::{Finding, Measured, Place, Worded};
use crate::id::CheckId;
use crate::id::Group;
use crate::statistics::permutation::upper_p;
use crate::statistics::rank::{dot, mantel_null, residual, standard_ranks};
use crate::statistics::{Triangle, mean, mean_of};
use crate::untestable::{Lack, Untestable};

const GROUP: Group = Group::Diversity;

/// What group 7 found.
pub(crate) struct Diversity {
    pub mantel: Finding<Linked>,
    pub beliefs: Finding<Beliefs>,
    pub layers: Vec<Finding<LinkedLayer>>,
}

/// The correlation over all layers.
#[derive(Debug, Clone)]
pub(crate) struct Linked {
    /// Spearman's.
    pub rho: f64,
    /// Mantel's p.
    pub p: f64,
    /// With the distance between positions held fixed.
    pub partial: Option<f64>,
    /// Layers that are linked on their own.
    pub layers: Vec<Place>,
    pub beliefs: Beliefs,
    /// Jensen-Shannon divergence between rows, nats.
    pub divergence: f64,
    /// Inputs, and positions of each at most.
    pub inputs: usize,
    pub positions: usize,
}

/// The correlation in one layer.
#[derive(Debug, Clone)]
pub(crate) struct LinkedLayer {
    pub rho: f64,
    pub p: f64,
    /// Mean cosine distance.
    pub cosine: f64,
    pub divergence: f64,
    /// The head with the largest correlation, and its p against the largest of all.
    pub best: Option<(Place, f64, f64)>,
}

/// How different positions are before attention.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beliefs {
    /// Mean cosine distance.
    pub cosine: f64,
    pub diverse: bool,
}

impl Diversity {
    pub(super) fn all(&self) -> Vec<&dyn Worded> {
        let layers = self.layers.iter().map(|finding| finding as &dyn Worded);
        [&self.mantel as &dyn Worded, &self.beliefs].into_iter().chain(layers).collect()
    }
}

/// One layer's answer.
struct Correlation {
    layer: usize,
    /// Mean over inputs of the correlation with the heads' mean divergence.
    rho: f64,
    per_input: Vec<Option<f64>>,
    /// The same with the distance |i - k| held fixed.
    partial: Option<f64>,
    /// Under each permutation.
    null: Vec<f64>,
    /// The head with the largest correlation, and its p against the largest of all heads under each permutation.
    best: Option<(usize, f64, f64)>,
    cosine: f64,
    /// Mean cosine distance within each input.
    cosines: Vec<Option<f64>>,
    divergence: f64,
}

pub(super) fn find(case: &Case<'_>) -> Result<Diversity> {
    let inputs = case.measures.compared.len();
    let layers = case.patterns.layers();
    let answers: Vec<std::result::Result<Correlation, Lack>> = layers
        .par_iter()
        .enumerate()
        .map(|(index, shape)| correlate(case, index, shape.layer))
        .collect::<Result<_>>()?;
    let there: Vec<&Correlation> = answers.iter().flatten().collect();
    let reason = answers.iter().find_map(|answer| answer.as_ref().err().copied());
    let of_layers = answers.iter().zip(&layers).map(|(answer, shape)| {
        let measured = mantel().at(Place::layer(shape.layer));
        match answer {
            Err(lack) => measured.skipped(Untestable::Lacks(*lack)),
            Ok(correlation) => layer(case, correlation, measured),
        }
    });
    Ok(Diversity {
        mantel: model(case, &there, inputs, reason),
        beliefs: beliefs(case, &there),
        layers: of_layers.collect(),
    })
}

fn mantel() -> Measured {
    Measured::new(CheckId::DivMantel).threshold((0.0, "positive beyond the permutation null at statistics.alpha"))
}

/// All layers together; `reason` is what one of them lacks.
fn model(case: &Case<'_>, there: &[&Correlation], inputs: usize, reason: Option<Lack>) -> Finding<Linked> {
    if there.is_empty() {
        let why = reason.map(Untestable::Lacks).unwrap_or_else(|| case.no_figure_at_all(Lack::Layer));
        return mantel().skipped(why);
    }
    let alpha = case.config.get(Key::Alpha);
    let count = there.len() as f64;
    let each: Vec<Option<f64>> = (0..case.patterns.inputs())
        .map(|input| mean_of(there.iter().filter_map(|c| c.per_input.get(input).copied().flatten())))
        .collect();
    let figure = case.figure(&each);
    let rho = there.iter().map(|c| c.rho).sum::<f64>() / count;
    let null: Vec<f64> =
        (0..there[0].null.len()).map(|b| there.iter().map(|c| c.null[b]).sum::<f64>() / count).collect();
    let p = upper_p(rho, &null);
    let cosine = there.iter().map(|c| c.cosine).sum::<f64>() / count;
    let divergence = there.iter().map(|c| c.divergence).sum::<f64>() / count;
    let diverse = cosine >= case.config.get(Key::DiverseInputs);
    let partial = mean_of(there.iter().filter_map(|c| c.partial));
    let linked = there.iter().filter(|c| c.rho > 0.0 && upper_p(c.rho, &c.null) <= alpha);
    let account = Linked {
        rho,
        p,
        partial,
        layers: linked.map(|c| Place::layer(c.layer)).collect(),
        beliefs: Beliefs { cosine, diverse },
        divergence,
        inputs,
        positions: case.config.count(Key::DiversityRows),
    };
    let measured = figure.fill(mantel()).value(rho).null(mean(&null)).effect(partial.unwrap_or(f64::NAN));
    measured.verdict(case.verdict(GROUP, p <= alpha && rho > 0.0), account)
}

fn layer(case: &Case<'_>, c: &Correlation, measured: Measured) -> Finding<LinkedLayer> {
    let p = upper_p(c.rho, &c.null);
    let figure = case.figure(&c.per_input);
    let measured = figure.fill(measured).value(c.rho).null(mean(&c.null)).effect(c.partial.unwrap_or(f64::NAN));
    let account = LinkedLayer {
        rho: c.rho,
        p,
        cosine: c.cosine,
        divergence: c.divergence,
        best: c.best.map(|(head, rho, p)| (Place::head(c.layer, head), rho, p)),
    };
    measured.verdict(found(p <= case.config.get(Key::Alpha) && c.rho > 0.0), account)
}

/// How different the positions are before attention: what uniform attention is to be judged by.
fn beliefs(case: &Case<'_>, there: &[&Correlation]) -> Finding<Beliefs> {
    let threshold = case.config.sourced(Key::DiverseInputs);
    let measured = Measured::new(CheckId::DivBeliefs).threshold(threshold);
    let inputs = there.first().map_or(0, |c| c.cosines.len());
    let each: Vec<Option<f64>> =
        (0..inputs).map(|input| mean_of(there.iter().filter_map(|c| c.cosines[input]))).collect();
    let figure = case.figure(&each);
    let Some(cosine) = figure.value else {
        return measured.skipped(Untestable::Lacks(Lack::ComparableInputs));
    };
    let diverse = cosine >= threshold.0;
    let measured = figure.fill(measured).null(0.0).effect(cosine);
    measured.verdict(case.verdict(GROUP, diverse), Beliefs { cosine, diverse })
}

fn correlate(case: &Case<'_>, index: usize, layer: usize) -> Result<std::result::Result<Correlation, Lack>> {
    let heads: Vec<_> = case.measures.heads.iter().filter(|h| h.layer == layer).collect();
    let permutations = case.config.count(Key::Permutations).min(999);
    let entries = case.patterns.inputs();
    let mut per_input = vec![None; entries];
    let mut cosines = vec![None; entries];
    let (mut partials, mut divergences) = (Vec::new(), Vec::new());
    let mut null = vec![0.0; permutations];
    let mut head_rho = vec![0.0; heads.len()];
    let mut head_null = vec![vec![0.0; heads.len()]; permutations];
    let mut used = 0.0f64;
    let mut why = Lack::LayerInputs;
    for (slot, &input) in case.measures.compared.iter().enumerate() {
        let g = &*case.measures.geometry[index][input];
        let Some(beliefs) = case.patterns.layer_input(layer, input, &g.chosen)? else { continue };
        let rows = g.chosen.len();
        let triangle = Triangle { rows };
        if rows < 5 {
            why = Lack::Rows { input: case.measures.steps.origin(input), rows };
            continue;
        }
        let Some(cosine) = cosine_distances(&beliefs, rows) else {
            why = Lack::FiniteInputs { layer };
            continue;
        };
        let usable: Vec<&Vec<f32>> =
            heads.iter().map(|h| &h.row_divergence[slot]).filter(|d| d.len() == triangle.len()).collect();
        if usable.is_empty() {
            why = Lack::Divergences;
            continue;
        }
        let aggregate: Vec<f64> = (0..triangle.len())
            .map(|pair| mean_of(usable.iter().map(|d| f64::from(d[pair])).filter(|d| !d.is_nan())).unwrap_or(0.0))
            .collect();
        let Some(moved) = standard_ranks(&cosine) else {
            why = Lack::Diversity { layer };
            continue;
        };
        let Some(fixed) = standard_ranks(&aggregate) else {
            why = Lack::DifferentRows;
            continue;
        };
        // A head whose rows are all alike correlates with nothing: zero.
        let zeros = vec![0.0; triangle.len()];
        let sides: Vec<Vec<f64>> = heads
            .iter()
            .map(|h| {
                let d = &h.row_divergence[slot];
                let clean =
                    |d: &Vec<f32>| d.iter().map(|x| if x.is_nan() { 0.0 } else { f64::from(*x) }).collect::<Vec<_>>();
                (d.len() == triangle.len())
                    .then(|| standard_ranks(&clean(d)))
                    .flatten()
                    .unwrap_or_else(|| zeros.clone())
            })
            .collect();
        let mut all: Vec<&[f64]> = vec![&fixed];
        all.extend(sides.iter().map(Vec::as_slice));
        // The same relabelling in every layer, so that layers add up permutation by permutation.
        let draws = mantel_null(
            &moved,
            &all,
            rows,
            case.config.seed,
            judged(JudgementStream::Mantel, input as u64),
            permutations,
        );
        for (b, draw) in draws.iter().enumerate() {
            null[b] += draw[0];
            head_null[b].iter_mut().zip(&draw[1..]).for_each(|(sum, x)| *sum += x);
        }
        head_rho.iter_mut().zip(&sides).for_each(|(sum, side)| *sum += dot(side, &moved));
        per_input[input] = Some(dot(&fixed, &moved));
        let apart: Vec<f64> = (1..rows)
            .flat_map(|a| (0..a).map(move |b| (a, b)))
            .map(|(a, b)| g.chosen[a].abs_diff(g.chosen[b]) as f64)
            .collect();
        if let Some(control) = standard_ranks(&apart)
            && let (Some(a), Some(b)) = (residual(&moved, &control), residual(&fixed, &control))
        {
            partials.push(dot(&a, &b));
        }
        cosines[input] = Some(mean(&cosine));
        divergences.push(mean(&aggregate));
        used += 1.0;
    }
    if used == 0.0 {
        return Ok(Err(why));
    }
    null.iter_mut().for_each(|x| *x /= used);
    let largest: Vec<f64> = head_null.iter().map(|row| row.iter().copied().fold(f64::MIN, f64::max) / used).collect();
    let best = (0..heads.len())
        .max_by(|&a, &b| head_rho[a].total_cmp(&head_rho[b]).then(b.cmp(&a)))
        .map(|slot| (heads[slot].head, head_rho[slot] / used, upper_p(head_rho[slot] / used, &largest)));
    Ok(Ok(Correlation {
        layer,
        rho: mean_of(per_input.iter().flatten().copied()).unwrap_or(f64::NAN),
        per_input,
        partial: mean_of(partials),
        null,
        best,
        cosine: mean_of(cosines.iter().flatten().copied()).unwrap_or(f64::NAN),
        cosines,
        divergence: mean(&divergences),
    }))
}

/// Cosine distances between `count` positions, in the order of [`Triangle`]; a zero vector is at distance one.
fn cosine_distances(beliefs: &[f32], count: usize) -> Option<Vec<f64>> {
    if beliefs.is_empty() || !beliefs.len().is_multiple_of(count) {
        return None;
    }
    let rows: Vec<Vec<f64>> = beliefs
        .chunks_exact(beliefs.len() / count)
        .map(|row| {
            let v: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let norm = dot(&v, &v).sqrt();
            v.iter().map(|x| if norm > 0.0 { x / norm } else { 0.0 }).collect()
        })
        .collect();
    let mut distances = Vec::with_capacity(Triangle { rows: rows.len() }.len());
    for a in 1..rows.len() {
        for b in 0..a {
            let d = 1.0 - dot(&rows[a], &rows[b]);
            if !d.is_finite() {
                return None;
            }
            // Rounding of equal vectors must not make ranks.
            distances.push(if d.abs() < 1e-7 { 0.0 } else { d });
        }
    }
    Some(distances)
}
