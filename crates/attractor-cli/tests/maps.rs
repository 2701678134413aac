//! Maps that other programs saved, as a user brings them: what torch.save wrote, and windows below ten.
//!
//! `maps/*.pt` were written by torch 2.15.0: `tuple.pt` is `torch.save(attentions)` of three layers, two heads and five tokens, causal,
//! `tuple.json` the same numbers; `older.pt` a list of them in half precision, by the format before torch 1.6; `stacks.pt` a
//! dictionary of two stacks; `generated.pt` what `generate()` returns, a tuple of steps of tuples of layers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn attractor(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attractor"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary was built for this test")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn saved(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/maps").join(name)
}

/// Converts a file of maps; gives what is said as JSON.
fn converted(folder: &Path, file: &Path, run: &str, options: &[&str]) -> Value {
    let output = attractor(folder, &[&["convert", file.to_str().unwrap(), run, "--json"], options].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The weights of a run, as lines of layer, head, query, key and weight.
fn weights(folder: &Path, run: &str, options: &[&str]) -> Vec<f64> {
    let output = attractor(folder, &[&["export", run, "-o", "maps.csv", "--quiet"], options].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = std::fs::read_to_string(folder.join("maps.csv")).unwrap();
    std::fs::remove_file(folder.join("maps.csv")).unwrap();
    text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn what_torch_saved_is_read_as_the_same_numbers_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let found = converted(here, &saved("tuple.pt"), "torch", &[]);
    assert_eq!((&found["layers"], &found["inputs"]), (&json!(3), &json!(1)), "{found}");
    converted(here, &saved("tuple.json"), "json", &[]);
    let (torch, json) = (weights(here, "torch", &[]), weights(here, "json", &[]));
    assert!(torch.len() >= 3 * 2 * 15 && torch == json);
    let older = converted(here, &saved("older.pt"), "older", &[]);
    assert_eq!(older["layers"], 3, "{older}");
    let halves = weights(here, "older", &[]);
    assert!(halves.len() == torch.len() && halves.iter().zip(&torch).all(|(a, b)| (a - b).abs() < 5e-4));
}

#[test]
fn stacks_and_steps_of_torch_are_stacks_and_steps() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let stacks = converted(here, &saved("stacks.pt"), "stacks", &[]);
    assert_eq!(stacks["stacks"], json!(["encoder", "decoder"]), "{stacks}");
    let steps = converted(here, &saved("generated.pt"), "steps", &[]);
    assert_eq!((&steps["inputs"], &steps["steps"], &steps["layers"]), (&json!(1), &json!(3), &json!(2)), "{steps}");
    let validated = attractor(here, &["validate", "steps"]);
    assert!(matches!(validated.status.code(), Some(0 | 1)), "{}", said(&validated));
}

/// A model whose sliding window is below ten: rows ten apart share no key, which is named and not claimed.
#[test]
fn a_window_of_five_is_judged_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors/mistral_tiny");
    std::fs::create_dir(here.join("model")).unwrap();
    std::fs::copy(vectors.join("model.safetensors"), here.join("model/model.safetensors")).unwrap();
    let config = std::fs::read_to_string(vectors.join("config.json")).unwrap();
    let narrow = config.replace("\"sliding_window\": 7", "\"sliding_window\": 5");
    assert_ne!(config, narrow);
    std::fs::write(here.join("model/config.json"), narrow).unwrap();
    let ids: Vec<Vec<usize>> =
        (0..5).map(|input| (0..12).map(|i| (7 * i + 5 * input + i * i) % 60 + 3).collect()).collect();
    std::fs::write(here.join("ids.json"), json!(ids).to_string()).unwrap();
    let judged = |arguments: &[&str]| {
        let output = attractor(here, arguments);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {}", said(&output));
        assert!(!said(&output).contains("panicked"), "{}", said(&output));
        said(&output)
    };
    let words = judged(&["validate", "model", "--input", "ids.json"]);
    assert!(words.contains("[9/9]"), "{words}");
    judged(&["report", "model", "--input", "ids.json", "-o", "model.html"]);
    // The same of maps from elsewhere, whose window is stated.
    let map: Vec<Vec<f64>> = (0..12usize)
        .map(|query| {
            let seen = |key: usize| key <= query && key + 5 > query;
            let count = (0..12).filter(|&key| seen(key)).count() as f64;
            (0..12).map(|key| if seen(key) { 1.0 / count } else { 0.0 }).collect()
        })
        .collect();
    std::fs::write(here.join("maps.json"), json!({ "L0": [map, map], "L1": [map, map] }).to_string()).unwrap();
    converted(here, &here.join("maps.json"), "maps", &["--mask", "window:5"]);
    judged(&["validate", "maps"]);
    judged(&["report", "maps", "-o", "maps.html"]);
    let report = judged(&["validate", "maps", "--json"]);
    let document: Value = serde_json::from_str(&report).unwrap();
    assert!(document["groups"].is_array(), "{report}");
}

/// Where nobody stated the mask, weights are not praised for keeping to it.
#[test]
fn an_inferred_mask_is_no_check() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let verdict = |run: &str| {
        let document: Value = serde_json::from_slice(&attractor(here, &["validate", run, "--json"]).stdout).unwrap();
        let checks = document["checks"].as_array().unwrap();
        let support = |check: &&Value| check["id"] == "mask.support" && check["layer"].is_null();
        checks.iter().find(support).unwrap()["verdict"].clone()
    };
    converted(here, &saved("tuple.pt"), "inferred", &[]);
    converted(here, &saved("tuple.pt"), "stated", &["--mask", "causal"]);
    assert_eq!((verdict("inferred"), verdict("stated")), (json!("skipped"), json!("pass")));
}

/// Maps that were not converted are named as such.
#[test]
fn maps_that_are_judged_before_they_are_converted_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = attractor(folder.path(), &["validate", saved("tuple.pt").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("attractor convert"), "{}", said(&output));
}
