//! ggml's blocks of packed weights: how many numbers one holds, in how many bytes, and what they are.
//!
//! | format | numbers | bytes | number                                                                    |
//! |--------|---------|-------|---------------------------------------------------------------------------|
//! | Q4_0   | 32      | 18    | d (q - 8)                                                                 |
//! | Q4_1   | 32      | 20    | d q + m                                                                   |
//! | Q5_0   | 32      | 22    | d (q - 16), fifth bits apart                                              |
//! | Q5_1   | 32      | 24    | d q + m, fifth bits apart                                                 |
//! | Q8_0   | 32      | 34    | d q                                                                       |
//! | Q4_K   | 256     | 144   | d s q - dmin m, with six bits of s and m for each 32                      |
//! | Q5_K   | 256     | 176   | the same, fifth bits apart                                                |
//! | Q6_K   | 256     | 210   | d s (q - 32), with eight bits of s for each 16, two upper bits of q apart |
//!
//! Source: ggml's `ggml-quants.c`; the order of products is that of the gguf package's `quants.py`, to the last bit.

use half::{bf16, f16};
use rayon::prelude::*;

/// How a tensor's numbers are stored, by ggml's name of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Format {
    F32,
    F16,
    Bf16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

/// All of them.
const ALL: [Format; 11] = [
    Format::F32,
    Format::F16,
    Format::Bf16,
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q8_0,
    Format::Q4K,
    Format::Q5K,
    Format::Q6K,
];

/// ggml's numbers of formats that are not read, with their names.
const FOREIGN: [(u32, &str); 26] = [
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
    (41, "Q1_0"),
];

/// The formats that are read, for messages.
pub(super) const READ: &str = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K and Q6_K";

impl Format {
    /// By ggml's number; otherwise the name of what it is.
    pub(super) fn of(number: u32) -> Result<Self, String> {
        Ok(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::Bf16,
            other => {
                let named = FOREIGN.iter().find(|(number, _)| *number == other);
                return Err(named.map_or_else(|| format!("format number {other}"), |(_, name)| (*name).to_owned()));
            }
        })
    }

    /// By ggml's name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|format| format.name() == name)
    }

    /// ggml's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
        }
    }

    /// True where numbers were rounded to a few bits.
    pub(super) fn is_packed(self) -> bool {
        !matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }

    /// Numbers in a block.
    pub(super) fn numbers(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// The numbers of whole blocks; bytes behind the last whole one are left.
    pub fn unpack(self, bytes: &[u8]) -> Vec<f32> {
        /// Blocks a worker takes at a time.
        const TOGETHER: usize = 256;
        let (numbers, size) = (self.numbers(), self.bytes());
        let mut values = vec![0.0; bytes.len() / size * numbers];
        values.par_chunks_mut(numbers * TOGETHER).zip(bytes.par_chunks(size * TOGETHER)).for_each(|(values, bytes)| {
            for (values, block) in values.chunks_exact_mut(numbers).zip(bytes.chunks_exact(size)) {
                self.unpack_one(block, values);
            }
        });
        values
    }

    fn unpack_one(self, b: &[u8], x: &mut [f32]) {
        match self {
            Self::F32 => x[0] = f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            Self::F16 => x[0] = half(b, 0),
            Self::Bf16 => x[0] = bf16::from_le_bytes([b[0], b[1]]).to_f32(),
            Self::Q4_0 => {
                let d = half(b, 0);
                for (j, q) in b[2..18].iter().enumerate() {
                    x[j] = d * (f32::from(q & 15) - 8.0);
                    x[j + 16] = d * (f32::from(q >> 4) - 8.0);
                }
            }
            Self::Q4_1 => {
                let (d, m) = (half(b, 0), half(b, 2));
                for (j, q) in b[4..20].iter().enumerate() {
                    x[j] = d * f32::from(q & 15) + m;
                    x[j + 16] = d * f32::from(q >> 4) + m;
                }
            }
            Self::Q5_0 => {
                let d = half(b, 0);
                fives(&b[2..6], &b[6..22], |j, q| x[j] = d * (f32::from(q) - 16.0));
            }
            Self::Q5_1 => {
                let (d, m) = (half(b, 0), half(b, 2));
                fives(&b[4..8], &b[8..24], |j, q| x[j] = d * f32::from(q) + m);
            }
            Self::Q8_0 => {
                let d = half(b, 0);
                for (x, q) in x.iter_mut().zip(&b[2..34]) {
                    *x = d * f32::from(q.cast_signed());
                }
            }
            Self::Q4K => {
                let (d, dmin, scales, low) = (half(b, 0), half(b, 2), &b[4..16], &b[16..144]);
                for (part, x) in x.chunks_exact_mut(32).enumerate() {
                    let (scale, min) = scale_and_min(scales, part);
                    let (scale, min) = (d * f32::from(scale), dmin * f32::from(min));
                    for (x, q) in x.iter_mut().zip(&low[part / 2 * 32..]) {
                        *x = scale * f32::from(q >> (4 * (part % 2)) & 15) - min;
                    }
                }
            }
            Self::Q5K => {
                let (d, dmin, scales, high, low) = (half(b, 0), half(b, 2), &b[4..16], &b[16..48], &b[48..176]);
                for (part, x) in x.chunks_exact_mut(32).enumerate() {
                    let (scale, min) = scale_and_min(scales, part);
                    let (scale, min) = (d * f32::from(scale), dmin * f32::from(min));
                    for ((x, q), fifth) in x.iter_mut().zip(&low[part / 2 * 32..]).zip(high) {
                        let q = (q >> (4 * (part % 2)) & 15) | ((fifth >> part & 1) << 4);
                        *x = scale * f32::from(q) - min;
                    }
                }
            }
            Self::Q6K => {
                let (low, high, scales, d) = (&b[0..128], &b[128..192], &b[192..208], half(b, 208));
                for (part, x) in x.chunks_exact_mut(32).enumerate() {
                    // Two halves of 128 numbers; in each, four runs of 32.
                    let (side, run) = (part / 4, part % 4);
                    let low = &low[64 * side + 32 * (run % 2)..];
                    let high = &high[32 * side..];
                    for (j, x) in x.iter_mut().enumerate() {
                        let q = (low[j] >> (4 * (run / 2)) & 15) | ((high[j] >> (2 * run) & 3) << 4);
                        let scale = d * f32::from(scales[2 * part + j / 16].cast_signed());
                        *x = scale * (f32::from(q) - 32.0);
                    }
                }
            }
        }
    }
}

fn half(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// 32 numbers of five bits: the fifth ones together, the others in pairs sixteen apart.
fn fives(fifth: &[u8], low: &[u8], mut put: impl FnMut(usize, u8)) {
    let fifth = u32::from_le_bytes([fifth[0], fifth[1], fifth[2], fifth[3]]);
    let bit = |j: usize| ((fifth >> j & 1) as u8) << 4;
    for (j, q) in low.iter().enumerate() {
        put(j, q & 15 | bit(j));
        put(j + 16, q >> 4 | bit(j + 16));
    }
}

/// The scale and the minimum of one of eight parts, six bits each, out of twelve bytes.
fn scale_and_min(scales: &[u8], part: usize) -> (u8, u8) {
    match part {
        0..=3 => (scales[part] & 63, scales[part + 4] & 63),
        _ => (scales[part + 4] & 15 | (scales[part - 4] >> 6) << 4, scales[part + 4] >> 4 | (scales[part] >> 6) << 4),
    }
}
