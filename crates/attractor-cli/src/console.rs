//! What people see: progress on a terminal, colour where it says something, and files written whole.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
pub use attractor_render::canvas::numbers::counted;
use attractor_render::terminal::{on_one_line, progress, shown};
use attractor_session::judgement::{Line, LineKind as Kind, Report, Verdict};
use attractor_session::{Advance, Context, Note};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Common;
use crate::error::{Code, Outcome};
use crate::interrupt::Interrupt;
use crate::memory;

/// Progress of long work on standard error: a bar on a terminal, elsewhere a line every few seconds; nothing with --quiet.
pub struct Progress {
    bar: Option<ProgressBar>,
    told: Option<(Arc<Told>, JoinHandle<()>)>,
}

/// What a line of progress says, and whoever waits for the end of the work.
#[derive(Default)]
struct Told {
    /// Stage; steps done when it began, now, and in all; when it began. `None`: the work is over.
    now: Mutex<Option<(String, [usize; 3], Instant)>>,
    over: Condvar,
}

impl Told {
    /// Says a line a little while after the start, and then every few seconds, of long work less often.
    fn tell(&self, say: impl Fn(&str)) {
        let (start, mut wait) = (Instant::now(), Duration::from_secs(2));
        loop {
            let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self.over.wait_timeout_while(now, wait, |now| now.is_some());
            let Some((stage, steps, began)) = waited.unwrap_or_else(PoisonError::into_inner).0.clone() else { return };
            // Whoever reads slowly holds up this thread alone.
            say(&progress(&stage, steps, began.elapsed().as_secs_f64()));
            wait = Duration::from_secs(if start.elapsed().as_secs() < 120 { 5 } else { 20 });
        }
    }
}

impl Progress {
    /// A bar that is not there yet, and appears with the first step; or lines.
    pub fn new(quiet: bool) -> Self {
        if quiet {
            return Self { bar: None, told: None };
        }
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{msg:<24} {bar:32} {pos}/{len} {eta}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            return Self { bar: Some(bar), told: None };
        }
        let told = Arc::new(Told {
            now: Mutex::new(Some(("starting".to_string(), [0; 3], Instant::now()))),
            ..Told::default()
        });
        let teller = Arc::clone(&told);
        let thread = std::thread::spawn(move || teller.tell(|line| eprintln!("{line}")));
        Self { bar: None, told: Some((told, thread)) }
    }

    /// Advance `done` of `total` of some stage.
    fn step(&self, stage: &str, done: usize, total: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(on_one_line(stage));
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }
        if let Some((told, _)) = &self.told {
            let mut now = told.now.lock().unwrap_or_else(PoisonError::into_inner);
            let same = now.as_ref().filter(|(known, [.., of], _)| known == stage && *of == total);
            let (first, began) =
                same.map_or_else(|| (done, Instant::now()), |(_, [first, ..], began)| (*first, *began));
            *now = Some((stage.to_string(), [first, done, total], began));
        }
    }

    /// The same as a job says it: a bar shows the figure, a line keeps the name of its stage.
    fn show(&self, step: Advance<'_>) {
        match step.figure.filter(|_| self.bar.is_some()) {
            Some((name, value)) => self.step(&format!("{name} {value:.3}"), step.done, step.total),
            None => self.step(step.stage, step.done, step.total),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let Some((told, thread)) = self.told.take() {
            *told.now.lock().unwrap_or_else(PoisonError::into_inner) = None;
            told.over.notify_all();
            let _ = thread.join();
        }
    }
}

