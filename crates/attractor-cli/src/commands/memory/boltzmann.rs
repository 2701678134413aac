//! `attractor memory boltzmann`: what a memory is at a temperature.

use std::path::PathBuf;

use attractor::energy::{Couplings, Energy};
use attractor::pattern::{Spins, StoredPatterns};
use attractor::random::Philox;
use attractor::sample::{Enumerated, Rule, Schedule, follow, gibbs::probability_of_up};
use attractor_render::canvas::axis::Side;
use attractor_render::figures::images::{Images, Picture};
use attractor_render::figures::lines::{Lines, Series};
use attractor_render::figures::panels::beside;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::data::Data;
use super::hopfield::RuleName;
use super::ink;
use super::recall::style;
use crate::args::Common;
use crate::console::context;
use crate::console::{counted, print};
use crate::error::Outcome;
use crate::picture;
use attractor::Error;
use attractor_data::patterns::Stored;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// Boltzmann's law: the probability of every state and of every energy, exactly, up to 20 units
    Law,
    /// The probability that a unit is +1, against its field
    Firing,
    /// States drawn by Gibbs sampling at each temperature
    Samples,
}

#[derive(Debug, Args)]
pub struct Boltzmann {
    #[command(flatten)]
    pub data: Data,
    /// What is looked at, and drawn
    #[arg(long, value_enum, default_value_t = Draw::Law)]
    pub draw: Draw,
    /// How patterns are stored; only symmetric rules have a distribution
    #[arg(long, value_enum, default_value_t = RuleName::Hebb)]
    pub rule: RuleName,
    /// Temperatures, in units of the energy, with commas
    #[arg(long, value_delimiter = ',', default_values_t = [0.2, 0.5, 1.0, 2.0, 5.0])]
    pub temperatures: Vec<f64>,
    /// Samples a temperature
    #[arg(long, default_value_t = 8)]
    pub samples: usize,
    /// Sweeps of a sample, from a random state
    #[arg(long, default_value_t = 200)]
    pub sweeps: usize,
    /// Also draw it: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Temperatures of a picture at most: as many as there are colours.
const MOST_TEMPERATURES: usize = 8;
/// Samples a temperature at most.
const MOST_SAMPLES: usize = 100;
/// Sweeps of a sample at most.
const MOST_SWEEPS: usize = 1 << 24;

impl Boltzmann {
    fn check(&self) -> Outcome {
        let count = self.temperatures.len();
        if !(1..=MOST_TEMPERATURES).contains(&count) {
            return Err(Error::usage(format!("--temperatures: {count} of them; give 1 to {MOST_TEMPERATURES}")));
        }
        if let Some(wrong) = self.temperatures.iter().find(|t| !(1e-6..=1e6).contains(*t)) {
            return Err(Error::usage(format!("--temperatures {wrong:?}: give numbers above 0, from 1e-6 to 1e6")));
        }
        if !(1..=MOST_SAMPLES).contains(&self.samples) || !(1..=MOST_SWEEPS).contains(&self.sweeps) {
            return Err(Error::usage(format!(
                "--samples {}, --sweeps {}: give 1 to {MOST_SAMPLES} and 1 to {MOST_SWEEPS}",
                self.samples, self.sweeps
            )));
        }
        Ok(())
    }

    /// What is stored: the glyphs have 25 units, too many states to add up, so that the law's example is smaller.
    fn stored(&self, common: &Common) -> Outcome<Stored> {
        match self.data.demo && self.draw == Draw::Law {
            true => Data { demo: false, random: Some("2x12".to_string()), ..self.data.clone() }
                .source()
                .stored("", &context(common)),
            false => self.data.source().stored("glyphs-5", &context(common)),
        }
    }

