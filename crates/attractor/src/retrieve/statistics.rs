//! What may be asked about attention weights, and the answer's shape.
//!
//! A [`Request`] says which statistics are wanted, a [`HeadStatistics`] holds them for one head. Everything here is
//! O(queries + keys) in memory, however long the sequence is.

use serde::{Deserialize, Serialize};

use super::bits;
use crate::error::{Error, Result};

/// A class of keys whose mass is wanted: special tokens, the prompt, masked positions...
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name in tables.
    pub name: String,
    /// One entry per key: does it belong?
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
                    "statistics: class {:?} has {} members, there are {keys} keys; give one entry per key",
                    class.name,
                    class.members.len()
                )));
            }
        }
        if !self.tokens.is_empty() && self.tokens.len() != keys {
            return Err(Error::shape(format!(
                "statistics: {} tokens for {keys} keys; give one per key, or none",
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

/// Numbers of a statistic, one per row.
#[derive(Clone, Copy)]
pub enum RowNumbers {
    /// 32-bit numbers; NaN where a row has none.
    Float(fn(&HeadStatistics) -> &Vec<f32>, fn(&mut HeadStatistics) -> &mut Vec<f32>),
    /// Whole numbers or keys; `u32::MAX` where a row has no such key.
    Whole(fn(&HeadStatistics) -> &Vec<u32>, fn(&mut HeadStatistics) -> &mut Vec<u32>),
}

/// Where a statistic is there at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Where heads have a learned sink.
    Sinks,
    /// Where the extended statistics were asked for.
    Extended,
    /// Where the tokens were given.
    Tokens,
}

/// A statistic of a row, as it is declared: once, here. Engines, the run format, tables, documentation and tests follow.
///
/// Rows join by standing one behind the other.
#[derive(Clone, Copy)]
pub struct RowStatistic {
    /// Its name: the field, the label in a run, the column of a table.
    pub name: &'static str,
    /// What it is, a line.
    pub meaning: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Where it is there.
    pub when: When,
    /// True if the table of heads has its mean over rows.
    pub in_table: bool,
    /// Its numbers.
    pub numbers: RowNumbers,
    /// What a row holds before it was seen.
    blank: f32,
}

/// A statistic of a row that is taken several times, once per class of keys or per lag: [member][row].
///
/// Rows join by standing one behind the other.
#[derive(Clone, Copy)]
pub struct FamilyStatistic {
    /// Its name: the field, and the head of its labels in a run.
    pub name: &'static str,
    /// What it is, a line.
    pub meaning: &'static str,
    /// What its members are.
    pub over: Over,
    /// Its unit.
    pub unit: &'static str,
    /// Its numbers; NaN where a row has none.
    pub read: fn(&HeadStatistics) -> &Vec<Vec<f32>>,
    /// The same, to be changed.
    pub write: fn(&mut HeadStatistics) -> &mut Vec<Vec<f32>>,
}

/// What the members of a family of statistics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The classes of keys of a [`Request`].
    Class,
    /// Its lags.
    Lag,
}

/// A sum over rows, one entry per key or per bin of distance. Parts join by adding.
#[derive(Clone, Copy)]
pub struct SummedStatistic {
    /// Its name.
    pub name: &'static str,
    /// What it is, a line.
    pub meaning: &'static str,
    /// "key" or "distance_bin".
    pub axis: &'static str,
    /// In what it is measured.
    pub unit: &'static str,
    /// Its numbers, widened; whole ones are exact below 2^53.
    pub read: fn(&HeadStatistics) -> Vec<f64>,
    /// Puts them back.
    pub write: fn(&mut HeadStatistics, Vec<f64>),
    /// Adds those of other rows.
    join: fn(&mut HeadStatistics, &HeadStatistics),
}

macro_rules! numbers {
    (f32, $name:ident) => {
        RowNumbers::Float(|s| &s.$name, |s| &mut s.$name)
    };
    (u32, $name:ident) => {
        RowNumbers::Whole(|s| &s.$name, |s| &mut s.$name)
    };
}

macro_rules! blank {
    (f32) => {
        f32::NAN
    };
    // Of keys: the largest u32, which f32 saturates to.
    (u32 key) => {
        f32::INFINITY
    };
    (u32) => {
        0.0
    };
}

macro_rules! declare {
    (
        $(#[$of_struct:meta])*
        rows { $($row:ident: $kind:ident $($what:ident)?, $unit:literal, $when:ident, table: $table:literal, $row_doc:literal;)* }
        families { $($family:ident: $over:ident, $family_unit:literal, $family_doc:literal;)* }
        sums { $($sum:ident: [$number:ident; $axis:literal], $sum_unit:literal, $sum_doc:literal;)* }
        rest { $($(#[$of_field:meta])* pub $field:ident: $type:ty,)* }
    ) => {
        $(#[$of_struct])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct HeadStatistics {
            /// Queries.
            pub queries: usize,
            /// Keys.
            pub keys: usize,
            $(
                #[doc = $row_doc]
                #[doc = concat!("Per row; ", $unit, ".")]
                #[serde(with = "bits")]
                pub $row: Vec<$kind>,
            )*
            $(
                #[doc = $family_doc]
                #[doc = concat!("Per ", stringify!($over), " and row; ", $family_unit, ".")]
                #[serde(with = "bits::nested")]
                pub $family: Vec<Vec<f32>>,
            )*
            $(
                #[doc = $sum_doc]
                #[doc = concat!("A sum over rows, per ", $axis, "; ", $sum_unit, ".")]
                #[serde(with = "bits")]
                pub $sum: Vec<$number>,
            )*
            $($(#[$of_field])* pub $field: $type,)*
        }

        impl HeadStatistics {
            /// Every statistic of a row, in the order of tables and documentation.
            pub const ROWS: &'static [RowStatistic] = &[$(RowStatistic {
                name: stringify!($row),
                meaning: $row_doc,
                unit: $unit,
                when: When::$when,
                in_table: $table,
                numbers: numbers!($kind, $row),
                blank: blank!($kind $($what)?),
            }),*];

            /// Every statistic of a row that is taken per class or lag.
            pub const FAMILIES: &'static [FamilyStatistic] = &[$(FamilyStatistic {
                name: stringify!($family),
                meaning: $family_doc,
                over: Over::$over,
                unit: $family_unit,
                read: |s| &s.$family,
                write: |s| &mut s.$family,
            }),*];

            /// Every sum over rows.
            pub const SUMS: &'static [SummedStatistic] = &[$(SummedStatistic {
                name: stringify!($sum),
                meaning: $sum_doc,
                axis: $axis,
                unit: $sum_unit,
                read: |s| s.$sum.iter().map(|&x| x as f64).collect(),
                write: |s, numbers| s.$sum = numbers.into_iter().map(|x| x as $number).collect(),
                join: |mine, theirs| mine.$sum.iter_mut().zip(&theirs.$sum).for_each(|(x, y)| *x += *y),
            }),*];
        }
    };
}

