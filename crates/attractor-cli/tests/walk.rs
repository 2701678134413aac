//! The walk of `docs/memories.md`: every picture in it is what the command beside it draws.
//!
//! `ATTRACTOR_DRAW_WALK=1` writes the pictures instead of comparing them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pictures that no command beside them writes: trainings of half a minute and more do, whose sums depend in their last bits on
/// the width of the processor's vectors. `crates/attractor-session/demo/rbm.safetensors` is the machine of that training.
const BY_TRAINING: [&str; 9] = [
    "pictures/rbm-features.svg",
    "pictures/rbm-samples.svg",
    "pictures/rbm-likelihood.svg",
    "pictures/rbm-reconstruction.svg",
    "pictures/rbm-free-energy-gap.svg",
    "pictures/rbm-activations.svg",
    "pictures/rbm-weights.svg",
    "pictures/rbm-mnist.svg",
    "pictures/lines.svg",
];
/// All pictures together, bytes: a walk that loads in a moment.
const MOST_BYTES: u64 = 3 << 20;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn walk() -> String {
    std::fs::read_to_string(docs().join("memories.md")).unwrap()
}

/// The commands in fenced blocks that write a picture of the walk, with the picture.
fn commands(walk: &str) -> Vec<(Vec<String>, String)> {
    let mut fenced = false;
    let mut all = Vec::new();
    for line in walk.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if let Some(command) = line.strip_prefix("attractor ").filter(|_| fenced) {
            let words: Vec<String> = command.split_whitespace().map(str::to_string).collect();
            let output = words.iter().position(|word| word == "-o").map(|at| words[at + 1].clone());
            all.extend(output.filter(|file| file.starts_with("pictures/")).map(|file| (words, file)));
        }
    }
    all
}

/// The pictures that are shown.
fn shown(walk: &str) -> BTreeSet<String> {
    let images = walk.lines().filter(|line| line.starts_with("!["));
    images.map(|line| line.split_once("](").unwrap().1.trim_end_matches(')').to_string()).collect()
}

#[test]
fn every_picture_of_the_walk_is_what_its_command_draws() {
    let (docs, folder) = (docs(), tempfile::tempdir().unwrap());
    let here = folder.path();
    std::fs::create_dir_all(here.join("pictures")).unwrap();
    let write = std::env::var_os("ATTRACTOR_DRAW_WALK").is_some();
    let commands = commands(&walk());
    let commands: Vec<_> = commands.into_iter().filter(|(_, file)| !BY_TRAINING.contains(&file.as_str())).collect();
    assert!(commands.len() >= 25, "the walk has {} commands that draw", commands.len());
    let mut differ = Vec::new();
    for (words, file) in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_attractor")).args(&words).current_dir(here).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        let drawn = std::fs::read(here.join(&file)).unwrap();
        if write {
            std::fs::write(docs.join(&file), &drawn).unwrap();
        } else if std::fs::read(docs.join(&file)).ok() != Some(drawn) {
            differ.push(format!("{file}: attractor {}", words.join(" ")));
        }
    }
    assert!(
        differ.is_empty(),
        "pictures of the walk are not what their commands draw; look at them, then draw them anew with \
         ATTRACTOR_DRAW_WALK=1:\n{}",
        differ.join("\n")
    );
}

#[test]
fn every_picture_is_shown_once_made_and_small() {
    let (docs, walk) = (docs(), walk());
    let shown = shown(&walk);
    let made: BTreeSet<String> =
        commands(&walk).into_iter().map(|c| c.1).chain(BY_TRAINING.map(str::to_string)).collect();
    assert_eq!(shown, made, "what is shown, and what commands and training make");
    let files = std::fs::read_dir(docs.join("pictures")).unwrap().map(|entry| entry.unwrap());
    let mut bytes = 0;
    let files: BTreeSet<String> = files
        .map(|entry| {
            bytes += entry.metadata().unwrap().len();
            format!("pictures/{}", entry.file_name().into_string().unwrap())
        })
        .filter(|file| file.ends_with(".svg"))
        .collect();
    assert_eq!(files, made, "files, and what commands and training make");
    assert!(bytes < MOST_BYTES, "{bytes} bytes of pictures");
    for file in BY_TRAINING {
        let svg = std::fs::read_to_string(docs.join(file)).unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"), "{file}");
    }
}
