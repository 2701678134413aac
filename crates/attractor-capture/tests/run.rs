//! A run gives back what was put in.

mod common;

use attractor::retrieve::HeadStatistics;
use attractor_capture::run::{Keep, budget};
use attractor_capture::{Run, RunOptions, RunWriter};
use attractor_record::Precision;
use attractor_record::{Captured, Patterns, Selection};
use common::{HEADS, LAYERS, info, input};

fn same(a: &HeadStatistics, b: &HeadStatistics) -> bool {
    // NaN is a value here; JSON has no NaN, so the debug form, which is exact, is compared.
    format!("{a:?}") == format!("{b:?}")
}

fn captured(lengths: &[usize]) -> Captured {
    let inputs = lengths.iter().enumerate().map(|(index, &n)| input(5, index, n)).collect();
    Captured { info: info(), inputs }
}

fn write(options: &RunOptions, captured: &Captured) -> (tempfile::TempDir, Run) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create(folder.path().join("run"), options, &captured.info).unwrap();
    for record in &captured.inputs {
        writer.append(record).unwrap();
    }
    writer.finish().unwrap();
    let run = Run::open(folder.path().join("run")).unwrap();
    (folder, run)
}

#[test]
fn a_run_in_f32_is_the_capture_bit_for_bit() {
    // 600 exceeds a chunk of vectors, 1 is the shortest.
    let captured = captured(&[13, 600, 1]);
    let (_folder, run) =
        write(&RunOptions { dtype: Precision::F32, layer_input: true, ..RunOptions::default() }, &captured);
    assert_eq!(run.inputs(), 3);
    assert_eq!(run.layers(), captured.layers());
    assert_eq!(run.manifest().inputs, Some(3));
    for (index, record) in captured.inputs.iter().enumerate() {
        assert_eq!(run.tokens(index), record.tokens);
        for layer in LAYERS {
            assert_eq!(run.mask(layer, index).unwrap(), captured.mask(layer, index).unwrap());
            let rows: Vec<usize> = (0..captured.shape(layer, index).unwrap().0).rev().collect();
            let input = |patterns: &dyn Patterns| patterns.layer_input(layer, index, &rows).unwrap();
            assert_eq!(input(&run), input(&captured));
            let facts = run.facts(layer, index).unwrap();
            assert!(facts.projection_error.unwrap().is_nan() && facts.output_error == Some(1e-7));
            let n = record.tokens.len();
            for head in [0, 4] {
                let given = captured.statistics(layer, head, index).unwrap().unwrap();
                let read = run.statistics(layer, head, index).unwrap().unwrap();
                assert!(same(&given, &read), "layer {layer} head {head} input {index}");
                let rows = n / 3..n.min(n / 3 + 40);
                let (a, b) =
                    (captured.weights(layer, head, index, rows.clone()), run.weights(layer, head, index, rows));
                let (a, b) = (a.unwrap().unwrap(), b.unwrap().unwrap());
                assert_eq!(a.len(), b.len());
                // Rows are computed alone here and among others there.
                let far = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(far <= 1e-6, "{far}");
                let (own, stored) = run.log_sum_exp(layer, head, index).unwrap().unwrap();
                assert!(own.iter().zip(&stored).all(|(a, b)| (a - b).abs() <= 2e-6 * a.abs().max(1.0)));
            }
        }
    }
    run.verify().unwrap();
}

#[test]
fn statistics_that_come_with_the_record_are_kept_as_they_are() {
    let mut captured = captured(&[13]);
    for layer in &mut captured.inputs[0].layers {
        layer.statistics = (0..HEADS)
            .map(|head| HeadStatistics {
                queries: 13,
                keys: 13,
                entropy: vec![head as f32 + 0.5; 13],
                log_sum_exp: vec![-1.5; 13],
                distance_pairs: vec![1 << 40, 3],
                distance_mass: vec![0.1, 0.2],
                distance_enrichment: vec![0.3, f64::MIN_POSITIVE],
                ..HeadStatistics::default()
            })
            .collect();
    }
    let (_folder, run) = write(&RunOptions::default(), &captured);
    for head in 0..HEADS {
        assert!(same(&run.statistics(3, head, 0).unwrap().unwrap(), &captured.inputs[0].layers[1].statistics[head]));
    }
}

