//! Simulated annealing: many reads, each cooled from a random state.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::lane::Lane;
use super::{Descent, Dynamics, Schedule, ended, reads, single};
use crate::context::Context;
use crate::energy::{Couplings, SpinMemory, SpinWalk};
use crate::error::{Error, Result};
use crate::pattern::Spins;
use crate::random::{Philox, stream};

/// An annealing run to be made: one sweep per temperature, every unit once per sweep, from the first to the last.
///
/// # Example
/// ```
/// use attractor::{Context, energy::problems::ferromagnet};
/// use attractor::sample::{Annealing, Dynamics, Schedule};
/// let couplings = ferromagnet(4, 4, true, 1.0).unwrap();
/// let schedule = Schedule::geometric(4.0, 0.2, 50).unwrap();
/// let annealing = Annealing { schedule, dynamics: Dynamics::Metropolis, reads: 8, trace: false };
/// let annealed = annealing.run(&couplings, &Context::new(1)).unwrap();
/// assert_eq!(annealed.best().energy, -32.0);
/// ```
/// # Source
/// Kirkpatrick, Gelatt and Vecchi 1983, *Optimization by simulated annealing*.
#[derive(Debug, Clone, PartialEq)]
pub struct Annealing {
    /// Temperatures.
    pub schedule: Schedule,
    /// How a unit is updated.
    pub dynamics: Dynamics,
    /// Independent runs; the best of them is the answer.
    pub reads: usize,
    /// Keep every read's energy after every sweep.
    pub trace: bool,
}

/// One run's outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// A local minimum: the lower of those that a [`Descent`] reaches from the best state among the start and the ends of all
    /// sweeps, and from where the run ended.
    pub state: Spins,
    /// Its energy, computed from the state.
    pub energy: f64,
    /// Where the run ended, at the schedule's last temperature.
    pub last: Spins,
    /// Its energy, computed from the state.
    pub last_energy: f64,
    /// Energy after each sweep, if asked for; of weights that are not integers to single precision.
    pub energies: Vec<f64>,
}

/// All runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Annealed {
    /// By number. A read's outcome is the same for any number of threads; and for any number of reads, as long as
    /// [`Annealing::engine`] is.
    pub reads: Vec<Read>,
}

impl Annealed {
    /// The read of lowest energy, the first of several.
    pub fn best(&self) -> &Read {
        // There is at least one read: `run` refuses none.
        self.reads.iter().fold(&self.reads[0], |best, read| if read.energy < best.energy { read } else { best })
    }

    /// Share of reads whose energy is at most this.
    pub fn share_at(&self, energy: f64) -> f64 {
        self.reads.iter().filter(|read| read.energy <= energy).count() as f64 / self.reads.len() as f64
    }
}

/// How the decisions are computed. Each draws them with the same probabilities; the random numbers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// [`follow`]: double precision, one decision after the other.
    Plain,
    /// Sixteen units at a look, single precision; whole numbers exact.
    Single,
    /// Sixty-four reads side by side, fields in one byte (whole numbers, no field above 126).
    Bytes,
    /// The same in two bytes (no field above 32766).
    Shorts,
    /// The same in single precision.
    Floats,
}

impl Annealing {
    fn check(&self) -> Result<()> {
        if self.reads == 0 {
            return Err(Error::usage("anneal: 0 reads; give at least one"));
        }
        Ok(())
    }

    /// The engine that [`run`](Self::run) takes: whole numbers side by side from eight reads on, in the narrowest numbers
    /// that hold the fields; others from sixteen on, unless a third of the pairs are coupled, where a flip would cost all
    /// reads a whole row; else one read by itself. (Measured: 64 reads side by side cost what 6 to 20 cost by themselves.)
    pub fn engine(&self, couplings: &Couplings) -> Engine {
        let units = couplings.units();
        let ends: usize = (0..units).map(|i| couplings.neighbours(i).count()).sum();
        let largest = couplings.largest_field();
        // NaN and infinite bounds do not pass.
        if largest.is_nan() || largest > 1e30 || u32::try_from(ends).is_err() {
            return Engine::Plain;
        }
        let is_sparse = ends <= units * units / 3;
        // Where every read turns a unit now and then, rows side by side pay for more of them.
        let least = if is_sparse { 8 } else { 32 };
        match couplings.is_whole() {
            true if largest <= 126.0 && self.reads >= least => Engine::Bytes,
            true if largest <= 32766.0 && self.reads >= least => Engine::Shorts,
            _ if is_sparse && self.reads >= 16 => Engine::Floats,
            _ => Engine::Single,
        }
    }

