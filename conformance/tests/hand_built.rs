//! Known answers of the hand-built model: its maps, its predictions, the judge's words, gradients and ablations.

use std::sync::Arc;

use attractor_capture::certificate::Grade as Certified;
use attractor_judge::{CheckId, Config, Group, Report, Scenario, Verdict, judge};
use attractor_nn::evidence::{Ablate, Options, gather};
use attractor_nn::model::{Maps, Replacement};
use attractor_nn::{Input, Model, Overrides};
use attractor_record::evidence::{AblationMode, Evidence, Scope};
use attractor_record::{Captured, Patterns};
use conformance::hand_built::{BOS, Capture, HEADS, KINDS, Kind, LAYERS, VOCAB};
use conformance::hand_built::{inputs, known_rows, model, pattern, places, weights};

const SEEDS: [u64; 3] = [0, 7, 20_260];

fn built() -> Model {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path(), &weights())
}

fn evidence(model: &Model, inputs: &[Vec<u32>]) -> Evidence {
    let inputs: Vec<Input> = inputs.iter().map(|ids| Input::tokens(ids.clone())).collect();
    let options = Options { ablate: Ablate::Full, special: &[BOS], ..Options::default() };
    gather(model, &inputs, &options, &attractor::Context::new(0)).unwrap()
}

fn judged() -> (Captured, Evidence, Report) {
    let (model, inputs) = (built(), inputs(SEEDS[0]));
    let captured = Capture::honest(&model).run(&inputs);
    let evidence = evidence(&model, &inputs);
    let report = judge(&captured, Some(&evidence), &Config::default()).unwrap();
    (captured, evidence, report)
}

/// Places of the heads whose check has this verdict.
fn found(report: &Report, id: CheckId, verdict: Verdict) -> Vec<String> {
    let of_heads = report.checks.iter().filter(|c| c.id == id && c.head.is_some() && c.verdict == verdict);
    of_heads.map(|c| c.place()).collect()
}

#[test]
fn every_head_has_its_exact_map() {
    let model = built();
    for seed in SEEDS {
        let inputs = inputs(seed);
        let captured = Capture::honest(&model).run(&inputs);
        for (layer, kinds) in KINDS.iter().enumerate() {
            for (head, &kind) in kinds.iter().enumerate() {
                for (input, ids) in inputs.iter().enumerate() {
                    let weights = captured.weights(layer, head, input, 0..ids.len()).unwrap().unwrap();
                    let exact = pattern(kind, ids);
                    let worst = weights.iter().zip(&exact).map(|(&w, e)| (f64::from(w) - e).abs());
                    let worst = worst.fold(0.0, |a: f64, b| if b.is_nan() || b > a { b } else { a });
                    assert!(worst <= 1e-3, "L{layer}H{head}, {kind:?}, seed {seed}, input {input}: off by {worst:.1e}");
                }
            }
        }
    }
}

#[test]
fn the_repeated_continuation_is_predicted() {
    let model = built();
    for seed in SEEDS {
        for ids in inputs(seed) {
            let output = model.forward(&Input::tokens(ids.clone()), &mut (), &Overrides::none()).unwrap();
            let logits = output.logits.unwrap();
            let rows = known_rows(&ids);
            assert!(rows.len() >= 20, "{rows:?}");
            for i in rows {
                let row = &logits[i * VOCAB..(i + 1) * VOCAB];
                let top = (0..VOCAB).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
                assert_eq!(top as u32, ids[i + 1], "seed {seed}, row {i}");
                let partition: f64 = row.iter().map(|&x| f64::from(x - row[top]).exp()).sum();
                assert!(partition < 1.001, "seed {seed}, row {i}: p = {}", 1.0 / partition);
            }
        }
    }
}

