//! 5. Per head: how sharp, on a scale that does not depend on the length, and two heads known by name.

use serde::{Deserialize, Serialize};

use super::tokens::{adjusted, resolution};
use super::{Case, Figure, found, listed};
use crate::config::{Config, Key};
use crate::measure::{HeadMeasure, Null};
use crate::verdict::{Check, Group, Verdict};

const GROUP: Group = Group::Heads;

/// How sharp a head is: 1 - H / ln n against fixed cuts, so the class does not change with the length of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Below `uniform.margin`.
    Uniform,
    /// Neither uniform nor medium.
    Broad,
    /// At least `heads.medium`.
    Medium,
    /// At least `heads.sharp`.
    Sharp,
}

impl Class {
    /// "sharp", ...
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Broad => "broad",
            Self::Medium => "medium",
            Self::Sharp => "sharp",
        }
    }
}

/// The class of a sharpness.
pub(crate) fn class_of(sharpness: f64, config: &Config) -> Class {
    match sharpness {
        s if s >= config.get(Key::Sharp) => Class::Sharp,
        s if s >= config.get(Key::Medium) => Class::Medium,
        s if s >= config.get(Key::UniformMargin) => Class::Broad,
        _ => Class::Uniform,
    }
}

pub(super) fn checks(case: &Case<'_>) -> Vec<Check> {
    let mut all = sharpness(case);
    all.extend(previous(case));
    all.extend(induction(case));
    all
}

fn sharpness(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.sourced(Key::Medium);
    let missing = "no row sees two keys, or no entropy was kept";
    let pick = |h: &HeadMeasure| Case::of_head(h, |i| i.sharpness);
    let mut counts = [0usize; 4];
    let mut heads = Vec::new();
    for head in &case.measures.heads {
        let figure = case.figure(&pick(head));
        let check = Check::new("head.sharpness", GROUP).at(Case::place(head)).threshold(threshold);
        let Some(value) = figure.value else {
            heads.push(check.skipped(case.no_figure(head, missing)));
            continue;
        };
        let class = class_of(value, case.config);
        counts[class as usize] += 1;
        let keys = case.figure(&Case::of_head(head, |i| i.effective_keys)).value.unwrap_or(f64::NAN);
        heads.push(figure.fill(check).null(0.0).effect(keys).verdict(
            found(class >= Class::Medium),
            format!("{}: 1 - H/ln n = {value:.3}, {keys:.1} effective keys (the effect){}", class.name(), figure.note),
        ));
    }
    let check = Check::new("head.sharpness", GROUP).threshold(threshold);
    let figure = case.figure(&case.of_model(pick));
    let judged: usize = counts.iter().sum();
    let model = match figure.value {
        None => check.skipped(case.no_figure_at_all(missing)),
        Some(value) => {
            let share = |class: Class| {
                let n = counts[class as usize];
                format!("{n}/{judged} {} ({:.0}%)", class.name(), 100.0 * n as f64 / judged as f64)
            };
            // The original guide's rule: one sharp head, or half of the heads medium.
            let good = counts[Class::Sharp as usize] > 0 || 2 * counts[Class::Medium as usize] > judged;
            figure.fill(check).null(0.0).effect(value).verdict(
                case.verdict(GROUP, good),
                format!(
                    "{}, {}, {}, {}; mean 1 - H/ln n = {value:.3}{}",
                    share(Class::Sharp),
                    share(Class::Medium),
                    share(Class::Broad),
                    share(Class::Uniform),
                    figure.note
                ),
            )
        }
    };
    heads.insert(0, model);
    heads
}

