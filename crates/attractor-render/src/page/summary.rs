//! The opening (what is right, what is wrong, what to look at) and the provenance.

use std::fmt::Write as _;

use attractor_judge::report::HeadKind;
use attractor_judge::{Check, Mark, Report, Verdict};

use super::{badge, plural, sign};
use crate::canvas::text::{self, escape};

/// Items of a list before "and n more".
const MOST: usize = 7;

pub(super) fn opening(report: &Report) -> String {
    let mut out = String::from("<header>\n<p class=\"kicker\">Attention report</p>\n");
    let _ = writeln!(out, "<h1>{}</h1>", escape(&report.conclusion.headline));
    let _ = writeln!(out, "<p class=\"subject\">{}</p>", subject(report));
    out.push_str(&remarks(report));
    let s = &report.summary;
    out.push_str("<ul class=\"tally\">");
    for (mark, count, what) in [
        (Verdict::Pass.into(), s.passed, "passed"),
        (Verdict::Warn.into(), s.warned, if s.warned == 1 { "warning" } else { "warnings" }),
        (Verdict::Fail.into(), s.failed, "failed"),
        (Mark::Reported, s.reported, "only reported"),
        (Verdict::Skipped.into(), s.skipped, "not testable"),
    ] {
        let _ = write!(
            out,
            "<li class=\"{mark}{}\"><span class=\"sign\" aria-hidden=\"true\">{}</span> <b>{count}</b> {what}</li>",
            if count == 0 { " nil" } else { "" },
            sign(mark)
        );
    }
    out.push_str(
        "</ul>\n</header>\n<nav aria-label=\"Sections\"><a href=\"#summary\">Summary</a> <a href=\"#heads\">Heads</a> \
         <a href=\"#ablations\">Ablations</a> <a href=\"#figures\">Figures</a> <a href=\"#groups\">Nine groups</a> <a href=\"#provenance\">Provenance</a></nav>\n",
    );

    out.push_str("<section id=\"summary\" aria-label=\"Summary\"><div class=\"columns\">\n");
    let of = |verdict: Verdict| {
        report.checks.iter().filter(move |c| c.is_of_model() && c.mark() == verdict.into()).collect::<Vec<_>>()
    };
    let (right, warned, failed, skipped) =
        (of(Verdict::Pass), of(Verdict::Warn), of(Verdict::Fail), of(Verdict::Skipped));

    out.push_str("<div><h2>What is wrong</h2>");
    let of_heads = report.checks.iter().filter(|c| !c.is_of_model() && c.verdict == Verdict::Fail).count();
    if failed.is_empty() && warned.is_empty() && of_heads == 0 {
        out.push_str("<p>Nothing that was tested.</p>");
    }
    if !failed.is_empty() {
        out.push_str(&list(&failed));
    }
    if of_heads > 0 {
        let _ =
            write!(out, "<p>{} of single layers or heads failed; see the nine groups.</p>", plural(of_heads, "check"));
    }
    if !warned.is_empty() {
        let none = if failed.is_empty() { "No failure. " } else { "" };
        let _ = write!(out, "<p>{none}Absent or inconclusive:</p>");
        out.push_str(&list(&warned));
    }
    out.push_str("</div>\n<div><h2>What to look at</h2>");
    let _ = write!(out, "<p>{}</p>", escape(&report.conclusion.action));
    out.push_str(&recognised(report));
    if !skipped.is_empty() {
        let _ = write!(
            out,
            "<details><summary>{} not testable</summary>{}</details>",
            plural(skipped.len(), "check"),
            all(&skipped)
        );
    }
    if !report.conclusion.reasons.is_empty() {
        out.push_str("<details><summary>Supporting evidence</summary><ul>");
        for reason in &report.conclusion.reasons {
            let _ = write!(out, "<li>{}</li>", escape(reason));
        }
        out.push_str("</ul></details>");
    }
    out.push_str("</div>\n<div><h2>What is right</h2>");
    out.push_str(&match right.is_empty() {
        true => "<p>Nothing that was tested passed.</p>".to_string(),
        false => {
            format!("<details><summary>{} passed</summary>{}</details>", plural(right.len(), "check"), all(&right))
        }
    });
    out.push_str("</div>\n</div>\n</section>\n");
    out
}

/// What maps cannot say; it stands between them and the ablations.
pub(super) const CAUTION: &str = "<p class=\"caution\">Attention weights are not explanations. They say where information could \
     come from, not whether it was used: that takes an intervention (group 9), and even a head that matters may carry something \
     other than its pattern suggests.</p>\n";

/// How the model was read, where it was not read as it lies there: what was ignored, untied, dequantised.
fn remarks(report: &Report) -> String {
    let remarks = &report.provenance.model.remarks;
    if remarks.is_empty() {
        return String::new();
    }
    let items: String = remarks.iter().map(|remark| format!("<li>{}</li>", text::html(remark, 2000))).collect();
    format!("<div class=\"remarks\"><b>How the model was read</b><ul>{items}</ul></div>\n")
}

