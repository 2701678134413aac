//! `attractor memory likelihood`: ln p of data under a machine, exact, and between annealed importance sampling and its
//! reverse.

use std::collections::BTreeMap;
use std::path::PathBuf;

use attractor_session::Context;
use attractor_session::likelihood::{self, Evaluation, Likelihood, Options, Part};
use attractor_session::sample::rbm::Mean;
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

/// The result with the words that an answer in JSON has too.
fn document(found: &Likelihood) -> Value {
    let mut document = json!(found);
    for (key, _, cautious) in found.estimates() {
        document[key]["caution"] = json!(cautious.map(|found| found.to_string()));
    }
    document
}

/// Means with their standard errors, as the end of a line.
fn means(of: &BTreeMap<Part, Mean>) -> String {
    let one = |mean: &Mean| format!("  {:>20}", format!("{:.3} ± {:.3}", mean.value, mean.standard_error));
    of.values().map(one).collect::<String>() + "\n"
}

fn text(found: &Likelihood, quiet: bool) -> String {
    let Likelihood { evaluated, base_rates, source } = found;
    let mut out = format!(
        "restricted Boltzmann machine of {} x {} units on {source}\nmean ln p per row, nats, with the standard error over \
         rows\n\n{:<12}  {:>10}  {:>8}  {:>8}",
        evaluated.visible, evaluated.hidden, "ln Z by", "ln Z", "+- s.e.", "ESS"
    );
    for (part, rows) in &evaluated.rows {
        out += &format!("  {:>20}", format!("{part}: {}", counted(*rows, "row")));
    }
    out += "\n";
    let estimates = [("AIS", &evaluated.ais), ("reverse AIS", &evaluated.reverse_ais)];
    for (name, way) in evaluated.exact.iter().map(|way| ("exact", way)).chain(estimates) {
        let (error, runs) = way.uncertainty.map_or(("-".to_string(), "-".to_string()), |uncertainty| {
            (format!("{:.3}", uncertainty.standard_error), format!("{:.1}", uncertainty.effective_runs))
        });
        out += &format!("{name:<12}  {:>10.3}  {error:>8}  {runs:>8}", way.log_partition);
        out += &means(&way.log_likelihood);
    }
    out += &format!("{:<12}  {:>10}  {:>8}  {:>8}{}", "base rates", "-", "-", "-", means(base_rates));
    if quiet {
        return out;
    }
    out += "\nESS: effective sample size. On average forward AIS underestimates ln Z, so its ln p is too high, and reverse AIS\n\
            overestimates it if its starting states are samples of the model (--steps); one run of either may miss by chance.\n";
    for (name, off) in found.broken_bounds() {
        out += &format!(
            "caution, {name}: its ln Z lies {off:+.1} standard errors from the exact one, so its ln p is no bound here\n"
        );
    }
    for ((name, _), (.., cautious)) in estimates.iter().zip(found.estimates()) {
        if let Some(found) = cautious {
            out += &format!("caution, {name}: {found} (--betas)\n");
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
