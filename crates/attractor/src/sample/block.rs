//! Updating many units at once: those that are not coupled to each other.

use super::Dynamics;
use crate::energy::{Couplings, SpinMemory, SpinWalk};
use crate::error::{Error, Result};
use crate::random::Philox;

/// Units in classes without a coupling inside: given the others, the units of a class are independent, so that updating
/// all of a class at once is the same as one after the other.
///
/// A square grid has two classes: the checkerboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colouring {
    classes: Vec<Vec<u32>>,
}

impl Colouring {
    /// Two classes, if the graph has no odd cycle.
    pub fn checkerboard(couplings: &Couplings) -> Option<Self> {
        let units = couplings.units();
        let mut side = vec![None; units];
        for start in 0..units {
            if side[start].is_some() {
                continue;
            }
            side[start] = Some(false);
            let mut open = vec![start];
            while let Some(i) = open.pop() {
                let other = side[i].map(|s: bool| !s);
                for (j, _) in couplings.neighbours(i) {
                    if side[j].is_none() {
                        side[j] = other;
                        open.push(j);
                    } else if side[j] != other {
                        return None;
                    }
                }
            }
        }
        let mut classes = vec![Vec::new(); 2];
        side.iter().enumerate().for_each(|(i, s)| classes[usize::from(*s == Some(true))].push(i as u32));
        classes.retain(|class| !class.is_empty());
        Some(Self { classes })
    }

    /// The checkerboard if there is one; otherwise units of falling degree take the first class that holds no neighbour
    /// (at most one class more than the largest degree).
    ///
    /// # Source
    /// Welsh and Powell 1967.
    pub fn greedy(couplings: &Couplings) -> Self {
        if let Some(two) = Self::checkerboard(couplings) {
            return two;
        }
        let units = couplings.units();
        let degrees: Vec<usize> = (0..units).map(|i| couplings.neighbours(i).count()).collect();
        let mut order: Vec<usize> = (0..units).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(degrees[i]));
        let mut colour = vec![usize::MAX; units];
        let mut classes: Vec<Vec<u32>> = Vec::new();
        let mut taken: Vec<usize> = Vec::new();
        for i in order {
            // taken[c] == i: a neighbour of i has colour c.
            taken.resize(classes.len(), usize::MAX);
            couplings.neighbours(i).filter(|n| colour[n.0] != usize::MAX).for_each(|n| taken[colour[n.0]] = i);
            let free = taken.iter().position(|&by| by != i).unwrap_or(classes.len());
            if free == classes.len() {
                classes.push(Vec::new());
            }
            colour[i] = free;
            classes[free].push(i as u32);
        }
        classes.iter_mut().for_each(|class| class.sort_unstable());
        Self { classes }
    }

    /// Classes that somebody else made.
    ///
    /// # Errors
    /// `is_shape` if not every unit stands in exactly one class, `is_usage` if two of a class are coupled.
    pub fn new(couplings: &Couplings, classes: Vec<Vec<u32>>) -> Result<Self> {
        let mut colour = vec![usize::MAX; couplings.units()];
        for (at, class) in classes.iter().enumerate() {
            for &unit in class {
                match colour.get_mut(unit as usize) {
                    Some(place) if *place == usize::MAX => *place = at,
                    _ => {
                        return Err(Error::shape(format!(
                            "colouring: unit {unit} of class {at} does not exist or appears twice; name each of {} once",
                            colour.len()
                        )));
                    }
                }
            }
        }
        if let Some(unit) = colour.iter().position(|&c| c == usize::MAX) {
            return Err(Error::shape(format!("colouring: unit {unit} is in no class; give every unit one")));
        }
        if let Some((i, j, _)) = couplings.edges().find(|&(i, j, _)| colour[i] == colour[j]) {
            return Err(Error::usage(format!(
                "colouring: units {i} and {j} of class {} are coupled; updating them together has another stationary distribution",
                colour[i]
            )));
        }
        Ok(Self { classes })
    }

    /// The units of each class, rising.
    pub fn classes(&self) -> &[Vec<u32>] {
        &self.classes
    }
}

