//! Faults planted into the hand-built model's attention, each caught by the name of its check and its place.

use std::collections::BTreeMap;

use attractor::random::Philox;
use attractor_capture::certificate::{CaptureCheck, Grade as Certified};
use attractor_capture::import::MaskRule;
use attractor_capture::{Import, ImportOptions};
use attractor_judge::{CheckId, Config, Report, Scenario, Verdict, judge};
use attractor_nn::checkpoint::spec::Spec;
use attractor_nn::checkpoint::{Checkpoint, Opening};
use attractor_nn::evidence::{Ablate, Options, gather, probes};
use attractor_nn::model::Tap;
use attractor_nn::{Input, Model};
use attractor_record::{Captured, Patterns};
use conformance::hand_built::{BOS, Capture, HEADS, HIDDEN, KINDS, Kind, LAYERS, LENGTH, Number, WIDTH};
use conformance::hand_built::{info, inputs, model, places, safetensors, tokens, weights, write};

const SEED: u64 = 3;

fn built() -> Model {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path(), &weights())
}

fn honest(inputs: &[Vec<u32>]) -> Captured {
    Capture::honest(&built()).run(inputs)
}

/// Maps of a layer, [inputs, heads, n, n].
type Maps = BTreeMap<usize, Vec<f32>>;

const SIZE: usize = LENGTH * LENGTH;

/// Where a head's map begins.
fn start(input: usize, head: usize) -> usize {
    (input * HEADS + head) * SIZE
}

fn maps(captured: &Captured) -> Maps {
    let map = |layer: usize| {
        let heads = (0..captured.inputs()).flat_map(|input| (0..HEADS).map(move |head| (input, head)));
        heads.flat_map(|(input, head)| captured.weights(layer, head, input, 0..LENGTH).unwrap().unwrap()).collect()
    };
    (0..LAYERS).map(|layer| (layer, map(layer))).collect()
}

/// The maps as a file, and what the reader makes of it; the mask is stated.
fn imported(maps: &Maps, number: Number) -> Import {
    let inputs = maps[&0].len() / (HEADS * SIZE);
    let (shape, names) = ([inputs, HEADS, LENGTH, LENGTH], ["attentions_L000", "attentions_L001"]);
    let arrays = maps.iter().map(|(&layer, values)| (names[layer], shape.as_slice(), values.as_slice()));
    Import::from_bytes(&safetensors(arrays, number), &causal()).unwrap()
}

fn causal() -> ImportOptions {
    ImportOptions { mask: Some(MaskRule::Causal), ..ImportOptions::default() }
}

fn judged(patterns: &dyn Patterns) -> Report {
    judge(patterns, None, &Config::default()).unwrap()
}

/// Places of the heads whose check has this verdict.
fn found(report: &Report, id: CheckId, verdict: Verdict) -> Vec<String> {
    let of_heads = report.checks.iter().filter(|c| c.id == id && c.head.is_some() && c.verdict == verdict);
    of_heads.map(|c| c.place()).collect()
}

fn all_heads() -> Vec<String> {
    (0..LAYERS).flat_map(|l| (0..HEADS).map(move |h| format!("L{l}H{h}"))).collect()
}

#[test]
fn without_a_fault_an_import_passes() {
    let captured = honest(&inputs(SEED));
    let import = imported(&maps(&captured), Number::F32);
    for layer in 0..LAYERS {
        for name in [
            CaptureCheck::Finite,
            CaptureCheck::RowSums,
            CaptureCheck::Support,
            CaptureCheck::Deficit,
            CaptureCheck::Entropy,
            CaptureCheck::Peak,
        ] {
            let entry = import.certificate().unwrap().entry(layer, name).unwrap().clone();
            assert_eq!(entry.verdict, Certified::Pass, "layer {layer}, {name}: {}", entry.why);
        }
    }
    let report = judged(&import);
    assert!(report.is_ok(), "{:?}", report.summary.critical);
    assert_eq!(found(&report, CheckId::HeadPrevious, Verdict::Pass), places(Kind::Previous));
}

