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
/// F is kept as a table of whole numbers over the N + 1 overlaps there are, exact at every degree: in one integer of 64 bits
/// as long as P n N^n fits into 62 bits, beyond that in several, the powers of a smaller base ([`Table`]). So sums have no
/// rounding, the weakest overlap still decides where the strong ones cancel, a tie is a tie, and the descent is exact.
///
/// # Cost
/// P N / 8 bytes twice; a field or a flip takes O(P) for each of the integers of a number: one up to about degree 5 at 1000
/// units, two at 6 to 9, seven at 30.
/// # Source
/// Krotov and Hopfield 2016, *Dense associative memory for pattern recognition*; their F has no factor 1 / (n N^(n-1)).
#[derive(Debug, Clone)]
pub struct DenseMemory {
    patterns: StoredPatterns,
    /// [unit, word of patterns].
    by_unit: Vec<u64>,
    interaction: Interaction,
    table: Table,
    /// n N^(n-1): what a number of the table is to be divided by.
    scale: f64,
}

/// M^n at every overlap M = 2 k - N, k = 0..=N. A number is sum_l d_l B^l, its digits d_l all of its sign and below the base
/// B = 2^width. Sums and differences are taken digit by digit, with no carry, and are exact: the base is small enough for
/// those over all patterns to fit into 64 bits.
#[derive(Debug, Clone)]
struct Table {
    width: u32,
    /// [digit, k], the lowest digit first.
    digits: Vec<Vec<i64>>,
}

impl Table {
    fn new(units: usize, patterns: usize, interaction: Interaction) -> Self {
        let degree = interaction.degree();
        let bits = f64::from(degree) * (units as f64).log2();
        // Sums over P of differences of at most 2 n N^(n-1), twice, must fit.
        let needed = bits + (4.0 * f64::from(degree) * patterns as f64).log2();
        // Of several digits each is exact as f64 (52 bits), and so are sums of 4 P of them.
        let (count, width) = match needed <= 62.0 {
            true => (1, 62),
            false => {
                let width = 52.min(60 - patterns.ilog2());
                ((bits / f64::from(width)) as usize + 1, width)
            }
        };
        let mut digits = vec![vec![0; units + 1]; count];
        for k in 0..=units {
            let overlap = 2 * k as i64 - units as i64;
            if overlap < 0 && matches!(interaction, Interaction::Rectified { .. }) {
                continue;
            }
            let mut power = vec![0u64; count];
            power[0] = 1;
            for _ in 0..degree {
                let mut carry = 0u128;
                for digit in &mut power {
                    let product = u128::from(*digit) * u128::from(overlap.unsigned_abs()) + carry;
                    *digit = (product & ((1 << width) - 1)) as u64;
                    carry = product >> width;
                }
                debug_assert_eq!(carry, 0);
            }
            let sign = if overlap < 0 && degree % 2 == 1 { -1 } else { 1 };
            for (digits, digit) in digits.iter_mut().zip(power) {
                digits[k] = sign * digit as i64;
            }
        }
        Self { width, digits }
    }

    /// The number of these digits, which may have any sign: its sign is exact, and 0 is 0.
    fn number(&self, digits: impl DoubleEndedIterator<Item = i64>) -> f64 {
        if self.digits.len() == 1 {
            return digits.map(|digit| digit as f64).sum();
        }
        let mut carry = 0;
        let mut below: Vec<i64> = digits
            .map(|digit| {
                let sum = digit + carry;
                carry = sum >> self.width;
                sum - (carry << self.width)
            })
            .collect();
        below.push(carry);
        // All but the last lie in 0..B now. From the highest on a sum is exact until it is far above what follows.
        below.iter().rev().fold(0.0, |sum, &digit| sum * f64::from(self.width).exp2() + digit as f64)
    }
}

