//! What to put in place of a head's attention, and where.

use std::ops::Range;
use std::sync::Arc;

use attractor::retrieve::{Mask, Request};
use attractor_record::evidence::{AblationMode, Scope};

use attractor::{Error, Result};

/// Imported attention maps (the mean of other inputs, another input's).
pub trait Maps: Send + Sync {
    /// The map of a head, [queries, keys], rows summing to one.
    ///
    /// # Errors
    /// If there is no such map.
    fn map(&self, layer: usize, head: usize) -> Result<Vec<f32>>;
}

/// What stands in for A.V of a head.
#[derive(Clone)]
pub enum Replacement {
    /// The mean of the visible values.
    Uniform,
    /// The query's own value.
    SelfOnly,
    /// The previous position's value; the first row, and one that may not see it, keeps its own.
    Previous,
    /// The mean of the visible values of i-4..=i, or i-4..=i+4 where later keys may be seen.
    Local,
    /// Given weights.
    Map(Arc<dyn Maps>),
    /// Zero.
    Zero,
}

impl Replacement {
    /// The replacement that a mode names; `maps` where the mode needs some.
    ///
    /// # Errors
    /// `is_usage` if it needs maps and there are none.
    pub fn of(mode: AblationMode, maps: Option<Arc<dyn Maps>>) -> Result<Self> {
        Ok(match mode {
            AblationMode::Uniform => Self::Uniform,
            AblationMode::SelfOnly => Self::SelfOnly,
            AblationMode::Previous => Self::Previous,
            AblationMode::Local => Self::Local,
            AblationMode::Zero => Self::Zero,
            AblationMode::MeanMap | AblationMode::OtherInput => Self::Map(maps.ok_or_else(|| {
                Error::usage(format!("override: mode {mode:?} needs maps of another input of the same length"))
            })?),
        })
    }

    /// z = A'.V of one head: `values` are [keys, width], the result [queries, width], queries = keys.
    pub(crate) fn apply(
        &self,
        layer: usize,
        head: usize,
        mask: &Mask,
        values: &[f32],
        width: usize,
        z: &mut [f32],
    ) -> Result<()> {
        let n = values.len() / width;
        let row = |j: usize| &values[j * width..(j + 1) * width];
        match self {
            Self::Zero => z.fill(0.0),
            Self::SelfOnly => z.copy_from_slice(values),
            Self::Previous => {
                for (i, z) in z.chunks_mut(width).enumerate() {
                    let seen = i > 0 && mask.admits(i, i - 1, n);
                    z.copy_from_slice(row(if seen { i - 1 } else { i }));
                }
            }
            Self::Uniform => means(mask, values, width, z, |i| mask.range(i, n)),
            Self::Local => means(mask, values, width, z, |i| {
                let window = (i + 1).saturating_sub(Request::WINDOW)..i + Request::WINDOW;
                let seen = mask.range(i, n);
                seen.start.max(window.start)..seen.end.min(window.end)
            }),
            Self::Map(maps) => {
                let map = maps.map(layer, head)?;
                if map.len() != n * n {
                    return Err(Error::shape(format!(
                        "override of layer {layer}, head {head}: the map has {} weights, expected {n} x {n}",
                        map.len()
                    )));
                }
                for (weights, z) in map.chunks(n).zip(z.chunks_mut(width)) {
                    z.fill(0.0);
                    for (&w, j) in weights.iter().zip(0..n).filter(|&(&w, _)| w != 0.0) {
                        z.iter_mut().zip(row(j)).for_each(|(z, &v)| *z += w * v);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Means of the values in a range of keys of each row, hidden keys left out; an empty range gives zero.
fn means(mask: &Mask, values: &[f32], width: usize, z: &mut [f32], range: impl Fn(usize) -> Range<usize>) {
    // Prefix sums in f64: a difference of two of them loses nothing that f32 would show.
    let n = values.len() / width;
    let mut sums = vec![0.0f64; (n + 1) * width];
    let mut counts = vec![0usize; n + 1];
    for j in 0..n {
        let seen = !mask.hides(j);
        counts[j + 1] = counts[j] + usize::from(seen);
        for f in 0..width {
            let v = if seen { f64::from(values[j * width + f]) } else { 0.0 };
            sums[(j + 1) * width + f] = sums[j * width + f] + v;
        }
    }
    for (i, z) in z.chunks_mut(width).enumerate() {
        let range = range(i);
        let count = counts[range.end.max(range.start)] - counts[range.start];
        for (f, z) in z.iter_mut().enumerate() {
            let sum = sums[range.end.max(range.start) * width + f] - sums[range.start * width + f];
            *z = if count == 0 { 0.0 } else { (sum / count as f64) as f32 };
        }
    }
}

/// Which heads are replaced, by what. Empty: the model as it is.
#[derive(Clone, Default)]
pub struct Overrides {
    entries: Vec<(Scope, Replacement)>,
}

impl Overrides {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// One.
    pub fn one(scope: Scope, replacement: Replacement) -> Self {
        Self { entries: vec![(scope, replacement)] }
    }

    /// And another; where two touch a head, the later one counts.
    pub fn and(mut self, scope: Scope, replacement: Replacement) -> Self {
        self.entries.push((scope, replacement));
        self
    }

    /// What replaces a head, if anything does.
    pub(crate) fn of(&self, layer: usize, head: usize) -> Option<&Replacement> {
        self.entries.iter().rev().find_map(|(scope, replacement)| {
            let touched = match *scope {
                Scope::Head { layer: l, head: h } => l == layer && h == head,
                Scope::Layer { layer: l } => l == layer,
                Scope::Whole => true,
            };
            touched.then_some(replacement)
        })
    }

    /// Refuses layers and heads that the model does not have.
    pub(crate) fn check(&self, layers: usize, heads: usize) -> Result<()> {
        for (scope, _) in &self.entries {
            let (layer, head) = match *scope {
                Scope::Head { layer, head } => (layer, head),
                Scope::Layer { layer } => (layer, 0),
                Scope::Whole => (0, 0),
            };
            if layer >= layers || head >= heads {
                return Err(Error::usage(format!(
                    "override: there is no layer {layer}, head {head}; the model has {layers} layers of {heads} heads, \
                     counted from 0"
                )));
            }
        }
        Ok(())
    }
}
