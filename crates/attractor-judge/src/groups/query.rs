//! 6. Query-side variation: do different queries look differently, and does what they look at depend on content?

use std::f64::consts::LN_2;

use attractor::random::Philox;

use super::{Case, found};
use crate::config::Key;
use crate::measure::HeadMeasure;
use crate::statistics::bootstrap::FEWEST_INPUTS;
use crate::statistics::permutation::upper_p;
use crate::statistics::{Triangle, mean_of, stream};
use crate::verdict::{Check, Group};

const GROUP: Group = Group::Query;

pub(super) fn checks(case: &Case<'_>) -> Vec<Check> {
    let mut all = variation(case);
    all.extend(content(case));
    all
}

/// The figure is the larger lag's where it exists: neighbours share most of their support.
fn variation(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.sourced(Key::Variation);
    let missing = "no two rows share two visible keys on which both have mass, or the maps were not kept";
    let pick = |h: &HeadMeasure| Case::of_head(h, |i| i.variation[1].or(i.variation[0]));
    let near = |h: &HeadMeasure| Case::of_head(h, |i| i.variation[0]);
    let words = |value: f64, near: Option<f64>| {
        let near = near.map_or("none".to_string(), |n| format!("{n:.3}"));
        format!(
            "rows 10 apart differ by JS {value:.3} on their common support ({:.3} nats), neighbours by {near}",
            value * LN_2
        )
    };
    let mut all = Vec::new();
    let figure = case.figure(&case.of_model(pick));
    let check = Check::new("query.variation", GROUP).threshold(threshold);
    all.push(match figure.value {
        None => check.skipped(case.no_figure_at_all(missing)),
        Some(value) => figure.fill(check).null(0.0).effect(value).verdict(
            case.verdict(GROUP, figure.is_above(threshold.0, 0.0)),
            words(value, case.figure(&case.of_model(near)).value)
                + " (units of ln 2; 0 for any data-independent average)"
                + &figure.note,
        ),
    });
    for head in &case.measures.heads {
        let figure = case.figure(&pick(head));
        let check = Check::new("query.variation", GROUP).at(Case::place(head)).threshold(threshold);
        all.push(match figure.value {
            None => check.skipped(case.no_figure(head, missing)),
            Some(value) => figure.fill(check).null(0.0).effect(value).verdict(
                found(figure.is_above(threshold.0, 0.0)),
                words(value, case.figure(&near(head)).value) + &figure.note,
            ),
        });
    }
    all
}

/// Variance of the maps over inputs: the mean map is position, the rest is content.
fn content(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.sourced(Key::QueryContent);
    let check = Check::new("query.content", GROUP).threshold(threshold);
    if case.measures.steps.inputs() < 2 {
        return vec![check.skipped("one input: content needs two or more of one length, five for an interval")];
    }
    if case.measures.alike.len() < 2 {
        return vec![check.skipped("no two inputs have one length and mask: maps cannot be compared cell by cell")];
    }
    let missing = "the maps are uniform or were not kept: there is no variance";
    let words =
        |value: f64| format!("{:.0} % of the maps' distance from uniform is not shared between inputs", 100.0 * value);
    let mut all = Vec::new();
    let each: Vec<Option<f64>> = (0..case.patterns.inputs())
        .map(|input| mean_of(case.measures.heads.iter().filter_map(|h| h.query_content[input])))
        .collect();
    let figure = case.figure(&each);
    all.push(match figure.value {
        None => check.skipped(case.no_figure_at_all(missing)),
        Some(value) => figure.fill(check).null(0.0).effect(value).verdict(
            case.verdict(GROUP, figure.is_above(threshold.0, 0.0)),
            format!("{}; {}{}", words(value), token_shuffle(case), figure.note),
        ),
    });
    for head in &case.measures.heads {
        let figure = case.figure(&head.query_content);
        let check = Check::new("query.content", GROUP).at(Case::place(head)).threshold(threshold);
        all.push(match figure.value {
            None => check.skipped(case.no_figure(head, missing)),
            Some(value) => figure
                .fill(check)
                .null(0.0)
                .effect(value)
                .verdict(found(figure.is_above(threshold.0, 0.0)), words(value) + &figure.note),
        });
    }
    all
}

/// Do rows whose own token is the same look more alike than rows with different tokens, at the same position?
///
/// The statistic is the mean total variation between two inputs' rows with different tokens less that with equal ones,
/// over all heads; the null gives the inputs' token sequences to each other's maps.
fn token_shuffle(case: &Case<'_>) -> String {
    let paired = &case.measures.paired;
    let heads: Vec<&HeadMeasure> = case.measures.heads.iter().filter(|h| !h.pair_distance.is_empty()).collect();
    if paired.len() < FEWEST_INPUTS || heads.is_empty() {
        return "token-shuffle null: needs five inputs of one length".to_string();
    }
    let geometry = &case.measures.geometry[0];
    let g = &geometry[paired[0]];
    let mut distance = vec![0.0f64; heads[0].pair_distance.len()];
    for head in &heads {
        distance.iter_mut().zip(&head.pair_distance).for_each(|(d, x)| *d += f64::from(*x));
    }
    let ids: Vec<Vec<Option<u32>>> = paired
        .iter()
        .map(|&input| {
            let tokens = case.patterns.tokens(input);
            let text = &geometry[input].text;
            (0..g.queries)
                .map(|i| {
                    let p = g.position(i);
                    text.get(p).copied().unwrap_or(false).then(|| tokens[p].id)
                })
                .collect()
        })
        .collect();
    let triangle = Triangle { rows: paired.len() };
    let statistic = |order: &[usize]| -> Option<f64> {
        let (mut equal, mut other) = ((0.0, 0u64), (0.0, 0u64));
        for high in 1..paired.len() {
            for low in 0..high {
                let rows = &distance[triangle.index(high, low) * g.queries..][..g.queries];
                for ((d, a), b) in rows.iter().zip(&ids[order[high]]).zip(&ids[order[low]]) {
                    let (Some(a), Some(b)) = (a, b) else { continue };
                    let slot = if a == b { &mut equal } else { &mut other };
                    slot.0 += d;
                    slot.1 += 1;
                }
            }
        }
        (equal.1 > 0 && other.1 > 0).then(|| other.0 / other.1 as f64 - equal.0 / equal.1 as f64)
    };
    let own: Vec<usize> = (0..paired.len()).collect();
    let Some(observed) = statistic(&own) else {
        return "token-shuffle null: no two inputs have the same token at one position".to_string();
    };
    let permutations = case.config.count(Key::Permutations).min(999);
    let mut random = Philox::new(case.config.seed, stream::SHUFFLE | paired.len() as u64);
    let null: Vec<f64> = (0..permutations).filter_map(|_| statistic(&random.permutation(paired.len()))).collect();
    format!(
        "rows of equal tokens are {:.4} closer (total variation, mean over heads), token-shuffle p = {:.4} ({} inputs, {} shuffles)",
        observed / heads.len() as f64,
        upper_p(observed, &null),
        paired.len(),
        null.len()
    )
}
