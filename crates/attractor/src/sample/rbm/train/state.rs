//! The state of a training, taken out and put back.

use super::{Chains, Trainer};
use crate::State;
use crate::error::{Error, Result};
use crate::random::{Philox, stream};
use crate::sample::rbm::plan::Sampler;
use crate::sample::rbm::step::Motion;

impl Trainer {
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
    /// `is_shape` for an array that is missing, superfluous or of another size; `is_usage` for numbers that are not finite,
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
                return Err(Error::usage(format!("rbm restore: {name} holds {bad}; expected finite numbers")));
            }
        }
        if state.floats.get("variance") != own.floats.get("variance") {
            return Err(Error::usage("rbm restore: the state has other variances; use the machine it was made with"));
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
            return Err(Error::usage(format!(
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
            return Err(Error::usage(format!(
                "rbm restore: {} updates of {batch} rows done in an epoch of {rows}; the counters contradict each other",
                number("step")
            )));
        }
        if let Chains::Tempered(replicas) = &mut self.chains {
            let mut slots = state.integers["chains.slots"].clone();
            slots.sort_unstable();
            if !slots.iter().copied().eq(0..slots.len() as u64) {
                return Err(Error::usage("rbm restore: chains.slots does not name every replica once"));
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
        self.order =
            (rows > 0).then(|| Philox::new(self.plan.seed, stream::epoch(self.epoch)).permutation(rows as usize));
        Ok(())
    }
}
