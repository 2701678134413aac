//! One retrieval, stated and checked: queries, keys, values, and the three choices.

use std::ops::Range;

use half::{bf16, f16};

use super::{Modifiers, Request, Separation, Similarity};
use crate::error::{Error, Result};

/// Numbers at the precision in which they are stored.
#[derive(Debug, Clone, Copy)]
pub enum Elements<'a> {
    /// 32 bits.
    F32(&'a [f32]),
    /// IEEE half precision.
    F16(&'a [f16]),
    /// bfloat16.
    Bf16(&'a [bf16]),
}

impl Elements<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F16(x) => x.len(),
            Self::Bf16(x) => x.len(),
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `target.len()` numbers from `start` on, widened to f32.
    pub(crate) fn read(&self, start: usize, target: &mut [f32]) {
        let end = start + target.len();
        match self {
            Self::F32(x) => target.copy_from_slice(&x[start..end]),
            Self::F16(x) => target.iter_mut().zip(&x[start..end]).for_each(|(t, s)| *t = s.to_f32()),
            Self::Bf16(x) => target.iter_mut().zip(&x[start..end]).for_each(|(t, s)| *t = s.to_f32()),
        }
    }
}

impl<'a> From<&'a [f32]> for Elements<'a> {
    fn from(x: &'a [f32]) -> Self {
        Self::F32(x)
    }
}

impl<'a> From<&'a [f16]> for Elements<'a> {
    fn from(x: &'a [f16]) -> Self {
        Self::F16(x)
    }
}

impl<'a> From<&'a [bf16]> for Elements<'a> {
    fn from(x: &'a [bf16]) -> Self {
        Self::Bf16(x)
    }
}

/// Vectors of several heads, row-major `[heads, rows, width]`.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    pub(crate) elements: Elements<'a>,
    /// Heads.
    pub heads: usize,
    /// Vectors per head.
    pub rows: usize,
    /// Numbers a vector.
    pub width: usize,
}

impl<'a> Heads<'a> {
    /// Views `elements` as `[heads, rows, width]`.
    ///
    /// # Errors
    /// `is_shape` if the number of elements is not the product.
    pub fn new(elements: impl Into<Elements<'a>>, heads: usize, rows: usize, width: usize) -> Result<Self> {
        let elements = elements.into();
        let expected = heads.checked_mul(rows).and_then(|x| x.checked_mul(width));
        if expected != Some(elements.len()) {
            return Err(Error::shape(format!(
                "retrieve: {} numbers cannot be {heads} heads x {rows} rows x {width} features; check the shape",
                elements.len()
            )));
        }
        Ok(Self { elements, heads, rows, width })
    }

    /// One vector, widened to f32.
    pub fn vector(&self, head: usize, row: usize) -> Vec<f32> {
        let mut vector = vec![0.0; self.width];
        self.elements.read((head * self.rows + row) * self.width, &mut vector);
        vector
    }

    /// All vectors of a head, `[rows, width]`, widened to f32.
    pub fn head(&self, head: usize) -> Vec<f32> {
        let mut vectors = vec![0.0; self.rows * self.width];
        self.elements.read(head * self.rows * self.width, &mut vectors);
        vectors
    }
}

/// A retrieval: which patterns, how alike, how separated, what returned.
///
/// | symbol | here      | shape          |
/// |--------|-----------|----------------|
/// | Q      | `queries` | [h, n, d]      |
/// | K      | `keys`    | [g, m, d]      |
/// | V      | `values`  | [g, m, e]      |
///
/// Grouped queries: h is a multiple of g, query head a reads key head a / (h / g).
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// Q.
    pub queries: Heads<'a>,
    /// K.
    pub keys: Heads<'a>,
    /// V; without values there is no output.
    pub values: Option<Heads<'a>>,
    /// How alike.
    pub similarity: &'a dyn Similarity,
    /// How separated.
    pub separation: Separation,
    /// What acts on the scores in between.
    pub modifiers: Modifiers<'a>,
}

