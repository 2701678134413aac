//! The main job on the embedded model and text; no network.

use attractor::{Context, Result};
use attractor_record::Watcher;

pub use crate::embedded::{NAME, unpack};
use crate::judgement::{self, Judged, Options};

/// Judges the embedded model on the built-in text, as [`judgement::run`] does.
///
/// # Errors
/// `is_io` without a temporary folder; `is_interrupted`.
pub fn run(context: &Context<'_>) -> Result<Judged> {
    run_watched(&[], context)
}

/// The same while others look on, as [`judgement::run_watched`].
///
/// # Errors
/// As [`run`].
pub fn run_watched(watchers: &[&dyn Watcher], context: &Context<'_>) -> Result<Judged> {
    // What a note would say of the inputs is what the demo is.
    judgement::run_watched(&Options::new(NAME), watchers, &context.without_notes())
}
