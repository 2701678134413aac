//! What a memory of spins is at a temperature: Boltzmann's law, the probability that a unit is up, and samples.

use serde::Serialize;

use crate::energy::{Couplings, Energy};
use crate::learn::Rule;
use crate::pattern::{Spins, StoredPatterns};
use crate::random::{Philox, stream};
use crate::sample::{self, EnergyLevel, Enumerated, Schedule, follow, gibbs::probability_of_up};
use crate::{Context, Error, Kind, Result};

/// Temperatures at most: as many as a picture has colours.
const MOST_TEMPERATURES: usize = 8;
/// Samples of a temperature at most.
const MOST_SAMPLES: usize = 100;
/// Sweeps of a sample at most.
const MOST_SWEEPS: usize = 1 << 24;
/// Fields at which [`Firing`] gives the probability.
pub const FIELDS: [f64; 7] = [-3.0, -1.0, -0.3, 0.0, 0.3, 1.0, 3.0];

/// A memory at several temperatures.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How patterns are stored; only symmetric rules have a distribution.
    pub rule: Rule,
    /// Temperatures, in units of the energy: 1 to 8 of them, from 1e-6 to 1e6.
    pub temperatures: Vec<f64>,
    /// Samples of each temperature, 1 to 100.
    pub samples: usize,
    /// Sweeps of each sample, from a random state, >= 1.
    pub sweeps: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { rule: Rule::Hebb, temperatures: vec![0.2, 0.5, 1.0, 2.0, 5.0], samples: 8, sweeps: 200 }
    }
}

impl Options {
    /// Refuses what is out of range.
    ///
    /// # Errors
    /// `is_usage`, naming the option.
    pub fn check(&self) -> Result<()> {
        let count = self.temperatures.len();
        if !(1..=MOST_TEMPERATURES).contains(&count) {
            return Err(Error::option("temperatures", "", format!("{count} of them; give 1 to {MOST_TEMPERATURES}")));
        }
        if let Some(wrong) = self.temperatures.iter().find(|t| !(1e-6..=1e6).contains(*t)) {
            let why = "give numbers above 0, from 1e-6 to 1e6";
            return Err(Error::option("temperatures", format!("{wrong:?}"), why));
        }
        for (name, value, most) in [("samples", self.samples, MOST_SAMPLES), ("sweeps", self.sweeps, MOST_SWEEPS)] {
            if !(1..=most).contains(&value) {
                return Err(Error::option(name, value, format!("give 1 to {most}")));
            }
        }
        Ok(())
    }

    /// The couplings of a memory of these patterns: its weights without a diagonal, which every state has alike.
    fn couplings(&self, patterns: &StoredPatterns) -> Result<Couplings> {
        let weights = self.rule.learn(patterns)?.weights.without_diagonal();
        if weights.asymmetry() > 0.0 {
            let why = format!(
                "its weights are not symmetric, by up to {:.3}: there is no energy and no distribution; choose another, \
                 perceptron-symmetric for one",
                weights.asymmetry()
            );
            return Err(Error::option("rule", self.rule.name(), why));
        }
        Couplings::dense(patterns.units(), weights.values())?.with_biases(weights.biases().to_vec())
    }
}

/// The law of a small memory at one temperature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LawAt {
    /// T.
    pub temperature: f64,
    /// log Z, nats.
    pub log_z: f64,
    /// Mean energy.
    pub mean_energy: f64,
    /// Entropy, nats.
    pub entropy: f64,
    /// Heat capacity: variance of the energy / T^2.
    pub heat_capacity: f64,
    /// Probability of each energy level, all its states together.
    pub of_energy: Vec<f64>,
    /// Probability of one state of each energy level.
    pub of_state: Vec<f64>,
}

/// Boltzmann's law of a small memory, every state counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Law {
    /// "attractor.memory.boltzmann.law/1".
    pub schema: &'static str,
    /// N: there are 2^N states.
    pub units: usize,
    /// The energy levels, ascending.
    pub energies: Vec<f64>,
    /// States of each: its degeneracy.
    pub states: Vec<usize>,
    /// Temperature by temperature.
    pub at: Vec<LawAt>,
}

/// Adds up all states of a memory of at most 20 units at each temperature.
///
/// # Cost
/// 2^N flips a temperature, 24 bytes a state.
/// # Errors
/// As [`Options::check`]; `is_usage` for more units, or weights that are not symmetric; `is_interrupted`.
pub fn law(patterns: &StoredPatterns, options: &Options, context: &Context<'_>) -> Result<Law> {
    context.install(|| enumerated(patterns, options, context))
}

