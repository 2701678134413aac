//! What a training does, checked once.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::rates::{Changed, Decay, Rates};

/// Where the model's half of the gradient comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampler {
    /// CD-k: k steps from the data (Hinton 2002). Biased: it does not follow the gradient of any function.
    Contrastive {
        /// k.
        steps: usize,
    },
    /// PCD-k: k steps a time of chains that are never started again (Tieleman 2008).
    Persistent {
        /// k.
        steps: usize,
        /// Number of chains.
        chains: usize,
    },
    /// Persistent chains at several inverse temperatures that change places (Desjardins et al. 2010), on the path from the
    /// base-rate model (beta = 0) to the machine (beta = 1).
    Tempering {
        /// Steps between updates of the parameters.
        steps: usize,
        /// Chains per beta.
        chains: usize,
        /// Inverse temperatures, rising, the last one 1. Earlier files call them `temperatures`.
        #[serde(alias = "temperatures")]
        betas: Vec<f32>,
    },
}

/// A hidden unit should be active in `target` of the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sparsity {
    /// Wanted mean activation.
    pub target: f32,
    /// Added to the gradient of a hidden bias: cost x (target - sliding mean).
    pub cost: f32,
    /// Share of the old in the sliding mean, below 1.
    pub memory: f32,
}

/// A training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Rows per update.
    pub batch: usize,
    /// Where the model's half of the gradient comes from.
    pub sampler: Sampler,
    /// Learning rates.
    pub rates: Rates,
    /// Updates over which the rates rise from zero on a straight line.
    pub warm_up: u64,
    /// How they fall after that.
    pub decay: Decay,
    /// Share of the last movement that goes on, from 0 to below 1.
    pub momentum: f32,
    /// lambda of -lambda W in the gradient (weights only).
    pub weight_decay: f32,
    /// Centred gradients: the offsets slide to the batch's means by this share per update. `None` is the plain gradient.
    pub centring: Option<f32>,
    /// Wanted activation of hidden units.
    pub sparsity: Option<Sparsity>,
    /// Gradient clipping: the largest Euclidean norm over all parameters; longer gradients are shortened to it.
    pub clip: Option<f32>,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl Plan {
    /// What may change while a training goes on, and did since `was`.
    pub fn changed_since(&self, was: &Self) -> Vec<Changed> {
        let rates = (was.rates != self.rates).then_some(Changed::Rates { was: was.rates, is: self.rates });
        let decay = (was.decay != self.decay).then_some(Changed::Decay { was: was.decay, is: self.decay });
        let clip = (was.clip != self.clip).then_some(Changed::Clip { was: was.clip, is: self.clip });
        [rates, decay, clip].into_iter().flatten().collect()
    }

    /// Centred CD-1 with rates of 0.05 and no more.
    pub fn new(seed: u64) -> Self {
        Self {
            batch: 100,
            sampler: Sampler::Contrastive { steps: 1 },
            rates: Rates::all(0.05),
            warm_up: 0,
            decay: Decay::None,
            momentum: 0.0,
            weight_decay: 0.0,
            centring: Some(0.01),
            sparsity: None,
            clip: None,
            seed,
        }
    }

    /// Checks that the plan can be carried out.
    ///
    /// # Errors
    /// `is_usage` for a number outside its range.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str, got: String, expected: &str| {
            Err(Error::usage(format!("rbm training: {what} of {got}; expected {expected}")))
        };
        let counts = match &self.sampler {
            Sampler::Contrastive { steps } => vec![("steps", *steps)],
            Sampler::Persistent { steps, chains } | Sampler::Tempering { steps, chains, .. } => {
                vec![("steps", *steps), ("chains", *chains)]
            }
        };
        for (what, count) in counts.into_iter().chain([("batch", self.batch)]) {
            if count == 0 || count > 1 << 24 {
                return refuse(what, count.to_string(), "a whole number from 1 to 2^24");
            }
        }
        if let Sampler::Tempering { betas, .. } = &self.sampler {
            let rising = betas.windows(2).all(|pair| pair[0] < pair[1]);
            let inside = betas.iter().all(|beta| (0.0..=1.0).contains(beta));
            if !(rising && inside && betas.last() == Some(&1.0)) {
                return refuse("betas", format!("{betas:?}"), "numbers that rise from 0 or more to 1");
            }
        }
        let rates = [self.rates.weights, self.rates.visible, self.rates.hidden];
        for rate in rates.into_iter().chain([self.weight_decay]) {
            if !(rate >= 0.0 && rate.is_finite()) {
                return refuse("a learning rate or weight decay", rate.to_string(), "zero or more");
            }
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return refuse("a momentum", self.momentum.to_string(), "0 to below 1");
        }
        if let Some(share) = self.centring
            && !(0.0..=1.0).contains(&share)
        {
            return refuse("a sliding share", share.to_string(), "0 to 1");
        }
        if let Some(s) = &self.sparsity
            && !((0.0..=1.0).contains(&s.target)
                && s.cost >= 0.0
                && s.cost.is_finite()
                && (0.0..1.0).contains(&s.memory))
        {
            return refuse(
                "a sparsity",
                format!("target {}, cost {}, memory {}", s.target, s.cost, s.memory),
                "a target from 0 to 1, a cost of zero or more, a memory below 1",
            );
        }
        if let Some(clip) = self.clip
            && !(clip > 0.0 && clip.is_finite())
        {
            return refuse("a clipping norm", clip.to_string(), "a number above zero");
        }
        match self.decay {
            Decay::Inverse { half: 0 } | Decay::Linear { updates: 0, .. } => {
                refuse("a decay", "0 updates".into(), "at least one")
            }
            Decay::Linear { end, .. } if !(0.0..=1.0).contains(&end) => {
                refuse("an end of the decay", end.to_string(), "a fraction from 0 to 1")
            }
            _ => Ok(()),
        }
    }

    /// Factor of the rates at an update, counted from 0.
    pub fn schedule(&self, update: u64) -> f32 {
        if update < self.warm_up {
            return (update + 1) as f32 / self.warm_up as f32;
        }
        let after = update - self.warm_up;
        match self.decay {
            Decay::None => 1.0,
            Decay::Inverse { half } => (1.0 / (1.0 + after as f64 / half as f64)) as f32,
            Decay::Linear { updates, end } => {
                let done = (after as f64 / updates as f64).min(1.0);
                (1.0 - done * (1.0 - f64::from(end))) as f32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_out_of_range_are_refused() {
        let plan = Plan::new(0);
        plan.check().unwrap();
        let tempering = |betas: &[f32]| Sampler::Tempering { steps: 1, chains: 2, betas: betas.to_vec() };
        Plan { sampler: tempering(&[0.0, 0.5, 1.0]), ..plan.clone() }.check().unwrap();
        for bad in [
            Plan { batch: 0, ..plan.clone() },
            Plan { sampler: Sampler::Contrastive { steps: 0 }, ..plan.clone() },
            Plan { sampler: Sampler::Persistent { steps: 1, chains: 0 }, ..plan.clone() },
            Plan { sampler: tempering(&[]), ..plan.clone() },
            Plan { sampler: tempering(&[0.0, 0.9]), ..plan.clone() },
            Plan { sampler: tempering(&[0.5, 0.5, 1.0]), ..plan.clone() },
            Plan { sampler: tempering(&[f32::NAN, 1.0]), ..plan.clone() },
            Plan { rates: Rates::all(f32::NAN), ..plan.clone() },
            Plan { momentum: 1.0, ..plan.clone() },
            Plan { weight_decay: -1.0, ..plan.clone() },
            Plan { centring: Some(2.0), ..plan.clone() },
            Plan { clip: Some(0.0), ..plan.clone() },
            Plan { decay: Decay::Inverse { half: 0 }, ..plan.clone() },
            Plan { decay: Decay::Linear { updates: 9, end: 2.0 }, ..plan.clone() },
            Plan { sparsity: Some(Sparsity { target: 0.1, cost: 1.0, memory: 1.0 }), ..plan.clone() },
        ] {
            assert!(bad.check().unwrap_err().is_usage(), "{bad:?}");
        }
    }

    #[test]
    fn rates_rise_and_fall_as_planned() {
        let plan = Plan { warm_up: 4, decay: Decay::Inverse { half: 10 }, ..Plan::new(0) };
        assert_eq!([0, 1, 3, 4, 14].map(|update| plan.schedule(update)), [0.25, 0.5, 1.0, 1.0, 0.5]);
        let plan = Plan { decay: Decay::Linear { updates: 10, end: 0.5 }, ..Plan::new(0) };
        assert_eq!([0, 10, 99].map(|update| plan.schedule(update)), [1.0, 0.5, 0.5]);
    }
}
