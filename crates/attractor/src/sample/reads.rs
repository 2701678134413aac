//! Sixty-four reads of one problem side by side.
//!
//! All reads visit the same unit at the same time, so they share the walk over the graph: a unit's 64 fields lie together,
//! and a neighbour's fields are changed by one vector operation, whichever of the reads turned. Of small whole numbers a
//! field takes one byte.
//!
//! # Source
//! Multi-spin coding: Zorn, Herrmann and Rebbi 1981; Isakov, Zintchenko, Ronnow and Troyer 2015, *Optimised simulated
//! annealing for Ising spin glasses*. Differs: reads share no random number.

// Loops over the reads are written by index throughout: one shape, which is compiled to vectors.
#![allow(clippy::needless_range_loop)]

use pulp::{Simd, WithSimd};

use super::Dynamics;
use super::lane::Lane;
use super::stream::{BLOCK, Lanes, Thresholds};
use crate::energy::{Couplings, SpinMemory};
use crate::pattern::Spins;

/// Reads side by side.
pub(super) const READS: usize = BLOCK;

/// One number of each read.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Row<T>([T; READS]);

impl<T: Lane> Row<T> {
    /// Is any number not zero? By words of 64 bits: a sum over narrow numbers is compiled badly.
    #[inline(always)]
    fn any(&self) -> bool {
        let words: &[u64] = bytemuck::cast_slice(&self.0);
        let mut all = 0;
        for word in words {
            all |= word;
        }
        all != 0
    }
}

/// Couplings in the form that the sweeps want: neighbours of one weight together.
pub(super) struct Program<T> {
    /// Groups of a unit: `starts[i]..starts[i + 1]`.
    starts: Vec<u32>,
    groups: Vec<Group<T>>,
    neighbours: Vec<u32>,
    biases: Vec<T>,
    /// Without any bias the sums leave them out.
    biased: bool,
}

struct Group<T> {
    weight: T,
    from: u32,
    to: u32,
}

impl<T: Lane> Program<T> {
    /// `None` if a field might not be held, or there are too many edges for 32 bits.
    pub fn new(couplings: &Couplings) -> Option<Self> {
        // NaN and infinite bounds do not pass.
        let largest = couplings.largest_field();
        if largest.is_nan() || largest > T::LARGEST || (T::WHOLE && !couplings.is_whole()) {
            return None;
        }
        let (mut starts, mut groups, mut neighbours) = (vec![0], Vec::new(), Vec::new());
        for unit in 0..couplings.units() {
            let mut row: Vec<(usize, f64)> = couplings.neighbours(unit).collect();
            row.sort_by(|a, b| a.1.total_cmp(&b.1));
            for alike in row.chunk_by(|a, b| a.1 == b.1) {
                let from = u32::try_from(neighbours.len()).ok()?;
                neighbours.extend(alike.iter().map(|n| n.0 as u32));
                groups.push(Group { weight: T::of(alike[0].1), from, to: u32::try_from(neighbours.len()).ok()? });
            }
            starts.push(u32::try_from(groups.len()).ok()?);
        }
        let biases: Vec<T> = couplings.biases().iter().map(|&b| T::of(b)).collect();
        let biased = biases.iter().any(|&b| b != T::ZERO);
        Some(Self { starts, groups, neighbours, biases, biased })
    }

    fn groups(&self, unit: usize) -> &[Group<T>] {
        &self.groups[self.starts[unit] as usize..self.starts[unit + 1] as usize]
    }

    /// Anneals 64 reads from random states.
    pub fn anneal(&self, rule: Dynamics, temperatures: &[f64], seed: u64, stream: u64, trace: bool) -> Annealed64 {
        pulp::Arch::new().dispatch(Task { program: self, rule, temperatures, random: Lanes::new(seed, stream), trace })
    }
}

/// The work of one call, compiled once for each instruction set. (A closure as long as this would not be inlined into the
/// dispatched function, and so be compiled for none.)
struct Task<'a, T> {
    program: &'a Program<T>,
    rule: Dynamics,
    temperatures: &'a [f64],
    random: Lanes,
    trace: bool,
}

impl<T: Lane> WithSimd for Task<'_, T> {
    type Output = Annealed64;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> Annealed64 {
        let mut reads = Reads::random(self.program, &mut self.random);
        let mut energies = reads.energies();
        let mut best = (energies, reads.x.clone());
        let mut traces = Vec::new();
        for (sweep, &temperature) in self.temperatures.iter().enumerate() {
            let turned = reads.sweep(Thresholds::new(self.rule, temperature), &mut self.random);
            // Rounding errors of f32 fields are thrown away before they add up.
            if !T::WHOLE && sweep % 64 == 63 {
                reads.refresh();
            }
            if turned {
                energies = reads.energies();
                reads.keep_better(&energies, &mut best);
            }
            if self.trace {
                traces.push(energies);
            }
        }
        Annealed64 { best: states(&best.1), last: states(&reads.x), traces }
    }
}

