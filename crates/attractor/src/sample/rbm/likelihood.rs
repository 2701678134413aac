//! How likely data are: with the partition function, and pseudo-likelihoods that need none.
//!
//! A pseudo-likelihood is no stand-in for the likelihood: on digits it prefers the worse of two machines. It is here because
//! others report it.

use rayon::prelude::*;

use super::model::{Rbm, Visible};
use super::rows::{Mean, Rows};
use super::sums;
use crate::error::{Error, Result};
use crate::random::{Philox, stream};

/// ln p(v) = -F(v) - ln Z of every row, in nats (a density for Gaussian units).
///
/// # Errors
/// As [`Rbm::accepts`].
pub fn log_likelihood(rbm: &Rbm, rows: Rows<'_>, log_partition: f64) -> Result<Vec<f64>> {
    Ok(rbm.free_energy(rows)?.into_iter().map(|f| -f - log_partition).collect())
}

/// Mean ln p(v) over rows. The standard error is that over rows; that of ln Z comes on top.
///
/// # Errors
/// As [`Rbm::accepts`]; `is_shape` for no rows.
pub fn mean_log_likelihood(rbm: &Rbm, rows: Rows<'_>, log_partition: f64) -> Result<Mean> {
    needs_rows(rows)?;
    Ok(Mean::of(&log_likelihood(rbm, rows, log_partition)?))
}

fn needs_rows(rows: Rows<'_>) -> Result<()> {
    if rows.count() == 0 {
        return Err(Error::shape("likelihood: no rows to take the mean of; give at least one"));
    }
    Ok(())
}

fn needs_bits(rbm: &Rbm, rows: Rows<'_>) -> Result<()> {
    rbm.accepts(rows)?;
    needs_rows(rows)?;
    if rbm.visible != Visible::Binary {
        return Err(Error::usage("pseudo-likelihood: defined here for binary visible units; ask for the likelihood"));
    }
    if let Some(at) = rows.values().iter().position(|&x| x != 0.0 && x != 1.0) {
        return Err(Error::usage(format!(
            "pseudo-likelihood: row {}, unit {} is {}; expected 0 or 1: binarise the data first",
            at / rows.units(),
            at % rows.units(),
            rows.values()[at]
        )));
    }
    Ok(())
}

/// F of the row with one bit turned minus F of the row, from the row's hidden inputs and their sum of softplus.
fn turned(rbm: &Rbm, row: &[f32], input: &[f64], sum: f64, unit: usize) -> f64 {
    let m = rbm.hidden_units();
    let sign = 1.0 - 2.0 * f64::from(row[unit]);
    let mut x: Vec<f64> =
        input.iter().zip(&rbm.weights[unit * m..(unit + 1) * m]).map(|(x, &w)| x + sign * f64::from(w)).collect();
    -sign * f64::from(rbm.visible_bias[unit]) - (sums::softplus_sum(&mut x) - sum)
}

/// ln sigma(x), stable on both sides.
fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

/// Mean over rows of sum_i ln p(v_i given all other v), over all bits.
///
/// # Cost
/// O(visible x hidden) per bit and O(visible^2 x hidden) per row.
/// # Errors
/// As [`Rbm::accepts`]; `is_usage` for data that are not 0 or 1 and for Gaussian units, `is_shape` for no rows.
pub fn pseudo_log_likelihood(rbm: &Rbm, rows: Rows<'_>) -> Result<Mean> {
    needs_bits(rbm, rows)?;
    let each: Vec<f64> = rows
        .par_iter()
        .map(|row| {
            let input = rbm.hidden_input(row);
            let sum = sums::softplus_sum(&mut input.clone());
            (0..row.len()).map(|unit| log_sigmoid(turned(rbm, row, &input, sum, unit))).sum()
        })
        .collect();
    Ok(Mean::of(&each))
}

/// The same from one random bit a row, times the number of bits, as scikit-learn's `score_samples` has it: unbiased for
/// [`pseudo_log_likelihood`] and noisier.
///
/// # Errors
/// As [`pseudo_log_likelihood`].
pub fn stochastic_pseudo_log_likelihood(rbm: &Rbm, rows: Rows<'_>, seed: u64) -> Result<Mean> {
    needs_bits(rbm, rows)?;
    let each: Vec<f64> = rows
        .par_iter()
        .enumerate()
        .map(|(index, row)| {
            let input = rbm.hidden_input(row);
            let sum = sums::softplus_sum(&mut input.clone());
            let unit = Philox::new(seed, stream::item(index as u64)).below(row.len());
            row.len() as f64 * log_sigmoid(turned(rbm, row, &input, sum, unit))
        })
        .collect();
    Ok(Mean::of(&each))
}

#[cfg(test)]
mod tests {
    use super::super::{exact, toy};
    use super::*;

