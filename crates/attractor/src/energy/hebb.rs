//! Hebb's rule without weights: fields and energies from the overlaps alone.

use rayon::prelude::*;

use super::bits::{apart, step_by_set, sums_of_overlaps};
use super::tables::{Tables, UNITS};
use super::{Descends, Energy, SpinMemory, SpinWalk, Updating, one_by_one, one_by_one_alone};
use crate::pattern::{Spins, StoredPatterns};

/// Hopfield's memory: w_ij = (1/N) sum_mu xi_i xi_j, w_ii = 0, E = -1/2 sum_ij w_ij x_i x_j.
///
/// With the overlaps M_mu = sum_j xi_j x_j, whole numbers, h_i = (sum_mu xi_i M_mu - P x_i) / N and
/// E = -(sum_mu M_mu^2 - P N) / 2N: neither N x N weights nor floating point is needed, and a field of zero is exactly zero.
///
/// # Cost
/// P N / 8 bytes twice (by pattern and by unit); a field or a flip takes O(P).
/// # Source
/// Hopfield 1982, *Neural networks and physical systems with emergent collective computational abilities*.
#[derive(Debug, Clone)]
pub struct Hebb {
    patterns: StoredPatterns,
    /// [unit, word of patterns].
    by_unit: Vec<u64>,
}

impl Hebb {
    /// Stores patterns.
    pub fn new(patterns: StoredPatterns) -> Self {
        let by_unit = patterns.by_unit();
        Self { patterns, by_unit }
    }

    /// What is stored.
    pub fn patterns(&self) -> &StoredPatterns {
        &self.patterns
    }

    /// w_ij, at a pair of units; 0 on the diagonal.
    ///
    /// # Panics
    /// If there are no such units.
    pub fn weight(&self, i: usize, j: usize) -> f64 {
        self.whole_weights(i, &[j])[0] as f64 / self.patterns.units() as f64
    }

    /// N w_ij to at most sixteen units.
    fn whole_weights(&self, i: usize, to: &[usize]) -> [i64; UNITS] {
        let mut rows = [self.unit(i); UNITS];
        rows.iter_mut().zip(to).for_each(|(row, &j)| *row = self.unit(j));
        let mut weights = apart(self.unit(i), rows).map(|apart| self.patterns.count() as i64 - 2 * i64::from(apart));
        weights.iter_mut().zip(to).filter(|(_, j)| **j == i).for_each(|(weight, _)| *weight = 0);
        weights
    }

    fn unit(&self, unit: usize) -> &[u64] {
        let width = self.patterns.count().div_ceil(64);
        &self.by_unit[unit * width..(unit + 1) * width]
    }
}

impl Energy for Hebb {
    type State = Spins;
    type Updating = Updating;

    fn energy(&self, state: &Spins) -> f64 {
        self.walk(state).energy()
    }

    fn descends(&self, updating: Updating) -> Descends {
        one_by_one_alone(updating)
    }
}

impl SpinMemory for Hebb {
    type Walk<'a> = HebbWalk<'a>;

    fn units(&self) -> usize {
        self.patterns.units()
    }

    fn walk(&self, start: &Spins) -> HebbWalk<'_> {
        let mut overlaps = self.patterns.overlaps(start);
        let total = overlaps.iter().map(|&m| i64::from(m)).sum();
        // Whole words, so that sums need no remainder.
        overlaps.resize(overlaps.len().div_ceil(64) * 64, 0);
        HebbWalk { memory: self, state: start.clone(), overlaps, total }
    }
}

/// A state on its way, with its overlaps.
#[derive(Debug, Clone)]
pub struct HebbWalk<'a> {
    memory: &'a Hebb,
    state: Spins,
    /// M_mu, up to a whole word of patterns; what lies beyond the last counts for nothing, since no unit has its bit set.
    overlaps: Vec<i32>,
    /// sum_mu M_mu.
    total: i64,
}

