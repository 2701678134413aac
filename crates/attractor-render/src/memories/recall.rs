//! Recalls: stored, corrupted and recalled patterns, energies on the way, a recall that moves.

use attractor::energy::Descends;
use attractor::experiment::recall::{Corruption, Recall, Recalled, Recalls, Trace, Update};
use attractor::pattern::Spins;
use attractor::settle::{Ending, Frames};
use attractor::{Error, Result};

use super::{Shown, ink, style};
use crate::canvas::axis::Side;
use crate::canvas::numbers::{decimal, percent};
use crate::figures::images::{Images, Picture};
use crate::figures::lines::{Lines, Series};
use crate::figures::moving::Moving;

/// Recalls whose energies have room in one figure.
const CURVES: usize = 6;
/// States of a recall that are shown at most.
const FRAMES: usize = 120;

attractor::choice! {
    /// What is drawn of a memory's recalls.
    #[derive(Default)]
    pub enum Draw {
        /// Stored, corrupted and recalled patterns.
        #[default]
        Recall = "recall",
        /// One recall, unit by unit; an .svg is animated.
        Frames = "frames",
        /// Energy after each flip.
        Energy = "energy",
    }
}

impl Draw {
    /// What recalls must keep to be drawn.
    pub fn trace(self) -> Trace {
        match self {
            Self::Recall => Trace::Sweeps,
            Self::Frames => Trace::Frames(FRAMES),
            Self::Energy => Trace::Energies(CURVES),
        }
    }
}

/// What cues are, in words.
pub fn cue(recall: &Recall) -> String {
    match recall.corruption {
        Corruption::Mask(share) => format!("cues with the last {} of the units unknown", percent(share)),
        Corruption::Noise(share) => format!("cues with {} of the units flipped", percent(share)),
    }
}

/// The figure of a memory's recalls; `memory` says in words which memory it is: "rule hebb". Of
/// frames, `moves` makes one picture that moves; else some of them stand side by side.
///
/// # Errors
/// `is_usage` for energies or frames that were not kept; `is_shape` for pictures of another size than the patterns.
pub fn figure(draw: Draw, recalls: &Recalls, shown: &Shown<'_>, memory: &str, moves: bool) -> Result<String> {
    let (patterns, source) = (shown.patterns, &shown.source);
    let notes = vec![
        format!("{source}, {} patterns of {} units, {memory}", patterns.count(), patterns.units()),
        cue(&recalls.how),
    ];
    match draw {
        Draw::Recall => strip(recalls, shown, notes),
        Draw::Energy => energies(recalls, notes),
        Draw::Frames => {
            let frames = recalls.frames.as_ref().ok_or_else(|| Error::usage("recall: no frames were kept to draw"))?;
            if moves { moving(frames, shown, notes) } else { stills(frames, shown, notes) }
        }
    }
}

/// Stored, corrupted and recalled, pattern by pattern.
fn strip(recalls: &Recalls, shown: &Shown<'_>, mut notes: Vec<String>) -> Result<String> {
    /// Patterns that have room beside each other.
    const ACROSS: usize = 10;
    let mut drawn: Vec<&Recalled> = Vec::new();
    for one in &recalls.recalls {
        if drawn.len() < ACROSS && !drawn.iter().any(|known| known.pattern == one.pattern) {
            drawn.push(one);
        }
    }
    notes.push("below each recalled state: its overlap with the stored pattern".to_string());
    if recalls.recalls.len() > drawn.len() {
        notes.push(format!("one cue of each of {} patterns; {} cues in all", drawn.len(), recalls.recalls.len()));
    }
    let (height, width) = shown.picture;
    let rows: [&dyn Fn(&Recalled) -> Spins; 3] =
        [&|one| shown.patterns.pattern(one.pattern), &|one| one.cue.state.clone(), &|one| one.state.clone()];
    let values: Vec<Vec<f32>> = rows.iter().flat_map(|of| drawn.iter().map(|one| ink(&of(one)))).collect();
    let overlaps = drawn.iter().map(|one| format!("{:.2}", one.overlap).replace('-', "−"));
    let names: Vec<String> = vec![String::new(); 2 * drawn.len()].into_iter().chain(overlaps).collect();
    let pictures: Vec<Picture<'_>> =
        values.iter().zip(&names).map(|(values, name)| Picture { width, height, values, name }).collect();
    let columns: Vec<String> = drawn.iter().map(|one| one.pattern.to_string()).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let figure = Images {
        title: "Recall of corrupted patterns",
        notes,
        pictures: &pictures,
        across: drawn.len(),
        rows: &["stored", "cue", "recalled"],
        columns: &columns,
        shared: false,
    };
    figure.svg(&style())
}

