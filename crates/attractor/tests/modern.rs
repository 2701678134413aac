//! Modern memories against attention: this crate's engines, PyTorch's layer, and the Hopfield layers of its authors.

use attractor::energy::{Heads, Modern, Projection, SimplexMap};
use attractor::pattern::RealPatterns;
use attractor::random::Philox;
use attractor::retrieve::{self, Dot, Mask, Modifiers, Problem, Separation, dense, tiled};
use safetensors::SafeTensors;

fn rows(seed: u64, count: usize, width: usize) -> RealPatterns {
    let mut random = Philox::new(seed, 0);
    RealPatterns::new(count, width, (0..count * width).map(|_| random.normal()).collect()).unwrap()
}

fn narrow(rows: &RealPatterns) -> Vec<f32> {
    rows.patterns().flatten().map(|&x| x as f32).collect()
}

fn worst<'a>(a: impl IntoIterator<Item = &'a f64>, b: impl IntoIterator<Item = f64>) -> f64 {
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut worst = 0f64;
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if (a - b).abs() <= worst => {}
            (Some(a), Some(b)) if (a - b).is_finite() => worst = (a - b).abs(),
            (None, None) => return worst,
            _ => return f64::NAN,
        }
    }
}

/// One step is softmax(Q K^T / sqrt d) V with V = K: 1e-13 from the formula in f64, 1e-6 from both engines in f32.
#[test]
fn one_step_is_attention() {
    for (n, m, d) in [(3, 17, 5), (13, 101, 19)] {
        let (queries, keys) = (rows(1, n, d), rows(2, m, d));
        let beta = 1.0 / (d as f64).sqrt();
        let memory = Modern::new(keys.clone(), beta, SimplexMap::Softmax).unwrap();
        for q in queries.patterns() {
            let e: Vec<f64> = keys
                .patterns()
                .map(|k| (k.iter().zip(q).map(|(k, q)| k * q).sum::<f64>() / (d as f64).sqrt()).exp())
                .collect();
            let z: f64 = e.iter().sum();
            let expected = (0..d).map(|at| keys.patterns().zip(&e).map(|(k, e)| k[at] * e).sum::<f64>() / z);
            assert!(worst(&memory.step(q), expected) < 1e-13);
        }
        // From here on both sides see the same f32 numbers.
        let (q, k) = (narrow(&queries), narrow(&keys));
        let (queries, keys) = (RealPatterns::from_f32(n, d, &q).unwrap(), RealPatterns::from_f32(m, d, &k).unwrap());
        for simplex_map in [SimplexMap::Softmax, SimplexMap::Sparsemax, SimplexMap::Entmax15] {
            let beta = beta as f32;
            let memory = Modern::new(keys.clone(), f64::from(beta), simplex_map).unwrap();
            let mask = Mask::default();
            let problem = Problem {
                queries: retrieve::Heads::new(&q[..], 1, n, d).unwrap(),
                keys: retrieve::Heads::new(&k[..], 1, m, d).unwrap(),
                values: Some(retrieve::Heads::new(&k[..], 1, m, d).unwrap()),
                similarity: &Dot,
                separation: match simplex_map {
                    SimplexMap::Softmax => Separation::Softmax { beta },
                    SimplexMap::Sparsemax => Separation::Sparsemax { beta },
                    SimplexMap::Entmax15 => Separation::Entmax15 { beta },
                },
                modifiers: Modifiers::masked(&mask),
            };
            let steps: Vec<f64> = queries.patterns().flat_map(|q| memory.step(q)).collect();
            for retrieved in [dense::retrieve(&problem).unwrap(), tiled::retrieve(&problem).unwrap()] {
                let off = worst(&steps, retrieved.output.iter().map(|&x| f64::from(x)));
                assert!(off <= 1e-6, "{simplex_map:?}: {off}");
            }
        }
    }
}

/// A file of recorded tensors.
struct Vectors(Vec<u8>);

impl Vectors {
    fn open(name: &str) -> Self {
        Self(std::fs::read(format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap())
    }

    fn numbers(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        let tensors = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let floats = tensor.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        (tensor.shape().to_vec(), floats.collect())
    }

    fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).is_ok()
    }

    /// One of a batch [batch, rows, features].
    fn rows(&self, name: &str, batch: usize) -> RealPatterns {
        let (shape, numbers) = self.numbers(name);
        let [count, width] = shape[shape.len() - 2..] else { unreachable!() };
        // A batch of one is everybody's.
        let at = if shape[0] == 1 { 0 } else { batch };
        RealPatterns::new(count, width, numbers[at * count * width..(at + 1) * count * width].to_vec()).unwrap()
    }

    /// Part `part` of `parts` of a packed projection.
    fn projection(&self, prefix: &str, part: usize, parts: usize) -> Projection {
        let (shape, weight) = self.numbers(&format!("{prefix}weight"));
        let bias = self.numbers(&format!("{prefix}bias")).1;
        let (outputs, inputs) = (shape[0] / parts, shape[1]);
        let range = part * outputs..(part + 1) * outputs;
        let weight = weight[range.start * inputs..range.end * inputs].to_vec();
        Projection::new(outputs, inputs, weight, bias[range].to_vec()).unwrap()
    }

    fn heads(&self, prefix: &str, heads: usize, beta: Option<f64>, steps: usize) -> Heads {
        let [query, key, value] = [0, 1, 2].map(|part| self.projection(&format!("{prefix}in_proj_"), part, 3));
        let beta = beta.unwrap_or(((query.outputs() / heads) as f64).powf(-0.5));
        let output = Some(self.projection(&format!("{prefix}out_proj."), 0, 1));
        let simplex_map = SimplexMap::Softmax;
        Heads { heads, query: Some(query), key: Some(key), value: Some(value), output, beta, simplex_map, steps }
    }
}

