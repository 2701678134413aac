//! Data that memories store and Boltzmann machines learn: rows of numbers, most of them small images.
//!
//! | source                     | read as                                                        |
//! |----------------------------|----------------------------------------------------------------|
//! | IDX (MNIST), also gzipped  | a row an image; bytes over 255                                 |
//! | `.npy`, `.npz`             | the first axis counts rows; bytes over 255, other numbers as they are |
//! | `.csv`                     | a row a line; one line of names is skipped                     |
//! | `.png`, a folder of them   | a row a picture, grey; folders in the order of their names     |
//! | `glyphs-5`, `glyphs-8`     | three glyphs of 5 x 5, ten of 8 x 8; 0 and 1                   |
//! | `digits`                   | 1797 digits of 8 x 8 of scikit-learn, sixteenths               |

mod embedded;
mod idx;
mod png;
mod table;

use std::fs;
use std::path::Path;

use crate::archive::{npy, zip};
use attractor::sample::rbm::Rows;
use attractor::{Error, Hint, Result};

/// Most bytes of a file, and of what is unpacked from it.
const MOST_BYTES: u64 = 1 << 30;

/// Rows of one length.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Number of rows.
    pub count: usize,
    /// Numbers per row.
    pub features: usize,
    /// Rows and columns of the image that each row is, if it is one.
    pub image: Option<(usize, usize)>,
    /// [count, features], finite.
    pub values: Vec<f32>,
    /// Class of each row, where the source has them.
    pub labels: Vec<u8>,
    /// Rows that are to be held out, where the source says so.
    pub test: Vec<usize>,
    /// Where they came from.
    pub source: String,
}

