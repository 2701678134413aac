//! Checkpoints: a folder as Hugging Face lays it out, or a lone weight file with a configuration.
//!
//! Opening reads headers and the configuration and holds one against the other; a tensor's numbers are read when it is
//! asked for. No file is believed: see `safetensors`, `pickle` and `config` for what each refuses.

mod array;
mod check;
pub mod config;
mod globals;
mod heap;
mod nested;
pub mod npy;
mod opening;
mod pickle;
mod quantised;
pub mod safetensors;
mod shards;
pub(crate) mod source;
pub mod spec;
pub mod torch;
mod zip;

pub use array::{Array, Dtype};
pub use opening::{Opening, Remark};
pub(crate) use source::{read_json, read_small};

use attractor::{Error, Result};
use attractor_record::file::unreadable;
use shards::Shards;
use spec::{OutputHead, Spec};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// An opened checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    /// What was given, for messages.
    path: PathBuf,
    /// Where a tokenizer or an image processor would lie.
    folder: PathBuf,
    shards: Shards,
    spec: Spec,
    remarks: Vec<Remark>,
    hash: OnceLock<String>,
}

impl Checkpoint {
    /// Opens a folder (config.json beside model.safetensors, its shards with an index, pytorch_model.bin or one other
    /// weight file) or a lone `.safetensors`, `.pt`, `.pth` or `.bin` file.
    ///
    /// A lone file takes, in this order, the configuration that `opening` gives, one stored inside it, and a config.json
    /// beside it.
    ///
    /// # Errors
    /// `is_io` where a file cannot be read, `is_format` where it is torn or no checkpoint, `is_unsupported` where it would
    /// have to run code, for an architecture or a quantisation that is not built in and for keys and tensors that are not
    /// understood, `is_shape` where configuration and weights disagree, `is_usage` where no configuration is to be had.
    pub fn open(path: &Path, opening: &Opening) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|e| unreadable(path, "the checkpoint", &e))?;
        let shards = if about.is_dir() { Shards::in_folder(path)? } else { Shards::lone(path)? };
        let folder = match (about.is_dir(), path.parent()) {
            (true, _) => path.to_path_buf(),
            (false, Some(parent)) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            (false, _) => PathBuf::from("."),
        };
        let (value, place) = configuration_of(path, &folder, &shards, opening.configuration.as_deref())?;
        let (mut spec, ignored_keys) = config::read_as(&value, &place, opening)?;
        let mut remarks = Vec::new();
        if !ignored_keys.is_empty() {
            remarks.push(Remark::IgnoredKeys(ignored_keys));
        }
        let place = path.display().to_string();
        let mut shards = shards.named_for(spec.family)?;
        remarks.extend(shards.dequantise(&value, &place)?);
        if !config::names_its_head(&value) {
            infer_head(&mut spec, &shards);
        }
        if shards.has_own_head(&spec)? {
            spec.tied = false;
            remarks.push(Remark::OwnHead);
        }
        check::check(&spec, &shards, &place)?;
        remarks.extend(check::leftovers(&spec, &shards, &opening.ignored_tensors()?, &place)?);
        remarks.extend(opening.unmatched(&remarks)?);
        Ok(Self { path: path.to_path_buf(), folder, shards, spec, remarks, hash: OnceLock::new() })
    }

    /// What should be known of how it was read.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// What the configuration says.
    pub fn config(&self) -> &Spec {
        &self.spec
    }

    /// What was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the checkpoint, where a tokenizer and an image processor's settings lie if there are any.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder to give to [`Tokenizer::open`](crate::text::Tokenizer::open), if it holds a tokenizer.
    pub fn tokenizer_path(&self) -> Option<&Path> {
        let here = |name: &str| self.folder.join(name).is_file();
        (here("tokenizer.json") || here("vocab.txt") || (here("vocab.json") && here("merges.txt")))
            .then_some(self.folder.as_path())
    }

    /// Names of all tensors, sorted, without wrappers' prefixes (`module.`).
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shards.names()
    }

    /// True if there is such a tensor. The base model's prefix (`bert.`, `transformer.`, `model.`...) may be given or
    /// left out, whichever way the file has it.
    pub fn has(&self, name: &str) -> bool {
        self.shards.resolve(name).is_some()
    }

    /// Shape of a tensor, found as by [`Checkpoint::has`].
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shards.shape(name)
    }

    /// Number of values in all tensors that hold floats, buffers included, shared ones once for each name.
    pub fn parameters(&self) -> u64 {
        self.shards.parameters()
    }

    /// A tensor as f32, found as by [`Checkpoint::has`].
    ///
    /// # Errors
    /// `is_usage` if there is none, `is_non_finite` if it holds NaN or infinity, `is_io` if the file cannot be read
    /// any more.
    pub fn tensor(&self, name: &str) -> Result<Array> {
        self.shards.tensor(name)
    }

    /// SHA-256 of the weight files' bytes, in the order of their names, as lower-case hex.
    ///
    /// # Errors
    /// `is_io` if a file cannot be read any more.
    pub fn hash(&self) -> Result<String> {
        if let Some(hash) = self.hash.get() {
            return Ok(hash.clone());
        }
        let hash = self.shards.hash()?;
        Ok(self.hash.get_or_init(|| hash).clone())
    }
}

/// The configuration and where it came from.
fn configuration_of(
    path: &Path,
    folder: &Path,
    shards: &Shards,
    given: Option<&Path>,
) -> Result<(serde_json::Value, String)> {
    if let Some(given) = given {
        let file = if given.is_dir() { given.join("config.json") } else { given.to_path_buf() };
        return Ok((read_json(&file, "the configuration")?, file.display().to_string()));
    }
    if let Some(value) = shards.configuration() {
        return Ok((value.clone(), format!("{} (the configuration inside it)", path.display())));
    }
    let file = folder.join("config.json");
    if file.exists() {
        return Ok((read_json(&file, "the configuration")?, file.display().to_string()));
    }
    Err(Error::usage(format!(
        "{}: there is no config.json beside the weights and no configuration with a `model_type` inside them; expected one \
         to know the architecture: give a config.json as the configuration",
        path.display()
    )))
}

/// Where the configuration does not say what stands on top, the weights do.
fn infer_head(spec: &mut Spec, shards: &Shards) {
    use spec::Family;
    let rows = |name: &str| shards.shape(name).and_then(|shape| shape.first().copied());
    let head = match spec.family {
        Family::Bert if shards.shape("cls.predictions.transform.dense.weight").is_some() => OutputHead::MaskedLm,
        Family::Roberta if shards.shape("lm_head.dense.weight").is_some() => OutputHead::MaskedLm,
        Family::Bert | Family::Vit | Family::Deit => match (rows("classifier.weight"), rows("cls_classifier.weight")) {
            (Some(labels), _) => OutputHead::Classifier { labels },
            (None, Some(labels)) => OutputHead::DistilledClassifier { labels },
            (None, None) => OutputHead::None,
        },
        Family::Roberta => match rows("classifier.out_proj.weight") {
            Some(labels) => OutputHead::Classifier { labels },
            None => OutputHead::None,
        },
        _ if spec.tied || shards.shape("lm_head.weight").is_some() => OutputHead::CausalLm,
        _ => OutputHead::None,
    };
    spec.head = head;
    spec.task = config::task_of(head);
    spec.pooler = match spec.family {
        Family::Bert => !matches!(head, OutputHead::MaskedLm),
        Family::Roberta | Family::Vit | Family::Deit => matches!(head, OutputHead::None),
        _ => false,
    };
}