/// The model declares itself causal and its attention lost the mask: it reads the answer from the future.
#[test]
fn a_dropped_mask_is_caught_by_the_maps_and_by_the_probe() {
    let honest = built();
    let spec = Spec { causal: false, ..honest.spec().clone() };
    let cheat = Model::build(&spec, &weights()).unwrap();
    let ids = inputs(SEED);
    let texts: Vec<Input> = ids.iter().map(|ids| Input::tokens(ids.clone())).collect();
    let captured = Captured { info: info(&cheat, true), ..Capture::honest(&cheat).run(&ids) };

    let options = Options { ablate: Ablate::None, gradients: false, special: &[BOS], ..Options::default() };
    let mut evidence = gather(&cheat, &texts, &options, &attractor::Context::new(0)).unwrap();
    let plain = gather(&honest, &texts, &options, &attractor::Context::new(0)).unwrap();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    // It pays: this is why nobody notices by the loss.
    assert!(mean(&evidence.losses) < 0.5 * mean(&plain.losses), "{:?} {:?}", evidence.losses, plain.losses);
    evidence.probes = probes(&cheat, &texts, &options, 0).unwrap();
    assert_eq!(evidence.probes.len(), ids.len());

    let report = judge(&captured, Some(&evidence), &Config::default()).unwrap();
    // Heads that look at the first position see no future even so.
    let sees: Vec<String> = all_heads().into_iter().filter(|h| !places(Kind::First).contains(h)).collect();
    assert_eq!(found(&report, CheckId::MaskCausal, Verdict::Fail), sees);
    let check = report.of_model(CheckId::MaskCausal).unwrap();
    assert!(check.verdict == Verdict::Fail && check.why.to_string().contains("sees the future"), "{}", check.why);
    // The previous-token head shows it in one row alone: the first, which has nothing before it.
    let previous = report.of_head(CheckId::MaskCausal, 0, 1).unwrap();
    assert!(previous.why.to_string().contains("row 0)"), "{}", previous.why);
    let probe = report.of_model(CheckId::MaskProbe).unwrap();
    assert!(
        probe.verdict == Verdict::Fail && probe.why.to_string().contains("the model sees the future"),
        "{}",
        probe.why
    );
    assert_eq!(report.conclusion.scenario, Scenario::Broken);

    // The honest model, under the same probe.
    assert!(probes(&honest, &texts, &options, 0).unwrap().iter().all(|p| p.past_change < 1e-5));

    // The same maps in a file, with the mask that the model declares.
    let import = imported(&maps(&captured), Number::F32);
    for layer in 0..LAYERS {
        let entry = import.certificate().unwrap().entry(layer, CaptureCheck::Support).unwrap().clone();
        assert_eq!(entry.verdict, Certified::Fail, "{}", entry.why);
    }
    assert_eq!(found(&judged(&import), CheckId::MaskCausal, Verdict::Fail), sees);
}

/// What attention gave, in the place where its weights should be, in the two shapes in which that happens.
#[test]
fn an_output_passed_off_as_weights_is_refused_with_its_layer() {
    let captured = honest(&inputs(SEED)[..1]);
    let z = &captured.inputs[0].layers[1].z;
    // Before the heads are joined, [batch, query, head, width]; and joined, [batch, query, model width].
    let mut apart = vec![0.0; z.len()];
    for (at, &value) in z.iter().enumerate() {
        let (head, row, feature) = (at / (LENGTH * WIDTH), at / WIDTH % LENGTH, at % WIDTH);
        apart[(row * HEADS + head) * WIDTH + feature] = value;
    }
    let maps = maps(&captured);
    let weights = [1, HEADS, LENGTH, LENGTH];
    for shape in [&[1, LENGTH, HEADS, WIDTH][..], &[1, LENGTH, HIDDEN]] {
        let outputs = || ("attentions_L001", shape, apart.as_slice());
        for options in [ImportOptions::default(), causal()] {
            let bytes = safetensors(std::iter::once(outputs()), Number::F32);
            let error = Import::from_bytes(&bytes, &options).unwrap_err();
            assert!(error.is_format(), "{error}");
            for part in ["attentions_L001", "no attention weights", "output of attention"] {
                assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
            }
        }
        // Beside a sound layer: that one is read, this one fails by its number.
        let sound = ("attentions_L000", weights.as_slice(), maps[&0].as_slice());
        let bytes = safetensors([sound, outputs()].into_iter(), Number::F32);
        let import = Import::from_bytes(&bytes, &causal()).unwrap();
        assert_eq!(import.layers().iter().map(|l| l.layer).collect::<Vec<_>>(), [0]);
        assert_eq!(import.missing().iter().map(|m| m.0).collect::<Vec<_>>(), [1]);
        let entry = import.certificate().unwrap().entry(1, CaptureCheck::Weights).unwrap().clone();
        assert!(
            entry.verdict == Certified::Fail && entry.why.to_string().contains("output of attention"),
            "{}",
            entry.why
        );
        assert_eq!(judged(&import).of_head(CheckId::HeadPrevious, 0, 1).unwrap().verdict, Verdict::Pass);
    }
}

