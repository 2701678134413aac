//! IDX, the format of MNIST: two zeros, a type, the number of axes, their lengths (big-endian), the numbers.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::{Levels, MOST_BYTES, Samples};
use attractor::{Error, Result};

/// Unpacks gzip.
pub(super) fn unpacked(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(MOST_BYTES + 1).read_to_end(&mut data);
    read.map_err(|error| Error::format(format!("the gzip stream is truncated or damaged: {error}")).because(error))?;
    match data.len() as u64 <= MOST_BYTES {
        true if data.starts_with(&[0x1F, 0x8B]) => Err(Error::format("is gzipped twice; unpack it once")),
        true => Ok(data),
        false => Err(Error::budget(format!("unpacks to more than {MOST_BYTES} bytes"))),
    }
}

/// Reads an array; the first axis counts rows.
pub(super) fn read(bytes: &[u8]) -> Result<Samples> {
    let torn = || Error::format("the IDX file ends within its header");
    let [_, _, code, axes, ..] = *bytes else { return Err(torn()) };
    let axes = usize::from(axes);
    if !matches!(code, 8 | 9 | 11..=14) || !(1..=4).contains(&axes) {
        return Err(Error::format(format!(
            "begins as IDX does, with the type byte 0x{code:02x} and {axes} axes; types are 08, 09 and 0b to 0e, axes 1 to 4: \
             the file is not IDX, or its header is wrong"
        )));
    }
    let header = bytes.get(4..4 + 4 * axes).ok_or_else(torn)?;
    let shape: Vec<usize> = header.as_chunks::<4>().0.iter().map(|&x| u32::from_be_bytes(x) as usize).collect();
    let data = &bytes[4 + 4 * axes..];
    let size = match code {
        8 | 9 => 1,
        11 => 2,
        12 | 13 => 4,
        _ => 8,
    };
    let promised = shape.iter().try_fold(size, |all: usize, &axis| all.checked_mul(axis));
    if promised != Some(data.len()) {
        return Err(Error::format(format!(
            "the IDX header promises {shape:?} numbers of {size} bytes, that is {} bytes; {} follow: the file is truncated or \
             its header is wrong",
            promised.map_or("more than 2^64".to_string(), |bytes| bytes.to_string()),
            data.len()
        )));
    }
    let [count, rest @ ..] = &shape[..] else { return Err(torn()) };
    let image = match rest {
        [] => {
            return Err(Error::format(format!(
                "{count} single numbers: these are labels; name the file of the images"
            )));
        }
        [down, across] => Some((*down, *across)),
        _ => None,
    };
    let values: Vec<f32> = match code {
        8 => data.iter().map(|&x| f32::from(x)).collect(),
        9 => data.iter().map(|&x| f32::from(x as i8)).collect(),
        11 => data.as_chunks().0.iter().map(|&x| f32::from(i16::from_be_bytes(x))).collect(),
        12 => data.as_chunks().0.iter().map(|&x| i32::from_be_bytes(x) as f32).collect(),
        13 => data.as_chunks().0.iter().map(|&x| f32::from_be_bytes(x)).collect(),
        _ => data.as_chunks().0.iter().map(|&x| f64::from_be_bytes(x) as f32).collect(),
    };
    // A NaN or an infinity of the file's own is told by its row.
    let beyond = |x: &[u8; 8]| f64::from_be_bytes(*x).is_finite() && !(f64::from_be_bytes(*x) as f32).is_finite();
    if code == 14
        && let Some(at) = data.as_chunks().0.iter().position(beyond)
    {
        return Err(Error::format(format!(
            "number {at} lies beyond what single precision holds (3.4e38); scale the numbers down"
        )));
    }
    let levels = if code == 8 { Levels::Bytes } else { Levels::Numbers };
    Ok(Samples { levels, ..Samples::new(*count, values, image)? })
}
