//! What acts on beta x similarity before the separation: masks, biases, caps and learned sinks.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which keys a query may see, as a rule and not as a matrix.
///
/// Query `i` stands at position `p = i + offset` among the keys. The keys that it may see form one interval, the
/// intersection of the rules below, less the `hidden` keys:
///
/// | rule     | admits key j                                                              |
/// |----------|---------------------------------------------------------------------------|
/// | `causal` | j <= p, or both p and j within the first `prefix` positions               |
/// | `window` | \|p - j\| < window (so a causal window of 5 is p-4..=p)                     |
/// | `block`  | j in the same block of `block` positions as p                             |
/// | `hidden` | `hidden[j]` is false (padding); an empty list hides nothing               |
///
/// The window and the blocks bind inside the prefix too.
///
/// # Example
/// ```
/// use attractor::retrieve::Mask;
/// let mask = Mask { window: Some(3), ..Mask::causal() };
/// assert_eq!(mask.range(5, 8), 3..6);
/// assert_eq!(mask.visible(0, 8), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mask {
    /// No query sees a later key.
    pub causal: bool,
    /// Position of query 0 among the keys (tokens already in a key-value cache).
    pub offset: usize,
    /// Width of the sliding window, in keys; the query's own position counts.
    pub window: Option<usize>,
    /// The first `prefix` positions see each other in both directions (prefix language models).
    pub prefix: usize,
    /// Positions are cut into blocks of this length that do not see each other.
    pub block: Option<usize>,
    /// Keys that no query sees; empty, or one entry per key.
    pub hidden: Vec<bool>,
}

impl Mask {
    /// Every query sees every key.
    pub fn full() -> Self {
        Self::default()
    }

    /// Query i sees keys 0..=i.
    pub fn causal() -> Self {
        Self { causal: true, ..Self::default() }
    }

    /// The interval of keys that query `query` may see among `keys` keys, before `hidden` is applied. May be empty.
    pub fn range(&self, query: usize, keys: usize) -> Range<usize> {
        let p = query + self.offset;
        let mut low = 0;
        let mut high = keys;
        if self.causal {
            high = high.min(if p < self.prefix { self.prefix } else { p + 1 });
        }
        if let Some(window) = self.window {
            low = low.max((p + 1).saturating_sub(window));
            high = high.min(p.saturating_add(window));
        }
        if let Some(block) = self.block {
            low = low.max(p / block * block);
            high = high.min((p / block + 1) * block);
        }
        low.min(high)..high
    }

    /// True if query `query` may see key `key`.
    pub fn admits(&self, query: usize, key: usize, keys: usize) -> bool {
        self.range(query, keys).contains(&key) && !self.hides(key)
    }

    /// True if no query may see key `key`.
    pub fn hides(&self, key: usize) -> bool {
        self.hidden.get(key).copied().unwrap_or(false)
    }

    /// True if the query's own position is hidden: the row is one of padding, and need not have any mass.
    pub fn is_padding(&self, query: usize) -> bool {
        self.hides(query + self.offset)
    }

    /// The number of keys that query `query` may see: n_i of the statistics.
    pub fn visible(&self, query: usize, keys: usize) -> usize {
        let range = self.range(query, keys);
        match self.hidden.is_empty() {
            true => range.len(),
            false => range.filter(|&key| !self.hidden[key]).count(),
        }
    }

    /// Checks the rules against a problem's shape.
    ///
    /// # Errors
    /// `is_usage` for a window or block of zero keys, `is_shape` if `hidden` has another length than the keys.
    pub fn check(&self, keys: usize) -> Result<()> {
        if self.window == Some(0) || self.block == Some(0) {
            return Err(Error::usage(
                "mask: a window or block of 0 keys admits nothing; give at least 1, or leave it out",
            ));
        }
        if !self.hidden.is_empty() && self.hidden.len() != keys {
            return Err(Error::shape(format!(
                "mask: `hidden` has {} entries, there are {keys} keys; give one entry per key, or none",
                self.hidden.len()
            )));
        }
        Ok(())
    }
}

/// Everything that acts on beta x similarity before the separation.
///
/// In this order: score -> cap tanh(score / cap) -> - slope |p - j| -> + bias -> mask -> separation; a learned sink
/// joins the softmax as one more key without a value.
#[derive(Debug, Clone, Copy)]
pub struct Modifiers<'a> {
    /// Which keys a query may see.
    pub mask: &'a Mask,
    /// Soft cap of the scores (Gemma 2), > 0.
    pub soft_cap: Option<f32>,
    /// ALiBi slopes, one per query head: adds -slope |p - j|.
    pub alibi: Option<&'a [f32]>,
    /// Additive bias of shape [1 or heads, queries, keys]; -inf hides a key from a query.
    pub bias: Option<&'a [f32]>,
    /// Learned sink logits (after beta), one per query head: mass that goes to no key.
    pub sinks: Option<&'a [f32]>,
}

impl<'a> Modifiers<'a> {
    /// Nothing but a mask.
    pub fn masked(mask: &'a Mask) -> Self {
        Self { mask, soft_cap: None, alibi: None, bias: None, sinks: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_and_the_rule_agree_key_by_key() {
        let n = 17;
        for causal in [false, true] {
            for window in [None, Some(1), Some(4)] {
                for prefix in [0, 6] {
                    for block in [None, Some(5)] {
                        for offset in [0, 3] {
                            let mask = Mask { causal, offset, window, prefix, block, hidden: vec![] };
                            for i in 0..n - offset {
                                let p = i + offset;
                                for j in 0..n {
                                    let admitted = (!causal || j <= p || (p < prefix && j < prefix))
                                        && window.is_none_or(|w| p.abs_diff(j) < w)
                                        && block.is_none_or(|b| p / b == j / b);
                                    assert_eq!(mask.admits(i, j, n), admitted, "{mask:?} {i} {j}");
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
