//! `models BINARY`: real models at length, by the program that users get: what it takes of memory, what it says.
//!
//! | check                                                        | holds                                                |
//! |--------------------------------------------------------------|------------------------------------------------------|
//! | the peak of `capture --keep stats` at 256 and 4096 tokens    | at most 1.3 times as much                            |
//! | `validate`, six inputs of 128 tokens, ablations in budget    | ends, exit 0 for SmolLM2                             |
//! | `heads --detect induction` of SmolLM2                        | the eight strongest heads of transformers' maps      |

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use conformance::golden::Golden;
use conformance::real::Models;

/// What a command took and gave.
struct Ran {
    code: Option<i32>,
    output: String,
    /// Largest resident set, bytes.
    peak: u64,
    seconds: f64,
}

/// Runs the program and measures it.
fn run(binary: &Path, arguments: &[&str]) -> Result<Ran, String> {
    let start = Instant::now();
    let child = Command::new(binary)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|e| format!("{}: {e}", binary.display()))?;
    let id = child.id() as libc::pid_t;
    let mut stdout = child.stdout.ok_or("no output")?;
    let mut output = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut output).map_err(|e| e.to_string())?;
    // SAFETY: a structure of plain numbers, for which zeros are values.
    let (mut status, mut usage) = (0, unsafe { std::mem::zeroed::<libc::rusage>() });
    // SAFETY: both pointers are to values of ours that live through the call.
    if unsafe { libc::wait4(id, &mut status, 0, &mut usage) } != id {
        return Err(std::io::Error::last_os_error().to_string());
    }
    let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
    Ok(Ran { code, output, peak: usage.ru_maxrss as u64 * 1024, seconds: start.elapsed().as_secs_f64() })
}

/// Ids of one input of `count` tokens, drawn without a library.
fn ids(folder: &Path, count: usize) -> Result<String, String> {
    let mut state = 1u64;
    let draw = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1000 + (state >> 33) % 40_000
    };
    let ids: Vec<u64> = (0..count).map(draw).collect();
    let path = folder.join(format!("{count}.json"));
    std::fs::write(&path, format!("[{ids:?}]")).map_err(|e| e.to_string())?;
    Ok(path.display().to_string())
}

fn peaks(binary: &Path, folder: &Path, name: &str, model: &str) -> Result<(), String> {
    let mut peaks = Vec::new();
    for count in [256, 4096] {
        let out = folder.join(format!("{name}-{count}")).display().to_string();
        let ran = run(binary, &["capture", model, "--keep", "stats", "--input", &ids(folder, count)?, "-o", &out])?;
        if ran.code != Some(0) {
            return Err(format!("{name}: capture of {count} tokens ended with {:?}", ran.code));
        }
        println!("{name}: capture --keep stats of {count} tokens: peak {} MiB, {:.1} s", ran.peak >> 20, ran.seconds);
        peaks.push(ran.peak as f64);
    }
    let ratio = peaks[1] / peaks[0];
    println!("{name}: {ratio:.2} times as much at 4096 tokens (at most 1.3)");
    if ratio <= 1.3 { Ok(()) } else { Err(format!("{name}: {ratio:.2} times as much memory at 4096 tokens")) }
}

fn judged(binary: &Path, folder: &Path, name: &str, model: &str, text: &str) -> Result<Ran, String> {
    let out = folder.join(format!("{name}.json")).display().to_string();
    let arguments = ["validate", model, "--text-file", text, "--seq-len", "128", "--max-inputs", "6", "--output", &out];
    let ran = run(binary, &arguments)?;
    println!(
        "{name}: validate, six inputs of 128 tokens: exit {:?}, {:.0} s, peak {} MiB",
        ran.code,
        ran.seconds,
        ran.peak >> 20
    );
    Ok(ran)
}

/// The strongest induction heads by transformers' maps, strongest first.
fn strongest(golden: &Golden, count: usize) -> Result<Vec<String>, String> {
    let scores = golden.get("repeat.induction")?;
    let heads = scores.shape[1];
    let mut order: Vec<usize> = (0..scores.values.len()).collect();
    order.sort_by(|&a, &b| scores.values[b].total_cmp(&scores.values[a]));
    Ok(order[..count].iter().map(|at| format!("L{}H{}", at / heads, at % heads)).collect())
}

fn all(binary: &Path, root: &Path) -> Result<(), String> {
    let models = Models::from_environment();
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let text = root.join("examples/data/northanger-abbey.txt").display().to_string();
    let given = |model: Option<PathBuf>, variable: &str| {
        model.map(|path| path.display().to_string()).ok_or(format!("{variable} does not name a model"))
    };
    let smollm2 = given(models.smollm2, "ATTRACTOR_SMOLLM2")?;
    let gemma3 = given(models.gemma3, "ATTRACTOR_GEMMA3")?;
    let golden = Golden::read(&root.join("conformance/vectors/smollm2_real.safetensors"))?;
    let report = run(binary, &["heads", &smollm2, "--detect", "induction", "--json"])?.output;
    let report: serde_json::Value = serde_json::from_str(&report).map_err(|e| e.to_string())?;
    let found: Vec<&str> =
        report["detectors"][0]["found"].as_array().into_iter().flatten().filter_map(|head| head.as_str()).collect();
    if let Some(head) = strongest(&golden, 8)?.iter().find(|head| !found.contains(&head.as_str())) {
        return Err(format!("SmolLM2: {head} is not among the induction heads found ({found:?})"));
    }
    println!("SmolLM2: the eight strongest induction heads of transformers' maps are found");
    for (name, model) in [("SmolLM2", &smollm2), ("Gemma 3", &gemma3)] {
        peaks(binary, folder.path(), name, model)?;
        let ran = judged(binary, folder.path(), name, model, &text)?;
        if !matches!(ran.code, Some(0 | 1)) || (name == "SmolLM2" && ran.code != Some(0)) {
            return Err(format!("{name}: validate ended with {:?}\n{}", ran.code, ran.output));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let Some(binary) = std::env::args_os().nth(1) else {
        eprintln!("usage: models BINARY");
        return ExitCode::from(2);
    };
    match all(Path::new(&binary), root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("models: {why}");
            ExitCode::FAILURE
        }
    }
}
