//! How often attention that knows nothing of its tokens is said to.
//!
//! 240 trials a test at level 0.05: the standard error of the rate is sqrt(0.05 x 0.95 / 240) = 0.0141; accepted is
//! 0.05 +- 4 standard errors, so below 0.106.
//!
//! | test                  | attention                          | null                          | rate   |
//! |-----------------------|------------------------------------|-------------------------------|--------|
//! | near keys             | noise, one input                   | within-row, exact moments     | 0.0458 |
//! | repetition            | noise, one input                   | labels permuted by offset     | 0.0542 |
//! | repetition            | local head with a sink, one input  | labels permuted by offset     | 0.0417 |
//! | repetition            | local head with a sink, five       | mismatched pairing            | 0.0292 |
//! | diversity correlation | noise, unrelated beliefs           | Mantel                        | 0.0375 |
//!
//! The detectors, ten inputs each; none of their heads is found in any trial:
//!
//! | detector   | noise  | local head with a sink | the same, one input |
//! |------------|--------|------------------------|---------------------|
//! | previous   | 0.0500 |                        |                     |
//! | current    | 0.0417 |                        |                     |
//! | first      | 0.0667 |                        |                     |
//! | duplicate  | 0.0375 | 0.0250                 | 0.0417              |
//! | induction  | 0.0583 | 0.0458                 | 0.0542              |
//! | positional | 0.0417 |                        |                     |
//! | sink       | 0.0708 |                        |                     |
//! | delimiter  | 0.0375 | 0.0625                 | 0.0127              |

use super::*;
use crate::config::{Config, Key};
use crate::detect::{Detector, Finding, Options, detect};
use crate::measure::{HeadMeasure, Plan, tasks};
use crate::statistics::permutation::upper_p;
use crate::statistics::rank::{mantel_null, standard_ranks};

const TRIALS: u64 = 240;
const STANDARD_ERROR: f64 = 0.0141;

fn config() -> Config {
    let mut config = Config::default();
    config.set(Key::Permutations, 199.0, "test").unwrap();
    config
}

fn measured(maps: &Maps, config: &Config) -> Vec<HeadMeasure> {
    let plan = Plan::new(maps, config).unwrap();
    tasks(maps).into_iter().map(|task| plan.head(maps, task, vec![(); maps.inputs()], &[]).unwrap().0).collect()
}

/// Share of trials in which the p-value of repetition is at most 0.05.
fn rate(inputs: usize, map: impl Fn(usize, u64) -> Vec<f32> + Copy) -> f64 {
    let mut hits = 0;
    for trial in 0..TRIALS {
        let ids: Vec<Vec<u32>> = (0..inputs as u64).map(|s| random_ids(36, 8, trial * 100 + s)).collect();
        let maps = Maps::causal(&ids, 1).head(0, |ids, input| map(ids.len(), trial * 1000 + input as u64));
        let mut config = config();
        config.seed = trial;
        let heads = measured(&maps, &config);
        hits += usize::from(heads[0].repeat_null.as_ref().unwrap().p() <= 0.05);
    }
    hits as f64 / TRIALS as f64
}

fn accept(what: &str, rate: f64) {
    println!("false-alarm rate of {what}: {rate:.4}");
    assert!((rate - 0.05).abs() < 4.0 * STANDARD_ERROR, "{what}: {rate}");
}

#[test]
fn noise_raises_no_alarm_on_one_input() {
    accept("repetition, noise, one input", rate(1, |n, seed| noise(n, 1.0, seed, |_, _| 0.0)));
}

/// A sharp local head with a sink: everything that a token test must not take for content.
#[test]
fn locality_and_sinks_raise_no_alarm() {
    let local = |n: usize, seed: u64| noise(n, 0.7, seed, |i, j| if j == 0 { 3.0 } else { -0.4 * (i - j) as f64 });
    accept("repetition, local head with a sink, one input", rate(1, local));
    accept("repetition, local head with a sink, mismatched pairing of five", rate(5, local));
}

#[test]
fn noise_is_not_local() {
    let mut hits = 0;
    for trial in 0..TRIALS {
        let maps =
            Maps::causal(&[random_ids(36, 8, trial)], 1).head(0, |ids, _| noise(ids.len(), 1.5, trial, |_, _| 0.0));
        let heads = measured(&maps, &config());
        hits += usize::from(heads[0].inputs[0].near_p.unwrap() <= 0.05);
    }
    accept("near keys, noise", hits as f64 / TRIALS as f64);
}

