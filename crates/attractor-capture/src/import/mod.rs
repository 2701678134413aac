//! Imported maps: NPZ, NPY, safetensors, JSON.
//!
//! Readers hand on named arrays ([`raw`]); by their axes ([`axes`]) and names ([`names`]) they become stacks, layers, heads,
//! inputs and steps ([`assemble`]), and [`masks`] says which keys their queries see. Layer numbers are the file's own, or those
//! that are stated; what is missing stays missing, with the reason. What no file says is inferred, and [`Inferred`] says what
//! was and how to state it.

mod assemble;
mod axes;
mod inferred;
mod json;
mod masks;
mod names;
mod raw;
mod tokens;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use attractor::retrieve::{HeadStatistics, Mask};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

pub use crate::aside::{Absent, Aside, Ignored, NotWeights};
pub use axes::{Axes, Axis};
pub use inferred::Inferred;
pub use masks::MaskRule;

use crate::certificate::{Account, CaptureCheck, Certificate, Certified, Entry, Grade, certify, not_testable};
use crate::run::{RunOptions, RunWriter};
use attractor::{Error, Hint, Result};
use attractor_data::archive::{Array, Value, Whole, npy, zip};
use attractor_record::Observations;
use attractor_record::Precision;
use attractor_record::patterns::{no_input, no_layer};
use attractor_record::{Facts, ModelInfo, Origin, Stack, Token};
use attractor_record::{Held, LayerShape, Patterns, Rows};
use raw::Contents;

/// How a file is read.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportOptions {
    /// What the axes of every array of maps count; `None`: by the rule of [`axes`].
    pub axes: Option<Axes>,
    /// Which keys a query may see; `None`: inferred from the weights of all layers of a stack, and said so. Of an encoder and a
    /// decoder in one file, it is that of the decoder.
    pub mask: Option<MaskRule>,
    /// Position of the first query among the keys; `None`: the queries are the last positions.
    pub offset: Option<usize>,
    /// Numbers of the file's heads, ascending; `None`: by their names, or counted from 0.
    pub heads: Option<Vec<usize>>,
    /// Numbers of the file's layers, ascending; `None`: by their names, or counted from 0.
    pub layers: Option<Vec<usize>>,
    /// The stack of every array; `None`: by their names.
    pub stack: Option<Stack>,
    /// Bytes that the file and its numbers may take.
    pub memory_budget: u64,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { axes: None, mask: None, offset: None, heads: None, layers: None, stack: None, memory_budget: 8 << 30 }
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
    mask: Mask,
    statistics: Vec<HeadStatistics>,
    observations: Observations,
}

/// One layer over all inputs.
#[derive(Debug)]
struct Layer {
    heads: Vec<usize>,
    /// By entry, as far as they are in the file.
    maps: BTreeMap<usize, Map>,
}

/// All that came from a file.
#[derive(Debug)]
struct Maps {
    info: ModelInfo,
    layers: BTreeMap<(Stack, usize), Layer>,
    /// Layers that the file names and that are not there, ascending, and why.
    lost: Vec<((Stack, usize), Absent)>,
    /// Which input and step each entry is.
    origins: Vec<Origin>,
    tokens: Vec<Vec<Token>>,
    prompt_length: Option<usize>,
    notes: Vec<Aside>,
    said: Vec<Inferred>,
}

/// Maps from a file; of several stacks it shows the first, and [`of_stack`](Self::of_stack) shows another.
#[derive(Debug, Clone)]
pub struct Import {
    maps: Arc<Maps>,
    stack: Stack,
}

impl Import {
    fn of(maps: Maps) -> Self {
        let stack = maps.layers.keys().next().map_or_else(Stack::default, |(stack, _)| *stack);
        Self { maps: Arc::new(maps), stack }
    }

    /// The stacks of which there are layers, in order.
    pub fn stacks(&self) -> Vec<Stack> {
        let mut stacks: Vec<Stack> = self.maps.layers.keys().map(|(stack, _)| *stack).collect();
        stacks.dedup();
        stacks
    }

    /// The same file, showing another stack; it has no layers if the file has none of that stack.
    pub fn of_stack(&self, stack: Stack) -> Self {
        Self { stack, ..self.clone() }
    }