#[test]
fn f16_rows_and_tiles_sum_to_one_and_lie_near_the_model() {
    let captured = captured(&[300]);
    let (_folder, run) = write(&RunOptions::default(), &captured);
    for layer in LAYERS {
        for head in 0..HEADS {
            let record = captured.layer(layer, 0).unwrap().unwrap();
            let n = record.queries;
            let rows = run.weights(layer, head, 0, 0..n).unwrap().unwrap();
            let exact = captured.weights(layer, head, 0, 0..n).unwrap().unwrap();
            let far = rows.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far > 0.0 && far < 5e-3, "f16 must show, and little: {far}");
            let sinks = run.statistics(layer, head, 0).unwrap().unwrap().sink_mass;
            for row in 0..n {
                let sum: f64 = rows[row * n..(row + 1) * n].iter().map(|&w| f64::from(w)).sum();
                let sink = f64::from(sinks.get(row).copied().unwrap_or(0.0));
                // The sink's share is the model's own, the rest comes from f16.
                let tolerance = if sinks.is_empty() { 1e-5 } else { 5e-3 };
                assert!((sum + sink - 1.0).abs() < tolerance, "layer {layer} head {head} row {row}: {sum} + {sink}");
            }
            // A tile that begins and ends anywhere is that part of the rows.
            let (r, k) = (97..181, 60..177);
            let tile = run.tile(layer, head, 0, r.clone(), k.clone()).unwrap().unwrap();
            for (i, row) in r.clone().enumerate() {
                for (j, key) in k.clone().enumerate() {
                    let (a, b) = (tile[i * k.len() + j], rows[row * n + key]);
                    assert!((a - b).abs() <= 2e-6, "layer {layer} head {head} {row},{key}: {a} {b}");
                }
            }
        }
    }
}

#[test]
fn selected_heads_keep_the_key_heads_that_they_read() {
    let captured = captured(&[17]);
    // Heads 1 and 4 read key heads 0 and 1; layer 3 keeps head 5 alone, which reads key head 1.
    let options = RunOptions {
        selection: Selection::parse(None, Some("0.1,0.4,L3H5")).unwrap(),
        dtype: Precision::F32,
        ..RunOptions::default()
    };
    let (folder, run) = write(&options, &captured);
    let heads: Vec<_> = run.layers().into_iter().map(|shape| (shape.layer, shape.heads)).collect();
    assert_eq!(heads, [(0, vec![1, 4]), (3, vec![5])]);
    for (layer, head) in [(0, 1), (0, 4), (3, 5)] {
        let (a, b) = (run.weights(layer, head, 0, 3..9), captured.weights(layer, head, 0, 3..9));
        let (a, b) = (a.unwrap().unwrap(), b.unwrap().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6), "{layer}.{head}");
        let statistics = run.statistics(layer, head, 0).unwrap().unwrap();
        assert!(same(&statistics, &captured.statistics(layer, head, 0).unwrap().unwrap()));
    }
    assert!(run.weights(0, 2, 0, 0..1).unwrap_err().to_string().contains("kept: 1, 4"));
    let k = folder.path().join("run/capture.zarr/inputs/00000/L3/k/zarr.json");
    let k: serde_json::Value = serde_json::from_slice(&std::fs::read(k).unwrap()).unwrap();
    assert_eq!(k["shape"], serde_json::json!([1, 17, 7]));
    let error = RunOptions { selection: Selection::parse(None, Some("99")).unwrap(), ..options };
    let error = RunWriter::create(folder.path().join("other"), &error, &info()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("heads 0 to 5"), "{error}");
    assert!(!folder.path().join("other").exists());
}

