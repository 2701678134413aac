//! Training: updates, epochs, and a state that can be taken out and put back.

use std::collections::BTreeMap;

use super::chains::{self, Replicas};
use super::half::{self, How, Place};
use super::kernel::{Draws, Keep};
use super::model::Rbm;
use super::plan::{Plan, Sampler};
use super::rows::Rows;
use super::step::{Motion, Pairs, Settings};
use crate::error::{Error, Result};
use crate::random::Philox;

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
pub struct Step {
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

/// All that a training is between two updates, as plain arrays by name. The plan is not in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Shape and numbers.
    pub floats: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// Counters.
    pub integers: BTreeMap<String, Vec<u64>>,
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
            Sampler::Tempering { chains, temperatures, .. } => {
                let replicas = Replicas::new(&rbm, &base, temperatures.clone(), *chains, plan.seed);
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

    /// Visible biases of the base-rate model, where chains start.
    pub fn base_rates(&self) -> &[f32] {
        &self.base
    }

    /// Share of accepted swaps between neighbouring temperatures since the start; empty without tempering.
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
    /// As [`Rbm::accepts`]; `is_shape` for no rows or too many; `is_value` when the parameters have left the finite numbers.
    pub fn update(&mut self, batch: Rows<'_>) -> Result<Step> {
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

    fn update_on(&mut self, rows: &[&[f32]]) -> Result<Step> {
        let Self { rbm, plan, chains, pairs_visible, pairs_hidden, .. } = self;
        let update = u32::try_from(self.update).ok().filter(|&update| update < 1 << 31).ok_or_else(|| {
            Error::value(
                "rbm training: 2^31 updates are done and the random numbers used up; start anew with another seed",
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
            return Err(Error::value(format!(
                "rbm training: after update {} the parameters are no longer finite; go back to a checkpoint and lower the \
                 learning rates, or clip the gradient",
                self.update
            )));
        }
        Ok(Step {
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
    pub fn next(&mut self, data: Rows<'_>) -> Result<Step> {
        let count = data.count();
        let order = match self.order.take() {
            Some(order) => order,
            None => {
                self.rbm.accepts(data)?;
                // Streams of updates have their top bit clear.
                Philox::new(self.plan.seed, 1 << 63 | self.epoch).permutation(count)
            }
        };
        let from = self.step as usize * self.plan.batch;
        if order.len() != count || from >= count || data.units() != self.rbm.visible_units() {
            return Err(Error::shape(format!(
                "rbm training: {count} rows of {} numbers at update {} of epoch {}, begun with {} of {}; \
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
        in_pool(|| self.whole_epoch(data))
    }

    fn whole_epoch(&mut self, data: Rows<'_>) -> Result<Epoch> {
        let (mut updates, mut moment_gap, mut activation, mut norm) = (0, 0.0, 0.0, None);
        loop {
            let step = self.next(data)?;
            updates += 1;
            moment_gap += step.moment_gap;
            activation += step.activation;
            norm = step.gradient_norm.map(|g| g.max(norm.unwrap_or(0.0)));
            if step.epoch_ended {
                let count = updates as f64;
                return Ok(Epoch {
                    epoch: self.epoch,
                    updates,
                    moment_gap: moment_gap / count,
                    activation: activation / count,
                    gradient_norm: norm,
                });
            }
        }
    }

    /// Takes the whole state out.
    pub fn state(&self) -> State {
        let (n, m) = (self.rbm.visible_units(), self.rbm.hidden_units());
        let mut state = State::default();
        let motion = &self.motion;
        for (name, shape, numbers) in [
            ("weights", vec![n, m], &self.rbm.weights),
            ("visible_bias", vec![n], &self.rbm.visible_bias),
            ("hidden_bias", vec![m], &self.rbm.hidden_bias),
            ("base_rates", vec![n], &self.base),
            ("velocity.weights", vec![n, m], &motion.weights),
            ("velocity.visible_bias", vec![n], &motion.visible),
            ("velocity.hidden_bias", vec![m], &motion.hidden),
            ("offset.visible", vec![n], &motion.visible_offset),
            ("offset.hidden", vec![m], &motion.hidden_offset),
            ("activation", vec![m], &motion.activation),
        ] {
            state.floats.insert(name.into(), (shape, numbers.clone()));
        }
        if let Some(variance) = self.rbm.visible.variance() {
            state.floats.insert("variance".into(), (vec![n], variance.to_vec()));
        }
        match &self.chains {
            // Chains of contrastive divergence begin at the data.
            Chains::Plain(_) if matches!(self.plan.sampler, Sampler::Contrastive { .. }) => {}
            Chains::Plain(h) => {
                state.floats.insert("chains.hidden".into(), (vec![m, h.len() / m], h.clone()));
            }
            Chains::Tempered(replicas) => {
                let rows = replicas.slots.len();
                state.floats.insert("chains.hidden".into(), (vec![m, rows], replicas.hidden.clone()));
                for (name, numbers) in [
                    ("chains.slots", &replicas.slots),
                    ("chains.tried", &replicas.tried),
                    ("chains.accepted", &replicas.accepted),
                    ("chains.rounds", &vec![replicas.rounds]),
                ] {
                    state.integers.insert(name.into(), numbers.clone());
                }
            }
        }
        let rows = self.order.as_ref().map_or(0, |order| order.len() as u64);
        for (name, number) in [
            ("updates", self.update),
            ("epochs", self.epoch),
            ("step", self.step),
            ("epoch_rows", rows),
            ("seed", self.plan.seed),
        ] {
            state.integers.insert(name.into(), vec![number]);
        }
        state
    }

    /// Puts a state back; the plan and the sizes must be those that it was taken from.
    ///
    /// # Errors
    /// `is_shape` for an array that is missing, superfluous or of another size; `is_value` for numbers that are not finite,
    /// counters that contradict each other or another seed. The training is then as it was.
    pub fn restore(&mut self, state: &State) -> Result<()> {
        let own = self.state();
        let names = |state: &State| {
            let floats = state.floats.keys().cloned();
            floats.chain(state.integers.keys().cloned()).collect::<Vec<_>>()
        };
        if names(&own) != names(state) {
            return Err(Error::shape(format!(
                "rbm restore: the state has {:?}, the plan needs {:?}; use the sampler and visible units it was made with",
                names(state),
                names(&own)
            )));
        }
        for (name, (shape, numbers)) in &state.floats {
            let expected = &own.floats[name].0;
            if shape != expected || numbers.len() != expected.iter().product::<usize>() {
                return Err(Error::shape(format!(
                    "rbm restore: {name} is {shape:?} with {} numbers, the machine needs {expected:?}; \
                     use the sizes it was made with",
                    numbers.len()
                )));
            }
            if let Some(bad) = numbers.iter().find(|x| !x.is_finite()) {
                return Err(Error::value(format!("rbm restore: {name} holds {bad}; expected finite numbers")));
            }
        }
        if state.floats.get("variance") != own.floats.get("variance") {
            return Err(Error::value("rbm restore: the state has other variances; use the machine it was made with"));
        }
        for (name, numbers) in &state.integers {
            if numbers.len() != own.integers[name].len() {
                return Err(Error::shape(format!(
                    "rbm restore: {name} has {} numbers, the plan needs {}",
                    numbers.len(),
                    own.integers[name].len()
                )));
            }
        }
        let number = |name: &str| state.integers[name][0];
        if number("seed") != self.plan.seed {
            return Err(Error::value(format!(
                "rbm restore: a state of seed {} for a plan of seed {}; go on with the seed it was made with",
                number("seed"),
                self.plan.seed
            )));
        }
        let rows = number("epoch_rows");
        let batch = self.plan.batch as u64;
        // The order costs memory: rows that the counters do not speak for are refused before it is made.
        if (number("step") == 0) != (rows == 0)
            || rows > 0 && number("step").checked_mul(batch).is_none_or(|done| done >= rows)
            || rows > 1 << 40
        {
            return Err(Error::value(format!(
                "rbm restore: {} updates of {batch} rows done in an epoch of {rows}; the counters contradict each other",
                number("step")
            )));
        }
        if let Chains::Tempered(replicas) = &mut self.chains {
            let mut slots = state.integers["chains.slots"].clone();
            slots.sort_unstable();
            if !slots.iter().copied().eq(0..slots.len() as u64) {
                return Err(Error::value("rbm restore: chains.slots does not name every replica once"));
            }
            replicas.slots.clone_from(&state.integers["chains.slots"]);
            replicas.tried.clone_from(&state.integers["chains.tried"]);
            replicas.accepted.clone_from(&state.integers["chains.accepted"]);
            replicas.rounds = number("chains.rounds");
            replicas.hidden.clone_from(&state.floats["chains.hidden"].1);
        }
        let float = |name: &str| state.floats[name].1.clone();
        if let Chains::Plain(h) = &mut self.chains
            && !matches!(self.plan.sampler, Sampler::Contrastive { .. })
        {
            *h = float("chains.hidden");
        }
        self.rbm.weights = float("weights");
        self.rbm.visible_bias = float("visible_bias");
        self.rbm.hidden_bias = float("hidden_bias");
        self.base = float("base_rates");
        self.motion = Motion {
            weights: float("velocity.weights"),
            visible: float("velocity.visible_bias"),
            hidden: float("velocity.hidden_bias"),
            visible_offset: float("offset.visible"),
            hidden_offset: float("offset.hidden"),
            activation: float("activation"),
            gradient: Vec::new(),
        };
        (self.update, self.epoch, self.step) = (number("updates"), number("epochs"), number("step"));
        self.order = (rows > 0).then(|| Philox::new(self.plan.seed, 1 << 63 | self.epoch).permutation(rows as usize));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Decay, Rates, Sparsity, Visible, exact, likelihood, toy};
    use super::*;

    fn samplers() -> [Sampler; 3] {
        [
            Sampler::Contrastive { steps: 2 },
            Sampler::Persistent { steps: 1, chains: 7 },
            Sampler::Tempering { steps: 1, chains: 5, temperatures: vec![0.0, 0.3, 0.6, 1.0] },
        ]
    }

    fn updates(trainer: &mut Trainer, data: Rows<'_>, count: usize) {
        for _ in 0..count {
            trainer.next(data).unwrap();
        }
    }

    fn plan(sampler: Sampler) -> Plan {
        Plan {
            batch: 8,
            sampler,
            rates: Rates { weights: 0.1, visible: 0.05, hidden: 0.02 },
            warm_up: 3,
            decay: Decay::Inverse { half: 50 },
            momentum: 0.5,
            weight_decay: 1e-3,
            sparsity: Some(Sparsity { target: 0.3, cost: 0.1, memory: 0.9 }),
            ..Plan::new(0xdead_beef_0042)
        }
    }

    /// A machine and data wide enough that the products are cut in several blocks.
    fn large() -> (Rbm, Vec<f32>) {
        let truth = toy::machine(150, 8, 0.5, 1);
        let data = exact::sample(&truth, 60, 1).unwrap();
        let rbm = Rbm::initial(Visible::Binary, 140, Rows::new(&data, 150).unwrap(), 3).unwrap();
        (rbm, data)
    }

    /// Bit for bit, for one thread and three, with products large enough to be cut.
    #[test]
    fn training_is_the_same_on_any_number_of_threads() {
        let (rbm, data) = large();
        let data = Rows::new(&data, 150).unwrap();
        for sampler in samplers() {
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let plan = Plan { batch: 60, ..plan(sampler.clone()) };
                let mut trainer = Trainer::new(rbm.clone(), plan, data).unwrap();
                pool.install(|| (0..4).for_each(|_| drop(trainer.epoch(data).unwrap())));
                trainer.state()
            };
            let one = run(1);
            assert!(one == run(3), "{sampler:?}");
            assert!(one.floats["weights"].1.iter().zip(rbm.weights()).any(|(a, b)| a != b));
        }
    }

    /// Taken out in the middle of an epoch and put into a fresh trainer, on the way to the same bits.
    #[test]
    fn a_resumed_training_equals_an_uninterrupted_one() {
        let data = toy::bars_and_stripes(3);
        let data = Rows::new(&data, 9).unwrap();
        for clip in [None, Some(0.2)] {
            for sampler in samplers() {
                let start = Rbm::initial(Visible::Binary, 6, data, 2).unwrap();
                let plan = Plan { batch: 4, clip, ..plan(sampler) };
                let mut whole = Trainer::new(start.clone(), plan.clone(), data).unwrap();
                let mut first = whole.clone();
                updates(&mut whole, data, 25);
                // 14 rows in batches of 4: the tenth update is the second of the third epoch.
                updates(&mut first, data, 10);
                let state = first.state();
                assert_eq!((state.integers["epochs"][0], state.integers["step"][0]), (2, 2));
                let mut second = Trainer::new(start, plan, data).unwrap();
                second.restore(&state).unwrap();
                assert!(second.state() == state);
                updates(&mut second, data, 15);
                assert!(whole.state() == second.state());
            }
        }
    }

    /// Every sampler raises the exact likelihood of bars and stripes well above that of independent pixels.
    #[test]
    fn training_learns() {
        let data = toy::bars_and_stripes(3);
        let data = Rows::new(&data, 9).unwrap();
        for sampler in samplers() {
            let start = Rbm::initial(Visible::Binary, 8, data, 2).unwrap();
            let plan = Plan { batch: 14, sampler, rates: Rates::all(0.1), ..Plan::new(5) };
            let mut trainer = Trainer::new(start, plan, data).unwrap();
            for _ in 0..1500 {
                trainer.epoch(data).unwrap();
            }
            let log_z = exact::log_partition(trainer.rbm(), &|_, _| {}).unwrap();
            let got = likelihood::mean_log_likelihood(trainer.rbm(), data, log_z).unwrap().value;
            // More than half of the way from independent fair pixels, -6.24, to the best there is, -ln 14 = -2.64.
            assert!(got > -4.44 && got < -2.6390, "{:?}: {got}", trainer.plan().sampler);
        }
    }

    /// Two clusters of real numbers: the trained density beats one normal distribution for all.
    #[test]
    fn gaussian_units_learn_clusters() {
        let mut random = Philox::new(4, 0);
        let data: Vec<f32> = (0..200)
            .flat_map(|row| {
                let centre = if row % 2 == 0 { 1.5 } else { -1.5 };
                [centre + 0.5 * random.normal() as f32, centre + 0.5 * random.normal() as f32]
            })
            .collect();
        let data = Rows::new(&data, 2).unwrap();
        let start = Rbm::initial(Visible::Gaussian { variance: vec![0.25; 2] }, 2, data, 1).unwrap();
        let value = |rbm: &Rbm| {
            let log_z = exact::log_partition(rbm, &|_, _| {}).unwrap();
            likelihood::mean_log_likelihood(rbm, data, log_z).unwrap().value
        };
        let plan = Plan { batch: 50, rates: Rates::all(0.02), ..Plan::new(7) };
        let mut trainer = Trainer::new(start.clone(), plan, data).unwrap();
        (0..200).for_each(|_| drop(trainer.epoch(data).unwrap()));
        // One normal distribution with the data's covariance: -ln(2 pi e sqrt det) = about -2.9; the truth about -2.1.
        let got = value(trainer.rbm());
        assert!(got > -2.4 && value(&start) < -5.0, "{got} {}", value(&start));
    }

    #[test]
    fn what_cannot_be_trained_is_refused() {
        let data = toy::bars_and_stripes(2);
        let data = Rows::new(&data, 4).unwrap();
        let rbm = Rbm::initial(Visible::Binary, 3, data, 2).unwrap();
        let new = |plan| Trainer::new(rbm.clone(), plan, data);
        assert!(new(Plan { batch: 0, ..Plan::new(1) }).unwrap_err().is_value());
        let mut trainer = new(Plan { batch: 4, ..Plan::new(1) }).unwrap();
        assert!(trainer.update(data).unwrap_err().is_shape());
        let other = Rows::new(&[0.0, 1.0, 0.0, 0.0], 4).unwrap();
        trainer.next(data).unwrap();
        assert!(trainer.next(other).unwrap_err().is_shape());
        let empty = Rows::new(&[], 4).unwrap();
        assert!(Trainer::new(rbm.clone(), Plan::new(1), empty).unwrap_err().is_shape());
        // Rates beyond reason leave the numbers, and it is said.
        let mut wild = new(Plan { rates: Rates::all(f32::MAX), ..Plan::new(1) }).unwrap();
        let error = (0..20).find_map(|_| wild.epoch(data).err()).unwrap();
        assert!(error.is_value() && error.to_string().contains("finite"), "{error}");
    }

    #[test]
    fn states_that_do_not_fit_are_refused_and_change_nothing() {
        let data = toy::bars_and_stripes(2);
        let data = Rows::new(&data, 4).unwrap();
        let rbm = Rbm::initial(Visible::Binary, 3, data, 2).unwrap();
        let sampler = samplers()[2].clone();
        let mut trainer = Trainer::new(rbm, Plan { batch: 4, sampler, ..Plan::new(1) }, data).unwrap();
        trainer.next(data).unwrap();
        let good = trainer.state();
        let spoiled = |spoil: &dyn Fn(&mut State)| {
            let mut state = good.clone();
            spoil(&mut state);
            state
        };
        for bad in [
            spoiled(&|s| drop(s.floats.remove("weights"))),
            spoiled(&|s| drop(s.floats.insert("more".into(), (vec![0], vec![])))),
            spoiled(&|s| s.floats.get_mut("weights").unwrap().0 = vec![3, 4]),
            spoiled(&|s| s.floats.get_mut("weights").unwrap().1.truncate(11)),
            spoiled(&|s| s.floats.get_mut("weights").unwrap().1[0] = f32::NAN),
            spoiled(&|s| s.integers.get_mut("chains.slots").unwrap()[0] = 1),
            spoiled(&|s| s.integers.get_mut("chains.tried").unwrap().truncate(2)),
            spoiled(&|s| s.integers.get_mut("seed").unwrap()[0] = 9),
            spoiled(&|s| s.integers.get_mut("epoch_rows").unwrap()[0] = u64::MAX),
            spoiled(&|s| s.integers.get_mut("step").unwrap()[0] = u64::MAX),
            spoiled(&|s| s.integers.get_mut("step").unwrap()[0] = 0),
        ] {
            assert!(trainer.restore(&bad).is_err());
            assert!(trainer.state() == good);
        }
        trainer.restore(&good).unwrap();
    }
}
