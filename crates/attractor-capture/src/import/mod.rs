//! Maps from elsewhere: NPZ, NPY, safetensors, JSON.
//!
//! Readers hand on named arrays ([`raw`]); here they become layers, heads and inputs. Layer numbers are the file's own
//! and are never renumbered; what is missing stays missing, with the reason.

mod json;
mod names;
mod npy;
mod raw;
mod tree;
mod zip;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use attractor::retrieve::{HeadStatistics, Mask, dense};
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use crate::captured::{check_rows, no_input, no_layer};
use crate::certificate::{Certificate, Certified, Entry, Verdict, certify, names as checks, not_testable};
use crate::error::{Error, Result};
use crate::kernel::default_request;
use crate::observations::{MaskOrigin, Observations};
use crate::patterns::{LayerShape, Patterns};
use crate::record::{Facts, ModelInfo, Role, Task, Token};
use crate::run::{Precision, RunOptions, RunWriter};
use raw::{Array, Contents, SHAPES, Value};

/// How a file is read.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportOptions {
    /// Which keys a query may see; `None`: inferred from the weights, layer by layer, and said so.
    pub mask: Option<Mask>,
    /// Bytes that the file and its numbers may take.
    pub memory_budget: u64,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { mask: None, memory_budget: 8 << 30 }
    }
}

/// All heads of one layer for one input.
#[derive(Debug)]
struct Map {
    queries: usize,
    keys: usize,
    /// [heads, queries, keys], NaN and all.
    weights: Vec<f32>,
    precision: Precision,
    statistics: Vec<HeadStatistics>,
    observations: Observations,
}

/// One layer over all inputs.
#[derive(Debug)]
struct Layer {
    heads: Vec<usize>,
    mask: Mask,
    /// One an input; `None`: not in the file.
    maps: Vec<Option<Map>>,
}

/// Maps from a file.
#[derive(Debug)]
pub struct Import {
    info: ModelInfo,
    layers: BTreeMap<usize, Layer>,
    missing: BTreeMap<usize, String>,
    /// Layers whose arrays are no weights, and why.
    refused: BTreeMap<usize, String>,
    /// Step of each input.
    steps: Vec<Option<u64>>,
    tokens: Vec<Vec<Token>>,
    prompt_length: Option<usize>,
    notes: Vec<String>,
}

/// An array with its axes settled.
struct Placed {
    name: String,
    head: Option<usize>,
    heads: usize,
    queries: usize,
    keys: usize,
    data: Vec<f32>,
    precision: Precision,
}