/// Updates every unit once, class by class, all of a class at once: decisions from the fields as they are, then the flips.
/// How many were flipped.
///
/// # Panics
/// If the colouring is one of more units, or the temperature is not above zero.
pub fn sweep(
    walk: &mut impl SpinWalk,
    colouring: &Colouring,
    rule: Dynamics,
    temperature: f64,
    random: &mut Philox,
) -> usize {
    let mut turned = 0;
    let mut flips = Vec::new();
    for class in &colouring.classes {
        flips.clear();
        flips.extend(class.iter().map(|&unit| unit as usize).filter(|&unit| {
            let aligned = walk.field(unit) * f64::from(walk.state().sign(unit));
            random.uniform() < rule.flip_probability(aligned, temperature)
        }));
        flips.iter().for_each(|&unit| walk.flip(unit));
        turned += flips.len();
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::problems::{ferromagnet, grid, sherrington_kirkpatrick};
    use crate::pattern::Spins;

    #[test]
    fn no_class_holds_a_coupled_pair() {
        let mut random = Philox::new(51, 0);
        let even = ferromagnet(4, 6, true, 1.0).unwrap();
        assert_eq!(
            Colouring::checkerboard(&even).unwrap().classes().iter().map(Vec::len).collect::<Vec<_>>(),
            [12, 12]
        );
        let odd = ferromagnet(3, 4, true, 1.0).unwrap();
        assert_eq!(Colouring::checkerboard(&odd), None);
        let full = sherrington_kirkpatrick(7, &mut random).unwrap();
        assert_eq!(Colouring::greedy(&full).classes().len(), 7);
        let mut pairs = grid(10, 10, true).unwrap();
        pairs.extend((0..50).map(|i| (i, 99 - i)));
        pairs.sort_unstable();
        pairs.dedup();
        let edges: Vec<_> = pairs.iter().map(|&(i, j)| (i, j, random.normal())).collect();
        for couplings in
            [&even, &odd, &full, &Couplings::sparse(100, &edges).unwrap(), &Couplings::sparse(5, &[]).unwrap()]
        {
            let colouring = Colouring::greedy(couplings);
            assert_eq!(Colouring::new(couplings, colouring.classes().to_vec()).unwrap(), colouring);
            let most = (0..couplings.units()).map(|i| couplings.neighbours(i).count()).max().unwrap();
            assert!(colouring.classes().len() <= most + 1);
        }
    }

    /// Given the same random numbers in the same order, all of a class at once is one after the other.
    #[test]
    fn a_class_at_once_is_one_after_the_other() {
        let couplings = ferromagnet(4, 6, true, 0.7).unwrap();
        let colouring = Colouring::greedy(&couplings);
        let start = Spins::random(24, &mut Philox::new(52, 0));
        let (mut at_once, mut in_turn) = (couplings.walk(&start), couplings.walk(&start));
        let (mut a, mut b) = (Philox::new(52, 1), Philox::new(52, 1));
        for rule in [Dynamics::HeatBath, Dynamics::Metropolis] {
            for _ in 0..30 {
                sweep(&mut at_once, &colouring, rule, 1.3, &mut a);
                colouring.classes().iter().flatten().for_each(|&unit| {
                    rule.update(&mut in_turn, unit as usize, 1.3, &mut b);
                });
                assert_eq!(at_once.state(), in_turn.state());
            }
        }
    }

    #[test]
    fn false_colourings_are_refused() {
        let path = Couplings::sparse(3, &[(0, 1, 1.0), (1, 2, 1.0)]).unwrap();
        assert!(Colouring::new(&path, vec![vec![0, 2], vec![1]]).is_ok());
        assert!(Colouring::new(&path, vec![vec![0, 1], vec![2]]).unwrap_err().is_usage());
        for classes in [vec![vec![0], vec![1]], vec![vec![0, 2], vec![1, 2]], vec![vec![0, 2], vec![1, 3]]] {
            assert!(Colouring::new(&path, classes).unwrap_err().is_shape());
        }
    }
}
