//! Spins coupled in pairs: Ising's energy, Boltzmann's, every quadratic one.

#[cfg(test)]
mod tests;
mod walk;

pub use walk::CouplingsWalk;

use super::{Descends, Energy, SpinMemory, SpinWalk, Updating, one_by_one_alone};
use crate::error::{Error, Result};
use crate::pattern::Spins;

/// Couplings J and biases b of N spins: E(x) = -1/2 sum_ij J_ij x_i x_j - sum_i b_i x_i, J symmetric, its diagonal zero.
///
/// | symbol | here      | shape  | unit                 |
/// | J      | `weight`  | (N, N) | energy               |
/// | b      | `bias`    | (N)    | energy               |
/// | x      | `Spins`   | (N)    | +1 or -1             |
/// | h      | `field`   | (N)    | h = J x + b, energy  |
///
/// Turning unit i round changes the energy by 2 x_i h_i. Every pair counts once: E = -sum_(i<j) J_ij x_i x_j - b x.
///
/// # Cost
/// From edges: 12 bytes per end of an edge; from a matrix: 8 bytes per pair. A flip costs the unit's degree.
#[derive(Debug, Clone, PartialEq)]
pub struct Couplings {
    storage: Storage,
    biases: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq)]
enum Storage {
    /// Compressed rows, columns rising within a row: row i is `starts[i]..starts[i + 1]`.
    Sparse { starts: Vec<usize>, columns: Vec<u32>, weights: Vec<f64> },
    /// Row-major.
    Dense(Vec<f64>),
}

/// What [`Couplings::symmetrised`] left out of a matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lost {
    /// max |J_ij - J_ji| / 2. The energy of +-1 states does not hold this part; the fields of the asymmetric net do.
    pub asymmetry: f64,
    /// Share of the squared off-diagonal weights that was antisymmetric: 0 of a symmetric matrix, 1 of an antisymmetric one.
    pub share: f64,
    /// sum_i J_ii / 2: with the diagonal the energy of every state would be lower by this.
    pub diagonal: f64,
}

