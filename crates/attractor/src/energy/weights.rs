//! A memory of any weights, N x N, with its fields kept up to date.

use super::{Descends, DescentCondition, Energy, Rises, SpinMemory, SpinWalk, Updating, one_by_one_alone};
use crate::error::{Error, Result};
use crate::pattern::Spins;

/// Most units: 2^15, 8 GiB of weights.
pub const MOST_UNITS: usize = 1 << 15;

/// Weights w_ij (from unit j to unit i) and biases b_i.
///
/// h_i = sum_j w_ij x_j + b_i,  E = -1/2 sum_ij w_ij x_i x_j - sum_i b_i x_i
///
/// A field that rounding cannot tell from zero *is* zero, a tie: with u = 2^-53 all fields of a walk are known within
/// 4 N u (sum_j |w_ij| + |b_i|), and smaller ones are given as 0. So no unit ever flips because of rounding, and
/// every flip lowers the exact energy.
///
/// | symbol | here       | shape  |
/// |--------|------------|--------|
/// | w      | `row(i)`   | `[N, N]` |
/// | b      | `biases()` | `[N]` |
///
/// # Cost
/// 8 N^2 bytes, twice if the weights are not symmetric; a walk starts in O(N^2), a field takes O(1), a flip O(N).
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    units: usize,
    /// [i, j].
    values: Vec<f64>,
    /// [j, i], kept only where it differs: a flip of j changes all fields by column j.
    by_column: Option<Vec<f64>>,
    biases: Vec<f64>,
    /// Fields up to here are ties.
    ties: Vec<f64>,
    asymmetry: f64,
    lowest_diagonal: f64,
}

impl Weights {
    /// Weights [N, N] without self-connections.
    ///
    /// # Errors
    /// `is_shape` if there are not N^2 of them, N >= 1; `is_usage` for one that is not a number, or a diagonal that is not
    /// zero (a unit that holds itself: [`with_diagonal`](Self::with_diagonal) if that is wanted).
    pub fn new(units: usize, values: Vec<f64>) -> Result<Self> {
        let weights = Self::with_diagonal(units, values)?;
        match (0..units).find(|&i| weights.weight(i, i) != 0.0) {
            Some(i) => Err(Error::usage(format!(
                "weights: w[{i}, {i}] is {}; the diagonal must be zero (`with_diagonal` keeps one, `without_diagonal` \
                 takes it away)",
                weights.weight(i, i)
            ))),
            None => Ok(weights),
        }
    }

    /// Weights [N, N] with whatever diagonal they have: each w_ii >= 0 makes its unit harder to flip.
    ///
    /// # Errors
    /// As [`new`](Self::new), but for the diagonal.
    pub fn with_diagonal(units: usize, values: Vec<f64>) -> Result<Self> {
        if units == 0 || units > MOST_UNITS || values.len() != units * units {
            return Err(Error::shape(format!(
                "weights: {} numbers for {units} units; expected N x N of them, N from 1 to {MOST_UNITS}",
                values.len()
            )));
        }
        if let Some(at) = values.iter().position(|w| !w.is_finite()) {
            let (i, j) = (at / units, at % units);
            return Err(Error::usage(format!("weights: w[{i}, {j}] is {}; expected a number", values[at])));
        }
        let mut asymmetry = 0f64;
        for i in 0..units {
            for j in 0..i {
                asymmetry = asymmetry.max((values[i * units + j] - values[j * units + i]).abs());
            }
        }
        let by_column = (asymmetry > 0.0).then(|| transposed(units, &values));
        let lowest_diagonal = (0..units).map(|i| values[i * (units + 1)]).fold(f64::INFINITY, f64::min);
        let mut weights =
            Self { units, values, by_column, biases: vec![0.0; units], ties: Vec::new(), asymmetry, lowest_diagonal };
        weights.ties = weights.tie_widths();
        Ok(weights)
    }

    /// With a bias at every unit (a threshold theta is a bias of -theta).
    ///
    /// # Errors
    /// `is_shape` if there are not N of them, `is_usage` for one that is not a number.
    pub fn with_biases(mut self, biases: Vec<f64>) -> Result<Self> {
        if biases.len() != self.units {
            return Err(Error::shape(format!(
                "weights: {} biases for {} units; give one per unit",
                biases.len(),
                self.units
            )));
        }
        if let Some(unit) = biases.iter().position(|b| !b.is_finite()) {
            return Err(Error::usage(format!("weights: bias {unit} is {}; expected a number", biases[unit])));
        }
        self.biases = biases;
        self.ties = self.tie_widths();
        Ok(self)
    }

