//! Small checkpoints with wide random weights: the gradient, override and restart paths against each other.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use attractor::random::Philox;
use attractor_record::evidence::{AblationMode, Evidence, LossKind, NoLoss, Scope, Unpredictable};

use super::{Ablate, Options, gather};
use crate::checkpoint::{Checkpoint, Opening};
use crate::loss::{Case, Targets};
use crate::model::{Input, Maps, Model, Observer, Overrides, Replacement, Tap, Traced, Want};
use crate::ops;
use attractor::{Context, Result};

const KINDS: [&str; 12] = [
    "bert_classifier_tiny",
    "bert_mlm_tiny",
    "bert_tiny",
    "deit_tiny",
    "gemma2_tiny",
    "gemma3_tiny",
    "gpt2_tiny",
    "llama_gqa_tiny",
    "llama_yarn_tiny",
    "mistral_tiny",
    "qwen3_tiny",
    "roberta_tiny",
];

pub(super) fn model(kind: &str) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors").join(kind);
    Model::load(&Checkpoint::open(&folder, &Opening::default()).unwrap()).unwrap()
}

/// A seeded input of `n` tokens, or an image of the model's size.
pub(super) fn input(model: &Model, n: usize, stream: u64) -> Input {
    let mut random = Philox::new(5, stream);
    match &model.spec().image {
        Some(image) => Input::Image {
            values: (0..image.channels * image.height * image.width).map(|_| random.normal() as f32).collect(),
        },
        None => Input::tokens((0..n).map(|_| 3 + random.below(model.spec().vocab - 3) as u32).collect()),
    }
}

fn targets() -> Targets<'static> {
    Targets { seed: 9, mask_token: Some(4), special: &[], labels: Some(&[1, 0, 2, 1]) }
}

pub(super) fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |w, x| if x.is_nan() || x > w { x } else { w })
}

#[derive(Default)]
pub(super) struct Taps {
    pub(super) taps: Vec<Tap>,
    pub(super) inputs: Vec<Vec<f32>>,
}

impl Observer for Taps {
    fn wants(&self, _: usize) -> Want {
        Want::all()
    }
    fn tap(&mut self, tap: Tap) -> Result<()> {
        self.taps.push(tap);
        Ok(())
    }
    fn wants_hidden(&self, _: usize) -> bool {
        true
    }
    fn hidden(&mut self, _: usize, state: Vec<f32>) -> Result<()> {
        self.inputs.push(state);
        Ok(())
    }
}

pub(super) fn taps(model: &Model, input: &Input) -> Taps {
    let mut taps = Taps::default();
    model.encode(input, &mut taps, &Overrides::none()).unwrap();
    taps
}

/// A map, of one head of one layer.
struct Given(Vec<f32>);

impl Maps for Given {
    fn map(&self, _: usize, _: usize) -> Result<Vec<f32>> {
        Ok(self.0.clone())
    }
}

fn own_map(tap: &Tap, head: usize) -> Vec<f32> {
    attractor::retrieve::dense::weights(&tap.problem().unwrap(), head, 0..tap.positions).unwrap()
}

#[test]
fn the_path_with_gradients_computes_what_inference_computes() {
    for kind in KINDS {
        let model = model(kind);
        let input = input(&model, 13, 0);
        let plain = ops::values(model.encode(&input, &mut (), &Overrides::none()).unwrap());
        let seen = taps(&model, &input);
        let recording = Traced::new(&model).forward(&input, true).unwrap();
        let error = worst(&plain, &ops::values(recording.hidden));
        assert!(error < 2e-5, "{kind}: {error}");
        for (tap, maps) in seen.taps.iter().zip(recording.maps) {
            let maps = ops::values(maps);
            let size = tap.positions * tap.positions;
            for head in 0..tap.heads {
                let error = worst(&own_map(tap, head), &maps[head * size..(head + 1) * size]);
                assert!(error < 2e-6, "{kind} layer {} head {head}: {error}", tap.layer);
            }
        }
    }
}

