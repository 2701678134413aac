//! Pictures of the table of heads: a column by layer and head, as a histogram, against another; attention by distance.

use attractor_judge::statistics::Bootstrap;
use attractor_record::Patterns;
use attractor_record::table::{Column, Table};
use attractor_render::canvas::axis::Side;
use attractor_render::figures::histogram::Histogram;
use attractor_render::figures::intervals::{Estimate, Intervals};
use attractor_render::figures::lines::{Lines, Series};
use attractor_render::figures::scatter::{Point, Scatter};

use crate::console::{capital, counted};
use crate::error::Outcome;
use attractor::Error;

/// What is drawn where nothing was named.
const DEFAULT: &str = "normalised_entropy";
/// Heads that have a curve each; of more, the layers have.
const CURVES: usize = 12;
/// Longest input whose distances are drawn on linear axes.
const LINEAR: usize = 64;
/// Heads whose names are written beside their points, at most.
const NAMED: usize = 10;

/// The picture that `drawn` asks for: nothing or a column, two columns, or "profile".
pub fn figure(patterns: &dyn Patterns, table: &Table, drawn: &[String], histogram: bool, seed: u64) -> Outcome<String> {
    match drawn {
        [] if histogram => column_histogram(table, DEFAULT),
        [] => by_head(patterns, table, DEFAULT, seed),
        [name] if name == "profile" && !histogram => profile(patterns),
        [column] if histogram => column_histogram(table, column),
        [column] => by_head(patterns, table, column, seed),
        [across, up] if !histogram => against(table, across, up),
        _ => Err(Error::usage(format!(
            "--draw {}: give one column, two to be drawn against each other, or \"profile\"; --histogram takes one column",
            drawn.join(",")
        ))),
    }
}

/// A column of numbers, NaN where a head has none; `None` if there is no such column.
fn numbers(table: &Table, name: &str) -> Option<Vec<f64>> {
    table.columns().iter().find(|(known, _)| known == name).and_then(|(_, column)| match column {
        Column::Whole(x) => Some(x.iter().map(|&x| x as f64).collect()),
        Column::Number(x) => Some(x.clone()),
        Column::MaybeWhole(x) => Some(x.iter().map(|x| x.map_or(f64::NAN, |x| x as f64)).collect()),
        Column::Text(_) => None,
    })
}

/// The same, or an error that names the columns there are.
fn column(table: &Table, name: &str) -> Outcome<Vec<f64>> {
    numbers(table, name).filter(|_| name != "layer" && name != "head").ok_or_else(|| {
        let known: Vec<&str> = table
            .columns()
            .iter()
            .filter(|(name, column)| !matches!(column, Column::Text(_)) && name != "layer" && name != "head")
            .map(|(name, _)| name.as_str())
            .collect();
        Error::usage(format!(
            "--draw {name}: there is no such column of numbers; there are {}, and \"profile\"",
            known.join(", ")
        ))
    })
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
fn by_head(patterns: &dyn Patterns, table: &Table, name: &str, seed: u64) -> Outcome<String> {
    let values = column(table, name)?;
    // Columns that need maps or a model are there for all inputs together only.
    let mut each = Vec::new();
    for input in 0..patterns.inputs() {
        each.extend(numbers(&Table::of_inputs(patterns, input..input + 1)?, name));
    }
    let bootstrap = Bootstrap::new(seed, 1999, 0.95);
    let interval = |row: usize| {
        let own: Vec<f64> = each.iter().filter_map(|inputs| inputs.get(row).copied()).filter(|x| !x.is_nan()).collect();
        bootstrap.interval(&own).ok().map(|interval| (interval.low, interval.high))
    };
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
        true => format!("strips: 95 % BCa intervals over {} inputs", patterns.inputs()),
        false if each.is_empty() => "no intervals: this column is taken over all inputs together".to_string(),
        false => "no intervals: they need five inputs".to_string(),
    }];
    let title = capital(&format!("{} by layer and head", name.replace('_', " ")));
    Ok(Intervals { title: &title, notes, y: Side::new(&axis(name)), heads: &heads, references: &[] }.svg()?)
}

/// How many heads have which value.
fn column_histogram(table: &Table, name: &str) -> Outcome<String> {
    let values: Vec<f64> = column(table, name)?.into_iter().filter(|value| !value.is_nan()).collect();
    let title = capital(&format!("{} of {}", name.replace('_', " "), counted(values.len(), "head")));
    let values = [("heads", &values[..])];
    let x = Side::new(&axis(name));
    Ok(Histogram { title: &title, notes: Vec::new(), x, values: &values, bins: 0, thresholds: &[] }.svg()?)
}

/// Two columns against each other, a point a head.
fn against(table: &Table, across: &str, up: &str) -> Outcome<String> {
    let (x, y) = (column(table, across)?, column(table, up)?);
    let points: Vec<Point> = places(table)
        .into_iter()
        .zip(x.into_iter().zip(y))
        .map(|((layer, head), (x, y))| Point { x, y, class: 0, name: format!("L{layer}H{head}") })
        .collect();
    let title = capital(&format!("{} against {}", up.replace('_', " "), across.replace('_', " ")));
    let notes = vec![format!(
        "{}; named are those furthest from both medians, where there is room",
        counted(points.len(), "head")
    )];
    let (x, y) = (Side::new(&axis(across)), Side::new(&axis(up)));
    let outliers = NAMED.min(points.len());
    Ok(Scatter { title: &title, notes, x, y, points: &points, classes: &[], outliers, diagonal: false }.svg()?)
}

