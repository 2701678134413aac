//! Several modern memories side by side, each in a projection of its own: multi-head attention as retrieval.

use super::{Modern, SimplexMap};
use crate::error::{Error, Result};
use crate::pattern::RealPatterns;
use crate::pattern::real::dot;

/// y = W x + b.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    weight: RealPatterns,
    bias: Vec<f64>,
}

impl Projection {
    /// From W, `[outputs, inputs]`, and b, `[outputs]`; an empty bias is none.
    ///
    /// # Errors
    /// `is_shape` if the numbers do not fit, `is_usage` for one that is not a number.
    pub fn new(outputs: usize, inputs: usize, weight: Vec<f64>, bias: Vec<f64>) -> Result<Self> {
        if !bias.is_empty() && bias.len() != outputs {
            return Err(Error::shape(format!(
                "projection: {} biases for {outputs} outputs; give one per output, or none",
                bias.len()
            )));
        }
        if let Some(at) = bias.iter().position(|b| !b.is_finite()) {
            return Err(Error::usage(format!("projection: bias {at} is {}; expected a number", bias[at])));
        }
        Ok(Self { weight: RealPatterns::new(outputs, inputs, weight)?, bias })
    }

    /// Features that go in.
    pub fn inputs(&self) -> usize {
        self.weight.width()
    }

    /// Features that come out.
    pub fn outputs(&self) -> usize {
        self.weight.count()
    }

    fn apply(&self, rows: &RealPatterns) -> Result<RealPatterns> {
        if rows.width() != self.inputs() {
            return Err(Error::shape(format!(
                "projection: rows of {} features for {} inputs; the two must be equal",
                rows.width(),
                self.inputs()
            )));
        }
        let bias = |at: usize| self.bias.get(at).copied().unwrap_or(0.0);
        let numbers =
            rows.patterns().flat_map(|x| self.weight.patterns().enumerate().map(move |(at, w)| dot(w, x) + bias(at)));
        RealPatterns::new(rows.count(), self.outputs(), numbers.collect())
    }
}

/// Heads that share their inputs: head h stores W_K,h y, starts from W_Q,h r and reads W_V,h y; the outputs of all, one
/// after the other, go through W_O.
///
/// Each head descends its own energy for `steps` steps and then reads the values with the weights of where it came to. No
/// steps is attention. The whole has an energy in the heads' own spaces, not in the space of the inputs, and none at all
/// once values differ from keys and the output is fed back.
#[derive(Debug, Clone)]
pub struct Heads {
    /// How many; the projections' outputs are divided among them.
    pub heads: usize,
    /// W_Q; without it queries are used as they are, by every head.
    pub query: Option<Projection>,
    /// W_K, likewise.
    pub key: Option<Projection>,
    /// W_V, likewise.
    pub value: Option<Projection>,
    /// W_O; without it the outputs of all heads are returned side by side.
    pub output: Option<Projection>,
    /// Inverse temperature of every head.
    pub beta: f64,
    /// How scores become weights.
    pub simplex_map: SimplexMap,
    /// Steps downhill before the values are read.
    pub steps: usize,
}

/// What [`Heads::associate`] returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Associated {
    /// One row a query.
    pub output: RealPatterns,
    /// Weights at the end, [head, query, stored].
    pub association: Vec<f64>,
}

