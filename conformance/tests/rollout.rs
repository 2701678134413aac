//! Rollout, flow and ranks against numbers recorded from numpy and networkx (vectors/rollout.json).

use attractor::Result;
use attractor::retrieve::{HeadStatistics, Mask};
use attractor_judge::analysis::{Fuse, FuseOptions, flow, rank, rollout};
use attractor_record::{Facts, ModelInfo, Task, Token};
use attractor_record::{Held, LayerShape, Patterns, Rows};
use serde_json::Value;

/// One input, given as maps [layer][head][query][key].
struct Maps {
    info: ModelInfo,
    tokens: usize,
    causal: bool,
    maps: Vec<f32>,
}

impl Patterns for Maps {
    fn info(&self) -> &ModelInfo {
        &self.info
    }
    fn inputs(&self) -> usize {
        1
    }
    fn tokens(&self, _: usize) -> &[Token] {
        &[]
    }
    fn prompt_length(&self, _: usize) -> Option<usize> {
        None
    }
    fn layers(&self) -> Vec<LayerShape> {
        let heads = self.info.heads;
        let shape = |layer| LayerShape { layer, heads: (0..heads).collect(), model_heads: heads, key_heads: heads };
        (0..self.info.layers).map(shape).collect()
    }
    fn mask(&self, _: usize, _: usize) -> Result<Mask> {
        Ok(if self.causal { Mask::causal() } else { Mask::full() })
    }
    fn shape(&self, _: usize, _: usize) -> Result<(usize, usize)> {
        Ok((self.tokens, self.tokens))
    }
    fn statistics(&self, _: usize, _: usize, _: usize) -> Result<Option<HeadStatistics>> {
        Ok(None)
    }
    fn open(&self, layer: usize, head: usize, _: usize) -> Result<Option<Box<dyn Rows + '_>>> {
        let cells = self.tokens * self.tokens;
        let start = (layer * self.info.heads + head) * cells;
        Ok(Some(Box::new(Held { weights: &self.maps[start..start + cells], keys: self.tokens })))
    }
    fn layer_input(&self, _: usize, _: usize, _: &[usize]) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
    fn facts(&self, _: usize, _: usize) -> Result<Facts> {
        Ok(Facts::default())
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn recorded() -> (Value, f64) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/rollout.json");
    let all: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let tolerance = all["tolerance"].as_f64().unwrap();
    (all, tolerance)
}

fn cases() -> Vec<(Value, Maps, f64)> {
    let (all, tolerance) = recorded();
    let case = |case: &Value| {
        let count = |name: &str| case[name].as_u64().unwrap() as usize;
        let info = ModelInfo {
            family: "recorded".into(),
            task: Task::Encoder,
            causal: case["causal"] == true,
            layers: count("layers"),
            heads: count("heads"),
            parameters: None,
            max_positions: None,
            weights_hash: String::new(),
            remarks: Vec::new(),
        };
        let maps = numbers(&case["maps"]).into_iter().map(|w| w as f32).collect();
        (case.clone(), Maps { info, tokens: count("tokens"), causal: case["causal"] == true, maps }, tolerance)
    };
    all["cases"].as_array().unwrap().iter().map(case).collect()
}

/// Largest difference of two lists of equal length.
fn difference(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Rollout of every query, [N, N].
fn rollout_map(maps: &Maps, options: &FuseOptions) -> Vec<f64> {
    let row = |query| rollout(maps, 0, query, options, &attractor::Context::new(0)).unwrap().shares;
    (0..maps.tokens).flat_map(row).collect()
}

#[test]
fn rollout_is_that_of_the_recorded_numpy() {
    let base = FuseOptions::default();
    for (case, maps, tolerance) in cases() {
        for (name, options) in [
            ("rollout", base),
            ("rollout_max_residual_0.3", FuseOptions { fuse: Fuse::Max, residual: 0.3, ..base }),
            ("rollout_min_start_1", FuseOptions { fuse: Fuse::Min, start: 1, ..base }),
            ("rollout_discard_0.9", FuseOptions { discard: 0.9, ..base }),
            ("vit_explain_discard_0", base),
        ] {
            let expected = numbers(&case[name]);
            let map = rollout_map(&maps, &options);
            assert!(difference(&map, &expected) < tolerance, "{} {name}", case["name"]);
            for (query, row) in map.chunks_exact(maps.tokens).enumerate() {
                let sum: f64 = row.iter().sum();
                assert!((sum - 1.0).abs() < 1e-12, "{} {name}: row {query} sums to {sum}", case["name"]);
            }
        }
    }
}

/// `vit-explain` divides columns by the sums of rows once cells are discarded: its rows do not sum to one, ours do.
#[test]
fn discarding_is_not_vit_explain_to_the_letter() {
    for (case, maps, _) in cases() {
        let theirs = numbers(&case["vit_explain_discard_0.9"]);
        let ours = rollout_map(&maps, &FuseOptions { discard: 0.9, ..FuseOptions::default() });
        let off = theirs.chunks_exact(maps.tokens).map(|row| (row.iter().sum::<f64>() - 1.0).abs()).fold(0.0, f64::max);
        assert!(off > 1e-2, "{}: their rows sum to one within {off}", case["name"]);
        assert!(difference(&ours, &theirs) > 1e-2, "{}", case["name"]);
        let whole = rollout_map(&maps, &FuseOptions::default());
        assert!(difference(&ours, &whole) > 1e-2, "{}: nothing was discarded", case["name"]);
    }
}

#[test]
fn flow_is_that_of_networkx() {
    for (case, maps, tolerance) in cases() {
        let query = case["flow_query"].as_u64().unwrap() as usize;
        let values = numbers(&case["flow"]);
        let sum: f64 = values.iter().sum();
        let expected: Vec<f64> = values.iter().map(|value| value / sum).collect();
        let found = flow(&maps, 0, query, &FuseOptions::default(), &attractor::Context::new(0)).unwrap();
        assert!(difference(&found.shares, &expected) < tolerance, "{}: {:?} {expected:?}", case["name"], found.shares);
        let by_rollout = rollout(&maps, 0, query, &FuseOptions::default(), &attractor::Context::new(0)).unwrap().shares;
        assert!(difference(&found.shares, &by_rollout) > 1e-3, "{}: flow is not rollout", case["name"]);
    }
}

#[test]
fn ranks_are_those_of_the_recorded_numpy() {
    let (all, tolerance) = recorded();
    let uniform = rank::Baselines::default().of(&Mask::causal(), 24, 24).unwrap();
    let expected = numbers(&all["uniform_causal_24_ranks"]);
    assert!(difference(&[uniform.effective, uniform.stable], &expected) < tolerance, "{uniform:?}");
    for (case, maps, tolerance) in cases() {
        let mask = maps.mask(0, 0).unwrap();
        let uniform = rank::Baselines::default().of(&mask, maps.tokens, maps.tokens);
        let found = rank::of_head(&maps, 0, 0, 0, uniform).unwrap().unwrap().map;
        let expected = numbers(&case["ranks_L0H0"]);
        assert!(difference(&[found.effective, found.stable], &expected) < tolerance, "{}: {found:?}", case["name"]);
    }
}
