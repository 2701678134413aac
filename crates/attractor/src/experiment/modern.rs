//! Retrieval of real patterns from noisy queries by a modern memory, and what it shares with attention.

use serde::Serialize;

use crate::energy::modern::check_beta;
use crate::energy::{Modern, SimplexMap};
use crate::pattern::real::distance;
use crate::pattern::{Frame, RealPatterns, twins};
use crate::random::{Philox, stream};
use crate::retrieve::{Dot, Heads, Mask, Modifiers, Problem, dense};
use crate::settle::modern::{Iteration, descend, sweep_beta};
use crate::settle::retrieval::{Reason, diagnose, sure_patterns};
use crate::{Context, Error, Result};

/// Inverse temperatures of a sweep.
pub const BETAS: [f64; 13] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// Inverse temperatures of the soft maximum.
pub const SOFT_BETAS: [f64; 5] = [0.5, 1.0, 2.0, 4.0, 16.0];
/// Probability that the theorem's patterns are not all stored.
const FAILURE: f64 = 0.01;
/// A state this near to its pattern, in lengths of a pattern, has come back.
const BACK: f64 = 1e-6;

/// A memory, its queries, and how they descend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Inverse temperature: low gives averages, high single patterns.
    pub beta: f64,
    /// How scores become weights.
    pub separation: SimplexMap,
    /// Share of the way to T(z) that a step goes, in (0, 2); 1 is attention.
    pub damping: f64,
    /// Standard deviation of the normal noise that is added to every feature of a query, in units of the data.
    pub noise: f64,
    /// Steps at most, >= 1.
    pub steps: usize,
    /// Patterns less their mean, brought to the mean length one ([`RealPatterns::centred`]); false: as they are.
    pub centred: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { beta: 8.0, separation: SimplexMap::Softmax, damping: 1.0, noise: 0.3, steps: 1000, centred: true }
    }
}

impl Options {
    /// Refuses what no retrieval can be made with.
    ///
    /// # Errors
    /// `is_usage` for a number out of its range.
    pub fn check(&self) -> Result<()> {
        if !(self.noise >= 0.0 && self.noise.is_finite()) {
            return Err(Error::option("noise", self.noise, "give a deviation of 0 or more"));
        }
        if self.steps == 0 {
            return Err(Error::option("steps", 0, "give at least 1"));
        }
        check_beta(self.beta)?;
        self.iteration().check()
    }

    /// How a query descends.
    pub fn iteration(&self) -> Iteration {
        Iteration { damping: self.damping, steps: self.steps, ..Iteration::default() }
    }
}

/// A memory and a noisy query of each of its patterns.
#[derive(Debug, Clone)]
pub struct Case {
    /// The memory.
    pub memory: Modern,
    /// Queries, one of each pattern, in the units of what is stored.
    pub queries: Vec<Vec<f64>>,
    /// From what is stored to the data.
    pub frame: Frame,
}

impl Case {
    /// Stores patterns and makes their queries; patterns that are equal are noted.
    ///
    /// # Errors
    /// As [`Options::check`]; `is_usage` where the patterns' mean or lengths are beyond numbers.
    pub fn new(patterns: RealPatterns, options: &Options, context: &Context<'_>) -> Result<Self> {
        options.check()?;
        let (patterns, frame) = match options.centred {
            true => patterns.centred()?,
            false => {
                let frame = Frame::identity(patterns.width());
                (patterns, frame)
            }
        };
        let equal = twins(patterns.patterns().map(|row| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>()));
        equal.iter().for_each(|note| context.note(note));
        let memory = Modern::new(patterns, options.beta, options.separation)?;
        // Of the data's own size, whatever the patterns were brought to.
        let deviation = options.noise / frame.length;
        let query = |(at, pattern): (usize, &[f64])| {
            let mut random = Philox::new(context.seed(), stream::item(at as u64));
            pattern.iter().map(|x| x + deviation * random.normal()).collect()
        };
        let queries = memory.patterns().patterns().enumerate().map(query).collect();
        Ok(Self { memory, queries, frame })
    }
}

