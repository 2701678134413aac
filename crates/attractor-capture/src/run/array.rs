//! One Zarr v3 array = one shard = one file, written once.
//!
//! Inner chunks are compressed (blosc: lz4 after a byte shuffle) and carry a CRC-32C; chunks of zeros are absent.

use std::num::NonZeroU64;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use half::f16;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zarrs::array::codec::{BloscCodec, BytesCodec, Crc32cCodec};
use zarrs::array::{
    Array, ArrayBuilder, ArrayMetadataOptions, ArrayShardedExt, ArrayShardedReadableExt, ArrayShardedReadableExtCache,
    ArrayToBytesCodecTraits, BytesToBytesCodecTraits, CodecChain, CodecOptions, DataType, ElementOwned, data_type,
};
use zarrs::filesystem::FilesystemStore;
use zarrs::metadata_ext::codec::blosc::{BloscCompressionLevel, BloscCompressor, BloscShuffleMode};
use zarrs::storage::store::MemoryStore;
use zarrs::storage::{ReadableStorageTraits, StoreKey};

use super::files::{create_folder, write_whole};
use super::options::Durability;
use crate::error::{Error, Result};

/// Numbers at the precision in which they are stored.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    F16(Vec<f16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    U32(Vec<u32>),
}

impl Data {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F16(x) => x.len(),
            Self::F32(x) => x.len(),
            Self::F64(x) => x.len(),
            Self::U32(x) => x.len(),
        }
    }

    fn kind(&self) -> (DataType, usize, &'static str) {
        match self {
            Self::F16(_) => (data_type::float16(), 2, "float16"),
            Self::F32(_) => (data_type::float32(), 4, "float32"),
            Self::F64(_) => (data_type::float64(), 8, "float64"),
            Self::U32(_) => (data_type::uint32(), 4, "uint32"),
        }
    }
}

/// An array about to be written.
pub(crate) struct Spec {
    pub name: String,
    pub data: Data,
    pub shape: Vec<usize>,
    /// Largest inner chunk; shorter axes are taken whole.
    pub inner: Vec<usize>,
    /// Names of the axes: xarray's dimensions.
    pub axes: Vec<&'static str>,
    pub attributes: Map<String, Value>,
}

impl Spec {
    pub(crate) fn new(name: &str, data: Data, shape: &[usize], inner: &[usize], axes: &[&'static str]) -> Self {
        Self {
            name: name.to_string(),
            data,
            shape: shape.to_vec(),
            inner: inner.to_vec(),
            axes: axes.to_vec(),
            attributes: Map::new(),
        }
    }
}

/// What the run remembers of an array, so that a torn or exchanged file is seen before it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArrayEntry {
    pub shape: Vec<usize>,
    pub dtype: String,
    /// Bytes of the shard; 0: all numbers are zero and there is no file.
    pub bytes: u64,
}

/// Writes `spec` as the array `group`/name of the store at `root`; returns its entry and the bytes written in all.
pub(crate) fn write(root: &Path, group: &str, spec: &Spec, durability: Durability) -> Result<(ArrayEntry, u64)> {
    let path = format!("/{group}/{}", spec.name);
    let failed = |what: &str, error: &dyn std::fmt::Display| Error::io(format!("{what} of {path}: {error}"));
    let (kind, size, name) = spec.data.kind();
    if spec.shape.iter().product::<usize>() != spec.data.len() || spec.data.len() == 0 {
        return Err(Error::request(format!("{path}: {} numbers do not fill {:?}", spec.data.len(), spec.shape)));
    }
    let inner: Vec<usize> = spec.inner.iter().zip(&spec.shape).map(|(&inner, &axis)| inner.min(axis)).collect();
    let shard: Vec<usize> = inner.iter().zip(&spec.shape).map(|(&inner, &axis)| axis.next_multiple_of(inner)).collect();
    let wide = |shape: &[usize]| shape.iter().map(|&x| x as u64).collect::<Vec<u64>>();

    let store = Arc::new(MemoryStore::new());
    let mut builder = match &spec.data {
        Data::F16(_) => ArrayBuilder::new(wide(&spec.shape), wide(&shard), kind, f16::ZERO),
        Data::F32(_) => ArrayBuilder::new(wide(&spec.shape), wide(&shard), kind, 0f32),
        Data::F64(_) => ArrayBuilder::new(wide(&spec.shape), wide(&shard), kind, 0f64),
        Data::U32(_) => ArrayBuilder::new(wide(&spec.shape), wide(&shard), kind, 0u32),
    };
    let array = builder
        .subchunk_shape(wide(&inner))
        .array_to_bytes_codec(Arc::new(BytesCodec::little()))
        .bytes_to_bytes_codecs(bytes_codecs(size).map_err(|error| failed("compressor", &error))?)
        .dimension_names(Some(spec.axes.clone()))
        .attributes(spec.attributes.clone())
        .build(store.clone(), &path)
        .map_err(|error| failed("layout", &error))?;
    array
        .store_metadata_opt(&ArrayMetadataOptions::default().with_include_zarrs_metadata(false))
        .map_err(|error| failed("metadata", &error))?;
    let origin = vec![0; spec.shape.len()];
    // One thread: the order of chunks in the shard, and so the file, is the same every time.
    let options = CodecOptions::default().with_concurrent_target(1);
    macro_rules! store {
        ($x:expr) => {
            match shard == spec.shape {
                true => array.store_chunk_opt(&origin, $x.as_slice(), &options),
                false => array.store_chunk_opt(&origin, padded($x, &spec.shape, &shard), &options),
            }
        };
    }
    match &spec.data {
        Data::F16(x) => store!(x),
        Data::F32(x) => store!(x),
        Data::F64(x) => store!(x),
        Data::U32(x) => store!(x),
    }
    .map_err(|error| failed("encoding", &error))?;

    let mut written = 0;
    let mut put = |key: &StoreKey| -> Result<u64> {
        let bytes = store.get(key).map_err(|error| failed("encoding", &error))?;
        let Some(bytes) = bytes else { return Ok(0) };
        let file = root.join(key.as_str());
        if let Some(folder) = file.parent() {
            create_folder(folder)?;
        }
        write_whole(&file, &bytes, durability)?;
        written += bytes.len() as u64;
        Ok(bytes.len() as u64)
    };
    let bytes = put(&array.chunk_key(&origin))?;
    let metadata = format!("{}/zarr.json", &path[1..]);
    put(&StoreKey::new(&metadata).map_err(|error| failed("name", &error))?)?;
    Ok((ArrayEntry { shape: spec.shape.clone(), dtype: name.to_string(), bytes }, written))
}

