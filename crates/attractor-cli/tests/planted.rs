//! Every command against an effect that is known to be there, and against its absence: induction heads in the embedded
//! model, and copies of it in which a layer's attention was destroyed.

mod shared;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use shared::{attractor, parsed, said, without_layer};

/// A text that repeats little, as texts do.
const PROSE: &str = "She looked about her with great satisfaction, and was soon convinced that nobody in the room had \
                     observed how long it took them to be seated; yet the evening passed off without another word from \
                     either of the gentlemen, and the carriages were ordered at ten.\n";

/// What a command exits with, and what it says as JSON.
fn json(folder: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = attractor(folder, &[arguments, &["--json", "--quiet"]].concat());
    (output.status.code(), parsed(&output))
}

/// Score and verdict of every head, by its name.
fn scores(detections: &Value, detector: &str) -> BTreeMap<String, (f64, String)> {
    let heads = detections["heads"].as_array().unwrap().iter().filter(|head| head["detector"] == detector);
    let one = |head: &Value| {
        let name = format!("L{}H{}", head["layer"], head["head"]);
        (name, (head["score"].as_f64().unwrap(), head["verdict"].as_str().unwrap().to_string()))
    };
    heads.map(one).collect()
}

fn found(scores: &BTreeMap<String, (f64, String)>) -> Vec<&str> {
    scores.iter().filter(|(_, (_, verdict))| verdict == "found").map(|(name, _)| name.as_str()).collect()
}

/// The same detectors in the report's table of heads.
fn of_report(report: &Value, figure: &str, kind: &str) -> (BTreeMap<String, f64>, Vec<String>) {
    let mut scores = BTreeMap::new();
    let mut named = Vec::new();
    for head in report["heads"].as_array().unwrap() {
        let name = format!("L{}H{}", head["layer"], head["head"]);
        if head["kinds"].as_array().unwrap().iter().any(|k| k == kind) {
            named.push(name.clone());
        }
        scores.insert(name, head[figure].as_f64().unwrap());
    }
    (scores, named)
}

