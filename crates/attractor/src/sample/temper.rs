//! Parallel tempering: copies at many temperatures that change places.

use rayon::prelude::*;

use super::Dynamics;
use super::schedule::check_temperature;
use crate::energy::{Couplings, CouplingsWalk, Energy, SpinMemory, SpinWalk};
use crate::error::{Error, Result};
use crate::pattern::Spins;
use crate::random::{Philox, stream};

/// A ladder of replicas, one per temperature; neighbours on it exchange their states with probability
/// min(1, exp((1/T_a - 1/T_b) (E_a - E_b))), which keeps the product of their distributions.
///
/// Pairs (0, 1), (2, 3), ... try to exchange after even rounds, pairs (1, 2), (3, 4), ... after odd ones: such a fixed
/// alternation carries states up and down the ladder, where pairs at random would let them diffuse.
///
/// # Source
/// Swendsen and Wang 1986; Hukushima and Nemoto 1996; the alternation: Okabe, Kawata, Okamoto and Mikami 2001, and why it is
/// faster: Syed, Bouchard-Cote, Deligiannidis and Doucet 2022, *Non-reversible parallel tempering*.
#[derive(Debug, Clone)]
pub struct Tempering<'a> {
    couplings: &'a Couplings,
    rule: Dynamics,
    temperatures: Vec<f64>,
    /// On each rung: the state, and which copy stands there.
    rungs: Vec<Rung<'a>>,
    exchanges: Philox,
    round: u64,
    /// Accepted and tried exchanges of rungs k and k + 1, and the sum of the refusals' probabilities.
    tried: Vec<Pair>,
    /// Of each copy: which end of the ladder it saw last.
    ends: Vec<Option<End>>,
    round_trips: usize,
    best: (f64, Spins),
}

#[derive(Debug, Clone)]
struct Rung<'a> {
    walk: CouplingsWalk<'a>,
    copy: usize,
    random: Philox,
    /// Lowest energy seen at the ends of its sweeps since the last exchange, and its state.
    lowest: (f64, Spins),
}

#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    accepted: u64,
    tried: u64,
    refusal: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Cold,
    /// Reached after the cold end.
    HotAfterCold,
    Hot,
}

impl<'a> Tempering<'a> {
    /// Copies in random states at temperatures that rise from rung to rung. Rung, exchanges and starts have streams of
    /// their own, so that the number of threads changes nothing.
    ///
    /// # Errors
    /// `is_usage` for fewer than two temperatures, one that is not above zero and finite, or one that does not rise.
    pub fn new(couplings: &'a Couplings, temperatures: &[f64], rule: Dynamics, seed: u64) -> Result<Self> {
        check_ladder(temperatures)?;
        let rung = |at: usize| {
            let mut random = Philox::new(seed, stream::rung(at as u64));
            let start = Spins::random(couplings.units(), &mut random);
            let walk = couplings.walk(&start);
            Rung { lowest: (walk.energy(), start), walk, copy: at, random }
        };
        let rungs: Vec<Rung<'a>> = (0..temperatures.len()).map(rung).collect();
        let mut tempering = Self {
            couplings,
            rule,
            temperatures: temperatures.to_vec(),
            best: rungs[0].lowest.clone(),
            exchanges: Philox::new(seed, stream::EXCHANGES),
            round: 0,
            tried: vec![Pair::default(); temperatures.len() - 1],
            ends: vec![None; temperatures.len()],
            round_trips: 0,
            rungs,
        };
        tempering.note_best();
        tempering.note_ends();
        Ok(tempering)
    }

    /// One round: `sweeps` sweeps of every copy at its temperature, then exchanges.
    pub fn round(&mut self, sweeps: usize) {
        let rule = self.rule;
        self.rungs.par_iter_mut().zip(&self.temperatures).for_each(|(rung, &temperature)| {
            for _ in 0..sweeps {
                rule.sweep(&mut rung.walk, temperature, &mut rung.random);
                if rung.walk.energy() < rung.lowest.0 {
                    rung.lowest = (rung.walk.energy(), rung.walk.state().clone());
                }
            }
            // Rounding errors of one round, not of all.
            rung.walk.recompute();
        });
        self.note_best();
        let first = (self.round % 2) as usize;
        for cold in (first..self.rungs.len() - 1).step_by(2) {
            let hot = cold + 1;
            let (a, b) = (self.rungs[cold].walk.energy(), self.rungs[hot].walk.energy());
            let p = exchange_probability(self.temperatures[cold], self.temperatures[hot], a, b);
            let pair = &mut self.tried[cold];
            pair.tried += 1;
            pair.refusal += 1.0 - p;
            // A number is drawn whatever p is: what comes later does not hang on it.
            if self.exchanges.uniform() < p {
                pair.accepted += 1;
                let (low, high) = self.rungs.split_at_mut(hot);
                let (low, high) = (&mut low[cold], &mut high[0]);
                // States and copies change places; each rung keeps its random numbers.
                std::mem::swap(&mut low.walk, &mut high.walk);
                std::mem::swap(&mut low.copy, &mut high.copy);
            }
        }
        self.round += 1;
        self.note_ends();
    }

