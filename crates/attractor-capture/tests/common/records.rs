//! Records that stand for a model: seeded, reproducible, with every modifier.
#![allow(dead_code)]

use attractor::random::Philox;
use attractor::retrieve::Mask;
use attractor_record::{Facts, InputRecord, LayerRecord, ModelInfo, Origin, Role, Stack, Task, Token};

/// Layers of [`info`]'s model, of which 0 and 3 are captured.
pub const LAYERS: [usize; 2] = [0, 3];
pub const HEADS: usize = 6;
pub const KEY_HEADS: usize = 2;

pub fn info() -> ModelInfo {
    ModelInfo {
        family: "test".into(),
        task: Task::CausalLm,
        causal: true,
        layers: 4,
        heads: HEADS,
        parameters: Some(7),
        max_positions: None,
        weights_hash: "00ff".into(),
        remarks: Vec::new(),
    }
}

pub fn normal(random: &mut Philox, count: usize, scale: f64) -> Vec<f32> {
    (0..count).map(|_| (scale * random.normal()) as f32).collect()
}

/// Input `index` of `positions` positions; layer 3 has a window, a soft cap, slopes and sinks.
pub fn input(seed: u64, index: usize, positions: usize) -> InputRecord {
    let layers = LAYERS.map(|layer| {
        let mut random = Philox::new(seed, (index * 10 + layer) as u64);
        let (d, e) = (7, 5);
        let late = layer == 3;
        LayerRecord {
            stack: Stack::Only,
            layer,
            heads: HEADS,
            key_heads: KEY_HEADS,
            queries: positions,
            keys: positions,
            width: d,
            value_width: e,
            beta: 0.7,
            mask: Mask { window: late.then_some(9), ..Mask::causal() },
            soft_cap: late.then_some(11.0),
            alibi: if late { normal(&mut random, HEADS, 0.1) } else { Vec::new() },
            sinks: if late { normal(&mut random, HEADS, 1.0) } else { Vec::new() },
            q: normal(&mut random, HEADS * positions * d, 1.3),
            k: normal(&mut random, KEY_HEADS * positions * d, 1.3),
            v: normal(&mut random, KEY_HEADS * positions * e, 1.0),
            z: normal(&mut random, HEADS * positions * e, 1.0),
            input: normal(&mut random, positions * 11, 1.0),
            input_rows: Vec::new(),
            statistics: Vec::new(),
            facts: Facts {
                output_error: Some(1e-7),
                projection_error: Some(f64::NAN),
                output_scale: Some(2.5),
                evaluation_mode: Some(true),
            },
        }
    });
    let mut random = Philox::new(seed, 999 + index as u64);
    let tokens = (0..positions).map(|p| {
        let id = random.below(9) as u32;
        Token { text: format!("t{id}\""), id, role: if p == 0 { Role::Bos } else { Role::Text } }
    });
    let (tokens, layers) = (tokens.collect(), layers.into());
    InputRecord { index, origin: Origin::of(index), tokens, prompt_length: Some(1), grid: None, layers }
}
