//! `attractor heads`: which head does what.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use attractor_judge::detect::induction::read_twice;
use attractor_judge::detect::{Detection, Detections, Detector, DetectorSummary, Finding, Options, detect};
use attractor_judge::statistics::Correction;
use attractor_nn::model::Input;
use attractor_nn::text::{Tokenizer, describe};
use attractor_record::Patterns;
use attractor_record::{Role, Token};
use attractor_render::canvas::axis::Side;
use attractor_render::figures::classes::{Classes, Member};
use attractor_render::figures::histogram::Histogram;
use attractor_render::figures::intervals::{Estimate, Intervals};
use clap::{Args, ValueEnum};

use crate::args::{Chosen, Common, Inputs};
use crate::console::{Progress, capital, counted, print, write};
use crate::error::Outcome;
use crate::inputs::{Item, Prepared};
use crate::target::Live;
use crate::{forward, inputs, output, picture};
use attractor::Error;

/// How p-values are corrected over heads and detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Correct {
    /// False discovery rate (Benjamini-Hochberg)
    Bh,
    /// False discovery rate under any dependence (Benjamini-Yekutieli)
    By,
    /// Not one false name (Westfall-Young step-down max-T)
    Maxt,
}

#[derive(Debug, Args)]
pub struct Heads {
    /// A checkpoint or a run
    pub target: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Kinds of heads: previous, current, first, duplicate, induction, positional, sink, delimiter, or all. Without a text,
    /// induction and duplicate alone are looked for in random tokens that are read twice
    #[arg(long, default_value = "all", value_name = "LIST")]
    pub detect: String,
    /// Rate of false names, after correction
    #[arg(long, default_value_t = 0.05)]
    pub fdr: f64,
    /// How p-values are corrected
    #[arg(long, value_enum, default_value_t = Correct::Bh)]
    pub correction: Correct,
    /// Random permutations; fewer where fewer exist
    #[arg(long, default_value_t = 10_000)]
    pub permutations: usize,
    /// List every head, not only those found
    #[arg(long)]
    pub all: bool,
    /// Also write the findings (.json, .csv, .parquet), or a picture (.svg, .png, .pdf) of what each head is, of one
    /// detector its scores
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Of the picture of one detector: how many heads have which score
    #[arg(long, requires = "output")]
    pub histogram: bool,
    #[command(flatten)]
    pub chosen: Chosen,
}

/// Words of a block of random tokens, where positions and vocabulary allow.
const BLOCK: usize = 50;
/// Sequences of random tokens: 2^16 signs and 16! pairings resolve more heads than any model has.
const SEQUENCES: usize = 16;
/// Heads of a kind that are listed at most; --all lists all.
const SHOWN: usize = 20;
/// Characters of a line of prose.
const WIDTH: usize = 100;

fn options(heads: &Heads, common: &Common) -> Outcome<Options> {
    Ok(Options {
        detectors: Detector::parse(&heads.detect)?,
        fdr: heads.fdr,
        correction: match heads.correction {
            Correct::Bh => Correction::Bh,
            Correct::By => Correction::By,
            Correct::Maxt => Correction::MaxT,
        },
        permutations: heads.permutations,
        seed: common.seed,
        ..Options::default()
    })
}

/// What goes through the model: the given text, or random tokens read twice where repetitions are all that is asked for and
/// nothing is given, or where the model has no tokenizer for a text.
fn prepare(live: &Live, heads: &Heads, options: &Options, common: &Common) -> Outcome<Prepared> {
    let given = &heads.inputs;
    let nothing = given.text.is_none() && given.text_file.is_none() && given.input.is_empty();
    let repeats = options.detectors.iter().all(|d| matches!(d, Detector::Induction | Detector::Duplicate));
    let bare = live.checkpoint.tokenizer_path().is_none();
    match nothing && live.checkpoint.config().image.is_none() && (repeats || bare) {
        true => random_tokens(live, heads, common),
        false => inputs::prepare(live, given, common),
    }
}

