//! The containers that NumPy writes, and the arrays in them.

pub mod npy;
pub mod zip;

use attractor_record::Precision;

/// An array of floating-point numbers, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Its numbers, widened or narrowed to single precision.
    pub data: Vec<f32>,
    /// Precision in the file.
    pub precision: Precision,
}

/// Whole numbers, row-major: token ids, a prompt's length, pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub numbers: Vec<i64>,
    /// True if they were unsigned bytes.
    pub bytes: bool,
}

/// Texts, row-major: tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Each text.
    pub texts: Vec<String>,
}

/// What a name in a file stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Floating-point numbers.
    Floats(Array),
    /// Whole numbers.
    Whole(Whole),
    /// Texts.
    Text(Text),
}
