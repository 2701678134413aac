//! Attention whose heads are known by construction, and a check of well-formedness.

#![allow(dead_code, reason = "each user takes a part")]

pub mod xml;

use std::ops::Range;

use attractor::Result;
use attractor::random::Philox;
use attractor::retrieve::{HeadStatistics, Mask};
use attractor_record::{Facts, ModelInfo, Role, Task, Token};
use attractor_record::{LayerShape, Made, Patterns, Rows};

/// What a head does with a causal row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Looks at the token before.
    Previous,
    /// Looks at what followed the last occurrence of its own token.
    Induction,
    /// Averages.
    Uniform,
    /// Rests on the first token.
    Sink,
    /// Looks at earlier occurrences of its own token.
    Duplicate,
    /// Falls off with distance.
    Local,
    /// Something else in every row.
    Noise,
    /// No number at all in every seventh row.
    Nan,
    /// Sees a later token, which a causal head must not.
    Leak,
}

/// Maps that are computed a row at a time, so that any length costs nothing.
pub struct Maps {
    pub info: ModelInfo,
    pub heads: Vec<Vec<Kind>>,
    pub tokens: Vec<Vec<Token>>,
}

impl Maps {
    /// `inputs` inputs of `length` tokens that repeat after half of it.
    pub fn new(heads: Vec<Vec<Kind>>, inputs: usize, length: usize) -> Self {
        let words = [
            "the", " cat", " sat", " on", " a", " mat", " and", " saw", " my", " old", " dog", " run", ",", ".",
            " far", " away",
        ];
        let tokens = (0..inputs)
            .map(|input| {
                let mut random = Philox::new(7, input as u64);
                let period = (length / 2).max(1);
                let first: Vec<usize> = (0..period).map(|_| random.below(words.len().max(period))).collect();
                (0..length)
                    .map(|i| match i {
                        0 => Token { text: "<s>".into(), id: 1_000_000, role: Role::Bos },
                        i => {
                            let id = first[i % period];
                            let word = words[id % words.len()];
                            let role = if word.len() == 1 && word != "a" { Role::Punctuation } else { Role::Text };
                            let text =
                                if id < words.len() { word.to_string() } else { format!("{word}{}", id / words.len()) };
                            Token { text, id: id as u32, role }
                        }
                    })
                    .collect()
            })
            .collect();
        let info = ModelInfo {
            family: "synthetic".into(),
            task: Task::CausalLm,
            causal: true,
            layers: heads.len(),
            heads: heads.first().map_or(0, Vec::len),
            parameters: None,
            max_positions: None,
            weights_hash: String::new(),
            remarks: Vec::new(),
        };
        Self { info, heads, tokens }
    }

    fn row(&self, layer: usize, head: usize, input: usize, query: usize) -> Vec<f32> {
        let tokens = &self.tokens[input];
        let mut row = vec![0.0f32; tokens.len()];
        let seen = query + 1;
        let mut random = Philox::new(1 + (layer * 64 + head) as u64, (input * 1_000_003 + query) as u64);
        // A little everywhere, as real heads have it.
        let mut rest = |share: f32, row: &mut [f32]| {
            let noise: Vec<f32> = (0..seen).map(|_| (1.2 * random.normal()).exp() as f32).collect();
            let sum: f32 = noise.iter().sum();
            row.iter_mut().zip(&noise).for_each(|(r, n)| *r += share * n / sum);
        };
        let same = (1..query).rev().filter(|&j| tokens[j].id == tokens[query].id);
        match self.heads[layer][head] {
            Kind::Uniform => row[..seen].fill(1.0 / seen as f32),
            Kind::Previous => {
                rest(0.1, &mut row);
                row[query.saturating_sub(1)] += 0.9;
            }
            Kind::Sink => {
                rest(0.2, &mut row);
                row[0] += 0.8;
            }
            Kind::Induction => {
                let target = same.map(|j| j + 1).next().unwrap_or(0);
                rest(0.15, &mut row);
                row[target] += 0.85;
            }
            Kind::Duplicate => {
                let target = same.take(1).next().unwrap_or(query);
                rest(0.3, &mut row);
                row[target] += 0.7;
            }
            Kind::Local => {
                let sum: f32 = (0..seen).map(|j| (-((query - j) as f32) / 3.0).exp()).sum();
                (0..seen).for_each(|j| row[j] = (-((query - j) as f32) / 3.0).exp() / sum);
            }
            Kind::Noise => rest(1.0, &mut row),
            Kind::Leak => {
                rest(0.95, &mut row);
                row[(query + 4).min(tokens.len() - 1)] += 0.05;
            }
            Kind::Nan => {
                rest(1.0, &mut row);
                if query % 7 == 3 {
                    row[..seen].fill(f32::NAN);
                }
            }
        }
        row
    }
}

impl Patterns for Maps {
    fn info(&self) -> &ModelInfo {
        &self.info
    }
    fn inputs(&self) -> usize {
        self.tokens.len()
    }
    fn tokens(&self, input: usize) -> &[Token] {
        &self.tokens[input]
    }
    fn prompt_length(&self, _: usize) -> Option<usize> {
        None
    }
    fn layers(&self) -> Vec<LayerShape> {
        let shape = |(layer, heads): (usize, &Vec<Kind>)| LayerShape {
            layer,
            heads: (0..heads.len()).collect(),
            model_heads: heads.len(),
            key_heads: heads.len(),
        };
        self.heads.iter().enumerate().map(shape).collect()
    }
    fn mask(&self, _: usize, _: usize) -> Result<Mask> {
        Ok(Mask::causal())
    }
    fn shape(&self, _: usize, input: usize) -> Result<(usize, usize)> {
        Ok((self.tokens[input].len(), self.tokens[input].len()))
    }
    fn statistics(&self, _: usize, _: usize, _: usize) -> Result<Option<HeadStatistics>> {
        Ok(None)
    }
    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        let rows = move |rows: Range<usize>| -> Vec<f32> {
            rows.flat_map(|query| self.row(layer, head, input, query)).collect()
        };
        Ok(Some(Box::new(Made(rows))))
    }
    fn layer_input(&self, _: usize, _: usize, _: &[usize]) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
    fn facts(&self, _: usize, _: usize) -> Result<Facts> {
        Ok(Facts::default())
    }
}
