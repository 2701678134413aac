//! What an input will cost, from its shapes alone, so that a budget is enforced before it is exceeded.

use super::options::{Keep, RunOptions};
use super::parts::MAP_CHUNK;
use attractor::{Error, Hint, Result};
use attractor_record::Precision;
use attractor_record::{InputRecord, LayerRecord};

/// Shapes of one layer of one input, as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Kept query heads.
    pub heads: usize,
    /// Kept key heads.
    pub key_heads: usize,
    /// Queries.
    pub queries: usize,
    /// Keys.
    pub keys: usize,
    /// Head width of queries and keys.
    pub width: usize,
    /// Head width of values.
    pub value_width: usize,
    /// Width of the layer's input.
    pub model_width: usize,
}

/// Upper bounds for one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes of the files, nothing compressed.
    pub disk: u64,
    /// Bytes in memory while a layer is held and written, for the layer that takes most.
    pub memory: u64,
}

/// Per-row numbers of the statistics, 4 bytes each, beside classes and lags.
const ROW_NUMBERS: usize = 24;
/// Metadata of a layer: the arrays' `zarr.json` and the entry in the input's.
const LAYER_METADATA: u64 = 32 << 10;
/// A token with its text, in JSON.
const TOKEN: u64 = 160;

fn product(factors: &[usize]) -> u64 {
    factors.iter().fold(1u64, |all, &x| all.saturating_mul(x as u64))
}

fn width(precision: Precision) -> u64 {
    match precision {
        Precision::F16 | Precision::Bf16 => 2,
        Precision::F32 => 4,
        Precision::F64 => 8,
    }
}

/// An inner chunk that ends beyond its axis is filled up with zeros, and an incompressible one grows a little.
fn stored(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 64).saturating_add(1 << 10)
}

impl Extent {
    pub(crate) fn of(record: &LayerRecord, heads: usize, key_heads: usize) -> Self {
        Self {
            heads,
            key_heads,
            queries: record.queries,
            keys: record.keys,
            width: record.width,
            value_width: record.value_width,
            model_width: record.input.len() / record.queries.max(1),
        }
    }

    fn statistics(&self, options: &RunOptions) -> u64 {
        let pooled = self.queries.min(self.keys).min(64);
        let top = if let Keep::TopK(k) = options.keep { k.min(self.keys) } else { 0 };
        let numbers = ROW_NUMBERS + options.classes.len() + options.lags.len() + 2 * top;
        let rows = product(&[self.heads, self.queries]).saturating_mul(4 * numbers as u64);
        let keys = product(&[self.heads, self.keys]).saturating_mul(24);
        let fixed = product(&[self.heads]).saturating_mul(8 * (pooled * pooled) as u64 + 64 * 12 + 32 * 24);
        rows.saturating_add(keys).saturating_add(fixed)
    }

    /// Bytes of the arrays that are kept beside the statistics.
    fn arrays(&self, options: &RunOptions) -> u64 {
        let size = width(options.dtype);
        let qk = product(&[self.heads, self.queries, self.width]).saturating_add(product(&[
            self.key_heads,
            self.keys,
            self.width,
        ]));
        let v = product(&[self.key_heads, self.keys, self.value_width]);
        let z = product(&[self.heads, self.queries, self.value_width]);
        let x = product(&[self.queries, self.model_width]);
        let numbers = match options.keep {
            Keep::Stats | Keep::TopK(_) => 0,
            Keep::Pattern => product(&[self.heads, self.queries, self.keys]),
            Keep::StatsQk => [(true, qk), (options.values, v), (options.outputs, z), (options.layer_input, x)]
                .iter()
                .filter(|(kept, _)| *kept)
                .fold(0u64, |all, (_, numbers)| all.saturating_add(*numbers)),
        };
        numbers.saturating_mul(size)
    }

    fn disk(&self, options: &RunOptions) -> u64 {
        stored(self.statistics(options))
            .saturating_add(stored(self.arrays(options)))
            .saturating_add(LAYER_METADATA)
            // The hidden keys of the mask, as JSON.
            .saturating_add(6 * self.keys as u64)
    }
}

