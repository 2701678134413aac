//! The weight files of a checkpoint as one set of names.

use super::array::{Array, Dtype};
use super::check::{Weights, base};
use super::gguf::{Gguf, is_gguf};
use super::opening::Remark;
use super::quantised::{self, Recipe, Stored};
use super::safetensors::Safetensors;
use super::source::{Source, read_json};
use super::spec::{Family, OutputHead, Spec};
use super::torch::Torch;
use attractor::{Error, Result};
use attractor_record::file::unreadable;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Weight files in a folder that are no model.
const NOT_WEIGHTS: [&str; 6] =
    ["training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "scheduler.bin", "scaler.pt"];

#[derive(Debug)]
enum Shard {
    Safetensors(Safetensors),
    Torch(Torch),
    Gguf(Gguf),
}

/// All tensors, by the names that models ask for.
#[derive(Debug)]
pub(super) struct Shards {
    files: Vec<Shard>,
    /// Wanted name -> file and name there.
    names: BTreeMap<String, (usize, String)>,
    /// How quantised weights are read, by wanted name.
    recipes: BTreeMap<String, Recipe>,
    base: &'static str,
}

impl Shard {
    fn open(path: &Path) -> Result<Self> {
        let torch = ["pt", "pth", "bin", "ckpt"]
            .iter()
            .any(|end| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(end)));
        if is_gguf(path) {
            return Gguf::open(path).map(Self::Gguf);
        }
        if torch { Torch::open(path).map(Self::Torch) } else { Safetensors::open(path).map(Self::Safetensors) }
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Safetensors(file) => Box::new(file.names()),
            Self::Torch(file) => Box::new(file.names()),
            Self::Gguf(file) => Box::new(file.names()),
        }
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        match self {
            Self::Safetensors(file) => file.shape(name),
            Self::Torch(file) => file.shape(name),
            Self::Gguf(file) => file.shape(name),
        }
    }

    fn dtype(&self, name: &str) -> Option<Dtype> {
        match self {
            Self::Safetensors(file) => file.dtype(name),
            Self::Torch(file) => file.dtype(name),
            Self::Gguf(file) => file.dtype(name),
        }
    }

    fn range(&self, name: &str) -> Option<(u64, u64)> {
        match self {
            Self::Safetensors(file) => file.range(name),
            Self::Torch(file) => file.range(name),
            // Rows may lie in another order.
            Self::Gguf(_) => None,
        }
    }

    fn tensor(&self, name: &str) -> Result<Array> {
        match self {
            Self::Safetensors(file) => file.tensor(name),
            Self::Torch(file) => file.tensor(name),
            Self::Gguf(file) => file.tensor(name),
        }
    }

    fn source(&self) -> &Source {
        match self {
            Self::Safetensors(file) => file.source(),
            Self::Torch(file) => file.source(),
            Self::Gguf(file) => file.source(),
        }
    }
}

