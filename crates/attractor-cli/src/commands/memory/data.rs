//! What a memory stores, as options.

use attractor_session::patterns::Source;
use clap::Args;

use crate::args::same;

/// Where patterns come from.
#[derive(Debug, Clone, Default, Args)]
pub struct Data {
    /// Patterns: a file (IDX, .npy, .npz, .csv, PNG, JPEG, BMP, PNM), a folder of pictures, or a built-in set: glyphs-5, glyphs-8, digits
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["demo", "random"], help_heading = "Data")]
    pub data: Option<String>,
    /// The built-in example
    #[arg(long, conflicts_with = "random", help_heading = "Data")]
    pub demo: bool,
    /// Random patterns: number x units, for example 20x200
    #[arg(long, value_name = "PxN", conflicts_with_all = ["patterns", "scale", "threshold", "skip", "label_column"], help_heading = "Data")]
    pub random: Option<String>,
    /// Use only the first N patterns
    #[arg(long, help_heading = "Data")]
    pub patterns: Option<usize>,
    /// Divide all numbers by this [default: 255 for grey levels, which is said; else 1]
    #[arg(long, help_heading = "Data")]
    pub scale: Option<f32>,
    /// Numbers above it are +1, others -1; needed unless all are 0 and 1, or -1 and +1. Of grey levels, 1 and more means levels of 0 to 255
    #[arg(long, help_heading = "Data")]
    pub threshold: Option<f32>,
    /// Leave out so many lines at the top of a table
    #[arg(long, default_value_t = 0, help_heading = "Data")]
    pub skip: usize,
    /// The column of a table that holds labels: its name, its position from 0, or last [default: one named label, class or target]
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    pub label_column: Option<String>,
}

impl Data {
    /// As the library reads it.
    pub fn source(&self) -> Source {
        same!(self => Source { data, demo, random, patterns, scale, threshold, skip, label_column })
    }
}
