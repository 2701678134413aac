//! What it all comes to, in words: the original guide's scenarios, decided from corrected figures.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Key};
use crate::groups::listed;
use crate::verdict::{Check, Verdict};

/// The stories that the figures may tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// These are not the weights of the model, or the model sees what it must not.
    Broken,
    /// Structured attention that the loss needs.
    SharpAndMatters,
    /// Structured attention that a plain average can replace.
    SharpWithoutEffect,
    /// Structured attention; whether it matters was not tested.
    StructureUntested,
    /// The original guide's scenario 1: it looks uniform, and works.
    WorksLooksUniform,
    /// Rows are spread over many keys and not shown to be uniform; they differ between queries, or the loss needs them.
    Broad,
    /// The original guide's scenario 2: it is uniform, and something else does the work.
    TrulyUniform,
    /// The original guide's scenario 3: beliefs differ, attention cannot follow.
    ArchitecturalLimitation,
    /// The figures do not decide.
    Undecided,
}

/// The conclusion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conclusion {
    /// Which story.
    pub scenario: Scenario,
    /// It in a sentence.
    pub headline: String,
    /// The figures that decided.
    pub reasons: Vec<String>,
    /// What to do now.
    pub action: String,
}

/// What decides, read from the checks of the whole model.
struct Signs {
    broken: Vec<String>,
    sharpness: Option<f64>,
    structured: bool,
    /// Whether normalised KL to uniform lies below the margin.
    uniform: bool,
    varies: Option<bool>,
    /// `Some(false)` only where the effect is shown to be small.
    matters: Option<bool>,
    /// The ablation ran, whether it decided or not.
    ablated: bool,
    /// What the ablation moved is a loss, not merely the last hidden state.
    has_loss: bool,
    better_than_counting: Option<bool>,
    diverse: Option<bool>,
    reasons: Vec<String>,
}

fn signs(checks: &[Check], config: &Config, has_loss: bool) -> Signs {
    let of_model = |id: &str| checks.iter().find(|c| c.id == id && c.is_of_model() && c.verdict != Verdict::Skipped);
    let value = |id: &str| of_model(id).and_then(|c| c.value);
    let broken = checks
        .iter()
        .filter(|c| {
            c.group == 1
                && c.is_of_model()
                // A probe that moved nothing, heads that are not numbers and inputs given twice are no proof of a fault.
                && (c.verdict == Verdict::Fail
                    || (c.verdict == Verdict::Warn
                        && !["norm.finite", "mask.probe", "input.distinct"].contains(&c.id.as_str())))
        })
        .map(|c| format!("{}: {}", c.id, c.why))
        .collect();
    let sharp_heads = checks
        .iter()
        .filter(|c| {
            c.id == "head.sharpness" && c.head.is_some() && c.value.is_some_and(|v| v >= config.get(Key::Sharp))
        })
        .count();
    let sharpness = value("head.sharpness");
    let structured = sharp_heads > 0 || sharpness.is_some_and(|s| s >= config.get(Key::Medium));
    let uniform = of_model("base.uniform").is_some_and(|c| match &c.interval {
        Some(interval) => interval.high < config.get(Key::UniformMargin),
        None => c.value.is_some_and(|v| v < config.get(Key::UniformMargin)),
    });
    let passes = |id: &str| of_model(id).map(|c| c.verdict == Verdict::Pass);
    let matters = of_model("abl.uniform").and_then(|c| match (c.verdict, &c.interval, c.value, c.threshold) {
        (Verdict::Pass, ..) => Some(true),
        (_, Some(interval), _, Some(threshold)) => (interval.high < threshold).then_some(false),
        (_, None, Some(value), Some(threshold)) => (value < threshold).then_some(false),
        _ => None,
    });
    let mut reasons = Vec::new();
    for id in ["head.sharpness", "base.uniform", "query.variation", "div.beliefs", "loss.perplexity", "abl.uniform"] {
        if let Some(check) = of_model(id) {
            reasons.push(format!("{id}: {}", check.why));
        }
    }
    Signs {
        broken,
        sharpness,
        structured,
        uniform,
        varies: passes("query.variation"),
        matters,
        ablated: of_model("abl.uniform").is_some(),
        has_loss,
        better_than_counting: passes("loss.perplexity"),
        diverse: passes("div.beliefs"),
        reasons,
    }
}

