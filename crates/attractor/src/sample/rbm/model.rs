//! The restricted Boltzmann machine: parameters, energies, conditionals.

use rayon::prelude::*;

use super::rows::Rows;
use super::sums;
use crate::error::{Error, Result};
use crate::random::{Philox, stream};

/// What the visible units are.
#[derive(Debug, Clone, PartialEq)]
pub enum Visible {
    /// 0 or 1. Data in between are read as probabilities.
    Binary,
    /// Real numbers with a fixed variance s_i^2 each.
    Gaussian {
        /// s_i^2 of every visible unit, above zero.
        variance: Vec<f32>,
    },
}

impl Visible {
    /// Gaussian units of variance 1.
    pub fn unit_gaussian(units: usize) -> Self {
        Visible::Gaussian { variance: vec![1.0; units] }
    }

    /// s_i^2; `None` for binary units.
    pub fn variance(&self) -> Option<&[f32]> {
        match self {
            Visible::Binary => None,
            Visible::Gaussian { variance } => Some(variance),
        }
    }
}

/// A restricted Boltzmann machine: visible units v, binary hidden units h in {0, 1}, no links within a layer.
///
/// With u_i = v_i for binary units and u_i = v_i / s_i^2 for Gaussian ones:
///
/// | | binary | Gaussian |
/// |---|---|---|
/// | E(v, h) | -a'v - b'h - v'W h | sum (v_i - a_i)^2 / 2 s_i^2 - b'h - u'W h |
/// | p(h_j = 1 given v) | sigma(b_j + (u'W)_j) | the same |
/// | p(v_i given h) | sigma(a_i + (W h)_i) | N(a_i + (W h)_i, s_i^2) |
/// | F(v) | -a'v - sum softplus(b + v'W) | sum (v_i - a_i)^2 / 2 s_i^2 - sum softplus(b + u'W) |
///
/// p(v) = exp(-F(v)) / Z. Energies go down, logs are natural, the temperature is 1.
///
/// # Source
/// Smolensky 1986; Hinton 2002, *Training products of experts by minimizing contrastive divergence*; Gaussian units as
/// in Cho, Ilin and Raiko 2011.
#[derive(Debug, Clone, PartialEq)]
pub struct Rbm {
    pub(super) visible: Visible,
    /// W, [visible, hidden].
    pub(super) weights: Vec<f32>,
    /// a.
    pub(super) visible_bias: Vec<f32>,
    /// b.
    pub(super) hidden_bias: Vec<f32>,
}

/// Standard deviation of the weights at the start.
const INITIAL_WEIGHT: f64 = 0.01;

/// Pixel means are kept this far from 0 and 1 before their logit is taken: a unit that is always off would be at -inf.
pub const CLIP: f64 = 0.01;