    /// Bytes that a run takes beside the couplings, on so many threads: states and fields of the reads under way, and what is
    /// kept of every read. An estimate that is never far below.
    pub fn bytes(&self, couplings: &Couplings, threads: usize) -> u64 {
        let units = couplings.units() as u64;
        let (reads, sweeps) = (self.reads as u64, if self.trace { self.schedule.sweeps() as u64 } else { 0 });
        // Of a unit: states, fields and best states side by side, and two bits of each read when it ends.
        let (together, a_unit) = match self.engine(couplings) {
            Engine::Plain | Engine::Single => (1, 32),
            Engine::Bytes => (64, 3 * 64 + 16),
            Engine::Shorts => (64, 3 * 128 + 16),
            Engine::Floats => (64, 3 * 256 + 16),
        };
        let groups = reads.div_ceil(together).min(threads as u64);
        let under_way = (units * a_unit).saturating_add(8 * together * sweeps).saturating_mul(groups);
        under_way.saturating_add((units / 4).saturating_add(8 * sweeps).saturating_mul(reads))
    }

    /// Anneals all reads, on all threads of the pool.
    ///
    /// # Errors
    /// `is_usage` for no read.
    /// # Accuracy
    /// A decision's probability is met to 2^-23 (rarer ones than 2^-24 never happen), and to a relative 4e-6. Couplings that
    /// are not integers are rounded to single precision, and so are their fields, which are made anew every 64
    /// sweeps; energies of the outcome are computed from its states in double precision.
    /// # Cost
    /// A read's sweep looks at N units; a flip costs the unit's degree. Reads side by side are made 64 at a time.
    pub fn run(&self, couplings: &Couplings, context: &Context<'_>) -> Result<Annealed> {
        self.run_by(self.engine(couplings), couplings, context)
    }

