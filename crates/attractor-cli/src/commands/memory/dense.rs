//! `attractor memory dense`: dense associative memory, polynomial or exponential.

use attractor_render::memories::recall as recalls;
use attractor_session::energy::Interaction;
use attractor_session::experiment::dense::{self, DenseRecall, Steepness};
use attractor_session::experiment::recall::Trace;
use clap::{Args, ValueEnum};

use super::data::Data;
use super::recall::{self, Recall};
use crate::args::Common;
use crate::error::Outcome;
use crate::picture;
use attractor_session::Context;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// Stored, corrupted and recalled patterns
    Recall,
    /// One recall unit by unit; an .svg moves
    Frames,
    /// Energy after each flip
    Energy,
}

#[derive(Debug, Args)]
pub struct Dense {
    #[command(flatten)]
    pub data: Data,
    /// Degree n of the energy -sum m^n: 2 is Hebb's memory, more holds more
    #[arg(long, default_value_t = 6, conflicts_with = "exponential")]
    pub degree: u32,
    /// Only patterns that point the same way count
    #[arg(long, conflicts_with = "exponential")]
    pub rectified: bool,
    /// Exponential energy with this inverse temperature
    #[arg(long, value_name = "BETA")]
    pub exponential: Option<f64>,
    #[command(flatten)]
    pub recall: Recall,
    /// What --output shows
    #[arg(long, value_enum, default_value_t = Draw::Recall, requires = "output")]
    pub draw: Draw,
}

impl Dense {
    /// As the library reads it.
    fn options(&self) -> dense::Dense {
        let degree = self.degree;
        let energy = match (self.exponential, self.rectified) {
            (Some(beta), _) => Steepness::Exponential { beta },
            (None, true) => Steepness::Power(Interaction::Rectified { degree }),
            (None, false) => Steepness::Power(Interaction::Polynomial { degree }),
        };
        let trace = match self.draw {
            Draw::Recall => Trace::Sweeps,
            Draw::Energy => Trace::Energies(recalls::CURVES),
            Draw::Frames => Trace::Frames(recalls::FRAMES),
        };
        dense::Dense { energy, recall: self.recall.options(trace) }
    }
}

fn text(found: &DenseRecall, source: &str) -> String {
    format!(
        "Dense memory of {} patterns in {} units, {}: {source}\n{}; {}\n\n{}",
        found.patterns,
        found.units,
        found.energy,
        recalls::cue(&found.recalled.how),
        recall::descent(found.recalled.descent),
        recall::table(&found.recalled)
    )
}

/// Runs the command: what it prints.
pub fn run(args: &Dense, common: &Common, context: &Context<'_>) -> Outcome<String> {
    let stored = args.data.source().stored("glyphs-8", context)?;
    let found = args.options().run(&stored.patterns, context)?;
    if let Some(path) = &args.recall.output {
        picture::save_checked(path, |ending| {
            let draw = match args.draw {
                Draw::Recall => recalls::Draw::Recall,
                Draw::Energy => recalls::Draw::Energy,
                Draw::Frames => recalls::Draw::Frames { moves: ending == "svg" },
            };
            recalls::figure(draw, &found.recalled, &recall::shown(&stored), &found.energy.to_string())
        })?;
    }
    Ok(match common.json {
        true => format!("{}\n", recall::json(&found, &found.recalled, &stored.source)?),
        false => text(&found, &stored.source),
    })
}
