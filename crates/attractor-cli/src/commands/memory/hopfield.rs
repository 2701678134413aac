//! `attractor memory hopfield`: patterns stored by a learning rule, and recalled.

use attractor_render::memories::{recall as recalls, weights};
use attractor_session::energy::{Rule, Standard};
use attractor_session::experiment::hopfield::HopfieldRecall;
use attractor_session::experiment::{self, recall::Trace};
use attractor_session::patterns::Stored;
use clap::{Args, ValueEnum};

use super::data::Data;
use super::recall::{self, Recall};
use crate::args::Common;
use crate::error::Outcome;
use crate::picture;
use attractor_session::Context;

/// A learning rule by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RuleName {
    /// Hebb's outer products
    Hebb,
    /// Hebb's outer products of patterns less their mean: for patterns that are mostly dark, or mostly light
    Centred,
    /// Storkey's, pattern by pattern
    Storkey,
    /// The projection onto the patterns, without its diagonal
    PseudoInverse,
    /// The same with its diagonal
    PseudoInverseDiagonal,
    /// Gardner's margins by perceptron learning, symmetric weights
    PerceptronSymmetric,
    /// The same without symmetry: there is no energy
    Perceptron,
    /// Hebb's less what it dreams of
    Unlearning,
}

impl RuleName {
    /// As the library names it.
    pub fn standard(self) -> Standard {
        match self {
            Self::Hebb => Standard::Hebb,
            Self::Centred => Standard::Centred,
            Self::Storkey => Standard::Storkey,
            Self::PseudoInverse => Standard::PseudoInverse,
            Self::PseudoInverseDiagonal => Standard::PseudoInverseDiagonal,
            Self::PerceptronSymmetric => Standard::PerceptronSymmetric,
            Self::Perceptron => Standard::Perceptron,
            Self::Unlearning => Standard::Unlearning,
        }
    }

    /// With the parameters that the literature uses.
    pub fn rule(self, seed: u64) -> Rule {
        self.standard().rule(seed)
    }
}

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// Stored, corrupted and recalled patterns
    Recall,
    /// One recall unit by unit; an .svg moves
    Frames,
    /// Energy after each flip
    Energy,
    /// The weight matrix
    Weights,
    /// What each pair adds to the energy of the first pattern, and of a cue of it
    Contributions,
    /// The local field at each unit of the first pattern and of a cue of it, and what it asks for
    Fields,
}

#[derive(Debug, Args)]
pub struct Hopfield {
    #[command(flatten)]
    pub data: Data,
    /// How patterns are stored
    #[arg(long, value_enum, default_value_t = RuleName::Hebb)]
    pub rule: RuleName,
    #[command(flatten)]
    pub recall: Recall,
    /// What --output shows
    #[arg(long, value_enum, default_value_t = Draw::Recall, requires = "output")]
    pub draw: Draw,
}

impl Draw {
    /// What must be kept of the recalls for it.
    fn trace(self) -> Trace {
        match self {
            Self::Energy => Trace::Energies(recalls::CURVES),
            Self::Frames => Trace::Frames(recalls::FRAMES),
            Self::Recall | Self::Weights | Self::Contributions | Self::Fields => Trace::Sweeps,
        }
    }

    fn figure(self, found: &HopfieldRecall, stored: &Stored, ending: &str) -> Outcome<String> {
        let (shown, rule) = (recall::shown(stored), format!("rule {}", found.rule));
        let of_recalls = |draw| recalls::figure(draw, &found.recalled, &shown, &rule);
        let of_weights = |draw| weights::figure(draw, found, &shown);
        match self {
            Self::Recall => of_recalls(recalls::Draw::Recall),
            Self::Energy => of_recalls(recalls::Draw::Energy),
            Self::Frames => of_recalls(recalls::Draw::Frames { moves: ending == "svg" }),
            Self::Weights => of_weights(weights::Draw::Weights),
            Self::Contributions => of_weights(weights::Draw::Contributions),
            Self::Fields => of_weights(weights::Draw::Fields),
        }
    }
}

/// What holds more, where a rule holds less than was asked of it.
fn advice(found: &HopfieldRecall) -> String {
    let (count, units) = (found.patterns, found.units);
    match found.most_patterns {
        Some(most) if count > most && found.rule == Standard::Hebb.name() && found.load < 1.0 => format!(
            "\n{count} patterns are more than {units} units hold by Hebb's rule, about {most} at random; next: --rule pseudo-inverse \
             holds up to {units}, attractor memory dense many more\n"
        ),
        Some(most) if count > most => format!(
            "\n{count} patterns are more than the projection holds, {units} at most; next: attractor memory dense, or memory modern\n"
        ),
        _ => String::new(),
    }
}

fn text(found: &HopfieldRecall, source: &str, advised: bool) -> String {
    let learned = found.learned.map_or(String::new(), |r| {
        let rank = r.rank.map_or(String::new(), |rank| format!(", rank {rank}"));
        let end = if r.converged { "" } else { ", not converged" };
        format!("smallest stability {:.3}{rank}, {} passes{end}\n", r.stability, r.epochs)
    });
    let whole = found.recalled.exact() == found.recalled.recalls.len();
    format!(
        "Hopfield memory of {} patterns in {} units (load {:.3}), rule {}: {source}\n{learned}{}; {}\n\n{}{}",
        found.patterns,
        found.units,
        found.load,
        found.rule,
        recalls::cue(&found.recalled.how),
        recall::descent(found.recalled.descent),
        recall::table(&found.recalled),
        if whole || !advised { String::new() } else { advice(found) }
    )
}

/// Runs the command: what it prints.
pub fn run(args: &Hopfield, common: &Common, context: &Context<'_>) -> Outcome<String> {
    let stored = args.data.source().stored("glyphs-5", context)?;
    let options =
        experiment::hopfield::Hopfield { rule: args.rule.standard(), recall: args.recall.options(args.draw.trace()) };
    let found = options.run(&stored.patterns, context)?;
    if let Some(path) = &args.recall.output {
        picture::save_checked(path, |ending| args.draw.figure(&found, &stored, ending))?;
    }
    Ok(match common.json {
        true => format!("{}\n", recall::json(&found, &found.recalled, &stored.source)?),
        false => text(&found, &stored.source, !common.quiet),
    })
}
