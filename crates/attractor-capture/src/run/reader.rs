//! Reading a run: the committed inputs, whoever writes more meanwhile.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use attractor::Choice as _;
use attractor::retrieve::tiled::{self, Packed};
use attractor::retrieve::{HeadStatistics, Heads, Mask, Problem};
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use zarrs::array::ElementOwned;
use zarrs::filesystem::FilesystemStore;

use super::array::{self, ArrayEntry};
use super::parts::MAP_CHUNK;
use super::schema::{self, Refusal};
use super::statistics::{Source, unpack};
use super::{Commit, InputEntry, LayerEntry, Manifest, RunOptions, STORE, files};
use attractor::{Error, Result};
use attractor_record::kernel::Scoring;
use attractor_record::patterns::{check_rows, no_input, no_layer};
use attractor_record::{Facts, ModelInfo, Origin, Stack, Token};
use attractor_record::{LayerShape, Patterns, Rows};
use attractor_record::{MaskOrigin, Observations};

/// A run on disk, as far as it was committed when it was opened.
///
/// Of several stacks it shows that of its first layer; [`of_stack`](Self::of_stack) shows another.
#[derive(Debug)]
pub struct Run {
    root: PathBuf,
    store: Arc<FilesystemStore>,
    manifest: Manifest,
    inputs: Vec<InputEntry>,
    /// The stack that is shown, and its layers.
    stack: Stack,
    layers: Vec<LayerShape>,
    /// Statistics of the layers read last, newest last: opening the arrays costs more than reading them.
    recent: Mutex<Vec<Recent>>,
}

/// Input and layer, and the statistics of all its kept heads.
type Recent = ((usize, usize), Arc<Vec<HeadStatistics>>);

/// Rows (heads x queries) whose statistics are held in memory: about 100 MB.
const RECENT_ROWS: usize = 1 << 20;

/// One layer of one input.
struct Place<'a> {
    run: &'a Run,
    input: usize,
    entry: &'a LayerEntry,
}

