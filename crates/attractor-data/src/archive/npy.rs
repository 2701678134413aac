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
#[derive(Debug, Clone, PartialEq)]
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

/// Makes a number of its bits.
type OfBits = fn(u64) -> f32;

/// How the numbers of an array are written.
#[derive(Debug, Clone, PartialEq)]
struct Form {
    /// Type and size, as NumPy names them: "f4".
    code: String,
    big: bool,
    /// Bytes of a number or text.
    size: usize,
}

/// What stands before the numbers.
#[derive(Debug, Clone, PartialEq)]
struct Begun {
    form: Form,
    header: Header,
    /// Number of entries.
    count: usize,
    /// Byte of the first.
    at: usize,
}

/// Reads the header from the first bytes of an array of `length` bytes.
fn begun(name: &str, bytes: &[u8], length: u64) -> Result<Begun> {
    let bad = |what: String| Error::format(format!("{name}: {what}"));
    let version = *bytes.get(6).ok_or_else(|| bad("the file ends within its header".into()))?;
    if !is_npy(bytes) || !(1..=3).contains(&version) {
        return Err(bad("no .npy array of version 1 to 3".into()));
    }
    let prefix = if version == 1 { 10 } else { 12 };
    let size = bytes.get(8..prefix).ok_or_else(|| bad("the file ends within its header".into()))?;
    let size = size.iter().rev().fold(0usize, |all, &byte| all << 8 | usize::from(byte));
    if size > LONGEST_HEADER {
        return Err(bad(format!("a header of {size} bytes; at most {LONGEST_HEADER} are read")));
    }
    let header = bytes.get(prefix..prefix + size).ok_or_else(|| bad("the file ends within its header".into()))?;
    let header = parse_header(&String::from_utf8_lossy(header)).map_err(|what| bad(format!("the header {what}")))?;
    let at = prefix + size;
    let form = Form::of(&header.descr).map_err(bad)?;
    let count = header.shape.iter().try_fold(1usize, |all, &axis| all.checked_mul(axis));
    let expected = count.and_then(|count| count.checked_mul(form.size));
    let there = length.saturating_sub(at as u64);
    match count.zip(expected).filter(|&(_, expected)| expected as u64 == there) {
        Some((count, _)) => Ok(Begun { form, header, count, at }),
        None => Err(bad(format!(
            "the header promises {} of {:?}, that is {} bytes; {there} follow: the file is truncated or its header is wrong",
            header.descr,
            header.shape,
            expected.map_or("more than 2^64".to_string(), |bytes| bytes.to_string()),
        ))),
    }
}

impl Form {
    fn of(descr: &str) -> std::result::Result<Self, String> {
        let (big, code) = match descr.as_bytes() {
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
                return Err(
                    "it holds Python objects, which only running code could restore; save numbers, arrays of several shapes \
                     each under its name: np.savez(path, **{f\"layer{i}\": a for i, a in enumerate(arrays)}), tokens as \
                     np.array(tokens, dtype=str)"
                        .into(),
                );
            }
            "c8" | "c16" | "c32" => {
                return Err(format!("it holds complex numbers ({descr:?}); save their real parts or their magnitudes"));
            }
            text if text.starts_with(['U', 'S']) => match text[1..].parse::<usize>() {
                Ok(letters @ 1..=4096) => letters * if text.starts_with('U') { 4 } else { 1 },
                _ => return Err(format!("the type {descr:?} is not understood")),
            },
            _ => {
                return Err(format!(
                    "the type {descr:?} is not understood; save numbers as f2, f4 or f8 (bfloat16 as V2), or whole ones"
                ));
            }
        };
        Ok(Self { code, big, size })
    }

    /// The bits of an entry of at most eight bytes.
    fn bits(&self, x: &[u8]) -> u64 {
        let mut bytes = [0; 8];
        bytes[..x.len()].copy_from_slice(x);
        if self.big {
            bytes[..x.len()].reverse();
        }
        u64::from_le_bytes(bytes)
    }

    /// The precision of floating-point numbers, and how their bits become one; `None` for whole numbers and texts.
    fn floats(&self) -> Option<(Precision, OfBits)> {
        Some(match self.code.as_str() {
            "f2" => (Precision::F16, |x| f16::from_bits(x as u16).to_f32()),
            "V2" => (Precision::Bf16, |x| bf16::from_bits(x as u16).to_f32()),
            "f4" => (Precision::F32, |x| f32::from_bits(x as u32)),
            "f8" => (Precision::F64, |x| f64::from_bits(x) as f32),
            _ => return None,
        })
    }
}

/// Floating-point numbers that come in pieces of bytes.
#[derive(Debug, Clone)]
pub struct Floats {
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// True if the first axis is the fastest.
    pub fortran: bool,
    /// Precision in the file.
    pub precision: Precision,
    form: Form,
    convert: OfBits,
    /// Bytes of the header that are still to come.
    header: usize,
    /// The beginning of a number whose end is still to come.
    torn: Vec<u8>,
    done: usize,
}

