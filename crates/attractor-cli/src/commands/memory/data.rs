//! What a memory stores: data from a file, built-in sets, or random patterns.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use attractor::pattern::{Spins, StoredPatterns};
use attractor::random::Philox;
use attractor_capture::Samples;
use clap::Args;

use crate::args::MOST_BYTES;
use crate::error::{Failure, Outcome};

/// Where patterns come from.
#[derive(Debug, Clone, Default, Args)]
pub struct Data {
    /// Patterns: a file (IDX, .npy, .npz, .csv, .png), a folder of .png, or a built-in set: glyphs-5, glyphs-8, digits
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["demo", "random"])]
    pub data: Option<String>,
    /// The built-in example
    #[arg(long, conflicts_with = "random")]
    pub demo: bool,
    /// Random patterns: how many, and of how many units, for example 20x200
    #[arg(long, value_name = "PxN", conflicts_with_all = ["patterns", "scale", "threshold"])]
    pub random: Option<String>,
    /// Only so many patterns, the first ones
    #[arg(long)]
    pub patterns: Option<usize>,
    /// What numbers are divided by
    #[arg(long, default_value_t = 1.0)]
    pub scale: f32,
    /// Numbers above it are +1, others -1; needed unless all are 0 and 1, or -1 and +1
    #[arg(long)]
    pub threshold: Option<f32>,
}

/// Most units of a pattern (`attractor::pattern` refuses more).
const MOST_UNITS: usize = 1 << 24;

/// Patterns, and the picture that each is.
pub struct Stored {
    /// What is stored.
    pub patterns: StoredPatterns,
    /// Rows and columns of a pattern.
    pub picture: (usize, usize),
    /// Where they came from.
    pub source: String,
    /// What makes some of them hard or impossible to recall.
    pub notes: Vec<String>,
}

/// Tells which patterns are equal, by what makes them so.
pub fn twins<K: Eq + Hash>(patterns: impl Iterator<Item = K>) -> Vec<String> {
    let mut seen: HashMap<K, usize> = HashMap::new();
    let (mut first, mut count) = (None, 0);
    for (at, key) in patterns.enumerate() {
        match seen.entry(key) {
            Entry::Vacant(place) => drop(place.insert(at)),
            Entry::Occupied(place) => {
                first.get_or_insert((*place.get(), at));
                count += 1;
            }
        }
    }
    let more = if count > 1 { format!(", and {} more repeat an earlier one", count - 1) } else { String::new() };
    let note = |(a, b)| format!("patterns {a} and {b} are equal{more}: no memory can tell them apart");
    first.map(note).into_iter().collect()
}

/// Says what is odd before work begins.
pub fn warn(notes: &[String]) {
    notes.iter().for_each(|note| anstream::eprintln!("note: {note}"));
}

/// What is odd about patterns of spins.
fn notes(patterns: &StoredPatterns) -> Vec<String> {
    let all = || (0..patterns.count()).map(|at| patterns.pattern(at));
    let mut notes = twins(all().map(|pattern| pattern.words().to_vec()));
    let up = |pattern: &Spins| pattern.words().iter().map(|word| word.count_ones() as usize).sum::<usize>();
    let flat = |pattern: &Spins| [0, pattern.len()].contains(&up(pattern));
    let constant: Vec<usize> = all().enumerate().filter(|(_, pattern)| flat(pattern)).map(|(at, _)| at).collect();
    if let Some(&first) = constant.first().filter(|_| patterns.units() > 1) {
        let also = if constant.len() > 1 { format!(", and so are {} more", constant.len() - 1) } else { String::new() };
        notes.push(format!(
            "pattern {first} is the same at every unit{also}: nothing to see; if that was not meant, look at --threshold"
        ));
    }
    notes
}

