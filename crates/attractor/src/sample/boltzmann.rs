//! Boltzmann machines that learn: couplings and biases that make given states likely.

use super::Dynamics;
use super::exact::{Enumerated, MOST_UNITS, sign};
use crate::energy::{Couplings, SpinMemory, SpinWalk};
use crate::error::{Error, Result};
use crate::pattern::Spins;
use crate::random::Philox;

/// A general Boltzmann machine of spins at temperature 1: p(v, h) = exp(-E(v, h)) / Z over visible and hidden units, every
/// pair coupled. Without hidden units it is fully visible.
///
/// | symbol | here      | shape  | unit |
/// | J      | `weights` | (N, N) | nats; symmetric, its diagonal zero |
/// | b      | `biases`  | (N)    | nats |
///
/// Units 0..visible are the visible ones.
///
/// # Source
/// Ackley, Hinton and Sejnowski 1985, *A learning algorithm for Boltzmann machines*; differs: spins +-1 in place of bits.
#[derive(Debug, Clone, PartialEq)]
pub struct BoltzmannMachine {
    visible: usize,
    hidden: usize,
    weights: Vec<f64>,
    biases: Vec<f64>,
}

/// Change of the mean log-likelihood of a pattern with the parameters: `weights` (N, N), `biases` (N).
///
/// dL / dJ_ij = <x_i x_j> with the data clamped - <x_i x_j> of the machine left free, a pair counted once; likewise
/// <x_i> for b_i.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradient {
    /// By pair, symmetric, its diagonal zero.
    pub weights: Vec<f64>,
    /// By unit.
    pub biases: Vec<f64>,
}

impl Gradient {
    fn zero(units: usize) -> Self {
        Self { weights: vec![0.0; units * units], biases: vec![0.0; units] }
    }

    /// Adds p times the moments of a state whose spins are `x`.
    fn add(&mut self, p: f64, x: &[f64]) {
        let units = x.len();
        for i in 0..units {
            self.biases[i] += p * x[i];
            for j in (0..units).filter(|&j| j != i) {
                self.weights[i * units + j] += p * x[i] * x[j];
            }
        }
    }
}

impl BoltzmannMachine {
    /// All parameters normal with mean zero and this standard deviation (of zero weights the hidden units would stay alike).
    ///
    /// # Errors
    /// `is_shape` for no visible unit or more units than memory holds, `is_usage` for a deviation that is negative or no
    /// finite number.
    pub fn new(visible: usize, hidden: usize, deviation: f64, random: &mut Philox) -> Result<Self> {
        let units = visible.checked_add(hidden).filter(|n| visible > 0 && n.checked_mul(8 * n).is_some());
        let Some(units) = units else {
            return Err(Error::shape(format!(
                "boltzmann: {visible} visible and {hidden} hidden units; expected at least one visible, all pairs in memory"
            )));
        };
        if !(deviation >= 0.0 && deviation.is_finite()) {
            return Err(Error::usage(format!("boltzmann: a deviation of {deviation}; expected zero or more")));
        }
        let mut weights = vec![0.0; units * units];
        for i in 0..units {
            for j in 0..i {
                let weight = deviation * random.normal();
                (weights[i * units + j], weights[j * units + i]) = (weight, weight);
            }
        }
        let biases = (0..units).map(|_| deviation * random.normal()).collect();
        Ok(Self { visible, hidden, weights, biases })
    }

    /// Number of visible units.
    pub fn visible(&self) -> usize {
        self.visible
    }

    /// Number of hidden units.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// J, row by row.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// b.
    pub fn biases(&self) -> &[f64] {
        &self.biases
    }

    /// Its energy, to sample or anneal.
    ///
    /// # Errors
    /// `is_usage` if a parameter is not a finite number: learning diverged.
    pub fn couplings(&self) -> Result<Couplings> {
        Couplings::dense(self.biases.len(), &self.weights)?.with_biases(self.biases.clone())
    }

