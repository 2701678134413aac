//! What it all comes to, in words.

use super::listed;
use crate::conclusion::{Scenario, Signs};
use crate::finding::{Place, Worded};
use crate::groups::Findings;
use crate::report::Conclusion;
use crate::statistics::bootstrap::FEWEST_INPUTS;
use crate::verdict::Verdict;

/// The conclusion; `lost` are the heads whose maps hold what is not a number.
pub(crate) fn say(scenario: Scenario, signs: &Signs, findings: &Findings, lost: &[Place]) -> Conclusion {
    let reasons = match scenario {
        Scenario::Broken => findings.correctness.faults(),
        _ => deciding(findings),
    };
    let (first, action) = words(scenario, signs);
    let (mut first, mut action) = (first.to_string(), action.to_string());
    if let (Scenario::StructureUntested | Scenario::Broad, Some(share)) = (scenario, signs.unresolved) {
        (first, action) = unresolved(scenario, signs, share);
    }
    if signs.better_than_counting == Some(false) && scenario != Scenario::Broken {
        action = action.replace("No issues found. ", "");
        action += " But train the model first: its loss is no better than that of a unigram model, so these patterns say little yet.";
    }
    Conclusion {
        scenario,
        headline: headline(&first, lost),
        reasons: reasons.iter().map(|finding| format!("{}: {}", finding.measured().id, finding.why())).collect(),
        action,
    }
}

/// The findings that decided, of those that could be tested.
fn deciding(findings: &Findings) -> Vec<&dyn Worded> {
    let mut all: Vec<&dyn Worded> = vec![
        &findings.heads.sharpness.model,
        &findings.uniform.uniform.model,
        &findings.query.variation.model,
        &findings.diversity.beliefs,
        &findings.ablation.perplexity,
    ];
    all.extend(findings.ablation.uniform.iter().map(|finding| finding as &dyn Worded));
    all.retain(|finding| finding.verdict() != Verdict::Skipped);
    all
}

/// A large change that too few inputs show: it is said, and what it would take to tell it from chance.
fn unresolved(scenario: Scenario, signs: &Signs, share: f64) -> (String, String) {
    let what = if scenario == Scenario::Broad { "Attention is broad" } else { "Attention has structure" };
    let of = if signs.has_loss { "raises exp(loss)" } else { "changes the output" };
    let headline = format!(
        "{what}; replacing it by a uniform average {of} by {:.0} % here, on too few inputs to tell that from chance.",
        100.0 * share
    );
    (
        headline,
        format!("Give at least {FEWEST_INPUTS} inputs: several texts, or a text file of which each line is one."),
    )
}

fn headline(first: &str, lost: &[Place]) -> String {
    match lost {
        [] => first.to_string(),
        [one] => format!("{first} Left out: {one}, whose map contains NaN or infinity."),
        many => format!("{first} Left out: {}, whose maps contain NaN or infinity.", listed(many)),
    }
}

