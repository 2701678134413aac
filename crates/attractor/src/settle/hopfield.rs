//! Updating states of +1 and -1 at zero temperature, unit by unit or all at once.

use serde::Serialize;

use crate::energy::{SpinMemory, SpinWalk};
use crate::error::{Error, Result};
use crate::pattern::{Cue, Spins};
use crate::random::Philox;

/// In which order the units of a sweep are updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Each unit once per sweep, in a new random order every time; the stream of random numbers.
    Random {
        /// Seed.
        seed: u64,
        /// Stream number: recalls of one seed that differ here are independent.
        stream: u64,
    },
    /// From the first unit to the last.
    Sequential,
}

/// How settling ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// No unit wants to flip.
    FixedPoint,
    /// Synchronous updates go to and fro between two states.
    TwoCycle,
    /// The sweeps were used up.
    OutOfSweeps,
}

/// A settled state.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// Where it ended.
    pub state: Spins,
    /// The other state of a two-cycle.
    pub other: Option<Spins>,
    /// How it ended.
    pub ended: Ended,
    /// Sweeps over all units, the last one without a change included.
    pub sweeps: usize,
    /// Units flipped.
    pub flips: usize,
    /// Energy at the start, and after every sweep.
    pub energies: Vec<f64>,
}

fn check(memory: &impl SpinMemory, start: &Spins, sweeps: usize) -> Result<()> {
    if start.len() != memory.units() {
        return Err(Error::shape(format!(
            "settle: a cue of {} units for a memory of {}; the two must be equal",
            start.len(),
            memory.units()
        )));
    }
    if sweeps == 0 {
        return Err(Error::option("sweeps", 0, "give at least 1"));
    }
    Ok(())
}

/// Updates one unit after the other until none flips, at most `sweeps` times all of them.
///
/// With symmetric weights and no negative diagonal every flip lowers the energy, so it ends.
///
/// # Errors
/// `is_shape` if the cue has another length, `is_usage` for no sweeps.
pub fn asynchronous<M: SpinMemory>(memory: &M, start: &Spins, order: Order, sweeps: usize) -> Result<Settled> {
    check(memory, start, sweeps)?;
    Ok(update(memory, start, (0..memory.units()).collect(), order, sweeps, |_| ()))
}

/// The same with the known units of a cue held fast: only the others are updated, downhill until none flips.
///
/// # Errors
/// As [`asynchronous`]; `is_shape` if the cue does not say of every unit whether it is known.
pub fn clamped<M: SpinMemory>(memory: &M, cue: &Cue, order: Order, sweeps: usize) -> Result<Settled> {
    check(memory, &cue.state, sweeps)?;
    if cue.known.len() != cue.state.len() {
        return Err(Error::shape(format!(
            "settle: a cue of {} units with {} known-flags; give one flag per unit",
            cue.state.len(),
            cue.known.len()
        )));
    }
    Ok(update(memory, &cue.state, cue.unknown(), order, sweeps, |_| ()))
}

/// Sweeps over `units` until none of them flips; `flipped` sees the walk each time that one does.
fn update<M: SpinMemory>(
    memory: &M,
    start: &Spins,
    mut units: Vec<usize>,
    order: Order,
    sweeps: usize,
    mut flipped: impl FnMut(&M::Walk<'_>),
) -> Settled {
    let mut walk = memory.walk(start);
    let mut energies = vec![walk.energy()];
    let mut random = match order {
        Order::Random { seed, stream } => Some(Philox::new(seed, stream)),
        Order::Sequential => None,
    };
    let mut flips = 0;
    for sweep in 1..=sweeps {
        if let Some(random) = &mut random {
            random.shuffle(&mut units);
        }
        let before = flips;
        flips += walk.update_sites(&units, &mut flipped);
        energies.push(walk.energy());
        if flips == before {
            let state = walk.state().clone();
            return Settled { state, other: None, ended: Ended::FixedPoint, sweeps: sweep, flips, energies };
        }
    }
    Settled { state: walk.state().clone(), other: None, ended: Ended::OutOfSweeps, sweeps, flips, energies }
}

/// A recall unit by unit: a state and its energy at each flip, the start first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frames {
    /// The states, `[frame]`.
    pub states: Vec<Spins>,
    /// Their energies.
    pub energies: Vec<f64>,
    /// Flips that were left out before the last state, which is the end of recall always.
    pub left_out: usize,
}

