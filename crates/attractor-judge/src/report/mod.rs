//! The report: everything that was found, put into words, and its three forms.

mod check;
mod conclusion;
mod head;
mod junit;
mod markdown;
mod text;
pub(crate) mod words;

use std::collections::BTreeMap;

use attractor_record::table::{Column, Table};
use attractor_record::{ModelInfo, Stack, counted};
use serde::{Deserialize, Serialize};

pub use check::{Check, Said};
pub use conclusion::Conclusion;
pub use head::{HeadFigure, HeadKind};
pub(crate) use junit::escape;
pub use text::{Line, LineKind};

use crate::groups::Class;
use crate::id::CheckId;
use crate::id::Group;
use crate::legacy::Legacy;
use crate::statistics::Interval;
use crate::verdict::Verdict;

/// Version of the report's form in JSON; it grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// What was judged, and by what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// "attractor".
    pub tool: String,
    /// Its version.
    pub version: String,
    /// What the target is called, where the caller says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was captured.
    pub model: ModelInfo,
    /// The stack whose layers these are, where the model has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<Stack>,
    /// Number of inputs.
    pub inputs: usize,
    /// Steps of them all, where inputs have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Their lengths, tokens.
    pub lengths: Vec<usize>,
    /// Whether a live model contributed evidence.
    pub live_model: bool,
    /// What the caller adds: paths, hashes, options.
    pub extra: BTreeMap<String, String>,
}

impl Provenance {
    /// What the target is called, or its family where it has no name.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.model.family)
    }

    /// What was looked at, in words: the stack where it is named, inputs, steps.
    pub fn counted(&self) -> String {
        counted(self.stack, self.inputs, self.steps)
    }
}

/// A group in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// 1 to 9.
    pub number: u8,
    /// Its name in a thresholds file.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// The worst of its checks of the whole model; skipped if all of them are.
    pub verdict: Verdict,
    /// The reason, if it was skipped.
    pub why: String,
}

/// A head in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadSummary {
    /// Layer.
    pub layer: usize,
    /// Head.
    pub head: usize,
    /// How sharp it is; `None`: not testable.
    pub class: Option<Class>,
    /// 1 - H / ln n.
    pub sharpness: Option<f64>,
    /// exp(H), keys.
    pub effective_keys: Option<f64>,
    /// Mean mass on the previous token.
    pub previous: Option<f64>,
    /// Mean mass on the successors of earlier occurrences.
    pub induction: Option<f64>,
    /// Enrichment of near keys, 1 if uniform.
    pub near: Option<f64>,
    /// Mean attention to the head's favourite position.
    pub sink: Option<f64>,
    /// Divergence between rows, units of ln 2.
    pub variation: Option<f64>,
    /// What it was recognised as.
    pub kinds: Vec<HeadKind>,
    /// What there is to doubt its figures.
    #[serde(default)]
    pub estimates: HeadEstimates,
}

/// What a figure of a head is compared with, and how far it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadEstimate {
    /// What it would be if there were nothing.
    pub null: Option<f64>,
    /// Its interval over inputs.
    pub interval: Option<Interval>,
    /// What it is compared with.
    pub threshold: Option<f64>,
}

/// The estimates of a head's figures: of those that a check looked at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HeadEstimates {
    /// Of the sharpness.
    pub sharpness: Option<HeadEstimate>,
    /// Of the mass on the previous token.
    pub previous: Option<HeadEstimate>,
    /// Of the mass on successors of earlier occurrences.
    pub induction: Option<HeadEstimate>,
    /// Of the enrichment of near keys.
    pub near: Option<HeadEstimate>,
    /// Of the mass on the favourite position.
    pub sink: Option<HeadEstimate>,
    /// Of the divergence between rows.
    pub variation: Option<HeadEstimate>,
}

/// Passed n of m.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckCounts {
    /// Checks of the whole model that passed.
    pub passed: usize,
    /// Those that warned.
    pub warned: usize,
    /// Those that failed.
    pub failed: usize,
    /// Judged ones that could not be tested.
    pub skipped: usize,
    /// passed + warned + failed.
    pub tested: usize,
    /// Figures that are there to be read, counted in none of the above.
    #[serde(default)]
    pub reported: usize,
    /// The failures.
    pub critical: Vec<Said>,
    /// The warnings.
    pub warnings: Vec<Said>,
}

/// What [`judge`](crate::judge) answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What was judged.
    pub provenance: Provenance,
    /// Seed of every draw.
    pub seed: u64,
    /// The nine groups.
    pub groups: Vec<GroupSummary>,
    /// Every check, in the order of the groups.
    pub checks: Vec<Check>,
    /// Every head.
    pub heads: Vec<HeadSummary>,
    /// Passed n of m.
    pub summary: CheckCounts,
    /// What it comes to.
    pub conclusion: Conclusion,
    /// The original guide's formulas, if asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub legacy: Option<Legacy>,
}