impl Run {
    /// Opens a run.
    ///
    /// # Errors
    /// `is_format` if the folder is no run, was written by a later version, or is damaged; `is_unsupported` if it holds what
    /// this version does not understand.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let root = path.as_ref().to_path_buf();
        let manifest = super::read_manifest(&root)?;
        let store_path = root.join(STORE);
        let version = manifest.version;
        let commit: Commit = super::read_group(&store_path.join("zarr.json"), version)?;
        let store = FilesystemStore::new(&store_path)
            .map_err(|error| Error::format(format!("{}: {error}", store_path.display())).because(error))?;
        let mut inputs: Vec<InputEntry> = Vec::new();
        let mut origins = BTreeSet::new();
        for input in 0..commit.committed_inputs {
            let path = store_path.join(super::input_group(input)).join("zarr.json");
            let mut entry: InputEntry = super::read_group(&path, version)?;
            if version == 1 {
                // Version 1 numbers the steps and not the inputs; of entries of one step, the k-th is input k.
                entry.input = Some(inputs.iter().filter(|earlier| earlier.step == entry.step).count());
            }
            let damaged = |what: String| Error::format(format!("{}: {what}; the run is damaged here", path.display()));
            check_entry(&entry, input).map_err(damaged)?;
            if !origins.insert((entry.origin().input, entry.step)) {
                return Err(damaged(format!("{} appears twice", entry.origin())));
            }
            for layer in entry.layers.iter().filter(|_| version > 1) {
                schema::arrays(&format!("L{}", layer.layer), layer.arrays.keys()).map_err(|refusal| match refusal {
                    Refusal::Damaged(error) => damaged(error.to_string()).because(error),
                    Refusal::Unknown(what) => Error::unsupported(format!("{}: {what}", path.display())),
                })?;
            }
            inputs.push(entry);
        }
        let stack = inputs.iter().flat_map(|input| &input.layers).next().map_or_else(Stack::default, |l| l.stack);
        let layers = shapes(&inputs, stack);
        let mut run = Self { root, store: Arc::new(store), manifest, inputs, stack, layers, recent: Mutex::default() };
        run.manifest.model.causal = run.is_causal();
        Ok(run)
    }

    /// The stacks of which layers were kept, in order.
    pub fn stacks(&self) -> Vec<Stack> {
        let stacks: BTreeSet<Stack> = self.inputs.iter().flat_map(|input| &input.layers).map(|l| l.stack).collect();
        stacks.into_iter().collect()
    }

    /// The same run, showing another stack.
    ///
    /// # Errors
    /// `is_usage` if nothing of it was kept.
    pub fn of_stack(self, stack: Stack) -> Result<Self> {
        let stacks = self.stacks();
        if !stacks.contains(&stack) {
            let kept: Vec<&str> = stacks.iter().map(|stack| stack.name()).collect();
            return Err(Error::usage(format!("the stack {stack} was not kept; kept stacks: {}", kept.join(", "))));
        }
        let layers = shapes(&self.inputs, stack);
        let mut run = Self { stack, layers, recent: Mutex::default(), ..self };
        run.manifest.model.causal = run.is_causal();
        Ok(run)
    }

    /// Of a model's only stack, what the manifest says; of several stacks each has masks of its own.
    fn is_causal(&self) -> bool {
        let mut own = self.inputs.iter().flat_map(|input| &input.layers).filter(|layer| layer.stack == self.stack);
        match self.stack {
            Stack::Only => self.manifest.model.causal,
            _ => own.all(|layer| layer.mask.causal),
        }
    }

    /// The kept heads of every layer of every stack.
    pub(super) fn all_layers(&self) -> impl Iterator<Item = (Stack, LayerShape)> {
        self.stacks()
            .into_iter()
            .flat_map(|stack| shapes(&self.inputs, stack).into_iter().map(move |shape| (stack, shape)))
    }

    /// What the attributes of every entry's group hold.
    pub(super) fn entries(&self) -> &[InputEntry] {
        &self.inputs
    }

    /// What was captured and how.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How it was written.
    pub fn options(&self) -> &RunOptions {
        &self.manifest.options
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Bytes of all its files.
    ///
    /// # Errors
    /// `is_io` if the folder cannot be listed.
    pub fn bytes(&self) -> Result<u64> {
        files::size_below(&self.root)
    }

    /// Height and width in patches, for images.
    pub fn grid(&self, input: usize) -> Option<(usize, usize)> {
        self.inputs.get(input).and_then(|entry| entry.grid)
    }

    /// Arrays of a layer that were kept as f32 although f16 was asked, with the reason.
    pub fn promoted(&self, layer: usize, input: usize) -> Result<Vec<(String, String)>> {
        let place = self.place(layer, input)?;
        Ok(place.map_or(Vec::new(), |p| p.entry.promoted.iter().map(|(a, b)| (a.clone(), b.clone())).collect()))
    }

    pub(crate) fn observations(&self, layer: usize, input: usize) -> Result<Option<Observations>> {
        Ok(self.place(layer, input)?.and_then(|place| place.entry.observations.clone()))
    }

    /// Checks that every array of every input can be read whole.
    ///
    /// # Errors
    /// `is_format`, naming the first file that is torn or damaged.
    pub fn verify(&self) -> Result<()> {
        let found: Vec<Result<()>> =
            (0..self.inputs.len()).into_par_iter().map(|input| self.verify_input(input)).collect();
        found.into_iter().collect()
    }

    fn verify_input(&self, input: usize) -> Result<()> {
        for entry in &self.inputs[input].layers {
            let place = Place { run: self, input, entry };
            for (name, array) in &entry.arrays {
                array::verify(&self.store, &self.root.join(STORE), &place.path(name), array)?;
            }
        }
        Ok(())
    }

    fn input(&self, input: usize) -> Result<&InputEntry> {
        self.inputs.get(input).ok_or_else(|| no_input(input, self.inputs.len()))
    }

    /// `None` if the layer was kept, but not for this input.
    fn place(&self, layer: usize, input: usize) -> Result<Option<Place<'_>>> {
        let is_it = |entry: &&LayerEntry| (entry.stack, entry.layer) == (self.stack, layer);
        let entry = self.input(input)?.layers.iter().find(is_it);
        if entry.is_none() && self.layers.iter().all(|shape| shape.layer != layer) {
            return Err(no_layer(layer, input, &self.layers));
        }
        Ok(entry.map(|entry| Place { run: self, input, entry }))
    }

    /// The model's own log-sum-exp of a head, per row, and that of its stored queries and keys.
    ///
    /// # Errors
    /// `is_format` if the run is damaged; `is_usage` if there is no such layer, head or input.
    #[allow(clippy::type_complexity)]
    pub fn log_sum_exp(&self, layer: usize, head: usize, input: usize) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
        let Some(place) = self.place(layer, input)? else { return Ok(None) };
        let at = place.head(head)?;
        let whole = [at..at + 1, 0..place.entry.queries];
        match ["log_sum_exp", "stored_log_sum_exp"].map(|name| place.entry.arrays.contains_key(name)) {
            [true, true] => Ok(Some((place.part("log_sum_exp", &whole)?, place.part("stored_log_sum_exp", &whole)?))),
            _ => Ok(None),
        }
    }

    /// Weights of some rows and keys of a head, [rows, keys], from no more than those queries and keys: the stored
    /// log-sum-exp normalises them.
    ///
    /// # Errors
    /// As [`Patterns::weights`].
    pub fn tile(
        &self,
        layer: usize,
        head: usize,
        input: usize,
        rows: Range<usize>,
        keys: Range<usize>,
    ) -> Result<Option<Vec<f32>>> {
        let Some(place) = self.place(layer, input)? else { return Ok(None) };
        let (at, entry) = (place.head(head)?, place.entry);
        check_rows(&rows, entry.queries)?;
        if keys.start > keys.end || keys.end > entry.keys {
            return Err(Error::usage(format!("keys {}..{} of {} keys do not exist", keys.start, keys.end, entry.keys)));
        }
        if entry.arrays.contains_key("pattern") {
            return place.floats("pattern", &[at..at + 1, rows, keys]).map(Some);
        }
        let Some((q, k, width)) = place.vectors(at, head, rows.clone(), keys.clone())? else { return Ok(None) };
        if rows.is_empty() || keys.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let lse: Vec<f32> = place.part("stored_log_sum_exp", &[at..at + 1, rows.clone()])?;
        // A tile need not begin at key 0, which a mask cannot say: the rule becomes a bias.
        let slope = entry.alibi.get(at).copied().unwrap_or(0.0);
        let bias: Vec<f32> = rows
            .clone()
            .flat_map(|row| keys.clone().map(move |key| (row, key)))
            .map(|(row, key)| match entry.mask.admits(row, key, entry.keys) {
                true => -slope * (row + entry.mask.offset).abs_diff(key) as f32,
                false => f32::NEG_INFINITY,
            })
            .collect();
        let full = Mask::full();
        let rule = Scoring { mask: &full, alibi: &[], sinks: &[], ..place.rule(at) };
        let (queries, stored) = (Heads::new(&q[..], 1, rows.len(), width)?, Heads::new(&k[..], 1, keys.len(), width)?);
        let mut problem = rule.problem(queries, stored)?;
        problem.modifiers.bias = Some(&bias);
        let part = tiled::retrieve(&problem)?.log_sum_exp;
        let mut weights = tiled::weights(&problem, 0, 0..rows.len())?;
        for (row, weights) in weights.chunks_exact_mut(keys.len()).enumerate() {
            // A row without a visible key here has weights of zero and a share of exp(-inf): leave the zeros.
            if part[row] != f32::NEG_INFINITY {
                let share = (part[row] - lse[row]).exp();
                weights.iter_mut().for_each(|w| *w *= share);
            }
        }
        Ok(Some(weights))
    }
}

