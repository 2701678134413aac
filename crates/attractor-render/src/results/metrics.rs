//! Pictures of the table of heads: a column by layer and head, as a histogram, against another; attention by distance.

use attractor::{Error, Result};
use attractor_judge::analysis::profiles;
use attractor_judge::analysis::table::{intervals, numbers};
use attractor_record::Patterns;
use attractor_record::table::{Column, Table};

use super::capital;
use crate::canvas::axis::Side;
use crate::canvas::numbers::counted;
use crate::figures::histogram::Histogram;
use crate::figures::intervals::{Estimate, Intervals};
use crate::figures::lines::{Lines, Series};
use crate::figures::scatter::{Point, Scatter};

/// What is drawn where nothing was named.
const DEFAULT: &str = "normalised_entropy";
/// Heads that have a curve each; of more, the layers have.
const CURVES: usize = 12;
/// Longest input whose distances are drawn on linear axes.
const LINEAR: usize = 64;
/// Heads whose names are written beside their points, at most.
const NAMED: usize = 10;

/// Refuses, before anything is measured, what no table with these columns can show.
///
/// # Errors
/// `is_usage` for a column that is not there, and for more columns than a picture has axes.
pub fn check(drawn: &[String], histogram: bool, known: &[String]) -> Result<()> {
    match drawn {
        [name] if name == "profile" && !histogram => Ok(()),
        [] | [_] => drawn.iter().try_for_each(|name| unknown(name, known)),
        [_, _] if !histogram => drawn.iter().try_for_each(|name| unknown(name, known)),
        _ => Err(too_many(drawn)),
    }
}

fn unknown(name: &str, known: &[String]) -> Result<()> {
    match known.iter().any(|known| known == name) {
        true => Ok(()),
        false => {
            let why = format!("there is no such column of numbers; there are {}, and \"profile\"", known.join(", "));
            Err(Error::option("draw", name, why))
        }
    }
}

fn too_many(drawn: &[String]) -> Error {
    Error::option(
        "draw",
        drawn.join(","),
        "give one column, two to be drawn against each other, or \"profile\"; a histogram takes one column",
    )
}

/// The picture that `drawn` asks for: nothing or a column, two columns, or "profile".
pub fn figure(patterns: &dyn Patterns, table: &Table, drawn: &[String], histogram: bool, seed: u64) -> Result<String> {
    match drawn {
        [] if histogram => column_histogram(table, DEFAULT),
        [] => by_head(patterns, table, DEFAULT, seed),
        [name] if name == "profile" && !histogram => profile(patterns),
        [column] if histogram => column_histogram(table, column),
        [column] => by_head(patterns, table, column, seed),
        [across, up] if !histogram => against(table, across, up),
        _ => Err(too_many(drawn)),
    }
}

