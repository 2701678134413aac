//! The report's script: is the committed bundle what the sources give, and does the page work in a browser?

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{CHECKED, Failure, answers, built, cargo, program, root, run};

/// Where Debian puts its browser.
const CHROMIUM: &str = "/usr/bin/chromium";

fn viewer() -> PathBuf {
    root().join("viewer")
}

fn node(arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(arguments).current_dir(viewer());
    command
}

/// `npm` without its advice.
fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).args(["--silent", "--no-audit", "--no-fund", "--no-update-notifier"]).current_dir(viewer());
    command
}

/// The packages of the lock file, installed once for each state of it.
fn packages() -> Result<(), Failure> {
    let missing: Vec<&str> = [("node", "nodejs"), ("npm", "npm")]
        .into_iter()
        .filter(|(name, _)| !answers(Command::new(name).arg("--version")))
        .map(|(_, package)| package)
        .collect();
    if !missing.is_empty() {
        let why = |why| Failure::Skipped(format!("{why}; only who changes the viewer needs node and npm"));
        debian(&missing).map_err(why)?;
    }
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|e| Failure::Failed(format!("{}: {e}", path.display())));
    let lock = read(&viewer().join("package-lock.json"))?;
    // A lock file that names hosts would send everybody there.
    if lock.contains("\"resolved\"") {
        let why = "viewer/package-lock.json names registry hosts; write it with npm config omit-lockfile-registry-resolved=true";
        return Err(Failure::Failed(why.into()));
    }
    let stamp = viewer().join("node_modules").join(".installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let mut install = npm(&["ci", "--ignore-scripts"]);
    let done = install.stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let done = done.map_err(|e| Failure::Failed(format!("npm ci: {e}")))?;
    let said = String::from_utf8_lossy(&done.stderr).trim().to_string();
    match done.status.success() {
        true => std::fs::write(&stamp, lock).map_err(|e| Failure::Failed(format!("{}: {e}", stamp.display()))),
        // The lock file and package.json contradict each other.
        false if said.contains("EUSAGE") || said.contains("in sync") => Err(Failure::Failed(format!("npm ci: {said}"))),
        false => Err(Failure::Skipped(format!("the viewer's packages cannot be had from npm: {said}"))),
    }
}

/// Types, unit tests, and the bundle built again: it must be the committed one.
pub fn bundle() -> Result<(), Failure> {
    packages()?;
    let failed = |outcome: Result<(), String>| outcome.map_err(Failure::Failed);
    failed(run("tsc", &mut node(&["node_modules/typescript/bin/tsc", "--noEmit"])))?;
    let _ = std::fs::remove_dir_all(viewer().join(".build"));
    failed(run("bundling the unit tests", &mut node(&["build.mjs", "--tests"])))?;
    let mut tests: Vec<OsString> = std::fs::read_dir(viewer().join(".build"))
        .map_err(|e| Failure::Failed(format!("viewer/.build: {e}")))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "mjs"))
        .map(PathBuf::into_os_string)
        .collect();
    tests.sort();
    failed(run("unit tests", node(&["--test", "--test-reporter=dot"]).args(tests)))?;
    failed(run("the committed bundle", &mut node(&["build.mjs", "--check"])))
}

/// Installs Debian's packages, where that is allowed; the reason where it is not.
fn debian(packages: &[&str]) -> Result<(), String> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if !(root && answers(Command::new("apt-get").arg("--version"))) {
        return Err(format!("{} cannot be installed without root and apt-get", packages.join(" and ")));
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        run(&format!("apt-get {}", arguments[0]), &mut command)
    };
    // The lists of a bare machine are empty; where they cannot be had, old ones may do.
    let updated = apt(&["update"]);
    apt(&[&["install", "-y", "--no-install-recommends"], packages].concat()).map_err(|why| match updated {
        Ok(()) => why,
        Err(update) => format!("{update}; {why}"),
    })
}

/// The browser; Debian's is installed where that is allowed.
fn chromium() -> Result<PathBuf, Failure> {
    if let Some(given) = std::env::var_os("CHROMIUM") {
        return Ok(given.into());
    }
    let there = Path::new(CHROMIUM);
    if !there.exists() {
        debian(&["chromium"]).map_err(|why| Failure::Skipped(format!("no Chromium: {why}; or set CHROMIUM")))?;
    }
    match there.exists() {
        true => Ok(there.into()),
        false => Err(Failure::Skipped(format!("apt-get installed chromium, but not at {CHROMIUM}; set CHROMIUM"))),
    }
}

/// Opens pages of known heads and the demo's in Chromium and does what a reader does.
pub fn browser() -> Result<(), Failure> {
    packages()?;
    let chromium = chromium()?;
    let failed = |outcome: Result<(), String>| outcome.map_err(Failure::Failed);
    let folder = root().join("target").join("browser-pages");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|e| Failure::Failed(format!("{}: {e}", folder.display())))?;
    // With the features that the tests were built with, so that nothing is compiled twice.
    failed(run(
        "cargo build",
        cargo().args(["build", "--quiet", "--workspace", "--example", "browser_pages", "--profile", CHECKED]),
    ))?;
    let pages = built("examples/browser_pages").map_err(Failure::Failed)?;
    failed(run("browser_pages", Command::new(pages).arg(&folder)))?;
    let demo = folder.join("demo.html");
    let mut command = program("attractor").map_err(Failure::Failed)?;
    failed(run("attractor demo", command.args(["demo", "--quiet", "--output"]).arg(&demo).stdout(Stdio::null())))?;
    let mut test = node(&["browser/report.mjs"]);
    failed(run("the browser test", test.arg(&folder).arg(&demo).env("CHROMIUM", chromium)))
}
