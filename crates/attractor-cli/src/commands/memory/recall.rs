//! Recalls of corrupted patterns: their options, and their results in words and as JSON.

use attractor_render::memories::Shown;
use attractor_render::memories::recall::{descent, ending};
use attractor_session::experiment::recall::{self, Corruption, Recalls, Trace, Update};
use attractor_session::patterns::Stored;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::document;
use crate::args::{choice, same};
use crate::error::Outcome;
use crate::picture::Figure;

/// How a cue is made and recalled.
#[derive(Debug, Clone, Args)]
pub struct Recall {
    /// Fraction of a cue's units to flip
    #[arg(long, default_value_t = 0.2)]
    pub noise: f64,
    /// Fraction of a cue's units to mask, the last ones: they start at random and only they are updated
    #[arg(long, conflicts_with = "noise")]
    pub mask: Option<f64>,
    /// How units are updated
    #[arg(long, value_parser = choice::<Update>(), default_value = "random")]
    pub update: Update,
    /// Cues per pattern
    #[arg(long, default_value_t = 1)]
    pub cues: usize,
    /// Maximum number of sweeps over all units
    #[arg(long, default_value_t = 100)]
    pub sweeps: usize,
    #[command(flatten)]
    pub figure: Figure,
}

impl Recall {
    /// As the library reads it.
    pub fn options(&self, trace: Trace) -> recall::Recall {
        let corruption = self.mask.map_or(Corruption::Noise(self.noise), Corruption::Mask);
        same!(self => recall::Recall { update, cues, sweeps }, corruption, trace)
    }
}

/// Patterns as their figures show them.
pub fn shown(stored: &Stored) -> Shown<'_> {
    Shown { patterns: &stored.patterns, picture: stored.picture, source: stored.source.to_string() }
}

/// A memory's answer as JSON, with the words for it.
pub fn json(answer: &impl Serialize, recalls: &Recalls, source: &str) -> Outcome<Value> {
    let mut document = document(answer, &[("source", source), ("descends", &descent(recalls.descent))])?;
    for (at, r) in recalls.recalls.iter().enumerate() {
        document["recalls"][at]["ended"] = json!(r.ending.name());
        document["recalls"][at]["why"] = json!(ending(&r.ending));
    }
    Ok(document)
}