impl Data {
    /// The rows that were asked for; `example` is the built-in set that the demonstration shows.
    pub fn samples(&self, example: &str) -> Outcome<Samples> {
        let source = match (&self.data, self.demo, &self.random) {
            (Some(source), ..) => source.as_str(),
            (None, true, _) => example,
            (None, false, Some(text)) => {
                return Err(Failure::usage(format!(
                    "--random {text}: there is nothing to learn in random rows; give --data SOURCE, or --demo ({example})"
                )));
            }
            (None, false, None) => {
                return Err(Failure::usage(format!(
                    "there is nothing to store: give --data SOURCE (a file, a folder of .png, glyphs-5, glyphs-8 or \
                     digits), --random 20x200, or --demo ({example})"
                )));
            }
        };
        if let Some(threshold) = self.threshold.filter(|threshold| !threshold.is_finite()) {
            return Err(Failure::usage(format!("--threshold {threshold}: give a finite number")));
        }
        let samples = Samples::read(source)?.divided(self.scale)?;
        Ok(match self.patterns {
            None => samples,
            Some(count @ 1..) if count <= samples.count => samples.chosen(&(0..count).collect::<Vec<_>>()),
            Some(count) => {
                return Err(Failure::usage(format!(
                    "--patterns {count}: {} holds {} rows; give 1 to so many",
                    samples.source, samples.count
                )));
            }
        })
    }

    /// Patterns of +1 and -1.
    pub fn stored(&self, example: &str, seed: u64) -> Outcome<Stored> {
        if let Some(text) = &self.random {
            let (count, units): (usize, usize) = text
                .split_once(['x', 'X'])
                .and_then(|(count, units)| Some((count.trim().parse().ok()?, units.trim().parse().ok()?)))
                .ok_or_else(|| Failure::usage(format!("--random {text}: give patterns x units, for example 20x200")))?;
            // By pattern, by unit, and what is at work with them.
            let bytes = (count as u64).saturating_mul(units as u64) / 8 * 4;
            // More units than a pattern may have are told by the patterns themselves.
            if bytes > MOST_BYTES && units <= MOST_UNITS {
                return Err(Failure::usage(format!(
                    "--random {text}: the patterns and their copies take {:.1} GB; at most {:.0} GB",
                    bytes as f64 / 1e9,
                    MOST_BYTES as f64 / 1e9
                )));
            }
            let patterns = StoredPatterns::random(units, count, &mut Philox::new(seed, u64::MAX))?;
            let side = units.isqrt();
            let picture = if side * side == units { (side, side) } else { (1, units) };
            let (source, notes) = (format!("{count} random patterns of {units} units"), notes(&patterns));
            return Ok(Stored { patterns, picture, source, notes });
        }
        let samples = self.samples(example)?;
        let picture = samples.picture();
        // Of the digits' seventeen levels the upper nine, as everywhere in this project.
        let threshold = self.threshold.or((samples.source == "digits").then_some(7.5 / 16.0));
        let rows = (0..samples.count).map(|row| spins(&samples, row, threshold)).collect::<Outcome<Vec<_>>>()?;
        let patterns = StoredPatterns::new(&rows)?;
        Ok(Stored { notes: notes(&patterns), patterns, picture, source: samples.source })
    }
}

/// A row as spins: cut at the threshold, or in one of the two alphabets.
fn spins(samples: &Samples, row: usize, threshold: Option<f32>) -> Outcome<Spins> {
    let values = samples.row(row);
    let low = if values.iter().any(|&x| x == 0.0) { 0.0 } else { -1.0 };
    let signs: Vec<i8> = match threshold {
        Some(threshold) => values.iter().map(|&x| if x > threshold { 1 } else { -1 }).collect(),
        None => {
            if let Some(at) = values.iter().position(|&x| x != low && x != 1.0) {
                return Err(Failure::usage(format!(
                    "{}: pattern {row}, unit {at} is {}; expected only 0 and 1, or only -1 and +1: cut other numbers with \
                     --threshold",
                    samples.source, values[at]
                )));
            }
            values.iter().map(|&x| if x == 1.0 { 1 } else { -1 }).collect()
        }
    };
    Ok(Spins::from_signs(&signs)?)
}

/// A state as grey values: +1 dark, as ink is.
pub fn ink(state: &Spins) -> Vec<f32> {
    state.to_signs().into_iter().map(f32::from).collect()
}