/// What became of the query of one pattern.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retrieval {
    /// Which pattern.
    pub pattern: usize,
    /// True if it came back.
    pub retrieved: bool,
    /// Why it did, or did not.
    pub reason: Reason,
    /// How far from the pattern the query was, in the units of what is stored, as all distances here.
    pub query_distance: f64,
    /// How far from the pattern it ended.
    pub distance: f64,
    /// The stored pattern that is nearest to where it ended.
    pub nearest: usize,
    /// Delta_i: by how much the pattern's score of itself leads the next best.
    pub separation: f64,
    /// The separation that the theorem asks for at this beta (softmax), or the margin over beta (sparse).
    pub wanted_separation: f64,
    /// The beta that would do; `None` if the pattern does not stand out at any.
    pub wanted_beta: Option<f64>,
    /// Steps taken.
    pub steps: usize,
    /// |T(z) - z| at the end.
    pub residual: f64,
    /// Energy at the start and after every step.
    pub energies: Vec<f64>,
    /// Weights of the patterns at the end.
    pub weights: Vec<f64>,
    /// Where it ended, `[d]`.
    #[serde(skip)]
    pub state: Vec<f64>,
}

impl Retrieval {
    /// True if it came back together with patterns that equal it: no beta tells those apart.
    pub fn has_twins(&self) -> bool {
        let alone = matches!(self.reason, Reason::Retrieved | Reason::AnotherPattern(_) | Reason::Outscored(_));
        !alone && self.separation <= 0.0 && self.distance < BACK
    }
}

/// The retrievals of all patterns.
#[derive(Debug, Clone, Serialize)]
pub struct Retrievals {
    /// "attractor.memory.modern/1".
    pub schema: &'static str,
    /// Patterns stored.
    pub patterns: usize,
    /// Features of each.
    pub features: usize,
    /// Inverse temperature.
    pub beta: f64,
    /// How scores become weights.
    pub separation: SimplexMap,
    /// True if patterns were centred and brought to the mean length one.
    pub centred: bool,
    /// Share of the way that a step goes.
    pub damping: f64,
    /// Deviation of the noise, in units of the data.
    pub noise: f64,
    /// Seed of the noise.
    pub seed: u64,
    /// How many random patterns of their mean length and width are stored with probability 0.99, at least; `None` where
    /// the theorem says nothing ([`sure_patterns`]).
    pub sure_patterns: Option<f64>,
    /// Pattern by pattern.
    pub retrievals: Vec<Retrieval>,
    /// The memory and the queries.
    #[serde(skip)]
    pub case: Case,
    /// How queries descended.
    #[serde(skip)]
    pub iteration: Iteration,
}

impl Retrievals {
    /// How many ended so.
    pub fn count(&self, is: impl Fn(&Reason) -> bool) -> usize {
        self.retrievals.iter().filter(|one| is(&one.reason)).count()
    }

    /// A beta that would separate those that failed and stand out at all; `None` if there are none, or it is no higher than
    /// the memory's own.
    pub fn wanted_beta(&self) -> Option<f64> {
        let failed = self.retrievals.iter().filter(|one| !one.retrieved);
        let wanted = failed.filter_map(|one| one.wanted_beta).fold(0.0, f64::max);
        (wanted > self.beta).then_some(wanted)
    }
}

