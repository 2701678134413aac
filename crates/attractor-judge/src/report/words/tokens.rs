//! Sentences of group 3.

use super::{in_heads, listed, note};
use crate::finding::{Measured, Say};
use crate::groups::tokens::{Attraction, HeadAttraction, HeadSink, Position, Received, Sinks};
use crate::measure::{ClassKind, NullKind};

/// A class of keys.
pub(super) fn class(kind: ClassKind) -> &'static str {
    match kind {
        ClassKind::Special => "special token",
        ClassKind::Punctuation => "punctuation",
        ClassKind::First => "first position",
    }
}

fn null(kind: NullKind) -> String {
    match kind {
        NullKind::Mismatched { inputs, pairings } => {
            format!("patterns paired with the tokens of other inputs, {inputs} inputs, {pairings} pairings")
        }
        NullKind::Stratified { inputs: 1 } => {
            "labels permuted among pairs of equal offset within the input".to_string()
        }
        NullKind::Stratified { inputs } => {
            format!("labels permuted among pairs of equal offset within each of {inputs} inputs")
        }
        NullKind::None => "no null: no token repeats".to_string(),
    }
}

fn attraction(contrast: f64) -> String {
    let side = if contrast < 0.0 { "less" } else { "more" };
    format!(
        "same-token pairs receive {:.2} {side} than other pairs at the same distance, in units of the uniform weight",
        contrast.abs()
    )
}

impl Say for Attraction {
    fn say(&self, of: &Measured) -> String {
        let p = self.chance.map_or(String::new(), |(p, kind)| format!("; p = {p:.4} ({})", null(kind)));
        let heads = in_heads(&self.attracting, self.heads);
        format!("{}{p}; {heads}{}", attraction(self.contrast), note(of))
    }
}

impl Say for HeadAttraction {
    fn say(&self, of: &Measured) -> String {
        let q = self.q.map_or(String::new(), |q| format!(", permutation q = {q:.3}"));
        format!("{}{q}{}", attraction(self.contrast), note(of))
    }
}

impl Say for Received {
    fn say(&self, of: &Measured) -> String {
        let Self { class: kind, times } = self;
        format!("{}: {times:.2} times uniform, over the queries that see it{}", class(*kind), note(of))
    }
}

impl Say for Sinks {
    fn say(&self, _: &Measured) -> String {
        let alone = match self.alone {
            0 => String::new(),
            n => format!("; {n} of them by the score alone: not distinguishable from chance on these inputs"),
        };
        let found = match self.found.as_slice() {
            [] => String::new(),
            found => format!(" ({} at the first position): {}", self.at_first, listed(found)),
        };
        format!(
            "{} of {} heads have a sink{found}{alone}; reported, not judged (over whole inputs; Gu et al. use 64 tokens)",
            self.found.len(),
            self.heads
        )
    }
}

/// "position 0 ([CLS])".
fn position(Position { key, token }: &Position) -> String {
    match token {
        Some(text) => format!("position {key} ({text})"),
        None => format!("position {key}"),
    }
}

impl Say for HeadSink {
    fn say(&self, of: &Measured) -> String {
        let names: Vec<String> = self.at.iter().map(position).collect();
        let share = 100.0 * self.share;
        let words = match self.is_sink {
            true => format!("a sink: {share:.0} % of the attention goes to {}", listed(&names)),
            false => format!("no sink: at most {share:.0} % goes to one position ({})", listed(&names)),
        };
        format!("{words}; {}{}", self.said, note(of))
    }
}
