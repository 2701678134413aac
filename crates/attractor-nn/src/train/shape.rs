//! The shape of a model that is trained here: GPT-2's tensors, with or without MLPs.

use std::collections::BTreeMap;

use attractor::random::{Philox, stream};
use attractor_record::Task;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Array;
use crate::checkpoint::spec::{Activation, Family, Norm, OutputHead, Placement, Position, Spec};
use crate::model::Model;
use attractor::{Error, Result};

/// Sizes of a small causal language model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Token numbers.
    pub vocab: usize,
    /// Most positions of an input.
    pub positions: usize,
    /// Model width, a multiple of `heads`.
    pub hidden: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads a block.
    pub heads: usize,
    /// Width inside the MLP; 0: attention only.
    pub inner: usize,
    /// The head uses the token table.
    pub tied: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self { vocab: 256, positions: 256, hidden: 128, layers: 2, heads: 4, inner: 0, tied: false }
    }
}

/// Largest product of two sizes: more than this is not a small model.
const LARGEST: usize = 1 << 28;

impl Shape {
    /// Refuses sizes that make no model.
    ///
    /// # Errors
    /// `is_usage`.
    pub fn check(&self) -> Result<()> {
        let sizes = [
            ("vocab", self.vocab),
            ("seq_len", self.positions),
            ("width", self.hidden),
            ("layers", self.layers),
            ("heads", self.heads),
        ];
        for (name, size) in sizes {
            if size == 0 || size > 1 << 20 {
                return Err(Error::option(name, size, "give 1 to 2^20"));
            }
        }
        if self.hidden % self.heads != 0 {
            let why = format!("{} heads cannot share it; give a multiple", self.heads);
            return Err(Error::option("width", self.hidden, why));
        }
        for (a, b) in [(self.vocab, self.hidden), (self.positions, self.hidden), (self.inner, self.hidden)] {
            if a.saturating_mul(b) > LARGEST || 3 * self.hidden * self.hidden > LARGEST {
                return Err(Error::usage(format!("model: a matrix of {a} x {b} is too large to train here")));
            }
        }
        Ok(())
    }

    /// The model in words.
    pub fn spec(&self) -> Spec {
        let width = self.hidden / self.heads.max(1);
        Spec {
            family: Family::Gpt2,
            task: Task::CausalLm,
            head: OutputHead::CausalLm,
            vocab: self.vocab,
            hidden: self.hidden,
            layers: self.layers,
            heads: self.heads,
            key_heads: self.heads,
            head_dim: width,
            intermediate: self.inner,
            norm: Norm::Layer { eps: 1e-5 },
            placement: Placement::Pre,
            position: Position::Learned { offset: 0, skip: None },
            max_positions: Some(self.positions),
            activation: Activation::GeluTanh,
            gated: false,
            qkv_bias: true,
            output_bias: true,
            mlp_bias: true,
            query_key_norm: false,
            tied: self.tied,
            embedding_scale: 1.0,
            beta: 1.0 / (width as f32).sqrt(),
            beta_by_layer: false,
            attention_soft_cap: None,
            final_soft_cap: None,
            windows: vec![None; self.layers],
            causal: true,
            token_types: 0,
            pooler: false,
            image: None,
            pad_token: None,
            mask_token: None,
            bos_token: None,
        }
    }

    /// Names and shapes of its tensors.
    pub(super) fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (c, i) = (self.hidden, self.inner);
        let mut list =
            vec![("wte.weight".to_string(), vec![self.vocab, c]), ("wpe.weight".into(), vec![self.positions, c])];
        for l in 0..self.layers {
            let mut add = |name: &str, shape: &[usize]| list.push((format!("h.{l}.{name}"), shape.to_vec()));
            add("ln_1.weight", &[c]);
            add("ln_1.bias", &[c]);
            add("attn.c_attn.weight", &[c, 3 * c]);
            add("attn.c_attn.bias", &[3 * c]);
            add("attn.c_proj.weight", &[c, c]);
            add("attn.c_proj.bias", &[c]);
            if i > 0 {
                add("ln_2.weight", &[c]);
                add("ln_2.bias", &[c]);
                add("mlp.c_fc.weight", &[c, i]);
                add("mlp.c_fc.bias", &[i]);
                add("mlp.c_proj.weight", &[i, c]);
                add("mlp.c_proj.bias", &[c]);
            }
        }
        list.push(("ln_f.weight".into(), vec![c]));
        list.push(("ln_f.bias".into(), vec![c]));
        if !self.tied {
            list.push(("lm_head.weight".into(), vec![self.vocab, c]));
        }
        list
    }

    /// Fresh weights: normal, 1 / sqrt(width) for maps (less in the output projections, by depth), 0.1 for tokens; the
    /// positions begin as sines and cosines of 0.1 sqrt(2), wavelengths from 2 pi to the number of positions: a shift by
    /// one is then a rotation, which is what a previous-token head has to find.
    pub(super) fn initial(&self, seed: u64) -> Result<Model> {
        let mut tensors = BTreeMap::new();
        for (at, (name, shape)) in self.tensors().into_iter().enumerate() {
            let mut random = Philox::new(seed, stream::tensor(at as u64));
            let size = shape.iter().product();
            let scale = match name.as_str() {
                name if name.ends_with("bias") => 0.0,
                "wte.weight" => 0.1,
                name if name.ends_with("c_proj.weight") => 1.0 / ((2 * self.layers * shape[0]) as f64).sqrt(),
                "lm_head.weight" => 1.0 / (shape[1] as f64).sqrt(),
                _ => 1.0 / (shape[0] as f64).sqrt(),
            };
            let norm = name.contains("ln_") && name.ends_with("weight");
            let values = match name.as_str() {
                "wpe.weight" => self.waves(),
                _ => (0..size).map(|_| if norm { 1.0 } else { (scale * random.normal()) as f32 }).collect(),
            };
            tensors.insert(name, Array { shape, values });
        }
        Model::build(&self.spec(), &tensors)
    }

    /// [positions, hidden]
    fn waves(&self) -> Vec<f32> {
        let pairs = self.hidden.div_ceil(2);
        let longest = (self.positions as f64 / std::f64::consts::TAU).max(1.0);
        let wave = |p: usize, f: usize| {
            let angle = p as f64 / longest.powf((f / 2) as f64 / pairs.max(2) as f64);
            (0.1 * std::f64::consts::SQRT_2 * if f % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
        };
        (0..self.positions).flat_map(|p| (0..self.hidden).map(move |f| wave(p, f))).collect()
    }
}
