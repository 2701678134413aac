//! Sentences of group 4.

use super::{in_heads, listed, note};
use crate::finding::{Measured, Say};
use crate::groups::uniform::{Closeness, Decision, HeadCloseness, Spread};

impl Say for Closeness {
    fn say(&self, of: &Measured) -> String {
        let undecided = match self.undecided.is_empty() {
            true => String::new(),
            false => format!("; undecided: {}", listed(&self.undecided)),
        };
        format!(
            "normalised KL to uniform {:.3} ({:.3} nats); equivalent to uniform {}{undecided}{}",
            self.kl,
            self.nats,
            in_heads(&self.uniform, self.heads),
            note(of)
        )
    }
}

impl Say for HeadCloseness {
    fn say(&self, of: &Measured) -> String {
        let decision = match self.decision {
            Decision::Uniform { p } => format!("equivalent to uniform (equivalence test, p = {p:.4})"),
            Decision::NotUniform => "not uniform".to_string(),
            Decision::Undecided => "undecided: the interval contains the margin".to_string(),
            Decision::NotTestable => "close to uniform; equivalence is not testable".to_string(),
        };
        format!("{decision}: normalised KL {:.3}, {:.3} nats (the effect){}", self.kl, self.nats, note(of))
    }
}

impl Say for Spread {
    fn say(&self, of: &Measured) -> String {
        format!(
            "entropy {:.3} of ln n; a row spreads over exp(H) = {:.1} keys (the effect; heads: least {:.1}, median {:.1}, \
             most {:.1}){}",
            self.entropy,
            self.keys,
            self.least,
            self.median,
            self.most,
            note(of)
        )
    }
}
