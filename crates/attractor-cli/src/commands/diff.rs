//! `attractor diff`: two checkpoints, or two runs, on the same tokens.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use attractor_judge::diff::{Change, Checked, Condition, Diff, DiffOptions, HeadDiff, Metric, diff};
use attractor_nn::loss::{Case, Targets};
use attractor_record::evidence::LossKind;
use attractor_record::{Patterns, Selection};
use attractor_render::canvas::axis;
use attractor_render::canvas::scale::{Scale, Spacing};
use attractor_render::canvas::text::{escape, label};
use attractor_render::figures::compare::before_after;
use attractor_render::figures::heatmap::Style;
use attractor_render::figures::intervals::{Estimate, Intervals};
use attractor_render::maps::map::{self, SIDE};
use clap::Args;
use serde_json::json;

use crate::args::{Chosen, Common, Inputs};
use crate::console::{Progress, counted, print, write};
use crate::error::Outcome;
use crate::forward::{self, Opened};
use crate::inputs::{self, Prepared};
use crate::picture;
use crate::target::{self, Live};
use attractor::Error;

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A checkpoint or a run: before
    pub a: PathBuf,
    /// The same, after
    pub b: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Exit with 1 if B - A of any head satisfies this, for example "induction<-0.1"; may be repeated
    #[arg(long, value_name = "METRIC<NUMBER")]
    pub fail_on: Vec<String>,
    /// Also write what --fail-on found as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also draw it: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What is drawn: map (before, after and the difference, of the head that changed most), or a metric by layer and head
    #[arg(long, default_value = "map", value_name = "map|METRIC")]
    pub draw: String,
    #[command(flatten)]
    pub chosen: Chosen,
}

/// Heads whose differences are printed at most.
const SHOWN: usize = 24;
/// Characters of a token along an axis.
const LABEL: usize = 14;
/// Tokens an input, where nobody says and both models have more positions.
const SEQUENCE: usize = 128;

/// One side: what attention did, and the loss of each input.
struct Side {
    patterns: Box<dyn Patterns>,
    losses: Option<(LossKind, Vec<Option<f64>>)>,
    /// Where its inputs came from.
    source: Option<String>,
}

/// Reads a run, or the same inputs through one checkpoint.
fn side(path: &Path, given: &Inputs, selection: &Selection, common: &Common) -> Outcome<Side> {
    let Opened { patterns, live } =
        forward::open(path, given, selection.clone(), common, |live| inputs::prepare(live, given, common))
            .map_err(|e| e.at(path.display()))?;
    let Some((live, prepared)) = live else { return Ok(Side { patterns, losses: None, source: None }) };
    let losses = losses(&live, &prepared, common.seed, &Progress::new(common.quiet))?;
    Ok(Side { patterns, losses, source: Some(prepared.source) })
}

/// The loss of each input, where the model has one without labels.
fn losses(
    live: &Live,
    prepared: &Prepared,
    seed: u64,
    progress: &Progress,
) -> Outcome<Option<(LossKind, Vec<Option<f64>>)>> {
    let targets = Targets { seed, mask_token: prepared.mask_token, special: &prepared.special, labels: None };
    let (kind, _) = targets.loss(&live.model);
    if kind == LossKind::RelativeChange {
        return Ok(None);
    }
    let mut losses = Vec::new();
    for (index, item) in prepared.items.iter().enumerate() {
        progress.step("losses", index, prepared.items.len());
        losses.push(match Case::new(&live.model, &item.input, index, &targets)? {
            Ok(case) => Some(case.loss(&live.model)?),
            Err(_) => None,
        });
    }
    Ok(Some((kind, losses)))
}

