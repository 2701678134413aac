//! What a machine does with a whole set of data: reconstruction, free-energy gaps, dead and saturated units, weights.

use rayon::prelude::*;
use serde::Serialize;

use super::model::{Rbm, Visible};
use super::rows::{Mean, Rows};
use crate::error::{Error, Result};
use crate::random::{Philox, stream};

/// A hidden unit is dead if its mean activation over the data is below this.
pub const DEAD: f64 = 0.01;

/// A hidden unit is saturated if its mean activation over the data is above this.
pub const SATURATED: f64 = 0.99;

/// What hidden units do on a set of data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Activations {
    /// Mean over the rows of p(h_j = 1 given v), of every hidden unit.
    pub mean: Vec<f64>,
    /// Hidden units with a mean below [`DEAD`].
    pub dead: Vec<usize>,
    /// Hidden units with a mean above [`SATURATED`].
    pub saturated: Vec<usize>,
    /// Mean over units.
    pub overall: f64,
    /// Standard deviation over units of their means.
    pub deviation: f64,
    /// Share of units and rows with p(h_j = 1 given v) above one half.
    pub fraction: f64,
    /// Mean entropy of a hidden unit given v, nats: how undecided the units are.
    pub entropy: f64,
}

/// Statistics of the weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub deviation: f64,
    /// Smallest.
    pub least: f64,
    /// Largest.
    pub most: f64,
    /// Largest Euclidean norm of a hidden unit's weights.
    pub longest: f64,
}

/// Mean free energies and their differences.
///
/// Free energies are comparable within one machine only: their differences carry no ln Z.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// F of the data trained on.
    pub train: Mean,
    /// F of the others.
    pub other: Mean,
    /// Mean F of the others minus that of the data trained on.
    pub gap: f64,
    /// Standard error of the gap, the two sets taken as independent.
    pub standard_error: f64,
}

/// Mean over rows and units of (v - E(v given h'))^2 with h' = p(h given v): a reconstruction without noise.
///
/// It is not what training lowers, and it does not rank machines: see [`Alarm`](super::Alarm).
///
/// # Errors
/// As [`Rbm::accepts`]; `is_shape` for no rows.
pub fn reconstruction_error(rbm: &Rbm, rows: Rows<'_>) -> Result<f64> {
    needs_rows(rows)?;
    let hidden = rbm.hidden_given(rows)?;
    let back = rbm.visible_given(Rows::new(&hidden, rbm.hidden_units())?)?;
    let squares = back.iter().zip(rows.values()).map(|(&p, &v)| (f64::from(p) - f64::from(v)).powi(2));
    Ok(squares.sum::<f64>() / back.len() as f64)
}

/// Free energy of held-out data against that of training data: it grows as the machine overfits (Hinton 2010, section 6).
///
/// # Errors
/// As [`Rbm::accepts`]; `is_shape` for no rows.
pub fn free_energy_gap(rbm: &Rbm, train: Rows<'_>, held_out: Rows<'_>) -> Result<Gap> {
    needs_rows(train)?;
    needs_rows(held_out)?;
    let [train, other] = [Mean::of(&rbm.free_energy(train)?), Mean::of(&rbm.free_energy(held_out)?)];
    Ok(Gap {
        train,
        other,
        gap: other.value - train.value,
        standard_error: train.standard_error.hypot(other.standard_error),
    })
}

/// The weak comparison: free energy of random states (fair bits, or normal numbers of the units' variances) against that of
/// the data, as many as there are rows. Any machine that has learnt the pixel means passes it.
///
/// # Errors
/// As [`free_energy_gap`].
pub fn weak_gap_to_random(rbm: &Rbm, train: Rows<'_>, seed: u64) -> Result<Gap> {
    let n = rbm.visible_units();
    let random: Vec<f32> = (0..train.count())
        .into_par_iter()
        .flat_map_iter(|row| {
            let mut random = Philox::new(seed, stream::item(row as u64));
            (0..n).map(move |unit| match &rbm.visible {
                Visible::Binary => (random.next_u32() & 1) as f32,
                Visible::Gaussian { variance } => variance[unit].sqrt() * random.normal() as f32,
            })
        })
        .collect();
    free_energy_gap(rbm, train, Rows::new(&random, n)?)
}

/// What the hidden units do, over all rows.
///
/// # Errors
/// As [`Rbm::accepts`]; `is_shape` for no rows.
pub fn activations(rbm: &Rbm, rows: Rows<'_>) -> Result<Activations> {
    needs_rows(rows)?;
    let m = rbm.hidden_units();
    let hidden = rbm.hidden_given(rows)?;
    let mean = Rows::new(&hidden, m)?.means();
    let units = |test: &dyn Fn(f64) -> bool| (0..m).filter(|&j| test(mean[j])).collect::<Vec<_>>();
    let (dead, saturated) = (units(&|p| p < DEAD), units(&|p| p > SATURATED));
    let overall = mean.iter().sum::<f64>() / m as f64;
    let deviation = (mean.iter().map(|p| (p - overall).powi(2)).sum::<f64>() / m as f64).sqrt();
    let plog = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    let entropies = hidden.iter().map(|&p| plog(f64::from(p)) + plog(1.0 - f64::from(p)));
    let entropy = entropies.sum::<f64>() / hidden.len() as f64;
    let fraction = hidden.iter().filter(|&&p| p > 0.5).count() as f64 / hidden.len() as f64;
    Ok(Activations { mean, dead, saturated, overall, deviation, fraction, entropy })
}

