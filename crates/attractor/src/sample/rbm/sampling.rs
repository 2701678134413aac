//! Samples of a machine, and the frames of a chain of contrastive divergence, as experiments.

use serde::Serialize;

use super::budget::check_states;
use super::generate::{self, ChainStep};
use super::model::Rbm;
use super::path::even_betas;
use super::rows::Rows;
use crate::Context;
use crate::error::{Error, Result};

/// Inverse temperatures that tempered chains change places between where nobody says how many.
pub const CHAIN_BETAS: usize = 8;

/// How a machine is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Samples, from 1.
    pub samples: usize,
    /// Gibbs steps of each chain, from 1.
    pub steps: usize,
    /// Plain Gibbs chains from the base rates; else tempered chains at [`CHAIN_BETAS`] betas, which leave modes.
    pub gibbs: bool,
    /// States as they were drawn; else the means of the visible units given the hidden ones of the last step.
    pub drawn: bool,
}

/// Samples of a machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sampled {
    /// Form of this result.
    pub schema: &'static str,
    /// Seed.
    pub seed: u64,
    /// Gibbs steps of each chain.
    pub steps: usize,
    /// True for plain Gibbs chains.
    pub gibbs: bool,
    /// A visible state, or its means, per sample.
    pub values: Vec<Vec<f32>>,
    /// Accepted over tried swaps of each pair of neighbouring betas; empty for plain Gibbs chains.
    pub swap_rates: Vec<f64>,
}

/// Rows of a flat list.
pub(super) fn rows_of(values: &[f32], width: usize) -> Vec<Vec<f32>> {
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

impl Sampling {
    /// Refuses what this machine cannot be asked for.
    ///
    /// # Errors
    /// `is_usage` for no samples or steps, `is_budget` for more states than memory holds.
    pub fn check(&self, rbm: &Rbm) -> Result<()> {
        if self.samples == 0 {
            return Err(Error::option("samples", 0, "give at least 1"));
        }
        generate::check_steps(self.steps)?;
        check_states(rbm, "samples", self.samples)
    }

    /// Draws them. `base` are the visible biases of the base-rate model, where chains start.
    ///
    /// # Errors
    /// As [`Sampling::check`]; `is_shape` for base rates of another length; `is_interrupted`.
    pub fn run(&self, rbm: &Rbm, base: &[f32], context: &Context<'_>) -> Result<Sampled> {
        self.check(rbm)?;
        context.check()?;
        let (seed, n) = (context.seed(), rbm.visible_units());
        let (drawn, swap_rates) = context.install(|| -> Result<_> {
            if self.gibbs {
                let start = generate::from_base_rates(rbm, base, self.samples, seed)?;
                return Ok((generate::gibbs(rbm, Rows::new(&start, n)?, self.steps, seed)?, Vec::new()));
            }
            let betas = even_betas(CHAIN_BETAS);
            let tempered = generate::tempered(rbm, base, &betas, self.samples, self.steps, seed)?;
            Ok((tempered.samples, tempered.swap_rates))
        })?;
        let values = match self.drawn {
            true => drawn,
            false => context.install(|| -> Result<_> {
                let hidden = rbm.hidden_given(Rows::new(&drawn, n)?)?;
                rbm.visible_given(Rows::new(&hidden, rbm.hidden_units())?)
            })?,
        };
        Ok(Sampled {
            schema: "attractor.memory.samples/1",
            seed,
            steps: self.steps,
            gibbs: self.gibbs,
            values: rows_of(&values, n),
            swap_rates,
        })
    }
}

/// A chain of contrastive divergence, every half-step kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chained {
    /// Form of this result.
    pub schema: &'static str,
    /// Seed.
    pub seed: u64,
    /// Steps of the chain.
    pub chain: usize,
    /// The visible state before the first step and after each.
    pub values: Vec<Vec<f32>>,
    /// Both half-steps of each step.
    #[serde(skip)]
    pub frames: Vec<ChainStep>,
}

/// Follows a chain of contrastive divergence from a row of data, half-step by half-step.
///
/// # Errors
/// As [`generate::chain`]; `is_budget` for more states than memory holds.
pub fn chained(rbm: &Rbm, start: &[f32], steps: usize, context: &Context<'_>) -> Result<Chained> {
    check_states(rbm, "chain", steps)?;
    let (seed, row) = (context.seed(), Rows::new(start, rbm.visible_units())?);
    let frames = context.install(|| generate::chain(rbm, row, steps, seed))?;
    let states = frames.iter().map(|step| step.visible.clone());
    let values = std::iter::once(start.to_vec()).chain(states).collect();
    Ok(Chained { schema: "attractor.memory.chain/1", seed, chain: steps, values, frames })
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    #[test]
    fn means_and_states_are_of_the_same_chains() {
        let rbm = toy::machine(5, 4, 1.2, 3);
        let context = Context::new(7);
        let sampled = |gibbs, drawn| {
            let how = Sampling { samples: 6, steps: 9, gibbs, drawn };
            how.run(&rbm, &[0.0; 5], &context).unwrap()
        };
        for gibbs in [true, false] {
            let (states, means) = (sampled(gibbs, true), sampled(gibbs, false));
            assert!(states.values.len() == 6 && states.values.iter().flatten().all(|&x| x == 0.0 || x == 1.0));
            let hidden = rbm.hidden_given(Rows::new(&states.values.concat(), 5).unwrap()).unwrap();
            let expected = rbm.visible_given(Rows::new(&hidden, 4).unwrap()).unwrap();
            assert_eq!(means.values.concat(), expected);
            assert_eq!(states.swap_rates.len(), if gibbs { 0 } else { CHAIN_BETAS - 1 });
        }
    }

    #[test]
    fn a_chain_begins_at_the_data() {
        let rbm = toy::machine(3, 2, 1.0, 0);
        let found = chained(&rbm, &[1.0, 0.0, 1.0], 4, &Context::new(2)).unwrap();
        assert_eq!((found.values.len(), &found.values[0]), (5, &vec![1.0, 0.0, 1.0]));
        assert!(found.frames.iter().zip(&found.values[1..]).all(|(frame, state)| &frame.visible == state));
    }

    #[test]
    fn requests_that_do_not_fit_in_memory_are_refused() {
        let rbm = toy::machine(3, 2, 1.0, 0);
        let ask = |samples| Sampling { samples, steps: 1, gibbs: true, drawn: true }.check(&rbm).unwrap_err();
        assert!(ask(0).is_usage() && ask(1 << 40).is_budget());
        assert!(chained(&rbm, &[0.0; 3], usize::MAX, &Context::new(0)).unwrap_err().is_budget());
    }
}
