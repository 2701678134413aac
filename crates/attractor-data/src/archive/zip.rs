//! As much of ZIP as NumPy and torch write: stored and deflated members, with and without 64-bit sizes.
//!
//! The directory is read; members are read when they are asked for, whole or a piece at a time.

use std::io::{Cursor, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use attractor::{Error, Result};

/// Bytes that are handed on at once.
const PIECE: usize = 1 << 20;

/// A member, not yet decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name in the archive.
    pub name: String,
    method: u16,
    crc: u32,
    /// Size that the directory promises.
    size: u64,
    /// Where its data lie in the file.
    begin: u64,
    packed: u64,
}

impl Member {
    /// Size that the directory promises, decompressed.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// True of the bytes of a ZIP archive.
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte)))
}

/// An archive, by the file that it lies in.
#[derive(Debug)]
pub struct Archive<R> {
    file: R,
    length: u64,
    members: Vec<Member>,
}

impl<'a> Archive<Cursor<&'a [u8]>> {
    /// An archive in memory.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn of(bytes: &'a [u8]) -> Result<Self> {
        Self::open(Cursor::new(bytes))
    }
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory.
    ///
    /// # Errors
    /// `is_format` if it is torn or points outside the file, `is_io` if the file cannot be read.
    pub fn open(mut file: R) -> Result<Self> {
        let length = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
        let mut archive = Self { file, length, members: Vec::new() };
        archive.members = archive
            .listed()?
            .ok_or_else(|| Error::format("the ZIP directory is damaged or points outside the file; save it again"))?;
        Ok(archive)
    }

    /// The members, as the directory lists them.
    pub fn members(&self) -> Vec<Member> {
        self.members.clone()
    }

    /// Bytes of the file; `None` where they lie outside it.
    fn bytes(&mut self, at: u64, count: u64) -> Result<Option<Vec<u8>>> {
        if at.checked_add(count).is_none_or(|end| end > self.length) {
            return Ok(None);
        }
        let mut bytes = vec![0; count as usize];
        self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut bytes)).map_err(unreadable)?;
        Ok(Some(bytes))
    }

    fn listed(&mut self) -> Result<Option<Vec<Member>>> {
        // The end record is the last thing in the file, but for a comment of at most 64 KiB.
        let from = self.length.saturating_sub(22 + (1 << 16));
        let Some(tail) = self.bytes(from, self.length - from)? else { return Ok(None) };
        let Some((count, start, end)) = ended(&tail) else { return Ok(None) };
        let (mut count, mut start, mut end) = (count, start, from + end as u64);
        if let Some(at) = end.checked_sub(20)
            && let Some(locator) = self.bytes(at, 20)?.filter(|locator| locator.starts_with(b"PK\x06\x07"))
            && let Some(place) = number(&locator, 8, 8)
            && let Some(record) = self.bytes(place, 56)?.filter(|record| record.starts_with(b"PK\x06\x06"))
        {
            (count, start, end) = match (number(&record, 32, 8), number(&record, 48, 8)) {
                (Some(count), Some(start)) => (count, start, place),
                _ => return Ok(None),
            };
        }
        let Some(directory) = end.checked_sub(start) else { return Ok(None) };
        let Some(directory) = self.bytes(start, directory)? else { return Ok(None) };
        let mut at = 0;
        let mut members = Vec::new();
        // An entry takes 46 bytes: no more than fit are ever read, whatever the count says.
        for _ in 0..count {
            let Some((mut member, flags, next)) = entry(&directory, at) else { return Ok(None) };
            if flags & 1 != 0 {
                let why = format!("{}: the member is encrypted; save it without a password", member.name);
                return Err(Error::format(why));
            }
            let Some(local) = self.bytes(member.begin, 30)?.filter(|local| local.starts_with(b"PK\x03\x04")) else {
                return Ok(None);
            };
            let [name, extra] = [26, 28].map(|field| number(&local, field, 2).unwrap_or(0));
            member.begin += 30 + name + extra;
            if member.begin.checked_add(member.packed).is_none_or(|end| end > self.length) {
                return Ok(None);
            }
            members.push(member);
            at = next;
        }
        Ok(Some(members))
    }

    /// Its first bytes, at most `length`; fewer where it ends or is damaged, which [`read`](Self::read) says.
    pub fn start(&mut self, member: &Member, length: usize) -> Vec<u8> {
        let mut start = Vec::new();
        let packed = match self.file.seek(SeekFrom::Start(member.begin)) {
            Ok(_) => (&mut self.file).take(member.packed),
            Err(_) => return start,
        };
        let read = match member.method {
            8 => DeflateDecoder::new(packed).take(length as u64).read_to_end(&mut start),
            _ => packed.take(length as u64).read_to_end(&mut start),
        };
        // What came before the damage is the start all the same.
        let _ = read;
        start
    }

    /// Decompresses it a piece at a time, which `take` gets in order.
    ///
    /// # Errors
    /// `is_format` if it is torn or another size than promised; what `take` answers.
    pub fn stream(&mut self, member: &Member, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let bad = |what: String| Error::format(format!("{}: {what}", member.name));
        self.file.seek(SeekFrom::Start(member.begin)).map_err(unreadable)?;
        let packed = (&mut self.file).take(member.packed);
        let mut unpacked: Box<dyn Read + '_> = match member.method {
            0 => Box::new(packed),
            8 => Box::new(DeflateDecoder::new(packed)),
            other => return Err(bad(format!("compressed by method {other}; stored and deflated members are read"))),
        };
        let (mut piece, mut crc, mut size) = (vec![0; PIECE], Crc::new(), 0);
        loop {
            let read = unpacked.read(&mut piece);
            let read = read.map_err(|error| bad(format!("the compressed data is damaged: {error}")).because(error))?;
            size += read as u64;
            if read == 0 || size > member.size {
                break;
            }
            crc.update(&piece[..read]);
            take(&piece[..read])?;
        }
        if size != member.size {
            let size = if size > member.size { "more".to_string() } else { size.to_string() };
            return Err(bad(format!("{size} bytes, the directory says {}; the file is truncated", member.size)));
        }
        match crc.sum() == member.crc {
            true => Ok(()),
            false => Err(bad("the checksum does not match; the file is damaged".to_string())),
        }
    }

    /// Decompresses it, up to `limit` bytes.
    ///
    /// # Errors
    /// As [`stream`](Self::stream); `is_budget` beyond the limit.
    pub fn read(&mut self, member: &Member, limit: u64) -> Result<Vec<u8>> {
        if member.size > limit {
            return Err(Error::budget(format!(
                "{}: {} bytes when unpacked, {limit} are left of what an import may take; import fewer arrays or raise the \
                 memory budget",
                member.name, member.size
            )));
        }
        // The buffer grows with what really comes out, never by what the directory promises.
        let mut bytes = Vec::new();
        self.stream(member, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::io(format!("the archive cannot be read: {error}")).because(error)
}

/// Number of members and first byte of the directory, by the end record, and where that stands among these last bytes.
fn ended(tail: &[u8]) -> Option<(u64, u64, usize)> {
    let end = (0..=tail.len().checked_sub(22)?).rev().find(|&at| &tail[at..at + 4] == b"PK\x05\x06")?;
    Some((number(tail, end + 10, 2)?, number(tail, end + 16, 4)?, end))
}

/// The member that an entry of the directory describes, where its local header stands for its data yet; its flags; the next entry.
fn entry(directory: &[u8], at: usize) -> Option<(Member, u64, usize)> {
    if directory.get(at..at.checked_add(4)?)? != b"PK\x01\x02" {
        return None;
    }
    let field = |from: usize, size: usize| number(directory, at + from, size);
    let (flags, method, crc) = (field(8, 2)?, field(10, 2)?, field(16, 4)?);
    let (mut packed, mut size) = (field(20, 4)?, field(24, 4)?);
    let (name, extra, comment) = (field(28, 2)? as usize, field(30, 2)? as usize, field(32, 2)? as usize);
    let mut begin = field(42, 4)?;
    let text = String::from_utf8_lossy(directory.get(at + 46..at + 46 + name)?).into_owned();
    let mut extras = directory.get(at + 46 + name..at + 46 + name + extra)?;
    while let (Some(id), Some(length)) = (number(extras, 0, 2), number(extras, 2, 2)) {
        let field = extras.get(4..4 + length as usize)?;
        if id == 1 {
            let mut place = 0;
            for value in [&mut size, &mut packed, &mut begin] {
                if *value == u64::from(u32::MAX) {
                    *value = number(field, place, 8)?;
                    place += 8;
                }
            }
        }
        extras = &extras[4 + length as usize..];
    }
    let member = Member { name: text, method: method as u16, crc: crc as u32, size, begin, packed };
    Some((member, flags, at + 46 + name + extra + comment))
}
