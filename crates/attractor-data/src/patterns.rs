//! What a memory stores: data from a file, built-in sets, or random patterns.

use std::fmt;

use attractor::pattern::{MOST_UNITS, RealPatterns, Spins, StoredPatterns, twins};
use attractor::random::{Philox, stream};
use attractor::{Context, Error, Hint, Kind, Note, Result};
use serde::{Serialize, Serializer};

use crate::Samples;
use crate::samples::Columns;

/// Where patterns come from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// A file (IDX, `.npy`, `.npz`, `.csv`, a picture), a folder of pictures, or a built-in set: glyphs-5, glyphs-8, digits.
    pub data: Option<String>,
    /// The built-in example.
    pub demo: bool,
    /// Random patterns: how many, and of how many units, as "20x200".
    pub random: Option<String>,
    /// Only so many patterns, the first ones.
    pub patterns: Option<usize>,
    /// What numbers are divided by; without, what the file holds decides.
    pub scale: Option<f32>,
    /// Numbers above it are +1, others -1; needed unless all are 0 and 1, or -1 and +1. Of grey levels, 1 and more counts in
    /// levels of 0 to 255.
    pub threshold: Option<f32>,
    /// Lines at the top of a table that are left out.
    pub skip: usize,
    /// The column of a table that holds labels: its name, its position from 0, or `last`; without, one that is called so.
    pub label_column: Option<String>,
}

/// Most bytes of what is made.
pub const MOST_BYTES: u64 = 16 << 30;
/// Most multiplications of recalling every pattern once: each is compared with all.
const MOST_COMPARED: f64 = 1e13;
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

/// What is said where no data are named.
const NO_DATA: &str = "no data: name a file, a folder of pictures, glyphs-5, glyphs-8 or digits";

impl Source {
    /// The rows that were asked for, scaled by what the file holds, with the threshold in their unit; `example` is the built-in
    /// set that the demonstration shows. What was done, and what is odd about them, is noted.
    ///
    /// # Errors
    /// `is_usage` if nothing is named, or an option does not fit; what reading answers.
    pub(crate) fn scaled(&self, example: &str, context: &Context<'_>) -> Result<(Samples, Option<f32>)> {
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
        let columns = Columns { skip: self.skip, label: self.label_column.clone() };
        let (samples, threshold) = Samples::read(source, &columns)?.scaled(self.scale, self.threshold)?;
        let samples = match self.patterns {
            None => samples,
            Some(count @ 1..) if count <= samples.count => samples.chosen(&(0..count).collect::<Vec<_>>()),
            Some(count) => {
                let why = format!("{} holds {} rows; give 1 to {1}", samples.source, samples.count);
                return Err(Error::option("patterns", count, why));
            }
        };
        samples.notes.iter().for_each(|note| context.note(&Note::Data(note.clone())));
        Ok((samples, threshold))
    }

    /// Rows as a machine takes them: of bits they are cut where there is a threshold, of reals they are as they are.
    ///
    /// # Errors
    /// As [`Source::scaled`]; `is_usage` for a threshold of real numbers.
    pub fn samples(&self, example: &str, gaussian: bool, context: &Context<'_>) -> Result<Samples> {
        let (samples, threshold) = self.scaled(example, context)?;
        cut(samples, threshold, gaussian, context)
    }

    /// The rows, of what may also be random patterns.
    fn patterned(&self, example: &str, context: &Context<'_>) -> Result<(Samples, Option<f32>)> {
        match self.data.is_some() || self.demo {
            true => {
                let (samples, threshold) = self.scaled(example, context)?;
                match too_many(samples.count, samples.features) {
                    None => Ok((samples, threshold)),
                    Some(why) => Err(Error::budget(why).at(&samples.source).hinted(Hint::GiveOne(vec!["patterns"]))),
                }
            }
            false => Err(Error::usage(NO_DATA).hinted(Hint::GiveOne(vec!["data", "random", "demo"]))),
        }
    }

    /// Patterns of real numbers, as they are in the data, or +1 above the threshold and -1 below where there is one; random ones
    /// are +1 and -1.
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
        let (mut samples, threshold) = self.patterned(example, context)?;
        if let Some(threshold) = threshold {
            samples.values.iter_mut().for_each(|value| *value = if *value > threshold { 1.0 } else { -1.0 });
        }
        samples.note_constant(context);
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
            if let Some(why) = too_many(count, units).filter(|_| units <= MOST_UNITS) {
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
        let (samples, threshold) = self.patterned(example, context)?;
        let picture = samples.picture();
        let threshold = threshold.or((samples.source == "digits").then_some(DIGITS_THRESHOLD));
        let rows = (0..samples.count).map(|row| spins(&samples, row, threshold)).collect::<Result<Vec<_>>>()?;
        let patterns = StoredPatterns::new(&rows)?;
        note(&patterns, context);
        Ok(Stored { patterns, picture, source: PatternOrigin::Named(samples.source) })
    }
}

/// Why so many patterns cannot be compared with one another, if so.
fn too_many(count: usize, units: usize) -> Option<String> {
    let compared = (count as f64).powi(2) * units as f64;
    (compared > MOST_COMPARED).then(|| {
        format!(
            "{count} patterns of {units} units: to recall each, it is compared with all, which takes {compared:.0e} \
             multiplications; at most {MOST_COMPARED:.0e}: store fewer"
        )
    })
}

/// Rows as a machine takes them: of bits, cut at the threshold (the digits have one of their own).
///
/// # Errors
/// `is_usage` for a threshold of real numbers.
pub(crate) fn cut(samples: Samples, threshold: Option<f32>, gaussian: bool, context: &Context<'_>) -> Result<Samples> {
    if let (Some(threshold), true) = (threshold, gaussian) {
        let why = "the visible units are real numbers; nothing is cut";
        return Err(Error::option("threshold", threshold, why).hinted(Hint::Omit("threshold")));
    }
    let own = (samples.source == "digits" && !gaussian).then_some(DIGITS_THRESHOLD);
    let samples = match threshold.or(own) {
        Some(threshold) => samples.binary(threshold),
        None => samples,
    };
    samples.note_constant(context);
    Ok(samples)
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
