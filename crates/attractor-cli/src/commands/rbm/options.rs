//! What `attractor train rbm` is told: options, presets, and what they come to.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use attractor::sample::rbm::{Alarm, Decay, Plan, Rates, Sampler, Sparsity};
use clap::{Args, ValueEnum};

use crate::args::MOST_BYTES;
use crate::commands::memory::Data;
use crate::error::Outcome;
use attractor::Error;

/// Sizes and rates that go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 500 hidden units, batches of 128, 30 epochs, rate 0.01, CD-1
    Local,
    /// 2048 hidden units, batches of 512, 100 epochs, rate 0.005, CD-5
    Production,
    /// 16 hidden units, batches of 50, 500 epochs, rate 0.05 falling to 1 %, tempering: what the digits are learnt best by
    Small,
}

/// Where the model's half of the gradient comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SamplerName {
    /// Contrastive divergence: k steps from the data
    Cd,
    /// Persistent chains, k steps an update
    Pcd,
    /// Persistent chains at several temperatures
    Pt,
}

#[derive(Debug, Args)]
pub struct TrainRbm {
    #[command(flatten)]
    pub data: Data,
    /// Where machine, checkpoint, metrics and pictures go, a folder
    #[arg(long, short)]
    pub output: PathBuf,
    /// Settings that go together; what is given by itself stands above them [default: local; with --demo: small]
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,
    /// Begin with the weights of this machine: a folder, .safetensors, or a BernoulliRBM of scikit-learn as .npz
    #[arg(long, value_name = "FILE", conflicts_with = "gaussian")]
    pub weights: Option<PathBuf>,
    /// Hidden units [default: the preset's, or those of --weights]
    #[arg(long)]
    pub hidden: Option<usize>,
    /// Rows an update
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
    /// Gibbs steps an update
    #[arg(long)]
    pub k: Option<usize>,
    /// Where the model's half of the gradient comes from
    #[arg(long, value_enum)]
    pub sampler: Option<SamplerName>,
    /// Chains that go on from update to update (pcd, pt) [default: --batch-size]
    #[arg(long)]
    pub chains: Option<usize>,
    /// Temperatures of the chains (pt) [default: 8]
    #[arg(long)]
    pub temperatures: Option<usize>,
    /// Plain gradients; else they are centred, so that nothing changes where bits are turned round
    #[arg(long)]
    pub no_centring: bool,
    /// Wanted mean activation of the hidden units
    #[arg(long)]
    pub sparsity: Option<f32>,
    /// Longest gradient; longer ones are cut
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
    /// Temperatures of annealed importance sampling [default: 1000]; given, it is used for small machines too
    #[arg(long)]
    pub betas: Option<usize>,
    /// The alarm: nats a row, beyond three standard errors, that the likelihood must lie below its best
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
    /// The divergence alarm as it was asked for.
    pub fn alarm(&self) -> Outcome<Alarm> {
        Alarm::new(self.alarm_margin, self.alarm_patience).map_err(|_| {
            Error::usage(format!(
                "--alarm-margin {}, --alarm-patience {}: give nats from 0 on, and 1 likelihood or more",
                self.alarm_margin, self.alarm_patience
            ))
        })
    }
}

/// What is trained, and how.
pub struct Settings {
    /// Hidden units.
    pub hidden: usize,
    /// Passes over the data.
    pub epochs: u64,
    /// Everything else.
    pub plan: Plan,
}

/// The sampler with its own options; those of another are refused.
fn sampler(args: &TrainRbm, default: SamplerName, (steps, batch): (usize, usize)) -> Outcome<Sampler> {
    let name = args.sampler.unwrap_or(default);
    let chains = args.chains.unwrap_or(batch);
    if let (Some(count), SamplerName::Cd) = (args.chains, name) {
        return Err(Error::usage(format!(
            "--chains {count}: contrastive divergence (--sampler cd) has no chains of its own; leave it out, or choose \
             --sampler pcd or pt"
        )));
    }
    if let (Some(count), SamplerName::Cd | SamplerName::Pcd) = (args.temperatures, name) {
        return Err(Error::usage(format!(
            "--temperatures {count}: only parallel tempering has temperatures; leave it out, or choose --sampler pt"
        )));
    }
    Ok(match name {
        SamplerName::Cd => Sampler::Contrastive { steps },
        SamplerName::Pcd => Sampler::Persistent { steps, chains },
        SamplerName::Pt => {
            let count = args.temperatures.unwrap_or(8);
            if !(2..=1024).contains(&count) {
                return Err(Error::usage(format!("--temperatures {count}: give 2 to 1024")));
            }
            let temperatures = (0..count).map(|i| i as f32 / (count - 1) as f32).collect();
            Sampler::Tempering { steps, chains, temperatures }
        }
    })
}

/// Temperatures that annealed importance sampling is given.
pub const BETAS: RangeInclusive<usize> = 10..=10_000_000;

