//! What a memory stores: data from a file, built-in sets, or random patterns.

use std::fmt;

use attractor::pattern::{MOST_UNITS, RealPatterns, Spins, StoredPatterns, twins};
use attractor::random::{Philox, stream};
use attractor::{Context, Error, Hint, Kind, Note, Result};
use serde::{Serialize, Serializer};

use crate::Samples;

/// Where patterns come from.
#[derive(Debug, Clone)]
pub struct Source {
    /// A file (IDX, `.npy`, `.npz`, `.csv`, `.png`), a folder of `.png`, or a built-in set: glyphs-5, glyphs-8, digits.
    pub data: Option<String>,
    /// The built-in example.
    pub demo: bool,
    /// Random patterns: how many, and of how many units, as "20x200".
    pub random: Option<String>,
    /// Only so many patterns, the first ones.
    pub patterns: Option<usize>,
    /// What numbers are divided by.
    pub scale: f32,
    /// Numbers above it are +1, others -1; needed unless all are 0 and 1, or -1 and +1.
    pub threshold: Option<f32>,
}

impl Default for Source {
    fn default() -> Self {
        Self { data: None, demo: false, random: None, patterns: None, scale: 1.0, threshold: None }
    }
}

/// Most bytes of what is made.
pub const MOST_BYTES: u64 = 16 << 30;
/// Of the digits' seventeen levels the upper nine are ink, as everywhere in this project.
const DIGITS_THRESHOLD: f32 = 7.5 / 16.0;

/// Where patterns came from; in JSON as it is displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternOrigin {
    /// A file, a folder or a built-in set, by the name that was given.
    Named(String),
    /// They were drawn.
    Random {
        /// Patterns.
        count: usize,
        /// Units of each.
        units: usize,
    },
}

impl fmt::Display for PatternOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Random { count, units } => write!(f, "{count} random patterns of {units} units"),
        }
    }
}

impl Serialize for PatternOrigin {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Patterns, and the picture that each is.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What is stored.
    pub patterns: StoredPatterns,
    /// Rows and columns of a pattern.
    pub picture: (usize, usize),
    /// Where they came from.
    pub source: PatternOrigin,
}

/// Patterns of real numbers, and the picture that each is.
#[derive(Debug, Clone)]
pub struct Real {
    /// The patterns, as they are in the data.
    pub patterns: RealPatterns,
    /// Rows and columns of a pattern.
    pub picture: (usize, usize),
    /// Where they came from.
    pub source: PatternOrigin,
}

/// Says what makes some patterns hard or impossible to recall.
fn note(patterns: &StoredPatterns, context: &Context<'_>) {
    let all = || (0..patterns.count()).map(|at| patterns.pattern(at));
    let equal = twins(all().map(|pattern| pattern.words().to_vec()));
    let up = |pattern: &Spins| pattern.words().iter().map(|word| word.count_ones() as usize).sum::<usize>();
    let flat = |pattern: &Spins| [0, pattern.len()].contains(&up(pattern));
    let constant: Vec<usize> = all().enumerate().filter(|(_, pattern)| flat(pattern)).map(|(at, _)| at).collect();
    let constant = match constant.first() {
        Some(&first) if patterns.units() > 1 => Some(Note::ConstantPattern { first, more: constant.len() - 1 }),
        _ => None,
    };
    equal.iter().chain(&constant).for_each(|note| context.note(note));
}

/// Rows as a machine of bits takes them: cut at the threshold (the digits have one of their own), or numbers as they are.
pub fn cut(samples: Samples, threshold: Option<f32>, gaussian: bool) -> Samples {
    match threshold.or((samples.source == "digits").then_some(DIGITS_THRESHOLD)) {
        Some(threshold) if !gaussian => samples.binary(threshold),
        _ => samples,
    }
}

/// What is said where no data are named.
const NO_DATA: &str = "no data: name a file, a folder of .png, glyphs-5, glyphs-8 or digits";

impl Source {
    /// The rows that were asked for; `example` is the built-in set that the demonstration shows.
    ///
    /// # Errors
    /// `is_usage` if nothing is named, or an option does not fit; what reading answers.
    pub fn samples(&self, example: &str) -> Result<Samples> {
        let source = match (&self.data, self.demo, &self.random) {
            (Some(source), ..) => source.as_str(),
            (None, true, _) => example,
            (None, false, Some(text)) => {
                let why = "there is nothing to learn in random rows";
                return Err(Error::option("random", text, why).hinted(Hint::GiveOne(vec!["data", "demo"])));
            }
            (None, false, None) => {
                return Err(Error::usage(NO_DATA).hinted(Hint::GiveOne(vec!["data", "demo"])));
            }
        };
        if let Some(threshold) = self.threshold.filter(|threshold| !threshold.is_finite()) {
            return Err(Error::option("threshold", threshold, "give a finite number"));
        }
        let samples = Samples::read(source)?.divided(self.scale)?;
        Ok(match self.patterns {
            None => samples,
            Some(count @ 1..) if count <= samples.count => samples.chosen(&(0..count).collect::<Vec<_>>()),
            Some(count) => {
                let why = format!("{} holds {} rows; give 1 to {1}", samples.source, samples.count);
                return Err(Error::option("patterns", count, why));
            }
        })
    }

