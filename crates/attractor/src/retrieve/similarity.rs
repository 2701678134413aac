//! How alike are a query and a stored pattern?

use crate::rows;

/// Scores a query against a key. Open: implement [`score`](Similarity::score) for a similarity of your own.
///
/// The engines compute a similarity through one matrix product where [`inner_product`](Similarity::inner_product)
/// says how; otherwise they call `score` for every visible pair.
pub trait Similarity: Sync {
    /// The definition: how alike are `query` and `key` (equal lengths)? Larger is more alike.
    fn score(&self, query: &[f32], key: &[f32]) -> f64;

    /// [`score`](Similarity::score) of a query with one key after the other, [scores, width].
    fn scores(&self, query: &[f32], keys: &[f32], scores: &mut [f64]) {
        let each = keys.chunks(query.len().max(1));
        scores.iter_mut().zip(each).for_each(|(score, key)| *score = self.score(query, key));
    }

    /// How the score follows from the inner product, if it does.
    fn inner_product(&self) -> Option<InnerProduct> {
        None
    }

    /// Its name in tables and files.
    fn name(&self) -> &'static str;
}

/// The ways in which a score follows from an inner product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InnerProduct {
    /// q.k
    Plain,
    /// q.k / (|q| |k|), zero if either is zero.
    Normalised,
    /// 2 q.k - |q|^2 - |k|^2
    Distance,
}

/// q.k
#[derive(Debug, Clone, Copy, Default)]
pub struct Dot;

/// q.k / (|q| |k|); zero if either vector is zero.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cosine;

/// -|q - k|^2
#[derive(Debug, Clone, Copy, Default)]
pub struct NegativeSquaredEuclid;

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f64 {
    // Four sums at a time: one alone would wait for itself.
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut sums = [0.0f64; 4];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..4 {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
    sums.iter().sum::<f64>() + rest
}

impl Similarity for Dot {
    fn score(&self, query: &[f32], key: &[f32]) -> f64 {
        dot(query, key)
    }
    fn scores(&self, query: &[f32], keys: &[f32], scores: &mut [f64]) {
        rows::dispatch(
            #[inline(always)]
            || {
                let each = keys.chunks(query.len().max(1));
                scores.iter_mut().zip(each).for_each(|(score, key)| *score = dot(query, key));
            },
        );
    }
    fn inner_product(&self) -> Option<InnerProduct> {
        Some(InnerProduct::Plain)
    }
    fn name(&self) -> &'static str {
        "dot"
    }
}

impl Similarity for Cosine {
    fn score(&self, query: &[f32], key: &[f32]) -> f64 {
        let norms = (dot(query, query) * dot(key, key)).sqrt();
        // A NaN norm must not pass as zero.
        if norms == 0.0 { 0.0 } else { dot(query, key) / norms }
    }
    fn inner_product(&self) -> Option<InnerProduct> {
        Some(InnerProduct::Normalised)
    }
    fn name(&self) -> &'static str {
        "cosine"
    }
}

impl Similarity for NegativeSquaredEuclid {
    fn score(&self, query: &[f32], key: &[f32]) -> f64 {
        -query.iter().zip(key).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum::<f64>()
    }
    fn inner_product(&self) -> Option<InnerProduct> {
        Some(InnerProduct::Distance)
    }
    fn name(&self) -> &'static str {
        "negative squared Euclidean distance"
    }
}
