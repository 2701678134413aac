//! What of a layer is kept: heads picked, numbers rounded, maps and statistics computed.

use std::collections::BTreeMap;

use attractor::retrieve::{HeadStatistics, Heads, Mask, Request, tiled};

use super::array::{Data, Float, Numbers, RowsOf, Spec};
use super::{Keep, RunOptions};
use attractor::{Error, Result};
use attractor_record::LayerShape;
use attractor_record::Observations;
use attractor_record::Precision;
use attractor_record::kernel::{Scoring, default_request, head_problem, problem_of};
use attractor_record::{Facts, LayerRecord, Recomputed, Rows, Stack, Token};

/// Largest finite f16.
const F16_MAX: f32 = 65504.0;
/// Rows and columns of a chunk of a map; rows of a chunk of vectors.
pub(super) const MAP_CHUNK: usize = 128;
const VECTOR_CHUNK: usize = 512;

/// A layer about to be written.
pub(super) struct Parts<'a> {
    pub stack: Stack,
    pub shape: LayerShape,
    pub kept_key_heads: Vec<usize>,
    pub queries: usize,
    pub keys: usize,
    pub beta: Option<f32>,
    pub mask: &'a Mask,
    pub soft_cap: Option<f32>,
    pub alibi: Vec<f32>,
    pub sinks: Vec<f32>,
    pub facts: Facts,
    pub observations: Option<Observations>,
    pub statistics: Vec<HeadStatistics>,
    pub specs: Vec<Spec<'a>>,
    pub promoted: BTreeMap<String, String>,
}

/// The key heads that the query heads `heads` read, ascending.
pub(crate) fn key_heads(heads: &[usize], model_heads: usize, key_heads: usize) -> Vec<usize> {
    let group = (model_heads / key_heads.max(1)).max(1);
    let mut read: Vec<usize> = heads.iter().map(|head| head / group).collect();
    read.dedup();
    read
}

/// The stored precision; arrays that f16 cannot hold stay f32, and `promoted` says why.
fn float_for(name: &str, dtype: Precision, largest: f32, promoted: &mut BTreeMap<String, String>) -> Float {
    if dtype == Precision::F32 {
        return Float::F32;
    }
    if largest > F16_MAX {
        promoted.insert(name.to_string(), format!("largest value {largest:e} exceeds f16's {F16_MAX}; kept as f32"));
        return Float::F32;
    }
    Float::F16
}

/// The largest finite size.
pub(super) fn largest(x: &[f32]) -> f32 {
    x.iter().filter(|x| x.is_finite()).fold(0f32, |m, x| m.max(x.abs()))
}

/// Rounds to the stored precision.
fn quantise(name: &str, x: Vec<f32>, dtype: Precision, promoted: &mut BTreeMap<String, String>) -> Data {
    match float_for(name, dtype, largest(&x), promoted) {
        Float::F32 => Data::F32(x),
        Float::F16 => Float::F16.of(&x),
    }
}

fn widened(data: &Data) -> Vec<f32> {
    match data {
        Data::F16(x) => x.iter().map(|x| x.to_f32()).collect(),
        Data::F32(x) => x.clone(),
        Data::F64(x) => x.iter().map(|&x| x as f32).collect(),
        Data::U32(x) => x.iter().map(|&x| x as f32).collect(),
    }
}

/// Vectors of some heads, [heads, rows, width].
fn picked(x: &[f32], heads: &[usize], size: usize) -> Vec<f32> {
    heads.iter().flat_map(|&head| &x[head * size..(head + 1) * size]).copied().collect()
}

/// Maps whose rows are read as they are written, at the asked precision; `largest` is their largest finite size.
pub(super) fn map_spec<'a>(
    rows: RowsOf<'a>,
    shape: [usize; 3],
    (dtype, largest): (Precision, f32),
    promoted: &mut BTreeMap<String, String>,
) -> Spec<'a> {
    let float = float_for("pattern", dtype, largest, promoted);
    let axes = ["head", "query", "key"];
    let of = Spec::new("pattern", Data::F32(Vec::new()), &shape, &[1, MAP_CHUNK, MAP_CHUNK], &axes);
    Spec { numbers: Numbers::Maps(float, rows), ..of }
}

