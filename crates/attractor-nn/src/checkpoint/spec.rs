//! A model in words: what a configuration says after it was read and checked, the same for every family.

use attractor_record::Task;
use serde::{Deserialize, Serialize};

/// The families of models that can be read; it decides the names of the tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// BERT.
    Bert,
    /// RoBERTa: BERT's blocks, positions that start after the padding token's number.
    Roberta,
    /// GPT-2: matrices stored as [in, out], q, k and v packed in one.
    Gpt2,
    /// Llama.
    Llama,
    /// Mistral.
    Mistral,
    /// Qwen 2.
    Qwen2,
    /// Qwen 3.
    Qwen3,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3 (text).
    Gemma3,
    /// ViT.
    Vit,
    /// DeiT, with a distillation token.
    Deit,
}

impl Family {
    /// Its name in config.json's `model_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::Gpt2 => "gpt2",
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
            Self::Vit => "vit",
            Self::Deit => "deit",
        }
    }
}

/// What stands on top of the last hidden state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputHead {
    /// Nothing: hidden states only.
    None,
    /// Next-token logits, [vocab].
    CausalLm,
    /// Masked-token logits, [vocab], after a transform layer.
    MaskedLm,
    /// One logit a label, from the first token (BERT: pooled; RoBERTa: its own dense layer; ViT: the class token).
    Classifier {
        /// Number of labels.
        labels: usize,
    },
    /// DeiT's pair, on the class and on the distillation token, averaged.
    DistilledClassifier {
        /// Number of labels.
        labels: usize,
    },
}

/// Normalisation of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Norm {
    /// (x - mean) / sqrt(var + eps) * weight + bias.
    Layer {
        /// Added to the variance.
        eps: f64,
    },
    /// x / sqrt(mean(x^2) + eps) * (weight + offset).
    Rms {
        /// Added to the mean square.
        eps: f64,
        /// 0, or 1 for Gemma, whose stored weights are the deviation from one.
        offset: f32,
    },
}

/// Where the norms of a block stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// x + f(norm(x)); a final norm after the last block.
    Pre,
    /// norm(x + f(x)); the embeddings are normalised, there is no final norm (BERT).
    Post,
    /// x + norm(f(norm(x))); a final norm after the last block (Gemma 2 and 3).
    Sandwich,
}

/// How rotary frequencies are stretched beyond the length of training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Not at all.
    Default,
    /// Every frequency divided by the factor.
    Linear {
        /// > 0.
        factor: f64,
    },
    /// The base grows with the sequence once it is longer than `original` positions (NTK-aware).
    Dynamic {
        /// > 0.
        factor: f64,
        /// Positions of training.
        original: usize,
    },
    /// Llama 3.1: low frequencies divided, high ones kept, a ramp in between.
    Llama3 {
        /// > 0.
        factor: f64,
        /// `low_freq_factor`.
        low: f64,
        /// `high_freq_factor`.
        high: f64,
        /// Positions of training.
        original: usize,
    },
    /// YaRN: a ramp between interpolated and kept frequencies, and a factor on cosine and sine.
    Yarn {
        /// > 0.
        factor: f64,
        /// Positions of training.
        original: usize,
        /// Rotations above which a frequency is kept (32).
        beta_fast: f64,
        /// Rotations below which it is interpolated (1).
        beta_slow: f64,
        /// Factor on cosine and sine, worked out by the reader (0.1 ln(factor) + 1, or as mscale says).
        attention_factor: f64,
        /// Round the ramp's ends to whole dimensions.
        truncate: bool,
    },
}

/// Rotary position embedding: pairs (i, i + dims / 2) turn by position x frequency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rope {
    /// Base of the frequencies theta^(-2i / dims).
    pub theta: f64,
    /// Leading features of a head that turn (even, <= head_dim).
    pub dims: usize,
    /// Stretching.
    pub scaling: Scaling,
}

/// How a position is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// A table of vectors added to the embeddings.
    Learned {
        /// Row of the first position (RoBERTa: padding id + 1).
        offset: usize,
        /// Tokens that do not advance the position and take row offset - 1 (RoBERTa's padding token).
        skip: Option<u32>,
    },
    /// Rotation of queries and keys.
    Rope {
        /// Of every layer, or of those without a window where `local` is given.
        global: Rope,
        /// Of layers with a sliding window (Gemma 3).
        local: Option<Rope>,
    },
}

/// Elementwise nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x Phi(x), by the error function.
    Gelu,
    /// The tanh approximation of it (gelu_new, gelu_pytorch_tanh, gelu_fast).
    GeluTanh,
    /// x sigmoid(1.702 x).
    QuickGelu,
    /// max(0, x).
    Relu,
    /// x sigmoid(x).
    Silu,
    /// tanh(x).
    Tanh,
}