    /// The rows, of what may also be random patterns.
    fn patterned(&self, example: &str) -> Result<Samples> {
        match self.data.is_some() || self.demo {
            true => self.samples(example),
            false => Err(Error::usage(NO_DATA).hinted(Hint::GiveOne(vec!["data", "random", "demo"]))),
        }
    }

    /// Patterns of real numbers, as they are in the data; random ones are +1 and -1. Nothing is noted: what is odd about them
    /// shows in what is made of them.
    ///
    /// # Errors
    /// As [`Source::samples`]; of random ones as [`Source::stored`].
    pub fn real(&self, example: &str, context: &Context<'_>) -> Result<Real> {
        if self.random.is_some() {
            let Stored { patterns, picture, source } = self.stored(example, &context.quiet())?;
            let of = |at| patterns.pattern(at).to_signs().into_iter().map(f64::from).collect::<Vec<_>>();
            let numbers = (0..patterns.count()).flat_map(of).collect();
            let patterns = RealPatterns::new(patterns.count(), patterns.units(), numbers)?;
            return Ok(Real { patterns, picture, source });
        }
        let samples = self.patterned(example)?;
        let picture = samples.picture();
        let patterns = RealPatterns::from_f32(samples.count, samples.features, &samples.values)?;
        Ok(Real { patterns, picture, source: PatternOrigin::Named(samples.source) })
    }

    /// Patterns of +1 and -1; what is odd about them is noted.
    ///
    /// # Errors
    /// As [`Source::samples`]; `is_usage` for numbers of neither alphabet, `is_budget` for too many.
    pub fn stored(&self, example: &str, context: &Context<'_>) -> Result<Stored> {
        if let Some(text) = &self.random {
            let (count, units): (usize, usize) = text
                .split_once(['x', 'X'])
                .and_then(|(count, units)| Some((count.trim().parse().ok()?, units.trim().parse().ok()?)))
                .ok_or_else(|| Error::option("random", text, "give patterns x units, for example 20x200"))?;
            // By pattern, by unit, and what is at work with them.
            let bytes = (count as u64).saturating_mul(units as u64) / 8 * 4;
            // More units than a pattern may have are told by the patterns themselves.
            if bytes > MOST_BYTES && units <= MOST_UNITS {
                let why = format!(
                    "the patterns and their copies take {:.1} GB; at most {:.0} GB",
                    bytes as f64 / 1e9,
                    MOST_BYTES as f64 / 1e9
                );
                return Err(Error::option("random", text, why).of_kind(Kind::Budget));
            }
            let patterns = StoredPatterns::random(units, count, &mut Philox::new(context.seed(), stream::GIVEN));
            // The option asks for them; no file is at fault.
            let why = format!("{count} patterns of {units} units; give at least 1 of each, at most {MOST_UNITS} units");
            let patterns = patterns.map_err(|error| Error::option("random", text, why).because(error))?;
            let side = units.isqrt();
            let picture = if side * side == units { (side, side) } else { (1, units) };
            note(&patterns, context);
            return Ok(Stored { patterns, picture, source: PatternOrigin::Random { count, units } });
        }
        let samples = self.patterned(example)?;
        let picture = samples.picture();
        let threshold = self.threshold.or((samples.source == "digits").then_some(DIGITS_THRESHOLD));
        let rows = (0..samples.count).map(|row| spins(&samples, row, threshold)).collect::<Result<Vec<_>>>()?;
        let patterns = StoredPatterns::new(&rows)?;
        note(&patterns, context);
        Ok(Stored { patterns, picture, source: PatternOrigin::Named(samples.source) })
    }
}

/// A row as spins: cut at the threshold, or in one of the two alphabets.
fn spins(samples: &Samples, row: usize, threshold: Option<f32>) -> Result<Spins> {
    let values = samples.row(row);
    let low = if values.iter().any(|&x| x == 0.0) { 0.0 } else { -1.0 };
    let signs: Vec<i8> = match threshold {
        Some(threshold) => values.iter().map(|&x| if x > threshold { 1 } else { -1 }).collect(),
        None => {
            if let Some(at) = values.iter().position(|&x| x != low && x != 1.0) {
                return Err(Error::usage(format!(
                    "{}: pattern {row}, unit {at} is {}; expected only 0 and 1, or only -1 and +1: binarise other numbers",
                    samples.source, values[at]
                ))
                .hinted(Hint::GiveOne(vec!["threshold"])));
            }
            values.iter().map(|&x| if x == 1.0 { 1 } else { -1 }).collect()
        }
    };
    Spins::from_signs(&signs)
}
