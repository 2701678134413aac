//! 1. Correctness: are these attention weights, and the ones that the model used? All heads, all inputs.

use attractor_record::Facts;

use super::{Case, listed};
use crate::Result;
use crate::config::Key;
use crate::measure::{HeadInput, HeadMeasure, repeated_in_words, repeated_inputs};
use crate::verdict::{Check, Group, Verdict, place};

const GROUP: Group = Group::Correctness;

pub(super) fn checks(case: &Case<'_>) -> Result<Vec<Check>> {
    let mut all = vec![finite(case), range(case)];
    all.extend(rows(case));
    all.extend(causal(case));
    all.extend(support(case));
    all.push(probe(case));
    all.push(bounds(case));
    all.extend(facts(case)?);
    all.push(distinct(case)?);
    all.push(Check::new("kl.identity", GROUP).skipped(
        "the similarity is a dot product: KL(q|q) = 0 and KL >= 0 are laws of KL attention and have no meaning here",
    ));
    Ok(all)
}

/// A figure of every head, the worst first among equals; one check of the model, one a head.
fn per_head(
    case: &Case<'_>,
    id: &str,
    key: Key,
    missing: &str,
    pick: impl Fn(&HeadInput) -> Option<(f64, usize)>,
    limit: impl Fn(f64, &HeadMeasure, usize) -> f64,
    words: impl Fn(f64, &str) -> String,
) -> Vec<Check> {
    let base = case.config.get(key);
    let mut heads = Vec::new();
    let mut worst: Option<(f64, f64, String)> = None;
    let mut bad = Vec::new();
    for head in &case.measures.heads {
        let mut own: Option<(f64, f64, String)> = None;
        for (input, figures) in head.inputs.iter().enumerate() {
            let Some((value, row)) = pick(figures) else { continue };
            let limit = limit(base, head, input);
            // Relative to its limit, since limits depend on length and precision; a NaN is the worst of all.
            let over = if value.is_nan() { f64::INFINITY } else { value / limit.max(f64::MIN_POSITIVE) };
            if own.as_ref().is_none_or(|(v, l, _)| over > v / l.max(f64::MIN_POSITIVE)) {
                own = Some((value, limit, format!("{}, row {row}", case.measures.steps.name(input))));
            }
        }
        let name = place(Some(head.layer), Some(head.head));
        let check = Check::new(id, GROUP).at(Case::place(head)).threshold(case.config.sourced(key));
        heads.push(match &own {
            None => check.skipped(case.no_figure(head, missing)),
            Some((value, limit, at)) => {
                let good = value <= limit;
                if !good {
                    bad.push(name.clone());
                }
                let mut check = check.value(*value).null(0.0).effect(*value).exact();
                check.threshold = Some(*limit);
                // A single head that is wrong makes the whole wrong: group 1 alone marks heads as failed.
                check.verdict(case.verdict(GROUP, good), words(*value, at))
            }
        });
        if let Some((value, limit, at)) = own
            && worst
                .as_ref()
                .is_none_or(|(v, l, _)| value / limit.max(f64::MIN_POSITIVE) > v / l.max(f64::MIN_POSITIVE))
        {
            worst = Some((value, limit, format!("{name}, {at}")));
        }
    }
    let check = Check::new(id, GROUP).threshold(case.config.sourced(key));
    let model = match worst {
        None => check.skipped(case.no_figure_at_all(missing)),
        Some((value, limit, at)) => {
            let mut check = check.value(value).null(0.0).effect(value).exact();
            check.threshold = Some(limit);
            let mut why = words(value, &at);
            if !bad.is_empty() {
                why = format!("{} of {} heads: {}; {why}", bad.len(), heads.len(), listed(&bad));
            }
            check.verdict(case.verdict(GROUP, bad.is_empty()), why)
        }
    };
    let mut all = vec![model];
    all.extend(heads);
    all
}