#[test]
fn a_heads_own_map_in_its_place_changes_nothing_and_another_does() {
    for kind in KINDS {
        let model = model(kind);
        let input = input(&model, 13, 1);
        let seen = taps(&model, &input);
        let plain = ops::values(model.encode(&input, &mut (), &Overrides::none()).unwrap());
        let (layer, head) = (model.spec().layers - 1, model.spec().heads - 1);
        let run = |replacement: Replacement| {
            let overrides = Overrides::one(Scope::Head { layer, head }, replacement);
            ops::values(model.encode(&input, &mut (), &overrides).unwrap())
        };
        let own = run(Replacement::Map(Arc::new(Given(own_map(&seen.taps[layer], head)))));
        assert!(worst(&plain, &own) < 1e-5, "{kind}: {}", worst(&plain, &own));
        assert!(worst(&plain, &run(Replacement::Zero)) > 1e-3, "{kind}: zero did nothing");
    }
}

/// Every mode that has a closed form, against the map that it stands for.
#[test]
fn modes_are_the_maps_that_they_name() {
    for kind in ["mistral_tiny", "bert_tiny", "llama_gqa_tiny"] {
        let model = model(kind);
        let input = input(&model, 13, 2);
        let tap = &taps(&model, &input).taps[1];
        let n = tap.positions;
        let sees = |i: usize, j: usize| tap.mask.admits(i, j, n);
        let map = |weight: &dyn Fn(usize, usize) -> bool| -> Vec<f32> {
            (0..n)
                .flat_map(|i| {
                    let row: Vec<bool> = (0..n).map(|j| weight(i, j)).collect();
                    let count = row.iter().filter(|&&x| x).count() as f32;
                    row.into_iter().map(move |x| if x { 1.0 / count } else { 0.0 })
                })
                .collect()
        };
        let cases: [(Replacement, Vec<f32>); 5] = [
            (Replacement::Uniform, map(&sees)),
            (Replacement::SelfOnly, map(&|i, j| i == j)),
            (Replacement::Previous, map(&|i, j| j + 1 == i || (i == 0 && j == 0))),
            (Replacement::Local, map(&|i, j| sees(i, j) && i.abs_diff(j) <= 4)),
            (Replacement::Zero, vec![0.0; n * n]),
        ];
        for (which, (mode, map)) in cases.into_iter().enumerate() {
            let run = |replacement: Replacement| {
                let overrides = Overrides::one(Scope::Head { layer: 1, head: 2 }, replacement);
                ops::values(model.encode(&input, &mut (), &overrides).unwrap())
            };
            let error = worst(&run(mode), &run(Replacement::Map(Arc::new(Given(map)))));
            assert!(error < 1e-5, "{kind} mode {which}: {error}");
        }
    }
}

#[test]
fn resuming_at_a_layer_is_running_from_the_start() {
    for kind in KINDS {
        let model = model(kind);
        let input = input(&model, 11, 3);
        let seen = taps(&model, &input);
        let layers = model.spec().layers;
        for layer in 0..layers {
            let variants = [
                Overrides::none(),
                Overrides::one(Scope::Layer { layer }, Replacement::Uniform),
                Overrides::one(Scope::Head { layer, head: 1 }, Replacement::Zero),
                Overrides::one(Scope::Layer { layer: layers - 1 }, Replacement::SelfOnly)
                    .and(Scope::Head { layer: layers - 1, head: 0 }, Replacement::Previous),
            ];
            let together = ops::values(model.resume(&input, layer, &seen.inputs[layer], &variants).unwrap());
            let size = together.len() / variants.len();
            for (variant, resumed) in variants.iter().zip(together.chunks(size)) {
                let whole = ops::values(model.encode(&input, &mut (), variant).unwrap());
                let error = worst(&whole, resumed);
                assert!(error < 1e-5, "{kind} layer {layer}: {error}");
            }
        }
    }
}

