//! What the training of a machine is told: options, presets, and what they come to.

use std::path::PathBuf;

use attractor::sample::rbm::sampling::CHAIN_BETAS;
use attractor::sample::rbm::{Alarm, Decay, Plan, Rates, Sampler, Sparsity, ais, even_betas};
use attractor::{Error, Hint, Kind, Result};
use attractor_data::patterns::{MOST_BYTES, Source};

attractor::choice! {
    /// Sizes and rates that go together.
    pub enum Preset {
        /// 500 hidden units, batches of 128, 60 epochs, rate 0.05 falling to 1 %, persistent chains (PCD-1): draws MNIST's digits.
        Local = "local",
        /// 2048 hidden units, batches of 512, 100 epochs, rate 0.005, CD-5.
        Production = "production",
        /// 16 hidden units, batches of 50, 500 epochs, rate 0.05 falling to 1 %, parallel tempering: best for the digits.
        Small = "small",
    }
}

attractor::choice! {
    /// Sampler of the negative phase (the model's half of the gradient).
    pub enum SamplerName {
        /// Contrastive divergence: k steps from the data.
        Cd = "cd",
        /// Persistent chains, k steps per update.
        Pcd = "pcd",
        /// Parallel tempering: persistent chains at several inverse temperatures.
        Pt = "pt",
    }
}

/// What is trained, and how. What is not given is the preset's.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is learnt.
    pub data: Source,
    /// Folder of machine, checkpoint and metrics.
    pub output: PathBuf,
    /// Settings that go together; without one, `Local`, of the built-in example `Small`.
    pub preset: Option<Preset>,
    /// Begin with this machine: a folder, `.safetensors`, or a `BernoulliRBM` of scikit-learn as `.npz`.
    pub weights: Option<PathBuf>,
    /// Hidden units.
    pub hidden: Option<usize>,
    /// Rows per update.
    pub batch_size: Option<usize>,
    /// Passes over the data.
    pub epochs: Option<u64>,
    /// Learning rate.
    pub lr: Option<f32>,
    /// Learning rate of the visible biases; `lr` without.
    pub lr_visible: Option<f32>,
    /// Learning rate of the hidden biases; `lr` without.
    pub lr_hidden: Option<f32>,
    /// Updates over which the rate rises from zero.
    pub warm_up: u64,
    /// Share of the rate that is left at the end; it falls on a straight line.
    pub lr_end: Option<f32>,
    /// Share of the last movement that goes on.
    pub momentum: Option<f32>,
    /// Decay of the weights.
    pub weight_decay: Option<f32>,
    /// Gibbs steps per update.
    pub k: Option<usize>,
    /// Sampler of the negative phase (the model's half of the gradient).
    pub sampler: Option<SamplerName>,
    /// Chains that go on from update to update (`Pcd`; `Pt`, per beta); the batch size without.
    pub chains: Option<usize>,
    /// Inverse temperatures of the chains, evenly spaced from 0 to 1 (`Pt`); 8 without.
    pub chain_betas: Option<usize>,
    /// Plain gradients; else they are centred.
    pub no_centring: bool,
    /// Wanted mean activation of the hidden units.
    pub sparsity: Option<f32>,
    /// Gradient clipping: the largest norm.
    pub clip: Option<f32>,
    /// Real numbers as visible units, normal with variance one; else bits.
    pub gaussian: bool,
    /// Centre every number and divide it by its standard deviation, over the rows learnt; of real numbers alone.
    pub standardize: bool,
    /// Share of the rows that is held out; without, those that the data name, else a tenth.
    pub held_out: Option<f64>,
    /// Epochs between two likelihoods; 0: never.
    pub likelihood_every: u64,
    /// Inverse temperatures of annealed importance sampling; given, it is used for small machines too.
    pub betas: Option<usize>,
    /// The alarm: nats per row, beyond three standard errors, that the likelihood must lie below its best.
    pub alarm_margin: f64,
    /// The alarm: likelihoods in a row that lie so far below.
    pub alarm_patience: u32,
    /// Go back to the best machine and stop when the likelihood falls although the reconstruction improves.
    pub roll_back: bool,
    /// Go on from the last whole epoch in `output`.
    pub resume: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: Source::default(),
            output: PathBuf::new(),
            preset: None,
            weights: None,
            hidden: None,
            batch_size: None,
            epochs: None,
            lr: None,
            lr_visible: None,
            lr_hidden: None,
            warm_up: 0,
            lr_end: None,
            momentum: None,
            weight_decay: None,
            k: None,
            sampler: None,
            chains: None,
            chain_betas: None,
            no_centring: false,
            sparsity: None,
            clip: None,
            gaussian: false,
            standardize: false,
            held_out: None,
            likelihood_every: 5,
            betas: None,
            alarm_margin: 0.2,
            alarm_patience: 3,
            roll_back: false,
            resume: false,
        }
    }
}

