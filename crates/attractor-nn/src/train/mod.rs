//! Training a small causal language model: AdamW, warm-up and cosine, clipped gradients, resumable to the bit.
//!
//! A run is a function of its [`Plan`], its [`Shape`] and its text: batches are drawn by (seed, step, row), so that a
//! run that was interrupted and resumed ends with the weights of one that was not.

mod adamw;
mod batch;
mod export;
mod shape;

use serde::{Deserialize, Serialize};

pub use batch::Mixture;
pub use export::{ModelFile, StoredPrecision, config_json, model_files};
pub use shape::Shape;

use crate::loss::cross_entropy;
use crate::model::{Model, Traced};
use crate::ops;
use adamw::AdamW;
use attractor::{Error, Result};

/// How to train.
///
/// The defaults, with the default [`Shape`] and 240 kB of English as bytes, grow a previous-token head (0.84 of its mass
/// on the previous position) and induction heads (0.9) in 2500 steps. With positions that begin as noise the two come to
/// 0.56 and 0.8 in 2000 steps; at half the rate, width 96 and 6 heads, neither had appeared after 1500.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Steps of the whole run.
    pub steps: usize,
    /// Sequences per step.
    pub batch: usize,
    /// Tokens that a sequence predicts; at most the model's positions.
    pub length: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Learning rate at the end, as a share of the highest.
    pub final_share: f64,
    /// Steps in which the learning rate rises linearly to the highest.
    pub warm_up: usize,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f64,
    /// Largest Euclidean norm of the whole gradient.
    pub clip: f64,
    /// What a batch is made of.
    pub mixture: Mixture,
    /// Seed of weights and batches.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            steps: 2500,
            batch: 16,
            length: 96,
            learning_rate: 4e-3,
            final_share: 0.05,
            warm_up: 100,
            weight_decay: 0.05,
            clip: 1.0,
            mixture: Mixture::default(),
            seed: 0,
        }
    }
}

impl Plan {
    /// Refuses what cannot be trained.
    ///
    /// # Errors
    /// `is_usage` for a size or rate outside its range, `is_usage` for sequences longer than the model's positions.
    pub fn check(&self, shape: &Shape) -> Result<()> {
        let positive = |name: &'static str, x: f64| match x > 0.0 && x.is_finite() {
            true => Ok(()),
            false => Err(Error::option(name, x, "give a positive number")),
        };
        let share = |name: &'static str, x: f64| match (0.0..=1.0).contains(&x) {
            true => Ok(()),
            false => Err(Error::option(name, x, "give a number from 0 to 1")),
        };
        positive("steps", self.steps as f64)?;
        positive("batch_size", self.batch as f64)?;
        positive("lr", self.learning_rate)?;
        positive("clip", self.clip)?;
        share("final_share", self.final_share)?;
        share("weight_decay", self.weight_decay)?;
        self.mixture.check()?;
        if self.length < 8 || self.length > shape.positions {
            let why = format!("the model has {} positions, and fewer than 8 tokens teach nothing", shape.positions);
            return Err(Error::option("seq_len", self.length, why));
        }
        Ok(())
    }

    /// The learning rate of step `step`, from 0.
    pub fn rate(&self, step: usize) -> f64 {
        if step < self.warm_up {
            return self.learning_rate * (step + 1) as f64 / self.warm_up as f64;
        }
        let rest = self.steps.saturating_sub(self.warm_up).max(1) as f64;
        let share = ((step - self.warm_up) as f64 / rest).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * share).cos());
        self.learning_rate * (self.final_share + (1.0 - self.final_share) * cosine)
    }
}

/// One finished step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingStep {
    /// Its number, from 1.
    pub step: usize,
    /// Mean next-token cross-entropy of its batch before the step, nats.
    pub loss: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate.
    pub rate: f64,
}

/// A training run between two steps.
#[derive(Debug, Clone)]
pub struct Training {
    model: Model,
    shape: Shape,
    plan: Plan,
    optimiser: AdamW,
    step: usize,
}

impl Training {
    /// A new run on fresh weights.
    ///
    /// # Errors
    /// What [`Plan::check`] and [`Shape::check`] refuse.
    pub fn new(shape: Shape, plan: Plan) -> Result<Self> {
        shape.check()?;
        plan.check(&shape)?;
        let mut model = shape.initial(plan.seed)?;
        let optimiser = AdamW::new(&mut model, plan.weight_decay);
        Ok(Self { model, shape, plan, optimiser, step: 0 })
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Steps that are done.
    pub fn step(&self) -> usize {
        self.step
    }

    /// True if all steps are done.
    pub fn is_done(&self) -> bool {
        self.step >= self.plan.steps
    }

    /// One step on `text`, the token ids of all training text.
    ///
    /// # Errors
    /// A text shorter than a sequence, tokens beyond the vocabulary, and a loss that is not a number.
    pub fn advance(&mut self, text: &[u32]) -> Result<TrainingStep> {
        let batch = batch::draw(text, &self.plan, self.shape.vocab, self.step)?;
        let mut traced = Traced::new(&self.model);
        let inputs: Vec<&[u32]> = batch.rows.iter().map(|row| &row[..self.plan.length]).collect();
        let hidden = traced.forward_batch(&inputs).hidden;
        let chosen = hidden.select(0, ops::indices(&batch.predicted));
        let logits = traced
            .model()
            .row_logits(chosen)
            .ok_or_else(|| Error::usage("train: this model has no next-token head"))?;
        let loss = cross_entropy(logits, &batch.targets);
        let mut backward = loss.backward();
        let value = f64::from(ops::values(loss)[0]);
        let mut gradients = traced.gradients(&mut backward);
        let norm = gradients.iter().flatten().flatten().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        if !value.is_finite() || !norm.is_finite() {
            return Err(Error::non_finite(format!(
                "train: at step {} the loss is {value}, its gradient's norm {norm}; lower the learning rate",
                self.step + 1
            )));
        }
        if norm > self.plan.clip {
            let scale = (self.plan.clip / norm) as f32;
            gradients.iter_mut().flatten().flatten().for_each(|g| *g *= scale);
        }
        let rate = self.plan.rate(self.step);
        self.optimiser.step(&mut self.model, &gradients, rate, self.step + 1);
        self.step += 1;
        Ok(TrainingStep { step: self.step, loss: value, gradient_norm: norm, rate })
    }
}

/// Trains to the end, calling `report` after every step; it answers whether to go on.
///
/// # Errors
/// As [`Training::advance`].
pub fn train_causal_lm(
    training: &mut Training,
    text: &[u32],
    report: &mut dyn FnMut(&Training, &TrainingStep) -> Result<bool>,
) -> Result<()> {
    while !training.is_done() {
        let step = training.advance(text)?;
        if !report(training, &step)? {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
