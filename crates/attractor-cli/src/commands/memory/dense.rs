//! `attractor memory dense`: dense associative memory, polynomial or exponential.

use attractor::energy::{DenseMemory, ExponentialMemory, Interaction, SpinMemory};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::data::Data;
use super::recall::{self, Recall};
use crate::args::Common;
use crate::console::context;
use crate::console::{print, short};
use crate::error::Outcome;
use crate::picture;
use attractor_data::patterns::Stored;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Draw {
    /// Stored, corrupted and recalled patterns
    Recall,
    /// One recall unit by unit; an .svg moves
    Frames,
    /// Energy after each unit that turned round
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

fn answered<M: SpinMemory>(memory: &M, name: &str, args: &Dense, stored: &Stored, common: &Common) -> Outcome {
    let patterns = &stored.patterns;
    let recalled = args.recall.run(memory, patterns, common.seed)?;
    if let Some(path) = &args.recall.output {
        picture::save_checked(path, |ending| {
            let notes = vec![
                format!("{}, {} patterns of {} units, {name}", stored.source, patterns.count(), patterns.units()),
                super::cue(&args.recall),
            ];
            match args.draw {
                Draw::Recall => recall::strip(&recalled, stored, "Recall of corrupted patterns", notes),
                Draw::Energy => args.recall.energies(memory, &recalled, common.seed, notes),
                Draw::Frames => {
                    let frames = args.recall.frames(memory, &recalled[0], 0, common.seed, super::FRAMES)?;
                    super::moving(&frames, stored, "Recall, unit by unit", notes, ending)
                }
            }
        })?;
    }
    if common.json {
        let document = json!({
            "memory": "dense", "energy": name, "source": stored.source, "units": patterns.units(),
            "patterns": patterns.count(), "load": patterns.load(), "seed": common.seed,
            "descends": recall::descent(memory, args.recall.update), "recalls": recall::json(&recalled),
        });
        print(&format!("{document}\n"));
        return Ok(());
    }
    print(&format!(
        "Dense memory of {} patterns in {} units, {name}: {}\n{}; {}\n\n{}",
        patterns.count(),
        patterns.units(),
        stored.source,
        super::cue(&args.recall),
        recall::descent(memory, args.recall.update),
        recall::table(&recalled)
    ));
    Ok(())
}

/// Runs the command.
pub fn run(args: &Dense, common: &Common) -> Outcome {
    let stored = args.data.source().stored("glyphs-8", &context(common))?;
    let patterns = stored.patterns.clone();
    match args.exponential {
        Some(beta) => {
            let memory = ExponentialMemory::new(patterns, beta)?;
            answered(&memory, &format!("exponential energy, beta {}", short(beta)), args, &stored, common)
        }
        None => {
            let degree = args.degree;
            let (interaction, rectified) = match args.rectified {
                true => (Interaction::Rectified { degree }, ", rectified"),
                false => (Interaction::Polynomial { degree }, ""),
            };
            let memory = DenseMemory::new(patterns, interaction)?;
            answered(&memory, &format!("energy of degree {degree}{rectified}"), args, &stored, common)
        }
    }
}
