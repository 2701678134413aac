//! Recalls of corrupted patterns by any memory of spins: what was asked, what came back, and why.

use std::path::PathBuf;

use attractor::energy::{Descends, SpinMemory, Updating};
use attractor::pattern::{Cue, Spins, StoredPatterns};
use attractor::random::Philox;
use attractor::settle::{self, Ending, Frames, Likeness, Order, Settled, explain};
use attractor_render::canvas::axis::Side;
use attractor_render::figures::images::{Images, Picture};
use attractor_render::figures::lines::{Lines, Series};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::ink;
use crate::console::number;
use crate::error::Outcome;
use attractor::Error;
use attractor_data::patterns::Stored;

/// How a cue is made and recalled.
#[derive(Debug, Clone, Args)]
pub struct Recall {
    /// Share of a cue's units that are turned round
    #[arg(long, default_value_t = 0.2)]
    pub noise: f64,
    /// Share of a cue's units that are unknown, the last ones: they start at random, and only they are recalled
    #[arg(long, default_value_t = 0.0, conflicts_with = "noise")]
    pub mask: f64,
    /// How units are updated
    #[arg(long, value_enum, default_value_t = Update::Random)]
    pub update: Update,
    /// Cues of each pattern
    #[arg(long, default_value_t = 1)]
    pub cues: usize,
    /// Sweeps over all units at most
    #[arg(long, default_value_t = 100)]
    pub sweeps: usize,
    /// Also draw it: .svg, .png or .pdf
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The order of updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Update {
    /// One unit after the other, in a new random order each sweep
    Random,
    /// One unit after the other, from the first to the last
    Sequential,
    /// All units at once: it may go to and fro between two states for ever
    Synchronous,
}

/// Cues of a pattern at most.
const MOST_CUES: usize = 10_000;

/// One cue and what became of it.
pub struct Recalled {
    pub pattern: usize,
    pub cue: Cue,
    pub settled: Settled,
    pub ending: Ending,
    /// Overlap per unit with the pattern, before and after.
    pub overlaps: [f64; 2],
}

impl Recalled {
    /// True if the pattern came back whole.
    pub fn is_exact(&self) -> bool {
        matches!(self.ending, Ending::Stored { pattern, wrong: 0 } if pattern == self.pattern)
    }
}

impl Recall {
    fn check(&self) -> Outcome {
        let share = |name: &str, value: f64| match (0.0..=1.0).contains(&value) {
            true => Ok(()),
            false => Err(Error::usage(format!("--{name} {value}: give a share from 0 to 1"))),
        };
        share("noise", self.noise)?;
        share("mask", self.mask)?;
        if self.mask > 0.0 && self.update == Update::Synchronous {
            return Err(Error::usage("--mask: known units are held fast one by one; leave --update synchronous out"));
        }
        match self.cues {
            1..=MOST_CUES => Ok(()),
            cues => Err(Error::usage(format!("--cues {cues}: give 1 to {MOST_CUES}"))),
        }
    }

    fn order(&self, seed: u64, stream: u64) -> Order {
        match self.update {
            Update::Sequential => Order::Sequential,
            _ => Order::Random { seed, stream },
        }
    }

    /// A cue of a pattern.
    fn cue(&self, pattern: &Spins, random: &mut Philox) -> Outcome<Cue> {
        let units = pattern.len();
        let known = units - (self.mask * units as f64).round() as usize;
        if self.mask > 0.0 && known == units {
            return Err(Error::usage(format!("--mask {}: of {units} units it frees none; give more", self.mask)));
        }
        if known == units {
            let wrong = (self.noise * units as f64).round() as usize;
            return Ok(Cue::whole(pattern.with_flips(wrong, random)?));
        }
        Ok(Cue::hidden(pattern, (0..units).map(|unit| unit < known).collect(), random)?)
    }