    fn enumerated(&self) -> Result<Enumerated> {
        if self.biases.len() > MOST_UNITS {
            return Err(Error::shape(format!(
                "boltzmann: {} visible and {} hidden units; exact likelihoods enumerate at most {MOST_UNITS} together, \
                 use sampled gradients beyond",
                self.visible, self.hidden
            )));
        }
        Enumerated::new(&self.couplings()?, 1.0)
    }

    fn check(&self, data: &[Spins]) -> Result<()> {
        if data.is_empty() {
            return Err(Error::shape("boltzmann: no pattern to learn; give at least one"));
        }
        if let Some(at) = data.iter().position(|pattern| pattern.len() != self.visible) {
            return Err(Error::shape(format!(
                "boltzmann: pattern {at} has {} units, the machine shows {}; both must be equal",
                data[at].len(),
                self.visible
            )));
        }
        Ok(())
    }

    /// Numbers of the visible states of data, each with its share.
    fn shares(&self, data: &[Spins]) -> std::collections::BTreeMap<usize, f64> {
        let mut shares = std::collections::BTreeMap::new();
        for pattern in data {
            *shares.entry(pattern.words()[0] as usize).or_default() += 1.0 / data.len() as f64;
        }
        shares
    }

    /// ln p(v) of a visible state.
    fn log_p(&self, exact: &Enumerated, visible: usize) -> f64 {
        let all = (0..1usize << self.hidden).map(|hidden| -exact.energies()[visible | hidden << self.visible]);
        let largest = all.clone().fold(f64::NEG_INFINITY, f64::max);
        largest + all.map(|e| (e - largest).exp()).sum::<f64>().ln() - exact.log_z()
    }

    /// p(v) of every visible state; bit i of its number is 1 where unit i is +1.
    ///
    /// # Errors
    /// `is_shape` for more than 20 units.
    pub fn visible_law(&self) -> Result<Vec<f64>> {
        let exact = self.enumerated()?;
        Ok((0..1usize << self.visible).map(|visible| self.log_p(&exact, visible).exp()).collect())
    }

    /// Mean of ln p(v) over patterns, nats, by enumeration.
    ///
    /// # Errors
    /// `is_shape` for more than 20 units, no pattern, or one of another length.
    pub fn log_likelihood(&self, data: &[Spins]) -> Result<f64> {
        self.check(data)?;
        let exact = self.enumerated()?;
        Ok(self.shares(data).into_iter().map(|(visible, share)| share * self.log_p(&exact, visible)).sum())
    }

    /// Kullback-Leibler divergence of the machine from the data's distribution, nats: sum p_data ln(p_data / p).
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    pub fn divergence(&self, data: &[Spins]) -> Result<f64> {
        let likelihood = self.log_likelihood(data)?;
        Ok(self.shares(data).values().map(|share| share * share.ln()).sum::<f64>() - likelihood)
    }

    /// The gradient of the mean log-likelihood, by enumeration.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood).
    /// # Cost
    /// O(2^N N^2).
    pub fn gradient(&self, data: &[Spins]) -> Result<Gradient> {
        self.check(data)?;
        let exact = self.enumerated()?;
        let units = self.biases.len();
        let mut gradient = Gradient::zero(units);
        let mut x = vec![0.0; units];
        // p(x) with v clamped to the data, less p(x): of both the moments.
        let mut law: Vec<f64> = exact.probabilities().iter().map(|p| -p).collect();
        for (visible, share) in self.shares(data) {
            let log_p = self.log_p(&exact, visible);
            for hidden in 0..1usize << self.hidden {
                let state = visible | hidden << self.visible;
                law[state] += share * (-exact.energies()[state] - exact.log_z() - log_p).exp();
            }
        }
        for (state, &p) in law.iter().enumerate() {
            (0..units).for_each(|i| x[i] = sign(state, i));
            gradient.add(p, &x);
        }
        Ok(gradient)
    }