/// What an image model reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageSpec {
    /// Height in pixels, a multiple of `patch_height`.
    pub height: usize,
    /// Width in pixels, a multiple of `patch_width`.
    pub width: usize,
    /// Height of a patch.
    pub patch_height: usize,
    /// Width of a patch.
    pub patch_width: usize,
    /// Colour channels.
    pub channels: usize,
}

impl ImageSpec {
    /// Rows and columns of patches.
    pub fn grid(&self) -> (usize, usize) {
        (self.height / self.patch_height, self.width / self.patch_width)
    }
}

/// A model in words.
///
/// Whoever fills it in has checked it: no size is zero except where zero means "none", `heads` is a multiple of
/// `key_heads`, `windows` has one entry a layer, sizes are small enough that their products do not overflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Family.
    pub family: Family,
    /// What it predicts.
    pub task: Task,
    /// What stands on top.
    pub head: OutputHead,
    /// Rows of the token table; 0 for image models.
    pub vocab: usize,
    /// Model width.
    pub hidden: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub key_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width inside the MLP; 0: blocks have no MLP.
    pub intermediate: usize,
    /// Normalisation.
    pub norm: Norm,
    /// Where it stands.
    pub placement: Placement,
    /// How a position is told.
    pub position: Position,
    /// Positions that the configuration states, less what the family reserves; `None` if it states none. See
    /// [`position_limit`](Self::position_limit).
    pub max_positions: Option<usize>,
    /// Nonlinearity of the MLP.
    pub activation: Activation,
    /// down(act(gate(x)) * up(x)) instead of down(act(up(x))).
    pub gated: bool,
    /// Biases on q, k and v.
    pub qkv_bias: bool,
    /// Bias on the output projection.
    pub output_bias: bool,
    /// Biases in the MLP.
    pub mlp_bias: bool,
    /// RMSNorm of each head's queries and keys before rotation (Qwen 3, Gemma 3).
    pub query_key_norm: bool,
    /// The head of a language model uses the token table.
    pub tied: bool,
    /// Factor on token embeddings (Gemma: sqrt(hidden)); else 1.
    pub embedding_scale: f32,
    /// Inverse temperature: scores are beta q.k (1 / sqrt(head_dim), query_pre_attn_scalar^-1/2, or 1).
    pub beta: f32,
    /// beta is further divided by layer + 1 (`scale_attn_by_inverse_layer_idx`).
    pub beta_by_layer: bool,
    /// Soft cap of attention scores.
    pub attention_soft_cap: Option<f32>,
    /// Soft cap of logits.
    pub final_soft_cap: Option<f32>,
    /// Sliding window of each layer, |p - j| < window; one entry per layer.
    pub windows: Vec<Option<usize>>,
    /// No position sees a later one.
    pub causal: bool,
    /// Rows of the token-type table; 0: none.
    pub token_types: usize,
    /// The file has a pooler that the head needs (or may have one that is read if there).
    pub pooler: bool,
    /// Image models.
    pub image: Option<ImageSpec>,
    /// Padding token, where the configuration names one.
    pub pad_token: Option<u32>,
    /// Mask token, where a tokenizer or configuration names one.
    pub mask_token: Option<u32>,
    /// Beginning-of-sequence token.
    pub bos_token: Option<u32>,
}

impl Spec {
    /// beta of layer `layer`.
    pub fn beta_of(&self, layer: usize) -> f32 {
        if self.beta_by_layer { self.beta / (layer + 1) as f32 } else { self.beta }
    }

    /// Rotation of layer `layer`, if positions are told that way.
    pub fn rope_of(&self, layer: usize) -> Option<Rope> {
        match &self.position {
            Position::Learned { .. } => None,
            Position::Rope { global, local } => Some(match (local, self.windows[layer]) {
                (Some(local), Some(_)) => *local,
                _ => *global,
            }),
        }
    }

    /// Most positions an input may have. Dynamically stretched rotary positions reach `factor` times as far as the
    /// configuration's number, which is the length of training.
    pub fn position_limit(&self) -> Option<usize> {
        let stretch = match &self.position {
            Position::Rope { global: Rope { scaling: Scaling::Dynamic { factor, .. }, .. }, .. } => factor.max(1.0),
            _ => 1.0,
        };
        self.max_positions.map(|n| (n as f64 * stretch) as usize)
    }

    /// Positions of an image input: class token, distillation token (DeiT), patches; `None` for text models.
    pub fn image_positions(&self) -> Option<usize> {
        let (rows, columns) = self.image.as_ref()?.grid();
        Some(rows * columns + self.prefix_tokens())
    }

    /// Tokens of an image model that stand for no patch and come first.
    pub fn prefix_tokens(&self) -> usize {
        match (self.image.is_some(), self.family) {
            (false, _) => 0,
            (true, Family::Deit) => 2,
            (true, _) => 1,
        }
    }
}