fn enumerated(patterns: &StoredPatterns, options: &Options, context: &Context<'_>) -> Result<Law> {
    options.check()?;
    let couplings = options.couplings(patterns)?;
    let mut levels: Vec<EnergyLevel> = Vec::new();
    let mut at = Vec::with_capacity(options.temperatures.len());
    for (done, &temperature) in options.temperatures.iter().enumerate() {
        context.check()?;
        context.step("adding up states", done, options.temperatures.len());
        // The number of units is that of an option here.
        let law = Enumerated::new(&couplings, temperature).map_err(|error| error.of_kind(Kind::Usage))?;
        if levels.is_empty() {
            levels = law.levels();
        }
        at.push(LawAt {
            temperature,
            log_z: law.log_z(),
            mean_energy: law.mean_energy(),
            entropy: law.entropy(),
            heat_capacity: law.heat_capacity(),
            of_energy: levels.iter().map(|level| law.probability_of(level)).collect(),
            of_state: levels.iter().map(|level| law.probabilities()[level.states[0]]).collect(),
        });
    }
    Ok(Law {
        schema: "attractor.memory.boltzmann.law/1",
        units: patterns.units(),
        energies: levels.iter().map(|level| level.energy).collect(),
        states: levels.iter().map(|level| level.states.len()).collect(),
        at,
    })
}

/// How likely a unit is +1 at one temperature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FiringAt {
    /// T.
    pub temperature: f64,
    /// At each field.
    pub probabilities: Vec<f64>,
}

/// How likely a unit is +1, by its field: the same of every memory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Firing {
    /// "attractor.memory.boltzmann.firing/1".
    pub schema: &'static str,
    /// [`FIELDS`].
    pub fields: Vec<f64>,
    /// Temperature by temperature.
    pub at: Vec<FiringAt>,
}

/// p(x = +1) = sigma(2 h / T) at [`FIELDS`].
///
/// # Errors
/// As [`Options::check`].
pub fn firing(options: &Options) -> Result<Firing> {
    options.check()?;
    let at = |&temperature: &f64| FiringAt {
        temperature,
        probabilities: FIELDS.map(|field| probability_of_up(field, temperature)).to_vec(),
    };
    Ok(Firing {
        schema: "attractor.memory.boltzmann.firing/1",
        fields: FIELDS.to_vec(),
        at: options.temperatures.iter().map(at).collect(),
    })
}

/// A state that was drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drawn {
    /// Its energy.
    pub energy: f64,
    /// The stored pattern that is nearest, itself or mirrored; the first of equally near ones.
    pub nearest: usize,
    /// The overlap per unit with it, below zero with its mirror.
    pub overlap: f64,
    /// The state.
    pub state: Spins,
}

/// States drawn at one temperature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SamplesAt {
    /// T.
    pub temperature: f64,
    /// The states.
    pub samples: Vec<Drawn>,
}

impl SamplesAt {
    fn mean(&self, of: impl Fn(&Drawn) -> f64) -> f64 {
        self.samples.iter().map(of).sum::<f64>() / self.samples.len() as f64
    }

    /// Mean energy of the samples.
    pub fn mean_energy(&self) -> f64 {
        self.mean(|drawn| drawn.energy)
    }

    /// Mean over the samples of |m|, the overlap with the nearest pattern or its mirror.
    pub fn mean_overlap(&self) -> f64 {
        self.mean(|drawn| drawn.overlap.abs())
    }

    /// Samples that are a stored pattern, and the mirror of one.
    pub fn stored_and_mirrored(&self) -> (usize, usize) {
        let exact = |sign: f64| self.samples.iter().filter(|drawn| drawn.overlap == sign).count();
        (exact(1.0), exact(-1.0))
    }
}

/// States drawn by Gibbs sampling at each temperature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Samples {
    /// "attractor.memory.boltzmann.samples/1".
    pub schema: &'static str,
    /// Gibbs sweeps of each, from a random state.
    pub sweeps: usize,
    /// Temperature by temperature.
    pub at: Vec<SamplesAt>,
}

/// Draws states of a memory at each temperature.
///
/// # Errors
/// As [`Options::check`]; `is_usage` for weights that are not symmetric; `is_interrupted`.
pub fn samples(patterns: &StoredPatterns, options: &Options, context: &Context<'_>) -> Result<Samples> {
    context.install(|| sampled(patterns, options, context))
}

