//! The divergence alarm: the likelihood falls while the reconstruction still improves.
//!
//! Contrastive divergence and persistent chains often raise the likelihood first and destroy it later; the reconstruction
//! error, which is what most people watch, goes on falling all the while (Fischer and Igel 2010; Desjardins et al. 2010).

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A measurement during training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Epochs done.
    pub epoch: u64,
    /// Mean ln p(v) per row, nats: exact, or by AIS.
    pub log_likelihood: f64,
    /// Standard error of ln Z in it; 0 of an exact one.
    pub standard_error: f64,
    /// Reconstruction error, any that falls when reconstruction improves.
    pub reconstruction_error: f64,
}

/// What a reading means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trend {
    /// The likelihood is the best so far, or not clearly below it.
    Fine,
    /// The likelihood has fallen clearly below the best, but not yet for as many readings in a row as it takes.
    Falling {
        /// Nats below the best.
        drop: f64,
        /// Nats that would still have been fine.
        tolerance: f64,
    },
    /// The likelihood has fallen clearly below the best while the reconstruction error is smaller than it was at the best:
    /// what is watched improves, what is wanted does not. The alarm.
    Diverging {
        /// Nats below the best.
        drop: f64,
        /// Nats that would still have been fine.
        tolerance: f64,
    },
    /// The likelihood has fallen clearly below the best, and the reconstruction is worse too.
    Worse {
        /// Nats below the best.
        drop: f64,
        /// Nats that would still have been fine.
        tolerance: f64,
    },
}

/// Watches readings, and keeps the best one for roll-back.
///
/// The rule. Let (L*, s*, R*) be the reading with the highest likelihood so far, (L, s, R) the new one. The likelihood has
/// *fallen* if L* - L > 3 sqrt(s^2 + s*^2) + margin. When it has fallen at `patience` readings in a row, the last one with
/// R < R* is [`Trend::Diverging`], with another R [`Trend::Worse`]; before that it is [`Trend::Falling`].
///
/// Margin (0.2 nats unless said otherwise) and patience (3) are there because exact likelihoods have no standard error, and a
/// healthy training at a constant rate makes its likelihood dip and rise again. Measured on bars and stripes, 4 x 4, exact
/// likelihood every 100 updates, 20 000 updates at a rate of 0.1: CD-1 and PCD-1 fire at updates 1900 to 13 300 in all
/// eight runs; tempering with a falling rate never, at a constant one in three of four runs, by dips that it recovers from.
/// At a margin of 0.05 and a patience of 1 all runs fire, the good ones too.
///
/// The best of many noisy readings is too high by about its standard error times sqrt(2 ln count); three in a row must lie
/// below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    margin: f64,
    patience: u32,
    /// Readings in a row at which the likelihood had fallen.
    fallen: u32,
    best: Option<Reading>,
    fired: Option<Reading>,
}

/// Standard errors of a fall.
const ERRORS: f64 = 3.0;

impl Default for Alarm {
    fn default() -> Self {
        Self { margin: 0.2, patience: 3, fallen: 0, best: None, fired: None }
    }
}

impl Alarm {
    /// An alarm with this margin in nats per row, and this many readings before it fires.
    ///
    /// # Errors
    /// `is_usage` if the margin is negative or not a number, or the patience zero.
    pub fn new(margin: f64, patience: u32) -> Result<Self> {
        if !(margin >= 0.0 && margin.is_finite()) || patience == 0 {
            return Err(Error::usage(format!(
                "divergence alarm: a margin of {margin} nats and a patience of {patience}; expected zero or more, and one or more"
            )));
        }
        Ok(Self { margin, patience, ..Self::default() })
    }

