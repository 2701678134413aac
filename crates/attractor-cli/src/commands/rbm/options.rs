//! What `attractor train rbm` is told.

use std::path::PathBuf;

use attractor_session::training::rbm::{self, Preset, SamplerName};
use clap::Args;

use crate::args::{choice, same};
use crate::commands::memory::Data;
use crate::picture::{Look, PICTURES};

#[derive(Debug, Args)]
pub struct TrainRbm {
    #[command(flatten)]
    pub data: Data,
    /// Output folder for the model, its checkpoint, metrics and figures
    #[arg(long, short, value_name = "FOLDER")]
    pub output: PathBuf,
    /// Format of the figures in that folder
    #[arg(long, value_parser = PICTURES, default_value = "svg")]
    pub figures: String,
    /// A set of defaults; options that are given override them [default: local; with --demo: small]
    #[arg(long, value_parser = choice::<Preset>())]
    pub preset: Option<Preset>,
    /// Start from the weights of this model: a folder, .safetensors, or a BernoulliRBM of scikit-learn as .npz
    #[arg(long, value_name = "FILE", conflicts_with = "gaussian", help_heading = "Model")]
    pub weights: Option<PathBuf>,
    /// Hidden units [default: the preset's, or those of --weights]
    #[arg(long, help_heading = "Model")]
    pub hidden: Option<usize>,
    /// Rows per update
    #[arg(long, help_heading = "Gradient")]
    pub batch_size: Option<usize>,
    /// Passes over the data
    #[arg(long, help_heading = "Gradient")]
    pub epochs: Option<u64>,
    /// Learning rate
    #[arg(long, help_heading = "Gradient")]
    pub lr: Option<f32>,
    /// Learning rate of the visible biases [default: --lr]
    #[arg(long, help_heading = "Gradient")]
    pub lr_visible: Option<f32>,
    /// Learning rate of the hidden biases [default: --lr]
    #[arg(long, help_heading = "Gradient")]
    pub lr_hidden: Option<f32>,
    /// Warm-up: updates over which the learning rate rises from zero
    #[arg(long, default_value_t = 0, help_heading = "Gradient")]
    pub warm_up: u64,
    /// Fraction of the learning rate at the end of training (linear decay)
    #[arg(long, help_heading = "Gradient")]
    pub lr_end: Option<f32>,
    /// Momentum coefficient
    #[arg(long, help_heading = "Gradient")]
    pub momentum: Option<f32>,
    /// Weight decay coefficient (L2)
    #[arg(long, help_heading = "Gradient")]
    pub weight_decay: Option<f32>,
    /// Gibbs steps per update
    #[arg(long, help_heading = "Gradient")]
    pub k: Option<usize>,
    /// Sampler of the negative phase (the model's half of the gradient)
    #[arg(long, value_parser = choice::<SamplerName>(), help_heading = "Gradient")]
    pub sampler: Option<SamplerName>,
    /// Number of persistent chains (pcd, pt) [default: --batch-size]
    #[arg(long, help_heading = "Gradient")]
    pub chains: Option<usize>,
    /// Number of inverse temperatures of the chains, evenly spaced from 0 to 1 (pt) [default: 8]
    #[arg(long, alias = "temperatures", help_heading = "Gradient")]
    pub chain_betas: Option<usize>,
    /// Plain gradients instead of centred ones (which do not depend on which state is called 1)
    #[arg(long, help_heading = "Gradient")]
    pub no_centring: bool,
    /// Target mean activation of the hidden units (sparsity)
    #[arg(long, help_heading = "Gradient")]
    pub sparsity: Option<f32>,
    /// Gradient clipping: maximum norm
    #[arg(long, help_heading = "Gradient")]
    pub clip: Option<f32>,
    /// Gaussian visible units of unit variance instead of binary ones
    #[arg(long, conflicts_with = "threshold", help_heading = "Model")]
    pub gaussian: bool,
    /// Centre every number and divide it by its standard deviation over the rows learnt (--gaussian)
    #[arg(long, requires = "gaussian", help_heading = "Model")]
    pub standardize: bool,
    /// Fraction of the rows to hold out [default: the data's own test split, else 0.1]
    #[arg(long, help_heading = "Likelihood, and its alarm")]
    pub held_out: Option<f64>,
    /// Epochs between likelihood evaluations: exact up to 22 units in the smaller layer, else by annealed importance sampling; 0: never
    #[arg(long, default_value_t = 5, help_heading = "Likelihood, and its alarm")]
    pub likelihood_every: u64,
    /// Number of inverse temperatures in annealed importance sampling [default: 1000]; if given, AIS is used for small models too
    #[arg(long, help_heading = "Likelihood, and its alarm")]
    pub betas: Option<usize>,
    /// Alarm: margin in nats per row, on top of three standard errors, by which the likelihood must lie below its best
    #[arg(long, default_value_t = 0.2, help_heading = "Likelihood, and its alarm")]
    pub alarm_margin: f64,
    /// Alarm: number of consecutive evaluations below that margin
    #[arg(long, default_value_t = 3, help_heading = "Likelihood, and its alarm")]
    pub alarm_patience: u32,
    /// When the alarm fires (likelihood falls while reconstruction improves), restore the best model and stop
    #[arg(long, help_heading = "Likelihood, and its alarm")]
    pub roll_back: bool,
    /// Resume after the last complete epoch in --output; --epochs, the learning rates, --clip and monitoring options may change
    #[arg(long)]
    pub resume: bool,
    #[command(flatten)]
    pub look: Look,
}

impl TrainRbm {
    /// As the job takes them.
    pub fn options(&self) -> rbm::Options {
        same!(self => rbm::Options {
            output, preset, weights, hidden, batch_size, epochs, lr, lr_visible, lr_hidden, warm_up, lr_end, momentum,
            weight_decay, k, sampler, chains, chain_betas, no_centring, sparsity, clip, gaussian, standardize, held_out,
            likelihood_every, betas, alarm_margin, alarm_patience, roll_back, resume
        }, data: self.data.source())
    }
}