declare! {
    /// Statistics of one head over one input.
    ///
    /// Vectors "per row" have one entry per query, "per key" one per key; what was not asked for is empty. n_i is the number
    /// of keys that row i may see; p_ij its weights, s_ij its scores after beta and the modifiers.
    ///
    /// # Empty and non-finite
    /// A row that sees no key (or whose every visible score is -inf) is *empty*: log-sum-exp -inf, energy +inf, everything
    /// else NaN, no part in any sum. A row with a non-finite query, a visible non-finite key, or a visible score of NaN
    /// or +inf is *invalid*: everything NaN, no part in any sum. Both are counted. A visible score of -inf is a weight of
    /// exactly zero; a score of -1e30 is a score like any other.
    ///
    /// # Serialised
    /// Numbers travel as their bits, since NaN means something here and JSON has none.
    rows {
        visible: u32, "keys", Always, table: false, "n_i, the keys that the row may see.";
        log_sum_exp: f32, "nats", Always, table: false, "log sum_j exp(s_ij), the learned sink included.";
        row_sum_error: f32, "weight", Always, table: false, "sum_j p_ij + sink mass - 1: what the arithmetic lost.";
        forbidden_mass: f32, "weight", Always, table: false,
            "Mass on keys that the mask forbids; zero by construction in our engines, not necessarily in imported maps.";
        energy: f32, "units of the raw score", Always, table: false, "Energy of the row: -lse(s) / beta for softmax.";
        entropy: f32, "nats", Always, table: true,
            "H_i = -sum_j p ln p over the visible keys, renormalised if a sink takes mass.";
        participation: f32, "keys", Always, table: true, "1 / sum_j p^2.";
        peak: f32, "weight", Always, table: true, "max_j p_ij.";
        argmax: u32 key, "key", Always, table: false, "The lowest key with the highest score.";
        runner_up: f32, "weight", Extended, table: false, "The second-highest weight.";
        runner_up_key: u32 key, "key", Extended, table: false, "Its key.";
        score_spread: f32, "score", Extended, table: false, "Norm of the centred scores over the visible keys.";
        entropy_bound: f32, "nats", Extended, table: false, "Zhai's lower bound of the entropy.";
        mean_distance: f32, "tokens", Extended, table: true, "sum_j p_ij |p_i - j|.";
        self_mass: f32, "weight", Always, table: true,
            "p_ii; its mean is over the rows that see that key and another, as those of the next two.";
        previous_mass: f32, "weight", Always, table: true, "p_i,i-1: the score of the previous-token detector.";
        first_mass: f32, "weight", Always, table: true, "p_i0; position 0 itself has none in the mean.";
        window_mass: f32, "weight", Always, table: true, "Mass within the local window.";
        same_token_mass: f32, "weight", Tokens, table: true,
            "Mass on other keys with the query's own token; its mean is over the rows that see such a key.";
        same_token_keys: u32, "keys", Tokens, table: false, "Number of those other keys.";
        sink_mass: f32, "weight", Sinks, table: true, "Mass that a learned sink takes.";
    }
    families {
        class_mass: Class, "weight", "Mass on the keys of a class.";
        divergence: Lag, "nats",
            "Jensen-Shannon divergence of rows i and i - lag on their common support; NaN for rows without a pair.";
    }
    sums {
        column_mass: [f64; "key"], "weight", "Attention received: sum_i p_ij.";
        column_enrichment: [f64; "key"], "times uniform",
            "Sum over rows that see key j of n_i p_ij: divided by `column_rows` it is 1 if uniform.";
        column_rows: [u32; "key"], "rows", "Number of counted rows that see key j.";
        distance_mass: [f64; "distance_bin"], "weight", "Mass in each bin of the distance |p - j|.";
        distance_enrichment: [f64; "distance_bin"], "times uniform",
            "n_i x that mass: divided by `distance_pairs` it is the mean of r_ij = n_i p_ij, 1 if uniform.";
        distance_pairs: [u64; "distance_bin"], "pairs", "Number of visible (row, key) pairs, over the rows that count.";
    }
    rest {
        /// Rows that see no key.
        pub empty_rows: usize,
        /// Rows whose scores are not all numbers.
        pub invalid_rows: usize,
        /// Width of a distance bin, tokens: bin b covers b w ..= (b + 1) w - 1.
        pub distance_bin_width: usize,
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
}

impl HeadStatistics {
    /// Without what rests on a query's position among the keys, or on its tokens being theirs: of cross attention, whose queries
    /// are of another sequence. Rows are NaN, sums by distance empty.
    pub fn without_positions(mut self) -> Self {
        let rows = [&mut self.self_mass, &mut self.previous_mass, &mut self.window_mass, &mut self.mean_distance];
        rows.into_iter().for_each(|rows| rows.fill(f32::NAN));
        self.class_mass.clear();
        self.same_token_mass.clear();
        self.same_token_keys.clear();
        self.distance_mass.clear();
        self.distance_enrichment.clear();
        self.distance_pairs.clear();
        self
    }
}

impl RowStatistic {
    /// The statistic of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        HeadStatistics::ROWS.iter().find(|statistic| statistic.name == name)
    }

    /// One number per row, widened; empty where it was not asked for.
    pub fn read(&self, of: &HeadStatistics) -> Vec<f64> {
        match self.numbers {
            RowNumbers::Float(get, _) => get(of).iter().map(|&x| f64::from(x)).collect(),
            RowNumbers::Whole(get, _) => get(of).iter().map(|&x| f64::from(x)).collect(),
        }
    }
}

