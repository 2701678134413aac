//! Figures of all heads by layer, from the report alone: what kind each is, and its numbers with their intervals.

use std::fmt::Write as _;

use attractor_judge::Report;
use attractor_judge::report::{HeadFigure, HeadKind};

use super::{Budget, plain};
use crate::Result;
use crate::canvas::axis::Side;
use crate::canvas::text::escape;
use crate::figures::classes::{Classes, Member};
use crate::figures::intervals::{Estimate, Intervals};

/// Most heads that are drawn here: the script's own charts have no such limit.
const MOST: usize = 512;
/// Classes that colours tell apart.
const KINDS: usize = 8;

/// Figures of heads that are drawn: which, heading, axis.
const FIGURES: [(HeadFigure, &str, &str); 4] = [
    (HeadFigure::Sharpness, "Sharpness", "1 − H / ln n"),
    (HeadFigure::Previous, "Previous token", "mean weight"),
    (HeadFigure::Induction, "Induction", "mean weight"),
    (HeadFigure::Sink, "Sink", "mean weight on the most-attended position"),
];

/// The figures; empty if there is nothing to draw.
pub(super) fn charts(report: &Report, budget: &mut Budget, left_out: &mut Vec<String>) -> String {
    if report.heads.is_empty() || report.heads.len() > MOST {
        return String::new();
    }
    let mut body = String::new();
    let mut gone = Vec::new();
    let intervals = FIGURES.iter().map(|&(figure, title, axis)| (title, estimates(report, figure, title, axis)));
    for (title, svg) in std::iter::once(("kinds", kinds(report))).chain(intervals) {
        match svg {
            Ok(None) => {}
            Ok(Some(svg)) => {
                let figure = format!("<figure>{}</figure>\n", plain(&svg));
                match budget.take(figure.len()) {
                    true => body.push_str(&figure),
                    false => gone.push(title),
                }
            }
            Err(e) => {
                let _ = writeln!(body, "<p>Could not be drawn: {}</p>", escape(&e.to_string()));
            }
        }
    }
    if !gone.is_empty() {
        left_out.push(format!("figures by layer and head: {}", gone.join(", ")));
    }
    if body.is_empty() {
        return body;
    }
    format!(
        "<details class=\"stills\" open=\"open\"><summary>By layer and head</summary><div class=\"charts\">{body}</div></details>\n"
    )
}

/// What each head was recognised as.
fn kinds(report: &Report) -> Result<Option<String>> {
    let mut names: Vec<(&str, usize)> = Vec::new();
    for kind in report.heads.iter().flat_map(|h| &h.kinds).map(|kind| kind.as_str()) {
        match names.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, count)) => *count += 1,
            None => names.push((kind, 1)),
        }
    }
    if names.is_empty() {
        return Ok(None);
    }
    // The most frequent have colours of their own.
    names.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let mut titles: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let joined = titles.len() > KINDS;
    if joined {
        titles.truncate(KINDS - 1);
        titles.push("other");
    }
    let heads: Vec<Member> = report
        .heads
        .iter()
        .map(|h| {
            let place = |kind: &HeadKind| titles.iter().position(|t| *t == kind.as_str()).unwrap_or(KINDS - 1);
            let mut classes: Vec<usize> = h.kinds.iter().map(place).collect();
            classes.sort_unstable();
            classes.dedup();
            Member { layer: h.layer, head: h.head, classes }
        })
        .collect();
    let notes = vec!["a head of several kinds has a stripe of each".to_string()];
    Classes { title: "What heads were recognised as", notes, names: &titles, heads: &heads }.svg().map(Some)
}

/// A figure of every head with its interval.
fn estimates(report: &Report, figure: HeadFigure, title: &str, axis: &str) -> Result<Option<String>> {
    let own: Vec<_> = report.heads.iter().filter_map(|head| Some((head, figure.estimate(head)?))).collect();
    if own.iter().all(|(head, _)| figure.of(head).is_none()) {
        return Ok(None);
    }
    let heads: Vec<Estimate> = own
        .iter()
        .map(|(head, known)| {
            let interval = known.interval.as_ref().map(|i| (i.low, i.high));
            Estimate { layer: head.layer, head: head.head, value: figure.of(head), interval }
        })
        .collect();
    let notes = match own.iter().find_map(|(_, known)| known.interval.as_ref()) {
        Some(i) => {
            vec![format!("bars: {:.0} % {}, over {} inputs", 100.0 * i.level, i.method, report.provenance.inputs)]
        }
        None => vec!["no intervals: they need five inputs".to_string()],
    };
    let references: Vec<(f64, &str)> =
        own.iter().find_map(|(_, known)| known.threshold).map(|t| (t, "threshold")).into_iter().collect();
    Intervals { title, notes, y: Side::new(axis), heads: &heads, references: &references }.svg().map(Some)
}