/// Stores patterns and retrieves each from a noisy query.
///
/// # Cost
/// O(N d) per step of each of N queries.
/// # Errors
/// As [`Case::new`]; `is_interrupted`.
pub fn run(patterns: RealPatterns, options: &Options, context: &Context<'_>) -> Result<Retrievals> {
    let case = Case::new(patterns, options, context)?;
    let (memory, iteration) = (&case.memory, options.iteration());
    let mut retrievals = Vec::with_capacity(case.queries.len());
    for (pattern, query) in case.queries.iter().enumerate() {
        context.check()?;
        context.step("retrieving", pattern, case.queries.len());
        let outcome = descend(memory, query, iteration)?;
        let diagnosis = diagnose(memory, pattern, &outcome)?;
        retrievals.push(Retrieval {
            pattern,
            retrieved: diagnosis.reason == Reason::Retrieved,
            reason: diagnosis.reason,
            query_distance: distance(query, memory.patterns().pattern(pattern)),
            distance: diagnosis.distance,
            nearest: diagnosis.nearest,
            separation: diagnosis.separation,
            wanted_separation: diagnosis.wanted,
            wanted_beta: diagnosis.beta,
            steps: outcome.steps,
            residual: outcome.residual,
            energies: outcome.energies,
            weights: outcome.weights,
            state: outcome.value,
        });
    }
    Ok(Retrievals {
        schema: "attractor.memory.modern/1",
        patterns: memory.patterns().count(),
        features: memory.patterns().width(),
        beta: memory.beta(),
        separation: memory.simplex_map(),
        centred: options.centred,
        damping: options.damping,
        noise: options.noise,
        seed: context.seed(),
        sure_patterns: sure_patterns(memory, FAILURE),
        retrievals,
        case,
        iteration,
    })
}

/// What is retrieved at one beta: exp of the entropy of the weights, the effective number of patterns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effective {
    /// Inverse temperature.
    pub beta: f64,
    /// Mean over the queries.
    pub mean: f64,
    /// Of the query with the most.
    pub largest: f64,
}

/// Descends from every query at each of [`BETAS`].
///
/// # Errors
/// As [`descend`]; `is_interrupted`.
pub fn effective_patterns(case: &Case, iteration: Iteration, context: &Context<'_>) -> Result<Vec<Effective>> {
    let at = |(done, &beta): (usize, &f64)| {
        context.check()?;
        context.step("sweeping beta", done, BETAS.len());
        let swept = sweep_beta(&case.memory, &[beta], &case.queries, iteration)?;
        let all = || swept.iter().map(|one| one.effective);
        Ok(Effective { beta, mean: all().sum::<f64>() / swept.len() as f64, largest: all().fold(0.0, f64::max) })
    };
    BETAS.iter().enumerate().map(at).collect()
}

/// The weights of a query over the patterns as beta rises; nothing descends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeightsAgainstBeta {
    /// The query of which pattern.
    pub query: usize,
    /// Inverse temperatures, evenly in the logarithm from the first of [`BETAS`] to the last.
    pub betas: Vec<f64>,
    /// [beta, pattern].
    pub weights: Vec<Vec<f64>>,
}

/// Looks once from a query at many betas.
///
/// # Errors
/// `is_usage` if there is no such query.
pub fn weights_against_beta(case: &Case, query: usize) -> Result<WeightsAgainstBeta> {
    const STEPS: i32 = 96;
    let Some(state) = case.queries.get(query) else {
        let count = case.queries.len();
        return Err(Error::option("query", query, format!("there are {count} queries, counted from 0")));
    };
    let beta = |step: i32| BETAS[0] * (BETAS[BETAS.len() - 1] / BETAS[0]).powf(f64::from(step) / f64::from(STEPS));
    let betas: Vec<f64> = (0..=STEPS).map(beta).collect();
    let weights = betas.iter().map(|&beta| Ok(case.memory.at(beta)?.weights(state))).collect::<Result<_>>()?;
    Ok(WeightsAgainstBeta { query, betas, weights })
}

/// Attention of the queries over the patterns as keys and values, against one step of retrieval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OneStep {
    /// Queries.
    pub queries: usize,
    /// Numbers of the outputs: attention's, and the step's.
    pub pairs: Vec<(f64, f64)>,
    /// The largest difference of a pair: rounding of single precision.
    pub largest_difference: f64,
}