/// Energies on the way down, a curve per cue: after every flip, or after every update of all units at once.
fn energies(recalls: &Recalls, mut notes: Vec<String>) -> Result<String> {
    if recalls.way.is_empty() {
        return Err(Error::usage("recall: no energies were kept to draw"));
    }
    let count = recalls.recalls.len();
    if count > CURVES {
        notes.push(format!("the first {CURVES} of {count} cues"));
    }
    let curve = |(one, energies): (&Recalled, &Vec<f64>)| {
        let points = energies.iter().enumerate().map(|(flips, &e)| (flips as f64, e)).collect();
        Series::new(format!("cue of pattern {}", one.pattern), points)
    };
    let series: Vec<Series> = recalls.recalls.iter().zip(&recalls.way).take(CURVES).map(curve).collect();
    let x = Side::new(match recalls.how.update {
        Update::Synchronous => "updates of all units at once",
        Update::Random | Update::Sequential => "units flipped",
    });
    Lines { title: "Energy during recall", notes, x, y: Side::new("energy"), series: &series }.svg()
}

/// What heads both kinds of frames.
const UNIT_BY_UNIT: &str = "Recall, unit by unit";

fn left_out(frames: &Frames, notes: &mut Vec<String>) {
    if frames.left_out > 0 {
        notes.push(format!("{} states before the last are left out", frames.left_out));
    }
}

/// A recall that moves.
fn moving(frames: &Frames, shown: &Shown<'_>, mut notes: Vec<String>) -> Result<String> {
    left_out(frames, &mut notes);
    let (height, width) = shown.picture;
    let states: Vec<Vec<f32>> = frames.states.iter().map(ink).collect();
    let (title, size, numbers) = (UNIT_BY_UNIT, (width, height), &frames.energies);
    Moving { title, notes, size, frames: &states, numbers, unit: "energy" }.svg(&style())
}

/// Its states side by side, where pictures do not move.
fn stills(frames: &Frames, shown: &Shown<'_>, mut notes: Vec<String>) -> Result<String> {
    /// States side by side.
    const STILLS: usize = 12;
    left_out(frames, &mut notes);
    let (height, width) = shown.picture;
    let count = frames.states.len();
    // As evenly spread as whole numbers are, the first and the last among them.
    let shown = count.min(STILLS);
    let chosen: Vec<usize> = (0..shown).map(|i| i * (count - 1) / (shown - 1).max(1)).collect();
    let values: Vec<Vec<f32>> = chosen.iter().map(|&at| ink(&frames.states[at])).collect();
    let names: Vec<String> = chosen.iter().map(|&at| format!("E {:.2}", frames.energies[at])).collect();
    let pictures: Vec<Picture<'_>> =
        values.iter().zip(&names).map(|(values, name)| Picture { width, height, values, name }).collect();
    let (title, across) = (UNIT_BY_UNIT, shown.min(6));
    Images { title, notes, pictures: &pictures, across, rows: &[], columns: &[], shared: false }.svg(&style())
}

/// Whether recall goes downhill, in words.
pub fn descent(descends: Descends) -> String {
    match descends {
        Descends::Exact => "no update raises the energy, so recall converges".to_string(),
        Descends::Conditional(condition) => format!("no update raises the energy if {condition}"),
        Descends::None(why) => format!("the energy may rise: {why}"),
    }
}