/// Beliefs and rows drawn apart from each other.
#[test]
fn unrelated_beliefs_are_not_correlated() {
    let n = 24;
    let mut hits = 0;
    for trial in 0..TRIALS {
        let maps = Maps::causal(&[random_ids(n, 8, trial)], 1).head(0, |_, _| noise(n, 1.0, trial, |_, _| 0.0));
        let plan = Plan::new(&maps, &config()).unwrap();
        let heads = measured(&maps, &config());
        let rows = plan.geometry[0][0].chosen.len();
        let mut random = Philox::new(trial, 5);
        let points: Vec<f64> = (0..rows).map(|_| random.normal()).collect();
        let distances: Vec<f64> =
            (1..rows).flat_map(|a| (0..a).map(move |b| (a, b))).map(|(a, b)| (points[a] - points[b]).abs()).collect();
        let attention: Vec<f64> = heads[0].row_divergence[0].iter().map(|&d| f64::from(d)).collect();
        let (a, b) = (standard_ranks(&distances).unwrap(), standard_ranks(&attention).unwrap());
        let null: Vec<f64> = mantel_null(&a, &[&b], rows, trial, 1, 199).into_iter().map(|v| v[0]).collect();
        hits += usize::from(upper_p(crate::statistics::rank::dot(&a, &b), &null) <= 0.05);
    }
    accept("Mantel, unrelated beliefs", hits as f64 / TRIALS as f64);
}

/// Share of trials in which each detector's p-value is at most 0.05, for a head that knows nothing of its tokens. No head may
/// be found, not even one that would be if the permutations were more.
fn detector_rates(inputs: usize, detectors: &[Detector], map: impl Fn(usize, u64) -> Vec<f32> + Copy) -> Vec<f64> {
    let mut hits = vec![(0usize, 0usize); detectors.len()];
    for trial in 0..TRIALS {
        let ids: Vec<Vec<u32>> = (0..inputs as u64).map(|s| random_ids(36, 8, trial * 100 + s)).collect();
        let mut maps = Maps::causal(&ids, 1).head(0, |ids, input| map(ids.len(), trial * 1000 + input as u64));
        for token in maps.tokens.iter_mut().flatten().filter(|token| token.id == 0) {
            token.role = Role::Punctuation;
        }
        let detectors = detectors.to_vec();
        let options = Options { detectors, permutations: 199, resamples: 199, seed: trial, ..Options::default() };
        let detections = detect(&maps, &options).unwrap();
        for (hit, own) in hits.iter_mut().zip(&detections.heads) {
            assert!(!matches!(own.verdict, Finding::Found | Finding::NotResolvable), "trial {trial}: {own:?}");
            // In one short input the labels may fill the distances at which they stand; then there is no p.
            hit.0 += usize::from(own.p.is_some_and(|p| p <= 0.05));
            hit.1 += usize::from(own.p.is_some());
        }
    }
    assert!(hits.iter().all(|&(_, tested)| tested as u64 * 10 >= TRIALS * 9), "{hits:?}");
    hits.into_iter().map(|(small, tested)| small as f64 / tested as f64).collect()
}

#[test]
fn detectors_raise_no_alarm_on_noise() {
    let rates = detector_rates(10, &Detector::ALL, |n, seed| noise(n, 1.0, seed, |_, _| 0.0));
    for (detector, rate) in Detector::ALL.into_iter().zip(rates) {
        accept(&format!("detector {}, noise, ten inputs", detector.name()), rate);
    }
}

/// A local head with a sink: its positions are no alarm, and must not be taken for content.
#[test]
fn detectors_of_content_raise_no_alarm_on_locality_and_sinks() {
    let local = |n: usize, seed: u64| noise(n, 0.7, seed, |i, j| if j == 0 { 3.0 } else { -0.4 * (i - j) as f64 });
    let content = [Detector::Duplicate, Detector::Induction, Detector::Delimiter];
    for (inputs, words) in [(10, "ten inputs"), (1, "one input")] {
        for (detector, rate) in content.into_iter().zip(detector_rates(inputs, &content, local)) {
            accept(&format!("detector {}, local head with a sink, {words}", detector.name()), rate);
        }
    }
}
