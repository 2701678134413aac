//! Sums over the numbers whose bit is set.

use std::ops::Add;

/// Numbers side by side.
const LANES: usize = 16;

/// Sum of the numbers whose bit is 1; 64 numbers a word.
pub(super) fn sum_of_set<T: Copy + Default + Add<Output = T>>(words: &[u64], numbers: &[T]) -> T {
    sum(words, 0, numbers)
}

/// Sum of the numbers whose bit is 0.
pub(super) fn sum_of_unset<T: Copy + Default + Add<Output = T>>(words: &[u64], numbers: &[T]) -> T {
    sum(words, u64::MAX, numbers)
}

fn sum<T: Copy + Default + Add<Output = T>>(words: &[u64], turned: u64, numbers: &[T]) -> T {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut sums = [T::default(); LANES];
            for (&word, numbers) in words.iter().zip(numbers.as_chunks::<64>().0) {
                for (part, numbers) in numbers.as_chunks::<LANES>().0.iter().enumerate() {
                    let bits = (word ^ turned) >> (part * LANES);
                    for lane in 0..LANES {
                        sums[lane] = sums[lane] + if bits >> lane & 1 == 1 { numbers[lane] } else { T::default() };
                    }
                }
            }
            sums.into_iter().fold(T::default(), |sum, x| sum + x)
        },
    )
}

/// Adds `step` to the overlaps whose bit is 1 and takes it from the others; 64 of them a word.
pub(super) fn step_by_set(words: &[u64], overlaps: &mut [i32], step: i32) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (&word, overlaps) in words.iter().zip(overlaps.as_chunks_mut::<64>().0) {
                for (bit, overlap) in overlaps.iter_mut().enumerate() {
                    *overlap += if word >> bit & 1 == 1 { step } else { -step };
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
        let words: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        let numbers: Vec<i64> = (0..192).map(|_| random.below(1000) as i64 - 500).collect();
        let set = |at: usize| words[at / 64] >> (at % 64) & 1 == 1;
        let expected: i64 = (0..192).filter(|&at| set(at)).map(|at| numbers[at]).sum();
        assert_eq!(sum_of_set(&words, &numbers), expected);
        assert_eq!(sum_of_unset(&words, &numbers), numbers.iter().sum::<i64>() - expected);
        let mut overlaps = vec![5; 192];
        step_by_set(&words, &mut overlaps, 2);
        assert!((0..192).all(|at| overlaps[at] == if set(at) { 7 } else { 3 }));
    }
}