    /// Without self-connections.
    pub fn without_diagonal(mut self) -> Self {
        for i in 0..self.units {
            self.values[i * (self.units + 1)] = 0.0;
            if let Some(turned) = &mut self.by_column {
                turned[i * (self.units + 1)] = 0.0;
            }
        }
        self.lowest_diagonal = 0.0;
        self.ties = self.tie_widths();
        self
    }

    /// The nearest symmetric weights, (w_ij + w_ji) / 2: an energy again, at the price of other fields.
    pub fn symmetrised(mut self) -> Self {
        let n = self.units;
        for i in 0..n {
            for j in 0..i {
                let mean = self.values[i * n + j] / 2.0 + self.values[j * n + i] / 2.0;
                self.values[i * n + j] = mean;
                self.values[j * n + i] = mean;
            }
        }
        (self.by_column, self.asymmetry) = (None, 0.0);
        self.ties = self.tie_widths();
        self
    }

    fn tie_widths(&self) -> Vec<f64> {
        let share = 2.0 * self.units as f64 * f64::EPSILON;
        let width = |i: usize| share * (self.row(i).iter().map(|w| w.abs()).sum::<f64>() + self.biases[i].abs());
        (0..self.units).map(width).collect()
    }

    /// w_ij.
    ///
    /// # Panics
    /// If there are no such units.
    pub fn weight(&self, i: usize, j: usize) -> f64 {
        assert!(j < self.units, "weights: unit {j} of {}", self.units);
        self.row(i)[j]
    }

    /// What unit i receives from every unit.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.units..(i + 1) * self.units]
    }

    /// What unit j gives to every unit.
    fn column(&self, j: usize) -> &[f64] {
        let values = self.by_column.as_ref().unwrap_or(&self.values);
        &values[j * self.units..(j + 1) * self.units]
    }

    /// All weights, [N, N].
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// b_i.
    pub fn biases(&self) -> &[f64] {
        &self.biases
    }

    /// max |w_ij - w_ji|: 0 if the weights are symmetric.
    pub fn asymmetry(&self) -> f64 {
        self.asymmetry
    }

    /// min w_ii.
    pub fn lowest_diagonal(&self) -> f64 {
        self.lowest_diagonal
    }

    /// The local field at every unit.
    ///
    /// # Panics
    /// If the state has another number of units.
    pub fn fields(&self, state: &Spins) -> Vec<f64> {
        let walk = self.walk(state);
        (0..self.units).map(|unit| walk.field(unit)).collect()
    }

    /// What each pair adds to the energy, -1/2 w_ij x_i x_j, [N, N]: negative where two units agree with their weight.
    /// With -b_i x_i of every unit they sum to the energy.
    ///
    /// # Panics
    /// If the state has another number of units.
    pub fn contributions(&self, state: &Spins) -> Vec<f64> {
        assert_eq!(state.len(), self.units, "weights: a state of another length");
        let signs = signs(state);
        let rows = self.values.chunks_exact(self.units).zip(&signs);
        rows.flat_map(|(row, x)| row.iter().zip(&signs).map(move |(w, y)| -0.5 * w * x * y)).collect()
    }
}

/// [i, j] as [j, i], block by block so that both sides stay in cache.
fn transposed(n: usize, values: &[f64]) -> Vec<f64> {
    const SIDE: usize = 32;
    let mut turned = vec![0.0; values.len()];
    for (i, j) in (0..n).step_by(SIDE).flat_map(|i| (0..n).step_by(SIDE).map(move |j| (i, j))) {
        for a in i..(i + SIDE).min(n) {
            for b in j..(j + SIDE).min(n) {
                turned[b * n + a] = values[a * n + b];
            }
        }
    }
    turned
}

fn signs(state: &Spins) -> Vec<f64> {
    (0..state.len()).map(|unit| f64::from(state.sign(unit))).collect()
}

impl Energy for Weights {
    type State = Spins;
    type Updating = Updating;

    fn energy(&self, state: &Spins) -> f64 {
        self.walk(state).energy()
    }

    fn descends(&self, updating: Updating) -> Descends {
        // Comparisons that state the passing condition; asymmetry and diagonal are numbers by construction.
        match (self.asymmetry == 0.0, self.lowest_diagonal >= 0.0, updating) {
            (false, ..) => Descends::None(Rises::Asymmetric),
            (true, false, _) => Descends::None(Rises::NegativeDiagonal),
            (true, true, Updating::Asynchronous) => Descends::Exact,
            // The eigenvalues sum to the diagonal: with zeros on it some are negative.
            (true, true, Updating::Synchronous) if (0..self.units).any(|i| self.values[i * (self.units + 1)] > 0.0) => {
                Descends::Conditional(DescentCondition::NoNegativeEigenvalue)
            }
            (true, true, Updating::Synchronous) => one_by_one_alone(updating),
        }
    }
}

