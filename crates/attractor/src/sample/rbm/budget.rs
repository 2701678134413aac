//! What an experiment on a machine may take.

use super::model::Rbm;
use crate::error::{Error, Kind, Result};

/// Most bytes of states.
const MOST_BYTES: u64 = 16 << 30;
/// Bytes of a unit in each of `count` chains at eight betas, and of what is kept of it.
const BYTES_PER_UNIT: u64 = 64;

/// Refuses more states of a machine than memory holds; `option` is what asks for them.
///
/// # Errors
/// `is_budget`.
pub(super) fn check_states(rbm: &Rbm, option: &'static str, count: usize) -> Result<()> {
    let units = (rbm.visible_units() + rbm.hidden_units()) as u64;
    let bytes = (count as u64).saturating_mul(BYTES_PER_UNIT * units);
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    let (takes, most) = (bytes as f64 / 1e9, MOST_BYTES as f64 / 1e9);
    let why = format!("the states take {takes:.1} GB; at most {most:.0} GB");
    Err(Error::option(option, count, why).of_kind(Kind::Budget))
}
