//! Versions of the layout: each is read, the earlier one migrates, and what is not understood is refused by its name.
//!
//! `runs/schema1` was captured by the last program that wrote version 1, `runs/schema2` by the first that wrote version 2,
//! from the same two inputs (token ids) of `conformance/vectors/gpt2_tiny`: layer 1, heads 0 and 1, queries and keys in f16.

mod common;

use std::path::{Path, PathBuf};

use attractor_capture::run::{SCHEMA_VERSION, migrate};
use attractor_capture::{Run, RunOptions, RunWriter};
use attractor_record::{Captured, InputRecord, Origin, Patterns, Precision, Stack, Step, Steps};
use common::{info, input};
use serde_json::{Value, json};

fn stored(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/runs/schema{version}"))
}

/// Everything that a source answers, exactly: NaN is a value here, so the debug form is compared.
fn all(patterns: &dyn Patterns) -> String {
    let mut text = format!("{:?} {:?}\n", patterns.info(), patterns.layers());
    for entry in 0..patterns.inputs() {
        text += &format!("{:?} {:?}\n", patterns.tokens(entry), patterns.prompt_length(entry));
        for shape in patterns.layers() {
            let (layer, rows) = (shape.layer, patterns.shape(shape.layer, entry).unwrap().0);
            text += &format!("{:?} {:?}\n", patterns.mask(layer, entry), patterns.facts(layer, entry));
            text += &format!("{:?}\n", patterns.layer_input(layer, entry, &(0..rows).collect::<Vec<_>>()));
            for &head in &shape.heads {
                text += &format!("{:?}\n", patterns.statistics(layer, head, entry));
                text += &format!("{:?}\n", patterns.weights(layer, head, entry, 0..rows));
            }
        }
    }
    text
}

/// A copy that may be changed.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target = to.join(entry.file_name().unwrap());
        match entry.is_dir() {
            true => copy(&entry, &target),
            false => drop(std::fs::copy(&entry, &target).unwrap()),
        }
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

/// The attributes of an entry of a run.
fn entry(run: &Path, entry: usize) -> PathBuf {
    run.join(format!("capture.zarr/inputs/{entry:05}/zarr.json"))
}

#[test]
fn runs_of_each_version_read_to_the_same_values() {
    let [first, second] = [1, 2].map(|version| Run::open(stored(version)).unwrap());
    assert_eq!((first.manifest().version, second.manifest().version, SCHEMA_VERSION), (1, 2, 2));
    assert_eq!(first.inputs(), 2);
    assert_eq!(all(&first), all(&second));
    for run in [first, second] {
        run.verify().unwrap();
        assert_eq!((run.origin(0), run.origin(1), run.stacks()), (Origin::of(0), Origin::of(1), vec![Stack::Only]));
        assert!(!Steps::of(&run).are_several());
    }
}

#[test]
fn a_run_of_version_1_migrates_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new");
    let old = Run::open(stored(1)).unwrap();
    let new = migrate(&old, &path).unwrap();
    assert_eq!((new.manifest().version, &new.manifest().created), (2, &old.manifest().created));
    assert_eq!(new.manifest().tokens_hash, old.manifest().tokens_hash);
    assert_eq!(all(&new), all(&old));
    for shard in ["inputs/00000/L1/q/c/0/0/0", "inputs/00001/L1/row_statistics/c/0/0/0"] {
        let read = |run: &Path| std::fs::read(run.join("capture.zarr").join(shard)).unwrap();
        assert_eq!(read(&stored(1)), read(&path), "{shard}");
    }
    let error = migrate(&new, folder.path().join("again")).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("nothing to convert"), "{error}");
    assert!(!folder.path().join("again").exists());
    // What is there is never written over, and a damaged run does not become a whole one.
    assert!(migrate(&old, &path).unwrap_err().is_usage());
    let torn = folder.path().join("torn");
    copy(&stored(1), &torn);
    std::fs::write(torn.join("capture.zarr/inputs/00001/L1/k/c/0/0/0"), "").unwrap();
    assert!(migrate(&Run::open(&torn).unwrap(), folder.path().join("whole")).unwrap_err().is_format());
    assert!(!folder.path().join("whole").exists());
}

