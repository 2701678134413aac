//! One movement of the parameters, from states of data and model.
//!
//! With offsets mu, nu the gradient is taken in centred variables, and the parameters stay those of the plain machine:
//! dW = <(u - mu)(h - nu)'>_data - <...>_model, da = <u>_data - <u>_model - dW nu, db = <h>_data - <h>_model - dW'mu.
//! Momentum, weight decay and rates act on dW and on the first parts of da and db, and every movement of W takes the
//! biases along (-dW nu, -dW'mu). So the whole training, not only its gradient, is invariant to a change of names of 0
//! and 1 at any unit.
//!
//! The states of data and model stand side by side, those of the model with the sign turned: the gradient of W is one
//! product, and it goes straight into the velocity.
//!
//! # Source
//! Cho, Raiko and Ilin 2011 (enhanced gradient); Montavon and Muller 2012; Melchior, Fischer and Wiskott 2016, *How to center
//! deep Boltzmann machines*; differs: momentum and decay act on the centred parameters.

#[cfg(test)]
mod tests;

use rayon::prelude::*;

use super::binary::Bits;
use super::model::Rbm;
use super::place::Place;
use super::plan::Sparsity;
use super::product::{self, Scaling, View, multiply};

/// States of `model` rows, then of `data` rows, unit by unit, from `place` on.
pub(super) struct Pairs<'a> {
    /// u.
    pub visible: &'a [f32],
    /// p(h = 1 given v); those of the model times -data / model.
    pub hidden: &'a [f32],
    pub place: Place,
    pub model: usize,
    pub data: usize,
}

/// How far to go.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub weights: f32,
    pub visible: f32,
    pub hidden: f32,
    pub momentum: f32,
    pub weight_decay: f32,
    pub centring: Option<f32>,
    pub sparsity: Option<Sparsity>,
    pub clip: Option<f32>,
}

/// What moves besides the parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Motion {
    pub weights: Vec<f32>,
    pub visible: Vec<f32>,
    pub hidden: Vec<f32>,
    /// mu.
    pub visible_offset: Vec<f32>,
    /// nu.
    pub hidden_offset: Vec<f32>,
    /// Sliding mean of hidden activations, for the sparsity target.
    pub activation: Vec<f32>,
    /// The gradient of W, if its norm must be known before it is used.
    pub gradient: Vec<f32>,
}

/// What an update saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub moment_gap: f64,
    pub activation: f64,
    pub norm: Option<f64>,
}

const LANES: usize = 16;

/// Means of every unit over the rows of data, and over those of the model with the sign of the pairs, times `scale`.
struct Means<'a> {
    numbers: &'a [f32],
    pairs: &'a Pairs<'a>,
    scale: f32,
}

impl pulp::NullaryFnOnce for Means<'_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn call(self) -> Self::Output {
        let (mut data, mut model) = (Vec::new(), Vec::new());
        for unit in self.numbers.chunks(self.pairs.place.stride) {
            let (m, rest) = unit[self.pairs.place.offset..].split_at(self.pairs.model);
            data.push(sum(&rest[..self.pairs.data]) / self.pairs.data as f32);
            model.push(sum(m) * self.scale);
        }
        (data, model)
    }
}

#[inline(always)]
fn sum(numbers: &[f32]) -> f32 {
    let (chunks, tail) = numbers.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    lanes.iter().sum::<f32>() + tail.iter().sum::<f32>()
}

impl Motion {
    /// At rest; the offsets at `means` and one half.
    pub fn new(rbm: &Rbm, means: Vec<f32>, target: Option<Sparsity>) -> Self {
        let (n, m) = (rbm.visible_units(), rbm.hidden_units());
        Self {
            weights: vec![0.0; n * m],
            visible: vec![0.0; n],
            hidden: vec![0.0; m],
            visible_offset: means,
            hidden_offset: vec![0.5; m],
            activation: vec![target.map_or(0.0, |sparsity| sparsity.target); m],
            gradient: Vec::new(),
        }
    }

