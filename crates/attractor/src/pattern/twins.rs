//! Patterns that no memory can tell apart.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use crate::Note;

/// The first two equal patterns, by what makes them so, and how many more repeat an earlier one.
pub fn twins<K: Eq + Hash>(patterns: impl Iterator<Item = K>) -> Option<Note> {
    let mut seen: HashMap<K, usize> = HashMap::new();
    let (mut found, mut count) = (None, 0);
    for (at, key) in patterns.enumerate() {
        match seen.entry(key) {
            Entry::Vacant(place) => drop(place.insert(at)),
            Entry::Occupied(place) => {
                found.get_or_insert((*place.get(), at));
                count += 1;
            }
        }
    }
    found.map(|(first, second)| Note::EqualPatterns { first, second, more: count - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pair_is_named_and_further_repeats_are_counted() {
        assert_eq!(
            twins([3, 1, 4, 1, 5, 3, 1].into_iter()),
            Some(Note::EqualPatterns { first: 1, second: 3, more: 2 })
        );
        assert_eq!(twins([2, 7, 1].into_iter()), None);
    }
}
