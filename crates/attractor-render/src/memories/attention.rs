//! What a modern memory shares with attention: weights, the soft maximum behind them, and the one step.

use attractor::energy::SimplexMap;
use attractor::experiment::modern::{OneStep, Retrievals, SOFT_BETAS, WeightsAgainstBeta};

use super::modern::about;
use crate::Result;
use crate::canvas::axis::Side;
use crate::canvas::numbers::{exact, number};
use crate::figures::lines::{Lines, Series};
use crate::figures::scatter::{Point, Scatter};

/// How the weights of a query move from all patterns to one as beta rises.
///
/// # Errors
/// As [`Lines::svg`].
pub fn weights(found: &Retrievals, swept: &WeightsAgainstBeta, source: &str) -> Result<String> {
    /// Patterns with a colour each.
    const SHOWN: usize = 8;
    let count = found.patterns;
    let mut notes = vec![about(found, source, "before any update")];
    let most = |pattern: usize| swept.weights.iter().map(|w| w[pattern]).fold(0.0, f64::max);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| most(b).total_cmp(&most(a)).then(a.cmp(&b)));
    order.truncate(SHOWN);
    order.sort_unstable();
    if count > SHOWN {
        notes.push(format!("the {SHOWN} patterns whose weight becomes largest, of {count}"));
    }
    let curve = |&at: &usize| {
        let points = swept.betas.iter().zip(&swept.weights).map(|(&beta, w)| (beta, w[at])).collect();
        Series::new(format!("pattern {at}"), points)
    };
    let mut series: Vec<Series> = order.iter().map(curve).collect();
    let even = 1.0 / count as f64;
    let ends = [swept.betas.first(), swept.betas.last()];
    series.push(
        Series::new(format!("1/{count}: uniform"), ends.into_iter().flatten().map(|&b| (b, even)).collect()).null(),
    );
    let (x, y) = (Side::new("beta").log(), Side::new("attention weight").between(0.0, 1.0));
    let title = format!("Weights of query {}: uniform at low beta, one-hot at high beta", swept.query);
    Lines { title: &title, notes, x, y, series: &series }.svg()
}

/// The soft maximum of s and 0 against s, beside max(s, 0).
///
/// # Errors
/// As [`Lines::svg`].
pub fn soft_maximum(simplex_map: SimplexMap) -> Result<String> {
    const STEPS: i32 = 120;
    let s = |step: i32| 3.0 * f64::from(step) / f64::from(STEPS);
    let curve = |beta: f64| {
        let points = (-STEPS..=STEPS).map(|step| (s(step), simplex_map.soft_maximum(beta, &[s(step), 0.0])));
        Series::new(format!("beta {beta}"), points.collect())
    };
    let mut series: Vec<Series> = SOFT_BETAS.into_iter().map(curve).collect();
    series.push(Series::new("max(s, 0)", vec![(-3.0, 0.0), (0.0, 0.0), (3.0, 3.0)]).null());
    let (title, formula, gap) = match simplex_map {
        SimplexMap::Softmax => {
            ("Log-sum-exp over beta is a soft maximum", "(1/β) ln(exp(β s) + exp(0))", "ln 2 / β".to_string())
        }
        other => (
            "The weights are the gradient of a soft maximum",
            "(1/β) max over p of β p·(s, 0) + H(p)",
            format!("{:.4} / β", other.most_entropy(2)),
        ),
    };
    let notes = vec![format!("{}: {formula}; farthest from the maximum at s = 0, by {gap}", simplex_map)];
    let (x, y) = (Side::new("score s, next to a score of 0"), Side::new("soft maximum"));
    Lines { title, notes, x, y, series: &series }.svg()
}

/// Attention's outputs against those of one step of retrieval.
///
/// # Errors
/// As [`Scatter::svg`].
pub fn one_step(found: &Retrievals, step: &OneStep, source: &str) -> Result<String> {
    /// Pairs that a file has room for.
    const SHOWN: usize = 2000;
    let mut notes = vec![about(found, source, &format!("beta {}, one step", exact(found.beta)))];
    let (pairs, most) = (&step.pairs, step.largest_difference);
    // A power of ten above it: the difference itself is rounding, and another on another machine.
    let bound = 10f64.powf(most.max(1e-300).log10().ceil());
    notes.push(match most > 0.0 {
        true => {
            format!("all {} numbers of {} queries differ by less than {}", pairs.len(), step.queries, number(bound))
        }
        false => format!("all {} numbers of {} queries are equal", pairs.len(), step.queries),
    });
    let every = pairs.len().div_ceil(SHOWN);
    if every > 1 {
        notes.push(format!("every {every}th number is drawn"));
    }
    let points: Vec<Point> = pairs.iter().step_by(every).map(|&(x, y)| Point { x, y, ..Point::default() }).collect();
    let (x, y) =
        (Side::new("attention: softmax(β Q Kᵀ) V, K = V = patterns"), Side::new("one step of retrieval: Xᵀ p(β X z)"));
    let title = "Attention is one step of retrieval";
    Scatter { title, notes, x, y, points: &points, classes: &[], outliers: 0, diagonal: true }.svg()
}