impl Place<'_> {
    fn head(&self, head: usize) -> Result<usize> {
        self.entry.heads.iter().position(|&kept| kept == head).ok_or_else(|| {
            let kept: Vec<String> = self.entry.heads.iter().map(usize::to_string).collect();
            Error::usage(format!("head {head} of layer {} was not kept; kept: {}", self.entry.layer, kept.join(", ")))
        })
    }

    fn rule(&self, at: usize) -> Scoring<'_> {
        let entry = self.entry;
        Scoring {
            beta: entry.beta.unwrap_or(1.0),
            mask: &entry.mask,
            soft_cap: entry.soft_cap,
            alibi: &entry.alibi,
            sinks: &entry.sinks,
        }
        .head(at)
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", super::layer_group(self.input, self.entry.stack, self.entry.layer))
    }

    fn array(&self, name: &str) -> Result<&ArrayEntry> {
        self.entry
            .arrays
            .get(name)
            .ok_or_else(|| Error::format(format!("L{}: there is no array {name}", self.entry.layer)))
    }

    /// A part of a floating-point array, widened.
    fn floats(&self, name: &str, part: &[Range<usize>]) -> Result<Vec<f32>> {
        match self.array(name)?.dtype.as_str() {
            "float16" => Ok(self.part::<f16>(name, part)?.to_f32_vec()),
            _ => self.part(name, part),
        }
    }

    /// Some queries and keys of a head, with their width.
    #[allow(clippy::type_complexity)]
    fn vectors(
        &self,
        at: usize,
        head: usize,
        rows: Range<usize>,
        keys: Range<usize>,
    ) -> Result<Option<(Vec<f32>, Vec<f32>, usize)>> {
        let (Some(q), Some(k)) = (self.entry.arrays.get("q"), self.entry.arrays.get("k")) else { return Ok(None) };
        let (&[_, _, width], &[_, _, key_width]) = (&q.shape[..], &k.shape[..]) else {
            return Err(Error::format(format!(
                "L{}: q is {:?}, k is {:?}; the run is damaged",
                self.entry.layer, q.shape, k.shape
            )));
        };
        let group = (self.entry.model_heads / self.entry.key_heads.max(1)).max(1);
        let key = self.entry.kept_key_heads.iter().position(|&kept| kept == head / group);
        let key = key.ok_or_else(|| {
            Error::format(format!("L{}: head {head} has no key head; the run is damaged", self.entry.layer))
        })?;
        let q = self.floats("q", &[at..at + 1, rows, 0..width])?;
        let k = self.floats("k", &[key..key + 1, keys, 0..key_width])?;
        Ok(Some((q, k, width)))
    }
}

