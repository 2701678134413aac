//! Detectors: which head does what, and could chance have done the same?
//!
//! Every detector is one concept in one file: its definition, its threshold and where that comes from, and what it needs of a
//! capture. [`detect`] gives every head a score (mean over inputs), the score that chance would reach, an interval over
//! inputs, a p-value and its correction over all heads and detectors asked for.
//!
//! | detectors                                    | null figure                  | p-value                                  |
//! |----------------------------------------------|------------------------------|------------------------------------------|
//! | previous, current, first, sink, positional   | uniform over visible keys    | paired sign flips over inputs            |
//! | duplicate, induction, delimiter              | mean of the permutations     | patterns paired with other inputs' tokens |
//! | the same on fewer than five inputs           | mean of the permutations     | labels permuted within each input        |
//!
//! Each detector is asked on inputs that can show its kind of head ([`detect_on`]): duplicate and induction heads on
//! repeated random tokens, for a text hardly repeats itself, the others on the text.
//!
//! A head is *found* if its score reaches the threshold, its interval stands clear of the null, and the corrected p-value
//! is at most the asked rate. Where the permutations cannot reach that level, or there is no null, a head beyond its
//! threshold is *not resolvable*; what a capture cannot serve is *not testable*, with the reason.

mod current;
mod delimiter;
mod duplicate;
mod findings;
mod first;
pub mod induction;
mod labels;
mod observe;
pub mod pattern;
mod positional;
mod previous;
mod reason;
pub mod sink;
mod stage;
mod verdict;

use std::collections::BTreeMap;

use attractor_record::Token;
use serde::{Deserialize, Serialize};

use crate::measure::Geometry;
use crate::statistics::Correction;
use attractor::{Error, Result};

pub(crate) use findings::{Detecting, Part, on_stimuli, own, summed_up};
pub use findings::{
    Detection, Detections, DetectorSummary, Provenance, SCHEMA_VERSION, Stimulus, detect, detect_on, detect_with,
};
pub(crate) use labels::Labels;
pub(crate) use reason::UNASKED;
pub use reason::{Because, Draws, NoInterval, Null, Reason, Unmet, Unresolved};
pub use verdict::Finding;

/// A kind of head that can be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detector {
    /// Looks at the position before its own.
    Previous,
    /// Looks at its own position.
    Current,
    /// Looks at position 0.
    First,
    /// Looks at other occurrences of its token.
    Duplicate,
    /// Looks at what followed an earlier occurrence of its token.
    Induction,
    /// Its strongest key stands at one fixed offset.
    Positional,
    /// One position receives a large part of all attention.
    Sink,
    /// Looks at punctuation and separators.
    Delimiter,
}

/// What a detector is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Card {
    /// Its name in options and files.
    pub name: &'static str,
    /// What its score is.
    pub definition: &'static str,
    /// Score from which a head is of this kind.
    pub threshold: f64,
    /// Where threshold and definition come from.
    pub source: &'static str,
    /// What it needs of a capture.
    pub needs: &'static str,
    /// What an input must hold to be tested.
    pub kept: &'static str,
}

