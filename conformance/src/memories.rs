//! Energy-based memories held to recorded numbers: the Hopfield layers of their authors, scikit-learn's Boltzmann machine.

use attractor::energy::{Heads, Projection, SimplexMap};
use attractor::pattern::RealPatterns;
use attractor::sample::rbm::{Rbm, Rows, Visible};
use serde_json::Value;

use crate::compare::{Line, compare, compare_wide};
use crate::golden::{Golden, Tensor};

fn text(error: attractor::Error) -> String {
    error.to_string()
}

/// Free energies and conditionals of scikit-learn's `BernoulliRBM`; W is [visible, hidden].
///
/// # Errors
/// A tensor that is missing or of another shape.
pub fn sklearn_rbm(golden: &Golden, tolerance: f64) -> Result<Vec<Line>, String> {
    let [w, a, b, v] = ["W", "a", "b", "v"].map(|name| golden.get(name).map(Tensor::narrow));
    let (w, a, b, v) = (w?, a?, b?, v?);
    // By its own layout too, [hidden, visible]: both readings are one machine.
    let (n, m) = (a.len(), b.len());
    let turned: Vec<f32> = (0..m * n).filter_map(|at| w.get(at % n * m + at / n).copied()).collect();
    let rbm = Rbm::new(Visible::Binary, w, a.clone(), b.clone()).map_err(text)?;
    if Rbm::from_scikit_learn(&turned, &a, &b).map_err(text)? != rbm {
        return Err("components_ and their transpose give two machines".to_string());
    }
    let rows = Rows::new(&v, n).map_err(text)?;
    let free = rbm.free_energy(rows).map_err(text)?;
    let hidden = rbm.hidden_given(rows).map_err(text)?;
    Ok(vec![
        compare_wide("free_energy", &free, golden.get("free_energy")?, tolerance)?,
        compare("hidden_prob", &hidden, golden.get("hidden_prob")?, tolerance)?,
    ])
}

/// Item `at` of a batch [batch, rows, features] as patterns; a batch of one is everybody's.
fn rows(tensor: &Tensor, at: usize) -> Result<RealPatterns, String> {
    let [.., count, width] = tensor.shape[..] else {
        return Err(format!("a tensor of shape {:?}; expected [batch, rows, features]", tensor.shape));
    };
    let size = count * width;
    let from = if tensor.shape[0] == 1 { 0 } else { at * size };
    let numbers = tensor.values.get(from..from + size).ok_or("a batch that ends too early")?;
    RealPatterns::new(count, width, numbers.to_vec()).map_err(text)
}

/// Part `part` of `parts` of a packed projection.
fn projection(golden: &Golden, prefix: &str, part: usize, parts: usize) -> Result<Projection, String> {
    let (weight, bias) = (golden.get(&format!("{prefix}weight"))?, golden.get(&format!("{prefix}bias"))?);
    let [all, inputs] = weight.shape[..] else { return Err(format!("{prefix}weight: no matrix")) };
    let (outputs, from) = (all / parts, part * (all / parts));
    let own = weight.values[from * inputs..(from + outputs) * inputs].to_vec();
    let bias = bias.values.get(from..from + outputs).ok_or(format!("{prefix}bias: too short"))?;
    Projection::new(outputs, inputs, own, bias.to_vec()).map_err(text)
}

/// (x - mean) / sqrt(variance + 1e-5) x weight + bias, row by row, as `torch.nn.LayerNorm`.
fn layer_norm(rows: &RealPatterns, weight: &[f64], bias: &[f64]) -> Result<RealPatterns, String> {
    let d = rows.width() as f64;
    let numbers = rows.patterns().flat_map(|x| {
        let mean = x.iter().sum::<f64>() / d;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / d;
        x.iter().zip(weight.iter().zip(bias)).map(move |(x, (w, b))| (x - mean) / (variance + 1e-5).sqrt() * w + b)
    });
    RealPatterns::new(rows.count(), rows.width(), numbers.collect()).map_err(text)
}

/// One recorded layer.
struct Layer<'a> {
    golden: &'a Golden,
    case: &'a Value,
    name: &'a str,
    /// Where its weights are.
    weight: String,
    projected: bool,
}

