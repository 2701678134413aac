//! Scores against a detection pattern, as TransformerLens gives them.
//!
//! A detection pattern D says where a head of some kind would look, all in ones and zeros; a head's score is how much of its
//! attention lies there. Kept beside the detectors so that figures from that tool can be had again, number by number.

use attractor::{Error, Result};

/// Kinds of heads with a detection pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternKind {
    /// D[i, i-1] = 1.
    Previous,
    /// D[i, j] = 1 where j < i and the tokens are equal.
    Duplicate,
    /// D[i, j] = 1 where 1 <= j <= i and token j - 1 equals token i at an earlier position j - 1 < i.
    Induction,
}

/// How a map is compared with a detection pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// sum(A D) / sum(A): the share of attention that lies in the pattern.
    Mul,
    /// 1 - (sum |A - D|) / n: 1 if A is D, -1 if no row has anything in common with it. TransformerLens rounds the
    /// distance to three digits; here it is not rounded.
    Abs,
}

/// What is left out of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exclude {
    /// Attention to position 0.
    pub first: bool,
    /// Attention to the query's own position.
    pub current: bool,
}

/// The detection pattern of a kind of head for these tokens, [n, n], row-major, lower triangular.
///
/// # Source
/// TransformerLens, `head_detector.py`.
pub fn detection_pattern(kind: PatternKind, ids: &[u32]) -> Vec<f32> {
    let n = ids.len();
    let mut pattern = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let is = match kind {
                PatternKind::Previous => j + 1 == i,
                PatternKind::Duplicate => j < i && ids[j] == ids[i],
                PatternKind::Induction => j >= 1 && ids[j - 1] == ids[i],
            };
            pattern[i * n + j] = f32::from(u8::from(is));
        }
    }
    pattern
}

/// The score of a map against a detection pattern; both are [n, n], row-major, and only read.
///
/// # Errors
/// `is_usage` if the two are no squares of one size, if the pattern is not lower triangular, or, for
/// [`Measure::Abs`], the map is not.
/// # Source
/// TransformerLens, `compute_head_attention_similarity_score`.
pub fn detection_score(map: &[f32], pattern: &[f32], n: usize, measure: Measure, exclude: Exclude) -> Result<f64> {
    if n == 0 || n.checked_mul(n) != Some(map.len()) || map.len() != pattern.len() {
        return Err(Error::usage(format!(
            "detection score: {} weights and a pattern of {} for {n} tokens; expected {n} x {n} of each, and n at least 1",
            map.len(),
            pattern.len()
        )));
    }
    let above = |of: &[f32]| (0..n).any(|i| of[i * n + i + 1..(i + 1) * n].iter().any(|&x| x != 0.0));
    if above(pattern) || measure == Measure::Abs && above(map) {
        return Err(Error::usage(
            "detection score: an entry above the diagonal is not zero; the score is defined for causal maps and patterns",
        ));
    }
    let (mut product, mut total, mut distance) = (0.0f64, 0.0f64, 0.0f64);
    for i in 0..n {
        for j in 0..n {
            if exclude.first && j == 0 || exclude.current && j == i {
                continue;
            }
            let (a, d) = (f64::from(map[i * n + j]), f64::from(pattern[i * n + j]));
            product += a * d;
            total += a;
            distance += (a - d).abs();
        }
    }
    Ok(match measure {
        Measure::Mul => product / total,
        Measure::Abs => 1.0 - distance / n as f64,
    })
}

