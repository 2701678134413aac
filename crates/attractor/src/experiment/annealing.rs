//! Simulated annealing of a problem: how low it gets, beside what is known.

use std::time::Instant;

use serde::Serialize;

use super::MOST_BYTES;
use crate::energy::SpinMemory;
use crate::energy::problems::Problem;
use crate::pattern::Spins;
use crate::random::{Philox, stream};
use crate::sample::{Annealed, Annealing, Cooling, Dynamics, Schedule, temperatures};
use crate::{Context, Error, Hint, Kind, Note, Result};

/// Most sweeps of a run.
const MOST_SWEEPS: usize = 1 << 28;
/// Most runs.
const MOST_READS: usize = 1 << 20;
/// Most spins of a glass in which all are coupled.
const MOST_COUPLED: usize = 1 << 15;
/// Most spins along a side of a lattice.
const MOST_SIDE: usize = 1 << 12;
/// Most updates of a spin: spins x sweeps x runs. About a day on one thread.
const MOST_UPDATES: u64 = 1 << 42;
/// Updates from which on it is said beforehand how long they take.
const LONG: u64 = 1 << 32;
/// Updates per second and thread, roughly, of spins with few neighbours.
const UPDATES_PER_SECOND: f64 = 5e7;
/// Energies that differ by a smaller share are one.
const SAME: f64 = 1e-9;

/// A problem and how it is annealed.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What is annealed.
    pub problem: Problem,
    /// First temperature; by default the first of [`temperatures`], or `end` if that is higher.
    pub start: Option<f64>,
    /// Last temperature; by default the last of [`temperatures`], or `start` if that is lower.
    pub end: Option<f64>,
    /// How the temperature falls.
    pub cooling: Cooling,
    /// Sweeps over all units.
    pub sweeps: usize,
    /// Independent runs; the best is the answer.
    pub reads: usize,
    /// Spend the same cost on so many times more, shorter runs; 1: on these.
    pub restarts: usize,
    /// How a unit is updated.
    pub dynamics: Dynamics,
    /// Keep every run's energy after every sweep, for pictures.
    pub trace: bool,
}

impl Options {
    /// The usual way: 64 Metropolis runs of 1000 sweeps, geometric cooling.
    pub fn new(problem: Problem) -> Self {
        let (cooling, dynamics) = (Cooling::Geometric, Dynamics::Metropolis);
        Self { problem, start: None, end: None, cooling, sweeps: 1000, reads: 64, restarts: 1, dynamics, trace: false }
    }

    /// Refuses sizes that would take too long or not fit in memory, and temperatures that do not cool.
    ///
    /// # Errors
    /// `is_usage`, naming the option at fault and its limits.
    pub fn check(&self) -> Result<()> {
        let (option, size, least, most) = match self.problem {
            Problem::SherringtonKirkpatrick { units } => ("sk", units, 2, MOST_COUPLED),
            Problem::TorusGlass { side } => ("torus", side, 3, MOST_SIDE),
            Problem::PlantedLoops { side } => ("planted", side, 3, MOST_SIDE),
            Problem::Ferromagnet { side } => ("ising", side, 3, MOST_SIDE),
            Problem::MaxCut { .. } => ("graph", 1, 1, 1),
        };
        let counts = [
            (option, size, least, most),
            ("sweeps", self.sweeps, 1, MOST_SWEEPS),
            ("reads", self.reads, 1, MOST_READS),
            ("restarts", self.restarts, 1, self.sweeps),
        ];
        if let Some((option, given, least, most)) = counts.into_iter().find(|(_, n, least, most)| n < least || n > most)
        {
            return Err(Error::option(option, given, format!("give {least} to {most}")));
        }
        for (option, given) in [("start", self.start), ("end", self.end)] {
            if let Some(given) = given.filter(|t| !(*t > 0.0 && t.is_finite())) {
                return Err(Error::option(option, given, "give a temperature above zero"));
            }
        }
        match (self.start, self.end) {
            (Some(start), Some(end)) if end > start => {
                Err(Error::option("end", end, format!("annealing cools, from {start}; give at most that")))
            }
            _ => Ok(()),
        }
    }
}