#[test]
fn dropout_is_named_where_it_struck() {
    let ids = inputs(SEED);
    let mut maps = maps(&honest(&ids));
    let mut random = Philox::new(11, 0);
    let rate = 0.1;
    for weight in maps.get_mut(&1).unwrap() {
        *weight = if random.uniform() < rate { 0.0 } else { *weight / (1.0 - rate) as f32 };
    }
    let import = imported(&maps, Number::F32);
    let report = judged(&import);
    assert_eq!(found(&report, CheckId::NormRows, Verdict::Fail), ["L1H0", "L1H1", "L1H2"]);
    assert_eq!(found(&report, CheckId::NormRows, Verdict::Pass), ["L0H0", "L0H1", "L0H2"]);
    let check = report.of_model(CheckId::NormRows).unwrap();
    assert!(check.verdict == Verdict::Fail && check.why.to_string().contains("dropout was on"), "{}", check.why);
    assert!(check.why.to_string().contains("3 of 6 heads: L1H0, L1H1, L1H2"), "{}", check.why);
    let certificate = import.certificate().unwrap();
    let verdict = |layer, name| certificate.entry(layer, name).unwrap().verdict;
    assert_eq!(
        [verdict(0, CaptureCheck::RowSums), verdict(1, CaptureCheck::RowSums)],
        [Certified::Pass, Certified::Fail]
    );
    assert_eq!(
        [verdict(0, CaptureCheck::Evaluation), verdict(1, CaptureCheck::Evaluation)],
        [Certified::NotTestable, Certified::Fail]
    );
    let entry = certificate.entry(1, CaptureCheck::Evaluation).unwrap();
    assert!(
        entry.why.to_string().contains("training mode") && entry.why.to_string().contains("dropout"),
        "{}",
        entry.why
    );
}

/// Rounded maps miss one by more than f32 may, and by less than their own precision may.
#[test]
fn every_precision_is_held_to_its_own_tolerance() {
    let sound = maps(&honest(&inputs(SEED)));
    let scaled = |layer: usize, head: usize, by: f32| {
        let mut maps = sound.clone();
        for input in 0..inputs(SEED).len() {
            let map = &mut maps.get_mut(&layer).unwrap()[start(input, head)..start(input, head) + SIZE];
            map.iter_mut().for_each(|w| *w *= by);
        }
        maps
    };
    // Precision, a scale that it may not explain, tolerance.
    for (number, by, tolerance) in [(Number::F32, 1.0001, 1e-5), (Number::F16, 1.005, 2e-3), (Number::Bf16, 1.03, 1e-2)]
    {
        let import = imported(&sound, number);
        let report = judged(&import);
        let rows = report.of_model(CheckId::NormRows).unwrap();
        assert_eq!(rows.verdict, Verdict::Pass, "{number:?}: {}", rows.why);
        if number != Number::F32 {
            let uniform = report.of_head(CheckId::NormRows, 1, 1).unwrap();
            assert!(uniform.value.unwrap() > 1e-5 && uniform.threshold == Some(tolerance), "{uniform:?}");
        }
        assert!(report.is_ok(), "{number:?}: {:?}", report.summary.critical);
        assert_eq!(found(&report, CheckId::HeadPrevious, Verdict::Pass), places(Kind::Previous), "{number:?}");
        assert_eq!(found(&report, CheckId::SinkRate, Verdict::Warn), places(Kind::First), "{number:?}");
        for layer in 0..LAYERS {
            let entry = import.certificate().unwrap().entry(layer, CaptureCheck::RowSums).unwrap().clone();
            assert_eq!(
                (entry.verdict, entry.tolerance),
                (Certified::Pass, Some(tolerance)),
                "{number:?}: {}",
                entry.why
            );
        }

        let import = imported(&scaled(1, 1, by), number);
        let report = judged(&import);
        assert_eq!(found(&report, CheckId::NormRows, Verdict::Fail), ["L1H1"], "{number:?}");
        let certificate = import.certificate().unwrap();
        let entries = [0, 1].map(|layer| certificate.entry(layer, CaptureCheck::RowSums).unwrap());
        assert_eq!(entries.map(|e| e.verdict), [Certified::Pass, Certified::Fail], "{number:?}");
        assert!(entries[1].why.to_string().contains("head 1,"), "{number:?}: {}", entries[1].why);
    }
    // What f16 would be forgiven, f32 numbers are not.
    assert_eq!(
        found(&judged(&imported(&scaled(0, 2, 1.0003), Number::F32)), CheckId::NormRows, Verdict::Fail),
        ["L0H2"]
    );
}

