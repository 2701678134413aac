//! Memories and Boltzmann machines, as a user starts them.

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

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn parsed(folder: &Path, arguments: &[&str]) -> Value {
    let output = attractor(folder, &[arguments, &["--json", "--quiet"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_memory_recalls_its_own_example_and_says_what_it_could_not() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    // Ten glyphs that have much in common: Hebb's rule mixes them up, a steep energy and the projection do not.
    let exact = |arguments: &[&str]| {
        let found = parsed(here, arguments);
        let recalls = found["recalls"].as_array().unwrap().clone();
        assert!(recalls.iter().all(|r| r["why"].as_str().is_some_and(|why| !why.is_empty())), "{found}");
        recalls.iter().filter(|r| r["exact"] == true).count()
    };
    let hebb = exact(&["memory", "hopfield", "--data", "glyphs-8", "--noise", "0.1"]);
    let projection = exact(&["memory", "hopfield", "--data", "glyphs-8", "--noise", "0.1", "--rule", "pseudo-inverse"]);
    let dense = exact(&["memory", "dense", "--demo"]);
    assert!(hebb < 5 && projection >= 8 && dense == 10, "{hebb} {projection} {dense}");
    assert_eq!(exact(&["memory", "hopfield", "--random", "5x200", "--noise", "0.2"]), 5);
    assert_eq!(exact(&["memory", "hopfield", "--random", "5x200", "--mask", "0.4"]), 5);

    let modern = parsed(here, &["memory", "modern", "--demo", "--beta", "40"]);
    assert!(modern["retrievals"].as_array().unwrap().iter().all(|r| r["retrieved"] == true), "{modern}");
    let cold = attractor(here, &["memory", "modern", "--demo", "--beta", "0.5"]);
    assert!(said(&cold).contains("average of more than half of all patterns"), "{}", said(&cold));
    let anneal = parsed(here, &["memory", "anneal", "--demo"]);
    assert_eq!(anneal["energy"], anneal["ground_energy"]);
}

#[test]
fn every_picture_of_a_memory_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let cases = [
        (&["hopfield", "--demo"][..], &["recall", "frames", "energy", "weights", "contributions", "fields"][..]),
        (&["dense", "--demo"], &["recall", "frames", "energy"]),
        (&["modern", "--demo"], &["recall", "energy", "beta", "weights"]),
        (&["anneal", "--demo", "--sweeps", "60", "--reads", "8"], &["run", "temperature", "state"]),
    ];
    for (command, pictures) in cases {
        for picture in pictures {
            let arguments = [&["memory"], command, &["--draw", picture, "-o", "out.svg", "--quiet"]].concat();
            let output = attractor(here, &arguments);
            assert!(output.status.success(), "{arguments:?}: {}", said(&output));
            let svg = std::fs::read_to_string(here.join("out.svg")).unwrap();
            assert!(svg.starts_with("<svg") && (*picture != "frames" || svg.contains("<animate")), "{arguments:?}");
        }
    }
}

/// A training that is stopped and taken up again ends where an uninterrupted one ends, bit for bit.
#[test]
fn a_machine_is_trained_taken_up_again_and_drawn_from() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let options =
        ["--data", "glyphs-8", "--hidden", "5", "--batch-size", "4", "--lr", "0.1", "--held-out", "0", "--seed", "3"];
    let train = |more: &[&str]| parsed(here, &[&["train", "rbm"], &options[..], more].concat());
    let whole = train(&["-o", "whole", "--epochs", "12", "--likelihood-every", "4"]);
    train(&["-o", "parts", "--epochs", "5", "--likelihood-every", "4"]);
    let parts = train(&["-o", "parts", "--epochs", "12", "--likelihood-every", "4", "--resume"]);
    assert_eq!((&whole["log_likelihood"], &whole["updates"]), (&parts["log_likelihood"], &parts["updates"]));
    let file = |name: &str| std::fs::read(here.join(name).join("rbm.safetensors")).unwrap();
    assert!(file("whole") == file("parts"));
    let lines = std::fs::read_to_string(here.join("parts/metrics.jsonl")).unwrap();
    let epochs: Vec<u64> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, (1..=12).collect::<Vec<_>>());
    for name in ["features", "samples", "activations", "weights", "likelihood", "reconstruction"] {
        assert!(here.join("whole").join(format!("{name}.svg")).exists(), "{name}");
    }

    let again = attractor(here, &[&["train", "rbm", "-o", "whole"], &options[..]].concat());
    assert!(again.status.code() == Some(2) && said(&again).contains("--resume"), "{}", said(&again));
    let other = [&["train", "rbm", "-o", "whole", "--resume", "--k", "3"], &options[..]].concat();
    let other = attractor(here, &other);
    assert!(other.status.code() == Some(2) && said(&other).contains("begun with sampler"), "{}", said(&other));
    let bytes = file("whole");
    std::fs::write(here.join("torn.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    let torn = attractor(here, &["generate", "rbm", "torn.safetensors", "-o", "x.svg"]);
    assert!(torn.status.code() == Some(3) && said(&torn).contains("torn"), "{}", said(&torn));

    let dreams = parsed(here, &["generate", "rbm", "whole", "--samples", "7", "--steps", "20"]);
    let rows = dreams["values"].as_array().unwrap();
    assert!(rows.len() == 7 && rows.iter().all(|row| row.as_array().unwrap().len() == 64));
    for (more, file) in [
        (&["--complete", "glyphs-8", "--steps", "20"][..], "completed.svg"),
        (&["--complete", "glyphs-8", "--chain", "3"], "chain.svg"),
        (&["--steps", "20", "--gibbs", "--drawn"], "drawn.csv"),
        (&["--steps", "20"], "dreams.safetensors"),
    ] {
        let output = attractor(here, &[&["generate", "rbm", "whole"], more, &["-o", file]].concat());
        assert!(output.status.success() && here.join(file).exists(), "{more:?}: {}", said(&output));
    }
    let wrong = attractor(here, &["generate", "rbm", "whole", "--complete", "glyphs-5", "-o", "x.svg"]);
    assert!(said(&wrong).contains("rows of 25 numbers for a machine of 64"), "{}", said(&wrong));
}

/// Persistent chains at a high rate destroy the likelihood; the alarm says so and the best machine is kept.
#[test]
fn the_alarm_is_heard_and_the_best_machine_taken() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let bars: Vec<String> = (0..32u32)
        .map(|code| {
            let bit = |at: usize| (code >> (at % 4) & 1).to_string();
            let cells = (0..16).map(|cell| bit(if code < 16 { cell / 4 } else { cell % 4 }));
            cells.collect::<Vec<_>>().join(",")
        })
        .collect();
    std::fs::write(here.join("bars.csv"), bars.join("\n")).unwrap();
    let options = [
        "train",
        "rbm",
        "--data",
        "bars.csv",
        "--hidden",
        "16",
        "--batch-size",
        "32",
        "--lr",
        "0.1",
        "--sampler",
        "pcd",
        "--momentum",
        "0",
        "--weight-decay",
        "0",
        "--held-out",
        "0",
        "--epochs",
        "6000",
        "--likelihood-every",
        "100",
        "--roll-back",
        "-o",
        "rbm",
    ];
    let found = parsed(here, &options);
    assert!(found["rolled_back"] == true && found["alarm"]["drop"].as_f64().unwrap() > 0.2, "{found}");
    let best = found["best"]["log_likelihood"].as_f64().unwrap();
    assert!(best - found["log_likelihood"].as_f64().unwrap() > 0.2 && best > -6.0, "{found}");
    let file = |name: &str| std::fs::read(here.join("rbm").join(name)).unwrap();
    assert!(file("rbm.safetensors") == file("best.safetensors"));
}
