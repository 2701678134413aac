//! `attractor memory anneal`: simulated annealing of spin glasses and graphs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use attractor::energy::problems::{
    SK_GROUND_ENERGY, ferromagnet, grid, planted_loops, sherrington_kirkpatrick, torus_glass,
};
use attractor::energy::{Couplings, MaxCut};
use attractor::random::Philox;
use attractor::sample::{Annealed, Annealing, Rule, Schedule};
use attractor_render::canvas::axis::Side;
use attractor_render::figures::images::{Images, Picture};
use attractor_render::figures::lines::{Lines, Series};
use attractor_render::figures::stacked::stacked;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::ink;
use super::recall::style;
use crate::args::{Common, MOST_BYTES};
use crate::console::{Progress, counted, number, print, short};
use crate::error::Outcome;
use crate::picture;
use attractor::Error;

/// How the temperature falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cooling {
    /// By the same factor each sweep
    Geometric,
    /// By the same difference each sweep
    Linear,
    /// As one over the logarithm of the sweep
    Logarithmic,
}

/// How a unit is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RuleName {
    /// Turned round with probability min(1, exp(-dE / T))
    Metropolis,
    /// Drawn anew from what the others say: Gibbs sampling
    HeatBath,
}

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// The best run: its energy, and the temperature below it, over the same sweeps
    Run,
    /// Energy of several runs against sweeps
    Runs,
    /// Energy of several runs against temperature
    Temperature,
    /// The best state, of a lattice
    State,
}

#[derive(Debug, Args)]
pub struct Anneal {
    /// A graph in the Gset format (a line "nodes edges", then "i j weight"): its largest cut is sought
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sk", "torus", "planted", "ising", "demo"])]
    pub graph: Option<PathBuf>,
    /// The Sherrington-Kirkpatrick glass of so many spins
    #[arg(long, value_name = "N", conflicts_with_all = ["torus", "planted", "ising", "demo"])]
    pub sk: Option<usize>,
    /// The glass of couplings +1 and -1 on a torus of L x L spins
    #[arg(long, value_name = "L", conflicts_with_all = ["planted", "ising", "demo"])]
    pub torus: Option<usize>,
    /// Frustrated loops planted on a torus of L x L spins: the lowest energy is known
    #[arg(long, value_name = "L", conflicts_with_all = ["ising", "demo"])]
    pub planted: Option<usize>,
    /// Ising's ferromagnet on a torus of L x L spins
    #[arg(long, value_name = "L", conflicts_with = "demo")]
    pub ising: Option<usize>,
    /// The built-in example: planted loops, 16 x 16
    #[arg(long)]
    pub demo: bool,
    /// First temperature [default: twice the largest root mean square field]
    #[arg(long)]
    pub start: Option<f64>,
    /// Last temperature [default: a fortieth of the first]
    #[arg(long)]
    pub end: Option<f64>,
    /// How the temperature falls
    #[arg(long, value_enum, default_value_t = Cooling::Geometric)]
    pub schedule: Cooling,
    /// Sweeps over all units
    #[arg(long, default_value_t = 1000)]
    pub sweeps: usize,
    /// Independent runs; the best is the answer
    #[arg(long, default_value_t = 64)]
    pub reads: usize,
    /// Spend the same cost on so many times more, shorter runs
    #[arg(long, default_value_t = 1)]
    pub restarts: usize,
    /// How a unit is updated
    #[arg(long, value_enum, default_value_t = RuleName::Metropolis)]
    pub rule: RuleName,
    /// Also draw it: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What --output shows
    #[arg(long, value_enum, default_value_t = Draw::Run, requires = "output")]
    pub draw: Draw,
}

/// Most sweeps of a run, and most runs.
const MOST_SWEEPS: usize = 1 << 28;
const MOST_READS: usize = 1 << 20;

/// A problem, and what is known of it.
struct Problem {
    couplings: Couplings,
    name: String,
    /// Side of a lattice.
    side: Option<usize>,
    /// Lowest energy, where it is known.
    ground: Option<f64>,
    /// What theory expects of the lowest energy of large systems.
    expected: Option<f64>,
    cut: Option<MaxCut>,
}