/// The best of all runs, and what is known of the problem.
#[derive(Debug, Clone, Serialize)]
pub struct Solution {
    /// "attractor.memory.anneal/1".
    pub schema: &'static str,
    /// The problem; in JSON its name.
    pub problem: Problem,
    /// Spins.
    pub units: usize,
    /// Seed of the problem and the runs.
    pub seed: u64,
    /// Sweeps of a run.
    pub sweeps: usize,
    /// Runs.
    pub reads: usize,
    /// First temperature.
    pub start: f64,
    /// Last temperature.
    pub end: f64,
    /// The lowest energy that was found.
    pub energy: f64,
    /// The lowest energy of each run.
    pub energies: Vec<f64>,
    /// The lowest energy there is, where it is known.
    pub ground_energy: Option<f64>,
    /// What theory expects of the lowest energy of large systems.
    pub expected_energy: Option<f64>,
    /// Weight of the edges that the best state cuts, of a graph.
    pub cut: Option<f64>,
    /// Weight of all edges, of a graph.
    pub total_weight: Option<f64>,
    /// The two sides of the cut, of a graph: its nodes, counted from 1 as in its file, the side of node 1 first.
    pub partition: Option<[Vec<usize>; 2]>,
    /// A state of the lowest energy.
    pub state: Spins,
    /// Wall time of the runs.
    pub seconds: f64,
    /// Temperature of each sweep.
    #[serde(skip)]
    pub schedule: Schedule,
    /// Every run.
    #[serde(skip)]
    pub annealed: Annealed,
}

impl Solution {
    /// An energy per spin.
    pub fn per_spin(&self, energy: f64) -> f64 {
        energy / self.units as f64
    }

    /// Mean over the runs of their lowest energies.
    pub fn mean_energy(&self) -> f64 {
        self.energies.iter().sum::<f64>() / self.energies.len() as f64
    }

    /// Share of the runs that reached the lowest energy found.
    pub fn share_of_best(&self) -> f64 {
        self.annealed.share_at(self.energy + SAME * self.energy.abs())
    }

    /// True if the lowest energy there is was found; `None` where it is not known.
    pub fn is_ground(&self) -> Option<bool> {
        self.ground_energy.map(|ground| self.energy <= ground + SAME * ground.abs())
    }

    /// The partition as text, of a graph: a line `node side` for every node, counted from 1, the side of node 1 being 1 and
    /// the other -1.
    ///
    /// # Errors
    /// `is_usage` for a problem that is no graph.
    pub fn partition_text(&self) -> Result<String> {
        let Some([with_first, _]) = &self.partition else {
            return Err(Error::option("output", "", "only the cut of a graph has a partition to write"));
        };
        let mut sides = vec![-1; self.units];
        with_first.iter().for_each(|node| sides[node - 1] = 1);
        Ok(sides.iter().enumerate().map(|(at, side)| format!("{} {side}\n", at + 1)).collect())
    }

    /// Number of the best run, the first of several.
    pub fn best_run(&self) -> usize {
        self.energies.iter().position(|&energy| energy == self.energy).unwrap_or(0)
    }
}

/// Draws the problem and anneals it, on all threads of the context.
///
/// # Errors
/// As [`Options::check`]; `is_budget`
/// beyond 16 GiB, with the hint to omit `trace` where energies are kept; `is_interrupted`.
pub fn run(options: &Options, context: &Context<'_>) -> Result<Solution> {
    context.install(|| anneal(options, context))
}

