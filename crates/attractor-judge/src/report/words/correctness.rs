//! Sentences of group 1.

use super::{listed, plural};
use crate::finding::{Measured, Say};
use crate::groups::correctness::{
    Difference, Differences, Distinct, Excess, Finiteness, Largest, Lowest, Mode, Never, Probe, Worst,
};
use crate::id::CheckId;
use crate::measure::Repeated;
use attractor::numerals::significant;

impl Say for Finiteness {
    fn say(&self, _: &Measured) -> String {
        let Self { rows, empty, heads, all } = self;
        let empty = if *empty > 0 {
            format!("; {empty} rows see no key (padding): nothing was tested on them")
        } else {
            String::new()
        };
        match (heads.is_empty(), all) {
            (true, _) => format!("every row of every head is finite{empty}"),
            (_, true) => format!("{rows} rows are not finite, in every head: nothing can be tested{empty}"),
            _ => format!("{rows} rows of {} are not finite: these heads are not testable{empty}", listed(heads)),
        }
    }
}

impl Say for Lowest {
    fn say(&self, _: &Measured) -> String {
        let Self { weight, at, negative } = self;
        match negative {
            true => format!(
                "{at} has a weight of {}: these are scores or outputs, not attention weights",
                significant((*weight).into(), 4)
            ),
            false => "no weight is negative".to_string(),
        }
    }
}

/// The largest figure of a head, at a place.
fn largest(of: CheckId, largest: &Largest, at: &str) -> String {
    let value = largest.value;
    match of {
        CheckId::NormRows => {
            let hint = if value == 1.0 {
                ": dropout was on, the row was zeroed, or it is padding that nothing names"
            } else if value > 0.05 {
                ": dropout was on, or these are not attention weights"
            } else {
                ""
            };
            format!("largest |row sum - 1| = {} ({at}){hint}", significant(value, 3))
        }
        CheckId::MaskCausal if largest.above => {
            format!("a causal model sees the future: mass {} on later positions ({at})", significant(value, 4))
        }
        CheckId::MaskCausal => format!("largest mass on later positions {} ({at})", significant(value, 2)),
        _ => format!("largest mass on masked keys {} ({at})", significant(value, 2)),
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
            Self::Idle => "perturbing a token changed no output at all: the probe is uninformative".to_string(),
            Self::Causal { probes, past, future } => format!(
                "{}: earlier outputs change by at most {}, later ones by {}",
                plural(*probes, "perturbed token"),
                significant(*past, 2),
                significant(*future, 3)
            ),
            Self::Leaks { past, input, position } => format!(
                "changing a token changes earlier outputs by {} (input {input}, position {position}): the model sees \
                 the future",
                significant(*past, 4)
            ),
        }
    }
}

impl Say for Excess {
    fn say(&self, _: &Measured) -> String {
        let Self { nats, at, good } = self;
        match good {
            true => "entropies lie within the bounds given by the sums of squares and by the scores".to_string(),
            false => {
                format!("{at}: an entropy exceeds its bounds by {nats:.3} nats; the statistics contradict each other")
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
    format!("{what}: largest difference {}, relative to the largest output", significant(error, 2))
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
        Repeated::of(&self.repeated)
            .map_or_else(|| format!("no two of {} inputs are the same", self.inputs), |repeated| repeated.to_string())
    }
}

impl Say for Never {
    fn say(&self, _: &Measured) -> String {
        match *self {}
    }
}
