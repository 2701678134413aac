//! The types that the crates share: what flows from models to runs, judgement and pictures, and no file format.
//!
//! [`LayerRecord`] is what attention did in one layer for one input, [`Patterns`] the one interface to such records wherever they
//! lie, [`Evidence`] what only a live model can show, [`Selection`] which layers and heads are meant.

mod captured;
pub mod evidence;
pub mod file;
pub mod kernel;
mod layer;
mod model;
pub mod observations;
pub mod patterns;
pub mod pieces;
mod place;
mod restricted;
mod rows;
pub mod selection;
pub mod steps;
pub mod table;
#[cfg(test)]
mod testing;
mod token;
pub mod walk;

pub use attractor::{Error, Result};
pub use captured::{Captured, Recomputed};
pub use evidence::Evidence;
pub use kernel::default_request;
pub use layer::{Facts, InputRecord, LayerRecord, spaced_rows};
pub use model::{ModelInfo, Task};
pub use observations::{MaskOrigin, Observations, Precision};
pub use patterns::{LayerShape, Patterns};
pub use place::{Origin, Stack, Step};
pub use restricted::Restricted;
pub use rows::{Held, Made, Rows};
pub use selection::Selection;
pub use steps::{Entries, Steps, by_step, counted};
pub use table::Table;
pub use token::{Role, Token};
pub use walk::{Strip, Walk, Watch, Watcher};
