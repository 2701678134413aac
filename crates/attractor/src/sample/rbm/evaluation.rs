//! How likely data are under a machine, three ways: exactly, and between two annealed estimates.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::ais::{self, Annealing, Caution, Estimate};
use super::budget::check_states;
use super::model::Rbm;
use super::path::even_betas;
use super::rows::{Mean, Rows};
use super::sampling::CHAIN_BETAS;
use super::{exact, generate, likelihood};
use crate::Context;
use crate::error::{Error, Result};

/// How ln Z is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluation {
    /// Inverse temperatures of annealed importance sampling, within [`ais::BETAS`].
    pub betas: usize,
    /// Runs of it, forwards and in reverse, from 2.
    pub runs: usize,
    /// Gibbs steps of the tempered chains whose states the reverse runs start from, from 1.
    pub steps: usize,
}

/// Which rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All of them: the data do not say which are for tests.
    AllRows,
    /// Those that are learnt from.
    Training,
    /// Those that are held out.
    Test,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AllRows => "all rows",
            Self::Training => "training",
            Self::Test => "test",
        })
    }
}

/// What can be said of an estimate of ln Z.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Uncertainty {
    /// Standard error of ln Z, nats.
    pub standard_error: f64,
    /// ln Z between two standard errors of the mean weight; a side without a bound is infinite.
    pub interval: (f64, f64),
    /// Effective sample size of the runs.
    pub effective_runs: f64,
    /// Why the interval is too narrow, if so.
    pub caution: Option<Caution>,
}

impl From<&Estimate> for Uncertainty {
    fn from(estimate: &Estimate) -> Self {
        Self {
            standard_error: estimate.standard_error,
            interval: estimate.interval(2.0),
            effective_runs: estimate.effective_runs,
            caution: estimate.caution(),
        }
    }
}

/// What one way to ln Z comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Way {
    /// ln Z, nats.
    pub log_partition: f64,
    /// Mean ln p per row, nats, with the standard error over rows.
    pub log_likelihood: BTreeMap<Part, Mean>,
    /// Of an estimate; none of the exact number.
    #[serde(flatten)]
    pub uncertainty: Option<Uncertainty>,
}

/// A likelihood, three ways.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluated {
    /// Form of this result.
    pub schema: &'static str,
    /// Visible units.
    pub visible: usize,
    /// Hidden units.
    pub hidden: usize,
    /// Inverse temperatures of annealing.
    pub betas: usize,
    /// Runs of it.
    pub runs: usize,
    /// Seed.
    pub seed: u64,
    /// Rows of each part.
    pub rows: BTreeMap<Part, usize>,
    /// By enumeration, where the smaller layer has at most [`exact::LIMIT`] units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact: Option<Way>,
    /// By annealed importance sampling: ln Z too small in the mean.
    pub ais: Way,
    /// By its reverse: ln Z too large, as far as the states it starts from are the machine's.
    pub reverse_ais: Way,
}

impl Evaluated {
    /// The exact way, where there is one, else the annealed one.
    pub fn best(&self) -> &Way {
        self.exact.as_ref().unwrap_or(&self.ais)
    }
}

impl Evaluation {
    /// Refuses what cannot be asked of this machine.
    ///
    /// # Errors
    /// `is_usage` for numbers out of their ranges, `is_budget` for more runs than memory holds.
    pub fn check(&self, rbm: &Rbm) -> Result<()> {
        self.check_numbers()?;
        check_states(rbm, "runs", self.runs)
    }

    /// Refuses what cannot be asked of any machine.
    ///
    /// # Errors
    /// `is_usage` for numbers out of their ranges.
    pub fn check_numbers(&self) -> Result<()> {
        ais::check_betas(self.betas)?;
        if self.runs < 2 {
            return Err(Error::option("runs", self.runs, "give at least 2, whose spread is the error"));
        }
        if self.steps == 0 {
            return Err(Error::option("steps", 0, "give at least 1"));
        }
        Ok(())
    }

