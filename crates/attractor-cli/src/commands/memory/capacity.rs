//! `attractor memory capacity`: overlap and exact recall against load.

use std::path::PathBuf;

use attractor::settle::capacity::{CRITICAL_LOAD, Measured, Plan, measure, retrieval_overlap};
use attractor_render::canvas::axis::Side;
use attractor_render::figures::lines::{Lines, Series};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::hopfield::RuleName;
use crate::args::{Common, MOST_BYTES};
use crate::console::{Progress, percent, print, short};
use crate::error::Outcome;
use crate::picture;
use attractor::Error;

/// What counts as recalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Criterion {
    /// The overlap of the settled state with its pattern
    Overlap,
    /// The share of cues recalled without an error
    Exact,
}

#[derive(Debug, Clone, Args)]
pub struct Capacity {
    /// A small network: 100 units, a tenth of each cue wrong, 1 to 50 patterns recalled without an error
    #[arg(long, conflicts_with_all = ["neurons", "loads", "noise", "criterion"])]
    pub demo: bool,
    /// Units N
    #[arg(long, default_value_t = 2000)]
    pub neurons: usize,
    /// Loads P / N, with commas
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, default_values_t = [0.02, 0.04, 0.06, 0.08, 0.09, 0.10, 0.11, 0.12, 0.13, 0.135, 0.14, 0.145, 0.15, 0.16, 0.18])]
    pub loads: Vec<f64>,
    /// Pattern sets a load
    #[arg(long, default_value_t = 20)]
    pub seeds: usize,
    /// Patterns recalled of each set
    #[arg(long, default_value_t = 20)]
    pub cues: usize,
    /// Learning rule
    #[arg(long, value_enum, default_value_t = RuleName::Hebb)]
    pub rule: RuleName,
    /// Share of a cue's units that are wrong
    #[arg(long, default_value_t = 0.0)]
    pub noise: f64,
    /// What the picture shows
    #[arg(long, value_enum, default_value_t = Criterion::Overlap, requires = "output")]
    pub criterion: Criterion,
    /// Sweeps of a recall at most
    #[arg(long, default_value_t = 200)]
    pub sweeps: usize,
    /// Also draw it: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Loads up to which most patterns, and all patterns, are recalled without an error, for random patterns.
///
/// Source: McEliece, Posner, Rodemich and Venkatesh 1987, *The capacity of the Hopfield associative memory*.
fn exact_limits(neurons: usize) -> [f64; 2] {
    let log = (neurons as f64).ln();
    [1.0 / (2.0 * log), 1.0 / (4.0 * log)]
}

fn table(found: &[Measured], capacity: &Capacity) -> String {
    let mut out = format!(
        "{}, {} units, {} pattern sets, {} cues each, {} of a cue wrong; recall unit by unit until none turns\n\n\
         {:>7}  {:>8}  {:>9}  {:>9}  {:>9}  {:>8}\n",
        capacity.rule.rule(0).name(),
        capacity.neurons,
        capacity.seeds,
        capacity.cues,
        percent(capacity.noise),
        "load",
        "patterns",
        "overlap m",
        "+- s.e.",
        "theory",
        "exact",
    );
    for m in found {
        let theory = m.theory.map_or("none".to_string(), |m| format!("{m:.5}"));
        let error = if m.standard_error.is_nan() { "-".to_string() } else { format!("{:.5}", m.standard_error) };
        out += &format!(
            "{:>7.4}  {:>8}  {:>9.5}  {error:>9}  {theory:>9}  {:>7.1}%\n",
            m.load,
            m.patterns,
            m.overlap,
            100.0 * m.exact
        );
    }
    if capacity.rule != RuleName::Hebb {
        return out;
    }
    let [most, all] = exact_limits(capacity.neurons);
    if !most.is_finite() {
        return out;
    }
    out + &format!(
        "\nTheory: the retrieval state of N to infinity (Amit, Gutfreund and Sompolinsky 1987), gone beyond a load of \
         {CRITICAL_LOAD:.4}.\nWithout any error: most patterns up to 1 / (2 ln N) = {most:.4}, all up to 1 / (4 ln N) = \
         {all:.4} (McEliece et al. 1987).\n"
    )
}

