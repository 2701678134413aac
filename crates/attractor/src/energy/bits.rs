//! Sums over the numbers whose bit is set: 64 numbers per word.
//!
//! The shapes of these loops were measured at 1000 numbers: a mask a number, `number & -(bit)`, becomes vector code (0.1 us);
//! a choice by `if`, or sums in an array of lanes, does not (4 to 8 us). Masked additions, where there are any, take 0.03 us.

use pulp::{Simd, WithSimd};

/// Sum of the whole numbers whose bit is 1.
pub(super) fn sum_of_set(words: &[u64], numbers: &[i64]) -> i64 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut total = 0;
            for (&word, numbers) in words.iter().zip(numbers.as_chunks::<64>().0) {
                let mut sum = 0;
                for (bit, &number) in numbers.iter().enumerate() {
                    // All ones where the bit is set.
                    sum += number & ((word >> bit & 1) as i64).wrapping_neg();
                }
                total += sum;
            }
            total
        },
    )
}

/// Row by row of words, the sum of the overlaps whose bit is 1, each overlap of at most `most`, at most 2^24.
pub(super) fn sums_of_overlaps(rows: &[u64], overlaps: &[i32], most: usize, sums: &mut [i64]) {
    let width = overlaps.len() / 64;
    #[cfg(target_arch = "x86_64")]
    if overlaps.len().saturating_mul(most) < 1 << 31
        && let Some(simd) = pulp::x86::V4::try_new()
    {
        simd.vectorize(Masked { rows, overlaps, sums, simd });
        return;
    }
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (words, total) in rows.chunks_exact(width).zip(sums) {
                *total = 0;
                for (&word, overlaps) in words.iter().zip(overlaps.as_chunks::<64>().0) {
                    let mut sum = 0i32;
                    for (bit, &overlap) in overlaps.iter().enumerate() {
                        // 64 overlaps of at most 2^24 fit.
                        sum += overlap & ((word >> bit & 1) as i32).wrapping_neg();
                    }
                    *total += i64::from(sum);
                }
            }
        },
    );
}

/// By masked additions of 16 numbers; a whole sum must fit into 32 bits.
#[cfg(target_arch = "x86_64")]
struct Masked<'a> {
    rows: &'a [u64],
    overlaps: &'a [i32],
    sums: &'a mut [i64],
    simd: pulp::x86::V4,
}

#[cfg(target_arch = "x86_64")]
impl pulp::NullaryFnOnce for Masked<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let f = self.simd.avx512f;
        let overlaps = self.overlaps.as_chunks::<64>().0;
        for (words, total) in self.rows.chunks_exact(overlaps.len()).zip(self.sums) {
            // Four sums that do not wait for one another.
            let mut sums: [std::arch::x86_64::__m512i; 4] = [pulp::cast([0i32; 16]); 4];
            for (&word, overlaps) in words.iter().zip(overlaps) {
                for (part, overlaps) in overlaps.as_chunks::<16>().0.iter().enumerate() {
                    let mask = (word >> (16 * part)) as u16;
                    sums[part] = f._mm512_mask_add_epi32(sums[part], mask, sums[part], pulp::cast(*overlaps));
                }
            }
            let [a, b, c, d] = sums;
            let all = f._mm512_add_epi32(f._mm512_add_epi32(a, b), f._mm512_add_epi32(c, d));
            *total = i64::from(f._mm512_reduce_add_epi32(all));
        }
    }
}

/// Sums of the masses whose bit is 1, and of those whose bit is 0.
pub(super) fn masses_by_bit(words: &[u64], masses: &[f64]) -> (f64, f64) {
    let sum = |turned| pulp::Arch::new().dispatch(Masses { words, turned, masses });
    (sum(0), sum(u64::MAX))
}

struct Masses<'a> {
    words: &'a [u64],
    /// Bits to flip first.
    turned: u64,
    masses: &'a [f64],
}

impl WithSimd for Masses<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut sums = [simd.splat_f64s(0.0); 4];
        for (&word, masses) in self.words.iter().zip(self.masses.as_chunks::<64>().0) {
            let word = word ^ self.turned;
            let mut kept = [0f64; 64];
            for (bit, (kept, mass)) in kept.iter_mut().zip(masses).enumerate() {
                *kept = f64::from_bits(mass.to_bits() & (word >> bit & 1).wrapping_neg());
            }
            // 64 is a multiple of four registers of any width there is.
            for four in S::as_simd_f64s(&kept).0.chunks_exact(4) {
                for part in 0..4 {
                    sums[part] = simd.add_f64s(sums[part], four[part]);
                }
            }
        }
        let [a, b, c, d] = sums;
        simd.reduce_sum_f64s(simd.add_f64s(simd.add_f64s(a, b), simd.add_f64s(c, d)))
    }
}

/// In how many bits each row differs from one row.
pub(super) fn apart<const N: usize>(one: &[u64], rows: [&[u64]; N]) -> [u32; N] {
    pulp::Arch::new().dispatch(Apart { one, rows })
}

struct Apart<'a, const N: usize> {
    one: &'a [u64],
    rows: [&'a [u64]; N],
}

impl<const N: usize> WithSimd for Apart<'_, N> {
    type Output = [u32; N];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [u32; N] {
        self.rows.map(|row| self.one.iter().zip(row).map(|(a, b)| (a ^ b).count_ones()).sum())
    }
}

/// Adds `step` to the overlaps whose bit is 1 and takes it from the others.
pub(super) fn step_by_set(words: &[u64], overlaps: &mut [i32], step: i32) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (&word, overlaps) in words.iter().zip(overlaps.as_chunks_mut::<64>().0) {
                for (bit, overlap) in overlaps.iter_mut().enumerate() {
                    *overlap += (2 * (word >> bit & 1) as i32 - 1) * step;
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    #[test]
    fn sums_are_those_of_the_set_bits() {
        let mut random = Philox::new(1, 0);
        for count in [1, 3, 16] {
            let words: Vec<u64> = (0..count).map(|_| random.next_u64()).collect();
            let numbers: Vec<i64> = (0..count * 64).map(|_| random.below(1000) as i64 - 500).collect();
            let set = |at: usize| words[at / 64] >> (at % 64) & 1 == 1;
            let sum = |wanted: bool| (0..count * 64).filter(|&at| set(at) == wanted).map(|at| numbers[at]).sum::<i64>();
            assert_eq!(sum_of_set(&words, &numbers), sum(true));
            let masses: Vec<f64> = numbers.iter().map(|&x| x as f64).collect();
            assert_eq!(masses_by_bit(&words, &masses), (sum(true) as f64, sum(false) as f64));
            let overlaps: Vec<i32> = numbers.iter().map(|&x| x as i32).collect();
            // Two rows, and both ways: sums that fit into 32 bits, and sums that need not.
            let (rows, mut sums) = (words.repeat(2), [7; 2]);
            sums_of_overlaps(&rows, &overlaps, 500, &mut sums);
            assert_eq!(sums, [sum(true); 2]);
            sums_of_overlaps(&rows, &overlaps, 1 << 31, &mut sums);
            assert_eq!(sums, [sum(true); 2]);
            let ones: i64 = words.iter().map(|word| i64::from(word.count_ones())).sum();
            sums_of_overlaps(&rows, &vec![1 << 24; count * 64], 1 << 24, &mut sums);
            assert_eq!(sums, [ones << 24; 2]);
            let mut stepped = overlaps.clone();
            step_by_set(&words, &mut stepped, 2);
            assert!((0..count * 64).all(|at| stepped[at] == overlaps[at] + if set(at) { 2 } else { -2 }));
        }
    }
}
