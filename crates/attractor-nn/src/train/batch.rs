//! What a batch is made of: windows of text and, to grow induction, random sequences that repeat.

use attractor::random::{Philox, stream};
use serde::{Deserialize, Serialize};

use super::Plan;
use attractor::{Error, Result};

/// Shares of the rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// Rows of random tokens that start again after a random period; only what repeats counts for the loss. The rest
    /// are windows of the text.
    pub repeated: f64,
}

impl Default for Mixture {
    fn default() -> Self {
        Self { repeated: 0.6 }
    }
}

impl Mixture {
    pub(super) fn check(&self) -> Result<()> {
        match (0.0..=1.0).contains(&self.repeated) {
            true => Ok(()),
            false => Err(Error::option("repeats", self.repeated, "give a number from 0 to 1")),
        }
    }
}

/// One step's sequences.
pub(super) struct Batch {
    /// `length + 1` tokens each: the inputs and, one further, what is predicted.
    pub rows: Vec<Vec<u32>>,
    /// Rows of the flattened hidden states that count.
    pub predicted: Vec<usize>,
    /// What each of them must predict.
    pub targets: Vec<usize>,
}

/// The batch of step `step`.
pub(super) fn draw(text: &[u32], plan: &Plan, vocab: usize, step: usize) -> Result<Batch> {
    let length = plan.length;
    if plan.mixture.repeated < 1.0 && text.len() < length + 1 {
        return Err(Error::usage(format!(
            "train: the text has {} tokens, a sequence takes {}; give more text or shorter sequences",
            text.len(),
            length + 1
        )));
    }
    if let Some(at) = text.iter().position(|&id| id as usize >= vocab) {
        return Err(Error::usage(format!(
            "train: token {at} of the text has number {}, the vocabulary has {vocab}; tokenizer and model do not belong \
             together",
            text[at]
        )));
    }
    let mut batch = Batch { rows: Vec::new(), predicted: Vec::new(), targets: Vec::new() };
    // Spread evenly, so that the share holds in every batch and not only on average.
    let repeated = (plan.mixture.repeated * plan.batch as f64).round() as usize;
    for row in 0..plan.batch {
        let mut random = Philox::new(plan.seed, stream::sequence((step * plan.batch + row) as u64));
        let (tokens, first) = if row < repeated {
            // Two periods fit at least; a third or fourth repeat is a longer copy of the same lesson.
            let period = 4 + random.below(length / 2 - 3);
            let pattern: Vec<u32> = (0..period).map(|_| random.below(vocab) as u32).collect();
            // The token at `period` is the first that can be known, if only from the second occurrence of its
            // predecessor on: predicted from position `period`.
            ((0..=length).map(|i| pattern[i % period]).collect::<Vec<_>>(), period)
        } else {
            let start = random.below(text.len() - length);
            (text[start..=start + length].to_vec(), 0)
        };
        for i in first..length {
            batch.predicted.push(row * length + i);
            batch.targets.push(tokens[i + 1] as usize);
        }
        batch.rows.push(tokens);
    }
    Ok(batch)
}
