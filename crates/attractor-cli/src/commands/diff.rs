//! `attractor diff`: two checkpoints, or two runs, on the same tokens.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use attractor_render::canvas::colour::ColourMap;
use attractor_render::results::compare::{differences, maps};
use attractor_render::terminal::{columns, listed};
use attractor_session::Error;
use attractor_session::compare::{self, Change, Checked, Compared, Condition, HeadDiff, Metric, Options, junit};
use clap::Args;

use crate::args::{Chosen, Common, Inputs, choice, refuse_unused};
use crate::console::{counted, json, print, work};
use crate::error::Outcome;
use crate::files::{OutputFile, PictureFile, ending, write};
use crate::picture::Look;

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A checkpoint or a run: before
    pub a: PathBuf,
    /// A checkpoint or a run: after
    pub b: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Exit with 1 if B - A satisfies this for any head, for example "induction<-0.1"; repeatable
    #[arg(long, value_name = "METRIC<NUMBER")]
    pub fail_on: Vec<String>,
    /// Also write what --fail-on found as JUnit XML
    #[arg(long, value_name = "FILE", requires = "fail_on")]
    pub junit: Option<OutputFile>,
    /// Also save a figure: .svg, .png or .pdf
    #[arg(long, short)]
    pub output: Option<PictureFile>,
    /// What is drawn: map (before, after and the difference, of the head that changed most), or a metric by layer and head
    #[arg(long, default_value = "map", value_name = "map|METRIC", requires = "output")]
    pub draw: String,
    #[command(flatten)]
    pub chosen: Chosen,
    #[command(flatten)]
    pub look: Look,
    /// Colours of maps; the difference of the two has its own
    #[arg(long, alias = "colors", value_parser = choice::<ColourMap>(), default_value = "viridis", help_heading = "Pictures")]
    pub colours: ColourMap,
}

/// Heads whose differences are printed at most.
const SHOWN: usize = 24;
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

fn text(compared: &Compared) -> String {
    let found = &compared.diff;
    let mut out = String::new();
    // Writing to a String cannot fail.
    for (name, path, info) in [("A", &compared.a, &compared.model_a), ("B", &compared.b, &compared.model_b)] {
        let (layers, heads) = (counted(info.layers, "layer"), counted(info.heads, "head"));
        let _ = writeln!(out, "{name}  {} ({}, {layers} x {heads})", path.display(), info.family);
    }
    let source = compared.source.as_ref().map_or(String::new(), |source| format!(" ({source})"));
    let _ = writeln!(
        out,
        "{}{source}, {} compared; differences are B - A\n",
        found.counted(),
        counted(found.heads.len(), "head")
    );
    let reason = found.heads.iter().flat_map(|head| head.changes.values()).find_map(|change| change.why);
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
        if let Some((head, change)) = found.most(metric) {
            rows.push(vec![
                metric.name().into(),
                head.place().to_string(),
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
    let mut order = found.ranked();
    let mut rows = vec![
        std::iter::once("head".to_string())
            .chain(present.iter().map(|metric| format!("{metric} ")))
            .collect::<Vec<_>>(),
    ];
    let same: Vec<String> =
        order.iter().copied().filter(|head| head.is_same()).map(|head| head.place().to_string()).collect();
    order.retain(|head| !head.is_same() && !head.changes.is_empty());
    for head in order.iter().take(SHOWN) {
        let cell = |metric: &Metric| match head.changes.get(metric) {
            Some(change) => signed(change.difference) + if change.is_clear() { "*" } else { " " },
            None => "- ".to_string(),
        };
        rows.push(std::iter::once(head.place().to_string()).chain(present.iter().map(cell)).collect());
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
            let _ =
                writeln!(out, "  {}: {}", head.place(), head.unfit.map_or(String::new(), |unfit| unfit.to_string()));
        }
        if lost.len() > SHOWN {
            let _ = writeln!(out, "  and {} more; --json has them all", lost.len() - SHOWN);
        }
    }
    if out.contains('*') {
        out.push_str("* the interval of this head excludes zero (not corrected for multiple testing)\n");
    }
    found.notes.iter().for_each(|note| {
        let _ = writeln!(out, "note: {note}");
    });
    out
}

/// What is drawn: maps, or the differences of a metric.
fn drawn<'a>(args: &'a DiffArgs, common: &Common) -> Outcome<Option<(Option<Metric>, &'a Path)>> {
    let Some(path) = &args.output else { return Ok(None) };
    let metric = Metric::ALL.into_iter().filter(|metric| *metric != Metric::Loss).find(|m| m.name() == args.draw);
    if metric.is_none() && args.draw != "map" {
        let known: Vec<&str> = Metric::ALL.iter().filter(|m| **m != Metric::Loss).map(|m| m.name()).collect();
        return Err(Error::usage(format!("--draw {}: expected map, {}", args.draw, known.join(", "))));
    }
    if metric.is_some() {
        refuse_unused!(common, args, [colours], "a metric; it is for maps")?;
    }
    Ok(Some((metric, path)))
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
                listed(&found.untested, 8)
            ),
            (tested, count) => {
                let met: Vec<String> =
                    found.met.iter().map(|(whom, value)| format!("{whom} {}", signed(*value))).collect();
                writeln!(out, "FAIL          {text}: {count} of {tested}: {}", listed(&met, 8))
            }
        };
    }
    out
}

/// Runs the command. `false` if a condition is met.
pub fn run(args: &DiffArgs, common: &Common) -> Outcome<bool> {
    let options = Options {
        inputs: args.inputs.given(),
        selection: args.chosen.selection()?,
        fail_on: args.fail_on.iter().map(|text| Condition::parse(text)).collect::<Outcome<Vec<_>>>()?,
        ..Options::new(&args.a, &args.b)
    };
    let picture = drawn(args, common)?;
    let (found, svg) = work(common, |context| {
        let found = compare::run(&options, context)?;
        let names = [&args.a, &args.b].map(|path| path.file_name().and_then(|name| name.to_str()).unwrap_or("?"));
        let svg = match &picture {
            None => None,
            Some((Some(metric), ..)) => Some(differences(&found.diff, *metric, names)?),
            Some((None, ..)) => {
                Some(maps(&found.diff, found.patterns.each_ref().map(|p| p.as_ref()), names, args.colours)?)
            }
        };
        Ok((found, svg))
    })?;
    if let (Some((_, path)), Some(svg)) = (&picture, svg) {
        args.look.save(path, &ending(path), &svg)?;
    }
    if let Some(path) = &args.junit {
        write(path, junit(found.diff.stack, &found.fail_on).as_bytes())?;
    }
    if common.json {
        print(&format!("{}\n", json(&found)));
    } else {
        let mut out = text(&found);
        if !found.fail_on.is_empty() {
            out.push('\n');
            out.push_str(&verdicts(&found.fail_on));
        }
        print(&out);
    }
    found.check_tested()?;
    Ok(found.is_ok())
}