/// The best head of a detector; which heads were found.
fn best(case: &Case<'_>, id: &str, key: Key, heads: Vec<Check>, what: &str, missing: &str, more: String) -> Vec<Check> {
    let names: Vec<String> = heads.iter().filter(|c| c.verdict == Verdict::Pass).map(Check::place).collect();
    let top = heads.iter().filter(|c| c.value.is_some()).max_by(|a, b| {
        // The first of equals.
        a.value
            .unwrap_or(f64::MIN)
            .total_cmp(&b.value.unwrap_or(f64::MIN))
            .then((b.layer, b.head).cmp(&(a.layer, a.head)))
    });
    let check = Check::new(id, GROUP).threshold(case.config.sourced(key));
    let model = match top {
        None => check.skipped(case.no_figure_at_all(missing)),
        Some(top) => {
            let mut check = check.interval(top.interval.clone());
            check.no_interval.clone_from(&top.no_interval);
            (check.value, check.null, check.effect) = (top.value, top.null, top.effect);
            let why = match names.is_empty() {
                false => format!("{what} found: {}{more}", listed(&names)),
                true => {
                    format!("no {what}; the best, {}, scores {:.2}{more}", top.place(), top.value.unwrap_or(f64::NAN))
                }
            };
            check.verdict(case.verdict(GROUP, !names.is_empty()), why)
        }
    };
    let mut all = vec![model];
    all.extend(heads);
    all
}

fn previous(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.sourced(Key::Previous);
    let missing = "no row sees its previous position";
    let heads = case
        .measures
        .heads
        .iter()
        .map(|head| {
            let figure = case.figure(&Case::of_head(head, |i| i.previous.map(|(mass, _)| mass)));
            let null = case.figure(&Case::of_head(head, |i| i.previous.map(|(_, null)| null))).value;
            let check = Check::new("head.previous", GROUP).at(Case::place(head)).threshold(threshold);
            let (Some(value), Some(null)) = (figure.value, null) else {
                return check.skipped(case.no_figure(head, missing));
            };
            // Where three keys are visible a uniform head scores near the threshold: it must stand clear of the null.
            let good = figure.is_above(threshold.0, null) && value > 2.0 * null.min(0.5);
            figure.fill(check).null(null).effect(value - null).verdict(
                found(good),
                format!("mean mass on the previous token {value:.3}, {null:.3} if uniform{}", figure.note),
            )
        })
        .collect();
    best(case, "head.previous", Key::Previous, heads, "previous-token head", missing, String::new())
}

fn induction(case: &Case<'_>) -> Vec<Check> {
    let threshold = case.config.sourced(Key::Induction);
    let alpha = case.config.get(Key::Alpha);
    let missing = case.no_repetition("no token repeats with a successor in between; give a text with repetitions");
    let missing = format!("not testable: {missing}");
    let q = adjusted(case, |h| h.induction_null.as_ref());
    let nulls = case.measures.heads.iter().filter_map(|h| h.induction_null.as_ref());
    let limits = resolution(case, nulls);
    let heads = case
        .measures
        .heads
        .iter()
        .zip(q)
        .map(|(head, q)| {
            let figure: Figure = case.figure(&Case::of_head(head, |i| i.induction));
            let check = Check::new("head.induction", GROUP).at(Case::place(head)).threshold(threshold);
            let Some(value) = figure.value else {
                return check.skipped(case.no_figure(head, &missing));
            };
            // Where the labels cannot move the null says nothing, and the score stands alone, as the convention has it.
            let own = head.induction_null.as_ref().filter(|n| !n.is_cramped());
            let null = own.map_or(f64::NAN, Null::mean);
            let beyond = if null.is_nan() { 0.0 } else { null };
            // Where the permutations cannot resolve this many heads, the head's own p speaks.
            let p = own.map(Null::p);
            let q = q.filter(|_| own.is_some());
            let chance = if limits.is_empty() { q } else { p };
            let good = figure.is_above(threshold.0, beyond) && chance.is_none_or(|c| c <= alpha);
            let words = match (q, p) {
                (Some(q), Some(p)) => format!(", {null:.3} by chance, p = {p:.4}, q = {q:.4}"),
                _ if head.induction_null.is_some() => {
                    ", without a null: the targets lie where any text of this form has them, so a head that always looks \
                     that far back would score the same"
                        .to_string()
                }
                _ => ", without a null".to_string(),
            };
            figure.fill(check).null(null).effect(value - null).verdict(
                found(good),
                format!("mean mass on the successors of earlier occurrences {value:.3}{words}{}", figure.note),
            )
        })
        .collect();
    let more = match case.measures.null_plan {
        crate::measure::NullPlan::None => String::new(),
        _ => format!(" (null: {}){limits}", case.measures.null_plan.describe()),
    };
    best(case, "head.induction", Key::Induction, heads, "induction head", &missing, more)
}
