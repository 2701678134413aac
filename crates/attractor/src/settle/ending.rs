//! Why a recall ended where it did.

use serde::Serialize;

use super::{Ended, Settled};
use crate::error::{Error, Result};
use crate::pattern::{Spins, StoredPatterns};

/// What a settled state is, seen from what was stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ending {
    /// A stored pattern, but for `wrong` units.
    Stored {
        /// Which.
        pattern: usize,
        /// Units that differ.
        wrong: usize,
    },
    /// The mirror of a stored pattern, which has the same energy without a bias.
    Mirrored {
        /// Which.
        pattern: usize,
        /// Units that differ from the mirror.
        wrong: usize,
    },
    /// Near the majority of an odd number of patterns or their mirrors, sgn(sum of +-xi): a symmetric mixture.
    Mixture {
        /// The patterns, strongest first, and whether each is mirrored.
        patterns: Vec<(usize, bool)>,
        /// Units that differ from the majority.
        wrong: usize,
    },
    /// A fixed point that is none of these.
    Spurious,
    /// Synchronous updates go to and fro between two states.
    Cycle,
    /// The sweeps were used up before it came to rest.
    OutOfSweeps,
}

impl Ending {
    /// Its name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stored { .. } => "stored",
            Self::Mirrored { .. } => "mirrored",
            Self::Mixture { .. } => "mixture",
            Self::Spurious => "spurious",
            Self::Cycle => "cycle",
            Self::OutOfSweeps => "out of sweeps",
        }
    }
}

/// From which overlap per unit on, in (0, 1], a state counts as what it resembles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// With a pattern or its mirror. 0.95 leaves room for the 1.6 % of wrong units (overlap 0.967) that a Hebbian memory
    /// has at capacity, and none for a mixture of three (0.5) or five (0.375).
    pub pattern: f64,
    /// With a mixture.
    pub mixture: f64,
    /// Most patterns of a mixture; odd.
    pub most: usize,
}

impl Default for Likeness {
    fn default() -> Self {
        Self { pattern: 0.95, mixture: 0.95, most: 7 }
    }
}

/// A verdict with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// What the state is.
    pub ending: Ending,
    /// Overlap per unit with every pattern, in [-1, 1].
    pub overlaps: Vec<f64>,
    /// The pattern with the largest overlap, by size; the first of equal ones.
    pub nearest: usize,
}

/// Says what a settled state is: first whether it came to rest, then pattern, mirror, mixture, or none.
///
/// A mixture is sought among the 3, 5, ... patterns of largest overlap, each with the sign of its overlap; the number
/// whose majority is nearest to the state is named, the smaller of equal ones.
///
/// # Cost
/// O(P N / 64) for the overlaps.
/// # Errors
/// `is_shape` if state and patterns differ in length, `is_usage` for a likeness out of range.
/// # Source
/// Amit, Gutfreund and Sompolinsky 1985, *Spin-glass models of neural networks* (symmetric mixtures of odd numbers).
pub fn explain(settled: &Settled, patterns: &StoredPatterns, likeness: Likeness) -> Result<Explained> {
    let n = patterns.units();
    if settled.state.len() != n {
        return Err(Error::shape(format!(
            "explain: a state of {} units for patterns of {n}; the two must be equal",
            settled.state.len()
        )));
    }
    let in_range = |share: f64| share > 0.0 && share <= 1.0;
    if !(in_range(likeness.pattern) && in_range(likeness.mixture)) {
        return Err(Error::usage(format!("explain: {likeness:?}; overlaps per unit lie in (0, 1]")));
    }
    let whole = patterns.overlaps(&settled.state);
    let mut order: Vec<usize> = (0..whole.len()).collect();
    order.sort_by_key(|&mu| (std::cmp::Reverse(whole[mu].abs()), mu));
    let nearest = order[0];
    let wrong_of = |overlap: i32| (n as i32 - overlap) as usize / 2;
    let enough = |overlap: i32, share: f64| f64::from(overlap) >= share * n as f64;
    let ending = match settled.ended {
        Ended::TwoCycle => Ending::Cycle,
        Ended::OutOfSweeps => Ending::OutOfSweeps,
        Ended::FixedPoint if enough(whole[nearest], likeness.pattern) => {
            Ending::Stored { pattern: nearest, wrong: wrong_of(whole[nearest]) }
        }
        Ended::FixedPoint if enough(-whole[nearest], likeness.pattern) => {
            Ending::Mirrored { pattern: nearest, wrong: wrong_of(-whole[nearest]) }
        }
        Ended::FixedPoint => {
            let mixtures = (3..=likeness.most.min(order.len())).step_by(2).map(|count| {
                let parts: Vec<(usize, bool)> = order[..count].iter().map(|&mu| (mu, whole[mu] < 0)).collect();
                (settled.state.overlap(&majority(patterns, &parts)), parts)
            });
            // Only a nearer one replaces: of equal ones the smaller stays.
            let best = mixtures.reduce(|best, next| if next.0 > best.0 { next } else { best });
            match best {
                Some((overlap, patterns)) if enough(overlap, likeness.mixture) => {
                    Ending::Mixture { patterns, wrong: wrong_of(overlap) }
                }
                _ => Ending::Spurious,
            }
        }
    };
    let overlaps = whole.iter().map(|&m| f64::from(m) / n as f64).collect();
    Ok(Explained { ending, overlaps, nearest })
}

