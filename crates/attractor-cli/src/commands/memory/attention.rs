//! Pictures of what a modern memory shares with attention: weights, the soft maximum behind them, and the one step.

use std::path::Path;

use attractor::energy::{Modern, Separator};
use attractor::pattern::RealPatterns;
use attractor::retrieve::{Dot, Heads, Mask, Modifiers, Problem, Separation, dense};
use attractor_render::canvas::axis::Side;
use attractor_render::canvas::numbers::number;
use attractor_render::figures::lines::{Lines, Series};
use attractor_render::figures::scatter::{Point, Scatter};
use serde_json::{Value, json};

use super::modern::{BETAS, Case};
use crate::console::print;
use crate::error::Outcome;
use crate::picture;

/// How the weights of a query move from all patterns to one as beta rises.
pub fn weights_figure(case: &Case, query: usize, mut notes: Vec<String>) -> Outcome<String> {
    /// Patterns with a colour each.
    const SHOWN: usize = 8;
    /// Betas, evenly in the logarithm from the first to the last of a sweep.
    const STEPS: i32 = 96;
    let beta = |step: i32| BETAS[0] * (BETAS[BETAS.len() - 1] / BETAS[0]).powf(f64::from(step) / f64::from(STEPS));
    let weights = (0..=STEPS)
        .map(|step| Ok((beta(step), case.memory.at(beta(step))?.weights(&case.queries[query]))))
        .collect::<Outcome<Vec<_>>>()?;
    let count = case.memory.patterns().count();
    let most = |pattern: usize| weights.iter().map(|(_, w)| w[pattern]).fold(0.0, f64::max);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| most(b).total_cmp(&most(a)).then(a.cmp(&b)));
    order.truncate(SHOWN);
    order.sort_unstable();
    if count > SHOWN {
        notes.push(format!("the {SHOWN} patterns whose weight becomes largest, of {count}"));
    }
    let mut series: Vec<Series> = order
        .iter()
        .map(|&at| Series::new(format!("pattern {at}"), weights.iter().map(|(b, w)| (*b, w[at])).collect()))
        .collect();
    let even = 1.0 / count as f64;
    series
        .push(Series::new(format!("1/{count}: evenly"), vec![(BETAS[0], even), (BETAS[BETAS.len() - 1], even)]).null());
    let (x, y) = (Side::new("beta").log(), Side::new("attention weight").between(0.0, 1.0));
    let title = format!("Weights of query {query}: even at low beta, one at high");
    Ok(Lines { title: &title, notes, x, y, series: &series }.svg()?)
}

/// Betas of the soft maximum.
const SOFT: [f64; 5] = [0.5, 1.0, 2.0, 4.0, 16.0];

/// The maximum of two numbers made soft, (1/beta) Omega*(beta (s, t)): for softmax log-sum-exp.
fn soft_maximum(separator: Separator, beta: f64, scores: [f64; 2]) -> f64 {
    separator.separate(&scores.map(|s| beta * s)).1 / beta
}

/// The soft maximum of s and 0 against s, beside max(s, 0).
pub fn soft_maximum_figure(separator: Separator) -> Outcome<String> {
    const STEPS: i32 = 120;
    let s = |step: i32| 3.0 * f64::from(step) / f64::from(STEPS);
    let curve = |beta: f64| {
        let points = (-STEPS..=STEPS).map(|step| (s(step), soft_maximum(separator, beta, [s(step), 0.0])));
        Series::new(format!("beta {beta}"), points.collect())
    };
    let mut series: Vec<Series> = SOFT.into_iter().map(curve).collect();
    series.push(Series::new("max(s, 0)", vec![(-3.0, 0.0), (0.0, 0.0), (3.0, 3.0)]).null());
    let (title, formula, gap) = match separator {
        Separator::Softmax => {
            ("Log-sum-exp over beta is a soft maximum", "(1/β) ln(exp(β s) + exp(0))", "ln 2 / β".to_string())
        }
        other => (
            "What the weights are the gradient of is a soft maximum",
            "(1/β) max over p of β p·(s, 0) + H(p)",
            format!("{:.4} / β", other.most_entropy(2)),
        ),
    };
    let notes = vec![format!("{}: {formula}; farthest from the maximum at s = 0, by {gap}", separator.name())];
    let (x, y) = (Side::new("score s, beside a score of 0"), Side::new("soft maximum"));
    Ok(Lines { title, notes, x, y, series: &series }.svg()?)
}