impl Source for Place<'_> {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entry.arrays.get(name).map(|entry| entry.shape.as_slice())
    }

    fn part<T: ElementOwned + Copy + Default>(&self, name: &str, part: &[Range<usize>]) -> Result<Vec<T>> {
        array::read(&self.run.store, &self.run.root.join(STORE), &self.path(name), self.array(name)?, part)
    }
}

/// The kept heads of every layer of a stack, layers ascending.
fn shapes(inputs: &[InputEntry], stack: Stack) -> Vec<LayerShape> {
    let mut layers: Vec<LayerShape> = Vec::new();
    for entry in inputs.iter().flat_map(|input| &input.layers).filter(|entry| entry.stack == stack) {
        if let Err(place) = layers.binary_search_by_key(&entry.layer, |shape| shape.layer) {
            let (heads, model_heads, key_heads) = (entry.heads.clone(), entry.model_heads, entry.key_heads);
            layers.insert(place, LayerShape { layer: entry.layer, heads, model_heads, key_heads });
        }
    }
    layers
}

/// What an entry claims must hang together before anything is computed from it.
fn check_entry(entry: &InputEntry, input: usize) -> std::result::Result<(), String> {
    if entry.index != input {
        return Err(format!("the index is {}, expected {input}", entry.index));
    }
    if entry.input.is_none() || (entry.block.is_some() && entry.step.is_none()) {
        return Err("it does not say which input it is, or has a block and no step".to_string());
    }
    for layer in &entry.layers {
        let heads = layer.heads.len();
        let axes =
            [("head", heads), ("key_head", layer.kept_key_heads.len()), ("query", layer.queries), ("key", layer.keys)];
        if let Some((axis, _)) = axes.iter().find(|(axis, length)| *length == 0 && *axis != "key_head") {
            return Err(format!("layer {} has an empty {axis} axis", layer.layer));
        }
        let ascending =
            |x: &[usize], below: usize| x.windows(2).all(|w| w[0] < w[1]) && x.last().is_none_or(|&l| l < below);
        if !ascending(&layer.heads, layer.model_heads) || !ascending(&layer.kept_key_heads, layer.key_heads) {
            return Err(format!("layer {}: the kept heads are not heads of the layer", layer.layer));
        }
        if [&layer.alibi, &layer.sinks].iter().any(|x| !x.is_empty() && x.len() != heads) {
            return Err(format!("layer {}: slopes or sinks do not match the kept heads", layer.layer));
        }
        layer.mask.check(layer.keys).map_err(|error| error.to_string())?;
        let (n, m) = (layer.queries, layer.keys);
        let expected: [(&str, &[usize]); 6] = [
            ("q", &[heads, n]),
            ("k", &[layer.kept_key_heads.len(), m]),
            ("pattern", &[heads, n, m]),
            ("log_sum_exp", &[heads, n]),
            ("stored_log_sum_exp", &[heads, n]),
            ("layer_input", &[n]),
        ];
        for (name, shape) in expected {
            if layer.arrays.get(name).is_some_and(|array| !array.shape.starts_with(shape)) {
                return Err(format!(
                    "layer {}: {name} is {:?}, expected {shape:?}...",
                    layer.layer, layer.arrays[name].shape
                ));
            }
        }
        if layer.arrays.contains_key("q") && !layer.arrays.contains_key("stored_log_sum_exp") {
            return Err(format!("layer {}: q has no stored_log_sum_exp", layer.layer));
        }
        if layer.mask.offset > 1 << 40 {
            return Err(format!("layer {}: the mask's offset is {}", layer.layer, layer.mask.offset));
        }
    }
    Ok(())
}

