//! The model of rows whose units know nothing of each other: what any machine must beat.

use super::model::Visible;
use super::rows::{Mean, Rows};
use crate::error::{Error, Result};

/// Nats per row that are not worth a word.
const MARGIN: f64 = 0.01;

/// True if a machine's mean ln p per row lies below that of the base rates, beyond three standard errors of ln Z and a hundredth
/// of a nat; of a likelihood that is not a number too.
pub fn is_below(machine: f64, standard_error: f64, base: f64) -> bool {
    machine.is_nan() || machine < base - 3.0 * standard_error - MARGIN
}

/// Each unit by itself: of bits its base rate, of real numbers one normal distribution.
///
/// | units    | ln p(v)                                                                        |
/// |----------|--------------------------------------------------------------------------------|
/// | binary   | sum_i v_i ln q_i + (1 - v_i) ln(1 - q_i), q_i the mean, kept 1 / (2 N) off 0 and 1 |
/// | Gaussian | sum_i ln N(v_i; mean_i, variance_i); of a unit that does not vary, the machine's |
#[derive(Debug, Clone, PartialEq)]
pub struct BaseModel {
    units: Vec<Unit>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Bit { on: f64, off: f64 },
    Real { mean: f64, variance: f64 },
}

impl BaseModel {
    /// The best such model of these rows, for a machine whose visible units are `visible`.
    ///
    /// # Errors
    /// `is_shape` for no rows.
    pub fn fit(visible: &Visible, rows: Rows<'_>) -> Result<Self> {
        if rows.count() == 0 {
            return Err(Error::shape("base rates: no rows of data to take the mean of; give at least one"));
        }
        let (means, count) = (rows.means(), rows.count() as f64);
        let units = match visible {
            Visible::Binary => means
                .into_iter()
                .map(|mean| {
                    let q = mean.clamp(0.5 / count, 1.0 - 0.5 / count);
                    Unit::Bit { on: q.ln(), off: (1.0 - q).ln() }
                })
                .collect(),
            Visible::Gaussian { variance } => {
                let mut squares = vec![0.0; rows.units()];
                for row in rows.iter() {
                    let each = squares.iter_mut().zip(row.iter().zip(&means));
                    each.for_each(|(sum, (&x, mean))| *sum += (f64::from(x) - mean).powi(2));
                }
                let own = |(square, &given): (f64, &f32)| if square > 0.0 { square / count } else { f64::from(given) };
                let variances = squares.into_iter().zip(variance).map(own);
                means.into_iter().zip(variances).map(|(mean, variance)| Unit::Real { mean, variance }).collect()
            }
        };
        Ok(Self { units })
    }

    /// Mean ln p per row, nats (a density for Gaussian units).
    ///
    /// # Errors
    /// `is_shape` for rows of another width, or none.
    pub fn mean_log_likelihood(&self, rows: Rows<'_>) -> Result<Mean> {
        if rows.units() != self.units.len() || rows.count() == 0 {
            return Err(Error::shape(format!(
                "base rates: {} rows of {} numbers for {} units; give rows of as many numbers",
                rows.count(),
                rows.units(),
                self.units.len()
            )));
        }
        let of = |(&x, unit): (&f32, &Unit)| {
            let x = f64::from(x);
            match *unit {
                Unit::Bit { on, off } => x * on + (1.0 - x) * off,
                Unit::Real { mean, variance } => {
                    -0.5 * ((std::f64::consts::TAU * variance).ln() + (x - mean).powi(2) / variance)
                }
            }
        };
        let each: Vec<f64> = rows.iter().map(|row| row.iter().zip(&self.units).map(of).sum()).collect();
        Ok(Mean::of(&each))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rates 3/4 and, never seen on, 1/8; normal with mean 2 and variance 1.5, and a constant with the machine's 0.75.
    #[test]
    fn units_by_themselves_have_the_likelihoods_of_their_distributions() {
        let bits = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        let rows = Rows::new(&bits, 2).unwrap();
        let base = BaseModel::fit(&Visible::Binary, rows).unwrap();
        let on = (3.0 * 0.75f64.ln() + 0.25f64.ln()) / 4.0 + 0.875f64.ln();
        assert!((base.mean_log_likelihood(rows).unwrap().value - on).abs() < 1e-12);
        let never = Rows::new(&[1.0, 1.0], 2).unwrap();
        let surprise = 0.75f64.ln() + 0.125f64.ln();
        assert!((base.mean_log_likelihood(never).unwrap().value - surprise).abs() < 1e-12);
        let reals = [1.0, 5.0, 2.0, 5.0, 1.0, 5.0, 4.0, 5.0];
        let rows = Rows::new(&reals, 2).unwrap();
        let base = BaseModel::fit(&Visible::Gaussian { variance: vec![9.0, 0.75] }, rows).unwrap();
        let normal =
            |variance: f64, squares: f64| -0.5 * ((std::f64::consts::TAU * variance).ln() + squares / variance);
        let expected = normal(1.5, 1.5) + normal(0.75, 0.0);
        assert!((base.mean_log_likelihood(rows).unwrap().value - expected).abs() < 1e-12);
        assert!(is_below(-2.0, 0.1, -1.6) && is_below(f64::NAN, 0.0, -1.6));
        assert!(!is_below(-2.0, 0.2, -1.6) && !is_below(-1.605, 0.0, -1.6));
        assert!(base.mean_log_likelihood(Rows::new(&[0.0], 1).unwrap()).unwrap_err().is_shape());
    }
}