/// A hybrid model: the second of three layers has no matrix. The third stays the third.
#[test]
fn a_layer_without_a_matrix_does_not_shift_the_others() {
    let ids = inputs(SEED);
    let maps = maps(&honest(&ids));
    let rows = |map: &[f32]| -> Vec<Vec<f32>> { map.chunks(LENGTH).map(<[f32]>::to_vec).collect() };
    let steps = |layer: usize| -> Vec<serde_json::Value> {
        let heads =
            |input: usize| (0..HEADS).map(|h| rows(&maps[&layer][start(input, h)..][..SIZE])).collect::<Vec<_>>();
        (0..ids.len()).map(|step| serde_json::json!({"step": step, "attention_weights": heads(step)})).collect()
    };
    let none: Vec<serde_json::Value> =
        (0..ids.len()).map(|step| serde_json::json!({"step": step, "attention_weights": null})).collect();
    let texts: Vec<Vec<String>> = ids.iter().map(|ids| ids.iter().map(u32::to_string).collect()).collect();
    let bare = serde_json::Value::Null;
    for empty in [serde_json::json!(none), bare] {
        let file = serde_json::json!({
            "attention_maps": {"0": steps(0), "1": empty, "2": steps(1)},
            "tokens": texts,
        });
        let import = Import::from_bytes(&serde_json::to_vec(&file).unwrap(), &causal()).unwrap();
        assert_eq!(import.layers().iter().map(|l| l.layer).collect::<Vec<_>>(), [0, 2]);
        assert_eq!((import.info().layers, import.inputs()), (3, ids.len()));
        assert_eq!(import.missing().iter().map(|m| m.0).collect::<Vec<_>>(), [1]);
        let certificate = import.certificate().unwrap();
        let entry = certificate.entry(1, CaptureCheck::Weights).unwrap();
        assert!(entry.verdict == Certified::NotTestable && entry.why.to_string().contains("null"), "{entry:?}");
        assert_eq!(certificate.entry(2, CaptureCheck::RowSums).unwrap().verdict, Certified::Pass);
        let report = judged(&import);
        assert!(report.is_ok(), "{:?}", report.summary.critical);
        assert_eq!(found(&report, CheckId::HeadPrevious, Verdict::Pass), ["L0H1"]);
        assert_eq!(found(&report, CheckId::HeadInduction, Verdict::Pass), ["L2H2"]);
        assert_eq!(found(&report, CheckId::SinkRate, Verdict::Warn), ["L0H2", "L2H0"]);
    }
    // From memory: a layer that was not captured is no layer of the report.
    let mut captured = honest(&ids);
    captured.info.layers = 3;
    captured.inputs.iter_mut().for_each(|input| input.layers[1].layer = 2);
    assert_eq!(found(&judged(&captured), CheckId::HeadInduction, Verdict::Pass), ["L2H2"]);
}

/// Entries of a layer's two output checks: A.V = z and W_O z + b = output.
fn outputs(captured: &Captured, layer: usize) -> [Certified; 2] {
    let certificate = attractor_capture::Certificate::of_captured(&captured).unwrap();
    [CaptureCheck::Output, CaptureCheck::Projection].map(|name| certificate.entry(layer, name).unwrap().verdict)
}

