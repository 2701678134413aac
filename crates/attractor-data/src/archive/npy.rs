//! NumPy's `.npy`: a dictionary in Python's notation, then the numbers.

use half::{bf16, f16};

pub use super::{Array, Text, Value, Whole};
use attractor::{Error, Result};
use attractor_record::Precision;

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy writes well below a kilobyte.
const LONGEST_HEADER: usize = 1 << 16;
/// More axes than anything here means.
const MOST_AXES: usize = 32;

/// The header of an `.npy` file (version 1.0) of little-endian 32-bit numbers in C order, padded to 64 bytes.
///
/// # Source
/// NEP 1, *A simple file format for NumPy arrays*.
pub fn header(shape: &[u64]) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(u64::to_string).collect();
    let tuple = if axes.len() == 1 { format!("({},)", axes[0]) } else { format!("({})", axes.join(", ")) };
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple}, }}");
    let prefix = 10;
    let length = (prefix + text.len() + 1).next_multiple_of(64) - prefix;
    text.extend(std::iter::repeat_n(' ', length - 1 - text.len()));
    text.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((length as u16).to_le_bytes());
    header.extend(text.into_bytes());
    header
}

/// True of the bytes of an `.npy` file.
pub fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The header's three entries.
#[derive(Debug, PartialEq)]
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

/// What a header promises, before any number is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// How many entries.
    pub count: u64,
    /// True if they are whole numbers or texts.
    pub beside: bool,
}

impl Promise {
    /// Bytes that the entries of a file of `size` bytes take once they are read: floating-point numbers as f32, whole ones as i64
    /// and texts each at most 32. A file holds no more entries than bytes, whatever its header says.
    pub fn bytes(self, size: u64) -> u64 {
        self.count.min(size).saturating_mul(if self.beside { 32 } else { 4 })
    }
}

/// Reads the header alone, from the first bytes of a file; `None` where there is none that is understood, which
/// [`read`] says why.
pub fn promise(bytes: &[u8]) -> Option<Promise> {
    let prefix = if *bytes.get(6)? == 1 { 10 } else { 12 };
    let length = bytes.get(8..prefix)?.iter().rev().fold(0usize, |all, &byte| all << 8 | usize::from(byte));
    let header = bytes.get(prefix..prefix.checked_add(length)?).filter(|_| is_npy(bytes))?;
    let header = parse_header(&String::from_utf8_lossy(header)).ok()?;
    let count = header.shape.iter().fold(1u64, |all, &axis| all.saturating_mul(axis as u64));
    let beside = header.descr.trim_start_matches(['<', '>', '|', '=']).starts_with(['i', 'u', 'b', 'U', 'S']);
    Some(Promise { count, beside })
}

