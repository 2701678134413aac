//! Data that memories store and Boltzmann machines learn: rows of numbers, most of them small images.
//!
//! | source                     | read as                                                        |
//! |----------------------------|----------------------------------------------------------------|
//! | IDX (MNIST), also gzipped  | a row an image                                                 |
//! | `.npy`, `.npz`             | the first axis counts rows                                     |
//! | `.csv`                     | a row a line; see [`table`]                                    |
//! | PNG, JPEG, BMP, PNM, folders | a row a picture, grey; see [`pictures`]                      |
//! | `glyphs-5`, `glyphs-8`     | three glyphs of 5 x 5, ten of 8 x 8; 0 and 1                   |
//! | `digits`                   | 1797 digits of 8 x 8 of scikit-learn, sixteenths               |
//!
//! Numbers are read as the file holds them. [`Samples::scaled`] brings them into the unit that memories and machines take, by
//! what the file holds and what it is told; whatever is done or left out on the way is kept as a note.

mod embedded;
mod idx;
mod pictures;
mod scale;
mod table;

use std::fs;
use std::path::Path;

use crate::archive::{npy, zip};
use attractor::sample::rbm::Rows;
use attractor::{DataNote, Error, Hint, Result};
use attractor_record::file;

pub use scale::{Encoding, Levels, StandardUnits};
pub use table::Columns;

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
    /// What the numbers are levels of.
    pub levels: Levels,
    /// What was done to the numbers of the file.
    pub encoding: Encoding,
    /// What is to be said of the reading.
    pub notes: Vec<DataNote>,
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
    pub fn read(source: &str, columns: &Columns) -> Result<Self> {
        if let Some(built_in) = embedded::named(source)? {
            columns.none()?;
            return Ok(built_in);
        }
        // `data.npz:x_train`: an array of an archive.
        let array = source.find(".npz:").filter(|_| !Path::new(source).exists()).map(|at| source.split_at(at + 4));
        let (path, array) = array.map_or((source, None), |(path, array)| (path, Some(&array[1..])));
        let path = Path::new(path);
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::io(format!(
                "{source}: no such file or folder; name a file (IDX, .npy, .npz, .csv, a picture), a folder of pictures, or {}",
                embedded::NAMES.join(", ")
            ))
            .because(error),
            _ => Error::io(format!("{source}: cannot be read: {error}")).because(error),
        })?;
        let read = match metadata.is_dir() {
            true => columns.none().and_then(|()| pictures::folder(path)),
            false => {
                let bytes = file::read(path, "data or a folder of pictures", MOST_BYTES)?;
                match array {
                    Some(array) => columns.none().and_then(|()| Self::of_archive(&bytes, Some(array))),
                    None => Self::parse(&bytes, columns),
                }
            }
        };
        let samples = read.map_err(|error| error.at(path.display()))?;
        Ok(Self { source: source.to_string(), ..samples })
    }

    /// Reads the bytes of a file, by what they are.
    ///
    /// # Errors
    /// As [`Samples::read`]; `is_usage` for columns of what is not a table.
    pub fn parse(bytes: &[u8], columns: &Columns) -> Result<Self> {
        if let [0x1F, 0x8B, ..] = bytes {
            return Self::parse(&idx::unpacked(bytes)?, columns);
        }
        let array = match bytes {
            // No text begins with two zeros, and no other format here: whatever else the header says, it is meant as IDX.
            [0, 0, ..] => idx::read(bytes)?,
            _ if npy::is_npy(bytes) => Self::of_npy("the array", bytes)?,
            _ if zip::is_zip(bytes) => Self::of_archive(bytes, None)?,
            _ if pictures::is_picture(bytes) => pictures::single(bytes)?,
            _ => {
                return match std::str::from_utf8(bytes) {
                    Ok(text) => table::read(text, columns),
                    Err(error) => Err(Error::format(format!(
                        "is none of IDX, .npy, .npz, PNG, JPEG, BMP and PNM, and no text in UTF-8: byte {} is 0x{:02x}",
                        error.valid_up_to(),
                        bytes[error.valid_up_to()]
                    ))
                    .because(error)),
                };
            }
        };
        columns.none().map(|()| array)
    }

    /// The one array of an archive, or the one of that name.
    fn of_archive(bytes: &[u8], array: Option<&str>) -> Result<Self> {
        let mut archive = zip::Archive::of(bytes)?;
        let members = archive.members();
        let name = |member: &zip::Member| member.name.strip_suffix(".npy").unwrap_or(&member.name).to_string();
        let names: Vec<String> = members.iter().map(name).collect();
        let at = match array {
            Some(array) => names.iter().position(|name| name == array),
            None if members.is_empty() => return Err(Error::format("the archive is empty; needs an array")),
            None => (members.len() == 1).then_some(0),
        };
        let Some(at) = at else {
            let shown = names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if names.len() > 8 { ", ..." } else { "" };
            let asked = array.map_or(String::new(), |array| format!("there is no array {array:?}; "));
            return Err(Error::format(format!(
                "{asked}the archive holds {} arrays ({shown}{more}); name one of them behind a colon, as in data.npz:{}",
                names.len(),
                names.first().map_or("", String::as_str)
            )));
        };
        Self::of_npy(&names[at], &archive.read(&members[at], MOST_BYTES)?)
    }

    /// An array; small whole numbers take twelve times their bytes on the way, which is checked before.
    fn of_npy(name: &str, bytes: &[u8]) -> Result<Self> {
        let header = String::from_utf8_lossy(&bytes[..bytes.len().min(128)]);
        let is_small = ["u1'", "i1'", "b1'"].iter().any(|code| header.contains(code));
        if is_small && bytes.len() as u64 > MOST_BYTES / 4 {
            return Err(Error::budget(format!(
                "{name}: {} numbers of one byte; at most {} are read, in {} bytes of memory: save fewer rows",
                bytes.len(),
                MOST_BYTES / 4,
                MOST_BYTES / 4 * 13
            )));
        }
        Self::of_array(npy::read(name, bytes)?)
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
        Ok(Self {
            count,
            features,
            image,
            values,
            levels: Levels::Numbers,
            encoding: Encoding::default(),
            notes: Vec::new(),
            labels: Vec::new(),
            test: Vec::new(),
            source: String::new(),
        })
    }

    /// The first axis counts rows; two more are an image.
    fn of_array(value: npy::Value) -> Result<Self> {
        let (shape, values, levels) = match value {
            npy::Value::Floats(array) => (array.shape, array.data, Levels::Numbers),
            npy::Value::Whole(whole) => {
                let levels = if whole.bytes { Levels::Bytes } else { Levels::Numbers };
                (whole.shape, whole.numbers.into_iter().map(|number| number as f32).collect(), levels)
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
        Ok(Self { levels, ..Self::new(shape[0], values, image)? })
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