    fn couplings(&self, patterns: &StoredPatterns, seed: u64) -> Outcome<Couplings> {
        let weights = self.rule.rule(seed).learn(patterns)?.weights.without_diagonal();
        if weights.asymmetry() > 0.0 {
            return Err(Error::usage(format!(
                "--rule {}: its weights are not symmetric, by up to {:.3}: there is no energy and no distribution; choose \
                 another, perceptron-symmetric for one",
                self.rule.rule(seed).name(),
                weights.asymmetry()
            )));
        }
        Ok(Couplings::dense(patterns.units(), weights.values())?.with_biases(weights.biases().to_vec())?)
    }
}

/// An energy, and how many states have it.
struct Level {
    energy: f64,
    states: Vec<usize>,
}

/// Energies that differ by rounding are one.
fn levels(energies: &[f64]) -> Vec<Level> {
    let mut order: Vec<usize> = (0..energies.len()).collect();
    order.sort_by(|&a, &b| energies[a].total_cmp(&energies[b]).then(a.cmp(&b)));
    let reach = energies.iter().fold(1.0, |most: f64, e| most.max(e.abs()));
    let mut all: Vec<Level> = Vec::new();
    for state in order {
        match all.last_mut() {
            Some(level) if energies[state] - level.energy <= 1e-9 * reach => level.states.push(state),
            _ => all.push(Level { energy: energies[state], states: vec![state] }),
        }
    }
    all
}

/// The law of a small memory at each temperature.
struct Law {
    stored: Stored,
    levels: Vec<Level>,
    at: Vec<(f64, Enumerated)>,
}

impl Law {
    fn new(args: &Boltzmann, common: &Common) -> Outcome<Self> {
        let seed = common.seed;
        let stored = args.stored(common)?;
        let couplings = args.couplings(&stored.patterns, seed)?;
        let at =
            args.temperatures.iter().map(|&t| Ok((t, Enumerated::new(&couplings, t)?))).collect::<Outcome<Vec<_>>>()?;
        let levels = levels(at[0].1.energies());
        Ok(Self { stored, levels, at })
    }

    /// P(E), all its states together.
    fn share(&self, law: &Enumerated, level: &Level) -> f64 {
        level.states.iter().map(|&state| law.probabilities()[state]).sum()
    }

    fn series(&self, of: impl Fn(&Enumerated, &Level) -> f64) -> Vec<Series> {
        let curve = |(t, law): &(f64, Enumerated)| {
            let points = self.levels.iter().map(|level| (level.energy, of(law, level))).collect();
            Series::new(format!("T = {t}"), points)
        };
        self.at.iter().map(curve).collect()
    }

    fn figure(&self) -> Outcome<String> {
        let count = 1usize << self.stored.patterns.units();
        let one = self.series(|law, level| law.probabilities()[level.states[0]]);
        let all = self.series(|law, level| self.share(law, level));
        let x = || Side::new("energy E");
        let state = Lines {
            title: "Of one state",
            notes: vec!["a straight line of slope −1/T: the lower, the likelier".to_string()],
            x: x(),
            y: Side::new("probability of a state").log().between(1e-8, 1.0),
            series: &one,
        };
        let level = Lines {
            title: "Of an energy, all its states together",
            notes: vec!["hot: where most states are; cold: where the lowest are".to_string()],
            x: x(),
            y: Side::new("probability of an energy").between(0.0, 1.0),
            series: &all,
        };
        let notes = [format!(
            "{}; all {count} states added up, {} energies; lines only guide the eye",
            self.stored.source,
            self.levels.len()
        )];
        Ok(beside("Boltzmann's law: p = exp(−E / T) / Z", &notes, &[state.svg()?, level.svg()?])?)
    }