/// Replication is by input: one that was given twice is no second observation.
fn distinct(case: &Case<'_>) -> Result<Check> {
    let check = Check::new("input.distinct", GROUP).threshold((0.0, "inputs are the observations"));
    let inputs = case.measures.steps.inputs();
    if inputs < 2 {
        return Ok(check.skipped("there is one input"));
    }
    let Some(repeated) = repeated_inputs(case.patterns)? else {
        return Ok(check.skipped("neither tokens nor what entered the first layer is known"));
    };
    let count = repeated.len() as f64;
    let check = check.value(count).null(0.0).effect(count).exact();
    Ok(match repeated_in_words(&repeated) {
        None => check.verdict(Verdict::Pass, format!("no two of {inputs} inputs are the same")),
        Some(words) => check.verdict(Verdict::Warn, words),
    })
}

/// A head whose map holds NaN is not testable and says so; where that is every head, nothing was tested, and that fails.
fn finite(case: &Case<'_>) -> Check {
    let mut bad = Vec::new();
    let (mut rows, mut empty) = (0, 0);
    for head in &case.measures.heads {
        let own: usize = head.inputs.iter().map(|i| i.invalid_rows).sum();
        empty += head.inputs.iter().map(|i| i.empty_rows).sum::<usize>();
        if own > 0 {
            rows += own;
            bad.push(place(Some(head.layer), Some(head.head)));
        }
    }
    let check = Check::new("norm.finite", GROUP).value(rows as f64).null(0.0).effect(rows as f64).exact();
    let mut check = check.threshold((0.0, "a weight is a number"));
    if case.measures.heads.is_empty() {
        check.value = None;
        return check.skipped(case.no_figure_at_all("no head was captured"));
    }
    let empty = if empty > 0 { format!("; {empty} rows see no key and are left out") } else { String::new() };
    match (bad.len(), case.measures.heads.len()) {
        (0, _) => check.verdict(Verdict::Pass, format!("every row of every head is finite{empty}")),
        (some, all) if some == all => check.verdict(
            case.verdict(GROUP, false),
            format!("{rows} rows are not finite, of every head: nothing is testable{empty}"),
        ),
        _ => check.verdict(
            Verdict::Warn,
            format!("{rows} rows of {} are not finite: these heads are not testable{empty}", listed(&bad)),
        ),
    }
}

fn range(case: &Case<'_>) -> Check {
    // Rows that are not finite were left out: a map of nothing else has no lowest weight.
    let seen = |head: &HeadMeasure, input: usize, figures: &HeadInput| {
        let rows = case.measures.geometry[head.index][input].queries;
        figures.has_weights && figures.invalid_rows + figures.empty_rows < rows
    };
    let worst = (case.measures.heads.iter())
        .flat_map(|head| head.inputs.iter().enumerate().map(move |(input, figures)| (head, input, figures)))
        .filter(|(head, input, figures)| seen(head, *input, figures))
        .map(|(head, _, figures)| (figures.lowest, head))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let check = Check::new("norm.range", GROUP).threshold((-1e-6, "a weight is not negative; f32 rounding"));
    match worst {
        None => check.skipped(case.no_figure_at_all("no map was kept")),
        Some((lowest, head)) => {
            let name = place(Some(head.layer), Some(head.head));
            let why = match lowest < -1e-6 {
                true => {
                    format!("{name} has a weight of {lowest:.3e}: these are scores or outputs, not attention weights")
                }
                false => "no weight is negative".to_string(),
            };
            check.value(lowest).null(0.0).effect(lowest).exact().verdict(case.verdict(GROUP, lowest >= -1e-6), why)
        }
    }
}

