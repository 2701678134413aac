//! Landscapes in one and two dimensions, for pictures: where a ball rests, where it balances, and how it rolls.

use serde::Serialize;

use super::Modern;
use crate::error::{Error, Result};
use crate::pattern::RealPatterns;

/// An energy E(x) = c_0 + c_1 x + c_2 x^2 + ...
#[derive(Debug, Clone, PartialEq)]
pub struct Polynomial {
    coefficients: Vec<f64>,
}

/// What a stationary point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stationary {
    /// A minimum: a ball comes back.
    Stable,
    /// A maximum: a ball rolls away on both sides.
    Unstable,
    /// An inflection with a level tangent: a ball rolls away on one side.
    Saddle,
}

impl Polynomial {
    /// From coefficients, lowest power first.
    ///
    /// # Errors
    /// `is_shape` without any, `is_usage` for one that is not a number.
    pub fn new(coefficients: Vec<f64>) -> Result<Self> {
        if coefficients.is_empty() {
            return Err(Error::shape("landscape: a polynomial without coefficients; give at least one"));
        }
        match coefficients.iter().position(|c| !c.is_finite()) {
            Some(at) => Err(Error::usage(format!(
                "landscape: the coefficient of x^{at} is {}; expected a number",
                coefficients[at]
            ))),
            None => Ok(Self { coefficients }),
        }
    }

    /// E(x).
    pub fn energy(&self, x: f64) -> f64 {
        self.coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
    }

    /// dE/dx.
    pub fn derivative(&self) -> Self {
        let coefficients: Vec<f64> =
            self.coefficients.iter().enumerate().skip(1).map(|(power, c)| power as f64 * c).collect();
        Self { coefficients: if coefficients.is_empty() { vec![0.0] } else { coefficients } }
    }

    /// The real zeros between two places, ascending, each once: between neighbouring zeros of the derivative there is at
    /// most one. A double zero is found if the energy there is zero to the rounding of what the interval holds.
    fn zeros(&self, low: f64, high: f64) -> Vec<f64> {
        if self.coefficients[1..].iter().all(|c| *c == 0.0) {
            return Vec::new();
        }
        let mut places = vec![low];
        places.extend(self.derivative().zeros(low, high));
        places.push(high);
        let farthest = low.abs().max(high.abs());
        let size = self.coefficients.iter().rev().fold(0.0, |sum, c| sum * farthest + c.abs());
        let is_zero = |x: f64| self.energy(x).abs() <= 2.0 * f64::EPSILON * size;
        let mut zeros: Vec<f64> = places.iter().copied().filter(|&x| is_zero(x)).collect();
        for pair in places.windows(2) {
            let (mut a, mut b) = (pair[0], pair[1]);
            if is_zero(a) || is_zero(b) || self.energy(a).signum() == self.energy(b).signum() {
                continue;
            }
            let rises = self.energy(b) > 0.0;
            for _ in 0..200 {
                let middle = (a + b) / 2.0;
                if (self.energy(middle) > 0.0) == rises { b = middle } else { a = middle }
            }
            zeros.push((a + b) / 2.0);
        }
        zeros.sort_by(f64::total_cmp);
        zeros.dedup();
        zeros
    }

    /// Stationary points between two places, ascending, and what they are.
    ///
    /// # Errors
    /// `is_usage` if the places are no interval.
    pub fn stationary(&self, low: f64, high: f64) -> Result<Vec<(f64, Stationary)>> {
        if !(low < high && low.is_finite() && high.is_finite()) {
            return Err(Error::usage(format!("landscape: from {low} to {high}; expected an interval")));
        }
        let slope = self.derivative();
        let zeros = slope.zeros(low, high);
        let kind = |at: usize| {
            // The slope's sign half way to the neighbours, or a step outside.
            let before = if at == 0 { zeros[at] - 1.0 } else { (zeros[at - 1] + zeros[at]) / 2.0 };
            let after = zeros.get(at + 1).map_or(zeros[at] + 1.0, |next| (zeros[at] + next) / 2.0);
            let step = f64::min(zeros[at] - before, after - zeros[at]).min(1e-3);
            match (slope.energy(zeros[at] - step) < 0.0, slope.energy(zeros[at] + step) > 0.0) {
                (true, true) => Stationary::Stable,
                (false, false) => Stationary::Unstable,
                _ => Stationary::Saddle,
            }
        };
        Ok((0..zeros.len()).map(|at| (zeros[at], kind(at))).collect())
    }

