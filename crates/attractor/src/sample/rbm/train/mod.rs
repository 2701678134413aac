//! Training: updates and epochs.

mod state;
#[cfg(test)]
mod tests;

pub use crate::State;

use super::chains::{self, Replicas};
use super::half::{self, How};
use super::kernel::{Draws, Keep};
use super::model::Rbm;
use super::place::Place;
use super::plan::{Plan, Sampler};
use super::rows::Rows;
use super::step::{Motion, Pairs, Settings};
use crate::error::{Error, Result};
use crate::random::{Philox, stream};

/// Trains a machine.
///
/// Every random number is keyed by the seed, the update, the half-step and the row: training gives the same bits on any
/// number of threads, and a training that was taken out by [`state`](Self::state) and put back by
/// [`restore`](Self::restore) goes on as if nothing had happened. (On another machine the products may round otherwise.)
///
/// # Cost
/// An update of CD-k takes 2k + 3 products of batch x visible x hidden, PCD-k 2k + 3 as well; parallel tempering 2k on all
/// replicas and three more.
///
/// # Example
/// Two patterns of four units, learnt by four hidden ones:
/// ```
/// use attractor::sample::rbm::{Plan, Rates, Rbm, Rows, Trainer, Visible, exact};
/// let data = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0];
/// let data = Rows::new(&data, 4)?;
/// let start = Rbm::initial(Visible::Binary, 4, data, 1)?;
/// let plan = Plan { rates: Rates::all(0.2), ..Plan::new(1) };
/// let mut trainer = Trainer::new(start, plan, data)?;
/// for _ in 0..500 {
///     trainer.epoch(data)?;
/// }
/// let log_z = exact::log_partition(trainer.rbm(), &|_, _| {})?;
/// let free = trainer.rbm().free_energy(data)?;
/// assert!(free.iter().all(|f| -f - log_z > (0.3f64).ln()));
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Trainer {
    rbm: Rbm,
    plan: Plan,
    /// Biases of the base-rate model, where chains start.
    base: Vec<f32>,
    motion: Motion,
    chains: Chains,
    /// Updates done.
    update: u64,
    /// Epochs done.
    epoch: u64,
    /// Updates done of the epoch under way.
    step: u64,
    /// Order of the rows in the epoch under way, and how many they are.
    order: Option<Vec<usize>>,
    /// [visible, model + data].
    pairs_visible: Vec<f32>,
    /// [hidden, model + data].
    pairs_hidden: Vec<f32>,
}

/// Runs on a thread of the pool: from outside, each of an update's parallel sections would put this thread to sleep and wake
/// it again.
fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}

#[derive(Debug, Clone)]
enum Chains {
    /// h of the chains, unit by unit: of no use beyond the update, or persistent.
    Plain(Vec<f32>),
    Tempered(Replicas),
}

/// What an update saw, at no cost worth naming.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpdateStep {
    /// Updates done, this one included.
    pub update: u64,
    /// Rows it used.
    pub rows: usize,
    /// Root mean square over visible units of the mean of data minus that of the model's states.
    pub moment_gap: f64,
    /// Mean activation of the hidden units on the data.
    pub activation: f64,
    /// Norm of the gradient before clipping; `None` without clipping.
    pub gradient_norm: Option<f64>,
    /// Factor of the learning rates.
    pub schedule: f32,
    /// True if this update was the last of its epoch.
    pub epoch_ended: bool,
}

/// What an epoch saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// Epochs done, this one included.
    pub epoch: u64,
    /// Updates of this epoch that were done by this call.
    pub updates: usize,
    /// Means over those updates.
    pub moment_gap: f64,
    /// Mean activation of the hidden units on the data.
    pub activation: f64,
    /// Largest norm of a gradient before clipping.
    pub gradient_norm: Option<f64>,
}

impl Trainer {
    /// A training of `rbm` by a plan. The data give the base rates and the first offsets.
    ///
    /// # Errors
    /// As [`Plan::check`] and [`Rbm::accepts`]; `is_shape` for no data.
    pub fn new(rbm: Rbm, plan: Plan, data: Rows<'_>) -> Result<Self> {
        plan.check()?;
        let base = rbm.base_rates(data)?;
        let means =
            data.means().into_iter().enumerate().map(|(unit, mean)| rbm.statistic(unit, mean as f32) as f32).collect();
        let motion = Motion::new(&rbm, means, plan.sparsity);
        let (n, m) = (rbm.visible_units(), rbm.hidden_units());
        let (chains, model) = match &plan.sampler {
            Sampler::Contrastive { .. } => (Chains::Plain(vec![0.0; m * plan.batch]), plan.batch),
            Sampler::Persistent { chains, .. } => {
                (Chains::Plain(chains::start(&rbm, &base, *chains, None, plan.seed)), *chains)
            }
            Sampler::Tempering { chains, betas, .. } => {
                let replicas = Replicas::new(&rbm, &base, betas.clone(), *chains, plan.seed);
                (Chains::Tempered(replicas), *chains)
            }
        };
        let stride = model + plan.batch;
        Ok(Self {
            rbm,
            base,
            motion,
            chains,
            update: 0,
            epoch: 0,
            step: 0,
            order: None,
            pairs_visible: vec![0.0; n * stride],
            pairs_hidden: vec![0.0; m * stride],
            plan,
        })
    }

