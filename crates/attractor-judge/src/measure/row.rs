//! What a row comes to, found once for all who look at it.

use attractor::rows::{self, Visible};

use super::Geometry;

/// Sums over a row as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Over the keys that the mask admits.
    pub seen: Visible,
    /// Sum of |w| over all keys; not finite if a weight is not.
    pub mass: f64,
    /// The part of it outside the mask's range of keys.
    pub outside: f64,
    /// The most negative weight, at most zero.
    pub lowest: f32,
}

impl Row {
    /// Sums of one row, w ln w only if asked for; `masked`: it is known that nothing lies outside the mask.
    pub(crate) fn of(g: &Geometry, query: usize, weights: &[f32], masked: bool, logs: bool) -> Self {
        let range = g.mask.range(query, g.keys);
        let (inside, keep) = (&weights[range.clone()], &g.keep[range.clone()]);
        rows::dispatch(
            #[inline(always)]
            || {
                let own = rows::mass(inside);
                let (mut outside, mut lowest) = (0.0, own.1);
                if !masked {
                    let (before, after) = (rows::mass(&weights[..range.start]), rows::mass(&weights[range.end..]));
                    outside = before.0 + after.0;
                    lowest = before.1.min(own.1).min(after.1);
                }
                let seen = if logs { rows::visible(inside, keep) } else { rows::visible_without_logs(inside, keep) };
                Self { seen, mass: own.0 + outside, outside, lowest }
            },
        )
    }

    /// Makes the row a distribution in place: zero outside the visible keys, sum one (or all zero).
    pub(crate) fn normalise(&self, g: &Geometry, query: usize, weights: &mut [f32]) {
        if !self.mass.is_finite() || self.lowest < 0.0 {
            return g.normalise(weights, query..query + 1);
        }
        let range = g.mask.range(query, g.keys);
        if self.outside > 0.0 {
            weights[..range.start].fill(0.0);
            weights[range.end..].fill(0.0);
        }
        let scale = if self.seen.sum > 0.0 { (1.0 / self.seen.sum) as f32 } else { 0.0 };
        rows::dispatch(
            #[inline(always)]
            || {
                for (w, keep) in weights[range.clone()].iter_mut().zip(&g.keep[range]) {
                    *w = *w * keep * scale;
                }
            },
        );
    }
}
