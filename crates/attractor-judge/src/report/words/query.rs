//! Sentences of group 6.

use std::f64::consts::LN_2;

use super::note;
use crate::finding::{Measured, Place, Say};
use crate::groups::query::{Content, HeadContent, TokenShuffle, Variation};

impl Say for Variation {
    fn say(&self, of: &Measured) -> String {
        let near = self.near.map_or("none".to_string(), |near| format!("{near:.3}"));
        let units = match of.place {
            Place::MODEL => " (units of ln 2; 0 for any data-independent average)",
            _ => "",
        };
        let rows = match self.far {
            true => "rows 10 apart",
            false => "rows 10 apart (neighbours where those share no key)",
        };
        format!(
            "{rows} differ by JS {:.3} on their common support ({:.3} nats), neighbours by {near}{units}{}",
            self.value,
            self.value * LN_2,
            note(of)
        )
    }
}

fn unshared(share: f64) -> String {
    format!("{:.0} % of the maps' distance from uniform is not shared between inputs", 100.0 * share)
}

impl Say for Content {
    fn say(&self, of: &Measured) -> String {
        let tokens = match self.tokens {
            TokenShuffle::TooFewInputs => "token-shuffle null: needs five inputs of the same length".to_string(),
            TokenShuffle::NoEqualTokens => {
                "token-shuffle null: no two inputs have the same token at the same position".to_string()
            }
            TokenShuffle::Tested { closer, p, inputs, shuffles } => format!(
                "rows of equal tokens are {} by {:.4} (total variation, mean over heads), token-shuffle p = {p:.4} ({inputs} \
                 inputs, {shuffles} shuffles)",
                if closer < 0.0 { "farther apart" } else { "closer" },
                closer.abs()
            ),
        };
        format!("{}; {tokens}{}", unshared(self.share), note(of))
    }
}

impl Say for HeadContent {
    fn say(&self, of: &Measured) -> String {
        unshared(self.share) + &note(of)
    }
}
