//! Head statistics as a few arrays a layer, and back.
//!
//! One file for each statistic would be forty files per layer and input; they are stacked along a first axis whose
//! labels stand in the array's attributes.

use std::borrow::Cow;
use std::ops::Range;

use attractor::retrieve::{FamilyStatistic, HeadStatistics, Link, Over, RowNumbers, SummedStatistic};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zarrs::array::ElementOwned;

use super::array::{Data, Spec};
use attractor::{Error, Result};

/// Per-row numbers in `row_statistics`; the log-sum-exp has an array of its own.
fn rows() -> impl Iterator<Item = (&'static str, Float, FloatMut)> {
    HeadStatistics::ROWS.iter().filter_map(|statistic| match statistic.numbers {
        RowNumbers::Float(get, field) if statistic.name != "log_sum_exp" => Some((statistic.name, get, field)),
        _ => None,
    })
}

/// Per-row whole numbers, in `row_keys`.
fn row_keys() -> impl Iterator<Item = (&'static str, Whole, WholeMut)> {
    HeadStatistics::ROWS.iter().filter_map(|statistic| match statistic.numbers {
        RowNumbers::Whole(get, field) => Some((statistic.name, get, field)),
        RowNumbers::Float(..) => None,
    })
}

type Float = fn(&HeadStatistics) -> &Vec<f32>;
type FloatMut = fn(&mut HeadStatistics) -> &mut Vec<f32>;
type Whole = fn(&HeadStatistics) -> &Vec<u32>;
type WholeMut = fn(&mut HeadStatistics) -> &mut Vec<u32>;

/// The sums over rows along an axis.
fn sums(axis: &'static str) -> Vec<&'static SummedStatistic> {
    HeadStatistics::SUMS.iter().filter(|statistic| statistic.axis == axis).collect()
}

/// Arrays of sums: name, label axis, and the axis that they are summed to.
const SUMS: [(&str, &str, &str); 2] =
    [("key_statistics", "key_statistic", "key"), ("distance_statistics", "distance_statistic", "distance_bin")];

/// Rows a chunk.
const CHUNK: usize = 4096;

/// What is one number per head, and which statistics there are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatisticsEntry {
    /// Labels of `row_statistics`, in order.
    pub rows: Vec<String>,
    /// Labels of `row_keys`, in order.
    pub row_keys: Vec<String>,
    pub heads: Vec<HeadEntry>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeadEntry {
    pub empty_rows: usize,
    pub invalid_rows: usize,
    pub distance_bin_width: usize,
    pub links: usize,
}

/// "class_mass[2]:special", "divergence[0]:1"; without the member's name where that is not known.
fn label(family: &FamilyStatistic, place: usize, classes: &[String], lags: &[usize]) -> String {
    let member = match family.over {
        Over::Class => classes.get(place).cloned(),
        Over::Lag => lags.get(place).map(usize::to_string),
    };
    format!("{}[{place}]{}", family.name, member.map_or(String::new(), |name| format!(":{name}")))
}

/// All per-row f32 vectors of a head that are there, by label.
fn row_vectors<'a>(s: &'a HeadStatistics, classes: &[String], lags: &[usize]) -> Vec<(String, &'a Vec<f32>)> {
    let mut vectors: Vec<(String, &Vec<f32>)> =
        rows().map(|(name, get, _)| (name.to_string(), get(s))).filter(|(_, x)| !x.is_empty()).collect();
    for family in HeadStatistics::FAMILIES {
        let members = (family.read)(s).iter().enumerate();
        vectors.extend(members.map(|(place, x)| (label(family, place, classes, lags), x)));
    }
    vectors
}