impl HebbWalk<'_> {
    /// M_mu of every stored pattern, in -N..=N.
    pub fn overlaps(&self) -> &[i32] {
        &self.overlaps[..self.memory.patterns.count()]
    }

    /// N h_i, a whole number, from the sum of the overlaps whose bit the unit has: sum_mu xi M = 2 (those) - all.
    fn whole_field(&self, unit: usize, set: i64) -> i64 {
        2 * set - self.total - self.memory.patterns.count() as i64 * i64::from(self.state.sign(unit))
    }

    /// Tables of the overlaps as they are, where there can be any: for many fields at once.
    fn tables(&self) -> Option<Tables> {
        let at_hand = Tables::are_at_hand(self.overlaps.len(), self.memory.patterns.units());
        at_hand.then(|| Tables::of(&self.overlaps))
    }

    /// N h_i at sixteen units.
    fn sixteen(&self, tables: &Tables, units: [usize; UNITS]) -> [i64; UNITS] {
        let sums = tables.sums(&units.map(|unit| self.memory.unit(unit)));
        std::array::from_fn(|at| self.whole_field(units[at], i64::from(sums[at])))
    }

    /// Updates units one after the other from sixteen fields at once: after a flip those that are still to come are set right
    /// by one weight each.
    fn update_sixteen(&mut self, tables: &Tables, units: &[usize; UNITS], turned: &mut dyn FnMut(&Self)) -> usize {
        let mut fields = self.sixteen(tables, *units);
        let mut count = 0;
        for (at, &unit) in units.iter().enumerate() {
            let sign = i64::from(self.state.sign(unit));
            if fields[at] * sign >= 0 {
                continue;
            }
            self.flip(unit);
            let weights = self.memory.whole_weights(unit, &units[at + 1..]);
            fields[at + 1..].iter_mut().zip(weights).for_each(|(field, weight)| *field -= 2 * sign * weight);
            count += 1;
            turned(self);
        }
        count
    }

    /// N h_i at units from `first` on, sixteen at a time where there are tables.
    fn whole_fields(&self, tables: Option<&Tables>, first: usize, fields: &mut [i64]) {
        let (patterns, width) = (&self.memory.patterns, self.overlaps.len() / 64);
        let mut done = 0;
        if let Some(tables) = tables {
            for fields in fields.as_chunks_mut::<UNITS>().0 {
                *fields = self.sixteen(tables, std::array::from_fn(|at| first + done + at));
                done += UNITS;
            }
        }
        let rest = &mut fields[done..];
        let rows = &self.memory.by_unit[(first + done) * width..(first + done + rest.len()) * width];
        sums_of_overlaps(rows, &self.overlaps, patterns.units(), rest);
        for (unit, field) in (first + done..).zip(rest) {
            *field = self.whole_field(unit, *field);
        }
    }
}

/// Units of a part of parallel work: some hundredths of a millisecond, less would not be worth a thread.
const PART: usize = 1024;

