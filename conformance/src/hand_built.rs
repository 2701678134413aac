//! A two-layer, attention-only causal model whose weights are written by hand, so that every head is known exactly.
//!
//! | head | does                                                                | writes                        |
//! |------|---------------------------------------------------------------------|-------------------------------|
//! | L0H0 | averages all visible tokens                                         | their mean, faintly, aside    |
//! | L0H1 | looks at the previous position                                      | that token, for layer 1's keys |
//! | L0H2 | looks at the first position                                         | a constant                    |
//! | L1H0 | looks at the first position                                         | a constant                    |
//! | L1H1 | averages all visible tokens                                         | their mean, faintly, aside    |
//! | L1H2 | looks where its own token was the previous one; else averages       | the token there, for the logits |
//!
//! The residual stream is cut into subspaces that do not overlap, and every code is a coordinate paired with its
//! negative. So the mean is zero, and what the layer norms of layers 0 and 1 divide by is the same in every row (the
//! faint writes aside, which move it by less than 1e-5): the norms are there, at work, and known.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use attractor::random::Philox;
use attractor_nn::checkpoint::{Array, Checkpoint, Opening};
use attractor_nn::model::{Input, KeptParts, Observer, Tap, Want};
use attractor_nn::{Model, Overrides};
use attractor_record::{Captured, InputRecord, ModelInfo, Origin, Role, Selection, Token};
use attractor_session::capture::Recorder;

use safetensors::tensor::{Dtype, TensorView};

/// Layers.
pub const LAYERS: usize = 2;
/// Heads per layer.
pub const HEADS: usize = 3;
/// Width of a head: one-hot positions fit in it, and tokens paired with their negatives.
pub const WIDTH: usize = 100;
/// Width of the model.
pub const HIDDEN: usize = HEADS * WIDTH;
/// Words, and the token that begins every input.
pub const VOCAB: usize = 25;
/// The token that begins every input and occurs nowhere else.
pub const BOS: u32 = VOCAB as u32 - 1;
/// Rows of the position table.
pub const POSITIONS: usize = 48;
/// Tokens of an input.
pub const LENGTH: usize = 47;

/// Score of a match above the rest, nats: in heads that look by position, and in the induction head.
const SHARP: f64 = 24.0;
const MATCH: f64 = 16.0;
/// Logit of the predicted token above the others, where one key is matched.
const LOGIT: f64 = 12.0;
/// Amplitudes of what heads write.
const FAINT: f32 = 1.0 / 64.0;
const CONSTANT: f32 = 0.5;
const PREDICTED: f32 = 4.0;
const EPS: f64 = 1e-5;
const BETA: f64 = 0.1;

/// A subspace of `size` paired codes: code c is +1 at `start + c` and -1 at `start + size + c`.
#[derive(Clone, Copy)]
struct Space {
    start: usize,
    size: usize,
}

const TOKEN: Space = Space { start: 0, size: VOCAB };
const POSITION: Space = Space { start: 50, size: POSITIONS };
const BEFORE: Space = Space { start: 146, size: VOCAB };
const NEXT: Space = Space { start: 196, size: VOCAB };
const ASIDE: Space = Space { start: 246, size: VOCAB };
const BIAS: Space = Space { start: 296, size: 1 };
const SINK: Space = Space { start: 298, size: 1 };

/// Squared length of the residual stream before layer 0, before layer 1 and, where one key was matched, at the end.
const SQUARES: [f64; 3] = [2.0 + 2.0, 6.0 + 0.5 + 0.5, 6.0 + 2.0 + 2.0 + 2.0 * (PREDICTED * PREDICTED) as f64];

/// What the layer norm multiplies by.
fn scale(at: usize) -> f64 {
    1.0 / (SQUARES[at] / HIDDEN as f64 + EPS).sqrt()
}

/// What a head does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Averages the visible keys.
    Uniform,
    /// Looks at the previous position; the first row at itself.
    Previous,
    /// Looks at the first position.
    First,
    /// Looks at the successors of earlier occurrences of its token, equally; averages where there are none.
    Induction,
}

/// The heads, [layer][head].
pub const KINDS: [[Kind; HEADS]; LAYERS] =
    [[Kind::Uniform, Kind::Previous, Kind::First], [Kind::First, Kind::Uniform, Kind::Induction]];

