//! `attractor memory capacity`: overlap and exact recall against load.

use std::path::PathBuf;

use attractor_render::memories::capacity::{Criterion, figure};
use attractor_session::Context;
use attractor_session::experiment::capacity::{self, CRITICAL_LOAD, Plan};
use attractor_session::learn::Standard;
use clap::Args;
use serde_json::json;

use super::Answer;
use crate::args::{choice, same};
use crate::console::percent;
use crate::error::Outcome;
use crate::picture;

#[derive(Debug, Clone, Args)]
pub struct Capacity {
    /// A small network: 100 units, a tenth of each cue wrong, 1 to 50 patterns recalled without an error
    #[arg(long, conflicts_with_all = ["neurons", "loads", "noise", "criterion"])]
    pub demo: bool,
    /// Number of units N
    #[arg(long, default_value_t = 2000)]
    pub neurons: usize,
    /// Loads P / N, comma-separated
    #[arg(
        long,
        value_delimiter = ',',
        allow_hyphen_values = true,
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
    /// Also save a figure: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
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

fn table(found: &capacity::Capacity) -> String {
    let mut out = format!(
        "{}, {} units, {} pattern sets, {} cues each, {} of a cue wrong; recall unit by unit until none flips\n\n\
         {:>7}  {:>8}  {:>9}  {:>9}  {:>9}  {:>8}\n",
        found.rule,
        found.neurons,
        found.seeds,
        found.cues,
        percent(found.noise),
        "load",
        "patterns",
        "overlap m",
        "+- s.e.",
        "theory",
        "exact",
    );
    for m in &found.loads {
        let theory = m.theory.map_or("-".to_string(), |m| format!("{m:.5}"));
        let error = if m.standard_error.is_nan() { "-".to_string() } else { format!("{:.5}", m.standard_error) };
        out += &format!(
            "{:>7.4}  {:>8}  {:>9.5}  {error:>9}  {theory:>9}  {:>7.1}%\n",
            m.load,
            m.patterns,
            m.overlap,
            100.0 * m.exact
        );
    }
    match found.limits.filter(|limits| limits.most.is_finite()) {
        None => out,
        Some(limits) => {
            out + &format!(
                "\nTheory: the retrieval state for N to infinity (Amit, Gutfreund and Sompolinsky 1987), which disappears above a load of \
             {CRITICAL_LOAD:.4}.\nWithout any error: most patterns up to 1 / (2 ln N) = {:.4}, all up to 1 / (4 ln N) = \
             {:.4} (McEliece et al. 1987).\n",
                limits.most, limits.all
            )
        }
    }
}

/// Runs the command: what it prints.
pub fn run(args: &Capacity, context: &Context<'_>) -> Outcome<Answer> {
    let plan = args.plan(context.seed());
    plan.check()?;
    let file = args.output.as_ref().map(|path| picture::checked(path).map(|ending| (path, ending))).transpose()?;
    let found = capacity::run(&plan, context)?;
    if let Some((path, ending)) = file {
        picture::save(path, &ending, &figure(if args.demo { Criterion::Exact } else { args.criterion }, &found)?)?;
    }
    Ok((json!(found.loads), table(&found)))
}
