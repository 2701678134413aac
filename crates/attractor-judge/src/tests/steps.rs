//! Steps of one input are no inputs of their own.

use attractor_record::Origin;

use super::{Bare, Maps, induction, noise, previous, random_ids, sink};
use crate::CheckId;
use crate::detect::{Detections, Options, detect};
use crate::report::Report;
use crate::{Config, judge};

const INPUTS: usize = 6;
const LENGTH: usize = 20;

/// Inputs with heads of several kinds; every input is there `steps` times, all inputs at a step together.
fn maps(steps: usize) -> Maps {
    let ids: Vec<Vec<u32>> = (0..INPUTS).map(|input| random_ids(LENGTH, 7, 40 + input as u64)).collect();
    let all: Vec<Vec<u32>> = (0..steps).flat_map(|_| ids.clone()).collect();
    let drawn = |entry: usize, salt: u64| (entry % INPUTS) as u64 + salt;
    let mut maps = Maps::causal(&all, 2)
        .head(0, previous)
        .head(0, |ids, i| noise(ids.len(), 0.8, drawn(i, 100), |_, _| 0.0))
        .head(1, induction)
        .head(1, |ids, _| sink(ids, 0.6));
    let belief = |layer: u64, entry: usize| -> Vec<f32> {
        let mut random = attractor::random::Philox::new(5 + layer, drawn(entry, 0));
        (0..LENGTH * 3).map(|_| random.normal() as f32).collect()
    };
    maps.beliefs = (0..2).map(|layer| (0..all.len()).map(|entry| belief(layer, entry)).collect()).collect();
    maps
}

fn with_steps(steps: usize) -> Maps {
    let origins = (0..steps as u64).flat_map(|step| (0..INPUTS).map(move |input| Origin::at(input, 10 * step + 3)));
    Maps { origins: origins.collect(), ..maps(steps) }
}

fn judged(maps: &Maps) -> Report {
    judge(maps, None, &Config::default()).unwrap()
}

fn detected(maps: &Maps) -> Detections {
    detect(maps, &Options { permutations: 999, resamples: 499, ..Options::default() }).unwrap()
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0) || (a.is_nan() && b.is_nan()),
        (a, b) => a.is_none() && b.is_none(),
    }
}

#[test]
fn a_source_with_one_step_is_judged_as_one_without() {
    let (without, one) = (maps(1), with_steps(1));
    assert_eq!(judged(&without).to_json(), judged(&one).to_json());
    assert_eq!(detected(&without).to_json(), detected(&one).to_json());
}

/// Two equal steps say what one says, and their mean is exact: no interval is narrower, no p smaller.
#[test]
fn steps_that_repeat_their_input_change_no_verdict() {
    let (alone, repeated) = (judged(&maps(1)), judged(&with_steps(2)));
    assert_eq!(alone.checks.len(), repeated.checks.len());
    assert!(alone.checks.iter().filter(|check| check.interval.is_some()).count() > 20, "there is something to compare");
    for (a, b) in alone.checks.iter().zip(&repeated.checks) {
        assert_eq!((&a.id, a.layer, a.head, a.verdict), (&b.id, b.layer, b.head, b.verdict), "{}\n{}", a.why, b.why);
        assert!(near(a.value, b.value) && near(a.null, b.null), "{} {:?} {:?}\n{}", a.id, a.layer, a.head, b.why);
        let ends = |check: &crate::Check| check.interval.as_ref().map(|i| (i.low, i.high)).unzip();
        let ((low, high), (other_low, other_high)) = (ends(a), ends(b));
        assert!(near(low, other_low) && near(high, other_high), "{}: {:?} {:?}", a.id, a.interval, b.interval);
    }
    assert_eq!((repeated.provenance.inputs, repeated.provenance.steps), (6, Some(12)));
}

#[test]
fn steps_that_repeat_their_input_make_no_head_more_significant() {
    for bare in [false, true] {
        let found = |maps: Maps| match bare {
            true => detect(&Bare(maps), &Options { permutations: 999, resamples: 499, ..Options::default() }).unwrap(),
            false => detected(&maps),
        };
        let (alone, repeated) = (found(maps(1)), found(with_steps(2)));
        assert!(alone.heads.iter().filter(|head| head.p.is_some()).count() > 8);
        for (a, b) in alone.heads.iter().zip(&repeated.heads) {
            let name = format!("{} {}", a.place(), a.detector.name());
            assert_eq!((a.verdict, &a.at, a.inputs), (b.verdict, &b.at, b.inputs), "{name}");
            assert!(near(a.score, b.score) && near(a.p, b.p) && near(a.q, b.q), "{name}: {a:?}\n{b:?}");
        }
    }
}

/// Five steps of one input are one observation: nothing can be tested across, and nothing is said of other inputs.
#[test]
fn one_input_of_five_steps_is_one_input() {
    let origins = (0..INPUTS as u64).map(|step| Origin::at(0, step)).collect();
    let report = judged(&Maps { origins, ..maps(1) });
    let content = report.checks.iter().find(|check| check.id == CheckId::PosContent).unwrap();
    assert!(content.value.is_none(), "steps are no other inputs: {}", content.why);
    let sharpness =
        report.checks.iter().find(|check| check.id == CheckId::HeadSharpness && check.head == Some(1)).unwrap();
    assert!(sharpness.value.is_some() && sharpness.interval.is_none());
    assert_eq!(sharpness.no_interval.as_deref(), Some("fewer than five inputs (1)"));
    let distinct = report.checks.iter().find(|check| check.id == CheckId::InputDistinct).unwrap();
    assert!(distinct.value.is_none(), "{}", distinct.why);
}
