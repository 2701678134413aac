//! Dense associative memory: energies that are steep functions of the overlaps.

use super::bits::{step_by_set, sum_of_set};
use super::{Descends, Energy, SpinMemory, SpinWalk, Updating, one_by_one_alone};
use crate::error::{Error, Result};
use crate::pattern::{Spins, StoredPatterns};

/// F in E = -sum_mu F(xi_mu . x).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interaction {
    /// F(m) = m^n / (n N^(n-1)). With an even n the mirror of a pattern is stored with it.
    Polynomial {
        /// n, at least 2; 2 is Hebb's memory.
        degree: u32,
    },
    /// The same where m > 0, and 0 elsewhere: patterns that point away do not matter, and mirrors are not stored.
    Rectified {
        /// n, at least 2.
        degree: u32,
    },
}

impl Interaction {
    /// n.
    pub fn degree(self) -> u32 {
        let (Self::Polynomial { degree } | Self::Rectified { degree }) = self;
        degree
    }
}

/// Krotov and Hopfield's memory: E = -sum_mu F(M_mu), M_mu = xi_mu . x.
///
/// The field is half of what flipping the unit costs, h_i = 1/2 sum_mu [F(M without i, + xi_i) - F(M without i, - xi_i)],
/// so an update compares the energies of both signs and takes the lower, whatever F is; the unit's weight to itself
/// never enters. With n = 2 these are Hebb's fields, and the energy is Hebb's less P / 2.
///
/// F is kept as a table of whole numbers over the N + 1 overlaps there are: exact as long as P n N^n fits into 62 bits, else
/// rounded to that many once and for all, so that sums have no rounding, a tie is a tie, and the descent is exact.
///
/// # Cost
/// P N / 8 bytes twice; a field or a flip takes O(P).
/// # Source
/// Krotov and Hopfield 2016, *Dense associative memory for pattern recognition*; their F has no factor 1 / (n N^(n-1)).
#[derive(Debug, Clone)]
pub struct DenseMemory {
    patterns: StoredPatterns,
    /// [unit, word of patterns].
    by_unit: Vec<u64>,
    interaction: Interaction,
    /// F at the overlap 2 k - N, in quanta.
    table: Vec<i64>,
    /// Energy of 1 in the table.
    quantum: f64,
}

impl DenseMemory {
    /// Stores patterns.
    ///
    /// # Errors
    /// `is_usage` for a degree below 2, or one whose powers no number holds.
    pub fn new(patterns: StoredPatterns, interaction: Interaction) -> Result<Self> {
        let (n, degree) = (patterns.units(), interaction.degree());
        let bits = f64::from(degree) * (n as f64).log2();
        if degree < 2 || bits > 1000.0 {
            return Err(Error::usage(format!(
                "dense memory: degree {degree} for {n} units; expected 2 or more, with N^n below 2^1000"
            )));
        }
        // Sums over P of differences of at most 2 n N^(n-1), twice, must fit.
        let needed = bits + (4.0 * f64::from(degree) * patterns.count() as f64).log2();
        let shift = (needed - 62.0).ceil().max(0.0);
        let power = |m: i64| match shift {
            0.0 => m.pow(degree),
            _ => ((m as f64).powi(degree as i32) / shift.exp2()).round() as i64,
        };
        let entry = |k: usize| match (2 * k as i64 - n as i64, interaction) {
            (..0, Interaction::Rectified { .. }) => 0,
            (m, _) => power(m),
        };
        let table = (0..=n).map(entry).collect();
        let quantum = shift.exp2() / (f64::from(degree) * (n as f64).powi(degree as i32 - 1));
        let by_unit = patterns.by_unit();
        Ok(Self { patterns, by_unit, interaction, table, quantum })
    }

    /// What is stored.
    pub fn patterns(&self) -> &StoredPatterns {
        &self.patterns
    }

    /// F.
    pub fn interaction(&self) -> Interaction {
        self.interaction
    }

    fn unit(&self, unit: usize) -> &[u64] {
        let width = self.patterns.count().div_ceil(64);
        &self.by_unit[unit * width..(unit + 1) * width]
    }
}

impl Energy for DenseMemory {
    type State = Spins;
    type Updating = Updating;

    fn energy(&self, state: &Spins) -> f64 {
        self.walk(state).energy()
    }