impl Rbm {
    /// A machine of these parameters; `weights` is [visible, hidden], row by row.
    ///
    /// # Errors
    /// `is_shape` if the sizes disagree or a layer is empty; `is_usage` for a parameter that is not finite or a variance
    /// that is not above zero.
    pub fn new(visible: Visible, weights: Vec<f32>, visible_bias: Vec<f32>, hidden_bias: Vec<f32>) -> Result<Self> {
        let (n, m) = (visible_bias.len(), hidden_bias.len());
        if n == 0 || m == 0 {
            return Err(Error::shape(format!("rbm: {n} visible and {m} hidden units; each layer needs at least one")));
        }
        if n.checked_mul(m) != Some(weights.len()) {
            return Err(Error::shape(format!(
                "rbm: {} weights for {n} visible and {m} hidden units; expected visible x hidden, row by row",
                weights.len()
            )));
        }
        for (name, numbers) in [("weight", &weights), ("visible bias", &visible_bias), ("hidden bias", &hidden_bias)] {
            if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
                return Err(Error::usage(format!("rbm: {name} {at} is {}; expected finite numbers", numbers[at])));
            }
        }
        if let Some(variance) = visible.variance() {
            if variance.len() != n {
                return Err(Error::shape(format!(
                    "rbm: {} variances for {n} visible units; give one per unit",
                    variance.len()
                )));
            }
            if let Some(at) = variance.iter().position(|s| !(*s > 0.0 && s.is_finite())) {
                return Err(Error::usage(format!(
                    "rbm: the variance of visible unit {at} is {}; expected a number above zero",
                    variance[at]
                )));
            }
        }
        Ok(Self { visible, weights, visible_bias, hidden_bias })
    }

    /// Hinton's start: weights from N(0, 0.01^2), hidden biases 0, visible biases the logit of the data's means (kept
    /// [`CLIP`] away from 0 and 1), or the means themselves for Gaussian units.
    ///
    /// # Errors
    /// `is_shape` if the data have another width than the variances, or no row, or no hidden unit is asked for;
    /// `is_usage` for data that the visible units cannot take.
    /// # Source
    /// Hinton 2010, *A practical guide to training restricted Boltzmann machines*, section 8.
    pub fn initial(visible: Visible, hidden: usize, data: Rows<'_>, seed: u64) -> Result<Self> {
        let n = data.units();
        let weights = n.checked_mul(hidden).filter(|count| count.checked_mul(4).is_some()).ok_or_else(|| {
            Error::shape(format!("rbm: {n} x {hidden} weights are more than can be addressed; use fewer hidden units"))
        })?;
        let mut random = Philox::new(seed, stream::GIVEN);
        let weights = (0..weights).map(|_| (INITIAL_WEIGHT * random.normal()) as f32).collect();
        let start = Self::new(visible, weights, vec![0.0; n], vec![0.0; hidden])?;
        start.accepts(data)?;
        let visible_bias = start.base_rates(data)?;
        Ok(Self { visible_bias, ..start })
    }

    /// A machine from scikit-learn's `BernoulliRBM`: `components` is `components_` [hidden, visible].
    ///
    /// # Errors
    /// As [`Rbm::new`].
    pub fn from_scikit_learn(components: &[f32], intercept_visible: &[f32], intercept_hidden: &[f32]) -> Result<Self> {
        let (n, m) = (intercept_visible.len(), intercept_hidden.len());
        if n.checked_mul(m) != Some(components.len()) {
            return Err(Error::shape(format!(
                "rbm: components_ has {} numbers for {m} hidden and {n} visible intercepts; expected [hidden, visible]",
                components.len()
            )));
        }
        let weights = (0..n * m).map(|at| components[at % m * n + at / m]).collect();
        Self::new(Visible::Binary, weights, intercept_visible.to_vec(), intercept_hidden.to_vec())
    }

    /// What the visible units are.
    pub fn visible(&self) -> &Visible {
        &self.visible
    }

    /// Number of visible units.
    pub fn visible_units(&self) -> usize {
        self.visible_bias.len()
    }

    /// Number of hidden units.
    pub fn hidden_units(&self) -> usize {
        self.hidden_bias.len()
    }

    /// W, [visible, hidden], row by row.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// a.
    pub fn visible_bias(&self) -> &[f32] {
        &self.visible_bias
    }

    /// b.
    pub fn hidden_bias(&self) -> &[f32] {
        &self.hidden_bias
    }

    /// Checks that rows may be given to the visible units.
    ///
    /// # Errors
    /// `is_shape` for another width; `is_usage` for a number outside [0, 1] at a binary unit.
    pub fn accepts(&self, rows: Rows<'_>) -> Result<()> {
        let n = self.visible_units();
        if rows.units() != n {
            return Err(Error::shape(format!(
                "rbm: rows of {} numbers for {n} visible units; the two must be equal",
                rows.units()
            )));
        }
        let outside = |x: &f32| !(0.0..=1.0).contains(x);
        // Counting has no early exit and becomes vector code; this is asked at every update.
        let clean = |block: &[f32]| block.iter().map(|x| u32::from(outside(x))).sum::<u32>() == 0;
        if self.visible == Visible::Binary
            && !pulp::Arch::new().dispatch(
                #[inline(always)]
                || rows.values().chunks(4096).all(clean),
            )
            && let Some(at) = rows.values().iter().position(outside)
        {
            return Err(Error::usage(format!(
                "rbm: row {}, unit {} is {}; binary visible units take numbers from 0 to 1: scale the data, or use Gaussian units",
                at / n,
                at % n,
                rows.values()[at]
            )));
        }
        Ok(())
    }

    /// Visible biases of the best model without hidden units: the logit of the means, kept [`CLIP`] away from 0 and 1;
    /// the means for Gaussian units.
    ///
    /// # Errors
    /// `is_shape` for no rows, or rows of another width.
    pub fn base_rates(&self, data: Rows<'_>) -> Result<Vec<f32>> {
        self.accepts(data)?;
        if data.count() == 0 {
            return Err(Error::shape("rbm: no rows of data to take the mean of; give at least one"));
        }
        Ok(data
            .means()
            .into_iter()
            .map(|mean| match self.visible {
                Visible::Binary => {
                    let p = mean.clamp(CLIP, 1.0 - CLIP);
                    (p / (1.0 - p)).ln() as f32
                }
                Visible::Gaussian { .. } => mean as f32,
            })
            .collect())
    }

    /// u_i in f64.
    pub(super) fn statistic(&self, unit: usize, value: f32) -> f64 {
        match &self.visible {
            Visible::Binary => f64::from(value),
            Visible::Gaussian { variance } => f64::from(value) / f64::from(variance[unit]),
        }
    }

    /// b + u'W of one row, in f64.
    pub(super) fn hidden_input(&self, row: &[f32]) -> Vec<f64> {
        let mut x: Vec<f64> = self.hidden_bias.iter().map(|&b| f64::from(b)).collect();
        for (unit, (&v, weights)) in row.iter().zip(self.weights.chunks(self.hidden_units())).enumerate() {
            let u = self.statistic(unit, v);
            // Binary data are mostly zeros.
            if u != 0.0 {
                x.iter_mut().zip(weights).for_each(|(x, &w)| *x += u * f64::from(w));
            }
        }
        x
    }

    /// The part of F(v) that the visible units have alone: -a'v, or sum (v_i - a_i)^2 / 2 s_i^2.
    pub(super) fn visible_energy(&self, row: &[f32]) -> f64 {
        let pairs = row.iter().zip(&self.visible_bias).map(|(&v, &a)| (f64::from(v), f64::from(a)));
        match &self.visible {
            Visible::Binary => -pairs.map(|(v, a)| a * v).sum::<f64>(),
            Visible::Gaussian { variance } => {
                pairs.zip(variance).map(|((v, a), &s)| (v - a) * (v - a) / (2.0 * f64::from(s))).sum()
            }
        }
    }

    fn one_free_energy(&self, row: &[f32]) -> f64 {
        self.visible_energy(row) - sums::softplus_sum(&mut self.hidden_input(row))
    }

    /// F(v) of every row: -ln sum_h exp(-E(v, h)), in f64.
    ///
    /// # Errors
    /// As [`Rbm::accepts`].
    /// # Cost
    /// O(visible x hidden) per row, fewer for rows with zeros.
    pub fn free_energy(&self, rows: Rows<'_>) -> Result<Vec<f64>> {
        self.accepts(rows)?;
        Ok(rows.par_iter().map(|row| self.one_free_energy(row)).collect())
    }

    /// E(v, h) of one pair.
    ///
    /// # Errors
    /// As [`Rbm::accepts`]; `is_shape` if `hidden` has another length than there are hidden units.
    pub fn energy(&self, visible: &[f32], hidden: &[f32]) -> Result<f64> {
        self.accepts(Rows::new(visible, self.visible_units())?)?;
        if hidden.len() != self.hidden_units() || visible.len() != self.visible_units() {
            return Err(Error::shape(format!(
                "rbm: a state of {} visible and {} hidden units for a machine of {} and {}; give one of each unit",
                visible.len(),
                hidden.len(),
                self.visible_units(),
                self.hidden_units()
            )));
        }
        let input = self.hidden_input(visible);
        Ok(self.visible_energy(visible) - input.iter().zip(hidden).map(|(x, &h)| x * f64::from(h)).sum::<f64>())
    }

    /// p(h_j = 1 given v) of every row, [row, hidden].
    ///
    /// # Errors
    /// As [`Rbm::accepts`].
    pub fn hidden_given(&self, rows: Rows<'_>) -> Result<Vec<f32>> {
        self.accepts(rows)?;
        let each = rows
            .par_iter()
            .flat_map_iter(|row| self.hidden_input(row).into_iter().map(|x| (1.0 / (1.0 + (-x).exp())) as f32));
        Ok(each.collect())
    }

    /// E(v given h) of every row of hidden units (or of their probabilities), [row, visible].
    ///
    /// # Errors
    /// `is_shape` if the rows have another width than there are hidden units.
    pub fn visible_given(&self, hidden: Rows<'_>) -> Result<Vec<f32>> {
        let m = self.hidden_units();
        if hidden.units() != m {
            return Err(Error::shape(format!(
                "rbm: rows of {} numbers for {m} hidden units; the two must be equal",
                hidden.units()
            )));
        }
        let each = hidden.par_iter().flat_map_iter(|h| {
            self.weights.chunks(m).zip(&self.visible_bias).map(move |(w, &a)| {
                let x = f64::from(a) + w.iter().zip(h).map(|(&w, &h)| f64::from(w) * f64::from(h)).sum::<f64>();
                match self.visible {
                    Visible::Binary => (1.0 / (1.0 + (-x).exp())) as f32,
                    Visible::Gaussian { .. } => x as f32,
                }
            })
        });
        Ok(each.collect())
    }
}