/// Places of a kind of head, "L0H1", in order.
pub fn places(kind: Kind) -> Vec<String> {
    let all = (0..LAYERS).flat_map(|l| (0..HEADS).map(move |h| (l, h)));
    all.filter(|&(l, h)| KINDS[l][h] == kind).map(|(l, h)| format!("L{l}H{h}")).collect()
}

/// The exact map of a kind of head, [n, n].
pub fn pattern(kind: Kind, ids: &[u32]) -> Vec<f64> {
    let n = ids.len();
    let mut map = vec![0.0; n * n];
    for i in 0..n {
        let keys: Vec<usize> = match kind {
            Kind::Uniform => (0..=i).collect(),
            Kind::Previous => vec![i.saturating_sub(1)],
            Kind::First => vec![0],
            Kind::Induction => {
                let after: Vec<usize> = (1..=i).filter(|&j| ids[j - 1] == ids[i]).collect();
                if after.is_empty() { (0..=i).collect() } else { after }
            }
        };
        keys.iter().for_each(|&j| map[i * n + j] = 1.0 / keys.len() as f64);
    }
    map
}

/// Six inputs: the beginning token, then different words again and again, with another period in every input.
///
/// A head that always looks equally far back is thereby told from one that looks for repetitions.
pub fn inputs(seed: u64) -> Vec<Vec<u32>> {
    let periods = [11, 13, 16, 17, 19, 23];
    let draw = |(stream, period): (usize, usize)| {
        let words = Philox::new(seed, stream as u64).permutation(VOCAB - 1);
        let cycle = words[..period].iter().map(|&w| w as u32).cycle();
        std::iter::once(BOS).chain(cycle).take(LENGTH).collect()
    };
    periods.into_iter().enumerate().map(draw).collect()
}

/// Rows whose next token the model can know: their token occurred before.
pub fn known_rows(ids: &[u32]) -> Vec<usize> {
    (1..ids.len() - 1).filter(|&i| ids[..i].contains(&ids[i])).collect()
}

/// A matrix under construction, row-major.
struct Matrix {
    columns: usize,
    values: Vec<f32>,
}

impl Matrix {
    fn zeros(rows: usize, columns: usize) -> Self {
        Self { columns, values: vec![0.0; rows * columns] }
    }

    fn add(&mut self, row: usize, column: usize, value: f32) {
        self.values[row * self.columns + column] += value;
    }

    /// Feature `column` reads code `code`: `gain` times its amplitude.
    fn read(&mut self, space: Space, code: usize, column: usize, gain: f32) {
        self.add(space.start + code, column, 0.5 * gain);
        self.add(space.start + space.size + code, column, -0.5 * gain);
    }

    /// Row `row` writes code `code`.
    fn write(&mut self, row: usize, space: Space, code: usize, amplitude: f32) {
        self.add(row, space.start + code, amplitude);
        self.add(row, space.start + space.size + code, -amplitude);
    }

    fn array(self) -> Array {
        Array { shape: vec![self.values.len() / self.columns, self.columns], values: self.values }
    }
}

