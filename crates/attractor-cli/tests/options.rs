//! Every option of every command does something there or is refused: an option that is ignored gives a wrong answer.
//!
//! Commands and options are taken from `--help`, so that a new one is tried by itself. Each command is run as it stands and
//! once more with each option. What is said and written must differ, or the option must be refused with exit code 2.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Options of every command whose effect is not in what is said: they change nothing, by what they promise, or replace what is
/// not there (see `outputs`).
const EVERYWHERE: [&str; 6] = ["seed", "threads", "quiet", "overwrite", "help", "version"];

/// Options whose effect needs what no case has, and why they are read nevertheless.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("capture --durable", "flushes to the disk, which is not seen from here"),
    ("rollout --skip-missing", "no layer of these models is missing"),
    ("rollout --max-inputs", "one input is followed, the first of however many"),
    ("export --max-inputs", "one input is exported, the first of however many"),
    ("train rbm --roll-back", "no likelihood falls in so few epochs"),
    ("info --model-config", "what differs here changes numbers, which are not described"),
    ("export --grouped", "no key head of this model serves several queries"),
];

/// Command lines that the options are added to.
const MODELS: &[&[&str]] = &[
    &["validate", "model", "--input", "ids.json"],
    &["validate", "run"],
    &["report", "model", "--input", "ids.json", "--format", "csv"],
    &["report", "run", "--format", "csv"],
    &["diff", "model", "other", "--input", "ids.json"],
    &["diff", "run", "run2"],
];
const HEADS: &[&[&str]] = &[
    &["metrics", "model", "--input", "ids.json"],
    &["metrics", "run"],
    &["heads", "model", "--input", "ids.json", "--permutations", "99"],
    &["heads", "run", "--permutations", "99"],
    &["rollout", "model", "--input", "ids.json"],
    &["rollout", "run"],
];
const MAPS: &[&[&str]] = &[
    &["demo"],
    &["completions", "bash"],
    &["man", "heads"],
    &["info", "model"],
    &["info", "run"],
    &["capture", "model", "--input", "ids.json", "--output", "new"],
    &["convert", "maps.json", "new"],
    &["export", "model", "--input", "ids.json", "--output", "maps.csv"],
    &["export", "run", "--output", "maps.svg"],
];
const MEMORIES: &[&[&str]] = &[
    &["memory", "hopfield", "--demo"],
    &["memory", "dense", "--demo"],
    &["memory", "modern", "--demo"],
    &["memory", "boltzmann", "--demo"],
    &["memory", "landscape"],
];
const SEARCHES: &[&[&str]] = &[
    &["memory", "anneal", "--graph", "graph.txt", "--sweeps", "3", "--reads", "3"],
    &["maxcut", "--graph", "graph.txt", "--sweeps", "3", "--reads", "3"],
    &["memory", "capacity", "--neurons", "40", "--seeds", "2", "--cues", "2", "--loads", "0.05,0.3", "--sweeps", "5"],
];
const MACHINES: &[&[&str]] = &[
    &["memory", "likelihood", "--demo"],
    &[
        "train",
        "causal-lm",
        "--text-file",
        "text.txt",
        "--output",
        "new",
        "--vocab",
        "257",
        "--steps",
        "4",
        "--width",
        "8",
    ],
    &["train", "rbm", "--data", "glyphs-5", "--output", "new", "--epochs", "2"],
    &["generate", "rbm", "--demo"],
];

