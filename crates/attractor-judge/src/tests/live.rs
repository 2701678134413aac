//! What a live model contributes: probes, gradients, ablations, perplexity.

use attractor_capture::evidence::{
    Ablation, AblationMode, CausalityProbe, Evidence, FiniteDifference, Gradients, HeadGradient, LossKind,
    ParameterGroup, Scope,
};

use super::*;
use crate::config::Config;
use crate::{Report, Scenario, Verdict, judge};

fn text() -> Maps {
    let ids: Vec<Vec<u32>> = (0..6).map(|s| random_ids(40, 9, s)).collect();
    Maps::causal(&ids, 1).head(0, previous).head(0, uniform)
}

fn evidence() -> Evidence {
    let base = [1.9, 2.0, 2.1, 1.8, 2.2, 2.0];
    let rise = |by: [f64; 6]| base.iter().zip(by).map(|(b, r)| Some(b + r)).collect::<Vec<_>>();
    let head =
        |head: usize, norm: f64| HeadGradient { layer: 0, head, norms: vec![norm; 6], importance: vec![norm / 2.0; 6] };
    let group = |name: &str, attention, norm| ParameterGroup { name: name.into(), attention, parameters: 100, norm };
    Evidence {
        loss: LossKind::NextToken,
        losses: base.to_vec(),
        predictions: vec![39; 6],
        probes: vec![CausalityProbe { input: 0, position: 9, past_change: 0.0, future_change: 0.4 }],
        gradients: Some(Gradients {
            loss: LossKind::NextToken,
            heads: vec![head(0, 0.3), head(1, 0.1)],
            groups: vec![group("L0.attention.query", true, 3.0), group("embedding", false, 4.0)],
            finite_difference: FiniteDifference { analytic: 0.5, numeric: 0.5005, step: 1e-3 },
        }),
        ablations: vec![
            Ablation { scope: Scope::Head { layer: 0, head: 1 }, mode: AblationMode::Uniform, losses: rise([0.0; 6]) },
            Ablation {
                scope: Scope::Whole,
                mode: AblationMode::Uniform,
                losses: rise([0.2, 0.3, 0.25, 0.1, 0.4, 0.25]),
            },
            Ablation {
                scope: Scope::Head { layer: 0, head: 0 },
                mode: AblationMode::Uniform,
                losses: rise([0.2, 0.3, 0.25, 0.1, 0.4, 0.25]),
            },
            Ablation { scope: Scope::Whole, mode: AblationMode::Local, losses: rise([-0.1; 6]) },
            Ablation { scope: Scope::Whole, mode: AblationMode::MeanMap, losses: vec![None; 6] },
        ],
        ablation_loss: LossKind::NextToken,
    }
}

fn report(evidence: &Evidence) -> Report {
    judge(&text(), Some(evidence), &Config::default()).unwrap()
}

#[test]
fn an_ablation_that_costs_is_told_from_one_that_does_not() {
    let report = report(&evidence());
    let whole = report.of_model("abl.uniform").unwrap();
    assert_eq!(whole.verdict, Verdict::Pass, "{}", whole.why);
    assert!((whole.value.unwrap() - 0.25).abs() < 1e-12 && (whole.effect.unwrap() - 0.25f64.exp_m1()).abs() < 1e-12);
    let interval = whole.interval.as_ref().unwrap();
    assert!(interval.low > 0.1 && interval.high < 0.4);
    // All six differences are positive: one of 64 sign patterns.
    assert!(whole.why.contains("p = 0.0156 (exact)"), "{}", whole.why);
    assert_eq!(report.of_head("abl.uniform", 0, 0).unwrap().verdict, Verdict::Pass);
    assert_eq!(report.of_head("abl.uniform", 0, 1).unwrap().verdict, Verdict::Warn);
    let local = report.of_model("abl.local").unwrap();
    assert!(local.verdict == Verdict::Warn && local.why.contains("better than what was learned"));
    let mean_map = report.of_model("abl.mean-map").unwrap();
    assert!(mean_map.verdict == Verdict::Skipped && mean_map.why.contains("no other input of its length"));
    assert_eq!(report.conclusion.scenario, Scenario::SharpAndMatters);
}

#[test]
fn a_harmless_ablation_makes_structure_without_effect() {
    let mut evidence = evidence();
    evidence.ablations[1].losses = evidence.losses.iter().map(|l| Some(l + 0.001)).collect();
    assert_eq!(report(&evidence).conclusion.scenario, Scenario::SharpWithoutEffect);
}