fn rows(case: &Case<'_>) -> Vec<Check> {
    per_head(
        case,
        "norm.rows",
        Key::RowSum,
        "no row sums were kept",
        |figures| Some((figures.row_sum_error?, figures.row_sum_row)),
        |_, head, input| {
            let figures = &head.inputs[input];
            let key = [Key::RowSum, Key::RowSumF16, Key::RowSumBf16][usize::from(figures.precision)];
            let keys = case.measures.geometry[head.index][input].keys as f64;
            // Rounding of a sum grows with its length.
            case.config.get(key) * (keys / 1024.0).sqrt().max(1.0)
        },
        |value, at| {
            let hint = if value > 0.05 { ": dropout was on, or these are no weights" } else { "" };
            format!("largest |row sum - 1| = {value:.2e} ({at}){hint}")
        },
    )
}

fn causal(case: &Case<'_>) -> Vec<Check> {
    if !case.patterns.info().causal {
        return vec![
            Check::new("mask.causal", GROUP).skipped("the model is bidirectional: no key lies in a forbidden future"),
        ];
    }
    per_head(
        case,
        "mask.causal",
        Key::ForbiddenMass,
        "neither maps nor forbidden masses were kept",
        |figures| figures.future.or(figures.forbidden),
        |base, _, _| base,
        |value, at| match value > case.config.get(Key::ForbiddenMass) {
            true => format!("a causal model sees the future: mass {value:.3e} on later positions ({at})"),
            false => format!("largest mass on later positions {value:.1e} ({at})"),
        },
    )
}

fn support(case: &Case<'_>) -> Vec<Check> {
    per_head(
        case,
        "mask.support",
        Key::ForbiddenMass,
        "neither maps nor forbidden masses were kept",
        |figures| figures.forbidden,
        |base, _, _| base,
        |value, at| format!("largest mass on keys that the mask forbids {value:.1e} ({at})"),
    )
}

fn probe(case: &Case<'_>) -> Check {
    let check = Check::new("mask.probe", GROUP).threshold(case.config.sourced(Key::ProbeChange));
    if !case.patterns.info().causal {
        return check.skipped("the model is bidirectional: every output may depend on every token");
    }
    let Some(evidence) = case.evidence else {
        return check.skipped("needs the model: a run does not tell what a changed token would change");
    };
    let Some(worst) = evidence.probes.iter().max_by(|a, b| a.past_change.total_cmp(&b.past_change)) else {
        return check.skipped("no probe was made: an input of two tokens or more is needed");
    };
    let scale = worst.future_change.max(1.0);
    let relative = worst.past_change / scale;
    let at = format!("input {}, position {}", worst.input, worst.position);
    let check = check.value(relative).null(0.0).effect(worst.past_change);
    let check = check.no_interval("exact: the largest change of all probes, not an estimate");
    let good = relative <= case.config.get(Key::ProbeChange);
    if good && evidence.probes.iter().all(|p| p.future_change == 0.0) {
        return check.verdict(Verdict::Warn, "the perturbed token changed nothing at all: the probe shows nothing");
    }
    let count = super::plural(evidence.probes.len(), "perturbed token");
    match good {
        true => check.verdict(
            Verdict::Pass,
            format!(
                "{count}: earlier outputs move by at most {:.1e}, later ones by {:.2e}",
                worst.past_change, worst.future_change
            ),
        ),
        false => check.verdict(
            case.verdict(GROUP, false),
            format!(
                "a changed token moves earlier outputs by {:.3e} ({at}): the model sees the future",
                worst.past_change
            ),
        ),
    }
}

fn bounds(case: &Case<'_>) -> Check {
    let check = Check::new("norm.bounds", GROUP).threshold(case.config.sourced(Key::BoundError));
    let worst = case
        .measures
        .heads
        .iter()
        .flat_map(|head| head.inputs.iter().filter_map(move |i| Some((i.bound_excess?, head))))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match worst {
        None => check.skipped("needs entropies and sums of squares that were recorded apart from the map"),
        Some((excess, head)) => {
            let good = excess <= case.config.get(Key::BoundError);
            let name = place(Some(head.layer), Some(head.head));
            let why = match good {
                true => "entropies lie between their bounds from the sum of squares and from the scores".to_string(),
                false => format!(
                    "{name}: an entropy breaks its bounds by {excess:.3} nats; the statistics contradict each other"
                ),
            };
            check.value(excess).null(0.0).effect(excess).exact().verdict(case.verdict(GROUP, good), why)
        }
    }
}