/// Stacks one vector a (label, head) into [label, head, length].
fn stack<'a, T: Copy + 'a>(
    heads: &'a [HeadStatistics],
    labels: usize,
    length: usize,
    get: impl Fn(usize, &'a HeadStatistics) -> Cow<'a, [T]>,
) -> Result<Vec<T>> {
    let mut all = Vec::with_capacity(labels * heads.len() * length);
    for label in 0..labels {
        for s in heads {
            let x = get(label, s);
            if x.len() != length {
                return Err(Error::usage(format!(
                    "statistics: a head has {} numbers where {length} are expected; ask the same of every head",
                    x.len()
                )));
            }
            all.extend_from_slice(&x);
        }
    }
    Ok(all)
}

/// Packs the statistics of a layer's heads.
///
/// # Errors
/// `is_usage` if the heads do not agree on what was asked, or a vector has another length than its axis.
pub(crate) fn pack(
    heads: &[HeadStatistics],
    classes: &[String],
    lags: &[usize],
) -> Result<(StatisticsEntry, Vec<Spec<'static>>)> {
    let Some(first) = heads.first() else { return Ok((StatisticsEntry::default(), Vec::new())) };
    let (h, n, m) = (heads.len(), first.queries, first.keys);
    let mut entry = StatisticsEntry {
        rows: row_vectors(first, classes, lags).into_iter().map(|(name, _)| name).collect(),
        row_keys: row_keys().filter(|(_, get, _)| !get(first).is_empty()).map(|f| f.0.to_string()).collect(),
        heads: Vec::new(),
    };
    for s in heads {
        entry.heads.push(HeadEntry {
            empty_rows: s.empty_rows,
            invalid_rows: s.invalid_rows,
            distance_bin_width: s.distance_bin_width,
            links: s.links.len(),
        });
        if (s.queries, s.keys, s.pooled_side) != (n, m, first.pooled_side) {
            return Err(Error::usage("statistics: the heads of a layer differ in shape"));
        }
    }
    let mut specs = Vec::new();
    let labels = |spec: &mut Spec<'_>, names: &[String]| {
        spec.attributes.insert("labels".into(), Value::from(names.to_vec()));
    };

    if !first.log_sum_exp.is_empty() {
        let lse = stack(heads, 1, n, |_, s| (&s.log_sum_exp).into())?;
        specs.push(Spec::new("log_sum_exp", Data::F32(lse), &[h, n], &[1, CHUNK], &["head", "query"]));
    }
    if !entry.rows.is_empty() {
        let rows = stack(heads, entry.rows.len(), n, |label, s| {
            let named = row_vectors(s, classes, lags).into_iter().find(|(name, _)| *name == entry.rows[label]);
            named.map_or(Cow::Borrowed(&[]), |(_, x)| x.into())
        })?;
        let shape = [entry.rows.len(), h, n];
        let axes = ["row_statistic", "head", "query"];
        let mut spec = Spec::new("row_statistics", Data::F32(rows), &shape, &[usize::MAX, 1, CHUNK], &axes);
        labels(&mut spec, &entry.rows);
        specs.push(spec);
    }
    if !entry.row_keys.is_empty() {
        let kept: Vec<_> = row_keys().filter(|f| entry.row_keys.iter().any(|name| name == f.0)).collect();
        let keys = stack(heads, kept.len(), n, |label, s| kept[label].1(s).into())?;
        let shape = [kept.len(), h, n];
        let axes = ["row_key_statistic", "head", "query"];
        let mut spec = Spec::new("row_keys", Data::U32(keys), &shape, &[usize::MAX, 1, CHUNK], &axes);
        labels(&mut spec, &entry.row_keys);
        specs.push(spec);
    }
    let named = |names: &[&str]| names.iter().map(|x| x.to_string()).collect::<Vec<_>>();
    for (name, labels_axis, axis) in SUMS {
        let declared = sums(axis);
        let length = (declared[0].read)(first).len();
        if length > 0 {
            let all = stack(heads, declared.len(), length, |label, s| (declared[label].read)(s).into())?;
            let axes = [labels_axis, "head", axis];
            let shape = [declared.len(), h, length];
            let mut spec = Spec::new(name, Data::F64(all), &shape, &[usize::MAX, 1, CHUNK], &axes);
            labels(&mut spec, &declared.iter().map(|statistic| statistic.name.to_string()).collect::<Vec<_>>());
            specs.push(spec);
        }
    }
    let side = first.pooled_side;
    if side > 0 {
        let pooled = stack(heads, 2, side * side, |label, s| match label {
            0 => (&s.pooled_max).into(),
            _ => (&s.pooled_mean).into(),
        })?;
        let axes = ["pooled_statistic", "head", "pooled_query", "pooled_key"];
        let inner = [usize::MAX, 1, usize::MAX, usize::MAX];
        let mut spec = Spec::new("pooled", Data::F32(pooled), &[2, h, side, side], &inner, &axes);
        labels(&mut spec, &named(&["max", "mean"]));
        specs.push(spec);
    }
    let most = heads.iter().map(|s| s.links.len()).max().unwrap_or(0);
    if most > 0 {
        let link = |s: &HeadStatistics, place: usize| {
            s.links.get(place).copied().unwrap_or(Link { query: u32::MAX, key: u32::MAX, weight: 0.0 })
        };
        let end = |label, link: Link| if label == 0 { link.query } else { link.key };
        let ends = stack(heads, 2, most, |label, s| (0..most).map(|i| end(label, link(s, i))).collect())?;
        let weights = stack(heads, 1, most, |_, s| (0..most).map(|i| link(s, i).weight).collect())?;
        let mut spec =
            Spec::new("link_ends", Data::U32(ends), &[2, h, most], &[usize::MAX, 1, CHUNK], &["end", "head", "link"]);
        labels(&mut spec, &named(&["query", "key"]));
        specs.push(spec);
        specs.push(Spec::new("link_weight", Data::F32(weights), &[h, most], &[1, CHUNK], &["head", "link"]));
    }
    let top = first.row_top_keys.len() / n.max(1);
    if top > 0 {
        let keys = stack(heads, 1, n * top, |_, s| (&s.row_top_keys).into())?;
        let weights = stack(heads, 1, n * top, |_, s| (&s.row_top_weights).into())?;
        let (shape, inner, axes) = ([h, n, top], [1, CHUNK, usize::MAX], ["head", "query", "rank"]);
        specs.push(Spec::new("row_top_keys", Data::U32(keys), &shape, &inner, &axes));
        specs.push(Spec::new("row_top_weights", Data::F32(weights), &shape, &inner, &axes));
    }
    Ok((entry, specs))
}

