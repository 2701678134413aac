//! How likely data are under a restricted Boltzmann machine: exactly, and between two annealed estimates.

use std::collections::BTreeMap;
use std::path::PathBuf;

use attractor::sample::rbm::Mean;
use attractor::sample::rbm::ais::Caution;
use attractor::sample::rbm::base::{BaseModel, is_below};
use attractor::{Context, DataNote, Note, Result};
use attractor_data::patterns::Source;
use attractor_data::{Machine, machine};
use serde::Serialize;

pub use attractor::sample::rbm::evaluation::{Evaluated, Evaluation, Part, Way};

/// Which machine, which data, and how ln Z is estimated.
#[derive(Debug, Clone)]
pub struct Options {
    /// A folder of a training, its rbm.safetensors, or a `BernoulliRBM` of scikit-learn; `None`: the one that is built in.
    pub model: Option<PathBuf>,
    /// The data; without any, the digits.
    pub data: Source,
    /// Betas, runs, steps.
    pub evaluation: Evaluation,
}

impl Options {
    /// Refuses what no machine can be asked for.
    ///
    /// # Errors
    /// `is_usage`.
    pub fn check(&self) -> Result<()> {
        self.evaluation.check_numbers()
    }
}

/// A likelihood, and of which data.
#[derive(Debug, Clone, Serialize)]
pub struct Likelihood {
    /// Three ways to it.
    #[serde(flatten)]
    pub evaluated: Evaluated,
    /// Mean ln p per row of each unit by itself, fitted to the first part: what the machine must beat.
    pub base_rates: BTreeMap<Part, Mean>,
    /// Where the data come from.
    pub source: String,
}

impl Likelihood {
    /// Both estimates, with why their interval should not be believed, if so.
    pub fn estimates(&self) -> [(&'static str, &Way, Option<Caution>); 2] {
        let caution = |way: &Way| way.uncertainty.and_then(|uncertainty| uncertainty.caution);
        let Evaluated { ais, reverse_ais, .. } = &self.evaluated;
        [("ais", ais, caution(ais)), ("reverse_ais", reverse_ais, caution(reverse_ais))]
    }
}

/// Standard errors from which on an estimate lies beyond them.
const BEYOND: f64 = 2.0;

impl Likelihood {
    /// Estimates whose ln p is not the bound that it is on average, as the exact value shows where it is known: by name, and by how
    /// many standard errors their ln Z is off. Forward AIS is low on average, reverse AIS high; one in forty is beyond by chance.
    pub fn broken_bounds(&self) -> Vec<(&'static str, f64)> {
        let Evaluated { exact: Some(exact), ais, reverse_ais, .. } = &self.evaluated else { return Vec::new() };
        let off = |way: &Way| Some((way.log_partition - exact.log_partition) / way.uncertainty?.standard_error);
        let (ais, reverse) = (off(ais).filter(|off| *off > BEYOND), off(reverse_ais).filter(|off| *off < -BEYOND));
        [("AIS", ais), ("reverse AIS", reverse)].into_iter().filter_map(|(name, off)| Some((name, off?))).collect()
    }
}

/// Measures it.
///
/// # Errors
/// `is_usage` for options or data that do not fit the machine; `is_budget`; `is_interrupted`; what reading answers.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Likelihood> {
    options.check()?;
    let stored = Machine::open(options.model.as_deref())?;
    options.evaluation.check(&stored.rbm)?;
    let samples = stored.samples(&options.data, "digits", context)?;
    let parts = machine::parts(&samples);
    let rows = parts.iter().map(|(part, samples)| Ok((*part, samples.rows()?))).collect::<Result<Vec<_>>>()?;
    let evaluated = options.evaluation.run(&stored.rbm, &stored.base, &rows, context)?;
    let base = BaseModel::fit(stored.rbm.visible(), rows[0].1)?;
    let base_rates: BTreeMap<Part, Mean> =
        rows.iter().map(|&(part, rows)| Ok((part, base.mean_log_likelihood(rows)?))).collect::<Result<_>>()?;
    let part = rows[0].0;
    let (best, base) = (evaluated.best(), base_rates[&part].value);
    let machine = best.log_likelihood[&part].value;
    if is_below(machine, best.uncertainty.map_or(0.0, |uncertainty| uncertainty.standard_error), base) {
        context.note(&Note::Data(DataNote::BelowBaseRates { machine, base }));
    }
    Ok(Likelihood { evaluated, base_rates, source: samples.source })
}

#[cfg(test)]
mod tests {
    use attractor::sample::rbm::evaluation::Uncertainty;

    use super::*;

    /// Of an estimate 0.042 nats from the exact value with a standard error of 0.017 only the side that breaks the bound is told.
    #[test]
    fn an_estimate_beyond_its_error_on_the_wrong_side_is_told() {
        let way = |log_partition: f64, standard_error: Option<f64>| Way {
            log_partition,
            log_likelihood: BTreeMap::new(),
            uncertainty: standard_error.map(|standard_error| Uncertainty {
                standard_error,
                interval: (0.0, 0.0),
                effective_runs: 9.0,
                caution: None,
            }),
        };
        let told = |exact: Option<f64>, ais: f64, reverse: f64| {
            let evaluated = Evaluated {
                schema: "",
                visible: 1,
                hidden: 1,
                betas: 1,
                runs: 1,
                seed: 0,
                rows: BTreeMap::new(),
                exact: exact.map(|exact| way(exact, None)),
                ais: way(ais, Some(0.017)),
                reverse_ais: way(reverse, Some(0.017)),
            };
            let found = Likelihood { evaluated, base_rates: BTreeMap::new(), source: String::new() };
            found.broken_bounds().into_iter().map(|(name, off)| (name, off.round())).collect::<Vec<_>>()
        };
        assert_eq!(told(Some(71.888), 71.80, 71.846), [("reverse AIS", -2.0)]);
        assert_eq!(told(Some(71.888), 71.94, 71.95), [("AIS", 3.0)]);
        assert_eq!(told(Some(71.888), 71.80, 71.95), []);
        assert_eq!(told(None, 71.94, 71.846), []);
    }
}
