//! What people see: progress on a terminal, colour where it says something, and files written whole.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use attractor::{Context, Note};
use attractor_data::files::{Durability, write_whole};
use attractor_judge::Verdict;
use attractor_judge::report::Report;
use attractor_judge::report::{Kind, Line};
pub use attractor_render::canvas::numbers::percent;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Common;
use crate::error::{Code, Outcome};
use crate::output::check_name;

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

/// What a job of the library is given: the seed, and notes to standard error.
pub fn context(common: &Common) -> Context<'static> {
    let context = Context::new(common.seed);
    if common.quiet { context } else { context.with_listener(&say) }
}

/// Says a note.
fn say(note: &Note) {
    anstream::eprintln!("note: {}", words(note));
}

/// A note in words.
fn words(note: &Note) -> String {
    let more =
        |count: usize, words: &str| if count > 0 { format!(", and {count} more {words}") } else { String::new() };
    match note {
        Note::EqualPatterns { first, second, more: rest } => format!(
            "patterns {first} and {second} are equal{}: no memory can tell them apart",
            more(*rest, "repeat an earlier one")
        ),
        Note::ConstantPattern { first, more: rest } => {
            let also = if *rest > 0 { format!(", and so are {rest} more") } else { String::new() };
            format!(
                "pattern {first} is the same at every unit{also}: nothing to see; if that was not meant, look at --threshold"
            )
        }
        other => format!("{other:?}"),
    }
}

/// "1 input", "3 inputs".
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A number with so many decimals, or as a power of ten where those would say nothing, or too much.
pub fn number(value: f64, decimals: usize) -> String {
    let plain = value == 0.0 || (10f64.powi(-(decimals as i32)) * 10.0..1e9).contains(&value.abs());
    if plain || !value.is_finite() { format!("{value:.decimals$}") } else { format!("{value:.decimals$e}") }
}

/// A number as short as it is exact, large and small ones as powers of ten.
pub fn short(value: f64) -> String {
    let plain = value == 0.0 || !value.is_finite() || (1e-5..1e9).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}

/// With a capital, as headings are.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome {
    check_name(path)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_so_that_they_can_be_read() {
        let shown = [0.0, 1.0, -1.52344, 123456.5, 0.0123, 0.000123, 1e12, -2.5e300, f64::NAN].map(|x| number(x, 4));
        assert_eq!(
            shown,
            ["0.0000", "1.0000", "-1.5234", "123456.5000", "0.0123", "1.2300e-4", "1.0000e12", "-2.5000e300", "NaN"]
        );
        assert_eq!([8.0, 0.3, 1e300, 1.5e-7].map(short), ["8", "0.3", "1e300", "1.5e-7"]);
    }
}
