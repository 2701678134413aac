//! Rows completed or restored by a machine, beside a Hopfield network and nothing at all from the same cues.

use serde::Serialize;

use super::budget::check_states;
use super::generate::{self, Denoising};
use super::model::Rbm;
use super::path::even_betas;
use super::rows::Rows;
use super::sampling::{CHAIN_BETAS, rows_of};
use crate::Context;
use crate::error::{Error, Hint, Result};
use crate::learn::Rule;
use crate::pattern::{Cue as SpinCue, Spins, StoredPatterns};
use crate::random::{Philox, stream};
use crate::settle::{Order, clamped};

/// Tempered chains per beta that restore a noisy row.
const CHAINS: usize = 16;
/// Sweeps of a recall at most.
const SWEEPS: usize = 200;

/// What a machine is shown of rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cue {
    /// All but the last units; this share of them is unknown, from 0 to 1.
    Mask(f64),
    /// All units, of which this share, chosen at random in each row, is flipped: between 0 and 1/2.
    Noise(f64),
}

/// How rows are completed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completion {
    /// What is shown of them.
    pub cue: Cue,
    /// Gibbs steps of each chain, from 1; of a masked row, the first half is burn-in.
    pub steps: usize,
    /// Compare with a Hopfield network that stores these very rows by this rule, and with all zeros.
    pub against: Option<Rule>,
}

/// Whose answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum By {
    /// The restricted Boltzmann machine's.
    Rbm,
    /// That of a Hopfield network that stores the rows.
    Hopfield {
        /// Its learning rule.
        rule: &'static str,
    },
    /// Zeros wherever something was unknown.
    Zeros,
    /// The noisy rows as they are.
    Cue,
}

/// How much of what was unknown came out wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wrong {
    /// Whose answer it is.
    #[serde(flatten)]
    pub by: By,
    /// Mean share of the unknown units that are wrong, over rows.
    pub wrong: f64,
    /// Standard error of that mean over rows; none for a single one.
    pub standard_error: Option<f64>,
    /// Rows without a wrong unit.
    pub whole: usize,
    /// Rows.
    pub rows: usize,
    /// Unknown units per row.
    pub units: usize,
}

impl Wrong {
    /// Compares bits above one half with those of the data, where they were unknown.
    fn new(by: By, answers: &[Vec<f32>], data: &[Vec<f32>], known: &[bool]) -> Self {
        let units = known.iter().filter(|&&known| !known).count();
        let share = |(answer, row): (&Vec<f32>, &Vec<f32>)| {
            let wrong = (0..known.len()).filter(|&unit| !known[unit] && (answer[unit] > 0.5) != (row[unit] > 0.5));
            wrong.count() as f64 / units.max(1) as f64
        };
        let shares: Vec<f64> = answers.iter().zip(data).map(share).collect();
        let count = shares.len() as f64;
        let mean = shares.iter().sum::<f64>() / count;
        let square: f64 = shares.iter().map(|share| (share - mean).powi(2)).sum();
        Self {
            by,
            wrong: mean,
            standard_error: (count > 1.0).then(|| (square / (count - 1.0) / count).sqrt()),
            whole: shares.iter().filter(|share| **share == 0.0).count(),
            rows: shares.len(),
            units,
        }
    }
}

/// Rows that were completed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Completed {
    /// Form of this result.
    pub schema: &'static str,
    /// Seed.
    pub seed: u64,
    /// Gibbs steps of each chain.
    pub steps: usize,
    /// What was shown.
    pub cue: Cue,
    /// Units that were flipped in each row; none of a masked one.
    pub flipped: Option<usize>,
    /// The rows, completed: means of the visible units.
    pub values: Vec<Vec<f32>>,
    /// How wrong they are, beside others; empty if nothing was compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub against: Vec<Wrong>,
    /// The rows as they were given.
    #[serde(skip)]
    pub given: Vec<Vec<f32>>,
    /// The rows as chains start from them.
    #[serde(skip)]
    pub cues: Vec<Vec<f32>>,
    /// Units that are as they were; none where any may be wrong.
    #[serde(skip)]
    pub known: Vec<bool>,
    /// What the Hopfield network made of the cues; empty if nothing was compared.
    #[serde(skip)]
    pub recalled: Vec<Vec<f32>>,
    /// The cues with zeros wherever something was unknown; empty if nothing was compared.
    #[serde(skip)]
    pub zeros: Vec<Vec<f32>>,
}

/// The cues of all rows, and what is known in them.
struct Cues {
    rows: Vec<Vec<f32>>,
    known: Vec<bool>,
    flipped: Option<usize>,
}

impl Cues {
    /// The last units unknown; chains start from fair bits there.
    fn masked(rows: Rows<'_>, mask: f64, seed: u64) -> Self {
        let n = rows.units();
        let known_units = n - masked_units(mask, n);
        let known: Vec<bool> = (0..n).map(|unit| unit < known_units).collect();
        let cue = |row: usize| {
            let mut random = Philox::new(seed, stream::cue_of(row as u64));
            let start = rows.row(row).iter().zip(&known);
            start.map(|(&x, &known)| if known { x } else { (random.next_u32() & 1) as f32 }).collect()
        };
        Self { rows: (0..rows.count()).map(cue).collect(), known, flipped: None }
    }

