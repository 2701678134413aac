//! One Zarr v3 array = one shard = one file, written once.
//!
//! Inner chunks are compressed (blosc: lz4 after a byte shuffle) and carry a CRC-32C; chunks of zeros are absent.

use std::num::NonZeroU64;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::f16;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zarrs::array::codec::BytesCodec;
use zarrs::array::{
    Array, ArrayBuilder, ArrayBytes, ArrayMetadataOptions, ArrayShardedExt, ArrayToBytesCodecTraits, DataType,
    ElementOwned, FillValue, data_type,
};
use zarrs::filesystem::FilesystemStore;
use zarrs::storage::store::MemoryStore;
use zarrs::storage::{ReadableStorageTraits, StoreKey};

use super::shard::{self, damaged};
use attractor::{Error, Kind as ErrorKind, Result};
use attractor_data::files::{self, Durability, create_folder, write_by, write_whole};

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

    fn kind(&self) -> Kind {
        match self {
            Self::F16(_) => Float::F16.kind(),
            Self::F32(_) => Float::F32.kind(),
            Self::F64(_) => Kind { data: data_type::float64(), size: 8, name: "float64", zero: 0f64.into() },
            Self::U32(_) => Kind { data: data_type::uint32(), size: 4, name: "uint32", zero: 0u32.into() },
        }
    }

    /// A chunk, filled up with zeros behind `overlap`; `None` if all of it is zero, to the bit.
    fn chunk(
        &self,
        shape: &[usize],
        from: &[usize],
        overlap: &[usize],
        inner: &[usize],
    ) -> Option<ArrayBytes<'static>> {
        macro_rules! block {
            ($x:expr, $zero:expr) => {{
                let mut block = vec![$zero; inner.iter().product()];
                copy_block($x, shape, from, &mut block, inner, &vec![0; inner.len()], overlap);
                let bytes: Vec<u8> = block.iter().flat_map(|x| x.to_le_bytes()).collect();
                bytes.iter().any(|&byte| byte != 0).then(|| bytes.into())
            }};
        }
        match self {
            Self::F16(x) => block!(x, f16::ZERO),
            Self::F32(x) => block!(x, 0f32),
            Self::F64(x) => block!(x, 0f64),
            Self::U32(x) => block!(x, 0u32),
        }
    }
}

/// A type as it is stored.
struct Kind {
    data: DataType,
    size: usize,
    name: &'static str,
    zero: FillValue,
}

impl Float {
    fn kind(self) -> Kind {
        match self {
            Self::F16 => Kind { data: data_type::float16(), size: 2, name: "float16", zero: f16::ZERO.into() },
            Self::F32 => Kind { data: data_type::float32(), size: 4, name: "float32", zero: 0f32.into() },
        }
    }

    /// Numbers at this precision.
    pub(crate) fn of(self, x: &[f32]) -> Data {
        match self {
            Self::F16 => Data::F16(x.iter().map(|&x| f16::from_f32(x)).collect()),
            Self::F32 => Data::F32(x.to_vec()),
        }
    }
}

/// Precision of numbers that are made while they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    F16,
    F32,
}

/// Rows of a map of the head at a place, [rows, keys].
pub(crate) type RowsOf<'a> = Box<dyn FnMut(usize, Range<usize>, &mut Vec<f32>) -> Result<()> + 'a>;

/// The numbers of an array.
pub(crate) enum Numbers<'a> {
    /// All of them.
    Held(Data),
    /// Those of maps, [head, query, key], whose rows are read as they are written.
    Maps(Float, RowsOf<'a>),
}

/// An array about to be written.
pub(crate) struct Spec<'a> {
    pub name: String,
    pub numbers: Numbers<'a>,
    pub shape: Vec<usize>,
    /// Largest inner chunk; shorter axes are taken whole.
    pub inner: Vec<usize>,
    /// Names of the axes: xarray's dimensions.
    pub axes: Vec<&'static str>,
    pub attributes: Map<String, Value>,
}

