//! Keys that are hidden from a picture, row by row.

use attractor::{Error, Result};

/// Keys that are hidden, and what that did to the rows so far.
///
/// For sinks: a key that takes most of every row leaves nothing to see of the rest. What is left of a row is scaled to sum
/// to one again, a distribution over the *other* keys, and the figure says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden {
    keys: Vec<usize>,
    emptied: usize,
}

impl Hidden {
    /// Hides `keys` of maps with `count` keys.
    ///
    /// # Errors
    /// `is_usage` for a key that the maps do not have, `is_shape` for no key at all.
    pub fn new(keys: &[usize], count: usize) -> Result<Self> {
        if let Some(key) = keys.iter().find(|&&k| k >= count) {
            let why = format!("the map has keys 0 to {}", count.saturating_sub(1));
            return Err(Error::option("hide", key, why));
        }
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Err(Error::shape("hide keys: none was named; needs at least one".to_string()));
        }
        Ok(Self { keys, emptied: 0 })
    }

    /// The hidden keys, ascending.
    pub fn keys(&self) -> &[usize] {
        &self.keys
    }

    /// Takes the hidden keys out of a row; false if nothing is left. NaN and infinity stay what they are: they are shown,
    /// not repaired.
    pub fn row(&mut self, row: &mut [f32]) -> bool {
        let before = row.iter().any(|&w| w != 0.0);
        self.keys.iter().for_each(|&key| row[key] = 0.0);
        let rest: f64 = row.iter().map(|&w| f64::from(w)).sum();
        if rest == 0.0 {
            self.emptied += usize::from(before);
            return false;
        }
        row.iter_mut().for_each(|w| *w = (f64::from(*w) / rest) as f32);
        true
    }

    /// What was done, for the figure.
    pub fn note(&self) -> String {
        let named = self.keys.iter().take(6).map(usize::to_string).collect::<Vec<_>>().join(", ");
        let more = if self.keys.len() > 6 { format!(" and {} more", self.keys.len() - 6) } else { String::new() };
        let (plural, be) = if self.keys.len() == 1 { ("", "is") } else { ("s", "are") };
        let mut note = format!("key{plural} {named}{more} {be} hidden, rows renormalised to sum to one");
        match self.emptied {
            0 => {}
            1 => note.push_str("; 1 row had no other weight and is blank"),
            n => note.push_str(&format!("; {n} rows had no other weight and are blank")),
        }
        note
    }
}
