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
mod reader;
mod store;
mod tokens;
mod tree;

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use attractor::retrieve::{HeadStatistics, Mask};

pub use crate::aside::{Absent, Aside, Ignored, NotWeights};
pub use axes::{Axes, Axis};
pub use inferred::Inferred;
pub use masks::MaskRule;

use crate::certificate::{Account, CaptureCheck, Certificate, Certified, Entry, Grade, certify, not_testable};
use crate::run::{RunOptions, RunWriter};
use attractor::{Error, Result};
use attractor_data::archive::Array;
use attractor_record::Precision;
use attractor_record::patterns::{no_input, no_layer};
use attractor_record::{Facts, ModelInfo, Origin, Stack, Token};
use attractor_record::{LayerShape, Made, Patterns, Rows, file};
use attractor_record::{MaskOrigin, Observations};
use store::{Block, Store};

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
    /// Bytes that its numbers may take as f32: 256 MiB of them in memory, all others in a temporary file.
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
    /// Its numbers, NaN and all: of all heads, or of one head after another.
    blocks: Vec<Block>,
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
    store: Store,
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
        if path.is_dir() {
            return Err(Error::usage(format!(
                "{}: this is a folder; name a file of maps (.npz, .npy, .safetensors, .json, .pt)",
                path.display()
            )));
        }
        let (file, _) = file::open(path, "attention maps")?;
        reader::read(BufReader::new(file), options).map_err(|error| error.at(path.display()))
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// As [`Import::open`].
    pub fn from_bytes(bytes: &[u8], options: &ImportOptions) -> Result<Self> {
        reader::read(Cursor::new(bytes), options)
    }

    /// The maps of named arrays, one after another, which another reader has; `hash` is that of the file.
    ///
    /// # Errors
    /// As [`Import::open`]; what the reader answers.
    pub fn of_arrays(
        arrays: impl Iterator<Item = Result<(String, Array)>>,
        hash: String,
        options: &ImportOptions,
    ) -> Result<Self> {
        reader::of_arrays(arrays, hash, options)
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

impl Map {
    /// Its numbers as they are stored, but that rounding below zero is zero: [heads, queries, keys].
    fn stored(&self, store: &Store) -> Result<Vec<f32>> {
        let mut weights =
            Vec::with_capacity(self.blocks.iter().map(|block| block.shape.iter().product::<usize>()).sum());
        for block in &self.blocks {
            weights.extend(block.read(store)?);
        }
        weights.iter_mut().filter(|w| assemble::is_rounding(**w)).for_each(|w| *w = 0.0);
        Ok(weights)
    }

    /// Its weights: rows of padding that see no key show nothing, whatever stands in them.
    fn weights(&self, store: &Store) -> Result<Vec<f32>> {
        let mut weights = self.stored(store)?;
        self.blind(&mut weights);
        Ok(weights)
    }

    /// Sets rows of padding that see no key to zero; says in how many something stood.
    fn blind(&self, weights: &mut [f32]) -> usize {
        let (n, m, mask) = (self.queries, self.keys, &self.mask);
        let blind: Vec<bool> = (0..n).map(|row| mask.is_padding(row) && mask.visible(row, m) == 0).collect();
        let mut unread = 0;
        for (_, row) in weights.chunks_exact_mut(m).enumerate().filter(|(row, _)| blind[row % n]) {
            unread += usize::from(row.iter().any(|&w| w != 0.0));
            row.fill(0.0);
        }
        unread
    }

    /// The same map of one head alone, by its place.
    fn of_head(&self, place: usize) -> Self {
        let block = match &self.blocks[..] {
            [block] => block.head(place),
            blocks => blocks[place].clone(),
        };
        let (mask, observations) = (self.mask.clone(), self.observations.clone());
        Self { blocks: vec![block], statistics: Vec::new(), mask, observations, ..*self }
    }
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

    fn mask_origin(&self, layer: usize, input: usize) -> Result<MaskOrigin> {
        Ok(self.map(layer, input)?.map_or(MaskOrigin::Given, |(_, map)| map.observations.mask))
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
        let (weights, keys) = (map.of_head(at).weights(&self.maps.store)?, map.keys);
        Ok(Some(Box::new(Made(move |rows: Range<usize>| weights[rows.start * keys..rows.end * keys].to_vec()))))
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
