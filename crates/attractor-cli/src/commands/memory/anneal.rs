//! `attractor memory anneal`: simulated annealing of spin glasses and graphs.

use std::path::PathBuf;

use attractor_render::memories::annealing::{Draw, figure};
use attractor_session::energy::problems::Problem;
use attractor_session::experiment::annealing::{self, Options, Solution};
use attractor_session::graphs;
use attractor_session::sample::{Cooling, Dynamics};
use attractor_session::{Context, Error, Hint};
use clap::Args;

use super::{Answer, document};
use crate::args::{choice, same};
use crate::console::{counted, number, short};
use crate::error::Outcome;
use crate::picture;

#[derive(Debug, Args)]
pub struct Anneal {
    /// A graph in the Gset format (a line "nodes edges", then "i j weight"): find its maximum cut
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sk", "torus", "planted", "ising", "demo"])]
    pub graph: Option<PathBuf>,
    /// A Sherrington-Kirkpatrick spin glass of N spins
    #[arg(long, value_name = "N", conflicts_with_all = ["torus", "planted", "ising", "demo"])]
    pub sk: Option<usize>,
    /// A +-J spin glass (couplings +1 and -1) on an L x L torus
    #[arg(long, value_name = "L", conflicts_with_all = ["planted", "ising", "demo"])]
    pub torus: Option<usize>,
    /// Planted frustrated loops on an L x L torus, with known ground-state energy
    #[arg(long, value_name = "L", conflicts_with_all = ["ising", "demo"])]
    pub planted: Option<usize>,
    /// The Ising ferromagnet on an L x L torus
    #[arg(long, value_name = "L", conflicts_with = "demo")]
    pub ising: Option<usize>,
    /// The built-in example: planted loops, 16 x 16
    #[arg(long)]
    pub demo: bool,
    /// First temperature [default: twice the largest root-mean-square local field, each spin's strongest coupling left out]
    #[arg(long)]
    pub start: Option<f64>,
    /// Last temperature [default: a fifth of the smallest such field]
    #[arg(long)]
    pub end: Option<f64>,
    /// How the temperature falls
    #[arg(long, value_parser = choice::<Cooling>(), default_value = "geometric")]
    pub schedule: Cooling,
    /// Sweeps over all units
    #[arg(long, default_value_t = 1000)]
    pub sweeps: usize,
    /// Independent runs; the best one is reported
    #[arg(long, default_value_t = 64)]
    pub reads: usize,
    /// Make this many times as many runs, each shorter by the same factor: equal cost
    #[arg(long, default_value_t = 1)]
    pub restarts: usize,
    /// How a unit is updated
    #[arg(long, value_parser = choice::<Dynamics>(), default_value = "metropolis", alias = "rule")]
    pub dynamics: Dynamics,
    /// Also save a figure: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What --output shows
    #[arg(long, value_parser = choice::<Draw>(), default_value = "run", requires = "output")]
    pub draw: Draw,
}

impl Anneal {
    fn problem(&self) -> Outcome<Problem> {
        if let Some(path) = &self.graph {
            return Ok(Problem::MaxCut { graph: graphs::read(path)?, source: path.display().to_string() });
        }
        Ok(match (self.sk, self.torus, self.planted, self.ising) {
            (Some(units), ..) => Problem::SherringtonKirkpatrick { units },
            (_, Some(side), ..) => Problem::TorusGlass { side },
            (_, _, Some(side), _) => Problem::PlantedLoops { side },
            (_, _, _, Some(side)) => Problem::Ferromagnet { side },
            _ if self.demo => Problem::PlantedLoops { side: 16 },
            _ => {
                return Err(Error::usage(
                    "there is nothing to anneal: give --graph FILE, --sk 256, --torus 32, --planted 24, --ising 32, or --demo",
                ));
            }
        })
    }

    fn options(&self) -> Outcome<Options> {
        let (problem, cooling, trace) = (self.problem()?, self.schedule, self.output.is_some());
        Ok(same!(self => Options { start, end, sweeps, reads, restarts, dynamics }, problem, cooling, trace))
    }
}

fn text(found: &Solution) -> String {
    let temperatures = found.schedule.temperatures();
    // An empty sum is -0: adding zero makes it 0.
    let per_spin =
        |energy: f64| format!("{} ({} per spin)", number(energy + 0.0, 4), number(found.per_spin(energy) + 0.0, 5));
    let mut out = format!(
        "{}\n{} of {} each, temperature {} to {}, {:.2} s\n\n",
        found.problem,
        counted(found.reads, "run"),
        counted(found.sweeps, "sweep"),
        number(temperatures[0], 4),
        number(temperatures[temperatures.len() - 1], 4),
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
        out += &format!("cut             {} of a total edge weight of {}\n", short(cut + 0.0), short(total + 0.0));
    }
    out
}

/// Energies are traced for the picture alone.
fn reworded(error: Error) -> Error {
    if error.hint() == Some(&Hint::Omit("trace")) { error.hinted(Hint::Omit("output")) } else { error }
}

/// Runs the command: what it prints.
pub fn run(args: &Anneal, context: &Context<'_>) -> Outcome<Answer> {
    let found = annealing::run(&args.options()?, context).map_err(reworded)?;
    picture::draw(args.output.as_deref(), |_| figure(args.draw, &found))?;
    Ok((document(&found, &[])?, text(&found)))
}
