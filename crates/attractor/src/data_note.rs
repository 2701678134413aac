//! What is to be said of data: what became of them on their way in, and what a machine makes of them.

use std::fmt;

use serde::Serialize;

/// What was done to data, or left out of them, between their file and a memory or machine; and what a machine makes of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "data", rename_all = "snake_case")]
pub enum DataNote {
    /// Grey levels became 0 to 1.
    Divided {
        /// What they were divided by.
        by: f32,
        /// The largest of them.
        most: f32,
        /// They are pictures, whose white is 255; else bytes whose largest says so.
        pictures: bool,
    },
    /// A threshold of grey levels counts in levels.
    ThresholdInLevels {
        /// As it was given, of 0 to 255.
        threshold: f32,
        /// The same of 0 to 1.
        of_one: f32,
    },
    /// Numbers were divided as those that the machine learnt.
    DividedAsLearnt {
        /// By this.
        by: f32,
    },
    /// Numbers were cut as those that the machine learnt.
    CutAsLearnt {
        /// At this, after they were divided.
        threshold: f32,
    },
    /// All numbers are one.
    Constant {
        /// Where they came from.
        source: String,
        /// The number.
        value: f32,
    },
    /// Pictures with transparent parts were laid on white.
    OnWhite {
        /// So many.
        pictures: usize,
    },
    /// Files of a folder were left out.
    LeftOut {
        /// So many were read.
        read: usize,
        /// So many were not.
        left_out: usize,
        /// The first of them.
        first: String,
    },
    /// The first line of a table names the positions of its columns.
    HeaderOfPositions {
        /// Its number, from 1.
        line: usize,
    },
    /// A column of a table is not learnt.
    ColumnAside {
        /// Its position, from 0.
        column: usize,
        /// Its name; empty without one.
        name: String,
        /// It holds labels; else it numbers the rows.
        is_label: bool,
    },
    /// Commas in numbers were read as decimal points.
    DecimalCommas,
    /// Rows are a square picture and one number more.
    OneBesideASquare {
        /// Numbers per row.
        numbers: usize,
    },
    /// Rows that are held out occur among those that are learnt.
    HeldOutRepeats {
        /// So many of them.
        repeats: usize,
        /// Of so many that are held out.
        held_out: usize,
    },
    /// The machine is a worse model of its data than units that know nothing of each other.
    BelowBaseRates {
        /// Mean ln p per row of the machine, nats.
        machine: f64,
        /// The same of each unit by itself.
        base: f64,
    },
}

impl fmt::Display for DataNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Divided { by, pictures: true, .. } => write!(f, "grey levels of pictures are divided by {by}"),
            Self::Divided { by, most, .. } => {
                write!(f, "bytes up to {most} are taken as grey levels and divided by {by}")
            }
            Self::ThresholdInLevels { threshold, of_one } => {
                write!(f, "the threshold {threshold} counts in grey levels of 0 to 255: {of_one:.4} of white")
            }
            Self::DividedAsLearnt { by } => write!(f, "numbers are divided by {by}, as those that the machine learnt"),
            Self::CutAsLearnt { threshold } => {
                write!(f, "numbers above {threshold} are 1, others 0, as those that the machine learnt")
            }
            Self::Constant { source, value } => write!(
                f,
                "{}: every number is {value}: there is nothing to tell rows or units apart; check threshold and scale",
                source.escape_debug()
            ),
            Self::OnWhite { pictures } => {
                write!(f, "transparent parts are laid on white in {pictures} picture{}", plural(*pictures))
            }
            Self::LeftOut { read, left_out, first } => write!(
                f,
                "{read} picture{} read; {left_out} other file{} or folder{} of the folder left out, the first {:?}",
                plural(*read),
                plural(*left_out),
                plural(*left_out),
                first
            ),
            Self::HeaderOfPositions { line } => {
                write!(f, "line {line} counts the columns from 0 and is taken for their names, not for a row")
            }
            Self::ColumnAside { column, name, is_label } => {
                let what = if *is_label { "is taken for labels" } else { "numbers the rows" };
                let name = if name.is_empty() { String::new() } else { format!(", {name:?},") };
                write!(f, "column {column}{name} {what} and is not used as data")
            }
            Self::DecimalCommas => f.write_str("commas within numbers are read as decimal points"),
            Self::OneBesideASquare { numbers } => write!(
                f,
                "rows of {numbers} numbers are a square picture and one number more: if one column holds labels, name it as the \
                 label column"
            ),
            Self::HeldOutRepeats { repeats, held_out } => write!(
                f,
                "{repeats} of the {held_out} rows that are held out are among those that are learnt: their likelihood says \
                 nothing of new data"
            ),
            Self::BelowBaseRates { machine, base } => write!(
                f,
                "{machine:.3} nats per row lie below the {base:.3} of each unit by itself: the machine is worse than base rates; \
                 lower the learning rate, or scale the data"
            ),
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