/// What the options come to for some data.
pub(super) struct Settings {
    /// Hidden units.
    pub hidden: usize,
    /// Passes over the data.
    pub epochs: u64,
    /// Everything else.
    pub plan: Plan,
}

/// The numbers of a preset.
struct Numbers {
    hidden: usize,
    batch: usize,
    epochs: u64,
    lr: f32,
    momentum: f32,
    decay: f32,
    k: usize,
}

impl Preset {
    /// `Local` is what draws digits of every class on 5000 of MNIST in two minutes (`bench/digits.py`); at contrastive divergence
    /// with momentum samples were dots. `Production` is the document's.
    fn numbers(self) -> Numbers {
        match self {
            Self::Local => Numbers { hidden: 500, batch: 128, epochs: 60, lr: 0.05, momentum: 0.0, decay: 1e-4, k: 1 },
            Self::Production => {
                Numbers { hidden: 2048, batch: 512, epochs: 100, lr: 0.005, momentum: 0.9, decay: 1e-4, k: 5 }
            }
            Self::Small => Numbers { hidden: 16, batch: 50, epochs: 500, lr: 0.05, momentum: 0.0, decay: 0.0, k: 1 },
        }
    }

    /// What it samples by where nobody says.
    fn sampler(self) -> SamplerName {
        match self {
            Self::Local => SamplerName::Pcd,
            Self::Production => SamplerName::Cd,
            Self::Small => SamplerName::Pt,
        }
    }
}

/// Refuses what takes more memory than is allowed.
fn within(bytes: u64, option: &'static str, value: usize, what: &str) -> Result<()> {
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    let (takes, most) = (bytes as f64 / 1e9, MOST_BYTES as f64 / 1e9);
    let why = format!("{what} take {takes:.1} GB; at most {most:.0} GB");
    Err(Error::option(option, value, why).of_kind(Kind::Budget))
}

impl Options {
    fn preset(&self) -> Preset {
        self.preset.unwrap_or(if self.data.demo { Preset::Small } else { Preset::Local })
    }

    /// The divergence alarm.
    pub(super) fn alarm(&self) -> Result<Alarm> {
        if self.alarm_patience == 0 {
            return Err(Error::option("alarm_patience", 0, "give 1 likelihood or more"));
        }
        Alarm::new(self.alarm_margin, self.alarm_patience)
            .map_err(|e| Error::option("alarm_margin", self.alarm_margin, "give 0 nats or more").because(e))
    }