    /// The machine as it is.
    pub fn rbm(&self) -> &Rbm {
        &self.rbm
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Updates done.
    pub fn updates(&self) -> u64 {
        self.update
    }

    /// Epochs done.
    pub fn epochs(&self) -> u64 {
        self.epoch
    }

    /// Learning rate of the weights in the last update; before the first one that of the first.
    pub fn rate(&self) -> f32 {
        self.plan.rates.weights * self.plan.schedule(self.update.saturating_sub(1))
    }

    /// Visible biases of the base-rate model, where chains start.
    pub fn base_rates(&self) -> &[f32] {
        &self.base
    }

    /// Share of accepted swaps between neighbouring betas since the start; empty without tempering.
    pub fn swap_rates(&self) -> Vec<f64> {
        match &self.chains {
            Chains::Plain(_) => Vec::new(),
            Chains::Tempered(replicas) => {
                let pairs = replicas.accepted.iter().zip(&replicas.tried);
                pairs.map(|(&accepted, &tried)| accepted as f64 / tried as f64).collect()
            }
        }
    }

    /// One update on these rows, at most as many as the plan's batch.
    ///
    /// # Errors
    /// As [`Rbm::accepts`]; `is_shape` for no rows or too many; `is_usage` when the parameters have left the finite numbers.
    pub fn update(&mut self, batch: Rows<'_>) -> Result<UpdateStep> {
        self.rbm.accepts(batch)?;
        if batch.count() == 0 || batch.count() > self.plan.batch {
            return Err(Error::shape(format!(
                "rbm training: a batch of {} rows; the plan allows 1 to {}",
                batch.count(),
                self.plan.batch
            )));
        }
        in_pool(|| self.update_on(&batch.iter().collect::<Vec<_>>()))
    }

    fn update_on(&mut self, rows: &[&[f32]]) -> Result<UpdateStep> {
        let Self { rbm, plan, chains, pairs_visible, pairs_hidden, .. } = self;
        let update = u32::try_from(self.update).ok().filter(|&update| update < 1 << 31).ok_or_else(|| {
            Error::usage(
                "rbm training: 2^31 updates are done and the random stream is exhausted; start again with another seed",
            )
        })?;
        let b = rows.len();
        let draws = |phase: usize| Draws { seed: plan.seed, update, phase: phase as u32 };
        let how = |rows, phase| How { rows, tempered: None, draws: draws(phase) };
        let (most, model) = match &plan.sampler {
            Sampler::Contrastive { .. } => (plan.batch, b),
            Sampler::Persistent { chains, .. } | Sampler::Tempering { chains, .. } => (*chains, *chains),
        };
        // The model's states end where the data begin.
        let stride = most + plan.batch;
        let of_data = Place { stride, offset: most };
        let of_model = Place { stride, offset: most - model };
        let negative = Keep::Probability(-(b as f32) / model as f32);
        half::lay_out(rbm, rows, (pairs_visible, of_data));
        let is_contrastive = matches!(plan.sampler, Sampler::Contrastive { .. });
        let first = match chains {
            Chains::Plain(h) if is_contrastive => Some((&mut h[..], Place::tight(plan.batch))),
            _ => None,
        };
        half::hidden(
            rbm,
            (pairs_visible, of_data),
            (pairs_hidden, of_data),
            first,
            Some(Keep::Probability(1.0)),
            how(b, 0),
        );
        match (chains, &plan.sampler) {
            (Chains::Plain(h), Sampler::Contrastive { steps } | Sampler::Persistent { steps, .. }) => {
                let place = Place::tight(most);
                for s in 0..*steps {
                    half::visible(rbm, (h, place), (pairs_visible, of_model), how(model, 2 * s + 1));
                    let last = s + 1 == *steps;
                    let keep = if last { negative } else { Keep::Probability(1.0) };
                    // After the last step only persistent chains need samples.
                    let samples = if last && is_contrastive { None } else { Some((&mut h[..], place)) };
                    half::hidden(
                        rbm,
                        (pairs_visible, of_model),
                        (pairs_hidden, of_model),
                        samples,
                        Some(keep),
                        how(model, 2 * s + 2),
                    );
                }
            }
            (Chains::Tempered(replicas), Sampler::Tempering { steps, .. }) => {
                for s in 0..*steps {
                    replicas.step(rbm, &self.base, draws(2 * s + 1));
                }
                replicas.target((pairs_visible, pairs_hidden), of_model, -(b as f32) / model as f32);
            }
            _ => unreachable!("the chains are made for the sampler"),
        }
        let schedule = plan.schedule(self.update);
        let settings = Settings {
            weights: plan.rates.weights * schedule,
            visible: plan.rates.visible * schedule,
            hidden: plan.rates.hidden * schedule,
            momentum: plan.momentum,
            weight_decay: plan.weight_decay,
            centring: plan.centring,
            sparsity: plan.sparsity,
            clip: plan.clip,
        };
        let pairs = Pairs { visible: pairs_visible, hidden: pairs_hidden, place: of_model, model, data: b };
        let seen = self.motion.apply(rbm, &pairs, settings);
        self.update += 1;
        if !rbm.visible_bias.iter().chain(&rbm.hidden_bias).all(|x| x.is_finite()) || !seen.moment_gap.is_finite() {
            return Err(Error::usage(format!(
                "rbm training: after update {} the parameters are no longer finite; go back to a checkpoint and lower the \
                 learning rates, or clip the gradient",
                self.update
            )));
        }
        Ok(UpdateStep {
            update: self.update,
            rows: b,
            moment_gap: seen.moment_gap,
            activation: seen.activation,
            gradient_norm: seen.norm,
            schedule,
            epoch_ended: false,
        })
    }

    /// The next update of the epoch under way: the rows come in a random order that is new every epoch.
    ///
    /// # Errors
    /// As [`update`](Self::update), and `is_shape` for no data, or other data than the epoch began with.
    pub fn next(&mut self, data: Rows<'_>) -> Result<UpdateStep> {
        let count = data.count();
        let order = match self.order.take() {
            Some(order) => order,
            None => {
                self.rbm.accepts(data)?;
                Philox::new(self.plan.seed, stream::epoch(self.epoch)).permutation(count)
            }
        };
        let from = self.step as usize * self.plan.batch;
        if order.len() != count || from >= count || data.units() != self.rbm.visible_units() {
            return Err(Error::shape(format!(
                "rbm training: {count} rows of {} numbers at update {} of epoch {}, started with {} of {}; \
                 go on with the data that the epoch began with, and give at least one row",
                data.units(),
                self.step + 1,
                self.epoch + 1,
                order.len(),
                self.rbm.visible_units()
            )));
        }
        let to = (from + self.plan.batch).min(count);
        let rows: Vec<&[f32]> = order[from..to].iter().map(|&row| data.row(row)).collect();
        let mut step = in_pool(|| self.update_on(&rows))?;
        step.epoch_ended = to == count;
        if step.epoch_ended {
            self.epoch += 1;
            self.step = 0;
        } else {
            self.step += 1;
            self.order = Some(order);
        }
        Ok(step)
    }

    /// Updates until the epoch under way ends.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn epoch(&mut self, data: Rows<'_>) -> Result<Epoch> {
        loop {
            // Always: nobody says no.
            if let Some(epoch) = self.epoch_while(data, &|| true)? {
                return Ok(epoch);
            }
        }
    }

    /// As [`epoch`](Self::epoch), and asks before each update whether to go on; `None` if not. The epoch is then under way
    /// still, and the next call goes on with it.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn epoch_while(&mut self, data: Rows<'_>, go_on: &(dyn Fn() -> bool + Sync)) -> Result<Option<Epoch>> {
        in_pool(|| self.whole_epoch(data, go_on))
    }

    fn whole_epoch(&mut self, data: Rows<'_>, go_on: &(dyn Fn() -> bool + Sync)) -> Result<Option<Epoch>> {
        let (mut updates, mut moment_gap, mut activation, mut norm) = (0, 0.0, 0.0, None);
        while go_on() {
            let step = self.next(data)?;
            updates += 1;
            moment_gap += step.moment_gap;
            activation += step.activation;
            norm = step.gradient_norm.map(|g| g.max(norm.unwrap_or(0.0)));
            if step.epoch_ended {
                let count = updates as f64;
                return Ok(Some(Epoch {
                    epoch: self.epoch,
                    updates,
                    moment_gap: moment_gap / count,
                    activation: activation / count,
                    gradient_norm: norm,
                }));
            }
        }
        Ok(None)
    }
}
