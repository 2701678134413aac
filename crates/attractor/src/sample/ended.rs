//! What a read of single units comes to.

use crate::pattern::Spins;

/// What a read came to.
pub(super) struct Annealed {
    /// The state of lowest energy among the start and the ends of the sweeps.
    pub best: Spins,
    pub last: Spins,
    /// Energy after each sweep, if asked for.
    pub energies: Vec<f64>,
}