fn picture(found: &[Measured], capacity: &Capacity) -> Outcome<String> {
    let notes = vec![format!(
        "rule {}, {} units, {} pattern sets, {} cues each, {} of a cue wrong",
        capacity.rule.rule(0).name(),
        capacity.neurons,
        capacity.seeds,
        capacity.cues,
        percent(capacity.noise)
    )];
    let x = Side::new("load P / N");
    Ok(match capacity.criterion {
        Criterion::Overlap => {
            let points = found.iter().map(|m| (m.load, m.overlap)).collect();
            let mut measured = Series::new("measured, two standard errors", points);
            if capacity.seeds > 1 {
                let band = |m: &Measured| (m.overlap - 2.0 * m.standard_error, m.overlap + 2.0 * m.standard_error);
                measured = measured.with_band(found.iter().map(band).collect());
            }
            let first = found.iter().map(|m| m.load).fold(CRITICAL_LOAD, f64::min);
            let loads = (0..=200).map(|i| first + (CRITICAL_LOAD - first) * f64::from(i) / 200.0);
            let theory: Vec<(f64, f64)> =
                loads.filter_map(|load| Some((load, retrieval_overlap(load).ok()??))).collect();
            let series = [measured, Series::new("Hebb's rule, theory, N to infinity", theory).null()];
            let y = Side::new("overlap m");
            Lines { title: "Recall against load", notes, x, y, series: &series }.svg()?
        }
        Criterion::Exact => {
            let points = found.iter().map(|m| (m.load, m.exact)).collect();
            let [most, all] = exact_limits(capacity.neurons);
            let line = |name: &str, load: f64| Series::new(name, vec![(load, 0.0), (load, 1.0)]).null();
            let mut series = vec![Series::new("measured", points)];
            if capacity.rule == RuleName::Hebb {
                series.extend([line("most patterns: 1 / (2 ln N)", most), line("all patterns: 1 / (4 ln N)", all)]);
            }
            let y = Side::new("share recalled without an error").between(0.0, 1.0);
            Lines { title: "Recall without an error", notes, x, y, series: &series }.svg()?
        }
    })
}

/// Most pattern sets of a load, and most cues of a set.
const MOST_SETS: usize = 1 << 20;

/// Refuses what nobody waits for, and what no memory holds: patterns twice over at a bit a unit, or the weights of a learning rule, on every thread.
fn check_size(capacity: &Capacity) -> Outcome {
    if capacity.seeds > MOST_SETS || capacity.cues > MOST_SETS {
        return Err(Error::usage(format!(
            "--seeds {}, --cues {}: at most {MOST_SETS} of each",
            capacity.seeds, capacity.cues
        )));
    }
    let (units, threads) = (capacity.neurons as f64, rayon::current_num_threads().min(capacity.seeds) as f64);
    let load = capacity.loads.iter().copied().fold(0.0, f64::max);
    let (what, one) = match capacity.rule {
        RuleName::Hebb => ("patterns", units * units * load / 4.0),
        _ => ("weights", 16.0 * units * units + units * units * load / 4.0),
    };
    match one * threads <= MOST_BYTES as f64 {
        true => Ok(()),
        false => Err(Error::usage(format!(
            "--neurons {} at a load of {}: the {what} of {threads} sets at a time take {:.1} GB; at most {:.0} GB: ask for \
             fewer, or for fewer --threads",
            capacity.neurons,
            short(load),
            one * threads / 1e9,
            MOST_BYTES as f64 / 1e9
        ))),
    }
}

/// Runs the command.
pub fn run(capacity: &Capacity, common: &Common) -> Outcome {
    if capacity.demo {
        let loads = vec![0.01, 0.05, 0.1, 0.14, 0.2, 0.3, 0.5];
        let (neurons, noise, criterion) = (100, 0.1, Criterion::Exact);
        let small = Capacity { demo: false, neurons, loads, noise, criterion, ..capacity.clone() };
        return run(&small, common);
    }
    let plan = Plan {
        rule: capacity.rule.rule(common.seed),
        units: capacity.neurons,
        loads: capacity.loads.clone(),
        seeds: capacity.seeds,
        cues: capacity.cues,
        noise: capacity.noise,
        sweeps: capacity.sweeps,
        seed: common.seed,
    };
    plan.check()?;
    check_size(capacity)?;
    let file = capacity.output.as_ref().map(|path| picture::checked(path).map(|ending| (path, ending))).transpose()?;
    let progress = Progress::new(common.quiet);
    let mut found = Vec::new();
    for (index, &load) in plan.loads.iter().enumerate() {
        progress.step("recalling", index, plan.loads.len());
        found.push(measure(&plan, load)?);
    }
    drop(progress);
    if let Some((path, ending)) = file {
        picture::save(path, &ending, &picture(&found, capacity)?)?;
    }
    match common.json {
        true => {
            let line = |m: &Measured| {
                let error = (!m.standard_error.is_nan()).then_some(m.standard_error);
                json!({ "load": m.load, "m_mean": m.overlap, "m_se": error, "m_ags": m.theory, "exact": m.exact })
            };
            print(&format!("{}\n", json!(found.iter().map(line).collect::<Vec<_>>())));
        }
        false => print(&table(&found, capacity)),
    }
    Ok(())
}
