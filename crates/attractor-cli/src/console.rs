//! What people see: progress on a terminal, colour where it says something, and files written whole.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use attractor_capture::run::{Durability, write_whole};
use attractor_judge::Verdict;
use attractor_judge::report::Report;
use attractor_judge::report::{Kind, Line};
use indicatif::{ProgressBar, ProgressStyle};

use crate::error::{Code, Failure, Outcome};

/// Progress of long work: a bar on a terminal, nothing elsewhere or with --quiet.
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar that is not there yet; it appears with the first step.
    pub fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(0);
            let template = "{msg:<24} {bar:32} {pos}/{len} {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    /// Step `done` of `total` of some stage.
    pub fn step(&self, stage: &str, done: usize, total: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(stage.to_string());
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// "1 input", "3 inputs".
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// With a capital, as headings are.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome {
    if path.is_dir() {
        return Err(Failure::usage(format!("{}: is a folder; name a file to write", path.display())));
    }
    Ok(write_whole(path, bytes, Durability::Process)?)
}

/// Prints to standard output; a closed pipe ends quietly, anything else that stops it ends the program.
pub fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        anstream::eprintln!("\u{1b}[1;31merror:\u{1b}[0m standard output cannot be written: {error}");
        std::process::exit(Code::Unreadable as i32);
    }
}

fn style(line: &Line) -> Style {
    let colour = |c: AnsiColor| Style::new().fg_color(Some(c.into()));
    match (line.kind, line.verdict) {
        (Kind::Rule, _) => Style::new().dimmed(),
        (Kind::Title, _) => Style::new().bold(),
        (Kind::Headline, _) => Style::new().bold(),
        (Kind::Heading, _) => colour(AnsiColor::Cyan).bold(),
        (_, Some(Verdict::Pass)) => colour(AnsiColor::Green),
        (_, Some(Verdict::Warn)) => colour(AnsiColor::Yellow),
        (_, Some(Verdict::Fail)) => colour(AnsiColor::Red).bold(),
        (_, Some(Verdict::Skipped)) => Style::new().dimmed(),
        (_, None) => Style::new(),
    }
}

/// Prints a report, coloured where the terminal can show it.
pub fn print_report(report: &Report) {
    let mut text = String::new();
    for line in report.lines() {
        let style = style(&line);
        text.push_str(&format!("{}{}{}\n", style.render(), line.text, style.render_reset()));
    }
    print(&text);
}