/// Attention from its definition, and one step of retrieval of the same single precision numbers.
///
/// # Errors
/// As [`dense::retrieve`]; `is_usage` for patterns beyond single precision.
pub fn attention_against_step(case: &Case) -> Result<OneStep> {
    let patterns = case.memory.patterns();
    let narrow = |row: &[f64]| row.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let keys: Vec<f32> = patterns.patterns().flat_map(narrow).collect();
    let queries: Vec<f32> = case.queries.iter().flat_map(|query| narrow(query)).collect();
    let (count, width, beta) = (patterns.count(), patterns.width(), case.memory.beta() as f32);
    let mask = Mask::default();
    let retrieved = dense::retrieve(&Problem {
        queries: Heads::new(&queries[..], 1, case.queries.len(), width)?,
        keys: Heads::new(&keys[..], 1, count, width)?,
        values: Some(Heads::new(&keys[..], 1, count, width)?),
        similarity: &Dot,
        separation: case.memory.simplex_map().separation(beta),
        modifiers: Modifiers::masked(&mask),
    })?;
    let stored = RealPatterns::from_f32(count, width, &keys)?;
    let memory = Modern::new(stored, f64::from(beta), case.memory.simplex_map())?;
    let wide = |query: &[f32]| query.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let steps = queries.chunks_exact(width).flat_map(|query| memory.step(&wide(query)));
    let pairs: Vec<(f64, f64)> = retrieved.output.iter().map(|&x| f64::from(x)).zip(steps).collect();
    let largest_difference = pairs.iter().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    Ok(OneStep { queries: case.queries.len(), pairs, largest_difference })
}

/// How far the soft maximum of two scores lies above the larger one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gap {
    /// Inverse temperature.
    pub beta: f64,
    /// Of equal scores, where it is largest.
    pub above_equal: f64,
    /// Of scores that are one apart.
    pub above_one_apart: f64,
}

/// The soft maximum behind a separation, at several betas.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SoftMaximum {
    /// "attractor.memory.soft-maximum/1".
    pub schema: &'static str,
    /// How scores become weights: the soft maximum's gradient.
    pub separation: SimplexMap,
    /// At each of [`SOFT_BETAS`].
    pub gaps: Vec<Gap>,
}

