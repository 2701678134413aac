//! Captures of several steps, and runs of an earlier schema, at the command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn attractor(here: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attractor")).args(args).current_dir(here).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Causal maps of two inputs at these steps; every row leans on one key, another at every step.
fn maps(steps: &[u64]) -> Value {
    let row = |input: u64, step: u64, i: u64| -> Vec<f64> {
        let weight = |j: u64| if j > i { 0.0 } else { 1.0 + ((7 * input + 3 * step + i + 2 * j) % 5) as f64 };
        let sum: f64 = (0..=i).map(weight).sum();
        (0..9).map(|j| weight(j) / sum).collect()
    };
    let map = |input, step| (0..9).map(|i| row(input, step, i)).collect::<Vec<_>>();
    let entry = |&step: &u64| {
        let batch: Vec<_> = (0..2).map(|input| [map(input, step), map(input + 5, step)]).collect();
        json!({ "step": step, "block": step / 4, "attention_weights": batch })
    };
    let captured: Vec<Value> = steps.iter().map(entry).collect();
    json!({ "attention_maps": { "blocks.0": captured } })
}

fn converted(here: &Path, name: &str, steps: &[u64]) {
    std::fs::write(here.join("maps.json"), maps(steps).to_string()).unwrap();
    said(&attractor(here, &["convert", "maps.json", name, "--quiet"]));
}

#[test]
fn a_table_has_a_step_column_only_where_there_are_steps() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    converted(here, "many", &[3, 0, 12]);
    converted(here, "one", &[3]);
    let rows = |run: &str| -> Vec<String> {
        let csv = said(&attractor(here, &["metrics", run, "--format", "csv", "--quiet"]));
        csv.lines().map(|line| line.split(',').take(4).collect::<Vec<_>>().join(",")).collect()
    };
    assert_eq!(rows("one"), ["layer,head,inputs,rows", "0,0,2,18", "0,1,2,18"]);
    let many = rows("many");
    assert_eq!(many[0], "step,layer,head,inputs");
    assert_eq!(many[1..], ["0,0,0,2", "0,0,1,2", "3,0,0,2", "3,0,1,2", "12,0,0,2", "12,0,1,2"]);
}

#[test]
fn a_report_says_how_many_steps_there_are_and_a_picture_names_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    converted(here, "many", &[3, 0, 12]);
    converted(here, "one", &[3]);
    let of = |run: &str| -> Value {
        let output = attractor(here, &["validate", run, "--json", "--quiet"]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["provenance"].clone()
    };
    let (many, one) = (of("many"), of("one"));
    assert_eq!((&many["inputs"], &many["steps"]), (&json!(2), &json!(6)));
    assert_eq!((&one["inputs"], &one["steps"]), (&json!(2), &Value::Null));
    let compared = said(&attractor(here, &["diff", "many", "many"]));
    assert!(compared.contains("6 steps of 2 inputs, "), "{compared}");
    let page =
        |show: &str| attractor(here, &["report", "many", "--show", show, "-o", "page.html", "--quiet", "--overwrite"]);
    assert!(page("5").status.success(), "every step can be shown");
    let refused = page("6");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("6 steps of 2 inputs"));
    let followed: Value = serde_json::from_str(&said(&attractor(
        here,
        &["rollout", "many", "--input-number", "1", "--step", "3", "--skip-missing", "--json"],
    )))
    .unwrap();
    assert_eq!((&followed["input"], &followed["step"]["number"]), (&json!(1), &json!(3)));
    let export = |run: &str, step: &[&str]| {
        let export = ["export", run, "--heads", "0", "--input-number", "1", "-o", "map.svg", "--json", "--overwrite"];
        attractor(here, &[&export[..], step].concat())
    };
    let picture = |run: &str, step: &[&str]| {
        said(&export(run, step));
        std::fs::read_to_string(here.join("map.svg")).unwrap()
    };
    assert!(picture("many", &["--step", "12"]).contains("L0H0, input 1, step 12"));
    assert!(picture("one", &[]).contains("L0H0, input 1") && !picture("one", &[]).contains("step"));
    let written: Value = serde_json::from_str(&said(&export("many", &["--step", "3"]))).unwrap();
    assert_eq!(
        (&written["input"], &written["step"]["number"], &written["stack"]),
        (&json!(1), &json!(3), &Value::Null)
    );
    for (run, step, says) in [
        ("many", &[][..], "input 1 has 3 steps, [0, 3, 12]; choose one; give --step 12"),
        ("many", &["--step", "4"], "--step 4: the steps of input 1 are [0, 3, 12]"),
        ("one", &["--step", "4"], "--step 4: input 1 has no numbered steps; omit --step"),
    ] {
        let refused = export(run, step);
        assert_eq!(refused.status.code(), Some(2));
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains(says),
            "{}",
            String::from_utf8_lossy(&refused.stderr)
        );
    }
    let refused = attractor(here, &["rollout", "many", "--input-number", "2", "--step", "3"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the target holds 2 inputs, numbered from 0"));
}

#[test]
fn convert_migrates_a_run_of_an_earlier_schema_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let stored = |version: u32| -> PathBuf {
        let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../attractor-capture/tests/runs");
        runs.join(format!("schema{version}")).canonicalize().unwrap()
    };
    let (old, latest) = (stored(1).display().to_string(), stored(2).display().to_string());
    let found: Value = serde_json::from_str(&said(&attractor(here, &["convert", &old, "new", "--json"]))).unwrap();
    assert_eq!((&found["inputs"], &found["layers"], found.get("steps")), (&json!(2), &json!(1), None));
    let judged = |run: &str| {
        let output = attractor(here, &["validate", run, "--json", "--quiet"]);
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["provenance"]["extra"].take();
        report["provenance"]["name"].take();
        report
    };
    assert_eq!(judged(&old), judged("new"));
    for (args, says) in [
        (["convert", &latest, "newer"].as_slice(), "there is nothing to convert"),
        (&["convert", &old, "newer", "--dtype", "f32"], "--dtype f32"),
        (&["convert", &old, "new"], "overwritten unasked"),
    ] {
        let output = attractor(here, args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(says), "{args:?}: {error}");
    }
    assert!(!here.join("newer").exists());
}
