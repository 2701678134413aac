//! What a live model contributes: probes, gradients, ablations, perplexity.

use attractor_record::evidence::Unpredictable;
use attractor_record::evidence::{
    Ablation, AblationMode, CausalityProbe, Evidence, FiniteDifference, Gradients, HeadGradient, LossKind, NoLoss,
    ParameterGroup, Scope,
};

use super::*;
use crate::config::Config;
use crate::{Check, CheckId, Report, Scenario, Verdict, judge};

pub(super) fn text() -> Maps {
    let ids: Vec<Vec<u32>> = (0..6).map(|s| random_ids(40, 9, s)).collect();
    Maps::causal(&ids, 1).head(0, previous).head(0, uniform)
}

pub(super) fn evidence() -> Evidence {
    let base = [1.9, 2.0, 2.1, 1.8, 2.2, 2.0];
    let rise = |by: [f64; 6]| base.iter().zip(by).map(|(b, r)| Some(b + r)).collect::<Vec<_>>();
    let head =
        |head: usize, norm: f64| HeadGradient { layer: 0, head, norms: vec![norm; 6], importance: vec![norm / 2.0; 6] };
    let group = |name: &str, attention, norm| ParameterGroup { name: name.into(), attention, parameters: 100, norm };
    Evidence {
        schema_version: attractor_record::evidence::SCHEMA_VERSION,
        loss: LossKind::NextToken,
        no_loss: None,
        left_out: vec![],
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
            Ablation::new(Scope::Head { layer: 0, head: 1 }, AblationMode::Uniform, rise([0.0; 6])),
            Ablation::new(Scope::Whole, AblationMode::Uniform, rise([0.2, 0.3, 0.25, 0.1, 0.4, 0.25])),
            Ablation::new(
                Scope::Head { layer: 0, head: 0 },
                AblationMode::Uniform,
                rise([0.2, 0.3, 0.25, 0.1, 0.4, 0.25]),
            ),
            Ablation::new(Scope::Whole, AblationMode::Local, rise([-0.1; 6])),
            Ablation::new(Scope::Whole, AblationMode::MeanMap, vec![None; 6]),
        ],
        ablation_loss: LossKind::NextToken,
        ablation_base: base.to_vec(),
        spent: None,
        cut: None,
    }
}

fn report(evidence: &Evidence) -> Report {
    judge(&text(), Some(evidence), &Config::default()).unwrap()
}

#[test]
fn an_ablation_that_costs_is_told_from_one_that_does_not() {
    let report = report(&evidence());
    let whole = report.of_model(CheckId::AblUniform).unwrap();
    assert_eq!(whole.verdict, Verdict::Pass, "{}", whole.why);
    assert!((whole.value.unwrap() - 0.25).abs() < 1e-12 && (whole.effect.unwrap() - 0.25f64.exp_m1()).abs() < 1e-12);
    let interval = whole.interval.as_ref().unwrap();
    assert!(interval.low > 0.1 && interval.high < 0.4);
    // All six differences are positive: one of 64 sign patterns.
    assert!(whole.why.contains("p = 0.0156 (exact)"), "{}", whole.why);
    assert_eq!(report.of_head(CheckId::AblUniform, 0, 0).unwrap().verdict, Verdict::Pass);
    assert_eq!(report.of_head(CheckId::AblUniform, 0, 1).unwrap().verdict, Verdict::Warn);
    let local = report.of_model(CheckId::AblLocal).unwrap();
    assert!(local.verdict == Verdict::Warn && local.why.contains("better than the learned attention"));
    let mean_map = report.of_model(CheckId::AblMeanMap).unwrap();
    assert!(mean_map.verdict == Verdict::Skipped && mean_map.why.contains("no other input of the same length"));
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
    let check = report.of_model(CheckId::LossPerplexity).unwrap();
    assert!((check.value.unwrap() - 2f64.exp()).abs() < 1e-9);
    let texts: Vec<Vec<u32>> = (0..6).map(|s| random_ids(40, 9, s)).collect();
    // Nine equally likely tokens: unigram perplexity close to nine; the model's 7.39 is better.
    assert!((check.null.unwrap() - 9.0).abs() < 0.7, "{check:?} {}", texts.len());
    assert_eq!(check.verdict, Verdict::Pass);
    let mut worse = evidence();
    worse.losses.iter_mut().for_each(|l| *l += 1.0);
    let report = self::report(&worse);
    assert_eq!(report.of_model(CheckId::LossPerplexity).unwrap().verdict, Verdict::Warn);
    assert!(report.conclusion.action.contains("no better than that of a unigram model"));
}

