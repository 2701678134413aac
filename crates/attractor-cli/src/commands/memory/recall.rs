//! Recalls of corrupted patterns: their options, and their results in words and as JSON.

use std::path::PathBuf;

use attractor_render::memories::Shown;
use attractor_session::energy::Descends;
use attractor_session::experiment::recall::{self, Corruption, Recalled, Recalls, Trace, Update};
use attractor_session::patterns::Stored;
use attractor_session::settle::Ending;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::document;
use crate::args::{choice, same};
use crate::console::number;
use crate::error::Outcome;

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
    /// Also save a figure: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
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

/// Whether recall goes downhill, in words.
pub fn descent(descends: Descends) -> String {
    match descends {
        Descends::Exact => "no update raises the energy, so recall converges".to_string(),
        Descends::Conditional(condition) => format!("no update raises the energy if {condition}"),
        Descends::None(why) => format!("the energy may rise: {why}"),
    }
}

/// What a state is, in words.
fn words(ending: &Ending) -> String {
    let but = |wrong: usize| match wrong {
        0 => String::new(),
        1 => " but for 1 unit".to_string(),
        n => format!(" but for {n} units"),
    };
    match ending {
        Ending::Stored { pattern, wrong } => format!("pattern {pattern}{}", but(*wrong)),
        Ending::Mirrored { pattern, wrong } => format!("mirror of pattern {pattern}{}", but(*wrong)),
        Ending::Mixture { patterns, wrong } => {
            let names: Vec<String> =
                patterns.iter().map(|(at, mirrored)| format!("{}xi_{at}", if *mirrored { "-" } else { "" })).collect();
            format!("mixture of {}{}", names.join(", "), but(*wrong))
        }
        Ending::Spurious => "spurious state".to_string(),
        Ending::Cycle => "cycle of two states".to_string(),
        Ending::OutOfSweeps => "not settled: raise --sweeps".to_string(),
    }
}

/// The recalls as a table, and what they come to.
pub fn table(recalls: &Recalls) -> String {
    const SHOWN: usize = 40;
    let all = &recalls.recalls;
    let mut out = format!(
        "{:>7}  {:>11}  {:>11}  {:>10}  {:>10}  {:>6}  ended at\n",
        "pattern", "cue overlap", "end overlap", "energy", "at the end", "sweeps"
    );
    for r in all.iter().take(SHOWN) {
        let energy = |at: Option<&f64>| at.map_or("-".to_string(), |&e| number(e, 3));
        out += &format!(
            "{:>7}  {:>11.3}  {:>11.3}  {:>10}  {:>10}  {:>6}  {}\n",
            r.pattern,
            r.cue_overlap,
            r.overlap,
            energy(r.energies.first()),
            energy(r.energies.last()),
            r.sweeps,
            words(&r.ending)
        );
    }
    if all.len() > SHOWN {
        out += &format!("and {} more; --json has them all\n", all.len() - SHOWN);
    }
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for name in all.iter().filter(|r| !r.exact).map(kind) {
        match kinds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => kinds.push((name, 1)),
        }
    }
    let others: Vec<String> = kinds.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    let rest = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    out + &format!("\n{} of {} cues recalled without an error{rest}\n", recalls.exact(), all.len())
}

fn kind(recalled: &Recalled) -> &'static str {
    match &recalled.ending {
        Ending::Stored { pattern, .. } if *pattern == recalled.pattern => "nearly recalled",
        Ending::Stored { .. } => "another pattern",
        ending => ending.name(),
    }
}

/// A memory's answer as JSON, with the words for it.
pub fn json(answer: &impl Serialize, recalls: &Recalls, source: &str) -> Outcome<Value> {
    let mut document = document(answer, &[("source", source), ("descends", &descent(recalls.descent))])?;
    for (at, r) in recalls.recalls.iter().enumerate() {
        document["recalls"][at]["ended"] = json!(r.ending.name());
        document["recalls"][at]["why"] = json!(words(&r.ending));
    }
    Ok(document)
}
