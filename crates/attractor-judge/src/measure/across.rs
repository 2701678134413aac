//! One head over several inputs: what is position, what is content.

use std::ops::Range;
use std::sync::Arc;

use attractor::rows::{self, jensen_shannon};
use attractor_record::{Patterns, Walk};

use super::{Geometry, HeadInput};
use attractor::Result;

/// Mean divergence from uniform (nats per row) below which there is no pattern to explain.
const NOTHING: f64 = 1e-5;

/// Shares of a pattern below this are rounding.
const ROUNDING: f64 = 1e-12;

/// Shares of an input's pattern that the other inputs do not share.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Content {
    /// Share of the pattern that the others' positional baseline leaves unexplained.
    pub position: Option<f64>,
    /// Share of the map's squared distance from uniform that the others' maps do not share.
    pub query: Option<f64>,
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

impl Sums {
    fn content(&self) -> Content {
        let something = self.rows > 0 && self.to_uniform > NOTHING * self.rows as f64;
        Content {
            position: something.then(|| self.to_baseline / self.to_uniform),
            query: (something && self.own > 0.0).then(|| {
                let own = 1.0 - self.shared / self.own;
                // Equal maps share everything, whatever order their sums were added up in.
                if own.abs() < ROUNDING { 0.0 } else { own }
            }),
        }
    }

    fn divergences(&mut self, own: &[f32], baseline: &[f32], uniform: &[f32], keep: &[f32]) {
        let (to_baseline, to_uniform) = (jensen_shannon(own, baseline, keep), jensen_shannon(own, uniform, keep));
        if let (Some(b), Some(u)) = (to_baseline, to_uniform) {
            self.to_baseline += b;
            self.to_uniform += u;
            self.rows += 1;
        }
    }
}

/// Inputs of one shape and mask, compared with each other cell by cell while their rows pass by side by side.
pub(crate) struct ByCell<'a> {
    g: &'a Geometry,
    /// Which of the walk's maps take part.
    slots: Vec<usize>,
    sums: Vec<Sums>,
    total: Vec<f64>,
    baseline: Vec<f32>,
    uniform: Vec<f32>,
}

impl<'a> ByCell<'a> {
    pub(crate) fn new(g: &'a Geometry, slots: Vec<usize>) -> Self {
        let sums = vec![Sums::default(); slots.len()];
        Self { g, slots, sums, total: vec![0.0; g.keys], baseline: vec![0.0; g.keys], uniform: vec![0.0; g.keys] }
    }

    /// Takes in rows that are distributions, of every map of the walk.
    pub(crate) fn strip(&mut self, rows: Range<usize>, blocks: &[Vec<f32>]) {
        let (g, m) = (self.g, self.g.keys);
        let others = (self.slots.len() - 1) as f64;
        for query in rows.clone() {
            let n = g.visible[query];
            if n < 2 {
                continue;
            }
            let range = g.mask.range(query, m);
            let start = (query - rows.start) * m;
            let row = |slot: usize| &blocks[slot][start + range.start..start + range.end];
            let keep = &g.keep[range.clone()];
            let level = 1.0 / f64::from(n);
            let (total, baseline) = (&mut self.total[range.clone()], &mut self.baseline[range.clone()]);
            let uniform = &mut self.uniform[range.clone()];
            total.fill(0.0);
            uniform.iter_mut().zip(keep).for_each(|(uniform, keep)| *uniform = level as f32 * keep);
            for &slot in &self.slots {
                // Distributions are zero where a key is hidden.
                rows::dispatch(
                    #[inline(always)]
                    || {
                        for (total, &w) in total.iter_mut().zip(row(slot)) {
                            *total += f64::from(w);
                        }
                    },
                );
            }
            for (&slot, sums) in self.slots.iter().zip(&mut self.sums) {
                let own = row(slot);
                let (squares, products) = rows::dispatch(
                    #[inline(always)]
                    || {
                        for ((baseline, &total), &own) in baseline.iter_mut().zip(&*total).zip(own) {
                            *baseline = ((total - f64::from(own)) / others) as f32;
                        }
                        shared(own, total, keep, level, others)
                    },
                );
                sums.divergences(own, baseline, uniform, keep);
                sums.own += squares;
                sums.shared += products;
            }
        }
    }

    /// What each map has of its own, in the order of the slots.
    pub(crate) fn finish(self) -> Vec<Content> {
        self.sums.iter().map(Sums::content).collect()
    }
}

