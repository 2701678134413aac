//! Dense associative memory with an exponential interaction.

use super::bits::{masses_by_bit, step_by_set};
use super::{Descends, Energy, SpinMemory, SpinWalk, Updating, one_by_one_alone};
use crate::error::{Error, Result};
use crate::pattern::{Spins, StoredPatterns};

/// Demircigil and others' memory in the form whose logarithm is taken: E = -(1/beta) ln sum_mu exp(beta M_mu),
/// M_mu = xi_mu . x.
///
/// The logarithm changes no update (it is monotone) and keeps the energy a number of the size of N. With the masses
/// A = sum of p_mu over the patterns that agree with unit i, D over the others, p_mu = exp(beta (M_mu - max M)), flipping
/// the unit multiplies A by exp(-2 beta) and D by exp(2 beta); so it flips if and only if D > A exp(-2 beta).
///
/// Holds up to 2^(N/2) random patterns (beta = 1).
///
/// # Accuracy
/// Masses are sums of positive numbers, known within (P + 8) 2^-52 of themselves; closer than that is a tie, which keeps
/// the unit, so every flip lowers the exact energy.
/// # Cost
/// P N / 8 bytes twice; a field or a flip takes O(P).
/// # Source
/// Demircigil, Heusel, Loewe, Upgang and Vermet 2017, *On a model of associative memory with huge storage capacity*.
#[derive(Debug, Clone)]
pub struct ExponentialMemory {
    patterns: StoredPatterns,
    /// [unit, word of patterns].
    by_unit: Vec<u64>,
    beta: f64,
    /// exp(-2 beta k), k = 0..=N.
    powers: Vec<f64>,
}

/// Beyond this beta the memory is the nearest pattern to any precision, and exp(2 beta) is near the end of numbers.
pub const MOST_BETA: f64 = 300.0;

impl ExponentialMemory {
    /// Stores patterns.
    ///
    /// # Errors
    /// `is_usage` if beta does not lie in (0, 300].
    pub fn new(patterns: StoredPatterns, beta: f64) -> Result<Self> {
        if !(beta > 0.0 && beta <= MOST_BETA) {
            return Err(Error::usage(format!(
                "exponential memory: beta is {beta:?}; expected one above 0, up to {MOST_BETA}"
            )));
        }
        let powers = (0..=patterns.units()).map(|k| (-2.0 * beta * k as f64).exp()).collect();
        let by_unit = patterns.by_unit();
        Ok(Self { patterns, by_unit, beta, powers })
    }

    /// What is stored.
    pub fn patterns(&self) -> &StoredPatterns {
        &self.patterns
    }

    /// Inverse temperature of the overlaps.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    fn unit(&self, unit: usize) -> &[u64] {
        let width = self.patterns.count().div_ceil(64);
        &self.by_unit[unit * width..(unit + 1) * width]
    }
}

impl Energy for ExponentialMemory {
    type State = Spins;
    type Updating = Updating;

    fn energy(&self, state: &Spins) -> f64 {
        self.walk(state).energy()
    }

    fn descends(&self, updating: Updating) -> Descends {
        one_by_one_alone(updating)
    }
}

impl SpinMemory for ExponentialMemory {
    type Walk<'a> = ExponentialWalk<'a>;

    fn units(&self) -> usize {
        self.patterns.units()
    }

    fn walk(&self, start: &Spins) -> ExponentialWalk<'_> {
        let mut overlaps = self.patterns.overlaps(start);
        let whole = overlaps.len().div_ceil(64) * 64;
        overlaps.resize(whole, 0);
        let masses = vec![0.0; whole];
        let mut walk = ExponentialWalk { memory: self, state: start.clone(), overlaps, masses, best: 0 };
        walk.refresh();
        walk
    }
}

/// A state on its way, with its overlaps.
#[derive(Debug, Clone)]
pub struct ExponentialWalk<'a> {
    memory: &'a ExponentialMemory,
    state: Spins,
    /// M_mu, up to a whole word of patterns.
    overlaps: Vec<i32>,
    /// p_mu, zeros up to a whole word.
    masses: Vec<f64>,
    /// max M.
    best: i32,
}

impl ExponentialWalk<'_> {
    /// M_mu of every stored pattern, in -N..=N.
    pub fn overlaps(&self) -> &[i32] {
        &self.overlaps[..self.memory.patterns.count()]
    }

    fn refresh(&mut self) {
        let overlaps = &self.overlaps[..self.memory.patterns.count()];
        self.best = overlaps.iter().copied().max().unwrap_or(0);
        for (mass, overlap) in self.masses.iter_mut().zip(overlaps) {
            *mass = self.memory.powers[((self.best - overlap) / 2) as usize];
        }
    }
}

