//! What is measured of a machine while it is trained.

use attractor::sample::rbm::ais::{self, Annealing};
use attractor::sample::rbm::{Rows, Trainer, exact, likelihood, monitor};

use super::options::TrainRbm;
use crate::error::Outcome;

/// Runs of annealed importance sampling.
const RUNS: usize = 100;

/// A likelihood of the machine as it is.
pub struct Likelihood {
    /// Mean over the rows that are learnt, nats.
    pub train: f64,
    /// The same of the rows that are held out.
    pub held_out: Option<f64>,
    /// ln Z.
    pub log_partition: f64,
    /// Of ln Z; 0 where it is exact.
    pub standard_error: f64,
    /// Runs that carry the estimate of ln Z; none where it is exact.
    pub effective_runs: Option<f64>,
    /// ln Z between two standard errors of the mean weight; none where it is exact.
    pub interval: Option<(f64, f64)>,
    /// Why the standard error should not be believed, if so.
    pub caution: Option<String>,
}

/// True if all states of a layer of so many units are added up: those that can be, unless annealing was asked for.
pub fn is_exact(units: usize, args: &TrainRbm) -> bool {
    units <= exact::LIMIT && args.betas.is_none()
}

/// Measures it.
pub fn measured(
    trainer: &Trainer,
    train: Rows<'_>,
    held_out: Option<Rows<'_>>,
    args: &TrainRbm,
    seed: u64,
) -> Outcome<Likelihood> {
    let rbm = trainer.rbm();
    let quiet: exact::Progress<'_> = &|_, _| ();
    let (log_partition, standard_error, estimate) = match is_exact(exact::enumerated_units(rbm), args) {
        true => (exact::log_partition(rbm, quiet)?, 0.0, None),
        false => {
            let annealing = Annealing::linear(args.betas.unwrap_or(1000), RUNS, seed);
            let estimate = ais::forward(rbm, trainer.base_rates(), &annealing, quiet)?;
            (estimate.log_partition, estimate.standard_error, Some(estimate))
        }
    };
    let of = |rows| -> Outcome<f64> { Ok(likelihood::mean_log_likelihood(rbm, rows, log_partition)?.value) };
    let held_out = held_out.map(of).transpose()?;
    Ok(Likelihood {
        train: of(train)?,
        held_out,
        log_partition,
        standard_error,
        effective_runs: estimate.as_ref().map(|estimate| estimate.effective_runs),
        interval: estimate.as_ref().map(|estimate| estimate.interval(2.0)),
        caution: estimate.as_ref().and_then(ais::Estimate::caution),
    })
}

/// The metrics of an epoch, under the names that the literature's notebooks use.
pub fn metrics(
    trainer: &Trainer,
    train: Rows<'_>,
    held_out: Option<Rows<'_>>,
    seed: u64,
) -> Outcome<Vec<(&'static str, f64)>> {
    let rbm = trainer.rbm();
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
