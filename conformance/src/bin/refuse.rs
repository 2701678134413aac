//! `refuse DIR [--only NAME]`: every case of `DIR/*.toml` must be refused: the stated exit code, a message that says
//! what is wrong, no panic, and earlier output left whole.
//!
//! A case sets up files in an empty folder, runs `attractor` there and states what must come back:
//!
//! ```toml
//! [[case]]
//! name = "a header of 2^60 bytes"
//! setup = [
//!     { vectors = "gpt2_tiny", to = "model" },            # a folder of conformance/vectors
//!     { patch = "model/model.safetensors", at = 0, hex = "0000000000000010" },
//! ]
//! command = ["validate", "model", "--input", "ids.json"]
//! exit = 3
//! says = ["model.safetensors", "header"]
//! keeps = ["earlier.json"]                                # these files must not change
//! absent = ["run"]                                        # nothing may lie there afterwards
//! limit_file_size = 4096                                  # RLIMIT_FSIZE of the command, bytes
//! variables = { RAYON_NUM_THREADS = "0" }                 # of the command's environment
//! ```

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// No refusal takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    setup: Vec<Step>,
    /// Commands that must succeed first.
    #[serde(default)]
    before: Vec<Vec<String>>,
    /// Steps after them.
    #[serde(default)]
    after: Vec<Step>,
    command: Vec<String>,
    exit: i32,
    says: Vec<String>,
    #[serde(default)]
    keeps: Vec<String>,
    /// Nothing may lie there afterwards.
    #[serde(default)]
    absent: Vec<String>,
    limit_file_size: Option<u64>,
    /// Variables of the command's environment.
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// One step of a set-up.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Step {
    /// Copies a folder of vectors.
    Vectors { vectors: String, to: String },
    /// Copies a file or folder.
    Copy { copy: String, to: String },
    /// Writes a text.
    Write { write: String, text: String },
    /// Writes bytes given as hex, repeated.
    Bytes {
        bytes: String,
        hex: String,
        #[serde(default = "one")]
        times: usize,
    },
    /// Overwrites bytes in place; a negative place counts from the end.
    Patch { patch: String, at: i64, hex: String },
    /// Replaces a text inside a file; it must be there.
    Replace { replace: String, from: String, by: String },
    /// Cuts a file to a length; a negative one counts from the end.
    Truncate { truncate: String, length: i64 },
    /// Removes a file or folder.
    Remove { remove: String },
    /// Makes a folder.
    Folder { folder: String },
    /// Makes a named pipe, which nobody writes to or reads.
    Pipe { pipe: String },
}

fn one() -> usize {
    1
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).map_err(|e| e.to_string())?;
            u8::from_str_radix(pair, 16).map_err(|e| format!("{pair:?}: {e}"))
        })
        .collect()
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_dir() {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        Ok(())
    } else {
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(from, to).map(|_| ())
    }
}

/// A place counted from the start, or from the end if negative.
fn place(at: i64, length: usize) -> usize {
    if at < 0 { length.saturating_sub(at.unsigned_abs() as usize) } else { at as usize }
}

fn prepare(step: &Step, here: &Path, vectors: &Path) -> Result<(), String> {
    let io = |e: std::io::Error| format!("{step:?}: {e}");
    match step {
        Step::Vectors { vectors: name, to } => copy(&vectors.join(name), &here.join(to)).map_err(io),
        Step::Copy { copy: from, to } => copy(&here.join(from), &here.join(to)).map_err(io),
        Step::Write { write, text } => {
            if let Some(parent) = here.join(write).parent() {
                std::fs::create_dir_all(parent).map_err(io)?;
            }
            std::fs::write(here.join(write), text).map_err(io)
        }
        Step::Bytes { bytes, hex, times } => std::fs::write(here.join(bytes), unhex(hex)?.repeat(*times)).map_err(io),
        Step::Patch { patch, at, hex } => {
            let mut content = std::fs::read(here.join(patch)).map_err(io)?;
            let (from, new) = (place(*at, content.len()), unhex(hex)?);
            let target = content.get_mut(from..from + new.len()).ok_or(format!("{step:?}: beyond the file's end"))?;
            target.copy_from_slice(&new);
            std::fs::write(here.join(patch), content).map_err(io)
        }
        Step::Replace { replace, from, by } => {
            let content = std::fs::read_to_string(here.join(replace)).map_err(io)?;
            if !content.contains(from) {
                return Err(format!("{step:?}: the text is not there"));
            }
            std::fs::write(here.join(replace), content.replacen(from, by, 1)).map_err(io)
        }
        Step::Truncate { truncate, length } => {
            let file = std::fs::File::options().write(true).open(here.join(truncate)).map_err(io)?;
            let now = file.metadata().map_err(io)?.len() as usize;
            file.set_len(place(*length, now) as u64).map_err(io)
        }
        Step::Remove { remove } => {
            let path = here.join(remove);
            if path.is_dir() {
                std::fs::remove_dir_all(path).map_err(io)
            } else {
                std::fs::remove_file(path).map_err(io)
            }
        }
        Step::Folder { folder } => std::fs::create_dir_all(here.join(folder)).map_err(io),
        Step::Pipe { pipe } => {
            let made = Command::new("mkfifo").arg(here.join(pipe)).status().map_err(io)?;
            if made.success() { Ok(()) } else { Err(format!("{step:?}: mkfifo ended with {made}")) }
        }
    }
}

