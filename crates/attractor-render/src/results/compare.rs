//! What changed between two sources: maps of the head that changed most, a metric by layer and head, or a table in words.

use std::fmt::Write as _;

use attractor::{Error, Hint, Result};
use attractor_judge::diff::{Change, Diff, HeadDiff, Metric};
use attractor_record::Patterns;

use crate::canvas::axis::Side;
use crate::canvas::colour::ColourMap;
use crate::canvas::scale::{Scale, Spacing};
use crate::canvas::text::label;
use crate::figures::compare::before_after;
use crate::figures::heatmap::Style;
use crate::figures::intervals::{Estimate, Intervals};
use crate::maps::map::{self, SIDE};
use crate::terminal::columns;

/// Characters of a token along an axis.
const LABEL: usize = 14;

/// B - A of a metric by layer and head.
///
/// # Errors
/// Never for a difference of this house.
pub fn differences(found: &Diff, metric: Metric, names: [&str; 2]) -> Result<String> {
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
            true => format!("bars: paired 95 % BCa intervals over {} inputs", found.inputs),
            false => "no intervals: they need five inputs".to_string(),
        },
    ];
    let y = Side::new(&match metric {
        Metric::Divergence => format!("divergence ({})", metric.unit()),
        metric => format!("{metric}, B − A ({})", metric.unit()),
    });
    Intervals { title: &title, notes, y, heads: &heads, references: &[(0.0, "no change")] }.svg()
}

/// Before, after and what changed, of the head that changed most, on the first input.
///
/// # Errors
/// `is_usage` if one side kept no maps; what reading them answers.
pub fn maps(found: &Diff, sides: [&dyn Patterns; 2], names: [&str; 2], colours: ColourMap) -> Result<String> {
    let colours = colours.sequential()?;
    let most = found.most(Metric::Divergence).ok_or_else(|| {
        Error::option("draw", "map", "one of the two kept no maps; draw a metric")
            .hinted(Hint::Capture { keep: "stats+qk" })
    })?;
    let (layer, head) = (most.0.layer, most.0.head);
    let read = |side: &dyn Patterns| {
        map::read(side, layer, head, 0, SIDE)?
            .map(|read| read.map)
            .ok_or_else(|| Error::option("draw", "map", format!("{}: input 0 has no map", most.0.place())))
    };
    let (before, after) = (read(sides[0])?, read(sides[1])?);
    let tokens: Vec<String> = sides[0].tokens(0).iter().map(|token| label(&token.text, LABEL)).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let scale = Scale::fit(Spacing::Linear, before.values().chain(after.values()));
    let style = Style { scale, colours, ..Style::default() };
    let title = format!(
        "{}, which changed most (divergence {} of ln 2), input 0: A {}, B {}",
        most.0.place(),
        format_args!("{:.4}", most.1.difference),
        names[0],
        names[1]
    );
    before_after((&before, &after), ("A", "B"), &title, &tokens, &style)
}

/// Heads whose differences are printed at most.
const SHOWN: usize = 24;

/// A difference, with its sign.
pub fn signed(value: f64) -> String {
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

/// What changed, as text for a terminal: the largest change of each metric, then the heads that changed most.
pub fn changes(found: &Diff) -> String {
    let mut out = String::new();
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