fn words(scenario: Scenario, s: &Signs) -> (&'static str, &'static str) {
    match scenario {
        Scenario::Broken => (
            "These are not valid attention weights: correctness checks failed.",
            "Fix this before reading anything else. Rows that see the future: pass the causal mask to the attention backend. Rows \
             that do not sum to one: switch dropout off (evaluation mode) and check that weights, not scores or outputs, \
             were captured. A.V that differs: the output came from another code path. Rows of NaN: a mask that hides all keys, or \
             overflow in half precision.",
        ),
        Scenario::SharpAndMatters if !s.has_loss => (
            "Attention has structure, and replacing it by a uniform average changes the model's output.",
            "Whether the change matters can only be measured on a task: give labels, or a checkpoint with its language-model head. Look at \
             the heads named in the table; groups 2, 3 and 5 say what they do.",
        ),
        Scenario::SharpAndMatters => (
            "Attention is sharp and matters: replacing it by a uniform average raises the loss.",
            "No issues found. Look at the heads named in the table; groups 2, 3 and 5 say what they do.",
        ),
        Scenario::SharpWithoutEffect => (
            "Attention has structure, but replacing it by a uniform average makes almost no difference.",
            "Do not read meaning into these patterns: the rest of the model does the work. Ablate by layer and head, and \
             on a harder text, before pruning.",
        ),
        Scenario::StructureUntested if s.ablated => (
            "Attention has structure; the ablation was inconclusive.",
            "Its confidence interval includes both a relevant and a negligible effect: give more inputs.",
        ),
        Scenario::StructureUntested => (
            "Attention has structure; whether it matters was not tested.",
            "Validate the checkpoint itself: the ablation (group 9) needs the model, not a run.",
        ),
        Scenario::WorksLooksUniform if !s.has_loss => (
            "Attention looks uniform, yet replacing it by a uniform average changes the model's output.",
            "Whether the change matters can only be measured on a task: give labels, or a checkpoint with its language-model head.",
        ),
        Scenario::WorksLooksUniform => (
            "Attention looks uniform and works: its small differences matter to the loss.",
            "No issues found. Judge such heads by ablation and query-side variation, not by how sharp they look.",
        ),
        Scenario::Broad if s.matters == Some(true) && !s.has_loss => (
            "Attention is broad, yet replacing it by a uniform average changes the model's output.",
            "Whether the change matters can only be measured on a task: give labels, or a checkpoint with its language-model head.",
        ),
        Scenario::Broad if s.matters == Some(true) => (
            "Attention is broad and matters: replacing it by a uniform average raises the loss.",
            "No issues found. Judge such heads by ablation and query-side variation, not by how sharp they look.",
        ),
        Scenario::Broad if s.ablated => (
            "Attention is broad: rows are spread over many keys, yet different queries attend differently.",
            "The variation is on the query side; the ablation was inconclusive: give more inputs.",
        ),
        Scenario::Broad => (
            "Attention is broad: rows are spread over many keys, yet different queries attend differently.",
            "The variation is on the query side. Validate the checkpoint itself, so that the ablation can say whether it \
             matters.",
        ),
        Scenario::TrulyUniform if !s.ablated => (
            "Attention only averages: its rows are nearly uniform, or nothing depends on them.",
            "These maps cannot tell whether the rest of the model does the work instead: validate the checkpoint itself, \
             which ablates attention.",
        ),
        Scenario::TrulyUniform => (
            "Attention only averages: its rows are nearly uniform, or nothing depends on them.",
            "The feed-forward layers do the work. Confirm by ablation on more text; then train longer, raise the inverse \
             temperature, or spend the parameters elsewhere.",
        ),
        Scenario::ArchitecturalLimitation => (
            "Hidden states differ between positions, but attention does not follow: the architecture may not allow it.",
            "Give heads more dimensions or a larger inverse temperature, and look at the norms of queries and keys: scores \
             with a spread well below one cannot select.",
        ),
        Scenario::Undecided => (
            "Inconclusive: too little could be tested.",
            "Give more or longer inputs, keep the maps (or queries and keys), or validate the checkpoint itself.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conclusion::decide;
    use crate::conclusion::tests::blank;

    #[test]
    fn an_ablation_that_did_not_decide_is_not_called_untested() {
        let undecided = Signs { structured: true, ablated: true, ..blank() };
        assert!(words(decide(&undecided), &undecided).0.contains("inconclusive"));
        let untested = Signs { structured: true, ..blank() };
        assert!(words(decide(&untested), &untested).0.contains("not tested"));
    }

    /// A change of 84 % is none that did not show: what is missing are inputs.
    #[test]
    fn a_large_change_on_one_input_is_said() {
        let signs = Signs { structured: true, ablated: true, unresolved: Some(0.84), ..blank() };
        let (headline, action) = unresolved(decide(&signs), &signs, 0.84);
        assert!(headline.contains("by 84 % here") && !headline.contains("inconclusive"), "{headline}");
        assert!(action.contains("at least 5 inputs"), "{action}");
        let (headline, _) = unresolved(Scenario::Broad, &Signs { has_loss: false, ..signs }, 1.86);
        assert!(headline.contains("broad") && headline.contains("changes the output by 186 %"), "{headline}");
    }

    #[test]
    fn without_a_loss_nothing_is_said_to_matter() {
        let moved = Signs { structured: true, ablated: true, matters: Some(true), has_loss: false, ..blank() };
        let (headline, action) = words(decide(&moved), &moved);
        assert!(
            !headline.contains("matters") && action.contains("can only be measured on a task"),
            "{headline} {action}"
        );
    }

    /// What the equivalence test did not show is not said in words either.
    #[test]
    fn nothing_is_called_uniform_that_was_not_shown_to_be() {
        // What attention is replaced by is a uniform average, whatever attention is.
        let said = |signs: &Signs| words(decide(signs), signs).0.replace("a uniform average", "an average");
        for (matters, ablated) in [(Some(true), true), (None, true), (None, false)] {
            let broad = Signs { varies: Some(true), matters, ablated, ..blank() };
            let headline = said(&broad);
            assert!(headline.contains("broad") && !headline.contains("uniform"), "{headline}");
            let even = Signs { uniform: true, ..broad };
            let headline = said(&even);
            assert!(headline.contains("uniform"), "{headline}");
        }
    }

    /// A head of no numbers does not decide the story, and is not passed over either.
    #[test]
    fn heads_without_numbers_stand_in_the_headline() {
        let headline = |lost: &[Place]| headline("It is.", lost);
        assert!(!headline(&[]).contains("Left out"));
        assert!(headline(&[Place::head(1, 2)]).ends_with("Left out: L1H2, whose map contains NaN or infinity."));
        let two = headline(&[Place::head(1, 2), Place::head(3, 0)]);
        assert!(two.contains("L1H2, L3H0, whose maps contain"), "{two}");
    }
}
