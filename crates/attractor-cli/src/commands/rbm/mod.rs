//! Restricted Boltzmann machines: `attractor train rbm`, `attractor generate rbm` and `attractor memory likelihood`.

pub mod generate;
pub mod likelihood;
pub mod options;
pub mod train;
