//! Tensors as they come out of a file: a shape, a number format, and f32 values.

use attractor::{Error, Result};
use half::{bf16, f16};

/// A tensor in memory, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Length of every axis; empty: a single number.
    pub shape: Vec<usize>,
    /// The values, the last axis fastest.
    pub values: Vec<f32>,
}

/// How the numbers of a stored tensor are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an f32.
    BF16,
    /// Signed 64-bit integer.
    I64,
    /// Signed 32-bit integer.
    I32,
    /// Signed 16-bit integer.
    I16,
    /// Signed byte.
    I8,
    /// Unsigned byte.
    U8,
    /// One byte, 0 or 1.
    Bool,
    /// 8-bit float of 4 exponent and 3 mantissa bits without infinities (OCP E4M3FN).
    F8E4M3,
    /// 8-bit float of 5 exponent and 2 mantissa bits.
    F8E5M2,
}

impl Dtype {
    /// Bytes a number takes.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 => 8,
            Dtype::F32 | Dtype::I32 => 4,
            Dtype::F16 | Dtype::BF16 | Dtype::I16 => 2,
            Dtype::I8 | Dtype::U8 | Dtype::Bool | Dtype::F8E4M3 | Dtype::F8E5M2 => 1,
        }
    }

    /// True for the formats that weights are kept in as they are: eight bits need a scale.
    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16)
    }

    /// The name as safetensors writes it.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F64 => "F64",
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            Dtype::BF16 => "BF16",
            Dtype::I64 => "I64",
            Dtype::I32 => "I32",
            Dtype::I16 => "I16",
            Dtype::I8 => "I8",
            Dtype::U8 => "U8",
            Dtype::Bool => "BOOL",
            Dtype::F8E4M3 => "F8_E4M3",
            Dtype::F8E5M2 => "F8_E5M2",
        }
    }

    /// Little-endian bytes to f32; a double beyond f32's range becomes infinite and is then found as such.
    pub(crate) fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Dtype::F32 => each(bytes, f32::from_le_bytes),
            Dtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::F8E4M3 => bytes.iter().map(|&byte| e4m3(byte)).collect(),
            // The upper byte of a half.
            Dtype::F8E5M2 => bytes.iter().map(|&byte| f16::from_bits(u16::from(byte) << 8).to_f32()).collect(),
            _ => self.to_i64(bytes).into_iter().map(|v| v as f32).collect(),
        }
    }

    /// Little-endian bytes to integers; floats are cut off (callers refuse them first).
    pub(crate) fn to_i64(self, bytes: &[u8]) -> Vec<i64> {
        match self {
            Dtype::I64 => each(bytes, i64::from_le_bytes),
            Dtype::I32 => each(bytes, |b| i64::from(i32::from_le_bytes(b))),
            Dtype::I16 => each(bytes, |b| i64::from(i16::from_le_bytes(b))),
            Dtype::I8 => each(bytes, |b| i64::from(i8::from_le_bytes(b))),
            Dtype::U8 | Dtype::Bool => bytes.iter().map(|&b| i64::from(b)).collect(),
            _ => self.to_f32(bytes).into_iter().map(|v| v as i64).collect(),
        }
    }
}

/// OCP E4M3FN: bias 7, subnormals of 2^-9, 0x7f and 0xff are NaN.
fn e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let size = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa * 2f32.powi(-9),
        _ => (8.0 + mantissa) * 2f32.powi(exponent - 10),
    };
    if byte & 0x80 == 0 { size } else { -size }
}

fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect()
}

/// Number of elements of `shape`, `None` if it does not fit in 64 bits.
pub(crate) fn elements(shape: &[u64]) -> Option<u64> {
    // An empty axis makes the tensor empty, whatever the others claim: but the others must still be sane.
    shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n))
}

/// `shape` as indices of this machine.
pub(crate) fn sizes(shape: &[u64]) -> Option<Vec<usize>> {
    shape.iter().map(|&n| usize::try_from(n).ok()).collect()
}

impl Array {
    /// The tensor itself if every value is finite, otherwise an error that names the first that is not.
    ///
    /// # Errors
    /// `is_non_finite`.
    pub fn finite(self, place: impl std::fmt::Display) -> Result<Self> {
        match self.values.iter().position(|v| !v.is_finite()) {
            None => Ok(self),
            Some(flat) => Err(Error::non_finite(format!(
                "{place}: expected finite numbers, got {} at {:?} of {:?} ({} of {} values are not finite); the \
                 checkpoint is damaged or its training diverged",
                self.values[flat],
                index_of(flat, &self.shape),
                self.shape,
                self.values.iter().filter(|v| !v.is_finite()).count(),
                self.values.len()
            ))),
        }
    }
}

/// Index along every axis of the value at `flat`, row-major.
fn index_of(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &n) in index.iter_mut().zip(shape).rev() {
        *place = flat % n.max(1);
        flat /= n.max(1);
    }
    index
}