/// How far [`SimplexMap::soft_maximum`] lies above the maximum.
pub fn soft_maximum(separation: SimplexMap) -> SoftMaximum {
    let above = |beta: f64, s: f64| separation.soft_maximum(beta, &[s, 0.0]) - s;
    let gap = |beta: f64| Gap { beta, above_equal: above(beta, 0.0), above_one_apart: above(beta, 1.0) };
    SoftMaximum { schema: "attractor.memory.soft-maximum/1", separation, gaps: SOFT_BETAS.map(gap).to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that are neither centred nor of one length.
    fn patterns(count: usize, width: usize) -> RealPatterns {
        let mut random = Philox::new(11, 0);
        RealPatterns::new(count, width, (0..count * width).map(|_| 3.0 + 2.0 * random.normal()).collect()).unwrap()
    }

    /// Noise is of the data's size whatever the patterns are brought to: raw and centred queries are the same in the data.
    #[test]
    fn queries_are_the_same_in_the_data_whatever_is_stored() {
        let context = Context::new(3);
        let case = |centred| Case::new(patterns(7, 5), &Options { centred, ..Options::default() }, &context).unwrap();
        let (raw, centred) = (case(false), case(true));
        for (raw, query) in raw.queries.iter().zip(&centred.queries) {
            let data = centred.frame.restored(query);
            assert!(raw.iter().zip(&data).all(|(a, b)| (a - b).abs() < 1e-12), "{raw:?} {data:?}");
        }
        assert_eq!(raw.frame.restored(&raw.queries[0]), raw.queries[0]);
    }

    #[test]
    fn a_high_beta_retrieves_and_a_low_one_says_which_would() {
        let at = |beta: f64| run(patterns(7, 31), &Options { beta, ..Options::default() }, &Context::new(3)).unwrap();
        let (high, low) = (at(100.0), at(0.1));
        assert_eq!(high.count(|reason| *reason == Reason::Retrieved), 7);
        assert!(high.retrievals.iter().all(|one| one.retrieved && one.distance < 1e-6 && one.query_distance > 0.1));
        assert_eq!(high.wanted_beta(), None);
        assert_eq!(low.count(|reason| *reason == Reason::GlobalAverage), 7);
        assert_eq!(at(low.wanted_beta().unwrap()).wanted_beta(), None);
    }

    /// Two equal patterns: noted, and no beta is blamed for them.
    #[test]
    fn equal_patterns_are_noted_and_named() {
        let mut numbers: Vec<f64> = patterns(4, 9).patterns().flatten().copied().collect();
        numbers.copy_within(0..9, 27);
        let notes = std::sync::Mutex::new(Vec::new());
        let listen = |note: &crate::Note| notes.lock().unwrap().push(note.clone());
        let context = Context::new(1).with_listener(&listen);
        let twins = RealPatterns::new(4, 9, numbers).unwrap();
        let found = run(twins, &Options { beta: 200.0, ..Options::default() }, &context).unwrap();
        assert_eq!(*notes.lock().unwrap(), [crate::Note::EqualPatterns { first: 0, second: 3, more: 0 }]);
        let equal: Vec<bool> = found.retrievals.iter().map(Retrieval::has_twins).collect();
        assert_eq!(equal, [true, false, false, true]);
    }

    #[test]
    fn attention_is_one_step_but_for_rounding() {
        for separation in [SimplexMap::Softmax, SimplexMap::Sparsemax, SimplexMap::Entmax15] {
            let options = Options { beta: 0.7, separation, ..Options::default() };
            let case = Case::new(patterns(7, 5), &options, &Context::new(3)).unwrap();
            let found = attention_against_step(&case).unwrap();
            assert_eq!((found.queries, found.pairs.len()), (7, 35));
            assert!(found.largest_difference < 1e-6, "{separation:?}: {}", found.largest_difference);
            // One that is wrong in beta is far off.
            let other = Case { memory: case.memory.at(1.3).unwrap(), ..case.clone() };
            let step = |case: &Case| case.memory.step(&case.queries[0]);
            assert!(distance(&step(&case), &step(&other)) > 1e-3);
        }
    }

    /// Every query's effective number of patterns falls from all of them to one; so do the weights of one look.
    #[test]
    fn sweeps_lead_from_all_patterns_to_one() {
        let case = Case::new(patterns(7, 31), &Options::default(), &Context::new(3)).unwrap();
        let swept = effective_patterns(&case, Iteration::default(), &Context::new(3)).unwrap();
        assert!(swept.len() == 13 && swept[0].mean > 6.9 && swept[0].largest <= 7.0 + 1e-9, "{swept:?}");
        assert!(swept[12].largest < 1.0 + 1e-6);
        let weights = weights_against_beta(&case, 5).unwrap();
        assert_eq!((weights.betas[0], weights.betas.len(), weights.weights.len()), (0.125, 97, 97));
        assert!((weights.betas[96] - 512.0).abs() < 1e-9 && weights.weights[96][5] > 0.999);
        let error = weights_against_beta(&case, 7).unwrap_err();
        assert!(error.at_fault() == Some(("query", "7")) && error.message().contains("7 queries"), "{error}");
    }

    /// ln 2 / beta of equal scores.
    #[test]
    fn the_soft_maximum_of_equal_scores_is_off_by_their_entropy() {
        let soft = soft_maximum(SimplexMap::Softmax);
        assert!(soft.gaps.iter().all(|gap| (gap.above_equal - 2f64.ln() / gap.beta).abs() < 1e-12));
        assert!(soft.gaps.iter().all(|gap| gap.above_one_apart < gap.above_equal));
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let plain = Options::default();
        for (options, says) in [
            (Options { noise: -0.1, ..plain }, "noise = -0.1"),
            (Options { noise: f64::NAN, ..plain }, "noise = NaN"),
            (Options { steps: 0, ..plain }, "steps = 0"),
            (Options { beta: 0.0, ..plain }, "beta = 0"),
            (Options { damping: 2.0, ..plain }, "damping = 2"),
        ] {
            let error = run(patterns(3, 2), &options, &Context::new(0)).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(says), "{error}");
        }
        let asked = || true;
        let stopped = Context::new(0).with_interrupt(&asked);
        assert!(run(patterns(3, 2), &plain, &stopped).unwrap_err().is_interrupted());
    }
}
