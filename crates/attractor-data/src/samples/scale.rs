//! What a file holds decides its scale: bytes and pictures into 0 to 1, thresholds in the file's own unit.
//!
//! | the file holds                      | without a scale                                  |
//! |-------------------------------------|--------------------------------------------------|
//! | unsigned bytes, none above 1        | bits: as they are                                |
//! | unsigned bytes, the largest 128-255 | grey levels: over 255                            |
//! | unsigned bytes, the largest 2-127   | as they are: they may be of another scale (0-16) |
//! | pictures                            | grey levels: over 255, whatever they hold        |
//! | other numbers                       | as they are                                      |
//!
//! A threshold of grey levels that is 1 or more counts in levels, of 0 to 255, and below 1 in parts of white.

use attractor::{Context, DataNote, Error, Note, Result};
use serde::{Deserialize, Serialize};

use super::Samples;

/// What numbers are levels of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Levels {
    /// Nothing in particular.
    #[default]
    Numbers,
    /// Unsigned bytes of an array.
    Bytes,
    /// Grey of pictures, white 255.
    Grey,
}

/// What was done to the numbers of a file: divided, then cut.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    /// What they were divided by.
    pub divided_by: f32,
    /// Numbers above it, in the file's own unit over `divided_by`, became 1, others 0.
    pub threshold: Option<f32>,
}

impl Default for Encoding {
    fn default() -> Self {
        Self { divided_by: 1.0, threshold: None }
    }
}

/// What each number was centred at and divided by, so that its mean is 0 and its variance 1 over the rows that were learnt.
#[derive(Debug, Clone, PartialEq)]
pub struct StandardUnits {
    /// Means, one per unit.
    pub centre: Vec<f32>,
    /// StandardUnits deviations, one per unit; 1 of a unit that does not vary.
    pub spread: Vec<f32>,
}

impl StandardUnits {
    /// Of these rows.
    pub fn of(rows: &Samples) -> Self {
        let count = rows.count as f64;
        let column = |unit: usize| (0..rows.count).map(move |row| f64::from(rows.values[row * rows.features + unit]));
        let moments = |unit: usize| {
            let mean = column(unit).sum::<f64>() / count;
            let variance = column(unit).map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            (mean as f32, if variance > 0.0 { variance.sqrt() as f32 } else { 1.0 })
        };
        let (centre, spread) = (0..rows.features).map(moments).unzip();
        Self { centre, spread }
    }

    /// Brings rows of numbers into standard units.
    pub fn apply(&self, values: &mut [f32]) {
        for row in values.chunks_mut(self.centre.len()) {
            let each = row.iter_mut().zip(self.centre.iter().zip(&self.spread));
            each.for_each(|(x, (centre, spread))| *x = (*x - centre) / spread);
        }
    }

    /// Brings a row back into the unit of the data.
    pub fn undo(&self, row: &mut [f32]) {
        let each = row.iter_mut().zip(self.centre.iter().zip(&self.spread));
        each.for_each(|(x, (centre, spread))| *x = *x * spread + centre);
    }
}

/// White.
const WHITE: f32 = 255.0;

impl Samples {
    /// The numbers divided by `scale`, or without one by what the file holds; and the threshold in their unit.
    ///
    /// # Errors
    /// `is_usage` unless the scale is above zero and the threshold finite.
    pub fn scaled(mut self, scale: Option<f32>, threshold: Option<f32>) -> Result<(Self, Option<f32>)> {
        if let Some(scale) = scale.filter(|scale| !(*scale > 0.0 && scale.is_finite())) {
            return Err(Error::option("scale", scale, "give a number above zero"));
        }
        if let Some(threshold) = threshold.filter(|threshold| !threshold.is_finite()) {
            return Err(Error::option("threshold", threshold, "give a finite number"));
        }
        let most = self.values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let grey = match self.levels {
            Levels::Grey => true,
            Levels::Bytes => most >= 128.0,
            Levels::Numbers => false,
        };
        let by = scale.unwrap_or(if grey { WHITE } else { 1.0 });
        if by != 1.0 {
            self.values.iter_mut().for_each(|value| *value /= by);
        }
        self.encoding.divided_by *= by;
        if scale.is_none() && by != 1.0 {
            self.notes.push(DataNote::Divided { by, most, pictures: self.levels == Levels::Grey });
        }
        // Of grey levels one is next to black: 1 and more counts in levels.
        let in_levels = |threshold: f32| scale.is_none() && grey && threshold >= 1.0;
        let threshold = threshold.map(|given| {
            if in_levels(given) {
                self.notes.push(DataNote::ThresholdInLevels { threshold: given, of_one: given / WHITE });
                given / WHITE
            } else {
                given
            }
        });
        Ok((self, threshold))
    }

    /// 1 where a number is above the threshold, in the unit of the numbers as they are now, else 0.
    pub fn binary(mut self, threshold: f32) -> Self {
        self.values.iter_mut().for_each(|value| *value = f32::from(u8::from(*value > threshold)));
        self.encoding.threshold = Some(threshold);
        self
    }

    /// Notes data that hold one number alone.
    pub(crate) fn note_constant(&self, context: &Context<'_>) {
        if let Some(value) = self.constant().filter(|_| self.values.len() > 1) {
            context.note(&Note::Data(DataNote::Constant { source: self.source.clone(), value }));
        }
    }

    /// The one number that all of them are, if so.
    pub fn constant(&self) -> Option<f32> {
        let first = self.values[0];
        self.values.iter().all(|&value| value == first).then_some(first)
    }
}
