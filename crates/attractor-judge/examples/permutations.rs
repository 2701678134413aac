//! Time of mismatched-pairing permutations over all heads of a model, with the answer checked.
//!
//! ```text
//! cargo run --release -p attractor-judge --example permutations
//! ```
//!
//! 144 heads on 32 inputs of 256 tokens, 10 000 pairings, three detectors of content. The maps are made up as they are asked
//! for (their time is printed apart). Two heads of each kind are planted and must be all that is found; the p-values of two
//! heads are computed again from the definition, cell by cell, and must agree.

use std::ops::Range;
use std::time::Instant;

use attractor::Result;
use attractor::random::Philox;
use attractor::retrieve::{HeadStatistics, Mask};
use attractor_judge::detect::{Detector, Options, detect};
use attractor_judge::statistics::Pairings;
use attractor_record::{Facts, ModelInfo, Role, Task, Token};
use attractor_record::{LayerShape, Made, Patterns, Rows};

const LAYERS: usize = 12;
const HEADS: usize = 12;
const INPUTS: usize = 32;
const TOKENS: usize = 256;
const PERMUTATIONS: usize = 10_000;
const VOCABULARY: usize = 200;
/// Tokens below this number are punctuation.
const PUNCTUATION: u32 = 20;

/// Maps made up from numbers that depend on nothing but their place.
struct MadeUp {
    info: ModelInfo,
    tokens: Vec<Vec<Token>>,
    noise: Vec<f32>,
}

/// What a head follows with half of its weight.
fn follows(layer: usize, head: usize) -> Option<Detector> {
    match (layer * HEADS + head) % 72 {
        5 => Some(Detector::Duplicate),
        31 => Some(Detector::Induction),
        60 => Some(Detector::Delimiter),
        _ => None,
    }
}

impl MadeUp {
    fn new() -> Self {
        let token = |id: u32| Token {
            text: format!("t{id}"),
            id,
            role: if id < PUNCTUATION { Role::Punctuation } else { Role::Text },
        };
        let tokens = (0..INPUTS as u64)
            .map(|input| {
                let mut random = Philox::new(7, input);
                (0..TOKENS).map(|_| token(random.below(VOCABULARY) as u32)).collect()
            })
            .collect();
        let mut random = Philox::new(7, 1 << 40);
        Self {
            info: ModelInfo {
                family: "made up".into(),
                task: Task::CausalLm,
                causal: true,
                layers: LAYERS,
                heads: HEADS,
                parameters: None,
                max_positions: None,
                weights_hash: String::new(),
                remarks: Vec::new(),
            },
            tokens,
            noise: (0..65_537).map(|_| random.normal().exp() as f32).collect(),
        }
    }

    fn targets(&self, input: usize, row: usize, kind: Detector) -> Vec<usize> {
        let ids = &self.tokens[input];
        match kind {
            Detector::Duplicate => (0..row).filter(|&j| ids[j].id == ids[row].id).collect(),
            Detector::Induction => (1..row).filter(|&j| ids[j - 1].id == ids[row].id).collect(),
            _ => (1..=row).filter(|&j| ids[j].id < PUNCTUATION).collect(),
        }
    }
}

impl MadeUp {
    fn rows(&self, layer: usize, head: usize, input: usize, rows: Range<usize>) -> Vec<f32> {
        let mut map = vec![0.0f32; rows.len() * TOKENS];
        let kind = follows(layer, head);
        for (row, weights) in rows.zip(map.chunks_exact_mut(TOKENS)) {
            let start = (row * 911 + input * 7919 + (layer * HEADS + head) * 104_729) % (65_537 - TOKENS);
            let noise = &self.noise[start..=start + row];
            let sum: f32 = noise.iter().sum();
            let targets = kind.map_or(Vec::new(), |kind| self.targets(input, row, kind));
            let share = if targets.is_empty() { 1.0 } else { 0.3 };
            weights.iter_mut().zip(noise).for_each(|(w, x)| *w = share * x / sum);
            targets.iter().for_each(|&j| weights[j] += (1.0 - share) / targets.len() as f32);
        }
        map
    }
}