fn anneal(options: &Options, context: &Context<'_>) -> Result<Solution> {
    options.check()?;
    // A size is an option here.
    let instance = options.problem.instance(&mut Philox::new(context.seed(), stream::GIVEN));
    let instance = instance.map_err(|error| error.of_kind(Kind::Usage))?;
    let units = instance.couplings.units();
    let (hot, cold) = temperatures(&instance.couplings);
    let start = options.start.unwrap_or(options.end.map_or(hot, |end| hot.max(end)));
    let end = options.end.unwrap_or(cold.min(start));
    let schedule = options.cooling.schedule(start, end, options.sweeps)?;
    let (dynamics, trace) = (options.dynamics, options.trace);
    let annealing = Annealing { schedule, dynamics, reads: options.reads, trace };
    let annealing = if options.restarts == 1 { annealing } else { annealing.with_restarts(options.restarts)? };
    let bytes = annealing.bytes(&instance.couplings, rayon::current_num_threads());
    if bytes > MOST_BYTES {
        let error = Error::budget(format!(
            "{units} units, {} reads, {} sweeps: states{} take {:.1} GB, at most {:.0} GB; ask for fewer{}",
            annealing.reads,
            annealing.schedule.sweeps(),
            if trace { " and energies for the picture" } else { "" },
            bytes as f64 / 1e9,
            MOST_BYTES as f64 / 1e9,
            if trace { ", or for no picture" } else { "" },
        ));
        return Err(if trace { error.hinted(Hint::Omit("trace")) } else { error });
    }
    let (sweeps, reads) = (annealing.schedule.sweeps() as u64, annealing.reads as u64);
    let updates = (units as u64).saturating_mul(sweeps).saturating_mul(reads);
    let minutes = updates as f64 / UPDATES_PER_SECOND / rayon::current_num_threads() as f64 / 60.0;
    if updates > MOST_UPDATES {
        return Err(Error::budget(format!(
            "{units} units, {sweeps} sweeps, {reads} reads: {:.1e} updates of a unit, at most {:.1e} are made: ask for fewer \
             sweeps or reads",
            updates as f64, MOST_UPDATES as f64
        )));
    }
    if updates >= LONG {
        let remark = format!(
            "{units} units, {sweeps} sweeps, {reads} reads: {:.1e} updates of a unit, roughly {minutes:.0} minutes or more",
            updates as f64
        );
        context.note(&Note::ReadAs { remark });
    }
    context.check()?;
    let begun = Instant::now();
    let annealed = annealing.run(&instance.couplings, context)?;
    let seconds = begun.elapsed().as_secs_f64();
    let best = annealed.best();
    let graph = options.problem.graph();
    Ok(Solution {
        schema: "attractor.memory.anneal/1",
        problem: options.problem.clone(),
        units,
        seed: context.seed(),
        sweeps: annealing.schedule.sweeps(),
        reads: annealing.reads,
        start,
        end,
        energy: best.energy,
        energies: annealed.reads.iter().map(|read| read.energy).collect(),
        ground_energy: instance.ground,
        expected_energy: instance.expected,
        cut: graph.map(|graph| graph.cut(&best.state)),
        total_weight: graph.map(|graph| graph.total()),
        partition: graph.map(|_| {
            let side = |first: bool| (0..units).filter(move |&i| (best.state.is_up(i) == best.state.is_up(0)) == first);
            [true, false].map(|first| side(first).map(|unit| unit + 1).collect())
        }),
        state: best.state.clone(),
        seconds,
        schedule: annealing.schedule,
        annealed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::{Energy, MaxCut};

    /// Work is told before it is begun, and refused beyond what anybody waits for.
    #[test]
    fn long_work_is_told_and_endless_work_refused() {
        let endless = Options { sweeps: 1 << 28, reads: 1 << 20, ..Options::new(Problem::Ferromagnet { side: 3 }) };
        let error = run(&endless, &Context::new(0)).unwrap_err();
        assert!(error.is_budget() && error.to_string().contains("updates of a unit, at most"), "{error}");
        // Told, and then stopped before the first sweep.
        let told = std::sync::Mutex::new(Vec::new());
        let hear = |note: &Note| told.lock().unwrap().push(format!("{note:?}"));
        let stop = || true;
        let long = Options { sweeps: 1 << 24, reads: 64, ..endless };
        let stopped = run(&long, &Context::new(0).with_listener(&hear).with_interrupt(&stop)).unwrap_err();
        assert!(stopped.is_interrupted() && told.lock().unwrap()[0].contains("minutes or more"), "{stopped} {told:?}");
    }

    #[test]
    fn planted_loops_are_solved_and_said_to_be() {
        let options = Options { sweeps: 200, reads: 16, ..Options::new(Problem::PlantedLoops { side: 8 }) };
        let found = run(&options, &Context::new(5)).unwrap();
        assert_eq!((found.is_ground(), Some(found.energy)), (Some(true), found.ground_energy));
        assert_eq!((found.units, found.sweeps, found.reads, found.energies.len()), (64, 200, 16, 16));
        assert!(found.end < found.start / 10.0);
        assert!(found.mean_energy() >= found.energy && found.share_of_best() > 0.0);
        assert_eq!(found.energies[found.best_run()], found.energy);
        let short =
            Options { sweeps: 1, reads: 1, start: Some(0.5), ..Options::new(Problem::PlantedLoops { side: 40 }) };
        let found = run(&short, &Context::new(5)).unwrap();
        assert_eq!((found.is_ground(), found.start), (Some(false), 0.5));
        // A temperature that is given bounds the one that is not.
        let hot = run(&Options { start: None, end: Some(50.0), ..short.clone() }, &Context::new(5)).unwrap();
        let cold = run(&Options { start: Some(1e-3), ..short }, &Context::new(5)).unwrap();
        assert_eq!([hot.start, hot.end, cold.start, cold.end], [50.0, 50.0, 1e-3, 1e-3]);
    }

    /// A path of three edges: all of it is cut; a glass has no graph and no known ground.
    #[test]
    fn a_cut_is_that_of_the_best_state() {
        let graph = MaxCut::parse("4 3\n1 2 1\n2 3 5\n3 4 2\n").unwrap();
        let energy = graph.couplings().clone();
        let options = Options { sweeps: 50, ..Options::new(Problem::MaxCut { graph, source: "path".to_string() }) };
        let found = run(&options, &Context::new(1)).unwrap();
        assert_eq!(
            (found.cut, found.total_weight, found.problem.to_string().as_str()),
            (Some(8.0), Some(8.0), "largest cut of path")
        );
        assert_eq!(energy.energy(&found.state), found.energy);
        assert_eq!(found.partition, Some([vec![1, 3], vec![2, 4]]));
        assert_eq!(found.partition_text().unwrap(), "1 1\n2 -1\n3 1\n4 -1\n");
        let glass = Options { sweeps: 20, restarts: 4, ..Options::new(Problem::SherringtonKirkpatrick { units: 9 }) };
        let found = run(&glass, &Context::new(1)).unwrap();
        assert_eq!((found.sweeps, found.reads, found.cut, found.is_ground()), (5, 256, None, None));
        assert!(found.expected_energy.is_some());
        assert!(found.partition.is_none() && found.partition_text().unwrap_err().is_usage());
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let glass = Options::new(Problem::SherringtonKirkpatrick { units: 40_000 });
        let torus = Options::new(Problem::TorusGlass { side: 5000 });
        for (options, says) in [
            (glass, "sk = 40000"),
            (torus, "torus = 5000"),
            (Options { sweeps: 1 << 29, ..Options::new(Problem::TorusGlass { side: 4 }) }, "sweeps = 536870912"),
            (Options::new(Problem::TorusGlass { side: 2 }), "torus = 2: give 3 to 4096"),
            (Options::new(Problem::SherringtonKirkpatrick { units: 1 }), "sk = 1: give 2 to 32768"),
            (
                Options { end: Some(0.0), ..Options::new(Problem::TorusGlass { side: 4 }) },
                "end = 0: give a temperature",
            ),
            (Options { start: Some(f64::NAN), ..Options::new(Problem::TorusGlass { side: 4 }) }, "start = NaN"),
            (
                Options { start: Some(1.0), end: Some(2.0), ..Options::new(Problem::TorusGlass { side: 4 }) },
                "end = 2: annealing cools",
            ),
            (Options { reads: 0, ..Options::new(Problem::TorusGlass { side: 4 }) }, "reads = 0: give 1 to"),
            (
                Options { restarts: 1001, ..Options::new(Problem::TorusGlass { side: 4 }) },
                "restarts = 1001: give 1 to 1000",
            ),
        ] {
            let error = run(&options, &Context::new(0)).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(says), "{error}");
        }
        let traced = Options { sweeps: 1 << 27, trace: true, ..Options::new(Problem::TorusGlass { side: 4 }) };
        let error = run(&traced, &Context::new(0)).unwrap_err();
        assert!(error.is_budget() && error.hint() == Some(&Hint::Omit("trace")), "{error}");
    }
}