/// What 64 reads came to.
pub(super) struct Annealed64 {
    /// Each read's state of lowest energy among the start and the ends of its sweeps.
    pub best: Vec<Spins>,
    pub last: Vec<Spins>,
    /// Energy of each read after each sweep, if asked for.
    pub traces: Vec<[f64; READS]>,
}

fn states<T: Lane>(x: &[Row<T>]) -> Vec<Spins> {
    let mut all = vec![Spins::new(x.len()); READS];
    for (unit, row) in x.iter().enumerate() {
        for (read, &x) in row.0.iter().enumerate().filter(|entry| *entry.1 == T::UP) {
            debug_assert!(x == T::UP);
            all[read].set(unit, true);
        }
    }
    all
}

/// 64 states on their way.
struct Reads<'a, T> {
    program: &'a Program<T>,
    x: Vec<Row<T>>,
    fields: Vec<Row<T>>,
}

impl<'a, T: Lane> Reads<'a, T> {
    #[inline(always)]
    fn random(program: &'a Program<T>, random: &mut Lanes) -> Self {
        let units = program.biases.len();
        let mut x = vec![Row([T::UP; READS]); units];
        for row in &mut x {
            let numbers = random.next();
            for read in 0..READS {
                row.0[read] = if numbers[read] >> 31 == 1 { T::UP } else { T::DOWN };
            }
        }
        let fields = vec![Row([T::ZERO; READS]); units];
        let mut reads = Self { program, x, fields };
        reads.refresh();
        reads
    }

    /// Fields from the states.
    #[inline(always)]
    fn refresh(&mut self) {
        for unit in 0..self.x.len() {
            let mut field = [self.program.biases[unit]; READS];
            for group in self.program.groups(unit) {
                for &j in &self.program.neighbours[group.from as usize..group.to as usize] {
                    let x = &self.x[j as usize].0;
                    // Adding a weight of either sign: the weight aligned with x.
                    for read in 0..READS {
                        field[read] = field[read].plus(group.weight.aligned(x[read]));
                    }
                }
            }
            self.fields[unit].0 = field;
        }
    }

    /// Every unit once, in order; true if any read turned any.
    #[inline(always)]
    fn sweep(&mut self, thresholds: Thresholds, random: &mut Lanes) -> bool {
        let largest = T::threshold(thresholds.largest());
        let mut any_turned = false;
        for unit in 0..self.x.len() {
            let x = &mut self.x[unit].0;
            let field = &self.fields[unit].0;
            let mut aligned = Row([T::ZERO; READS]);
            let mut may = Row([T::ZERO; READS]);
            for read in 0..READS {
                aligned.0[read] = field[read].aligned(x[read]);
                may.0[read] = aligned.0[read].below(largest);
            }
            // In the cold most units stand so firmly that no random number would turn them.
            if !may.any() {
                continue;
            }
            let drawn = thresholds.draw(random);
            let mut accepted = Row([T::ZERO; READS]);
            for read in 0..READS {
                accepted.0[read] = aligned.0[read].below(T::threshold(drawn[read]));
            }
            if !accepted.any() {
                continue;
            }
            any_turned = true;
            let mut change = [T::ZERO; READS];
            for read in 0..READS {
                change[read] = x[read].change(accepted.0[read]);
                x[read] = x[read].turned(accepted.0[read]);
            }
            for group in self.program.groups(unit) {
                let mut step = [T::ZERO; READS];
                for read in 0..READS {
                    step[read] = change[read].times(group.weight);
                }
                for &j in &self.program.neighbours[group.from as usize..group.to as usize] {
                    let field = &mut self.fields[j as usize].0;
                    for read in 0..READS {
                        field[read] = field[read].plus(step[read]);
                    }
                }
            }
        }
        any_turned
    }

    /// E = -1/2 sum_i x_i (h_i + b_i). Of whole numbers exact: 256 terms of at most 2 x 32767 fit the 24 bits of f32.
    #[inline(always)]
    fn energies(&self) -> [f64; READS] {
        let mut totals = [0.0; READS];
        let mut at = 0;
        while at < self.x.len() {
            let end = (at + 256).min(self.x.len());
            let mut sums = [0.0f32; READS];
            for unit in at..end {
                let (x, field) = (&self.x[unit].0, &self.fields[unit].0);
                for read in 0..READS {
                    sums[read] += field[read].aligned(x[read]).wide();
                }
                if self.program.biased {
                    let bias = self.program.biases[unit];
                    for read in 0..READS {
                        sums[read] += bias.aligned(x[read]).wide();
                    }
                }
            }
            for read in 0..READS {
                totals[read] -= 0.5 * f64::from(sums[read]);
            }
            at = end;
        }
        totals
    }