    /// A share of the units flipped, chosen at random in each row.
    fn noisy(rows: Rows<'_>, noise: f64, seed: u64) -> Self {
        let n = rows.units();
        let flipped = ((noise * n as f64).round() as usize).max(1);
        let cue = |row: usize| {
            let mut cue = rows.row(row).to_vec();
            let order = Philox::new(seed, stream::cue_of(row as u64)).permutation(n);
            order[..flipped].iter().for_each(|&unit| cue[unit] = 1.0 - cue[unit]);
            cue
        };
        Self { rows: (0..rows.count()).map(cue).collect(), known: vec![false; n], flipped: Some(flipped) }
    }
}

fn masked_units(mask: f64, units: usize) -> usize {
    (mask * units as f64).round() as usize
}

/// Refuses what is not made of bits, whose errors can be counted.
fn check_bits(rbm: &Rbm, rows: Rows<'_>, option: &'static str) -> Result<()> {
    if rbm.visible().variance().is_some() {
        return Err(Error::option(option, "", "bits are compared; this machine has real numbers as visible units"));
    }
    let Some(at) = rows.values().iter().position(|&x| x != 0.0 && x != 1.0) else { return Ok(()) };
    let (row, unit, value) = (at / rows.units(), at % rows.units(), rows.values()[at]);
    let why = format!("row {row}, unit {unit} is {value}; only bits can be right or wrong: binarise the rows");
    Err(Error::option(option, "", why).hinted(Hint::GiveOne(vec!["threshold"])))
}

/// The cues, rows of bits, completed by a Hopfield network that stores the very rows, known units held fast.
fn recalled(data: &[Vec<f32>], cues: &[Vec<f32>], known: &[bool], rule: Rule, seed: u64) -> Result<Vec<Vec<f32>>> {
    let spins =
        |row: &Vec<f32>| Spins::from_signs(&row.iter().map(|&x| if x > 0.5 { 1 } else { -1 }).collect::<Vec<i8>>());
    let patterns = StoredPatterns::new(&data.iter().map(spins).collect::<Result<Vec<_>>>()?)?;
    let weights = rule.learn(&patterns)?.weights;
    cues.iter()
        .enumerate()
        .map(|(row, cue)| {
            let cue = SpinCue { state: spins(cue)?, known: known.to_vec() };
            let settled =
                clamped(&weights, &cue, Order::Random { seed, stream: stream::recall_beside(row as u64) }, SWEEPS)?;
            Ok(settled.state.to_signs().into_iter().map(|x| if x > 0 { 1.0 } else { 0.0 }).collect())
        })
        .collect()
}

impl Completion {
    /// Refuses what cannot be asked of this machine.
    ///
    /// # Errors
    /// `is_usage` for a share out of its range, a mask that frees no unit, or no steps.
    pub fn check(&self, rbm: &Rbm) -> Result<()> {
        generate::check_steps(self.steps)?;
        let n = rbm.visible_units();
        match self.cue {
            Cue::Mask(mask) if !(0.0..=1.0).contains(&mask) => {
                Err(Error::option("mask", mask, "give a fraction from 0 to 1"))
            }
            Cue::Mask(mask) if masked_units(mask, n) == 0 => {
                Err(Error::option("mask", mask, format!("it masks none of {n} units; give more")))
            }
            Cue::Noise(noise) if !(noise > 0.0 && noise < 0.5) => {
                let why = "give a number between 0 and 0.5: at one half the rows carry no information, beyond it they are inverted";
                Err(Error::option("noise", noise, why))
            }
            _ => Ok(()),
        }
    }

    /// Completes or restores rows, each by chains of its own. `base` are the visible biases of the base-rate model.
    ///
    /// A masked row is completed by [`generate::complete`], a noisy one restored by [`generate::denoise`].
    ///
    /// # Errors
    /// As [`Completion::check`]; `is_usage` for grey rows where bits are compared, `is_shape` for rows of another width,
    /// `is_budget` for more rows than memory holds; `is_interrupted`.
    pub fn run(&self, rbm: &Rbm, base: &[f32], rows: Rows<'_>, context: &Context<'_>) -> Result<Completed> {
        self.check(rbm)?;
        check_states(rbm, "samples", rows.count())?;
        if let Cue::Noise(_) = self.cue {
            check_bits(rbm, rows, "noise")?;
        }
        if self.against.is_some() {
            check_bits(rbm, rows, "against")?;
        }
        rbm.accepts(rows)?;
        context.check()?;
        let (seed, n) = (context.seed(), rows.units());
        let Cues { rows: cues, known, flipped } = match self.cue {
            Cue::Mask(mask) => Cues::masked(rows, mask, seed),
            Cue::Noise(noise) => Cues::noisy(rows, noise, seed),
        };
        let flat = cues.concat();
        let start = Rows::new(&flat, n)?;
        let answer = context.install(|| match flipped {
            Some(count) => {
                let (flipped, betas) = (count as f64 / n as f64, even_betas(CHAIN_BETAS));
                let how = Denoising { flipped, base, betas: &betas, chains: CHAINS, steps: self.steps, seed };
                generate::denoise(rbm, start, &how)
            }
            None => generate::complete(rbm, start, &known, self.steps, self.steps / 2, seed),
        })?;
        let mut completed = Completed {
            schema: "attractor.memory.completion/1",
            seed,
            steps: self.steps,
            cue: self.cue,
            flipped,
            values: rows_of(&answer, n),
            against: Vec::new(),
            given: rows_of(rows.values(), n),
            cues,
            known,
            recalled: Vec::new(),
            zeros: Vec::new(),
        };
        if let Some(rule) = self.against {
            context.check()?;
            context.install(|| completed.compare(rule))?;
        }
        Ok(completed)
    }
}

