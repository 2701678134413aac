//! The heads: maps of their figures over layers, and the table.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use attractor_judge::report::{HeadFigure, HeadSummary};
use attractor_judge::{Class, Report, Verdict};

use super::{Budget, Options, badge, figure, plain, plural, thousandths};
use crate::canvas::scale::Scale;
use crate::canvas::text::escape;
use crate::figures::grid::{Overview, overview};
use crate::figures::heatmap::Style;

/// Rows that the page holds for those without a script; with one the table has all.
const ROWS: usize = 256;

/// Rows from which the table scrolls under its headings.
const SCROLLED: usize = 40;

/// The heads of which a check failed.
fn failed(report: &Report) -> BTreeSet<(usize, usize)> {
    let bad = report.checks.iter().filter(|c| c.verdict == Verdict::Fail);
    bad.filter_map(|c| Some((c.layer?, c.head?))).collect()
}

/// Heads worth a look first: those that fail, those that were recognised, the sharp ones.
pub(super) fn by_interest(report: &Report) -> Vec<&HeadSummary> {
    let failed = failed(report);
    let mut all: Vec<&HeadSummary> = report.heads.iter().collect();
    all.sort_by(|a, b| {
        let key = |h: &HeadSummary| (failed.contains(&(h.layer, h.head)), h.kinds.len());
        key(b)
            .cmp(&key(a))
            .then(b.sharpness.unwrap_or(-1.0).total_cmp(&a.sharpness.unwrap_or(-1.0)))
            .then((a.layer, a.head).cmp(&(b.layer, b.head)))
    });
    all
}

/// A head's verdict: failed if one of its checks did, otherwise whether it is more than an average.
fn verdict(head: &HeadSummary, failed: bool) -> Verdict {
    match head.class {
        _ if failed => Verdict::Fail,
        None => Verdict::Skipped,
        Some(Class::Sharp | Class::Medium) => Verdict::Pass,
        Some(Class::Broad | Class::Uniform) => Verdict::Warn,
    }
}