/// The weights of the model, by the names of GPT-2's files.
pub fn weights() -> BTreeMap<String, Array> {
    let vector = |values: Vec<f32>| Array { shape: vec![values.len()], values };
    let mut all = BTreeMap::new();
    let (mut tokens, mut positions, mut logits) =
        (Matrix::zeros(VOCAB, HIDDEN), Matrix::zeros(POSITIONS, HIDDEN), Matrix::zeros(VOCAB, HIDDEN));
    (0..VOCAB).for_each(|t| tokens.write(t, TOKEN, t, 1.0));
    (0..POSITIONS).for_each(|p| positions.write(p, POSITION, p, 1.0));
    let gain = LOGIT / (f64::from(PREDICTED) * scale(2));
    (0..VOCAB).for_each(|t| logits.write(t, NEXT, t, 0.5 * gain as f32));
    all.insert("transformer.wte.weight".into(), tokens.array());
    all.insert("transformer.wpe.weight".into(), positions.array());
    all.insert("lm_head.weight".into(), logits.array());
    for (layer, kinds) in KINDS.into_iter().enumerate() {
        let mut packed = Matrix::zeros(HIDDEN, 3 * HIDDEN);
        let mut packed_bias = vec![0.0; 3 * HIDDEN];
        let mut output = Matrix::zeros(HIDDEN, HIDDEN);
        for (head, kind) in kinds.into_iter().enumerate() {
            let (q, k, v) = (head * WIDTH, HIDDEN + head * WIDTH, 2 * HIDDEN + head * WIDTH);
            let s = scale(layer);
            // Two sides of this gain make beta q.k = `nats` where the codes meet.
            let side = |nats: f64| (nats / BETA).sqrt();
            match kind {
                // Queries alone: against keys of zero every score is zero.
                Kind::Uniform => (0..VOCAB).for_each(|t| packed.read(TOKEN, t, q + t, 1.0)),
                Kind::Previous => {
                    let gain = (side(SHARP) / s) as f32;
                    (1..POSITIONS).for_each(|p| {
                        packed.read(POSITION, p, q + p, gain);
                        packed.read(POSITION, p - 1, k + p, gain);
                    });
                }
                Kind::First => {
                    packed_bias[q] = side(SHARP) as f32;
                    packed.read(POSITION, 0, k, (side(SHARP) / s) as f32);
                }
                Kind::Induction => {
                    let gain = (side(MATCH) / s) as f32;
                    (0..VOCAB).for_each(|t| {
                        packed.read(TOKEN, t, q + t, gain);
                        packed.read(BEFORE, t, k + t, gain);
                    });
                }
            }
            for t in 0..VOCAB {
                // Values have both signs, as those of any model.
                packed.read(TOKEN, t, v + t, (1.0 / s) as f32);
                packed.read(TOKEN, t, v + VOCAB + t, -(1.0 / s) as f32);
                let (plus, minus) = (head * WIDTH + t, head * WIDTH + VOCAB + t);
                let mut write = |space: Space, code: usize, amplitude: f32| {
                    output.write(plus, space, code, 0.5 * amplitude);
                    output.write(minus, space, code, -0.5 * amplitude);
                };
                match kind {
                    Kind::Uniform => write(ASIDE, t, FAINT),
                    Kind::Previous => write(BEFORE, t, 1.0),
                    Kind::First if t as u32 == BOS => write(SINK, 0, CONSTANT),
                    Kind::First => {}
                    Kind::Induction => write(NEXT, t, PREDICTED),
                }
            }
        }
        let mut output_bias = Matrix::zeros(1, HIDDEN);
        output_bias.write(0, BIAS, 0, CONSTANT);
        let at = |name: &str| format!("transformer.h.{layer}.{name}");
        all.insert(at("ln_1.weight"), vector(vec![1.0; HIDDEN]));
        all.insert(at("ln_1.bias"), vector(vec![0.0; HIDDEN]));
        all.insert(at("attn.c_attn.weight"), packed.array());
        all.insert(at("attn.c_attn.bias"), vector(packed_bias));
        all.insert(at("attn.c_proj.weight"), output.array());
        all.insert(at("attn.c_proj.bias"), vector(output_bias.values));
    }
    all.insert("transformer.ln_f.weight".into(), vector(vec![1.0; HIDDEN]));
    all.insert("transformer.ln_f.bias".into(), vector(vec![0.0; HIDDEN]));
    all
}

/// Writes config.json and model.safetensors.
///
/// # Errors
/// What the file system answers.
pub fn write(folder: &Path, weights: &BTreeMap<String, Array>) -> std::io::Result<()> {
    let config = serde_json::json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": VOCAB,
        "n_positions": POSITIONS,
        "n_embd": HIDDEN,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "n_inner": 0,
        "layer_norm_epsilon": EPS,
        "tie_word_embeddings": false,
        "bos_token_id": BOS,
        "eos_token_id": null,
    });
    std::fs::write(folder.join("config.json"), serde_json::to_vec_pretty(&config)?)?;
    let tensors = weights.iter().map(|(name, array)| (name.as_str(), array.shape.as_slice(), array.values.as_slice()));
    std::fs::write(folder.join("model.safetensors"), safetensors(tensors, Number::F32))
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// 32 bits.
    F32,
    /// Rounded to 16 bits.
    F16,
    /// Rounded to bfloat16.
    Bf16,
}

