//! The Boltzmann distribution of a few spins, state by state: what every sampler is held to.

use super::schedule::check_temperature;
use crate::energy::{Couplings, SpinMemory, SpinWalk};
use crate::error::{Error, Result};
use crate::pattern::Spins;

/// Most units whose states are all held.
pub const MOST_UNITS: usize = 20;

/// p(x) = exp(-E(x) / T) / Z of every state. Bit i of a state's number is 1 where x_i = +1.
#[derive(Debug, Clone, PartialEq)]
pub struct Enumerated {
    units: usize,
    temperature: f64,
    energies: Vec<f64>,
    probabilities: Vec<f64>,
    log_z: f64,
}

/// Every state of one energy.
#[derive(Debug, Clone, PartialEq)]
pub struct EnergyLevel {
    /// E, the lowest of them.
    pub energy: f64,
    /// Numbers of the states; how many they are is the level's degeneracy.
    pub states: Vec<usize>,
}

/// Energies that differ by more than this share of the largest are two levels: less is rounding.
const ONE_LEVEL: f64 = 1e-9;

impl Enumerated {
    /// All states of a memory of spins at a temperature.
    ///
    /// # Errors
    /// `is_shape` for more than 20 units, `is_usage` for a temperature that is not above zero.
    /// # Cost
    /// 2^N flips, 16 bytes a state.
    pub fn new(couplings: &Couplings, temperature: f64) -> Result<Self> {
        check_temperature("exact", "temperature", temperature)?;
        let units = couplings.units();
        if units > MOST_UNITS {
            return Err(Error::shape(format!(
                "exact: 2^{units} states of {units} units; at most {MOST_UNITS} are held, sample larger ones"
            )));
        }
        let mut energies = vec![0.0; 1 << units];
        let mut walk = couplings.walk(&Spins::new(units));
        let mut state = 0usize;
        energies[0] = walk.energy();
        for step in 1..1usize << units {
            let unit = step.trailing_zeros() as usize;
            walk.flip(unit);
            state ^= 1 << unit;
            if step % 256 == 0 {
                walk.recompute();
            }
            energies[state] = walk.energy();
        }
        let lowest = energies.iter().copied().fold(f64::INFINITY, f64::min);
        let mut probabilities: Vec<f64> = energies.iter().map(|e| (-(e - lowest) / temperature).exp()).collect();
        let z: f64 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|p| *p /= z);
        Ok(Self { units, temperature, energies, probabilities, log_z: z.ln() - lowest / temperature })
    }

    /// E of every state.
    pub fn energies(&self) -> &[f64] {
        &self.energies
    }

    /// p of every state; they add up to one.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// The energy levels, ascending: the first is the ground state's.
    pub fn levels(&self) -> Vec<EnergyLevel> {
        let energies = &self.energies;
        let mut order: Vec<usize> = (0..energies.len()).collect();
        order.sort_by(|&a, &b| energies[a].total_cmp(&energies[b]).then(a.cmp(&b)));
        let reach = energies.iter().fold(1.0, |most: f64, e| most.max(e.abs()));
        let mut all: Vec<EnergyLevel> = Vec::new();
        for state in order {
            match all.last_mut() {
                Some(level) if energies[state] - level.energy <= ONE_LEVEL * reach => level.states.push(state),
                _ => all.push(EnergyLevel { energy: energies[state], states: vec![state] }),
            }
        }
        all
    }

    /// P(E): the probability of a level, all its states together.
    ///
    /// # Panics
    /// If the level is one of more states.
    pub fn probability_of(&self, level: &EnergyLevel) -> f64 {
        level.states.iter().map(|&state| self.probabilities[state]).sum()
    }

    /// log Z, nats: ln sum_x exp(-E(x) / T).
    pub fn log_z(&self) -> f64 {
        self.log_z
    }

    /// The number of a state.
    ///
    /// # Panics
    /// If it has another number of units.
    pub fn number(&self, state: &Spins) -> usize {
        assert_eq!(state.len(), self.units, "exact: a state of another number of units");
        state.words().first().map_or(0, |&word| word as usize)
    }

    /// sum_x p(x) f(number of x).
    fn mean(&self, f: impl Fn(usize) -> f64) -> f64 {
        self.probabilities.iter().enumerate().map(|(state, p)| p * f(state)).sum()
    }

    /// Mean energy.
    pub fn mean_energy(&self) -> f64 {
        self.mean(|state| self.energies[state])
    }

    /// Heat capacity: variance of the energy / T^2.
    pub fn heat_capacity(&self) -> f64 {
        let mean = self.mean_energy();
        self.mean(|state| (self.energies[state] - mean).powi(2)) / (self.temperature * self.temperature)
    }

    /// Entropy, nats.
    pub fn entropy(&self) -> f64 {
        self.log_z + self.mean_energy() / self.temperature
    }

    /// Mean of each spin.
    pub fn means(&self) -> Vec<f64> {
        (0..self.units).map(|i| self.mean(|state| sign(state, i))).collect()
    }

    /// Mean of x_i x_j, (N, N), row by row; 1 on the diagonal.
    pub fn correlations(&self) -> Vec<f64> {
        let mut all = vec![1.0; self.units * self.units];
        for i in 0..self.units {
            for j in 0..i {
                let mean = self.mean(|state| sign(state, i) * sign(state, j));
                all[i * self.units + j] = mean;
                all[j * self.units + i] = mean;
            }
        }
        all
    }
}

