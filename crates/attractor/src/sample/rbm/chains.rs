//! Chains that go on from update to update: persistent ones, and tempered replicas that change places.

use rayon::prelude::*;

use super::half::{self, How};
use super::kernel::{self, Draws, Keep, Slab, Tempered};
use super::model::{Rbm, Visible};
use super::path;
use super::place::Place;
use super::product;
use crate::random::{Philox, stream};

/// Phases of random numbers within an update: Gibbs half-steps count from 0, these stand apart.
const START: u32 = 1 << 30;

/// Draws h of `rows` chains at the end of the base-rate model: v from the base rates, h given v.
pub(super) fn start(rbm: &Rbm, base: &[f32], rows: usize, tempered: Option<Tempered<'_>>, seed: u64) -> Vec<f32> {
    let place = Place::tight(rows);
    let draws = Draws { seed, update: 0, phase: START };
    let mut u = vec![0.0; rbm.visible_units() * rows];
    let slab = Slab { numbers: &mut u, stride: rows, offset: 0 };
    match &rbm.visible {
        Visible::Binary => kernel::activate(slab, rows, 0, base, None, Keep::Sample, None, draws),
        Visible::Gaussian { variance } => {
            kernel::activate_gaussian(slab, rows, 0, base, variance, None, Some(draws));
        }
    }
    let mut h = vec![0.0; rbm.hidden_units() * rows];
    let how = How { rows, tempered, draws: Draws { phase: START + 1, ..draws } };
    half::hidden(rbm, (&u, place), (&mut h, place), None, Some(Keep::Sample), how);
    h
}

/// Replicas on the path from the base-rate model to the machine.
///
/// A slot keeps its state and changes its beta, so a swap moves two numbers.
///
/// # Source
/// Desjardins et al. 2010, *Tempered Markov chain Monte Carlo for training of restricted Boltzmann machines*; differs:
/// the hidden units are summed out of the swap, and even and odd pairs take turns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Replicas {
    /// Inverse temperatures, rising to 1.
    pub betas: Vec<f32>,
    /// Chains per beta.
    pub chains: usize,
    /// Which slot is at beta k of chain c: [k, c].
    pub slots: Vec<u64>,
    /// h of every slot, unit by unit.
    pub hidden: Vec<f32>,
    /// u of every slot.
    visible: Vec<f32>,
    /// x = W'u, then p(h = 1 given v) at the slot's beta.
    input: Vec<f32>,
    /// Swaps tried and accepted between beta k and k + 1.
    pub tried: Vec<u64>,
    pub accepted: Vec<u64>,
    /// Swap rounds done: even and odd pairs take turns.
    pub rounds: u64,
}

impl Replicas {
    pub fn new(rbm: &Rbm, base: &[f32], betas: Vec<f32>, chains: usize, seed: u64) -> Self {
        let rows = betas.len() * chains;
        let slots: Vec<u64> = (0..rows as u64).collect();
        let mut this = Self {
            chains,
            slots,
            hidden: Vec::new(),
            visible: vec![0.0; rbm.visible_units() * rows],
            input: vec![0.0; rbm.hidden_units() * rows],
            tried: vec![0; betas.len() - 1],
            accepted: vec![0; betas.len() - 1],
            rounds: 0,
            betas,
        };
        let t = this.of_slots();
        this.hidden = start(rbm, base, rows, Some(Tempered { rows: &t, base: None }), seed);
        this
    }

    fn of_slots(&self) -> Vec<f32> {
        let mut t = vec![0.0; self.slots.len()];
        for (at, &slot) in self.slots.iter().enumerate() {
            t[slot as usize] = self.betas[at / self.chains];
        }
        t
    }

