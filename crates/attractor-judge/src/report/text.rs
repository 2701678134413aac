//! The report as lines for a terminal, in the numbered form of the original guide; the terminal adds colour.

use super::Check;
use super::words::plural;
use super::{HeadSummary, Report};
use crate::groups::Class;
use crate::id::Group;
use crate::verdict::{Mark, Verdict, place};

/// What a line is, so that a terminal can dress it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// ====== or ------
    Rule,
    /// The report's title.
    Title,
    /// "[1/9] ..."
    Heading,
    /// A check; the verdict is in the line.
    Check,
    /// A head in the table of group 5.
    Head,
    /// Anything else.
    Plain,
    /// The conclusion's headline.
    Headline,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub kind: LineKind,
    /// The verdict that it shows, if any.
    pub verdict: Option<Verdict>,
    /// The text, without colour and without a newline.
    pub text: String,
}

/// Width of the rules, and the column at which reasons wrap.
const WIDTH: usize = 100;
/// Most heads in the table.
const HEADS: usize = 144;

pub(super) fn render(report: &Report) -> Vec<Line> {
    let mut page = Page::default();
    page.rule('=');
    page.line(LineKind::Title, None, "ATTENTION VALIDATION REPORT");
    page.rule('=');
    let p = &report.provenance;
    let lengths = match (p.lengths.iter().min(), p.lengths.iter().max()) {
        (Some(a), Some(b)) if a == b => plural(*a, "token") + if p.lengths.len() == 1 { "" } else { " each" },
        (Some(a), Some(b)) => format!("{a} to {b} tokens"),
        _ => "no tokens".to_string(),
    };
    let inputs = p.counted();
    page.line(
        LineKind::Plain,
        None,
        &format!(
            "{} ({}{}, {}{}), {inputs}, {lengths}, seed {}",
            clean(p.called()),
            p.name.as_ref().map_or(String::new(), |_| format!("{}, ", clean(&p.model.family))),
            plural(p.model.layers, "layer"),
            plural(p.model.heads, "head"),
            if p.model.causal { ", causal" } else { ", bidirectional" },
            report.seed
        ),
    );
    for group in Group::ALL {
        page.blank();
        page.line(LineKind::Heading, None, &format!("[{}/9] {}", group.number(), group.title()));
        page.rule('-');
        let own = || report.checks.iter().filter(move |c| c.group == group.number());
        for check in own().filter(|c| c.is_of_model()) {
            page.check(check);
        }
        // Failures of layers and heads are never hidden behind the model's line.
        let failed: Vec<String> = own()
            .filter(|c| !c.is_of_model() && c.verdict == Verdict::Fail)
            .map(|c| format!("{} {}", c.id, c.place()))
            .collect();
        if !failed.is_empty() {
            let shown = failed.iter().take(12).cloned().collect::<Vec<_>>().join(", ");
            let more = if failed.len() > 12 { format!(" and {} more", failed.len() - 12) } else { String::new() };
            page.wrapped(LineKind::Plain, Some(Verdict::Fail), "    ", &format!("failed: {shown}{more}"));
        }
        if group == Group::Heads {
            page.heads(&report.heads);
        }
        if let Some(spent) = p.extra.get("ablations").filter(|_| group == Group::Ablation) {
            page.wrapped(LineKind::Plain, None, "    ", &format!("ablations: {spent}"));
        }
    }
    if let Some(legacy) = &report.legacy {
        page.blank();
        page.line(LineKind::Heading, None, "The original guide's formulas");
        page.rule('-');
        page.line(LineKind::Plain, None, &format!("  {} (N = {})", legacy.note, legacy.length));
        if !legacy.heads.is_empty() {
            page.line(LineKind::Plain, None, "           row_std  RMS dev  H/ln N  query L2  near/far  BOS ratio");
            let row = |name: &str, f: &crate::legacy::Figures| {
                let maybe = |x: Option<f64>, digits: usize| x.map_or("-".to_string(), |x| format!("{x:.digits$}"));
                format!(
                    "  {name:8} {:.4}   {:.4}   {:>6}   {:>7}   {:>7}    {:>7}",
                    f.legacy_row_std,
                    f.legacy_rms_deviation,
                    maybe(f.legacy_entropy, 3),
                    maybe(f.legacy_query_l2, 3),
                    maybe(f.legacy_near_far, 2),
                    maybe(f.legacy_bos_ratio, 2)
                )
            };
            page.line(LineKind::Plain, None, &row("uniform", &legacy.null));
            for head in legacy.heads.iter().take(HEADS) {
                page.line(LineKind::Head, None, &row(&place(Some(head.layer), Some(head.head)), &head.figures));
            }
            page.line(
                LineKind::Plain,
                None,
                &format!(
                    "  largest possible: row_std {:.4}, RMS dev {:.4}",
                    legacy.attainable_row_std, legacy.attainable_rms_deviation
                ),
            );
        }
    }
    page.blank();
    page.rule('=');
    page.line(LineKind::Title, None, "SUMMARY");
    page.rule('=');
    let s = &report.summary;
    let verdict = if s.failed > 0 { Verdict::Fail } else { Verdict::Pass };
    page.line(
        LineKind::Check,
        Some(verdict),
        &format!(
            "{} Passed: {}/{} checks of the whole model ({} skipped, {} only reported)",
            sign(verdict),
            s.passed,
            s.tested,
            s.skipped,
            s.reported
        ),
    );
    for (what, items, verdict) in
        [("Critical issues", &s.critical, Verdict::Fail), ("Warnings", &s.warnings, Verdict::Warn)]
    {
        if items.is_empty() {
            continue;
        }
        page.line(LineKind::Check, Some(verdict), &format!("{} {what}: {}", sign(verdict), items.len()));
        for item in items {
            page.wrapped(LineKind::Plain, None, "   - ", &item.to_string());
        }
    }
    page.blank();
    page.rule('-');
    page.line(LineKind::Title, None, "CONCLUSION:");
    page.rule('-');
    page.wrapped(LineKind::Headline, None, "", &report.conclusion.headline);
    page.wrapped(LineKind::Plain, None, "", &report.conclusion.action);
    page.rule('=');
    page.lines
}