    fn note_best(&mut self) {
        for rung in &mut self.rungs {
            if rung.lowest.0 < self.best.0 {
                self.best = rung.lowest.clone();
            }
            // Only what lies lower is of interest from now on.
            rung.lowest.0 = self.best.0;
        }
    }

    fn note_ends(&mut self) {
        let (cold, hot) = (self.rungs[0].copy, self.rungs[self.rungs.len() - 1].copy);
        if self.ends[cold] == Some(End::HotAfterCold) {
            self.round_trips += 1;
        }
        self.ends[cold] = Some(End::Cold);
        self.ends[hot] = match self.ends[hot] {
            Some(End::Cold | End::HotAfterCold) => Some(End::HotAfterCold),
            _ => Some(End::Hot),
        };
    }

    /// T of each rung, rising.
    pub fn temperatures(&self) -> &[f64] {
        &self.temperatures
    }

    /// The state on a rung, rung 0 the coldest.
    ///
    /// # Panics
    /// If there is no such rung.
    pub fn state(&self, rung: usize) -> &Spins {
        self.rungs[rung].walk.state()
    }

    /// Its energy.
    ///
    /// # Panics
    /// As [`state`](Self::state).
    pub fn energy(&self, rung: usize) -> f64 {
        self.rungs[rung].walk.energy()
    }

    /// Which copy stands on each rung; at the beginning copy k stands on rung k.
    pub fn copies(&self) -> Vec<usize> {
        self.rungs.iter().map(|rung| rung.copy).collect()
    }

    /// Share of accepted exchanges of rungs k and k + 1; NaN before the first try.
    pub fn swap_rates(&self) -> Vec<f64> {
        self.tried.iter().map(|pair| pair.accepted as f64 / pair.tried as f64).collect()
    }

    /// How often a copy went from the coldest rung to the hottest and back.
    pub fn round_trips(&self) -> usize {
        self.round_trips
    }

    /// The state of lowest energy at the start or the end of any sweep of any copy, and its energy.
    pub fn best(&self) -> (&Spins, f64) {
        (&self.best.1, self.couplings.energy(&self.best.1))
    }

    /// Moves the inner temperatures so that every pair refuses equally often, by the refusals so far, which are then
    /// forgotten; the two ends stay.
    ///
    /// The refusals, summed up the ladder, are a function of 1 / T that is nearly the same for any ladder (Syed's barrier):
    /// it is cut into equal parts, between the rungs by straight lines. A chain whose ladder still moves has no
    /// stationary law: adapt first, then sample.
    ///
    /// # Errors
    /// `is_usage` if a pair has not been tried yet.
    /// # Source
    /// Syed et al. 2022, algorithm 4; differs: linear interpolation.
    pub fn adapt(&mut self) -> Result<()> {
        if let Some(pair) = self.tried.iter().position(|pair| pair.tried == 0) {
            return Err(Error::usage(format!(
                "tempering: rungs {pair} and {} have not tried to exchange; make at least two rounds before adapting",
                pair + 1
            )));
        }
        let mut barrier = vec![0.0];
        for pair in &self.tried {
            // A pair that never refuses still has its place: temperatures must stay apart.
            barrier.push(barrier[barrier.len() - 1] + (pair.refusal / pair.tried as f64).max(1e-3));
        }
        let rungs = self.temperatures.len();
        let betas: Vec<f64> = self.temperatures.iter().map(|t| 1.0 / t).collect();
        let mut temperatures = self.temperatures.clone();
        for (at, temperature) in temperatures.iter_mut().enumerate().take(rungs - 1).skip(1) {
            let wanted = barrier[rungs - 1] * at as f64 / (rungs - 1) as f64;
            let above = barrier.partition_point(|&b| b < wanted).clamp(1, rungs - 1);
            let share = (wanted - barrier[above - 1]) / (barrier[above] - barrier[above - 1]);
            *temperature = 1.0 / (betas[above - 1] + share * (betas[above] - betas[above - 1]));
        }
        check_ladder(&temperatures)?;
        self.temperatures = temperatures;
        self.tried.fill(Pair::default());
        Ok(())
    }
}