    fn descends(&self, updating: Updating) -> Descends {
        one_by_one_alone(updating)
    }
}

impl SpinMemory for DenseMemory {
    type Walk<'a> = DenseWalk<'a>;

    fn units(&self) -> usize {
        self.patterns.units()
    }

    fn walk(&self, start: &Spins) -> DenseWalk<'_> {
        let mut overlaps = self.patterns.overlaps(start);
        let whole = overlaps.len().div_ceil(64) * 64;
        overlaps.resize(whole, 0);
        let mut walk =
            DenseWalk { memory: self, state: start.clone(), overlaps, both: vec![0; whole], all_up: 0, all_down: 0 };
        walk.refresh();
        walk
    }
}

/// A state on its way, with its overlaps.
#[derive(Debug, Clone)]
pub struct DenseWalk<'a> {
    memory: &'a DenseMemory,
    state: Spins,
    /// M_mu, up to a whole word of patterns.
    overlaps: Vec<i32>,
    /// F(M + 2) - F(M - 2) of every pattern, zeros up to a whole word.
    both: Vec<i64>,
    /// sum_mu F(M + 2) - F(M), and F(M) - F(M - 2).
    all_up: i64,
    all_down: i64,
}

impl DenseWalk<'_> {
    /// M_mu of every stored pattern, in -N..=N.
    pub fn overlaps(&self) -> &[i32] {
        &self.overlaps[..self.memory.patterns.count()]
    }

    fn refresh(&mut self) {
        let (table, n) = (&self.memory.table, self.memory.patterns.units() as i32);
        (self.all_up, self.all_down) = (0, 0);
        let count = self.memory.patterns.count();
        for (both, &overlap) in self.both.iter_mut().zip(&self.overlaps[..count]) {
            let k = ((overlap + n) / 2) as usize;
            // At the ends one of the two never happens: no unit can agree more, or less.
            let up = table.get(k + 1).map_or(0, |above| above - table[k]);
            let down = if k > 0 { table[k] - table[k - 1] } else { 0 };
            *both = up + down;
            self.all_up += up;
            self.all_down += down;
        }
    }
}