impl Completed {
    /// Holds the answers against those of a Hopfield network, zeros, and the cues themselves.
    fn compare(&mut self, rule: Rule) -> Result<()> {
        let (data, known) = (&self.given, &self.known);
        self.recalled = recalled(data, &self.cues, known, rule, self.seed)?;
        let held = |row: &Vec<f32>| row.iter().zip(known).map(|(&x, &known)| if known { x } else { 0.0 }).collect();
        self.zeros = data.iter().map(held).collect();
        let mut answers = vec![
            (By::Rbm, &self.values),
            (By::Hopfield { rule: rule.name() }, &self.recalled),
            (By::Zeros, &self.zeros),
        ];
        answers.extend(self.flipped.map(|_| (By::Cue, &self.cues)));
        self.against = answers.into_iter().map(|(by, rows)| Wrong::new(by, rows, data, known)).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    #[test]
    fn only_unknown_units_are_counted() {
        let data = vec![vec![1.0, 0.0, 1.0, 1.0], vec![0.0, 0.0, 1.0, 0.0]];
        let answers = vec![vec![0.0, 0.0, 0.4, 0.9], vec![1.0, 1.0, 0.8, 0.2]];
        let wrong = Wrong::new(By::Rbm, &answers, &data, &[true, true, false, false]);
        assert_eq!((wrong.wrong, wrong.standard_error, wrong.whole), (0.25, Some(0.25), 1));
        assert_eq!((wrong.rows, wrong.units), (2, 2));
        assert_eq!(Wrong::new(By::Rbm, &answers[..1], &data, &[false; 4]).standard_error, None);
    }

    #[test]
    fn a_stored_row_comes_back_and_what_is_known_is_held() {
        let data = vec![vec![1.0, 1.0, 1.0, 0.0, 0.0, 0.0], vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0]];
        let known = [true, true, true, true, true, false];
        let cues = vec![vec![1.0, 1.0, 1.0, 0.0, 0.0, 1.0], vec![1.0, 0.0, 1.0, 0.0, 1.0, 1.0]];
        let rule = Rule::PseudoInverse { diagonal: false };
        assert_eq!(recalled(&data, &cues, &known, rule, 0).unwrap(), data);
    }

    /// Of a mask the known units come back as they were, of noise any may change; cues, zeros and the machine are compared.
    #[test]
    fn a_completion_keeps_what_is_known_and_compares_the_rest() {
        let rbm = toy::machine(6, 4, 1.0, 4);
        let values = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0];
        let rows = Rows::new(&values, 6).unwrap();
        let run = |cue| {
            let how = Completion { cue, steps: 12, against: Some(Rule::Hebb) };
            how.run(&rbm, &[0.0; 6], rows, &Context::new(3)).unwrap()
        };
        let masked = run(Cue::Mask(0.5));
        assert!(masked.values.iter().zip(&masked.given).all(|(made, given)| made[..3] == given[..3]));
        assert_eq!(masked.known, [true, true, true, false, false, false]);
        let by = |found: &Completed| found.against.iter().map(|wrong| wrong.by).collect::<Vec<_>>();
        assert_eq!(by(&masked), [By::Rbm, By::Hopfield { rule: "hebb" }, By::Zeros]);
        let noisy = run(Cue::Noise(0.3));
        assert_eq!((noisy.flipped, by(&noisy)[3]), (Some(2), By::Cue));
        assert!((noisy.against[3].wrong - 2.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_completed_is_refused() {
        let rbm = toy::machine(4, 2, 1.0, 0);
        let ask = |cue, steps| Completion { cue, steps, against: None }.check(&rbm).unwrap_err();
        for cue in [Cue::Mask(1.1), Cue::Mask(0.1), Cue::Mask(f64::NAN), Cue::Noise(0.0), Cue::Noise(0.5)] {
            assert!(ask(cue, 5).is_usage(), "{cue:?}");
        }
        assert!(ask(Cue::Mask(0.5), 0).is_usage());
        let grey = Rows::new(&[0.5, 1.0, 0.0, 0.0], 4).unwrap();
        let how = Completion { cue: Cue::Noise(0.3), steps: 5, against: None };
        let error = how.run(&rbm, &[0.0; 4], grey, &Context::new(0)).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("unit 0 is 0.5"), "{error}");
    }
}