/// A recall looked at after every flip: [`clamped`], or [`asynchronous`] where all of the cue is known.
///
/// At most `most` states are kept, two at least.
///
/// # Errors
/// As [`clamped`].
pub fn frames<M: SpinMemory>(memory: &M, cue: &Cue, order: Order, sweeps: usize, most: usize) -> Result<Frames> {
    check(memory, &cue.state, sweeps)?;
    let units = free(memory, cue);
    let mut frames = Frames { states: vec![cue.state.clone()], energies: vec![memory.energy(&cue.state)], left_out: 0 };
    let room = most.max(2) - 1;
    let end = update(memory, &cue.state, units, order, sweeps, |walk| match frames.states.len() < room {
        true => {
            frames.states.push(walk.state().clone());
            frames.energies.push(walk.energy());
        }
        false => frames.left_out += 1,
    });
    if frames.left_out > 0 {
        frames.left_out -= 1;
        frames.energies.push(memory.energy(&end.state));
        frames.states.push(end.state);
    }
    Ok(frames)
}

/// The energies of [`frames`] alone, however many: of the start, and after every flip.
///
/// # Errors
/// As [`clamped`].
pub fn energies<M: SpinMemory>(memory: &M, cue: &Cue, order: Order, sweeps: usize) -> Result<Vec<f64>> {
    check(memory, &cue.state, sweeps)?;
    let mut energies = vec![memory.energy(&cue.state)];
    update(memory, &cue.state, free(memory, cue), order, sweeps, |walk| energies.push(walk.energy()));
    Ok(energies)
}

/// The units of a cue that may change: those that are unknown, or all of a cue that is known whole.
fn free(memory: &impl SpinMemory, cue: &Cue) -> Vec<usize> {
    let unknown = cue.unknown();
    if unknown.is_empty() { (0..memory.units()).collect() } else { unknown }
}

/// Updates all units at once until nothing changes or the state of two steps before comes back.
///
/// The energy may rise here: with symmetric weights -x(t) W x(t - 1) falls instead, and all ends at a fixed point or in a
/// cycle of two.
///
/// # Errors
/// As [`asynchronous`].
/// # Source
/// Goles, Fogelman and Pellegrin 1985, *Decreasing energy functions as a tool for studying threshold networks*.
pub fn synchronous<M: SpinMemory>(memory: &M, start: &Spins, sweeps: usize) -> Result<Settled> {
    check(memory, start, sweeps)?;
    // Threads are woken once, not at every sweep.
    Ok(rayon::scope(|_| all_at_once(memory, start, sweeps)))
}

