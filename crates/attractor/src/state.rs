//! What a training is between two steps, by name: the form in which it goes to disk and comes back.

use std::collections::BTreeMap;

/// All that a training needs to go on, as plain arrays by name. Its plan is not in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Shape and numbers, row-major.
    pub floats: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// Counters.
    pub integers: BTreeMap<String, Vec<u64>>,
}
