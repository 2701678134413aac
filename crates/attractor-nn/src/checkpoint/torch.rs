//! Files of torch.save: the zip format of torch 1.6 and later, and the plain sequence of pickles before it.

use super::array::{Array, Dtype, elements, sizes};
use super::heap::{Heap, Id, Node, Storage, Tensor};
use super::nested;
use super::pickle::{Bytes, load};
use super::source::Source;
use super::zip;
use attractor::{Error, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Keys under which training scripts keep the weights.
const WRAPPERS: [&str; 5] = ["model_state_dict", "state_dict", "model", "module", "model_state"];
/// Keys under which they keep the configuration.
const CONFIGURATIONS: [&str; 3] = ["config", "model_config", "configuration"];
/// Most entries visited while looking for tensors: shared dictionaries could otherwise unfold without end.
const MOST_ENTRIES: usize = 1_000_000;
/// The first bytes of the older format: a pickle of torch's magic number.
const LEGACY: [u8; 15] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// A torch file; its tensors are read when asked for.
#[derive(Debug)]
pub struct Torch {
    source: Source,
    tensors: BTreeMap<String, View>,
    configuration: Option<Value>,
}

/// A tensor in the file.
#[derive(Debug)]
struct View {
    dtype: std::result::Result<Dtype, String>,
    shape: Vec<usize>,
    /// In elements, one an axis.
    stride: Vec<u64>,
    /// Byte of the file where the first element lies.
    begin: u64,
    /// Elements from the first to the last, both counted.
    span: u64,
}

impl Torch {
    /// Reads the description of all tensors.
    ///
    /// # Errors
    /// `is_unsupported` for a pickle that would run code; `is_unsupported` for TorchScript, compression and whole pickled
    /// modules; `is_format` for what is torn or no torch file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::by(path, state_dict)
    }

    /// Reads the description of all tensors of a file that is no state dict, such as attention maps in tuples, lists and
    /// dictionaries: they are named by the keys and places that lead to them ([`nested`]).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn nested(path: &Path) -> Result<Self> {
        Self::by(path, nested::tensors)
    }

    /// True of the first bytes of torch's older format.
    pub fn is_older(start: &[u8]) -> bool {
        start.starts_with(&LEGACY)
    }

    fn by(path: &Path, tensors_of: impl Fn(&Source, &Heap, Id) -> Result<Vec<(String, Tensor)>>) -> Result<Self> {
        let source = Source::open(path)?;
        let start = source.read(0, source.length().min(LEGACY.len() as u64), "the first bytes")?;
        let mut heap = Heap::default();
        let (root, storages) = if start.starts_with(b"PK\x03\x04") {
            from_zip(&source, &mut heap)?
        } else if start == LEGACY {
            from_pickles(&source, &mut heap)?
        } else {
            return Err(source.format(format_args!(
                "expected a file of torch.save (a zip archive or torch's older format), got one that begins with {:02x?}; \
                 it is of another kind or damaged",
                &start[..start.len().min(8)]
            )));
        };
        let mut tensors = BTreeMap::new();
        for (name, tensor) in tensors_of(&source, &heap, root)? {
            let view = storages.view(&source, &heap, &name, &tensor)?;
            if tensors.insert(name.clone(), view).is_some() {
                return Err(source.format(format_args!("tensor `{name}` appears twice")));
            }
        }
        let configuration = configuration(&source, &heap, root)?;
        Ok(Self { source, tensors, configuration })
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|view| view.shape.as_slice())
    }

    /// Number format of a tensor; `None` if there is no such tensor or we do not read its format.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).and_then(|view| view.dtype.as_ref().ok().copied())
    }

    /// A configuration kept beside the weights as a plain dictionary with a `model_type`.
    pub(super) fn configuration(&self) -> Option<&Value> {
        self.configuration.as_ref()
    }

    /// Where a tensor's bytes lie, if they lie in order: the first, how many.
    pub(super) fn range(&self, name: &str) -> Option<(u64, u64)> {
        let view = self.tensors.get(name).filter(|view| view.is_dense())?;
        Some((view.begin, view.span * view.dtype.as_ref().ok()?.bytes() as u64))
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// A tensor as f32, whatever its format; integers and truth values are converted.
    ///
    /// # Errors
    /// `is_usage` if there is no such tensor; `is_unsupported` for a number format that is not read; `is_non_finite`
    /// for NaN or infinity.
    pub fn tensor(&self, name: &str) -> Result<Array> {
        self.values(name)?.finite(format_args!("{}: tensor `{name}`", self.source.path().display()))
    }

    /// The same, NaN and infinity included.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn values(&self, name: &str) -> Result<Array> {
        let path = self.source.path().display();
        let view = self.tensors.get(name).ok_or_else(|| {
            Error::usage(format!("{path}: there is no tensor `{name}` among the {} here", self.tensors.len()))
        })?;
        let dtype = view.dtype.as_ref().map_err(|foreign| {
            Error::unsupported(format!(
                "{path}: tensor `{name}` is stored as {foreign}; float64, float32, float16, bfloat16 and integers are \
                 read; convert it with .float() and save again"
            ))
        })?;
        let bytes = self.source.read(view.begin, view.span * dtype.bytes() as u64, name)?;
        let stored = dtype.to_f32(&bytes);
        let values = if view.is_dense() { stored } else { gather(&stored, &view.shape, &view.stride) };
        Ok(Array { shape: view.shape.clone(), values })
    }

    /// The hash of the whole file, in hexadecimal.
    ///
    /// # Errors
    /// `is_io`.
    pub fn hash(&self) -> Result<String> {
        let mut hash = Sha256::new();
        self.source.hash_into(&mut hash)?;
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl View {
    /// True if the elements lie one after the other in the order of the shape.
    fn is_dense(&self) -> bool {
        if self.span == 0 {
            return true;
        }
        let mut step = 1;
        self.shape.iter().zip(&self.stride).rev().all(|(&n, &stride)| {
            let fits = n <= 1 || stride == step;
            step *= n as u64;
            fits
        })
    }
}

/// Picks elements by strides, the last axis fastest.
fn gather(stored: &[f32], shape: &[usize], stride: &[u64]) -> Vec<f32> {
    let count = shape.iter().product();
    let mut values = Vec::with_capacity(count);
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    while values.len() < count {
        values.push(stored[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += stride[axis] as usize;
            if index[axis] < shape[axis] {
                break;
            }
            at -= stride[axis] as usize * shape[axis];
            index[axis] = 0;
        }
    }
    values
}

/// Where storages lie: first byte and number of bytes.
struct Storages {
    places: HashMap<String, (u64, u64)>,
}

impl Storages {
    fn view(&self, source: &Source, heap: &Heap, name: &str, tensor: &Tensor) -> Result<View> {
        let Tensor { storage, dtype, offset, shape, stride } = tensor;
        let Node::Storage(storage) = heap.get(*storage) else {
            return Err(source.format(format_args!("tensor `{name}` does not lie in a storage")));
        };
        let &(begin, room) = self.places.get(&heap.key(storage)).ok_or_else(|| {
            source.format(format_args!(
                "tensor `{name}` lies in storage {:?}, which the file does not hold; it is damaged: fetch it again",
                heap.key(storage)
            ))
        })?;
        if let Some(Ok(format)) = &storage.dtype
            && storage.count.checked_mul(format.bytes() as u64).is_none_or(|bytes| bytes > room)
        {
            return Err(source.format(format_args!(
                "tensor `{name}`: its storage should hold {} numbers of {}, but has {room} bytes; the file is damaged: \
                 fetch it again",
                storage.count,
                format.name()
            )));
        }
        let wide = |format: &Dtype| format.bytes() as u64;
        let (Some(count), Some(small)) = (elements(shape), sizes(shape)) else {
            return Err(source.format(format_args!("tensor `{name}`: shape {shape:?} is too large to exist")));
        };
        let Ok(format) = dtype else {
            return Ok(View { dtype: dtype.clone(), shape: small, stride: stride.clone(), begin, span: 0 });
        };
        // The last element's place; each step may overflow, since nothing here is to be believed.
        let span = if count == 0 {
            Some(0)
        } else {
            let last =
                shape.iter().zip(stride).try_fold(0u64, |sum, (&n, &step)| sum.checked_add((n - 1).checked_mul(step)?));
            last.and_then(|last| last.checked_add(1))
        };
        let end = span.and_then(|span| span.checked_add(*offset)?.checked_mul(wide(format)));
        // Strides of zero repeat elements: never more of them than the file has bytes.
        let (Some(span), true) = (span, end.is_some_and(|end| end <= room) && count <= source.length()) else {
            return Err(source.format(format_args!(
                "tensor `{name}`: shape {shape:?} with strides {stride:?} from element {offset} leads out of its storage \
                 of {room} bytes; the file is damaged"
            )));
        };
        // The stride of an axis of one is never walked, and may be anything.
        let stride = shape.iter().zip(stride).map(|(&n, &step)| if n > 1 { step } else { 0 }).collect();
        Ok(View { dtype: dtype.clone(), shape: small, stride, begin: begin + offset * wide(format), span })
    }
}

/// The format since torch 1.6: NAME/data.pkl describes, NAME/data/KEY hold the numbers.
fn from_zip(source: &Source, heap: &mut Heap) -> Result<(Id, Storages)> {
    let entries = zip::directory(source)?;
    let mut found = entries.iter().filter(|(name, _)| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let (Some((name, entry)), None) = (found.next(), found.next()) else {
        return Err(source.format(
            "expected a zip archive with one data.pkl, as torch.save writes it; this is another kind of archive",
        ));
    };
    let folder = name.trim_end_matches("data.pkl");
    if entries.contains_key(&format!("{folder}constants.pkl")) {
        return Err(Error::unsupported(format!(
            "{}: this is a TorchScript program, which only torch can run; save the weights with \
             torch.save(model.state_dict(), ...)",
            source.path().display()
        )));
    }
    if let Some(order) = entries.get(&format!("{folder}byteorder")) {
        let begin = order.begin(source, "byteorder")?;
        if source.read(begin, order.length.min(8), "byteorder")? != b"little" {
            return Err(Error::unsupported(format!(
                "{}: the numbers are written big-endian; save the file again on a little-endian machine",
                source.path().display()
            )));
        }
    }
    let begin = entry.begin(source, name)?;
    // Read as a whole only to see whether it is what was written.
    if entry.length <= 64 << 20 && !entry.is_intact(&source.read(begin, entry.length, name)?) {
        return Err(
            source.format(format_args!("{name} does not have its checksum; the file is damaged: fetch it again"))
        );
    }
    let root = load(&mut Bytes::new(source, begin, begin + entry.length), heap)?;
    let mut places = HashMap::new();
    let data = format!("{folder}data/");
    for (name, entry) in &entries {
        if let Some(key) = name.strip_prefix(&data) {
            places.insert(key.to_owned(), (entry.begin(source, name)?, entry.length));
        }
    }
    Ok((root, Storages { places }))
}

/// The format before torch 1.6: magic number, version, system, object, keys of storages, then each storage's length and
/// bytes.
fn from_pickles(source: &Source, heap: &mut Heap) -> Result<(Id, Storages)> {
    let mut bytes = Bytes::new(source, 0, source.length());
    load(&mut bytes, heap)?;
    let version = load(&mut bytes, heap)?;
    if !matches!(heap.get(version), Node::Int(1001)) {
        return Err(source.format("expected version 1001 of torch's older format, got another; save the file again"));
    }
    let system = load(&mut bytes, heap)?;
    let Node::Dict(system) = heap.get(system) else {
        return Err(source.format("expected a description of the system that wrote the file, got something else"));
    };
    if let Some(little) = heap.lookup(system, "little_endian")
        && !matches!(heap.get(little), Node::Bool(true))
    {
        return Err(Error::unsupported(format!(
            "{}: the numbers are written big-endian; save the file again on a little-endian machine",
            source.path().display()
        )));
    }
    let root = load(&mut bytes, heap)?;
    let keys = load(&mut bytes, heap)?;
    let Node::List(keys) = heap.get(keys) else {
        return Err(source.format("expected the list of storages after the object, got something else"));
    };
    let formats = storage_formats(source, heap)?;
    let mut places = HashMap::new();
    let mut at = bytes.position();
    for &key in keys {
        let key = match heap.get(key) {
            Node::Text(key) => key.clone(),
            Node::Int(key) => key.to_string(),
            _ => return Err(source.format("a storage's key is not a string")),
        };
        let Some(width) = formats.get(key.as_str()) else {
            return Err(source.format(format_args!("storage {key:?} is listed but belongs to no tensor")));
        };
        let length = source.read(at, 8, "a storage's length")?;
        let count = u64::from_le_bytes(length.try_into().unwrap_or([0; 8]));
        let size = count.checked_mul(*width);
        let Some(size) = size.filter(|&size| size <= source.length() - at - 8) else {
            return Err(source.format(format_args!(
                "storage {key:?} claims {count} numbers at byte {}, but the file has {} bytes; it is truncated: fetch it \
                 again",
                at + 8,
                source.length()
            )));
        };
        if places.insert(key.clone(), (at + 8, size)).is_some() {
            return Err(source.format(format_args!("storage {key:?} is listed twice")));
        }
        at += 8 + size;
    }
    Ok((root, Storages { places }))
}

/// Bytes a number takes in each storage.
fn storage_formats(source: &Source, heap: &Heap) -> Result<HashMap<String, u64>> {
    let mut formats: HashMap<String, u64> = HashMap::new();
    for storage in heap.storages() {
        let Storage { dtype, .. } = storage;
        let key = heap.key(storage);
        let width = match dtype {
            Some(Ok(dtype)) => dtype.bytes() as u64,
            None => 1,
            Some(Err(foreign)) => {
                return Err(Error::unsupported(format!(
                    "{}: a storage of {foreign}, whose length cannot be known here; convert the weights with .float() and \
                     save again",
                    source.path().display()
                )));
            }
        };
        if formats.insert(key.clone(), width).is_some_and(|other| other != width) {
            return Err(source.format(format_args!("storage {key:?} has two number formats")));
        }
    }
    Ok(formats)
}

/// The tensors and their names, wherever the training script put them.
fn state_dict(source: &Source, heap: &Heap, root: Id) -> Result<Vec<(String, Tensor)>> {
    let mut dict = root;
    // A wrapper in a wrapper: {"state_dict": {"model": {...}}}.
    for _ in 0..4 {
        let Node::Dict(items) = heap.get(dict) else { break };
        let inner = WRAPPERS.iter().filter_map(|key| heap.lookup(items, key));
        let mut inner = inner.filter(|&id| matches!(heap.get(id), Node::Dict(_) | Node::Inert(_)));
        match inner.next() {
            Some(id) => dict = id,
            None => break,
        }
    }
    let path = source.path().display();
    match heap.get(dict) {
        Node::Dict(_) => {}
        Node::Inert(_) => {
            return Err(Error::unsupported(format!(
                "{path}: the weights are inside a pickled object of `{}`, which only Python code can rebuild; no code was \
                 run. Save the weights alone: torch.save(model.state_dict(), ...)",
                heap.name(dict)
            )));
        }
        other => {
            let kind = match other {
                Node::Tensor(_) => "a single tensor",
                Node::List(_) | Node::Tuple(_) => "a list",
                _ => "a single value",
            };
            return Err(source.format(format_args!(
                "expected a state dict (names to tensors), got {kind}; save model.state_dict()"
            )));
        }
    }
    let mut tensors = Vec::new();
    let mut visited = 0;
    collect(source, heap, dict, "", 0, &mut visited, &mut tensors)?;
    if tensors.is_empty() {
        let Node::Dict(items) = heap.get(root) else { return Ok(tensors) };
        let keys: Vec<_> = items.iter().filter_map(|(key, _)| heap.text(*key)).take(8).collect();
        return Err(source.format(format_args!(
            "expected tensors at top level or under {}, found none (keys: {}); save model.state_dict()",
            WRAPPERS.join(", "),
            keys.join(", ")
        )));
    }
    Ok(tensors)
}

/// Walks nested dictionaries; their keys are joined by dots.
fn collect(
    source: &Source,
    heap: &Heap,
    dict: Id,
    prefix: &str,
    depth: usize,
    visited: &mut usize,
    tensors: &mut Vec<(String, Tensor)>,
) -> Result<()> {
    let Node::Dict(items) = heap.get(dict) else { return Ok(()) };
    for &(key, value) in items {
        let Some(key) = heap.text(key) else { continue };
        // Long names count for several: shared texts are copied here.
        *visited += 1 + (prefix.len() + key.len()) / 64;
        if *visited > MOST_ENTRIES {
            return Err(source.format(format_args!(
                "expected at most {MOST_ENTRIES} entries in the state dict, got more; this is not a state dict"
            )));
        }
        match heap.get(value) {
            Node::Tensor(tensor) => tensors.push((format!("{prefix}{key}"), (**tensor).clone())),
            Node::Dict(_) if depth < 6 => {
                collect(source, heap, value, &format!("{prefix}{key}."), depth + 1, visited, tensors)?;
            }
            Node::Inert(_) if heap.name(value).starts_with("torch._") => {
                return Err(Error::unsupported(format!(
                    "{}: tensor `{prefix}{key}` is built by `{}` (quantised, sparse or of a special kind), which is not \
                     read; save a plain tensor",
                    source.path().display(),
                    heap.name(value)
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A configuration kept as a plain dictionary with a `model_type`.
fn configuration(source: &Source, heap: &Heap, root: Id) -> Result<Option<Value>> {
    let Node::Dict(items) = heap.get(root) else { return Ok(None) };
    for key in CONFIGURATIONS {
        if let Some(id) = heap.lookup(items, key)
            && let Node::Dict(inside) = heap.get(id)
            && heap.lookup(inside, "model_type").is_some()
        {
            let mut budget = 100_000;
            return json(heap, id, 0, &mut budget).map(Some).ok_or_else(|| {
                source.format(format_args!("the configuration under `{key}` is nested without end; give a config.json"))
            });
        }
    }
    Ok(None)
}

/// Plain data as JSON; `None` if it is too deep or too much.
fn json(heap: &Heap, id: Id, depth: usize, budget: &mut usize) -> Option<Value> {
    *budget = budget.checked_sub(1)?;
    if depth > 16 {
        return None;
    }
    Some(match heap.get(id) {
        Node::Bool(flag) => Value::Bool(*flag),
        Node::Int(value) => Value::from(*value),
        Node::Float(value) => Value::from(*value),
        Node::Text(text) => {
            // A shared text counts each time it is written out.
            *budget = budget.checked_sub(text.len() / 16)?;
            Value::String(text.clone())
        }
        Node::Tuple(items) | Node::List(items) => {
            Value::Array(items.iter().map(|&item| json(heap, item, depth + 1, budget)).collect::<Option<_>>()?)
        }
        Node::Dict(items) => {
            let mut object = serde_json::Map::new();
            for &(key, value) in items {
                let key = match heap.get(key) {
                    Node::Text(text) => text.clone(),
                    Node::Int(value) => value.to_string(),
                    _ => continue,
                };
                *budget = budget.checked_sub(key.len() / 16)?;
                object.insert(key, json(heap, value, depth + 1, budget)?);
            }
            Value::Object(object)
        }
        _ => Value::Null,
    })
}