/// Where [`unpack`] gets arrays from.
pub(crate) trait Source {
    /// Shape of an array; `None` if the run has none of that name.
    fn shape(&self, name: &str) -> Option<&[usize]>;
    /// A part of an array.
    fn part<T: ElementOwned + Copy + Default>(&self, name: &str, part: &[Range<usize>]) -> Result<Vec<T>>;
}

/// The statistics of the heads at places `places` among the kept heads, each array opened once.
pub(crate) fn unpack(
    entry: &StatisticsEntry,
    places: Range<usize>,
    n: usize,
    m: usize,
    source: &impl Source,
) -> Result<Vec<HeadStatistics>> {
    let scalars = |head: usize| entry.heads.get(head).cloned().unwrap_or_default();
    let mut heads: Vec<HeadStatistics> = places
        .clone()
        .map(|head| scalars(head))
        .map(|scalars| HeadStatistics {
            queries: n,
            keys: m,
            empty_rows: scalars.empty_rows,
            invalid_rows: scalars.invalid_rows,
            distance_bin_width: scalars.distance_bin_width,
            ..HeadStatistics::default()
        })
        .collect();

    for (s, x) in heads.iter_mut().zip(plain(source, "log_sum_exp", &places)?) {
        s.log_sum_exp = x;
    }
    for (label, x) in entry.rows.iter().zip(stacked::<f32>(source, "row_statistics", &places)?) {
        let row = rows().find(|(name, ..)| name == label);
        let head = label.split_once('[').map(|(name, _)| name);
        let family = HeadStatistics::FAMILIES.iter().find(|family| Some(family.name) == head);
        for (s, x) in heads.iter_mut().zip(x) {
            match (&row, family) {
                (Some((_, _, field)), _) => *field(s) = x,
                (None, Some(family)) => (family.write)(s).push(x),
                (None, None) => return Err(Error::format(format!("row_statistics: the label {label:?} is unknown"))),
            }
        }
    }
    for (label, x) in entry.row_keys.iter().zip(stacked::<u32>(source, "row_keys", &places)?) {
        for (s, x) in heads.iter_mut().zip(x) {
            match row_keys().find(|(name, ..)| name == label) {
                Some((_, _, field)) => *field(s) = x,
                None => return Err(Error::format(format!("row_keys: the label {label:?} is unknown"))),
            }
        }
    }
    for (name, _, axis) in SUMS {
        // In the order of the declaration, which is that of every run so far.
        for (statistic, all) in sums(axis).into_iter().zip(stacked::<f64>(source, name, &places)?) {
            heads.iter_mut().zip(all).for_each(|(s, x)| (statistic.write)(s, x));
        }
    }
    if let Ok([max, mean]) = <[_; 2]>::try_from(stacked::<f32>(source, "pooled", &places)?) {
        for ((s, max), mean) in heads.iter_mut().zip(max).zip(mean) {
            s.pooled_side = source.shape("pooled").map_or(0, |shape| shape[2]);
            s.pooled_max = max;
            s.pooled_mean = mean;
        }
    }
    if let Ok([queries, keys]) = <[_; 2]>::try_from(stacked::<u32>(source, "link_ends", &places)?) {
        let weights = plain::<f32>(source, "link_weight", &places)?;
        for (place, (((s, queries), keys), weights)) in heads.iter_mut().zip(queries).zip(keys).zip(weights).enumerate()
        {
            let links = queries.into_iter().zip(keys).zip(weights).take(scalars(places.start + place).links);
            s.links = links.map(|((query, key), weight)| Link { query, key, weight }).collect();
        }
    }
    for (s, x) in heads.iter_mut().zip(plain(source, "row_top_keys", &places)?) {
        s.row_top_keys = x;
    }
    for (s, x) in heads.iter_mut().zip(plain(source, "row_top_weights", &places)?) {
        s.row_top_weights = x;
    }
    Ok(heads)
}

