//! What commands write: where, over what, and how pictures look; what `--help`, completions and manual pages say.

use std::path::Path;
use std::process::{Command, Output};

fn attractor(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attractor"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("COLUMNS")
        .output()
        .expect("the binary was built for this test")
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every command, as its words.
fn commands(folder: &Path) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    let mut at = 0;
    while at < all.len() {
        let words: Vec<&str> = all[at].iter().map(String::as_str).collect();
        let help = told(&attractor(folder, &[&words[..], &["-h"]].concat()));
        let listed = help.split("Commands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
        let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let names: Vec<String> = names.filter_map(|line| line.split_whitespace().next()).map(str::to_string).collect();
        let below: Vec<Vec<String>> = names
            .into_iter()
            .filter(|name| name != "help")
            .map(|name| words.iter().map(|word| (*word).to_string()).chain([name]).collect())
            .collect();
        all.extend(below);
        at += 1;
    }
    all
}

#[test]
fn help_fits_eighty_columns_and_ends_with_what_all_commands_share() {
    let folder = tempfile::tempdir().unwrap();
    let all = commands(folder.path());
    assert!(all.len() > 25 && all.contains(&vec!["train".to_string(), "rbm".to_string()]), "{all:?}");
    for words in &all {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        for form in ["-h", "--help"] {
            let help = told(&attractor(folder.path(), &[&words[..], &[form]].concat()));
            let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{words:?}: {wide:?}");
            let (own, global) = help.split_once("Global options:\n").unwrap_or_else(|| panic!("{words:?}: {help}"));
            for option in ["--json", "--seed", "--threads", "--quiet", "--overwrite", "--help", "--version"] {
                assert!(global.contains(option), "{words:?}: {option}");
                let before = own
                    .lines()
                    .any(|line| line.trim_start().trim_start_matches("-h, ").starts_with(&format!("{option} ")));
                assert!(!before, "{words:?}: {option} stands among the command's own options");
            }
        }
    }
}

#[test]
fn long_helps_are_grouped_and_a_thing_has_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let help = |words: &[&str]| told(&attractor(folder.path(), &[words, &["-h"]].concat()));
    let rbm = help(&["train", "rbm"]);
    let headings: Vec<&str> = rbm.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    let expected =
        ["Options:", "Data:", "Model:", "Gradient:", "Likelihood, and its alarm:", "Pictures:", "Global options:"];
    assert_eq!(headings, expected);
    // Spellings of the documents are taken and not shown.
    for (words, hidden) in [
        (&["validate"][..], "--checkpoint"),
        (&["capture"], "--model "),
        (&["convert"], "--output"),
        (&["rollout"], "--out "),
        (&["export"], "--scale"),
        (&["maxcut"], "--graph"),
        (&["train", "rbm"], "--temperatures"),
    ] {
        assert!(
            !help(words).contains(&format!("      {hidden}")) && !help(words).contains(&format!(", {hidden}")),
            "{words:?}"
        );
    }
    for words in [
        &["validate", "--checkpoint", "nowhere"][..],
        &["capture", "--model", "nowhere", "-o", "run"],
        &["export", "nowhere", "-o", "x.svg", "--scale", "log"],
        &["rollout", "nowhere", "--out", "x.svg"],
    ] {
        let output = attractor(folder.path(), words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(3) && said.contains("nowhere: "), "{words:?}: {said}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = told(&attractor(folder.path(), &["completions", shell]));
        assert!(
            script.contains("pseudo-inverse") && script.contains("likelihood-every"),
            "{shell}: values and options"
        );
    }
    let page = told(&attractor(folder.path(), &["man", "train", "rbm"]));
    assert!(page.contains("attractor\\-train\\-rbm") || page.contains("attractor-train-rbm"), "{page}");
    assert!(page.contains(".SH GRADIENT") && page.contains("\\-\\-likelihood\\-every"), "{page}");
    let program = told(&attractor(folder.path(), &["man"]));
    assert!(program.contains("attractor\\-validate") && program.contains(".SH NAME"), "{program}");
}

#[test]
fn outputs_are_made_with_their_folders_and_replaced_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(here.join("ids.json"), "[[5, 17, 3, 9, 22, 4]]").unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../attractor-session/demo");
    let model = model.to_str().unwrap();
    let given = ["--input", "ids.json", "--quiet"];
    for (command, file) in [
        (&["export", model, "-o", "a/b/map.svg"][..], "a/b/map.svg"),
        (&["export", model, "-o", "a/b/map.npz"], "a/b/map.npz"),
        (&["heads", model, "--detect", "sink", "-o", "c/heads.csv"], "c/heads.csv"),
        (&["metrics", model, "-o", "d/heads.parquet"], "d/heads.parquet"),
        (&["rollout", model, "-o", "e/rollout.json"], "e/rollout.json"),
        (&["diff", model, model, "-o", "f/diff.svg"], "f/diff.svg"),
        (&["capture", model, "-o", "g/h/run"], "g/h/run/run.json"),
    ] {
        told(&attractor(here, &[command, &given].concat()));
        let first = std::fs::read(here.join(file)).unwrap();
        std::fs::write(here.join(file), "mine").unwrap();
        let said = refused(&attractor(here, &[command, &given].concat()));
        assert!(said.contains("nothing is overwritten unasked") && said.contains("--overwrite"), "{command:?}: {said}");
        assert_eq!(std::fs::read(here.join(file)).unwrap(), b"mine");
        told(&attractor(here, &[command, &given, &["--overwrite"]].concat()));
        let again = std::fs::read(here.join(file)).unwrap();
        // The manifest holds the time.
        assert!(again == first || file.ends_with("run.json") && again.len() == first.len(), "{command:?}");
    }
    let generated = ["generate", "rbm", "--demo", "--samples", "2", "--steps", "3", "-o", "i/j/samples.csv"];
    told(&attractor(here, &generated));
    assert!(refused(&attractor(here, &generated)).contains("i/j/samples.csv: is there already"));
    told(&attractor(here, &["train", "rbm", "--demo", "-o", "k/l/rbm", "--epochs", "1", "--likelihood-every", "0"]));
    assert!(here.join("k/l/rbm/rbm.safetensors").exists());
    // What is refused in JSON is JSON.
    let refusal = refused(&attractor(here, &[&generated[..], &["--json"]].concat()));
    let refusal: serde_json::Value = serde_json::from_str(&refusal).unwrap();
    assert_eq!(refusal["error"]["kind"], "usage");
}

