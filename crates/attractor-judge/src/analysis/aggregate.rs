//! Maps of words, spans and groups of heads that are distributions still.
//!
//! B_ab = mean over queries i of a of (sum over keys j of b of A_ij), and the mean over heads. Rows of B sum to what
//! rows of A sum to: shares are added, observers are averaged. A mean of maps is never put through a softmax again.

use std::ops::Range;

use attractor::retrieve::{HeadStatistics, Mask};
use attractor_record::{Facts, ModelInfo, Origin, Role, Stack, Token};
use attractor_record::{LayerShape, Patterns, Rows, patterns::no_layer, pieces};

use attractor::{Error, Hint, Result};

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
    pub fn names<'t>(&self, tokens: &'t [Token]) -> Vec<String> {
        let name = |group: &Range<usize>| match tokens.get(group.clone()) {
            Some([token]) => token.text.clone(),
            Some(several) => {
                let text = |(at, token): (usize, &'t Token)| match at > 0 && token.text.starts_with("##") {
                    true => bare(&token.text),
                    false => token.text.as_str(),
                };
                pieces::joined(several.iter().enumerate().map(text))
            }
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

/// The maps of one input by groups of positions and of heads: a source of patterns whose tokens are groups of tokens, and whose
/// heads are groups of heads, each by the number of its first. Rows come in strips, made when they are asked for.
pub struct Grouped {
    inner: Box<dyn Patterns>,
    input: usize,
    positions: Partition,
    tokens: Vec<Token>,
    layers: Vec<GroupedLayer>,
}

struct GroupedLayer {
    shape: LayerShape,
    heads: Vec<Vec<usize>>,
    rows: Partition,
    columns: Partition,
}

impl Grouped {
    /// Groups the maps of `input`: a mean over heads and queries, a sum over keys. Layers of another length than
    /// `positions` keep their positions.
    ///
    /// # Errors
    /// As [`HeadGroups::of`]; `is_usage` for an input that is not there.
    pub fn new(inner: Box<dyn Patterns>, input: usize, heads: HeadGroups, positions: Partition) -> Result<Self> {
        let group = |shape: LayerShape| {
            let (queries, keys) = inner.shape(shape.layer, input)?;
            let of = |count: usize| match positions.positions() == count {
                true => positions.clone(),
                false => Partition::identity(count),
            };
            let groups = heads.of(&shape)?;
            let whole = shape.heads.len() == shape.model_heads;
            let first = groups.iter().map(|group| group[0]).collect();
            // All groups of a layer are here if all its heads are.
            let model_heads = if whole { groups.len() } else { shape.model_heads };
            let shape = LayerShape { heads: first, model_heads, ..shape };
            Ok(GroupedLayer { shape, heads: groups, rows: of(queries), columns: of(keys) })
        };
        let layers = inner.layers().into_iter().map(group).collect::<Result<Vec<_>>>()?;
        let given = inner.tokens(input);
        let token = |(text, group): (String, &Range<usize>)| match given.get(group.clone()) {
            Some([token]) => token.clone(),
            _ => Token { text, id: 0, role: Role::Text },
        };
        let tokens = match given.is_empty() {
            true => Vec::new(),
            false => positions.names(given).into_iter().zip(positions.groups()).map(token).collect(),
        };
        Ok(Self { inner, input, positions, tokens, layers })
    }

    fn layer(&self, layer: usize, input: usize) -> Result<&GroupedLayer> {
        if input != self.input {
            return Err(Error::usage(format!(
                "the maps of input {} are grouped, not those of input {input}",
                self.input
            )));
        }
        let found = self.layers.iter().find(|grouped| grouped.shape.layer == layer);
        found.ok_or_else(|| no_layer(layer, input, &self.layers()))
    }
}

impl Patterns for Grouped {
    fn info(&self) -> &ModelInfo {
        self.inner.info()
    }

    fn stack(&self) -> Stack {
        self.inner.stack()
    }

    fn inputs(&self) -> usize {
        self.inner.inputs()
    }

    fn origin(&self, input: usize) -> Origin {
        self.inner.origin(input)
    }

    fn tokens(&self, input: usize) -> &[Token] {
        if input == self.input { &self.tokens } else { &[] }
    }

    /// `None` as well where the continuation begins within a group.
    fn prompt_length(&self, input: usize) -> Option<usize> {
        let prompt = self.inner.prompt_length(input)?;
        self.positions.groups().iter().position(|group| group.start == prompt)
    }

    fn layers(&self) -> Vec<LayerShape> {
        self.layers.iter().map(|grouped| grouped.shape.clone()).collect()
    }

    /// Groups behind a query's own hold nothing in causal maps; finer rules do not survive grouping.
    fn mask(&self, layer: usize, input: usize) -> Result<Mask> {
        let (rows, columns) = self.shape(layer, input)?;
        let causal = self.inner.info().causal;
        Ok(Mask { causal, offset: if causal { columns.saturating_sub(rows) } else { 0 }, ..Mask::full() })
    }

    fn shape(&self, layer: usize, input: usize) -> Result<(usize, usize)> {
        let grouped = self.layer(layer, input)?;
        Ok((grouped.rows.len(), grouped.columns.len()))
    }

    /// `None`: statistics of rows are not those of means of rows.
    fn statistics(&self, _: usize, _: usize, _: usize) -> Result<Option<HeadStatistics>> {
        Ok(None)
    }

    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        let grouped = self.layer(layer, input)?;
        let Some(heads) = grouped.heads.iter().find(|group| group[0] == head) else {
            return Err(Error::usage(format!("L{layer}H{head} is the first of no group of heads")));
        };
        let mut maps = Vec::with_capacity(heads.len());
        for &head in heads {
            let Some(map) = self.inner.open(layer, head, input)? else { return Ok(None) };
            maps.push(map);
        }
        let keys = grouped.columns.positions();
        Ok(Some(Box::new(Means { maps, rows: &grouped.rows, columns: &grouped.columns, keys, block: Vec::new() })))
    }

    fn layer_input(&self, _: usize, _: usize, _: &[usize]) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }

    fn facts(&self, layer: usize, input: usize) -> Result<Facts> {
        self.inner.facts(layer, input)
    }
}