/// The retrieval of one head of a run.
fn problem<'a>(place: &'a Place<'_>, at: usize, q: &'a [f32], k: &'a [f32], width: usize) -> Result<Problem<'a>> {
    let entry = place.entry;
    place.rule(at).problem(Heads::new(q, 1, entry.queries, width)?, Heads::new(k, 1, entry.keys, width)?)
}

/// A head's weights from its stored queries and keys.
struct Recomputed<'a> {
    place: Place<'a>,
    at: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    width: usize,
    keys: Packed,
}

impl Rows for Recomputed<'_> {
    fn read(&mut self, rows: Range<usize>, into: &mut Vec<f32>) -> Result<()> {
        self.keys.weights(&problem(&self.place, self.at, &self.q, &self.k, self.width)?, rows, into)
    }

    fn are_masked(&self) -> bool {
        true
    }
}

/// A head's weights as they were stored, read by whole rows of chunks: a chunk is unpacked once.
struct Stored<'a> {
    place: Place<'a>,
    at: usize,
    /// The rows that are at hand.
    rows: Range<usize>,
    block: Vec<f32>,
}

impl Rows for Stored<'_> {
    fn read(&mut self, rows: Range<usize>, into: &mut Vec<f32>) -> Result<()> {
        let (queries, keys) = (self.place.entry.queries, self.place.entry.keys);
        if rows.start < self.rows.start || rows.end > self.rows.end {
            let start = rows.start / MAP_CHUNK * MAP_CHUNK;
            let end = rows.end.next_multiple_of(MAP_CHUNK).min(queries);
            self.block = self.place.floats("pattern", &[self.at..self.at + 1, start..end, 0..keys])?;
            self.rows = start..end;
        }
        let first = self.rows.start;
        into.clear();
        into.extend_from_slice(&self.block[(rows.start - first) * keys..(rows.end - first) * keys]);
        Ok(())
    }
}

impl Patterns for Run {
    fn info(&self) -> &ModelInfo {
        &self.manifest.model
    }

    fn stack(&self) -> Stack {
        self.stack
    }

    fn inputs(&self) -> usize {
        self.inputs.len()
    }

    fn origin(&self, input: usize) -> Origin {
        self.inputs.get(input).map_or(Origin::of(input), InputEntry::origin)
    }

