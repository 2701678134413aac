//! What mask and tokens say before any weight is seen: visible keys, distances, classes, repeats, induction targets.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use attractor::retrieve::Mask;
use attractor::rows;
use attractor_record::{Patterns, spaced_rows};
use attractor_record::{Role, Token};

use super::block_read_twice;
use crate::config::{Config, Key};
use attractor::{Error, Result};

/// Most occurrences of its token that a query is compared with on either side, nearest first.
///
/// Bounds the work for long texts over small vocabularies; a query of 4096 letters sees its 32 nearest.
const OCCURRENCES: usize = 32;

/// The classes of keys whose share of attention is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClassKind {
    Special,
    Punctuation,
    First,
}

impl ClassKind {
    pub(crate) const ALL: [Self; 3] = [Self::Special, Self::Punctuation, Self::First];
}

/// A class of keys and how many of them each row sees.
#[derive(Debug)]
pub(crate) struct ClassKeys {
    pub members: Vec<usize>,
    pub seen: Vec<u32>,
}

/// For each row, some of its keys.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    starts: Vec<u32>,
    keys: Vec<u32>,
}

impl Pairs {
    pub(crate) fn new() -> Self {
        Self { starts: vec![0], keys: Vec::new() }
    }

    pub(crate) fn push_row(&mut self, keys: impl IntoIterator<Item = usize>) {
        self.keys.extend(keys.into_iter().map(|key| key as u32));
        self.starts.push(self.keys.len() as u32);
    }

    /// The keys of a row; none where the tokens are not known and no row was entered.
    pub(crate) fn row(&self, row: usize) -> &[u32] {
        self.range(row).map_or(&[], |pairs| &self.keys[pairs])
    }

    /// Where the pairs of a row stand among all.
    fn range(&self, row: usize) -> Option<Range<usize>> {
        match self.starts.get(row..row + 2) {
            Some(&[start, end]) => Some(start as usize..end as usize),
            _ => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Number of rows with at least one key.
    pub(crate) fn rows(&self) -> usize {
        self.starts.windows(2).filter(|w| w[0] < w[1]).count()
    }

    /// All (row, key).
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.starts.len() - 1).flat_map(move |row| self.row(row).iter().map(move |&key| (row, key as usize)))
    }
}

/// The stage on which one input meets one layer's mask.
#[derive(Debug)]
pub(crate) struct Geometry {
    /// Its number; keys the random draws.
    pub id: usize,
    pub queries: usize,
    pub keys: usize,
    pub offset: usize,
    pub mask: Mask,
    /// 1 for each key, 0 for a hidden one: what sums over keys multiply by.
    pub keep: Vec<f32>,
    /// n_i.
    pub visible: Vec<u32>,
    /// Weight of each distance in the near enrichment: 1 / (near distances x pairs at that distance); empty: no pair.
    pub near_weight: Vec<f64>,
    /// Smallest distance that counts as far, and the number of pairs at least that far apart.
    pub far: Option<(usize, u64)>,
    /// Visible pairs by signed offset, over the rows that see two keys or more.
    pub offset_pairs: Vec<u32>,
    /// Special, punctuation, first; `None` without a member.
    pub classes: [Option<ClassKeys>; 3],
    /// Whether tokens are known.
    pub has_tokens: bool,
    /// True for keys that stand for a piece of text.
    pub text: Vec<bool>,
    /// 1 for the keys of `text` that are not hidden, else 0; empty without tokens.
    pub keep_text: Vec<f32>,
    /// Other visible keys with the query's own token, both of them text.
    pub same: Pairs,
    /// Offsets at which such pairs stand, ascending, and how many stand there.
    pub same_offsets: Vec<(u32, u32)>,
    /// The place of each pair's offset among them, in the order of the pairs.
    same_slots: Vec<u32>,
    /// Visible pairs of two different text positions, by signed offset; empty without `same`.
    pub text_pairs: Vec<u32>,
    /// Targets of induction: in a block read twice the successor in the first reading, for each token of the second;
    /// in other texts the successors of earlier occurrences of the query's token.
    pub induction: Pairs,
    /// Rows that the diversity check compares.
    pub chosen: Vec<usize>,
}

