//! `attractor memory hopfield`: patterns stored by a learning rule, and recalled.

use attractor_render::memories::hopfield::{Draw, figure};
use attractor_render::memories::recall::{self as words, cue};
use attractor_session::experiment::hopfield::{self, HopfieldRecall};
use attractor_session::learn::Standard;
use attractor_session::{Choice, Context};
use clap::Args;

use super::recall::{self, Recall};
use super::{Answer, Data};
use crate::args::{Common, choice};
use crate::error::Outcome;

#[derive(Debug, Args)]
pub struct Hopfield {
    #[command(flatten)]
    pub data: Data,
    /// Learning rule
    #[arg(long, value_parser = choice::<Standard>(), default_value = "hebb")]
    pub rule: Standard,
    #[command(flatten)]
    pub recall: Recall,
    /// What --output shows
    #[arg(long, value_parser = choice::<Draw>(), default_value = "recall", requires = "output")]
    pub draw: Draw,
}

/// What holds more, where a rule holds less than was asked of it.
fn advice(found: &HopfieldRecall) -> String {
    let (count, units) = (found.patterns, found.units);
    match found.most_patterns {
        Some(most) if count > most && found.rule == Standard::Hebb.name() && found.load < 1.0 => format!(
            "\n{count} patterns exceed the capacity of {units} units under Hebb's rule, about {most} random patterns; next: --rule pseudo-inverse \
             holds up to {units}, attractor memory dense many more\n"
        ),
        Some(most) if count > most => format!(
            "\n{count} patterns exceed the capacity of the pseudo-inverse rule, at most {units}; next: attractor memory dense, or memory modern\n"
        ),
        _ if found.is_confused() => format!(
            "\nthe patterns are correlated (overlap up to {:.2} per unit), which rule {} cannot tell apart; their number is not the cause; \
             next: --rule pseudo-inverse\n",
            found.correlation.unwrap_or_default(),
            found.rule
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
        cue(&found.recalled.how),
        words::descent(found.recalled.descent),
        words::table(&found.recalled),
        if whole || !advised { String::new() } else { advice(found) }
    )
}

/// Runs the command: what it prints.
pub fn run(args: &Hopfield, common: &Common, context: &Context<'_>) -> Outcome<Answer> {
    let stored = args.data.source().stored("glyphs-5", context)?;
    let recall = args.recall.options(args.draw.trace());
    let found = hopfield::Hopfield { rule: args.rule, recall }.run(&stored.patterns, context)?;
    let shown = recall::shown(&stored);
    args.recall.figure.draw(|moves| figure(args.draw, &found, &shown, moves))?;
    Ok((recall::json(&found, &found.recalled, &shown.source)?, text(&found, &shown.source, !common.quiet)))
}