fn subject(report: &Report) -> String {
    let p = &report.provenance;
    let lengths = match (p.lengths.iter().min(), p.lengths.iter().max()) {
        (Some(a), Some(b)) if a == b => format!("{} of {a} tokens", p.counted()),
        (Some(a), Some(b)) => format!("{} of {a} to {b} tokens", p.counted()),
        _ => p.counted(),
    };
    format!(
        "{} · {} × {} · {} · {lengths} · seed {}",
        text::html(p.called(), 60),
        plural(p.model.layers, "layer"),
        plural(p.model.heads, "head"),
        if p.model.causal { "causal" } else { "bidirectional" },
        report.seed
    )
}

fn item(check: &Check) -> String {
    format!(
        "<li class=\"{}\"><span class=\"sign\" aria-hidden=\"true\">{}</span> <a href=\"#{}\"><code>{}</code></a> {}</li>",
        check.mark(),
        sign(check.mark()),
        super::checks::anchor(check),
        check.id,
        escape(&check.why)
    )
}

fn all(checks: &[&Check]) -> String {
    format!("<ul class=\"said\">{}</ul>", checks.iter().map(|c| item(c)).collect::<String>())
}

fn list(checks: &[&Check]) -> String {
    if checks.len() <= MOST + 1 {
        return all(checks);
    }
    format!(
        "{}<details><summary>and {} more</summary>{}</details>",
        all(&checks[..MOST]),
        checks.len() - MOST,
        all(&checks[MOST..])
    )
}

/// Heads by what they were recognised as, and the sharpest that were not.
fn recognised(report: &Report) -> String {
    let mut kinds: Vec<HeadKind> = report.heads.iter().flat_map(|h| h.kinds.iter().copied()).collect();
    kinds.sort_unstable_by_key(|kind| kind.as_str());
    kinds.dedup();
    if kinds.is_empty() {
        return String::new();
    }
    let mut out = String::from("<ul>");
    for kind in kinds {
        let own: Vec<_> = report.heads.iter().filter(|h| h.kinds.contains(&kind)).collect();
        let names: Vec<String> =
            own.iter().take(12).map(|h| format!("<a href=\"#row-L{0}H{1}\">L{0}H{1}</a>", h.layer, h.head)).collect();
        let more = if own.len() > 12 { format!(" and {} more", own.len() - 12) } else { String::new() };
        let _ = write!(out, "<li>{kind}: {}{more}</li>", names.join(", "));
    }
    out.push_str("</ul>");
    out
}

pub(super) fn provenance(report: &Report) -> String {
    let p = &report.provenance;
    let m = &p.model;
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_string(), value));
    row("written by", format!("{} {}", p.tool, p.version));
    row("schema version", report.schema_version.to_string());
    row("seed", report.seed.to_string());
    row("model family", m.family.clone());
    row("task", format!("{:?}", m.task));
    row("layers × heads", format!("{} × {}", m.layers, m.heads));
    row("mask", if m.causal { "causal" } else { "bidirectional" }.to_string());
    if let Some(n) = m.parameters {
        row("parameters", n.to_string());
    }
    if let Some(n) = m.max_positions {
        row("positions", n.to_string());
    }
    row("weights (SHA-256)", if m.weights_hash.is_empty() { "unknown".to_string() } else { m.weights_hash.clone() });
    if let Some(stack) = p.stack {
        row("stack", stack.to_string());
    }
    row("inputs", p.inputs.to_string());
    if let Some(steps) = p.steps {
        row("steps", format!("{steps}, of all inputs together"));
    }
    let shown: Vec<String> = p.lengths.iter().take(24).map(usize::to_string).collect();
    let more = if p.lengths.len() > 24 { format!(", and {} more", p.lengths.len() - 24) } else { String::new() };
    row("lengths, tokens", shown.join(", ") + &more);
    row(
        "live model",
        if p.live_model { "yes: gradients and ablations could be tested" } else { "no: recorded patterns only" }
            .to_string(),
    );
    let mut out = String::from("<section id=\"provenance\"><h2>Provenance</h2>\n<table class=\"plain\"><tbody>");
    let own = rows.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let extra = p.extra.iter().map(|(k, v)| (k.as_str(), v.as_str())).take(64);
    for (name, value) in own.chain(extra) {
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
            text::html(name, 120),
            text::html(value, 2000)
        );
    }
    out.push_str("</tbody></table>\n");
    let _ = write!(
        out,
        "<p class=\"key\">{} the property holds · {} it does not, or is not distinguishable from its null · {} it does not, which fails the \
         report · {} measured, not judged · {} not testable, with the reason. The whole report is in this page as JSON \
         (<code>script#report</code>).</p></section>\n",
        badge(Verdict::Pass, None),
        badge(Verdict::Warn, None),
        badge(Verdict::Fail, None),
        badge(Mark::Reported, None),
        badge(Verdict::Skipped, None)
    );
    out
}