    /// Moves the machine.
    pub fn apply(&mut self, rbm: &mut Rbm, pairs: &Pairs<'_>, settings: Settings) -> Seen {
        let (n, m) = (rbm.visible_units(), rbm.hidden_units());
        let means = |numbers, scale| pulp::Arch::new().dispatch(Means { numbers, pairs, scale });
        let (u_data, u_model) = means(pairs.visible, 1.0 / pairs.model as f32);
        let (h_data, h_model) = means(pairs.hidden, 1.0 / pairs.data as f32);
        if let Some(share) = settings.centring {
            let slide = |offset: &mut [f32], mean: &[f32]| {
                offset.iter_mut().zip(mean).for_each(|(offset, mean)| *offset += share * (mean - *offset));
            };
            slide(&mut self.visible_offset, &u_data);
            slide(&mut self.hidden_offset, &h_data);
        }
        let activation = h_data.iter().map(|&h| f64::from(h)).sum::<f64>() / m as f64;
        let du: Vec<f32> = u_data.iter().zip(&u_model).map(|(d, m)| d - m).collect();
        // The model's sign is turned already.
        let dh: Vec<f32> = h_data.iter().zip(&h_model).map(|(d, m)| d + m).collect();
        let moment_gap = (du.iter().map(|&d| f64::from(d * d)).sum::<f64>() / n as f64).sqrt();
        let centre = settings.centring.map(|_| (&self.visible_offset[..], &self.hidden_offset[..]));

        let depth = pairs.model + pairs.data;
        let length = product::block(n, m, depth);
        let product = |index: usize, slab: &mut [f32], scaling: Scaling| {
            let own = Place { offset: index * length * pairs.place.stride + pairs.place.offset, ..pairs.place };
            let right = View { numbers: pairs.hidden, offset: pairs.place.offset, row: 1, column: own.stride };
            match Bits::of_units((pairs.visible, own), slab.len() / m, depth, m) {
                Some(bits) => bits.into_rows(slab, m, right, scaling),
                None => {
                    let left = View { numbers: pairs.visible, offset: own.offset, row: own.stride, column: 1 };
                    multiply(slab, (m, 0), (slab.len() / m, m, depth), left, right, scaling);
                }
            }
        };
        let rate = settings.weights;
        let share = 1.0 / pairs.data as f32;
        let mut factor = 1.0;
        let mut norm = None;
        if let Some(longest) = settings.clip {
            self.gradient.resize(n * m, 0.0);
            let pieces = self.gradient.par_chunks_mut(length * m).with_max_len(1).enumerate();
            let squares: Vec<f64> = pieces
                .map(|(index, slab)| {
                    product(index, slab, Scaling { old: 0.0, new: share });
                    let mut squares = 0.0;
                    for (row, slab) in slab.chunks_mut(m).enumerate() {
                        let unit = index * length + row;
                        if let Some((mu, nu)) = centre {
                            for ((g, dh), nu) in slab.iter_mut().zip(&dh).zip(nu) {
                                *g -= mu[unit] * dh + du[unit] * nu;
                            }
                        }
                        squares += slab.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
                    }
                    squares
                })
                .collect();
            let biases: f64 = du.iter().chain(&dh).map(|&d| f64::from(d) * f64::from(d)).sum();
            let length = (squares.iter().sum::<f64>() + biases).sqrt();
            norm = Some(length);
            if length > f64::from(longest) {
                factor = (f64::from(longest) / length) as f32;
            }
        }

        // The velocity of W, W itself, and what the biases owe to the movement.
        let gradient = settings.clip.map(|_| &self.gradient[..]);
        let pieces = self.weights.par_chunks_mut(length * m).zip(rbm.weights.par_chunks_mut(length * m));
        let owed: Vec<(Vec<f32>, Vec<f32>)> = pieces
            .with_max_len(1)
            .enumerate()
            .map(|(index, (velocity, weights))| {
                match gradient {
                    None => {
                        product(index, velocity, Scaling { old: settings.momentum, new: rate * share });
                    }
                    Some(gradient) => {
                        let gradient = &gradient[index * length * m..];
                        for (v, g) in velocity.iter_mut().zip(gradient) {
                            *v = settings.momentum * *v + rate * factor * g;
                        }
                    }
                }
                let mut to_visible = vec![0.0; velocity.len() / m];
                let mut to_hidden = vec![0.0; m];
                let rows = velocity.chunks_mut(m).zip(weights.chunks_mut(m)).zip(&mut to_visible).enumerate();
                pulp::Arch::new().dispatch(
                    #[inline(always)]
                    || {
                        for (row, ((velocity, weights), to_visible)) in rows {
                            let unit = index * length + row;
                            match centre {
                                None => drift(velocity, weights, rate * settings.weight_decay),
                                Some((mu, nu)) => {
                                    // The centred gradient of the product above, unless it is centred already.
                                    let (of_mu, of_nu) =
                                        if gradient.is_some() { (0.0, 0.0) } else { (mu[unit], du[unit]) };
                                    let pull = [rate * of_mu, rate * of_nu, rate * settings.weight_decay];
                                    *to_visible =
                                        centred_drift(velocity, weights, &dh, nu, pull, mu[unit], &mut to_hidden);
                                }
                            }
                        }
                    },
                );
                (to_visible, to_hidden)
            })
            .collect();

        let wanted = settings.sparsity.map(|sparsity| {
            for (mean, &h) in self.activation.iter_mut().zip(&h_data) {
                *mean = sparsity.memory * *mean + (1.0 - sparsity.memory) * h;
            }
            sparsity
        });
        let owed_visible = owed.iter().flat_map(|(visible, _)| visible);
        for (((a, velocity), du), owed) in rbm.visible_bias.iter_mut().zip(&mut self.visible).zip(&du).zip(owed_visible)
        {
            *velocity = settings.momentum * *velocity + settings.visible * factor * du;
            *a += *velocity - owed;
        }
        for (j, (b, velocity)) in rbm.hidden_bias.iter_mut().zip(&mut self.hidden).enumerate() {
            let sparse = wanted.map_or(0.0, |sparsity| sparsity.cost * (sparsity.target - self.activation[j]));
            *velocity = settings.momentum * *velocity + settings.hidden * (factor * dh[j] + sparse);
            *b += *velocity - owed.iter().map(|(_, hidden)| hidden[j]).sum::<f32>();
        }
        Seen { moment_gap, activation, norm }
    }
}