    /// The sampler with its own options; those of another are refused.
    fn sampler(&self) -> Result<Sampler> {
        let numbers = self.preset().numbers();
        let name = self.sampler.unwrap_or(self.preset().sampler());
        let steps = self.k.unwrap_or(numbers.k);
        let chains = self.chains.unwrap_or(self.batch_size.unwrap_or(numbers.batch));
        if let (Some(count), SamplerName::Cd) = (self.chains, name) {
            let why = "contrastive divergence has no chains of its own";
            return Err(Error::option("chains", count, why).hinted(Hint::give("sampler", "pcd or pt")));
        }
        if let (Some(count), SamplerName::Cd | SamplerName::Pcd) = (self.chain_betas, name) {
            let why = "only parallel tempering has chains at several betas";
            return Err(Error::option("chain_betas", count, why).hinted(Hint::give("sampler", "pt")));
        }
        Ok(match name {
            SamplerName::Cd => Sampler::Contrastive { steps },
            SamplerName::Pcd => Sampler::Persistent { steps, chains },
            SamplerName::Pt => {
                let count = self.chain_betas.unwrap_or(CHAIN_BETAS);
                if !(2..=1024).contains(&count) {
                    return Err(Error::option("chain_betas", count, "give 2 to 1024"));
                }
                Sampler::Tempering { steps, chains, betas: even_betas(count) }
            }
        })
    }

    /// Refuses what contradicts itself or lies out of its range, whatever the data are.
    ///
    /// # Errors
    /// `is_usage`, naming the option.
    pub fn check(&self) -> Result<()> {
        self.alarm()?;
        let whole = |count: Option<usize>| count.map(|count| count as u64);
        let counts = [("epochs", self.epochs), ("batch_size", whole(self.batch_size)), ("hidden", whole(self.hidden))];
        for (option, count) in counts {
            if count == Some(0) {
                return Err(Error::option(option, 0, "give at least 1"));
            }
        }
        if self.roll_back && self.likelihood_every == 0 {
            let why = "without likelihood evaluations the alarm cannot fire";
            return Err(Error::option("likelihood_every", 0, why).hinted(Hint::Omit("roll_back")));
        }
        if self.betas.is_some() && self.likelihood_every == 0 {
            let why = "no likelihood is evaluated, so AIS is not used";
            return Err(Error::option("likelihood_every", 0, why).hinted(Hint::Omit("betas")));
        }
        self.betas.map_or(Ok(()), ais::check_betas)?;
        if self.standardize && !self.gaussian {
            let why = "bits are what they are; only real numbers are standardised";
            return Err(Error::option("standardize", "true", why).hinted(Hint::GiveOne(vec!["gaussian"])));
        }
        if let Some(target) = self.sparsity.filter(|target| !(0.0..=1.0).contains(target)) {
            return Err(Error::option("sparsity", target, "a target mean activation; give a number from 0 to 1"));
        }
        if let Some(share) = self.held_out.filter(|share| !(0.0..1.0).contains(share)) {
            return Err(Error::option("held_out", share, "give a fraction from 0 to below 1"));
        }
        self.sampler().map(drop)
    }

