//! A state of +1 and -1, one bit a unit.

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::random::Philox;

/// N units of +1 or -1, packed: bit i of the words is 1 where unit i is +1; bits beyond N are 0.
///
/// The overlap of two states is N - 2 x (their Hamming distance), by XOR and popcount.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spins {
    len: usize,
    words: Vec<u64>,
}

impl Spins {
    /// Every unit -1.
    pub fn new(len: usize) -> Self {
        Self { len, words: vec![0; len.div_ceil(64)] }
    }

    /// From numbers that are +1 or -1.
    ///
    /// # Errors
    /// `is_usage` for any other number, with its place.
    pub fn from_signs(signs: &[i8]) -> Result<Self> {
        let mut spins = Self::new(signs.len());
        for (unit, &sign) in signs.iter().enumerate() {
            match sign {
                1 => spins.set(unit, true),
                -1 => {}
                other => {
                    return Err(Error::usage(format!(
                        "spins: unit {unit} is {other}; expected +1 or -1 (0 and 1 are bits: map them to -1 and +1)"
                    )));
                }
            }
        }
        Ok(spins)
    }

    /// Each unit +1 or -1 with probability one half.
    pub fn random(len: usize, random: &mut Philox) -> Self {
        let mut spins = Self { len, words: (0..len.div_ceil(64)).map(|_| random.next_u64()).collect() };
        spins.trim();
        spins
    }

    /// Bits beyond N are 0.
    fn trim(&mut self) {
        if let (Some(last), rest @ 1..) = (self.words.last_mut(), self.len % 64) {
            *last &= (1 << rest) - 1;
        }
    }

    /// From packed words; bits beyond `len` are dropped.
    pub(crate) fn from_words(len: usize, words: &[u64]) -> Self {
        let mut spins = Self { len, words: words.to_vec() };
        spins.trim();
        spins
    }

    /// Number of units.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is no unit.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The packed words, lowest unit first.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// True if a unit is +1.
    ///
    /// # Panics
    /// If there is no such unit.
    #[inline]
    pub fn is_up(&self, unit: usize) -> bool {
        assert!(unit < self.len, "spins: unit {unit} of {}", self.len);
        self.words[unit / 64] >> (unit % 64) & 1 == 1
    }

    /// +1 or -1.
    ///
    /// # Panics
    /// If there is no such unit.
    #[inline]
    pub fn sign(&self, unit: usize) -> i32 {
        if self.is_up(unit) { 1 } else { -1 }
    }

    /// Makes a unit +1 or -1.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn set(&mut self, unit: usize, up: bool) {
        assert!(unit < self.len, "spins: unit {unit} of {}", self.len);
        let bit = 1 << (unit % 64);
        match up {
            true => self.words[unit / 64] |= bit,
            false => self.words[unit / 64] &= !bit,
        }
    }

    /// Flips a unit.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn flip(&mut self, unit: usize) {
        self.set(unit, !self.is_up(unit));
    }

    /// All units flipped: the mirror state, of the same energy without a field.
    pub fn mirrored(&self) -> Self {
        let mut spins = Self { len: self.len, words: self.words.iter().map(|word| !word).collect() };
        spins.trim();
        spins
    }

    /// Sum of the products of two states, in -N..=N.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn overlap(&self, other: &Self) -> i32 {
        assert_eq!(self.len, other.len, "spins: states of different lengths");
        overlap(self.len, &self.words, &other.words)
    }

    /// The units as +1 and -1.
    pub fn to_signs(&self) -> Vec<i8> {
        (0..self.len).map(|unit| self.sign(unit) as i8).collect()
    }

    /// The state with exactly `count` random units flipped.
    ///
    /// # Errors
    /// `is_usage` if there are fewer units.
    pub fn with_flips(&self, count: usize, random: &mut Philox) -> Result<Self> {
        if count > self.len {
            return Err(Error::usage(format!("spins: {count} flips of {} units; at most all of them", self.len)));
        }
        let mut spins = self.clone();
        for &unit in &random.permutation(self.len)[..count] {
            spins.flip(unit);
        }
        Ok(spins)
    }

    /// The state with the units from `from` on unknown: +1 or -1 with probability one half.
    pub fn masked(&self, from: usize, random: &mut Philox) -> Self {
        let mut spins = self.clone();
        for unit in from..self.len {
            spins.set(unit, random.next_u32() & 1 == 1);
        }
        spins
    }
}

/// As +1 and -1, unit by unit.
impl Serialize for Spins {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.len).map(|unit| self.sign(unit)))
    }
}

/// N - 2 x Hamming distance of packed states.
#[inline(always)]
pub(crate) fn overlap(len: usize, a: &[u64], b: &[u64]) -> i32 {
    let apart: u32 = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
    len as i32 - 2 * apart as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_and_plain_agree() {
        let mut random = Philox::new(1, 0);
        for len in [1, 5, 63, 64, 65, 200] {
            let (a, b) = (Spins::random(len, &mut random), Spins::random(len, &mut random));
            let (x, y) = (a.to_signs(), b.to_signs());
            assert_eq!(Spins::from_signs(&x).unwrap(), a);
            let plain: i32 = x.iter().zip(&y).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum();
            assert_eq!(a.overlap(&b), plain);
            assert_eq!((a.overlap(&a), a.overlap(&a.mirrored())), (len as i32, -(len as i32)));
            let count = len / 3;
            let flipped = a.with_flips(count, &mut random).unwrap();
            assert_eq!(a.overlap(&flipped), len as i32 - 2 * count as i32);
            let masked = a.masked(len / 2, &mut random);
            assert_eq!(masked.to_signs()[..len / 2], x[..len / 2]);
        }
        assert!(Spins::new(4).with_flips(5, &mut random).unwrap_err().is_usage());
    }

    #[test]
    fn other_alphabets_are_refused() {
        let error = Spins::from_signs(&[1, -1, 0]).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("unit 2 is 0"), "{error}");
    }
}
