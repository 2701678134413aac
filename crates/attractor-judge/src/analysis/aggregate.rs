//! Maps of words, spans and groups of heads that are distributions still.
//!
//! B_ab = mean over queries i of a of (sum over keys j of b of A_ij), and the mean over heads. Rows of B sum to what
//! rows of A sum to: shares are added, observers are averaged. A mean of maps is never put through a softmax again.

use std::ops::Range;

use attractor_record::LayerShape;
use attractor_record::{Patterns, Walk};
use attractor_record::{Role, Token};

use attractor::{Error, Hint, Result};

/// Most cells of an aggregated map: 128 MiB.
const MOST_CELLS: usize = 16 << 20;

/// Positions put into groups, in order: every position is in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The positions of each group, without a gap.
    groups: Vec<Range<usize>>,
    /// Group of each position.
    of: Vec<usize>,
}

impl Partition {
    fn new(starts: &[bool]) -> Self {
        let mut groups: Vec<Range<usize>> = Vec::new();
        let mut of = Vec::with_capacity(starts.len());
        for (at, &start) in starts.iter().enumerate() {
            match groups.last_mut() {
                Some(last) if !start => last.end = at + 1,
                _ => groups.push(at..at + 1),
            }
            of.push(groups.len() - 1);
        }
        Self { groups, of }
    }

    /// Each of `count` positions by itself.
    pub fn identity(count: usize) -> Self {
        Self::new(&vec![true; count])
    }

    /// The given spans, each a group; other positions stand by themselves.
    ///
    /// # Errors
    /// `is_usage` for spans that are empty, overlap, run backwards or end beyond `count`.
    pub fn spans(count: usize, spans: &[Range<usize>]) -> Result<Self> {
        let mut starts = vec![true; count];
        let mut last = 0;
        for span in spans {
            if span.start >= span.end || span.start < last || span.end > count {
                return Err(Error::usage(format!(
                    "spans: {}..{} is empty, out of order or beyond the {count} positions; give spans in order that do \
                     not overlap",
                    span.start, span.end
                )));
            }
            starts[span.start + 1..span.end].fill(false);
            last = span.end;
        }
        Ok(Self::new(&starts))
    }

    /// Words, as the texts of tokens show them.
    ///
    /// A word begins with a space, a line's end, or the marks that stand for a space; where a token has WordPiece's
    /// "##", a word begins with every token without it. Special tokens, patches and punctuation stand alone. Without
    /// any mark every token is a word.
    pub fn words(tokens: &[Token]) -> Self {
        let spaced = |text: &str| text.starts_with([' ', '\u{120}', '\u{2581}', '\n', '\t', '\r']);
        let continues = |text: &str| text.len() > 2 && text.starts_with("##");
        let alone = |role: Role| role != Role::Text;
        let text = || tokens.iter().filter(|token| !alone(token.role));
        let pieces = text().any(|token| continues(&token.text));
        let spaces = text().any(|token| spaced(&token.text));
        let starts: Vec<bool> = tokens
            .iter()
            .enumerate()
            .map(|(at, token)| {
                let Some(before) = at.checked_sub(1).map(|before| &tokens[before]) else { return true };
                if alone(token.role) || alone(before.role) {
                    return true;
                }
                match (pieces, spaces) {
                    (true, _) => !continues(&token.text),
                    (false, true) => spaced(&token.text) || before.text.ends_with(['\n', '\t', '\r']),
                    (false, false) => true,
                }
            })
            .collect();
        Self::new(&starts)
    }

    /// The positions of each group.
    pub fn groups(&self) -> &[Range<usize>] {
        &self.groups
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// True without a group.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.of.len()
    }

    /// The text of each group: its tokens, marks of continuation taken away.
    pub fn names(&self, tokens: &[Token]) -> Vec<String> {
        let name = |group: &Range<usize>| match tokens.get(group.clone()) {
            Some([token]) => token.text.clone(),
            Some(several) => several
                .iter()
                .enumerate()
                .map(|(at, token)| if at > 0 && token.text.starts_with("##") { bare(&token.text) } else { &token.text })
                .collect(),
            None => String::new(),
        };
        self.groups.iter().map(name).collect()
    }

    /// Shares of positions, added up by group.
    ///
    /// # Panics
    /// If there is not one share a position.
    pub fn add(&self, shares: &[f64]) -> Vec<f64> {
        assert_eq!(shares.len(), self.of.len(), "aggregate: one share a position is needed");
        self.groups.iter().map(|group| shares[group.clone()].iter().sum()).collect()
    }
}