impl<'a> Layer<'a> {
    fn new(golden: &'a Golden, case: &'a Value) -> Result<Self, String> {
        let name = case["name"].as_str().ok_or("a case without a name")?;
        // Pooling and lookup keep the layer proper inside.
        let deep = golden.0.contains_key(&format!("{name}.weight.hopfield.norm_state_pattern.weight"));
        let weight = format!("{name}.weight.{}", if deep { "hopfield." } else { "" });
        let projected = golden.0.contains_key(&format!("{weight}association_core.in_proj_weight"));
        Ok(Self { golden, case, name, weight, projected })
    }

    fn heads(&self) -> Result<Heads, String> {
        let (simplex_map, beta) = (SimplexMap::Softmax, self.case["scaling"].as_f64());
        let steps = self.case["update_steps_max"].as_u64().unwrap_or(0) as usize;
        if !self.projected {
            let beta = beta.ok_or("a static layer without scaling")?;
            return Ok(Heads { heads: 1, query: None, key: None, value: None, output: None, beta, simplex_map, steps });
        }
        let heads = self.case["num_heads"].as_u64().filter(|&heads| heads > 0).ok_or("no num_heads")? as usize;
        let core = format!("{}association_core.", self.weight);
        let part = |at| projection(self.golden, &format!("{core}in_proj_"), at, 3);
        let (query, key, value) = (part(0)?, part(1)?, part(2)?);
        let beta = beta.unwrap_or(((query.outputs() / heads) as f64).powf(-0.5));
        let output = Some(projection(self.golden, &format!("{core}out_proj."), 0, 1)?);
        Ok(Heads { heads, query: Some(query), key: Some(key), value: Some(value), output, beta, simplex_map, steps })
    }

    /// Stored patterns, states and values of item `at`.
    fn inputs(&self, at: usize) -> Result<[RealPatterns; 3], String> {
        let get = |name: &str, at| rows(self.golden.get(&format!("{}.{name}", self.name))?, at);
        let [stored, state, values] = match self.case["cls"].as_str() {
            Some("HopfieldPooling") => [get("input.0", at)?, get("weight.pooling_weights", 0)?, get("input.0", at)?],
            Some("HopfieldLayer") => {
                let lookup = get("weight.lookup_weights", 0)?;
                [lookup.clone(), get("input.0", at)?, lookup]
            }
            _ => [get("input.0", at)?, get("input.1", at)?, get("input.2", at)?],
        };
        let normed = |rows: RealPatterns, norm: &str| match self.projected {
            false => Ok(rows),
            true => {
                let part = |part: &str| self.golden.get(&format!("{}{norm}.{part}", self.weight));
                layer_norm(&rows, &part("weight")?.values, &part("bias")?.values)
            }
        };
        Ok([
            normed(stored, "norm_stored_pattern")?,
            normed(state, "norm_state_pattern")?,
            normed(values, "norm_pattern_projection")?,
        ])
    }
}

/// Every recorded case of the Hopfield layers; `beside` tells the layers' settings.
///
/// # Errors
/// A tensor or a setting that is missing.
pub fn hopfield_layers(golden: &Golden, beside: &Value, tolerance: f64) -> Result<Vec<Line>, String> {
    let cases = beside["cases"].as_array().ok_or("the file beside it names no cases")?;
    let mut lines = Vec::new();
    for case in cases {
        let layer = Layer::new(golden, case)?;
        let heads = layer.heads()?;
        let [output, map] = ["output", "association"].map(|part| golden.get(&format!("{}.{part}", layer.name)));
        let (output, map) = (output?, map?);
        let (mut our_output, mut our_map) = (Vec::new(), Vec::new());
        for at in 0..output.shape[0] {
            let [stored, state, values] = layer.inputs(at)?;
            let found = heads.associate(&state, &stored, &values).map_err(text)?;
            our_output.extend(found.output.patterns().flatten());
            our_map.extend(found.association);
        }
        lines.push(compare_wide(&format!("{}.association", layer.name), &our_map, map, tolerance)?);
        lines.push(compare_wide(&format!("{}.output", layer.name), &our_output, output, tolerance)?);
    }
    Ok(lines)
}