fn sampled(patterns: &StoredPatterns, options: &Options, context: &Context<'_>) -> Result<Samples> {
    options.check()?;
    let couplings = options.couplings(patterns)?;
    let units = patterns.units();
    let draw = |at: usize, number: usize, schedule: &Schedule| -> Result<Drawn> {
        context.check()?;
        context.step("sampling", at * options.samples + number, options.temperatures.len() * options.samples);
        let mut random = Philox::new(context.seed(), stream::item((at * MOST_SAMPLES + number) as u64));
        let start = Spins::random(units, &mut random);
        let (_, state) = follow(&couplings, &start, schedule, sample::Dynamics::HeatBath, &mut random, |_| ())?;
        let overlaps = patterns.overlaps(&state);
        let nearest = (0..overlaps.len()).rev().max_by_key(|&mu| overlaps[mu].abs()).unwrap_or(0);
        let overlap = f64::from(overlaps[nearest]) / units as f64;
        Ok(Drawn { energy: couplings.energy(&state), state, nearest, overlap })
    };
    let at = |(at, &temperature): (usize, &f64)| {
        let schedule = Schedule::constant(temperature, options.sweeps)?;
        let samples = (0..options.samples).map(|number| draw(at, number, &schedule)).collect::<Result<_>>()?;
        Ok(SamplesAt { temperature, samples })
    };
    let at = options.temperatures.iter().enumerate().map(at).collect::<Result<_>>()?;
    Ok(Samples { schema: "attractor.memory.boltzmann.samples/1", sweeps: options.sweeps, at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Margin;

    fn stored(units: usize) -> StoredPatterns {
        StoredPatterns::random(units, 2, &mut Philox::new(9, 0)).unwrap()
    }

    /// All states are counted, probabilities add up to one, and states of two levels differ by exp(-dE / T).
    #[test]
    fn the_law_is_an_exponential_of_the_energy() {
        let options = Options { temperatures: vec![0.7, 1.3], ..Options::default() };
        let law = law(&stored(9), &options, &Context::new(0)).unwrap();
        assert_eq!(law.states.iter().sum::<usize>(), 512);
        assert!(law.energies.windows(2).all(|pair| pair[0] < pair[1]));
        for at in &law.at {
            assert!((at.of_energy.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let last = law.energies.len() - 1;
            let expected = (-(law.energies[last] - law.energies[0]) / at.temperature).exp();
            assert!((at.of_state[last] / at.of_state[0] / expected - 1.0).abs() < 1e-9, "{at:?}");
            // ln Z = S - E / T.
            assert!((at.log_z - (at.entropy - at.mean_energy / at.temperature)).abs() < 1e-12);
        }
    }

    /// Cold samples are patterns or their mirrors; hot ones have the energy of noise.
    #[test]
    fn cold_samples_are_near_patterns_and_hot_ones_are_not() {
        let options = Options { temperatures: vec![0.05, 50.0], samples: 20, sweeps: 50, ..Options::default() };
        let found = samples(&stored(101), &options, &Context::new(2)).unwrap();
        let (cold, hot) = (&found.at[0], &found.at[1]);
        assert!(cold.mean_overlap() > 0.95 && hot.mean_overlap() < 0.3 && cold.mean_energy() < hot.mean_energy());
        let (patterns, mirrors) = cold.stored_and_mirrored();
        assert!(patterns > 0 && mirrors > 0 && hot.stored_and_mirrored() == (0, 0));
        assert_eq!(found, samples(&stored(101), &options, &Context::new(2)).unwrap());
    }

    #[test]
    fn firing_is_the_sigmoid_of_twice_the_field() {
        let options = Options { temperatures: vec![0.7], ..Options::default() };
        let found = firing(&options).unwrap();
        for (h, p) in found.fields.iter().zip(&found.at[0].probabilities) {
            assert!((p - 1.0 / (1.0 + (-2.0 * h / 0.7).exp())).abs() < 1e-12);
        }
    }

    #[test]
    fn what_has_no_law_is_refused() {
        let plain = Options::default;
        for (options, says) in [
            (Options { temperatures: vec![], ..plain() }, "temperatures: 0 of them"),
            (Options { temperatures: vec![1.0; 9], ..plain() }, "temperatures: 9 of them"),
            (Options { temperatures: vec![1.0, 0.0], ..plain() }, "temperatures = 0.0"),
            (Options { temperatures: vec![f64::NAN], ..plain() }, "temperatures = NaN"),
            (Options { samples: 101, ..plain() }, "samples = 101"),
            (Options { sweeps: 0, ..plain() }, "sweeps = 0"),
        ] {
            let error = samples(&stored(9), &options, &Context::new(0)).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(says), "{error}");
            assert!(firing(&options).is_err());
        }
        let error = law(&stored(25), &plain(), &Context::new(0)).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("2^25 states"), "{error}");
        let rule = Rule::Perceptron { margin: Margin::Stability(0.5), symmetric: false, epochs: 200 };
        let error = law(&stored(9), &Options { rule, ..plain() }, &Context::new(0)).unwrap_err();
        assert!(
            error.at_fault() == Some(("rule", "perceptron")) && error.message().contains("not symmetric"),
            "{error}"
        );
    }
}