impl Floats {
    /// Those of an array of `length` bytes that begins with `start`; `None`: it holds whole numbers or texts.
    ///
    /// # Errors
    /// `is_format` for a header that is not understood, or promises other numbers than there are.
    pub fn begun(name: &str, start: &[u8], length: u64) -> Result<Option<Self>> {
        let Begun { form, header, at, .. } = begun(name, start, length)?;
        let Some((precision, convert)) = form.floats() else { return Ok(None) };
        let Header { shape, fortran, .. } = header;
        Ok(Some(Self { shape, fortran, precision, form, convert, header: at, torn: Vec::new(), done: 0 }))
    }

    /// Bare little-endian numbers of this precision, row-major.
    pub fn bare(shape: Vec<usize>, precision: Precision) -> Self {
        let (code, size) = match precision {
            Precision::F16 => ("f2", 2),
            Precision::Bf16 => ("V2", 2),
            Precision::F32 => ("f4", 4),
            Precision::F64 => ("f8", 8),
        };
        let form = Form { code: code.into(), big: false, size };
        let convert = form.floats().map_or((|_| f32::NAN) as OfBits, |(_, convert)| convert);
        Self { shape, fortran: false, precision, form, convert, header: 0, torn: Vec::new(), done: 0 }
    }

    /// Puts the numbers that end in these bytes behind `into`.
    ///
    /// # Errors
    /// `is_format` for a number beyond single precision.
    pub fn push(&mut self, name: &str, bytes: &[u8], into: &mut Vec<f32>) -> Result<()> {
        let skipped = self.header.min(bytes.len());
        self.header -= skipped;
        let mut bytes = &bytes[skipped..];
        let size = self.form.size;
        if !self.torn.is_empty() {
            let (end, rest) = bytes.split_at(bytes.len().min(size - self.torn.len()));
            self.torn.extend_from_slice(end);
            bytes = rest;
            if self.torn.len() < size {
                return Ok(());
            }
            let whole = std::mem::take(&mut self.torn);
            self.add(name, &whole, into)?;
        }
        let whole = bytes.len() / size * size;
        self.add(name, &bytes[..whole], into)?;
        self.torn.extend_from_slice(&bytes[whole..]);
        Ok(())
    }

    fn add(&mut self, name: &str, bytes: &[u8], into: &mut Vec<f32>) -> Result<()> {
        let before = into.len();
        if self.form.code == "f4" && !self.form.big {
            into.extend(bytes.as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)));
        } else {
            into.extend(bytes.chunks_exact(self.form.size).map(|x| (self.convert)(self.form.bits(x))));
        }
        if self.form.code == "f8" {
            let wide = bytes.chunks_exact(8).map(|x| f64::from_bits(self.form.bits(x)));
            let beyond =
                wide.zip(&into[before..]).enumerate().find(|(_, (wide, x))| wide.is_finite() && !x.is_finite());
            if let Some((at, (wide, _))) = beyond {
                return Err(Error::format(format!(
                    "{name}: number {} is {wide:e}, beyond what single precision holds (3.4e38); scale the numbers down",
                    self.done + at
                )));
            }
        }
        self.done += into.len() - before;
        Ok(())
    }
}

/// Reads an array; `name` is for messages. Allocates no more than the numbers that are really there.
pub fn read(name: &str, bytes: &[u8]) -> Result<Value> {
    let Begun { form, header, count, at } = begun(name, bytes, bytes.len() as u64)?;
    let data = &bytes[at..];
    let (code, size) = (form.code.as_str(), form.size);
    if let Some(mut floats) = Floats::begun(name, bytes, bytes.len() as u64)? {
        let mut data = Vec::with_capacity(count);
        floats.push(name, bytes, &mut data)?;
        let data = if header.fortran { transposed(&data, &header.shape) } else { data };
        return Ok(Value::Floats(Array { shape: header.shape, data, precision: floats.precision }));
    }
    let whole = |convert: &dyn Fn(u64) -> i64| {
        let numbers: Vec<i64> = data.chunks_exact(size).map(|x| convert(form.bits(x))).collect();
        let numbers = if header.fortran { transposed(&numbers, &header.shape) } else { numbers };
        Ok(Value::Whole(Whole { shape: header.shape.clone(), numbers, bytes: code == "u1" }))
    };
    match code {
        "i1" => whole(&|x| (x as i8).into()),
        "i2" => whole(&|x| (x as i16).into()),
        "i4" => whole(&|x| (x as i32).into()),
        "i8" => whole(&|x| x as i64),
        "b1" | "u1" | "u2" | "u4" => whole(&|x| x as i64),
        "u8" => whole(&|x| i64::try_from(x).unwrap_or(i64::MAX)),
        _ => {
            let letter = |x: &[u8]| char::from_u32(form.bits(x) as u32).filter(|&c| c != '\0');
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
