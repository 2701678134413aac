//! One Zarr v3 array = one shard = one file, written once.
//!
//! Inner chunks are compressed (blosc: lz4 after a byte shuffle) and carry a CRC-32C; chunks of zeros are absent.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use half::f16;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zarrs::array::codec::{BloscCodec, BytesCodec, Crc32cCodec};
use zarrs::array::{
    Array, ArrayBuilder, ArrayMetadataOptions, ArrayShardedExt, ArrayToBytesCodecTraits, BytesToBytesCodecTraits,
    CodecChain, CodecOptions, DataType, ElementOwned, data_type,
};
use zarrs::filesystem::FilesystemStore;
use zarrs::metadata_ext::codec::blosc::{BloscCompressionLevel, BloscCompressor, BloscShuffleMode};
use zarrs::storage::store::MemoryStore;
use zarrs::storage::{ReadableStorageTraits, StoreKey};

use attractor::{Error, Result};
use attractor_data::files::Durability;
use attractor_data::files::{create_folder, write_whole};

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
        return Err(Error::usage(format!("{path}: {} numbers do not fill {:?}", spec.data.len(), spec.shape)));
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
        .map_err(|error| failed("layout", &error).because(error))?;
    array
        .store_metadata_opt(&ArrayMetadataOptions::default().with_include_zarrs_metadata(false))
        .map_err(|error| failed("metadata", &error).because(error))?;
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
    .map_err(|error| failed("encoding", &error).because(error))?;

    let mut written = 0;
    let mut put = |key: &StoreKey| -> Result<u64> {
        let bytes = store.get(key).map_err(|error| failed("encoding", &error).because(error))?;
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
    put(&StoreKey::new(&metadata).map_err(|error| failed("name", &error).because(error))?)?;
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
    let array = Array::open(store.clone(), &format!("/{path}")).map_err(|error| {
        Error::format(format!("{}: {error}; the run is damaged here", file.display())).because(error)
    })?;
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
            "{}: the shard is truncated: {found} bytes, {} were committed; capture this input again",
            shard.display(),
            entry.bytes
        )));
    }
    let inside =
        part.len() == shape.len() && part.iter().zip(&shape).all(|(r, &axis)| r.start <= r.end && r.end <= axis);
    if !inside {
        return Err(Error::usage(format!("{path}: {part:?} lies outside {shape:?}")));
    }
    let expected: usize = part.iter().map(ExactSizeIterator::len).product();
    // Zeros compress without end; everything else by far less than this.
    if entry.bytes > 0 && expected as u64 > (1 << 28) && expected as u64 / 4096 > entry.bytes {
        return Err(Error::format(format!(
            "{}: {expected} numbers cannot come from {found} bytes; the run is damaged here",
            shard.display()
        )));
    }
    chunks(&array, &shard, &shape, part, (expected, found))
        .map_err(|error| Error::format(format!("{}: {error}; the shard is damaged", shard.display())))
}

