//! The lowest energy by trying every state.

use super::{Couplings, Energy, SpinMemory, SpinWalk};
use crate::error::{Error, Result};
use crate::pattern::Spins;

/// Most units whose states are enumerated one by one.
pub const MOST_UNITS: usize = 24;

/// The state of lowest energy, its energy, and how many states have it (to a relative 1e-9); of several, the first in Gray
/// code order.
///
/// Neighbours in Gray code differ in one unit, so each state costs one flip.
///
/// # Errors
/// `is_shape` for more than 24 units.
/// # Cost
/// O(2^N degree) time.
pub fn ground_state(couplings: &Couplings) -> Result<(Spins, f64, usize)> {
    let units = couplings.units();
    if units > MOST_UNITS {
        return Err(Error::shape(format!(
            "ground state: 2^{units} states of {units} units; at most {MOST_UNITS} are enumerated, anneal larger ones"
        )));
    }
    let mut walk = couplings.walk(&Spins::new(units));
    let scale = couplings.largest_field() * units as f64;
    let (mut best, mut lowest, mut count) = (walk.state().clone(), walk.energy(), 1);
    for step in 1..1u64 << units {
        walk.flip(step.trailing_zeros() as usize);
        // Rounding errors of many flips would pass for differences between states.
        if step % 1024 == 0 {
            walk.recompute();
        }
        if walk.energy() < lowest - 1e-9 * scale {
            (best, lowest, count) = (walk.state().clone(), walk.energy(), 1);
        } else if walk.energy() <= lowest + 1e-9 * scale {
            count += 1;
        }
    }
    let energy = couplings.energy(&best);
    Ok((best, energy, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    /// Every state by the definition, without Gray code.
    #[test]
    fn no_state_lies_lower() {
        let mut random = Philox::new(21, 0);
        for units in [1, 2, 5, 11] {
            let edges: Vec<_> =
                (0..units).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| (i, j, random.normal())).collect();
            let biases = (0..units).map(|_| random.normal()).collect();
            let couplings = Couplings::sparse(units, &edges).unwrap().with_biases(biases).unwrap();
            let (state, energy, count) = ground_state(&couplings).unwrap();
            let all = (0..1u64 << units).map(|word| couplings.energy(&Spins::from_words(units, &[word])));
            let lowest = all.fold(f64::INFINITY, f64::min);
            assert!((energy - lowest).abs() < 1e-12 && couplings.energy(&state) == energy);
            assert_eq!(count, 1);
        }
    }

    /// A triangle of -1: one bond is always broken, six of eight states are ground states.
    #[test]
    fn a_frustrated_triangle_has_six_ground_states() {
        let triangle = Couplings::sparse(3, &[(0, 1, -1.0), (1, 2, -1.0), (2, 0, -1.0)]).unwrap();
        let (_, energy, count) = ground_state(&triangle).unwrap();
        assert_eq!((energy, count), (-1.0, 6));
        let large = Couplings::sparse(25, &[]).unwrap();
        assert!(ground_state(&large).unwrap_err().is_shape());
    }
}