impl Couplings {
    /// From edges (i, j, J_ij), held by rows of what is there; a weight of zero is dropped. Biases are zero.
    ///
    /// # Errors
    /// `is_shape` if a unit does not exist or there are none or too many; `is_usage` for a loop at one unit, a pair given
    /// twice (in either direction), a weight that is not a finite number.
    pub fn sparse(units: usize, edges: &[(usize, usize, f64)]) -> Result<Self> {
        check_units(units)?;
        let mut starts = vec![0usize; units + 1];
        for (at, &(i, j, weight)) in edges.iter().enumerate() {
            if i >= units || j >= units {
                return Err(Error::shape(format!(
                    "couplings: edge {at} joins {i} and {j}, there are {units} units; count them from 0"
                )));
            }
            if i == j {
                return Err(Error::usage(format!(
                    "couplings: edge {at} joins unit {i} with itself; x_i^2 = 1, so leave it out (it adds -J/2 to every state)"
                )));
            }
            if !weight.is_finite() {
                return Err(Error::usage(format!(
                    "couplings: edge {at} ({i}, {j}) weighs {weight}; expected a number"
                )));
            }
            starts[i + 1] += 1;
            starts[j + 1] += 1;
        }
        check_sum(edges.iter().map(|edge| edge.2))?;
        for i in 0..units {
            starts[i + 1] += starts[i];
        }
        let mut ends = starts.clone();
        let mut entries = vec![(0u32, 0.0); starts[units]];
        for &(i, j, weight) in edges {
            for (a, b) in [(i, j), (j, i)] {
                entries[ends[a]] = (b as u32, weight);
                ends[a] += 1;
            }
        }
        for i in 0..units {
            let row = &mut entries[starts[i]..starts[i + 1]];
            row.sort_unstable_by_key(|entry| entry.0);
            if let Some(twice) = row.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(Error::usage(format!(
                    "couplings: the pair ({i}, {}) is given twice; add the weights and give it once",
                    twice[0].0
                )));
            }
        }
        let (mut columns, mut weights, mut kept) = (Vec::new(), Vec::new(), vec![0]);
        for i in 0..units {
            for &(j, weight) in entries[starts[i]..starts[i + 1]].iter().filter(|entry| entry.1 != 0.0) {
                columns.push(j);
                weights.push(weight);
            }
            kept.push(columns.len());
        }
        Ok(Self { storage: Storage::Sparse { starts: kept, columns, weights }, biases: vec![0.0; units] })
    }

    /// From a symmetric matrix, row-major, its diagonal zero. Biases are zero.
    ///
    /// # Errors
    /// `is_shape` if it is not N x N, `is_usage` for entries that are not finite numbers, a diagonal, or two entries of a
    /// pair that differ (says by how much; see [`symmetrised`](Self::symmetrised)).
    pub fn dense(units: usize, matrix: &[f64]) -> Result<Self> {
        let (couplings, lost) = Self::symmetrised(units, matrix)?;
        if let Some(i) = (0..units).find(|&i| matrix[i * units + i] != 0.0) {
            return Err(Error::usage(format!(
                "couplings: the diagonal is {} at unit {i}; x_i^2 = 1, so set it to zero (it adds {} to every state's energy)",
                matrix[i * units + i],
                -lost.diagonal
            )));
        }
        if lost.asymmetry > 0.0 {
            let pairs = (0..units).flat_map(|i| (0..i).map(move |j| (i, j)));
            let apart = |(i, j): (usize, usize)| (matrix[i * units + j] - matrix[j * units + i]).abs();
            let (i, j) = pairs.max_by(|&a, &b| apart(a).total_cmp(&apart(b))).unwrap_or_default();
            return Err(Error::usage(format!(
                "couplings: the matrix is not symmetric: J[{i}, {j}] = {}, J[{j}, {i}] = {}, {:.3} % of its squared weight; \
                 `symmetrised` takes the mean of both and tells what is lost",
                matrix[i * units + j],
                matrix[j * units + i],
                100.0 * lost.share
            )));
        }
        Ok(couplings)
    }

    /// From any matrix: (J + J^T) / 2 without its diagonal, and what that leaves out.
    ///
    /// The energy of states of +-1 is the matrix's own up to the constant `-Lost::diagonal`, since x^T A x = 0 for the
    /// antisymmetric part A. The dynamics is not: an asymmetric net has other fields and may cycle.
    ///
    /// # Errors
    /// `is_shape` if it is not N x N, `is_usage` for entries that are not finite numbers.
    pub fn symmetrised(units: usize, matrix: &[f64]) -> Result<(Self, Lost)> {
        check_units(units)?;
        if units.checked_mul(units) != Some(matrix.len()) {
            return Err(Error::shape(format!(
                "couplings: {} numbers for {units} units; expected {units} x {units}, row by row",
                matrix.len()
            )));
        }
        if let Some(at) = matrix.iter().position(|weight| !weight.is_finite()) {
            let (i, j) = (at / units, at % units);
            return Err(Error::usage(format!("couplings: J[{i}, {j}] is {}; expected a number", matrix[at])));
        }
        check_sum(matrix.iter().copied())?;
        let mut both = vec![0.0; matrix.len()];
        let (mut asymmetry, mut apart, mut all) = (0.0f64, 0.0, 0.0);
        for i in 0..units {
            for j in 0..i {
                let (a, b) = (matrix[i * units + j], matrix[j * units + i]);
                // Halves first: the mean of two large numbers must not overflow; of equal numbers it is exact.
                let mean = if a == b { a } else { a / 2.0 + b / 2.0 };
                both[i * units + j] = mean;
                both[j * units + i] = mean;
                let half = (a / 2.0 - b / 2.0).abs();
                asymmetry = asymmetry.max(half);
                apart += half * half;
                all += (a * a + b * b) / 2.0;
            }
        }
        let diagonal = (0..units).map(|i| matrix[i * units + i]).sum::<f64>() / 2.0;
        let lost = Lost { asymmetry, share: if all > 0.0 { apart / all } else { 0.0 }, diagonal };
        Ok((Self { storage: Storage::Dense(both), biases: vec![0.0; units] }, lost))
    }

    /// The energy of bits v in {0, 1}, E(v) = -1/2 sum_ij W_ij v_i v_j - sum_i a_i v_i, as one of spins x = 2v - 1, and the
    /// constant that is to be added to the spins' energy: J = W / 4, b_i = a_i / 2 + sum_j W_ij / 4.
    ///
    /// The spins' field is half the bits' field sum_j W_ij v_j + a_i, so that sigma(2 h_spin / T) = sigma(h_bit / T).
    ///
    /// # Errors
    /// As [`sparse`](Self::sparse); `is_shape` for another number of biases, `is_usage` if one is not a finite number.
    pub fn of_bits(units: usize, edges: &[(usize, usize, f64)], biases: &[f64]) -> Result<(Self, f64)> {
        let quarter: Vec<_> = edges.iter().map(|&(i, j, weight)| (i, j, weight / 4.0)).collect();
        let couplings = Self::sparse(units, &quarter)?.with_biases(biases.to_vec())?;
        let spins =
            (0..units).map(|i| biases[i] / 2.0 + couplings.neighbours(i).map(|(_, w)| w).sum::<f64>()).collect();
        // E of all bits and of all spins up, which are the same state.
        let of_bits = -edges.iter().map(|edge| edge.2).sum::<f64>() - biases.iter().sum::<f64>();
        let couplings = couplings.with_biases(spins)?;
        let mut up = Spins::new(units);
        (0..units).for_each(|i| up.set(i, true));
        let offset = of_bits - couplings.energy(&up);
        Ok((couplings, offset))
    }

    /// With biases b in place of those it has.
    ///
    /// # Errors
    /// `is_shape` for another number of them, `is_usage` if one is not a finite number.
    pub fn with_biases(mut self, biases: Vec<f64>) -> Result<Self> {
        if biases.len() != self.biases.len() {
            return Err(Error::shape(format!(
                "couplings: {} biases for {} units; give one each",
                biases.len(),
                self.biases.len()
            )));
        }
        if let Some(at) = biases.iter().position(|bias| !bias.is_finite()) {
            return Err(Error::usage(format!("couplings: the bias of unit {at} is {}; expected a number", biases[at])));
        }
        check_sum(biases.iter().copied())?;
        self.biases = biases;
        Ok(self)
    }

    /// J_ij; 0 on the diagonal and where there is no edge.
    ///
    /// # Panics
    /// If there are no such units.
    pub fn weight(&self, i: usize, j: usize) -> f64 {
        let units = self.biases.len();
        assert!(i < units && j < units, "couplings: ({i}, {j}) of {units} units");
        match &self.storage {
            Storage::Dense(matrix) => matrix[i * units + j],
            Storage::Sparse { starts, columns, weights } => {
                let (from, to) = (starts[i], starts[i + 1]);
                columns[from..to].binary_search(&(j as u32)).map_or(0.0, |at| weights[from + at])
            }
        }
    }

    /// b_i of every unit.
    pub fn biases(&self) -> &[f64] {
        &self.biases
    }

    /// Units that a unit is coupled to, rising, with the weights.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn neighbours(&self, unit: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let (columns, weights): (&[u32], &[f64]) = match &self.storage {
            Storage::Dense(matrix) => (&[], &matrix[unit * self.biases.len()..][..self.biases.len()]),
            Storage::Sparse { starts, columns, weights } => {
                let row = starts[unit]..starts[unit + 1];
                (&columns[row.clone()], &weights[row])
            }
        };
        let named = weights.iter().enumerate().map(move |(at, &w)| (columns.get(at).map_or(at, |&j| j as usize), w));
        named.filter(|entry| entry.1 != 0.0)
    }

    /// Every pair with a weight once, i < j.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        let row = |i| self.neighbours(i).filter(move |entry| entry.0 > i).map(move |(j, weight)| (i, j, weight));
        (0..self.biases.len()).flat_map(row)
    }

    /// The matrix row by row, if it is held as one.
    pub fn matrix(&self) -> Option<&[f64]> {
        match &self.storage {
            Storage::Dense(matrix) => Some(matrix),
            Storage::Sparse { .. } => None,
        }
    }

    /// max_i (|b_i| + sum_j |J_ij|): no field is larger.
    pub fn largest_field(&self) -> f64 {
        let bound = |i: usize| self.biases[i].abs() + self.neighbours(i).map(|(_, w)| w.abs()).sum::<f64>();
        (0..self.biases.len()).map(bound).fold(0.0, f64::max)
    }

    /// True if every coupling and bias is a whole number: then energies and fields are too, and sums of them exact.
    pub fn is_whole(&self) -> bool {
        let whole = |x: f64| x.fract() == 0.0;
        self.biases.iter().all(|&b| whole(b))
            && (0..self.biases.len()).all(|i| self.neighbours(i).all(|(_, w)| whole(w)))
    }
}