/// Whatever is asked for beside it, and whichever command is asked, a head is an induction head or it is none.
#[test]
fn one_question_has_one_answer_whatever_is_asked_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(here.join("prose.txt"), PROSE).unwrap();
    let (_, alone) = json(here, &["heads", "demo", "--detect", "induction"]);
    let induction = scores(&alone, "induction");
    assert!(found(&induction).len() >= 2 && found(&induction).iter().all(|head| head.starts_with("L1")), "{alone}");
    for more in [
        &["--detect", "induction,previous"][..],
        &["--detect", "induction"],
        &["--detect", "induction,duplicate", "--seq-len", "128"],
        &["--detect", "all"],
        &["--detect", "all", "--correction", "by"],
        &["--detect", "previous,induction", "--text-file", "prose.txt"],
        &["--text", PROSE],
    ] {
        let (code, beside) = json(here, &[&["heads", "demo"], more].concat());
        assert_eq!((code, &scores(&beside, "induction")), (Some(0), &induction), "{more:?}");
        let all = beside["detectors"].as_array().unwrap();
        for summary in all {
            let on = summary["stimulus"].as_str();
            let repeats = summary["detector"] == "induction" || summary["detector"] == "duplicate";
            assert_eq!(on.is_some_and(|on| on.contains("random tokens")), repeats, "{more:?}: {summary}");
        }
    }
    let (_, all) = json(here, &["heads", "demo"]);
    let previous = scores(&all, "previous");
    assert!(found(&previous).iter().any(|head| head.starts_with("L0")), "{previous:?}");

    let (code, report) = json(here, &["validate", "demo", "--ablate", "none"]);
    assert_eq!(code, Some(0));
    for (detector, kind, own) in [("induction", "induction", &induction), ("previous", "previous-token", &previous)] {
        let (of_report, named) = of_report(&report, detector, kind);
        assert_eq!(named, found(own), "{detector}");
        for (head, (score, _)) in own {
            assert!((of_report[head] - score).abs() < 1e-9, "{head} {detector}: {} {score}", of_report[head]);
        }
    }
    // Their pictures and their words too.
    let drawn = attractor(here, &["heads", "demo", "-o", "kinds.svg"]);
    assert!(drawn.status.success(), "{}", said(&drawn));
    let svg = std::fs::read_to_string(here.join("kinds.svg")).unwrap();
    assert!(
        svg.contains(&format!(">induction ({})<", found(&induction).len())) && svg.contains("measured on"),
        "{svg}"
    );
    let words = said(&drawn);
    assert!(words.contains(&format!("induction heads: {} of 16 found", found(&induction).len())), "{words}");
    assert!(words.contains("measured on 16 sequences of random tokens"), "{words}");

    // Without a difference, what `diff` says of A is the score.
    let (code, diff) =
        json(here, &["diff", "demo", "demo", "--fail-on", "induction<-0.1", "--fail-on", "previous<-0.1"]);
    assert_eq!(code, Some(0), "{}", diff["fail_on"]);
    let (_, table) = json(here, &["metrics", "demo"]);
    for (head, row) in diff["diff"]["heads"].as_array().unwrap().iter().zip(table.as_array().unwrap()) {
        let name = format!("L{}H{}", head["layer"], head["head"]);
        assert_eq!((&head["layer"], &head["head"]), (&row["layer"], &row["head"]));
        for (metric, own) in [("induction", &induction), ("previous", &previous)] {
            let a = head["changes"][metric]["a"].as_f64().unwrap();
            assert!((a - own[&name].0).abs() < 1e-6, "{name} {metric}: {a} {:?}", own[&name]);
        }
        // And what the report says of every head beside them.
        let judged = &report["heads"]
            .as_array()
            .unwrap()
            .iter()
            .find(|h| (&h["layer"], &h["head"]) == (&row["layer"], &row["head"]));
        let (judged, changes) = (judged.unwrap(), &head["changes"]);
        for (what, of_report, of_table, of_diff) in [
            (
                "entropy",
                1.0 - judged["sharpness"].as_f64().unwrap(),
                &row["normalised_entropy"],
                &changes["entropy"]["a"],
            ),
            (
                "keys",
                judged["effective_keys"].as_f64().unwrap(),
                &row["effective_keys"],
                &changes["effective_keys"]["a"],
            ),
            ("sink", judged["sink"].as_f64().unwrap(), &row["sink"], &changes["sink"]["a"]),
        ] {
            let (of_table, of_diff) = (of_table.as_f64().unwrap(), of_diff.as_f64().unwrap());
            let close = |x: f64| (x - of_report).abs() < 1e-5 * (1.0 + of_report.abs());
            assert!(close(of_table) && close(of_diff), "{name} {what}: {of_report}, {of_table}, {of_diff}");
        }
        for (column, detector) in [("previous_mass", "previous"), ("self_mass", "current"), ("first_mass", "first")] {
            let (mean, score) = (row[column].as_f64().unwrap(), scores(&all, detector)[&name].0);
            assert!((mean - score).abs() < 1e-5, "{name} {column}: {mean}, its detector {score}");
        }
    }
}

/// Where its attention was destroyed, a layer has no such head, and every command says so.
#[test]
fn induction_is_lost_where_it_was_destroyed() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let flat = without_layer(here, 1);
    let flat = flat.to_str().unwrap();
    let (_, before) = json(here, &["heads", "demo"]);
    let (_, after) = json(here, &["heads", flat]);
    assert!(!found(&scores(&before, "induction")).is_empty() && found(&scores(&after, "induction")).is_empty());
    assert_eq!(found(&scores(&before, "previous")), found(&scores(&after, "previous")), "layer 0 is what it was");
    let (_, report) = json(here, &["validate", flat, "--ablate", "none"]);
    assert!(of_report(&report, "induction", "induction").1.is_empty(), "{}", report["heads"]);

    let (code, gate) = json(here, &["diff", "demo", flat, "--fail-on", "induction<-0.1", "--junit", "gate.xml"]);
    assert_eq!(code, Some(1), "{}", gate["fail_on"]);
    let met: Vec<&str> = gate["fail_on"][0]["met"].as_array().unwrap().iter().filter_map(|m| m[0].as_str()).collect();
    assert_eq!(met, found(&scores(&before, "induction")), "the heads that were destroyed");
    let xml = std::fs::read_to_string(here.join("gate.xml")).unwrap();
    assert!(xml.contains("failures=\"1\"") && xml.contains("skipped=\"0\""), "{xml}");
    // What holds of the other direction: nothing fell there.
    assert_eq!(json(here, &["diff", flat, "demo", "--fail-on", "induction<-0.05"]).0, Some(2), "it scores too little");
    assert_eq!(json(here, &["diff", flat, "demo", "--fail-on", "induction>0.1"]).0, Some(1), "it rose");

    // A previous-token head stands below: without it the heads above find nothing either.
    let below = without_layer(here, 0);
    let (_, without) = json(here, &["heads", below.to_str().unwrap()]);
    assert!(found(&scores(&without, "previous")).is_empty() && found(&scores(&without, "induction")).is_empty());
}