    /// Takes over the states of those reads that lie lower than ever before.
    #[inline(always)]
    fn keep_better(&self, energies: &[f64; READS], best: &mut ([f64; READS], Vec<Row<T>>)) {
        let mut keep = Row([T::ZERO; READS]);
        for read in 0..READS {
            let (now, before) = (energies[read], best.0[read]);
            // `below` of +1 and -1 tells the form that acceptance has.
            keep.0[read] = T::of(if now < before { -1.0 } else { 1.0 }).below(T::ZERO);
            best.0[read] = if now < before { now } else { before };
        }
        if keep.any() {
            for (best, now) in best.1.iter_mut().zip(&self.x) {
                for read in 0..READS {
                    best.0[read] = best.0[read].replaced(now.0[read], keep.0[read]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::SpinWalk;
    use crate::energy::problems::{grid, planted_loops, torus_glass};
    use crate::random::Philox;

    /// The definition: 64 walks in double precision, the same numbers, one decision after the other.
    fn plainly<T: Lane>(
        couplings: &Couplings,
        rule: Dynamics,
        temperatures: &[f64],
        seed: u64,
    ) -> (Vec<Spins>, Vec<Spins>, Vec<Vec<f64>>) {
        let units = couplings.units();
        let mut random = Lanes::new(seed, 5);
        let mut starts = vec![Spins::new(units); READS];
        for unit in 0..units {
            let numbers = random.next();
            (0..READS).for_each(|read| starts[read].set(unit, numbers[read] >> 31 == 1));
        }
        let mut walks: Vec<_> = starts.iter().map(|start| couplings.walk(start)).collect();
        let mut best: Vec<_> = walks.iter().map(|walk| (walk.energy(), walk.state().clone())).collect();
        let mut trace = Vec::new();
        for &temperature in temperatures {
            let thresholds = Thresholds::new(rule, temperature);
            for unit in 0..units {
                let aligned: Vec<f64> = walks.iter().map(|w| w.field(unit) * f64::from(w.state().sign(unit))).collect();
                let may = |t: f32, aligned: f64| T::of(aligned).below(T::threshold(t)) != T::ZERO;
                if !aligned.iter().any(|&a| may(thresholds.largest(), a)) {
                    continue;
                }
                let numbers = random.next();
                for read in (0..READS).filter(|&read| may(thresholds.of(numbers[read]), aligned[read])) {
                    walks[read].flip(unit);
                }
            }
            trace.push(walks.iter().map(SpinWalk::energy).collect());
            for (walk, best) in walks.iter().zip(&mut best).filter(|(walk, best)| walk.energy() < best.0) {
                *best = (walk.energy(), walk.state().clone());
            }
        }
        (best.into_iter().map(|b| b.1).collect(), walks.iter().map(|w| w.state().clone()).collect(), trace)
    }

    fn agree<T: Lane>(couplings: &Couplings) {
        let temperatures: Vec<f64> = (0..60).map(|k| 3.0 * 0.93f64.powi(k)).collect();
        for rule in [Dynamics::HeatBath, Dynamics::Metropolis] {
            let program = Program::<T>::new(couplings).unwrap();
            let fast = program.anneal(rule, &temperatures, 9, 5, true);
            let (best, last, trace) = plainly::<T>(couplings, rule, &temperatures, 9);
            assert!(fast.last == last, "{rule:?}");
            assert!(fast.best == best, "{rule:?}");
            assert!(fast.traces.iter().zip(&trace).all(|(a, b)| a[..] == b[..]));
        }
    }

    /// Whole numbers: each decision of each read is the definition's.
    #[test]
    fn whole_fields_decide_as_the_definition_does() {
        let mut random = Philox::new(61, 0);
        let torus = torus_glass(7, 11, &mut random).unwrap();
        let biased = torus.clone().with_biases((0..77).map(|i| f64::from(i % 5) - 2.0).collect()).unwrap();
        for couplings in [&torus, &biased] {
            agree::<i8>(couplings);
            agree::<i16>(couplings);
            agree::<f32>(couplings);
        }
        // Weights of 63 and more, where the step of a field wraps.
        let heavy = Couplings::sparse(3, &[(0, 1, 100.0), (1, 2, -26.0)]).unwrap();
        let scaled: Vec<f64> = (0..40).map(|k| 200.0 * 0.9f64.powi(k)).collect();
        let program = Program::<i8>::new(&heavy).unwrap();
        let (best, last, _) = plainly::<i8>(&heavy, Dynamics::HeatBath, &scaled, 9);
        let fast = program.anneal(Dynamics::HeatBath, &scaled, 9, 5, false);
        assert!(fast.best == best && fast.last == last);
        // More than 256 units, and more than one group of a unit.
        let planted = planted_loops(400, &grid(20, 20, true).unwrap(), 150, &mut random).unwrap();
        agree::<i16>(&planted.couplings);
    }

    #[test]
    fn fields_that_do_not_fit_are_not_held() {
        let of = |weight: f64| Couplings::sparse(2, &[(0, 1, weight)]).unwrap();
        assert!(Program::<i8>::new(&of(126.0)).is_some() && Program::<i8>::new(&of(127.0)).is_none());
        assert!(Program::<i16>::new(&of(32766.0)).is_some() && Program::<i16>::new(&of(32767.0)).is_none());
        assert!(Program::<i8>::new(&of(0.5)).is_none() && Program::<f32>::new(&of(0.5)).is_some());
        assert!(Program::<f32>::new(&of(1e31)).is_none());
    }
}
