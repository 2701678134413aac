//! A run of several stacks: each job reads the one that is chosen, and says which.

#[path = "../../attractor-capture/tests/common/records.rs"]
mod records;

use std::collections::BTreeSet;
use std::path::Path;

use attractor_capture::run::{RunOptions, RunWriter};
use attractor_record::InputRecord;
use attractor_session::{Context, Inputs, Selection, Stack, Table, capture, info, judgement, metrics, target};
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
    let error = of(Some(Stack::Cross)).unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("another sequence"), "{error}");
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
    let Err(error) = target::open(folder.path(), &Inputs::default().reading(), Some(Stack::Encoder), &Context::default()) else {
        panic!("a checkpoint has one stack");
    };
    assert_eq!(error.at_fault(), Some(("stack", "encoder")));
}