impl SpinMemory for Weights {
    type Walk<'a> = WeightsWalk<'a>;

    fn units(&self) -> usize {
        self.units
    }

    fn walk(&self, start: &Spins) -> WeightsWalk<'_> {
        assert_eq!(start.len(), self.units, "weights: a state of another length");
        let mut walk = WeightsWalk { memory: self, state: start.clone(), fields: Vec::new(), flips: 0 };
        walk.refresh();
        walk
    }
}

/// A state on its way, with its fields.
#[derive(Debug, Clone)]
pub struct WeightsWalk<'a> {
    memory: &'a Weights,
    state: Spins,
    fields: Vec<f64>,
    /// Since the fields were last summed anew.
    flips: usize,
}

impl WeightsWalk<'_> {
    fn refresh(&mut self) {
        let signs = signs(&self.state);
        let field = |(row, &b): (&[f64], &f64)| {
            b + pulp::Arch::new().dispatch(
                #[inline(always)]
                || dot(row, &signs),
            )
        };
        self.fields = self.memory.values.chunks_exact(signs.len()).zip(&self.memory.biases).map(field).collect();
        self.flips = 0;
    }
}

/// Eight sums side by side.
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// to += factor x from.
#[inline(always)]
pub(crate) fn add_scaled(to: &mut [f64], factor: f64, from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

impl SpinWalk for WeightsWalk<'_> {
    fn state(&self) -> &Spins {
        &self.state
    }

    /// With a diagonal the field holds w_ii x_i, and a flip changes the energy by 2 x_i h_i - 2 w_ii.
    fn field(&self, unit: usize) -> f64 {
        let field = self.fields[unit];
        if field.abs() <= self.memory.ties[unit] { 0.0 } else { field }
    }

    fn flip(&mut self, unit: usize) {
        let change = f64::from(-2 * self.state.sign(unit));
        self.state.flip(unit);
        self.flips += 1;
        // Rounding adds up flip by flip; the bound of a tie allows for N of them.
        if self.flips > self.memory.units {
            self.refresh();
            return;
        }
        let (fields, column) = (&mut self.fields, self.memory.column(unit));
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || add_scaled(fields, change, column),
        );
    }

    fn energy(&self) -> f64 {
        let both = self.fields.iter().zip(&self.memory.biases).enumerate();
        -both.map(|(unit, (h, b))| f64::from(self.state.sign(unit)) * (h + b)).sum::<f64>() / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    fn random_weights(n: usize, seed: u64, symmetric: bool) -> Vec<f64> {
        let mut random = Philox::new(seed, 0);
        let mut values = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..i {
                let (a, b) = (random.normal(), random.normal());
                values[i * n + j] = a;
                values[j * n + i] = if symmetric { a } else { b };
            }
        }
        values
    }

    fn every_state(n: usize) -> impl Iterator<Item = Spins> {
        (0..1u64 << n).map(move |word| Spins::from_words(n, &[word]))
    }

    /// All 2^7 states: energy and fields by their sums, and the change of every flip.
    #[test]
    fn energies_fields_and_flips_are_the_definition() {
        let n = 7;
        let biases: Vec<f64> = (0..n).map(|i| 0.3 * i as f64 - 1.1).collect();
        let mut values = random_weights(n, 1, true);
        for diagonal in [0.0, 0.7] {
            (0..n).for_each(|i| values[i * (n + 1)] = diagonal * (i + 1) as f64);
            let memory = Weights::with_diagonal(n, values.clone()).unwrap().with_biases(biases.clone()).unwrap();
            for state in every_state(n) {
                let x = signs(&state);
                let pairs = memory.contributions(&state);
                let energy = pairs.iter().sum::<f64>() - (0..n).map(|i| biases[i] * x[i]).sum::<f64>();
                assert!((memory.energy(&state) - energy).abs() < 1e-12);
                for (i, h) in memory.fields(&state).into_iter().enumerate() {
                    let expected = (0..n).map(|j| memory.weight(i, j) * x[j]).sum::<f64>() + biases[i];
                    assert!((h - expected).abs() < 1e-12);
                    let mut turned = state.clone();
                    turned.flip(i);
                    let change = 2.0 * x[i] * h - 2.0 * memory.weight(i, i);
                    assert!((memory.energy(&turned) - energy - change).abs() < 1e-12);
                }
            }
        }
    }

    /// What is said to descend does, from every state; what is not named so goes up somewhere.
    #[test]
    fn the_energy_falls_exactly_where_it_is_promised() {
        let n = 6;
        let rises = |memory: &Weights| {
            let mut rises = 0;
            for (state, unit) in every_state(n).flat_map(|state| (0..n).map(move |unit| (state.clone(), unit))) {
                let mut walk = memory.walk(&state);
                let before = walk.energy();
                let turned = walk.update_site(unit);
                rises += usize::from(turned && walk.energy() >= before);
            }
            rises
        };
        for seed in 0..20 {
            let symmetric = Weights::new(n, random_weights(n, seed, true)).unwrap();
            assert_eq!((symmetric.descends(Updating::Asynchronous), rises(&symmetric)), (Descends::Exact, 0));
            let mut held = random_weights(n, seed, true);
            (0..n).for_each(|i| held[i * (n + 1)] = 0.5);
            let held = Weights::with_diagonal(n, held).unwrap();
            assert_eq!((held.descends(Updating::Asynchronous), rises(&held)), (Descends::Exact, 0));
        }
        let skew = Weights::new(n, random_weights(n, 3, false)).unwrap();
        assert!(skew.descends(Updating::Asynchronous) == Descends::None(Rises::Asymmetric));
        assert!(skew.asymmetry() > 0.1 && rises(&skew) > 0);
        let mended = skew.symmetrised();
        assert_eq!(
            (mended.descends(Updating::Asynchronous), mended.asymmetry(), rises(&mended)),
            (Descends::Exact, 0.0, 0)
        );
        let mut negative = random_weights(n, 4, true);
        (0..n).for_each(|i| negative[i * (n + 1)] = -3.0);
        let negative = Weights::with_diagonal(n, negative).unwrap();
        assert!(negative.descends(Updating::Asynchronous) == Descends::None(Rises::NegativeDiagonal));
        assert!(rises(&negative) > 0);
        let free = negative.without_diagonal();
        assert_eq!((free.descends(Updating::Asynchronous), rises(&free)), (Descends::Exact, 0));
    }

    /// 0.1 + 0.2 - 0.3 is 5.6e-17 in floating point and a tie all the same, fresh and after many flips.
    #[test]
    fn a_tie_within_rounding_keeps_the_unit() {
        let n = 4;
        let mut values = vec![0.0; n * n];
        for (j, w) in [(1, 0.1), (2, 0.2), (3, -0.3)] {
            (values[j], values[j * n]) = (w, w);
        }
        let memory = Weights::new(n, values).unwrap();
        for first in [1, -1] {
            let state = Spins::from_signs(&[first, 1, 1, 1]).unwrap();
            let mut walk = memory.walk(&state);
            for unit in [1, 2, 3, 2, 1, 3, 2, 3, 2, 3, 1, 1] {
                walk.flip(unit);
            }
            assert_eq!(walk.state(), &state);
            assert_eq!(walk.field(0), 0.0);
            assert!(!walk.update_site(0));
        }
    }

    /// Fields kept flip by flip against fields of the state anew, symmetric or not.
    #[test]
    fn fields_stay_up_to_date() {
        for symmetric in [true, false] {
            let memory = Weights::new(37, random_weights(37, 8, symmetric)).unwrap();
            let mut random = Philox::new(9, 0);
            let mut walk = memory.walk(&Spins::random(37, &mut random));
            for _ in 0..200 {
                walk.flip(random.below(37));
                let anew = memory.walk(walk.state());
                assert!((0..37).all(|unit| (walk.field(unit) - anew.field(unit)).abs() < 1e-12));
                assert!((walk.energy() - anew.energy()).abs() < 1e-11);
            }
        }
    }

    #[test]
    fn invalid_weights_are_refused() {
        assert!(Weights::new(0, vec![]).unwrap_err().is_shape());
        assert!(Weights::new(2, vec![0.0; 3]).unwrap_err().is_shape());
        assert!(Weights::new(usize::MAX, vec![]).unwrap_err().is_shape());
        let error = Weights::new(2, vec![0.0, f64::NAN, 0.0, 0.0]).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("w[0, 1] is NaN"), "{error}");
        let error = Weights::new(2, vec![0.0, 1.0, 1.0, 0.5]).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("w[1, 1] is 0.5"), "{error}");
        let good = || Weights::new(2, vec![0.0, 1.0, 1.0, 0.0]).unwrap();
        assert!(good().with_biases(vec![0.0]).unwrap_err().is_shape());
        assert!(good().with_biases(vec![0.0, f64::INFINITY]).unwrap_err().is_usage());
    }
}
