//! Restricted Boltzmann machines: `attractor train rbm` and `attractor generate rbm`.

mod against;
pub mod generate;
mod measure;
pub mod options;
mod pictures;
mod resume;
mod store;
pub mod train;
