//! Patterns built by hand, whose answers are known, and what judgement makes of them.

mod detect;
mod false_alarms;
mod live;
mod nulls;
mod planted;
mod steps;
mod words;

use attractor::Result;
use attractor::random::Philox;
use attractor::retrieve::{HeadStatistics, Mask, Request, dense};
use attractor_record::{Facts, ModelInfo, Origin, Role, Task, Token};
use attractor_record::{Held, LayerShape, Patterns, Rows};

/// Dense maps in memory.
pub(crate) struct Maps {
    pub info: ModelInfo,
    pub tokens: Vec<Vec<Token>>,
    pub mask: Mask,
    /// [layer][head][input] -> [n, n].
    pub maps: Vec<Vec<Vec<Vec<f32>>>>,
    /// [layer][input] -> [n, width].
    pub beliefs: Vec<Vec<Vec<f32>>>,
    pub facts: Facts,
    /// Hides the maps, leaving these.
    pub statistics: Option<HeadStatistics>,
    /// Which input and step each entry is; empty: every entry is an input.
    pub origins: Vec<Origin>,
}

impl Maps {
    /// A causal model over these token ids, with no head yet.
    pub(crate) fn causal(ids: &[Vec<u32>], layers: usize) -> Self {
        let tokens = ids
            .iter()
            .map(|ids| ids.iter().map(|&id| Token { text: format!("t{id}"), id, role: Role::Text }).collect())
            .collect();
        Self {
            info: ModelInfo {
                family: "hand-built".into(),
                task: Task::CausalLm,
                causal: true,
                layers,
                heads: 1,
                parameters: None,
                max_positions: None,
                weights_hash: String::new(),
                remarks: Vec::new(),
            },
            tokens,
            mask: Mask::causal(),
            maps: vec![Vec::new(); layers],
            beliefs: Vec::new(),
            facts: Facts::default(),
            statistics: None,
            origins: Vec::new(),
        }
    }

    pub(crate) fn bidirectional(mut self) -> Self {
        self.info.causal = false;
        self.info.task = Task::Encoder;
        self.mask = Mask::full();
        self
    }

    /// Adds a head to a layer; `map` builds the map of an input from its ids.
    pub(crate) fn head(mut self, layer: usize, map: impl Fn(&[u32], usize) -> Vec<f32>) -> Self {
        let maps = self
            .tokens
            .iter()
            .enumerate()
            .map(|(input, tokens)| map(&tokens.iter().map(|t| t.id).collect::<Vec<_>>(), input))
            .collect();
        self.maps[layer].push(maps);
        self.info.heads = self.maps.iter().map(Vec::len).max().unwrap_or(0);
        self
    }
}

impl Patterns for Maps {
    fn info(&self) -> &ModelInfo {
        &self.info
    }
    fn inputs(&self) -> usize {
        self.tokens.len()
    }
    fn origin(&self, input: usize) -> Origin {
        self.origins.get(input).copied().unwrap_or(Origin::of(input))
    }
    fn tokens(&self, input: usize) -> &[Token] {
        &self.tokens[input]
    }
    fn prompt_length(&self, _: usize) -> Option<usize> {
        None
    }
    fn layers(&self) -> Vec<LayerShape> {
        let shape = |(layer, heads): (usize, &Vec<_>)| LayerShape {
            layer,
            heads: (0..heads.len()).collect(),
            model_heads: heads.len(),
            key_heads: heads.len(),
        };
        self.maps.iter().enumerate().map(shape).collect()
    }
    fn mask(&self, _: usize, _: usize) -> Result<Mask> {
        Ok(self.mask.clone())
    }
    fn shape(&self, _: usize, input: usize) -> Result<(usize, usize)> {
        Ok((self.tokens[input].len(), self.tokens[input].len()))
    }
    fn statistics(&self, _: usize, _: usize, _: usize) -> Result<Option<HeadStatistics>> {
        Ok(self.statistics.clone())
    }
    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        let map = Held { weights: &self.maps[layer][head][input], keys: self.tokens[input].len() };
        Ok(self.statistics.is_none().then(|| Box::new(map) as Box<dyn Rows>))
    }
    fn layer_input(&self, layer: usize, input: usize, rows: &[usize]) -> Result<Option<Vec<f32>>> {
        let Some(beliefs) = self.beliefs.get(layer).map(|inputs| &inputs[input]) else { return Ok(None) };
        let width = beliefs.len() / self.tokens[input].len();
        Ok(Some(rows.iter().flat_map(|row| beliefs[row * width..(row + 1) * width].to_vec()).collect()))
    }
    fn facts(&self, _: usize, _: usize) -> Result<Facts> {
        Ok(self.facts.clone())
    }
}