/// Verdicts of the judge's twin checks, by layer.
fn of_layers(report: &Report, id: CheckId) -> Vec<Verdict> {
    let of_layer = report.checks.iter().filter(|c| c.id == id && c.layer.is_some() && c.head.is_none());
    of_layer.map(|c| c.verdict).collect()
}

#[test]
fn a_projection_with_two_heads_swapped_is_caught_in_its_layer() {
    let model = built();
    let mut swapped = weights();
    let output = &mut swapped.get_mut("transformer.h.0.attn.c_proj.weight").unwrap().values;
    let (first, second) = output.split_at_mut(WIDTH * HIDDEN);
    first.swap_with_slice(&mut second[..WIDTH * HIDDEN]);
    let folder = tempfile::tempdir().unwrap();
    let certifier = conformance::hand_built::model(folder.path(), &swapped);
    let captured = Capture { certifier: &certifier, ..Capture::honest(&model) }.run(&inputs(SEED));
    assert_eq!(outputs(&captured, 0), [Certified::Pass, Certified::Fail]);
    assert_eq!(outputs(&captured, 1), [Certified::Pass, Certified::Pass]);
    let report = judged(&captured);
    assert_eq!(of_layers(&report, CheckId::OutProjection), [Verdict::Fail, Verdict::Pass]);
    assert_eq!(of_layers(&report, CheckId::OutAv), [Verdict::Pass, Verdict::Pass]);
    let check = report.of_model(CheckId::OutProjection).unwrap();
    assert!(check.verdict == Verdict::Fail && check.why.starts_with("L0: "), "{}", check.why);
    assert_eq!(report.conclusion.scenario, Scenario::Broken);
}

/// Queries, keys and values that are not what made z: maps recomputed from them are another model's.
#[test]
fn weights_that_did_not_make_the_output_are_caught_in_their_layer() {
    let model = built();
    let ids = inputs(SEED);
    let size = LENGTH * WIDTH;
    let swap_queries = |tap: &mut Tap| {
        if tap.layer == 1 {
            let (first, second) = tap.q.split_at_mut(size);
            first.swap_with_slice(&mut second[..size]);
        }
    };
    // Every row of the induction head's keys comes one position late.
    let late = |tap: &mut Tap| {
        if tap.layer == 1 {
            tap.k[2 * size..].rotate_right(WIDTH);
        }
    };
    let faults: [&dyn Fn(&mut Tap); 2] = [&swap_queries, &late];
    for tamper in faults {
        let captured = Capture { tamper, ..Capture::honest(&model) }.run(&ids);
        assert_eq!(outputs(&captured, 0), [Certified::Pass, Certified::Pass]);
        assert_eq!(outputs(&captured, 1), [Certified::Fail, Certified::Pass]);
        let report = judged(&captured);
        assert_eq!(of_layers(&report, CheckId::OutAv), [Verdict::Pass, Verdict::Fail]);
        let check = report.of_model(CheckId::OutAv).unwrap();
        assert!(check.verdict == Verdict::Fail && check.why.starts_with("L1: "), "{}", check.why);
    }
}

