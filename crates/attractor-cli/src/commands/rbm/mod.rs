//! Restricted Boltzmann machines: `attractor train rbm` and `attractor generate rbm`.

pub mod generate;
mod pictures;
mod store;
pub mod train;
