//! 4. Against uniform: how far from a plain average over the visible keys?
//!
//! D_i = ln n_i - H_i = KL(row | uniform over the visible keys), divided by ln n_i: 0 is uniform, 1 one key. With
//! enough inputs every head differs significantly from uniform; so a head is called uniform only by equivalence, when
//! the whole interval lies below the margin.

use super::{Case, found, listed};
use crate::config::Key;
use crate::measure::HeadMeasure;
use crate::statistics::equivalence::equivalence;
use crate::verdict::{Check, Group, place};

const GROUP: Group = Group::Uniform;

pub(super) fn checks(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.sourced(Key::UniformMargin);
    let margin = threshold.0;
    let missing = "no row sees two keys, or no entropy was kept";
    let pick = |h: &HeadMeasure| Case::of_head(h, |i| i.sharpness);
    let nats = |h: &HeadMeasure| Case::of_head(h, |i| i.divergence_uniform);
    let mut heads = Vec::new();
    let (mut uniform, mut undecided) = (Vec::new(), Vec::new());
    for head in &case.measures.heads {
        let values = pick(head);
        let figure = case.figure(&values);
        let check = Check::new("base.uniform", GROUP).at(Case::place(head)).threshold(threshold);
        let Some(value) = figure.value else {
            heads.push(check.skipped(case.no_figure(head, missing)));
            continue;
        };
        let name = place(Some(head.layer), Some(head.head));
        let (entries, there): (Vec<usize>, Vec<f64>) =
            values.into_iter().enumerate().filter_map(|(entry, value)| Some((entry, value?))).unzip();
        let there = case.bootstrap.by_input(&entries, &there);
        let test = |i| equivalence(&there, i, margin, case.config.seed, case.config.count(Key::Permutations));
        let (good, words) = match figure.interval.as_ref().map(|i| (i, test(i))) {
            Some((_, test)) if test.equivalent => {
                uniform.push(name);
                (false, format!("uniform by equivalence (p = {:.4} that it is not)", test.p))
            }
            Some((i, _)) if i.low >= margin => (true, "not uniform".to_string()),
            Some(_) => {
                undecided.push(name);
                (false, "undecided: the interval holds the margin".to_string())
            }
            None if value >= margin => (true, "not uniform".to_string()),
            None => {
                undecided.push(name);
                (false, "close to uniform; equivalence is not testable".to_string())
            }
        };
        let kl = case.figure(&nats(head)).value.unwrap_or(f64::NAN);
        heads.push(figure.fill(check).null(0.0).effect(kl).verdict(
            found(good),
            format!("{words}: normalised KL {value:.3}, {kl:.3} nats (the effect){}", figure.note),
        ));
    }
    let check = Check::new("base.uniform", GROUP).threshold(threshold);
    let figure = case.figure(&case.of_model(pick));
    let mut all = Vec::new();
    all.push(match figure.value {
        None => check.skipped(case.no_figure_at_all(missing)),
        Some(value) => {
            let kl = case.figure(&case.of_model(nats)).value.unwrap_or(f64::NAN);
            let good = match &figure.interval {
                Some(i) => i.low >= margin,
                None => value >= margin,
            };
            let mut why = format!(
                "normalised KL to uniform {value:.3} ({kl:.3} nats); uniform by equivalence in {} of {} heads: {}",
                uniform.len(),
                heads.len(),
                listed(&uniform)
            );
            if !undecided.is_empty() {
                why += &format!("; undecided: {}", listed(&undecided));
            }
            figure.fill(check).null(0.0).effect(kl).verdict(case.verdict(GROUP, good), why + &figure.note)
        }
    });
    all.push(entropy(case, missing));
    all.extend(heads);
    all
}

/// The original guide's second test: H / ln n_i, with the effective number of keys as its effect.
fn entropy(case: &Case<'_>, missing: &str) -> Check {
    let check = Check::new("base.entropy", GROUP);
    let figure = case.figure(&case.of_model(|h| Case::of_head(h, |i| i.sharpness.map(|s| 1.0 - s))));
    let Some(value) = figure.value else { return check.skipped(case.no_figure_at_all(missing)) };
    let keys = case.figure(&case.of_model(|h| Case::of_head(h, |i| i.effective_keys))).value.unwrap_or(f64::NAN);
    let mut each: Vec<f64> =
        case.measures.heads.iter().filter_map(|h| case.figure(&Case::of_head(h, |i| i.effective_keys)).value).collect();
    each.sort_by(f64::total_cmp);
    let at = |share: f64| each[((each.len() - 1) as f64 * share).round() as usize];
    let (margin, source) = case.config.sourced(Key::UniformMargin);
    let good = value <= 1.0 - margin && figure.interval.as_ref().is_none_or(|i| i.high <= 1.0 - margin);
    figure.fill(check).null(1.0).effect(keys).threshold((1.0 - margin, source)).verdict(
        case.verdict(GROUP, good),
        format!(
            "entropy {value:.3} of ln n; a row spreads over exp(H) = {keys:.1} keys (the effect; heads: least {:.1}, \
             median {:.1}, most {:.1}){}",
            at(0.0),
            at(0.5),
            at(1.0),
            figure.note
        ),
    )
}