/// `--draw soft-maximum`: how far it lies above the maximum, and the picture if one was asked for.
pub fn run_soft_maximum(separator: Separator, output: Option<&Path>, json: bool) -> Outcome {
    if let Some(path) = output {
        picture::save_checked(path, |_| soft_maximum_figure(separator))?;
    }
    let gaps = SOFT.map(|beta| [0.0, 1.0].map(|s| soft_maximum(separator, beta, [s, 0.0]) - s));
    if json {
        let of =
            |(beta, gap): (f64, [f64; 2])| json!({ "beta": beta, "above_equal": gap[0], "above_one_apart": gap[1] });
        let all: Value = SOFT.into_iter().zip(gaps).map(of).collect();
        print(&format!("{}\n", json!({ "draw": "soft-maximum", "separation": separator.name(), "gaps": all })));
        return Ok(());
    }
    let mut out = format!(
        "{}: how far the soft maximum of two scores lies above the larger one\n\n{:>6}  {:>12}  {:>9}\n",
        separator.name(),
        "beta",
        "equal scores",
        "one apart"
    );
    for (beta, gap) in SOFT.into_iter().zip(gaps) {
        out += &format!("{beta:>6}  {:>12.6}  {:>9.6}\n", gap[0], gap[1]);
    }
    print(&out);
    Ok(())
}

/// Attention of the queries over the patterns as keys and values, from its definition, and one step of retrieval of the same
/// single precision numbers: pairs of outputs, and their largest difference.
fn attention(case: &Case) -> Outcome<(Vec<(f64, f64)>, f64)> {
    let patterns = case.memory.patterns();
    let narrow = |row: &[f64]| row.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let keys: Vec<f32> = patterns.patterns().flat_map(narrow).collect();
    let queries: Vec<f32> = case.queries.iter().flat_map(|query| narrow(query)).collect();
    let (count, width, beta) = (patterns.count(), patterns.width(), case.memory.beta() as f32);
    let mask = Mask::default();
    let retrieved = dense::retrieve(&Problem {
        queries: Heads::new(&queries[..], 1, case.queries.len(), width)?,
        keys: Heads::new(&keys[..], 1, count, width)?,
        values: Some(Heads::new(&keys[..], 1, count, width)?),
        similarity: &Dot,
        separation: match case.memory.separator() {
            Separator::Softmax => Separation::Softmax { beta },
            Separator::Sparsemax => Separation::Sparsemax { beta },
            Separator::Entmax15 => Separation::Entmax15 { beta },
        },
        modifiers: Modifiers::masked(&mask),
    })?;
    let stored = RealPatterns::from_f32(count, width, &keys)?;
    let memory = Modern::new(stored, f64::from(beta), case.memory.separator())?;
    let wide = |query: &[f32]| query.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let steps = queries.chunks_exact(width).flat_map(|query| memory.step(&wide(query)));
    let pairs: Vec<(f64, f64)> = retrieved.output.iter().map(|&x| f64::from(x)).zip(steps).collect();
    let most = pairs.iter().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    Ok((pairs, most))
}

pub fn attention_figure(case: &Case, mut notes: Vec<String>) -> Outcome<String> {
    /// Pairs that a file has room for.
    const SHOWN: usize = 2000;
    let (pairs, most) = attention(case)?;
    // A power of ten above it: the difference itself is rounding, and another on another machine.
    let bound = 10f64.powf(most.max(1e-300).log10().ceil());
    notes.push(match most > 0.0 {
        true => format!(
            "all {} numbers of {} queries differ by less than {}",
            pairs.len(),
            case.queries.len(),
            number(bound)
        ),
        false => format!("all {} numbers of {} queries are equal", pairs.len(), case.queries.len()),
    });
    let step = pairs.len().div_ceil(SHOWN);
    if step > 1 {
        notes.push(format!("every {step}th number is drawn"));
    }
    let points: Vec<Point> = pairs.iter().step_by(step).map(|&(x, y)| Point { x, y, ..Point::default() }).collect();
    let (x, y) =
        (Side::new("attention: softmax(β Q Kᵀ) V, K = V = patterns"), Side::new("one step of retrieval: Xᵀ p(β X z)"));
    let title = "Attention is one step of retrieval";
    Ok(Scatter { title, notes, x, y, points: &points, classes: &[], outliers: 0, diagonal: true }.svg()?)
}