/// Lines as they grow.
#[derive(Default)]
struct Page {
    lines: Vec<Line>,
}

impl Page {
    fn line(&mut self, kind: LineKind, verdict: Option<Verdict>, text: &str) {
        self.lines.push(Line { kind, verdict, text: text.to_string() });
    }

    fn rule(&mut self, mark: char) {
        self.line(LineKind::Rule, None, &mark.to_string().repeat(WIDTH));
    }

    fn blank(&mut self) {
        self.line(LineKind::Plain, None, "");
    }

    fn check(&mut self, check: &Check) {
        let (mark, verdict) = match check.mark() {
            Mark::Reported => ("·", None),
            Mark::Verdict(verdict) => (sign(verdict), Some(verdict)),
        };
        let lead = format!("{mark} {:16} ", check.id);
        self.wrapped(LineKind::Check, verdict, &lead, &check.why);
        if let Some(i) = &check.interval {
            let text = format!("[{:.4}, {:.4}] {:.0} % {}", i.low, i.high, 100.0 * i.level, i.method);
            self.line(LineKind::Plain, None, &format!("{:19}{text}", ""));
        }
    }

    /// `text` after `lead`, wrapped at words, continued at the lead's width.
    fn wrapped(&mut self, kind: LineKind, verdict: Option<Verdict>, lead: &str, text: &str) {
        let indent = " ".repeat(lead.chars().count());
        let mut current = lead.to_string();
        let mut fresh = true;
        for word in clean(text).split_whitespace() {
            if !fresh && current.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(kind, verdict, &current);
                current = indent.clone();
                fresh = true;
            }
            if !fresh {
                current.push(' ');
            }
            current.push_str(word);
            fresh = false;
        }
        self.line(kind, verdict, &current);
    }

    fn heads(&mut self, heads: &[HeadSummary]) {
        // Where there are too many, those that were recognised come first, then the sharpest.
        let mut shown: Vec<&HeadSummary> = heads.iter().collect();
        if shown.len() > HEADS {
            shown.sort_by(|a, b| {
                (b.kinds.len(), b.sharpness.unwrap_or(-1.0))
                    .partial_cmp(&(a.kinds.len(), a.sharpness.unwrap_or(-1.0)))
                    .unwrap_or(std::cmp::Ordering::Equal)
                    .then((a.layer, a.head).cmp(&(b.layer, b.head)))
            });
            shown.truncate(HEADS);
            shown.sort_by_key(|h| (h.layer, h.head));
        }
        for head in &shown {
            let verdict = match head.class {
                None => Verdict::Skipped,
                Some(Class::Sharp | Class::Medium) => Verdict::Pass,
                Some(Class::Broad | Class::Uniform) => Verdict::Warn,
            };
            let class = head.class.map_or("NOT TESTABLE".to_string(), |c| c.name().to_uppercase());
            let number = |x: Option<f64>, digits: usize| x.map_or("-".to_string(), |x| format!("{x:.digits$}"));
            let kinds = if head.kinds.is_empty() { String::new() } else { format!("  {}", head.recognised_as()) };
            self.line(
                LineKind::Head,
                Some(verdict),
                &format!(
                    "  {:8} sharpness {:>5}  keys {:>6}  previous {:>5}  induction {:>5}  near {:>5}  [{class}]{kinds}",
                    place(Some(head.layer), Some(head.head)),
                    number(head.sharpness, 3),
                    number(head.effective_keys, 1),
                    number(head.previous, 2),
                    number(head.induction, 2),
                    number(head.near, 2),
                ),
            );
        }
        if heads.len() > shown.len() {
            let text = format!("  ... and {} more heads; the JSON has them all", heads.len() - shown.len());
            self.line(LineKind::Plain, None, &text);
        }
    }
}

/// The sign of a verdict.
fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✓",
        Verdict::Warn => "⚠",
        Verdict::Fail => "✗",
        Verdict::Skipped => "–",
    }
}

/// Token texts come from anywhere: no control character reaches the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
