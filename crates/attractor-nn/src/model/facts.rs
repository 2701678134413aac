//! From a tap to a record, with what can only be checked while the model runs.

use std::ops::Range;

use attractor::retrieve::{Heads, Problem, dense};
use attractor_record::{Facts, LayerRecord, Stack};
use rayon::prelude::*;

use super::{Model, Tap};
use crate::ops;
use attractor::{Error, Result, product};

/// What of a tap goes into the record; queries and keys always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeptParts {
    /// Values.
    pub values: bool,
    /// z per head.
    pub z: bool,
    /// The normalised input to attention.
    pub input: bool,
}

/// Multiplications a layer above which A.V and W_O z are recomputed on evenly spaced rows only (the last row always
/// included): about 50 ms on two cores. An input of 128 tokens stays below it at 12 heads of 64.
const WORK: usize = 1 << 26;

/// Rows whose weights are held at once.
const ROWS: usize = 64;

impl Model {
    /// Turns a full tap ([`Want::all`](super::Want::all)) into a record, checking it on the way.
    ///
    /// A.V is recomputed from queries, keys and values by the definition of the retrieval, in f64; W_O z + b likewise
    /// by plain sums. On inputs so long that this would take longer than the model itself, the rows checked are evenly
    /// spaced and include the last.
    ///
    /// # Errors
    /// `is_usage` for a tap of a layer that the model does not have, `is_shape` if something was not tapped.
    pub fn record(&self, tap: Tap, keep: KeptParts) -> Result<LayerRecord> {
        let facts = self.facts(&tap)?;
        let kept = |wanted: bool, x: Vec<f32>| if wanted { x } else { Vec::new() };
        Ok(LayerRecord {
            stack: Stack::Only,
            layer: tap.layer,
            heads: tap.heads,
            key_heads: tap.key_heads,
            queries: tap.positions,
            keys: tap.positions,
            width: tap.width,
            value_width: tap.width,
            beta: tap.beta,
            mask: tap.mask,
            soft_cap: tap.soft_cap,
            alibi: Vec::new(),
            sinks: tap.sinks,
            q: tap.q,
            k: tap.k,
            v: kept(keep.values, tap.v),
            z: kept(keep.z, tap.z),
            input: kept(keep.input, tap.input),
            input_rows: Vec::new(),
            statistics: Vec::new(),
            facts,
        })
    }

    fn facts(&self, tap: &Tap) -> Result<Facts> {
        let block = self.blocks.get(tap.layer).ok_or_else(|| {
            Error::usage(format!("tap: there is no layer {}, the model has {}", tap.layer, self.blocks.len()))
        })?;
        let (n, h, d) = (tap.positions, tap.heads, tap.width);
        let [features, hidden] = block.output.weight.dims();
        if features != h * d || tap.z.len() != n * features || tap.v.is_empty() || tap.output.len() != n * hidden {
            return Err(Error::shape("tap: a record needs values, z and output; want all of them"));
        }
        let problem = tap.problem()?;
        let checked: Vec<Range<usize>> = match every(h * n * n * d) {
            1 => (0..n).step_by(ROWS).map(|i| i..(i + ROWS).min(n)).collect(),
            step => (0..n).rev().step_by(step).map(|i| i..i + 1).collect(),
        };
        let output_error = (0..h)
            .into_par_iter()
            .map(|head| head_error(&problem, tap, head, &checked))
            .try_reduce(|| 0.0, |a, b| Ok(larger(a, b)))?;
        let weight = ops::values(block.output.weight.clone());
        let bias = block.output.bias.clone().map(ops::values);
        let rows: Vec<usize> = (0..n).rev().step_by(every(n * features * hidden)).collect();
        let weight: Vec<f64> = weight.into_iter().map(f64::from).collect();
        let projection_error = rows
            .par_chunks(ROWS)
            .map(|rows| {
                let z = |&i: &usize| (0..features).map(move |f| f64::from(tap.z[((f / d) * n + i) * d + f % d]));
                let sums =
                    product(&rows.iter().flat_map(z).collect::<Vec<_>>(), &weight, (rows.len(), features, hidden));
                let of = |(&i, sums): (&usize, &[f64])| {
                    let given = &tap.output[i * hidden..(i + 1) * hidden];
                    let bias = |at: usize| bias.as_ref().map_or(0.0, |bias| f64::from(bias[at]));
                    let off = |(at, (s, &o)): (usize, (&f64, &f32))| (s + bias(at) - f64::from(o)).abs();
                    sums.iter().zip(given).enumerate().map(off).fold(0.0, larger)
                };
                rows.iter().zip(sums.chunks(hidden)).map(of).fold(0.0, larger)
            })
            .reduce(|| 0.0, larger);
        let output_scale = tap.output.iter().map(|&x| f64::from(x).abs()).fold(0.0, larger);
        Ok(Facts {
            output_error: Some(output_error),
            projection_error: Some(projection_error),
            output_scale: Some(output_scale),
            // Dropout is no part of these models' inference: there is nothing to switch off.
            evaluation_mode: Some(true),
        })
    }
}

/// Every how many-th row is checked.
fn every(work: usize) -> usize {
    work / WORK + 1
}

/// Largest |A.V - z| of one head over some rows.
fn head_error(problem: &Problem<'_>, tap: &Tap, head: usize, rows: &[Range<usize>]) -> Result<f64> {
    let (n, d) = (tap.positions, tap.width);
    let group = problem.key_head(head);
    let values = &tap.v[group * n * d..(group + 1) * n * d];
    // One head alone, so that the definition's checks do not walk over all of them for every row.
    let alone = Problem {
        queries: Heads::new(&tap.q[head * n * d..(head + 1) * n * d], 1, n, d)?,
        keys: Heads::new(&tap.k[group * n * d..(group + 1) * n * d], 1, n, d)?,
        values: None,
        ..*problem
    };
    let sink = tap.sinks.get(head).map(std::slice::from_ref);
    let alone = Problem { modifiers: attractor::retrieve::Modifiers { sinks: sink, ..alone.modifiers }, ..alone };
    let values: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
    // A key that no row looks at counts for nothing, whatever its values are: there 0 x NaN is 0.
    let plain = |weights: &[f64]| {
        let mut sums = vec![0.0f64; d];
        for (&w, v) in weights.iter().zip(values.chunks(d)).filter(|&(&w, _)| w != 0.0) {
            sums.iter_mut().zip(v).for_each(|(s, &v)| *s += w * v);
        }
        sums
    };
    let is_finite = values.iter().all(|v| v.is_finite());
    let mut worst = 0.0;
    for rows in rows {
        let weights: Vec<f64> = dense::weights(&alone, 0, rows.clone())?.into_iter().map(f64::from).collect();
        let sums = match is_finite {
            true => product(&weights, &values, (rows.len(), n, d)),
            false => weights.chunks(n).flat_map(plain).collect(),
        };
        for (sums, i) in sums.chunks(d).zip(rows.clone()) {
            let z = &tap.z[(head * n + i) * d..(head * n + i + 1) * d];
            worst = sums.iter().zip(z).map(|(s, &z)| (s - f64::from(z)).abs()).fold(worst, larger);
        }
    }
    Ok(worst)
}

/// The larger of two, a NaN before any number.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}
