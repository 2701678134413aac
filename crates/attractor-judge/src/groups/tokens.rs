//! 3. Tokens: do equal tokens attract each other, and what do special tokens, punctuation and the first token receive?

use super::{Case, filled, found, listed, note};
use crate::config::Key;
use crate::detect::{Detection, Detector, Finding};
use crate::measure::{ClassKind, HeadMeasure, Null};
use crate::statistics::benjamini_hochberg;
use crate::verdict::{Check, Group, Verdict, place};

const GROUP: Group = Group::Tokens;

pub(super) fn checks(case: &Case<'_>) -> Vec<Check> {
    let mut all = repeat(case);
    for (kind, id, what) in [
        (ClassKind::Special, "tok.special", "special token"),
        (ClassKind::Punctuation, "tok.punctuation", "punctuation"),
        (ClassKind::First, "tok.first", "first position"),
    ] {
        all.extend(class(case, kind, id, what));
    }
    all.extend(sinks(case));
    all
}

fn repeat(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.sourced(Key::Repeat);
    let alpha = case.config.get(Key::Alpha);
    let missing =
        case.no_repetition("no token of the text occurs twice where a different one could stand at the same distance");
    let pick = |h: &HeadMeasure| Case::of_head(h, |i| i.repeat);
    let q = adjusted(case, |h| h.repeat_null.as_ref());
    let mut heads = Vec::new();
    let mut attracting = Vec::new();
    for (head, q) in case.measures.heads.iter().zip(&q) {
        let figure = case.figure(&pick(head));
        let check = Check::new("tok.repeat", GROUP).at(Case::place(head)).threshold(threshold);
        let Some(value) = figure.value else {
            heads.push(check.skipped(case.no_figure(head, &missing)));
            continue;
        };
        let own = head.repeat_null.as_ref().filter(|n| !n.is_cramped());
        let null = own.map_or(0.0, Null::mean);
        let q = q.filter(|_| own.is_some());
        let good = figure.is_above(threshold.0, 0.0) && q.is_none_or(|q| q <= alpha);
        if good {
            attracting.push(place(Some(head.layer), Some(head.head)));
        }
        let p = q.map_or(String::new(), |q| format!(", permutation q = {q:.3}"));
        heads.push(figure.fill(check).null(null).effect(value - null).verdict(
            found(good),
            format!(
                "same-token pairs receive {value:+.2} uniform weights more than others at their distance{p}{}",
                figure.note
            ),
        ));
    }
    let check = Check::new("tok.repeat", GROUP).threshold(threshold);
    let figure = case.figure(&case.of_model(pick));
    let model = match figure.value {
        None => check.skipped(case.no_figure_at_all(&missing)),
        Some(value) => {
            let nulls = case.measures.heads.iter().filter_map(|h| h.repeat_null.as_ref());
            let null = Null::mean_over(nulls).filter(|n| !n.is_cramped());
            let p = null.as_ref().map(Null::p);
            let good = figure.is_above(threshold.0, 0.0) && p.is_none_or(|p| p <= alpha);
            let p = p.map_or(String::new(), |p| format!("; p = {p:.4} ({})", case.measures.null_plan.describe()));
            let mean = null.as_ref().map_or(0.0, Null::mean);
            figure.fill(check).null(mean).effect(value - mean).verdict(
                case.verdict(GROUP, good),
                format!(
                    "same-token pairs receive {value:+.2} uniform weights more than others at their distance{p}; in {} of \
                     {} heads: {}{}",
                    attracting.len(),
                    heads.len(),
                    listed(&attracting),
                    figure.note
                ),
            )
        }
    };
    heads.insert(0, model);
    heads
}

/// Permutation p-values over heads, adjusted; `None` where a head has none or the permutations are too few to tell.
fn adjusted<'a>(case: &'a Case<'_>, pick: impl Fn(&'a HeadMeasure) -> Option<&'a Null>) -> Vec<Option<f64>> {
    let nulls: Vec<Option<&Null>> = case.measures.heads.iter().map(pick).collect();
    let p: Vec<f64> = nulls.iter().flatten().map(|n| n.p()).collect();
    let mut q = benjamini_hochberg(&p).into_iter();
    nulls.iter().map(|null| null.and_then(|_| q.next())).collect()
}