impl Patterns for MadeUp {
    fn info(&self) -> &ModelInfo {
        &self.info
    }
    fn inputs(&self) -> usize {
        INPUTS
    }
    fn tokens(&self, input: usize) -> &[Token] {
        &self.tokens[input]
    }
    fn prompt_length(&self, _: usize) -> Option<usize> {
        None
    }
    fn layers(&self) -> Vec<LayerShape> {
        let shape = |layer| LayerShape { layer, heads: (0..HEADS).collect(), model_heads: HEADS, key_heads: HEADS };
        (0..LAYERS).map(shape).collect()
    }
    fn mask(&self, _: usize, _: usize) -> Result<Mask> {
        Ok(Mask::causal())
    }
    fn shape(&self, _: usize, _: usize) -> Result<(usize, usize)> {
        Ok((TOKENS, TOKENS))
    }
    fn statistics(&self, _: usize, _: usize, _: usize) -> Result<Option<HeadStatistics>> {
        Ok(None)
    }
    fn open(&self, layer: usize, head: usize, input: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        Ok(Some(Box::new(Made(move |rows| self.rows(layer, head, input, rows)))))
    }
    fn layer_input(&self, _: usize, _: usize, _: &[usize]) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
    fn facts(&self, _: usize, _: usize) -> Result<Facts> {
        Ok(Facts::default())
    }
}

/// T(pattern s, tokens t), from the definition of a detector.
fn by_definition(made: &MadeUp, layer: usize, head: usize, kind: Detector) -> Vec<f64> {
    let mut scores = vec![0.0; INPUTS * INPUTS];
    for s in 0..INPUTS {
        let map = made.weights(layer, head, s, 0..TOKENS).expect("made up").expect("made up");
        for t in 0..INPUTS {
            let (mut sum, mut rows) = (0.0, 0usize);
            for row in 1..TOKENS {
                let targets = made.targets(t, row, kind);
                rows += usize::from(!targets.is_empty());
                sum += targets.iter().map(|&j| f64::from(map[row * TOKENS + j])).sum::<f64>();
            }
            scores[s * INPUTS + t] = sum / rows as f64;
        }
    }
    scores
}

fn main() {
    let made = MadeUp::new();
    let start = Instant::now();
    let mut sum = 0.0f64;
    for layer in 0..LAYERS {
        for head in 0..HEADS {
            for input in 0..INPUTS {
                let map = made.weights(layer, head, input, 0..TOKENS).expect("made up").expect("made up");
                sum += f64::from(map[TOKENS * TOKENS - 1]);
            }
        }
    }
    let maps = start.elapsed().as_secs_f64();
    assert!(sum > 0.0);

    let detectors = vec![Detector::Duplicate, Detector::Induction, Detector::Delimiter];
    let options = Options { detectors: detectors.clone(), permutations: PERMUTATIONS, ..Options::default() };
    let start = Instant::now();
    let detections = detect(&made, &options).expect("the maps can be read");
    let seconds = start.elapsed().as_secs_f64();

    for &detector in &detectors {
        let expected: Vec<String> = (0..LAYERS * HEADS)
            .map(|at| (at / HEADS, at % HEADS))
            .filter(|&(layer, head)| follows(layer, head) == Some(detector))
            .map(|(layer, head)| format!("L{layer}H{head}"))
            .collect();
        let summary = detections.summary(detector).expect("asked for");
        let found: Vec<String> = summary.found.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{}", summary.null);
        assert_eq!(summary.tests, LAYERS * HEADS);
    }
    let pairings = Pairings::new(&[(0..INPUTS).collect()], PERMUTATIONS, options.seed);
    for (kind, layer, head) in [(Detector::Induction, 3, 3), (Detector::Duplicate, 8, 1), (Detector::Delimiter, 0, 0)] {
        let test = pairings.test(&by_definition(&made, layer, head, kind));
        let own = detections.of(kind, layer, head).expect("every head has its row");
        assert_eq!(own.p, Some(test.p), "{own:?}");
        assert!(own.null.is_some_and(|null| (null - test.mean()).abs() < 1e-6), "{own:?}");
    }
    println!(
        "{PERMUTATIONS} pairings x {} heads x {INPUTS} inputs of {TOKENS} tokens, {} detectors, {} threads: {seconds:.2} s, \
         of which making up the maps on one thread takes {maps:.2} s; found and p-values as expected",
        LAYERS * HEADS,
        detectors.len(),
        rayon::current_num_threads(),
    );
}
