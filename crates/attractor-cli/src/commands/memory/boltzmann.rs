//! `attractor memory boltzmann`: what a memory is at a temperature.

use std::path::PathBuf;

use attractor_render::memories::boltzmann as figures;
use attractor_session::Context;
use attractor_session::experiment::boltzmann::{self, Firing, Law, Options, Samples};
use attractor_session::learn::Standard;
use attractor_session::patterns::Stored;
use clap::{Args, ValueEnum};

use super::data::Data;
use super::{Answer, document};
use crate::args::{Common, choice, refuse_unused, same};
use crate::console::counted;
use crate::error::Outcome;
use crate::picture;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// Boltzmann distribution: the exact probability of every state and every energy level, up to 20 units
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
    /// What to compute and draw
    #[arg(long, value_enum, default_value_t = Draw::Law)]
    pub draw: Draw,
    /// Learning rule; only symmetric weights have a Boltzmann distribution
    #[arg(long, value_parser = choice::<Standard>(), default_value = "hebb")]
    pub rule: Standard,
    /// Temperatures, in units of energy, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "0.2,0.5,1,2,5")]
    pub temperatures: Vec<f64>,
    /// Samples per temperature
    #[arg(long, default_value_t = 8)]
    pub samples: usize,
    /// Sweeps per sample, from a random state
    #[arg(long, default_value_t = 200)]
    pub sweeps: usize,
    /// Also save a figure: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Boltzmann {
    fn options(&self, seed: u64) -> Options {
        same!(self => Options { temperatures, samples, sweeps }, rule: self.rule.rule(seed))
    }

    /// What is stored: the glyphs have 25 units, too many states to add up, so that the law's example is smaller.
    fn stored(&self, context: &Context<'_>) -> Outcome<Stored> {
        match self.data.demo && self.draw == Draw::Law {
            true => {
                Data { demo: false, random: Some("2x12".to_string()), ..self.data.clone() }.source().stored("", context)
            }
            false => self.data.source().stored("glyphs-5", context),
        }
    }
}

fn law_text(law: &Law, source: &str) -> String {
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

fn firing_text(firing: &Firing) -> String {
    let head: String = firing.fields.iter().map(|h| format!("  h = {h:>4}")).collect();
    let mut out = format!("probability that a spin is +1: sigma(2 h / T)\n\n{:>8}{head}\n", "T");
    for at in &firing.at {
        let row: String = at.probabilities.iter().map(|p| format!("  {p:>8.5}")).collect();
        out += &format!("{:>8}{row}\n", at.temperature);
    }
    out
}

fn samples_text(samples: &Samples, source: &str) -> String {
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

/// Runs the command: what it prints.
pub fn run(args: &Boltzmann, common: &Common, context: &Context<'_>) -> Outcome<Answer> {
    let options = args.options(context.seed());
    options.check()?;
    let save = |figure: &dyn Fn() -> Outcome<String>| picture::draw(args.output.as_deref(), |_| figure());
    Ok(match args.draw {
        Draw::Law => {
            refuse_unused!(common, args, [samples, sweeps], "--draw law, which adds up all states")?;
            if args.data.demo {
                refuse_unused!(
                    common,
                    args.data,
                    [patterns, scale, threshold, skip, label_column],
                    "--demo of the law"
                )?;
            }
            let stored = args.stored(context)?;
            let source = &stored.source.to_string();
            let law = boltzmann::law(&stored.patterns, &options, context)?;
            save(&|| figures::law(&law, source))?;
            (document(&law, &[("draw", "law"), ("source", source)])?, law_text(&law, source))
        }
        Draw::Firing => {
            let here = "--draw firing, which is the same of every memory";
            refuse_unused!(common, args.data, [data, random, patterns, scale, threshold, skip, label_column], here)?;
            refuse_unused!(common, args, [rule, samples, sweeps], here)?;
            let firing = boltzmann::firing(&options)?;
            save(&|| figures::firing(&options.temperatures))?;
            (document(&firing, &[("draw", "firing")])?, firing_text(&firing))
        }
        Draw::Samples => {
            let stored = args.stored(context)?;
            let source = &stored.source.to_string();
            let samples = boltzmann::samples(&stored.patterns, &options, context)?;
            save(&|| figures::samples(&samples, source, stored.picture))?;
            (document(&samples, &[("draw", "samples"), ("source", source)])?, samples_text(&samples, source))
        }
    })
}
