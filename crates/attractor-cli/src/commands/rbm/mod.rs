//! Restricted Boltzmann machines: `attractor train rbm`, `attractor generate rbm` and `attractor memory likelihood`.

mod against;
mod complete;
pub mod generate;
pub mod likelihood;
mod made;
mod measure;
pub mod options;
mod pictures;
pub mod resume;
pub mod train;