/// The text of a graph.
fn text_of(path: &Path) -> Outcome<String> {
    const MOST: u64 = 1 << 30;
    let wrong = |what: String| Error::io(format!("{}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| wrong(format!("the graph cannot be read: {e}")))?.len();
    if size > MOST {
        return Err(wrong(format!("{size} bytes; at most {MOST} are read")));
    }
    let bytes = std::fs::read(path).map_err(|e| wrong(format!("the graph cannot be read: {e}")))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        wrong(format!("is no text: byte {at} is 0x{:02x}; expected a graph in the Gset format", e.as_bytes()[at]))
    })
}

fn problem(args: &Anneal, seed: u64) -> Outcome<Problem> {
    let mut random = Philox::new(seed, u64::MAX);
    let plain = |couplings: Couplings, name: String, side: Option<usize>| Problem {
        couplings,
        name,
        side,
        ground: None,
        expected: None,
        cut: None,
    };
    if let Some(path) = &args.graph {
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Error::io(format!("{}: is no file; name a graph in the Gset format", path.display())));
        }
        let text = text_of(path)?;
        let cut = MaxCut::parse(&text).map_err(|e| Error::io(format!("{}: {e}", path.display())))?;
        let problem = plain(cut.couplings().clone(), format!("largest cut of {}", path.display()), None);
        return Ok(Problem { cut: Some(cut), ..problem });
    }
    if let Some(units) = args.sk {
        let n = units as f64;
        let problem = plain(
            sherrington_kirkpatrick(units, &mut random)?,
            format!("Sherrington-Kirkpatrick, {units} spins"),
            None,
        );
        return Ok(Problem { expected: Some(n * (SK_GROUND_ENERGY + 0.70 * n.powf(-2.0 / 3.0))), ..problem });
    }
    if let Some(side) = args.torus {
        let problem =
            plain(torus_glass(side, side, &mut random)?, format!("+-1 glass on a torus, {side} x {side}"), Some(side));
        return Ok(Problem { expected: Some(-1.4019 * (side * side) as f64), ..problem });
    }
    if let Some(side) = args.ising {
        let couplings = ferromagnet(side, side, true, 1.0)?;
        let problem = plain(couplings, format!("Ising's ferromagnet on a torus, {side} x {side}"), Some(side));
        return Ok(Problem { ground: Some(-2.0 * (side * side) as f64), ..problem });
    }
    let side = match (args.planted, args.demo) {
        (Some(side), _) => side,
        (None, true) => 16,
        (None, false) => {
            return Err(Error::usage(
                "there is nothing to anneal: give --graph FILE, --sk 256, --torus 32, --planted 24, --ising 32, or --demo",
            ));
        }
    };
    let pairs = grid(side, side, true)?;
    let planted = planted_loops(side * side, &pairs, side * side, &mut random)?;
    let problem = plain(planted.couplings, format!("planted frustrated loops on a torus, {side} x {side}"), Some(side));
    Ok(Problem { ground: Some(planted.energy), ..problem })
}

/// Twice the largest root mean square field of a random state: hot enough that units hardly feel each other.
fn hot(couplings: &Couplings, units: usize) -> f64 {
    let weights = |unit: usize| {
        let bias = couplings.biases().get(unit).copied().unwrap_or(0.0);
        couplings.neighbours(unit).map(|(_, w)| w).chain([bias])
    };
    // In units of the largest one: squares of 1e300 and 1e-300 are no numbers.
    let largest = (0..units).flat_map(weights).fold(0.0f64, |most, w| most.max(w.abs()));
    let square = |unit: usize| weights(unit).map(|w| (w / largest).powi(2)).sum::<f64>();
    let most = largest * (0..units).map(square).fold(0.0, f64::max).sqrt();
    if most > 0.0 { 2.0 * most } else { 1.0 }
}