/// Decides. `lost` are the heads whose maps hold what is no number: nothing was said of them, and the headline says so.
pub(crate) fn conclude(checks: &[Check], config: &Config, has_loss: bool, lost: &[String]) -> Conclusion {
    let s = signs(checks, config, has_loss);
    let scenario = decide(&s);
    let reasons = if scenario == Scenario::Broken { s.broken.clone() } else { s.reasons.clone() };
    let untrained = s.better_than_counting == Some(false);
    let (headline, action) = words(scenario, &s);
    let mut action = action.to_string();
    if untrained && scenario != Scenario::Broken {
        action = action.replace("Nothing to mend. ", "");
        action += " First of all, train it: its loss is no better than counting tokens, so nothing in it can be said to work.";
    }
    let headline = match lost {
        [] => headline.to_string(),
        [one] => format!("{headline} Left out: {one}, whose map holds what is no number."),
        many => format!("{headline} Left out: {}, whose maps hold what is no number.", listed(many)),
    };
    Conclusion { scenario, headline, reasons, action }
}

fn decide(s: &Signs) -> Scenario {
    if !s.broken.is_empty() {
        return Scenario::Broken;
    }
    if s.sharpness.is_none() {
        return Scenario::Undecided;
    }
    match (s.structured, s.matters) {
        (true, Some(true)) => Scenario::SharpAndMatters,
        (true, Some(false)) => Scenario::SharpWithoutEffect,
        (true, None) => Scenario::StructureUntested,
        (false, Some(true)) if s.uniform => Scenario::WorksLooksUniform,
        (false, Some(true)) => Scenario::Broad,
        (false, _) if s.uniform => match s.diverse {
            Some(true) => Scenario::ArchitecturalLimitation,
            _ => Scenario::TrulyUniform,
        },
        (false, Some(false)) => match (s.varies, s.diverse) {
            // Rows that differ while nothing depends on them are mixing all the same.
            (Some(false), Some(true)) => Scenario::ArchitecturalLimitation,
            _ => Scenario::TrulyUniform,
        },
        (false, None) => match (s.varies, s.diverse) {
            (Some(true), _) => Scenario::Broad,
            (Some(false), Some(true)) => Scenario::ArchitecturalLimitation,
            (Some(false), _) => Scenario::TrulyUniform,
            (None, _) => Scenario::Undecided,
        },
    }
}