impl Import {
    /// Reads a file; its format is known by its content.
    ///
    /// # Errors
    /// `is_format` for a file that is torn, foreign or holds no attention weights, `is_io` if it cannot be read,
    /// `is_budget` if it is larger than allowed.
    pub fn open(path: impl AsRef<Path>, options: &ImportOptions) -> Result<Self> {
        let path = path.as_ref();
        let failed = |error: std::io::Error| Error::io(format!("cannot read {}: {error}", path.display()));
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return Err(Error::request(format!(
                "{}: this is a folder; name a file of maps (.npz, .npy, .safetensors, .json)",
                path.display()
            )));
        }
        if metadata.len() > options.memory_budget {
            return Err(Error::budget(format!(
                "{}: the file has {} bytes, an import may take {}; raise the memory budget",
                path.display(),
                metadata.len(),
                options.memory_budget
            )));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        Self::from_bytes(&bytes, options).map_err(|error| error.at(path))
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// As [`Import::open`].
    pub fn from_bytes(bytes: &[u8], options: &ImportOptions) -> Result<Self> {
        let left = options.memory_budget.saturating_sub(bytes.len() as u64);
        let contents = contents(bytes, left)?;
        let hash = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assemble(contents, options, hash)
    }

    /// What was left aside while reading, and why.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Layers that the file names but does not hold (or holds no weights of), with the reason.
    pub fn missing(&self) -> Vec<(usize, &str)> {
        let both = self.missing.iter().chain(&self.refused);
        let mut missing: Vec<(usize, &str)> = both.map(|(&layer, why)| (layer, why.as_str())).collect();
        missing.sort_unstable();
        missing
    }

    /// The step that the file gives an input.
    pub fn step(&self, input: usize) -> Option<u64> {
        self.steps.get(input).copied().flatten()
    }

    /// What was seen of a layer for an input.
    pub fn observed(&self, layer: usize, input: usize) -> Option<&Observations> {
        self.map(layer, input).ok().flatten().map(|(_, map)| &map.observations)
    }

    /// Certifies the maps as far as their content allows.
    ///
    /// # Errors
    /// What reading the statistics answers.
    pub fn certificate(&self) -> Result<Certificate> {
        let mut certificate = certify(self)?;
        let lost = self.missing.iter().map(|(&layer, why)| not_testable(layer, checks::WEIGHTS, why.clone()));
        let refused = self.refused.iter().map(|(&layer, why)| Entry {
            verdict: Verdict::Fail,
            ..not_testable(layer, checks::WEIGHTS, why.clone())
        });
        certificate.entries.extend(lost.chain(refused));
        certificate.entries.sort_by_key(|entry| entry.layer);
        Ok(certificate)
    }

    /// Writes the maps as a run (`keep` pattern, stats or topk:K), steps in order.
    ///
    /// # Errors
    /// As [`RunWriter::create`] and [`RunWriter::append_patterns`].
    pub fn write(&self, path: impl AsRef<Path>, options: &RunOptions) -> Result<()> {
        let mut writer = RunWriter::create(path, options, &self.info)?;
        for input in 0..self.inputs() {
            writer.append_observed(self, input, self.step(input), &|layer| self.observed(layer, input).cloned())?;
        }
        writer.finish()
    }

    fn map(&self, layer: usize, input: usize) -> Result<Option<(&Layer, &Map)>> {
        if input >= self.steps.len() {
            return Err(no_input(input, self.steps.len()));
        }
        let found = self.layers.get(&layer).ok_or_else(|| no_layer(layer, input, &self.layers()))?;
        Ok(found.maps[input].as_ref().map(|map| (found, map)))
    }
}

/// Finds out what the bytes are and reads them; unpacked numbers may take `left` bytes.
fn contents(bytes: &[u8], left: u64) -> Result<Contents> {
    let mut contents = Contents::default();
    let header = bytes.get(..8).and_then(|x| x.try_into().ok()).map(u64::from_le_bytes);
    if bytes.is_empty() {
        return Err(Error::format("the file is empty; expected maps as .npz, .npy, .safetensors or .json"));
    }
    if zip::is_zip(bytes) {
        let mut left = left;
        for member in zip::members(bytes)? {
            let Some(name) = member.name.strip_suffix(".npy").map(str::to_string) else {
                contents.notes.push(format!("{}: left aside: no .npy array", member.name));
                continue;
            };
            let unpacked = member.read(left)?;
            // The numbers, widened, replace the bytes they come from: at most four times as many.
            left = left.saturating_sub(unpacked.len() as u64);
            contents.add(&name, npy::read(&name, &unpacked)?)?;
        }
    } else if npy::is_npy(bytes) {
        contents.add("the file", npy::read("the file", bytes)?)?;
    } else if header.is_some_and(|length| length <= bytes.len() as u64) && bytes.get(8) == Some(&b'{') {
        safetensors(&mut contents, bytes)?;
    } else if bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| b"{[".contains(byte)) {
        contents = json::read(bytes)?;
    } else {
        let pickle = bytes.starts_with(b"\x80");
        return Err(Error::format(match pickle {
            true => "this is a Python pickle, which only running code could read; save as .npz, .safetensors or .json",
            false => "no format that is read: expected .npz, .npy, .safetensors or .json (is the file torn?)",
        }));
    }
    Ok(contents)
}

