//! The heads: maps of their figures over layers, and the table.

use std::fmt::Write as _;

use attractor_judge::report::HeadSummary;
use attractor_judge::{Class, Report, Verdict};

use super::{Budget, Options, badge, figure, plural, thousandths};
use crate::colour::Scale;
use crate::grid::{Overview, overview};
use crate::heatmap::Style;
use crate::text::escape;

/// Heads worth a look first: those that fail, those that were recognised, the sharp ones.
pub(super) fn by_interest<'a>(report: &'a Report) -> Vec<&'a HeadSummary> {
    let mut all: Vec<&HeadSummary> = report.heads.iter().collect();
    all.sort_by(|a, b| {
        let key = |h: &HeadSummary| (verdict(report, h) == Verdict::Fail, h.kinds.len());
        key(b)
            .cmp(&key(a))
            .then(b.sharpness.unwrap_or(-1.0).total_cmp(&a.sharpness.unwrap_or(-1.0)))
            .then((a.layer, a.head).cmp(&(b.layer, b.head)))
    });
    all
}

/// A head's verdict: failed if one of its checks did, otherwise whether it is more than an average.
pub(super) fn verdict(report: &Report, head: &HeadSummary) -> Verdict {
    let failed = |c: &&attractor_judge::Check| {
        c.verdict == Verdict::Fail && c.layer == Some(head.layer) && c.head == Some(head.head)
    };
    match head.class {
        _ if report.checks.iter().any(|c| failed(&c)) => Verdict::Fail,
        None => Verdict::Skipped,
        Some(Class::Sharp | Class::Medium) => Verdict::Pass,
        Some(Class::Broad | Class::Uniform) => Verdict::Warn,
    }
}

fn word(report: &Report, head: &HeadSummary) -> (Verdict, String) {
    let verdict = verdict(report, head);
    let class = head.class.map_or("not testable", Class::name);
    (verdict, if verdict == Verdict::Fail { format!("fail, {class}") } else { class.to_string() })
}

pub(super) fn section(
    report: &Report,
    drawn: bool,
    options: &Options,
    budget: &mut Budget,
    left_out: &mut Vec<String>,
) -> String {
    let mut out = String::from("<section id=\"heads\"><h2>Heads</h2>\n");
    if report.heads.is_empty() {
        out.push_str("<p>No head was captured: there is nothing to show.</p></section>\n");
        return out;
    }
    out.push_str(
        "<p class=\"key\">Sharpness is 1 − H / ln n over the n visible keys: 0 is an average over all of them, 1 a single \
         key. Previous is the mean weight on the previous token, induction that on the token after an earlier \
         occurrence of the current one. The cells are links.</p>\n<div class=\"maps\">",
    );
    type Pick = fn(&HeadSummary) -> Option<f64>;
    let figures: [(&str, Pick); 3] =
        [("Sharpness", |h| h.sharpness), ("Previous token", |h| h.previous), ("Induction", |h| h.induction)];
    for (title, pick) in figures {
        let heads: Vec<(usize, usize, Option<f64>)> = report.heads.iter().map(|h| (h.layer, h.head, pick(h))).collect();
        let style = Style { colours: options.colours, scale: Scale::unit(), unit: String::new(), ..Style::default() };
        match overview(&Overview { title, heads: &heads, linked: true }, &style) {
            Ok(Some(svg)) if budget.take(svg.len() + 32) => {
                let _ = write!(out, "<figure>{svg}</figure>");
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
    for head in by_interest(report) {
        let text = row(report, head, drawn);
        if !share.take(text.len()) {
            break;
        }
        rows.push(((head.layer, head.head), text));
    }
    budget.spend(before - share.left);
    if rows.len() < report.heads.len() {
        left_out.push(format!("{} of {} heads in the table; the rest are the least sharp", report.heads.len() - rows.len(), report.heads.len()));
    }
    rows.sort_by_key(|(place, _)| *place);
    let _ = write!(
        out,
        "<div class=\"wide\"><table class=\"heads\" id=\"head-table\"><caption>{}; a heading sorts</caption><thead><tr>",
        plural(rows.len(), "head")
    );
    for (name, numeric) in [
        ("Head", false),
        ("Sharpness", true),
        ("Effective keys", true),
        ("Previous", true),
        ("Induction", true),
        ("Near", true),
        ("Sink", true),
        ("Variation", true),
        ("Recognised as", false),
        ("Verdict", false),
    ] {
        let class = if numeric { " class=\"n\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{name}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>");
    for (_, text) in &rows {
        out.push_str(text);
    }
    out.push_str("</tbody></table></div></section>\n");
    out
}

fn row(report: &Report, head: &HeadSummary, drawn: bool) -> String {
    let name = format!("L{}H{}", head.layer, head.head);
    let link = if drawn { format!("<a href=\"#{name}\">{name}</a>") } else { name.clone() };
    let order = head.layer * 100_000 + head.head;
    let mut out = format!("<tr id=\"row-{name}\"><th scope=\"row\" data-v=\"{order}\">{link}</th>");
    let share = |v: Option<f64>| match v {
        // A bar behind the number: a share of one.
        Some(v) => format!(" style=\"--v:{:.1}%\"", 100.0 * v.clamp(0.0, 1.0)),
        None => String::new(),
    };
    for (label, value, bar) in [
        ("Sharpness", head.sharpness, true),
        ("Effective keys", head.effective_keys, false),
        ("Previous", head.previous, true),
        ("Induction", head.induction, true),
        ("Near", head.near, false),
        ("Sink", head.sink, true),
        ("Variation", head.variation, true),
    ] {
        let (class, style) = if bar { ("n share", share(value)) } else { ("n", String::new()) };
        let sort = value.map_or(String::new(), |v| format!(" data-v=\"{v}\""));
        let digits = if bar { value.map(thousandths) } else { value };
        let _ = write!(out, "<td class=\"{class}\" data-label=\"{label}\"{sort}{style}>{}</td>", figure(digits));
    }
    let (verdict, word) = word(report, head);
    let _ = writeln!(
        out,
        "<td data-label=\"Recognised as\">{}</td><td data-label=\"Verdict\">{}</td></tr>",
        escape(&head.kinds.join(", ")),
        badge(verdict, Some(&word))
    );
    out
}
