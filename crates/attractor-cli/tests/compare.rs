//! Rollout, metrics and differences, as a user starts them.

mod shared;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shared::{attractor, demo, parsed, said, without_layer};

/// Token ids that are read twice, of lengths that differ.
fn repeats(folder: &Path, inputs: usize) -> PathBuf {
    let passage =
        |input: usize| (0..15 + input).map(move |i| (97 * i + 31 * input + i * i * 7) % 500).collect::<Vec<_>>();
    let ids: Vec<Vec<usize>> = (0..inputs).map(|input| [passage(input), passage(input)].concat()).collect();
    let file = folder.join("ids.json");
    std::fs::write(&file, json!(ids).to_string()).unwrap();
    file
}

#[test]
fn a_rollout_of_a_model_and_of_its_run_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let (here, model) = (folder.path(), demo());
    let inputs = ["--seq-len", "32", "--max-inputs", "3"];
    let live = attractor(here, &[&["rollout", &model, "--input-number", "2", "--json"], &inputs[..]].concat());
    assert_eq!(live.status.code(), Some(0), "{}", said(&live));
    let live = parsed(&live);
    let capture = ["capture", &model, "-o", "run", "--dtype", "f32", "--quiet"];
    assert_eq!(attractor(here, &[&capture[..], &inputs[..]].concat()).status.code(), Some(0));
    let run = parsed(&attractor(here, &["rollout", "run", "--input-number", "2", "--json", "--out", "shares.csv"]));
    let shares = |document: &Value| -> Vec<f64> {
        document["shares"].as_array().unwrap().iter().map(|line| line["share"].as_f64().unwrap()).collect()
    };
    let (of_live, of_run) = (shares(&live), shares(&run));
    assert_eq!(of_run.len(), 32);
    assert!((of_run.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(of_live.iter().zip(&of_run).all(|(a, b)| (a - b).abs() < 1e-5), "{of_live:?} {of_run:?}");
    assert_eq!(run["query"]["position"], 31, "the last position where there is no class token");
    let csv = std::fs::read_to_string(here.join("shares.csv")).unwrap();
    assert_eq!((csv.lines().count(), csv.lines().next()), (33, Some("position,positions,token,share")));

    let words = parsed(&attractor(here, &["rollout", "run", "--by", "word", "--json"]));
    let lines = words["shares"].as_array().unwrap();
    assert!(lines.len() < 32 && lines.iter().any(|line| line["positions"].as_u64().unwrap() > 1), "{words}");
    assert!((shares(&words).iter().sum::<f64>() - 1.0).abs() < 1e-9);
    let flow = parsed(&attractor(here, &["rollout", "run", "--method", "flow", "--json"]));
    assert!((shares(&flow).iter().sum::<f64>() - 1.0).abs() < 1e-9 && flow["method"] == "flow");

    let drawn = attractor(here, &["rollout", "run", "--out", "shares.svg"]);
    assert_eq!(drawn.status.code(), Some(0), "{}", said(&drawn));
    let svg = std::fs::read_to_string(here.join("shares.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("rollout of position 31"), "{}", &svg[..200]);
    for (name, magic) in [("shares.png", &b"\x89PNG"[..]), ("shares.pdf", b"%PDF")] {
        let drawn = attractor(here, &["rollout", "run", "--out", name]);
        match cfg!(feature = "figures") {
            true => assert!(std::fs::read(here.join(name)).unwrap().starts_with(magic), "{}", said(&drawn)),
            false => {
                assert_eq!(drawn.status.code(), Some(2));
                assert!(said(&drawn).contains("--features figures") && !here.join(name).exists(), "{}", said(&drawn));
            }
        }
    }

    for (arguments, code, expected) in [
        (vec!["--query", "cls"], 2, "no token of this input is a class token"),
        (vec!["--query", "99"], 2, "positions are 0 to 31"),
        (vec!["--start", "2"], 2, "layers 0 to 1"),
        (vec!["--residual", "2"], 2, "from 0 to 1"),
        (vec!["--input-number", "3"], 2, "the target holds 3 inputs, numbered from 0"),
        (vec!["--out", "map.doc"], 2, "unsupported file extension"),
        (vec!["--text", "x"], 2, "omit --text"),
        (vec!["--heads", "9"], 2, "--heads 9: the model has heads 0 to"),
    ] {
        let output = attractor(here, &[&["rollout", "run"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(expected), "{arguments:?}: {}", said(&output));
    }
    assert!(!here.join("map.doc").exists());
}

#[test]
fn layers_that_were_not_captured_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo();
    let capture = ["capture", &model, "--seq-len", "24", "--max-inputs", "1", "--layers", "1", "-o", "run", "--quiet"];
    assert_eq!(attractor(folder.path(), &capture).status.code(), Some(0));
    let output = attractor(folder.path(), &["rollout", "run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("layer 0 of 2 has no map"), "{}", said(&output));
    for option in [&["--start", "1"][..], &["--skip-missing"]] {
        let output = attractor(folder.path(), &[&["rollout", "run", "--json"], option].concat());
        assert_eq!(parsed(&output)["layers"], json!([1]), "{}", said(&output));
    }
}

#[test]
fn a_model_equals_itself_and_differs_from_a_flattened_copy_where_it_was_flattened() {
    let folder = tempfile::tempdir().unwrap();
    let (here, model) = (folder.path(), demo());
    let flat = without_layer(here, 1);
    let flat = flat.to_str().unwrap();
    let ids = repeats(here, 6);
    let ids = ids.to_str().unwrap();
    let same = attractor(here, &["diff", &model, &model, "--input", ids, "--json", "--fail-on", "entropy>0"]);
    assert_eq!(same.status.code(), Some(0), "{}", said(&same));
    let same = parsed(&same);
    for head in same["diff"]["heads"].as_array().unwrap() {
        for (metric, change) in head["changes"].as_object().unwrap() {
            assert_eq!(change["difference"], 0.0, "{metric} of {head}");
        }
    }
    assert_eq!(same["diff"]["loss"]["difference"], 0.0);

    let gate = ["--fail-on", "induction<-0.1", "--fail-on", "loss>0.5", "--junit", "diff.xml"];
    let output = attractor(here, &[&["diff", &model, flat, "--input", ids, "--json"], &gate[..]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let found = parsed(&output);
    for head in found["diff"]["heads"].as_array().unwrap() {
        let entropy = head["changes"]["entropy"]["b"].as_f64().unwrap();
        match head["layer"].as_u64() {
            Some(0) => assert_eq!(head["changes"]["divergence"]["difference"], 0.0),
            _ => assert!((entropy - 1.0).abs() < 1e-5, "a flattened head is uniform: {entropy}"),
        }
    }
    let met = found["fail_on"][0]["met"].as_array().unwrap();
    assert!(!met.is_empty() && met.iter().all(|m| m[0].as_str().unwrap().starts_with("L1H")), "{met:?}");
    assert!(found["diff"]["loss"]["interval"]["low"].as_f64().unwrap() > 0.5, "{}", found["diff"]["loss"]);
    let xml = std::fs::read_to_string(here.join("diff.xml")).unwrap();
    assert!(xml.contains("name=\"induction&lt;-0.1\"") && xml.contains("failures=\"2\""), "{xml}");

    // The same through runs, and a gate that holds.
    for (from, run) in [(model.as_str(), "a"), (flat, "b")] {
        let capture = attractor(here, &["capture", from, "--input", ids, "-o", run, "--dtype", "f32", "--quiet"]);
        assert_eq!(capture.status.code(), Some(0), "{}", said(&capture));
    }
    let runs = attractor(here, &["diff", "a", "b", "--json", "--fail-on", "previous<-0.5"]);
    assert_eq!(runs.status.code(), Some(0), "{}", said(&runs));
    let runs = parsed(&runs);
    for (a, b) in runs["diff"]["heads"].as_array().unwrap().iter().zip(found["diff"]["heads"].as_array().unwrap()) {
        for metric in ["previous", "induction", "duplicate", "first", "sink", "entropy", "distance", "divergence"] {
            let value = |x: &Value| x["changes"][metric]["difference"].as_f64().unwrap();
            assert!((value(a) - value(b)).abs() < 1e-4, "{metric}: {} {}", value(a), value(b));
        }
    }
    assert!(runs["diff"]["loss"].is_null());
}

#[test]
fn differences_that_cannot_be_asked_for_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let (here, model) = (folder.path(), demo());
    let capture = |run: &str, length: &str, inputs: &str| {
        let arguments = ["capture", &model, "--seq-len", length, "--max-inputs", inputs, "-o", run, "--quiet"];
        assert_eq!(attractor(here, &arguments).status.code(), Some(0));
    };
    capture("a", "24", "3");
    capture("b", "32", "3");
    for (arguments, code, expected) in [
        (vec!["a", "b"], 2, "input 0, position 24: A read nothing, it has 24 tokens"),
        (vec!["a", &model], 2, "name two runs or two checkpoints"),
        (vec!["a", "nowhere"], 3, "no such file or folder"),
        (vec!["a", "a", "--fail-on", "induction"], 2, "METRIC<NUMBER"),
        (vec!["a", "a", "--fail-on", "inductoin<0"], 2, "the metrics are previous, induction"),
        (vec!["a", "a", "--fail-on", "loss>0"], 2, "nothing was tested"),
        (vec!["a", "a", "--junit", "x.xml"], 2, "--fail-on <METRIC<NUMBER>"),
        (vec!["a", "a", "--draw", "entropy"], 2, "--output <FILE>"),
        (vec!["a", "a", "--max-inputs", "1"], 2, "omit --max-inputs"),
        (vec!["a", "a", "--seq-len", "3"], 2, "omit --seq-len"),
        (vec!["a", "a", "--fail-on", "induction<-1"], 2, "so B - A cannot fall beyond"),
    ] {
        let output = attractor(here, &[&["diff"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(expected), "{arguments:?}: {}", said(&output));
    }
    let few = attractor(here, &["diff", "a", "a"]);
    assert!(said(&few).contains("no intervals: fewer than five inputs"), "{}", said(&few));
}

#[test]
fn metrics_have_the_new_columns_where_they_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (here, model) = (folder.path(), demo());
    let base = ["metrics", &model, "--seq-len", "32", "--max-inputs", "2", "--json"];
    let plain = parsed(&attractor(here, &base));
    let row = plain[0].as_object().unwrap();
    for column in ["first_mass", "mean_distance", "mean_distance_without_first", "metastable_keys", "regime"] {
        assert!(row.contains_key(column), "{column} is missing in {row:?}");
    }
    assert!(!row.contains_key("effective_rank") && !row.contains_key("patch_distance"));
    let more = parsed(&attractor(here, &[&base[..], &["--rank", "--importance"]].concat()));
    let row = &more[15];
    assert_eq!(row["rank_tokens"], 32);
    for column in ["effective_rank", "effective_rank_ratio", "stable_rank_ratio", "importance_gradient"] {
        assert!(row[column].as_f64().unwrap() > 0.0, "{column} of {row}");
    }
    let squares: f64 = (0..8).map(|head| more[head]["importance_gradient_in_layer"].as_f64().unwrap().powi(2)).sum();
    assert!((squares - 1.0).abs() < 1e-9, "normalised within its layer: {squares}");
    assert!(row["importance_uniform"].is_number() && row["importance_mean_map"].is_number(), "{row}");
    let stats =
        ["capture", &model, "--seq-len", "32", "--max-inputs", "2", "--keep", "stats", "-o", "stats", "--quiet"];
    assert_eq!(attractor(here, &stats).status.code(), Some(0));
    for (option, expected) in [("--rank", "ranks need maps"), ("--importance", "needs the model")] {
        let output = attractor(here, &["metrics", "stats", option]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
    let table = attractor(here, &["metrics", &model, "--seq-len", "32", "--max-inputs", "2", "--rank"]);
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(text.lines().all(|line| line.chars().count() <= 118), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("head")).count(), text.split("\n\n").count());
}
