//! The directory of a zip archive, as far as torch uses it: entries that are stored, not compressed.
//!
//! Refusing compression is a decision: torch.save never compresses, and what is stored cannot unfold beyond the file.

use super::source::Source;
use attractor::{Error, Result};
use std::collections::BTreeMap;

/// An entry: where its local header lies and how long it is.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    header: u64,
    name_bytes: usize,
    /// Bytes of the entry.
    pub(super) length: u64,
    method: u16,
    flags: u16,
    checksum: u32,
}

/// Reads the directory at the end of the file.
pub(super) fn directory(source: &Source) -> Result<BTreeMap<String, Entry>> {
    let (offset, length, count) = end_record(source)?;
    let bytes = source.read(offset, length, "the zip directory")?;
    let torn = || source.format("the zip directory is damaged; the file is truncated or no torch file: fetch it again");
    let mut entries = BTreeMap::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        if rest.len() < 46 || number(rest, 0, 4) != 0x0201_4b50 {
            return Err(torn());
        }
        let (name_bytes, extra_bytes) = (number(rest, 28, 2) as usize, number(rest, 30, 2) as usize);
        let end = 46 + name_bytes + extra_bytes + number(rest, 32, 2) as usize;
        if rest.len() < end {
            return Err(torn());
        }
        let name = std::str::from_utf8(&rest[46..46 + name_bytes]).map_err(|e| torn().because(e))?.to_owned();
        let (mut packed, mut length, mut header) = (number(rest, 20, 4), number(rest, 24, 4), number(rest, 42, 4));
        // Sizes beyond 32 bits lie in an extra field, those that need it, in this order.
        let mut extra = &rest[46 + name_bytes..46 + name_bytes + extra_bytes];
        while extra.len() >= 4 {
            let (id, size) = (number(extra, 0, 2), number(extra, 2, 2) as usize);
            let Some(mut field) = extra.get(4..4 + size) else { return Err(torn()) };
            if id == 1 {
                for value in [&mut length, &mut packed, &mut header] {
                    if *value == u64::from(u32::MAX) {
                        if field.len() < 8 {
                            return Err(torn());
                        }
                        *value = number(field, 0, 8);
                        field = &field[8..];
                    }
                }
            }
            extra = &extra[4 + size..];
        }
        let method = number(rest, 10, 2) as u16;
        if method == 0 && packed != length {
            return Err(torn());
        }
        let entry = Entry {
            header,
            name_bytes,
            length,
            method,
            flags: number(rest, 8, 2) as u16,
            checksum: number(rest, 16, 4) as u32,
        };
        if entries.insert(name.clone(), entry).is_some() {
            return Err(source.format(format_args!("the archive holds two entries named {name:?}")));
        }
        rest = &rest[end..];
    }
    if entries.len() as u64 != count {
        return Err(torn());
    }
    Ok(entries)
}

/// Offset, length and number of entries of the directory.
fn end_record(source: &Source) -> Result<(u64, u64, u64)> {
    const RECORD: usize = 22;
    let tail_length = source.length().min((RECORD + 65_535) as u64);
    let tail_start = source.length() - tail_length;
    let tail = source.read(tail_start, tail_length, "the end of the archive")?;
    let found = (0..tail.len().saturating_sub(RECORD - 1))
        .rev()
        .find(|&at| {
            number(&tail, at, 4) == 0x0605_4b50 && at + RECORD + number(&tail, at + 20, 2) as usize == tail.len()
        })
        .ok_or_else(|| {
            source.format(
                "the file begins like a torch archive (zip) but has no directory at its end; it is truncated: fetch it \
                 again",
            )
        })?;
    let short = (number(&tail, found + 16, 4), number(&tail, found + 12, 4), number(&tail, found + 10, 2));
    // A locator right before it leads to the record with 64-bit numbers.
    if found < 20 || number(&tail, found - 20, 4) != 0x0706_4b50 {
        return Ok(short);
    }
    let record = source.read(number(&tail, found - 12, 8), 56, "the zip directory's record")?;
    if number(&record, 0, 4) != 0x0606_4b50 {
        return Err(source.format("the zip directory's record is damaged; fetch the file again"));
    }
    Ok((number(&record, 48, 8), number(&record, 40, 8), number(&record, 32, 8)))
}

impl Entry {
    /// Where the entry's bytes begin in the file; they are checked to lie inside it.
    pub(super) fn begin(&self, source: &Source, name: &str) -> Result<u64> {
        if self.method != 0 || self.flags & 1 != 0 {
            return Err(Error::unsupported(format!(
                "{}: the entry {name} is compressed or encrypted (method {}), which torch never does; save the state \
                 dict again with torch.save",
                source.path().display(),
                self.method
            )));
        }
        let local = source.read(self.header, 30, name)?;
        if number(&local, 0, 4) != 0x0403_4b50 || number(&local, 26, 2) as usize != self.name_bytes {
            return Err(
                source.format(format_args!("the entry {name} is not where the zip directory says; fetch it again"))
            );
        }
        let begin = self.header + 30 + number(&local, 26, 2) + number(&local, 28, 2);
        if begin.checked_add(self.length).is_none_or(|end| end > source.length()) {
            return Err(source.format(format_args!(
                "the entry {name} claims {} bytes at byte {begin}, but the file has {}; it is truncated: fetch it again",
                self.length,
                source.length()
            )));
        }
        Ok(begin)
    }

    /// True if the bytes have the checksum that the directory gives (0: none was written).
    pub(super) fn is_intact(&self, bytes: &[u8]) -> bool {
        self.checksum == 0 || self.checksum == crc32(bytes)
    }
}

/// A little-endian number of `count` bytes.
fn number(bytes: &[u8], at: usize, count: usize) -> u64 {
    bytes[at..at + count].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// CRC-32 as zip uses it. Bit by bit: only a few hundred kilobytes pass through it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}
