//! How the temperature falls.

use crate::error::{Error, Result};

crate::choice! {
    /// A law by which the temperature falls from a start to an end.
    #[derive(Default)]
    pub enum Cooling {
        /// By the same factor each sweep.
        #[default]
        Geometric = "geometric",
        /// By the same difference each sweep.
        Linear = "linear",
        /// In proportion to 1 / ln(sweep).
        Logarithmic = "logarithmic",
    }
}

impl Cooling {
    /// The schedule of this law.
    ///
    /// # Errors
    /// As [`Schedule::linear`].
    pub fn schedule(self, start: f64, end: f64, sweeps: usize) -> Result<Schedule> {
        match self {
            Self::Geometric => Schedule::geometric(start, end, sweeps),
            Self::Linear => Schedule::linear(start, end, sweeps),
            Self::Logarithmic => Schedule::logarithmic(start, end, sweeps),
        }
    }
}

/// Temperatures of an annealing run, one per sweep, never rising: the first is the start's, the last exactly the end's.
///
/// # Example
/// ```
/// use attractor::sample::Schedule;
/// let schedule = Schedule::geometric(4.0, 1.0, 3).unwrap();
/// assert_eq!(schedule.temperatures(), [4.0, 2.0, 1.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    temperatures: Vec<f64>,
}

impl Schedule {
    /// T_k = T_0 + (T_end - T_0) k / (K - 1), k = 0..K: one sweep is at the end's temperature.
    ///
    /// # Errors
    /// `is_usage` if a temperature is not above zero and finite, the end lies above the start, or there is no sweep.
    pub fn linear(start: f64, end: f64, sweeps: usize) -> Result<Self> {
        Self::between("linear", start, end, sweeps, |share| start + (end - start) * share)
    }

    /// T_k = T_0 (T_end / T_0)^(k / (K - 1)).
    ///
    /// # Errors
    /// As [`linear`](Self::linear).
    pub fn geometric(start: f64, end: f64, sweeps: usize) -> Result<Self> {
        Self::between("geometric", start, end, sweeps, |share| start * (end / start).powf(share))
    }

    /// 1 / T_k = 1 / T_0 + ln(1 + k) / C, the constant C chosen so that the last is T_end: C = ln K / (1 / T_end - 1 / T_0).
    ///
    /// Of one temperature (start and end alike) all are that one.
    ///
    /// # Errors
    /// As [`linear`](Self::linear).
    /// # Source
    /// The law T_k = C / ln(1 + k) of Geman and Geman 1984 (see [`geman`](Self::geman)), from a given start to a given end.
    pub fn logarithmic(start: f64, end: f64, sweeps: usize) -> Result<Self> {
        // Of one sweep the share is 1 already; ln 1 = 0 does not divide.
        let last = (sweeps.max(2) as f64).ln();
        let beta = |share: f64| {
            let k = share * (sweeps.max(2) - 1) as f64;
            1.0 / start + (1.0 / end - 1.0 / start) * (k.round() + 1.0).ln() / last
        };
        Self::between("logarithmic", start, end, sweeps, |share| 1.0 / beta(share))
    }

    /// T_k = C / ln(1 + k), k = 1..=K.
    ///
    /// With C at least N times the largest difference of energy between neighbouring states, the chain is in the end in a
    /// ground state with probability one; that takes sweeps without number, which nobody has.
    ///
    /// # Errors
    /// `is_usage` if the constant is not above zero and finite, or there is no sweep.
    /// # Source
    /// Geman and Geman 1984, *Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images*, theorem B.
    pub fn geman(constant: f64, sweeps: usize) -> Result<Self> {
        check_temperature("geman", "constant", constant)?;
        Self::new((1..=sweeps).map(|k| constant / (k as f64).ln_1p()).collect())
    }

    /// One temperature for all sweeps: sampling, not annealing.
    ///
    /// # Errors
    /// As [`linear`](Self::linear).
    pub fn constant(temperature: f64, sweeps: usize) -> Result<Self> {
        Self::linear(temperature, temperature, sweeps)
    }

    /// Any temperatures that do not rise.
    ///
    /// # Errors
    /// `is_usage` if there is none, one is not above zero and finite, or one lies above the one before it.
    pub fn new(temperatures: Vec<f64>) -> Result<Self> {
        if temperatures.is_empty() {
            return Err(Error::usage("schedule: no sweep; give at least one temperature"));
        }
        for &temperature in &temperatures {
            check_temperature("schedule", "temperature", temperature)?;
        }
        if let Some(at) = temperatures.windows(2).position(|pair| pair[1] > pair[0]) {
            return Err(Error::usage(format!(
                "schedule: the temperature rises from {} to {} at sweep {}; annealing only cools (use tempering to go up again)",
                temperatures[at],
                temperatures[at + 1],
                at + 1
            )));
        }
        Ok(Self { temperatures })
    }

    fn between(name: &str, start: f64, end: f64, sweeps: usize, law: impl Fn(f64) -> f64) -> Result<Self> {
        check_temperature(name, "start", start)?;
        check_temperature(name, "end", end)?;
        if end > start {
            return Err(Error::usage(format!(
                "schedule: {name} from {start} up to {end}; annealing cools, so swap start and end"
            )));
        }
        // Rounding must neither pass the ends nor rise.
        let mut lowest = start;
        let mut temperatures: Vec<f64> = (0..sweeps)
            .map(|k| {
                lowest = law(k as f64 / (sweeps - 1).max(1) as f64).clamp(end, lowest);
                lowest
            })
            .collect();
        if let Some(first) = temperatures.first_mut() {
            *first = start;
        }
        if let Some(last) = temperatures.last_mut() {
            *last = end;
        }
        Self::new(temperatures)
    }