    fn json(&self) -> Value {
        let at = |(t, law): &(f64, Enumerated)| {
            json!({
                "temperature": t, "log_z": law.log_z(), "mean_energy": law.mean_energy(), "entropy": law.entropy(),
                "heat_capacity": law.heat_capacity(),
                "of_energy": self.levels.iter().map(|level| self.share(law, level)).collect::<Vec<_>>(),
                "of_state": self.levels.iter().map(|level| law.probabilities()[level.states[0]]).collect::<Vec<_>>(),
            })
        };
        json!({
            "draw": "law", "source": self.stored.source, "units": self.stored.patterns.units(),
            "energies": self.levels.iter().map(|level| level.energy).collect::<Vec<_>>(),
            "states": self.levels.iter().map(|level| level.states.len()).collect::<Vec<_>>(),
            "at": self.at.iter().map(at).collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let lowest = &self.levels[0];
        let mut out = format!(
            "{}: {}, {}, the lowest {:.4} of {}\n\n{:>8}  {:>10}  {:>11}  {:>8}  {:>13}  {:>12}\n",
            self.stored.source,
            counted(1 << self.stored.patterns.units(), "state"),
            counted(self.levels.len(), "kind") + " of energy",
            lowest.energy + 0.0,
            counted(lowest.states.len(), "state"),
            "T",
            "ln Z",
            "mean energy",
            "entropy",
            "heat capacity",
            "p(lowest E)",
        );
        for (t, law) in &self.at {
            out += &format!(
                "{t:>8}  {:>10.4}  {:>11.4}  {:>8.4}  {:>13.4}  {:>12.5}\n",
                law.log_z(),
                law.mean_energy() + 0.0,
                law.entropy(),
                law.heat_capacity(),
                self.share(law, lowest)
            );
        }
        out + "\nenergies and entropies as p = exp(-E / T) / Z gives them, every state counted; entropy in nats\n"
    }
}

/// Fields at which the table gives the probability.
const FIELDS: [f64; 7] = [-3.0, -1.0, -0.3, 0.0, 0.3, 1.0, 3.0];

fn firing_figure(temperatures: &[f64]) -> Outcome<String> {
    const SAMPLES: i32 = 200;
    let curve = |&t: &f64| {
        let field = |at: i32| 5.0 * f64::from(at) / f64::from(SAMPLES);
        let points = (-SAMPLES..=SAMPLES).map(|at| (field(at), probability_of_up(field(at), t))).collect();
        Series::new(format!("T = {t}"), points)
    };
    let mut series: Vec<Series> = temperatures.iter().map(curve).collect();
    series.push(
        Series::new("T → 0: the sign of the field", vec![(-5.0, 0.0), (0.0, 0.0), (0.0, 1.0), (5.0, 1.0)]).null(),
    );
    let notes = vec!["p(x = +1) = σ(2 h / T) for spins −1 and +1; for bits 0 and 1 it is σ(h / T)".to_string()];
    let (x, y) = (Side::new("local field h"), Side::new("probability that the unit is +1").between(0.0, 1.0));
    Ok(Lines { title: "A unit follows its field, the less the hotter it is", notes, x, y, series: &series }.svg()?)
}

fn firing_json(temperatures: &[f64]) -> Value {
    let row = |&t: &f64| json!({ "temperature": t, "probabilities": FIELDS.map(|h| probability_of_up(h, t)) });
    json!({ "draw": "firing", "fields": FIELDS, "at": temperatures.iter().map(row).collect::<Vec<_>>() })
}

fn firing_text(temperatures: &[f64]) -> String {
    let head: String = FIELDS.iter().map(|h| format!("  h = {h:>4}")).collect();
    let mut out = format!("probability that a spin is +1: sigma(2 h / T)\n\n{:>8}{head}\n", "T");
    for &t in temperatures {
        let row: String = FIELDS.iter().map(|&h| format!("  {:>8.5}", probability_of_up(h, t))).collect();
        out += &format!("{t:>8}{row}\n");
    }
    out
}

/// A state that was drawn.
struct Drawn {
    state: Spins,
    energy: f64,
    /// The stored pattern that is nearest, itself or mirrored, and the overlap per unit with it.
    nearest: usize,
    overlap: f64,
}

impl Drawn {
    fn words(&self) -> String {
        match self.overlap {
            1.0 => format!("pattern {}", self.nearest),
            -1.0 => format!("mirror {}", self.nearest),
            overlap => format!("m {overlap:.2}").replace('-', "−"),
        }
    }
}

/// States drawn at each temperature.
struct Samples {
    stored: Stored,
    at: Vec<(f64, Vec<Drawn>)>,
}

impl Samples {
    fn new(args: &Boltzmann, common: &Common) -> Outcome<Self> {
        let seed = common.seed;
        let stored = args.stored(common)?;
        let couplings = args.couplings(&stored.patterns, seed)?;
        let units = stored.patterns.units();
        let draw = |at: usize, number: usize, schedule: &Schedule| -> Outcome<Drawn> {
            let mut random = Philox::new(seed, (at * MOST_SAMPLES + number) as u64);
            let start = Spins::random(units, &mut random);
            let (_, state) = follow(&couplings, &start, schedule, Rule::HeatBath, &mut random, |_| ())?;
            let overlaps = stored.patterns.overlaps(&state);
            // Of equally near ones the first.
            let nearest = (0..overlaps.len()).rev().max_by_key(|&mu| overlaps[mu].abs()).unwrap_or(0);
            let overlap = f64::from(overlaps[nearest]) / units as f64;
            Ok(Drawn { energy: couplings.energy(&state), state, nearest, overlap })
        };
        let at = args
            .temperatures
            .iter()
            .enumerate()
            .map(|(at, &t)| {
                let schedule = Schedule::constant(t, args.sweeps)?;
                let drawn = (0..args.samples).map(|number| draw(at, number, &schedule)).collect::<Outcome<Vec<_>>>()?;
                Ok((t, drawn))
            })
            .collect::<Outcome<Vec<_>>>()?;
        Ok(Self { stored, at })
    }

    fn figure(&self, sweeps: usize) -> Outcome<String> {
        /// Pictures in a row.
        const ACROSS: usize = 8;
        let (height, width) = self.stored.picture;
        let across = self.at[0].1.len().min(ACROSS);
        let shown = || self.at.iter().flat_map(|(_, drawn)| &drawn[..across]);
        let values: Vec<Vec<f32>> = shown().map(|drawn| ink(&drawn.state)).collect();
        let names: Vec<String> = shown().map(Drawn::words).collect();
        let pictures: Vec<Picture<'_>> =
            values.iter().zip(&names).map(|(values, name)| Picture { width, height, values, name }).collect();
        let rows: Vec<String> = self.at.iter().map(|(t, _)| format!("T = {t}")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let mut notes = vec![
            format!("{}, {sweeps} Gibbs sweeps from random states", self.stored.source),
            "m: overlap with the nearest stored pattern, below zero with its mirror".to_string(),
        ];
        if self.at[0].1.len() > across {
            notes.push(format!("the first {across} of {} samples a temperature", self.at[0].1.len()));
        }
        let title = "Samples: cold ones are near memories, hot ones noise";
        Ok(Images { title, notes, pictures: &pictures, across, rows: &rows, columns: &[], shared: false }
            .svg(&style())?)
    }

    fn mean(drawn: &[Drawn], of: impl Fn(&Drawn) -> f64) -> f64 {
        drawn.iter().map(of).sum::<f64>() / drawn.len() as f64
    }

    fn json(&self) -> Value {
        let one = |drawn: &Drawn| json!({ "energy": drawn.energy, "nearest": drawn.nearest, "overlap": drawn.overlap, "state": drawn.state.to_signs() });
        let at = |(t, drawn): &(f64, Vec<Drawn>)| json!({ "temperature": t, "samples": drawn.iter().map(one).collect::<Vec<_>>() });
        json!({ "draw": "samples", "source": self.stored.source, "at": self.at.iter().map(at).collect::<Vec<_>>() })
    }

    fn text(&self, sweeps: usize) -> String {
        let mut out = format!(
            "{}, {} a temperature, {sweeps} Gibbs sweeps each from a random state\n\n{:>8}  {:>11}  {:>10}  {:>16}\n",
            self.stored.source,
            counted(self.at[0].1.len(), "sample"),
            "T",
            "mean energy",
            "mean |m|",
            "stored, mirrored"
        );
        for (t, drawn) in &self.at {
            let exact = |sign: f64| drawn.iter().filter(|d| d.overlap == sign).count();
            out += &format!(
                "{t:>8}  {:>11.4}  {:>10.4}  {:>16}\n",
                Self::mean(drawn, |d| d.energy),
                Self::mean(drawn, |d| d.overlap.abs()),
                format!("{}, {}", exact(1.0), exact(-1.0))
            );
        }
        out + "\n|m|: overlap with the nearest stored pattern or its mirror\n"
    }
}

/// Runs the command.
pub fn run(args: &Boltzmann, common: &Common) -> Outcome {
    args.check()?;
    let save = |figure: &dyn Fn() -> Outcome<String>| match &args.output {
        Some(path) => picture::save_checked(path, |_| figure()),
        None => Ok(()),
    };
    let (document, text) = match args.draw {
        Draw::Law => {
            common.refuse_unused(&["samples", "sweeps"], "--draw law, which adds up all states")?;
            let law = Law::new(args, common)?;
            save(&|| law.figure())?;
            (law.json(), law.text())
        }
        Draw::Firing => {
            let stores = ["data", "random", "patterns", "scale", "threshold", "rule", "samples", "sweeps"];
            common.refuse_unused(&stores, "--draw firing, which is the same of every memory")?;
            save(&|| firing_figure(&args.temperatures))?;
            (firing_json(&args.temperatures), firing_text(&args.temperatures))
        }
        Draw::Samples => {
            let samples = Samples::new(args, common)?;
            save(&|| samples.figure(args.sweeps))?;
            (samples.json(), samples.text(args.sweeps))
        }
    };
    print(&if common.json { format!("{document}\n") } else { text });
    Ok(())
}
