//! One head over several inputs: what is position, what is content.

use std::borrow::Cow;
use std::sync::Arc;

use attractor_record::{Steps, strips};

use super::divergence::jensen_shannon;
use super::{Geometry, HeadInput, Source};
use attractor::Result;

/// Mean divergence from uniform (nats per row) below which there is no pattern to explain.
const NOTHING: f64 = 1e-5;

pub(crate) struct Across {
    pub position_content: Vec<Option<f64>>,
    pub query_content: Vec<Option<f64>>,
    pub pair_distance: Vec<f32>,
}

/// Sums of one input within its group.
#[derive(Clone, Copy, Default)]
struct Sums {
    to_baseline: f64,
    to_uniform: f64,
    own: f64,
    shared: f64,
    rows: usize,
}

/// Compares each input with the others, at the same step where they have steps.
///
/// Inputs of one shape and mask are compared cell by cell. An input without such a partner has as baseline the mean
/// enrichment by signed offset of all other inputs, renormalised within each row.
pub(crate) fn measure(
    source: &Source<'_>,
    steps: &Steps,
    testable: &[bool],
    figures: &[HeadInput],
    paired: &[usize],
) -> Result<Across> {
    let geometry = source.geometry;
    let inputs = geometry.len();
    let mut across =
        Across { position_content: vec![None; inputs], query_content: vec![None; inputs], pair_distance: Vec::new() };
    if inputs < 2 {
        return Ok(across);
    }
    let moments: Vec<Vec<usize>> = match steps.are_several() {
        true => steps.numbers().into_values().collect(),
        false => vec![(0..inputs).collect()],
    };
    for moment in &moments {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let fit: Vec<usize> = moment.iter().copied().filter(|&input| testable[input]).collect();
        for &input in &fit {
            match groups.iter_mut().find(|group| geometry[group[0]].is_alike(&geometry[input])) {
                Some(group) => group.push(input),
                None => groups.push(vec![input]),
            }
        }
        for group in &groups {
            match group[..] {
                [alone] => across.position_content[alone] = by_offset(source, geometry, &fit, figures, alone)?,
                _ => by_cell(source, geometry, group, &mut across)?,
            }
        }
    }
    if paired.len() >= 2 && paired.iter().all(|&input| testable[input]) {
        across.pair_distance = pair_distances(source, &geometry[paired[0]], paired)?;
    }
    Ok(across)
}

fn by_cell(source: &Source<'_>, geometry: &[Arc<Geometry>], group: &[usize], across: &mut Across) -> Result<()> {
    let g = &*geometry[group[0]];
    let (m, others) = (g.keys, (group.len() - 1) as f64);
    let mut sums = vec![Sums::default(); group.len()];
    let (mut total, mut baseline, mut uniform) = (vec![0.0f64; m], vec![0.0f32; m], vec![0.0f32; m]);
    for rows in strips(0..g.queries, m * group.len()) {
        let blocks = rows_of(source, group, rows.clone())?;
        for query in rows.clone() {
            let n = g.visible[query];
            if n < 2 {
                continue;
            }
            let range = g.mask.range(query, m);
            let row = |slot: usize| &blocks[slot][(query - rows.start) * m..(query - rows.start + 1) * m];
            let level = 1.0 / f64::from(n);
            total.fill(0.0);
            uniform.fill(0.0);
            for key in g.visible_keys(query) {
                total[key] = (0..group.len()).map(|slot| f64::from(row(slot)[key])).sum();
                uniform[key] = level as f32;
            }
            for (slot, sums) in sums.iter_mut().enumerate() {
                let own = row(slot);
                for key in range.clone() {
                    baseline[key] = ((total[key] - f64::from(own[key])) / others) as f32;
                }
                let divergence =
                    |other: &[f32]| jensen_shannon(&own[range.clone()], &other[range.clone()], &g.keep[range.clone()]);
                let (to_baseline, to_uniform) = (divergence(&baseline), divergence(&uniform));
                if let (Some(b), Some(u)) = (to_baseline, to_uniform) {
                    sums.to_baseline += b;
                    sums.to_uniform += u;
                    sums.rows += 1;
                }
                for key in g.visible_keys(query) {
                    let x = f64::from(own[key]) - level;
                    // Sum over the others of (their weight - 1/n).
                    let rest = total[key] - f64::from(own[key]) - others * level;
                    sums.own += x * x;
                    sums.shared += x * rest / others;
                }
            }
        }
    }
    for (sums, &input) in sums.iter().zip(group) {
        let something = sums.rows > 0 && sums.to_uniform > NOTHING * sums.rows as f64;
        across.position_content[input] = something.then(|| sums.to_baseline / sums.to_uniform);
        across.query_content[input] = (something && sums.own > 0.0).then(|| 1.0 - sums.shared / sums.own);
    }
    Ok(())
}