impl Geometry {
    /// One for each [layer][input]; layers with the same mask share theirs.
    pub(crate) fn of_all(patterns: &dyn Patterns, config: &Config) -> Result<Vec<Vec<Arc<Self>>>> {
        let mut known: Vec<Vec<Arc<Self>>> = vec![Vec::new(); patterns.inputs()];
        let mut count = 0;
        let mut all = Vec::new();
        for shape in patterns.layers() {
            let mut row = Vec::with_capacity(patterns.inputs());
            for (input, known) in known.iter_mut().enumerate() {
                let mask = patterns.mask(shape.layer, input)?;
                let (queries, keys) = patterns.shape(shape.layer, input)?;
                mask.check(keys)
                    .map_err(|e| Error::format(format!("judge: L{}, input {input}: {e}", shape.layer)).because(e))?;
                let same = known.iter().find(|g| g.queries == queries && g.keys == keys && g.mask == mask).cloned();
                let geometry = match same {
                    Some(geometry) => geometry,
                    None => {
                        count += 1;
                        let new = Arc::new(Self::new(count - 1, mask, queries, keys, patterns.tokens(input), config));
                        known.push(new.clone());
                        new
                    }
                };
                row.push(geometry);
            }
            all.push(row);
        }
        Ok(all)
    }

    fn new(id: usize, mask: Mask, queries: usize, keys: usize, tokens: &[Token], config: &Config) -> Self {
        let visible: Vec<u32> = (0..queries).map(|i| mask.visible(i, keys) as u32).collect();
        let mut geometry = Self {
            id,
            queries,
            keys,
            offset: mask.offset,
            keep: (0..keys).map(|key| if mask.hides(key) { 0.0 } else { 1.0 }).collect(),
            mask,
            visible,
            near_weight: Vec::new(),
            far: None,
            offset_pairs: Vec::new(),
            classes: [None, None, None],
            has_tokens: tokens.len() == keys && keys > 0,
            text: Vec::new(),
            keep_text: Vec::new(),
            same: Pairs::new(),
            same_offsets: Vec::new(),
            same_slots: Vec::new(),
            text_pairs: Vec::new(),
            induction: Pairs::new(),
            chosen: Vec::new(),
        };
        geometry.set_distances(config.count(Key::NearDistances));
        geometry.set_offsets();
        geometry.set_classes(tokens);
        if geometry.has_tokens {
            geometry.set_repeats(tokens);
        }
        geometry.chosen = spaced_rows(&geometry.mask, queries, keys, config.count(Key::DiversityRows));
        geometry
    }

    /// Position of a query among the keys.
    pub(crate) fn position(&self, query: usize) -> usize {
        query + self.offset
    }

    /// Index of the signed offset from query to key.
    pub(crate) fn offset_index(&self, query: usize, key: usize) -> usize {
        self.position(query) + self.keys - 1 - key
    }

    /// The offset's index counted from the other end, which grows with the key: a row is one run of it.
    pub(crate) fn profile_index(&self, query: usize, key: usize) -> usize {
        self.queries - query + key
    }

    /// Number of signed offsets.
    pub(crate) fn offsets(&self) -> usize {
        self.queries + self.offset + self.keys
    }

    /// The slots, in [`same_offsets`](Self::same_offsets), of a row's pairs of one token.
    pub(crate) fn same_slots(&self, query: usize) -> &[u32] {
        self.same.range(query).map_or(&[], |pairs| &self.same_slots[pairs])
    }

    /// True if two rows see exactly one key in common.
    pub(crate) fn share_one_key(&self, a: usize, b: usize) -> bool {
        let (a, b) = (self.mask.range(a, self.keys), self.mask.range(b, self.keys));
        (a.start.max(b.start)..a.end.min(b.end)).filter(|&key| !self.mask.hides(key)).take(2).count() == 1
    }