/// sgn of the sum of an odd number of patterns, some of them mirrored.
fn majority(patterns: &StoredPatterns, parts: &[(usize, bool)]) -> Spins {
    let parts: Vec<(Spins, bool)> = parts.iter().map(|&(mu, mirrored)| (patterns.pattern(mu), mirrored)).collect();
    let mut state = Spins::new(patterns.units());
    for unit in 0..patterns.units() {
        let up = parts.iter().filter(|(pattern, mirrored)| pattern.is_up(unit) != *mirrored).count();
        state.set(unit, 2 * up > parts.len());
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Hebb;
    use crate::random::Philox;
    use crate::settle::{Order, asynchronous, synchronous};

    fn at(state: Spins) -> Settled {
        Settled { state, other: None, ended: Ended::FixedPoint, sweeps: 1, flips: 0, energies: vec![] }
    }

    fn stored() -> StoredPatterns {
        StoredPatterns::random(1001, 9, &mut Philox::new(1, 0)).unwrap()
    }

    fn ending(state: Spins) -> Ending {
        explain(&at(state), &stored(), Likeness::default()).unwrap().ending
    }

    /// The limit of 0.95 is 25 wrong units of 1001.
    #[test]
    fn patterns_and_mirrors_are_named_up_to_the_limit() {
        let mut random = Philox::new(2, 0);
        for pattern in [0, 8] {
            for wrong in [0, 25] {
                let state = stored().pattern(pattern).with_flips(wrong, &mut random).unwrap();
                assert_eq!(ending(state.clone()), Ending::Stored { pattern, wrong });
                assert_eq!(ending(state.mirrored()), Ending::Mirrored { pattern, wrong });
            }
            let beyond = stored().pattern(pattern).with_flips(26, &mut random).unwrap();
            assert_eq!(ending(beyond), Ending::Spurious);
        }
    }

    /// Every odd number with every choice of signs, and a mixture with a few units wrong.
    #[test]
    fn constructed_mixtures_are_found() {
        let mut random = Philox::new(3, 0);
        for parts in [
            vec![(1, false), (4, true), (6, false)],
            vec![(0, true), (2, true), (3, false), (5, false), (8, true)],
            (0..7).map(|mu| (mu, mu % 2 == 0)).collect(),
        ] {
            let state = majority(&stored(), &parts).with_flips(9, &mut random).unwrap();
            let Ending::Mixture { mut patterns, wrong } = ending(state) else { panic!("{parts:?}") };
            patterns.sort_unstable();
            assert_eq!((patterns, wrong), (parts, 9));
        }
        let random = explain(&at(Spins::random(1001, &mut random)), &stored(), Likeness::default()).unwrap();
        assert_eq!(random.ending, Ending::Spurious);
        assert!(random.overlaps.iter().all(|m| m.abs() <= random.overlaps[random.nearest].abs()));
    }

    /// A real memory at low load: the mixture of three is its fixed point and is called so; cycles and haste are too.
    #[test]
    fn real_endings_are_told_apart() {
        let memory = Hebb::new(stored());
        let start = majority(memory.patterns(), &[(0, false), (1, false), (2, false)]);
        let settled = asynchronous(&memory, &start, Order::Sequential, 50).unwrap();
        let explained = explain(&settled, memory.patterns(), Likeness::default()).unwrap();
        assert!(
            matches!(explained.ending, Ending::Mixture { ref patterns, .. } if patterns.len() == 3),
            "{:?}",
            explained.ending
        );
        let pair = Hebb::new(StoredPatterns::new(&[Spins::from_signs(&[1, 1]).unwrap()]).unwrap());
        let start = Spins::from_signs(&[1, -1]).unwrap();
        for (sweeps, name) in [(5, "cycle"), (1, "out of sweeps")] {
            let settled = synchronous(&pair, &start, sweeps).unwrap();
            assert_eq!(explain(&settled, pair.patterns(), Likeness::default()).unwrap().ending.name(), name);
        }
    }

    #[test]
    fn what_cannot_be_explained_is_refused() {
        assert!(explain(&at(Spins::new(5)), &stored(), Likeness::default()).unwrap_err().is_shape());
        for pattern in [0.0, 1.1, f64::NAN] {
            let bad = Likeness { pattern, ..Likeness::default() };
            assert!(explain(&at(Spins::new(1001)), &stored(), bad).unwrap_err().is_usage());
        }
    }
}