/// What a state is, in words.
pub fn ending(ending: &Ending) -> String {
    let but = |wrong: usize| match wrong {
        0 => String::new(),
        1 => " but for 1 unit".to_string(),
        n => format!(" but for {n} units"),
    };
    match ending {
        Ending::Stored { pattern, wrong } => format!("pattern {pattern}{}", but(*wrong)),
        Ending::Mirrored { pattern, wrong } => format!("mirror of pattern {pattern}{}", but(*wrong)),
        Ending::Mixture { patterns, wrong } => {
            let names: Vec<String> =
                patterns.iter().map(|(at, mirrored)| format!("{}xi_{at}", if *mirrored { "-" } else { "" })).collect();
            format!("mixture of {}{}", names.join(", "), but(*wrong))
        }
        Ending::Spurious => "spurious state".to_string(),
        Ending::Cycle => "cycle of two states".to_string(),
        Ending::OutOfSweeps => "not settled: more sweeps are needed".to_string(),
    }
}

/// The recalls as a table, and what they come to.
pub fn table(recalls: &Recalls) -> String {
    const SHOWN: usize = 40;
    let all = &recalls.recalls;
    let mut out = format!(
        "{:>7}  {:>11}  {:>11}  {:>10}  {:>10}  {:>6}  ended at\n",
        "pattern", "cue overlap", "end overlap", "energy", "at the end", "sweeps"
    );
    for r in all.iter().take(SHOWN) {
        let energy = |at: Option<&f64>| at.map_or("-".to_string(), |&e| decimal(e, 3));
        out += &format!(
            "{:>7}  {:>11.3}  {:>11.3}  {:>10}  {:>10}  {:>6}  {}\n",
            r.pattern,
            r.cue_overlap,
            r.overlap,
            energy(r.energies.first()),
            energy(r.energies.last()),
            r.sweeps,
            self::ending(&r.ending)
        );
    }
    if all.len() > SHOWN {
        out += &format!("and {} more; the JSON has them all\n", all.len() - SHOWN);
    }
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for name in all.iter().filter(|r| !r.exact).map(kind) {
        match kinds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => kinds.push((name, 1)),
        }
    }
    let others: Vec<String> = kinds.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    let rest = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    out + &format!("\n{} of {} cues recalled without an error{rest}\n", recalls.exact(), all.len())
}

fn kind(recalled: &Recalled) -> &'static str {
    match &recalled.ending {
        Ending::Stored { pattern, .. } if *pattern == recalled.pattern => "nearly recalled",
        Ending::Stored { .. } => "another pattern",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attractor::Context;
    use attractor::experiment::hopfield::Hopfield;
    use attractor::pattern::StoredPatterns;
    use attractor::random::Philox;

    /// What was not kept is refused, what was is drawn, and what is left out is said.
    #[test]
    fn each_figure_shows_what_was_kept() {
        let patterns = StoredPatterns::random(36, 2, &mut Philox::new(1, 0)).unwrap();
        let shown = Shown { patterns: &patterns, picture: (6, 6), source: "two patterns".to_string() };
        let drawn_moving = |trace, draw, moves| {
            let recall = Recall { cues: 4, trace, ..Recall::default() };
            let found = Hopfield { recall, ..Hopfield::default() }.run(&patterns, &Context::new(2)).unwrap();
            figure(draw, &found.recalled, &shown, "rule hebb", moves)
        };
        let drawn = |trace, draw| drawn_moving(trace, draw, true);
        // Notes are broken into lines.
        let said =
            |svg: &str| svg.split('>').filter_map(|part| part.strip_suffix("</text")).collect::<Vec<_>>().join(" ");
        let strip = drawn(Trace::Sweeps, Draw::Recall).unwrap();
        assert_eq!(strip.matches("<image").count(), 6);
        let words = said(&strip);
        assert!(words.contains("two patterns, 2 patterns of 36 units, rule hebb") && words.contains("8 cues in all"));
        assert!(drawn(Trace::Sweeps, Draw::Energy).unwrap_err().is_usage());
        assert!(drawn(Trace::Sweeps, Draw::Frames).unwrap_err().is_usage());
        let curves = said(&drawn(Trace::Energies(CURVES), Draw::Energy).unwrap());
        assert!(curves.contains("the first 6 of 8 cues") && curves.contains("units flipped"), "{curves}");
        let few = Trace::Frames(3);
        assert_eq!(drawn(few, Draw::Frames).unwrap().matches("<animate ").count(), 3);
        let stills = drawn_moving(few, Draw::Frames, false).unwrap();
        assert_eq!(stills.matches("<image").count(), 3);
        assert!(said(&stills).contains("states before the last are left out"));
    }
}