fn all_at_once<M: SpinMemory>(memory: &M, start: &Spins, sweeps: usize) -> Settled {
    let (mut before, mut walk) = (None, memory.walk(start));
    let (mut energies, mut flips) = (vec![walk.energy()], 0);
    for sweep in 1..=sweeps {
        let wrong = walk.discontent();
        let state = walk.state().clone();
        walk.flip_all(&wrong);
        flips += wrong.len();
        energies.push(walk.energy());
        if wrong.is_empty() {
            return Settled { state, other: None, ended: Ended::FixedPoint, sweeps: sweep, flips, energies };
        }
        if before.as_ref() == Some(walk.state()) {
            let (other, state) = (Some(state), walk.state().clone());
            return Settled { state, other, ended: Ended::TwoCycle, sweeps: sweep, flips, energies };
        }
        before = Some(state);
    }
    let state = walk.state().clone();
    Settled { state, other: None, ended: Ended::OutOfSweeps, sweeps, flips, energies }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Hebb;
    use crate::pattern::StoredPatterns;

    fn order(stream: u64) -> Order {
        Order::Random { seed: 7, stream }
    }

    /// Five patterns in 200 units, a tenth of a cue wrong: recalled exactly, downhill all the way.
    #[test]
    fn a_cue_settles_into_its_pattern() {
        let mut random = Philox::new(7, 1000);
        let memory = Hebb::new(StoredPatterns::random(200, 5, &mut random).unwrap());
        for pattern in 0..5 {
            let stored = memory.patterns().pattern(pattern);
            let cue = stored.with_flips(20, &mut random).unwrap();
            for order in [order(pattern as u64), Order::Sequential] {
                let settled = asynchronous(&memory, &cue, order, 50).unwrap();
                assert_eq!((settled.ended, settled.state.overlap(&stored)), (Ended::FixedPoint, 200));
                assert!(settled.flips >= 20 && settled.energies.windows(2).all(|e| e[1] <= e[0]));
                assert_eq!(settled.energies.len(), settled.sweeps + 1);
            }
            let at_once = synchronous(&memory, &cue, 50).unwrap();
            assert_eq!((at_once.ended, at_once.state.overlap(&stored)), (Ended::FixedPoint, 200));
            // The mirror state is stored too.
            let mirror = asynchronous(&memory, &cue.mirrored(), order(9), 50).unwrap();
            assert_eq!(mirror.state, stored.mirrored());
        }
    }

    /// Two units that want to be alike, started apart: at once they change places for ever; one by one they agree.
    #[test]
    fn a_cycle_of_two_is_named() {
        let memory = Hebb::new(StoredPatterns::new(&[Spins::from_signs(&[1, 1]).unwrap()]).unwrap());
        let start = Spins::from_signs(&[1, -1]).unwrap();
        let cycle = synchronous(&memory, &start, 10).unwrap();
        assert_eq!((cycle.ended, cycle.sweeps, &cycle.state), (Ended::TwoCycle, 2, &start));
        assert_eq!(cycle.other, Some(start.mirrored()));
        let settled = asynchronous(&memory, &start, Order::Sequential, 10).unwrap();
        assert_eq!((settled.ended, settled.state.overlap(&memory.patterns().pattern(0)).abs()), (Ended::FixedPoint, 2));
        let short = synchronous(&memory, &start, 1).unwrap();
        assert_eq!(short.ended, Ended::OutOfSweeps);
    }

    /// Four fifths of a pattern hidden, beyond what free recall mends: with the rest held fast it is completed.
    #[test]
    fn known_units_are_held_fast() {
        let mut random = Philox::new(8, 0);
        let memory = Hebb::new(StoredPatterns::random(200, 8, &mut random).unwrap());
        let stored = memory.patterns().pattern(2);
        let (mut completed, mut free) = (0, 0);
        for stream in 0..20 {
            let known: Vec<bool> = (0..200).map(|_| random.uniform() < 0.2).collect();
            let cue = Cue::hidden(&stored, known, &mut random).unwrap();
            let settled = clamped(&memory, &cue, order(stream), 50).unwrap();
            assert_eq!(settled.ended, Ended::FixedPoint);
            let held = |unit: &usize| settled.state.is_up(*unit) == stored.is_up(*unit);
            assert!((0..200).filter(|&unit| cue.known[unit]).all(|unit| held(&unit)));
            assert!(settled.energies.windows(2).all(|e| e[1] <= e[0]));
            completed += usize::from(settled.state == stored);
            free += usize::from(asynchronous(&memory, &cue.state, order(stream), 50).unwrap().state == stored);
        }
        assert!(completed > free, "{completed} with, {free} without");
        let whole = Cue::whole(Spins::random(200, &mut random));
        assert_eq!(clamped(&memory, &whole, Order::Sequential, 5).unwrap().state, whole.state);
        let short = Cue { known: vec![true], ..whole };
        assert!(clamped(&memory, &short, Order::Sequential, 5).unwrap_err().is_shape());
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        let memory = Hebb::new(StoredPatterns::random(6, 2, &mut Philox::new(0, 0)).unwrap());
        assert!(asynchronous(&memory, &Spins::new(5), Order::Sequential, 1).unwrap_err().is_shape());
        assert!(synchronous(&memory, &Spins::new(6), 0).unwrap_err().is_usage());
    }

    /// Frames are the recall itself: neighbours differ in one unit, and the last is where recall ends, however few are kept.
    #[test]
    fn frames_lead_from_the_cue_to_the_end() {
        let mut random = Philox::new(11, 0);
        let memory = Hebb::new(StoredPatterns::random(60, 3, &mut random).unwrap());
        let start = memory.patterns().pattern(0).with_flips(15, &mut random).unwrap();
        let settled = asynchronous(&memory, &start, order(3), 50).unwrap();
        let cue = Cue::whole(start.clone());
        let all = frames(&memory, &cue, order(3), 50, 1000).unwrap();
        assert_eq!((all.states.len(), all.left_out), (settled.flips + 1, 0));
        assert_eq!(energies(&memory, &cue, order(3), 50).unwrap(), all.energies);
        assert_eq!((&all.states[0], all.states.last().unwrap()), (&start, &settled.state));
        assert!(all.states.windows(2).all(|pair| pair[0].overlap(&pair[1]) == 58));
        assert!(all.energies.windows(2).all(|pair| pair[1] < pair[0]));
        for most in [2, 5, settled.flips + 1] {
            let few = frames(&memory, &cue, order(3), 50, most).unwrap();
            assert_eq!((few.states.len(), few.left_out), (most, settled.flips + 1 - most));
            assert_eq!(few.states.last(), Some(&settled.state));
            assert!((few.energies.last().unwrap() - settled.energies.last().unwrap()).abs() < 1e-12);
        }
        let known = (0..60).map(|unit| unit < 30).collect();
        let half = Cue::hidden(&memory.patterns().pattern(1), known, &mut random).unwrap();
        let end = clamped(&memory, &half, order(4), 50).unwrap();
        assert_eq!(frames(&memory, &half, order(4), 50, 1000).unwrap().states.last(), Some(&end.state));
    }
}
