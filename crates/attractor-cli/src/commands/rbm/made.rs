//! What a machine made, and how it is shown: as a picture, as numbers, or in the terminal.

use std::path::Path;

use attractor_render::memories::rbm::{self as figures, Sheet};
use attractor_session::Error;
use attractor_session::Machine;
use attractor_session::machine::write_states;
use attractor_session::sample::rbm::completion::Completed;
use attractor_session::sample::rbm::sampling::{Chained, Sampled};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::Common;
use crate::console::{counted, print, write};
use crate::error::Outcome;
use crate::picture;

/// What was made, and how it is told.
pub struct Made {
    /// Pictures.
    sheet: Sheet,
    /// The states alone.
    values: Vec<Vec<f32>>,
    /// The result for machines, without the states.
    document: Value,
    /// How wrong it is, beside others, a line each.
    words: String,
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
    fn new(sheet: Sheet, values: Vec<Vec<f32>>, result: &impl Serialize) -> Self {
        let mut document = json!(result);
        document.as_object_mut().map(|fields| fields.remove("values"));
        Self { sheet, values, document, words: String::new() }
    }

    /// Samples.
    pub fn of_samples(found: Sampled) -> Self {
        let sheet = Sheet::of_samples(&found);
        Self::new(sheet, found.values.clone(), &found)
    }

    /// A chain, step by step; `steps` are those of the command line's other answers.
    pub fn of_chain(found: Chained, steps: usize) -> Self {
        let mut made = Self::new(Sheet::of_chain(&found), found.values.clone(), &found);
        made.document["steps"] = json!(steps);
        made
    }

    /// Rows completed or restored.
    pub fn of_completion(found: Completed) -> Self {
        let mut made = Self::new(Sheet::of_completion(&found), found.values.clone(), &found);
        for (at, answer) in found.against.iter().enumerate() {
            made.document["against"][at]["name"] = json!(figures::answer(answer));
            made.words += &(figures::wrong(answer, found.known.len()) + "\n");
        }
        made
    }

    /// Writes it where it was asked to go, else prints it.
    pub fn give(mut self, output: Option<&Path>, stored: &Machine, common: &Common) -> Outcome {
        let Some(path) = output else {
            let advice = "an --output .svg, .png or .pdf draws them, .csv and .safetensors hold the numbers";
            let advice = if common.quiet { String::new() } else { format!("next: {advice}\n") };
            print(&match common.json {
                true => {
                    self.document["values"] = json!(self.values);
                    format!("{}\n", self.document)
                }
                false => format!("{}\n{}{}{advice}", self.sheet.title, self.text(stored.picture), self.words),
            });
            return Ok(());
        };
        self.write(path, stored)?;
        self.document["output"] = json!(path);
        self.document["count"] = json!(self.values.len());
        if common.json {
            print(&format!("{}\n", self.document));
        } else if !common.quiet {
            print(&format!("{}{}: {}\n", self.words, path.display(), counted(self.values.len(), "state")));
        }
        Ok(())
    }

    fn write(&self, path: &Path, stored: &Machine) -> Outcome {
        match picture::ending(path).as_str() {
            "csv" => {
                let line = |row: &Vec<f32>| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",") + "\n";
                write(path, self.values.iter().map(line).collect::<String>().as_bytes())
            }
            "safetensors" => {
                let about = json!({ "seed": self.document["seed"], "steps": self.document["steps"] });
                write_states(path, &self.values, &about)
            }
            _ => picture::save_checked(path, |_| self.sheet.svg(stored.picture)),
        }
    }

    /// The first states of each row in a terminal's characters, two units high each: what is above one half is filled.
    fn text(&self, (height, width): (usize, usize)) -> String {
        /// Columns of a terminal.
        const WIDTH: usize = 96;
        /// Rows of states.
        const MOST: usize = 5;
        let label = self.sheet.rows.iter().map(|name| name.len() + 2).max().unwrap_or(0);
        let across = (WIDTH.saturating_sub(label) / (width + 2)).min(self.sheet.across);
        if across == 0 || height > WIDTH {
            return format!("{}: too wide for a terminal\n", counted(self.values.len(), "state"));
        }
        let mut out = String::new();
        for (number, row) in self.sheet.states.chunks(self.sheet.across).take(MOST).enumerate() {
            let on = |state: &[f32], y: usize, x: usize| y < height && state[y * width + x] > 0.5;
            for y in (0..height).step_by(2) {
                let name = self.sheet.rows.get(number).filter(|_| y == 0).copied().unwrap_or("");
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