/// Sequences of random tokens that are read twice, within the special tokens that the model expects.
fn random_tokens(live: &Live, heads: &Heads, common: &Common) -> Outcome<Prepared> {
    let spec = live.checkpoint.config();
    let tokenizer = match live.checkpoint.tokenizer_path() {
        Some(_) => Some(Tokenizer::open(live.checkpoint.folder())?.for_vocabulary(spec.vocab)),
        None => None,
    };
    let all = describe(&(0..spec.vocab as u32).collect::<Vec<_>>(), tokenizer.as_ref(), spec)?;
    // Words are pieces of text; a row of the table that the tokenizer does not know is none.
    let is_word = |t: &&Token| t.role == Role::Text && (tokenizer.is_none() || t.text != format!("<{}>", t.id));
    let words: Vec<u32> = all.iter().filter(is_word).map(|t| t.id).collect();
    let around: Vec<Token> = match &tokenizer {
        Some(tokenizer) => tokenizer.encode("a", true)?.into_iter().filter(|t| t.role.is_special()).collect(),
        None => Vec::new(),
    };
    let (before, after): (Vec<&Token>, Vec<&Token>) =
        around.iter().partition(|t| matches!(t.role, Role::Bos | Role::Cls));
    let mut before: Vec<u32> = before.into_iter().map(|t| t.id).collect();
    if let (true, Some(bos)) = (before.is_empty(), spec.bos_token) {
        before.push(bos);
    }
    let after: Vec<u32> = after.into_iter().map(|t| t.id).collect();
    let special = before.len() + after.len();
    let limit = spec.position_limit().unwrap_or(usize::MAX);
    let wanted = match heads.inputs.seq_len {
        Some(length) if length > limit => {
            return Err(Error::usage(format!(
                "--seq-len {length}: the model has {limit} positions; give at most {limit}"
            )));
        }
        Some(length) => length.saturating_sub(special) / 2,
        None => BLOCK.min(limit.saturating_sub(special) / 2),
    };
    if heads.inputs.max_inputs == 0 {
        return Err(Error::usage("--max-inputs 0: give at least 1"));
    }
    let block = wanted.min(2 * words.len() / 3);
    let sequences = read_twice(&words, block, SEQUENCES.min(heads.inputs.max_inputs), common.seed).map_err(|e| {
        Error::usage(format!(
            "{}: random tokens cannot be read twice here ({e}); give --text-file, --input, or a longer --seq-len",
            live.checkpoint.path().display()
        ))
    })?;
    if !common.quiet && !common.json {
        eprintln!(
            "no --text, --text-file or --input was given: random tokens (seed {}), each sequence read twice, are used",
            common.seed
        );
    }
    let mut items = Vec::new();
    for words in &sequences {
        let ids = [&before[..], words, &after].concat();
        let tokens = describe(&ids, tokenizer.as_ref(), spec)?;
        items.push(Item { input: Input::Tokens(ids), tokens, grid: None });
    }
    Ok(Prepared {
        source: format!(
            "{} sequences of random tokens, blocks of {} to {} read twice, seed {}",
            items.len(),
            block - (items.len() - 1).min(block - block / 2),
            block,
            common.seed
        ),
        items,
        mask_token: None,
        special: Vec::new(),
    })
}

fn style(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(colour.into()))
}

fn painted(style: Style, text: &str) -> String {
    format!("{}{text}{}", style.render(), style.render_reset())
}

/// Lines of at most [`WIDTH`] characters, set in by two, what follows the first by four.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("    {word}")),
            None => lines.push(format!("  {word}")),
        }
    }
    lines
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
        (_, at) => {
            let shown: Vec<String> = at.iter().take(4).map(i64::to_string).collect();
            let more = if at.len() > 4 { format!(" and {} more", at.len() - 4) } else { String::new() };
            format!("position {}{more}", shown.join(", "))
        }
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
            Finding::Found => "found",
            Finding::NotResolvable => "not resolvable",
            Finding::Absent => "",
            Finding::NotTestable => &detection.why,
        };
        let gap = if places(detection).is_empty() || words.is_empty() { "" } else { "  " };
        let _ = write!(line, "{gap}{words}");
    }
    line.trim_end().to_string()
}

