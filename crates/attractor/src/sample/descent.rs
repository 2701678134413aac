//! Downhill by single flips, until none helps.

use crate::energy::{Couplings, CouplingsWalk, SpinMemory, SpinWalk};
use crate::pattern::Spins;

/// The way downhill on couplings J: every unit whose flip lowers the energy is flipped, in order, again and again until
/// there is none. Flipping unit i changes the energy by 2 x_i h_i.
///
/// # Accuracy
/// Of whole numbers any decrease counts. Of others a flip must lower the energy by more than the rounding error of the
/// unit's field, so that every pass that flips truly descends, and the descent ends.
/// # Cost
/// A pass looks at N units, and a flip costs the unit's degree; of couplings that are not whole numbers the fields are
/// made anew for each pass. From a random state there are a few passes.
///
/// # Example
/// ```
/// use attractor::energy::Couplings;
/// use attractor::pattern::Spins;
/// use attractor::sample::Descent;
/// let star = Couplings::sparse(4, &[(0, 1, -1.0), (0, 2, -1.0), (0, 3, -1.0)]).unwrap();
/// let (state, energy) = Descent::new(&star).from(&Spins::from_signs(&[1, 1, -1, -1]).unwrap());
/// assert_eq!((state.to_signs(), energy), (vec![1, -1, -1, -1], -3.0));
/// ```
#[derive(Debug, Clone)]
pub struct Descent<'a> {
    couplings: &'a Couplings,
    /// Of each unit what its field may be wrong by; without any, all fields are exact.
    margins: Vec<f64>,
    exact: bool,
}

impl<'a> Descent<'a> {
    /// Prepares the descents of one problem.
    pub fn new(couplings: &'a Couplings) -> Self {
        // Sums of whole numbers below 2^52 are exact.
        let exact = couplings.is_whole() && couplings.largest_field() < 1.0 / f64::EPSILON;
        // A field is a sum of k terms, and within a pass each neighbour changes it at most once: 2 k roundings, each by at
        // most half an epsilon of the sum of all sizes.
        let margin = |unit: usize| {
            let terms = couplings.neighbours(unit).map(|(_, weight)| weight).chain([couplings.biases()[unit]]);
            let (count, sum) = terms.fold((0.0, 0.0), |(count, sum), weight| (count + 1.0, sum + weight.abs()));
            count * f64::EPSILON * sum
        };
        let units = couplings.units();
        let margins = if exact { vec![0.0; units] } else { (0..units).map(margin).collect() };
        Self { couplings, margins, exact }
    }

    /// The local minimum below a state, and its energy, computed from the state.
    ///
    /// # Panics
    /// If the state has another number of units.
    pub fn from(&self, start: &Spins) -> (Spins, f64) {
        let (_, state, energy) = self.down(start);
        (state, energy)
    }

    /// The energy of a state, and the local minimum below it with its energy.
    pub(super) fn down(&self, start: &Spins) -> (f64, Spins, f64) {
        let mut walk = self.couplings.walk(start);
        let begun = walk.energy();
        while self.pass(&mut walk) > 0 {
            if !self.exact {
                walk.recompute();
            }
        }
        (begun, walk.state().clone(), walk.energy())
    }

    /// Every unit once; how many flipped.
    fn pass(&self, walk: &mut CouplingsWalk<'_>) -> usize {
        let mut flipped = 0;
        for (block, margins) in self.margins.chunks(64).enumerate() {
            // Near the end of a descent hardly any block has a unit to flip: looked at as a whole first.
            let (word, fields) = (walk.state().words()[block], &walk.fields()[block * 64..]);
            let is_wrong = |(bit, (&field, &margin)): (usize, (&f64, &f64))| {
                let aligned = if word >> bit & 1 == 1 { field } else { -field };
                aligned < -margin
            };
            if !fields.iter().zip(margins).enumerate().map(is_wrong).fold(false, |any, wrong| any | wrong) {
                continue;
            }
            for (bit, margin) in margins.iter().enumerate() {
                let unit = block * 64 + bit;
                if walk.field(unit) * f64::from(walk.state().sign(unit)) < -margin {
                    walk.flip(unit);
                    flipped += 1;
                }
            }
        }
        flipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Energy;
    use crate::energy::problems::{sherrington_kirkpatrick, torus_glass};
    use crate::random::Philox;

    /// No single flip lowers the energy of where it ends, and the energy is the state's own.
    #[test]
    fn a_descent_ends_in_a_local_minimum_and_never_rises() {
        let mut random = Philox::new(91, 0);
        let torus = torus_glass(7, 11, &mut random).unwrap();
        let glass = sherrington_kirkpatrick(60, &mut random).unwrap();
        // Weights over thirty orders of magnitude, and biases.
        let edges: Vec<_> = (0..400)
            .map(|at| {
                (
                    at,
                    at + 1 + at % 7 * usize::from(at < 394),
                    random.normal() * 10f64.powi(random.below(31) as i32 - 15),
                )
            })
            .collect();
        let heavy = Couplings::sparse(401, &edges).unwrap().with_biases(vec![1e-3; 401]).unwrap();
        for couplings in [&torus, &glass, &heavy] {
            let descent = Descent::new(couplings);
            for _ in 0..20 {
                let start = Spins::random(couplings.units(), &mut random);
                let (state, energy) = descent.from(&start);
                assert_eq!(energy, couplings.energy(&state));
                assert!(energy < couplings.energy(&start));
                let walk = couplings.walk(&state);
                for (unit, margin) in descent.margins.iter().enumerate() {
                    assert!(walk.field(unit) * f64::from(state.sign(unit)) >= -margin, "{unit}");
                }
                assert_eq!(descent.from(&state), (state, energy));
            }
        }
        assert!(Descent::new(&torus).exact && Descent::new(&torus).margins.iter().all(|&margin| margin == 0.0));
        assert!(Descent::new(&glass).margins.iter().all(|&margin| margin > 0.0 && margin < 1e-12));
    }
}
