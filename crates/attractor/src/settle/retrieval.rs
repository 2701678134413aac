//! Whether a modern memory can retrieve a pattern, and why it did not.

use serde::Serialize;

use super::metastable::{Regime, members};
use super::modern::{Outcome, Termination};
use crate::energy::{Modern, SimplexMap};
use crate::error::{Error, Result};
use crate::pattern::real::{distance, norm};

/// W0: the x >= -1 with x exp(x) = `value`, for `value` >= 0.
fn lambert(value: f64) -> f64 {
    let (mut low, mut high) = (0.0, value.ln_1p() + 1.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if middle * f64::exp(middle) < value { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// How many random patterns a softmax memory is sure to store, sqrt(p) c^((d - 1) / 4).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StorageBound {
    /// c.
    pub base: f64,
    /// The number of patterns.
    pub patterns: f64,
}

/// Ramsauer's bound: patterns at random on a sphere of radius K sqrt(d - 1) in d dimensions are stored with probability
/// 1 - p, c = b / W0(exp(a + ln b)), a = 2 / (d - 1) (1 + ln(2 beta K^2 p (d - 1))), b = 2 K^2 beta / 5.
///
/// # Errors
/// `is_usage` for d below 2, numbers that are not positive, or p above 1.
/// # Source
/// Ramsauer et al. 2021, theorem 3; its printed examples are c = 3.1546 (d 20, beta 1, K 3, p 0.001) and 1.3718 (d 75, K 1).
pub fn storage_bound(width: usize, beta: f64, radius: f64, failure: f64) -> Result<StorageBound> {
    let positive = |x: f64| x > 0.0 && x.is_finite();
    if width < 2 || !(positive(beta) && positive(radius) && positive(failure) && failure <= 1.0) {
        return Err(Error::usage(format!(
            "storage bound: d {width}, beta {beta}, K {radius}, p {failure}; expected d >= 2, positive numbers, p <= 1"
        )));
    }
    let free = (width - 1) as f64;
    let a = 2.0 / free * (1.0 + (2.0 * beta * radius * radius * failure * free).ln());
    let b = 2.0 * radius * radius * beta / 5.0;
    let base = b / lambert((a + b.ln()).exp());
    Ok(StorageBound { base, patterns: failure.sqrt() * base.powf(free / 4.0) })
}

/// Random patterns of the mean length of those stored that a memory is sure to store with probability 1 - `failure`, at
/// least; `None` where the theorem of [`storage_bound`] says nothing: of other separators than softmax, and of fewer than two.
pub fn sure_patterns(memory: &Modern, failure: f64) -> Option<f64> {
    let width = memory.patterns().width();
    let mean = memory.patterns().patterns().map(norm).sum::<f64>() / memory.patterns().count() as f64;
    let radius = mean / (width as f64 - 1.0).sqrt();
    let bound = storage_bound(width, memory.beta(), radius, failure).ok()?;
    let says = bound.patterns.is_finite() && bound.patterns >= 2.0;
    (memory.simplex_map() == SimplexMap::Softmax && says).then_some(bound.patterns.floor())
}

/// The separation that Ramsauer's theorems ask of a pattern: 2 / (beta N) + ln(2 (N - 1) N beta M^2) / beta. From there on a
/// softmax memory has a fixed point near the pattern. Below 0, or minus infinity for a single pattern: nothing is asked.
///
/// # Source
/// Ramsauer et al. 2021, appendix, lemma A7; recalled, not checked against the text.
pub fn wanted_separation(count: usize, beta: f64, largest_norm: f64) -> f64 {
    let n = count as f64;
    2.0 / (beta * n) + (2.0 * (n - 1.0) * n * beta * largest_norm * largest_norm).ln() / beta
}

/// The beta from which on a pattern of this separation is separated well enough; `None` if it does not stand out at all.
///
/// For sparse separators the beta from which on the pattern is its own fixed point, exactly.
pub fn wanted_beta(memory: &Modern, separation: f64) -> Option<f64> {
    if !(separation > 0.0) {
        return None;
    }
    if separation == f64::INFINITY {
        return Some(0.0);
    }
    if let Some(margin) = memory.simplex_map().margin() {
        return Some(margin / separation);
    }
    let (count, largest) = (memory.patterns().count(), memory.patterns().largest_norm());
    let enough = |beta: f64| separation >= wanted_separation(count, beta, largest);
    // beta (separation - wanted) rises beyond beta = 1 / separation, and is positive at last.
    let mut high = 1.0 / separation;
    if enough(high) {
        return Some(high);
    }
    while !enough(high) {
        high *= 2.0;
    }
    let mut low = high / 2.0;
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if enough(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// Largest error of one softmax step from a query: 2 (N - 1) exp(-beta (Delta_i - 2 max(|xi - x_i|, |x_i* - x_i|) M)) M,
/// x_i* the fixed point near pattern i.
///
/// # Source
/// Ramsauer et al. 2021, theorem 4.
pub fn step_error_bound(memory: &Modern, separation: f64, farthest: f64) -> f64 {
    let largest = memory.patterns().largest_norm();
    let others = memory.patterns().count() as f64 - 1.0;
    2.0 * others * (-memory.beta() * (separation - 2.0 * farthest * largest)).exp() * largest
}

/// What a query became instead of the pattern that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is the pattern: nearly all weight lies on it.
    Retrieved,
    /// Another pattern has the weight: the query lay in its basin.
    AnotherPattern(usize),
    /// Another pattern has the weight, and with the pattern itself as the query some pattern scores as high or higher: no
    /// beta retrieves it as it is stored. Patterns of one length have no such.
    Outscored(usize),
    /// An average of these patterns, largest weight first: beta is too low to tell them apart.
    Metastable(Vec<usize>),
    /// An average of more than half of all.
    GlobalAverage,
    /// The steps were used up.
    NotSettled,
}

/// A reason with what speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// The reason.
    pub reason: Reason,
    /// |z - x_i|: how far from the pattern it ended.
    pub distance: f64,
    /// The nearest stored pattern.
    pub nearest: usize,
    /// Delta_i of the pattern that was asked for.
    pub separation: f64,
    /// The separation that the theorem asks for at this beta (softmax), or the margin over beta (sparse).
    pub wanted: f64,
    /// The beta that would do; `None` if the pattern does not stand out from the others at any.
    pub beta: Option<f64>,
}

/// Says why a descent did, or did not, end at pattern `wanted`.
///
/// # Errors
/// `is_shape` if there is no such pattern, or the outcome is another memory's.
pub fn diagnose(memory: &Modern, wanted: usize, outcome: &Outcome) -> Result<Diagnosis> {
    let patterns = memory.patterns();
    if wanted >= patterns.count()
        || outcome.weights.len() != patterns.count()
        || outcome.value.len() != patterns.width()
    {
        return Err(Error::shape(format!(
            "diagnose: pattern {wanted}, {} weights and {} features for a memory of {} patterns and {} features",
            outcome.weights.len(),
            outcome.value.len(),
            patterns.count(),
            patterns.width()
        )));
    }
    let own = patterns.scores(patterns.pattern(wanted));
    let other = (0..own.len()).filter(|&j| j != wanted).map(|j| own[j]).fold(f64::NEG_INFINITY, f64::max);
    let separation = own[wanted] - other;
    let set = members(&outcome.weights);
    let reason = match (outcome.verdict, set.as_slice()) {
        (Termination::OutOfSteps, _) => Reason::NotSettled,
        (_, [one]) if *one == wanted => Reason::Retrieved,
        (_, [other]) if separation <= 0.0 => Reason::Outscored(*other),
        (_, [other]) => Reason::AnotherPattern(*other),
        (_, set) if Regime::of(set.len(), patterns.count()) == Regime::GlobalAverage => Reason::GlobalAverage,
        _ => Reason::Metastable(set),
    };
    let distances: Vec<f64> = patterns.patterns().map(|x| distance(x, &outcome.value)).collect();
    let nearest = (0..distances.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b])).unwrap_or(0);
    let asked = match memory.simplex_map() {
        SimplexMap::Softmax => wanted_separation(patterns.count(), memory.beta(), patterns.largest_norm()),
        sparse => sparse.margin().unwrap_or(f64::INFINITY) / memory.beta(),
    };
    let beta = wanted_beta(memory, separation);
    Ok(Diagnosis { reason, distance: distances[wanted], nearest, separation, wanted: asked, beta })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::RealPatterns;
    use crate::random::Philox;
    use crate::settle::modern::{Iteration, descend};

    /// The two examples that the paper prints.
    #[test]
    fn the_bound_has_its_printed_values() {
        // Four decimals, cut off.
        let base = |width, radius| (storage_bound(width, 1.0, radius, 0.001).unwrap().base * 1e4).floor();
        assert_eq!((base(20, 3.0), base(75, 1.0)), (31546.0, 13718.0));
        for (width, beta, radius, failure) in
            [(1, 1.0, 1.0, 0.1), (5, 0.0, 1.0, 0.1), (5, 1.0, f64::NAN, 0.1), (5, 1.0, 1.0, 1.5)]
        {
            assert!(storage_bound(width, beta, radius, failure).unwrap_err().is_usage());
        }
    }

    fn sphere(count: usize, width: usize, radius: f64, seed: u64) -> RealPatterns {
        let mut random = Philox::new(seed, 0);
        let rows: Vec<Vec<f64>> = (0..count).map(|_| (0..width).map(|_| random.normal()).collect()).collect();
        let scaled = rows.iter().flat_map(|row| {
            let size = crate::pattern::real::norm(row);
            row.iter().map(move |x| x * radius / size)
        });
        RealPatterns::new(count, width, scaled.collect()).unwrap()
    }

    /// Well separated patterns have a fixed point near them, and one step from nearby errs less than the theorem says.
    #[test]
    fn one_step_errs_no_more_than_the_theorem_says() {
        let patterns = sphere(20, 30, 4.0, 1);
        let memory = Modern::new(patterns, 2.0, SimplexMap::Softmax).unwrap();
        let separations = memory.patterns().separations();
        let mut random = Philox::new(2, 0);
        let mut tried = 0;
        for (i, &separation) in separations.iter().enumerate() {
            let x = memory.patterns().pattern(i).to_vec();
            if separation < wanted_separation(20, 2.0, memory.patterns().largest_norm()) {
                continue;
            }
            let fixed = descend(&memory, &x, Iteration { tolerance: 1e-13, ..Iteration::default() }).unwrap();
            for size in [0.0, 0.05, 0.2] {
                let query: Vec<f64> = x.iter().map(|x| x + size * random.normal() / 30f64.sqrt()).collect();
                let farthest = distance(&query, &x).max(distance(&fixed.value, &x));
                let error = distance(&memory.step(&query), &fixed.value);
                let bound = step_error_bound(&memory, separation, farthest);
                assert!(error <= bound, "pattern {i}, {size}: {error} > {bound}");
                tried += 1;
            }
        }
        assert!(tried >= 30, "{tried}");
    }

    /// The beta that is advised is the least that meets the theorem, and at it the pattern is retrieved.
    #[test]
    fn the_advised_beta_is_enough_and_less_is_not() {
        let patterns = sphere(12, 6, 2.0, 3);
        for simplex_map in [SimplexMap::Softmax, SimplexMap::Sparsemax, SimplexMap::Entmax15] {
            let memory = Modern::new(patterns.clone(), 0.01, simplex_map).unwrap();
            for (i, separation) in memory.patterns().separations().into_iter().enumerate() {
                let beta = wanted_beta(&memory, separation).unwrap();
                if simplex_map == SimplexMap::Softmax && beta > 1.0 / separation {
                    let m = memory.patterns().largest_norm();
                    assert!(separation >= wanted_separation(12, beta, m));
                    assert!(separation < wanted_separation(12, beta * (1.0 - 1e-9), m));
                }
                let at = memory.at(beta * (1.0 + 1e-12)).unwrap();
                let outcome = descend(&at, memory.patterns().pattern(i), Iteration::default()).unwrap();
                assert_eq!(diagnose(&at, i, &outcome).unwrap().reason, Reason::Retrieved, "{simplex_map:?} {i}");
            }
        }
        let twins = RealPatterns::new(2, 1, vec![1.0, 1.0]).unwrap();
        assert_eq!(wanted_beta(&Modern::new(twins, 1.0, SimplexMap::Softmax).unwrap(), 0.0), None);
    }

    /// Random rows of lengths 0.2 to 1: the short ones are outscored by the long ones even by themselves, at any beta; all of
    /// one length, each is retrieved.
    #[test]
    fn short_patterns_are_outscored_until_all_have_one_length() {
        let (mut random, lengths) = (Philox::new(4, 0), [0.2, 0.4, 0.6, 0.8, 1.0, 0.9]);
        let rows: Vec<Vec<f64>> = lengths.iter().map(|s| (0..400).map(|_| s * random.uniform()).collect()).collect();
        let reasons = |rows: &[Vec<f64>], beta: f64| -> Vec<Reason> {
            let memory =
                Modern::new(RealPatterns::new(6, 400, rows.concat()).unwrap(), beta, SimplexMap::Softmax).unwrap();
            let reason = |i: usize| {
                let query: Vec<f64> = rows[i].iter().map(|x| x + 0.01).collect();
                diagnose(&memory, i, &descend(&memory, &query, Iteration::default()).unwrap()).unwrap()
            };
            (0..6)
                .map(|i| reason(i))
                .map(|d| {
                    assert_eq!(d.beta.is_none(), d.separation <= 0.0);
                    d.reason
                })
                .collect()
        };
        for beta in [100.0, 1e4] {
            let found = reasons(&rows, beta);
            assert_eq!(found[0], Reason::Outscored(4));
            assert_eq!(found[4], Reason::Retrieved);
            assert!(!found.iter().any(|reason| matches!(reason, Reason::AnotherPattern(_))), "{found:?}");
        }
        let scaled: Vec<Vec<f64>> =
            rows.iter().map(|row| row.iter().map(|x| x / crate::pattern::real::norm(row)).collect()).collect();
        assert_eq!(reasons(&scaled, 100.0), vec![Reason::Retrieved; 6]);
    }

    /// Nine orthogonal patterns, three of them nearly alike: each way to fail, by beta and by query.
    #[test]
    fn reasons_are_told_apart() {
        let mut numbers = vec![0.0; 9 * 9];
        for i in 0..9 {
            numbers[i * 9 + i] = if i < 3 { 0.3 } else { 3.0 };
            if i < 3 {
                (0..3).for_each(|k| numbers[i * 9 + k] += 2.5 / 3f64.sqrt());
            }
        }
        let patterns = RealPatterns::new(9, 9, numbers).unwrap();
        let diagnosis = |beta: f64, wanted: usize, start: &[f64], steps: usize| {
            let memory = Modern::new(patterns.clone(), beta, SimplexMap::Softmax).unwrap();
            let outcome = descend(&memory, start, Iteration { steps, ..Iteration::default() }).unwrap();
            diagnose(&memory, wanted, &outcome).unwrap()
        };
        let (near, far) = (patterns.pattern(0).to_vec(), patterns.pattern(5).to_vec());
        assert_eq!(diagnosis(2.0, 5, &far, 1000).reason, Reason::Retrieved);
        assert_eq!(diagnosis(2.0, 4, &far, 1000).reason, Reason::AnotherPattern(5));
        assert_eq!(diagnosis(2.0, 5, &far, 0).reason, Reason::NotSettled);
        assert_eq!(diagnosis(0.01, 5, &far, 1000).reason, Reason::GlobalAverage);
        let close = diagnosis(2.0, 0, &near, 1000);
        let Reason::Metastable(mut set) = close.reason.clone() else { panic!("{close:?}") };
        set.sort_unstable();
        assert_eq!(set, [0, 1, 2]);
        assert!(close.separation < close.wanted);
        let beta = close.beta.unwrap();
        assert!(beta > 2.0);
        assert_eq!(diagnosis(beta, 0, &near, 1000).reason, Reason::Retrieved);
    }
}