/// The shape of an array of at least `axes` axes; `None` if the run has none of that name.
fn ranked<'s>(source: &'s impl Source, name: &str, axes: usize) -> Result<Option<&'s [usize]>> {
    match source.shape(name) {
        Some(shape) if shape.len() < axes => {
            Err(Error::format(format!("{name}: {} axes, expected at least {axes}; the run is damaged", shape.len())))
        }
        shape => Ok(shape),
    }
}

/// Reads [labels, heads, rest...] at some heads, cut by label and head.
fn stacked<T: ElementOwned + Copy + Default>(
    source: &impl Source,
    name: &str,
    places: &Range<usize>,
) -> Result<Vec<Vec<Vec<T>>>> {
    let Some(shape) = ranked(source, name, 3)? else { return Ok(Vec::new()) };
    let (labels, rest) = (shape[0], shape[2..].iter().product::<usize>());
    let mut part = vec![0..labels, places.clone()];
    part.extend(shape[2..].iter().map(|&axis| 0..axis));
    let all = source.part::<T>(name, &part)?;
    let heads = |x: &[T]| x.chunks_exact(rest.max(1)).map(<[T]>::to_vec).collect();
    Ok(all.chunks_exact((rest * places.len()).max(1)).map(heads).collect())
}

/// Reads [heads, rest...] at some heads, cut by head.
fn plain<T: ElementOwned + Copy + Default>(
    source: &impl Source,
    name: &str,
    places: &Range<usize>,
) -> Result<Vec<Vec<T>>> {
    let Some(shape) = ranked(source, name, 2)? else { return Ok(Vec::new()) };
    let rest = shape[1..].iter().product::<usize>();
    let mut part = vec![places.clone()];
    part.extend(shape[1..].iter().map(|&axis| 0..axis));
    Ok(source.part::<T>(name, &part)?.chunks_exact(rest.max(1)).map(<[T]>::to_vec).collect())
}