/// Gathers a part of an array from its inner chunks, each held to its checksum.
///
/// The store's own partial reads skip the checksum, take an absent chunk's place in the index for an address, and believe
/// any length that is written there. So the shard's index is read here, and a chunk, which is small, is decoded whole.
fn chunks<T: ElementOwned + Copy + Default>(
    array: &Array<FilesystemStore>,
    file: &Path,
    shape: &[usize],
    part: &[Range<usize>],
    (expected, bytes): (usize, u64),
) -> std::result::Result<Vec<T>, String> {
    let inner = array.subchunk_shape().ok_or("the array is not sharded")?;
    let inner_usize: Vec<usize> = inner.iter().map(|x| x.get() as usize).collect();
    if inner_usize.len() != shape.len() || inner_usize.iter().zip(shape).any(|(inner, axis)| inner > axis) {
        return Err(format!("inner chunks of {inner_usize:?} in an array of {shape:?}"));
    }
    // The shard is the array filled up to whole chunks: anything else would have another index.
    let origin = vec![0; shape.len()];
    let shard = array.chunk_shape(&origin).map_err(|error| error.to_string())?;
    let fits = |((shard, &axis), &inner): ((&NonZeroU64, &usize), &usize)| {
        axis.checked_next_multiple_of(inner).is_some_and(|whole| shard.get() == whole as u64)
    };
    if shard.len() != shape.len() || !shard.iter().zip(shape).zip(&inner_usize).all(fits) {
        return Err(format!("a shard of {shard:?} for an array of {shape:?} in chunks of {inner_usize:?}"));
    }
    let counts: Vec<usize> = shape.iter().zip(&inner_usize).map(|(axis, inner)| axis.div_ceil(*inner)).collect();
    let places = Index::read(file, bytes, &counts)?;
    let size = array.data_type().fixed_size().ok_or("the type has no fixed size")?;
    let chain = chain(size)?;
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
        if let Some(encoded) = places.chunk(&at)? {
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

/// Where a shard's chunks lie in its file.
struct Index {
    /// `None`: every chunk is absent, and so is the file.
    file: Option<File>,
    /// Chunks along each axis.
    counts: Vec<usize>,
    /// (offset, length) of each chunk; [`ABSENT`] twice: all zeros.
    places: Vec<u64>,
    /// Bytes before the index.
    end: u64,
}

const ABSENT: u64 = u64::MAX;

impl Index {
    /// Reads the index, which stands at the end of the file with its checksum.
    fn read(path: &Path, bytes: u64, counts: &[usize]) -> std::result::Result<Self, String> {
        let count = counts.iter().try_fold(1usize, |product, &count| product.checked_mul(count));
        let size = count.and_then(|count| count.checked_mul(16)?.checked_add(4));
        let (Some(count), Some(size)) = (count, size) else { return Err(format!("chunks of {counts:?}")) };
        if bytes == 0 {
            return Ok(Self { file: None, counts: counts.to_vec(), places: Vec::new(), end: 0 });
        }
        let Some(end) = bytes.checked_sub(size as u64) else {
            return Err(format!("{bytes} bytes do not hold the index of {count} chunks"));
        };
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        let mut encoded = vec![0; size];
        file.seek(SeekFrom::Start(end))
            .and_then(|_| file.read_exact(&mut encoded))
            .map_err(|error| error.to_string())?;
        let chain = CodecChain::new(vec![], Arc::new(BytesCodec::little()), vec![Arc::new(Crc32cCodec::new())]);
        let shape = [NonZeroU64::new(2 * count as u64).ok_or("no chunks")?];
        let options = CodecOptions::default().with_concurrent_target(1);
        let places = chain
            .decode(encoded.into(), &shape, &data_type::uint64(), &ABSENT.into(), &options)
            .map_err(|error| format!("index: {error}"))?;
        let places = u64::from_array_bytes(&data_type::uint64(), places).map_err(|error| format!("index: {error}"))?;
        Ok(Self { file: Some(file), counts: counts.to_vec(), places, end })
    }

    /// A chunk as it is stored; `None`: all zeros.
    fn chunk(&self, at: &[usize]) -> std::result::Result<Option<Vec<u8>>, String> {
        let Some(mut file) = self.file.as_ref() else { return Ok(None) };
        let place = at.iter().zip(&self.counts).fold(0, |place, (at, count)| place * count + at);
        let (offset, length) = (self.places[2 * place], self.places[2 * place + 1]);
        if (offset, length) == (ABSENT, ABSENT) {
            return Ok(None);
        }
        if offset.checked_add(length).is_none_or(|end| end > self.end) {
            return Err(format!("chunk {at:?} lies at {offset} with {length} bytes, beyond the shard's {}", self.end));
        }
        let mut bytes = vec![0; length as usize];
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| error.to_string())?;
        Ok(Some(bytes))
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

#[cfg(test)]
mod tests {
    use zarrs::array::Element;

    use super::*;

    /// A shard of four chunks whose index, checksum and all, names what is asked.
    fn shard(places: [u64; 8]) -> (tempfile::NamedTempFile, u64) {
        let chain = CodecChain::new(vec![], Arc::new(BytesCodec::little()), vec![Arc::new(Crc32cCodec::new())]);
        let numbers = u64::into_array_bytes(&data_type::uint64(), places.to_vec()).unwrap();
        let shape = [NonZeroU64::new(8).unwrap()];
        let options = CodecOptions::default();
        let index = chain.encode(numbers, &shape, &data_type::uint64(), &ABSENT.into(), &options).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = [&[1, 2, 3, 4, 5][..], &index].concat();
        std::fs::write(file.path(), &bytes).unwrap();
        (file, bytes.len() as u64)
    }

    #[test]
    fn an_index_is_believed_as_far_as_the_file_goes() {
        let (file, bytes) = shard([0, 2, ABSENT, ABSENT, 2, 3, 5, 0]);
        let index = Index::read(file.path(), bytes, &[2, 2]).unwrap();
        let chunk = |at: [usize; 2]| index.chunk(&at).unwrap();
        assert_eq!((chunk([0, 0]), chunk([0, 1])), (Some(vec![1, 2]), None));
        assert_eq!((chunk([1, 0]), chunk([1, 1])), (Some(vec![3, 4, 5]), Some(vec![])));
        let (file, bytes) = shard([0, 6, 6, 0, u64::MAX, 1, 1, u64::MAX]);
        let index = Index::read(file.path(), bytes, &[2, 2]).unwrap();
        for at in [[0, 0], [0, 1], [1, 0], [1, 1]] {
            assert!(index.chunk(&at).unwrap_err().contains("beyond the shard's 5"), "{at:?}");
        }
        assert!(Index::read(file.path(), bytes, &[3, 2]).is_err(), "another index, another checksum");
        assert!(Index::read(file.path(), 60, &[2, 2]).is_err());
        assert!(Index::read(file.path(), bytes, &[usize::MAX, 2]).is_err());
        assert!(Index::read(file.path(), 0, &[2, 2]).unwrap().chunk(&[1, 1]).unwrap().is_none());
    }
}