/// dL/dA of the leaf, against a difference quotient of the loss over maps put in by an override.
#[test]
fn the_gradient_of_a_map_is_the_slope_of_the_loss_along_it() {
    for kind in ["gpt2_tiny", "bert_mlm_tiny", "gemma2_tiny", "qwen3_tiny", "deit_tiny", "bert_tiny"] {
        let model = model(kind);
        let input = input(&model, 12, 4);
        let case = Case::new(&model, &input, 0, &targets()).unwrap().unwrap();
        let seen = taps(&model, &case.input);
        let mut traced = Traced::new(&model);
        let recording = traced.forward(&case.input, true).unwrap();
        let objective = case.objective_traced(&mut traced, recording.hidden.clone(), 3).unwrap();
        let mut gradients = objective.backward();
        let (layer, head) = (0, 1);
        let tap = &seen.taps[layer];
        let map = own_map(tap, head);
        let gradient = ops::values(recording.leaves[layer].grad_remove(&mut gradients).unwrap());
        let gradient = &gradient[head * map.len()..(head + 1) * map.len()];
        // Along a random direction within the mask.
        let mut random = Philox::new(8, 0);
        let direction: Vec<f64> = map.iter().map(|&a| if a == 0.0 { 0.0 } else { random.normal() }).collect();
        let analytic: f64 = direction.iter().zip(gradient).map(|(d, &g)| d * f64::from(g)).sum();
        let at = |step: f64| {
            let moved = map.iter().zip(&direction).map(|(&a, d)| a + (step * d) as f32).collect();
            let overrides = Overrides::one(Scope::Head { layer, head }, Replacement::Map(Arc::new(Given(moved))));
            let state = model.encode(&case.input, &mut (), &overrides).unwrap();
            match case.objective() {
                LossKind::RandomProjection => {
                    let mut projected = 0.0;
                    let r = crate::loss::projection(3, state.dims()[0] * state.dims()[1]);
                    ops::read(state, |h| projected = h.iter().zip(&r).map(|(&h, &r)| f64::from(h * r)).sum());
                    projected
                }
                _ => case.losses(&model, state.clone(), &ops::values(state)).unwrap()[0],
            }
        };
        let numeric = (at(3e-3) - at(-3e-3)) / 6e-3;
        let error = (numeric - analytic).abs();
        assert!(error < 0.02 * analytic.abs() + 1e-4, "{kind}: {analytic} {numeric}");
        assert!(analytic.abs() > 1e-3, "{kind}: a test that could not fail");
    }
}

#[test]
fn evidence_of_every_kind_of_model_holds_together() {
    for (kind, loss) in [
        ("gpt2_tiny", LossKind::NextToken),
        ("llama_gqa_tiny", LossKind::NextToken),
        ("gemma3_tiny", LossKind::NextToken),
        ("bert_mlm_tiny", LossKind::MaskedToken),
        ("bert_classifier_tiny", LossKind::Label),
        ("deit_tiny", LossKind::Label),
        ("bert_tiny", LossKind::RelativeChange),
    ] {
        let model = model(kind);
        // Three inputs of one length and one alone.
        let lengths = [14, 14, 9, 14];
        let inputs: Vec<Input> = lengths.iter().enumerate().map(|(i, &n)| input(&model, n, 10 + i as u64)).collect();
        let options = Options { mask_token: Some(4), labels: Some(&[0, 1, 2, 1]), ..Options::default() };
        let steps = AtomicUsize::new(0);
        let count = |_: attractor::Advance<'_>| {
            steps.fetch_add(1, Ordering::Relaxed);
        };
        let evidence = gather(&model, &inputs, &options, &Context::new(2).with_progress(&count)).unwrap();
        assert!(steps.into_inner() > 4);
        let stopped = gather(&model, &inputs, &options, &Context::new(2).with_interrupt(&|| true));
        assert!(stopped.unwrap_err().is_interrupted());
        assert_eq!((evidence.loss, evidence.ablation_loss), (loss, loss), "{kind}");
        assert_eq!(evidence.losses.len(), if loss == LossKind::RelativeChange { 0 } else { 4 });
        assert!(evidence.losses.iter().all(|&l| l > 0.0 && l < 20.0), "{kind}: {:?}", evidence.losses);
        assert_eq!(evidence.probes.len(), if model.spec().causal { 4 } else { 0 });
        for probe in &evidence.probes {
            assert!(probe.past_change == 0.0 && probe.future_change > 1e-3, "{kind}: {probe:?}");
        }
        let gradients = evidence.gradients.as_ref().unwrap();
        let check = gradients.finite_difference;
        assert!((check.analytic / check.numeric - 1.0).abs() < 0.01, "{kind}: {check:?}");
        assert_eq!(gradients.heads.len(), model.spec().layers * model.spec().heads);
        assert!(gradients.heads.iter().all(|h| h.norms.len() == 4 && h.norms.iter().all(|&x| x.is_finite())));
        assert!(gradients.heads[0].norms.iter().all(|&x| x > 0.0), "{kind}");
        assert_eq!(gradients.groups.iter().map(|g| g.parameters).sum::<u64>(), model.parameter_count());
        // The squares of all groups' norms of one input would add up to the gradient's norm; their means stay below.
        assert!(gradients.groups.iter().any(|g| g.attention && g.norm > 0.0));
        let (l, h) = (model.spec().layers, model.spec().heads);
        assert_eq!(evidence.ablations.len(), 7 + l * (7 + 3 * h));
        for ablation in &evidence.ablations {
            let lent = matches!(ablation.mode, AblationMode::MeanMap | AblationMode::OtherInput);
            let images = model.spec().image.is_some();
            for (i, loss) in ablation.losses.iter().enumerate() {
                assert_eq!(loss.is_none(), lent && i == 2 && !images, "{kind}: {ablation:?}");
            }
        }
        // One number by hand: the last layer, uniform, second input.
        let scope = Scope::Layer { layer: l - 1 };
        let found = evidence.ablations.iter().find(|a| a.scope == scope && a.mode == AblationMode::Uniform).unwrap();
        let case =
            Case::new(&model, &inputs[1], 1, &Targets { labels: options.labels, ..Targets { seed: 2, ..targets() } });
        let case = case.unwrap().unwrap();
        let state = model.encode(&case.input, &mut (), &Overrides::one(scope, Replacement::Uniform)).unwrap();
        let plain = ops::values(model.encode(&case.input, &mut (), &Overrides::none()).unwrap());
        let expected = case.losses(&model, state, &plain).unwrap()[0];
        assert!((found.losses[1].unwrap() - expected).abs() < 1e-5, "{kind}");
    }
}

