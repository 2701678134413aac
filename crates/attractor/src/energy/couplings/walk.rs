//! A state on its way through coupled spins, its fields kept up to date.

use super::{Couplings, Storage};
use crate::energy::SpinWalk;
use crate::pattern::Spins;

/// A state on its way, with all its fields and its energy.
///
/// A flip changes the neighbours' fields and the energy; of whole numbers (below 2^53) these stay exact, others gather
/// rounding errors until [`recompute`](Self::recompute).
#[derive(Debug, Clone)]
pub struct CouplingsWalk<'a> {
    couplings: &'a Couplings,
    state: Spins,
    fields: Vec<f64>,
    energy: f64,
}

impl<'a> CouplingsWalk<'a> {
    pub(super) fn new(couplings: &'a Couplings, start: &Spins) -> Self {
        let mut walk = Self { couplings, state: start.clone(), fields: vec![0.0; start.len()], energy: 0.0 };
        walk.recompute();
        walk
    }

    /// h of every unit.
    pub fn fields(&self) -> &[f64] {
        &self.fields
    }

    /// Fields and energy from the definition.
    pub fn recompute(&mut self) {
        let x: Vec<f64> = self.state.to_signs().into_iter().map(f64::from).collect();
        let couplings = self.couplings;
        let mut twice = 0.0;
        for unit in 0..x.len() {
            let sum: f64 = match &couplings.storage {
                Storage::Dense(matrix) => dot(&matrix[unit * x.len()..][..x.len()], &x),
                Storage::Sparse { starts, columns, weights } => {
                    let row = starts[unit]..starts[unit + 1];
                    columns[row.clone()].iter().zip(&weights[row]).map(|(&j, weight)| weight * x[j as usize]).sum()
                }
            };
            self.fields[unit] = sum + couplings.biases[unit];
            // x (h + b) holds each pair twice and each bias twice.
            twice += x[unit] * (self.fields[unit] + couplings.biases[unit]);
        }
        self.energy = -twice / 2.0;
    }
}

/// In eight sums, which the processor adds at once; the order is the same on every machine.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for at in 0..8 {
            sums[at] += a[at] * b[at];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

impl SpinWalk for CouplingsWalk<'_> {
    fn state(&self) -> &Spins {
        &self.state
    }

    fn field(&self, unit: usize) -> f64 {
        self.fields[unit]
    }

    fn flip(&mut self, unit: usize) {
        let old = f64::from(self.state.sign(unit));
        self.energy += 2.0 * old * self.fields[unit];
        let step = -2.0 * old;
        match &self.couplings.storage {
            Storage::Dense(matrix) => {
                let row = &matrix[unit * self.fields.len()..][..self.fields.len()];
                self.fields.iter_mut().zip(row).for_each(|(field, weight)| *field += step * weight);
            }
            Storage::Sparse { starts, columns, weights } => {
                let row = starts[unit]..starts[unit + 1];
                for (&j, weight) in columns[row.clone()].iter().zip(&weights[row]) {
                    self.fields[j as usize] += step * weight;
                }
            }
        }
        self.state.flip(unit);
    }

    fn energy(&self) -> f64 {
        self.energy
    }
}
