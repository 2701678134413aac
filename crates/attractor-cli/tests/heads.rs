//! `attractor heads`, as a user starts it.

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

fn model() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../attractor-session/demo").to_str().unwrap().to_string()
}

fn found(detections: &Value, detector: &str) -> Vec<String> {
    let all = detections["detectors"].as_array().unwrap();
    let own = all.iter().find(|d| d["detector"] == detector).unwrap();
    own["found"].as_array().unwrap().iter().map(|h| h.as_str().unwrap().to_string()).collect()
}

/// The embedded model learnt to copy what is repeated; in prose its induction heads have little to do.
#[test]
fn induction_is_looked_for_in_random_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let run = |arguments: &[&str]| {
        let output = attractor(here, &[&["heads", &model()], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let detections = json(&run(&["--detect", "induction,duplicate", "--json", "--seed", "3"]));
    assert_eq!(detections["schema_version"], 1);
    assert_eq!((&detections["seed"], &detections["correction"]), (&Value::from(3), &Value::from("bh")));
    let source = detections["provenance"]["extra"]["inputs"].as_str().unwrap();
    assert!(source.contains("repeated, seed 3"), "{source}");
    assert!(!found(&detections, "induction").is_empty() && found(&detections, "duplicate").is_empty());
    let own = detections["heads"].as_array().unwrap().iter().find(|h| h["verdict"] == "found").unwrap();
    assert!(own["score"].as_f64() > Some(0.4) && own["q"].as_f64() <= Some(0.05) && own["null"].as_f64() < Some(0.2));
    // The same for any number of threads, and other tokens for another seed.
    let of_one = run(&["--detect", "induction,duplicate", "--json", "--seed", "3", "--threads", "1"]);
    assert_eq!(json(&of_one), detections);
    let other = json(&run(&["--detect", "induction,duplicate", "--json", "--seed", "4"]));
    assert_ne!(other["heads"], detections["heads"]);
    let words = String::from_utf8(run(&["--detect", "induction"]).stdout).unwrap();
    assert!(words.contains("induction heads: ") && words.contains("chance: patterns paired"), "{words}");
    assert!(words.lines().all(|line| line.chars().count() <= 120), "{words}");
}

#[test]
fn a_run_gives_what_its_model_gives_and_statistics_what_they_can() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let model = model();
    let run = |arguments: &[&str]| {
        let output = attractor(here, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let inputs = ["--seq-len", "48", "--max-inputs", "14"];
    run(&[&["capture", &model, "-o", "full", "--dtype", "f32", "--quiet"], &inputs[..]].concat());
    run(&[&["capture", &model, "-o", "bare", "--keep", "stats", "--quiet"], &inputs[..]].concat());
    let of_model = json(&run(&[&["heads", &model, "--json"], &inputs[..]].concat()));
    let of_run = json(&run(&["heads", "full", "--json", "--output", "findings.json"]));
    let of_statistics = json(&run(&["heads", "bare", "--json"]));
    let summary = |detections: &Value, detector: &str| -> Value {
        let all = detections["detectors"].as_array().unwrap();
        all.iter().find(|d| d["detector"] == detector).unwrap().clone()
    };
    for detector in ["previous", "current", "first", "duplicate", "induction", "positional", "sink", "delimiter"] {
        let alone = summary(&of_statistics, detector);
        match detector {
            // A model is asked on random tokens that repeat; the run holds a text, and says that it could not show any.
            "duplicate" | "induction" => assert_eq!(summary(&of_run, detector)["unasked"], true, "{detector}"),
            _ => assert_eq!(found(&of_run, detector), found(&of_model, detector), "{detector}"),
        }
        match detector {
            "duplicate" | "induction" => {
                assert!(alone["not_testable"].as_str().unwrap().contains("needs maps"), "{alone}");
            }
            _ => assert_eq!(found(&of_statistics, detector), found(&of_model, detector), "{detector}"),
        }
    }
    assert!(!found(&of_model, "previous").is_empty() && !found(&of_model, "current").is_empty());
    let written: Value = serde_json::from_slice(&std::fs::read(here.join("findings.json")).unwrap()).unwrap();
    assert_eq!(written, of_run);
    let one = json(&run(&["heads", "full", "--heads", "L0H5", "--detect", "previous", "--json"]));
    assert_eq!(one["heads"].as_array().unwrap().len(), 1);
    let all = String::from_utf8(run(&["heads", "full", "--detect", "previous", "--all"]).stdout).unwrap();
    assert_eq!(all.lines().filter(|line| line.starts_with("  L")).count(), 16, "{all}");
    // A run holds its inputs.
    let refused = attractor(here, &["heads", "full", "--text", "more"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let model = model();
    for (arguments, says) in [
        (
            &["--detect", "previous,prevoius"][..],
            "--detect prevoius: expected names separated by commas from previous, current",
        ),
        (&["--detect", ""], "expected names"),
        (&["--fdr", "0"], "--fdr 0: give a number between 0 and 1"),
        (&["--fdr", "NaN"], "--fdr NaN: give a number between 0 and 1"),
        (&["--permutations", "10"], "--permutations 10: give 99 to 1000000"),
        (&["--permutations", "99999999999"], "--permutations 99999999999: give 99 to 1000000"),
        (&["--correction", "bonferroni"], "bh"),
        (&["--layers", "7"], "--layers 7: the model has layers 0 to"),
        (&["--detect", "induction", "--seq-len", "5"], "cannot be repeated"),
        (&["--detect", "induction", "--seq-len", "4000"], "positions"),
        (&["--detect", "induction", "--max-inputs", "0"], "at least 1"),
        (&["--output", "."], "is a folder"),
    ] {
        let output = attractor(folder.path(), &[&["heads", &model], arguments].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
    let nothing = attractor(folder.path(), &["heads", "nowhere"]);
    assert_eq!(nothing.status.code(), Some(3));
}
