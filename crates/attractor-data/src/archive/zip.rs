//! As much of ZIP as NumPy writes: stored and deflated members, with and without 64-bit sizes.

use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use attractor::{Error, Result};

/// A member, not yet decompressed.
pub struct Member<'a> {
    /// Its name in the archive.
    pub name: String,
    method: u16,
    crc: u32,
    /// Size that the directory promises.
    size: u64,
    data: &'a [u8],
}

/// True of the bytes of a ZIP archive.
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte)))
}

/// Lists the members.
///
/// # Errors
/// `is_format` if the directory is torn or points outside the file.
pub fn members(bytes: &[u8]) -> Result<Vec<Member<'_>>> {
    listed(bytes)
        .ok_or_else(|| Error::format("the ZIP directory is damaged or points outside the file; save it again"))?
}

fn listed(bytes: &[u8]) -> Option<Result<Vec<Member<'_>>>> {
    // The end record is the last thing in the file, but for a comment of at most 64 KiB.
    let from = bytes.len().saturating_sub(22 + (1 << 16));
    let end = (from..=bytes.len().checked_sub(22)?).rev().find(|&at| &bytes[at..at + 4] == b"PK\x05\x06")?;
    let mut count = number(bytes, end + 10, 2)?;
    let mut start = number(bytes, end + 16, 4)?;
    if let Some(locator) = end.checked_sub(20).filter(|&at| &bytes[at..at + 4] == b"PK\x06\x07") {
        let end64 = usize::try_from(number(bytes, locator + 8, 8)?).ok()?;
        if bytes.get(end64..end64.checked_add(4)?)? == b"PK\x06\x06" {
            count = number(bytes, end64 + 32, 8)?;
            start = number(bytes, end64 + 48, 8)?;
        }
    }
    let mut at = usize::try_from(start).ok()?;
    let mut members = Vec::new();
    // An entry takes 46 bytes: no more than fit are ever read, whatever the count says.
    for _ in 0..count {
        if bytes.get(at..at.checked_add(4)?)? != b"PK\x01\x02" {
            return None;
        }
        let (flags, method, crc) = (number(bytes, at + 8, 2)?, number(bytes, at + 10, 2)?, number(bytes, at + 16, 4)?);
        let (mut packed, mut size) = (number(bytes, at + 20, 4)?, number(bytes, at + 24, 4)?);
        let [name, extra, comment] = [28, 30, 32].map(|field| number(bytes, at + field, 2));
        let (name, extra, comment) = (name? as usize, extra? as usize, comment? as usize);
        let mut offset = number(bytes, at + 42, 4)?;
        let text = String::from_utf8_lossy(bytes.get(at + 46..at + 46 + name)?).into_owned();
        let mut extras = bytes.get(at + 46 + name..at + 46 + name + extra)?;
        while let (Some(id), Some(length)) = (number(extras, 0, 2), number(extras, 2, 2)) {
            let field = extras.get(4..4 + length as usize)?;
            if id == 1 {
                let mut place = 0;
                for value in [&mut size, &mut packed, &mut offset] {
                    if *value == u64::from(u32::MAX) {
                        *value = number(field, place, 8)?;
                        place += 8;
                    }
                }
            }
            extras = &extras[4 + length as usize..];
        }
        at += 46 + name + extra + comment;
        if flags & 1 != 0 {
            return Some(Err(Error::format(format!("{text}: the member is encrypted; save it without a password"))));
        }
        let local = usize::try_from(offset).ok()?;
        if bytes.get(local..local.checked_add(4)?)? != b"PK\x03\x04" {
            return None;
        }
        let begin = local + 30 + number(bytes, local + 26, 2)? as usize + number(bytes, local + 28, 2)? as usize;
        let data = bytes.get(begin..begin.checked_add(usize::try_from(packed).ok()?)?)?;
        members.push(Member { name: text, method: method as u16, crc: crc as u32, size, data });
    }
    Some(Ok(members))
}

impl Member<'_> {
    /// Size that the directory promises, decompressed.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its first bytes, at most `length`; fewer where it ends or is damaged, which [`read`](Self::read) says.
    pub fn start(&self, length: usize) -> Vec<u8> {
        let mut start = Vec::new();
        let read = match self.method {
            8 => DeflateDecoder::new(self.data).take(length as u64).read_to_end(&mut start),
            _ => self.data.take(length as u64).read_to_end(&mut start),
        };
        // What came before the damage is the start all the same.
        let _ = read;
        start
    }

    /// Decompresses, up to `limit` bytes.
    ///
    /// # Errors
    /// `is_format` if it is torn or another size than promised, `is_budget` beyond the limit.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>> {
        let bad = |what: String| Error::format(format!("{}: {what}", self.name));
        if self.size > limit {
            return Err(Error::budget(format!(
                "{}: {} bytes when unpacked, {limit} are left of what an import may take; import fewer arrays or raise the \
                 memory budget",
                self.name, self.size
            )));
        }
        let bytes = match self.method {
            0 => self.data.to_vec(),
            8 => {
                // The buffer grows with what really comes out, never by what the directory promises.
                let mut unpacked = Vec::new();
                let read = DeflateDecoder::new(self.data).take(self.size.saturating_add(1)).read_to_end(&mut unpacked);
                read.map_err(|error| bad(format!("the compressed data is damaged: {error}")).because(error))?;
                unpacked
            }
            other => return Err(bad(format!("compressed by method {other}; stored and deflated members are read"))),
        };
        if bytes.len() as u64 != self.size {
            return Err(bad(format!("{} bytes, the directory says {}; the file is truncated", bytes.len(), self.size)));
        }
        let mut crc = Crc::new();
        crc.update(&bytes);
        match crc.sum() == self.crc {
            true => Ok(bytes),
            false => Err(bad("the checksum does not match; the file is damaged".to_string())),
        }
    }
}
