//! What is held of a row while its keys come by: the sums of its weights, their logarithms and their squares.

use serde::{Deserialize, Serialize};

/// The weights of one softmax row over a set of keys, before normalisation.
///
/// Two of them over disjoint sets of keys [`merge`](Moments::merge) into that of their union; the one of no key is the
/// identity on both sides; merging is associative up to rounding. It is what the engines hold of every row.
///
/// | symbol | here        | meaning                                            |
/// |--------|-------------|----------------------------------------------------|
/// | m      | `max`       | max_j s_j, score after beta                        |
/// | z      | `partition` | sum_j e_j with e_j = exp(s_j - m)                  |
/// | l      | `log`       | sum_j e_j ln e_j, at most zero                     |
/// | q      | `square`    | sum_j e_j^2                                        |
///
/// # Source
/// Milakov and Gimelshein 2018 (online softmax); the state of FlashAttention's split over keys. Entropy and participation
/// merge by the same law: ln e_j moves by the difference of the maxima.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Keys seen; nothing else means anything while it is zero.
    pub keys: u64,
    /// m.
    pub max: f64,
    /// z.
    pub partition: f64,
    /// l.
    pub log: f64,
    /// q.
    pub square: f64,
}

impl Moments {
    /// Those of no key.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Those of one key.
    pub fn of(score: f64) -> Self {
        Self { keys: 1, max: score, partition: 1.0, log: 0.0, square: 1.0 }
    }

    /// True if no key was seen.
    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// The same weights relative to a larger maximum.
    pub(crate) fn relative_to(self, max: f64) -> Self {
        let shift = self.max - max;
        if shift == 0.0 {
            return self;
        }
        let factor = shift.exp();
        // A maximum infinitely far below leaves nothing: 0 x -inf would be NaN.
        let log = if factor > 0.0 { factor * (self.log + shift * self.partition) } else { 0.0 };
        Self { max, partition: self.partition * factor, log, square: self.square * factor * factor, ..self }
    }

    /// Takes in other keys.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = *other;
            return;
        }
        let max = if other.max > self.max { other.max } else { self.max };
        let (mine, theirs) = (self.relative_to(max), other.relative_to(max));
        *self = Self {
            keys: mine.keys + theirs.keys,
            max,
            partition: mine.partition + theirs.partition,
            log: mine.log + theirs.log,
            square: mine.square + theirs.square,
        };
    }

    /// ln sum_j exp(s_j), with a learned sink's logit if there is one, nats; -inf if empty and without a sink.
    ///
    /// A sink takes mass and is no key: it joins once, when all keys are in.
    pub fn log_sum_exp(&self, sink: Option<f64>) -> f64 {
        match (self.is_empty(), sink) {
            (true, sink) => sink.unwrap_or(f64::NEG_INFINITY),
            (false, None) => self.max + self.partition.ln(),
            (false, Some(sink)) => {
                let max = self.max.max(sink);
                max + (self.partition * (self.max - max).exp() + (sink - max).exp()).ln()
            }
        }
    }

    /// Share of the mass that a sink of this logit takes; 1 if there is no key.
    pub fn sink_mass(&self, sink: f64) -> f64 {
        match self.is_empty() {
            true => 1.0,
            false => (sink - self.log_sum_exp(Some(sink))).exp(),
        }
    }

    /// H = -sum_j p_j ln p_j over the keys alone, nats; NaN if empty.
    pub fn entropy(&self) -> f64 {
        match self.is_empty() {
            true => f64::NAN,
            false => (self.partition.ln() - self.log / self.partition).max(0.0),
        }
    }

    /// 1 / sum_j p_j^2 over the keys alone; NaN if empty.
    pub fn participation(&self) -> f64 {
        match self.is_empty() {
            true => f64::NAN,
            false => self.partition * self.partition / self.square,
        }
    }
}
