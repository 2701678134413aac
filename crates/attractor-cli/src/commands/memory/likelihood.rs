//! `attractor memory likelihood`: ln p of data under a machine, exact, and between annealed importance sampling and its
//! reverse.

use std::path::PathBuf;

use attractor_session::Context;
use attractor_session::likelihood::{self, Evaluation, Likelihood, Options, Part};
use attractor_session::sample::rbm::ais::Caution;
use clap::Args;
use serde_json::{Value, json};

use super::{Answer, Data};
use crate::args::{Common, same};
use crate::console::counted;
use crate::error::Outcome;

#[derive(Debug, Args)]
pub struct LikelihoodArgs {
    /// A folder of attractor train rbm, its rbm.safetensors, or a BernoulliRBM of scikit-learn as .npz
    #[arg(required_unless_present = "demo")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub data: Data,
    /// Number of inverse temperatures in annealed importance sampling (AIS)
    #[arg(long, default_value_t = 1000)]
    pub betas: usize,
    /// AIS runs in each direction, forward and reverse
    #[arg(long, default_value_t = 100)]
    pub runs: usize,
    /// Steps of the parallel-tempering chains whose states the reverse runs start from
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
}

/// Why an interval should not be believed, in words.
pub fn caution(caution: &Caution) -> String {
    let Caution { variance, effective_runs, runs } = caution;
    format!(
        "the variance of ln w is {variance:.2} and the effective sample size {effective_runs:.1} of {runs} runs: the standard error \
         is underestimated; use more inverse temperatures"
    )
}

fn name(part: Part) -> &'static str {
    match part {
        Part::AllRows => "all rows",
        Part::Training => "training",
        Part::Test => "test",
    }
}

/// The result with the words that an answer in JSON has too.
fn document(found: &Likelihood) -> Value {
    let mut document = json!(found);
    for (key, _, cautious) in found.estimates() {
        document[key]["caution"] = json!(cautious.map(|found| caution(&found)));
    }
    document
}

fn text(found: &Likelihood, quiet: bool) -> String {
    let Likelihood { evaluated, source } = found;
    let mut out = format!(
        "restricted Boltzmann machine of {} x {} units on {source}\nmean ln p per row, nats, with the standard error over \
         rows\n\n{:<12}  {:>10}  {:>8}  {:>8}",
        evaluated.visible, evaluated.hidden, "ln Z by", "ln Z", "+- s.e.", "ESS"
    );
    for (part, rows) in &evaluated.rows {
        out += &format!("  {:>20}", format!("{}: {}", name(*part), counted(*rows, "row")));
    }
    out += "\n";
    let estimates = [("AIS", &evaluated.ais), ("reverse AIS", &evaluated.reverse_ais)];
    for (name, way) in evaluated.exact.iter().map(|way| ("exact", way)).chain(estimates) {
        let (error, runs) = way.uncertainty.map_or(("-".to_string(), "-".to_string()), |uncertainty| {
            (format!("{:.3}", uncertainty.standard_error), format!("{:.1}", uncertainty.effective_runs))
        });
        out += &format!("{name:<12}  {:>10.3}  {error:>8}  {runs:>8}", way.log_partition);
        for mean in way.log_likelihood.values() {
            out += &format!("  {:>20}", format!("{:.3} ± {:.3}", mean.value, mean.standard_error));
        }
        out += "\n";
    }
    if quiet {
        return out;
    }
    out += "\nESS: effective sample size. Forward AIS underestimates ln Z on average, so its ln p is too high;\n\
            reverse AIS overestimates it, provided that its starting states are samples of the model.\n";
    for ((name, _), (.., cautious)) in estimates.iter().zip(found.estimates()) {
        if let Some(found) = cautious {
            out += &format!("caution, {name}: {} (--betas)\n", caution(&found));
        }
    }
    out
}

/// Runs the command: what it prints.
pub fn run(args: &LikelihoodArgs, common: &Common, context: &Context<'_>) -> Outcome<Answer> {
    let evaluation = same!(args => Evaluation { betas, runs, steps });
    let found = likelihood::run(&Options { model: args.model.clone(), data: args.data.source(), evaluation }, context)?;
    Ok((document(&found), text(&found, common.quiet)))
}
