//! Retrieval of real patterns: what came back, how the energy fell, and how many patterns an answer is made of.

use attractor::experiment::modern::{Effective, Retrieval, Retrievals, SoftMaximum};
use attractor::settle::retrieval::Reason;

use crate::Result;
use crate::canvas::axis::Side;
use crate::canvas::colour::ColourMap;
use crate::canvas::numbers::{decimal, exact};
use crate::canvas::scale::{Scale, Spacing};
use crate::figures::heatmap::Style;
use crate::figures::images::{Images, Picture};
use crate::figures::lines::{Lines, Series};

/// What is under every title: what is stored, how, and the noise; `how` says what was done with it.
pub(super) fn about(found: &Retrievals, source: &str, how: &str) -> String {
    format!("{source}, {} patterns, {}, {how}, noise {}", found.patterns, found.separation, exact(found.noise))
}

/// What became of a query, in the room under its picture.
fn verdict(retrieval: &Retrieval) -> String {
    match &retrieval.reason {
        Reason::Retrieved => "retrieved".to_string(),
        Reason::AnotherPattern(other) | Reason::Outscored(other) => format!("failed: {other}"),
        Reason::Metastable(set) => format!("mix of {}", set.len()),
        Reason::GlobalAverage => "mix of all".to_string(),
        Reason::NotSettled => "not converged".to_string(),
    }
}

/// The verdicts counted, in words.
fn verdicts(found: &Retrievals) -> String {
    let kinds = [
        (found.count(|r| *r == Reason::Retrieved), "retrieved"),
        (
            found.count(|r| matches!(r, Reason::Metastable(_) | Reason::GlobalAverage)),
            "metastable: a mix of several patterns",
        ),
        (found.count(|r| matches!(r, Reason::AnotherPattern(_) | Reason::Outscored(_))), "failed: another pattern"),
        (found.count(|r| *r == Reason::NotSettled), "unsettled"),
    ];
    let all = found.retrievals.len();
    let said: Vec<String> =
        kinds.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} of {all} {what}")).collect();
    said.join("; ")
}

/// Stored patterns, noisy queries and what was retrieved, in the units of the data; `picture`: rows and columns of a pattern.
///
/// # Errors
/// As [`Images::svg`].
pub fn recall(found: &Retrievals, source: &str, picture: (usize, usize)) -> Result<String> {
    /// Patterns that have room beside each other.
    const ACROSS: usize = 10;
    let (case, count) = (&found.case, found.patterns);
    let shown = count.min(ACROSS);
    let data =
        |state: &[f64]| -> Vec<f32> { case.frame.restored(state).into_iter().map(|value| value as f32).collect() };
    let values: Vec<Vec<f32>> = (0..shown)
        .map(|at| data(case.memory.patterns().pattern(at)))
        .chain(case.queries[..shown].iter().map(|query| data(query)))
        .chain(found.retrievals[..shown].iter().map(|one| data(&one.state)))
        .collect();
    let (height, width) = picture;
    let said = found.retrievals[..shown].iter().map(verdict);
    let names: Vec<String> = vec![String::new(); 2 * shown].into_iter().chain(said).collect();
    let pictures: Vec<Picture<'_>> =
        values.iter().zip(&names).map(|(values, name)| Picture { width, height, values, name }).collect();
    let mut notes = vec![about(found, source, &format!("beta {}", exact(found.beta))), verdicts(found)];
    if count > shown {
        notes.push(format!("the first {shown} of {count} patterns"));
    }
    let reach = Scale::fit(Spacing::Linear, values[..shown].iter().flatten().map(|&x| f64::from(x)));
    let style = Style { colours: ColourMap::Greys, scale: reach, unit: String::new(), ..Style::default() };
    let rows = ["stored", "query", "retrieved"];
    let title = "Retrieval from noisy queries";
    Images { title, notes, pictures: &pictures, across: shown, rows: &rows, columns: &[], shared: true }.svg(&style)
}

/// Energy after each step, of the first queries.
///
/// # Errors
/// As [`Lines::svg`].
pub fn energy(found: &Retrievals, source: &str) -> Result<String> {
    const CURVES: usize = 8;
    let mut notes = vec![about(found, source, &format!("beta {}", exact(found.beta)))];
    let count = found.retrievals.len();
    if count > CURVES {
        notes.push(format!("the first {CURVES} of {count} queries"));
    }
    let curve = |one: &Retrieval| {
        let points = one.energies.iter().enumerate().map(|(step, &e)| (step as f64, e)).collect();
        Series::new(format!("query {}", one.pattern), points)
    };
    let series: Vec<Series> = found.retrievals.iter().take(CURVES).map(curve).collect();
    let (x, y) = (Side::new("step"), Side::new("energy"));
    Lines { title: "Energy during retrieval", notes, x, y, series: &series }.svg()
}

