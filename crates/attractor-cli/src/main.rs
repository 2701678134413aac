//! The `attractor` command line: options in, jobs of `attractor-session`, words out. No formula and no job lives here.

mod args;
mod cli;
mod commands;
mod console;
mod error;
mod files;
mod interrupt;
mod memory;
mod output;
mod picture;

use std::process::ExitCode;

use attractor_render::terminal::{on_one_line, shown};
use cli::Cli;
use error::Code;

fn main() -> ExitCode {
    memory::keep_freed();
    // A write beyond the file-size limit is then an error with a message, not a signal that ends the process.
    #[cfg(unix)]
    // SAFETY: no other thread runs yet, and ignoring a signal runs no code of ours.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
    let cli = match Cli::read(args::hyphenated(std::env::args_os())) {
        Ok(cli) => cli,
        Err(help) => {
            let _ = help.print();
            return ExitCode::from(if help.use_stderr() { Code::Usage as u8 } else { 0 });
        }
    };
    match cli.run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(Code::Failed as u8),
        Err(error) => {
            let (code, message) = (Code::from(error.kind()), error::message(&error));
            if cli.common.json {
                let kind = error.kind().name();
                eprintln!("{}", serde_json::json!({ "error": { "kind": kind, "message": message } }));
            } else if code == Code::Interrupted {
                eprintln!("{}", shown(&message));
            } else {
                anstream::eprintln!("\u{1b}[1;31merror:\u{1b}[0m {}", on_one_line(&message));
            }
            ExitCode::from(code as u8)
        }
    }
}
