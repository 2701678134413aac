//! Annealing: energies as the temperature falls, and the best state of a lattice.

use attractor::Error;
use attractor::experiment::annealing::Solution;

use super::{ink, style};
use crate::Result;
use crate::canvas::axis::Side;
use crate::canvas::numbers::{counted, decimal, exact};
use crate::figures::images::{Images, Picture};
use crate::figures::lines::{Lines, Series};
use crate::figures::stacked::stacked;
use crate::terminal::listed;

attractor::choice! {
    /// What is drawn of an annealing.
    #[derive(Default)]
    pub enum Draw {
        /// The best run: its energy, and the temperature below it, over the same sweeps.
        #[default]
        Run = "run",
        /// Energy of several runs against sweeps.
        Runs = "runs",
        /// Energy of several runs against temperature.
        Temperature = "temperature",
        /// The best state, for lattices only.
        State = "state",
    }
}

/// The figure of an annealing whose energies were traced.
///
/// # Errors
/// `is_usage` for the state of a problem that is no lattice.
pub fn figure(draw: Draw, solution: &Solution) -> Result<String> {
    match draw {
        Draw::Run => run(solution),
        Draw::Runs => runs(solution),
        Draw::Temperature => against_temperature(solution),
        Draw::State => state(solution),
    }
}

/// Nodes of a side that are named.
const LISTED: usize = 24;

/// What was found, in lines for a terminal; of a graph also the two sides of its cut.
pub fn words(found: &Solution) -> String {
    let temperatures = found.schedule.temperatures();
    // An empty sum is -0: adding zero makes it 0.
    let per_spin =
        |energy: f64| format!("{} ({} per spin)", decimal(energy + 0.0, 4), decimal(found.per_spin(energy) + 0.0, 5));
    let mut out = format!(
        "{}\n{} of {} each, temperature {} to {}, {:.2} s\n\n",
        found.problem,
        counted(found.reads, "run"),
        counted(found.sweeps, "sweep"),
        decimal(temperatures[0], 4),
        decimal(temperatures[temperatures.len() - 1], 4),
        found.seconds
    );
    out += &format!("lowest energy   {}\n", per_spin(found.energy));
    out += &format!("mean of runs    {}\n", per_spin(found.mean_energy()));
    out += &format!("reached by      {:.1} % of the runs\n", 100.0 * found.share_of_best());
    if let (Some(ground), Some(is_ground)) = (found.ground_energy, found.is_ground()) {
        let reached = if is_ground { "reached" } else { "not reached: more sweeps, or more reads" };
        out += &format!("ground state    {} {reached}\n", per_spin(ground));
    }
    if let Some(expected) = found.expected_energy {
        out += &format!(
            "expected        {} on average over instances of this size; one instance fluctuates\n",
            per_spin(expected)
        );
    }
    if let (Some(cut), Some(total)) = (found.cut, found.total_weight) {
        out += &format!("cut             {} of a total edge weight of {}\n", exact(cut + 0.0), exact(total + 0.0));
    }
    for (side, nodes) in ["one side", "the other"].into_iter().zip(found.partition.iter().flatten()) {
        out += &format!("{side:<16}{}: {}\n", counted(nodes.len(), "node"), listed(nodes, LISTED));
    }
    out
}

/// Runs that are drawn.
const CURVES: usize = 6;
/// Sweeps beyond which their axis is logarithmic.
const LONG: usize = 50;

fn about(solution: &Solution) -> Vec<String> {
    let temperatures = solution.schedule.temperatures();
    let (first, last) = (temperatures[0], temperatures[temperatures.len() - 1]);
    vec![
        solution.problem.to_string(),
        format!("{} runs of {} sweeps, temperature {first:.3} to {last:.3}", solution.reads, temperatures.len()),
    ]
}

fn per_spin(solution: &Solution, energy: f64) -> f64 {
    energy / solution.units as f64
}

fn sweeps(solution: &Solution) -> Side {
    let side = Side::new("sweep");
    if solution.schedule.sweeps() > LONG { side.log() } else { side }
}

