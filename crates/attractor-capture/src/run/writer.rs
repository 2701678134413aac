//! Appending to a run: every input whole, or not there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use attractor::retrieve::{Mask, Request, dense};
use sha2::{Digest, Sha256};

use super::array::{self, RowsOf};
use super::budget::{self, Extent};
use super::parts::{Parts, check_record, largest, map_spec, parts_of};
use super::{Commit, FORMAT, InputEntry, Keep, LayerEntry, MANIFEST, Manifest, Run, RunOptions};
use super::{SCHEMA_VERSION, STORE, schema::EARLIEST, statistics};
use crate::import::Import;
use attractor::{Error, Hint, Result};
use attractor_data::files::{self, Lock, create_folder, sweep, write_whole};
use attractor_record::Observations;
use attractor_record::{InputRecord, ModelInfo, Origin, Stack, Token};
use attractor_record::{LayerShape, Patterns, Rows, Walk};

/// Writes a run, one input at a time. Only one writer at a time may hold a run.
#[derive(Debug)]
pub struct RunWriter {
    root: PathBuf,
    _lock: Lock,
    manifest: Manifest,
    commit: Commit,
    /// Bytes of all files so far.
    used: u64,
    /// Kept heads of every layer seen so far: the same for all inputs.
    layers: BTreeMap<(Stack, usize), LayerShape>,
    /// Inputs and steps that are in the run.
    origins: BTreeSet<(usize, Option<u64>)>,
}

impl RunWriter {
    /// Begins a run in a new or empty folder.
    ///
    /// # Errors
    /// `is_usage` if the folder holds a run already, holds something else, or the options do not fit the model;
    /// `is_io` if it cannot be written. What was there stays as it was.
    pub fn create(path: impl AsRef<Path>, options: &RunOptions, info: &ModelInfo) -> Result<Self> {
        let root = path.as_ref().to_path_buf();
        options.check(info.layers, info.heads)?;
        Self::check_output(&root, false)?;
        create_folder(&root)?;
        let lock = Lock::take(&root)?;
        sweep(&root)?;
        let store = root.join(STORE);
        if store.exists() {
            // Only a creation that was killed before its last step can have left this: check_free saw no commit.
            std::fs::remove_dir_all(&store).map_err(|error| files::failed("cannot remove", &store, error))?;
        }
        create_folder(&store.join("inputs"))?;
        create_folder(&root.join("tables"))?;
        let manifest = Manifest {
            format: FORMAT.to_string(),
            version: SCHEMA_VERSION,
            created: super::now(),
            model: info.clone(),
            options: options.clone(),
            tokens_hash: None,
            inputs: None,
        };
        let empty = serde_json::Map::new();
        write_whole(&store.join("inputs/zarr.json"), &super::group(&empty)?, options.durability)?;
        let commit = Commit::default();
        let (layers, origins) = (BTreeMap::new(), BTreeSet::new());
        let mut writer = Self { root, _lock: lock, manifest, commit, used: 0, layers, origins };
        writer.write_commit()?;
        writer.write_manifest()?;
        writer.used = files::size_below(&writer.root)?;
        Ok(writer)
    }

    /// Checks, before any work is done for it, that a run can be written into this folder; a run that is there is kept
    /// unless `overwrite` is said.
    ///
    /// # Errors
    /// `is_usage` if the folder holds a run already, or something else; `is_io` if it cannot be written.
    pub fn check_output(root: &Path, overwrite: bool) -> Result<()> {
        files::check_folder(root)?;
        match root.join(MANIFEST).exists() {
            true if overwrite => Ok(()),
            true => {
                let why = "there is a run here already, and nothing is overwritten unasked; name another folder, or let it be replaced";
                Err(Error::usage(format!("{}: {why}", root.display())).hinted(Hint::GiveOne(vec!["overwrite"])))
            }
            false if root.is_dir() => Self::check_free(root),
            false => Ok(()),
        }
    }

    /// Removes the run in a folder, if there is one, and nothing else.
    ///
    /// # Errors
    /// `is_usage` if another process writes to it; `is_io`.
    pub fn clear(root: &Path) -> Result<()> {
        if !root.join(MANIFEST).exists() {
            return Ok(());
        }
        let _lock = Lock::take(root)?;
        let failed = |path: &Path, error| files::failed("cannot remove", path, error);
        // The manifest last: what is left without it would be nobody's.
        for folder in [root.join(STORE), root.join("tables")].into_iter().filter(|folder| folder.exists()) {
            std::fs::remove_dir_all(&folder).map_err(|error| failed(&folder, error))?;
        }
        let manifest = root.join(MANIFEST);
        std::fs::remove_file(&manifest).map_err(|error| failed(&manifest, error))
    }

