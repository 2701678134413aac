//! Sampling: what an energy is at a temperature.
//!
//! States follow p(x) = exp(-E(x) / T) / Z. [`gibbs`] and [`metropolis`] say how one unit is updated, [`Dynamics`] chooses
//! between them, [`Colouring`] says which units may be updated at once, [`Schedule`] how the temperature falls. On these
//! stand [`Annealing`] (cooling, many reads), [`Tempering`] (copies at many temperatures that change places),
//! [`BoltzmannMachine`] (learning the energy from states) and [`rbm`] (the same without couplings within a layer). [`Enumerated`] is the truth for a few units, which the tests of
//! this folder hold every sampler to.
//!
//! Inside: `stream` makes random thresholds, `single` sweeps one read and `reads` sixty-four with them, [`follow`] is the
//! plain way that both are held to. A [`Descent`] ends every read.

mod anneal;
mod block;
mod boltzmann;
mod descent;
mod ended;
mod exact;
pub mod gibbs;
#[cfg(test)]
mod kernels;
mod lane;
pub mod metropolis;
pub mod rbm;
mod reads;
mod rule;
mod schedule;
mod single;
mod small;
mod stream;
mod temper;

pub use anneal::{Annealed, Annealing, Engine, Read, Sweep, follow, temperatures};
pub use block::{Colouring, sweep as block_sweep};
pub use boltzmann::{BoltzmannMachine, Gradient};
pub use descent::Descent;
pub use exact::{EnergyLevel, Enumerated};
pub use rule::Dynamics;
pub use schedule::{Cooling, Schedule};
pub use temper::{Tempering, exchange_probability, ladder};
