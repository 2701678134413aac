//! Which maps a page holds, and how large they may be.

use attractor_record::Patterns;

use super::Options;

/// Links kept beside a map.
pub(super) const LINKS: usize = 32;
/// Smallest side that a map is pooled to before heads are left out instead.
pub(super) const LEAST_SIDE: usize = 32;
/// Bytes of a map beside its cells: names, numbers and links.
pub(super) const BESIDE: usize = 1400;

/// (layer, head, input).
pub(super) type Place = (usize, usize, usize);

/// The inputs whose maps are drawn; none if there is no head to draw.
pub(super) fn inputs(patterns: &dyn Patterns, options: &Options) -> Vec<usize> {
    if patterns.layers().iter().all(|l| l.heads.is_empty()) {
        return Vec::new();
    }
    let mut all: Vec<usize> = Vec::new();
    for &input in options.inputs.iter().filter(|&&i| i < patterns.inputs()) {
        if !all.contains(&input) {
            all.push(input);
        }
    }
    all
}

/// The largest side, a multiple of 16 below `most`, whose codes fit into `bytes` a head.
pub(super) fn side(most: usize, bytes: usize) -> usize {
    // Noise takes a byte a cell after deflate, and four letters for three bytes in base64.
    let fits = |side: usize| side * side * 4 / 3 + BESIDE <= bytes;
    if fits(most) {
        return most;
    }
    let smaller = (LEAST_SIDE..most).rev().filter(|s| s % 16 == 0);
    smaller.into_iter().find(|&s| fits(s)).unwrap_or(most.min(LEAST_SIDE))
}