    /// A folder may be used if it is empty, or holds nothing but what a killed `create` left.
    fn check_free(root: &Path) -> Result<()> {
        for path in files::children(root)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ours = [".lock", STORE, "tables"].contains(&name.as_str()) || name.ends_with(".tmp");
            if !ours {
                return Err(Error::usage(format!(
                    "{}: the folder is not empty and holds no run (there is {name:?}); nothing was written, give \
                     another folder",
                    root.display()
                )));
            }
        }
        let commit = root.join(STORE).join("zarr.json");
        if commit.exists() && super::read_group::<Commit>(&commit, EARLIEST)?.committed_inputs > 0 {
            return Err(Error::usage(format!(
                "{}: holds a run whose run.json is missing; nothing was written, give another folder",
                root.display()
            )));
        }
        Ok(())
    }

    /// Goes on with a run: sweeps what a killed writer left and starts behind the last committed input.
    ///
    /// # Errors
    /// `is_usage` if another process writes to it or it is of an earlier version, `is_format` if it is no run or its commit
    /// point is unreadable.
    pub fn resume(path: impl AsRef<Path>) -> Result<Self> {
        let root = path.as_ref().to_path_buf();
        let manifest = super::read_manifest(&root)?;
        if manifest.version != SCHEMA_VERSION {
            return Err(Error::usage(format!(
                "{}: the run is of schema version {}, and version {SCHEMA_VERSION} is written; convert it into a new folder \
                 and go on there",
                root.display(),
                manifest.version
            )));
        }
        let lock = Lock::take(&root)?;
        let store = root.join(STORE);
        for folder in [&root, &store, &root.join("tables")] {
            create_folder(folder)?;
            sweep(folder)?;
        }
        let commit: Commit = super::read_group(&store.join("zarr.json"), manifest.version)?;
        let inputs = store.join("inputs");
        for path in files::children(&inputs)? {
            let number: Option<usize> =
                path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            if number.is_some_and(|number| number >= commit.committed_inputs) {
                std::fs::remove_dir_all(&path).map_err(|error| files::failed("cannot remove", &path, error))?;
            }
        }
        sweep(&inputs)?;
        let run = Run::open(&root)?;
        let layers = run.all_layers().map(|(stack, shape)| ((stack, shape.layer), shape)).collect();
        let origins = run.entries().iter().map(|entry| (entry.origin().input, entry.step)).collect();
        let used = files::size_below(&root)?;
        Ok(Self { root, _lock: lock, manifest, commit, used, layers, origins })
    }

    /// Number of inputs that are part of the run: the index of the next one.
    pub fn committed(&self) -> usize {
        self.commit.committed_inputs
    }

    /// How the run is written.
    pub fn options(&self) -> &RunOptions {
        &self.manifest.options
    }

    /// Bytes of all files so far.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Appends an input, or one step of it, and commits it.
    ///
    /// # Errors
    /// `is_budget` before anything is written if it would not fit; `is_usage` if it is not the next entry, its step of its
    /// input is there already, or it does not look like the others; `is_io` if the system refuses. After an error the run is
    /// what it was.
    pub fn append(&mut self, record: &InputRecord) -> Result<()> {
        if record.index != self.committed() {
            return Err(Error::usage(format!(
                "run: input {} was given, input {} is next; append inputs in order",
                record.index,
                self.committed()
            )));
        }
        let options = self.manifest.options.clone();
        for layer in &record.layers {
            check_record(layer)?;
        }
        let extents = budget::extents(&options, record);
        if extents.is_empty() {
            return Err(Error::usage(format!(
                "run: input {} has none of the selected layers ({})",
                record.index, options.selection
            )));
        }
        budget::check(&options, &extents, record.tokens.len(), self.used)?;
        let head = InputEntry {
            tokens: record.tokens.clone(),
            prompt_length: record.prompt_length,
            grid: record.grid,
            ..self.next(record.origin)?
        };
        let parts = record.layers.iter().filter_map(|layer| {
            let heads = options.selection.heads(layer.layer, layer.heads);
            (!heads.is_empty()).then(|| parts_of(&options, layer, heads, &record.tokens))
        });
        self.write_input(head, parts)
    }

    /// The entry of what is appended next, with nothing in it yet.
    fn next(&self, origin: Origin) -> Result<InputEntry> {
        if self.origins.contains(&(origin.input, origin.number())) {
            return Err(Error::usage(format!("run: {origin} is in the run already; number the steps of an input")));
        }
        Ok(InputEntry {
            index: self.committed(),
            input: Some(origin.input),
            step: origin.number(),
            block: origin.step.and_then(|step| step.block),
            tokens: Vec::new(),
            prompt_length: None,
            grid: None,
            layers: Vec::new(),
        })
    }

    /// Appends the next entry of any source of patterns and commits it.
    ///
    /// # Errors
    /// As [`RunWriter::append`]; `is_usage` with `keep = stats+qk`, since patterns hold no queries and keys.
    pub fn append_patterns(&mut self, source: &dyn Patterns, input: usize) -> Result<()> {
        self.append_observed(&[source], input, &|_, _| None)
    }

    /// [`append_patterns`](Self::append_patterns) of every stack of a file, with what was seen when a layer was imported.
    pub(crate) fn append_imported(&mut self, stacks: &[Import], input: usize) -> Result<()> {
        let sources: Vec<&dyn Patterns> = stacks.iter().map(|stack| stack as &dyn Patterns).collect();
        self.append_observed(&sources, input, &|at, layer| stacks[at].observed(layer, input).cloned())
    }

    /// `sources` are stacks of one model; `observed` is asked for the layer of one of them, by its place.
    fn append_observed(
        &mut self,
        sources: &[&dyn Patterns],
        input: usize,
        observed: &dyn Fn(usize, usize) -> Option<Observations>,
    ) -> Result<()> {
        let first = sources[0];
        let options = self.manifest.options.clone();
        if options.keep == Keep::StatsQk {
            return Err(Error::usage("keep: an import holds no queries and keys; use pattern, stats or topk:K"));
        }
        let mut kept = Vec::new();
        let layers =
            sources.iter().enumerate().flat_map(|(at, source)| source.layers().into_iter().map(move |s| (at, s)));
        for (at, shape) in layers {
            let source = sources[at];
            let (queries, keys) = source.shape(shape.layer, input)?;
            let heads: Vec<usize> = options.selection.heads(shape.layer, shape.model_heads);
            let heads: Vec<usize> = heads.into_iter().filter(|head| shape.heads.contains(head)).collect();
            if queries > 0 && keys > 0 && !heads.is_empty() {
                kept.push((at, LayerShape { heads, ..shape }, queries, keys, source.mask(shape.layer, input)?));
            }
        }
        if kept.is_empty() {
            return Err(Error::usage(format!(
                "run: input {input} has none of the selected layers ({})",
                options.selection
            )));
        }
        let extents: Vec<Extent> = kept
            .iter()
            .map(|&(_, ref shape, queries, keys, _)| Extent {
                heads: shape.heads.len(),
                key_heads: 0,
                queries,
                keys,
                width: 0,
                value_width: 0,
                model_width: 0,
            })
            .collect();
        budget::check(&options, &extents, first.tokens(input).len(), self.used)?;
        let head = InputEntry {
            tokens: first.tokens(input).to_vec(),
            prompt_length: first.prompt_length(input),
            ..self.next(first.origin(input))?
        };
        let parts = kept.iter().map(|(at, shape, queries, keys, mask)| {
            let source = sources[*at];
            let mut statistics = Vec::new();
            let mut promoted = BTreeMap::new();
            let mut most = 0f32;
            for &head in &shape.heads {
                let place = (shape.layer, head);
                let given = source.statistics(shape.layer, head, input)?;
                let mut given = given.ok_or_else(|| Error::usage("statistics were not kept in the source"))?;
                if options.keep != Keep::Stats {
                    let none = || {
                        Error::option("keep", options.keep, "the source holds no weights")
                            .hinted(Hint::give("keep", "stats"))
                    };
                    let mut walk = Walk::of(source, place, input)?.ok_or_else(none)?;
                    if matches!(options.keep, Keep::TopK(_)) {
                        (given.row_top_keys, given.row_top_weights) = (Vec::new(), Vec::new());
                    }
                    while let Some(strip) = walk.next()? {
                        let block = &strip.blocks[0];
                        if let Keep::TopK(k) = options.keep {
                            let request = Request { row_top: k.min(*keys), ..Request::core() };
                            let mask = Mask { offset: mask.offset + strip.rows.start, ..mask.clone() };
                            let top = dense::of_weights(block, strip.rows.len(), *keys, &mask, &request)?;
                            given.row_top_keys.extend(top.row_top_keys);
                            given.row_top_weights.extend(top.row_top_weights);
                        }
                        most = most.max(largest(block));
                    }
                }
                statistics.push(given);
            }
            let mut specs = Vec::new();
            if options.keep == Keep::Pattern {
                // The map of one head at a time is open.
                let mut open: Option<(usize, Box<dyn Rows + '_>)> = None;
                let read: RowsOf<'_> = Box::new(move |place, rows, into| {
                    if open.as_ref().is_none_or(|(is, _)| *is != place) {
                        open = source.open(shape.layer, shape.heads[place], input)?.map(|map| (place, map));
                    }
                    open.as_mut().map_or(Ok(()), |(_, map)| map.read(rows, into))
                });
                let size = [shape.heads.len(), *queries, *keys];
                specs.push(map_spec(read, size, (options.dtype, most), &mut promoted));
            }
            Ok(Parts {
                stack: source.stack(),
                shape: shape.clone(),
                kept_key_heads: Vec::new(),
                queries: *queries,
                keys: *keys,
                beta: None,
                mask,
                soft_cap: None,
                alibi: Vec::new(),
                sinks: Vec::new(),
                facts: source.facts(shape.layer, input)?,
                observations: observed(*at, shape.layer),
                statistics,
                specs,
                promoted,
            })
        });
        self.write_input(head, parts)
    }

    fn write_input<'a>(&mut self, entry: InputEntry, parts: impl Iterator<Item = Result<Parts<'a>>>) -> Result<()> {
        let folder = self.root.join(STORE).join(super::input_group(entry.index));
        let written = self.write_layers(entry, parts);
        if written.is_err() {
            // Not part of the run yet: give the space back if the system lets us.
            let _ = std::fs::remove_dir_all(&folder);
        }
        written
    }

    fn write_layers<'a>(
        &mut self,
        mut entry: InputEntry,
        parts: impl Iterator<Item = Result<Parts<'a>>>,
    ) -> Result<()> {
        let store = self.root.join(STORE);
        let durability = self.manifest.options.durability;
        let mut written = 0;
        let mut seen = self.layers.clone();
        for parts in parts {
            let parts = parts?;
            let (stack, layer) = (parts.stack, parts.shape.layer);
            if seen.get(&(stack, layer)).is_some_and(|shape| *shape != parts.shape) {
                return Err(Error::usage(format!(
                    "run: the heads of layer {layer} differ from those of earlier inputs"
                )));
            }
            seen.insert((stack, layer), parts.shape.clone());
            let group = super::layer_group(entry.index, stack, layer);
            let options = &self.manifest.options;
            let (packed, mut specs) = statistics::pack(&parts.statistics, &options.classes, &options.lags)?;
            specs.extend(parts.specs);
            let mut arrays = BTreeMap::new();
            for spec in &mut specs {
                let (array, bytes) = array::write(&store, &group, spec, durability)?;
                written += bytes;
                arrays.insert(spec.name.clone(), array);
            }
            let described = serde_json::json!({ "layer": layer, "heads": parts.shape.heads });
            let described = super::group(&described)?;
            written += described.len() as u64;
            write_whole(&store.join(&group).join("zarr.json"), &described, durability)?;
            entry.layers.push(LayerEntry {
                stack,
                layer,
                heads: parts.shape.heads,
                model_heads: parts.shape.model_heads,
                key_heads: parts.shape.key_heads,
                kept_key_heads: parts.kept_key_heads,
                queries: parts.queries,
                keys: parts.keys,
                beta: parts.beta,
                mask: parts.mask.clone(),
                soft_cap: parts.soft_cap,
                alibi: parts.alibi,
                sinks: parts.sinks,
                facts: (&parts.facts).into(),
                promoted: parts.promoted,
                statistics: packed,
                arrays,
                observations: parts.observations,
            });
        }
        self.commit_entry(&entry, written)?;
        self.layers = seen;
        Ok(())
    }

    /// Writes an entry's group, whose `written` bytes of arrays are there, and makes it part of the run.
    fn commit_entry(&mut self, entry: &InputEntry, mut written: u64) -> Result<()> {
        let store = self.root.join(STORE);
        let durability = self.manifest.options.durability;
        let bytes = super::group(entry)?;
        written += bytes.len() as u64;
        write_whole(&store.join(super::input_group(entry.index)).join("zarr.json"), &bytes, durability)?;
        if durability == attractor_data::files::Durability::Power {
            files::sync_folder(&store.join("inputs"))?;
        }
        let tokens_hash = tokens_hash(&self.commit.tokens_hash, &entry.tokens);
        let after = Commit { committed_inputs: entry.index + 1, tokens_hash };
        let before = std::mem::replace(&mut self.commit, after);
        if let Err(error) = self.write_commit() {
            self.commit = before;
            return Err(error);
        }
        self.origins.insert((entry.origin().input, entry.step));
        self.used += written;
        Ok(())
    }

    /// Appends an entry of another run: its arrays as they are, byte for byte.
    pub(super) fn adopt(&mut self, from: &Run, entry: &InputEntry) -> Result<()> {
        let (group, durability) = (super::input_group(entry.index), self.options().durability);
        let (old, new) = (from.path().join(STORE).join(&group), self.root.join(STORE).join(&group));
        let layers = || {
            let mut written = 0;
            for layer in files::children(&old)?.into_iter().filter(|path| path.is_dir()) {
                written += copy_below(&layer, &new.join(layer.file_name().unwrap_or_default()), durability)?;
            }
            Ok(written)
        };
        let adopted = layers().and_then(|written| self.commit_entry(entry, written));
        if adopted.is_err() {
            let _ = std::fs::remove_dir_all(&new);
        }
        adopted
    }

    /// Takes over what another run's manifest says of its making.
    pub(super) fn made(&mut self, created: &str) -> Result<()> {
        self.manifest.created = created.to_string();
        self.write_manifest()
    }

    fn write_commit(&self) -> Result<()> {
        write_whole(&self.root.join(STORE).join("zarr.json"), &super::group(&self.commit)?, self.options().durability)
    }

    fn write_manifest(&self) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|error| Error::usage(error.to_string()).because(error))?;
        write_whole(&self.root.join(MANIFEST), &bytes, self.options().durability)
    }

    /// Writes the tables, and into `run.json` how many inputs there are and the hash of their tokens.
    ///
    /// # Errors
    /// `is_io`; the inputs are in the run all the same.
    pub fn finish(mut self) -> Result<()> {
        self.manifest.inputs = Some(self.committed());
        self.manifest.tokens_hash = Some(self.commit.tokens_hash.clone());
        if self.committed() > 0 {
            let mut tables = Vec::new();
            for stack in Run::open(&self.root)?.stacks() {
                let run = Run::open(&self.root)?.of_stack(stack)?;
                tables.push(attractor_record::by_step(&run, attractor_record::Table::of)?);
            }
            let table = attractor_record::Table::joined(tables)?;
            write_whole(&self.root.join("tables/heads.parquet"), &crate::parquet(&table)?, self.options().durability)?;
        }
        self.write_manifest()
    }
}

/// Copies every file below a folder; returns their bytes.
fn copy_below(from: &Path, to: &Path, durability: files::Durability) -> Result<u64> {
    create_folder(to)?;
    let mut copied = 0;
    for path in files::children(from)? {
        let Some(name) = path.file_name() else { continue };
        copied += match path.is_dir() {
            true => copy_below(&path, &to.join(name), durability)?,
            false => {
                let bytes = std::fs::read(&path).map_err(|error| files::failed("cannot read", &path, error))?;
                write_whole(&to.join(name), &bytes, durability)?;
                bytes.len() as u64
            }
        };
    }
    Ok(copied)
}

/// Hash of all tokens so far and those of one more input.
fn tokens_hash(so_far: &str, tokens: &[Token]) -> String {
    let mut hash = Sha256::new();
    hash.update(so_far.as_bytes());
    for token in tokens {
        hash.update(token.id.to_le_bytes());
        hash.update((token.text.len() as u64).to_le_bytes());
        hash.update(token.text.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