#[test]
fn full_ablation_covers_every_head_by_every_mode_and_none_covers_nothing() {
    let model = model("gpt2_tiny");
    let inputs = [input(&model, 8, 0), input(&model, 8, 1)];
    let run = |ablate| {
        let options = Options { ablate, gradients: false, ..Options::default() };
        gather(&model, &inputs, &options, &Context::new(0)).unwrap().ablations
    };
    let (l, h) = (model.spec().layers, model.spec().heads);
    let full = run(Ablate::Full);
    assert_eq!(full.len(), 7 + l * 7 * (1 + h));
    assert!(full.iter().all(|a| a.losses.iter().all(Option::is_some)));
    assert!(run(Ablate::None).is_empty());
    // With two inputs the mean of the others is the other.
    let of = |mode| full.iter().find(|a| a.scope == Scope::Whole && a.mode == mode).unwrap().losses.clone();
    for (mean, other) in of(AblationMode::MeanMap).into_iter().zip(of(AblationMode::OtherInput)) {
        assert!((mean.unwrap() - other.unwrap()).abs() < 1e-4);
    }
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    let model = model("gpt2_tiny");
    let run = |inputs: &[Input]| gather(&model, inputs, &Options::default(), &Context::new(0)).unwrap_err();
    assert!(run(&[]).is_usage());
    assert!(run(&[Input::tokens(vec![1; 65])]).to_string().contains("64 positions"));
    assert!(run(&[Input::tokens(vec![1, 96])]).is_usage());
    assert!(run(&[Input::Image { values: vec![0.0; 4] }]).is_usage());
    let overrides = Overrides::one(Scope::Head { layer: 0, head: 99 }, Replacement::Zero);
    let error = model.forward(&Input::tokens(vec![1, 2]), &mut (), &overrides).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("head 99"), "{error}");
}

