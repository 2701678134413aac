//! The head of a GGUF file: typed keys and values, then where each tensor lies.
//!
//! Every length is held against what the file still has before anything is allocated for it.

use super::blocks::{Format, READ};
use crate::checkpoint::source::Source;
use attractor::{Error, Result};
use std::collections::BTreeMap;

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meta {
    Int(i64),
    Float(f64),
    Flag(bool),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Flags(Vec<bool>),
    Texts(Vec<String>),
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// As PyTorch writes it: rows first.
    pub(super) shape: Vec<usize>,
    pub(super) format: Format,
    /// First byte, how many.
    pub(super) range: (u64, u64),
}

/// Everything before the weights.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) metadata: BTreeMap<String, Meta>,
    pub(super) tensors: BTreeMap<String, Stored>,
}

/// Bytes that tensors begin at multiples of, where the file does not say.
const ALIGNMENT: u64 = 32;

impl Head {
    pub(super) fn read(source: &Source) -> Result<Self> {
        let mut at = Cursor { source, at: 0, from: 0, bytes: Vec::new() };
        if at.take(4, "the first bytes")? != b"GGUF" {
            return Err(
                source.format("expected a GGUF file, which begins with the letters GGUF; it is another kind of file")
            );
        }
        let version = at.u32("the version")?;
        if version.swap_bytes() < 16 {
            return Err(Error::unsupported(format!(
                "{}: a GGUF file of big-endian numbers is not read; convert the model for little-endian machines",
                source.path().display()
            )));
        }
        if !(2..=3).contains(&version) {
            return Err(Error::unsupported(format!(
                "{}: GGUF version {version} is not read; 2 and 3 are: write the file again with a newer llama.cpp",
                source.path().display()
            )));
        }
        let (tensors, keys) = (at.u64("the number of tensors")?, at.u64("the number of keys")?);
        let mut metadata = BTreeMap::new();
        for _ in 0..keys {
            let key = at.text("a key")?;
            let kind = at.u32(&key)?;
            let value = at.value(kind, &key)?;
            if metadata.insert(key.clone(), value).is_some() {
                return Err(source.format(format_args!("the key {key:?} appears twice; the file is damaged")));
            }
        }
        let alignment = match metadata.get("general.alignment") {
            None => ALIGNMENT,
            Some(Meta::Int(n)) if *n > 0 && *n <= 1 << 20 && n.count_ones() == 1 => *n as u64,
            Some(other) => {
                return Err(source.format(format_args!(
                    "`general.alignment`: expected a power of two of at most 1048576, got {other:?}"
                )));
            }
        };
        let mut placed = BTreeMap::new();
        for _ in 0..tensors {
            let (name, stored) = at.tensor()?;
            if placed.insert(name.clone(), stored).is_some() {
                return Err(source.format(format_args!("tensor `{name}` appears twice; the file is damaged")));
            }
        }
        let data = at.at.next_multiple_of(alignment);
        for (name, stored) in &mut placed {
            place(source, name, stored, data, alignment)?;
        }
        apart(source, &placed)?;
        Ok(Self { metadata, tensors: placed })
    }
}

/// Turns an offset into the data into a place in the file.
fn place(source: &Source, name: &str, stored: &mut Stored, data: u64, alignment: u64) -> Result<()> {
    let (offset, count) = stored.range;
    if offset % alignment != 0 {
        return Err(source.format(format_args!(
            "tensor `{name}` begins at byte {offset} of the data, which is no multiple of {alignment}; the file is damaged"
        )));
    }
    let end = data.checked_add(offset).and_then(|begin| begin.checked_add(count));
    match end {
        Some(end) if end <= source.length() => {
            stored.range.0 = data + offset;
            Ok(())
        }
        _ => Err(source.format(format_args!(
            "tensor `{name}` should take {count} bytes at byte {offset} of the data, but the file has {} bytes in all; it \
             is truncated or damaged: fetch it again",
            source.length()
        ))),
    }
}

/// Refuses tensors that share bytes.
fn apart(source: &Source, tensors: &BTreeMap<String, Stored>) -> Result<()> {
    let mut ranges: Vec<_> = tensors.iter().map(|(name, stored)| (stored.range, name)).collect();
    ranges.sort();
    for pair in ranges.windows(2) {
        let (((begin, count), first), ((next, _), second)) = (pair[0], pair[1]);
        if begin + count > next {
            return Err(source.format(format_args!("tensors `{first}` and `{second}` overlap; the file is damaged")));
        }
    }
    Ok(())
}

/// Reads a file from its beginning, a piece at a time.
struct Cursor<'a> {
    source: &'a Source,
    /// Bytes consumed.
    at: u64,
    /// Where `bytes` begins.
    from: u64,
    bytes: Vec<u8>,
}