impl HeadStatistics {
    /// Rows that were not seen yet, of the statistics that are wanted; `members` says how many classes and lags there are.
    pub(crate) fn blank_rows(rows: usize, wanted: impl Fn(When) -> bool, members: impl Fn(Over) -> usize) -> Self {
        let mut blank = Self::default();
        for family in Self::FAMILIES {
            *(family.write)(&mut blank) = vec![vec![f32::NAN; rows]; members(family.over)];
        }
        for statistic in Self::ROWS.iter().filter(|statistic| wanted(statistic.when)) {
            match statistic.numbers {
                RowNumbers::Float(_, field) => *field(&mut blank) = vec![statistic.blank; rows],
                RowNumbers::Whole(_, field) => *field(&mut blank) = vec![statistic.blank as u32; rows],
            }
        }
        blank
    }

    /// Takes in the statistics of the rows that follow: rows stand one behind the other, sums are added.
    pub(crate) fn join(&mut self, mut other: Self) {
        for statistic in Self::ROWS {
            match statistic.numbers {
                RowNumbers::Float(_, field) => field(self).append(field(&mut other)),
                RowNumbers::Whole(_, field) => field(self).append(field(&mut other)),
            }
        }
        for family in Self::FAMILIES {
            let theirs = (family.write)(&mut other);
            (family.write)(self).iter_mut().zip(theirs).for_each(|(a, b)| a.append(b));
        }
        for statistic in Self::SUMS {
            (statistic.join)(self, &other);
        }
        self.empty_rows += other.empty_rows;
        self.invalid_rows += other.invalid_rows;
        self.row_top_keys.append(&mut other.row_top_keys);
        self.row_top_weights.append(&mut other.row_top_weights);
        self.pooled_max.iter_mut().zip(other.pooled_max).for_each(|(x, y)| *x = x.max(y));
        self.links.append(&mut other.links);
    }
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