/// velocity -= decay W; W += velocity.
#[inline(always)]
fn drift(velocity: &mut [f32], weights: &mut [f32], decay: f32) {
    for (v, w) in velocity.iter_mut().zip(weights) {
        *v -= decay * *w;
        *w += *v;
    }
}

/// The same with the corrections of centring: velocity -= p0 dh + p1 nu + p2 W. Answers velocity . nu, and adds mu x velocity
/// to `to_hidden`.
#[inline(always)]
fn centred_drift(
    velocity: &mut [f32],
    weights: &mut [f32],
    dh: &[f32],
    nu: &[f32],
    [of_mu, of_nu, decay]: [f32; 3],
    mu: f32,
    to_hidden: &mut [f32],
) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = velocity.len() / LANES * LANES;
    let chunks = velocity.as_chunks_mut::<LANES>().0.iter_mut().zip(weights.as_chunks_mut::<LANES>().0);
    let others = dh.as_chunks::<LANES>().0.iter().zip(nu.as_chunks::<LANES>().0);
    let owed = to_hidden.as_chunks_mut::<LANES>().0;
    for (((v, w), (dh, nu)), owed) in chunks.zip(others).zip(owed) {
        for lane in 0..LANES {
            let moved = v[lane] - (of_mu * dh[lane] + of_nu * nu[lane] + decay * w[lane]);
            v[lane] = moved;
            w[lane] += moved;
            lanes[lane] += moved * nu[lane];
            owed[lane] += mu * moved;
        }
    }
    let mut total = lanes.iter().sum::<f32>();
    for j in whole..velocity.len() {
        let moved = velocity[j] - (of_mu * dh[j] + of_nu * nu[j] + decay * weights[j]);
        velocity[j] = moved;
        weights[j] += moved;
        total += moved * nu[j];
        to_hidden[j] += mu * moved;
    }
    total
}
