//! The original guide's formulas, exactly as it codes them, so that its numbers can be reproduced.
//!
//! No verdict rests on them. All of them depend on the length of the input, and a causal head that ignores its input
//! altogether passes most of their thresholds; so each stands beside its value for a head that is uniform over the
//! visible keys.
//!
//! | formula                     | fault                                          | instead                         |
//! |-----------------------------|------------------------------------------------|---------------------------------|
//! | row_std, RMS deviation      | unit depends on N: one-hot rows fail from ~400 | 1 - H / ln n_i                  |
//! | H / ln N                    | rows see n_i keys, not N                       | H / ln n_i                      |
//! | query L2                    | rows of different support differ by nature     | JS on the common support        |
//! | near / far, BOS ratio       | early rows have larger weights by nature       | enrichment n_i p_ij             |

use std::fmt;
use std::ops::Range;

use attractor::retrieve::Mask;
use attractor_record::{Made, Patterns, Rows};
use serde::{Deserialize, Serialize};

use attractor::Result;

/// Longest input for which they are computed: the query variation costs N^3.
pub const LONGEST: usize = 1024;

/// The six formulas for one map; `None` where the original guide's loop finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// mean_i std_j(A_ij), j != i, zeros of the mask included.
    pub legacy_row_std: f64,
    /// mean_i sqrt(mean_j (A_ij - 1/N)^2).
    pub legacy_rms_deviation: f64,
    /// mean_i -sum_j A ln(A + 1e-10) / ln N.
    pub legacy_entropy: Option<f64>,
    /// mean_(i<j) |A_i - A_j|.
    pub legacy_query_l2: Option<f64>,
    /// Mean of the 5 nearest distances' mean weights over that of the 5 furthest, i > j; needs 10 distances.
    pub legacy_near_far: Option<f64>,
    /// Mean weight of column 0 over the mean of the other columns, all rows.
    pub legacy_bos_ratio: Option<f64>,
}

/// The formulas for one head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadFigures {
    /// Layer.
    pub layer: usize,
    /// Head.
    pub head: usize,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The original guide's figures of the first input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Legacy {
    /// Length N of the first input.
    pub length: usize,
    /// Per head.
    pub heads: Vec<HeadFigures>,
    /// What a head uniform over the visible keys would show.
    pub null: Figures,
    /// Largest row_std that a one-hot row of this length can reach.
    pub attainable_row_std: f64,
    /// Largest RMS deviation that a one-hot row of this length can reach.
    pub attainable_rms_deviation: f64,
    /// Why there is nothing, or what to bear in mind.
    pub note: LegacyNote,
}

/// What there is to say of the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum LegacyNote {
    /// There are figures, of the first input.
    FirstInput,
    /// There is no input or no layer.
    NothingCaptured,
    /// The first input's maps are not square, or longer than [`LONGEST`].
    LongOrNotSquare,
    /// There are statistics alone.
    NotKept,
}

impl fmt::Display for LegacyNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstInput => f.write_str("the first input only; no verdict rests on these"),
            Self::NothingCaptured => f.write_str("nothing was captured"),
            Self::LongOrNotSquare => {
                write!(f, "the original guide's formulas need a square map of at most {LONGEST} tokens")
            }
            Self::NotKept => f.write_str("the maps were not kept"),
        }
    }
}

impl From<LegacyNote> for String {
    fn from(note: LegacyNote) -> Self {
        note.to_string()
    }
}

impl TryFrom<String> for LegacyNote {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let all = [Self::FirstInput, Self::NothingCaptured, Self::LongOrNotSquare, Self::NotKept];
        all.into_iter().find(|note| note.to_string() == text).ok_or(format!("{text:?} is not a note on legacy figures"))
    }
}

/// The formulas of no row at all.
const NOTHING: Figures = Figures {
    legacy_row_std: 0.0,
    legacy_rms_deviation: 0.0,
    legacy_entropy: None,
    legacy_query_l2: None,
    legacy_near_far: None,
    legacy_bos_ratio: None,
};