/// The two sides, read one after the other so that one model is in memory at a time.
fn sides(args: &DiffArgs, common: &Common) -> Outcome<[Side; 2]> {
    let selection = args.chosen.selection()?;
    let paths = [&args.a, &args.b];
    if let Some(path) = paths.iter().find(|path| !path.exists()) {
        return Err(Error::io(format!("{}: there is nothing here; name two checkpoints or two runs", path.display())));
    }
    let [a, b] = paths;
    match paths.map(|path| target::is_run(path)) {
        [true, true] => {
            let given = &args.inputs;
            Ok([side(a, given, &selection, common)?, side(b, given, &selection, common)?])
        }
        [false, false] => {
            let mut given = args.inputs.clone();
            if given.seq_len.is_none() && given.input.is_empty() && given.text.is_none() {
                // A length that both have positions for; images have none to cut.
                let mut limit = SEQUENCE;
                let mut image = false;
                for path in paths {
                    let checkpoint = target::checkpoint(path, given.model_config.as_deref())?;
                    limit = limit.min(checkpoint.config().position_limit().unwrap_or(limit));
                    image |= checkpoint.config().image.is_some();
                }
                given.seq_len = (!image).then_some(limit);
            }
            let quiet = Common { quiet: true, ..common.clone() };
            Ok([side(a, &given, &selection, common)?, side(b, &given, &selection, &quiet)?])
        }
        [run, _] => {
            let (run, checkpoint) = if run { (a, b) } else { (b, a) };
            Err(Error::usage(format!(
                "{} is a run and {} a checkpoint; name two of a kind: attractor capture {} -o RUN makes a run of the \
                 checkpoint",
                run.display(),
                checkpoint.display(),
                checkpoint.display()
            )))
        }
    }
}

fn signed(value: f64) -> String {
    format!("{value:+.4}")
}

fn interval(change: &Change) -> String {
    match &change.interval {
        Some(interval) => format!("[{:+.4}, {:+.4}]", interval.low, interval.high),
        None => "no interval".to_string(),
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_string(), |value| format!("{value:.4}"))
}

/// True if the interval leaves out zero: what a reader looks at first.
fn is_clear(change: &Change) -> bool {
    change.interval.as_ref().is_some_and(|interval| interval.low > 0.0 || interval.high < 0.0)
}

/// Aligned columns; the first one to the left.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| -> String {
        let cells = row.iter().enumerate().map(|(at, cell)| match at {
            0 => format!("{cell:<width$}", width = widths[at]),
            _ => format!("{cell:>width$}", width = widths[at]),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string() + "\n"
    };
    rows.iter().map(line).collect()
}

/// The head that changed most by a metric.
fn most(found: &Diff, metric: Metric) -> Option<(&HeadDiff, &Change)> {
    let changes = found.heads.iter().filter_map(|head| Some((head, head.changes.get(&metric)?)));
    changes.reduce(|best, next| if next.1.difference.abs() > best.1.difference.abs() { next } else { best })
}