    /// Evaluates the parts of some data. `base` are the visible biases of the base-rate model.
    ///
    /// # Errors
    /// As [`Evaluation::check`]; `is_shape` for rows of another width or none; `is_interrupted`.
    pub fn run(&self, rbm: &Rbm, base: &[f32], parts: &[(Part, Rows<'_>)], context: &Context<'_>) -> Result<Evaluated> {
        self.check(rbm)?;
        context.install(|| self.evaluate(rbm, base, parts, context))
    }

    fn evaluate(
        &self,
        rbm: &Rbm,
        base: &[f32],
        parts: &[(Part, Rows<'_>)],
        context: &Context<'_>,
    ) -> Result<Evaluated> {
        let seed = context.seed();
        let way = |log_partition: f64, uncertainty: Option<Uncertainty>| -> Result<Way> {
            let mean = |&(part, rows): &(Part, Rows<'_>)| {
                Ok((part, likelihood::mean_log_likelihood(rbm, rows, log_partition)?))
            };
            Ok(Way { log_partition, log_likelihood: parts.iter().map(mean).collect::<Result<_>>()?, uncertainty })
        };
        let of = |estimate: &Estimate| way(estimate.log_partition, Some(estimate.into()));
        let exact = match exact::enumerated_units(rbm) <= exact::LIMIT {
            true => Some(exact::log_partition(rbm, &|done, of| context.step("exact", done, of))?),
            false => None,
        };
        context.check()?;
        let annealing = Annealing::linear(self.betas, self.runs, seed);
        let forward = ais::forward(rbm, base, &annealing, &|done, of| context.step("forwards", done, of))?;
        context.check()?;
        let drawn = generate::tempered(rbm, base, &even_betas(CHAIN_BETAS), self.runs, self.steps, seed)?.samples;
        context.check()?;
        let rows = Rows::new(&drawn, rbm.visible_units())?;
        let reverse = ais::reverse(rbm, base, &annealing, rows, &|done, of| context.step("in reverse", done, of))?;
        Ok(Evaluated {
            schema: "attractor.memory.likelihood/1",
            visible: rbm.visible_units(),
            hidden: rbm.hidden_units(),
            betas: self.betas,
            runs: self.runs,
            seed,
            rows: parts.iter().map(|(part, rows)| (*part, rows.count())).collect(),
            exact: exact.map(|log_partition| way(log_partition, None)).transpose()?,
            ais: of(&forward)?,
            reverse_ais: of(&reverse)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    /// Both estimates lie within four of their standard errors of the exact number, and every way tells the same rows.
    #[test]
    fn three_ways_agree_on_a_small_machine() {
        let rbm = toy::machine(6, 4, 0.7, 5);
        let values = exact::sample(&rbm, 20, 2).unwrap();
        let rows = Rows::new(&values, 6).unwrap();
        let base = rbm.base_rates(rows).unwrap();
        let how = Evaluation { betas: 200, runs: 60, steps: 100 };
        let found = how.run(&rbm, &base, &[(Part::AllRows, rows)], &Context::new(5)).unwrap();
        let exact = found.exact.as_ref().unwrap();
        assert!(exact.uncertainty.is_none() && found.rows[&Part::AllRows] == 20);
        for way in [&found.ais, &found.reverse_ais] {
            let uncertainty = way.uncertainty.unwrap();
            let off = way.log_partition - exact.log_partition;
            assert!(off.abs() < 4.0 * uncertainty.standard_error && uncertainty.caution.is_none(), "{way:?}");
            let likelihood = way.log_likelihood[&Part::AllRows].value - exact.log_likelihood[&Part::AllRows].value;
            assert!((likelihood + off).abs() < 1e-9);
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_refused() {
        let rbm = toy::machine(2, 2, 1.0, 0);
        let ask = |betas, runs, steps| Evaluation { betas, runs, steps }.check(&rbm).unwrap_err();
        assert!(ask(9, 2, 1).is_usage() && ask(10, 1, 1).is_usage() && ask(10, 2, 0).is_usage());
        assert!(ask(10, 1 << 40, 1).is_budget());
    }
}