#[test]
fn an_unfinished_run_of_version_1_goes_on_after_it_was_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    copy(&stored(1), &old);
    edit(&old.join("run.json"), |manifest| manifest["inputs"] = Value::Null);
    let error = RunWriter::resume(&old).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("convert it"), "{error}");
    let migrated = migrate(&Run::open(&old).unwrap(), &new).unwrap();
    assert_eq!(migrated.manifest().inputs, None);
    assert_eq!(RunWriter::resume(&new).unwrap().committed(), 2);
}

/// Version 1 numbered steps and not inputs: of entries of one step, the k-th is of input k.
#[test]
fn steps_of_version_1_are_steps_of_inputs() {
    let folder = tempfile::tempdir().unwrap();
    for (steps, expected) in
        [([3, 7], [Origin::at(0, 3), Origin::at(0, 7)]), ([3, 3], [Origin::at(0, 3), Origin::at(1, 3)])]
    {
        let path = folder.path().join(format!("{steps:?}"));
        copy(&stored(1), &path);
        for (at, step) in steps.into_iter().enumerate() {
            edit(&entry(&path, at), |group| group["attributes"]["step"] = step.into());
        }
        let run = Run::open(&path).unwrap();
        assert_eq!([run.origin(0), run.origin(1)], expected);
        let new = migrate(&run, path.with_extension("new")).unwrap();
        assert_eq!([new.origin(0), new.origin(1)], expected);
    }
}

#[test]
fn what_version_2_has_room_for_and_this_program_does_not_read_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 9] = [
        ("key_tokens (tokens of keys apart from those of queries)", |entry| entry["key_tokens"] = json!([])),
        ("states (states of tokens)", |entry| entry["states"] = json!(["masked"])),
        ("branch (a branch of guidance)", |entry| entry["branch"] = json!("unconditional")),
        ("layers[0].signed (signed maps)", |entry| entry["layers"][0]["signed"] = json!(true)),
        ("L1: the array bias (an additive bias of the scores)", |entry| {
            entry["layers"][0]["arrays"]["bias"] = json!({ "shape": [2, 5, 5], "dtype": "float32", "bytes": 200 });
        }),
        ("tokens[2]: the role slot", |entry| entry["tokens"][2]["role"] = json!("slot")),
        // What nobody has decided yet.
        ("layers[0].gate", |entry| entry["layers"][0]["gate"] = json!(0.5)),
        ("layers[0].facts.dropout", |entry| entry["layers"][0]["facts"]["dropout"] = json!(false)),
        ("tokens[0].weight", |entry| entry["tokens"][0]["weight"] = json!(2)),
    ];
    for (at, (name, change)) in changes.into_iter().enumerate() {
        let path = folder.path().join(at.to_string());
        copy(&stored(2), &path);
        edit(&entry(&path, 1), |group| change(&mut group["attributes"]));
        let error = Run::open(&path).unwrap_err();
        assert!(error.is_unsupported(), "{name}: {error}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("not understood") && text.contains("00001/zarr.json"), "{text}");
    }
    for (file, name) in [("run.json", "guidance"), ("capture.zarr/zarr.json", "attributes")] {
        let path = folder.path().join(name);
        copy(&stored(2), &path);
        edit(&path.join(file), |value| match file {
            "run.json" => value["guidance"] = json!(1.5),
            _ => value["attributes"]["lineage"] = json!("x"),
        });
        let error = Run::open(&path).unwrap_err();
        assert!(error.is_unsupported() && error.to_string().contains(file), "{error}");
    }
    // Version 1 was read without these fields whatever stood beside them, and is so still.
    let path = folder.path().join("first");
    copy(&stored(1), &path);
    edit(&entry(&path, 1), |group| group["attributes"]["anything"] = json!(1));
    Run::open(&path).unwrap();
}

#[test]
fn a_field_that_is_null_is_absent_and_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    copy(&stored(2), &path);
    edit(&entry(&path, 0), |group| {
        for name in ["step", "block", "branch", "states"] {
            group["attributes"][name] = Value::Null;
        }
    });
    assert_eq!(all(&Run::open(&path).unwrap()), all(&Run::open(stored(2)).unwrap()));
    edit(&path.join("run.json"), |manifest| manifest["version"] = 3.into());
    let error = Run::open(&path).unwrap_err();
    assert!(error.is_format() && error.to_string().contains("this program reads versions 1 to 2"), "{error}");
}

fn write(path: &Path, records: &[InputRecord]) -> Run {
    let options = RunOptions { dtype: Precision::F32, layer_input: true, ..RunOptions::default() };
    let mut writer = RunWriter::create(path, &options, &info()).unwrap();
    records.iter().for_each(|record| writer.append(record).unwrap());
    writer.finish().unwrap();
    Run::open(path).unwrap()
}

