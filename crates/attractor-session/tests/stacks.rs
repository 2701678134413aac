//! A run of several stacks: each job reads the one that is chosen, and says which.

#[path = "../../attractor-capture/tests/common/records.rs"]
mod records;

use std::collections::BTreeSet;
use std::path::Path;

use attractor_capture::run::{RunOptions, RunWriter};
use attractor_record::InputRecord;
use attractor_session::judgement::Verdict;
use attractor_session::target;
use attractor_session::{
    Context, Inputs, Selection, Stack, Table, capture, follow, heads, import, info, judgement, metrics,
};
use records::input;

/// Six inputs; encoder, decoder and cross each with layers 0 and 3 of their own numbers.
fn write(path: &Path) {
    let mut writer = RunWriter::create(path, &RunOptions::default(), &records::info()).unwrap();
    for index in 0..6 {
        let layers = [Stack::Encoder, Stack::Decoder, Stack::Cross].into_iter().enumerate().flat_map(|(at, stack)| {
            let mut layers = input(20 + at as u64, index, 24).layers;
            layers.iter_mut().for_each(|layer| layer.stack = stack);
            layers
        });
        writer.append(&InputRecord { layers: layers.collect(), ..input(1, index, 24) }).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn each_stack_is_judged_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    write(&path);
    let context = Context::new(7);
    let of = |stack| {
        let inputs = Inputs { stack, ..Inputs::default() };
        judgement::run(&judgement::Options { inputs, ..judgement::Options::new(&path) }, &context).map(|j| j.report)
    };
    let [encoder, decoder] = [Stack::Encoder, Stack::Decoder].map(|stack| of(Some(stack)).unwrap());
    assert_eq!([&encoder, &decoder].map(|report| report.provenance.stack), [Stack::Encoder, Stack::Decoder].map(Some));
    assert_ne!(encoder.heads, decoder.heads, "layer 3 is another in every stack");
    assert!(encoder.checks.iter().all(|check| check.stack == Some(Stack::Encoder)));
    let named = |table: &Table| table.columns().iter().position(|(name, _)| name == "stack");
    assert_eq!(named(&decoder.to_table().unwrap()), Some(3));
    let inputs = Inputs { stack: Some(Stack::Decoder), ..Inputs::default() };
    let measured = metrics::run(&metrics::Options { inputs, ..metrics::Options::new(&path) }, &context).unwrap();
    assert!(measured.table.csv().starts_with("stack,layer,head,"), "{}", measured.table.csv());

    let error = of(None).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("encoder, decoder, cross"), "{error}");
    assert_eq!(error.hint().unwrap().to_string(), "give stack = encoder");
    let error = of(Some(Stack::Only)).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("kept stacks: encoder"), "{error}");
}

/// Maps of cross attention, 5 queries x 7 keys, imported as such: what asks where a query stands among the keys is not testable
/// and says so; the rest is judged.
#[test]
fn cross_attention_is_judged_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = attractor::random::Philox::new(3, 1);
    let mut map = || -> Vec<Vec<f64>> {
        let mut row = |_| {
            let weights: Vec<f64> = (0..7).map(|_| (1.3 * random.normal()).exp()).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter().map(|w| w / sum).collect()
        };
        (0..5).map(&mut row).collect()
    };
    let mut file = serde_json::Map::new();
    for layer in 0..2 {
        let batch: Vec<Vec<Vec<Vec<f64>>>> = (0..6).map(|_| (0..2).map(|_| map()).collect()).collect();
        file.insert(format!("cross_attentions_{layer}"), serde_json::json!(batch));
    }
    let (source, path) = (folder.path().join("maps.json"), folder.path().join("run"));
    std::fs::write(&source, serde_json::Value::Object(file).to_string()).unwrap();
    let imported = import::run(&import::Options::new(&source, &path), &Context::new(7)).unwrap();
    assert_eq!((imported.inputs, imported.layers, imported.stacks.clone()), (6, 2, vec![Stack::Cross]));
    assert!(imported.is_ok(), "{}", imported.certificate);

    let info::Info::Run(run) = info::run(&info::Options::new(&path), &Context::new(7)).unwrap() else {
        panic!("a run")
    };
    assert_eq!(run.lengths, [7; 6], "keys, where no tokens are known");
    let report = judgement::run(&judgement::Options::new(&path), &Context::new(7)).unwrap().report;
    let of = |id: &str| report.checks.iter().find(|check| check.id.to_string() == id && check.is_of_model()).unwrap();
    for id in ["mask.causal", "pos.local", "pos.content", "head.previous", "head.induction"] {
        assert_eq!(of(id).verdict, Verdict::Skipped, "{id}");
        assert!(of(id).why.contains("no positions among the keys"), "{id}: {}", of(id).why);
    }
    for id in ["norm.rows", "head.sharpness", "query.variation"] {
        assert_ne!(of(id).verdict, Verdict::Skipped, "{id}: {}", of(id).why);
    }
    let found = heads::run(&heads::Options::new(&path), &Context::new(7)).unwrap();
    for head in &found.detections.heads {
        let cross = head.detector.is_of_positions();
        assert_eq!(head.score.is_none() && head.why.to_string().contains("no positions"), cross, "{head:?}");
    }
    let table = metrics::run(&metrics::Options::new(&path), &Context::new(7)).unwrap().table.csv();
    let has = |name: &&str| table.lines().next().unwrap().split(',').any(|column| column == *name);
    assert!(!["previous_mass", "self_mass", "mean_distance", "window_mass"].iter().any(has), "{table}");
    assert!(["entropy", "first_mass"].iter().all(has), "{table}");
    let error = follow::run(&follow::Options::new(&path), &Context::new(7)).unwrap_err();
    assert!(error.to_string().contains("not testable on cross attention"), "{error}");
}

/// What a run is, is told of all its stacks.
#[test]
fn info_tells_of_every_stack() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    write(&path);
    let found = info::run(&info::Options::new(&path), &Context::new(7)).unwrap();
    let info::Info::Run(run) = found else { panic!("a run") };
    let kept: Vec<(Option<Stack>, usize)> = run.layers.iter().map(|kept| (kept.stack, kept.layer)).collect();
    let each = |stack| [(Some(stack), 0), (Some(stack), 3)];
    assert_eq!(kept, [Stack::Encoder, Stack::Decoder, Stack::Cross].map(each).concat());
    let certified: BTreeSet<_> = run.certificate.entries.iter().map(|entry| (entry.stack, entry.layer)).collect();
    assert_eq!(certified, kept.into_iter().collect());
}

#[test]
fn a_run_of_one_stack_and_a_checkpoint_need_no_choice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut writer = RunWriter::create(&path, &RunOptions::default(), &records::info()).unwrap();
    writer.append(&input(1, 0, 8)).unwrap();
    writer.finish().unwrap();
    for stack in [None, Some(Stack::Only)] {
        let inputs = Inputs { stack, ..Inputs::default() };
        let opened = capture::open(&path, &inputs, Selection::all(), &Context::new(7)).unwrap();
        assert!(opened.patterns.stack().is_only());
    }
    let Err(error) =
        target::open(folder.path(), &Inputs::default().opening(), Some(Stack::Encoder), &Context::default())
    else {
        panic!("a checkpoint has one stack");
    };
    assert_eq!(error.at_fault(), Some(("stack", "encoder")));
}