    /// The same alarm, with all that it has seen, at another margin and patience.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn tuned(self, margin: f64, patience: u32) -> Result<Self> {
        let Self { margin, patience, .. } = Self::new(margin, patience)?;
        Ok(Self { margin, patience, ..self })
    }

    /// Judges a reading.
    ///
    /// # Errors
    /// `is_usage` if a number is not finite or the standard error is negative: such a training has broken down already.
    pub fn observe(&mut self, reading: Reading) -> Result<Trend> {
        let Reading { epoch, log_likelihood, standard_error, reconstruction_error } = reading;
        let all_finite = [log_likelihood, standard_error, reconstruction_error].iter().all(|x| x.is_finite());
        if !all_finite || standard_error < 0.0 {
            return Err(Error::usage(format!(
                "divergence alarm: epoch {epoch} reads a log-likelihood of {log_likelihood} +- {standard_error} and a \
                 reconstruction error of {reconstruction_error}; expected finite numbers: go back to the best checkpoint"
            )));
        }
        let Some(best) = self.best.filter(|best| log_likelihood <= best.log_likelihood) else {
            self.best = Some(reading);
            self.fallen = 0;
            return Ok(Trend::Fine);
        };
        let drop = best.log_likelihood - log_likelihood;
        let tolerance = ERRORS * best.standard_error.hypot(standard_error) + self.margin;
        if drop <= tolerance {
            self.fallen = 0;
            return Ok(Trend::Fine);
        }
        self.fallen = self.fallen.saturating_add(1);
        if self.fallen < self.patience {
            return Ok(Trend::Falling { drop, tolerance });
        }
        if reconstruction_error >= best.reconstruction_error {
            return Ok(Trend::Worse { drop, tolerance });
        }
        self.fired.get_or_insert(reading);
        Ok(Trend::Diverging { drop, tolerance })
    }

    /// The reading with the highest likelihood: where to go back to.
    pub fn best(&self) -> Option<Reading> {
        self.best
    }

    /// The reading that first fired the alarm.
    pub fn fired(&self) -> Option<Reading> {
        self.fired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(epoch: u64, log_likelihood: f64, standard_error: f64, reconstruction_error: f64) -> Reading {
        Reading { epoch, log_likelihood, standard_error, reconstruction_error }
    }

    /// The fall is measured from the best and in the errors of both readings: 3 x 0.05 + 0.05 = 0.2 nats here.
    #[test]
    fn it_fires_beyond_three_standard_errors_while_reconstruction_improves() {
        let mut alarm = Alarm::new(0.05, 1).unwrap();
        let see = |alarm: &mut Alarm, reading| alarm.observe(reading).unwrap();
        assert_eq!(see(&mut alarm, reading(1, -10.0, 0.04, 0.5)), Trend::Fine);
        assert_eq!(see(&mut alarm, reading(2, -8.0, 0.04, 0.4)), Trend::Fine);
        assert_eq!(see(&mut alarm, reading(3, -8.199, 0.03, 0.3)), Trend::Fine);
        assert!(matches!(see(&mut alarm, reading(4, -8.3, 0.03, 0.45)), Trend::Worse { .. }));
        assert_eq!(alarm.fired(), None);
        match see(&mut alarm, reading(5, -8.201, 0.03, 0.3)) {
            Trend::Diverging { drop, tolerance } => {
                assert!((drop - 0.201).abs() < 1e-9 && (tolerance - 0.2).abs() < 1e-9);
            }
            other => panic!("{other:?}"),
        }
        see(&mut alarm, reading(6, -12.0, 0.0, 0.1));
        assert_eq!((alarm.best().unwrap().epoch, alarm.fired().unwrap().epoch), (2, 5));
        // A new best is fine again.
        assert_eq!(see(&mut alarm, reading(7, -7.9, 0.0, 0.6)), Trend::Fine);
        assert_eq!(alarm.best().unwrap().epoch, 7);
    }

    /// Exact likelihoods have no error: the margin alone decides.
    #[test]
    fn the_margin_holds_for_exact_likelihoods() {
        let mut alarm = Alarm::new(0.1, 1).unwrap();
        alarm.observe(reading(0, -1.0, 0.0, 0.2)).unwrap();
        assert_eq!(alarm.observe(reading(1, -1.09, 0.0, 0.1)).unwrap(), Trend::Fine);
        assert!(matches!(alarm.observe(reading(2, -1.11, 0.0, 0.1)).unwrap(), Trend::Diverging { .. }));
    }

    /// A dip that ends before patience does is no alarm; the count starts again after it.
    #[test]
    fn a_short_dip_is_forgiven() {
        let mut alarm = Alarm::new(0.1, 3).unwrap();
        let mut see =
            |epoch, log_likelihood| alarm.observe(reading(epoch, log_likelihood, 0.0, 0.5 - epoch as f64 / 100.0));
        assert_eq!(see(0, -1.0).unwrap(), Trend::Fine);
        for epoch in [1, 2, 4, 5, 7] {
            assert!(matches!(see(epoch, -2.0).unwrap(), Trend::Falling { .. }));
            if [2, 5].contains(&epoch) {
                assert_eq!(see(epoch + 1, -1.05).unwrap(), Trend::Fine);
            }
        }
        assert!(matches!(see(8, -2.0).unwrap(), Trend::Falling { .. }));
        assert!(matches!(see(9, -1.2).unwrap(), Trend::Diverging { .. }));
        assert_eq!(alarm.fired().map(|reading| reading.epoch), Some(9));
    }

    #[test]
    fn readings_that_are_not_numbers_are_refused() {
        let mut alarm = Alarm::default();
        for bad in [reading(0, f64::NAN, 0.0, 0.0), reading(0, 0.0, -1.0, 0.0), reading(0, 0.0, 0.0, f64::INFINITY)] {
            assert!(alarm.observe(bad).unwrap_err().is_usage());
        }
        assert_eq!(alarm.best(), None);
        // What was seen stays where the alarm is tuned anew.
        alarm.observe(reading(0, -1.0, 0.0, 0.2)).unwrap();
        let mut alarm = alarm.tuned(0.05, 1).unwrap();
        assert!(matches!(alarm.observe(reading(1, -1.1, 0.0, 0.1)).unwrap(), Trend::Diverging { .. }));
        assert!(Alarm::new(0.1, 0).unwrap_err().is_usage());
        assert!(Alarm::new(-1.0, 1).unwrap_err().is_usage() && Alarm::new(f64::NAN, 1).unwrap_err().is_usage());
    }
}
