//! Gradients of the loss through attention, and whether they are gradients.

use attractor_record::evidence::{FiniteDifference, Gradients, HeadGradient, ParameterGroup};
use rayon::prelude::*;

use crate::loss::Case;
use crate::model::{Model, Traced};
use crate::ops;
use attractor::{Context, Result, rows};

/// dL/dA per head, norms per parameter group, and a finite-difference check on the first input.
pub(super) fn gradients(model: &Model, cases: &[Case], context: &Context<'_>) -> Result<Gradients> {
    let (spec, seed) = (model.spec(), context.seed());
    let mut traced = Traced::new(model);
    let mut groups: Vec<ParameterGroup> = Vec::new();
    let place: Vec<usize> = traced
        .model()
        .parameters()
        .iter()
        .map(|p| {
            let at = groups.iter().position(|g| g.name == p.group).unwrap_or_else(|| {
                groups.push(ParameterGroup { name: p.group.clone(), attention: p.attention, parameters: 0, norm: 0.0 });
                groups.len() - 1
            });
            groups[at].parameters += p.len() as u64;
            at
        })
        .collect();
    let mut heads: Vec<HeadGradient> = (0..spec.layers)
        .flat_map(|layer| (0..spec.heads).map(move |head| (layer, head)))
        .map(|(layer, head)| HeadGradient { layer, head, norms: Vec::new(), importance: Vec::new() })
        .collect();
    let mut first = None;
    for (i, case) in cases.iter().enumerate() {
        context.check()?;
        context.step("gradients", i, cases.len());
        let recording = traced.forward(&case.input, true)?;
        let objective = case.objective_traced(&mut traced, recording.hidden.clone(), seed)?;
        let mut backward = objective.backward();
        for (layer, (map, leaf)) in recording.maps.into_iter().zip(recording.leaves).enumerate() {
            let gradient = leaf.grad_remove(&mut backward);
            let (map, gradient) = (ops::values(map), gradient.map(ops::values));
            let size = map.len() / spec.heads;
            for head in 0..spec.heads {
                let range = head * size..(head + 1) * size;
                let target = &mut heads[layer * spec.heads + head];
                // The last layer's rows that no prediction depends on have no gradient, nor has a map without a loss.
                let (norm, importance) = match &gradient {
                    Some(gradient) => visible(&map[range.clone()], &gradient[range]),
                    None => (0.0, 0.0),
                };
                target.norms.push(norm);
                target.importance.push(importance);
            }
        }
        let mut squares = vec![0.0; groups.len()];
        let mut kept = Vec::new();
        // Where they lie: of a small model the token table's gradient alone is most of what there is to copy.
        traced.each_gradient(&mut backward, |parameter, gradient| {
            squares[place[parameter]] += gradient.map_or(0.0, square);
            if i == 0 {
                kept.push(gradient.map(<[f32]>::to_vec));
            }
        });
        for (group, square) in groups.iter_mut().zip(squares) {
            group.norm += square.sqrt() / cases.len() as f64;
        }
        if i == 0 {
            first = Some((case.clone(), kept));
        }
    }
    context.step("gradients", cases.len(), cases.len());
    let (case, gradients) = first.expect("there is at least one input");
    let finite_difference = finite_difference(model, &case, &gradients, seed)?;
    Ok(Gradients { loss: case.objective(), heads, groups, finite_difference })
}

/// |g| and |sum a g| over the pairs that are seen: a weight of exactly zero is one that the mask forbids, and a derivative
/// along it means nothing. The second is |dL/dxi| of a gate xi = 1 on the head's output, which is linear in its map.
fn visible(map: &[f32], gradient: &[f32]) -> (f64, f64) {
    let pairs = map.iter().zip(gradient).filter(|&(&a, _)| a != 0.0);
    let (square, importance) = pairs.fold((0.0, 0.0), |(s, m), (&a, &g)| {
        let (a, g) = (f64::from(a), f64::from(g));
        (s + g * g, m + a * g)
    });
    (square.sqrt(), importance.abs())
}

fn square(x: &[f32]) -> f64 {
    // Eight sums at a time: one alone would wait for itself.
    let (whole, rest) = x.as_chunks::<8>();
    let sums = rows::dispatch(
        #[inline(always)]
        || {
            let mut sums = [0.0f64; 8];
            for x in whole {
                for lane in 0..8 {
                    sums[lane] += f64::from(x[lane]) * f64::from(x[lane]);
                }
            }
            sums
        },
    );
    sums.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>()
}

/// The derivative along the normalised gradient, by backpropagation (its norm) and by central differences of the
/// inference path, which shares no code with backpropagation through attention.
///
/// Steps that change the loss by about 6, 1.5 and 0.4 % are tried. A large one errs by curvature, a small one by
/// rounding; of neighbouring steps the pair that agrees best gives the answer, whatever backpropagation said.
fn finite_difference(
    model: &Model,
    case: &Case,
    gradients: &[Option<Vec<f32>>],
    seed: u64,
) -> Result<FiniteDifference> {
    let analytic = gradients.iter().flatten().map(|g| square(g)).sum::<f64>().sqrt();
    let value = case.objective_value(model, seed)?;
    if analytic == 0.0 || !analytic.is_finite() {
        return Ok(FiniteDifference { analytic, numeric: f64::NAN, step: 0.0 });
    }
    let largest = 0.06 * value.abs().max(1.0) / analytic;
    let mut tried = Vec::new();
    for step in [largest, largest / 4.0, largest / 16.0] {
        let at = |sign: f64| -> Result<f64> {
            let mut moved = model.clone();
            for (parameter, gradient) in moved.parameters().into_iter().zip(gradients) {
                let Some(gradient) = gradient else { continue };
                // One pass over slices: a token table is most of a small model, and three passes over it most of this.
                let (shape, scale) = (parameter.tensor.dims(), (sign * step / analytic) as f32);
                let values = ops::read(parameter.tensor.clone(), |x| {
                    x.par_iter().zip(gradient).map(|(&x, &g)| x + scale * g).collect()
                });
                *parameter.tensor = ops::tensor(values, shape);
            }
            case.objective_value(&moved, seed)
        };
        tried.push((step, (at(1.0)? - at(-1.0)?) / (2.0 * step)));
    }
    let agreement = |i: usize| (tried[i].1 - tried[i + 1].1).abs();
    let best = if agreement(1) <= agreement(0) { tried[2] } else { tried[1] };
    Ok(FiniteDifference { analytic, numeric: best.1, step: best.0 })
}
