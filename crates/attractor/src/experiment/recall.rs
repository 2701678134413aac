//! Recall of corrupted patterns by any memory of spins: what was asked, what came back, and why.

use serde::Serialize;

use crate::context::Context;
use crate::energy::{Descends, SpinMemory, Updating};
use crate::error::{Error, Hint, Result};
use crate::pattern::{Cue, Spins, StoredPatterns};
use crate::random::{Philox, stream};
use crate::settle::{self, Ending, Frames, Likeness, Order, Settled, explain};

/// Most cues per pattern.
pub const MOST_CUES: usize = 10_000;

/// How a cue is made of a pattern of N units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Corruption {
    /// This share of the units, in [0, 1], is flipped: round(share N) of them, chosen at random.
    Noise(f64),
    /// This share of the units, in [0, 1], is unknown, the last ones: they start at random, and only they are recalled.
    Mask(f64),
}

crate::choice! {
    /// The order of updates.
    #[derive(Default)]
    pub enum Update {
        /// One unit after the other, in a new random order each sweep.
        #[default]
        Random = "random",
        /// One unit after the other, from the first to the last.
        Sequential = "sequential",
        /// All units at once: may end in a cycle of two states.
        Synchronous = "synchronous",
    }
}

/// What is kept of the way that a recall takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trace {
    /// Nothing but the energy after each sweep.
    #[default]
    Sweeps,
    /// The energy after every flip, of the first so many recalls; of synchronous updates after each of them.
    Energies(usize),
    /// At most so many states of the first recall, unit by unit.
    Frames(usize),
}

/// How cues are made and recalled.
#[derive(Debug, Clone, PartialEq)]
pub struct Recall {
    /// How a cue is made.
    pub corruption: Corruption,
    /// How units are updated.
    pub update: Update,
    /// Cues per pattern, at most 10 000.
    pub cues: usize,
    /// Sweeps over all units at most, at least one.
    pub sweeps: usize,
    /// What is kept of the way.
    pub trace: Trace,
}

/// A fifth of the units flipped, one cue per pattern, updates in random order.
impl Default for Recall {
    fn default() -> Self {
        let (update, trace) = (Update::default(), Trace::default());
        Self { corruption: Corruption::Noise(0.2), update, cues: 1, sweeps: 100, trace }
    }
}

/// One cue and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recalled {
    /// Of which pattern the cue was made.
    pub pattern: usize,
    /// The cue; the seed makes it again, so it is not serialised.
    #[serde(skip)]
    pub cue: Cue,
    /// Overlap per unit of the cue with its pattern, in [-1, 1].
    pub cue_overlap: f64,
    /// Overlap per unit of the end with the pattern.
    pub overlap: f64,
    /// True if the pattern came back without an error.
    pub exact: bool,
    /// What the end is.
    pub ending: Ending,
    /// Sweeps over all units, the last one without a change included.
    pub sweeps: usize,
    /// Units flipped.
    pub flips: usize,
    /// Energy at the start, and after every sweep.
    pub energies: Vec<f64>,
    /// Where it ended.
    pub state: Spins,
}

/// Every recall of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recalls {
    /// What was asked for.
    #[serde(skip)]
    pub how: Recall,
    /// Whether updates lower the energy.
    pub descent: Descends,
    /// Cue by cue, pattern after pattern.
    pub recalls: Vec<Recalled>,
    /// Energies on the way, recall by recall, if [`Trace::Energies`] asked for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub way: Vec<Vec<f64>>,
    /// The first recall, state by state, if [`Trace::Frames`] asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<Frames>,
}

impl Recalls {
    /// How many patterns came back without an error.
    pub fn exact(&self) -> usize {
        self.recalls.iter().filter(|recalled| recalled.exact).count()
    }
}

