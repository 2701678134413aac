//! `attractor memory likelihood`: ln p of data under a machine, exact, and between annealed importance sampling and its
//! reverse.

use std::path::PathBuf;

use attractor::sample::rbm::ais::{self, Annealing, Estimate};
use attractor::sample::rbm::{Rbm, Rows, exact, generate, likelihood};
use attractor_data::Samples;
use clap::Args;
use serde_json::{Value, json};

use super::options::BETAS;
use crate::args::{Common, MOST_BYTES};
use crate::commands::memory::Data;
use crate::console::{Progress, counted, print};
use crate::error::Outcome;
use attractor::Error;
use attractor_data::Machine as Stored;

#[derive(Debug, Args)]
pub struct Likelihood {
    /// A folder of attractor train rbm, its rbm.safetensors, or a BernoulliRBM of scikit-learn as .npz
    #[arg(required_unless_present = "demo")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    pub data: Data,
    /// Temperatures of annealed importance sampling
    #[arg(long, default_value_t = 1000)]
    pub betas: usize,
    /// Runs of it, forwards and in reverse
    #[arg(long, default_value_t = 100)]
    pub runs: usize,
    /// Steps of the chains at eight temperatures whose states the reverse runs start from
    #[arg(long, default_value_t = 1000)]
    pub steps: usize,
}

/// Data whose likelihood is wanted.
struct Part {
    name: &'static str,
    samples: Samples,
}

/// What ln Z is, by one of three ways.
struct Way {
    name: &'static str,
    key: &'static str,
    log_partition: f64,
    estimate: Option<Estimate>,
}

/// Rows to learn from and rows to test with, where the data say which.
fn parts(samples: &Samples) -> Vec<Part> {
    if samples.test.is_empty() {
        return vec![Part { name: "all rows", samples: samples.clone() }];
    }
    let mut held = vec![false; samples.count];
    samples.test.iter().for_each(|&row| held[row] = true);
    let rows = |wanted: bool| -> Vec<usize> { (0..samples.count).filter(|&row| held[row] == wanted).collect() };
    vec![
        Part { name: "training", samples: samples.chosen(&rows(false)) },
        Part { name: "test", samples: samples.chosen(&rows(true)) },
    ]
}

fn ways(args: &Likelihood, stored: &Stored, common: &Common) -> Outcome<Vec<Way>> {
    let rbm = &stored.rbm;
    let progress = Progress::new(common.quiet);
    let mut all = Vec::new();
    if exact::enumerated_units(rbm) <= exact::LIMIT {
        let log_partition = exact::log_partition(rbm, &|done, of| progress.step("exact", done, of))?;
        all.push(Way { name: "exact", key: "exact", log_partition, estimate: None });
    }
    let annealing = Annealing::linear(args.betas, args.runs, common.seed);
    let step = |stage: &'static str| move |done: usize, of: usize| (stage, done, of);
    let (forwards, backwards) = (step("forwards"), step("in reverse"));
    let tell = |(stage, done, of): (&str, usize, usize)| progress.step(stage, done, of);
    let forward = ais::forward(rbm, &stored.base, &annealing, &|done, of| tell(forwards(done, of)))?;
    let temperatures: Vec<f32> = (0..8).map(|i| i as f32 / 7.0).collect();
    let drawn = generate::tempered(rbm, &stored.base, &temperatures, args.runs, args.steps, common.seed)?.samples;
    let rows = Rows::new(&drawn, rbm.visible_units())?;
    let reverse = ais::reverse(rbm, &stored.base, &annealing, rows, &|done, of| tell(backwards(done, of)))?;
    for (name, key, estimate) in [("AIS", "ais", forward), ("reverse AIS", "reverse_ais", reverse)] {
        all.push(Way { name, key, log_partition: estimate.log_partition, estimate: Some(estimate) });
    }
    Ok(all)
}