/// Statistics of the weights.
pub fn weights(rbm: &Rbm) -> Weights {
    let numbers = rbm.weights.iter().map(|&w| f64::from(w));
    let count = rbm.weights.len() as f64;
    let mean = numbers.clone().sum::<f64>() / count;
    let mut squares = vec![0.0; rbm.hidden_units()];
    for row in rbm.weights.chunks(rbm.hidden_units()) {
        squares.iter_mut().zip(row).for_each(|(sum, &w)| *sum += f64::from(w) * f64::from(w));
    }
    Weights {
        mean,
        deviation: (numbers.clone().map(|w| (w - mean).powi(2)).sum::<f64>() / count).sqrt(),
        least: numbers.clone().fold(f64::INFINITY, f64::min),
        most: numbers.fold(f64::NEG_INFINITY, f64::max),
        longest: squares.into_iter().fold(0.0, f64::max).sqrt(),
    }
}

fn needs_rows(rows: Rows<'_>) -> Result<()> {
    if rows.count() == 0 {
        return Err(Error::shape("rbm monitor: no rows to look at; give at least one"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    /// One visible unit, three hidden ones with biases -9, 0, 9: dead, alive, saturated; entropies of sigma.
    #[test]
    fn dead_and_saturated_units_are_found() {
        let rbm = Rbm::new(Visible::Binary, vec![0.0; 3], vec![0.0], vec![-9.0, 0.0, 9.0]).unwrap();
        let seen = activations(&rbm, Rows::new(&[0.0, 1.0], 1).unwrap()).unwrap();
        assert_eq!((seen.dead, seen.saturated), (vec![0], vec![2]));
        assert!((seen.overall - 0.5).abs() < 1e-6);
        let p: f64 = 1.0 / (1.0 + 9f64.exp());
        let h = -p * p.ln() - (1.0 - p) * (1.0 - p).ln();
        assert!((seen.entropy - (2.0 * h + 2f64.ln()) / 3.0).abs() < 1e-6);
    }

    /// A unit that is off in nine of ten rows is not dead, whatever the last row says.
    #[test]
    fn units_are_judged_over_all_rows() {
        let rbm = Rbm::new(Visible::Binary, vec![20.0], vec![0.0], vec![-10.0]).unwrap();
        let mut rows = [0.0f32; 10];
        rows[0] = 1.0;
        let seen = activations(&rbm, Rows::new(&rows, 1).unwrap()).unwrap();
        assert!(seen.dead.is_empty() && (seen.mean[0] - 0.1).abs() < 1e-3);
    }

    #[test]
    fn gaps_and_errors_are_differences_of_their_definitions() {
        let rbm = toy::machine(3, 2, 1.0, 1);
        let (a, b) = ([0.0, 1.0, 1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0]);
        let (train, other) = (Rows::new(&a, 3).unwrap(), Rows::new(&b, 3).unwrap());
        let gap = free_energy_gap(&rbm, train, other).unwrap();
        let free = rbm.free_energy(train).unwrap();
        let expected = rbm.free_energy(other).unwrap()[0] - (free[0] + free[1]) / 2.0;
        assert!((gap.gap - expected).abs() < 1e-12);
        assert!((gap.train.standard_error - (free[0] - free[1]).abs() / 2.0).abs() < 1e-12);
        // Without weights a reconstruction is sigma(a) = 1/2 everywhere.
        let blank = Rbm::new(Visible::Binary, vec![0.0; 6], vec![0.0; 3], vec![0.0; 2]).unwrap();
        assert!((reconstruction_error(&blank, train).unwrap() - 0.25).abs() < 1e-7);
        let weak = weak_gap_to_random(&rbm, train, 3).unwrap();
        assert_eq!(weak.train, gap.train);
        assert!(activations(&rbm, Rows::new(&[], 3).unwrap()).unwrap_err().is_shape());
    }

    #[test]
    fn weights_are_summarised() {
        let rbm = Rbm::new(Visible::Binary, vec![3.0, 0.0, 4.0, -1.0], vec![0.0; 2], vec![0.0; 2]).unwrap();
        let seen = weights(&rbm);
        assert_eq!((seen.mean, seen.least, seen.most, seen.longest), (1.5, -1.0, 4.0, 5.0));
        assert!((seen.deviation - 4.25f64.sqrt()).abs() < 1e-12);
    }
}