    /// Anneals by a given engine.
    ///
    /// # Errors
    /// As [`run`](Self::run); `is_usage` if the engine cannot hold the problem.
    pub fn run_by(&self, engine: Engine, couplings: &Couplings, context: &Context<'_>) -> Result<Annealed> {
        self.check()?;
        let refused = || {
            Error::usage(format!(
                "anneal: {engine:?} does not hold fields up to {}{}; `run` chooses an engine that does",
                couplings.largest_field(),
                if couplings.is_whole() { "" } else { " that are not integers" }
            ))
        };
        let temperatures = self.schedule.temperatures();
        let descent = Descent::new(couplings);
        let done = AtomicUsize::new(0);
        let going_on = || {
            context.step("annealing", done.fetch_add(1, Ordering::Relaxed), self.reads);
            context.check()
        };
        let reads = match engine {
            Engine::Plain => (0..self.reads as u64)
                .into_par_iter()
                .map(|read| {
                    going_on()?;
                    let mut random = Philox::new(context.seed(), stream::item(read));
                    let start = Spins::random(couplings.units(), &mut random);
                    let mut energies = Vec::new();
                    let note = |sweep: &Sweep<'_>| {
                        if self.trace {
                            energies.push(sweep.energy)
                        }
                    };
                    let (state, last) = follow(couplings, &start, &self.schedule, self.dynamics, &mut random, note)?;
                    Ok(finished(&descent, state, last, energies))
                })
                .collect::<Result<_>>()?,
            Engine::Single => {
                let program = single::Program::new(couplings).ok_or_else(refused)?;
                let one =
                    |read| program.anneal(self.dynamics, temperatures, context.seed(), stream::item(read), self.trace);
                let finish = |read: ended::Annealed| finished(&descent, read.best, read.last, read.energies);
                (0..self.reads as u64)
                    .into_par_iter()
                    .map(|read| going_on().map(|()| finish(one(read))))
                    .collect::<Result<_>>()?
            }
            Engine::Bytes => {
                let program = reads::Program::<i8>::new(couplings).ok_or_else(refused)?;
                self.side_by_side(&descent, &program, context)?
            }
            Engine::Shorts => {
                let program = reads::Program::<i16>::new(couplings).ok_or_else(refused)?;
                self.side_by_side(&descent, &program, context)?
            }
            Engine::Floats => {
                let program = reads::Program::<f32>::new(couplings).ok_or_else(refused)?;
                self.side_by_side(&descent, &program, context)?
            }
        };
        Ok(Annealed { reads })
    }

    fn side_by_side<T: Lane>(
        &self,
        descent: &Descent<'_>,
        program: &reads::Program<T>,
        context: &Context<'_>,
    ) -> Result<Vec<Read>> {
        let groups = self.reads.div_ceil(reads::READS);
        let done = AtomicUsize::new(0);
        let group = |group: usize| {
            context.check()?;
            context.step("annealing", done.fetch_add(1, Ordering::Relaxed), groups);
            let made = program.anneal(
                self.dynamics,
                self.schedule.temperatures(),
                context.seed(),
                stream::item(group as u64),
                self.trace,
            );
            let wanted = reads::READS.min(self.reads - group * reads::READS);
            let traces = made.traces;
            let energies = move |read: usize| traces.iter().map(|all| all[read]).collect::<Vec<_>>();
            let states = made.best.into_iter().zip(made.last).take(wanted).enumerate();
            Ok(states.map(|(read, (best, last))| finished(descent, best, last, energies(read))).collect::<Vec<_>>())
        };
        Ok((0..groups).into_par_iter().map(group).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// The same cost spent on more, shorter runs: `restarts` times the reads, each in 1 / `restarts` of the sweeps (rounded
    /// down), the curve of the schedule kept.
    ///
    /// # Errors
    /// `is_usage` for no restart, more than there are sweeps, or more reads than can be counted.
    pub fn with_restarts(&self, restarts: usize) -> Result<Self> {
        let sweeps = self.schedule.sweeps();
        let reads = self.reads.checked_mul(restarts);
        let (Some(reads), 1..) = (reads, sweeps.checked_div(restarts).unwrap_or(0)) else {
            return Err(Error::usage(format!(
                "anneal: {restarts} restarts in a budget of {sweeps} sweeps; expected 1 to {sweeps}"
            )));
        };
        Ok(Self { schedule: self.schedule.in_sweeps(sweeps / restarts)?, reads, ..self.clone() })
    }
}

/// First and last temperature for a problem: twice the largest, and a fifth of the smallest, field that competes at a unit.
///
/// Of a random state the field at unit i has mean square sum_j J_ij^2 + b_i^2. The strongest coupling does not compete: by
/// itself it is always satisfied, so one heavy edge says nothing of the temperatures at which the rest is decided. What is
/// left of the root mean square is c_i, and flips cost about 2 c_i where couplings are in conflict. At 2 max c_i units hardly
/// feel each other; at a fifth of the smallest, excitations are rare, and the descent that ends a read removes them. The
/// smallest is that of all but the lowest twentieth of the units, at least of all but two: one light edge is left to the
/// descent. (Measured on twelve kinds of graphs: a tenth, or the lowest hundredth, spends sweeps where nothing is won.) Where nothing competes, as in single pairs, couplings themselves count; without any, the temperatures are
/// those of a coupling of 1.
pub fn temperatures(couplings: &Couplings) -> (f64, f64) {
    let sizes = |unit: usize| {
        let weights = couplings.neighbours(unit).map(|(_, weight)| weight).chain([couplings.biases()[unit]]);
        weights.map(f64::abs)
    };
    let largest = (0..couplings.units()).flat_map(sizes).fold(0.0, f64::max);
    if largest == 0.0 {
        return (2.0, 0.2);
    }
    // The strongest, and the sum of the squares of all others, in units of the largest: squares of 1e300 are not numbers.
    let rest = |(strongest, squares): (f64, f64), size: f64| {
        let weaker = size.min(strongest) / largest;
        (size.max(strongest), squares + weaker * weaker)
    };
    let competes = |unit: usize| largest * sizes(unit).fold((0.0, 0.0), rest).1.sqrt();
    let mut fields: Vec<f64> = (0..couplings.units()).map(competes).filter(|&field| field > 0.0).collect();
    fields.sort_by(f64::total_cmp);
    match fields.last() {
        Some(&most) => {
            let least = fields[(fields.len() / 20).max(2).min(fields.len() - 1)];
            (2.0 * most, least / 5.0)
        }
        None => (2.0 * largest, largest / 5.0),
    }
}

fn finished(descent: &Descent<'_>, best: Spins, last: Spins, energies: Vec<f64>) -> Read {
    let (last_energy, mut state, mut energy) = descent.down(&last);
    if best != last {
        let (other, lower) = descent.from(&best);
        if lower < energy {
            (state, energy) = (other, lower);
        }
    }
    Read { state, energy, last, last_energy, energies }
}

/// What an observer is shown after each sweep.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// Number of the sweep, from 0.
    pub number: usize,
    /// Its temperature.
    pub temperature: f64,
    /// Energy after it.
    pub energy: f64,
    /// Units that were flipped in it.
    pub flips: usize,
    /// The state after it.
    pub state: &'a Spins,
}

