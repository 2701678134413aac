//! Rotary frequencies and their stretching.

use std::f64::consts::TAU;
use std::sync::Arc;

use crate::checkpoint::spec::{Rope, Scaling};
use crate::ops::rows::Rotation;

/// Cosines and sines of positions 0..positions.
///
/// The frequencies and the angles are rounded to f32 before the cosine, as the models' own code does: at position
/// 100 000 the rounding moves an angle by up to 0.004, and it is the rounded one that they were trained with.
pub(crate) fn table(rope: &Rope, positions: usize) -> Arc<Rotation> {
    let frequencies = frequencies(rope, positions);
    let scale = match rope.scaling {
        Scaling::Yarn { attention_factor, .. } => attention_factor,
        _ => 1.0,
    };
    let angles = (0..positions).flat_map(|p| frequencies.iter().map(move |&f| f64::from(p as f32 * f as f32)));
    let (sin, cos) = angles.map(|a| ((a.sin() * scale) as f32, (a.cos() * scale) as f32)).unzip();
    Arc::new(Rotation { positions, dims: rope.dims, cos, sin })
}

/// Angle per position of each pair of features, radians.
///
/// # Source
/// Su et al. 2021 (arXiv 2104.09864); Chen et al. 2023 (linear); bloc97's NTK-aware scaling (dynamic); the Llama 3.1
/// release; Peng et al. 2023 (arXiv 2309.00071, YaRN).
pub(crate) fn frequencies(rope: &Rope, positions: usize) -> Vec<f64> {
    let d = rope.dims as f64;
    let plain = |theta: f64| (0..rope.dims / 2).map(|i| theta.powf(-2.0 * i as f64 / d)).collect::<Vec<_>>();
    match rope.scaling {
        Scaling::Default => plain(rope.theta),
        Scaling::Linear { factor } => plain(rope.theta).into_iter().map(|f| f / factor).collect(),
        Scaling::Dynamic { factor, original } => {
            let length = positions.max(original) as f64 / original as f64;
            plain(rope.theta * (factor * length - (factor - 1.0)).powf(d / (d - 2.0)))
        }
        Scaling::Llama3 { factor, low, high, original } => {
            let original = original as f64;
            let stretch = |f: f64| {
                let wavelength = TAU / f;
                if wavelength > original / low {
                    f / factor
                } else if wavelength < original / high {
                    f
                } else {
                    let smooth = (original / wavelength - low) / (high - low);
                    (1.0 - smooth) * f / factor + smooth * f
                }
            };
            plain(rope.theta).into_iter().map(stretch).collect()
        }
        Scaling::Yarn { factor, original, beta_fast, beta_slow, truncate, .. } => {
            // The pair that turns `rotations` times within the original length.
            let pair = |rotations: f64| d * (original as f64 / (rotations * TAU)).ln() / (2.0 * rope.theta.ln());
            let (mut low, mut high) = (pair(beta_fast), pair(beta_slow));
            if truncate {
                (low, high) = (low.floor(), high.ceil());
            }
            let (low, mut high) = (low.max(0.0), high.min(d - 1.0));
            if low == high {
                high += 0.001;
            }
            let ramp = |i: usize| ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
            let mixed = plain(rope.theta).into_iter().enumerate();
            mixed.map(|(i, f)| f / factor * ramp(i) + f * (1.0 - ramp(i))).collect()
        }
    }
}