/// Options that say how the likelihood is watched.
fn watching(args: &TrainRbm) -> Outcome {
    args.alarm()?;
    if args.roll_back && args.likelihood_every == 0 {
        return Err(Error::usage(
            "--roll-back with --likelihood-every 0: without a likelihood nothing says when to go back; leave one of them out",
        ));
    }
    match args.betas {
        None => Ok(()),
        Some(_) if args.likelihood_every == 0 => {
            Err(Error::usage("--betas with --likelihood-every 0: no likelihood is measured; leave one of them out"))
        }
        Some(betas) if BETAS.contains(&betas) => Ok(()),
        Some(betas) => Err(Error::usage(format!(
            "--betas {betas}: give {} to {} temperatures; with few of them the estimate is of no use (1000 is usual)",
            BETAS.start(),
            BETAS.end()
        ))),
    }
}

/// Checks the options against data of (rows, features), and a machine of `given` hidden units to begin with.
pub fn settings(
    args: &TrainRbm,
    (rows, features): (usize, usize),
    given: Option<usize>,
    seed: u64,
) -> Outcome<Settings> {
    let preset = args.preset.unwrap_or(if args.data.demo { Preset::Small } else { Preset::Local });
    // hidden, batch, epochs, rate, momentum, weight decay, k: the first two are the document's.
    let (hidden, batch, epochs, lr, momentum, decay, k) = match preset {
        Preset::Local => (500, 128, 30, 0.01, 0.9, 1e-4, 1),
        Preset::Production => (2048, 512, 100, 0.005, 0.9, 1e-4, 5),
        Preset::Small => (16, 50, 500, 0.05, 0.0, 0.0, 1),
    };
    let small = preset == Preset::Small;
    let (batch, epochs) = (args.batch_size.unwrap_or(batch), args.epochs.unwrap_or(epochs));
    let (lr, steps) = (args.lr.unwrap_or(lr), args.k.unwrap_or(k));
    let hidden = match (given, args.hidden) {
        (Some(given), Some(asked)) if given != asked => {
            return Err(Error::usage(format!(
                "--hidden {asked}: the machine of --weights has {given} hidden units; leave --hidden out"
            )));
        }
        (Some(given), _) => given,
        (None, asked) => asked.unwrap_or(hidden),
    };
    let bytes = (features as u64).saturating_mul(hidden as u64).saturating_mul(16);
    if bytes > MOST_BYTES {
        return Err(Error::usage(format!(
            "--hidden {hidden}: weights, movement and their copies take {:.1} GB; at most {:.0} GB",
            bytes as f64 / 1e9,
            MOST_BYTES as f64 / 1e9
        )));
    }
    if epochs == 0 || batch == 0 {
        return Err(Error::usage(format!("--epochs {epochs}, --batch-size {batch}: give at least 1 of each")));
    }
    if let Some(target) = args.sparsity.filter(|target| !(0.0..=1.0).contains(target)) {
        return Err(Error::usage(format!("--sparsity {target}: a wanted mean activation; give a share from 0 to 1")));
    }
    let sampler = sampler(args, if small { SamplerName::Pt } else { SamplerName::Cd }, (steps, batch))?;
    let chains = match &sampler {
        Sampler::Contrastive { .. } => batch,
        Sampler::Persistent { chains, .. } => *chains,
        Sampler::Tempering { chains, temperatures, .. } => chains.saturating_mul(temperatures.len()),
    };
    // States of data and model, and their probabilities, unit by unit.
    let states = (batch.saturating_add(chains) as u64).saturating_mul((features + hidden) as u64).saturating_mul(8);
    if states > MOST_BYTES {
        return Err(Error::usage(format!(
            "--batch-size {batch} and {chains} chains: their states take {:.1} GB; at most {:.0} GB",
            states as f64 / 1e9,
            MOST_BYTES as f64 / 1e9
        )));
    }
    watching(args)?;
    let updates = epochs.saturating_mul(rows.div_ceil(batch) as u64).max(1);
    let decay_of_rate = match args.lr_end.or(small.then_some(0.01)) {
        None => Decay::None,
        Some(end) => Decay::Linear { updates, end },
    };
    let plan = Plan {
        batch,
        sampler,
        rates: Rates { weights: lr, visible: args.lr_visible.unwrap_or(lr), hidden: args.lr_hidden.unwrap_or(lr) },
        warm_up: args.warm_up,
        decay: decay_of_rate,
        momentum: args.momentum.unwrap_or(momentum),
        weight_decay: args.weight_decay.unwrap_or(decay),
        centring: if args.no_centring { None } else { Plan::new(seed).centring },
        sparsity: args.sparsity.map(|target| Sparsity { target, cost: 0.1, memory: 0.9 }),
        clip: args.clip,
        seed,
    };
    plan.check()?;
    Ok(Settings { hidden, epochs, plan })
}