/// Runs a job with this command line's seed and threads; it is watched by a bar, and its notes go to standard error.
pub fn work<T: Send>(common: &Common, job: impl FnOnce(&Context<'_>) -> Outcome<T> + Send) -> Outcome<T> {
    let progress = Progress::new(common.quiet);
    let show = |step: Advance<'_>| progress.show(step);
    let hear = |note: &Note| match note {
        Note::LongInputs { .. } => memory::return_freed(),
        note if !common.quiet => say(note, common.json),
        _ => {}
    };
    let context = Context::new(common.seed).with_progress(&show).with_listener(&hear).on_threads(common.threads)?;
    context.install(|| job(&context))
}

/// The same for work that keeps what is whole: the first Ctrl-C asks it to stop, the second ends it.
pub fn work_until_asked<T: Send>(common: &Common, job: impl FnOnce(&Context<'_>) -> Outcome<T> + Send) -> Outcome<T> {
    let interrupt = Interrupt::watch()?;
    let asked = || interrupt.asked();
    work(common, |context| job(&context.clone().with_interrupt(&asked)))
}

/// Says a note; what an answer in JSON holds itself is not said beside it.
fn say(note: &Note, json: bool) {
    match note {
        Note::BuiltInText | Note::RepeatedTokens { .. } if json => {}
        Note::EqualPatterns { .. } | Note::ConstantPattern { .. } => eprintln!("note: {}", on_one_line(&words(note))),
        told => eprintln!("{}", on_one_line(&words(told))),
    }
}

/// A note in words.
fn words(note: &Note) -> String {
    let more =
        |count: usize, words: &str| if count > 0 { format!(", and {count} more {words}") } else { String::new() };
    match note {
        Note::ReadAs { remark } => remark.clone(),
        Note::Ablations { passes, everything } => {
            format!("ablations: a budget of {passes} passes, of {everything} for all of them (--budget none)")
        }
        Note::LongInputs { positions } => format!("inputs of up to {positions} positions"),
        Note::BuiltInText => "no --text, --text-file or --input was given: the built-in text is used".to_string(),
        Note::RepeatedTokens { seed } => {
            format!("induction and duplicate heads are measured on repeated random tokens (seed {seed})")
        }
        Note::EqualPatterns { first, second, more: rest } => format!(
            "patterns {first} and {second} are equal{}: no memory can tell them apart",
            more(*rest, "repeat an earlier one")
        ),
        Note::ConstantPattern { first, more: rest } => format!(
            "pattern {first} has the same value at every unit{}: it carries no information; if that is not intended, check --threshold",
            more(*rest, "like it")
        ),
        Note::Data(note) => format!("note: {note}"),
        Note::Changed { changed, epoch } => format!("{changed} from epoch {epoch} on"),
        Note::LogGap { epochs } => format!("metrics.jsonl lacks epochs before {epochs} and keeps the gap"),
        Note::NothingLeft { done, asked } => format!("{done} epochs are done, {asked} asked for: none is left"),
        Note::Diverging { epoch, drop, best, rolls_back } => {
            let next = if *rolls_back { "going back to it" } else { "--roll-back would stop here with the best one" };
            format!(
                "epoch {epoch}: the likelihood has fallen by {drop:.2} nats per row since epoch {best} while the \
                 reconstruction improves: {next}"
            )
        }
    }
}

/// A result as one line of JSON.
pub fn json(result: &impl serde::Serialize) -> String {
    // Results are structures of numbers, names and lists: they always can be written.
    serde_json::to_string(result).unwrap_or_default()
}

/// Prints what a command found: as JSON where that is asked for, else in words unless all is to be quiet.
pub fn answer(common: &Common, found: &impl serde::Serialize, words: impl FnOnce() -> String) {
    if common.json {
        print(&format!("{}\n", json(found)));
    } else if !common.quiet {
        print(&words());
    }
}

/// Prints to standard output; a closed pipe ends quietly, anything else that stops it ends the program.
pub fn print(text: &str) {
    print_styled(&shown(text));
}

/// Prints text whose foreign parts are words for a terminal already, with styles.
pub fn print_styled(text: &str) {
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
        text.push_str(&format!("{}{}{}\n", style.render(), shown(&line.text), style.render_reset()));
    }
    print_styled(&text);
}