    /// An interval that holds every stationary point and `places`, with a third of its length as room on both sides.
    ///
    /// Stationary points lie within Cauchy's bound 1 + max |d_i / d_n| of the derivative's coefficients; without any, and
    /// with one place, the room is one.
    ///
    /// # Errors
    /// `is_usage` for a place that is not a number, and if the bound is beyond numbers.
    pub fn span(&self, places: &[f64]) -> Result<(f64, f64)> {
        let slope = self.derivative();
        let highest = slope.coefficients.iter().rposition(|c| *c != 0.0).unwrap_or(0);
        let leading = slope.coefficients[highest];
        let bound = slope.coefficients[..highest].iter().map(|c| (c / leading).abs()).fold(0.0, f64::max) + 1.0;
        let stationary = if highest > 0 { self.stationary(-bound, bound)? } else { Vec::new() };
        let all = || stationary.iter().map(|point| point.0).chain(places.iter().copied());
        if let Some(place) = places.iter().find(|place| !place.is_finite()) {
            return Err(Error::usage(format!("landscape: a place at {place}; expected a number")));
        }
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        Ok(match low < high {
            true => (low - (high - low) / 3.0, high + (high - low) / 3.0),
            false if low.is_finite() => (low - 1.0, low + 1.0),
            false => (-1.0, 1.0),
        })
    }

    /// A ball that rolls: x -= rate dE/dx, the start and every step.
    ///
    /// # Errors
    /// `is_usage` for a start or rate that is not a number, or a rate that is not above zero.
    pub fn roll(&self, start: f64, rate: f64, steps: usize) -> Result<Vec<f64>> {
        if !(start.is_finite() && rate > 0.0 && rate.is_finite()) {
            return Err(Error::usage(format!(
                "landscape: a start of {start} and a rate of {rate}; expected numbers, rate > 0"
            )));
        }
        let slope = self.derivative();
        let mut path = vec![start];
        for _ in 0..steps {
            let x = path[path.len() - 1];
            path.push(x - rate * slope.energy(x));
        }
        Ok(path)
    }
}

/// Energies over a square, [y, x], `side` x `side` places from `low` to `high`, the ends included.
///
/// # Errors
/// `is_usage` if the ends are no interval or there are not two places.
pub fn grid(low: f64, high: f64, side: usize, energy: impl Fn(&[f64]) -> f64) -> Result<Vec<f64>> {
    if !(low < high && low.is_finite() && high.is_finite()) || side < 2 {
        return Err(Error::usage(format!(
            "landscape: {side} places from {low} to {high}; expected two or more, an interval"
        )));
    }
    let at = |step: usize| low + (high - low) * step as f64 / (side - 1) as f64;
    Ok((0..side * side).map(|place| energy(&[at(place % side), at(place / side)])).collect())
}

/// The classical energy between the corners: -1/2 sum_ij w_ij z_i z_j with w = (1/d) sum_mu xi_i xi_j, the diagonal kept.
///
/// In two dimensions a zero diagonal would leave one weight, and none at all of orthogonal patterns: a flat picture.
///
/// # Panics
/// If the state has another number of features.
pub fn quadratic(patterns: &RealPatterns, state: &[f64]) -> f64 {
    -patterns.scores(state).iter().map(|s| s * s).sum::<f64>() / (2.0 * patterns.width() as f64)
}