fn text(found: &Diff, args: &DiffArgs, sides: &[Side; 2]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    for (name, path, side) in [("A", &args.a, &sides[0]), ("B", &args.b, &sides[1])] {
        let info = side.patterns.info();
        let _ = writeln!(
            out,
            "{name}  {} ({}, {} layers x {} heads)",
            path.display(),
            info.family,
            info.layers,
            info.heads
        );
    }
    let source = sides[0].source.as_ref().map_or(String::new(), |source| format!(" ({source})"));
    let _ = writeln!(
        out,
        "{}{source}, {} compared; differences are B - A\n",
        counted(found.inputs, "input"),
        counted(found.heads.len(), "head")
    );
    let reason = found.heads.iter().flat_map(|head| head.changes.values()).find_map(|change| change.why.as_ref());
    if let Some(why) = reason {
        let _ = writeln!(out, "no intervals: {why}\n");
    }
    let mut rows =
        vec![["largest change", "head", "A", "B", "B - A", "95 % interval", "unit"].map(String::from).to_vec()];
    if let Some(loss) = &found.loss {
        rows.push(vec![
            "loss".into(),
            "model".into(),
            number(loss.a),
            number(loss.b),
            signed(loss.difference),
            interval(loss),
            Metric::Loss.unit().into(),
        ]);
    }
    for metric in Metric::ALL {
        if let Some((head, change)) = most(found, metric) {
            rows.push(vec![
                metric.name().into(),
                head.name(),
                number(change.a),
                number(change.b),
                signed(change.difference),
                interval(change),
                metric.unit().into(),
            ]);
        }
    }
    out.push_str(&columns(&rows));
    let present: Vec<Metric> =
        Metric::ALL.into_iter().filter(|metric| found.heads.iter().any(|h| h.changes.contains_key(metric))).collect();
    let mut order: Vec<&HeadDiff> = found.heads.iter().collect();
    let size = |head: &HeadDiff| {
        let change = head.changes.get(&Metric::Divergence).or(head.changes.get(&Metric::Entropy));
        change.map_or(0.0, |change| change.difference.abs())
    };
    order.sort_by(|a, b| size(b).total_cmp(&size(a)).then((a.layer, a.head).cmp(&(b.layer, b.head))));
    let mut rows = vec![
        std::iter::once("head".to_string())
            .chain(present.iter().map(|metric| format!("{metric} ")))
            .collect::<Vec<_>>(),
    ];
    let is_same =
        |head: &&HeadDiff| head.unfit.is_none() && head.changes.values().all(|change| change.difference == 0.0);
    let same: Vec<String> = order.iter().copied().filter(is_same).map(HeadDiff::name).collect();
    order.retain(|head| !is_same(head) && !head.changes.is_empty());
    for head in order.iter().take(SHOWN) {
        let cell = |metric: &Metric| match head.changes.get(metric) {
            Some(change) => signed(change.difference) + if is_clear(change) { "*" } else { " " },
            None => "- ".to_string(),
        };
        rows.push(std::iter::once(head.name()).chain(present.iter().map(cell)).collect());
    }
    if !order.is_empty() {
        out.push('\n');
        out.push_str(&columns(&rows));
    }
    if order.len() > SHOWN {
        let _ = writeln!(out, "{} more heads changed less; --json has them all", order.len() - SHOWN);
    }
    if !same.is_empty() {
        let more = if same.len() > SHOWN { ", ..." } else { "" };
        let names = same[..same.len().min(SHOWN)].join(", ");
        let _ = writeln!(out, "{} heads did not change at all: {names}{more}", same.len());
    }
    let lost: Vec<&HeadDiff> = found.heads.iter().filter(|head| head.unfit.is_some()).collect();
    if !lost.is_empty() {
        let _ = writeln!(out, "{} heads could not be compared, or not on all inputs:", lost.len());
        for head in lost.iter().take(SHOWN) {
            let _ = writeln!(out, "  {}: {}", head.name(), head.unfit.as_deref().unwrap_or_default());
        }
        if lost.len() > SHOWN {
            let _ = writeln!(out, "  and {} more; --json has them all", lost.len() - SHOWN);
        }
    }
    out.push_str(
        "* the interval of this head alone leaves out zero; that it was the largest of many is not allowed for\n",
    );
    found.notes.iter().for_each(|note| {
        let _ = writeln!(out, "note: {note}");
    });
    out
}

/// The first of some names.
fn some(names: &[String]) -> String {
    let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
    format!("{}{more}", names[..names.len().min(8)].join(", "))
}

/// What is drawn: maps, or the differences of a metric.
fn drawn(args: &DiffArgs) -> Outcome<Option<(Option<Metric>, &Path, String)>> {
    let Some(path) = &args.output else { return Ok(None) };
    let ending = picture::checked(path)?;
    let metric = Metric::ALL.into_iter().filter(|metric| *metric != Metric::Loss).find(|m| m.name() == args.draw);
    if metric.is_none() && args.draw != "map" {
        let known: Vec<&str> = Metric::ALL.iter().filter(|m| **m != Metric::Loss).map(|m| m.name()).collect();
        return Err(Error::usage(format!("--draw {}: expected map, {}", args.draw, known.join(", "))));
    }
    Ok(Some((metric, path, ending)))
}