/// What a command said.
struct Said {
    exit: Option<i32>,
    text: String,
}

fn call(
    binary: &Path,
    arguments: &[String],
    here: &Path,
    limit: Option<u64>,
    variables: &BTreeMap<String, String>,
) -> Result<Said, String> {
    let mut command = Command::new(binary);
    command.envs(variables);
    let arguments = arguments.iter().map(|argument| match argument.strip_prefix("$MINILM") {
        Some(rest) => std::env::var("ATTRACTOR_MINILM").unwrap_or_default() + rest,
        None => argument.clone(),
    });
    command.args(arguments).current_dir(here).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(bytes) = limit {
        // SAFETY: between fork and exec only two async-signal-safe calls run.
        unsafe {
            command.pre_exec(move || {
                // Without this the signal would end the process before it could say anything.
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
                match libc::setrlimit(libc::RLIMIT_FSIZE, &limit) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
    }
    let mut child = command.spawn().map_err(|e| format!("{}: {e}", binary.display()))?;
    let start = Instant::now();
    // Refusals are short: the pipes hold them while we wait.
    let status = loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                let _ = child.kill();
                return Err(format!("still running after {} s", PATIENCE.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok(Said { exit: status.code(), text })
}

/// Runs a case. The error says what was expected and what came.
fn refuse(case: &Case, binary: &Path, vectors: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let here = folder.path();
    for step in &case.setup {
        prepare(step, here, vectors)?;
    }
    for command in &case.before {
        let said = call(binary, command, here, None, &BTreeMap::new())?;
        if said.exit != Some(0) {
            return Err(format!("set-up command {command:?} exited with {:?}: {}", said.exit, said.text));
        }
    }
    for step in &case.after {
        prepare(step, here, vectors)?;
    }
    let read = |name: &String| std::fs::read(here.join(name)).map_err(|e| format!("{name}: {e}"));
    let earlier = case.keeps.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let said = call(binary, &case.command, here, case.limit_file_size, &case.variables)?;
    let got = || format!("exit {:?}, said:\n{}", said.exit, said.text.trim_end());
    if said.text.contains("panicked at") || said.text.contains("RUST_BACKTRACE") {
        return Err(format!("it panicked; {}", got()));
    }
    if said.exit != Some(case.exit) {
        return Err(format!("expected exit {}; got {}", case.exit, got()));
    }
    for word in &case.says {
        if !said.text.to_lowercase().contains(&word.to_lowercase()) {
            return Err(format!("expected the message to say {word:?}; got {}", got()));
        }
    }
    if let Some(made) = case.absent.iter().find(|name| here.join(name).exists()) {
        return Err(format!("{made} was made; {}", got()));
    }
    for (name, before) in case.keeps.iter().zip(earlier) {
        if read(name)? != before {
            return Err(format!("{name} was changed; {}", got()));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, only) = match &arguments[..] {
        [folder] => (PathBuf::from(folder), None),
        [folder, flag, name] if flag == "--only" => (PathBuf::from(folder), Some(name.as_str())),
        _ => {
            eprintln!("usage: refuse DIR [--only NAME]");
            return ExitCode::from(2);
        }
    };
    // The command line lies beside this runner.
    let binary = std::env::current_exe().ok().and_then(|path| path.parent().map(|folder| folder.join("attractor")));
    let Some(binary) = binary.filter(|path| path.exists()) else {
        eprintln!("refuse: build the command line first: cargo build --package attractor-cli");
        return ExitCode::from(3);
    };
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut files: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Ok(listing) => {
            listing.flatten().map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|x| x == "toml")).collect()
        }
        Err(e) => {
            eprintln!("refuse: {}: {e}", folder.display());
            return ExitCode::from(3);
        }
    };
    files.sort();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for file in files {
        let cases = std::fs::read_to_string(&file).map_err(|e| e.to_string());
        let cases: File = match cases.and_then(|text| toml::from_str(&text).map_err(|e| e.to_string())) {
            Ok(cases) => cases,
            Err(why) => {
                println!("FAIL {}: {why}", file.display());
                failed += 1;
                continue;
            }
        };
        for case in cases.case.iter().filter(|case| only.is_none_or(|only| case.name.contains(only))) {
            let needs_minilm =
                case.command.iter().chain(case.before.iter().flatten()).any(|a| a.starts_with("$MINILM"));
            if needs_minilm && std::env::var_os("ATTRACTOR_MINILM").is_none() {
                println!("skip {}: the real MiniLM is not here", case.name);
                skipped += 1;
                continue;
            }
            match refuse(case, &binary, &vectors) {
                Ok(()) => {
                    passed += 1;
                    println!("ok   {}", case.name);
                }
                Err(why) => {
                    failed += 1;
                    println!("FAIL {}: {why}", case.name);
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
