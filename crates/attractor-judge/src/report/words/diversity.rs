//! Sentences of group 7.

use super::{listed, note, plural};
use crate::finding::{Measured, Say};
use crate::groups::diversity::{Beliefs, Linked, LinkedLayer};

impl Say for Linked {
    fn say(&self, of: &Measured) -> String {
        format!(
            "Spearman {:.3}, Mantel p = {:.4}, partial {} controlling for distance (the effect); correlated in {}; hidden states are {} (mean \
             cosine distance {:.3}), rows differ by JS {:.3} nats; {}, at most {} positions each{}",
            self.rho,
            self.p,
            self.partial.map_or("not testable".to_string(), |p| format!("{p:.3}")),
            listed(&self.layers),
            if self.beliefs.diverse { "diverse" } else { "alike" },
            self.beliefs.cosine,
            self.divergence,
            plural(self.inputs, "input"),
            self.positions,
            note(of)
        )
    }
}

impl Say for LinkedLayer {
    fn say(&self, of: &Measured) -> String {
        let Self { rho, p, cosine, divergence, best } = self;
        let best =
            best.map_or(String::new(), |(head, rho, p)| format!("; best head {head}: {rho:.3}, max-T p = {p:.4}"));
        format!(
            "Spearman {rho:.3}, Mantel p = {p:.4}; mean cosine distance {cosine:.3}, mean JS {divergence:.3} nats{best}{}",
            note(of)
        )
    }
}

impl Say for Beliefs {
    fn say(&self, of: &Measured) -> String {
        let Self { cosine, diverse } = self;
        let why = match diverse {
            true => {
                format!("hidden states differ between positions before attention: mean cosine distance {cosine:.3}")
            }
            false => format!(
                "hidden states are alike before attention (mean cosine distance {cosine:.3}): similar rows are to be expected"
            ),
        };
        why + &note(of)
    }
}
