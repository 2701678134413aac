//! A shard: chunks one behind the other, and behind them the index that says where each lies.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use zarrs::array::codec::{BloscCodec, BytesCodec, Crc32cCodec};
use zarrs::array::{
    ArrayBytes, ArrayToBytesCodecTraits, BytesToBytesCodecTraits, CodecChain, CodecOptions, DataType, Element,
    ElementOwned, FillValue, data_type,
};
use zarrs::metadata_ext::codec::blosc::{BloscCompressionLevel, BloscCompressor, BloscShuffleMode};

use attractor::{Error, Result};
use attractor_record::file;

/// What the file system answers.
fn unreadable(error: std::io::Error) -> Error {
    Error::io(error.to_string()).because(error)
}

/// What a codec answers.
pub(super) fn damaged<E: std::error::Error + Send + Sync + 'static>(error: E) -> Error {
    Error::format(error.to_string()).because(error)
}

fn positive(count: usize, otherwise: &str) -> Result<NonZeroU64> {
    NonZeroU64::new(count as u64).ok_or_else(|| Error::format(otherwise))
}

/// One thread: the order of chunks in the shard, and so the file, is the same every time.
pub(super) fn one_thread() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1)
}

/// Writes a shard chunk by chunk, last axis fastest. The library's own writer wants the whole array in memory; a test holds
/// the two to the same bytes.
pub(super) struct Writer<'a> {
    file: BufWriter<&'a mut File>,
    chain: CodecChain,
    inner: Vec<NonZeroU64>,
    kind: DataType,
    zero: FillValue,
    /// As [`Index::places`].
    places: Vec<u64>,
    bytes: u64,
}

impl<'a> Writer<'a> {
    /// For chunks of the shape `inner` of a type of `size` bytes.
    pub(super) fn new(
        file: &'a mut File,
        inner: &[usize],
        (kind, size, zero): (DataType, usize, FillValue),
    ) -> Result<Self> {
        let inner = inner.iter().map(|&x| positive(x, "an empty chunk")).collect::<Result<_>>()?;
        let (file, chain) = (BufWriter::new(file), chain(size)?);
        Ok(Self { file, chain, inner, kind, zero, places: Vec::new(), bytes: 0 })
    }

    /// The next chunk; `None`: all zeros, which takes no room.
    pub(super) fn chunk(&mut self, values: Option<ArrayBytes<'_>>) -> Result<()> {
        let Some(values) = values else {
            self.places.extend([ABSENT; 2]);
            return Ok(());
        };
        let encoded = self.chain.encode(values, &self.inner, &self.kind, &self.zero, &one_thread());
        let encoded = encoded.map_err(damaged)?;
        self.file.write_all(&encoded).map_err(unreadable)?;
        self.places.extend([self.bytes, encoded.len() as u64]);
        self.bytes += encoded.len() as u64;
        Ok(())
    }

    /// Writes the index; false if every chunk is absent, and so the file is not needed.
    pub(super) fn finish(mut self) -> Result<bool> {
        let index = encoded(&self.places)?;
        self.file.write_all(&index).and_then(|()| self.file.flush()).map_err(unreadable)?;
        Ok(self.bytes > 0)
    }
}

fn index_chain() -> CodecChain {
    CodecChain::new(vec![], Arc::new(BytesCodec::little()), vec![Arc::new(Crc32cCodec::new())])
}

/// The index as it stands at the end of the file, with its checksum.
fn encoded(places: &[u64]) -> Result<Vec<u8>> {
    let shape = [positive(places.len(), "no chunks")?];
    let kind = data_type::uint64();
    let numbers = u64::into_array_bytes(&kind, places.to_vec()).map_err(damaged)?;
    let encoded = index_chain().encode(numbers, &shape, &kind, &ABSENT.into(), &one_thread());
    Ok(encoded.map_err(damaged)?.into_owned())
}

/// Where a shard's chunks lie in its file.
pub(super) struct Index {
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
    pub(super) fn read(path: &Path, bytes: u64, counts: &[usize]) -> Result<Self> {
        let count = counts.iter().try_fold(1usize, |product, &count| product.checked_mul(count));
        let size = count.and_then(|count| count.checked_mul(16)?.checked_add(4));
        let (Some(count), Some(size)) = (count, size) else {
            return Err(Error::format(format!("chunks of {counts:?}")));
        };
        if bytes == 0 {
            return Ok(Self { file: None, counts: counts.to_vec(), places: Vec::new(), end: 0 });
        }
        let Some(end) = bytes.checked_sub(size as u64) else {
            return Err(Error::format(format!("{bytes} bytes do not hold the index of {count} chunks")));
        };
        let (mut file, _) = file::open(path, "a part of the run")?;
        let mut encoded = vec![0; size];
        file.seek(SeekFrom::Start(end)).and_then(|_| file.read_exact(&mut encoded)).map_err(unreadable)?;
        let shape = [positive(2 * count, "no chunks")?];
        let places = index_chain()
            .decode(encoded.into(), &shape, &data_type::uint64(), &ABSENT.into(), &one_thread())
            .map_err(|error| damaged(error).at("index"))?;
        let places = u64::from_array_bytes(&data_type::uint64(), places).map_err(|error| damaged(error).at("index"))?;
        Ok(Self { file: Some(file), counts: counts.to_vec(), places, end })
    }

    /// A chunk as it is stored; `None`: all zeros.
    pub(super) fn chunk(&self, at: &[usize]) -> Result<Option<Vec<u8>>> {
        let Some(mut file) = self.file.as_ref() else { return Ok(None) };
        let place = at.iter().zip(&self.counts).fold(0, |place, (at, count)| place * count + at);
        let (offset, length) = (self.places[2 * place], self.places[2 * place + 1]);
        if (offset, length) == (ABSENT, ABSENT) {
            return Ok(None);
        }
        if offset.checked_add(length).is_none_or(|end| end > self.end) {
            let what = format!("chunk {at:?} lies at {offset} with {length} bytes, beyond the shard's {}", self.end);
            return Err(Error::format(what));
        }
        let mut bytes = vec![0; length as usize];
        file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes)).map_err(unreadable)?;
        Ok(Some(bytes))
    }
}

/// What an inner chunk goes through.
pub(super) fn bytes_codecs(size: usize) -> Result<Vec<Arc<dyn BytesToBytesCodecTraits>>> {
    let level = BloscCompressionLevel::try_from(5u8).map_err(|_| Error::unsupported("blosc has no level 5"))?;
    let blosc = BloscCodec::new(BloscCompressor::LZ4, level, None, BloscShuffleMode::Shuffle, Some(size));
    Ok(vec![Arc::new(blosc.map_err(damaged)?), Arc::new(Crc32cCodec::new())])
}

pub(super) fn chain(size: usize) -> Result<CodecChain> {
    Ok(CodecChain::new(vec![], Arc::new(BytesCodec::little()), bytes_codecs(size)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shard of four chunks whose index, checksum and all, names what is asked.
    fn shard(places: [u64; 8]) -> (tempfile::NamedTempFile, u64) {
        let index = encoded(&places).unwrap();
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
            assert!(index.chunk(&at).unwrap_err().message().contains("beyond the shard's 5"), "{at:?}");
        }
        assert!(Index::read(file.path(), bytes, &[3, 2]).is_err(), "another index, another checksum");
        assert!(Index::read(file.path(), 60, &[2, 2]).is_err());
        assert!(Index::read(file.path(), bytes, &[usize::MAX, 2]).is_err());
        assert!(Index::read(file.path(), 0, &[2, 2]).unwrap().chunk(&[1, 1]).unwrap().is_none());
    }
}
