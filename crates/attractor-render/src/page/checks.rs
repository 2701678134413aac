//! The nine groups: every check with value, null, effect, interval, threshold and verdict; what passed is folded away.
//!
//! The ninth, what ablations showed, is evidence: it stands by itself before the others, with nothing folded.

use std::fmt::Write as _;

use attractor_judge::{Check, Mark, Report, Verdict};

use super::strip::strip;
use super::{Budget, badge, figure, plural};
use crate::canvas::text::escape;

/// Failed checks of single layers and heads that a group shows.
const MOST: usize = 200;
/// The same of those that did not fail: the script shows all of them, from the JSON in the page.
const FEW: usize = 6;

/// What a check takes, bytes; measured 600 to 900.
const ROW: usize = 900;

/// The anchor of a check.
pub(super) fn anchor(check: &Check) -> String {
    format!("check-{}-{}", check.id.as_str().replace('.', "-"), check.place())
}

/// The group of ablations.
const ABLATIONS: u8 = 9;

/// What the numbers of a table are, and its little plots.
const KEY: &str = "<p class=\"key\">Each value is shown with its null (what it would be without an effect), its interval over \
     inputs and its threshold. In the plots: <span class=\"mark value\">●</span> value, \
     <span class=\"mark interval\">━</span> interval, <span class=\"mark null\">│</span> null, \
     <span class=\"mark limit\">┆</span> threshold.</p>\n";

/// What ablations showed, and the other groups.
pub(super) fn groups(report: &Report, budget: &mut Budget, left_out: &mut Vec<String>) -> (String, String) {
    let mut ablations = format!(
        "<section id=\"ablations\"><h2>Ablations</h2>\n<p class=\"key\">How the loss changes when attention is replaced: the \
         more it rises, the more the model needs what was replaced.</p>\n{KEY}"
    );
    let mut out = format!(
        "<section id=\"groups\"><h2>Nine groups of checks</h2>\n{KEY}<p class=\"key\">What passed is folded. The ninth group, \
         <a href=\"#ablations\">ablations</a>, stands above.</p>\n"
    );
    if report.checks.is_empty() {
        out.push_str("<p>No check was made.</p>");
    }
    // The model's own checks are never left out; what is shown of heads shares a sixth of the rest.
    let parts: Vec<(String, Vec<&Check>)> = report
        .groups
        .iter()
        .map(|group| {
            let own = || report.checks.iter().filter(|c| c.group == group.number);
            let model: Vec<&Check> = own().filter(|c| c.is_of_model()).collect();
            let mut text = String::new();
            let _ = write!(
                text,
                "<section class=\"group\" id=\"group-{0}\"><h3><span class=\"number\">{0}</span> {1} {2}</h3>\n",
                group.number,
                escape(&group.title),
                badge(group.verdict, None)
            );
            match model.is_empty() {
                true => {
                    let _ = write!(text, "<p>Not testable. {}</p>", escape(&group.why));
                }
                false if group.number == ABLATIONS => text.push_str(&table(&model, &rows(&model), "Check")),
                false => text.push_str(&folded(&model)),
            }
            (text, own().filter(|c| !c.is_of_model()).collect())
        })
        .collect();
    budget.spend(out.len() + parts.iter().map(|(text, _)| text.len()).sum::<usize>());
    let mut share = budget.share(6);
    let before = share.left;
    let count = parts.len();
    // Where all fit, none is held back for a later group.
    let all_fit = parts.iter().map(|(_, single)| ROW * single.len().min(MOST)).sum::<usize>() <= share.left;
    for (index, (text, mut single)) in parts.into_iter().enumerate() {
        let out = if report.groups[index].number == ABLATIONS { &mut ablations } else { &mut out };
        out.push_str(&text);
        if !single.is_empty() {
            // What an earlier group did not need goes to the later ones.
            let mut own = share.share(if all_fit { 1 } else { count - index });
            let given = own.left;
            out.push_str(&singles(&mut single, &mut own, left_out));
            share.spend(given - own.left);
        }
        out.push_str("</section>\n");
    }
    budget.spend(before - share.left);
    out.push_str("</section>\n");
    ablations.push_str("</section>\n");
    if !report.groups.iter().any(|group| group.number == ABLATIONS) {
        ablations.clear();
    }
    (ablations, out)
}

/// Checks of the model: what did not pass, and behind a fold the others.
fn folded(checks: &[&Check]) -> String {
    let (open, rest): (Vec<&Check>, Vec<&Check>) =
        checks.iter().partition(|check| matches!(check.mark(), Mark::Verdict(Verdict::Fail | Verdict::Warn)));
    let mut out = if open.is_empty() { String::new() } else { table(&open, &rows(&open), "Check") };
    if !rest.is_empty() {
        let kinds = [
            (Mark::Verdict(Verdict::Pass), "passed"),
            (Mark::Reported, "only reported"),
            (Mark::Verdict(Verdict::Skipped), "not testable"),
        ];
        let counted = kinds.map(|(mark, what)| (rest.iter().filter(|check| check.mark() == mark).count(), what));
        let said: Vec<String> = counted.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        out += &format!(
            "<details class=\"passed\"><summary>{}</summary>{}</details>\n",
            said.join(", "),
            table(&rest, &rows(&rest), "Check")
        );
    }
    out
}

