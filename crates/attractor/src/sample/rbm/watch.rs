//! What is measured of a machine while it is trained: its likelihood now and then, and cheap metrics every epoch.

use serde::Serialize;

use super::ais::{self, Annealing};
use super::evaluation::Uncertainty;
use super::model::Rbm;
use super::rows::Rows;
use super::{exact, likelihood, monitor};
use crate::error::Result;

/// Runs of annealed importance sampling.
const RUNS: usize = 100;
/// Its inverse temperatures where nobody says how many.
const BETAS: usize = 1000;

/// A likelihood of the machine as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Mean ln p per row that is learnt, nats.
    pub train: f64,
    /// The same of the rows that are held out.
    pub held_out: Option<f64>,
    /// ln Z.
    pub log_partition: f64,
    /// Of an estimated ln Z; none where it is exact.
    pub uncertainty: Option<Uncertainty>,
}

impl Measured {
    /// Standard error of ln Z; 0 where it is exact.
    pub fn standard_error(&self) -> f64 {
        self.uncertainty.map_or(0.0, |uncertainty| uncertainty.standard_error)
    }
}

/// Measures the likelihood of a machine on the rows that it learns from and those that are held out: exactly, where the
/// smaller layer has at most [`exact::LIMIT`] units and no number of betas is asked for, else by annealed importance
/// sampling from the base rates.
///
/// # Errors
/// As [`ais::forward`] and [`likelihood::mean_log_likelihood`].
pub fn measure(
    rbm: &Rbm,
    base: &[f32],
    (train, held_out): (Rows<'_>, Option<Rows<'_>>),
    betas: Option<usize>,
    seed: u64,
) -> Result<Measured> {
    let quiet: exact::Progress<'_> = &|_, _| ();
    let (log_partition, uncertainty) = match exact::enumerated_units(rbm) <= exact::LIMIT && betas.is_none() {
        true => (exact::log_partition(rbm, quiet)?, None),
        false => {
            let annealing = Annealing::linear(betas.unwrap_or(BETAS), RUNS, seed);
            let estimate = ais::forward(rbm, base, &annealing, quiet)?;
            (estimate.log_partition, Some((&estimate).into()))
        }
    };
    let of = |rows| Ok(likelihood::mean_log_likelihood(rbm, rows, log_partition)?.value);
    let held_out = held_out.map(of).transpose()?;
    Ok(Measured { train: of(train)?, held_out, log_partition, uncertainty })
}

/// The metrics of an epoch, under the names that the literature's notebooks use; the reconstruction error comes first.
///
/// # Errors
/// As [`Rbm::accepts`]; `is_shape` for no rows.
pub fn metrics(rbm: &Rbm, train: Rows<'_>, held_out: Option<Rows<'_>>, seed: u64) -> Result<Vec<(&'static str, f64)>> {
    let (weights, active) = (monitor::weights(rbm), monitor::activations(rbm, train)?);
    let mean = |numbers: &[f32]| numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / numbers.len() as f64;
    let norm = rbm.weights().iter().map(|&w| f64::from(w).powi(2)).sum::<f64>().sqrt();
    let random = monitor::weak_gap_to_random(rbm, train, seed)?;
    let mut all = vec![
        ("recon_error", monitor::reconstruction_error(rbm, train)?),
        ("free_energy", random.train.value),
        ("free_energy_gap_random_weak", random.gap),
        ("weight_mean", weights.mean),
        ("weight_std", weights.deviation),
        ("weight_max", weights.most.max(-weights.least)),
        ("weight_norm", norm),
        ("hidden_bias_mean", mean(rbm.hidden_bias())),
        ("visible_bias_mean", mean(rbm.visible_bias())),
        ("hidden_prob_mean", active.overall),
        ("hidden_prob_std", active.deviation),
        ("fraction_active", active.fraction),
        ("dead_units", active.dead.len() as f64),
        ("saturated_units", active.saturated.len() as f64),
    ];
    if let Some(held_out) = held_out {
        let gap = monitor::free_energy_gap(rbm, train, held_out)?;
        all.extend([("free_energy_held_out", gap.other.value), ("free_energy_gap", gap.gap)]);
    }
    // Pseudo-likelihood is of bits; grey values are means, which training takes as they are.
    if rbm.visible().variance().is_none() && train.values().iter().all(|&x| x == 0.0 || x == 1.0) {
        all.push(("pseudo_log_likelihood", likelihood::stochastic_pseudo_log_likelihood(rbm, train, seed)?.value));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    #[test]
    fn a_small_machine_is_measured_exactly_unless_annealing_is_asked_for() {
        let rbm = toy::machine(5, 3, 0.5, 1);
        let values = exact::sample(&rbm, 30, 4).unwrap();
        let (rows, some) = (Rows::new(&values, 5).unwrap(), Rows::new(&values[..25], 5).unwrap());
        let base = rbm.base_rates(rows).unwrap();
        let exact = measure(&rbm, &base, (rows, Some(some)), None, 2).unwrap();
        assert!(exact.uncertainty.is_none() && exact.standard_error() == 0.0 && exact.held_out.is_some());
        let annealed = measure(&rbm, &base, (rows, None), Some(300), 2).unwrap();
        let off = annealed.log_partition - exact.log_partition;
        assert!(off.abs() < 4.0 * annealed.standard_error() && annealed.standard_error() > 0.0, "{off}");
        assert!((annealed.train - exact.train + off).abs() < 1e-9 && annealed.held_out.is_none());
    }

    #[test]
    fn grey_rows_have_no_pseudo_likelihood() {
        let rbm = toy::machine(2, 3, 1.0, 0);
        let names = |values: &[f32]| {
            let rows = Rows::new(values, 2).unwrap();
            metrics(&rbm, rows, None, 0).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let (bits, grey) = (names(&[0.0, 1.0, 1.0, 1.0]), names(&[0.5, 1.0]));
        assert!(bits[0] == "recon_error" && bits.last() == Some(&"pseudo_log_likelihood"));
        assert!(bits.len() == grey.len() + 1 && !grey.contains(&"free_energy_gap"));
    }
}
