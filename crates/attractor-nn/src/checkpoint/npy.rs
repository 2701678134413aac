//! NumPy's .npy format: a magic number, a header that is a Python dictionary, the numbers.

use super::array::{Array, Dtype, elements, sizes};
use super::source::Source;
use attractor::{Error, Result};
use std::path::Path;

/// Longest header: the format's own first version allows no more.
const LONGEST: u64 = 65_535;

/// An opened .npy file.
#[derive(Debug)]
pub struct Npy {
    source: Source,
    dtype: Dtype,
    shape: Vec<usize>,
    begin: u64,
    count: u64,
}

impl Npy {
    /// Reads and checks the header.
    ///
    /// # Errors
    /// `is_format` for a file that is truncated or no .npy; `is_unsupported` for big-endian numbers, Fortran order and
    /// formats other than floats and integers.
    pub fn open(path: &Path) -> Result<Self> {
        let source = Source::open(path)?;
        let start = source.read(0, source.length().min(12), "the first bytes")?;
        if start.len() < 12 || !start.starts_with(b"\x93NUMPY") {
            return Err(source.format("expected a .npy file, got one of another kind or a truncated one"));
        }
        let (skip, length) = match start[6] {
            1 => (10, u64::from(u16::from_le_bytes([start[8], start[9]]))),
            2 | 3 => (12, u64::from(u32::from_le_bytes([start[8], start[9], start[10], start[11]]))),
            other => return Err(source.format(format_args!("expected version 1 to 3 of .npy, got {other}"))),
        };
        if length > LONGEST {
            return Err(source.format(format_args!("expected a header of at most {LONGEST} bytes, got {length}")));
        }
        let header = source.read(skip, length, "the header")?;
        let header =
            std::str::from_utf8(&header).map_err(|e| source.format("the .npy header is not text").because(e))?;
        let wrong = |what: &str| {
            source.format(format_args!(
                "the .npy header does not say {what}: {:?}",
                header.chars().take(80).collect::<String>()
            ))
        };
        let descr = field(header, "descr").and_then(quoted).ok_or_else(|| wrong("the number format (descr)"))?;
        let unsupported = |what: String| Error::unsupported(format!("{}: {what}", source.path().display()));
        let dtype = match descr {
            "<f8" => Dtype::F64,
            "<f4" => Dtype::F32,
            "<f2" => Dtype::F16,
            "<i8" => Dtype::I64,
            "<i4" => Dtype::I32,
            "<i2" => Dtype::I16,
            "|i1" => Dtype::I8,
            "|u1" => Dtype::U8,
            "|b1" => Dtype::Bool,
            other => {
                return Err(unsupported(format!(
                    "numbers of the format {other:?} are not read; little-endian f2, f4, f8, i1, i2, i4, i8 and u1 are: \
                     convert with .astype(...)"
                )));
            }
        };
        match field(header, "fortran_order") {
            Some(rest) if rest.starts_with("False") => {}
            Some(_) => return Err(unsupported("Fortran order is not read; save numpy.ascontiguousarray(x)".into())),
            None => return Err(wrong("the order (fortran_order)")),
        }
        let inside = field(header, "shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
        let (axes, _) = inside.ok_or_else(|| wrong("the shape"))?;
        let axes = axes.split(',').map(str::trim).filter(|axis| !axis.is_empty());
        let shape: Vec<u64> =
            axes.map(str::parse).collect::<std::result::Result<_, _>>().map_err(|e| wrong("the shape").because(e))?;
        let begin = skip + length;
        let room = source.length() - begin;
        let bytes = elements(&shape).and_then(|n| n.checked_mul(dtype.bytes() as u64));
        let (Some(count), Some(small)) = (bytes.filter(|&bytes| bytes == room), sizes(&shape)) else {
            return Err(source.format(format_args!(
                "shape {shape:?} of {descr} does not fit the {room} bytes after the header; the file is truncated or \
                 damaged"
            )));
        };
        Ok(Self { source, dtype, shape: small, begin, count })
    }

    /// The numbers as f32.
    ///
    /// # Errors
    /// `is_non_finite` for NaN or infinity.
    pub fn array(&self) -> Result<Array> {
        let bytes = self.source.read(self.begin, self.count, "the numbers")?;
        let array = Array { shape: self.shape.clone(), values: self.dtype.to_f32(&bytes) };
        array.finite(self.source.path().display())
    }

    /// Shape and numbers of a file of integers.
    ///
    /// # Errors
    /// `is_format` if the numbers are floats.
    pub fn integers(&self) -> Result<(Vec<usize>, Vec<i64>)> {
        if self.dtype.is_float() {
            return Err(self
                .source
                .format(format_args!("expected integers, got {}; save x.astype('int64')", self.dtype.name())));
        }
        let bytes = self.source.read(self.begin, self.count, "the numbers")?;
        Ok((self.shape.clone(), self.dtype.to_i64(&bytes)))
    }
}

/// What follows `'name':` in the header.
fn field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{name}'"))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(rest: &str) -> Option<&str> {
    rest.strip_prefix('\'')?.split_once('\'').map(|(text, _)| text)
}