    /// Recalls every pattern from its cues.
    pub fn run<M: SpinMemory>(&self, memory: &M, patterns: &StoredPatterns, seed: u64) -> Outcome<Vec<Recalled>> {
        self.check()?;
        let mut all = Vec::new();
        for pattern in 0..patterns.count() {
            let stored = patterns.pattern(pattern);
            for number in 0..self.cues {
                let stream = (pattern * self.cues + number) as u64;
                let cue = self.cue(&stored, &mut Philox::new(seed, stream))?;
                let order = self.order(seed, 1 << 32 | stream);
                let settled = match (self.update, self.mask > 0.0) {
                    (Update::Synchronous, _) => settle::synchronous(memory, &cue.state, self.sweeps)?,
                    (_, true) => settle::clamped(memory, &cue, order, self.sweeps)?,
                    (_, false) => settle::asynchronous(memory, &cue.state, order, self.sweeps)?,
                };
                // Of equal patterns the first would be named.
                let ending = match settled.state == stored {
                    true => Ending::Stored { pattern, wrong: 0 },
                    false => explain(&settled, patterns, Likeness::default())?.ending,
                };
                let overlap = |state: &Spins| f64::from(stored.overlap(state)) / stored.len() as f64;
                let overlaps = [overlap(&cue.state), overlap(&settled.state)];
                all.push(Recalled { pattern, cue, settled, ending, overlaps });
            }
        }
        Ok(all)
    }

    /// Energies on the way down, a curve a cue: after every turn, or after every sweep of all units at once.
    pub fn energies<M: SpinMemory>(
        &self,
        memory: &M,
        recalled: &[Recalled],
        seed: u64,
        mut notes: Vec<String>,
    ) -> Outcome<String> {
        const CURVES: usize = 6;
        if recalled.len() > CURVES {
            notes.push(format!("the first {CURVES} of {} cues", recalled.len()));
        }
        let at_once = self.update == Update::Synchronous;
        let series = recalled
            .iter()
            .enumerate()
            .take(CURVES)
            .map(|(number, r)| {
                let energies = match at_once {
                    true => r.settled.energies.clone(),
                    false => self.frames(memory, r, number, seed, usize::MAX)?.energies,
                };
                let points = energies.iter().enumerate().map(|(turn, &e)| (turn as f64, e)).collect();
                Ok(Series::new(format!("cue of pattern {}", r.pattern), points))
            })
            .collect::<Outcome<Vec<_>>>()?;
        let x = Side::new(if at_once { "updates of all units at once" } else { "units that turned round" });
        Ok(Lines { title: "Energy during recall", notes, x, y: Side::new("energy"), series: &series }.svg()?)
    }

    /// Recall number `number` unit by unit, its states on the way.
    pub fn frames<M: SpinMemory>(
        &self,
        memory: &M,
        recalled: &Recalled,
        number: usize,
        seed: u64,
        most: usize,
    ) -> Outcome<Frames> {
        let stream = 1 << 32 | number as u64;
        Ok(settle::frames(memory, &recalled.cue, self.order(seed, stream), self.sweeps, most)?)
    }
}

/// Whether recall goes downhill, in words.
pub fn descent<M: SpinMemory>(memory: &M, update: Update) -> String {
    let updating = match update {
        Update::Synchronous => Updating::Synchronous,
        Update::Random | Update::Sequential => Updating::Asynchronous,
    };
    match memory.descends(updating) {
        Descends::Exact => "no update raises the energy, so recall ends".to_string(),
        Descends::Conditional(condition) => format!("no update raises the energy if {condition}"),
        Descends::None(why) => format!("the energy may rise: {why}"),
    }
}

/// What a state is, in words.
pub fn words(ending: &Ending) -> String {
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
                patterns.iter().map(|(at, mirrored)| format!("{}{at}", if *mirrored { "-" } else { "" })).collect();
            format!("mixture of {}{}", names.join(", "), but(*wrong))
        }
        Ending::Spurious => "a state that was never stored".to_string(),
        Ending::Cycle => "two states that take turns".to_string(),
        Ending::OutOfSweeps => "not settled: raise --sweeps".to_string(),
    }
}

