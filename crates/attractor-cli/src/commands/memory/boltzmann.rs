//! `attractor memory boltzmann`: what a memory is at a temperature.

use attractor_render::memories::boltzmann as figures;
use attractor_session::Context;
use attractor_session::experiment::boltzmann::{self, Options};
use attractor_session::learn::Standard;
use attractor_session::patterns::Stored;
use clap::{Args, ValueEnum};

use super::data::Data;
use super::{Answer, document};
use crate::args::{Common, choice, refuse_unused, same};
use crate::error::Outcome;
use crate::picture::Figure;

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
    #[command(flatten)]
    pub figure: Figure,
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

/// Runs the command: what it prints.
pub fn run(args: &Boltzmann, common: &Common, context: &Context<'_>) -> Outcome<Answer> {
    let options = args.options(context.seed());
    options.check()?;
    let save = |figure: &dyn Fn() -> Outcome<String>| args.figure.draw(|_| figure());
    Ok(match args.draw {
        Draw::Law => {
            refuse_unused!(common, args, [samples, sweeps], "--draw law, which adds up all states")?;
            let stored = args.stored(context)?;
            let source = &stored.source.to_string();
            let law = boltzmann::law(&stored.patterns, &options, context)?;
            save(&|| figures::law(&law, source))?;
            (document(&law, &[("draw", "law"), ("source", source)])?, figures::law_words(&law, source))
        }
        Draw::Firing => {
            let here = "--draw firing, which is the same of every memory";
            refuse_unused!(common, args.data, [data, random, patterns, scale, threshold, skip, label_column], here)?;
            refuse_unused!(common, args, [rule, samples, sweeps], here)?;
            let firing = boltzmann::firing(&options)?;
            save(&|| figures::firing(&options.temperatures))?;
            (document(&firing, &[("draw", "firing")])?, figures::firing_words(&firing))
        }
        Draw::Samples => {
            let stored = args.stored(context)?;
            let source = &stored.source.to_string();
            let samples = boltzmann::samples(&stored.patterns, &options, context)?;
            save(&|| figures::samples(&samples, source, stored.picture))?;
            (document(&samples, &[("draw", "samples"), ("source", source)])?, figures::samples_words(&samples, source))
        }
    })
}