fn best<'a>(heads: &[&'a Detection]) -> Option<&'a Detection> {
    let scored = heads.iter().copied().filter(|d| d.score.is_some());
    // The first of equals.
    scored
        .fold(None, |best: Option<&Detection>, d| if best.is_some_and(|b| b.score >= d.score) { best } else { Some(d) })
}

fn section(summary: &DetectorSummary, heads: &[&Detection], all: bool, text: &mut String) {
    let found = summary.found.len();
    let title = format!("{} heads", summary.detector.name());
    let what = match (&summary.not_testable, found) {
        (Some(_), _) => painted(Style::new().dimmed(), "not testable"),
        (None, 0) => painted(style(AnsiColor::Yellow), "none found"),
        (None, n) => painted(style(AnsiColor::Green), &format!("{n} of {} found", heads.len())),
    };
    let _ = writeln!(text, "\n{}: {what}", painted(style(AnsiColor::Cyan).bold(), &title));
    if let Some(why) = &summary.not_testable {
        for line in wrapped(why) {
            let _ = writeln!(text, "{line}");
        }
        return;
    }
    let dimmed = |line: &str| painted(Style::new().dimmed(), line);
    let about = [
        summary.definition.clone(),
        format!("threshold {}: {}", summary.threshold, summary.source),
        format!("chance: {}", summary.null),
    ];
    for line in about.iter().flat_map(|about| wrapped(about)) {
        let _ = writeln!(text, "{}", dimmed(&line));
    }
    let mut listed: Vec<&Detection> =
        heads.iter().copied().filter(|d| all || matches!(d.verdict, Finding::Found | Finding::NotResolvable)).collect();
    if !all {
        listed
            .sort_by(|a, b| a.verdict.cmp(&b.verdict).then(b.score.unwrap_or(0.0).total_cmp(&a.score.unwrap_or(0.0))));
    }
    if listed.is_empty() {
        if let Some(best) = best(heads) {
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
        let why = first.why.split_once("; ").map_or(first.why.as_str(), |(_, why)| why);
        for line in wrapped(&format!("not resolvable: {why}")) {
            let _ = writeln!(text, "{line}");
        }
    }
}

fn text(detections: &Detections, all: bool) -> String {
    let p = &detections.provenance;
    let target = p.extra.get("target").map_or("", String::as_str);
    let inputs = p.extra.get("inputs").map_or(String::new(), |source| format!(" ({source})"));
    let lengths = match (p.lengths.iter().min(), p.lengths.iter().max()) {
        (Some(least), Some(most)) if least == most => format!(" of {}", counted(*most, "position")),
        (Some(least), Some(most)) => format!(" of {least} to {most} positions"),
        _ => String::new(),
    };
    let mut text = format!(
        "{}\n{}: {}{lengths}{inputs}\n{}: at most {} over {}; seed {}; intervals over inputs\n",
        painted(Style::new().bold(), &format!("Heads of {target}")),
        "looked at",
        counted(p.inputs, "input"),
        detections.correction.describe(),
        detections.fdr,
        counted(detections.tests, "test"),
        detections.seed,
    );
    for line in detections.notes.iter().flat_map(|note| wrapped(&format!("note: {note}"))) {
        let _ = writeln!(text, "{}", painted(style(AnsiColor::Yellow), &line));
    }
    for summary in &detections.detectors {
        let own: Vec<&Detection> = detections.heads.iter().filter(|d| d.detector == summary.detector).collect();
        section(summary, &own, all, &mut text);
    }
    text
}

/// Scores by layer and head of one detector; of several, what each head was found to be.
fn figure(detections: &Detections, target: &Path, histogram: bool) -> Outcome<String> {
    let target = target.file_name().and_then(|name| name.to_str()).unwrap_or("?");
    if let [summary] = &detections.detectors[..] {
        let heads: Vec<Estimate> = detections
            .heads
            .iter()
            .map(|d| {
                let interval = d.interval.as_ref().map(|i| (i.low, i.high));
                Estimate { layer: d.layer, head: d.head, value: d.score, interval }
            })
            .collect();
        let found = match summary.found.len() {
            0 => "none found".to_string(),
            n => format!("{n} of {} found", detections.heads.len()),
        };
        let chance = detections.heads.iter().filter_map(|d| d.null).collect::<Vec<_>>();
        let mut references = vec![(summary.threshold, "threshold")];
        if !chance.is_empty() {
            references.push((chance.iter().sum::<f64>() / chance.len() as f64, "chance, mean over heads"));
        }
        let title = capital(&format!("{} heads of {target}", summary.detector.name()));
        let mut notes = vec![format!("{found}; {}", summary.definition)];
        if histogram {
            let scores: Vec<f64> = detections.heads.iter().filter_map(|d| d.score).collect();
            let values = [("heads", &scores[..])];
            let (x, thresholds) = (Side::new("score"), &references[..]);
            return Ok(Histogram { title: &title, notes, x, values: &values, bins: 0, thresholds }.svg()?);
        }
        notes.push("strips: intervals over inputs".to_string());
        return Ok(
            Intervals { title: &title, notes, y: Side::new("score"), heads: &heads, references: &references }.svg()?
        );
    }
    if histogram {
        return Err(Error::usage("--histogram: draws one detector; name it with --detect, for example --detect sink"));
    }
    let kinds: Vec<&DetectorSummary> = detections.detectors.iter().filter(|s| !s.found.is_empty()).collect();
    let names: Vec<&str> = kinds.iter().map(|summary| summary.detector.name()).collect();
    let places: BTreeSet<(usize, usize)> = detections.heads.iter().map(|d| (d.layer, d.head)).collect();
    let heads: Vec<Member> = places
        .into_iter()
        .map(|(layer, head)| {
            let is = |summary: &&DetectorSummary| {
                detections.of(summary.detector, layer, head).is_some_and(|d| d.verdict == Finding::Found)
            };
            let classes = kinds.iter().enumerate().filter(|(_, kind)| is(kind)).map(|(at, _)| at).collect();
            Member { layer, head, classes }
        })
        .collect();
    let notes = vec![format!(
        "{}: at most {} over {} tests, {} inputs; a head of several kinds has a stripe of each",
        detections.correction.describe(),
        detections.fdr,
        detections.tests,
        detections.provenance.inputs
    )];
    Ok(Classes { title: &format!("Heads of {target}"), notes, names: &names, heads: &heads }.svg()?)
}

/// Looks at what a target holds.
fn detected(patterns: &dyn Patterns, options: &Options, heads: &Heads, source: Option<String>) -> Outcome<Detections> {
    let mut detections = detect(patterns, options)?;
    detections.provenance.extra.insert("target".into(), heads.target.display().to_string());
    if let Some(source) = source {
        detections.provenance.extra.insert("inputs".into(), source);
    }
    Ok(detections)
}

/// Runs the command.
pub fn run(heads: &Heads, common: &Common) -> Outcome {
    let options = options(heads, common)?;
    options.check()?;
    let ending = match &heads.output {
        Some(path) => output::ending(path, &["json", "csv", "parquet", "svg", "png", "pdf"])?,
        None => String::new(),
    };
    if heads.histogram && !picture::is_picture(&ending) {
        return Err(Error::usage("--histogram: name the picture with -o FILE.svg, .png or .pdf"));
    }
    let opened = forward::open(&heads.target, &heads.inputs, heads.chosen.selection()?, common, |live| {
        prepare(live, heads, &options, common)
    })?;
    Progress::new(common.quiet).step("looking for heads", 0, 1);
    let source = opened.live.map(|(_, prepared)| prepared.source);
    let detections = detected(opened.patterns.as_ref(), &options, heads, source)?;
    let json = format!("{}\n", detections.to_json());
    if let Some(path) = &heads.output {
        match ending.as_str() {
            "json" => write(path, json.as_bytes())?,
            "csv" => write(path, detections.to_table()?.csv().as_bytes())?,
            "parquet" => write(path, &attractor_capture::parquet(&detections.to_table()?)?)?,
            _ => picture::save(path, &ending, &figure(&detections, &heads.target, heads.histogram)?)?,
        }
    }
    match common.json {
        true => print(&json),
        false => print(&text(&detections, heads.all)),
    }
    Ok(())
}