/// Anneals one state of any memory of spins, plainly, and shows every sweep: the best state and the last.
///
/// # Errors
/// `is_shape` if the start has another number of units.
pub fn follow<M: SpinMemory>(
    memory: &M,
    start: &Spins,
    schedule: &Schedule,
    dynamics: Dynamics,
    random: &mut Philox,
    mut observe: impl FnMut(&Sweep<'_>),
) -> Result<(Spins, Spins)> {
    if start.len() != memory.units() {
        return Err(Error::shape(format!(
            "anneal: a start of {} units for a memory of {}; the two must be equal",
            start.len(),
            memory.units()
        )));
    }
    let mut walk = memory.walk(start);
    let mut best = (walk.energy(), start.clone());
    for (number, &temperature) in schedule.temperatures().iter().enumerate() {
        let flips = dynamics.sweep(&mut walk, temperature, random);
        let energy = walk.energy();
        if energy < best.0 {
            best = (energy, walk.state().clone());
        }
        observe(&Sweep { number, temperature, energy, flips, state: walk.state() });
    }
    Ok((best.1, walk.state().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::problems::{grid, planted_loops, sherrington_kirkpatrick, torus_glass};
    use crate::energy::{Energy, Hebb, ground_state};
    use crate::pattern::StoredPatterns;
    use crate::sample::Enumerated;

    const ALL: [Engine; 5] = [Engine::Plain, Engine::Single, Engine::Bytes, Engine::Shorts, Engine::Floats];

    fn annealing(start: f64, end: f64, sweeps: usize, reads: usize) -> Annealing {
        let schedule = Schedule::geometric(start, end, sweeps).unwrap();
        Annealing { schedule, dynamics: Dynamics::Metropolis, reads, trace: false }
    }

    /// At any scale; the strongest coupling of each unit left out, biases counted.
    #[test]
    fn temperatures_go_from_the_largest_to_the_smallest_field_that_competes() {
        for scale in [1.0, 1e-300, 1e300] {
            let edges = [(0, 1, 0.3), (1, 2, -0.4), (2, 3, 0.2), (3, 0, 0.1)];
            let ring = Couplings::sparse(4, &edges.map(|(i, j, w)| (i, j, w * scale))).unwrap();
            // 0.1, 0.3, 0.2, 0.1 compete; of four units the third lowest is the smallest.
            let (start, end) = temperatures(&ring);
            assert!((start / (2.0 * 0.3 * scale) - 1.0).abs() < 1e-12 && (end / (0.04 * scale) - 1.0).abs() < 1e-12);
        }
        let of = |units, edges: &[(usize, usize, f64)]| Couplings::sparse(units, edges).unwrap();
        assert_eq!(temperatures(&of(2, &[])), (2.0, 0.2));
        assert_eq!(temperatures(&of(4, &[(0, 1, 3.0), (2, 3, -5.0)])), (10.0, 1.0));
        assert_eq!(temperatures(&of(2, &[(0, 1, 3.0)]).with_biases(vec![0.0, 4.0]).unwrap()), (6.0, 0.6));
        // One heavy edge and one light one change nothing.
        let path: Vec<_> = (0..199).map(|i| (i, i + 1, 1.0)).collect();
        let ends = [(200, 201, 1000.0), (202, 203, 1e-9)];
        assert_eq!(temperatures(&of(204, &[&path[..], &ends].concat())), temperatures(&of(200, &path)));
    }

    /// The end of every read, whatever the engine, the temperatures and the weights: no single flip lowers its energy.
    #[test]
    fn every_read_ends_in_a_local_minimum() {
        let mut random = Philox::new(87, 0);
        let torus = torus_glass(7, 7, &mut random).unwrap();
        let glass = sherrington_kirkpatrick(40, &mut random).unwrap();
        let star: Vec<_> = (1..90).map(|leaf| (0, leaf, -1.0)).collect();
        let star = Couplings::sparse(90, &star).unwrap();
        let heavy: Vec<_> =
            (0..99).map(|at| (at, at + 1, random.normal() * 10f64.powi(random.below(9) as i32 - 4))).collect();
        let heavy = Couplings::sparse(100, &heavy).unwrap();
        for couplings in [&torus, &glass, &star, &heavy] {
            for (start, end, sweeps) in [(50.0, 50.0, 1), (3.0, 1.0, 20)] {
                for engine in ALL {
                    let run = annealing(start, end, sweeps, 70).run_by(engine, couplings, &Context::new(88));
                    let Ok(annealed) = run else {
                        assert!(!couplings.is_whole(), "{engine:?}");
                        continue;
                    };
                    for read in &annealed.reads {
                        assert_eq!(read.energy, couplings.energy(&read.state));
                        assert!(read.energy <= read.last_energy, "{engine:?}");
                        let walk = couplings.walk(&read.state);
                        let bound = if couplings.is_whole() { 0.0 } else { -1e-9 };
                        assert!(
                            (0..couplings.units())
                                .all(|unit| walk.field(unit) * f64::from(read.state.sign(unit)) >= bound)
                        );
                    }
                }
            }
        }
    }

    /// Enumerated ground states of glasses, sparse and dense, whole and not: every engine that holds them reaches them.
    #[test]
    fn every_engine_finds_the_enumerated_ground_state() {
        let mut random = Philox::new(81, 0);
        let torus = torus_glass(4, 4, &mut random).unwrap();
        let dense = sherrington_kirkpatrick(16, &mut random).unwrap();
        let biased = torus.clone().with_biases((0..16).map(|i| f64::from(i % 3) - 1.0).collect()).unwrap();
        for (couplings, scale) in [(&torus, 1.0), (&dense, 0.5), (&biased, 1.0)] {
            let (_, ground, _) = ground_state(couplings).unwrap();
            for dynamics in [Dynamics::HeatBath, Dynamics::Metropolis] {
                let annealing = Annealing { dynamics, ..annealing(4.0 * scale, 0.2 * scale, 100, 70) };
                for engine in ALL {
                    match annealing.run_by(engine, couplings, &Context::new(81)) {
                        Ok(annealed) => {
                            assert!((annealed.best().energy - ground).abs() < 1e-9, "{engine:?} {dynamics:?}");
                            assert!(annealed.reads.iter().all(|read| read.energy >= ground - 1e-9));
                            assert_eq!(annealed.reads.len(), 70);
                            for read in &annealed.reads {
                                assert_eq!(read.energy, couplings.energy(&read.state));
                                assert!(read.energy <= read.last_energy);
                            }
                        }
                        Err(error) => assert!(!couplings.is_whole() && error.is_usage(), "{error}"),
                    }
                }
            }
        }
    }

    #[test]
    fn planted_energies_are_reached_and_never_undercut() {
        let mut random = Philox::new(82, 0);
        let planted = planted_loops(144, &grid(12, 12, true).unwrap(), 40, &mut random).unwrap();
        for engine in [Engine::Single, Engine::Bytes] {
            let annealed = annealing(4.0, 0.2, 300, 64).run_by(engine, &planted.couplings, &Context::new(81)).unwrap();
            assert_eq!(annealed.best().energy, planted.energy, "{engine:?}");
            assert!(annealed.share_at(planted.energy) > 0.0 && annealed.share_at(planted.energy - 1.0) == 0.0);
        }
    }

    /// At one temperature the last states are samples: their energies and magnetisations have the enumerated means, five
    /// standard errors, of every engine.
    #[test]
    fn reads_at_one_temperature_are_samples() {
        let mut random = Philox::new(83, 0);
        let couplings = torus_glass(3, 3, &mut random).unwrap().with_biases(vec![1.0; 9]).unwrap();
        let temperature = 2.3;
        let exact = Enumerated::new(&couplings, temperature).unwrap();
        let reads = 6400;
        for dynamics in [Dynamics::HeatBath, Dynamics::Metropolis] {
            for engine in ALL {
                let schedule = Schedule::constant(temperature, 40).unwrap();
                let run = Annealing { schedule, dynamics, reads, trace: false };
                let annealed = run.run_by(engine, &couplings, &Context::new(84)).unwrap();
                let mean = annealed.reads.iter().map(|read| read.last_energy).sum::<f64>() / reads as f64;
                let error = (exact.heat_capacity() * temperature * temperature / reads as f64).sqrt();
                assert!((mean - exact.mean_energy()).abs() < 5.0 * error, "{engine:?} {dynamics:?} {mean}");
                let mut counts = vec![0.0; 512];
                annealed.reads.iter().for_each(|read| counts[exact.number(&read.last)] += 1.0);
                // Pearson's chi squared over states with at least five expected, the rest together; 511 degrees at most.
                let (mut chi, mut rest, mut cells) = (0.0, (0.0, 0.0), 0.0);
                for (count, p) in counts.iter().zip(exact.probabilities()) {
                    let expected = p * reads as f64;
                    if expected >= 5.0 {
                        chi += (count - expected) * (count - expected) / expected;
                        cells += 1.0;
                    } else {
                        rest = (rest.0 + count, rest.1 + expected);
                    }
                }
                chi += (rest.0 - rest.1) * (rest.0 - rest.1) / rest.1;
                // Mean `cells`, variance 2 `cells`.
                assert!(chi < cells + 5.0 * (2.0f64 * cells).sqrt(), "{engine:?} {dynamics:?}: {chi} of {cells}");
            }
        }
    }

    /// A read is a function of problem, seed and number.
    #[test]
    fn neither_threads_nor_the_number_of_reads_change_a_read() {
        let couplings = torus_glass(5, 6, &mut Philox::new(85, 0)).unwrap();
        for engine in ALL {
            let run = Annealing { trace: true, ..annealing(3.0, 0.3, 30, 130) };
            let all = run.run_by(engine, &couplings, &Context::new(81)).unwrap();
            let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            assert_eq!(one.install(|| run.run_by(engine, &couplings, &Context::new(81)).unwrap()), all);
            let few = Annealing { reads: 67, ..run }.run_by(engine, &couplings, &Context::new(81)).unwrap();
            assert_eq!(few.reads[..], all.reads[..67]);
            assert_ne!(all.reads[0].energies, all.reads[64].energies);
            assert!(all.reads.iter().all(|read| read.energies.len() == 30 && read.energies[29] == read.last_energy));
        }
    }

    #[test]
    fn restarts_cost_what_one_long_run_costs() {
        let long = annealing(4.0, 0.25, 1000, 3);
        let short = long.with_restarts(10).unwrap();
        assert_eq!((short.reads, short.schedule.sweeps()), (30, 100));
        assert_eq!((short.schedule.temperatures()[0], short.schedule.temperatures()[99]), (4.0, 0.25));
        assert!(long.with_restarts(0).unwrap_err().is_usage() && long.with_restarts(1001).unwrap_err().is_usage());
    }

    /// Any memory of spins may be followed: a Hebbian one cooled from a random state ends in a pattern or its mirror.
    #[test]
    fn a_hebbian_memory_cools_into_a_pattern() {
        let mut random = Philox::new(86, 0);
        let memory = Hebb::new(StoredPatterns::random(100, 2, &mut random).unwrap());
        let schedule = Schedule::linear(1.2, 0.05, 60).unwrap();
        let start = Spins::random(100, &mut random);
        let mut seen = Vec::new();
        let (best, last) = follow(&memory, &start, &schedule, Dynamics::HeatBath, &mut random, |sweep| {
            assert_eq!(memory.energy(sweep.state), sweep.energy);
            seen.push((sweep.number, sweep.temperature));
        })
        .unwrap();
        assert_eq!((seen.len(), seen[0], seen[59]), (60, (0, 1.2), (59, 0.05)));
        assert!((0..2).any(|pattern| last.overlap(&memory.patterns().pattern(pattern)).abs() >= 96));
        assert!(memory.energy(&best) <= memory.energy(&last));
        assert!(
            follow(&memory, &Spins::new(3), &schedule, Dynamics::HeatBath, &mut random, |_| ()).unwrap_err().is_shape()
        );
        let none = Annealing { reads: 0, ..annealing(1.0, 0.5, 3, 1) };
        assert!(none.run(&torus_glass(3, 3, &mut random).unwrap(), &Context::new(0)).unwrap_err().is_usage());
    }
}