impl Problem<'_> {
    /// The key head that query head `head` reads.
    pub fn key_head(&self, head: usize) -> usize {
        head / (self.queries.heads / self.keys.heads)
    }

    /// Checks that all shapes and parameters fit together.
    ///
    /// # Errors
    /// `is_shape` for axes that disagree, `is_usage` for parameters outside their range.
    pub fn check(&self) -> Result<()> {
        let (q, k) = (&self.queries, &self.keys);
        if q.width != k.width {
            return Err(Error::shape(format!(
                "retrieve: stored patterns have {} features, the query has {}; the last axis must agree",
                k.width, q.width
            )));
        }
        if k.heads == 0 || q.heads == 0 || q.heads % k.heads != 0 {
            return Err(Error::shape(format!(
                "retrieve: {} query heads cannot share {} key heads; the first must be a positive multiple of the second",
                q.heads, k.heads
            )));
        }
        if let Some(v) = &self.values
            && (v.heads != k.heads || v.rows != k.rows)
        {
            return Err(Error::shape(format!(
                "retrieve: values are [{}, {}], keys are [{}, {}]; heads and rows must agree",
                v.heads, v.rows, k.heads, k.rows
            )));
        }
        let per_head = |what: &str, given: Option<&[f32]>| match given {
            Some(x) if x.len() != q.heads => Err(Error::shape(format!(
                "retrieve: {} {what} for {} query heads; give one per head",
                x.len(),
                q.heads
            ))),
            _ => Ok(()),
        };
        per_head("ALiBi slopes", self.modifiers.alibi)?;
        per_head("learned sinks", self.modifiers.sinks)?;
        if let Some(bias) = self.modifiers.bias {
            let map = q.rows * k.rows;
            if bias.len() != map && bias.len() != map * q.heads {
                return Err(Error::shape(format!(
                    "retrieve: the bias has {} numbers; expected [queries, keys] = {map} or [heads, queries, keys] = {}",
                    bias.len(),
                    map * q.heads
                )));
            }
        }
        if let Some(cap) = self.modifiers.soft_cap
            && !(cap > 0.0 && cap.is_finite())
        {
            return Err(Error::usage(format!("retrieve: soft cap is {cap}; it must be a positive number")));
        }
        if self.modifiers.sinks.is_some() && !matches!(self.separation, Separation::Softmax { .. }) {
            return Err(Error::usage("retrieve: a learned sink joins a softmax only; use Separation::Softmax"));
        }
        self.modifiers.mask.check(k.rows)?;
        self.separation.check()
    }

    /// Checks that a head and rows are there.
    pub(crate) fn check_tile(&self, head: usize, rows: &Range<usize>) -> Result<()> {
        if head >= self.queries.heads || rows.end > self.queries.rows || rows.start > rows.end {
            return Err(Error::shape(format!(
                "retrieve: head {head}, rows {}..{} asked of {} heads x {} rows",
                rows.start, rows.end, self.queries.heads, self.queries.rows
            )));
        }
        Ok(())
    }

    /// Checks that statistics can be given.
    pub(crate) fn check_statistics(&self, request: &Request) -> Result<()> {
        if !self.separation.is_distribution() {
            return Err(Error::usage(
                "statistics: the weights of an identity or polynomial separation form no distribution; \
                 ask for the retrieval alone, or separate by softmax, top-k, max, sparsemax or entmax",
            ));
        }
        request.check(self.keys.rows)
    }
}

/// What a retrieval returned.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieved {
    /// sum_j w_ij v_j, [heads, queries, value width]; empty without values.
    pub output: Vec<f32>,
    /// ln sum_j exp(s_ij), the learned sink included, [heads, queries], nats; softmax and top-k only, else NaN.
    pub log_sum_exp: Vec<f32>,
    /// Energy of every row, [heads, queries], units of the raw score: minus the function of the scores whose gradient
    /// is the weights (softmax: -lse / beta).
    pub energy: Vec<f32>,
}

impl Retrieved {
    pub(crate) fn blank(heads: usize, queries: usize, width: usize) -> Self {
        let rows = heads * queries;
        Self { output: vec![0.0; rows * width], log_sum_exp: vec![0.0; rows], energy: vec![0.0; rows] }
    }
}