/// Effective number of patterns in what is retrieved, against beta.
///
/// # Errors
/// As [`Lines::svg`].
pub fn effective(found: &Retrievals, swept: &[Effective], source: &str) -> Result<String> {
    let notes = vec![about(found, source, "iterated to a fixed point from every query")];
    let points = |of: fn(&Effective) -> f64| swept.iter().map(|at| (at.beta, of(at))).collect::<Vec<_>>();
    let all = swept.iter().map(|at| (at.beta, found.patterns as f64)).collect();
    let series = [
        Series::new("mean over queries", points(|at| at.mean)),
        Series::new("largest", points(|at| at.largest)),
        Series::new("all patterns", all).null(),
    ];
    let (x, y) = (Side::new("beta").log(), Side::new("effective patterns, exp(entropy)").log());
    Lines { title: "What is retrieved: averages, then single patterns", notes, x, y, series: &series }.svg()
}

/// What became of a query, and what would help.
pub fn why(retrieval: &Retrieval) -> String {
    let some = |set: &[usize]| {
        let names: Vec<String> = set.iter().take(6).map(usize::to_string).collect();
        let more = if set.len() > 6 { ", ..." } else { "" };
        format!("{}{more}", names.join(", "))
    };
    match &retrieval.reason {
        _ if retrieval.has_twins() => "retrieved, along with identical patterns".to_string(),
        Reason::Retrieved => "retrieved".to_string(),
        Reason::AnotherPattern(other) => format!("pattern {other} instead: the query lay in its basin"),
        Reason::Outscored(other) => format!(
            "pattern {other} instead: no beta retrieves this one as it is, since a longer pattern scores as high; scale the patterns to one length"
        ),
        Reason::Metastable(set) => format!("average of {} patterns ({}): beta too low", set.len(), some(set)),
        Reason::GlobalAverage => "average of more than half of all patterns: beta too low".to_string(),
        Reason::NotSettled => "not settled: more steps are needed".to_string(),
    }
}

fn table(found: &Retrievals) -> String {
    const SHOWN: usize = 40;
    let mut out = format!(
        "{:>7}  {:>9}  {:>9}  {:>10}  {:>9}  {:>5}  result\n",
        "pattern", "d(query)", "d(end)", "separation", "required", "steps"
    );
    for one in found.retrievals.iter().take(SHOWN) {
        out += &format!(
            "{:>7}  {:>9}  {:>9}  {:>10}  {:>9}  {:>5}  {}\n",
            one.pattern,
            decimal(one.query_distance, 3),
            decimal(one.distance, 3),
            decimal(one.separation, 3),
            decimal(one.wanted_separation, 3),
            one.steps,
            why(one)
        );
    }
    let all = found.retrievals.len();
    if all > SHOWN {
        out += &format!("and {} more; the JSON has them all\n", all - SHOWN);
    }
    out += &format!("\n{} of {all} patterns retrieved\n", found.count(|reason| *reason == Reason::Retrieved));
    if let Some(beta) = found.wanted_beta() {
        out += &format!("a beta of {} would separate all patterns that can be separated\n", decimal(beta, 3));
    }
    out
}

/// The retrievals as a table, for a terminal, and what they come to.
pub fn words(found: &Retrievals, source: &str) -> String {
    let kind = if found.centred { "centred, of mean length 1" } else { "as they are" };
    let theorem = found.sure_patterns.map_or(String::new(), |count| {
        format!(
            "theory guarantees storage of {} random patterns of this mean length and dimension (probability 0.99; Ramsauer et al. 2021, \
             theorem 3)\n",
            decimal(count, 0)
        )
    });
    format!(
        "Modern Hopfield memory of {} patterns of {} features ({kind}), {}, beta {}: {source}\n\
         noise of standard deviation {} in every feature; the energy falls with every step\n\n{}{theorem}",
        found.patterns,
        found.features,
        found.separation,
        exact(found.beta),
        exact(found.noise),
        table(found)
    )
}

/// The table of the soft maximum, for a terminal.
pub fn soft_maximum_words(found: &SoftMaximum) -> String {
    let mut out = format!(
        "{}: how far the soft maximum of two scores lies above the larger one\n\n{:>6}  {:>12}  {:>9}\n",
        found.separation, "beta", "equal scores", "1 apart"
    );
    for gap in &found.gaps {
        out += &format!("{:>6}  {:>12.6}  {:>9.6}\n", gap.beta, gap.above_equal, gap.above_one_apart);
    }
    out
}