impl SpinWalk for DenseWalk<'_> {
    fn state(&self) -> &Spins {
        &self.state
    }

    fn field(&self, unit: usize) -> f64 {
        // Patterns that agree with the unit lose F(M) - F(M - 2) when it flips, the others gain F(M + 2) - F(M).
        let plus = sum_of_set(self.memory.unit(unit), &self.both);
        let quanta = if self.state.is_up(unit) { plus - self.all_up } else { plus - self.all_down };
        quanta as f64 * self.memory.quantum / 2.0
    }

    fn flip(&mut self, unit: usize) {
        step_by_set(self.memory.unit(unit), &mut self.overlaps, -2 * self.state.sign(unit));
        self.state.flip(unit);
        self.refresh();
    }

    fn flip_all(&mut self, units: &[usize]) {
        units.iter().for_each(|&unit| self.state.flip(unit));
        *self = self.memory.walk(&self.state);
    }

    fn energy(&self) -> f64 {
        let n = self.memory.patterns.units() as i32;
        let sum: i128 = self.overlaps().iter().map(|m| i128::from(self.memory.table[((m + n) / 2) as usize])).sum();
        -(sum as f64) * self.memory.quantum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Hebb;
    use crate::random::Philox;
    use crate::settle::{Ended, Order, asynchronous};

    fn patterns(units: usize, count: usize, seed: u64) -> StoredPatterns {
        StoredPatterns::random(units, count, &mut Philox::new(seed, 0)).unwrap()
    }

    /// All states of 9 units: energies by the definition, and fields as half of the difference that a flip makes.
    #[test]
    fn fields_are_differences_of_the_energy() {
        let n = 9;
        for interaction in [2, 3, 4, 5]
            .into_iter()
            .flat_map(|degree| [Interaction::Polynomial { degree }, Interaction::Rectified { degree }])
        {
            let memory = DenseMemory::new(patterns(n, 70, 1), interaction).unwrap();
            let f = |m: i32| match interaction {
                Interaction::Rectified { .. } if m < 0 => 0.0,
                _ => {
                    f64::from(m).powi(interaction.degree() as i32)
                        / (f64::from(interaction.degree()) * 9f64.powi(interaction.degree() as i32 - 1))
                }
            };
            let energy = |state: &Spins| -memory.patterns().overlaps(state).into_iter().map(f).sum::<f64>();
            for word in 0..1u64 << n {
                let state = Spins::from_words(n, &[word]);
                let mut walk = memory.walk(&state);
                let here = energy(&state);
                assert!((walk.energy() - here).abs() < 1e-11 * (1.0 + here.abs()));
                for unit in 0..n {
                    let mut turned = state.clone();
                    turned.flip(unit);
                    let change = 2.0 * f64::from(state.sign(unit)) * walk.field(unit);
                    assert!((energy(&turned) - here - change).abs() < 1e-10, "{interaction:?} {word} {unit}");
                }
                let unit = word as usize % n;
                walk.flip(unit);
                assert_eq!(walk.overlaps(), memory.patterns().overlaps(walk.state()));
                assert_eq!(walk.field(unit), memory.walk(walk.state()).field(unit));
            }
        }
    }

    /// n = 2 is Hebb's memory: the same fields, ties and paths, and energies P / 2 lower.
    #[test]
    fn the_quadratic_one_is_hebbs() {
        let stored = patterns(70, 13, 2);
        let dense = DenseMemory::new(stored.clone(), Interaction::Polynomial { degree: 2 }).unwrap();
        let hebb = Hebb::new(stored);
        let mut random = Philox::new(3, 0);
        for stream in 0..20 {
            let start = Spins::random(70, &mut random);
            let (a, b) = (dense.walk(&start), hebb.walk(&start));
            assert!((a.energy() - (b.energy() - 6.5)).abs() < 1e-12);
            for unit in 0..70 {
                assert!((a.field(unit) - b.field(unit)).abs() < 1e-14);
                assert_eq!(a.field(unit) == 0.0, b.field(unit) == 0.0);
            }
            let order = Order::Random { seed: 1, stream };
            assert_eq!(
                asynchronous(&dense, &start, order, 50).unwrap().state,
                asynchronous(&hebb, &start, order, 50).unwrap().state
            );
        }
    }

    /// Also where powers no longer fit and the table is rounded: the energy of the table falls at every flip.
    #[test]
    fn every_flip_descends() {
        for degree in [2, 3, 4, 7, 40] {
            for interaction in [Interaction::Polynomial { degree }, Interaction::Rectified { degree }] {
                let memory = DenseMemory::new(patterns(41, 67, 4), interaction).unwrap();
                assert_eq!(memory.descends(Updating::Asynchronous), Descends::Exact);
                let mut random = Philox::new(5, 0);
                for stream in 0..5 {
                    let start = Spins::random(41, &mut random);
                    let settled = asynchronous(&memory, &start, Order::Random { seed: 2, stream }, 50).unwrap();
                    assert_eq!(settled.ended, Ended::FixedPoint, "{interaction:?}");
                    assert!(settled.energies.windows(2).all(|e| e[1] <= e[0]));
                }
            }
        }
    }

    /// 200 patterns in 100 units: the cubic memory recalls them from cues with 5 wrong, Hebb's memory none.
    #[test]
    fn a_cubic_memory_holds_more_patterns_than_units() {
        let stored = patterns(100, 200, 6);
        let memory = DenseMemory::new(stored.clone(), Interaction::Rectified { degree: 3 }).unwrap();
        let hebb = Hebb::new(stored);
        let mut random = Philox::new(7, 0);
        let (mut dense_exact, mut hebb_exact) = (0, 0);
        for mu in 0..20 {
            let pattern = memory.patterns().pattern(mu);
            let cue = pattern.with_flips(5, &mut random).unwrap();
            let order = Order::Random { seed: 3, stream: mu as u64 };
            dense_exact += usize::from(asynchronous(&memory, &cue, order, 50).unwrap().state == pattern);
            hebb_exact += usize::from(asynchronous(&hebb, &cue, order, 50).unwrap().state == pattern);
        }
        assert_eq!((dense_exact, hebb_exact), (20, 0));
    }

    #[test]
    fn degrees_out_of_range_are_refused() {
        for degree in [0, 1, 200] {
            assert!(DenseMemory::new(patterns(64, 2, 0), Interaction::Polynomial { degree }).unwrap_err().is_usage());
        }
    }
}