    /// F(v) = -ln sum_h exp(-E(v, h)), and p(h_j = 1 given v), p(v_i = 1 given h) as ratios of enumerated sums.
    #[test]
    fn free_energy_and_conditionals_are_the_enumerated_ones() {
        let (n, m) = (4, 3);
        for rbm in [toy::machine(n, m, 1.3, 2), toy::gaussian(n, m, 2)] {
            let rows = if rbm.visible() == &Visible::Binary {
                toy::states(n).concat()
            } else {
                (0..40).map(|i| (i as f32 * 0.37).sin() * 2.0).collect()
            };
            let rows = Rows::new(&rows, n).unwrap();
            let free = rbm.free_energy(rows).unwrap();
            let hidden = rbm.hidden_given(rows).unwrap();
            for (index, row) in rows.iter().enumerate() {
                let energies: Vec<f64> = toy::states(m).iter().map(|h| -rbm.energy(row, h).unwrap()).collect();
                let sum = sums::log_sum_exp(&energies);
                assert!((free[index] + sum).abs() < 1e-12 * (1.0 + sum.abs()), "{} {sum}", free[index]);
                for j in 0..m {
                    let on = toy::states(m).into_iter().zip(&energies).filter(|(h, _)| h[j] == 1.0);
                    let p: f64 = on.map(|(_, e)| (e - sum).exp()).sum();
                    assert!((f64::from(hidden[index * m + j]) - p).abs() < 1e-7);
                }
            }
        }
        let rbm = toy::machine(n, m, 1.3, 2);
        for h in toy::states(m) {
            let means = rbm.visible_given(Rows::new(&h, m).unwrap()).unwrap();
            let all = toy::states(n);
            let energies: Vec<f64> = all.iter().map(|v| -rbm.energy(v, &h).unwrap()).collect();
            let sum = sums::log_sum_exp(&energies);
            for i in 0..n {
                let p: f64 = all.iter().zip(&energies).filter(|(v, _)| v[i] == 1.0).map(|(_, e)| (e - sum).exp()).sum();
                assert!((f64::from(means[i]) - p).abs() < 1e-7);
            }
        }
    }

    /// exp(ln p) adds up to one, and the pseudo-likelihood is the sum of conditionals taken from enumerated p(v).
    #[test]
    fn likelihoods_are_those_of_the_enumerated_distribution() {
        let (n, m) = (5, 4);
        let rbm = toy::machine(n, m, 1.3, 6);
        let all = toy::states(n);
        let flat = all.concat();
        let rows = Rows::new(&flat, n).unwrap();
        let log_z = exact::log_partition(&rbm, &|_, _| {}).unwrap();
        let log_p = log_likelihood(&rbm, rows, log_z).unwrap();
        assert!((log_p.iter().map(|p| p.exp()).sum::<f64>() - 1.0).abs() < 1e-12);
        let of_state = |state: usize| -> f64 {
            (0..n).map(|i| log_p[state] - sums::log_sum_exp(&[log_p[state], log_p[state ^ 1 << i]])).sum()
        };
        for state in 0..all.len() {
            let row = Rows::new(&all[state], n).unwrap();
            let got = pseudo_log_likelihood(&rbm, row).unwrap().value;
            assert!((got - of_state(state)).abs() < 1e-12, "{state}");
        }
        // The stochastic one agrees in the mean, within four standard errors over 4000 rows.
        let many = all[11].repeat(4000);
        let stochastic = stochastic_pseudo_log_likelihood(&rbm, Rows::new(&many, n).unwrap(), 3).unwrap();
        assert!((stochastic.value - of_state(11)).abs() < 4.0 * stochastic.standard_error, "{stochastic:?}");
    }

    #[test]
    fn what_has_no_pseudo_likelihood_is_refused() {
        let rbm = toy::machine(2, 2, 1.0, 0);
        let ask = |values: &[f32]| pseudo_log_likelihood(&rbm, Rows::new(values, 2).unwrap()).unwrap_err();
        assert!(ask(&[0.5, 1.0]).is_usage());
        assert!(ask(&[]).is_shape());
        let gaussian = toy::gaussian(2, 2, 0);
        assert!(pseudo_log_likelihood(&gaussian, Rows::new(&[0.0, 1.0], 2).unwrap()).unwrap_err().is_usage());
        assert!(mean_log_likelihood(&rbm, Rows::new(&[], 2).unwrap(), 0.0).unwrap_err().is_shape());
        assert!(rbm.free_energy(Rows::new(&[2.0, 0.0], 2).unwrap()).unwrap_err().is_usage());
        assert!(rbm.free_energy(Rows::new(&[1.0, 0.0, 1.0], 3).unwrap()).unwrap_err().is_shape());
        assert!(Rows::new(&[f32::NAN], 1).unwrap_err().is_usage());
        assert!(Rows::new(&[1.0], 2).unwrap_err().is_shape() && Rows::new(&[], 0).unwrap_err().is_shape());
        for (weights, variance) in [(vec![f32::NAN], None), (vec![1.0], Some(0.0)), (vec![1.0, 2.0], None)] {
            let visible = variance.map_or(Visible::Binary, |s| Visible::Gaussian { variance: vec![s] });
            assert!(Rbm::new(visible, weights, vec![0.0], vec![0.0]).is_err());
        }
        assert!(Rbm::new(Visible::Binary, vec![], vec![], vec![0.0]).unwrap_err().is_shape());
        let rows = Rows::new(&[0.0, 1.0], 2).unwrap();
        assert!(Rbm::initial(Visible::Binary, 0, rows, 0).unwrap_err().is_shape());
        assert!(Rbm::initial(Visible::Binary, usize::MAX, rows, 0).unwrap_err().is_shape());
    }
}
