//! The report as Markdown: for a pull request, an issue or a notebook.

use std::fmt::Write;

use super::Check;
use super::Report;
use super::words::plural;
use crate::verdict::{Mark, Verdict};

/// Heads in the table; those that were recognised come first.
const HEADS: usize = 32;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    let (p, s) = (&report.provenance, &report.summary);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "## Attention of {}: {}\n", escape(p.called()), escape(&report.conclusion.headline));
    let _ = writeln!(
        out,
        "**{} of {} checks passed**, {} warned, {} failed, {} could not be tested. {} x {}, {} of {} \
         tokens, seed {}.\n",
        s.passed,
        s.tested,
        s.warned,
        s.failed,
        s.skipped,
        plural(p.model.layers, "layer"),
        plural(p.model.heads, "head"),
        p.counted(),
        span(&p.lengths),
        report.seed
    );
    let _ = writeln!(out, "{}\n", escape(&report.conclusion.action));
    for (title, items) in [("Critical", &s.critical), ("Warnings", &s.warnings)] {
        if !items.is_empty() {
            let _ = writeln!(out, "### {title}\n");
            for item in items {
                let _ = writeln!(out, "- {}", escape(&item.to_string()));
            }
            out.push('\n');
        }
    }
    let _ = writeln!(out, "### Checks of the whole model\n");
    out.push_str(
        "| | check | value | null | effect | interval | threshold | why |\n|---|---|--:|--:|--:|---|--:|---|\n",
    );
    for check in report.checks.iter().filter(|c| c.is_of_model()) {
        let interval =
            check.interval.as_ref().map_or("–".to_string(), |i| format!("[{}, {}]", number(i.low), number(i.high)));
        let _ = writeln!(
            out,
            "| {} | `{}` | {} | {} | {} | {interval} | {} | {} |",
            mark(check),
            check.id,
            maybe(check.value),
            maybe(check.null),
            maybe(check.effect),
            maybe(check.threshold),
            escape(&check.why)
        );
    }
    let mut heads: Vec<_> = report.heads.iter().collect();
    heads.sort_by(|a, b| b.kinds.len().cmp(&a.kinds.len()).then((a.layer, a.head).cmp(&(b.layer, b.head))));
    if !heads.is_empty() {
        out.push_str(
            "\n### Heads\n\n| head | class | sharpness | keys | previous | induction | near | sink | kinds |\n",
        );
        out.push_str("|---|---|--:|--:|--:|--:|--:|--:|---|\n");
    }
    for head in heads.iter().take(HEADS) {
        let _ = writeln!(
            out,
            "| L{}H{} | {} | {} | {} | {} | {} | {} | {} | {} |",
            head.layer,
            head.head,
            head.class.map_or("not testable", |class| class.name()),
            maybe(head.sharpness),
            maybe(head.effective_keys),
            maybe(head.previous),
            maybe(head.induction),
            maybe(head.near),
            maybe(head.sink),
            head.recognised_as()
        );
    }
    if heads.len() > HEADS {
        let _ = writeln!(out, "\n{} heads more; the JSON report has them all.", heads.len() - HEADS);
    }
    let _ = writeln!(out, "\nattractor {}, weights {}", escape(&p.version), short(&p.model.weights_hash));
    out
}

fn mark(check: &Check) -> &'static str {
    match check.mark() {
        Mark::Reported => "·",
        Mark::Verdict(Verdict::Skipped) => "–",
        Mark::Verdict(Verdict::Pass) => "✅",
        Mark::Verdict(Verdict::Warn) => "⚠️",
        Mark::Verdict(Verdict::Fail) => "❌",
    }
}

fn span(lengths: &[usize]) -> String {
    match (lengths.iter().min(), lengths.iter().max()) {
        (Some(a), Some(b)) if a == b => a.to_string(),
        (Some(a), Some(b)) => format!("{a} to {b}"),
        _ => "0".to_string(),
    }
}

fn short(hash: &str) -> &str {
    if hash.is_empty() { "unknown" } else { hash.get(..12).unwrap_or("unknown") }
}

fn maybe(value: Option<f64>) -> String {
    value.map_or("–".to_string(), number)
}

/// Four significant digits.
fn number(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let digits = (3 - value.abs().max(1.0).log10().floor() as i32).clamp(0, 4) as usize;
    format!("{value:.digits$}")
}

/// Token texts come from anywhere: no table is broken, no HTML, link or control character gets through.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            // Marks that change the direction of what follows.
            '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push('\u{fffd}')
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_the_table_or_becomes_markup() {
        assert_eq!(escape("a|b\n<img src=x>[x](y)"), "a\\|b &lt;img src=x&gt;\\[x\\](y)");
        assert_eq!(escape("\u{202e}abc`"), "\u{fffd}abc\\`");
    }

    #[test]
    fn numbers_have_four_digits() {
        let all = [0.0, 0.12345, 1.5, 123.456, 0.00001234, 1234567.0, -2.0].map(number);
        assert_eq!(all, ["0.000", "0.123", "1.500", "123.5", "1.23e-5", "1.23e6", "-2.000"]);
    }
}