    /// T of each sweep.
    pub fn temperatures(&self) -> &[f64] {
        &self.temperatures
    }

    /// Number of sweeps, at least one.
    pub fn sweeps(&self) -> usize {
        self.temperatures.len()
    }

    /// The same curve in another number of sweeps, between its points by straight lines: from the same start to the same
    /// end, so that several short runs may cost what a long one does.
    ///
    /// # Errors
    /// `is_usage` for no sweep.
    pub fn in_sweeps(&self, sweeps: usize) -> Result<Self> {
        let old = &self.temperatures;
        let (start, end) = (old[0], old[old.len() - 1]);
        Self::between("schedule", start, end, sweeps, |share| {
            let place = share * (old.len() - 1) as f64;
            let at = (place as usize).min(old.len() - 1);
            let next = old[(at + 1).min(old.len() - 1)];
            old[at] + (next - old[at]) * (place - at as f64)
        })
    }
}

pub(super) fn check_temperature(operation: &str, name: &str, temperature: f64) -> Result<()> {
    if temperature > 0.0 && temperature.is_finite() {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{operation}: {name} is {temperature}; expected a number above zero (at zero temperature: settle)"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Make = fn(f64, f64, usize) -> Result<Schedule>;
    const ALL: [Make; 3] = [Schedule::linear, Schedule::geometric, Schedule::logarithmic];

    /// The recorded mistake: n steps that never reach the end's temperature.
    #[test]
    fn the_first_is_the_start_and_the_last_exactly_the_end() {
        for make in ALL {
            for (start, end, sweeps) in [(5.0, 0.1, 500), (2.3, 0.7, 2), (1e300, 1e-300, 37), (0.3, 0.3, 4)] {
                let schedule = make(start, end, sweeps).unwrap();
                let t = schedule.temperatures();
                assert_eq!((t[0], t[sweeps - 1], schedule.sweeps()), (start, end, sweeps));
                assert!(t.windows(2).all(|pair| pair[1] <= pair[0]));
            }
            assert_eq!(make(5.0, 0.1, 1).unwrap().temperatures(), [0.1]);
        }
    }

    #[test]
    fn each_curve_is_its_law() {
        let linear = Schedule::linear(5.0, 1.0, 5).unwrap();
        assert_eq!(linear.temperatures(), [5.0, 4.0, 3.0, 2.0, 1.0]);
        let geometric = Schedule::geometric(8.0, 0.5, 9).unwrap();
        let ratio = 0.5f64.sqrt();
        assert!(geometric.temperatures().windows(2).all(|t| (t[1] / t[0] - ratio).abs() < 1e-12));
        // 1 / T against ln(1 + k) is a straight line.
        let logarithmic = Schedule::logarithmic(3.0, 0.5, 100).unwrap();
        let beta = |k: usize| 1.0 / logarithmic.temperatures()[k];
        let slope = (2.0 - 1.0 / 3.0) / 100f64.ln();
        assert!((0..100).all(|k| (beta(k) - 1.0 / 3.0 - slope * ((k + 1) as f64).ln()).abs() < 1e-12));
        let geman = Schedule::geman(2.0, 3).unwrap();
        let law = [2.0 / 2f64.ln(), 2.0 / 3f64.ln(), 2.0 / 4f64.ln()];
        assert!(geman.temperatures().iter().zip(law).all(|(t, law)| (t - law).abs() < 1e-12));
    }

    #[test]
    fn another_number_of_sweeps_keeps_the_ends() {
        let long = Schedule::geometric(4.0, 0.25, 401).unwrap();
        let short = long.in_sweeps(101).unwrap();
        assert_eq!((short.temperatures()[0], short.temperatures()[100], short.sweeps()), (4.0, 0.25, 101));
        assert!((0..101).all(|k| (short.temperatures()[k] - long.temperatures()[4 * k]).abs() < 1e-12));
        assert!(long.in_sweeps(0).is_err());
    }

    #[test]
    fn what_does_not_cool_is_refused() {
        for make in ALL {
            for (start, end, sweeps) in [
                (0.0, 0.0, 5),
                (1.0, 0.0, 5),
                (1.0, -1.0, 5),
                (1.0, 2.0, 5),
                (f64::NAN, 1.0, 5),
                (1.0, f64::NAN, 5),
                (f64::INFINITY, 1.0, 5),
                (2.0, 1.0, 0),
            ] {
                assert!(make(start, end, sweeps).unwrap_err().is_usage(), "{start} {end} {sweeps}");
            }
        }
        let rises = Schedule::new(vec![2.0, 1.0, 1.5]).unwrap_err();
        assert!(rises.to_string().contains("from 1 to 1.5 at sweep 2"), "{rises}");
        assert!(Schedule::new(vec![]).is_err() && Schedule::new(vec![f64::NAN]).is_err());
        assert!(Schedule::geman(0.0, 3).is_err() && Schedule::geman(1.0, 0).is_err());
        assert!(Schedule::constant(1.5, 0).is_err());
    }
}