pub(super) fn section(
    report: &Report,
    inputs: &[usize],
    options: &Options,
    budget: &mut Budget,
    left_out: &mut Vec<String>,
) -> String {
    let mut out = String::from("<section id=\"heads\"><h2>Heads</h2>\n");
    if report.heads.is_empty() {
        out.push_str("<p>No head was captured: there is nothing to show.</p></section>\n");
        return out;
    }
    let drawn = !inputs.is_empty();
    if drawn && inputs.len() < report.provenance.inputs {
        let all = report.provenance.inputs;
        let numbers: Vec<String> = inputs.iter().map(usize::to_string).collect();
        let _ = writeln!(
            out,
            "<p class=\"key\">All {all} inputs were judged; the maps are those of {} {} (of 0 to {}). Others are \
             drawn where they are named (<code>show</code>).</p>",
            if numbers.len() == 1 { "input" } else { "inputs" },
            numbers.join(", "),
            all - 1
        );
    }
    if let Some(repeated) = report.provenance.extra.get("repeated") {
        let repeated = escape(repeated);
        let _ = writeln!(
            out,
            "<p class=\"key\">Induction was measured on {repeated}; the maps are those of the inputs.</p>"
        );
    }
    // The script takes this place; what follows is for those who have none.
    out.push_str("<div id=\"heads-explorer\"></div>\n<div id=\"heads-static\">");
    out.push_str(
        "<p class=\"key\">Sharpness is 1 − H / ln n over the n visible keys: 0 is an average over all of them, 1 a single \
         key. Previous is the mean weight on the previous token, induction that on the token after an earlier \
         occurrence of the current one.</p>\n<div class=\"maps\">",
    );
    let figures = [
        ("Sharpness", HeadFigure::Sharpness),
        ("Previous token", HeadFigure::Previous),
        ("Induction", HeadFigure::Induction),
    ];
    for (title, figure) in figures {
        let heads: Vec<(usize, usize, Option<f64>)> =
            report.heads.iter().map(|h| (h.layer, h.head, figure.of(h))).collect();
        let style = Style { colours: options.colours, scale: Scale::unit(), unit: String::new(), ..Style::default() };
        match overview(&Overview { title, heads: &heads, linked: drawn }, &style) {
            Ok(Some(svg)) if budget.take(svg.len() + 32) => {
                let _ = write!(out, "<figure>{}</figure>", plain(&svg));
            }
            Ok(Some(_)) => left_out.push(format!("the map of {title} over layers and heads")),
            Ok(None) => {}
            Err(e) => {
                let _ = write!(out, "<p>{}</p>", escape(&e.to_string()));
            }
        }
    }
    out.push_str("</div>\n");

    // Of very many heads the ones worth a look first.
    let mut share = budget.share(3);
    let before = share.left;
    let mut rows: Vec<((usize, usize), String)> = Vec::new();
    let failed = failed(report);
    for head in by_interest(report).into_iter().take(ROWS) {
        let text = row(head, failed.contains(&(head.layer, head.head)), drawn);
        if !share.take(text.len()) {
            break;
        }
        rows.push(((head.layer, head.head), text));
    }
    budget.spend(before - share.left);
    if rows.len() < report.heads.len().min(ROWS) {
        left_out.push(format!(
            "{} of {} heads in the table; the rest are the least sharp",
            report.heads.len() - rows.len(),
            report.heads.len()
        ));
    }
    rows.sort_by_key(|(place, _)| *place);
    let _ = write!(
        out,
        "<div class=\"wide{}\"><table class=\"heads\"><caption>{}</caption><thead><tr>",
        if rows.len() > SCROLLED { " long\" tabindex=\"0" } else { "" },
        match rows.len() == report.heads.len() {
            true => plural(rows.len(), "head"),
            false => format!(
                "The {} most notable heads of {}; all are shown when scripts run",
                rows.len(),
                report.heads.len()
            ),
        }
    );
    let figures = HeadFigure::ALL.map(|figure| (figure.title(), " class=\"n\""));
    let words = [("Recognised as", ""), ("Verdict", "")];
    for (name, class) in std::iter::once(("Head", "")).chain(figures).chain(words) {
        let _ = write!(out, "<th scope=\"col\"{class}>{name}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>");
    for (_, text) in &rows {
        out.push_str(text);
    }
    out.push_str("</tbody></table></div>\n");
    let shown: BTreeSet<(usize, usize)> = rows.iter().map(|(place, _)| *place).collect();
    let gone = report.heads.iter().map(|h| (h.layer, h.head)).filter(|place| !shown.contains(place));
    out.push_str(&super::anchors("Not in the table", "row-", gone));
    out.push_str("</div></section>\n");
    out
}

fn row(head: &HeadSummary, failed: bool, drawn: bool) -> String {
    let name = format!("L{}H{}", head.layer, head.head);
    let link = if drawn { format!("<a href=\"#{name}\">{name}</a>") } else { name.clone() };
    let mut out = format!("<tr id=\"row-{name}\"><th scope=\"row\">{link}</th>");
    for (value, bar) in HeadFigure::ALL.map(|of| (of.of(head), of.is_share())) {
        // A bar under the number: a share of one, in twentieths, since the policy allows no style of its own.
        let class = match value {
            Some(v) if bar => format!("n share s{:.0}", 20.0 * v.clamp(0.0, 1.0)),
            _ => "n".to_string(),
        };
        let text = match value {
            // One number of decimals, so that shares line up; never "-0.000".
            Some(v) if bar => format!("{:.3}", thousandths(v) + 0.0),
            value => figure(value),
        };
        let _ = write!(out, "<td class=\"{class}\">{text}</td>");
    }
    let verdict = verdict(head, failed);
    let class = head.class.map_or("not testable", Class::name);
    let word = if failed { format!("fail, {class}") } else { class.to_string() };
    let _ = writeln!(out, "<td>{}</td><td>{}</td></tr>", head.recognised_as(), badge(verdict, Some(&word)));
    out
}