/// Sums over the visible keys, of x^2 and of x times the mean of the others' x, where x = weight - 1/n.
#[inline(always)]
fn shared(own: &[f32], total: &[f64], keep: &[f32], level: f64, others: f64) -> (f64, f64) {
    const LANES: usize = 8;
    /// One key of x and of the others' x.
    #[inline(always)]
    fn pair(own: f32, total: f64, keep: f32, level: f64, others: f64) -> (f64, f64) {
        let (w, keep) = (f64::from(own), f64::from(keep));
        // The second is the sum over the others of (their weight - 1/n).
        ((w - level) * keep, (total - w - others * level) * keep)
    }
    let (mut squares, mut products) = ([0.0f64; LANES], [0.0f64; LANES]);
    let ((w, w_rest), (t, t_rest), (k, k_rest)) =
        (own.as_chunks::<LANES>(), total.as_chunks::<LANES>(), keep.as_chunks::<LANES>());
    for ((w, t), k) in w.iter().zip(t).zip(k) {
        for lane in 0..LANES {
            let (x, rest) = pair(w[lane], t[lane], k[lane], level, others);
            squares[lane] += x * x;
            products[lane] += x * rest;
        }
    }
    for (lane, ((&w, &t), &k)) in w_rest.iter().zip(t_rest).zip(k_rest).enumerate() {
        let (x, rest) = pair(w, t, k, level, others);
        squares[lane] += x * x;
        products[lane] += x * rest;
    }
    (squares.iter().sum(), products.iter().sum::<f64>() / others)
}

/// The share of one input's pattern that the other inputs' positions leave unexplained, where none is of its shape.
///
/// The baseline is the mean enrichment by signed offset of the inputs `others`, renormalised within each row. It must be
/// known before a row can be compared with it, so that this map is walked once more.
pub(crate) fn by_offset(
    patterns: &dyn Patterns,
    place: (usize, usize),
    geometry: &[Arc<Geometry>],
    others: &[usize],
    figures: &[HeadInput],
    input: usize,
) -> Result<Option<f64>> {
    let g = &*geometry[input];
    // Signed offsets p - j of different inputs meet where their index is shifted by the number of keys.
    let reach = geometry.iter().map(|g| g.queries + g.offset).max().unwrap_or(0);
    let back = geometry.iter().map(|g| g.keys).max().unwrap_or(0);
    let mut sum = vec![0.0f64; reach + back + 1];
    let mut pairs = vec![0.0f64; reach + back + 1];
    for (other, o) in others.iter().map(|&other| (other, &geometry[other])) {
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
    // An offset that no other input has seen is taken as uniform.
    let mean = |(&sum, &pairs): (&f64, &f64)| if pairs > 0.0 { (sum / pairs) as f32 } else { 1.0 };
    let enrichment: Vec<f32> = sum.iter().zip(&pairs).map(mean).collect();
    let m = g.keys;
    let mut baseline = vec![0.0f32; m];
    let mut sums = Sums::default();
    let Some(mut walk) = Walk::of(patterns, place, input)? else { return Ok(None) };
    while let Some(strip) = walk.next()? {
        g.normalise(&mut strip.blocks[0], strip.rows.clone());
        for (query, row) in strip.rows.zip(strip.blocks[0].chunks_exact(m)).filter(|&(query, _)| g.visible[query] >= 2)
        {
            let range = g.mask.range(query, m);
            // Offsets fall while keys grow.
            let nearest = g.offset_index(query, range.end - 1) + back - m;
            let found = &enrichment[nearest..nearest + range.len()];
            for (baseline, &enrichment) in baseline[range.clone()].iter_mut().zip(found.iter().rev()) {
                *baseline = enrichment;
            }
            let keep = &g.keep[range.clone()];
            sums.divergences(&row[range.clone()], &baseline[range], keep, keep);
        }
    }
    Ok(sums.content().position)
}

/// Total variation distance between the rows of each pair of inputs, [pair x row].
pub(crate) struct Distances<'a> {
    g: &'a Geometry,
    slots: Vec<usize>,
    distances: Vec<f32>,
}

impl<'a> Distances<'a> {
    /// Between these maps of a walk.
    pub(crate) fn new(g: &'a Geometry, slots: Vec<usize>) -> Self {
        let pairs = slots.len() * (slots.len() - 1) / 2;
        Self { g, slots, distances: vec![0.0; pairs * g.queries] }
    }

    /// Takes in rows that are distributions, of every map of the walk.
    pub(crate) fn strip(&mut self, rows: Range<usize>, blocks: &[Vec<f32>]) {
        let (keys, queries) = (self.g.keys, self.g.queries);
        let mut pair = 0;
        for high in 1..self.slots.len() {
            for low in 0..high {
                let (a, b) = (&blocks[self.slots[high]], &blocks[self.slots[low]]);
                for query in rows.clone() {
                    let start = (query - rows.start) * keys;
                    let seen = self.g.mask.range(query, keys);
                    let cells = start + seen.start..start + seen.end;
                    let sum = rows::dispatch(
                        #[inline(always)]
                        || {
                            rows::sum2(
                                &a[cells.clone()],
                                &b[cells],
                                #[inline(always)]
                                |a, b| (a - b).abs(),
                            )
                        },
                    );
                    self.distances[pair * queries + query] = (sum / 2.0) as f32;
                }
                pair += 1;
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<f32> {
        self.distances
    }
}