impl Heads {
    /// Retrieves for each query from the stored patterns, and returns what goes with them in `values`.
    ///
    /// # Cost
    /// O(queries x stored x d) per step, in f64.
    /// # Errors
    /// `is_shape` for axes that disagree, `is_usage` for no heads or a beta that is not a positive number.
    /// # Source
    /// Ramsauer et al. 2021, eq. (10); Vaswani et al. 2017 for no steps.
    pub fn associate(
        &self,
        queries: &RealPatterns,
        stored: &RealPatterns,
        values: &RealPatterns,
    ) -> Result<Associated> {
        if stored.count() != values.count() {
            return Err(Error::shape(format!(
                "heads: {} stored patterns with {} values; give one each",
                stored.count(),
                values.count()
            )));
        }
        if self.heads == 0 {
            return Err(Error::usage("heads: none was asked for; give at least one"));
        }
        let [q, k, v] = [(&self.query, queries), (&self.key, stored), (&self.value, values)]
            .map(|(projection, rows)| self.divided(projection.as_ref(), rows));
        let (q, k, v) = (q?, k?, v?);
        if q[0].width() != k[0].width() {
            return Err(Error::shape(format!(
                "heads: queries of {} features per head for keys of {}; the two must be equal",
                q[0].width(),
                k[0].width()
            )));
        }
        let width = v[0].width();
        let mut association = Vec::with_capacity(self.heads * queries.count() * stored.count());
        let mut side_by_side = vec![0.0; queries.count() * width * self.heads];
        for (head, (q, (k, v))) in q.into_iter().zip(k.into_iter().zip(v)).enumerate() {
            let memory = Modern::new(k, self.beta, self.simplex_map)?;
            for (query, state) in q.patterns().enumerate() {
                let mut state = state.to_vec();
                for _ in 0..self.steps {
                    state = memory.step(&state);
                }
                let weights = memory.weights(&state);
                let start = (query * self.heads + head) * width;
                side_by_side[start..start + width].copy_from_slice(&v.weighted(&weights));
                association.extend(weights);
            }
        }
        let output = RealPatterns::new(queries.count(), width * self.heads, side_by_side)?;
        let output = self.output.as_ref().map_or(Ok(output.clone()), |projection| projection.apply(&output))?;
        Ok(Associated { output, association })
    }

    /// The projected rows of each head.
    fn divided(&self, projection: Option<&Projection>, rows: &RealPatterns) -> Result<Vec<RealPatterns>> {
        let Some(projection) = projection else { return Ok(vec![rows.clone(); self.heads]) };
        let projected = projection.apply(rows)?;
        if projected.width() % self.heads != 0 {
            return Err(Error::shape(format!(
                "heads: {} projected features cannot be divided among {} heads",
                projected.width(),
                self.heads
            )));
        }
        let width = projected.width() / self.heads;
        (0..self.heads)
            .map(|head| {
                let part = projected.patterns().flat_map(|row| row[head * width..(head + 1) * width].iter().copied());
                RealPatterns::new(rows.count(), width, part.collect())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize, width: usize) -> RealPatterns {
        let numbers = (0..count * width).map(|at| ((at * 7 + 3) % 11) as f64 / 5.0 - 1.0).collect();
        RealPatterns::new(count, width, numbers).unwrap()
    }

    fn plain(steps: usize) -> Heads {
        let none = None::<Projection>;
        let simplex_map = SimplexMap::Softmax;
        Heads {
            heads: 1,
            query: none.clone(),
            key: none.clone(),
            value: none.clone(),
            output: none,
            beta: 1.3,
            simplex_map,
            steps,
        }
    }

    /// One head without projections is the memory itself: s steps and the reading are s + 1 steps.
    #[test]
    fn a_plain_head_is_the_memory() {
        let (stored, queries) = (rows(5, 3), rows(2, 3));
        let memory = Modern::new(stored.clone(), 1.3, SimplexMap::Softmax).unwrap();
        for steps in [0, 2] {
            let associated = plain(steps).associate(&queries, &stored, &stored).unwrap();
            for (query, output) in queries.patterns().zip(associated.output.patterns()) {
                let expected = (0..=steps).fold(query.to_vec(), |z, _| memory.step(&z));
                assert_eq!(output, expected);
            }
        }
    }

    #[test]
    fn axes_that_disagree_are_refused() {
        let (stored, queries) = (rows(5, 3), rows(2, 3));
        assert!(plain(0).associate(&queries, &stored, &rows(4, 3)).unwrap_err().is_shape());
        assert!(plain(0).associate(&rows(2, 4), &stored, &stored).unwrap_err().is_shape());
        assert!(Heads { heads: 0, ..plain(0) }.associate(&queries, &stored, &stored).unwrap_err().is_usage());
        assert!(Heads { beta: 0.0, ..plain(0) }.associate(&queries, &stored, &stored).unwrap_err().is_usage());
        let five = Projection::new(5, 3, vec![0.0; 15], vec![]).unwrap();
        let uneven = Heads { heads: 2, query: Some(five), ..plain(0) };
        assert!(uneven.associate(&queries, &stored, &stored).unwrap_err().is_shape());
        assert!(Projection::new(2, 2, vec![0.0; 4], vec![1.0]).unwrap_err().is_shape());
        assert!(Projection::new(1, 1, vec![0.0], vec![f64::NAN]).unwrap_err().is_usage());
    }
}