/// Rows of the mean map of some heads, by groups.
struct Means<'a> {
    maps: Vec<Box<dyn Rows + 'a>>,
    rows: &'a Partition,
    columns: &'a Partition,
    keys: usize,
    /// Rows of a head on their way.
    block: Vec<f32>,
}

impl Rows for Means<'_> {
    fn read(&mut self, groups: Range<usize>, into: &mut Vec<f32>) -> Result<()> {
        /// Positions of a strip.
        const STRIP: usize = 64;
        let (width, heads) = (self.columns.len(), self.maps.len());
        let mut sums = vec![0.0f64; groups.len() * width];
        let covered = &self.rows.groups[groups.clone()];
        let (first, end) = (covered.first().map_or(0, |g| g.start), covered.last().map_or(0, |g| g.end));
        for map in &mut self.maps {
            for start in (first..end).step_by(STRIP) {
                let rows = start..(start + STRIP).min(end);
                map.read(rows.clone(), &mut self.block)?;
                if self.block.len() != rows.len() * self.keys {
                    let (found, keys) = (self.block.len(), self.keys);
                    return Err(Error::format(format!(
                        "rows {rows:?} came as {found} numbers, expected {keys} per row; the source contradicts its own shape"
                    )));
                }
                for (query, line) in rows.zip(self.block.chunks_exact(self.keys.max(1))) {
                    let group = self.rows.of[query];
                    let share = 1.0 / (self.rows.groups[group].len() * heads) as f64;
                    let target = &mut sums[(group - groups.start) * width..][..width];
                    for (&column, &w) in self.columns.of.iter().zip(line) {
                        target[column] += share * f64::from(w);
                    }
                }
            }
        }
        into.clear();
        into.extend(sums.into_iter().map(|sum| sum as f32));
        Ok(())
    }
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
    use attractor_record::{Restricted, Selection};

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
        let make = || {
            Maps::causal(&[random_ids(n, 5, 1)], 1)
                .bidirectional()
                .head(0, |_, _| (0..121).map(|_| 1.0 / 11.0).collect())
                .head(0, |_, _| noise(11, 1.2, 5, |_, _| 0.0))
                .head(0, |_, _| noise(11, 0.7, 6, |_, _| 0.0))
        };
        let maps = make();
        let identity = Partition::identity(n);
        let grouped = |heads: HeadGroups, only: &str, by: &Partition| {
            let chosen = Restricted::new(make(), Selection::parse(None, Some(only)).unwrap()).unwrap();
            let grouped = Grouped::new(Box::new(chosen), 0, heads, by.clone()).unwrap();
            assert_eq!(grouped.shape(0, 0).unwrap(), (by.len(), by.len()));
            assert!(grouped.shape(0, 1).unwrap_err().is_usage(), "another input has other groups");
            let head = grouped.layers()[0].heads[0];
            let whole = grouped.weights(0, head, 0, 0..by.len()).unwrap().unwrap();
            let strips: Vec<f32> =
                (0..by.len()).flat_map(|row| grouped.weights(0, head, 0, row..row + 1).unwrap().unwrap()).collect();
            assert_eq!(whole, strips, "rows do not depend on the strip that they come in");
            whole
        };
        let same = grouped(HeadGroups::Each, "1", &identity);
        assert_eq!(same, maps.maps[0][1][0], "groups of one change nothing");

        let spans = Partition::spans(n, &[2..5, 5..7, 8..11]).unwrap();
        let found = grouped(HeadGroups::Mean, "1,2", &spans);
        let g = spans.len();
        for a in 0..g {
            let sum: f32 = found[a * g..(a + 1) * g].iter().sum();
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
                assert!((f64::from(found[a * g + b]) - expected).abs() < 1e-7, "({a}, {b})");
            }
        }
        let uniform = grouped(HeadGroups::Each, "0", &spans);
        for (at, w) in uniform.iter().enumerate() {
            assert!((w - spans.groups()[at % g].len() as f32 / 11.0).abs() < 1e-6, "a group's share is its size");
        }
        assert_eq!(spans.add(&[1.0; 11]), [1.0, 1.0, 3.0, 2.0, 1.0, 3.0]);
    }

    #[test]
    fn heads_are_grouped_by_the_key_head_that_they_read() {
        let shape = LayerShape { layer: 0, heads: vec![0, 1, 2, 4, 5], model_heads: 6, key_heads: 2 };
        assert_eq!(query_groups(&shape), [vec![0, 1, 2], vec![4, 5]]);
    }
}
