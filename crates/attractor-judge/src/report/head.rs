//! A head's line: its figures one by one, for tables and charts, which then agree on names and order; and what it was
//! recognised as.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{HeadEstimate, HeadSummary};
use crate::id::CheckId;

/// What a head was recognised as.
///
/// By score: the score says so, and these inputs cannot tell it from chance; in JSON that is a question mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HeadKind {
    /// It looks at the token before.
    #[serde(rename = "previous-token")]
    PreviousToken,
    /// The same by its score alone.
    #[serde(rename = "previous-token?")]
    PreviousTokenByScore,
    /// It looks at what followed an earlier occurrence.
    #[serde(rename = "induction")]
    Induction,
    /// The same by its score alone.
    #[serde(rename = "induction?")]
    InductionByScore,
    /// It rests on one position.
    #[serde(rename = "sink")]
    Sink,
    /// The same by its score alone.
    #[serde(rename = "sink?")]
    SinkByScore,
    /// Near keys receive more than far ones.
    #[serde(rename = "local")]
    Local,
}

impl HeadKind {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreviousToken => "previous-token",
            Self::PreviousTokenByScore => "previous-token?",
            Self::Induction => "induction",
            Self::InductionByScore => "induction?",
            Self::Sink => "sink",
            Self::SinkByScore => "sink?",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for HeadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl HeadSummary {
    /// All that it was recognised as: "previous-token, local"; empty if nothing.
    pub fn recognised_as(&self) -> String {
        self.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// A figure of a [`HeadSummary`], in the order of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeadFigure {
    /// 1 - H / ln n.
    Sharpness,
    /// exp(H), keys.
    EffectiveKeys,
    /// Mean mass on the previous token.
    Previous,
    /// Mean mass on the successors of earlier occurrences.
    Induction,
    /// Enrichment of near keys, 1 if uniform.
    Near,
    /// Mean attention to the favourite position.
    Sink,
    /// Divergence between rows, units of ln 2.
    Variation,
}

impl HeadFigure {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Sharpness,
        Self::EffectiveKeys,
        Self::Previous,
        Self::Induction,
        Self::Near,
        Self::Sink,
        Self::Variation,
    ];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sharpness => "sharpness",
            Self::EffectiveKeys => "effective_keys",
            Self::Previous => "previous",
            Self::Induction => "induction",
            Self::Near => "near",
            Self::Sink => "sink",
            Self::Variation => "variation",
        }
    }

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sharpness => "Sharpness",
            Self::EffectiveKeys => "Effective keys",
            Self::Previous => "Previous",
            Self::Induction => "Induction",
            Self::Near => "Near",
            Self::Sink => "Sink",
            Self::Variation => "Variation",
        }
    }

    /// What it is, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::Sharpness => "1 − H / ln n over the n visible keys: 0 is an average over all, 1 a single key",
            Self::EffectiveKeys => "exp(H): how many keys a row spreads over",
            Self::Previous => "mean weight on the previous token",
            Self::Induction => "mean weight on the token after an earlier occurrence of the current one",
            Self::Near => "weight on near keys, in units of a uniform row",
            Self::Sink => "mean weight on the head's most-attended position",
            Self::Variation => "how much rows differ: Jensen-Shannon divergence in units of ln 2",
        }
    }

    /// True if it is a share of one.
    pub fn is_share(self) -> bool {
        !matches!(self, Self::EffectiveKeys | Self::Near)
    }

    /// The check whose value it is.
    pub fn check(self) -> Option<CheckId> {
        match self {
            Self::Sharpness => Some(CheckId::HeadSharpness),
            Self::EffectiveKeys => None,
            Self::Previous => Some(CheckId::HeadPrevious),
            Self::Induction => Some(CheckId::HeadInduction),
            Self::Near => Some(CheckId::PosLocal),
            Self::Sink => Some(CheckId::SinkRate),
            Self::Variation => Some(CheckId::QueryVariation),
        }
    }

    /// What there is to doubt a head's; `None` if no check looked at it.
    pub fn estimate(self, head: &HeadSummary) -> Option<&HeadEstimate> {
        let of = &head.estimates;
        match self {
            Self::Sharpness => of.sharpness.as_ref(),
            Self::EffectiveKeys => None,
            Self::Previous => of.previous.as_ref(),
            Self::Induction => of.induction.as_ref(),
            Self::Near => of.near.as_ref(),
            Self::Sink => of.sink.as_ref(),
            Self::Variation => of.variation.as_ref(),
        }
    }

    /// A head's; `None` if it could not be tested.
    pub fn of(self, head: &HeadSummary) -> Option<f64> {
        match self {
            Self::Sharpness => head.sharpness,
            Self::EffectiveKeys => head.effective_keys,
            Self::Previous => head.previous,
            Self::Induction => head.induction,
            Self::Near => head.near,
            Self::Sink => head.sink,
            Self::Variation => head.variation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Maps, noise, random_ids};
    use crate::{Config, judge};

    #[test]
    fn a_kind_is_called_the_same_everywhere() {
        for kind in [
            HeadKind::PreviousToken,
            HeadKind::PreviousTokenByScore,
            HeadKind::Induction,
            HeadKind::InductionByScore,
            HeadKind::Sink,
            HeadKind::SinkByScore,
            HeadKind::Local,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    /// A name that is no field, or a check that is another figure's, would be seen here.
    #[test]
    fn a_figure_is_its_field_and_its_checks_value() {
        let ids: Vec<Vec<u32>> = (0..6).map(|seed| random_ids(23, 7, seed)).collect();
        let head =
            |spread: f64| move |ids: &[u32], input: usize| noise(ids.len(), spread, 3 + input as u64, |_, _| 0.0);
        let maps = Maps::causal(&ids, 1).head(0, head(0.7)).head(0, head(1.3));
        let report = judge(&maps, None, &Config::default()).unwrap();
        for head in &report.heads {
            let fields = serde_json::to_value(head).unwrap();
            for figure in HeadFigure::ALL {
                let value = figure.of(head).unwrap();
                assert_eq!(fields[figure.name()].as_f64(), Some(value), "{figure:?}");
                if let Some(id) = figure.check() {
                    assert_eq!(report.of_head(id, head.layer, head.head).unwrap().value, Some(value), "{figure:?}");
                }
            }
            let numbers = fields.as_object().unwrap().values().filter(|value| value.is_f64()).count();
            assert_eq!(numbers, HeadFigure::ALL.len());
        }
    }
}