/// Energies are sums of all weights with signs: they must not leave the numbers.
fn check_sum(weights: impl Iterator<Item = f64>) -> Result<()> {
    // Turning a unit round changes the energy by twice its field, and cuts are differences of sums.
    let all = 4.0 * weights.map(f64::abs).sum::<f64>();
    match all.is_finite() {
        true => Ok(()),
        false => Err(Error::usage(
            "couplings: the sizes of the weights add up to inf; divide all weights by the same number, the states stay the same",
        )),
    }
}

fn check_units(units: usize) -> Result<()> {
    if units == 0 || u32::try_from(units).is_err() {
        return Err(Error::shape(format!("couplings: {units} units; expected 1 to {}", u32::MAX)));
    }
    Ok(())
}

impl Energy for Couplings {
    type State = Spins;
    type Updating = Updating;

    fn energy(&self, state: &Spins) -> f64 {
        self.walk(state).energy()
    }

    fn descends(&self, updating: Updating) -> Descends {
        one_by_one_alone(updating)
    }
}

impl SpinMemory for Couplings {
    type Walk<'a> = CouplingsWalk<'a>;

    fn units(&self) -> usize {
        self.biases.len()
    }

    fn walk(&self, start: &Spins) -> CouplingsWalk<'_> {
        assert_eq!(start.len(), self.units(), "couplings: a state of {} units for {}", start.len(), self.units());
        CouplingsWalk::new(self, start)
    }
}
