//! What may be asked about attention weights, and the answer's shape.
//!
//! A [`Request`] says which statistics are wanted, a [`HeadStatistics`] holds them for one head. Everything here is
//! O(queries + keys) in memory, however long the sequence is.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A class of keys whose mass is wanted: special tokens, the prompt, masked positions...
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name in tables.
    pub name: String,
    /// One entry a key: does it belong?
    pub members: Vec<bool>,
}

/// Which statistics are wanted.
///
/// [`Request::core`] costs little more than the scores themselves; [`Request::all`] is everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Width of the local window whose mass is counted, in keys, the query's own included (|p - j| < window).
    pub window: usize,
    /// Number of equal bins of the distance |p - j|, over 0..max(keys, queries + offset).
    pub bins: usize,
    /// Classes of keys.
    pub classes: Vec<Class>,
    /// Token of every key, for the mass on other keys with the query's own token; empty: not asked.
    pub tokens: Vec<u32>,
    /// Runner-up, spread of the scores and Zhai's bound, and the mean distance.
    pub extended: bool,
    /// Lags at which rows are compared by their Jensen-Shannon divergence.
    pub lags: Vec<usize>,
    /// The strongest links of the whole head to keep.
    pub links: usize,
    /// The strongest keys of every row to keep.
    pub row_top: usize,
    /// Side of the pooled maps.
    pub pooled: Option<usize>,
}

impl Request {
    /// Default window of the house: i-4..=i.
    pub const WINDOW: usize = 5;
    /// Default number of distance bins.
    pub const BINS: usize = 32;
    /// Default side of pooled maps.
    pub const POOLED: usize = 64;
    /// Default lags of the row divergence.
    pub const LAGS: [usize; 2] = [1, 10];

    /// Log-sum-exp, entropy, participation, peak and argmax, self / previous / first / window and class masses,
    /// the distance histogram and the column masses.
    pub fn core() -> Self {
        Self {
            window: Self::WINDOW,
            bins: Self::BINS,
            classes: Vec::new(),
            tokens: Vec::new(),
            extended: false,
            lags: Vec::new(),
            links: 0,
            row_top: 0,
            pooled: None,
        }
    }

    /// Everything that does not depend on tokens, with the house's defaults; 64 links.
    pub fn all() -> Self {
        Self { extended: true, lags: Self::LAGS.to_vec(), links: 64, pooled: Some(Self::POOLED), ..Self::core() }
    }

    /// Checks the request against the number of keys.
    ///
    /// # Errors
    /// `is_usage` for a window, bin count, lag or pooled side of zero, `is_shape` if a class or the tokens have
    /// another length than the keys.
    pub fn check(&self, keys: usize) -> Result<()> {
        if self.window == 0 || self.bins == 0 || self.lags.contains(&0) || self.pooled == Some(0) {
            return Err(Error::usage("statistics: window, bins, lags and pooled side must be at least 1"));
        }
        for class in &self.classes {
            if class.members.len() != keys {
                return Err(Error::shape(format!(
                    "statistics: class {:?} has {} members, there are {keys} keys; give one entry a key",
                    class.name,
                    class.members.len()
                )));
            }
        }
        if !self.tokens.is_empty() && self.tokens.len() != keys {
            return Err(Error::shape(format!(
                "statistics: {} tokens for {keys} keys; give one a key, or none",
                self.tokens.len()
            )));
        }
        Ok(())
    }
}

/// A query, a key and the weight between them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Row.
    pub query: u32,
    /// Column.
    pub key: u32,
    /// Weight, in [0, 1].
    pub weight: f32,
}