impl Recall {
    /// Checks that it can be carried out.
    ///
    /// # Errors
    /// `is_usage` for a number outside its range, and for a mask with synchronous updates.
    pub fn check(&self) -> Result<()> {
        let (name, share) = match self.corruption {
            Corruption::Noise(share) => ("noise", share),
            Corruption::Mask(share) => ("mask", share),
        };
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::option(name, share, "give a fraction from 0 to 1"));
        }
        if name == "mask" && self.update == Update::Synchronous {
            let why = "known units can be clamped only when units are updated one by one";
            return Err(Error::option("mask", "", why).hinted(Hint::Omit("update")));
        }
        match self.cues {
            1..=MOST_CUES => Ok(()),
            cues => Err(Error::option("cues", cues, format!("give 1 to {MOST_CUES}"))),
        }
    }

    fn order(&self, seed: u64, number: u64) -> Order {
        match self.update {
            Update::Sequential => Order::Sequential,
            _ => Order::Random { seed, stream: stream::updates_of(number) },
        }
    }

    fn cue(&self, pattern: &Spins, random: &mut Philox) -> Result<Cue> {
        let units = pattern.len();
        let count = |share: f64| (share * units as f64).round() as usize;
        match self.corruption {
            Corruption::Noise(share) => Ok(Cue::whole(pattern.with_flips(count(share), random)?)),
            Corruption::Mask(share) if count(share) == 0 => {
                Err(Error::option("mask", share, format!("it masks none of {units} units; give more")))
            }
            Corruption::Mask(share) => {
                let known = units - count(share);
                Cue::hidden(pattern, (0..units).map(|unit| unit < known).collect(), random)
            }
        }
    }

    fn settle<M: SpinMemory>(&self, memory: &M, cue: &Cue, order: Order) -> Result<Settled> {
        match (self.update, self.corruption) {
            (Update::Synchronous, _) => settle::synchronous(memory, &cue.state, self.sweeps),
            (_, Corruption::Mask(_)) => settle::clamped(memory, cue, order, self.sweeps),
            (_, Corruption::Noise(_)) => settle::asynchronous(memory, &cue.state, order, self.sweeps),
        }
    }

    /// Recalls every pattern from its cues. The patterns are those that the memory stores.
    ///
    /// # Errors
    /// As [`check`](Self::check); `is_usage` for no sweeps or a mask that frees no unit, `is_shape` for patterns of another
    /// length than the memory's, `is_interrupted`.
    pub fn run<M: SpinMemory>(&self, memory: &M, patterns: &StoredPatterns, context: &Context<'_>) -> Result<Recalls> {
        self.check()?;
        context.install(|| self.recalls(memory, patterns, context))
    }

    fn recalls<M: SpinMemory>(&self, memory: &M, patterns: &StoredPatterns, context: &Context<'_>) -> Result<Recalls> {
        let (mut recalls, mut way, mut frames) = (Vec::new(), Vec::new(), None);
        for pattern in 0..patterns.count() {
            let stored = patterns.pattern(pattern);
            for _ in 0..self.cues {
                let number = recalls.len();
                context.check()?;
                context.step("recalling", number, patterns.count().saturating_mul(self.cues));
                let cue = self.cue(&stored, &mut Philox::new(context.seed(), stream::item(number as u64)))?;
                let order = self.order(context.seed(), number as u64);
                let settled = self.settle(memory, &cue, order)?;
                match self.trace {
                    Trace::Energies(most) if number < most => way.push(match self.update {
                        Update::Synchronous => settled.energies.clone(),
                        _ => settle::energies(memory, &cue, order, self.sweeps)?,
                    }),
                    Trace::Frames(most) if number == 0 => {
                        frames = Some(settle::frames(memory, &cue, order, self.sweeps, most)?);
                    }
                    _ => {}
                }
                // Of equal patterns the first would be named.
                let ending = match settled.state == stored {
                    true => Ending::Stored { pattern, wrong: 0 },
                    false => explain(&settled, patterns, Likeness::default())?.ending,
                };
                let overlap = |state: &Spins| f64::from(stored.overlap(state)) / stored.len() as f64;
                recalls.push(Recalled {
                    pattern,
                    cue_overlap: overlap(&cue.state),
                    overlap: overlap(&settled.state),
                    exact: settled.state == stored,
                    cue,
                    ending,
                    sweeps: settled.sweeps,
                    flips: settled.flips,
                    energies: settled.energies,
                    state: settled.state,
                });
            }
        }
        let updating = match self.update {
            Update::Synchronous => Updating::Synchronous,
            Update::Random | Update::Sequential => Updating::Asynchronous,
        };
        Ok(Recalls { how: self.clone(), descent: memory.descends(updating), recalls, way, frames })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Hebb;

    fn memory(units: usize, count: usize) -> Hebb {
        Hebb::new(StoredPatterns::random(units, count, &mut Philox::new(1, 0)).unwrap())
    }

    fn run(recall: &Recall, memory: &Hebb) -> Recalls {
        recall.run(memory, memory.patterns(), &Context::new(5)).unwrap()
    }

    /// A cue has exactly the share of wrong units that was asked for, a masked one is whole where it is known; both come
    /// back from a memory far below capacity.
    #[test]
    fn cues_are_corrupted_as_asked_and_come_back() {
        let memory = memory(200, 5);
        for update in [Update::Random, Update::Sequential, Update::Synchronous] {
            let recall = Recall { corruption: Corruption::Noise(0.155), update, cues: 3, ..Recall::default() };
            let found = run(&recall, &memory);
            assert_eq!((found.recalls.len(), found.exact()), (15, 15));
            for (at, one) in found.recalls.iter().enumerate() {
                assert_eq!((one.pattern, one.cue_overlap, one.overlap), (at / 3, 1.0 - 62.0 / 200.0, 1.0));
                assert_eq!(one.ending, Ending::Stored { pattern: at / 3, wrong: 0 });
                assert_eq!(one.energies.len(), one.sweeps + 1);
            }
        }
        let masked = Recall { corruption: Corruption::Mask(0.3), ..Recall::default() };
        for one in run(&masked, &memory).recalls {
            let stored = memory.patterns().pattern(one.pattern);
            assert_eq!(one.cue.unknown(), (140..200).collect::<Vec<_>>());
            assert!((0..140).all(|unit| one.cue.state.is_up(unit) == stored.is_up(unit)));
            assert!(one.exact && one.state == stored);
        }
    }

    /// What is kept of the way is the way of the recall itself, and changes nothing in it.
    #[test]
    fn a_trace_is_the_recall_looked_at() {
        let memory = memory(60, 3);
        for corruption in [Corruption::Noise(0.25), Corruption::Mask(0.5)] {
            let plain = Recall { corruption, cues: 2, ..Recall::default() };
            let (all, way) =
                (run(&plain, &memory), run(&Recall { trace: Trace::Energies(4), ..plain.clone() }, &memory));
            assert_eq!((&all.recalls, way.way.len(), all.way.len()), (&way.recalls, 4, 0));
            for (one, energies) in way.recalls.iter().zip(&way.way) {
                assert_eq!(energies.len(), one.flips + 1);
                assert!((energies[one.flips] - one.energies[one.sweeps]).abs() < 1e-12);
            }
            let frames = run(&Recall { trace: Trace::Frames(1000), ..plain }, &memory).frames.unwrap();
            assert_eq!((frames.energies, frames.states.last()), (way.way[0].clone(), Some(&all.recalls[0].state)));
        }
        let at_once = Recall { update: Update::Synchronous, trace: Trace::Energies(9), ..Recall::default() };
        let found = run(&at_once, &memory);
        assert_eq!(found.way, found.recalls.iter().map(|one| one.energies.clone()).collect::<Vec<_>>());
    }

    /// The second of two equal patterns is itself, not the first.
    #[test]
    fn equal_patterns_are_each_recalled() {
        let one = Spins::random(40, &mut Philox::new(2, 0));
        let memory = Hebb::new(StoredPatterns::new(&[one.clone(), one]).unwrap());
        let found = run(&Recall::default(), &memory);
        let endings: Vec<&Ending> = found.recalls.iter().map(|one| &one.ending).collect();
        assert_eq!(endings, [0, 1].map(|pattern| Ending::Stored { pattern, wrong: 0 }).iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let memory = memory(20, 2);
        let refused = |recall: Recall| recall.run(&memory, memory.patterns(), &Context::new(0)).unwrap_err();
        let plain = Recall::default();
        for share in [-0.1, 1.1, f64::NAN] {
            let error = refused(Recall { corruption: Corruption::Noise(share), ..plain.clone() });
            assert!(error.is_usage() && error.at_fault().unwrap().0 == "noise", "{error}");
        }
        let masked = |share| Recall { corruption: Corruption::Mask(share), ..plain.clone() };
        assert!(refused(masked(0.01)).to_string().contains("it masks none"));
        assert!(refused(Recall { update: Update::Synchronous, ..masked(0.5) }).is_usage());
        for bad in [Recall { cues: 0, ..plain.clone() }, Recall { cues: MOST_CUES + 1, ..plain.clone() }] {
            assert_eq!(refused(bad).at_fault().unwrap().0, "cues");
        }
        assert!(refused(Recall { sweeps: 0, ..plain.clone() }).is_usage());
        assert!(plain.run(&memory, memory.patterns(), &Context::new(0).with_interrupt(&|| true)).is_err());
    }
}
