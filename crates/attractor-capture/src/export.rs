//! Maps for other programs: NPZ, safetensors and CSV, written row by row, never held whole.
//!
//! Arrays are named as [`import`](crate::import) reads them: `L5` is [head, query, key] of a layer with all its heads,
//! `L5H3` is [query, key] of one head.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Map, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use attractor::{Error, Hint, Result};
use attractor_data::archive::npy;
use attractor_data::files::{Durability, write_by};
use attractor_record::{Patterns, Walk};

/// What a file of maps is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `numpy.load(path)["L5"]`, f32, not compressed.
    Npz,
    /// `safetensors.numpy.load_file(path)["L5"]`, f32.
    Safetensors,
    /// One line per weight that is not zero: layer, head (or "mean"), query, key, weight, and the tokens' texts.
    Csv,
}

/// A map to be written.
pub struct Array<'a> {
    /// The model's own layer number.
    pub layer: usize,
    /// Numbers of its heads; with one of several heads the array has no axis of heads.
    pub heads: Vec<usize>,
    /// True if these are all heads of the layer.
    pub whole: bool,
    /// True for one map that is the mean of heads, which then goes by no head's number.
    pub is_mean: bool,
    /// Queries, or groups of them.
    pub rows: usize,
    /// Keys, or groups of them.
    pub columns: usize,
    /// Where the maps of these heads are.
    pub patterns: &'a dyn Patterns,
    /// The input.
    pub input: usize,
}

impl Array<'_> {
    /// "L5", "L5H3" or "L5mean".
    pub fn name(&self) -> String {
        match (self.whole, self.heads.as_slice()) {
            _ if self.is_mean => format!("L{}mean", self.layer),
            (false, [head]) => format!("L{}H{head}", self.layer),
            _ => format!("L{}", self.layer),
        }
    }

    fn shape(&self) -> Vec<u64> {
        let map = [self.rows as u64, self.columns as u64];
        match self.whole {
            true => [self.heads.len() as u64].into_iter().chain(map).collect(),
            false => map.to_vec(),
        }
    }

    fn numbers(&self) -> u64 {
        self.shape().iter().product()
    }

    fn walk(&self, slot: usize) -> Result<Walk<'_>> {
        let place = (self.layer, self.heads[slot]);
        Walk::of(self.patterns, place, self.input)?.ok_or_else(|| {
            Error::usage(format!("L{}H{}: its map was not kept", place.0, place.1))
                .hinted(Hint::Capture { keep: "stats+qk" })
        })
    }

    /// Every row of every head, in order: (slot, row, weights).
    fn each(&self, mut take: impl FnMut(usize, usize, &[f32]) -> Result<()>) -> Result<()> {
        for slot in 0..self.heads.len() {
            let mut walk = self.walk(slot)?;
            while let Some(strip) = walk.next()? {
                for (row, weights) in strip.rows.zip(strip.blocks[0].chunks_exact(self.columns.max(1))) {
                    take(slot, row, weights)?;
                }
            }
        }
        Ok(())
    }
}

/// The maps of one input: an array a layer, or one per head where not all heads were kept.
///
/// # Errors
/// `is_usage` for an input that is not there, what reading the patterns answers.
pub fn arrays(patterns: &dyn Patterns, input: usize) -> Result<Vec<Array<'_>>> {
    if input >= patterns.inputs() {
        return Err(Error::usage(format!(
            "export: input {input}, but there are {} (counted from 0)",
            patterns.inputs()
        )));
    }
    let mut all = Vec::new();
    for shape in patterns.layers() {
        let (rows, columns) = patterns.shape(shape.layer, input)?;
        let whole = shape.heads.len() == shape.model_heads;
        let parts: Vec<Vec<usize>> =
            if whole { vec![shape.heads.clone()] } else { shape.heads.iter().map(|&head| vec![head]).collect() };
        for heads in parts {
            all.push(Array { layer: shape.layer, heads, whole, is_mean: false, rows, columns, patterns, input });
        }
    }
    if all.is_empty() {
        return Err(Error::usage("export: no head is left to be written; choose other layers or heads"));
    }
    Ok(all)
}

