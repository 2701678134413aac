//! What commands draw, as a user starts them: the files are pictures of what was asked for, or nothing is written.

use std::path::Path;
use std::process::{Command, Output};

fn attractor(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attractor"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary was built for this test")
}

fn demo() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../attractor-session/demo").to_str().unwrap().to_string()
}

/// Six inputs of different words; enough for intervals.
const TEXT: &str = "One two three four five six seven eight. Nine ten eleven twelve thirteen fourteen fifteen sixteen. \
                    Seventeen eighteen nineteen twenty; the cat sat on the mat while another dog looked at the moon, and \
                    nobody said a word about it until the morning came with rain and wind from the sea.";

fn drawn(folder: &Path, arguments: &[&str], file: &str) -> String {
    let output = attractor(folder, &[arguments, &["-o", file, "--quiet", "--overwrite"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn every_command_draws_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(here.join("text.txt"), TEXT).unwrap();
    let model = demo();
    let given = ["--text-file", "text.txt", "--seq-len", "16", "--max-inputs", "6"];
    let of = |command: &str, more: &[&'static str]| -> Vec<String> {
        [&[command, &model][..], more, &given[..]].concat().iter().map(|x| (*x).to_string()).collect()
    };
    let run = |arguments: Vec<String>, file: &str| {
        drawn(here, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), file)
    };

    let entropy = run(of("metrics", &[]), "entropy.svg");
    assert!(entropy.contains("Normalised entropy by layer and head") && entropy.contains("over 6 inputs"));
    assert!(run(of("metrics", &["--draw", "mean_distance"]), "distance.svg").contains("mean distance (tokens)"));
    let profile = run(of("metrics", &["--draw", "profile"]), "profile.svg");
    assert!(profile.contains(">layer 0<") && profile.contains("uniform over what each query sees"), "{profile}");
    assert!(run(of("metrics", &["--draw", "profile", "--heads", "0,1"]), "own.svg").contains(">L0H1<"));
    let against = run(of("metrics", &["--draw", "sink,entropy"]), "against.svg");
    assert!(against.contains("Entropy against sink") && against.contains("mean attention to the sink (weight)"));
    let counts = run(of("metrics", &["--draw", "sink", "--histogram"]), "counts.svg");
    assert!(counts.contains("Sink of 16 heads") && counts.contains("heads (n = 16)"), "{counts}");
    let scores = run(of("heads", &["--detect", "previous", "--histogram"]), "scores.svg");
    assert!(scores.contains("Previous-token heads of demo") && scores.contains("threshold: 3 of 16"), "{scores}");
    let previous = run(of("heads", &["--detect", "previous"]), "previous.svg");
    assert!(previous.contains("Previous-token heads of demo") && previous.contains(">threshold<"), "{previous}");
    assert!(run(of("heads", &[]), "kinds.svg").contains("Heads of demo"));
    let change = drawn(here, &[&["diff", &model, &model, "--draw", "entropy"], &given[..]].concat(), "change.svg");
    assert!(change.contains("Change of entropy") && change.contains(">no change<"));
    let maps = drawn(here, &[&["diff", &model, &model], &given[..]].concat(), "maps.svg");
    assert!(maps.contains("divergence 0.0000 of ln 2") && maps.contains(">B − A<"), "{maps}");
}

#[test]
fn positions_are_joined_by_word_and_by_span() {
    let folder = tempfile::tempdir().unwrap();
    let (here, model) = (folder.path(), demo());
    let one = ["export", &model, "--text", TEXT, "--layers", "0", "--heads", "5"];
    let word = drawn(here, &[&one[..], &["--by", "word"]].concat(), "word.svg");
    assert!(word.contains("query (word: mean of its tokens)") && word.contains(">punctuation<"));
    let span = drawn(here, &[&one[..], &["--spans", "0-3,5-9"]].concat(), "span.svg");
    assert!(span.contains("key (span: sum of its tokens)"));
    for (spans, says) in [
        ("0-3,2-5", "overlap"),
        ("3", "first and last"),
        ("5-2", "comes after the last"),
        ("0-9999", "positions are 0 to"),
    ] {
        let output = attractor(here, &[&one[..], &["--spans", spans, "-o", "bad.svg"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(says), "{spans}: {said}");
        assert!(!here.join("bad.svg").exists());
    }
}

/// The mean of the chosen heads, as numbers and as a picture: rows still sum to one.
#[test]
fn heads_are_joined_into_their_mean() {
    let folder = tempfile::tempdir().unwrap();
    let (here, model) = (folder.path(), demo());
    std::fs::write(here.join("ids.json"), "[[5, 17, 3, 9, 22, 4]]").unwrap();
    let csv = |more: &[&str]| -> Vec<(String, usize, usize, f64)> {
        let one = ["export", &model, "--input", "ids.json", "--layers", "1", "--heads", "0,2,5"];
        let text = drawn(here, &[&one[..], more].concat(), "maps.csv");
        let cells = |line: &str| {
            let cells: Vec<String> = line.split(',').take(5).map(String::from).collect();
            (cells[1].clone(), cells[2].parse().unwrap(), cells[3].parse().unwrap(), cells[4].parse().unwrap())
        };
        text.lines().skip(1).map(cells).collect()
    };
    let (heads, mean) = (csv(&[]), csv(&["--mean"]));
    assert_eq!((heads.len(), mean.len()), (63, 21), "three heads, 6 x 7 / 2 pairs that a causal mask admits");
    for (name, query, key, weight) in &mean {
        let own = heads.iter().filter(|(_, q, k, _)| (q, k) == (query, key)).map(|(.., w)| w).sum::<f64>() / 3.0;
        assert!(name == "mean" && (weight - own).abs() < 1e-6, "{query} {key}: {weight}, by hand {own}");
    }
    // The mean of all heads is one map too, without an axis of heads.
    let whole = ["export", &model, "--input", "ids.json", "--mean", "-o", "mean.safetensors", "--quiet"];
    assert!(attractor(here, &whole).status.success());
    let file = String::from_utf8_lossy(&std::fs::read(here.join("mean.safetensors")).unwrap()).into_owned();
    assert!(file.contains("\"L1mean\":{") && file.contains("\"shape\":[6,6]") && !file.contains("\"shape\":[1,"));
    let one = ["export", &model, "--input", "ids.json", "--heads", "0,2,5", "--mean"];
    let picture = drawn(here, &[&one[..], &["--layers", "1", "--scale", "log", "--hide", "0"]].concat(), "mean.svg");
    assert!(picture.contains("L1, mean of heads 0, 2, 5"), "{picture}");
    assert!(picture.contains(">attention weight, renormalised<") && picture.contains(">log scale<"));
    assert!(picture.contains(">masked or hidden<"));
    let output = attractor(here, &[&one[..], &["-o", "both.svg"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("shows one layer; give --layers"), "{said}");
}

#[test]
fn an_input_that_was_given_twice_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (here, model) = (folder.path(), demo());
    std::fs::write(here.join("ids.json"), "[[5, 17, 3, 9], [8, 2, 9, 1], [5, 17, 3, 9]]").unwrap();
    let commands: [&[&str]; 3] =
        [&["heads", &model, "--detect", "previous"], &["validate", &model], &["diff", &model, &model]];
    for command in commands {
        let output = attractor(here, &[command, &["--input", "ids.json"]].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("input 2 repeats input 0"), "{command:?}: {said}");
    }
}