impl DenseMemory {
    /// Stores patterns.
    ///
    /// # Errors
    /// `is_usage`, naming `degree`, for one below 2 or one whose powers no floating-point number holds.
    pub fn new(patterns: StoredPatterns, interaction: Interaction) -> Result<Self> {
        let (n, degree) = (patterns.units(), interaction.degree());
        // Energies are f64 numbers in the end, sums over P of differences of at most 2 n N^(n-1) among them.
        let most = ((1000.0 - (4.0 * patterns.count() as f64).log2()) / (2.0 * n as f64).log2()).floor();
        if degree < 2 || f64::from(degree) > most {
            return Err(Error::option(
                "degree",
                degree,
                format!("give 2 to {most} for {} patterns of {n} units", patterns.count()),
            ));
        }
        let table = Table::new(n, patterns.count(), interaction);
        let scale = f64::from(degree) * (n as f64).powi(degree as i32 - 1);
        let by_unit = patterns.by_unit();
        Ok(Self { patterns, by_unit, interaction, table, scale })
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
        let both = vec![vec![0; whole]; self.table.digits.len()];
        let all = vec![0; both.len()];
        let mut walk =
            DenseWalk { memory: self, state: start.clone(), overlaps, both, all_up: all.clone(), all_down: all };
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
    /// F(M + 2) - F(M - 2) of every pattern, digit by digit, zeros up to a whole word.
    both: Vec<Vec<i64>>,
    /// sum_mu F(M + 2) - F(M), and F(M) - F(M - 2), digit by digit.
    all_up: Vec<i64>,
    all_down: Vec<i64>,
}

impl DenseWalk<'_> {
    /// M_mu of every stored pattern, in -N..=N.
    pub fn overlaps(&self) -> &[i32] {
        &self.overlaps[..self.memory.patterns.count()]
    }

    fn refresh(&mut self) {
        let n = self.memory.patterns.units() as i32;
        let overlaps = &self.overlaps[..self.memory.patterns.count()];
        for (digit, table) in self.memory.table.digits.iter().enumerate() {
            let (mut all_up, mut all_down) = (0, 0);
            for (both, &overlap) in self.both[digit].iter_mut().zip(overlaps) {
                let k = ((overlap + n) / 2) as usize;
                // At the ends one of the two never happens: no unit can agree more, or less.
                let up = table.get(k + 1).map_or(0, |above| above - table[k]);
                let down = if k > 0 { table[k] - table[k - 1] } else { 0 };
                *both = up + down;
                all_up += up;
                all_down += down;
            }
            (self.all_up[digit], self.all_down[digit]) = (all_up, all_down);
        }
    }
}