fn safetensors(contents: &mut Contents, bytes: &[u8]) -> Result<()> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| Error::format(format!("no valid safetensors file: {error}")))?;
    let mut names = file.names();
    names.sort_unstable();
    for name in names {
        let tensor = file.tensor(name).map_err(|error| Error::format(format!("{name}: {error}")))?;
        let data = tensor.data();
        let two = |convert: fn([u8; 2]) -> f32| data.as_chunks().0.iter().map(|&x| convert(x)).collect::<Vec<f32>>();
        let (data, precision) = match tensor.dtype() {
            Dtype::F16 => (two(|x| f16::from_le_bytes(x).to_f32()), Precision::F16),
            Dtype::BF16 => (two(|x| bf16::from_le_bytes(x).to_f32()), Precision::Bf16),
            Dtype::F32 => (data.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)).collect(), Precision::F32),
            Dtype::F64 => (data.as_chunks().0.iter().map(|&x| f64::from_le_bytes(x) as f32).collect(), Precision::F64),
            Dtype::I64 => {
                let whole = data.as_chunks().0.iter().map(|&x| i64::from_le_bytes(x)).collect();
                contents.add(name, Value::Whole(whole))?;
                continue;
            }
            Dtype::I32 => {
                let whole = data.as_chunks().0.iter().map(|&x| i32::from_le_bytes(x).into()).collect();
                contents.add(name, Value::Whole(whole))?;
                continue;
            }
            other => {
                contents.notes.push(format!("{name}: left aside: {other:?} numbers are no attention weights"));
                continue;
            }
        };
        contents.add(name, Value::Floats(Array { shape: tensor.shape().to_vec(), data, precision }))?;
    }
    Ok(())
}

/// Settles the axes: a list of [heads, queries, keys], one a batch item.
fn place(name: &str, head: Option<usize>, array: Array) -> Result<Vec<Placed>> {
    let wrong = || {
        let heads = if head.is_some() { "; the name says one head, so [query, key] or [batch, query, key]" } else { "" };
        Error::format(format!("{name}: shape {:?}; attention weights are {SHAPES}{heads}", array.shape))
    };
    let (batch, heads, queries, keys) = match (array.shape.as_slice(), head) {
        (&[q, k], _) => (1, 1, q, k),
        (&[h, q, k], None) => (1, h, q, k),
        (&[b, h, q, k], None) => (b, h, q, k),
        (&[b, q, k], Some(_)) | (&[b, 1, q, k], Some(_)) => (b, 1, q, k),
        _ => return Err(wrong()),
    };
    if batch * heads * queries * keys == 0 {
        return Err(Error::format(format!("{name}: shape {:?} holds no weights", array.shape)));
    }
    let part = |data: &[f32]| Placed {
        name: name.to_string(),
        head,
        heads,
        queries,
        keys,
        data: data.to_vec(),
        precision: array.precision,
    };
    Ok(array.data.chunks_exact(heads * queries * keys).map(part).collect())
}

/// Why an array cannot be attention weights; softmax gives no negative numbers, and dropout keeps the sign.
fn no_weights(placed: &Placed) -> Option<String> {
    let negative = placed.data.iter().filter(|&&w| w < -1e-6).count();
    (negative > 0).then(|| {
        let share = 100.0 * negative as f64 / placed.data.len() as f64;
        format!(
            "{}: [{}, {}, {}] with {share:.0}% negative numbers are no attention weights: scores before the softmax, or the \
             output of attention; save the weights after the softmax",
            placed.name, placed.heads, placed.queries, placed.keys
        )
    })
}

