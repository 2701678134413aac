//! Sentences of group 5.

use super::{listed, note};
use crate::detect::{Detector, UNASKED};
use crate::finding::{Measured, Say};
use crate::groups::Class;
use crate::groups::heads::{Classes, HeadNamed, Named, Sharpness};

impl Say for Classes {
    fn say(&self, of: &Measured) -> String {
        let judged = self.judged();
        let share = |class: Class| {
            let n = self.counts[class as usize];
            format!("{n}/{judged} {} ({:.0}%)", class.name(), 100.0 * n as f64 / judged as f64)
        };
        let all = [Class::Sharp, Class::Medium, Class::Broad, Class::Uniform].map(share).join(", ");
        format!("{all}; mean 1 - H/ln n = {:.3}{}", self.mean, note(of))
    }
}

impl Say for Sharpness {
    fn say(&self, of: &Measured) -> String {
        let Self { class, sharpness, keys } = self;
        let class = class.name();
        format!("{class}: 1 - H/ln n = {sharpness:.3}, {keys:.1} effective keys (the effect){}", note(of))
    }
}

impl Say for Named {
    fn say(&self, _: &Measured) -> String {
        let what = match self.detector {
            Detector::Induction => "induction head",
            _ => "previous-token head",
        };
        let mut parts = Vec::new();
        if !self.found.is_empty() {
            parts.push(format!("{what} found: {}", listed(&self.found)));
        }
        if !self.alone.is_empty() {
            parts.push(format!("{what} by the score alone, not distinguishable from chance: {}", listed(&self.alone)));
        }
        if parts.is_empty() {
            parts.push(format!("no {what}; the best, {}, scores {:.2}", self.best.0, self.best.1));
            if self.unasked {
                parts.push(UNASKED.to_string());
            }
        }
        let on = self.stimulus.as_ref().map_or(String::new(), |stimulus| format!("on {stimulus}; "));
        let (null, correction) = (&self.null, self.correction.describe());
        format!("{} ({on}null: {null}; {correction} over {} tests)", parts.join("; "), self.tests)
    }
}

impl Say for HeadNamed {
    fn say(&self, of: &Measured) -> String {
        let how = if self.by_score { "by the score alone, as is customary: " } else { "" };
        format!("{how}{}{}", self.said, note(of))
    }
}
