//! What it all comes to: the original guide's scenarios, decided from corrected figures.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Key};
use crate::groups::Findings;
use crate::groups::ablation::Change;
use crate::id::CheckId;
use crate::verdict::Verdict;

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

/// What decides.
pub(crate) struct Signs {
    /// Checks of correctness that prove a fault.
    pub broken: Vec<CheckId>,
    /// Mean of 1 - H / ln n.
    pub sharpness: Option<f64>,
    pub structured: bool,
    pub uniform: bool,
    pub varies: Option<bool>,
    /// Replacing attention by a plain average costs.
    pub matters: Option<bool>,
    /// The ablation ran, whether it decided or not.
    pub ablated: bool,
    /// What it changed, as a share, if that is a lot and there are too few inputs to tell it from chance.
    pub unresolved: Option<f64>,
    /// What the ablation moved is a loss, not merely the last hidden state.
    pub has_loss: bool,
    pub better_than_counting: Option<bool>,
    pub diverse: Option<bool>,
}

impl Signs {
    /// Taken from the findings of the whole model.
    pub(crate) fn of(findings: &Findings, config: &Config, has_loss: bool) -> Self {
        let sharp = &findings.heads.sharpness;
        let sharpness = sharp.model.tested().and_then(|finding| finding.measured.value);
        let sharp_heads = sharp.heads.iter().filter_map(|finding| finding.measured.value);
        let sharp_heads = sharp_heads.filter(|value| *value >= config.get(Key::Sharp)).count();
        let margin = config.get(Key::UniformMargin);
        let uniform = findings.uniform.uniform.model.tested().is_some_and(|finding| match &finding.measured.interval {
            Some(interval) => interval.high < margin,
            None => finding.measured.value.is_some_and(|value| value < margin),
        });
        let ablation = findings.ablation.uniform.as_ref().and_then(|finding| finding.tested());
        let matters = ablation.and_then(|finding| {
            let m = &finding.measured;
            match (finding.verdict, &m.interval, m.value, m.threshold) {
                (Verdict::Pass, ..) => Some(true),
                (_, Some(interval), _, Some(threshold)) => (interval.high < threshold).then_some(false),
                (_, None, Some(value), Some(threshold)) => (value < threshold).then_some(false),
                _ => None,
            }
        });
        let unresolved = ablation.and_then(|finding| match finding.account.as_ref().ok()?.change {
            Change::Loss { share, unresolved: true, .. } | Change::State { share, unresolved: true, .. } => Some(share),
            _ => None,
        });
        Self {
            broken: findings.correctness.faults().iter().map(|finding| finding.measured().id).collect(),
            sharpness,
            structured: sharp_heads > 0 || sharpness.is_some_and(|s| s >= config.get(Key::Medium)),
            uniform,
            varies: findings.query.variation.model.passes(),
            matters,
            ablated: ablation.is_some(),
            unresolved,
            has_loss,
            better_than_counting: findings.ablation.perplexity.passes(),
            diverse: findings.diversity.beliefs.passes(),
        }
    }
}

/// The story that the signs tell.
pub(crate) fn decide(s: &Signs) -> Scenario {
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn blank() -> Signs {
        Signs {
            broken: vec![],
            sharpness: Some(0.05),
            structured: false,
            uniform: false,
            varies: None,
            matters: None,
            ablated: false,
            unresolved: None,
            has_loss: true,
            better_than_counting: None,
            diverse: None,
        }
    }

    #[test]
    fn every_scenario_follows_from_its_signs() {
        let broken = Signs { broken: vec![CheckId::MaskCausal], structured: true, matters: Some(true), ..blank() };
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
