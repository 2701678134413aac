//! Every command of README.md and docs/ runs, in the order in which it is written, and ends with 0.
//!
//! What takes over a minute as it is written runs at a smaller size here; `ATTRACTOR_WHOLE_DOCUMENTS=1` runs it as it is
//! written. Commands of docs/memories.md that draw a picture are held to it by `walk.rs`. Effects that commands must find
//! are planted in `planted.rs`.

mod shared;

use std::path::{Path, PathBuf};

use shared::{attractor, demo, said};

/// What stands for something of the reader's own, and what it is here.
const STANDS_FOR: [(&str, &str); 4] = [
    ("...", "Henry and Catherine walked down the valley to the abbey."),
    ("--layers 3 --heads 2", "--layers 1 --heads 2"),
    ("BASE TUNED", "CHECKPOINT CHECKPOINT"),
    ("maps.npz run", "maps.npz imported"),
];

/// What takes over a minute, and at which size it runs here.
const SMALLER: [(&str, &str); 4] = [
    ("memory capacity --rule storkey", "--neurons 24 --seeds 2"),
    ("train rbm --demo", "--epochs 2"),
    ("train rbm --data glyphs-8", "--epochs 2"),
    ("train causal-lm", "--steps 20"),
];

/// Commands of the project itself, which the tests of the project are or need.
const OF_THE_PROJECT: [&str; 3] = ["cargo run --release -- demo", "cargo xtask ", "cargo install "];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The lines of fenced blocks of shell commands, joined where they go on, without what is said of them.
fn commands(document: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let (mut fenced, mut goes_on) = (false, false);
    for line in document.lines() {
        if line.starts_with("```") {
            fenced = !fenced && line.trim() == "```sh";
            continue;
        }
        let code = line.split(" # ").next().unwrap_or("").trim();
        if !fenced || code.is_empty() || code.starts_with('#') {
            continue;
        }
        let (code, more) = code.strip_suffix('\\').map_or((code, false), |code| (code.trim(), true));
        match all.last_mut().filter(|_| goes_on) {
            Some(last) => *last = format!("{last} {code}"),
            None => all.push(code.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
        goes_on = more;
    }
    all
}

/// The words of a command; what stands in double quotes is one.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (at, part) in command.split('"').enumerate() {
        match at % 2 {
            1 => words.last_mut().unwrap().push_str(part),
            _ => {
                let mut pieces = part.split(' ');
                words.last_mut().unwrap().push_str(pieces.next().unwrap_or(""));
                words.extend(pieces.map(str::to_string));
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What the documents' reader has: a checkpoint, a text, a graph, maps of another program.
fn things(folder: &Path) {
    let copy = folder.join("CHECKPOINT");
    std::fs::create_dir(&copy).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(Path::new(&demo()).join(name), copy.join(name)).unwrap();
    }
    std::fs::copy(Path::new(&demo()).join("text.txt"), folder.join("corpus.txt")).unwrap();
    std::fs::write(folder.join("G1.txt"), "4 5\n1 2 1\n2 3 1\n3 4 1\n4 1 1\n1 3 1\n").unwrap();
    let maps = ["export", "CHECKPOINT", "--text", "one two three four", "--layers", "1", "-o", "maps.npz"];
    let output = attractor(folder, &maps);
    assert!(output.status.success(), "{}", said(&output));
    std::fs::create_dir_all(folder.join("examples/data")).unwrap();
    let novel = "examples/data/northanger-abbey.txt";
    std::fs::copy(root().join(novel), folder.join(novel)).unwrap();
    std::fs::create_dir(folder.join("pictures")).unwrap();
}

fn run_all(document: &Path) {
    let folder = tempfile::tempdir().unwrap();
    things(folder.path());
    let whole = std::env::var_os("ATTRACTOR_WHOLE_DOCUMENTS").is_some();
    let mut ran = 0;
    for written in commands(&std::fs::read_to_string(document).unwrap()) {
        let Some(command) = written.strip_prefix("attractor ") else {
            let is_known = OF_THE_PROJECT.iter().any(|known| written.starts_with(known));
            assert!(is_known, "{}: {written:?} is no command that is known here", document.display());
            continue;
        };
        if written.contains("-o pictures/") {
            continue;
        }
        let mut command = command.to_string();
        STANDS_FOR.iter().for_each(|(theirs, ours)| command = command.replace(theirs, ours));
        if let Some((_, size)) = SMALLER.iter().find(|(large, _)| command.starts_with(large) && !whole) {
            // What is given twice is refused: the smaller value stands instead.
            let option = size.split(' ').next().unwrap_or("");
            let mut words: Vec<&str> = command.split(' ').collect();
            if let Some(at) = words.iter().position(|word| *word == option) {
                words.drain(at..at + 2);
            }
            command = format!("{} {size}", words.join(" "));
        }
        let words = words(&command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = attractor(folder.path(), &words);
        assert_eq!(output.status.code(), Some(0), "{}: {written}\nas {words:?}\n{}", document.display(), said(&output));
        ran += 1;
    }
    println!("{}: {ran} commands", document.display());
}

#[test]
fn every_command_of_the_readme_runs() {
    let readme = root().join("README.md");
    assert!(commands(&std::fs::read_to_string(&readme).unwrap()).len() > 15);
    run_all(&readme);
}

#[test]
fn every_command_of_the_documents_runs() {
    let mut documents: Vec<PathBuf> =
        std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    documents.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    documents.sort();
    assert!(documents.len() >= 8, "{documents:?}");
    documents.iter().for_each(|document| run_all(document));
}

#[test]
fn a_document_s_commands_are_read_as_a_shell_would() {
    let document = "```sh\nattractor train x \\\n    --steps 5   # five\n# a word\n\nattractor a   \"b c\"\n```\n```rust\nattractor no\n```\n";
    assert_eq!(commands(document), ["attractor train x --steps 5", "attractor a \"b c\""]);
    assert_eq!(words("a --text \"b c\" --x"), ["a", "--text", "b c", "--x"]);
}