/// A safetensors file of named arrays: name, shape, numbers.
///
/// # Panics
/// If an array has not as many numbers as its shape says.
pub fn safetensors<'a>(arrays: impl Iterator<Item = (&'a str, &'a [usize], &'a [f32])>, number: Number) -> Vec<u8> {
    let (dtype, bytes): (Dtype, fn(f32) -> Vec<u8>) = match number {
        Number::F32 => (Dtype::F32, |x| x.to_le_bytes().into()),
        Number::F16 => (Dtype::F16, |x| half::f16::from_f32(x).to_le_bytes().into()),
        Number::Bf16 => (Dtype::BF16, |x| half::bf16::from_f32(x).to_le_bytes().into()),
    };
    let data: Vec<(&str, &[usize], Vec<u8>)> =
        arrays.map(|(name, shape, values)| (name, shape, values.iter().flat_map(|&x| bytes(x)).collect())).collect();
    let views: HashMap<String, TensorView<'_>> = data
        .iter()
        .map(|(name, shape, data)| {
            let view = TensorView::new(dtype, shape.to_vec(), data).expect("as many numbers as the shape says");
            (name.to_string(), view)
        })
        .collect();
    safetensors::serialize(&views, None).expect("shapes and numbers agree")
}

/// Writes the model into `folder` and reads it again, as any checkpoint is read.
///
/// # Panics
/// If it cannot be written or read.
pub fn model(folder: &Path, weights: &BTreeMap<String, Array>) -> Model {
    write(folder, weights).expect("the checkpoint is written");
    let checkpoint = Checkpoint::open(folder, &Opening::default()).expect("the checkpoint opens");
    Model::load(&checkpoint).expect("the weights load")
}

/// What the model is. `causal` is what it declares.
pub fn info(model: &Model, causal: bool) -> ModelInfo {
    let spec = model.spec();
    ModelInfo {
        family: spec.family.name().to_string(),
        task: spec.task,
        causal,
        layers: spec.layers,
        heads: spec.heads,
        parameters: Some(model.parameter_count()),
        max_positions: spec.position_limit(),
        weights_hash: String::new(),
        remarks: Vec::new(),
    }
}

/// The tokens of an input.
pub fn tokens(ids: &[u32]) -> Vec<Token> {
    let token = |&id: &u32| match id {
        BOS => Token { text: "<bos>".into(), id, role: Role::Bos },
        _ => Token { text: format!("w{id}"), id, role: Role::Text },
    };
    ids.iter().map(token).collect()
}

/// A capture between whose taps and records something may go wrong.
pub struct Capture<'a> {
    /// What runs.
    pub model: &'a Model,
    /// What the record is checked against: the same model, unless a fault is planted.
    pub certifier: &'a Model,
    /// What happens to a tap on its way.
    pub tamper: &'a dyn Fn(&mut Tap),
}

impl<'a> Capture<'a> {
    /// Without a fault.
    pub fn honest(model: &'a Model) -> Self {
        Self { model, certifier: model, tamper: &|_| {} }
    }

    /// Runs the inputs.
    ///
    /// # Panics
    /// If the model cannot read them.
    pub fn run(&self, inputs: &[Vec<u32>]) -> Captured {
        let (all, keep) = (Selection::all(), KeptParts { values: true, z: true, input: true });
        let record = |(index, ids): (usize, &Vec<u32>)| {
            let (input, tokens) = (Input::tokens(ids.clone()), tokens(ids));
            let mut layers = Vec::new();
            let mut push = |layer| {
                layers.push(layer);
                Ok(())
            };
            let inner = Recorder::new(self.certifier, &all, keep, &tokens, &mut push);
            let mut recorder = Tampered { capture: self, inner };
            self.model.forward(&input, &mut recorder, &Overrides::none()).expect("the model reads its inputs");
            InputRecord { index, origin: Origin::of(index), tokens, prompt_length: None, grid: None, layers }
        };
        Captured { info: info(self.model, true), inputs: inputs.iter().enumerate().map(record).collect() }
    }
}

/// The recorder of every capture, with a fault planted before it.
struct Tampered<'a> {
    capture: &'a Capture<'a>,
    inner: Recorder<'a>,
}

impl Observer for Tampered<'_> {
    fn wants(&self, layer: usize) -> Want {
        self.inner.wants(layer)
    }

    fn tap(&mut self, mut tap: Tap) -> attractor::Result<()> {
        (self.capture.tamper)(&mut tap);
        self.inner.tap(tap)
    }
}