/// The recalls as a table, and what they come to.
pub fn table(recalled: &[Recalled]) -> String {
    const SHOWN: usize = 40;
    let mut out = format!(
        "{:>7}  {:>11}  {:>11}  {:>10}  {:>10}  {:>6}  ended at\n",
        "pattern", "cue overlap", "end overlap", "energy", "at the end", "sweeps"
    );
    for r in recalled.iter().take(SHOWN) {
        let energy = |at: Option<&f64>| at.map_or("-".to_string(), |&e| number(e, 3));
        out += &format!(
            "{:>7}  {:>11.3}  {:>11.3}  {:>10}  {:>10}  {:>6}  {}\n",
            r.pattern,
            r.overlaps[0],
            r.overlaps[1],
            energy(r.settled.energies.first()),
            energy(r.settled.energies.last()),
            r.settled.sweeps,
            words(&r.ending)
        );
    }
    if recalled.len() > SHOWN {
        out += &format!("and {} more; --json has them all\n", recalled.len() - SHOWN);
    }
    let exact = recalled.iter().filter(|r| r.is_exact()).count();
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for name in recalled.iter().filter(|r| !r.is_exact()).map(|r| kind(r)) {
        match kinds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => kinds.push((name, 1)),
        }
    }
    let others: Vec<String> = kinds.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let rest = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    out + &format!("\n{exact} of {} cues recalled without an error{rest}\n", recalled.len())
}

fn kind(recalled: &Recalled) -> &'static str {
    match &recalled.ending {
        Ending::Stored { pattern, .. } if *pattern == recalled.pattern => "nearly",
        Ending::Stored { .. } => "another pattern",
        ending => ending.name(),
    }
}

/// The recalls as JSON.
pub fn json(recalled: &[Recalled]) -> Value {
    let one = |r: &Recalled| {
        json!({
            "pattern": r.pattern, "cue_overlap": r.overlaps[0], "overlap": r.overlaps[1], "exact": r.is_exact(),
            "ended": r.ending.name(), "why": words(&r.ending), "sweeps": r.settled.sweeps, "flips": r.settled.flips,
            "energies": r.settled.energies, "state": r.settled.state.to_signs(),
        })
    };
    recalled.iter().map(one).collect()
}

pub use attractor_render::memories::spins::style;

/// Stored, corrupted and recalled, pattern by pattern.
pub fn strip(recalled: &[Recalled], stored: &Stored, title: &str, mut notes: Vec<String>) -> Outcome<String> {
    /// Patterns that have room beside each other.
    const ACROSS: usize = 10;
    let mut shown: Vec<&Recalled> = Vec::new();
    for r in recalled {
        if shown.len() < ACROSS && !shown.iter().any(|known| known.pattern == r.pattern) {
            shown.push(r);
        }
    }
    notes.push("under what was recalled: its overlap with the stored pattern".to_string());
    if recalled.len() > shown.len() {
        notes.push(format!("one cue of each of {} patterns; {} cues in all", shown.len(), recalled.len()));
    }
    let (height, width) = stored.picture;
    let rows: [Box<dyn Fn(&Recalled) -> Spins>; 3] = [
        Box::new(|r| stored.patterns.pattern(r.pattern)),
        Box::new(|r| r.cue.state.clone()),
        Box::new(|r| r.settled.state.clone()),
    ];
    let values: Vec<Vec<f32>> = rows.iter().flat_map(|of| shown.iter().map(|r| ink(&of(r)))).collect();
    let overlaps = shown.iter().map(|r| format!("{:.2}", r.overlaps[1]));
    let names: Vec<String> = vec![String::new(); 2 * shown.len()].into_iter().chain(overlaps).collect();
    let pictures: Vec<Picture<'_>> =
        values.iter().zip(&names).map(|(values, name)| Picture { width, height, values, name }).collect();
    let columns: Vec<String> = shown.iter().map(|r| r.pattern.to_string()).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let figure = Images {
        title,
        notes,
        pictures: &pictures,
        across: shown.len(),
        rows: &["stored", "cue", "recalled"],
        columns: &columns,
        shared: false,
    };
    Ok(figure.svg(&style())?)
}
