//! `vectors DIR [--all]`: holds Attractor to every vector of a folder; one line a tensor, exit 1 if one fails.
//!
//! Real models are looked for where the environment says (see `real`). With `--all`, what cannot be tried here fails.

use std::path::PathBuf;
use std::process::ExitCode;

use conformance::kinds::{Outcome, entries, run};
use conformance::real::Models;

fn main() -> ExitCode {
    let mut folder = None;
    let mut all = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--all" => all = true,
            _ if folder.is_none() && !argument.starts_with('-') => folder = Some(PathBuf::from(argument)),
            other => {
                eprintln!("vectors: {other:?} is not understood; usage: vectors DIR [--all]");
                return ExitCode::from(2);
            }
        }
    }
    let Some(folder) = folder else {
        eprintln!("vectors: name a folder; usage: vectors DIR [--all]");
        return ExitCode::from(2);
    };
    let models = Models::from_environment();
    let entries = match entries(&folder) {
        Ok(entries) => entries,
        Err(why) => {
            eprintln!("vectors: {why}");
            return ExitCode::from(3);
        }
    };
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for entry in &entries {
        let name = &entry.name;
        match run(entry, &models) {
            Ok(Outcome::Lines(lines)) => {
                for line in lines {
                    let verdict = if line.passes() { "ok" } else { "FAIL" };
                    *(if line.passes() { &mut passed } else { &mut failed }) += 1;
                    let tensor = format!("{name}/{}", line.name);
                    println!("{tensor:<44} error {:>9.2e}  tolerance {:>7.0e}  {verdict}", line.error, line.tolerance);
                }
            }
            Ok(Outcome::NotYet) => println!("{name:<44} not yet"),
            Ok(Outcome::Skipped(why)) if !all => {
                skipped += 1;
                println!("{name:<44} skipped: {why}");
            }
            Ok(Outcome::Skipped(why)) | Err(why) => {
                failed += 1;
                println!("{name:<44} FAIL: {why}");
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