fn figure(
    args: &Anneal,
    problem: &Problem,
    annealing: &Annealing,
    annealed: &Annealed,
    units: usize,
) -> Outcome<String> {
    const CURVES: usize = 6;
    let temperatures = annealing.schedule.temperatures();
    let (first, last) = (temperatures[0], temperatures[temperatures.len() - 1]);
    let mut notes = vec![
        problem.name.clone(),
        format!("{} runs of {} sweeps, temperature {first:.3} to {last:.3}", annealing.reads, temperatures.len()),
    ];
    if matches!(args.draw, Draw::Runs | Draw::Temperature) && annealed.reads.len() > CURVES {
        notes.push(format!("drawn are the first {CURVES} of {} runs", annealed.reads.len()));
    }
    let known = |points: (f64, f64)| {
        let line = |name: &str, energy: f64| {
            let level = energy / units as f64;
            Series::new(name, vec![(points.0, level), (points.1, level)]).null()
        };
        match (problem.ground, problem.expected) {
            (Some(ground), _) => vec![line("lowest energy there is", ground)],
            (None, Some(expected)) => vec![line("expected of large systems", expected)],
            _ => Vec::new(),
        }
    };
    let curves = |x: &dyn Fn(usize) -> f64| -> Vec<Series> {
        annealed
            .reads
            .iter()
            .take(CURVES)
            .enumerate()
            .map(|(number, read)| {
                let points = read.energies.iter().enumerate().map(|(at, &e)| (x(at), e / units as f64)).collect();
                Series::new(format!("run {number}"), points)
            })
            .collect()
    };
    let y = Side::new("energy a spin");
    Ok(match args.draw {
        Draw::Run => {
            // The first of equally good ones.
            let best = annealed.best();
            let number = annealed.reads.iter().position(|read| std::ptr::eq(read, best)).unwrap_or(0);
            let energies =
                best.energies.iter().enumerate().map(|(at, &e)| ((at + 1) as f64, e / units as f64)).collect();
            let cooling = temperatures.iter().enumerate().map(|(at, &t)| ((at + 1) as f64, t)).collect();
            let mut energy = vec![Series::new(format!("run {number}, the best of {}", annealed.reads.len()), energies)];
            energy.extend(known((1.0, temperatures.len() as f64)));
            let temperature = [Series::new("temperature", cooling)];
            let x = || match temperatures.len() > 50 {
                true => Side::new("sweep").log(),
                false => Side::new("sweep"),
            };
            let panel = |y, series| Lines { title: "", notes: Vec::new(), x: x(), y, series };
            let panels = [panel(y, &energy[..]), panel(Side::new("temperature"), &temperature[..])];
            stacked("One annealing run and its temperature", &notes, &panels)?
        }
        Draw::Runs => {
            let mut series = curves(&|at| (at + 1) as f64);
            series.extend(known((1.0, temperatures.len() as f64)));
            let mut lines = Lines { title: "Annealing", notes, x: Side::new("sweep"), y, series: &series };
            if temperatures.len() > 50 {
                lines.x = lines.x.log();
            }
            lines.svg()?
        }
        Draw::Temperature => {
            let mut series = curves(&|at| temperatures[at]);
            series.extend(known((last, first)));
            let x = Side::new("temperature").log();
            Lines { title: "Energy while it cools", notes, x, y, series: &series }.svg()?
        }
        Draw::State => {
            let side = problem
                .side
                .ok_or_else(|| Error::usage("--draw state: only the states of lattices are pictures; draw run"))?;
            let best = annealed.best();
            let values = [ink(&best.state), ink(&best.last)];
            let picture = |values, name| Picture { width: side, height: side, values, name };
            let names = [format!("E {}", best.energy), format!("E {}", best.last_energy)];
            let pictures = [picture(&values[0], &names[0]), picture(&values[1], &names[1])];
            let columns = ["lowest", "where it ended"];
            Images {
                title: "The best run",
                notes,
                pictures: &pictures,
                across: 2,
                rows: &[],
                columns: &columns,
                shared: false,
            }
            .svg(&style())?
        }
    })
}