/// What was checked while the model ran: A.V = z, W_O z + b = output, evaluation mode.
fn facts(case: &Case<'_>) -> Result<Vec<Check>> {
    let mut of_layers: Vec<(usize, Vec<Facts>)> = Vec::new();
    for shape in case.patterns.layers() {
        let facts = (0..case.patterns.inputs())
            .map(|input| Ok(case.patterns.facts(shape.layer, input)?))
            .collect::<Result<Vec<_>>>()?;
        of_layers.push((shape.layer, facts));
    }
    let mut all = Vec::new();
    let kinds: [(&str, &str, fn(&Facts) -> Option<f64>); 2] = [
        ("out.av", "A.V against the z that the model used", |f| f.output_error),
        ("out.projection", "W_O z + b against the module's output", |f| f.projection_error),
    ];
    for (id, words, pick) in kinds {
        let relative = |facts: &[Facts]| {
            facts
                .iter()
                .filter_map(|f| {
                    let scale = f.output_scale.filter(|s| *s > 0.0).unwrap_or(1.0);
                    pick(f).map(|e| if e.is_nan() { f64::INFINITY } else { e / scale })
                })
                .reduce(f64::max)
        };
        let limit = case.config.get(Key::OutputError);
        let layers: Vec<Check> = of_layers
            .iter()
            .map(|(layer, facts)| {
                let check = Check::new(id, GROUP).layer(*layer).threshold(case.config.sourced(Key::OutputError));
                match relative(facts) {
                    None => check.skipped("was not checked while the model ran"),
                    Some(error) => check.value(error).null(0.0).effect(error).exact().verdict(
                        case.verdict(GROUP, error <= limit),
                        format!("{words}: largest difference {error:.1e} of the largest output"),
                    ),
                }
            })
            .collect();
        let check = Check::new(id, GROUP).threshold(case.config.sourced(Key::OutputError));
        let bad: Vec<String> = layers
            .iter()
            .filter(|c| c.verdict != Verdict::Pass && c.verdict != Verdict::Skipped)
            .map(Check::place)
            .collect();
        let skipped = layers.iter().filter(|c| c.verdict == Verdict::Skipped).count();
        let worst = of_layers.iter().filter_map(|(_, facts)| relative(facts)).reduce(f64::max);
        all.push(match worst {
            None => check.skipped("was not checked while the model ran; capture from the model to have it"),
            Some(error) => {
                let mut why = format!("{words}: largest difference {error:.1e} of the largest output");
                if !bad.is_empty() {
                    why = format!("{}: the weights are not those that the model used; {why}", listed(&bad));
                }
                if skipped > 0 {
                    why += &format!("; {} not checked", super::plural(skipped, "layer"));
                }
                check.value(error).null(0.0).effect(error).exact().verdict(case.verdict(GROUP, bad.is_empty()), why)
            }
        });
        all.extend(layers);
    }
    let modes: Vec<bool> = of_layers.iter().flat_map(|(_, f)| f).filter_map(|f| f.evaluation_mode).collect();
    let check = Check::new("out.evaluation", GROUP).threshold((1.0, "dropout must be off"));
    all.push(match modes.is_empty() {
        true => check.skipped("whether dropout was off was not recorded"),
        false => {
            let good = modes.iter().all(|&m| m);
            let why = if good {
                "evaluation mode: dropout was off"
            } else {
                "dropout was on: these weights are not the model's"
            };
            let share = modes.iter().filter(|&&m| m).count() as f64 / modes.len() as f64;
            check.value(share).null(1.0).effect(share - 1.0).exact().verdict(case.verdict(GROUP, good), why)
        }
    });
    Ok(all)
}