/// Three inputs, of which each entry is given an origin.
fn records(origins: [Origin; 3]) -> Vec<InputRecord> {
    let record = |(index, origin)| InputRecord { origin, ..input(8, index, 7 + index) };
    origins.into_iter().enumerate().map(record).collect()
}

#[test]
fn steps_and_blocks_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let step = |number, block| Origin::at(1, Step { number, block: Some(block) });
    let origins = [step(64, 1), Origin::at(0, 64), step(32, 0)];
    let run = write(&folder.path().join("run"), &records(origins));
    assert_eq!([0, 1, 2].map(|entry| run.origin(entry)), origins);
    assert_eq!(Steps::of(&run).series(), [vec![1], vec![2, 0]]);
    // An import of another source keeps them.
    let options = RunOptions { keep: "pattern".parse().unwrap(), ..RunOptions::default() };
    let mut writer = RunWriter::create(folder.path().join("again"), &options, &info()).unwrap();
    (0..3).for_each(|entry| writer.append_patterns(&run, entry).unwrap());
    writer.finish().unwrap();
    let again = Run::open(folder.path().join("again")).unwrap();
    assert_eq!([0, 1, 2].map(|entry| again.origin(entry)), origins);
}

#[test]
fn a_run_with_one_step_reads_as_one_without() {
    let folder = tempfile::tempdir().unwrap();
    let without = write(&folder.path().join("without"), &records([0, 1, 2].map(Origin::of)));
    let one = write(&folder.path().join("one"), &records([0, 1, 2].map(|input| Origin::at(input, 9))));
    assert_eq!(all(&without), all(&one));
    assert_eq!((Steps::of(&one).are_several(), Steps::of(&one).name(2)), (false, "input 2".to_string()));
}

#[test]
fn a_step_is_in_a_run_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let twice = records([Origin::at(0, 1), Origin::at(0, 2), Origin::at(0, 1)]);
    let mut writer = RunWriter::create(&path, &RunOptions::default(), &info()).unwrap();
    writer.append(&twice[0]).unwrap();
    writer.append(&twice[1]).unwrap();
    let says = |error: attractor_capture::Error| {
        assert!(error.is_usage() && error.to_string().contains("input 0, step 1 is in the run already"), "{error}");
    };
    says(writer.append(&twice[2]).unwrap_err());
    drop(writer);
    says(RunWriter::resume(&path).unwrap().append(&twice[2]).unwrap_err());
    edit(&entry(&path, 1), |group| group["attributes"]["step"] = 1.into());
    let error = Run::open(&path).unwrap_err();
    assert!(error.is_format() && error.to_string().contains("appears twice"), "{error}");
}

#[test]
fn layers_of_several_stacks_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let stacks = [Stack::Encoder, Stack::Decoder, Stack::Cross];
    let record = |index: usize| {
        let layers = stacks.iter().enumerate().flat_map(|(at, &stack)| {
            let mut layers = input(20 + at as u64, index, 6).layers;
            layers.iter_mut().for_each(|layer| layer.stack = stack);
            layers
        });
        InputRecord { layers: layers.collect(), ..input(1, index, 6) }
    };
    let captured = Captured { info: info(), inputs: vec![record(0), record(1)] };
    let run = write(&folder.path().join("run"), &captured.inputs);
    assert_eq!((run.stacks(), captured.stacks()), (stacks.to_vec(), stacks.to_vec()));
    assert_eq!((run.stack(), run.layers()), (Stack::Encoder, captured.layers()));
    assert!(folder.path().join("run/capture.zarr/inputs/00001/cross_L3/q/zarr.json").exists());
    let mut seen = Vec::new();
    for stack in stacks {
        let run = Run::open(run.path()).unwrap().of_stack(stack).unwrap();
        assert_eq!(run.stack(), stack);
        assert_eq!(all(&run), all(&captured.clone().of_stack(stack)));
        seen.push(run.weights(3, 2, 1, 0..6).unwrap());
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2], "layer 3 is another in every stack");
    run.verify().unwrap();
    let error = Run::open(stored(2)).unwrap().of_stack(Stack::Cross).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("kept stacks: only"), "{error}");
    // A writer that goes on knows the heads of every stack.
    let mut writer = RunWriter::resume(run.path()).unwrap();
    writer.append(&record(2)).unwrap();
}