#[test]
fn perplexity_stands_beside_counting() {
    let report = report(&evidence());
    let check = report.of_model("loss.perplexity").unwrap();
    assert!((check.value.unwrap() - 2f64.exp()).abs() < 1e-9);
    let texts: Vec<Vec<u32>> = (0..6).map(|s| random_ids(40, 9, s)).collect();
    // Nine equally likely tokens: unigram perplexity close to nine; the model's 7.39 is better.
    assert!((check.null.unwrap() - 9.0).abs() < 0.7, "{check:?} {}", texts.len());
    assert_eq!(check.verdict, Verdict::Pass);
    let mut worse = evidence();
    worse.losses.iter_mut().for_each(|l| *l += 1.0);
    let report = self::report(&worse);
    assert_eq!(report.of_model("loss.perplexity").unwrap().verdict, Verdict::Warn);
    assert!(report.conclusion.action.contains("no better than counting"));
}

#[test]
fn gradients_are_counted_compared_and_missed_by_name() {
    let good = report(&evidence());
    for id in ["grad.flow", "grad.finite", "grad.parameters"] {
        assert_eq!(good.of_model(id).unwrap().verdict, Verdict::Pass, "{id}");
    }
    let share = good.of_model("grad.parameters").unwrap();
    assert_eq!((share.value, share.effect), (Some(100.0), Some(9.0 / 25.0)));
    let mut evidence = evidence();
    let gradients = evidence.gradients.as_mut().unwrap();
    gradients.heads[1].norms[3] = 0.0;
    gradients.finite_difference.numeric = -0.5;
    gradients.groups[0].norm = 0.0;
    let bad = report(&evidence);
    for (id, part) in [("grad.flow", "L0H1"), ("grad.finite", "central"), ("grad.parameters", "L0.attention.query")] {
        let check = bad.of_model(id).unwrap();
        assert!(check.verdict == Verdict::Warn && check.why.contains(part), "{id}: {}", check.why);
    }
    assert_eq!(bad.of_head("grad.flow", 0, 0).unwrap().verdict, Verdict::Pass);
    evidence.gradients = None;
    assert_eq!(report(&evidence).of_model("grad.flow").unwrap().why, "gradients were not taken");
}

#[test]
fn a_token_that_moves_the_past_is_a_failure() {
    let mut evidence = evidence();
    evidence.probes.push(CausalityProbe { input: 2, position: 5, past_change: 0.02, future_change: 0.4 });
    let bad = report(&evidence);
    let check = bad.of_model("mask.probe").unwrap();
    assert!(check.verdict == Verdict::Fail && check.why.contains("input 2, position 5"), "{}", check.why);
    assert_eq!(bad.conclusion.scenario, Scenario::Broken);
    evidence.probes = vec![CausalityProbe { input: 0, position: 9, past_change: 0.0, future_change: 0.0 }];
    let idle = report(&evidence);
    assert_eq!(idle.of_model("mask.probe").unwrap().verdict, Verdict::Warn);
    evidence.probes[0].past_change = f64::NAN;
    assert_eq!(report(&evidence).of_model("mask.probe").unwrap().verdict, Verdict::Fail);
}

/// A bare encoder: no loss; the gradient is of a random projection, the ablation's figure is a relative change.
#[test]
fn an_encoder_says_what_stands_in_for_its_loss() {
    let mut evidence = evidence();
    evidence.loss = LossKind::RelativeChange;
    evidence.ablation_loss = LossKind::RelativeChange;
    evidence.losses = vec![];
    evidence.predictions = vec![];
    evidence.probes = vec![];
    evidence.gradients.as_mut().unwrap().loss = LossKind::RandomProjection;
    evidence.ablations = vec![
        Ablation { scope: Scope::Whole, mode: AblationMode::Uniform, losses: vec![Some(0.3); 6] },
        Ablation { scope: Scope::Whole, mode: AblationMode::Zero, losses: vec![Some(0.001); 6] },
    ];
    let n = 40;
    let full = move |_: &[u32], _: usize| vec![1.0 / n as f32; n * n];
    let maps = Maps::causal(&(0..6).map(|s| random_ids(n, 9, s)).collect::<Vec<_>>(), 1).bidirectional().head(0, full);
    let report = judge(&maps, Some(&evidence), &Config::default()).unwrap();
    assert!(report.of_model("grad.flow").unwrap().why.contains("random projection"));
    let uniform = report.of_model("abl.uniform").unwrap();
    assert!(uniform.verdict == Verdict::Pass && uniform.why.contains("30.0 %"), "{}", uniform.why);
    assert_eq!(report.of_model("abl.zero").unwrap().verdict, Verdict::Warn);
    assert!(report.of_model("loss.perplexity").unwrap().why.contains("language models"));
}

#[test]
fn losses_that_do_not_pair_are_not_compared() {
    let mut evidence = evidence();
    evidence.ablations[1].losses.pop();
    let check = report(&evidence).of_model("abl.uniform").unwrap().clone();
    assert!(check.verdict == Verdict::Skipped && check.why.contains("5 ablated losses for 6"), "{}", check.why);
}