#[test]
fn every_keep_keeps_what_it_says() {
    let captured = captured(&[150]);
    let exact = captured.weights(3, 2, 0, 0..150).unwrap().unwrap();
    for keep in ["stats", "pattern", "topk:3"] {
        let options = RunOptions { keep: keep.parse().unwrap(), ..RunOptions::default() };
        let (_folder, run) = write(&options, &captured);
        let weights = run.weights(3, 2, 0, 130..140).unwrap();
        let statistics = run.statistics(3, 2, 0).unwrap().unwrap();
        match run.options().keep {
            Keep::Pattern => {
                let near = |(a, b): (&f32, &f32)| (a - b).abs() <= b.abs() / 1024.0 + 6e-8;
                assert!(weights.unwrap().iter().zip(&exact[130 * 150..140 * 150]).all(near));
                // The first chunk's right neighbour is hidden by the mask, all zeros and not stored.
                for (layer, head) in [(0, 1), (3, 2)] {
                    let exact = captured.weights(layer, head, 0, 0..150).unwrap().unwrap();
                    let whole = run.weights(layer, head, 0, 0..150).unwrap().unwrap();
                    assert!(whole.len() == 150 * 150 && whole.iter().zip(&exact).all(near));
                }
                let tile = run.tile(3, 2, 0, 130..132, 120..150).unwrap().unwrap();
                assert!(tile[..30].iter().zip(&exact[130 * 150 + 120..]).all(near));
            }
            Keep::TopK(k) => {
                assert!(weights.is_none());
                let row = 77;
                let keys = &statistics.row_top_keys[row * k..(row + 1) * k];
                let mut order: Vec<usize> = (0..150).collect();
                order.sort_by(|&a, &b| exact[row * 150 + b].total_cmp(&exact[row * 150 + a]));
                assert_eq!(keys.iter().map(|&k| k as usize).collect::<Vec<_>>(), order[..k]);
            }
            _ => assert!(weights.is_none() && statistics.row_top_keys.is_empty()),
        }
    }
}

#[test]
fn numbers_beyond_f16_are_kept_as_f32_and_said() {
    let mut captured = captured(&[9]);
    captured.inputs[0].layers[0].q[3] = 70_000.0;
    captured.inputs[0].layers[0].k[8] = f32::NAN;
    let (_folder, run) = write(&RunOptions::default(), &captured);
    let promoted = run.promoted(0, 0).unwrap();
    assert!(promoted.len() == 1 && promoted[0].0 == "q" && promoted[0].1.contains("65504"), "{promoted:?}");
    assert!(run.promoted(3, 0).unwrap().is_empty());
    let statistics = run.statistics(0, 0, 0).unwrap().unwrap();
    assert!(statistics.invalid_rows > 0, "a NaN key makes rows invalid");
}

