//! No bytes make a reader panic, read out of bounds or take memory without end.
//!
//! `PROPTEST_CASES=100000 cargo test --workspace --profile bench --test fuzz` runs long; a run takes a quarter of a second.

mod common;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use attractor_capture::{Import, ImportOptions, Run, RunOptions, RunWriter};
use attractor_record::{Patterns, Selection};
use proptest::prelude::*;

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(usize, u8),
    Cut(usize),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    /// Writes a large or odd number over what is there.
    Number(usize, u64),
}

fn change() -> impl Strategy<Value = Change> {
    let numbers = prop::sample::select(vec![0, 1, 0xff, 0xffff, 0xffff_ffff, u64::MAX, 1 << 60, i64::MAX as u64]);
    prop_oneof![
        4 => (any::<usize>(), 1..=255u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        1 => any::<usize>().prop_map(Change::Cut),
        1 => (any::<usize>(), 1..40usize).prop_map(|(at, length)| Change::Remove(at, length)),
        2 => (any::<usize>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, x)| Change::Insert(at, x)),
        1 => (any::<usize>(), numbers).prop_map(|(at, x)| Change::Number(at, x)),
        2 => (any::<usize>(), prop::sample::select(vec!["9", "[", "]", "{", "null", "NaN", "-", "e9", ",", "\"", "999999999999"]))
            .prop_map(|(at, x)| Change::Insert(at, x.into())),
    ]
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let n = bytes.len().max(1);
        match change {
            Change::Flip(at, bits) => {
                if let Some(byte) = bytes.get_mut(at % n) {
                    *byte ^= bits;
                }
            }
            Change::Cut(at) => bytes.truncate(at % n),
            Change::Remove(at, length) => drop(bytes.drain(at % n..(at % n + length).min(bytes.len()).max(at % n))),
            Change::Insert(at, x) => drop(bytes.splice(at % n..at % n, x.iter().copied())),
            Change::Number(at, x) => {
                let at = at % n;
                for (byte, new) in bytes[at.min(n - 1)..].iter_mut().zip(x.to_le_bytes()) {
                    *byte = new;
                }
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Reads, and asks everything that may be asked.
fn use_import(bytes: &[u8]) {
    let options = ImportOptions { memory_budget: 64 << 20, ..ImportOptions::default() };
    let Ok(import) = Import::from_bytes(bytes, &options) else { return };
    use_patterns(&import);
    let certificate = import.certificate().unwrap();
    assert!(!certificate.entries.is_empty());
    attractor_record::table::Table::of(&import).unwrap().csv();
}

fn use_patterns(patterns: &dyn Patterns) {
    for shape in patterns.layers() {
        for input in 0..patterns.inputs() {
            for &head in &shape.heads {
                let Ok((rows, keys)) = patterns.shape(shape.layer, input) else { continue };
                let rows = rows.min(40);
                if let Ok(Some(weights)) = patterns.weights(shape.layer, head, input, 0..rows) {
                    assert_eq!(weights.len(), rows * keys);
                }
                let _ = patterns.statistics(shape.layer, head, input);
            }
            let _ = patterns.layer_input(shape.layer, input, &[0, 1, 1 << 40]);
        }
    }
}

/// A small valid file of every format.
fn files() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let map: Vec<f32> = (0..9).map(|i| if i % 3 <= i / 3 { 1.0 / (1 + i / 3) as f32 } else { 0.0 }).collect();
        let bytes: Vec<u8> = map.iter().flat_map(|x| x.to_le_bytes()).collect();
        let header = "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 3, 3), }\n";
        let npy = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &bytes].concat();
        let member = |name: &str| (name.to_string(), common::npy("<f4", false, &[1, 1, 3, 3], &bytes));
        let npz = common::npz(&["L0", "layer3/step2"].map(member));
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1, 3, 3], &bytes).unwrap();
        let tensors = safetensors::serialize([("L0", view.clone()), ("L1H3", view)], None).unwrap();
        let json = br#"{"attention_maps": {"model.transformer.blocks.5": [{"step": 3, "attention_weights": [[[[1, 0], [0.5, 0.5]]]]},
            {"step": 7, "attention_weights": [[[1, NaN], [0.5, 0.5]]]}], "blocks.6": null}, "tokens": ["a", "b"], "prompt_length": 1}"#;
        let nested = b"[null, [[[1, 0], [0.25, 0.75]], [[1, null], [0.5, 0.5]]]]";
        let files = vec![npy, npz, tensors, json.to_vec(), nested.to_vec()];
        files.iter().for_each(|file| drop(Import::from_bytes(file, &ImportOptions::default()).unwrap()));
        files
    })
}

fn all_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true => all_files(&path, found),
            false => found.push(path),
        }
    }
}

/// A small valid run: the names of its files and what they hold.
fn run() -> &'static [(PathBuf, Vec<u8>)] {
    static RUN: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let options = RunOptions { selection: Selection::parse(None, Some("4-5")).unwrap(), ..RunOptions::default() };
        let mut writer = RunWriter::create(folder.path(), &options, &common::info()).unwrap();
        writer.append(&common::input(1, 0, 4)).unwrap();
        writer.finish().unwrap();
        let mut files = Vec::new();
        all_files(folder.path(), &mut files);
        files.retain(|file| !file.ends_with("tables/heads.parquet") && !file.ends_with(".lock"));
        let relative = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().to_path_buf();
        files.iter().map(|path| (relative(path), std::fs::read(path).unwrap())).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_no_import(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..5usize) {
        let start: [&[u8]; 5] = [b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x10\0\0\0\0\0\0\0{", b"["];
        use_import(&[start[kind], &bytes].concat());
    }

    #[test]
    fn changed_files_are_read_or_refused(kind in 0..5usize, changes in prop::collection::vec(change(), 1..4)) {
        use_import(&changed(&files()[kind], &changes));
    }

    #[test]
    fn any_text_is_a_selection_or_refused(layers in "[0-9,\\-LlHh. ]{0,12}", heads in "\\PC{0,12}") {
        if let Ok(selection) = Selection::parse(Some(&layers), Some(&heads)) {
            let _ = selection.check(12, 12);
            assert!(selection.heads(3, 5).len() <= 5);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_runs_are_read_or_refused(file in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..3)) {
        let files = run();
        let folder = tempfile::tempdir().unwrap();
        let chosen = file.index(files.len());
        for (place, (path, bytes)) in files.iter().enumerate() {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, if place == chosen { changed(bytes, &changes) } else { bytes.clone() }).unwrap();
        }
        let path = &files[chosen].0;
        let asked = std::panic::catch_unwind(|| {
            if let Ok(run) = Run::open(folder.path()) {
                let _ = run.verify();
                use_patterns(&run);
                let _ = run.certificate();
                let _ = run.tile(3, 5, 0, 1..3, 0..2);
            }
            drop(RunWriter::resume(folder.path()));
        });
        prop_assert!(asked.is_ok(), "{}: {changes:?}", path.display());
    }
}
