//! What trainers leave on disk: checkpoints to go on from, and metrics to look at while they run.

mod checkpoint;
mod events;
mod metrics;

pub use checkpoint::{Checkpoint, Numbers, Tensor};
pub use metrics::MetricLog;