/// Mass and pairs by distance.
#[derive(Clone, Default)]
struct Profile {
    mass: Vec<f64>,
    pairs: Vec<u64>,
}

impl Profile {
    fn add(&mut self, mass: &[f64], pairs: &[u64]) {
        let length = self.mass.len().max(mass.len());
        self.mass.resize(length, 0.0);
        self.pairs.resize(length, 0);
        self.mass.iter_mut().zip(mass).for_each(|(sum, m)| *sum += m);
        self.pairs.iter_mut().zip(pairs).for_each(|(sum, p)| *sum += p);
    }

    /// Mean weight of a pair at each distance, at the middle of its bin.
    fn curve(&self, width: usize) -> Vec<(f64, f64)> {
        let pairs = self.mass.iter().zip(&self.pairs).enumerate().filter(|(_, (_, pairs))| **pairs > 0);
        pairs
            .map(|(bin, (mass, &pairs))| ((bin * width) as f64 + (width - 1) as f64 / 2.0, mass / pairs as f64))
            .collect()
    }
}

/// What rows that attend evenly to all they see would give, of the masks of one layer.
fn even(patterns: &dyn Patterns, layer: usize, width: usize) -> Outcome<Profile> {
    let mut profile = Profile::default();
    for input in 0..patterns.inputs() {
        let (mask, (queries, keys)) = (patterns.mask(layer, input)?, patterns.shape(layer, input)?);
        let bins = (queries + mask.offset).max(keys).div_ceil(width);
        let (mut mass, mut pairs) = (vec![0.0; bins], vec![0u64; bins]);
        for query in 0..queries {
            let weight = 1.0 / mask.visible(query, keys).max(1) as f64;
            for key in mask.range(query, keys).filter(|&key| mask.admits(query, key, keys)) {
                let bin = (query + mask.offset).abs_diff(key) / width;
                mass[bin] += weight;
                pairs[bin] += 1;
            }
        }
        profile.add(&mass, &pairs);
    }
    Ok(profile)
}

/// Mean attention weight by distance: a curve a head, of many heads a curve a layer.
fn profile(patterns: &dyn Patterns) -> Outcome<String> {
    let layers = patterns.layers();
    let heads: usize = layers.iter().map(|shape| shape.heads.len()).sum();
    let each = heads <= CURVES;
    let mut profiles: Vec<(String, Profile)> = Vec::new();
    let mut width = None;
    for shape in &layers {
        let mut of_layer = Profile::default();
        for &head in &shape.heads {
            let mut of_head = Profile::default();
            for input in 0..patterns.inputs() {
                let Some(s) = patterns.statistics(shape.layer, head, input)? else { continue };
                // Inputs so long that their bins are wider cannot be joined with the others.
                if s.distance_mass.is_empty() || *width.get_or_insert(s.distance_bin_width) != s.distance_bin_width {
                    continue;
                }
                of_head.add(&s.distance_mass, &s.distance_pairs);
            }
            of_layer.add(&of_head.mass, &of_head.pairs);
            if each {
                profiles.push((format!("L{}H{head}", shape.layer), of_head));
            }
        }
        if !each {
            profiles.push((format!("layer {}", shape.layer), of_layer));
        }
    }
    let (Some(width), Some(first)) = (width, layers.first()) else {
        return Err(Error::usage("--draw profile: the statistics by distance were not kept; name the checkpoint"));
    };
    let longest = profiles.iter().map(|(_, profile)| profile.mass.len() * width).max().unwrap_or(0);
    let log = longest > LINEAR;
    let curve = |profile: &Profile| -> Vec<(f64, f64)> {
        profile.curve(width).into_iter().filter(|&(x, y)| !log || (x > 0.0 && y > 0.0)).collect()
    };
    let mut series: Vec<Series> = profiles.iter().map(|(name, profile)| Series::new(name, curve(profile))).collect();
    series.push(Series::new("uniform over what each query sees", curve(&even(patterns, first.layer, width)?)).null());
    let mut notes = vec![match each {
        true => format!("mean over the query-key pairs of {}", counted(patterns.inputs(), "input")),
        false => format!(
            "mean over the heads of each layer and the query-key pairs of {}; choose up to {CURVES} heads for a curve each",
            counted(patterns.inputs(), "input")
        ),
    }];
    if log {
        notes.push("the token itself (distance 0) has no place on a logarithmic axis".to_string());
    }
    let (x, y) = (Side::new("distance between query and key (tokens)"), Side::new("mean attention weight"));
    let (x, y) = if log { (x.log(), y.log()) } else { (x, y) };
    Ok(Lines { title: "Attention by distance", notes, x, y, series: &series }.svg()?)
}