    /// A gradient by sampling, for machines of any size: hidden units are drawn by `clamped` sweeps for each pattern, the
    /// machine left free by `free` sweeps of chains that go on from call to call.
    ///
    /// Its mean is the gradient as far as the chains have forgotten where they came from; hidden units start at random.
    ///
    /// # Errors
    /// `is_shape` for no pattern, one of another length, or chains of another machine; `is_usage` if a parameter is no
    /// finite number.
    /// # Source
    /// Chains that go on: Younes 1989; Tieleman 2008 (for the restricted machine: PCD).
    pub fn sampled_gradient(
        &self,
        data: &[Spins],
        chains: &mut [Spins],
        clamped: usize,
        free: usize,
        random: &mut Philox,
    ) -> Result<Gradient> {
        self.check(data)?;
        let units = self.biases.len();
        if chains.is_empty() || chains.iter().any(|chain| chain.len() != units) {
            return Err(Error::shape(format!(
                "boltzmann: {} chains for a machine of {units} units; give at least one, each of all units",
                chains.len()
            )));
        }
        let couplings = self.couplings()?;
        let mut gradient = Gradient::zero(units);
        let signs = |state: &Spins| state.to_signs().into_iter().map(f64::from).collect::<Vec<_>>();
        for pattern in data {
            let mut start = Spins::random(units, random);
            (0..self.visible).for_each(|unit| start.set(unit, pattern.is_up(unit)));
            let mut walk = couplings.walk(&start);
            for _ in 0..clamped {
                for unit in self.visible..units {
                    Dynamics::HeatBath.update(&mut walk, unit, 1.0, random);
                }
            }
            gradient.add(1.0 / data.len() as f64, &signs(walk.state()));
        }
        let share = -1.0 / chains.len() as f64;
        for chain in chains {
            let mut walk = couplings.walk(chain);
            for _ in 0..free {
                Dynamics::HeatBath.sweep(&mut walk, 1.0, random);
            }
            gradient.add(share, &signs(walk.state()));
            *chain = walk.state().clone();
        }
        Ok(gradient)
    }

    /// One step up a gradient.
    ///
    /// # Errors
    /// `is_shape` for a gradient of another machine, `is_usage` if the rate, or a parameter after the step, is no finite
    /// number; the parameters are then as before.
    pub fn ascend(&mut self, gradient: &Gradient, rate: f64) -> Result<()> {
        if gradient.weights.len() != self.weights.len() || gradient.biases.len() != self.biases.len() {
            return Err(Error::shape(format!(
                "boltzmann: a gradient of {} units for a machine of {}; the two must be equal",
                gradient.biases.len(),
                self.biases.len()
            )));
        }
        let step = |old: &[f64], by: &[f64]| old.iter().zip(by).map(|(p, g)| p + rate * g).collect::<Vec<_>>();
        let (weights, biases) = (step(&self.weights, &gradient.weights), step(&self.biases, &gradient.biases));
        if !weights.iter().chain(&biases).all(|p| p.is_finite()) {
            return Err(Error::usage(format!(
                "boltzmann: a step at rate {rate} overflows; use a smaller learning rate"
            )));
        }
        (self.weights, self.biases) = (weights, biases);
        Ok(())
    }