#[test]
fn gradients_are_counted_compared_and_missed_by_name() {
    let good = report(&evidence());
    for id in [CheckId::GradFlow, CheckId::GradFinite, CheckId::GradParameters] {
        assert_eq!(good.of_model(id).unwrap().verdict, Verdict::Pass, "{id}");
    }
    let share = good.of_model(CheckId::GradParameters).unwrap();
    assert_eq!((share.value, share.effect), (Some(100.0), Some(9.0 / 25.0)));
    let mut evidence = evidence();
    let gradients = evidence.gradients.as_mut().unwrap();
    gradients.heads[1].norms[3] = 0.0;
    gradients.finite_difference.numeric = -0.5;
    gradients.groups[0].norm = 0.0;
    let bad = report(&evidence);
    for (id, part) in
        [(CheckId::GradFlow, "L0H1"), (CheckId::GradFinite, "central"), (CheckId::GradParameters, "L0.attention.query")]
    {
        let check = bad.of_model(id).unwrap();
        assert!(check.verdict == Verdict::Warn && check.why.contains(part), "{id}: {}", check.why);
    }
    assert_eq!(bad.of_head(CheckId::GradFlow, 0, 0).unwrap().verdict, Verdict::Pass);
    evidence.gradients = None;
    assert_eq!(report(&evidence).of_model(CheckId::GradFlow).unwrap().why, "gradients were not taken");
}

#[test]
fn a_token_that_moves_the_past_is_a_failure() {
    let mut evidence = evidence();
    evidence.probes.push(CausalityProbe { input: 2, position: 5, past_change: 0.02, future_change: 0.4 });
    let bad = report(&evidence);
    let check = bad.of_model(CheckId::MaskProbe).unwrap();
    assert!(check.verdict == Verdict::Fail && check.why.contains("input 2, position 5"), "{}", check.why);
    assert_eq!(bad.conclusion.scenario, Scenario::Broken);
    evidence.probes = vec![CausalityProbe { input: 0, position: 9, past_change: 0.0, future_change: 0.0 }];
    let idle = report(&evidence);
    assert_eq!(idle.of_model(CheckId::MaskProbe).unwrap().verdict, Verdict::Warn);
    evidence.probes[0].past_change = f64::NAN;
    assert_eq!(report(&evidence).of_model(CheckId::MaskProbe).unwrap().verdict, Verdict::Fail);
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
    evidence.no_loss = Some(NoLoss::MaskTokenUnknown);
    evidence.gradients.as_mut().unwrap().loss = LossKind::RandomProjection;
    evidence.ablations = vec![
        Ablation::new(Scope::Whole, AblationMode::Uniform, vec![Some(0.3); 6]),
        Ablation::new(Scope::Whole, AblationMode::Zero, vec![Some(0.001); 6]),
    ];
    let n = 40;
    let full = move |_: &[u32], _: usize| vec![1.0 / n as f32; n * n];
    let maps = Maps::causal(&(0..6).map(|s| random_ids(n, 9, s)).collect::<Vec<_>>(), 1).bidirectional().head(0, full);
    let report = judge(&maps, Some(&evidence), &Config::default()).unwrap();
    let flow = &report.of_model(CheckId::GradFlow).unwrap().why;
    assert!(flow.contains("random projection") && flow.contains("mask token is not known"), "{flow}");
    let uniform = report.of_model(CheckId::AblUniform).unwrap();
    assert!(uniform.verdict == Verdict::Pass && uniform.why.contains("30.0 %"), "{}", uniform.why);
    assert_eq!(report.of_model(CheckId::AblZero).unwrap().verdict, Verdict::Warn);
    assert!(report.of_model(CheckId::LossPerplexity).unwrap().why.contains("language models"));
}

