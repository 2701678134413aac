//! The restricted Boltzmann machine: its model, its likelihood, its training, and how to see that training goes wrong.
//!
//! [`Rbm`] is the model. [`exact`] and [`ais`] answer how likely data are under it; [`likelihood`] what needs no
//! partition function, and [`base`] what it must beat. [`Trainer`] trains by contrastive divergence, persistent chains or parallel tempering; the
//! likelihood of such training rises and then falls while the reconstruction error goes on falling, which is what
//! [`Alarm`] is for. [`monitor`] says what the units do, [`generate`] draws and completes, [`watch`] is what a training
//! measures. [`sampling`], [`completion`] and [`evaluation`] are experiments: options in, typed results out.

pub mod ais;
mod alarm;
pub mod base;
mod binary;
mod budget;
mod chains;
pub mod completion;
pub mod evaluation;
pub mod exact;
pub mod generate;
mod half;
mod kernel;
pub mod likelihood;
mod model;
pub mod monitor;
mod path;
mod place;
mod plan;
mod product;
mod rows;
pub mod sampling;
mod step;
mod sums;
#[cfg(test)]
mod toy;
mod train;
pub mod watch;

pub use crate::rates::{Changed, Decay, Rates};
pub use alarm::{Alarm, Reading, Trend};
pub use model::{CLIP, Rbm, Visible};
pub use path::even_betas;
pub use plan::{Plan, Sampler, Sparsity};
pub use rows::{Mean, Rows};
pub use train::{Epoch, State, Trainer, UpdateStep};
