//! `attractor memory capacity`: overlap and exact recall against load.

use attractor_render::memories::capacity::{Criterion, figure, words};
use attractor_session::Context;
use attractor_session::experiment::capacity::{self, Plan};
use attractor_session::learn::Standard;
use clap::Args;
use serde_json::json;

use super::Answer;
use crate::args::{choice, same};
use crate::error::Outcome;
use crate::picture::Figure;

#[derive(Debug, Clone, Args)]
pub struct Capacity {
    /// A small network: 100 units, a tenth of each cue wrong, 1 to 50 patterns recalled without an error
    #[arg(long, conflicts_with_all = ["neurons", "loads", "noise", "criterion"])]
    pub demo: bool,
    /// Number of units N
    #[arg(long, default_value_t = 2000)]
    pub neurons: usize,
    /// Loads P / N, comma-separated [default: fifteen from 0.02 to 0.18, closest around 0.138]
    #[arg(
        long,
        value_delimiter = ',',
        allow_hyphen_values = true,
        hide_default_value = true,
        default_value = "0.02,0.04,0.06,0.08,0.09,0.1,0.11,0.12,0.13,0.135,0.14,0.145,0.15,0.16,0.18"
    )]
    pub loads: Vec<f64>,
    /// Pattern sets per load
    #[arg(long, default_value_t = 20)]
    pub seeds: usize,
    /// Patterns of each set that are recalled
    #[arg(long, default_value_t = 20)]
    pub cues: usize,
    /// Learning rule
    #[arg(long, value_parser = choice::<Standard>(), default_value = "hebb")]
    pub rule: Standard,
    /// Fraction of a cue's units that are wrong
    #[arg(long, default_value_t = 0.0)]
    pub noise: f64,
    /// What the picture shows
    #[arg(long, value_parser = choice::<Criterion>(), default_value = "overlap", requires = "output")]
    pub criterion: Criterion,
    /// Maximum number of sweeps per recall
    #[arg(long, default_value_t = 200)]
    pub sweeps: usize,
    #[command(flatten)]
    pub figure: Figure,
}

impl Capacity {
    /// As the library reads it.
    fn plan(&self, seed: u64) -> Plan {
        let rule = self.rule.rule(seed);
        match self.demo {
            true => same!(self => Plan { seeds, cues, sweeps }, ..Plan::small(rule)),
            false => same!(self => Plan { neurons, loads, seeds, cues, noise, sweeps }, rule),
        }
    }
}

/// Runs the command: what it prints.
pub fn run(args: &Capacity, context: &Context<'_>) -> Outcome<Answer> {
    let plan = args.plan(context.seed());
    plan.check()?;
    let found = capacity::run(&plan, context)?;
    args.figure.draw(|_| figure(if args.demo { Criterion::Exact } else { args.criterion }, &found))?;
    Ok((json!(found.loads), words(&found)))
}