/// B - A of a metric by layer and head.
fn differences(found: &Diff, metric: Metric, names: [&str; 2]) -> Outcome<String> {
    let heads: Vec<Estimate> = found
        .heads
        .iter()
        .map(|head| {
            let change = head.changes.get(&metric);
            let interval = change.and_then(|c| c.interval.as_ref()).map(|i| (i.low, i.high));
            Estimate { layer: head.layer, head: head.head, value: change.map(|c| c.difference), interval }
        })
        .collect();
    let title = match metric {
        Metric::Divergence => "Divergence between the maps".to_string(),
        metric => format!("Change of {metric}"),
    };
    let notes = vec![
        format!("from {} to {}", names[0], names[1]),
        match heads.iter().any(|head| head.interval.is_some()) {
            true => format!("strips: 95 % BCa intervals over {} inputs, paired", found.inputs),
            false => "no intervals: they need five inputs".to_string(),
        },
    ];
    let y = axis::Side::new(&match metric {
        Metric::Divergence => format!("divergence ({})", metric.unit()),
        metric => format!("{metric}, B − A ({})", metric.unit()),
    });
    Ok(Intervals { title: &title, notes, y, heads: &heads, references: &[(0.0, "no change")] }.svg()?)
}

/// Before, after and what changed, of the head that changed most, on the first input.
fn maps(found: &Diff, sides: &[Side; 2], names: [&str; 2]) -> Outcome<String> {
    let most = most(found, Metric::Divergence).ok_or_else(|| {
        Error::usage("--draw map: one of the two kept no maps; capture with --keep stats+qk, or draw a metric")
    })?;
    let (layer, head) = (most.0.layer, most.0.head);
    let read = |side: &Side| {
        map::read(side.patterns.as_ref(), layer, head, 0, SIDE)?
            .map(|read| read.map)
            .ok_or_else(|| Error::usage(format!("--draw map: {}: input 0 has no map", most.0.name())))
    };
    let (before, after) = (read(&sides[0])?, read(&sides[1])?);
    let tokens: Vec<String> = sides[0].patterns.tokens(0).iter().map(|token| label(&token.text, LABEL)).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let scale = Scale::fit(Spacing::Linear, before.values().chain(after.values()));
    let style = Style { scale, ..Style::default() };
    let title = format!(
        "{}, which changed most (divergence {} of ln 2), input 0: A {}, B {}",
        most.0.name(),
        number(Some(most.1.difference)),
        names[0],
        names[1]
    );
    Ok(before_after((&before, &after), ("A", "B"), &title, &tokens, &style)?)
}

/// What each condition found, one line each.
fn verdicts(checked: &[Checked]) -> String {
    let mut out = String::new();
    for found in checked {
        let text = found.condition.text.trim();
        let _ = match (found.tested, found.met.len()) {
            (0, _) => writeln!(out, "not testable  {text}"),
            (tested, 0) if found.untested.is_empty() => writeln!(out, "ok            {text}: none of {tested}"),
            (tested, 0) => writeln!(
                out,
                "FAIL          {text}: none of {tested}, but it cannot be told for {}; name what both have with --layers \
                 and --heads",
                some(&found.untested)
            ),
            (tested, count) => {
                let names: Vec<String> =
                    found.met.iter().take(8).map(|(name, value)| format!("{name} {}", signed(*value))).collect();
                let more = if count > 8 { format!(" and {} more", count - 8) } else { String::new() };
                writeln!(out, "FAIL          {text}: {count} of {tested}: {}{more}", names.join(", "))
            }
        };
    }
    out
}