/// Checks a record's shapes and parameters before anything is written.
pub(super) fn check_record(record: &LayerRecord) -> Result<()> {
    let at = |message: String| Error::usage(format!("layer {}: {message}", record.layer));
    problem_of(record).map_err(|error| at(error.to_string()).because(error))?;
    if record.queries == 0 || record.keys == 0 || record.width == 0 {
        return Err(at("no positions or no features; nothing can be kept".to_string()));
    }
    let (h, g, n, m, e) = (record.heads, record.key_heads, record.queries, record.keys, record.value_width);
    let optional = [("v", record.v.len(), g * m * e), ("z", record.z.len(), h * n * e)];
    for (name, found, expected) in optional {
        if found != 0 && found != expected {
            return Err(at(format!("{name} has {found} numbers, expected {expected} or none")));
        }
    }
    if !record.input_rows.is_empty() {
        return Err(Error::usage(format!(
            "layer {}: only some rows of its input were kept; a run holds all of them or none",
            record.layer
        )));
    }
    if record.input.len() % n != 0 || (!record.statistics.is_empty() && record.statistics.len() != h) {
        return Err(at("the input or the statistics have no whole number of rows or heads".to_string()));
    }
    if record.alibi.iter().chain(&record.sinks).any(|x| !x.is_finite()) {
        return Err(at("an ALiBi slope or a sink is not a number".to_string()));
    }
    Ok(())
}

/// Statistics of the kept heads: those of the record, and what it lacks.
fn statistics_of(
    options: &RunOptions,
    record: &LayerRecord,
    heads: &[usize],
    tokens: &[Token],
) -> Result<Vec<HeadStatistics>> {
    let compute = |request: &Request| -> Result<Vec<HeadStatistics>> {
        if heads.len() == record.heads {
            return Ok(tiled::statistics(&problem_of(record)?, request)?);
        }
        let one = |&head: &usize| Ok(tiled::statistics(&head_problem(record, head)?, request)?.swap_remove(0));
        heads.iter().map(one).collect()
    };
    let row_top = if let Keep::TopK(k) = options.keep { k.min(record.keys) } else { 0 };
    if record.statistics.is_empty() {
        return compute(&Request { row_top, ..default_request(tokens, record.keys) });
    }
    let mut given: Vec<HeadStatistics> = heads.iter().map(|&head| record.statistics[head].clone()).collect();
    if given.iter().any(|s| s.row_top_keys.len() != row_top * record.queries) && row_top > 0 {
        for (s, top) in given.iter_mut().zip(compute(&Request { row_top, ..Request::core() })?) {
            s.row_top_keys = top.row_top_keys;
            s.row_top_weights = top.row_top_weights;
        }
    }
    Ok(given)
}