    /// v given h, swaps, h given v, at every beta.
    pub fn step(&mut self, rbm: &Rbm, base: &[f32], draws: Draws) {
        let rows = self.slots.len();
        let place = Place::tight(rows);
        let t = self.of_slots();
        let how = How { rows, tempered: Some(Tempered { rows: &t, base: Some(base) }), draws };
        half::visible(rbm, (&self.hidden, place), (&mut self.visible, place), how);
        half::hidden(rbm, (&self.visible, place), (&mut self.input, place), None, None, how);
        self.swap(rbm, base, draws);
        let t = self.of_slots();
        let tempered = Some(Tempered { rows: &t, base: None });
        let draws = Draws { phase: draws.phase + 1, ..draws };
        let length = product::block(rbm.hidden_units(), rows, rbm.visible_units());
        let pieces = self.input.par_chunks_mut(length * rows).zip(self.hidden.par_chunks_mut(length * rows));
        pieces.enumerate().for_each(|(index, (input, hidden))| {
            let first = index * length;
            let bias = &rbm.hidden_bias[first..(first + length).min(rbm.hidden_units())];
            let slab = Slab { numbers: input, stride: rows, offset: 0 };
            let samples = Slab { numbers: hidden, stride: rows, offset: 0 };
            kernel::activate(slab, rows, first, bias, tempered, Keep::Probability(1.0), Some(samples), draws);
        });
    }

    /// Neighbours change places with probability min(1, p_i(v_j) p_j(v_i) / p_i(v_i) p_j(v_j)).
    fn swap(&mut self, rbm: &Rbm, base: &[f32], draws: Draws) {
        let rows = self.slots.len();
        let pairs: Vec<usize> = (self.rounds as usize % 2..self.betas.len().max(1) - 1).step_by(2).collect();
        self.rounds += 1;
        if pairs.is_empty() {
            return;
        }
        let mut tilt = vec![0.0; rows];
        path::tilt(rbm, base, (&self.visible, Place::tight(rows)), &mut tilt);
        let own: Vec<f64> = self.of_slots().into_iter().map(f64::from).collect();
        let mut other = own.clone();
        let slot = |slots: &[u64], k: usize, c: usize| slots[k * self.chains + c] as usize;
        for &k in &pairs {
            for c in 0..self.chains {
                let (i, j) = (slot(&self.slots, k, c), slot(&self.slots, k + 1, c));
                (other[i], other[j]) = (own[j], own[i]);
            }
        }
        let [mut here, mut there] = [vec![0.0; rows], vec![0.0; rows]];
        path::log_weight(rbm, (&self.input, Place::tight(rows)), &tilt, &own, &mut here);
        path::log_weight(rbm, (&self.input, Place::tight(rows)), &tilt, &other, &mut there);
        for &k in &pairs {
            for c in 0..self.chains {
                let (i, j) = (slot(&self.slots, k, c), slot(&self.slots, k + 1, c));
                let log_ratio = there[i] + there[j] - here[i] - here[j];
                // Of another key than the Gibbs half-steps; the rounds count on over the whole training.
                let (seed, stream) = stream::swap(draws.seed, self.rounds, i as u64);
                let mut random = Philox::new(seed, stream);
                self.tried[k] += 1;
                if random.uniform().ln() < log_ratio {
                    self.accepted[k] += 1;
                    self.slots.swap(k * self.chains + c, (k + 1) * self.chains + c);
                }
            }
        }
    }

    /// u and p(h = 1 given v), times `factor`, of the replicas at beta = 1.
    pub fn target(&self, (visible, hidden): (&mut [f32], &mut [f32]), to: Place, factor: f32) {
        let rows = self.slots.len();
        let last = &self.slots[rows - self.chains..];
        for (from, to_units, factor) in [(&self.visible, visible, 1.0), (&self.input, hidden, factor)] {
            for (from, out) in from.chunks(rows).zip(to_units.chunks_mut(to.stride)) {
                for (out, &slot) in out[to.offset..].iter_mut().zip(last) {
                    *out = factor * from[slot as usize];
                }
            }
        }
    }
}
