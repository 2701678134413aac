//! 2. Position: nearby keys against uniform, and how much of a pattern is position alone.
//!
//! r_ij = n_i p_ij is one for a uniform row of any length; its mean over pairs at one distance is one too, so near and
//! far are compared on equal terms. Bidirectional models count both sides.

use super::{Case, Figure, found, listed, plural};
use crate::config::Key;
use crate::measure::HeadMeasure;
use crate::statistics::mean_of;
use crate::verdict::{Check, Group, place};

const GROUP: Group = Group::Position;

pub(super) fn checks(case: &Case<'_>) -> Vec<Check> {
    let mut all = local(case);
    all.extend(content(case));
    all
}

fn local(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.get(Key::Near);
    let near = |h: &HeadMeasure| Case::of_head(h, |i| i.near);
    let far = |h: &HeadMeasure| Case::of_head(h, |i| i.far);
    let index = |near: Option<f64>, far: Option<f64>| match (near, far) {
        (Some(n), Some(f)) if n + f > 0.0 => (n - f) / (n + f),
        _ => f64::NAN,
    };
    // The p-value is wanted where there is no interval: of one input, or the largest of a few.
    let p_of = |h: &HeadMeasure| h.inputs.iter().filter_map(|i| i.near_p).reduce(f64::max);
    let alpha = case.config.get(Key::Alpha);
    let mut local = Vec::new();
    let mut heads = Vec::new();
    for head in &case.measures.heads {
        let (figure, far) = (case.figure(&near(head)), case.figure(&far(head)).value);
        let check = Check::new("pos.local", GROUP).at(Case::place(head)).threshold(case.config.sourced(Key::Near));
        let Some(value) = figure.value else {
            heads.push(check.skipped(case.no_figure(head, "no pair of different positions, or no map was kept")));
            continue;
        };
        let p = p_of(head);
        let by_chance = figure.interval.is_none() && p.is_some_and(|p| p > alpha);
        let good = figure.is_above(threshold, 1.0) && nearer(value, far) && !by_chance;
        if good {
            local.push(place(Some(head.layer), Some(head.head)));
        }
        heads.push(
            figure
                .fill(check)
                .null(1.0)
                .effect(index(figure.value, far))
                .verdict(found(good), format!("{}{}", words(value, far, p), figure.note)),
        );
    }
    let check = Check::new("pos.local", GROUP).threshold(case.config.sourced(Key::Near));
    let figure: Figure = case.figure(&case.of_model(near));
    let far = case.figure(&case.of_model(far)).value;
    let model = match figure.value {
        None => check.skipped(case.no_figure_at_all("no pair of different positions, or no map was kept")),
        Some(value) => {
            let good = figure.is_above(threshold, 1.0) && nearer(value, far);
            let why = format!(
                "{}; local in {} of {} heads: {}{}",
                words(value, far, None),
                local.len(),
                heads.len(),
                listed(&local),
                figure.note
            );
            figure.fill(check).null(1.0).effect(index(figure.value, far)).verdict(case.verdict(GROUP, good), why)
        }
    };
    heads.insert(0, model);
    heads
}

/// Both may be enriched where few distances are possible: then nothing is local.
fn nearer(near: f64, far: Option<f64>) -> bool {
    far.is_none_or(|far| near > far)
}

fn words(near: f64, far: Option<f64>, p: Option<f64>) -> String {
    let far = far.map_or("not there".to_string(), |f| format!("{f:.2}"));
    let p = p.map_or(String::new(), |p| format!(", within-row permutation p = {p:.2e}"));
    format!("near {near:.2}, far {far} times uniform{p} (effect: (near - far) / (near + far))")
}

fn content(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.sourced(Key::PositionContent);
    let check = Check::new("pos.content", GROUP).threshold(threshold);
    if case.measures.steps.inputs() < 2 {
        return vec![check.skipped(
            "one input: what is position cannot be told from what is content; give two or more, five for an interval",
        )];
    }
    let mut heads = Vec::new();
    for head in &case.measures.heads {
        let figure = case.figure(&head.position_content);
        let check = Check::new("pos.content", GROUP).at(Case::place(head)).threshold(threshold);
        heads.push(match figure.value {
            None => check
                .skipped(case.no_figure(head, "the head is uniform, or its maps were not kept: nothing to explain")),
            Some(value) => figure.fill(check).null(0.0).effect(value).verdict(
                found(figure.is_above(threshold.0, 0.0)),
                format!(
                    "the positions of the other inputs explain {:.0} % of the pattern{}",
                    explained(value),
                    figure.note
                ),
            ),
        });
    }
    let each: Vec<Option<f64>> = (0..case.patterns.inputs())
        .map(|input| mean_of(case.measures.heads.iter().filter_map(|h| h.position_content[input])))
        .collect();
    let figure = case.figure(&each);
    let model = match figure.value {
        None => check.skipped(case.no_figure_at_all("no head has a pattern to explain, or the maps were not kept")),
        Some(value) => {
            let how = match case.measures.alike.len() {
                n if n >= 2 => format!("by cell among {}", plural(n, "input")) + " of one length",
                _ => "by offset, since no two inputs have one length".to_string(),
            };
            figure.fill(check).null(0.0).effect(value).verdict(
                case.verdict(GROUP, figure.is_above(threshold.0, 0.0)),
                format!(
                    "position explains {:.0} % of the patterns (JS to the leave-one-out mean map over JS to uniform; {how}){}",
                    explained(value),
                    figure.note
                ),
            )
        }
    };
    heads.insert(0, model);
    heads
}

fn explained(content: f64) -> f64 {
    100.0 * (1.0 - content).clamp(0.0, 1.0)
}