/// (x - mean) / sqrt(variance + 1e-5) x weight + bias, row by row.
fn layer_norm(rows: &RealPatterns, weight: &[f64], bias: &[f64]) -> RealPatterns {
    let d = rows.width() as f64;
    let numbers = rows.patterns().flat_map(|x| {
        let mean = x.iter().sum::<f64>() / d;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / d;
        x.iter().zip(weight.iter().zip(bias)).map(move |(x, (w, b))| (x - mean) / (variance + 1e-5).sqrt() * w + b)
    });
    RealPatterns::new(rows.count(), rows.width(), numbers.collect()).unwrap()
}

/// PyTorch's multi-head layer, heads and projections and all.
#[test]
fn heads_are_pytorchs_multi_head_attention() {
    let vectors = Vectors::open("torch_mha.safetensors");
    let heads = vectors.heads("weight.", 4, None, 0);
    for batch in 0..2 {
        let [q, k, v] = ["q", "k", "v"].map(|name| vectors.rows(name, batch));
        let found = heads.associate(&q, &k, &v).unwrap();
        let [output, map] = ["out", "attn"].map(|name| vectors.numbers(name).1);
        let half = |all: &[f64]| all[batch * all.len() / 2..(batch + 1) * all.len() / 2].to_vec();
        assert!(worst(found.output.patterns().flatten(), half(&output)) < 1e-6);
        assert!(worst(&found.association, half(&map)) < 1e-6);
    }
}

/// Every recorded case of the Hopfield layers: static patterns, projections, several steps, pooling and lookup.
#[test]
fn heads_are_the_authors_hopfield_layers() {
    let vectors = Vectors::open("hopfield_layers.safetensors");
    let text =
        std::fs::read_to_string(format!("{}/tests/vectors/hopfield_layers.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let steps = case["update_steps_max"].as_u64().unwrap_or(0) as usize;
        let beta = case["scaling"].as_f64();
        let inner =
            if vectors.has(&format!("{name}.weight.hopfield.norm_state_pattern.weight")) { "hopfield." } else { "" };
        let weight = format!("{name}.weight.{inner}");
        let projected = vectors.has(&format!("{weight}association_core.in_proj_weight"));
        let heads = if projected {
            let count = case["num_heads"].as_u64().unwrap() as usize;
            vectors.heads(&format!("{weight}association_core."), count, beta, steps)
        } else {
            let (beta, simplex_map) = (beta.unwrap(), SimplexMap::Softmax);
            Heads { heads: 1, query: None, key: None, value: None, output: None, beta, simplex_map, steps }
        };
        for batch in 0..2 {
            let input = |at: usize| vectors.rows(&format!("{name}.input.{at}"), batch);
            let [stored, state, values] = match case["cls"].as_str().unwrap() {
                "HopfieldPooling" => [input(0), vectors.rows(&format!("{name}.weight.pooling_weights"), 0), input(0)],
                "HopfieldLayer" => {
                    let lookup = vectors.rows(&format!("{name}.weight.lookup_weights"), 0);
                    [lookup.clone(), input(0), lookup]
                }
                _ => [input(0), input(1), input(2)],
            };
            let normed = |rows: RealPatterns, norm: &str| {
                if !projected {
                    return rows;
                }
                let [w, b] = ["weight", "bias"].map(|part| vectors.numbers(&format!("{weight}{norm}.{part}")).1);
                layer_norm(&rows, &w, &b)
            };
            let stored = normed(stored, "norm_stored_pattern");
            let (state, values) = (normed(state, "norm_state_pattern"), normed(values, "norm_pattern_projection"));
            let found = heads.associate(&state, &stored, &values).unwrap();
            let [output, map] = ["output", "association"].map(|part| vectors.numbers(&format!("{name}.{part}")).1);
            let half = |all: &[f64]| all[batch * all.len() / 2..(batch + 1) * all.len() / 2].to_vec();
            let off = worst(&found.association, half(&map));
            assert!(off < 1e-5, "{name} {batch}: association off by {off}");
            let off = worst(found.output.patterns().flatten(), half(&output));
            assert!(off < 1e-5, "{name} {batch}: output off by {off}");
        }
    }
}
