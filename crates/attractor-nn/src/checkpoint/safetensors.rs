//! The safetensors format: eight bytes of header length, a JSON header, the tensors' bytes.
//!
//! Nothing in the header is believed before it was held against the file: lengths, offsets and shapes are checked
//! with overflow in mind, and the ranges must cover the data without overlap or hole, as the format demands.

use super::array::{Array, Dtype, elements, sizes};
use super::source::Source;
use attractor::{Error, Result};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The format's own limit for a header.
const HEADER_LIMIT: u64 = 100_000_000;

/// One safetensors file; its tensors are read when asked for.
#[derive(Debug)]
pub struct Safetensors {
    source: Source,
    tensors: BTreeMap<String, Stored>,
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
struct Stored {
    /// `Err` keeps the name of a format that we do not read.
    dtype: std::result::Result<Dtype, String>,
    shape: Vec<usize>,
    begin: u64,
    count: u64,
}

impl Safetensors {
    /// Reads and checks the header.
    ///
    /// # Errors
    /// `is_io` if the file cannot be read; `is_format` if it is truncated, its header is too long or no JSON, or its
    /// tensors overlap, leave holes, lie outside the file, appear twice or do not have the size of their shape.
    pub fn open(path: &Path) -> Result<Self> {
        let source = Source::open(path)?;
        if source.length() < 8 {
            return Err(source.format(format_args!(
                "expected a safetensors file, which begins with 8 bytes of header length, got {} bytes in all; it is \
                 truncated: fetch it again",
                source.length()
            )));
        }
        let first = source.read(0, 8, "the header's length")?;
        let header = u64::from_le_bytes(first.try_into().unwrap_or([0; 8]));
        let room = source.length() - 8;
        if header > room || header > HEADER_LIMIT {
            return Err(source.format(format_args!(
                "the first 8 bytes announce a header of {header} bytes, at most {} fit here; the file is truncated, or \
                 not a safetensors file",
                room.min(HEADER_LIMIT)
            )));
        }
        let bytes = source.read(8, header, "the header")?;
        let Header(entries) = serde_json::from_slice(&bytes).map_err(|e| {
            source
                .format(format_args!(
                    "the safetensors header is not what the format demands: {e}; fetch the file again"
                ))
                .because(e)
        })?;
        let tensors = place(&source, entries, 8 + header)?;
        Ok(Self { source, tensors })
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|t| t.shape.as_slice())
    }

    /// Number format of a tensor; `None` if there is no such tensor or we do not read its format.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).and_then(|t| t.dtype.as_ref().ok().copied())
    }

    /// A tensor as f32, whatever its format; integers and truth values are converted.
    ///
    /// # Errors
    /// `is_usage` if there is no such tensor; `is_unsupported` for a number format that is not read;
    /// `is_non_finite` for NaN or infinity.
    pub fn tensor(&self, name: &str) -> Result<Array> {
        let (stored, dtype) = self.stored(name)?;
        let values = match dtype {
            Dtype::F32 => self.source.read_f32(stored.begin, stored.count, name)?,
            _ => dtype.to_f32(&self.source.read(stored.begin, stored.count, name)?),
        };
        let array = Array { shape: stored.shape.clone(), values };
        array.finite(format_args!("{}: tensor `{name}`", self.source.path().display()))
    }

    /// A tensor of integers (token ids, masks) with its shape.
    ///
    /// # Errors
    /// As [`Safetensors::tensor`]; `is_format` if the numbers are floats.
    pub fn integers(&self, name: &str) -> Result<(Vec<usize>, Vec<i64>)> {
        let (stored, dtype) = self.stored(name)?;
        if dtype.is_float() || matches!(dtype, Dtype::F8E4M3 | Dtype::F8E5M2) {
            return Err(self
                .source
                .format(format_args!("tensor `{name}`: expected integers, got {}; store it as I64", dtype.name())));
        }
        let bytes = self.source.read(stored.begin, stored.count, name)?;
        Ok((stored.shape.clone(), dtype.to_i64(&bytes)))
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Where a tensor's bytes lie: the first, how many.
    pub(super) fn range(&self, name: &str) -> Option<(u64, u64)> {
        self.tensors.get(name).map(|t| (t.begin, t.count))
    }

    fn stored(&self, name: &str) -> Result<(&Stored, Dtype)> {
        let path = self.source.path().display();
        let stored = self.tensors.get(name).ok_or_else(|| {
            let first: Vec<_> = self.names().take(5).collect();
            Error::usage(format!(
                "{path}: there is no tensor `{name}` among the {} here (the first: {})",
                self.tensors.len(),
                first.join(", ")
            ))
        })?;
        match &stored.dtype {
            Ok(dtype) => Ok((stored, *dtype)),
            Err(foreign) => Err(Error::unsupported(format!(
                "{path}: tensor `{name}` is stored as {foreign}; F64, F32, F16, BF16 and integers of up to 64 bits are \
                 read; convert it to F32"
            ))),
        }
    }
}

