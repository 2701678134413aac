//! A memory at temperatures: its law, the sigmoid of a unit, and samples.

use attractor::experiment::boltzmann::{Drawn, Firing, Law, LawAt, Samples};
use attractor::sample::gibbs::probability_of_up;

use super::{ink, style};
use crate::Result;
use crate::canvas::axis::Side;
use crate::canvas::numbers::counted;
use crate::figures::images::{Images, Picture};
use crate::figures::lines::{Lines, Series};
use crate::figures::panels::beside;

/// The probability of a state and of an energy level, a curve for each temperature.
///
/// # Errors
/// As [`Lines::svg`].
pub fn law(law: &Law, source: &str) -> Result<String> {
    let series = |of: fn(&LawAt) -> &[f64]| -> Vec<Series> {
        let curve = |at: &LawAt| {
            let points = law.energies.iter().copied().zip(of(at).iter().copied()).collect();
            Series::new(format!("T = {}", at.temperature), points)
        };
        law.at.iter().map(curve).collect()
    };
    let (one, all) = (series(|at| &at.of_state), series(|at| &at.of_energy));
    let x = || Side::new("energy E");
    let state = Lines {
        title: "One state",
        notes: vec!["a straight line of slope −1/T: lower energies are more probable".to_string()],
        x: x(),
        y: Side::new("probability of a state").log().between(1e-8, 1.0),
        series: &one,
    };
    let level = Lines {
        title: "One energy level: all its states together",
        notes: vec!["hot: where most states are; cold: where the lowest are".to_string()],
        x: x(),
        y: Side::new("probability of an energy level").between(0.0, 1.0),
        series: &all,
    };
    let notes = [format!(
        "{source}; exact, over all {} states; {} energy levels; lines only guide the eye",
        1usize << law.units,
        law.energies.len()
    )];
    beside("Boltzmann distribution: p = exp(−E / T) / Z", &notes, &[state.svg()?, level.svg()?])
}

/// The probability that a unit is +1, against its field.
///
/// # Errors
/// As [`Lines::svg`].
pub fn firing(temperatures: &[f64]) -> Result<String> {
    const SAMPLES: i32 = 200;
    let curve = |&t: &f64| {
        let field = |at: i32| 5.0 * f64::from(at) / f64::from(SAMPLES);
        let points = (-SAMPLES..=SAMPLES).map(|at| (field(at), probability_of_up(field(at), t))).collect();
        Series::new(format!("T = {t}"), points)
    };
    let mut series: Vec<Series> = temperatures.iter().map(curve).collect();
    let sign = vec![(-5.0, 0.0), (0.0, 0.0), (0.0, 1.0), (5.0, 1.0)];
    series.push(Series::new("T → 0: the sign of the field", sign).null());
    let notes = vec!["p(x = +1) = σ(2 h / T) for spins −1 and +1; for bits 0 and 1 it is σ(h / T)".to_string()];
    let (x, y) = (Side::new("local field h"), Side::new("probability that the unit is +1").between(0.0, 1.0));
    Lines { title: "A unit follows its field, less closely at higher temperature", notes, x, y, series: &series }.svg()
}

fn name(drawn: &Drawn) -> String {
    match drawn.overlap {
        1.0 => format!("pattern {}", drawn.nearest),
        -1.0 => format!("mirror {}", drawn.nearest),
        overlap => format!("m {overlap:.2}").replace('-', "−"),
    }
}

/// States drawn at each temperature, a row for each; `picture`: rows and columns of a pattern.
///
/// # Errors
/// As [`Images::svg`].
pub fn samples(samples: &Samples, source: &str, picture: (usize, usize)) -> Result<String> {
    /// Pictures in a row.
    const ACROSS: usize = 8;
    let (height, width) = picture;
    let each = samples.at.first().map_or(0, |at| at.samples.len());
    let across = each.min(ACROSS);
    let shown = || samples.at.iter().flat_map(|at| &at.samples[..across]);
    let values: Vec<Vec<f32>> = shown().map(|drawn| ink(&drawn.state)).collect();
    let names: Vec<String> = shown().map(name).collect();
    let pictures: Vec<Picture<'_>> =
        values.iter().zip(&names).map(|(values, name)| Picture { width, height, values, name }).collect();
    let rows: Vec<String> = samples.at.iter().map(|at| format!("T = {}", at.temperature)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let mut notes = vec![
        format!("{source}, {} Gibbs sweeps from random states", samples.sweeps),
        "m: overlap with the nearest stored pattern, negative for its mirror".to_string(),
    ];
    if each > across {
        notes.push(format!("the first {across} of {each} samples per temperature"));
    }
    let title = "Samples: cold ones are near memories, hot ones noise";
    Images { title, notes, pictures: &pictures, across, rows: &rows, columns: &[], shared: false }.svg(&style())
}

/// The table of a Boltzmann distribution, for a terminal.
pub fn law_words(law: &Law, source: &str) -> String {
    let mut out = format!(
        "{source}: {}, {}, ground-state energy {:.4}, degeneracy {}\n\n\
         {:>8}  {:>10}  {:>11}  {:>8}  {:>13}  {:>12}\n",
        counted(1 << law.units, "state"),
        counted(law.energies.len(), "energy level"),
        law.energies[0] + 0.0,
        law.states[0],
        "T",
        "ln Z",
        "mean energy",
        "entropy",
        "heat capacity",
        "p(ground)",
    );
    for at in &law.at {
        out += &format!(
            "{:>8}  {:>10.4}  {:>11.4}  {:>8.4}  {:>13.4}  {:>12.5}\n",
            at.temperature,
            at.log_z,
            at.mean_energy + 0.0,
            at.entropy,
            at.heat_capacity,
            at.of_energy[0]
        );
    }
    out + "\nexact, by enumeration of all states: p = exp(-E / T) / Z; entropy in nats\n"
}

/// The table of firing probabilities, for a terminal.
pub fn firing_words(firing: &Firing) -> String {
    let head: String = firing.fields.iter().map(|h| format!("  h = {h:>4}")).collect();
    let mut out = format!("probability that a spin is +1: sigma(2 h / T)\n\n{:>8}{head}\n", "T");
    for at in &firing.at {
        let row: String = at.probabilities.iter().map(|p| format!("  {p:>8.5}")).collect();
        out += &format!("{:>8}{row}\n", at.temperature);
    }
    out
}

/// What samples are like at each temperature, for a terminal.
pub fn samples_words(samples: &Samples, source: &str) -> String {
    let mut out = format!(
        "{source}, {} per temperature, {} Gibbs sweeps each from a random state\n\n{:>8}  {:>11}  {:>10}  {:>16}\n",
        counted(samples.at[0].samples.len(), "sample"),
        samples.sweeps,
        "T",
        "mean energy",
        "mean |m|",
        "stored, mirrored"
    );
    for at in &samples.at {
        let (stored, mirrored) = at.stored_and_mirrored();
        out += &format!(
            "{:>8}  {:>11.4}  {:>10.4}  {:>16}\n",
            at.temperature,
            at.mean_energy(),
            at.mean_overlap(),
            format!("{stored}, {mirrored}")
        );
    }
    out + "\n|m|: overlap with the nearest stored pattern or its mirror\n"
}