/// Statistics of maps that were not kept.
pub(crate) struct Bare(pub(crate) Maps);

impl Patterns for Bare {
    fn info(&self) -> &ModelInfo {
        self.0.info()
    }
    fn inputs(&self) -> usize {
        self.0.inputs()
    }
    fn origin(&self, input: usize) -> Origin {
        self.0.origin(input)
    }
    fn tokens(&self, input: usize) -> &[Token] {
        self.0.tokens(input)
    }
    fn prompt_length(&self, input: usize) -> Option<usize> {
        self.0.prompt_length(input)
    }
    fn layers(&self) -> Vec<LayerShape> {
        self.0.layers()
    }
    fn mask(&self, layer: usize, input: usize) -> Result<Mask> {
        self.0.mask(layer, input)
    }
    fn shape(&self, layer: usize, input: usize) -> Result<(usize, usize)> {
        self.0.shape(layer, input)
    }
    fn statistics(&self, layer: usize, head: usize, input: usize) -> Result<Option<HeadStatistics>> {
        let (map, n) = (&self.0.maps[layer][head][input], self.0.tokens[input].len());
        Ok(Some(dense::of_weights(map, n, n, &self.0.mask, &Request::core()).unwrap()))
    }
    fn open(&self, _: usize, _: usize, _: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        Ok(None)
    }
    fn layer_input(&self, _: usize, _: usize, _: &[usize]) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
    fn facts(&self, _: usize, _: usize) -> Result<Facts> {
        Ok(Facts::default())
    }
}

/// `count` ids below `vocabulary`.
pub(crate) fn random_ids(count: usize, vocabulary: usize, seed: u64) -> Vec<u32> {
    let mut random = Philox::new(seed, 77);
    (0..count).map(|_| random.below(vocabulary) as u32).collect()
}

/// The map that is uniform over the visible keys of a mask, [n, n].
pub(crate) fn uniform_map(mask: &Mask, n: usize) -> Vec<f32> {
    let mut map = Vec::new();
    crate::legacy::uniform_map(mask, n).read(0..n, &mut map).unwrap();
    map
}

pub(crate) fn uniform(ids: &[u32], _: usize) -> Vec<f32> {
    uniform_map(&Mask::causal(), ids.len())
}

/// All mass on the previous token.
pub(crate) fn previous(ids: &[u32], _: usize) -> Vec<f32> {
    let n = ids.len();
    let mut map = vec![0.0; n * n];
    for i in 0..n {
        map[i * n + i.saturating_sub(1)] = 1.0;
    }
    map
}

/// Mass spread over the successors of earlier occurrences of the token; on the first position where there is none.
pub(crate) fn induction(ids: &[u32], _: usize) -> Vec<f32> {
    let n = ids.len();
    let mut map = vec![0.0; n * n];
    for i in 0..n {
        let targets: Vec<usize> = (1..i).filter(|&j| ids[j - 1] == ids[i]).collect();
        if targets.is_empty() {
            map[i * n] = 1.0;
        }
        for &j in &targets {
            map[i * n + j] = 1.0 / targets.len() as f32;
        }
    }
    map
}

/// `mass` on position 0, the rest uniform.
pub(crate) fn sink(ids: &[u32], mass: f32) -> Vec<f32> {
    let n = ids.len();
    let mut map = uniform(ids, 0);
    for i in 1..n {
        let level = (1.0 - mass) / i as f32;
        map[i * n..=i * n + i].fill(level);
        map[i * n] = mass;
    }
    map
}

/// softmax of `spread` x standard normal scores (plus `bias(i, j)`), causal; knows nothing of the tokens.
pub(crate) fn noise(n: usize, spread: f64, seed: u64, bias: impl Fn(usize, usize) -> f64) -> Vec<f32> {
    let mut random = Philox::new(seed, 3);
    let mut map = vec![0.0; n * n];
    for i in 0..n {
        let scores: Vec<f64> = (0..=i).map(|j| (spread * random.normal() + bias(i, j)).exp()).collect();
        let sum: f64 = scores.iter().sum();
        for (j, s) in scores.iter().enumerate() {
            map[i * n + j] = (s / sum) as f32;
        }
    }
    map
}