fn text(problem: &Problem, annealing: &Annealing, annealed: &Annealed, units: usize, seconds: f64) -> String {
    let temperatures = annealing.schedule.temperatures();
    let best = annealed.best().energy;
    let mean = annealed.reads.iter().map(|read| read.energy).sum::<f64>() / annealed.reads.len() as f64;
    // An empty sum is -0: adding zero makes it 0.
    let a_spin =
        |energy: f64| format!("{} ({} a spin)", number(energy + 0.0, 4), number(energy / units as f64 + 0.0, 5));
    let mut out = format!(
        "{}\n{} of {} each, temperature {} to {}, {:.2} s\n\n",
        problem.name,
        counted(annealing.reads, "run"),
        counted(temperatures.len(), "sweep"),
        number(temperatures[0], 4),
        number(temperatures[temperatures.len() - 1], 4),
        seconds
    );
    out += &format!("lowest energy   {}\n", a_spin(best));
    out += &format!("mean of runs    {}\n", a_spin(mean));
    let share = annealed.share_at(best + 1e-9 * best.abs());
    out += &format!("reached by      {:.1} % of the runs\n", 100.0 * share);
    if let Some(ground) = problem.ground {
        let reached =
            if best <= ground + 1e-9 * ground.abs() { "reached" } else { "not reached: more sweeps, or more reads" };
        out += &format!("ground energy   {} {reached}\n", a_spin(ground));
    }
    if let Some(expected) = problem.expected {
        out += &format!("expected        {} of large systems; one draw scatters about it\n", a_spin(expected));
    }
    if let Some(cut) = &problem.cut {
        out += &format!(
            "cut             {} of a weight of {} in all\n",
            short(cut.cut(&annealed.best().state) + 0.0),
            short(cut.total() + 0.0)
        );
    }
    out
}

/// Runs the command.
pub fn run(args: &Anneal, common: &Common) -> Outcome {
    let largest = [args.sk, args.torus, args.planted, args.ising].into_iter().flatten().max();
    if let Some(size) = largest.filter(|&size| size > if args.sk == Some(size) { 1 << 15 } else { 1 << 12 }) {
        return Err(Error::usage(format!(
            "a size of {size}: at most 32768 spins of a glass, 4096 along a side of a lattice"
        )));
    }
    if args.sweeps > MOST_SWEEPS || args.reads > MOST_READS {
        return Err(Error::usage(format!(
            "{} sweeps, {} reads: at most {MOST_SWEEPS} and {MOST_READS}",
            args.sweeps, args.reads
        )));
    }
    let problem = problem(args, common.seed)?;
    let units = attractor::energy::SpinMemory::units(&problem.couplings);
    let start = args.start.unwrap_or_else(|| hot(&problem.couplings, units));
    let end = args.end.unwrap_or(start / 40.0);
    let schedule = match args.schedule {
        Cooling::Geometric => Schedule::geometric(start, end, args.sweeps)?,
        Cooling::Linear => Schedule::linear(start, end, args.sweeps)?,
        Cooling::Logarithmic => Schedule::logarithmic(start, end, args.sweeps)?,
    };
    let rule = match args.rule {
        RuleName::Metropolis => Rule::Metropolis,
        RuleName::HeatBath => Rule::HeatBath,
    };
    let trace = args.output.is_some();
    let annealing = Annealing { schedule, rule, reads: args.reads, seed: common.seed, trace };
    let annealing = if args.restarts == 1 { annealing } else { annealing.with_restarts(args.restarts)? };
    let bytes = annealing.bytes(&problem.couplings, rayon::current_num_threads());
    if bytes > MOST_BYTES {
        return Err(Error::usage(format!(
            "{units} units, {} reads, {} sweeps: states{} take {:.1} GB, at most {:.0} GB; ask for fewer{}",
            annealing.reads,
            annealing.schedule.sweeps(),
            if trace { " and energies for the picture" } else { "" },
            bytes as f64 / 1e9,
            MOST_BYTES as f64 / 1e9,
            if trace { ", or leave --output out" } else { "" },
        )));
    }
    let progress = Progress::new(common.quiet);
    progress.step("annealing", 0, 1);
    let begun = Instant::now();
    let annealed = annealing.run(&problem.couplings)?;
    let seconds = begun.elapsed().as_secs_f64();
    drop(progress);
    if let Some(path) = &args.output {
        picture::save_checked(path, |_| figure(args, &problem, &annealing, &annealed, units))?;
    }
    if common.json {
        let best = annealed.best();
        let document = json!({
            "problem": problem.name, "units": units, "seed": common.seed, "sweeps": annealing.schedule.sweeps(),
            "reads": annealing.reads, "start": start, "end": end, "energy": best.energy,
            "energies": annealed.reads.iter().map(|read| read.energy).collect::<Vec<_>>(),
            "ground_energy": problem.ground, "expected_energy": problem.expected,
            "cut": problem.cut.as_ref().map(|cut| cut.cut(&best.state)), "state": best.state.to_signs(), "seconds": seconds,
        });
        print(&format!("{document}\n"));
        return Ok(());
    }
    print(&text(&problem, &annealing, &annealed, units, seconds));
    Ok(())
}
