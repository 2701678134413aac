//! `attractor heads`: which head does what.

use std::fmt::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use attractor_render::results;
use attractor_render::terminal::{listed, on_one_line, wrapped};
use attractor_session::heads::{
    self, Correction, Detect, Detection, Detections, Detector, DetectorSummary, Finding, Found,
};
use attractor_session::parquet;
use clap::Args;

use crate::args::{Chosen, Common, Inputs, choice, refuse_unused, same};
use crate::console::{counted, print, print_styled, work};
use crate::error::Outcome;
use crate::files::{OutputFile, write};
use crate::picture::Look;
use crate::{output, picture};

#[derive(Debug, Args)]
pub struct Heads {
    /// A checkpoint or a run
    pub target: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Kinds of heads: previous, current, first, duplicate, induction, positional, sink, delimiter, or all. If no text is given and
    /// only induction or duplicate is named, they are tested on repeated random tokens
    #[arg(long, default_value = "all", value_name = "LIST")]
    pub detect: String,
    /// Significance level: false discovery rate (bh, by) or family-wise error rate (maxt)
    #[arg(long, default_value_t = 0.05)]
    pub fdr: f64,
    /// Correction for multiple testing
    #[arg(long, value_parser = choice::<Correction>(), default_value = "bh")]
    pub correction: Correction,
    /// Random permutations; all of them where fewer exist
    #[arg(long, default_value_t = 10_000)]
    pub permutations: usize,
    /// List every head, not only those found
    #[arg(long)]
    pub all: bool,
    /// Also write the findings (.json, .csv, .parquet) or draw them (.svg, .png, .pdf): the kind of each head, or for a single
    /// detector its scores by layer and head
    #[arg(long, short)]
    pub output: Option<OutputFile>,
    /// For a single detector: draw a histogram of its scores
    #[arg(long, requires = "output")]
    pub histogram: bool,
    #[command(flatten)]
    pub chosen: Chosen,
    #[command(flatten)]
    pub look: Look,
}

/// Heads of a kind that are listed at most; --all lists all.
const SHOWN: usize = 20;

fn options(args: &Heads) -> Outcome<heads::Options> {
    Ok(heads::Options {
        inputs: args.inputs.given(),
        selection: args.chosen.selection()?,
        detect: same!(args => Detect { fdr, correction, permutations }, detectors: Detector::parse(&args.detect)?,
            ..Detect::default()),
        ..heads::Options::new(&args.target)
    })
}

fn style(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(colour.into()))
}

fn painted(style: Style, text: &str) -> String {
    format!("{}{}{}", style.render(), on_one_line(text), style.render_reset())
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".into(), |v| format!("{v:.3}"))
}

/// p and q: three digits, or a power of ten.
fn chance(value: Option<f64>) -> String {
    match value {
        None => "-".into(),
        Some(v) if v >= 0.001 => format!("{v:.3}"),
        Some(v) => format!("{v:.0e}"),
    }
}

fn places(detection: &Detection) -> String {
    let at = &detection.at;
    match (detection.detector, &at[..]) {
        (_, []) => String::new(),
        (Detector::Positional, [offset, ..]) => format!("offset {offset:+}"),
        (_, at) => format!("position {}", listed(at, 4)),
    }
}

fn row(detection: &Detection, all: bool) -> String {
    let interval = detection.interval.as_ref().map_or("-".into(), |i| format!("[{:.3}, {:.3}]", i.low, i.high));
    let mut line = format!(
        "  {:<8} {:>6}  {:<16} {:>6}  {:>6}  {:>6}  {}",
        detection.place(),
        number(detection.score),
        interval,
        number(detection.null),
        chance(detection.p),
        chance(detection.q),
        places(detection)
    );
    if all || detection.verdict == Finding::NotResolvable {
        let words = match detection.verdict {
            Finding::Found => "found".to_string(),
            Finding::NotResolvable => "not resolvable".to_string(),
            Finding::Absent => String::new(),
            Finding::NotTestable => detection.why.to_string(),
        };
        let gap = if places(detection).is_empty() || words.is_empty() { "" } else { "  " };
        let _ = write!(line, "{gap}{words}");
    }
    line.trim_end().to_string()
}

