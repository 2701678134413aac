//! Sums over overlaps whose bit is set, for sixteen units at once, by tables (the method of the four Russians).
//!
//! The four bits of a unit that belong to four patterns name one of sixteen sums. With the patterns' bits of sixteen units side
//! by side one permutation looks up sixteen sums, where masked additions take four additions per unit.

/// Units side by side.
pub(super) const UNITS: usize = 16;

/// Words of 64 patterns that are looked up together.
const WORDS: usize = 8;

/// The sums of every four overlaps.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    /// Entry k of a table is the sum of those of its four overlaps whose bit is set in k.
    sums: Vec<[i32; 16]>,
}

impl Tables {
    /// True where sums by tables are at hand: 16 lanes of 32 bits, and no sum beyond them.
    pub(super) fn are_at_hand(overlaps: usize, most: usize) -> bool {
        #[cfg(target_arch = "x86_64")]
        return overlaps.saturating_mul(most) < 1 << 31 && pulp::x86::V4::try_new().is_some();
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// The tables of overlaps, whole words of them.
    pub(super) fn of(overlaps: &[i32]) -> Self {
        let words = (overlaps.len() / 64).next_multiple_of(WORDS);
        // Beyond the last pattern no unit has a bit: entry 0 is looked up, which stays 0.
        let mut tables = Self { sums: vec![[0; 16]; words * 16] };
        tables.fill(overlaps);
        tables
    }

    /// Makes them anew, of as many overlaps.
    pub(super) fn fill(&mut self, overlaps: &[i32]) {
        for (sums, four) in self.sums.iter_mut().zip(overlaps.as_chunks::<4>().0) {
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum = (0..4).map(|bit| four[bit] & -((k >> bit & 1) as i32)).sum();
            }
        }
    }

    /// The sums of sixteen units, each by its row of words.
    ///
    /// # Panics
    /// If tables are not [at hand](Self::are_at_hand).
    pub(super) fn sums(&self, rows: &[&[u64]; UNITS]) -> [i32; UNITS] {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V4::try_new() {
            return simd.vectorize(Lookup { tables: &self.sums, rows, simd });
        }
        unreachable!("tables are asked for where they are at hand: {}", rows.len())
    }
}

#[cfg(target_arch = "x86_64")]
struct Lookup<'a> {
    tables: &'a [[i32; 16]],
    rows: &'a [&'a [u64]; UNITS],
    simd: pulp::x86::V4,
}

#[cfg(target_arch = "x86_64")]
impl pulp::NullaryFnOnce for Lookup<'_> {
    type Output = [i32; UNITS];

    #[inline(always)]
    fn call(self) -> [i32; UNITS] {
        use std::arch::x86_64::__m512i;

        let f = self.simd.avx512f;
        let zero: __m512i = pulp::cast([0i32; 16]);
        // Four sums that do not wait for one another.
        let mut sums = [zero; 4];
        let words = self.rows[0].len();
        for (chunk, tables) in self.tables.as_chunks::<{ 16 * WORDS }>().0.iter().enumerate() {
            let start = chunk * WORDS;
            let mut rows = [zero; UNITS];
            for (loaded, row) in rows.iter_mut().zip(self.rows) {
                *loaded = match row[..words][start..].first_chunk::<WORDS>() {
                    Some(whole) => pulp::cast(*whole),
                    None => {
                        let mut padded = [0u64; WORDS];
                        padded[..words - start].copy_from_slice(&row[start..words]);
                        pulp::cast(padded)
                    }
                };
            }
            // Half-words of four rows side by side: quads[four rows][j] holds in its part l the half-word 4 l + j.
            let mut quads = [[zero; 4]; 4];
            for (quad, r) in quads.iter_mut().zip(rows.as_chunks::<4>().0) {
                let (a, b) = (f._mm512_unpacklo_epi32(r[0], r[1]), f._mm512_unpacklo_epi32(r[2], r[3]));
                let (c, d) = (f._mm512_unpackhi_epi32(r[0], r[1]), f._mm512_unpackhi_epi32(r[2], r[3]));
                *quad = [
                    f._mm512_unpacklo_epi64(a, b),
                    f._mm512_unpackhi_epi64(a, b),
                    f._mm512_unpacklo_epi64(c, d),
                    f._mm512_unpackhi_epi64(c, d),
                ];
            }
            for j in 0..4 {
                let [a, b, c, d] = [quads[0][j], quads[1][j], quads[2][j], quads[3][j]];
                let (even, more) = (f._mm512_shuffle_i32x4::<0x88>(a, b), f._mm512_shuffle_i32x4::<0x88>(c, d));
                let (odd, most) = (f._mm512_shuffle_i32x4::<0xDD>(a, b), f._mm512_shuffle_i32x4::<0xDD>(c, d));
                let parts = [
                    f._mm512_shuffle_i32x4::<0x88>(even, more),
                    f._mm512_shuffle_i32x4::<0x88>(odd, most),
                    f._mm512_shuffle_i32x4::<0xDD>(even, more),
                    f._mm512_shuffle_i32x4::<0xDD>(odd, most),
                ];
                for (l, mut bits) in parts.into_iter().enumerate() {
                    for group in 0..8 {
                        let table = pulp::cast(tables[(4 * l + j) * 8 + group]);
                        // A look-up takes the lowest four bits alone.
                        sums[l] = f._mm512_add_epi32(sums[l], f._mm512_permutexvar_epi32(bits, table));
                        bits = f._mm512_srli_epi32::<4>(bits);
                    }
                }
            }
        }
        let [a, b, c, d] = sums;
        pulp::cast(f._mm512_add_epi32(f._mm512_add_epi32(a, b), f._mm512_add_epi32(c, d)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    /// Against sums bit by bit, of words that fill whole look-ups and of others.
    #[test]
    fn tables_sum_what_is_set() {
        let mut random = Philox::new(4, 0);
        for words in [1, 7, 8, 9, 16, 21] {
            if !Tables::are_at_hand(words * 64, 1000) {
                return;
            }
            let overlaps: Vec<i32> = (0..words * 64).map(|_| random.below(2001) as i32 - 1000).collect();
            let tables = Tables::of(&overlaps);
            let rows: Vec<Vec<u64>> = (0..UNITS).map(|_| (0..words).map(|_| random.next_u64()).collect()).collect();
            let sums = tables.sums(&std::array::from_fn(|unit| rows[unit].as_slice()));
            for (row, sum) in rows.iter().zip(sums) {
                let set = |at: &usize| row[at / 64] >> (at % 64) & 1 == 1;
                assert_eq!(sum, (0..overlaps.len()).filter(set).map(|at| overlaps[at]).sum::<i32>(), "{words} words");
            }
        }
        assert!(!Tables::are_at_hand(1 << 20, 1 << 20));
    }
}