#[test]
fn a_budget_is_refused_before_it_is_exceeded_and_what_fits_is_said() {
    let captured = captured(&[64, 400]);
    let options = |disk, memory| RunOptions { disk_budget: disk, memory_budget: memory, ..RunOptions::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut writer = RunWriter::create(&path, &options(Some(1000 << 10), None), &info()).unwrap();
    writer.append(&captured.inputs[0]).unwrap();
    let used = writer.used();
    let error = writer.append(&captured.inputs[1]).unwrap_err();
    let text = error.to_string();
    assert!(
        error.is_budget() && text.contains("400 positions") && text.contains("what would fit: sequences of"),
        "{text}"
    );
    assert_eq!((writer.used(), writer.committed()), (used, 1));
    assert!(!path.join("capture.zarr/inputs/00001").exists());
    // What it says would fit, fits; one more does not.
    let fits: usize = text.split("sequences of ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(fits > 10 && fits < 400, "{fits}");
    assert!(writer.append(&common::input(5, 1, fits + 1)).unwrap_err().is_budget());
    writer.append(&common::input(5, 1, fits)).unwrap();
    assert!(writer.used() <= 1000 << 10);
    drop(writer);
    let mut writer = RunWriter::create(folder.path().join("b"), &options(None, Some(1000)), &info()).unwrap();
    assert!(writer.append(&captured.inputs[0]).unwrap_err().to_string().contains("of memory"));
}

#[test]
fn an_estimate_is_never_exceeded() {
    for keep in ["stats", "stats+qk", "pattern", "topk:5"] {
        for dtype in [Precision::F16, Precision::F32] {
            let options = RunOptions {
                keep: keep.parse().unwrap(),
                dtype,
                values: true,
                outputs: true,
                layer_input: true,
                ..RunOptions::default()
            };
            let folder = tempfile::tempdir().unwrap();
            let mut writer = RunWriter::create(folder.path().join("run"), &options, &info()).unwrap();
            for (index, positions) in [3, 129, 517].into_iter().enumerate() {
                let before = writer.used();
                let extent = budget::Extent {
                    heads: HEADS,
                    key_heads: 2,
                    queries: positions,
                    keys: positions,
                    width: 7,
                    value_width: 5,
                    model_width: 11,
                };
                writer.append(&input(5, index, positions)).unwrap();
                let (taken, allowed) =
                    (writer.used() - before, budget::estimate(&options, &[extent; 2], positions).disk);
                assert!(taken <= allowed, "{keep} {dtype} {positions}: {taken} > {allowed}");
            }
        }
    }
}

#[test]
fn what_is_there_is_never_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let create = || RunWriter::create(&path, &RunOptions::default(), &info());
    let mut writer = create().unwrap();
    writer.append(&input(5, 0, 4)).unwrap();
    let error = RunWriter::resume(&path).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("another process is writing"), "{error}");
    // A reader sees what is committed while the writer holds the lock.
    assert_eq!(Run::open(&path).unwrap().inputs(), 1);
    assert!(writer.append(&input(5, 5, 4)).unwrap_err().to_string().contains("input 1 is next"));
    drop(writer);
    assert!(create().unwrap_err().to_string().contains("overwritten unasked"));
    std::fs::remove_file(path.join("run.json")).unwrap();
    assert!(create().unwrap_err().to_string().contains("run.json is missing"));
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("thesis.tex"), "x").unwrap();
    let error = RunWriter::create(&other, &RunOptions::default(), &info()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("thesis.tex"), "{error}");
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
    assert!(RunWriter::create(other.join("thesis.tex"), &RunOptions::default(), &info()).unwrap_err().is_usage());
    assert!(Run::open(&other).unwrap_err().to_string().contains(": not a run"));
    assert!(Run::open(folder.path().join("none")).unwrap_err().to_string().contains("no such folder"));
}

#[test]
fn a_run_is_replaced_when_asked_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/below/run");
    RunWriter::check_output(&path, false).unwrap();
    let mut writer = RunWriter::create(&path, &RunOptions::default(), &info()).unwrap();
    writer.append(&input(5, 0, 4)).unwrap();
    // Somebody writes to it: it is not removed under their hands.
    assert!(RunWriter::clear(&path).unwrap_err().to_string().contains("another process is writing"));
    writer.finish().unwrap();
    RunWriter::check_output(&path, true).unwrap();
    RunWriter::clear(&path).unwrap();
    RunWriter::create(&path, &RunOptions::default(), &info()).unwrap().finish().unwrap();
    assert_eq!(Run::open(&path).unwrap().inputs(), 0);
    std::fs::write(path.join("thesis.tex"), "x").unwrap();
    RunWriter::clear(&path).unwrap();
    let error = RunWriter::check_output(&path, true).unwrap_err();
    assert!(
        error.is_usage() && error.to_string().contains("thesis.tex") && path.join("thesis.tex").exists(),
        "{error}"
    );
    RunWriter::clear(folder.path()).unwrap();
    assert!(path.exists(), "a folder without a run is left as it is");
}