fn section(summary: &DetectorSummary, detections: &Detections, all: bool, text: &mut String) {
    let (detector, found) = (summary.detector, summary.found.len());
    let title = format!("{} heads", detector.kind());
    let what = match (&summary.not_testable, found) {
        (Some(_), _) => painted(Style::new().dimmed(), "not testable"),
        (None, 0) => painted(style(AnsiColor::Yellow), "none found"),
        (None, n) => painted(style(AnsiColor::Green), &format!("{n} of {} found", detections.by(detector).count())),
    };
    let _ = writeln!(text, "\n{}: {what}", painted(style(AnsiColor::Cyan).bold(), &title));
    if let Some(why) = &summary.not_testable {
        for line in wrapped(&why.to_string()) {
            let _ = writeln!(text, "{line}");
        }
        return;
    }
    let dimmed = |line: &str| painted(Style::new().dimmed(), line);
    let about = [
        summary.definition.to_string(),
        format!("threshold {}; {}", summary.threshold, summary.source),
        format!("chance: {}", summary.null),
    ];
    for line in about.iter().flat_map(|about| wrapped(about)) {
        let _ = writeln!(text, "{}", dimmed(&line));
    }
    let listed = if all { detections.by(detector).collect() } else { detections.listed(detector) };
    if listed.is_empty() {
        if let Some(best) = detections.best(detector) {
            let _ = writeln!(text, "  the best, {}: {}", best.place(), best.why);
        }
        return;
    }
    let header = format!("  {:<8} {:>6}  {:<16} {:>6}  {:>6}  {:>6}", "head", "score", "interval", "chance", "p", "q");
    let _ = writeln!(text, "{}", dimmed(&header));
    let shown = if all { listed.len() } else { listed.len().min(SHOWN) };
    for detection in &listed[..shown] {
        let line = row(detection, all);
        let _ = match detection.verdict {
            Finding::Found => writeln!(text, "{}", painted(style(AnsiColor::Green), &line)),
            Finding::NotResolvable => writeln!(text, "{}", painted(style(AnsiColor::Yellow), &line)),
            _ => writeln!(text, "{line}"),
        };
    }
    if listed.len() > shown {
        let _ = writeln!(text, "  and {} more; --all lists all heads", listed.len() - shown);
    }
    if let Some(first) = listed.iter().find(|d| d.verdict == Finding::NotResolvable) {
        let why = first.why.unresolved().map_or(first.why.to_string(), |why| why.to_string());
        for line in wrapped(&format!("not resolvable: {why}")) {
            let _ = writeln!(text, "{line}");
        }
    }
}

fn text(Found { detections, target, source }: &Found, all: bool) -> String {
    let p = &detections.provenance;
    let inputs = source.as_ref().map_or(String::new(), |source| format!(" ({source})"));
    let lengths = match (p.lengths.iter().min(), p.lengths.iter().max()) {
        (Some(least), Some(most)) if least == most => format!(" of {}", counted(*most, "position")),
        (Some(least), Some(most)) => format!(" of {least} to {most} positions"),
        _ => String::new(),
    };
    let mut text = format!(
        "{}\n{}: {}{lengths}{inputs}\n{}: at most {} over {}; seed {}; intervals over inputs\n",
        painted(Style::new().bold(), &format!("Heads of {}", target.display())),
        "data",
        p.counted(),
        detections.correction.describe(),
        detections.fdr,
        counted(detections.tests, "test"),
        detections.seed,
    );
    for line in detections.notes.iter().flat_map(|note| wrapped(&format!("note: {note}"))) {
        let _ = writeln!(text, "{}", painted(style(AnsiColor::Yellow), &line));
    }
    for summary in &detections.detectors {
        section(summary, detections, all, &mut text);
    }
    text
}

/// Runs the command.
pub fn run(args: &Heads, common: &Common) -> Outcome {
    let options = options(args)?;
    options.check()?;
    if args.histogram && options.detect.detectors.len() != 1 {
        return Err(results::heads::one_detector());
    }
    let ending = match &args.output {
        Some(path) => output::ending(path, &["json", "csv", "parquet", "svg", "png", "pdf"])?,
        None => String::new(),
    };
    if !picture::is_picture(&ending) {
        refuse_unused!(common, args, [histogram], "numbers; it is for pictures (-o FILE.svg, .png or .pdf)")?;
    }
    let found = work(common, |context| heads::run(&options, context))?;
    let json = format!("{}\n", found.detections.to_json());
    if let Some(path) = &args.output {
        match ending.as_str() {
            "json" => write(path, json.as_bytes())?,
            "csv" => write(path, found.detections.to_table()?.csv().as_bytes())?,
            "parquet" => write(path, &parquet(&found.detections.to_table()?)?)?,
            _ => {
                let target = args.target.file_name().and_then(|name| name.to_str()).unwrap_or("?");
                args.look.save(path, &ending, &results::heads::figure(&found.detections, target, args.histogram)?)?;
            }
        }
    }
    match common.json {
        true => print(&json),
        false => print_styled(&text(&found, args.all)),
    }
    Ok(())
}