    /// Reads a file; its format is known by its content.
    ///
    /// # Errors
    /// `is_format` for a file that is torn, foreign or holds no attention weights, `is_io` if it cannot be read,
    /// `is_budget` if it is larger than allowed.
    pub fn open(path: impl AsRef<Path>, options: &ImportOptions) -> Result<Self> {
        let path = path.as_ref();
        let failed =
            |error: std::io::Error| Error::io(format!("cannot read {}: {error}", path.display())).because(error);
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return Err(Error::usage(format!(
                "{}: this is a folder; name a file of maps (.npz, .npy, .safetensors, .json)",
                path.display()
            )));
        }
        if metadata.len() > options.memory_budget {
            return Err(Error::budget(format!(
                "{}: the file has {} bytes, an import may take {}",
                path.display(),
                metadata.len(),
                options.memory_budget
            ))
            .hinted(Hint::Raise("max_bytes")));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        Self::from_bytes(&bytes, options).map_err(|error| error.at(path.display()))
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// As [`Import::open`].
    pub fn from_bytes(bytes: &[u8], options: &ImportOptions) -> Result<Self> {
        let left = options.memory_budget.saturating_sub(bytes.len() as u64);
        let contents = contents(bytes, options.axes.as_ref(), left)?;
        let hash = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assemble::assemble(contents, options, hash)
    }

    /// What was ignored while reading, and why.
    pub fn notes(&self) -> &[Aside] {
        &self.maps.notes
    }

    /// What was inferred while reading, and what says otherwise.
    pub fn inferred(&self) -> &[Inferred] {
        &self.maps.said
    }

    /// Layers of the shown stack that the file names but does not hold (or holds no weights of), with the reason.
    pub fn missing(&self) -> Vec<(usize, Absent)> {
        let own = self.maps.lost.iter().filter(|((stack, _), _)| *stack == self.stack);
        own.map(|((_, layer), why)| (*layer, why.clone())).collect()
    }

    /// What was seen of a layer for an input.
    pub fn observed(&self, layer: usize, input: usize) -> Option<&Observations> {
        self.map(layer, input).ok().flatten().map(|(_, map)| &map.observations)
    }

    /// Certifies the maps of the shown stack as far as their content allows.
    ///
    /// # Errors
    /// What reading the statistics answers.
    pub fn certificate(&self) -> Result<Certificate> {
        let mut certificate = certify(self)?;
        let stack = Some(self.stack).filter(|stack| !stack.is_only());
        let lost = self.missing().into_iter().map(|(layer, why)| Entry {
            stack,
            verdict: if matches!(why, Absent::NotWeights(_)) { Grade::Fail } else { Grade::NotTestable },
            ..not_testable(layer, CaptureCheck::Weights, Account::Absent(why))
        });
        certificate.entries.extend(lost);
        certificate.entries.sort_by_key(|entry| entry.layer);
        Ok(certificate)
    }

    /// Writes the maps as a run (`keep` pattern, stats or topk:K), steps in order.
    ///
    /// # Errors
    /// As [`RunWriter::create`] and [`RunWriter::append_patterns`].
    pub fn write(&self, path: impl AsRef<Path>, options: &RunOptions) -> Result<()> {
        let mut writer = RunWriter::create(path, options, &self.maps.info)?;
        let stacks: Vec<Self> = self.stacks().into_iter().map(|stack| self.of_stack(stack)).collect();
        for input in 0..self.inputs() {
            writer.append_imported(&stacks, input)?;
        }
        writer.finish()
    }

    fn map(&self, layer: usize, input: usize) -> Result<Option<(&Layer, &Map)>> {
        let inputs = self.maps.origins.len();
        if input >= inputs {
            return Err(no_input(input, inputs));
        }
        let found = self.maps.layers.get(&(self.stack, layer));
        let found = found.ok_or_else(|| no_layer(layer, input, &self.layers()))?;
        Ok(found.maps.get(&input).map(|map| (found, map)))
    }
}

/// Finds out what the bytes are and reads them; unpacked numbers may take `left` bytes.
fn contents(bytes: &[u8], axes: Option<&Axes>, left: u64) -> Result<Contents> {
    let mut contents = Contents::default();
    // A byte-order mark, as some editors write it before JSON.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let header = bytes.get(..8).and_then(|x| x.try_into().ok()).map(u64::from_le_bytes);
    if bytes.is_empty() {
        return Err(Error::format("the file is empty; expected maps as .npz, .npy, .safetensors or .json"));
    }
    if zip::is_zip(bytes) {
        let mut left = left;
        let members = zip::members(bytes)?;
        if members.iter().any(|member| member.name.ends_with("data.pkl")) {
            return Err(Error::unsupported(TORCH));
        }
        for member in members {
            let Some(name) = member.name.strip_suffix(".npy").map(str::to_string) else {
                contents.notes.push(Aside::new(member.name, Ignored::NotNpy));
                continue;
            };
            if let Some(promise) = npy::promise(&member.start(HEADER)) {
                if promise.beside && raw::Beside::named(&name).is_none() {
                    contents.notes.push(Aside::new(name, Ignored::Other));
                    continue;
                }
                // Bytes and numbers are held side by side while they are read; then the numbers, whole and cut.
                let numbers = promise.bytes(member.size());
                let (held, read) = (numbers.saturating_mul(2), member.size().saturating_add(numbers));
                let needed = held.max(read);
                if needed > left {
                    return Err(beyond(&name, needed, left));
                }
                left -= held;
            }
            let unpacked = member.read(left.max(member.size()))?;
            match npy::read(&name, &unpacked) {
                // Tokens that cannot be read make no map wrong.
                Err(why) if raw::Beside::named(&name).is_some() => {
                    contents.notes.push(Aside::new(name, Ignored::Unread(why.message().to_string())));
                }
                array => contents.add(&name, array?)?,
            }
        }
    } else if npy::is_npy(bytes) {
        let needed = npy::promise(bytes).map_or(0, |promise| promise.bytes(bytes.len() as u64).saturating_mul(2));
        if needed > left {
            return Err(beyond("the file", needed, left));
        }
        contents.add("the file", npy::read("the file", bytes)?)?;
    } else if header.is_some_and(|length| length <= bytes.len() as u64) && bytes.get(8) == Some(&b'{') {
        safetensors(&mut contents, bytes, left)?;
    } else if bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| b"{[".contains(byte)) {
        // Two characters make a number of four bytes, which is held twice while it is cut.
        let needed = (bytes.len() as u64).saturating_mul(4);
        if needed > left {
            return Err(beyond("the file", needed, left));
        }
        contents = json::read(bytes, axes)?;
    } else {
        let pickle = bytes.starts_with(b"\x80");
        return Err(Error::format(match pickle {
            true => PICKLE,
            false => "unknown format: expected .npz, .npy, .safetensors or .json (is the file truncated?)",
        }));
    }
    Ok(contents)
}