/// Query heads that share a key head, in order: the groups of grouped-query attention.
pub fn query_groups(shape: &LayerShape) -> Vec<Vec<usize>> {
    let size = (shape.model_heads / shape.key_heads.max(1)).max(1);
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    for &head in &shape.heads {
        match groups.last_mut() {
            Some((key, group)) if *key == head / size => group.push(head),
            _ => groups.push((head / size, vec![head])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The mean map of some heads of a layer, by groups of queries and keys, [row groups, column groups].
///
/// `None` if one of the maps was not kept.
/// # Errors
/// `is_usage` for no heads, partitions of another length than the map, or a result of more than 16 Mi cells;
/// `is_format` if the patterns cannot be read.
pub fn aggregate(
    patterns: &dyn Patterns,
    layer: usize,
    heads: &[usize],
    input: usize,
    rows: &Partition,
    columns: &Partition,
) -> Result<Option<Vec<f64>>> {
    let (n, m) = patterns.shape(layer, input)?;
    if rows.positions() != n || columns.positions() != m {
        return Err(Error::usage(format!(
            "aggregate: groups of {} queries and {} keys for a map of {n} x {m}; put every position into a group",
            rows.positions(),
            columns.positions()
        )));
    }
    if heads.is_empty() || rows.len().saturating_mul(columns.len()) > MOST_CELLS {
        return Err(Error::usage(format!(
            "aggregate: {} heads, {} x {} groups; give at least one head and at most {MOST_CELLS} cells",
            heads.len(),
            rows.len(),
            columns.len()
        )));
    }
    let mut map = vec![0.0; rows.len() * columns.len()];
    for &head in heads {
        let Some(mut walk) = Walk::of(patterns, (layer, head), input)? else { return Ok(None) };
        while let Some(strip) = walk.next()? {
            for (query, line) in strip.rows.zip(strip.blocks[0].chunks_exact(m.max(1))) {
                let group = rows.of[query];
                let share = 1.0 / (rows.groups[group].len() * heads.len()) as f64;
                let target = &mut map[group * columns.len()..(group + 1) * columns.len()];
                for (&column, &w) in columns.of.iter().zip(line) {
                    target[column] += share * f64::from(w);
                }
            }
        }
    }
    Ok(Some(map))
}

/// Which heads of a layer become one map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeadGroups {
    /// Every head by itself.
    #[default]
    Each,
    /// Query heads that share a key head, as their mean.
    Shared,
    /// All chosen heads, as their mean.
    Mean,
}

impl HeadGroups {
    /// The heads of a layer that become one map each.
    ///
    /// # Errors
    /// `is_usage` if some heads of a group that shares a key head are missing: their mean would be another.
    pub fn of(self, shape: &LayerShape) -> Result<Vec<Vec<usize>>> {
        match self {
            Self::Mean => return Ok(vec![shape.heads.clone()]),
            Self::Each => return Ok(shape.heads.iter().map(|&head| vec![head]).collect()),
            Self::Shared => {}
        }
        let groups = query_groups(shape);
        let size = (shape.model_heads / shape.key_heads.max(1)).max(1);
        match groups.iter().find(|group| group.len() < size) {
            None => Ok(groups),
            Some(part) => {
                let first = part[0] / size * size;
                let why = format!(
                    "heads {first} to {} of layer {} share a key head and not all of them are here; choose or capture whole \
                     groups",
                    first + size - 1,
                    shape.layer
                );
                Err(Error::option("grouped", "", why).hinted(Hint::Omit("grouped")))
            }
        }
    }
}

/// Maps of one layer, by groups of positions and of heads.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregated {
    /// The model's own layer number.
    pub layer: usize,
    /// Which heads each map is the mean of.
    pub groups: Vec<Vec<usize>>,
    /// True if no head of the layer is missing.
    pub whole: bool,
    /// Groups of queries.
    pub rows: usize,
    /// Groups of keys.
    pub columns: usize,
    /// [rows, columns] of each group.
    pub maps: Vec<Vec<f64>>,
}

/// The maps of one input by groups: a mean over heads and queries, a sum over keys. Layers of another length than
/// `positions` keep their positions.
///
/// # Errors
/// As [`aggregate`] and [`HeadGroups::of`]; `is_usage` if a map was not kept.
pub fn aggregated(
    patterns: &dyn Patterns,
    input: usize,
    heads: HeadGroups,
    positions: &Partition,
) -> Result<Vec<Aggregated>> {
    let mut all = Vec::new();
    for shape in patterns.layers() {
        let (rows, columns) = patterns.shape(shape.layer, input)?;
        let of = |count: usize| match positions.positions() == count {
            true => positions.clone(),
            false => Partition::identity(count),
        };
        let (rows, columns) = (of(rows), of(columns));
        let groups = heads.of(&shape)?;
        let map = |heads: &Vec<usize>| {
            aggregate(patterns, shape.layer, heads, input, &rows, &columns)?.ok_or_else(|| {
                Error::usage(format!("L{}: its maps were not kept", shape.layer))
                    .hinted(Hint::Capture { keep: "stats+qk" })
            })
        };
        let maps = groups.iter().map(map).collect::<Result<Vec<_>>>()?;
        let whole = shape.heads.len() == shape.model_heads;
        all.push(Aggregated { layer: shape.layer, groups, whole, rows: rows.len(), columns: columns.len(), maps });
    }
    Ok(all)
}

/// A token's text without the mark or space that begins a word, and without WordPiece's mark of continuation.
pub(crate) fn bare(text: &str) -> &str {
    let text = text.trim_start_matches([' ', '\u{120}', '\u{2581}']);
    match text.strip_prefix("##") {
        Some(rest) if !rest.is_empty() => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Maps, noise, random_ids};

    fn tokens(texts: &[(&str, Role)]) -> Vec<Token> {
        texts.iter().map(|&(text, role)| Token { text: text.into(), id: 0, role }).collect()
    }

    fn words(texts: &[(&str, Role)]) -> Vec<String> {
        let tokens = tokens(texts);
        Partition::words(&tokens).names(&tokens)
    }

    const T: Role = Role::Text;
    const P: Role = Role::Punctuation;

    #[test]
    fn words_of_each_kind_of_tokenizer() {
        let bert =
            [("[CLS]", Role::Cls), ("val", T), ("##ley", T), ("of", T), ("fear", T), (".", P), ("[SEP]", Role::Sep)];
        assert_eq!(words(&bert), ["[CLS]", "valley", "of", "fear", ".", "[SEP]"]);
        let gpt = [("It", T), (" val", T), ("ley", T), (",", P), (" of", T), ("\n", T), ("The", T), (" end", T)];
        assert_eq!(words(&gpt), ["It", " valley", ",", " of", "\n", "The", " end"]);
        let marks = [("\u{120}val", T), ("ley", T), ("\u{120}of", T)];
        assert_eq!(words(&marks), ["\u{120}valley", "\u{120}of"]);
        let sentence = [("<s>", Role::Bos), ("\u{2581}", T), ("val", T), ("ley", T), ("\u{2581}of", T)];
        assert_eq!(words(&sentence), ["<s>", "\u{2581}valley", "\u{2581}of"]);
        assert_eq!(words(&[("a", T), ("b", T), ("#", P)]), ["a", "b", "#"], "without a mark each token is a word");
        assert_eq!(words(&[("0,0", Role::Patch), ("0,1", Role::Patch)]), ["0,0", "0,1"]);
        assert!(words(&[]).is_empty());
    }

    #[test]
    fn spans_that_do_not_fit_are_refused() {
        assert_eq!(Partition::spans(5, &[1..3]).unwrap().groups(), [0..1, 1..3, 3..4, 4..5]);
        #[allow(clippy::reversed_empty_ranges)]
        for wrong in [vec![1..1], vec![2..4, 3..5], vec![3..4, 0..1], vec![4..6], vec![3..2]] {
            assert!(Partition::spans(5, &wrong).unwrap_err().is_usage(), "{wrong:?}");
        }
    }

    /// Rows keep their sum; spans of one change nothing; a uniform map stays uniform per key; counting order is that
    /// of the definition.
    #[test]
    fn aggregation_keeps_rows_distributions() {
        let n = 11;
        let maps = Maps::causal(&[random_ids(n, 5, 1)], 1)
            .bidirectional()
            .head(0, |_, _| (0..121).map(|_| 1.0 / 11.0).collect())
            .head(0, |_, _| noise(11, 1.2, 5, |_, _| 0.0))
            .head(0, |_, _| noise(11, 0.7, 6, |_, _| 0.0));
        let identity = Partition::identity(n);
        let same = aggregate(&maps, 0, &[1], 0, &identity, &identity).unwrap().unwrap();
        assert!(same.iter().zip(&maps.maps[0][1][0]).all(|(a, &b)| *a == f64::from(b)), "spans of one change nothing");

        let spans = Partition::spans(n, &[2..5, 5..7, 8..11]).unwrap();
        let found = aggregate(&maps, 0, &[1, 2], 0, &spans, &spans).unwrap().unwrap();
        let g = spans.len();
        for a in 0..g {
            let sum: f64 = found[a * g..(a + 1) * g].iter().sum();
            assert!((sum - 1.0).abs() < 1e-6, "row {a} sums to {sum}");
            for b in 0..g {
                let mut expected = 0.0;
                for i in spans.groups()[a].clone() {
                    for j in spans.groups()[b].clone() {
                        for head in [1, 2] {
                            expected += f64::from(maps.maps[0][head][0][i * n + j]);
                        }
                    }
                }
                expected /= 2.0 * spans.groups()[a].len() as f64;
                assert!((found[a * g + b] - expected).abs() < 1e-12, "({a}, {b})");
            }
        }
        let uniform = aggregate(&maps, 0, &[0], 0, &spans, &spans).unwrap().unwrap();
        for (at, w) in uniform.iter().enumerate() {
            assert!((w - spans.groups()[at % g].len() as f64 / 11.0).abs() < 1e-6, "a group's share is its size");
        }
        assert!(aggregate(&maps, 0, &[], 0, &spans, &spans).unwrap_err().is_usage());
        assert!(aggregate(&maps, 0, &[0], 0, &Partition::identity(3), &spans).unwrap_err().is_usage());
        assert_eq!(spans.add(&[1.0; 11]), [1.0, 1.0, 3.0, 2.0, 1.0, 3.0]);
    }

    #[test]
    fn heads_are_grouped_by_the_key_head_that_they_read() {
        let shape = LayerShape { layer: 0, heads: vec![0, 1, 2, 4, 5], model_heads: 6, key_heads: 2 };
        assert_eq!(query_groups(&shape), [vec![0, 1, 2], vec![4, 5]]);
    }
}
