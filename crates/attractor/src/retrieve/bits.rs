//! Numbers as their bits: what travels between machines comes back exactly, NaN too, in any format.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number and its bits.
pub(crate) trait Bits: Copy {
    /// As wide as the number.
    type Bits: Serialize + for<'de> Deserialize<'de>;
    /// Its bits.
    fn to_bits(self) -> Self::Bits;
    /// The number of these bits.
    fn of_bits(bits: Self::Bits) -> Self;
}

impl Bits for f32 {
    type Bits = u32;
    fn to_bits(self) -> u32 {
        f32::to_bits(self)
    }
    fn of_bits(bits: u32) -> Self {
        f32::from_bits(bits)
    }
}

impl Bits for f64 {
    type Bits = u64;
    fn to_bits(self) -> u64 {
        f64::to_bits(self)
    }
    fn of_bits(bits: u64) -> Self {
        f64::from_bits(bits)
    }
}

impl Bits for u32 {
    type Bits = u32;
    fn to_bits(self) -> u32 {
        self
    }
    fn of_bits(bits: u32) -> Self {
        bits
    }
}

impl Bits for u64 {
    type Bits = u64;
    fn to_bits(self) -> u64 {
        self
    }
    fn of_bits(bits: u64) -> Self {
        bits
    }
}

pub(crate) fn serialize<T: Bits, S: Serializer>(numbers: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(numbers.iter().map(|&x| x.to_bits()))
}

pub(crate) fn deserialize<'de, T: Bits, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Vec::<T::Bits>::deserialize(deserializer)?.into_iter().map(T::of_bits).collect())
}

/// Lists of lists.
pub(crate) mod nested {
    use super::{Bits, Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<T: Bits, S: Serializer>(lists: &[Vec<T>], serializer: S) -> Result<S::Ok, S::Error> {
        let bits = |list: &Vec<T>| list.iter().map(|&x| x.to_bits()).collect::<Vec<_>>();
        serializer.collect_seq(lists.iter().map(bits))
    }

    pub(crate) fn deserialize<'de, T: Bits, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<T>>, D::Error> {
        let lists = Vec::<Vec<T::Bits>>::deserialize(deserializer)?;
        Ok(lists.into_iter().map(|list| list.into_iter().map(T::of_bits).collect()).collect())
    }
}