impl Detector {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Previous,
        Self::Current,
        Self::First,
        Self::Duplicate,
        Self::Induction,
        Self::Positional,
        Self::Sink,
        Self::Delimiter,
    ];

    /// What it is.
    pub fn card(self) -> &'static Card {
        match self {
            Self::Previous => &previous::CARD,
            Self::Current => &current::CARD,
            Self::First => &first::CARD,
            Self::Duplicate => &duplicate::CARD,
            Self::Induction => &induction::CARD,
            Self::Positional => &positional::CARD,
            Self::Sink => &sink::CARD,
            Self::Delimiter => &delimiter::CARD,
        }
    }

    /// Its name in options and files.
    pub fn name(self) -> &'static str {
        self.card().name
    }

    /// What the heads that it finds are called: "induction", "previous-token".
    pub fn kind(self) -> String {
        match self {
            Self::Previous | Self::Current | Self::First | Self::Duplicate => format!("{}-token", self.name()),
            _ => self.name().to_string(),
        }
    }

    /// Those that look for what repeats, which a text hardly shows and repeated random tokens do.
    pub const OF_REPETITION: [Self; 2] = [Self::Duplicate, Self::Induction];

    /// True if it is one of those.
    pub fn is_of_repetition(self) -> bool {
        Self::OF_REPETITION.contains(&self)
    }

    /// True if it follows tokens, so that chance is drawn by pairing patterns with other tokens.
    pub fn is_of_content(self) -> bool {
        matches!(self, Self::Duplicate | Self::Induction | Self::Delimiter)
    }

    /// True if it asks where a query stands among the keys, or what its token is: cross attention cannot answer.
    pub fn is_of_positions(self) -> bool {
        !matches!(self, Self::First | Self::Sink | Self::Delimiter)
    }

    /// The cells of a map that it counts; `None` where an input has none, and for detectors that count none.
    pub(crate) fn labels(self, g: &Geometry, tokens: &[Token]) -> Option<Labels> {
        match self {
            Self::Previous => previous::labels(g),
            Self::Current => current::labels(g),
            Self::First => first::labels(g),
            Self::Duplicate => duplicate::labels(g),
            Self::Induction => induction::labels(g),
            Self::Delimiter => delimiter::labels(g, tokens),
            Self::Positional | Self::Sink => None,
        }
    }

    /// Reads names separated by commas; "all" means all.
    ///
    /// # Errors
    /// `is_usage` for a name that is none, listing the known ones, and for an empty list.
    pub fn parse(list: &str) -> Result<Vec<Self>> {
        let mut chosen = Vec::new();
        for name in list.split(',').map(str::trim) {
            match Self::ALL.into_iter().find(|d| d.name() == name) {
                Some(detector) if !chosen.contains(&detector) => chosen.push(detector),
                Some(_) => {}
                None if name == "all" => {
                    chosen.extend(Self::ALL.into_iter().filter(|d| !chosen.contains(d)).collect::<Vec<_>>())
                }
                None => {
                    let known: Vec<&str> = Self::ALL.into_iter().map(Self::name).collect();
                    let why = format!("expected names separated by commas from {}, or all", known.join(", "));
                    return Err(Error::option("detect", name, why));
                }
            }
        }
        chosen.sort_unstable();
        Ok(chosen)
    }
}

/// What to look for, and how carefully.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Which detectors.
    pub detectors: Vec<Detector>,
    /// Those of them whose stimulus could not be made: not testable, for on any other it would be found nowhere.
    pub without_stimulus: Vec<Detector>,
    /// Thresholds in the place of the detectors' own.
    pub thresholds: BTreeMap<Detector, f64>,
    /// Largest corrected p-value of a head that is named.
    pub fdr: f64,
    /// How p-values are corrected over heads and detectors.
    pub correction: Correction,
    /// Random permutations; where fewer exist, all of them are tried.
    pub permutations: usize,
    /// Bootstrap resamples.
    pub resamples: usize,
    /// Level of the intervals.
    pub confidence: f64,
    /// Seed of every draw.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            detectors: Detector::ALL.to_vec(),
            without_stimulus: Vec::new(),
            thresholds: BTreeMap::new(),
            fdr: 0.05,
            correction: Correction::Bh,
            permutations: 10_000,
            resamples: 1999,
            confidence: 0.95,
            seed: 0,
        }
    }
}

impl Options {
    /// Most permutations that are drawn.
    pub const MOST_PERMUTATIONS: usize = 1_000_000;

    /// Score from which a head is of a kind.
    pub fn threshold(&self, detector: Detector) -> f64 {
        self.thresholds.get(&detector).copied().unwrap_or(detector.card().threshold)
    }

    /// True if `score` is enough: beyond epsilon for sinks, at least the threshold for the others.
    pub fn reaches(&self, detector: Detector, score: f64) -> bool {
        match detector {
            Detector::Sink => score > self.threshold(detector),
            _ => score >= self.threshold(detector),
        }
    }

    /// Checks that every option is in range, before anything is read.
    ///
    /// # Errors
    /// `is_usage`, naming the option and its range.
    pub fn check(&self) -> Result<()> {
        if self.detectors.is_empty() {
            return Err(Error::option("detect", "", "no detector is named; name at least one, or all"));
        }
        if !(self.fdr > 0.0 && self.fdr < 1.0) {
            return Err(Error::option("fdr", self.fdr, "give a number between 0 and 1"));
        }
        if !(99..=Self::MOST_PERMUTATIONS).contains(&self.permutations) {
            let why = format!("give 99 to {}", Self::MOST_PERMUTATIONS);
            return Err(Error::option("permutations", self.permutations, why));
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(Error::option("confidence", self.confidence, "give a number between 0 and 1"));
        }
        if self.resamples < 99 {
            return Err(Error::option("resamples", self.resamples, "give at least 99"));
        }
        Ok(())
    }
}

/// A figure as observed, and under each permutation.
pub(crate) struct Permutations {
    pub observed: f64,
    pub permuted: Vec<f64>,
}