impl SpinWalk for DenseWalk<'_> {
    fn state(&self) -> &Spins {
        &self.state
    }

    fn field(&self, unit: usize) -> f64 {
        // Patterns that agree with the unit lose F(M) - F(M - 2) when it flips, the others gain F(M + 2) - F(M).
        let all = if self.state.is_up(unit) { &self.all_up } else { &self.all_down };
        let digits = self.both.iter().zip(all).map(|(both, all)| sum_of_set(self.memory.unit(unit), both) - all);
        self.memory.table.number(digits) / self.memory.scale / 2.0
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
        let at = |table: &Vec<i64>| self.overlaps().iter().map(|m| table[((m + n) / 2) as usize]).sum();
        -self.memory.table.number(self.memory.table.digits.iter().map(at)) / self.memory.scale
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

    /// Whole numbers of any length, in base 10^9, without a sign: what is here to be right, not fast.
    mod exact {
        pub fn add(a: &mut Vec<u64>, b: &[u64]) {
            let mut carry = 0;
            for at in 0..a.len().max(b.len()) + 1 {
                if at == a.len() {
                    a.push(0);
                }
                carry += a[at] + b.get(at).copied().unwrap_or(0);
                (a[at], carry) = (carry % 1_000_000_000, carry / 1_000_000_000);
            }
        }

        pub fn power(base: u64, degree: u32) -> Vec<u64> {
            let mut power = vec![1];
            for _ in 0..degree {
                let mut carry = 0;
                for digit in &mut power {
                    carry += *digit * base;
                    (*digit, carry) = (carry % 1_000_000_000, carry / 1_000_000_000);
                }
                power.push(carry);
            }
            power
        }

        pub fn compare(a: &[u64], b: &[u64]) -> std::cmp::Ordering {
            let digit = |of: &[u64], at: usize| of.get(at).copied().unwrap_or(0);
            let differ = (0..a.len().max(b.len())).rev().find(|&at| digit(a, at) != digit(b, at));
            differ.map_or(std::cmp::Ordering::Equal, |at| digit(a, at).cmp(&digit(b, at)))
        }

        pub fn float(a: &[u64]) -> f64 {
            a.iter().rev().fold(0.0, |sum, &digit| sum * 1e9 + digit as f64)
        }
    }

    /// Energies before and after a flip in exact integers, positive and negative powers apart: the sign of every field, ties
    /// included, at degrees where one integer of 64 bits rounds all but the strongest overlaps to 0.
    #[test]
    fn fields_have_the_sign_of_exact_integers_at_any_degree() {
        for (units, count, degree) in
            [(64, 8, 20), (100, 9, 30), (61, 5, 31), (300, 20, 40), (64, 8, 80), (35, 70, 3), (40, 66, 14)]
        {
            let (stored, mut random) = (patterns(units, count, 8), Philox::new(9, u64::from(degree)));
            let powers: Vec<Vec<u64>> = (0..=units as u64).map(|m| exact::power(m, degree)).collect();
            for rectified in [false, true] {
                let interaction =
                    if rectified { Interaction::Rectified { degree } } else { Interaction::Polynomial { degree } };
                let memory = DenseMemory::new(stored.clone(), interaction).unwrap();
                // Twice the sum of F that counts for this side of "sum after - sum before": [positive, negative].
                let add = |sums: &mut [Vec<u64>; 2], overlaps: &[i32], gained: bool| {
                    for &overlap in overlaps.iter().filter(|&&m| m > 0 || !rectified) {
                        let is_negative = overlap < 0 && degree % 2 == 1;
                        exact::add(
                            &mut sums[usize::from(is_negative == gained)],
                            &powers[overlap.unsigned_abs() as usize],
                        );
                    }
                };
                let near = stored.pattern(1).with_flips(units * 2 / 5, &mut random).unwrap();
                // Half way between two patterns and away from all: what is strongest may cancel.
                let mut between = stored.pattern(0);
                (0..units / 2).for_each(|unit| between.set(unit, stored.pattern(1).is_up(unit)));
                for state in [near, between, Spins::random(units, &mut random), stored.pattern(2).mirrored()] {
                    let walk = memory.walk(&state);
                    let before = memory.patterns().overlaps(&state);
                    for unit in (0..units).step_by(units / 30 + 1) {
                        let mut flipped = state.clone();
                        flipped.flip(unit);
                        let mut sums = [Vec::new(), Vec::new()];
                        add(&mut sums, &memory.patterns().overlaps(&flipped), true);
                        add(&mut sums, &before, false);
                        // The sum after the flip is larger: the energy falls, the field is against the unit.
                        let against = exact::compare(&sums[0], &sums[1]);
                        let aligned = walk.field(unit) * f64::from(state.sign(unit));
                        assert_eq!(0.0.partial_cmp(&aligned), Some(against), "{interaction:?} unit {unit}: {aligned}");
                        let change = exact::float(&sums[1]) - exact::float(&sums[0]);
                        let size = exact::float(&sums[1]) + exact::float(&sums[0]);
                        let scale = 2.0 * f64::from(degree) * (units as f64).powi(degree as i32 - 1);
                        assert!(
                            (aligned - change / scale).abs() <= 1e-13 * size / scale,
                            "{aligned} {}",
                            change / scale
                        );
                    }
                    let mut sums = [Vec::new(), Vec::new()];
                    add(&mut sums, &before, true);
                    let energy = (exact::float(&sums[1]) - exact::float(&sums[0])) * 2.0
                        / (2.0 * f64::from(degree) * (units as f64).powi(degree as i32 - 1));
                    assert!((walk.energy() - energy).abs() <= 1e-13 * energy.abs(), "{} {energy}", walk.energy());
                }
            }
        }
    }

    /// 50 patterns of 1000 units, two fifths of a cue wrong: (M / N)^30 of every other pattern is below 2^-62 of 1, and all
    /// are recalled, whatever the degree.
    #[test]
    fn steep_memories_recall_from_far() {
        let stored = patterns(1000, 50, 10);
        for degree in [20, 30, 40] {
            let memory = DenseMemory::new(stored.clone(), Interaction::Polynomial { degree }).unwrap();
            let mut random = Philox::new(11, 0);
            for mu in 0..10 {
                let pattern = stored.pattern(mu);
                let cue = pattern.with_flips(400, &mut random).unwrap();
                let settled = asynchronous(&memory, &cue, Order::Random { seed: 3, stream: mu as u64 }, 50).unwrap();
                assert!(settled.state == pattern, "degree {degree}, pattern {mu}");
            }
        }
    }

    #[test]
    fn degrees_out_of_range_are_refused() {
        for degree in [0, 1, 200] {
            let error = DenseMemory::new(patterns(64, 2, 0), Interaction::Polynomial { degree }).unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains("give 2 to 142 for 2 patterns of 64 units"),
                "{error}"
            );
        }
        // The largest that is taken has finite energies.
        let memory = DenseMemory::new(patterns(64, 2, 0), Interaction::Polynomial { degree: 142 }).unwrap();
        assert!(memory.energy(&memory.patterns().pattern(0)) < 0.0);
    }
}
