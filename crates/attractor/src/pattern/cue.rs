//! What a memory is cued with: a state, and which of its units are known.

use super::Spins;
use crate::error::{Error, Result};
use crate::random::Philox;

/// A cue: unknown units hold a guess, and recall that clamps the known ones changes only these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// The state to start from.
    pub state: Spins,
    /// Which units are known.
    pub known: Vec<bool>,
}

impl Cue {
    /// A state of which everything is known.
    pub fn whole(state: Spins) -> Self {
        let known = vec![true; state.len()];
        Self { state, known }
    }

    /// A pattern of which only some units are known, the others +1 or -1 with probability one half.
    ///
    /// # Errors
    /// `is_shape` if there is not one entry per unit.
    pub fn hidden(pattern: &Spins, known: Vec<bool>, random: &mut Philox) -> Result<Self> {
        if known.len() != pattern.len() {
            return Err(Error::shape(format!(
                "cue: {} known-flags for {} units; give one per unit",
                known.len(),
                pattern.len()
            )));
        }
        let mut state = pattern.clone();
        // A draw for every unit, so that what is guessed does not depend on what else is known.
        for (unit, &known) in known.iter().enumerate() {
            let up = random.next_u32() & 1 == 1;
            if !known {
                state.set(unit, up);
            }
        }
        Ok(Self { state, known })
    }

    /// The units that may change, in order.
    pub fn unknown(&self) -> Vec<usize> {
        (0..self.known.len()).filter(|&unit| !self.known[unit]).collect()
    }
}

impl Spins {
    /// The state with each unit flipped with probability `share`: the number of wrong units varies.
    ///
    /// # Errors
    /// `is_usage` if the share lies outside [0, 1].
    pub fn with_noise(&self, share: f64, random: &mut Philox) -> Result<Self> {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::usage(format!("spins: a noise of {share}; expected a fraction from 0 to 1")));
        }
        let mut spins = self.clone();
        for unit in 0..self.len() {
            if random.uniform() < share {
                spins.flip(unit);
            }
        }
        Ok(spins)
    }

    /// From bits, 0 as -1 and 1 as +1.
    ///
    /// # Errors
    /// `is_usage` for any other number, with its place.
    pub fn from_bits(bits: &[i8]) -> Result<Self> {
        let mut spins = Self::new(bits.len());
        for (unit, &bit) in bits.iter().enumerate() {
            match bit {
                0 => {}
                1 => spins.set(unit, true),
                other => {
                    return Err(Error::usage(format!(
                        "spins: unit {unit} is {other}; expected the bit 0 or 1 (+1 and -1 are signs: use `from_signs`)"
                    )));
                }
            }
        }
        Ok(spins)
    }

    /// The units as 0 and 1.
    pub fn to_bits(&self) -> Vec<i8> {
        (0..self.len()).map(|unit| i8::from(self.is_up(unit))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_signs_are_one_state() {
        let state = Spins::random(77, &mut Philox::new(1, 0));
        assert_eq!(Spins::from_bits(&state.to_bits()).unwrap(), state);
        assert!(state.to_bits().iter().zip(state.to_signs()).all(|(bit, sign)| 2 * bit - 1 == sign));
        let error = Spins::from_bits(&[0, 1, -1]).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("unit 2 is -1"), "{error}");
    }

    /// 10 000 units at 0.3, within five standard errors; the ends are sure.
    #[test]
    fn noise_flips_its_share_of_units() {
        let mut random = Philox::new(2, 0);
        let state = Spins::random(10_000, &mut random);
        let wrong =
            |share: f64, random: &mut Philox| (10_000 - state.overlap(&state.with_noise(share, random).unwrap())) / 2;
        assert!((f64::from(wrong(0.3, &mut random)) - 3000.0).abs() < 5.0 * (10_000.0 * 0.3 * 0.7f64).sqrt());
        assert_eq!((wrong(0.0, &mut random), wrong(1.0, &mut random)), (0, 10_000));
        for bad in [-0.1, 1.1, f64::NAN] {
            assert!(state.with_noise(bad, &mut random).unwrap_err().is_usage());
        }
    }

    /// Any set of units: the known ones are the pattern's, the others a guess that does not depend on the set.
    #[test]
    fn hidden_units_are_guessed() {
        let pattern = Spins::random(200, &mut Philox::new(3, 0));
        let cue = |step: usize| {
            let known = (0..200).map(|unit| unit % step != 0).collect();
            Cue::hidden(&pattern, known, &mut Philox::new(4, 0)).unwrap()
        };
        let (third, sixth) = (cue(3), cue(6));
        assert_eq!(third.unknown(), (0..200).step_by(3).collect::<Vec<_>>());
        assert!((0..200).filter(|unit| unit % 3 != 0).all(|unit| third.state.is_up(unit) == pattern.is_up(unit)));
        assert!((0..200).step_by(6).all(|unit| third.state.is_up(unit) == sixth.state.is_up(unit)));
        assert_ne!(third.state, pattern);
        assert!(Cue::whole(pattern.clone()).unknown().is_empty());
        assert!(Cue::hidden(&pattern, vec![true; 3], &mut Philox::new(0, 0)).unwrap_err().is_shape());
    }
}