fn assemble(contents: Contents, options: &ImportOptions, hash: String) -> Result<Import> {
    let Contents { maps, tokens: texts, prompt_length, mut notes } = contents;
    if maps.is_empty() {
        let aside = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
        return Err(Error::format(format!("no attention maps found{aside}; name arrays such as L5, layer5/step3 or L5H5")));
    }
    // (layer, step) -> parts; and the number of batch items of every step.
    let mut placed: BTreeMap<(usize, Option<u64>, usize), Vec<Placed>> = BTreeMap::new();
    let mut batches: BTreeMap<Option<u64>, usize> = BTreeMap::new();
    let mut missing: BTreeMap<usize, String> = BTreeMap::new();
    let mut refused: BTreeMap<usize, String> = BTreeMap::new();
    let mut numbers = BTreeSet::new();
    for raw in maps {
        numbers.insert(raw.layer);
        match raw.array {
            Err(why) => drop(missing.insert(raw.layer, format!("{}: {why}", raw.name))),
            Ok(array) => {
                let parts = place(&raw.name, raw.head, array)?;
                if let Some(why) = parts.iter().find_map(no_weights) {
                    refused.entry(raw.layer).or_insert(why);
                    continue;
                }
                let batch = batches.entry(raw.step).or_default();
                *batch = (*batch).max(parts.len());
                for (item, part) in parts.into_iter().enumerate() {
                    placed.entry((raw.layer, raw.step, item)).or_default().push(part);
                }
            }
        }
    }
    let inputs: Vec<(Option<u64>, usize)> =
        batches.iter().flat_map(|(&step, &count)| (0..count).map(move |item| (step, item))).collect();

    let mut layers: BTreeMap<usize, Layer> = BTreeMap::new();
    for ((layer, step, item), parts) in placed {
        let Some(input) = inputs.iter().position(|&other| other == (step, item)) else { continue };
        let (heads, map) = joined(layer, parts)?;
        let entry = layers.entry(layer).or_insert_with(|| Layer {
            heads: heads.clone(),
            mask: Mask::full(),
            maps: inputs.iter().map(|_| None).collect(),
        });
        if entry.heads != heads {
            return Err(Error::format(format!("layer {layer}: heads {heads:?} here, {:?} in another input", entry.heads)));
        }
        entry.maps[input] = Some(map);
    }
    // A layer of which something is there is not missing; one that is nothing but refused is no layer.
    missing.retain(|layer, _| !layers.contains_key(layer));
    for (layer, why) in refused.iter().filter(|(layer, _)| layers.contains_key(layer)) {
        notes.push(format!("layer {layer}: left aside: {why}"));
    }
    refused.retain(|layer, _| !layers.contains_key(layer));
    if layers.is_empty() {
        let why = refused.values().chain(missing.values()).next().cloned().unwrap_or_default();
        return Err(Error::format(format!("no attention weights in the file: {why}")));
    }

    let tokens = tokens_of(&texts, &inputs, &layers, &mut notes);
    settle_masks(&mut layers, options)?;
    summarise(&mut layers, &tokens)?;
    let causal = layers.values().all(|layer| layer.mask.causal);
    let info = ModelInfo {
        family: "import".into(),
        task: if causal { Task::CausalLm } else { Task::Encoder },
        causal,
        layers: numbers.last().map_or(0, |&last| last + 1),
        heads: layers.values().filter_map(|layer| layer.heads.last()).max().map_or(0, |&last| last + 1),
        parameters: None,
        max_positions: None,
        weights_hash: hash,
    };
    let steps = inputs.iter().map(|&(step, _)| step).collect();
    Ok(Import { info, layers, missing, refused, steps, tokens, prompt_length, notes })
}

/// One map of a layer and input from one array, or from one a head.
fn joined(layer: usize, mut parts: Vec<Placed>) -> Result<(Vec<usize>, Map)> {
    parts.sort_by_key(|part| part.head);
    let first = &parts[0];
    let (queries, keys, precision) = (first.queries, first.keys, first.precision);
    let twice = parts.windows(2).find(|w| w[0].head == w[1].head || w[0].head.is_none());
    if let Some(w) = twice {
        return Err(Error::format(format!("layer {layer} is there twice: {} and {}", w[0].name, w[1].name)));
    }
    if let Some(other) = parts.iter().find(|part| (part.queries, part.keys) != (queries, keys)) {
        return Err(Error::format(format!(
            "layer {layer}: {} is [{}, {}], {} is [{queries}, {keys}]; heads of a layer must agree",
            other.name, other.queries, other.keys, first.name
        )));
    }
    let heads = match first.head {
        None => (0..first.heads).collect(),
        Some(_) => parts.iter().filter_map(|part| part.head).collect(),
    };
    let weights = match parts.len() {
        1 => std::mem::take(&mut parts[0].data),
        _ => parts.iter().flat_map(|part| &part.data).copied().collect(),
    };
    let observations = Observations {
        source: precision,
        mask: MaskOrigin::Given,
        zeros: 0.0,
        lowest_sum: None,
        highest_sum: None,
        non_finite: weights.iter().filter(|w| !w.is_finite()).count() as u64,
    };
    Ok((heads, Map { queries, keys, weights, precision, statistics: Vec::new(), observations }))
}