#[test]
fn the_judge_names_exactly_these_heads() {
    let (_, _, report) = judged();
    assert_eq!(found(&report, CheckId::HeadPrevious, Verdict::Pass), places(Kind::Previous));
    assert_eq!(found(&report, CheckId::HeadInduction, Verdict::Pass), places(Kind::Induction));
    assert_eq!(found(&report, CheckId::SinkRate, Verdict::Warn), places(Kind::First));
    let equivalent = |c: &&attractor_judge::Check| {
        c.id == CheckId::BaseUniform && c.head.is_some() && c.why.starts_with("equivalent to uniform")
    };
    let uniform: Vec<String> = report.checks.iter().filter(equivalent).map(|c| c.place()).collect();
    assert_eq!(uniform, places(Kind::Uniform));
    let value = |id, layer, head| report.of_head(id, layer, head).unwrap().value.unwrap();
    assert!((value(CheckId::HeadPrevious, 0, 1) - 1.0).abs() < 1e-3);
    assert!((value(CheckId::HeadInduction, 1, 2) - 1.0).abs() < 1e-3);
    assert!((value(CheckId::SinkRate, 1, 0) - 1.0).abs() < 1e-3);
    // Its repetitions lie at another distance in every input: this is no head that looks equally far back.
    let induction = report.of_head(CheckId::HeadInduction, 1, 2).unwrap();
    assert!(induction.null.is_some_and(|null| null < 0.5) && induction.why.contains("by chance"), "{induction:?}");
}

#[test]
fn correctness_passes_and_attention_is_found_to_matter() {
    let (captured, evidence, report) = judged();
    let group = Group::Correctness.number();
    for check in report.checks.iter().filter(|c| c.group == group && c.id != CheckId::KlIdentity) {
        assert_eq!(check.verdict, Verdict::Pass, "{} at {}: {}", check.id, check.place(), check.why);
    }
    assert!(report.is_ok(), "{:?}", report.summary.critical);
    assert_eq!(report.conclusion.scenario, Scenario::SharpAndMatters, "{:?}", report.conclusion);
    for entry in attractor_capture::Certificate::of_captured(&captured).unwrap().entries {
        assert_eq!(entry.verdict, Certified::Pass, "layer {}, {}: {}", entry.layer, entry.name, entry.why);
    }
    assert_eq!(evidence.probes.len(), captured.inputs.len());
    for probe in &evidence.probes {
        assert!(probe.past_change < 1e-5 && probe.future_change > 1.0, "{probe:?}");
    }
}

/// Mean rise of the loss, nats per token.
fn rise(evidence: &Evidence, layer: usize, head: usize, mode: AblationMode) -> f64 {
    let scope = Scope::Head { layer, head };
    let ablation = evidence.ablations.iter().find(|a| a.scope == scope && a.mode == mode).unwrap();
    let each = ablation.losses.iter().zip(&evidence.losses).map(|(a, base)| a.unwrap() - base);
    each.sum::<f64>() / evidence.losses.len() as f64
}

#[test]
fn ablations_destroy_what_depends_on_a_head_and_nothing_else() {
    let (_, evidence, report) = judged();
    let rise = |layer, head, mode| rise(&evidence, layer, head, mode);
    let destroying = [AblationMode::Uniform, AblationMode::SelfOnly, AblationMode::Local, AblationMode::Zero];
    for mode in destroying {
        for (layer, head) in [(0, 1), (1, 2)] {
            assert!(rise(layer, head, mode) > 1.0, "L{layer}H{head} by {mode:?}: {}", rise(layer, head, mode));
        }
        for (layer, head) in [(0, 0), (1, 1)] {
            assert!(rise(layer, head, mode).abs() < 1e-3, "L{layer}H{head} by {mode:?}: {}", rise(layer, head, mode));
        }
    }
    // What a head does already changes nothing in its place.
    for (layer, head) in [(0, 0), (1, 1)] {
        assert!(rise(layer, head, AblationMode::Uniform).abs() < 1e-6);
    }
    assert!(rise(0, 1, AblationMode::Previous).abs() < 1e-6);
    // Where the previous position lies is the same in all inputs of one length; where a repetition lies is not.
    for mode in [AblationMode::MeanMap, AblationMode::OtherInput] {
        assert!(rise(0, 1, mode).abs() < 1e-6, "{mode:?}: {}", rise(0, 1, mode));
        assert!(rise(1, 2, mode) > 1.0, "{mode:?}: {}", rise(1, 2, mode));
    }
    let verdict = |id, layer, head| report.of_head(id, layer, head).unwrap().verdict;
    assert_eq!([verdict(CheckId::AblUniform, 0, 1), verdict(CheckId::AblUniform, 1, 2)], [Verdict::Pass; 2]);
    assert_eq!([verdict(CheckId::AblUniform, 0, 0), verdict(CheckId::AblUniform, 1, 1)], [Verdict::Warn; 2]);
    assert_eq!(
        [verdict(CheckId::AblMeanMap, 0, 1), verdict(CheckId::AblMeanMap, 1, 2)],
        [Verdict::Warn, Verdict::Pass]
    );
}