/// Statistics of one head over one input.
///
/// Vectors "per row" have one entry a query, "per key" one a key; what was not asked for is empty. n_i is the number
/// of keys that row i may see; p_ij its weights, s_ij its scores after beta and the modifiers.
///
/// # Empty and non-finite
/// A row that sees no key (or whose every visible score is -inf) is *empty*: log-sum-exp -inf, energy +inf, everything
/// else NaN, no part in any sum. A row with a non-finite query, a visible non-finite key, or a visible score of NaN
/// or +inf is *invalid*: everything NaN, no part in any sum. Both are counted. A visible score of -inf is a weight of
/// exactly zero; a score of -1e30 is a score like any other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeadStatistics {
    /// Queries.
    pub queries: usize,
    /// Keys.
    pub keys: usize,
    /// Rows that see no key.
    pub empty_rows: usize,
    /// Rows whose scores are not all numbers.
    pub invalid_rows: usize,
    /// n_i, per row.
    pub visible: Vec<u32>,
    /// log sum_j exp(s_ij), the learned sink included, per row, nats.
    pub log_sum_exp: Vec<f32>,
    /// sum_j p_ij + sink mass - 1, per row. What the arithmetic lost.
    pub row_sum_error: Vec<f32>,
    /// Mass on keys that the mask forbids, per row. Zero by construction in our engines; not so in foreign maps.
    pub forbidden_mass: Vec<f32>,
    /// Mass that a learned sink takes, per row; empty without sinks.
    pub sink_mass: Vec<f32>,
    /// Energy of the row: -lse(s) / beta for softmax, per row, units of the raw score.
    pub energy: Vec<f32>,
    /// H_i = -sum_j p ln p over the visible keys (renormalised if a sink takes mass), per row, nats.
    pub entropy: Vec<f32>,
    /// 1 / sum_j p^2, per row, keys.
    pub participation: Vec<f32>,
    /// max_j p_ij, per row.
    pub peak: Vec<f32>,
    /// The lowest key with the highest score, per row; `u32::MAX` where the row has none.
    pub argmax: Vec<u32>,
    /// The second-highest weight, per row (extended).
    pub runner_up: Vec<f32>,
    /// Its key, per row (extended); `u32::MAX` where there is none.
    pub runner_up_key: Vec<u32>,
    /// Norm of the centred scores over the visible keys, per row (extended).
    pub score_spread: Vec<f32>,
    /// Zhai's lower bound of the entropy, per row, nats (extended).
    pub entropy_bound: Vec<f32>,
    /// sum_j p_ij |p_i - j|, per row, tokens (extended).
    pub mean_distance: Vec<f32>,
    /// p_ii, per row.
    pub self_mass: Vec<f32>,
    /// p_i,i-1, per row.
    pub previous_mass: Vec<f32>,
    /// p_i0, per row.
    pub first_mass: Vec<f32>,
    /// Mass within the local window, per row.
    pub window_mass: Vec<f32>,
    /// Mass on *other* keys with the same token as the query, per row; empty unless tokens were given.
    pub same_token_mass: Vec<f32>,
    /// Number of those other keys, per row.
    pub same_token_keys: Vec<u32>,
    /// Mass on each class, [class][row].
    pub class_mass: Vec<Vec<f32>>,
    /// Width of a distance bin, tokens: bin b covers b w ..= (b + 1) w - 1.
    pub distance_bin_width: usize,
    /// Sum over rows of the mass in each distance bin.
    pub distance_mass: Vec<f64>,
    /// Sum over rows of n_i x that mass: divided by `distance_pairs` it is the mean of r_ij = n_i p_ij, 1 if uniform.
    pub distance_enrichment: Vec<f64>,
    /// Number of visible (row, key) pairs in each distance bin, over the rows that count.
    pub distance_pairs: Vec<u64>,
    /// Attention received: sum_i p_ij, per key.
    pub column_mass: Vec<f64>,
    /// Sum over rows that see key j of n_i p_ij, per key: divided by `column_rows` it is 1 if uniform.
    pub column_enrichment: Vec<f64>,
    /// Number of counted rows that see key j, per key.
    pub column_rows: Vec<u32>,
    /// JS divergence of rows i and i - lag on their common support, [lag][row], nats; NaN for rows without a pair.
    pub divergence: Vec<Vec<f32>>,
    /// The strongest links of the head, strongest first; ties by lower query, then key.
    pub links: Vec<Link>,
    /// The strongest keys of each row, [row x row_top], padded with `u32::MAX`.
    pub row_top_keys: Vec<u32>,
    /// Their weights, [row x row_top].
    pub row_top_weights: Vec<f32>,
    /// Side of the pooled maps; cell (a, b) covers rows floor(a n / side).. and keys floor(b m / side)..; the side is
    /// at most the number of queries and of keys.
    pub pooled_side: usize,
    /// Largest weight of each cell, [side x side].
    pub pooled_max: Vec<f32>,
    /// Mean weight of each cell over all its (row, key) pairs, [side x side].
    pub pooled_mean: Vec<f32>,
}

impl HeadStatistics {
    /// exp(H_i): the number of keys that row `row` spreads over.
    pub fn effective_keys(&self, row: usize) -> f32 {
        self.entropy[row].exp()
    }

    /// H_i / ln n_i in [0, 1]; NaN for rows that see fewer than two keys.
    pub fn normalised_entropy(&self, row: usize) -> f32 {
        match self.visible[row] {
            0 | 1 => f32::NAN,
            n => self.entropy[row] / (n as f32).ln(),
        }
    }

    /// The key with the largest attention received, the lowest on ties; `None` without keys.
    pub fn column_argmax(&self) -> Option<usize> {
        let best = self.column_mass.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.column_mass.iter().position(|&mass| mass >= best)
    }
}

/// Zhai's lower bound of a row's entropy, nats.
///
/// With s the norm of the centred scores over T keys and b = exp(-s sqrt(T / (T - 1))):
/// H >= ln(1 + (T - 1) b) + s sqrt(T (T - 1)) b / (1 + (T - 1) b).
/// # Source
/// Zhai et al. 2023, *Stabilizing transformer training by preventing attention entropy collapse*, arXiv 2303.06296.
pub fn zhai_bound(spread: f64, visible: usize) -> f64 {
    if visible < 2 {
        return 0.0;
    }
    let t = visible as f64;
    let b = (-spread * (t / (t - 1.0)).sqrt()).exp();
    let z = 1.0 + (t - 1.0) * b;
    z.ln() + spread * (t * (t - 1.0)).sqrt() * b / z
}
