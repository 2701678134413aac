//! GGUF, the one-file checkpoints of llama.cpp: metadata, a tokenizer and weights, read as the Hugging Face checkpoint that
//! they were converted from.
//!
//! `metadata` reads the head, `blocks` the packed weights, `model` gives names, settings and the order of rows back, and
//! [`text`](crate::text) makes the tokenizer.
//!
//! Source: the GGUF specification (ggml, docs/gguf.md); llama.cpp's `convert_hf_to_gguf.py` for what conversion changes.

mod blocks;
mod metadata;
mod model;

use super::array::{Array, Dtype};
use super::opening::Remark;
use super::source::Source;
use attractor::{Error, Result};
use metadata::{Head, Stored};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use blocks::Format;
use metadata::Meta;
pub(crate) use model::Keys;

/// A GGUF file; its tensors are read and unpacked when asked for.
#[derive(Debug)]
pub(crate) struct Gguf {
    source: Source,
    metadata: BTreeMap<String, Meta>,
    /// By the names of transformers.
    tensors: BTreeMap<String, Stored>,
    configuration: Value,
    order: model::Order,
}

/// True for a file that ends in `.gguf`.
pub(crate) fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf"))
}

impl Gguf {
    /// Reads and checks the head.
    ///
    /// # Errors
    /// `is_io` if the file cannot be read; `is_format` if it is damaged or truncated; `is_unsupported` for an architecture or
    /// a kind of file (an adapter, a part of a split model)
    /// or a format of weights that is not read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let source = Source::open(path)?;
        let Head { metadata, tensors } = Head::read(&source)?;
        let place = path.display().to_string();
        let plan = model::plan(&metadata, &tensors, &source, &place)?;
        let mut named = BTreeMap::new();
        for (name, stored) in tensors {
            let Some(wanted) = plan.name(&name) else { continue };
            if named.insert(wanted.clone(), stored).is_some() {
                return Err(
                    source.format(format_args!("two tensors of the file are `{wanted}` of the model (`{name}`)"))
                );
            }
        }
        Ok(Self { source, metadata, tensors: named, configuration: plan.configuration, order: plan.order })
    }

    pub(crate) fn metadata(&self) -> &BTreeMap<String, Meta> {
        &self.metadata
    }

    pub(super) fn configuration(&self) -> &Value {
        &self.configuration
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|stored| stored.shape.as_slice())
    }

    /// What its numbers are once unpacked.
    pub(super) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.contains_key(name).then_some(Dtype::F32)
    }

    /// A tensor as the model wants it.
    ///
    /// # Errors
    /// `is_usage` if there is none; `is_non_finite` for NaN or infinity.
    pub(super) fn tensor(&self, name: &str) -> Result<Array> {
        let place = self.source.path().display();
        let stored =
            self.tensors.get(name).ok_or_else(|| Error::usage(format!("{place}: there is no tensor `{name}`")))?;
        let mut values = unpack(&self.source, name, stored)?;
        self.order.restore(name, &stored.shape, &mut values);
        Array { shape: stored.shape.clone(), values }.finite(format_args!("{place}: tensor `{name}`"))
    }

    /// What should be known of how the weights are stored.
    pub(super) fn remarks(&self) -> Vec<Remark> {
        let packed: Vec<_> = self.tensors.values().map(|t| t.format).filter(|f| f.is_packed()).collect();
        if packed.is_empty() {
            return Vec::new();
        }
        let kinds: BTreeSet<&str> = packed.iter().map(|format| format.name()).collect();
        let recipe = format!("GGUF {}", kinds.into_iter().collect::<Vec<_>>().join(", "));
        vec![Remark::Dequantised { recipe, tensors: packed.len() }]
    }
}

/// A tensor's numbers in the order of the file.
fn unpack(source: &Source, name: &str, stored: &Stored) -> Result<Vec<f32>> {
    let (begin, count) = stored.range;
    match stored.format {
        Format::F32 => source.read_f32(begin, count, name),
        format => Ok(format.unpack(&source.read(begin, count, name)?)),
    }
}
