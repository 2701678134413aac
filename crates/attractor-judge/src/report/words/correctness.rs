//! Sentences of group 1.

use super::{Say, listed, plural};
use crate::finding::Measured;
use crate::groups::correctness::{
    Difference, Differences, Distinct, Excess, Finiteness, Largest, Lowest, Mode, Never, Probe, Worst,
};
use crate::id::CheckId;
use crate::measure::repeated_in_words;

impl Say for Finiteness {
    fn say(&self, _: &Measured) -> String {
        let Self { rows, empty, heads, all } = self;
        let empty = if *empty > 0 { format!("; {empty} rows see no key and are left out") } else { String::new() };
        match (heads.is_empty(), all) {
            (true, _) => format!("every row of every head is finite{empty}"),
            (_, true) => format!("{rows} rows are not finite, of every head: nothing is testable{empty}"),
            _ => format!("{rows} rows of {} are not finite: these heads are not testable{empty}", listed(heads)),
        }
    }
}

impl Say for Lowest {
    fn say(&self, _: &Measured) -> String {
        let Self { weight, at, negative } = self;
        match negative {
            true => format!("{at} has a weight of {weight:.3e}: these are scores or outputs, not attention weights"),
            false => "no weight is negative".to_string(),
        }
    }
}

/// The largest figure of a head, at a place.
fn largest(of: CheckId, largest: &Largest, at: &str) -> String {
    let value = largest.value;
    match of {
        CheckId::NormRows => {
            let hint = if value > 0.05 { ": dropout was on, or these are no weights" } else { "" };
            format!("largest |row sum - 1| = {value:.2e} ({at}){hint}")
        }
        CheckId::MaskCausal if largest.above => {
            format!("a causal model sees the future: mass {value:.3e} on later positions ({at})")
        }
        CheckId::MaskCausal => format!("largest mass on later positions {value:.1e} ({at})"),
        _ => format!("largest mass on keys that the mask forbids {value:.1e} ({at})"),
    }
}

impl Say for Largest {
    fn say(&self, of: &Measured) -> String {
        largest(of.id, self, &format!("{}, row {}", self.input, self.row))
    }
}

impl Say for Worst {
    fn say(&self, of: &Measured) -> String {
        let Self { largest: worst, at, bad, heads } = self;
        let why = largest(of.id, worst, &format!("{at}, {}, row {}", worst.input, worst.row));
        match bad.is_empty() {
            true => why,
            false => format!("{} of {heads} heads: {}; {why}", bad.len(), listed(bad)),
        }
    }
}

impl Say for Probe {
    fn say(&self, _: &Measured) -> String {
        match self {
            Self::Idle => "the perturbed token changed nothing at all: the probe shows nothing".to_string(),
            Self::Causal { probes, past, future } => format!(
                "{}: earlier outputs move by at most {past:.1e}, later ones by {future:.2e}",
                plural(*probes, "perturbed token")
            ),
            Self::Leaks { past, input, position } => format!(
                "a changed token moves earlier outputs by {past:.3e} (input {input}, position {position}): the model sees \
                 the future"
            ),
        }
    }
}

impl Say for Excess {
    fn say(&self, _: &Measured) -> String {
        let Self { nats, at, good } = self;
        match good {
            true => "entropies lie between their bounds from the sum of squares and from the scores".to_string(),
            false => {
                format!("{at}: an entropy breaks its bounds by {nats:.3} nats; the statistics contradict each other")
            }
        }
    }
}

/// The largest difference of an output check.
fn difference(of: CheckId, error: f64) -> String {
    let what = match of {
        CheckId::OutAv => "A.V against the z that the model used",
        _ => "W_O z + b against the module's output",
    };
    format!("{what}: largest difference {error:.1e} of the largest output")
}

impl Say for Difference {
    fn say(&self, of: &Measured) -> String {
        difference(of.id, self.error)
    }
}

impl Say for Differences {
    fn say(&self, of: &Measured) -> String {
        let mut why = difference(of.id, self.error);
        if !self.bad.is_empty() {
            why = format!("{}: the weights are not those that the model used; {why}", listed(&self.bad));
        }
        if self.unchecked > 0 {
            why += &format!("; {} not checked", plural(self.unchecked, "layer"));
        }
        why
    }
}

impl Say for Mode {
    fn say(&self, _: &Measured) -> String {
        let why = match self.evaluation {
            true => "evaluation mode: dropout was off",
            false => "dropout was on: these weights are not the model's",
        };
        why.to_string()
    }
}

impl Say for Distinct {
    fn say(&self, _: &Measured) -> String {
        repeated_in_words(&self.repeated).unwrap_or_else(|| format!("no two of {} inputs are the same", self.inputs))
    }
}

impl Say for Never {
    fn say(&self, _: &Measured) -> String {
        match *self {}
    }
}