/// Tokens of every input, where the file gives as many as there are keys.
fn tokens_of(
    texts: &[Vec<String>],
    inputs: &[(Option<u64>, usize)],
    layers: &BTreeMap<usize, Layer>,
    notes: &mut Vec<String>,
) -> Vec<Vec<Token>> {
    let mut odd = 0;
    let tokens = (0..inputs.len()).map(|input| {
        let (step, item) = inputs[input];
        // One list for all; or one a batch item; or one a step.
        let given = match texts.len() {
            0 => return Vec::new(),
            1 => &texts[0],
            n if n == inputs.len() => &texts[input],
            _ if step.is_none() && item < texts.len() => &texts[item],
            _ => {
                odd += 1;
                return Vec::new();
            }
        };
        let keys = layers.values().filter_map(|layer| layer.maps[input].as_ref()).map(|map| map.keys).max();
        if Some(given.len()) != keys {
            odd += 1;
            return Vec::new();
        }
        // Equal texts are equal tokens; numbers in the file are not always there.
        let number = |at: usize| given.iter().position(|text| *text == given[at]).unwrap_or(at);
        let id = |at: usize| given[at].parse().unwrap_or(number(at) as u32);
        let token = |at: usize| Token { text: given[at].clone(), id: id(at), role: Role::Text };
        (0..given.len()).map(token).collect()
    });
    let tokens = tokens.collect();
    if odd > 0 {
        notes.push(format!("tokens: left aside for {odd} inputs: not as many as keys"));
    }
    tokens
}

/// The mask of every layer: as given, or causal where nothing stands above the diagonal.
fn settle_masks(layers: &mut BTreeMap<usize, Layer>, options: &ImportOptions) -> Result<()> {
    for (number, layer) in layers {
        let maps = || layer.maps.iter().flatten();
        let (mask, origin) = match &options.mask {
            Some(mask) => {
                for map in maps() {
                    mask.check(map.keys).map_err(|error| Error::request(format!("layer {number}: {error}")))?;
                }
                (mask.clone(), MaskOrigin::Given)
            }
            None => {
                // With fewer queries than keys, the queries are the last positions.
                let offset = maps().next().map_or(0, |map| map.keys.saturating_sub(map.queries));
                let mask = Mask { offset, ..Mask::causal() };
                let fits = maps().all(|map| map.keys == map.queries + offset) && maps().any(|map| map.queries > 1);
                let nothing_above = || {
                    maps().all(|map| {
                        map.weights.chunks_exact(map.keys).enumerate().all(|(row, weights)| {
                            let range = mask.range(row % map.queries, map.keys);
                            weights[range.end..].iter().all(|w| *w == 0.0 || !w.is_finite())
                        })
                    })
                };
                match fits && nothing_above() {
                    true => (mask, MaskOrigin::InferredCausal),
                    false => (Mask::full(), MaskOrigin::InferredFull),
                }
            }
        };
        layer.mask = mask;
        for map in layer.maps.iter_mut().flatten() {
            map.observations.mask = origin;
        }
    }
    Ok(())
}

