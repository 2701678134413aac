//! Sentences of group 2.

use attractor::numerals::significant;

use super::{in_heads, note, plural};
use crate::finding::{Measured, Say};
use crate::groups::position::{Baseline, Enrichment, Explained, HeadExplained, HeadLocality, Locality};

fn enriched(enrichment: Enrichment, p: Option<f64>) -> String {
    let far = enrichment.far.map_or("n/a".to_string(), |far| format!("{far:.2}"));
    let p = p.map_or(String::new(), |p| format!(", within-row permutation p = {}", significant(p, 2)));
    format!("near {:.2}, far {far} times uniform{p} (effect: (near - far) / (near + far))", enrichment.near)
}

impl Say for Locality {
    fn say(&self, of: &Measured) -> String {
        let heads = in_heads(&self.local, self.heads);
        format!("{}; local {heads}{}", enriched(self.enrichment, None), note(of))
    }
}

impl Say for HeadLocality {
    fn say(&self, of: &Measured) -> String {
        format!("{}{}", enriched(self.enrichment, self.p), note(of))
    }
}

impl Say for Explained {
    fn say(&self, of: &Measured) -> String {
        let how = match self.by {
            Baseline::Cells { inputs } => format!("by cell, over {} of the same length", plural(inputs, "input")),
            Baseline::Offsets => "by offset, since no two inputs have the same length".to_string(),
        };
        format!(
            "position leaves {:.0} % of the patterns unexplained (JS to the leave-one-out mean map over JS to uniform; {how}){}",
            100.0 * (1.0 - self.share),
            note(of)
        )
    }
}

impl Say for HeadExplained {
    fn say(&self, of: &Measured) -> String {
        format!(
            "the positions of the other inputs leave {:.0} % of the pattern unexplained{}",
            100.0 * (1.0 - self.share),
            note(of)
        )
    }
}