/// The classical update from a state between the corners, its start and every change: one feature after the other takes
/// the sign of its field h = W z, and keeps its value at a tie, until a whole round changes nothing.
///
/// With the diagonal kept the energy [`quadratic`] is concave along each feature, so it lies under its tangent there and
/// no update raises it as long as features stay within -1 and 1.
///
/// # Panics
/// If the state has another number of features.
pub fn classical_path(patterns: &RealPatterns, start: &[f64]) -> Vec<Vec<f64>> {
    let mut path = vec![start.to_vec()];
    let mut state = start.to_vec();
    loop {
        let before = path.len();
        for feature in 0..state.len() {
            // 1/d does not change a sign.
            let field = patterns.weighted(&patterns.scores(&state))[feature];
            let turned = if field == 0.0 { state[feature] } else { field.signum() };
            if turned != state[feature] {
                state[feature] = turned;
                path.push(state.clone());
            }
        }
        // Corners are finitely many and the energy falls: this ends. The bound is for fields that are all rounding.
        if path.len() == before || path.len() > 1 << 16 {
            return path;
        }
    }
}

/// The modern update from a state, z += damping (T(z) - z): its start and every step, until none is longer than `tolerance`.
///
/// # Errors
/// `is_usage` unless 0 < damping < 2, where the energy is sure to fall; `is_shape` for a state of another width.
pub fn modern_path(
    memory: &Modern,
    start: &[f64],
    damping: f64,
    tolerance: f64,
    steps: usize,
) -> Result<Vec<Vec<f64>>> {
    if !(damping > 0.0 && damping < 2.0) {
        let why = "the energy is guaranteed to fall only for 0 < damping < 2";
        return Err(Error::option("damping", damping, why));
    }
    if start.len() != memory.patterns().width() {
        return Err(Error::shape(format!(
            "landscape: a start of {} features for patterns of {}; the two must be equal",
            start.len(),
            memory.patterns().width()
        )));
    }
    let mut path = vec![start.to_vec()];
    for _ in 0..steps {
        let state = &path[path.len() - 1];
        let next: Vec<f64> =
            state.iter().zip(memory.step(state)).map(|(z, target)| z + damping * (target - z)).collect();
        let moved = crate::pattern::real::distance(state, &next);
        path.push(next);
        if moved <= tolerance {
            break;
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::{Energy, SimplexMap};

    /// 0.5 x^4 - x^3 - 2 x^2 + 3 x: minima at -1.20 (E -3.72) and 2.11 (-2.06), a maximum at 0.59.
    #[test]
    fn a_double_well_has_two_minima_and_a_maximum() {
        let well = Polynomial::new(vec![0.0, 3.0, -2.0, -1.0, 0.5]).unwrap();
        let found = well.stationary(-3.0, 4.0).unwrap();
        let expected = [(-1.20, Stationary::Stable), (0.59, Stationary::Unstable), (2.11, Stationary::Stable)];
        assert_eq!(found.len(), 3);
        for ((x, kind), (place, named)) in found.iter().zip(expected) {
            assert!((x - place).abs() < 5e-3 && *kind == named, "{found:?}");
            assert!(well.derivative().energy(*x).abs() < 1e-12);
        }
        assert!((well.energy(found[0].0) + 3.72).abs() < 5e-3 && (well.energy(found[2].0) + 2.06).abs() < 5e-3);
        // A ball on either side of the ridge comes to rest in its own valley, downhill all the way.
        for (start, rest) in [(0.55, found[0].0), (0.65, found[2].0)] {
            let path = well.roll(start, 0.05, 400).unwrap();
            assert!((path[400] - rest).abs() < 1e-9);
            // At rest energies differ by rounding.
            assert!(path.windows(2).all(|x| well.energy(x[1]) <= well.energy(x[0]) + 1e-14));
        }
        assert_eq!(well.stationary(1.0, 3.0).unwrap().len(), 1);
    }

    #[test]
    fn level_inflections_and_flat_energies() {
        let cubic = Polynomial::new(vec![0.0, 0.0, 0.0, 1.0]).unwrap();
        let found = cubic.stationary(-1.0, 2.0).unwrap();
        assert!(found.len() == 1 && found[0].0.abs() < 1e-7 && found[0].1 == Stationary::Saddle, "{found:?}");
        assert_eq!(Polynomial::new(vec![2.0]).unwrap().stationary(-1.0, 1.0).unwrap(), []);
        assert_eq!(Polynomial::new(vec![0.0, 1.0]).unwrap().stationary(-1.0, 1.0).unwrap(), []);
    }

    /// Orthogonal patterns in two dimensions: the classical energy is no plain, and lowest towards the corners.
    #[test]
    fn grids_are_row_by_row() {
        let energies = grid(-1.0, 1.0, 3, |z| z[0] + 10.0 * z[1]).unwrap();
        assert_eq!(energies, [-11.0, -10.0, -9.0, -1.0, 0.0, 1.0, 9.0, 10.0, 11.0]);
        let patterns = RealPatterns::new(2, 2, vec![1.0, 1.0, 1.0, -1.0]).unwrap();
        let energies = grid(-1.0, 1.0, 3, |z| quadratic(&patterns, z)).unwrap();
        assert_eq!(energies, [-1.0, -0.5, -1.0, -0.5, 0.0, -0.5, -1.0, -0.5, -1.0]);
    }

    /// The picture's interval holds what there is to see, and the start.
    #[test]
    fn a_span_holds_all_rests_and_places() {
        let well = Polynomial::new(vec![0.0, 3.0, -2.0, -1.0, 0.5]).unwrap();
        let (low, high) = well.span(&[1.0]).unwrap();
        assert!((low + 2.30).abs() < 0.01 && (high - 3.21).abs() < 0.01, "{low} {high}");
        assert!(well.span(&[7.0]).unwrap().1 > 7.0);
        let (line, flat) = (Polynomial::new(vec![0.0, 1.0]).unwrap(), Polynomial::new(vec![2.0, 0.0, 0.0]).unwrap());
        assert_eq!((line.span(&[3.0]).unwrap(), flat.span(&[]).unwrap()), ((2.0, 4.0), (-1.0, 1.0)));
        assert!(line.span(&[f64::NAN]).unwrap_err().is_usage());
    }

    /// Three corners stored: no update of either memory leads uphill; the classical one also rests at the fourth corner.
    #[test]
    fn paths_go_downhill_and_end_where_the_memories_rest() {
        let patterns = RealPatterns::new(3, 2, vec![1.0, 1.0, -1.0, 1.0, 1.0, -1.0]).unwrap();
        let memory = Modern::new(patterns.clone(), 4.0, SimplexMap::Softmax).unwrap();
        for start in [[0.3, 0.9], [-0.2, -0.7], [-0.9, 0.1], [0.05, -0.4]] {
            let path = classical_path(&patterns, &start);
            assert!(path.windows(2).all(|p| quadratic(&patterns, &p[1]) <= quadratic(&patterns, &p[0]) + 1e-15));
            assert!(path[path.len() - 1].iter().all(|z| z.abs() == 1.0));
            for damping in [0.2, 1.0, 1.7] {
                let path = modern_path(&memory, &start, damping, 1e-10, 1000).unwrap();
                assert!(path.windows(2).all(|p| memory.energy(&p[1]) <= memory.energy(&p[0]) + 1e-14));
                let (last, gradient) = (&path[path.len() - 1], memory.gradient(&path[path.len() - 1]));
                assert!(gradient.iter().all(|g| g.abs() < 1e-8), "{last:?}");
            }
        }
        assert_eq!(classical_path(&patterns, &[-1.0, -1.0]), [[-1.0, -1.0]]);
        assert!(modern_path(&memory, &[0.0, 0.0], 2.0, 0.0, 1).unwrap_err().is_usage());
        assert!(modern_path(&memory, &[0.0], 1.0, 0.0, 1).unwrap_err().is_shape());
    }

    #[test]
    fn invalid_landscapes_are_refused() {
        assert!(Polynomial::new(vec![]).unwrap_err().is_shape());
        assert!(Polynomial::new(vec![0.0, f64::NAN]).unwrap_err().is_usage());
        let line = Polynomial::new(vec![0.0, 1.0]).unwrap();
        assert!(line.stationary(1.0, 1.0).unwrap_err().is_usage());
        assert!(line.roll(0.0, 0.0, 1).unwrap_err().is_usage());
        assert!(grid(0.0, 1.0, 1, |_| 0.0).unwrap_err().is_usage());
    }
}
