//! What every answer says of where it comes from.

use std::collections::BTreeMap;

use attractor_record::{Patterns, Steps};

/// What of the source is said where it has several steps or stacks.
pub(crate) fn extra(patterns: &dyn Patterns, steps: &Steps) -> BTreeMap<String, String> {
    let mut extra = BTreeMap::new();
    if steps.are_several() {
        extra.insert("steps".to_string(), steps.counted());
    }
    if !patterns.stack().is_only() {
        extra.insert("stack".to_string(), patterns.stack().to_string());
    }
    extra
}