/// Bounds the cost of an input from its shapes.
pub fn estimate(options: &RunOptions, layers: &[Extent], tokens: usize) -> Estimate {
    let all = |cost: &dyn Fn(&Extent) -> u64| layers.iter().map(cost).fold(0u64, u64::saturating_add);
    let disk =
        all(&|layer| layer.disk(options)).saturating_add((tokens as u64).saturating_mul(TOKEN)).saturating_add(8 << 10);
    // One layer at a time is packed, encoded and compressed: three copies beside what came in. Of maps it is a band of rows.
    let packed = |l: &Extent| match options.keep {
        Keep::Pattern => product(&[l.keys, MAP_CHUNK]).saturating_mul(4),
        _ => l.arrays(options),
    };
    let memory = |l: &Extent| {
        let qk = product(&[l.heads, l.queries, l.width]).saturating_add(product(&[l.key_heads, l.keys, l.width]));
        let written = l.statistics(options).saturating_add(packed(l));
        qk.saturating_mul(4).saturating_add(l.statistics(options)).saturating_add(written.saturating_mul(3))
    };
    Estimate { disk, memory: layers.iter().map(memory).max().unwrap_or(0) }
}

/// Bytes as people read them.
pub fn human(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// Refuses an input that would exceed a budget, and says what would fit.
///
/// # Errors
/// `is_budget`.
pub fn check(options: &RunOptions, layers: &[Extent], tokens: usize, used: u64) -> Result<Estimate> {
    let cost = estimate(options, layers, tokens);
    let budgets = [
        ("disk", "max_bytes", options.disk_budget, used, (|cost: &Estimate| cost.disk) as fn(&Estimate) -> u64),
        ("memory", "max_memory", options.memory_budget, 0, |cost: &Estimate| cost.memory),
    ];
    for (what, option, budget, used, read) in budgets {
        let Some(budget) = budget else { continue };
        let left = budget.saturating_sub(used);
        if read(&cost) > left {
            return Err(Error::budget(format!(
                "budget: this input ({} layers, {} positions, keep={}) needs up to {} of {what}, but only {} of {} remain; {}",
                layers.len(),
                layers.iter().map(|l| l.queries).max().unwrap_or(0),
                options.keep,
                human(read(&cost)),
                human(left),
                human(budget),
                advice(options, layers, left, read),
            ))
            .hinted(Hint::Raise(option)));
        }
    }
    Ok(cost)
}

fn advice(options: &RunOptions, layers: &[Extent], left: u64, read: fn(&Estimate) -> u64) -> String {
    let mut fits = Vec::new();
    let longest = layers.iter().map(|l| l.queries.max(l.keys)).max().unwrap_or(0);
    let shortened = |n: usize| {
        let cut: Vec<Extent> =
            layers.iter().map(|l| Extent { queries: l.queries.min(n), keys: l.keys.min(n), ..*l }).collect();
        read(&estimate(options, &cut, n)) <= left
    };
    let (mut low, mut high) = (0, longest);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if shortened(middle) { low = middle } else { high = middle - 1 }
    }
    if low > 0 {
        fits.push(format!("sequences of {low} positions"));
    }
    let count = (1..layers.len()).rev().find(|&count| read(&estimate(options, &layers[..count], longest)) <= left);
    if let Some(count) = count {
        fits.push(format!("{count} layers"));
    }
    let lean = RunOptions { keep: Keep::Stats, ..options.clone() };
    if options.keep != Keep::Stats && read(&estimate(&lean, layers, longest)) <= left {
        fits.push("statistics alone".to_string());
    }
    match fits.is_empty() {
        true => "nothing of it would fit".to_string(),
        false => format!("what would fit: {}", fits.join(", or ")),
    }
}

/// The extents of a record's selected layers.
pub(crate) fn extents(options: &RunOptions, record: &InputRecord) -> Vec<Extent> {
    record
        .layers
        .iter()
        .filter_map(|layer| {
            let heads = options.selection.heads(layer.layer, layer.heads);
            let key_heads = super::parts::key_heads(&heads, layer.heads, layer.key_heads);
            (!heads.is_empty()).then(|| Extent::of(layer, heads.len(), key_heads.len()))
        })
        .collect()
}