pub(super) fn parts_of<'a>(
    options: &RunOptions,
    record: &'a LayerRecord,
    heads: Vec<usize>,
    tokens: &[Token],
) -> Result<Parts<'a>> {
    let (n, m, d, e) = (record.queries, record.keys, record.width, record.value_width);
    let kept_key_heads = key_heads(&heads, record.heads, record.key_heads);
    let (h, g) = (heads.len(), kept_key_heads.len());
    let of_heads = |x: &[f32]| if x.is_empty() { Vec::new() } else { heads.iter().map(|&head| x[head]).collect() };
    let mut promoted = BTreeMap::new();
    let mut specs = Vec::new();
    let dtype = options.dtype;
    match options.keep {
        Keep::Stats | Keep::TopK(_) => {}
        Keep::Pattern => {
            let kept = heads.clone();
            // The map of one head at a time is open.
            let mut open: Option<(usize, Recomputed<'a>)> = None;
            let read: RowsOf<'a> = Box::new(move |place, rows, into| {
                if open.as_ref().is_none_or(|(is, _)| *is != place) {
                    open = Some((place, Recomputed::new(record, kept[place])?));
                }
                open.as_mut().map_or(Ok(()), |(_, map)| map.read(rows, into))
            });
            // Weights of a softmax are at most one.
            specs.push(map_spec(read, [h, n, m], (dtype, 1.0), &mut promoted));
        }
        Keep::StatsQk => {
            let q = quantise("q", picked(&record.q, &heads, n * d), dtype, &mut promoted);
            let k = quantise("k", picked(&record.k, &kept_key_heads, m * d), dtype, &mut promoted);
            let stored = stored_log_sum_exp(record, &heads, &kept_key_heads, &widened(&q), &widened(&k))?;
            let inner = [1, VECTOR_CHUNK, usize::MAX];
            let keys = ["key_head", "key", "feature"];
            specs.push(Spec::new("q", q, &[h, n, d], &inner, &["head", "query", "feature"]));
            specs.push(Spec::new("k", k, &[g, m, d], &inner, &keys));
            specs.push(Spec::new("stored_log_sum_exp", Data::F32(stored), &[h, n], &[1, 4096], &["head", "query"]));
            if options.values && !record.v.is_empty() {
                let v = quantise("v", picked(&record.v, &kept_key_heads, m * e), dtype, &mut promoted);
                specs.push(Spec::new("v", v, &[g, m, e], &inner, &["key_head", "key", "value_feature"]));
            }
            if options.outputs && !record.z.is_empty() {
                let z = quantise("z", picked(&record.z, &heads, n * e), dtype, &mut promoted);
                specs.push(Spec::new("z", z, &[h, n, e], &inner, &["head", "query", "value_feature"]));
            }
            if options.layer_input && !record.input.is_empty() {
                let x = quantise("layer_input", record.input.clone(), dtype, &mut promoted);
                let shape = [n, record.input.len() / n];
                specs.push(Spec::new(
                    "layer_input",
                    x,
                    &shape,
                    &[VECTOR_CHUNK, usize::MAX],
                    &["query", "model_feature"],
                ));
            }
        }
    }
    Ok(Parts {
        statistics: statistics_of(options, record, &heads, tokens)?,
        stack: record.stack,
        shape: LayerShape {
            layer: record.layer,
            heads: heads.clone(),
            model_heads: record.heads,
            key_heads: record.key_heads,
        },
        kept_key_heads,
        queries: n,
        keys: m,
        beta: Some(record.beta),
        mask: &record.mask,
        soft_cap: record.soft_cap,
        alibi: of_heads(&record.alibi),
        sinks: of_heads(&record.sinks),
        facts: record.facts.clone(),
        observations: None,
        specs,
        promoted,
    })
}

/// Log-sum-exp of the stored queries and keys, [heads, n]: with it the recomputed rows sum to one.
fn stored_log_sum_exp(
    record: &LayerRecord,
    heads: &[usize],
    key_heads: &[usize],
    q: &[f32],
    k: &[f32],
) -> Result<Vec<f32>> {
    let (nd, md) = (record.queries * record.width, record.keys * record.width);
    let group = record.heads / record.key_heads;
    let mut all = Vec::with_capacity(heads.len() * record.queries);
    for (place, &head) in heads.iter().enumerate() {
        let key = key_heads.partition_point(|&key_head| key_head < head / group);
        let queries = Heads::new(&q[place * nd..(place + 1) * nd], 1, record.queries, record.width)?;
        let keys = Heads::new(&k[key * md..(key + 1) * md], 1, record.keys, record.width)?;
        all.extend(tiled::retrieve(&Scoring::of(record).head(head).problem(queries, keys)?)?.log_sum_exp);
    }
    Ok(all)
}