/// Fills an array up with zeros to the shard's shape.
fn padded<T: Copy + Default>(data: &[T], shape: &[usize], shard: &[usize]) -> Vec<T> {
    let mut whole = vec![T::default(); shard.iter().product()];
    let origin = vec![0; shape.len()];
    copy_block(data, shape, &origin, &mut whole, shard, &origin, shape);
    whole
}

/// Reads a part of an array, held to its entry.
pub(crate) fn read<T: ElementOwned + Copy + Default>(
    store: &Arc<FilesystemStore>,
    root: &Path,
    path: &str,
    entry: &ArrayEntry,
    part: &[Range<usize>],
) -> Result<Vec<T>> {
    let file = root.join(path).join("zarr.json");
    let array = Array::open(store.clone(), &format!("/{path}"))
        .map_err(|error| Error::format(format!("{}: {error}; the run is damaged here", file.display())))?;
    let shape: Vec<usize> = array.shape().iter().map(|&x| x as usize).collect();
    let one_shard = array.chunk_grid_shape().iter().all(|&count| count == 1);
    if shape != entry.shape || !one_shard {
        return Err(Error::format(format!(
            "{}: the array is {shape:?}, the run says {:?} in one shard; the run is damaged here",
            file.display(),
            entry.shape
        )));
    }
    let shard = root.join(array.chunk_key(&vec![0; shape.len()]).as_str());
    let found = std::fs::metadata(&shard).map_or(0, |metadata| metadata.len());
    if found != entry.bytes {
        return Err(Error::format(format!(
            "{}: the shard is torn: {found} bytes, {} were committed; capture this input again",
            shard.display(),
            entry.bytes
        )));
    }
    let inside =
        part.len() == shape.len() && part.iter().zip(&shape).all(|(r, &axis)| r.start <= r.end && r.end <= axis);
    if !inside {
        return Err(Error::request(format!("{path}: {part:?} lies outside {shape:?}")));
    }
    let expected: usize = part.iter().map(ExactSizeIterator::len).product();
    // Zeros compress without end; everything else by far less than this.
    if entry.bytes > 0 && expected as u64 > (1 << 28) && expected as u64 / 4096 > entry.bytes {
        return Err(Error::format(format!(
            "{}: {expected} numbers cannot come from {found} bytes; the run is damaged here",
            shard.display()
        )));
    }
    chunks(&array, &shape, part, (expected, found))
        .map_err(|error| Error::format(format!("{}: {error}; the shard is damaged", shard.display())))
}