fn check(args: &Likelihood, rbm: &Rbm) -> Outcome {
    if !BETAS.contains(&args.betas) {
        return Err(Error::usage(format!(
            "--betas {}: give {} to {} temperatures; with few of them the estimate is of no use (1000 is usual)",
            args.betas,
            BETAS.start(),
            BETAS.end()
        )));
    }
    if args.runs < 2 || args.steps == 0 {
        return Err(Error::usage(format!(
            "--runs {}, --steps {}: give at least 2 runs, whose spread is the error, and 1 step",
            args.runs, args.steps
        )));
    }
    // Chains at eight temperatures, visible and hidden, and what is at work with them.
    let width = (rbm.visible_units() + rbm.hidden_units()) as u64;
    let bytes = (args.runs as u64).saturating_mul(64 * width);
    if bytes > MOST_BYTES {
        return Err(Error::usage(format!(
            "--runs {}: the states take {:.1} GB; at most {:.0} GB",
            args.runs,
            bytes as f64 / 1e9,
            MOST_BYTES as f64 / 1e9
        )));
    }
    Ok(())
}

/// Runs the command.
pub fn run(args: &Likelihood, common: &Common) -> Outcome {
    let stored = match &args.model {
        Some(model) => Stored::read(model)?,
        None => Stored::demo()?,
    };
    check(args, &stored.rbm)?;
    let samples = stored.fitting(args.data.source().samples("digits")?, args.data.threshold)?;
    let parts = parts(&samples);
    let ways = ways(args, &stored, common)?;
    let mut table = Vec::new();
    for way in &ways {
        let mean = |part: &Part| {
            let rows = Rows::new(&part.samples.values, part.samples.features)?;
            likelihood::mean_log_likelihood(&stored.rbm, rows, way.log_partition)
        };
        table.push(parts.iter().map(mean).collect::<Result<Vec<_>, _>>()?);
    }
    if common.json {
        let mut document = json!({
            "visible": stored.rbm.visible_units(), "hidden": stored.rbm.hidden_units(), "source": samples.source,
            "betas": args.betas, "runs": args.runs, "seed": common.seed,
            "rows": parts.iter().map(|part| (part.name.replace(' ', "_"), json!(part.samples.count)))
                .collect::<serde_json::Map<_, _>>(),
        });
        for (way, means) in ways.iter().zip(&table) {
            let likelihoods: serde_json::Map<String, Value> = (parts.iter().zip(means))
                .map(|(part, mean)| {
                    let number = json!({ "mean": mean.value, "standard_error": mean.standard_error });
                    (part.name.replace(' ', "_"), number)
                })
                .collect();
            let mut found = json!({ "log_partition": way.log_partition, "log_likelihood": likelihoods });
            if let Some(estimate) = &way.estimate {
                // JSON has no infinities: a side without a bound is null.
                let finite = |side: f64| side.is_finite().then_some(side);
                let (low, high) = estimate.interval(2.0);
                found["standard_error"] = json!(finite(estimate.standard_error));
                found["interval"] = json!([finite(low), finite(high)]);
                found["effective_runs"] = json!(estimate.effective_runs);
                found["caution"] = json!(estimate.caution());
            }
            document[way.key] = found;
        }
        print(&format!("{document}\n"));
        return Ok(());
    }
    let mut out = format!(
        "restricted Boltzmann machine of {} x {} units on {}\nmean ln p of a row, nats, with the standard error over rows\n\n\
         {:<12}  {:>10}  {:>8}  {:>8}",
        stored.rbm.visible_units(),
        stored.rbm.hidden_units(),
        samples.source,
        "ln Z by",
        "ln Z",
        "+- s.e.",
        "runs"
    );
    for part in &parts {
        out += &format!("  {:>20}", format!("{}: {}", part.name, counted(part.samples.count, "row")));
    }
    out += "\n";
    for (way, means) in ways.iter().zip(&table) {
        let (error, runs) = way.estimate.as_ref().map_or(("-".to_string(), "-".to_string()), |estimate| {
            (format!("{:.3}", estimate.standard_error), format!("{:.1}", estimate.effective_runs))
        });
        out += &format!("{:<12}  {:>10.3}  {error:>8}  {runs:>8}", way.name, way.log_partition);
        for mean in means {
            out += &format!("  {:>20}", format!("{:.3} ± {:.3}", mean.value, mean.standard_error));
        }
        out += "\n";
    }
    if !common.quiet {
        out += "\nruns: those that carry the estimate. Forward runs find ln Z too small in the mean, so their ln p is too high;\n\
                reverse runs too large, as far as the states they start from are the machine's.\n";
        for way in &ways {
            if let Some(caution) = way.estimate.as_ref().and_then(Estimate::caution) {
                out += &format!("caution, {}: {caution} (--betas)\n", way.name);
            }
        }
    }
    print(&out);
    Ok(())
}