/// Largest row_std: one-hot beside the diagonal, n = N - 1 keys: sqrt(1/n - 1/n^2).
pub fn attainable_row_std(length: usize) -> f64 {
    let n = length.saturating_sub(1).max(1) as f64;
    (1.0 / n - 1.0 / (n * n)).max(0.0).sqrt()
}

/// Largest RMS deviation: sqrt((1 - 1/N) / N).
pub fn attainable_rms_deviation(length: usize) -> f64 {
    let n = length.max(1) as f64;
    ((1.0 - 1.0 / n) / n).sqrt()
}

/// Rows that are compared with all before them at once.
const STRIP: usize = 64;

/// The formulas for a square map of n queries and keys; `None` if a weight is not a finite number.
///
/// # Errors
/// What reading the map answers.
pub fn figures(map: &mut dyn Rows, n: usize) -> Result<Option<Figures>> {
    let count = n.max(1) as f64;
    let (mut row_std, mut rms, mut entropy, mut bos, mut all) = (0.0, 0.0, 0.0, 0.0, 0.0);
    // By distance, of the weights; of pairs of rows, the sum of their distances.
    let (mut by_distance, mut l2) = (vec![0.0; n], 0.0);
    let (mut strip, mut before) = (Vec::new(), Vec::new());
    for start in (0..n).step_by(STRIP) {
        let rows = start..(start + STRIP).min(n);
        map.read(rows.clone(), &mut strip)?;
        if strip.len() != rows.len() * n || strip.iter().any(|w| !w.is_finite()) {
            return Ok(None);
        }
        for (i, row) in rows.clone().zip(strip.chunks_exact(n)) {
            let others = || row.iter().enumerate().filter(move |&(j, _)| j != i).map(|(_, &w)| f64::from(w));
            let m = (n - 1).max(1) as f64;
            let mean = others().sum::<f64>() / m;
            row_std += (others().map(|w| (w - mean).powi(2)).sum::<f64>() / m).sqrt();
            rms += (row.iter().map(|&w| (f64::from(w) - 1.0 / count).powi(2)).sum::<f64>() / count).sqrt();
            entropy -= row.iter().map(|&w| f64::from(w) * (f64::from(w) + 1e-10).ln()).sum::<f64>();
            bos += f64::from(row[0]);
            row.iter().for_each(|&w| all += f64::from(w));
            (1..=i).for_each(|d| by_distance[d] += f64::from(row[i - d]));
        }
        add_distances(map, &strip, rows, n, (&mut before, &mut l2))?;
    }
    let means: Vec<f64> = (1..n).map(|d| by_distance[d] / (n - d) as f64).collect();
    let five = |means: &[f64]| means.iter().sum::<f64>() / 5.0;
    let near_far =
        (means.len() >= 10).then(|| five(&means[..5]) / five(&means[means.len() - 5..])).filter(|r| r.is_finite());
    let (bos, rest) = (bos / count, all / count - bos / count);
    Ok(Some(Figures {
        legacy_row_std: row_std / count,
        legacy_rms_deviation: rms / count,
        legacy_entropy: (n >= 2).then(|| entropy / count / count.ln()),
        legacy_query_l2: (n >= 2).then(|| l2 / (count * (count - 1.0) / 2.0)),
        legacy_near_far: near_far,
        legacy_bos_ratio: (n >= 2 && rest > 0.0).then(|| bos / (rest / (count - 1.0))),
    }))
}

/// Adds the distances of the rows of a strip to every row before, which are read again a strip at a time; row by row, in order.
fn add_distances(
    map: &mut dyn Rows,
    strip: &[f32],
    rows: Range<usize>,
    n: usize,
    (before, sum): (&mut Vec<f32>, &mut f64),
) -> Result<()> {
    let mut distances = vec![0.0f64; rows.len() * n];
    for start in (0..rows.end).step_by(STRIP) {
        map.read(start..(start + STRIP).min(rows.end), before)?;
        for ((a, row), distances) in rows.clone().zip(strip.chunks_exact(n)).zip(distances.chunks_exact_mut(n)) {
            for (other, distance) in before.chunks_exact(n).take(a.saturating_sub(start)).zip(&mut distances[start..]) {
                let square = row.iter().zip(other).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum::<f64>();
                *distance = square.sqrt();
            }
        }
    }
    for (a, distances) in rows.zip(distances.chunks_exact(n)) {
        distances[..a].iter().for_each(|distance| *sum += distance);
    }
    Ok(())
}