/// x_i of a state's number.
pub(super) fn sign(state: usize, unit: usize) -> f64 {
    if state >> unit & 1 == 1 { 1.0 } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two coupled spins with a field, by hand.
    #[test]
    fn two_spins_are_what_the_formula_says() {
        let (j, b, t) = (0.8, 0.3, 0.7);
        let couplings = Couplings::sparse(2, &[(0, 1, j)]).unwrap().with_biases(vec![b, 0.0]).unwrap();
        let exact = Enumerated::new(&couplings, t).unwrap();
        // Z = 4 cosh(J / T) cosh(b / T).
        assert!((exact.log_z() - (4.0 * (j / t).cosh() * (b / t).cosh()).ln()).abs() < 1e-14);
        let (m, c) = ((b / t).tanh(), (j / t).tanh());
        let means = exact.means();
        assert!((means[0] - m).abs() < 1e-14 && (means[1] - m * c).abs() < 1e-14);
        assert!((exact.correlations()[1] - c).abs() < 1e-14);
        assert!((exact.mean_energy() + j * c + b * m).abs() < 1e-14);
        let entropy: f64 = -exact.probabilities().iter().map(|p| p * p.ln()).sum::<f64>();
        assert!((exact.entropy() - entropy).abs() < 1e-13);
    }

    /// d log Z / d b_i = <x_i> / T, d log Z / d J_ij = <x_i x_j> / T, d<E> / dT = heat capacity: by central differences.
    #[test]
    fn log_z_differentiates_to_the_means() {
        let edges = [(0, 1, 0.5), (1, 2, -0.8), (0, 3, 1.1), (2, 3, 0.4)];
        let (t, step) = (1.3, 1e-5);
        let of = |edges: &[(usize, usize, f64)], b: f64, t: f64| {
            let couplings = Couplings::sparse(4, edges).unwrap().with_biases(vec![0.2, b, -0.4, 0.0]).unwrap();
            Enumerated::new(&couplings, t).unwrap()
        };
        let exact = of(&edges, 0.3, t);
        let by_bias = (of(&edges, 0.3 + step, t).log_z() - of(&edges, 0.3 - step, t).log_z()) / (2.0 * step);
        assert!((by_bias - exact.means()[1] / t).abs() < 1e-9);
        let moved = |by: f64| [(0, 1, 0.5), (1, 2, -0.8 + by), (0, 3, 1.1), (2, 3, 0.4)];
        let by_weight = (of(&moved(step), 0.3, t).log_z() - of(&moved(-step), 0.3, t).log_z()) / (2.0 * step);
        assert!((by_weight - exact.correlations()[6] / t).abs() < 1e-9);
        let heat = (of(&edges, 0.3, t + step).mean_energy() - of(&edges, 0.3, t - step).mean_energy()) / (2.0 * step);
        assert!((heat - exact.heat_capacity()).abs() < 1e-9);
    }

    /// Three spins in a ring: two aligned states, six with two broken bonds; rounding does not part them.
    #[test]
    fn levels_are_energies_with_their_degeneracy() {
        let ring = Couplings::sparse(3, &[(0, 1, 0.1), (1, 2, 0.1), (0, 2, 0.1)]).unwrap();
        let exact = Enumerated::new(&ring, 0.7).unwrap();
        let levels = exact.levels();
        assert_eq!(levels.iter().map(|level| level.states.len()).collect::<Vec<_>>(), [2, 6]);
        assert!(levels[0].states == [0, 7] && (levels[0].energy + 0.3).abs() < 1e-15, "{levels:?}");
        let shares: Vec<f64> = levels.iter().map(|level| exact.probability_of(level)).collect();
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        assert!((shares[1] / shares[0] - 3.0 * (-0.4f64 / 0.7).exp()).abs() < 1e-14, "{shares:?}");
    }

    #[test]
    fn cold_states_do_not_overflow() {
        let pair = Couplings::sparse(2, &[(0, 1, 1e6)]).unwrap();
        let exact = Enumerated::new(&pair, 1e-3).unwrap();
        assert_eq!(exact.probabilities(), [0.5, 0.0, 0.0, 0.5]);
        assert!((exact.log_z() - (1e9 + 2f64.ln())).abs() < 1e-6);
        assert!(Enumerated::new(&pair, 0.0).unwrap_err().is_usage());
        assert!(Enumerated::new(&Couplings::sparse(21, &[]).unwrap(), 1.0).unwrap_err().is_shape());
    }
}
