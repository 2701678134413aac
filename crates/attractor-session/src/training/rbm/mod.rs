//! A restricted Boltzmann machine from data, with its likelihood watched.

mod about;
mod options;
mod trainer;

use std::path::PathBuf;

use attractor::sample::rbm::ais::Caution;
use attractor::sample::rbm::monitor::Activations;
use attractor::sample::rbm::{Reading, watch::Measured};
use attractor::{Context, Result};
use attractor_data::Machine;
use attractor_data::training::History;
use serde::Serialize;

pub use about::{About, Change, Units};
pub use options::{Options, Preset, SamplerName};

/// When the likelihood fell although the reconstruction improved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Alarmed {
    /// The epoch at which it was noticed.
    pub epoch: u64,
    /// How far it had fallen below its best, nats per row.
    pub drop: f64,
}

/// What a machine learnt and went through, for figures.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    /// The machine as it was after the last epoch.
    pub machine: Machine,
    /// Means of the visible units of samples by parallel tempering.
    pub samples: Vec<Vec<f32>>,
    /// What the hidden units do on the rows that are learnt from.
    pub activations: Activations,
    /// The metrics of every epoch.
    pub history: History,
}

/// What a training came to. Numbers of the likelihood are those of the last one measured by this call, none if there was none.
#[derive(Debug, Clone, Serialize)]
pub struct Trained {
    /// Form of this result.
    pub schema: &'static str,
    /// File of the machine.
    pub model: PathBuf,
    /// Epochs done.
    pub epochs: u64,
    /// Updates done.
    pub updates: u64,
    /// What the training was, with the changes that it has seen.
    pub training: About,
    /// Mean ln p per row that is learnt, nats.
    pub log_likelihood: Option<f64>,
    /// The same of the rows that are held out.
    pub log_likelihood_held_out: Option<f64>,
    /// Mean ln p per row that is learnt under the base rates, or one normal distribution per unit: what the machine must beat.
    pub base_rate_log_likelihood: f64,
    /// The same of the rows that are held out.
    pub base_rate_log_likelihood_held_out: Option<f64>,
    /// ln Z.
    pub log_partition: Option<f64>,
    /// Standard error of ln Z; 0 where it is exact.
    pub log_partition_error: Option<f64>,
    /// ln Z between two standard errors of the mean weight; none where it is exact.
    pub log_partition_interval: Option<(f64, f64)>,
    /// Effective sample size of the runs of annealed importance sampling; none where ln Z is exact.
    pub log_partition_effective_runs: Option<f64>,
    /// Why the standard error should not be believed, if so.
    pub log_partition_caution: Option<Caution>,
    /// The reading with the best likelihood.
    pub best: Option<Reading>,
    /// The alarm, if it was raised.
    pub alarm: Option<Alarmed>,
    /// True if the training ended with the best machine instead of the last.
    pub rolled_back: bool,
    /// Seconds of training, earlier calls included.
    pub seconds: f64,
    /// For figures.
    #[serde(skip)]
    pub diagnostics: Diagnostics,
}

impl Trained {
    /// The same with the numbers of a likelihood.
    fn measured(self, last: Option<&Measured>) -> Self {
        let uncertainty = last.and_then(|found| found.uncertainty);
        Self {
            log_likelihood: last.map(|found| found.train),
            log_likelihood_held_out: last.and_then(|found| found.held_out),
            log_partition: last.map(|found| found.log_partition),
            log_partition_error: last.map(Measured::standard_error),
            log_partition_interval: uncertainty.map(|found| found.interval),
            log_partition_effective_runs: uncertainty.map(|found| found.effective_runs),
            log_partition_caution: uncertainty.and_then(|found| found.caution),
            ..self
        }
    }
}

/// Trains to the end; machine, checkpoint and metrics are written into the folder.
///
/// A training that was stopped, or killed, and resumed ends with the bits of one that was not. What changes when it goes on,
/// gaps of its log, and the alarm are noted in the context.
///
/// # Errors
/// As [`Options::check`]; `is_usage` for a folder that holds something else, or a training of other data or settings, or when
/// the parameters leave the finite numbers; `is_budget` for sizes beyond memory; what reading data, machines and checkpoints
/// answers; `is_interrupted`, with [`Stopped`](super::Stopped) as its source, when the context says so.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Trained> {
    context.install(|| trainer::train(options, context))
}

#[cfg(test)]
mod tests;
