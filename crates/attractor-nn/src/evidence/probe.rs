//! The causality probe: change one token, and nothing before it may move.

use std::borrow::Cow;

use attractor::random::{Philox, stream};
use attractor_record::evidence::CausalityProbe;

use super::Options;
use crate::model::{Input, Model, Overrides};
use attractor::Result;

/// Replaces one token of the second half and compares the last hidden states before and from it on.
///
/// What the model makes of the input as it is, if that is known, is not computed again. `None` for inputs of fewer than two
/// tokens, and where no other token can be found.
pub(super) fn probe(
    model: &Model,
    input: &Input,
    (index, inputs): (usize, &[Input]),
    options: &Options<'_>,
    seed: u64,
    plain: Option<Cow<'_, [f32]>>,
) -> Result<Option<CausalityProbe>> {
    let Some(ids) = input.ids().filter(|ids| ids.len() >= 2) else { return Ok(None) };
    let n = ids.len();
    let mut random = Philox::new(seed, stream::probe(index as u64));
    let start = n.div_ceil(2);
    let position = start + random.below(n - start);
    // A token of the same texts is one that the model knows; failing that, any other.
    let pool = || inputs.iter().filter_map(Input::ids).flatten().copied().filter(|id| !options.special.contains(id));
    let mut others: Vec<u32> = pool().filter(|&id| id != ids[position]).collect();
    others.sort_unstable();
    others.dedup();
    if others.is_empty() {
        others = (0..model.spec().vocab as u32).filter(|&id| id != ids[position]).take(64).collect();
    }
    if others.is_empty() {
        return Ok(None);
    }
    let mut changed = ids.to_vec();
    changed[position] = others[random.below(others.len())];
    let changed = match input {
        Input::Text(text) => Input::Text(text.with_ids(changed)),
        Input::Image { .. } => Input::tokens(changed),
    };
    let run = |input: &Input| model.hidden(input, &mut (), &Overrides::none());
    let before = plain.map_or_else(|| run(input).map(Cow::Owned), Ok)?;
    let after = run(&changed)?;
    let cut = position * (before.len() / n);
    // A NaN is the largest change of all.
    let change = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs())
            .fold(0.0, |worst: f64, x| if x.is_nan() || x > worst { x } else { worst })
    };
    Ok(Some(CausalityProbe {
        input: index,
        position,
        past_change: change(&before[..cut], &after[..cut]),
        future_change: change(&before[cut..], &after[cut..]),
    }))
}