/// Checks of layers and heads, failures first, folded away.
fn singles(checks: &mut [&Check], share: &mut Budget, left_out: &mut Vec<String>) -> String {
    let failed = checks.iter().filter(|c| c.verdict == Verdict::Fail).count();
    checks.sort_by_key(|c| c.verdict != Verdict::Fail);
    let mut shown = Vec::new();
    let mut body = String::new();
    let few = if failed == 0 { FEW } else { MOST.min(failed) };
    for check in checks.iter().take(few) {
        let row = row(check);
        if !share.take(row.len() + 16) {
            break;
        }
        body.push_str(&row);
        shown.push(*check);
    }
    if shown.len() < few.min(checks.len()) {
        left_out.push(format!("checks of single layers and heads in group {}", checks[0].group));
    }
    if shown.is_empty() {
        return String::new();
    }
    let count = plural(checks.len(), "check");
    let gone = checks.len() - shown.len();
    let more = match gone {
        0 => String::new(),
        _ => format!(
            "<p class=\"key\">And {gone} more: shown here when scripts run, and in the JSON inside this page.</p>"
        ),
    };
    let badge = match failed {
        0 => String::new(),
        n => format!(" {}", badge(Verdict::Fail, Some(&format!("{n} failed")))),
    };
    format!(
        "<details class=\"singles\" data-group=\"{}\" data-count=\"{}\"{}><summary>By layer and head: \
         {count}{badge}</summary><div class=\"singles-body\">{}{more}</div></details>\n",
        checks[0].group,
        checks.len(),
        if failed > 0 { " open=\"open\"" } else { "" },
        table(&shown, &body, "Where")
    )
}

fn table(checks: &[&Check], body: &str, first: &str) -> String {
    // Where nothing was testable there are only words.
    let kind = if checks.iter().any(|c| c.value.is_some() || c.verdict != Verdict::Skipped) {
        "checks"
    } else {
        "checks words"
    };
    let numbers: String = ["Value", "Interval", "Null", "Effect", "Threshold"]
        .map(|name| format!("<th scope=\"col\" class=\"n\">{name}</th>"))
        .concat();
    format!(
        "<div class=\"wide\"><table class=\"{kind}\"><thead><tr><th scope=\"col\">Verdict</th>\
         <th scope=\"col\">{first}</th>{numbers}<td></td></tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )
}

fn rows(checks: &[&Check]) -> String {
    checks.iter().map(|c| row(c)).collect()
}

fn row(check: &Check) -> String {
    let interval = match &check.interval {
        Some(i) => format!(
            "<span title=\"{:.0} % {}\">{} … {}</span>",
            100.0 * i.level,
            escape(&i.method.to_string()),
            figure(Some(i.low)),
            figure(Some(i.high))
        ),
        None => figure(None),
    };
    let model = check.is_of_model();
    let (name, id) = match (check.layer, check.head) {
        (None, None) => (format!("<code>{}</code>", check.id), format!(" id=\"{}\"", anchor(check))),
        (Some(layer), Some(head)) => {
            (format!("<a href=\"#row-L{layer}H{head}\">L{layer}H{head}</a> <code>{}</code>", check.id), String::new())
        }
        _ => (format!("{} <code>{}</code>", check.place(), check.id), String::new()),
    };
    let strip = if model { strip(check) } else { String::new() };
    let source = match (model, check.threshold_source.is_empty()) {
        (true, false) => format!(
            " <span class=\"source\">Threshold: {}.</span>",
            escape(check.threshold_source.trim_end_matches('.'))
        ),
        _ => String::new(),
    };
    if check.verdict == Verdict::Skipped && check.value.is_none() {
        return format!(
            "<tr{id} class=\"only\"><td>{}</td><td colspan=\"7\"><span class=\"name\">{name}</span> {}</td></tr>\n",
            badge(check.mark(), None),
            escape(&check.why)
        );
    }
    let cells: String = [
        ("Value", figure(check.value)),
        ("Interval", interval),
        ("Null", figure(check.null)),
        ("Effect", figure(check.effect)),
        ("Threshold", figure(check.threshold)),
    ]
    .into_iter()
    .map(|(label, text)| format!("<td class=\"n\" data-label=\"{label}\">{text}</td>"))
    .collect();
    format!(
        "<tr{id}><td>{}</td><th scope=\"row\">{name}</th>{cells}<td class=\"picture\">{strip}</td></tr>\
         <tr class=\"why\"><td></td><td colspan=\"7\">{}{source}</td></tr>\n",
        badge(check.mark(), None),
        escape(&check.why)
    )
}
