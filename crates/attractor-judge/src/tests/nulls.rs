//! Attention that ignores its input is null under every corrected figure, at every length.

use super::*;
use crate::config::Config;
use crate::statistics::NoBootstrap;
use crate::{CheckId, Class, Scenario, Verdict, judge};

#[test]
fn causal_uniform_attention_is_null_at_every_length() {
    for n in [12, 32, 94, 128, 211] {
        let maps = Maps::causal(&[random_ids(n, 7, n as u64)], 1).head(0, uniform);
        let report = judge(&maps, None, &Config::default()).unwrap();
        let value = |id: CheckId| report.of_head(id, 0, 0).unwrap().value.unwrap();
        let near = |id: CheckId, expected: f64, tolerance: f64| {
            let got = value(id);
            assert!((got - expected).abs() <= tolerance, "N {n}: {id} = {got}, expected {expected}");
        };
        near(CheckId::HeadSharpness, 0.0, 1e-6);
        near(CheckId::BaseUniform, 0.0, 1e-6);
        near(CheckId::PosLocal, 1.0, 1e-5);
        near(CheckId::QueryVariation, 0.0, 1e-9);
        near(CheckId::TokFirst, 1.0, 1e-5);
        near(CheckId::TokRepeat, 0.0, 1e-5);
        let entropy = report.of_model(CheckId::BaseEntropy).unwrap().value.unwrap();
        assert!((entropy - 1.0).abs() < 1e-6);
        // The far keys are as enriched as the near ones.
        assert!(report.of_head(CheckId::PosLocal, 0, 0).unwrap().effect.unwrap().abs() < 1e-5);
        assert_eq!(report.heads[0].class, Some(Class::Uniform));
        assert!(report.heads[0].kinds.is_empty(), "{:?}", report.heads[0].kinds);
        assert_eq!(report.conclusion.scenario, Scenario::TrulyUniform);
        assert!(report.is_ok());
        // Mantel has nothing to correlate and says so.
        assert_eq!(report.of_model(CheckId::DivMantel).unwrap().verdict, Verdict::Skipped);
    }
}

#[test]
fn bidirectional_uniform_attention_is_null_on_both_sides() {
    let n = 41;
    let full = |ids: &[u32], _| super::uniform_map(&Mask::full(), ids.len());
    let maps = Maps::causal(&[random_ids(n, 5, 1)], 1).bidirectional().head(0, full);
    let report = judge(&maps, None, &Config::default()).unwrap();
    let value = |id: CheckId| report.of_head(id, 0, 0).unwrap().value.unwrap();
    assert!((value(CheckId::PosLocal) - 1.0).abs() < 1e-5 && value(CheckId::TokRepeat).abs() < 1e-5);
    assert_eq!(report.of_model(CheckId::MaskCausal).unwrap().verdict, Verdict::Skipped);
    assert_eq!(report.of_model(CheckId::MaskSupport).unwrap().verdict, Verdict::Pass);
}

#[test]
fn padding_is_no_key_and_changes_no_figure() {
    let n = 23;
    let mask = Mask { hidden: (0..n).map(|j| j >= 19).collect(), ..Mask::full() };
    let map = super::uniform_map(&mask, n);
    let mut maps = Maps::causal(&[random_ids(n, 5, 1)], 1).bidirectional().head(0, move |_, _| map.clone());
    maps.mask = mask;
    let report = judge(&maps, None, &Config::default()).unwrap();
    let value = |id: CheckId| report.of_head(id, 0, 0).unwrap().value.unwrap();
    assert!(value(CheckId::BaseUniform).abs() < 1e-6 && (value(CheckId::PosLocal) - 1.0).abs() < 1e-5);
    assert!(report.of_model(CheckId::MaskSupport).unwrap().value.unwrap() == 0.0);
}

#[test]
fn one_input_has_no_interval_and_says_why() {
    let maps = Maps::causal(&[random_ids(40, 7, 1)], 1).head(0, |ids, _| noise(ids.len(), 1.0, 5, |_, _| 0.0));
    let report = judge(&maps, None, &Config::default()).unwrap();
    let check = report.of_head(CheckId::BaseUniform, 0, 0).unwrap();
    assert!(check.interval.is_none() && check.why.contains(&NoBootstrap::FewInputs.to_string()), "{}", check.why);
    for id in [CheckId::PosContent, CheckId::QueryContent] {
        let check = report.of_model(id).unwrap();
        assert_eq!(check.verdict, Verdict::Skipped);
        assert!(check.why.starts_with("one input"), "{}", check.why);
    }
    // Every one of the nine groups has an entry, and groups 8 and 9 say that they need the model.
    let numbers: Vec<u8> = report.groups.iter().map(|g| g.number).collect();
    assert_eq!(numbers, (1..=9).collect::<Vec<u8>>());
    assert!(report.groups[7].why.contains("needs the model") && report.groups[8].why.contains("needs the model"));
    assert!((1..=9).all(|g| report.checks.iter().any(|c| c.group == g)));
    assert!(report.checks.windows(2).all(|w| w[0].group <= w[1].group));
}

/// With six inputs a head that is nearly uniform everywhere is shown to be so; one at the margin stays undecided.
#[test]
fn uniform_is_said_by_equivalence_only() {
    let ids: Vec<Vec<u32>> = (0..6).map(|s| random_ids(48, 9, s)).collect();
    let maps = Maps::causal(&ids, 1)
        .head(0, |ids, input| noise(ids.len(), 0.1, input as u64, |_, _| 0.0))
        .head(0, |ids, input| noise(ids.len(), 0.1 + 0.1 * input as f64, input as u64, |_, _| 0.0));
    let report = judge(&maps, None, &Config::default()).unwrap();
    let check = |head| report.of_head(CheckId::BaseUniform, 0, head).unwrap();
    assert!(check(0).why.starts_with("equivalent to uniform"), "{}", check(0).why);
    assert!(check(0).interval.as_ref().unwrap().high < 0.02);
    assert!(check(1).why.starts_with("undecided"), "{:?}", check(1));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let ids: Vec<Vec<u32>> = (0..6).map(|s| random_ids(30, 6, s)).collect();
    let mut maps = Maps::causal(&ids, 2);
    for head in 0..5 {
        maps = maps.head(head % 2, move |ids, input| noise(ids.len(), 1.0, (head * 10 + input) as u64, |_, _| 0.0));
    }
    maps.beliefs =
        vec![ids.iter().map(|ids| ids.iter().flat_map(|&t| [t as f32, 1.0, (t * t) as f32]).collect()).collect(); 2];
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| judge(&maps, None, &Config::default()).unwrap().to_json())
    };
    assert_eq!(with(1), with(3));
}