    /// True if maps of the two can be compared cell by cell.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        self.queries == other.queries && self.keys == other.keys && self.mask == other.mask
    }

    /// The visible keys of a query.
    pub(crate) fn visible_keys(&self, query: usize) -> impl Iterator<Item = usize> + '_ {
        self.mask.range(query, self.keys).filter(move |&key| !self.mask.hides(key))
    }

    /// Makes rows distributions in place: zero outside the visible keys, sum one (or all zero).
    pub(crate) fn normalise(&self, block: &mut [f32], rows: Range<usize>) {
        for (row, weights) in rows.zip(block.chunks_exact_mut(self.keys.max(1))) {
            let range = self.mask.range(row, self.keys);
            weights[..range.start].fill(0.0);
            weights[range.end..].fill(0.0);
            rows::dispatch(
                #[inline(always)]
                || {
                    let (seen, keep) = (&mut weights[range.clone()], &self.keep[range.clone()]);
                    rows::clean(seen, keep);
                    let sum = rows::sum_kept(seen, keep);
                    let scale = if sum > 0.0 { (1.0 / sum) as f32 } else { 0.0 };
                    seen.iter_mut().for_each(|w| *w *= scale);
                },
            );
        }
    }

    fn set_distances(&mut self, near: usize) {
        // Pairs by distance, as a difference array: each row covers one run of distances on either side.
        let length = (self.queries + self.offset).max(self.keys) + 2;
        let mut change = vec![0i64; length];
        let mut hidden = vec![0i64; length];
        for query in 0..self.queries {
            let (p, range) = (self.position(query), self.mask.range(query, self.keys));
            let left = range.start..range.end.min(p + 1);
            if !left.is_empty() {
                change[p + 1 - left.end] += 1;
                change[p + 1 - left.start] -= 1;
            }
            let right = range.start.max(p + 1)..range.end;
            if !right.is_empty() {
                change[right.start - p] += 1;
                change[right.end - p] -= 1;
            }
            if !self.mask.hidden.is_empty() {
                range.filter(|&key| self.mask.hides(key)).for_each(|key| hidden[p.abs_diff(key)] += 1);
            }
        }
        let mut running = 0;
        let pairs: Vec<u64> = (0..length)
            .map(|d| {
                running += change[d];
                (running - hidden[d]) as u64
            })
            .collect();
        let chosen: Vec<usize> = (1..length).filter(|&d| pairs[d] > 0).take(near).collect();
        if let Some(&last) = chosen.last() {
            self.near_weight = vec![0.0; last + 1];
            for &d in &chosen {
                self.near_weight[d] = 1.0 / (chosen.len() as f64 * pairs[d] as f64);
            }
            let furthest = (1..length).rev().find(|&d| pairs[d] > 0).unwrap_or(last);
            let from = (furthest / 2 + 1).max(last + 1);
            let count = pairs[from.min(length)..].iter().sum();
            self.far = (count > 0).then_some((from, count));
        }
    }

    fn set_offsets(&mut self) {
        // As above: the keys of a row are one run of offsets.
        let mut change = vec![0i64; self.offsets() + 1];
        let mut hidden = vec![0i64; self.offsets() + 1];
        for query in (0..self.queries).filter(|&query| self.visible[query] >= 2) {
            let range = self.mask.range(query, self.keys);
            change[self.offset_index(query, range.end - 1)] += 1;
            change[self.offset_index(query, range.start) + 1] -= 1;
            if !self.mask.hidden.is_empty() {
                range.filter(|&key| self.mask.hides(key)).for_each(|key| hidden[self.offset_index(query, key)] += 1);
            }
        }
        let mut running = 0;
        self.offset_pairs = (0..self.offsets())
            .map(|index| {
                running += change[index];
                (running - hidden[index]) as u32
            })
            .collect();
    }

    fn set_classes(&mut self, tokens: &[Token]) {
        for kind in ClassKind::ALL {
            let member = |key: usize| match kind {
                ClassKind::Special => tokens.get(key).is_some_and(|t| t.role.is_special()),
                ClassKind::Punctuation => tokens.get(key).is_some_and(|t| t.role == Role::Punctuation),
                ClassKind::First => key == 0,
            };
            let members: Vec<usize> = (0..self.keys).filter(|&key| member(key) && !self.mask.hides(key)).collect();
            if members.is_empty() {
                continue;
            }
            let seen = (0..self.queries)
                .map(|query| {
                    let range = self.mask.range(query, self.keys);
                    let below = |bound: usize| members.partition_point(|&key| key < bound);
                    (below(range.end) - below(range.start)) as u32
                })
                .collect();
            self.classes[kind as usize] = Some(ClassKeys { members, seen });
        }
    }

    fn set_repeats(&mut self, tokens: &[Token]) {
        self.text = tokens.iter().map(|t| !t.role.is_special() && t.role != Role::Patch).collect();
        self.keep_text = self.text.iter().zip(&self.keep).map(|(&text, keep)| if text { *keep } else { 0.0 }).collect();
        let mut places: HashMap<u32, Vec<usize>> = HashMap::new();
        for (key, token) in tokens.iter().enumerate().filter(|&(key, _)| self.text[key]) {
            places.entry(token.id).or_default().push(key);
        }
        let twice = block_read_twice(tokens);
        for query in 0..self.queries {
            let p = self.position(query);
            if !self.text.get(p).copied().unwrap_or(false) {
                self.same.push_row([]);
                self.induction.push_row([]);
                continue;
            }
            let all = &places[&tokens[p].id];
            let own = all.partition_point(|&key| key < p);
            let before = &all[own.saturating_sub(OCCURRENCES)..own];
            let after = &all[own + 1..(own + 1 + OCCURRENCES).min(all.len())];
            let admits = |key: usize| self.mask.admits(query, key, self.keys);
            let same: Vec<usize> = before.iter().chain(after).copied().filter(|&key| admits(key)).collect();
            self.same.push_row(same);
            // The query itself is no successor: attending to oneself is no induction.
            let next: Vec<usize> = match twice {
                Some((start, length)) => {
                    let second = start + length..start + 2 * length;
                    second.contains(&p).then(|| p + 1 - length).into_iter().filter(|&key| admits(key)).collect()
                }
                None => {
                    before.iter().map(|&key| key + 1).filter(|&key| key < p && self.text[key] && admits(key)).collect()
                }
            };
            self.induction.push_row(next);
        }
        if self.same.len() > 0 {
            self.text_pairs = self.count_text_pairs();
            let mut pairs = vec![0u32; self.offsets()];
            let offsets: Vec<u32> = self.same.iter().map(|(query, key)| self.offset_index(query, key) as u32).collect();
            offsets.iter().for_each(|&offset| pairs[offset as usize] += 1);
            let there = pairs.iter().enumerate().filter(|(_, pairs)| **pairs > 0);
            self.same_offsets = there.map(|(offset, &pairs)| (offset as u32, pairs)).collect();
            let mut slots = vec![0u32; self.offsets()];
            for (slot, (offset, _)) in self.same_offsets.iter().enumerate() {
                slots[*offset as usize] = slot as u32;
            }
            self.same_slots = offsets.iter().map(|&offset| slots[offset as usize]).collect();
        }
    }

    /// Visible pairs of two different text positions, by signed offset.
    fn count_text_pairs(&self) -> Vec<u32> {
        // As for all pairs: a row is one run of offsets, from which the few keys that are no text are taken out again.
        let no_text: Vec<usize> = (0..self.keys).filter(|&key| self.keep_text[key] == 0.0).collect();
        let mut change = vec![0i64; self.offsets() + 1];
        let mut out = vec![0i64; self.offsets() + 1];
        for query in 0..self.queries {
            let (p, range) = (self.position(query), self.mask.range(query, self.keys));
            if range.is_empty() || !self.text.get(p).copied().unwrap_or(false) {
                continue;
            }
            change[self.offset_index(query, range.end - 1)] += 1;
            change[self.offset_index(query, range.start) + 1] -= 1;
            let (from, to) =
                (no_text.partition_point(|&k| k < range.start), no_text.partition_point(|&k| k < range.end));
            no_text[from..to].iter().for_each(|&key| out[self.offset_index(query, key)] += 1);
            if range.contains(&p) && self.keep_text[p] > 0.0 {
                out[self.offset_index(query, p)] += 1;
            }
        }
        let mut running = 0;
        (0..self.offsets())
            .map(|index| {
                running += change[index];
                (running - out[index]) as u32
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances, offsets and classes by difference arrays against counting pair by pair.
    #[test]
    fn pairs_are_counted_as_if_one_by_one() {
        let token = |id: usize, role| Token { text: String::new(), id: id as u32, role };
        let (n, m) = (11, 13);
        for causal in [false, true] {
            for window in [None, Some(4)] {
                for padded in [0, 3] {
                    let hidden = if padded > 0 { (0..m).map(|j| j >= m - padded || j == 2).collect() } else { vec![] };
                    let mask = Mask { causal, window, offset: 2, hidden, ..Mask::full() };
                    let tokens: Vec<Token> =
                        (0..m).map(|j| token(j % 4, if j % 5 == 0 { Role::Sep } else { Role::Text })).collect();
                    let g = Geometry::new(0, mask.clone(), n, m, &tokens, &Config::default());
                    let mut offsets = vec![0u32; g.offsets()];
                    let mut distances = vec![0u64; m + n];
                    for i in 0..n {
                        for j in (0..m).filter(|&j| mask.admits(i, j, m)) {
                            distances[(i + 2).abs_diff(j)] += 1;
                            if g.visible[i] >= 2 {
                                offsets[g.offset_index(i, j)] += 1;
                            }
                        }
                        let seen = (0..m).filter(|&j| mask.admits(i, j, m) && j % 5 == 0).count();
                        assert_eq!(g.classes[0].as_ref().unwrap().seen[i] as usize, seen, "{mask:?} row {i}");
                    }
                    assert_eq!(g.offset_pairs, offsets, "{mask:?}");
                    let near: Vec<usize> = (1..m).filter(|&d| distances[d] > 0).take(5).collect();
                    for (d, &weight) in g.near_weight.iter().enumerate() {
                        let expected =
                            if near.contains(&d) { 1.0 / (near.len() as f64 * distances[d] as f64) } else { 0.0 };
                        assert!((weight - expected).abs() < 1e-15, "{mask:?} distance {d}");
                    }
                    if let Some((from, pairs)) = g.far {
                        assert_eq!(pairs, distances[from..].iter().sum::<u64>(), "{mask:?}");
                    }
                }
            }
        }
    }

    /// a b a b a: the second a may see the first; its target is the b between; no query is its own target.
    #[test]
    fn repeats_and_induction_targets_by_hand() {
        let tokens: Vec<Token> =
            [0u32, 1, 0, 1, 0, 0].iter().map(|&id| Token { text: String::new(), id, role: Role::Text }).collect();
        let g = Geometry::new(0, Mask::causal(), 6, 6, &tokens, &Config::default());
        assert_eq!(g.same.iter().collect::<Vec<_>>(), [(2, 0), (3, 1), (4, 0), (4, 2), (5, 0), (5, 2), (5, 4)]);
        assert_eq!(g.induction.iter().collect::<Vec<_>>(), [(2, 1), (3, 2), (4, 1), (4, 3), (5, 1), (5, 3)]);
        assert_eq!(g.induction.rows(), 4);
    }

    /// Maps from a file come without tokens: no row has pairs, and asking for them is no error.
    #[test]
    fn without_tokens_no_row_has_pairs() {
        let g = Geometry::new(0, Mask::causal(), 6, 6, &[], &Config::default());
        assert!(!g.has_tokens && (0..6).all(|row| g.same.row(row).is_empty() && g.induction.row(row).is_empty()));
    }
}
