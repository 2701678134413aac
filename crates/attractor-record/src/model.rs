//! What was captured, from what.

use serde::{Deserialize, Serialize};

/// What a model is asked to predict; decides the loss and the checks that apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Next token, causal.
    CausalLm,
    /// Masked tokens.
    MaskedLm,
    /// A label for the whole input.
    Classifier,
    /// Hidden states only.
    Encoder,
}

/// What was captured, from what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Family as config.json names it ("gpt2", "bert", "llama"...), or "import".
    pub family: String,
    /// What it predicts.
    pub task: Task,
    /// True if no position may see a later one.
    pub causal: bool,
    /// Layers of the model.
    pub layers: usize,
    /// Query heads per layer.
    pub heads: usize,
    /// Parameters; `None` for imports.
    pub parameters: Option<u64>,
    /// Largest number of positions; `None` if unlimited or unknown.
    pub max_positions: Option<usize>,
    /// SHA-256 of the weights file(s), hex; empty if unknown.
    pub weights_hash: String,
    /// What should be known of how the weights and the configuration were read: what was left out, what was dequantised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}