/// A column of numbers, or an error that names the columns there are.
fn column(table: &Table, name: &str) -> Result<Vec<f64>> {
    let is_number =
        |name: &str, column: &Column| !matches!(column, Column::Text(_)) && name != "layer" && name != "head";
    let there = table.columns().iter().filter(|(name, column)| is_number(name, column));
    unknown(name, &there.map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
    Ok(numbers(table, name).unwrap_or_default())
}

/// Layer and head of every row.
fn places(table: &Table) -> Vec<(usize, usize)> {
    let of = |name: &str| numbers(table, name).unwrap_or_default();
    of("layer").into_iter().zip(of("head")).map(|(layer, head)| (layer as usize, head as usize)).collect()
}

/// What the axis of a column says.
fn axis(column: &str) -> String {
    match column {
        "entropy" => "entropy (nats)".to_string(),
        "normalised_entropy" => "entropy (of ln n)".to_string(),
        "effective_keys" | "participation" => format!("{} (keys)", column.replace('_', " ")),
        "mean_distance" => "mean distance (tokens)".to_string(),
        "sink" => "mean attention to the sink (weight)".to_string(),
        name if name.ends_with("_mass") || name == "peak" => format!("{} (weight)", name.replace('_', " ")),
        name => name.replace('_', " "),
    }
}

/// One column by layer and head, with intervals over inputs.
fn by_head(patterns: &dyn Patterns, table: &Table, name: &str, seed: u64) -> Result<String> {
    let values = column(table, name)?;
    let intervals = intervals(patterns, name, seed)?;
    let interval = |row: usize| intervals.as_ref().and_then(|all| all.get(row).copied().flatten());
    let heads: Vec<Estimate> = places(table)
        .into_iter()
        .zip(values)
        .enumerate()
        .map(|(row, ((layer, head), value))| Estimate {
            layer,
            head,
            value: (!value.is_nan()).then_some(value),
            interval: interval(row),
        })
        .collect();
    let notes = vec![match heads.iter().any(|head| head.interval.is_some()) {
        true => format!("bars: 95 % BCa intervals over {} inputs", patterns.inputs()),
        false if intervals.is_none() => "no intervals: this column is taken over all inputs together".to_string(),
        false => "no intervals: they need five inputs".to_string(),
    }];
    let title = capital(&format!("{} by layer and head", name.replace('_', " ")));
    Intervals { title: &title, notes, y: Side::new(&axis(name)), heads: &heads, references: &[] }.svg()
}

/// How many heads have which value.
fn column_histogram(table: &Table, name: &str) -> Result<String> {
    let values: Vec<f64> = column(table, name)?.into_iter().filter(|value| !value.is_nan()).collect();
    let title = capital(&format!("{} of {}", name.replace('_', " "), counted(values.len(), "head")));
    let values = [("heads", &values[..])];
    let x = Side::new(&axis(name));
    Histogram { title: &title, notes: Vec::new(), x, values: &values, bins: 0, thresholds: &[] }.svg()
}

/// Two columns against each other, a point a head.
fn against(table: &Table, across: &str, up: &str) -> Result<String> {
    let (x, y) = (column(table, across)?, column(table, up)?);
    let points: Vec<Point> = places(table)
        .into_iter()
        .zip(x.into_iter().zip(y))
        .map(|((layer, head), (x, y))| Point { x, y, class: 0, name: format!("L{layer}H{head}") })
        .collect();
    let title = capital(&format!("{} against {}", up.replace('_', " "), across.replace('_', " ")));
    let notes = vec![format!(
        "{}; heads furthest from both medians are labelled, where there is room",
        counted(points.len(), "head")
    )];
    let (x, y) = (Side::new(&axis(across)), Side::new(&axis(up)));
    let outliers = NAMED.min(points.len());
    Scatter { title: &title, notes, x, y, points: &points, classes: &[], outliers, diagonal: false }.svg()
}

/// Mean attention weight by distance: a curve per head, of many heads a curve per layer.
fn profile(patterns: &dyn Patterns) -> Result<String> {
    let found = profiles(patterns, CURVES)?.ok_or_else(|| {
        Error::option("draw", "profile", "the statistics by distance were not kept; name the checkpoint")
    })?;
    let log = found.longest > LINEAR;
    let curve = |curve: &[(f64, f64)]| -> Vec<(f64, f64)> {
        curve.iter().copied().filter(|&(x, y)| !log || (x > 0.0 && y > 0.0)).collect()
    };
    let name = |layer: usize, head: Option<usize>| match head {
        Some(head) => format!("L{layer}H{head}"),
        None => format!("layer {layer}"),
    };
    let mut series: Vec<Series> =
        found.curves.iter().map(|(layer, head, points)| Series::new(name(*layer, *head), curve(points))).collect();
    series.push(Series::new("uniform over what each query sees", curve(&found.even)).null());
    let inputs = counted(patterns.inputs(), "input");
    let mut notes = vec![match found.curves.iter().all(|(_, head, _)| head.is_some()) {
        true => format!("mean over the query-key pairs of {inputs}"),
        false => format!(
            "mean over the heads of each layer and the query-key pairs of {inputs}; choose up to {CURVES} heads for a curve each"
        ),
    }];
    if log {
        notes.push("the token itself (distance 0) is omitted (log axis)".to_string());
    }
    let (x, y) = (Side::new("distance between query and key (tokens)"), Side::new("mean attention weight"));
    let (x, y) = if log { (x.log(), y.log()) } else { (x, y) };
    Lines { title: "Attention by distance", notes, x, y, series: &series }.svg()
}