#[test]
fn an_input_without_anything_to_predict_is_left_out_and_named() {
    let causal = model("gpt2_tiny");
    let full = input(&causal, 9, 0);
    let run = |model: &Model, inputs: &[Input], special: &[u32]| {
        let options = Options { mask_token: Some(4), special, ..Options::default() };
        gather(model, inputs, &options, &Context::new(0)).unwrap()
    };
    let mixed = run(&causal, &[Input::tokens(vec![5]), full.clone()], &[]);
    assert_eq!(mixed.left_out.len(), 1);
    assert!(mixed.left_out[0].0 == 0 && mixed.left_out[0].1.to_string().contains("1 token"), "{:?}", mixed.left_out);
    let alone = run(&causal, &[full], &[]);
    assert_eq!((&mixed.losses, &mixed.ablations), (&alone.losses, &alone.ablations));
    assert_eq!(mixed.gradients, alone.gradients);

    let none = run(&causal, &[Input::tokens(vec![5])], &[]);
    assert_eq!((none.loss, none.no_loss, none.losses.len()), (LossKind::NextToken, None, 0));
    assert!(none.gradients.is_none() && none.ablations.is_empty());

    let masked = model("bert_mlm_tiny");
    let specials = run(&masked, &[Input::tokens(vec![1, 2, 1])], &[1, 2]);
    assert!(
        specials.loss == LossKind::MaskedToken && specials.left_out[0].1 == Unpredictable::SpecialTokens,
        "{specials:?}"
    );
}

#[test]
fn long_inputs_are_ablated_and_differentiated_on_their_first_tokens() {
    let model = model("gpt2_tiny");
    let inputs: Vec<Input> = (0..2).map(|i| input(&model, 21, i)).collect();
    // The last row that is kept predicts the token behind it.
    let first =
        |n: usize| -> Vec<Input> { inputs.iter().map(|x| Input::tokens(x.ids().unwrap()[..n].to_vec())).collect() };
    let run = |inputs: &[Input], tokens: usize| {
        gather(&model, inputs, &Options { tokens, ..Options::default() }, &Context::new(0)).unwrap()
    };
    let cut = run(&inputs, 8);
    assert_eq!(cut.cut, Some(8));
    let (short, whole) = (run(&first(9), 512), run(&inputs, 512));
    assert_eq!((short.cut, whole.cut), (None, None));
    assert_eq!(cut.losses, whole.losses, "the loss is of the whole input");
    assert_eq!(whole.ablation_base, whole.losses);
    for (a, b) in cut.ablation_base.iter().zip(&short.losses) {
        assert!((a - b).abs() < 1e-5 && (a - whole.losses[0]).abs() > 1e-3, "{a} {b}");
    }
    let uniform = |evidence: &Evidence| {
        let mut whole =
            evidence.ablations.iter().filter(|a| a.scope == Scope::Whole && a.mode == AblationMode::Uniform);
        whole.next().unwrap().losses.clone()
    };
    for (a, b) in uniform(&cut).iter().zip(uniform(&short)) {
        assert!((a.unwrap() - b.unwrap()).abs() < 1e-5);
    }
    for (a, b) in cut.gradients.unwrap().heads.iter().zip(short.gradients.unwrap().heads) {
        a.norms.iter().zip(b.norms).for_each(|(a, b)| assert!((a - b).abs() < 1e-4 * b, "{a} {b}"));
    }
}

#[test]
fn a_model_without_a_loss_says_why() {
    let why = |kind: &str, options: &Options<'_>| {
        let model = model(kind);
        let input = input(&model, 8, 0);
        gather(
            &model,
            &[input],
            &Options { ablate: Ablate::None, gradients: false, ..options.clone() },
            &Context::new(0),
        )
        .unwrap()
        .no_loss
    };
    assert_eq!(why("bert_tiny", &Options::default()), Some(NoLoss::BareEncoder));
    assert_eq!(why("bert_mlm_tiny", &Options::default()), Some(NoLoss::MaskTokenUnknown));
    assert_eq!(why("bert_mlm_tiny", &Options { mask_token: Some(4), ..Options::default() }), None);
    assert_eq!(why("deit_tiny", &Options::default()), Some(NoLoss::NoLabels));
    assert_eq!(why("deit_tiny", &Options { labels: Some(&[0]), ..Options::default() }), None);
}

/// Losses, gradients and ablations to the bit, for 1, 2 and 5 threads.
#[test]
fn threads_change_nothing() {
    for kind in ["gpt2_tiny", "gemma2_tiny", "bert_mlm_tiny"] {
        let model = model(kind);
        let inputs: Vec<Input> = (0..3).map(|i| input(&model, 37, i)).collect();
        let options = Options { mask_token: Some(4), ..Options::default() };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| gather(&model, &inputs, &options, &Context::new(0)).unwrap())
        };
        let one = run(1);
        for threads in [2, 5] {
            assert_eq!(one, run(threads), "{kind}: {threads} threads");
        }
    }
}