/// One case a condition; one that nothing could be tested by is skipped there and an error of the command.
fn junit(checked: &[Checked]) -> String {
    let failures = checked.iter().filter(|c| c.tested > 0 && !c.is_ok()).count();
    let skipped = checked.iter().filter(|c| c.tested == 0).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\"", checked.len());
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"attractor diff\" {counts}>\n  <testsuite \
         name=\"fail-on\" errors=\"0\" {counts}>\n"
    );
    for found in checked {
        let _ =
            write!(xml, "    <testcase classname=\"attractor.diff\" name=\"{}\"", escape(found.condition.text.trim()));
        let met: Vec<String> = found.met.iter().map(|(name, value)| format!("{name} {}", signed(*value))).collect();
        let untested = match found.untested.is_empty() {
            true => None,
            false => Some(format!("cannot be told for {}", some(&found.untested))),
        };
        let faults: Vec<String> = met.into_iter().chain(untested).collect();
        let _ = match (found.tested, faults.is_empty()) {
            (0, _) => writeln!(xml, "><skipped message=\"no head has this figure\"/></testcase>"),
            (_, true) => writeln!(xml, "/>"),
            (_, false) => writeln!(xml, "><failure message=\"{}\"/></testcase>", escape(&faults.join(", "))),
        };
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// Runs the command. `false` if a condition is met.
pub fn run(args: &DiffArgs, common: &Common) -> Outcome<bool> {
    let conditions = args.fail_on.iter().map(|text| Condition::parse(text)).collect::<Result<Vec<_>, _>>()?;
    if args.junit.is_some() && conditions.is_empty() {
        return Err(Error::usage("--junit: there is no --fail-on, so there is nothing to pass or fail; give one"));
    }
    let picture = drawn(args)?;
    let sides = sides(args, common)?;
    let options = DiffOptions { seed: common.seed, ..DiffOptions::default() };
    let losses = match (&sides[0].losses, &sides[1].losses) {
        (Some((kind, a)), Some((other, b))) if kind == other => Some((a.as_slice(), b.as_slice())),
        _ => None,
    };
    let mut found = diff(sides[0].patterns.as_ref(), sides[1].patterns.as_ref(), losses, &options)?;
    if losses.is_none() {
        found.notes.push("loss: not compared, it needs two models with a loss of the same kind".to_string());
    }
    if let Some((metric, path, ending)) = picture {
        let names = [&args.a, &args.b].map(|path| path.file_name().and_then(|name| name.to_str()).unwrap_or("?"));
        let svg = match metric {
            Some(metric) => differences(&found, metric, names)?,
            None => maps(&found, &sides, names)?,
        };
        picture::save(path, &ending, &svg)?;
    }
    let checked: Vec<Checked> = conditions.iter().map(|condition| found.check(condition)).collect();
    if let Some(path) = &args.junit {
        write(path, junit(&checked).as_bytes())?;
    }
    if common.json {
        let info = |side: &Side| side.patterns.info().clone();
        let document = json!({
            "schema": "attractor.diff/1", "a": args.a, "b": args.b, "model_a": info(&sides[0]),
            "model_b": info(&sides[1]), "source": sides[0].source, "seed": common.seed, "diff": found,
            "loss_kind": sides[0].losses.as_ref().filter(|_| losses.is_some()).map(|(kind, _)| kind),
            "fail_on": checked,
        });
        print(&format!("{document}\n"));
    } else {
        let mut out = text(&found, args, &sides);
        if !checked.is_empty() {
            out.push('\n');
            out.push_str(&verdicts(&checked));
        }
        print(&out);
    }
    if let Some(untested) = checked.iter().find(|c| c.tested == 0) {
        let metric = untested.condition.metric;
        let why = found.notes.iter().find(|note| note.starts_with(metric.name()));
        return Err(Error::usage(format!(
            "--fail-on {:?}: no head has this figure ({}), so nothing was tested; give inputs that can serve it",
            untested.condition.text,
            why.map_or("it could not be taken", String::as_str)
        )));
    }
    Ok(checked.iter().all(Checked::is_ok))
}