/// The mean score of several inputs, one map and one list of tokens each.
///
/// # Errors
/// As [`detection_score`]; `is_usage` without inputs, or if there is not one map per input.
pub fn mean_score(
    kind: PatternKind,
    maps: &[&[f32]],
    ids: &[&[u32]],
    measure: Measure,
    exclude: Exclude,
) -> Result<f64> {
    if maps.is_empty() || maps.len() != ids.len() {
        return Err(Error::usage(format!(
            "detection score: {} maps for {} inputs; expected one each, and at least one",
            maps.len(),
            ids.len()
        )));
    }
    let each = maps
        .iter()
        .zip(ids)
        .map(|(map, ids)| detection_score(map, &detection_pattern(kind, ids), ids.len(), measure, exclude));
    Ok(each.sum::<Result<f64>>()? / maps.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BOS a b c a b c.
    const IDS: [u32; 7] = [0, 1, 2, 3, 1, 2, 3];

    /// Cells of ones.
    fn ones(pattern: &[f32]) -> Vec<(usize, usize)> {
        let n = pattern.len().isqrt();
        assert!(pattern.iter().all(|&x| x == 0.0 || x == 1.0));
        (0..n * n).filter(|&cell| pattern[cell] == 1.0).map(|cell| (cell / n, cell % n)).collect()
    }

    #[test]
    fn the_patterns_of_a_repeated_trigram() {
        let pattern = |kind| ones(&detection_pattern(kind, &IDS));
        assert_eq!(pattern(PatternKind::Previous), (1..7).map(|i| (i, i - 1)).collect::<Vec<_>>());
        assert_eq!(pattern(PatternKind::Duplicate), [(4, 1), (5, 2), (6, 3)]);
        assert_eq!(pattern(PatternKind::Induction), [(4, 2), (5, 3), (6, 4)]);
        assert!(ones(&detection_pattern(PatternKind::Duplicate, &[4, 9, 2, 7])).is_empty());
        assert!(ones(&detection_pattern(PatternKind::Induction, &[4, 9, 2, 7])).is_empty());
        // The last token's successor is nothing, and a token that repeats at once is its own successor's place.
        assert_eq!(ones(&detection_pattern(PatternKind::Induction, &[5, 5, 5])), [(1, 1), (2, 1), (2, 2)]);
    }

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got}, expected {expected}");
    }

    /// Three tokens by hand: rows (1), (0.75, 0.25), (0.5, 0.25, 0.25) against the sub-diagonal.
    #[test]
    fn scores_by_hand_and_nothing_is_changed() {
        let map = [1.0, 0.0, 0.0, 0.75, 0.25, 0.0, 0.5, 0.25, 0.25];
        let before = map;
        let pattern = detection_pattern(PatternKind::Previous, &[1, 2, 3]);
        let score = |measure, exclude| detection_score(&map, &pattern, 3, measure, exclude).unwrap();
        let (none, first, current) =
            (Exclude::default(), Exclude { first: true, current: false }, Exclude { first: false, current: true });
        // (0.75 + 0.25) / 3.
        close(score(Measure::Mul, none), 1.0 / 3.0);
        // Without column 0: 0.25 / 0.75. Without the diagonal: 1 / 1.5.
        close(score(Measure::Mul, first), 1.0 / 3.0);
        close(score(Measure::Mul, current), 2.0 / 3.0);
        // |A - D|: 1; 0.25, 0.25; 0.5, 0.75, 0.25: sum 3.
        close(score(Measure::Abs, none), 0.0);
        close(score(Measure::Abs, first), 1.0 - 1.25 / 3.0);
        close(score(Measure::Abs, current), 1.0 - 1.5 / 3.0);
        assert_eq!(map, before);
        assert_eq!(pattern, detection_pattern(PatternKind::Previous, &[1, 2, 3]));
    }

    /// A perfect previous-token head on n tokens scores (n - 1) / n: row 0 can only look at itself.
    #[test]
    fn a_perfect_head_scores_all_but_its_first_row() {
        let n = 7;
        let mut map = detection_pattern(PatternKind::Previous, &IDS);
        map[0] = 1.0;
        let pattern = detection_pattern(PatternKind::Previous, &IDS);
        close(detection_score(&map, &pattern, n, Measure::Mul, Exclude::default()).unwrap(), 6.0 / 7.0);
        close(detection_score(&map, &pattern, n, Measure::Abs, Exclude::default()).unwrap(), 6.0 / 7.0);
        let rest = Exclude { first: false, current: true };
        close(detection_score(&map, &pattern, n, Measure::Abs, rest).unwrap(), 1.0);
    }

    #[test]
    fn the_score_of_a_batch_is_the_mean_of_single_scores() {
        let other: Vec<u32> = vec![0, 8, 9, 8, 9];
        let map = |n: usize| -> Vec<f32> {
            (0..n * n).map(|c| if c % n <= c / n { (1 + c % 3) as f32 } else { 0.0 }).collect()
        };
        let (a, b) = (map(7), map(5));
        for measure in [Measure::Mul, Measure::Abs] {
            let single = |map: &[f32], ids: &[u32]| {
                let pattern = detection_pattern(PatternKind::Induction, ids);
                detection_score(map, &pattern, ids.len(), measure, Exclude::default()).unwrap()
            };
            let both =
                mean_score(PatternKind::Induction, &[&a, &b], &[&IDS, &other], measure, Exclude::default()).unwrap();
            let (first, second) = (single(&a, &IDS), single(&b, &other));
            assert!((first - second).abs() > 0.01);
            close(both, (first + second) / 2.0);
        }
    }

    #[test]
    fn maps_that_are_not_square_and_causal_are_refused() {
        let pattern = detection_pattern(PatternKind::Previous, &[1, 2]);
        let refuse = |map: &[f32], n, measure| {
            assert!(detection_score(map, &pattern, n, measure, Exclude::default()).unwrap_err().is_usage());
        };
        refuse(&[1.0; 3], 2, Measure::Mul);
        refuse(&[], 0, Measure::Mul);
        refuse(&[0.5, 0.5, 0.5, 0.5], 2, Measure::Abs);
        assert!(mean_score(PatternKind::Previous, &[], &[], Measure::Mul, Exclude::default()).is_err());
    }
}