#[test]
fn a_picture_has_the_title_width_resolution_and_colours_that_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let drawn = |file: &str, more: &[&str]| {
        told(&attractor(here, &[&["memory", "hopfield", "--demo", "-o", file, "--quiet"], more].concat()));
        std::fs::read(here.join(file)).unwrap()
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let side = |svg: &str, name: &str| -> f64 {
        svg.split_once(&format!(" {name}=\"")).unwrap().1.split('"').next().unwrap().parse().unwrap()
    };
    let whole = text(drawn("whole.svg", &[]));
    let bare = text(drawn("bare.svg", &["--no-title", "--width", "85mm"]));
    assert!(whole.contains("class=\"heading\"") && !bare.contains("class=\"heading\"") && bare.contains(">recalled<"));
    assert_eq!(side(&bare, "width"), 321.26);
    assert!(side(&bare, "height") / side(&bare, "width") < side(&whole, "height") / side(&whole, "width"));
    // Width and height of a PNG stand behind its signature and the name of its first chunk.
    let pixels = |png: &[u8]| u32::from_be_bytes(png[16..20].try_into().unwrap());
    if cfg!(feature = "figures") {
        assert_eq!(pixels(&drawn("a.png", &["--width", "3.5in", "--dpi", "300"])), 1050);
        assert_eq!(f64::from(pixels(&drawn("b.png", &[]))), (2.0 * side(&whole, "width")).round());
        let folder_of = ["train", "rbm", "--demo", "-o", "rbm", "--epochs", "1", "--likelihood-every", "0"];
        told(&attractor(here, &[&folder_of[..], &["--figures", "png", "--width", "4in", "--dpi", "100"]].concat()));
        assert_eq!(pixels(&std::fs::read(here.join("rbm/features.png")).unwrap()), 400);
    }
    std::fs::write(here.join("ids.json"), "[[5, 17, 3, 9, 22, 4]]").unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../attractor-session/demo");
    let map = |file: &str, more: &[&str]| {
        let model = model.to_str().unwrap();
        let one = ["export", model, "--input", "ids.json", "--layers", "0", "--heads", "0", "-o", file, "--quiet"];
        told(&attractor(here, &[&one[..], more].concat()));
        std::fs::read_to_string(here.join(file)).unwrap()
    };
    let (viridis, magma) = (map("v.svg", &[]), map("m.svg", &["--colours", "magma"]));
    assert!(viridis != magma && map("v2.svg", &["--colors", "viridis"]) == viridis);
}