#[test]
fn a_resumed_run_goes_on_behind_its_last_input() {
    let whole = captured(&[5, 9, 7]);
    let (_folder, expected) = write(&RunOptions::default(), &whole);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut writer = RunWriter::create(&path, &RunOptions::default(), &info()).unwrap();
    writer.append(&whole.inputs[0]).unwrap();
    drop(writer);
    // What a killed writer may leave: parts of the next input, temporary files.
    let store = path.join("capture.zarr");
    std::fs::create_dir_all(store.join("inputs/00001/L9/q")).unwrap();
    std::fs::write(store.join("inputs/00001/L9/q/zarr.json.1.tmp"), "{").unwrap();
    std::fs::write(store.join("zarr.json.77.tmp"), "{").unwrap();
    let mut writer = RunWriter::resume(&path).unwrap();
    assert!(!store.join("zarr.json.77.tmp").exists() && !store.join("inputs/00001").exists());
    assert_eq!(writer.committed(), 1);
    writer.append(&whole.inputs[1]).unwrap();
    writer.append(&whole.inputs[2]).unwrap();
    writer.finish().unwrap();
    let run = Run::open(&path).unwrap();
    assert_eq!(run.manifest().tokens_hash, expected.manifest().tokens_hash);
    for input in 0..3 {
        let (a, b) =
            (run.statistics(3, 5, input).unwrap().unwrap(), expected.statistics(3, 5, input).unwrap().unwrap());
        assert!(same(&a, &b));
    }
}

#[test]
fn a_torn_or_changed_shard_is_named() {
    let (folder, run) = write(&RunOptions::default(), &captured(&[40]));
    let shard = folder.path().join("run/capture.zarr/inputs/00000/L3/q/c/0/0/0");
    let whole = std::fs::read(&shard).unwrap();
    let says = |what: &str| {
        for error in [run.verify().unwrap_err(), run.weights(3, 0, 0, 0..40).unwrap_err()] {
            assert!(error.is_format() && error.to_string().contains(what), "{error}");
            assert!(error.to_string().contains("00000/L3/q/c/0/0/0"), "{error}");
        }
    };
    std::fs::write(&shard, &whole[..whole.len() / 2]).unwrap();
    says("the shard is truncated");
    std::fs::remove_file(&shard).unwrap();
    says("the shard is truncated: 0 bytes");
    let mut changed = whole.clone();
    changed[20] ^= 4;
    std::fs::write(&shard, &changed).unwrap();
    let error = run.verify().unwrap_err();
    assert!(error.is_format() && error.to_string().contains("00000/L3/q/c/0/0/0: "), "{error}");
    // The changed byte lies in the chunk of one head: that head alone is lost.
    let lost = (0..HEADS).filter(|&head| run.weights(3, head, 0, 0..40).is_err()).count();
    assert_eq!(lost, 1);
    std::fs::write(&shard, &whole).unwrap();
    run.verify().unwrap();
    // The other layer was never in doubt.
    run.weights(0, 0, 0, 0..40).unwrap();
    let root = folder.path().join("run/capture.zarr/zarr.json");
    std::fs::write(&root, "").unwrap();
    let error = Run::open(folder.path().join("run")).unwrap_err();
    assert!(error.is_format() && error.to_string().contains("capture.zarr/zarr.json"), "{error}");
}

/// Its index would have been read for every chunk that it claims: more memory than there is, and no way to catch that.
#[test]
fn a_shard_that_claims_chunks_without_number_is_refused() {
    let (folder, run) = write(&RunOptions::default(), &captured(&[40]));
    let metadata = folder.path().join("run/capture.zarr/inputs/00000/L3/q/zarr.json");
    let whole = std::fs::read_to_string(&metadata).unwrap();
    let changed = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut json: serde_json::Value = serde_json::from_str(&whole).unwrap();
        edit(&mut json);
        std::fs::write(&metadata, json.to_string()).unwrap();
        let error = run.verify().unwrap_err();
        assert!(error.is_format(), "{error}");
        error.to_string()
    };
    let says = changed(&|json| json["chunk_grid"]["configuration"]["chunk_shape"][0] = 6_000_000_000_000u64.into());
    assert!(says.contains("a shard of") && says.contains("L3/q/"), "{says}");
    let says = changed(&|json| json["codecs"][0]["configuration"]["chunk_shape"] = serde_json::json!([1, 1, 1]));
    assert!(says.contains("do not hold the index of"), "{says}");
    std::fs::write(&metadata, &whole).unwrap();
    run.verify().unwrap();
}