impl Samples {
    /// Reads a file, a folder, or one of the sets that are built in, by name.
    ///
    /// # Errors
    /// `is_io` for what cannot be read, `is_format` for what is none of the formats or contradicts itself, `is_budget`
    /// beyond 1 GiB.
    pub fn read(source: &str) -> Result<Self> {
        if let Some(built_in) = embedded::named(source)? {
            return Ok(built_in);
        }
        let path = Path::new(source);
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::io(format!(
                "{source}: no such file or folder; name a file (IDX, .npy, .npz, .csv, .png), a folder of .png, or {}",
                embedded::NAMES.join(", ")
            ))
            .because(error),
            _ => Error::io(format!("{source}: cannot be read: {error}")).because(error),
        })?;
        let read = match metadata.is_dir() {
            true => png::folder(path),
            false if !metadata.is_file() => Err(Error::io("is not a file; name a file or a folder of .png")),
            false if metadata.len() > MOST_BYTES => {
                Err(Error::budget(format!("{} bytes; at most {MOST_BYTES} are read", metadata.len())))
            }
            false => fs::read(path)
                .map_err(|error| Error::io(format!("cannot be read: {error}")).because(error))
                .and_then(|bytes| Self::parse(&bytes)),
        };
        let samples = read.map_err(|error| error.at(path.display()))?;
        Ok(Self { source: source.to_string(), ..samples })
    }

    /// Reads the bytes of a file, by what they are.
    ///
    /// # Errors
    /// As [`Samples::read`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        match bytes {
            [0x1F, 0x8B, ..] => Self::parse(&idx::unpacked(bytes)?),
            // No text begins with two zeros, and no other format here: whatever else the header says, it is meant as IDX.
            [0, 0, ..] => idx::read(bytes),
            _ if npy::is_npy(bytes) => Self::of_array(npy::read("the array", bytes)?),
            _ if zip::is_zip(bytes) => {
                let members = zip::members(bytes)?;
                if members.is_empty() {
                    return Err(Error::format("the archive is empty; needs an array"));
                }
                let [member] = &members[..] else {
                    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).take(8).collect();
                    return Err(Error::format(format!(
                        "the archive holds {} arrays ({}); save one of them by itself",
                        members.len(),
                        names.join(", ")
                    )));
                };
                let data = member.read(MOST_BYTES)?;
                Self::of_array(npy::read(&member.name, &data)?)
            }
            _ if png::is_png(bytes) => {
                let (image, values) = png::read(bytes)?;
                Self::new(1, values, Some(image))
            }
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => table::read(text),
                Err(error) => Err(Error::format("is none of IDX, .npy, .npz, .csv and .png").because(error)),
            },
        }
    }

    /// `count` rows that are checked to be whole and finite.
    pub(crate) fn new(count: usize, values: Vec<f32>, image: Option<(usize, usize)>) -> Result<Self> {
        let features = values.len().checked_div(count).unwrap_or(0);
        if features == 0 || features * count != values.len() {
            return Err(Error::format(format!("holds {count} rows of {features} numbers; needs at least one of each")));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::format(format!(
                "row {}, number {}: {} is not finite; repair the data or leave the row out",
                at / features,
                at % features,
                values[at]
            )));
        }
        let (labels, test, source) = (Vec::new(), Vec::new(), String::new());
        Ok(Self { count, features, image, values, labels, test, source })
    }

    /// The first axis counts rows; two more are an image.
    fn of_array(value: npy::Value) -> Result<Self> {
        let (shape, values) = match value {
            npy::Value::Floats(array) => (array.shape, array.data),
            npy::Value::Whole(whole) => {
                let by = if whole.bytes { 255.0 } else { 1.0 };
                (whole.shape, whole.numbers.into_iter().map(|number| number as f32 / by).collect())
            }
            npy::Value::Text(_) => return Err(Error::format("holds text; needs numbers")),
        };
        let image = match shape[..] {
            [0, ..] => {
                return Err(Error::format(format!("an array of shape {shape:?} holds no row; needs at least one")));
            }
            [_, down, across] | [_, down, across, 1] | [_, 1, down, across] => Some((down, across)),
            [_, _] => None,
            _ => {
                return Err(Error::format(format!(
                    "an array of shape {shape:?}; needs [rows, numbers] or [rows, height, width]"
                )));
            }
        };
        Self::new(shape[0], values, image)
    }

    /// All rows, as machines take them.
    ///
    /// # Errors
    /// None for what was read: rows are whole and finite.
    pub fn rows(&self) -> Result<Rows<'_>> {
        Rows::new(&self.values, self.features)
    }

    /// One row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.features..(index + 1) * self.features]
    }

    /// Height and width of a row as a picture: as it came, else square if it can be, else one line.
    pub fn picture(&self) -> (usize, usize) {
        let side = self.features.isqrt();
        self.image.unwrap_or(if side * side == self.features { (side, side) } else { (1, self.features) })
    }

    /// Chosen rows.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn chosen(&self, rows: &[usize]) -> Self {
        Self {
            count: rows.len(),
            values: rows.iter().flat_map(|&row| self.row(row)).copied().collect(),
            labels: if self.labels.is_empty() {
                Vec::new()
            } else {
                rows.iter().map(|&row| self.labels[row]).collect()
            },
            test: Vec::new(),
            ..self.clone()
        }
    }

    /// The same with every number divided.
    ///
    /// # Errors
    /// `is_usage` unless the divisor is above zero and finite.
    pub fn divided(mut self, by: f32) -> Result<Self> {
        if !(by > 0.0 && by.is_finite()) {
            return Err(Error::usage(format!("a scale of {by}; needs a number above zero")));
        }
        self.values.iter_mut().for_each(|value| *value /= by);
        Ok(self)
    }

    /// 1 where a number is above the threshold, else 0.
    pub fn binary(mut self, threshold: f32) -> Self {
        self.values.iter_mut().for_each(|value| *value = f32::from(u8::from(*value > threshold)));
        self
    }

    /// Checks that every number is a probability.
    ///
    /// # Errors
    /// `is_format`, naming the first that lies outside 0 to 1.
    pub fn check_unit(&self) -> Result<()> {
        match self.values.iter().position(|value| !(0.0..=1.0).contains(value)) {
            None => Ok(()),
            Some(at) => {
                let (row, number, value) = (at / self.features, at % self.features, self.values[at]);
                let (low, high) = self.values.iter().fold((0f32, 1f32), |(l, h), &x| (l.min(x), h.max(x)));
                let (next, hint) = match low < 0.0 {
                    true => ("binarise at a threshold: numbers above it become 1", Hint::GiveOne(vec!["threshold"])),
                    false => ("divide by the maximum, or binarise at a threshold", Hint::give("scale", high)),
                };
                Err(Error::format(format!(
                    "{}: row {row}, number {number}: {value} lies outside 0 to 1: {next}",
                    self.source
                ))
                .hinted(hint))
            }
        }
    }
}

#[cfg(test)]
mod tests;