fn words(scenario: Scenario, s: &Signs) -> (&'static str, &'static str) {
    match scenario {
        Scenario::Broken => (
            "These are not sound attention weights: correctness failed.",
            "Mend this before reading anything else. Leaking rows: pass the causal mask to the backend that captures. Rows \
             that do not sum to one: switch dropout off (evaluation mode) and check that weights, not scores or outputs, \
             were captured. A.V that differs: another code path made the output. Rows of NaN: a mask that hides all keys, or \
             half precision that overflowed.",
        ),
        Scenario::SharpAndMatters if !s.has_loss => (
            "Attention has structure, and a plain average in its place changes what the model computes.",
            "Whether the change matters needs a task: give labels, or a checkpoint with its language-model head. Look at \
             the heads that the table names; groups 2, 3 and 5 say what they do.",
        ),
        Scenario::SharpAndMatters => (
            "Attention is sharp and matters: replacing it by a plain average costs the model.",
            "Nothing to mend. Look at the heads that the table names; groups 2, 3 and 5 say what they do.",
        ),
        Scenario::SharpWithoutEffect => (
            "Attention has structure, but a plain average in its place costs next to nothing.",
            "Do not read meaning into these patterns: the rest of the model does the work. Ablate by layer and head, and \
             on a harder text, before pruning.",
        ),
        Scenario::StructureUntested if s.ablated => (
            "Attention has structure; whether it matters the ablation did not decide.",
            "Its interval holds both a real and a negligible effect: give more inputs.",
        ),
        Scenario::StructureUntested => (
            "Attention has structure; whether it matters was not tested.",
            "Validate the checkpoint itself: the ablation (group 9) needs the model, not a run.",
        ),
        Scenario::WorksLooksUniform if !s.has_loss => (
            "Attention looks uniform, yet a plain average in its place changes what the model computes.",
            "Whether the change matters needs a task: give labels, or a checkpoint with its language-model head.",
        ),
        Scenario::WorksLooksUniform => (
            "Attention looks uniform and works: its small differences matter to the loss.",
            "Nothing to mend. Judge such heads by ablation and query-side variation, not by how sharp they look.",
        ),
        Scenario::Broad if s.matters == Some(true) && !s.has_loss => (
            "Attention is broad, yet a plain average in its place changes what the model computes.",
            "Whether the change matters needs a task: give labels, or a checkpoint with its language-model head.",
        ),
        Scenario::Broad if s.matters == Some(true) => (
            "Attention is broad and matters: replacing it by a plain average costs the model.",
            "Nothing to mend. Judge such heads by ablation and query-side variation, not by how sharp they look.",
        ),
        Scenario::Broad if s.ablated => (
            "Attention is broad: rows are spread over many keys, yet different queries attend differently.",
            "The variation is on the query side; the ablation did not decide whether it matters: give more inputs.",
        ),
        Scenario::Broad => (
            "Attention is broad: rows are spread over many keys, yet different queries attend differently.",
            "The variation is on the query side. Validate the checkpoint itself, so that the ablation can say whether it \
             matters.",
        ),
        Scenario::TrulyUniform if !s.ablated => (
            "Attention is plain mixing: rows are all but uniform, or nothing depends on them.",
            "Whether the rest of the model does the work in its place these maps do not say: validate the checkpoint itself, \
             which ablates attention.",
        ),
        Scenario::TrulyUniform => (
            "Attention is plain mixing: rows are all but uniform, or nothing depends on them.",
            "The feed-forward layers do the work. Confirm by ablation on more text; then train longer, raise the inverse \
             temperature, or spend the parameters elsewhere.",
        ),
        Scenario::ArchitecturalLimitation => (
            "Beliefs differ between positions, but attention does not follow them: the architecture may not let it.",
            "Give heads more dimensions or a larger inverse temperature, and look at the norms of queries and keys: scores \
             with a spread well below one cannot select.",
        ),
        Scenario::Undecided => (
            "The figures do not decide: too little was testable.",
            "Give more or longer inputs, keep the maps (or queries and keys), or validate the checkpoint itself.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> Signs {
        Signs {
            broken: vec![],
            sharpness: Some(0.05),
            structured: false,
            uniform: false,
            varies: None,
            matters: None,
            ablated: false,
            has_loss: true,
            better_than_counting: None,
            diverse: None,
            reasons: vec![],
        }
    }

    #[test]
    fn an_ablation_that_did_not_decide_is_not_called_untested() {
        let undecided = Signs { structured: true, ablated: true, ..blank() };
        assert!(words(decide(&undecided), &undecided).0.contains("did not decide"));
        let untested = Signs { structured: true, ..blank() };
        assert!(words(decide(&untested), &untested).0.contains("not tested"));
    }

    #[test]
    fn without_a_loss_nothing_is_said_to_matter() {
        let moved = Signs { structured: true, ablated: true, matters: Some(true), has_loss: false, ..blank() };
        let (headline, action) = words(decide(&moved), &moved);
        assert!(!headline.contains("matters") && action.contains("needs a task"), "{headline} {action}");
    }

    /// What the equivalence test did not show is not said in words either.
    #[test]
    fn nothing_is_called_uniform_that_was_not_shown_to_be() {
        for (matters, ablated) in [(Some(true), true), (None, true), (None, false)] {
            let broad = Signs { varies: Some(true), matters, ablated, ..blank() };
            let headline = words(decide(&broad), &broad).0;
            assert!(headline.contains("broad") && !headline.contains("uniform"), "{headline}");
            let even = Signs { uniform: true, ..broad };
            let headline = words(decide(&even), &even).0;
            assert!(headline.contains("uniform"), "{headline}");
        }
    }

    /// A head of no numbers does not decide the story, and is not passed over either.
    #[test]
    fn heads_without_numbers_stand_in_the_headline() {
        let headline = |lost: &[&str]| {
            let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
            conclude(&[], &Config::default(), true, &lost).headline
        };
        assert!(!headline(&[]).contains("Left out"));
        assert!(headline(&["L1H2"]).ends_with("Left out: L1H2, whose map holds what is no number."));
        assert!(headline(&["L1H2", "L3H0"]).contains("L1H2, L3H0, whose maps hold"), "{}", headline(&["L1H2", "L3H0"]));
    }

    #[test]
    fn every_story_has_its_signs() {
        let broken = Signs { broken: vec!["mask.causal".into()], structured: true, matters: Some(true), ..blank() };
        assert_eq!(decide(&broken), Scenario::Broken);
        assert_eq!(decide(&Signs { structured: true, matters: Some(true), ..blank() }), Scenario::SharpAndMatters);
        assert_eq!(decide(&Signs { structured: true, matters: Some(false), ..blank() }), Scenario::SharpWithoutEffect);
        assert_eq!(decide(&Signs { structured: true, ..blank() }), Scenario::StructureUntested);
        assert_eq!(decide(&Signs { matters: Some(true), uniform: true, ..blank() }), Scenario::WorksLooksUniform);
        assert_eq!(decide(&Signs { matters: Some(true), ..blank() }), Scenario::Broad);
        assert_eq!(decide(&Signs { varies: Some(true), ..blank() }), Scenario::Broad);
        assert_eq!(decide(&Signs { varies: Some(true), matters: Some(false), ..blank() }), Scenario::TrulyUniform);
        assert_eq!(decide(&Signs { uniform: true, varies: Some(false), ..blank() }), Scenario::TrulyUniform);
        let limited = Signs { uniform: true, varies: Some(false), diverse: Some(true), ..blank() };
        assert_eq!(decide(&limited), Scenario::ArchitecturalLimitation);
        assert_eq!(decide(&Signs { sharpness: None, ..blank() }), Scenario::Undecided);
        assert_eq!(decide(&blank()), Scenario::Undecided);
    }
}