impl SpinWalk for HebbWalk<'_> {
    fn state(&self) -> &Spins {
        &self.state
    }

    fn field(&self, unit: usize) -> f64 {
        let mut field = [0];
        self.whole_fields(None, unit, &mut field);
        field[0] as f64 / self.memory.patterns.units() as f64
    }

    fn discontent(&self) -> Vec<usize> {
        let (tables, units) = (self.tables(), self.memory.patterns.units());
        let part = |part: usize| {
            let first = part * PART;
            let mut fields = [0; PART];
            let fields = &mut fields[..PART.min(units - first)];
            self.whole_fields(tables.as_ref(), first, fields);
            let mut wrong = Vec::new();
            for (word, fields) in (first / 64..).zip(fields.chunks(64)) {
                let state = self.state.words()[word];
                // A unit that is +1 wants to flip below zero, one that is -1 above.
                let against =
                    |at: usize, field: i64| u64::from(if state >> at & 1 == 1 { field < 0 } else { field > 0 });
                let mut bits = fields.iter().enumerate().fold(0, |bits, (at, &field)| bits | against(at, field) << at);
                while bits != 0 {
                    wrong.push(word * 64 + bits.trailing_zeros() as usize);
                    bits &= bits - 1;
                }
            }
            wrong
        };
        let parts: Vec<Vec<usize>> = (0..units.div_ceil(PART)).into_par_iter().map(part).collect();
        parts.concat()
    }

    fn fields(&self) -> Vec<f64> {
        let tables = self.tables();
        let mut fields = vec![0; self.memory.patterns.units()];
        fields
            .par_chunks_mut(PART)
            .enumerate()
            .for_each(|(part, fields)| self.whole_fields(tables.as_ref(), part * PART, fields));
        fields.into_iter().map(|field| field as f64 / self.memory.patterns.units() as f64).collect()
    }

    fn flip(&mut self, unit: usize) {
        let step = -2 * self.state.sign(unit);
        let words = self.memory.unit(unit);
        step_by_set(words, &mut self.overlaps, step);
        let up: u32 = words.iter().map(|word| word.count_ones()).sum();
        self.total += i64::from(step) * (2 * i64::from(up) - self.memory.patterns.count() as i64);
        self.state.flip(unit);
    }

    fn flip_all(&mut self, units: &[usize]) {
        // A flip touches P overlaps, all of them anew P N / 64 words: about a vector of either in the same time.
        if units.len() * 16 < self.memory.patterns.units() {
            units.iter().for_each(|&unit| self.flip(unit));
            return;
        }
        units.iter().for_each(|&unit| self.state.flip(unit));
        *self = self.memory.walk(&self.state);
    }

    fn update_sites(&mut self, units: &[usize], turned: &mut dyn FnMut(&Self)) -> usize {
        let Some(mut tables) = self.tables() else { return one_by_one(self, units, turned) };
        let (blocks, rest) = units.as_chunks::<UNITS>();
        let mut count = 0;
        for block in blocks {
            let turns = self.update_sixteen(&tables, block, turned);
            if turns > 0 {
                tables.fill(&self.overlaps);
            }
            count += turns;
        }
        count + one_by_one(self, rest, turned)
    }

    fn energy(&self) -> f64 {
        let (n, p) = (self.memory.patterns.units() as f64, self.memory.patterns.count() as f64);
        let squares: i128 = self.overlaps().iter().map(|&m| i128::from(m) * i128::from(m)).sum();
        -(squares as f64 - p * n) / (2.0 * n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    /// Overlaps against the definition by weights: energy, fields, and the change of a flip.
    #[test]
    fn overlaps_say_what_the_weights_say() {
        let mut random = Philox::new(2, 0);
        for (units, count) in [(1, 1), (7, 3), (65, 70), (40, 128)] {
            let memory = Hebb::new(StoredPatterns::random(units, count, &mut random).unwrap());
            let state = Spins::random(units, &mut random);
            let x = |state: &Spins, i: usize| f64::from(state.sign(i));
            let field = |state: &Spins, i: usize| (0..units).map(|j| memory.weight(i, j) * x(state, j)).sum::<f64>();
            let energy = |state: &Spins| -(0..units).map(|i| x(state, i) * field(state, i)).sum::<f64>() / 2.0;
            let mut walk = memory.walk(&state);
            for step in 0..20 {
                let unit = random.below(units);
                assert!((walk.energy() - energy(walk.state())).abs() < 1e-9, "{units} {count} step {step}");
                assert!((walk.field(unit) - field(walk.state(), unit)).abs() < 1e-9);
                let expected = 2.0 * x(walk.state(), unit) * walk.field(unit);
                let before = walk.energy();
                walk.flip(unit);
                assert!((walk.energy() - before - expected).abs() < 1e-9);
                assert_eq!(walk.overlaps(), memory.patterns().overlaps(walk.state()));
            }
            for many in [0, 1, units / 20, units / 3, units] {
                let turned = random.permutation(units)[..many].to_vec();
                let mut one_by_one = walk.clone();
                turned.iter().for_each(|&unit| one_by_one.flip(unit));
                walk.flip_all(&turned);
                assert_eq!((walk.state(), walk.overlaps()), (one_by_one.state(), one_by_one.overlaps()));
                assert_eq!(walk.field(0), one_by_one.field(0));
            }
        }
    }

    /// Many units at once, the same one twice among them, end where one after the other ends, flip by flip; what is discontent
    /// is what the fields say.
    #[test]
    fn sixteen_at_a_time_is_one_by_one() {
        let mut random = Philox::new(8, 0);
        for (units, count) in [(40, 7), (100, 30), (333, 600), (64, 1)] {
            let memory = Hebb::new(StoredPatterns::random(units, count, &mut random).unwrap());
            let mut walk = memory.walk(&Spins::random(units, &mut random));
            let mut plain = walk.clone();
            for _ in 0..4 {
                let against: Vec<usize> =
                    (0..units).filter(|&unit| plain.field(unit) * f64::from(plain.state.sign(unit)) < 0.0).collect();
                assert_eq!(walk.discontent(), against);
                let order: Vec<usize> = (0..3 * units).map(|_| random.below(units)).collect();
                let (mut turned, mut turned_plainly) = (Vec::new(), Vec::new());
                let count = walk.update_sites(&order, &mut |walk| turned.push(walk.state.clone()));
                assert_eq!(count, one_by_one(&mut plain, &order, &mut |walk| turned_plainly.push(walk.state.clone())));
                assert_eq!(turned, turned_plainly);
                assert_eq!((&walk.overlaps, walk.total), (&plain.overlaps, plain.total));
                walk.flip(0);
                plain.flip(0);
            }
        }
    }

    /// No update raises the energy, and a unit flips only if the energy falls.
    #[test]
    fn every_update_descends() {
        assert_eq!(
            Hebb::new(StoredPatterns::random(3, 1, &mut Philox::new(0, 0)).unwrap()).descends(Updating::Asynchronous),
            Descends::Exact
        );
        let mut random = Philox::new(5, 0);
        for count in [1, 4, 30] {
            let memory = Hebb::new(StoredPatterns::random(50, count, &mut random).unwrap());
            let mut walk = memory.walk(&Spins::random(50, &mut random));
            for _ in 0..300 {
                let before = walk.energy();
                let turned = walk.update_site(random.below(50));
                assert!(if turned { walk.energy() < before } else { walk.energy() == before });
            }
        }
    }

    /// x = (+1, -1) with patterns (+1, +1) and (+1, -1): w_01 = 0, so every field is a tie, and nothing moves.
    #[test]
    fn a_tie_keeps_the_unit() {
        let patterns = [[1, 1], [1, -1]].map(|p| Spins::from_signs(&p).unwrap());
        let memory = Hebb::new(StoredPatterns::new(&patterns).unwrap());
        let mut walk = memory.walk(&patterns[1]);
        assert_eq!((walk.field(0), walk.field(1)), (0.0, 0.0));
        assert!(!walk.update_site(0) && !walk.update_site(1));
    }
}