/// More than any header of an array.
const HEADER: usize = (1 << 16) + 16;

const TORCH: &str = "written by torch.save, whose pickle only running code could read; save the maps as arrays: np.savez(path, \
                     **{f\"layer{i}\": a.numpy() for i, a in enumerate(attentions)})";

const PICKLE: &str = "this is a Python pickle, which only running code could read; save as .npz, .safetensors or .json: \
                      np.savez(path, **{f\"layer{i}\": a for i, a in enumerate(attentions)})";

/// The refusal of what would not fit in memory, before it is held.
fn beyond(name: &str, needed: u64, left: u64) -> Error {
    let why = format!("{name}: its numbers take {needed} bytes in memory, {left} are left of what an import may take");
    Error::budget(why).hinted(Hint::Raise("max_bytes"))
}

fn safetensors(contents: &mut Contents, bytes: &[u8], left: u64) -> Result<()> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| Error::format(format!("no valid safetensors file: {error}")).because(error))?;
    let numbers = file.iter().map(|(_, tensor)| tensor.shape().iter().product::<usize>() as u64).sum::<u64>();
    if numbers.saturating_mul(8) > left {
        return Err(beyond("the file", numbers.saturating_mul(8), left));
    }
    let mut names = file.names();
    names.sort_unstable();
    for name in names {
        let tensor = file.tensor(name).map_err(|error| Error::format(format!("{name}: {error}")).because(error))?;
        let data = tensor.data();
        let two = |convert: fn([u8; 2]) -> f32| data.as_chunks().0.iter().map(|&x| convert(x)).collect::<Vec<f32>>();
        let (data, precision) = match tensor.dtype() {
            Dtype::F16 => (two(|x| f16::from_le_bytes(x).to_f32()), Precision::F16),
            Dtype::BF16 => (two(|x| bf16::from_le_bytes(x).to_f32()), Precision::Bf16),
            Dtype::F32 => (data.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)).collect(), Precision::F32),
            Dtype::F64 => (data.as_chunks().0.iter().map(|&x| f64::from_le_bytes(x) as f32).collect(), Precision::F64),
            Dtype::I64 => {
                let numbers = data.as_chunks().0.iter().map(|&x| i64::from_le_bytes(x)).collect();
                contents.add(name, Value::Whole(Whole { shape: tensor.shape().to_vec(), numbers, bytes: false }))?;
                continue;
            }
            Dtype::I32 => {
                let numbers = data.as_chunks().0.iter().map(|&x| i32::from_le_bytes(x).into()).collect();
                contents.add(name, Value::Whole(Whole { shape: tensor.shape().to_vec(), numbers, bytes: false }))?;
                continue;
            }
            other => {
                contents.notes.push(Aside::new(name, Ignored::Type(format!("{other:?}"))));
                continue;
            }
        };
        contents.add(name, Value::Floats(Array { shape: tensor.shape().to_vec(), data, precision }))?;
    }
    Ok(())
}