#[test]
fn every_figure_has_an_interval_or_says_why_not() {
    let evidence = evidence();
    let one = judge(&Maps::causal(&[random_ids(40, 9, 1)], 1).head(0, previous), None, &Config::default()).unwrap();
    for (report, few) in [(report(&evidence), false), (one, true)] {
        let figures: Vec<&Check> =
            report.checks.iter().filter(|c| c.value.is_some() && c.verdict != Verdict::Skipped).collect();
        assert!(figures.len() > 10);
        for check in figures {
            assert!(check.interval.is_some() != check.no_interval.is_some(), "{check:?}");
            assert!(!few || check.interval.is_none(), "{check:?}");
        }
        let near = report.of_model(CheckId::PosLocal).unwrap();
        assert_eq!(near.no_interval.as_deref().is_some_and(|why| why.contains("fewer than five")), few, "{near:?}");
    }
    // All inputs have 39 predictions: exp of the interval of the mean loss.
    let perplexity = report(&evidence).of_model(CheckId::LossPerplexity).unwrap().clone();
    let interval = perplexity.interval.unwrap();
    assert!(interval.low < 2.0f64.exp() && 2.0f64.exp() < interval.high && interval.low > 1.8f64.exp(), "{interval:?}");
    let mut uneven = evidence;
    uneven.predictions[0] = 7;
    let perplexity = report(&uneven).of_model(CheckId::LossPerplexity).unwrap().clone();
    assert!(perplexity.no_interval.unwrap().contains("number of predictions") && perplexity.interval.is_none());
}

#[test]
fn what_is_only_reported_is_not_counted() {
    let report = report(&evidence());
    let sinks = report.of_model(CheckId::SinkRate).unwrap();
    assert!(!sinks.judged && sinks.verdict == Verdict::Pass);
    let of_model = report.checks.iter().filter(|c| c.is_of_model());
    let counted = of_model.clone().filter(|c| c.judged && c.verdict != Verdict::Skipped).count();
    let read = of_model.filter(|c| !c.judged && c.verdict != Verdict::Skipped).count();
    assert_eq!((report.summary.tested, report.summary.reported), (counted, read));
    assert!(read > 0);
}

#[test]
fn inputs_without_a_prediction_leave_groups_8_and_9_skipped_by_reason() {
    let mut evidence = evidence();
    evidence.left_out = vec![(2, Unpredictable::Short { tokens: 1 })];
    let some = report(&evidence);
    assert!(some.of_model(CheckId::GradFlow).unwrap().why.contains("input 2 is left out: 1 token"));
    assert!(some.of_model(CheckId::LossPerplexity).unwrap().why.contains("input 2 is left out"));
    (evidence.losses, evidence.predictions, evidence.ablations) = (vec![], vec![], vec![]);
    evidence.gradients = None;
    let none = report(&evidence);
    for id in [CheckId::GradFlow, CheckId::LossPerplexity, CheckId::AblUniform] {
        let check = none.of_model(id).unwrap();
        assert!(check.verdict == Verdict::Skipped && check.why.contains("nothing to predict"), "{check:?}");
    }
    assert!((1..=9).all(|group| none.checks.iter().any(|c| c.group == group && c.is_of_model())));
}

#[test]
fn losses_that_do_not_pair_are_not_compared() {
    let mut evidence = evidence();
    evidence.ablations[1].losses.pop();
    let check = report(&evidence).of_model(CheckId::AblUniform).unwrap().clone();
    assert!(check.verdict == Verdict::Skipped && check.why.contains("5 ablated losses for 6"), "{}", check.why);
}