#[test]
fn a_head_with_a_nan_is_not_testable_and_the_others_are() {
    let mut maps = maps(&honest(&inputs(SEED)));
    maps.get_mut(&1).unwrap()[start(4, 1) + 20 * LENGTH + 7] = f32::NAN;
    let import = imported(&maps, Number::F32);
    let report = judged(&import);
    let check = report.of_model(CheckId::NormFinite).unwrap();
    assert!(check.verdict == Verdict::Warn && check.why.to_string().contains("1 rows of L1H1"), "{}", check.why);
    // That head has five inputs left; the others lose nothing.
    let intervals = |head| report.of_head(CheckId::BaseUniform, 1, head).unwrap().interval.is_some();
    assert!(intervals(0) && intervals(1) && intervals(2));
    let finite = import.certificate().unwrap().entry(1, CaptureCheck::Finite).unwrap().clone();
    assert!(finite.verdict == Certified::NotTestable && finite.value == Some(1.0), "{finite:?}");
    assert_eq!(import.certificate().unwrap().entry(0, CaptureCheck::Finite).unwrap().verdict, Certified::Pass);
    assert_eq!(found(&report, CheckId::SinkRate, Verdict::Warn), places(Kind::First));

    // On every input: nothing is left to judge, and nothing is made up.
    for input in 0..6 {
        maps.get_mut(&1).unwrap()[start(input, 1)] = f32::NAN;
    }
    let report = judged(&imported(&maps, Number::F32));
    for id in [
        CheckId::BaseUniform,
        CheckId::HeadSharpness,
        CheckId::HeadPrevious,
        CheckId::SinkRate,
        CheckId::QueryVariation,
    ] {
        let check = report.of_head(id, 1, 1).unwrap();
        assert!(check.verdict == Verdict::Skipped && check.why.starts_with("not testable"), "{id}: {}", check.why);
        assert!(report.of_head(id, 1, 2).unwrap().value.is_some(), "{id}");
    }
    assert_eq!(report.conclusion.scenario, Scenario::StructureUntested);
}

#[test]
fn a_nan_in_the_weights_is_refused_with_the_tensor() {
    let mut broken = weights();
    broken.get_mut("transformer.h.1.attn.c_proj.weight").unwrap().values[5] = f32::NAN;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &broken).unwrap();
    let error = match Checkpoint::open(folder.path(), &Opening::default()) {
        Ok(checkpoint) => Model::load(&checkpoint).unwrap_err(),
        Err(error) => error,
    };
    assert!(error.is_non_finite() && error.to_string().contains("h.1.attn.c_proj.weight"), "{error}");
}

/// Off by one column, either way, in one head of one layer.
#[test]
fn a_head_shifted_by_one_column_is_caught_by_name() {
    let ids = inputs(SEED);
    let sound = maps(&honest(&ids));
    let shifted = |layer: usize, head: usize, right: bool| {
        let mut maps = sound.clone();
        for input in 0..ids.len() {
            for row in maps.get_mut(&layer).unwrap()[start(input, head)..][..SIZE].chunks_mut(LENGTH) {
                if right {
                    row.rotate_right(1);
                } else {
                    // As where a beginning token's column was cut off: what stood there is gone.
                    row.rotate_left(1);
                    row[LENGTH - 1] = 0.0;
                }
            }
        }
        maps
    };
    for (layer, kinds) in KINDS.iter().enumerate() {
        for (head, kind) in kinds.iter().enumerate() {
            let name = format!("L{layer}H{head}");
            // The first row sees one key; one to the right is its future.
            let import = imported(&shifted(layer, head, true), Number::F32);
            let report = judged(&import);
            assert_eq!(found(&report, CheckId::MaskCausal, Verdict::Fail), [name.as_str()], "{kind:?}");
            assert_eq!(found(&report, CheckId::NormRows, Verdict::Fail), Vec::<String>::new(), "{kind:?}");
            let entry = import.certificate().unwrap().entry(layer, CaptureCheck::Support).unwrap().clone();
            assert!(
                entry.verdict == Certified::Fail && entry.why.to_string().contains(&format!("head {head},")),
                "{entry:?}"
            );
            let other = import.certificate().unwrap().entry(1 - layer, CaptureCheck::Support).unwrap().verdict;
            assert_eq!(other, Certified::Pass);

            let import = imported(&shifted(layer, head, false), Number::F32);
            let report = judged(&import);
            assert_eq!(found(&report, CheckId::NormRows, Verdict::Fail), [name.as_str()], "{kind:?} to the left");
        }
    }
}

/// The tokens of one input given to the maps of another: the maps are sound, the induction is not there.
#[test]
fn maps_with_the_tokens_of_another_input_show_no_induction() {
    let ids = inputs(SEED);
    let mut captured = honest(&ids);
    for (record, other) in captured.inputs.iter_mut().zip(ids.iter().cycle().skip(1)) {
        record.tokens = tokens(other);
    }
    let report = judged(&captured);
    assert!(report.is_ok());
    assert_eq!(found(&report, CheckId::HeadInduction, Verdict::Pass), Vec::<String>::new());
    assert_eq!(found(&report, CheckId::HeadPrevious, Verdict::Pass), places(Kind::Previous));
}