impl SpinWalk for ExponentialWalk<'_> {
    fn state(&self) -> &Spins {
        &self.state
    }

    fn field(&self, unit: usize) -> f64 {
        let words = self.memory.unit(unit);
        // Both summed: a difference from the whole would lose the small one.
        let (up, down) = masses_by_bit(words, &self.masses);
        let is_up = self.state.is_up(unit);
        let (agree, differ) = if is_up { (up, down) } else { (down, up) };
        let beta = self.memory.beta;
        let held = agree * (-2.0 * beta).exp();
        let gain = differ - held;
        let known = (self.masses.len() + 8) as f64 * f64::EPSILON * (differ + held);
        if gain.abs() <= known {
            return 0.0;
        }
        // ln of the sum after the flip over the sum before.
        let change = ((2.0 * beta).exp_m1() * gain / (agree + differ)).ln_1p() / beta;
        -change / 2.0 * if is_up { 1.0 } else { -1.0 }
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
        -(f64::from(self.best) + self.masses.iter().sum::<f64>().ln() / self.memory.beta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;
    use crate::settle::{Ended, Order, asynchronous};

    fn memory(units: usize, count: usize, beta: f64, seed: u64) -> ExponentialMemory {
        ExponentialMemory::new(StoredPatterns::random(units, count, &mut Philox::new(seed, 0)).unwrap(), beta).unwrap()
    }

    /// All states of 9 units against sums of exponentials: energies, and fields as half of what a flip costs.
    #[test]
    fn fields_are_differences_of_the_energy() {
        for beta in [0.3, 1.0, 1.7] {
            let memory = memory(9, 67, beta, 1);
            let energy = |state: &Spins| {
                let sum: f64 = memory.patterns().overlaps(state).into_iter().map(|m| (beta * f64::from(m)).exp()).sum();
                -sum.ln() / beta
            };
            for word in 0..1u64 << 9 {
                let state = Spins::from_words(9, &[word]);
                let mut walk = memory.walk(&state);
                assert!((walk.energy() - energy(&state)).abs() < 1e-12);
                for unit in 0..9 {
                    let mut turned = state.clone();
                    turned.flip(unit);
                    let change = 2.0 * f64::from(state.sign(unit)) * walk.field(unit);
                    assert!((energy(&turned) - energy(&state) - change).abs() < 1e-12, "{beta} {word} {unit}");
                }
                let unit = word as usize % 9;
                walk.flip(unit);
                assert_eq!(walk.overlaps(), memory.patterns().overlaps(walk.state()));
            }
        }
    }

    /// From beta 0.01 to the last: no flip raises the energy, and every walk ends.
    #[test]
    fn every_flip_descends() {
        let mut random = Philox::new(2, 0);
        for beta in [0.01, 0.7, 1.0, 5.0, MOST_BETA] {
            let memory = memory(50, 200, beta, 3);
            assert_eq!(memory.descends(Updating::Asynchronous), Descends::Exact);
            for stream in 0..5 {
                let start = Spins::random(50, &mut random);
                let settled = asynchronous(&memory, &start, Order::Random { seed: 1, stream }, 60).unwrap();
                assert_eq!(settled.ended, Ended::FixedPoint, "beta {beta}");
                assert!(settled.energies.windows(2).all(|e| e[1] <= e[0] + 1e-12));
            }
        }
    }

    /// Patterns (+ +) and (+ -) at the state (+ +): unit 1 divides A = 1 and D = exp(-2 beta), an exact tie.
    #[test]
    fn a_tie_keeps_the_unit() {
        let stored = [[1, 1], [1, -1]].map(|p| Spins::from_signs(&p).unwrap());
        for beta in [0.3, 1.0, 7.0, MOST_BETA] {
            let memory = ExponentialMemory::new(StoredPatterns::new(&stored).unwrap(), beta).unwrap();
            let mut walk = memory.walk(&stored[0]);
            assert_eq!(walk.field(1), 0.0);
            assert!(!walk.update_site(1) && walk.field(0) > 0.0);
        }
    }

    /// 4096 patterns in 40 units, a hundred times as many: recalled from cues with 2 wrong.
    #[test]
    fn it_stores_exponentially_many_patterns() {
        let memory = memory(40, 4096, 1.0, 4);
        let mut random = Philox::new(5, 0);
        let recalled = (0..20)
            .filter(|&mu| {
                let pattern = memory.patterns().pattern(mu);
                let cue = pattern.with_flips(2, &mut random).unwrap();
                asynchronous(&memory, &cue, Order::Random { seed: 2, stream: mu as u64 }, 50).unwrap().state == pattern
            })
            .count();
        assert!(recalled >= 19, "{recalled}");
    }

    #[test]
    fn betas_out_of_range_are_refused() {
        for beta in [0.0, -1.0, f64::NAN, 301.0] {
            let patterns = StoredPatterns::random(5, 2, &mut Philox::new(0, 0)).unwrap();
            assert!(ExponentialMemory::new(patterns, beta).unwrap_err().is_usage());
        }
    }
}
