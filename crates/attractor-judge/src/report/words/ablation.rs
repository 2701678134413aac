//! Sentences of group 9.

use attractor_record::evidence::AblationMode;

use super::gradient::{cut, left_out};
use super::{listed, note};
use crate::finding::{Measured, Say};
use crate::groups::ablation::{Change, Coverage, Perplexity, Replaced};

/// What stands in attention's place.
pub(super) fn replacement(mode: AblationMode) -> &'static str {
    match mode {
        AblationMode::Uniform => "uniform weights over the visible keys",
        AblationMode::SelfOnly => "each token attending to itself only",
        AblationMode::Previous => "each token attending to the previous one only",
        AblationMode::Local => "uniform weights over the local window",
        AblationMode::MeanMap => "the mean map of the other inputs",
        AblationMode::OtherInput => "another input's map",
        AblationMode::Zero => "zero ablation",
    }
}

fn covered(coverage: Coverage) -> String {
    let unserved = match coverage.unserved {
        0 => String::new(),
        n => format!("; no replacement map for {n} inputs"),
    };
    let run = coverage.run.map_or(String::new(), |(run, of)| format!("; {run} of {of} inputs run within the budget"));
    unserved + &run + &cut(coverage.cut)
}

fn changed(mode: AblationMode, change: &Change, of: &Measured) -> String {
    let words = replacement(mode);
    let (why, unresolved) = match change {
        Change::NotFinite => return format!("{words}: the model's output is not finite"),
        Change::State { share, coverage, unresolved } => {
            let why = format!("{words}: the last hidden state changes by {:.1} %{}", 100.0 * share, covered(*coverage));
            (why, *unresolved)
        }
        Change::Loss { nats, share, of_labels, p, coverage, unresolved } => {
            let what = if *of_labels { "exp(loss)" } else { "perplexity" };
            let better = if *nats < 0.0 { ": better than the learned attention" } else { "" };
            let p = p.map_or(String::new(), |(p, exact)| {
                format!(", sign-flip p = {p:.4}{}", if exact { " (exact)" } else { "" })
            });
            let why = format!(
                "{words}: loss {nats:+.4} nats, {what} {:+.1} % (the effect){better}{p}{}",
                100.0 * share,
                covered(*coverage)
            );
            (why, *unresolved)
        }
    };
    let unresolved = if unresolved { ": not resolvable, give five inputs or more" } else { "" };
    format!("{why}{}{unresolved}", note(of))
}

impl Say for Replaced {
    fn say(&self, of: &Measured) -> String {
        let why = changed(self.mode, &self.change, of);
        match &self.largest {
            None => why,
            Some(largest) => {
                format!("the largest effect, at {}: {why}; matters at {}", largest.part, listed(&largest.matter))
            }
        }
    }
}

impl Say for Perplexity {
    fn say(&self, of: &Measured) -> String {
        match self {
            Self::Alone { model } => {
                format!("perplexity {model:.2}; the tokens are not known, so there is no baseline")
            }
            Self::Beside { model, predictions, unigram, bigram, masked, left_out: inputs } => {
                let masked = if *masked { " (masked-token loss against next-token baselines)" } else { "" };
                format!(
                    "perplexity {model:.2} over {predictions} predictions; unigram {unigram:.2}, bigram {bigram:.2} on the \
                     same text (leave-one-out counts, add-one smoothing over the text's own \
                     vocabulary){masked}; effect: nats below unigram{}{}",
                    note(of),
                    left_out(inputs)
                )
            }
        }
    }
}
