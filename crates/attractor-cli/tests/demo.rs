//! The main job, as a user starts it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn attractor(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attractor"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary was built for this test")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!("{e}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

#[test]
fn the_demo_finds_its_heads_and_writes_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = attractor(folder.path(), &["demo", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let report = json(&output);
    let kinds = |kind: &str| {
        let heads = report["heads"].as_array().unwrap();
        heads.iter().filter(|head| head["kinds"].as_array().unwrap().iter().any(|k| k == kind)).count()
    };
    assert!(kinds("previous-token") >= 1, "{}", report["heads"]);
    assert!(kinds("induction") >= 1, "{}", report["heads"]);
    let groups: Vec<u64> = report["groups"].as_array().unwrap().iter().filter_map(|g| g["number"].as_u64()).collect();
    assert_eq!(groups, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("Induction was measured on 16 sequences of random tokens"));
    assert!(page.starts_with("<!DOCTYPE html>") && page.len() < 3_000_000, "{} bytes", page.len());
}

#[test]
fn a_capture_becomes_a_run_that_is_judged_like_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../attractor-session/demo");
    let model = model.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let output = attractor(here, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    };
    run(&["capture", model, "--seq_len", "48", "--max-inputs", "6", "-o", "run", "--dtype", "f32", "--quiet"]);
    let info = json(&run(&["info", "run", "--json", "--verify"]));
    assert_eq!(info["inputs"], 6);
    let of_run = json(&run(&["validate", "run", "--json"]));
    let of_model =
        json(&run(&["validate", model, "--seq-len", "48", "--max-inputs", "6", "--ablate", "none", "--json"]));
    let sharpness = |report: &Value| -> Vec<f64> {
        report["heads"].as_array().unwrap().iter().map(|head| head["sharpness"].as_f64().unwrap()).collect()
    };
    for (a, b) in sharpness(&of_run).iter().zip(sharpness(&of_model)) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    // What needs the model is skipped on a run, and still has its group.
    let group = |report: &Value, number: usize| report["groups"][number - 1]["verdict"].as_str().unwrap().to_string();
    assert_eq!((group(&of_run, 8), group(&of_run, 9)), ("skipped".to_string(), "skipped".to_string()));
    assert_eq!(group(&of_model, 8), "pass");
    for check in of_run["checks"].as_array().unwrap() {
        for field in
            ["id", "group", "layer", "head", "value", "null", "effect", "interval", "threshold", "verdict", "why"]
        {
            assert!(check.get(field).is_some(), "{field} is missing in {check}");
        }
    }
    for (format, file) in [("csv", "m.csv"), ("json", "m.json"), ("parquet", "m.parquet"), ("table", "m.txt")] {
        run(&["metrics", "run", "--format", format, "-o", file]);
        assert!(std::fs::metadata(here.join(file)).unwrap().len() > 100, "{file}");
    }
}

#[test]
fn a_capture_that_was_cut_short_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../attractor-session/demo");
    let model = model.to_str().unwrap();
    let first = ["capture", model, "--seq-len", "48", "--max-inputs", "2", "-o", "run", "--quiet"];
    assert_eq!(attractor(folder.path(), &first).status.code(), Some(0));
    let more = ["capture", model, "--seq-len", "48", "--max-inputs", "5", "-o", "run", "--resume", "--json"];
    let summary = json(&attractor(folder.path(), &more));
    assert_eq!((summary["resumed_at"].as_u64(), summary["inputs"].as_u64()), (Some(2), Some(5)));
}

#[test]
fn the_version_is_the_program_s_whichever_command_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["-V"][..], &["validate", "-V"], &["memory", "hopfield", "--version"]] {
        let output = attractor(folder.path(), arguments);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("attractor {}\n", env!("CARGO_PKG_VERSION")));
    }
}