/// The map that is uniform over the visible keys of a mask, [n, n].
pub fn uniform_map(mask: &Mask, n: usize) -> impl Rows + '_ {
    Made(move |rows: Range<usize>| {
        let mut block = vec![0.0; rows.len() * n];
        for (i, row) in rows.zip(block.chunks_exact_mut(n.max(1))) {
            let visible = mask.visible(i, n);
            mask.range(i, n).filter(|&j| !mask.hides(j)).for_each(|j| row[j] = 1.0 / visible as f32);
        }
        block
    })
}

/// The formulas for all heads; like the original guide, for the first input only.
pub(crate) fn of_patterns(patterns: &dyn Patterns) -> Result<Legacy> {
    let layers = patterns.layers();
    let legacy = |length: usize, heads: Vec<HeadFigures>, null: Option<Figures>, note: LegacyNote| Legacy {
        length,
        heads,
        null: null.unwrap_or(NOTHING),
        attainable_row_std: attainable_row_std(length),
        attainable_rms_deviation: attainable_rms_deviation(length),
        note,
    };
    let (Some(first), true) = (layers.first(), patterns.inputs() > 0) else {
        return Ok(legacy(0, Vec::new(), None, LegacyNote::NothingCaptured));
    };
    let (n, keys) = patterns.shape(first.layer, 0)?;
    if n != keys || n > LONGEST {
        return Ok(legacy(n, Vec::new(), None, LegacyNote::LongOrNotSquare));
    }
    let mut heads = Vec::new();
    for shape in layers.iter().filter(|s| patterns.shape(s.layer, 0).is_ok_and(|shape| shape == (n, n))) {
        for &head in &shape.heads {
            let Some(mut map) = patterns.open(shape.layer, head, 0)? else { continue };
            if let Some(figures) = figures(map.as_mut(), n)? {
                heads.push(HeadFigures { layer: shape.layer, head, figures });
            }
        }
    }
    let null = figures(&mut uniform_map(&patterns.mask(first.layer, 0)?, n), n)?;
    let note = if heads.is_empty() { LegacyNote::NotKept } else { LegacyNote::FirstInput };
    Ok(legacy(n, heads, null, note))
}

#[cfg(test)]
mod tests {
    use attractor_record::Held;

    use super::*;

    fn uniform(n: usize) -> Figures {
        figures(&mut uniform_map(&Mask::causal(), n), n).unwrap().unwrap()
    }

    #[test]
    fn a_weight_that_is_not_finite_gives_no_figures() {
        let map = [0.5, 0.5, f32::NAN, 0.5];
        assert!(figures(&mut Held { weights: &map, keys: 2 }, 2).unwrap().is_none());
        assert_eq!(figures(&mut Held { weights: &[], keys: 0 }, 0).unwrap(), Some(NOTHING));
    }

    #[test]
    fn notes_are_read_as_they_are_written() {
        for note in
            [LegacyNote::FirstInput, LegacyNote::NothingCaptured, LegacyNote::LongOrNotSquare, LegacyNote::NotKept]
        {
            assert_eq!(LegacyNote::try_from(String::from(note)), Ok(note));
        }
        assert!(LegacyNote::try_from("perhaps".to_string()).is_err());
    }