    /// What the options come to for data of (rows, features), and a machine of `given` hidden units to begin with.
    pub(super) fn settings(
        &self,
        (rows, features): (usize, usize),
        given: Option<usize>,
        seed: u64,
    ) -> Result<Settings> {
        self.check()?;
        let Numbers { hidden, batch, epochs, lr, momentum, decay, .. } = self.preset().numbers();
        let (batch, epochs) = (self.batch_size.unwrap_or(batch), self.epochs.unwrap_or(epochs));
        let lr = self.lr.unwrap_or(lr);
        let hidden = match (given, self.hidden) {
            (Some(given), Some(asked)) if given != asked => {
                let why = format!("the machine to begin with has {given} hidden units");
                return Err(Error::option("hidden", asked, why).hinted(Hint::Omit("hidden")));
            }
            (Some(given), _) => given,
            (None, asked) => asked.unwrap_or(hidden),
        };
        let bytes = (features as u64).saturating_mul(hidden as u64).saturating_mul(16);
        within(bytes, "hidden", hidden, "weights, movement and their copies")?;
        let sampler = self.sampler()?;
        let chains = match &sampler {
            Sampler::Contrastive { .. } => batch,
            Sampler::Persistent { chains, .. } => *chains,
            Sampler::Tempering { chains, betas, .. } => chains.saturating_mul(betas.len()),
        };
        // States of data and model, and their probabilities, unit by unit.
        let states = (batch.saturating_add(chains) as u64).saturating_mul((features + hidden) as u64).saturating_mul(8);
        within(states, "batch_size", batch, &format!("with {chains} chains the states"))?;
        let updates = epochs.saturating_mul(rows.div_ceil(batch) as u64).max(1);
        let decay_of_rate = match self.lr_end.or((self.preset() != Preset::Production).then_some(0.01)) {
            // All that is left of a rate that does not fall.
            None | Some(1.0) => Decay::None,
            Some(end) => Decay::Linear { updates, end },
        };
        let plan = Plan {
            batch,
            sampler,
            rates: Rates { weights: lr, visible: self.lr_visible.unwrap_or(lr), hidden: self.lr_hidden.unwrap_or(lr) },
            warm_up: self.warm_up,
            decay: decay_of_rate,
            momentum: self.momentum.unwrap_or(momentum),
            weight_decay: self.weight_decay.unwrap_or(decay),
            centring: if self.no_centring { None } else { Plan::new(seed).centring },
            sparsity: self.sparsity.map(|target| Sparsity { target, cost: 0.1, memory: 0.9 }),
            clip: self.clip,
            seed,
        };
        plan.check()?;
        Ok(Settings { hidden, epochs, plan })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_stands_above_the_preset() {
        let options = Options { preset: Some(Preset::Production), k: Some(2), ..Options::default() };
        let Settings { hidden, epochs, plan } = options.settings((1000, 64), None, 3).unwrap();
        assert_eq!((hidden, epochs, plan.batch, plan.seed), (2048, 100, 512, 3));
        assert_eq!((plan.sampler, plan.rates), (Sampler::Contrastive { steps: 2 }, Rates::all(0.005)));
        let demo = Options { data: Source { demo: true, ..Source::default() }, ..Options::default() };
        let plan = demo.settings((1000, 64), None, 3).unwrap().plan;
        assert!(matches!(plan.sampler, Sampler::Tempering { chains: 50, ref betas, .. } if betas.len() == 8));
        assert!(matches!(plan.decay, Decay::Linear { updates: 10_000, .. }));
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let fine = Options::default();
        fine.check().unwrap();
        for (bad, option) in [
            (Options { chains: Some(3), sampler: Some(SamplerName::Cd), ..fine.clone() }, "chains"),
            (Options { chain_betas: Some(3), sampler: Some(SamplerName::Pcd), ..fine.clone() }, "chain_betas"),
            (Options { chain_betas: Some(1), sampler: Some(SamplerName::Pt), ..fine.clone() }, "chain_betas"),
            (Options { roll_back: true, likelihood_every: 0, ..fine.clone() }, "likelihood_every"),
            (Options { betas: Some(100), likelihood_every: 0, ..fine.clone() }, "likelihood_every"),
            (Options { betas: Some(9), ..fine.clone() }, "betas"),
            (Options { epochs: Some(0), ..fine.clone() }, "epochs"),
            (Options { batch_size: Some(0), ..fine.clone() }, "batch_size"),
            (Options { hidden: Some(0), ..fine.clone() }, "hidden"),
            (Options { alarm_margin: f64::NAN, ..fine.clone() }, "alarm_margin"),
            (Options { alarm_patience: 0, ..fine.clone() }, "alarm_patience"),
            (Options { standardize: true, ..fine.clone() }, "standardize"),
            (Options { sparsity: Some(1.5), ..fine.clone() }, "sparsity"),
            (Options { held_out: Some(1.0), ..fine.clone() }, "held_out"),
        ] {
            let error = bad.check().unwrap_err();
            assert!(error.is_usage() && error.at_fault().map(|(name, _)| name) == Some(option), "{error}");
        }
        let large = Options { hidden: Some(1 << 40), ..fine.clone() };
        assert!(large.settings((10, 64), None, 0).err().unwrap().is_budget());
        let other = Options { hidden: Some(4), ..fine }.settings((10, 64), Some(5), 0).err().unwrap();
        assert_eq!(other.at_fault(), Some(("hidden", "4")));
    }
}