/// Gathers a part of an array from its inner chunks, each held to its checksum.
///
/// The store's own partial reads skip the checksum; a chunk is small, so it is decoded whole here.
fn chunks<T: ElementOwned + Copy + Default>(
    array: &Array<FilesystemStore>,
    shape: &[usize],
    part: &[Range<usize>],
    (expected, bytes): (usize, u64),
) -> std::result::Result<Vec<T>, String> {
    let inner = array.subchunk_shape().ok_or("the array is not sharded")?;
    let inner_usize: Vec<usize> = inner.iter().map(|x| x.get() as usize).collect();
    if inner_usize.len() != shape.len() || inner_usize.iter().zip(shape).any(|(inner, axis)| inner > axis) {
        return Err(format!("inner chunks of {inner_usize:?} in an array of {shape:?}"));
    }
    // The shard is the array filled up to whole chunks, and its index takes 16 bytes a chunk: anything else would have
    // the index of chunks without number read.
    let origin = vec![0; shape.len()];
    let shard = array.chunk_shape(&origin).map_err(|error| error.to_string())?;
    let fits = |((shard, &axis), &inner): ((&NonZeroU64, &usize), &usize)| {
        axis.checked_next_multiple_of(inner).is_some_and(|whole| shard.get() == whole as u64)
    };
    if shard.len() != shape.len() || !shard.iter().zip(shape).zip(&inner_usize).all(fits) {
        return Err(format!("a shard of {shard:?} for an array of {shape:?} in chunks of {inner_usize:?}"));
    }
    let count = shape.iter().zip(&inner_usize).map(|(axis, inner)| axis.div_ceil(*inner) as u64).product::<u64>();
    if bytes > 0 && count.checked_mul(16).is_none_or(|index| index > bytes) {
        return Err(format!("{bytes} bytes do not hold the index of {count} chunks"));
    }
    let size = array.data_type().fixed_size().ok_or("the type has no fixed size")?;
    let chain = chain(size)?;
    let cache = ArrayShardedReadableExtCache::new(array);
    let options = CodecOptions::default().with_concurrent_target(1);
    let mut gathered = vec![T::default(); expected];
    let lengths: Vec<usize> = part.iter().map(ExactSizeIterator::len).collect();
    if expected == 0 {
        return Ok(gathered);
    }
    let grid: Vec<Range<usize>> =
        part.iter().zip(&inner_usize).map(|(r, &inner)| r.start / inner..r.end.div_ceil(inner)).collect();
    let mut at: Vec<usize> = grid.iter().map(|r| r.start).collect();
    loop {
        let index: Vec<u64> = at.iter().map(|&x| x as u64).collect();
        let encoded = array.retrieve_encoded_subchunk(&cache, &index).map_err(|error| error.to_string())?;
        if let Some(encoded) = encoded {
            let decoded = chain
                .decode(encoded.into(), &inner, array.data_type(), array.fill_value(), &options)
                .map_err(|error| error.to_string())?;
            let values = T::from_array_bytes(array.data_type(), decoded).map_err(|error| error.to_string())?;
            if values.len() != inner_usize.iter().product::<usize>() {
                return Err(format!("a chunk of {} numbers, expected {inner_usize:?}", values.len()));
            }
            let start = |axis: usize| (at[axis] * inner_usize[axis]).max(part[axis].start);
            let end = |axis: usize| ((at[axis] + 1) * inner_usize[axis]).min(part[axis].end);
            let overlap: Vec<usize> = (0..shape.len()).map(|axis| end(axis) - start(axis)).collect();
            let from: Vec<usize> = (0..shape.len()).map(|axis| start(axis) - at[axis] * inner_usize[axis]).collect();
            let to: Vec<usize> = (0..shape.len()).map(|axis| start(axis) - part[axis].start).collect();
            copy_block(&values, &inner_usize, &from, &mut gathered, &lengths, &to, &overlap);
        }
        // The next chunk, last axis fastest.
        let mut axis = shape.len();
        loop {
            if axis == 0 {
                return Ok(gathered);
            }
            axis -= 1;
            at[axis] += 1;
            if at[axis] < grid[axis].end {
                break;
            }
            at[axis] = grid[axis].start;
        }
    }
}

/// Copies a block of `block` numbers from one row-major array into another.
fn copy_block<T: Copy>(
    source: &[T],
    source_shape: &[usize],
    from: &[usize],
    target: &mut [T],
    target_shape: &[usize],
    to: &[usize],
    block: &[usize],
) {
    let last = block.len() - 1;
    let offset = |shape: &[usize], origin: &[usize], mut row: usize| {
        let (mut offset, mut stride) = (origin[last], shape[last]);
        for axis in (0..last).rev() {
            offset += (origin[axis] + row % block[axis]) * stride;
            row /= block[axis];
            stride *= shape[axis];
        }
        offset
    };
    for row in 0..block[..last].iter().product() {
        let (s, t) = (offset(source_shape, from, row), offset(target_shape, to, row));
        target[t..t + block[last]].copy_from_slice(&source[s..s + block[last]]);
    }
}

/// What an inner chunk goes through.
fn bytes_codecs(size: usize) -> std::result::Result<Vec<Arc<dyn BytesToBytesCodecTraits>>, String> {
    let level = BloscCompressionLevel::try_from(5u8).map_err(|_| "blosc has no level 5")?;
    let blosc = BloscCodec::new(BloscCompressor::LZ4, level, None, BloscShuffleMode::Shuffle, Some(size));
    Ok(vec![Arc::new(blosc.map_err(|error| error.to_string())?), Arc::new(Crc32cCodec::new())])
}

fn chain(size: usize) -> std::result::Result<CodecChain, String> {
    Ok(CodecChain::new(vec![], Arc::new(BytesCodec::little()), bytes_codecs(size)?))
}