    fn tokens(&self, input: usize) -> &[Token] {
        // Those of an entry are of its queries' positions; of cross attention's keys none are kept.
        match self.stack {
            Stack::Cross => &[],
            _ => self.inputs.get(input).map_or(&[], |entry| &entry.tokens),
        }
    }

    fn prompt_length(&self, input: usize) -> Option<usize> {
        self.inputs.get(input).and_then(|entry| entry.prompt_length)
    }

    fn layers(&self) -> Vec<LayerShape> {
        self.layers.clone()
    }

    fn mask(&self, layer: usize, input: usize) -> Result<Mask> {
        Ok(self.place(layer, input)?.map_or_else(Mask::full, |place| place.entry.mask.clone()))
    }

    fn mask_origin(&self, layer: usize, input: usize) -> Result<MaskOrigin> {
        Ok(self.observations(layer, input)?.map_or(MaskOrigin::Given, |seen| seen.mask))
    }

    fn shape(&self, layer: usize, input: usize) -> Result<(usize, usize)> {
        Ok(self.place(layer, input)?.map_or((0, 0), |place| (place.entry.queries, place.entry.keys)))
    }

    fn statistics(&self, layer: usize, head: usize, input: usize) -> Result<Option<HeadStatistics>> {
        let Some(place) = self.place(layer, input)? else { return Ok(None) };
        let at = place.head(head)?;
        let (entry, rows) = (place.entry, |entry: &LayerEntry| entry.heads.len().saturating_mul(entry.queries));
        // Runs that were captured with them may hold what is about positions.
        let own = |s: HeadStatistics| if self.stack == Stack::Cross { s.without_positions() } else { s };
        let read = |places| unpack(&entry.statistics, places, entry.queries, entry.keys, &place);
        if rows(entry) > RECENT_ROWS {
            return Ok(read(at..at + 1)?.pop().map(own));
        }
        let lock = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().iter().find(|(key, _)| *key == (input, layer)).map(|(_, all)| all.clone());
        let all = match known {
            Some(all) => all,
            None => {
                let all = Arc::new(read(0..entry.heads.len())?);
                let mut recent = lock();
                recent.push(((input, layer), all.clone()));
                let size = |all: &[HeadStatistics]| all.iter().map(|s| s.queries).sum::<usize>();
                let mut held: usize = recent.iter().map(|(_, all)| size(all)).sum();
                while held > RECENT_ROWS && recent.len() > 1 {
                    held -= size(&recent.remove(0).1);
                }
                all
            }
        };
        Ok(all.get(at).cloned().map(own))
    }

    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        let Some(place) = self.place(layer, input)? else { return Ok(None) };
        let (at, entry) = (place.head(head)?, place.entry);
        if entry.arrays.contains_key("pattern") {
            return Ok(Some(Box::new(Stored { place, at, rows: 0..0, block: Vec::new() })));
        }
        let Some((q, k, width)) = place.vectors(at, head, 0..entry.queries, 0..entry.keys)? else { return Ok(None) };
        let keys = Packed::new(&problem(&place, at, &q, &k, width)?, 0)?;
        Ok(Some(Box::new(Recomputed { place, at, q, k, width, keys })))
    }

    fn layer_input(&self, layer: usize, input: usize, rows: &[usize]) -> Result<Option<Vec<f32>>> {
        let Some(place) = self.place(layer, input)? else { return Ok(None) };
        let Some(array) = place.entry.arrays.get("layer_input") else { return Ok(None) };
        let all: Vec<Range<usize>> = array.shape.iter().map(|&axis| 0..axis).collect();
        let held = place.floats("layer_input", &all)?;
        let width = held.len() / place.entry.queries.max(1);
        let row = |&row: &usize| held.get(row * width..(row + 1) * width);
        let found: Option<Vec<&[f32]>> = rows.iter().map(row).collect();
        Ok(found.map(|rows| rows.concat()))
    }

    fn facts(&self, layer: usize, input: usize) -> Result<Facts> {
        Ok(self.place(layer, input)?.map_or_else(Facts::default, |place| (&place.entry.facts).into()))
    }
}