fn class(case: &Case<'_>, kind: ClassKind, id: &str, what: &str) -> Vec<Check> {
    let slot = kind as usize;
    let tokens = case.measures.geometry.iter().flatten().any(|g| g.has_tokens);
    let missing = match (kind, tokens) {
        (ClassKind::First, _) => "no row sees the first position beside others, or the maps were not kept".to_string(),
        (_, false) => "the tokens are not known".to_string(),
        _ => format!("no {what} among the tokens, or the maps were not kept"),
    };
    let pick = |h: &HeadMeasure| Case::of_head(h, move |i| i.classes[slot]);
    let words = |value: f64| format!("{what}: {value:.2} times uniform, over the queries that see it");
    let mut all = Vec::new();
    let check = Check::new(id, GROUP).reported();
    let figure = case.figure(&case.of_model(pick));
    all.push(match figure.value {
        None => check.skipped(case.no_figure_at_all(&missing)),
        Some(value) => figure
            .fill(check)
            .null(1.0)
            .effect(value - 1.0)
            .verdict(Verdict::Pass, format!("{}{}", words(value), figure.note)),
    });
    if all[0].verdict == Verdict::Skipped {
        return all;
    }
    for head in &case.measures.heads {
        let figure = case.figure(&pick(head));
        let check = Check::new(id, GROUP).at(Case::place(head)).reported();
        all.push(match figure.value {
            None => check.skipped(case.no_figure(head, &missing)),
            Some(value) => figure
                .fill(check)
                .null(1.0)
                .effect(value - 1.0)
                .verdict(Verdict::Pass, format!("{}{}", words(value), figure.note)),
        });
    }
    all
}

/// Sinks: one position takes more than epsilon of a head's attention. A figure that nothing hangs on: many good models have
/// sinks, and the head's other figures describe what is left beside them.
fn sinks(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.sourced(Key::Sink);
    let own: Vec<&Detection> = case.detections.heads.iter().filter(|d| d.detector == Detector::Sink).collect();
    let is_sink = |d: &Detection| matches!(d.verdict, Finding::Found | Finding::NotResolvable);
    let mut all: Vec<Check> = own
        .iter()
        .map(|d| {
            let check = Check::new("sink.rate", GROUP).at(Some((d.layer, d.head))).threshold(threshold).reported();
            let Some(score) = d.score else { return check.skipped(format!("not testable: {}", d.why)) };
            let names: Vec<String> = d.at.iter().map(|&key| token_name(case, key as usize)).collect();
            let share = 100.0 * score;
            let words = match is_sink(d) {
                true => format!("a sink: {share:.0} % of the attention goes to {}", listed(&names)),
                false => format!("no sink: at most {share:.0} % goes to one position ({})", listed(&names)),
            };
            filled(check, d).verdict(found(!is_sink(d)), format!("{words}; {}{}", d.why, note(d)))
        })
        .collect();
    let check = Check::new("sink.rate", GROUP).threshold(threshold).reported();
    let judged = own.iter().filter(|d| d.score.is_some()).count();
    let model = match judged {
        0 => check.skipped(case.no_figure_at_all("no column sums were kept")),
        n => {
            let sinks: Vec<&&Detection> = own.iter().filter(|d| is_sink(d)).collect();
            let rate = sinks.len() as f64 / n as f64;
            let at_first = sinks.iter().filter(|d| d.at.contains(&0)).count();
            let names: Vec<String> = sinks.iter().map(|d| d.place()).collect();
            let alone = sinks.iter().filter(|d| d.verdict == Finding::NotResolvable).count();
            let alone = match alone {
                0 => String::new(),
                n => format!("; {n} of them by the score alone: these inputs cannot tell them from chance"),
            };
            let check = check.no_interval("a count of heads; each head has its own");
            check.value(rate).null(0.0).effect(rate).verdict(
                Verdict::Pass,
                format!(
                    "{} of {n} heads have a sink ({at_first} at the first position): {}{alone}; reported, not judged (whole \
                     inputs, not the 64 tokens of the source)",
                    sinks.len(),
                    listed(&names)
                ),
            )
        }
    };
    all.insert(0, model);
    all
}

/// "position 0 ([CLS])", with the token's text if all inputs agree on it.
fn token_name(case: &Case<'_>, key: usize) -> String {
    let mut texts: Vec<&str> = (0..case.patterns.inputs())
        .filter_map(|input| case.patterns.tokens(input).get(key).map(|t| t.text.as_str()))
        .collect();
    texts.dedup();
    match texts[..] {
        [text] => format!("position {key} ({text})"),
        _ => format!("position {key}"),
    }
}
