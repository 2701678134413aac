//! Which change of one unit is accepted at a temperature.

use crate::energy::SpinWalk;
use crate::random::Philox;

crate::choice! {
    /// The two rules by which one spin is updated. Both keep exp(-E / T) in detailed balance.
    ///
    /// Metropolis moves more often, and swept unit by unit it cools faster; a unit without field is flipped every time, so a
    /// sequence of sweeps over such units alone never mixes. See [`gibbs`](super::gibbs) for the heat bath.
    #[derive(Default)]
    pub enum Dynamics {
        /// Flipped with probability min(1, exp(-dE / T)).
        #[default]
        Metropolis = "metropolis",
        /// Resampled from its distribution given the other spins: Gibbs sampling.
        HeatBath = "heat-bath",
    }
}

impl Dynamics {
    /// Probability that a unit is flipped, given x_i h_i in its state before; a flip costs dE = 2 x_i h_i.
    ///
    /// # Panics
    /// If the temperature is not above zero.
    pub fn flip_probability(self, aligned: f64, temperature: f64) -> f64 {
        assert!(temperature > 0.0, "sample: a temperature of {temperature}");
        match self {
            Self::HeatBath => super::gibbs::probability_of_up(-aligned, temperature),
            Self::Metropolis => super::metropolis::acceptance(2.0 * aligned, temperature),
        }
    }

    /// Updates one unit; true if it was flipped. Takes one number from the stream.
    ///
    /// # Panics
    /// As [`flip_probability`](Self::flip_probability), and if there is no such unit.
    pub fn update(self, walk: &mut impl SpinWalk, unit: usize, temperature: f64, random: &mut Philox) -> bool {
        let aligned = walk.field(unit) * f64::from(walk.state().sign(unit));
        let turns = random.uniform() < self.flip_probability(aligned, temperature);
        if turns {
            walk.flip(unit);
        }
        turns
    }

    /// Updates every unit once, from the first to the last; how many were flipped.
    ///
    /// One sweep keeps exp(-E / T), though not in detailed balance: the order has a direction.
    ///
    /// # Panics
    /// As [`update`](Self::update).
    pub fn sweep(self, walk: &mut impl SpinWalk, temperature: f64, random: &mut Philox) -> usize {
        (0..walk.state().len()).filter(|&unit| self.update(walk, unit, temperature, random)).count()
    }
}
