//! The formats: NPZ, NPY, safetensors, JSON. Each is read once, from its beginning or its directory, and its numbers go into the
//! store a piece at a time: nothing is held but what stands beside the maps.

use std::io::{Read, Seek, SeekFrom};

use attractor::{Error, Result};
use attractor_data::archive::npy::{self, Floats};
use attractor_data::archive::{Array, Value, Whole, zip};
use attractor_record::Precision;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use sha2::{Digest, Sha256};

use super::raw::{Beside, Contents};
use super::store::{Store, Stored};
use super::{Import, ImportOptions, assemble, json};
use crate::aside::{Aside, Ignored};

/// More than any header of an array.
const HEADER: usize = (1 << 16) + 16;

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// Bytes of what stands beside the maps, tokens and padding, at most.
const MOST_BESIDE: u64 = 256 << 20;

/// Bytes of the header of a safetensors file at most, as its own library has it.
const LONGEST_HEADER: u64 = 100_000_000;

const PICKLE: &str = "this is a Python pickle, which only running code could read; save as .npz, .safetensors or .json: \
                      np.savez(path, **{f\"layer{i}\": a for i, a in enumerate(attentions)}), or with torch.save as .pt";

const TORCH: &str = "written by torch.save, whose pickle is not read here; save the maps as arrays: np.savez(path, \
                     **{f\"layer{i}\": a.numpy() for i, a in enumerate(attentions)})";

const UNKNOWN: &str = "unknown format: expected .npz, .npy, .safetensors or .json (is the file truncated?)";

/// Reads a file; its format is known by its content.
pub(super) fn read<R: Read + Seek>(mut file: R, options: &ImportOptions) -> Result<Import> {
    let hash = hashed(&mut file)?;
    let mut store = Store::new(options.memory_budget);
    let contents = contents(&mut file, options, &mut store)?;
    assemble::assemble(contents, store, options, hash)
}

/// The maps of named arrays.
pub(super) fn of_arrays(
    arrays: impl Iterator<Item = Result<(String, Array)>>,
    hash: String,
    options: &ImportOptions,
) -> Result<Import> {
    let (mut store, mut contents) = (Store::new(options.memory_budget), Contents::default());
    for array in arrays {
        let (name, array) = array?;
        if let Some(beside) = Beside::named(&name) {
            contents.beside(&name, beside, Value::Floats(array));
            continue;
        }
        store.expect(&name, array.data.len() as u64)?;
        let at = store.append(&array.data)?;
        contents.map(&name, Stored::new(array.shape, false, at, array.precision))?;
    }
    assemble::assemble(contents, store, options, hash)
}

fn unreadable(error: std::io::Error) -> Error {
    Error::io(format!("the file cannot be read: {error}")).because(error)
}

/// The hash of all bytes, in hexadecimal.
fn hashed(file: &mut impl Read) -> Result<String> {
    let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => hash.update(&piece[..read]),
        }
    }
}

/// The first bytes of a file, at most `most`.
fn start(file: &mut (impl Read + Seek), most: usize) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.take(most as u64).read_to_end(&mut start)).map_err(unreadable)?;
    Ok(start)
}

fn contents<R: Read + Seek>(file: &mut R, options: &ImportOptions, store: &mut Store) -> Result<Contents> {
    let first = start(file, HEADER)?;
    let length = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
    // A byte-order mark, as some editors write it before JSON.
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first);
    let header = first.get(..8).and_then(|x| x.try_into().ok()).map(u64::from_le_bytes);
    if text.is_empty() {
        return Err(Error::format("the file is empty; expected maps as .npz, .npy, .safetensors or .json"));
    }
    if zip::is_zip(&first) {
        return archive(file, store);
    }
    if npy::is_npy(&first) {
        let mut contents = Contents::default();
        let Some(floats) = Floats::begun("the file", &first, length)? else {
            contents.notes.push(Aside::new("the file", Ignored::Other));
            return Ok(contents);
        };
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let stored = taken("the file", floats, store, |take| pieces(file, length, take))?;
        contents.map("the file", stored)?;
        return Ok(contents);
    }
    if header.is_some_and(|header| header <= length) && first.get(8) == Some(&b'{') {
        return safetensors(file, length, store);
    }
    if text.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| b"{[".contains(byte)) {
        file.seek(SeekFrom::Start((first.len() - text.len()) as u64)).map_err(unreadable)?;
        return json::read(file, options.axes.as_ref(), store);
    }
    Err(Error::format(if first.starts_with(b"\x80") { PICKLE } else { UNKNOWN }))
}

/// Hands on the next `length` bytes of a file, a piece at a time.
fn pieces(file: &mut impl Read, length: u64, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let (mut piece, mut left) = (vec![0; PIECE], length);
    while left > 0 {
        let most = left.min(PIECE as u64) as usize;
        let read = file.read(&mut piece[..most]).map_err(unreadable)?;
        if read == 0 {
            return Err(Error::format(format!("the file ends {left} bytes before it should; it is truncated")));
        }
        take(&piece[..read])?;
        left -= read as u64;
    }
    Ok(())
}