impl Shards {
    /// One file.
    pub(super) fn lone(path: &Path) -> Result<Self> {
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            return Err(Error::usage(format!(
                "{}: expected a weight file or a model folder, got a JSON file; give the folder that holds it",
                path.display()
            )));
        }
        Self::of(vec![path.to_path_buf()])
    }

    /// The weights of a folder.
    pub(super) fn in_folder(folder: &Path) -> Result<Self> {
        for (single, index) in [
            ("model.safetensors", "model.safetensors.index.json"),
            ("pytorch_model.bin", "pytorch_model.bin.index.json"),
        ] {
            if folder.join(single).exists() {
                return Self::of(vec![folder.join(single)]);
            }
            if folder.join(index).exists() {
                return Self::indexed(folder, &folder.join(index));
            }
        }
        let mut found = Vec::new();
        let entries = std::fs::read_dir(folder).map_err(|e| unreadable(folder, "the folder", &e))?;
        for entry in entries {
            let path = entry.map_err(|e| unreadable(folder, "the folder", &e))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let weights = [".safetensors", ".gguf", ".pt", ".pth", ".bin"].iter().any(|end| name.ends_with(end));
            if weights && !NOT_WEIGHTS.contains(&name.as_str()) && !name.starts_with("rng_state") {
                found.push(path);
            }
        }
        found.sort();
        match found.as_slice() {
            [] => Err(Error::usage(format!(
                "{}: there are no weights in this folder; expected model.safetensors, model.safetensors.index.json, \
                 pytorch_model.bin or one file that ends in .safetensors, .gguf, .pt, .pth or .bin",
                folder.display()
            ))),
            [_] => Self::of(found),
            several => Err(Error::usage(format!(
                "{}: there are {} weight files and no index that says how they belong together ({}); give the one that \
                 is meant",
                folder.display(),
                several.len(),
                several.iter().filter_map(|p| p.file_name()?.to_str()).take(8).collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    /// The shards that an index names.
    fn indexed(folder: &Path, index: &Path) -> Result<Self> {
        let place = index.display();
        let value = read_json(index, "the index of shards")?;
        let map = value.get("weight_map").and_then(Value::as_object).ok_or_else(|| {
            Error::format(format!("{place}: expected an object `weight_map` from tensors to files, got none"))
        })?;
        let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, file) in map {
            let file = file.as_str().ok_or_else(|| {
                Error::format(format!("{place}: tensor `{name}`: expected the name of a file, got {file}"))
            })?;
            // A path would lead out of the folder.
            if file.is_empty() || file.contains(['/', '\\', '\0']) || file == ".." || file == "." {
                return Err(Error::format(format!(
                    "{place}: tensor `{name}`: expected the name of a file in this folder, got {file:?}"
                )));
            }
            files.entry(file).or_default().push(name);
        }
        if files.is_empty() {
            return Err(Error::format(format!("{place}: `weight_map` is empty; the index is damaged: fetch it again")));
        }
        let paths: Vec<_> = files.keys().map(|file| folder.join(file)).collect();
        for (path, (file, tensors)) in paths.iter().zip(&files) {
            if !path.exists() {
                return Err(Error::io(format!(
                    "{}: the shard {file} is missing; {place} says that it holds {} tensors (the first: `{}`): fetch it",
                    path.display(),
                    tensors.len(),
                    tensors[0]
                )));
            }
        }
        let shards = Self::of(paths)?;
        for (number, (file, tensors)) in files.iter().enumerate() {
            for tensor in tensors {
                if shards.files[number].shape(tensor).is_none() {
                    return Err(Error::format(format!(
                        "{place}: tensor `{tensor}` should be in {file}, but is not; index and shards are of different \
                         models"
                    )));
                }
            }
        }
        Ok(shards)
    }

    fn of(paths: Vec<PathBuf>) -> Result<Self> {
        let files = paths.iter().map(|path| Shard::open(path)).collect::<Result<Vec<_>>>()?;
        let mut names = BTreeMap::new();
        for (number, file) in files.iter().enumerate() {
            for name in file.names() {
                if let Some((other, _)) = names.insert(name.to_owned(), (number, name.to_owned())) {
                    let other: &Shard = &files[other];
                    return Err(file.source().format(format_args!(
                        "tensor `{name}` is also in {}; two shards hold the same tensor",
                        other.source().path().display()
                    )));
                }
            }
        }
        Ok(Self { files, names, recipes: BTreeMap::new(), base: "" })
    }

    /// The same with the names that models of this family ask for: wrappers' prefixes and old spellings gone.
    pub(super) fn named_for(mut self, family: Family) -> Result<Self> {
        let mut names = BTreeMap::new();
        for (name, place) in std::mem::take(&mut self.names) {
            let wanted = canonical(&name, family);
            let number = place.0;
            if let Some((_, other)) = names.insert(wanted.clone(), place) {
                return Err(self.files[number].source().format(format_args!(
                    "tensors `{other}` and `{name}` are the same tensor `{wanted}` of the model; the file holds two models"
                )));
            }
        }
        self.names = names;
        self.base = base(family);
        Ok(self)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// Finds a tensor whether or not the base model's prefix is on it.
    pub(super) fn resolve(&self, name: &str) -> Option<(&str, &(usize, String))> {
        let find = |name: &str| self.names.get_key_value(name).map(|(k, v)| (k.as_str(), v));
        find(name)
            .or_else(|| name.strip_prefix(self.base).and_then(find))
            .or_else(|| find(&format!("{}{name}", self.base)))
    }

    /// Finds out how quantised weights are to be read.
    ///
    /// # Errors
    /// As [`quantised::recipes`].
    pub(super) fn dequantise(&mut self, configuration: &Value, place: &str) -> Result<Vec<Remark>> {
        let (recipes, remarks) = quantised::recipes(self, configuration, place)?;
        self.recipes = recipes;
        Ok(self.gguf().map(Gguf::remarks).unwrap_or_default().into_iter().chain(remarks).collect())
    }

    /// True if the configuration ties the output head to the token table but another one is stored.
    ///
    /// # Errors
    /// `is_io` if a file cannot be read any more.
    pub(super) fn has_own_head(&self, spec: &Spec) -> Result<bool> {
        let (head, table) = match (spec.head, spec.family) {
            (OutputHead::CausalLm, Family::Gpt2) => ("lm_head.weight", "wte.weight"),
            (OutputHead::CausalLm, _) => ("lm_head.weight", "embed_tokens.weight"),
            (OutputHead::MaskedLm, Family::Bert) => {
                ("cls.predictions.decoder.weight", "embeddings.word_embeddings.weight")
            }
            (OutputHead::MaskedLm, _) => ("lm_head.decoder.weight", "embeddings.word_embeddings.weight"),
            _ => return Ok(false),
        };
        match (spec.tied, self.resolve(head), self.resolve(&format!("{}{table}", self.base))) {
            (true, Some((_, head)), Some((_, table))) => Ok(!self.same(head, table)?),
            _ => Ok(false),
        }
    }

    /// True if two tensors hold the same numbers.
    fn same(&self, one: &(usize, String), other: &(usize, String)) -> Result<bool> {
        const PIECE: u64 = 1 << 20;
        let ((a, first), (b, second)) = (one, other);
        let (a, b) = (&self.files[*a], &self.files[*b]);
        if a.shape(first) != b.shape(second) {
            return Ok(false);
        }
        let (Some((from, many)), Some((to, as_many))) = (a.range(first), b.range(second)) else {
            return Ok(a.tensor(first)?.values == b.tensor(second)?.values);
        };
        if a.dtype(first) != b.dtype(second) || many != as_many {
            return Ok(a.tensor(first)?.values == b.tensor(second)?.values);
        }
        if from == to && one.0 == other.0 {
            return Ok(true);
        }
        for at in (0..many).step_by(PIECE as usize) {
            let count = PIECE.min(many - at);
            if a.source().read(from + at, count, first)? != b.source().read(to + at, count, second)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Array> {
        let Some((wanted, (file, there))) = self.resolve(name) else {
            return Err(Error::usage(format!(
                "{}: there is no tensor `{name}` among the {} of this checkpoint (the first: {})",
                self.files[0].source().path().display(),
                self.names.len(),
                self.names().take(5).collect::<Vec<_>>().join(", ")
            )));
        };
        let stored = self.files[*file].tensor(there)?;
        match self.recipes.get(wanted) {
            None => Ok(stored),
            Some(recipe) => {
                let place = self.files[*file].source().path().display().to_string();
                let read = |name: &str| self.tensor(name);
                recipe.apply(stored, &place, &read)?.finite(format_args!("{place}: tensor `{there}`"))
            }
        }
    }

    pub(super) fn parameters(&self) -> u64 {
        self.names
            .iter()
            .filter(|(wanted, (file, name))| {
                let float = self.files[*file].dtype(name).is_some_and(Dtype::is_float);
                (float && !quantised::is_beside(wanted)) || self.recipes.contains_key(*wanted)
            })
            .map(|(_, place)| place)
            .filter_map(|(file, name)| self.files[*file].shape(name))
            .map(|shape| shape.iter().map(|&n| n as u64).product::<u64>())
            .sum()
    }

    /// A configuration that the weight file itself holds.
    pub(super) fn configuration(&self) -> Option<&Value> {
        match self.files.as_slice() {
            [Shard::Torch(file)] => file.configuration(),
            [Shard::Gguf(file)] => Some(file.configuration()),
            _ => None,
        }
    }

    /// The one file, if it is a GGUF file.
    pub(super) fn gguf(&self) -> Option<&Gguf> {
        match self.files.as_slice() {
            [Shard::Gguf(file)] => Some(file),
            _ => None,
        }
    }

    pub(super) fn hash(&self) -> Result<String> {
        let mut files: Vec<_> = self.files.iter().map(Shard::source).collect();
        files.sort_by_key(|source| source.path().to_path_buf());
        let mut hash = Sha256::new();
        for source in files {
            source.hash_into(&mut hash)?;
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Weights for Shards {
    fn shape(&self, name: &str) -> Option<&[usize]> {
        let (_, (file, there)) = self.resolve(name)?;
        self.files[*file].shape(there)
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.names.keys().map(String::as_str))
    }

    fn not_weights(&self, name: &str) -> Option<&'static str> {
        let (wanted, (file, there)) = self.resolve(name)?;
        let dtype = self.files[*file].dtype(there).filter(|d| !d.is_float())?;
        (!self.recipes.contains_key(wanted)).then(|| dtype.name())
    }
}

impl Stored for Shards {
    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn dtype(&self, name: &str) -> Option<Dtype> {
        let (file, there) = self.names.get(name)?;
        self.files[*file].dtype(there)
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }
}

impl Shards {
    /// Shape of a tensor, found as by [`Shards::resolve`].
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        Weights::shape(self, name)
    }
}

/// The name that models ask for.
fn canonical(name: &str, family: Family) -> String {
    let mut name = name;
    // What DataParallel and torch.compile put in front.
    while let Some(rest) = name.strip_prefix("module.").or_else(|| name.strip_prefix("_orig_mod.")) {
        name = rest;
    }
    if family == Family::Gemma3 {
        // The language model inside the multimodal one, old and new.
        for (there, here) in
            [("language_model.model.", "model."), ("model.language_model.", "model."), ("language_model.", "")]
        {
            if let Some(rest) = name.strip_prefix(there) {
                return format!("{here}{rest}");
            }
        }
    }
    // Names from the days of TensorFlow.
    for (there, here) in [("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")] {
        if let Some(rest) = name.strip_suffix(there) {
            return format!("{rest}{here}");
        }
    }
    name.to_owned()
}
