//! `attractor memory dense`: dense associative memory, polynomial or exponential.

use attractor_render::memories::recall::{self as words, Draw, cue, figure};
use attractor_session::Context;
use attractor_session::energy::Interaction;
use attractor_session::experiment::dense::{self, DenseRecall, Steepness};
use clap::Args;

use super::recall::{self, Recall};
use super::{Answer, Data};
use crate::args::choice;
use crate::error::Outcome;

#[derive(Debug, Args)]
pub struct Dense {
    #[command(flatten)]
    pub data: Data,
    /// Degree n of the energy -sum m^n: 2 is the classical Hopfield network, larger n stores more patterns
    #[arg(long, default_value_t = 6, conflicts_with = "exponential")]
    pub degree: u32,
    /// Rectified polynomial: only patterns with positive overlap contribute
    #[arg(long, conflicts_with = "exponential")]
    pub rectified: bool,
    /// Exponential energy with this inverse temperature
    #[arg(long, value_name = "BETA")]
    pub exponential: Option<f64>,
    #[command(flatten)]
    pub recall: Recall,
    /// What --output shows
    #[arg(long, value_parser = choice::<Draw>(), default_value = "recall", requires = "output")]
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
        dense::Dense { energy, recall: self.recall.options(self.draw.trace()) }
    }
}

fn text(found: &DenseRecall, source: &str) -> String {
    format!(
        "Dense memory of {} patterns in {} units, {}: {source}\n{}; {}\n\n{}",
        found.patterns,
        found.units,
        found.energy,
        cue(&found.recalled.how),
        words::descent(found.recalled.descent),
        words::table(&found.recalled)
    )
}

/// Runs the command: what it prints.
pub fn run(args: &Dense, context: &Context<'_>) -> Outcome<Answer> {
    let stored = args.data.source().stored("glyphs-8", context)?;
    let found = args.options().run(&stored.patterns, context)?;
    let (shown, energy) = (recall::shown(&stored), found.energy.to_string());
    args.recall.figure.draw(|moves| figure(args.draw, &found.recalled, &shown, &energy, moves))?;
    Ok((recall::json(&found, &found.recalled, &shown.source)?, text(&found, &shown.source)))
}