impl Patterns for Import {
    fn info(&self) -> &ModelInfo {
        &self.maps.info
    }

    fn stack(&self) -> Stack {
        self.stack
    }

    fn inputs(&self) -> usize {
        self.maps.origins.len()
    }

    fn origin(&self, input: usize) -> Origin {
        self.maps.origins.get(input).copied().unwrap_or(Origin::of(input))
    }

    fn tokens(&self, input: usize) -> &[Token] {
        self.maps.tokens.get(input).map_or(&[], Vec::as_slice)
    }

    fn prompt_length(&self, _: usize) -> Option<usize> {
        self.maps.prompt_length
    }

    fn layers(&self) -> Vec<LayerShape> {
        let own = self.maps.layers.iter().filter(|((stack, _), _)| *stack == self.stack);
        own.map(|((_, layer), found)| {
            let heads = found.heads.clone();
            let model_heads = heads.last().map_or(0, |&last| last + 1);
            LayerShape { layer: *layer, heads, model_heads, key_heads: model_heads }
        })
        .collect()
    }

    fn mask(&self, layer: usize, input: usize) -> Result<Mask> {
        Ok(self.map(layer, input)?.map_or_else(Mask::full, |(_, map)| map.mask.clone()))
    }

    fn shape(&self, layer: usize, input: usize) -> Result<(usize, usize)> {
        Ok(self.map(layer, input)?.map_or((0, 0), |(_, map)| (map.queries, map.keys)))
    }

    fn statistics(&self, layer: usize, head: usize, input: usize) -> Result<Option<HeadStatistics>> {
        let Some((found, map)) = self.map(layer, input)? else { return Ok(None) };
        let own = map.statistics[head_at(found, layer, head)?].clone();
        Ok(Some(if self.stack == Stack::Cross { own.without_positions() } else { own }))
    }

    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        let Some((found, map)) = self.map(layer, input)? else { return Ok(None) };
        let at = head_at(found, layer, head)?;
        let weights = &map.weights[at * map.queries * map.keys..(at + 1) * map.queries * map.keys];
        Ok(Some(Box::new(Held { weights, keys: map.keys })))
    }

    fn layer_input(&self, _: usize, _: usize, _: &[usize]) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }

    fn facts(&self, _: usize, _: usize) -> Result<Facts> {
        Ok(Facts::default())
    }
}

fn head_at(found: &Layer, layer: usize, head: usize) -> Result<usize> {
    found.heads.binary_search(&head).map_err(|_| {
        let heads: Vec<String> = found.heads.iter().map(usize::to_string).collect();
        Error::usage(format!("layer {layer} has no head {head}; there are {}", heads.join(", ")))
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