    /// Learns by exact gradients; the mean log-likelihood before every step and after the last.
    ///
    /// # Errors
    /// As [`log_likelihood`](Self::log_likelihood) and [`ascend`](Self::ascend).
    pub fn learn(&mut self, data: &[Spins], rate: f64, steps: usize) -> Result<Vec<f64>> {
        let mut trace = vec![self.log_likelihood(data)?];
        for _ in 0..steps {
            let gradient = self.gradient(data)?;
            self.ascend(&gradient, rate)?;
            trace.push(self.log_likelihood(data)?);
        }
        Ok(trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(units: usize, numbers: &[u64]) -> Vec<Spins> {
        numbers.iter().map(|&number| Spins::from_words(units, &[number])).collect()
    }

    /// Every parameter, with and without hidden units, one pattern twice.
    #[test]
    fn the_gradient_is_that_of_the_likelihood() {
        for (visible, hidden) in [(4, 0), (3, 2)] {
            let mut machine = BoltzmannMachine::new(visible, hidden, 0.7, &mut Philox::new(101, 0)).unwrap();
            let data = patterns(visible, &[0b101, 0b001, 0b101, 0b110]);
            let gradient = machine.gradient(&data).unwrap();
            let (units, step) = (visible + hidden, 1e-5);
            for i in 0..units {
                let mut at = |by: f64| {
                    machine.biases[i] += by;
                    let value = machine.log_likelihood(&data).unwrap();
                    machine.biases[i] -= by;
                    value
                };
                let slope = (at(step) - at(-step)) / (2.0 * step);
                assert!((slope - gradient.biases[i]).abs() < 1e-8);
                for j in 0..i {
                    let mut at = |by: f64| {
                        machine.weights[i * units + j] += by;
                        machine.weights[j * units + i] += by;
                        let value = machine.log_likelihood(&data).unwrap();
                        machine.weights[i * units + j] -= by;
                        // Exactly equal again: the machine asks for symmetry.
                        machine.weights[j * units + i] = machine.weights[i * units + j];
                        value
                    };
                    let slope = (at(step) - at(-step)) / (2.0 * step);
                    assert!((slope - gradient.weights[i * units + j]).abs() < 1e-8);
                    assert_eq!(gradient.weights[i * units + j], gradient.weights[j * units + i]);
                }
                assert_eq!(gradient.weights[i * units + i], 0.0);
            }
        }
    }

    /// Enumerated likelihoods are those of the enumerated law, and the divergence is the law's.
    #[test]
    fn likelihood_and_divergence_are_those_of_the_visible_law() {
        let machine = BoltzmannMachine::new(3, 2, 0.9, &mut Philox::new(102, 0)).unwrap();
        let law = machine.visible_law().unwrap();
        assert!((law.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        let exact = Enumerated::new(&machine.couplings().unwrap(), 1.0).unwrap();
        for (visible, p) in law.iter().enumerate() {
            let marginal: f64 = (0..4).map(|hidden| exact.probabilities()[visible | hidden << 3]).sum();
            assert!((p - marginal).abs() < 1e-15);
        }
        let data = patterns(3, &[1, 1, 6, 7]);
        let likelihood = (2.0 * law[1].ln() + law[6].ln() + law[7].ln()) / 4.0;
        assert!((machine.log_likelihood(&data).unwrap() - likelihood).abs() < 1e-14);
        let divergence = 0.5 * (0.5 / law[1]).ln() + 0.25 * (0.25 / law[6]).ln() + 0.25 * (0.25 / law[7]).ln();
        assert!((machine.divergence(&data).unwrap() - divergence).abs() < 1e-14);
    }

    /// Even parity of three spins has no mean and no pair correlation: fully visible machines learn nothing of it (ln 2
    /// nats are missing), one hidden unit is enough (x_1 x_2 x_3 is a hidden spin's conditional).
    #[test]
    fn parity_needs_a_hidden_unit() {
        let data = patterns(3, &[0b000, 0b011, 0b101, 0b110]);
        let mut plain = BoltzmannMachine::new(3, 0, 0.1, &mut Philox::new(103, 0)).unwrap();
        plain.learn(&data, 0.2, 300).unwrap();
        assert!((plain.divergence(&data).unwrap() - 2f64.ln()).abs() < 1e-3);
        let mut deep = BoltzmannMachine::new(3, 1, 0.5, &mut Philox::new(103, 1)).unwrap();
        let trace = deep.learn(&data, 0.2, 600).unwrap();
        assert!(trace.windows(2).all(|pair| pair[1] > pair[0] - 1e-12), "small exact steps never lose");
        assert!(deep.divergence(&data).unwrap() < 0.1, "{}", deep.divergence(&data).unwrap());
    }

    /// What has been learnt by a fully visible machine: the data's means and pair correlations.
    #[test]
    fn a_learnt_machine_has_the_datas_moments() {
        let data = patterns(4, &[1, 2, 3, 3, 7, 8, 9, 12, 0, 5, 10, 15]);
        let mut machine = BoltzmannMachine::new(4, 0, 0.1, &mut Philox::new(104, 0)).unwrap();
        machine.learn(&data, 0.3, 400).unwrap();
        let exact = Enumerated::new(&machine.couplings().unwrap(), 1.0).unwrap();
        let correlations = exact.correlations();
        for i in 0..4 {
            let x = |pattern: &Spins, i: usize| f64::from(pattern.sign(i));
            let mean = data.iter().map(|p| x(p, i)).sum::<f64>() / 12.0;
            assert!((exact.means()[i] - mean).abs() < 1e-4);
            for j in 0..i {
                let pair = data.iter().map(|p| x(p, i) * x(p, j)).sum::<f64>() / 12.0;
                assert!((correlations[i * 4 + j] - pair).abs() < 1e-4);
            }
        }
    }

    /// Sampled gradients scatter round the exact one: every component within five standard errors over batches.
    #[test]
    fn sampled_gradients_have_the_exact_mean() {
        let machine = BoltzmannMachine::new(3, 2, 0.6, &mut Philox::new(105, 0)).unwrap();
        let data = patterns(3, &[1, 6, 7]);
        let exact = machine.gradient(&data).unwrap();
        let mut random = Philox::new(105, 1);
        let mut chains: Vec<Spins> = (0..30).map(|_| Spins::random(5, &mut random)).collect();
        machine.sampled_gradient(&data, &mut chains, 1, 50, &mut random).unwrap();
        // 25 sweeps between: far more than these weights need, so that batches are independent.
        let batches = 300;
        let all: Vec<Gradient> =
            (0..batches).map(|_| machine.sampled_gradient(&data, &mut chains, 15, 25, &mut random).unwrap()).collect();
        let near = |of: &dyn Fn(&Gradient) -> f64| {
            let mean = all.iter().map(of).sum::<f64>() / f64::from(batches);
            let variance = all.iter().map(|g| (of(g) - mean).powi(2)).sum::<f64>() / f64::from(batches - 1);
            (mean - of(&exact)).abs() <= 5.0 * (variance / f64::from(batches)).sqrt() + 1e-15
        };
        assert!((0..5).all(|i| near(&|g| g.biases[i])) && (0..25).all(|ij| near(&|g| g.weights[ij])));
    }

    #[test]
    fn what_cannot_be_learnt_is_refused() {
        let random = &mut Philox::new(0, 0);
        assert!(BoltzmannMachine::new(0, 3, 0.1, random).unwrap_err().is_shape());
        assert!(BoltzmannMachine::new(usize::MAX, 1, 0.1, random).unwrap_err().is_shape());
        assert!(BoltzmannMachine::new(2, 0, f64::NAN, random).unwrap_err().is_usage());
        let mut machine = BoltzmannMachine::new(2, 1, 0.1, random).unwrap();
        assert!(machine.log_likelihood(&[]).unwrap_err().is_shape());
        assert!(machine.gradient(&[Spins::new(3)]).unwrap_err().is_shape());
        assert!(machine.sampled_gradient(&[Spins::new(2)], &mut [], 1, 1, random).unwrap_err().is_shape());
        assert!(machine.sampled_gradient(&[Spins::new(2)], &mut [Spins::new(2)], 1, 1, random).unwrap_err().is_shape());
        let gradient = machine.gradient(&[Spins::new(2)]).unwrap();
        let before = machine.clone();
        assert!(machine.ascend(&gradient, f64::NAN).unwrap_err().is_usage() && machine == before);
        assert!(machine.ascend(&Gradient::zero(2), 0.1).unwrap_err().is_shape());
        let large = BoltzmannMachine::new(15, 6, 0.1, random).unwrap();
        assert!(large.log_likelihood(&[Spins::new(15)]).unwrap_err().is_shape());
    }
}
