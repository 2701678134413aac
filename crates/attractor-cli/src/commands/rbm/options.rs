//! What `attractor train rbm` is told.

use std::path::PathBuf;

use attractor_session::training::rbm::{self, Preset, SamplerName};
use clap::Args;

use crate::args::{choice, same};
use crate::commands::memory::Data;

#[derive(Debug, Args)]
pub struct TrainRbm {
    #[command(flatten)]
    pub data: Data,
    /// Where machine, checkpoint, metrics and pictures go, a folder
    #[arg(long, short)]
    pub output: PathBuf,
    /// Settings that go together; what is given by itself stands above them [default: local; with --demo: small]
    #[arg(long, value_parser = choice::<Preset>())]
    pub preset: Option<Preset>,
    /// Begin with the weights of this machine: a folder, .safetensors, or a BernoulliRBM of scikit-learn as .npz
    #[arg(long, value_name = "FILE", conflicts_with = "gaussian")]
    pub weights: Option<PathBuf>,
    /// Hidden units [default: the preset's, or those of --weights]
    #[arg(long)]
    pub hidden: Option<usize>,
    /// Rows per update
    #[arg(long)]
    pub batch_size: Option<usize>,
    /// Passes over the data
    #[arg(long)]
    pub epochs: Option<u64>,
    /// Learning rate
    #[arg(long)]
    pub lr: Option<f32>,
    /// Learning rate of the visible biases [default: --lr]
    #[arg(long)]
    pub lr_visible: Option<f32>,
    /// Learning rate of the hidden biases [default: --lr]
    #[arg(long)]
    pub lr_hidden: Option<f32>,
    /// Updates over which the rate rises from zero
    #[arg(long, default_value_t = 0)]
    pub warm_up: u64,
    /// Share of the rate that is left at the end; it falls on a straight line
    #[arg(long)]
    pub lr_end: Option<f32>,
    /// Share of the last movement that goes on
    #[arg(long)]
    pub momentum: Option<f32>,
    /// Decay of the weights
    #[arg(long)]
    pub weight_decay: Option<f32>,
    /// Gibbs steps per update
    #[arg(long)]
    pub k: Option<usize>,
    /// Where the model's half of the gradient comes from
    #[arg(long, value_parser = choice::<SamplerName>())]
    pub sampler: Option<SamplerName>,
    /// Chains that go on from update to update (pcd, pt) [default: --batch-size]
    #[arg(long)]
    pub chains: Option<usize>,
    /// Inverse temperatures of the chains, evenly spaced from 0 to 1 (pt) [default: 8]
    #[arg(long, alias = "temperatures")]
    pub chain_betas: Option<usize>,
    /// Plain gradients; else they are centred, so that nothing changes where bits are flipped
    #[arg(long)]
    pub no_centring: bool,
    /// Wanted mean activation of the hidden units
    #[arg(long)]
    pub sparsity: Option<f32>,
    /// Gradient clipping: the largest norm
    #[arg(long)]
    pub clip: Option<f32>,
    /// Real numbers as visible units, normal with variance one; else bits
    #[arg(long, conflicts_with = "threshold")]
    pub gaussian: bool,
    /// Share of the rows that is held out [default: those that the data name, else 0.1]
    #[arg(long)]
    pub held_out: Option<f64>,
    /// Epochs between two likelihoods: exact up to 22 units in the smaller layer, else by annealed importance sampling; 0: never
    #[arg(long, default_value_t = 5)]
    pub likelihood_every: u64,
    /// Inverse temperatures of annealed importance sampling [default: 1000]; given, it is used for small machines too
    #[arg(long)]
    pub betas: Option<usize>,
    /// The alarm: nats per row, beyond three standard errors, that the likelihood must lie below its best
    #[arg(long, default_value_t = 0.2)]
    pub alarm_margin: f64,
    /// The alarm: likelihoods in a row that lie so far below
    #[arg(long, default_value_t = 3)]
    pub alarm_patience: u32,
    /// Go back to the best machine and stop when the likelihood falls although the reconstruction improves
    #[arg(long)]
    pub roll_back: bool,
    /// Go on from the last whole epoch in --output; --epochs, the learning rates, --clip and what is only watched may change
    #[arg(long)]
    pub resume: bool,
}

impl TrainRbm {
    /// As the job takes them.
    pub fn options(&self) -> rbm::Options {
        same!(self => rbm::Options {
            output, preset, weights, hidden, batch_size, epochs, lr, lr_visible, lr_hidden, warm_up, lr_end, momentum,
            weight_decay, k, sampler, chains, chain_betas, no_centring, sparsity, clip, gaussian, held_out,
            likelihood_every, betas, alarm_margin, alarm_patience, roll_back, resume
        }, data: self.data.source())
    }
}