impl Spec<'static> {
    pub(crate) fn new(name: &str, data: Data, shape: &[usize], inner: &[usize], axes: &[&'static str]) -> Self {
        Self {
            name: name.to_string(),
            numbers: Numbers::Held(data),
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
pub(crate) fn write(
    root: &Path,
    group: &str,
    spec: &mut Spec<'_>,
    durability: Durability,
) -> Result<(ArrayEntry, u64)> {
    let path = format!("/{group}/{}", spec.name);
    let failed = |what: &str, error: Error| error.of_kind(ErrorKind::Io).at(format_args!("{what} of {path}"));
    let kind = match &spec.numbers {
        Numbers::Held(data) => data.kind(),
        Numbers::Maps(float, _) => float.kind(),
    };
    let fills = |data: &Data| spec.shape.iter().product::<usize>() == data.len();
    if spec.shape.contains(&0) || matches!(&spec.numbers, Numbers::Held(data) if !fills(data)) {
        return Err(Error::usage(format!("{path}: the numbers do not fill {:?}", spec.shape)));
    }
    let inner: Vec<usize> = spec.inner.iter().zip(&spec.shape).map(|(&inner, &axis)| inner.min(axis)).collect();
    let store = Arc::new(MemoryStore::new());
    let array = described(spec, &path, &inner, &kind, store.clone()).map_err(|error| failed("layout", error))?;
    array
        .store_metadata_opt(&ArrayMetadataOptions::default().with_include_zarrs_metadata(false))
        .map_err(|error| failed("metadata", damaged(error)))?;
    let shard = root.join(array.chunk_key(&vec![0; spec.shape.len()]).as_str());
    if let Some(folder) = shard.parent() {
        create_folder(folder)?;
    }
    let mut is_needed = false;
    let mut bytes = write_by(&shard, durability, |file| {
        let (shape, size) = (spec.shape.clone(), kind.size);
        let mut writer =
            shard::Writer::new(file, &inner, (kind.data, size, kind.zero)).map_err(|e| failed("encoding", e))?;
        fill(&mut writer, &mut spec.numbers, &shape, &inner, &|error| failed("encoding", error))?;
        is_needed = writer.finish().map_err(|error| failed("encoding", error))?;
        Ok(())
    })?;
    if !is_needed {
        std::fs::remove_file(&shard).map_err(|error| files::failed("cannot remove", &shard, error))?;
        bytes = 0;
    }
    let metadata = format!("{}/zarr.json", &path[1..]);
    let key = StoreKey::new(&metadata).map_err(|error| failed("name", damaged(error)))?;
    let described = store.get(&key).map_err(|error| failed("metadata", damaged(error)))?.unwrap_or_default();
    write_whole(&root.join(key.as_str()), &described, durability)?;
    let entry = ArrayEntry { shape: spec.shape.clone(), dtype: kind.name.to_string(), bytes };
    Ok((entry, bytes + described.len() as u64))
}

/// The array of one shard that `spec` describes.
fn described(
    spec: &Spec<'_>,
    path: &str,
    inner: &[usize],
    kind: &Kind,
    store: Arc<MemoryStore>,
) -> Result<Array<MemoryStore>> {
    let wide = |shape: &[usize]| shape.iter().map(|&x| x as u64).collect::<Vec<u64>>();
    let shard: Vec<usize> = inner.iter().zip(&spec.shape).map(|(&inner, &axis)| axis.next_multiple_of(inner)).collect();
    ArrayBuilder::new(wide(&spec.shape), wide(&shard), kind.data.clone(), kind.zero.clone())
        .subchunk_shape(wide(inner))
        .array_to_bytes_codec(Arc::new(BytesCodec::little()))
        .bytes_to_bytes_codecs(shard::bytes_codecs(kind.size)?)
        .dimension_names(Some(spec.axes.clone()))
        .attributes(spec.attributes.clone())
        .build(store, path)
        .map_err(damaged)
}

/// Gives every chunk of an array to a shard, last axis fastest.
fn fill(
    writer: &mut shard::Writer<'_>,
    numbers: &mut Numbers<'_>,
    shape: &[usize],
    inner: &[usize],
    failed: &dyn Fn(Error) -> Error,
) -> Result<()> {
    let grid: Vec<Range<usize>> = shape.iter().zip(inner).map(|(axis, inner)| 0..axis.div_ceil(*inner)).collect();
    let last = shape.len() - 1;
    let (mut rows, mut band) = (Vec::new(), Data::F32(Vec::new()));
    each_chunk(&grid, |at| {
        let start: Vec<usize> = at.iter().zip(inner).map(|(at, inner)| at * inner).collect();
        let overlap: Vec<usize> =
            start.iter().zip(inner).zip(shape).map(|((start, inner), axis)| (*inner).min(axis - start)).collect();
        let chunk = match numbers {
            Numbers::Held(data) => data.chunk(shape, &start, &overlap, inner),
            Numbers::Maps(float, read) => {
                // A band of rows serves all chunks side by side.
                if at[last] == 0 {
                    read(start[0], start[1]..start[1] + overlap[1], &mut rows)?;
                    if rows.len() != overlap[1] * shape[last] {
                        let what = format!("{} numbers for {} rows", rows.len(), overlap[1]);
                        return Err(failed(Error::usage(what)));
                    }
                    band = float.of(&rows);
                }
                band.chunk(&[1, overlap[1], shape[last]], &[0, 0, start[last]], &overlap, inner)
            }
        };
        writer.chunk(chunk).map_err(failed)
    })
}

/// Calls `each` with the place of every chunk of a grid, last axis fastest.
fn each_chunk<E>(
    grid: &[Range<usize>],
    mut each: impl FnMut(&[usize]) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut at: Vec<usize> = grid.iter().map(|r| r.start).collect();
    loop {
        each(&at)?;
        let mut axis = grid.len();
        loop {
            if axis == 0 {
                return Ok(());
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

/// Reads a part of an array, held to its entry.
pub(crate) fn read<T: ElementOwned + Copy + Default>(
    store: &Arc<FilesystemStore>,
    root: &Path,
    path: &str,
    entry: &ArrayEntry,
    part: &[Range<usize>],
) -> Result<Vec<T>> {
    let opened = Opened::new(store, root, path, entry)?;
    let shape = &opened.shape;
    let inside =
        part.len() == shape.len() && part.iter().zip(shape).all(|(r, &axis)| r.start <= r.end && r.end <= axis);
    if !inside {
        return Err(Error::usage(format!("{path}: {part:?} lies outside {shape:?}")));
    }
    let lengths: Vec<usize> = part.iter().map(ExactSizeIterator::len).collect();
    let expected: usize = lengths.iter().product();
    // Zeros compress without end; everything else by far less than this.
    if entry.bytes > 0 && expected as u64 > (1 << 28) && expected as u64 / 4096 > entry.bytes {
        return Err(Error::format(format!(
            "{}: {expected} numbers cannot come from {} bytes; the run is damaged here",
            opened.shard.display(),
            entry.bytes
        )));
    }
    let mut gathered = vec![T::default(); expected];
    opened.chunks(part, |at, inner, values: Vec<T>| {
        let start = |axis: usize| (at[axis] * inner[axis]).max(part[axis].start);
        let end = |axis: usize| ((at[axis] + 1) * inner[axis]).min(part[axis].end);
        let overlap: Vec<usize> = (0..shape.len()).map(|axis| end(axis) - start(axis)).collect();
        let from: Vec<usize> = (0..shape.len()).map(|axis| start(axis) - at[axis] * inner[axis]).collect();
        let to: Vec<usize> = (0..shape.len()).map(|axis| start(axis) - part[axis].start).collect();
        copy_block(&values, inner, &from, &mut gathered, &lengths, &to, &overlap);
    })?;
    Ok(gathered)
}

/// Reads every chunk of an array and holds none: an error names what is damaged.
pub(crate) fn verify(store: &Arc<FilesystemStore>, root: &Path, path: &str, entry: &ArrayEntry) -> Result<()> {
    let opened = Opened::new(store, root, path, entry)?;
    let all: Vec<Range<usize>> = entry.shape.iter().map(|&axis| 0..axis).collect();
    match entry.dtype.as_str() {
        "float16" => opened.chunks(&all, |_, _, _: Vec<f16>| ()),
        "float32" => opened.chunks(&all, |_, _, _: Vec<f32>| ()),
        "float64" => opened.chunks(&all, |_, _, _: Vec<f64>| ()),
        "uint32" => opened.chunks(&all, |_, _, _: Vec<u32>| ()),
        other => Err(Error::format(format!("{path}: the type {other:?} is unknown"))),
    }
}

/// An array of one shard that is what the run says of it.
struct Opened {
    array: Array<FilesystemStore>,
    shard: PathBuf,
    shape: Vec<usize>,
    bytes: u64,
}

impl Opened {
    fn new(store: &Arc<FilesystemStore>, root: &Path, path: &str, entry: &ArrayEntry) -> Result<Self> {
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
        let bytes = std::fs::metadata(&shard).map_or(0, |metadata| metadata.len());
        if bytes != entry.bytes {
            return Err(Error::format(format!(
                "{}: the shard is truncated: {bytes} bytes, {} were committed; capture this input again",
                shard.display(),
                entry.bytes
            )));
        }
        Ok(Self { array, shard, shape, bytes })
    }

    /// Shows every inner chunk that `part` touches and that is not all zeros: its place, its shape, its numbers.
    fn chunks<T: ElementOwned>(
        &self,
        part: &[Range<usize>],
        see: impl FnMut(&[usize], &[usize], Vec<T>),
    ) -> Result<()> {
        let shard = self.shard.display();
        self.decoded(part, see).map_err(|error| match error.kind() {
            ErrorKind::Io => error.at(shard),
            _ => Error::format(format!("{shard}: {}; the shard is damaged", error.message())).because(error),
        })
    }

    /// Each chunk is held to its checksum. The store's own partial reads skip it, take an absent chunk's place in the index for
    /// an address, and believe any length that is written there. So the shard's index is read here, and a chunk, which is
    /// small, is decoded whole.
    fn decoded<T: ElementOwned>(
        &self,
        part: &[Range<usize>],
        mut see: impl FnMut(&[usize], &[usize], Vec<T>),
    ) -> Result<()> {
        let (array, shape) = (&self.array, &self.shape);
        let wide = array.subchunk_shape().ok_or_else(|| Error::format("the array is not sharded"))?;
        let inner: Vec<usize> = wide.iter().map(|x| x.get() as usize).collect();
        if inner.len() != shape.len() || inner.iter().zip(shape).any(|(inner, axis)| inner > axis) {
            return Err(Error::format(format!("inner chunks of {inner:?} in an array of {shape:?}")));
        }
        // The shard is the array filled up to whole chunks: anything else would have another index.
        let shard = array.chunk_shape(&vec![0; shape.len()]).map_err(damaged)?;
        let fits = |((shard, &axis), &inner): ((&NonZeroU64, &usize), &usize)| {
            axis.checked_next_multiple_of(inner).is_some_and(|whole| shard.get() == whole as u64)
        };
        if shard.len() != shape.len() || !shard.iter().zip(shape).zip(&inner).all(fits) {
            let what = format!("a shard of {shard:?} for an array of {shape:?} in chunks of {inner:?}");
            return Err(Error::format(what));
        }
        let counts: Vec<usize> = shape.iter().zip(&inner).map(|(axis, inner)| axis.div_ceil(*inner)).collect();
        let places = shard::Index::read(&self.shard, self.bytes, &counts)?;
        let size = array.data_type().fixed_size().ok_or_else(|| Error::format("the type has no fixed size"))?;
        let chain = shard::chain(size)?;
        if part.iter().any(Range::is_empty) {
            return Ok(());
        }
        let grid: Vec<Range<usize>> =
            part.iter().zip(&inner).map(|(r, &inner)| r.start / inner..r.end.div_ceil(inner)).collect();
        let count = inner.iter().product::<usize>();
        each_chunk(&grid, |at| {
            let Some(encoded) = places.chunk(at)? else { return Ok(()) };
            let decoded = chain
                .decode(encoded.into(), &wide, array.data_type(), array.fill_value(), &shard::one_thread())
                .map_err(damaged)?;
            let values = T::from_array_bytes(array.data_type(), decoded).map_err(damaged)?;
            if values.len() != count {
                return Err(Error::format(format!("a chunk of {} numbers, expected {inner:?}", values.len())));
            }
            see(at, &inner, values);
            Ok(())
        })
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

#[cfg(test)]
mod tests {
    use attractor::random::Philox;

    use super::*;

    /// Shards are what the library itself would write, to the byte: numbers of every type, axes that chunks do not divide,
    /// chunks of zeros, an array of nothing but zeros.
    #[test]
    fn shards_are_those_of_the_library() {
        let mut random = Philox::new(1, 2);
        let mut numbers = |shape: &[usize]| -> Vec<f32> {
            (0..shape.iter().product()).map(|at| if at % 300 < 150 { 0.0 } else { random.uniform() as f32 }).collect()
        };
        let shape = [2, 150, 130];
        let x = numbers(&shape);
        let causal: Vec<f32> = (0..x.len()).map(|at| if at % 130 > at / 130 % 150 { 0.0 } else { x[at] }).collect();
        let held = |data: Data, shape: &[usize], inner: &[usize]| {
            let axes = &["head", "query", "key"][..shape.len()];
            Spec::new("held", data, shape, inner, axes)
        };
        let inner = [1, 64, 64];
        let mut specs = vec![
            held(Data::F32(causal.clone()), &shape, &inner),
            held(Float::F16.of(&causal), &shape, &inner),
            held(Data::F64(x.iter().map(|&x| x.into()).collect()), &[39_000], &[4096]),
            held(Data::U32((0..600).collect()), &[3, 200], &[1, usize::MAX]),
            held(Data::F32(vec![0.0; 12]), &[3, 4], &[2, 2]),
            held(Data::F32(vec![-0.0; 12]), &[3, 4], &[2, 2]),
        ];
        for float in [Float::F32, Float::F16] {
            let causal = &causal;
            let read: RowsOf<'_> = Box::new(move |head, rows, into| {
                let row = |row: usize| (head * 150 + row) * 130;
                *into = causal[row(rows.start)..row(rows.end)].to_vec();
                Ok(())
            });
            let of = held(Data::F32(Vec::new()), &shape, &inner);
            specs.push(Spec { numbers: Numbers::Maps(float, read), ..of });
        }
        let mut files = Vec::new();
        for spec in &mut specs {
            let root = tempfile::tempdir().unwrap();
            let (entry, _) = write(root.path(), "layer", spec, Durability::Process).unwrap();
            let file = root.path().join("layer/held/c").join(vec!["0"; spec.shape.len()].join("/"));
            let found = std::fs::read(&file).unwrap_or_default();
            assert_eq!(entry.bytes, found.len() as u64);
            if let Numbers::Held(data) = &spec.numbers {
                let inner: Vec<usize> = spec.inner.iter().zip(&spec.shape).map(|(a, b)| *a.min(b)).collect();
                let store = Arc::new(MemoryStore::new());
                let array = described(spec, "/held", &inner, &data.kind(), store.clone()).unwrap();
                let (origin, shard) =
                    (vec![0; spec.shape.len()], array.chunk_shape(&vec![0; spec.shape.len()]).unwrap());
                let shard: Vec<usize> = shard.iter().map(|x| x.get() as usize).collect();
                let zeros = vec![0; shard.len()];
                macro_rules! store {
                    ($x:expr, $zero:expr) => {{
                        let mut whole = vec![$zero; shard.iter().product()];
                        copy_block($x, &spec.shape, &zeros, &mut whole, &shard, &zeros, &spec.shape);
                        array.store_chunk_opt(&origin, whole, &shard::one_thread()).unwrap();
                    }};
                }
                match data {
                    Data::F16(x) => store!(x, f16::ZERO),
                    Data::F32(x) => store!(x, 0f32),
                    Data::F64(x) => store!(x, 0f64),
                    Data::U32(x) => store!(x, 0u32),
                }
                let expected = store.get(&array.chunk_key(&origin)).unwrap().unwrap_or_default();
                assert!(found == expected.as_ref(), "{:?}: {} bytes, {}", spec.shape, found.len(), expected.len());
            }
            files.push(found);
        }
        assert!(files[4].is_empty() && !files[5].is_empty(), "zeros take no room; their signs are kept");
        assert!(
            files[6] == files[0] && files[7] == files[1],
            "rows that are read as they are written are the same file"
        );
    }
}