impl Report {
    /// True if no check failed.
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|c| c.verdict != Verdict::Fail)
    }

    /// The first check of an id that speaks of the whole model.
    pub fn of_model(&self, id: CheckId) -> Option<&Check> {
        self.checks.iter().find(|c| c.id == id && c.is_of_model())
    }

    /// The check of an id for one head.
    pub fn of_head(&self, id: CheckId, layer: usize, head: usize) -> Option<&Check> {
        self.checks.iter().find(|c| c.id == id && c.layer == Some(layer) && c.head == Some(head))
    }

    /// The report as JSON, with a final newline. Figures that are not there are null.
    pub fn to_json(&self) -> String {
        // Every number is finite or None, every key is a string: there is nothing that could fail.
        let mut text =
            serde_json::to_string_pretty(self).unwrap_or_else(|e| format!("{{\"error\": {:?}}}", e.to_string()));
        text.push('\n');
        text
    }

    /// The report as JUnit XML.
    pub fn to_junit(&self) -> String {
        junit::render(self)
    }

    /// The report as Markdown: conclusion, checks of the whole model, heads.
    pub fn to_markdown(&self) -> String {
        markdown::render(self)
    }

    /// Every check as a row; what is not there is empty.
    ///
    /// # Errors
    /// None in practice: the columns are equally long.
    pub fn to_table(&self) -> attractor::Result<Table> {
        let text = |pick: &dyn Fn(&Check) -> String| Column::Text(self.checks.iter().map(pick).collect());
        let number = |pick: &dyn Fn(&Check) -> Option<f64>| {
            Column::Number(self.checks.iter().map(|c| pick(c).unwrap_or(f64::NAN)).collect())
        };
        let whole = |pick: &dyn Fn(&Check) -> Option<usize>| {
            Column::MaybeWhole(self.checks.iter().map(|c| pick(c).map(|x| x as i64)).collect())
        };
        let mut columns = vec![
            ("id", text(&|c| c.id.to_string())),
            ("place", text(&Check::place)),
            ("group", Column::Whole(self.checks.iter().map(|c| i64::from(c.group)).collect())),
            ("layer", whole(&|c| c.layer)),
            ("head", whole(&|c| c.head)),
            ("value", number(&|c| c.value)),
            ("null", number(&|c| c.null)),
            ("effect", number(&|c| c.effect)),
            ("interval_low", number(&|c| c.interval.as_ref().map(|i| i.low))),
            ("interval_high", number(&|c| c.interval.as_ref().map(|i| i.high))),
            ("threshold", number(&|c| c.threshold)),
            ("verdict", text(&|c| c.verdict.to_string())),
            ("why", text(&|c| c.why.clone())),
        ];
        if let Some(stack) = self.provenance.stack {
            columns.insert(3, ("stack", text(&|_| stack.to_string())));
        }
        Table::new(columns.into_iter().map(|(name, column)| (name.to_string(), column)).collect())
    }

    /// The report as lines for a terminal, without colour.
    pub fn lines(&self) -> Vec<Line> {
        text::render(self)
    }

    /// The lines as one text.
    pub fn to_text(&self) -> String {
        self.lines().into_iter().map(|line| line.text + "\n").collect()
    }
}

pub(crate) fn groups(checks: &[Check]) -> Vec<GroupSummary> {
    Group::ALL
        .into_iter()
        .map(|group| {
            let own: Vec<&Check> = checks.iter().filter(|c| c.group == group.number() && c.is_of_model()).collect();
            let has = |verdict| own.iter().any(|c| c.verdict == verdict);
            let verdict =
                [Verdict::Fail, Verdict::Warn, Verdict::Pass].into_iter().find(|&v| has(v)).unwrap_or(Verdict::Skipped);
            let why = match verdict {
                Verdict::Skipped => own.first().map(|c| c.why.clone()).unwrap_or_default(),
                _ => String::new(),
            };
            GroupSummary {
                number: group.number(),
                name: group.key().to_string(),
                title: group.title().to_string(),
                verdict,
                why,
            }
        })
        .collect()
}

pub(crate) fn summary(checks: &[Check]) -> CheckCounts {
    let of = |verdict| checks.iter().filter(move |c| c.is_of_model() && c.judged && c.verdict == verdict);
    let said = |verdict| of(verdict).map(|c| Said { id: c.id, why: c.why.clone() }).collect();
    let count = |verdict| of(verdict).count();
    let (passed, warned, failed) = (count(Verdict::Pass), count(Verdict::Warn), count(Verdict::Fail));
    CheckCounts {
        passed,
        warned,
        failed,
        skipped: checks.iter().filter(|c| c.is_of_model() && c.verdict == Verdict::Skipped).count(),
        tested: passed + warned + failed,
        reported: checks.iter().filter(|c| c.is_of_model() && !c.judged && c.verdict != Verdict::Skipped).count(),
        critical: said(Verdict::Fail),
        warnings: said(Verdict::Warn),
    }
}