#[test]
fn the_gradient_reaches_every_head_and_is_largest_where_the_prediction_is_read() {
    let (_, evidence, report) = judged();
    let gradients = evidence.gradients.unwrap();
    assert_eq!(gradients.heads.len(), LAYERS * HEADS);
    let mean = |layer, head| {
        let own = gradients.heads.iter().find(|h| (h.layer, h.head) == (layer, head)).unwrap();
        own.norms.iter().sum::<f64>() / own.norms.len() as f64
    };
    for head in [0, 1] {
        assert!(mean(1, 2) > 10.0 * mean(1, head), "L1H2 {:.2e}, L1H{head} {:.2e}", mean(1, 2), mean(1, head));
    }
    for id in [CheckId::GradFlow, CheckId::GradFinite] {
        let check = report.of_model(id).unwrap();
        assert_eq!(check.verdict, Verdict::Pass, "{id}: {}", check.why);
    }
}

/// One map with one weight moved.
struct Moved {
    map: Vec<f32>,
    at: usize,
    by: f32,
}

impl Maps for Moved {
    fn map(&self, _: usize, _: usize) -> attractor_nn::Result<Vec<f32>> {
        let mut map = self.map.clone();
        map[self.at] += self.by;
        Ok(map)
    }
}

/// Mean next-token cross-entropy, nats, by the definition.
fn loss(model: &Model, ids: &[u32], overrides: &Overrides) -> f64 {
    let logits = model.forward(&Input::tokens(ids.to_vec()), &mut (), overrides).unwrap().logits.unwrap();
    let of_row = |i: usize| {
        let row: Vec<f64> = logits[i * VOCAB..(i + 1) * VOCAB].iter().map(|&x| f64::from(x)).collect();
        row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[ids[i + 1] as usize]
    };
    (0..ids.len() - 1).map(of_row).sum::<f64>() / (ids.len() - 1) as f64
}

/// dL/dA of every visible weight, one by one, by central differences of the inference path: |dL/dA| and |sum A dL/dA|.
#[test]
fn gradients_of_weights_agree_with_moving_each_weight() {
    let model = built();
    let ids: Vec<u32> = std::iter::once(BOS).chain([5, 17, 3, 11].into_iter().cycle()).take(11).collect();
    let n = ids.len();
    let captured = Capture::honest(&model).run(std::slice::from_ref(&ids));
    let gradients = evidence(&model, std::slice::from_ref(&ids)).gradients.unwrap();
    // A step small against curvature where a weight decides the prediction; a large one where it hardly moves the loss.
    for (layer, head, step) in [(0, 1, 1e-3), (1, 1, 0.5), (1, 2, 1e-3)] {
        let map = captured.weights(layer, head, 0, 0..n).unwrap().unwrap();
        let moved = |at: usize, by: f32| {
            let maps = Arc::new(Moved { map: map.clone(), at, by });
            loss(&model, &ids, &Overrides::one(Scope::Head { layer, head }, Replacement::Map(maps)))
        };
        let (mut square, mut importance) = (0.0, 0.0);
        for at in (0..n * n).filter(|at| at % n <= at / n) {
            let slope = (moved(at, step) - moved(at, -step)) / (2.0 * f64::from(step));
            square += slope * slope;
            importance += f64::from(map[at]) * slope;
        }
        let own = gradients.heads.iter().find(|h| (h.layer, h.head) == (layer, head)).unwrap();
        for (name, by_hand, given) in
            [("|dL/dA|", square.sqrt(), own.norms[0]), ("|sum A dL/dA|", importance.abs(), own.importance[0])]
        {
            let off = (by_hand - given).abs() / by_hand;
            assert!(off < 0.01, "L{layer}H{head}: {name} is {given:.5e}, moving weights gives {by_hand:.5e}");
        }
    }
}