fn attractor(here: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_attractor"))
        .args(words)
        .current_dir(here)
        .output()
        .expect("the binary is built");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

/// An option as the help shows it.
#[derive(Debug)]
struct Shown {
    name: String,
    takes_value: bool,
    values: Vec<String>,
    default: String,
}

/// The options of a command, and its subcommands.
fn help(words: &[&str]) -> (Vec<Shown>, Vec<String>) {
    let (code, text) = attractor(Path::new("."), &[words, &["--help"]].concat());
    assert_eq!(code, Some(0), "{words:?}: {text}");
    let (mut options, mut commands, mut of_commands) = (Vec::<Shown>::new(), Vec::new(), false);
    for line in text.lines() {
        let part = line.trim_start();
        if let (Some(option), Some((_, rest))) = (options.last_mut(), part.split_once("[default: ")) {
            option.default = rest.split([']', ' ', ';']).next().unwrap_or_default().to_string();
        }
        let indent = line.len() - part.len();
        if indent == 0 {
            of_commands = line == "Commands:";
        } else if of_commands && indent == 2 {
            commands.extend(part.split_whitespace().next().filter(|name| *name != "help").map(str::to_string));
        } else if part.starts_with('-')
            && indent <= 6
            && let Some(long) = part.split_whitespace().find_map(|word| word.strip_prefix("--"))
        {
            let name = long.trim_end_matches(',').to_string();
            options.push(Shown { name, takes_value: part.contains('<'), values: Vec::new(), default: String::new() });
        } else if let (Some(option), Some((name, _))) =
            (options.last_mut(), part.strip_prefix("- ").and_then(|p| p.split_once(':')))
        {
            option.values.push(name.to_string());
        } else if let (Some(option), Some(list)) = (options.last_mut(), part.split("[possible values: ").nth(1)) {
            option.values.extend(list.trim_end_matches(']').split(", ").map(str::to_string));
        }
    }
    (options, commands)
}

/// Values of an option that are not its default, tried in order until one is accepted.
fn values(option: &str) -> &'static [&'static str] {
    match option {
        "text" => &["a world of a"],
        "text-file" => &["text.txt", "text2.txt"],
        "input" => &["ids2.json"],
        "config" => &["strict.toml"],
        "model-config" => &["odd.json"],
        "ignore-tensors" | "ignore-keys" => &["nothing*"],
        "layers" | "heads" => &["1", "0", "3"],
        "output" | "out" | "save" | "samples" => &["made.json", "made.svg", "made.csv", "made.npy", "made"],
        "junit" => &["made.xml"],
        "report" => &["made.html"],
        "json-file" => &["made.json"],
        "dtype" => &["f16", "f32"],
        "keep" => &["pattern"],
        "axes" => &["layer,head,q,k", "head,q,k"],
        "mask" => &["full", "cue.csv"],
        "max-bytes" | "max-memory" => &["1", "1GiB"],
        "detect" => &["previous"],
        "draw" => &["entropy"],
        "spans" => &["1-2"],
        "hide" => &["0"],
        "query" => &["0"],
        "fail-on" => &["mass<-0.5", "induction<-0.1"],
        "labels" => &["0", "0,1"],
        "checkpoint" | "model" => &["other"],
        "data" | "test" | "held-out" => &["glyphs-8", "data.csv"],
        "cue" => &["cue.csv"],
        "random" => &["4x12"],
        "graph" => &["graph2.txt"],
        "lr" | "weight-decay" | "residual" | "discard" | "noise" | "fdr" => &["0.3", "0.01"],
        "groups" => &["0", "1"],
        _ => &["3", "1", "2", "0.3", "7,8", "5", "0"],
    }
}

