//! `attractor memory anneal`: simulated annealing of spin glasses and graphs.

use std::path::{Path, PathBuf};

use attractor_render::memories::annealing::{Draw, figure, words};
use attractor_session::energy::problems::Problem;
use attractor_session::experiment::annealing::{self, Options};
use attractor_session::graphs;
use attractor_session::sample::{Cooling, Dynamics};
use attractor_session::{Context, Error, Hint};
use clap::Args;

use super::{Answer, document};
use crate::args::{Common, choice, refuse_unused, same};
use crate::error::Outcome;
use crate::files::{OutputFile, write};
use crate::output;
use crate::picture::Look;

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
    #[command(flatten)]
    pub annealing: Annealing,
}

#[derive(Debug, Args)]
pub struct MaxCut {
    /// The graph, in the Gset format (a line "nodes edges", then "i j weight")
    #[arg(required_unless_present = "graph")]
    pub file: Option<PathBuf>,
    /// Alias for FILE
    #[arg(long, conflicts_with = "file", hide = true)]
    pub graph: Option<PathBuf>,
    #[command(flatten)]
    pub annealing: Annealing,
}

/// How a problem is annealed, and what is kept of it.
#[derive(Debug, Args)]
pub struct Annealing {
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
    /// Also save a figure (.svg, .png or .pdf), or the two sides of a graph's cut (.txt: a line "node side" each, sides 1 and -1)
    #[arg(long, short)]
    pub output: Option<OutputFile>,
    /// What --output shows
    #[arg(long, value_parser = choice::<Draw>(), default_value = "run", requires = "output")]
    pub draw: Draw,
    #[command(flatten)]
    pub look: Look,
}

impl Anneal {
    fn problem(&self) -> Outcome<Problem> {
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
}

/// Energies are traced for the picture alone.
fn reworded(error: Error) -> Error {
    if error.hint() == Some(&Hint::Omit("trace")) { error.hinted(Hint::Omit("output")) } else { error }
}

impl Annealing {
    /// Anneals a problem: what is printed of it.
    fn run(
        &self,
        problem: impl FnOnce() -> Outcome<Problem>,
        common: &Common,
        context: &Context<'_>,
    ) -> Outcome<Answer> {
        let ending =
            self.output.as_deref().map(|path| output::ending(path, &["svg", "png", "pdf", "txt"])).transpose()?;
        let (problem, is_text) = (problem()?, ending.as_deref() == Some("txt"));
        if is_text {
            refuse_unused!(common, self, [draw], "an --output that ends in .txt, the partition")?;
        }
        if is_text && !matches!(problem, Problem::MaxCut { .. }) {
            let why = "a .txt holds the two sides of a graph's cut; give --graph, or a .svg, .png or .pdf";
            return Err(Error::usage(why));
        }
        let (cooling, trace) = (self.schedule, self.output.is_some() && !is_text);
        let options = same!(self => Options { start, end, sweeps, reads, restarts, dynamics }, problem, cooling, trace);
        let found = annealing::run(&options, context).map_err(reworded)?;
        match self.output.as_deref().zip(ending) {
            Some((path, _)) if is_text => write(path, found.partition_text()?.as_bytes())?,
            Some((path, ending)) => self.look.save(path, &ending, &figure(self.draw, &found)?)?,
            None => {}
        }
        Ok((document(&found, &[])?, words(&found)))
    }
}

/// The maximum cut of the graph in a file.
fn cut(path: &Path) -> Outcome<Problem> {
    Ok(Problem::MaxCut { graph: graphs::read(path)?, source: path.display().to_string() })
}

/// Runs `attractor memory anneal`: what it prints.
pub fn run(args: &Anneal, common: &Common, context: &Context<'_>) -> Outcome<Answer> {
    let problem = || args.graph.as_deref().map_or_else(|| args.problem(), cut);
    args.annealing.run(problem, common, context)
}

/// Runs `attractor maxcut`: what it prints.
pub fn max_cut(args: &MaxCut, common: &Common, context: &Context<'_>) -> Outcome<Answer> {
    let file = args.file.as_ref().or(args.graph.as_ref()).ok_or_else(|| Error::usage("name a graph"))?;
    args.annealing.run(|| cut(file), common, context)
}