/// Writes maps into a file; an earlier file stays whole until the new one is. Returns the number of bytes.
///
/// `rows` and `columns` are names of the positions for CSV; empty: no such columns.
///
/// # Errors
/// `is_budget`, before anything is written, if NPZ or safetensors would take more than `max_bytes`, and as soon as CSV
/// does; `is_io`; what reading the maps answers.
pub fn write(
    path: &Path,
    format: Format,
    arrays: &[Array<'_>],
    (rows, columns): (&[String], &[String]),
    max_bytes: u64,
) -> Result<u64> {
    let numbers: u64 = arrays.iter().map(Array::numbers).sum();
    if format != Format::Csv && numbers.saturating_mul(4) > max_bytes {
        return Err(too_large(numbers.saturating_mul(4), max_bytes));
    }
    write_by(path, Durability::default(), |file| match format {
        Format::Npz => npz(file, arrays),
        Format::Safetensors => safetensors(file, arrays),
        Format::Csv => csv(file, arrays, rows, columns, max_bytes),
    })
}

fn too_large(needed: u64, allowed: u64) -> Error {
    Error::budget(format!(
        "export: {needed} bytes or more for {allowed} allowed; choose fewer layers or heads, or aggregate by word"
    ))
    .hinted(Hint::Raise("max_bytes"))
}

fn failed(error: std::io::Error) -> Error {
    Error::io(format!("export: {error}")).because(error)
}

fn npz(file: &mut File, arrays: &[Array<'_>]) -> Result<()> {
    let failed = |error: zip::result::ZipError| self::failed(error.into());
    let mut archive = ZipWriter::new(BufWriter::new(file));
    for array in arrays {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(array.numbers() > u64::from(u32::MAX) / 8);
        archive.start_file(format!("{}.npy", array.name()), options).map_err(failed)?;
        archive.write_all(&npy::header(&array.shape())).map_err(self::failed)?;
        let little = |weights: &[f32]| weights.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        let written = array.each(|_, _, weights| archive.write_all(&little(weights)).map_err(self::failed));
        if written.is_err() {
            // It would try to complete the file when dropped and complain on the terminal; the file is thrown away.
            std::mem::forget(archive);
            return written;
        }
    }
    archive.finish().map_err(failed)?.flush().map_err(self::failed)
}

/// The header's length, the header as JSON padded to 8 bytes, the numbers.
fn safetensors(file: &mut File, arrays: &[Array<'_>]) -> Result<()> {
    let mut header = Map::new();
    let mut at = 0u64;
    for array in arrays {
        let end = at + 4 * array.numbers();
        header.insert(array.name(), json!({ "dtype": "F32", "shape": array.shape(), "data_offsets": [at, end] }));
        at = end;
    }
    let mut text = serde_json::Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut out = BufWriter::new(file);
    out.write_all(&(text.len() as u64).to_le_bytes()).and_then(|()| out.write_all(&text)).map_err(failed)?;
    for array in arrays {
        let little = |weights: &[f32]| weights.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        array.each(|_, _, weights| out.write_all(&little(weights)).map_err(failed))?;
    }
    out.flush().map_err(failed)
}

fn csv(file: &mut File, arrays: &[Array<'_>], rows: &[String], columns: &[String], max_bytes: u64) -> Result<()> {
    // A field that a spreadsheet would read as a formula is text all the same.
    let quoted = |text: &String| {
        let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        format!(",\"{guard}{}\"", text.replace('"', "\"\"").replace(['\n', '\r'], " "))
    };
    let rows: Vec<String> = rows.iter().map(quoted).collect();
    let columns: Vec<String> = columns.iter().map(quoted).collect();
    let named = !rows.is_empty() && !columns.is_empty();
    let mut out = BufWriter::new(file);
    let mut written = 0u64;
    let mut line = String::from("layer,head,query,key,weight");
    line.push_str(if named { ",query_token,key_token\n" } else { "\n" });
    out.write_all(line.as_bytes()).map_err(failed)?;
    for array in arrays {
        array.each(|slot, query, weights| {
            line.clear();
            for (key, weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                use std::fmt::Write as _;
                let _ = match array.is_mean {
                    true => write!(line, "{},mean,{query},{key},{weight}", array.layer),
                    false => write!(line, "{},{},{query},{key},{weight}", array.layer, array.heads[slot]),
                };
                if named {
                    line.push_str(rows.get(query).map_or(",", String::as_str));
                    line.push_str(columns.get(key).map_or(",", String::as_str));
                }
                line.push('\n');
            }
            written += line.len() as u64;
            if written > max_bytes {
                return Err(too_large(written, max_bytes));
            }
            out.write_all(line.as_bytes()).map_err(failed)
        })?;
    }
    out.flush().map_err(failed)
}
