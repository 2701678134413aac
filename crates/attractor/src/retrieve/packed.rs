//! Keys in the order in which register tiles read them.

use std::ops::Range;

use pulp::Simd;

use super::{InnerProduct, Problem};
use crate::simd;

/// Keys of one head, packed for register tiles: panels of `tile_keys` keys, each [d][tile_keys], zero-padded.
pub(crate) struct PackedKeys {
    pub panels: Vec<f32>,
    /// |k|^2, per key; empty unless the similarity needs it.
    pub squares: Vec<f32>,
    /// Keys before j that hold a number that is not finite, per j in 0..=keys; empty if there is none.
    broken_before: Vec<u32>,
}

impl PackedKeys {
    #[inline(always)]
    pub(crate) fn pack<S: Simd>(problem: &Problem<'_>, key_head: usize) -> Self {
        let (keys, width) = (problem.keys.rows, problem.keys.width);
        let tile = simd::tile_keys::<S>();
        let mut panels = vec![0.0; keys.div_ceil(tile) * tile * width];
        let mut squares = Vec::new();
        let mut broken_before = Vec::new();
        let kind = problem.similarity.inner_product();
        let mut key = vec![0.0; width];
        let mut broken = 0;
        for j in 0..keys {
            problem.keys.elements.read((key_head * keys + j) * width, &mut key);
            if !all_finite(&key) {
                if broken_before.is_empty() {
                    broken_before = vec![0; j];
                }
                broken_before.push(broken);
                broken += u32::from(!problem.modifiers.mask.hides(j));
                key.fill(0.0);
            } else if !broken_before.is_empty() {
                broken_before.push(broken);
            }
            match kind {
                Some(InnerProduct::Normalised) => normalise(&mut key),
                Some(InnerProduct::Distance) => squares.push(square(&key)),
                _ => {}
            }
            let panel = &mut panels[j / tile * tile * width..];
            for (k, &x) in key.iter().enumerate() {
                panel[k * tile + j % tile] = x;
            }
        }
        if !broken_before.is_empty() {
            broken_before.push(broken);
        }
        Self { panels, squares, broken_before }
    }

    pub(crate) fn any_broken(&self, keys: &Range<usize>) -> bool {
        !self.broken_before.is_empty() && self.broken_before[keys.end] > self.broken_before[keys.start]
    }
}

pub(crate) fn square(x: &[f32]) -> f32 {
    x.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() as f32
}

pub(crate) fn normalise(x: &mut [f32]) {
    let norm = x.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    if norm > 0.0 {
        x.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
    }
}

/// True if all numbers are finite; one pass without branches.
pub(crate) fn all_finite(x: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    !x.iter().fold(false, |broken, v| broken | (v.to_bits() & EXPONENT == EXPONENT))
}
