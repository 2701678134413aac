//! `attractor memory likelihood`: ln p of data under a machine, exact, and between annealed importance sampling and its
//! reverse.

use std::path::PathBuf;

use attractor_session::Context;
use attractor_session::Machine;
use attractor_session::machine::parts;
use attractor_session::sample::rbm::ais::Caution;
use attractor_session::sample::rbm::evaluation::{Evaluated, Evaluation, Part};
use clap::Args;
use serde_json::{Value, json};

use crate::args::Common;
use crate::commands::memory::Data;
use crate::console::counted;
use crate::error::Outcome;

#[derive(Debug, Args)]
pub struct Likelihood {
    /// A folder of attractor train rbm, its rbm.safetensors, or a BernoulliRBM of scikit-learn as .npz
    #[arg(required_unless_present = "demo")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub data: Data,
    /// Inverse temperatures of annealed importance sampling
    #[arg(long, default_value_t = 1000)]
    pub betas: usize,
    /// Runs of it, forwards and in reverse
    #[arg(long, default_value_t = 100)]
    pub runs: usize,
    /// Steps of the chains at eight inverse temperatures whose states the reverse runs start from
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
}

/// Why an interval should not be believed, in words.
pub fn caution(caution: &Caution) -> String {
    let Caution { variance, effective_runs, runs } = caution;
    format!(
        "the variance of ln w is {variance:.2} and the effective sample size {effective_runs:.1} of {runs} runs: the interval \
         is too narrow; use more inverse temperatures"
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
fn document(found: &Evaluated, source: &str) -> Value {
    let mut document = json!(found);
    document["source"] = json!(source);
    for (key, way) in [("ais", &found.ais), ("reverse_ais", &found.reverse_ais)] {
        let words = way.uncertainty.and_then(|uncertainty| uncertainty.caution).map(|found| caution(&found));
        document[key]["caution"] = json!(words);
    }
    document
}

fn text(found: &Evaluated, source: &str, quiet: bool) -> String {
    let mut out = format!(
        "restricted Boltzmann machine of {} x {} units on {source}\nmean ln p per row, nats, with the standard error over \
         rows\n\n{:<12}  {:>10}  {:>8}  {:>8}",
        found.visible, found.hidden, "ln Z by", "ln Z", "+- s.e.", "ESS"
    );
    for (part, rows) in &found.rows {
        out += &format!("  {:>20}", format!("{}: {}", name(*part), counted(*rows, "row")));
    }
    out += "\n";
    let estimates = [("AIS", &found.ais), ("reverse AIS", &found.reverse_ais)];
    for (name, way) in found.exact.iter().map(|way| ("exact", way)).chain(estimates) {
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
    out += "\nESS: effective sample size. Forward runs find ln Z too small in the mean, so their ln p is too high;\n\
            reverse runs too large, as far as the states they start from are the machine's.\n";
    for (name, way) in estimates {
        if let Some(found) = way.uncertainty.and_then(|uncertainty| uncertainty.caution) {
            out += &format!("caution, {name}: {} (--betas)\n", caution(&found));
        }
    }
    out
}

/// Runs the command: what it prints.
pub fn run(args: &Likelihood, common: &Common, context: &Context<'_>) -> Outcome<String> {
    let stored = Machine::open(args.model.as_deref())?;
    let evaluation = Evaluation { betas: args.betas, runs: args.runs, steps: args.steps };
    evaluation.check(&stored.rbm)?;
    let samples = stored.fitting(args.data.source().samples("digits")?, args.data.threshold)?;
    let parts = parts(&samples);
    let rows = parts.iter().map(|(part, samples)| Ok((*part, samples.rows()?))).collect::<Outcome<Vec<_>>>()?;
    let found = evaluation.run(&stored.rbm, &stored.base, &rows, context)?;
    Ok(match common.json {
        true => format!("{}\n", document(&found, &samples.source)),
        false => text(&found, &samples.source, common.quiet),
    })
}