fn by_offset(
    source: &Source<'_>,
    geometry: &[Arc<Geometry>],
    fit: &[usize],
    figures: &[HeadInput],
    input: usize,
) -> Result<Option<f64>> {
    let g = &*geometry[input];
    // Signed offsets p - j of different inputs meet where their index is shifted by the number of keys.
    let reach = geometry.iter().map(|g| g.queries + g.offset).max().unwrap_or(0);
    let back = geometry.iter().map(|g| g.keys).max().unwrap_or(0);
    let mut sum = vec![0.0f64; reach + back + 1];
    let mut pairs = vec![0.0f64; reach + back + 1];
    for (other, o) in fit.iter().filter(|&&other| other != input).map(|&other| (other, &geometry[other])) {
        for (index, value) in figures[other].profile.iter().enumerate() {
            sum[index + back - o.keys] += value;
        }
        for (index, &count) in o.offset_pairs.iter().enumerate() {
            pairs[index + back - o.keys] += f64::from(count);
        }
    }
    if pairs.iter().all(|&p| p == 0.0) {
        return Ok(None);
    }
    let m = g.keys;
    let (mut baseline, mut uniform) = (vec![0.0f32; m], vec![0.0f32; m]);
    let mut sums = Sums::default();
    for rows in strips(0..g.queries, m) {
        let Some(block) = source.distributions(input, rows.clone())? else { return Ok(None) };
        for (query, row) in rows.zip(block.chunks_exact(m)).filter(|&(query, _)| g.visible[query] >= 2) {
            for key in g.visible_keys(query) {
                let index = g.offset_index(query, key) + back - m;
                // An offset that no other input has seen is taken as uniform.
                let enrichment = if pairs[index] > 0.0 { sum[index] / pairs[index] } else { 1.0 };
                baseline[key] = enrichment as f32;
                uniform[key] = 1.0;
            }
            let range = g.mask.range(query, m);
            let divergence =
                |other: &[f32]| jensen_shannon(&row[range.clone()], &other[range.clone()], &g.keep[range.clone()]);
            if let (Some(b), Some(u)) = (divergence(&baseline), divergence(&uniform)) {
                sums.to_baseline += b;
                sums.to_uniform += u;
                sums.rows += 1;
            }
        }
    }
    Ok((sums.rows > 0 && sums.to_uniform > NOTHING * sums.rows as f64).then(|| sums.to_baseline / sums.to_uniform))
}

/// Total variation distance between the rows of each pair of inputs, [pair x row].
fn pair_distances(source: &Source<'_>, g: &Geometry, paired: &[usize]) -> Result<Vec<f32>> {
    let pairs = paired.len() * (paired.len() - 1) / 2;
    let mut distances = vec![0.0f32; pairs * g.queries];
    for rows in strips(0..g.queries, g.keys * paired.len()) {
        let blocks = rows_of(source, paired, rows.clone())?;
        let mut pair = 0;
        for high in 1..paired.len() {
            for low in 0..high {
                for query in rows.clone() {
                    let cells = (query - rows.start) * g.keys..(query - rows.start + 1) * g.keys;
                    let sum: f32 =
                        blocks[high][cells.clone()].iter().zip(&blocks[low][cells]).map(|(a, b)| (a - b).abs()).sum();
                    distances[pair * g.queries + query] = sum / 2.0;
                }
                pair += 1;
            }
        }
    }
    Ok(distances)
}

/// The same rows of several inputs as distributions; inputs without a map are not asked for.
fn rows_of<'a>(source: &'a Source<'_>, inputs: &[usize], rows: std::ops::Range<usize>) -> Result<Vec<Cow<'a, [f32]>>> {
    let mut blocks = Vec::with_capacity(inputs.len());
    for &input in inputs {
        let missing = || crate::Error::format(format!("judge: the map of input {input} was there and is gone"));
        blocks.push(source.distributions(input, rows.clone())?.ok_or_else(missing)?);
    }
    Ok(blocks)
}