/// Reads an array; `name` is for messages. Allocates no more than the numbers that are really there.
pub fn read(name: &str, bytes: &[u8]) -> Result<Value> {
    let bad = |what: String| Error::format(format!("{name}: {what}"));
    let version = *bytes.get(6).ok_or_else(|| bad("the file ends within its header".into()))?;
    if !is_npy(bytes) || !(1..=3).contains(&version) {
        return Err(bad("no .npy array of version 1 to 3".into()));
    }
    let prefix = if version == 1 { 10 } else { 12 };
    let length = bytes.get(8..prefix).ok_or_else(|| bad("the file ends within its header".into()))?;
    let length = length.iter().rev().fold(0usize, |all, &byte| all << 8 | usize::from(byte));
    if length > LONGEST_HEADER {
        return Err(bad(format!("a header of {length} bytes; at most {LONGEST_HEADER} are read")));
    }
    let header = bytes.get(prefix..prefix + length).ok_or_else(|| bad("the file ends within its header".into()))?;
    let header = parse_header(&String::from_utf8_lossy(header)).map_err(|what| bad(format!("the header {what}")))?;
    let data = &bytes[prefix + length..];

    let (big, code) = match header.descr.as_bytes() {
        [b'>', code @ ..] => (true, code),
        [b'<' | b'|' | b'=', code @ ..] => (false, code),
        code => (false, code),
    };
    let code = String::from_utf8_lossy(code).into_owned();
    let size = match code.as_str() {
        "f2" | "V2" | "i2" | "u2" => 2,
        "f4" | "i4" | "u4" => 4,
        "f8" | "i8" | "u8" => 8,
        "b1" | "i1" | "u1" => 1,
        "O" => {
            return Err(bad(
                "it holds Python objects, which only running code could restore; save numbers, arrays of several shapes each \
                 under its name: np.savez(path, **{f\"layer{i}\": a for i, a in enumerate(arrays)}), tokens as \
                 np.array(tokens, dtype=str)"
                    .into()
            ));
        }
        "c8" | "c16" | "c32" => {
            return Err(bad(format!(
                "it holds complex numbers ({:?}); save their real parts or their magnitudes",
                header.descr
            )));
        }
        text if text.starts_with(['U', 'S']) => match text[1..].parse::<usize>() {
            Ok(letters @ 1..=4096) => letters * if text.starts_with('U') { 4 } else { 1 },
            _ => return Err(bad(format!("the type {:?} is not understood", header.descr))),
        },
        _ => {
            return Err(bad(format!(
                "the type {:?} is not understood; save numbers as f2, f4 or f8 (bfloat16 as V2), or whole ones",
                header.descr
            )));
        }
    };
    let count = header.shape.iter().try_fold(1usize, |all, &axis| all.checked_mul(axis));
    let expected = count.and_then(|count| count.checked_mul(size));
    let Some((count, _)) = count.zip(expected).filter(|&(_, expected)| expected == data.len()) else {
        return Err(bad(format!(
            "the header promises {} of {:?}, that is {} bytes; {} follow: the file is truncated or its header is wrong",
            header.descr,
            header.shape,
            expected.map_or("more than 2^64".to_string(), |bytes| bytes.to_string()),
            data.len()
        )));
    };
    let ordered = |x: &[u8]| -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..x.len()].copy_from_slice(x);
        if big {
            bytes[..x.len()].reverse();
        }
        bytes
    };
    let bits = |x: &[u8]| u64::from_le_bytes(ordered(x));
    if code == "f8" {
        let wide = |x: &&[u8]| f64::from_bits(bits(x));
        let beyond = |x: &&[u8]| wide(x).is_finite() && !(wide(x) as f32).is_finite();
        if let Some((at, x)) = data.chunks_exact(size).enumerate().find(|(_, x)| beyond(x)) {
            return Err(bad(format!(
                "number {at} is {:e}, beyond what single precision holds (3.4e38); scale the numbers down",
                wide(&x)
            )));
        }
    }
    let floats = |convert: &dyn Fn(u64) -> f32, precision| {
        let data: Vec<f32> = data.chunks_exact(size).map(|x| convert(bits(x))).collect();
        let data = if header.fortran { transposed(&data, &header.shape) } else { data };
        Ok(Value::Floats(Array { shape: header.shape.clone(), data, precision }))
    };
    let whole = |convert: &dyn Fn(u64) -> i64| {
        let numbers: Vec<i64> = data.chunks_exact(size).map(|x| convert(bits(x))).collect();
        let numbers = if header.fortran { transposed(&numbers, &header.shape) } else { numbers };
        Ok(Value::Whole(Whole { shape: header.shape.clone(), numbers, bytes: code == "u1" }))
    };
    match code.as_str() {
        "f2" => floats(&|x| f16::from_bits(x as u16).to_f32(), Precision::F16),
        "V2" => floats(&|x| bf16::from_bits(x as u16).to_f32(), Precision::Bf16),
        "f4" => floats(&|x| f32::from_bits(x as u32), Precision::F32),
        "f8" => floats(&|x| f64::from_bits(x) as f32, Precision::F64),
        "i1" => whole(&|x| (x as i8).into()),
        "i2" => whole(&|x| (x as i16).into()),
        "i4" => whole(&|x| (x as i32).into()),
        "i8" => whole(&|x| x as i64),
        "b1" | "u1" | "u2" | "u4" => whole(&|x| x as i64),
        "u8" => whole(&|x| i64::try_from(x).unwrap_or(i64::MAX)),
        _ => {
            let letter = |x: &[u8]| char::from_u32(bits(x) as u32).filter(|&c| c != '\0');
            let text = |x: &[u8]| match code.starts_with('U') {
                true => x.chunks_exact(4).filter_map(letter).collect::<String>(),
                false => String::from_utf8_lossy(x).trim_end_matches('\0').to_string(),
            };
            debug_assert_eq!(count * size, data.len());
            let texts: Vec<String> = data.chunks_exact(size).map(text).collect();
            let texts = if header.fortran { transposed(&texts, &header.shape) } else { texts };
            Ok(Value::Text(Text { shape: header.shape, texts }))
        }
    }
}

/// From column-major to row-major.
fn transposed<T: Clone>(data: &[T], shape: &[usize]) -> Vec<T> {
    let mut at = vec![0usize; shape.len()];
    let mut strides = vec![1usize; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let mut rows = Vec::with_capacity(data.len());
    while rows.len() < data.len() {
        rows.push(data[at.iter().zip(&strides).map(|(i, stride)| i * stride).sum::<usize>()].clone());
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
    rows
}

/// Reads "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }".
fn parse_header(text: &str) -> std::result::Result<Header, String> {
    let after = |key: &str| {
        let quoted = [format!("'{key}'"), format!("\"{key}\"")];
        let rest = quoted.iter().find_map(|key| text.split_once(key.as_str())).map(|(_, rest)| rest.trim_start());
        rest.and_then(|rest| rest.strip_prefix(':')).map(str::trim_start).ok_or_else(|| format!("has no entry {key:?}"))
    };
    let descr = after("descr")?;
    let quote =
        descr.chars().next().filter(|c| ['\'', '"'].contains(c)).ok_or("describes a structure, no plain numbers")?;
    let descr = descr[1..].split_once(quote).map(|(descr, _)| descr.to_string()).ok_or("has an open string")?;
    let fortran = after("fortran_order")?;
    let fortran = match (fortran.starts_with("True"), fortran.starts_with("False")) {
        (true, _) => true,
        (_, true) => false,
        _ => return Err("has a fortran_order that is neither True nor False".into()),
    };
    let shape =
        after("shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or("has no tuple as shape")?.0;
    let axes = shape.split(',').map(str::trim).filter(|axis| !axis.is_empty());
    let shape: Vec<usize> = axes
        .map(|axis| axis.trim_end_matches('L').parse().map_err(|_| format!("has the axis {axis:?}")))
        .collect::<std::result::Result<_, _>>()?;
    match shape.len() <= MOST_AXES {
        true => Ok(Header { descr, fortran, shape }),
        false => Err(format!("has {} axes", shape.len())),
    }
}
