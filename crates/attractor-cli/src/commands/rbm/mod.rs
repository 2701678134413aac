//! Restricted Boltzmann machines: `attractor train rbm` and `attractor generate rbm`.

mod against;
pub mod generate;
mod pictures;
mod store;
pub mod train;
