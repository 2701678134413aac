//! The `attractor` command line: one straight path from a checkpoint to verdicts. No formula lives here.

mod args;
mod commands;
mod console;
mod error;
mod forward;
mod inputs;
mod picture;
mod target;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use error::{Code, Failure, Outcome};

/// Burn and the readers allocate and free large blocks all the time: twice as fast as with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A write beyond the file-size limit is then an error with a message, not a signal that ends the process.
    #[cfg(unix)]
    // SAFETY: no other thread runs yet, and ignoring a signal runs no code of ours.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
    let cli = match Cli::try_parse_from(args::hyphenated(std::env::args_os())) {
        Ok(cli) => cli,
        Err(help) => {
            let _ = help.print();
            return ExitCode::from(if help.use_stderr() { Code::Usage as u8 } else { 0 });
        }
    };
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(Code::Failed as u8),
        Err(Failure { code, message }) => {
            if cli.common.json {
                let kind = if code == Code::Usage { "usage" } else { "unreadable" };
                eprintln!("{}", serde_json::json!({ "error": { "kind": kind, "message": message } }));
            } else {
                anstream::eprintln!("\u{1b}[1;31merror:\u{1b}[0m {message}");
            }
            ExitCode::from(code as u8)
        }
    }
}

/// Runs a command. `Ok(false)`: it ran, and checks failed.
fn run(cli: &Cli) -> Outcome<bool> {
    if let Some(threads) = cli.common.threads {
        if threads == 0 {
            return Err(Failure::usage("--threads 0: give at least one thread"));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|e| Failure::usage(format!("--threads {threads}: {e}")))?;
    }
    let common = &cli.common;
    match &cli.command {
        Command::Demo(demo) => commands::demo::run(demo, common),
        Command::Validate(validate) => commands::validate::run(validate, common),
        Command::Capture(capture) => commands::capture::run(capture, common).map(|()| true),
        Command::Info(info) => commands::info::run(info, common).map(|()| true),
        Command::Metrics(metrics) => commands::metrics::run(metrics, common).map(|()| true),
        Command::Heads(heads) => commands::heads::run(heads, common).map(|()| true),
        Command::Rollout(rollout) => commands::rollout::run(rollout, common).map(|()| true),
        Command::Diff(diff) => commands::diff::run(diff, common),
        Command::Convert(convert) => commands::convert::run(convert, common),
        Command::Export(export) => commands::export::run(export, common).map(|()| true),
        Command::Report(report) => commands::report::run(report, common).map(|()| true),
        Command::Train(args::Train::CausalLm(train)) => commands::train::run(train, common).map(|()| true),
    }
}
