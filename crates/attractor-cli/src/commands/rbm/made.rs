//! What a machine made, and how it is shown: as a picture, as numbers, or in the terminal.

use std::path::Path;

use attractor_data::training::{Checkpoint, Numbers};
use serde_json::{Value, json};

use super::against::Wrong;
use super::pictures;
use crate::args::Common;
use crate::console::{counted, print, write};
use crate::error::Outcome;
use crate::picture;
use attractor::Error;
use attractor_data::Machine as Stored;

/// Rows of pictures, each named.
pub struct Made {
    /// What is seen.
    pub title: String,
    /// How it was made.
    pub notes: Vec<String>,
    /// Names of the rows; none where all are alike.
    pub rows: Vec<&'static str>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Pictures in a row.
    pub across: usize,
    /// All of the picture; hidden states are squares of their own.
    pub shown: Vec<Vec<f32>>,
    /// The answer alone.
    pub values: Vec<Vec<f32>>,
    /// How wrong it is, beside others.
    pub wrong: Vec<Wrong>,
}

/// Refuses, before anything is made, an output that cannot be written.
pub fn check(output: Option<&Path>) -> Outcome {
    match output {
        Some(path) if !["csv", "safetensors"].contains(&picture::ending(path).as_str()) => picture::checked(path)
            .map(drop)
            .map_err(|e| Error::usage(format!("{}; or .csv or .safetensors for numbers", e.message()))),
        _ => Ok(()),
    }
}

impl Made {
    /// Writes it where it was asked to go, else prints it.
    pub fn give(&self, output: Option<&Path>, stored: &Stored, about: &Value, common: &Common) -> Outcome {
        let wrong = self.wrong.iter().map(Wrong::json).collect::<Vec<_>>();
        let mut document = about.clone();
        if !wrong.is_empty() {
            document["against"] = json!(wrong);
        }
        let words: String = self.wrong.iter().map(|wrong| wrong.words() + "\n").collect();
        let Some(path) = output else {
            document["values"] = json!(self.values);
            let advice = "an --output .svg, .png or .pdf draws them, .csv and .safetensors hold the numbers";
            let advice = if common.quiet { String::new() } else { format!("next: {advice}\n") };
            print(&match common.json {
                true => format!("{document}\n"),
                false => format!("{}\n{}{words}{advice}", self.title, self.text(stored.picture)),
            });
            return Ok(());
        };
        self.write(path, stored, about)?;
        document["output"] = json!(path);
        document["count"] = json!(self.values.len());
        if common.json {
            print(&format!("{document}\n"));
        } else if !common.quiet {
            print(&format!("{words}{}: {}\n", path.display(), counted(self.values.len(), "state")));
        }
        Ok(())
    }

    fn write(&self, path: &Path, stored: &Stored, about: &Value) -> Outcome {
        match picture::ending(path).as_str() {
            "csv" => {
                let line = |row: &Vec<f32>| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",") + "\n";
                write(path, self.values.iter().map(line).collect::<String>().as_bytes())
            }
            "safetensors" => {
                let mut file = Checkpoint { about: about.clone(), ..Checkpoint::default() };
                let shape = [self.values.len(), stored.rbm.visible_units()];
                file.put("samples", &shape, Numbers::F32(self.values.concat()));
                Ok(file.write(path)?)
            }
            _ => picture::save_checked(path, |_| {
                let Made { title, notes, rows, columns, .. } = self;
                pictures::states(&self.shown, stored.picture, title, notes.clone(), (rows, columns), self.across)
            }),
        }
    }

    /// The first states of each row in a terminal's characters, two units high each: what is above one half is filled.
    fn text(&self, (height, width): (usize, usize)) -> String {
        /// Columns of a terminal.
        const WIDTH: usize = 96;
        /// Rows of states.
        const MOST: usize = 5;
        let label = self.rows.iter().map(|name| name.len() + 2).max().unwrap_or(0);
        let across = (WIDTH.saturating_sub(label) / (width + 2)).min(self.across);
        if across == 0 || height > WIDTH {
            return format!("{}: too wide for a terminal\n", counted(self.values.len(), "state"));
        }
        let mut out = String::new();
        for (number, row) in self.shown.chunks(self.across).take(MOST).enumerate() {
            let on = |state: &[f32], y: usize, x: usize| y < height && state[y * width + x] > 0.5;
            for y in (0..height).step_by(2) {
                let name = self.rows.get(number).filter(|_| y == 0).copied().unwrap_or("");
                let line = row.iter().take(across).filter(|state| state.len() == height * width).map(|state| {
                    let cell = |x| match (on(state, y, x), on(state, y + 1, x)) {
                        (true, true) => '█',
                        (true, false) => '▀',
                        (false, true) => '▄',
                        (false, false) => '·',
                    };
                    (0..width).map(cell).collect::<String>() + "  "
                });
                out += format!("{name:label$}{}", line.collect::<String>()).trim_end();
                out += "\n";
            }
            out += "\n";
        }
        out
    }
}