impl Cursor<'_> {
    /// The next `count` bytes.
    fn take(&mut self, count: u64, what: &str) -> Result<&[u8]> {
        /// Bytes read at a time.
        const PIECE: u64 = 1 << 20;
        let left = self.source.length() - self.at;
        if count > left {
            return Err(self.source.format(format_args!(
                "{what:?} should take {count} bytes at byte {}, but only {left} are left; the file is truncated or damaged: \
                 fetch it again",
                self.at
            )));
        }
        if self.at + count > self.from + self.bytes.len() as u64 {
            self.bytes = self.source.read(self.at, count.max(PIECE.min(left)), what)?;
            self.from = self.at;
        }
        let begin = (self.at - self.from) as usize;
        self.at += count;
        Ok(&self.bytes[begin..begin + count as usize])
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N as u64, what)?);
        Ok(bytes)
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    fn text(&mut self, what: &str) -> Result<String> {
        let length = self.u64(what)?;
        let at = self.at;
        let bytes = self.take(length, what)?.to_vec();
        String::from_utf8(bytes).map_err(|e| {
            self.source.format(format_args!("{what:?} at byte {at} is not UTF-8 text; the file is damaged")).because(e)
        })
    }

    /// A number or a truth value of this kind.
    fn number(&mut self, kind: u32, what: &str) -> Result<Meta> {
        Ok(match kind {
            0 => Meta::Int(i64::from(self.array::<1>(what)?[0])),
            1 => Meta::Int(i64::from(i8::from_le_bytes(self.array(what)?))),
            2 => Meta::Int(i64::from(u16::from_le_bytes(self.array(what)?))),
            3 => Meta::Int(i64::from(i16::from_le_bytes(self.array(what)?))),
            4 => Meta::Int(i64::from(self.u32(what)?)),
            5 => Meta::Int(i64::from(i32::from_le_bytes(self.array(what)?))),
            6 => Meta::Float(f64::from(f32::from_le_bytes(self.array(what)?))),
            7 => match self.array(what)? {
                [0] => Meta::Flag(false),
                [1] => Meta::Flag(true),
                [other] => {
                    return Err(self
                        .source
                        .format(format_args!("{what:?}: expected a truth value of 0 or 1, got {other}")));
                }
            },
            10 => match i64::try_from(self.u64(what)?) {
                Ok(n) => Meta::Int(n),
                Err(_) => {
                    return Err(self.source.format(format_args!("{what:?}: the number is too large to be meant")));
                }
            },
            11 => Meta::Int(i64::from_le_bytes(self.array(what)?)),
            12 => Meta::Float(f64::from_le_bytes(self.array(what)?)),
            other => {
                return Err(self
                    .source
                    .format(format_args!("{what:?}: a value of kind {other}, which GGUF does not have")));
            }
        })
    }

    fn value(&mut self, kind: u32, what: &str) -> Result<Meta> {
        match kind {
            8 => Ok(Meta::Text(self.text(what)?)),
            9 => self.list(what),
            _ => self.number(kind, what),
        }
    }

    fn list(&mut self, what: &str) -> Result<Meta> {
        let (kind, length) = (self.u32(what)?, self.u64(what)?);
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            8 | 10 | 11 | 12 => 8,
            9 => return Err(self.source.format(format_args!("{what:?}: a list of lists is not read"))),
            _ => 4,
        };
        let left = self.source.length() - self.at;
        if length.checked_mul(least).is_none_or(|bytes| bytes > left) {
            return Err(self.source.format(format_args!(
                "{what:?} announces {length} entries, but only {left} bytes are left; the file is truncated or damaged"
            )));
        }
        let mut list = match kind {
            8 => Meta::Texts(Vec::new()),
            7 => Meta::Flags(Vec::new()),
            6 | 12 => Meta::Floats(Vec::new()),
            _ => Meta::Ints(Vec::new()),
        };
        for _ in 0..length {
            match &mut list {
                Meta::Texts(list) => list.push(self.text(what)?),
                list => match (list, self.number(kind, what)?) {
                    (Meta::Flags(list), Meta::Flag(x)) => list.push(x),
                    (Meta::Floats(list), Meta::Float(x)) => list.push(x),
                    (Meta::Ints(list), Meta::Int(x)) => list.push(x),
                    _ => unreachable!("the list was made for this kind"),
                },
            }
        }
        Ok(list)
    }

    /// A tensor's name, shape, format, and place in the data.
    fn tensor(&mut self) -> Result<(String, Stored)> {
        let name = self.text("a tensor's name")?;
        let axes = self.u32(&name)?;
        if !(1..=4).contains(&axes) {
            return Err(self.source.format(format_args!("tensor `{name}`: expected 1 to 4 axes, got {axes}")));
        }
        let mut sizes = Vec::with_capacity(axes as usize);
        for _ in 0..axes {
            sizes.push(self.u64(&name)?);
        }
        let format = Format::of(self.u32(&name)?).map_err(|foreign| {
            Error::unsupported(format!(
                "{}: tensor `{name}` is stored as {foreign}, which is not read; {READ} are: quantise the model to one of them",
                self.source.path().display()
            ))
        })?;
        let offset = self.u64(&name)?;
        let count = sizes.iter().try_fold(1u64, |product, &n| product.checked_mul(n).filter(|_| n > 0));
        let shape: Option<Vec<usize>> = sizes.iter().rev().map(|&n| usize::try_from(n).ok()).collect();
        let (Some(count), Some(shape)) = (count, shape) else {
            return Err(self.source.format(format_args!("tensor `{name}`: a shape of {sizes:?} cannot exist")));
        };
        let numbers = format.numbers() as u64;
        if sizes[0] % numbers != 0 {
            return Err(self.source.format(format_args!(
                "tensor `{name}`: rows of {} numbers cannot be stored as {}, whose blocks hold {numbers}",
                sizes[0],
                format.name()
            )));
        }
        let bytes = (count / numbers)
            .checked_mul(format.bytes() as u64)
            .ok_or_else(|| self.source.format(format_args!("tensor `{name}`: a shape of {sizes:?} cannot exist")))?;
        Ok((name, Stored { shape, format, range: (offset, bytes) }))
    }
}
