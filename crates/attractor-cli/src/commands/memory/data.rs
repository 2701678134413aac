//! What a memory stores, as options.

use attractor_session::patterns::Source;
use clap::Args;

use crate::args::same;

/// Where patterns come from.
#[derive(Debug, Clone, Default, Args)]
pub struct Data {
    /// Patterns: a file (IDX, .npy, .npz, .csv, .png), a folder of .png, or a built-in set: glyphs-5, glyphs-8, digits
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["demo", "random"])]
    pub data: Option<String>,
    /// The built-in example
    #[arg(long, conflicts_with = "random")]
    pub demo: bool,
    /// Random patterns: number x units, for example 20x200
    #[arg(long, value_name = "PxN", conflicts_with_all = ["patterns", "scale", "threshold"])]
    pub random: Option<String>,
    /// Use only the first N patterns
    #[arg(long)]
    pub patterns: Option<usize>,
    /// Divide all numbers by this
    #[arg(long, default_value_t = 1.0)]
    pub scale: f32,
    /// Numbers above it are +1, others -1; needed unless all are 0 and 1, or -1 and +1
    #[arg(long)]
    pub threshold: Option<f32>,
}

impl Data {
    /// As the library reads it.
    pub fn source(&self) -> Source {
        same!(self => Source { data, demo, random, patterns, scale, threshold })
    }
}