    /// What causal attention that ignores its input shows under the original guide's formulas, to the digits printed:
    /// N, row_std, RMS deviation, H/ln N, query L2, near/far, BOS ratio, attainable row_std, attainable RMS.
    #[test]
    fn the_null_table_of_causal_uniform_attention() {
        let table: [(usize, [(f64, f64); 8]); 5] = [
            (
                32,
                [
                    (0.0333, 5e-5),
                    (0.0410, 5e-5),
                    (0.735, 5e-4),
                    (0.295, 5e-4),
                    (2.46, 5e-3),
                    (4.5, 5e-2),
                    (0.177, 5e-4),
                    (0.174, 5e-4),
                ],
            ),
            (
                64,
                [
                    (0.0187, 5e-5),
                    (0.0217, 5e-5),
                    (0.771, 5e-4),
                    (0.222, 5e-4),
                    (3.09, 5e-3),
                    (5.0, 5e-2),
                    (0.125, 5e-4),
                    (0.124, 5e-4),
                ],
            ),
            (
                94,
                [
                    (0.0134, 5e-5),
                    (0.0151, 5e-5),
                    (0.787, 5e-4),
                    (0.188, 5e-4),
                    (3.45, 5e-3),
                    (5.4, 5e-2),
                    (0.103, 5e-4),
                    (0.103, 5e-4),
                ],
            ),
            (
                128,
                [
                    (0.0102, 5e-5),
                    (0.0113, 5e-5),
                    (0.799, 5e-4),
                    (0.165, 5e-4),
                    (3.75, 5e-3),
                    (5.6, 5e-2),
                    (0.088, 5e-4),
                    (0.088, 5e-4),
                ],
            ),
            (
                512,
                [
                    (0.0028, 5e-5),
                    (0.0029, 5e-5),
                    (0.841, 5e-4),
                    (0.087, 5e-4),
                    (5.10, 5e-3),
                    (6.9, 5e-2),
                    (0.044, 5e-4),
                    (0.044, 5e-4),
                ],
            ),
        ];
        for (n, expected) in table {
            let f = uniform(n);
            let got = [
                f.legacy_row_std,
                f.legacy_rms_deviation,
                f.legacy_entropy.unwrap(),
                f.legacy_query_l2.unwrap(),
                f.legacy_near_far.unwrap(),
                f.legacy_bos_ratio.unwrap(),
                attainable_row_std(n),
                attainable_rms_deviation(n),
            ];
            for (column, (got, (expected, half))) in got.iter().zip(expected).enumerate() {
                assert!((got - expected).abs() <= half * 1.02, "N {n}, column {column}: {got}, printed {expected}");
            }
        }
    }

    /// The "query variation" of 0.501 that was read as a learned mechanism: twelve tokens, causal, the diagonal masked
    /// where another key exists, and no dependence on the input at all.
    #[test]
    fn twelve_data_independent_rows_show_a_query_variation_of_one_half() {
        let n = 12;
        let mut map = vec![0.0f32; n * n];
        map[0] = 1.0;
        for i in 1..n {
            map[i * n..i * n + i].fill(1.0 / i as f32);
        }
        assert!(
            (figures(&mut Held { weights: &map, keys: n }, n).unwrap().unwrap().legacy_query_l2.unwrap() - 0.5003)
                .abs()
                < 5e-5
        );
    }

    /// |b_i - b_j|^2 = 1/(i+1) - 1/(j+1) for causal-uniform rows.
    #[test]
    fn the_distance_of_causal_uniform_rows_in_closed_form() {
        let n = 7;
        let mut sum = 0.0;
        for j in 1..n {
            for i in 0..j {
                sum += (1.0 / (i + 1) as f64 - 1.0 / (j + 1) as f64).sqrt();
            }
        }
        let expected = sum / (n * (n - 1) / 2) as f64;
        let got = uniform(n).legacy_query_l2.unwrap();
        assert!((got - expected).abs() < 1e-7);
    }

    #[test]
    fn short_maps_have_fewer_figures_and_no_panic() {
        for n in 0..4 {
            let f = uniform(n);
            assert_eq!(f.legacy_near_far, None);
            assert_eq!(f.legacy_query_l2.is_some(), n >= 2);
        }
    }
}