/// A gate that cannot close is refused with what the base scores.
#[test]
fn a_bound_that_the_base_cannot_reach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (condition, says) in [
        ("induction<-0.99", "the highest induction of A is 0."),
        ("duplicate<-0.9", "the highest duplicate of A is 0."),
        ("entropy>1", "the lowest entropy of A is"),
        ("loss<-9", "(model), so B - A cannot fall beyond"),
        ("divergence>1", "a divergence lies between 0 and 1"),
    ] {
        let gate = ["diff", "demo", "demo", "--fail-on", condition, "--junit", "gate.xml", "--overwrite"];
        let output = attractor(here, &gate);
        assert_eq!(output.status.code(), Some(2), "{condition}: {}", said(&output));
        let said = said(&output);
        assert!(said.contains(says) && said.contains("nothing was tested"), "{condition}: {said}");
        assert!(said.contains(&format!("not testable  {condition}")), "{condition}: {said}");
        let xml = std::fs::read_to_string(here.join("gate.xml")).unwrap();
        assert!(xml.contains("skipped=\"1\"") && !xml.contains("<failure"), "{condition}: {xml}");
    }
}

/// Inputs that are a repetition already are taken as they are; a text that is none does not stand in for one.
#[test]
fn a_text_is_no_stimulus_of_induction_unless_it_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let refused = attractor(here, &["heads", "demo", "--detect", "induction", "--text", PROSE]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(
        said(&refused).contains("--text") && said(&refused).contains("repeated random tokens"),
        "{}",
        said(&refused)
    );
    let block =
        |input: usize| (0..20 + input).map(move |i| (97 * i + 31 * input + i * i * 7) % 500).collect::<Vec<_>>();
    let ids: Vec<Vec<usize>> = (0..6).map(|input| [block(input), block(input)].concat()).collect();
    std::fs::write(here.join("ids.json"), serde_json::to_string(&ids).unwrap()).unwrap();
    let (code, own) = json(here, &["heads", "demo", "--detect", "induction,previous", "--input", "ids.json"]);
    assert_eq!(code, Some(0));
    assert!(own["detectors"].as_array().unwrap().iter().all(|d| d["stimulus"].is_null()), "{}", own["detectors"]);
    assert!(scores(&own, "induction").values().any(|(score, _)| *score > 0.4), "{own}");
    // A run holds its inputs: where they are a text, nobody is told that the model has no such head.
    assert!(attractor(here, &["capture", "demo", "--max-inputs", "6", "-o", "run", "--quiet"]).status.success());
    for command in ["heads", "validate"] {
        let words = said(&attractor(here, &[command, "run"])).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("these inputs hardly repeat anything"), "{command}: {words}");
    }
    // Too short for random tokens: said, and the others are tested.
    let (code, short) = json(here, &["heads", "demo", "--seq-len", "12"]);
    assert_eq!(code, Some(0));
    let why = |name: &str| {
        let all = short["detectors"].as_array().unwrap();
        all.iter().find(|d| d["detector"] == name).unwrap()["not_testable"].clone()
    };
    assert!(why("induction").as_str().unwrap().contains("do not suffice") && why("previous").is_null(), "{short}");
}

/// Every command that reads a checkpoint reads the embedded one by its name; a folder of that name stands above it.
#[test]
fn demo_is_a_checkpoint_wherever_one_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let small = ["--seq-len", "32", "--max-inputs", "6"];
    for command in [
        &["info", "demo"][..],
        &["capture", "demo", "-o", "run"],
        &["heads", "demo"],
        &["validate", "demo", "--ablate", "none"],
        &["validate", "--checkpoint", "demo", "--ablate", "none"],
        &["metrics", "demo"],
        &["report", "demo", "-o", "page.html", "--ablate", "none"],
        &["rollout", "demo"],
        &["diff", "demo", "demo"],
        &["export", "demo", "--layers", "1", "--heads", "0", "-o", "map.svg"],
    ] {
        let more = if command[0] == "info" { &[][..] } else { &small };
        let output = attractor(here, &[command, more].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", said(&output));
    }
    let info = parsed(&attractor(here, &["info", "demo", "--json"]));
    assert_eq!((&info["path"], &info["tokenizer"]), (&Value::from("demo"), &Value::from("demo")));
    std::fs::create_dir(here.join("demo")).unwrap();
    let other = attractor(here, &["heads", "demo"]);
    assert_ne!(other.status.code(), Some(0), "an empty folder is no model: {}", said(&other));
}
