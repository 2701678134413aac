//! Energies that a memory descends.
//!
//! Every memory of spins answers by one contract, [`SpinMemory`]: its energy, the field at a unit, and whether the
//! dynamics that goes with it lowers the energy. Energies go down.

mod bits;
mod couplings;
mod dense;
mod exponential;
mod ground;
mod heads;
mod hebb;
pub mod landscape;
mod max_cut;
pub(crate) mod modern;
pub mod problems;
mod tables;
pub(crate) mod weights;

pub use couplings::{Couplings, CouplingsWalk, Lost};
pub use dense::{DenseMemory, DenseWalk, Interaction};
pub use exponential::{ExponentialMemory, ExponentialWalk, MOST_BETA};
pub use ground::{MOST_UNITS, ground_state};
pub use heads::{Associated, Heads, Projection};
pub use hebb::{Hebb, HebbWalk};
pub use max_cut::MaxCut;
pub use modern::{Modern, SimplexMap};
pub use weights::{Weights, WeightsWalk};

use std::fmt;

use serde::{Serialize, Serializer};

use crate::pattern::Spins;

/// Does a way of updating lower the energy?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "because", rename_all = "snake_case")]
pub enum Descends {
    /// No update ever raises it, so that updating ends at a fixed point.
    Exact,
    /// Under a condition.
    Conditional(DescentCondition),
    /// Some updates may raise it, or there is no such energy; why.
    None(Rises),
}

/// A condition under which no update raises an energy; JSON holds its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescentCondition {
    /// The weights have no negative eigenvalue.
    NoNegativeEigenvalue,
}

/// Why updates may raise an energy; JSON holds the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rises {
    /// The weights are not symmetric.
    Asymmetric,
    /// A diagonal weight is negative.
    NegativeDiagonal,
    /// All units are updated at once.
    AllAtOnce,
    /// The damping does not lie in (0, 2).
    Damping,
}

impl fmt::Display for DescentCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNegativeEigenvalue => {
                "the weights have no negative eigenvalue, as a projection with its diagonal has none"
            }
        })
    }
}

impl fmt::Display for Rises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asymmetric => "the weights are not symmetric: updates follow no energy and may cycle",
            Self::NegativeDiagonal => "a diagonal weight is negative: updates of that unit may raise the energy",
            Self::AllAtOnce => {
                "all units are updated at once from the previous state: recall may end in a cycle of two states"
            }
            Self::Damping => "the damping does not lie in (0, 2): steps may lead uphill",
        })
    }
}

impl Serialize for DescentCondition {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Rises {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What every memory answers: its energy, and whether updating lowers it.
pub trait Energy {
    /// What has an energy.
    type State: ?Sized;
    /// A way of updating.
    type Updating;

    /// Energy of a state.
    ///
    /// # Panics
    /// If the state has another size.
    fn energy(&self, state: &Self::State) -> f64;

    /// Does updating so lower it?
    fn descends(&self, updating: Self::Updating) -> Descends;
}

/// A way of updating states of +1 and -1 at zero temperature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updating {
    /// One unit after the other: each sees those before it as they have become.
    Asynchronous,
    /// All units at once.
    Synchronous,
}

/// Of memories in which no unit has a coupling to itself: the energy falls where units are updated one after the other.
///
/// Source: Goles, Fogelman and Pellegrin 1985, *Decreasing energy functions as a tool for studying threshold networks*.
fn one_by_one_alone(updating: Updating) -> Descends {
    match updating {
        Updating::Asynchronous => Descends::Exact,
        Updating::Synchronous => Descends::None(Rises::AllAtOnce),
    }
}

/// A memory of states of +1 and -1.
pub trait SpinMemory: Energy<State = Spins, Updating = Updating> + Sync {
    /// A state on its way, with what makes fields cheap.
    type Walk<'a>: SpinWalk
    where
        Self: 'a;

    /// N.
    fn units(&self) -> usize;

    /// Starts from a state.
    ///
    /// # Panics
    /// If the state has another number of units.
    fn walk(&self, start: &Spins) -> Self::Walk<'_>;
}

/// A state on its way downhill.
pub trait SpinWalk {
    /// The state.
    fn state(&self) -> &Spins;

    /// h_i: the field that the other units make at this one. Its sign is what the unit wants to be; 0 is a tie.
    fn field(&self, unit: usize) -> f64;

    /// The field at every unit.
    fn fields(&self) -> Vec<f64> {
        (0..self.state().len()).map(|unit| self.field(unit)).collect()
    }

    /// The units whose field is against them, in rising order: those that would flip if all were updated at once.
    fn discontent(&self) -> Vec<usize> {
        let fields = self.fields();
        let is_wrong = |unit: &usize| fields[*unit] * f64::from(self.state().sign(*unit)) < 0.0;
        (0..self.state().len()).filter(is_wrong).collect()
    }

    /// Flips a unit.
    fn flip(&mut self, unit: usize);

    /// Flips several units, each given once.
    fn flip_all(&mut self, units: &[usize]) {
        units.iter().for_each(|&unit| self.flip(unit));
    }

    /// Energy of the state.
    fn energy(&self) -> f64;

    /// One asynchronous update at zero temperature: the unit takes the sign of its field, and keeps its own at a tie.
    /// True if it flipped; the energy has then changed by 2 x_i h_i, x_i its old sign (less 2 w_ii if the unit has a
    /// weight to itself).
    fn update_site(&mut self, unit: usize) -> bool {
        let wrong = self.field(unit) * f64::from(self.state().sign(unit)) < 0.0;
        if wrong {
            self.flip(unit);
        }
        wrong
    }

    /// Updates units one after the other, each by the state that those before it left; `turned` sees the walk after each
    /// one that flipped. Returns how many did.
    fn update_sites(&mut self, units: &[usize], turned: &mut dyn FnMut(&Self)) -> usize
    where
        Self: Sized,
    {
        one_by_one(self, units, turned)
    }
}

fn one_by_one<W: SpinWalk>(walk: &mut W, units: &[usize], turned: &mut dyn FnMut(&W)) -> usize {
    let mut count = 0;
    for &unit in units {
        if walk.update_site(unit) {
            count += 1;
            turned(walk);
        }
    }
    count
}