/// A line at the lowest energy there is, or at what theory expects, from one end of the axis to the other.
fn known(solution: &Solution, ends: (f64, f64)) -> Option<Series> {
    let line = |name: &str, energy: f64| {
        let level = per_spin(solution, energy);
        Series::new(name, vec![(ends.0, level), (ends.1, level)]).null()
    };
    match (solution.ground_energy, solution.expected_energy) {
        (Some(ground), _) => Some(line("ground-state energy", ground)),
        (None, Some(expected)) => Some(line("expected, mean over instances", expected)),
        _ => None,
    }
}

/// The first runs, their energies at `x` of the sweep.
fn curves(solution: &Solution, x: impl Fn(usize) -> f64) -> Vec<Series> {
    let curve = |(number, read): (usize, &attractor::sample::Read)| {
        let points = read.energies.iter().enumerate().map(|(at, &e)| (x(at), per_spin(solution, e))).collect();
        Series::new(format!("run {number}"), points)
    };
    solution.annealed.reads.iter().take(CURVES).enumerate().map(curve).collect()
}

fn about_several(solution: &Solution) -> Vec<String> {
    let mut notes = about(solution);
    if solution.annealed.reads.len() > CURVES {
        notes.push(format!("drawn are the first {CURVES} of {} runs", solution.annealed.reads.len()));
    }
    notes
}

/// The best run: its energy, and the temperature below it, over the same sweeps.
fn run(solution: &Solution) -> Result<String> {
    let (temperatures, number) = (solution.schedule.temperatures(), solution.best_run());
    let at = |(at, value): (usize, f64)| ((at + 1) as f64, value);
    let energies = solution.annealed.reads[number].energies.iter().map(|&e| per_spin(solution, e)).enumerate().map(at);
    let cooling = temperatures.iter().copied().enumerate().map(at);
    let mut energy =
        vec![Series::new(format!("run {number}, the best of {}", solution.annealed.reads.len()), energies.collect())];
    energy.extend(known(solution, (1.0, temperatures.len() as f64)));
    let temperature = [Series::new("temperature", cooling.collect())];
    let panel = |y, series| Lines { title: "", notes: Vec::new(), x: sweeps(solution), y, series };
    let panels = [panel(Side::new("energy per spin"), &energy[..]), panel(Side::new("temperature"), &temperature[..])];
    stacked("One annealing run and its temperature", &about(solution), &panels)
}

/// Energy of several runs against sweeps.
fn runs(solution: &Solution) -> Result<String> {
    let mut series = curves(solution, |at| (at + 1) as f64);
    series.extend(known(solution, (1.0, solution.schedule.sweeps() as f64)));
    let (notes, y) = (about_several(solution), Side::new("energy per spin"));
    Lines { title: "Annealing", notes, x: sweeps(solution), y, series: &series }.svg()
}

/// Energy of several runs against temperature.
fn against_temperature(solution: &Solution) -> Result<String> {
    let temperatures = solution.schedule.temperatures();
    let mut series = curves(solution, |at| temperatures[at]);
    series.extend(known(solution, (temperatures[temperatures.len() - 1], temperatures[0])));
    let (x, y) = (Side::new("temperature").log(), Side::new("energy per spin"));
    Lines { title: "Energy while it cools", notes: about_several(solution), x, y, series: &series }.svg()
}

/// The best run's state of lowest energy, and where it ended, of a lattice.
fn state(solution: &Solution) -> Result<String> {
    let Some(side) = solution.problem.side() else {
        return Err(Error::option("draw", "state", "only the states of lattices are pictures; draw run"));
    };
    let best = solution.annealed.best();
    let values = [ink(&best.state), ink(&best.last)];
    let picture = |values, name| Picture { width: side, height: side, values, name };
    let names = [best.energy, best.last_energy].map(|energy| format!("E {}", exact(energy).replace('-', "−")));
    let pictures = [picture(&values[0], &names[0]), picture(&values[1], &names[1])];
    let (title, notes, columns) = ("The best run", about(solution), ["lowest", "where it ended"]);
    Images { title, notes, pictures: &pictures, across: 2, rows: &[], columns: &columns, shared: false }.svg(&style())
}