/// min(1, exp((1/T_a - 1/T_b) (E_a - E_b))).
pub fn exchange_probability(t_a: f64, t_b: f64, e_a: f64, e_b: f64) -> f64 {
    ((1.0 / t_a - 1.0 / t_b) * (e_a - e_b)).exp().min(1.0)
}

/// Temperatures from the coldest to the hottest, each the same factor above the one before.
///
/// # Errors
/// `is_usage` for fewer than two rungs, a temperature that is not above zero and finite, or an end that does not lie above.
pub fn ladder(coldest: f64, hottest: f64, rungs: usize) -> Result<Vec<f64>> {
    check_temperature("tempering", "coldest", coldest)?;
    check_temperature("tempering", "hottest", hottest)?;
    let last = rungs.saturating_sub(1).max(1);
    let mut all: Vec<f64> = (0..rungs).map(|k| coldest * (hottest / coldest).powf(k as f64 / last as f64)).collect();
    if let Some(end) = all.last_mut() {
        *end = hottest;
    }
    check_ladder(&all)?;
    Ok(all)
}

fn check_ladder(temperatures: &[f64]) -> Result<()> {
    if temperatures.len() < 2 {
        return Err(Error::usage(format!(
            "tempering: {} temperatures; expected at least two, to exchange between",
            temperatures.len()
        )));
    }
    for &temperature in temperatures {
        check_temperature("tempering", "a temperature", temperature)?;
    }
    if let Some(at) = temperatures.windows(2).position(|pair| pair[1] <= pair[0]) {
        return Err(Error::usage(format!(
            "tempering: rung {at} has temperature {}, rung {} has {}; give them rising from the coldest",
            temperatures[at],
            at + 1,
            temperatures[at + 1]
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::ground_state;
    use crate::energy::problems::{sherrington_kirkpatrick, torus_glass};
    use crate::sample::Enumerated;

    /// Three spins at three temperatures: the exchange as a matrix over all 512 joint states keeps the product law, and
    /// is in detailed balance.
    #[test]
    fn exchanges_leave_the_joint_distribution_invariant() {
        let couplings = Couplings::sparse(3, &[(0, 1, 0.8), (1, 2, -1.1), (0, 2, 0.4)]).unwrap();
        let couplings = couplings.with_biases(vec![0.3, -0.2, 0.5]).unwrap();
        let temperatures = [0.6, 1.1, 2.5];
        let laws = temperatures.map(|t| Enumerated::new(&couplings, t).unwrap());
        let states = |joint: usize| [joint & 7, joint >> 3 & 7, joint >> 6];
        let pi = |joint: usize| -> f64 { (0..3).map(|rung| laws[rung].probabilities()[states(joint)[rung]]).product() };
        for cold in 0..2 {
            let mut after = vec![0.0; 512];
            for joint in 0..512 {
                let mut s = states(joint);
                let (a, b) = (laws[0].energies()[s[cold]], laws[0].energies()[s[cold + 1]]);
                let p = exchange_probability(temperatures[cold], temperatures[cold + 1], a, b);
                s.swap(cold, cold + 1);
                let to = s[0] | s[1] << 3 | s[2] << 6;
                let back = exchange_probability(temperatures[cold], temperatures[cold + 1], b, a);
                assert!((pi(joint) * p - pi(to) * back).abs() < 1e-16);
                after[to] += pi(joint) * p;
                after[joint] += pi(joint) * (1.0 - p);
            }
            assert!((0..512).all(|joint| (after[joint] - pi(joint)).abs() < 1e-15));
        }
    }

    /// Every rung samples its own temperature: mean energies within five standard errors, which batches measure.
    #[test]
    fn every_rung_has_its_temperatures_energy() {
        let couplings = torus_glass(3, 3, &mut Philox::new(91, 0)).unwrap().with_biases(vec![0.3; 9]).unwrap();
        let mut tempering = Tempering::new(&couplings, &[0.5, 1.0, 2.0, 4.0], Dynamics::HeatBath, 92).unwrap();
        (0..100).for_each(|_| tempering.round(1));
        let (batches, length) = (40, 100);
        let mut means = vec![vec![0.0; 4]; batches];
        let mut accepted = Vec::new();
        for mean in &mut means {
            let before = tempering.tried[0];
            for _ in 0..length {
                tempering.round(1);
                (0..4).for_each(|rung| mean[rung] += tempering.energy(rung) / length as f64);
            }
            let tried = (tempering.tried[0].tried - before.tried) as f64;
            accepted.push((tempering.tried[0].accepted - before.accepted) as f64 / tried);
        }
        for rung in 0..4 {
            let exact = Enumerated::new(&couplings, tempering.temperatures()[rung]).unwrap().mean_energy();
            let mean = means.iter().map(|m| m[rung]).sum::<f64>() / batches as f64;
            let variance = means.iter().map(|m| (m[rung] - mean).powi(2)).sum::<f64>() / (batches - 1) as f64;
            let error = (variance / batches as f64).sqrt();
            assert!((mean - exact).abs() < 5.0 * error, "rung {rung}: {mean} +- {error} for {exact}");
        }
        let mut copies = tempering.copies();
        copies.sort_unstable();
        assert_eq!(copies, [0, 1, 2, 3]);
        assert!(tempering.round_trips() > 10, "{}", tempering.round_trips());
        // The measured rate is that of the enumerated laws: <min(1, exp(...))> over both.
        let laws = [0, 1].map(|rung| Enumerated::new(&couplings, tempering.temperatures()[rung]).unwrap());
        let mut expected = 0.0;
        for (a, p) in laws[0].energies().iter().zip(laws[0].probabilities()) {
            for (b, q) in laws[1].energies().iter().zip(laws[1].probabilities()) {
                expected += p * q * exchange_probability(0.5, 1.0, *a, *b);
            }
        }
        let mean = accepted.iter().sum::<f64>() / batches as f64;
        let variance = accepted.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / (batches - 1) as f64;
        assert!((mean - expected).abs() < 5.0 * (variance / batches as f64).sqrt(), "{mean} for {expected}");
        assert!((tempering.swap_rates()[0] - mean).abs() < 0.02);
    }

    #[test]
    fn tempering_finds_the_enumerated_ground_state_for_any_number_of_threads() {
        let couplings = sherrington_kirkpatrick(18, &mut Philox::new(93, 0)).unwrap();
        let (_, ground, _) = ground_state(&couplings).unwrap();
        let run = || {
            let temperatures = ladder(0.1, 2.0, 6).unwrap();
            let mut tempering = Tempering::new(&couplings, &temperatures, Dynamics::Metropolis, 94).unwrap();
            (0..60).for_each(|_| tempering.round(3));
            (tempering.best().1, tempering.copies(), tempering.state(2).clone(), tempering.swap_rates())
        };
        let many = run();
        assert!((many.0 - ground).abs() < 1e-9);
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one.install(run), many);
    }

    /// A ladder whose rungs crowd at the hot end: adapted, its refusals are nearly even.
    #[test]
    fn adapting_evens_out_the_swap_rates() {
        let couplings = sherrington_kirkpatrick(60, &mut Philox::new(95, 0)).unwrap();
        let mut tempering = Tempering::new(&couplings, &[0.3, 1.5, 1.6, 1.8, 2.0], Dynamics::Metropolis, 96).unwrap();
        let spread = |rates: &[f64]| {
            rates.iter().fold(0.0, |m: f64, &r| m.max(r)) - rates.iter().fold(1.0, |m: f64, &r| m.min(r))
        };
        (0..200).for_each(|_| tempering.round(1));
        let before = spread(&tempering.swap_rates());
        for _ in 0..4 {
            tempering.adapt().unwrap();
            (0..200).for_each(|_| tempering.round(1));
        }
        let after = spread(&tempering.swap_rates());
        assert!(before > 0.7 && after < 0.3, "{before} {after} {:?}", tempering.temperatures());
        assert_eq!((tempering.temperatures()[0], tempering.temperatures()[4]), (0.3, 2.0));
    }

    #[test]
    fn ladders_that_do_not_rise_are_refused() {
        let pair = Couplings::sparse(2, &[(0, 1, 1.0)]).unwrap();
        for bad in [&[1.0][..], &[], &[1.0, 1.0], &[2.0, 1.0], &[0.0, 1.0], &[1.0, f64::NAN], &[1.0, f64::INFINITY]] {
            assert!(Tempering::new(&pair, bad, Dynamics::HeatBath, 0).unwrap_err().is_usage(), "{bad:?}");
        }
        assert!(ladder(1.0, 0.5, 3).is_err() && ladder(1.0, 2.0, 1).is_err() && ladder(0.0, 2.0, 3).is_err());
        let mut fresh = Tempering::new(&pair, &[1.0, 2.0], Dynamics::HeatBath, 0).unwrap();
        assert!(fresh.adapt().unwrap_err().is_usage());
    }
}