/// Holds every entry against the file.
fn place(source: &Source, entries: Vec<(String, Entry)>, data: u64) -> Result<BTreeMap<String, Stored>> {
    let room = source.length() - data;
    let mut tensors = BTreeMap::new();
    let mut ranges = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        let (begin, end) = entry.data_offsets;
        if begin > end || end > room {
            return Err(source.format(format_args!(
                "tensor `{name}` claims bytes {begin}..{end} of the data, which has {room} bytes; the file is \
                 truncated or damaged: fetch it again"
            )));
        }
        let dtype = dtype_of(&entry.dtype);
        let shape = sizes(&entry.shape);
        let count = elements(&entry.shape);
        let (Some(shape), Some(count)) = (shape, count) else {
            return Err(source.format(format_args!("tensor `{name}`: shape {:?} is too large to exist", entry.shape)));
        };
        if let Ok(dtype) = dtype
            && count.checked_mul(dtype.bytes() as u64) != Some(end - begin)
        {
            return Err(source.format(format_args!(
                "tensor `{name}`: shape {shape:?} of {} takes {} bytes, its range {begin}..{end} has {}; the header \
                 is wrong",
                dtype.name(),
                u128::from(count) * dtype.bytes() as u128,
                end - begin
            )));
        }
        ranges.push((begin, end, name.clone()));
        let stored = Stored { dtype: dtype.map_err(|()| entry.dtype), shape, begin: data + begin, count: end - begin };
        if tensors.insert(name.clone(), stored).is_some() {
            return Err(source.format(format_args!("tensor `{name}` appears twice in the header")));
        }
    }
    ranges.sort();
    let mut covered = 0;
    let mut before = "";
    for (begin, end, name) in &ranges {
        if *begin < covered {
            return Err(source.format(format_args!(
                "tensors `{before}` and `{name}` overlap: one ends at byte {covered} of the data, the other begins at \
                 {begin}; the header is wrong"
            )));
        }
        if *begin > covered {
            return Err(source.format(format_args!(
                "bytes {covered}..{begin} of the data, before tensor `{name}`, belong to no tensor; the format allows \
                 no holes"
            )));
        }
        (covered, before) = (*end, name);
    }
    if covered != room {
        return Err(source.format(format_args!(
            "the tensors take {covered} bytes, the file has {room} after its header; no trailing bytes are allowed"
        )));
    }
    Ok(tensors)
}

fn dtype_of(name: &str) -> std::result::Result<Dtype, ()> {
    const KNOWN: [Dtype; 12] = [
        Dtype::F64,
        Dtype::F32,
        Dtype::F16,
        Dtype::BF16,
        Dtype::I64,
        Dtype::I32,
        Dtype::I16,
        Dtype::I8,
        Dtype::U8,
        Dtype::Bool,
        Dtype::F8E4M3,
        Dtype::F8E5M2,
    ];
    KNOWN.into_iter().find(|d| d.name() == name).ok_or(())
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The header in its own order; a map would hide a name that appears twice.
struct Header(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Header, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<Option<BTreeMap<String, String>>>()?;
                    } else {
                        let entry = map
                            .next_value::<Entry>()
                            .map_err(|e| serde::de::Error::custom(format_args!("tensor `{name}`: {e}")))?;
                        entries.push((name, entry));
                    }
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