/// Statistics and observations of every map.
fn summarise(layers: &mut BTreeMap<usize, Layer>, tokens: &[Vec<Token>]) -> Result<()> {
    for layer in layers.values_mut() {
        let mask = &layer.mask;
        for (input, map) in layer.maps.iter_mut().enumerate() {
            let Some(map) = map else { continue };
            let (n, m) = (map.queries, map.keys);
            let request = default_request(&tokens[input], m);
            let statistics: Vec<HeadStatistics> = map
                .weights
                .par_chunks_exact(n * m)
                .map(|weights| dense::of_weights(weights, n, m, mask, &request))
                .collect::<std::result::Result<_, _>>()?;
            map.statistics = statistics;
            let (mut zeros, mut allowed) = (0u64, 0u64);
            let seen = &mut map.observations;
            for (row, weights) in map.weights.chunks_exact(m).enumerate() {
                let range = mask.range(row % n, m);
                allowed += range.len() as u64;
                zeros += weights[range].iter().filter(|&&w| w == 0.0).count() as u64;
                let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
                if sum.is_finite() {
                    seen.lowest_sum = Some(seen.lowest_sum.map_or(sum, |low| low.min(sum)));
                    seen.highest_sum = Some(seen.highest_sum.map_or(sum, |high| high.max(sum)));
                }
            }
            seen.zeros = zeros as f64 / allowed.max(1) as f64;
        }
    }
    Ok(())
}

impl Patterns for Import {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn inputs(&self) -> usize {
        self.steps.len()
    }

    fn tokens(&self, input: usize) -> &[Token] {
        self.tokens.get(input).map_or(&[], Vec::as_slice)
    }

    fn prompt_length(&self, _: usize) -> Option<usize> {
        self.prompt_length
    }

    fn layers(&self) -> Vec<LayerShape> {
        let shape = |(&layer, found): (&usize, &Layer)| {
            let heads = found.heads.clone();
            let model_heads = heads.last().map_or(0, |&last| last + 1);
            LayerShape { layer, heads, model_heads, key_heads: model_heads }
        };
        self.layers.iter().map(shape).collect()
    }

    fn mask(&self, layer: usize, input: usize) -> Result<Mask> {
        Ok(self.map(layer, input)?.map_or_else(Mask::full, |(layer, _)| layer.mask.clone()))
    }

    fn shape(&self, layer: usize, input: usize) -> Result<(usize, usize)> {
        Ok(self.map(layer, input)?.map_or((0, 0), |(_, map)| (map.queries, map.keys)))
    }

    fn statistics(&self, layer: usize, head: usize, input: usize) -> Result<Option<HeadStatistics>> {
        let Some((found, map)) = self.map(layer, input)? else { return Ok(None) };
        Ok(Some(map.statistics[head_at(found, layer, head)?].clone()))
    }

    fn weights(&self, layer: usize, head: usize, input: usize, rows: Range<usize>) -> Result<Option<Vec<f32>>> {
        let Some((found, map)) = self.map(layer, input)? else { return Ok(None) };
        let at = head_at(found, layer, head)?;
        check_rows(&rows, map.queries)?;
        let first = at * map.queries;
        Ok(Some(map.weights[(first + rows.start) * map.keys..(first + rows.end) * map.keys].to_vec()))
    }

    fn layer_input(&self, _: usize, _: usize) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }

    fn facts(&self, _: usize, _: usize) -> Result<Facts> {
        Ok(Facts::default())
    }
}

fn head_at(found: &Layer, layer: usize, head: usize) -> Result<usize> {
    found.heads.binary_search(&head).map_err(|_| {
        let heads: Vec<String> = found.heads.iter().map(usize::to_string).collect();
        Error::request(format!("layer {layer} has no head {head}; there are {}", heads.join(", ")))
    })
}

impl Certified for Import {
    fn precision(&self, layer: usize, input: usize) -> Result<Precision> {
        Ok(self.map(layer, input)?.map_or(Precision::F32, |(_, map)| map.precision))
    }

    fn observations(&self, layer: usize, input: usize) -> Result<Option<Observations>> {
        Ok(self.map(layer, input)?.map(|(_, map)| map.observations.clone()))
    }

    fn stored(&self, _: usize, _: usize, _: usize) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
        Ok(None)
    }

    fn stored_precision(&self) -> Option<Precision> {
        None
    }
}
