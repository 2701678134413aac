//! Restricted Boltzmann machines: `attractor train rbm` and `attractor generate rbm`.

pub mod generate;
pub mod options;
pub mod train;