/// Puts floating-point numbers into the store as their bytes come.
fn taken(
    name: &str,
    mut floats: Floats,
    store: &mut Store,
    bytes: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
) -> Result<Stored> {
    let count = floats.shape.iter().fold(1u64, |all, &axis| all.saturating_mul(axis as u64));
    store.expect(name, count)?;
    let (at, mut numbers) = (store.len(), Vec::new());
    bytes(&mut |piece| {
        numbers.clear();
        floats.push(name, piece, &mut numbers)?;
        store.append(&numbers).map(drop)
    })?;
    let stored = Stored::new(floats.shape, floats.fortran, at, floats.precision);
    match stored.count() as u64 == store.len() - at {
        true => Ok(stored),
        false => {
            Err(Error::format(format!("{name}: {} numbers came, {} were promised", store.len() - at, stored.count())))
        }
    }
}

fn archive<R: Read + Seek>(file: &mut R, store: &mut Store) -> Result<Contents> {
    let mut contents = Contents::default();
    let mut archive = zip::Archive::open(file)?;
    if archive.members().iter().any(|member| member.name.ends_with("data.pkl")) {
        return Err(Error::unsupported(TORCH));
    }
    for member in archive.members() {
        let Some(name) = member.name.strip_suffix(".npy").map(str::to_string) else {
            contents.notes.push(Aside::new(member.name, Ignored::NotNpy));
            continue;
        };
        if let Some(beside) = Beside::named(&name) {
            let read = archive.read(&member, MOST_BESIDE).and_then(|bytes| npy::read(&name, &bytes));
            match read {
                Ok(value) => contents.beside(&name, beside, value),
                // Tokens that cannot be read make no map wrong.
                Err(why) => contents.notes.push(Aside::new(name, Ignored::Unread(why.message().to_string()))),
            }
            continue;
        }
        let first = archive.start(&member, HEADER);
        let Some(floats) = Floats::begun(&name, &first, member.size())? else {
            contents.notes.push(Aside::new(name, Ignored::Other));
            continue;
        };
        let stored = taken(&name, floats, store, |take| archive.stream(&member, take))?;
        contents.map(&name, stored)?;
    }
    Ok(contents)
}

fn safetensors(file: &mut (impl Read + Seek), length: u64, store: &mut Store) -> Result<Contents> {
    let mut contents = Contents::default();
    let prefix = start(file, 8)?;
    let header = u64::from_le_bytes(prefix.as_slice().try_into().unwrap_or_default());
    if header > LONGEST_HEADER.min(length) {
        return Err(Error::format(format!("no valid safetensors file: a header of {header} bytes")));
    }
    let bytes = start(file, 8 + header as usize)?;
    let metadata: Metadata = serde_json::from_slice(&bytes[8..])
        .map_err(|error| Error::format(format!("no valid safetensors file: {error}")).because(error))?;
    let begin = 8 + header;
    let mut tensors: Vec<_> = metadata.tensors().into_iter().collect();
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let mut end = begin;
    for (name, tensor) in &tensors {
        let (from, to) =
            (begin.saturating_add(tensor.data_offsets.0 as u64), begin.saturating_add(tensor.data_offsets.1 as u64));
        let numbers = tensor.shape.iter().try_fold(1usize, |all, &axis| all.checked_mul(axis));
        let bits = numbers.and_then(|numbers| numbers.checked_mul(tensor.dtype.bitsize()));
        if from != end || to < from || bits.is_none_or(|bits| bits.div_ceil(8) as u64 != to - from) {
            return Err(Error::format(format!(
                "no valid safetensors file: {name}: bytes {:?} do not hold {:?} of {:?}, or lie elsewhere than behind the last",
                tensor.data_offsets, tensor.dtype, tensor.shape
            )));
        }
        end = to;
    }
    if end != length {
        return Err(Error::format(format!(
            "no valid safetensors file: its tensors end at byte {end}, the file has {length}: it is truncated or damaged"
        )));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, tensor) in tensors {
        let (from, to) = (tensor.data_offsets.0 as u64, tensor.data_offsets.1 as u64);
        file.seek(SeekFrom::Start(begin + from)).map_err(unreadable)?;
        let precision = match tensor.dtype {
            Dtype::F16 => Precision::F16,
            Dtype::BF16 => Precision::Bf16,
            Dtype::F32 => Precision::F32,
            Dtype::F64 => Precision::F64,
            Dtype::I64 | Dtype::I32 => {
                let Some(beside) = Beside::named(&name).filter(|_| to - from <= MOST_BESIDE) else {
                    contents.notes.push(Aside::new(name, Ignored::Other));
                    continue;
                };
                let mut data = Vec::new();
                pieces(file, to - from, &mut |piece| {
                    data.extend_from_slice(piece);
                    Ok(())
                })?;
                let numbers = match tensor.dtype {
                    Dtype::I64 => data.as_chunks().0.iter().map(|&x| i64::from_le_bytes(x)).collect(),
                    _ => data.as_chunks().0.iter().map(|&x| i32::from_le_bytes(x).into()).collect(),
                };
                let whole = Whole { shape: tensor.shape.clone(), numbers, bytes: false };
                contents.beside(&name, beside, Value::Whole(whole));
                continue;
            }
            other => {
                contents.notes.push(Aside::new(name, Ignored::Type(format!("{other:?}"))));
                continue;
            }
        };
        let floats = Floats::bare(tensor.shape.clone(), precision);
        let stored = taken(&name, floats, store, |take| pieces(file, to - from, take))?;
        match Beside::named(&name) {
            Some(beside) => {
                let data = store.read(stored.at, stored.count())?;
                contents.beside(&name, beside, Value::Floats(Array { shape: stored.shape, data, precision }));
            }
            None => contents.map(&name, stored)?,
        }
    }
    Ok(contents)
}
