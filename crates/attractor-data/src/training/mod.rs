//! What trainers leave on disk: checkpoints to go on from, and metrics to look at while they run, in a folder with one writer.

mod checkpoint;
mod events;
mod folder;
mod metrics;

pub use checkpoint::{Numbers, SavedState, Tensor};
pub use folder::{Claim, TRAINING};
pub use metrics::{History, MetricLog};