/// The files that command lines name.
fn scene(here: &Path) {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors/gpt2_tiny");
    for model in ["model", "other"] {
        std::fs::create_dir(here.join(model)).unwrap();
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(vectors.join(file), here.join(model).join(file)).unwrap();
        }
        let tokenizer = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
            "pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
            "model":{"type":"WordLevel","vocab":{"a":5,"world":3,"of":7,"##s":8,"##t":18,"[UNK]":0},"unk_token":"[UNK]"}}"###;
        std::fs::write(here.join(model).join("tokenizer.json"), tokenizer).unwrap();
    }
    // The other model: one tensor's last numbers are others.
    let file = here.join("other/model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[end - 512..].iter_mut().step_by(4).for_each(|byte| *byte ^= 0x55);
    std::fs::write(&file, bytes).unwrap();
    let ids = |inputs: usize, length: usize| {
        let list = |input: usize| (0..length).map(|i| (7 * i + 5 * input * input + i * i) % 90).collect::<Vec<usize>>();
        format!("{:?}", (0..inputs).map(list).collect::<Vec<_>>())
    };
    std::fs::write(here.join("ids.json"), ids(6, 12)).unwrap();
    std::fs::write(here.join("ids2.json"), ids(3, 9)).unwrap();
    std::fs::write(here.join("text.txt"), "a world of a world of of a world a a of ".repeat(40)).unwrap();
    std::fs::write(here.join("text2.txt"), "of a world of of a world ".repeat(60)).unwrap();
    std::fs::write(here.join("strict.toml"), "[norm]\nrows = 1e-12\n").unwrap();
    // So many nodes, of weights so different, that three sweeps end elsewhere by every schedule.
    let edges: Vec<String> = (1..=150)
        .flat_map(|i| (i + 1..=150).map(move |j| format!("{i} {j} {}", (i * i * 31 + j * 17) % 101 - 50)))
        .collect();
    std::fs::write(here.join("graph.txt"), format!("150 {}\n{}\n", edges.len(), edges.join("\n"))).unwrap();
    let odd = std::fs::read_to_string(here.join("model/config.json")).unwrap();
    let other =
        odd.replacen("\"scale_attn_by_inverse_layer_idx\": false", "\"scale_attn_by_inverse_layer_idx\": true", 1);
    assert_ne!(odd, other);
    std::fs::write(here.join("odd.json"), other).unwrap();
    std::fs::write(here.join("graph2.txt"), "3 2\n1 2 1\n2 3 5\n").unwrap();
    std::fs::write(here.join("cue.csv"), "1,0,1,1,0\n").unwrap();
    std::fs::write(here.join("data.csv"), "1,0,1,1,0\n0,1,1,0,1\n1,1,0,0,1\n").unwrap();
    let map = "[[[1,0,0],[0.5,0.5,0],[0.2,0.3,0.5]],[[1,0,0],[0.1,0.9,0],[0.4,0.3,0.3]]]";
    std::fs::write(here.join("maps.json"), format!(r#"{{"L0": {map}, "L1": {map}}}"#)).unwrap();
    for (model, run) in [("model", "run"), ("other", "run2")] {
        let (code, said) =
            attractor(here, &["capture", model, "--input", "ids.json", "-o", run, "--dtype", "f32", "--quiet"]);
        assert_eq!(code, Some(0), "{said}");
    }
}

/// Every file below a folder, by its name.
fn files(folder: &Path, at: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{at}/{}", path.file_name().unwrap().to_str().unwrap());
        match path.is_dir() {
            true => files(&path, &name, found),
            false => drop(found.insert(name, std::fs::read(&path).unwrap())),
        }
    }
}

/// What a command says and writes; times and the names of logs are left out.
fn told(scene: &Path, words: &[&str]) -> Told {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(scene).unwrap() {
        let path = entry.unwrap().path();
        std::os::unix::fs::symlink(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let (code, said) = attractor(folder.path(), words);
    let mut made = BTreeMap::new();
    files(folder.path(), "", &mut made);
    let mut before = BTreeMap::new();
    files(scene, "", &mut before);
    made.retain(|name, bytes| before.get(name) != Some(bytes));
    let timed = |name: &str| name.contains("tfevents") || name.contains("metrics.jsonl") || name.contains("run.json");
    let untimed = made
        .into_iter()
        .map(|(name, bytes)| if timed(&name) { ("log".to_string(), Vec::new()) } else { (name, bytes) });
    // How far a stage is: "ablations: 12 of 240, about 3 min left".
    let is_progress = |line: &str| {
        let rest = line.split_once(": ").map_or("", |(_, rest)| rest);
        rest.starts_with(|c: char| c.is_ascii_digit())
            && [" left", " so far", " s", " min"].iter().any(|end| rest.ends_with(end))
    };
    let said: String = said.lines().filter(|line| !is_progress(line)).flat_map(|line| [line, "\n"]).collect();
    // "in 0.02 s", and JSON's "seconds".
    let mut words: Vec<&str> = said.split([' ', '\n']).collect();
    for at in 1..words.len() {
        if words[at].trim_end_matches([',', '.']) == "s" || words[at - 1].contains("seconds") {
            words[at - 1] = "";
        }
    }
    let said = words.into_iter().filter(|word| !word.contains("seconds")).collect::<Vec<_>>().join(" ");
    (code, said, untimed.collect())
}

/// Tries every option on these command lines.
fn try_all(cases: &[&[&str]]) {
    let folder = tempfile::tempdir().unwrap();
    scene(folder.path());
    let leaves = leaves();
    let (mut ignored, mut runs) = (Vec::new(), 0);
    for case in cases {
        let line = case.join(" ");
        let leaf = leaves.iter().filter(|leaf| line.starts_with(*leaf)).max_by_key(|leaf| leaf.len()).unwrap();
        let (options, _) = help(&leaf.split(' ').collect::<Vec<_>>());
        assert!(options.len() > 4, "{leaf}: {options:?}");
        let plain = told(folder.path(), case);
        assert!(matches!(plain.0, Some(0 | 1)), "{line}: {}", plain.1);
        assert_eq!(plain, told(folder.path(), case), "{line} answers otherwise when it is run again");
        for option in options.iter().filter(|option| !EVERYWHERE.contains(&option.name.as_str())) {
            if WITHOUT_EFFECT.iter().any(|(known, _)| *known == format!("{leaf} --{}", option.name)) {
                continue;
            }
            runs += 1;
            ignored.extend(ignored_by(folder.path(), case, option, &plain));
        }
    }
    assert!(runs > 20, "{runs} options");
    assert!(ignored.is_empty(), "options without effect:\n{}", ignored.join("\n"));
}

type Told = (Option<i32>, String, BTreeMap<String, Vec<u8>>);

/// The command line on which an option was taken and did nothing.
fn ignored_by(scene: &Path, case: &[&str], option: &Shown, plain: &Told) -> Option<String> {
    let named = format!("--{}", option.name);
    // An option that the case gives already is given another value.
    let at = case.iter().position(|word| *word == named);
    let known: Vec<&str> = option.values.iter().map(String::as_str).collect();
    let candidates: Vec<&[&str]> = match (option.takes_value, known.is_empty()) {
        (false, _) => vec![&[]],
        (true, true) => values(&option.name).chunks(1).collect(),
        (true, false) => known.chunks(1).collect(),
    };
    let mut without_effect = None;
    for value in candidates {
        let mut words = case.to_vec();
        match (at, value) {
            (_, [value]) if *value == option.default => continue,
            (Some(at), [value]) if words[at + 1] != *value => words[at + 1] = value,
            (Some(_), _) => continue,
            (None, _) => words.extend([&named[..]].iter().chain(value)),
        }
        let (code, said, made) = told(scene, &words);
        match code {
            // It is no value for this option: the next one may be.
            Some(2) if said.contains("invalid value") => {}
            // Refused, or in vain since a file does not fit: it is read.
            Some(2 | 3) => return None,
            Some(0 | 1) if (&said, &made) != (&plain.1, &plain.2) => return None,
            code => without_effect = Some(format!("{}: exit {code:?}", words.join(" "))),
        }
    }
    without_effect
}

/// All commands.
fn leaves() -> BTreeSet<String> {
    let (mut leaves, mut open) = (BTreeSet::new(), vec![Vec::<String>::new()]);
    while let Some(words) = open.pop() {
        let (_, commands) = help(&words.iter().map(String::as_str).collect::<Vec<_>>());
        if commands.is_empty() {
            leaves.insert(words.join(" "));
        }
        open.extend(commands.into_iter().map(|name| [&words[..], &[name]].concat()));
    }
    leaves
}

#[test]
fn every_command_is_tried() {
    let cases = [MODELS, HEADS, MAPS, MEMORIES, SEARCHES, MACHINES].concat();
    let lines: Vec<String> = cases.iter().map(|case| case.join(" ")).collect();
    let untried: Vec<String> =
        leaves().into_iter().filter(|leaf| !lines.iter().any(|line| line.starts_with(leaf.as_str()))).collect();
    assert!(untried.is_empty(), "{untried:?}");
}

#[test]
fn every_option_of_judgement_does_something_or_is_refused() {
    try_all(MODELS);
}

#[test]
fn every_option_on_heads_does_something_or_is_refused() {
    try_all(HEADS);
}

#[test]
fn every_option_on_maps_does_something_or_is_refused() {
    try_all(MAPS);
}

#[test]
fn every_option_of_memories_does_something_or_is_refused() {
    try_all(MEMORIES);
}

#[test]
fn every_option_of_searches_does_something_or_is_refused() {
    try_all(SEARCHES);
}

#[test]
fn every_option_of_machines_does_something_or_is_refused() {
    try_all(MACHINES);
}
